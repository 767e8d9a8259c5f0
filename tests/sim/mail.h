/*
 * mail.h - what the tests of the stack's datagrams share: operations, sockets and peers of the simulated network.  The
 * test's fiber is the loop, too.
 */
#ifndef TEST_SIM_MAIL_H
#define TEST_SIM_MAIL_H

#include "net_test.h"

static const struct transport_ops *const stack = &transport_sim;
extern struct transport *mail_transport;

enum { MAIL_MOST = 64, LONGEST = 65507 };

/* One operation: of a send `count` datagrams of lengths[], all from `data` one behind the other. */
struct mail {
    struct transport_datagram_op op;
    int over; /* 1 = inline, 2 = by complete() */
    unsigned char *data;
    size_t lengths[MAIL_MOST];
    size_t room; /* receive: segments end here */
    /* what a batch has brought, looked at in complete() */
    void (*look)(struct mail *mail);
    size_t taken;
};

/* Until it is over, or for so long: 1 when it is. */
int mail_until(struct mail *mail, uint64_t timeout_ns);
int32_t mail_start(struct transport_socket *socket, struct mail *mail, int kind, unsigned flags);
int32_t mail_finish(struct mail *mail);
int32_t mail_send(struct transport_socket *socket, struct mail *mail);
struct mail mail_one(const void *data, size_t bytes, struct transport_address to);
int32_t mail_send_one(struct transport_socket *socket, const void *data, size_t bytes,
                      struct transport_address to);
/* One datagram into `room` bytes: how many, or -1 when none comes. */
long mail_receive_one(struct transport_socket *socket, void *data, size_t room,
                      struct transport_datagram *about, uint64_t timeout_ns);
struct transport_socket *mail_socket(int family);
/* Bound, and where it is. */
struct transport_socket *mail_socket_at(const char *text, int port, struct transport_address *at);
struct net_datagram *mail_peer_at(int host, const char *text, int port, struct transport_address *at);
int mail_port_of(const struct transport_address *at);
int mail_same_address(const struct transport_address *a, const struct transport_address *b);
int mail_same_ip(const struct transport_address *a, const char *text);
struct sim_result mail_run(const struct net_weather *weather, uint64_t seed, void (*body)(void));
unsigned mail_run_seeds(const struct net_weather *weather, void (*body)(void));

/* Longer than the longest datagram. */
extern unsigned char mail_big[LONGEST + 200];

#endif
