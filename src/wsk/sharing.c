/*
 * sharing.c - who may bind an address that another socket has (area SHARE).
 *
 * Windows' rules are not Linux', so they are kept here, in a table of all addresses that WSK's sockets are bound to
 * (C-SHARE-37); the transport is told to share what these rules allow.  What other programs of this host have, it
 * refuses by itself.
 *
 * wsk_sharing_lock guards the table.  It comes after a socket's lock and is held around the bind, so that two binds of
 * one address look at the table one after the other.
 */
#include "wsk/wskp.h"

enum verdict { SUCCESS, INUSE, DENIED, CHECK };

/* C-SHARE-01..36: [second bind][first bind], each by option and by address, as enum wsk_claim_kind.  A22: no option and
 * specific over SO_REUSEADDR and specific is DENIED here, where user-mode Winsock has INUSE. */
static const UCHAR verdicts[WSK_CLAIM_KINDS][WSK_CLAIM_KINDS] = {
    [WSK_CLAIM_WILDCARD] = {INUSE, SUCCESS, INUSE, SUCCESS, INUSE, SUCCESS},
    [WSK_CLAIM_SPECIFIC] = {CHECK, INUSE, CHECK, DENIED, DENIED, INUSE},
    [WSK_CLAIM_REUSE_WILDCARD] = {DENIED, SUCCESS, SUCCESS, SUCCESS, DENIED, SUCCESS},
    [WSK_CLAIM_REUSE_SPECIFIC] = {CHECK, DENIED, SUCCESS, SUCCESS, DENIED, DENIED},
    [WSK_CLAIM_EXCLUSIVE_WILDCARD] = {INUSE, INUSE, INUSE, INUSE, INUSE, INUSE},
    [WSK_CLAIM_EXCLUSIVE_SPECIFIC] = {CHECK, INUSE, CHECK, INUSE, DENIED, INUSE},
};

#define BUCKETS 256

static KSPIN_LOCK wsk_sharing_lock;
static LIST_ENTRY buckets[BUCKETS]; /* struct wsk_claim, by port */

