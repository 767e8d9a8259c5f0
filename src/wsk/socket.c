/*
 * socket.c - creation, references, states, WskSocket (area SOCK).
 *
 * A socket is open from its creation until its close IRP is completed.  Its memory lives on in a quarantine
 * for a while, so that a driver that breaks its side (C-CLOSE-35, 36, 37) is refused instead of touching
 * memory that belongs to somebody else.
 */
#include "wsk/wskp.h"
#include "host/sanitizer.h"

#define WSK_QUARANTINE                                                                                       \
    1024              /* so many that were closed later are kept before a socket's memory is used again */
#define WSK_SPARE 128 /* those before them wait for the next sockets */

/* The closed sockets, in the order of their closes, in a ring.  A new socket takes the first if there are enough behind
 * it: that saves a way into the pool and one out of it. */
static struct {
    KSPIN_LOCK lock;
    unsigned first, count;
    struct wsk_socket *sockets[WSK_QUARANTINE + WSK_SPARE];
} quarantine;
static volatile LONG64 socket_numbers;

/* A sanitizer is to see who looks at one that is freed: the pool marks it and puts off its reuse.  So is the simulator. */
static const BOOLEAN memory_is_reused = !HOST_ASAN && !HOST_TSAN;

/* ---- states ------------------------------------------------------------------------------------------- */

UCHAR wsk_transition(UCHAR category, UCHAR state, enum wsk_event event)
{
    switch (event) {
    case WSK_EV_BIND:
        return state == WSK_STATE_OPEN &&
                       (category == WSK_CONNECTION || category == WSK_DATAGRAM || category == WSK_STREAM)
                   ? WSK_STATE_BOUND
                   : 0;
    case WSK_EV_LISTEN:
        return (state == WSK_STATE_OPEN && category == WSK_LISTEN) ||
                       (state == WSK_STATE_BOUND && category == WSK_STREAM)
                   ? WSK_STATE_LISTENING
                   : 0;
    case WSK_EV_CONNECT:
        return state == WSK_STATE_BOUND && (category == WSK_CONNECTION || category == WSK_STREAM)
                   ? WSK_STATE_CONNECTING
                   : 0; /* W-03 */
    case WSK_EV_CONNECT_OK:
        return state == WSK_STATE_CONNECTING ? WSK_STATE_CONNECTED : 0;
    case WSK_EV_CONNECT_FAILED:
        return state == WSK_STATE_CONNECTING ? WSK_STATE_BOUND : 0;
    case WSK_EV_ACCEPTED:
        return state == WSK_STATE_OPEN && category == WSK_CONNECTION ? WSK_STATE_CONNECTED : 0;
    case WSK_EV_DIED:
        return state == WSK_STATE_CONNECTED || state == WSK_STATE_LISTENING ? WSK_STATE_DEAD : 0;
    case WSK_EV_CLOSED:
        return state != WSK_STATE_CLOSED ? WSK_STATE_CLOSED : 0;
    }
    return 0;
}

