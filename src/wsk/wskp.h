/*
 * wskp.h - the private header of the WSK room.
 *
 * Reading order for the subject that matters most: close.c top to bottom, then deliver.c (where completions
 * and callbacks run), then receive.c, indicate.c and send.c (the two queues of a connection).
 *
 * Locks.  socket->lock (a KSPIN_LOCK, so DISPATCH_LEVEL) guards everything in struct wsk_socket that is not
 * the gate word.  It may be held around any call of the transport's table, because only dispatch() calls
 * back.  Order: registration lock, wsk_clients_lock, socket lock (a listener's before its accepted socket's)
 *         -> sharing lock -> client lock, starved lock, cancel spin lock -> transport's own locks
 * No socket lock is ever taken under a client lock.  A cancel routine drops the cancel lock before it takes
 * the socket lock.  No lock of ours is ever held while a pointer of the driver is called (D-05).
 */
#ifndef UWSK_WSKP_H
#define UWSK_WSKP_H

#include <ntddk.h>
#include <wsk.h>

#include "host/host.h"
#include "nt/dbg/dbg.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include "nt/ke/quick.h"
#include "nt/mm/mm.h"
#include "nt/observe.h"
#include "nt/ps/ps.h"
#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"
#include "transport/transport.h"

#define WSK_TAG_SOCKET     'SksW'
#define WSK_TAG_CLIENT     'CksW'
#define WSK_TAG_INDICATION 'IksW'
#define WSK_TAG_ADDRESSES  'AksW' /* ADDRINFOEXW lists: the driver's until WskFreeAddressInfo */
#define WSK_TAG_RESOLVE    'NksW'
#define WSK_TAG_DATAGRAM   'DksW'
#define WSK_TAG_SECURITY   'DSkW' /* cached security descriptors: the driver's until WSK_RELEASE_SD */
#define WSK_TAG_STATISTICS 'EksW'

/* ---- settings of this run (wsk.c) --------------------------------------------------------------------- */

enum wsk_completion { WSK_COMPLETE_NATURAL, WSK_COMPLETE_ALWAYS_PEND, WSK_COMPLETE_INLINE };
enum wsk_delivery { WSK_DELIVER_DISPATCH, WSK_DELIVER_PASSIVE, WSK_DELIVER_MIXED };
enum wsk_send_mode { WSK_SEND_SENT, WSK_SEND_ACKED, WSK_SEND_COPIED };

#define WSK_STARVED_RETRY_MS 100 /* what every run has but that of a test */

struct wsk_settings {
    enum wsk_completion completion;
    enum wsk_delivery delivery;
    enum wsk_send_mode send_complete;
    unsigned processors;
    unsigned starved_retry_ms; /* 0 = they wait for a descriptor of ours */
    const struct transport_ops *ops;
    struct transport *transport;
    ULONG64 provider_delay; /* 100 ns: the provider attaches so long after the start; 0 = with it */
    ULONG64 provider_leave; /* 100 ns: ... and detaches so long after it has attached; 0 = with the stop */
    void (*provider_tells)(void *context, const char *what); /* of these two; NULL = nobody is told */
    void *context;
};

extern struct wsk_settings wsk_settings;

/* Starts the subsystem; captures succeed from here on, unless the provider is late.  PASSIVE_LEVEL. */
NTSTATUS wsk_start(const struct wsk_settings *settings);
/* Ends it.  Needs that every client has deregistered; frees the quarantine. */
void wsk_stop(void);

/* ---- client and registration (register.c, client.c) --------------------------------------------------- */

struct wsk_socket;

struct wsk_client {
    LIST_ENTRY link; /* in wsk_clients, under wsk_clients_lock */
    KSPIN_LOCK lock; /* guards what follows */
    LIST_ENTRY
    sockets; /* struct wsk_socket.client_link: open until the close IRP is completed (C-CLOSE-03) */
    LIST_ENTRY orphans;          /* indications whose socket was closed before they were released */
    LIST_ENTRY orphan_datagrams; /* the same of datagram sockets */
    LONG captures;               /* captured and not yet released provider NPIs */
    LONG calls;                  /* threads inside a WSK_PROVIDER_DISPATCH function, and client-level IRPs */
    LONG open;                   /* sockets that count as open */
    LONG sockets_created;        /* ever: static and TDI controls must come before the first (C-EVT-21) */
    LONG
        waiting; /* captures that wait for the provider: they hold up WskDeregister, not the provider's detachment */
    BOOLEAN deregistering;
    BOOLEAN attached;  /* the provider is there (register.c); an NMR style client always is */
    BOOLEAN detaching; /* the provider waits for it */
    KEVENT quiet;      /* set when deregistering and nothing is left (C-DEREG-03..05) */
    KEVENT leaving;    /* set by WskDeregister: wakes captures that wait (R-CAPT-08) */
    PWSK_REGISTRATION registration;
    PVOID context; /* WSK_CLIENT_NPI.ClientContext */
    const WSK_CLIENT_DISPATCH *dispatch;
    ULONG static_events;          /* WSK_SET_STATIC_EVENT_CALLBACKS */
    LIST_ENTRY transport_changes; /* pended WSK_TRANSPORT_LIST_CHANGE IRPs */
    void *caller;                 /* who called WskRegister, or the NMR style client: for the account */
    HANDLE binding;               /* NMR style (npi_provider.c): the binding's handle; constant */
    BOOLEAN last_call;            /* NMR style: the client's side has finished detaching */
    BOOLEAN detach_pending;       /* NMR style: ProviderDetachClient has returned STATUS_PENDING */
    struct ex_work detached;      /* NMR style: reports the end of the detachment */
};

