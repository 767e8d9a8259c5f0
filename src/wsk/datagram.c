/*
 * datagram.c - a datagram socket as the rest of WSK sees it: made, cancelled, closed, reported (datagram.h says
 * who does the work); and how a send or receive ends, which both directions have in common.
 */
#include "wsk/datagram.h"

NTSTATUS wsk_datagram_create(struct wsk_socket *socket)
{
    socket->datagram = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *socket->datagram, WSK_TAG_DATAGRAM);
    if (socket->datagram == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    wsk_datagram_send_initialize(socket);
    wsk_datagram_receive_initialize(socket);
    return STATUS_SUCCESS;
}

void wsk_datagram_cancel(struct wsk_socket *socket, PIRP Irp)
{
    if (wsk_op_of(Irp)->kind == WSK_OP_RECEIVE_FROM)
        wsk_datagram_receive_cancel(socket, Irp);
    else
        wsk_datagram_send_cancel(socket, Irp);
}

void wsk_datagram_close(struct wsk_socket *socket)
{
    wsk_datagram_receive_close(socket);
    wsk_datagram_send_close(socket);
}

BOOLEAN wsk_datagram_waits(const struct wsk_socket *socket)
{
    return IsListEmpty(&socket->datagram->receive.irps) && !IsListEmpty(&socket->datagram->receive.queue);
}

void wsk_datagram_fix(struct wsk_socket *socket, BOOLEAN receive_too, const struct transport_address *address)
{
    if (!receive_too) {
        socket->datagram->send_to = *address;
        return;
    }
    socket->datagram->fixed_remote = *address;
    wsk_datagram_sift(socket);
    wsk_datagram_pump(socket); /* the event waits for an empty queue */
}

BOOLEAN wsk_datagram_is_wanted(const struct wsk_socket *socket, const void *from)
{
    const struct transport_address *fixed = &socket->datagram->fixed_remote;
    const UCHAR *bytes = from;

    if (fixed->length == 0)
        return TRUE;
    if (fixed->family == AF_INET)
        return RtlEqualMemory(fixed->bytes, bytes, 8);
    return RtlEqualMemory(fixed->bytes, bytes, 4) && RtlEqualMemory(fixed->bytes + 8, bytes + 8, 16);
}

SIZE_T wsk_datagram_report(const struct wsk_socket *socket, void (*fn)(void *context, PIRP irp),
                           void *context)
{
    const struct wsk_datagram *datagram = socket->datagram;
    const LIST_ENTRY *link;

    for (link = datagram->receive.irps.Flink; link != &datagram->receive.irps; link = link->Flink)
        fn(context, wsk_irp_of_link((PLIST_ENTRY)link));
    for (link = datagram->send.irps.Flink; link != &datagram->send.irps; link = link->Flink)
        fn(context, wsk_irp_of_link((PLIST_ENTRY)link));
    return datagram->receive.retained_bytes;
}

/* ---- the end of a send or receive --------------------------------------------------------------------- */

void wsk_datagram_free_extra(PIRP irp)
{
    if (wsk_op_of(irp)->extra != NULL)
        ex_free_pool(wsk_op_of(irp)->extra);
}

void wsk_datagram_done(struct wsk_socket *socket, PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    wsk_datagram_free_extra(irp);
    wsk_op_done(socket, irp, status, information);
}

void wsk_datagram_end_by_close(struct wsk_socket *socket, PLIST_ENTRY irps)
{
    while (!IsListEmpty(irps)) {
        PIRP irp = wsk_irp_of_link(RemoveHeadList(irps));

        wsk_datagram_free_extra(irp);
        wsk_op_done_by_close(socket, irp);
    }
}

void wsk_datagram_ended(struct wsk_socket *socket, PLIST_ENTRY irps, NTSTATUS status, ULONG_PTR information)
{
    PIRP irp = wsk_irp_of_link(irps->Flink);
    UCHAR flags = wsk_op_of(irp)->flags;

    if (status != STATUS_SUCCESS && (flags & WSK_OP_BY_CLOSE)) {
        wsk_datagram_end_by_close(socket, irps);
        return;
    }
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    if (status == STATUS_SUCCESS) /* it won the race, whoever wanted its end (C-CLOSE-13) */
        wsk_datagram_done(socket, irp, status, information);
    else
        wsk_datagram_done(socket, irp, (flags & WSK_OP_CANCELLED) ? STATUS_CANCELLED : status, 0);
    if (flags & WSK_OP_BY_CLOSE)
        wsk_datagram_end_by_close(socket, irps); /* those behind it (D-06) */
}

BOOLEAN wsk_datagram_take_back(struct wsk_socket *socket, struct transport_datagram_op *op)
{
    if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &op->op))
        return FALSE;
    wsk_gate_leave(socket); /* not the last: the caller is inside the gate */
    return TRUE;
}
