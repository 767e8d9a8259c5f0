/*
 * test_race_connects.c - close against connections that come about: connects, accepts, listeners (close_race.h).
 */
#include "close_race.h"

WT_RACE_FIXTURE;

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
