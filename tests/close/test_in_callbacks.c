/*
 * test_in_callbacks.c - a close inside an event callback, of its own socket and of others, and while one runs
 * elsewhere.
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- inside the socket's own event callbacks ---------------------------------------------------------- */

struct self {
    PWSK_SOCKET socket;
    struct wt_op close;
    struct ct_gate gate;
    volatile LONG calls, returned; /* order number of the moment the callback was left */
    NTSTATUS answer, from_close;
    PWSK_DATA_INDICATION list;
};

static void close_myself(struct self *self)
{
    if (InterlockedIncrement(&self->calls) != 1)
        return;
    self->from_close = wt_close(self->socket, &self->close);
    EXPECT(!wt_is_done(&self->close)); /* C-CLOSE-17, 20: not while we are in here */
    ct_stand(&self->gate);
    EXPECT(!wt_is_done(&self->close));
    self->returned = wt_mark();
}

static NTSTATUS WSKAPI close_in_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                        SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct self *self = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    self->list = DataIndication;
    close_myself(self);
    return self->answer;
}

static NTSTATUS WSKAPI close_in_disconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    close_myself(SocketContext);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH closers = {close_in_receive, close_in_disconnect, NULL};
static const WSK_CLIENT_CONNECTION_DISPATCH receive_closer = {close_in_receive, NULL, NULL};

static void self_begin(struct self *self, int *peer, const WSK_CLIENT_CONNECTION_DISPATCH *table,
                       ULONG events)
{
    RtlZeroMemory(self, sizeof *self);
    wt_op_init(&self->close);
    self->socket = wt_connected(AF_INET, self, table, peer);
    EXPECT_STATUS(wt_events(self->socket, events, NULL), STATUS_SUCCESS);
}

static void self_end(struct self *self, int peer)
{
    ct_await(&self->gate);
    test_sleep_ms(5);
    ct_let_go(&self->gate);
    EXPECT_STATUS(wt_wait(&self->close), STATUS_SUCCESS);
    EXPECT_STATUS(self->from_close, STATUS_PENDING);
    EXPECT(self->returned < self->close.order);
    EXPECT_EQ(self->calls, 1);
    wt_op_free(&self->close);
    if (peer >= 0)
        peer_close(peer);
}

