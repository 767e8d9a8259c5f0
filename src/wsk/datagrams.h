/*
 * datagrams.h - what the rest of the room asks of datagram sockets; datagram.h is for datagram*.c and control_data.c alone.
 */
#ifndef UWSK_WSK_DATAGRAMS_H
#define UWSK_WSK_DATAGRAMS_H

#include "wsk/socket.h"

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

#endif
