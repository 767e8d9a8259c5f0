/*
 * one.c - one run, looked at: of a seed, of a trace, in a debugger; and one that measures for the others.
 */
#include "explore/campaign.h"
#include "explore/shared.h"
#include "explore/world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one seed ----------------------------------------------------------------------------------------- */

struct one {
    const struct uwsk_explore_options *options;
    struct shared *shared; /* NULL: nobody counts */
};

struct one_answer {
    int is_violation;
    struct found found;
    uint64_t steps, fibers, hash, step; /* step: of the violation; 0 when the process has ended with it */
};

static int one_main(void *context, int out)
{
    const struct one *one = context;
    const struct uwsk_explore_options *options = one->options;
    struct uwsk_world *world = explore_world(options);
    struct uwsk_world_result result;
    struct one_answer answer = {0};
    struct uwsk_problem problem;

    if (!world)
        return 2;
    if (uwsk_world_run(world, NULL, NULL, &result, &problem) != 0) {
        explore_say("%s", problem.text);
        return 2;
    }
    if (one->shared)
        explore_count(one->shared, world, &result);
    answer.found.seed = options->world.seed;
    answer.found.fail_at = options->world.fail_at;
    answer.found.fail_onwards = options->world.fail_onwards;
    answer.steps = result.steps;
    answer.fibers = result.fibers;
    answer.hash = result.hash;
    answer.step = result.step;
    if (result.kind) {
        answer.is_violation = 1;
        snprintf(answer.found.kind, sizeof answer.found.kind, "%s", result.kind);
        snprintf(answer.found.text, sizeof answer.found.text, "%.*s", (int)strcspn(result.text, "\n"),
                 result.text);
    }
    return write(out, &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 2;
}

/* 0, or 2 after a complaint; a crash is an answer, too. */
static int run_one_seed(const struct uwsk_explore_options *options, struct shared *shared,
                        struct one_answer *answer)
{
    struct one one = {options, shared};
    struct text out = {0};
    int status = explore_child(one_main, &one, &out);

    memset(answer, 0, sizeof *answer);
    if (out.length == sizeof *answer) {
        memcpy(answer, out.data, sizeof *answer);
    } else if (status > 2) {
        answer->is_violation = 1;
        answer->found.seed = options->world.seed;
        answer->found.fail_at = options->world.fail_at;
        answer->found.fail_onwards = options->world.fail_onwards;
        explore_crashed(&answer->found, status);
        if (shared)
            shared->runs++;
    }
    text_free(&out);
    return answer->is_violation || status == 0 ? 0 : 2;
}

/* gdb on this program with the same arguments, told where to stop. */
static int start_gdb(const struct uwsk_explore_options *options, const struct one_answer *answer)
{
    struct text line = {0}, run = {0};
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length > 0) {
        self[length] = 0;
        explore_command(options, &answer->found, &run);
        text_add(&line, "exec gdb -q -ex 'handle SIGSEGV nostop noprint pass' -ex run --args ");
        text_shell(&line, self);
        text_add(&line, "%s --break-at %llu", text_of(&run) + strlen("uwsk"),
                 (unsigned long long)(answer->step ? answer->step : UINT64_MAX));
        if (answer->step)
            printf("gdb stops at step %llu; right after it comes: %s\n", (unsigned long long)answer->step,
                   answer->found.text);
        else
            printf("gdb goes on until %s\n", answer->found.text);
        fflush(stdout);
        execl("/bin/sh", "sh", "-c", text_of(&line), (char *)NULL);
    }
    explore_say("cannot start gdb: %s", strerror(errno));
    text_free(&line);
    text_free(&run);
    return 2;
}

static void tell_one(const struct uwsk_explore_options *options, const struct one_answer *answer)
{
    printf("seed %llu: %s%llu steps, %llu threads, hash %016llx\n", (unsigned long long)options->world.seed,
           answer->is_violation ? "" : "nothing was found: ", (unsigned long long)answer->steps,
           (unsigned long long)answer->fibers, (unsigned long long)answer->hash);
}

int explore_one(const struct uwsk_explore_options *options)
{
    struct report report;
    struct one_answer answer;
    int status = 2;

    if (report_start(&report, options) != 0)
        return 2;
    if (run_one_seed(options, report.shared, &answer) != 0)
        goto out;
    report.shared->seeds = 1;
    if (answer.is_violation && options->gdb) {
        status = start_gdb(options, &answer);
        goto out;
    }
    if (answer.is_violation && report_keep(&report, &answer.found) != 0)
        goto out;
    report_tell(&report);
    tell_one(options, &answer);
    status = answer.is_violation;
    if (options->json && report_save(&report) != 0)
        status = 2;
out:
    report_end(&report);
    return status;
}

