/*
 * scheduler.c - steps, and who goes on at each of them.
 *
 * Scheduling is done on the stack of the fiber that makes the step: there is no fiber of the scheduler's own, so a
 * step without a switch is a few counters and a switch is one exchange of stacks.
 */
#include "internal.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { PCT_STEPS = 1000 }; /* expected, when the plan does not say */
enum { PCT_PATIENCE = 3 }; /* a run that is so many times as long as expected goes on at random */

/* ---- who can run -------------------------------------------------------------------------------------- */

/* The first runnable fiber with a number of at least `number`: its index, or runnable_count. */
static size_t find_runnable(uint32_t number)
{
    size_t low = 0, high = sim->runnable_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (sim->runnable[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void sim_make_runnable(struct sim_fiber *fiber)
{
    size_t i = sim->runnable_count++;

    for (; i > 0 && sim->runnable[i - 1]->number > fiber->number; i--)
        sim->runnable[i] = sim->runnable[i - 1];
    sim->runnable[i] = fiber;
}

void sim_make_unrunnable(struct sim_fiber *fiber)
{
    size_t i = find_runnable(fiber->number);

    sim->runnable_count--;
    for (; i < sim->runnable_count; i++)
        sim->runnable[i] = sim->runnable[i + 1];
}

/* The default rule where the running fiber cannot go on: the next one, round robin. */
static struct sim_fiber *next_in_turn(const struct sim_fiber *fiber)
{
    size_t i = find_runnable(fiber->number + 1);

    return sim->runnable[i < sim->runnable_count ? i : 0];
}

/* ---- steps -------------------------------------------------------------------------------------------- */

/* When time by itself brings something, as things stand: attention_ns may be of earlier. */
static uint64_t next_news(void)
{
    uint64_t event = sim_event_next(), idle = sim->progress_ns + sim->idle_limit_ns;

    return event < idle ? event : idle;
}

void sim_attention_update(void)
{
    uint64_t step = sim->step_limit + 1;

    if (sim->turn_start + SIM_TURN < step)
        step = sim->turn_start + SIM_TURN;
    if (sim->next_choice_step < step)
        step = sim->next_choice_step + 1;
    if (sim->plan.break_at_step > sim->steps && sim->plan.break_at_step < step)
        step = sim->plan.break_at_step;
    sim->attention_step = sim->plan.on_step ? 0 : step;
    sim->attention_ns = next_news();
}

static void end_if_stuck(uint64_t now)
{
    if (now - sim->progress_ns < sim->idle_limit_ns)
        return;
    sim->now = sim->progress_ns + sim->idle_limit_ns;
    sim_end(SIM_STUCK, 0);
}

static void fire(void)
{
    sim_events_fire();
    if (sim->stop)
        sim_end(SIM_STOPPED, 0);
}

/* Once in a while there is more to do than to count. */
static __attribute__((noinline)) void attend(int kind, const volatile void *object)
{
    if (sim->plan.on_step)
        sim->plan.on_step(sim->plan.context, sim->steps, &sim->current->thread.public, kind, object);
    if (sim->steps > sim->step_limit)
        sim_end(SIM_ENDLESS, 0);
    if (sim->steps > sim->next_choice_step) /* nobody was to be chosen there */
        sim_end(SIM_DIVERGED, 0);
    if (sim->steps == sim->plan.break_at_step)
        raise(SIGTRAP);
    end_if_stuck(sim->now);
    fire();
    if (sim->steps - sim->turn_start >= SIM_TURN) {
        sim->turn_start = sim->steps;
        sim->turn_over = 1;
    }
    sim_attention_update();
}

static inline void begin_step(int kind, const volatile void *object)
{
    uint64_t hash = sim->hash;

    sim->steps++;
    sim->now += SIM_STEP_NS;
    sim->clock_looks = 0;
    hash ^= sim->steps << 40 ^ (uint64_t)(unsigned)kind << 32 ^ sim->current->number;
    hash *= 0x9E3779B97F4A7C15u;
    sim->hash = hash ^ hash >> 32;
    if (__builtin_expect(sim->steps >= sim->attention_step || sim->now >= sim->attention_ns, 0))
        attend(kind, object);
}

/* ---- decisions ---------------------------------------------------------------------------------------- */

static void *grown(void *array, size_t *room, size_t bytes)
{
    size_t more = *room * 2;
    void *bigger = mremap(array, *room * bytes, more * bytes, MREMAP_MAYMOVE);

    if (bigger == MAP_FAILED) {
        host_log(HOST_LOG_ERROR, "simulator: no memory for the schedule");
        sim_end(SIM_ENDLESS, 0);
    }
    *room = more;
    return bigger;
}

static void record_choice(const struct sim_fiber *chosen, int preemption)
{
    if (sim->choice_count == sim->choice_room)
        sim->choices = grown(sim->choices, &sim->choice_room, sizeof *sim->choices);
    sim->choices[sim->choice_count++] = (struct sim_choice){sim->steps, chosen->number, (uint32_t)preemption};
}

static void record_decision(const struct sim_fiber *chosen, const struct sim_fiber *apart, int can_go_on)
{
    struct sim_decision *last = NULL;

    for (size_t i = 0; i < sim->runnable_count; i++) {
        uint32_t number = sim->runnable[i]->number;

        if (sim->runnable[i] == apart)
            continue;
        if (!last || number - last->first >= 64) {
            if (sim->decision_count == sim->decision_room)
                sim->decisions = grown(sim->decisions, &sim->decision_room, sizeof *sim->decisions);
            last = &sim->decisions[sim->decision_count++];
            *last = (struct sim_decision){.step = sim->steps,
                                          .first = number / 64 * 64,
                                          .chosen = chosen->number,
                                          .current = sim->current->number,
                                          .current_runnable = (uint32_t)can_go_on};
        }
        last->runnable |= 1ull << number % 64;
    }
}

static struct sim_fiber *choose_random(const struct sim_fiber *apart)
{
    size_t count = sim->runnable_count - (apart != NULL);
    size_t pick = count > 1 ? sim_draw_below(&sim->schedule, count) : 0;

    if (apart && pick >= find_runnable(apart->number))
        pick++;
    return sim->runnable[pick];
}

static struct sim_fiber *choose_by_priority(const struct sim_fiber *apart)
{
    struct sim_fiber *best = NULL;

    while (sim->next_change < sim->change_count && sim->steps >= sim->changes[sim->next_change].step)
        sim->current->priority = sim->changes[sim->next_change++].priority;
    for (size_t i = 0; i < sim->runnable_count; i++) {
        struct sim_fiber *fiber = sim->runnable[i];

        if (fiber != apart && (!best || fiber->priority > best->priority))
            best = fiber;
    }
    return best;
}

static struct sim_fiber *choose_from_plan(struct sim_fiber *usual, const struct sim_fiber *apart)
{
    if (__builtin_expect(sim->steps != sim->next_choice_step, 1))
        return usual;
    uint32_t number = sim->plan.choices[sim->next_choice++].fiber;
    size_t i = find_runnable(number);

    sim->next_choice_step =
        sim->next_choice < sim->plan.choice_count ? sim->plan.choices[sim->next_choice].step : SIM_NOWHERE;
    sim_attention_update();
    if (i == sim->runnable_count || sim->runnable[i]->number != number || sim->runnable[i] == apart)
        sim_end(SIM_DIVERGED, 0);
    return sim->runnable[i];
}

static void enter(struct sim_fiber *fiber)
{
    sim->switches_done++;
    sim->turn_over = 0;
    sim->turn_start = sim->steps; /* attend() finds out */
    sim_fiber_enter(fiber);
}

/* Somebody is runnable; `apart`, if not NULL, is the running fiber that stands back. */
static __attribute__((noinline)) void decide(const struct sim_fiber *apart, int can_go_on)
{
    struct sim_fiber *self = sim->current, *usual = can_go_on ? self : next_in_turn(self), *chosen;
    int choice = sim->runnable_count - (apart != NULL) > 1;

    sim->choice_points += (unsigned)choice;
    switch (sim->scheduler) {
    case SIM_RANDOM:
        chosen = choose_random(apart);
        break;
    case SIM_PCT: /* priorities are unfair: two that keep each other busy would starve a third for ever */
        chosen = sim->steps > PCT_PATIENCE * sim->plan.expected_steps ? choose_random(apart)
                                                                      : choose_by_priority(apart);
        break;
    default:
        chosen = choose_from_plan(usual, apart);
        break;
    }
    if (sim->scheduler == SIM_SEARCH && choice)
        record_decision(chosen, apart, can_go_on);
    if (chosen != usual)
        record_choice(chosen, can_go_on);
    if (chosen == self)
        return;
    sim->preemptions += (unsigned)can_go_on;
    enter(chosen);
}

/* The running fiber is not runnable: time passes until somebody is, then that one goes on. */
static void wait(void)
{
    while (sim->runnable_count == 0) {
        uint64_t next = sim_event_next();

        if (next == SIM_NOWHERE)
            sim_end(SIM_DEADLOCK, 0);
        end_if_stuck(next);
        if (next > sim->now)
            sim->now = next;
        fire();
    }
    sim_attention_update();
    decide(NULL, 0);
}

/* ---- what fibers do ----------------------------------------------------------------------------------- */

static void stand_back(void)
{
    sim->turn_over = 0;
    if (sim->scheduler == SIM_PCT)
        sim->current->priority = --sim->lowest; /* so that a loop that waits for others comes to an end */
    if (sim->runnable_count > 1)
        decide(sim->current, 0);
}

void sim_relax(int kind)
{
    if (sim->between)
        return;
    begin_step(kind, NULL);
    if (++sim->patience > SIM_PATIENT) { /* everybody seems to wait for time */
        unsigned doublings = (sim->patience - SIM_PATIENT) / 64;
        uint64_t more = doublings < 8 ? (uint64_t)SIM_STEP_NS << doublings : SIM_HURRY_NS;
        uint64_t news = next_news(), left = news > sim->now ? news - sim->now : 0;

        sim->now += more < left ? more : left;
    }
    stand_back();
}

void sim_point(int kind, const volatile void *object)
{
    if (__builtin_expect(sim->between, 0))
        return;
    if (__builtin_expect(kind == HOST_POINT_YIELD, 0)) {
        sim_relax(kind);
        return;
    }
    begin_step(kind, object);
    if (__builtin_expect(sim->delay_one_in != 0, 0) && kind < SIM_STEP_PARK &&
        sim_draw_below(&sim->delay, sim->delay_one_in) == 0 && sim_fiber_is_on_own_stack()) {
        sim_event_add(sim->now + 1 + sim_draw_below(&sim->delay, sim->plan.delay_ns), sim->current, NULL);
        sim_make_unrunnable(sim->current);
        wait();
        return;
    }
    if (sim->runnable_count <= 1)
        return;
    if (__builtin_expect(sim->turn_over, 0)) {
        stand_back();
        return;
    }
    if (sim->scheduler == SIM_RANDOM && sim_draw_below(&sim->schedule, sim->switch_one_in) != 0) {
        sim->choice_points++;
        return;
    }
    /* In a handler of a signal there is one stack for all: nobody else may come to it meanwhile. */
    if (__builtin_expect(sim_fiber_is_on_own_stack(), 1))
        decide(NULL, 1);
}

void sim_block(int kind, const volatile void *object)
{
    begin_step(kind, object);
    wait();
}

/* ---- beginning ---------------------------------------------------------------------------------------- */

void sim_scheduler_born(struct sim_fiber *fiber)
{
    if (sim->scheduler == SIM_PCT)
        fiber->priority = (int64_t)(sim_draw(&sim->schedule) >> 2) + 1000; /* above every change */
    sim_make_runnable(fiber);
}

/* depth-1 steps at which whoever runs falls behind all others, each with a priority of its own. */
static void draw_changes(struct sim_rng *rng)
{
    const unsigned most = sizeof sim->changes / sizeof sim->changes[0];
    unsigned count = sim->plan.depth > 1 ? sim->plan.depth - 1 : 0;

    count = count < most ? count : most;
    sim->change_count = count;
    for (unsigned i = 0; i < count; i++) {
        uint64_t step = 1 + sim_draw_below(rng, sim->plan.expected_steps);
        unsigned at = i;

        for (; at > 0 && sim->changes[at - 1].step > step; at--)
            sim->changes[at] = sim->changes[at - 1];
        sim->changes[at].step = step;
        sim->changes[at].priority = (int64_t)i + 1;
    }
}

void sim_scheduler_start(const struct sim_plan *plan)
{
    struct sim_rng rng;

    sim->scheduler = plan->scheduler;
    sim_rng_seed(&rng, plan->seed, SIM_STREAM_PLAN);
    sim->switch_one_in =
        plan->switch_one_in ? plan->switch_one_in : 1u << sim_draw_below(&rng, 7); /* 1, 2, 4 ... 64 */
    sim->runnable_count = 0;
    sim->next_change = sim->change_count = 0;
    sim->lowest = 0;
    if (!sim->plan.expected_steps)
        sim->plan.expected_steps = PCT_STEPS;
    if (plan->scheduler == SIM_PCT)
        draw_changes(&rng);
    sim->choice_count = sim->decision_count = 0;
    sim->next_choice = 0;
    sim->next_choice_step = SIM_NOWHERE;
    if ((plan->scheduler == SIM_REPLAY || plan->scheduler == SIM_SEARCH) && plan->choice_count)
        sim->next_choice_step = plan->choices[0].step;
    sim->turn_over = 0;
    sim->turn_start = 0;
    sim->patience = 0;
    sim_attention_update();
}
