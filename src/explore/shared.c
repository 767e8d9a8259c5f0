/* shared.c: tables that several processes fill at a time: each place is taken by one atomic step. */
#include "explore/shared.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>

struct shared *shared_create(void)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return shared == MAP_FAILED ? NULL : shared;
}

void shared_destroy(struct shared *shared)
{
    if (shared)
        munmap(shared, sizeof *shared);
}

/* 1: it was not there, 0: it was, -1: no place is left. */
static int take(uint64_t *place, uint64_t hash)
{
    uint64_t free = 0;

    if (__atomic_load_n(place, __ATOMIC_RELAXED) == hash)
        return 0;
    if (__atomic_compare_exchange_n(place, &free, hash, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return 1;
    return free == hash ? 0 : -1;
}

void shared_schedule(struct shared *shared, uint64_t hash)
{
    uint64_t at = hash * 0x9E3779B97F4A7C15ull >> 32;

    hash |= 1;
    for (unsigned i = 0; i < 64; i++) {
        int taken = take(&shared->hash[(at + i) % SHARED_HASHES], hash);

        if (taken < 0)
            continue;
        if (taken)
            __atomic_add_fetch(&shared->schedules, 1, __ATOMIC_RELAXED);
        return;
    }
    __atomic_add_fetch(&shared->schedules, 1, __ATOMIC_RELAXED); /* full: taken for a new one */
}

void shared_close(void *context, const char *text)
{
    struct shared *shared = context;
    uint64_t hash = 0xcbf29ce484222325ull;

    for (const char *at = text; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3ull;
    hash |= 1;
    for (unsigned i = 0; i < SHARED_CLOSES; i++) {
        unsigned place = (unsigned)((hash >> 32) + i) % SHARED_CLOSES;
        int taken = take(&shared->close[place].hash, hash);

        if (taken < 0)
            continue;
        if (taken) {
            snprintf(shared->close[place].text, CLOSE_BYTES, "%s", text);
            __atomic_store_n(&shared->close[place].ready, 1, __ATOMIC_RELEASE);
            __atomic_add_fetch(&shared->closes, 1, __ATOMIC_RELAXED);
        }
        return;
    }
}
