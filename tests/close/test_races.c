/*
 * test_races.c - close against everything that can happen at the same moment.
 *
 * Strategy: each test is one race, run many times (1,000 in make check-full, a fiftieth in make check, in
 * each of the nine modes).  The threads of a round meet at a barrier and then do their one step with a small,
 * varying delay, so that over the rounds the steps meet in every order.  Whatever the order, the contract
 * holds at the end of each round: every IRP was completed exactly once (the fixture checks that), with its
 * own result or STATUS_CANCELLED and 0 (C-CLOSE-13), before the close IRP (C-CLOSE-14), and no callback began
 * after the close IRP was completed (C-CLOSE-18).
 */
#include "wsk_test.h"

WT_FIXTURE;

#define ROUNDS test_scale(1000)

/* ---- two threads that meet ---------------------------------------------------------------------------- */

struct racer {
    void (*step)(void *context);
    void *context;
    struct test_barrier *barrier;
    volatile LONG *stop;
    LONG round;
    LONG shift; /* how the delay of this racer changes from round to round */
};

static void spin(LONG n)
{
    volatile LONG i;

    for (i = 0; i < n; i++)
        YieldProcessor();
}

static void racer_main(void *argument)
{
    struct racer *racer = argument;

    for (;;) {
        test_barrier_wait(racer->barrier);
        if (*racer->stop)
            return;
        spin((racer->round++ * racer->shift) % 97 * 8);
        racer->step(racer->context);
        test_barrier_wait(racer->barrier);
    }
}

/* Runs `rounds` rounds: before(context), then both steps at the same time, then after(context). */
static void race(void (*before)(void *), void (*step1)(void *), void (*step2)(void *), void (*after)(void *),
                 void *context)
{
    struct test_barrier *barrier = test_barrier_create(2);
    volatile LONG stop = 0;
    struct racer second = {step2, context, barrier, &stop, 0, 7};
    struct test_thread *thread = test_thread_start(racer_main, &second);
    LONG round, rounds = (LONG)ROUNDS;

    for (round = 0; round < rounds; round++) {
        before(context);
        test_barrier_wait(barrier);
        spin((round * 13) % 89 * 8);
        step1(context);
        test_barrier_wait(barrier);
        after(context);
    }
    stop = 1;
    test_barrier_wait(barrier);
    test_thread_join(thread);
    test_barrier_free(barrier);
}

/* ---- one connection with everything on it ------------------------------------------------------------- */

struct line {
    PWSK_SOCKET socket;
    int peer;
    struct wt_buffer in, out;
    struct wt_op receive, send, close, extra;
    volatile LONG closed; /* the close IRP's routine has run */
    volatile LONG late;   /* callbacks that began after it */
    volatile LONG callbacks;
    LONG kind;
};

static void line_closed(struct wt_op *op)
{
    InterlockedExchange(&((struct line *)op->context)->closed, 1);
}

static NTSTATUS WSKAPI on_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                  SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (line->closed)
        InterlockedIncrement(&line->late);
    InterlockedIncrement(&line->callbacks);
    spin(200);
    if (line->closed)
        InterlockedIncrement(&line->late); /* the close completed while we were in it: C-CLOSE-17 */
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI on_disconnect(PVOID SocketContext, ULONG Flags)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    if (line->closed)
        InterlockedIncrement(&line->late);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH events = {on_receive, on_disconnect, NULL};

static void line_open(struct line *line, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch)
{
    line->closed = line->late = line->callbacks = 0;
    line->socket = wt_connected(AF_INET, line, dispatch, &line->peer);
    wt_buffer_init(&line->in, 64);
    wt_buffer_init(&line->out, 64);
    wt_op_init(&line->receive);
    wt_op_init(&line->send);
    wt_op_init(&line->extra);
    wt_op_init(&line->close);
    line->close.hook = line_closed;
    line->close.context = line;
}

