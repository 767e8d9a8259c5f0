/*
 * internal.h - the epoll transport's structures and the reasons why its races are harmless.
 *
 * Locks, in the order in which they are taken
 *   socket->lock     the socket's system calls, its operations and latches; held for non-blocking calls only
 *   transport->bind  the table of bound ports
 *   loop->lock       run list, timers, graveyard of one loop (a leaf: nothing is taken under it)
 * complete() is called with none of them held.  op->segments() is called under socket->lock.
 *
 * Try and hold are one step.  A starting function makes its system call and, on EAGAIN, puts the op into
 * socket->ops[] without letting go of socket->lock in between.  The loop looks at the ops for an event under
 * the same lock.  So an edge that comes while the call is tried is either handled before (then the call saw
 * its effect) or after (then the loop finds the op): no readiness needs to be remembered, and edge-triggered
 * events cannot be lost.
 *
 * Cancel against completion.  Whoever clears socket->ops[kind] under socket->lock owns the op's end.  The
 * loop clears it and then calls complete(); cancel() clears it and answers 1; when it finds the slot empty
 * (or with another op) it answers 0, because the loop has called or will call complete().
 *
 * Close against the loop.  A loop learns of a socket in two ways: epoll_wait (pointer in the event) and its
 * run list.  close() takes the socket off the epoll set and the run list, but epoll_wait may just then have
 * copied the pointer out, or dispatch may just have taken it off the run list.  So a socket that the loop has
 * ever known is not freed by close() but goes to the loop's graveyard; the loop's own thread empties it at
 * the start of wait(): then no dispatch is running, the last batch of events has been moved to the run list
 * (closed sockets left out), and the next epoll_wait cannot return them any more.
 */
#ifndef UWSK_TRANSPORT_EPOLL_INTERNAL_H
#define UWSK_TRANSPORT_EPOLL_INTERNAL_H

#include "transport/transport.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    OP_KINDS = TRANSPORT_WATCH_READABLE + 1, /* size of an array indexed by transport_op_kind */
    EVENT_BATCH = 256,                       /* events fetched by one wait() */
    DISPATCH_STEPS = 64,                     /* sockets looked at by one dispatch() */
    SEND_SLICE = 1 << 20,                    /* bytes one socket sends in one step, others' turn then */
    ONE_BYTE_SLICE = 256,                    /* the same in one-byte mode */
    SEGMENTS = 64,                           /* segments in one system call */
    PROVIDED_SIZE = 16384,
    PROVIDED_CACHE = 64, /* unused buffers kept by a loop */
    GRAVEYARD_LIMIT = 256,
    TIMER_LEVELS = 11, /* 100 us << level: 0.1 ms to 102 ms */
    PORT_BUCKETS = 256
};
#define TIMER_UNIT_NS    100000ull
#define TIMER_SENT_LEVEL 5 /* WATCH_SENT has events; its timer, from 3.2 ms on, is a net below them */

/* What a socket is to be looked at for: epoll's own bits and these. */
#define EVENT_TRY   (1u << 24) /* continue everything that is held */
#define EVENT_TIMER (1u << 25)

struct link {
    struct link *next;
    struct link *prev;
};

static inline void link_init(struct link *link)
{
    link->next = link->prev = link;
}

static inline bool link_empty(const struct link *link)
{
    return link->next == link;
}

static inline void link_append(struct link *head, struct link *item)
{
    item->next = head;
    item->prev = head->prev;
    head->prev->next = item;
    head->prev = item;
}

static inline void link_remove(struct link *item) /* harmless when not in a list */
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    link_init(item);
}

#define LINK_OWNER(link_, type, member) ((type *)((char *)(link_)-offsetof(type, member)))

struct buffer;

enum loop_state { LOOP_RUNNING, LOOP_SLEEPING, LOOP_NOTIFIED };

struct epoll_loop {
    struct transport *transport;
    int epoll_fd;
    int event_fd;
    _Atomic int state; /* enum loop_state: a wake costs a system call only when the loop sleeps */

    pthread_mutex_t lock;
    struct link run;                  /* sockets with pending events */
    struct link timers[TIMER_LEVELS]; /* each in order of deadline, since a level has one interval */
    unsigned timer_count;
    uint64_t sleep_until; /* what wait() waits for at most: an earlier timer must wake it */
    struct transport_socket *graveyard;
    unsigned graveyard_count;

