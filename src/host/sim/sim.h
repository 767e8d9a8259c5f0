/*
 * sim.h - the simulator's host: every thread is a fiber under one scheduler on one OS thread, time is virtual,
 * memory is an arena, chance comes from a seed.
 *
 * One run: sim_run() makes main() the first fiber and returns when it has returned, or when the run was stopped
 * by a violation, a bug check, a deadlock.  What the fibers of a stopped run held is abandoned with the arena.
 * Between runs sim_restore() brings the writable memory of the runtime and of the drivers back to what it was at
 * sim_snapshot(), so that one run cannot see another.
 *
 * Determinism.  A run is a function of its plan alone: decisions use logical numbers (fibers in the order of
 * their birth, timers in the order of (due, setting)), never addresses, never the clock of the machine.
 *
 * Steps.  Every scheduling point (host_point), park, unpark, yield, fiber start and fiber end is one step.  At
 * each step with more than one runnable fiber the scheduler decides who goes on.  The default rule: the running
 * fiber goes on while it can; when it cannot, the next runnable one in the order of numbers, round robin.  A
 * choice is a step at which the scheduler went elsewhere: a schedule is the list of its choices, and the empty
 * list is a schedule, too.  A fiber that relaxes or yields stands back until another one has made a step; so does
 * one that has made 10,000 steps in a row, or looks at the clock for the 1,000th time without a step in between.
 *
 * Time.  A step takes 50 ns; when nobody can run, time jumps to the next deadline or timer.  When nothing happens but
 * relaxing (256 such steps), relaxing takes longer and longer, up to 10 us a step, so that who spins for a time to
 * come gets there.
 */
#ifndef UWSK_HOST_SIM_H
#define UWSK_HOST_SIM_H

#include "host/host.h"

/* What a step was: a kind of host_point, or one of these.  A park is two steps where it sleeps, so that others may
 * run before it looks at the word. */
enum sim_step_kind {
    SIM_STEP_PARK = 64,
    SIM_STEP_SLEEP,
    SIM_STEP_UNPARK,
    SIM_STEP_YIELD,
    SIM_STEP_RELAX,
    SIM_STEP_START, /* by the fiber that started another */
    SIM_STEP_END
};

/* ---- chance ------------------------------------------------------------------------------------------- */

/* One stream of chance.  Streams of one seed are independent: what draws from one does not move another, so a
 * changed schedule leaves the network's weather as it was. */
struct sim_rng {
    uint64_t state[2];
};
void sim_rng_seed(struct sim_rng *rng, uint64_t seed, uint64_t stream);
uint64_t sim_rng_next(struct sim_rng *rng);
uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound); /* 0 .. bound-1; bound 0 gives 0 */

/* ---- plan and result ---------------------------------------------------------------------------------- */

enum sim_scheduler {
    SIM_RANDOM = 1, /* at each step any runnable fiber, with probability 1/switch_one_in; else stay */
    SIM_PCT,        /* priorities with depth-1 change points (Burckhardt and others, ASPLOS 2010) */
    SIM_REPLAY,     /* the choices of the plan and the default rule elsewhere */
    SIM_SEARCH /* like SIM_REPLAY, and records the alternatives of every decision, for exhaustive search */
};

struct sim_choice {
    uint64_t step;       /* counted from 1 */
    uint32_t fiber;      /* who went on there */
    uint32_t preemption; /* the fiber that ran could have gone on */
};

/* A decision of a SIM_SEARCH run: what else could have been chosen there.  Runnable fibers whose numbers are far apart
 * take more than one record of the same step. */
struct sim_decision {
    uint64_t step;
    uint64_t runnable; /* bit per fiber number from `first` on */
    uint32_t first;    /* a multiple of 64 */
    uint32_t chosen;
    uint32_t current; /* the fiber that ran before */
    uint32_t current_runnable;
};

enum { SIM_DEPTH_MAX = 65 };

struct sim_plan {
    uint64_t seed;
    int scheduler;
    unsigned switch_one_in;           /* random; 0 = drawn from the seed, 1 to 64 */
    unsigned depth;                   /* pct: up to SIM_DEPTH_MAX */
    uint64_t expected_steps;          /* pct: k, from an earlier run */
    const struct sim_choice *choices; /* replay, search: ordered by step */
    size_t choice_count;
    unsigned processors;   /* what host_processor_count answers; 0 = 2 */
    unsigned delay_one_in; /* a point puts its fiber to sleep for up to delay_ns of virtual time; 0 = never */
    uint64_t delay_ns;
    uint64_t step_limit;    /* 0 = 10,000,000: more steps are SIM_ENDLESS */
    uint64_t idle_limit_ns; /* 0 = 600 s: so much virtual time without sim_progress() is SIM_STUCK */
    unsigned watchdog_ms;   /* real time without a step that ends the run as SIM_HUNG; 0 = 10 s */
    uint64_t break_at_step; /* raises SIGTRAP there (for gdb); 0 = nowhere */
    /* Called at every step, if not NULL, on the fiber's stack; must not call the host. */
    void (*on_step)(void *context, uint64_t step, struct host_thread *fiber, int kind,
                    const volatile void *object);
    void *context;
};

