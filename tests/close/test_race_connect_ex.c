/*
 * test_race_connect_ex.c - close and IoCancelIrp against WskConnectEx, on connection and on stream sockets, and against
 * WskListen and WskAccept of stream sockets (close_race.h).  WskConnectEx has two operations in the transport, one after
 * the other: a race is run against the connect, the step from the one to the other, and the send.
 */
#include "close_race.h"

WT_RACE_FIXTURE;

#define MOST 65535

struct dial {
    PWSK_SOCKET socket;
    struct wt_buffer out;
    struct wt_op connect, close;
    ULONG category;
    int listener, port, peer;
};

static void dial_init(struct dial *dial, int small)
{
    RtlZeroMemory(dial, sizeof *dial);
    dial->listener = peer_listen(PEER_INET, &dial->port);
    if (small)
        peer_set_rcvbuf(dial->listener, 4096);
    wt_buffer_init(&dial->out, MOST);
    RtlFillMemory(dial->out.bytes, MOST, 'x');
    dial->out.buf.Length = 64;
    dial->category = WSK_FLAG_CONNECTION_SOCKET;
}

static void dial_free(struct dial *dial)
{
    peer_close(dial->listener);
    wt_buffer_free(&dial->out);
}

static void before_connect(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE local;

    dial->peer = -1;
    dial->category ^= WSK_FLAG_CONNECTION_SOCKET ^ WSK_FLAG_STREAM_SOCKET;
    dial->socket = wt_open(AF_INET, dial->category, NULL, NULL);
    wt_op_init(&dial->connect);
    wt_op_init(&dial->close);
    wt_bind(dial->socket, &dial->connect, wt_any(&local, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&dial->connect), STATUS_SUCCESS);
    wt_again(&dial->connect);
}

static void before_call(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE remote;

    before_connect(dial);
    wt_connect_ex(dial->socket, &dial->connect, wt_loopback(&remote, AF_INET, dial->port), &dial->out.buf);
}

static void step_call_and_close(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE remote;

    wt_connect_ex(dial->socket, &dial->connect, wt_loopback(&remote, AF_INET, dial->port), &dial->out.buf);
    wt_close(dial->socket, &dial->close);
}

static void step_close_dial(void *context)
{
    struct dial *dial = context;

    wt_close(dial->socket, &dial->close);
}

static void step_cancel(void *context)
{
    IoCancelIrp(((struct dial *)context)->connect.irp);
}

static void step_accept(void *context)
{
    struct dial *dial = context;
    char text[64];

    dial->peer = peer_accept_within(dial->listener, 2);
    if (dial->peer >= 0)
        peer_receive(dial->peer, text, sizeof text, 1);
}

static void after_close(void *context)
{
    struct dial *dial = context;

    EXPECT_STATUS(wt_wait(&dial->close), STATUS_SUCCESS);
    check_ended(&dial->connect, &dial->close, dial->out.buf.Length);
    if (dial->peer < 0) /* so that the next round finds none that waits */
        dial->peer = peer_accept_within(dial->listener, 0);
    if (dial->peer >= 0)
        peer_close(dial->peer);
    wt_op_free(&dial->connect);
    wt_op_free(&dial->close);
}

TEST(race_close_with_connect_ex, "C-CLOSE-07 C-CLOSE-13 C-CLOSE-14 C-CLOSE-42 R-CONNX-10", TEST_TIMEOUT(120))
{
    struct dial dial;

    dial_init(&dial, 0);
    race(before_connect, step_call_and_close, step_accept, after_close, &dial);
    dial_free(&dial);
}

TEST(race_close_with_connect_ex_under_way, "C-CLOSE-07 C-CLOSE-13 C-CLOSE-14 C-CLOSE-42 R-CONNX-10",
     TEST_TIMEOUT(120))
{
    struct dial dial;

    dial_init(&dial, 0);
    race(before_call, step_close_dial, step_accept, after_close, &dial);
    dial_free(&dial);
}

