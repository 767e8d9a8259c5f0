/*
 * datagram.h - what the files of datagram sockets share (areas SENDTO, SENDMSGS, RECVFROM, RFEV).
 *
 * datagram.c          the whole, as the rest of WSK sees it; how a send or receive ends
 * datagram_send.c     WskSendTo, WskSendMessages: one queue, at most one of them inside the transport
 * datagram_receive.c  WskReceiveFrom and the event: who gets the next datagram
 * datagram_indicate.c datagrams that stand in memory of ours: the queue, WskReceiveFromEvent, WskRelease
 * control_data.c      control information in Windows' layout and in the transport's
 *
 * Everything here is guarded by socket->lock.
 */
#ifndef UWSK_WSK_DATAGRAM_H
#define UWSK_WSK_DATAGRAM_H

#include "wsk/wskp.h"

enum wsk_datagram_held { DATAGRAM_HELD_NONE, DATAGRAM_HELD_IRP, DATAGRAM_HELD_EVENT };

#define WSK_DATAGRAM_BATCH   32u /* datagrams that the transport brings at a time for the event */
#define WSK_DATAGRAM_BUCKETS 64u

/* One datagram in memory of ours, in one piece: this, its MDL, control information and bytes. */
struct wsk_datagram_indication {
    WSK_DATAGRAM_INDICATION public; /* first: what the driver sees.  No link of ours lives in Next (D-14). */
    LIST_ENTRY link;                /* queue, shown or retained; client->orphan_datagrams */
    LIST_ENTRY bucket;              /* shown or retained: to find it again by its address */
    ULONG kind;                     /* MSG_BCAST, MSG_MCAST or 0 */
    BOOLEAN retained;
    SIZE_T size; /* of the whole */
    SOCKADDR_IN6 remote;
    MDL mdl;
};

struct wsk_datagram {    /* of each datagram socket: what only they need */
    struct {             /* datagram_send.c */
        LIST_ENTRY irps; /* not wholly handed over, in order; the first may be inside the transport */
        BOOLEAN held;    /* it is */
        PIRP current;    /* whose datagrams the op hands over */
        struct transport_datagram_op op;
        PWSK_BUF_LIST at; /* WskSendMessages: the element of `index`, where the transport looked last */
        size_t index;
    } send;

    struct { /* datagram_receive.c, datagram_indicate.c */
        LIST_ENTRY irps;
        UCHAR held; /* what the op works for: enum wsk_datagram_held */
        BOOLEAN indicating;
        PIRP current;
        struct transport_datagram_op op;
        LIST_ENTRY queue;    /* not accepted by anyone, in order of arrival */
        LIST_ENTRY shown;    /* WskReceiveFromEvent looks at them */
        LIST_ENTRY retained; /* the client kept them (STATUS_PENDING) */
        SIZE_T retained_bytes;
        LIST_ENTRY buckets[WSK_DATAGRAM_BUCKETS];
    } receive;

    struct transport_address fixed_remote; /* SIO_WSK_SET_REMOTE_ADDRESS, length 0 = none */
    struct transport_address send_to;      /* SIO_WSK_SET_SENDTO_ADDRESS */
};

/* A WskReceiveFrom that wants more than bytes and an address: in wsk_op.extra, from the pool. */
struct wsk_control_wanted {
    PULONG length; /* in: the room in info; out: what was there.  NULL = info is ignored (R-RECVFROM-05) */
    PCMSGHDR info;
    ULONG capacity; /* of info; 0 when there is none */
    PULONG flags;
};

/* datagram.c: lock held */
/* From a SOCKADDR of the socket's family: with a fixed remote address the others' datagrams are discarded
 * (R-RECVFROM-11).  Family, port and address count, not a flow label. */
BOOLEAN wsk_datagram_is_wanted(const struct wsk_socket *socket, const void *from);
/* Frees what the IRP has in wsk_op.extra: its result is to take that place. */
void wsk_datagram_free_extra(PIRP irp);
void wsk_datagram_done(struct wsk_socket *socket, PIRP irp, NTSTATUS status, ULONG_PTR information);
/* The transport has ended what it did for the first of `irps`: so does that, and when close wanted its end those
 * behind it, too. */
void wsk_datagram_ended(struct wsk_socket *socket, PLIST_ENTRY irps, NTSTATUS status, ULONG_PTR information);
void wsk_datagram_end_by_close(struct wsk_socket *socket, PLIST_ENTRY irps); /* all of them */
/* Takes it out of the transport.  FALSE: its completion is on its way. */
BOOLEAN wsk_datagram_take_back(struct wsk_socket *socket, struct transport_datagram_op *op);

/* datagram_receive.c */
void wsk_datagram_receive_initialize(struct wsk_socket *socket);
void wsk_datagram_receive_cancel(struct wsk_socket *socket, PIRP Irp);
void wsk_datagram_receive_close(struct wsk_socket *socket); /* lock held: steps 2 and 3 of close */

/* datagram_send.c */
void wsk_datagram_send_initialize(struct wsk_socket *socket);
void wsk_datagram_send_cancel(struct wsk_socket *socket, PIRP Irp);
void wsk_datagram_send_close(struct wsk_socket *socket); /* lock held */

/* datagram_indicate.c */
/* lock held: keeps a copy of what arrived at the end of the queue; without memory it is lost, as datagrams are. */
void wsk_datagram_keep(struct wsk_socket *socket, const struct transport_received *received);
/* lock held: the first of the queue, or NULL; it is freed by wsk_datagram_drop. */
struct wsk_datagram_indication *wsk_datagram_first(struct wsk_socket *socket);
void wsk_datagram_drop(struct wsk_datagram_indication *first);
/* lock held: drops those of the queue that are not wanted any more. */
void wsk_datagram_sift(struct wsk_socket *socket);
/* lock held: does the client keep so little that the transport may fetch more for the event? */
BOOLEAN wsk_datagram_has_room(const struct wsk_socket *socket);

/* control_data.c */
#define WSK_CONTROL_MOST 160 /* bytes of control information that one datagram can have */
/* The driver's control objects as what `about` wants.  STATUS_INVALID_PARAMETER: their layout is broken or their
 * size wrong; STATUS_NOT_SUPPORTED: a type that nobody knows. */
NTSTATUS wsk_control_in(const struct wsk_socket *socket, const CMSGHDR *info, ULONG length,
                        struct transport_datagram *about);
/* What the socket's options ask for of a received datagram; returns its size, 0 = none. */
ULONG wsk_control_out(const struct wsk_socket *socket, const struct transport_datagram *about,
                      UCHAR out[WSK_CONTROL_MOST]);
/* MSG_BCAST, MSG_MCAST or 0. */
ULONG wsk_datagram_kind(const struct transport_datagram *about);

#endif
