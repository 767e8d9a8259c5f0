/*
 * netio.h - what the files of this room share.
 *
 * An interface's index is the host's; its luid is type, index and nothing else, so that either leads to the other.
 */
#ifndef UWSK_NETIO_NETIO_H
#define UWSK_NETIO_NETIO_H

#include <netioapi.h>

#include "host/host.h"
#include "nt/ex/ex.h"

#define NETIO_TAG_TABLE 'TbiM'

/* Every table of netioapi.h: a count, then rows from byte 8. */
enum { NETIO_TABLE_HEAD = 8 };

/* A table that grows while the host tells. */
struct netio_table {
    ULONG row_bytes, count, room;
    PUCHAR block;
    void *caller; /* whose block it is; NULL: the runtime's own */
};

/* A zeroed row at the end; NULL when memory is short. */
void *netio_table_add(struct netio_table *table);
/* The table as the caller gets it, the rows in order of `compare`; *out untouched unless STATUS_SUCCESS. */
NTSTATUS netio_table_finish(struct netio_table *table, int (*compare)(const void *, const void *),
                            void **out);
void netio_table_sort(struct netio_table *table, int (*compare)(const void *, const void *));
void netio_table_free(struct netio_table *table);
static inline void *netio_table_row(const struct netio_table *table, ULONG i)
{
    return table->block + NETIO_TABLE_HEAD + (SIZE_T)i * table->row_bytes;
}

/* Fills the table with all rows of the family (AF_UNSPEC: both); what it held is gone. */
NTSTATUS netio_read_addresses(struct netio_table *table, ADDRESS_FAMILY family);
NTSTATUS netio_read_routes(struct netio_table *table, ADDRESS_FAMILY family);
NTSTATUS netio_read_ip_interfaces(struct netio_table *table, ADDRESS_FAMILY family);
int netio_compare_addresses(const void *a, const void *b);
int netio_compare_routes(const void *a, const void *b);
int netio_compare_ip_interfaces(const void *a, const void *b);

/* What enum host_net_error means to a driver. */
NTSTATUS netio_status(int error);
BOOLEAN netio_is_family(ADDRESS_FAMILY family);
/* family: 4 or 6; index: the interface where the address is link-local. */
void netio_address(SOCKADDR_INET *out, int family, const uint8_t *address, ULONG index);
BOOLEAN netio_is_link_local(int family, const uint8_t *address);
int netio_compare_inet(const SOCKADDR_INET *a, const SOCKADDR_INET *b);

/* Luids need the type of the interface, which addresses and routes do not tell. */
struct netio_luids {
    struct netio_table table; /* of NET_LUID */
};
int netio_luids_read(struct netio_luids *luids); /* 0 or enum host_net_error */
NET_LUID netio_luid(const struct netio_luids *luids, ULONG index);

/* What those get that are called for each address or route of the host. */
struct netio_rows {
    struct netio_table *table;
    const struct netio_luids *luids;
    ADDRESS_FAMILY family;
};
BOOLEAN netio_rows_want(const struct netio_rows *rows, int family); /* 4 or 6 */
/* Fills the table anew by `ask`, again while the host's changes under it. */
NTSTATUS netio_rows_read(struct netio_table *table, ADDRESS_FAMILY family,
                         int (*ask)(struct netio_rows *rows));
/* The index that luid (if not 0) or index names; 0: neither is given. */
ULONG netio_index(const NET_LUID *luid, ULONG index);

#endif
