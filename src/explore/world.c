/*
 * world.c - a world, and one run of it from beginning to end.
 *
 * The first fiber does what `uwsk run` does: start the runtime, load the drivers, let the peers come and go, unload,
 * account, stop.  A second one watches it: whoever makes it wait for ever is reported, with who waits for whom.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "host/host.h"
#include "runner/runner.h"
#include "wsk/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bugcodes.h>
#include <ntstatus.h>

_Static_assert(sizeof(struct uwsk_switch) == sizeof(struct sim_choice) &&
                   offsetof(struct uwsk_switch, fiber) == offsetof(struct sim_choice, fiber) &&
                   offsetof(struct uwsk_switch, preemption) == offsetof(struct sim_choice, preemption),
               "a switch is a choice of the simulator");

#define SECOND          1000000000ull
#define ENTRY_LIMIT     (120 * SECOND)
#define UNLOAD_LIMIT_MS 60000u
#define STOP_LIMIT      (60 * SECOND)
#define PEERS_LIMIT     (600 * SECOND)
#define LISTEN_LIMIT                                                                                         \
    (1 * SECOND / 20) /* a driver that listens later than that after its entry gets no peers */

static struct uwsk_world *current HOST_KEPT;

/* ---- violations --------------------------------------------------------------------------------------- */

static void stop_run(struct uwsk_world *world)
{
    (void)world;
    if (sim_running())
        sim_stop();
}

/* 1: this one counts. */
static int begin_violation(struct uwsk_world *world, const char *kind)
{
    struct violation *violation = &world->violation;

    if (violation->kind[0])
        return 0;
    if (sim_running()) {
        violation->step = sim_step();
        violation->fiber = sim_fiber();
        violation->frame_count = host_backtrace(violation->frames, WORLD_FRAMES, 2);
        events_add(world, "!! %s", kind);
    }
    snprintf(violation->kind, sizeof violation->kind, "%s", kind);
    return 1;
}

int world_violation_begin(struct uwsk_world *world, const char *kind)
{
    struct violation *violation = &world->violation;
    size_t own = 0;

    if (!begin_violation(world, kind))
        return 0;
    /* The stack begins with the driver. */
    while (own < violation->frame_count && !runner_driver_at(violation->frames[own]))
        own++;
    if (own < violation->frame_count) {
        violation->frame_count -= own;
        memmove(violation->frames, violation->frames + own,
                violation->frame_count * sizeof violation->frames[0]);
    }
    return 1;
}

void world_violation_end(struct uwsk_world *world)
{
    stop_run(world);
}

void world_violation(struct uwsk_world *world, const char *kind, const char *format, ...)
{
    char text[1200];
    va_list arguments;

    if (begin_violation(world, kind)) {
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        text_line(&world->violation.text, text);
    }
    stop_run(world);
}

void uwsk_world_fail(struct uwsk_world *world, const char *kind, const char *text)
{
    world_violation(world, kind, "%s", text);
}

int uwsk_world_check(struct uwsk_world *world)
{
    return world->violation.kind[0] ? -1 : 0;
}

/* Hangs are told with who waits for whom, which takes a moment: only where somebody reads it. */
static void hang(struct uwsk_world *world, const char *kind, const char *what)
{
    if (!begin_violation(world, kind))
        return;
    text_line(&world->violation.text, what);
    if (world->options.detail) {
        text_add(&world->violation.text, "who waits for what:\n");
        uwsk_waits_report(NULL, text_line, &world->violation.text);
    }
    stop_run(world);
}

static void bug_check_kind(uint32_t code, uint64_t first, char *kind, size_t bytes)
{
    const char *name = runner_bugcheck_name(code);
    int length =
        name ? snprintf(kind, bytes, "bug-check:%s", name) : snprintf(kind, bytes, "bug-check:0x%08X", code);

    if (code == DRIVER_VERIFIER_DETECTED_VIOLATION && length > 0 && (size_t)length < bytes)
        snprintf(kind + length, bytes - (size_t)length, ":0x%llX", (unsigned long long)first);
}

