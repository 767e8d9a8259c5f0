/*
 * option.c - socket options, with the ranges that Linux has, and what waits in the queues.
 */
#include "transport/sim/stack.h"

#include <limits.h>
#include <ntstatus.h>

enum { BOTH, STREAM, DATAGRAM }; /* whose option it is */

static const struct row {
    bool exists, only6, truth;
    uint64_t least, most, initial;
    int whose;
} rows[TRANSPORT_OPTION_MAX] = {
    [TRANSPORT_OPTION_KEEPALIVE] = {true, false, true, 0, UINT64_MAX, 0, STREAM},
    [TRANSPORT_OPTION_RECEIVE_BUFFER] = {true, false, false, 0, INT_MAX, 0, BOTH},
    [TRANSPORT_OPTION_SEND_BUFFER] = {true, false, false, 0, INT_MAX, 0, BOTH},
    [TRANSPORT_OPTION_NODELAY] = {true, false, true, 0, UINT64_MAX, 0, STREAM},
    [TRANSPORT_OPTION_V6ONLY] = {true, true, true, 0, UINT64_MAX, 1, BOTH}, /* D-18: the default of Windows */
    [TRANSPORT_OPTION_KEEPIDLE] = {true, false, false, 1, 32767, 7200, STREAM},
    [TRANSPORT_OPTION_KEEPINTVL] = {true, false, false, 1, 32767, 75, STREAM},
    [TRANSPORT_OPTION_KEEPCNT] = {true, false, false, 1, 127, 9, STREAM},
    [TRANSPORT_OPTION_USER_TIMEOUT] = {true, false, false, 0, INT_MAX, 0, STREAM},
    [TRANSPORT_OPTION_TTL] = {true, false, false, 1, 255, 64, BOTH},
    [TRANSPORT_OPTION_HOPLIMIT] = {true, true, false, 0, 255, 64, BOTH},
    [TRANSPORT_OPTION_TOS] = {true, false, false, 0, 255, 0, BOTH},
    [TRANSPORT_OPTION_TCLASS] = {true, true, false, 0, 255, 0, BOTH},
    [TRANSPORT_OPTION_DONTFRAGMENT] = {true, false, true, 0, UINT64_MAX, 0, BOTH},
    [TRANSPORT_OPTION_INTERFACE] = {true, false, false, 0, NET_WIRE, 0, BOTH},
    [TRANSPORT_OPTION_BROADCAST] = {true, false, true, 0, UINT64_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_MULTICAST_HOPS] = {true, false, false, 0, 255, 1, DATAGRAM},
    [TRANSPORT_OPTION_MULTICAST_LOOP] = {true, false, true, 0, UINT64_MAX, 1, DATAGRAM},
    [TRANSPORT_OPTION_MULTICAST_INTERFACE] = {true, false, false, 0, NET_WIRE, 0, DATAGRAM},
    [TRANSPORT_OPTION_RECEIVE_HOPS] = {true, false, true, 0, UINT64_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_RECEIVE_CLASS] = {true, false, true, 0, UINT64_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_RECEIVE_ERRORS] = {true, false, true, 0, UINT64_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_RECEIVE_COALESCED] = {true, false, false, 0, UINT32_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_SEND_SEGMENT] = {true, false, false, 0, UINT32_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_NO_CHECKSUM] = {true, false, true, 0, UINT64_MAX, 0, DATAGRAM},
    [TRANSPORT_OPTION_MTU_DISCOVER] = {true, false, false, 0, 3, 0, BOTH},
    [TRANSPORT_OPTION_MTU] = {true, false, false, NET_MTU, NET_MTU, NET_MTU, STREAM},
    [TRANSPORT_OPTION_MAX_SEGMENT] = {true, false, false, NET_MSS, NET_MSS, NET_MSS, STREAM},
    [TRANSPORT_OPTION_SHARE] = {true, false, true, 0, UINT64_MAX, 0, BOTH},
};

void stack_options_init(struct transport_socket *socket)
{
    for (int option = 0; option < TRANSPORT_OPTION_MAX; option++)
        socket->options[option] = rows[option].initial;
    if (socket->udp)
        socket->options[TRANSPORT_OPTION_TTL] = socket->options[TRANSPORT_OPTION_HOPLIMIT] = NET_HOPS;
}

/* What was set, or the weather's when nothing was. */
size_t stack_buffer_size(const struct transport_socket *socket, int option)
{
    uint64_t value = socket->options[option];
    if (value == 0)
        return option == TRANSPORT_OPTION_RECEIVE_BUFFER ? net_world.weather.receive_buffer
                                                         : net_world.weather.send_buffer;
    return value > NET_BUFFER_MOST ? NET_BUFFER_MOST : (size_t)value;
}

static void apply_silence(struct transport_socket *socket)
{
    const uint64_t *options = socket->options;
    uint64_t seconds = options[TRANSPORT_OPTION_KEEPIDLE] +
                       options[TRANSPORT_OPTION_KEEPINTVL] * options[TRANSPORT_OPTION_KEEPCNT];
    socket->end->user_timeout_ns = options[TRANSPORT_OPTION_USER_TIMEOUT] * 1000000;
    net_end_keepalive(socket->end, options[TRANSPORT_OPTION_KEEPALIVE] != 0, seconds * NET_SECOND);
}

