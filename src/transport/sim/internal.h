/*
 * internal.h - what the files of the simulated network share.
 *
 * Atomic between points.  Fibers switch only at the simulator's scheduling points.  Nothing here has one in the
 * middle of a change: every entry has its point at the head (net_enter), and those whom it wakes are only put on a
 * list, which is worked off at the end (net_leave).  So there are no locks; a function may be left to another
 * fiber at its head, in net_leave() and where it parks, and nowhere else.  Timers fire between fibers.
 *
 * Layers, lowest first: memory.c (pool, byte queues), world.c (hosts, addresses, names, waking), port.c (who holds
 * a port), wire.c (segments, windows, acknowledgements, weather), connection.c (birth, life and end of a
 * connection), datagram.c (datagrams and their sockets); on these stand peer.c and peer_datagram.c (net.h) and loop.c,
 * socket.c, stream.c, stack_datagram.c, option.c (transport.h).
 */
#ifndef UWSK_TRANSPORT_SIM_INTERNAL_H
#define UWSK_TRANSPORT_SIM_INTERNAL_H

#include "transport/sim/net.h"
#include "transport/shared.h"
#include "host/host.h"
#include "host/sim/sim.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NET_BUCKETS = 512, /* of the tables of ports */
    NET_DATAGRAM_BUCKETS = 64,
    NET_HOSTS = 64,
    NET_HOST_ADDRESSES = 16,
    NET_NAMES = 128,
    NET_NAME_BYTES = 256,
    NET_MSS = 1460, /* what Nagle's algorithm takes for a full segment */
    NET_BUFFER_DEFAULT = 65536,
    NET_BUFFER_MOST = 4 << 20,
    NET_PORT_LOW = 49152, /* ephemeral: 49152 to 65535, as on Windows */
    NET_PORT_COUNT = 16384,
    NET_SYN_RETRIES = 6 /* after 1, 2, 4 ... s: given up after 127 s, as on Linux */
};
#define NET_SECOND    1000000000ull
#define NET_TIME_WAIT (60 * NET_SECOND)
#define NET_GIVE_UP                                                                                          \
    (300 * NET_SECOND) /* less than Linux' 924 s: within the time in which a run must make progress */
#define NET_PEER_GIVE_UP (60 * NET_SECOND) /* a peer's program that the weather cut off */
#define NET_NO_NEIGHBOUR (3 * NET_SECOND)  /* nobody has that address */

/* ---- memory.c: the pool and byte queues ------------------------------------------------------------------ */

void *net_allocate(size_t bytes); /* zeroed, aligned to 64; NULL when there is none */
void net_free(void *memory, size_t bytes);
void net_pool_close(void); /* everything at once */

/* One direction of a connection.  The bytes lie in one queue from the moment they are handed over until they are
 * read; what travels are positions in it.  consumed <= delivered <= sent <= written, and acked <= delivered. */
struct net_flow {
    struct net_block *head, *tail;
    uint64_t base;      /* position of the first byte in head */
    uint64_t written;   /* handed over by the sender */
    uint64_t sent;      /* has left the sender at least once */
    uint64_t delivered; /* in the receiver's buffer */
    uint64_t consumed;  /* read by the receiver */
    uint64_t acked;     /* the sender knows that it was delivered */
    uint64_t edge;      /* the sender may send up to here */
    uint64_t told_edge; /* what the receiver has told it */
    size_t send_buffer, receive_buffer;
    bool fin_queued, fin_sent, fin_delivered, fin_acked;
};
int net_flow_write(struct net_flow *flow, const void *data, size_t bytes); /* 0, or -1 without memory */
void net_flow_read(struct net_flow *flow, void *data, size_t bytes);       /* data NULL: thrown away */
void net_flow_close(struct net_flow *flow);

/* ---- world.c: hosts, addresses, names, waking ------------------------------------------------------------ */

/* An address as everything here compares it: IPv4 in its IPv6 form (::ffff:a.b.c.d). */
struct net_where {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port; /* host order */
};

