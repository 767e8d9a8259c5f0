#include "host_sim.h"

enum { WORKERS = PROGRAM_FIBERS - 1, ROUNDS = 20 };

uint64_t program_entropy;

static struct {
    uint32_t lock, done;
    unsigned log[WORKERS * ROUNDS], count; /* who entered, in order */
} shared;

static void lock_take(uint32_t *lock)
{
    uint32_t free = 0;

    host_point(HOST_POINT_LOCK, lock);
    while (!__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        host_park(lock, free, HOST_FOREVER);
        free = 0;
    }
}

static void lock_drop(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
    host_unpark(lock, 1);
    host_point(HOST_POINT_UNLOCK, lock);
}

static void worker(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&shared.lock);
        shared.log[shared.count++] = number;
        host_point(HOST_POINT_ATOMIC, &shared);
        lock_drop(&shared.lock);
        if (i % 7 == 3)
            host_yield();
        if (i % 9 == 5) {
            uint32_t word = 0;

            EXPECT_EQ(host_park(&word, 0, host_now() + number * 1000), HOST_TIMEOUT);
        }
    }
    if (__atomic_add_fetch(&shared.done, 1, __ATOMIC_ACQ_REL) == WORKERS)
        host_unpark(&shared.done, 1);
}

void program(void *argument)
{
    uint32_t done;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    host_entropy(&program_entropy, sizeof program_entropy);
    for (uintptr_t i = 0; i < WORKERS; i++)
        EXPECT_EQ(host_thread_start(worker, (void *)i, "worker", 0), 0);
    while ((done = __atomic_load_n(&shared.done, __ATOMIC_ACQUIRE)) != WORKERS)
        host_park(&shared.done, done, HOST_FOREVER);
    EXPECT_EQ(shared.count, WORKERS * ROUNDS);
}

struct sim_result run(const struct sim_plan *plan, void (*main)(void *), void *argument)
{
    struct sim_result result;

    EXPECT_EQ(sim_run(plan, main, argument, NULL, &result), 0);
    return result;
}
