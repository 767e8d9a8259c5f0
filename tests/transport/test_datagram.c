/* Datagrams: UDP and raw sockets, sent to, received from, in batches, with what is told about each. */
#include "datagrams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMPED  NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline") " " NET_LINUX("pumped/one-byte")
#define THREADS NET_LINUX("threads/natural") " " NET_LINUX("threads/no-inline")

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(PUMPED " " THREADS);

enum { MOST = 65507 }; /* bytes that fit into an IPv4 datagram */

static const int families[] = {PEER_INET, PEER_INET6};

/* ---- one ---------------------------------------------------------------------------------------------- */

TEST(a_datagram_arrives_and_tells_from_where, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        struct dio io;
        char memory[64];
        dio_into(&io, memory, sizeof(memory));
        EXPECT_STATUS(dio_start(b, &io), STATUS_PENDING); /* first waiting, then not */
        EXPECT_STATUS(dio_send_one(a, there, "hello", 5), STATUS_SUCCESS);
        for (int i = 0; i < 2; i++) {
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            EXPECT_EQ(io.op.op.bytes, 5);
            EXPECT_EQ(io.op.done, 1);
            EXPECT(memcmp(memory, "hello", 5) == 0);
            expect_address(&io.op.about.remote, &here);
            expect_address(&io.op.about.local, &there);
            EXPECT_EQ(io.op.about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE);
            EXPECT_EQ(io.op.about.interface, 1);
            EXPECT_EQ(io.op.about.flags, 0);
            if (i == 0) {
                EXPECT_STATUS(dio_send_one(a, there, "hello", 5), STATUS_SUCCESS);
                EXPECT_PUMPED(net->query(b, TRANSPORT_READABLE) == 5);
                dio_into(&io, memory, sizeof(memory));
                EXPECT_STATUS(dio_start(b, &io),
                              test_mode_has("no-inline") ? STATUS_PENDING : STATUS_SUCCESS);
            }
        }
        net->close(a);
        net->close(b);
    }
}

TEST(a_batch_takes_what_is_there, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        struct datagram list[100], came[100];
        struct dio io;
        size_t bytes = 0, total = 0;
        for (int i = 0; i < 100; i++) {
            list[i].length = i % 10 == 0 ? 0 : (size_t)(i * 37 % 1400);
            list[i].memory = net_pattern(list[i].length, (unsigned)i);
            bytes += list[i].length;
        }
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 1 << 20);
        dio_to(&io, list, 100, there);
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 100);
        EXPECT_EQ(io.op.op.bytes, bytes);
        for (size_t at = 0; at < 100; at += io.op.done) {
            dio_batch(&io, came, 100 - at);
            EXPECT_STATUS(dio_start(b, &io), STATUS_PENDING); /* never inline */
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            EXPECT(io.op.done >= 1 && io.op.done <= 100 - at);
            for (size_t i = 0; i < io.op.done; i++) {
                EXPECT_EQ(came[i].length, list[at + i].length);
                EXPECT(memcmp(came[i].memory, list[at + i].memory, came[i].length) == 0);
                expect_address(&came[i].about.remote, &here);
                expect_address(&came[i].about.local, &there);
                EXPECT_EQ(came[i].about.flags, 0);
                free(came[i].memory);
            }
            total += io.op.op.bytes;
        }
        EXPECT_EQ(total, bytes);
        dio_batch(&io, came, 100);
        EXPECT_STATUS(dio_start(b, &io), STATUS_PENDING);
        net_pump(5);
        EXPECT_EQ(atomic_load(&io.over), 0);
        EXPECT_EQ(net->cancel(b, &io.op.op), 1);
        for (int i = 0; i < 100; i++)
            free(list[i].memory);
        net->close(a);
        net->close(b);
    }
}

