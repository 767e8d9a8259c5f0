/*
 * event.c - what time brings: the deadlines of parked fibers and timers, in one heap ordered by (due, order of
 * setting).
 */
#include "internal.h"

static int before(const struct sim_event *a, const struct sim_event *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(size_t place, struct sim_event event)
{
    sim->events[place] = event;
    if (event.fiber)
        event.fiber->place = place;
    else
        event.timer->place = place;
}

static void rise(size_t place, struct sim_event event)
{
    while (place > 1 && before(&event, &sim->events[place / 2])) {
        put(place, sim->events[place / 2]);
        place /= 2;
    }
    put(place, event);
}

static void sink(size_t place, struct sim_event event)
{
    for (;;) {
        size_t child = 2 * place;

        if (child > sim->event_count)
            break;
        if (child < sim->event_count && before(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!before(&sim->events[child], &event))
            break;
        put(place, sim->events[child]);
        place = child;
    }
    put(place, event);
}

void sim_event_add(uint64_t due_ns, struct sim_fiber *fiber, struct sim_timer *timer)
{
    struct sim_event event = {due_ns, ++sim->last_order, fiber, timer};

    if (sim->event_count + 1 >= SIM_EVENTS_MAX) {
        host_log(HOST_LOG_ERROR, "simulator: too many timers");
        host_abort();
    }
    if (timer) {
        timer->due_ns = due_ns;
        timer->order = event.order;
    }
    rise(++sim->event_count, event);
    if (due_ns < sim->attention_ns)
        sim->attention_ns = due_ns;
}

void sim_event_remove(size_t place)
{
    struct sim_event gone = sim->events[place], last = sim->events[sim->event_count--];

    if (gone.fiber)
        gone.fiber->place = 0;
    else
        gone.timer->place = 0;
    if (place > sim->event_count)
        return;
    if (place > 1 && before(&last, &sim->events[place / 2]))
        rise(place, last);
    else
        sink(place, last);
}

void sim_events_fire(void)
{
    while (sim->event_count && sim->events[1].due_ns <= sim->now && !sim->stop) {
        struct sim_event event = sim->events[1];

        sim_event_remove(1);
        sim->patience = 0;
        if (event.fiber) {
            sim_park_leave(event.fiber);
            event.fiber->woken = HOST_TIMEOUT;
            sim_make_runnable(event.fiber);
        } else {
            sim->between = 1;
            event.timer->fire(event.timer);
            sim->between = 0;
        }
    }
}

/* The memory of timers is their owners', and still there. */
void sim_events_reset(void)
{
    while (sim->event_count)
        sim_event_remove(sim->event_count);
}

void sim_timer_set(struct sim_timer *timer, uint64_t due_ns)
{
    if (!sim || !sim->running)
        return;
    if (timer->place)
        sim_event_remove(timer->place);
    sim_event_add(due_ns, NULL, timer);
}

int sim_timer_cancel(struct sim_timer *timer)
{
    if (!sim || !sim->running || !timer->place)
        return 0;
    sim_event_remove(timer->place);
    return 1;
}
