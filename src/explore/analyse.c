/*
 * analyse.c - a closer look at what was found: run again, shrunk, told with stack and time line, saved.
 */
#include "explore/campaign.h"
#include "explore/world.h"

#include "host/host.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMELINE = 60 };

struct look {
    const struct uwsk_explore_options *options;
    struct uwsk_world *world;
    const struct found *found;
    struct uwsk_switch *schedule;
    size_t count, count_found;
    int minimal; /* 1, 0: the budget ended it, -1: it cannot be replayed */
    struct uwsk_world_result result;
    struct text timeline, stack, trace; /* trace: where it is; "" = there is none */
};

/* As it was found: 1 when it fails in the same way. */
static int run_again(struct look *look, const struct uwsk_switch *schedule, size_t count)
{
    struct uwsk_world_options options = look->options->world;
    struct uwsk_problem problem;

    options.seed = look->found->seed;
    options.fail_at = look->found->fail_at;
    options.fail_onwards = look->found->fail_onwards;
    if (schedule) {
        options.scheduler = UWSK_SCHEDULER_REPLAY;
        options.schedule = schedule;
        options.schedule_count = count;
    }
    if (uwsk_world_set(look->world, &options, &problem) != 0 ||
        uwsk_world_run(look->world, NULL, NULL, &look->result, &problem) != 0) {
        explore_say("%s", problem.text);
        return 0;
    }
    return look->result.kind && strcmp(look->result.kind, look->found->kind) == 0;
}

static int keep_schedule(struct look *look)
{
    look->count = look->count_found = look->result.schedule_count;
    look->schedule = malloc((look->count + 1) * sizeof *look->schedule);
    if (!look->schedule)
        return -1;
    memcpy(look->schedule, look->result.schedule, look->count * sizeof *look->schedule);
    return 0;
}

/* The shrunk schedule once more, with everything that a reader wants to know. */
static void run_in_detail(struct look *look)
{
    struct uwsk_world_options options = look->world->options;

    if (look->minimal >= 0) {
        options.scheduler = UWSK_SCHEDULER_REPLAY;
        options.schedule = look->schedule;
        options.schedule_count = look->count;
    }
    options.trace = options.detail = 1;
    uwsk_world_set(look->world, &options, NULL);
    uwsk_world_run(look->world, NULL, NULL, &look->result, NULL);
    events_timeline(&look->world->events, TIMELINE, &look->timeline);
    for (size_t i = 0; i < look->world->violation.frame_count; i++) {
        char name[300];

        host_symbolize(look->world->violation.frames[i], name, sizeof name);
        text_add(&look->stack, "    %s\n", name);
    }
}