static void line_end(struct line *line)
{
    EXPECT_STATUS(wt_wait(&line->close), STATUS_SUCCESS);
    EXPECT_EQ(line->late, 0); /* C-CLOSE-17, 18 */
    peer_close(line->peer);
    wt_op_free(&line->receive);
    wt_op_free(&line->send);
    wt_op_free(&line->extra);
    wt_op_free(&line->close);
    wt_buffer_free(&line->in);
    wt_buffer_free(&line->out);
}

static void step_close(void *context)
{
    struct line *line = context;

    wt_close(line->socket, &line->close);
}

static void step_peer_sends(void *context)
{
    peer_send_some(((struct line *)context)->peer, "data", 4);
}

static void step_peer_shuts_down(void *context)
{
    peer_shutdown(((struct line *)context)->peer);
}

/* Either its own bytes or STATUS_CANCELLED and 0 (C-CLOSE-13), and before the close (C-CLOSE-14). */
static void check_ended(struct wt_op *op, struct wt_op *close, ULONG_PTR full)
{
    NTSTATUS status = wt_wait(op);

    if (status == STATUS_CANCELLED) {
        EXPECT_EQ(op->information, 0);
        EXPECT(op->cancel); /* D-26 */
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQ(op->information, full);
    }
    EXPECT(op->order < close->order);
}

/* ---- pending receive: data, FIN, cancel --------------------------------------------------------------- */

static void before_receive(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
}

static void after_data(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 4);
    line_end(line);
}

TEST(race_close_with_arriving_data, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 R-CLOSE-04", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_peer_sends, after_data, &line);
}

static void after_fin(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_the_peers_fin, "C-CLOSE-12 C-CLOSE-13 C-CLOSE-39", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_peer_shuts_down, after_fin, &line);
}

/* The IRP outlives the race: only wt_op_free in line_end frees it (K-CANCEL-07). */
static void step_cancel_receive(void *context)
{
    IoCancelIrp(((struct line *)context)->receive.irp);
}

static void after_cancel(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT_STATUS(wt_wait(&line->receive), STATUS_CANCELLED);
    EXPECT_EQ(line->receive.information, 0);
    EXPECT(line->receive.order < line->close.order);
    line_end(line);
}

TEST(race_close_with_io_cancel_irp, "C-CLOSE-12 K-CANCEL-01 K-CANCEL-03 D-26", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_close, step_cancel_receive, after_cancel, &line);
}

static void before_two_receives(void *context)
{
    struct line *line = context;

    before_receive(line);
    wt_receive(line->socket, &line->extra, &line->out.buf, WSK_FLAG_WAITALL);
}

static void step_cancel_second(void *context)
{
    IoCancelIrp(((struct line *)context)->extra.irp);
}

static void after_cancel_second(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_CANCELLED);
    EXPECT(line->extra.order < line->close.order);
    after_cancel(context);
}

TEST(race_close_with_cancel_of_a_queued_receive, "C-CLOSE-12 K-CANCEL-01", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_two_receives, step_close, step_cancel_second, after_cancel_second, &line);
}

/* ---- data against cancel, nobody closes: the stream loses nothing (D-16) ------------------------------ */

static void after_cancel_alone(void *context)
{
    struct line *line = context;
    NTSTATUS status = wt_wait(&line->receive);
    char text[8];

    if (status == STATUS_CANCELLED) {
        EXPECT_EQ(line->receive.information, 0);
        EXPECT_EQ(wt_receive_now(line->socket, text, 4, WSK_FLAG_WAITALL), 4);
        EXPECT(RtlEqualMemory(text, "data", 4));
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQ(line->receive.information, 4);
    }
    step_close(line);
    line_end(line);
}

TEST(race_data_with_io_cancel_irp, "D-16 K-CANCEL-06", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive, step_cancel_receive, step_peer_sends, after_cancel_alone, &line);
}

/* ---- sends -------------------------------------------------------------------------------------------- */

static void before_nothing(void *context)
{
    line_open(context, NULL);
    RtlFillMemory(((struct line *)context)->out.bytes, 64, 'x');
}

/* The driver that closes has made sure that no call is in progress: the send has returned before the close.
 */
static void step_send_and_close(void *context)
{
    struct line *line = context;

    wt_send(line->socket, &line->send, &line->out.buf, 0);
    step_close(line);
}