extern const WSK_PROVIDER_DISPATCH wsk_provider_dispatch;
extern LIST_ENTRY wsk_clients;
extern KSPIN_LOCK wsk_clients_lock;

#define WSK_LOWEST_VERSION  MAKE_WSK_VERSION(1, 0)
#define WSK_HIGHEST_VERSION MAKE_WSK_VERSION(1, 0)

/* Before everything else of this room. */
void wsk_registration_initialize(void);
/* The provider is there: captures succeed. */
void wsk_registration_start(void);
/* It goes: captures succeed no more, the pended WSK_TRANSPORT_LIST_CHANGE IRPs end.  PASSIVE_LEVEL, as the next. */
void wsk_registration_stop(void);
/* After that: returns when no client that has registered has a capture, a call, an IRP or a socket any more. */
void wsk_registration_wait(void);
/* A client that counts in wsk_clients from here on; registration NULL = NMR style. NULL: no memory. */
struct wsk_client *wsk_client_create(PWSK_REGISTRATION registration, PVOID context,
                                     const WSK_CLIENT_DISPATCH *dispatch, void *caller);
/* client->lock held: lets WskDeregister, or the detachment from the NMR, go when nothing is left. */
void wsk_client_quiet_locked(struct wsk_client *client);
/* Frees the indications that the client never released, naming them (no lock; the client is going). */
void wsk_client_report_orphans(struct wsk_client *client);
/* Ends the pended WSK_TRANSPORT_LIST_CHANGE IRPs of a client that deregisters. */
void wsk_client_cancel_transport_changes(struct wsk_client *client);
/* Ends a WSK_TRANSPORT_LIST_CHANGE IRP that was taken off client->transport_changes. */
void wsk_transport_change_end(struct wsk_client *client, PIRP Irp);
/* A thread enters and leaves a client-level function.  Enter answers FALSE for a bad client. */
BOOLEAN wsk_client_enter(struct wsk_client *client);
void wsk_client_leave(struct wsk_client *client);
void wsk_client_socket_opened(struct wsk_client *client, struct wsk_socket *socket);
/* The close IRP's routine has returned (or the socket never reached the driver): the socket counts no more.
 */
void wsk_client_socket_closed(struct wsk_client *client, struct wsk_socket *socket);

NTSTATUS WSKAPI wsk_control_client(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                   SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned,
                                   PIRP Irp);

/* ---- one operation = one IRP -------------------------------------------------------------------------- */

enum wsk_op_kind {
    WSK_OP_SOCKET = 1,
    WSK_OP_SOCKET_CONNECT,
    WSK_OP_BIND,
    WSK_OP_ADDRESS,
    WSK_OP_CONTROL,
    WSK_OP_EVENT_DISABLE,
    WSK_OP_ACCEPT,
    WSK_OP_CONNECT,
    WSK_OP_CONNECT_EX,
    WSK_OP_LISTEN,
    WSK_OP_SEND,
    WSK_OP_RECEIVE,
    WSK_OP_DISCONNECT,
    WSK_OP_CLOSE,
    WSK_OP_ADDRESS_INFO,
    WSK_OP_NAME_INFO,
    WSK_OP_INSPECT,
    WSK_OP_SEND_TO,
    WSK_OP_SEND_MESSAGES,
    WSK_OP_RECEIVE_FROM,
    WSK_OP_SEND_EX,    /* the name of a call; the operation is a WSK_OP_SEND */
    WSK_OP_RECEIVE_EX, /* the same of WSK_OP_RECEIVE */
    WSK_OP_MAX
};

/* Where an IRP stands. Guarded by socket->lock. */
enum wsk_op_stage {
    WSK_STAGE_QUEUED = 1, /* in a queue of the socket, the transport does not know of it */
    WSK_STAGE_HELD,       /* the transport works on it */
    WSK_STAGE_SENT_WAIT,  /* send: handed over, not all of it sent; disconnect: FIN not yet acknowledged */
    WSK_STAGE_DONE        /* result stored; on a lane */
};

/* Lives in Irp->Tail.Overlay.DriverContext while the provider owns the IRP: no allocation per operation. */
struct wsk_op {
    union {
        SIZE_T progress; /* receive: bytes delivered so far; disconnect: bytes of the final buffer sent */
        ULONG64 end;     /* send, once handed over: offset of its last byte + 1 in the stream */
        ULONG_PTR information;       /* DONE: what goes to IoStatus.Information */
        struct wsk_resolve *resolve; /* name resolution: what is asked */
        void *extra;                 /* datagrams: from the pool, or NULL (datagram.h) */
    };
    NTSTATUS status;           /* DONE */
    UCHAR kind;                /* enum wsk_op_kind */
    UCHAR stage;               /* enum wsk_op_stage */
    UCHAR flags;               /* WSK_OP_xxx */
    struct wsk_socket *socket; /* whose gate the IRP holds */
};
C_ASSERT(sizeof(struct wsk_op) <= 4 * sizeof(PVOID));

#define WSK_OP_CANCELLABLE 1 /* a cancel routine was set */
#define WSK_OP_CANCELLED   2 /* our cancel routine has run: IoCancelIrp wants its end */
#define WSK_OP_BY_CLOSE    4 /* close ends it: STATUS_CANCELLED unless the transport reports full success */
#define WSK_OP_AWAITED                                                                                       \
    8 /* DONE: a cancel routine is on its way, and nothing is delivered before it has come */

