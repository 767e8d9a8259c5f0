/*
 * test_states.c - a close in every state that a socket can be in (C-CLOSE-07), and what the peer sees of it.
 */
#include "close_test.h"

WT_FIXTURE;

#define FAMILIES(i) ((i) == 0 ? AF_INET : AF_INET6)

/* ---- before there is a connection --------------------------------------------------------------------- */

TEST(unbound, "C-CLOSE-07 C-CLOSE-43 R-CLOSE-13")
{
    static const ULONG flags[] = {WSK_FLAG_BASIC_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET};
    unsigned i, family;

    for (family = 0; family < 2; family++)
        for (i = 0; i < RTL_NUMBER_OF(flags); i++)
            wt_close_now(wt_open(FAMILIES(family), flags[i], NULL, NULL));
}

struct bound {
    ADDRESS_FAMILY family;
    int port;
    int was_free;
};

static void look_at_port(struct wt_op *op)
{
    struct bound *bound = op->context;

    bound->was_free = peer_port_is_free(bound->family, bound->port);
}

TEST(bound, "C-CLOSE-07 C-CLOSE-45")
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_open(FAMILIES(i), WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        struct bound bound = {FAMILIES(i), 0, -1};
        SOCKADDR_STORAGE address;
        struct wt_op op;

        wt_op_init(&op);
        wt_bind(socket, &op, wt_loopback(&address, bound.family, 0));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_again(&op);
        wt_returned(&op, wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        bound.port = wt_port(&address);
        EXPECT_EQ(peer_port_is_free(bound.family, bound.port), 0);
        wt_again(&op);
        op.hook = look_at_port; /* in the routine of the close already */
        op.context = &bound;
        wt_close(socket, &op);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(bound.was_free, 1);
        wt_op_free(&op);
    }
}

/* The same port, again and again, with the close just completed: a listener, and a connection that is reset.
 */
TEST(the_port_can_be_bound_again_at_once, "C-CLOSE-45 C-CLOSE-43")
{
    struct bound bound = {AF_INET, 0, -1};
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &bound.port);
    SOCKADDR_STORAGE address;
    struct wt_op op;
    int i;

    for (i = 0; i < 5; i++) {
        wt_op_init(&op);
        op.hook = look_at_port;
        op.context = &bound;
        wt_close(listener, &op);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(bound.was_free, 1);
        wt_op_free(&op);
        listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
        wt_op_init(&op);
        wt_bind(listener, &op, wt_loopback(&address, AF_INET, bound.port));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_op_free(&op);
    }
    wt_close_now(listener);
}

TEST(a_reset_connection_gives_its_port_back, "C-CLOSE-45 C-CLOSE-38")
{
    struct bound bound = {AF_INET, 0, -1};
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    bound.port = peer_remote_port(peer);
    wt_op_init(&op);
    op.hook = look_at_port;
    op.context = &bound;
    wt_close(socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(bound.was_free, 1);
    wt_op_free(&op);
    peer_expect_reset(peer);
    peer_close(peer);
}

/* ---- listening ---------------------------------------------------------------------------------------- */

#define CALLERS 5

TEST(listening_with_connections_that_nobody_took, "C-CLOSE-07 C-CLOSE-43")
{
    int peers[CALLERS], port, i;
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);

    for (i = 0; i < CALLERS; i++)
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
    wt_close_now(listener);
    for (i = 0; i < CALLERS; i++) {
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);
}

struct door {
    struct ct_gate gate;
    PWSK_SOCKET socket, accepted;
    struct wt_op close;
    volatile LONG calls, after;
    NTSTATUS answer;
};

static NTSTATUS WSKAPI stand_in_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                       PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                       PVOID *AcceptSocketContext,
                                       const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct door *door = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    InterlockedIncrement(&door->calls);
    door->accepted = AcceptSocket;
    ct_stand(&door->gate);
    return door->answer;
}

static const WSK_CLIENT_LISTEN_DISPATCH standing_door = {stand_in_accept, NULL, NULL};

/* One connection is in the callback, others wait in WSK and in the kernel: they are dropped, the one in the
 * callback is the client's. */
