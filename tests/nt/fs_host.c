/* fs_host.c - the host's side of the tests of files: a folder in /tmp. */
#include "fs_host.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"
#include "uwsk_test.h"

void fs_set_root(int root); /* nt/fs/fs.h is not for this world */

static char base[] = "/tmp/uwsk-fs-XXXXXX";
static char root_path[64], outside_path[64];

static const char *full(const char *path)
{
    static char text[2][1024];
    static int turn;

    turn ^= 1;
    snprintf(text[turn], sizeof text[turn], "%s/%s", root_path, path);
    return text[turn];
}

void disk_make(void)
{
    const char *problem;
    int root;

    EXPECT(mkdtemp(base) != NULL);
    snprintf(root_path, sizeof root_path, "%s/root", base);
    snprintf(outside_path, sizeof outside_path, "%s/outside", base);
    EXPECT_EQ(mkdir(root_path, 0777), 0);
    EXPECT_EQ(mkdir(outside_path, 0777), 0);
    disk_file("../outside/secret", "secret");
    root = host_file_root(root_path, &problem);
    EXPECT(root >= 0);
    fs_set_root(root);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about, (void)kind, (void)walk;
    return remove(path);
}

void disk_remove(void)
{
    if (getuid() == 0)
        EXPECT_EQ(seteuid(0), 0);
    fs_set_root(-1);
    EXPECT_EQ(nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void disk_folder(const char *path)
{
    EXPECT_EQ(mkdir(full(path), 0777), 0);
}

void disk_file(const char *path, const char *text)
{
    FILE *file = fopen(full(path), "w");

    EXPECT(file != NULL);
    EXPECT(fputs(text, file) >= 0);
    EXPECT_EQ(fclose(file), 0);
}

void disk_link(const char *path, const char *target)
{
    EXPECT_EQ(symlink(target, full(path)), 0);
}

void disk_pipe(const char *path)
{
    EXPECT_EQ(mkfifo(full(path), 0666), 0);
}

void disk_lock(const char *path)
{
    EXPECT_EQ(chmod(full(path), 0555), 0);
    if (getuid() == 0) /* it may everything */
        EXPECT_EQ(seteuid(65534), 0);
}

void disk_rename(const char *from, const char *to)
{
    EXPECT_EQ(rename(full(from), full(to)), 0);
}

int disk_has(const char *path, const char *text)
{
    char found[4096];
    struct stat about;
    FILE *file;
    size_t bytes;

    if (!text)
        return lstat(full(path), &about) == 0;
    file = fopen(full(path), "r");
    if (!file)
        return 0;
    bytes = fread(found, 1, sizeof found, file);
    fclose(file);
    return bytes == strlen(text) && memcmp(found, text, bytes) == 0;
}

static int no_resize, no_mode, no_memory;

void disk_refuse_resize(int refuse)
{
    no_resize = refuse;
}

void disk_refuse_mode(int refuse)
{
    no_mode = refuse;
}

void disk_refuse_memory(int refuse)
{
    no_memory = refuse;
}

/* In the place of the C library's. */
void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (!no_memory)
        return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

int ftruncate(int file, off_t bytes)
{
    if (!no_resize)
        return (int)syscall(SYS_ftruncate, file, bytes);
    errno = ENOSPC;
    return -1;
}

int fchmod(int file, mode_t mode)
{
    if (!no_mode)
        return (int)syscall(SYS_fchmod, file, mode);
    errno = EPERM;
    return -1;
}

const char *disk_outside(void)
{
    return outside_path;
}
