/*
 * park.c - sleeping on an address: a private futex with an absolute monotonic deadline.
 */
#include "host/backend.h"
#include "linux.h"
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

int host_park_set(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns, uint32_t set)
{
    struct timespec until;
    struct timespec *timeout = NULL;
    int saved_errno = errno;
    int result = HOST_WOKEN;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->park(word, expected, deadline_ns);
    if (deadline_ns != HOST_FOREVER) {
        until = linux_monotonic_deadline(deadline_ns);
        timeout = &until;
    }
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, timeout, NULL, set) != 0) {
        if (errno == EAGAIN)
            result = HOST_CHANGED;
        else if (errno == ETIMEDOUT)
            result = HOST_TIMEOUT;
        else if (errno != EINTR)
            host_abort(); /* a bad address: the caller's word is not there */
    }
    errno = saved_errno;
    return result;
}

int host_park(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    return host_park_set(word, expected, deadline_ns, FUTEX_BITSET_MATCH_ANY);
}

void host_unpark(const volatile uint32_t *word, int count)
{
    int saved_errno = errno;

    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->unpark(word, count);
        return;
    }
    /* The kernel only hashes the address (and answers EFAULT at worst): the word's memory may be gone. */
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved_errno;
}

void host_unpark_set(const volatile uint32_t *word, uint32_t set)
{
    int saved_errno = errno;

    if (__builtin_expect(host_backend != NULL,
                         0)) { /* knows no sets: who was not meant looks again and parks */
        host_backend->unpark(word, INT_MAX);
        return;
    }
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, set);
    errno = saved_errno;
}
