/*
 * test_stream.c - stream sockets: bound first, then a listener (WskListen) or a connection (WskConnect, WskConnectEx).
 *
 * What a role can do is tested where the role's own category is; here: how a role is taken, what is refused before and
 * after, and that each role works through the stream table with the role's client table.
 */
#include "line.h"

#include "wsk/report.h"
#include "wsk/wskp.h"

WT_FIXTURE;

static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};

static void bind_to(PWSK_SOCKET socket, PSOCKADDR address)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, address);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static int port_of(PWSK_SOCKET socket)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_local_address(socket, &op, (PSOCKADDR)&address);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return wt_port(&address);
}

static NTSTATUS listen(PWSK_SOCKET socket, struct wt_op *op)
{
    return wt_returned(op, wsk_stream_dispatch.WskListen(socket, op->irp));
}

static void listen_now(PWSK_SOCKET socket)
{
    struct wt_op op;

    wt_op_init(&op);
    if (listen(socket, &op) != STATUS_PENDING)
        EXPECT(test_mode_has("inline")); /* W-01 */
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
}

static PWSK_SOCKET stream_listener(ADDRESS_FAMILY family, PVOID context,
                                   const WSK_CLIENT_STREAM_DISPATCH *tables, int *port)
{
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_STREAM_SOCKET, context, tables);
    SOCKADDR_STORAGE address;

    bind_to(socket, wt_loopback(&address, family, 0));
    *port = port_of(socket);
    listen_now(socket);
    return socket;
}

static PWSK_SOCKET stream_connection(ADDRESS_FAMILY family, PVOID context,
                                     const WSK_CLIENT_STREAM_DISPATCH *tables, int *peer)
{
    int port = 0, listener = peer_listen(family, &port);
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_STREAM_SOCKET, context, tables);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    bind_to(socket, wt_any(&address, family, 0));
    wt_op_init(&op);
    wt_connect(socket, &op, wt_loopback(&address, family, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    *peer = peer_accept(listener);
    peer_close(listener);
    return socket;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

TEST(a_stream_socket_has_its_table,
     "R-SOCK-05 R-SOCK-07 R-STRUCT-15 C-SOCK-05 C-SOCK-06 C-SOCK-07 C-AF-07 C-CLOSE-04")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        PWSK_SOCKET socket = wt_open(families[i], WSK_FLAG_STREAM_SOCKET, NULL, NULL);
        const WSK_PROVIDER_STREAM_DISPATCH *table = wt_stream(socket);

        EXPECT(wt_basic(socket)->WskCloseSocket == table->WskCloseSocket);
        EXPECT(wt_basic(socket)->WskControlSocket == table->WskControlSocket);
        EXPECT(table->WskBind != NULL && table->WskAccept != NULL && table->WskConnect != NULL &&
               table->WskListen != NULL && table->WskSend != NULL && table->WskReceive != NULL &&
               table->WskDisconnect != NULL && table->WskRelease != NULL &&
               table->WskGetLocalAddress != NULL && table->WskGetRemoteAddress != NULL &&
               table->WskConnectEx != NULL && table->WskSendEx != NULL && table->WskReceiveEx != NULL);
        wt_close_now(socket); /* in the state it was made in */
        socket = wt_open(families[i], WSK_FLAG_STREAM_SOCKET, NULL, NULL);
        {
            SOCKADDR_STORAGE address;

            bind_to(socket, wt_any(&address, families[i], 0));
        }
        EXPECT(port_of(socket) != 0); /* R-BIND-09 */
        wt_close_now(socket);
    }
}

TEST(combinations_of_a_stream_socket, "C-AF-07 C-AF-08 R-SOCK-06 D-18")
{
    static const struct {
        USHORT type;
        ULONG protocol;
        NTSTATUS status;
    } rows[] = {{SOCK_STREAM, 0, STATUS_PROTOCOL_UNREACHABLE},
                {SOCK_STREAM, IPPROTO_UDP, STATUS_PROTOCOL_UNREACHABLE},
                {SOCK_DGRAM, IPPROTO_UDP, STATUS_NOT_SUPPORTED},
                {SOCK_RAW, 253, STATUS_NOT_SUPPORTED}};
    unsigned i;

    for (i = 0; i < 2 * RTL_NUMBER_OF(rows); i++) {
        struct wt_op op;

        wt_op_init(&op);
        EXPECT_STATUS(
            wt_returned(&op, wt_npi.Dispatch->WskSocket(wt_npi.Client, families[i % 2], rows[i / 2].type,
                                                        rows[i / 2].protocol, WSK_FLAG_STREAM_SOCKET, NULL,
                                                        NULL, NULL, NULL, NULL, op.irp)),
            rows[i / 2].status);
        wt_op_free(&op);
    }
}