struct net_host {
    struct net_where addresses[NET_HOST_ADDRESSES];
    int count;
};

struct net_name {
    char name[NET_NAME_BYTES];
    struct net_where where;
};

/* What a fiber sleeps on. */
struct net_waiter {
    uint32_t word;
    int parked;
    struct link link; /* in world.wakes while somebody is to be woken */
};

struct net_chunk;
struct net_world {
    bool up;
    struct net_weather weather;
    uint64_t seed;
    uint64_t now;    /* of this entry: looked at once, since a look may be a point, too */
    uint64_t births; /* connections and datagram sockets so far: numbers of their streams of chance */
    struct sim_rng rng;
    uint64_t on_the_way; /* segments on wires, held acknowledgements and FINs */
    long open;           /* sockets of the runtime's stack */

    void (*address_event)(void *owner, int family); /* host 0 has got or lost one; NULL: nobody asks */
    void *address_owner;
    struct net_host hosts[NET_HOSTS];
    int host_count;
    struct net_name *names;
    int name_count;

    uint32_t next_port;
    struct link binds[NET_BUCKETS]; /* struct net_claim */
    struct link uses[NET_BUCKETS];  /* struct net_use */
    struct link time_waits;         /* struct net_use, in the order of their ends */
    struct link connections;
    struct link datagrams[NET_DATAGRAM_BUCKETS]; /* bound sockets, by port */
    struct link packets;                         /* on their way */
    struct link wakes;

    struct net_chunk *chunks;
    char *fresh;
    size_t fresh_bytes;
    void *freed[9];
};
extern struct net_world net_world;

/* The head of every entry: the scheduler may switch here. */
static inline void net_enter(const volatile void *object)
{
    host_point(HOST_POINT_CALL, object);
    net_world.now = host_now();
}
/* The head of every timer. */
static inline void net_fire(void)
{
    net_world.now = host_now();
}
void net_wake(struct net_waiter *waiter); /* at net_leave() */
void net_leave_slow(void);
static inline void net_leave(void)
{
    if (!link_empty(&net_world.wakes))
        net_leave_slow();
}
void net_waiter_init(struct net_waiter *waiter);
void net_waiter_close(struct net_waiter *waiter);
/* Parks until woken (1) or until the deadline (0). */
int net_sleep(struct net_waiter *waiter, uint64_t deadline_ns);

/* The Windows layout; false for a family that is none. */
bool net_where_of(const struct transport_address *address, struct net_where *out);
void net_where_out(const struct net_where *where, int family, struct transport_address *out);
bool net_where_is_v4(const struct net_where *where);
bool net_where_is_any(const struct net_where *where);
bool net_where_is_loopback(const struct net_where *where);
bool net_where_same_ip(const struct net_where *a, const struct net_where *b);
bool net_where_same(const struct net_where *a, const struct net_where *b); /* the port, too */
bool net_host_has(int host, const struct net_where *where);
/* The host that a packet from `host` to this address reaches; -1 = nobody has it. */
int net_route(int host, const struct net_where *to);
/* Somewhere in a network that is reached at all (10/8, fd00::/16, loopback). */
bool net_is_near(const struct net_where *to);
/* The address that `host` speaks from towards `to`; the port is left alone. */
bool net_source(int host, const struct net_where *to, struct net_where *out);

static inline uint64_t net_draw(struct sim_rng *rng, uint64_t least, uint64_t most)
{
    return most > least ? least + sim_rng_below(rng, most - least + 1) : least;
}
static inline bool net_chance(struct sim_rng *rng, unsigned percent)
{
    return percent != 0 && sim_rng_below(rng, 100) < percent;
}
void net_stream(struct sim_rng *rng); /* the next one in the order of births */

/* ---- port.c: who holds a port ----------------------------------------------------------------------------- */

struct net_listener;
struct net_claim { /* a bound socket */
    struct link link;
    int host;
    bool dual; /* :: that covers IPv4, too */
    bool held;
    bool runtime; /* of the runtime's stack: may be shared there */
    struct net_where where;
    struct net_listener *listener; /* who listens there, if anybody */
};

