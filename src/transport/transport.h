/*
 * transport.h - the edge below wsk: what a network can do, whoever does it.
 *
 * Three back ends stand behind this one table: epoll (works everywhere), io_uring and a simulated network.
 * No descriptor, errno, completion-queue entry or Linux sockaddr crosses it: addresses have the Windows
 * layout, results are NTSTATUS.
 *
 * Contract
 *  - Operations.  The caller owns a struct transport_op and hands it in.  A starting function answers
 *      STATUS_SUCCESS   finished inline: the results stand in the op, complete() is never called;
 *      STATUS_PENDING   complete(op, ...) is called exactly once, later, from dispatch() of the socket's
 * loop; anything else    failed inline, complete() is never called. complete() may run before the starting
 * function has returned STATUS_PENDING to its caller.
 *  - complete() is called with no lock of the transport held and may call any function of this table.  No
 *    function other than dispatch() ever calls complete(): so callers may hold their own locks around every
 * call.
 *  - At most one receive, one send, one connect, one accept and one watch of each kind per socket are inside.
 *  - cancel(socket, op) answers 1 when it took the operation back (complete() is not and will not be called)
 * and 0 when complete() has been called, is being called or will be called soon, with whatever result won:
 * STATUS_CANCELLED when the cancel did.  Then op->bytes still says what a send had handed over, and a receive
 * has taken nothing (one that has taken bytes succeeds).  Cancelling an op that is not inside is allowed and
 * answers 0.
 *  - A partial transfer is never lost: receive that ends early reports its bytes in op->bytes.
 *  - close() needs that no operation is inside any more.  It gives address and descriptor back before it
 * returns; the socket must not be used afterwards.
 *  - op->segments() is called under the transport's locks: it must not call into the transport.  It is called
 * only while the op is inside.
 *  - When a connection dies, every op inside ends with the reason (reset, timed out, aborted by abort(),
 * ...), and so does every later one; only a receive first gives what came before a reset, and WATCH_PEER_FIN
 * succeeds when the FIN came first.  A send then has in op->bytes what was handed over.
 *  - A datagram socket knows open, bind, send_to, receive_from, group, cancel, close, address, options and
 *    READABLE.  bind() needs a port of its own
 *    (TCP's and UDP's are apart) unless OPTION_SHARE is on.  A send_to of an unbound one is
 *    refused (STATUS_INVALID_DEVICE_STATE).
 *  - A connect that failed or was taken back may be tried again on the same socket: the peer hears of it no more.
 *  - A loop belongs to one thread, the first that calls wait() for it.
 *  - resolve() answers STATUS_PENDING or why not, never STATUS_SUCCESS; complete() comes from dispatch() of the
 * request's loop, and its results are valid until it returns.  resolve_cancel() answers as cancel() does: 1 also
 * while the system's resolver still works, whose result is then thrown away.
 *  - All functions may be called from any thread, at any IRQL up to DISPATCH_LEVEL, and never block, but for
 *    wait().
 */
#ifndef UWSK_TRANSPORT_H
#define UWSK_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_VERSION 5

struct transport;        /* one attached back end */
struct transport_socket; /* one of its sockets */
struct transport_op;

/* A SOCKADDR in Windows layout: family 2 (IPv4, 16 bytes) or 23 (IPv6, 28 bytes), port in network order. */
struct transport_address {
    uint16_t length; /* 16 or 28; 0 = none */
    union {
        uint16_t family;
        uint8_t bytes[28];
        uint64_t align;
    };
};

enum { TRANSPORT_AF_INET = 2, TRANSPORT_AF_INET6 = 23 };
enum { TRANSPORT_STREAM = 1, TRANSPORT_DATAGRAM = 2, TRANSPORT_RAW = 3 };

struct transport_local {              /* an address of this host */
    struct transport_address address; /* port 0 */
    uint32_t interface;               /* index of the interface that has it */
};

struct transport_segment { /* same layout as struct iovec */
    void *base;
    size_t length;
};