enum sim_end {
    SIM_DONE = 0, /* main returned */
    SIM_STOPPED,  /* sim_stop() */
    SIM_EXITED,   /* host_exit(): a bug check; exit_status */
    SIM_DEADLOCK, /* nobody can run, and no time will change that */
    SIM_STUCK,    /* time passes, nothing happens but what repeats itself */
    SIM_ENDLESS,  /* step_limit */
    SIM_HUNG,     /* a fiber does not reach a point any more: `frames` tells where it stands */
    SIM_DIVERGED, /* a choice names a fiber that cannot run there: the trace is of another build */
    SIM_CRASHED   /* a processor exception that nobody took, or host_abort(); exit_status: the signal */
};

#define SIM_FRAMES 32

struct sim_result {
    int end;
    int exit_status;
    uint64_t steps, switches, preemptions, fibers, virtual_ns;
    uint64_t points_with_choice;      /* steps at which more than one fiber could run */
    uint64_t hash;                    /* of (step, kind, fiber) in order: logical numbers only */
    uint32_t fiber;                   /* who ran at the end */
    const struct sim_choice *choices; /* the schedule; valid until the next run */
    size_t choice_count;
    const struct sim_decision *decisions; /* SIM_SEARCH */
    size_t decision_count;
    void *frames[SIM_FRAMES]; /* SIM_HUNG, SIM_CRASHED: innermost first */
    size_t frame_count;
};

/* Runs main(argument) in a world of its own.  One at a time in a process, from an OS thread of the caller's.
 * `at_end`, if not NULL, is called when the run is over and before anything is taken down: fibers, stacks and
 * memory can still be looked at (host_each_thread, reports), nothing runs any more.  0, or -1 without memory. */
int sim_run(const struct sim_plan *plan, void (*main)(void *argument), void *argument,
            void (*at_end)(void *argument, const struct sim_result *result), struct sim_result *result);

/* ---- inside a run ------------------------------------------------------------------------------------- */

int sim_running(void);    /* 1 on the OS thread of a run */
uint64_t sim_step(void);  /* the number of the last step */
uint32_t sim_fiber(void); /* number of the running fiber, 0 between fibers */
void sim_stop(void);      /* ends the run: does not return on a fiber; between fibers the run ends at once */
void sim_progress(void);  /* something has happened: starts the idle time anew */
/* A random stream of the run's seed: stream numbers from 1000 on are the caller's. */
void sim_stream(struct sim_rng *rng, uint64_t stream);

/* A call at a moment of virtual time, made between fibers: fire() may unpark and set timers, never park; scheduling
 * points in it are none.  Memory is the caller's until it has fired or was cancelled; zeroed before first use.  The
 * end of a run cancels what is set. */
struct sim_timer {
    void (*fire)(struct sim_timer *timer);
    uint64_t due_ns;
    uint64_t order; /* the simulator's own from here */
    size_t place;   /* 0 = not set */
};
void sim_timer_set(struct sim_timer *timer, uint64_t due_ns); /* set again: moved */
int sim_timer_cancel(struct sim_timer *timer);                /* 1 when it was set */

/* ---- memory that drivers share (memory.c) ----------------------------------------------------------------- */

enum { SIM_ACQUIRE = 1, SIM_RELEASE = 2 };
enum {
    SIM_ACCESS_WRITE = 1,
    SIM_ACCESS_PLAIN = 2 /* neither interlocked nor volatile */
};

/* Who wants to know of the accesses of drivers that `uwsk cc --explore` has compiled.  Called on the fiber that makes
 * the access, after the scheduling point and right before the access; must not call the host's points.  caller: in the
 * driver's code, or NULL when it is a function of the runtime that makes the access for it. */
struct sim_memory {
    void *context;
    void (*access)(void *context, const volatile void *address, size_t bytes, int how, void *caller);
    /* Interlocked operations, marked reads and writes, volatile ones, barriers: how is SIM_ACQUIRE, SIM_RELEASE or
     * both, object the memory whose accesses they put in order. */
    void (*order)(void *context, const volatile void *object, int how);
    /* Memory of the simulated machine that drivers get to see begins anew (lent), or is not theirs any more. */
    void (*lend)(void *context, void *address, size_t bytes, int lent);
};
/* NULL: nobody.  Between runs, or before the first driver runs; the record stays the caller's. */
void sim_watch_memory(const struct sim_memory *memory);
void sim_memory_lend(void *address, size_t bytes, int lent);

/* ---- between runs ------------------------------------------------------------------------------------- */

/* Remembers the writable memory of the runtime and of every module loaded through sim_module_load so far.  Before
 * anything above host has run in this process: -1 when pages of the host are in use, which would not be brought
 * back.  Data marked HOST_KEPT is left out. */
int sim_snapshot(void);
/* Brings it back and empties the arena.  Only pages that were ever written cost anything.  After a run nothing above
 * host is to be called before this. */
void sim_restore(void);
/* Loads a driver's file once and for all; host_module_load of the same path answers it in every run. */
void *sim_module_load(const char *path, char *error, size_t error_bytes);

#endif
