/*
 * message.c - control information of datagrams in both directions: what WskSendTo is given, and what WskReceiveFrom
 * has room for.  The socket sends to itself.
 */
#include "fuzz.h"

static void set(PWSK_SOCKET socket, ULONG level, ULONG name)
{
    struct wt_op *op = fuzz_op();
    ULONG on = 1;

    wt_control(socket, op, WskSetOption, name, level, sizeof on, &on, 0, NULL);
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
}

static void wants(PWSK_SOCKET socket, ADDRESS_FAMILY family, UCHAR which)
{
    BOOLEAN six = family == AF_INET6;

    if (which & 1)
        set(socket, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_PKTINFO : IP_PKTINFO);
    if (which & 2)
        set(socket, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_HOPLIMIT : IP_RECVTTL);
    if (which & 4)
        set(socket, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVTCLASS : IP_RECVTOS);
}

/* What came lies inside what there was room for, and can be walked: only the last object is cut, and it is said
 * (R-RECVFROM-09). */
static void walk(PCMSGHDR info, ULONG length, ULONG room, ULONG flags)
{
    ULONG at = 0;

    EXPECT(length <= room);
    while (length - at >= sizeof *info) {
        PCMSGHDR object = (PCMSGHDR)((PUCHAR)info + at);

        EXPECT(object->cmsg_len >= sizeof *object);
        EXPECT(object->cmsg_len <= length - at || flags & MSG_CTRUNC);
        if (WSA_CMSGDATA_ALIGN(object->cmsg_len) >= length - at)
            return;
        at += (ULONG)WSA_CMSGDATA_ALIGN(object->cmsg_len);
    }
}

void fuzz_one(struct fuzz *fuzz)
{
    UCHAR how = fuzz_u8(fuzz);
    ADDRESS_FAMILY family = how & 1 ? AF_INET6 : AF_INET;
    ULONG room = fuzz_u8(fuzz), length = fuzz_u8(fuzz), got = room, flags = 0;
    PCMSGHDR wanted = fuzz_block(&(struct fuzz){NULL, 0}, room), given;
    SOCKADDR_STORAGE from, to;
    struct wt_buffer out, in;
    struct wt_op *send = fuzz_op(), *receive = fuzz_op();
    PWSK_SOCKET socket;
    int port;

    if (length > fuzz->left)
        length = (ULONG)fuzz->left;
    given = fuzz_block(fuzz, length);
    wt_buffer_init(&out, 1 + (how & 2));
    wt_buffer_init(&in, 1);
    socket = wt_datagrams(family, NULL, NULL, &port);
    wants(socket, family, how >> 3);
    wt_receive_from(socket, receive, &in.buf, (PSOCKADDR)&from, room ? &got : NULL, wanted, &flags);
    wt_send_to(socket, send, &out.buf, wt_loopback(&to, family, port), length, given);
    fuzz_wait(send); /* what is sent elsewhere does not come: the close ends the receive */
    wt_close_now(socket);
    if (NT_SUCCESS(fuzz_wait(receive)) && room != 0)
        walk(wanted, got, room, flags);
    wt_buffer_free(&out);
    wt_buffer_free(&in);
    fuzz_free(wanted);
    fuzz_free(given);
}
