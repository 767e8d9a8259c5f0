/*
 * test_tables.c - interfaces, addresses and routes as drivers see them.
 *
 * Strategy: each test has a network of its own with the loopback and a pair of Ethernet interfaces, adds to it by
 * netlink, and looks for exactly that in the tables.
 */
#include <netioapi.h>

#include "net_host.h"
#include "nt/ex/ex.h"
#include "nt/ke/internal.h"
#include "nt/ke/ke.h"
#include "uwsk_test.h"

static BOOLEAN skipped;
static ULONG one, two;

static void setup(void)
{
    struct ke_config ke = {.processors = 1};

    skipped = net_own() != 0 || net_pair("one", "two") != 0;
    if (skipped)
        TEST_NOTE("skipped: no network of its own, or no veth, is allowed here");
    one = net_index("one");
    two = net_index("two");
    EXPECT_STATUS(ke_start(&ke), STATUS_SUCCESS);
}

static void teardown(void)
{
    SIZE_T blocks, bytes;

    ex_workers_shutdown();
    ke_stop();
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

TEST_FIXTURE(setup, teardown);

static BOOLEAN is(const SOCKADDR_INET *address, const char *text)
{
    UCHAR bytes[16];
    int length = net_bytes(text, bytes);

    return length == 4
               ? address->si_family == AF_INET && RtlEqualMemory(&address->Ipv4.sin_addr, bytes, 4)
               : address->si_family == AF_INET6 && RtlEqualMemory(&address->Ipv6.sin6_addr, bytes, 16);
}

static void make(SOCKADDR_INET *address, const char *text)
{
    RtlZeroMemory(address, sizeof *address);
    address->si_family = AF_INET6;
    if (net_bytes(text, &address->Ipv6.sin6_addr) == 4) {
        address->si_family = AF_INET;
        net_bytes(text, &address->Ipv4.sin_addr);
    }
}

static BOOLEAN named(const WCHAR *name, const char *text)
{
    while (*text && *name == (WCHAR)*text)
        name++, text++;
    return *name == 0 && *text == 0;
}

static BOOLEAN find_address(ADDRESS_FAMILY family, const char *text, MIB_UNICASTIPADDRESS_ROW *row)
{
    PMIB_UNICASTIPADDRESS_TABLE table;
    BOOLEAN found = FALSE;

    EXPECT_STATUS(GetUnicastIpAddressTable(family, &table), STATUS_SUCCESS);
    EXPECT(table->NumEntries > 0);
    for (ULONG i = 0; i < table->NumEntries; i++) {
        EXPECT(family == AF_UNSPEC || table->Table[i].Address.si_family == family);
        if (!is(&table->Table[i].Address, text))
            continue;
        EXPECT(!found);
        found = TRUE;
        *row = table->Table[i];
    }
    FreeMibTable(table);
    return found;
}

static BOOLEAN find_route(const char *text, UINT8 prefix, MIB_IPFORWARD_ROW2 *row)
{
    PMIB_IPFORWARD_TABLE2 table;
    BOOLEAN found = FALSE;

    EXPECT_STATUS(GetIpForwardTable2(AF_UNSPEC, &table), STATUS_SUCCESS);
    for (ULONG i = 0; i < table->NumEntries && !found; i++) {
        found = is(&table->Table[i].DestinationPrefix.Prefix, text) &&
                table->Table[i].DestinationPrefix.PrefixLength == prefix;
        *row = table->Table[i];
    }
    FreeMibTable(table);
    return found;
}

TEST(interfaces_are_told_by_luid_and_by_index, "")
{
    MIB_IF_ROW2 row, again;
    PMIB_IF_TABLE2 table;

    if (skipped)
        return;
    RtlZeroMemory(&row, sizeof row);
    row.InterfaceIndex = one;
    EXPECT_STATUS(GetIfEntry2(&row), STATUS_SUCCESS);
    EXPECT_EQ(row.InterfaceIndex, one);
    EXPECT_EQ(row.InterfaceLuid.Info.NetLuidIndex, one);
    EXPECT_EQ(row.InterfaceLuid.Info.IfType, IF_TYPE_ETHERNET_CSMACD);
    EXPECT(named(row.Alias, "one") && named(row.Description, "one"));
    EXPECT_EQ(row.Type, IF_TYPE_ETHERNET_CSMACD);
    EXPECT_EQ(row.MediaType, NdisMedium802_3);
    EXPECT_EQ(row.AccessType, NET_IF_ACCESS_BROADCAST);
    EXPECT_EQ(row.Mtu, 1500);
    EXPECT_EQ(row.PhysicalAddressLength, 6);
    EXPECT_EQ(row.AdminStatus, NET_IF_ADMIN_STATUS_UP);
    EXPECT_EQ(row.OperStatus, IfOperStatusUp);
    EXPECT_EQ(row.MediaConnectState, MediaConnectStateConnected);
    EXPECT_EQ(row.InterfaceAndOperStatusFlags.HardwareInterface, 0);

    /* The luid counts before the index. */
    RtlZeroMemory(&again, sizeof again);
    again.InterfaceLuid = row.InterfaceLuid;
    again.InterfaceIndex = two;
    EXPECT_STATUS(GetIfEntry2(&again), STATUS_SUCCESS);
    EXPECT_EQ(again.InterfaceIndex, one);

    EXPECT_EQ(net_link_up(one, 0), 0);
    EXPECT_STATUS(GetIfEntry2(&again), STATUS_SUCCESS);
    EXPECT_EQ(again.AdminStatus, NET_IF_ADMIN_STATUS_DOWN);
    EXPECT_EQ(again.OperStatus, IfOperStatusDown);

    EXPECT_STATUS(GetIfTable2(&table), STATUS_SUCCESS);
    EXPECT(table->NumEntries >= 3);
    EXPECT_EQ(table->Table[0].InterfaceIndex, 1);
    EXPECT_EQ(table->Table[0].Type, IF_TYPE_SOFTWARE_LOOPBACK);
    EXPECT_EQ(table->Table[0].AccessType, NET_IF_ACCESS_LOOPBACK);
    EXPECT(named(table->Table[0].Alias, "lo"));
    for (ULONG i = 1; i < table->NumEntries; i++)
        EXPECT(table->Table[i].InterfaceIndex > table->Table[i - 1].InterfaceIndex);
    FreeMibTable(table);
}

TEST(what_is_not_there_is_not_found, "")
{
    MIB_IPINTERFACE_ROW ip;
    MIB_IF_ROW2 row;
    PVOID table;

    EXPECT_STATUS(GetIfEntry2(NULL), STATUS_INVALID_PARAMETER);
    RtlZeroMemory(&row, sizeof row);
    EXPECT_STATUS(GetIfEntry2(&row), STATUS_INVALID_PARAMETER);
    row.InterfaceIndex = 0xFFFFFF;
    EXPECT_STATUS(GetIfEntry2(&row), STATUS_NOT_FOUND);
    row.InterfaceIndex = 1;
    row.InterfaceLuid.Info.NetLuidIndex = 1; /* of no type */
    EXPECT_STATUS(GetIfEntry2(&row), STATUS_NOT_FOUND);

    EXPECT_STATUS(GetIpInterfaceEntry(NULL), STATUS_INVALID_PARAMETER);
    RtlZeroMemory(&ip, sizeof ip);
    ip.InterfaceIndex = 1;
    EXPECT_STATUS(GetIpInterfaceEntry(&ip), STATUS_INVALID_PARAMETER);
    ip.Family = AF_INET;
    ip.InterfaceIndex = 0xFFFFFF;
    EXPECT_STATUS(GetIpInterfaceEntry(&ip), STATUS_NOT_FOUND);

    EXPECT_STATUS(GetIfTable2(NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetIpInterfaceTable(AF_INET, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetIpInterfaceTable(AF_IPX, (PVOID)&table), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetUnicastIpAddressTable(AF_INET, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetUnicastIpAddressTable(AF_IPX, (PVOID)&table), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetIpForwardTable2(AF_INET, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetIpForwardTable2(AF_IPX, (PVOID)&table), STATUS_INVALID_PARAMETER);
    FreeMibTable(NULL);
}

TEST(a_family_of_an_interface_has_a_row, "")
{
    PMIB_IPINTERFACE_TABLE table;
    MIB_IPINTERFACE_ROW row;
    ULONG found = 0;

    if (skipped)
        return;
    RtlZeroMemory(&row, sizeof row);
    row.Family = AF_INET;
    row.InterfaceIndex = one;
    EXPECT_STATUS(GetIpInterfaceEntry(&row), STATUS_SUCCESS);
    EXPECT_EQ(row.InterfaceLuid.Info.NetLuidIndex, one);
    EXPECT_EQ(row.NlMtu, 1500);
    EXPECT(row.Connected);
    EXPECT(!row.ForwardingEnabled);

    EXPECT_STATUS(GetIpInterfaceTable(AF_INET, &table), STATUS_SUCCESS);
    for (ULONG i = 0; i < table->NumEntries; i++) {
        EXPECT_EQ(table->Table[i].Family, AF_INET);
        found += table->Table[i].InterfaceIndex == one || table->Table[i].InterfaceIndex == two;
    }
    EXPECT_EQ(found, 2);
    FreeMibTable(table);
}

TEST(addresses_come_and_go, "")
{
    MIB_UNICASTIPADDRESS_ROW row;

    if (skipped)
        return;
    EXPECT(find_address(AF_INET, "127.0.0.1", &row));
    EXPECT_EQ(row.InterfaceIndex, 1);
    EXPECT_EQ(row.OnLinkPrefixLength, 8);
    EXPECT_EQ(row.PrefixOrigin, IpPrefixOriginWellKnown);
    EXPECT(!find_address(AF_UNSPEC, "10.1.0.1", &row));
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT(find_address(AF_UNSPEC, "10.1.0.1", &row));
    EXPECT_EQ(row.InterfaceIndex, one);
    EXPECT_EQ(row.InterfaceLuid.Info.NetLuidIndex, one);
    EXPECT_EQ(row.InterfaceLuid.Info.IfType, IF_TYPE_ETHERNET_CSMACD);
    EXPECT_EQ(row.OnLinkPrefixLength, 24);
    EXPECT_EQ(row.PrefixOrigin, IpPrefixOriginManual);
    EXPECT_EQ(row.SuffixOrigin, IpSuffixOriginManual);
    EXPECT_EQ(row.DadState, IpDadStatePreferred);
    EXPECT_EQ(row.ValidLifetime, 0xFFFFFFFF);
    EXPECT_EQ(row.Address.Ipv4.sin_port, 0);
    EXPECT(row.CreationTimeStamp.QuadPart > 0);
    EXPECT_EQ(net_address(0, one, "10.1.0.1", 24), 0);
    EXPECT(!find_address(AF_UNSPEC, "10.1.0.1", &row));
}

TEST(many_addresses_fit_and_are_in_order, "")
{
    PMIB_UNICASTIPADDRESS_TABLE table;
    ULONG found = 0;
    char text[] = "10.9.0.100";

    if (skipped)
        return;
    for (int i = 0; i < 60; i++) { /* from the highest down */
        text[8] = (char)('5' - i / 10);
        text[9] = (char)('9' - i % 10);
        EXPECT_EQ(net_address(1, two, text, 32), 0);
    }
    EXPECT_STATUS(GetUnicastIpAddressTable(AF_INET, &table), STATUS_SUCCESS);
    EXPECT(table->NumEntries >= 61);
    for (ULONG i = 0; i < table->NumEntries; i++) {
        const UCHAR *bytes = (const UCHAR *)&table->Table[i].Address.Ipv4.sin_addr;

        if (bytes[0] == 10)
            EXPECT_EQ(bytes[3], 100 + found++);
    }
    EXPECT_EQ(found, 60);
    FreeMibTable(table);
}

TEST(routes_are_told, "")
{
    MIB_IPFORWARD_ROW2 row;

    if (skipped)
        return;
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT(find_route("10.1.0.0", 24, &row));
    EXPECT_EQ(row.InterfaceIndex, one);
    EXPECT(is(&row.NextHop, "0.0.0.0"));
    EXPECT_EQ(row.Protocol, RouteProtocolLocal);
    EXPECT(!row.Loopback && row.Immortal);
    EXPECT(find_route("10.1.0.1", 32, &row));
    EXPECT(row.Loopback);
    EXPECT_EQ(net_route(1, one, "10.77.0.0", 16, "10.1.0.2", 7), 0);
    EXPECT(find_route("10.77.0.0", 16, &row));
    EXPECT_EQ(row.InterfaceIndex, one);
    EXPECT_EQ(row.InterfaceLuid.Info.NetLuidIndex, one);
    EXPECT(is(&row.NextHop, "10.1.0.2"));
    EXPECT_EQ(row.Metric, 7);
    EXPECT_EQ(row.Protocol, RouteProtocolNetMgmt);
    EXPECT_EQ(row.Origin, NlroManual);
    EXPECT_EQ(net_route(0, one, "10.77.0.0", 16, "10.1.0.2", 7), 0);
    EXPECT(!find_route("10.77.0.0", 16, &row));
}

TEST(the_best_route_is_the_hosts, "")
{
    SOCKADDR_INET to, source, best;
    MIB_IPFORWARD_ROW2 row;
    MIB_IF_ROW2 other;

    if (skipped)
        return;
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_EQ(net_address(1, one, "10.1.0.9", 24), 0);
    EXPECT_EQ(net_address(1, two, "10.2.0.1", 24), 0);
    EXPECT_EQ(net_route(1, one, "10.77.0.0", 16, "10.1.0.2", 7), 0);
    EXPECT_EQ(net_route(1, one, "10.77.5.0", 24, "10.1.0.3", 9), 0);
    make(&to, "10.77.5.6");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &best), STATUS_SUCCESS);
    EXPECT(is(&row.DestinationPrefix.Prefix, "10.77.5.0"));
    EXPECT_EQ(row.DestinationPrefix.PrefixLength, 24);
    EXPECT(is(&row.NextHop, "10.1.0.3"));
    EXPECT_EQ(row.Metric, 9);
    EXPECT_EQ(row.InterfaceIndex, one);
    EXPECT(is(&best, "10.1.0.1"));

    make(&source, "10.1.0.9");
    EXPECT_STATUS(GetBestRoute2(NULL, one, &source, &to, 0, &row, &best), STATUS_SUCCESS);
    EXPECT(is(&best, "10.1.0.9"));
    make(&source, "10.55.0.1");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, &source, &to, 0, &row, &best), STATUS_INVALID_PARAMETER);

    make(&to, "10.2.0.200");
    RtlZeroMemory(&other, sizeof other);
    other.InterfaceIndex = two;
    EXPECT_STATUS(GetIfEntry2(&other), STATUS_SUCCESS);
    EXPECT_STATUS(GetBestRoute2(&other.InterfaceLuid, one, NULL, &to, 0, &row, &best), STATUS_SUCCESS);
    EXPECT_EQ(row.InterfaceIndex, two);
    EXPECT(is(&row.NextHop, "0.0.0.0"));
    EXPECT(is(&best, "10.2.0.1"));

    make(&to, "127.0.0.1");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &best), STATUS_SUCCESS);
    EXPECT(row.Loopback);
    EXPECT_EQ(row.InterfaceIndex, 1);

    make(&to, "192.0.2.1");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &best), STATUS_NETWORK_UNREACHABLE);
    EXPECT_STATUS(GetBestRoute2(NULL, 0xFFFFFF, NULL, &to, 0, &row, &best), STATUS_NOT_FOUND);
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, NULL, 0, &row, &best), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, NULL, &best), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, NULL), STATUS_INVALID_PARAMETER);
    to.si_family = AF_UNSPEC;
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &best), STATUS_INVALID_PARAMETER);
    make(&to, "127.0.0.1");
    make(&source, "::1");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, &source, &to, 0, &row, &best), STATUS_INVALID_PARAMETER);
}

