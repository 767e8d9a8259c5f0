/*
 * test_receive_event.c - WskReceiveEvent: acceptance in whole and in part, refusal, resumption, WskReceive
 * beside it, the limit of what is kept.  line.c holds every indication to what all of them promise.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_DATA_FIXTURE;

static SIZE_T receive_some(struct line *line, void *data, SIZE_T length)
{
    return wt_receive_now(line->socket, data, length, WSK_FLAG_WAITALL);
}

TEST(every_arrival_is_indicated, "C-DATA-07 C-DATA-08 C-DATA-10 C-DATA-13 C-EVT-28 C-EVT-30 R-RECVEV-02 "
                                 "R-RECVEV-03 R-RECVEV-04 R-RECVEV-08 "
                                 "R-RECVEV-09 R-RECVEV-18 R-IND-03 R-BUF-06 D-12 D-13 H-01")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct line line;
        LONG sent;

        line_open(&line, families[i], WSK_EVENT_RECEIVE);
        for (sent = 0; sent < 5000; sent += 500) {
            UCHAR bytes[500];

            line_fill(bytes, sizeof bytes, 3, sent);
            peer_send(line.peer, bytes, sizeof bytes);
            EXPECT_SOON(line_read(&line.bytes) == sent + 500);
        }
        line_expect(line.data, 5000, 3, 0);
        if (test_mode_has("passive"))
            EXPECT_EQ(line.dispatched, 0);
        else if (test_mode_has("dispatch"))
            EXPECT_EQ(line.passive, 0);
        line_close(&line);
    }
}

TEST(what_came_before_the_event_was_enabled, "C-DATA-08 R-RECVEV-02")
{
    struct line line;

    line_open(&line, AF_INET, 0);
    peer_send(line.peer, "early", 5);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.receives), 0);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&line.bytes) == 5);
    EXPECT(RtlEqualMemory(line.data, "early", 5));
    line_close(&line);
}

TEST(a_large_stream_is_indicated_without_a_gap, "C-DATA-08 C-DATA-14 R-RECVEV-08 R-RECVEV-18",
     TEST_TIMEOUT(60))
{
    LONG total = test_mode_has("onebyte") ? 20000 : LINE_ROOM, at;
    static UCHAR bytes[LINE_ROOM];
    struct line line;

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
    line_fill(bytes, total, 8, 0);
    for (at = 0; at < total; at += 10000)
        peer_send(line.peer, bytes + at, min(10000, total - at));
    EXPECT_SOON(line_read(&line.bytes) == total);
    line_expect(line.data, total, 8, 0);
    line_close(&line);
}

/* ---- in part, not at all ------------------------------------------------------------------------------ */

static NTSTATUS take_two(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    if (line->step != 0 || bytes < 3) {
        line_keep(line, list, bytes);
        return STATUS_SUCCESS;
    }
    InterlockedExchange(&line->step, 1);
    line_keep(line, list, 2);
    *accepted = 2;
    return STATUS_SUCCESS;
}

TEST(a_part_is_accepted, "C-DATA-12 C-DATA-14 R-RECVEV-11 R-RECVEV-12 R-RECV-11 H-05",
     TEST_MODES(WT_CALM_MODES))
{
    WSK_BUF nothing = {NULL, 0, 0};
    struct line line;
    struct wt_op op;
    char text[4];

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
    line.on_receive = take_two;
    peer_send(line.peer, "0123456789", 10);
    EXPECT_SOON(line_read(&line.receives) == 1);
    peer_send(line.peer, "ab", 2);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&line.receives), 1);    /* suspended, whatever comes */
    EXPECT_EQ(receive_some(&line, text, 3), 3); /* the rest comes first, and re-arms when completed */
    EXPECT(RtlEqualMemory(text, "234", 3));
    EXPECT_SOON(line_read(&line.bytes) == 9);
    EXPECT(RtlEqualMemory(line.data, "0156789ab", 9));
    /* The same by a receive of no bytes. */
    line.step = 0;
    peer_send(line.peer, "vwxyz", 5);
    EXPECT_SOON(line_read(&line.bytes) == 11);
    test_sleep_ms(5);
    wt_op_init(&op);
    wt_receive(line.socket, &op, &nothing, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    EXPECT_SOON(line_read(&line.bytes) == 14);
    EXPECT(RtlEqualMemory(line.data + 9, "vwxyz", 5));
    wt_op_free(&op);
    line_close(&line);
}

