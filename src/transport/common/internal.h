/*
 * internal.h - what the back ends for Linux share: structures, and the reasons why their races are harmless.
 *
 * Both back ends make the same system calls on the same sockets, and both have an epoll set per loop for what
 * is only watched: a descriptor in an epoll set is not held open by it, so close() always gives everything
 * back; in it the loops sleep.  They differ in who carries out an operation that would block: struct engine says it.
 *
 * Locks, in the order in which they are taken
 *   socket->lock     the socket's system calls, its operations and latches; held for non-blocking calls only
 *   transport->bind  the table of bound ports, and the opening of the netlink socket
 *   loop->lock       run list, timers, graveyard of one loop (a leaf: nothing is taken under it)
 *   resolver->lock   what is asked of the system's resolver (a leaf, too)
 * complete() is called with none of them held.  op->segments() is called under socket->lock.
 *
 * Try and hold are one step.  A starting function makes its system call and, on EAGAIN, puts the op into
 * socket->ops[] without letting go of socket->lock in between.  The loop looks at the ops for an event under
 * the same lock.  So an edge that comes while the call is tried is either handled before (then the call saw
 * its effect) or after (then the loop finds the op): no readiness needs to be remembered, and edge-triggered
 * events cannot be lost.  For the same reason a receive that is started by the completion of one that took all
 * there was need not be tried (loop->drained): what has come since brings an event.  On the loop's own thread, which
 * would be the one to learn of it, that holds of a stream until its next event (socket->dry); and on every thread where
 * the process has one CPU: there an event wakes the loop's thread before anybody else runs on, mostly, and a receive that is
 * not tried although something came is ended by that event as well.  It holds, too, from the moment on at which the epoll
 * set got to know the socket, for what was there then is its first event (socket->fresh); but a receive into the owner's
 * memory shall end at once when there is something, so that is for provided buffers.  And it holds of a listener whose
 * queue was counted (socket->looked), while the loop tells of what that count let in (loop->telling).
 *
 * Datagrams.  A batch of received ones lies in memory of the loop, of which there is one: so only the loop's thread
 * receives batches, one per step, and completes it before the next step.  A datagram socket never dies: `fatal`
 * stays 0, and an error that the kernel tells of an earlier datagram is forgotten (what ICMP has said of it stands
 * in the error queue, for those who ask).  EPOLLOUT is watched only while a
 * send waits: it would tell of each datagram that has gone.
 *
 * Cancel against completion.  Whoever clears socket->ops[kind] under socket->lock owns the op's end.  The
 * loop clears it and then calls complete(); cancel() clears it and answers 1; when it finds the slot empty
 * (or with another op) it answers 0, because the loop has called or will call complete().  An op that the
 * kernel carries out (socket->in_ring) cannot be taken back: cancel() asks for its end and answers 0.
 *
 * Close against the loop.  A loop learns of a socket in two ways: events and its run list.  An event has no pointer:
 * it has the descriptor's number and a name, which loop->watched turns into the socket under loop->lock, until the
 * socket is buried.  So it does no harm what the epoll set tells of a closed one: what it had told before, and what it
 * goes on telling where the open file has another descriptor (a child that was forked, another process that has taken
 * it) and stays in the set after close().  The name tells a socket from the next ones that get this number; it comes
 * again after 2^32 sockets of the loop.
 * Off the run list, too, dispatch may just have taken the socket.  So one that the loop has ever known is not freed by
 * close() but goes to the loop's graveyard; the loop's own thread empties it at the start of wait(): then no dispatch is
 * running, and wait() finds no buried socket any more.
 *
 * Off the epoll set the descriptor is taken by close(2), when it is the last of its file.  On the loop's own thread it
 * is, but for those others.  On another thread it need not be: the loop's, inside epoll_wait, may hold the file while it
 * asks it for events, and so address and port beyond the end of close().  There EPOLL_CTL_DEL comes first, which waits
 * for that (both are under the epoll set's mutex).
 */