TEST(what_can_not_be_sent_to_is_refused, "D-18")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, wrong = {0};
        struct transport_socket *a = net_udp(families[f], &here), *unbound = net_open_udp(families[f]);
        EXPECT_STATUS(dio_send_one(unbound, here, "x", 1), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(dio_send_one(a, wrong, "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(dio_send_one(a, net_any(families[f], 7), "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(dio_send_one(a, net_loopback(families[f], 0), "x", 1),
                      STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(dio_send_one(a, net_loopback(families[!f], 7), "x", 1),
                      STATUS_INVALID_ADDRESS_COMPONENT);
        net->close(a);
        net->close(unbound);
    }
}

static int is_v4_mapped(const struct transport_address *address)
{
    static const char prefix[12] = {[10] = (char)0xff, [11] = (char)0xff};
    return address->family == PEER_INET6 && memcmp(address->bytes + 8, prefix, 12) == 0;
}

static struct transport_address mapped(const struct transport_address *v4)
{
    struct transport_address address = net_loopback(PEER_INET6, net_port(v4));
    address.bytes[18] = address.bytes[19] = 0xff;
    memcpy(address.bytes + 20, v4->bytes + 4, 4);
    return address;
}

TEST(a_dual_mode_socket_has_both_families, "D-18")
{
    struct transport_address v4, v6, dual = net_any(PEER_INET6, 0);
    struct transport_socket *a = net_udp(PEER_INET, &v4), *b = net_udp(PEER_INET6, &v6),
                            *both = net_open_udp(PEER_INET6);
    struct dio io;
    char memory[64];
    net_set(both, TRANSPORT_OPTION_V6ONLY, 0);
    net_set(both, TRANSPORT_OPTION_RECEIVE_HOPS, 1);
    EXPECT_STATUS(net->bind(both, &dual), STATUS_SUCCESS);
    dual = net_local(both);
    EXPECT_STATUS(dio_send_one(a, net_loopback(PEER_INET, net_port(&dual)), "four", 4), STATUS_SUCCESS);
    dio_receive_one(both, &io, memory, sizeof(memory));
    EXPECT_EQ(io.op.op.bytes, 4);
    EXPECT(is_v4_mapped(&io.op.about.remote) && is_v4_mapped(&io.op.about.local));
    EXPECT_EQ(io.op.about.local.bytes[20], 127);
    EXPECT_EQ(net_port(&io.op.about.local), net_port(&dual));
    EXPECT_EQ(net_port(&io.op.about.remote), net_port(&v4));
    EXPECT_EQ(io.op.about.interface, 1);
    EXPECT(io.op.about.known & TRANSPORT_KNOWS_HOPS);
    EXPECT_EQ(io.op.about.hops, 64);
    EXPECT_EQ(io.op.about.flags, 0);

    EXPECT_STATUS(dio_send_one(b, net_loopback(PEER_INET6, net_port(&dual)), "sixsix", 6), STATUS_SUCCESS);
    dio_receive_one(both, &io, memory, sizeof(memory));
    EXPECT_EQ(io.op.op.bytes, 6);
    expect_address(&io.op.about.remote, &v6);
    EXPECT(!is_v4_mapped(&io.op.about.local));
    EXPECT_EQ(io.op.about.local.bytes[8 + 15], 1);

    EXPECT_STATUS(dio_send_one(both, mapped(&v4), "back", 4), STATUS_SUCCESS);
    dio_receive_one(a, &io, memory, sizeof(memory));
    EXPECT_EQ(net_port(&io.op.about.remote), net_port(&dual));
    EXPECT_STATUS(dio_send_one(both, v6, "back", 4), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, sizeof(memory));
    EXPECT(dio_send_one(b, mapped(&v4), "no", 2) != STATUS_SUCCESS); /* IPv6 only, as Windows has it */
    net->close(a);
    net->close(b);
    net->close(both);
}

TEST(what_has_no_room_is_cut_off, "")
{
    struct transport_address here, there;
    struct transport_socket *a = net_udp(PEER_INET, &here), *b = net_udp(PEER_INET, &there);
    struct dio io;
    char memory[64] = "";
    EXPECT_STATUS(dio_send_one(a, there, "longer than that", 16), STATUS_SUCCESS);
    EXPECT_STATUS(dio_send_one(a, there, "again", 5), STATUS_SUCCESS);
    EXPECT_STATUS(dio_send_one(a, there, "", 0), STATUS_SUCCESS);
    EXPECT_STATUS(dio_send_one(a, there, "exact", 5), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, 6);
    EXPECT_EQ(io.op.op.bytes, 6);
    EXPECT_EQ(io.op.about.flags, TRANSPORT_TRUNCATED);
    EXPECT(memcmp(memory, "longer\0", 7) == 0);
    dio_receive_one(b, &io, memory, 0); /* no room at all */
    EXPECT_EQ(io.op.op.bytes, 0);
    EXPECT_EQ(io.op.about.flags, TRANSPORT_TRUNCATED);
    dio_receive_one(b, &io, memory, sizeof(memory)); /* a datagram of no bytes is one */
    EXPECT_EQ(io.op.op.bytes, 0);
    EXPECT_EQ(io.op.about.flags, 0);
    expect_address(&io.op.about.remote, &here);
    dio_receive_one(b, &io, memory, 5);
    EXPECT_EQ(io.op.op.bytes, 5);
    EXPECT_EQ(io.op.about.flags, 0);
    net->close(a);
    net->close(b);
}

static void send_and_take(struct transport_socket *a, struct transport_socket *b,
                          struct transport_address there, size_t length, size_t out_piece, size_t in_piece)
{
    char *out = net_pattern(length, (unsigned)length), *in = calloc(1, length + 1);
    struct datagram one = {.length = length, .memory = out};
    struct datagram came;
    struct dio io;
    dio_to(&io, &one, 1, there);
    io.piece = out_piece;
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    EXPECT_EQ(io.op.op.bytes, length);
    if (in_piece) {
        dio_into(&io, in, length);
        io.piece = in_piece;
        dio_start(b, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.about.flags, 0);
    } else {
        dio_batch(&io, &came, 1);
        dio_start(b, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        memcpy(in, came.memory, came.length);
        free(came.memory);
    }
    EXPECT_EQ(io.op.op.bytes, length);
    EXPECT(memcmp(in, out, length) == 0);
    free(in);
    free(out);
}

TEST(every_length_arrives_whole, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        /* IPv6 does not count its header. */
        size_t most = families[f] == PEER_INET ? MOST : 65527;
        const size_t lengths[] = {0, 1, 2047, 2048, 2049, 4095, 4096, 9000, 65000, most};
        char *memory = net_pattern(most + 10, 0);
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 1 << 20);
        for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            send_and_take(a, b, there, lengths[i], 1 << 20, 1 << 20);
            send_and_take(a, b, there, lengths[i], 1 << 20, 0); /* a batch of one */
            send_and_take(a, b, there, lengths[i], 7, 1 << 20); /* more segments than the kernel takes */
            send_and_take(a, b, there, lengths[i], 997, 13);
        }
        for (size_t beyond = 1; beyond < 10; beyond += 8) {
            EXPECT_STATUS(dio_send_one(a, there, memory, most + beyond), STATUS_INVALID_BUFFER_SIZE);
        }
        free(memory);
        net->close(a);
        net->close(b);
    }
}

