/*
 * address.h - addresses: in and out (address.c), who shares them (sharing.c, security.c), and what is told of them (ioctl.c).
 */
#ifndef UWSK_WSK_ADDRESS_H
#define UWSK_WSK_ADDRESS_H

#include "wsk/settings.h"

struct wsk_socket;
struct wsk_descriptor;

/* Option and address of a bind, as in the table of sharing.c. */
enum wsk_claim_kind {
    WSK_CLAIM_WILDCARD,
    WSK_CLAIM_SPECIFIC,
    WSK_CLAIM_REUSE_WILDCARD,
    WSK_CLAIM_REUSE_SPECIFIC,
    WSK_CLAIM_EXCLUSIVE_WILDCARD,
    WSK_CLAIM_EXCLUSIVE_SPECIFIC,
    WSK_CLAIM_KINDS
};

struct wsk_claim { /* an address that a socket is bound to (sharing.c) */
    LIST_ENTRY link;
    struct transport_address address;
    USHORT type;  /* SOCK_xxx */
    UCHAR kind;   /* enum wsk_claim_kind */
    BOOLEAN dual; /* :: that covers IPv4, too */
    BOOLEAN held; /* it is in the table */
};

/* ---- in and out (address.c) ------------------------------------------------------------------------------------- */

NTSTATUS WSKAPI wsk_get_local_address(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, PIRP Irp);
NTSTATUS WSKAPI wsk_get_remote_address(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PIRP Irp);
/* This host's addresses of the family, all of them, from the pool and the caller's; NULL: no memory. */
struct transport_local *wsk_local_addresses(int family, SIZE_T *count);
/* Of an address at any place: drivers keep addresses in packed structures, too. */
ADDRESS_FAMILY wsk_address_family(const SOCKADDR *address);
BOOLEAN wsk_address_in(const struct wsk_socket *socket, const SOCKADDR *address,
                       struct transport_address *out);
/* Writes exactly the family's SOCKADDR (D-20); returns its size. */
ULONG wsk_address_out(const struct transport_address *address, PSOCKADDR out);

/* ---- who shares them (sharing.c, security.c) -------------------------------------------------------------------- */

void wsk_sharing_start(void);
/* lock held: binds the transport's socket if that may share the address with those that have it.
 * STATUS_ADDRESS_ALREADY_EXISTS, STATUS_ACCESS_DENIED and what the transport says. */
NTSTATUS wsk_sharing_bind(struct wsk_socket *socket, const struct transport_address *local);
void wsk_sharing_end(struct wsk_socket *socket); /* no lock: the address has been given back */

void wsk_security_start(void);
/* WSK_CACHE_SD and WSK_RELEASE_SD; `caller` answers for the copy. */
NTSTATUS wsk_security_cache(SIZE_T in_size, const VOID *in, SIZE_T out_size, PVOID out, void *caller);
NTSTATUS wsk_security_release(SIZE_T in_size, const VOID *in);
/* A socket uses a cached copy (NULL: none), and no more.  STATUS_INVALID_PARAMETER: it is none. */
NTSTATUS wsk_security_use(PSECURITY_DESCRIPTOR pointer, struct wsk_descriptor **out);
void wsk_security_unuse(struct wsk_descriptor *copy);
/* lock held: SO_WSK_SECURITY. */
NTSTATUS wsk_security_set(struct wsk_socket *socket, const VOID *in);
NTSTATUS wsk_security_get(struct wsk_socket *socket, PVOID out);
/* May whoever binds a second socket share this one's address?  STATUS_SUCCESS, STATUS_ACCESS_DENIED. */
NTSTATUS wsk_security_check(const struct wsk_socket *first);

/* ---- what changes (ioctl.c) ------------------------------------------------------------------------------------- */

/* transport_config.addresses_changed. */
void wsk_addresses_changed(int family);
void wsk_address_changes_close(struct wsk_socket *socket); /* lock held */

#endif
