/*
 * datagram_box.h - one bound datagram socket with everything on it, and a plain UDP socket at the other end: what the
 * races of datagrams share.
 *
 * Datagrams are numbered by their first byte, so that each can be told to have been seen once and in order.
 */
#ifndef WSK_DATAGRAM_BOX_H
#define WSK_DATAGRAM_BOX_H

#include "../close/close_race.h"
#include "wsk/wskp.h"

enum { BOX_MOST = 64, BOX_BYTES = 40 };

/* A number read while callbacks change it. */
static inline LONG box_read(const volatile LONG *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

struct box {
    PWSK_SOCKET socket;
    int port, peer, peer_port;
    SOCKADDR_STORAGE to_peer, from;
    struct wt_buffer in, more, out;
    struct wt_op receive, second, send, close;
    ULONG control_length, control_flags;
    UCHAR control[160];
    unsigned sent; /* by the peer: numbers 0 to sent - 1 */
    NTSTATUS answer;
    volatile LONG running, calls, datagrams, kept_count;
    volatile LONG closed, late; /* the close IRP's routine has run; callbacks that began after it */
    UCHAR numbers[BOX_MOST];    /* in the order of their coming */
    PWSK_DATAGRAM_INDICATION kept[BOX_MOST];
    void (*inside)(struct box *box); /* runs in the callback, before what it keeps is published */
};

static inline void box_look(struct box *box, PWSK_DATAGRAM_INDICATION list)
{
    for (; list != NULL; list = list->Next) {
        PUCHAR bytes = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);

        EXPECT_EQ(list->Buffer.Length, BOX_BYTES);
        EXPECT(box->datagrams < BOX_MOST);
        box->numbers[box->datagrams] = bytes[list->Buffer.Offset];
        InterlockedIncrement(&box->datagrams);
    }
}

static inline NTSTATUS WSKAPI box_event(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION list)
{
    struct box *box = SocketContext;
    NTSTATUS answer = ReadAcquire((volatile LONG *)&box->answer);

    EXPECT_EQ((Flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT_EQ(InterlockedIncrement(&box->running), 1); /* D-12 */
    if (ReadAcquire(&box->closed))
        InterlockedIncrement(&box->late); /* C-CLOSE-18 */
    InterlockedIncrement(&box->calls);
    if (answer != STATUS_DATA_NOT_ACCEPTED)
        box_look(box, list);
    if (box->inside != NULL)
        box->inside(box);
    while (answer == STATUS_PENDING && list != NULL) { /* unlinked: whoever finds it may release it at once */
        PWSK_DATAGRAM_INDICATION next = list->Next;

        list->Next = NULL;
        EXPECT(box->kept_count < BOX_MOST);
        box->kept[box->kept_count] = list;
        InterlockedIncrement(&box->kept_count);
        list = next;
    }
    spin(100);
    if (ReadAcquire(&box->closed))
        InterlockedIncrement(&box->late); /* C-CLOSE-17 */
    InterlockedDecrement(&box->running);
    return answer;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH box_dispatch = {box_event};

static inline void box_closed(struct wt_op *op)
{
    struct box *box = op->context;
    int port = box->port, again = peer_datagram(PEER_INET, &port); /* C-CLOSE-45: the port is free by now */

    peer_close(again);
    InterlockedExchange(&box->closed, 1);
}

static inline void box_open(struct box *box, NTSTATUS answer, BOOLEAN event)
{
    RtlZeroMemory(box, sizeof *box);
    box->answer = answer;
    box->peer = peer_datagram(PEER_INET, &box->peer_port);
    wt_loopback(&box->to_peer, AF_INET, box->peer_port);
    box->socket = wt_datagrams(AF_INET, box, &box_dispatch, &box->port);
    wt_buffer_init(&box->in, BOX_BYTES);
    wt_buffer_init(&box->more, BOX_BYTES);
    wt_buffer_init(&box->out, BOX_BYTES);
    RtlFillMemory(box->out.bytes, BOX_BYTES, 'x');
    wt_op_init(&box->receive);
    wt_op_init(&box->second);
    wt_op_init(&box->send);
    wt_op_init(&box->close);
    box->close.hook = box_closed;
    box->close.context = box;
    if (event)
        EXPECT_STATUS(wt_events(box->socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
}

static inline void box_close(struct box *box)
{
    wt_close(box->socket, &box->close);
}

/* Closed. */
static inline void box_free(struct box *box)
{
    EXPECT_EQ(ReadAcquire(&box->late), 0);
    peer_close(box->peer);
    wt_op_free(&box->receive);
    wt_op_free(&box->second);
    wt_op_free(&box->send);
    wt_op_free(&box->close);
    wt_buffer_free(&box->in);
    wt_buffer_free(&box->more);
    wt_buffer_free(&box->out);
}

/* Closed by now, or being closed: ends the round. */
static inline void box_end(struct box *box)
{
    EXPECT_STATUS(wt_wait(&box->close), STATUS_SUCCESS);
    box_free(box);
}

static inline void box_peer_sends(struct box *box, unsigned count)
{
    UCHAR bytes[BOX_BYTES] = {0};

    while (count-- != 0) {
        bytes[0] = (UCHAR)box->sent++;
        peer_datagram_send(box->peer, box->port, bytes, sizeof bytes);
    }
}

/* With all that can be asked for: then the request has memory of its own inside WSK. */
static inline void box_receive(struct box *box, struct wt_op *op, struct wt_buffer *buffer)
{
    box->control_length = sizeof box->control;
    wt_receive_from(box->socket, op, &buffer->buf, (PSOCKADDR)&box->from, &box->control_length,
                    (PCMSGHDR)box->control, &box->control_flags);
}

/* Ended by IoCancelIrp, or with a datagram: its number then, else -1. */
static inline int box_received(struct wt_op *op, const struct wt_buffer *buffer)
{
    if (wt_wait(op) == STATUS_CANCELLED) {
        EXPECT_EQ(op->information, 0);
        return -1;
    }
    EXPECT_STATUS(op->status, STATUS_SUCCESS);
    EXPECT_EQ(op->information, BOX_BYTES);
    return buffer->bytes[0];
}

/* ---- sends that are on their way for a while ---------------------------------------------------------- */

static struct transport_ops box_ops;
static const struct transport_ops *box_below;

static inline int32_t box_send_to(struct transport_socket *socket, struct transport_datagram_op *op)
{
    op->op.flags = TRANSPORT_NO_INLINE;
    return box_below->send_to(socket, op);
}

/* From here on no send ends inside its call.  Before the first socket. */
static inline void box_slow_sends(void)
{
    if (box_below != NULL)
        return;
    box_below = wsk_settings.ops;
    box_ops = *box_below;
    box_ops.send_to = box_send_to;
    wsk_settings.ops = &box_ops;
}

/* How many datagrams the other end has got. */
static inline unsigned box_peer_received(struct box *box)
{
    unsigned count = 0;
    UCHAR bytes[BOX_BYTES];

    while (peer_datagram_receive(box->peer, bytes, sizeof bytes, NULL, 0) >= 0)
        count++;
    return count;
}

#endif
