/*
 * test_race_lanes.c - completions of one direction stay in order whoever begins the operations (D-06): a thread at
 * PASSIVE_LEVEL and a DPC, which may run on that very thread, on its way below DISPATCH_LEVEL to call a completion routine.
 */
#include "close_race.h"
#include "close_test.h"

WT_RACE_FIXTURE;

/* One byte each of a stream that counts. */
struct taken {
    struct wt_op op;
    UCHAR byte;
    PMDL mdl;
    WSK_BUF buf;
    struct taking *all;
};

struct taking {
    PWSK_SOCKET socket;
    int peer;
    LONG count;
    struct taken *one;
    volatile LONG begun, ended, over;
    LONG *order; /* of the completions */
    KDPC dpc[2];
};

static void log_order(struct wt_op *op)
{
    struct taken *one = op->context;

    one->all->order[InterlockedIncrement(&one->all->ended) - 1] = (LONG)(one - one->all->one);
}

static void take_byte(struct taking *all)
{
    LONG i = InterlockedIncrement(&all->begun) - 1;

    if (i >= all->count) {
        InterlockedExchange(&all->over, TRUE);
        return;
    }
    wt_receive(all->socket, &all->one[i].op, &all->one[i].buf, 0);
}

static VOID take_in_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    (void)Dpc, (void)Argument1, (void)Argument2;
    take_byte(Context);
}

static void queue_dpcs(void *context)
{
    struct taking *all = context;

    while (!ReadAcquire(&all->over)) {
        KeInsertQueueDpc(&all->dpc[0], NULL, NULL);
        KeInsertQueueDpc(&all->dpc[1], NULL, NULL);
        spin(30);
    }
}

static void send_bytes(void *context)
{
    struct taking *all = context;
    UCHAR bytes[256];
    LONG sent = 0;

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (UCHAR)i;
    while (sent < all->count) {
        unsigned long from = (unsigned long)sent % sizeof bytes, left = sizeof bytes - from;
        long now = peer_send_some(
            all->peer, bytes + from,
            left < (unsigned long)(all->count - sent) ? left : (unsigned long)(all->count - sent));

        if (now > 0)
            sent += (LONG)now;
        else
            test_sleep_ms(1);
    }
}

static void begin(struct taking *all, LONG count)
{
    RtlZeroMemory(all, sizeof *all);
    all->count = count;
    all->one = ExAllocatePool2(POOL_FLAG_NON_PAGED, (SIZE_T)count * sizeof *all->one, 'tseT');
    all->order = ExAllocatePool2(POOL_FLAG_NON_PAGED, (SIZE_T)count * sizeof *all->order, 'tseT');
    EXPECT(all->one != NULL && all->order != NULL);
    for (LONG i = 0; i < count; i++) {
        struct taken *one = &all->one[i];

        wt_op_init(&one->op);
        one->op.hook = log_order;
        one->op.context = one;
        one->all = all;
        one->mdl = IoAllocateMdl(&one->byte, 1, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(one->mdl);
        one->buf.Mdl = one->mdl;
        one->buf.Length = 1;
    }
    for (unsigned i = 0; i < 2; i++) {
        KeInitializeDpc(&all->dpc[i], take_in_dpc, all);
        KeSetTargetProcessorDpc(&all->dpc[i], (CCHAR)i);
    }
    all->socket = wt_accepted(AF_INET, NULL, NULL, &all->peer);
}

static void end(struct taking *all)
{
    wt_close_now(all->socket);
    peer_close(all->peer);
    for (LONG i = 0; i < all->count; i++) {
        wt_op_free(&all->one[i].op);
        IoFreeMdl(all->one[i].mdl);
    }
    ExFreePool(all->one);
    ExFreePool(all->order);
}

static void check_order(LONG count)
{
    struct taking all;
    struct test_thread *queuer, *sender;

    begin(&all, count);
    sender = test_thread_start(send_bytes, &all);
    queuer = test_thread_start(queue_dpcs, &all);
    while (!ReadAcquire(&all.over))
        take_byte(&all);
    test_thread_join(queuer);
    KeFlushQueuedDpcs();
    test_thread_join(sender);
    for (LONG i = 0; i < count; i++) {
        EXPECT_STATUS(wt_wait(&all.one[i].op), STATUS_SUCCESS);
        EXPECT_EQ(all.one[i].op.information, 1);
    }
    EXPECT_EQ(all.ended, count);
    for (LONG i = 0; i < count; i++)
        EXPECT_EQ(all.one[all.order[i]].byte, (UCHAR)i);
    end(&all);
}

/* Who has taken a byte and not yet called the routine has the lane, also against a DPC of its own thread. */
TEST(race_receives_of_a_thread_and_of_dpcs, "D-06 C-IRP-22", TEST_TIMEOUT(240))
{
    LONG rounds = test_mode_has("sim") ? 1 : (LONG)test_scale(100);

    for (LONG i = 0; i < rounds; i++)
        check_order(test_mode_has("sim") ? 40 : 10000);
}
