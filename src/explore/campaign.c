/*
 * campaign.c - seeds over worker processes.
 *
 * Each worker runs one seed after the other in one process.  One that finds a violation tells it through a pipe and
 * ends, because nobody knows what is left of its process; one that crashes is noticed by its end.  In both cases
 * another one goes on in its place.  What was found is looked at by analyse.c afterwards.
 */
#include "explore/campaign.h"
#include "explore/shared.h"
#include "explore/world.h"
#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct record {     /* worker -> campaign; smaller than PIPE_BUF, so whole */
    int is_problem; /* the run could not be made: found.text says why */
    struct found found;
};

struct campaign {
    const struct uwsk_explore_options *options;
    struct shared *shared; /* the report's */
    struct report report;
    int pipe[2];
    unsigned jobs;
    pid_t worker[SHARED_JOBS];
    int problem;
};

static volatile sig_atomic_t interrupted;

void explore_say(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fputs("uwsk explore: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

double explore_clock(void)
{
    return (double)host_now() * 1e-9;
}

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* A worker has ended: whoever waits for records looks at once. */
static void on_child(int signal)
{
    (void)signal;
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static pid_t fork_child(void)
{
    pid_t parent = getpid(), child;

    fflush(stdout);
    fflush(stderr);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        signal(SIGINT, SIG_IGN); /* the campaign tells its workers */
        signal(SIGTERM, SIG_DFL);
    }
    return child;
}

static int status_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int wait_for(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status_of(status);
}

int explore_child(int (*fn)(void *context, int out), void *context, struct text *out)
{
    char part[4096];
    int ends[2];
    ssize_t got;
    pid_t child;

    if (pipe(ends) != 0)
        return 2;
    child = fork_child();
    if (child == 0) {
        int status;

        close(ends[0]);
        status = fn(context, ends[1]);
        fflush(stdout);
        _exit(status);
    }
    close(ends[1]);
    while (child > 0 && ((got = read(ends[0], part, sizeof part)) > 0 || (got < 0 && errno == EINTR)))
        if (got > 0)
            text_bytes(out, part, (size_t)got);
    close(ends[0]);
    return child > 0 ? wait_for(child) : 2;
}

void explore_crashed(struct found *found, int status)
{
    snprintf(found->kind, sizeof found->kind, "process-crashed");
    if (status > 128)
        snprintf(found->text, sizeof found->text, "the process ends by signal %d (%s)", status - 128,
                 strsignal(status - 128));
    else
        snprintf(found->text, sizeof found->text, "the process ends with status %d", status);
}

/* ---- worlds ------------------------------------------------------------------------------------------- */

struct uwsk_world *explore_world(const struct uwsk_explore_options *options)
{
    struct uwsk_problem problem;
    struct uwsk_world *world;

    if (uwsk_world_create(&options->world, &world, &problem) != 0) {
        explore_say("%s", problem.text);
        return NULL;
    }
    if (options->scenario && uwsk_world_scenario(world, options->scenario, &problem) != 0)
        goto bad;
    for (size_t i = 0; i < options->settings; i++)
        if (uwsk_world_registry(world, options->setting[i], &problem) != 0)
            goto bad;
    for (size_t i = 0; i < options->drivers; i++)
        if (uwsk_world_driver(world, options->driver[i], &problem) != 0)
            goto bad;
    return world;
bad:
    explore_say("%s", problem.text);
    uwsk_world_destroy(world);
    return NULL;
}

void explore_count(struct shared *shared, const struct uwsk_world *world,
                   const struct uwsk_world_result *result)
{
    shared_schedule(shared, result->hash);
    invariants_each_close(world->invariants, shared_close, shared);
    __atomic_add_fetch(&shared->runs, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&shared->steps, result->steps, __ATOMIC_RELAXED);
}

/* ---- a worker ----------------------------------------------------------------------------------------- */

struct worker {
    struct campaign *campaign;
    struct uwsk_world *world;
    struct shared_slot *slot;
};

static void tell_found(const struct worker *worker, const struct uwsk_world_result *result)
{
    struct record record = {.found = {.seed = worker->slot->seed,
                                      .fail_at = worker->slot->fail_at,
                                      .fail_onwards = worker->slot->fail_onwards}};

    snprintf(record.found.kind, sizeof record.found.kind, "%s", result->kind);
    snprintf(record.found.text, sizeof record.found.text, "%.*s", (int)strcspn(result->text, "\n"),
             result->text);
    if (write(worker->campaign->pipe[1], &record, sizeof record) < 0)
        _exit(2);
}

static void tell_problem(const struct worker *worker, const struct uwsk_problem *problem)
{
    struct record record = {.is_problem = 1};

    snprintf(record.found.text, sizeof record.found.text, "%.599s", problem->text);
    if (write(worker->campaign->pipe[1], &record, sizeof record) < 0)
        _exit(2);
}

/* One run; ends the process when it finds something. */
static void run_one(const struct worker *worker, uint64_t seed, uint64_t fail_at, int onwards,
                    struct uwsk_world_result *result)
{
    struct shared *shared = worker->campaign->shared;
    struct uwsk_world_options options = worker->world->options;
    struct uwsk_problem problem;

    worker->slot->seed = options.seed = seed;
    worker->slot->fail_at = options.fail_at = fail_at;
    worker->slot->fail_onwards = options.fail_onwards = onwards;
    worker->slot->running = 1;
    if (uwsk_world_set(worker->world, &options, &problem) != 0 ||
        uwsk_world_run(worker->world, NULL, NULL, result, &problem) != 0) {
        tell_problem(worker, &problem);
        _exit(0);
    }
    worker->slot->running = 0;
    explore_count(shared, worker->world, result);
    if (!worker->campaign->options->sweep)
        __atomic_add_fetch(&shared->seeds, 1, __ATOMIC_RELAXED);
    if (result->kind) {
        tell_found(worker, result);
        _exit(0);
    }
}

static int stopped(const struct worker *worker)
{
    return __atomic_load_n(&worker->campaign->shared->stop, __ATOMIC_RELAXED);
}

/* Every fault point of the seed's run that is this worker's share, once and from there on. */
static void sweep_seed(const struct worker *worker, uint64_t seed)
{
    struct shared *shared = worker->campaign->shared;
    struct uwsk_world_result result;
    uint64_t points;

    run_one(worker, seed, 0, 0, &result);
    points = result.fault_points;
    shared->fault_points = points; /* every worker counts the same */
    for (; worker->slot->index < 2 * points && !stopped(worker);
         worker->slot->index += worker->campaign->jobs) {
        uint64_t index = worker->slot->index;

        worker->slot->index = index + worker->campaign->jobs; /* whoever takes this place goes on behind it */
        run_one(worker, seed, index / 2 + 1, (int)(index % 2), &result);
        worker->slot->index = index;
    }
}

static uint64_t seed_of(const struct campaign *campaign, uint64_t index)
{
    const struct uwsk_explore_options *options = campaign->options;

    return options->world.seed + (options->shard - 1) + index * options->shards;
}

static void worker_main(struct campaign *campaign, unsigned number)
{
    struct worker worker = {campaign, explore_world(campaign->options), &campaign->shared->slot[number]};
    struct shared *shared = campaign->shared;
    struct uwsk_world_result result;

    close(campaign->pipe[0]);
    if (!worker.world)
        _exit(2);
    while (!stopped(&worker)) {
        uint64_t index;

        if (campaign->options->sweep) { /* every worker sees every seed */
            index = __atomic_load_n(&shared->next, __ATOMIC_RELAXED);
            if (index >= shared->limit)
                break;
            sweep_seed(&worker, seed_of(campaign, index));
            break;
        }
        index = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (index >= shared->limit)
            break;
        run_one(&worker, seed_of(campaign, index), campaign->options->world.fail_at,
                campaign->options->world.fail_onwards, &result);
    }
    _exit(0);
}

static int start_worker(struct campaign *campaign, unsigned number)
{
    pid_t child = fork_child();

    if (child == 0)
        worker_main(campaign, number);
    campaign->worker[number] = child > 0 ? child : 0;
    return child > 0 ? 0 : -1;
}

/* ---- the campaign ------------------------------------------------------------------------------------- */

static void take_found(struct campaign *campaign, const struct found *found)
{
    if (report_keep(&campaign->report, found) != 0)
        campaign->problem = campaign->shared->stop = 1;
    if (!campaign->options->keep_going)
        campaign->shared->stop = 1;
    else if (!campaign->options->progress)
        explore_say("found %s seed %llu", found->kind, (unsigned long long)found->seed);
}

static void read_records(struct campaign *campaign, int timeout_ms)
{
    struct pollfd ready = {.fd = campaign->pipe[0], .events = POLLIN};
    struct record record;

    while (poll(&ready, 1, timeout_ms) > 0) {
        timeout_ms = 0;
        if (read(campaign->pipe[0], &record, sizeof record) != (ssize_t)sizeof record)
            return;
        if (record.is_problem) {
            if (!campaign->problem)
                explore_say("%s", record.found.text);
            campaign->problem = 1;
            campaign->shared->stop = 1;
        } else {
            take_found(campaign, &record.found);
        }
    }
}

/* A worker that did not end by itself: what it was doing is what was found. */
static void note_crash(struct campaign *campaign, unsigned number, int status)
{
    const struct shared_slot *slot = &campaign->shared->slot[number];
    struct found found = {.seed = slot->seed, .fail_at = slot->fail_at, .fail_onwards = slot->fail_onwards};

    explore_crashed(&found, status);
    __atomic_add_fetch(&campaign->shared->runs, 1, __ATOMIC_RELAXED);
    if (!campaign->options->sweep)
        __atomic_add_fetch(&campaign->shared->seeds, 1, __ATOMIC_RELAXED);
    take_found(campaign, &found);
}

static int more_to_do(const struct campaign *campaign)
{
    const struct shared *shared = campaign->shared;

    return !shared->stop && (campaign->options->sweep || shared->next < shared->limit);
}

/* Buries who has ended and starts others in their place; how many are alive. */
static unsigned tend(struct campaign *campaign, int ending)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < campaign->jobs; i++) {
        struct shared_slot *slot = &campaign->shared->slot[i];
        int status = 0, code;
        pid_t ended;

        if (!campaign->worker[i])
            continue;
        ended = waitpid(campaign->worker[i], &status, WNOHANG);
        if (ended == 0) {
            alive++;
            continue;
        }
        campaign->worker[i] = 0;
        code = status_of(status);
        read_records(campaign, 0);
        if (code != 0 && slot->running && !ending)
            note_crash(campaign, i, code);
        else if (code != 0 && !slot->running && !ending) { /* between two runs, or before the first */
            if (code > 2)
                explore_say("a worker has ended with status %d", code);
            campaign->problem = 1;
            campaign->shared->stop = 1;
        }
        slot->running = 0;
        if (more_to_do(campaign) &&
            (!campaign->options->sweep || slot->index < 2 * campaign->shared->fault_points) &&
            start_worker(campaign, i) == 0)
            alive++;
    }
    return alive;
}

