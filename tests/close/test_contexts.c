/*
 * test_contexts.c - a close from every place that a driver may close from: event callbacks, completion
 * routines, DPCs, with a lock held, from another thread; and with IRPs that live in every way an IRP may live
 * (D-08..10).
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
    KIRQL irql;
};

static void close_myself(struct self *self)
{
    if (InterlockedIncrement(&self->calls) != 1)
        return;
    self->irql = KeGetCurrentIrql();
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

/* A connection that WSK may reset before connect() has returned: -1 then. */
static int knock(int port)
{
    int peer = peer_connect(PEER_INET, port, 5000);

    EXPECT(peer >= 0 || peer_last_error() == 104 /* ECONNRESET */);
    return peer;
}

static void gone(int peer)
{
    if (peer < 0)
        return;
    peer_expect_reset(peer);
    peer_close(peer);
}

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
        peer = knock(port);
        EXPECT_SOON(ReadAcquire(&hall.returned));
        if (hall.child)
            EXPECT_STATUS(wt_wait(&hall.close_accepted), STATUS_SUCCESS);
        else if (hall.answer == STATUS_SUCCESS)
            wt_close_now(hall.accepted);
        gone(peer);
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

static NTSTATUS WSKAPI stand_in_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                        SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    ct_stand(SocketContext);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH stander = {stand_in_receive, NULL, NULL};

/* One socket's callback stands still; the other, on another processor (a callback at DISPATCH_LEVEL holds its
 * own), is closed meanwhile, with a receive pending. */
TEST(while_a_callback_of_another_socket_runs, "C-CLOSE-22")
{
    PWSK_SOCKET standing, others[8];
    struct wt_op receive, close;
    struct wt_buffer buffer;
    struct ct_gate gate = {0, 0};
    int peer, peers[8], n, chosen = -1;

    standing = wt_connected(AF_INET, &gate, &stander, &peer);
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

    socket = wt_connected(AF_INET, &gate, &stander, &peer);
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

    socket = wt_connected(AF_INET, &gate, &stander, &peer);
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
    peer = knock(port);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&after.close), STATUS_SUCCESS);
    gone(peer);
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

/* ---- at DISPATCH_LEVEL, with a lock of the driver's own ----------------------------------------------- */

static KSPIN_LOCK driver_lock;

static void take_driver_lock(struct wt_op *op)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(op);
    KeAcquireSpinLock(&driver_lock, &irql);
    KeReleaseSpinLock(&driver_lock, irql);
}

/* Completions that pend run elsewhere, so the driver's lock may be the one that they take.  A close in mode
 * inline runs them here (C-CLOSE-15): then the driver may not hold it. */
static BOOLEAN may_hold(void)
{
    return !test_mode_has("inline");
}

TEST(at_dispatch_level_with_a_lock_held, "C-CLOSE-07 D-05 D-08 R-CLOSE-15 C-CLOSE-15")
{
    struct wt_op receive, close;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    KSPIN_LOCK other_lock;
    KIRQL irql;
    int peer, i;

    wt_buffer_init(&buffer, 10);
    KeInitializeSpinLock(&driver_lock);
    KeInitializeSpinLock(&other_lock);
    for (i = 0; i < 2; i++) {
        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        wt_op_init(&receive);
        wt_op_init(&close);
        receive.hook = close.hook = take_driver_lock;
        if (i == 0)
            EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
        KeAcquireSpinLock(may_hold() ? &driver_lock : &other_lock, &irql);
        wt_close(socket, &close);
        EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
        KeReleaseSpinLock(may_hold() ? &driver_lock : &other_lock, irql);
        EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
        if (i == 0)
            ct_expect_cancelled(&receive, &close);
        peer_expect_reset(peer);
        peer_close(peer);
        wt_op_free(&receive);
        wt_op_free(&close);
    }
    wt_buffer_free(&buffer);
}

struct in_dpc {
    KDPC dpc;
    PWSK_SOCKET socket;
    struct wt_op close;
    volatile LONG left;
};

