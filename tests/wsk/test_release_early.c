/*
 * test_release_early.c - WskRelease before the callback that retains the list has returned.
 *
 * A driver hands the list to another thread and returns STATUS_PENDING; the other thread may be done first.
 */
#include "wsk_test.h"

TEST_FIXTURE(wt_setup, wt_teardown);
TEST_MATRIX(WT_CALM_MODES); /* each send is one callback */

struct keeper {
    PWSK_SOCKET socket;
    volatile LONG calls, released, wrong;
    struct test_barrier *barrier;
    PWSK_DATA_INDICATION list;
    BOOLEAN inside; /* release inside the callback itself, else on another thread */
};

static NTSTATUS WSKAPI keep(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                            SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct keeper *keeper = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    keeper->list = DataIndication;
    if (keeper->inside) {
        if (wt_release(keeper->socket, DataIndication) != STATUS_SUCCESS)
            InterlockedIncrement(&keeper->wrong);
        if (wt_release(keeper->socket, DataIndication) != STATUS_INVALID_PARAMETER)
            InterlockedIncrement(&keeper->wrong); /* R-REL-04: once */
        InterlockedIncrement(&keeper->released);
    } else {
        test_barrier_wait(keeper->barrier);
    }
    InterlockedIncrement(&keeper->calls);
    return STATUS_PENDING;
}

static const WSK_CLIENT_CONNECTION_DISPATCH events = {keep, NULL, NULL};

TEST(release_inside_the_callback_that_retains, "R-REL-02 R-REL-04 R-RECVEV-14")
{
    struct keeper keeper = {.inside = TRUE};
    int peer;

    keeper.socket = wt_connected(AF_INET, &keeper, &events, &peer);
    EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "data", 4);
    EXPECT_SOON(ReadAcquire(&keeper.calls) == 1);
    peer_send(peer, "more", 4);
    EXPECT_SOON(ReadAcquire(&keeper.calls) == 2);
    EXPECT_EQ(ReadAcquire(&keeper.wrong), 0);
    wt_close_now(keeper.socket);
    peer_close(peer);
}

TEST(release_races_with_the_callbacks_return, "R-REL-02 R-RECVEV-14 C-DATA-11", TEST_TIMEOUT(120))
{
    struct keeper keeper = {.inside = FALSE};
    LONG round, rounds = (LONG)test_scale(1000);
    int peer;

    keeper.barrier = test_barrier_create(2);
    keeper.socket = wt_connected(AF_INET, &keeper, &events, &peer);
    EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    for (round = 1; round <= rounds; round++) {
        LONG i;

        peer_send(peer, "data", 4);
        test_barrier_wait(keeper.barrier);
        for (i = 0; i < round % 50 * 8; i++)
            YieldProcessor();
        EXPECT_STATUS(wt_release(keeper.socket, keeper.list), STATUS_SUCCESS);
        EXPECT_SOON(ReadAcquire(&keeper.calls) == round);
    }
    wt_close_now(keeper.socket);
    peer_close(peer);
    test_barrier_free(keeper.barrier);
}

/* ---- many small lists ------------------------------------------------------------------------------------ */

struct hoarder {
    volatile LONG calls;
    PWSK_DATA_INDICATION lists[128];
};

static NTSTATUS WSKAPI hoard(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                             SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct hoarder *hoarder = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    hoarder->lists[ReadNoFence(&hoarder->calls)] = DataIndication;
    InterlockedIncrement(&hoarder->calls);
    return STATUS_PENDING;
}

static const WSK_CLIENT_CONNECTION_DISPATCH hoard_events = {hoard, NULL, NULL};

/* A list of one byte pins a whole buffer: so it counts 1 KiB of the 64 KiB, and 64 of them stop the receiving. */
TEST(small_retained_lists_reach_the_limit, "R-RECVEV-14")
{
    struct hoarder hoarder = {0};
    PWSK_SOCKET socket;
    LONG i;
    int peer;

    socket = wt_connected(AF_INET, &hoarder, &hoard_events, &peer);
    peer_set_nodelay(peer);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    for (i = 1; i <= 64; i++) {
        peer_send(peer, "x", 1);
        EXPECT_SOON(ReadAcquire(&hoarder.calls) == i);
    }
    peer_send(peer, "y", 1);
    test_sleep_ms(30); /* time for a callback that must not come */
    EXPECT_EQ(ReadAcquire(&hoarder.calls), 64);
    EXPECT_STATUS(wt_release(socket, hoarder.lists[0]), STATUS_SUCCESS);
    EXPECT_SOON(ReadAcquire(&hoarder.calls) == 65);
    for (i = 1; i < 65; i++)
        EXPECT_STATUS(wt_release(socket, hoarder.lists[i]), STATUS_SUCCESS);
    wt_close_now(socket);
    peer_close(peer);
}
