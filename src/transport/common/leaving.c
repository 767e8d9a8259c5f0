/*
 * leaving.c - when the bytes of a send have left, and the resets that wait until they have.
 *
 * A send that is over has left this host (--send-complete=sent), so that a reset right behind it loses nothing.  The
 * kernel's word for that, SIOCOUTQNSD, costs a call after each send.  Most short sends need none: TCP_INFO tells how
 * many segments the congestion window and how many bytes the peer's window still take, no receiver takes back what it
 * has offered, and within both nothing but the sender's own pace can hold a segment: pacing, a network card with a
 * full queue, a retransmission that goes first.  So one look is good for the sends that both windows have room for
 * (`room`), as long as all of them are short and Nagle's algorithm is off.
 *
 * What is left is the sender's own pace.  Who aborts a connection of which sends were taken on trust asks once; where
 * something is still held, the descriptor changes hands: it becomes a socket of its own, which waits until the bytes
 * have arrived and resets then.  (Not until they have left: what a timer sends on one processor a reset from another
 * may overtake.)  The aborted one gets a descriptor that the kernel knows nothing of, which is what an abort leaves of
 * it in any case; its owner learns nothing of all this, but that options asked for afterwards have their first values.
 *
 * It ends: by the bytes' arrival, by the connection's end, or by TCP_USER_TIMEOUT.  What has not ended when the
 * transport is detached gets a second, all together.
 *
 * Locks: socket->lock of the aborted one is held where a leaving begins, then those of the new socket, which nobody
 * else knows, and transport->leaving_lock last and alone.  leaving_over() runs on the loop's thread without a lock.
 */
#include "transport/common/internal.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/tcp.h>
#include <ntstatus.h>

enum {
    FIRST_SEND =
        536, /* a first segment of so much is taken on trust: a peer that offers less at first is rare */
    SHORT_SEND = 4096, /* longer ones are asked for: beside what they cost the call is little */
    ROOM_MOST = 10, /* a look is good for so many sends at most: what a restart after idleness leaves, too */
    ROOM_NONE = -8, /* after a look that found no room so many sends ask the cheaper question */
    LEAVING_MS =
        10000, /* without a sign of the peer for so long there is nobody whom the bytes could reach */
    DETACH_NS = 1000000000
};

struct leaving {
    struct transport_op arrived;
    struct transport_socket *socket;
    struct link link; /* transport->leaving_lock */
};

/* ---- room --------------------------------------------------------------------------------------------- */

void leaving_connected(struct transport_socket *socket)
{
    socket->room = 1;
    socket->room_each = FIRST_SEND;
}

/* Looks how much room both windows have; bytes not sent yet, or -1. */
static int64_t look(struct transport_socket *socket)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);

    socket->room = ROOM_NONE;
    if (getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
        size < offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(info.tcpi_snd_wnd))
        return option_unsent(socket);
    if (info.tcpi_notsent_bytes || info.tcpi_ca_state != TCP_CA_Open ||
        info.tcpi_snd_cwnd <= info.tcpi_unacked)
        return info.tcpi_notsent_bytes;
    /* A byte more: the peer's acknowledgement of our SYN may be in the second count. */
    int64_t under_way = (int64_t)(info.tcpi_bytes_sent - info.tcpi_bytes_retrans - info.tcpi_bytes_acked) + 1;
    int64_t window = info.tcpi_snd_wnd - (under_way > 0 ? under_way : 0);
    uint32_t each = info.tcpi_snd_mss < SHORT_SEND ? info.tcpi_snd_mss : SHORT_SEND;
    int64_t room = info.tcpi_snd_cwnd - info.tcpi_unacked;
    if (each == 0 || window < (int64_t)each)
        return 0;
    if (room > window / each)
        room = window / each;
    socket->room = (int16_t)(room < ROOM_MOST ? room : ROOM_MOST);
    socket->room_each = (uint16_t)each;
    return 0;
}

/* The slow half of leaving_unsent(); also of what went another way, of which `bytes` are with the kernel.  What of it has
 * not left is at the end of the queue. */
