/*
 * test_turns.c - turns (wsk_turn, src/wsk/deliver.c): what a loop delivers at once keeps the order of what is delivered
 * the long way, and keeps off what a cancel routine is on its way to.
 */
#include "close_test.h"

TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX("natural/dispatch always-pend/dispatch inline/dispatch");
#else
TEST_MATRIX(
    "natural/dispatch natural/dispatch/uring natural/dispatch/sim always-pend/dispatch inline/dispatch");
#endif

/* ---- a cancel routine on its way ---------------------------------------------------------------------- */

/* What IoCancelIrp does first... */
static PDRIVER_CANCEL cancel_begins(PIRP irp)
{
    PDRIVER_CANCEL routine = io_mark_irp_cancelled(irp);

    EXPECT(routine != NULL);
    return routine;
}

/* ... and then. */
static void cancel_goes_on(PIRP irp, PDRIVER_CANCEL routine)
{
    IoAcquireCancelSpinLock(&irp->CancelIrql);
    routine(NULL, irp);
}

static BOOLEAN has_ended(PWSK_SOCKET socket, PIRP irp)
{
    struct wsk_socket *inside = wsk_socket_of(socket);
    KIRQL irql = wsk_lock(inside);
    BOOLEAN ended = wsk_op_of(irp)->stage == WSK_STAGE_DONE;

    wsk_unlock(inside, irql);
    return ended;
}

/* A receive gets its bytes between the two halves of IoCancelIrp: it keeps them, but the cancel routine still needs the
 * IRP, so it is not completed before that has come, nor is the receive after it. */
TEST(a_receive_ends_while_its_cancel_routine_is_on_its_way, "K-CANCEL-06 D-01 D-06")
{
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);
    PDRIVER_CANCEL routine;
    struct wt_buffer buffers[2];
    struct wt_op ops[2], close;

    for (i = 0; i < 2; i++) {
        wt_op_init(&ops[i]);
        wt_buffer_init(&buffers[i], 4);
    }
    EXPECT_STATUS(wt_receive(socket, &ops[0], &buffers[0].buf, 0), STATUS_PENDING);
    routine = cancel_begins(ops[0].irp);
    peer_send(peer, "ping", 4);
    EXPECT_SOON(has_ended(socket, ops[0].irp));
    EXPECT_STATUS(wt_receive(socket, &ops[1], &buffers[1].buf, 0), STATUS_PENDING);
    peer_send(peer, "pong", 4);
    EXPECT_SOON(has_ended(socket, ops[1].irp));
    EXPECT(!wt_is_done(&ops[0]) && !wt_is_done(&ops[1]));
    cancel_goes_on(ops[0].irp, routine);
    for (i = 0; i < 2; i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
        EXPECT_EQ(ops[i].information, 4);
        EXPECT(RtlEqualMemory(buffers[i].bytes, i == 0 ? "ping" : "pong", 4));
    }
    EXPECT(ops[0].order < ops[1].order);
    ct_close(socket, &close);
    wt_op_free(&close);
    for (i = 0; i < 2; i++) {
        wt_op_free(&ops[i]);
        wt_buffer_free(&buffers[i]);
    }
    peer_close(peer);
}

/* ---- sends that are begun and done inside ------------------------------------------------------------- */

#define LINKS 40 /* more than one turn delivers */

struct chain { /* each routine sends the next one, some the next two */
    PWSK_SOCKET socket;
    struct wt_op sends[LINKS];
    struct wt_buffer letters;
    LONG sent;  /* by routines, which are serial: all of them run on the socket's loop */
    LONG twice; /* this one sends two, from 0 on; -1: who begins */
};

static void chain_send(struct chain *chain)
{
    WSK_BUF one = chain->letters.buf;
    LONG i = chain->sent;

    if (i == LINKS)
        return;
    chain->sent++; /* before: in mode inline the routine runs inside the call */
    one.Offset = (ULONG)i;
    one.Length = 1;
    wt_send(chain->socket, &chain->sends[i], &one, WSK_FLAG_NODELAY);
}

static void chain_goes_on(struct chain *chain, LONG link)
{
    chain_send(chain);
    if (link == chain->twice)
        chain_send(chain);
}

static void link_is_over(struct wt_op *op)
{
    struct chain *chain = op->context;

    chain_goes_on(chain, (LONG)(op - chain->sends));
}

static void chain_begins(struct wt_op *op)
{
    chain_goes_on(op->context, -1);
}

static NTSTATUS WSKAPI chain_begins_in_event(PVOID SocketContext, ULONG Flags,
                                             PWSK_DATA_INDICATION DataIndication, SIZE_T BytesIndicated,
                                             SIZE_T *BytesAccepted)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    chain_goes_on(SocketContext, -1);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH chain_events = {chain_begins_in_event, NULL, NULL};

static void run_chain(BOOLEAN event, LONG twice)
{
    struct chain *chain = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *chain, 'nahC');
    struct wt_buffer buffer;
    struct wt_op receive, close;
    char letters[LINKS];
    int peer, i;

    chain->twice = twice;
    wt_buffer_init(&buffer, 1);
    wt_buffer_init(&chain->letters, LINKS);
    for (i = 0; i < LINKS; i++) {
        chain->letters.bytes[i] = (UCHAR)('0' + i);
        wt_op_init(&chain->sends[i]);
        chain->sends[i].hook = link_is_over;
        chain->sends[i].context = chain;
    }
    wt_op_init(&receive);
    receive.hook = chain_begins;
    receive.context = chain;
    chain->socket = wt_connected(AF_INET, chain, event ? &chain_events : NULL, &peer);
    if (event)
        EXPECT_STATUS(wt_events(chain->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    else
        EXPECT_STATUS(wt_receive(chain->socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    peer_send(peer, "x", 1);
    for (i = 0; i < LINKS; i++)
        EXPECT_STATUS(wt_wait(&chain->sends[i]), STATUS_SUCCESS);
    for (i = 1; i < LINKS; i++)
        EXPECT(chain->sends[i - 1].order < chain->sends[i].order);
    peer_receive_all(peer, letters, LINKS);
    EXPECT(RtlEqualMemory(letters, chain->letters.bytes, LINKS));
    if (!event)
        EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    ct_close(chain->socket, &close);
    wt_op_free(&close);
    wt_op_free(&receive);
    for (i = 0; i < LINKS; i++)
        wt_op_free(&chain->sends[i]);
    wt_buffer_free(&chain->letters);
    wt_buffer_free(&buffer);
    ExFreePoolWithTag(chain, 'nahC');
    peer_close(peer);
}

/* Sends are completed in the order of their calls, those that wait for the end of the routine that began them as well
 * as those behind them: two from the beginning, and where a turn ends because it has delivered enough. */
TEST(sends_inside_stay_in_order, "D-06")
{
    static const LONG twice[] = {-1, 0, 30, 31, 32};
    unsigned i;

    for (i = 0; i < 2 * RTL_NUMBER_OF(twice); i++)
        run_chain(i % 2, twice[i / 2]);
}
