/*
 * test_bad_input.c - what no driver should pass: functions of another category's table, addresses that are misaligned
 * or of another family, buffers that reach beyond their memory.  Each call has a status, ends its IRP once,
 * touches nothing and leaves nothing; the socket goes on as if it had not been called.
 *
 * What a function refuses by itself stands beside its own tests (…_refuses_what_is_wrong), wrong states in
 * test_table.c, the control table in test_control*.c, what belongs to other sockets in test_of_others.c.
 */
#include "wsk_test.h"

#include "wsk/wskp.h"

TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX(WT_TWO_MODES);
#else
TEST_MATRIX(WT_TWO_MODES " natural/dispatch/uring");
#endif

/* ---- functions ---------------------------------------------------------------------------------------- */

enum function {
    BIND,
    ACCEPT,
    INSPECT_COMPLETE,
    LOCAL_ADDRESS,
    REMOTE_ADDRESS,
    CONNECT,
    CONNECT_EX,
    LISTEN,
    SEND,
    SEND_EX,
    RECEIVE,
    RECEIVE_EX,
    DISCONNECT,
    ABORT, /* WskDisconnect with WSK_FLAG_ABORTIVE */
    SEND_TO,
    SEND_MESSAGES,
    RECEIVE_FROM,
    CONTROL,
    CLOSE,
    WITH_IRP, /* so many; what follows has none */
    RELEASE = WITH_IRP,
    RELEASE_DATAGRAMS,
    FUNCTIONS
};

enum { TABLES = WSK_STREAM + 1 };

/* Of each category, by enum wsk_category; NULL: its table has none. */
static PVOID tables[TABLES][FUNCTIONS];

static void tables_fill(void)
{
    PVOID *at;

    at = tables[WSK_BASIC];
    at[CONTROL] = wsk_basic_dispatch.WskControlSocket;
    at[CLOSE] = wsk_basic_dispatch.WskCloseSocket;
    at = tables[WSK_LISTEN];
    at[CONTROL] = wsk_listen_dispatch.WskControlSocket;
    at[CLOSE] = wsk_listen_dispatch.WskCloseSocket;
    at[BIND] = wsk_listen_dispatch.WskBind;
    at[ACCEPT] = wsk_listen_dispatch.WskAccept;
    at[INSPECT_COMPLETE] = wsk_listen_dispatch.WskInspectComplete;
    at[LOCAL_ADDRESS] = wsk_listen_dispatch.WskGetLocalAddress;
    at = tables[WSK_DATAGRAM];
    at[CONTROL] = wsk_datagram_dispatch.WskControlSocket;
    at[CLOSE] = wsk_datagram_dispatch.WskCloseSocket;
    at[BIND] = wsk_datagram_dispatch.WskBind;
    at[SEND_TO] = wsk_datagram_dispatch.WskSendTo;
    at[RECEIVE_FROM] = wsk_datagram_dispatch.WskReceiveFrom;
    at[RELEASE_DATAGRAMS] = wsk_datagram_dispatch.WskRelease;
    at[LOCAL_ADDRESS] = wsk_datagram_dispatch.WskGetLocalAddress;
    at[SEND_MESSAGES] = wsk_datagram_dispatch.WskSendMessages;
#define OF_A_CONNECTION(table)                                                                               \
    at[CONTROL] = table.WskControlSocket;                                                                    \
    at[CLOSE] = table.WskCloseSocket;                                                                        \
    at[BIND] = table.WskBind;                                                                                \
    at[CONNECT] = table.WskConnect;                                                                          \
    at[CONNECT_EX] = table.WskConnectEx;                                                                     \
    at[SEND] = table.WskSend;                                                                                \
    at[SEND_EX] = table.WskSendEx;                                                                           \
    at[RECEIVE] = table.WskReceive;                                                                          \
    at[RECEIVE_EX] = table.WskReceiveEx;                                                                     \
    at[DISCONNECT] = at[ABORT] = table.WskDisconnect;                                                        \
    at[RELEASE] = table.WskRelease;                                                                          \
    at[LOCAL_ADDRESS] = table.WskGetLocalAddress;                                                            \
    at[REMOTE_ADDRESS] = table.WskGetRemoteAddress
    at = tables[WSK_CONNECTION];
    OF_A_CONNECTION(wsk_connection_dispatch);
    at = tables[WSK_STREAM];
    OF_A_CONNECTION(wsk_stream_dispatch);
    at[ACCEPT] = wsk_stream_dispatch.WskAccept;
    at[LISTEN] = wsk_stream_dispatch.WskListen;
}