#ifndef UWSK_TRANSPORT_COMMON_INTERNAL_H
#define UWSK_TRANSPORT_COMMON_INTERNAL_H

#include "host/sanitizer.h"
#include "transport/common/lock.h"
#include "transport/shared.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    OP_KINDS = TRANSPORT_RECEIVE_FROM + 1, /* size of an array indexed by transport_op_kind */
    EVENT_BATCH = 64,     /* events fetched by one wait(): few enough that what it touched of a
                           * socket is in the second cache still when its step comes */
    DISPATCH_STEPS = 64,  /* sockets looked at by one dispatch() */
    AHEAD_STEPS = 2,      /* so many steps before its own what a socket needs is fetched into the cache */
    SEND_SLICE = 1 << 20, /* bytes one socket sends in one step, others' turn then */
    ONE_BYTE_SLICE = 256, /* the same in one-byte mode */
    SEGMENTS = 64,        /* segments in one system call */
    PROVIDED_SMALL = 16384,
    PROVIDED_LARGE = 65536,    /* for a socket that has just filled what it got */
    PROVIDED_SMALL_CACHE = 64, /* unused buffers kept by a loop, and as many again for other threads */
    PROVIDED_LARGE_CACHE = 16,
    GRAVEYARD_LIMIT = 256,
    WATCHED_LEAST = 64,
    SPARE_SOCKETS = 64, /* freed ones that a loop keeps */
    CACHE_LINE = 64,
    TIMER_LEVELS = 11, /* 100 us << level: 0.1 ms to 102 ms */
    PORT_BUCKETS = 256
};
#define TIMER_UNIT_NS    100000ull
#define TIMER_SENT_LEVEL 5 /* WATCH_SENT has events; its timer, from 3.2 ms on, is a net below them */

/* What a socket is to be looked at for: epoll's own bits and these. */
#define EVENT_TRY   (1u << 24) /* continue everything that is held */
#define EVENT_TIMER (1u << 25)
#define EVENT_RING  (1u << 26) /* for the engine: hand over, results, a cancel */

struct buffer;
struct datagrams;
struct ifaddrs;
struct loop;
struct resolver;

enum { LOOP_WAKE, LOOP_ADDRESSES }; /* events of no socket: the name is 0 */

struct watched { /* the descriptor of this number */
    struct transport_socket *socket;
    uint32_t name; /* 0 = of no socket in the epoll set */
};

struct buffers { /* unused ones of one size */
    struct buffer *first;
    unsigned count;
};

/* Carries out as much of an op as is possible now; STATUS_PENDING when it would block.  socket->lock is held.
 */
typedef int32_t (*try_function)(struct transport_socket *socket, struct transport_op *op);

enum loop_state { LOOP_RUNNING, LOOP_SLEEPING, LOOP_NOTIFIED };

struct loop {
    struct transport *transport;
    void *engine; /* the engine's own */
    int epoll_fd;
    int event_fd;
    _Atomic uintptr_t owner; /* the thread that drives the loop, 0 before its first wait() */
    _Atomic int state;       /* enum loop_state: a wake costs a system call only when the loop sleeps */

    struct lock lock;
    struct link run;                  /* sockets with pending events */
    struct link timers[TIMER_LEVELS]; /* each in order of deadline, since a level has one interval */
    unsigned timer_count;
    uint64_t sleep_until;  /* what wait() waits for at most: an earlier timer must wake it */
    _Atomic bool resolved; /* resolver->jobs may have one that is over for this loop */
    struct transport_socket *graveyard;
    unsigned graveyard_count;
    struct watched *watched; /* by descriptor: any number of the process, so 16 bytes for each in each loop */
    unsigned watched_count;
    uint32_t last_name;

    struct lock buffer_lock;
    struct buffers buffers[2]; /* small, large: given back by other threads than its own */

