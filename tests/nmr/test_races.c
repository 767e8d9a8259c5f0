/*
 * test_races.c - registering, leaving and completing from several threads at once.
 *
 * Strategy: each test is one hand-over, repeated with shifting delays.  The parties check every callback;
 * what has to come out in the end is counted exactly, and a lost step shows as a wait that never ends.
 */
#include "nmr_test.h"

#include "nmr/nmr.h"

TEST_FIXTURE(nmr_setup, nmr_teardown);
TEST_MATRIX(NMR_RACE_MODES);

/* A pause of 0 ... `most` us that differs from round to round. */
static void jitter(long round, ULONG most)
{
    KeStallExecutionProcessor((ULONG)((unsigned long)round * 2654435761u >> 7) % (most + 1));
}

struct runner {
    struct test_barrier *barrier;
    struct party *party;
    struct test_thread *thread;
    long rounds;
    unsigned number;
    void (*step)(struct runner *runner, long round);
};

static void run_main(void *argument)
{
    struct runner *runner = argument;
    long i;

    for (i = 0; i < runner->rounds; i++) {
        if (runner->barrier != NULL)
            test_barrier_wait(runner->barrier);
        runner->step(runner, i);
        if (runner->barrier != NULL)
            test_barrier_wait(runner->barrier);
    }
}

static void run(struct runner *runner, long rounds, void (*step)(struct runner *, long),
                struct test_barrier *barrier)
{
    runner->rounds = rounds;
    runner->step = step;
    runner->barrier = barrier;
    runner->thread = test_thread_start(run_main, runner);
}

/* ---- both sides deregister at once ------------------------------------------------------------------ */

static void leave_step(struct runner *runner, long round)
{
    jitter(round + runner->number, 20);
    EXPECT_STATUS(party_deregister(runner->party), STATUS_PENDING);
    party_wait(runner->party);
}

TEST(both_sides_deregister, "C-DEREG-14 C-NMR-18 C-NMR-22 C-NMR-24 R-NMR-29 R-NMR-33", TEST_TIMEOUT(120))
{
    static const enum party_detach answers[] = {PARTY_SUCCESS, PARTY_COMPLETE, PARTY_THREAD};
    struct test_barrier *barrier = test_barrier_create(3);
    struct runner runners[2] = {{.number = 0}, {.number = 7}};
    long rounds = test_scale(10000), i;
    struct party client, provider;

    runners[0].party = &client;
    runners[1].party = &provider;
    run(&runners[0], rounds, leave_step, barrier);
    run(&runners[1], rounds, leave_step, barrier);
    for (i = 0; i < rounds; i++) {
        party_init(&client, FALSE, &npi_one);
        party_init(&provider, TRUE, &npi_one);
        client.detach = answers[i % 3];
        provider.detach = answers[i / 3 % 3];
        EXPECT_STATUS(party_register(i & 1 ? &client : &provider), STATUS_SUCCESS);
        EXPECT_STATUS(party_register(i & 1 ? &provider : &client), STATUS_SUCCESS);
        test_barrier_wait(barrier);
        test_barrier_wait(barrier);
        EXPECT_EQ(client.detaches, 1);
        EXPECT_EQ(provider.detaches, 1);
        EXPECT_EQ(client.cleanups, 1);
        EXPECT_EQ(provider.cleanups, 1);
    }
    test_thread_join(runners[0].thread);
    test_thread_join(runners[1].thread);
    test_barrier_free(barrier);
}

/* ---- both sides register at once -------------------------------------------------------------------- */

static void enter_step(struct runner *runner, long round)
{
    jitter(round + runner->number, 20);
    EXPECT_STATUS(party_register(runner->party), STATUS_SUCCESS);
}

TEST(both_sides_register, "R-NMR-11 C-NMR-03 C-REG-27", TEST_TIMEOUT(120))
{
    struct test_barrier *barrier = test_barrier_create(5);
    struct runner runners[4] = {{.number = 0}, {.number = 7}, {.number = 11}, {.number = 17}};
    long rounds = test_scale(5000), i;
    struct party parties[4];
    int k;

    for (k = 0; k < 4; k++) {
        runners[k].party = &parties[k];
        run(&runners[k], rounds, enter_step, barrier);
    }
    for (i = 0; i < rounds; i++) {
        for (k = 0; k < 4; k++)
            party_init(&parties[k], k & 1, &npi_one);
        test_barrier_wait(barrier);
        test_barrier_wait(barrier);
        for (k = 0; k < 4; k++) {
            EXPECT_EQ(parties[k].offers, 2);
            EXPECT_EQ(parties[k].attaches, 2);
        }
        for (k = 0; k < 4; k++)
            party_leave(&parties[k]);
    }
    for (k = 0; k < 4; k++)
        test_thread_join(runners[k].thread);
    test_barrier_free(barrier);
}

