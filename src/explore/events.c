/*
 * events.c - what happened in a run that is traced, and how it is shown: threads as columns, time downwards.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "host/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event *events_next(struct uwsk_world *world)
{
    struct events *events = &world->events;
    struct event *event;

    if (events->count == events->room) {
        size_t room = events->room ? 2 * events->room : 256;
        void *bigger = realloc(events->event, room * sizeof *events->event);

        if (!bigger)
            return NULL;
        events->event = bigger;
        events->room = room;
    }
    event = &events->event[events->count++];
    memset(event, 0, sizeof *event);
    event->step = sim_step();
    event->time_ns = host_now();
    event->fiber = sim_fiber();
    return event;
}

void events_add(struct uwsk_world *world, const char *format, ...)
{
    struct event *event;
    va_list arguments;

    if (!world->options.trace || !sim_running() || world->violation.kind[0])
        return;
    event = events_next(world);
    if (!event)
        return;
    va_start(arguments, format);
    if (vasprintf(&event->text, format, arguments) < 0)
        event->text = NULL;
    va_end(arguments);
}

void events_where(struct uwsk_world *world, const void *where)
{
    if (world->events.count && !world->violation.kind[0])
        world->events.event[world->events.count - 1].where = (void *)(uintptr_t)where;
}

void events_switch(struct uwsk_world *world, const void *where, const char *what, uint32_t next)
{
    struct event *event = events_next(world);

    if (!event)
        return;
    event->where = (void *)(uintptr_t)where;
    if (asprintf(&event->text, "-- stops at %s, and T%u goes on", what, next) < 0)
        event->text = NULL;
}

void events_clear(struct events *events)
{
    for (size_t i = 0; i < events->count; i++)
        free(events->event[i].text);
    free(events->event);
    free(events->name);
    memset(events, 0, sizeof *events);
}

void events_name(struct events *events, uint32_t fiber, const char *name)
{
    if (fiber >= 4096)
        return;
    if (fiber >= events->names) {
        void *bigger = realloc(events->name, (fiber + 16) * sizeof *events->name);

        if (!bigger)
            return;
        events->name = bigger;
        memset(events->name + events->names, 0, (fiber + 16 - events->names) * sizeof *events->name);
        events->names = fiber + 16;
    }
    if (!events->name[fiber][0])
        snprintf(events->name[fiber], sizeof events->name[fiber], "%s", name);
}

const char *events_name_of(const struct events *events, uint32_t fiber)
{
    return fiber < events->names ? events->name[fiber] : "";
}

/* ---- columns ------------------------------------------------------------------------------------------ */

enum { COLUMNS = 24 };

struct columns {
    uint32_t fiber[COLUMNS];
    size_t count, width;
};

static size_t column_of(const struct columns *columns, uint32_t fiber)
{
    size_t i = 0;

    while (i < columns->count && columns->fiber[i] != fiber)
        i++;
    return i;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void head(const struct events *events, const struct columns *columns, struct text *out)
{
    text_add(out, "  threads:");
    for (size_t i = 0; i < columns->count; i++)
        text_add(out, "%s T%u %s", i ? "," : "", columns->fiber[i],
                 columns->fiber[i] ? events_name_of(events, columns->fiber[i]) : "(network and timers)");
    text_add(out, "\n\n  %8s %12s ", "step", "time us");
    for (size_t i = 0; i < columns->count; i++) {
        char name[16];

        snprintf(name, sizeof name, "T%u", columns->fiber[i]);
        text_add(out, " %-*s", (int)columns->width, name);
    }
    text_add(out, "\n");
}

static void line(const struct columns *columns, const struct event *event, struct text *out)
{
    size_t mine = column_of(columns, event->fiber);

    text_add(out, "  %8llu %8llu.%03llu ", (unsigned long long)event->step,
             (unsigned long long)(event->time_ns / 1000), (unsigned long long)(event->time_ns % 1000));
    for (size_t i = 0; i < columns->count; i++)
        text_add(out, " %-*s", (int)columns->width, i == mine ? "*" : "|");
    text_add(out, " %s", event->text ? event->text : "?");
    if (event->where) {
        char name[300];

        host_symbolize(event->where, name, sizeof name);
        text_add(out, " (in %s)", name);
    }
    text_add(out, "\n");
}

void events_timeline(const struct events *events, size_t lines, struct text *out)
{
    size_t from = events->count > lines ? events->count - lines : 0;
    struct columns columns = {.width = 3};

    for (size_t i = from; i < events->count; i++)
        if (column_of(&columns, events->event[i].fiber) == columns.count && columns.count < COLUMNS)
            columns.fiber[columns.count++] = events->event[i].fiber;
    qsort(columns.fiber, columns.count, sizeof columns.fiber[0], by_number);
    head(events, &columns, out);
    if (from)
        text_add(out, "  %8s %zu events before\n", "...", from);
    for (size_t i = from; i < events->count; i++)
        line(&columns, &events->event[i], out);
}

size_t uwsk_world_trace(const struct uwsk_world *world,
                        void (*fn)(void *context, const struct uwsk_event *event), void *context)
{
    for (size_t i = 0; fn && i < world->events.count; i++) {
        const struct event *event = &world->events.event[i];
        struct uwsk_event out = {event->step, event->time_ns, event->fiber,
                                 events_name_of(&world->events, event->fiber),
                                 event->text ? event->text : ""};

        fn(context, &out);
    }
    return world->events.count;
}
