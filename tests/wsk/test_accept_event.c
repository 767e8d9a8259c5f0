/*
 * test_accept_event.c - WskAcceptEvent: handing over, rejecting, what may be done inside it.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_FIXTURE;

struct door {
    PWSK_SOCKET listener;
    int port;
    ADDRESS_FAMILY family;
    struct line line; /* of the connection that is accepted */
    volatile LONG calls, running, over;
    volatile LONG remote_port, local_port;
    volatile LONG context_seen;
    NTSTATUS answer;
    BOOLEAN no_dispatch;
    void (*inside)(struct door *door, PWSK_SOCKET socket);
    struct wt_op op, other;
    struct wt_buffer buffer;
    SOCKADDR_STORAGE address;
};

/* As many a driver does, it may copy a whole SOCKADDR_STORAGE: what is no part of the address is always the same. */
static void expect_nothing_behind(const SOCKADDR *address)
{
    const UCHAR *bytes = (const UCHAR *)address;
    SIZE_T i;

    for (i = address->sa_family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
         i < sizeof(SOCKADDR_STORAGE); i++)
        EXPECT_EQ(bytes[i], 0);
}

static NTSTATUS WSKAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct door *door = SocketContext;
    NTSTATUS answer = door->answer;

    EXPECT_EQ(InterlockedIncrement(&door->running), 1);
    EXPECT(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    EXPECT_EQ(Flags & ~(ULONG)WSK_FLAG_AT_DISPATCH_LEVEL, 0);
    EXPECT_EQ(Flags != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT(AcceptSocket != NULL);
    EXPECT_EQ(LocalAddress->sa_family, door->family);
    EXPECT_EQ(RemoteAddress->sa_family, door->family);
    expect_nothing_behind(LocalAddress);
    expect_nothing_behind(RemoteAddress);
    door->local_port = wt_port(LocalAddress);
    door->remote_port = wt_port(RemoteAddress);
    door->line.socket = AcceptSocket;
    if (!door->no_dispatch) {
        *AcceptSocketContext = &door->line; /* H-03: stored before anything is enabled */
        *AcceptSocketDispatch = &line_dispatch;
    }
    if (door->inside != NULL)
        door->inside(door, AcceptSocket);
    EXPECT_EQ(InterlockedDecrement(&door->running), 0);
    InterlockedIncrement(&door->calls);
    return answer;
}

static const WSK_CLIENT_LISTEN_DISPATCH door_dispatch = {.WskAcceptEvent = on_accept};

static void door_open(struct door *door, ADDRESS_FAMILY family, ULONG events)
{
    RtlZeroMemory(door, sizeof *door);
    line_init(&door->line);
    door->family = family;
    door->listener = wt_listener(family, door, &door_dispatch, &door->port);
    if (events != 0)
        EXPECT_STATUS(wt_events(door->listener, events, NULL), STATUS_SUCCESS);
}

static void door_knock(struct door *door)
{
    LONG calls = line_read(&door->calls);

    door->line.peer = peer_connect(door->family, door->port, 5000);
    EXPECT_SOON(line_read(&door->calls) == calls + 1);
}

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

/* The connection is reset: maybe so soon that the peer never saw it open. */
static void door_slammed(struct door *door)
{
    if (door->line.peer < 0) {
        EXPECT_EQ(peer_last_error(), 104); /* ECONNRESET */
        return;
    }
    peer_expect_reset(door->line.peer);
    peer_close(door->line.peer);
}

TEST(each_connection_is_handed_over, "C-LISTEN-04 C-EVT-28 C-EVT-30 C-EVT-23 R-ACCEV-02 R-ACCEV-03 "
                                     "R-ACCEV-04 R-ACCEV-05 R-ACCEV-07 R-ACCEV-13 "
                                     "R-ACCEV-14 R-RADDR-04 H-01 H-03 D-12")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    struct door door;
    unsigned i, j;
    char text[4];

    for (i = 0; i < 2; i++) {
        door_open(&door, families[i], WSK_EVENT_ACCEPT);
        for (j = 0; j < 3; j++) {
            SOCKADDR_STORAGE address;

            door_knock(&door);
            EXPECT_EQ(door.local_port, door.port);
            EXPECT_EQ(door.remote_port, peer_local_port(door.line.peer));
            EXPECT_STATUS(address_of(door.line.socket, TRUE, &address), STATUS_SUCCESS);
            EXPECT_EQ(wt_port(&address), peer_local_port(door.line.peer));
            EXPECT_STATUS(address_of(door.line.socket, FALSE, &address), STATUS_SUCCESS);
            EXPECT_EQ(wt_port(&address), door.port);
            peer_send(door.line.peer, "data", 4);
            EXPECT_EQ(wt_receive_now(door.line.socket, text, 4, WSK_FLAG_WAITALL), 4);
            EXPECT_EQ(door.line.receives, 0); /* its callbacks are off */
            EXPECT_STATUS(wt_events(door.line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
            peer_send(door.line.peer, "more", 4);
            EXPECT_SOON(line_read(&door.line.bytes) == 4); /* with the context that the callback gave */
            wt_close_now(door.line.socket);
            peer_close(door.line.peer);
            door.line.bytes = door.line.receives = 0;
        }
        wt_close_now(door.listener);
        line_free(&door.line);
    }
}

TEST(connections_that_came_before_the_event_was_enabled, "C-LISTEN-04 R-ACCEV-02 C-EVT-28")
{
    struct door door;
    int first;

    door_open(&door, AF_INET, 0);
    first = peer_connect(PEER_INET, door.port, 5000);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&door.calls), 0);
    EXPECT_STATUS(wt_events(door.listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&door.calls) == 1);
    EXPECT_EQ(door.remote_port, peer_local_port(first));
    wt_close_now(door.line.socket);
    peer_close(first);
    wt_close_now(door.listener);
    line_free(&door.line);
}

