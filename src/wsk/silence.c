/*
 * silence.c - SIO_WSK_SET_TCP_SILENT_MODE: a connection that sends nothing any more, not even at its end
 * (C-IOCTL-36..40).
 *
 * Every WskSend counts as sent before the peer has acknowledged it (--send-complete), and what is not acknowledged is
 * sent again: so the IRP waits for that.
 */
#include "wsk/wskp.h"

/* lock held: C-IOCTL-37. */
static BOOLEAN is_sending(const struct wsk_socket *socket)
{
    return !IsListEmpty(&socket->send.irps) || !IsListEmpty(&socket->send.wait) ||
           (socket->latches & WSK_LATCH_LOCAL_PENDING);
}

/* lock held: STATUS_DEVICE_BUSY while the transport is not done with what was sent. */
static NTSTATUS silence(struct wsk_socket *socket)
{
    NTSTATUS status;

    if (socket->latches & WSK_LATCH_RESET)
        return socket->death;
    if (is_sending(socket))
        return STATUS_INVALID_DEVICE_STATE;
    status = WSK_TRANSPORT_OPS->silence(socket->transport);
    if (status == STATUS_SUCCESS)
        socket->latches |=
            WSK_LATCH_SILENT | WSK_LATCH_LOCAL_PENDING; /* no send, no disconnect (C-IOCTL-38) */
    return status;
}

void wsk_silence_pump(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->silences)) {
        NTSTATUS status = silence(socket);

        if (status == STATUS_DEVICE_BUSY) {
            status = wsk_send_watch(socket, TRANSPORT_WATCH_ACKED);
            if (status == STATUS_PENDING)
                return;
            if (status == STATUS_SUCCESS)
                continue;
        }
        wsk_op_done(socket, wsk_irp_of_link(RemoveHeadList(&socket->silences)), status, 0);
    }
}

NTSTATUS wsk_silence(struct wsk_socket *socket, PIRP irp)
{
    NTSTATUS status = silence(socket);

    if (status != STATUS_DEVICE_BUSY)
        return status;
    if (wsk_op_pend(socket, irp, &socket->silences))
        wsk_silence_pump(socket);
    return STATUS_PENDING;
}

void wsk_silence_close(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->silences))
        wsk_op_done_by_close(socket, wsk_irp_of_link(RemoveHeadList(&socket->silences)));
}
