/*
 * test_race_calls.c - calls that are in progress while a socket is closed, and what is at the door then: C-CLOSE-14, 15,
 * 18, 35, 39, 43.
 */
#include "close_race.h"
#include "close_test.h"

WT_RACE_FIXTURE;

/* ---- calls on other threads --------------------------------------------------------------------------- */

static void before_events(void *context)
{
    line_open(context, &events);
}

static void step_enable(void *context)
{
    NTSTATUS status =
        wt_events(((struct line *)context)->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_FILE_FORCED_CLOSED);
}

static void after_enable(void *context)
{
    line_end(context);
}

/* Enabled before or refused after: it opens nothing that the close has shut. */
TEST(race_close_with_an_event_that_is_enabled, "C-CLOSE-18 C-CLOSE-35", TEST_TIMEOUT(120))
{
    struct line line;

    race(before_events, step_close, step_enable, after_enable, &line);
}

static void stand(struct wt_op *op)
{
    ct_stand(op->context);
}

struct refused {
    PWSK_SOCKET socket;
    struct wt_op op;
    struct wt_buffer buffer;
    struct ct_gate gate;
};

static void call_what_is_refused(void *argument)
{
    struct refused *refused = argument;

    wt_receive(refused->socket, &refused->op, &refused->buffer.buf, ~0u);
}

/* An IRP that is refused counts until its routine has returned, like any other. */
TEST(a_call_that_is_refused_holds_the_close, "C-CLOSE-14 C-CLOSE-35 D-01")
{
    struct refused refused = {.gate = {0, 0}};
    struct test_thread *thread;
    struct wt_op close;
    int peer;

    refused.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&refused.buffer, 4);
    wt_op_init(&refused.op);
    refused.op.hook = stand;
    refused.op.context = &refused.gate;
    wt_op_init(&close);
    thread = test_thread_start(call_what_is_refused, &refused);
    ct_await(&refused.gate);
    EXPECT_STATUS(wt_close(refused.socket, &close), STATUS_PENDING);
    test_sleep_ms(5);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&refused.gate);
    test_thread_join(thread);
    EXPECT_STATUS(wt_wait(&refused.op), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT(refused.op.order < close.order);
    wt_op_free(&refused.op);
    wt_op_free(&close);
    wt_buffer_free(&refused.buffer);
    peer_close(peer);
}

/* ---- on the closing thread ---------------------------------------------------------------------------- */

struct thorough {
    PWSK_SOCKET socket;
    struct wt_op behind, close;
    BOOLEAN disconnects; /* the routine disconnects before it closes */
    volatile LONG over;  /* of what the close cancelled, when WskCloseSocket has returned */
};

static void close_thoroughly(struct wt_op *op)
{
    struct thorough *thorough = op->context;

    if (thorough->disconnects)
        EXPECT_STATUS(wt_disconnect(thorough->socket, &thorough->behind, NULL, 0), STATUS_PENDING);
    wt_close(thorough->socket, &thorough->close);
    if (wt_is_done(&thorough->behind) && thorough->behind.thread == KeGetCurrentThread())
        InterlockedIncrement(&thorough->over);
}

static void thorough_end(struct thorough *thorough, struct wt_op *op)
{
    EXPECT_STATUS(wt_wait(op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&thorough->close), STATUS_SUCCESS);
    ct_expect_cancelled(&thorough->behind, &thorough->close);
    if (!test_mode_has("inline"))
        EXPECT_EQ(thorough->over, 0);
    else if (!test_mode_has(
                 "uring-all")) /* a ring may say that it is too late: then it ends when the ring says so */
        EXPECT_EQ(thorough->over, 1);
    wt_op_free(op);
    wt_op_free(&thorough->behind);
    wt_op_free(&thorough->close);
}

/* The routine's thread delivers the receives of the socket, so no other can be quicker: in the mode inline what the
 * close cancels completes before WskCloseSocket returns, in the others after the routine. */
