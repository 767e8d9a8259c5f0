/*
 * net.h - what the tests of the transport edge share: an attached transport, its loops, operations that
 * count.
 *
 * Modes (TEST_MATRIX): "pumped" loops are driven by the test itself, so nothing happens unless it says so;
 * "threads" gives each loop a thread.  "natural" lets calls finish inline, "no-inline" sets
 * TRANSPORT_NO_INLINE on every op, "one-byte" turns on transport_config.one_byte.  "epoll", "uring" (sends wait in
 * the ring), "uring-all" (receives and accepts, too) and "uring-plain" (the same without the features that a kernel
 * may lack) choose the back end; where io_uring is refused the tests of it end at once, with a note, and uring_is_there
 * says why.
 */
#ifndef TEST_TRANSPORT_NET_H
#define TEST_TRANSPORT_NET_H

#include "transport/transport.h"
#include "host/host.h"
#include "uwsk_test.h"
#include "peer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <ntstatus.h>

/* Back ends that stand on Linux, and all of them: "sim" runs in the simulator, "windy" beside it in bad weather. */
#define NET_LINUX(way) "epoll/" way " uring/" way " +uring-all/" way " +uring-plain/" way
#define NET_EACH(way)  NET_LINUX(way) " sim/" way " sim/windy/" way
#define NET_PUMPED     NET_EACH("pumped/natural") " " NET_EACH("pumped/no-inline")
#define NET_THREADS    NET_EACH("threads/natural") " " NET_EACH("threads/no-inline")
#define NET_MODES      NET_PUMPED " " NET_EACH("pumped/one-byte") " " NET_THREADS

extern const struct transport_ops *net;
extern struct transport *transport;

void net_up(void);               /* fixture: attach, one loop pumped or two loops with threads */
void net_down(void);             /* fixture: stop, detach (which checks that nothing is left) */
void net_pump(int milliseconds); /* pumped: one wait and dispatch of every loop; threads: sleep 1 ms */
int net_is_pumped(void);
/* The kernel carries out sends that would block, or receives and accepts, too: such an op is not taken back but
 * ended. */
int net_carries_sends(void);
int net_carries_receives(void);
/* Linux' number for the state of the connection (TCP_CLOSE_WAIT ...), whoever has it. */
int net_state_of(struct transport_socket *socket);
/* Provided buffers that were not given back. */
long net_buffers_out(void);

/* Like EXPECT_SOON, but drives the loops. */
#define EXPECT_PUMPED(condition)                                                                             \
    do {                                                                                                     \
        long long until_ = test_now_ms() + 10000;                                                            \
        while (!(condition)) {                                                                               \
            if (test_now_ms() > until_)                                                                      \
                uwsk_test_fail(__FILE__, __LINE__, "not true within 10 s: %s", #condition);                  \
            net_pump(2);                                                                                     \
        }                                                                                                    \
    } while (0)

/* An operation over `memory`, handed out in segments of `piece` bytes. */
struct io {
    union {
        struct transport_op op;
        struct transport_connection_op connection; /* accept, connect */
    };
    char *memory;
    size_t piece;
    _Atomic int completions; /* calls of complete() */
    _Atomic int over;        /* inline or through complete() */
    int32_t status;
    size_t bytes;
    void (*then)(struct io *io); /* called at the end of complete() */
    void *context;
};

void io_init(struct io *io, int kind, void *memory, size_t length);
/* Starts it (the kind decides the function) and returns what the call returned. */
int32_t io_start(struct transport_socket *socket, struct io *io);
/* Drives the loops until it is over and returns its status. */
int32_t io_wait(struct io *io);
int32_t io_run(struct transport_socket *socket, struct io *io);
/* Nothing for so long: still inside. */
void io_expect_pending(struct io *io, int milliseconds);
/* Takes it back, or has it end as cancelled; the test fails when that is too late. */
void io_cancel(struct transport_socket *socket, struct io *io);

struct transport_address net_loopback(int family, int port); /* loopback; family PEER_INET, PEER_INET6 */
int net_port(const struct transport_address *address);
struct transport_socket *net_open(int family);
/* Listens on loopback; *port 0 = any. */
struct transport_socket *net_listener(int family, int *port);
/* Connected to a plain peer. */
struct transport_socket *net_connected(int family, int *peer);
/* The same with a peer that has room for a few thousand bytes: for net_fill(). */
struct transport_socket *net_connected_narrow(int *peer);
/* Accepted from a plain peer. */
struct transport_socket *net_accepted(int family, int *peer);
void net_receive_all(struct transport_socket *socket, void *memory, size_t length);
/* Sends into a narrow peer that does not read until the window is closed; `io` is the send that is inside
 * then. */
void net_fill(struct transport_socket *socket, struct io *io, void *memory, size_t length);
/* Linux' tail loss probe sends what Nagle holds back, a few ticks after the last segment went out (200 ms, when that is
 * the only one): how many there were in this network.  What was seen counts only when none came meanwhile. */
long net_loss_probes(void);
/* The peer reads to the FIN, and the loops run beside it; how many bytes.  (The completion of the send that the
 * FIN waited for may come later than the FIN.) */
size_t net_drain_to_fin(int peer);

#endif