    /* The loop's thread only. */
    struct buffers own_buffers[2];  /* small, large */
    _Atomic long own_buffers_out;   /* what it has handed out and not taken back; may be negative */
    struct transport_socket *spare; /* freed ones, by grave_next */
    unsigned spare_count;
    struct transport_socket *telling; /* its ops are being completed, in the order of a step */
    struct transport_socket *drained; /* an op of it is being completed that took all that was there */
    struct datagrams *datagrams;      /* memory for a batch of them, NULL before the first */
    bool addresses;                   /* the netlink socket has something */
    int event_count;
    struct epoll_event events[EVENT_BATCH];
};

/* What differs between the back ends. */
struct engine {
    size_t socket_size; /* of a structure that begins with struct transport_socket */
    uint32_t events;    /* what a stream in the epoll set is watched for besides what its ops need */
    unsigned
        carried; /* bit per kind: the kernel carries out what would block, and proceed() is always asked */
    int (*loop_open)(struct loop *loop); /* 0 or an errno; the loop's descriptors are open */
    void (*loop_close)(struct loop *loop);
    /* Sleeps until something happens or the time has come (0: not at all), with loop_sleep(). */
    void (*sleep)(struct loop *loop, uint64_t until);
    /* loop->lock is held: puts what sleep() found besides loop->events on the run list. */
    void (*collect)(struct loop *loop);
    /* socket->lock is held, the op is in its slot and would block: sees to it that the loop hears of it. */
    int32_t (*hold)(struct transport_socket *socket, struct transport_op *op);
    /* The rest runs on the loop's thread within a step, or for recall() anywhere, under socket->lock.
     * results() takes the reasons for the connection's end from what the kernel has carried out, before any
     * op is looked at, and returns the events, with what follows from them. */
    uint32_t (*results)(struct transport_socket *socket, uint32_t events);
    /* Continues a held op; `worth`: an event came for which a try is worth its system call. */
    int32_t (*proceed)(struct transport_socket *socket, struct transport_op *op, try_function try_,
                       bool worth);
    /* Asks the kernel to end the op of this kind, which it carries out. */
    void (*recall)(struct transport_socket *socket, int kind);
};

struct transport {
    const struct engine *engine;
    struct transport_config config;
    _Atomic unsigned next_loop; /* accepted sockets go round */
    _Atomic long sockets;       /* open ones */
    _Atomic long buffers_out;   /* provided and not yet recycled, but for what their loops' threads count */
    struct resolver *resolver;
    struct lock bind;
    struct lock leaving_lock;
    struct link leaving;   /* connections whose reset waits: leaving.c */
    uint64_t addresses[2]; /* fingerprints of IPv4's and IPv6's as last looked at; loop 0's thread */
    unsigned unseen;       /* bit per family, as there: it is to be looked at again; loop 0's thread */
    int netlink_fd; /* bind: tells of addresses that come and go, in loop 0's epoll set; -1 = not watched */
    struct link ports[PORT_BUCKETS]; /* sockets bound to a port, by port */
    bool one_cpu;                    /* this process has no other, and there is one loop */
    unsigned loop_count;
    struct loop loops[];
};

enum phase { PHASE_NEW, PHASE_LISTENING, PHASE_CONNECTING, PHASE_CONNECTED };

/* What an echo touches comes first, in two cache lines: with many connections each is a miss. */
struct transport_socket {
    struct transport *transport;
    struct loop *loop;
    struct link run; /* loop->lock */
    struct lock lock;
    int fd;            /* -1 once closed */
    uint32_t pending;  /* loop->lock: events not yet looked at; on the run list while non-zero */
    uint32_t interest; /* what the epoll set watches; 0 = it does not know the socket */
    uint32_t always;   /* the part of it that no op is needed for */
    int32_t fatal;    /* why the connection is over; 0 while it is not, and of datagrams.  The first stays. */
    uint16_t held;    /* bit per kind: ops[kind] is there */
    uint16_t over;    /* bit per kind: the op is over and waits in its slot for the loop */
    uint16_t in_ring; /* bit per kind: the kernel carries that op out */
    uint8_t phase;    /* enum phase */
    uint8_t type;     /* TRANSPORT_STREAM ...; the phase of others than streams is PHASE_NEW */

