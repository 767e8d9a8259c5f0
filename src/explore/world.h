/*
 * world.h - one world and its current run.
 */
#ifndef UWSK_EXPLORE_WORLD_H
#define UWSK_EXPLORE_WORLD_H

#include "explore/explore.h"
#include "nt/observe.h"

#define WORLD_FRAMES 32

struct violation {
    char kind[96]; /* "" = none */
    struct text text;
    uint64_t step;
    uint32_t fiber;
    void *frames[WORLD_FRAMES]; /* of that fiber, innermost first */
    size_t frame_count;
};

struct world_driver {
    char *path;
    int watched;                /* compiled with --explore */
    struct uwsk_driver *driver; /* of the current run */
};

enum world_phase {
    WORLD_STARTING,
    WORLD_LOADING,
    WORLD_RUNNING,
    WORLD_UNLOADING,
    WORLD_STOPPING,
    WORLD_LEAVING, /* the runtime has stopped, peers may still be at it */
    WORLD_OVER
};

struct uwsk_world {
    struct uwsk_world_options options;
    struct uwsk_switch *schedule; /* of the options: a copy */
    struct world_driver *driver;
    size_t drivers;
    int prepared; /* the snapshot has been taken */
    struct scenario scenario;
    struct invariants *invariants;
    struct races *races;
    struct events events;

    /* the current run */
    struct drawn drawn;
    struct violation violation;
    struct sim_result result;
    void (*director)(struct uwsk_world *world, void *context);
    void *director_context;
    enum world_phase phase;
    uint64_t phase_since;
    uint32_t watch_over;         /* parking word: the watcher may go */
    uint64_t progress;           /* counts what happens */
    struct uwsk_problem problem; /* the runtime did not start */
    int not_started;

    struct peer_plan *drawn_peer;
    size_t drawn_peers;
    struct uwsk_peer *peer;
    size_t peers;
    uint32_t peers_running; /* parking word */
    int peers_started;

    struct sim_rng fault_rng;
    unsigned fault_one_in; /* memory; 0 = none */
    unsigned faults_made;
    int faults;            /* enum uwsk_faults, now */
    uint64_t faulty_until; /* virtual ns: when they ended; UINT64_MAX: they have not, 0: there were none */
    uint64_t fault_points;
    uint32_t main_fiber;

    size_t next_switch; /* the index in `schedule` that a traced run comes to next */
};

/* A violation: the first one of a run counts, and ends it when it is called on a fiber. */
void world_violation(struct uwsk_world *world, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* In two steps: 1 when this one counts, then what there is to say, then the end of the run. */
int world_violation_begin(struct uwsk_world *world, const char *kind);
void world_violation_end(struct uwsk_world *world);
/* What the last run has left in the world. */
void world_forget_run(struct uwsk_world *world);
/* Is any of its drivers compiled with --explore? */
int world_watched(const struct uwsk_world *world);
/* Loads the drivers once and for all and takes the snapshot. */
int32_t world_prepare(struct uwsk_world *world, struct uwsk_problem *problem);

/* faults.c */
void faults_start(struct uwsk_world *world);
void faults_stop(void);
/* Have calls been made to fail, or connections, since this moment of virtual time? */
int faults_since(const struct uwsk_world *world, uint64_t ns);

#endif
