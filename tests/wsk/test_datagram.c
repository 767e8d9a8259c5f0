/*
 * test_datagram.c - WskSendTo, WskSendMessages and WskReceiveFrom on a datagram socket, against a plain UDP socket
 * and against each other.
 */
#include "wsk_test.h"

#include "wsk/wskp.h"

WT_CALM_FIXTURE;

static PWSK_SOCKET socket;
static int port, peer, peer_port;
static SOCKADDR_STORAGE to_peer;

static void open_both(ADDRESS_FAMILY family)
{
    peer_port = 0;
    peer = peer_datagram(family == AF_INET ? PEER_INET : PEER_INET6, &peer_port);
    socket = wt_datagrams(family, NULL, NULL, &port);
    wt_loopback(&to_peer, family, peer_port);
}

static void close_both(void)
{
    wt_close_now(socket);
    peer_close(peer);
}

/* Sends `length` bytes of buffer and waits; the bytes sent. */
static ULONG_PTR send_now(struct wt_buffer *buffer, SIZE_T length, PSOCKADDR to)
{
    ULONG_PTR information;
    struct wt_op op;

    buffer->buf.Length = length;
    wt_op_init(&op);
    wt_send_to(socket, &op, &buffer->buf, to, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    information = op.information;
    wt_op_free(&op);
    return information;
}

TEST(a_datagram_each_way, "C-DATA-04 C-DATA-05 C-DATA-15 C-DATA-16 C-SOCK-11 R-SENDTO-06 R-RECVFROM-10 D-20")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        SOCKADDR_STORAGE from;
        struct wt_buffer buffer;
        struct wt_op op;
        char text[16];
        int whose;

        open_both(families[i]);
        wt_buffer_init(&buffer, 64);
        RtlCopyMemory(buffer.bytes, "question", 8);
        EXPECT_EQ(send_now(&buffer, 8, (PSOCKADDR)&to_peer), 8);
        EXPECT_EQ(peer_datagram_receive(peer, text, sizeof text, &whose, 5000), 8);
        EXPECT(RtlEqualMemory(text, "question", 8));
        EXPECT_EQ(whose, port);

        buffer.buf.Length = 64;
        RtlFillMemory(&from, sizeof from, 0xa5);
        wt_op_init(&op);
        EXPECT_STATUS(wt_receive_from(socket, &op, &buffer.buf, (PSOCKADDR)&from, NULL, NULL, NULL),
                      STATUS_PENDING);
        EXPECT(!wt_is_done(&op));
        peer_datagram_send(peer, port, "answer", 6);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 6);
        EXPECT(RtlEqualMemory(buffer.bytes, "answer", 6));
        EXPECT_EQ(from.ss_family, families[i]);
        EXPECT_EQ(wt_port(&from), peer_port);
        /* Not a byte behind the family's SOCKADDR. */
        EXPECT_EQ(((UCHAR *)&from)[families[i] == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6)],
                  0xa5);
        wt_op_free(&op);
        wt_buffer_free(&buffer);
        close_both();
    }
}

TEST(a_receive_takes_what_is_there_at_once, "R-RECVFROM-10 C-IRP-18 C-IRP-20 D-02")
{
    NTSTATUS expected = test_mode_has("always-pend") ? STATUS_PENDING : STATUS_SUCCESS;
    ULONG length = 7, flags = 77;
    SOCKADDR_STORAGE from;
    struct wt_buffer buffer;
    struct wt_op op;
    unsigned i;

    open_both(AF_INET);
    wt_buffer_init(&buffer, 4);
    wt_op_init(&op);
    for (i = 0; i < 2; i++) { /* with and without results that WSK remembers in memory of its own */
        peer_datagram_send(peer, port, "there", 4 + i);
        EXPECT_SOON(WSK_TRANSPORT_OPS->query(wsk_socket_of(socket)->transport, TRANSPORT_READABLE) == 4 + i);
        EXPECT_STATUS(wt_receive_from(socket, &op, &buffer.buf, (PSOCKADDR)&from, i == 0 ? &length : NULL,
                                      NULL, i == 0 ? &flags : NULL),
                      expected);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 4);
        EXPECT(RtlEqualMemory(buffer.bytes, "ther", 4));
        EXPECT_EQ(wt_port(&from), peer_port);
        EXPECT(length == 0 && flags == 0);
        wt_again(&op);
        if (expected == STATUS_PENDING)
            break; /* its lane may still be at work */
    }
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    close_both();
}