static void on_bug_check(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
{
    struct uwsk_world *world = current;
    const uint64_t parameters[4] = {p1, p2, p3, p4};
    const char *meaning = runner_bugcheck_meaning(code, p1);
    char kind[96];

    bug_check_kind(code, p1, kind, sizeof kind);
    if (begin_violation(world, kind)) {
        if (!world->options.detail)
            text_line(&world->violation.text, meaning ? meaning : kind);
        else /* its stack begins at the culprit */
            world->violation.frame_count =
                runner_bugcheck_brief(code, parameters, caller, world->violation.frames, WORLD_FRAMES);
    }
    sim_stop();
    host_exit(3);
}

/* ---- the watcher -------------------------------------------------------------------------------------- */

static void enter_phase(struct uwsk_world *world, enum world_phase phase)
{
    world->phase = phase;
    world->phase_since = host_now();
    world->progress++;
    sim_progress();
}

static void watcher(void *argument)
{
    struct uwsk_world *world = argument;

    while (!world->watch_over) {
        uint64_t limit = world->phase == WORLD_LOADING    ? ENTRY_LIMIT
                         : world->phase == WORLD_STOPPING ? STOP_LIMIT
                                                          : 2 * PEERS_LIMIT;
        uint64_t until = world->phase_since + limit;

        if (host_now() < until) {
            host_park(&world->watch_over, 0,
                      until < host_now() + ENTRY_LIMIT ? until : host_now() + ENTRY_LIMIT);
            continue;
        }
        if (world->phase == WORLD_LOADING)
            hang(world, "entry-hangs", "DriverEntry has not returned within 120 s");
        else if (world->phase == WORLD_STOPPING)
            hang(world, "stop-hangs", "everything is unloaded, and the runtime does not come to its end");
        else
            hang(world, "hangs", "the run does not come to its end");
    }
}

/* ---- drivers ------------------------------------------------------------------------------------------ */

struct left_kinds {
    unsigned count[UWSK_LEFT_KINDS];
};

static void count_left(void *context, const struct uwsk_left *left)
{
    struct left_kinds *kinds = context;

    if (left->kind > 0 && left->kind < UWSK_LEFT_KINDS)
        kinds->count[left->kind]++;
}

static void account(struct uwsk_world *world, struct uwsk_driver *driver)
{
    const char *name = driver ? uwsk_driver_name(driver) : "code that is no driver's";
    struct left_kinds kinds = {{0}};
    struct text *text = &world->violation.text;

    if (uwsk_account(driver, NULL, NULL) == 0)
        return;
    if (!begin_violation(world, "left-behind"))
        return;
    world->violation.frame_count = 0;
    uwsk_account(driver, count_left, &kinds);
    text_add(text, "%s left behind:", name);
    for (int kind = 1, first = 1; kind < UWSK_LEFT_KINDS; kind++)
        if (kinds.count[kind]) {
            text_add(text, "%s %u %s", first ? "" : ",", kinds.count[kind],
                     uwsk_left_name(kind, kinds.count[kind] > 1));
            first = 0;
        }
    text_add(text, "\n");
    if (world->options.detail)
        uwsk_account_report(driver, text_line, text);
    stop_run(world);
}

/* May DriverEntry fail?  Not by the driver's own doing. */
static void entry_failed(struct uwsk_world *world, struct world_driver *entry, const char *why)
{
    if (!(world->faults & UWSK_FAULTS_MEMORY) && !world->options.fail_at)
        world_violation(world, "entry-fails", "%s", why);
    if (entry->driver) {
        account(world, entry->driver);
        uwsk_driver_forget(entry->driver);
    }
    entry->driver = NULL;
}

static int set_registry(struct uwsk_world *world, const char *path)
{
    struct uwsk_problem problem;

    for (size_t i = 0; i < world->scenario.settings; i++)
        if (uwsk_registry_set(path, world->scenario.setting[i], &problem) != 0) {
            world->problem = problem;
            world->not_started = 1;
            return -1;
        }
    return 0;
}

int uwsk_world_load(struct uwsk_world *world)
{
    struct uwsk_problem problem;

    if (world->phase != WORLD_STARTING)
        return uwsk_world_check(world);
    enter_phase(world, WORLD_LOADING);
    for (size_t i = 0; i < world->drivers; i++) {
        struct world_driver *entry = &world->driver[i];

        if (set_registry(world, entry->path) != 0)
            return -1;
        if (uwsk_driver_load(entry->path, NULL, &entry->driver, &problem) < 0) {
            entry_failed(world, entry, problem.text);
            break;
        }
        events_add(world, "%s is loaded", uwsk_driver_name(entry->driver));
    }
    enter_phase(world, WORLD_RUNNING);
    return uwsk_world_check(world);
}

static void unload_one(struct uwsk_world *world, struct world_driver *entry)
{
    struct uwsk_driver *driver = entry->driver;
    char what[160];
    int result;

    if (!driver)
        return;
    events_add(world, "%s is to be unloaded", uwsk_driver_name(driver));
    result = uwsk_driver_unload(driver, UNLOAD_LIMIT_MS);
    if (result == UWSK_UNLOAD_TIMEOUT) {
        snprintf(what, sizeof what, "DriverUnload of %s has not returned within %u s",
                 uwsk_driver_name(driver), UNLOAD_LIMIT_MS / 1000);
        hang(world, "unload-hangs", what);
    } else if (result != UWSK_UNLOADED) {
        world_violation(world, "cannot-unload", "%s cannot be unloaded: %s", uwsk_driver_name(driver),
                        result == UWSK_CANNOT_UNLOAD ? "its DriverUnload is NULL" : "a device of it is open");
    }
    events_add(world, "%s is unloaded", uwsk_driver_name(driver));
    account(world, driver);
    uwsk_driver_forget(driver);
    entry->driver = NULL;
}

int uwsk_world_unload(struct uwsk_world *world)
{
    if (world->phase == WORLD_STARTING)
        uwsk_world_load(world);
    if (world->phase != WORLD_RUNNING)
        return uwsk_world_check(world);
    enter_phase(world, WORLD_UNLOADING);
    for (size_t i = world->drivers; i-- > 0;)
        unload_one(world, &world->driver[i]);
    return uwsk_world_check(world);
}

/* ---- peers -------------------------------------------------------------------------------------------- */

static void peer_fiber(void *argument)
{
    struct uwsk_peer *peer = argument;
    struct uwsk_world *world = peer->world;

    peer_main(peer);
    events_add(world, "%s has ended", peer->plan->name);
    world->progress++;
    if (__atomic_sub_fetch(&world->peers_running, 1, __ATOMIC_RELEASE) == 0)
        host_unpark(&world->peers_running, 1);
}

/* What the drivers listen on, and their datagram sockets, as soon as there are any; the rest of the scenario follows from
 * the seed. */
static size_t find_targets(struct target *out, size_t room)
{
    struct runner_sockets *sockets = runner_sockets_get();
    size_t count = 0;

    for (size_t i = 0; sockets && i < sockets->sockets && count < room; i++) {
        const struct wsk_report_socket *socket = &sockets->socket[i];
        struct transport_address *address = &out[count].address;
        int listens = strcmp(socket->category, "listening") == 0 && strcmp(socket->state, "listening") == 0;
        int datagram = strcmp(socket->category, "datagram") == 0 && strcmp(socket->state, "bound") == 0;
        uint16_t family;

        memcpy(&family, socket->local, sizeof family);
        if ((!listens && !datagram) || (family != TRANSPORT_AF_INET && family != TRANSPORT_AF_INET6))
            continue;
        memset(&out[count], 0, sizeof out[count]);
        address->length = family == TRANSPORT_AF_INET ? 16 : 28;
        memcpy(address->bytes, socket->local, address->length);
        out[count++].datagram = datagram;
    }
    runner_sockets_free(sockets);
    return count;
}

static void wait_until(uint64_t until)
{
    uint32_t never = 0;

    while (host_now() < until)
        host_park(&never, 0, until);
}

static void draw(struct uwsk_world *world)
{
    struct target targets[16];
    uint64_t limit = host_now() + LISTEN_LIMIT;
    size_t count;

    while ((count = find_targets(targets, 16)) == 0 && host_now() < limit)
        wait_until(host_now() + LISTEN_LIMIT / 5);
    world->drawn_peer = draw_peers(world->options.seed, targets, count, &world->drawn_peers);
}

int uwsk_world_start_peers(struct uwsk_world *world)
{
    const struct peer_plan *plans = world->scenario.peer;
    size_t count = world->scenario.peers;

    if (world->phase == WORLD_STARTING)
        uwsk_world_load(world);
    if (world->phase != WORLD_RUNNING || world->peers_started)
        return uwsk_world_check(world);
    world->peers_started = 1;
    if (count == 0) {
        draw(world);
        plans = world->drawn_peer;
        count = world->drawn_peers;
    }
    world->peer = calloc(count ? count : 1, sizeof *world->peer);
    if (!world->peer)
        return -1;
    world->peers = count;
    world->peers_running = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct uwsk_peer *peer = &world->peer[i];

        peer->world = world;
        peer->plan = &plans[i];
        peer->host = plans[i].host;
        peer->patience = 10 * SECOND;
        if (host_thread_start(peer_fiber, peer, plans[i].name, 0) != 0)
            __atomic_sub_fetch(&world->peers_running, 1, __ATOMIC_RELEASE);
    }
    return uwsk_world_check(world);
}

