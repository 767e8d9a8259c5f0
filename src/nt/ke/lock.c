/*
 * lock.c - struct ke_lock: the lock of the executive's own books.
 */
#include "nt/ke/internal.h"

static __attribute__((noinline)) void acquire_held(struct ke_lock *lock)
{
    uint32_t expected;

    for (int i = 0; i < KE_SPINS; i++) {
        host_cpu_relax();
        expected = 0;
        if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
            __atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
    }
    /* From here on the word stays 2 while we hold it: others may be parked as well. */
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
        host_park(&lock->word, 2, HOST_FOREVER);
}

static inline void acquire(struct ke_lock *lock)
{
    uint32_t expected = 0;

    host_point(HOST_POINT_LOCK, lock);
    if (__builtin_expect(
            !__atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
            0))
        acquire_held(lock);
}

static inline void release(struct ke_lock *lock)
{
    /* The exchange is the last touch; unparking only names the address. */
    uint32_t word = __atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE);

    if (__builtin_expect(word == 2, 0))
        host_unpark(&lock->word, 1);
    host_point(HOST_POINT_UNLOCK, lock);
}

void ke_raw_acquire(struct ke_lock *lock)
{
    acquire(lock);
}

void ke_raw_release(struct ke_lock *lock)
{
    release(lock);
}

void ke_lock_acquire(struct ke_lock *lock)
{
    acquire(lock);
    ke_current_thread()->internal_locks++;
}

int ke_lock_try(struct ke_lock *lock)
{
    uint32_t expected = 0;

    host_point(HOST_POINT_LOCK, lock);
    if (!__atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return 0;
    ke_current_thread()->internal_locks++;
    return 1;
}

void ke_lock_release(struct ke_lock *lock)
{
    struct ke_thread *thread = ke_current_thread();

    KE_ASSERT(thread->internal_locks > 0);
    thread->internal_locks--;
    release(lock);
}