static void show_progress(const struct campaign *campaign, int last)
{
    const struct shared *shared = campaign->shared;
    double seconds = explore_clock() - campaign->report.began;
    char bar[24] = "", line[256];
    int length;

    if (!campaign->options->progress)
        return;
    if (shared->limit != UINT64_MAX && shared->limit > 0 && !campaign->options->sweep) {
        int full = (int)(20 * shared->seeds / shared->limit);

        for (int i = 0; i < 20; i++)
            bar[i] = i < full ? '#' : '.';
        bar[20] = ' ';
        bar[21] = 0;
    }
    length =
        snprintf(line, sizeof line, "%s%llu runs, %.0f/s, %llu schedules, %llu close states, %llu found", bar,
                 (unsigned long long)shared->runs, seconds > 0 ? (double)shared->runs / seconds : 0.0,
                 (unsigned long long)shared->schedules, (unsigned long long)shared->closes,
                 (unsigned long long)campaign->report.violations);
    fprintf(stderr, "\r%s%s", line, length < 100 ? "   " : "");
    if (last)
        fputc('\n', stderr);
    fflush(stderr);
}

static void run_workers(struct campaign *campaign)
{
    const struct uwsk_explore_options *options = campaign->options;
    double end_of_patience = 0;

    for (unsigned i = 0; i < campaign->jobs; i++) {
        campaign->shared->slot[i].index = i;
        if (start_worker(campaign, i) != 0)
            explore_say("cannot start a worker: %s", strerror(errno));
    }
    for (;;) {
        double now = explore_clock();
        int overdue;

        if (interrupted || (options->seconds > 0 && now - campaign->report.began >= options->seconds))
            campaign->shared->stop = 1;
        if (campaign->shared->stop && end_of_patience == 0)
            end_of_patience = now + 15;
        overdue = end_of_patience != 0 && now > end_of_patience;
        if (tend(campaign, overdue) == 0)
            break;
        for (unsigned i = 0; i < campaign->jobs && overdue; i++)
            if (campaign->worker[i])
                kill(campaign->worker[i], SIGKILL);
        read_records(campaign, 50);
        show_progress(campaign, 0);
    }
    read_records(campaign, 0);
    show_progress(campaign, 1);
}

