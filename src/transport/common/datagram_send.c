/*
 * datagram_send.c - sending datagrams.  Everything runs under socket->lock.
 *
 * A datagram is one system call, so what it is made of must fit one: a longer chain goes through a buffer.
 * Several in a row go with one sendmmsg(), and with one sendmsg() where the kernel cuts them (UDP_SEGMENT).
 *
 * An error that the kernel tells of an earlier datagram (an ICMP message) is taken away by the call that reports
 * it: that call is made again.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <ntstatus.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
    SEND_BATCH = 64,     /* datagrams in one system call: what UDP_SEGMENT takes at most, too */
    SEND_PARTS = 128,    /* segments of all of them */
    SEND_ROUNDS = 16,    /* batches of one step, others' turn then */
    MERGED_MOST = 65507, /* bytes of the datagrams that the kernel cuts */
    NO_ROOM_LEVEL = 3    /* 0.8 ms: no event tells when the kernel has memory again */
};

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
    bool last[SEND_BATCH]; /* with it a datagram of the owner is complete */
    struct mmsghdr headers[SEND_BATCH];
    struct iovec parts[SEND_PARTS];
};

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
                   size_t length, bool last)
{
    batch->last[batch->count] = last;
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
    size_t index = op->done, offset = op->inside.offset;
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
        append(batch, to, parts, (unsigned)used, length, offset + length == whole);
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
    size_t offset = op->inside.offset;
    size_t left = op->length(op, op->done) - offset, length = piece_length(to, left), copied = 0;
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
    append(batch, to, batch->parts, 1, length, length == left);
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

/* What lies side by side becomes one part: the pieces of one buffer that are to be cut do. */
static size_t join(const struct iovec *parts, size_t count, struct iovec *joined)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (used && (char *)joined[used - 1].iov_base + joined[used - 1].iov_len == parts[i].iov_base)
            joined[used - 1].iov_len += parts[i].iov_len;
        else
            joined[used++] = parts[i];
    }
    return used;
}

/* Datagrams that have gone, or -errno. */
static int send_merged(struct transport_socket *socket, struct destination *to, struct batch *batch,
                       unsigned first, unsigned count)
{
    uint16_t segment = (uint16_t)batch->length[first];
    struct msghdr message = batch->headers[first].msg_hdr;
    size_t control_length = to->control_length;
    struct iovec joined[SEND_PARTS];
    for (unsigned i = 1; i < count; i++)
        message.msg_iovlen += batch->headers[first + i].msg_hdr.msg_iovlen;
    message.msg_iovlen = join(message.msg_iov, message.msg_iovlen, joined);
    message.msg_iov = joined;
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
        op->inside.offset += batch->length[first + (unsigned)i];
        if (!batch->last[first + (unsigned)i])
            continue;
        op->op.bytes += op->inside.offset;
        op->done++;
        op->inside.offset = 0;
    }
}

static int32_t not_sent(struct transport_socket *socket, int error)
{
    if (error == ENOBUFS)
        loop_arm_timer(socket, NO_ROOM_LEVEL);
    return error == EAGAIN || error == ENOBUFS ? STATUS_PENDING : transport_errno_status(error);
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
    struct transport_datagram_op *op = (struct transport_datagram_op *)generic;
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
    op->inside.offset = 0;
    return socket_start(socket, &op->op, datagram_try_send);
}
