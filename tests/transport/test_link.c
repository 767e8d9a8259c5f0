/* Datagrams on a link of the test's own: ports, broadcasts, groups, raw sockets, a queue that is full because nobody has
 * answered yet.  The link is a tap device in a network namespace, and its other end is the test. */
#include "datagrams.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int tap, tap_index;

/* ---- the link ----------------------------------------------------------------------------------------- */

static void skip(const char *what)
{
    TEST_NOTE("skipped: %s: %s", what, strerror(errno));
    fflush(NULL);
    _exit(0);
}

static struct transport_address on_link(int last_byte, int port)
{
    struct transport_address address = net_loopback(PEER_INET, port);
    memcpy(address.bytes + 4, "\x0a\x09\x08", 3);
    address.bytes[7] = (uint8_t)last_byte;
    return address;
}

static void set_address(int fd, struct ifreq *request, unsigned long what, uint32_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    memcpy(&request->ifr_addr, &in, sizeof(in));
    if (ioctl(fd, what, request) != 0)
        skip("an address of the link");
}

static void up(int fd, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    strcpy(request.ifr_name, name);
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        skip(name);
}

/* The link's own IPv6 address is there: the kernel gives it a moment later. */
static int has_ipv6(void)
{
    char line[200], name[32];
    unsigned flags;
    int found = 0;
    FILE *file = fopen("/proc/thread-self/net/if_inet6", "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%*s %*x %*x %*x %x %31s", &flags, name) == 2 && strcmp(name, "t0") == 0)
            found |= !(flags & 0x40); /* tentative */
    }
    if (file)
        fclose(file);
    return found;
}

static void write_setting(const char *path, const char *value)
{
    FILE *file = fopen(path, "we");
    if (file) {
        fprintf(file, "%s\n", value);
        fclose(file);
    }
}

static void make_link(int fd)
{
    struct ifreq request = {.ifr_name = "t0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) != 0)
        skip("a tap device");
    write_setting("/proc/sys/net/ipv6/conf/t0/dad_transmits", "0"); /* its address is good at once */
    set_address(fd, &request, SIOCSIFADDR, 0x0a090801);
    set_address(fd, &request, SIOCSIFNETMASK, 0xffffff00);
    set_address(fd, &request, SIOCSIFBRDADDR, 0x0a0908ff);
    up(fd, "t0");
    /* What waits for an answer of the neighbour is not given up after three seconds, however slow this machine is. */
    write_setting("/proc/sys/net/ipv4/neigh/t0/mcast_solicit", "10000");
    tap_index = (int)if_nametoindex("t0");
    EXPECT(tap_index > 1);
}

static void link_up(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        skip("a network of its own");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT(fd >= 0);
    up(fd, "lo");
    make_link(fd);
    close(fd);
    net_up();
}

static void link_down(void)
{
    net_down();
    close(tap);
}

TEST_FIXTURE(link_up, link_down);
TEST_MATRIX(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline"));

/* From now on somebody is known to be at 10.9.8.x. */
static void somebody_is_at(int last_byte)
{
    struct arpreq request = {.arp_flags = ATF_COM | ATF_PERM, .arp_dev = "t0"};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(0x0a090800 + (uint32_t)last_byte)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(&request.arp_pa, &in, sizeof(in));
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, "\x02\x00\x00\x00\x00\x02", 6);
    EXPECT_EQ(ioctl(fd, SIOCSARP, &request), 0);
    close(fd);
}

/* The number in the next datagram that leaves through the link, -1 when there is none now. */
static long next_number(void)
{
    unsigned char frame[4096];
    long got;
    while ((got = read(tap, frame, sizeof(frame))) > 0) {
        uint32_t number;
        if (got < 14 + 20 + 8 + 4 || frame[12] != 8 || frame[13] != 0 || frame[14 + 9] != UDP)
            continue; /* ARP, IPv6 */
        memcpy(&number, frame + 14 + 20 + 8, sizeof(number));
        return number;
    }
    return -1;
}

static struct transport_socket *bound(struct transport_address address, struct transport_address *where)
{
    struct transport_socket *socket = net_open_udp(address.family);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    *where = net_local(socket);
    return socket;
}

/* ---- a full queue ------------------------------------------------------------------------------------- */

enum { COUNT = 300, LENGTH = 500 };

struct numbers {
    struct datagram list[COUNT];
    char memory[COUNT][LENGTH];
};

static void fill(struct dio *io, struct numbers *numbers, int way)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        /* All of one length go to the kernel as one; others do not. */
        numbers->list[i].length = way ? LENGTH - 100 + i % 100 : LENGTH;
        numbers->list[i].memory = numbers->memory[i];
        memcpy(numbers->memory[i], &i, sizeof(i));
    }
    dio_to(io, numbers->list, COUNT, on_link(2 + way, 4000));
}

