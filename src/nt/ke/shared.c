/*
 * shared.c - taking and giving the word of shared.h.
 */
#include "nt/ke/shared.h"

#define ALONE 0x80000000u
#define WRITER                                                                                               \
    0x40000000u /* somebody wants it alone: set by each one who waits, cleared by the one who gets it */
#define PARKED 0x20000000u
#define COUNT  0x1FFFFFFFu

static int try_shared(uint32_t *word)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

    while (!(now & (ALONE | WRITER))) {
        if (__atomic_compare_exchange_n(word, &now, now + 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}

/* Another writer that waits has parked, or says again that it waits. */
static int try_alone(uint32_t *word)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

    for (;;) {
        uint32_t next = now & (ALONE | COUNT) ? now | WRITER : (now & PARKED) | ALONE;

        if (now == next)
            return 0;
        if (__atomic_compare_exchange_n(word, &now, next, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            if (next & ALONE && !(now & ALONE))
                return 1;
            now = next;
        }
    }
}

/* Sleeps while the word keeps `bits`, which keep us out. */
static void park(uint32_t *word, uint32_t out, uint32_t mark, enum ke_shared_wait wait)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED), parked;

    do {
        if (!(now & out))
            return;
        parked = now | PARKED | mark;
    } while (now != parked &&
             !__atomic_compare_exchange_n(word, &now, parked, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (wait == KE_SHARED_PARK)
        ke_park(word, word, parked);
    else
        host_park(word, parked, HOST_FOREVER);
}

void ke_shared_acquire(uint32_t *word, enum ke_shared_wait wait)
{
    host_point(HOST_POINT_LOCK, word);
    for (int i = 0; !try_shared(word); i++) {
        if (i < KE_SPINS)
            host_cpu_relax();
        else
            park(word, ALONE | WRITER, 0, wait);
    }
    OBSERVE(order, word, OBSERVE_ACQUIRE);
}

void ke_shared_acquire_alone(uint32_t *word, enum ke_shared_wait wait)
{
    host_point(HOST_POINT_LOCK, word);
    for (int i = 0; !try_alone(word); i++) {
        if (i < KE_SPINS)
            host_cpu_relax();
        else
            park(word, ALONE | COUNT, WRITER, wait);
    }
    OBSERVE(order, word, OBSERVE_ACQUIRE);
}

/* `next` without PARKED; wakes who is parked when nobody holds it any more. */
static int release(uint32_t *word, uint32_t now, uint32_t held)
{
    uint32_t next;

    OBSERVE(order, word, OBSERVE_RELEASE);
    do {
        if (!(now & (held == ALONE ? ALONE : COUNT)))
            return 0;
        next = now - held;
        if (!(next & (ALONE | COUNT)))
            next &= ~PARKED;
    } while (!__atomic_compare_exchange_n(word, &now, next, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if ((now & PARKED) && !(next & PARKED))
        host_unpark(word, INT32_MAX);
    host_point(HOST_POINT_UNLOCK, word);
    return 1;
}

int ke_shared_release(uint32_t *word)
{
    return release(word, __atomic_load_n(word, __ATOMIC_RELAXED), 1);
}

int ke_shared_release_alone(uint32_t *word)
{
    return release(word, __atomic_load_n(word, __ATOMIC_RELAXED), ALONE);
}

int ke_shared_convert(uint32_t *word)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

    host_point(HOST_POINT_LOCK, word);
    OBSERVE(order, word, OBSERVE_ACQUIRE);
    while ((now & ~PARKED) == 1) {
        if (__atomic_compare_exchange_n(word, &now, (now & PARKED) | ALONE, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}

int ke_shared_try(uint32_t *word)
{
    host_point(HOST_POINT_LOCK, word);
    OBSERVE(order, word, OBSERVE_ACQUIRE);
    return try_shared(word);
}

int ke_shared_try_alone(uint32_t *word)
{
    uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

    host_point(HOST_POINT_LOCK, word);
    OBSERVE(order, word, OBSERVE_ACQUIRE);
    while (!(now & (ALONE | COUNT))) {
        if (__atomic_compare_exchange_n(word, &now, (now & PARKED) | ALONE, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}
