/*
 * interface.c - GetIfEntry2, GetIfTable2, GetIpInterfaceEntry, GetIpInterfaceTable.
 */
#include "netio.h"
#include "nt/rtl/rtl.h"

static USHORT type_of(int medium)
{
    switch (medium) {
    case HOST_NET_LOOPBACK:
        return IF_TYPE_SOFTWARE_LOOPBACK;
    case HOST_NET_ETHERNET:
        return IF_TYPE_ETHERNET_CSMACD;
    case HOST_NET_WIRELESS:
        return IF_TYPE_IEEE80211;
    case HOST_NET_PPP:
        return IF_TYPE_PPP;
    case HOST_NET_TUNNEL:
        return IF_TYPE_TUNNEL;
    default:
        return IF_TYPE_OTHER;
    }
}

static NDIS_MEDIUM media_of(int medium)
{
    switch (medium) {
    case HOST_NET_LOOPBACK:
        return NdisMediumLoopback;
    case HOST_NET_WIRELESS:
        return NdisMediumNative802_11;
    case HOST_NET_PPP:
        return NdisMediumWan;
    case HOST_NET_TUNNEL:
        return NdisMediumTunnel;
    default:
        return NdisMedium802_3;
    }
}

static NET_LUID luid_of(const struct host_net_interface *interface)
{
    NET_LUID luid;

    luid.Value = 0;
    luid.Info.NetLuidIndex = interface->index;
    luid.Info.IfType = type_of(interface->medium);
    return luid;
}

/* UTF-8 to at most IF_MAX_STRING_SIZE characters and a NUL: `out` is zeroed. */
static void text(WCHAR *out, const char *from)
{
    rtl_utf8_to_utf16(out, IF_MAX_STRING_SIZE, from, strlen(from));
}

static void fill_if(MIB_IF_ROW2 *row, const struct host_net_interface *from)
{
    RtlZeroMemory(row, sizeof *row);
    row->InterfaceLuid = luid_of(from);
    row->InterfaceIndex = from->index;
    text(row->Alias, from->name);
    text(row->Description, *from->alias ? from->alias : from->name);
    row->PhysicalAddressLength = from->medium == HOST_NET_LOOPBACK ? 0 : from->address_bytes;
    RtlCopyMemory(row->PhysicalAddress, from->address, sizeof row->PhysicalAddress);
    RtlCopyMemory(row->PermanentPhysicalAddress, from->permanent, sizeof row->PermanentPhysicalAddress);
    row->Mtu = from->mtu;
    row->Type = type_of(from->medium);
    row->TunnelType = from->medium == HOST_NET_TUNNEL ? TUNNEL_TYPE_OTHER : TUNNEL_TYPE_NONE;
    row->MediaType = media_of(from->medium);
    row->PhysicalMediumType = from->medium == HOST_NET_ETHERNET   ? NdisPhysicalMedium802_3
                              : from->medium == HOST_NET_WIRELESS ? NdisPhysicalMediumNative802_11
                                                                  : NdisPhysicalMediumUnspecified;
    row->AccessType = from->medium == HOST_NET_LOOPBACK ? NET_IF_ACCESS_LOOPBACK
                      : from->point_to_point            ? NET_IF_ACCESS_POINT_TO_POINT
                                                        : NET_IF_ACCESS_BROADCAST;
    row->DirectionType = NET_IF_DIRECTION_SENDRECEIVE;
    row->InterfaceAndOperStatusFlags.HardwareInterface = !from->virtual_one;
    row->InterfaceAndOperStatusFlags.ConnectorPresent = !from->virtual_one;
    row->InterfaceAndOperStatusFlags.NotMediaConnected = from->enabled && !from->carrier;
    row->OperStatus = (IF_OPER_STATUS)from->state;
    row->AdminStatus = from->enabled ? NET_IF_ADMIN_STATUS_UP : NET_IF_ADMIN_STATUS_DOWN;
    row->MediaConnectState = from->carrier   ? MediaConnectStateConnected
                             : from->enabled ? MediaConnectStateDisconnected
                                             : MediaConnectStateUnknown;
    row->ConnectionType = NET_IF_CONNECTION_DEDICATED;
    row->InOctets = row->InUcastOctets = from->in_bytes;
    row->InNUcastPkts = from->in_multicast;
    row->InUcastPkts = from->in_packets > from->in_multicast ? from->in_packets - from->in_multicast : 0;
    row->InDiscards = from->in_dropped;
    row->InErrors = from->in_errors;
    row->InUnknownProtos = from->in_unknown;
    row->OutOctets = row->OutUcastOctets = from->out_bytes;
    row->OutUcastPkts = from->out_packets;
    row->OutDiscards = from->out_dropped;
    row->OutErrors = from->out_errors;
}