/* Lives in the provider's own stack location (Parameters): copied from the caller's arguments (D-11). */
union wsk_arguments {
    struct {
        PMDL mdl;
        SIZE_T length;
        ULONG offset;
        ULONG flags;
    } buffer; /* send, receive, disconnect, connect with a buffer */
    struct {
        PMDL mdl;
        SIZE_T length;
        ULONG offset;
        PSOCKADDR remote;
    } from; /* WskReceiveFrom */
    struct {
        PMDL mdl;
        SIZE_T length; /* with a list: so many elements */
        ULONG offset;
        PWSK_BUF_LIST list; /* NULL = WskSendTo */
    } to;
    struct {
        PVOID context;
        const WSK_CLIENT_CONNECTION_DISPATCH *dispatch;
        PSOCKADDR local;
        PSOCKADDR remote;
    } accept;
    PVOID raw[4];
};
C_ASSERT(sizeof(union wsk_arguments) <= sizeof(((PIO_STACK_LOCATION)0)->Parameters));

static inline struct wsk_op *wsk_op_of(PIRP Irp)
{
    return (struct wsk_op *)&Irp->Tail.Overlay.DriverContext[0];
}

static inline union wsk_arguments *wsk_arguments_of(PIRP Irp)
{
    return (union wsk_arguments *)&IoGetCurrentIrpStackLocation(Irp)->Parameters;
}

/* Its owner may call IoCancelIrp beside the call that brings it (K-CANCEL-08). */
static inline BOOLEAN wsk_is_cancelled(PIRP Irp)
{
    return __atomic_load_n(&Irp->Cancel, __ATOMIC_SEQ_CST);
}

static inline PIRP wsk_irp_of_link(PLIST_ENTRY link)
{
    return CONTAINING_RECORD(link, IRP, Tail.Overlay.ListEntry);
}

/* ---- socket ------------------------------------------------------------------------------------------- */

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

/* The gate word: entering a callback and entering close are each one atomic step on it. */
#define WSK_GATE_CLOSING       (1ull << 63) /* WskCloseSocket was entered: no callback and no call starts */
#define WSK_GATE_CLOSED        (1ull << 62) /* the last one is out: the close IRP is being completed */
#define WSK_GATE_ENABLED_SHIFT 32
#define WSK_GATE_RUNNING_SHIFT 40
#define WSK_GATE_KINDS         0xffull
#define WSK_GATE_HOLDS         0xffffffffull /* operations, calls inside, ops the transport holds */

enum wsk_callback { /* bit numbers inside the two 8-bit fields of the gate word */
                    WSK_CALLBACK_RECEIVE = 1,
                    WSK_CALLBACK_DISCONNECT = 2,
                    WSK_CALLBACK_BACKLOG = 4,
                    WSK_CALLBACK_ACCEPT = 8,
                    WSK_CALLBACK_RECEIVE_FROM = 16,
                    WSK_CALLBACK_INSPECT = 32,
                    WSK_CALLBACK_ABORT = 64,
                    WSK_CALLBACK_ENDED = 128 /* of an extension: no WSK_EVENT_xxx (statistics.c) */
};

enum wsk_lane_id { WSK_LANE_RECEIVE, WSK_LANE_SEND, WSK_LANES };

/* Completions of one direction are delivered one after the other, in order (D-06); callbacks ride on the
 * receive lane, so they are serial, too (D-12). Guarded by socket->lock. */