TEST(an_error_ends_a_list_at_that_datagram, "")
{
    struct transport_address here, there;
    struct transport_socket *a = net_udp(PEER_INET, &here), *b = net_udp(PEER_INET, &there);
    char *memory = net_pattern(70000, 0);
    struct datagram list[5];
    struct dio io;
    for (int i = 0; i < 5; i++)
        list[i] = (struct datagram){.length = i == 3 ? 70000 : 10, .memory = memory};
    dio_to(&io, list, 5, there);
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(io.op.done, 3);
    EXPECT_EQ(io.op.op.bytes, 30);
    list[3].length = MOST + 1; /* one that only the kernel knows to be too long */
    dio_to(&io, list, 5, there);
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(io.op.done, 3);
    EXPECT_EQ(io.op.op.bytes, 30);
    for (int i = 0; i < 6; i++) {
        dio_receive_one(b, &io, memory, 100);
        EXPECT_EQ(io.op.op.bytes, 10);
    }
    EXPECT_EQ(net->query(b, TRANSPORT_READABLE), 0);
    free(memory);
    net->close(a);
    net->close(b);
}

/* ---- in order ----------------------------------------------------------------------------------------- */

struct counter { /* what the datagrams of a run say, in whatever batches they come */
    struct transport_socket *socket;
    struct datagram came[64];
    size_t count;
    _Atomic size_t next;
    size_t last;
    _Atomic int ended;
};

static void count_on(struct dio *io)
{
    struct counter *counter = io->context;
    EXPECT_STATUS(io->status, STATUS_SUCCESS);
    EXPECT(io->op.done >= 1 && io->op.done <= counter->count);
    for (size_t i = 0; i < io->op.done; i++) {
        uint32_t number;
        EXPECT(counter->came[i].length >= sizeof(number));
        memcpy(&number, counter->came[i].memory, sizeof(number));
        EXPECT_EQ(number, atomic_fetch_add(&counter->next, 1));
        free(counter->came[i].memory);
    }
    if (atomic_load(&counter->next) == counter->last) {
        atomic_store(&counter->ended, 1);
        return;
    }
    atomic_store(&io->completions, 0);
    EXPECT_STATUS(net->receive_from(counter->socket, &io->op), STATUS_PENDING);
}

/* Receives that are started by the completion of one, which may have taken all that was there. */
TEST(batch_after_batch_gets_all_in_order, "")
{
    static const unsigned runs[] = {1, 2, 31, 32, 33, 64, 100, 5, 33};
    enum { RUNS = sizeof(runs) / sizeof(runs[0]), ALL = 301 };
    for (size_t count = 1; count <= 64; count *= 4) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(PEER_INET, &here), *b = net_udp(PEER_INET, &there);
        struct counter counter = {.socket = b, .count = count, .last = ALL};
        struct dio receive, send;
        uint32_t numbers[100], next = 0;
        struct datagram list[100];
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 4 << 20);
        dio_batch(&receive, counter.came, count);
        receive.then = count_on;
        receive.context = &counter;
        EXPECT_STATUS(dio_start(b, &receive), STATUS_PENDING);
        for (unsigned r = 0; r < RUNS; r++) {
            for (unsigned i = 0; i < runs[r]; i++) {
                numbers[i] = next++;
                list[i] = (struct datagram){.length = 4, .memory = (char *)&numbers[i]};
            }
            dio_to(&send, list, runs[r], there);
            dio_start(a, &send);
            EXPECT_STATUS(dio_finish(&send), STATUS_SUCCESS);
            if (r % 3) /* else the next ones meet it at work */
                EXPECT_PUMPED(atomic_load(&counter.next) == next);
        }
        EXPECT_EQ(next, ALL);
        EXPECT_PUMPED(atomic_load(&counter.ended));
        net->close(a);
        net->close(b);
    }
}

/* ---- what is told and asked for ----------------------------------------------------------------------- */

static uint64_t get(struct transport_socket *socket, int option)
{
    uint64_t value = ~0ull;
    EXPECT_STATUS(net->get_option(socket, option, &value), STATUS_SUCCESS);
    return value;
}