static void wait_peers(struct uwsk_world *world, uint64_t until)
{
    uint32_t running;

    while ((running = __atomic_load_n(&world->peers_running, __ATOMIC_ACQUIRE)) != 0 && host_now() < until)
        host_park(&world->peers_running, running, until);
}

int uwsk_world_wait_peers(struct uwsk_world *world)
{
    uwsk_world_start_peers(world);
    wait_peers(world, host_now() + PEERS_LIMIT);
    return uwsk_world_check(world);
}

/* ---- the first fiber ---------------------------------------------------------------------------------- */

void uwsk_world_step(struct uwsk_world *world, uint64_t steps)
{
    uint64_t until = sim_step() + steps;

    (void)world;
    while (sim_step() < until)
        host_yield();
}

void uwsk_world_run_until_quiet(struct uwsk_world *world, uint64_t quiet_ns)
{
    uint64_t before;

    do {
        before = world->progress;
        wait_until(host_now() + (quiet_ns ? quiet_ns : 1));
    } while (world->progress != before && uwsk_world_check(world) == 0);
}

void uwsk_world_wait(struct uwsk_world *world, uint64_t ns)
{
    (void)world;
    wait_until(host_now() + ns);
}

uint64_t uwsk_world_now(const struct uwsk_world *world)
{
    (void)world;
    return host_now();
}