TEST(addresses_and_routes_of_version_six, "")
{
    MIB_UNICASTIPADDRESS_ROW address;
    MIB_IPFORWARD_ROW2 row;
    SOCKADDR_INET to, best;

    if (skipped)
        return;
    if (net_address(1, one, "fd01::1", 64) != 0) {
        TEST_NOTE("skipped: no IPv6 here");
        return;
    }
    EXPECT(find_address(AF_INET6, "fd01::1", &address));
    EXPECT_EQ(address.InterfaceIndex, one);
    EXPECT_EQ(address.OnLinkPrefixLength, 64);
    EXPECT_EQ(address.Address.Ipv6.sin6_scope_id, 0);
    EXPECT_EQ(net_route(1, one, "fd77::", 32, "fd01::2", 5), 0);
    EXPECT(find_route("fd77::", 32, &row));
    EXPECT(is(&row.NextHop, "fd01::2"));
    EXPECT_EQ(row.Metric, 5);
    make(&to, "fd77::9");
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &row, &best), STATUS_SUCCESS);
    EXPECT(is(&row.DestinationPrefix.Prefix, "fd77::"));
    EXPECT_EQ(row.DestinationPrefix.PrefixLength, 32);
    EXPECT(is(&row.NextHop, "fd01::2"));
    EXPECT(is(&best, "fd01::1"));
}
