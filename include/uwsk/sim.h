/*
 * sim.h - a world of its own for drivers: virtual time, a network in memory, any interleaving, any fault, from a
 * seed.
 *
 * This is what `uwsk explore` is made of, for programs and tests of your own.  Readable beside libc and beside the
 * WDK headers: plain C types only; link with -luwsk.  One world runs at a time in a process, on the thread that
 * calls uwsk_world_run.
 *
 *     struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
 *     struct uwsk_world_result result;
 *     struct uwsk_problem problem;
 *     struct uwsk_world *world;
 *
 *     options.seed = 1;
 *     if (uwsk_world_create(&options, &world, &problem) < 0 ||
 *         uwsk_world_driver(world, "./echo.so", &problem) < 0 ||
 *         uwsk_world_script(world, "inline", "peer\n connect 127.0.0.1:5007\n send 100\n expect echo\n"
 *                                            " close\n end\n", &problem) < 0)
 *         fprintf(stderr, "%s\n", problem.text);
 *     for (; options.seed <= 1000; options.seed++) {
 *         uwsk_world_reseed(world, options.seed);
 *         if (uwsk_world_run(world, NULL, NULL, &result, &problem) < 0 || result.kind)
 *             break;                     found: result.kind, result.text
 *     }
 *     uwsk_world_destroy(world);
 *
 * A run is a function of its options, its script and the files of runtime and drivers.  After a run that ended
 * with a violation what its fibers held is thrown away with the world's memory: the next run starts afresh.
 */
#ifndef UWSK_SIM_H
#define UWSK_SIM_H

#include <stddef.h>
#include <stdint.h>

#include <uwsk/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UWSK_FROM_SEED (-1)       /* an option that is drawn from the seed */
#define UWSK_NO_LIMIT  UINT64_MAX /* a time limit: none */

/* ---- a world ------------------------------------------------------------------------------------------ */

enum uwsk_scheduler {
    UWSK_SCHEDULER_RANDOM = 1, /* at each step any thread that can run */
    UWSK_SCHEDULER_PCT,        /* priorities that change at depth - 1 random moments */
    UWSK_SCHEDULER_REPLAY,     /* the switches of `schedule`, elsewhere who runs goes on */
    UWSK_SCHEDULER_SEARCH      /* the same, and records what else could have been chosen (dfs) */
};

enum uwsk_faults {
    UWSK_FAULTS_NONE = 0,
    UWSK_FAULTS_MEMORY = 1,  /* allocations fail now and then */
    UWSK_FAULTS_NETWORK = 2, /* refused, reset, silent connections */
    UWSK_FAULTS_ALL = 3
};

/* At this step the thread of this number went on.  preemption: the one that ran could have gone on. */
struct uwsk_switch {
    uint64_t step;
    uint32_t fiber;
    uint32_t preemption;
};

struct uwsk_world_options {
    size_t size; /* sizeof(struct uwsk_world_options) */
    uint64_t seed;
    int scheduler;                      /* enum uwsk_scheduler */
    unsigned depth;                     /* pct: 1 to 65 */
    uint64_t expected_steps;            /* pct: steps of a run, from an earlier one */
    const struct uwsk_switch *schedule; /* replay, search: ordered by step; copied */
    size_t schedule_count;
    int faults;        /* enum uwsk_faults */
    uint64_t fail_at;  /* sweep: only this fault point fails (counted from 1), faults must be none; 0 = off */
    int fail_onwards;  /* ... and every later one */
    int completion;    /* enum uwsk_completion, or UWSK_FROM_SEED */
    int deliver;       /* enum uwsk_deliver, or UWSK_FROM_SEED */
    int send_complete; /* enum uwsk_send_complete, or UWSK_FROM_SEED */
    unsigned processors;    /* 1 to 64; 0 = 1 to 3, from the seed */
    uint64_t step_limit;    /* 0 = 3,000,000 */
    uint64_t break_at_step; /* SIGTRAP there; 0 = nowhere */
    unsigned watchdog_ms;   /* real time without a step; 0 = 10 s */
    int trace;              /* keep events for uwsk_world_trace */
    int detail; /* a violation is told with stacks, names of addresses, who waits for whom (slow) */
    /* What drivers print; NULL = nowhere. */
    void (*print)(void *context, const struct uwsk_line *line);
    void *context;
};
#define UWSK_WORLD_OPTIONS_INITIALIZER                                                                       \
    {                                                                                                        \
        sizeof(struct uwsk_world_options), 1, UWSK_SCHEDULER_RANDOM, 3, 0, NULL, 0, UWSK_FAULTS_NONE, 0, 0,  \
            UWSK_FROM_SEED, UWSK_FROM_SEED, UWSK_FROM_SEED, 0, 0, 0, 0, 0, 0, NULL, NULL                     \
    }