TEST(a_wildcard_stream_socket_is_bound_at_once, "R-BIND-09 R-LADDR-04 C-SOCK-12")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        PWSK_SOCKET socket = wt_open(families[i], WSK_FLAG_STREAM_SOCKET, NULL, NULL);
        SOCKADDR_STORAGE address;
        int port, peer;
        struct wt_op op;

        bind_to(socket, wt_any(&address, families[i], 0));
        port = port_of(socket);
        EXPECT(port != 0);
        listen_now(socket);
        EXPECT_EQ(port_of(socket), port);
        peer = peer_connect(families[i], port, 5000);
        EXPECT(peer >= 0);
        wt_op_init(&op);
        wt_accept(socket, &op, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
    }
}

/* ---- the listening role --------------------------------------------------------------------------------- */

TEST(a_stream_socket_listens, "R-LISTEN-03 R-LISTEN-05 R-ACC-06 R-ACC-07 R-ACC-08 R-ACC-13 C-SOCK-08 D-15")
{
    unsigned i, early;

    for (i = 0; i < 4; i++) {
        ADDRESS_FAMILY family = families[i % 2];
        SOCKADDR_STORAGE local, remote;
        PWSK_SOCKET socket, accepted;
        struct wt_op op;
        int port, peer = -1;

        early = i / 2; /* the connection or the WskAccept comes first */
        socket = stream_listener(family, NULL, NULL, &port);
        wt_op_init(&op);
        if (early)
            peer = peer_connect(family, port, 5000);
        wt_accept(socket, &op, NULL, NULL, (PSOCKADDR)&local, (PSOCKADDR)&remote);
        if (!early)
            peer = peer_connect(family, port, 5000);
        EXPECT(peer >= 0);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        accepted = (PWSK_SOCKET)op.information;
        EXPECT(accepted->Dispatch == &wsk_connection_dispatch); /* D-15 */
        EXPECT_EQ(wt_port(&local), port);
        EXPECT_EQ(wt_port(&remote), peer_local_port(peer));
        wt_talk(accepted, peer);
        wt_op_free(&op);
        wt_close_now(socket); /* C-CLOSE-43: what was accepted lives on */
        wt_talk(accepted, peer);
        wt_close_now(accepted);
        peer_expect_reset(peer);
        peer_close(peer);
    }
}

struct door {
    struct line line;
    PWSK_SOCKET socket;
    volatile LONG calls;
};

static NTSTATUS WSKAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct door *door = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    EXPECT(LocalAddress->sa_family == AF_INET && RemoteAddress->sa_family == AF_INET);
    EXPECT(AcceptSocket->Dispatch == &wsk_connection_dispatch);
    door->line.socket = AcceptSocket;
    *AcceptSocketContext = &door->line;
    *AcceptSocketDispatch = &line_dispatch;
    InterlockedIncrement(&door->calls);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH door_dispatch = {.WskAcceptEvent = on_accept};
static const WSK_CLIENT_STREAM_DISPATCH both = {&door_dispatch, &line_dispatch};