TEST(options_of_datagrams_read_as_they_were_set, "")
{
    static const int options[] = {TRANSPORT_OPTION_BROADCAST,         TRANSPORT_OPTION_MULTICAST_HOPS,
                                  TRANSPORT_OPTION_MULTICAST_LOOP,    TRANSPORT_OPTION_MULTICAST_INTERFACE,
                                  TRANSPORT_OPTION_RECEIVE_HOPS,      TRANSPORT_OPTION_RECEIVE_CLASS,
                                  TRANSPORT_OPTION_RECEIVE_COALESCED, TRANSPORT_OPTION_SEND_SEGMENT,
                                  TRANSPORT_OPTION_RECEIVE_ERRORS};
    static const uint64_t first[] = {0, 1, 1, 0, 0, 0, 0, 0, 0};
    for (int f = 0; f < 2; f++) {
        struct transport_socket *socket = net_open_udp(families[f]), *stream = net_open(families[f]);
        uint64_t value;
        for (int i = 0; i < 9; i++) {
            EXPECT_EQ(get(socket, options[i]), first[i]);
            for (int value = 1; value >= 0; value--) {
                net_set(socket, options[i], (uint64_t)value);
                EXPECT_EQ(get(socket, options[i]), value);
            }
        }
        net_set(socket, TRANSPORT_OPTION_RECEIVE_COALESCED, 65535);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_RECEIVE_COALESCED), 65535);
        net_set(socket, TRANSPORT_OPTION_SEND_SEGMENT, 1200);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_SEND_SEGMENT), 1200);
        EXPECT_STATUS(net->get_option(socket, TRANSPORT_OPTION_NODELAY, &value), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_NODELAY, 1), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->get_option(stream, TRANSPORT_OPTION_SEND_SEGMENT, &value), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->set_option(stream, TRANSPORT_OPTION_RECEIVE_COALESCED, 1), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->set_option(stream, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_NOT_SUPPORTED);
        net->close(socket);
        net->close(stream);
    }
}

TEST(hops_and_class_go_with_a_datagram, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        struct datagram one = {.length = 1, .memory = (char *)"x"}, came;
        int v4 = families[f] == PEER_INET;
        struct dio io;
        char memory[4];
        net_set(b, TRANSPORT_OPTION_RECEIVE_HOPS, 1);
        net_set(b, TRANSPORT_OPTION_RECEIVE_CLASS, 1);
        net_set(a, v4 ? TRANSPORT_OPTION_TTL : TRANSPORT_OPTION_HOPLIMIT, 33);
        net_set(a, v4 ? TRANSPORT_OPTION_TOS : TRANSPORT_OPTION_TCLASS, 0x28);
        for (int i = 0; i < 3; i++) { /* as the options say; both given; one given and taken in a batch */
            dio_to(&io, &one, 1, there);
            io.op.about.known = i == 0   ? 0
                                : i == 1 ? TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS
                                         : TRANSPORT_KNOWS_CLASS;
            io.op.about.hops = 77;
            io.op.about.traffic_class = 0x4a; /* with a bit of ECN */
            dio_start(a, &io);
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            if (i == 2) {
                dio_batch(&io, &came, 1);
                dio_start(b, &io);
                EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
                io.op.about = came.about;
                free(came.memory);
            } else
                dio_receive_one(b, &io, memory, sizeof(memory));
            EXPECT_EQ(io.op.about.known & (TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS),
                      TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS);
            EXPECT_EQ(io.op.about.hops, i == 1 ? 77 : 33);
            EXPECT_EQ(io.op.about.traffic_class, i == 0 ? 0x28 : 0x4a);
        }
        dio_to(&io, &one, 1, there);
        io.op.about.known = TRANSPORT_KNOWS_HOPS;
        io.op.about.hops = 256;
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_INVALID_PARAMETER);
        net->close(a);
        net->close(b);
    }
}

static void expect_unreachable(const struct transport_datagram *about, int v6,
                               const struct transport_address *from, const struct transport_address *to)
{
    EXPECT_EQ(about->known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_ERROR);
    EXPECT_EQ(about->error.v6, v6);
    EXPECT_EQ(about->error.type, v6 ? 1 : 3);
    EXPECT_EQ(about->error.code, v6 ? 4 : 3);
    EXPECT_EQ(about->error.mtu, 0);
    EXPECT_EQ(about->flags, 0);
    expect_address(&about->remote, to);
    expect_address(&about->local, from);
}

/* IPv4, IPv6, IPv4 through a dual-mode socket. */
TEST(what_icmp_says_is_received, "")
{
    for (int f = 0; f < 3; f++) {
        int family = f == 0 ? PEER_INET : PEER_INET6;
        struct transport_address here, nowhere;
        struct transport_socket *a = net_open_udp(family), *b = net_open_udp(family);
        struct datagram came[4];
        struct dio io;
        char memory[4];
        net_set(a, TRANSPORT_OPTION_RECEIVE_ERRORS, 1);
        here = nowhere = net_loopback(f == 1 ? PEER_INET6 : PEER_INET, 0);
        if (f == 2) {
            net_set(a, TRANSPORT_OPTION_V6ONLY, 0);
            net_set(b, TRANSPORT_OPTION_V6ONLY, 0);
            here = nowhere = mapped(&here);
        }
        EXPECT_STATUS(net->bind(a, &here), STATUS_SUCCESS);
        EXPECT_STATUS(net->bind(b, &nowhere), STATUS_SUCCESS);
        here = net_local(a);
        nowhere = net_local(b);
        net->close(b);
        dio_into(&io, memory, sizeof(memory));
        EXPECT_STATUS(dio_start(a, &io), STATUS_PENDING); /* first waiting, then not */
        for (int i = 0; i < 2; i++) {
            EXPECT_STATUS(dio_send_one(a, nowhere, "hello", 5), STATUS_SUCCESS);
            if (i == 1) {
                dio_into(&io, memory, sizeof(memory));
                dio_start(a, &io);
            }
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            EXPECT_EQ(io.op.op.bytes, 0);
            expect_unreachable(&io.op.about, f == 1, &here, &nowhere);
        }
        /* They go before the datagrams of a batch. */
        EXPECT_STATUS(dio_send_one(a, here, "self", 4), STATUS_SUCCESS);
        EXPECT_STATUS(dio_send_one(a, nowhere, "hello", 5), STATUS_SUCCESS);
        EXPECT_STATUS(dio_send_one(a, nowhere, "hello", 5), STATUS_SUCCESS);
        dio_batch(&io, came, 4);
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 2);
        for (int i = 0; i < 2; i++) {
            EXPECT_EQ(came[i].length, 0);
            expect_unreachable(&came[i].about, f == 1, &here, &nowhere);
            free(came[i].memory);
        }
        dio_receive_one(a, &io, memory, sizeof(memory));
        EXPECT_EQ(io.op.op.bytes, 4);
        EXPECT(!(io.op.about.known & TRANSPORT_KNOWS_ERROR));
        /* What is not wanted any more is not kept for later. */
        EXPECT_STATUS(dio_send_one(a, nowhere, "hello", 5), STATUS_SUCCESS);
        net_set(a, TRANSPORT_OPTION_RECEIVE_ERRORS, 0);
        EXPECT_STATUS(dio_send_one(a, nowhere, "hello", 5), STATUS_SUCCESS);
        EXPECT_STATUS(dio_send_one(a, here, "last", 4), STATUS_SUCCESS);
        dio_receive_one(a, &io, memory, sizeof(memory));
        EXPECT_EQ(io.op.op.bytes, 4);
        net->close(a);
    }
}

