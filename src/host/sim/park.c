/*
 * park.c - sleeping on an address: a parking lot hashed by address, first come, first woken on each word.
 *
 * Addresses find the lot and the word, nothing else: who is woken depends on the order of parking alone.
 */
#include "internal.h"

#include <string.h>

static struct sim_lot *lot_of(const volatile uint32_t *word)
{
    return &sim->lots[((uintptr_t)word >> 2) * 0x9E3779B97F4A7C15u >> 54];
}

_Static_assert(SIM_LOTS == 1u << (64 - 54), "lot_of");

static void enter_lot(struct sim_fiber *fiber, const volatile uint32_t *word)
{
    struct sim_lot *lot = lot_of(word);

    fiber->word = word;
    fiber->lot_next = NULL;
    fiber->lot_previous = lot->last;
    if (lot->last)
        lot->last->lot_next = fiber;
    else
        lot->first = fiber;
    lot->last = fiber;
}

void sim_park_leave(struct sim_fiber *fiber)
{
    if (fiber->word) {
        struct sim_lot *lot = lot_of(fiber->word);

        if (fiber->lot_previous)
            fiber->lot_previous->lot_next = fiber->lot_next;
        else
            lot->first = fiber->lot_next;
        if (fiber->lot_next)
            fiber->lot_next->lot_previous = fiber->lot_previous;
        else
            lot->last = fiber->lot_previous;
        fiber->word = NULL;
    }
    if (fiber->place)
        sim_event_remove(fiber->place);
}

void sim_park_reset(void)
{
    memset(sim->lots, 0, sizeof sim->lots);
}

static void must_be_on_a_fiber(const char *what)
{
    if (!sim->between)
        return;
    host_log(HOST_LOG_ERROR, what);
    host_abort();
}

/* Two steps where it sleeps: others may run before it looks at the word, and while it sleeps. */
int sim_park(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct sim_fiber *self = sim->current;

    must_be_on_a_fiber("simulator: a timer, or a report at the end of a run, wants to sleep");
    sim_point(SIM_STEP_PARK, word);
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected)
        return HOST_CHANGED;
    if (deadline_ns <= sim->now)
        return HOST_TIMEOUT;
    enter_lot(self, word);
    if (deadline_ns != HOST_FOREVER)
        sim_event_add(deadline_ns, self, NULL);
    self->woken = HOST_WOKEN;
    sim_make_unrunnable(self);
    sim_block(SIM_STEP_SLEEP, word);
    return self->woken;
}

/* Wakes, then lets others run. */
void sim_unpark(const volatile uint32_t *word, int count)
{
    struct sim_fiber *fiber = lot_of(word)->first;

    if (!sim->running)
        return; /* the run is over, nobody is to run again */
    while (fiber && count > 0) {
        struct sim_fiber *next = fiber->lot_next;

        if (fiber->word == word) {
            sim_park_leave(fiber);
            sim_make_runnable(fiber);
            sim->patience = 0;
            count--;
        }
        fiber = next;
    }
    if (!sim->between)
        sim_point(SIM_STEP_UNPARK, word);
}