    bool bulk; /* the last provided buffer was filled: a large one next */
    bool peer_fin;
    bool urgent : 1; /* there was an urgent byte: a short read means nothing any more */
    bool
        fin_wanted : 1; /* shutdown() waits for the send that is inside, or for the reason why there is no FIN */
    bool fin_sent : 1;
    bool lowat_set : 1; /* TCP_NOTSENT_LOWAT is 1, for WATCH_SENT */
    bool silent : 1;    /* silence() has been called */
    bool carried : 1; /* the kernel has carried out a transfer, which may have taken the connection's error */
    bool looked : 1;  /* of listeners: besides `waiting` nothing waits that no event will tell */
    bool again;       /* a step stopped for fairness, not because it would block */
    bool nodelay_option; /* what TRANSPORT_OPTION_NODELAY says */
    bool nodelay_set;    /* what the descriptor says */
    bool sent;           /* bytes have been handed to the kernel */
    bool dry;            /* of streams: a receive took all there was, and no event has told of more since */
    bool fresh;    /* of streams: new in the epoll set, which tells of what was there already: no event yet */
    bool on_trust; /* of streams: sends were said to have left that nobody has asked the kernel about */
    int16_t room;  /* so many more may be, each of room_each bytes at most; less than 0: leaving_ask() */
    uint16_t room_each;

    const void *ahead[TRANSPORT_AHEAD]; /* the owner's, see there */
    struct transport_op *ops[OP_KINDS]; /* up to that of the receive in the second line */

    /* The rest is for what happens seldom. */
    bool errors;         /* of datagrams: TRANSPORT_OPTION_RECEIVE_ERRORS */
    bool known;          /* the loop may hold a pointer to it */
    uint32_t name;       /* in loop->watched, with its descriptor; 0 = the epoll set has never known it */
    bool reason_awaited; /* socket_reason_is_coming() has said so */
    bool bound;
    bool v6only;
    int family;                           /* TRANSPORT_AF_* */
    uint32_t receive_buffer, send_buffer; /* as set; 0 = never set */
    uint32_t
        waiting; /* of listeners: so many connections were in the kernel's queue, and have not been taken since */
    bool tells_queue;                 /* the kernel has told us of some: then none means none */
    uint32_t coalesced, send_segment; /* of datagrams: as set */
    uint32_t multicast_interface;     /* the same */
    uint32_t merge_most;              /* of datagrams that the kernel cuts out of one: how long at most */
    struct transport_address local, remote; /* as last known: they outlive the connection */

    struct link port;                    /* transport->bind: its place in transport->ports */
    struct transport_address port_claim; /* what it holds there */
    bool port_v6only;
    bool share;  /* OPTION_SHARE */
    bool shared; /* transport->bind: bound with it, or beside one that is */

    /* loop->lock */
    struct link timer;
    unsigned timer_level;
    uint64_t timer_deadline;
    struct transport_socket *grave_next;
};
_Static_assert(offsetof(struct transport_socket, bulk) == CACHE_LINE &&
                   offsetof(struct transport_socket, ops[TRANSPORT_RECEIVE + 1]) == 2 * CACHE_LINE,
               "two cache lines");

/* ---- loop.c ------------------------------------------------------------------------------------------- */

int32_t loop_attach(const struct engine *engine, const struct transport_config *config,
                    struct transport **out);
