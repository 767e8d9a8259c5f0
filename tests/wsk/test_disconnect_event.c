/*
 * test_disconnect_event.c - WskDisconnectEvent: graceful after all data, abortive at once.
 */
#include "line.h"

WT_DATA_FIXTURE;

TEST(a_graceful_end_without_any_data, "R-DISCEV-02 R-DISCEV-03 R-DISCEV-05 C-EVT-23 C-EVT-30 D-12")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct line line;

        line_open(&line, families[i], WSK_EVENT_DISCONNECT);
        peer_shutdown(line.peer);
        EXPECT_SOON(line_read(&line.gracefuls) == 1);
        wt_send_now(line.socket, "still", 5); /* sending works on (R-DISCEV-04) */
        test_sleep_ms(10);
        EXPECT_EQ(line_read(&line.gracefuls), 1); /* once */
        EXPECT_EQ(line_read(&line.aborts), 0);
        line_close(&line);
    }
}

TEST(the_graceful_end_comes_after_the_data, "R-DISCEV-04 C-DISC-07")
{
    static UCHAR bytes[100000];
    LONG size = test_mode_has("onebyte") ? 2000 : 100000;
    struct line line;

    line_open(&line, AF_INET, WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE);
    line_fill(bytes, size, 1, 0);
    peer_send(line.peer, bytes, size);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    EXPECT_EQ(line.bytes, size);
    line_expect(line.data, size, 1, 0);
    EXPECT(line.order_disconnect > line.order_receive);
    line_close(&line);
}

TEST(no_graceful_end_before_the_data_was_received, "R-DISCEV-04 R-DISCEV-02")
{
    struct line line;
    char text[8];

    line_open(&line, AF_INET, WSK_EVENT_DISCONNECT); /* WskReceive, no receive event */
    peer_send(line.peer, "12345678", 8);
    peer_shutdown(line.peer);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&line.gracefuls), 0);
    EXPECT_EQ(wt_receive_now(line.socket, text, 5, WSK_FLAG_WAITALL), 5);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.gracefuls), 0);
    EXPECT_EQ(wt_receive_now(line.socket, text, 3, WSK_FLAG_WAITALL), 3);
    EXPECT_SOON(line_read(&line.gracefuls) == 1); /* without a receive that meets the end */
    EXPECT_EQ(wt_receive_now(line.socket, text, 3, 0), 0);
    EXPECT_EQ(line.gracefuls, 1);
    line_close(&line);
}

TEST(the_graceful_end_comes_after_the_receive_that_met_it, "R-DISCEV-04 D-06")
{
    struct wt_buffer buffer;
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, WSK_EVENT_DISCONNECT);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(line.socket, &op, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_send(line.peer, "1234", 4);
    peer_shutdown(line.peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 4);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    EXPECT(op.order < line.order_disconnect);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    line_close(&line);
}

static NTSTATUS refuse(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    UNREFERENCED_PARAMETER(accepted);
    if (line->step != 0) {
        line_keep(line, list, bytes);
        return STATUS_SUCCESS;
    }
    InterlockedExchange(&line->step, 1);
    return STATUS_DATA_NOT_ACCEPTED;
}

TEST(no_graceful_end_while_data_is_refused, "R-DISCEV-04 R-RECVEV-13 H-05")
{
    WSK_BUF nothing = {NULL, 0, 0};
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, 0);
    line.on_receive = refuse;
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "12", 2);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.receives) == 1);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&line.gracefuls), 0);
    wt_op_init(&op);
    wt_receive(line.socket, &op, &nothing, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    EXPECT_EQ(line.bytes, 2);
    wt_op_free(&op);
    line_close(&line);
}

TEST(an_abortive_end_comes_at_once, "R-DISCEV-02 R-DISCEV-03 R-DISCEV-04 R-DISCEV-05 C-DATA-09")
{
    int both;

    for (both = 0; both < 2; both++) {
        struct line line;
        struct wt_op op;
        struct wt_buffer buffer;

        line_open(&line, AF_INET, WSK_EVENT_DISCONNECT | (both ? WSK_EVENT_RECEIVE : 0));
        peer_reset(line.peer);
        line.peer = -1;
        EXPECT_SOON(line_read(&line.aborts) == 1);
        wt_buffer_init(&buffer, 1);
        wt_op_init(&op); /* neither direction works any more */
        wt_send(line.socket, &op, &buffer.buf, 0);
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
        wt_again(&op);
        wt_receive(line.socket, &op, &buffer.buf, 0);
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
        wt_again(&op);
        wt_disconnect(line.socket, &op, NULL, 0);
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
        EXPECT_EQ(line.aborts, 1);
        EXPECT_EQ(line.deaths, 0); /* told once */
        EXPECT_EQ(line.gracefuls, 0);
        wt_op_free(&op);
        wt_buffer_free(&buffer);
        line_close(&line);
    }
}

TEST(an_abortive_end_after_the_graceful_one, "R-DISCEV-03")
{
    struct line line;

    line_open(&line, AF_INET, WSK_EVENT_DISCONNECT);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    peer_reset(line.peer);
    line.peer = -1;
    EXPECT_SOON(line_read(&line.aborts) == 1);
    EXPECT_EQ(line.gracefuls, 1);
    line_close(&line);
}

TEST(our_own_disconnects_are_no_events, "R-DISCEV-02")
{
    struct line line;
    struct wt_op op;

    line_open(&line, AF_INET, WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE);
    wt_op_init(&op);
    wt_disconnect(line.socket, &op, NULL, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_disconnect(line.socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.gracefuls) + line_read(&line.aborts) + line_read(&line.deaths), 0);
    wt_op_free(&op);
    line_close(&line);
}

TEST(ends_that_came_before_the_event_was_enabled, "R-DISCEV-02 C-EVT-28")
{
    struct line line;

    line_open(&line, AF_INET, 0);
    peer_shutdown(line.peer);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&line.gracefuls), 0);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    line_close(&line);
    line_open(&line, AF_INET, 0);
    peer_reset(line.peer);
    line.peer = -1;
    test_sleep_ms(10);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&line.aborts) == 1);
    line_close(&line);
}

static void answer_with_fin(struct line *line, ULONG flags)
{
    UNREFERENCED_PARAMETER(flags);
    wt_disconnect(line->socket, line->extra, NULL, 0);
}

TEST(disconnecting_inside_the_event, "C-EVT-27 R-DISCEV-07 D-05 C-CLOSE-40")
{
    struct line line;
    struct wt_op op;
    char byte;

    line_open(&line, AF_INET, 0);
    wt_op_init(&op);
    line.extra = &op;
    line.on_disconnect = answer_with_fin;
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_close_now(line.socket);
    peer_expect_fin(line.peer); /* both are finished: no reset */
    test_sleep_ms(10);
    EXPECT_EQ(peer_receive(line.peer, &byte, 1, 10000), 0);
    peer_close(line.peer);
    wt_op_free(&op);
    line_free(&line);
}