static NTSTATUS refuse_once(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    if (line->step != 0) {
        line_keep(line, list, bytes);
        return STATUS_SUCCESS;
    }
    InterlockedExchange(&line->step, 1);
    *accepted = 1; /* counts only with STATUS_SUCCESS (R-RECVEV-10) */
    return line->extra != NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_DATA_NOT_ACCEPTED;
}

TEST(nothing_is_accepted, "C-DATA-14 R-RECVEV-10 R-RECVEV-13 R-RECVEV-17 R-RECV-11 H-05 D-13")
{
    int i;

    for (i = 0; i < 2; i++) {
        WSK_BUF nothing = {NULL, 0, 0};
        struct line line;
        struct wt_op op;

        line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
        line.on_receive = refuse_once;
        line.extra = i == 0 ? NULL : &line; /* an unknown status: not accepted (D-13) */
        peer_send(line.peer, "first", 5);
        EXPECT_SOON(line_read(&line.receives) == 1);
        peer_send(line.peer, "second", 6);
        test_sleep_ms(20);
        EXPECT_EQ(line_read(&line.receives), 1);
        wt_op_init(&op);
        wt_receive(line.socket, &op, &nothing, 0); /* something is queued: completes at once and resumes */
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_SOON(line_read(&line.bytes) == 11);
        EXPECT(RtlEqualMemory(line.data, "firstsecond", 11));
        wt_op_free(&op);
        line_close(&line);
    }
}

TEST(a_receive_that_is_cancelled_resumes_as_well, "H-05 R-RECV-11 R-RECVEV-13")
{
    struct wt_buffer buffer;
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
    line.on_receive = refuse_once;
    peer_send(line.peer, "first", 5);
    EXPECT_SOON(line_read(&line.receives) == 1);
    EXPECT_SOON(wsk_running(wsk_socket_of(line.socket)) == 0); /* what it has refused is there again */
    wt_buffer_init(&buffer, 100);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(line.socket, &op, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.receives), 1); /* called is not completed */
    EXPECT(IoCancelIrp(op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 5);
    EXPECT(RtlEqualMemory(buffer.bytes, "first", 5));
    peer_send(line.peer, "second", 6);
    EXPECT_SOON(line_read(&line.bytes) == 6);
    EXPECT(RtlEqualMemory(line.data, "second", 6));
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    line_close(&line);
}

/* ---- WskReceive beside the event ---------------------------------------------------------------------- */

TEST(receive_goes_before_the_event, "R-RECV-12 R-RECV-13 R-RECVEV-02")
{
    struct wt_buffer buffer;
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
    wt_buffer_init(&buffer, 5);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(line.socket, &op, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_send(line.peer, "12345", 5);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(RtlEqualMemory(buffer.bytes, "12345", 5));
    EXPECT_EQ(line_read(&line.receives), 0);
    peer_send(line.peer, "678", 3);
    EXPECT_SOON(line_read(&line.bytes) == 3);
    EXPECT(RtlEqualMemory(line.data, "678", 3));
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    line_close(&line);
}

struct handover {
    struct wt_op op;
    struct wt_buffer buffer;
    volatile LONG resume;
};

static NTSTATUS refuse_and_receive(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes,
                                   SIZE_T *accepted)
{
    struct handover *handover = line->extra;

    UNREFERENCED_PARAMETER(accepted);
    if (line->step != 0) {
        line_keep(line, list, bytes);
        return STATUS_SUCCESS;
    }
    InterlockedExchange(&line->step, 1);
    peer_send(line->peer, "later bytes", 11); /* there before we have said no to the first */
    test_sleep_ms(5);
    wt_receive(line->socket, &handover->op, &handover->buffer.buf, WSK_FLAG_WAITALL);
    return STATUS_DATA_NOT_ACCEPTED;
}

TEST(a_receive_inside_the_callback_gets_what_was_refused,
     "C-DATA-14 C-EVT-27 R-RECVEV-13 R-RECVEV-19 D-06 D-05", TEST_MODES(WT_MODES))
{
    struct handover handover;
    struct line line;

    line_open(&line, AF_INET, 0);
    wt_op_init(&handover.op);
    wt_buffer_init(&handover.buffer, 8);
    line.on_receive = refuse_and_receive;
    line.extra = &handover;
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "first ", 6);
    EXPECT_SOON(wt_is_done(&handover.op));
    EXPECT_STATUS(wt_wait(&handover.op), STATUS_SUCCESS);
    EXPECT_EQ(handover.op.information, 8);
    EXPECT(RtlEqualMemory(handover.buffer.bytes, "first la", 8));
    EXPECT_SOON(line_read(&line.bytes) == 9);
    EXPECT(RtlEqualMemory(line.data, "ter bytes", 9));
    wt_op_free(&handover.op);
    wt_buffer_free(&handover.buffer);
    line_close(&line);
}

