/*
 * socket.h - the socket: what it can be, what it keeps, how it comes and goes (socket.c). How it is closed: gate.h.
 */
#ifndef UWSK_WSK_SOCKET_H
#define UWSK_WSK_SOCKET_H

#include "wsk/address.h"
#include "wsk/client.h"

enum wsk_category { WSK_BASIC, WSK_LISTEN, WSK_CONNECTION, WSK_DATAGRAM, WSK_STREAM };

/* A stream socket behaves as WSK_STREAM until it takes a role, then as WSK_LISTEN or WSK_CONNECTION; what it was
 * created as stands beside that (struct wsk_socket).
 *
 * One enum for all categories; which events are legal in which state: wsk_transition() in socket.c. */
enum wsk_state {
    WSK_STATE_OPEN = 1, /* created, unbound */
    WSK_STATE_BOUND,
    WSK_STATE_LISTENING,
    WSK_STATE_CONNECTING,
    WSK_STATE_CONNECTED,
    WSK_STATE_DEAD, /* the transport gave up on it: reset, aborted */
    WSK_STATE_CLOSED
};

enum wsk_event {
    WSK_EV_BIND = 1, /* WskBind on the way */
    WSK_EV_LISTEN,   /* bind of a listening socket, WskListen of a stream socket */
    WSK_EV_CONNECT,
    WSK_EV_CONNECT_OK,
    WSK_EV_CONNECT_FAILED,
    WSK_EV_ACCEPTED, /* born connected */
    WSK_EV_DIED,
    WSK_EV_CLOSED
};

enum wsk_lane_id { WSK_LANE_RECEIVE, WSK_LANE_SEND, WSK_LANES };

/* Completions of one direction are delivered one after the other, in order (D-06); callbacks ride on the
 * receive lane, so they are serial, too (D-12). Guarded by socket->lock. */
struct wsk_lane {
    LIST_ENTRY ready; /* IRPs in stage DONE */
    void *owner;      /* who delivers now: wsk_here() */
    UCHAR id;
    UCHAR scheduled; /* dpc or work is on its way */
    UCHAR carried;   /* its carrier has been made */
    UCHAR toggle;    /* deliver=mixed: where the next one runs */
};

/* What takes a lane elsewhere, one for each: not needed when the loop itself delivers. */
struct wsk_carrier {
    KDPC dpc;
    struct ex_work work;
};

/* Disconnection latches; orthogonal to the state. */
#define WSK_LATCH_LOCAL_PENDING 0x01 /* graceful WskDisconnect accepted: no more sends */
#define WSK_LATCH_LOCAL_DONE    0x04 /* our FIN is acknowledged: the local half is finished */
#define WSK_LATCH_PEER_FIN      0x08 /* the kernel has the peer's FIN: the remote half is finished */
#define WSK_LATCH_EOF           0x10 /* every byte before the FIN was taken out of the transport */
#define WSK_LATCH_RESET         0x20 /* dead; socket->death says why */
#define WSK_LATCH_ABORTED       0x40 /* by us: WskDisconnect(ABORTIVE) or close */
#define WSK_LATCH_TOLD_FIN      0x80 /* graceful WskDisconnectEvent was delivered */
#define WSK_LATCH_TOLD_DEATH    0x100
#define WSK_LATCH_SUSPENDED     0x200   /* receive event: not before a WskReceive has completed (H-05) */
#define WSK_LATCH_HANDING_OVER  0x400   /* accepted, but WskAcceptEvent has not returned yet (D-15) */
#define WSK_LATCH_STARVED       0x1000  /* nothing left for the next accept or event receive (starved.c) */
#define WSK_LATCH_ONCE_MORE     0x2000  /* starved just now: one more try, against a lost wake-up */
#define WSK_LATCH_TOLD_INSPECT  0x4000  /* listener: WskInspectEvent knows that it is dead */
#define WSK_LATCH_SILENT        0x8000  /* SIO_WSK_SET_TCP_SILENT_MODE: only a close may follow */
#define WSK_LATCH_TOLD_END      0x10000 /* UwskConnectionEndedEvent was delivered */

struct wsk_indication;
struct wsk_datagram;
struct wsk_inspect;
struct wsk_statistics;
struct wsk_turn;

struct wsk_descriptor;

#define WSK_CACHE_LINE 64

/* What each echo touches stands in six cache lines: with many connections every line of it is a miss.  Two are in
 * front, two begin each direction: its own and its transport_op. */
