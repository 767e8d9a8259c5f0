/*
 * address.c - GetUnicastIpAddressTable.
 */
#include "netio.h"

/* Linux does not say where an address comes from; what it says of it leaves these. */
static void origin(MIB_UNICASTIPADDRESS_ROW *row, const struct host_net_address *from)
{
    static const uint8_t loopback[16] = {[15] = 1};
    BOOLEAN own = from->family == 4 ? from->address[0] == 127 : memcmp(from->address, loopback, 16) == 0;

    if (own) {
        row->PrefixOrigin = IpPrefixOriginWellKnown;
        row->SuffixOrigin = IpSuffixOriginWellKnown;
    } else if (from->family == 6 && netio_is_link_local(6, from->address)) {
        row->PrefixOrigin = IpPrefixOriginWellKnown;
        row->SuffixOrigin = IpSuffixOriginLinkLayerAddress;
    } else if (from->permanent) {
        row->PrefixOrigin = IpPrefixOriginManual;
        row->SuffixOrigin = IpSuffixOriginManual;
    } else if (from->family == 4) {
        row->PrefixOrigin = IpPrefixOriginDhcp;
        row->SuffixOrigin = IpSuffixOriginDhcp;
    } else {
        row->PrefixOrigin = IpPrefixOriginRouterAdvertisement;
        row->SuffixOrigin = from->temporary ? IpSuffixOriginRandom : IpSuffixOriginLinkLayerAddress;
    }
}

static void fill(MIB_UNICASTIPADDRESS_ROW *row, const struct host_net_address *from,
                 const struct netio_luids *luids)
{
    netio_address(&row->Address, from->family, from->address, from->index);
    row->InterfaceLuid = netio_luid(luids, from->index);
    row->InterfaceIndex = from->index;
    origin(row, from);
    row->ValidLifetime = from->valid_s;
    row->PreferredLifetime = from->preferred_s;
    row->OnLinkPrefixLength = (UINT8)from->prefix;
    row->DadState = from->duplicate    ? IpDadStateDuplicate
                    : from->tentative  ? IpDadStateTentative
                    : from->deprecated ? IpDadStateDeprecated
                                       : IpDadStatePreferred;
    if (from->family == 6)
        row->ScopeId = row->Address.Ipv6.sin6_scope_struct;
    row->CreationTimeStamp.QuadPart = (LONGLONG)from->created;
}

static int add(void *context, const struct host_net_address *address)
{
    const struct netio_rows *rows = context;
    MIB_UNICASTIPADDRESS_ROW *row;

    if (!netio_rows_want(rows, address->family))
        return 0;
    row = netio_table_add(rows->table);
    if (row == NULL)
        return 1;
    fill(row, address, rows->luids);
    return 0;
}

static int ask(struct netio_rows *rows)
{
    return host_net_addresses(add, rows);
}

NTSTATUS netio_read_addresses(struct netio_table *table, ADDRESS_FAMILY family)
{
    return netio_rows_read(table, family, ask);
}

int netio_compare_addresses(const void *a, const void *b)
{
    const MIB_UNICASTIPADDRESS_ROW *one = a, *two = b;
    int result = netio_compare_inet(&one->Address, &two->Address);

    if (result)
        return result;
    return one->InterfaceIndex < two->InterfaceIndex ? -1 : one->InterfaceIndex > two->InterfaceIndex;
}

NTSTATUS NTAPI GetUnicastIpAddressTable(ADDRESS_FAMILY Family, PMIB_UNICASTIPADDRESS_TABLE *Table)
{
    struct netio_table table = {.row_bytes = sizeof(MIB_UNICASTIPADDRESS_ROW),
                                .caller = __builtin_return_address(0)};
    NTSTATUS status;

    if (Table == NULL || !netio_is_family(Family))
        return STATUS_INVALID_PARAMETER;
    status = netio_read_addresses(&table, Family);
    if (NT_SUCCESS(status))
        return netio_table_finish(&table, netio_compare_addresses, (void **)Table);
    netio_table_free(&table);
    return status;
}