TEST(race_close_with_io_cancel_irp_of_connect_ex, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-42 K-CANCEL-01 R-CONNX-10",
     TEST_TIMEOUT(120))
{
    struct dial dial;

    dial_init(&dial, 0);
    race(before_call, step_close_dial, step_cancel, after_close, &dial);
    dial_free(&dial);
}

/* Nobody closes: all of it went, or nothing counts and no connection is left. */
static void after_cancel(void *context)
{
    struct dial *dial = context;
    char text[64];
    struct wt_op op;

    if (wt_wait(&dial->connect) == STATUS_SUCCESS) {
        EXPECT_EQ(dial->connect.information, 64);
        wt_send_now(dial->socket, text, 1);
    } else {
        EXPECT_STATUS(dial->connect.status, STATUS_CANCELLED);
        EXPECT_EQ(dial->connect.information, 0);
        wt_op_init(&op);
        wt_send(dial->socket, &op, &dial->out.buf, 0);
        EXPECT(!NT_SUCCESS(wt_wait(&op)));
        wt_op_free(&op);
    }
    wt_close(dial->socket, &dial->close);
    after_close(dial);
}

TEST(race_io_cancel_irp_with_connect_ex, "R-CONNX-10 K-CANCEL-01 C-IRP-22 D-16", TEST_TIMEOUT(120))
{
    struct dial dial;

    dial_init(&dial, 0);
    race(before_call, step_cancel, step_accept, after_cancel, &dial);
    dial_free(&dial);
}

/* ---- while it sends ------------------------------------------------------------------------------------ */

/* The first bytes have come, the rest does not fit. */
static void before_sending(void *context)
{
    struct dial *dial = context;

    before_call(dial);
    dial->peer = peer_accept(dial->listener);
}

static void step_peer_reads(void *context)
{
    struct dial *dial = context;
    char text[8192];

    peer_receive(dial->peer, text, sizeof text, 1);
}

static void step_peer_resets(void *context)
{
    struct dial *dial = context;

    peer_reset(dial->peer);
    dial->peer = -1;
}

static void sending(void (*step1)(void *), void (*step2)(void *), void (*after)(void *))
{
    struct dial dial;

    dial_init(&dial, 1);
    dial.out.buf.Length = MOST;
    race(before_sending, step1, step2, after, &dial);
    dial_free(&dial);
}

TEST(race_close_with_connect_ex_that_sends, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-41 D-16 R-CONNX-10",
     TEST_TIMEOUT(120))
{
    sending(step_close_dial, step_peer_reads, after_close);
}

TEST(race_close_with_io_cancel_irp_while_connect_ex_sends, "C-CLOSE-12 C-CLOSE-13 K-CANCEL-01 R-CONNX-10",
     TEST_TIMEOUT(120))
{
    sending(step_close_dial, step_cancel, after_close);
}

/* Whoever was first; a close ends what the reset has not. */
static void after_reset(void *context)
{
    struct dial *dial = context;
    NTSTATUS status = wt_wait(&dial->connect);

    EXPECT(status == STATUS_CONNECTION_RESET || status == STATUS_CANCELLED);
    EXPECT_EQ(dial->connect.information, 0);
    EXPECT_STATUS(wt_wait(&dial->close), STATUS_SUCCESS);
    EXPECT(dial->connect.order < dial->close.order);
    wt_op_free(&dial->connect);
    wt_op_free(&dial->close);
}

static void after_reset_and_cancel(void *context)
{
    struct dial *dial = context;

    wt_wait(&dial->connect);
    wt_close(dial->socket, &dial->close);
    after_reset(dial);
}

TEST(race_close_with_a_reset_while_connect_ex_sends, "C-CLOSE-13 C-CLOSE-14 R-CONNX-10", TEST_TIMEOUT(120))
{
    sending(step_close_dial, step_peer_resets, after_reset);
}

