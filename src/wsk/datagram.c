/*
 * datagram.c - a datagram socket as the rest of WSK sees it: made, cancelled, closed, reported (datagram.h says
 * who does the work).
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

void wsk_datagram_pump(struct wsk_socket *socket)
{
    wsk_datagram_receive_pump(socket);
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
    if (receive_too)
        socket->datagram->fixed_remote = *address;
    else
        socket->datagram->send_to = *address;
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