/* What a call passes, all of it good unless the test says otherwise. */
static struct {
    PSOCKADDR address;
    PWSK_BUF buffer;
    PWSK_BUF_LIST list;
    ULONG flags;
} with;

static SOCKADDR_STORAGE address_storage, found;
static struct wt_buffer memory;
static WSK_BUF_LIST list_storage;
static WSK_INSPECT_ID inspect_id;
static WSK_DATA_INDICATION indication;
static WSK_DATAGRAM_INDICATION datagram;

static void good_input(void)
{
    if (memory.bytes == NULL)
        wt_buffer_chain(&memory, 20, 10);
    list_storage.Next = NULL;
    list_storage.Buffer = memory.buf;
    with.address = wt_loopback(&address_storage, AF_INET, 9);
    with.buffer = &memory.buf;
    with.list = &list_storage;
    with.flags = 0;
}

static void input_free(void)
{
    wt_buffer_free(&memory);
}

static NTSTATUS call_raw(PVOID function, int which, PWSK_SOCKET socket, PIRP irp)
{
    ULONG type;

    switch (which) {
    case BIND:
        return ((PFN_WSK_BIND)function)(socket, with.address, with.flags, irp);
    case ACCEPT:
        return ((PFN_WSK_ACCEPT)function)(socket, with.flags, NULL, NULL, NULL, NULL, irp);
    case INSPECT_COMPLETE:
        return ((PFN_WSK_INSPECT_COMPLETE)function)(socket, &inspect_id, WskInspectAccept, irp);
    case LOCAL_ADDRESS:
        return ((PFN_WSK_GET_LOCAL_ADDRESS)function)(socket, (PSOCKADDR)&found, irp);
    case REMOTE_ADDRESS:
        return ((PFN_WSK_GET_REMOTE_ADDRESS)function)(socket, (PSOCKADDR)&found, irp);
    case CONNECT:
        return ((PFN_WSK_CONNECT)function)(socket, with.address, with.flags, irp);
    case CONNECT_EX:
        return ((PFN_WSK_CONNECT_EX)function)(socket, with.address, with.buffer, with.flags, irp);
    case LISTEN:
        return ((PFN_WSK_LISTEN)function)(socket, irp);
    case SEND:
        return ((PFN_WSK_SEND)function)(socket, with.buffer, with.flags, irp);
    case SEND_EX:
        return ((PFN_WSK_SEND_EX)function)(socket, with.buffer, with.flags, 0, NULL, irp);
    case RECEIVE:
        return ((PFN_WSK_RECEIVE)function)(socket, with.buffer, with.flags, irp);
    case RECEIVE_EX:
        return ((PFN_WSK_RECEIVE_EX)function)(socket, with.buffer, with.flags, NULL, NULL, NULL, irp);
    case DISCONNECT:
        return ((PFN_WSK_DISCONNECT)function)(socket, with.buffer, with.flags, irp);
    case ABORT:
        return ((PFN_WSK_DISCONNECT)function)(socket, NULL, WSK_FLAG_ABORTIVE, irp);
    case SEND_TO:
        return ((PFN_WSK_SEND_TO)function)(socket, with.buffer, with.flags, with.address, 0, NULL, irp);
    case SEND_MESSAGES:
        return ((PFN_WSK_SEND_MESSAGES)function)(socket, with.list, with.flags, with.address, 0, NULL, irp);
    case RECEIVE_FROM:
        return ((PFN_WSK_RECEIVE_FROM)function)(socket, with.buffer, with.flags, NULL, NULL, NULL, NULL, irp);
    case CONTROL:
        return ((PFN_WSK_CONTROL_SOCKET)function)(socket, WskGetOption, SO_TYPE, SOL_SOCKET, 0, NULL,
                                                  sizeof type, &type, NULL, irp);
    case CLOSE:
        return ((PFN_WSK_CLOSE_SOCKET)function)(socket, irp);
    case RELEASE:
        return ((PFN_WSK_RELEASE_DATA_INDICATION_LIST)function)(socket, &indication);
    default:
        return ((PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST)function)(socket, &datagram);
    }
}