enum transport_op_kind {
    TRANSPORT_RECEIVE = 1,
    TRANSPORT_SEND,
    TRANSPORT_ACCEPT,
    TRANSPORT_CONNECT,
    TRANSPORT_WATCH_PEER_FIN,  /* the kernel has the peer's FIN, read or not (never reads ahead) */
    TRANSPORT_WATCH_RESET,     /* the connection is dead: status tells why (reset, aborted, timed out, ...) */
    TRANSPORT_WATCH_SENT,      /* nothing that the network stack has accepted is unsent any more */
    TRANSPORT_WATCH_ACKED,     /* nothing that it has accepted is unacknowledged any more */
    TRANSPORT_WATCH_FIN_ACKED, /* our own FIN has been acknowledged (after shutdown() only) */
    TRANSPORT_WATCH_READABLE,  /* data or the peer's FIN waits: for a receive of no bytes */
    TRANSPORT_SEND_TO,         /* struct transport_datagram_op */
    TRANSPORT_RECEIVE_FROM     /* struct transport_datagram_op */
};

enum transport_op_flags {
    /* receive: the transport supplies the buffer (op->provided, op->bytes in it); give it back with recycle()
     */
    TRANSPORT_PROVIDE = 1,
    /* send: push everything out at once (Nagle off for this and what precedes it) */
    TRANSPORT_NODELAY = 2,
    /* never finish inline, never answer an error inline for data reasons: always through complete() */
    TRANSPORT_NO_INLINE = 4,
    /* send: op->unsent is wanted when it succeeds */
    TRANSPORT_TELL_UNSENT = 8
};

struct transport_op {
    /* the owner fills these before it starts the op and leaves them alone until it is over */
    void (*complete)(struct transport_op *op, int32_t status, size_t bytes);
    int kind;
    unsigned flags;
    size_t length; /* send: all of it goes before the op is over.  receive: at most this much */
    /* send, receive without PROVIDE: up to `count` segments of the owner's memory from byte `offset` on;
     * returns how many were written.  Called by the transport whenever it continues: nothing is allocated for
     * long chains. */
    size_t (*segments)(struct transport_op *op, size_t offset, struct transport_segment *out, size_t count);

    /* results */
    int32_t status;
    struct { /* the transport's own while the op is inside */
        int32_t status;
        uint8_t would_block, drained;
    } state;
    int32_t
        unsent; /* TELL_UNSENT: bytes that have not left right after it, 0 also when nothing but the sender's own pace
                 * can hold them; the owner sets -1 = nobody has asked */
    size_t bytes;   /* receive 0 with success = end of stream (the peer's FIN) */
    void *provided; /* PROVIDE: the buffer */
};                  /* one cache line: a connection has seven */

struct transport_connection_op { /* accept and connect */
    struct transport_op op;
    struct transport_socket *accepted; /* accept: connected, owned by the caller now */
    struct transport_address address;  /* connect: the peer.  accept: filled with the peer's address */
    struct transport_address local;    /* accept: the local address reached */
};

/* ---- datagrams ---------------------------------------------------------------------------------------- */

enum transport_datagram_known { /* which members say something */
                                TRANSPORT_KNOWS_LOCAL = 1,
                                TRANSPORT_KNOWS_INTERFACE = 2,
                                TRANSPORT_KNOWS_HOPS = 4,
                                TRANSPORT_KNOWS_CLASS = 8,
                                TRANSPORT_KNOWS_SEGMENT = 16,
                                TRANSPORT_KNOWS_ERROR = 32
};

enum transport_datagram_flags {
    TRANSPORT_TRUNCATED = 1, /* received: there were more bytes than room */
    TRANSPORT_BROADCAST = 2, /* received: for a broadcast address */
    TRANSPORT_MULTICAST = 4  /* received: for a multicast address */
};

