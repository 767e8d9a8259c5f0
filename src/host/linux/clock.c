/*
 * clock.c - host_now counts from the first look at it, host_wall follows the system clock.
 */
#include "host/backend.h"
#include "linux.h"
#include "clock.h"

#include <stdatomic.h>

/* 1601-01-01 to 1970-01-01 in units of 100 ns. */
#define WALL_EPOCH 116444736000000000ull

static _Atomic uint64_t start HOST_KEPT;
static _Atomic uint64_t start_ticks HOST_KEPT; /* host_ticks() at that moment; 0 = not known yet */

static uint64_t monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One nanosecond before the first look, so that host_now() is never 0. */
static uint64_t start_time(uint64_t now)
{
    uint64_t value = atomic_load_explicit(&start, memory_order_relaxed);
    uint64_t first = now - 1;

    if (__builtin_expect(value != 0, 1))
        return value;
    if (atomic_compare_exchange_strong(&start, &value, first)) {
        atomic_store(&start_ticks, host_ticks());
        return first;
    }
    return value;
}

uint64_t host_now(void)
{
    uint64_t now, first;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->now();
    now = monotonic();
    first = start_time(now);
    return now > first ? now - first : 1;
}

/* Both clocks have gone on evenly since the first look, so the share of the way is the same on both. */
uint64_t host_ticks_time(uint64_t ticks)
{
    uint64_t now, here, first = atomic_load(&start_ticks);

    if (uwsk_points_enabled)
        return ticks;
    now = host_now();
    here = host_ticks();
    if (!first || ticks >= here || here <= first)
        return now;
    if (ticks <= first)
        return 1;
    return 1 + (uint64_t)((unsigned __int128)(now - 1) * (ticks - first) / (here - first));
}

struct timespec linux_monotonic_deadline(uint64_t deadline_ns)
{
    uint64_t first = start_time(monotonic());
    uint64_t at = deadline_ns > INT64_MAX - first ? INT64_MAX : first + deadline_ns;

    return (struct timespec){.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
}

uint64_t host_wall(void)
{
    struct timespec now;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->wall();
    clock_gettime(CLOCK_REALTIME, &now);
    return WALL_EPOCH + (uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / 100;
}