/* The call is to end with `expected`; an IRP that was given ends with it, once and without a result. */
static void expect(PVOID function, int which, PWSK_SOCKET socket, NTSTATUS expected)
{
    struct wt_op op;

    if (which >= WITH_IRP) {
        EXPECT_STATUS(call_raw(function, which, socket, NULL), STATUS_INVALID_PARAMETER); /* R-REL-05 */
        return;
    }
    wt_op_init(&op);
    wt_returned(&op, call_raw(function, which, socket, op.irp));
    if (wt_wait(&op) != expected)
        TEST_NOTE("function %d of a socket of category %d", which,
                  socket != NULL ? wsk_socket_of(socket)->created : -1);
    EXPECT_STATUS(op.status, expected);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
}

/* ---- sockets in all their states ---------------------------------------------------------------------- */

static void done(struct wt_op *op, NTSTATUS expected)
{
    EXPECT_STATUS(wt_wait(op), expected);
    wt_again(op);
}

enum {
    IS_BASIC,
    LISTENER_OPEN,
    LISTENER,
    CONNECTION_OPEN,
    CONNECTION_BOUND,
    CONNECTION,
    CONNECTION_DEAD,
    DATAGRAM_OPEN,
    DATAGRAM,
    STREAM_OPEN,
    STREAM_BOUND,
    STREAM_LISTENING,
    STREAM_CONNECTED,
    STATES
};

static PWSK_SOCKET socket_in(int state, int *peer)
{
    static const ULONG kinds[STATES] = {
        WSK_FLAG_BASIC_SOCKET,      WSK_FLAG_LISTEN_SOCKET,     WSK_FLAG_LISTEN_SOCKET,
        WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
        WSK_FLAG_CONNECTION_SOCKET, WSK_FLAG_DATAGRAM_SOCKET,   WSK_FLAG_DATAGRAM_SOCKET,
        WSK_FLAG_STREAM_SOCKET,     WSK_FLAG_STREAM_SOCKET,     WSK_FLAG_STREAM_SOCKET,
        WSK_FLAG_STREAM_SOCKET};
    SOCKADDR_STORAGE address;
    PWSK_SOCKET socket;
    struct wt_op op;
    int port = 0, listener;

    *peer = -1;
    if (state == CONNECTION)
        return wt_connected(AF_INET, NULL, NULL, peer);
    if (state == CONNECTION_DEAD) {
        struct wt_buffer one;

        socket = wt_connected(AF_INET, NULL, NULL, peer);
        peer_reset(*peer);
        *peer = -1;
        wt_buffer_init(&one, 1);
        wt_op_init(&op);
        wt_receive(socket, &op, &one.buf, 0);
        done(&op, STATUS_CONNECTION_RESET);
        wt_op_free(&op);
        wt_buffer_free(&one);
        return socket;
    }
    socket = wt_open(AF_INET, kinds[state], NULL, NULL);
    if (state == IS_BASIC || state == LISTENER_OPEN || state == CONNECTION_OPEN || state == DATAGRAM_OPEN ||
        state == STREAM_OPEN)
        return socket;
    wt_op_init(&op);
    wt_bind(socket, &op, wt_loopback(&address, AF_INET, 0));
    done(&op, STATUS_SUCCESS);
    if (state == STREAM_LISTENING) {
        wt_returned(&op, wt_stream(socket)->WskListen(socket, op.irp));
        done(&op, STATUS_SUCCESS);
    }
    if (state == STREAM_CONNECTED) {
        listener = peer_listen(PEER_INET, &port);
        wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
        done(&op, STATUS_SUCCESS);
        *peer = peer_accept(listener);
        peer_close(listener);
    }
    wt_op_free(&op);
    return socket;
}

