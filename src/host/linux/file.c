/*
 * file.c - files below one directory, which no path leaves: neither by ".." nor through a symbolic link.
 *
 * A root and a file are file descriptors.  Every path is resolved by the kernel with RESOLVE_BENEATH, so a link
 * that is changed meanwhile leads nowhere either; what has no such call of its own (remove, rename, make a
 * folder) is done by the last name in its folder, which is opened that way.  No errno leaves this file.
 */
#include "host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { TRIES = 100 }; /* of a path in which somebody renames folders all the time */

#define SECONDS_TO_1970 11644473600ll /* from 1601 */

static int error_of(int number)
{
    switch (number) {
    case ENOENT:
        return HOST_FILE_MISSING;
    case ENOTDIR:
        return HOST_FILE_NO_FOLDER;
    case EEXIST:
        return HOST_FILE_EXISTS;
    case EACCES:
    case EPERM:
    case ETXTBSY:
    case EBUSY:
        return HOST_FILE_DENIED;
    case EXDEV:
    case ELOOP:
    case EAGAIN:
        return HOST_FILE_OUTSIDE;
    case EISDIR:
        return HOST_FILE_IS_FOLDER;
    case ENOTEMPTY:
        return HOST_FILE_NOT_EMPTY;
    case ENOSPC:
    case EDQUOT:
        return HOST_FILE_FULL;
    case EROFS:
        return HOST_FILE_PROTECTED;
    case ENAMETOOLONG:
    case EILSEQ:
        return HOST_FILE_BAD_NAME;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return HOST_FILE_NO_MEMORY;
    case EFAULT:
        return HOST_FILE_BAD_BUFFER;
    case EFBIG:
    case EOVERFLOW:
        return HOST_FILE_TOO_LARGE;
    default:
        return HOST_FILE_BROKEN;
    }
}

static int result_of(int result)
{
    return result < 0 ? error_of(errno) : result;
}

/* ---- paths -------------------------------------------------------------------------------------------- */

static int beneath(int root, const char *path, int flags, unsigned mode)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int file;

    for (int i = 0; i < TRIES; i++) {
        file = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
        if (file >= 0 || (errno != EINTR && errno != EAGAIN))
            break;
    }
    return file;
}

/* The folder of the path's last name, to be closed, and that name. */
static int parent_of(int root, const char *path, const char **name)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    *name = slash ? slash + 1 : path;
    if (length >= sizeof folder || !**name) {
        errno =
            length >= sizeof folder ? ENAMETOOLONG : EBUSY; /* the root itself is not removed or renamed */
        return -1;
    }
    memcpy(folder, path, length);
    folder[length] = 0;
    return beneath(root, folder, O_PATH | O_DIRECTORY, 0);
}

/* ---- what a file is ----------------------------------------------------------------------------------- */

static uint64_t time_of(const struct statx_timestamp *at)
{
    return (uint64_t)((at->tv_sec + SECONDS_TO_1970) * 10000000 + at->tv_nsec / 100);
}

static int fill(int file, struct host_file_about *about)
{
    struct statx data;

    if (statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &data) != 0)
        return error_of(errno);
    if (!S_ISREG(data.stx_mode) && !S_ISDIR(data.stx_mode))
        return HOST_FILE_DENIED; /* a device, a pipe or a socket */
    *about = (struct host_file_about){.device = makedev(data.stx_dev_major, data.stx_dev_minor),
                                      .number = data.stx_ino,
                                      .size = data.stx_size,
                                      .allocated = data.stx_blocks * 512,
                                      .accessed = time_of(&data.stx_atime),
                                      .written = time_of(&data.stx_mtime),
                                      .changed = time_of(&data.stx_ctime),
                                      .links = data.stx_nlink,
                                      .folder = S_ISDIR(data.stx_mode),
                                      .read_only = !(data.stx_mode & S_IWUSR)};
    about->created = data.stx_mask & STATX_BTIME ? time_of(&data.stx_btime) : about->written;
    return 0;
}

static int is_link(int root, const char *path)
{
    struct stat data;
    const char *name;
    int folder = parent_of(root, path, &name), link;

    if (folder < 0)
        return 0;
    link = fstatat(folder, name, &data, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(data.st_mode);
    close(folder);
    return link;
}

int host_file_about(int file, struct host_file_about *about)
{
    return fill(file, about);
}

int host_file_about_path(int root, const char *path, struct host_file_about *about)
{
    int file = beneath(root, path, O_PATH, 0), error;

    if (file < 0)
        return error_of(errno);
    error = fill(file, about);
    close(file);
    if (!error)
        about->link = is_link(root, path);
    return error;
}

/* ---- open, make, close -------------------------------------------------------------------------------- */

int host_file_root(const char *folder, const char **problem)
{
    int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), probe;

    *problem = NULL;
    if (root < 0) {
        *problem = strerror(errno);
        return error_of(errno);
    }
    probe = beneath(root, "", O_PATH, 0);
    if (probe < 0) {
        *problem = errno == ENOSYS ? "Linux 5.6 or newer is needed" : strerror(errno);
        close(root);
        return HOST_FILE_BROKEN;
    }
    close(probe);
    return root;
}

