/*
 * test_race_sends.c - close against sends, resets and a window that opens (close_race.h).
 */
#include "close_race.h"

WT_RACE_FIXTURE;

/* ---- sends -------------------------------------------------------------------------------------------- */

/* The driver that closes has made sure that no call is in progress: the send has returned before the close.
 */
static void step_send_and_close(void *context)
{
    struct line *line = context;

    wt_send(line->socket, &line->send, &line->out.buf, 0);
    step_close(line);
}

static void step_peer_reads(void *context)
{
    struct line *line = context;
    char text[64];

    peer_receive(line->peer, text, sizeof text, 1);
}

static void after_send(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->send, &line->close, 64);
    line_end(line);
}

TEST(race_close_with_a_send_on_its_way, "C-CLOSE-11 C-CLOSE-13 D-16", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_send_and_close, step_peer_reads, after_send, &line);
}

static void step_peer_resets(void *context)
{
    struct line *line = context;

    peer_reset(line->peer);
    line->peer = -1;
}

static void step_send_receive_close(void *context)
{
    struct line *line = context;

    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
    wt_send(line->socket, &line->send, &line->out.buf, 0);
    step_close(line);
}

/* The reset may come first: then each operation ends with the connection's end, or was refused with it. */
static void after_reset(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT(wt_is_done(&line->receive) && wt_is_done(&line->send));
    EXPECT(line->receive.order < line->close.order && line->send.order < line->close.order);
    line_end(line);
}

TEST(race_close_with_a_reset, "C-CLOSE-12 C-CLOSE-14", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_send_receive_close, step_peer_resets, after_reset, &line);
}

/* ---- a window that opens ------------------------------------------------------------------------------ */

struct flood {
    struct line line;
    struct wt_buffer much;
};

static void before_flood(void *context)
{
    struct flood *flood = context;

    line_open(&flood->line, NULL);
    wt_buffer_init(&flood->much, 8u << 20);
    wt_send(flood->line.socket, &flood->line.send, &flood->much.buf, 0);
    wt_send(flood->line.socket, &flood->line.extra, &flood->line.out.buf, 0);
}

static void step_close_flood(void *context)
{
    step_close(&((struct flood *)context)->line);
}

static void step_peer_reads_much(void *context)
{
    static char text[1 << 16];
    struct flood *flood = context;
    int i;

    for (i = 0; i < 200; i++)
        if (peer_receive(flood->line.peer, text, sizeof text, 1) < 0)
            break;
}

static void after_flood(void *context)
{
    struct flood *flood = context;

    wt_wait(&flood->line.close);
    check_ended(&flood->line.send, &flood->line.close, 8u << 20);
    check_ended(&flood->line.extra, &flood->line.close, 64);
    line_end(&flood->line);
    wt_buffer_free(&flood->much);
}

/* Nobody cancels one by one: then they end in order, even when the transport was about to end the first. */
static void after_flood_in_order(void *context)
{
    struct flood *flood = context;

    wt_wait(&flood->line.close);
    EXPECT(flood->line.send.order < flood->line.extra.order); /* D-06 */
    after_flood(context);
}

TEST(race_close_with_a_window_that_opens, "C-CLOSE-13 C-CLOSE-16 C-CLOSE-41 D-06 D-16", TEST_TIMEOUT(240))
{
    struct flood flood;

    race(before_flood, step_close_flood, step_peer_reads_much, after_flood_in_order, &flood);
}

static void step_cancel_both_sends(void *context)
{
    struct flood *flood = context;

    IoCancelIrp(flood->line.send.irp);
    IoCancelIrp(flood->line.extra.irp);
}

TEST(race_close_with_io_cancel_irp_of_sends, "C-CLOSE-12 C-CLOSE-13 K-CANCEL-01", TEST_TIMEOUT(240))
{
    struct flood flood;

    race(before_flood, step_close_flood, step_cancel_both_sends, after_flood, &flood);
}