struct transport_datagram {          /* all of a datagram but its bytes */
    struct transport_address remote; /* sent: to; length 0 = invalid.  received: from */
    unsigned known; /* sent: what is wanted.  received: LOCAL and INTERFACE always, the others where
                                      * an option asks for them */
    unsigned flags;
    struct transport_address
        local;              /* received: the destination in its header.  sent: the source (port ignored) */
    uint32_t interface;     /* index */
    uint32_t hops;          /* TTL or hop limit */
    uint32_t traffic_class; /* TOS or traffic class, the two bits of ECN included */
    /* received: this is several datagrams of one sender in a row, each so long but the last
     * (OPTION_RECEIVE_COALESCED).  sent: to be cut so. */
    uint32_t segment;
    /* received: no datagram, but an ICMP message about one that was sent to `remote`; there are no bytes
     * (OPTION_RECEIVE_ERRORS). */
    struct {
        uint8_t v6; /* ICMPv6 */
        uint8_t type, code;
        uint32_t mtu; /* of a datagram that was too long; else 0 */
    } error;
};

struct transport_received { /* one of a batch */
    void *data;
    size_t bytes;
    struct transport_datagram about;
};

/* SEND_TO hands over `count` datagrams in order, each whole or not at all; an error ends it at that one.
 * RECEIVE_FROM takes one into the owner's segments (`op.segments`, `op.length`; what does not fit is cut off) and
 * fills `about`; it succeeds with any number of bytes, 0 too.  With TRANSPORT_PROVIDE it takes up to `count` and
 * never ends inline: `received` is the transport's memory, valid until complete() returns. */
struct transport_datagram_op {
    struct transport_op op; /* `bytes` is their sum */
    void *owner;            /* the owner's own */
    size_t count;
    struct transport_datagram about;     /* send: of each of them, the owner's */
    struct transport_received *received; /* receive with PROVIDE */
    size_t done;                         /* so many were sent or received */
    union {                              /* as op.state */
        void *batch;                     /* receive */
        uint64_t offset;                 /* send: the datagram that is being cut has gone so far */
    } inside;
    /* Send, called like op.segments(), for an index that never goes back behind `done`: how long a datagram is, and
     * up to `count` segments of it from byte `offset` on. */
    size_t (*length)(struct transport_datagram_op *op, size_t index);
    size_t (*parts)(struct transport_datagram_op *op, size_t index, size_t offset,
                    struct transport_segment *out, size_t count);
};

/* ---- names and addresses: what the system's resolver knows ------------------------------------------------ */

enum transport_resolve_kind {
    TRANSPORT_RESOLVE_ADDRESSES = 1, /* of a host's name, and the port of a service's name */
    TRANSPORT_RESOLVE_NAMES          /* of an address and a port */
};

enum transport_resolve_flags {
    TRANSPORT_RESOLVE_CANONICAL = 1,  /* addresses: host_name, too */
    TRANSPORT_RESOLVE_CONFIGURED = 2, /* addresses: of families only of which this host has an address */
    TRANSPORT_RESOLVE_AS_IS = 4,      /* addresses: no IDN encoding */
    TRANSPORT_RESOLVE_HOST = 8,       /* names: host_name is wanted */
    TRANSPORT_RESOLVE_SERVICE = 16,   /* names: service_name is wanted */
    TRANSPORT_RESOLVE_DATAGRAM = 32,  /* names: the service is UDP's */
    TRANSPORT_RESOLVE_SHORT = 64      /* names: a host of this domain without the domain */
};

struct transport_resolve { /* text is UTF-8 */
    /* the owner fills these; host and service are copied by resolve() */
    void (*complete)(struct transport_resolve *request, int32_t status);
    int kind;
    unsigned flags;
    unsigned loop;
    int family;                       /* addresses: TRANSPORT_AF_* or 0 */
    const char *host;                 /* addresses: "" = this host, NULL = not asked for */
    const char *service;              /* addresses: NULL = not asked for */
    struct transport_address address; /* names */

    /* results, the transport's memory.  STATUS_NO_MATCH: the host has no address. */
    const struct transport_address *addresses; /* port 0, in the resolver's order, each once */
    size_t count;
    int port_stream, port_datagram; /* of the service, host order; -1 = it has none */
    const char *host_name;          /* NULL = it has none */
    const char *service_name;
};

