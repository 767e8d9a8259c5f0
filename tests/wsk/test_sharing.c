/*
 * test_sharing.c - two sockets on one address: the table of the documentation cell by cell, the access check, and
 * security descriptors of sockets (areas SHARE, OPT, CTLC).
 */
#include <ntifs.h>
#include "nt/ex/ex.h"
#include "wsk_test.h"

#include "wsk/wskp.h"

TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX("natural/dispatch");
#else
TEST_MATRIX("natural/dispatch natural/dispatch/uring natural/dispatch/sim");
#endif

/* ---- sockets ------------------------------------------------------------------------------------------ */

enum { NONE, REUSE, EXCLUSIVE, OPTIONS };
enum { WILDCARD, SPECIFIC };

static void set_flag(PWSK_SOCKET socket, ULONG level, ULONG name, ULONG value)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_control(socket, &op, WskSetOption, name, level, sizeof value, &value, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static NTSTATUS set_security(PWSK_SOCKET socket, PSECURITY_DESCRIPTOR descriptor)
{
    struct wt_op op;
    NTSTATUS status;

    wt_op_init(&op);
    wt_control(socket, &op, WskSetOption, SO_WSK_SECURITY, SOL_SOCKET, sizeof descriptor, &descriptor, 0,
               NULL);
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

/* What the two sockets of a case are. */
static const struct kind {
    ADDRESS_FAMILY family;
    ULONG flags;
} listeners[] = {{AF_INET, WSK_FLAG_LISTEN_SOCKET}, {AF_INET6, WSK_FLAG_LISTEN_SOCKET}},
  connections[] = {{AF_INET, WSK_FLAG_CONNECTION_SOCKET}}, streams[] = {{AF_INET, WSK_FLAG_STREAM_SOCKET}},
  datagrams[] = {{AF_INET, WSK_FLAG_DATAGRAM_SOCKET}, {AF_INET6, WSK_FLAG_DATAGRAM_SOCKET}};

static PWSK_SOCKET open_for(const struct kind *kind, int option)
{
    PWSK_SOCKET socket = wt_open(kind->family, kind->flags, NULL, NULL);

    if (option != NONE)
        set_flag(socket, SOL_SOCKET, option == REUSE ? SO_REUSEADDR : SO_EXCLUSIVEADDRUSE, 1);
    return socket;
}

static NTSTATUS bind_to(PWSK_SOCKET socket, PSOCKADDR address)
{
    struct wt_op op;
    NTSTATUS status;

    wt_op_init(&op);
    wt_bind(socket, &op, address);
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

static PSOCKADDR address_of(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int where, int port)
{
    return where == WILDCARD ? wt_any(storage, family, port) : wt_loopback(storage, family, port);
}

static int port_of(PWSK_SOCKET socket)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_listen(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return wt_port(&address);
}

static int port_of_any(PWSK_SOCKET socket, const struct kind *kind)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    if (kind->flags == WSK_FLAG_LISTEN_SOCKET)
        return port_of(socket);
    wt_op_init(&op);
    if (kind->flags == WSK_FLAG_DATAGRAM_SOCKET)
        wt_returned(&op, wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    else if (kind->flags == WSK_FLAG_STREAM_SOCKET)
        wt_returned(&op, wt_stream(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    else
        wt_local_address(socket, &op, (PSOCKADDR)&address);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return wt_port(&address);
}

/* ---- descriptors -------------------------------------------------------------------------------------- */

static NTSTATUS cache(PSECURITY_DESCRIPTOR raw, PSECURITY_DESCRIPTOR *out)
{
    return wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_CACHE_SD, sizeof raw, &raw, sizeof *out, out,
                                             NULL, NULL);
}

static NTSTATUS release(PSECURITY_DESCRIPTOR cached)
{
    return wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_RELEASE_SD, sizeof cached, &cached, 0, NULL,
                                             NULL, NULL);
}

/* A cached copy whose list lets `sid` do `mask`; denied first, if `not`. */
static PSECURITY_DESCRIPTOR cached_for(PSID sid, ACCESS_MASK mask, PSID not )
{
    SECURITY_DESCRIPTOR descriptor;
    PSECURITY_DESCRIPTOR out = NULL;
    ULONG memory[30];
    PACL acl = (PACL)memory;

    EXPECT_STATUS(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    EXPECT_STATUS(RtlCreateAcl(acl, sizeof memory, ACL_REVISION), STATUS_SUCCESS);
    if (not != NULL)
        EXPECT_STATUS(RtlAddAccessDeniedAce(acl, ACL_REVISION, mask, not ), STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessAllowedAce(acl, ACL_REVISION, mask, sid), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, acl, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(cache(&descriptor, &out), STATUS_SUCCESS);
    EXPECT(out != NULL && out != (PSECURITY_DESCRIPTOR)&descriptor);
    return out;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

#define OK     STATUS_SUCCESS
#define INUSE  STATUS_ADDRESS_ALREADY_EXISTS
#define DENIED STATUS_ACCESS_DENIED
#define CHECK  STATUS_PENDING /* what the access check says */

/* As on the page: a row is the second bind, a column the first; option by option, wildcard before specific. */
static const NTSTATUS documented[6][6] = {
    {INUSE, OK, INUSE, OK, INUSE, OK},          {CHECK, INUSE, CHECK, DENIED, DENIED, INUSE},
    {DENIED, OK, OK, OK, DENIED, OK},           {CHECK, DENIED, OK, OK, DENIED, DENIED},
    {INUSE, INUSE, INUSE, INUSE, INUSE, INUSE}, {CHECK, INUSE, CHECK, INUSE, DENIED, INUSE},
};

static void cell(const struct kind *kind, int first, int second, PSECURITY_DESCRIPTOR friendly)
{
    PWSK_SOCKET one = open_for(kind, first / 2), other = open_for(kind, second / 2);
    NTSTATUS expected = documented[second][first], status;
    SOCKADDR_STORAGE address;
    int port;

    if (expected == CHECK)
        expected = friendly != NULL ? STATUS_SUCCESS : STATUS_ACCESS_DENIED; /* C-SHARE-41 */
    if (friendly != NULL)
        EXPECT_STATUS(set_security(one, friendly), STATUS_SUCCESS);
    EXPECT_STATUS(bind_to(one, address_of(&address, kind->family, first % 2, 0)), STATUS_SUCCESS);
    port = port_of_any(one, kind);
    status = bind_to(other, address_of(&address, kind->family, second % 2, port));
    if (status != expected)
        TEST_NOTE("second %d over first %d, flags %x, family %d", second, first, kind->flags, kind->family);
    EXPECT_STATUS(status, expected);
    wt_close_now(one);
    wt_close_now(other);
}

static void whole_table(const struct kind *kinds, unsigned count)
{
    PSECURITY_DESCRIPTOR friendly =
        cached_for(SeExports->SeLocalSystemSid, FILE_READ_DATA | FILE_WRITE_DATA, NULL);
    unsigned i, first, second;

    for (i = 0; i < count; i++)
        for (first = 0; first < 6; first++)
            for (second = 0; second < 6; second++) {
                cell(&kinds[i], first, second, NULL);
                if (documented[second][first] == CHECK)
                    cell(&kinds[i], first, second, friendly);
            }
    EXPECT_STATUS(release(friendly), STATUS_SUCCESS);
}

#define CELLS                                                                                                \
    "C-SHARE-01 C-SHARE-02 C-SHARE-03 C-SHARE-04 C-SHARE-05 C-SHARE-06 C-SHARE-07 C-SHARE-08 C-SHARE-09 "    \
    "C-SHARE-10 C-SHARE-11 C-SHARE-12 C-SHARE-13 C-SHARE-14 C-SHARE-15 C-SHARE-16 C-SHARE-17 C-SHARE-18 "    \
    "C-SHARE-19 C-SHARE-20 C-SHARE-21 C-SHARE-22 C-SHARE-23 C-SHARE-24 C-SHARE-25 C-SHARE-26 C-SHARE-27 "    \
    "C-SHARE-28 C-SHARE-29 C-SHARE-30 C-SHARE-31 C-SHARE-32 C-SHARE-33 C-SHARE-34 C-SHARE-35 C-SHARE-36 "    \
    "C-SHARE-37 C-SHARE-38 C-SHARE-39 C-SHARE-41 "

TEST(the_table_of_listeners, CELLS "R-BIND-10 R-SOCK-16 C-OPT-33")
{
    whole_table(listeners, RTL_NUMBER_OF(listeners));
}

TEST(the_table_of_other_sockets_of_tcp, CELLS "R-BIND-10")
{
    whole_table(connections, RTL_NUMBER_OF(connections));
    whole_table(streams, RTL_NUMBER_OF(streams));
}

TEST(the_table_of_datagram_sockets, CELLS "R-BIND-10 R-SOCK-16")
{
    whole_table(datagrams, RTL_NUMBER_OF(datagrams));
}

TEST(options_are_off_at_first, "C-SHARE-43 C-OPT-10 C-OPT-13")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    static const ULONG names[] = {SO_REUSEADDR, SO_EXCLUSIVEADDRUSE};
    unsigned i;

    for (i = 0; i < 2; i++) {
        ULONG value = 7;
        struct wt_op op;

        wt_op_init(&op);
        wt_control(socket, &op, WskGetOption, names[i], SOL_SOCKET, 0, NULL, sizeof value, &value);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(value, 0);
        wt_op_free(&op);
    }
    wt_close_now(socket);
}

/* ---- which addresses meet ----------------------------------------------------------------------------- */

static PSOCKADDR second_loopback(SOCKADDR_STORAGE *storage, int port)
{
    ((SOCKADDR_IN *)wt_loopback(storage, AF_INET, port))->sin_addr.S_un.S_addr = 0x0200007f; /* 127.0.0.2 */
    return (PSOCKADDR)storage;
}

TEST(two_specific_addresses_never_meet, "C-SHARE-42")
{
    int option;

    for (option = NONE; option < OPTIONS; option++) {
        PWSK_SOCKET one = open_for(&listeners[0], option), other = open_for(&listeners[0], EXCLUSIVE);
        SOCKADDR_STORAGE address;
        NTSTATUS status;

        EXPECT_STATUS(bind_to(one, wt_loopback(&address, AF_INET, 0)), STATUS_SUCCESS);
        status = bind_to(other, second_loopback(&address, port_of(one)));
        if (test_mode_has("sim")) /* which has one loopback address only */
            EXPECT(status == STATUS_SUCCESS || status == STATUS_INVALID_ADDRESS_COMPONENT);
        else
            EXPECT_STATUS(status, STATUS_SUCCESS);
        wt_close_now(one);
        wt_close_now(other);
    }
}

static PSOCKADDR mapped_loopback(SOCKADDR_STORAGE *storage, int port)
{
    IN6_ADDR *address = &((SOCKADDR_IN6 *)wt_any(storage, AF_INET6, port))->sin6_addr;

    address->u.Byte[10] = address->u.Byte[11] = 0xff;
    address->u.Byte[12] = 127;
    address->u.Byte[15] = 1;
    return (PSOCKADDR)storage;
}

/* FALSE: of the ports of UDP or IPv6, which are apart, another program had this one. */
static BOOLEAN apart(void)
{
    PWSK_SOCKET four = open_for(&listeners[0], EXCLUSIVE), six = open_for(&listeners[1], EXCLUSIVE),
                dual = open_for(&listeners[1], NONE), udp = open_for(&datagrams[0], EXCLUSIVE);
    SOCKADDR_STORAGE address;
    BOOLEAN good;
    int port;

    set_flag(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    EXPECT_STATUS(bind_to(four, wt_any(&address, AF_INET, 0)), STATUS_SUCCESS);
    port = port_of(four);
    good = bind_to(udp, wt_any(&address, AF_INET, port)) == STATUS_SUCCESS;
    EXPECT_STATUS(bind_to(dual, wt_any(&address, AF_INET6, port)), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(bind_to(dual, mapped_loopback(&address, port)), STATUS_ACCESS_DENIED); /* under 0.0.0.0 */
    good = good && bind_to(six, wt_any(&address, AF_INET6, port)) == STATUS_SUCCESS;
    wt_close_now(four);
    if (good) {
        EXPECT_STATUS(bind_to(dual, wt_any(&address, AF_INET6, port)), STATUS_ADDRESS_ALREADY_EXISTS);
        wt_close_now(six);
        good = bind_to(dual, wt_any(&address, AF_INET6, port)) == STATUS_SUCCESS;
    } else {
        wt_close_now(six);
    }
    wt_close_now(dual);
    wt_close_now(udp);
    return good;
}

/* TCP and UDP are apart, IPv4 and IPv6 unless a socket is of both. */
TEST(what_does_not_overlap_is_free, "C-SHARE-37 D-18")
{
    EXPECT(apart() || apart() || apart());
}

/* What another program has is not ours to share; what it does not say that it shares. */
TEST(others_have_their_addresses, "C-SHARE-37 R-BIND-03")
{
    PWSK_SOCKET socket = open_for(&listeners[0], REUSE), udp = open_for(&datagrams[0], REUSE);
    int port = 0, foreign = peer_listen(PEER_INET, &port), foreign_udp;
    SOCKADDR_STORAGE address;

    EXPECT_STATUS(bind_to(socket, wt_loopback(&address, AF_INET, port)), STATUS_ADDRESS_ALREADY_EXISTS);
    peer_close(foreign);
    port = 0;
    foreign_udp = peer_datagram(PEER_INET, &port);
    EXPECT_STATUS(bind_to(udp, wt_loopback(&address, AF_INET, port)), STATUS_ADDRESS_ALREADY_EXISTS);
    peer_close(foreign_udp);
    wt_close_now(socket);
    wt_close_now(udp);
}

/* ---- who gets what comes ------------------------------------------------------------------------------ */

static BOOLEAN accepted(struct wt_op *op)
{
    if (!wt_is_done(op))
        return FALSE;
    EXPECT_STATUS(wt_wait(op), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)op->information);
    return TRUE;
}

/* The socket with the very address is asked first. */
TEST(a_connection_goes_to_the_specific_listener, "C-SHARE-02 C-SHARE-14 R-BIND-04")
{
    PWSK_SOCKET specific = open_for(&listeners[0], NONE), wildcard = open_for(&listeners[0], NONE);
    SOCKADDR_STORAGE address;
    struct wt_op mine, others;
    int port, peer;

    EXPECT_STATUS(bind_to(specific, wt_loopback(&address, AF_INET, 0)), STATUS_SUCCESS);
    port = port_of(specific);
    EXPECT_STATUS(bind_to(wildcard, wt_any(&address, AF_INET, port)), STATUS_SUCCESS);
    wt_op_init(&mine);
    wt_op_init(&others);
    wt_accept(specific, &mine, NULL, NULL, NULL, NULL);
    wt_accept(wildcard, &others, NULL, NULL, NULL, NULL);
    peer = peer_connect(PEER_INET, port, 5000);
    EXPECT(peer >= 0);
    EXPECT_STATUS(wt_wait(&mine), STATUS_SUCCESS);
    EXPECT(accepted(&mine));
    EXPECT(!accepted(&others));
    peer_close(peer);
    wt_close_now(specific);
    peer = peer_connect(PEER_INET, port, 5000); /* now the other one */
    EXPECT(peer >= 0);
    EXPECT_STATUS(wt_wait(&others), STATUS_SUCCESS);
    EXPECT(accepted(&others));
    peer_close(peer);
    wt_close_now(wildcard);
    wt_op_free(&mine);
    wt_op_free(&others);
}

/* Which one it is, nobody says: one of them, and nothing is lost. */
TEST(a_connection_goes_to_one_of_those_that_share, "C-SHARE-22 R-BIND-04")
{
    PWSK_SOCKET socket[2];
    SOCKADDR_STORAGE address;
    struct wt_op op[2];
    int port = 0, i, got, peer;

    for (i = 0; i < 2; i++) {
        socket[i] = open_for(&listeners[0], REUSE);
        EXPECT_STATUS(bind_to(socket[i], wt_loopback(&address, AF_INET, port)), STATUS_SUCCESS);
        port = port_of(socket[i]);
        wt_op_init(&op[i]);
        wt_accept(socket[i], &op[i], NULL, NULL, NULL, NULL);
    }
    peer = peer_connect(PEER_INET, port, 5000);
    EXPECT(peer >= 0);
    EXPECT_SOON(wt_is_done(&op[0]) || wt_is_done(&op[1]));
    got = wt_is_done(&op[0]) ? 0 : 1;
    EXPECT(accepted(&op[got]));
    EXPECT(!wt_is_done(&op[1 - got]));
    peer_close(peer);
    for (i = 0; i < 2; i++) {
        wt_close_now(socket[i]);
        wt_op_free(&op[i]);
    }
}

TEST(a_datagram_goes_to_the_specific_socket, "C-SHARE-02 C-SHARE-16 R-BIND-05")
{
    PWSK_SOCKET specific = open_for(&datagrams[0], REUSE), wildcard = open_for(&datagrams[0], REUSE);
    int port, mine = 0, peer = peer_datagram(PEER_INET, &mine);
    struct wt_buffer buffer, other;
    SOCKADDR_STORAGE address, from;
    struct wt_op op, idle;

    EXPECT_STATUS(bind_to(specific, wt_loopback(&address, AF_INET, 0)), STATUS_SUCCESS);
    port = port_of_any(specific, &datagrams[0]);
    EXPECT_STATUS(bind_to(wildcard, wt_any(&address, AF_INET, port)), STATUS_SUCCESS);
    wt_buffer_init(&buffer, 10);
    wt_buffer_init(&other, 10);
    wt_op_init(&op);
    wt_op_init(&idle);
    wt_receive_from(specific, &op, &buffer.buf, (PSOCKADDR)&from, NULL, NULL, NULL);
    wt_receive_from(wildcard, &idle, &other.buf, NULL, NULL, NULL, NULL);
    peer_datagram_send(peer, port, "hello", 5);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 5);
    EXPECT_EQ(wt_port(&from), mine);
    EXPECT(!wt_is_done(&idle));
    wt_close_now(specific);
    peer_datagram_send(peer, port, "others", 6);
    EXPECT_STATUS(wt_wait(&idle), STATUS_SUCCESS);
    EXPECT_EQ(idle.information, 6);
    wt_close_now(wildcard);
    wt_op_free(&op);
    wt_op_free(&idle);
    wt_buffer_free(&buffer);
    wt_buffer_free(&other);
    peer_close(peer);
}

/* ---- the access check --------------------------------------------------------------------------------- */

/* Binds no option/specific over no option/wildcard, whose socket has this descriptor. */
static NTSTATUS checked(PSECURITY_DESCRIPTOR descriptor, BOOLEAN at_creation, PEPROCESS process,
                        PETHREAD thread)
{
    PWSK_SOCKET first, second;
    SOCKADDR_STORAGE address;
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                                WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, NULL, NULL,
                                                at_creation ? descriptor : NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    first = (PWSK_SOCKET)op.information;
    if (!at_creation && descriptor != NULL)
        EXPECT_STATUS(set_security(first, descriptor), STATUS_SUCCESS);
    EXPECT_STATUS(bind_to(first, wt_any(&address, AF_INET, 0)), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                                WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, process, thread, NULL,
                                                op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    second = (PWSK_SOCKET)op.information;
    status = bind_to(second, wt_loopback(&address, AF_INET, port_of_any(first, &datagrams[0])));
    wt_close_now(first);
    wt_close_now(second);
    wt_op_free(&op);
    return status;
}

TEST(the_access_check_decides, "C-SHARE-39 C-SHARE-41 R-SOCK-16 C-OPT-27 C-OPT-33")
{
    static const ACCESS_MASK both = FILE_READ_DATA | FILE_WRITE_DATA;
    const struct {
        PSID sid;
        ACCESS_MASK mask;
        PSID not ;
        NTSTATUS expected;
    } cases[] = {
        {SeExports->SeLocalSystemSid, both, NULL, STATUS_SUCCESS},
        {SeExports->SeAliasAdminsSid, GENERIC_ALL, NULL, STATUS_SUCCESS},
        {SeExports->SeWorldSid, GENERIC_READ | GENERIC_WRITE, NULL, STATUS_SUCCESS},
        {SeExports->SeWorldSid, GENERIC_READ, NULL, STATUS_ACCESS_DENIED},
        {SeExports->SeNetworkServiceSid, GENERIC_ALL, NULL, STATUS_ACCESS_DENIED},
        {SeExports->SeWorldSid, both, SeExports->SeLocalSystemSid, STATUS_ACCESS_DENIED},
    };
    unsigned i;

    EXPECT_STATUS(checked(NULL, FALSE, NULL, NULL), STATUS_ACCESS_DENIED);
    for (i = 0; i < RTL_NUMBER_OF(cases); i++) {
        PSECURITY_DESCRIPTOR copy = cached_for(cases[i].sid, cases[i].mask, cases[i].not );

        EXPECT_STATUS(checked(copy, TRUE, NULL, NULL), cases[i].expected);
        EXPECT_STATUS(checked(copy, FALSE, PsGetCurrentProcess(), PsGetCurrentThread()), cases[i].expected);
        EXPECT_STATUS(release(copy), STATUS_SUCCESS);
    }
}

/* ---- the cache, and SO_WSK_SECURITY ------------------------------------------------------------------- */

static PSECURITY_DESCRIPTOR security_of(PWSK_SOCKET socket)
{
    PSECURITY_DESCRIPTOR got = NULL;
    struct wt_op op;

    wt_op_init(&op);
    wt_control(socket, &op, WskGetOption, SO_WSK_SECURITY, SOL_SOCKET, 0, NULL, sizeof got, &got);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, sizeof got);
    EXPECT(RtlValidSecurityDescriptor(got));
    wt_op_free(&op);
    return got;
}

TEST(security_of_a_socket_is_set_read_and_replaced,
     "C-OPT-27 C-OPT-32 C-OPT-33 C-CTLC-08 C-CTLC-10 R-CTLC-06")
{
    PSECURITY_DESCRIPTOR one = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL),
                         two = cached_for(SeExports->SeLocalSystemSid, GENERIC_READ, NULL), got;
    const struct kind *kinds[] = {&listeners[0], &connections[0], &streams[0], &datagrams[0]};
    BOOLEAN present, defaulted;
    SOCKADDR_STORAGE address;
    PACL list;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(kinds); i++) {
        PWSK_SOCKET socket = open_for(kinds[i], NONE);

        got = security_of(socket); /* A36: the default lets nobody in */
        EXPECT_STATUS(RtlGetDaclSecurityDescriptor(got, &present, &list, &defaulted), STATUS_SUCCESS);
        EXPECT(present && list != NULL && list->AceCount == 0);
        EXPECT_STATUS(release(got), STATUS_SUCCESS);
        EXPECT_STATUS(set_security(socket, one), STATUS_SUCCESS);
        EXPECT(security_of(socket) == one);
        EXPECT_STATUS(release(one), STATUS_SUCCESS); /* the one that was read */
        EXPECT_STATUS(set_security(socket, two), STATUS_SUCCESS);
        EXPECT(security_of(socket) == two);
        EXPECT_STATUS(release(two), STATUS_SUCCESS);
        EXPECT_STATUS(bind_to(socket, wt_loopback(&address, AF_INET, 0)), STATUS_SUCCESS);
        EXPECT_STATUS(set_security(socket, one), STATUS_INVALID_DEVICE_STATE); /* C-OPT-29 */
        EXPECT(security_of(socket) == two);
        EXPECT_STATUS(release(two), STATUS_SUCCESS);
        wt_close_now(socket);
    }
    EXPECT_STATUS(release(one), STATUS_SUCCESS);
    EXPECT_STATUS(release(two), STATUS_SUCCESS);
}

static struct transport_ops deaf;

static int32_t failing_listen(struct transport_socket *socket, int backlog)
{
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(backlog);
    return STATUS_INSUFFICIENT_RESOURCES;
}

/* Its address is taken all the same: others are still judged by the descriptor that it was bound with. */
TEST(a_listener_that_cannot_listen_keeps_its_descriptor, "C-OPT-29 C-SHARE-39")
{
    PSECURITY_DESCRIPTOR one = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL),
                         two = cached_for(SeExports->SeWorldSid, GENERIC_READ, NULL);
    PWSK_SOCKET first = open_for(&listeners[0], NONE), second = open_for(&listeners[0], NONE);
    const struct transport_ops *sound = wsk_settings.ops;
    SOCKADDR_STORAGE address;

    EXPECT_STATUS(set_security(first, one), STATUS_SUCCESS);
    deaf = *sound;
    deaf.listen = failing_listen;
    wsk_settings.ops = &deaf;
    EXPECT_STATUS(bind_to(first, wt_any(&address, AF_INET, 0)), STATUS_INSUFFICIENT_RESOURCES);
    wsk_settings.ops = sound;
    EXPECT_STATUS(set_security(first, two), STATUS_INVALID_DEVICE_STATE);
    EXPECT(security_of(first) == one);
    EXPECT_STATUS(release(one), STATUS_SUCCESS);
    EXPECT_STATUS(release(one), STATUS_SUCCESS); /* only the socket has it now */
    RtlCopyMemory(&address, wsk_socket_of(first)->claim.address.bytes, sizeof(SOCKADDR_IN));
    EXPECT_STATUS(bind_to(second, wt_loopback(&address, AF_INET, wt_port(&address))), STATUS_SUCCESS);
    wt_close_now(first);
    wt_close_now(second);
    EXPECT_STATUS(release(two), STATUS_SUCCESS);
}

/* A socket keeps what it uses; the close gives no pointer of the client back. */
TEST(copies_live_as_long_as_somebody_has_them, "C-CTLC-08 C-CTLC-10 C-CTLC-20")
{
    PSECURITY_DESCRIPTOR copy = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL), got;
    PWSK_SOCKET first = open_for(&datagrams[0], NONE), second = open_for(&datagrams[0], NONE);
    SOCKADDR_STORAGE address;

    EXPECT_STATUS(set_security(first, copy), STATUS_SUCCESS);
    EXPECT_STATUS(release(copy), STATUS_SUCCESS);
    EXPECT_STATUS(release(copy), STATUS_INVALID_PARAMETER); /* C-CTLC-11 */
    EXPECT_STATUS(set_security(second, copy), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(bind_to(first, wt_any(&address, AF_INET, 0)), STATUS_SUCCESS);
    EXPECT_STATUS(bind_to(second, wt_loopback(&address, AF_INET, port_of_any(first, &datagrams[0]))),
                  STATUS_SUCCESS);
    got = security_of(first);
    EXPECT(got == copy);
    wt_close_now(first);
    wt_close_now(second);
    EXPECT(RtlValidSecurityDescriptor(got)); /* R-CLOSE-10 */
    EXPECT_STATUS(release(got), STATUS_SUCCESS);
    EXPECT_STATUS(release(got), STATUS_INVALID_PARAMETER);
}

static BOOLEAN is_copy(void *context, const struct ex_pool_block *block)
{
    unsigned *copies = context;

    *copies += block->tag == 'DSkW' && block->caller != NULL;
    return TRUE;
}

/* What was never released is the driver's in the account, by its tag and by who has asked for it. */
TEST(a_copy_that_is_not_released_is_the_drivers, "C-CTLC-08")
{
    PSECURITY_DESCRIPTOR copy = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL);
    SIZE_T before, blocks, bytes;
    unsigned copies = 0;

    ex_pool_walk(is_copy, &copies);
    EXPECT_EQ(copies, 1);
    ex_pool_driver_usage(&before, &bytes);
    EXPECT_STATUS(release(copy), STATUS_SUCCESS);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, before - 1);
    copies = 0;
    ex_pool_walk(is_copy, &copies);
    EXPECT_EQ(copies, 0);
}