struct net_use { /* a connection's four numbers, in TIME_WAIT also when it is no more */
    struct link link;
    struct link order;
    int host;
    bool held;
    struct net_where local, remote;
    uint64_t until; /* TIME_WAIT: its end; 0 = alive */
};

/* Binds: where->port 0 = any, filled in.  false when somebody holds it; with `share` somebody besides the runtime's
 * stack. */
bool net_claim_take(struct net_claim *claim, int host, struct net_where *where, bool dual, bool share);
void net_claim_drop(struct net_claim *claim);
bool net_claim_is_free(int host, const struct net_where *where, bool dual);
/* ... and no connection, not even one in TIME_WAIT, has that port. */
bool net_port_is_unused(int host, const struct net_where *where, bool dual);
/* Whether a bind to `a` covers some of what a bind to `b` does. */
bool net_binds_overlap(const struct net_where *a, bool a_dual, const struct net_where *b, bool b_dual);
/* How well a bind that covers an address fits it: the very address before its family's wildcard before the other's. */
int net_bind_fits(const struct net_where *bound, const struct net_where *to);
struct net_listener *net_listener_find(int host, const struct net_where *where);
/* local->port 0 = any, filled in.  false when these four numbers are in use. */
bool net_use_take(struct net_use *use, int host, struct net_where *local, const struct net_where *remote);
/* The accepting side's: unique since the other side's are. */
void net_use_add(struct net_use *use, int host, const struct net_where *local,
                 const struct net_where *remote);
void net_use_drop(struct net_use *use, bool time_wait);

/* ---- connections ------------------------------------------------------------------------------------------- */

/* What an end tells its owner. */
enum net_event {
    NET_CONNECTED = 1, /* or failed: see reason */
    NET_READ = 2,
    NET_ROOM = 4,   /* in the send buffer */
    NET_SENT = 8,   /* nothing is unsent */
    NET_ACKED = 16, /* nothing is unacknowledged */
    NET_FIN = 32,   /* the peer's */
    NET_FIN_ACKED = 64,
    NET_DEAD = 128,
    NET_ACCEPT = 256
};
typedef void (*net_event_function)(void *owner, unsigned events);

enum { SEGMENT_SYN = 1, SEGMENT_ACK = 2, SEGMENT_DATA = 4, SEGMENT_FIN = 8, SEGMENT_RST = 16 };
struct net_segment {
    struct net_segment *next;
    uint64_t due;
    unsigned what;
    uint64_t end;  /* data up to here */
    uint64_t ack;  /* what its sender had got; a FIN counts one */
    uint64_t edge; /* the window that it opens */
};

struct net_connection;
struct net_end {
    struct net_connection *connection;
    int host;
    struct net_where local, remote;
    struct net_flow out;
    struct net_use use;
    struct net_listener *listener; /* until accepted */
    struct link queue;             /* listener->young or ->ready */

    void *owner;
    net_event_function event;

    bool exists; /* the connecting end always, the other one from the SYN on */
    bool established;
    bool closed;        /* the owner is gone, or there never was one */
    bool gone;          /* takes no part any more: finished, or dead for the reason */
    bool deaf;          /* takes nothing, acknowledges nothing */
    bool mute;          /* sends nothing */
    bool fin_was_first; /* the peer's FIN came before our own: no TIME_WAIT here */
    bool nodelay;
    bool ack_owed, ack_now;
    bool fin_held, fin_released;
    bool keepalive;
    unsigned syn_retries;
    int32_t reason;
    uint64_t user_timeout_ns; /* 0 = the system's */
    uint64_t keepalive_ns;    /* idle until given up */
    struct sim_timer ack_timer, fin_timer, give_up;

    struct net_segment *first, *last; /* the wire from here to the other end: a queue in the order of due */
    struct sim_timer wire;
};

struct net_connection {
    struct link link;
    struct sim_rng rng;
    bool cut; /* nothing reaches anybody any more */
    bool refuse, black_hole;
    bool half_open_later;
    struct sim_timer fate;
    struct net_end end[2]; /* 0 = who connected */
};