/* ---- attaching against deregistering ---------------------------------------------------------------- */

static void dawdle(struct party *party, HANDLE binding)
{
    UNREFERENCED_PARAMETER(binding);
    jitter(*(long *)party->extra + party->is_provider, 30);
}

static void enter_and_leave_step(struct runner *runner, long round)
{
    EXPECT_STATUS(party_register(runner->party), STATUS_SUCCESS);
    jitter(round, 20);
    party_leave(runner->party);
}

TEST(attach_against_deregister, "C-NMR-11 C-NMR-18 C-NMR-24 R-NMR-33", TEST_TIMEOUT(120))
{
    struct test_barrier *barrier = test_barrier_create(2);
    long rounds = test_scale(10000), i, attached = 0;
    struct party client, provider;
    struct runner runner = {.party = &client};

    run(&runner, rounds, enter_and_leave_step, barrier);
    for (i = 0; i < rounds; i++) {
        party_init(&client, FALSE, &npi_one);
        party_init(&provider, TRUE, &npi_one);
        client.on_attach = provider.on_attach = dawdle;
        client.extra = provider.extra = &i;
        EXPECT_STATUS(party_register(&provider), STATUS_SUCCESS);
        test_barrier_wait(barrier);
        jitter(i + 3, 60);
        party_leave(&provider);
        test_barrier_wait(barrier);
        EXPECT_EQ(client.attaches, provider.attaches);
        EXPECT_EQ(client.detaches, client.attaches);
        EXPECT_EQ(provider.detaches, client.attaches);
        EXPECT_EQ(client.cleanups, client.attaches);
        EXPECT_EQ(provider.cleanups, client.attaches);
        attached += client.attaches;
    }
    TEST_NOTE("%ld of %ld attached", attached, rounds);
    test_thread_join(runner.thread);
    test_barrier_free(barrier);
}

/* ---- a crowd ---------------------------------------------------------------------------------------- */

static void crowd_step(struct runner *runner, long round)
{
    static const enum party_detach answers[] = {PARTY_SUCCESS, PARTY_COMPLETE, PARTY_THREAD};
    struct party *party = runner->party;
    LONG attached;
    KIRQL irql;

    party_init(party, runner->number & 1, round % 5 == 4 ? &npi_two : &npi_one);
    party->detach = answers[(round + runner->number) % 3];
    party->attach = (round + runner->number) % 7 == 6 ? PARTY_DECLINE : PARTY_ACCEPT;
    EXPECT_STATUS(party_register(party), STATUS_SUCCESS);
    jitter(round * 31 + runner->number, 40);
    if (round % 3 == 1) {
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        EXPECT_STATUS(party_deregister(party), STATUS_PENDING);
        KeLowerIrql(irql);
    } else {
        EXPECT_STATUS(party_deregister(party), STATUS_PENDING);
    }
    party_wait(party);
    attached = read_long(&party->attaches); /* and nothing moves any more */
    EXPECT_EQ(read_long(&party->detaches), attached);
    EXPECT_EQ(read_long(&party->cleanups), attached);
}

TEST(everybody_comes_and_goes,
     "R-NMR-11 R-NMR-24 R-NMR-29 R-NMR-33 R-NMR-36 C-NMR-17 C-NMR-18 C-NMR-22 C-NMR-24", TEST_TIMEOUT(180))
{
    enum { COUNT = 6 };
    static struct party parties[COUNT];
    struct runner runners[COUNT];
    int i;

    for (i = 0; i < COUNT; i++) {
        runners[i].party = &parties[i];
        runners[i].number = (unsigned)i;
        run(&runners[i], test_scale(5000), crowd_step, NULL);
    }
    for (i = 0; i < COUNT; i++)
        test_thread_join(runners[i].thread);
}
