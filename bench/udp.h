/*
 * udp.h - what the UDP load and its peers agree on, and datagrams in batches.
 *
 * echo:   every datagram comes back.
 * sink:   counts datagrams; one of UDP_ASK bytes is not counted but answered with the count.
 * source: a datagram of UDP_ASK bytes is answered with UDP_BURST datagrams of UDP_BYTES.
 */
#ifndef UWSK_BENCH_UDP_H
#define UWSK_BENCH_UDP_H

#include "net.h"

#include <netinet/udp.h>
#include <stdbool.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { UDP_ASK = 8, UDP_BURST = 256, UDP_LIST = 32, UDP_BYTES = 64, UDP_LARGE = 65536 };

/* Up to UDP_LIST datagrams of one system call, or as many that the kernel has put together. */
struct udp_batch {
    struct mmsghdr headers[UDP_LIST];
    struct iovec parts[UDP_LIST];
    struct sockaddr_in names[UDP_LIST];
    _Alignas(struct cmsghdr) char control[UDP_LIST][64];
    char *data;
    size_t room; /* of each */
    bool large;
};

static inline void udp_batch_init(struct udp_batch *batch, bool large)
{
    batch->large = large;
    batch->room = large ? UDP_LARGE : 2048;
    batch->data = calloc(UDP_LIST, batch->room);
    if (!batch->data)
        die("calloc");
}

/* recvmmsg(): how many; -1 with errno. */
static inline int udp_receive(int fd, struct udp_batch *batch, int flags)
{
    for (int i = 0; i < UDP_LIST; i++) {
        batch->parts[i] =
            (struct iovec){.iov_base = batch->data + (size_t)i * batch->room, .iov_len = batch->room};
        batch->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &batch->names[i],
                            .msg_namelen = sizeof batch->names[i],
                            .msg_iov = &batch->parts[i],
                            .msg_iovlen = 1,
                            .msg_control = batch->large ? batch->control[i] : NULL,
                            .msg_controllen = batch->large ? sizeof batch->control[i] : 0};
    }
    return recvmmsg(fd, batch->headers, UDP_LIST, flags, NULL);
}

/* How long the datagrams are that element `i` is made of; its own length when it is one. */
static inline size_t udp_segment(struct udp_batch *batch, int i)
{
    struct msghdr *message = &batch->headers[i].msg_hdr;
    size_t length = batch->headers[i].msg_len;

    for (struct cmsghdr *c = batch->large ? CMSG_FIRSTHDR(message) : NULL; c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;

            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            return (size_t)segment;
        }
    return length;
}

/* Has the kernel cut what the message holds. */
static inline void udp_cut(struct msghdr *message, char *control, size_t segment)
{
    uint16_t size = (uint16_t)segment;
    struct cmsghdr *c = (struct cmsghdr *)control;

    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof size);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(c), &size, sizeof size);
}

/* Sends `count` of the elements, whatever it takes; what the network refuses is lost. */
static inline void udp_send(int fd, struct mmsghdr *headers, int count)
{
    for (int at = 0, sent; at < count; at += sent) {
        sent = sendmmsg(fd, headers + at, (unsigned)(count - at), 0);
        if (sent < 0)
            sent = errno == EINTR ? 0 : 1;
    }
}

static inline void udp_coalesce(int fd)
{
    int on = 1;

    CHECK(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on));
}

#endif