struct wsk_socket {
    WSK_SOCKET public; /* first: the driver's PWSK_SOCKET points here */
    volatile ULONG64 gate;
    KSPIN_LOCK lock;
    struct transport_socket *transport;
    const VOID *client_dispatch;
    PVOID context;
    volatile LONG references; /* memory only: never delays a close */
    ULONG latches;
    ULONG magic;
    UCHAR category; /* what it behaves as */
    UCHAR state;
    UCHAR backlog_due; /* WskSendBacklogEvent has something to tell (backlog.c) */
    UCHAR wanted;      /* one bit a lane: something is ready or due, seen to by whoever unlocks the socket */

    struct wsk_lane lanes[WSK_LANES];

    struct DECLSPEC_CACHEALIGN { /* sending and disconnecting (send.c, disconnect.c) */
        PIRP current;            /* the IRP whose bytes the transport's send op takes */
        LIST_ENTRY irps;         /* sends and disconnects not yet wholly handed over, in order */
        LIST_ENTRY wait;         /* handed over, waiting to be sent */
        ULONG64 handed;          /* bytes handed over since the connection began */
        UCHAR held, sent_armed, fin_armed;
        /* The next two are the whole socket's: they stand here because an echo touches this line anyway. */
        UCHAR accepted;     /* the socket came from a listener */
        UCHAR counted;      /* `statistics` is there; set once, under the lock, and read anywhere */
        const void **ahead; /* the transport's: what it fetches before the next receive ends (wsk_ahead) */
        struct transport_op op;
        PIRP disconnect; /* graceful disconnect waiting for the ACK of our FIN */
    } send;

    struct DECLSPEC_CACHEALIGN { /* receiving (receive.c, indicate.c) */
        LIST_ENTRY irps;
        PIRP current;    /* the IRP that the transport's receive op works for */
        LIST_ENTRY data; /* struct wsk_indication not yet accepted by anyone, in stream order */
        SIZE_T data_bytes;
        struct wsk_indication *indicated; /* the list that WskReceiveEvent is looking at */
        UCHAR held;                       /* what `op` works for: enum wsk_receive_held */
        UCHAR readable_armed, peer_fin_armed, reset_armed;
        UCHAR indicating; /* WskReceiveEvent runs with a list: nobody takes what comes after it */
        BOOLEAN released; /* WskRelease has been called for that list already */
        struct transport_op op;
        SIZE_T retained_bytes;
        ULONG buffer_limit;  /* SO_RCVBUF */
        LIST_ENTRY retained; /* lists the client kept (STATUS_PENDING) */
    } receive;

    struct wsk_client *client;
    LIST_ENTRY client_link;
    LIST_ENTRY disables; /* pended WSK_EVENT_DISABLE IRPs */
    ADDRESS_FAMILY family;
    USHORT type;
    ULONG protocol;
    unsigned processor;  /* its transport loop */
    ULONG static_events; /* callbacks that can neither be disabled nor enabled again (C-EVT-20) */
    NTSTATUS death;
    UCHAR created; /* enum wsk_category: WSK_STREAM whatever its role (reports, options) */
    PIRP close_irp;
    ULONG64 number; /* 1, 2, 3 ... for reports */
    void *created_by[8];
    ULONG created_frames;

    /* Connection callbacks that WskAcceptEvent's sockets get (C-EVT-16), of such a socket those that it gets when that
     * has returned: its own by then, to add to and to take from (D-15). */
    ULONG inherit;
    LIST_ENTRY accept_link; /* in the parent's waiting list; once shown, of the thread that keeps its lanes */
    LIST_ENTRY starved_link; /* starved.c */

    struct transport_address peer;            /* once connecting or accepted */
    struct transport_address local;           /* accepted: the local address reached */
    const WSK_CLIENT_STREAM_DISPATCH *stream; /* of a stream socket: both roles' tables, or NULL */
    struct wsk_datagram *datagram;            /* datagram sockets only (datagram.h) */
    struct wsk_inspect *inspect;              /* from a listener in conditional mode only (inspect.c) */
    struct wsk_statistics *statistics;        /* registered for that extension only (statistics.c) */

    LIST_ENTRY address_changes; /* pended SIO_ADDRESS_LIST_CHANGE (ioctl.c) */
    LIST_ENTRY silences;        /* pended SIO_WSK_SET_TCP_SILENT_MODE (silence.c) */
    SIZE_T backlog_known;       /* backlog.c */

    struct wsk_descriptor *descriptor; /* NULL = the default (security.c) */

