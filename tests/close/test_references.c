/*
 * test_references.c - a socket's memory: referenced by whoever works on it without holding its gate, given back when the
 * last of them is done, and not before (C-CLOSE-17, 45).  A closed socket's memory is kept for a while, so it may still
 * be looked at here.
 */
#include "close_test.h"

WT_FIXTURE;

static LONG references(PWSK_SOCKET socket)
{
    return ReadAcquire(&wsk_socket_of(socket)->references);
}

/* At rest an open socket is referenced by itself only, a closed one by nobody. */
static void expect_at_rest(PWSK_SOCKET socket)
{
    EXPECT_SOON(references(socket) == 1);
}

static void close_and_look(PWSK_SOCKET socket)
{
    expect_at_rest(socket);
    wt_close_now(socket);
    EXPECT_SOON(references(socket) == 0);
}

TEST(of_sockets_that_do_nothing, "C-CLOSE-45")
{
    int port, peer;

    close_and_look(wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL));
    close_and_look(wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL));
    close_and_look(wt_listener(AF_INET, NULL, NULL, &port));
    close_and_look(wt_connected(AF_INET, NULL, NULL, &peer));
    peer_close(peer);
}

TEST(of_a_connection_at_work, "C-CLOSE-45 C-CLOSE-17")
{
    char text[4];
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    for (i = 0; i < 3; i++) {
        wt_send_now(socket, "data", 4);
        peer_receive_all(peer, text, 4);
        peer_send(peer, "data", 4);
        EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
    }
    close_and_look(socket);
    peer_close(peer);
}

static volatile LONG indicated;

static NTSTATUS WSKAPI count_bytes(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesAccepted);
    InterlockedExchangeAdd(&indicated, (LONG)BytesIndicated);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH counter = {count_bytes, NULL, NULL};

TEST(of_a_connection_with_callbacks, "C-CLOSE-45 C-CLOSE-17")
{
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, &counter, &peer);

    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    for (i = 1; i <= 3; i++) {
        peer_send(peer, "data", 4);
        EXPECT_SOON(ReadAcquire(&indicated) == 4 * i);
    }
    close_and_look(socket);
    peer_close(peer);
}

TEST(of_a_connection_whose_operations_are_cancelled, "C-CLOSE-45 K-CANCEL-01 K-CANCEL-06")
{
    struct wt_op ops[3];
    struct wt_buffer buffer;
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 8);
    for (i = 0; i < 3; i++) {
        wt_op_init(&ops[i]);
        wt_receive(socket, &ops[i], &buffer.buf, WSK_FLAG_WAITALL);
    }
    for (i = 0; i < 2; i++) {
        IoCancelIrp(ops[i].irp);
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_CANCELLED);
    }
    expect_at_rest(socket);
    wt_close_now(socket);
    EXPECT_STATUS(wt_wait(&ops[2]), STATUS_CANCELLED);
    EXPECT_SOON(references(socket) == 0);
    for (i = 0; i < 3; i++)
        wt_op_free(&ops[i]);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- the routine of an operation that ends inside its call closes its socket -------------------------- */

static struct wt_op close_of_routine;

static void close_in_the_routine(struct wt_op *op)
{
    wt_close(op->context, &close_of_routine);
}

TEST(of_a_socket_that_a_routine_closes, "C-CLOSE-45 C-CLOSE-14 D-05")
{
    struct wt_op op;
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 4);
    wt_op_init(&close_of_routine);
    wt_op_init(&op);
    op.hook = close_in_the_routine;
    op.context = socket;
    peer_send(peer, "data", 4);
    wt_receive(socket, &op, &buffer.buf, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&close_of_routine), STATUS_SUCCESS);
    EXPECT_SOON(references(socket) == 0);
    wt_op_free(&op);
    wt_op_free(&close_of_routine);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- what WskAcceptEvent brings ----------------------------------------------------------------------- */

static struct {
    PWSK_SOCKET kept, rejected, closed;
    struct wt_op close;
    volatile LONG calls;
} brought;

static NTSTATUS WSKAPI keep_reject_close(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                         PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                         PVOID *AcceptSocketContext,
                                         const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    switch (ReadAcquire(&brought.calls)) { /* told when all that the test looks at is there */
    case 0:
        brought.kept = AcceptSocket;
        InterlockedIncrement(&brought.calls);
        return STATUS_SUCCESS;
    case 1:
        brought.rejected = AcceptSocket;
        InterlockedIncrement(&brought.calls);
        return STATUS_REQUEST_NOT_ACCEPTED;
    default:
        brought.closed = AcceptSocket;
        wt_op_init(&brought.close);
        wt_close(AcceptSocket, &brought.close);
        InterlockedIncrement(&brought.calls);
        return STATUS_SUCCESS;
    }
}

static const WSK_CLIENT_LISTEN_DISPATCH bringer = {keep_reject_close, NULL, NULL};

TEST(of_accepted_sockets, "C-CLOSE-45 C-CLOSE-22 C-CLOSE-31 C-LISTEN-07")
{
    int port, peers[3], i;
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, &bringer, &port);

    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    for (i = 0; i < 3; i++) {
        peers[i] = ct_knock(port);
        EXPECT_SOON(ReadAcquire(&brought.calls) == i + 1);
    }
    EXPECT_STATUS(wt_wait(&brought.close), STATUS_SUCCESS);
    EXPECT_SOON(references(brought.closed) == 0);
    EXPECT_SOON(references(brought.rejected) == 0);
    close_and_look(brought.kept);
    close_and_look(listener);
    for (i = 0; i < 3; i++)
        ct_gone(peers[i]);
    wt_op_free(&brought.close);
}