TEST(one_receive_takes_one_datagram, "C-DATA-16 C-DATA-18 R-RECVFROM-10 D-06")
{
    struct wt_buffer buffers[4];
    struct wt_op ops[4];
    unsigned i;

    open_both(AF_INET);
    for (i = 0; i < 4; i++) {
        wt_buffer_init(&buffers[i], 32);
        wt_op_init(&ops[i]);
        if (i < 2) /* two wait for what comes, two come when it is there */
            wt_receive_from(socket, &ops[i], &buffers[i].buf, NULL, NULL, NULL, NULL);
    }
    for (i = 0; i < 4; i++)
        peer_datagram_send(peer, port, "abcdefgh", i + 1);
    for (i = 2; i < 4; i++)
        wt_receive_from(socket, &ops[i], &buffers[i].buf, NULL, NULL, NULL, NULL);
    for (i = 0; i < 4; i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
        EXPECT_EQ(ops[i].information, i + 1);
        EXPECT(i == 0 || ops[i].order > ops[i - 1].order);
        wt_op_free(&ops[i]);
        wt_buffer_free(&buffers[i]);
    }
    close_both();
}

TEST(what_does_not_fit_is_cut_off, "R-RECVFROM-07 R-RECVFROM-09")
{
    struct wt_buffer buffer;
    struct wt_op op;
    ULONG flags = ~0u;

    open_both(AF_INET);
    wt_buffer_init(&buffer, 4);
    wt_op_init(&op);
    peer_datagram_send(peer, port, "0123456789", 10);
    peer_datagram_send(peer, port, "next", 4);
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, &flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 4);
    EXPECT_EQ(flags, MSG_TRUNC);
    EXPECT(RtlEqualMemory(buffer.bytes, "0123", 4));
    wt_again(&op); /* the rest of it is lost */
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, &flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 4);
    EXPECT_EQ(flags, 0);
    EXPECT(RtlEqualMemory(buffer.bytes, "next", 4));
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    close_both();
}

TEST(datagrams_of_every_size, "R-BUF-03 R-BUF-05 R-SENDTO-06 R-RECVFROM-10")
{
    static const ULONG sizes[] = {0, 1, 1471, 1473, 9000, 65507};
    struct wt_buffer out, in;
    struct wt_op op;
    unsigned i, at;

    open_both(AF_INET);
    wt_buffer_chain(&out, 66000, 1000); /* a chain of 66 MDLs */
    wt_buffer_chain(&in, 66000, 900);
    for (at = 0; at < out.size; at++)
        out.bytes[at] = (UCHAR)(at * 31 + at / 251);
    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(sizes); i++) {
        SOCKADDR_STORAGE self;

        EXPECT_EQ(send_now(&out, sizes[i], wt_loopback(&self, AF_INET, port)), sizes[i]);
        RtlZeroMemory(in.bytes, in.size);
        wt_receive_from(socket, &op, &in.buf, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, sizes[i]);
        EXPECT(RtlEqualMemory(in.bytes, out.bytes, sizes[i]));
        wt_again(&op);
    }
    out.buf.Length = 65508;
    wt_send_to(socket, &op, &out.buf, (PSOCKADDR)&to_peer, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_BUFFER_SIZE);
    wt_op_free(&op);
    wt_buffer_free(&out);
    wt_buffer_free(&in);
    close_both();
}

