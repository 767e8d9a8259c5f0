/*
 * test_race_rundown.c - run-down protection, with which a driver keeps its threads out of a socket that it closes
 * (C-CLOSE-05): the last release wakes who waits, none is granted once that has begun, and not before does it return.
 */
#include "close_race.h"

WT_RACE_FIXTURE;

struct guarded {
    EX_RUNDOWN_REF protection;
    volatile LONG inside, over, granted;
};

static void use_it(struct guarded *guarded)
{
    if (!ExAcquireRundownProtection(&guarded->protection))
        return;
    InterlockedIncrement(&guarded->granted);
    InterlockedIncrement(&guarded->inside);
    EXPECT_EQ(ReadAcquire(&guarded->over), 0); /* K-RUND-02 */
    spin(20);
    EXPECT_EQ(ReadAcquire(&guarded->over), 0); /* K-RUND-04 */
    InterlockedDecrement(&guarded->inside);
    ExReleaseRundownProtection(&guarded->protection);
}

static void user(void *argument)
{
    LONG i;

    for (i = 0; i < 4; i++)
        use_it(argument);
}

TEST(race_rundown_with_its_users, "K-RUND-02 K-RUND-03 K-RUND-04 C-CLOSE-05", TEST_TIMEOUT(120))
{
    LONG round, rounds = (LONG)ROUNDS;

    for (round = 0; round < rounds; round++) {
        struct guarded guarded = {.over = 0};
        struct test_thread *users[3];
        int i;

        ExInitializeRundownProtection(&guarded.protection);
        for (i = 0; i < 3; i++)
            users[i] = test_thread_start(user, &guarded);
        spin(round % 50);
        ExWaitForRundownProtectionRelease(&guarded.protection);
        InterlockedExchange(&guarded.over, 1);
        EXPECT_EQ(guarded.inside, 0);
        for (i = 0; i < 3; i++)
            test_thread_join(users[i]);
    }
}

/* One who holds it lets the waiter go. */
static void hold_it(void *argument)
{
    struct guarded *guarded = argument;

    InterlockedExchange(&guarded->inside, 1);
    test_sleep_ms(2); /* the other waits by then, or finds it run down: both have to return */
    EXPECT_EQ(ReadAcquire(&guarded->over), 0);
    InterlockedExchange(&guarded->inside, 0);
    ExReleaseRundownProtection(&guarded->protection);
}

TEST(the_last_release_wakes_who_waits, "K-RUND-03 K-RUND-04")
{
    struct guarded guarded = {.over = 0};
    struct test_thread *holder;

    ExInitializeRundownProtection(&guarded.protection);
    EXPECT(ExAcquireRundownProtection(&guarded.protection));
    holder = test_thread_start(hold_it, &guarded);
    ExWaitForRundownProtectionRelease(&guarded.protection);
    InterlockedExchange(&guarded.over, 1);
    EXPECT_EQ(guarded.inside, 0);
    EXPECT(!ExAcquireRundownProtection(&guarded.protection)); /* K-RUND-02 */
    test_thread_join(holder);
}