TEST(cancelled_receives_complete_in_the_call, "C-CLOSE-15 C-CLOSE-14")
{
    struct thorough thorough = {.over = 0};
    struct wt_buffer buffer;
    struct wt_op op;
    int peer;

    thorough.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 4);
    wt_op_init(&thorough.close);
    wt_op_init(&thorough.behind);
    wt_op_init(&op);
    op.hook = close_thoroughly;
    op.context = &thorough;
    wt_receive(thorough.socket, &op, &buffer.buf, 0);
    wt_receive(thorough.socket, &thorough.behind, &buffer.buf, 0);
    peer_send(peer, "data", 4);
    thorough_end(&thorough, &op);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

TEST(a_cancelled_disconnect_completes_in_the_call, "C-CLOSE-15 C-CLOSE-14 R-CLOSE-14")
{
    struct thorough thorough = {.over = 0, .disconnects = TRUE};
    struct wt_buffer buffer;
    struct wt_op op;
    int peer;

    thorough.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_drop_incoming(peer); /* no FIN of ours is ever acknowledged */
    wt_buffer_init(&buffer, 4);
    wt_op_init(&thorough.close);
    wt_op_init(&thorough.behind);
    wt_op_init(&op);
    op.hook = close_thoroughly;
    op.context = &thorough;
    wt_send(thorough.socket, &op, &buffer.buf, 0);
    thorough_end(&thorough, &op);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- half finished ------------------------------------------------------------------------------------ */

/* The peer is done and our FIN is on its way: until that is acknowledged there is something to abort. */
TEST(a_fin_that_is_not_acknowledged, "C-CLOSE-39 C-CLOSE-42 R-CLOSE-14")
{
    struct wt_op disconnect, close;
    PWSK_SOCKET socket;
    int peer;

    ct_count_calls();
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_drop_incoming(peer);
    wt_op_init(&disconnect);
    EXPECT_STATUS(wt_disconnect(socket, &disconnect, NULL, 0), STATUS_PENDING);
    peer_shutdown(peer);
    EXPECT_SOON(ct_latches(socket) & WSK_LATCH_PEER_FIN);
    EXPECT_EQ(ct_latches(socket) & WSK_LATCH_LOCAL_DONE, 0);
    ct_close(socket, &close);
    ct_expect_cancelled(&disconnect, &close);
    EXPECT_EQ(ct_aborts, 1);
    wt_op_free(&disconnect);
    wt_op_free(&close);
    peer_close(peer);
}

/* ---- at the door -------------------------------------------------------------------------------------- */

struct door {
    struct ct_gate gate;
    PWSK_SOCKET accepted;
    volatile LONG calls;
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
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH standing_door = {stand_in_accept, NULL, NULL};

static ULONG waiting(PWSK_SOCKET listener)
{
    struct wsk_socket *inside = wsk_socket_of(listener);
    KIRQL irql = wsk_lock(inside);
    ULONG count = inside->listen.waiting_count;

    ke_release_spin_lock(&inside->lock, irql);
    return count;
}

/* While WskAcceptEvent runs for one connection, WSK has accepted another for which it has not been called yet. */
TEST(a_connection_that_waits_for_the_callback, "C-CLOSE-43 C-CLOSE-44 C-CLOSE-17 C-CLOSE-18")
{
    struct door door = {.calls = 0};
    int port, first, second;
    PWSK_SOCKET listener = wt_listener(AF_INET, &door, &standing_door, &port);
    struct wt_op close;

    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT((first = peer_connect(PEER_INET, port, 5000)) >= 0);
    ct_await(&door.gate);
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL),
                  STATUS_SUCCESS); /* asks for the next at once */
    EXPECT((second = peer_connect(PEER_INET, port, 5000)) >= 0);
    if (test_mode_has("passive")) /* else the callback may stand on the thread that would accept it */
        EXPECT_SOON(waiting(listener) == 1);
    wt_op_init(&close);
    EXPECT_STATUS(wt_close(listener, &close), STATUS_PENDING);
    if (test_mode_has("passive"))
        ct_gone(second); /* at once: it waits for no callback */
    EXPECT(!wt_is_done(&close));
    ct_let_go(&door.gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_EQ(door.calls, 1);
    wt_close_now(door.accepted);
    ct_gone(first);
    if (!test_mode_has("passive"))
        ct_gone(second);
    wt_op_free(&close);
}