TEST(the_source_can_be_chosen, "")
{
    struct transport_address everywhere = net_any(PEER_INET, 0), bound, there, second;
    struct transport_socket *a = net_open_udp(PEER_INET), *b = net_udp(PEER_INET, &there),
                            *c = net_open_udp(PEER_INET);
    struct datagram one = {.length = 1, .memory = (char *)"x"};
    struct dio io;
    char memory[4];
    EXPECT_STATUS(net->bind(a, &everywhere), STATUS_SUCCESS);
    second = net_loopback(PEER_INET, 0);
    second.bytes[7] = 2;
    EXPECT_STATUS(net->bind(c, &second), STATUS_SUCCESS);
    bound = net_local(c);
    dio_to(&io, &one, 1, there);
    io.op.about.known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE;
    io.op.about.local = second;
    io.op.about.interface = 1;
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, sizeof(memory));
    second = net_local(a);
    second.bytes[4] = 127, second.bytes[7] = 2;
    expect_address(&io.op.about.remote, &second);
    /* An interface only: what the socket is bound to stays. */
    dio_to(&io, &one, 1, there);
    io.op.about.known = TRANSPORT_KNOWS_INTERFACE;
    io.op.about.interface = 1;
    dio_start(c, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, sizeof(memory));
    expect_address(&io.op.about.remote, &bound);
    /* And the other way: where it went. */
    EXPECT_STATUS(dio_send_one(b, second, "x", 1), STATUS_SUCCESS);
    dio_receive_one(a, &io, memory, sizeof(memory));
    expect_address(&io.op.about.local, &second);
    /* Of the other family, or an interface that is not there. */
    dio_to(&io, &one, 1, there);
    io.op.about.known = TRANSPORT_KNOWS_LOCAL;
    io.op.about.local = net_loopback(PEER_INET6, 0);
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_INVALID_ADDRESS_COMPONENT);
    dio_to(&io, &one, 1, there);
    io.op.about.known = TRANSPORT_KNOWS_INTERFACE;
    io.op.about.interface = 4000;
    dio_start(a, &io);
    EXPECT(dio_finish(&io) != STATUS_SUCCESS);
    net->close(a);
    net->close(b);
    net->close(c);
}

