/*
 * explore.h - the private header of exploration.
 *
 * Everything here lives outside the snapshot: memory of libc, never static data, which sim_restore() would put
 * back; the one static pointer (world.c: current) is kept out of the snapshot (HOST_KEPT).
 */
#ifndef UWSK_EXPLORE_H
#define UWSK_EXPLORE_H

#include <stddef.h>
#include <stdint.h>

#include <uwsk/sim.h>

#include "host/sim/sim.h"
#include "transport/sim/net.h"

struct host_thread;

/* ---- text that grows (text.c) ------------------------------------------------------------------------- */

struct text {
    char *data; /* NULL = "" */
    size_t length, room;
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_line(void *text, const char *line); /* for reports: the line and a newline */
void text_bytes(struct text *text, const void *data, size_t bytes);
void text_free(struct text *text);
static inline const char *text_of(const struct text *text)
{
    return text->data ? text->data : "";
}
/* One argument of a shell command, quoted where it must be. */
void text_shell(struct text *text, const char *argument);
void explore_problem(struct uwsk_problem *problem, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All of a file, or NULL with errno. */
char *explore_read_file(const char *path, size_t *bytes);

/* ---- scenarios (scenario.c) --------------------------------------------------------------------------- */

enum peer_action {
    PEER_CONNECT = 1,
    PEER_LISTEN,
    PEER_ACCEPT,
    PEER_SEND,
    PEER_SEND_TEXT,
    PEER_RECEIVE,
    PEER_DRAIN,
    PEER_EXPECT,
    PEER_EXPECT_TEXT,
    PEER_EXPECT_ECHO,
    PEER_EXPECT_FIN,
    PEER_EXPECT_RST,
    PEER_EXPECT_END,
    PEER_SHUTDOWN,
    PEER_RESET,
    PEER_CLOSE,
    PEER_VANISH,
    PEER_WAIT,
    PEER_PATIENCE,
    PEER_UDP,
    PEER_UDP_BIND,
    PEER_BURST,
    PEER_LOSE,
    PEER_ANSWER,
    PEER_EXPECT_INTACT
};

struct peer_step {
    int action;
    int line;        /* of the scenario; 0: drawn */
    uint64_t number; /* bytes, ns, datagrams, per cent */
    uint64_t count;  /* of a burst */
    char address[64];
    uint16_t port;
    char *text;
    size_t text_bytes;
};

struct peer_plan {
    char name[24];
    int host;
    uint64_t at_ns;
    struct peer_step *step;
    size_t steps, room;
    void (*main)(struct uwsk_peer *peer, void *context); /* or a script */
    void *context;
};

enum unload_when {
    UNLOAD_DRAWN,       /* not said: the seed chooses */
    UNLOAD_AFTER_PEERS, /* when all peers have ended */
    UNLOAD_AT           /* so many ns after the load, whatever peers do */
};

/* When WSK's provider comes, and how long it stays; a maximum of 0: from start to end. */
struct provider_times {
    uint64_t delay_min_ns, delay_max_ns, leave_min_ns, leave_max_ns;
};

struct scenario {
    char *name; /* of the file, or NULL */
    struct text source;
    struct net_weather weather;
    int has_weather;
    int completion, deliver, send_complete; /* UWSK_FROM_SEED: not said */
    unsigned processors;
    char **setting; /* registry */
    size_t settings;
    char (*host)[64];
    size_t hosts;
    struct peer_plan *peer;
    size_t peers;
    int unload;
    uint64_t unload_ns;
    struct provider_times provider;
};

void scenario_init(struct scenario *scenario);
void scenario_free(struct scenario *scenario);
int32_t scenario_parse(struct scenario *scenario, const char *name, const char *text,
                       struct uwsk_problem *problem);
int scenario_add_host(struct scenario *scenario, const char *address);
int scenario_add_setting(struct scenario *scenario, const char *setting);
struct peer_plan *scenario_add_peer(struct scenario *scenario, const char *name);
struct peer_step *peer_plan_add(struct peer_plan *plan, int action, uint64_t number);
void peer_plan_free(struct peer_plan *plan);

/* ---- peers (peer.c) ----------------------------------------------------------------------------------- */

struct uwsk_peer {
    struct uwsk_world *world;
    const struct peer_plan *plan;
    struct net_socket *socket, *listener;
    struct peer_datagram *datagram; /* in place of a connection, or NULL */
    uint64_t sent, back;            /* bytes of the pattern that were sent, that have come back */
    uint64_t patience;
    uint64_t began; /* virtual ns */
    int host;
    int over; /* an expectation has failed: nothing more is done */
    int line; /* of the scenario, where it stands */
};

/* The fiber of a peer from its start time to its end. */
void peer_main(struct uwsk_peer *peer);
/* An expectation that has failed; what the peer does, for the time line. */
void peer_failed(struct uwsk_peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void peer_tell(struct uwsk_peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *peer_result_text(long result);
uint8_t peer_pattern(uint64_t position);

/* peer_datagram.c: what the functions of uwsk/sim.h do where a peer has a UDP socket. */
void peer_datagram_close(struct uwsk_peer *peer);
void peer_datagram_free(struct uwsk_peer *peer); /* closed, or of a run that was stopped */
int peer_datagram_send_data(struct uwsk_peer *peer, const void *data, size_t bytes);
long peer_datagram_receive(struct uwsk_peer *peer, void *data, size_t bytes); /* -1: nothing in time */
long peer_datagram_drain(struct uwsk_peer *peer);
void peer_datagram_expect(struct uwsk_peer *peer, size_t count);
void peer_datagram_expect_data(struct uwsk_peer *peer, const void *data, size_t bytes);
void peer_datagram_expect_echo(struct uwsk_peer *peer);

/* ---- what a seed draws (draw.c) ----------------------------------------------------------------------- */

struct drawn {
    int completion, deliver, send_complete;
    unsigned processors;
    struct net_weather weather, fair; /* fair: without faults */
    unsigned delay_one_in;
    uint64_t delay_ns;
    int unload;
    uint64_t unload_ns;
    uint64_t provider_delay_ns, provider_leave_ns; /* 0 = from the start, to the end */
};
void draw_world(const struct uwsk_world *world, struct drawn *drawn);
/* The weather with faults of the network. */
void draw_faults(const struct uwsk_world *world, struct net_weather *weather);
/* What a driver can be reached at. */
struct target {
    struct transport_address address;
    int datagram; /* UDP */
};
/* Peers for a driver with these; free each with peer_plan_free. */
struct peer_plan *draw_peers(uint64_t seed, const struct target *target, size_t count, size_t *peers);

/* ---- events (events.c) -------------------------------------------------------------------------------- */

struct event {
    uint64_t step, time_ns;
    uint32_t fiber;
    char *text;
    void *where; /* an address for the reader, or NULL */
};
struct events {
    struct event *event;
    size_t count, room;
    char (*name)[32]; /* of fibers */
    size_t names;
};
void events_add(struct uwsk_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A switch of the schedule: the running fiber stops at `where`, inside `what`. */
void events_switch(struct uwsk_world *world, const void *where, const char *what, uint32_t next);
/* The last event happens at this address. */
void events_where(struct uwsk_world *world, const void *where);
void events_clear(struct events *events);
void events_name(struct events *events, uint32_t fiber, const char *name);
const char *events_name_of(const struct events *events, uint32_t fiber);
/* The last `lines` events as columns. */
void events_timeline(const struct events *events, size_t lines, struct text *out);

/* ---- invariants (invariants.c) ------------------------------------------------------------------------ */

struct invariants;
struct invariants *invariants_create(void);
void invariants_destroy(struct invariants *invariants);
void invariants_reset(struct invariants *invariants);
/* In front of the hooks that are installed now. */
void invariants_install(struct uwsk_world *world);
/* At the end of a run that has unloaded everything. */
void invariants_at_end(struct uwsk_world *world);
/* States of sockets at WskCloseSocket, as "connection, connected: WskReceive x2, WskSend". */
void invariants_each_close(const struct invariants *invariants, void (*fn)(void *context, const char *text),
                           void *context);

/* ---- memory (race.c) ---------------------------------------------------------------------------------- */

struct races;
struct races *races_create(void);
void races_destroy(struct races *races);
void races_reset(struct races *races);
/* In front of the hooks that are installed now; from here on every access of a driver that was compiled with --explore
 * is looked at. */
void races_install(struct uwsk_world *world);
/* What was found, in words: when the run is over. */
void races_tell(struct uwsk_world *world);
/* Is this file of a driver compiled with --explore? */
int explore_is_watched(const char *path);

#endif
