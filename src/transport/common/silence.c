/*
 * silence.c - a connection that says nothing any more: a filter of its own lets nothing of the peer's in, so there is
 * nothing to answer, and with nothing unacknowledged and no keep-alive there is nothing to repeat.  Its end is silent by
 * TCP_REPAIR, which takes CAP_NET_ADMIN.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <linux/filter.h>
#include <ntstatus.h>

static int turn(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Asked of a socket that nobody has: on a live one the question would be an answer. */
static bool may_repair(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    bool may = fd >= 0 && turn(fd, IPPROTO_TCP, TCP_REPAIR, 1) == 0;
    if (fd >= 0)
        close(fd);
    return may;
}

static int32_t silence(struct transport_socket *socket)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};
    if (socket->type != TRANSPORT_STREAM || socket->phase != PHASE_CONNECTED || socket->silent)
        return STATUS_INVALID_DEVICE_STATE;
    socket_poll(socket);
    if (socket->fatal)
        return socket->fatal;
    if (!may_repair())
        return STATUS_ACCESS_DENIED;
    if (socket->ops[TRANSPORT_SEND] || option_unacked(socket) != 0)
        return STATUS_DEVICE_BUSY;
    if (setsockopt(socket->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        return transport_errno_status(errno);
    turn(socket->fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    /* What had come before, so that no acknowledgement of it is owed: that would be sent in a while. */
    while (recv(socket->fd, NULL, INT32_MAX, MSG_TRUNC | MSG_DONTWAIT) > 0)
        ;
    turn(socket->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
    socket->silent = true;
    return STATUS_SUCCESS;
}

int32_t common_silence(struct transport_socket *socket)
{
    lock_take(&socket->lock);
    int32_t status = silence(socket);
    lock_release(&socket->lock);
    return status;
}

void silence_ends(struct transport_socket *socket)
{
    if (socket->silent)
        turn(socket->fd, IPPROTO_TCP, TCP_REPAIR, 1);
}
