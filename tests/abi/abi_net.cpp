/*
 * abi_net.cpp - the network headers in C++: the compiler checks abi_net.h again;
 * the basic pair is reachable as .Basic and, as on Windows, in no other way (T-05).
 */
#include "abi_net.h"
#include "uwsk_test.h"

namespace
{

/* Does T have a direct member WskCloseSocket? */
template <class T> char has_close(decltype(T::WskCloseSocket) *);
template <class T> long has_close(...);

static_assert(sizeof(has_close<WSK_PROVIDER_BASIC_DISPATCH>(nullptr)) == sizeof(char), "the pair itself");
static_assert(sizeof(has_close<WSK_PROVIDER_LISTEN_DISPATCH>(nullptr)) == sizeof(long), "listen");
static_assert(sizeof(has_close<WSK_PROVIDER_DATAGRAM_DISPATCH>(nullptr)) == sizeof(long), "datagram");
static_assert(sizeof(has_close<WSK_PROVIDER_CONNECTION_DISPATCH>(nullptr)) == sizeof(long), "connection");
static_assert(sizeof(has_close<WSK_PROVIDER_STREAM_DISPATCH>(nullptr)) == sizeof(long), "stream");

NTSTATUS WSKAPI abi_close(PWSK_SOCKET, PIRP)
{
    return STATUS_SUCCESS;
}

} // namespace

TEST(ports_of_both_families_lie_in_one_place_in_cpp, "")
{
    SOCKADDR_INET address = {};

    SS_PORT(&address) = 0x1234;
    EXPECT_EQ(address.Ipv4.sin_port, 0x1234);
    EXPECT_EQ(address.Ipv6.sin6_port, 0x1234);
}

TEST(wsk_tables_in_cpp_have_a_member_basic, "R-STRUCT-13 T-05")
{
    WSK_PROVIDER_LISTEN_DISPATCH table = {};
    table.Basic.WskCloseSocket = abi_close;
    WSK_SOCKET socket = {&table};
    EXPECT(static_cast<const WSK_PROVIDER_BASIC_DISPATCH *>(socket.Dispatch)->WskCloseSocket == abi_close);
}
