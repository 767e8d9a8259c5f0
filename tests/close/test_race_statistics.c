/*
 * test_race_statistics.c - the functions of a socket's counters (include/uwsk/statistics.h) beside its close, and beside
 * sends that are counted.
 */
#include <uwsk/statistics.h>

#include "close_race.h"

TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX("natural/dispatch inline/passive natural/dispatch/uring");
#else
TEST_MATRIX("natural/dispatch natural/dispatch/uring natural/dispatch/sim/races");
#endif

#define SENDS 8

struct counted {
    struct line line; /* first: what close_race.h works with */
    const UWSK_STATISTICS_PROVIDER_DISPATCH *dispatch;
    PVOID context;
    NTSTATUS status;
    UWSK_STATISTICS now;
};

static void before_counted(void *context)
{
    WSK_EXTENSION_CONTROL_IN in = {&NPI_UWSK_STATISTICS_ID, NULL, NULL};
    WSK_EXTENSION_CONTROL_OUT out = {NULL, NULL};
    struct counted *counted = context;

    before_nothing(&counted->line);
    EXPECT_STATUS(wt_control(counted->line.socket, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in,
                             &in, sizeof out, &out),
                  STATUS_SUCCESS);
    counted->dispatch = out.ProviderDispatch;
    counted->context = out.ProviderContext;
}

static void step_query(void *context)
{
    struct counted *counted = context;

    RtlFillMemory(&counted->now, sizeof counted->now, 0xa5);
    counted->status = counted->dispatch->UwskQueryStatistics(counted->context, &counted->now);
}

static void expect_at_most(const UWSK_STATISTICS *now, ULONG64 sends)
{
    EXPECT(now->Sends <= sends && now->Requests <= sends && now->BytesSent <= sends * 64);
    EXPECT(now->Receives == 0 && now->Errors == 0 && now->Callbacks == 0);
}

/* ---- the close ---------------------------------------------------------------------------------------- */

static void after_close(void *context)
{
    struct counted *counted = context;

    if (counted->status == STATUS_SUCCESS) {
        expect_at_most(&counted->now, 0);
    } else {
        EXPECT_STATUS(counted->status, STATUS_FILE_FORCED_CLOSED);
        EXPECT_EQ(counted->now.Requests, 0xa5a5a5a5a5a5a5a5); /* nothing was written */
    }
    line_end(&counted->line);
    step_query(counted);
    EXPECT_STATUS(counted->status, STATUS_FILE_FORCED_CLOSED);
}

TEST(race_close_with_a_query_of_the_counters, "C-CLOSE-06 C-CLOSE-35 C-CLOSE-36", TEST_TIMEOUT(120))
{
    struct counted counted;

    race(before_counted, step_close, step_query, after_close, &counted);
}

/* ---- sends -------------------------------------------------------------------------------------------- */

static void step_send_some(void *context)
{
    struct counted *counted = context;
    unsigned i;

    for (i = 0; i < SENDS; i++) {
        if (i > 0)
            wt_again(&counted->line.send);
        wt_send(counted->line.socket, &counted->line.send, &counted->line.out.buf, 0);
        EXPECT_STATUS(wt_wait(&counted->line.send), STATUS_SUCCESS);
    }
}

static void step_query_and_reset(void *context)
{
    struct counted *counted = context;

    step_query(counted);
    EXPECT_STATUS(counted->status, STATUS_SUCCESS);
    expect_at_most(&counted->now, SENDS);
    EXPECT_STATUS(counted->dispatch->UwskResetStatistics(counted->context), STATUS_SUCCESS);
    step_query(counted);
    EXPECT_STATUS(counted->status, STATUS_SUCCESS);
    expect_at_most(&counted->now, SENDS);
}

static void after_sends(void *context)
{
    struct counted *counted = context;
    char text[SENDS * 64];

    peer_receive_all(counted->line.peer, text, sizeof text);
    EXPECT_STATUS(counted->dispatch->UwskResetStatistics(counted->context), STATUS_SUCCESS);
    wt_send_now(counted->line.socket, "once", 4);
    step_query(counted);
    EXPECT_STATUS(counted->status, STATUS_SUCCESS);
    EXPECT(counted->now.Sends == 1 && counted->now.Requests == 1 && counted->now.BytesSent == 4);
    step_close(&counted->line);
    line_end(&counted->line);
}

TEST(race_sends_with_the_reset_of_their_counters, "C-EXT-04", TEST_TIMEOUT(120))
{
    struct counted counted;

    race(before_counted, step_send_some, step_query_and_reset, after_sends, &counted);
}