static inline struct net_end *net_other(struct net_end *end)
{
    return &end->connection->end[end == &end->connection->end[0]];
}
static inline struct net_flow *net_in(struct net_end *end)
{
    return &net_other(end)->out;
}

struct net_listener {
    struct net_claim *claim;
    int backlog;
    int waiting; /* young and ready ones */
    bool deaf;
    struct link young, ready; /* struct net_end: before and after the handshake */
    size_t send_buffer, receive_buffer;
    void *owner;
    net_event_function event;
};

/* wire.c */
void net_put(struct net_end *end, unsigned what); /* a segment onto the wire; DATA up to out.sent */
void net_push(struct net_end *end);               /* sends what may be sent now */
void net_ack_owed(struct net_end *end);
void net_stop_sending(struct net_end *end); /* its timers; an ACK that is owed stays */
void net_stop_timers(struct net_end *end);
/* The other end hears nothing: gives up in time if there is something to give up on. */
void net_watch_silence(struct net_end *end);

/* connection.c */
enum { /* the numbers that TCP_INFO gives */
       NET_TCP_ESTABLISHED = 1,
       NET_TCP_SYN_SENT,
       NET_TCP_SYN_RECV,
       NET_TCP_FIN_WAIT1,
       NET_TCP_FIN_WAIT2,
       NET_TCP_TIME_WAIT,
       NET_TCP_CLOSE,
       NET_TCP_CLOSE_WAIT,
       NET_TCP_LAST_ACK,
       NET_TCP_LISTEN,
       NET_TCP_CLOSING
};
int net_tcp_state(const struct net_end *end);
/* Starts to connect; local->port 0 = any.  STATUS_PENDING and *out, or why not. */
int32_t net_end_connect(int host, struct net_where *local, const struct net_where *remote, size_t send_buffer,
                        size_t receive_buffer, void *owner, net_event_function event, struct net_end **out);
/* A segment has arrived. */
void net_deliver(struct net_end *end, const struct net_segment *segment);
void net_end_tell(struct net_end *end, unsigned events);
void net_end_die(struct net_end *end, int32_t reason);
void net_end_check(struct net_end *end);                      /* both directions finished: it is over */
void net_connection_check(struct net_connection *connection); /* freed when nobody needs it any more */
size_t net_end_room(const struct net_end *end);
/* Takes up to `bytes` (as many as there is room for): how many, or -1 without memory.  Then net_push(). */
long net_end_write(struct net_end *end, const void *data, size_t bytes);
size_t net_end_readable(struct net_end *end);
size_t net_end_read(struct net_end *end, void *data, size_t bytes);
void net_end_was_read(struct net_end *end); /* opens the window again; after reading */
bool net_end_has_fin(struct net_end *end);
int64_t net_end_unsent(const struct net_end *end);
int64_t net_end_unacked(const struct net_end *end);
int64_t net_end_ideal_backlog(const struct net_end *end);
void net_end_shutdown(struct net_end *end);
void net_end_abort(struct net_end *end);
void net_end_close(struct net_end *end); /* the owner goes: FIN, or RST with unread data */
void net_end_deafen(struct net_end *end);
void net_end_silence(struct net_end *end); /* deaf and mute, its end is, too; nothing is unacknowledged */
void net_end_set_receive_buffer(struct net_end *end, size_t bytes);
void net_end_keepalive(struct net_end *end, bool on, uint64_t limit_ns);
void net_cut_address(const struct net_where *where); /* connections of that address of host 0 */

void net_listener_open(struct net_listener *listener, struct net_claim *claim, int backlog, void *owner,
                       net_event_function event);
struct net_end *net_listener_accept(struct net_listener *listener); /* NULL: none is ready */
void net_listener_close(struct net_listener *listener);             /* what waits is reset */

/* ---- datagram.c --------------------------------------------------------------------------------------------- */

