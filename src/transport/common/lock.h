/*
 * lock.h - a lock of four bytes: an uncontended pair costs a dozen instructions (a pthread mutex costs fifty, and an echo
 * takes five pairs), and its memory may be freed by the next owner.
 */
#ifndef UWSK_TRANSPORT_COMMON_LOCK_H
#define UWSK_TRANSPORT_COMMON_LOCK_H

#include "host/host.h"

#include <stdatomic.h>

struct lock {
    _Atomic uint32_t word; /* 0 free, 1 taken, 2 taken and somebody may sleep */
};

enum { LOCK_TRIES = 100 }; /* what it protects is short: mostly a system call that does not wait */

/* Somebody else has it: some tries, then sleep. */
void lock_take_slowly(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &free, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        lock_take_slowly(lock);
}

static inline int lock_try(struct lock *lock)
{
    uint32_t free = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void lock_release(struct lock *lock)
{
    /* The exchange is the last touch of the lock. */
    if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
        host_unpark((const volatile uint32_t *)&lock->word, 1);
}

#endif
