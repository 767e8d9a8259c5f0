/*
 * datagram.c - UDP and raw sockets: sending to, receiving from, groups.  Everything runs under socket->lock.
 *
 * A datagram is one system call, so what it is made of must fit one: a longer chain goes through a buffer.
 * Several in a row go with one sendmmsg(), and with one sendmsg() where the kernel cuts them (UDP_SEGMENT).
 *
 * An error that the kernel tells of an earlier datagram (an ICMP message) is taken away by the call that reports
 * it: that call is made again.  No error ends a datagram socket.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ntstatus.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    SEND_BATCH = 64,      /* datagrams in one system call: what UDP_SEGMENT takes at most, too */
    SEND_PARTS = 128,     /* segments of all of them */
    SEND_ROUNDS = 16,     /* batches of one step, others' turn then */
    MERGED_MOST = 65507,  /* bytes of the datagrams that the kernel cuts */
    NO_ROOM_LEVEL = 3,    /* 0.8 ms: no event tells when the kernel has memory again */
    RECEIVE_BATCH = 32,   /* datagrams in one system call */
    RECEIVE_SMALL = 2048, /* what most datagrams fit into */
    RECEIVE_LARGE = 65536,
    RECEIVE_CONTROL = 256
};

static struct transport_datagram_op *datagram_of(struct transport_op *op)
{
    return (struct transport_datagram_op *)op; /* its first member */
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* ---- open --------------------------------------------------------------------------------------------- */

static int turn_on(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? errno : 0;
}

/* Received datagrams always tell their destination, and only groups that this very socket is in reach it. */
static int set_up(int fd, int family, int type)
{
    int error = 0;
    if (family == TRANSPORT_AF_INET6) {
        if (type == TRANSPORT_DATAGRAM)                        /* raw ones have no IPv4 at all */
            error = turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); /* D-18: the default of Windows */
        if (!error)
            error = turn_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        turn_on(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    }
    if (!error &&
        (family == TRANSPORT_AF_INET || type == TRANSPORT_DATAGRAM)) { /* dual-mode sockets have both */
        error = turn_on(fd, IPPROTO_IP, IP_PKTINFO, 1);
        turn_on(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    }
    return error;
}

int32_t datagram_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                      struct transport_socket **out)
{
    if (type == TRANSPORT_DATAGRAM && protocol != IPPROTO_UDP)
        return STATUS_PROTOCOL_UNREACHABLE;
    int fd = socket(family == TRANSPORT_AF_INET ? AF_INET : AF_INET6,
                    (type == TRANSPORT_RAW ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return transport_errno_status(errno);
    int error = set_up(fd, family, type);
    struct transport_socket *created = error ? NULL : socket_create(transport, loop, fd, family);
    if (!created) {
        close(fd);
        return error ? transport_errno_status(error) : STATUS_INSUFFICIENT_RESOURCES;
    }
    created->type = (uint8_t)type;
    created->always = EPOLLIN; /* EPOLLOUT would tell of each datagram that has gone */
    created->merge_most = type == TRANSPORT_DATAGRAM ? UINT32_MAX : 0;
    *out = created;
    return STATUS_SUCCESS;
}

/* ---- send: where to ----------------------------------------------------------------------------------- */

struct destination { /* the same for each datagram of an op */
    struct sockaddr_storage name;
    socklen_t name_length;
    size_t control_length;
    uint32_t segment; /* datagrams are cut so; 0 = not */
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                                          2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
};

static void add_control(struct destination *to, int level, int type, const void *data, size_t bytes)
{
    struct cmsghdr *control = (struct cmsghdr *)(to->control + to->control_length);
    assert(to->control_length + CMSG_SPACE(bytes) <= sizeof(to->control));
    memset(control, 0, CMSG_SPACE(bytes));
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(control), data, bytes);
    to->control_length += CMSG_SPACE(bytes);
}

/* The source: an address, an interface, or both. */
static int32_t add_source(struct transport_socket *socket, const struct transport_datagram *about, bool v4,
                          struct destination *to)
{
    /* Without an address Linux would take any of the interface's, though the socket is bound to one. */
    const struct transport_address *local =
        about->known & TRANSPORT_KNOWS_LOCAL ? &about->local : &socket->local;
    uint32_t interface = about->known & TRANSPORT_KNOWS_INTERFACE ? about->interface : 0;
    if (local->length == 0 || local->family != socket->family)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (v4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)interface};
        if (!address_is_v4(local, &info.ipi_spec_dst) && !address_is_wildcard(local))
            return STATUS_INVALID_ADDRESS_COMPONENT;
        add_control(to, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = interface};
        memcpy(&info.ipi6_addr, local->bytes + 8, sizeof(info.ipi6_addr));
        add_control(to, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
    return STATUS_SUCCESS;
}

static int32_t add_wishes(struct transport_socket *socket, const struct transport_datagram *about, bool v4,
                          struct destination *to)
{
    int hops = (int)about->hops, traffic_class = (int)about->traffic_class;
    int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    if (about->known & (TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE)) {
        int32_t status = add_source(socket, about, v4, to);
        if (status)
            return status;
    }
    if (about->known & TRANSPORT_KNOWS_HOPS)
        add_control(to, level, v4 ? IP_TTL : IPV6_HOPLIMIT, &hops, sizeof(hops));
    if (about->known & TRANSPORT_KNOWS_CLASS)
        add_control(to, level, v4 ? IP_TOS : IPV6_TCLASS, &traffic_class, sizeof(traffic_class));
    return STATUS_SUCCESS;
}

static int32_t find_destination(struct transport_socket *socket, const struct transport_datagram *about,
                                struct destination *to)
{
    struct in_addr v4;
    int32_t status = address_to_linux(&about->remote, &to->name, &to->name_length);
    if (status)
        return status;
    if (about->remote.family != socket->family || address_is_wildcard(&about->remote))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (socket->type == TRANSPORT_RAW)
        address_set_port(&to->name, 0); /* Linux would have it be the protocol */
    else if (!address_can_be_reached(&about->remote))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    to->control_length = 0;
    to->segment = about->known & TRANSPORT_KNOWS_SEGMENT ? about->segment : socket->send_segment;
    if (!(about->known & ~(unsigned)TRANSPORT_KNOWS_SEGMENT))
        return STATUS_SUCCESS;
    return add_wishes(socket, about, address_is_v4(&about->remote, &v4), to);
}

/* ---- send: what --------------------------------------------------------------------------------------- */

/* What one system call hands over: datagrams of the owner, or pieces of them when they are to be cut. */
struct batch {
    unsigned count;
    unsigned used; /* parts */
    uint32_t length[SEND_BATCH];
    struct mmsghdr headers[SEND_BATCH];
    struct iovec parts[SEND_PARTS];
};

/* The datagram that is being cut has gone so far. */
static uint64_t *offset_of(struct transport_datagram_op *op)
{
    return &op->op.inside.word[0];
}

/* `length` bytes of a datagram from `offset` on, into at most `room` segments.  Returns how many; -1 when it takes
 * more, -2 when the owner has less memory than it said. */
static int collect(struct transport_datagram_op *op, size_t index, size_t offset, size_t length,
                   struct iovec *out, size_t room)
{
    if (length == 0)
        return 0;
    size_t count = room ? op->parts(op, index, offset, (struct transport_segment *)out, room) : 0;
    for (size_t i = 0; i < count; i++) {
        if (out[i].iov_len >= length) {
            out[i].iov_len = length;
            return (int)i + 1;
        }
        length -= out[i].iov_len;
    }
    return count < room ? -2 : -1;
}

static size_t piece_length(const struct destination *to, size_t left)
{
    return to->segment && left > to->segment ? to->segment : left;
}

static void append(struct batch *batch, const struct destination *to, struct iovec *parts, unsigned used,
                   size_t length)
{
    batch->headers[batch->count].msg_hdr = (struct msghdr){.msg_name = (void *)&to->name,
                                                           .msg_namelen = to->name_length,
                                                           .msg_iov = parts,
                                                           .msg_iovlen = used,
                                                           .msg_control = (void *)to->control,
                                                           .msg_controllen = to->control_length};
    batch->length[batch->count++] = (uint32_t)length;
    batch->used += used;
}

/* Fills a batch from op->done on, as far as it has room. */
static int32_t gather(struct transport_datagram_op *op, const struct destination *to, struct batch *batch)
{
    size_t index = op->done, offset = *offset_of(op);
    size_t whole = op->length(op, index);
    batch->count = batch->used = 0;
    while (batch->count < SEND_BATCH) {
        size_t length = piece_length(to, whole - offset);
        if (length > PROVIDED_LARGE)
            return batch->count ? STATUS_SUCCESS : STATUS_INVALID_BUFFER_SIZE;
        struct iovec *parts = &batch->parts[batch->used];
        int used = collect(op, index, offset, length, parts, SEND_PARTS - batch->used);
        if (used < 0)
            return used == -1 || batch->count ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
        append(batch, to, parts, (unsigned)used, length);
        offset += length;
        if (offset < whole)
            continue;
        if (++index == op->count)
            break;
        offset = 0;
        whole = op->length(op, index);
    }
    return STATUS_SUCCESS;
}

/* The first datagram is in too many parts: they go into this buffer, so many bytes. */
static int32_t gather_copied(struct transport_datagram_op *op, const struct destination *to,
                             struct batch *batch, char *buffer)
{
    size_t offset = *offset_of(op);
    size_t length = piece_length(to, op->length(op, op->done) - offset), copied = 0;
    while (copied < length) {
        size_t count =
            op->parts(op, op->done, offset + copied, (struct transport_segment *)batch->parts, SEND_PARTS);
        size_t before = copied;
        for (size_t i = 0; i < count && copied < length; i++) {
            size_t bytes = batch->parts[i].iov_len;
            if (bytes > length - copied)
                bytes = length - copied;
            memcpy(buffer + copied, batch->parts[i].iov_base, bytes);
            copied += bytes;
        }
        if (copied == before)
            return STATUS_INVALID_PARAMETER; /* less memory than the owner said */
    }
    batch->parts[0] = (struct iovec){.iov_base = buffer, .iov_len = length};
    append(batch, to, batch->parts, 1, length);
    return STATUS_SUCCESS;
}

/* ---- send: how ---------------------------------------------------------------------------------------- */

/* How many datagrams from the first on the kernel can cut out of one: all of one length, the last may be shorter.
 * It pays from two on: a tenth of the time for many short ones, if the receiver has them coalesced. */
static unsigned mergeable(const struct transport_socket *socket, const struct batch *batch, unsigned first)
{
    const uint32_t *length = &batch->length[first];
    uint32_t sum = length[0];
    unsigned count = 1, left = batch->count - first;
    if (length[0] == 0 || length[0] > socket->merge_most)
        return 1;
    while (count < left && length[count - 1] == length[0] && length[count] && length[count] <= length[0] &&
           sum + length[count] <= MERGED_MOST)
        sum += length[count++];
    return count;
}

/* How many from the first on must go as they are. */
static unsigned unmergeable(const struct transport_socket *socket, const struct batch *batch, unsigned first)
{
    unsigned count = 1;
    while (first + count < batch->count && mergeable(socket, batch, first + count) == 1)
        count++;
    return count;
}

/* Datagrams that have gone, or -errno. */
static int send_merged(struct transport_socket *socket, struct destination *to, struct batch *batch,
                       unsigned first, unsigned count)
{
    uint16_t segment = (uint16_t)batch->length[first];
    struct msghdr message = batch->headers[first].msg_hdr;
    size_t control_length = to->control_length;
    for (unsigned i = 1; i < count; i++)
        message.msg_iovlen += batch->headers[first + i].msg_hdr.msg_iovlen;
    add_control(to, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    message.msg_control = to->control;
    message.msg_controllen = to->control_length;
    ssize_t sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    to->control_length = control_length;
    return sent < 0 ? -errno : (int)count;
}

static int send_each(struct transport_socket *socket, struct batch *batch, unsigned first, unsigned count)
{
    struct mmsghdr *headers = &batch->headers[first];
    if (count == 1)
        return sendmsg(socket->fd, &headers->msg_hdr, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 1;
    int sent = sendmmsg(socket->fd, headers, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

/* The kernel or the way there does not take datagrams to cut, or not such long ones. */
static bool merging_refused(int error)
{
    return error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP ||
           error == ENOPROTOOPT;
}

static int send_from(struct transport_socket *socket, struct destination *to, struct batch *batch,
                     unsigned first)
{
    unsigned count = mergeable(socket, batch, first);
    if (count == 1)
        return send_each(socket, batch, first, unmergeable(socket, batch, first));
    int sent = send_merged(socket, to, batch, first, count);
    if (sent >= 0 || !merging_refused(-sent))
        return sent;
    sent = send_each(socket, batch, first, count);
    if (sent > 0) /* so that was the reason */
        socket->merge_most = batch->length[first] - 1;
    return sent;
}

/* The same, not disturbed by signals and by what became of an earlier datagram. */
static int send_undisturbed(struct transport_socket *socket, struct destination *to, struct batch *batch,
                            unsigned first)
{
    bool told = false;
    for (;;) {
        int sent = send_from(socket, to, batch, first);
        if (sent < 0 && transport_errno_is_fatal(-sent) && !told)
            told = true;
        else if (sent != -EINTR)
            return sent;
    }
}

static void have_gone(struct transport_datagram_op *op, const struct batch *batch, unsigned first, int count)
{
    for (int i = 0; i < count; i++) {
        size_t length = op->length(op, op->done);
        *offset_of(op) += batch->length[first + (unsigned)i];
        if (*offset_of(op) < length)
            continue;
        op->op.bytes += length;
        op->done++;
        *offset_of(op) = 0;
    }
}

static int32_t not_sent(struct transport_socket *socket, int error)
{
    if (error == ENOBUFS)
        loop_arm_timer(socket, NO_ROOM_LEVEL);
    return would_block(error) || error == ENOBUFS ? STATUS_PENDING : transport_errno_status(error);
}

/* STATUS_SUCCESS: go on. */
static int32_t send_some(struct transport_socket *socket, struct transport_datagram_op *op,
                         struct destination *to)
{
    struct batch batch;
    char *buffer = NULL;
    int32_t status = gather(op, to, &batch);
    if (status == STATUS_SUCCESS && batch.count == 0) {
        buffer = buffer_get(socket->loop, true);
        status = buffer ? gather_copied(op, to, &batch, buffer) : STATUS_INSUFFICIENT_RESOURCES;
    }
    for (unsigned first = 0; status == STATUS_SUCCESS && first < batch.count;) {
        int sent = send_undisturbed(socket, to, &batch, first);
        if (sent < 0) {
            status = not_sent(socket, -sent);
        } else {
            have_gone(op, &batch, first, sent);
            first += (unsigned)sent;
        }
    }
    if (buffer)
        buffer_unget(buffer);
    return status;
}

int32_t datagram_try_send(struct transport_socket *socket, struct transport_op *generic)
{
    struct transport_datagram_op *op = datagram_of(generic);
    struct destination to;
    int32_t status;

    if (socket->type == TRANSPORT_STREAM || !socket->bound)
        return STATUS_INVALID_DEVICE_STATE;
    status = find_destination(socket, &op->about, &to);
    for (int rounds = 0; status == STATUS_SUCCESS && op->done < op->count; rounds++) {
        if (rounds == SEND_ROUNDS) {
            socket->again = true; /* others' turn */
            return STATUS_PENDING;
        }
        status = send_some(socket, op, &to);
    }
    return status;
}

int32_t common_send_to(struct transport_socket *socket, struct transport_datagram_op *op)
{
    assert(op->op.kind == TRANSPORT_SEND_TO);
    op->done = 0;
    *offset_of(op) = 0;
    return socket_start(socket, &op->op, datagram_try_send);
}

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

/* ---- receive: one ------------------------------------------------------------------------------------- */

/* One recvmsg(): bytes, or -errno. */
static ssize_t receive_one(struct transport_socket *socket, struct transport_datagram_op *op,
                           struct iovec *parts, size_t count)
{
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) char control[RECEIVE_CONTROL];
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
    if (would_block(error))
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

static int32_t receive_batch(struct transport_socket *socket, struct transport_datagram_op *op)
{
    struct datagrams *all = datagrams_of(socket->loop);
    unsigned count = op->count < RECEIVE_BATCH ? (unsigned)op->count : RECEIVE_BATCH;
    if (!all)
        return STATUS_INSUFFICIENT_RESOURCES;
    int received = receive_many(socket, all, count);
    if (received < 0)
        return received_nothing(socket, -received);
    for (int i = 0; i < received; i++) {
        take_one(socket, all, i);
        op->op.bytes += all->received[i].bytes;
    }
    op->received = all->received;
    op->done = (size_t)received;
    if ((unsigned)received < count)
        socket_took_all(socket, &op->op);
    return STATUS_SUCCESS;
}

int32_t datagram_try_receive(struct transport_socket *socket, struct transport_op *generic)
{
    struct transport_datagram_op *op = datagram_of(generic);
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

/* ---- groups ------------------------------------------------------------------------------------------- */

static int32_t group_address(const struct transport_socket *socket, const struct transport_address *address,
                             bool *v4, struct sockaddr_storage *out)
{
    struct in_addr four;
    socklen_t length;
    int32_t status = address_to_linux(address, out, &length);
    if (status)
        return status;
    if (address->family != socket->family)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    *v4 = address_is_v4(address, &four);
    if (*v4) {
        struct sockaddr_in plain = {.sin_family = AF_INET, .sin_addr = four};
        memset(out, 0, sizeof(*out));
        memcpy(out, &plain, sizeof(plain));
    }
    return STATUS_SUCCESS;
}

static int32_t change_group(struct transport_socket *socket, int join, const struct transport_address *group,
                            const struct transport_address *source, unsigned interface)
{
    struct group_source_req request = {.gsr_interface = interface};
    bool v4, source_v4;
    int32_t status = group_address(socket, group, &v4, &request.gsr_group);
    if (status)
        return status;
    int level = v4 ? IPPROTO_IP : IPPROTO_IPV6, result;
    if (source && source->length) {
        status = group_address(socket, source, &source_v4, &request.gsr_source);
        if (status || source_v4 != v4)
            return STATUS_INVALID_ADDRESS_COMPONENT;
        result = setsockopt(socket->fd, level, join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP,
                            &request, sizeof(request));
    } else {
        struct group_req any = {.gr_interface = interface, .gr_group = request.gsr_group};
        result =
            setsockopt(socket->fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &any, sizeof(any));
    }
    return result < 0 ? transport_errno_status(errno) : STATUS_SUCCESS;
}

int32_t common_group(struct transport_socket *socket, int join, const struct transport_address *group,
                     const struct transport_address *source, unsigned interface)
{
    int32_t status = STATUS_INVALID_DEVICE_STATE;
    lock_take(&socket->lock);
    if (socket->type != TRANSPORT_STREAM)
        status = change_group(socket, join, group, source, interface);
    lock_release(&socket->lock);
    return status;
}