TEST(listening_while_the_accept_event_runs, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-19 C-CLOSE-43 C-CLOSE-44")
{
    struct door door = {.answer = STATUS_SUCCESS};
    int peers[CALLERS], port, i, first = -1;

    door.socket = wt_listener(AF_INET, &door, &standing_door, &port);
    EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT((peers[0] = peer_connect(PEER_INET, port, 5000)) >= 0);
    ct_await(&door.gate);
    for (i = 1; i < CALLERS; i++)
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
    wt_op_init(&door.close);
    EXPECT_STATUS(wt_close(door.socket, &door.close), STATUS_PENDING);
    test_sleep_ms(20);
    EXPECT(!wt_is_done(&door.close)); /* C-CLOSE-17 */
    ct_let_go(&door.gate);
    EXPECT_STATUS(wt_wait(&door.close), STATUS_SUCCESS);
    EXPECT_EQ(door.calls, 1); /* C-CLOSE-18 */
    wt_op_free(&door.close);
    for (i = 0; i < CALLERS; i++) {
        char byte;
        long got = peer_receive(peers[i], &byte, 1, i == 0 ? 20 : 5000);

        if (got == -2)
            first = i;
        else
            EXPECT_EQ(got, -1);
    }
    EXPECT_EQ(first, 0); /* the one that the client has */
    peer_send(peers[0], "hello", 5);
    {
        char text[5];

        EXPECT_EQ(wt_receive_now(door.accepted, text, 5, WSK_FLAG_WAITALL), 5);
    }
    wt_close_now(door.accepted);
    peer_expect_reset(peers[0]);
    for (i = 0; i < CALLERS; i++)
        peer_close(peers[i]);
}

TEST(a_connection_rejected_after_the_close_was_entered, "C-CLOSE-17 C-CLOSE-43 C-LISTEN-07")
{
    struct door door = {.answer = STATUS_REQUEST_NOT_ACCEPTED};
    int peer, port;

    door.socket = wt_listener(AF_INET, &door, &standing_door, &port);
    EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT((peer = peer_connect(PEER_INET, port, 5000)) >= 0);
    ct_await(&door.gate);
    wt_op_init(&door.close);
    EXPECT_STATUS(wt_close(door.socket, &door.close), STATUS_PENDING);
    ct_let_go(&door.gate);
    EXPECT_STATUS(wt_wait(&door.close), STATUS_SUCCESS);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&door.close);
}

#define ACCEPTS 30

TEST(listening_with_pended_accepts,
     "C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 C-CLOSE-43 R-CLOSE-04 W-02 D-26")
{
    struct wt_op accepts[ACCEPTS], close;
    PWSK_SOCKET listener;
    int port, i;

    listener = wt_listener(AF_INET6, NULL, NULL, &port);
    for (i = 0; i < ACCEPTS; i++) {
        wt_op_init(&accepts[i]);
        EXPECT_STATUS(wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL), STATUS_PENDING);
    }
    ct_close(listener, &close);
    for (i = 0; i < ACCEPTS; i++) {
        ct_expect_cancelled(&accepts[i], &close);
        if (i > 0)
            EXPECT(accepts[i - 1].order < accepts[i].order);
        wt_op_free(&accepts[i]);
    }
    wt_op_free(&close);
}

/* ---- connecting --------------------------------------------------------------------------------------- */

TEST(connecting_into_a_black_hole, "C-CLOSE-07 C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-42 R-CLOSE-04 D-26")
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_open(FAMILIES(i), WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        int port = peer_black_hole_port(FAMILIES(i)), mine;
        SOCKADDR_STORAGE address;
        struct wt_op connect, close;

        wt_op_init(&connect);
        wt_bind(socket, &connect, wt_loopback(&address, FAMILIES(i), 0));
        EXPECT_STATUS(wt_wait(&connect), STATUS_SUCCESS);
        wt_again(&connect);
        wt_returned(&connect,
                    wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, connect.irp));
        EXPECT_STATUS(wt_wait(&connect), STATUS_SUCCESS);
        mine = wt_port(&address);
        wt_again(&connect);
        EXPECT_STATUS(wt_connect(socket, &connect, wt_loopback(&address, FAMILIES(i), port)), STATUS_PENDING);
        test_sleep_ms(20);
        EXPECT(!wt_is_done(&connect));
        ct_close(socket, &close);
        ct_expect_cancelled(&connect, &close);
        EXPECT_EQ(peer_port_is_free(FAMILIES(i), mine), 1); /* nothing is left in SYN_SENT */
        wt_op_free(&connect);
        wt_op_free(&close);
    }
}

