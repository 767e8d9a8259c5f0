/*
 * test_race_orders.c - an IRP that is cancelled while it is being passed (K-CANCEL-08), and the order of what ends inside
 * its call and what ended before (D-05, D-06).
 */
#include "close_race.h"
#include "close_test.h"

WT_RACE_FIXTURE;

/* ---- IoCancelIrp beside the call ---------------------------------------------------------------------- */

static void step_receive(void *context)
{
    struct line *line = context;

    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
}

static void step_cancel(void *context)
{
    IoCancelIrp(((struct line *)context)->receive.irp);
}

static void after_both(void *context)
{
    struct line *line = context;

    EXPECT_STATUS(wt_wait(&line->receive), STATUS_CANCELLED);
    EXPECT_EQ(line->receive.information, 0);
    step_close(line);
    line_end(line);
}

/* Whether it comes before the IRP is pended or after: it is not lost, and ends the IRP once. */
TEST(race_io_cancel_irp_with_the_call, "K-CANCEL-08 K-CANCEL-03 D-01", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_receive, step_cancel, after_both, &line);
}

/* ---- IoCancelIrp beside the end ----------------------------------------------------------------------- */

static void before_two_receives(void *context)
{
    struct line *line = context;

    before_nothing(line);
    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
    wt_receive(line->socket, &line->extra, &line->out.buf, 0);
}

static void step_abort(void *context)
{
    struct line *line = context;

    EXPECT(NT_SUCCESS(wt_disconnect(line->socket, &line->send, NULL, WSK_FLAG_ABORTIVE)));
}

static void check_first_before_second(struct line *line, NTSTATUS end)
{
    NTSTATUS status = wt_wait(&line->receive);

    EXPECT(status == end || status == STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&line->extra), end);
    EXPECT(line->receive.order < line->extra.order);
}

static void after_abort(void *context)
{
    struct line *line = context;

    check_first_before_second(line, STATUS_CONNECTION_ABORTED);
    EXPECT_STATUS(wt_wait(&line->send), STATUS_SUCCESS);
    step_close(line);
    line_end(line);
}

/* Two receives end together while IoCancelIrp is on its way to the first: that one keeps its place before the second. */
TEST(race_io_cancel_irp_with_the_end_of_two_receives, "D-06 K-CANCEL-03 K-CANCEL-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_receives, step_abort, step_cancel, after_abort, &line);
}

static void after_close(void *context)
{
    struct line *line = context;

    check_first_before_second(line, STATUS_CANCELLED);
    EXPECT_EQ(line->receive.information, 0);
    line_end(line);
    EXPECT(line->extra.order < line->close.order);
}

TEST(race_io_cancel_irp_with_the_close_of_two_receives, "D-06 C-CLOSE-13 C-CLOSE-14 K-CANCEL-03",
     TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_receives, step_close, step_cancel, after_close, &line);
}

/* ---- one direction waits for the other ---------------------------------------------------------------- */

static void wait_for_the_send(struct wt_op *op)
{
    if (KeGetCurrentIrql() == PASSIVE_LEVEL)
        wt_wait(op->context);
}

/* WskReceive finds the connection dead, which ends the send as well; if the receive completes inside the call, its
 * routine may wait for the send's. */
TEST(a_routine_that_waits_for_the_other_direction, "D-05 R-RECV-09 R-SEND-07")
{
    struct wt_op receive, send;
    struct wt_buffer in, out;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    peer_set_rcvbuf(peer, 4096);
    wt_buffer_init(&in, 4);
    wt_buffer_init(&out, 16 * 1024 * 1024);
    wt_op_init(&send);
    wt_op_init(&receive);
    receive.hook = wait_for_the_send;
    receive.context = &send;
    EXPECT_STATUS(wt_send(socket, &send, &out.buf, 0), STATUS_PENDING);
    peer_reset(peer);
    wt_receive(socket, &receive, &in.buf, 0);
    EXPECT(!NT_SUCCESS(wt_wait(&receive)));
    EXPECT(!NT_SUCCESS(wt_wait(&send)));
    wt_close_now(socket);
    wt_op_free(&receive);
    wt_op_free(&send);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
}

/* ---- order within one direction ----------------------------------------------------------------------- */

struct third {
    PWSK_SOCKET socket;
    struct wt_op op;
    struct wt_buffer buffer;
};

static void receive_the_third(struct wt_op *op)
{
    struct third *third = op->context;

    wt_receive(third->socket, &third->op, &third->buffer.buf, 0);
}

/* Two receives have ended; the routine of the first calls for bytes that are there: they come after the second. */
TEST(a_receive_that_ends_at_once_does_not_overtake, "D-06 C-IRP-22")
{
    struct wt_op first, second;
    struct wt_buffer buffers[2];
    struct third third;
    int peer, i;

    third.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&third.buffer, 4);
    wt_op_init(&third.op);
    for (i = 0; i < 2; i++)
        wt_buffer_init(&buffers[i], 4);
    wt_op_init(&first);
    wt_op_init(&second);
    first.hook = receive_the_third;
    first.context = &third;
    wt_receive(third.socket, &first, &buffers[0].buf, 0);
    wt_receive(third.socket, &second, &buffers[1].buf, 0);
    peer_send(peer, "one.two.last", 12);
    EXPECT_STATUS(wt_wait(&first), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&second), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&third.op), STATUS_SUCCESS);
    EXPECT(first.order < second.order && second.order < third.op.order);
    EXPECT(RtlEqualMemory(third.buffer.bytes, "last", 4));
    wt_close_now(third.socket);
    peer_close(peer);
    wt_op_free(&first);
    wt_op_free(&second);
    wt_op_free(&third.op);
    for (i = 0; i < 2; i++)
        wt_buffer_free(&buffers[i]);
    wt_buffer_free(&third.buffer);
}

static void stand(struct wt_op *op)
{
    ct_stand(op->context);
}

/* A receive whose bytes are there, called while the routine of the one before still runs on another thread. */
TEST(a_receive_that_ends_at_once_waits_for_the_routine_before, "D-06 C-IRP-22")
{
    struct ct_gate gate = {0, 0};
    struct wt_op first, second;
    struct wt_buffer buffers[2];
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    for (i = 0; i < 2; i++)
        wt_buffer_init(&buffers[i], 4);
    wt_op_init(&first);
    wt_op_init(&second);
    first.hook = stand;
    first.context = &gate;
    wt_receive(socket, &first, &buffers[0].buf, 0);
    peer_send(peer, "one.two.", 8);
    ct_await(&gate);
    wt_receive(socket, &second, &buffers[1].buf, 0);
    test_sleep_ms(2);
    EXPECT(!wt_is_done(&second));
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&first), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&second), STATUS_SUCCESS);
    EXPECT(first.order < second.order);
    wt_close_now(socket);
    peer_close(peer);
    wt_op_free(&first);
    wt_op_free(&second);
    for (i = 0; i < 2; i++)
        wt_buffer_free(&buffers[i]);
}
