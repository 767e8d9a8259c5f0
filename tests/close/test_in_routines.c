/*
 * test_in_routines.c - a close inside completion routines, of every kind of request.
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- inside completion routines ----------------------------------------------------------------------- */

struct after {
    PWSK_SOCKET socket; /* NULL: the one in Information */
    struct wt_op close;
    NTSTATUS from_close;
    volatile LONG returned;
};

static void close_then(struct wt_op *op)
{
    struct after *after = op->context;

    after->from_close =
        wt_close(after->socket != NULL ? after->socket : (PWSK_SOCKET)op->information, &after->close);
    after->returned = wt_mark();
}

static void after_begin(struct after *after, struct wt_op *op, PWSK_SOCKET socket)
{
    RtlZeroMemory(after, sizeof *after);
    after->socket = socket;
    wt_op_init(&after->close);
    wt_op_init(op);
    op->hook = close_then;
    op->context = after;
}

/* Of the socket's own IRP: it counts until its routine has returned, so the close pends. */
static void after_end(struct after *after, struct wt_op *op)
{
    wt_wait(op);
    EXPECT_STATUS(wt_wait(&after->close), STATUS_SUCCESS);
    EXPECT_STATUS(after->from_close, STATUS_PENDING);
    EXPECT(after->returned < after->close.order);
    wt_op_free(&after->close);
    wt_op_free(op);
}

TEST(in_the_routine_of_a_receive, "C-CLOSE-14 C-CLOSE-07 D-05")
{
    struct wt_buffer buffer;
    struct after after;
    struct wt_op op, behind;
    int peer, i;

    wt_buffer_init(&buffer, 10);
    for (i = 0; i < 3; i++) {
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        after_begin(&after, &op, socket);
        wt_op_init(&behind);
        if (i == 1)
            peer_send(peer, "early", 5); /* may end inline: the close comes inside the call */
        wt_receive(socket, &op, &buffer.buf, 0);
        if (i == 2) {
            wt_receive(socket, &behind, &buffer.buf, 0);
            peer_send(peer, "late", 4);
        } else if (i == 0) {
            peer_shutdown(peer);
        }
        after_end(&after, &op);
        if (i == 2)
            ct_expect_cancelled(&behind, &after.close);
        wt_op_free(&behind);
        peer_drain_to_reset(peer);
        peer_close(peer);
    }
    wt_buffer_free(&buffer);
}

TEST(in_the_routine_of_a_send, "C-CLOSE-14 C-CLOSE-07 D-05 D-07")
{
    struct wt_buffer buffer;
    struct after after;
    struct wt_op op;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 1000);
    after_begin(&after, &op, socket);
    wt_send(socket, &op, &buffer.buf, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    after_end(&after, &op);
    EXPECT_EQ(peer_drain_to_reset(peer), 1000);
    peer_close(peer);
    wt_buffer_free(&buffer);
}

TEST(in_the_routine_of_a_disconnect, "C-CLOSE-14 C-CLOSE-39")
{
    struct after after;
    struct wt_op op;
    int peer, i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        after_begin(&after, &op, socket);
        wt_disconnect(socket, &op, NULL, i == 0 ? 0 : WSK_FLAG_ABORTIVE);
        after_end(&after, &op);
        peer_close(peer);
    }
}

TEST(in_the_routine_of_a_connect, "C-CLOSE-14 C-CLOSE-07")
{
    struct after after;
    struct wt_op op;
    int i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        SOCKADDR_STORAGE address;
        int port = 0, listener = i == 0 ? peer_listen(PEER_INET, &port) : -1;

        wt_op_init(&op);
        wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_op_free(&op);
        after_begin(&after, &op, socket);
        wt_connect(socket, &op, wt_loopback(&address, AF_INET, i == 0 ? port : peer_closed_port(PEER_INET)));
        EXPECT_STATUS(wt_wait(&op), i == 0 ? STATUS_SUCCESS : STATUS_CONNECTION_REFUSED);
        after_end(&after, &op);
        if (i == 0) {
            int peer = peer_accept(listener);

            peer_expect_reset(peer);
            peer_close(peer);
            peer_close(listener);
        }
    }
}

