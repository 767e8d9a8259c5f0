/*
 * lock.c - waiting for a lock.
 */
#include "transport/common/lock.h"

void lock_take_slowly(struct lock *lock)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        uint32_t free = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->word, &free, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        host_cpu_relax();
    }
    /* Whoever has slept takes it as 2: others may sleep still. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        host_park((const volatile uint32_t *)&lock->word, 2, HOST_FOREVER);
}
