/*
 * test_connect_ex.c - WskConnectEx: a connect and the first bytes as one IRP.
 *
 * Its stages: connecting; sending, with the transport at work (a small send buffer before a peer that does not read);
 * sending, all of it handed over and not yet out (a large one).
 */
#include "line.h"

#include "wsk/wskp.h"

WT_FIXTURE;

#define MOST 65535

static PWSK_SOCKET bound(ADDRESS_FAMILY family, ULONG category)
{
    PWSK_SOCKET socket = wt_open(family, category, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return socket;
}

static const ULONG categories[] = {WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_STREAM_SOCKET};

/* The buffer may go the moment the IRP is completed. */
static void overwrite(struct wt_op *op)
{
    struct wt_buffer *buffer = op->context;

    RtlFillMemory(buffer->bytes, buffer->size, 0xee);
}

static void sends(ADDRESS_FAMILY family, ULONG category, SIZE_T size, SIZE_T piece)
{
    int port = 0, listener = peer_listen(family, &port), peer;
    PWSK_SOCKET socket = bound(family, category);
    static UCHAR got[MOST];
    struct wt_buffer buffer;
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_buffer_chain(&buffer, size, piece);
    line_fill(buffer.bytes, size, 3, 0);
    wt_op_init(&op);
    op.hook = overwrite;
    op.context = &buffer;
    if (wt_connect_ex(socket, &op, wt_loopback(&address, family, port), &buffer.buf) != STATUS_PENDING)
        EXPECT(test_mode_has("inline")); /* W-01 */
    RtlFillMemory(&address, sizeof address, 0xee);
    peer = peer_accept(listener);
    if (size > 1000) /* as one after the other, whoever is first */
        peer_receive_all(peer, got, 1000);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, size);
    peer_receive_all(peer, got + (size > 1000 ? 1000 : 0), size > 1000 ? size - 1000 : size);
    line_expect(got, size, 3, 0);
    wt_send_now(socket, "more", 4);
    peer_receive_all(peer, got, 4);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
    peer_close(listener);
    wt_buffer_free(&buffer);
}

TEST(connect_ex_sends_what_it_is_given,
     "R-CONNX-03 R-CONNX-04 R-CONNX-08 R-CONNX-09 R-CONNX-10 D-11 K-MDL-15")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(categories); i++) {
        sends(AF_INET, categories[i], 0, 1);
        sends(AF_INET, categories[i], 1, 1);
        sends(AF_INET6, categories[i], 777, 100);
        sends(AF_INET, categories[i], MOST, MOST);
        sends(AF_INET6, categories[i], MOST, 8192);
    }
}

TEST(connect_ex_without_a_buffer_connects, "R-CONNX-03 R-CONNX-10 R-CONNX-09 C-IRP-20 D-04")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(categories); i++) {
        int port = 0, listener = peer_listen(PEER_INET, &port), peer;
        PWSK_SOCKET socket = bound(AF_INET, categories[i]);
        SOCKADDR_STORAGE address;
        struct wt_op op;

        wt_op_init(&op);
        wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 0);
        peer = peer_accept(listener);
        peer_expect_silence(peer, 5);
        wt_again(&op);
        EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), NULL),
                      STATUS_INVALID_DEVICE_STATE); /* twice */
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
        peer_close(listener);
    }
}

TEST(connect_ex_refuses_what_is_wrong,
     "R-CONNX-02 R-CONNX-04 R-CONNX-05 R-CONNX-10 R-BUF-04 R-BUF-05 R-BUF-07 W-03 W-04 "
     "D-01 C-IRP-01")
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    PWSK_SOCKET socket = bound(AF_INET, WSK_FLAG_CONNECTION_SOCKET);
    PWSK_SOCKET unbound = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_buffer buffer;
    WSK_BUF bad;
    struct wt_op op;
    char text[5];

    wt_buffer_init(&buffer, MOST + 1);
    wt_op_init(&op); /* one byte too many */
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &buffer.buf),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(op.information, 0);
    wt_again(&op); /* even where the MDL does not have them */
    bad = buffer.buf;
    bad.Length = (SIZE_T)1 << 40;
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &bad),
                  STATUS_BUFFER_OVERFLOW);
    wt_again(&op); /* the MDL ends before the length */
    bad.Offset = 100;
    bad.Length = MOST;
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &bad),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    bad.Offset = MOST + 1;
    bad.Length = 1;
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &bad),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    bad.Mdl = NULL;
    bad.Offset = 0;
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &bad),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_connect_ex(socket, &op, NULL, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET6, port), NULL),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, wt_connection(socket)->WskConnectEx(
                                       socket, wt_loopback(&address, AF_INET, port), NULL, 1, op.irp)),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(
        wt_connection(socket)->WskConnectEx(socket, wt_loopback(&address, AF_INET, port), NULL, 0, NULL),
        STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_connect_ex(unbound, &op, wt_loopback(&address, AF_INET, port), NULL),
                  STATUS_INVALID_DEVICE_STATE);
    wt_again(&op); /* none of it has done anything to the socket */
    buffer.buf.Length = 5;
    RtlCopyMemory(buffer.bytes, "hello", 5);
    wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &buffer.buf);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 5);
    peer = peer_accept(listener);
    peer_receive_all(peer, text, 5);
    EXPECT(RtlEqualMemory(text, "hello", 5));
    wt_op_free(&op);
    wt_close_now(socket);
    wt_close_now(unbound);
    wt_buffer_free(&buffer);
    peer_close(peer);
    peer_close(listener);
}