/* It does what it is there for. */
static void still_works(PWSK_SOCKET socket, int state, int peer)
{
    SOCKADDR_STORAGE address;
    PWSK_SOCKET accepted;
    struct wt_op op;
    int other, port;

    if (state == CONNECTION || state == STREAM_CONNECTED)
        wt_talk(socket, peer);
    if (state != LISTENER && state != STREAM_LISTENING && state != DATAGRAM)
        return;
    wt_op_init(&op);
    wt_returned(&op, ((PFN_WSK_GET_LOCAL_ADDRESS)tables[WSK_LISTEN][LOCAL_ADDRESS])(
                         socket, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    port = wt_port(&address);
    if (state == DATAGRAM) {
        other = peer_datagram(PEER_INET, &(int){0});
        peer_datagram_send(other, port, "hello", 5);
        wt_receive_from(socket, &op, &memory.buf, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 5);
    } else {
        other = peer_connect(PEER_INET, port, 5000);
        wt_accept(socket, &op, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        accepted = (PWSK_SOCKET)op.information;
        wt_close_now(accepted);
    }
    peer_close(other);
    wt_op_free(&op);
}

TEST(functions_of_another_category, "D-01 R-REL-05 R-RADDR-03 R-INSP-20")
{
    int state, table, which, peer, calls = 0;

    tables_fill();
    good_input();
    for (state = 0; state < STATES; state++) {
        PWSK_SOCKET socket = socket_in(state, &peer);
        UCHAR own = wsk_socket_of(socket)->created;

        for (table = 0; table < TABLES; table++) {
            for (which = 0; which < FUNCTIONS; which++) {
                PVOID function = tables[table][which];

                if (function == NULL)
                    continue;
                if (tables[own][which] != NULL) { /* its own, too: one function, whichever table it is from */
                    EXPECT(function == tables[own][which]);
                    continue;
                }
                expect(function, which, socket, STATUS_INVALID_DEVICE_STATE);
                calls++;
            }
        }
        still_works(socket, state, peer);
        wt_close_now(socket);
        if (peer >= 0)
            peer_close(peer);
    }
    EXPECT(calls > 150);
    input_free();
}

/* Every function: the reserved ones, those of each category. */
TEST(functions_without_socket_or_irp, "W-04 D-01 R-REL-05")
{
    int table, which, peer;

    tables_fill();
    good_input();
    for (table = 0; table < TABLES; table++) {
        static const int states[TABLES] = {IS_BASIC, LISTENER, CONNECTION, DATAGRAM, STREAM_CONNECTED};
        PWSK_SOCKET socket = socket_in(states[table], &peer);

        for (which = 0; which < FUNCTIONS; which++) {
            if (tables[table][which] == NULL)
                continue;
            expect(tables[table][which], which, NULL, STATUS_INVALID_HANDLE);
            if (which != CONTROL) /* there an IRP is optional, row by row (test_control.c) */
                EXPECT_STATUS(call_raw(tables[table][which], which, socket, NULL), STATUS_INVALID_PARAMETER);
        }
        still_works(socket, states[table], peer);
        wt_close_now(socket);
        if (peer >= 0)
            peer_close(peer);
    }
    input_free();
}

/* ---- flags -------------------------------------------------------------------------------------------- */

TEST(every_flag_that_is_not_defined, "R-BIND-02 R-ACC-03 R-CONN-03 R-CONNX-05 R-SEND-04 R-RECV-08 "
                                     "R-SENDTO-02 R-SENDMSGS-03 R-RECVFROM-02 D-01")
{
    static const struct {
        int which, state;
        ULONG defined;
        NTSTATUS status;
    } rows[] = {
        {BIND, CONNECTION_OPEN, 0, STATUS_INVALID_PARAMETER},
        {BIND, LISTENER_OPEN, 0, STATUS_INVALID_PARAMETER},
        {BIND, DATAGRAM_OPEN, 0, STATUS_INVALID_PARAMETER},
        {ACCEPT, LISTENER, 0, STATUS_INVALID_PARAMETER},
        {CONNECT, CONNECTION_BOUND, 0, STATUS_INVALID_PARAMETER},
        {CONNECT_EX, CONNECTION_BOUND, 0, STATUS_INVALID_PARAMETER},
        {SEND, CONNECTION, WSK_FLAG_NODELAY, STATUS_NOT_SUPPORTED},
        {SEND_EX, CONNECTION, WSK_FLAG_NODELAY, STATUS_NOT_SUPPORTED},
        {RECEIVE, CONNECTION, WSK_FLAG_WAITALL | WSK_FLAG_DRAIN, STATUS_NOT_SUPPORTED},
        {RECEIVE_EX, CONNECTION, WSK_FLAG_WAITALL | WSK_FLAG_DRAIN, STATUS_NOT_SUPPORTED},
        {DISCONNECT, CONNECTION, WSK_FLAG_ABORTIVE, STATUS_INVALID_PARAMETER},
        {SEND_TO, DATAGRAM, 0, STATUS_INVALID_PARAMETER},
        {SEND_MESSAGES, DATAGRAM, 0, STATUS_INVALID_PARAMETER},
        {RECEIVE_FROM, DATAGRAM, 0, STATUS_INVALID_PARAMETER},
    };
    unsigned i, bit;
    int peer;

    tables_fill();
    good_input();
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        PWSK_SOCKET socket = socket_in(rows[i].state, &peer);
        PVOID function = tables[wsk_socket_of(socket)->created][rows[i].which];

        for (bit = 0; bit < 32; bit++) {
            with.flags = 1u << bit;
            if (!(with.flags & rows[i].defined))
                expect(function, rows[i].which, socket, rows[i].status);
        }
        good_input();
        still_works(socket, rows[i].state, peer);
        wt_close_now(socket);
        if (peer >= 0)
            peer_close(peer);
    }
    input_free();
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

/* A copy at an odd address, in a block of its own of which nothing is left behind it. */
static PSOCKADDR odd(UCHAR **block, const void *address, SIZE_T size)
{
    *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, size + 1, 'ddoT');
    EXPECT(*block != NULL);
    RtlCopyMemory(*block + 1, address, size);
    EXPECT(((ULONG_PTR)(*block + 1) & 1) != 0);
    return (PSOCKADDR)(*block + 1);
}

static PSOCKADDR odd_loopback(UCHAR **block, ADDRESS_FAMILY family, int port)
{
    SOCKADDR_STORAGE address;

    wt_loopback(&address, family, port);
    return odd(block, &address, family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6));
}

static int odd_port(const UCHAR *block)
{
    return block[3] << 8 | block[4];
}

/* Drivers keep addresses in packed structures. */
TEST(misaligned_addresses, "")
{
    ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        ADDRESS_FAMILY family = families[i];
        SIZE_T size = family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
        PWSK_SOCKET listener = wt_open(family, WSK_FLAG_LISTEN_SOCKET, NULL, NULL), client, accepted;
        PWSK_SOCKET from = wt_open(family, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL), to;
        UCHAR *local, *remote, *other;
        struct wt_buffer buffer;
        int listener_port, port, way;
        WCHAR text[64];
        UNICODE_STRING name = {0, sizeof text, text};
        struct wt_op op;

        wt_buffer_init(&buffer, 4);
        wt_op_init(&op);
        wt_bind(listener, &op, odd_loopback(&local, family, 0));
        done(&op, STATUS_SUCCESS);
        wt_returned(&op, wt_listen(listener)->WskGetLocalAddress(listener, (PSOCKADDR)(local + 1), op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, size);
        listener_port = odd_port(local);
        EXPECT(listener_port != 0);

        wt_again(&op);
        wt_accept(listener, &op, NULL, NULL, (PSOCKADDR)(local + 1), odd_loopback(&remote, family, 0));
        for (way = 0; way < 2; way++) { /* WskSocketConnect, then WskConnect */
            struct wt_op connect;
            UCHAR *here, *there;

            odd_loopback(&here, family, 0);
            odd_loopback(&there, family, listener_port);
            wt_op_init(&connect);
            if (way == 0) {
                wt_returned(&connect,
                            wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, SOCK_STREAM, IPPROTO_TCP,
                                                              (PSOCKADDR)(here + 1), (PSOCKADDR)(there + 1),
                                                              0, NULL, NULL, NULL, NULL, NULL, connect.irp));
                EXPECT_STATUS(wt_wait(&connect), STATUS_SUCCESS);
                client = (PWSK_SOCKET)connect.information;
                wt_again(&connect);
            } else {
                client = wt_open(family, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
                wt_bind(client, &connect, (PSOCKADDR)(here + 1));
                done(&connect, STATUS_SUCCESS);
                wt_connect(client, &connect, (PSOCKADDR)(there + 1));
                done(&connect, STATUS_SUCCESS);
            }
            EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS); /* the accept of this one */
            EXPECT_EQ(odd_port(local), listener_port);
            accepted = (PWSK_SOCKET)op.information;
            wt_returned(&connect, wt_connection(client)->WskGetRemoteAddress(client, (PSOCKADDR)(there + 1),
                                                                             connect.irp));
            done(&connect, STATUS_SUCCESS);
            EXPECT_EQ(odd_port(there), listener_port);
            wt_local_address(client, &connect, (PSOCKADDR)(here + 1));
            done(&connect, STATUS_SUCCESS);
            EXPECT(RtlEqualMemory(here + 1, remote + 1, size));
            wt_op_free(&connect);
            ExFreePool(here);
            ExFreePool(there);
            wt_close_now(client);
            wt_close_now(accepted);
            wt_again(&op);
            if (way == 0)
                wt_accept(listener, &op, NULL, NULL, (PSOCKADDR)(local + 1), (PSOCKADDR)(remote + 1));
        }
        wt_close_now(listener);

        wt_bind(from, &op, odd_loopback(&other, family, 0));
        done(&op, STATUS_SUCCESS);
        wt_returned(&op, wt_datagram(from)->WskGetLocalAddress(from, (PSOCKADDR)(other + 1), op.irp));
        done(&op, STATUS_SUCCESS);
        to = wt_datagrams(family, NULL, NULL, &port);
        local[3] = (UCHAR)(port >> 8);
        local[4] = (UCHAR)port;
        wt_send_to(from, &op, &buffer.buf, (PSOCKADDR)(local + 1), 0, NULL);
        done(&op, STATUS_SUCCESS);
        wt_receive_from(to, &op, &buffer.buf, (PSOCKADDR)(remote + 1), NULL, NULL, NULL);
        done(&op, STATUS_SUCCESS);
        EXPECT(RtlEqualMemory(remote + 1, other + 1, size));
        wt_control(to, &op, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, size, remote + 1, 0, NULL);
        done(&op, STATUS_SUCCESS);
        wt_returned(&op, wt_npi.Dispatch->WskGetNameInfo(wt_npi.Client, (PSOCKADDR)(local + 1), (ULONG)size,
                                                         &name, NULL, NI_NUMERICHOST, NULL, NULL, op.irp));
        done(&op, STATUS_SUCCESS);
        EXPECT_EQ(text[0], family == AF_INET ? '1' : ':');
        ExFreePool(local);
        ExFreePool(remote);
        ExFreePool(other);
        wt_op_free(&op);
        wt_buffer_free(&buffer);
        wt_close_now(from);
        wt_close_now(to);
    }
}