/* ---- the report --------------------------------------------------------------------------------------- */

/* Which drivers tell of every access. */
static void say_watched(const struct uwsk_explore_options *options)
{
    size_t count = 0;

    printf("memory is watched (uwsk cc --explore) of:");
    for (size_t i = 0; i < options->drivers; i++)
        if (explore_is_watched(options->driver[i]))
            printf("%s %s", count++ ? "," : "", options->driver[i]);
    printf("%s\n", count ? "" : " no driver");
}

static void say_unwatched(const struct uwsk_explore_options *options)
{
    for (size_t i = 0; i < options->drivers; i++)
        if (!explore_is_watched(options->driver[i]))
            printf(
                "memory of %s was not watched: races were looked for at calls of the WDK's functions only\n",
                options->driver[i]);
}

static void summary(const struct campaign *campaign)
{
    const struct uwsk_explore_options *options = campaign->options;
    const struct shared *shared = campaign->shared;
    double seconds = explore_clock() - campaign->report.began;

    if (options->sweep)
        printf("swept seed %llu: %llu fault points, %llu runs", (unsigned long long)options->world.seed,
               (unsigned long long)shared->fault_points, (unsigned long long)shared->runs);
    else
        printf("explored %llu seeds from %llu%s", (unsigned long long)shared->seeds,
               (unsigned long long)seed_of(campaign, 0), options->shards > 1 ? " of this shard" : "");
    printf(": %llu schedules, %llu close states, %llu violation%s, %.1f s\n",
           (unsigned long long)shared->schedules, (unsigned long long)shared->closes,
           (unsigned long long)campaign->report.violations, campaign->report.violations == 1 ? "" : "s",
           seconds);
    say_unwatched(options);
}