TEST(the_listen_table_of_a_stream_socket,
     "R-SOCK-12 R-SOCK-20 R-STRUCT-19 R-ACCEV-02 C-EVT-15 C-EVT-16 C-EVT-18 D-15")
{
    struct door door;

    RtlZeroMemory(&door, sizeof door);
    line_init(&door.line);
    {
        int port;
        SOCKADDR_STORAGE address;

        door.socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, &door, &both);
        EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_DEVICE_STATE);
        bind_to(door.socket, wt_loopback(&address, AF_INET, 0));
        EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_STATE);
        port = port_of(door.socket);
        listen_now(door.socket);
        EXPECT_STATUS(
            wt_events(door.socket, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL),
            STATUS_SUCCESS);
        door.line.peer = peer_connect(PEER_INET, port, 5000);
    }
    EXPECT_SOON(line_read(&door.calls) == 1);
    peer_send(door.line.peer, "hello", 5);
    EXPECT_SOON(line_read(&door.line.bytes) == 5);
    peer_shutdown(door.line.peer);
    EXPECT_SOON(line_read(&door.line.gracefuls) == 1);
    line_disable(door.socket, WSK_EVENT_ACCEPT);
    wt_close_now(door.socket);
    line_close(&door.line);
}

/* ---- the connection role --------------------------------------------------------------------------------- */

TEST(a_stream_socket_connects, "R-CONN-04 R-CONN-05 R-RADDR-04 R-LADDR-04 C-SOCK-08 C-DATA-01")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        int peer;
        PWSK_SOCKET socket = stream_connection(families[i], NULL, NULL, &peer);
        SOCKADDR_STORAGE address;
        struct wt_op op;

        EXPECT_EQ(port_of(socket), peer_remote_port(peer));
        wt_op_init(&op);
        wt_returned(&op, wt_stream(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&address, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(wt_port(&address), peer_local_port(peer));
        wt_talk(socket, peer);
        wt_again(&op);
        wt_disconnect(socket, &op, NULL, 0);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        peer_expect_fin(peer);
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
    }
}

TEST(the_connection_table_of_a_stream_socket, "R-SOCK-12 R-SOCK-20 R-STRUCT-19 C-EVT-14 C-EVT-23 R-REL-04")
{
    struct line line;

    line_init(&line);
    line.socket = stream_connection(AF_INET, &line, &both, &line.peer);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "hello", 5);
    EXPECT_SOON(line_read(&line.bytes) == 5);
    peer_shutdown(line.peer);
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    line_close(&line);
}

TEST(tables_that_a_stream_socket_lacks, "R-SOCK-14 R-STRUCT-19")
{
    static const WSK_CLIENT_STREAM_DISPATCH neither;
    static const WSK_CLIENT_STREAM_DISPATCH *const tables[] = {NULL, &neither};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(tables); i++) {
        int peer, port;
        PWSK_SOCKET socket = stream_connection(AF_INET, NULL, tables[i], &peer);

        EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_PARAMETER);
        wt_talk(socket, peer);
        wt_close_now(socket);
        peer_close(peer);
        socket = stream_listener(AF_INET, NULL, tables[i], &port);
        EXPECT_STATUS(wt_events(socket, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_PARAMETER);
        wt_close_now(socket);
    }
}

static void set_static(ULONG mask)
{
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, mask};

    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                    sizeof control, &control, 0, NULL, NULL, NULL),
                  STATUS_SUCCESS);
}

/* They are switched on with the role, and off with it when the connect fails. */
TEST(static_callbacks_come_with_the_role, "C-EVT-20 C-EVT-21 R-SOCK-20 R-CONN-05")
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    SOCKADDR_STORAGE address;
    struct door door;
    struct line line;
    struct wt_op op;

    set_static(WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE);
    line_init(&line);
    line.socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, &line, &both);
    bind_to(line.socket, wt_any(&address, AF_INET, 0));
    wt_op_init(&op);
    wt_connect(line.socket, &op, wt_loopback(&address, AF_INET, peer_closed_port(PEER_INET)));
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
    EXPECT_EQ(wsk_enabled(wsk_socket_of(line.socket)), 0);
    wt_again(&op);
    wt_connect(line.socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    line.peer = peer_accept(listener);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_REQUEST);
    peer_send(line.peer, "hello", 5);
    EXPECT_SOON(line_read(&line.bytes) == 5);
    line_close(&line);

    RtlZeroMemory(&door, sizeof door);
    line_init(&door.line);
    door.socket = stream_listener(AF_INET, &door, &both, &port);
    EXPECT_STATUS(wt_events(door.socket, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_DEVICE_REQUEST);
    door.line.peer = peer_connect(PEER_INET, port, 5000);
    EXPECT_SOON(line_read(&door.calls) == 1);
    peer_send(door.line.peer, "hello", 5);
    EXPECT_SOON(line_read(&door.line.bytes) == 5);
    wt_close_now(door.socket);
    line_close(&door.line);
    wt_op_free(&op);
    peer_close(listener);
}

