/*
 * statistics.h - counters of a socket that is registered for that extension (statistics.c).
 */
#ifndef UWSK_WSK_STATISTICS_H
#define UWSK_WSK_STATISTICS_H

#include "wsk/socket.h"

/* Of a socket that has `counted` set. */
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

#endif