/* Loads, lets the peers come, unloads when the scenario or the seed says so. */
static void usual_director(struct uwsk_world *world)
{
    if (uwsk_world_load(world) != 0 || uwsk_world_start_peers(world) != 0)
        return;
    if (world->drawn.unload == UNLOAD_AT)
        wait_until(world->phase_since + world->drawn.unload_ns);
    else
        wait_peers(world, host_now() + PEERS_LIMIT);
    uwsk_world_unload(world);
}

static void on_print(void *context, const struct uwsk_line *line)
{
    struct uwsk_world *world = context;

    events_add(world, "prints: %s", line->text);
    if (world->options.print)
        world->options.print(world->options.context, line);
}

/* The lines of a bug check. */
static void on_report(void *context, const char *line)
{
    struct uwsk_world *world = context;

    if (*line)
        text_line(&world->violation.text, line);
}

static void on_provider(void *context, const char *what)
{
    events_add(context, "WSK's provider %s", what);
}

static int start_network(struct uwsk_world *world)
{
    if (net_start(&world->drawn.weather, world->options.seed) != 0)
        return -1;
    for (size_t i = 0; i < world->scenario.hosts; i++)
        if (net_host_add(world->scenario.host[i]) != (int)i + 1)
            return -1;
    return 0;
}

static int start_runtime(struct uwsk_world *world)
{
    struct uwsk_options options = UWSK_OPTIONS_INITIALIZER;

    options.processors = world->drawn.processors;
    options.completion = world->drawn.completion;
    options.deliver = world->drawn.deliver;
    options.send_complete = world->drawn.send_complete;
    options.transport = "sim";
    options.provider_delay_ns = world->drawn.provider_delay_ns;
    options.provider_leave_ns = world->drawn.provider_leave_ns;
    options.print = on_print;
    options.report = on_report;
    options.provider = on_provider;
    options.context = world;
    return uwsk_runtime_start(&options, &world->problem) == 0 ? 0 : -1;
}

static void stop_runtime(struct uwsk_world *world)
{
    enter_phase(world, WORLD_STOPPING);
    invariants_at_end(world);
    account(world, NULL);
    if (uwsk_runtime_stop() != 0)
        world_violation(world, "left-behind",
                        "something of the drivers' is left, and the runtime cannot stop");
    enter_phase(world, WORLD_LEAVING);
    wait_peers(world, host_now() + PEERS_LIMIT);
    if (net_open_count() != 0)
        world_violation(world, "left-behind", "%zu sockets of the simulated network are still open",
                        net_open_count());
    net_stop();
}