static const ADDRESS_FAMILY strange[] = {AF_UNSPEC, 1, 10 /* Linux' AF_INET6 */, 0x0200, 0x1700, 0xffff};

/* Of an address whose family is not the socket's nothing but the family is looked at: there is no more of it. */
TEST(addresses_of_other_families, "R-BIND-02 R-CONN-03 R-SENDTO-02 R-SENDMSGS-07 C-IOCTL-30 C-IOCTL-34 D-01")
{
    static const struct {
        int which, state;
    } rows[] = {{BIND, LISTENER_OPEN},   {BIND, CONNECTION_OPEN},     {BIND, DATAGRAM_OPEN},
                {BIND, STREAM_OPEN},     {CONNECT, CONNECTION_BOUND}, {CONNECT_EX, CONNECTION_BOUND},
                {CONNECT, STREAM_BOUND}, {SEND_TO, DATAGRAM},         {SEND_MESSAGES, DATAGRAM}};
    static const ULONG codes[] = {SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS};
    PWSK_SOCKET socket;
    struct wt_op op;
    unsigned i, n;
    UCHAR *block;
    int peer, port;

    tables_fill();
    good_input();
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        socket = socket_in(rows[i].state, &peer);
        for (n = 0; n <= RTL_NUMBER_OF(strange); n++) {
            ADDRESS_FAMILY family = n < RTL_NUMBER_OF(strange) ? strange[n] : AF_INET6;

            with.address = odd(&block, &family, sizeof family);
            expect(tables[wsk_socket_of(socket)->created][rows[i].which], rows[i].which, socket,
                   STATUS_INVALID_PARAMETER);
            ExFreePool(block);
        }
        if (rows[i].which != SEND_TO &&
            rows[i].which != SEND_MESSAGES) { /* there NULL is the fixed address */
            with.address = NULL;
            expect(tables[wsk_socket_of(socket)->created][rows[i].which], rows[i].which, socket,
                   STATUS_INVALID_PARAMETER);
        }
        good_input();
        still_works(socket, rows[i].state, peer);
        wt_close_now(socket);
    }
    socket = wt_datagrams(AF_INET6, NULL, NULL, &port);
    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(codes); i++) {
        SOCKADDR_STORAGE address;

        for (n = 1; n < sizeof(SOCKADDR_IN6); n++) { /* too short, in as much memory as it says */
            wt_loopback(&address, AF_INET6, 9);
            wt_control(socket, &op, WskIoctl, codes[i], 0, n, odd(&block, &address, n), 0, NULL);
            done(&op, STATUS_INVALID_PARAMETER);
            ExFreePool(block);
        }
        for (n = 0; n <= RTL_NUMBER_OF(strange); n++) {
            wt_loopback(&address, AF_INET6, 9);
            address.ss_family = n < RTL_NUMBER_OF(strange) ? strange[n] : AF_INET;
            wt_control(socket, &op, WskIoctl, codes[i], 0, sizeof address, &address, 0, NULL);
            done(&op, STATUS_INVALID_PARAMETER);
        }
    }
    wt_send_to(socket, &op, &memory.buf, NULL, 0, NULL); /* none of them was taken */
    done(&op, STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_close_now(socket);
    input_free();
}