void loop_detach(struct transport *transport);
void loop_wait(struct transport *transport, unsigned loop, uint64_t deadline_ns);
int loop_dispatch(struct transport *transport, unsigned loop);
void loop_wake(struct transport *transport, unsigned loop);
/* Sleeps in the epoll set; leaves what it tells in loop->events. */
void loop_sleep(struct loop *loop, uint64_t until);
/* True on the thread that drives the loop. */
static inline bool loop_is_mine(struct loop *loop)
{
    return atomic_load_explicit(&loop->owner, memory_order_relaxed) == (uintptr_t)pthread_self();
}
/* The same as loop_queue(), loop->lock held and from collect(). */
void loop_queue_locked(struct loop *loop, struct transport_socket *socket, uint32_t events);
/* Nobody else runs while this thread does that would know more of the loop's sockets. */
static inline bool loop_knows_all(struct loop *loop)
{
    return loop->transport->one_cpu || loop_is_mine(loop);
}
/* Puts the socket on its loop's run list for these events and wakes the loop.  socket->lock may be held. */
void loop_queue(struct transport_socket *socket, uint32_t events);
/* Has the epoll set watch for what this op needs; socket->lock is held.  STATUS_SUCCESS or why not. */
int32_t loop_register(struct transport_socket *socket, struct transport_op *op);
/* An event nobody waits for: watches for it no longer.  socket->lock is held. */
void loop_unwatch(struct transport_socket *socket, uint32_t events);
/* Polls again, so that an event is queued if it is ready now and will be queued when it becomes so. */
void loop_repoll(struct transport_socket *socket);
/* EVENT_TIMER for the socket after the level's interval, or sooner if one is set already. */
void loop_arm_timer(struct transport_socket *socket, unsigned level);
/* The same after a timer that came too early: twice the interval. */
void loop_rearm_timer(struct transport_socket *socket);
/* The loop forgets the socket, which is closed and had this descriptor; it is freed as soon as nobody can hold it. */
void loop_bury(struct transport_socket *socket, int fd);

/* ---- socket.c ----------------------------------------------------------------------------------------- */

/* Wraps a descriptor; NULL when there is no memory (the descriptor stays the caller's). */
struct transport_socket *socket_create(struct transport *transport, unsigned loop, int fd, int family);
void socket_free(struct transport_socket *socket);
/* Memory of a socket that is gone, for the next one of the loop; loop's thread.  NULL: there is none. */
struct transport_socket *loop_take_spare(struct loop *loop);
/* A step of dispatch(): continues what is held, then calls complete() without a lock. */
void socket_step(struct transport_socket *socket, uint32_t events);
/* The socket has its turn after AHEAD_STEPS steps: a hint.  The loop's thread, no lock held. */
void socket_ahead(struct transport_socket *socket);
/* Remembers why the connection is over; the first reason stays.  Returns the remembered one. */
int32_t socket_latch(struct transport_socket *socket, int32_t status);
/* Takes peer FIN and death from a poll mask.  socket->lock is held. */
void socket_fold(struct transport_socket *socket, uint32_t events);
/* poll() without waiting, folded; it finds a connection that is over without a reason, too. */
uint32_t socket_poll(struct transport_socket *socket);
/* The state in TCP_INFO (TCP_ESTABLISHED ...), -1 when unknown. */
int socket_tcp_state(struct transport_socket *socket);
/* Common part of every starting function: checks, tries inline unless NO_INLINE, holds what would block. */
int32_t socket_start(struct transport_socket *socket, struct transport_op *op, try_function try_);
/* The same for the kinds that are started most. */
int32_t socket_start_send(struct transport_socket *socket, struct transport_op *op);
int32_t socket_start_receive(struct transport_socket *socket, struct transport_op *op);
int32_t socket_start_watch(struct transport_socket *socket, struct transport_op *op, try_function try_);
/* The op was tried and would block: no use to try again before an event says so. */
static inline bool socket_would_block(const struct transport_op *op)
{
    return op->state.would_block;
}
static inline void socket_set_would_block(struct transport_op *op, bool would_block)
{
    op->state.would_block = would_block;
}
/* This receive or accept took all that was there: one that is started while it is being completed need not be
 * tried. */