struct uwsk_world;

/* A world without drivers and peers.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES;
 * problem may be NULL, here and below. */
int32_t uwsk_world_create(const struct uwsk_world_options *options, struct uwsk_world **world,
                          struct uwsk_problem *problem);
void uwsk_world_destroy(struct uwsk_world *world);
/* The next run has this seed; or all these options. */
void uwsk_world_reseed(struct uwsk_world *world, uint64_t seed);
int32_t uwsk_world_set(struct uwsk_world *world, const struct uwsk_world_options *options,
                       struct uwsk_problem *problem);

/* A driver: loaded into every run in the order of these calls, unloaded in reverse.  Says at once what
 * uwsk_driver_load would say of the file. */
int32_t uwsk_world_driver(struct uwsk_world *world, const char *path, struct uwsk_problem *problem);
/* A value under the Parameters key of every driver: "Port=dword:5007", as --registry of `uwsk run`. */
int32_t uwsk_world_registry(struct uwsk_world *world, const char *setting, struct uwsk_problem *problem);
/* A host with this address ("10.0.0.7", "fd00::7"); its number in *host.  Host 0 is the drivers'. */
int32_t uwsk_world_host(struct uwsk_world *world, const char *address, int *host,
                        struct uwsk_problem *problem);
/* Lines of a scenario (docs/simulator.md), or a file of them: hosts, weather, modes, registry values, peers, the
 * moment of the unload.  name: what an error calls it.  STATUS_INVALID_PARAMETER with "file:line: what was
 * expected", STATUS_OBJECT_NAME_NOT_FOUND. */
int32_t uwsk_world_script(struct uwsk_world *world, const char *name, const char *text,
                          struct uwsk_problem *problem);
int32_t uwsk_world_scenario(struct uwsk_world *world, const char *path, struct uwsk_problem *problem);

struct uwsk_peer;

/* A peer in C: main(peer, context) runs on a thread of the simulation, at_ns of virtual time after the drivers
 * were loaded, in every run.  Without any peer, C or script, the seed draws some for listening and datagram sockets. */
int32_t uwsk_world_peer(struct uwsk_world *world, const char *name, uint64_t at_ns,
                        void (*main)(struct uwsk_peer *peer, void *context), void *context,
                        struct uwsk_problem *problem);

/* ---- a run -------------------------------------------------------------------------------------------- */

struct uwsk_world_result {
    const char *kind; /* of the violation: one word such as "left-behind"; NULL = none was found */
    const char *text; /* the violation in lines; "" */
    uint64_t step;    /* of the violation */
    uint32_t fiber;   /* who ran there */
    uint64_t steps, switches, preemptions, fibers, virtual_ns;
    uint64_t choices;                   /* steps at which more than one thread could run */
    uint64_t hash;                      /* of the run: logical numbers only */
    uint64_t fault_points;              /* calls that could have been made to fail */
    const struct uwsk_switch *schedule; /* what was chosen: replays the run */
    size_t schedule_count;
    int diverged; /* replay: the switch at `step` cannot happen */
};                /* pointers are good until the next call for this world */

/* The whole run: load, peers, unload, account.  director, if not NULL, is called on the first thread instead and
 * uses the functions of the next section.  STATUS_SUCCESS when it has run, whatever it has found. */
int32_t uwsk_world_run(struct uwsk_world *world, void (*director)(struct uwsk_world *world, void *context),
                       void *context, struct uwsk_world_result *result, struct uwsk_problem *problem);

/* One thing that happened in the last run with options.trace. */
struct uwsk_event {
    uint64_t step;
    uint64_t time_ns; /* virtual */
    uint32_t fiber;
    const char *name; /* of the thread */
    const char *text;
};
/* In order; returns how many there are. */
size_t uwsk_world_trace(const struct uwsk_world *world,
                        void (*fn)(void *context, const struct uwsk_event *event), void *context);

/* ---- for the director, inside a run ------------------------------------------------------------------- */

/* Loads the drivers; starts the peers; waits until they have ended; unloads; accounts.  Each once and in this
 * order; what the director leaves out happens when it has returned.  0, or -1 after a violation: return then. */
int uwsk_world_load(struct uwsk_world *world);
int uwsk_world_start_peers(struct uwsk_world *world);
int uwsk_world_wait_peers(struct uwsk_world *world);
int uwsk_world_unload(struct uwsk_world *world);
/* Lets others make this many steps, at least; or run until nothing has happened for quiet_ns of virtual time; or
 * for so long. */