static void refused_connect(PSOCKADDR local, PSOCKADDR remote, NTSTATUS expected)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, SOCK_STREAM, IPPROTO_TCP, local, remote,
                                                       0, NULL, NULL, NULL, NULL, NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), expected);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
}

TEST(families_of_socket_connect, "R-SCON-03 D-01")
{
    UCHAR *good, *bad;
    PSOCKADDR at;
    unsigned n;

    at = odd_loopback(&good, AF_INET, 9);
    refused_connect(NULL, at, STATUS_INVALID_PARAMETER);
    refused_connect(at, NULL, STATUS_INVALID_PARAMETER);
    refused_connect(NULL, NULL, STATUS_INVALID_PARAMETER);
    for (n = 0; n <= RTL_NUMBER_OF(strange); n++) {
        ADDRESS_FAMILY family = n < RTL_NUMBER_OF(strange) ? strange[n] : AF_INET6;
        PSOCKADDR wrong = odd(&bad, &family, sizeof family);

        refused_connect(wrong, at, STATUS_INVALID_PARAMETER);
        refused_connect(at, wrong, STATUS_INVALID_PARAMETER);
        if (family != AF_INET6)
            refused_connect(wrong, wrong, STATUS_NOT_SUPPORTED);
        ExFreePool(bad);
    }
    ExFreePool(good);
}