static inline void socket_set_drained(struct transport_op *op)
{
    op->state.drained = 1;
}
/* Less came than was asked for, so there was no more, and an event will say when there is. */
static inline void socket_took_all(const struct transport_socket *socket, struct transport_op *op)
{
    if (socket->always & socket->interest & EPOLLIN)
        socket_set_drained(op);
}
/* The connection is dead and its error was taken by an op that the kernel carries out: that op will tell why.
 */
bool socket_reason_is_coming(struct transport_socket *socket, uint32_t events);
/* Sends our FIN; STATUS_SUCCESS, too, while the reason why there is none is coming.  socket->lock is held. */
int32_t socket_finish_sending(struct transport_socket *socket);

int32_t common_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                    struct transport_socket **out);
int32_t common_shutdown(struct transport_socket *socket);
int32_t common_abort(struct transport_socket *socket);
void common_close(struct transport_socket *socket);
int common_cancel(struct transport_socket *socket, struct transport_op *op);
unsigned common_loop_of(struct transport_socket *socket);
const void **common_ahead(struct transport_socket *socket);

/* ---- stream.c ----------------------------------------------------------------------------------------- */

int32_t common_listen(struct transport_socket *socket, int backlog);
int32_t common_accept(struct transport_socket *socket, struct transport_connection_op *op);
int32_t common_connect(struct transport_socket *socket, struct transport_connection_op *op);
int32_t common_send(struct transport_socket *socket, struct transport_op *op);
int32_t common_receive(struct transport_socket *socket, struct transport_op *op);
/* Continue a held op; STATUS_PENDING while it would block. */
int32_t stream_try_accept(struct transport_socket *socket, struct transport_op *op);
int32_t stream_look_and_accept(struct transport_socket *socket, struct transport_op *op);
int32_t stream_continue_connect(struct transport_socket *socket, struct transport_op *op);
void stream_forget_connect(struct transport_socket *socket); /* it was taken back */
int32_t stream_try_send(struct transport_socket *socket, struct transport_op *op);
/* Nothing of what stream_try_send sees to is the case here; socket->lock is held. */
static inline bool stream_send_is_plain(const struct transport_socket *socket, const struct transport_op *op)
{
    return !socket->fatal && socket->phase == PHASE_CONNECTED && !socket->fin_sent && !socket->fin_wanted &&
           !socket->silent && !socket->lowat_set && !(op->flags & TRANSPORT_NO_INLINE) &&
           !socket->transport->config.one_byte && op->length <= SEND_SLICE &&
           !(socket->held & 1u << TRANSPORT_WATCH_SENT) &&
           socket->nodelay_set == (socket->nodelay_option || (op->flags & TRANSPORT_NODELAY));
}
/* stream_try_send then. */
int32_t stream_send_plainly(struct transport_socket *socket, struct transport_op *op);
int32_t stream_try_receive(struct transport_socket *socket, struct transport_op *op);
/* The same in parts, for an engine that has the kernel do the middle one. */
bool stream_accept_again(int error); /* try again: that connection died in the queue */
int32_t stream_accepted(struct transport_socket *socket, struct transport_op *op, int fd,
                        const struct sockaddr_storage *peer, socklen_t length);
/* Why a send or receive failed; remembered when it ends the connection. */
int32_t stream_failed(struct transport_socket *socket, int error);
/* What a receive of no bytes means: 0 or a negative errno. */
int32_t stream_received_nothing(struct transport_socket *socket, ssize_t received);

/* ---- datagram.c, datagram_send.c, datagram_receive.c --------------------------------------------------- */

