/*
 * net.h - the simulated network: hosts, addresses, wires with weather, and the sockets of peers.
 *
 * transport_sim (transport.h) is the runtime's stack on this network; the peers at the other end use the blocking
 * calls below on fibers of their own, as a plain program would use its sockets.  Everything happens in virtual
 * time and from the run's seed (host/sim/sim.h); nothing leaves the process.
 *
 * A connection is a pair of byte streams with a send buffer, a wire and a receive buffer each; segments, FINs,
 * acknowledgements and resets travel as timers.  Each connection has a stream of chance of its own, numbered in
 * the order of births, so that one connection's weather does not depend on another's traffic.
 */
#ifndef UWSK_TRANSPORT_SIM_NET_H
#define UWSK_TRANSPORT_SIM_NET_H

#include "transport/transport.h"

/* ---- weather ------------------------------------------------------------------------------------------ */

struct net_weather { /* all times in virtual nanoseconds; drawn evenly from [min, max] */
    uint64_t latency_min_ns, latency_max_ns;
    uint64_t ack_delay_max_ns;       /* how long an acknowledgement may be held back */
    uint64_t fin_delay_max_ns;       /* the same for a FIN */
    size_t segment_min, segment_max; /* bytes; 1,1 = one-byte segments */
    unsigned coalesce_percent;       /* chance that a segment is held up, so that the next arrives with it */
    unsigned refuse_percent;         /* a connect is refused although somebody listens */
    unsigned black_hole_percent;     /* a connect gets no answer at all */
    unsigned reset_percent;          /* an established connection is reset at a random moment */
    unsigned half_open_percent;      /* the peer vanishes: nothing comes any more, nothing is acknowledged */
    unsigned loss_percent, duplicate_percent, reorder_percent; /* datagrams */
    size_t send_buffer, receive_buffer;                        /* bytes; 0 = 64 KiB */
};
extern const struct net_weather net_calm;  /* 10 to 100 us latency, whole segments, no fault */
extern const struct net_weather net_rough; /* everything above at small rates */

/* ---- the network -------------------------------------------------------------------------------------- */

/* Empties the network; at the beginning of each run, on its first fiber.  A second one in the same run needs
 * net_stop() before it, and that needs that the stack was detached and no fiber sleeps in a call below.  The runtime's own host has 127.0.0.1
 * and ::1, and 10.0.0.1 and fd00::1; loopback addresses reach only the same host. */
int net_start(const struct net_weather *weather, uint64_t seed);
void net_stop(void);
/* From here on; a connection keeps the buffers and the fate that it was born with. */
void net_weather_change(const struct net_weather *weather);

/* Adds a host with an address of its own ("10.0.0.7", "fd00::7"); its number, or -1.  Host 0 is the runtime's. */
int net_host_add(const char *address);
/* The address appears on or disappears from host 0. */
int net_address_change(const char *address, int present);
/* A name for transport_sim's resolver and for peers; the first one of an address is its name in return. */
int net_name_add(const char *name, const char *address);
/* Its addresses in the order in which they were added, upper and lower case alike; family 0 = either.  Answers how
 * many there are, of which `count` are written. */
int net_name_find(const char *name, int family, struct transport_address *out, int count);
/* The first name of this address, NULL = it has none. */
const char *net_name_of(const struct transport_address *address);
/* 1 when nothing is on its way: no segment, no held acknowledgement, no held FIN. */
int net_is_quiet(void);

/* "10.0.0.7", port -> address; 0 or -1. */
int net_address(const char *text, uint16_t port, struct transport_address *out);

/* ---- a peer's sockets: blocking calls, on fibers --------------------------------------------------------- */

struct net_socket;

enum net_result {
    NET_OK = 0,
    NET_TIMEOUT = -1,
    NET_REFUSED = -2,
    NET_RESET = -3,
    NET_IN_USE = -4,
    NET_NO_MEMORY = -5,
    NET_UNREACHABLE = -6,
    NET_TOO_LONG = -7
};