TEST(the_source_can_be_chosen_in_ipv6, "")
{
    struct transport_address everywhere = net_any(PEER_INET6, 0), there, four, dual = net_any(PEER_INET6, 0);
    struct transport_socket *a = net_open_udp(PEER_INET6), *b = net_udp(PEER_INET6, &there),
                            *v4 = net_udp(PEER_INET, &four), *both = net_open_udp(PEER_INET6);
    struct datagram one = {.length = 1, .memory = (char *)"x"};
    struct dio io;
    char memory[4];
    EXPECT_STATUS(net->bind(a, &everywhere), STATUS_SUCCESS);
    dio_to(&io, &one, 1, there);
    io.op.about.known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE;
    io.op.about.local = net_loopback(PEER_INET6, 0);
    io.op.about.interface = 1;
    dio_start(a, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, sizeof(memory));
    EXPECT_EQ(io.op.about.remote.bytes[8 + 15], 1);
    /* A dual-mode socket chooses an IPv4 source, hops and class for what goes to IPv4. */
    net_set(both, TRANSPORT_OPTION_V6ONLY, 0);
    net_set(v4, TRANSPORT_OPTION_RECEIVE_HOPS, 1);
    net_set(v4, TRANSPORT_OPTION_RECEIVE_CLASS, 1);
    EXPECT_STATUS(net->bind(both, &dual), STATUS_SUCCESS);
    dio_to(&io, &one, 1, mapped(&four));
    io.op.about.known =
        TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS;
    io.op.about.local = mapped(&four);
    io.op.about.local.bytes[23] = 9;
    io.op.about.interface = 1;
    io.op.about.hops = 5;
    io.op.about.traffic_class = 0x20;
    dio_start(both, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    dio_receive_one(v4, &io, memory, sizeof(memory));
    EXPECT_EQ(io.op.about.remote.bytes[7], 9);
    EXPECT_EQ(io.op.about.hops, 5);
    EXPECT_EQ(io.op.about.traffic_class, 0x20);
    net->close(a);
    net->close(b);
    net->close(v4);
    net->close(both);
}

/* ---- many in one -------------------------------------------------------------------------------------- */

/* Takes datagrams of these lengths, whose bytes follow each other in `memory`. */
static void expect_lengths(struct transport_socket *socket, const char *memory, size_t total, size_t piece)
{
    char *in = malloc(piece + 1);
    for (size_t at = 0; at < total;) {
        size_t length = piece < total - at ? piece : total - at;
        struct dio io;
        dio_receive_one(socket, &io, in, piece + 1);
        EXPECT_EQ(io.op.op.bytes, length);
        EXPECT(memcmp(in, memory + at, length) == 0);
        EXPECT(!(io.op.about.known & TRANSPORT_KNOWS_SEGMENT));
        at += length;
    }
    EXPECT_EQ(net->query(socket, TRANSPORT_READABLE), 0);
    free(in);
}

TEST(a_datagram_is_cut_where_that_is_asked_for, "")
{
    for (int f = 0; f < 2; f++) {
        static const size_t pieces[] = {1, 100, 1200, 9999, 10000, 30000};
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        char *memory = net_pattern(100000, 3);
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 4 << 20);
        for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            struct datagram list[2] = {{.length = 10000, .memory = memory}, {.length = 3, .memory = memory}};
            struct dio io;
            if (pieces[i] == 1)
                list[0].length = 100;
            dio_to(&io, list, 2, there);
            io.op.about.known = TRANSPORT_KNOWS_SEGMENT;
            io.op.about.segment = (uint32_t)pieces[i];
            io.piece = 333;
            dio_start(a, &io);
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            EXPECT_EQ(io.op.done, 2);
            EXPECT_EQ(io.op.op.bytes, list[0].length + 3);
            char *in = malloc(10001);
            size_t at = 0;
            while (at < list[0].length) {
                size_t length = list[0].length - at < pieces[i] ? list[0].length - at : pieces[i];
                dio_receive_one(b, &io, in, 10001);
                EXPECT_EQ(io.op.op.bytes, length);
                EXPECT(memcmp(in, memory + at, length) == 0);
                at += length;
            }
            free(in);
            expect_lengths(b, memory, 3, pieces[i]);
        }
        /* By the option; longer than any datagram can be; and one that asks for none. */
        net_set(a, TRANSPORT_OPTION_SEND_SEGMENT, 5000);
        EXPECT_STATUS(dio_send_one(a, there, memory, 100000), STATUS_SUCCESS);
        expect_lengths(b, memory, 100000, 5000);
        struct datagram whole = {.length = 20000, .memory = memory};
        struct dio io;
        dio_to(&io, &whole, 1, there);
        io.op.about.known = TRANSPORT_KNOWS_SEGMENT;
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        expect_lengths(b, memory, 20000, 20000);
        free(memory);
        net->close(a);
        net->close(b);
    }
}

/* Runs of one length go to the kernel as one: nobody sees a difference. */
TEST(a_long_list_arrives_datagram_by_datagram, "")
{
    static const size_t ways[][3] = {{100, 100, 100},    {0, 0, 0},       {1400, 1400, 700},
                                     {100, 200, 300},    {300, 200, 100}, {5, 0, 5},
                                     {9000, 9000, 9000}, {1, 65000, 1},   {600, 600, 1}};
    for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
        enum {
            COUNT = 120
        }; /* the kernel counts more than two thousand bytes for each, and has half a million */
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[w % 2], &here), *b = net_udp(families[w % 2], &there);
        static struct datagram list[COUNT];
        size_t count = ways[w][1] > 2000 ? 12 : COUNT;
        char *in = malloc(65536);
        struct dio io;
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 8 << 20);
        for (size_t i = 0; i < count; i++) {
            list[i].length = ways[w][i % 3];
            list[i].memory = net_pattern(list[i].length, (unsigned)i);
        }
        dio_to(&io, list, count, there);
        io.piece = w % 3 ? 1 << 20 : 90; /* as whole ones and in parts */
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, count);
        for (size_t i = 0; i < count; i++) {
            dio_receive_one(b, &io, in, 65536);
            EXPECT_EQ(io.op.op.bytes, list[i].length);
            EXPECT(memcmp(in, list[i].memory, list[i].length) == 0);
            free(list[i].memory);
        }
        free(in);
        net->close(a);
        net->close(b);
    }
}

