/*
 * datagram_receive.c - receiving datagrams: one into the owner's memory, or a batch into the loop's.  Everything runs
 * under socket->lock.
 *
 * An error that the kernel tells of a datagram sent earlier (an ICMP message) is taken away by the call that reports
 * it: that call is made again.  With TRANSPORT_OPTION_RECEIVE_ERRORS what ICMP has said goes before the datagrams.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <linux/errqueue.h>
#include <ntstatus.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    RECEIVE_BATCH = 32,   /* datagrams in one system call */
    RECEIVE_SMALL = 2048, /* what most datagrams fit into */
    RECEIVE_LARGE = 65536,
    RECEIVE_CONTROL = 256
};

/* ---- receive: what is told ---------------------------------------------------------------------------- */

static void local_from_v4(const struct transport_socket *socket, struct in_addr v4,
                          struct transport_address *out)
{
    if (socket->family == TRANSPORT_AF_INET) {
        *out = (struct transport_address){.length = sizeof(struct sockaddr_in), .family = TRANSPORT_AF_INET};
        memcpy(out->bytes + 4, &v4, sizeof(v4));
        return;
    }
    *out = (struct transport_address){.length = sizeof(struct sockaddr_in6), .family = TRANSPORT_AF_INET6};
    out->bytes[18] = out->bytes[19] = 0xff;
    memcpy(out->bytes + 20, &v4, sizeof(v4));
}

static void told_v4(struct transport_socket *socket, const struct in_pktinfo *info,
                    struct transport_datagram *about)
{
    uint32_t address = ntohl(info->ipi_addr.s_addr);
    local_from_v4(socket, info->ipi_addr, &about->local);
    about->interface = (uint32_t)info->ipi_ifindex;
    if (IN_MULTICAST(address))
        about->flags |= TRANSPORT_MULTICAST;
    else if (address == INADDR_BROADCAST ||
             (info->ipi_spec_dst.s_addr && info->ipi_spec_dst.s_addr != info->ipi_addr.s_addr))
        about->flags |= TRANSPORT_BROADCAST;
}

static void told_v6(const struct in6_pktinfo *info, struct transport_datagram *about)
{
    about->local =
        (struct transport_address){.length = sizeof(struct sockaddr_in6), .family = TRANSPORT_AF_INET6};
    memcpy(about->local.bytes + 8, &info->ipi6_addr, sizeof(info->ipi6_addr));
    about->interface = info->ipi6_ifindex;
    if (IN6_IS_ADDR_MULTICAST(&info->ipi6_addr))
        about->flags |= TRANSPORT_MULTICAST;
    if (IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&info->ipi6_addr))
        memcpy(about->local.bytes + 24, &info->ipi6_ifindex, sizeof(info->ipi6_ifindex));
}

static uint32_t number_in(const struct cmsghdr *control)
{
    uint32_t number = 0;
    size_t bytes = control->cmsg_len - CMSG_LEN(0);
    memcpy(&number, CMSG_DATA(control), bytes < sizeof(number) ? bytes : sizeof(number));
    return number;
}

static void told_number(const struct cmsghdr *control, struct transport_datagram *about)
{
    uint32_t number = number_in(control);
    bool v4 = control->cmsg_level == IPPROTO_IP, v6 = control->cmsg_level == IPPROTO_IPV6;
    if ((v4 && control->cmsg_type == IP_TTL) || (v6 && control->cmsg_type == IPV6_HOPLIMIT)) {
        about->hops = number;
        about->known |= TRANSPORT_KNOWS_HOPS;
    } else if ((v4 && control->cmsg_type == IP_TOS) || (v6 && control->cmsg_type == IPV6_TCLASS)) {
        about->traffic_class = number;
        about->known |= TRANSPORT_KNOWS_CLASS;
    } else if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
        about->segment = number;
        about->known |= TRANSPORT_KNOWS_SEGMENT;
    }
}

/* An IPv4 datagram for a dual-mode socket tells its destination in both ways; only IPv4's knows a broadcast. */
static void describe(struct transport_socket *socket, struct msghdr *message,
                     struct transport_datagram *about)
{
    address_from_linux(message->msg_name, message->msg_namelen, &about->remote);
    about->known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE;
    about->flags = message->msg_flags & MSG_TRUNC ? TRANSPORT_TRUNCATED : 0;
    about->local = socket->local;
    about->interface = about->hops = about->traffic_class = about->segment = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(control), sizeof(v4));
            told_v4(socket, &v4, about);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(control), sizeof(v6));
            if (!IN6_IS_ADDR_V4MAPPED(&v6.ipi6_addr))
                told_v6(&v6, about);
        } else
            told_number(control, about);
    }
    memcpy(about->local.bytes + 2, socket->local.bytes + 2, sizeof(uint16_t)); /* the port */
}

/* ---- receive: errors ---------------------------------------------------------------------------------- */

