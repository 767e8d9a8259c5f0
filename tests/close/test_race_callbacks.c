/*
 * test_race_callbacks.c - close against event callbacks, and against switching them off (close_race.h).
 */
#include "close_race.h"

WT_RACE_FIXTURE;

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
