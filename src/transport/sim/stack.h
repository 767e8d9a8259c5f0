/*
 * stack.h - the runtime's stack on the simulated network: what loop.c, socket.c, stream.c,
 * stack_datagram.c and option.c share.
 *
 * It works as transport/common does on Linux: an op that would block stands in its socket's slot; an event that
 * concerns one puts the socket on its loop's run list, and dispatch() tries the socket's ops again, in a fixed
 * order.  Whoever takes an op out of its slot owns its end.
 */
#ifndef UWSK_TRANSPORT_SIM_STACK_H
#define UWSK_TRANSPORT_SIM_STACK_H

#include "transport/sim/internal.h"

enum {
    STACK_KINDS = TRANSPORT_RECEIVE_FROM + 1,
    STACK_STEPS = 64,           /* sockets looked at by one dispatch() */
    STACK_SEND_SLICE = 1 << 20, /* bytes one socket sends in one step, others' turn then */
    STACK_ONE_BYTE_SLICE = 256, /* the same in one-byte mode */
    STACK_SEGMENTS = 64,
    STACK_PROVIDED_SIZE = 16384,
    STACK_PROVIDED_MOST = 1024 /* provided buffers that are out at a time */
};
#define STACK_TRY (1u << 24) /* beside enum net_event: try everything that is held */

struct stack_buffer;
struct stack_loop {
    struct net_waiter waiter;
    bool notified;
    struct link run;      /* sockets with something to look at */
    struct link resolved; /* struct stack_resolve that is over */
};

struct transport {
    struct transport_config config;
    unsigned next_loop; /* accepted sockets go round */
    long sockets;
    long buffers_out; /* provided and not yet given back */
    struct stack_buffer *buffers;
    struct link resolves;    /* struct stack_resolve that waits for its answer */
    bool changed4, changed6; /* addresses have: addresses_changed() is due */
    unsigned loop_count;
    struct stack_loop loops[];
};

enum stack_phase { PHASE_NEW, PHASE_LISTENING, PHASE_CONNECTING, PHASE_CONNECTED };

struct transport_socket {
    struct transport *transport;
    struct stack_loop *loop;
    int family;
    enum stack_phase phase;
    struct net_end *end; /* from connect or accept on */
    struct net_udp *udp; /* a datagram socket's, else NULL */
    struct net_claim claim;
    struct net_listener listener;
    struct transport_op *ops[STACK_KINDS];
    unsigned held, over; /* bit per kind: inside; over already, to be delivered */
    struct link run;
    unsigned pending; /* events not yet looked at; on the run list while non-zero */
    int32_t aborted;  /* abort()'s reason, for a socket without an end */
    bool fin_wanted;  /* shutdown() waits for the send that is inside */
    bool fin_sent;
    bool again;                     /* a step stopped for fairness, not because it would block */
    struct net_where local, remote; /* as last known: they outlive the connection */
    bool has_local;
    uint64_t options[TRANSPORT_OPTION_MAX];
    const void *ahead[TRANSPORT_AHEAD]; /* nothing is fetched here */
};

typedef int32_t (*stack_try)(struct transport_socket *socket, struct transport_op *op);

/* loop.c */
int32_t stack_attach(const struct transport_config *config, struct transport **out);
void stack_detach(struct transport *transport);
void stack_wait(struct transport *transport, unsigned loop, uint64_t deadline_ns);
int stack_dispatch(struct transport *transport, unsigned loop);
void stack_wake(struct transport *transport, unsigned loop);
void stack_queue(struct transport_socket *socket, unsigned events);
void *stack_buffer_get(struct transport *transport);
void stack_buffer_unget(struct transport *transport, void *provided);
void stack_recycle(struct transport *transport, void *provided);
size_t stack_provided_size(struct transport *transport);

size_t stack_addresses(struct transport *transport, int family, struct transport_local *out, size_t count);
int32_t stack_watch_addresses(struct transport *transport);

/* socket.c */
struct transport_socket *stack_socket_new(struct transport *transport, unsigned loop, int family);
void stack_step(struct transport_socket *socket, unsigned events);
void stack_event(void *socket, unsigned events); /* net_event_function of every end and listener */
/* Why the connection is over; 0 while it is not. */
int32_t stack_fatal(const struct transport_socket *socket);
int32_t stack_start(struct transport_socket *socket, struct transport_op *op, stack_try try_);
int32_t stack_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                   struct transport_socket **out);
bool stack_is_bound(const struct transport_socket *socket);
int32_t stack_bind(struct transport_socket *socket, const struct transport_address *local);
int stack_cancel(struct transport_socket *socket, struct transport_op *op);
int32_t stack_shutdown(struct transport_socket *socket);
int32_t stack_abort(struct transport_socket *socket);
int32_t stack_silence(struct transport_socket *socket);
void stack_close(struct transport_socket *socket);
int32_t stack_address(struct transport_socket *socket, int remote, struct transport_address *out);
unsigned stack_loop_of(struct transport_socket *socket);
const void **stack_ahead(struct transport_socket *socket);

/* stream.c */
int32_t stack_listen(struct transport_socket *socket, int backlog);
int32_t stack_accept(struct transport_socket *socket, struct transport_connection_op *op);
int32_t stack_connect(struct transport_socket *socket, struct transport_connection_op *op);
int32_t stack_send(struct transport_socket *socket, struct transport_op *op);
int32_t stack_receive(struct transport_socket *socket, struct transport_op *op);
int32_t stack_watch(struct transport_socket *socket, struct transport_op *op);
int32_t stack_try_accept(struct transport_socket *socket, struct transport_op *op);
int32_t stack_continue_connect(struct transport_socket *socket, struct transport_op *op);
void stack_forget_connect(struct transport_socket *socket); /* it was taken back */
int32_t stack_try_send(struct transport_socket *socket, struct transport_op *op);
int32_t stack_try_receive(struct transport_socket *socket, struct transport_op *op);
int32_t stack_try_watch(struct transport_socket *socket, struct transport_op *op);

/* stack_datagram.c */
struct stack_batch;
int32_t stack_send_to(struct transport_socket *socket, struct transport_datagram_op *op);
int32_t stack_receive_from(struct transport_socket *socket, struct transport_datagram_op *op);
int32_t stack_group(struct transport_socket *socket, int join, const struct transport_address *group,
                    const struct transport_address *source, unsigned interface);
int32_t stack_try_send_to(struct transport_socket *socket, struct transport_op *op);
int32_t stack_try_receive_from(struct transport_socket *socket, struct transport_op *op);
void stack_batch_free(struct stack_batch *batch); /* after complete(); NULL: nothing */

/* option.c */
int32_t stack_set_option(struct transport_socket *socket, int option, uint64_t value);
int32_t stack_get_option(struct transport_socket *socket, int option, uint64_t *value);
int64_t stack_query(struct transport_socket *socket, int what);
void stack_options_init(struct transport_socket *socket);
void stack_options_apply(struct transport_socket *socket); /* to an end that is new */
size_t stack_buffer_size(const struct transport_socket *socket, int option);

/* resolve.c */
int32_t stack_resolve(struct transport *transport, struct transport_resolve *request);
int stack_resolve_cancel(struct transport *transport, struct transport_resolve *request);
void stack_resolve_step(struct stack_loop *loop); /* ends the first that is over */

#endif
