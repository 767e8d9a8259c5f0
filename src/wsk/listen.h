/*
 * listen.h - a listener: what it accepts (listen.c), asks about first (inspect.c), and tries again later (starved.c, of event
 * receives, too).
 */
#ifndef UWSK_WSK_LISTEN_H
#define UWSK_WSK_LISTEN_H

#include "wsk/deliver.h"

NTSTATUS WSKAPI wsk_accept(PWSK_SOCKET ListenSocket, ULONG Flags, PVOID AcceptSocketContext,
                           const WSK_CLIENT_CONNECTION_DISPATCH *AcceptSocketDispatch, PSOCKADDR LocalAddress,
                           PSOCKADDR RemoteAddress, PIRP Irp);
NTSTATUS WSKAPI wsk_listen(PWSK_SOCKET Socket, PIRP Irp);
void wsk_listen_initialize(struct wsk_socket *socket);
NTSTATUS wsk_listen_start(struct wsk_socket *socket); /* lock held, bound */
void wsk_listen_pump(struct wsk_socket *socket);
void wsk_listen_close(struct wsk_socket *socket, PLIST_ENTRY dropped);
/* like wsk_receive_indicate */
void wsk_listen_indicate(struct wsk_socket *socket, PKIRQL irql);

/* ---- conditional mode (inspect.c) ------------------------------------------------------------------------------- */

/* The lock of the listener is held, unless it says otherwise. */
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

/* ---- starved.c -------------------------------------------------------------------------------------------------- */

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

#endif
