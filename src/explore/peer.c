/*
 * peer.c - what a peer does, as functions for peers in C and as the steps of a script.
 *
 * A failed expectation is a violation unless faults are on, or the drivers are being unloaded: then the peer just
 * ends.  (A peer in C gets -1 from everything from then on.)
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "host/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 2048 };

uint8_t peer_pattern(uint64_t position)
{
    return (uint8_t)(position * 31 + (position >> 8) * 7 + 1);
}

void peer_failed(struct uwsk_peer *peer, const char *format, ...)
{
    char what[700];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    peer->over = 1;
    if (faults_since(peer->world, peer->began) || peer->world->phase >= WORLD_UNLOADING)
        return;
    if (peer->line)
        world_violation(peer->world, "expectation", "%s:%d: %s %s", peer->world->scenario.name, peer->line,
                        peer->plan->name, what);
    else
        world_violation(peer->world, "expectation", "%s %s", peer->plan->name, what);
}

void peer_tell(struct uwsk_peer *peer, const char *format, ...)
{
    char what[200];
    va_list arguments;

    peer->world->progress++;
    if (!peer->world->options.trace)
        return;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    events_add(peer->world, "%s", what);
}

const char *peer_result_text(long result)
{
    switch (result) {
    case NET_OK:
        return "FIN";
    case NET_TIMEOUT:
        return "nothing in time";
    case NET_REFUSED:
        return "refused";
    case NET_RESET:
        return "RST";
    case NET_IN_USE:
        return "address in use";
    case NET_NO_MEMORY:
        return "no memory";
    case NET_UNREACHABLE:
        return "unreachable";
    default:
        return "data";
    }
}

/* ---- functions ---------------------------------------------------------------------------------------- */

void uwsk_peer_patience(struct uwsk_peer *peer, uint64_t ns)
{
    peer->patience = ns;
}

int uwsk_peer_host(struct uwsk_peer *peer, int host)
{
    if (host < 0 || (size_t)host > peer->world->scenario.hosts)
        return -1;
    peer->host = host;
    return 0;
}

static int connect_to(struct uwsk_peer *peer, const char *address, uint16_t port)
{
    struct transport_address remote;
    int result;

    if (peer->over || net_address(address, port, &remote) != 0)
        return NET_UNREACHABLE;
    uwsk_peer_close(peer);
    peer_datagram_free(peer);
    peer->sent = peer->back = 0;
    peer_tell(peer, "connects to %s:%u", address, port);
    result = net_connect(peer->host, &remote, peer->patience, &peer->socket);
    if (result != NET_OK) {
        peer->socket = NULL;
        peer_tell(peer, "connect: %s", peer_result_text(result));
    } else {
        peer_tell(peer, "is connected");
    }
    return result;
}

int uwsk_peer_connect(struct uwsk_peer *peer, const char *address, uint16_t port)
{
    return connect_to(peer, address, port) == NET_OK ? 0 : -1;
}

int uwsk_peer_listen(struct uwsk_peer *peer, const char *address, uint16_t port)
{
    struct transport_address local;

    if (peer->over || net_address(address, port, &local) != 0)
        return -1;
    if (peer->listener)
        net_close(peer->listener);
    peer->listener = net_listen(peer->host, &local, 16);
    peer_tell(peer, "listens on %s:%u%s", address, port, peer->listener ? "" : ": in use");
    return peer->listener ? 0 : -1;
}

int uwsk_peer_accept(struct uwsk_peer *peer)
{
    int result;

    if (peer->over || !peer->listener)
        return -1;
    uwsk_peer_close(peer);
    peer_datagram_free(peer);
    peer->sent = peer->back = 0;
    result = net_accept(peer->listener, peer->patience, &peer->socket);
    if (result != NET_OK)
        peer->socket = NULL;
    peer_tell(peer, "accept: %s", result == NET_OK ? "a connection" : peer_result_text(result));
    return result == NET_OK ? 0 : -1;
}

int uwsk_peer_send_data(struct uwsk_peer *peer, const void *data, size_t bytes)
{
    long result;

    if (peer->datagram)
        return peer_datagram_send_data(peer, data, bytes);
    if (peer->over || !peer->socket)
        return -1;
    result = net_send(peer->socket, data, bytes, peer->patience);
    peer_tell(peer, "sends %zu bytes%s%s", bytes, result < 0 ? ": " : "",
              result < 0 ? peer_result_text(result) : "");
    return result < 0 ? -1 : 0;
}

int uwsk_peer_send(struct uwsk_peer *peer, size_t bytes)
{
    uint8_t part[CHUNK];
    size_t left = bytes;
    long result = 0;

    if (peer->datagram)
        return uwsk_peer_burst(peer, 1, bytes);
    if (peer->over || !peer->socket)
        return -1;
    while (left > 0 && result >= 0) {
        size_t now = left < CHUNK ? left : CHUNK;

        for (size_t i = 0; i < now; i++)
            part[i] = peer_pattern(peer->sent + i);
        result = net_send(peer->socket, part, now, peer->patience);
        if (result >= 0) {
            peer->sent += now;
            left -= now;
        }
    }
    peer_tell(peer, "sends %zu bytes%s%s", bytes, result < 0 ? ": " : "",
              result < 0 ? peer_result_text(result) : "");
    return result < 0 ? -1 : 0;
}

