/*
 * client.h - who has registered with WSK (register.c, client.c), what a client calls (npi.c, resolve.c), and WSK as a
 * provider at the Network Module Registrar (npi_provider.c).
 */
#ifndef UWSK_WSK_CLIENT_H
#define UWSK_WSK_CLIENT_H

#include "wsk/settings.h"

struct wsk_socket;

struct wsk_client {
    LIST_ENTRY link;    /* in wsk_clients, under wsk_clients_lock */
    KSPIN_LOCK lock;    /* guards what follows */
    LIST_ENTRY sockets; /* wsk_socket.client_link: open until the close IRP is completed (C-CLOSE-03) */
    LIST_ENTRY orphans; /* indications whose socket was closed before they were released */
    LIST_ENTRY orphan_datagrams; /* the same of datagram sockets */
    LONG captures;               /* captured and not yet released provider NPIs */
    LONG calls;                  /* threads inside a WSK_PROVIDER_DISPATCH function, and client-level IRPs */
    LONG open;                   /* sockets that count as open */
    LONG sockets_created;        /* ever: static and TDI controls must come before the first (C-EVT-21) */
    LONG
        waiting; /* captures that wait for the provider: they hold up WskDeregister, not the provider's end */
    BOOLEAN deregistering;
    BOOLEAN attached;  /* the provider is there (register.c); an NMR style client always is */
    BOOLEAN detaching; /* the provider waits for it */
    KEVENT quiet;      /* set when deregistering and nothing is left (C-DEREG-03..05) */
    KEVENT leaving;    /* set by WskDeregister: wakes captures that wait (R-CAPT-08) */
    PWSK_REGISTRATION registration;
    PVOID context; /* WSK_CLIENT_NPI.ClientContext */
    const WSK_CLIENT_DISPATCH *dispatch;
    ULONG static_events;          /* WSK_SET_STATIC_EVENT_CALLBACKS */
    LIST_ENTRY transport_changes; /* pended WSK_TRANSPORT_LIST_CHANGE IRPs */
    void *caller;                 /* who called WskRegister, or the NMR style client: for the account */
    HANDLE binding;               /* NMR style (npi_provider.c): the binding's handle; constant */
    BOOLEAN last_call;            /* NMR style: the client's side has finished detaching */
    BOOLEAN detach_pending;       /* NMR style: ProviderDetachClient has returned STATUS_PENDING */
    struct ex_work detached;      /* NMR style: reports the end of the detachment */
};

extern const WSK_PROVIDER_DISPATCH wsk_provider_dispatch;
extern LIST_ENTRY wsk_clients;
extern KSPIN_LOCK wsk_clients_lock;

#define WSK_LOWEST_VERSION  MAKE_WSK_VERSION(1, 0)
#define WSK_HIGHEST_VERSION MAKE_WSK_VERSION(1, 0)

/* Before everything else of this room. */
void wsk_registration_initialize(void);
/* The provider is there: captures succeed. */
void wsk_registration_start(void);
/* It goes: captures succeed no more, the pended WSK_TRANSPORT_LIST_CHANGE IRPs end.  PASSIVE_LEVEL, as the next. */
void wsk_registration_stop(void);
/* After that: returns when no client that has registered has a capture, a call, an IRP or a socket any more. */
void wsk_registration_wait(void);
/* A client that counts in wsk_clients from here on; registration NULL = NMR style. NULL: no memory. */
struct wsk_client *wsk_client_create(PWSK_REGISTRATION registration, PVOID context,
                                     const WSK_CLIENT_DISPATCH *dispatch, void *caller);
/* client->lock held: lets WskDeregister, or the detachment from the NMR, go when nothing is left. */
void wsk_client_quiet_locked(struct wsk_client *client);
/* Frees the indications that the client never released, naming them (no lock; the client is going). */
void wsk_client_report_orphans(struct wsk_client *client);
/* Ends the pended WSK_TRANSPORT_LIST_CHANGE IRPs of a client that deregisters. */
void wsk_client_cancel_transport_changes(struct wsk_client *client);
/* Ends a WSK_TRANSPORT_LIST_CHANGE IRP that was taken off client->transport_changes. */
void wsk_transport_change_end(struct wsk_client *client, PIRP Irp);
/* A thread enters and leaves a client-level function.  Enter answers FALSE for a bad client. */
BOOLEAN wsk_client_enter(struct wsk_client *client);
void wsk_client_leave(struct wsk_client *client);
void wsk_client_socket_opened(struct wsk_client *client, struct wsk_socket *socket);
/* The close IRP's routine has returned (or the socket never reached the driver): the socket counts no more.
 */
void wsk_client_socket_closed(struct wsk_client *client, struct wsk_socket *socket);

NTSTATUS WSKAPI wsk_control_client(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                   SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned,
                                   PIRP Irp);

/* ---- its tables (npi.c) ----------------------------------------------------------------------------------------- */

extern const WSK_PROVIDER_BASIC_DISPATCH wsk_basic_dispatch;
extern const WSK_PROVIDER_LISTEN_DISPATCH wsk_listen_dispatch;
extern const WSK_PROVIDER_CONNECTION_DISPATCH wsk_connection_dispatch;
extern const WSK_PROVIDER_DATAGRAM_DISPATCH wsk_datagram_dispatch;
extern const WSK_PROVIDER_STREAM_DISPATCH wsk_stream_dispatch;

/* ---- names and addresses (resolve.c) ---------------------------------------------------------------------------- */

NTSTATUS WSKAPI wsk_get_address_info(PWSK_CLIENT Client, PUNICODE_STRING NodeName,
                                     PUNICODE_STRING ServiceName, ULONG NameSpace, GUID *Provider,
                                     PADDRINFOEXW Hints, PADDRINFOEXW *Result, PEPROCESS OwningProcess,
                                     PETHREAD OwningThread, PIRP Irp);
VOID WSKAPI wsk_free_address_info(PWSK_CLIENT Client, PADDRINFOEXW AddrInfo);
NTSTATUS WSKAPI wsk_get_name_info(PWSK_CLIENT Client, PSOCKADDR SockAddr, ULONG SockAddrLength,
                                  PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName, ULONG Flags,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp);

/* ---- through the Network Module Registrar (npi_provider.c) ------------------------------------------------------ */

/* PASSIVE_LEVEL.  Start attaches the NMR style clients that are there; stop begins to detach them, wait returns when
 * their last call is over and their sockets are closed. */
NTSTATUS wsk_npi_provider_start(void);
void wsk_npi_provider_stop(void);
void wsk_npi_provider_wait(void);
/* client->lock held: an NMR style client is leaving, nothing is left of it. */
void wsk_npi_client_quiet_locked(struct wsk_client *client);

#endif