TEST(a_rejected_connection_is_closed_for_the_client, "C-LISTEN-06 C-LISTEN-07 R-ACCEV-10 R-ACCEV-11 D-13")
{
    static const NTSTATUS answers[] = {STATUS_REQUEST_NOT_ACCEPTED, STATUS_UNSUCCESSFUL, STATUS_PENDING};
    struct door door;
    int fds = 0;
    unsigned i;

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT);
    for (i = 0; i < RTL_NUMBER_OF(answers); i++) {
        door.answer = answers[i]; /* unknown ones mean no (D-13) */
        door_knock(&door);
        door_slammed(&door);
        if (i == 0)
            EXPECT_SOON((fds = peer_count_fds()) != 0);
    }
    EXPECT_SOON(peer_count_fds() <= fds);
    door.answer = STATUS_SUCCESS; /* and the listener goes on */
    door_knock(&door);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

/* ---- inside the callback: D-15 ------------------------------------------------------------------------ */

static void use_it(struct door *door, PWSK_SOCKET socket)
{
    wt_op_init(&door->op);
    wt_op_init(&door->other);
    wt_buffer_init(&door->buffer, 4);
    wt_receive(socket, &door->op, &door->buffer.buf, WSK_FLAG_WAITALL);
    wt_returned(&door->other, wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&door->address,
                                                                         door->other.irp));
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

TEST(the_accepted_socket_is_used_inside_the_callback, "D-15 C-EVT-27 R-ACCEV-14 R-ACCEV-15 H-03 D-05")
{
    struct door door;

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT);
    door.inside = use_it;
    door_knock(&door);
    EXPECT_STATUS(wt_wait(&door.other), STATUS_SUCCESS);
    EXPECT_EQ(wt_port(&door.address), peer_local_port(door.line.peer));
    peer_send(door.line.peer, "12345", 5);
    EXPECT_STATUS(wt_wait(&door.op), STATUS_SUCCESS);
    EXPECT_EQ(door.op.information, 4);
    EXPECT(RtlEqualMemory(door.buffer.bytes, "1234", 4));
    EXPECT_SOON(line_read(&door.line.bytes) == 1); /* the event was enabled inside, too */
    EXPECT_EQ(door.line.data[0], '5');
    peer_shutdown(door.line.peer);
    EXPECT_SOON(line_read(&door.line.gracefuls) == 1);
    wt_op_free(&door.op);
    wt_op_free(&door.other);
    wt_buffer_free(&door.buffer);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