int32_t leaving_ask(struct transport_socket *socket, size_t bytes)
{
    int64_t unsent;
    if (socket->room != 0 || bytes > SHORT_SEND || !socket->nodelay_set) {
        socket->room = (int16_t)(socket->room < 0 ? socket->room + 1 : 0);
        unsent = option_unsent(socket);
    } else {
        unsent = look(socket);
    }
    /* No more is unsent than this send has: all before it has left. */
    if (unsent >= 0 && (uint64_t)unsent <= bytes)
        socket->on_trust = false;
    return (int32_t)unsent;
}

/* ---- resets that wait --------------------------------------------------------------------------------- */

static void end(struct leaving *leaving)
{
    struct transport *transport = leaving->socket->transport;
    lock_take(&transport->leaving_lock);
    link_remove(&leaving->link);
    lock_release(&transport->leaving_lock);
    common_abort(leaving->socket);
    common_close(leaving->socket);
    free(leaving);
}

static void leaving_over(struct transport_op *op, int32_t status, size_t bytes)
{
    (void)status, (void)bytes; /* the bytes have arrived, or the connection is over */
    end((struct leaving *)op);
}

/* Two descriptors of the connection for one: the second is the leaving socket's, in place of the first comes a new
 * socket.  NULL: there is no memory or no descriptor for that. */
static struct leaving *part(struct transport_socket *of)
{
    struct leaving *leaving = calloc(1, sizeof(*leaving));
    int fd = fcntl(of->fd, F_DUPFD_CLOEXEC, 0);
    int nobody = fd < 0 ? -1
                        : socket(of->family == TRANSPORT_AF_INET ? AF_INET : AF_INET6,
                                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (leaving && nobody >= 0)
        leaving->socket = socket_create(of->transport, common_loop_of(of), fd, of->family);
    if (!leaving || !leaving->socket) {
        if (nobody >= 0)
            close(nobody);
        if (fd >= 0)
            close(fd);
        free(leaving);
        return NULL;
    }
    /* The epoll set knows an open file by its descriptor, too: this pair it must forget before its number goes. */
    if (of->interest)
        epoll_ctl(of->loop->epoll_fd, EPOLL_CTL_DEL, of->fd, NULL);
    of->interest = 0;
    while (dup3(nobody, of->fd, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY))
        ;
    close(nobody);
    return leaving;
}

bool leaving_begin(struct transport_socket *socket)
{
    int patience = LEAVING_MS;
    if (!socket->on_trust || socket->fatal || socket->silent || option_unsent(socket) <= 0)
        return false;
    struct leaving *leaving = part(socket);
    if (!leaving)
        return false;
    struct transport *transport = socket->transport;
    leaving->socket->phase = PHASE_CONNECTED;
    leaving->socket->fin_sent = socket->fin_sent;
    leaving->socket->peer_fin = socket->peer_fin;
    leaving->socket->nodelay_option = leaving->socket->nodelay_set = socket->nodelay_set;
    setsockopt(leaving->socket->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
    leaving->arrived.complete = leaving_over;
    leaving->arrived.kind = TRANSPORT_WATCH_ACKED;
    lock_take(&transport->leaving_lock);
    link_append(&transport->leaving, &leaving->link);
    lock_release(&transport->leaving_lock);
    if (common_watch(leaving->socket, &leaving->arrived) != STATUS_PENDING)
        end(leaving);
    return true;
}

void leaving_end_all(struct transport *transport)
{
    uint64_t until = host_now() + DETACH_NS;
    while (!link_empty(&transport->leaving)) {
        struct leaving *leaving = LINK_OWNER(transport->leaving.next, struct leaving, link);
        while (!leaving->socket->fatal && option_unacked(leaving->socket) > 0 && host_now() < until) {
            socket_poll(leaving->socket);
            poll(NULL, 0, 1); /* no event tells of an ACK (watch.c) */
        }
        common_cancel(leaving->socket, &leaving->arrived);
        end(leaving);
    }
}