static VOID NTAPI close_in_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    struct in_dpc *in = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (may_hold())
        KeAcquireSpinLockAtDpcLevel(&driver_lock);
    wt_close(in->socket, &in->close);
    if (may_hold())
        KeReleaseSpinLockFromDpcLevel(&driver_lock);
    InterlockedExchange(&in->left, wt_mark());
}

/* A DPC of the driver runs on the very threads that deliver completions. */
TEST(in_a_dpc_with_a_lock_held, "C-CLOSE-07 D-05 D-08 R-CLOSE-15")
{
    struct in_dpc in;
    int i, peer = -1;

    KeInitializeSpinLock(&driver_lock);
    for (i = 0; i < 20; i++) {
        KeInitializeDpc(&in.dpc, close_in_dpc, &in);
        KeSetTargetProcessorDpc(&in.dpc, (CCHAR)(i & 1));
        wt_op_init(&in.close);
        in.close.hook = take_driver_lock;
        in.left = 0;
        in.socket = i & 2 ? wt_connected(AF_INET, NULL, NULL, &peer)
                          : wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        KeInsertQueueDpc(&in.dpc, NULL, NULL);
        EXPECT_STATUS(wt_wait(&in.close), STATUS_SUCCESS);
        EXPECT_SOON(ReadAcquire(&in.left));
        wt_op_free(&in.close);
        if (i & 2) {
            peer_expect_reset(peer);
            peer_close(peer);
        }
    }
}

/* ---- from another thread; by two sockets at each other ------------------------------------------------ */

struct other {
    PWSK_SOCKET socket;
    struct wt_op close;
};

static void close_in_thread(void *argument)
{
    struct other *other = argument;

    wt_close(other->socket, &other->close);
}

TEST(from_another_thread, "C-CLOSE-07 C-CLOSE-08 C-CLOSE-10 D-08")
{
    struct other other;
    struct wt_buffer buffer;
    struct wt_op receive;
    int peer;

    wt_buffer_init(&buffer, 10);
    other.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&receive);
    wt_op_init(&other.close);
    wt_receive(other.socket, &receive, &buffer.buf, 0);
    test_thread_join(test_thread_start(close_in_thread, &other)); /* and that thread is gone then */
    EXPECT_STATUS(wt_wait(&other.close), STATUS_SUCCESS);
    ct_expect_cancelled(&receive, &other.close);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&other.close);
    wt_buffer_free(&buffer);
}

TEST(both_ends_at_once, "C-CLOSE-07 C-CLOSE-14 C-CLOSE-38", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(500);

    for (i = 0; i < rounds; i++) {
        struct other one, two;
        struct wt_op receives[2], sends[2];
        struct wt_buffer buffers[2];
        struct test_thread *thread;
        int n;

        ct_pair(&one.socket, NULL, NULL, &two.socket, NULL, NULL);
        for (n = 0; n < 2; n++) {
            PWSK_SOCKET socket = n == 0 ? one.socket : two.socket;

            wt_buffer_init(&buffers[n], 100000);
            wt_op_init(&receives[n]);
            wt_op_init(&sends[n]);
            wt_receive(socket, &receives[n], &buffers[n].buf, WSK_FLAG_WAITALL);
            if (i & 1)
                wt_send(socket, &sends[n], &buffers[n].buf, 0);
        }
        wt_op_init(&one.close);
        wt_op_init(&two.close);
        thread = test_thread_start(close_in_thread, &one);
        close_in_thread(&two);
        test_thread_join(thread);
        EXPECT_STATUS(wt_wait(&one.close), STATUS_SUCCESS);
        EXPECT_STATUS(wt_wait(&two.close), STATUS_SUCCESS);
        for (n = 0; n < 2; n++) {
            LONG last = n == 0 ? one.close.order : two.close.order;

            wt_wait(&receives[n]); /* its own bytes, cancelled, or ended by the other's reset */
            EXPECT(receives[n].order < last);
            if (i & 1) {
                wt_wait(&sends[n]);
                EXPECT(sends[n].order < last);
            }
            wt_op_free(&receives[n]);
            wt_op_free(&sends[n]);
            wt_buffer_free(&buffers[n]);
        }
        wt_op_free(&one.close);
        wt_op_free(&two.close);
    }
}