TEST(coalesced_datagrams_tell_how_long_each_is, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(families[f], &here), *b = net_udp(families[f], &there);
        char *memory = net_pattern(50 * 1000 + 10, 3);
        struct datagram list[51], came[51];
        size_t total = 50 * 1000 + 10, at = 0;
        struct dio io;
        net_set(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 8 << 20);
        net_set(b, TRANSPORT_OPTION_RECEIVE_COALESCED, 65535);
        for (int i = 0; i < 51; i++)
            list[i] = (struct datagram){.length = i == 50 ? 10 : 1000, .memory = memory + i * 1000};
        dio_to(&io, list, 51, there);
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        while (at < total) { /* in how many the kernel gives them is its own affair */
            dio_batch(&io, came, 51);
            dio_start(b, &io);
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            for (size_t i = 0; i < io.op.done; i++) {
                size_t one = 1000 < total - at ? 1000 : total - at;
                if (came[i].about.known & TRANSPORT_KNOWS_SEGMENT)
                    EXPECT_EQ(came[i].about.segment, 1000);
                else
                    EXPECT_EQ(came[i].length, one);
                EXPECT(at + came[i].length <= total);
                EXPECT(came[i].length % 1000 == 0 || at + came[i].length == total);
                EXPECT(memcmp(came[i].memory, memory + at, came[i].length) == 0);
                expect_address(&came[i].about.remote, &here);
                at += came[i].length;
                free(came[i].memory);
            }
        }
        /* Each alone again. */
        net_set(b, TRANSPORT_OPTION_RECEIVE_COALESCED, 0);
        dio_to(&io, list, 51, there);
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        expect_lengths(b, memory, total, 1000);
        free(memory);
        net->close(a);
        net->close(b);
    }
}

/* ---- what is not there ------------------------------------------------------------------------------- */

TEST(datagram_sockets_are_opened_for_udp, "D-18")
{
    struct transport_socket *socket;
    for (int f = 0; f < 2; f++) {
        EXPECT_STATUS(net->open(transport, 0, families[f], TRANSPORT_DATAGRAM, 0, &socket),
                      STATUS_PROTOCOL_UNREACHABLE);
        EXPECT_STATUS(net->open(transport, 0, families[f], TRANSPORT_DATAGRAM, 6, &socket),
                      STATUS_PROTOCOL_UNREACHABLE);
    }
    EXPECT_STATUS(net->open(transport, 0, 1, TRANSPORT_DATAGRAM, UDP, &socket), STATUS_PROTOCOL_UNREACHABLE);
}