static size_t bytes_of(const struct numbers *numbers, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += numbers->list[i].length;
    return bytes;
}

TEST(a_full_queue_is_waited_for, "")
{
    for (int way = 0; way < 2; way++) {
        static struct numbers numbers;
        struct transport_address here;
        struct transport_socket *socket = bound(on_link(1, 0), &here);
        struct dio io;
        long next = 0;
        net_set(socket, TRANSPORT_OPTION_SEND_BUFFER, 1);
        fill(&io, &numbers, way);
        EXPECT_STATUS(dio_start(socket, &io), STATUS_PENDING);
        for (int i = 0; i < 5; i++)
            net_pump(2);
        EXPECT_EQ(atomic_load(&io.over), 0);
        EXPECT(io.op.done < COUNT);
        size_t bytes = bytes_of(&numbers, io.op.done);
        EXPECT_EQ(io.op.op.bytes, bytes);
        somebody_is_at(2 + way);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, COUNT);
        bytes = bytes_of(&numbers, COUNT);
        EXPECT_EQ(io.op.op.bytes, bytes);
        for (; next < COUNT; next++) {
            long number;
            EXPECT_PUMPED((number = next_number()) >= 0);
            EXPECT_EQ(number, next);
        }
        net->close(socket);
    }
}

TEST(a_send_that_is_taken_back_says_what_went, "")
{
    for (int way = 0; way < 2; way++) {
        static struct numbers numbers;
        struct transport_address here;
        struct transport_socket *socket = bound(on_link(1, 0), &here);
        struct dio io;
        net_set(socket, TRANSPORT_OPTION_SEND_BUFFER, 1);
        fill(&io, &numbers, way);
        EXPECT_STATUS(dio_start(socket, &io), STATUS_PENDING);
        for (int i = 0; i < 5; i++)
            net_pump(2);
        EXPECT_EQ(net->cancel(socket, &io.op.op), 1);
        EXPECT(io.op.done > 0 && io.op.done < COUNT);
        size_t bytes = bytes_of(&numbers, io.op.done);
        EXPECT_EQ(io.op.op.bytes, bytes);
        EXPECT_EQ(net->cancel(socket, &io.op.op), 0);
        net->close(socket);
        EXPECT_EQ(atomic_load(&io.completions), 0);
        long next = 0, number;
        somebody_is_at(2 + way); /* exactly these have gone */
        while ((number = next_number()) >= 0)
            EXPECT_EQ(number, next++);
        EXPECT_EQ(next, (long)io.op.done);
    }
}

/* ---- broadcasts --------------------------------------------------------------------------------------- */