static void run_main(void *argument)
{
    struct uwsk_world *world = argument;

    world->main_fiber = sim_fiber();
    if (start_network(world) != 0) {
        explore_problem(&world->problem, STATUS_INVALID_PARAMETER,
                        "the simulated network does not start, or a host's address is used twice");
        world->not_started = 1;
        return;
    }
    if (start_runtime(world) != 0) {
        world->not_started = 1;
        return;
    }
    ke_set_bugcheck_handler(on_bug_check);
    invariants_install(world);
    if (world_watched(world))
        races_install(world);
    world->phase_since = host_now();
    if (host_thread_start(watcher, world, "watcher", 0) != 0)
        world->not_started = 1;
    faults_start(world);
    if (world->director)
        world->director(world, world->director_context);
    else
        usual_director(world);
    if (world->not_started)
        return;
    uwsk_world_unload(world);
    faults_stop();
    stop_runtime(world);
    enter_phase(world, WORLD_OVER);
    world->watch_over = 1;
    host_unpark(&world->watch_over, 1);
}

/* ---- steps of a traced run ---------------------------------------------------------------------------- */

static const char *step_name(int kind)
{
    switch (kind) {
    case HOST_POINT_ATOMIC:
        return "an atomic step";
    case HOST_POINT_BARRIER:
        return "a barrier";
    case HOST_POINT_LOCK:
        return "the taking of a lock";
    case HOST_POINT_UNLOCK:
        return "the release of a lock";
    case HOST_POINT_WAIT:
        return "a wait";
    case HOST_POINT_WAKE:
        return "a wake";
    case HOST_POINT_POOL:
        return "a pool call";
    case HOST_POINT_IRP:
        return "a step of an IRP";
    case HOST_POINT_CALL:
        return "a call";
    case HOST_POINT_READ:
        return "a read";
    case HOST_POINT_WRITE:
        return "a write";
    case SIM_STEP_PARK:
    case SIM_STEP_SLEEP:
        return "a wait";
    case SIM_STEP_UNPARK:
        return "a wake";
    case SIM_STEP_START:
        return "the start of a thread";
    case SIM_STEP_END:
        return "its end";
    default:
        return "a step";
    }
}

/* The innermost frame in a driver's code, or the innermost above the host. */
static const void *reader_frame(void)
{
    void *frames[24];
    size_t count = host_backtrace(frames, 24, 3);

    for (size_t i = 0; i < count; i++)
        if (runner_driver_at(frames[i]))
            return frames[i];
    return count ? frames[0] : NULL;
}

static void on_step(void *context, uint64_t step, struct host_thread *fiber, int kind,
                    const volatile void *object)
{
    struct uwsk_world *world = context;
    size_t count = world->options.schedule_count;

    (void)object;
    if (fiber)
        events_name(&world->events, sim_fiber(), fiber->name);
    while (world->next_switch < count && world->schedule[world->next_switch].step < step)
        world->next_switch++;
    if (world->next_switch < count && world->schedule[world->next_switch].step == step &&
        world->schedule[world->next_switch].preemption)
        events_switch(world, reader_frame(), step_name(kind), world->schedule[world->next_switch].fiber);
}

/* ---- a run from outside ------------------------------------------------------------------------------- */

void world_forget_run(struct uwsk_world *world)
{
    for (size_t i = 0; i < world->drawn_peers; i++)
        peer_plan_free(&world->drawn_peer[i]);
    for (size_t i = 0; i < world->peers; i++)
        peer_datagram_free(&world->peer[i]);
    free(world->drawn_peer);
    free(world->peer);
    text_free(&world->violation.text);
    events_clear(&world->events);
    world->drawn_peer = NULL;
    world->peer = NULL;
    world->drawn_peers = world->peers = 0;
    memset(&world->violation, 0, sizeof world->violation);
    world->phase = WORLD_STARTING;
    world->watch_over = world->peers_running = 0;
    world->peers_started = world->not_started = 0;
    world->progress = world->fault_points = 0;
    world->next_switch = 0;
    for (size_t i = 0; i < world->drivers; i++) {
        free(world->driver[i].driver); /* of a run that was stopped: its record is all that is left of it */
        world->driver[i].driver = NULL;
    }
    invariants_reset(world->invariants);
    races_reset(world->races);
}

