/*
 * test_race_arrivals.c - close and IoCancelIrp while the end of a receive or send is on its way: the transport has
 * taken it out, and its completion has not come to the socket's lock yet.
 *
 * What the peer sends or acknowledges arrives some time after; so who closes waits for it first (await_arrival,
 * await_room), and then the steps of the loop and of the close meet (close_race.h).
 */
#include "close_race.h"
#include "close_test.h"

WT_RACE_FIXTURE;

/* Until bytes are there or have been taken, or until they could have been. */
static void await_arrival(struct line *line)
{
    struct wsk_socket *socket = wsk_socket_of(line->socket);
    LONG looks;

    for (looks = 0; looks < 2000; looks++) {
        if (ReadAcquire(&line->receive.completions) != 0 || ReadAcquire(&line->callbacks) != 0 ||
            WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_READABLE) > 0)
            return;
        YieldProcessor();
    }
}

static void step_close_on_arrival(void *context)
{
    await_arrival(context);
    step_close(context);
}

static void step_cancel_on_arrival(void *context)
{
    await_arrival(context);
    IoCancelIrp(((struct line *)context)->receive.irp);
}

static void step_peer_sends_eight(void *context)
{
    peer_send_some(((struct line *)context)->peer, "datamore", 8);
}

/* ---- two receives ------------------------------------------------------------------------------------- */

static void before_two_of_four(void *context)
{
    struct line *line = context;
    WSK_BUF four[2];

    line_open(line, NULL);
    four[0] = line->in.buf;
    four[1] = line->out.buf;
    four[0].Length = four[1].Length = 4;
    wt_receive(line->socket, &line->receive, &four[0], 0);
    wt_receive(line->socket, &line->extra, &four[1], 0);
}

static void after_close_of_two(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 4);
    check_ended(&line->extra, &line->close, 4);
    EXPECT(line->receive.order < line->extra.order);
    EXPECT(NT_SUCCESS(line->receive.status) ||
           !NT_SUCCESS(line->extra.status)); /* the first bytes are the first's */
    line_end(line);
}

TEST(race_close_with_bytes_for_two_receives, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-27 D-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_of_four, step_close_on_arrival, step_peer_sends_eight, after_close_of_two, &line);
}

static void after_cancel_of_two(void *context)
{
    struct line *line = context;
    BOOLEAN cancelled = wt_wait(&line->receive) == STATUS_CANCELLED;

    EXPECT_EQ(line->receive.information, cancelled ? 0 : 4);
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_SUCCESS); /* the queue goes on */
    EXPECT_EQ(line->extra.information, 4);
    EXPECT(RtlEqualMemory(line->out.bytes, cancelled ? "data" : "more", 4)); /* D-16 */
    EXPECT(line->receive.order < line->extra.order);
    step_close(line);
    line_end(line);
}

TEST(race_io_cancel_irp_with_bytes_for_two_receives, "K-CANCEL-06 C-CLOSE-27 D-16 D-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_of_four, step_cancel_on_arrival, step_peer_sends_eight, after_cancel_of_two, &line);
}

/* ---- a part of what is asked for ---------------------------------------------------------------------- */

static void before_all_of_many(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &line->in.buf, WSK_FLAG_WAITALL);
    wt_receive(line->socket, &line->extra, &line->out.buf, 0);
}

static void after_close_with_a_part(void *context)
{
    struct line *line = context;

    EXPECT_STATUS(wt_wait(&line->receive), STATUS_CANCELLED);
    EXPECT_EQ(line->receive.information, 0);
    EXPECT(line->receive.cancel); /* D-26 */
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_CANCELLED);
    wt_wait(&line->close);
    EXPECT(line->receive.order < line->extra.order && line->extra.order < line->close.order);
    line_end(line);
}

TEST(race_close_with_a_part_of_the_data, "C-CLOSE-11 C-CLOSE-13 D-26 D-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_all_of_many, step_close_on_arrival, step_peer_sends_eight, after_close_with_a_part, &line);
}

static void after_cancel_with_a_part(void *context)
{
    struct line *line = context;
    SIZE_T part;

    EXPECT_STATUS(wt_wait(&line->receive), STATUS_CANCELLED);
    part = line->receive.information;
    EXPECT(part <= 8);
    if (part < 8) { /* D-16: what it does not have is the next one's */
        EXPECT_STATUS(wt_wait(&line->extra), STATUS_SUCCESS);
        EXPECT(line->receive.order < line->extra.order);
        EXPECT(RtlEqualMemory(line->out.bytes, &"datamore"[part], line -> extra.information));
    }
    EXPECT(RtlEqualMemory(line->in.bytes, "datamore", part));
    step_close(line);
    line_end(line);
}

TEST(race_io_cancel_irp_with_a_part_of_the_data, "D-16 K-CANCEL-06 D-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_all_of_many, step_cancel_on_arrival, step_peer_sends_eight, after_cancel_with_a_part, &line);
}

/* ---- the event's receive ------------------------------------------------------------------------------ */