TEST(a_refused_connect_ex_may_be_tried_again, "R-CONNX-10 W-08")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(categories); i++) {
        int port = 0, listener = peer_listen(PEER_INET, &port), peer;
        PWSK_SOCKET socket = bound(AF_INET, categories[i]);
        SOCKADDR_STORAGE address;
        struct wt_buffer buffer;
        struct wt_op op;
        char text[4];

        wt_buffer_init(&buffer, 4);
        RtlCopyMemory(buffer.bytes, "ping", 4);
        wt_op_init(&op);
        wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, peer_closed_port(PEER_INET)), &buffer.buf);
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
        wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &buffer.buf);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 4);
        peer = peer_accept(listener);
        peer_receive_all(peer, text, 4);
        wt_op_free(&op);
        wt_close_now(socket);
        wt_buffer_free(&buffer);
        peer_close(peer);
        peer_close(listener);
    }
}

/* ---- its end at each stage ---------------------------------------------------------------------------- */

enum stage { CONNECTING, SENDING, WAITING, STAGES };

struct call {
    PWSK_SOCKET socket;
    int listener, peer;
    struct wt_buffer buffer;
    struct wt_op op;
};

static int stage_of(struct call *call)
{
    struct wsk_socket *socket = wsk_socket_of(call->socket);
    KIRQL irql = wsk_lock(socket);
    int state = socket->state, stage = wsk_op_of(call->op.irp)->stage;

    ke_release_spin_lock(&socket->lock, irql);
    return state == WSK_STATE_CONNECTING  ? CONNECTING
           : stage == WSK_STAGE_HELD      ? SENDING
           : stage == WSK_STAGE_SENT_WAIT ? WAITING
                                          : STAGES;
}

/* Brings a WskConnectEx to a stage, in which it stays. */
static void start(struct call *call, enum stage stage)
{
    SOCKADDR_STORAGE address;
    int port = 0;

    call->listener = call->peer = -1;
    call->socket = bound(AF_INET, WSK_FLAG_CONNECTION_SOCKET);
    wt_buffer_init(&call->buffer, MOST);
    line_fill(call->buffer.bytes, MOST, 5, 0);
    wt_op_init(&call->op);
    if (stage == CONNECTING) {
        port = peer_black_hole_port(PEER_INET);
    } else {
        ULONG room = stage == SENDING ? 4096 : 4 * MOST;

        call->listener = peer_listen(PEER_INET, &port);
        peer_set_rcvbuf(call->listener, 4096); /* those it accepts have the same */
        wt_control(call->socket, &call->op, WskSetOption, SO_SNDBUF, SOL_SOCKET, sizeof room, &room, 0, NULL);
        EXPECT_STATUS(wt_wait(&call->op), STATUS_SUCCESS);
        wt_again(&call->op);
    }
    EXPECT_STATUS(
        wt_connect_ex(call->socket, &call->op, wt_loopback(&address, AF_INET, port), &call->buffer.buf),
        STATUS_PENDING);
    if (stage != CONNECTING)
        call->peer = peer_accept(call->listener);
    EXPECT_SOON(stage_of(call) == (int)stage);
    EXPECT(!wt_is_done(&call->op));
}

static void finish(struct call *call)
{
    wt_close_now(call->socket);
    if (call->peer >= 0)
        peer_close(call->peer);
    if (call->listener >= 0)
        peer_close(call->listener);
    wt_op_free(&call->op);
    wt_buffer_free(&call->buffer);
}