enum {
    NET_DATAGRAM_MOST_V4 = 65507, /* what an IP packet holds behind UDP's header */
    NET_DATAGRAM_MOST_V6 = 65527,
    NET_MTU = 1500,
    NET_HOPS = 128,   /* as Windows sends them */
    NET_LOOPBACK = 1, /* indices of the interfaces: every host has these two */
    NET_WIRE = 2
};

struct net_letter { /* all of a datagram but its bytes */
    struct net_where from, to;
    int host;           /* where it goes; -1 = nowhere.  To a group or a broadcast address: unused */
    uint32_t interface; /* on which it travels */
    uint8_t hops, traffic_class;
    uint8_t flags; /* TRANSPORT_BROADCAST, TRANSPORT_MULTICAST */
    bool failed;   /* it comes back to who sent it, without its bytes: ICMP's type and code say why */
    uint8_t type, code;
};

struct net_packet {
    struct link link; /* world.packets, then the receiver's queue, then whoever took it */
    struct sim_timer timer;
    struct net_letter letter;
    uint32_t segment; /* several in a row, each so long but the last; 0 = one */
    size_t bytes;
    char data[];
};

struct net_udp {      /* a datagram socket, a peer's or one of the runtime's stack */
    struct link link; /* in world.datagrams while bound */
    bool bound, dual;
    bool errors;  /* wants to hear of what it has sent and nobody has got */
    bool runtime; /* of the runtime's stack: its address may be shared there */
    int host;
    struct net_where where;
    struct sim_rng rng;
    struct link queue; /* struct net_packet that can be received */
    size_t queued;     /* their charges */
    struct link members;
    struct link leaving;                /* what was handed over and has not left the host */
    size_t unsent, charged;             /* its bytes; what it takes of the send buffer */
    uint64_t busy_until;                /* the last of it leaves then */
    uint64_t last_arrival;              /* of what was not reordered */
    struct sim_timer leave;             /* the first of it leaves */
    size_t send_buffer, receive_buffer; /* 0 = the weather's */
    void *owner;
    net_event_function event; /* NET_READ, NET_ROOM */
};

void net_udp_init(struct net_udp *udp, int host, void *owner, net_event_function event);
/* As net_claim_take(). */
bool net_udp_bind(struct net_udp *udp, struct net_where *where, bool dual, bool share);
void net_udp_close(struct net_udp *udp);
/* Enters or leaves a group; source NULL = whoever sends. */
int32_t net_udp_group(struct net_udp *udp, bool join, const struct net_where *group,
                      const struct net_where *source, uint32_t interface);
/* The way of a datagram: all of *out but hops and class.  source NULL = where it is bound; interface 0 = any. */
int32_t net_udp_way(const struct net_udp *udp, const struct net_where *to, const struct net_where *source,
                    uint32_t interface, struct net_letter *out);
/* Copies the bytes of a datagram; false when there are not as many. */
typedef bool (*net_gather)(void *context, void *to, size_t bytes);
/* Sends a datagram.  It never waits: whoever wants a limit asks net_udp_has_room() before.  loop: members of a group
 * on this host get it, too. */
int32_t net_udp_send(struct net_udp *udp, const struct net_letter *letter, bool loop, size_t bytes,
                     net_gather gather, void *context);
bool net_udp_has_room(const struct net_udp *udp);
/* The first that waits, or NULL; the caller's now.  With join != 0 some that follow it may be in it, up to so many
 * bytes. */
struct net_packet *net_udp_take(struct net_udp *udp, size_t join);
int64_t net_udp_readable(const struct net_udp *udp); /* bytes of the first that waits; -1 = none */
void net_packet_free(struct net_packet *packet);
/* What the receiver is told; `known` as it is asked for, KNOWS_SEGMENT apart. */
void net_letter_out(const struct net_packet *packet, int family, unsigned known,
                    struct transport_datagram *out);
bool net_where_is_multicast(const struct net_where *where);
void net_datagrams_stop(void);

/* ---- for tests ------------------------------------------------------------------------------------------------- */

int net_transport_tcp_state(struct transport_socket *socket);
long net_transport_buffers_out(struct transport *transport);

#endif