static long receive(struct uwsk_peer *peer, void *data, size_t bytes)
{
    long result;

    if (peer->over || !peer->socket)
        return NET_UNREACHABLE;
    result = net_receive(peer->socket, data, bytes, peer->patience);
    if (result > 0)
        peer_tell(peer, "receives %ld bytes", result);
    else
        peer_tell(peer, "receives: %s", peer_result_text(result));
    return result;
}

long uwsk_peer_receive(struct uwsk_peer *peer, void *data, size_t bytes)
{
    long result;

    if (peer->datagram)
        return peer_datagram_receive(peer, data, bytes);
    result = receive(peer, data, bytes);
    return result < 0 ? -1 : result;
}

long uwsk_peer_drain(struct uwsk_peer *peer)
{
    uint8_t part[CHUNK];
    long result, all = 0;

    if (peer->datagram)
        return peer_datagram_drain(peer);
    while ((result = receive(peer, part, sizeof part)) > 0)
        all += result;
    return result < 0 ? -1 : all;
}

/* `bytes` bytes that are compared with data, with the pattern (data NULL, echo), or with nothing. */
static void expect(struct uwsk_peer *peer, const uint8_t *data, size_t bytes, int echo)
{
    uint8_t part[CHUNK];
    size_t got = 0;

    while (got < bytes && !peer->over) {
        size_t left = bytes - got;
        long result = receive(peer, part, left < CHUNK ? left : CHUNK);

        if (result <= 0) {
            peer_failed(peer, "expected %zu bytes%s; after %zu came %s", bytes, echo ? " back" : "", got,
                        peer_result_text(result));
            return;
        }
        for (long i = 0; i < result && (data || echo); i++) {
            uint8_t right = data ? data[got + (size_t)i] : peer_pattern(peer->back + (uint64_t)i);

            if (part[i] == right)
                continue;
            peer_failed(peer, "expected byte %zu to be 0x%02x, it is 0x%02x", got + (size_t)i, right,
                        part[i]);
            return;
        }
        got += (size_t)result;
        if (echo)
            peer->back += (uint64_t)result;
    }
}

void uwsk_peer_expect(struct uwsk_peer *peer, size_t bytes)
{
    if (peer->datagram)
        peer_datagram_expect(peer, bytes);
    else
        expect(peer, NULL, bytes, 0);
}

void uwsk_peer_expect_data(struct uwsk_peer *peer, const void *data, size_t bytes)
{
    if (peer->datagram)
        peer_datagram_expect_data(peer, data, bytes);
    else
        expect(peer, data, bytes, 0);
}

void uwsk_peer_expect_echo(struct uwsk_peer *peer)
{
    if (peer->datagram)
        peer_datagram_expect_echo(peer);
    else
        expect(peer, NULL, peer->sent - peer->back, 1);
}

/* ends: bit 0: a FIN is right, bit 1: an RST is. */
static void expect_end(struct uwsk_peer *peer, int ends)
{
    static const char *const names[] = {"", "FIN", "RST", "FIN or RST"};
    uint8_t part[CHUNK];
    long result;

    if (peer->over)
        return;
    if (peer->datagram) {
        peer_failed(peer, "expected %s, but has a UDP socket", names[ends]);
        return;
    }
    result = receive(peer, part, sizeof part);
    if ((result == NET_OK && (ends & 1)) || (result == NET_RESET && (ends & 2)))
        return;
    peer_failed(peer, "expected %s, there came %s", names[ends], peer_result_text(result));
}

void uwsk_peer_expect_fin(struct uwsk_peer *peer)
{
    expect_end(peer, 1);
}

void uwsk_peer_expect_rst(struct uwsk_peer *peer)
{
    expect_end(peer, 2);
}

void uwsk_peer_expect_end(struct uwsk_peer *peer)
{
    expect_end(peer, 3);
}

int uwsk_peer_shutdown(struct uwsk_peer *peer)
{
    if (peer->over || !peer->socket)
        return -1;
    peer_tell(peer, "sends FIN");
    return net_shutdown(peer->socket) == NET_OK ? 0 : -1;
}

int uwsk_peer_reset(struct uwsk_peer *peer)
{
    if (!peer->socket)
        return -1;
    peer_tell(peer, "sends RST");
    net_reset(peer->socket);
    net_close(peer->socket);
    peer->socket = NULL;
    return 0;
}

void uwsk_peer_close(struct uwsk_peer *peer)
{
    peer_datagram_close(peer);
    if (!peer->socket)
        return;
    peer_tell(peer, "closes");
    net_close(peer->socket);
    peer->socket = NULL;
}