static void fill_ip(MIB_IPINTERFACE_ROW *row, ADDRESS_FAMILY family, const struct host_net_interface *from)
{
    const struct host_net_family *part = family == AF_INET ? &from->four : &from->six;

    RtlZeroMemory(row, sizeof *row);
    row->Family = family;
    row->InterfaceLuid = luid_of(from);
    row->InterfaceIndex = from->index;
    row->ForwardingEnabled = part->forwarding != 0;
    /* Linux answers and sends for any address of the host on any interface. */
    row->WeakHostSend = row->WeakHostReceive = TRUE;
    row->UseNeighborUnreachabilityDetection = from->medium != HOST_NET_LOOPBACK;
    row->RouterDiscoveryBehavior = part->routers ? RouterDiscoveryEnabled : RouterDiscoveryDisabled;
    row->DadTransmits = part->probes;
    row->BaseReachableTime = row->ReachableTime = part->reachable_ms;
    row->RetransmitTime = part->retransmit_ms;
    row->LinkLocalAddressBehavior =
        family == AF_INET6 && from->medium != HOST_NET_LOOPBACK ? LinkLocalAlwaysOn : LinkLocalAlwaysOff;
    /* Zones up to the link's are the interface, wider ones the host. */
    for (ULONG level = 0; family == AF_INET6 && level < ScopeLevelCount; level++)
        row->ZoneIndices[level] = level <= ScopeLevelLink ? from->index : level < ScopeLevelSite ? 0 : 1;
    row->SitePrefixLength = family == AF_INET6 ? 64 : 0;
    row->NlMtu = part->mtu;
    row->Connected = from->enabled && from->carrier;
    row->SupportsNeighborDiscovery = from->medium != HOST_NET_LOOPBACK && !from->point_to_point;
    row->SupportsRouterDiscovery = family == AF_INET6 && from->medium != HOST_NET_LOOPBACK;
}

/* ---- one interface --------------------------------------------------------------------------------------- */

struct one {
    ULONG index;
    struct host_net_interface found;
    BOOLEAN there;
};

static int look_for(void *context, const struct host_net_interface *interface)
{
    struct one *one = context;

    if (interface->index != one->index)
        return 0;
    one->found = *interface;
    one->there = TRUE;
    return 1;
}

/* The interface that luid or index names. */
static NTSTATUS find(const NET_LUID *luid, ULONG index, struct one *one)
{
    int error, tries = 100;

    RtlZeroMemory(one, sizeof *one);
    one->index = netio_index(luid, index);
    if (luid->Value == 0 && index == 0)
        return STATUS_INVALID_PARAMETER;
    do {
        one->there = FALSE;
        error = host_net_interfaces(look_for, one);
    } while (error == HOST_NET_AGAIN && --tries);
    if (error < 0)
        return netio_status(error);
    /* A luid of another type, or of nothing that was ever told. */
    if (!one->there || (luid->Value != 0 && luid->Value != luid_of(&one->found).Value))
        return STATUS_NOT_FOUND;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI GetIfEntry2(PMIB_IF_ROW2 Row)
{
    struct one one;
    NTSTATUS status;

    if (Row == NULL)
        return STATUS_INVALID_PARAMETER;
    status = find(&Row->InterfaceLuid, Row->InterfaceIndex, &one);
    if (NT_SUCCESS(status))
        fill_if(Row, &one.found);
    return status;
}

NTSTATUS NTAPI GetIpInterfaceEntry(PMIB_IPINTERFACE_ROW Row)
{
    struct one one;
    NTSTATUS status;

    if (Row == NULL || (Row->Family != AF_INET && Row->Family != AF_INET6))
        return STATUS_INVALID_PARAMETER;
    status = find(&Row->InterfaceLuid, Row->InterfaceIndex, &one);
    if (NT_SUCCESS(status) && !(Row->Family == AF_INET ? one.found.four : one.found.six).present)
        status = STATUS_NOT_FOUND;
    if (NT_SUCCESS(status))
        fill_ip(Row, Row->Family, &one.found);
    return status;
}

/* ---- tables ---------------------------------------------------------------------------------------------- */

struct rows {
    struct netio_table *table;
    ADDRESS_FAMILY family;
};

/* Again and again while it changes under the reader, a hundred times at most. */
static int read(struct netio_table *table, ADDRESS_FAMILY family,
                int (*fn)(void *context, const struct host_net_interface *interface))
{
    struct rows rows = {table, family};
    int error, tries = 100;

    do {
        table->count = 0;
        error = host_net_interfaces(fn, &rows);
    } while (error == HOST_NET_AGAIN && --tries);
    return error > 0 ? HOST_NET_NO_MEMORY : error;
}

static int add_if(void *context, const struct host_net_interface *interface)
{
    MIB_IF_ROW2 *row = netio_table_add(((struct rows *)context)->table);

    if (row == NULL)
        return 1;
    fill_if(row, interface);
    return 0;
}

static int add_ip(void *context, const struct host_net_interface *interface)
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    const struct rows *rows = context;

    for (ULONG i = 0; i < RTL_NUMBER_OF(families); i++) {
        MIB_IPINTERFACE_ROW *row;

        if ((rows->family != AF_UNSPEC && rows->family != families[i]) ||
            !(families[i] == AF_INET ? interface->four : interface->six).present)
            continue;
        row = netio_table_add(rows->table);
        if (row == NULL)
            return 1;
        fill_ip(row, families[i], interface);
    }
    return 0;
}

