/*
 * system.h - the system calls that every transfer or connection makes, without libc around them: its functions are cancellation
 * points, which in a process with threads costs two locked instructions a call.  Nobody cancels a thread here.
 *
 * Results as the kernel gives them: not negative, or a negative errno.
 */
#ifndef UWSK_TRANSPORT_COMMON_SYSTEM_H
#define UWSK_TRANSPORT_COMMON_SYSTEM_H

#include "host/sanitizer.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* The sanitizers look at what goes through libc's functions. */
#if HOST_ASAN || HOST_TSAN || !defined(__x86_64__)

static inline long system_receive(int fd, void *to, size_t bytes, int flags)
{
    long result = recv(fd, to, bytes, flags);
    return result < 0 ? -errno : result;
}

static inline long system_send(int fd, const void *from, size_t bytes, int flags)
{
    long result = send(fd, from, bytes, flags);
    return result < 0 ? -errno : result;
}

static inline long system_count(int fd, unsigned long request, int *count)
{
    long result = ioctl(fd, request, count);
    return result < 0 ? -errno : result;
}

static inline long system_epoll(int fd, struct epoll_event *events, int most, const struct timespec *timeout)
{
    long result = epoll_pwait2(fd, events, most, timeout, NULL);
    return result < 0 ? -errno : result;
}

static inline long system_accept(int fd, struct sockaddr *peer, socklen_t *length)
{
    long result = accept4(fd, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return result < 0 ? -errno : result;
}

static inline long system_poll(struct pollfd *one)
{
    long result = poll(one, 1, 0);
    return result < 0 ? -errno : result;
}

static inline void system_close(int fd)
{
    close(fd);
}

#else

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long system_receive(int fd, void *to, size_t bytes, int flags)
{
    return system_call(SYS_recvfrom, fd, (long)to, (long)bytes, flags, 0, 0);
}

static inline long system_send(int fd, const void *from, size_t bytes, int flags)
{
    return system_call(SYS_sendto, fd, (long)from, (long)bytes, flags, 0, 0);
}

/* An ioctl that answers with a number. */
static inline long system_count(int fd, unsigned long request, int *count)
{
    return system_call(SYS_ioctl, fd, (long)request, (long)count, 0, 0, 0);
}

/* epoll_pwait2 with the thread's own signal mask. */
static inline long system_epoll(int fd, struct epoll_event *events, int most, const struct timespec *timeout)
{
    return system_call(SYS_epoll_pwait2, fd, (long)events, most, (long)timeout, 0, 0);
}

static inline long system_accept(int fd, struct sockaddr *peer, socklen_t *length)
{
    return system_call(SYS_accept4, fd, (long)peer, (long)length, SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0);
}

/* Does not wait. */
static inline long system_poll(struct pollfd *one)
{
    return system_call(SYS_poll, (long)one, 1, 0, 0, 0, 0);
}

static inline void system_close(int fd)
{
    system_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

#endif
#endif