/* FALSE: it is not ICMP's, but the host's own word on a send, which has heard it by itself. */
static bool told_error(struct msghdr *message, struct transport_datagram *about)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        struct sock_extended_err error;
        if (!(control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) &&
            !(control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR))
            continue;
        memcpy(&error, CMSG_DATA(control), sizeof(error));
        about->error.v6 = error.ee_origin == SO_EE_ORIGIN_ICMP6;
        about->error.type = error.ee_type;
        about->error.code = error.ee_code;
        about->error.mtu = error.ee_errno == EMSGSIZE ? error.ee_info : 0;
        return error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
    }
    return false;
}

/* The next that ICMP has told, if the socket is to hear of it.  The datagram itself, of which the kernel keeps a part,
 * is left out. */
static bool receive_error(struct transport_socket *socket, struct transport_datagram *about)
{
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) char control[RECEIVE_CONTROL];
    while (socket->errors) {
        struct msghdr message = {.msg_name = &name,
                                 .msg_namelen = sizeof(name),
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        if (recvmsg(socket->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (message.msg_namelen == 0 || !told_error(&message, about))
            continue;
        describe(socket, &message, about);
        about->known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_ERROR;
        about->flags = 0;
        return true;
    }
    return false;
}

/* ---- receive: one ------------------------------------------------------------------------------------- */

/* One recvmsg(): bytes, or -errno. */
static ssize_t receive_one(struct transport_socket *socket, struct transport_datagram_op *op,
                           struct iovec *parts, size_t count)
{
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) char control[RECEIVE_CONTROL];
    if (receive_error(socket, &op->about))
        return 0;
    for (int tries = 0;; tries++) {
        struct msghdr message = {.msg_name = &name,
                                 .msg_namelen = sizeof(name),
                                 .msg_iov = parts,
                                 .msg_iovlen = count,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        ssize_t received = recvmsg(socket->fd, &message, MSG_DONTWAIT);
        if (received >= 0) {
            describe(socket, &message, &op->about);
            return received;
        }
        if (errno != EINTR && (tries || !transport_errno_is_fatal(errno)))
            return -errno;
    }
}

static int32_t received_nothing(struct transport_socket *socket, int error)
{
    if (error == EAGAIN)
        return STATUS_PENDING;
    if (!transport_errno_is_fatal(error))
        return transport_errno_status(error);
    socket->again = true; /* one ICMP message after the other: later */
    return STATUS_PENDING;
}

/* Into a chain of more segments than a system call takes. */
static int32_t receive_copied(struct transport_socket *socket, struct transport_datagram_op *op)
{
    struct transport_op *generic = &op->op;
    char *buffer = buffer_get(socket->loop, true);
    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct iovec part = {.iov_base = buffer, .iov_len = buffer_size(true)};
    if (part.iov_len > generic->length)
        part.iov_len = generic->length;
    ssize_t received = receive_one(socket, op, &part, 1);
    size_t copied = 0;
    while (received > 0 && copied < (size_t)received) {
        struct transport_segment segments[SEGMENTS];
        size_t count = generic->segments(generic, copied, segments, SEGMENTS), before = copied;
        for (size_t i = 0; i < count && copied < (size_t)received; i++) {
            size_t bytes = segments[i].length;
            if (bytes > (size_t)received - copied)
                bytes = (size_t)received - copied;
            memcpy(segments[i].base, buffer + copied, bytes);
            copied += bytes;
        }
        if (copied == before) { /* less memory than op->length says */
            op->about.flags |= TRANSPORT_TRUNCATED;
            break;
        }
    }
    buffer_unget(buffer);
    if (received < 0)
        return received_nothing(socket, (int)-received);
    generic->bytes = copied;
    op->done = 1;
    return STATUS_SUCCESS;
}

static int32_t receive_into_segments(struct transport_socket *socket, struct transport_datagram_op *op)
{
    struct transport_segment segments[SEGMENTS];
    size_t total = 0, length = op->op.length;
    size_t count = length ? op->op.segments(&op->op, 0, segments, SEGMENTS) : 0;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].length >= length - total) {
            segments[i].length = length - total;
            count = i + 1;
        }
        total += segments[i].length;
    }
    if (total < length && count == SEGMENTS)
        return receive_copied(socket, op);
    ssize_t received = receive_one(socket, op, (struct iovec *)segments, count);
    if (received < 0)
        return received_nothing(socket, (int)-received);
    op->op.bytes = (size_t)received;
    op->done = 1;
    return STATUS_SUCCESS;
}

/* ---- receive: many ------------------------------------------------------------------------------------ */

