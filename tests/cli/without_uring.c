/*
 * without_uring.c - runs a command where io_uring is refused: `without_uring EPERM|ENOSYS|sysctl COMMAND...`
 *
 * EPERM, ENOSYS: a seccomp filter answers io_uring's system calls with that error, as container engines and
 * tracers do.  sysctl: EPERM from them and, in a mount namespace of its own, kernel.io_uring_disabled reads 2;
 * the setting of the machine stays as it is.  Exit status 77: no such namespace can be had here.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANNOT = 77 };

#define SETTING "/proc/sys/kernel/io_uring_disabled"

static void refuse(unsigned error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_io_uring_setup, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_io_uring_register, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof program[0], .filter = program};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
        perror("without_uring: seccomp");
        exit(1);
    }
}

static void pretend_setting(const char *value)
{
    char name[] = "/tmp/uwsk-setting-XXXXXX";
    int file;

    if (access(SETTING, F_OK) < 0)
        exit(CANNOT);
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        exit(CANNOT);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        exit(CANNOT);
    file = mkstemp(name);
    if (file < 0 || write(file, value, strlen(value)) < 0) {
        perror("without_uring: a file");
        exit(1);
    }
    close(file);
    if (mount(name, SETTING, NULL, MS_BIND, NULL) < 0) {
        unlink(name);
        exit(CANNOT);
    }
    unlink(name);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: without_uring EPERM|ENOSYS|sysctl COMMAND...\n");
        return 2;
    }
    if (strcmp(argv[1], "sysctl") == 0)
        pretend_setting("2\n");
    refuse(strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : EPERM);
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}
