/*
 * test_accept.c - WskAccept.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_FIXTURE;

static NTSTATUS address_of(PWSK_SOCKET socket, BOOLEAN remote, SOCKADDR_STORAGE *out)
{
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, remote ? wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)out, op.irp)
                            : wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)out, op.irp));
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

TEST(accept_waits_for_a_connection, "C-LISTEN-02 R-ACC-08 R-ACC-13 R-LADDR-04 R-RADDR-04 W-01 C-IRP-22 D-20")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        SIZE_T size = families[i] == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6), at;
        SOCKADDR_STORAGE local, remote, asked;
        PWSK_SOCKET listener, socket;
        struct wt_op op;
        int port, peer;

        listener = wt_listener(families[i], NULL, NULL, &port);
        RtlFillMemory(&local, sizeof local, 0xcc);
        RtlFillMemory(&remote, sizeof remote, 0xcc);
        wt_op_init(&op);
        EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, (PSOCKADDR)&local, (PSOCKADDR)&remote),
                      STATUS_PENDING);
        test_sleep_ms(20);
        EXPECT(!wt_is_done(&op));
        peer = peer_connect(families[i], port, 5000);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT(op.pending_returned);
        socket = (PWSK_SOCKET)op.information;
        EXPECT(socket != NULL && socket != listener && socket->Dispatch != listener->Dispatch);
        EXPECT_EQ(local.ss_family, families[i]);
        EXPECT_EQ(wt_port(&local), port);
        EXPECT_EQ(wt_port(&remote), peer_local_port(peer));
        for (at = size; at < sizeof local; at++) { /* D-20: not a byte more */
            EXPECT_EQ(((UCHAR *)&local)[at], 0xcc);
            EXPECT_EQ(((UCHAR *)&remote)[at], 0xcc);
        }
        EXPECT_STATUS(address_of(socket, FALSE, &asked), STATUS_SUCCESS);
        EXPECT(RtlEqualMemory(&asked, &local, size));
        EXPECT_STATUS(address_of(socket, TRUE, &asked), STATUS_SUCCESS);
        EXPECT(RtlEqualMemory(&asked, &remote, size));
        wt_op_free(&op);
        wt_close_now(socket);
        wt_close_now(listener);
        peer_close(peer);
    }
}

TEST(accept_takes_a_connection_that_waits, "R-ACC-06 R-ACC-07 C-IRP-20 D-02")
{
    PWSK_SOCKET listener, socket;
    struct wt_op op;
    int port, peer;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    peer = peer_connect(PEER_INET, port, 5000);
    wt_op_init(&op);
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL),
                  test_mode_has("always-pend") ? STATUS_PENDING : STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_send_now(socket, "x", 1);
    wt_op_free(&op);
    wt_close_now(listener); /* leaves the accepted one alone (C-CLOSE-43) */
    wt_send_now(socket, "y", 1);
    peer_receive_all(peer, &port, 2);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(accepts_are_served_in_their_order, "C-LISTEN-02 C-IRP-22 C-DATA-18 R-ACC-08")
{
    enum { COUNT = 20 };
    PWSK_SOCKET listener, sockets[COUNT];
    struct wt_op ops[COUNT];
    int port, peers[COUNT], i, j;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    for (i = 0; i < COUNT; i++) { /* more than ten, at once */
        wt_op_init(&ops[i]);
        EXPECT_STATUS(wt_accept(listener, &ops[i], NULL, NULL, NULL, NULL), STATUS_PENDING);
    }
    for (i = 0; i < COUNT; i++) {
        SOCKADDR_STORAGE remote;

        peers[i] = peer_connect(PEER_INET, port, 5000);
        EXPECT(peers[i] >= 0);
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS); /* the oldest gets it */
        sockets[i] = (PWSK_SOCKET)ops[i].information;
        EXPECT_STATUS(address_of(sockets[i], TRUE, &remote), STATUS_SUCCESS);
        EXPECT_EQ(wt_port(&remote), peer_local_port(peers[i]));
        for (j = 0; j < i; j++)
            EXPECT(sockets[j] != sockets[i]); /* no connection twice */
        if (i + 1 < COUNT)
            EXPECT(!wt_is_done(&ops[i + 1]));
    }
    for (i = 0; i < COUNT; i++) {
        wt_close_now(sockets[i]);
        peer_close(peers[i]);
        wt_op_free(&ops[i]);
    }
    wt_close_now(listener);
}

TEST(an_accept_is_cancelled, "K-CANCEL-01 C-IRP-01 D-03")
{
    PWSK_SOCKET listener;
    struct wt_op first, second;
    int port, peer;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&first);
    wt_op_init(&second);
    EXPECT_STATUS(wt_accept(listener, &first, NULL, NULL, NULL, NULL), STATUS_PENDING);
    EXPECT_STATUS(wt_accept(listener, &second, NULL, NULL, NULL, NULL), STATUS_PENDING);
    EXPECT(IoCancelIrp(first.irp));
    EXPECT_STATUS(wt_wait(&first), STATUS_CANCELLED);
    EXPECT_EQ(first.information, 0);
    EXPECT(!wt_is_done(&second));
    peer = peer_connect(PEER_INET, port, 5000);
    EXPECT_STATUS(wt_wait(&second), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)second.information);
    wt_close_now(listener);
    peer_close(peer);
    wt_op_free(&first);
    wt_op_free(&second);
}

TEST(closing_the_listener_ends_its_accepts, "W-02 R-ACC-09")
{
    PWSK_SOCKET listener;
    struct wt_op op, close;
    int port;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&op);
    wt_op_init(&close);
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL), STATUS_PENDING);
    wt_close(listener, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    EXPECT(op.order < close.order);
    wt_op_free(&op);
    wt_op_free(&close);
}