TEST(broadcasts_need_the_option_and_are_told, "")
{
    static const uint8_t targets[][4] = {{10, 9, 8, 255}, {255, 255, 255, 255}};
    struct transport_address here, there;
    struct transport_socket *a = bound(on_link(1, 0), &here), *b = bound(net_any(PEER_INET, 0), &there);
    struct dio io;
    char memory[8];
    for (int i = 0; i < 2; i++) {
        struct transport_address target = net_loopback(PEER_INET, net_port(&there));
        struct datagram one = {.length = 1, .memory = memory};
        memcpy(target.bytes + 4, targets[i], 4);
        for (int on = 0; on < 2; on++) {
            net_set(a, TRANSPORT_OPTION_BROADCAST, (uint64_t)on);
            dio_to(&io, &one, 1, target);
            io.op.about.known = TRANSPORT_KNOWS_INTERFACE;
            io.op.about.interface = (uint32_t)tap_index;
            dio_start(a, &io);
            EXPECT_STATUS(dio_finish(&io), on ? STATUS_SUCCESS : STATUS_ACCESS_DENIED);
        }
        dio_receive_one(b, &io, memory, sizeof(memory));
        EXPECT_EQ(io.op.about.flags, TRANSPORT_BROADCAST);
        expect_address(&io.op.about.local, &target);
        expect_address(&io.op.about.remote, &here);
        EXPECT_EQ(io.op.about.interface, tap_index);
    }
    EXPECT_STATUS(dio_send_one(a, on_link(1, net_port(&there)), "x", 1), STATUS_SUCCESS);
    dio_receive_one(b, &io, memory, sizeof(memory));
    EXPECT_EQ(io.op.about.flags, 0);
    net->close(a);
    net->close(b);
}

/* ---- groups ------------------------------------------------------------------------------------------- */

static struct transport_address group_of(int family, int port)
{
    struct transport_address address = net_loopback(family, port);
    if (family == PEER_INET)
        memcpy(address.bytes + 4, "\xef\x01\x02\x03", 4);
    else {
        memcpy(address.bytes + 8, "\xff\x02", 2);
        address.bytes[8 + 15] = 0x77;
        address.bytes[24] = (uint8_t)tap_index;
    }
    return address;
}

/* Whether what is sent to the group arrives; what is sent to the socket itself afterwards does. */
static int reaches(struct transport_socket *from, struct transport_socket *socket,
                   struct transport_address group, struct transport_address itself)
{
    struct dio io;
    char memory[8];
    int seen = 0;
    EXPECT_STATUS(dio_send_one(from, group, "group", 5), STATUS_SUCCESS);
    EXPECT_STATUS(dio_send_one(from, itself, "me", 2), STATUS_SUCCESS);
    for (;;) {
        dio_receive_one(socket, &io, memory, sizeof(memory));
        if (io.op.op.bytes == 2) {
            EXPECT_EQ(io.op.about.flags, 0);
            return seen;
        }
        EXPECT_EQ(io.op.op.bytes, 5);
        EXPECT_EQ(io.op.about.flags, TRANSPORT_MULTICAST);
        expect_address(&io.op.about.local, &group);
        EXPECT_EQ(io.op.about.interface, tap_index);
        EXPECT(io.op.about.known & TRANSPORT_KNOWS_HOPS);
        seen = (int)io.op.about.hops;
    }
}

static struct transport_address itself_of(struct transport_address where)
{
    struct transport_address itself =
        where.family == PEER_INET ? on_link(1, net_port(&where)) : net_loopback(PEER_INET6, net_port(&where));
    return itself;
}

