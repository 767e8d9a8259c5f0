/*
 * Parking: no lost wake-up, deadlines are kept, a changed word does not sleep, a freed word may be unparked.
 */
#include "host/host.h"
#include "peer.h"
#include "uwsk_test.h"

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

static const volatile uint32_t *plain(_Atomic uint32_t *word)
{
    return (const volatile uint32_t *)word;
}

TEST(park_answers_changed_at_once, "")
{
    _Atomic uint32_t word = 1;

    EXPECT_EQ(host_park(plain(&word), 0, HOST_FOREVER), HOST_CHANGED);
}

TEST(park_keeps_its_deadline, "")
{
    _Atomic uint32_t word = 0;
    uint64_t start = host_now();
    uint64_t deadline = start + 30 * 1000000ull;
    int result;

    do
        result = host_park(plain(&word), 0, deadline);
    while (result == HOST_WOKEN);
    EXPECT_EQ(result, HOST_TIMEOUT);
    EXPECT(host_now() >= deadline);
    EXPECT_EQ(host_park(plain(&word), 0, start), HOST_TIMEOUT); /* a deadline in the past */
    EXPECT_EQ(host_park(plain(&word), 0, 1), HOST_TIMEOUT);
}

/* Two threads hand a number to each other; a lost wake-up hangs them. */
static _Atomic uint32_t turn;
static uint32_t rounds;

static void play(uint32_t mine)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t now;

        while ((now = atomic_load(&turn)) % 2 != mine)
            host_park(plain(&turn), now, HOST_FOREVER);
        atomic_store(&turn, now + 1);
        host_unpark(plain(&turn), 1);
    }
}

static void odd_player(void *context)
{
    (void)context;
    play(1);
}

TEST(no_wake_up_is_lost, "")
{
    rounds = (uint32_t)test_scale(200000);
    struct test_thread *thread = test_thread_start(odd_player, NULL);

    play(0);
    test_thread_join(thread);
    EXPECT_EQ(atomic_load(&turn), 2 * rounds);
}

static _Atomic uint32_t gate;
static _Atomic int parked, through;

static void wait_at_gate(void *context)
{
    (void)context;
    atomic_fetch_add(&parked, 1);
    while (atomic_load(&gate) == 0)
        host_park(plain(&gate), 0, HOST_FOREVER);
    atomic_fetch_add(&through, 1);
}

TEST(unpark_wakes_all_that_it_counts, "")
{
    struct test_thread *threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = test_thread_start(wait_at_gate, NULL);
    EXPECT_SOON(atomic_load(&parked) == 4);
    atomic_store(&gate, 1);
    host_unpark(plain(&gate), INT32_MAX);
    for (int i = 0; i < 4; i++)
        test_thread_join(threads[i]);
    EXPECT_EQ(atomic_load(&through), 4);
}

TEST(unpark_of_freed_memory_is_harmless, "")
{
    uint32_t *word = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

    EXPECT(word != NULL);
    host_pages_free(word, 4096);
    host_unpark(word, 1);
}