int32_t datagram_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                      struct transport_socket **out);
int32_t common_send_to(struct transport_socket *socket, struct transport_datagram_op *op);
int32_t common_receive_from(struct transport_socket *socket, struct transport_datagram_op *op);
int32_t common_group(struct transport_socket *socket, int join, const struct transport_address *group,
                     const struct transport_address *source, unsigned interface);
/* Continue a held op; STATUS_PENDING while it would block. */
int32_t datagram_try_send(struct transport_socket *socket, struct transport_op *op);
int32_t datagram_try_receive(struct transport_socket *socket, struct transport_op *op);
void datagrams_free(struct loop *loop);

/* ---- watch.c ------------------------------------------------------------------------------------------ */

int32_t common_watch(struct transport_socket *socket, struct transport_op *op);
/* Of a FIN or the end of the connection: the loop will hear of it, it need not be looked for. */
bool watch_is_told(const struct transport_socket *socket, int kind);
/* Looks whether what is watched has happened; STATUS_PENDING when not. */
int32_t watch_try(struct transport_socket *socket, struct transport_op *op);
/* The op of this kind is held now: sees to it that the loop hears of it (nothing to do for most kinds). */
void watch_begin(struct transport_socket *socket, int kind);
/* Makes the kernel report when nothing is unsent (on) or lets it buffer freely again (off). */
void watch_sent_events(struct transport_socket *socket, bool on);

/* ---- leaving.c ---------------------------------------------------------------------------------------- */

/* All of this with socket->lock held.  The connection is there. */
void leaving_connected(struct transport_socket *socket);
/* The part of leaving_unsent() that asks the kernel. */
int32_t leaving_ask(struct transport_socket *socket, size_t bytes);
/* A send of so many bytes is with the kernel, by one call; `first`: it was the connection's first.  How many bytes have
 * not left, -1 when unknown. */
static inline int32_t leaving_unsent(struct transport_socket *socket, size_t bytes, bool first)
{
    if (socket->room > 0 && bytes <= socket->room_each && (socket->nodelay_set || first)) {
        socket->room--;
        socket->on_trust = true;
        return 0;
    }
    return leaving_ask(socket, bytes);
}
/* Bytes went another way: what was known of the room is old. */
static inline void leaving_unknown(struct transport_socket *socket)
{
    if (socket->room >= 0)
        socket->room = -1;
}
/* The connection is to be reset.  True: bytes that were said to have left have not; the connection lives on until they
 * have and is reset then, and the socket's descriptor is one without a connection. */
bool leaving_begin(struct transport_socket *socket);
/* Ends them all; no loop runs. */
void leaving_end_all(struct transport *transport);

/* ---- silence.c ---------------------------------------------------------------------------------------- */

int32_t common_silence(struct transport_socket *socket);
/* The connection's end comes now: a silent one's says nothing.  socket->lock is held. */
void silence_ends(struct transport_socket *socket);

/* ---- address.c ---------------------------------------------------------------------------------------- */

int32_t address_to_linux(const struct transport_address *address, struct sockaddr_storage *out,
                         socklen_t *length);
void address_from_linux(const struct sockaddr_storage *address, socklen_t length,
                        struct transport_address *out);
bool address_is_wildcard(const struct transport_address *address);
/* An IPv4 address, or an IPv6 one that stands for it. */
bool address_is_v4(const struct transport_address *address, struct in_addr *out);
void address_set_port(struct sockaddr_storage *address, unsigned port);
/* Not a wildcard and not port 0: Linux would take the wildcard for itself, Windows refuses it. */
bool address_can_be_reached(const struct transport_address *address);
/* Remembers the descriptor's local address while the kernel still knows it. */
void address_refresh_local(struct transport_socket *socket);
/* Gives the port back to others of this transport. */
void address_release_port(struct transport_socket *socket);
int32_t common_bind(struct transport_socket *socket, const struct transport_address *local);
int32_t common_address(struct transport_socket *socket, int remote, struct transport_address *out);

/* ---- option.c ----------------------------------------------------------------------------------------- */