TEST(a_group_reaches_who_has_entered_it, "")
{
    static const int families[] = {PEER_INET, PEER_INET6};
    EXPECT_PUMPED(has_ipv6());
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = bound(net_any(families[f], 0), &here),
                                *b = bound(net_any(families[f], 0), &there);
        struct transport_address group = group_of(families[f], net_port(&there)), itself = itself_of(there);
        unsigned index = (unsigned)tap_index;
        struct transport_address no_group = itself;
        net_set(b, TRANSPORT_OPTION_RECEIVE_HOPS, 1);
        net_set(a, TRANSPORT_OPTION_MULTICAST_INTERFACE, index);
        EXPECT_EQ(reaches(a, b, group, itself), 0);
        EXPECT_STATUS(net->group(b, 1, &group, NULL, index), STATUS_SUCCESS);
        EXPECT_EQ(reaches(a, b, group, itself), 1); /* the hops of a group */
        net_set(a, TRANSPORT_OPTION_MULTICAST_HOPS, 9);
        EXPECT_EQ(reaches(a, b, group, itself), 9);
        net_set(a, TRANSPORT_OPTION_MULTICAST_LOOP, 0);
        EXPECT_EQ(reaches(a, b, group, itself), 0);
        net_set(a, TRANSPORT_OPTION_MULTICAST_LOOP, 1);
        EXPECT(net->group(b, 1, &group, NULL, index) != STATUS_SUCCESS); /* it is in */
        EXPECT_STATUS(net->group(b, 0, &group, NULL, index), STATUS_SUCCESS);
        EXPECT_EQ(reaches(a, b, group, itself), 0);
        EXPECT(net->group(b, 0, &group, NULL, index) != STATUS_SUCCESS);
        EXPECT(net->group(b, 1, &no_group, NULL, index) != STATUS_SUCCESS);
        no_group = group_of(families[!f], 0);
        EXPECT_STATUS(net->group(b, 1, &no_group, NULL, index), STATUS_INVALID_ADDRESS_COMPONENT);
        net->close(a);
        net->close(b);
    }
}

TEST(a_group_may_be_entered_for_one_source, "")
{
    struct transport_address here, there, other = on_link(77, 0);
    struct transport_socket *a = bound(on_link(1, 0), &here), *b = bound(net_any(PEER_INET, 0), &there);
    struct transport_address group = group_of(PEER_INET, net_port(&there)), itself = itself_of(there);
    unsigned index = (unsigned)tap_index;
    net_set(b, TRANSPORT_OPTION_RECEIVE_HOPS, 1);
    net_set(a, TRANSPORT_OPTION_MULTICAST_INTERFACE, index);
    EXPECT_STATUS(net->group(b, 1, &group, &other, index), STATUS_SUCCESS);
    EXPECT_EQ(reaches(a, b, group, itself), 0);
    EXPECT_STATUS(net->group(b, 1, &group, &here, index), STATUS_SUCCESS);
    EXPECT_EQ(reaches(a, b, group, itself), 1);
    EXPECT_STATUS(net->group(b, 0, &group, &here, index), STATUS_SUCCESS);
    EXPECT_EQ(reaches(a, b, group, itself), 0);
    other = net_loopback(PEER_INET6, 0);
    EXPECT_STATUS(net->group(b, 1, &group, &other, index), STATUS_INVALID_ADDRESS_COMPONENT);
    net->close(a);
    net->close(b);
}

/* ---- ports: nobody else has any here ------------------------------------------------------------------- */

static int32_t try_bind(int family, int type, int v6only, struct transport_address address)
{
    struct transport_socket *socket;
    int protocol = type == TRANSPORT_STREAM ? 6 : UDP;
    EXPECT_STATUS(net->open(transport, 0, family, type, protocol, &socket), STATUS_SUCCESS);
    if (family == PEER_INET6)
        net_set(socket, TRANSPORT_OPTION_V6ONLY, (uint64_t)v6only);
    int32_t status = net->bind(socket, &address);
    net->close(socket);
    return status;
}