BOOLEAN wsk_move(struct wsk_socket *socket, enum wsk_event event)
{
    UCHAR next = wsk_transition(socket->category, socket->state, event);

    if (next == 0)
        return FALSE;
    socket->state = next;
    return TRUE;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

BOOLEAN wsk_socket_valid(struct wsk_socket *socket)
{
    return ((ULONG_PTR)socket & 15) == 0 && socket->magic == WSK_SOCKET_MAGIC;
}

void wsk_socket_reference(struct wsk_socket *socket)
{
    __atomic_add_fetch(&socket->references, 1, __ATOMIC_RELAXED);
}

/* What hangs on a socket; it is none any more. */
static void socket_empty(struct wsk_socket *socket)
{
    socket->magic = 0;
    if (socket->datagram != NULL)
        ex_free_pool(socket->datagram);
    if (socket->inspect != NULL)
        ex_free_pool(socket->inspect);
    if (socket->statistics != NULL)
        ex_free_pool(socket->statistics);
}

static void socket_free(struct wsk_socket *socket)
{
    socket_empty(socket);
    ex_free_pool(socket);
}

/* The lock is held: takes the first out. */
static struct wsk_socket *quarantine_take(void)
{
    struct wsk_socket *socket = quarantine.sockets[quarantine.first];

    quarantine.first = (quarantine.first + 1) % RTL_NUMBER_OF(quarantine.sockets);
    __atomic_store_n(&quarantine.count, quarantine.count - 1, __ATOMIC_RELAXED);
    return socket;
}

void wsk_socket_dereference(struct wsk_socket *socket)
{
    struct wsk_socket *oldest = NULL, *next;
    KIRQL irql;

    if (__atomic_sub_fetch(&socket->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    irql = ke_quick_acquire(&quarantine.lock);
    if (quarantine.count == RTL_NUMBER_OF(quarantine.sockets))
        oldest = quarantine_take();
    quarantine.sockets[(quarantine.first + quarantine.count) % RTL_NUMBER_OF(quarantine.sockets)] = socket;
    __atomic_store_n(&quarantine.count, quarantine.count + 1, __ATOMIC_RELAXED);
    next = quarantine.sockets[quarantine.first];
    ke_quick_release(&quarantine.lock, irql);
    if (oldest != NULL)
        socket_free(oldest);
    __builtin_prefetch(&next->magic, 1); /* it has left the cache long ago: what socket_empty() looks at */
    __builtin_prefetch(&next->datagram);
}

/* Memory of a socket that was closed long enough ago, or NULL. */
static struct wsk_socket *quarantine_reuse(void)
{
    struct wsk_socket *socket = NULL;
    KIRQL irql;

    if (!memory_is_reused || (host_watched & HOST_WATCH_POINTS) ||
        __atomic_load_n(&quarantine.count, __ATOMIC_RELAXED) <= WSK_QUARANTINE)
        return NULL;
    irql = ke_quick_acquire(&quarantine.lock);
    if (quarantine.count > WSK_QUARANTINE)
        socket = quarantine_take();
    ke_quick_release(&quarantine.lock, irql);
    if (socket != NULL)
        socket_empty(socket);
    return socket;
}

void wsk_quarantine_flush(void)
{
    for (;;) {
        struct wsk_socket *socket = NULL;
        KIRQL irql = ke_acquire_spin_lock(&quarantine.lock);

        if (quarantine.count != 0)
            socket = quarantine_take();
        ke_release_spin_lock(&quarantine.lock, irql);
        if (socket == NULL)
            return;
        socket_free(socket);
    }
}

void wsk_each_socket(void (*fn)(void *context, struct wsk_client *client, struct wsk_socket *socket),
                     void *context)
{
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);
    PLIST_ENTRY at, link;
    LIST_ENTRY
    marker; /* keeps our place while fn runs without the client's lock, since fn locks the socket */

    for (at = wsk_clients.Flink; at != &wsk_clients; at = at->Flink) {
        struct wsk_client *client = CONTAINING_RECORD(at, struct wsk_client, link);

        ke_acquire_spin_lock_at_dpc_level(&client->lock);
        for (link = client->sockets.Flink; link != &client->sockets; link = marker.Flink) {
            struct wsk_socket *socket = CONTAINING_RECORD(link, struct wsk_socket, client_link);

            InsertHeadList(link, &marker);
            wsk_socket_reference(socket);
            ke_release_spin_lock_from_dpc_level(&client->lock);
            fn(context, client, socket);
            wsk_socket_dereference(socket);
            ke_acquire_spin_lock_at_dpc_level(&client->lock);
            RemoveEntryList(&marker);
        }
        ke_release_spin_lock_from_dpc_level(&client->lock);
    }
    ke_release_spin_lock(&wsk_clients_lock, irql);
}

/* ---- creation ----------------------------------------------------------------------------------------- */

static const VOID *provider_table(enum wsk_category category)
{
    switch (category) {
    case WSK_LISTEN:
        return &wsk_listen_dispatch;
    case WSK_CONNECTION:
        return &wsk_connection_dispatch;
    case WSK_DATAGRAM:
        return &wsk_datagram_dispatch;
    case WSK_STREAM:
        return &wsk_stream_dispatch;
    default:
        return &wsk_basic_dispatch;
    }
}

/* Callbacks that WSK_SET_STATIC_EVENT_CALLBACKS switched on and that fit the category (C-EVT-20). */
static ULONG static_events(const struct wsk_client *client, enum wsk_category category)
{
    ULONG kinds = wsk_event_kinds(client->static_events);

    if (category == WSK_LISTEN)
        return kinds & WSK_CALLBACK_ACCEPT;
    if (category == WSK_CONNECTION)
        return kinds & (WSK_CALLBACK_RECEIVE | WSK_CALLBACK_DISCONNECT | WSK_CALLBACK_BACKLOG);
    if (category == WSK_DATAGRAM)
        return kinds & WSK_CALLBACK_RECEIVE_FROM;
    return 0;
}

void wsk_socket_become(struct wsk_socket *socket, enum wsk_category role)
{
    const WSK_CLIENT_STREAM_DISPATCH *tables = socket->stream;

    if (socket->created != WSK_STREAM || socket->category == role)
        return;
    socket->category = (UCHAR)role;
    socket->client_dispatch = tables == NULL           ? NULL
                              : role == WSK_LISTEN     ? (const VOID *)tables->Listen
                              : role == WSK_CONNECTION ? (const VOID *)tables->Connect
                                                       : tables;
    socket->static_events = static_events(socket->client, role);
    wsk_event_disable(socket, WSK_GATE_KINDS & ~(ULONG64)WSK_CALLBACK_ENDED);
    wsk_event_enable(socket,
                     wsk_event_with_function((UCHAR)role, socket->client_dispatch, socket->static_events));
}

/* What a socket of its category needs besides itself. */
static NTSTATUS open_parts(struct wsk_socket *socket)
{
    unsigned loop = (unsigned)(socket->number % wsk_settings.processors);
    int type = socket->type == SOCK_STREAM  ? TRANSPORT_STREAM
               : socket->type == SOCK_DGRAM ? TRANSPORT_DATAGRAM
                                            : TRANSPORT_RAW;
    NTSTATUS status = STATUS_SUCCESS;

    if (socket->category == WSK_DATAGRAM)
        status = wsk_datagram_create(socket);
    if (status != STATUS_SUCCESS || socket->transport != NULL || socket->category == WSK_BASIC ||
        (socket->category == WSK_LISTEN && type != TRANSPORT_STREAM)) /* W-05 */
        return status;
    return WSK_TRANSPORT_OPS->open(wsk_settings.transport, loop, socket->family, type, (int)socket->protocol,
                                   &socket->transport);
}

/* Memory for a socket; NULL: there is none. */
static struct wsk_socket *socket_allocate(BOOLEAN accepted)
{
    struct wsk_socket *socket = quarantine_reuse();
    SIZE_T rest = sizeof *socket - FIELD_OFFSET(struct wsk_socket, listen);

    if (socket == NULL)
        socket = ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED | EX_POOL_RAW, sizeof *socket,
                                  WSK_TAG_SOCKET);
    if (socket == NULL)
        return NULL;
    RtlZeroMemory(socket, FIELD_OFFSET(struct wsk_socket, watches));
    if (accepted)
        host_memory_poison(&socket->listen, rest); /* for who looks all the same */
    else
        RtlZeroMemory(&socket->listen, rest);
    return socket;
}

NTSTATUS wsk_socket_create(struct wsk_client *client, enum wsk_category category, ADDRESS_FAMILY family,
                           USHORT type, ULONG protocol, PVOID context, const VOID *dispatch,
                           struct transport_socket *accepted, const struct wsk_socket *listener,
                           struct wsk_socket **out)
{
    struct wsk_socket *socket;
    NTSTATUS status;
    unsigned i;

    *out = NULL;
    socket = socket_allocate(accepted != NULL);
    if (socket == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    socket->number = (ULONG64)__atomic_add_fetch(&socket_numbers, 1, __ATOMIC_RELAXED);
    socket->public.Dispatch = provider_table(category);
    socket->category = socket->created = (UCHAR)category;
    socket->state = WSK_STATE_OPEN;
    socket->family = family;
    socket->type = type;
    socket->protocol = protocol;
    socket->references = 1;
    socket->client = client;
    socket->context = context;
    socket->client_dispatch = dispatch;
    socket->stream = category == WSK_STREAM ? dispatch : NULL;
    socket->send.accepted = accepted != NULL;
    ke_initialize_spin_lock(&socket->lock);
    InitializeListHead(&socket->disables);
    InitializeListHead(&socket->address_changes);
    InitializeListHead(&socket->silences);
    InitializeListHead(&socket->accept_link);
    InitializeListHead(&socket->starved_link);
    socket->transport = accepted;
    status = open_parts(socket);
    if (status != STATUS_SUCCESS) {
        socket_free(socket);
        return status;
    }
    if (socket->transport != NULL) {
        socket->processor = WSK_TRANSPORT_OPS->loop_of(socket->transport);
        socket->send.ahead = WSK_TRANSPORT_OPS->ahead(socket->transport);
        wsk_ahead(socket, WSK_AHEAD_CONTEXT, context);
    }
    for (i = 0; i < WSK_LANES; i++)
        wsk_lane_initialize(socket, (enum wsk_lane_id)i);
    wsk_receive_initialize(socket);
    wsk_send_initialize(socket);
    if (accepted == NULL) {
        wsk_connection_initialize(socket);
        wsk_listen_initialize(socket);
    }
    socket->static_events = static_events(client, category);
    socket->gate = (ULONG64)wsk_event_with_function((UCHAR)category, dispatch, socket->static_events)
                   << WSK_GATE_ENABLED_SHIFT;
    if (listener != NULL) { /* where the driver made that: the stack of the arrival says nothing */
        RtlCopyMemory(socket->created_by, listener->created_by, sizeof socket->created_by);
        socket->created_frames = listener->created_frames;
    } else {
        socket->created_frames =
            (ULONG)host_backtrace(socket->created_by, RTL_NUMBER_OF(socket->created_by), 2);
    }
    socket->magic = WSK_SOCKET_MAGIC;
    wsk_client_socket_opened(client, socket);
    OBSERVE(born, OBSERVE_SOCKET, socket, category, sizeof *socket, client->caller);
    *out = socket;
    return STATUS_SUCCESS;
}

/* Which category the flags ask for; FALSE: more than one, or unknown (R-SOCK-06). */
static BOOLEAN category_of_flags(ULONG flags, enum wsk_category *category)
{
    switch (flags) {
    case WSK_FLAG_BASIC_SOCKET:
        *category = WSK_BASIC;
        return TRUE;
    case WSK_FLAG_LISTEN_SOCKET:
        *category = WSK_LISTEN;
        return TRUE;
    case WSK_FLAG_CONNECTION_SOCKET:
        *category = WSK_CONNECTION;
        return TRUE;
    case WSK_FLAG_DATAGRAM_SOCKET:
        *category = WSK_DATAGRAM;
        return TRUE;
    case WSK_FLAG_STREAM_SOCKET:
        *category = WSK_STREAM;
        return TRUE;
    default:
        return FALSE;
    }
}

/* C-AF-03..08: family, type and protocol that fit the category. */
static NTSTATUS check_combination(enum wsk_category category, ADDRESS_FAMILY family, USHORT type,
                                  ULONG protocol)
{
    if (family != AF_INET && family != AF_INET6)
        return STATUS_NOT_SUPPORTED;
    switch (type) {
    case SOCK_STREAM:
        if (protocol != IPPROTO_TCP)
            return STATUS_PROTOCOL_UNREACHABLE; /* D-18 */
        return category != WSK_DATAGRAM         /* C-AF-07 */
                   ? STATUS_SUCCESS
                   : STATUS_NOT_SUPPORTED;
    case SOCK_DGRAM:
        if (protocol != IPPROTO_UDP)
            return STATUS_PROTOCOL_UNREACHABLE;
        return category == WSK_BASIC || category == WSK_LISTEN || category == WSK_DATAGRAM
                   ? STATUS_SUCCESS
                   : STATUS_NOT_SUPPORTED; /* W-05 */
    case SOCK_RAW:
        return category == WSK_BASIC || category == WSK_DATAGRAM ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

/* WskSocket (nc-wsk-pfn_wsk_socket): a new socket, its PWSK_SOCKET in IoStatus.Information.  <=
 * DISPATCH_LEVEL. */
static NTSTATUS WSKAPI wsk_socket(PWSK_CLIENT Client, ADDRESS_FAMILY AddressFamily, USHORT SocketType,
                                  ULONG Protocol, ULONG Flags, PVOID SocketContext, CONST VOID *Dispatch,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread,
                                  PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp)
{
    struct wsk_client *client = Client;
    struct wsk_descriptor *descriptor = NULL;
    struct wsk_socket *socket;
    enum wsk_category category;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(OwningProcess); /* R-SOCK-15: wsk_security_check */
    UNREFERENCED_PARAMETER(OwningThread);
    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_op_begin(Irp, WSK_OP_SOCKET, NULL);
    if (!wsk_client_enter(client))
        return wsk_op_refuse(Irp, STATUS_INVALID_HANDLE); /* W-04 */
    if (!category_of_flags(Flags, &category))
        status = STATUS_INVALID_PARAMETER;
    else if (category == WSK_BASIC && (SocketContext != NULL || Dispatch != NULL)) /* R-SOCK-11 */
        status = STATUS_INVALID_PARAMETER;
    else
        status = check_combination(category, AddressFamily, SocketType, Protocol);
    if (status == STATUS_SUCCESS)
        status = wsk_security_use(SecurityDescriptor, &descriptor); /* R-SOCK-17 */
    if (status == STATUS_SUCCESS)
        status = wsk_socket_create(client, category, AddressFamily, SocketType, Protocol, SocketContext,
                                   Dispatch, NULL, NULL, &socket);
    if (status != STATUS_SUCCESS) {
        wsk_security_unuse(descriptor);
        wsk_op_refuse(Irp, status);
    } else {
        KIRQL irql;

        wsk_op_of(Irp)->socket = socket;
        wsk_gate_hold(socket, 1);
        irql = wsk_lock(socket);
        socket->descriptor = descriptor;
        status = wsk_op_finish(socket, Irp, STATUS_SUCCESS, (ULONG_PTR)&socket->public, FALSE,
                               irql); /* C-SOCK-04 */
    }
    wsk_client_leave(client);
    return status;
}

/* WskSocketConnect (nc-wsk-pfn_wsk_socket_connect): creates, binds and connects in one go; on failure nothing
 * is left (R-SCON-05).  <= DISPATCH_LEVEL. */
static NTSTATUS WSKAPI wsk_socket_connect(PWSK_CLIENT Client, USHORT SocketType, ULONG Protocol,
                                          PSOCKADDR LocalAddress, PSOCKADDR RemoteAddress, ULONG Flags,
                                          PVOID SocketContext, CONST WSK_CLIENT_CONNECTION_DISPATCH *Dispatch,
                                          PEPROCESS OwningProcess, PETHREAD OwningThread,
                                          PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp)
{
    struct wsk_client *client = Client;
    struct transport_address local, remote;
    struct wsk_descriptor *descriptor = NULL;
    struct wsk_socket *socket = NULL;
    ADDRESS_FAMILY family = AF_UNSPEC;
    NTSTATUS status;
    KIRQL irql;

    UNREFERENCED_PARAMETER(OwningProcess); /* R-SOCK-15: wsk_security_check */
    UNREFERENCED_PARAMETER(OwningThread);
    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_op_begin(Irp, WSK_OP_SOCKET_CONNECT, NULL);
    if (!wsk_client_enter(client))
        return wsk_op_refuse(Irp, STATUS_INVALID_HANDLE);
    if (LocalAddress != NULL)
        family = wsk_address_family(LocalAddress);
    if (LocalAddress == NULL || RemoteAddress == NULL || family != wsk_address_family(RemoteAddress) ||
        Flags != 0)
        status = STATUS_INVALID_PARAMETER; /* R-SCON-03 */
    else
        status = check_combination(WSK_CONNECTION, family, SocketType, Protocol);
    if (status == STATUS_SUCCESS)
        status = wsk_security_use(SecurityDescriptor, &descriptor);
    if (status == STATUS_SUCCESS)
        status = wsk_socket_create(client, WSK_CONNECTION, family, SocketType, Protocol, SocketContext,
                                   Dispatch, NULL, NULL, &socket);
    if (status != STATUS_SUCCESS) {
        wsk_security_unuse(descriptor);
        wsk_op_refuse(Irp, status);
        wsk_client_leave(client);
        return status;
    }
    wsk_op_of(Irp)->socket = socket;
    wsk_gate_hold(socket, 1);
    irql = wsk_lock(socket);
    socket->descriptor = descriptor;
    wsk_address_in(socket, LocalAddress, &local); /* their family was checked */
    wsk_address_in(socket, RemoteAddress, &remote);
    status = wsk_bind_now(socket, &local);
    if (status == STATUS_SUCCESS)
        status = wsk_connect_start(socket, &remote, Irp, irql);
    else
        status = wsk_op_finish(socket, Irp, status, 0, FALSE, irql);
    wsk_client_leave(client);
    return status;
}

const WSK_PROVIDER_DISPATCH wsk_provider_dispatch = {
    .Version = MAKE_WSK_VERSION(1, 0),
    .WskSocket = wsk_socket,
    .WskSocketConnect = wsk_socket_connect,
    .WskControlClient = wsk_control_client,
    .WskGetAddressInfo = wsk_get_address_info,
    .WskFreeAddressInfo = wsk_free_address_info,
    .WskGetNameInfo = wsk_get_name_info,
};