static void step_peer_reads(void *context)
{
    struct line *line = context;
    char text[64];

    peer_receive(line->peer, text, sizeof text, 1);
}

static void after_send(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->send, &line->close, 64);
    line_end(line);
}

TEST(race_close_with_a_send_on_its_way, "C-CLOSE-11 C-CLOSE-13 D-16", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_send_and_close, step_peer_reads, after_send, &line);
}

static void step_peer_resets(void *context)
{
    struct line *line = context;

    peer_reset(line->peer);
    line->peer = -1;
}

static void step_send_receive_close(void *context)
{
    struct line *line = context;

    wt_receive(line->socket, &line->receive, &line->in.buf, 0);
    wt_send(line->socket, &line->send, &line->out.buf, 0);
    step_close(line);
}

/* The reset may come first: then each operation ends with the connection's end, or was refused with it. */
static void after_reset(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT(wt_is_done(&line->receive) && wt_is_done(&line->send));
    EXPECT(line->receive.order < line->close.order && line->send.order < line->close.order);
    EXPECT_STATUS(wt_wait(&line->close), STATUS_SUCCESS);
    wt_op_free(&line->receive);
    wt_op_free(&line->send);
    wt_op_free(&line->extra);
    wt_op_free(&line->close);
    wt_buffer_free(&line->in);
    wt_buffer_free(&line->out);
}

TEST(race_close_with_a_reset, "C-CLOSE-12 C-CLOSE-14", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_send_receive_close, step_peer_resets, after_reset, &line);
}

/* ---- callbacks ---------------------------------------------------------------------------------------- */

static void before_events(void *context)
{
    struct line *line = context;

    line_open(line, &events);
    EXPECT_STATUS(wt_events(line->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
}

static void after_events(void *context)
{
    line_end(context);
}

TEST(race_close_with_a_receive_event, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-19 R-CLOSE-05", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_events, step_close, step_peer_sends, after_events, &line);
}

TEST(race_close_with_a_disconnect_event, "C-CLOSE-17 C-CLOSE-18", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_events, step_close, step_peer_shuts_down, after_events, &line);
}

static void step_disable(void *context)
{
    struct line *line = context;

    wt_events(line->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &line->extra);
}

static void after_disable(void *context)
{
    struct line *line = context;
    LONG calls;

    EXPECT_STATUS(wt_wait(&line->extra), STATUS_SUCCESS);
    calls = line->callbacks; /* C-EVT-11: none begins any more */
    peer_send(line->peer, "more", 4);
    EXPECT_EQ(line->callbacks, calls);
    step_close(line);
    line_end(line);
}

TEST(race_disable_with_a_receive_event, "C-EVT-08 C-EVT-09 C-EVT-11 R-CTLS-12", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_events, step_disable, step_peer_sends, after_disable, &line);
}

static NTSTATUS WSKAPI close_in_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                        SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (InterlockedIncrement(&line->callbacks) != 1)
        InterlockedIncrement(&line->late);
    if (wt_close(line->socket, &line->close) != STATUS_PENDING)
        InterlockedIncrement(&line->late); /* C-CLOSE-20: always pends */
    spin(300);
    if (line->closed)
        InterlockedIncrement(&line->late);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH closing_events = {close_in_receive, on_disconnect, NULL};