int32_t common_set_option(struct transport_socket *socket, int option, uint64_t value);
int32_t common_get_option(struct transport_socket *socket, int option, uint64_t *value);
int64_t common_query(struct transport_socket *socket, int what);
/* Bytes not sent yet (SIOCOUTQNSD) or not acknowledged (SIOCOUTQ); -1 when unknown. */
int64_t option_unsent(struct transport_socket *socket);
int64_t option_unacked(struct transport_socket *socket);

/* ---- buffer.c ----------------------------------------------------------------------------------------- */

static inline size_t buffer_size(bool large)
{
    return large ? PROVIDED_LARGE : PROVIDED_SMALL;
}
/* A small or a large buffer, aligned to 64; NULL when there is no memory. */
void *buffer_get(struct loop *loop, bool large);
/* `received` bytes have come into a buffer of this size, of which `asked` were wanted: what the next one is. */
static inline void buffer_received(struct transport_socket *socket, bool large, size_t asked, size_t received)
{
    socket->bulk = received == asked ? asked >= PROVIDED_SMALL : large && received > PROVIDED_SMALL;
}
void buffer_unget(void *provided);    /* not handed out after all */
void buffer_drain(struct loop *loop); /* frees the cache */
void common_recycle(struct transport *transport, void *provided);
size_t common_provided_size(struct transport *transport);

/* So many are provided and not yet recycled. */
static inline long buffers_out(struct transport *transport)
{
    long count = atomic_load(&transport->buffers_out);
    for (unsigned i = 0; i < transport->loop_count; i++)
        count += atomic_load(&transport->loops[i].own_buffers_out);
    return count;
}

/* ---- resolve.c ---------------------------------------------------------------------------------------- */

struct resolver *resolver_create(void); /* NULL: no memory */
/* Needs that no request is inside; ends the threads that wait and leaves those behind that are in the system's
 * resolver: they end themselves. */
void resolver_close(struct resolver *resolver);
/* Calls complete() for what is over, a bounded amount.  Returns 1 when there may be more. */
int resolver_dispatch(struct loop *loop);
int32_t common_resolve(struct transport *transport, struct transport_resolve *request);
int common_resolve_cancel(struct transport *transport, struct transport_resolve *request);

/* ---- local.c: this host's addresses ------------------------------------------------------------------- */

/* An address of this host, of an interface that is up and of this family (0: of either). */
bool local_is_ours(const struct ifaddrs *entry, int family, struct transport_address *out);
size_t common_addresses(struct transport *transport, int family, struct transport_local *out, size_t count);
int32_t common_watch_addresses(struct transport *transport);
/* Calls addresses_changed() for what the kernel has told.  Loop 0's thread. */
void local_dispatch(struct transport *transport);

/* The part of a back end's table that is the same for all. */
#define COMMON_TRANSPORT_OPS                                                                                 \
    .version = TRANSPORT_VERSION, .detach = loop_detach, .wait = loop_wait, .dispatch = loop_dispatch,       \
    .wake = loop_wake, .open = common_open, .bind = common_bind, .listen = common_listen,                    \
    .accept = common_accept, .connect = common_connect, .send = common_send, .receive = common_receive,      \
    .send_to = common_send_to, .receive_from = common_receive_from, .group = common_group,                   \
    .watch = common_watch, .cancel = common_cancel, .recycle = common_recycle,                               \
    .provided_size = common_provided_size, .shutdown = common_shutdown, .abort = common_abort,               \
    .silence = common_silence, .close = common_close, .address = common_address,                             \
    .set_option = common_set_option, .get_option = common_get_option, .query = common_query,                 \
    .loop_of = common_loop_of, .ahead = common_ahead, .addresses = common_addresses,                         \
    .watch_addresses = common_watch_addresses, .resolve = common_resolve,                                    \
    .resolve_cancel = common_resolve_cancel

#endif