TEST(a_list_of_datagrams, "R-SENDMSGS-02 R-SENDMSGS-06 R-BUF-02")
{
    enum { COUNT = 100 };
    static WSK_BUF_LIST list[COUNT];
    struct wt_buffer buffer;
    struct wt_op op;
    unsigned i, total = 0;

    open_both(AF_INET);
    wt_buffer_init(&buffer, 512);
    for (i = 0; i < COUNT; i++) {
        list[i].Next = i + 1 < COUNT ? &list[i + 1] : NULL;
        list[i].Buffer = buffer.buf;
        list[i].Buffer.Offset = i;
        list[i].Buffer.Length = i % 7 * 30;
        total += (ULONG)list[i].Buffer.Length;
    }
    for (i = 0; i < buffer.size; i++)
        buffer.bytes[i] = (UCHAR)i;
    wt_op_init(&op);
    wt_send_messages(socket, &op, list, (PSOCKADDR)&to_peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, total);
    for (i = 0; i < COUNT; i++) {
        UCHAR bytes[512];

        EXPECT_EQ(peer_datagram_receive(peer, bytes, sizeof bytes, NULL, 5000), (long)list[i].Buffer.Length);
        EXPECT(RtlEqualMemory(bytes, buffer.bytes + i, list[i].Buffer.Length));
    }
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    close_both();
}

/* The beginning of an address alone in its memory: nothing behind it is looked at (C-IOCTL-30). */
static void fix_too_short(ULONG size)
{
    struct wt_buffer part;
    struct wt_op op;

    wt_buffer_init(&part, size);
    RtlCopyMemory(part.bytes, &to_peer, size);
    wt_op_init(&op);
    wt_control(socket, &op, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, size, part.bytes, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&part);
}

TEST(a_fixed_remote_address, "C-IOCTL-28 C-IOCTL-29 C-IOCTL-31 R-RECVFROM-11 R-SENDTO-04 C-DATA-05")
{
    int stranger_port = 0, stranger = peer_datagram(PEER_INET, &stranger_port);
    struct wt_buffer buffer;
    struct wt_op op, control;
    char text[16];

    open_both(AF_INET);
    wt_buffer_init(&buffer, 16);
    wt_op_init(&op);
    wt_op_init(&control);
    fix_too_short(sizeof(ADDRESS_FAMILY));
    fix_too_short(sizeof(SOCKADDR_IN) - 1);
    wt_control(socket, &control, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, sizeof(SOCKADDR_IN), &to_peer, 0,
               NULL);
    EXPECT_STATUS(wt_wait(&control), STATUS_SUCCESS);
    EXPECT_EQ(send_now(&buffer, 3, NULL), 3);
    EXPECT_EQ(peer_datagram_receive(peer, text, sizeof text, NULL, 5000), 3);

    buffer.buf.Length = 16;
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, NULL);
    peer_datagram_send(stranger, port, "stranger", 8);
    peer_datagram_send(peer, port, "peer", 4);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 4); /* the stranger's was discarded */

    wt_again(&control); /* cleared: everyone again, and no place to send to */
    wt_control(socket, &control, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, 0, NULL, 0, NULL);
    EXPECT_STATUS(wt_wait(&control), STATUS_SUCCESS);
    wt_again(&op);
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, NULL);
    peer_datagram_send(stranger, port, "stranger", 8);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 8);
    wt_again(&op);
    EXPECT_STATUS(wt_send_to(socket, &op, &buffer.buf, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_op_free(&control);
    wt_buffer_free(&buffer);
    close_both();
    peer_close(stranger);
}

TEST(a_fixed_destination, "C-IOCTL-32 C-IOCTL-33 C-IOCTL-35 R-SENDTO-04")
{
    int other_port = 0, other = peer_datagram(PEER_INET, &other_port);
    SOCKADDR_STORAGE to_other;
    struct wt_buffer buffer;
    struct wt_op op;
    char text[16];

    open_both(AF_INET);
    wt_buffer_init(&buffer, 16);
    wt_op_init(&op);
    wt_control(socket, &op, WskIoctl, SIO_WSK_SET_SENDTO_ADDRESS, 0, sizeof(SOCKADDR_IN), &to_peer, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(send_now(&buffer, 3, NULL), 3);
    EXPECT_EQ(peer_datagram_receive(peer, text, sizeof text, NULL, 5000), 3);
    EXPECT_EQ(send_now(&buffer, 5, wt_loopback(&to_other, AF_INET, other_port)), 5);
    EXPECT_EQ(peer_datagram_receive(other, text, sizeof text, NULL, 5000), 5);
    wt_again(&op); /* everybody is still heard */
    buffer.buf.Length = 16;
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, NULL);
    peer_datagram_send(other, port, "other", 5);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 5);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    close_both();
    peer_close(other);
}