static void before_closing_events(void *context)
{
    struct line *line = context;

    line_open(line, &closing_events);
    EXPECT_STATUS(wt_events(line->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

TEST(race_close_in_a_callback_with_more_data, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20 R-CLOSE-06",
     TEST_TIMEOUT(120))
{
    struct line line;

    race(before_closing_events, step_peer_sends, step_peer_sends, after_events, &line);
}

/* ---- connects ----------------------------------------------------------------------------------------- */

struct dial {
    PWSK_SOCKET socket;
    struct wt_op connect, close;
    int listener, port;
};

static void before_connect(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE local;

    dial->socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    wt_op_init(&dial->connect);
    wt_op_init(&dial->close);
    wt_bind(dial->socket, &dial->connect, wt_any(&local, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&dial->connect), STATUS_SUCCESS);
    wt_again(&dial->connect);
}

static void step_connect_and_close(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE remote;

    wt_connect(dial->socket, &dial->connect, wt_loopback(&remote, AF_INET, dial->port));
    wt_close(dial->socket, &dial->close);
}

static void step_accept(void *context)
{
    struct dial *dial = context;
    int peer = peer_accept_within(dial->listener, 2);

    if (peer >= 0)
        peer_close(peer);
}

static void after_connect(void *context)
{
    struct dial *dial = context;

    EXPECT_STATUS(wt_wait(&dial->close), STATUS_SUCCESS);
    check_ended(&dial->connect, &dial->close, 0);
    wt_op_free(&dial->connect);
    wt_op_free(&dial->close);
}

TEST(race_close_with_a_connect, "C-CLOSE-07 C-CLOSE-42", TEST_TIMEOUT(120))
{
    struct dial dial;

    dial.port = 0;
    dial.listener = peer_listen(PEER_INET, &dial.port);
    race(before_connect, step_connect_and_close, step_accept, after_connect, &dial);
    peer_close(dial.listener);
}

/* ---- listeners ---------------------------------------------------------------------------------------- */

struct door {
    PWSK_SOCKET socket;
    struct wt_op accept, close;
    int port, peer;
    volatile LONG closed, late, accepted;
    PWSK_SOCKET sockets[16];
};

static NTSTATUS WSKAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct door *door = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (door->closed)
        InterlockedIncrement(&door->late);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    door->sockets[InterlockedIncrement(&door->accepted) - 1] = AcceptSocket;
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH door_events = {on_accept, NULL, NULL};

static void door_closed(struct wt_op *op)
{
    InterlockedExchange(&((struct door *)op->context)->closed, 1);
}

static void before_door(void *context)
{
    struct door *door = context;

    door->closed = door->late = door->accepted = 0;
    door->socket = wt_listener(AF_INET, door, &door_events, &door->port);
    wt_op_init(&door->accept);
    wt_op_init(&door->close);
    door->close.hook = door_closed;
    door->close.context = door;
}

static void before_door_accept(void *context)
{
    struct door *door = context;

    before_door(door);
    wt_accept(door->socket, &door->accept, NULL, NULL, NULL, NULL);
}

static void before_door_event(void *context)
{
    struct door *door = context;

    before_door(door);
    EXPECT_STATUS(wt_events(door->socket, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
}

static void step_close_door(void *context)
{
    struct door *door = context;

    wt_close(door->socket, &door->close);
}

static void step_knock(void *context)
{
    struct door *door = context;

    door->peer = peer_connect(PEER_INET, door->port, 2000);
}

static void after_door(void *context)
{
    struct door *door = context;
    LONG i;

    EXPECT_STATUS(wt_wait(&door->close), STATUS_SUCCESS);
    EXPECT_EQ(door->late, 0);
    for (i = 0; i < door->accepted; i++)
        wt_close_now(door->sockets[i]); /* C-CLOSE-44 */
    if (door->peer >= 0)
        peer_close(door->peer);
    wt_op_free(&door->accept);
    wt_op_free(&door->close);
}

static void after_door_accept(void *context)
{
    struct door *door = context;

    if (wt_wait(&door->accept) == STATUS_SUCCESS) {
        wt_close_now((PWSK_SOCKET)door->accept.information);
    } else {
        EXPECT_STATUS(door->accept.status, STATUS_CANCELLED); /* W-02 */
        EXPECT_EQ(door->accept.information, 0);
    }
    wt_wait(&door->close);
    EXPECT(door->accept.order < door->close.order);
    after_door(door);
}

TEST(race_close_of_a_listener_with_a_pended_accept, "C-CLOSE-43 W-02", TEST_TIMEOUT(120))
{
    struct door door;

    race(before_door_accept, step_close_door, step_knock, after_door_accept, &door);
}

TEST(race_close_of_a_listener_with_an_accept_event, "C-CLOSE-18 C-CLOSE-43 C-CLOSE-44", TEST_TIMEOUT(120))
{
    struct door door;

    race(before_door_event, step_close_door, step_knock, after_door, &door);
}

/* ---- the other kinds of receive ----------------------------------------------------------------------- */

static void before_receive_all(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &line->in.buf, WSK_FLAG_WAITALL);
    peer_send(line->peer, "0123456789", 10);
}

static void step_peer_sends_the_rest(void *context)
{
    static const char rest[54];

    peer_send_some(((struct line *)context)->peer, rest, sizeof rest);
}

static void after_receive_all(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 64); /* all or nothing (D-16) */
    line_end(line);
}

TEST(race_close_with_the_rest_of_the_data, "C-CLOSE-13 D-16", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive_all, step_close, step_peer_sends_the_rest, after_receive_all, &line);
}

static void before_receive_nothing(void *context)
{
    WSK_BUF empty = {NULL, 0, 0};
    struct line *line = context;

    line_open(line, NULL);
    wt_receive(line->socket, &line->receive, &empty, 0);
    wt_receive(line->socket, &line->extra, &empty, WSK_FLAG_DRAIN);
}

static void step_peer_sends_and_shuts_down(void *context)
{
    struct line *line = context;

    if (peer_send_some(line->peer, "data", 4) == 4)
        peer_shutdown(line->peer);
}

static void after_receive_nothing(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->receive, &line->close, 0);
    check_ended(&line->extra, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_readiness_and_the_end_of_a_drain, "C-CLOSE-12 C-CLOSE-13", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_receive_nothing, step_close, step_peer_sends_and_shuts_down, after_receive_nothing, &line);
}

/* ---- a window that opens ------------------------------------------------------------------------------ */

struct flood {
    struct line line;
    struct wt_buffer much;
};

static void before_flood(void *context)
{
    struct flood *flood = context;

    line_open(&flood->line, NULL);
    wt_buffer_init(&flood->much, 8u << 20);
    wt_send(flood->line.socket, &flood->line.send, &flood->much.buf, 0);
    wt_send(flood->line.socket, &flood->line.extra, &flood->line.out.buf, 0);
}

static void step_close_flood(void *context)
{
    step_close(&((struct flood *)context)->line);
}

static void step_peer_reads_much(void *context)
{
    static char text[1 << 16];
    struct flood *flood = context;
    int i;

    for (i = 0; i < 200; i++)
        if (peer_receive(flood->line.peer, text, sizeof text, 1) < 0)
            break;
}

static void after_flood(void *context)
{
    struct flood *flood = context;

    wt_wait(&flood->line.close);
    check_ended(&flood->line.send, &flood->line.close, 8u << 20);
    check_ended(&flood->line.extra, &flood->line.close, 64);
    line_end(&flood->line);
    wt_buffer_free(&flood->much);
}

/* Nobody cancels one by one: then they end in order, even when the transport was about to end the first. */
static void after_flood_in_order(void *context)
{
    struct flood *flood = context;

    wt_wait(&flood->line.close);
    EXPECT(flood->line.send.order < flood->line.extra.order); /* D-06 */
    after_flood(context);
}

TEST(race_close_with_a_window_that_opens, "C-CLOSE-13 C-CLOSE-16 C-CLOSE-41 D-06 D-16", TEST_TIMEOUT(240))
{
    struct flood flood;

    race(before_flood, step_close_flood, step_peer_reads_much, after_flood_in_order, &flood);
}

static void step_cancel_both_sends(void *context)
{
    struct flood *flood = context;

    IoCancelIrp(flood->line.send.irp);
    IoCancelIrp(flood->line.extra.irp);
}

TEST(race_close_with_io_cancel_irp_of_sends, "C-CLOSE-12 C-CLOSE-13 K-CANCEL-01", TEST_TIMEOUT(240))
{
    struct flood flood;

    race(before_flood, step_close_flood, step_cancel_both_sends, after_flood, &flood);
}

/* ---- disconnects -------------------------------------------------------------------------------------- */

static void step_disconnect_and_close(void *context)
{
    struct line *line = context;

    wt_disconnect(line->socket, &line->extra, NULL, 0);
    step_close(line);
}

static void after_disconnect(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    check_ended(&line->extra, &line->close, 0);
    line_end(line);
}

TEST(race_close_with_a_disconnect_and_the_peers_fin, "C-CLOSE-13 C-CLOSE-39 C-CLOSE-40 R-CLOSE-14",
     TEST_TIMEOUT(120))
{
    struct line line;

    race(before_nothing, step_disconnect_and_close, step_peer_shuts_down, after_disconnect, &line);
}

static void before_stuck_disconnect(void *context)
{
    struct line *line = context;

    line_open(line, NULL);
    peer_drop_incoming(line->peer);
    wt_disconnect(line->socket, &line->extra, NULL, 0);
}

static void step_cancel_extra(void *context)
{
    IoCancelIrp(((struct line *)context)->extra.irp);
}

TEST(race_close_with_io_cancel_irp_of_a_disconnect, "C-CLOSE-12 R-CLOSE-14 K-CANCEL-01", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_stuck_disconnect, step_close, step_cancel_extra, after_disconnect, &line);
}

