/*
 * one_cpu.c - one processor on one CPU: who is let go by the processor's owner is told when that gives it back, and
 * nobody is forgotten.
 */
#include "ke_test.h"

int bind_to_one_cpu(void);

#define THREADS 8
#define ROUNDS  500

static struct player {
    KEVENT go, done;
    KDPC dpc;
    uint32_t ran;
    uint32_t rounds;
} players[THREADS];

static void start_alone(void)
{
    EXPECT_EQ(bind_to_one_cpu(), 0);
    start_processors(1);
}

static VOID wait_once(PVOID context)
{
    struct player *player = context;

    EXPECT_STATUS(KeWaitForSingleObject(&player->go, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    __atomic_store_n(&player->ran, 1, __ATOMIC_RELEASE);
}

TEST(woken_thread_runs_when_the_level_drops, "D-09 D-22 K-IRQL-07")
{
    struct player *player = &players[0];
    struct ke_thread *thread;
    KIRQL old;

    start_alone();
    KeInitializeEvent(&player->go, SynchronizationEvent, FALSE);
    thread = start_thread(wait_once, player);
    EXPECT_SOON(__atomic_load_n(&thread->waits_for, __ATOMIC_RELAXED) == &player->go);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeSetEvent(&player->go, 0, FALSE);
    for (int i = 0; i < 1000; i++)
        host_yield();
    EXPECT_EQ(__atomic_load_n(&player->ran, __ATOMIC_ACQUIRE), 0);
    KeLowerIrql(old);
    join_thread(thread);
    EXPECT_EQ(player->ran, 1);
    ke_stop();
}

static VOID answer(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    KeSetEvent(&((struct player *)context)->done, 0, FALSE);
}

static VOID play(PVOID context)
{
    struct player *player = context;

    for (; player->rounds < ROUNDS; player->rounds++) {
        EXPECT(KeInsertQueueDpc(&player->dpc, NULL, NULL));
        EXPECT_STATUS(KeWaitForSingleObject(&player->done, Executive, KernelMode, FALSE, NULL),
                      STATUS_SUCCESS);
    }
}

TEST(nobody_is_forgotten_on_one_processor, "D-09 D-22 K-DPC-03", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[THREADS];

    start_alone();
    for (int i = 0; i < THREADS; i++) {
        KeInitializeEvent(&players[i].done, SynchronizationEvent, FALSE);
        KeInitializeDpc(&players[i].dpc, answer, &players[i]);
        threads[i] = start_thread(play, &players[i]);
    }
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(players[i].rounds, ROUNDS);
    ke_stop();
}

/* ---- groups ------------------------------------------------------------------------------------------- */

enum { CROWD = 70, GROUPED = 64 * 32 }; /* of three groups; so far apart threads share a bit of one */

static struct member {
    KEVENT go, other;
    struct ke_thread *thread;
    NTSTATUS status;
    uint32_t ran;
} crowd[CROWD];

/* Each in another way. */
static VOID wait_in_a_crowd(PVOID context)
{
    struct member *member = context;
    PVOID objects[] = {&member->other, &member->go};
    LARGE_INTEGER long_time = after(MS(100000));

    switch ((member - crowd) % 3) {
    case 0:
        member->status = KeWaitForSingleObject(&member->go, Executive, KernelMode, FALSE, NULL);
        break;
    case 1:
        member->status = KeWaitForSingleObject(&member->go, Executive, KernelMode, TRUE, &long_time);
        break;
    default:
        member->status =
            KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &long_time, NULL);
        break;
    }
    __atomic_store_n(&member->ran, 1, __ATOMIC_RELEASE);
}

static void join_crowd(struct member *member)
{
    KeInitializeEvent(&member->go, SynchronizationEvent, FALSE);
    KeInitializeEvent(&member->other, SynchronizationEvent, FALSE);
    __atomic_store_n(&member->ran, 0, __ATOMIC_RELEASE);
    member->thread = start_thread(wait_in_a_crowd, member);
}

static void expect_let_go(struct member *member)
{
    join_thread(member->thread);
    EXPECT_EQ(member->ran, 1);
    EXPECT_STATUS(member->status, (member - crowd) % 3 == 2 ? STATUS_WAIT_1 : STATUS_SUCCESS);
}

TEST(all_who_are_let_go_at_once_run, "D-09 D-22 K-IRQL-07")
{
    KIRQL old;

    start_alone();
    for (int i = 0; i < CROWD; i++)
        join_crowd(&crowd[i]);
    for (int i = 0; i < CROWD; i++)
        EXPECT_SOON(__atomic_load_n(&crowd[i].thread->waits_for, __ATOMIC_RELAXED) != NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    for (int i = 1; i < CROWD; i++)
        KeSetEvent(&crowd[i].go, 0, FALSE);
    for (int i = 0; i < 1000; i++)
        host_yield();
    for (int i = 0; i < CROWD; i++)
        EXPECT_EQ(__atomic_load_n(&crowd[i].ran, __ATOMIC_ACQUIRE), 0);
    KeLowerIrql(old);
    for (int i = 1; i < CROWD; i++)
        expect_let_go(&crowd[i]);
    EXPECT_EQ(__atomic_load_n(&crowd[0].ran, __ATOMIC_ACQUIRE), 0);
    KeSetEvent(&crowd[0].go, 0, FALSE);
    expect_let_go(&crowd[0]);
    ke_stop();
}

static VOID do_nothing(PVOID context)
{
    (void)context;
}

TEST(who_shares_a_bit_of_the_group_waits_on, "D-09", TEST_TIMEOUT(120))
{
    struct member *first = &crowd[0], *second = &crowd[1], *third = &crowd[3];

    start_alone();
    join_crowd(first);
    do { /* threads are numbered as they come; this one takes the next number */
        struct ke_thread *thread = start_thread(do_nothing, NULL);
        uint64_t id = thread->id;

        join_thread(thread);
        if (id % GROUPED == (first->thread->id - 1) % GROUPED)
            break;
    } while (1);
    join_crowd(second);
    EXPECT_EQ(second->thread->id % GROUPED, first->thread->id % GROUPED);
    join_crowd(third);
    EXPECT_SOON(__atomic_load_n(&second->thread->waits_for, __ATOMIC_RELAXED) == &second->go);
    EXPECT_SOON(__atomic_load_n(&first->thread->waits_for, __ATOMIC_RELAXED) == &first->go);
    KeSetEvent(&first->go, 0, FALSE);
    expect_let_go(first);
    KeSetEvent(&third->go, 0, FALSE);
    expect_let_go(third);
    EXPECT_EQ(__atomic_load_n(&second->ran, __ATOMIC_ACQUIRE), 0);
    KeSetEvent(&second->go, 0, FALSE);
    expect_let_go(second);
    ke_stop();
}

/* Their time is up while they are let go: each is told of the one or the other, and none sleeps on. */
static VOID wait_briefly(PVOID context)
{
    struct player *player = context;
    LARGE_INTEGER moment = after(500); /* 50 us */

    for (; player->rounds < ROUNDS / 5; player->rounds++) {
        KeInsertQueueDpc(&player->dpc, NULL, NULL);
        if (KeWaitForSingleObject(&player->done, Executive, KernelMode, FALSE, &moment) == STATUS_TIMEOUT)
            EXPECT_STATUS(KeWaitForSingleObject(&player->done, Executive, KernelMode, FALSE, NULL),
                          STATUS_SUCCESS);
    }
}

TEST(time_is_up_while_others_are_let_go, "D-09 K-WAIT-01", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[THREADS];

    start_alone();
    for (int i = 0; i < THREADS; i++) {
        KeInitializeEvent(&players[i].done, SynchronizationEvent, FALSE);
        KeInitializeDpc(&players[i].dpc, answer, &players[i]);
        threads[i] = start_thread(wait_briefly, &players[i]);
    }
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(players[i].rounds, ROUNDS / 5);
    ke_stop();
}
