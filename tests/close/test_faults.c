/*
 * test_faults.c - memory and descriptors run out at every possible moment of a connection's life: no hang, no
 * leak, and what comes after works again.
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- the plan: the n-th attempt of a kind fails ------------------------------------------------------- */

static volatile LONG fault_kind, fault_countdown, faults;

static int plan(void *context, int kind)
{
    UNREFERENCED_PARAMETER(context);
    if (kind != ReadAcquire(&fault_kind))
        return 0;
    if (ReadAcquire(&fault_countdown) == -1 || InterlockedDecrement(&fault_countdown) == 0) {
        InterlockedIncrement(&faults);
        return 1;
    }
    return 0;
}

static void fail(LONG kind, LONG nth) /* nth -1: each one */
{
    InterlockedExchange(&fault_countdown, nth);
    InterlockedExchange(&fault_kind, kind);
}

static void stop_failing(void)
{
    InterlockedExchange(&fault_kind, 0);
}

/* Before any thread of ours may look. */
__attribute__((constructor)) static void install_plan(void)
{
    host_set_fault_plan(plan, NULL);
}

/* ---- a life ------------------------------------------------------------------------------------------- */

struct life {
    PWSK_SOCKET listener, accepted[8];
    volatile LONG accepts, bytes, dead;
    int port;
};

static NTSTATUS WSKAPI life_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                    SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct life *life = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (DataIndication == NULL)
        InterlockedIncrement(&life->dead);
    InterlockedExchangeAdd(&life->bytes, (LONG)BytesIndicated);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH life_connection = {life_receive, NULL, NULL};

static NTSTATUS WSKAPI life_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                   PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                   PVOID *AcceptSocketContext,
                                   const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct life *life = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = life;
    *AcceptSocketDispatch = &life_connection;
    life->accepted[ReadNoFence(&life->accepts)] = AcceptSocket;
    InterlockedIncrement(&life->accepts);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH life_listen = {life_accept, NULL, NULL};