struct wsk_lane {
    LIST_ENTRY ready; /* IRPs in stage DONE */
    void *owner;      /* the thread that delivers now */
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

/* Option and address of a bind, as in the table of sharing.c. */
enum wsk_claim_kind {
    WSK_CLAIM_WILDCARD,
    WSK_CLAIM_SPECIFIC,
    WSK_CLAIM_REUSE_WILDCARD,
    WSK_CLAIM_REUSE_SPECIFIC,
    WSK_CLAIM_EXCLUSIVE_WILDCARD,
    WSK_CLAIM_EXCLUSIVE_SPECIFIC,
    WSK_CLAIM_KINDS
};

struct wsk_claim { /* an address that a socket is bound to (sharing.c) */
    LIST_ENTRY link;
    struct transport_address address;
    USHORT type;  /* SOCK_xxx */
    UCHAR kind;   /* enum wsk_claim_kind */
    BOOLEAN dual; /* :: that covers IPv4, too */
    BOOLEAN held; /* it is in the table */
};

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

/* socket.c */
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

/* gate (close.c) */
BOOLEAN wsk_gate_enter(struct wsk_socket *socket); /* a call or an operation begins; FALSE once closing */
/* So many more holds, by someone who already has one.  For an operation inside the transport it is there by the time the
 * lock is dropped: the end's report waits for that. */
void wsk_gate_hold(struct wsk_socket *socket, ULONG holds);
void wsk_gate_leave(
    struct wsk_socket *socket); /* the last hold out finishes a close; socket may be gone then */
/* Lock held or not, of holds that are not the last. */
void wsk_gate_leave_some(struct wsk_socket *socket, ULONG holds);
BOOLEAN wsk_gate_begin_callback(struct wsk_socket *socket, enum wsk_callback kind);
/* Lock held, socket referenced: leaves like wsk_gate_leave (an IRP's routine or a callback has returned), in
 * the same lock section as what follows from it.  Finishes a close outside the lock, which it then retakes. */
void wsk_gate_leave_locked(struct wsk_socket *socket, PKIRQL irql);
void wsk_gate_end_callback(struct wsk_socket *socket, enum wsk_callback kind, PKIRQL irql);
/* Lock held: takes all of it off the gate word in one step, and drops the lock.  The socket may be gone then. */
void wsk_gate_leave_unlock(struct wsk_socket *socket, ULONG64 leave, KIRQL irql);
static inline BOOLEAN wsk_closing(const struct wsk_socket *socket)
{
    return (__atomic_load_n(&socket->gate, __ATOMIC_ACQUIRE) & WSK_GATE_CLOSING) != 0;
}
static inline ULONG wsk_enabled(const struct wsk_socket *socket)
{
    return (ULONG)(__atomic_load_n(&socket->gate, __ATOMIC_ACQUIRE) >> WSK_GATE_ENABLED_SHIFT) &
           WSK_GATE_KINDS;
}
static inline ULONG wsk_running(const struct wsk_socket *socket)
{
    return (ULONG)(__atomic_load_n(&socket->gate, __ATOMIC_ACQUIRE) >> WSK_GATE_RUNNING_SHIFT) &
           WSK_GATE_KINDS;
}
NTSTATUS WSKAPI wsk_close_socket(PWSK_SOCKET Socket, PIRP Irp);
/* Completes the close IRP: the very last act for a socket. */
void wsk_close_complete(struct wsk_socket *socket, PIRP Irp);

/* op.c: the life of an IRP inside WSK */
/* Takes the IRP over: its next stack location becomes ours. socket may be NULL. */
void wsk_op_begin(PIRP Irp, enum wsk_op_kind kind, struct wsk_socket *socket);
/* Completes inline with an error; returns it.  For an IRP that holds no gate. */
NTSTATUS wsk_op_refuse(PIRP Irp, NTSTATUS status);
/* Begins an operation on a socket: takes the IRP, checks handle and gate.  STATUS_SUCCESS: the IRP holds the
 * gate and ends by wsk_op_fail, wsk_op_finish or wsk_op_pend; anything else: return it, all is done. */
NTSTATUS wsk_op_enter(PWSK_SOCKET Socket, PIRP Irp, enum wsk_op_kind kind, struct wsk_socket **out);
/* After wsk_op_enter: takes socket->lock, unless a close came in between (a driver that breaks C-CLOSE-05):
 * then the IRP has been failed with the status that is returned. */
NTSTATUS wsk_op_lock(struct wsk_socket *socket, PIRP Irp, PKIRQL irql);
/* No lock held: ends an operation with an error found at once, inline in every mode; leaves the gate. */
NTSTATUS wsk_op_fail(PIRP Irp, NTSTATUS status);
/* socket->lock held, the result is there before the call returned: completes inline where the completion mode
 * and `natural` (does the mode "natural" finish this kind inline?) allow, else posts it.  Drops the lock and
 * leaves the gate.  Returns what the dispatch function has to return. */
NTSTATUS wsk_op_finish(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information,
                       BOOLEAN natural, KIRQL irql);
/* socket->lock held: marks the IRP pending, puts it at the end of the queue and makes it cancellable.  The
 * dispatch function returns STATUS_PENDING from here on.  FALSE: it was cancelled before it came and is on
 * its way out. */
BOOLEAN wsk_op_pend(struct wsk_socket *socket, PIRP Irp, PLIST_ENTRY queue);
/* socket->lock held; the IRP is in no queue any more.  Stores the result and puts the IRP on its lane, which a cancel
 * routine that is under way holds up until it has come. */
void wsk_op_done(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information);
/* lock held: the IRP, in no queue any more, is done with this result, and nothing can come between.  FALSE: a
 * cancel routine is on its way, it is on its lane as after wsk_op_done. */
BOOLEAN wsk_op_take(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information);
/* The same for an IRP that close ends: STATUS_CANCELLED, Information 0, Irp->Cancel set (C-CLOSE-13, D-26).
 */
void wsk_op_done_by_close(struct wsk_socket *socket, PIRP Irp);
/* Lock held, lane owned, socket referenced: completes an IRP in stage DONE without the lock, takes the lock
 * again and leaves the gate. */
void wsk_op_deliver(struct wsk_socket *socket, PIRP Irp, PKIRQL irql);
const char *wsk_op_name(enum wsk_op_kind kind);

/* deliver.c: where completions and callbacks run */
void wsk_lane_initialize(struct wsk_socket *socket, enum wsk_lane_id id);
static inline KIRQL wsk_lock(struct wsk_socket *socket)
{
    return ke_quick_acquire(&socket->lock);
}
/* socket->lock held: something is ready or due on the lane; wsk_unlock sees to it. */
static inline void wsk_lane_kick(struct wsk_socket *socket, enum wsk_lane_id id)
{
    socket->wanted |= (UCHAR)(1u << id);
}
/* lock held: schedules the lanes that were kicked, but those that somebody runs or will run. */
void wsk_lanes_schedule(struct wsk_socket *socket);
/* Drops socket->lock and schedules the lanes that were kicked: their deliveries run elsewhere. */
static inline void wsk_unlock(struct wsk_socket *socket, KIRQL irql)
{
    if (socket->wanted != 0)
        wsk_lanes_schedule(socket);
    ke_quick_release(&socket->lock, irql);
}
/* The same at the end of a transport completion, which holds the gate: delivers here and now when this run
 * delivers at DISPATCH_LEVEL. */
void wsk_unlock_deliver(struct wsk_socket *socket, KIRQL irql);
/* Would that deliver: is this a loop that delivers at DISPATCH_LEVEL, without a routine of the driver that runs on it? */
BOOLEAN wsk_delivers_here(void);
/* wsk_unlock_deliver for the accepts of a listener, and after it for what was begun on the connections meanwhile. */
void wsk_unlock_deliver_accepts(struct wsk_socket *listener, KIRQL irql);
/* A connection, referenced, that WskAcceptEvent is about to be shown: inside the above this thread owns its lanes from here
 * on, else FALSE.  No lock is needed: nobody has its address before the callback has, it stands only in the client's list,
 * whose readers do not look at owners.  Where operations complete inline on any thread, the lanes are left to them. */
BOOLEAN wsk_lanes_keep(struct wsk_socket *socket);
/* lock held, after that: the thread owns them no more.  FALSE: something has come up, which it delivers later, as the owner
 * until then; the reference is its own from here on. */
BOOLEAN wsk_lanes_let_go(struct wsk_socket *socket);
/* No lock held: delivers everything ready on both lanes on this thread (close in mode inline). */
void wsk_lane_drain(struct wsk_socket *socket);
/* May this thread run one more driver routine inside a call (bounded recursion)? */
BOOLEAN wsk_may_nest(void);

/* events.c */
/* socket->lock held: is a callback due on this socket? 0 or the kind to run next. */
enum wsk_callback wsk_event_look(struct wsk_socket *socket);
/* The same, without a call for a connection that is in the midst of its stream and has no data at hand. */
static inline enum wsk_callback wsk_event_due(struct wsk_socket *socket)
{
    if (socket->category == WSK_CONNECTION && IsListEmpty(&socket->receive.data) && !socket->backlog_due &&
        !(socket->latches & (WSK_LATCH_RESET | WSK_LATCH_PEER_FIN)))
        return 0;
    return wsk_event_look(socket);
}
/* Lock held, receive lane owned, socket referenced: runs it, without the lock, which is held again after. */
void wsk_event_run(struct wsk_socket *socket, enum wsk_callback kind, PKIRQL irql);
NTSTATUS wsk_event_control(struct wsk_socket *socket, const WSK_EVENT_CALLBACK_CONTROL *control, PIRP Irp);
ULONG wsk_event_kinds(ULONG event_mask);
/* lock held: opens the gate for these kinds and lets their events come. */
void wsk_event_enable(struct wsk_socket *socket, ULONG kinds);
/* lock held: no callback of these kinds begins any more; returns those that run. */
ULONG wsk_event_disable(struct wsk_socket *socket, ULONG kinds);
/* Which of the kinds the client's table has a function for. */
ULONG wsk_event_with_function(UCHAR category, const VOID *dispatch, ULONG kinds);

/* lock held, after a callback has ended: the disables that waited for it. */
void wsk_event_disables_end(struct wsk_socket *socket);

/* receive.c */
NTSTATUS WSKAPI wsk_receive(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
NTSTATUS WSKAPI wsk_receive_ex(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PULONG ControlInfoLength,
                               PCMSGHDR ControlInfo, PULONG ControlFlags, PIRP Irp);
void wsk_receive_initialize(struct wsk_socket *socket);
/* What the end of a receive will probably touch besides the socket, for transport_config.ahead. */
enum wsk_ahead { WSK_AHEAD_CONTEXT, WSK_AHEAD_IRP, WSK_AHEAD_MDL, WSK_AHEAD_BYTES };
C_ASSERT(WSK_AHEAD_BYTES + 1 == TRANSPORT_AHEAD);
static inline void wsk_ahead(struct wsk_socket *socket, enum wsk_ahead which, const void *memory)
{
    __atomic_store_n(&socket->send.ahead[which], memory, __ATOMIC_RELAXED);
}
static inline void wsk_ahead_request(struct wsk_socket *socket, PIRP Irp, const MDL *mdl, ULONG offset)
{
    wsk_ahead(socket, WSK_AHEAD_IRP, Irp);
    wsk_ahead(socket, WSK_AHEAD_MDL, mdl);
    if (mdl != NULL) /* else a drain */
        wsk_ahead(socket, WSK_AHEAD_BYTES, (const void *)((ULONG_PTR)mdl->MappedSystemVa + offset));
}
void wsk_receive_configure(struct transport_config *config);  /* fills config->ahead */
void wsk_receive_cancel(struct wsk_socket *socket, PIRP Irp); /* lock held: IoCancelIrp */
void wsk_receive_completed(
    struct wsk_socket *socket);                    /* lock held: a WskReceive's routine has returned (H-05) */
void wsk_receive_start(struct wsk_socket *socket); /* lock held: the connection exists now */
void wsk_receive_pump(struct wsk_socket *socket);  /* lock held: serve, arm, or take back what is armed */
/* lock held: steps 2 and 3 of close for this direction; returns the holds of what was taken back, for the caller to
 * leave. */
ULONG wsk_receive_close(struct wsk_socket *socket);
BOOLEAN wsk_receive_drained(struct wsk_socket *socket); /* lock held: nothing before the peer's FIN is left */

/* indicate.c */
NTSTATUS WSKAPI wsk_release(PWSK_SOCKET Socket, PWSK_DATA_INDICATION DataIndication);
/* lock held: bytes that the transport put in its own buffer join the stream. */
NTSTATUS wsk_data_append(struct wsk_socket *socket, void *provided, SIZE_T bytes);
/* lock held: moves up to `want` bytes from the head of the stream into a chain, from `position` on; returns
 * how many. */
SIZE_T wsk_data_copy(struct wsk_socket *socket, PMDL mdl, ULONG offset, SIZE_T position, SIZE_T want);
void wsk_data_discard(struct wsk_socket *socket); /* lock held: all of it has been accepted */
/* Lock held, inside the gate: runs WskReceiveEvent, without the lock, which is held again after. */
void wsk_receive_indicate(struct wsk_socket *socket, struct wsk_turn *turn,
                          PKIRQL irql); /* turn may be NULL */
void wsk_indication_free_all(PLIST_ENTRY list);
void wsk_indication_flush(void); /* every socket is closed: gives back what is kept for the next bytes */
void wsk_data_close(struct wsk_socket *socket); /* lock held, nothing is under way: frees what nobody took */

/* send.c, disconnect.c */
NTSTATUS WSKAPI wsk_send(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
NTSTATUS WSKAPI wsk_send_ex(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, ULONG ControlInfoLength,
                            PCMSGHDR ControlInfo, PIRP Irp);
NTSTATUS WSKAPI wsk_disconnect(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
void wsk_send_initialize(struct wsk_socket *socket);
void wsk_send_cancel(struct wsk_socket *socket, PIRP Irp);
void wsk_send_pump(struct wsk_socket *socket);
ULONG wsk_send_close(struct wsk_socket *socket); /* like wsk_receive_close */
void wsk_send_ended(struct wsk_socket *socket, NTSTATUS sends, NTSTATUS disconnects);
/* lock held, by someone inside the gate: sent_complete will come, if not for this kind then for an earlier one
 * (STATUS_PENDING), or what is watched for has happened, or why not. */
NTSTATUS wsk_send_watch(struct wsk_socket *socket, int kind);
/* lock held: our FIN was acknowledged, so every send that was handed over has been sent. */
void wsk_send_all_sent(struct wsk_socket *socket);
/* lock held: the head of the send queue is a disconnect whose final buffer is out: say FIN. */
void wsk_disconnect_fin(struct wsk_socket *socket, PIRP Irp);
/* lock held: both directions are finished: nothing is left to abort (C-CLOSE-38..40). */
BOOLEAN wsk_fully_disconnected(const struct wsk_socket *socket);
/* lock held: resets the connection; what WskDisconnect(WSK_FLAG_ABORTIVE) does. */
void wsk_disconnect_abort(struct wsk_socket *socket);
/* lock held: the transport says that the connection is dead, or we have aborted it.  Ends sends and
 * disconnects; the caller lets wsk_receive_pump end the receives. */
void wsk_connection_died(struct wsk_socket *socket, NTSTATUS status);

/* connection.c, listen.c, address.c, control.c */
NTSTATUS WSKAPI wsk_bind(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp);
NTSTATUS WSKAPI wsk_connect(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp);
NTSTATUS WSKAPI wsk_connect_ex(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PWSK_BUF Buffer, ULONG Flags,
                               PIRP Irp);
NTSTATUS WSKAPI wsk_listen(PWSK_SOCKET Socket, PIRP Irp);
NTSTATUS WSKAPI wsk_get_local_address(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, PIRP Irp);
NTSTATUS WSKAPI wsk_get_remote_address(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PIRP Irp);
NTSTATUS WSKAPI wsk_control_socket(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                   ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                   PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp);
NTSTATUS WSKAPI wsk_accept(PWSK_SOCKET ListenSocket, ULONG Flags, PVOID AcceptSocketContext,
                           const WSK_CLIENT_CONNECTION_DISPATCH *AcceptSocketDispatch, PSOCKADDR LocalAddress,
                           PSOCKADDR RemoteAddress, PIRP Irp);
void wsk_connection_initialize(struct wsk_socket *socket);
void wsk_connection_close(struct wsk_socket *socket);         /* lock held: the pending connect */
void wsk_connect_cancel(struct wsk_socket *socket, PIRP Irp); /* lock held: IoCancelIrp */
/* lock held, bound: starts the connect for an IRP that holds the gate (WskConnect, WskConnectEx,
 * WskSocketConnect). */
NTSTATUS wsk_connect_start(struct wsk_socket *socket, const struct transport_address *remote, PIRP Irp,
                           KIRQL irql);
NTSTATUS wsk_bind_now(struct wsk_socket *socket, const struct transport_address *local); /* lock held */
void wsk_listen_initialize(struct wsk_socket *socket);
NTSTATUS wsk_listen_start(struct wsk_socket *socket); /* lock held, bound */
void wsk_listen_pump(struct wsk_socket *socket);
void wsk_listen_close(struct wsk_socket *socket, PLIST_ENTRY dropped);
/* like wsk_receive_indicate */
void wsk_listen_indicate(struct wsk_socket *socket, PKIRQL irql);

/* starved.c */
void wsk_starved_start(void);
void wsk_starved_stop(void); /* every socket is closed */
/* lock held: there was no descriptor or no memory.  It is to try once more at once, then when wsk_starved_retry pumps
 * it. */
void wsk_starve(struct wsk_socket *socket);
/* lock held: it has found something by itself, or closes: it waits no more. */
void wsk_unstarve(struct wsk_socket *socket);
void wsk_starved_retry(void); /* a descriptor was given back: who starves tries again */
static inline BOOLEAN wsk_starving(const struct wsk_socket *socket) /* lock held: it is not its turn to try */
{
    return (socket->latches & (WSK_LATCH_STARVED | WSK_LATCH_ONCE_MORE)) == WSK_LATCH_STARVED;
}

/* datagram_*.c (datagram.h is for them alone) */
NTSTATUS WSKAPI wsk_send_to(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PSOCKADDR RemoteAddress,
                            ULONG ControlInfoLength, PCMSGHDR ControlInfo, PIRP Irp);
NTSTATUS WSKAPI wsk_send_messages(PWSK_SOCKET Socket, PWSK_BUF_LIST BufferList, ULONG Flags,
                                  PSOCKADDR RemoteAddress, ULONG ControlInfoLength, PCMSGHDR ControlInfo,
                                  PIRP Irp);
NTSTATUS WSKAPI wsk_receive_from(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PSOCKADDR RemoteAddress,
                                 PULONG ControlLength, PCMSGHDR ControlInfo, PULONG ControlFlags, PIRP Irp);
NTSTATUS WSKAPI wsk_release_datagrams(PWSK_SOCKET Socket, PWSK_DATAGRAM_INDICATION DatagramIndication);
NTSTATUS wsk_datagram_create(struct wsk_socket *socket);       /* before anybody knows the socket */
void wsk_datagram_pump(struct wsk_socket *socket);             /* lock held: serve and arm the receive side */
void wsk_datagram_cancel(struct wsk_socket *socket, PIRP Irp); /* lock held: IoCancelIrp */
void wsk_datagram_close(struct wsk_socket *socket);            /* lock held: steps 2 and 3 of close */
/* lock held, nothing is under way: frees what nobody took, moves what the client keeps to `kept`. */
void wsk_datagram_end(struct wsk_socket *socket, PLIST_ENTRY kept);
void wsk_datagram_free_all(PLIST_ENTRY list);
BOOLEAN wsk_datagram_waits(const struct wsk_socket *socket); /* lock held: the event has something to tell */
void wsk_datagram_indicate(struct wsk_socket *socket, PKIRQL irql); /* like wsk_receive_indicate */
/* lock held: SIO_WSK_SET_REMOTE_ADDRESS (what waits from others is dropped), SIO_WSK_SET_SENDTO_ADDRESS; length 0
 * clears. */
void wsk_datagram_fix(struct wsk_socket *socket, BOOLEAN receive_too,
                      const struct transport_address *address);
/* lock held: calls fn for each IRP that waits (report.c); returns the bytes that the client keeps. */
SIZE_T wsk_datagram_report(const struct wsk_socket *socket, void (*fn)(void *context, PIRP irp),
                           void *context);

/* sharing.c */
void wsk_sharing_start(void);
/* lock held: binds the transport's socket if that may share the address with those that have it.
 * STATUS_ADDRESS_ALREADY_EXISTS, STATUS_ACCESS_DENIED and what the transport says. */
NTSTATUS wsk_sharing_bind(struct wsk_socket *socket, const struct transport_address *local);
void wsk_sharing_end(struct wsk_socket *socket); /* no lock: the address has been given back */

/* security.c */
void wsk_security_start(void);
/* WSK_CACHE_SD and WSK_RELEASE_SD; `caller` answers for the copy. */
NTSTATUS wsk_security_cache(SIZE_T in_size, const VOID *in, SIZE_T out_size, PVOID out, void *caller);
NTSTATUS wsk_security_release(SIZE_T in_size, const VOID *in);
/* A socket uses a cached copy (NULL: none), and no more.  STATUS_INVALID_PARAMETER: it is none. */
NTSTATUS wsk_security_use(PSECURITY_DESCRIPTOR pointer, struct wsk_descriptor **out);
void wsk_security_unuse(struct wsk_descriptor *copy);
/* lock held: SO_WSK_SECURITY. */
NTSTATUS wsk_security_set(struct wsk_socket *socket, const VOID *in);
NTSTATUS wsk_security_get(struct wsk_socket *socket, PVOID out);
/* May whoever binds a second socket share this one's address?  STATUS_SUCCESS, STATUS_ACCESS_DENIED. */
NTSTATUS wsk_security_check(const struct wsk_socket *first);

/* inspect.c: a listener in conditional mode (its lock is held, unless it says otherwise) */
NTSTATUS WSKAPI wsk_inspect_complete(PWSK_SOCKET ListenSocket, PWSK_INSPECT_ID InspectID,
                                     WSK_INSPECT_ACTION Action, PIRP Irp);
void wsk_inspect_initialize(struct wsk_socket *listener);
struct wsk_inspect *wsk_inspect_new(void); /* for a connection to be accepted; no lock.  NULL: no memory. */
/* A new connection, with its struct wsk_inspect: WskInspectEvent is to be asked. */
void wsk_inspect_arrived(struct wsk_socket *listener, struct wsk_socket *accepted);
BOOLEAN wsk_inspect_room(const struct wsk_socket *listener); /* for one more request */
enum wsk_callback wsk_inspect_due(const struct wsk_socket *listener);
void wsk_inspect_indicate(struct wsk_socket *listener, PKIRQL irql); /* like wsk_receive_indicate */
void wsk_inspect_abort(struct wsk_socket *listener, PKIRQL irql);
/* It was taken out of the listener's lists. */
void wsk_inspect_taken(struct wsk_socket *listener, struct wsk_socket *accepted);
void wsk_inspect_close(struct wsk_socket *listener, PLIST_ENTRY dropped); /* like wsk_listen_close */
/* The connection's lock is held: it is the client's now, or closed. */
void wsk_inspect_forget(struct wsk_socket *accepted);
/* No lock, connection's gate held: its end may have come before it was the client's. */
void wsk_inspect_look(struct wsk_socket *accepted);
NTSTATUS wsk_inspect_query(struct wsk_socket *socket, WSK_INSPECT_ID *id);

/* ioctl.c */
/* transport_config.addresses_changed. */
void wsk_addresses_changed(int family);
void wsk_address_changes_close(struct wsk_socket *socket); /* lock held */

/* silence.c: lock held */
NTSTATUS wsk_silence(struct wsk_socket *socket,
                     PIRP irp);                   /* STATUS_PENDING: the IRP is in socket->silences */
void wsk_silence_pump(struct wsk_socket *socket); /* what was sent may be acknowledged */
void wsk_silence_close(struct wsk_socket *socket);

/* statistics.c: of a socket that has `counted` set */
void wsk_statistics_ended(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information);
void wsk_statistics_taken(struct wsk_socket *socket, SIZE_T bytes, ULONG datagrams);
void wsk_statistics_callback(struct wsk_socket *socket);
void wsk_statistics_indicate(struct wsk_socket *socket, PKIRQL irql); /* like wsk_receive_indicate */
static inline BOOLEAN wsk_counted(const struct wsk_socket *socket)
{
    return __builtin_expect(__atomic_load_n(&socket->send.counted, __ATOMIC_ACQUIRE), 0);
}
/* The IRP is about to be completed with this result. */
static inline void wsk_count_end(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information)
{
    if (wsk_counted(socket))
        wsk_statistics_ended(socket, Irp, status, information);
}
/* The client has taken what an event callback showed it. */
static inline void wsk_count_taken(struct wsk_socket *socket, SIZE_T bytes, ULONG datagrams)
{
    if (wsk_counted(socket))
        wsk_statistics_taken(socket, bytes, datagrams);
}

/* report.c: lock held: how many IRPs the socket has. */
SIZE_T wsk_report_pending(const struct wsk_socket *socket);

/* backlog.c: lock held */
SIZE_T wsk_backlog_query(struct wsk_socket *socket);               /* of a connection; 0 = unknown */
void wsk_backlog_look(struct wsk_socket *socket);                  /* sends have completed */
void wsk_backlog_indicate(struct wsk_socket *socket, PKIRQL irql); /* like wsk_receive_indicate */

/* address.c */
/* This host's addresses of the family, all of them, from the pool and the caller's; NULL: no memory. */
struct transport_local *wsk_local_addresses(int family, SIZE_T *count);
/* Of an address at any place: drivers keep addresses in packed structures, too. */
ADDRESS_FAMILY wsk_address_family(const SOCKADDR *address);
BOOLEAN wsk_address_in(const struct wsk_socket *socket, const SOCKADDR *address,
                       struct transport_address *out);
/* Writes exactly the family's SOCKADDR (D-20); returns its size. */
ULONG wsk_address_out(const struct transport_address *address, PSOCKADDR out);

/* resolve.c */
NTSTATUS WSKAPI wsk_get_address_info(PWSK_CLIENT Client, PUNICODE_STRING NodeName,
                                     PUNICODE_STRING ServiceName, ULONG NameSpace, GUID *Provider,
                                     PADDRINFOEXW Hints, PADDRINFOEXW *Result, PEPROCESS OwningProcess,
                                     PETHREAD OwningThread, PIRP Irp);
VOID WSKAPI wsk_free_address_info(PWSK_CLIENT Client, PADDRINFOEXW AddrInfo);
NTSTATUS WSKAPI wsk_get_name_info(PWSK_CLIENT Client, PSOCKADDR SockAddr, ULONG SockAddrLength,
                                  PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName, ULONG Flags,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp);

/* buffer.c: WSK_BUF of the caller */
NTSTATUS wsk_buffer_check_any(const WSK_BUF *buffer, BOOLEAN optional);
/* The same without a call for what nearly every one is: bytes of one MDL. */
static inline NTSTATUS wsk_buffer_check(const WSK_BUF *buffer, BOOLEAN optional)
{
    if (__builtin_expect(buffer != NULL && buffer->Mdl != NULL && buffer->Length != 0 &&
                             buffer->Offset < MmGetMdlByteCount(buffer->Mdl) &&
                             buffer->Length <= MmGetMdlByteCount(buffer->Mdl) - buffer->Offset,
                         1))
        return STATUS_SUCCESS;
    return wsk_buffer_check_any(buffer, optional);
}
/* Into the IRP's arguments (D-11); NULL is a buffer without bytes. */
void wsk_buffer_take(PIRP Irp, const WSK_BUF *buffer, ULONG flags);

/* npi.c */
extern const WSK_PROVIDER_BASIC_DISPATCH wsk_basic_dispatch;
extern const WSK_PROVIDER_LISTEN_DISPATCH wsk_listen_dispatch;
extern const WSK_PROVIDER_CONNECTION_DISPATCH wsk_connection_dispatch;
extern const WSK_PROVIDER_DATAGRAM_DISPATCH wsk_datagram_dispatch;
extern const WSK_PROVIDER_STREAM_DISPATCH wsk_stream_dispatch;

/* npi_provider.c: WSK as a provider at the Network Module Registrar.  PASSIVE_LEVEL.  Start attaches the NMR
 * style clients that are there; stop begins to detach them, wait returns when their last call is over and their
 * sockets are closed. */
NTSTATUS wsk_npi_provider_start(void);
void wsk_npi_provider_stop(void);
void wsk_npi_provider_wait(void);
/* client->lock held: an NMR style client is leaving, nothing is left of it. */
void wsk_npi_client_quiet_locked(struct wsk_client *client);

#define WSK_TRANSPORT_OPS (wsk_settings.ops)

/* lock held: begins a watch; its end clears `armed`.  STATUS_PENDING: it is inside, and needs a hold before the lock is
 * dropped, which its end waits for. */
static inline NTSTATUS wsk_watch_begin(struct wsk_socket *socket, struct transport_op *op, int kind,
                                       void (*complete)(struct transport_op *, int32_t, size_t), UCHAR *armed)
{
    NTSTATUS status;

    op->kind = kind;
    op->complete = complete;
    op->flags = 0;
    status = WSK_TRANSPORT_OPS->watch(socket->transport, op);
    if (status == STATUS_PENDING)
        *armed = TRUE;
    return status;
}
/* The same with the hold. */
static inline NTSTATUS wsk_watch(struct wsk_socket *socket, struct transport_op *op, int kind,
                                 void (*complete)(struct transport_op *, int32_t, size_t), UCHAR *armed)
{
    NTSTATUS status = wsk_watch_begin(socket, op, kind, complete, armed);

    if (status == STATUS_PENDING)
        wsk_gate_hold(socket, 1);
    return status;
}
/* close.c.  Lock held, inside the gate: takes a watch or an accept out of the transport, unless its end is on its way.
 * Returns the holds that it had, for the caller to leave: none or one. */
ULONG wsk_unwatch(struct wsk_socket *socket, struct transport_op *op, UCHAR *armed);

#endif