static int add_luid(void *context, const struct host_net_interface *interface)
{
    NET_LUID *luid = netio_table_add(((struct rows *)context)->table);

    if (luid == NULL)
        return 1;
    *luid = luid_of(interface);
    return 0;
}

int netio_luids_read(struct netio_luids *luids)
{
    RtlZeroMemory(luids, sizeof *luids);
    luids->table.row_bytes = sizeof(NET_LUID);
    return read(&luids->table, AF_UNSPEC, add_luid);
}

NET_LUID netio_luid(const struct netio_luids *luids, ULONG index)
{
    NET_LUID none;

    for (ULONG i = 0; i < luids->table.count; i++) {
        const NET_LUID *luid = netio_table_row(&luids->table, i);

        if (luid->Info.NetLuidIndex == index)
            return *luid;
    }
    none.Value = 0; /* born since */
    return none;
}

NTSTATUS netio_read_ip_interfaces(struct netio_table *table, ADDRESS_FAMILY family)
{
    return netio_status(read(table, family, add_ip));
}

static int compare_if(const void *a, const void *b)
{
    const MIB_IF_ROW2 *one = a, *two = b;

    return one->InterfaceIndex < two->InterfaceIndex ? -1 : one->InterfaceIndex > two->InterfaceIndex;
}

int netio_compare_ip_interfaces(const void *a, const void *b)
{
    const MIB_IPINTERFACE_ROW *one = a, *two = b;

    if (one->Family != two->Family)
        return one->Family < two->Family ? -1 : 1;
    return one->InterfaceIndex < two->InterfaceIndex ? -1 : one->InterfaceIndex > two->InterfaceIndex;
}

NTSTATUS NTAPI GetIfTable2(PMIB_IF_TABLE2 *Table)
{
    struct netio_table table = {.row_bytes = sizeof(MIB_IF_ROW2), .caller = __builtin_return_address(0)};
    int error;

    if (Table == NULL)
        return STATUS_INVALID_PARAMETER;
    error = read(&table, AF_UNSPEC, add_if);
    if (error == 0)
        return netio_table_finish(&table, compare_if, (void **)Table);
    netio_table_free(&table);
    return netio_status(error);
}

NTSTATUS NTAPI GetIpInterfaceTable(ADDRESS_FAMILY Family, PMIB_IPINTERFACE_TABLE *Table)
{
    struct netio_table table = {.row_bytes = sizeof(MIB_IPINTERFACE_ROW),
                                .caller = __builtin_return_address(0)};
    NTSTATUS status;

    if (Table == NULL || !netio_is_family(Family))
        return STATUS_INVALID_PARAMETER;
    status = netio_read_ip_interfaces(&table, Family);
    if (NT_SUCCESS(status))
        return netio_table_finish(&table, netio_compare_ip_interfaces, (void **)Table);
    netio_table_free(&table);
    return status;
}

VOID NTAPI FreeMibTable(PVOID Memory)
{
    if (Memory)
        ex_free_pool_from(Memory, NETIO_TAG_TABLE, EX_POOL_PLAIN, __builtin_return_address(0));
}