TEST(streams_and_datagrams_do_not_mix, "")
{
    struct transport_address where;
    struct transport_socket *socket = net_udp(PEER_INET, &where), *stream = net_open(PEER_INET);
    struct io io;
    struct dio dio;
    char memory[4];
    EXPECT_STATUS(net->listen(socket, 1), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(net->abort(socket), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(net->shutdown(socket), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(net->group(stream, 1, &where, NULL, 1), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(net->address(socket, 1, &where), STATUS_CONNECTION_INVALID);
    io_init(&io, TRANSPORT_CONNECT, NULL, 0);
    io.connection.address = where;
    EXPECT_STATUS(io_run(socket, &io), STATUS_INVALID_DEVICE_STATE);
    io_init(&io, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(socket, &io), STATUS_INVALID_DEVICE_STATE);
    io_init(&io, TRANSPORT_SEND, memory, 1);
    EXPECT_STATUS(io_run(socket, &io), STATUS_CONNECTION_INVALID);
    io_init(&io, TRANSPORT_RECEIVE, memory, 1);
    EXPECT_STATUS(io_run(socket, &io), STATUS_CONNECTION_INVALID);
    io_init(&io, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_run(socket, &io), STATUS_CONNECTION_INVALID);
    EXPECT_STATUS(dio_send_one(stream, where, "x", 1), STATUS_INVALID_DEVICE_STATE);
    dio_into(&dio, memory, 1);
    dio_start(stream, &dio);
    EXPECT_STATUS(dio_finish(&dio), STATUS_INVALID_DEVICE_STATE);
    dio_batch(&dio, NULL, 1);
    dio_start(stream, &dio);
    EXPECT_STATUS(dio_finish(&dio), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(get(socket, TRANSPORT_OPTION_ERROR), 0);
    net->close(socket);
    net->close(stream);
}

/* ---- readable, cancel --------------------------------------------------------------------------------- */

TEST(readable_is_the_first_datagram, "")
{
    struct transport_address here, there;
    struct transport_socket *a = net_udp(PEER_INET, &here), *b = net_udp(PEER_INET, &there);
    struct io watch;
    struct dio io;
    char memory[100];
    EXPECT_EQ(net->query(b, TRANSPORT_READABLE), 0);
    io_init(&watch, TRANSPORT_WATCH_READABLE, NULL, 0);
    EXPECT_STATUS(io_start(b, &watch), STATUS_PENDING);
    EXPECT_STATUS(dio_send_one(a, there, memory, 30), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&watch), STATUS_SUCCESS);
    EXPECT_STATUS(dio_send_one(a, there, memory, 50), STATUS_SUCCESS);
    EXPECT_EQ(net->query(b, TRANSPORT_READABLE), 30);
    dio_receive_one(b, &io, memory, sizeof(memory));
    EXPECT_EQ(net->query(b, TRANSPORT_READABLE), 50);
    dio_receive_one(b, &io, memory, 10); /* what is cut off is gone */
    EXPECT_EQ(net->query(b, TRANSPORT_READABLE), 0);
    net->close(a);
    net->close(b);
}

TEST(a_receive_that_is_taken_back_has_taken_nothing, "")
{
    for (int way = 0; way < 2; way++) {
        struct transport_address here, there;
        struct transport_socket *a = net_udp(PEER_INET, &here), *b = net_udp(PEER_INET, &there);
        struct datagram came[4];
        struct dio io, other;
        char memory[16];
        if (way)
            dio_batch(&io, came, 4);
        else
            dio_into(&io, memory, sizeof(memory));
        EXPECT_EQ(net->cancel(b, &io.op.op), 0); /* never started */
        EXPECT_STATUS(dio_start(b, &io), STATUS_PENDING);
        EXPECT_EQ(net->cancel(b, &io.op.op), 1);
        EXPECT_EQ(net->cancel(b, &io.op.op), 0);
        EXPECT_STATUS(dio_send_one(a, there, "data", 4), STATUS_SUCCESS);
        net_pump(5);
        EXPECT_EQ(atomic_load(&io.completions), 0);
        dio_receive_one(b, &other, memory, sizeof(memory));
        EXPECT_EQ(other.op.op.bytes, 4);
        /* Closed right after it was taken back, with something on the way. */
        EXPECT_STATUS(dio_start(b, &io), STATUS_PENDING);
        EXPECT_STATUS(dio_send_one(a, there, "data", 4), STATUS_SUCCESS);
        if (!net->cancel(b, &io.op.op)) {
            EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
            if (way)
                free(came[0].memory);
        }
        net->close(b);
        EXPECT_STATUS(dio_send_one(a, there, "data", 4), STATUS_SUCCESS);
        net_pump(5);
        net->close(a);
    }
}

struct flood {
    struct transport_socket *socket;
    struct transport_address where[2]; /* of even and odd rounds */
    _Atomic long go, done;
    long rounds;
};

static void send_on_demand(void *argument)
{
    struct flood *flood = argument;
    for (long i = 0; i < flood->rounds; i++) {
        while (atomic_load(&flood->go) <= i)
            host_yield();
        char byte = (char)i;
        struct datagram one = {.length = 1, .memory = &byte};
        struct dio io;
        dio_to(&io, &one, 1, flood->where[i % 2]);
        dio_start(flood->socket, &io);
        while (!atomic_load(&io.over))
            host_yield();
        EXPECT_STATUS(io.status, STATUS_SUCCESS);
        atomic_store(&flood->done, i + 1);
    }
}

/* Either the receive is taken back and its datagram is still there, or it completes, once, with the datagram. */
TEST(cancel_races_with_arrival, "", TEST_MODES(THREADS), TEST_TIMEOUT(120))
{
    struct transport_address here;
    struct flood flood = {.rounds = test_scale(6000), .socket = net_udp(PEER_INET, &here)};
    struct transport_socket *socket = net_udp(PEER_INET, &flood.where[0]);
    flood.where[1] = flood.where[0];
    struct test_thread *thread = test_thread_start(send_on_demand, &flood);
    long taken = 0;
    for (long i = 0; i < flood.rounds; i++) {
        struct datagram came = {0};
        struct dio io, other;
        char byte = 0;
        if (i % 2)
            dio_batch(&io, &came, 8);
        else
            dio_into(&io, &byte, 1);
        int32_t status = dio_start(socket, &io);
        atomic_store(&flood.go, i + 1);
        for (long spin = i % 64 * 50; spin > 0; spin--)
            host_cpu_relax();
        if (status == STATUS_PENDING && net->cancel(socket, &io.op.op)) {
            taken++;
            dio_receive_one(socket, &other, &byte, 1);
            EXPECT_EQ(atomic_load(&io.completions), 0);
        } else {
            while (!atomic_load(&io.over))
                host_yield();
            EXPECT_STATUS(io.status, STATUS_SUCCESS);
            EXPECT_EQ(io.op.done, 1);
            if (i % 2) {
                byte = came.memory[0];
                free(came.memory);
            }
        }
        EXPECT_EQ((unsigned char)byte, (unsigned char)i);
    }
    test_thread_join(thread);
    TEST_NOTE("%ld of %ld taken back", taken, flood.rounds);
    net->close(socket);
    net->close(flood.socket);
}

/* Closed while what it could have received is on its way to the loop. */
TEST(close_races_with_arrival, "", TEST_MODES(THREADS), TEST_TIMEOUT(120))
{
    struct transport_address here;
    struct flood flood = {.rounds = test_scale(2000), .socket = net_udp(PEER_INET, &here)};
    struct test_thread *thread = test_thread_start(send_on_demand, &flood);
    for (long i = 0; i < flood.rounds; i++) {
        while (i >= 2 && atomic_load(&flood.done) < i - 1)
            host_yield();
        struct transport_socket *socket = net_udp(PEER_INET, &flood.where[i % 2]);
        struct datagram came[8];
        struct dio io;
        dio_batch(&io, came, 8);
        EXPECT_STATUS(dio_start(socket, &io), STATUS_PENDING);
        atomic_store(&flood.go, i + 1);
        for (long spin = i % 64 * 50; spin > 0; spin--)
            host_cpu_relax();
        if (!net->cancel(socket, &io.op.op)) {
            while (!atomic_load(&io.over))
                host_yield();
            EXPECT_STATUS(io.status, STATUS_SUCCESS);
            for (size_t k = 0; k < io.op.done; k++)
                free(came[k].memory);
        }
        net->close(socket);
    }
    test_thread_join(thread);
    net->close(flood.socket);
}