/* ---- one role, and for good ------------------------------------------------------------------------------ */

static void refuses(PWSK_SOCKET socket, BOOLEAN connection_too)
{
    struct wt_buffer buffer;
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_buffer_init(&buffer, 8);
    wt_op_init(&op);
    EXPECT_STATUS(listen(socket, &op), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET, 9)), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, 9), &buffer.buf),
                  STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_bind(socket, &op, wt_loopback(&address, AF_INET, 0)), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    if (!connection_too) {
        EXPECT_STATUS(wt_accept(socket, &op, NULL, NULL, NULL, NULL), STATUS_INVALID_DEVICE_STATE);
    } else {
        EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, 0), STATUS_INVALID_DEVICE_STATE);
        wt_again(&op);
        EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, 0), STATUS_INVALID_DEVICE_STATE);
        wt_again(&op);
        EXPECT_STATUS(wt_disconnect(socket, &op, NULL, 0), STATUS_INVALID_DEVICE_STATE);
        wt_again(&op);
        EXPECT_STATUS(wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE), STATUS_INVALID_DEVICE_STATE);
        wt_again(&op);
        EXPECT_STATUS(
            wt_returned(&op, wt_stream(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&address, op.irp)),
            STATUS_INVALID_DEVICE_STATE);
    }
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

TEST(a_role_is_for_good, "R-CONN-05 R-CONN-06 R-LISTEN-03 R-LISTEN-04 R-CONNX-09 W-03 D-01")
{
    int port = 0, peer, listener = peer_listen(PEER_INET, &port);
    PWSK_SOCKET socket = stream_connection(AF_INET, NULL, NULL, &peer);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    refuses(socket, FALSE);
    wt_talk(socket, peer);
    wt_op_init(&op); /* nor when the connection is over */
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    refuses(socket, FALSE);
    wt_close_now(socket);
    peer_close(peer);

    socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    bind_to(socket, wt_any(&address, AF_INET, 0));
    wt_again(&op);
    wt_connect_ex(socket, &op, wt_loopback(&address, AF_INET, port), NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    refuses(socket, FALSE);
    wt_talk(socket, peer);
    wt_close_now(socket);
    peer_close(peer);
    peer_close(listener);

    socket = stream_listener(AF_INET, NULL, NULL, &port);
    refuses(socket, TRUE);
    peer = peer_connect(PEER_INET, port, 5000);
    wt_again(&op);
    wt_accept(socket, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(before_a_role_is_taken,
     "R-ACC-02 R-CONN-02 R-LISTEN-02 R-SEND-02 R-RECV-02 R-DISC-02 R-BIND-08 W-03 W-04 D-01")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(listen(socket, &op), STATUS_INVALID_DEVICE_STATE); /* not bound */
    wt_again(&op);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET, 9)), STATUS_INVALID_DEVICE_STATE);
    bind_to(socket, wt_loopback(&address, AF_INET, 0));
    wt_again(&op); /* C-07: not before WskListen */
    EXPECT_STATUS(wt_accept(socket, &op, NULL, NULL, NULL, NULL), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(wsk_stream_dispatch.WskListen(socket, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(listen(NULL, &op), STATUS_INVALID_HANDLE);
    listen_now(socket); /* none of it has done anything to the socket */
    wt_close_now(socket);
    wt_again(&op);
    EXPECT_STATUS(listen(socket, &op), STATUS_FILE_FORCED_CLOSED); /* R-LISTEN-05 */
    wt_op_free(&op);
}

TEST(only_stream_sockets_are_made_to_listen, "R-LISTEN-02 R-LISTEN-05 C-SOCK-16 W-03")
{
    static const ULONG flags[] = {WSK_FLAG_BASIC_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
                                  WSK_FLAG_DATAGRAM_SOCKET};
    SOCKADDR_STORAGE address;
    struct wt_op op;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(flags); i++) {
        PWSK_SOCKET socket = wt_open(AF_INET, flags[i], NULL, NULL);

        wt_op_init(&op);
        EXPECT_STATUS(listen(socket, &op), STATUS_INVALID_DEVICE_STATE);
        wt_op_free(&op);
        if (flags[i] != WSK_FLAG_BASIC_SOCKET) {
            bind_to(socket, wt_loopback(&address, AF_INET, 0));
            wt_op_init(&op);
            EXPECT_STATUS(listen(socket, &op), STATUS_INVALID_DEVICE_STATE);
            wt_op_free(&op);
        }
        wt_close_now(socket);
    }
}

TEST(a_connect_that_failed_leaves_the_choice, "R-CONN-05 W-08 R-LISTEN-03")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        PWSK_SOCKET socket = wt_open(families[i], WSK_FLAG_STREAM_SOCKET, NULL, NULL);
        SOCKADDR_STORAGE address;
        struct wt_op op;
        int port, peer;

        bind_to(socket, wt_loopback(&address, families[i], 0));
        wt_op_init(&op);
        wt_connect(socket, &op, wt_loopback(&address, families[i], peer_closed_port(families[i])));
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
        listen_now(socket);
        port = port_of(socket);
        peer = peer_connect(families[i], port, 5000);
        EXPECT(peer >= 0);
        wt_again(&op);
        wt_accept(socket, &op, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
    }
}

