/*
 * gate.h - who is inside a socket, and the way out of it: the word that operations, callbacks and close take their steps on
 * (close.c; docs/closing.md has the reasoning).
 */
#ifndef UWSK_WSK_GATE_H
#define UWSK_WSK_GATE_H

#include "wsk/socket.h"

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

BOOLEAN wsk_gate_enter(struct wsk_socket *socket); /* a call or an operation begins; FALSE once closing */
/* So many more holds, by someone who already has one.  For an operation inside the transport it is there by the time the
 * lock is dropped: the end's report waits for that. */
void wsk_gate_hold(struct wsk_socket *socket, ULONG holds);
/* the last hold out finishes a close; socket may be gone then */
void wsk_gate_leave(struct wsk_socket *socket);
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

/* ---- what it watches at the transport --------------------------------------------------------------------------- */

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
/* Lock held, inside the gate: takes a watch or an accept out of the transport, unless its end is on its way.
 * Returns the holds that it had, for the caller to leave: none or one. */
ULONG wsk_unwatch(struct wsk_socket *socket, struct transport_op *op, UCHAR *armed);

#endif