TEST(what_a_datagram_call_refuses,
     "R-SENDTO-02 R-SENDTO-05 R-RECVFROM-02 R-SENDMSGS-03 R-SENDMSGS-07 C-SOCK-11")
{
    PWSK_SOCKET unbound = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE v6;
    struct wt_buffer buffer;
    struct wt_op op;
    CMSGHDR control = {.cmsg_len = 3};

    open_both(AF_INET);
    wt_buffer_init(&buffer, 16);
    wt_op_init(&op);
    EXPECT_STATUS(wt_send_to(unbound, &op, &buffer.buf, (PSOCKADDR)&to_peer, 0, NULL),
                  STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_receive_from(unbound, &op, &buffer.buf, NULL, NULL, NULL, NULL),
                  STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_send_to(socket, &op, &buffer.buf, wt_loopback(&v6, AF_INET6, 1), 0, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_send_to(socket, &op, &buffer.buf, (PSOCKADDR)&to_peer, sizeof control, &control),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_send_to(socket, &op, NULL, (PSOCKADDR)&to_peer, 0, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_send_messages(socket, &op, NULL, (PSOCKADDR)&to_peer), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, wt_datagram(socket)->WskSendTo(socket, &buffer.buf, 1, (PSOCKADDR)&to_peer,
                                                                  0, NULL, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, wt_datagram(socket)->WskReceiveFrom(socket, &buffer.buf, 1, NULL, NULL,
                                                                       NULL, NULL, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(unbound);
    close_both();
}

/* ---- cancel and close --------------------------------------------------------------------------------- */

TEST(pending_receives_are_cancelled, "D-16 K-CANCEL-08")
{
    struct wt_buffer buffer;
    struct wt_op ops[3];
    unsigned i;

    open_both(AF_INET);
    wt_buffer_init(&buffer, 16);
    for (i = 0; i < 3; i++) {
        wt_op_init(&ops[i]);
        wt_receive_from(socket, &ops[i], &buffer.buf, NULL, NULL, NULL, NULL);
    }
    EXPECT(IoCancelIrp(ops[1].irp)); /* behind the first */
    EXPECT_STATUS(wt_wait(&ops[1]), STATUS_CANCELLED);
    EXPECT(IoCancelIrp(ops[0].irp)); /* inside the transport */
    EXPECT_STATUS(wt_wait(&ops[0]), STATUS_CANCELLED);
    EXPECT(!wt_is_done(&ops[2]));
    peer_datagram_send(peer, port, "for the third", 13);
    EXPECT_STATUS(wt_wait(&ops[2]), STATUS_SUCCESS);
    EXPECT_EQ(ops[2].information, 13);
    for (i = 0; i < 3; i++)
        wt_op_free(&ops[i]);
    wt_buffer_free(&buffer);
    close_both();
}

TEST(close_ends_pending_receives, "C-CLOSE-11 C-CLOSE-13 C-CLOSE-14 C-CLOSE-45 D-06")
{
    SOCKADDR_STORAGE address;
    struct wt_buffer buffer;
    struct wt_op ops[8], close;
    unsigned i;

    open_both(AF_INET);
    wt_buffer_init(&buffer, 16);
    for (i = 0; i < 8; i++) {
        wt_op_init(&ops[i]);
        wt_receive_from(socket, &ops[i], &buffer.buf, NULL, NULL, NULL, NULL);
    }
    wt_op_init(&close);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    for (i = 0; i < 8; i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_CANCELLED);
        EXPECT_EQ(ops[i].information, 0);
        EXPECT(ops[i].order < close.order);
        EXPECT(i == 0 || ops[i].order > ops[i - 1].order);
        wt_op_free(&ops[i]);
    }
    /* The port is free again. */
    socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    wt_again(&close);
    wt_bind(socket, &close, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
    close_both();
}