TEST(connect_ex_cancelled_at_each_stage, "R-CONNX-10 C-IRP-22 D-01 D-03 D-16 K-CANCEL-01")
{
    int stage;

    for (stage = CONNECTING; stage < STAGES; stage++) {
        struct call call;
        struct wt_op op;

        start(&call, stage);
        EXPECT(IoCancelIrp(call.op.irp));
        EXPECT_STATUS(wt_wait(&call.op), STATUS_CANCELLED);
        EXPECT_EQ(call.op.information, 0);
        EXPECT(call.op.cancel);
        if (stage != CONNECTING)
            peer_drain_to_reset(call.peer); /* no connection is left of a connect that failed */
        wt_op_init(&op);
        wt_send(call.socket, &op, &call.buffer.buf, 0);
        EXPECT_STATUS(wt_wait(&op),
                      stage == CONNECTING ? STATUS_INVALID_DEVICE_STATE : STATUS_CONNECTION_ABORTED);
        wt_op_free(&op);
        finish(&call);
    }
}

TEST(connect_ex_cancelled_before_it_comes, "R-CONNX-10 K-CANCEL-08 D-01")
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    PWSK_SOCKET socket = bound(AF_INET, WSK_FLAG_CONNECTION_SOCKET);
    SOCKADDR_STORAGE address;
    struct wt_buffer buffer;
    struct wt_op op;

    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    IoCancelIrp(op.irp);
    wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), &buffer.buf);
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_close_now(socket);
    wt_buffer_free(&buffer);
    peer_close(listener);
}

TEST(close_at_each_stage_of_connect_ex,
     "C-CLOSE-07 C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-41 C-CLOSE-42 R-CONNX-07")
{
    int stage;

    for (stage = CONNECTING; stage < STAGES; stage++) {
        struct call call;
        struct wt_op close;

        start(&call, stage);
        wt_op_init(&close);
        wt_close(call.socket, &close);
        EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
        EXPECT_STATUS(wt_wait(&call.op), STATUS_CANCELLED);
        EXPECT_EQ(call.op.information, 0);
        EXPECT(call.op.cancel); /* D-26 */
        EXPECT(call.op.order < close.order);
        if (stage != CONNECTING) {
            peer_drain_to_reset(call.peer);
            peer_close(call.peer);
            peer_close(call.listener);
        }
        wt_op_free(&close);
        wt_op_free(&call.op);
        wt_buffer_free(&call.buffer);
    }
}

TEST(the_peer_resets_while_connect_ex_sends, "R-CONNX-10 D-16")
{
    int stage;

    for (stage = SENDING; stage < STAGES; stage++) {
        struct call call;

        start(&call, stage);
        peer_reset(call.peer);
        call.peer = -1;
        EXPECT_STATUS(wt_wait(&call.op), STATUS_CONNECTION_RESET);
        EXPECT_EQ(call.op.information, 0);
        finish(&call);
    }
}

TEST(an_abort_while_connect_ex_sends, "R-CONNX-10 R-DISC-08")
{
    int stage;

    for (stage = SENDING; stage < STAGES; stage++) {
        struct call call;
        struct wt_op op;

        start(&call, stage);
        wt_op_init(&op);
        wt_disconnect(call.socket, &op, NULL, WSK_FLAG_ABORTIVE);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_STATUS(wt_wait(&call.op), STATUS_CANCELLED);
        EXPECT_EQ(call.op.information, 0);
        peer_drain_to_reset(call.peer);
        wt_op_free(&op);
        finish(&call);
    }
}

TEST(what_follows_connect_ex_keeps_its_order, "R-CONNX-03 D-06 R-SEND-05 R-DISC-05")
{
    static UCHAR got[MOST + 8];
    struct wt_buffer behind;
    struct wt_op send, disconnect;
    struct call call;

    start(&call, SENDING);
    wt_buffer_init(&behind, 4);
    RtlCopyMemory(behind.bytes, "last", 4);
    wt_op_init(&send);
    wt_op_init(&disconnect);
    EXPECT_STATUS(wt_send(call.socket, &send, &behind.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_disconnect(call.socket, &disconnect, &behind.buf, 0), STATUS_PENDING);
    peer_receive_all(call.peer, got, sizeof got);
    peer_expect_fin(call.peer);
    line_expect(got, MOST, 5, 0);
    EXPECT(RtlEqualMemory(got + MOST, "lastlast", 8));
    EXPECT_STATUS(wt_wait(&call.op), STATUS_SUCCESS);
    EXPECT_EQ(call.op.information, MOST);
    EXPECT_STATUS(wt_wait(&send), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&disconnect), STATUS_SUCCESS);
    EXPECT(call.op.order < send.order && send.order < disconnect.order);
    wt_op_free(&send);
    wt_op_free(&disconnect);
    wt_buffer_free(&behind);
    finish(&call);
}