TEST(styles_alternate_without_losing_a_byte, "R-RECV-12 R-RECV-13 C-DATA-14 D-06", TEST_TIMEOUT(60))
{
    /* Receives are posted while the event is on: whoever gets a byte, the order of the stream is that of the
     * order in which completions and callbacks ran, and nothing is lost. */
    enum { ROUNDS = 100, PIECE = 37 };
    UCHAR received[ROUNDS * PIECE];
    LONG by_receive = 0, i;
    struct line line;

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE);
    for (i = 0; i < ROUNDS; i++) {
        struct wt_buffer buffer;
        UCHAR bytes[PIECE];
        struct wt_op op;
        LONG before;

        line_fill(bytes, PIECE, 2, i * PIECE);
        wt_buffer_init(&buffer, PIECE);
        wt_op_init(&op);
        before = line_read(&line.bytes);
        if (i & 1)
            peer_send(line.peer, bytes, PIECE);
        wt_receive(line.socket, &op, &buffer.buf, 0);
        if (!(i & 1))
            peer_send(line.peer, bytes, PIECE);
        /* All of the round's bytes are somewhere before the next round begins. */
        EXPECT_SOON((wt_is_done(&op) ? (LONG)op.information : 0) + line_read(&line.bytes) - before == PIECE);
        if (!wt_is_done(&op)) { /* the event had them all */
            IoCancelIrp(op.irp);
            EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
        }
        RtlCopyMemory(received + by_receive, buffer.bytes, op.information);
        if (op.information == PIECE)
            line_expect(buffer.bytes, PIECE, 2, i * PIECE);
        by_receive += (LONG)op.information;
        wt_op_free(&op);
        wt_buffer_free(&buffer);
    }
    EXPECT_EQ(by_receive + line.bytes, ROUNDS * PIECE);
    line_close(&line);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

TEST(a_dead_socket_is_told_by_an_empty_indication, "C-DATA-09 R-RECVEV-07")
{
    struct line line;

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE); /* the disconnect event is off */
    peer_reset(line.peer);
    line.peer = -1;
    EXPECT_SOON(line_read(&line.deaths) == 1);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.deaths), 1);
    line_close(&line);
}

static NTSTATUS close_inside(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    struct wt_op *op = line->extra;

    UNREFERENCED_PARAMETER(accepted);
    line_keep(line, list, bytes);
    EXPECT_STATUS(wt_close(line->socket, op), STATUS_PENDING);
    return STATUS_SUCCESS;
}

TEST(closing_inside_the_callback, "C-CLOSE-20 C-CLOSE-17 R-CLOSE-06 D-05 C-EVT-27")
{
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, 0);
    wt_op_init(&op);
    line.extra = &op;
    line.on_receive = close_inside;
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "x", 1);
    EXPECT_SOON(wt_is_done(&op));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(line.receives, 1);
    peer_close(line.peer);
    wt_op_free(&op);
    line_free(&line);
}