static void send_it(struct door *door, PWSK_SOCKET socket)
{
    wt_op_init(&door->op);
    wt_buffer_init(&door->buffer, 5);
    RtlCopyMemory(door->buffer.bytes, "hello", 5);
    wt_send(socket, &door->op, &door->buffer.buf, 0);
    wt_op_init(&door->other);
    wt_disconnect(socket, &door->other, NULL, 0);
}

TEST(sending_and_disconnecting_inside_the_callback, "D-15 C-EVT-27 D-05")
{
    struct door door;
    char text[8];

    door_open(&door, AF_INET6, WSK_EVENT_ACCEPT);
    door.inside = send_it;
    door.no_dispatch = TRUE; /* neither context nor dispatch */
    door_knock(&door);
    peer_receive_all(door.line.peer, text, 5);
    EXPECT(RtlEqualMemory(text, "hello", 5));
    peer_expect_fin(door.line.peer);
    EXPECT_STATUS(wt_wait(&door.op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&door.other), STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(door.line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_PARAMETER);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
    wt_op_free(&door.op);
    wt_op_free(&door.other);
    wt_buffer_free(&door.buffer);
}

static void disable_again(struct door *door, PWSK_SOCKET socket)
{
    UNREFERENCED_PARAMETER(door);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL), STATUS_SUCCESS);
}

TEST(enabled_and_disabled_inside_the_callback, "D-15 C-EVT-08 C-EVT-11")
{
    struct door door;
    char text[4];

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT);
    door.inside = disable_again;
    door_knock(&door);
    peer_send(door.line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(door.line.socket, text, 4, WSK_FLAG_WAITALL), 4);
    peer_shutdown(door.line.peer);
    EXPECT_SOON(line_read(&door.line.gracefuls) == 1);
    EXPECT_EQ(door.line.receives, 0);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

/* ---- events that the listener passes on --------------------------------------------------------------- */