static void save_trace(struct look *look, const char *path)
{
    const struct found *found = look->found;

    if (path) {
        text_add(&look->trace, "%s", path);
    } else {
        text_add(&look->trace, "uwsk-explore-%llu", (unsigned long long)found->seed);
        if (found->fail_at) /* a sweep has many runs of one seed */
            text_add(&look->trace, "-%s-%llu", found->fail_onwards ? "from" : "once",
                     (unsigned long long)found->fail_at);
        text_add(&look->trace, ".trace");
    }
    if (trace_save(text_of(&look->trace), look->options, look->world, found, look->schedule, look->count) !=
        0)
        text_free(&look->trace);
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static void indented(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        printf("  %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static unsigned preemptions_of(const struct look *look)
{
    unsigned count = 0;

    for (size_t i = 0; i < look->count; i++)
        count += look->schedule[i].preemption != 0;
    return count;
}

static void tell_schedule(const struct look *look)
{
    if (look->minimal < 0) {
        printf("  its schedule cannot be replayed on its own\n");
        return;
    }
    printf("  %zu of the %zu switches are needed%s, %u of them preemptions", look->count, look->count_found,
           look->minimal ? " (without any one of them it does not happen)"
                         : " (the search for fewer was given up)",
           preemptions_of(look));
    printf("%s\n",
           look->world->drawn.delay_one_in ? ", beside the slowness of threads that the seed draws" : "");
}

static void first_line(const char *text, char *out, size_t bytes)
{
    snprintf(out, bytes, "%.*s", (int)strcspn(text, "\n"), text);
}

static void tell(const struct look *look)
{
    const struct uwsk_world_result *result = &look->result;
    struct text command = {0}, trace = {0};
    char line[600], shrunk[600];

    first_line(look->found->text, line, sizeof line);
    first_line(result->text, shrunk, sizeof shrunk);
    explore_command(look->options, look->found, &command);
    printf("violation: %s seed %llu: %s\n", look->found->kind, (unsigned long long)look->found->seed, line);
    if (strcmp(line, shrunk) != 0)
        printf("  what follows tells of the shrunk run, which meets it elsewhere\n");
    printf("  at step %llu, thread T%u (%s)\n", (unsigned long long)result->step, result->fiber,
           events_name_of(&look->world->events, result->fiber));
    tell_schedule(look);
    printf("\n");
    indented(result->text);
    if (look->stack.length) {
        printf("\n  stack of T%u:\n", result->fiber);
        indented(text_of(&look->stack));
    }
    printf("\n%s\n", text_of(&look->timeline));
    printf("run it again:  %s\n", text_of(&command));
    if (look->trace.length) {
        text_shell(&trace, text_of(&look->trace));
        printf("shrunk:        uwsk explore --replay %s\n", text_of(&trace));
    }
    if (look->options->dfs < 0) /* which makes many runs */
        printf("in a debugger: %s --gdb\n", text_of(&command));
    printf("\n");
    text_free(&command);
    text_free(&trace);
}

static void to_json(const struct look *look, struct text *out)
{
    cJSON *json = cJSON_CreateObject(), *switches;
    struct text command = {0};
    char number[24], *text;

    explore_command(look->options, look->found, &command);
    cJSON_AddStringToObject(json, "kind", look->found->kind);
    snprintf(number, sizeof number, "%llu", (unsigned long long)look->found->seed);
    cJSON_AddStringToObject(json, "seed", number);
    cJSON_AddStringToObject(json, "text", look->result.kind ? look->result.text : look->found->text);
    cJSON_AddNumberToObject(json, "step", (double)look->result.step);
    cJSON_AddNumberToObject(json, "thread", look->result.fiber);
    cJSON_AddStringToObject(json, "stack", text_of(&look->stack));
    cJSON_AddStringToObject(json, "timeline", text_of(&look->timeline));
    cJSON_AddStringToObject(json, "command", text_of(&command));
    cJSON_AddStringToObject(json, "trace", text_of(&look->trace));
    cJSON_AddBoolToObject(json, "minimal", look->minimal > 0);
    cJSON_AddNumberToObject(json, "switches-found", (double)look->count_found);
    switches = cJSON_AddArrayToObject(json, "switches");
    for (size_t i = 0; i < look->count; i++) {
        const double numbers[3] = {(double)look->schedule[i].step, look->schedule[i].fiber,
                                   look->schedule[i].preemption};

        cJSON_AddItemToArray(switches, cJSON_CreateDoubleArray(numbers, 3));
    }
    text = cJSON_PrintUnformatted(json);
    if (text)
        text_add(out, "%s", text);
    free(text);
    cJSON_Delete(json);
    text_free(&command);
}

int explore_analyse(const struct uwsk_explore_options *options, struct uwsk_world *world,
                    const struct found *found, const struct uwsk_switch *schedule, size_t count,
                    const char *trace, struct text *json)
{
    struct look look = {.options = options, .world = world, .found = found};
    int same = run_again(&look, schedule, count);

    if (!same) {
        printf("violation: %s seed %llu: %s\n  it does not happen again with the same seed: %s\n",
               found->kind, (unsigned long long)found->seed, found->text,
               look.result.kind ? look.result.kind : "nothing was found");
        to_json(&look, json);
        return 1;
    }
    if (keep_schedule(&look) != 0)
        return 1;
    if (strcmp(found->kind, "endless") == 0 || strcmp(found->kind, "hung") == 0)
        look.minimal = 0; /* each try would take as long again */
    else
        look.minimal = explore_shrink(world, found->kind, &look.schedule, &look.count);
    run_in_detail(&look);
    if (look.minimal >= 0)
        save_trace(&look, trace);
    tell(&look);
    to_json(&look, json);
    fflush(stdout);
    text_free(&look.timeline);
    text_free(&look.stack);
    text_free(&look.trace);
    free(look.schedule);
    return 1;
}

/* ---- in a process of its own -------------------------------------------------------------------------- */

struct apart {
    const struct uwsk_explore_options *options;
    const struct found *found;
    const char *trace;
};

static int analyse_main(void *context, int out)
{
    const struct apart *apart = context;
    struct uwsk_world *world = explore_world(apart->options);
    struct text json = {0};
    int status = 2;

    if (world)
        status = explore_analyse(apart->options, world, apart->found, NULL, 0, apart->trace, &json);
    fflush(stdout);
    if (json.length && write(out, json.data, json.length) < 0)
        return 2;
    return status;
}

int explore_analyse_apart(const struct uwsk_explore_options *options, const struct found *found,
                          const char *trace, struct text *json)
{
    struct apart apart = {options, found, trace};
    size_t before = json->length;
    int status = explore_child(analyse_main, &apart, json);

    if (status > 2 ||
        json->length == before) { /* it takes the process down: nothing can be told from inside */
        printf("violation: %s seed %llu: %s\n  the process ends with it (status %d), so it was not shrunk\n",
               found->kind, (unsigned long long)found->seed, found->text, status);
        json->length = before;
        if (json->data)
            json->data[before] = 0;
    }
    return status;
}