/* ---- buffers ------------------------------------------------------------------------------------------ */

static const struct {
    BOOLEAN no_mdl;
    ULONG offset;
    SIZE_T length;
} bad_buffers[] = {
    /* of two MDLs of 10 bytes each */
    {FALSE, 0, 21},
    {FALSE, 1, 20},
    {FALSE, 9, 12},
    {FALSE, 10, 1},
    {FALSE, 19, 1},
    {FALSE, 20, 1},
    {FALSE, MAXULONG, 1},
    {FALSE, MAXULONG, 21},
    {FALSE, 0, ~(SIZE_T)0},
    {FALSE, 9, ~(SIZE_T)0 - 8}, /* their sum is 0 */
    {FALSE, 5, ~(SIZE_T)0 - 4},
    {FALSE, 5, (SIZE_T)1 << 63},
    {FALSE, 0, (SIZE_T)1 << 32}, /* 0 in 32 bits */
    {FALSE, 3, ((SIZE_T)1 << 32) + 5},
    {TRUE, 0, 1},
    {TRUE, 5, ~(SIZE_T)0},
};

static WSK_BUF bad_buffer(unsigned i)
{
    WSK_BUF buf = {bad_buffers[i].no_mdl ? NULL : memory.mdl, bad_buffers[i].offset, bad_buffers[i].length};

    return buf;
}

TEST(buffers_beyond_their_memory, "W-09 H-02 R-BUF-05 R-CONNX-04 D-01")
{
    static const struct {
        int which, state;
    } rows[] = {{SEND, CONNECTION},       {SEND_EX, CONNECTION},    {RECEIVE, CONNECTION},
                {RECEIVE_EX, CONNECTION}, {DISCONNECT, CONNECTION}, {CONNECT_EX, CONNECTION_BOUND},
                {SEND, STREAM_CONNECTED}, {SEND_TO, DATAGRAM},      {RECEIVE_FROM, DATAGRAM}};
    unsigned i, n;
    int peer;

    tables_fill();
    good_input();
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        PWSK_SOCKET socket = socket_in(rows[i].state, &peer);
        PVOID function = tables[wsk_socket_of(socket)->created][rows[i].which];

        for (n = 0; n < RTL_NUMBER_OF(bad_buffers); n++) {
            WSK_BUF buf = bad_buffer(n);

            with.buffer = &buf;
            expect(function, rows[i].which, socket,
                   rows[i].which == CONNECT_EX && buf.Length > 65535 ? STATUS_BUFFER_OVERFLOW
                                                                     : STATUS_INVALID_PARAMETER);
        }
        good_input();
        if (rows[i].which != DISCONNECT && rows[i].which != CONNECT_EX) { /* they may have none */
            with.buffer = NULL;
            expect(function, rows[i].which, socket, STATUS_INVALID_PARAMETER);
        }
        good_input();
        still_works(socket, rows[i].state, peer);
        wt_close_now(socket);
        if (peer >= 0)
            peer_close(peer);
    }
    input_free();
}