TEST(connection_events_are_inherited,
     "C-EVT-13 C-EVT-16 C-EVT-17 C-EVT-18 R-ACCEV-13 R-CTLS-17 C-EVT-04 C-EVT-30 "
     "R-RECVEV-03")
{
    struct door door;
    struct wt_op op;

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
    door_knock(&door);
    peer_send(door.line.peer, "data", 4);
    EXPECT_SOON(line_read(&door.line.bytes) == 4);
    peer_shutdown(door.line.peer);
    EXPECT_SOON(line_read(&door.line.gracefuls) == 1);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    door.line.bytes = door.line.receives = door.line.gracefuls = 0;

    /* They cannot be taken back, but WskAcceptEvent itself can, and they are still there afterwards. */
    EXPECT_STATUS(wt_events(door.listener, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    wt_op_init(&op);
    EXPECT_STATUS(wt_events(door.listener, WSK_EVENT_DISCONNECT | WSK_EVENT_DISABLE, &op),
                  STATUS_INVALID_DEVICE_REQUEST);
    wt_op_free(&op);
    line_disable(door.listener, WSK_EVENT_ACCEPT);
    EXPECT_STATUS(wt_events(door.listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    door_knock(&door);
    peer_send(door.line.peer, "again", 5);
    EXPECT_SOON(line_read(&door.line.bytes) == 5);
    /* On the accepted socket they can. */
    line_disable(door.line.socket, WSK_EVENT_RECEIVE);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

TEST(inherited_events_without_a_function_stay_off, "R-SOCK-14 R-ACCEV-13")
{
    struct door door;
    char text[4];

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
    door.no_dispatch = TRUE;
    door_knock(&door);
    peer_send(door.line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(door.line.socket, text, 4, WSK_FLAG_WAITALL), 4);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

static void disable_what_is_inherited(struct door *door, PWSK_SOCKET socket)
{
    UNREFERENCED_PARAMETER(door);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL), STATUS_SUCCESS);
}

TEST(inherited_events_are_disabled_inside_the_callback, "D-15 C-EVT-08 C-EVT-11 C-EVT-16")
{
    struct door door;
    char text[4];

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
    door.inside = disable_what_is_inherited;
    door_knock(&door);
    peer_send(door.line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(door.line.socket, text, 4, WSK_FLAG_WAITALL), 4);
    peer_shutdown(door.line.peer);
    EXPECT_SOON(line_read(&door.line.gracefuls) == 1); /* this one it has kept */
    EXPECT_EQ(door.line.receives, 0);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    door.line.gracefuls = 0;

    door.inside = NULL; /* the next connection inherits all of them */
    door_knock(&door);
    peer_send(door.line.peer, "more", 4);
    EXPECT_SOON(line_read(&door.line.bytes) == 4);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

/* ---- switched off ------------------------------------------------------------------------------------- */

TEST(a_disabled_accept_event_leaves_connections_to_accept, "C-EVT-08 C-EVT-11 R-ACCEV-02")
{
    struct door door;
    struct wt_op op;
    int peer;

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT);
    door_knock(&door);
    wt_close_now(door.line.socket);
    peer_close(door.line.peer);
    line_disable(door.listener, WSK_EVENT_ACCEPT);
    peer = peer_connect(PEER_INET, door.port, 5000);
    wt_op_init(&op);
    wt_accept(door.listener, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(door.calls, 1);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    peer_close(peer);
    wt_close_now(door.listener);
    line_free(&door.line);
}

static void close_both(struct door *door, PWSK_SOCKET socket)
{
    wt_op_init(&door->op);
    wt_op_init(&door->other);
    wt_close(socket, &door->op);
    EXPECT_STATUS(wt_close(door->listener, &door->other), STATUS_PENDING); /* this one has to wait for us */
}

TEST(closing_accepted_socket_and_listener_inside_the_callback, "D-08 C-CLOSE-20 C-CLOSE-22 R-CLOSE-06")
{
    struct door door;

    door_open(&door, AF_INET, WSK_EVENT_ACCEPT);
    door.inside = close_both;
    door_knock(&door);
    EXPECT_STATUS(wt_wait(&door.op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&door.other), STATUS_SUCCESS);
    door_slammed(&door);
    wt_op_free(&door.op);
    wt_op_free(&door.other);
    line_free(&door.line);
}

static struct wsk_client *client_of_door;

/* In the routine of the listener's close: it is the client's last socket. */
static void nothing_else_is_open(struct wt_op *op)
{
    UNREFERENCED_PARAMETER(op);
    EXPECT_EQ(line_read(&client_of_door->open), 1);
}

static void close_the_listener(struct door *door, PWSK_SOCKET socket)
{
    UNREFERENCED_PARAMETER(socket);
    client_of_door = wsk_socket_of(door->listener)->client;
    wt_op_init(&door->op);
    door->op.hook = nothing_else_is_open;
    EXPECT_STATUS(wt_close(door->listener, &door->op), STATUS_PENDING);
}

TEST(a_connection_is_rejected_before_the_close_of_its_listener_ends, "C-CLOSE-17 C-CLOSE-43 C-LISTEN-07")
{
    struct door door;

    door_open(&door, AF_INET, 0);
    door.inside = close_the_listener;
    door.answer = STATUS_REQUEST_NOT_ACCEPTED;
    door.line.peer = peer_connect(PEER_INET, door.port, 5000);
    EXPECT_STATUS(wt_events(door.listener, WSK_EVENT_ACCEPT, NULL),
                  STATUS_SUCCESS); /* no accept in the transport */
    EXPECT_SOON(line_read(&door.calls) == 1);
    EXPECT_STATUS(wt_wait(&door.op), STATUS_SUCCESS);
    door_slammed(&door);
    wt_op_free(&door.op);
    line_free(&door.line);
}