    struct { /* options kept for the client (option.c) */
        ULONG broadcast, packet_info, packet_info6, receive_hops, receive_class, receive_ecn,
            receive_coalesced, receive_errors;
        ULONG multicast_interface; /* as the client calls it */
        ULONG reuse, exclusive, conditional, keepalive;
        ULONG receive_buffer, send_buffer; /* as set; 0 = the transport's default */
    } option;

    /* Up to here a socket begins as zeroes; what follows is made when it is first used: a connection that comes and
     * goes touches little of it. */
    struct {
        struct transport_op sent, fin_acked;           /* send.c, disconnect.c */
        struct transport_op readable, peer_fin, reset; /* receive.c */
    } watches;
    struct wsk_carrier carriers[WSK_LANES];

    /* Zeroes again, but of an accepted socket, which has no use for it: that ends here. */
    struct {                /* listening (listen.c) */
        LIST_ENTRY irps;    /* pended WskAccept */
        LIST_ENTRY waiting; /* accepted sockets not yet handed to the client */
        ULONG waiting_count;
        ULONG inspected;                /* conditional mode: requests not yet the client's (inspect.c) */
        LIST_ENTRY fresh, pended, gone; /* those not in `waiting` */
        struct wsk_socket *asked;       /* WskInspectEvent looks at it */
        BOOLEAN armed;
        struct transport_connection_op op;
    } listen;
    struct {             /* connecting (connection.c) */
        LIST_ENTRY irps; /* the one pending connect, or empty */
        struct transport_connection_op op;
    } connect;
    struct wsk_claim claim; /* its address, once bound (sharing.c) */
};

/* wsk_receive_configure counts on it: the lines that an echo touches are the first four, and the first two of
 * `receive`. */
C_ASSERT(sizeof(struct transport_op) == WSK_CACHE_LINE);
C_ASSERT(FIELD_OFFSET(struct wsk_socket, lanes) == WSK_CACHE_LINE);
C_ASSERT(FIELD_OFFSET(struct wsk_socket, send) == 2 * WSK_CACHE_LINE);
C_ASSERT(FIELD_OFFSET(struct wsk_socket, send.op) == 3 * WSK_CACHE_LINE);
C_ASSERT(FIELD_OFFSET(struct wsk_socket, receive) % WSK_CACHE_LINE == 0);
C_ASSERT(FIELD_OFFSET(struct wsk_socket, receive.op) ==
         FIELD_OFFSET(struct wsk_socket, receive) + WSK_CACHE_LINE);

#define WSK_SOCKET_MAGIC 0x6b637357u /* "Wsck" */

static inline struct wsk_socket *wsk_socket_of(PWSK_SOCKET Socket)
{
    return CONTAINING_RECORD(Socket, struct wsk_socket, public);
}

/* ---- socket.c --------------------------------------------------------------------------------------------------- */

/* `accepted` and `listener`: what a connection came as and from where, or NULL. */
NTSTATUS wsk_socket_create(struct wsk_client *client, enum wsk_category category, ADDRESS_FAMILY family,
                           USHORT type, ULONG protocol, PVOID context, const VOID *dispatch,
                           struct transport_socket *accepted, const struct wsk_socket *listener,
                           struct wsk_socket **out);
void wsk_socket_reference(struct wsk_socket *socket);
void wsk_socket_dereference(struct wsk_socket *socket);
/* A socket that the client never got to see (failed creation, rejected accept): aborts, closes and forgets
 * it. */
void wsk_socket_discard(struct wsk_socket *socket);
/* The one transition function: the state after event, or 0 when the event is illegal in that state. */
UCHAR wsk_transition(UCHAR category, UCHAR state, enum wsk_event event);
BOOLEAN wsk_move(struct wsk_socket *socket, enum wsk_event event);
/* lock held: a stream socket takes the role WSK_LISTEN or WSK_CONNECTION with that role's table, or becomes
 * WSK_STREAM again when its connect failed.  Nothing happens to a socket of another category. */
void wsk_socket_become(struct wsk_socket *socket, enum wsk_category role);
BOOLEAN wsk_socket_valid(struct wsk_socket *socket);
void wsk_quarantine_flush(void);
/* Calls fn for each open socket of each client (reports). */
void wsk_each_socket(void (*fn)(void *context, struct wsk_client *client, struct wsk_socket *socket),
                     void *context);

/* ---- its controls (control.c) and reports (report.c) ------------------------------------------------------------ */

NTSTATUS WSKAPI wsk_control_socket(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                   ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                   PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp);
/* report.c: lock held: how many IRPs the socket has. */
SIZE_T wsk_report_pending(const struct wsk_socket *socket);

#endif
