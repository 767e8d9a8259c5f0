/*
 * peer.h - the other end: plain Linux sockets, seen through plain C types, so that kernel-world tests can use
 * them.
 *
 * A peer is a file descriptor.  A function that cannot do what it promises ends the test with the reason,
 * unless its comment gives it another answer.  Everything is on loopback.
 */
#ifndef UWSK_TEST_PEER_H
#define UWSK_TEST_PEER_H

#ifdef __cplusplus
extern "C" {
#endif

/* The families of the test's world (peer.c translates): the Windows numbers, since drivers have AF_INET6
 * = 23. */
enum { PEER_INET = 2, PEER_INET6 = 23 };

/* ---- connections -------------------------------------------------------------------------------------- */

/* A listener on loopback; *port (host order): 0 on entry = any, the port on return. */
int peer_listen(int family, int *port);
/* The next connection, within 10 s. */
int peer_accept(int listener);
/* The next connection within timeout_ms, -1 when there is none. */
int peer_accept_within(int listener, int timeout_ms);
/* Connects within timeout_ms; -1 when refused, reset or timed out (see peer_last_error). */
int peer_connect(int family, int port, int timeout_ms);
/* Starts to connect and does not wait; peer_connect_finish waits: 0 connected, else the errno. */
int peer_connect_start(int family, int port);
int peer_connect_finish(int peer, int timeout_ms);
/* The errno of the last peer_ function that answered -1. */
int peer_last_error(void);

/* Sends everything within 10 s. */
void peer_send(int peer, const void *data, unsigned long length);
/* Sends what goes without waiting: bytes taken, 0 = window closed, -1 = connection gone. */
long peer_send_some(int peer, const void *data, unsigned long length);
/* One receive within timeout_ms: bytes, 0 = FIN, -1 = reset or another error, -2 = nothing came. */
long peer_receive(int peer, void *data, unsigned long length, int timeout_ms);
/* Exactly length bytes within 10 s. */
void peer_receive_all(int peer, void *data, unsigned long length);

void peer_shutdown(int peer); /* no more from us: FIN */
void peer_close(int peer);    /* close() */
void peer_reset(int peer);    /* SO_LINGER {1,0} and close(): RST */
void peer_set_rcvbuf(int peer, int bytes);
void peer_set_sndbuf(int peer, int bytes);
void peer_set_nodelay(int peer);
int peer_local_port(int peer);
int peer_remote_port(int peer);

/* ---- datagrams ---------------------------------------------------------------------------------------- */

/* A UDP socket on loopback; *port as for peer_listen.  peer_close closes it. */
int peer_datagram(int family, int *port);
/* One datagram to this port of loopback. */
void peer_datagram_send(int peer, int port, const void *data, unsigned long length);
/* The next within timeout_ms: its bytes (no more than length are stored), -2 = none.  *port (or NULL): whose. */
long peer_datagram_receive(int peer, void *data, unsigned long length, int *port, int timeout_ms);

/* ---- what the wire said ------------------------------------------------------------------------------- */

/* Within 10 s a FIN (with no byte before it), a reset; for `ms` neither byte nor FIN nor reset. */
void peer_expect_fin(int peer);
void peer_expect_reset(int peer);
void peer_expect_silence(int peer, int ms);
/* Like peer_expect_fin and peer_expect_reset, but bytes before it are thrown away; answers their number. */
unsigned long peer_drain_to_fin(int peer);
unsigned long peer_drain_to_reset(int peer);

/* ---- ports where nothing answers ---------------------------------------------------------------------- */

/* A port that drops every SYN: a connect to it stays in SYN_SENT.  Stays so until the process ends. */
int peer_black_hole_port(int family);
/* A port that nothing listens on: a connect is refused. */
int peer_closed_port(int family);
/* From now on this peer's kernel drops every segment that it gets: no ACK leaves it any more. */
void peer_drop_incoming(int peer);
/* 1 when a socket can be bound to this port now and listened on (without SO_REUSEADDR), 0 when in use. */
int peer_port_is_free(int family, int port);

/* A network of its own for this process, which has one thread; not in the simulator, which is one. */
void peer_own_network(void);
/* An address (127.0.0.77, fd00::77; in the simulator 10.0.0.77) appears on or disappears from this host.  0 where there
 * is no such network. */
int peer_address_change(int family, int present);
/* The only interface of this network goes down or up, and keeps its addresses of IPv4.  0 where there is no such network
 * (in the simulator, whose interface stays up). */
int peer_interface(int up);

/* ---- the process -------------------------------------------------------------------------------------- */

int peer_count_fds(void);
int peer_thread_count(void);

/* ---- threads that know nothing of the runtime --------------------------------------------------------- */

struct test_thread;
struct test_thread *test_thread_start(void (*main)(void *argument), void *argument);
/* Waits for its end, 20 s at most, and frees it. */
void test_thread_join(struct test_thread *thread);

/* A meeting point for `count` threads, each calls test_barrier_wait. */
struct test_barrier;
struct test_barrier *test_barrier_create(int count);
void test_barrier_wait(struct test_barrier *barrier);
void test_barrier_free(struct test_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