/* ---- kinds of campaigns ------------------------------------------------------------------------------- */

static int explore_seeds(const struct uwsk_explore_options *options)
{
    struct campaign campaign = {.options = options};
    int status = 2;

    if (report_start(&campaign.report, options) != 0 || pipe(campaign.pipe) != 0)
        return 2;
    campaign.shared = campaign.report.shared;
    campaign.jobs = options->jobs < SHARED_JOBS ? options->jobs : SHARED_JOBS;
    campaign.shared->limit = options->sweep ? 1 : options->seeds;
    if (!options->sweep && campaign.jobs > options->seeds)
        campaign.jobs = (unsigned)options->seeds;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGCHLD, on_child);
    run_workers(&campaign);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    if (!campaign.problem) {
        report_tell(&campaign.report);
        summary(&campaign);
        status = campaign.report.violations ? 1 : 0;
        if (options->json && report_save(&campaign.report) != 0)
            status = 2;
    }
    close(campaign.pipe[0]);
    close(campaign.pipe[1]);
    report_end(&campaign.report);
    return status;
}

static int explore_search(const struct uwsk_explore_options *options)
{
    struct report report;
    int status;

    if (report_start(&report, options) != 0)
        return 2;
    report.shared->seeds = 1;
    status = explore_dfs(&report);
    if (status != 2 && options->json && report_save(&report) != 0)
        status = 2;
    report_end(&report);
    return status;
}

/* What is wrong with files and options is said once, before there are workers. */
static int check(const struct uwsk_explore_options *options)
{
    struct uwsk_world *world = explore_world(options);

    uwsk_world_destroy(world);
    return world ? 0 : -1;
}

int uwsk_explore(const struct uwsk_explore_options *given)
{
    struct uwsk_explore_options options = *given;

    if (options.replay)
        return explore_replay(&options);
    if (options.break_at)
        return explore_here(&options);
    if (check(&options) != 0)
        return 2;
    say_watched(&options);
    if (explore_measure(&options) != 0)
        return 2;
    if (options.dfs >= 0)
        return explore_search(&options);
    if (options.one_seed && !options.sweep)
        return explore_one(&options);
    return explore_seeds(&options);
}