    pthread_mutex_t buffer_lock;
    struct buffer *buffers;
    unsigned buffer_count;

    struct epoll_event events[EVENT_BATCH]; /* the loop's thread only */
};

struct transport {
    struct transport_config config;
    _Atomic unsigned next_loop; /* accepted sockets go round */
    _Atomic long sockets;       /* open ones */
    _Atomic long buffers_out;   /* provided and not yet recycled */
    pthread_mutex_t bind;
    struct link ports[PORT_BUCKETS]; /* sockets bound to a port, by port */
    unsigned loop_count;
    struct epoll_loop loops[];
};

enum phase { PHASE_NEW, PHASE_LISTENING, PHASE_CONNECTING, PHASE_CONNECTED };

struct transport_socket {
    struct transport *transport;
    struct epoll_loop *loop;
    int family; /* TRANSPORT_AF_* */

    pthread_mutex_t lock;
    int fd; /* -1 once closed */
    enum phase phase;
    struct transport_op *ops[OP_KINDS];
    int32_t fatal;   /* why the connection is over; 0 while it is not.  The first reason stays. */
    bool registered; /* in the epoll set */
    bool known;      /* the loop may hold a pointer to it */
    bool bound;
    bool peer_fin;
    bool fin_wanted; /* shutdown() waits for the send that is inside */
    bool fin_sent;
    bool again; /* a step stopped for fairness, not because it would block */
    bool v6only;
    bool nodelay_option;                    /* what TRANSPORT_OPTION_NODELAY says */
    bool nodelay_set;                       /* what the descriptor says */
    bool lowat_set;                         /* TCP_NOTSENT_LOWAT is 1, for WATCH_SENT */
    uint32_t receive_buffer, send_buffer;   /* as set; 0 = never set */
    struct transport_address local, remote; /* as last known: they outlive the connection */

    struct link port;                    /* transport->bind: its place in transport->ports */
    struct transport_address port_claim; /* what it holds there */
    bool port_v6only;

    /* loop->lock */
    bool closed;
    struct link run;
    uint32_t pending; /* events not yet looked at; on the run list while non-zero */
    struct link timer;
    unsigned timer_level;
    uint64_t timer_deadline;
    struct transport_socket *grave_next;
};

/* ---- epoll.c ----------------------------------------------------------------------------------------------
 */

/* Puts the socket on its loop's run list for these events and wakes the loop.  socket->lock may be held. */
void loop_queue(struct transport_socket *socket, uint32_t events);
/* Adds the socket to the epoll set once; socket->lock is held.  STATUS_SUCCESS or why not. */
int32_t loop_register(struct transport_socket *socket);
/* Polls again, so that an event is queued if it is ready now and will be queued when it becomes so. */
void loop_repoll(struct transport_socket *socket);
/* EVENT_TIMER for the socket after the level's interval, or sooner if one is set already. */
void loop_arm_timer(struct transport_socket *socket, unsigned level);
/* The same after a timer that came too early: twice the interval. */
void loop_rearm_timer(struct transport_socket *socket);
/* The loop forgets the socket; it is freed as soon as nobody can hold it.  Closed, off the epoll set. */
void loop_bury(struct transport_socket *socket);
void epoll_wake(struct transport *transport, unsigned loop);

/* ---- socket.c ---------------------------------------------------------------------------------------------
 */

/* Wraps a descriptor; NULL when there is no memory (the descriptor stays the caller's). */
struct transport_socket *socket_create(struct transport *transport, unsigned loop, int fd, int family);
void socket_free(struct transport_socket *socket);
/* A step of dispatch(): continues what is held, then calls complete() without a lock. */
void socket_step(struct transport_socket *socket, uint32_t events);
/* Remembers why the connection is over; the first reason stays.  Returns the remembered one. */
int32_t socket_latch(struct transport_socket *socket, int32_t status);
/* Takes peer FIN and death from a poll mask.  socket->lock is held. */
void socket_fold(struct transport_socket *socket, uint32_t events);
/* poll() without waiting, folded. */
uint32_t socket_poll(struct transport_socket *socket);
/* The state in TCP_INFO (TCP_ESTABLISHED ...), -1 when unknown. */
int socket_tcp_state(struct transport_socket *socket);
/* Common part of every starting function: checks, tries inline unless NO_INLINE, holds what would block.
 * try_() returns STATUS_PENDING when it would block. */