int host_file_open(int root, const char *path, int how)
{
    static const int ways[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR};
    int flags = ways[how & (HOST_FILE_READ | HOST_FILE_WRITE)] | O_NONBLOCK | O_NOCTTY;
    struct host_file_about about;
    int file, error;

    if (how & HOST_FILE_CREATE)
        flags |= O_CREAT | O_EXCL;
    if (how & HOST_FILE_THROUGH)
        flags |= O_DSYNC;
    file = beneath(root, path, flags, how & HOST_FILE_CREATE ? (how & HOST_FILE_LOCKED ? 0444 : 0666) : 0);
    if (file < 0 && errno == EACCES && !(how & (HOST_FILE_READ | HOST_FILE_WRITE | HOST_FILE_CREATE)))
        file = beneath(root, path, O_PATH, 0); /* enough to be asked what it is */
    if (file < 0)
        return error_of(errno);
    error = fill(file, &about);
    if (error) {
        close(file);
        return error;
    }
    return file;
}

int host_file_make_folder(int root, const char *path)
{
    const char *name;
    int folder = parent_of(root, path, &name), error;

    if (folder < 0)
        return error_of(errno);
    error = result_of(mkdirat(folder, name, 0777));
    close(folder);
    return error;
}

void host_file_close(int file)
{
    close(file);
}

/* ---- remove and rename -------------------------------------------------------------------------------- */

int host_file_remove(int root, const char *path, uint64_t device, uint64_t number)
{
    const char *name;
    struct stat data;
    int folder = parent_of(root, path, &name), error;

    if (folder < 0)
        return error_of(errno);
    error = result_of(fstatat(folder, name, &data, AT_SYMLINK_NOFOLLOW));
    if (!error && (data.st_ino != number || data.st_dev != device))
        error = HOST_FILE_MISSING; /* somebody else has put another one there */
    if (!error)
        error = result_of(unlinkat(folder, name, S_ISDIR(data.st_mode) ? AT_REMOVEDIR : 0));
    close(folder);
    return error;
}

int host_file_rename(int root, const char *from, const char *to, int replace)
{
    const char *from_name, *to_name;
    int from_folder = parent_of(root, from, &from_name), to_folder, error;

    if (from_folder < 0)
        return error_of(errno);
    to_folder = parent_of(root, to, &to_name);
    if (to_folder < 0) {
        error = error_of(errno);
    } else {
        error =
            result_of(renameat2(from_folder, from_name, to_folder, to_name, replace ? 0 : RENAME_NOREPLACE));
        close(to_folder);
    }
    close(from_folder);
    return error;
}

/* ---- data --------------------------------------------------------------------------------------------- */

int64_t host_file_read(int file, void *data, size_t bytes, uint64_t offset)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t got = pread(file, (char *)data + done, bytes - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && !done)
            return error_of(errno);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int64_t host_file_write(int file, const void *data, size_t bytes, uint64_t offset)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t put = pwrite(file, (const char *)data + done, bytes - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && !done)
            return error_of(errno);
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    return (int64_t)done;
}

int host_file_resize(int file, uint64_t bytes)
{
    int result;

    do
        result = ftruncate(file, (off_t)bytes);
    while (result != 0 && errno == EINTR);
    return result_of(result);
}

int host_file_flush(int file)
{
    return result_of(fsync(file));
}

static struct timespec spec_of(uint64_t time)
{
    struct timespec spec = {.tv_nsec = UTIME_OMIT};

    if (time) {
        spec.tv_sec = (time_t)((int64_t)(time / 10000000u) - SECONDS_TO_1970);
        spec.tv_nsec = (long)(time % 10000000u) * 100;
    }
    return spec;
}

int host_file_set_times(int file, uint64_t accessed, uint64_t written)
{
    const struct timespec times[2] = {spec_of(accessed), spec_of(written)};

    return result_of(futimens(file, times));
}

int host_file_set_read_only(int file, int read_only)
{
    struct stat data;

    if (fstat(file, &data) != 0)
        return error_of(errno);
    return result_of(fchmod(file, (data.st_mode & 07555) | (read_only ? 0 : S_IWUSR)));
}

/* ---- folders ------------------------------------------------------------------------------------------ */

int host_file_list(int root, const char *path, int (*fn)(void *context, const char *name), void *context)
{
    int file = beneath(root, path, O_RDONLY | O_DIRECTORY, 0), error = 0;
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    struct dirent *entry;

    if (!folder) {
        error = error_of(errno);
        if (file >= 0)
            close(file);
        return error;
    }
    for (errno = 0; !error && (entry = readdir(folder)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = fn(context, entry->d_name);
    if (!error && errno)
        error = error_of(errno);
    closedir(folder);
    return error;
}
