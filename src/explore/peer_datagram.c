/*
 * peer_datagram.c - a peer with a UDP socket.  What it sends is remembered, so that what comes back can be told from
 * what does not: a datagram is another one's echo when it has the same bytes.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "host/host.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 65536, STREAM_LOSE = 2000 };

/* A datagram that was sent. */
struct letter {
    uint64_t position; /* in the pattern, when data is NULL */
    uint8_t *data;
    size_t bytes;
    int back; /* it has come back */
};

struct peer_datagram {
    struct net_datagram *socket;
    struct transport_address to, from; /* where it sends; whence the last one came */
    int answers;                       /* it sends to whoever has sent last */
    struct letter *letter;
    size_t letters, room;
    unsigned lose_percent;
    struct sim_rng rng;
    uint8_t in[LONGEST], out[LONGEST];
    size_t in_bytes; /* of the last one that came */
};

static int open_socket(struct uwsk_peer *peer, const struct transport_address *local)
{
    struct peer_datagram *own = calloc(1, sizeof *own);

    uwsk_peer_close(peer);
    peer->sent = peer->back = 0;
    peer_datagram_free(peer);
    if (!own)
        return -1;
    own->socket = net_datagram_open(peer->host, local);
    if (!own->socket) {
        free(own);
        return -1;
    }
    sim_rng_seed(&own->rng, peer->world->options.seed, STREAM_LOSE + (uint64_t)(peer - peer->world->peer));
    peer->datagram = own;
    return 0;
}

int uwsk_peer_udp(struct uwsk_peer *peer, const char *address, uint16_t port)
{
    struct transport_address remote, local;

    if (peer->over || net_address(address, port, &remote) != 0 ||
        net_address(remote.family == TRANSPORT_AF_INET ? "0.0.0.0" : "::", 0, &local) != 0 ||
        open_socket(peer, &local) != 0)
        return -1;
    peer->datagram->to = remote;
    peer_tell(peer, "has a UDP socket for %s:%u", address, port);
    return 0;
}

int uwsk_peer_udp_bind(struct uwsk_peer *peer, const char *address, uint16_t port)
{
    struct transport_address local;

    if (peer->over || net_address(address, port, &local) != 0)
        return -1;
    if (open_socket(peer, &local) != 0) {
        peer_tell(peer, "UDP socket at %s:%u: in use", address, port);
        return -1;
    }
    peer->datagram->answers = 1;
    peer_tell(peer, "has a UDP socket at %s:%u", address, port);
    return 0;
}

void peer_datagram_close(struct uwsk_peer *peer)
{
    struct peer_datagram *own = peer->datagram;

    if (!own || !own->socket)
        return;
    peer_tell(peer, "closes");
    net_datagram_close(own->socket);
    own->socket = NULL;
}

void peer_datagram_free(struct uwsk_peer *peer)
{
    struct peer_datagram *own = peer->datagram;

    peer->datagram = NULL;
    if (!own)
        return;
    for (size_t i = 0; i < own->letters; i++)
        free(own->letter[i].data);
    free(own->letter);
    free(own);
}