TEST(in_the_receive_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 R-CLOSE-05 R-CLOSE-06")
{
    static const NTSTATUS answers[] = {STATUS_SUCCESS, STATUS_DATA_NOT_ACCEPTED, STATUS_UNSUCCESSFUL};
    struct self self;
    unsigned i;
    int peer;

    for (i = 0; i < RTL_NUMBER_OF(answers); i++) {
        self_begin(&self, &peer, &closers, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
        self.answer = answers[i];
        peer_send(peer, "go", 2);
        ct_await(&self.gate);
        peer_send_some(peer, "more", 4); /* C-CLOSE-18: indicated to nobody */
        self_end(&self, peer);
    }
}

TEST(in_the_graceful_disconnect_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 C-CLOSE-39 R-CLOSE-06")
{
    struct self self;
    int peer;

    self_begin(&self, &peer, &closers, WSK_EVENT_DISCONNECT);
    peer_shutdown(peer);
    ct_await(&self.gate);
    peer_expect_reset(peer);
    self_end(&self, peer);
}

TEST(in_the_abortive_disconnect_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 R-CLOSE-06")
{
    struct self self;
    int peer;

    self_begin(&self, &peer, &closers, WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE);
    peer_reset(peer);
    self_end(&self, -1);
}

/* C-DATA-09: no list says that the socket is dead; the client closes it there and returns STATUS_SUCCESS. */
TEST(in_the_receive_event_of_a_dead_socket, "C-CLOSE-20 C-DATA-09")
{
    struct self self;
    int peer;

    self_begin(&self, &peer, &receive_closer, WSK_EVENT_RECEIVE);
    peer_reset(peer);
    self_end(&self, -1);
    EXPECT(self.list == NULL);
}

struct hall {
    PWSK_SOCKET socket, accepted;
    struct wt_op close, close_accepted;
    volatile LONG calls, returned;
    BOOLEAN parent, child;
    NTSTATUS answer, from_close;
};

static NTSTATUS WSKAPI close_in_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                       PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                       PVOID *AcceptSocketContext,
                                       const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct hall *hall = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    InterlockedIncrement(&hall->calls);
    hall->accepted = AcceptSocket;
    if (hall->child)
        wt_close(AcceptSocket, &hall->close_accepted);
    if (hall->parent) {
        hall->from_close = wt_close(hall->socket, &hall->close);
        EXPECT(!wt_is_done(&hall->close));
    }
    InterlockedExchange(&hall->returned, wt_mark());
    return hall->answer;
}

static const WSK_CLIENT_LISTEN_DISPATCH closing_hall = {close_in_accept, NULL, NULL};

/* The parent, the child or both are closed inside WskAcceptEvent, with each answer. */
TEST(in_the_accept_event, "C-CLOSE-20 C-CLOSE-22 C-CLOSE-31 C-CLOSE-43 C-CLOSE-44 D-08 C-LISTEN-07")
{
    int i, port, peer;

    for (i = 0; i < 8; i++) {
        struct hall hall = {.parent = i & 1,
                            .child = (i & 2) != 0,
                            .answer = (i & 4) ? STATUS_REQUEST_NOT_ACCEPTED : STATUS_SUCCESS};

        wt_op_init(&hall.close);
        wt_op_init(&hall.close_accepted);
        hall.socket = wt_listener(AF_INET, &hall, &closing_hall, &port);
        EXPECT_STATUS(wt_events(hall.socket, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
        peer = ct_knock(port);
        EXPECT_SOON(ReadAcquire(&hall.returned));
        if (hall.child)
            EXPECT_STATUS(wt_wait(&hall.close_accepted), STATUS_SUCCESS);
        else if (hall.answer == STATUS_SUCCESS)
            wt_close_now(hall.accepted);
        ct_gone(peer);
        if (hall.parent) {
            EXPECT_STATUS(wt_wait(&hall.close), STATUS_SUCCESS);
            EXPECT_STATUS(hall.from_close, STATUS_PENDING);
            EXPECT(hall.returned < hall.close.order);
        } else {
            wt_close_now(hall.socket);
        }
        EXPECT_EQ(hall.calls, 1);
        wt_op_free(&hall.close);
        wt_op_free(&hall.close_accepted);
    }
}

/* ---- callbacks of other sockets ----------------------------------------------------------------------- */

/* One socket's callback stands still; the other, on another processor (a callback at DISPATCH_LEVEL holds its
 * own), is closed meanwhile, with a receive pending. */
TEST(while_a_callback_of_another_socket_runs, "C-CLOSE-22")
{
    PWSK_SOCKET standing, others[8];
    struct wt_op receive, close;
    struct wt_buffer buffer;
    struct ct_gate gate = {0, 0};
    int peer, peers[8], n, chosen = -1;

    standing = wt_connected(AF_INET, &gate, &ct_stander, &peer);
    for (n = 0; n < 8; n++) {
        others[n] = wt_connected(AF_INET, NULL, NULL, &peers[n]);
        if (wsk_socket_of(others[n])->processor != wsk_socket_of(standing)->processor)
            chosen = n;
    }
    EXPECT(chosen >= 0);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&receive);
    wt_receive(others[chosen], &receive, &buffer.buf, 0);
    EXPECT_STATUS(wt_events(standing, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    ct_close(others[chosen], &close);
    ct_expect_cancelled(&receive, &close);
    ct_let_go(&gate);
    for (n = 0; n < 8; n++) {
        if (n != chosen)
            wt_close_now(others[n]);
        peer_close(peers[n]);
    }
    wt_close_now(standing);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

/* ---- while a callback runs on another thread ---------------------------------------------------------- */

TEST(while_a_callback_runs, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-19 R-CLOSE-05 R-CLOSE-08")
{
    struct wt_op close, receive;
    struct wt_buffer buffer;
    struct ct_gate gate = {0, 0};
    PWSK_SOCKET socket;
    LONG let_go;
    int peer;

    socket = wt_connected(AF_INET, &gate, &ct_stander, &peer);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&receive);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    wt_op_init(&close);
    EXPECT_STATUS(wt_close(socket, &close), STATUS_PENDING); /* and does not block: C-CLOSE-19 */
    peer_expect_reset(peer);                                 /* the connection is gone at once all the same */
    test_sleep_ms(20);
    EXPECT(!wt_is_done(&close));
    let_go = wt_mark();
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT(let_go < close.order);
    ct_expect_cancelled(&receive, &close);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}

static void disable_and_close(PWSK_SOCKET socket, struct wt_op *disable, struct wt_op *close)
{
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, disable), STATUS_PENDING);
    EXPECT_STATUS(wt_close(socket, close), STATUS_PENDING);
}

/* A disable that waits for the same callback: the close ends its IRP, the callback runs on. */
TEST(while_a_disable_waits_for_the_callback, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-17 D-26")
{
    struct wt_op close, disable;
    struct ct_gate gate = {0, 0};
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, &gate, &ct_stander, &peer);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    wt_op_init(&disable);
    wt_op_init(&close);
    disable_and_close(socket, &disable, &close);
    test_sleep_ms(5);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    ct_expect_cancelled(&disable, &close);
    peer_close(peer);
    wt_op_free(&disable);
    wt_op_free(&close);
}
