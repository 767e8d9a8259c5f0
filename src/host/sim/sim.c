/*
 * sim.c - one run from its beginning to its end, and the answers that stand in for the system's meanwhile.
 */
#include "internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct sim *sim HOST_KEPT = NULL;

/* ---- memory of the simulator's own -------------------------------------------------------------------- */

void *sim_map(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

int sim_prepare(void)
{
    struct sim *made;

    if (sim)
        return 0;
    host_self(); /* signal handlers, and this thread's record */
    made = sim_map(sizeof *made);
    if (!made || sim_arena_prepare() != 0)
        return -1;
    made->choice_room = made->decision_room = 4096;
    made->fibers = sim_map(SIM_FIBERS_MAX * sizeof *made->fibers);
    made->live = sim_map(SIM_FIBERS_MAX * sizeof(void *));
    made->runnable = sim_map((SIM_FIBERS_MAX + 1) * sizeof(void *));
    made->stacks = sim_map(SIM_FIBERS_MAX * sizeof *made->stacks);
    made->events = sim_map(SIM_EVENTS_MAX * sizeof *made->events);
    made->choices = sim_map(made->choice_room * sizeof *made->choices);
    made->decisions = sim_map(made->decision_room * sizeof *made->decisions);
    if (!made->fibers || !made->live || !made->runnable || !made->stacks || !made->events || !made->choices ||
        !made->decisions)
        return -1;
    made->between = 1;
    sim = made;
    return 0;
}

/* ---- in place of the system --------------------------------------------------------------------------- */

static int thread_start(void (*main)(void *argument), void *argument, const char *name, size_t stack_bytes)
{
    struct sim_fiber *fiber = sim->running ? sim_fiber_create(main, argument, name, stack_bytes) : NULL;

    if (!fiber)
        return -1;
    sim->result.fibers++;
    sim->patience = 0;
    sim_scheduler_born(fiber);
    sim_point(SIM_STEP_START, NULL);
    return 0;
}

static void each_thread(void (*fn)(void *context, struct host_thread *thread, void *const *frames,
                                   size_t count),
                        void *context)
{
    struct host_thread *self = host_self();
    int between = sim->between;

    sim->between = 1; /* nobody else runs while the list is walked */
    for (size_t i = 0; i < sim->live_count; i++) {
        struct sim_fiber *fiber = sim->live[i];
        void *frames[LINUX_FRAMES];

        if (&fiber->thread.public == self)
            continue;
        if (fiber == sim->ended_in && sim->result.frame_count)
            fn(context, &fiber->thread.public, sim->result.frames, sim->result.frame_count);
        else
            fn(context, &fiber->thread.public, frames, sim_fiber_frames(fiber, frames, LINUX_FRAMES));
    }
    sim->between = between;
}

/* What the point announces follows at once: whoever watches memory hears of it now. */
static void point(int kind, const volatile void *object)
{
    sim_point(kind, object);
    sim_memory_point(kind, object);
}

static void yield(void)
{
    sim_relax(SIM_STEP_YIELD);
}

static void cpu_relax(void)
{
    sim_relax(SIM_STEP_RELAX);
}

static unsigned processor_count(void)
{
    return sim->plan.processors ? sim->plan.processors : 2;
}

/* Who looks at the clock again and again waits for it. */
static uint64_t now(void)
{
    if (++sim->clock_looks > SIM_CLOCK_LOOKS) {
        sim_relax(SIM_STEP_RELAX);
        sim->clock_looks = SIM_CLOCK_LOOKS;
    }
    return sim->now;
}

static uint64_t wall(void)
{
    return SIM_WALL_EPOCH + now() / 100;
}

static void entropy(void *buffer, size_t bytes)
{
    for (unsigned char *at = buffer; bytes > 0;) {
        uint64_t drawn = sim_rng_next(&sim->entropy);
        size_t some = bytes < sizeof drawn ? bytes : sizeof drawn;

        memcpy(at, &drawn, some);
        at += some;
        bytes -= some;
    }
}

static void *module_load(const char *path, char *error, size_t error_bytes)
{
    void *module = sim_module_find(path);

    if (!module && error && error_bytes) {
        static const char text[] = "a simulated run loads only what was loaded before it";

        strncpy(error, text, error_bytes - 1);
        error[error_bytes - 1] = 0;
    }
    return module;
}

static void module_unload(void *module)
{
    (void)module; /* its memory is brought back between runs */
}

static void __attribute__((noreturn)) end_by_exit(int status)
{
    if (!sim->running)
        _exit(status);
    sim_end(SIM_EXITED, status);
}

static int on_a_fiber(void)
{
    return sim->running && linux_self_if_known() == &sim->current->thread;
}

static void __attribute__((noreturn)) end_by_abort(void)
{
    if (!on_a_fiber())
        abort();
    sim->result.frame_count = host_backtrace(sim->result.frames, SIM_FRAMES, 2);
    sim_end(SIM_CRASHED, SIGABRT);
}

/* A processor exception that nobody took. */
static void crash(const struct host_exception *exception)
{
    void **frames = sim->result.frames;
    size_t count = 0;

    if (!on_a_fiber())
        return;
    frames[count++] = exception->ip;
    if (exception->write == 8 && !exception->stack_overflow &&
        host_memory_probe(exception->sp, sizeof(void *), 0) == 0)
        frames[count++] = *(char **)exception->sp - 1; /* a call into nowhere */
    count += linux_walk(&sim->current->thread, exception->fp, frames + count, SIM_FRAMES - count);
    sim->result.frame_count = count;
    sim_end(SIM_CRASHED, exception->signal);
}

static const struct host_backend backend = {
    .thread_start = thread_start,
    .thread_exit = sim_fiber_exit,
    .each_thread = each_thread,
    .yield = yield,
    .cpu_relax = cpu_relax,
    .processor_count = processor_count,
    .point = point,
    .access = sim_memory_access,
    .park = sim_park,
    .unpark = sim_unpark,
    .now = now,
    .wall = wall,
    .pages_allocate = sim_arena_allocate,
    .pages_free = sim_arena_free,
    .pages_protect = sim_arena_protect,
    .entropy = entropy,
    .module_load = module_load,
    .module_unload = module_unload,
    .exit = end_by_exit,
    .abort = end_by_abort,
    .crash = crash,
};

/* ---- a run -------------------------------------------------------------------------------------------- */

void sim_end(int end, int exit_status)
{
    sim->result.end = end;
    sim->result.exit_status = exit_status;
    sim->result.fiber = sim->current->number;
    sim->ended_in = sim->current;
    sim->running = 0;
    sim->between = 1;
    sim_fiber_back();
}

static void begin(const struct sim_plan *plan)
{
    sim->plan = *plan;
    sim->runs++;
    sim->steps = 0;
    sim->hash = 0;
    sim->now = SIM_FIRST_NS;
    sim->clock_looks = 0;
    sim->stop = 0;
    sim->switches_done = sim->preemptions = sim->choice_points = 0;
    sim->progress_ns = sim->now;
    sim->idle_limit_ns = plan->idle_limit_ns ? plan->idle_limit_ns : 600 * 1000000000ull;
    sim->step_limit = plan->step_limit ? plan->step_limit : 10000000;
    sim->delay_one_in = plan->delay_ns ? plan->delay_one_in : 0;
    sim->last_number = 0;
    sim->last_order = 0;
    sim->ended_in = NULL;
    memset(&sim->result, 0, sizeof sim->result);
    sim_rng_seed(&sim->schedule, plan->seed, SIM_STREAM_SCHEDULE);
    sim_rng_seed(&sim->delay, plan->seed, SIM_STREAM_DELAY);
    sim_rng_seed(&sim->entropy, plan->seed, SIM_STREAM_ENTROPY);
    sim_park_reset();
    sim_scheduler_start(plan);
}

static void fill_result(void)
{
    struct sim_result *result = &sim->result;

    result->steps = sim->steps;
    result->switches = sim->switches_done;
    result->preemptions = sim->preemptions;
    result->virtual_ns = sim->now - SIM_FIRST_NS;
    result->points_with_choice = sim->choice_points;
    result->hash = sim->hash;
    result->choices = sim->choices;
    result->choice_count = sim->choice_count;
    result->decisions = sim->decisions;
    result->decision_count = sim->decision_count;
}

int sim_run(const struct sim_plan *plan, void (*main)(void *argument), void *argument,
            void (*at_end)(void *argument, const struct sim_result *result), struct sim_result *result)
{
    struct host_thread *self = host_self();
    struct sim_fiber *first;
    void *executive = self->executive;

    if (sim_prepare() != 0 || host_backend)
        return -1;
    sim->os_thread = (struct linux_thread *)self;
    sim_fiber_home();
    begin(plan);
    first = sim_fiber_create(main, argument, "main", 0);
    if (!first)
        return -1;
    sim->result.fibers = 1;
    sim_scheduler_born(first);
    host_backend = &backend;
    uwsk_points_enabled = 1;
    host_watched |= HOST_WATCH_POINTS;
    sim->between = 0;
    sim->running = 1;
    /* Now that a tick finds a run: between two of them it would disarm the timer.  Under a debugger a fiber may stand
     * still as long as its reader. */
    sim_watchdog_start(plan->break_at_step ? 0 : plan->watchdog_ms ? plan->watchdog_ms : 10000);
    sim_fiber_first(first);

    uwsk_points_enabled = 0;
    host_watched &= ~HOST_WATCH_POINTS;
    fill_result();
    if (at_end)
        at_end(argument, &sim->result);
    host_backend = NULL;
    self->executive = executive; /* whatever became of it lay in the arena */
    sim_events_reset();
    sim->current = NULL;
    sim_fiber_bury_all();
    if (result)
        *result = sim->result;
    return 0;
}

/* ---- inside a run ------------------------------------------------------------------------------------- */

int sim_running(void)
{
    return sim && on_a_fiber();
}

uint64_t sim_step(void)
{
    return sim ? sim->steps : 0;
}

uint32_t sim_fiber(void)
{
    return sim && sim->running && !sim->between ? sim->current->number : 0;
}

void sim_stop(void)
{
    if (!sim || !sim->running)
        return;
    if (!sim->between)
        sim_end(SIM_STOPPED, 0);
    sim->stop = 1;
}

void sim_progress(void)
{
    if (!sim || !sim->running)
        return;
    sim->progress_ns = sim->now; /* attend() finds out */
}

void sim_stream(struct sim_rng *rng, uint64_t stream)
{
    sim_rng_seed(rng, sim ? sim->plan.seed : 0, stream);
}