/* ---- connects and accepts, cancelled ------------------------------------------------------------------ */

static void before_dial(void *context)
{
    struct dial *dial = context;
    SOCKADDR_STORAGE remote;

    before_connect(dial);
    wt_connect(dial->socket, &dial->connect, wt_loopback(&remote, AF_INET, dial->port));
}

static void step_close_dial(void *context)
{
    struct dial *dial = context;

    wt_close(dial->socket, &dial->close);
}

static void step_cancel_dial(void *context)
{
    IoCancelIrp(((struct dial *)context)->connect.irp);
}

TEST(race_close_with_io_cancel_irp_of_a_connect, "C-CLOSE-12 C-CLOSE-42 K-CANCEL-01", TEST_TIMEOUT(120))
{
    struct dial dial;

    dial.port = peer_black_hole_port(PEER_INET);
    race(before_dial, step_close_dial, step_cancel_dial, after_connect, &dial);
}

static void step_cancel_accept(void *context)
{
    IoCancelIrp(((struct door *)context)->accept.irp);
}

static void after_door_cancel(void *context)
{
    struct door *door = context;

    EXPECT_STATUS(wt_wait(&door->accept), STATUS_CANCELLED);
    wt_wait(&door->close);
    EXPECT(door->accept.order < door->close.order);
    door->peer = -1;
    after_door(door);
}

