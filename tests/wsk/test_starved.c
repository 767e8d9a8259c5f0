/*
 * test_starved.c - no memory for the next accept or for the event's receive: it is tried again after a while, though no
 * descriptor is given back, and not again and again.  (Descriptors: tests/close/test_race_starved.c.)
 */
#include "datagram_box.h"
#include "scarce.h"

enum { RETRY_MS = 20 };

static void setup(void)
{
    wt_setup();
    wsk_settings.starved_retry_ms = RETRY_MS;
}

TEST_FIXTURE(setup, wt_teardown);
TEST_MATRIX(WT_CALM_MODES);

/* ---- datagrams ---------------------------------------------------------------------------------------- */

static struct box box;

static void box_close_now(void)
{
    struct wsk_socket *socket = wsk_socket_of(box.socket);

    box_close(&box);
    box_end(&box);
    EXPECT_SOON(ReadAcquire(&socket->references) == 0); /* nobody has it on a list any more */
}

TEST(an_event_without_memory_is_tried_again, "R-RFEV-02")
{
    box_open(&box, STATUS_SUCCESS, FALSE);
    InterlockedExchange(&scarce, 2); /* that, and once more at once */
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&refused), 2);
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_read(&box.datagrams) == 1);
    box_peer_sends(&box, 2);
    EXPECT_SOON(box_read(&box.datagrams) == 3);
    box_close_now();
}

TEST(one_without_memory_is_closed, "C-CLOSE-07 C-CLOSE-45")
{
    wsk_settings.starved_retry_ms = 3600 * 1000; /* its timer is queued and not due */
    box_open(&box, STATUS_SUCCESS, FALSE);
    InterlockedExchange(&scarce, SCARCE_EVER);
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    box_close_now();
    EXPECT_EQ(ReadAcquire(&refused), 2);
}

/* The transport takes the receive and finds out later, from a DPC, as from its dispatch(). */
static struct transport_op *volatile failing;
static volatile LONG begun;
static KDPC failure;

static VOID NTAPI fail_it(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    struct transport_op *op = failing;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    failing = NULL;
    op->complete(op, STATUS_INSUFFICIENT_RESOURCES, 0);
}

static int32_t failing_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    if (!ReadAcquire(&scarce))
        return box_below->receive_from(socket, op);
    InterlockedIncrement(&begun);
    failing = &op->op;
    KeInsertQueueDpc(&failure, NULL, NULL);
    return STATUS_PENDING;
}

static int failing_cancel(struct transport_socket *socket, struct transport_op *op)
{
    return failing == op ? 0 : box_below->cancel(socket, op); /* its end is on its way */
}

TEST(a_receive_that_always_fails_waits, "R-RFEV-02")
{
    ULONG64 began, periods;
    LONG tries;

    KeInitializeDpc(&failure, fail_it, NULL);
    box_below = wsk_settings.ops;
    box_ops = *box_below;
    box_ops.receive_from = failing_receive_from;
    box_ops.cancel = failing_cancel;
    wsk_settings.ops = &box_ops;
    box_open(&box, STATUS_SUCCESS, FALSE);
    box_peer_sends(&box, 1); /* stays where it is, and the next receive would find it at once */
    InterlockedExchange(&scarce, SCARCE_EVER);
    began = KeQueryInterruptTime();
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(ReadAcquire(&begun) >= 4); /* once more at once, and after a while */
    tries = ReadAcquire(&begun);           /* looked at before the clock: a delay between them does no harm */
    periods = (KeQueryInterruptTime() - began) / (RETRY_MS * 10000);
    EXPECT(periods >= 1);
    EXPECT((ULONG64)tries <= 2 * (periods + 1));
    InterlockedExchange(&scarce, 0);
    EXPECT_SOON(box_read(&box.datagrams) == 1);
    box_close_now();
}

/* ---- accepts ------------------------------------------------------------------------------------------ */

static volatile LONG accepts;
static PWSK_SOCKET guests[2];

static NTSTATUS WSKAPI let_in(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                              PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                              const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    guests[ReadNoFence(&accepts)] = AcceptSocket;
    InterlockedIncrement(&accepts);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH open_door = {let_in, NULL, NULL};

TEST(an_accept_without_memory_is_tried_again, "C-LISTEN-04")
{
    PWSK_SOCKET listener;
    int port, peers[2];
    unsigned i;

    listener = wt_listener(AF_INET, NULL, &open_door, &port);
    InterlockedExchange(&scarce, 2); /* that, and once more at once */
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&refused), 2); /* nothing of ours is closed from here on */
    for (i = 0; i < 2; i++) {
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
        EXPECT_SOON(ReadAcquire(&accepts) == (LONG)i + 1);
    }
    wt_close_now(listener);
    for (i = 0; i < 2; i++) {
        wt_close_now(guests[i]);
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
}
