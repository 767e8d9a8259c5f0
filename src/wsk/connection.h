/*
 * connection.h - a connection: how it begins (connection.c), its two queues (receive.c and indicate.c; send.c and disconnect.c),
 * the ideal backlog (backlog.c), silence (silence.c).
 */
#ifndef UWSK_WSK_CONNECTION_H
#define UWSK_WSK_CONNECTION_H

#include "wsk/deliver.h"
#include "wsk/op.h"

/* ---- bind and connect (connection.c) ---------------------------------------------------------------------------- */

NTSTATUS WSKAPI wsk_bind(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp);
NTSTATUS wsk_bind_now(struct wsk_socket *socket, const struct transport_address *local); /* lock held */
NTSTATUS WSKAPI wsk_connect(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp);
NTSTATUS WSKAPI wsk_connect_ex(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PWSK_BUF Buffer, ULONG Flags,
                               PIRP Irp);
void wsk_connection_initialize(struct wsk_socket *socket);
void wsk_connection_close(struct wsk_socket *socket);         /* lock held: the pending connect */
void wsk_connect_cancel(struct wsk_socket *socket, PIRP Irp); /* lock held: IoCancelIrp */
/* lock held, bound: starts the connect for an IRP that holds the gate (WskConnect, WskConnectEx,
 * WskSocketConnect). */
NTSTATUS wsk_connect_start(struct wsk_socket *socket, const struct transport_address *remote, PIRP Irp,
                           KIRQL irql);

/* ---- receive.c -------------------------------------------------------------------------------------------------- */

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
/* lock held: a WskReceive's routine has returned (H-05) */
void wsk_receive_completed(struct wsk_socket *socket);
void wsk_receive_start(struct wsk_socket *socket); /* lock held: the connection exists now */
void wsk_receive_pump(struct wsk_socket *socket);  /* lock held: serve, arm, or take back what is armed */
/* lock held: steps 2 and 3 of close for this direction; returns the holds of what was taken back, for the caller to
 * leave. */
ULONG wsk_receive_close(struct wsk_socket *socket);
BOOLEAN wsk_receive_drained(struct wsk_socket *socket); /* lock held: nothing before the peer's FIN is left */

/* ---- indicate.c ------------------------------------------------------------------------------------------------- */

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

/* ---- send.c, disconnect.c --------------------------------------------------------------------------------------- */

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

/* ---- backlog.c -------------------------------------------------------------------------------------------------- */

/* Lock held. */
SIZE_T wsk_backlog_query(struct wsk_socket *socket);               /* of a connection; 0 = unknown */
void wsk_backlog_look(struct wsk_socket *socket);                  /* sends have completed */
void wsk_backlog_indicate(struct wsk_socket *socket, PKIRQL irql); /* like wsk_receive_indicate */

/* ---- silence.c -------------------------------------------------------------------------------------------------- */

/* Lock held. */
NTSTATUS wsk_silence(struct wsk_socket *socket,
                     PIRP irp);                   /* STATUS_PENDING: the IRP is in socket->silences */
void wsk_silence_pump(struct wsk_socket *socket); /* what was sent may be acknowledged */
void wsk_silence_close(struct wsk_socket *socket);

#endif
