/*
 * internal.h - private to src/host/sim: the one simulation of a process and its fibers.
 *
 * All of it lies in memory of its own, reached by the pointer `sim`, which sim_restore leaves alone.
 */
#ifndef UWSK_HOST_SIM_INTERNAL_H
#define UWSK_HOST_SIM_INTERNAL_H

#include "host/backend.h"
#include "host/linux/linux.h"
#include "host/sim/sim.h"

#define SIM_STEP_NS     50u
#define SIM_FIRST_NS    1000u                 /* host_now() when a run begins: never 0 */
#define SIM_WALL_EPOCH  132223104000000000ull /* host_wall() then: 2020-01-01 */
#define SIM_TURN        10000u                /* so many steps in a row, then it is another's turn */
#define SIM_PATIENT     256u                  /* relaxing steps without news after which time runs faster */
#define SIM_HURRY_NS    10000u                /* and how fast it gets: per relaxing step */
#define SIM_CLOCK_LOOKS 1000u  /* looks at the clock without a step: each further one relaxes */
#define SIM_FIBERS_MAX  16384u /* at a time */
#define SIM_EVENTS_MAX  (1u << 20)
#define SIM_LOTS        1024u
#define SIM_MODULES_MAX 64u
#define SIM_NOWHERE     UINT64_MAX

enum { SIM_STREAM_SCHEDULE = 1, SIM_STREAM_PLAN, SIM_STREAM_DELAY, SIM_STREAM_ENTROPY };

struct sim_fiber {
    struct linux_thread thread; /* first: host_self() answers it */
    void *sp;                   /* while another runs */
    struct sim_stack *stack;
    uint32_t number;               /* thread.public.id */
    uint32_t in_birth;             /* has not run yet */
    int64_t priority;              /* SIM_PCT */
    const volatile uint32_t *word; /* what it is parked on, NULL = nothing */
    struct sim_fiber *lot_next, *lot_previous;
    int woken;                         /* enum host_park_result, told when it goes on */
    size_t place;                      /* of its deadline among the events, 0 = none */
    uintptr_t shared_low, shared_high; /* of its stack: what others have touched lies in here (memory.c) */
    struct sim_fiber *next_free;
#if HOST_ASAN
    void *fake_stack;
#endif
#if HOST_TSAN
    void *tsan;
#endif
};

struct sim_stack {
    char *low, *high; /* without the guard */
    int taken;
    int used; /* has been taken before: is to be cleared */
};

/* A deadline of a fiber or a timer. */
struct sim_event {
    uint64_t due_ns, order;
    struct sim_fiber *fiber; /* or */
    struct sim_timer *timer;
};

struct sim_lot {
    struct sim_fiber *first, *last;
};

struct sim_module {
    char *path;
    void *handle;
};

struct sim {
    /* What every step touches. */
    uint64_t steps;
    uint64_t attention_step; /* at this step there is more to do than to count */
    uint64_t now;
    uint64_t attention_ns;
    uint64_t hash;
    struct sim_fiber *current;
    struct sim_fiber **runnable; /* in the order of their numbers, `current` among them */
    size_t runnable_count;
    int between; /* no fiber runs: timers fire, or there is no run */
    int turn_over;
    unsigned clock_looks;
    unsigned delay_one_in;
    int scheduler;
    unsigned switch_one_in;
    struct sim_rng schedule, delay, entropy;
    const volatile void *pointed_at; /* the last point's object, and its step (memory.c) */
    uint64_t pointed_step;
    uint64_t next_choice_step; /* replay, search */
    size_t next_choice;
    uint64_t switches_done, preemptions, choice_points;

    struct sim_plan plan;
    int running;
    uint64_t runs;       /* so far */
    int stop;            /* sim_stop() between fibers */
    uint64_t turn_start; /* the step at which the running fiber went on */
    uint64_t progress_ns, idle_limit_ns, step_limit;
    unsigned patience; /* relaxing steps since something happened */

    struct sim_fiber *fibers, *free_fibers;
    uint32_t fibers_made; /* slots in use or free */
    uint32_t last_number;
    struct sim_fiber **live; /* in the order of their numbers */
    size_t live_count;
    struct sim_fiber *corpse; /* has ended; its stack was left just now */
    struct sim_stack *stacks;
    uint32_t stack_count;

    struct sim_event *events; /* a heap from 1 on: (due, order) */
    size_t event_count;
    uint64_t last_order;
    struct sim_lot lots[SIM_LOTS];

    struct {
        uint64_t step;
        int64_t priority;
    } changes[SIM_DEPTH_MAX - 1]; /* pct: ordered by step */
    unsigned change_count, next_change;
    int64_t lowest; /* priority of who relaxed last */

    struct sim_choice *choices;
    size_t choice_count, choice_room;
    struct sim_decision *decisions;
    size_t decision_count, decision_room;