TEST(accept_refuses_what_is_wrong, "R-ACC-02 R-ACC-03 R-ACC-09 C-LISTEN-03 W-04 D-01")
{
    PWSK_SOCKET listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    struct wt_op op;

    wt_op_init(&op); /* not bound */
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_listen(listener)->WskAccept(listener, 1, NULL, NULL, NULL, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_listen(listener)->WskAccept(listener, 0, NULL, NULL, NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_close_now(listener);
}

static NTSTATUS WSKAPI never(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                             PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                             CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    UNREFERENCED_PARAMETER(AcceptSocket);
    UNREFERENCED_PARAMETER(AcceptSocketContext);
    UNREFERENCED_PARAMETER(AcceptSocketDispatch);
    InterlockedIncrement((volatile LONG *)SocketContext);
    return STATUS_REQUEST_NOT_ACCEPTED;
}
static const WSK_CLIENT_LISTEN_DISPATCH never_dispatch = {.WskAcceptEvent = never};

TEST(accept_goes_before_the_event, "R-ACC-10 R-ACCEV-02 R-ACC-11")
{
    volatile LONG events = 0;
    PWSK_SOCKET listener;
    struct wt_op ops[2];
    int port, peers[2], i;

    listener = wt_listener(AF_INET, (PVOID)&events, &never_dispatch, &port);
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    for (i = 0; i < 2; i++) {
        wt_op_init(&ops[i]);
        EXPECT_STATUS(wt_accept(listener, &ops[i], NULL, NULL, NULL, NULL), STATUS_PENDING);
    }
    for (i = 0; i < 2; i++) {
        peers[i] = peer_connect(PEER_INET, port, 5000);
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
    }
    EXPECT_EQ(events, 0);
    for (i = 0; i < 2; i++) {
        wt_close_now((PWSK_SOCKET)ops[i].information);
        peer_close(peers[i]);
        wt_op_free(&ops[i]);
    }
    peers[0] = peer_connect(PEER_INET, port, 5000); /* none is queued any more: now the event */
    EXPECT_SOON(line_read(&events) == 1);
    if (peers[0] >= 0) { /* else it was reset before it saw that it was connected */
        peer_expect_reset(peers[0]);
        peer_close(peers[0]);
    }
    wt_close_now(listener);
}

TEST(an_accepted_socket_has_its_callbacks_off, "R-ACC-12 C-EVT-02 C-EVT-16 C-EVT-30 R-RECVEV-03")
{
    PWSK_SOCKET listener;
    struct line line;
    struct wt_op op;
    char text[4];
    int port;

    line_init(&line);
    listener = wt_listener(AF_INET, NULL, NULL, &port);
    /* Flags for what WskAcceptEvent hands over do not count for WskAccept. */
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    wt_op_init(&op);
    EXPECT_STATUS(wt_accept(listener, &op, &line, &line_dispatch, NULL, NULL), STATUS_PENDING);
    line.peer = peer_connect(PEER_INET, port, 5000);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    line.socket = (PWSK_SOCKET)op.information;
    peer_send(line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(line.socket, text, 4, WSK_FLAG_WAITALL), 4);
    EXPECT_EQ(line.receives, 0);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "more", 4);
    EXPECT_SOON(line_read(&line.bytes) == 4);
    EXPECT(RtlEqualMemory(line.data, "more", 4));
    wt_op_free(&op);
    wt_close_now(listener);
    line_close(&line);
}

/* ---- a listener that dies ----------------------------------------------------------------------------- */

static struct transport_ops faulty;
static const struct transport_ops *sound;
static volatile LONG accept_fails;

static int32_t failing_accept(struct transport_socket *socket, struct transport_connection_op *op)
{
    return line_read(&accept_fails) ? STATUS_NETWORK_UNREACHABLE : sound->accept(socket, op);
}

/* Nothing in Linux kills a listener: the transport is made to say so. */
static void break_accept(void)
{
    sound = wsk_settings.ops;
    faulty = *sound;
    faulty.accept = failing_accept;
    wsk_settings.ops = &faulty;
}

TEST(accepts_on_a_dead_listener, "R-ACC-09 C-LISTEN-08")
{
    PWSK_SOCKET listener;
    struct wt_op op;
    int port;

    break_accept();
    listener = wt_listener(AF_INET, NULL, NULL, &port);
    InterlockedExchange(&accept_fails, 1);
    wt_op_init(&op);
    wt_accept(listener, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_FILE_FORCED_CLOSED);
    EXPECT_EQ(op.information, 0);
    wt_again(&op);
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL), STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    wt_close_now(listener);
}

static volatile LONG dead_calls;

static NTSTATUS WSKAPI dead(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress, PSOCKADDR RemoteAddress,
                            PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                            CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    UNREFERENCED_PARAMETER(AcceptSocketContext);
    UNREFERENCED_PARAMETER(AcceptSocketDispatch);
    EXPECT(AcceptSocket == NULL);
    InterlockedIncrement(&dead_calls);
    return STATUS_REQUEST_NOT_ACCEPTED;
}
static const WSK_CLIENT_LISTEN_DISPATCH dead_dispatch = {.WskAcceptEvent = dead};

TEST(the_accept_event_tells_of_a_dead_listener, "R-ACCEV-07 C-LISTEN-08")
{
    PWSK_SOCKET listener;
    int port;

    break_accept();
    listener = wt_listener(AF_INET, NULL, &dead_dispatch, &port);
    InterlockedExchange(&accept_fails, 1);
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&dead_calls) == 1);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&dead_calls), 1); /* once */
    wt_close_now(listener);
}
