/*
 * test_datagrams.c - closing a datagram socket: with requests of every kind in every place, with and inside its
 * callback, with datagrams that the client keeps, and against everything that happens in the same moment
 * (close_race.h).  That the port is free when the close IRP completes is seen in each of them (box_closed).
 */
#include "datagram_box.h"

WT_RACE_FIXTURE;

static struct box box;

/* Ended by the close, or before it with all that was asked for (C-CLOSE-13); before the close IRP (C-CLOSE-14). */
static BOOLEAN ended(struct wt_op *op, struct wt_op *close, ULONG_PTR full)
{
    check_ended(op, close, full);
    return op->status == STATUS_SUCCESS;
}

static void step_close_box(void *context)
{
    box_close(context);
}

static void peer_sends_two(void *context)
{
    box_peer_sends(context, 2);
}

static void after_close(void *context)
{
    box_end(context);
}

/* ---- requests ----------------------------------------------------------------------------------------- */

static void queue_everything(struct box *own)
{
    box_receive(own, &own->receive, &own->in); /* one inside the transport, one behind it */
    wt_receive_from(own->socket, &own->second, &own->more.buf, NULL, NULL, NULL, NULL);
    wt_send_to(own->socket, &own->send, &own->out.buf, (PSOCKADDR)&own->to_peer, 0, NULL);
}

TEST(close_with_requests_of_every_kind, "C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 C-CLOSE-45 D-06 D-26",
     TEST_MODES(WT_CALM_MODES))
{
    struct wt_op sends[6];
    unsigned i;

    box_slow_sends();
    box_open(&box, STATUS_SUCCESS, FALSE);
    queue_everything(&box);
    for (i = 0; i < RTL_NUMBER_OF(sends); i++) { /* held, and in the queue, with where they go */
        wt_op_init(&sends[i]);
        wt_send_to(box.socket, &sends[i], &box.out.buf, (PSOCKADDR)&box.to_peer, 0, NULL);
    }
    box_close(&box);
    EXPECT_STATUS(wt_wait(&box.close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&box.receive), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&box.second), STATUS_CANCELLED);
    EXPECT(ended(&box.receive, &box.close, 0) == FALSE && ended(&box.second, &box.close, 0) == FALSE);
    EXPECT(box.receive.order < box.second.order);
    ended(&box.send, &box.close, BOX_BYTES);
    for (i = 0; i < RTL_NUMBER_OF(sends); i++) {
        ended(&sends[i], &box.close, BOX_BYTES);
        EXPECT(sends[i].order > (i == 0 ? box.send.order : sends[i - 1].order));
        wt_op_free(&sends[i]);
    }
    box_end(&box);
}

static void before_everything(void *context)
{
    box_open(context, STATUS_SUCCESS, FALSE);
    queue_everything(context);
}

static void after_everything(void *context)
{
    struct box *own = context;
    BOOLEAN first, second;

    wt_wait(&own->close);
    first = ended(&own->receive, &own->close, BOX_BYTES);
    second = ended(&own->second, &own->close, BOX_BYTES);
    EXPECT(first || !second);
    EXPECT(own->receive.order < own->second.order); /* D-06 */
    EXPECT(!first || own->in.bytes[0] == 0);
    EXPECT(!second || own->more.bytes[0] == 1);
    ended(&own->send, &own->close, BOX_BYTES);
    box_end(own);
}

TEST(race_close_with_arrivals_for_receives, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-27 D-06",
     TEST_TIMEOUT(120))
{
    box_slow_sends();
    race(before_everything, step_close_box, peer_sends_two, after_everything, &box);
}

static void step_cancel_all(void *context)
{
    struct box *own = context;

    IoCancelIrp(own->send.irp);
    IoCancelIrp(own->second.irp);
    IoCancelIrp(own->receive.irp);
}

static void after_close_and_cancel(void *context)
{
    struct box *own = context;

    wt_wait(&own->close);
    EXPECT_STATUS(wt_wait(&own->receive), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&own->second), STATUS_CANCELLED);
    wt_wait(&own->send);
    EXPECT_EQ(own->send.information, own->send.status == STATUS_SUCCESS ? BOX_BYTES : 0);
    EXPECT(own->receive.order < own->close.order && own->second.order < own->close.order &&
           own->send.order < own->close.order);
    box_end(own);
}