typedef int32_t (*try_function)(struct transport_socket *socket, struct transport_op *op);
int32_t socket_start(struct transport_socket *socket, struct transport_op *op, try_function try_);
/* Sends our FIN now or when the send that is inside is over; socket->lock is held. */
int32_t socket_finish_sending(struct transport_socket *socket);

int32_t epoll_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                   struct transport_socket **out);
int32_t epoll_shutdown(struct transport_socket *socket);
int32_t epoll_abort(struct transport_socket *socket);
void epoll_close(struct transport_socket *socket);
int epoll_cancel(struct transport_socket *socket, struct transport_op *op);
unsigned epoll_loop_of(struct transport_socket *socket);

/* ---- stream.c ---------------------------------------------------------------------------------------------
 */

int32_t epoll_listen(struct transport_socket *socket, int backlog);
int32_t epoll_accept(struct transport_socket *socket, struct transport_op *op);
int32_t epoll_connect(struct transport_socket *socket, struct transport_op *op);
int32_t epoll_send(struct transport_socket *socket, struct transport_op *op);
int32_t epoll_receive(struct transport_socket *socket, struct transport_op *op);
/* Continue a held op; STATUS_PENDING while it would block. */
int32_t stream_try_accept(struct transport_socket *socket, struct transport_op *op);
int32_t stream_continue_connect(struct transport_socket *socket, struct transport_op *op);
int32_t stream_try_send(struct transport_socket *socket, struct transport_op *op);
int32_t stream_try_receive(struct transport_socket *socket, struct transport_op *op);

/* ---- watch.c ----------------------------------------------------------------------------------------------
 */

int32_t epoll_watch(struct transport_socket *socket, struct transport_op *op);
/* Looks whether what is watched has happened; STATUS_PENDING when not. */
int32_t watch_try(struct transport_socket *socket, struct transport_op *op);
/* The op of this kind is held now: sees to it that the loop hears of it (nothing to do for most kinds). */
void watch_begin(struct transport_socket *socket, int kind);
/* Makes the kernel report when nothing is unsent (on) or lets it buffer freely again (off). */
void watch_sent_events(struct transport_socket *socket, bool on);

/* ---- address.c --------------------------------------------------------------------------------------------
 */

int32_t address_to_linux(const struct transport_address *address, struct sockaddr_storage *out,
                         socklen_t *length);
void address_from_linux(const struct sockaddr_storage *address, socklen_t length,
                        struct transport_address *out);
/* Not a wildcard and not port 0: Linux would take the wildcard for itself, Windows refuses it. */
bool address_can_be_reached(const struct transport_address *address);
/* Remembers the descriptor's local address while the kernel still knows it. */
void address_refresh_local(struct transport_socket *socket);
/* Gives the port back to others of this transport. */
void address_release_port(struct transport_socket *socket);
int32_t epoll_bind(struct transport_socket *socket, const struct transport_address *local);
int32_t epoll_address(struct transport_socket *socket, int remote, struct transport_address *out);

/* ---- option.c ---------------------------------------------------------------------------------------------
 */

int32_t epoll_set_option(struct transport_socket *socket, int option, uint64_t value);
int32_t epoll_get_option(struct transport_socket *socket, int option, uint64_t *value);
int64_t epoll_query(struct transport_socket *socket, int what);
/* Bytes not sent yet (SIOCOUTQNSD) or not acknowledged (SIOCOUTQ); -1 when unknown. */
int64_t option_unsent(struct transport_socket *socket);
int64_t option_unacked(struct transport_socket *socket);

/* ---- buffer.c ---------------------------------------------------------------------------------------------
 */

void *
buffer_get(struct epoll_loop *loop); /* PROVIDED_SIZE bytes, aligned to 64; NULL when there is no memory */
void buffer_unget(void *provided);   /* not handed out after all */
void buffer_drain(struct epoll_loop *loop); /* frees the cache */
void epoll_recycle(struct transport *transport, void *provided);
size_t epoll_provided_size(struct transport *transport);

#endif
