/*
 * route.c - GetIpForwardTable2, GetBestRoute2.
 */
#include "netio.h"

static void fill(MIB_IPFORWARD_ROW2 *row, const struct host_net_route *from, const struct netio_luids *luids)
{
    static const struct {
        NL_ROUTE_PROTOCOL protocol;
        NL_ROUTE_ORIGIN origin;
    } makers[] = {
        [HOST_NET_BY_OTHER] = {RouteProtocolOther, NlroManual},
        [HOST_NET_BY_SYSTEM] = {RouteProtocolLocal, NlroWellKnown},
        [HOST_NET_BY_HAND] = {RouteProtocolNetMgmt, NlroManual},
        [HOST_NET_BY_REDIRECT] = {RouteProtocolIcmp, NlroManual},
        [HOST_NET_BY_RA] = {RouteProtocolNetMgmt, NlroRouterAdvertisement},
        [HOST_NET_BY_DHCP] = {RouteProtocolDhcp, NlroDHCP},
    };

    RtlZeroMemory(row, sizeof *row);
    row->InterfaceLuid = netio_luid(luids, from->index);
    row->InterfaceIndex = from->index;
    netio_address(&row->DestinationPrefix.Prefix, from->family, from->destination, from->index);
    row->DestinationPrefix.PrefixLength = (UINT8)from->prefix;
    netio_address(&row->NextHop, from->family, from->next_hop, from->index);
    row->ValidLifetime = row->PreferredLifetime = from->expires_s;
    row->Metric = from->metric;
    row->Protocol = makers[from->maker].protocol;
    row->Origin = makers[from->maker].origin;
    row->Loopback = from->local != 0;
    row->AutoconfigureAddress = from->maker == HOST_NET_BY_RA;
    row->Immortal = from->expires_s == UINT32_MAX;
}

static int add(void *context, const struct host_net_route *route)
{
    const struct netio_rows *rows = context;
    MIB_IPFORWARD_ROW2 *row;

    if (!netio_rows_want(rows, route->family))
        return 0;
    row = netio_table_add(rows->table);
    if (row == NULL)
        return 1;
    fill(row, route, rows->luids);
    return 0;
}

static int ask(struct netio_rows *rows)
{
    return host_net_routes(add, rows);
}

NTSTATUS netio_read_routes(struct netio_table *table, ADDRESS_FAMILY family)
{
    return netio_rows_read(table, family, ask);
}

/* Destination, its length, interface, next hop, metric: no two routes have them all in common. */
int netio_compare_routes(const void *a, const void *b)
{
    const MIB_IPFORWARD_ROW2 *one = a, *two = b;
    int result = netio_compare_inet(&one->DestinationPrefix.Prefix, &two->DestinationPrefix.Prefix);

    if (result)
        return result;
    if (one->DestinationPrefix.PrefixLength != two->DestinationPrefix.PrefixLength)
        return one->DestinationPrefix.PrefixLength < two->DestinationPrefix.PrefixLength ? -1 : 1;
    if (one->InterfaceIndex != two->InterfaceIndex)
        return one->InterfaceIndex < two->InterfaceIndex ? -1 : 1;
    result = netio_compare_inet(&one->NextHop, &two->NextHop);
    if (result)
        return result;
    return one->Metric < two->Metric ? -1 : one->Metric > two->Metric;
}

NTSTATUS NTAPI GetIpForwardTable2(ADDRESS_FAMILY Family, PMIB_IPFORWARD_TABLE2 *Table)
{
    struct netio_table table = {.row_bytes = sizeof(MIB_IPFORWARD_ROW2),
                                .caller = __builtin_return_address(0)};
    NTSTATUS status;

    if (Table == NULL || !netio_is_family(Family))
        return STATUS_INVALID_PARAMETER;
    status = netio_read_routes(&table, Family);
    if (NT_SUCCESS(status))
        return netio_table_finish(&table, netio_compare_routes, (void **)Table);
    netio_table_free(&table);
    return status;
}

static const uint8_t *bytes_of(const SOCKADDR_INET *address)
{
    return address->si_family == AF_INET ? (const uint8_t *)&address->Ipv4.sin_addr
                                         : (const uint8_t *)&address->Ipv6.sin6_addr;
}

struct source {
    int family;
    const uint8_t *address;
};

static int is_source(void *context, const struct host_net_address *address)
{
    const struct source *source = context;

    return address->family == source->family &&
           memcmp(address->address, source->address, source->family == 4 ? 4 : 16) == 0;
}

/* 0: it is an address of this host, to which all of 127.0.0.0/8 belongs.  Kernels differ in what they say to others. */
static int check_source(int family, const uint8_t *address)
{
    struct source source = {family, address};
    int tries = 100, result;

    if (family == 4 && address[0] == 127)
        return 0;
    do
        result = host_net_addresses(is_source, &source);
    while (result == HOST_NET_AGAIN && --tries);
    return result > 0 ? 0 : result < 0 ? result : HOST_NET_BAD_SOURCE;
}

NTSTATUS NTAPI GetBestRoute2(NET_LUID *InterfaceLuid, NET_IFINDEX InterfaceIndex,
                             CONST SOCKADDR_INET *SourceAddress, CONST SOCKADDR_INET *DestinationAddress,
                             ULONG AddressSortOptions, PMIB_IPFORWARD_ROW2 BestRoute,
                             SOCKADDR_INET *BestSourceAddress)
{
    static const uint8_t any[16];
    struct host_net_route route;
    struct netio_luids luids;
    const uint8_t *source;
    uint8_t from[16];
    ULONG index = netio_index(InterfaceLuid, InterfaceIndex);
    int family, error;

    (void)AddressSortOptions;
    if (DestinationAddress == NULL || BestRoute == NULL || BestSourceAddress == NULL ||
        DestinationAddress->si_family == AF_UNSPEC || !netio_is_family(DestinationAddress->si_family))
        return STATUS_INVALID_PARAMETER;
    family = DestinationAddress->si_family == AF_INET ? 4 : 6;
    source = SourceAddress && SourceAddress->si_family != AF_UNSPEC ? bytes_of(SourceAddress) : NULL;
    if (source && SourceAddress->si_family != DestinationAddress->si_family)
        return STATUS_INVALID_PARAMETER;
    if (source && memcmp(source, any, family == 4 ? 4 : 16) == 0)
        source = NULL;
    if (index == 0 && family == 6 && netio_is_link_local(6, bytes_of(DestinationAddress)))
        index = DestinationAddress->Ipv6.sin6_scope_id;
    error = netio_luids_read(&luids);
    if (error == 0 && index != 0 &&
        (netio_luid(&luids, index).Value == 0 || (InterfaceLuid != NULL && InterfaceLuid->Value != 0 &&
                                                  netio_luid(&luids, index).Value != InterfaceLuid->Value)))
        error = HOST_NET_MISSING;
    if (error == 0 && source)
        error = check_source(family, source);
    if (error == 0)
        error = host_net_route_to(family, bytes_of(DestinationAddress), source, index, &route, from);
    if (error == 0) {
        fill(BestRoute, &route, &luids);
        netio_address(BestSourceAddress, family, from, route.index);
    }
    netio_table_free(&luids.table);
    return netio_status(error);
}