void uwsk_world_step(struct uwsk_world *world, uint64_t steps);
void uwsk_world_run_until_quiet(struct uwsk_world *world, uint64_t quiet_ns);
void uwsk_world_wait(struct uwsk_world *world, uint64_t ns);
uint64_t uwsk_world_now(const struct uwsk_world *world); /* virtual nanoseconds since the beginning */
/* From here on: faults (enum uwsk_faults), those of the network for connections that begin later.  What a peer expects
 * is a violation again for peers that begin after the last of them. */
void uwsk_world_faults(struct uwsk_world *world, int faults);
/* Are all invariants kept so far?  0, or -1: result.kind will say. */
int uwsk_world_check(struct uwsk_world *world);
/* A violation of your own: ends the run, does not return inside one. */
void uwsk_world_fail(struct uwsk_world *world, const char *kind, const char *text);

/* ---- for a peer in C ---------------------------------------------------------------------------------- */

/* A peer has one connection and one listener at a time.  Functions block in virtual time and answer 0, or -1: the
 * connection is refused, reset or over, or the time (10 s; uwsk_peer_patience) is up.  The uwsk_peer_expect
 * functions make that a violation "expectation" and do not return. */
void uwsk_peer_patience(struct uwsk_peer *peer, uint64_t ns);
int uwsk_peer_host(struct uwsk_peer *peer, int host); /* connects and listens from there; first: host 0 */
int uwsk_peer_connect(struct uwsk_peer *peer, const char *address, uint16_t port);
int uwsk_peer_listen(struct uwsk_peer *peer, const char *address, uint16_t port);
int uwsk_peer_accept(struct uwsk_peer *peer);
/* Bytes of this peer's own pattern, which goes on from send to send. */
int uwsk_peer_send(struct uwsk_peer *peer, size_t bytes);
int uwsk_peer_send_data(struct uwsk_peer *peer, const void *data, size_t bytes);
/* At most so many bytes; how many came: 0 = FIN, -1. */
long uwsk_peer_receive(struct uwsk_peer *peer, void *data, size_t bytes);
long uwsk_peer_drain(struct uwsk_peer *peer); /* all until the end of the connection: bytes, or -1 */
void uwsk_peer_expect(struct uwsk_peer *peer, size_t bytes);
void uwsk_peer_expect_data(struct uwsk_peer *peer, const void *data, size_t bytes);
void uwsk_peer_expect_echo(struct uwsk_peer *peer); /* all that was sent and has not come back */
void uwsk_peer_expect_fin(struct uwsk_peer *peer);
void uwsk_peer_expect_rst(struct uwsk_peer *peer);
void uwsk_peer_expect_end(struct uwsk_peer *peer); /* the one or the other */
int uwsk_peer_shutdown(struct uwsk_peer *peer);    /* our FIN */
int uwsk_peer_reset(struct uwsk_peer *peer);
void uwsk_peer_close(struct uwsk_peer *peer);
void uwsk_peer_vanish(struct uwsk_peer *peer); /* takes and acknowledges nothing any more */
void uwsk_peer_wait(struct uwsk_peer *peer, uint64_t ns);

/* In place of a connection a peer may have a UDP socket, until connect, accept, close or another one: on a port of its
 * own, for what is at this address, or bound to this address of its host, and then what it sends goes to whoever has
 * sent last.  With it uwsk_peer_send and uwsk_peer_send_data send one datagram, uwsk_peer_receive takes one (an empty
 * one is 0) and uwsk_peer_drain all that come until nothing does for the patience; uwsk_peer_expect counts datagrams,
 * uwsk_peer_expect_data wants one to be this, uwsk_peer_expect_echo wants each that was sent back once, in any order. */
int uwsk_peer_udp(struct uwsk_peer *peer, const char *address, uint16_t port);
int uwsk_peer_udp_bind(struct uwsk_peer *peer, const char *address, uint16_t port);
/* So many datagrams of so many bytes of the pattern, in a row. */
int uwsk_peer_burst(struct uwsk_peer *peer, size_t count, size_t bytes);
/* To whoever has sent last: the first `head` bytes of what came last, and then these. */
int uwsk_peer_answer(struct uwsk_peer *peer, size_t head, const void *data, size_t bytes);
/* From here on the socket loses what comes with this chance. */
void uwsk_peer_lose(struct uwsk_peer *peer, unsigned percent);
/* Takes what comes until nothing does for the patience: some of the datagrams that were sent, or none, and no other. */
void uwsk_peer_expect_intact(struct uwsk_peer *peer);

#ifdef __cplusplus
}
#endif
#endif