enum transport_option {
    TRANSPORT_OPTION_KEEPALIVE = 1,
    TRANSPORT_OPTION_RECEIVE_BUFFER,
    TRANSPORT_OPTION_SEND_BUFFER,
    TRANSPORT_OPTION_NODELAY,
    TRANSPORT_OPTION_V6ONLY,
    TRANSPORT_OPTION_KEEPIDLE, /* seconds */
    TRANSPORT_OPTION_KEEPINTVL,
    TRANSPORT_OPTION_KEEPCNT,
    TRANSPORT_OPTION_USER_TIMEOUT, /* milliseconds */
    TRANSPORT_OPTION_TTL,
    TRANSPORT_OPTION_HOPLIMIT,
    TRANSPORT_OPTION_TOS,
    TRANSPORT_OPTION_TCLASS,
    TRANSPORT_OPTION_DONTFRAGMENT,
    TRANSPORT_OPTION_INTERFACE, /* interface index for unicast */
    TRANSPORT_OPTION_ERROR,     /* get: pending error as NTSTATUS */
    TRANSPORT_OPTION_BROADCAST, /* datagrams to broadcast addresses may be sent */
    TRANSPORT_OPTION_MULTICAST_HOPS,
    TRANSPORT_OPTION_MULTICAST_LOOP,
    TRANSPORT_OPTION_MULTICAST_INTERFACE, /* index */
    TRANSPORT_OPTION_RECEIVE_HOPS,        /* received datagrams tell: KNOWS_HOPS */
    TRANSPORT_OPTION_RECEIVE_CLASS,       /* KNOWS_CLASS */
    TRANSPORT_OPTION_RECEIVE_ERRORS,      /* ICMP messages are received, too: KNOWS_ERROR */
    TRANSPORT_OPTION_RECEIVE_COALESCED,   /* KNOWS_SEGMENT: at most so many bytes; 0 = each datagram alone */
    TRANSPORT_OPTION_SEND_SEGMENT,        /* each datagram is cut in pieces of so many bytes; 0 = not */
    TRANSPORT_OPTION_NO_CHECKSUM,         /* sent datagrams have none */
    TRANSPORT_OPTION_MTU_DISCOVER,        /* of a path: Windows' PMTUD_STATE, which DONTFRAGMENT sets, too */
    TRANSPORT_OPTION_MTU,                 /* get, connected: of the path */
    TRANSPORT_OPTION_MAX_SEGMENT,         /* the same: TCP's */
    /* Before the bind: it may take an address that others of this transport have, and that other programs have
     * where the system lets them share.  Whether it should is the owner's to say. */
    TRANSPORT_OPTION_SHARE,
    TRANSPORT_OPTION_MAX
};

enum transport_query {
    TRANSPORT_UNSENT =
        1, /* bytes accepted (op->bytes of sends) that have not been sent once; an unsent FIN is one */
    TRANSPORT_UNACKED,      /* bytes accepted that have not been acknowledged; an unacknowledged FIN is one */
    TRANSPORT_READABLE,     /* bytes that wait to be received; of a datagram socket: in the first datagram */
    TRANSPORT_IDEAL_BACKLOG /* of a connection: so many bytes inside keep it busy; an estimate, never 0 */
};

enum { TRANSPORT_AHEAD = 4 };

struct transport_config {
    unsigned loops; /* one loop per processor; dispatch(loop) runs on that processor's thread only */
    int one_byte;   /* tests: every receive yields at most one byte, every send goes in one-byte pieces */
    /* What the end of a receive will touch, to be fetched into the cache some steps of dispatch() before: with many
     * connections each line of it is a miss.  None of it is ever read for that, so it may be gone by then. */
    struct {
        struct {
            ptrdiff_t from; /* relative to the op */
            size_t bytes;
        } around[2];
        size_t bytes[TRANSPORT_AHEAD]; /* of what the pointers of ahead() point to */
    } ahead;
    /* NULL, or called from dispatch(), like complete(), after this host has got or lost an address of the family
     * (TRANSPORT_AF_*); not before watch_addresses(). */
    void (*addresses_changed)(int family);
};

struct transport_ops {
    uint32_t version; /* TRANSPORT_VERSION */
    const char *name;