/* In this very process, for a debugger. */
int explore_here(const struct uwsk_explore_options *options)
{
    struct uwsk_world *world = explore_world(options);
    struct uwsk_world_result result;
    struct uwsk_problem problem;

    if (!world)
        return 2;
    world->options.break_at_step = options->break_at;
    world->options.watchdog_ms = UINT32_MAX; /* somebody thinks */
    if (uwsk_world_run(world, NULL, NULL, &result, &problem) != 0) {
        explore_say("%s", problem.text);
        return 2;
    }
    if (result.kind)
        printf("violation: %s seed %llu: %s", result.kind, (unsigned long long)options->world.seed,
               result.text);
    return result.kind ? 1 : 0;
}

/* ---- a trace ------------------------------------------------------------------------------------------ */

struct replay {
    struct uwsk_explore_options options;
    struct trace *trace;
};

static int replay_main(void *context, int out)
{
    const struct replay *replay = context;
    const struct trace *trace = replay->trace;
    struct found found = {
        .seed = trace->seed, .fail_at = trace->fail_at, .fail_onwards = trace->fail_onwards};
    struct uwsk_world *world = explore_world(&replay->options);
    struct uwsk_world_options options;
    struct uwsk_world_result result;
    struct uwsk_problem problem;
    struct text timeline = {0};

    (void)out;
    if (!world)
        return 2;
    options = replay->options.world;
    options.scheduler = UWSK_SCHEDULER_REPLAY;
    options.schedule = trace->schedule;
    options.schedule_count = trace->count;
    options.trace = options.detail = 1;
    options.break_at_step = replay->options.break_at;
    if ((trace->scenario &&
         uwsk_world_script(world, "scenario of the trace", trace->scenario, &problem) != 0) ||
        uwsk_world_set(world, &options, &problem) != 0 ||
        uwsk_world_run(world, NULL, NULL, &result, &problem) != 0) {
        explore_say("%s", problem.text);
        return 2;
    }
    if (!result.kind) {
        explore_say("the trace told of %s; %s", trace->kind,
                    result.diverged ? "now one of its switches cannot happen" : "now nothing was found");
        return 2;
    }
    snprintf(found.kind, sizeof found.kind, "%s", result.kind);
    printf("violation: %s seed %llu: %s\n", result.kind, (unsigned long long)trace->seed, result.text);
    events_timeline(&world->events, 60, &timeline);
    printf("  %zu switches, step %llu, thread T%u\n\n%s\n", trace->count, (unsigned long long)result.step,
           result.fiber, text_of(&timeline));
    if (strcmp(result.kind, trace->kind) != 0) {
        explore_say("the trace told of %s", trace->kind);
        return 2;
    }
    return 1;
}

int explore_replay(const struct uwsk_explore_options *options)
{
    struct trace *trace = trace_load(options->replay);
    struct replay replay = {.options = *options, .trace = trace};
    struct text nothing = {0};
    int status = 2;

    if (!trace)
        return 2;
    if (replay.options.drivers == 0) {
        replay.options.driver = (const char *const *)trace->driver;
        replay.options.drivers = trace->drivers;
    }
    replay.options.setting = (const char *const *)trace->setting;
    replay.options.settings = trace->settings;
    replay.options.scenario = NULL;
    replay.options.world.seed = trace->seed;
    replay.options.world.fail_at = trace->fail_at;
    replay.options.world.fail_onwards = trace->fail_onwards;
    replay.options.world.faults = trace->faults;
    replay.options.world.completion = trace->completion;
    replay.options.world.deliver = trace->deliver;
    replay.options.world.send_complete = trace->send_complete;
    replay.options.world.processors = trace->processors;
    if (trace_check(options->replay, trace, replay.options.driver, replay.options.drivers) == 0)
        status = explore_child(replay_main, &replay, &nothing);
    text_free(&nothing);
    trace_free(trace);
    return status;
}

/* ---- pct: how many threads and steps ------------------------------------------------------------------ */

/* Says the bound and fills in the number of steps; 0, or 2. */
int explore_measure(struct uwsk_explore_options *options)
{
    struct uwsk_explore_options first = *options;
    struct one_answer answer;
    double bound = 1;

    if (options->world.scheduler != UWSK_SCHEDULER_PCT || options->world.expected_steps)
        return 0;
    first.world.scheduler = UWSK_SCHEDULER_RANDOM;
    if (run_one_seed(&first, NULL, &answer) != 0)
        return 2;
    options->world.expected_steps = answer.steps ? answer.steps : 1;
    for (unsigned i = 1; i < options->world.depth; i++)
        bound *= (double)options->world.expected_steps;
    printf("pct: n = %llu threads, k = %llu steps: a bug of depth %u is found by a seed with probability at "
           "least "
           "1/(n*k^%u) = %.3g\n",
           (unsigned long long)answer.fibers, (unsigned long long)options->world.expected_steps,
           options->world.depth, options->world.depth - 1, 1 / (bound * (double)answer.fibers));
    return 0;
}
