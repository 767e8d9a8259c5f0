/*
 * control.h - what the files behind WskControlSocket share: control.c (the entry), option.c (options), ioctl.c
 * (ioctls).
 */
#ifndef UWSK_WSK_CONTROL_H
#define UWSK_WSK_CONTROL_H

#include "wsk/wskp.h"

/* Whose options and ioctls they are. */
#define ON(category) (1u << (category))
#define CONNECTIONS  (ON(WSK_CONNECTION) | ON(WSK_STREAM))
#define OF_STREAMS   (ON(WSK_LISTEN) | CONNECTIONS)

struct control {
    WSK_CONTROL_SOCKET_TYPE type;
    ULONG code;
    ULONG level;
    SIZE_T input_size;
    PVOID input; /* NULL when the size is 0, and the other way round; output likewise */
    SIZE_T output_size;
    PVOID output;
    PIRP irp;
};

/* socket->lock held: does a set or get; *size = bytes written to the output. */
NTSTATUS wsk_option_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size);
/* The same for an ioctl; *size also tells how much would be needed (STATUS_BUFFER_OVERFLOW). STATUS_PENDING: the IRP
 * is in a queue of the socket. */
NTSTATUS wsk_ioctl_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size);
/* statistics.c: SIO_WSK_REGISTER_EXTENSION; the sizes and the absence of an IRP were checked. */
NTSTATUS wsk_extension_register(struct wsk_socket *socket, const struct control *control, SIZE_T *size);

#endif
