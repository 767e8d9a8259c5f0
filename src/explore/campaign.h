/*
 * campaign.h - many runs: over seeds, over worker processes, over fault points, over all schedules; and what is done
 * with what they find.
 */
#ifndef UWSK_EXPLORE_CAMPAIGN_H
#define UWSK_EXPLORE_CAMPAIGN_H

#include <stddef.h>
#include <stdint.h>

#include <uwsk/sim.h>

struct uwsk_explore_options {
    struct uwsk_world_options world; /* seed: the first one */
    const char *const *driver;
    size_t drivers;
    const char *const *setting; /* --registry */
    size_t settings;
    const char *scenario; /* a file, or NULL */
    uint64_t seeds;       /* how many; UINT64_MAX = no end */
    int one_seed;         /* only this one, and tell about it in any case */
    unsigned jobs;
    unsigned shard, shards; /* this one of so many: seed, seed + shards, ... */
    double seconds;         /* 0 = no limit */
    int keep_going;
    int sweep;
    int dfs; /* exhaustive search with this bound on preemptions; -1 = none */
    const char *json;
    const char *trace;  /* where the trace of the first violation goes; NULL: uwsk-explore-SEED.trace */
    const char *replay; /* a trace to replay */
    int gdb;
    uint64_t break_at; /* run in this process and stop at this step */
    int progress;      /* a bar on standard error */
};

/* 0: nothing found, 1: a violation, 2: it could not be run. */
int uwsk_explore(const struct uwsk_explore_options *options);
/* Merges the reports (--json) in a folder: the same statuses. */
int uwsk_explore_merge(const char *folder, const char *json);

/* ---- between the files of a campaign ------------------------------------------------------------------ */

#include "explore/explore.h"

struct found { /* a violation as workers tell it */
    uint64_t seed, fail_at;
    int fail_onwards;
    char kind[96];
    char text[600]; /* the first lines */
};

struct shared;

/* What many runs have found (report.c). */
struct report {
    const struct uwsk_explore_options *options;
    struct shared *shared; /* counters, close states */
    double began;
    struct found *found;
    size_t founds, room;
    uint64_t violations;  /* found may list fewer */
    struct text analyses; /* JSON objects, comma between */
};

/* 0, or -1 after a complaint; report_end in the first case. */
int report_start(struct report *report, const struct uwsk_explore_options *options);
void report_end(struct report *report);
/* Counts a violation and lists it: the first of each kind, and others as long as there is room.  0, or -1 after a
 * complaint. */
int report_keep(struct report *report, const struct found *found);
/* What was kept, on standard output, in the order of the seeds: the first of each kind closely, the others as a line.
 * Several workers may have found something before they heard of the others: who was not asked to go on tells of
 * one. */
void report_tell(struct report *report);
/* --json: 0, or -1 after a complaint. */
int report_save(const struct report *report);

/* campaign.c */
void explore_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
double explore_clock(void); /* seconds, for rates */
/* Runs fn in a process of its own; what it writes is appended to *out.  Its exit status, or 128 + signal. */
int explore_child(int (*fn)(void *context, int out), void *context, struct text *out);
/* What is said of a process that has ended with this status (explore_child). */
void explore_crashed(struct found *found, int status);
/* Counts a run: its schedule, its steps, the states in which sockets were closed. */
void explore_count(struct shared *shared, const struct uwsk_world *world,
                   const struct uwsk_world_result *result);
/* A world with drivers, scenario and settings; NULL after a complaint. */
struct uwsk_world *explore_world(const struct uwsk_explore_options *options);

/* command.c: the command that runs this again. */
void explore_command(const struct uwsk_explore_options *options, const struct found *found, struct text *out);

/* shrink.c: schedule -> one that fails in the same way and of which no switch can be left out.  1 when it is
 * minimal, 0 when the budget was used up, -1 when the first one does not fail any more. */
int explore_shrink(struct uwsk_world *world, const char *kind, struct uwsk_switch **schedule, size_t *count);

/* analyse.c: looks at what was found, tells it on standard output, writes the trace; *json gets an object of the
 * report.  Leaves the world's options changed.  schedule NULL: as the seed gives it. */
int explore_analyse(const struct uwsk_explore_options *options, struct uwsk_world *world,
                    const struct found *found, const struct uwsk_switch *schedule, size_t count,
                    const char *trace, struct text *json);
/* The same in a process of its own. */
int explore_analyse_apart(const struct uwsk_explore_options *options, const struct found *found,
                          const char *trace, struct text *json);

/* trace.c */
struct trace {
    uint64_t seed, fail_at, hash;
    int fail_onwards, faults, completion, deliver, send_complete;
    unsigned processors;
    char *kind;
    char *scenario; /* its text, or NULL */
    char **driver, **driver_id;
    size_t drivers;
    char **setting;
    size_t settings;
    char *runtime_id;
    struct uwsk_switch *schedule;
    size_t count;
};
int trace_save(const char *path, const struct uwsk_explore_options *options, const struct uwsk_world *world,
               const struct found *found, const struct uwsk_switch *schedule, size_t count);
/* NULL after a complaint. */
struct trace *trace_load(const char *path);
/* 0, or -1 after a complaint: the files are not those of the trace. */
int trace_check(const char *path, const struct trace *trace, const char *const *driver, size_t drivers);
void trace_free(struct trace *trace);
/* What identifies a file: its build-id, or a hash of its bytes.  0 or -1. */
int explore_file_id(const char *path, char *id, size_t bytes);

/* one.c: what uwsk_explore answers. */
int explore_one(const struct uwsk_explore_options *options);
/* In this very process, for a debugger (break_at). */
int explore_here(const struct uwsk_explore_options *options);
int explore_replay(const struct uwsk_explore_options *options);
/* pct: says the bound and fills in the number of steps; 0, or 2 after a complaint. */
int explore_measure(struct uwsk_explore_options *options);

/* dfs.c: 0, 1 when something was found: it is in the report, 2 after a complaint. */
int explore_dfs(struct report *report);

#endif