TEST(after_a_connect_that_was_refused, "C-CLOSE-07 W-08")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, peer_closed_port(PEER_INET)));
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(after_a_connect_that_was_cancelled, "C-CLOSE-07 C-CLOSE-42 K-CANCEL-01")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET)));
    EXPECT(IoCancelIrp(op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    wt_op_free(&op);
    wt_close_now(socket);
}

/* ---- connected ---------------------------------------------------------------------------------------- */

TEST(connected_and_idle, "C-CLOSE-07 C-CLOSE-38 C-CLOSE-41 C-DISC-05 R-CLOSE-11")
{
    unsigned i;
    int peer;

    for (i = 0; i < 2; i++) {
        wt_close_now(wt_connected(FAMILIES(i), NULL, NULL, &peer));
        peer_expect_reset(peer);
        peer_close(peer);
        wt_close_now(wt_accepted(FAMILIES(i), NULL, NULL, &peer));
        peer_expect_reset(peer);
        peer_close(peer);
    }
}

TEST(with_data_that_nobody_received, "C-CLOSE-07 C-CLOSE-38")
{
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    peer_send(peer, "unread", 6);
    wt_close_now(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(after_the_peer_has_reset, "C-CLOSE-07 C-CLOSE-13")
{
    struct wt_op receive, close;
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 10);
    wt_op_init(&receive);
    wt_receive(socket, &receive, &buffer.buf, 0);
    peer_reset(peer);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CONNECTION_RESET); /* it won: its own result stays */
    ct_close(socket, &close);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

#define RECEIVES 40

TEST(receiving_with_many_queued,
     "C-CLOSE-07 C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 R-CLOSE-03 R-CLOSE-04 D-06 D-26")
{
    struct wt_op receives[RECEIVES], close;
    struct wt_buffer buffer;
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 100);
    for (i = 0; i < RECEIVES; i++) {
        wt_op_init(&receives[i]);
        EXPECT_STATUS(wt_receive(socket, &receives[i], &buffer.buf, 0), STATUS_PENDING);
    }
    ct_close(socket, &close);
    for (i = 0; i < RECEIVES; i++) {
        ct_expect_cancelled(&receives[i], &close);
        EXPECT(i == 0 || receives[i - 1].order < receives[i].order);
        wt_op_free(&receives[i]);
    }
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

/* WAITALL with some of its bytes there: cancelled by a close it says 0, unlike by IoCancelIrp (D-16). */
TEST(receiving_all_with_a_part_there, "C-CLOSE-13 D-16 R-CLOSE-04")
{
    struct wt_op receive, close;
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_chain(&buffer, 10, 2);
    wt_op_init(&receive);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_send(peer, "abc", 3);
    EXPECT_SOON(WSK_TRANSPORT_OPS->query(wsk_socket_of(socket)->transport, TRANSPORT_READABLE) == 0);
    ct_close(socket, &close);
    ct_expect_cancelled(&receive, &close);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

TEST(receiving_nothing_and_draining, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14")
{
    WSK_BUF empty = {NULL, 0, 0};
    struct wt_op receive, drain, close;
    int peer, i;

    for (i = 0; i < 2; i++) { /* whichever stands first */
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        wt_op_init(&receive);
        wt_op_init(&drain);
        if (i == 0)
            EXPECT_STATUS(wt_receive(socket, &receive, &empty, 0), STATUS_PENDING);
        EXPECT_STATUS(wt_receive(socket, &drain, &empty, WSK_FLAG_DRAIN), STATUS_PENDING);
        if (i == 1) {
            EXPECT_STATUS(wt_receive(socket, &receive, &empty, 0), STATUS_PENDING);
            peer_send(peer, "goes down the drain", 19);
        }
        ct_close(socket, &close);
        ct_expect_cancelled(&drain, &close);
        ct_expect_cancelled(&receive, &close);
        peer_expect_reset(peer);
        peer_close(peer);
        wt_op_free(&receive);
        wt_op_free(&drain);
        wt_op_free(&close);
    }
}

/* ---- sending ------------------------------------------------------------------------------------------ */

#define SENDS 6
#define MUCH  (4u << 20)

TEST(sending_into_a_closed_window,
     "C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 C-CLOSE-38 C-CLOSE-41 D-16 D-26")
{
    struct wt_op sends[SENDS], disconnect, close;
    struct wt_buffer buffer;
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_chain(&buffer, MUCH, 65536);
    for (i = 0; i < SENDS; i++) {
        wt_op_init(&sends[i]);
        EXPECT_STATUS(wt_send(socket, &sends[i], &buffer.buf, 0), STATUS_PENDING);
    }
    wt_op_init(&disconnect);
    EXPECT_STATUS(wt_disconnect(socket, &disconnect, NULL, 0), STATUS_PENDING); /* stands behind them */
    test_sleep_ms(20);
    EXPECT(!wt_is_done(&sends[SENDS - 1]));
    ct_close(socket, &close);
    for (i = 0; i < SENDS; i++) {
        if (wt_wait(&sends[i]) == STATUS_SUCCESS) {
            EXPECT_EQ(sends[i].information, MUCH); /* the socket buffers took all of it */
            EXPECT(i < SENDS - 1);
        } else {
            ct_expect_cancelled(&sends[i], &close);
        }
        EXPECT(i == 0 || sends[i - 1].order < sends[i].order);
        wt_op_free(&sends[i]);
    }
    ct_expect_cancelled(&disconnect, &close);
    EXPECT(peer_drain_to_reset(peer) < SENDS * (unsigned long)MUCH); /* nothing was flushed behind our back */
    peer_close(peer);
    wt_op_free(&disconnect);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

/* What was completed before has arrived, whatever the close does afterwards (D-07). */
TEST(a_completed_send_is_not_lost, "D-07 C-CLOSE-41 R-SEND-06")
{
    int i, peer;

    for (i = 0; i < 20; i++) {
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        wt_send_now(socket, "last words", 10);
        wt_close_now(socket);
        EXPECT_EQ(peer_drain_to_reset(peer), 10);
        peer_close(peer);
    }
}

/* ---- half closed, fully disconnected ------------------------------------------------------------------ */

TEST(half_closed_by_us, "C-CLOSE-39 R-CLOSE-11")
{
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    ct_disconnect_now(socket);
    peer_expect_fin(peer);
    wt_close_now(socket);
    EXPECT_EQ(peer_send_some(peer, "x", 1), -1); /* the reset is there: else this would be taken */
    peer_close(peer);
}

TEST(half_closed_by_the_peer, "C-CLOSE-39 R-CLOSE-11")
{
    char byte;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, &byte, 1, 0), 0);
    wt_close_now(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(fully_disconnected_by_us_first, "C-CLOSE-40 R-CLOSE-11")
{
    char byte;
    int peer;
    PWSK_SOCKET socket;

    ct_count_calls();
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    ct_disconnect_now(socket);
    peer_expect_fin(peer);
    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, &byte, 1, 0), 0);
    wt_close_now(socket);
    EXPECT_EQ(ct_aborts, 0);
    EXPECT_EQ(peer_receive(peer, &byte, 1, 20), 0); /* still the end of the stream, not an error */
    peer_close(peer);
}

TEST(fully_disconnected_by_the_peer_first, "C-CLOSE-40 R-CLOSE-11")
{
    char byte;
    int peer;
    PWSK_SOCKET socket;

    ct_count_calls();
    socket = wt_accepted(AF_INET6, NULL, NULL, &peer);
    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, &byte, 1, 0), 0);
    ct_disconnect_now(socket);
    wt_close_now(socket);
    EXPECT_EQ(ct_aborts, 0);
    peer_expect_fin(peer);
    EXPECT_EQ(peer_receive(peer, &byte, 1, 20), 0);
    peer_close(peer);
}

/* The client never read: the peer's FIN counts all the same. */
TEST(fully_disconnected_with_data_unread, "C-CLOSE-40")
{
    int peer;
    PWSK_SOCKET socket;

    ct_count_calls();
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_send(peer, "unread", 6);
    peer_shutdown(peer);
    ct_disconnect_now(socket);
    peer_expect_fin(peer);
    EXPECT_SOON(ct_latches(socket) & WSK_LATCH_PEER_FIN);
    wt_close_now(socket);
    EXPECT_EQ(ct_aborts, 0);
    peer_close(peer);
}

TEST(disconnected_abortively, "C-CLOSE-07 C-DISC-06")
{
    struct wt_op op;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_op_init(&op);
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer_expect_reset(peer);
    wt_close_now(socket); /* a separate step */
    wt_op_free(&op);
    peer_close(peer);
}

/* A graceful disconnect that nobody acknowledges is forced to its end. */
TEST(disconnect_pending, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-42 R-CLOSE-14 D-26")
{
    struct wt_op disconnect, close;
    struct wt_buffer last;
    int peer, i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        wt_buffer_init(&last, 10);
        RtlFillMemory(last.bytes, 10, 'l');
        peer_drop_incoming(peer);
        wt_op_init(&disconnect);
        EXPECT_STATUS(wt_disconnect(socket, &disconnect, i == 0 ? NULL : &last.buf, 0), STATUS_PENDING);
        test_sleep_ms(20);
        EXPECT(!wt_is_done(&disconnect));
        ct_close(socket, &close);
        ct_expect_cancelled(&disconnect, &close);
        peer_close(peer);
        wt_op_free(&disconnect);
        wt_op_free(&close);
        wt_buffer_free(&last);
    }
}

/* Its IRP was cancelled, its FIN is out: with the peer's FIN both directions are finished. */
TEST(disconnect_cancelled_but_finished, "C-CLOSE-40 K-CANCEL-01")
{
    struct wt_op disconnect;
    char byte;
    int peer;
    PWSK_SOCKET socket;

    ct_count_calls();
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&disconnect);
    wt_disconnect(socket, &disconnect, NULL, 0);
    IoCancelIrp(disconnect.irp);
    wt_wait(&disconnect);
    peer_expect_fin(peer);
    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, &byte, 1, 0), 0);
    EXPECT_SOON(ct_latches(socket) & WSK_LATCH_LOCAL_DONE);
    wt_close_now(socket);
    EXPECT_EQ(ct_aborts, 0);
    wt_op_free(&disconnect);
    peer_close(peer);
}

