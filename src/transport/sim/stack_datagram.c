/*
 * stack_datagram.c - UDP of the runtime's stack: send_to, receive_from, group.
 */
#include "transport/sim/stack.h"

#include <string.h>
#include <ntstatus.h>

enum {
    BATCH_MOST = 32,
    SEND_ROUNDS = 256 /* datagrams of one step */
};

/* ---- send -------------------------------------------------------------------------------------------------- */

static bool gather(void *context, void *to, size_t bytes)
{
    struct transport_datagram_op *op = context;
    struct transport_segment segments[STACK_SEGMENTS];
    size_t done = 0;
    while (done < bytes) {
        size_t before = done;
        size_t count = op->parts(op, op->done, op->inside.offset + done, segments, STACK_SEGMENTS);
        for (size_t i = 0; i < count && done < bytes; i++) {
            size_t piece = segments[i].length < bytes - done ? segments[i].length : bytes - done;
            memcpy((char *)to + done, segments[i].base, piece);
            done += piece;
        }
        if (done == before)
            return false;
    }
    return true;
}

static bool is_in(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

/* Hops and class: what is wanted of this datagram, else what the socket has. */
static int32_t fill_letter(struct transport_socket *socket, const struct transport_datagram *about,
                           struct net_letter *letter)
{
    const uint64_t *options = socket->options;
    bool v4 = net_where_is_v4(&letter->to);
    uint32_t hops = (uint32_t)options[letter->flags & TRANSPORT_MULTICAST ? TRANSPORT_OPTION_MULTICAST_HOPS
                                      : v4                                ? TRANSPORT_OPTION_TTL
                                                                          : TRANSPORT_OPTION_HOPLIMIT];
    uint32_t class = (uint32_t)options[v4 ? TRANSPORT_OPTION_TOS : TRANSPORT_OPTION_TCLASS];
    if (about->known & TRANSPORT_KNOWS_HOPS) {
        hops = about->hops;
        if (!is_in(hops, v4, 255))
            return STATUS_INVALID_PARAMETER;
    }
    if (about->known & TRANSPORT_KNOWS_CLASS) {
        class = about->traffic_class;
        if (!is_in(class, 0, 255))
            return STATUS_INVALID_PARAMETER;
    }
    letter->hops = (uint8_t)hops;
    letter->traffic_class = (uint8_t) class;
    return STATUS_SUCCESS;
}

static int32_t find_way(struct transport_socket *socket, const struct transport_datagram *about,
                        struct net_letter *letter)
{
    const uint64_t *options = socket->options;
    struct net_where to, source;
    bool own = about->known & TRANSPORT_KNOWS_LOCAL;
    uint32_t interface = about->known & TRANSPORT_KNOWS_INTERFACE ? about->interface : 0;
    if (about->remote.family != socket->family || !net_where_of(&about->remote, &to))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (own && (about->local.family != socket->family || !net_where_of(&about->local, &source)))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (!interface)
        interface = (uint32_t)options[TRANSPORT_OPTION_INTERFACE];
    bool group = net_where_is_multicast(&to);
    if (group && !(about->known & TRANSPORT_KNOWS_INTERFACE && about->interface) &&
        options[TRANSPORT_OPTION_MULTICAST_INTERFACE])
        interface = (uint32_t)options[TRANSPORT_OPTION_MULTICAST_INTERFACE];
    int32_t status = net_udp_way(socket->udp, &to, own ? &source : NULL, interface, letter);
    if (status == STATUS_SUCCESS)
        status = fill_letter(socket, about, letter);
    if (status == STATUS_SUCCESS && letter->flags & TRANSPORT_BROADCAST &&
        !options[TRANSPORT_OPTION_BROADCAST])
        status = STATUS_ACCESS_DENIED;
    return status;
}

/* Longer than what the network carries in one packet, where it may not be cut. */
static bool is_too_long(const struct transport_socket *socket, const struct net_letter *letter, size_t bytes)
{
    size_t headers = net_where_is_v4(&letter->to) ? 28 : 48;
    return socket->options[TRANSPORT_OPTION_DONTFRAGMENT] && letter->interface == NET_WIRE &&
           bytes > NET_MTU - headers;
}

/* A datagram, or a piece of one that is to be cut. */
static int32_t send_piece(struct transport_socket *socket, struct transport_datagram_op *op,
                          const struct net_letter *letter, size_t segment)
{
    size_t whole = op->length(op, op->done), left = whole - (size_t)op->inside.offset;
    size_t piece = segment && segment < left ? segment : left;
    bool loop = socket->options[TRANSPORT_OPTION_MULTICAST_LOOP] != 0;
    if (is_too_long(socket, letter, piece))
        return STATUS_INVALID_BUFFER_SIZE;
    if (!net_udp_has_room(socket->udp))
        return STATUS_PENDING;
    int32_t status = net_udp_send(socket->udp, letter, loop, piece, gather, op);
    if (status)
        return status;
    op->inside.offset += piece;
    if (op->inside.offset == whole) {
        op->inside.offset = 0;
        op->op.bytes += whole;
        op->done++;
    }
    return STATUS_SUCCESS;
}

int32_t stack_try_send_to(struct transport_socket *socket, struct transport_op *op)
{
    struct transport_datagram_op *send = (struct transport_datagram_op *)op;
    struct net_letter letter;
    if (!socket->udp || !socket->udp->bound)
        return STATUS_INVALID_DEVICE_STATE;
    int32_t status = find_way(socket, &send->about, &letter);
    size_t segment = send->about.known & TRANSPORT_KNOWS_SEGMENT
                         ? send->about.segment
                         : (size_t)socket->options[TRANSPORT_OPTION_SEND_SEGMENT];
    for (int rounds = 0; status == STATUS_SUCCESS && send->done < send->count; rounds++) {
        if (rounds == SEND_ROUNDS) {
            socket->again = true; /* others' turn */
            return STATUS_PENDING;
        }
        status = send_piece(socket, send, &letter, segment);
    }
    return status;
}

int32_t stack_send_to(struct transport_socket *socket, struct transport_datagram_op *op)
{
    assert(op->op.kind == TRANSPORT_SEND_TO);
    op->done = 0;
    op->received = NULL;
    op->inside.offset = 0;
    return stack_start(socket, &op->op, stack_try_send_to);
}

/* ---- receive ----------------------------------------------------------------------------------------------- */

struct stack_batch { /* what a receive with PROVIDE has got, until its complete() has returned */
    struct link packets;
    size_t size;
    struct transport_received received[];
};

void stack_batch_free(struct stack_batch *batch)
{
    if (!batch)
        return;
    while (!link_empty(&batch->packets))
        net_packet_free(LINK_OWNER(batch->packets.next, struct net_packet, link));
    net_free(batch, batch->size);
}

static void describe(const struct transport_socket *socket, const struct net_packet *packet,
                     struct transport_datagram *out)
{
    unsigned known = socket->options[TRANSPORT_OPTION_RECEIVE_HOPS] ? TRANSPORT_KNOWS_HOPS : 0;
    if (socket->options[TRANSPORT_OPTION_RECEIVE_CLASS])
        known |= TRANSPORT_KNOWS_CLASS;
    net_letter_out(packet, socket->family, known, out);
}

static struct net_packet *take(struct transport_socket *socket)
{
    return net_udp_take(socket->udp, (size_t)socket->options[TRANSPORT_OPTION_RECEIVE_COALESCED]);
}

static int32_t receive_batch(struct transport_socket *socket, struct transport_datagram_op *op)
{
    size_t count = op->count < BATCH_MOST ? op->count : BATCH_MOST;
    size_t size = sizeof(struct stack_batch) + count * sizeof(struct transport_received);
    struct stack_batch *batch = net_allocate(size);
    struct net_packet *packet;
    if (!batch)
        return STATUS_INSUFFICIENT_RESOURCES;
    batch->size = size;
    link_init(&batch->packets);
    while (op->done < count && (packet = take(socket)) != NULL) {
        struct transport_received *received = &batch->received[op->done++];
        received->data = packet->data;
        received->bytes = packet->bytes;
        describe(socket, packet, &received->about);
        op->op.bytes += packet->bytes;
        link_append(&batch->packets, &packet->link);
    }
    op->received = batch->received;
    op->inside.batch = batch;
    return STATUS_SUCCESS;
}

static void scatter(struct transport_op *op, const struct net_packet *packet)
{
    size_t most = packet->bytes < op->length ? packet->bytes : op->length;
    while (op->bytes < most) {
        struct transport_segment segments[STACK_SEGMENTS];
        size_t before = op->bytes;
        size_t count = op->segments(op, op->bytes, segments, STACK_SEGMENTS);
        for (size_t i = 0; i < count && op->bytes < most; i++) {
            size_t piece = segments[i].length < most - op->bytes ? segments[i].length : most - op->bytes;
            memcpy(segments[i].base, packet->data + op->bytes, piece);
            op->bytes += piece;
        }
        if (op->bytes == before)
            break;
    }
}

int32_t stack_try_receive_from(struct transport_socket *socket, struct transport_op *op)
{
    struct transport_datagram_op *receive = (struct transport_datagram_op *)op;
    if (!socket->udp)
        return STATUS_INVALID_DEVICE_STATE;
    if (net_udp_readable(socket->udp) < 0)
        return STATUS_PENDING;
    if (op->flags & TRANSPORT_PROVIDE)
        return receive_batch(socket, receive);
    struct net_packet *packet = take(socket);
    scatter(op, packet);
    describe(socket, packet, &receive->about);
    if (op->bytes < packet->bytes)
        receive->about.flags |= TRANSPORT_TRUNCATED;
    receive->done = 1;
    net_packet_free(packet);
    return STATUS_SUCCESS;
}

int32_t stack_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    assert(op->op.kind == TRANSPORT_RECEIVE_FROM);
    op->done = 0;
    op->received = NULL;
    op->inside.batch = NULL;
    if (op->op.flags & TRANSPORT_PROVIDE && op->count == 0)
        return op->op.status = STATUS_INVALID_PARAMETER;
    return stack_start(socket, &op->op, stack_try_receive_from);
}

/* ---- groups ------------------------------------------------------------------------------------------------ */

int32_t stack_group(struct transport_socket *socket, int join, const struct transport_address *group,
                    const struct transport_address *source, unsigned interface)
{
    struct net_where to, from;
    net_enter(socket);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!socket->udp)
        return STATUS_INVALID_DEVICE_STATE;
    if (source && source->length == 0)
        source = NULL;
    if (group->family != socket->family || !net_where_of(group, &to) ||
        (source && (source->family != group->family || !net_where_of(source, &from))))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    return net_udp_group(socket->udp, join != 0, &to, source ? &from : NULL, interface);
}