/* ---- IRPs of every kind ------------------------------------------------------------------------------- */

static NTSTATUS NTAPI set_event(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* IRP and event live on this frame, which is written over as soon as it is left (D-09). */
static __attribute__((noinline)) void close_with_all_on_the_stack(PWSK_SOCKET socket)
{
    __attribute__((aligned(16))) UCHAR room[sizeof(IRP) + 2 * sizeof(IO_STACK_LOCATION)];
    PIRP irp = (PIRP)room;
    KEVENT event;

    EXPECT(sizeof room >= IoSizeOfIrp(1));
    IoInitializeIrp(irp, IoSizeOfIrp(1), 1);
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    IoSetCompletionRoutine(irp, set_event, &event, TRUE, TRUE, TRUE);
    if (wt_basic(socket)->WskCloseSocket(socket, irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(room, sizeof room, 0xee);
    RtlFillMemory(&event, sizeof event, 0xee);
    __asm__ volatile("" ::"r"(room), "r"(&event) : "memory");
}

TEST(with_irp_and_event_on_the_stack, "C-CLOSE-26 C-CLOSE-33 D-08 D-09 D-10")
{
    int i, peer;

    for (i = 0; i < 50; i++) {
        close_with_all_on_the_stack(wt_connected(AF_INET, NULL, NULL, &peer));
        peer_close(peer);
    }
}

struct context { /* of a socket: gone as soon as the close routine has it */
    volatile LONG *done;
    PVOID seen_device;
    KDPC unrelated;
};

static NTSTATUS NTAPI free_everything(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct context *context = Context;
    volatile LONG *done = context->done;

    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT_STATUS(Irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(context, sizeof *context, 0xee);
    ExFreePoolWithTag(context, 'txtC');
    RtlFillMemory(Irp, sizeof *Irp - sizeof(IO_STACK_LOCATION),
                  0); /* what is left of it is nobody's business */
    InterlockedIncrement(done);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS NTAPI free_irp_and_context(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct context *context = Context;
    volatile LONG *done = context->done;

    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT_STATUS(Irp->IoStatus.Status, STATUS_SUCCESS);
    RtlFillMemory(context, sizeof *context, 0xee);
    ExFreePoolWithTag(context, 'txtC');
    IoFreeIrp(Irp);
    InterlockedIncrement(done);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* As on the page: the routine frees the socket's context and the IRP itself. */
TEST(with_an_irp_that_frees_itself, "C-CLOSE-29 C-CLOSE-31 C-CLOSE-32 C-CLOSE-33 D-08")
{
    volatile LONG done = 0;
    int i, peer = -1;

    for (i = 0; i < 60; i++) {
        struct context *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *context, 'txtC');
        PWSK_SOCKET socket = wt_connected(AF_INET, context, &stander, &peer);
        PIRP irp = IoAllocateIrp(1, FALSE);

        context->done = &done;
        IoSetCompletionRoutine(irp, free_irp_and_context, context, TRUE, TRUE, TRUE);
        wt_basic(socket)->WskCloseSocket(socket, irp);
        peer_close(peer);
    }
    EXPECT_SOON(ReadAcquire(&done) == 60);
}

/* An IRP inside a structure of the driver's, wiped by its routine: nothing of ours hangs on it (D-10). */
TEST(with_an_irp_inside_a_structure, "C-CLOSE-33 D-10")
{
    volatile LONG done = 0;
    __attribute__((aligned(16))) UCHAR room[sizeof(IRP) + 2 * sizeof(IO_STACK_LOCATION)];
    int i, peer;

    for (i = 1; i <= 20; i++) {
        struct context *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *context, 'txtC');
        PWSK_SOCKET socket = wt_connected(AF_INET, context, NULL, &peer);

        context->done = &done;
        IoInitializeIrp((PIRP)room, IoSizeOfIrp(1), 1);
        IoSetCompletionRoutine((PIRP)room, free_everything, context, TRUE, TRUE, TRUE);
        wt_basic(socket)->WskCloseSocket(socket, (PIRP)room);
        EXPECT_SOON(ReadAcquire(&done) == i);
        peer_close(peer);
    }
}