/* As published drivers do it: the descriptor of a new object, in one piece. */
TEST(a_descriptor_from_the_subject_context, "C-CTLC-08 C-CTLC-19")
{
    PSECURITY_DESCRIPTOR made = NULL, copy = NULL;
    SECURITY_SUBJECT_CONTEXT subject;

    SeCaptureSubjectContext(&subject);
    EXPECT_STATUS(
        SeAssignSecurity(NULL, NULL, &made, FALSE, &subject, IoGetFileObjectGenericMapping(), PagedPool),
        STATUS_SUCCESS);
    SeReleaseSubjectContext(&subject);
    EXPECT_STATUS(cache(made, &copy), STATUS_SUCCESS);
    EXPECT_STATUS(SeDeassignSecurity(&made), STATUS_SUCCESS);
    EXPECT_STATUS(checked(copy, TRUE, NULL, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(release(copy), STATUS_SUCCESS);
}

TEST(what_is_no_cached_copy_is_refused, "R-SOCK-18 C-CTLC-08 C-CTLC-10")
{
    PSECURITY_DESCRIPTOR raw, out = NULL, junk = (PSECURITY_DESCRIPTOR)0x1230;
    PWSK_SOCKET socket = open_for(&listeners[0], NONE);
    SECURITY_DESCRIPTOR descriptor;
    ULONG memory[10] = {0};
    SIZE_T size = 0;
    struct wt_op op;

    EXPECT_STATUS(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    raw = &descriptor;
#define CLIENT(code, in_size, in, out_size, out, returned)                                                   \
    wt_npi.Dispatch->WskControlClient(wt_npi.Client, code, in_size, in, out_size, out, returned, NULL)
    EXPECT_STATUS(CLIENT(WSK_CACHE_SD, 8, &raw, 8, &out, &size), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_CACHE_SD, 4, &raw, 8, &out, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_CACHE_SD, 8, &raw, 4, &out, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_CACHE_SD, 0, NULL, 8, &out, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_CACHE_SD, 8, &raw, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_RELEASE_SD, 0, NULL, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_RELEASE_SD, 4, &raw, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(WSK_RELEASE_SD, 8, &raw, 8, &out, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(release(raw), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(release(junk), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(release(NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(cache(NULL, &out), STATUS_INVALID_SECURITY_DESCR);
    EXPECT_STATUS(cache(junk, &out), STATUS_INVALID_SECURITY_DESCR); /* nothing can be read there */
    EXPECT_STATUS(cache(memory, &out), STATUS_INVALID_SECURITY_DESCR);
    memory[0] = 0x80040001; /* one in one piece whose list is nowhere */
    memory[4] = 0xFFFFFFF0;
    EXPECT_STATUS(cache(memory, &out), STATUS_INVALID_SECURITY_DESCR);
    descriptor.Control = SE_DACL_PRESENT;
    descriptor.Dacl = junk;
    EXPECT_STATUS(cache(&descriptor, &out), STATUS_INVALID_SECURITY_DESCR);
    EXPECT(out == NULL);

    EXPECT_STATUS(set_security(socket, raw), STATUS_INVALID_PARAMETER); /* C-OPT-28 */
    EXPECT_STATUS(set_security(socket, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, SO_WSK_SECURITY, SOL_SOCKET, 8, &raw, 0, NULL),
                  STATUS_INVALID_PARAMETER); /* C-OPT-30 */
    wt_op_init(&op);
    wt_returned(&op,
                wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                           WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, raw, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_close_now(socket);
}

/* A close neither frees nor changes what the client has cached: the next socket can have it. */
TEST(a_close_leaves_the_descriptor_to_the_client, "R-CLOSE-10")
{
    PSECURITY_DESCRIPTOR copy = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL);
    ULONG length = RtlLengthSecurityDescriptor(copy);
    UCHAR before[256];
    struct wt_op op;
    int turn;

    EXPECT(length <= sizeof before);
    RtlCopyMemory(before, copy, length);
    for (turn = 0; turn < 2; turn++) {
        wt_op_init(&op);
        wt_returned(&op, wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                    WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, copy,
                                                    op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
        EXPECT(RtlEqualMemory(before, copy, length));
    }
    EXPECT_STATUS(release(copy), STATUS_SUCCESS);
}

/* Each is known, and without anything to work on refused for that. */
TEST(client_controls_are_recognised, "R-CTLC-03")
{
    static const ULONG codes[] = {
        WSK_TRANSPORT_LIST_QUERY,   WSK_TRANSPORT_LIST_CHANGE,      WSK_CACHE_SD,    WSK_RELEASE_SD,
        WSK_TDI_DEVICENAME_MAPPING, WSK_SET_STATIC_EVENT_CALLBACKS, WSK_TDI_BEHAVIOR};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(codes); i++)
        EXPECT_STATUS(CLIENT(codes[i], 0, NULL, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CLIENT(99, 0, NULL, 0, NULL, NULL), STATUS_NOT_SUPPORTED);
}

/* A listener and a connection whose own address is the listener's port. */
TEST(a_connection_shares_with_a_listener, "C-SHARE-07 C-SHARE-41 R-SCON-05 R-SOCK-18")
{
    PSECURITY_DESCRIPTOR copy = cached_for(SeExports->SeWorldSid, GENERIC_ALL, NULL);
    int target = 0, peer, foreign = peer_listen(PEER_INET, &target);
    PWSK_SOCKET listener = open_for(&listeners[0], NONE);
    SOCKADDR_STORAGE local, remote;
    struct wt_op op;
    int turn;

    EXPECT_STATUS(bind_to(listener, wt_any(&local, AF_INET, 0)), STATUS_SUCCESS);
    wt_loopback(&local, AF_INET, port_of(listener));
    wt_loopback(&remote, AF_INET, target);
    for (turn = 0; turn < 2; turn++) {
        wt_op_init(&op);
        wt_returned(&op, wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, SOCK_STREAM, IPPROTO_TCP,
                                                           (PSOCKADDR)&local, (PSOCKADDR)&remote, 0, NULL,
                                                           NULL, NULL, NULL, copy, op.irp));
        if (turn == 0) {
            EXPECT_STATUS(wt_wait(&op), STATUS_ACCESS_DENIED); /* the listener's says, not its own */
            wt_close_now(listener);
            listener = open_for(&listeners[0], NONE);
            EXPECT_STATUS(set_security(listener, copy), STATUS_SUCCESS);
            EXPECT_STATUS(bind_to(listener, wt_any(&local, AF_INET, 0)), STATUS_SUCCESS);
            wt_loopback(&local, AF_INET, port_of(listener));
        } else {
            EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
            peer = peer_accept(foreign);
            EXPECT_EQ(peer_remote_port(peer), wt_port(&local));
            wt_close_now((PWSK_SOCKET)op.information);
            peer_close(peer);
        }
        wt_op_free(&op);
    }
    wt_close_now(listener);
    peer_close(foreign);
    EXPECT_STATUS(release(copy), STATUS_SUCCESS);
}