    int32_t (*attach)(const struct transport_config *config, struct transport **out);
    /* Needs that every socket was closed and that no loop runs. */
    void (*detach)(struct transport *transport);
    /* Blocks until there is something to dispatch, until wake(loop), or until host_now() >= deadline_ns. */
    void (*wait)(struct transport *transport, unsigned loop, uint64_t deadline_ns);
    /* Calls complete() for what is ready, a bounded amount per call.  Returns 1 when more is ready at once.
     */
    int (*dispatch)(struct transport *transport, unsigned loop);
    /* Ends the current or next wait(loop).  Any thread, cheap when already awake. */
    void (*wake)(struct transport *transport, unsigned loop);

    int32_t (*open)(struct transport *transport, unsigned loop, int family, int type, int protocol,
                    struct transport_socket **out);
    int32_t (*bind)(struct transport_socket *socket, const struct transport_address *local);
    int32_t (*listen)(struct transport_socket *socket, int backlog);

    int32_t (*accept)(struct transport_socket *socket, struct transport_connection_op *op);
    int32_t (*connect)(struct transport_socket *socket, struct transport_connection_op *op);
    int32_t (*send)(struct transport_socket *socket, struct transport_op *op);
    int32_t (*receive)(struct transport_socket *socket, struct transport_op *op);
    int32_t (*watch)(struct transport_socket *socket, struct transport_op *op);
    int32_t (*send_to)(struct transport_socket *socket, struct transport_datagram_op *op);
    int32_t (*receive_from)(struct transport_socket *socket, struct transport_datagram_op *op);
    /* Enters (join) or leaves a multicast group; interface index 0 = the system's choice. */
    int32_t (*group)(struct transport_socket *socket, int join, const struct transport_address *group,
                     const struct transport_address *source, unsigned interface);
    int (*cancel)(struct transport_socket *socket, struct transport_op *op);
    void (*recycle)(struct transport *transport, void *provided);
    size_t (*provided_size)(struct transport *transport); /* no provided buffer holds more */

    int32_t (*shutdown)(
        struct transport_socket *socket); /* our FIN, after what was handed over: a send inside, too */
    /* Reset now: unsent data is dropped, the peer sees RST; descriptor and ops stay, receives fail.  Only what op->unsent
     * = 0 was answered for still leaves, and the reset follows it. */
    int32_t (*abort)(struct transport_socket *socket);
    /* From here on a connection sends nothing, neither by abort() nor by close(), and what the peer sends is dropped; what
     * is inside stays there until cancel() or abort().  STATUS_DEVICE_BUSY: not before WATCH_ACKED; STATUS_ACCESS_DENIED:
     * this process may not. */
    int32_t (*silence)(struct transport_socket *socket);
    void (*close)(
        struct transport_socket *socket); /* whatever state it is in; connected = FIN, so abort first */

    int32_t (*address)(struct transport_socket *socket, int remote, struct transport_address *out);
    int32_t (*set_option)(struct transport_socket *socket, int option, uint64_t value);
    int32_t (*get_option)(struct transport_socket *socket, int option, uint64_t *value);
    int64_t (*query)(struct transport_socket *socket, int what); /* bytes, or -1 when unknown */
    unsigned (*loop_of)(struct transport_socket *socket);
    /* TRANSPORT_AHEAD pointers of the socket, NULL at first, that the owner sets as he likes until close(), with
     * relaxed stores: see transport_config.ahead. */
    const void **(*ahead)(struct transport_socket *socket);

    /* Addresses of this host, the loopback's, too: answers how many there are, of which `count` are written. */
    size_t (*addresses)(struct transport *transport, int family, struct transport_local *out, size_t count);
    /* From here on config.addresses_changed is called.  More than one call is harmless. */
    int32_t (*watch_addresses)(struct transport *transport);

    int32_t (*resolve)(struct transport *transport, struct transport_resolve *request);
    int (*resolve_cancel)(struct transport *transport, struct transport_resolve *request);
};

extern const struct transport_ops transport_epoll;
/* attach() answers STATUS_NOT_SUPPORTED where io_uring cannot work.  The kernel carries out sends that would block,
 * with `all` receives and accepts, too. */
extern const struct transport_ops transport_uring;
extern const struct transport_ops transport_uring_all;

#endif
