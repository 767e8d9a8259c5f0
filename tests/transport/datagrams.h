/*
 * datagrams.h - what the tests of datagram sockets share: operations that count, sockets, addresses.
 */
#ifndef TEST_TRANSPORT_DATAGRAMS_H
#define TEST_TRANSPORT_DATAGRAMS_H

#include "net.h"

enum { UDP = 17 };

struct datagram { /* one to send, or one that came */
    size_t length;
    char *memory;
    struct transport_datagram about;
};

struct dio {
    struct transport_datagram_op op;
    char *memory;
    size_t piece;
    const struct datagram *list; /* to send */
    struct datagram *came;       /* copies of a batch */
    _Atomic int completions, over;
    int32_t status;
    void (*then)(struct dio *io);
    void *context;
};

/* To send a list to one address; to receive one; to receive a batch, of which copies (malloc) are made. */
void dio_to(struct dio *io, const struct datagram *list, size_t count, struct transport_address remote);
void dio_into(struct dio *io, void *memory, size_t length);
void dio_batch(struct dio *io, struct datagram *came, size_t count);
/* What the call returned; drives the loops until it is over and returns its status; both with one datagram. */
int32_t dio_start(struct transport_socket *socket, struct dio *io);
int32_t dio_finish(struct dio *io);
int32_t dio_send_one(struct transport_socket *socket, struct transport_address remote, const void *data,
                     size_t length);
/* Succeeds, or the test fails. */
void dio_receive_one(struct transport_socket *socket, struct dio *io, void *memory, size_t length);

struct transport_socket *net_open_udp(int family);
/* Bound to loopback; where it is. */
struct transport_socket *net_udp(int family, struct transport_address *where);
struct transport_address net_any(int family, int port); /* the wildcard */
struct transport_address net_local(struct transport_socket *socket);
void net_set(struct transport_socket *socket, int option, uint64_t value);
char *net_pattern(size_t length, unsigned seed); /* malloc */
void expect_address(const struct transport_address *a, const struct transport_address *b);

#endif