/* ---- everything at once ------------------------------------------------------------------------------- */

TEST(with_everything_pending_at_once, "C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 R-CLOSE-04")
{
    struct wt_op receives[3], sends[3], disconnect, close;
    struct wt_buffer in, out;
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET6, NULL, NULL, &peer);

    wt_buffer_init(&in, 1000);
    wt_buffer_init(&out, MUCH);
    for (i = 0; i < 3; i++) {
        wt_op_init(&receives[i]);
        wt_op_init(&sends[i]);
        EXPECT_STATUS(wt_receive(socket, &receives[i], &in.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
        EXPECT_STATUS(wt_send(socket, &sends[i], &out.buf, 0), STATUS_PENDING);
    }
    wt_op_init(&disconnect);
    wt_disconnect(socket, &disconnect, &in.buf, 0);
    peer_send(peer, "some", 4);
    ct_close(socket, &close);
    for (i = 0; i < 3; i++) {
        ct_expect_cancelled(&receives[i], &close);
        if (wt_wait(&sends[i]) != STATUS_SUCCESS)
            ct_expect_cancelled(&sends[i], &close);
        EXPECT(sends[i].order < close.order);
        wt_op_free(&receives[i]);
        wt_op_free(&sends[i]);
    }
    ct_expect_cancelled(&disconnect, &close);
    peer_drain_to_reset(peer);
    peer_close(peer);
    wt_op_free(&disconnect);
    wt_op_free(&close);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
}
