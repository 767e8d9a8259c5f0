/*
 * abi_net.c - the network headers in C: the compiler checks abi_net.h; the tests
 * here check what only running code shows, and name the rules of both.
 */
#include "abi_net.h"
#include "uwsk_test.h"

/* In C the pair is also there directly, at the same place (R-STRUCT-13). */
ABI_AT(WSK_PROVIDER_LISTEN_DISPATCH, WskControlSocket, 0);
ABI_AT(WSK_PROVIDER_LISTEN_DISPATCH, WskCloseSocket, 8);
ABI_AT(WSK_PROVIDER_DATAGRAM_DISPATCH, WskControlSocket, 0);
ABI_AT(WSK_PROVIDER_DATAGRAM_DISPATCH, WskCloseSocket, 8);
ABI_AT(WSK_PROVIDER_CONNECTION_DISPATCH, WskControlSocket, 0);
ABI_AT(WSK_PROVIDER_CONNECTION_DISPATCH, WskCloseSocket, 8);
ABI_AT(WSK_PROVIDER_STREAM_DISPATCH, WskControlSocket, 0);
ABI_AT(WSK_PROVIDER_STREAM_DISPATCH, WskCloseSocket, 8);

static NTSTATUS WSKAPI abi_close(PWSK_SOCKET Socket, PIRP Irp)
{
    (void)Socket;
    (void)Irp;
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI abi_bind(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp)
{
    (void)Socket;
    (void)LocalAddress;
    (void)Flags;
    (void)Irp;
    return STATUS_PENDING;
}

/* The asserts of abi_net.h on structures, and one table read through all three names of a slot. */
TEST(wsk_structures_have_the_windows_layout,
     "R-BUF-01 R-BUF-02 R-IND-01 R-IND-02 R-STRUCT-01 R-STRUCT-02 R-STRUCT-03 R-STRUCT-04 R-STRUCT-05 "
     "R-STRUCT-06 R-STRUCT-07 R-STRUCT-08 R-STRUCT-09 R-STRUCT-10 R-STRUCT-11 R-STRUCT-12 R-STRUCT-13 "
     "R-STRUCT-16 R-STRUCT-17 R-STRUCT-18 R-STRUCT-19 R-STRUCT-20 R-STRUCT-21 R-STRUCT-22 R-STRUCT-23 "
     "R-STRUCT-24 R-STRUCT-25 R-STRUCT-26 R-STRUCT-27 R-NMR-01 R-NMR-02 R-NMR-03 R-GAI-16 T-05")
{
    static const WSK_PROVIDER_CONNECTION_DISPATCH Named = {.WskCloseSocket = abi_close, .WskBind = abi_bind};
    static const WSK_PROVIDER_CONNECTION_DISPATCH InOrder = {
        {{NULL, abi_close}}, abi_bind, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    WSK_SOCKET Socket = {&Named};

    EXPECT(((const WSK_PROVIDER_BASIC_DISPATCH *)Socket.Dispatch)->WskCloseSocket == abi_close);
    EXPECT(((const WSK_PROVIDER_CONNECTION_DISPATCH *)Socket.Dispatch)->Basic.WskCloseSocket == abi_close);
    EXPECT(((const WSK_PROVIDER_CONNECTION_DISPATCH *)Socket.Dispatch)->WskCloseSocket == abi_close);
    EXPECT(InOrder.WskCloseSocket == abi_close && InOrder.WskBind == abi_bind);
    EXPECT(InOrder.WskControlSocket == NULL && InOrder.WskReceiveEx == NULL);
}

/* The asserts of abi_net.h on function types. */
TEST(wsk_signatures_are_those_of_the_pages,
     "R-REG-01 R-REG-17 R-CAPT-01 R-CAPT-12 R-CTLC-01 R-SOCK-01 R-SCON-01 R-GAI-01 R-GAI-14 R-GNI-01 "
     "R-CTLS-01 R-CLOSE-01 R-BIND-01 R-ACC-01 R-ACCEV-01 R-INSP-01 R-INSP-13 R-ABRT-01 R-LADDR-01 R-RADDR-01 "
     "R-CONN-01 R-CONNX-01 R-LISTEN-01 R-SEND-01 R-RECV-01 R-RECVEV-01 R-DISC-01 R-DISCEV-01 R-SBLEV-01 "
     "R-REL-01 R-SENDTO-01 R-RECVFROM-01 R-RFEV-01 R-SENDMSGS-01 R-NMR-07 R-NMR-12 R-NMR-15 R-NMR-21")
{
    /* A call through a slot arrives with its arguments, and its status comes back. */
    PFN_WSK_BIND Bind = abi_bind;
    EXPECT_STATUS(Bind(NULL, NULL, 0, NULL), STATUS_PENDING);
}

/* Version words, and the numbers of abi_net.h. */
TEST(wsk_numbers_are_those_of_windows, "R-REG-15 R-STRUCT-28 R-STRUCT-29 R-STRUCT-30")
{
    for (unsigned major = 0; major < 256; major++) {
        for (unsigned minor = 0; minor < 256; minor++) {
            USHORT version = MAKE_WSK_VERSION(major, minor);
            EXPECT_EQ(WSK_MAJOR_VERSION(version), major);
            EXPECT_EQ(WSK_MINOR_VERSION(version), minor);
        }
    }
    /* A minor number too large must not reach into the major one. */
    EXPECT_EQ(WSK_MAJOR_VERSION(MAKE_WSK_VERSION(1, 0x1ff)), 1);
}

/* Ancillary data: laid out by the macros, walked by the macros. */
TEST(control_messages_are_walked_to_their_end, "")
{
    struct {
        ULONGLONG align;
        UCHAR bytes[WSA_CMSG_SPACE(sizeof(IN_PKTINFO)) + WSA_CMSG_SPACE(sizeof(INT))];
    } storage = {0};
    WSAMSG message = {0};
    message.Control.buf = (CHAR *)storage.bytes;
    message.Control.len = sizeof(storage.bytes);

    PCMSGHDR first = WSA_CMSG_FIRSTHDR(&message);
    EXPECT(first == (PCMSGHDR)storage.bytes);
    first->cmsg_len = WSA_CMSG_LEN(sizeof(IN_PKTINFO));
    EXPECT(WSA_CMSG_DATA(first) == storage.bytes + 16);

    PCMSGHDR second = WSA_CMSG_NXTHDR(&message, first);
    EXPECT((PUCHAR)second == storage.bytes + WSA_CMSG_SPACE(sizeof(IN_PKTINFO)));
    second->cmsg_len = WSA_CMSG_LEN(sizeof(INT));
    EXPECT(WSA_CMSG_NXTHDR(&message, second) == NULL);
    PCMSGHDR none = NULL;
    EXPECT(WSA_CMSG_NXTHDR(&message, none) == first);

    message.Control.len = sizeof(CMSGHDR) - 1;
    EXPECT(WSA_CMSG_FIRSTHDR(&message) == NULL);
}

static IN6_ADDR abi_v6(UCHAR b0, UCHAR b1, UCHAR b15)
{
    IN6_ADDR address = IN6ADDR_ANY_INIT;
    address.s6_bytes[0] = b0;
    address.s6_bytes[1] = b1;
    address.s6_bytes[15] = b15;
    return address;
}

TEST(ipv6_predicates_tell_the_blocks_apart, "")
{
    IN6_ADDR any = abi_v6(0, 0, 0), loopback = abi_v6(0, 0, 1), compat = abi_v6(0, 0, 2);
    IN6_ADDR link = abi_v6(0xfe, 0x80, 1), site = abi_v6(0xfe, 0xc0, 1), global = abi_v6(0x20, 0x01, 1);
    IN6_ADDR node = abi_v6(0xff, 0x01, 1), everyone = abi_v6(0xff, 0x0e, 1), mapped;
    IN_ADDR v4 = IN4ADDR_LOOPBACK_INIT;
    IN6_SET_ADDR_V4MAPPED(&mapped, &v4);

    EXPECT(IN6_IS_ADDR_UNSPECIFIED(&any) && !IN6_IS_ADDR_UNSPECIFIED(&loopback));
    EXPECT(IN6_ADDR_EQUAL(&any, &in6addr_any) && IN6_ADDR_EQUAL(&loopback, &in6addr_loopback));
    EXPECT(IN6_IS_ADDR_LOOPBACK(&loopback) && !IN6_IS_ADDR_LOOPBACK(&any) && !IN6_IS_ADDR_LOOPBACK(&compat));
    EXPECT(IN6_IS_ADDR_V4COMPAT(&compat) && !IN6_IS_ADDR_V4COMPAT(&any) && !IN6_IS_ADDR_V4COMPAT(&loopback));
    EXPECT(IN6_IS_ADDR_LINKLOCAL(&link) && !IN6_IS_ADDR_LINKLOCAL(&site));
    EXPECT(IN6_IS_ADDR_SITELOCAL(&site) && !IN6_IS_ADDR_SITELOCAL(&link));
    EXPECT(IN6_IS_ADDR_GLOBAL(&global) && !IN6_IS_ADDR_GLOBAL(&link) && !IN6_IS_ADDR_GLOBAL(&mapped));
    EXPECT(IN6_IS_ADDR_MULTICAST(&node) && !IN6_IS_ADDR_MULTICAST(&link));
    EXPECT(IN6_IS_ADDR_MC_NODELOCAL(&node) && !IN6_IS_ADDR_MC_GLOBAL(&node));
    EXPECT(IN6_IS_ADDR_MC_GLOBAL(&everyone) && !IN6_IS_ADDR_MC_LINKLOCAL(&everyone));
    EXPECT(IN6_IS_ADDR_V4MAPPED(&mapped) && !IN6_IS_ADDR_V4MAPPED(&compat));
    EXPECT_EQ(IN6_GET_ADDR_V4MAPPED(&mapped)[0], 127);
    EXPECT_EQ(IN6_GET_ADDR_V4MAPPED(&mapped)[3], 1);
    EXPECT(!IN6_IS_ADDR_V4TRANSLATED(&mapped));
}

TEST(ipv4_predicates_tell_the_blocks_apart, "")
{
    IN_ADDR any = IN4ADDR_ANY_INIT, loopback = IN4ADDR_LOOPBACK_INIT, broadcast = IN4ADDR_BROADCAST_INIT;
    IN_ADDR ten = {{{10, 1, 2, 3}}}, multicast = {{{224, 0, 0, 1}}}, link = {{{169, 254, 1, 1}}};
    IN_ADDR inside = {{{172, 31, 0, 1}}}, outside = {{{172, 32, 0, 1}}};

    EXPECT_EQ(loopback.s_addr, IN4ADDR_LOOPBACK);
    EXPECT(IN4_IS_ADDR_UNSPECIFIED(&any) && !IN4_IS_ADDR_UNSPECIFIED(&ten));
    EXPECT(IN4_IS_ADDR_LOOPBACK(&loopback) && !IN4_IS_ADDR_LOOPBACK(&any));
    EXPECT(IN4_IS_ADDR_BROADCAST(&broadcast) && !IN4_IS_ADDR_BROADCAST(&multicast));
    EXPECT(IN4_IS_ADDR_MULTICAST(&multicast) && !IN4_IS_ADDR_MULTICAST(&broadcast));
    EXPECT(IN4_IS_ADDR_LINKLOCAL(&link) && !IN4_IS_ADDR_LINKLOCAL(&ten));
    EXPECT(IN4_IS_ADDR_RFC1918(&ten) && IN4_IS_ADDR_RFC1918(&inside) && !IN4_IS_ADDR_RFC1918(&outside));
    EXPECT(IN4_MULTICAST(multicast.s_addr) && !IN4_MULTICAST(loopback.s_addr));
    EXPECT(IN_MULTICAST(0xe0000001) && !IN_MULTICAST(INADDR_LOOPBACK));
}

TEST(socket_addresses_of_both_families_go_through_the_same_helpers, "")
{
    SOCKADDR_STORAGE storage4, storage6, other;
    SCOPE_ID scope = {.Value = 7}, none = SCOPEID_UNSPECIFIED_INIT;
    IN_ADDR v4 = {{{192, 168, 1, 2}}};

    storage4.ss_family = AF_INET;
    storage6.ss_family = AF_INET6;
    INETADDR_SETANY((PSOCKADDR)&storage4);
    INETADDR_SETANY((PSOCKADDR)&storage6);
    EXPECT(INETADDR_ISANY((PSOCKADDR)&storage4) && INETADDR_ISUNSPECIFIED((PSOCKADDR)&storage4));
    EXPECT(INETADDR_ISANY((PSOCKADDR)&storage6) && !INETADDR_ISLOOPBACK((PSOCKADDR)&storage6));
    EXPECT(!INETADDR_ISEQUAL((PSOCKADDR)&storage4, (PSOCKADDR)&storage6));

    INETADDR_SETLOOPBACK((PSOCKADDR)&storage4);
    INETADDR_SETLOOPBACK((PSOCKADDR)&storage6);
    EXPECT(INETADDR_ISLOOPBACK((PSOCKADDR)&storage4) && INETADDR_ISLOOPBACK((PSOCKADDR)&storage6));
    EXPECT_EQ(INETADDR_PORT((PSOCKADDR)&storage4), 0);

    INETADDR_SETSOCKADDR(AF_INET, (PSOCKADDR)&storage4, &v4, none, 0x1234);
    EXPECT_EQ(((PSOCKADDR_IN)&storage4)->sin_port, 0x1234);
    EXPECT(INET_ADDR_EQUAL(AF_INET, INETADDR_ADDRESS((PSOCKADDR)&storage4), &v4));
    EXPECT_EQ(INETADDR_SCOPE_ID((PSOCKADDR)&storage4).Value, 0);

    INETADDR_SETSOCKADDR(AF_INET6, (PSOCKADDR)&storage6, &in6addr_loopback, scope, 0x5678);
    EXPECT_EQ(((PSOCKADDR_IN6)&storage6)->sin6_port, 0x5678);
    EXPECT_EQ(((PSOCKADDR_IN6)&storage6)->sin6_scope_id, 7);
    EXPECT_EQ(INETADDR_SCOPE_ID((PSOCKADDR)&storage6).Value, 7);
    other = storage6;
    INETADDR_SET_PORT((PSOCKADDR)&other, 1);
    EXPECT(INETADDR_ISEQUAL((PSOCKADDR)&other, (PSOCKADDR)&storage6));
    ((PSOCKADDR_IN6)&other)->sin6_scope_id = 8;
    EXPECT(!INETADDR_ISEQUAL((PSOCKADDR)&other, (PSOCKADDR)&storage6));

    EXPECT(SS_PORT(&storage4) == 0x1234 && SS_PORT(&storage6) == 0x5678);
    SS_PORT(&storage6) = 0x9abc;
    EXPECT_EQ(((PSOCKADDR_IN6)&storage6)->sin6_port, 0x9abc);

    IN6ADDR_SETV4MAPPED((PSOCKADDR_IN6)&other, &v4, none, 9);
    EXPECT(INETADDR_ISV4MAPPED((PSOCKADDR)&other) && !INETADDR_ISV4MAPPED((PSOCKADDR)&storage4));
}

TEST(module_identifiers_are_compared_by_their_type, "")
{
    NPI_MODULEID a = {sizeof(a), MIT_GUID, {{1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}}}}, b = a;
    EXPECT(NmrIsEqualNpiModuleId(&a, &b));
    b.Guid.Data4[7]++;
    EXPECT(!NmrIsEqualNpiModuleId(&a, &b));
    /* A LUID is shorter than a GUID: what stands behind it does not count. */
    a.Type = b.Type = MIT_IF_LUID;
    EXPECT(NmrIsEqualNpiModuleId(&a, &b));
    b.Type = MIT_GUID;
    EXPECT(!NmrIsEqualNpiModuleId(&a, &b));
}
