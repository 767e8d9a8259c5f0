/*
 * datagram.c - UDP and raw sockets: what they are opened as, and their groups.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <ntstatus.h>

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