void stack_options_apply(struct transport_socket *socket)
{
    struct net_end *end = socket->end;
    end->nodelay = socket->options[TRANSPORT_OPTION_NODELAY] != 0;
    if (end->gone)
        return;
    apply_silence(socket);
}

static void apply_to_datagrams(struct transport_socket *socket, int option)
{
    if (option == TRANSPORT_OPTION_RECEIVE_BUFFER)
        socket->udp->receive_buffer = stack_buffer_size(socket, option);
    if (option == TRANSPORT_OPTION_RECEIVE_ERRORS)
        socket->udp->errors = socket->options[option] != 0;
    if (option != TRANSPORT_OPTION_SEND_BUFFER)
        return;
    socket->udp->send_buffer = stack_buffer_size(socket, option);
    stack_event(socket, NET_ROOM);
}

static void apply(struct transport_socket *socket, int option)
{
    struct net_end *end = socket->end;
    if (socket->udp) {
        apply_to_datagrams(socket, option);
        return;
    }
    if (socket->phase == PHASE_LISTENING) {
        socket->listener.send_buffer = stack_buffer_size(socket, TRANSPORT_OPTION_SEND_BUFFER);
        socket->listener.receive_buffer = stack_buffer_size(socket, TRANSPORT_OPTION_RECEIVE_BUFFER);
    }
    if (!end || end->gone)
        return;
    switch (option) {
    case TRANSPORT_OPTION_NODELAY:
        end->nodelay = socket->options[option] != 0;
        net_push(end);
        break;
    case TRANSPORT_OPTION_SEND_BUFFER:
        end->out.send_buffer = stack_buffer_size(socket, option);
        net_end_tell(end, NET_ROOM);
        break;
    case TRANSPORT_OPTION_RECEIVE_BUFFER:
        net_end_set_receive_buffer(end, stack_buffer_size(socket, option));
        break;
    default:
        apply_silence(socket);
    }
}

static bool known(const struct transport_socket *socket, int option)
{
    return option > 0 && option < TRANSPORT_OPTION_MAX && rows[option].exists &&
           !(rows[option].only6 && socket->family != TRANSPORT_AF_INET6) &&
           rows[option].whose != (socket->udp ? STREAM : DATAGRAM);
}

int32_t stack_set_option(struct transport_socket *socket, int option, uint64_t value)
{
    net_enter(socket);
    if (!known(socket, option))
        return STATUS_NOT_SUPPORTED;
    const struct row *row = &rows[option];
    if (value < row->least || value > row->most)
        return STATUS_INVALID_PARAMETER;
    if (option == TRANSPORT_OPTION_V6ONLY && (stack_is_bound(socket) || socket->phase != PHASE_NEW))
        return STATUS_INVALID_PARAMETER;
    socket->options[option] = row->truth ? value != 0 : value;
    if (option == TRANSPORT_OPTION_DONTFRAGMENT) /* one and the same */
        socket->options[TRANSPORT_OPTION_MTU_DISCOVER] = value ? 1 : 2;
    if (option == TRANSPORT_OPTION_MTU_DISCOVER)
        socket->options[TRANSPORT_OPTION_DONTFRAGMENT] = value == 1;
    apply(socket, option);
    net_leave();
    return STATUS_SUCCESS;
}

int32_t stack_get_option(struct transport_socket *socket, int option, uint64_t *value)
{
    net_enter(socket);
    if (option == TRANSPORT_OPTION_ERROR) {
        *value = (uint32_t)stack_fatal(socket);
        return STATUS_SUCCESS;
    }
    if (!known(socket, option))
        return STATUS_NOT_SUPPORTED;
    *value = socket->options[option];
    if (option == TRANSPORT_OPTION_RECEIVE_BUFFER || option == TRANSPORT_OPTION_SEND_BUFFER)
        *value = *value ? *value : stack_buffer_size(socket, option);
    return STATUS_SUCCESS;
}

static int64_t query_datagrams(struct transport_socket *socket, int what)
{
    int64_t first = net_udp_readable(socket->udp);
    switch (what) {
    case TRANSPORT_UNSENT:
        return (int64_t)socket->udp->unsent;
    case TRANSPORT_READABLE:
        return first < 0 ? 0 : first;
    default:
        return -1; /* nobody acknowledges a datagram */
    }
}

int64_t stack_query(struct transport_socket *socket, int what)
{
    struct net_end *end = socket->end;
    net_enter(socket);
    if (socket->udp)
        return query_datagrams(socket, what);
    switch (what) {
    case TRANSPORT_UNSENT:
        return end ? net_end_unsent(end) : 0;
    case TRANSPORT_UNACKED:
        return end ? net_end_unacked(end) : 0;
    case TRANSPORT_READABLE:
        return end ? (int64_t)net_end_readable(end) : 0;
    case TRANSPORT_IDEAL_BACKLOG:
        return end ? net_end_ideal_backlog(end) : -1;
    default:
        return -1;
    }
}