void wsk_sharing_start(void)
{
    unsigned i;

    ke_initialize_spin_lock(&wsk_sharing_lock);
    for (i = 0; i < BUCKETS; i++)
        InitializeListHead(&buckets[i]);
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

/* The addresses of either family that a bind covers. */
struct coverage {
    BOOLEAN v4, v6, any;
    UCHAR address[16]; /* IPv4 in IPv6's form */
    ULONG scope;
};

static const UCHAR mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const UCHAR zero[16];

static void cover(const struct transport_address *address, BOOLEAN dual, struct coverage *out)
{
    RtlZeroMemory(out, sizeof *out);
    if (address->family == AF_INET) {
        RtlCopyMemory(out->address, mapped, sizeof mapped);
        RtlCopyMemory(out->address + 12, address->bytes + FIELD_OFFSET(SOCKADDR_IN, sin_addr), 4);
    } else {
        RtlCopyMemory(out->address, address->bytes + FIELD_OFFSET(SOCKADDR_IN6, sin6_addr), 16);
        RtlCopyMemory(&out->scope, address->bytes + FIELD_OFFSET(SOCKADDR_IN6, sin6_scope_id), 4);
    }
    out->v4 = RtlEqualMemory(out->address, mapped, sizeof mapped);
    out->v6 = !out->v4;
    out->any = RtlEqualMemory(out->v4 ? out->address + 12 : out->address, zero, out->v4 ? 4 : 16);
    if (out->v6 && out->any)
        out->v4 = dual; /* :: takes IPv4, too */
}

/* C-SHARE-42: two addresses of one family, neither of them its wildcard, never meet. */
static BOOLEAN meet(const struct coverage *a, const struct coverage *b)
{
    if (!((a->v4 && b->v4) || (a->v6 && b->v6)))
        return FALSE;
    return a->any || b->any || (RtlEqualMemory(a->address, b->address, 16) && a->scope == b->scope);
}

static USHORT port_of(const struct transport_address *address)
{
    USHORT port;

    RtlCopyMemory(&port, address->bytes + 2, sizeof port); /* network order */
    return port;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static LIST_ENTRY *bucket_of(const struct transport_address *address)
{
    return &buckets[RtlUshortByteSwap(port_of(address)) % BUCKETS];
}

static NTSTATUS judge(const struct wsk_claim *second, const struct wsk_claim *first)
{
    switch ((enum verdict)verdicts[second->kind][first->kind]) {
    case SUCCESS:
        return STATUS_SUCCESS;
    case INUSE:
        return STATUS_ADDRESS_ALREADY_EXISTS;
    case CHECK:
        return wsk_security_check(CONTAINING_RECORD(first, struct wsk_socket, claim));
    default:
        return STATUS_ACCESS_DENIED;
    }
}

/* Table's lock held: may this one be bound beside all that are?  *shared: there are some. */
static NTSTATUS look(const struct wsk_claim *second, BOOLEAN *shared)
{
    LIST_ENTRY *head = bucket_of(&second->address), *link;
    struct coverage wanted, held;
    NTSTATUS status = STATUS_SUCCESS;

    *shared = FALSE;
    if (port_of(&second->address) == 0)
        return status; /* one that nobody has is picked */
    cover(&second->address, second->dual, &wanted);
    for (link = head->Flink; link != head && status == STATUS_SUCCESS; link = link->Flink) {
        const struct wsk_claim *first = CONTAINING_RECORD(link, struct wsk_claim, link);

        if (first->type != second->type || port_of(&first->address) != port_of(&second->address))
            continue;
        cover(&first->address, first->dual, &held);
        if (!meet(&wanted, &held))
            continue;
        *shared = TRUE;
        status = judge(second, first);
    }
    return status;
}

static UCHAR kind_of(const struct wsk_socket *socket, const struct transport_address *local)
{
    struct coverage wanted;

    cover(local, FALSE, &wanted);
    return (UCHAR)((socket->option.exclusive ? WSK_CLAIM_EXCLUSIVE_WILDCARD
                    : socket->option.reuse   ? WSK_CLAIM_REUSE_WILDCARD
                                             : WSK_CLAIM_WILDCARD) +
                   !wanted.any);
}

static BOOLEAN is_dual(const struct wsk_socket *socket)
{
    uint64_t only = TRUE;

    return socket->family == AF_INET6 &&
           WSK_TRANSPORT_OPS->get_option(socket->transport, TRANSPORT_OPTION_V6ONLY, &only) ==
               STATUS_SUCCESS &&
           !only;
}

NTSTATUS wsk_sharing_bind(struct wsk_socket *socket, const struct transport_address *local)
{
    struct wsk_claim *claim = &socket->claim;
    NTSTATUS status;
    BOOLEAN shared;

    if (socket->type == SOCK_RAW || claim->held) /* no ports; bound, and the transport will say so */
        return WSK_TRANSPORT_OPS->bind(socket->transport, local);
    claim->address = *local;
    claim->type = socket->type;
    claim->dual = is_dual(socket);
    claim->kind = kind_of(socket, local);
    ke_acquire_spin_lock_at_dpc_level(&wsk_sharing_lock);
    status = look(claim, &shared);
    shared = shared || claim->kind == WSK_CLAIM_REUSE_WILDCARD || claim->kind == WSK_CLAIM_REUSE_SPECIFIC;
    if (status == STATUS_SUCCESS)
        status = WSK_TRANSPORT_OPS->set_option(socket->transport, TRANSPORT_OPTION_SHARE, shared);
    if (status == STATUS_SUCCESS)
        status = WSK_TRANSPORT_OPS->bind(socket->transport, local);
    if (status == STATUS_SUCCESS && port_of(local) == 0) /* the port that was picked */
        status = WSK_TRANSPORT_OPS->address(socket->transport, FALSE, &claim->address);
    if (status == STATUS_SUCCESS) {
        InsertTailList(bucket_of(&claim->address), &claim->link);
        claim->held = TRUE;
    }
    ke_release_spin_lock_from_dpc_level(&wsk_sharing_lock);
    return status;
}

void wsk_sharing_end(struct wsk_socket *socket)
{
    KIRQL irql;

    if (socket->send.accepted || !socket->claim.held)
        return;
    irql = ke_acquire_spin_lock(&wsk_sharing_lock);
    RemoveEntryList(&socket->claim.link);
    socket->claim.held = FALSE;
    ke_release_spin_lock(&wsk_sharing_lock, irql);
}