/* The socket is made and closed in one breath: inside the routine that brings it. */
TEST(in_the_routine_that_brings_the_socket, "C-CLOSE-14 C-CLOSE-07 C-CLOSE-44 D-08")
{
    SOCKADDR_STORAGE local, remote;
    struct after after;
    struct wt_op op;
    PWSK_SOCKET door;
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;

    after_begin(&after, &op, NULL);
    wt_socket(&op, AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    after_end(&after, &op);

    after_begin(&after, &op, NULL);
    wt_returned(&op, wt_npi.Dispatch->WskSocketConnect(
                         wt_npi.Client, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, AF_INET, 0),
                         wt_loopback(&remote, AF_INET, port), 0, NULL, NULL, NULL, NULL, NULL, op.irp));
    after_end(&after, &op);
    peer = peer_accept(listener);
    peer_expect_reset(peer);
    peer_close(peer);
    peer_close(listener);

    door = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&op);
    op.hook = close_then;
    op.context = &after;
    RtlZeroMemory(&after, sizeof after);
    wt_op_init(&after.close);
    wt_accept(door, &op, NULL, NULL, NULL, NULL);
    peer = ct_knock(port);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&after.close), STATUS_SUCCESS);
    ct_gone(peer);
    wt_op_free(&op);
    wt_op_free(&after.close);

    after_begin(&after, &op,
                door); /* the listener in the routine of its accept: the last accepted lives on */
    wt_accept(door, &op, NULL, NULL, NULL, NULL);
    EXPECT((peer = peer_connect(PEER_INET, port, 5000)) >= 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_send_now((PWSK_SOCKET)op.information, "alive", 5);
    {
        char text[5];

        peer_receive_all(peer, text, 5);
    }
    wt_close_now((PWSK_SOCKET)op.information);
    peer_expect_reset(peer);
    peer_close(peer);
    after_end(&after, &op);
}

TEST(in_a_routine_of_another_socket, "C-CLOSE-07 C-CLOSE-14 D-05")
{
    struct wt_buffer buffer;
    struct after after;
    struct wt_op op, receive;
    PWSK_SOCKET one, other;
    int peer, other_peer;

    wt_buffer_init(&buffer, 10);
    one = wt_connected(AF_INET, NULL, NULL, &peer);
    other = wt_connected(AF_INET, NULL, NULL, &other_peer);
    after_begin(&after, &op, other);
    wt_op_init(&receive);
    EXPECT_STATUS(wt_receive(other, &receive, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(one, &op, &buffer.buf, 0), STATUS_PENDING);
    peer_send(peer, "x", 1);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&after.close), STATUS_SUCCESS);
    ct_expect_cancelled(&receive, &after.close);
    wt_close_now(one);
    peer_expect_reset(other_peer);
    peer_close(peer);
    peer_close(other_peer);
    wt_op_free(&op);
    wt_op_free(&receive);
    wt_op_free(&after.close);
    wt_buffer_free(&buffer);
}

/* A close in the routine of a close, and so on: bounded depth, whatever the mode (the stack would not do). */
struct chain {
    PWSK_SOCKET socket;
    struct wt_op close;
    struct chain *next;
    volatile LONG *deepest, *done;
};

static void close_next(struct wt_op *op)
{
    struct chain *chain = op->context;
    const struct rtl_frame *frame;
    LONG depth = 0; /* routines on this thread, one inside the other */

    for (frame = ke_current_thread()->frames; frame != NULL; frame = frame->previous)
        depth++;
    if (depth > *chain->deepest)
        *chain->deepest = depth;
    if (chain->next != NULL)
        wt_close(chain->next->socket, &chain->next->close);
    InterlockedIncrement(chain->done);
}

TEST(each_in_the_routine_of_the_one_before, "C-CLOSE-07 C-CLOSE-14 C-CLOSE-27", TEST_TIMEOUT(120))
{
    LONG count = test_sanitizer() ? 300 : 2000, i;
    volatile LONG deepest = 0, done = 0;
    struct chain *chain = ExAllocatePool2(POOL_FLAG_NON_PAGED, count * sizeof *chain, 'niaC');

    for (i = 0; i < count; i++) {
        chain[i].socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        wt_op_init(&chain[i].close);
        chain[i].close.hook = close_next;
        chain[i].close.context = &chain[i];
        chain[i].next = i + 1 < count ? &chain[i + 1] : NULL;
        chain[i].deepest = &deepest;
        chain[i].done = &done;
    }
    wt_close(chain[0].socket, &chain[0].close);
    for (i = 0; i < count; i++) {
        EXPECT_STATUS(wt_wait(&chain[i].close), STATUS_SUCCESS);
        wt_op_free(&chain[i].close);
    }
    EXPECT_SOON(ReadAcquire(&done) == count);
    EXPECT(deepest <= 8);
    ExFreePoolWithTag(chain, 'niaC');
}