TEST(race_close_of_a_listener_with_io_cancel_irp, "C-CLOSE-12 C-CLOSE-43 K-CANCEL-01", TEST_TIMEOUT(120))
{
    struct door door;

    race(before_door_accept, step_close_door, step_cancel_accept, after_door_cancel, &door);
}

/* ---- a disable that waits for a callback, cancelled, while the callback closes ------------------------ */

static NTSTATUS WSKAPI disable_and_close_in_receive(PVOID SocketContext, ULONG Flags,
                                                    PWSK_DATA_INDICATION DataIndication,
                                                    SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    wt_events(line->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &line->extra);
    InterlockedExchange(&line->callbacks, 1);
    spin(100);
    wt_close(line->socket, &line->close);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH disabling_events = {disable_and_close_in_receive, NULL, NULL};

static void before_disabling_events(void *context)
{
    struct line *line = context;

    line_open(line, &disabling_events);
    EXPECT_STATUS(wt_events(line->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
}

static void step_cancel_disable(void *context)
{
    struct line *line = context;

    while (!ReadAcquire(&line->callbacks))
        YieldProcessor();
    IoCancelIrp(line->extra.irp);
}

static void after_disabling(void *context)
{
    struct line *line = context;

    wt_wait(&line->close);
    EXPECT_STATUS(wt_wait(&line->extra), STATUS_CANCELLED);
    EXPECT(line->extra.order < line->close.order);
    line_end(line);
}

TEST(race_close_with_a_disable_that_is_cancelled, "C-CLOSE-11 C-CLOSE-12 C-CLOSE-20 C-EVT-09 K-CANCEL-01",
     TEST_TIMEOUT(120))
{
    struct line line;

    race(before_disabling_events, step_peer_sends, step_cancel_disable, after_disabling, &line);
}