TEST(ports_of_tcp_and_udp_are_apart, "D-18")
{
    static const int families[] = {PEER_INET, PEER_INET6};
    for (int f = 0; f < 2; f++) {
        struct transport_address where, again;
        struct transport_socket *socket = net_udp(families[f], &where);
        int family = families[f], port = net_port(&where);
        EXPECT_STATUS(try_bind(family, TRANSPORT_DATAGRAM, 1, where), STATUS_ADDRESS_ALREADY_EXISTS);
        EXPECT_STATUS(try_bind(family, TRANSPORT_DATAGRAM, 1, net_any(family, port)),
                      STATUS_ADDRESS_ALREADY_EXISTS);
        EXPECT_STATUS(try_bind(PEER_INET6, TRANSPORT_DATAGRAM, 0, net_any(PEER_INET6, port)),
                      STATUS_ADDRESS_ALREADY_EXISTS);
        EXPECT_STATUS(try_bind(families[!f], TRANSPORT_DATAGRAM, 1, net_any(families[!f], port)),
                      STATUS_SUCCESS);
        EXPECT_STATUS(try_bind(family, TRANSPORT_STREAM, 1, where), STATUS_SUCCESS);
        struct transport_socket *listener = net_listener(family, &port);
        EXPECT_STATUS(try_bind(family, TRANSPORT_STREAM, 1, where), STATUS_ADDRESS_ALREADY_EXISTS);
        EXPECT_STATUS(net->bind(socket, &where), STATUS_INVALID_DEVICE_STATE);
        net->close(socket);
        EXPECT_STATUS(try_bind(family, TRANSPORT_DATAGRAM, 1, where), STATUS_SUCCESS); /* given back */
        net->close(listener);
        EXPECT_STATUS(net->open(transport, 0, family, TRANSPORT_DATAGRAM, UDP, &socket), STATUS_SUCCESS);
        EXPECT_STATUS(net->address(socket, 0, &again), STATUS_ADDRESS_NOT_ASSOCIATED);
        again = net_loopback(families[!f], 0);
        EXPECT_STATUS(net->bind(socket, &again), STATUS_INVALID_ADDRESS_COMPONENT);
        net->close(socket);
    }
}

/* ---- raw sockets -------------------------------------------------------------------------------------- */

enum { EXPERIMENT = 253 };

static struct transport_socket *open_raw(int family, int protocol)
{
    struct transport_socket *socket;
    EXPECT_STATUS(net->open(transport, 0, family, TRANSPORT_RAW, protocol, &socket), STATUS_SUCCESS);
    return socket;
}

TEST(raw_sockets_have_a_protocol_and_no_port, "")
{
    static const int families[] = {PEER_INET, PEER_INET6};
    for (int f = 0; f < 2; f++) {
        struct transport_socket *a = open_raw(families[f], EXPERIMENT),
                                *b = open_raw(families[f], EXPERIMENT);
        struct transport_address where = net_loopback(families[f], 1234),
                                 local = net_loopback(families[f], 0);
        size_t header = families[f] == PEER_INET ? 20 : 0; /* IPv4's comes with what is received */
        struct datagram came[2];
        struct dio io;
        char memory[100];
        EXPECT_STATUS(dio_send_one(a, where, "raw", 3), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(net->bind(a, &where), STATUS_SUCCESS);
        EXPECT_STATUS(net->bind(b, &where), STATUS_SUCCESS);
        where = net_local(a);
        expect_address(&where, &local);
        EXPECT_STATUS(dio_send_one(a, net_loopback(families[f], 99), "raw", 3), STATUS_SUCCESS);
        dio_receive_one(b, &io, memory, sizeof(memory)); /* both have it */
        EXPECT_EQ(io.op.op.bytes, header + 3);
        EXPECT(memcmp(memory + header, "raw", 3) == 0);
        expect_address(&io.op.about.remote, &local);
        expect_address(&io.op.about.local, &local);
        dio_batch(&io, came, 2);
        dio_start(a, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 1);
        EXPECT_EQ(io.op.op.bytes, header + 3);
        free(came[0].memory);
        net->close(a);
        net->close(b);
    }
}

TEST(raw_sockets_need_a_privilege, "")
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    struct transport_socket *socket;
    EXPECT_EQ(syscall(SYS_capset, &header, data), 0);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, TRANSPORT_RAW, EXPERIMENT, &socket),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET6, TRANSPORT_RAW, EXPERIMENT, &socket),
                  STATUS_ACCESS_DENIED);
}