static int is_open(const struct uwsk_peer *peer)
{
    return !peer->over && peer->datagram && peer->datagram->socket;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static struct letter *remember(struct peer_datagram *own)
{
    if (own->letters == own->room) {
        size_t room = own->room ? 2 * own->room : 16;
        void *bigger = realloc(own->letter, room * sizeof *own->letter);

        if (!bigger)
            return NULL;
        own->letter = bigger;
        own->room = room;
    }
    memset(&own->letter[own->letters], 0, sizeof *own->letter);
    return &own->letter[own->letters++];
}

static int send_one(struct uwsk_peer *peer, const void *data, size_t bytes,
                    const struct transport_address *to)
{
    int result = to->length ? net_datagram_send_to(peer->datagram->socket, data, bytes, to) : NET_UNREACHABLE;

    peer_tell(peer, "sends a datagram of %zu bytes%s%s", bytes, result < 0 ? ": " : "",
              result < 0 ? peer_result_text(result) : "");
    return result < 0 ? -1 : 0;
}

static const struct transport_address *where_to(const struct peer_datagram *own)
{
    return own->answers ? &own->from : &own->to;
}

int peer_datagram_send_data(struct uwsk_peer *peer, const void *data, size_t bytes)
{
    struct letter *letter;

    if (!is_open(peer) || (letter = remember(peer->datagram)) == NULL)
        return -1;
    letter->data = malloc(bytes ? bytes : 1);
    if (!letter->data) {
        peer->datagram->letters--;
        return -1;
    }
    memcpy(letter->data, data, bytes);
    letter->bytes = bytes;
    if (send_one(peer, data, bytes, where_to(peer->datagram)) == 0)
        return 0;
    free(letter->data);
    peer->datagram->letters--;
    return -1;
}

int uwsk_peer_burst(struct uwsk_peer *peer, size_t count, size_t bytes)
{
    struct peer_datagram *own = peer->datagram;

    for (; count > 0; count--) {
        struct letter *letter;

        if (!is_open(peer) || bytes > LONGEST || (letter = remember(own)) == NULL)
            return -1;
        letter->position = peer->sent;
        letter->bytes = bytes;
        for (size_t i = 0; i < bytes; i++)
            own->out[i] = peer_pattern(peer->sent + i);
        if (send_one(peer, own->out, bytes, where_to(own)) != 0) {
            own->letters--;
            return -1;
        }
        peer->sent += bytes;
    }
    return 0;
}

int uwsk_peer_answer(struct uwsk_peer *peer, size_t head, const void *data, size_t bytes)
{
    struct peer_datagram *own = peer->datagram;

    if (!is_open(peer) || !own->from.length)
        return -1;
    head = head < own->in_bytes ? head : own->in_bytes;
    if (head + bytes > LONGEST)
        return -1;
    memcpy(own->out, own->in, head);
    if (bytes)
        memcpy(own->out + head, data, bytes);
    return send_one(peer, own->out, head + bytes, &own->from);
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

void uwsk_peer_lose(struct uwsk_peer *peer, unsigned percent)
{
    if (peer->datagram)
        peer->datagram->lose_percent = percent;
}

/* The next one that is not lost, in `in`: its bytes, or < 0. */
static long take(struct uwsk_peer *peer)
{
    struct peer_datagram *own = peer->datagram;
    uint64_t now = host_now(), until = peer->patience > UINT64_MAX - now ? UINT64_MAX : now + peer->patience;

    for (;;) {
        struct transport_address from;
        long result;

        now = host_now();
        result =
            net_datagram_receive_from(own->socket, own->in, LONGEST, &from, until > now ? until - now : 0);
        if (result < 0) {
            peer_tell(peer, "receives: %s", peer_result_text(result));
            return result;
        }
        if (own->lose_percent && sim_rng_below(&own->rng, 100) < own->lose_percent) {
            peer_tell(peer, "loses a datagram of %ld bytes", result);
            continue;
        }
        own->from = from;
        own->in_bytes = (size_t)result;
        peer_tell(peer, "receives a datagram of %ld bytes", result);
        return result;
    }
}

long peer_datagram_receive(struct uwsk_peer *peer, void *data, size_t bytes)
{
    long result = is_open(peer) ? take(peer) : -1;

    if (result < 0)
        return -1;
    if (data)
        memcpy(data, peer->datagram->in, (size_t)result < bytes ? (size_t)result : bytes);
    return result;
}

long peer_datagram_drain(struct uwsk_peer *peer)
{
    long all = 0, result;

    while ((result = peer_datagram_receive(peer, NULL, 0)) >= 0)
        all += result;
    return all;
}

void peer_datagram_expect(struct uwsk_peer *peer, size_t count)
{
    for (size_t got = 0; got < count && is_open(peer); got++)
        if (take(peer) < 0)
            peer_failed(peer, "expected %zu datagrams; after %zu came nothing in time", count, got);
}

void peer_datagram_expect_data(struct uwsk_peer *peer, const void *data, size_t bytes)
{
    long result;

    if (!is_open(peer))
        return;
    result = take(peer);
    if (result < 0)
        peer_failed(peer, "expected a datagram of %zu bytes, there came nothing in time", bytes);
    else if ((size_t)result != bytes || memcmp(peer->datagram->in, data, bytes) != 0)
        peer_failed(peer, "expected a datagram of %zu bytes, there came another one, of %ld bytes", bytes,
                    result);
}

/* ---- echoes ------------------------------------------------------------------------------------------- */

static int same(const struct peer_datagram *own, const struct letter *letter)
{
    if (letter->bytes != own->in_bytes)
        return 0;
    if (letter->data)
        return memcmp(letter->data, own->in, own->in_bytes) == 0;
    for (size_t i = 0; i < own->in_bytes; i++)
        if (own->in[i] != peer_pattern(letter->position + i))
            return 0;
    return 1;
}

/* 1: the last one that came is the first echo of one that was sent.  A second one is right where the weather doubles. */
static int is_echo(struct uwsk_peer *peer)
{
    struct peer_datagram *own = peer->datagram;
    int doubled = 0;

    for (size_t i = 0; i < own->letters; i++)
        if (same(own, &own->letter[i])) {
            if (!own->letter[i].back) {
                own->letter[i].back = 1;
                return 1;
            }
            doubled = 1;
        }
    if (!doubled)
        peer_failed(peer, "expected its own datagrams back, there came another one, of %zu bytes",
                    own->in_bytes);
    else if (!peer->world->drawn.weather.duplicate_percent)
        peer_failed(peer, "expected each datagram back once, there came one of %zu bytes again",
                    own->in_bytes);
    return 0;
}

void peer_datagram_expect_echo(struct uwsk_peer *peer)
{
    size_t missing = 0, came = 0;

    if (!is_open(peer))
        return;
    for (size_t i = 0; i < peer->datagram->letters; i++)
        missing += !peer->datagram->letter[i].back;
    while (came < missing && !peer->over) {
        if (take(peer) < 0)
            peer_failed(peer, "expected %zu datagrams back; after %zu came nothing in time", missing, came);
        else
            came += (size_t)is_echo(peer);
    }
}

void uwsk_peer_expect_intact(struct uwsk_peer *peer)
{
    if (!peer->datagram)
        peer_failed(peer, "has no UDP socket, and what of a connection is lost is an error");
    while (is_open(peer) && take(peer) >= 0)
        is_echo(peer);
}
