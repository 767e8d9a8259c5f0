/*
 * test_race_receives.c - close against receives that data, a FIN or a cancel ends at the same moment (close_race.h).
 */
#include "close_race.h"

WT_RACE_FIXTURE;

/* ---- pending receive: data, FIN, cancel --------------------------------------------------------------- */

static void before_receive(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
}

static void after_data(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 4);
    line_end(line);
}

TEST(race_close_with_arriving_data, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 R-CLOSE-04", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_peer_sends, after_data, &line);
}

static void after_fin(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_the_peers_fin, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-39", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_peer_shuts_down, after_fin, &line);
}

/* The IRP outlives the race: only wt_op_free in line_end frees it (K-CANCEL-07). */
static void step_cancel_receive(void *context)
{
    IoCancelIrp(((struct line *)context)->receive.irp);
}

static void after_cancel(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT_STATUS(wt_wait(&line->receive), STATUS_CANCELLED);
    EXPECT_EQ(line->receive.information, 0);
    EXPECT(line->receive.order < line->close.order);
    line_end(line);
}

TEST(race_close_with_io_cancel_irp, "C-CLOSE-12 K-CANCEL-01 K-CANCEL-03 D-26", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_cancel_receive, after_cancel, &line);
}

static void before_two_receives(void *context)
{
    struct line *line = context;

    before_receive(line);
    wt_receive(line->socket, &line->extra, &line->out.buf, WSK_FLAG_WAITALL);
}

static void step_cancel_second(void *context)
{
    IoCancelIrp(((struct line *)context)->extra.irp);
}

static void after_cancel_second(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_CANCELLED);
    EXPECT(line->extra.order < line->close.order);
    after_cancel(context);
}

TEST(race_close_with_cancel_of_a_queued_receive, "C-CLOSE-12 K-CANCEL-01", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_receives, step_close, step_cancel_second, after_cancel_second, &line);
}

/* ---- data against cancel, nobody closes: the stream loses nothing (D-16) ------------------------------ */

static void after_cancel_alone(void *context)
{
    struct line *line = context;
    NTSTATUS status = wt_wait(&line->receive);
    char text[8];

    if (status == STATUS_CANCELLED) {
        EXPECT_EQ(line->receive.information, 0);
        EXPECT_EQ(wt_receive_now(line->socket, text, 4, WSK_FLAG_WAITALL), 4);
        EXPECT(RtlEqualMemory(text, "data", 4));
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQ(line->receive.information, 4);
    }
    step_close(line);
    line_end(line);
}

TEST(race_data_with_io_cancel_irp, "D-16 K-CANCEL-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_cancel_receive, step_peer_sends, after_cancel_alone, &line);
}

/* ---- the other kinds of receive ----------------------------------------------------------------------- */

static void before_receive_all(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &line->in.buf, WSK_FLAG_WAITALL);
    peer_send(line->peer, "0123456789", 10);
}

static void step_peer_sends_the_rest(void *context)
{
    static const char rest[54];

    peer_send_some(((struct line *)context)->peer, rest, sizeof rest);
}

static void after_receive_all(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 64); /* all or nothing (D-16) */
    line_end(line);
}

TEST(race_close_with_the_rest_of_the_data, "C-CLOSE-13 D-16", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive_all, step_close, step_peer_sends_the_rest, after_receive_all, &line);
}

static void before_receive_nothing(void *context)
{
    WSK_BUF empty = {NULL, 0, 0};
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &empty, 0);
    wt_receive(line->socket, &line->extra, &empty, WSK_FLAG_DRAIN);
}

static void step_peer_sends_and_shuts_down(void *context)
{
    struct line *line = context;

    if (peer_send_some(line->peer, "data", 4) == 4)
        peer_shutdown(line->peer);
}

static void after_receive_nothing(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 0);
    check_ended(&line->extra, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_readiness_and_the_end_of_a_drain, "C-CLOSE-12 C-CLOSE-13", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive_nothing, step_close, step_peer_sends_and_shuts_down, after_receive_nothing, &line);
}