/* ---- options and reports --------------------------------------------------------------------------------- */

TEST(options_before_a_role_is_taken, "C-OPT-14 C-OPT-18 C-OPT-36 R-CTLS-13")
{
    static const struct {
        ULONG level, name, value;
    } rows[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                {SOL_SOCKET, SO_RCVBUF, 70000},
                {SOL_SOCKET, SO_REUSEADDR, 1},
                {IPPROTO_TCP, TCP_NODELAY, 1}};
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL), accepted;
    SOCKADDR_STORAGE address;
    ULONG one = 1, value;
    struct wt_op op;
    unsigned i;
    int peer;

    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        value = rows[i].value;
        wt_control(socket, &op, WskSetOption, rows[i].name, rows[i].level, sizeof value, &value, 0, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_again(&op);
    }
    wt_control(socket, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof one, &one, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_NOT_SUPPORTED); /* C-17: it has no WskInspectComplete */
    bind_to(socket, wt_loopback(&address, AF_INET, 0));
    wt_again(&op);
    wt_control(socket, &op, WskSetOption, SO_REUSEADDR, SOL_SOCKET, sizeof one, &one, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
    listen_now(socket);
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        value = 77;
        wt_again(&op);
        wt_control(socket, &op, WskGetOption, rows[i].name, rows[i].level, 0, NULL, sizeof value, &value);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(value, rows[i].value);
    }
    peer = peer_connect(PEER_INET, port_of(socket), 5000);
    wt_again(&op);
    wt_accept(socket, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    accepted = (PWSK_SOCKET)op.information;
    wt_again(&op);
    wt_control(accepted, &op, WskGetOption, SO_KEEPALIVE, SOL_SOCKET, 0, NULL, sizeof value, &value);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(value, 1); /* C-OPT-18 */
    wt_op_free(&op);
    wt_close_now(accepted);
    wt_close_now(socket);
    peer_close(peer);
}

static void look(void *context, const struct wsk_report_socket *socket)
{
    if (socket->accepted)
        return;
    EXPECT(strcmp(socket->category, "stream") == 0);
    *(const char **)context = socket->state;
}

static void expect_state(const char *expected)
{
    const char *state = "?";

    wsk_report_sockets(look, &state);
    if (strcmp(state, expected) != 0)
        uwsk_test_fail(__FILE__, __LINE__, "the report says %s, not %s", state, expected);
}

TEST(what_is_told_about_a_stream_socket, "")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    int peer;

    expect_state("unbound");
    bind_to(socket, wt_loopback(&address, AF_INET, 0));
    expect_state("bound");
    listen_now(socket);
    expect_state("listening");
    wt_close_now(socket);
    socket = stream_connection(AF_INET, NULL, NULL, &peer);
    expect_state("connected");
    wt_close_now(socket);
    peer_close(peer);
}