/* A loop's memory for a batch.  It is mapped: large datagrams take memory only once there are some. */
struct datagrams {
    struct transport_received received[RECEIVE_BATCH];
    struct mmsghdr headers[RECEIVE_BATCH];
    struct iovec parts[RECEIVE_BATCH][2];
    struct sockaddr_storage names[RECEIVE_BATCH];
    _Alignas(struct cmsghdr) char control[RECEIVE_BATCH][RECEIVE_CONTROL];
    _Alignas(CACHE_LINE) char small[RECEIVE_BATCH][RECEIVE_SMALL];
    /* What does not fit into the small part goes on behind this gap, into which the small part is copied then. */
    _Alignas(CACHE_LINE) char large[RECEIVE_BATCH][RECEIVE_SMALL + RECEIVE_LARGE];
};

void datagrams_free(struct loop *loop)
{
    if (loop->datagrams)
        munmap(loop->datagrams, sizeof(*loop->datagrams));
    loop->datagrams = NULL;
}

static struct datagrams *datagrams_of(struct loop *loop)
{
    if (loop->datagrams)
        return loop->datagrams;
    struct datagrams *all =
        mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    for (int i = 0; i < RECEIVE_BATCH; i++) {
        struct msghdr *message = &all->headers[i].msg_hdr;
        all->parts[i][0] = (struct iovec){.iov_base = all->small[i], .iov_len = RECEIVE_SMALL};
        all->parts[i][1] =
            (struct iovec){.iov_base = all->large[i] + RECEIVE_SMALL, .iov_len = RECEIVE_LARGE};
        message->msg_name = &all->names[i];
        message->msg_iov = all->parts[i];
        message->msg_iovlen = 2;
        message->msg_control = all->control[i];
    }
    return loop->datagrams = all;
}

/* Datagrams that have come, or -errno. */
static int receive_many(struct transport_socket *socket, struct datagrams *all, unsigned count)
{
    for (int tries = 0;; tries++) {
        for (unsigned i = 0; i < count; i++) {
            all->headers[i].msg_hdr.msg_namelen = sizeof(all->names[i]);
            all->headers[i].msg_hdr.msg_controllen = sizeof(all->control[i]);
        }
        int received = recvmmsg(socket->fd, all->headers, count, MSG_DONTWAIT, NULL);
        if (received >= 0)
            return received;
        if (errno != EINTR && (tries || !transport_errno_is_fatal(errno)))
            return -errno;
    }
}

static void take_one(struct transport_socket *socket, struct datagrams *all, int index)
{
    struct transport_received *received = &all->received[index];
    received->bytes = all->headers[index].msg_len;
    received->data = all->small[index];
    if (received->bytes > RECEIVE_SMALL) {
        received->data = all->large[index];
        memcpy(received->data, all->small[index], RECEIVE_SMALL);
    }
    describe(socket, &all->headers[index].msg_hdr, &received->about);
}

static size_t receive_errors(struct transport_socket *socket, struct datagrams *all, unsigned count)
{
    size_t done = 0;
    while (done < count && receive_error(socket, &all->received[done].about)) {
        all->received[done].data = all->small[done];
        all->received[done++].bytes = 0;
    }
    return done;
}

static int32_t receive_batch(struct transport_socket *socket, struct transport_datagram_op *op)
{
    struct datagrams *all = datagrams_of(socket->loop);
    unsigned count = op->count < RECEIVE_BATCH ? (unsigned)op->count : RECEIVE_BATCH;
    if (!all)
        return STATUS_INSUFFICIENT_RESOURCES;
    op->received = all->received;
    op->done = receive_errors(socket, all, count);
    if (op->done)
        return STATUS_SUCCESS;
    int received = receive_many(socket, all, count);
    if (received < 0)
        return received_nothing(socket, -received);
    for (int i = 0; i < received; i++) {
        take_one(socket, all, i);
        op->op.bytes += all->received[i].bytes;
    }
    op->done = (size_t)received;
    if ((unsigned)received < count)
        socket_took_all(socket, &op->op);
    return STATUS_SUCCESS;
}

int32_t datagram_try_receive(struct transport_socket *socket, struct transport_op *generic)
{
    struct transport_datagram_op *op = (struct transport_datagram_op *)generic;
    if (socket->type == TRANSPORT_STREAM)
        return STATUS_INVALID_DEVICE_STATE;
    return generic->flags & TRANSPORT_PROVIDE ? receive_batch(socket, op) : receive_into_segments(socket, op);
}

/* A batch's memory is the loop's: its thread takes it. */
static int32_t start_receive(struct transport_socket *socket, struct transport_op *op)
{
    if (!(op->flags & TRANSPORT_PROVIDE) || socket->type == TRANSPORT_STREAM)
        return datagram_try_receive(socket, op);
    socket->again = true;
    return STATUS_PENDING;
}

int32_t common_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    assert(op->op.kind == TRANSPORT_RECEIVE_FROM);
    op->done = 0;
    op->received = NULL;
    if ((op->op.flags & TRANSPORT_PROVIDE) && op->count == 0)
        return op->op.status = STATUS_INVALID_PARAMETER;
    return socket_start(socket, &op->op, start_receive);
}
