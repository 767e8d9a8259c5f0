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
