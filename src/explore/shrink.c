/*
 * shrink.c - a schedule that still fails with every switch taken out that can be: ddmin (Zeller and Hildebrandt,
 * 2002), then one by one.
 *
 * A switch names a step of the whole run, so leaving out an early one moves the later ones.  A switch that cannot
 * happen any more is left out, too, and the run tried again; what counts is the schedule that the failing run has
 * really taken.  So every step of the way is a schedule that replays.
 */
#include "explore/campaign.h"
#include "explore/world.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 6000 };
#define STEPS 200000000ull

struct shrink {
    struct uwsk_world *world;
    const char *kind;
    struct uwsk_switch *best;
    size_t count;
    struct uwsk_switch *trial;
    unsigned runs;
    uint64_t steps;
};

static int spent(const struct shrink *shrink)
{
    return shrink->runs >= RUNS || shrink->steps >= STEPS;
}

/* One run; 1: it fails in the same way, 0: not, or not at all; diverged: *at is the switch that cannot happen. */
static int fails(struct shrink *shrink, size_t count, struct uwsk_world_result *result)
{
    struct uwsk_world_options options = shrink->world->options;

    options.scheduler = UWSK_SCHEDULER_REPLAY;
    options.schedule = shrink->trial;
    options.schedule_count = count;
    options.trace = options.detail = 0;
    if (uwsk_world_set(shrink->world, &options, NULL) != 0 ||
        uwsk_world_run(shrink->world, NULL, NULL, result, NULL) != 0)
        return 0;
    shrink->runs++;
    shrink->steps += result->steps + 100;
    return result->kind && strcmp(result->kind, shrink->kind) == 0;
}

/* Leaves out what cannot happen. */
static size_t drop_at(struct uwsk_switch *schedule, size_t count, uint64_t step)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (schedule[i].step != step)
            schedule[kept++] = schedule[i];
    return kept;
}

/* Tries `trial` (count switches); takes it over when it fails and is shorter than the best. */
static int try_it(struct shrink *shrink, size_t count)
{
    struct uwsk_world_result result;

    while (!spent(shrink)) {
        if (fails(shrink, count, &result)) {
            if (result.schedule_count >= shrink->count && shrink->count)
                return 0;
            memcpy(shrink->best, result.schedule, result.schedule_count * sizeof *shrink->best);
            shrink->count = result.schedule_count;
            return 1;
        }
        if (!result.diverged)
            return 0;
        size_t kept = drop_at(shrink->trial, count, result.step);

        if (kept == count || kept == 0)
            return 0;
        count = kept;
    }
    return 0;
}

/* The best without [from, from + length). */
static int try_without(struct shrink *shrink, size_t from, size_t length)
{
    size_t rest = shrink->count - from - length;

    memcpy(shrink->trial, shrink->best, from * sizeof *shrink->trial);
    memcpy(shrink->trial + from, shrink->best + from + length, rest * sizeof *shrink->trial);
    return try_it(shrink, from + rest);
}

static void halves(struct shrink *shrink)
{
    size_t parts = 2;

    while (shrink->count >= 2 && !spent(shrink)) {
        size_t length = (shrink->count + parts - 1) / parts;
        int shorter = 0;

        for (size_t from = 0; from < shrink->count && !shorter && !spent(shrink); from += length) {
            size_t part = shrink->count - from < length ? shrink->count - from : length;

            shorter = try_without(shrink, from, part);
        }
        if (shorter) {
            parts = parts > 2 ? parts - 1 : 2;
        } else if (length == 1) {
            break;
        } else {
            parts = parts * 2 < shrink->count ? parts * 2 : shrink->count;
        }
    }
}

/* From the end, where a switch moves the fewest others. */
static void singles(struct shrink *shrink)
{
    size_t i = shrink->count;

    while (i > 0 && !spent(shrink)) {
        if (try_without(shrink, i - 1, 1))
            i = shrink->count; /* all of them again */
        else
            i--;
    }
}

int explore_shrink(struct uwsk_world *world, const char *kind, struct uwsk_switch **schedule, size_t *count)
{
    struct shrink shrink = {.world = world, .kind = kind};
    struct uwsk_world_result result;
    size_t room = 2 * *count + 4096;
    int answer = -1;

    shrink.best = calloc(room, sizeof *shrink.best);
    shrink.trial = calloc(room, sizeof *shrink.trial);
    if (!shrink.best || !shrink.trial)
        goto out;
    memcpy(shrink.best, *schedule, *count * sizeof *shrink.best);
    memcpy(shrink.trial, *schedule, *count * sizeof *shrink.trial);
    shrink.count = *count;
    if (!fails(&shrink, *count, &result))
        goto out;
    memcpy(shrink.best, result.schedule, result.schedule_count * sizeof *shrink.best);
    shrink.count = result.schedule_count;
    if (fails(&shrink, 0, &result)) { /* with no switch at all */
        shrink.count = 0;
    } else {
        halves(&shrink);
        singles(&shrink);
    }
    answer = !spent(&shrink);
    free(*schedule);
    *schedule = shrink.best;
    *count = shrink.count;
    shrink.best = NULL;
out:
    free(shrink.best);
    free(shrink.trial);
    return answer;
}
