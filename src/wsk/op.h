/*
 * op.h - one operation = one IRP: what WSK keeps in it while it has it, and its life from the call to its completion
 * (op.c, buffer.c).
 */
#ifndef UWSK_WSK_OP_H
#define UWSK_WSK_OP_H

#include "wsk/settings.h"

struct wsk_socket;

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

/* ---- its life (op.c) -------------------------------------------------------------------------------------------- */

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

/* ---- the caller's WSK_BUF (buffer.c) ---------------------------------------------------------------------------- */

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

#endif