    /* The end of a run. */
    struct linux_thread *os_thread;
    void *os_sp; /* sim_run's stack */
    struct sim_fiber *ended_in;
    struct sim_result result;
#if HOST_ASAN
    void *os_fake_stack;
    const void *os_stack_low;
    size_t os_stack_bytes;
#endif
#if HOST_TSAN
    void *os_tsan;
#endif

    struct sim_module modules[SIM_MODULES_MAX];
    unsigned module_count;
};

#pragma GCC visibility push(hidden)

/* NULL until the first sim_run, sim_snapshot or sim_module_load.  Its name for the linker is one that nobody else has
 * in mind: libuwsk.a is linked into programs. */
extern struct sim *sim __asm__("uwsk_sim");

/* sim.c: makes `sim`; 0 or -1. */
int sim_prepare(void);
/* Memory of the simulator's own, zeroed, never given back; NULL without memory. */
void *sim_map(size_t bytes);
/* Ends the run: does not return.  On the stack of a fiber, or of a signal handler above one. */
void sim_end(int end, int exit_status) __attribute__((noreturn));

/* fiber.c */
struct sim_fiber *sim_fiber_create(void (*main)(void *argument), void *argument, const char *name,
                                   size_t stack_bytes);
/* sim_run's stack is the one to come back to. */
void sim_fiber_home(void);
/* Leaves the running fiber (kept in its record) and enters another. */
void sim_fiber_enter(struct sim_fiber *fiber);
void sim_fiber_first(struct sim_fiber *fiber);       /* from sim_run's stack */
void sim_fiber_back(void) __attribute__((noreturn)); /* to it */
void sim_fiber_bury(void);                           /* the corpse */
void sim_fiber_bury_all(void);
void sim_fiber_exit(void) __attribute__((noreturn)); /* host_thread_exit */
size_t sim_fiber_frames(const struct sim_fiber *fiber, void **frames, size_t count);

/* scheduler.c */
void sim_scheduler_start(const struct sim_plan *plan);
void sim_scheduler_born(struct sim_fiber *fiber);
/* One step of the running fiber, which can go on. */
void sim_point(int kind, const volatile void *object);
/* One step of a fiber that wants others to run. */
void sim_relax(int kind);
/* One step of a fiber that cannot go on: it is not runnable any more. */
void sim_block(int kind, const volatile void *object);
void sim_make_runnable(struct sim_fiber *fiber);
void sim_make_unrunnable(struct sim_fiber *fiber);
/* Looks again when there is more to do than to count. */
void sim_attention_update(void);

/* park.c */
int sim_park(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void sim_unpark(const volatile uint32_t *word, int count);
void sim_park_reset(void);
/* Takes a fiber that is to run again from its lot and its deadline. */
void sim_park_leave(struct sim_fiber *fiber);

/* event.c */
void sim_event_add(uint64_t due_ns, struct sim_fiber *fiber, struct sim_timer *timer);
void sim_event_remove(size_t place);
/* Everything that is due: wakes fibers, fires timers. */
void sim_events_fire(void);
void sim_events_reset(void);

/* arena.c */
int sim_arena_prepare(void);
void *sim_arena_allocate(size_t bytes, size_t alignment, int protection);
int sim_arena_free(void *pages, size_t bytes);                    /* -1: not of the arena */
int sim_arena_protect(void *pages, size_t bytes, int protection); /* 1: not of the arena */
void sim_arena_reset(void);

/* watchdog.c */
void sim_watchdog_start(unsigned milliseconds);

/* memory.c: after a point of the runtime or of a driver's headers. */
void sim_memory_point(int kind, const volatile void *object);
/* A plain access of a driver through a function of the runtime. */
void sim_memory_access(const volatile void *address, size_t bytes, int write);

/* snapshot.c */
void *sim_module_find(const char *path);

/* ---- small and in the way of every step --------------------------------------------------------------- */

/* xoroshiro128+: sim_rng_next, without a call. */
static inline uint64_t sim_draw(struct sim_rng *rng)
{
    uint64_t a = rng->state[0], b = rng->state[1], result = a + b;

    b ^= a;
    rng->state[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    rng->state[1] = b << 37 | b >> 27;
    return result;
}

/* The upper half of a product: as even as 2^-64 * bound allows, without a division. */
static inline uint64_t sim_draw_below(struct sim_rng *rng, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)sim_draw(rng) * bound >> 64);
}

/* When the next deadline or timer is due; SIM_NOWHERE: none. */
static inline uint64_t sim_event_next(void)
{
    return sim->event_count ? sim->events[1].due_ns : SIM_NOWHERE;
}

/* Not on the stack of signal handlers, which all fibers share. */
static inline int sim_fiber_is_on_own_stack(void)
{
    const char *here = __builtin_frame_address(0);
    const struct sim_stack *stack = sim->current->stack;

    return here >= stack->low && here < stack->high;
}

/* switch.S */
void sim_switch(void **left, void *entered);
void sim_fiber_entry(void);
void sim_fiber_main(void); /* fiber.c */

#pragma GCC visibility pop

#endif