TEST(race_close_with_io_cancel_irp, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 K-CANCEL-06", TEST_TIMEOUT(120))
{
    box_slow_sends();
    race(before_everything, step_close_box, step_cancel_all, after_close_and_cancel, &box);
}

static void before_messages(void *context)
{
    struct box *own = context;
    static WSK_BUF_LIST list[4];
    unsigned i;

    box_open(own, STATUS_SUCCESS, FALSE);
    for (i = 0; i < 4; i++) {
        list[i].Buffer = own->out.buf;
        list[i].Next = i < 3 ? &list[i + 1] : NULL;
    }
    wt_send_messages(own->socket, &own->send, list, (PSOCKADDR)&own->to_peer);
}

static void step_look(void *context)
{
    UNREFERENCED_PARAMETER(context);
    spin(50);
}

static void after_messages(void *context)
{
    struct box *own = context;

    wt_wait(&own->close);
    ended(&own->send, &own->close, 4 * BOX_BYTES);
    box_end(own);
}

TEST(race_close_with_messages_in_progress, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 R-SENDMSGS-06",
     TEST_TIMEOUT(120))
{
    box_slow_sends();
    race(before_messages, step_close_box, step_look, after_messages, &box);
}

static void close_in_the_routine(struct wt_op *op)
{
    struct box *own = op->context;

    EXPECT_STATUS(wt_close(own->socket, &own->close), STATUS_PENDING); /* C-CLOSE-20: this routine runs */
    EXPECT(!wt_is_done(&own->close));
}

TEST(close_in_a_completion_routine, "C-CLOSE-14 C-CLOSE-20 C-CLOSE-21", TEST_MODES(WT_CALM_MODES))
{
    box_open(&box, STATUS_SUCCESS, FALSE);
    box.receive.hook = close_in_the_routine;
    box.receive.context = &box;
    box_receive(&box, &box.receive, &box.in);
    wt_receive_from(box.socket, &box.second, &box.more.buf, NULL, NULL, NULL, NULL);
    box_peer_sends(&box, 1);
    EXPECT_STATUS(wt_wait(&box.close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&box.receive), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&box.second), STATUS_CANCELLED);
    EXPECT(box.receive.order < box.close.order && box.second.order < box.close.order);
    box_end(&box);
}

/* ---- the callback ------------------------------------------------------------------------------------- */

static volatile LONG stand, go;

static void stand_inside(struct box *own)
{
    UNREFERENCED_PARAMETER(own);
    InterlockedExchange(&stand, 1);
    while (!ReadAcquire(&go))
        test_sleep_ms(1);
}

static void close_inside(struct box *own)
{
    if (own->calls != 1)
        return;
    EXPECT_STATUS(wt_close(own->socket, &own->close), STATUS_PENDING); /* C-CLOSE-20 */
    EXPECT(!wt_is_done(&own->close));
}

static const NTSTATUS answers[] = {STATUS_SUCCESS, STATUS_DATA_NOT_ACCEPTED, STATUS_PENDING};

TEST(close_waits_for_the_callback, "C-CLOSE-17 C-CLOSE-19 C-CLOSE-37", TEST_MODES(WT_CALM_MODES))
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(answers); i++) {
        InterlockedExchange(&stand, 0);
        InterlockedExchange(&go, 0);
        box_open(&box, answers[i], FALSE);
        box.inside = stand_inside;
        EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        box_peer_sends(&box, 2);
        EXPECT_SOON(ReadAcquire(&stand));
        EXPECT_STATUS(wt_close(box.socket, &box.close), STATUS_PENDING);
        test_sleep_ms(3);
        EXPECT(!wt_is_done(&box.close));
        InterlockedExchange(&go, 1);
        EXPECT_STATUS(wt_wait(&box.close), STATUS_SUCCESS);
        EXPECT_EQ(box.calls, 1);
        if (box.kept_count != 0) /* C-CLOSE-37: too late, but it is still there to be looked at */
            EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[0]), STATUS_INVALID_PARAMETER);
        box_end(&box);
    }
}

TEST(close_in_the_callback, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 R-CLOSE-06", TEST_MODES(WT_CALM_MODES))
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(answers); i++) {
        box_open(&box, answers[i], FALSE);
        box.inside = close_inside;
        EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        box_peer_sends(&box, 3);
        box_end(&box);
        EXPECT_EQ(box.calls, 1);
    }
}

static void before_event(void *context)
{
    box_open(context, STATUS_SUCCESS, TRUE);
}