/* Nothing of a list is sent when one of its elements is bad, wherever that stands. */
TEST(a_bad_element_of_a_list, "W-09 H-02 R-BUF-05 R-SENDMSGS-07 D-01")
{
    enum { ELEMENTS = 5 };
    static const unsigned places[] = {0, ELEMENTS / 2, ELEMENTS - 1};
    WSK_BUF_LIST list[ELEMENTS];
    SOCKADDR_STORAGE address;
    int peer, peer_port = 0, port;
    PWSK_SOCKET socket = wt_datagrams(AF_INET, NULL, NULL, &port);
    UCHAR bytes[64];
    struct wt_op op;
    unsigned i, n, k;

    tables_fill();
    good_input();
    RtlFillMemory(memory.bytes, 20, 'x');
    peer = peer_datagram(PEER_INET, &peer_port);
    for (i = 0; i < RTL_NUMBER_OF(places); i++) {
        for (n = 0; n < RTL_NUMBER_OF(bad_buffers); n++) {
            for (k = 0; k < ELEMENTS; k++) {
                list[k].Next = k + 1 < ELEMENTS ? &list[k + 1] : NULL;
                list[k].Buffer = k == places[i] ? bad_buffer(n) : memory.buf;
            }
            with.list = list;
            with.address = wt_loopback(&address, AF_INET, peer_port);
            expect(tables[WSK_DATAGRAM][SEND_MESSAGES], SEND_MESSAGES, socket, STATUS_INVALID_PARAMETER);
        }
    }
    /* Elements without bytes are datagrams; where they would begin is not looked at. */
    list[0].Buffer = (WSK_BUF){NULL, 77, 0};
    list[1].Buffer = (WSK_BUF){memory.mdl, MAXULONG, 0};
    list[2].Buffer = (WSK_BUF){memory.mdl, 9, 11};
    list[2].Next = NULL;
    wt_op_init(&op);
    wt_send_messages(socket, &op, list, wt_loopback(&address, AF_INET, peer_port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 11);
    EXPECT_EQ(peer_datagram_receive(peer, bytes, sizeof bytes, NULL, 10000), 0); /* the first that come */
    EXPECT_EQ(peer_datagram_receive(peer, bytes, sizeof bytes, NULL, 10000), 0);
    EXPECT_EQ(peer_datagram_receive(peer, bytes, sizeof bytes, NULL, 10000), 11);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
    input_free();
}

/* A list, or a chain of MDLs, that comes back to any of its elements. */
TEST(lists_without_an_end, "W-09 R-BUF-07 R-SENDMSGS-07 D-01")
{
    enum { ELEMENTS = 6 };
    int port;
    PWSK_SOCKET socket = wt_datagrams(AF_INET, NULL, NULL, &port);
    WSK_BUF_LIST list[ELEMENTS];
    unsigned last, back, k;
    PMDL mdl;

    tables_fill();
    good_input();
    for (last = 0; last < ELEMENTS; last++)
        for (back = 0; back <= last; back++) {
            for (k = 0; k <= last; k++) {
                list[k].Next = k < last ? &list[k + 1] : &list[back];
                list[k].Buffer = memory.buf;
            }
            with.list = list;
            expect(tables[WSK_DATAGRAM][SEND_MESSAGES], SEND_MESSAGES, socket, STATUS_INVALID_PARAMETER);
        }
    good_input();
    mdl = memory.mdl->Next;
    for (back = 0; back < 2; back++) {
        WSK_BUF endless = {memory.mdl, 3, ~(SIZE_T)0};

        mdl->Next = back ? mdl : memory.mdl;
        with.buffer = &endless;
        expect(tables[WSK_DATAGRAM][SEND_TO], SEND_TO, socket, STATUS_INVALID_PARAMETER);
    }
    mdl->Next = NULL;
    good_input();
    still_works(socket, DATAGRAM, -1);
    wt_close_now(socket);
    input_free();
}