static void before_event(void *context)
{
    struct line *line = context;

    line_open(line, &events);
    EXPECT_STATUS(wt_events(line->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

/* The fixture's end checks that no buffer of the transport is left. */
static void after_event(void *context)
{
    line_end(context);
}

TEST(race_close_with_bytes_for_the_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-45", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_event, step_close_on_arrival, step_peer_sends_eight, after_event, &line);
}

/* ---- two sends, the first of which waits for room ----------------------------------------------------- */

struct full {
    struct line line;
    struct wt_buffer much;
    LONG64 unacknowledged;
};

/* A bit more than goes into both buffers of the simulated network (64 KiB each), and than those of Linux may hold. */
#define MUCH (test_mode_has("sim") ? 132u << 10 : 8u << 20)

static LONG64 unacknowledged(struct line *line)
{
    return WSK_TRANSPORT_OPS->query(wsk_socket_of(line->socket)->transport, TRANSPORT_UNACKED);
}

/* Until the peer has all that it has room for. */
static void until_full(struct full *full)
{
    if (test_mode_has("sim"))
        EXPECT_SOON(unacknowledged(&full->line) == 64 << 10);
    full->unacknowledged = unacknowledged(&full->line);
}

static void before_full(void *context)
{
    struct full *full = context;

    line_open(&full->line, NULL);
    wt_buffer_init(&full->much, MUCH);
    wt_send(full->line.socket, &full->line.send, &full->much.buf, 0);
    wt_send(full->line.socket, &full->line.extra, &full->line.out.buf, 0);
    until_full(full);
}

/* Until the first acknowledgement has made room, or could have. */
static void await_room(struct full *full)
{
    LONG looks;

    for (looks = 0; looks < 2000 && ReadAcquire(&full->line.send.completions) == 0 &&
                    unacknowledged(&full->line) == full->unacknowledged;
         looks++)
        YieldProcessor();
}

static void step_close_on_room(void *context)
{
    await_room(context);
    step_close(&((struct full *)context)->line);
}

static void step_cancel_on_room(void *context)
{
    await_room(context);
    IoCancelIrp(((struct full *)context)->line.send.irp);
}

static void step_peer_makes_room(void *context)
{
    static char text[1 << 16];

    peer_receive(((struct full *)context)->line.peer, text, sizeof text, 1);
}

static void after_close_of_sends(void *context)
{
    struct full *full = context;
    struct line *line = &full->line;

    wt_wait(&line->close);
    check_ended(&line->send, &line->close, full->much.buf.Length);
    check_ended(&line->extra, &line->close, line->out.buf.Length);
    EXPECT(line->send.order < line->extra.order); /* D-06 */
    line_end(line);
    wt_buffer_free(&full->much);
}

TEST(race_close_with_room_for_a_send, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-41 D-06 D-16", TEST_TIMEOUT(240))
{
    struct full full;

    race(before_full, step_close_on_room, step_peer_makes_room, after_close_of_sends, &full);
}

static void after_cancel_of_send(void *context)
{
    static char text[1 << 16];
    struct full *full = context;
    struct line *line = &full->line;

    while (!wt_is_done(&line->extra)) /* the queue goes on */
        peer_receive(line->peer, text, sizeof text, 1);
    EXPECT_EQ(line->send.information, wt_wait(&line->send) == STATUS_SUCCESS ? full->much.buf.Length : 0);
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_SUCCESS);
    EXPECT_EQ(line->extra.information, line->out.buf.Length);
    EXPECT(line->send.order < line->extra.order);
    step_close(line);
    line_end(line);
    wt_buffer_free(&full->much);
}

TEST(race_io_cancel_irp_with_room_for_a_send, "K-CANCEL-06 C-CLOSE-27 D-06", TEST_TIMEOUT(240))
{
    struct full full;

    race(before_full, step_cancel_on_room, step_peer_makes_room, after_cancel_of_send, &full);
}

/* ---- a disconnect whose final buffer waits for room --------------------------------------------------- */

static void before_full_disconnect(void *context)
{
    struct full *full = context;

    line_open(&full->line, NULL);
    wt_buffer_init(&full->much, MUCH);
    wt_disconnect(full->line.socket, &full->line.send, &full->much.buf, 0);
    until_full(full);
}

/* Either our FIN has gone, or it is as if nobody had asked for it (docs/divergences.md). */
static void after_cancel_of_disconnect(void *context)
{
    static char text[1 << 16];
    struct full *full = context;
    struct line *line = &full->line;

    while (!wt_is_done(&line->send))
        peer_receive(line->peer, text, sizeof text, 1);
    if (wt_wait(&line->send) == STATUS_CANCELLED &&
        wt_send(line->socket, &line->extra, &line->out.buf, 0) != STATUS_INVALID_DEVICE_STATE) {
        while (!wt_is_done(&line->extra))
            peer_receive(line->peer, text, sizeof text, 1);
        EXPECT_STATUS(wt_wait(&line->extra), STATUS_SUCCESS);
    } else {
        EXPECT(line->send.status == STATUS_SUCCESS || line->send.status == STATUS_CANCELLED);
        peer_drain_to_fin(line->peer);
    }
    EXPECT_EQ(line->send.information, 0);
    step_close(line);
    line_end(line);
    wt_buffer_free(&full->much);
}

TEST(race_io_cancel_irp_with_room_for_a_disconnect, "K-CANCEL-06 K-CANCEL-01 C-CLOSE-27 R-SEND-09",
     TEST_TIMEOUT(240))
{
    struct full full;

    race(before_full_disconnect, step_cancel_on_room, step_peer_makes_room, after_cancel_of_disconnect,
         &full);
}

/* ---- the acknowledgement of our FIN ------------------------------------------------------------------- */

static void before_fin(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_disconnect(line->socket, &line->send, NULL, 0);
}

static void step_close_on_acknowledgement(void *context)
{
    struct line *line = context;
    LONG looks;

    for (looks = 0; looks < 2000 && unacknowledged(line) != 0; looks++)
        YieldProcessor();
    step_close(line);
}

static void step_peer_does_nothing(void *context)
{
    UNREFERENCED_PARAMETER(context);
}

static void after_fin(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->send, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_the_acknowledgement_of_our_fin, "C-CLOSE-13 C-CLOSE-14 C-CLOSE-27 C-CLOSE-39",
     TEST_TIMEOUT(120))
{
    struct line line;

    race(before_fin, step_close_on_acknowledgement, step_peer_does_nothing, after_fin, &line);
}
