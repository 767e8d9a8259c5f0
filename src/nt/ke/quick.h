/*
 * quick.h - what nearly every call of a spin lock's functions is: a known thread, at DISPATCH_LEVEL already, that nobody
 * watches takes a free lock, or drops the one that it took last.  Inline, for the rooms whose every step takes
 * one; whatever is else goes the long way in spinlock.c, which decides anew.
 */
#ifndef UWSK_NT_KE_QUICK_H
#define UWSK_NT_KE_QUICK_H

#include "nt/ke/ke.h"

#define KE_SPIN_PARKED 1u /* KSPIN_LOCK word: somebody may be parked on it */

/* NULL: unknown as yet, or somebody watches. */
static inline struct ke_thread *ke_unwatched_thread(void)
{
    struct host_thread *host = host_known_self;

    if (__builtin_expect(!host || host_watched, 0))
        return NULL;
    return (struct ke_thread *)host->executive;
}

static inline int ke_quick_take(struct ke_thread *thread, PKSPIN_LOCK lock)
{
    unsigned held = thread->locks_held;
    ULONG_PTR free = 0;

    if (__builtin_expect(held >= KE_THREAD_LOCKS ||
                             !__atomic_compare_exchange_n(lock, &free, (ULONG_PTR)thread, 0, __ATOMIC_ACQUIRE,
                                                          __ATOMIC_RELAXED),
                         0))
        return 0;
    thread->locks[held] = lock;
    thread->locks_held = held + 1;
    return 1;
}

static inline int ke_may_drop_quickly(const struct ke_thread *thread, PKSPIN_LOCK lock)
{
    unsigned last = thread->locks_held - 1; /* none held: out of range */

    return __builtin_expect(last < KE_THREAD_LOCKS && thread->locks[last] == lock &&
                                __atomic_load_n(lock, __ATOMIC_RELAXED) == (ULONG_PTR)thread,
                            1);
}

static inline void ke_quick_drop(struct ke_thread *thread, PKSPIN_LOCK lock)
{
    unsigned last = thread->locks_held - 1;

    thread->locks[last] = NULL;
    thread->locks_held = last;
    if (__builtin_expect(__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) & KE_SPIN_PARKED, 0))
        host_unpark((const volatile uint32_t *)lock, 1);
}

/* ke_acquire_spin_lock, ke_release_spin_lock. */
static inline KIRQL ke_quick_acquire(PKSPIN_LOCK lock)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(thread && thread->irql == DISPATCH_LEVEL && ke_quick_take(thread, lock), 1))
        return DISPATCH_LEVEL;
    return ke_acquire_spin_lock(lock);
}

static inline void ke_quick_release(PKSPIN_LOCK lock, KIRQL irql)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(thread && thread->irql == DISPATCH_LEVEL && irql == DISPATCH_LEVEL &&
                             ke_may_drop_quickly(thread, lock),
                         1))
        ke_quick_drop(thread, lock);
    else
        ke_release_spin_lock(lock, irql);
}

#endif