TEST(race_io_cancel_irp_with_a_reset_while_connect_ex_sends, "K-CANCEL-01 D-16 R-CONNX-10", TEST_TIMEOUT(120))
{
    sending(step_cancel, step_peer_resets, after_reset_and_cancel);
}

/* ---- stream sockets that listen ------------------------------------------------------------------------ */

struct door {
    PWSK_SOCKET socket;
    struct wt_op accept, close;
    int port, peer;
};

/* Bound; WskListen has not been called. */
static void before_listen(void *context)
{
    struct door *door = context;
    SOCKADDR_STORAGE address;

    door->peer = -1;
    door->socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    wt_op_init(&door->accept);
    wt_op_init(&door->close);
    wt_bind(door->socket, &door->accept, wt_loopback(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&door->accept), STATUS_SUCCESS);
    wt_again(&door->accept);
}

static void before_door(void *context)
{
    struct door *door = context;
    SOCKADDR_STORAGE address;

    before_listen(door);
    wt_local_address(door->socket, &door->accept, (PSOCKADDR)&address);
    EXPECT_STATUS(wt_wait(&door->accept), STATUS_SUCCESS);
    door->port = wt_port(&address);
    wt_again(&door->accept);
    wt_returned(&door->accept, wt_stream(door->socket)->WskListen(door->socket, door->accept.irp));
    EXPECT_STATUS(wt_wait(&door->accept), STATUS_SUCCESS);
    wt_again(&door->accept);
    wt_accept(door->socket, &door->accept, NULL, NULL, NULL, NULL);
}

static void step_close_door(void *context)
{
    struct door *door = context;

    wt_close(door->socket, &door->close);
}

static void step_knock(void *context)
{
    struct door *door = context;

    door->peer = peer_connect(PEER_INET, door->port, 2000);
}

static void after_door(void *context)
{
    struct door *door = context;

    if (wt_wait(&door->accept) == STATUS_SUCCESS) {
        wt_close_now((PWSK_SOCKET)door->accept.information); /* C-CLOSE-44 */
    } else {
        EXPECT_STATUS(door->accept.status, STATUS_CANCELLED); /* W-02 */
        EXPECT_EQ(door->accept.information, 0);
    }
    EXPECT_STATUS(wt_wait(&door->close), STATUS_SUCCESS);
    EXPECT(door->accept.order < door->close.order);
    if (door->peer >= 0)
        peer_close(door->peer);
    wt_op_free(&door->accept);
    wt_op_free(&door->close);
}

TEST(race_close_of_a_stream_listener_with_a_pended_accept, "C-CLOSE-43 C-CLOSE-44 W-02 R-LISTEN-03",
     TEST_TIMEOUT(120))
{
    struct door door;

    race(before_door, step_close_door, step_knock, after_door, &door);
}

/* WskListen has returned, its IRP may not be completed yet. */
static void step_listen_and_close(void *context)
{
    struct door *door = context;

    wt_returned(&door->accept, wt_stream(door->socket)->WskListen(door->socket, door->accept.irp));
    wt_close(door->socket, &door->close);
}

static void step_cancel_listen(void *context)
{
    IoCancelIrp(((struct door *)context)->accept.irp);
}

static void after_listen(void *context)
{
    struct door *door = context;

    EXPECT_STATUS(wt_wait(&door->accept), STATUS_SUCCESS); /* it is over when the call returns */
    EXPECT_STATUS(wt_wait(&door->close), STATUS_SUCCESS);
    EXPECT(door->accept.order < door->close.order);
    wt_op_free(&door->accept);
    wt_op_free(&door->close);
}

TEST(race_close_and_io_cancel_irp_with_wsk_listen, "C-CLOSE-12 C-CLOSE-14 R-LISTEN-05", TEST_TIMEOUT(120))
{
    struct door door;

    race(before_listen, step_listen_and_close, step_cancel_listen, after_listen, &door);
}
