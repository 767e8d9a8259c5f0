/*
 * test_levels_and_threads.c - a close at DISPATCH_LEVEL, with a lock of the driver's held, and in a DPC;
 * from another thread, and of two sockets at each other.
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- at DISPATCH_LEVEL, with a lock of the driver's own ----------------------------------------------- */

static KSPIN_LOCK driver_lock;

static void take_driver_lock(struct wt_op *op)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(op);
    KeAcquireSpinLock(&driver_lock, &irql);
    KeReleaseSpinLock(&driver_lock, irql);
}

/* Completions that pend run elsewhere, so the driver's lock may be the one that they take.  A close in mode
 * inline runs them here (C-CLOSE-15): then the driver may not hold it. */
static BOOLEAN may_hold(void)
{
    return !test_mode_has("inline");
}

TEST(at_dispatch_level_with_a_lock_held, "C-CLOSE-07 D-05 D-08 R-CLOSE-15 C-CLOSE-15")
{
    struct wt_op receive, close;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    KSPIN_LOCK other_lock;
    KIRQL irql;
    int peer, i;

    wt_buffer_init(&buffer, 10);
    KeInitializeSpinLock(&driver_lock);
    KeInitializeSpinLock(&other_lock);
    for (i = 0; i < 2; i++) {
        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        wt_op_init(&receive);
        wt_op_init(&close);
        receive.hook = close.hook = take_driver_lock;
        if (i == 0)
            EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
        KeAcquireSpinLock(may_hold() ? &driver_lock : &other_lock, &irql);
        wt_close(socket, &close);
        EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
        KeReleaseSpinLock(may_hold() ? &driver_lock : &other_lock, irql);
        EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
        if (i == 0)
            ct_expect_cancelled(&receive, &close);
        peer_expect_reset(peer);
        peer_close(peer);
        wt_op_free(&receive);
        wt_op_free(&close);
    }
    wt_buffer_free(&buffer);
}

struct in_dpc {
    KDPC dpc;
    PWSK_SOCKET socket;
    struct wt_op close;
    volatile LONG left;
};

static VOID NTAPI close_in_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    struct in_dpc *in = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (may_hold())
        KeAcquireSpinLockAtDpcLevel(&driver_lock);
    wt_close(in->socket, &in->close);
    if (may_hold())
        KeReleaseSpinLockFromDpcLevel(&driver_lock);
    InterlockedExchange(&in->left, wt_mark());
}

/* A DPC of the driver runs on the very threads that deliver completions. */
TEST(in_a_dpc_with_a_lock_held, "C-CLOSE-07 D-05 D-08 R-CLOSE-15")
{
    struct in_dpc in;
    int i, peer = -1;

    KeInitializeSpinLock(&driver_lock);
    for (i = 0; i < 20; i++) {
        KeInitializeDpc(&in.dpc, close_in_dpc, &in);
        KeSetTargetProcessorDpc(&in.dpc, (CCHAR)(i & 1));
        wt_op_init(&in.close);
        in.close.hook = take_driver_lock;
        in.left = 0;
        in.socket = i & 2 ? wt_connected(AF_INET, NULL, NULL, &peer)
                          : wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        KeInsertQueueDpc(&in.dpc, NULL, NULL);
        EXPECT_STATUS(wt_wait(&in.close), STATUS_SUCCESS);
        EXPECT_SOON(ReadAcquire(&in.left));
        wt_op_free(&in.close);
        if (i & 2) {
            peer_expect_reset(peer);
            peer_close(peer);
        }
    }
}

/* ---- from another thread; by two sockets at each other ------------------------------------------------ */

struct other {
    PWSK_SOCKET socket;
    struct wt_op close;
};

static void close_in_thread(void *argument)
{
    struct other *other = argument;

    wt_close(other->socket, &other->close);
}

TEST(from_another_thread, "C-CLOSE-07 C-CLOSE-08 C-CLOSE-10 D-08")
{
    struct other other;
    struct wt_buffer buffer;
    struct wt_op receive;
    int peer;

    wt_buffer_init(&buffer, 10);
    other.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&receive);
    wt_op_init(&other.close);
    wt_receive(other.socket, &receive, &buffer.buf, 0);
    test_thread_join(test_thread_start(close_in_thread, &other)); /* and that thread is gone then */
    EXPECT_STATUS(wt_wait(&other.close), STATUS_SUCCESS);
    ct_expect_cancelled(&receive, &other.close);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&other.close);
    wt_buffer_free(&buffer);
}

TEST(both_ends_at_once, "C-CLOSE-07 C-CLOSE-14 C-CLOSE-38", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(500);

    for (i = 0; i < rounds; i++) {
        struct other one, two;
        struct wt_op receives[2], sends[2];
        struct wt_buffer buffers[2];
        struct test_thread *thread;
        int n;

        ct_pair(&one.socket, NULL, NULL, &two.socket, NULL, NULL);
        for (n = 0; n < 2; n++) {
            PWSK_SOCKET socket = n == 0 ? one.socket : two.socket;

            wt_buffer_init(&buffers[n], 100000);
            wt_op_init(&receives[n]);
            wt_op_init(&sends[n]);
            wt_receive(socket, &receives[n], &buffers[n].buf, WSK_FLAG_WAITALL);
            if (i & 1)
                wt_send(socket, &sends[n], &buffers[n].buf, 0);
        }
        wt_op_init(&one.close);
        wt_op_init(&two.close);
        thread = test_thread_start(close_in_thread, &one);
        close_in_thread(&two);
        test_thread_join(thread);
        EXPECT_STATUS(wt_wait(&one.close), STATUS_SUCCESS);
        EXPECT_STATUS(wt_wait(&two.close), STATUS_SUCCESS);
        for (n = 0; n < 2; n++) {
            LONG last = n == 0 ? one.close.order : two.close.order;

            wt_wait(&receives[n]); /* its own bytes, cancelled, or ended by the other's reset */
            EXPECT(receives[n].order < last);
            if (i & 1) {
                wt_wait(&sends[n]);
                EXPECT(sends[n].order < last);
            }
            wt_op_free(&receives[n]);
            wt_op_free(&sends[n]);
            wt_buffer_free(&buffers[n]);
        }
        wt_op_free(&one.close);
        wt_op_free(&two.close);
    }
}