static void life_begin(struct life *life)
{
    RtlZeroMemory(life, sizeof *life);
    life->listener = wt_listener(AF_INET, life, &life_listen, &life->port);
    EXPECT_STATUS(wt_events(life->listener, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

static void life_end(struct life *life)
{
    LONG i;

    wt_close_now(life->listener);
    for (i = 0; i < ReadAcquire(&life->accepts); i++)
        wt_close_now(life->accepted[i]);
}

/* A caller who is accepted and heard, or reset, or whose connection WSK calls dead. */
static void call_once(struct life *life)
{
    LONG bytes = ReadAcquire(&life->bytes);
    int peer = peer_connect(PEER_INET, life->port, 5000);
    char byte;

    if (peer < 0)
        return;
    peer_send_some(peer, "data", 4);
    while (ReadAcquire(&life->bytes) == bytes && ReadAcquire(&life->dead) == 0)
        if (peer_receive(peer, &byte, 1, 1) != -2)
            break;
    peer_close(peer);
}

/* One who must be heard: nothing fails any more. */
static void call_for_certain(struct life *life)
{
    static const UCHAR much[1000];
    int peer = peer_connect(PEER_INET, life->port, 5000);

    EXPECT(peer >= 0);
    peer_send(peer, much, sizeof much);
    EXPECT_SOON(ReadAcquire(&life->bytes) >= 1000); /* the others together have not said as much */
    peer_close(peer);
}

static void with_faults(LONG kind)
{
    LONG nth;

    for (nth = 1; nth <= 12; nth++) {
        struct life life;

        life_begin(&life);
        fail(kind, nth);
        call_once(&life);
        call_once(&life);
        stop_failing();
        call_for_certain(&life); /* the listener has not given up */
        life_end(&life);
    }
    EXPECT(faults > 0);
}

TEST(no_pool_for_accepts_and_indications, "C-CLOSE-43 C-CLOSE-45 C-LISTEN-04", TEST_TIMEOUT(60))
{
    with_faults(HOST_FAULT_POOL);
}

/* The transport has no descriptor.  The listener tries again when one is given back: here, by the listener of
 * another life, for which nobody calls. */
TEST(no_descriptor_for_accepts, "C-CLOSE-43 C-CLOSE-45 C-LISTEN-04", TEST_TIMEOUT(60))
{
    LONG nth;

    for (nth = 1; nth <= 4; nth++) {
        PWSK_SOCKET spare = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        LONG before = ReadAcquire(&faults);
        struct life life;
        int peer;

        life_begin(&life);
        fail(HOST_FAULT_TRANSPORT, nth);
        EXPECT((peer = peer_connect(PEER_INET, life.port, 5000)) >= 0);
        EXPECT_SOON(ReadAcquire(&faults) > before || ReadAcquire(&life.accepts) == 1);
        test_sleep_ms(10); /* time for what an accepted one asks for */
        stop_failing();
        wt_close_now(spare);
        EXPECT_SOON(ReadAcquire(&life.accepts) == 1);
        peer_send(peer, "data", 4);
        EXPECT_SOON(ReadAcquire(&life.bytes) == 4 || ReadAcquire(&life.dead) == 1); /* its own op failed */
        life_end(&life);
        peer_expect_reset(peer);
        peer_close(peer);
    }
    EXPECT(faults > 0);
}

/* Two listeners starve; a descriptor that is given back helps neither: each tries once, nobody spins. */
TEST(two_listeners_without_descriptors, "C-CLOSE-19 C-CLOSE-43 C-LISTEN-04")
{
    PWSK_SOCKET spare[2] = {wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL),
                            wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL)};
    struct life one, two;
    int peers[2];
    LONG tries;

    life_begin(&one);
    life_begin(&two);
    fail(HOST_FAULT_TRANSPORT, -1);
    EXPECT((peers[0] = peer_connect(PEER_INET, one.port, 5000)) >= 0);
    EXPECT((peers[1] = peer_connect(PEER_INET, two.port, 5000)) >= 0);
    EXPECT_SOON(ReadAcquire(&faults) >= 2);
    wt_close_now(spare[0]);
    do { /* they come to rest: the limit below ends a loop that does not */
        tries = ReadAcquire(&faults);
        test_sleep_ms(40);
    } while (ReadAcquire(&faults) != tries && tries < 50);
    EXPECT(tries < 50);
    stop_failing();
    wt_close_now(spare[1]);
    EXPECT_SOON(ReadAcquire(&one.accepts) == 1 && ReadAcquire(&two.accepts) == 1);
    life_end(&one);
    life_end(&two);
    peer_close(peers[0]);
    peer_close(peers[1]);
}

/* Closed while it starves. */
TEST(a_starving_listener_is_closed, "C-CLOSE-07 C-CLOSE-43 C-CLOSE-45")
{
    struct life life;
    int peer;

    life_begin(&life);
    fail(HOST_FAULT_TRANSPORT, -1);
    EXPECT((peer = peer_connect(PEER_INET, life.port, 5000)) >= 0);
    EXPECT_SOON(ReadAcquire(&faults) >= 1);
    life_end(&life);
    stop_failing();
    peer_expect_reset(peer);
    peer_close(peer);
}

/* ---- WskAccept, WskSocket, WskSocketConnect ----------------------------------------------------------- */

static void accepts_with_faults(LONG kind)
{
    LONG nth;

    for (nth = 1; nth <= 6; nth++) {
        int port, peers[3], i;
        PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);
        struct wt_op accepts[3];

        for (i = 0; i < 3; i++) {
            wt_op_init(&accepts[i]);
            if (i < 2)
                wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL);
        }
        fail(kind, nth);
        for (i = 0; i < 2; i++)
            peers[i] = peer_connect(PEER_INET, port, 5000);
        for (i = 0; i < 2; i++) {
            NTSTATUS status;

            EXPECT_SOON(wt_is_done(&accepts[i]) || peers[i] < 0);
            if (!wt_is_done(&accepts[i]))
                continue; /* its connection was reset; it waits for the next */
            status = wt_wait(&accepts[i]);
            EXPECT(status == STATUS_SUCCESS || status == STATUS_INSUFFICIENT_RESOURCES);
            EXPECT(status == STATUS_SUCCESS || accepts[i].information == 0);
        }
        stop_failing();
        EXPECT((peers[2] = peer_connect(PEER_INET, port, 5000)) >= 0);
        wt_accept(listener, &accepts[2], NULL, NULL, NULL, NULL);
        EXPECT_SOON(wt_is_done(&accepts[0]) && wt_is_done(&accepts[1]));
        wt_close_now(listener);
        wt_wait(&accepts[2]); /* a connection, or cancelled when an earlier accept took it */
        for (i = 0; i < 3; i++) {
            if (accepts[i].status == STATUS_SUCCESS)
                wt_close_now((PWSK_SOCKET)accepts[i].information);
            wt_op_free(&accepts[i]);
            if (peers[i] >= 0)
                peer_close(peers[i]);
        }
    }
    EXPECT(faults > 0);
}