/* timeout_ns: HOST_FOREVER or virtual nanoseconds from now. */
struct net_socket *net_listen(int host, const struct transport_address *local,
                              int backlog); /* NULL: in use */
int net_accept(struct net_socket *listener, uint64_t timeout_ns, struct net_socket **out);
int net_connect(int host, const struct transport_address *remote, uint64_t timeout_ns,
                struct net_socket **out);
int net_connect_start(int host, const struct transport_address *remote, struct net_socket **out);
int net_connect_finish(struct net_socket *socket, uint64_t timeout_ns);
long net_send(struct net_socket *socket, const void *data, size_t bytes,
              uint64_t timeout_ns);                                            /* all, or < 0 */
long net_send_some(struct net_socket *socket, const void *data, size_t bytes); /* what fits now; 0 = full */
long net_receive(struct net_socket *socket, void *data, size_t bytes, uint64_t timeout_ns); /* 0 = FIN */
int net_readable(struct net_socket *socket, uint64_t timeout_ns); /* NET_OK: data, FIN, or reset is there */
int net_shutdown(struct net_socket *socket);                      /* our FIN */
int net_reset(struct net_socket *socket);                         /* RST; then close it */
void net_close(struct net_socket *socket); /* like close(2): FIN, or RST when unread data is left */
void net_address_of(struct net_socket *socket, int remote, struct transport_address *out);
void net_set_receive_buffer(struct net_socket *socket, size_t bytes);
void net_set_send_buffer(struct net_socket *socket, size_t bytes);
void net_set_nodelay(struct net_socket *socket, int on);
void net_drop_incoming(
    struct net_socket *socket); /* this end vanishes: takes nothing, acknowledges nothing */
/* Whether something could be bound and listened on there now. */
int net_port_is_free(int host, const struct transport_address *local);
/* An address on host 0's loopback where connects get no answer / are refused. */
int net_black_hole(int family, struct transport_address *out);
int net_closed_port(int family, struct transport_address *out);

/* ---- a peer's datagram sockets ---------------------------------------------------------------------------- */

/* Every host has the interfaces 1 (loopback) and 2 (the network that all are on).  A datagram to 10.255.255.255 or
 * 255.255.255.255 reaches every host, one to a multicast address those that have joined; both only sockets that are
 * bound to the wildcard address. */
struct net_datagram;
struct net_datagram *net_datagram_open(int host, const struct transport_address *local); /* NULL: in use */
/* NET_OK also when it will be lost: nobody tells. */
int net_datagram_send_to(struct net_datagram *socket, const void *data, size_t bytes,
                         const struct transport_address *to);
/* about->remote, and what about->known names: source, interface, hops, class, segment (cut in pieces so long). */
int net_datagram_send(struct net_datagram *socket, const void *data, size_t bytes,
                      const struct transport_datagram *about);
/* One datagram, cut to `bytes`: its whole size, or < 0. */
long net_datagram_receive_from(struct net_datagram *socket, void *data, size_t bytes,
                               struct transport_address *from, uint64_t timeout_ns);
/* The same with all that is known of it; about may be NULL. */
long net_datagram_receive(struct net_datagram *socket, void *data, size_t bytes,
                          struct transport_datagram *about, uint64_t timeout_ns);
/* Enters or leaves a multicast group; source NULL = whoever sends, interface 0 = the network. */
int net_datagram_group(struct net_datagram *socket, int join, const struct transport_address *group,
                       const struct transport_address *source, unsigned interface);
void net_datagram_set_receive_buffer(struct net_datagram *socket, size_t bytes); /* 0 = the weather's */
void net_datagram_address_of(struct net_datagram *socket, struct transport_address *out);
void net_datagram_close(struct net_datagram *socket);

/* Sockets of the runtime's stack that have not been closed: 0 when nothing is left. */
size_t net_open_count(void);

/* The runtime's stack on host 0: attach() needs a run that has called net_start(). */
extern const struct transport_ops transport_sim;

#endif