/* How the run ended, where nobody has told it yet. */
static void tell_end(void *argument, const struct sim_result *result)
{
    struct uwsk_world *world = argument;
    static const struct {
        int end;
        const char *kind, *text;
    } ends[] = {
        {SIM_EXITED, "exits", "the process was made to exit"},
        {SIM_DEADLOCK, "deadlock", "nobody can run, and no time will change that"},
        {SIM_STUCK, "stuck", "time passes, and nothing happens but what repeats itself"},
        {SIM_ENDLESS, "endless", "the run does not end: too many steps"},
        {SIM_HUNG, "hung", "a thread runs on without ever reaching a point of the simulation"},
        {SIM_CRASHED, "crashed", "a processor exception that nobody took"},
        {SIM_STOPPED, "stopped", "the run was stopped"},
    };

    races_tell(world);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends[i].end == result->end && begin_violation(world, ends[i].kind)) {
            text_line(&world->violation.text, ends[i].text);
            world->violation.step = result->steps;
            world->violation.fiber = result->fiber;
            world->violation.frame_count =
                result->frame_count < WORLD_FRAMES ? result->frame_count : WORLD_FRAMES;
            memcpy(world->violation.frames, result->frames,
                   world->violation.frame_count * sizeof world->violation.frames[0]);
        }
}

static void tell_result(const struct uwsk_world *world, struct uwsk_world_result *out)
{
    const struct sim_result *result = &world->result;

    if (!out)
        return;
    memset(out, 0, sizeof *out);
    out->kind = world->violation.kind[0] ? world->violation.kind : NULL;
    out->text = text_of(&world->violation.text);
    out->step = world->violation.step ? world->violation.step : result->steps;
    out->fiber = world->violation.fiber;
    out->steps = result->steps;
    out->switches = result->switches;
    out->preemptions = result->preemptions;
    out->fibers = result->fibers;
    out->virtual_ns = result->virtual_ns;
    out->choices = result->points_with_choice;
    out->hash = result->hash;
    out->fault_points = world->fault_points;
    out->schedule = (const struct uwsk_switch *)result->choices;
    out->schedule_count = result->choice_count;
    out->diverged = result->end == SIM_DIVERGED;
}

static void make_plan(struct uwsk_world *world, struct sim_plan *plan)
{
    const struct uwsk_world_options *options = &world->options;

    memset(plan, 0, sizeof *plan);
    plan->seed = options->seed;
    plan->scheduler = options->scheduler;
    plan->depth = options->depth;
    plan->expected_steps = options->expected_steps;
    plan->choices = (const struct sim_choice *)world->schedule;
    plan->choice_count = options->schedule_count;
    plan->processors = world->drawn.processors;
    plan->delay_one_in = world->drawn.delay_one_in;
    plan->delay_ns = world->drawn.delay_ns;
    /* Where every access is a step there are many. */
    plan->step_limit = options->step_limit ? options->step_limit : world_watched(world) ? 30000000 : 3000000;
    plan->idle_limit_ns = 4 * PEERS_LIMIT;
    plan->watchdog_ms = options->watchdog_ms;
    plan->break_at_step = options->break_at_step;
    plan->on_step = options->trace ? on_step : NULL;
    plan->context = world;
}

int32_t uwsk_world_run(struct uwsk_world *world, void (*director)(struct uwsk_world *world, void *context),
                       void *context, struct uwsk_world_result *result, struct uwsk_problem *problem)
{
    struct sim_plan plan;
    int32_t status = world_prepare(world, problem);

    if (status != STATUS_SUCCESS)
        return status;
    world_forget_run(world);
    world->director = director;
    world->director_context = context;
    draw_world(world, &world->drawn);
    make_plan(world, &plan);
    current = world;
    if (sim_run(&plan, run_main, world, tell_end, &world->result) != 0) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "no memory for a simulated run");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    faults_stop(); /* a run that was stopped has not come to it, and the plan is the process's */
    sim_restore();
    current = NULL;
    if (world->not_started) {
        if (problem)
            *problem = world->problem;
        return world->problem.status ? world->problem.status : STATUS_INSUFFICIENT_RESOURCES;
    }
    tell_result(world, result);
    return STATUS_SUCCESS;
}