void uwsk_peer_vanish(struct uwsk_peer *peer)
{
    uwsk_peer_lose(peer, 100);
    if (!peer->socket)
        return;
    peer_tell(peer, "vanishes");
    net_drop_incoming(peer->socket);
}

void uwsk_peer_wait(struct uwsk_peer *peer, uint64_t ns)
{
    uint32_t never = 0;
    uint64_t until = host_now() + ns;

    (void)peer;
    while (host_now() < until)
        host_park(&never, 0, until);
}

/* ---- a script ----------------------------------------------------------------------------------------- */

static int receive_some(struct uwsk_peer *peer, uint64_t bytes)
{
    uint8_t part[CHUNK];
    long result = 1;

    if (peer->datagram) {
        while (bytes-- > 0 && peer_datagram_receive(peer, NULL, 0) >= 0)
            ;
        return 0;
    }
    for (uint64_t got = 0; got < bytes && result > 0; got += (uint64_t)result) {
        uint64_t left = bytes - got;

        result = receive(peer, part, left < CHUNK ? (size_t)left : CHUNK);
        if (result <= 0)
            break;
    }
    return 0;
}

static int connect_step(struct uwsk_peer *peer, const struct peer_step *step)
{
    int result = connect_to(peer, step->address, step->port);

    if (result != NET_OK && step->line)
        peer_failed(peer, "expected to connect to %s:%u: %s", step->address, step->port,
                    peer_result_text(result));
    return result == NET_OK ? 0 : -1;
}

/* -1: nothing more can be done. */
static int run_step(struct uwsk_peer *peer, const struct peer_step *step)
{
    peer->line = step->line;
    switch (step->action) {
    case PEER_CONNECT:
        return connect_step(peer, step);
    case PEER_LISTEN:
        if (uwsk_peer_listen(peer, step->address, step->port) != 0)
            peer_failed(peer, "expected to listen on %s:%u, which is in use", step->address, step->port);
        return 0;
    case PEER_ACCEPT:
        if (uwsk_peer_accept(peer) != 0)
            peer_failed(peer, "expected a connection");
        return 0;
    case PEER_UDP:
        if (uwsk_peer_udp(peer, step->address, step->port) != 0)
            peer_failed(peer, "expected a UDP socket for %s:%u", step->address, step->port);
        return 0;
    case PEER_UDP_BIND:
        if (uwsk_peer_udp_bind(peer, step->address, step->port) != 0)
            peer_failed(peer, "expected a UDP socket at %s:%u, which is in use or not its host's",
                        step->address, step->port);
        return 0;
    case PEER_BURST:
        return uwsk_peer_burst(peer, step->count, step->number);
    case PEER_LOSE:
        uwsk_peer_lose(peer, (unsigned)step->number);
        return 0;
    case PEER_ANSWER:
        return uwsk_peer_answer(peer, step->number, step->text, step->text_bytes);
    case PEER_EXPECT_INTACT:
        uwsk_peer_expect_intact(peer);
        return 0;
    case PEER_SEND:
        return uwsk_peer_send(peer, step->number);
    case PEER_SEND_TEXT:
        return uwsk_peer_send_data(peer, step->text, step->text_bytes);
    case PEER_RECEIVE:
        return receive_some(peer, step->number);
    case PEER_DRAIN:
        uwsk_peer_drain(peer);
        return 0;
    case PEER_EXPECT:
        uwsk_peer_expect(peer, step->number);
        return 0;
    case PEER_EXPECT_TEXT:
        uwsk_peer_expect_data(peer, step->text, step->text_bytes);
        return 0;
    case PEER_EXPECT_ECHO:
        uwsk_peer_expect_echo(peer);
        return 0;
    case PEER_EXPECT_FIN:
        uwsk_peer_expect_fin(peer);
        return 0;
    case PEER_EXPECT_RST:
        uwsk_peer_expect_rst(peer);
        return 0;
    case PEER_EXPECT_END:
        uwsk_peer_expect_end(peer);
        return 0;
    case PEER_SHUTDOWN:
        uwsk_peer_shutdown(peer);
        return 0;
    case PEER_RESET:
        uwsk_peer_reset(peer);
        return 0;
    case PEER_CLOSE:
        uwsk_peer_close(peer);
        return 0;
    case PEER_VANISH:
        uwsk_peer_vanish(peer);
        return 0;
    case PEER_WAIT:
        uwsk_peer_wait(peer, step->number);
        return 0;
    case PEER_PATIENCE:
        peer->patience = step->number;
        return 0;
    default:
        return -1;
    }
}

void peer_main(struct uwsk_peer *peer)
{
    const struct peer_plan *plan = peer->plan;

    uwsk_peer_wait(peer, plan->at_ns);
    peer->began = host_now();
    if (plan->main)
        plan->main(peer, plan->context);
    else
        for (size_t i = 0; i < plan->steps && !peer->over; i++)
            if (run_step(peer, &plan->step[i]) != 0)
                break;
    uwsk_peer_close(peer);
    if (peer->listener)
        net_close(peer->listener);
    peer->listener = NULL;
}
