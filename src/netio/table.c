/*
 * table.c - tables that grow, and what every row has: addresses, luids, statuses.
 */
#include "netio.h"

void *netio_table_add(struct netio_table *table)
{
    if (table->count == table->room) {
        ULONG room = table->room ? table->room * 2 : 16;
        SIZE_T bytes = NETIO_TABLE_HEAD + (SIZE_T)room * table->row_bytes;
        PUCHAR block = table->caller ? ex_allocate_pool_for(POOL_FLAG_NON_PAGED, bytes, NETIO_TAG_TABLE,
                                                            EX_POOL_PLAIN, table->caller)
                                     : ex_allocate_pool(POOL_FLAG_NON_PAGED, bytes, NETIO_TAG_TABLE);

        if (block == NULL)
            return NULL;
        if (table->block) {
            RtlCopyMemory(block, table->block, NETIO_TABLE_HEAD + (SIZE_T)table->count * table->row_bytes);
            ex_free_pool(table->block);
        }
        table->block = block;
        table->room = room;
    }
    RtlZeroMemory(netio_table_row(table, table->count), table->row_bytes);
    return netio_table_row(table, table->count++);
}

void netio_table_free(struct netio_table *table)
{
    if (table->block)
        ex_free_pool(table->block);
    table->block = NULL;
    table->count = table->room = 0;
}

static void swap(UCHAR *a, UCHAR *b, ULONG bytes)
{
    for (; bytes; bytes--, a++, b++) {
        UCHAR byte = *a;

        *a = *b;
        *b = byte;
    }
}

/* Moves row `root` down to its place in the heap of the first `count` rows. */
static void sift(struct netio_table *table, ULONG root, ULONG count,
                 int (*compare)(const void *, const void *))
{
    for (ULONG child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count &&
            compare(netio_table_row(table, child), netio_table_row(table, child + 1)) < 0)
            child++;
        if (compare(netio_table_row(table, root), netio_table_row(table, child)) >= 0)
            return;
        swap(netio_table_row(table, root), netio_table_row(table, child), table->row_bytes);
    }
}

void netio_table_sort(struct netio_table *table, int (*compare)(const void *, const void *))
{
    for (ULONG i = table->count / 2; i-- > 0;)
        sift(table, i, table->count, compare);
    for (ULONG i = table->count; i-- > 1;) {
        swap(netio_table_row(table, 0), netio_table_row(table, i), table->row_bytes);
        sift(table, 0, i, compare);
    }
}

NTSTATUS netio_table_finish(struct netio_table *table, int (*compare)(const void *, const void *), void **out)
{
    if (table->count == 0) {
        netio_table_free(table);
        return STATUS_NOT_FOUND;
    }
    netio_table_sort(table, compare);
    *(ULONG *)table->block = table->count;
    *out = table->block;
    return STATUS_SUCCESS;
}

BOOLEAN netio_rows_want(const struct netio_rows *rows, int family)
{
    return rows->family == AF_UNSPEC || rows->family == (family == 4 ? AF_INET : AF_INET6);
}

NTSTATUS netio_rows_read(struct netio_table *table, ADDRESS_FAMILY family,
                         int (*ask)(struct netio_rows *rows))
{
    struct netio_luids luids;
    struct netio_rows rows = {table, &luids, family};
    int tries = 100, error = netio_luids_read(&luids);

    if (error == 0) {
        do {
            table->count = 0;
            error = ask(&rows);
        } while (error == HOST_NET_AGAIN && --tries);
    }
    netio_table_free(&luids.table);
    return error > 0 ? STATUS_INSUFFICIENT_RESOURCES : netio_status(error);
}

NTSTATUS netio_status(int error)
{
    switch (error) {
    case HOST_NET_MISSING:
        return STATUS_NOT_FOUND;
    case HOST_NET_UNREACHABLE:
        return STATUS_NETWORK_UNREACHABLE;
    case HOST_NET_BAD_SOURCE:
        return STATUS_INVALID_PARAMETER;
    case HOST_NET_NO_MEMORY:
    case HOST_NET_AGAIN: /* it changes faster than it can be read */
        return STATUS_INSUFFICIENT_RESOURCES;
    case HOST_NET_ABSENT:
        return STATUS_NOT_SUPPORTED;
    default:
        return STATUS_SUCCESS;
    }
}

BOOLEAN netio_is_family(ADDRESS_FAMILY family)
{
    return family == AF_UNSPEC || family == AF_INET || family == AF_INET6;
}

BOOLEAN netio_is_link_local(int family, const uint8_t *address)
{
    return family == 4 ? address[0] == 169 && address[1] == 254
                       : address[0] == 0xFE && (address[1] & 0xC0) == 0x80;
}

void netio_address(SOCKADDR_INET *out, int family, const uint8_t *address, ULONG index)
{
    RtlZeroMemory(out, sizeof *out);
    if (family == 4) {
        out->Ipv4.sin_family = AF_INET;
        RtlCopyMemory(&out->Ipv4.sin_addr, address, 4);
        return;
    }
    out->Ipv6.sin6_family = AF_INET6;
    RtlCopyMemory(&out->Ipv6.sin6_addr, address, 16);
    if (netio_is_link_local(6, address))
        out->Ipv6.sin6_scope_id = index;
}

int netio_compare_inet(const SOCKADDR_INET *a, const SOCKADDR_INET *b)
{
    if (a->si_family != b->si_family)
        return a->si_family < b->si_family ? -1 : 1;
    return a->si_family == AF_INET ? memcmp(&a->Ipv4.sin_addr, &b->Ipv4.sin_addr, 4)
                                   : memcmp(&a->Ipv6.sin6_addr, &b->Ipv6.sin6_addr, 16);
}

ULONG netio_index(const NET_LUID *luid, ULONG index)
{
    return luid != NULL && luid->Value != 0 ? (ULONG)luid->Info.NetLuidIndex : index;
}