TEST(no_pool_for_wsk_accept, "R-ACC-09 D-01 C-CLOSE-45")
{
    accepts_with_faults(HOST_FAULT_POOL);
}

TEST(no_descriptor_for_wsk_accept, "R-ACC-09 D-01 C-CLOSE-45")
{
    accepts_with_faults(HOST_FAULT_TRANSPORT);
}

static void sockets_with_faults(LONG kind)
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    SOCKADDR_STORAGE local, remote;
    LONG nth;

    for (nth = 1; nth <= 4; nth++) {
        struct wt_op socket, connect;

        wt_op_init(&socket);
        wt_op_init(&connect);
        fail(kind, nth);
        wt_socket(&socket, AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        wt_returned(&connect, wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, SOCK_STREAM, IPPROTO_TCP,
                                                                wt_any(&local, AF_INET, 0),
                                                                wt_loopback(&remote, AF_INET, port), 0, NULL,
                                                                NULL, NULL, NULL, NULL, connect.irp));
        wt_wait(&socket);
        wt_wait(&connect);
        stop_failing();
        if (socket.status == STATUS_SUCCESS)
            wt_close_now((PWSK_SOCKET)socket.information);
        else
            EXPECT_STATUS(socket.status, STATUS_INSUFFICIENT_RESOURCES);
        if (connect.status == STATUS_SUCCESS) {
            wt_close_now((PWSK_SOCKET)connect.information);
            peer_close(peer_accept(listener));
        } else {
            EXPECT_STATUS(connect.status, STATUS_INSUFFICIENT_RESOURCES);
            EXPECT_EQ(connect.information, 0);
        }
        wt_op_free(&socket);
        wt_op_free(&connect);
    }
    EXPECT(faults > 0);
    peer_close(listener);
}

TEST(no_pool_for_a_socket, "D-01 R-SCON-05 C-CLOSE-45")
{
    sockets_with_faults(HOST_FAULT_POOL);
}

TEST(no_descriptor_for_a_socket, "D-01 R-SCON-05 C-CLOSE-45")
{
    sockets_with_faults(HOST_FAULT_TRANSPORT);
}

/* ---- the close itself needs nothing ------------------------------------------------------------------- */

/* With no pool left at all every operation of an open socket still ends, and the close, too. */
TEST(a_close_needs_no_memory, "C-CLOSE-07 C-CLOSE-12 C-CLOSE-25 C-CLOSE-27")
{
    struct wt_op receive, send, disconnect, close;
    struct wt_buffer in, out;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&in, 10);
    wt_buffer_init(&out, 16u << 20);
    wt_op_init(&receive);
    wt_op_init(&send);
    wt_op_init(&disconnect);
    wt_op_init(&close);
    fail(HOST_FAULT_POOL, -1);
    EXPECT_STATUS(wt_receive(socket, &receive, &in.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_send(socket, &send, &out.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_disconnect(socket, &disconnect, NULL, 0), STATUS_PENDING);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    stop_failing();
    ct_expect_cancelled(&receive, &close);
    ct_expect_cancelled(&send, &close);
    ct_expect_cancelled(&disconnect, &close);
    EXPECT_EQ(faults, 0); /* nothing was even asked for */
    wt_op_free(&receive);
    wt_op_free(&send);
    wt_op_free(&disconnect);
    wt_op_free(&close);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    peer_close(peer);
}