TEST(race_close_with_the_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-19", TEST_TIMEOUT(120))
{
    race(before_event, step_close_box, peer_sends_two, after_close, &box);
}

static void closed_if_let_in(struct wt_op *op)
{
    if (op->status == STATUS_SUCCESS)
        box_closed(op);
}

static void try_to_close(struct box *own, struct wt_op *op)
{
    if (wt_close(own->socket, op) == STATUS_FILE_FORCED_CLOSED)
        EXPECT(wt_is_done(op)); /* refused, whatever the other one waits for */
}

static void try_to_close_inside(struct box *own)
{
    if (own->calls != 1)
        return;
    try_to_close(own, &own->close);
    EXPECT(!wt_is_done(&own->close) || own->close.status == STATUS_FILE_FORCED_CLOSED); /* C-CLOSE-20 */
}

static void before_closing_twice(void *context)
{
    struct box *own = context;

    box_open(own, STATUS_PENDING, FALSE);
    own->inside = try_to_close_inside;
    own->close.hook = own->second.hook = closed_if_let_in;
    own->second.context = own;
    EXPECT_STATUS(wt_events(own->socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
}

static void step_try_to_close(void *context)
{
    struct box *own = context;

    try_to_close(own, &own->second);
}

static void after_closing_twice(void *context)
{
    struct box *own = context;

    if (wt_wait(&own->second) == STATUS_SUCCESS) {
        if (own->calls != 0)
            EXPECT_STATUS(wt_wait(&own->close), STATUS_FILE_FORCED_CLOSED);
    } else {
        EXPECT_STATUS(own->second.status, STATUS_FILE_FORCED_CLOSED);
        EXPECT_STATUS(wt_wait(&own->close), STATUS_SUCCESS);
    }
    box_free(own);
}

TEST(race_close_in_the_callback_with_another_close, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 C-CLOSE-36",
     TEST_TIMEOUT(120))
{
    race(before_closing_twice, step_try_to_close, peer_sends_two, after_closing_twice, &box);
}

/* ---- what the client keeps ---------------------------------------------------------------------------- */

TEST(kept_datagrams_outlive_the_socket, "C-CLOSE-37 R-REL-05", TEST_MODES(WT_CALM_MODES))
{
    LONG i;

    box_open(&box, STATUS_PENDING, TRUE);
    box_peer_sends(&box, 5);
    EXPECT_SOON(box_read(&box.kept_count) == 5 && box_read(&box.running) == 0);
    EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[2]), STATUS_SUCCESS);
    box_close(&box);
    EXPECT_STATUS(wt_wait(&box.close), STATUS_SUCCESS); /* they do not hold it up */
    for (i = 0; i < 5; i++) {
        PUCHAR bytes;

        if (i == 2)
            continue;
        bytes = MmGetSystemAddressForMdlSafe(box.kept[i]->Buffer.Mdl, NormalPagePriority);
        EXPECT_EQ(bytes[box.kept[i]->Buffer.Offset], i); /* readable until WskDeregister */
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[i]), STATUS_INVALID_PARAMETER);
    }
    box_end(&box);
}

static void before_kept(void *context)
{
    struct box *own = context;

    box_open(own, STATUS_PENDING, TRUE);
    box_peer_sends(own, 4);
    EXPECT_SOON(box_read(&own->kept_count) == 4 && box_read(&own->running) == 0);
}

static void step_release(void *context)
{
    struct box *own = context;
    BOOLEAN closed = FALSE;
    unsigned i;

    for (i = 0; i < 4; i++) {
        NTSTATUS status = wt_release_datagrams(own->socket, own->kept[i]);

        EXPECT(status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER);
        EXPECT(!closed || status == STATUS_INVALID_PARAMETER);
        closed = status != STATUS_SUCCESS;
    }
}

TEST(race_close_with_release, "C-CLOSE-37 C-CLOSE-35 R-REL-05", TEST_TIMEOUT(120))
{
    race(before_kept, step_close_box, step_release, after_close, &box);
}

/* ---- WskDeregister ------------------------------------------------------------------------------------ */

static LONG open_sockets(PWSK_SOCKET socket)
{
    struct wsk_client *client = wsk_socket_of(socket)->client;
    KIRQL irql = ke_acquire_spin_lock(&client->lock);
    LONG open = client->open;

    ke_release_spin_lock(&client->lock, irql);
    return open;
}

TEST(the_client_counts_it_until_its_close_is_over, "C-CLOSE-03 C-DEREG-03", TEST_MODES(WT_CALM_MODES))
{
    InterlockedExchange(&stand, 0);
    InterlockedExchange(&go, 0);
    box_open(&box, STATUS_SUCCESS, FALSE);
    box.inside = stand_inside;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    box_peer_sends(&box, 1);
    EXPECT_SOON(ReadAcquire(&stand));
    wt_close(box.socket, &box.close);
    EXPECT_EQ(open_sockets(box.socket), 1); /* what WskDeregister waits for */
    InterlockedExchange(&go, 1);
    EXPECT_STATUS(wt_wait(&box.close), STATUS_SUCCESS);
    EXPECT_SOON(open_sockets(box.socket) == 0);
    box_end(&box);
}
