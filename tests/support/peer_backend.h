/*
 * peer_backend.h - who answers peer.h, and the clock and threads of a test: Linux, or a simulated world.
 *
 * The harness and peer.c ask here first; a program that links the simulated world (sim_world.c) sets it for the modes
 * that run there.  What is not listed is made of these by peer.c.
 */
#ifndef UWSK_TEST_PEER_BACKEND_H
#define UWSK_TEST_PEER_BACKEND_H

#include "peer.h"

struct peer_backend {
    int (*listen)(int family, int *port);
    int (*accept_within)(int listener, int timeout_ms, int *error);
    int (*connect_start)(int family, int port);
    int (*connect_finish)(int peer, int timeout_ms); /* 0 or an errno */
    long (*send_some)(int peer, const void *data, unsigned long length, int *error);
    int (*send)(int peer, const void *data, unsigned long length, int timeout_ms); /* 0 or an errno */
    long (*receive)(int peer, void *data, unsigned long length, int timeout_ms, int *error);
    int (*datagram)(int family, int *port);
    void (*datagram_send)(int peer, int port, const void *data, unsigned long length);
    long (*datagram_receive)(int peer, void *data, unsigned long length, int *port, int timeout_ms);
    void (*shutdown)(int peer);
    void (*close)(int peer);
    void (*reset)(int peer);
    void (*set_rcvbuf)(int peer, int bytes);
    void (*set_sndbuf)(int peer, int bytes);
    void (*set_nodelay)(int peer);
    int (*port)(int peer, int remote);
    int (*black_hole_port)(int family);
    int (*closed_port)(int family);
    void (*drop_incoming)(int peer);
    int (*port_is_free)(int family, int port);
    int (*address_change)(int family, int present);
    int (*count_fds)(void);
    int (*thread_count)(void);
    struct test_thread *(*thread_start)(void (*main)(void *argument), void *argument);
    void (*thread_join)(struct test_thread *thread);
    struct test_barrier *(*barrier_create)(int count);
    void (*barrier_wait)(struct test_barrier *barrier);
    void (*barrier_free)(struct test_barrier *barrier);
    long long (*now_ms)(void);
    void (*sleep_ms)(int milliseconds);
};
extern const struct peer_backend *peer_backend; /* NULL: Linux */

/* Every test, its fixture's setup and teardown with it, is run by world(body), if there is one: it calls body() where
 * it likes, as often as runs() says, each time in a process of its own if that is not once. */
void uwsk_test_set_world(void (*world)(void (*body)(void)), long (*runs)(void));
/* The name of the test that runs; of how many rounds one is run: 1 in make check-full, 0 in make check. */
const char *uwsk_test_name(void);
int uwsk_test_full(void);

#endif
