/*
 * test_race_disconnects.c - close against a graceful disconnect of either side (close_race.h).
 */
#include "close_race.h"

WT_RACE_FIXTURE;

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
