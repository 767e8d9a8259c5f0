/*
 * resolve.c - WskGetAddressInfo, WskFreeAddressInfo and WskGetNameInfo (areas GAI, GNI and RESOLVE).
 *
 * Numeric hosts and ports are read and written here; the transport is asked for names only.  What is asked lives
 * in a struct wsk_resolve of its own, copied from the caller's arguments, with two sides:
 *   the IRP         until it is completed;
 *   the transport   while it has the request.
 * Whoever sets `over` under the lock decides the result: the answer, or the cancel routine, which completes the
 * IRP at once and leaves an answer that still comes to be thrown away.  An answer that finds the cancel routine
 * on its way keeps its result, and that routine delivers it (C-CLOSE-13 says the same of sockets).
 *
 * IRPs are completed at PASSIVE_LEVEL by a worker, so that their routines may free the list (C-RESOLVE-12), or,
 * where completions are to be inline, by the calling thread, which waits.  A cancelled one is completed where
 * IoCancelIrp was called.
 */
#include "wsk/wskp.h"

#define HOST_BYTES    1025
#define SERVICE_BYTES 32

struct wsk_resolve {
    struct transport_resolve ask; /* first */
    struct wsk_client *client;
    PIRP irp;
    void *caller; /* who answers for the list */
    KSPIN_LOCK lock;
    BOOLEAN over;             /* lock: the result is decided */
    BOOLEAN asked;            /* lock: the transport has it */
    BOOLEAN waits;            /* the calling thread waits for `ended` and completes the IRP */
    volatile LONG references; /* the two sides */
    NTSTATUS status;          /* once over */
    KEVENT ended;
    struct ex_work work;

    /* WskGetAddressInfo */
    ULONG flags; /* AI_xxx */
    ADDRESS_FAMILY family;
    INT type, protocol;
    const char *host; /* in text; NULL = none */
    BOOLEAN service_is_name;
    USHORT port; /* host order; of a service that is a number */
    PADDRINFOEXW *result;
    PADDRINFOEXW list;

    /* WskGetNameInfo */
    ULONG name_flags; /* NI_xxx */
    PUNICODE_STRING node, service;
    char node_text[HOST_BYTES], service_text[SERVICE_BYTES];

    char text[]; /* host and service that are asked for, UTF-8 */
};

static void release(struct wsk_resolve *request, LONG sides)
{
    if (__atomic_sub_fetch(&request->references, sides, __ATOMIC_ACQ_REL) == 0)
        ex_free_pool(request);
}

static NTSTATUS refuse(PIRP Irp, NTSTATUS status)
{
    io_complete_request(Irp, status, (ULONG)status); /* R-GAI-12 */
    return status;
}

/* ---- lists -------------------------------------------------------------------------------------------- */

/* Node, address and canonical name are blocks of their own: drivers make such lists themselves (D-17). */
static void free_list(PADDRINFOEXW list, void *caller)
{
    while (list != NULL) {
        PADDRINFOEXW next = list->ai_next;

        if (list->ai_addr != NULL)
            ex_free_pool_from(list->ai_addr, 0, EX_POOL_PLAIN, caller);
        if (list->ai_canonname != NULL)
            ex_free_pool_from(list->ai_canonname, 0, EX_POOL_PLAIN, caller);
        ex_free_pool_from(list, 0, EX_POOL_PLAIN, caller);
        list = next;
    }
}

static void *list_block(const struct wsk_resolve *request, SIZE_T bytes)
{
    return ex_allocate_pool_for(POOL_FLAG_NON_PAGED, bytes, WSK_TAG_ADDRESSES, EX_POOL_PLAIN,
                                request->caller);
}

/* Appends one element; FALSE without memory. */
static BOOLEAN append(struct wsk_resolve *request, PADDRINFOEXW **tail,
                      const struct transport_address *address, INT type, USHORT port)
{
    PADDRINFOEXW node = list_block(request, sizeof *node);

    if (node == NULL)
        return FALSE;
    **tail = node;
    *tail = &node->ai_next;
    node->ai_family = address->family;
    node->ai_socktype = type;
    node->ai_protocol = request->protocol;
    node->ai_addr = list_block(request, address->length);
    if (node->ai_addr == NULL)
        return FALSE;
    node->ai_addrlen = address->length;
    memcpy(node->ai_addr, address->bytes, address->length);
    ((UCHAR *)node->ai_addr)[2] = (UCHAR)(port >> 8);
    ((UCHAR *)node->ai_addr)[3] = (UCHAR)port;
    return TRUE;
}

/* One element for each kind of socket that the service has: one in all where nothing tells kinds apart. */
static NTSTATUS append_services(struct wsk_resolve *request, PADDRINFOEXW **tail,
                                const struct transport_address *address)
{
    const struct {
        INT type, protocol;
        int port;
    } kinds[] = {{SOCK_STREAM, IPPROTO_TCP, request->ask.port_stream},
                 {SOCK_DGRAM, IPPROTO_UDP, request->ask.port_datagram}};
    unsigned i;

    if (!request->service_is_name)
        return append(request, tail, address, request->type, request->port) ? STATUS_SUCCESS
                                                                            : STATUS_INSUFFICIENT_RESOURCES;
    for (i = 0; i < RTL_NUMBER_OF(kinds); i++) {
        if (kinds[i].port < 0 || (request->type != 0 && request->type != kinds[i].type) ||
            (request->protocol != 0 && request->protocol != kinds[i].protocol))
            continue;
        if (!append(request, tail, address, kinds[i].type, (USHORT)kinds[i].port))
            return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

/* ::ffff:a.b.c.d */
static void map_address(struct transport_address *address)
{
    struct transport_address mapped = {.length = sizeof(SOCKADDR_IN6), .family = AF_INET6};

    mapped.bytes[18] = mapped.bytes[19] = 0xff;
    memcpy(mapped.bytes + 20, address->bytes + 4, 4);
    *address = mapped;
}

static NTSTATUS add_canonical(struct wsk_resolve *request, const char *name)
{
    SIZE_T bytes = strlen(name), units = rtl_utf8_to_utf16(NULL, 0, name, bytes).needed;
    PWSTR text = list_block(request, (units + 1) * sizeof *text);

    if (text == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    rtl_utf8_to_utf16(text, units, name, bytes);
    text[units] = 0;
    request->list->ai_canonname = text;
    return STATUS_SUCCESS;
}

/* Makes request->list of these addresses: of the family that is wanted, or mapped to it. */
static NTSTATUS make_list(struct wsk_resolve *request, const struct transport_address *addresses,
                          SIZE_T count, const char *canonical)
{
    BOOLEAN map = request->family == AF_INET6 && (request->flags & AI_V4MAPPED);
    PADDRINFOEXW *tail = &request->list;
    NTSTATUS status = STATUS_SUCCESS;
    SIZE_T i;

    for (i = 0; i < count && map && !(request->flags & AI_ALL); i++)
        map = addresses[i].family != AF_INET6;
    for (i = 0; i < count && status == STATUS_SUCCESS; i++) {
        struct transport_address address = addresses[i];

        if (request->family != AF_UNSPEC && request->family != address.family) {
            if (!map || address.family != AF_INET)
                continue;
            map_address(&address);
        }
        status = append_services(request, &tail, &address);
    }
    if (status == STATUS_SUCCESS && request->list == NULL)
        status = STATUS_NO_MATCH;
    if (status == STATUS_SUCCESS && (request->flags & (AI_CANONNAME | AI_FQDN)))
        status = add_canonical(request, canonical);
    if (status != STATUS_SUCCESS) {
        free_list(request->list, request->caller);
        request->list = NULL;
    }
    return status;
}

/* WskFreeAddressInfo (nc-wsk-pfn_wsk_free_address_info): frees a list of WskGetAddressInfo, or one that the
 * driver has made of pool blocks.  PASSIVE_LEVEL. */
VOID WSKAPI wsk_free_address_info(PWSK_CLIENT Client, PADDRINFOEXW AddrInfo)
{
    UNREFERENCED_PARAMETER(Client);
    free_list(AddrInfo, __builtin_return_address(0));
}

/* ---- the end of a request ----------------------------------------------------------------------------- */

/* Text with its end into the driver's string. */
static NTSTATUS write_string(PUNICODE_STRING string, const char *text)
{
    SIZE_T bytes = strlen(text), units = rtl_utf8_to_utf16(NULL, 0, text, bytes).needed;

    if (string == NULL)
        return STATUS_SUCCESS;
    if (string->Buffer == NULL || string->MaximumLength < (units + 1) * sizeof(WCHAR))
        return STATUS_BUFFER_TOO_SMALL;
    rtl_utf8_to_utf16(string->Buffer, units, text, bytes);
    string->Buffer[units] = 0;
    string->Length = (USHORT)(units * sizeof(WCHAR));
    return STATUS_SUCCESS;
}

/* Hands the result over and completes the IRP; nothing of the request is touched afterwards. */
static NTSTATUS finish(struct wsk_resolve *request)
{
    struct wsk_client *client = request->client;
    PIRP irp = request->irp;
    NTSTATUS status = request->status;

    if (status == STATUS_SUCCESS && request->ask.kind == TRANSPORT_RESOLVE_ADDRESSES) {
        *request->result = request->list;
    } else if (status == STATUS_SUCCESS) {
        status = write_string(request->node, request->node_text);
        if (status == STATUS_SUCCESS)
            status = write_string(request->service, request->service_text);
    } else if (request->list != NULL) { /* cancelled before we got it */
        free_list(request->list, request->caller);
    }
    release(request, 1);
    io_complete_request(irp, status, (ULONG)status); /* R-GAI-12 */
    wsk_client_leave(client);                        /* C-DEREG-05: the routine has returned */
    return status;
}

static void finish_work(void *context)
{
    finish(context);
}

/* The result is there, and the IRP is ours to complete. */
static void deliver(struct wsk_resolve *request)
{
    if (request->waits)
        ke_set_event(&request->ended, IO_NO_INCREMENT, FALSE);
    else
        ex_queue_worker(&request->work, finish_work, request);
}

/* lock held: decides the result.  FALSE: a cancel routine is on its way to the lock and will deliver it. */
static BOOLEAN settle(struct wsk_resolve *request, NTSTATUS status)
{
    request->over = TRUE;
    request->status = status;
    return io_set_cancel_routine(request->irp, NULL) != NULL;
}

static VOID NTAPI resolve_cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct wsk_resolve *request = wsk_op_of(Irp)->resolve;
    BOOLEAN answered;
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    io_release_cancel_spin_lock(Irp->CancelIrql);
    irql = ke_acquire_spin_lock(&request->lock);
    answered = request->over;
    if (!answered) {
        request->over = TRUE;
        request->status = STATUS_CANCELLED;
        if (request->asked && WSK_TRANSPORT_OPS->resolve_cancel(wsk_settings.transport, &request->ask))
            release(request, 1); /* the transport's side; the IRP's is still there */
    }
    ke_release_spin_lock(&request->lock, irql);
    if (answered || request->waits)
        deliver(request);
    else
        finish(request);
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static void copy_text(char *to, SIZE_T room, const char *from)
{
    SIZE_T length = strlen(from);

    if (length >= room)
        length = room - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

static void numeric_host(const struct transport_address *address, char *out)
{
    ULONG scope;

    if (address->family == AF_INET) {
        rtl_write_ipv4(out, address->bytes + 4);
    } else {
        memcpy(&scope, address->bytes + 24, sizeof scope);
        rtl_write_ipv6(out, address->bytes + 8, scope);
    }
}

static void numeric_service(const struct transport_address *address, char *out)
{
    ULONG port = (ULONG)address->bytes[2] << 8 | address->bytes[3];
    char digits[8];
    unsigned count = 0;

    do
        digits[count++] = (char)('0' + port % 10);
    while ((port /= 10) != 0);
    while (count != 0)
        *out++ = digits[--count];
    *out = 0;
}

/* The names that were found, and the numeric form of what has none (R-GNI-08). */
static NTSTATUS take_names(struct wsk_resolve *request)
{
    const struct transport_resolve *ask = &request->ask;

    if (request->node != NULL && ask->host_name != NULL)
        copy_text(request->node_text, sizeof request->node_text, ask->host_name);
    else if (request->node != NULL && (request->name_flags & NI_NAMEREQD))
        return STATUS_NO_MATCH;
    else if (request->node != NULL)
        numeric_host(&ask->address, request->node_text);
    if (request->service != NULL && ask->service_name != NULL)
        copy_text(request->service_text, sizeof request->service_text, ask->service_name);
    else if (request->service != NULL)
        numeric_service(&ask->address, request->service_text);
    return STATUS_SUCCESS;
}

/* The address that a NULL host name stands for: IPv6 before IPv4. */
static NTSTATUS take_no_host(struct wsk_resolve *request)
{
    struct transport_address both[2];

    RtlZeroMemory(both, sizeof both);
    both[0].length = sizeof(SOCKADDR_IN6);
    both[0].family = AF_INET6;
    both[1].length = sizeof(SOCKADDR_IN);
    both[1].family = AF_INET;
    if (!(request->flags & AI_PASSIVE)) {
        both[0].bytes[23] = 1;
        both[1].bytes[4] = 127;
        both[1].bytes[7] = 1;
    }
    if (request->family == AF_INET6)
        request->flags &= ~(ULONG)AI_ALL; /* nothing to map: there is the address itself */
    return make_list(request, both, 2, "");
}

static BOOLEAN read_host(const char *text, struct transport_address *out)
{
    ULONG scope;

    RtlZeroMemory(out, sizeof *out);
    if (rtl_read_ipv4(text, out->bytes + 4)) {
        out->length = sizeof(SOCKADDR_IN);
        out->family = AF_INET;
        return TRUE;
    }
    if (!rtl_read_ipv6(text, out->bytes + 8, &scope))
        return FALSE;
    memcpy(out->bytes + 24, &scope, sizeof scope);
    out->length = sizeof(SOCKADDR_IN6);
    out->family = AF_INET6;
    return TRUE;
}

static NTSTATUS take_addresses(struct wsk_resolve *request, const char *host,
                               const struct transport_resolve *ask)
{
    struct transport_address numeric;

    if (host == NULL)
        return take_no_host(request);
    if (read_host(host, &numeric))
        return make_list(request, &numeric, 1, host);
    return make_list(request, ask->addresses, ask->count, ask->host_name != NULL ? ask->host_name : host);
}

/* From dispatch(), the transport's side. */
static void answered(struct transport_resolve *ask, int32_t status)
{
    struct wsk_resolve *request = CONTAINING_RECORD(ask, struct wsk_resolve, ask);
    KIRQL irql = ke_acquire_spin_lock(&request->lock);
    BOOLEAN mine = FALSE;

    if (!request->over) {
        if (status == STATUS_SUCCESS && ask->kind == TRANSPORT_RESOLVE_ADDRESSES)
            status = take_addresses(request, request->host, ask);
        else if (status == STATUS_SUCCESS)
            status = take_names(request);
        mine = settle(request, status);
    }
    ke_release_spin_lock(&request->lock, irql);
    if (mine)
        deliver(request);
    release(request, 1);
}

/* ---- questions ---------------------------------------------------------------------------------------- */

/* Starts what is asked: the transport, or, when nobody need be asked, `status` is the answer (STATUS_PENDING =
 * ask).  The IRP is begun, the client entered. */
static NTSTATUS start(struct wsk_resolve *request, PIRP Irp, NTSTATUS status)
{
    static unsigned next_loop;
    BOOLEAN mine = FALSE, waits;
    KIRQL irql;

    waits = wsk_settings.completion == WSK_COMPLETE_INLINE && ke_current_irql() == PASSIVE_LEVEL;
    request->irp = Irp;
    request->waits = waits;
    request->references = 1;
    request->ask.complete = answered;
    request->ask.loop = __atomic_fetch_add(&next_loop, 1, __ATOMIC_RELAXED) % wsk_settings.processors;
    ke_initialize_spin_lock(&request->lock);
    ke_initialize_event(&request->ended, NotificationEvent, FALSE);
    wsk_op_of(Irp)->resolve = request;
    if (!waits)
        io_mark_irp_pending(Irp); /* before anybody else can see it (K-PEND-03) */

    irql = ke_acquire_spin_lock(&request->lock);
    io_set_cancel_routine(Irp, resolve_cancel);
    if (wsk_is_cancelled(Irp)) {
        mine = settle(request, STATUS_CANCELLED); /* cancelled before we got it (K-CANCEL-08) */
    } else {
        if (status == STATUS_PENDING) {
            request->references = 2;
            status = WSK_TRANSPORT_OPS->resolve(wsk_settings.transport, &request->ask);
            request->asked = status == STATUS_PENDING;
            if (!request->asked)
                request->references = 1;
        }
        if (!request->asked)
            mine = settle(request, status);
    }
    ke_release_spin_lock(&request->lock, irql);
    if (mine)
        deliver(request); /* the request may be gone */
    if (!waits)
        return STATUS_PENDING;
    ke_wait_for_single_object(&request->ended, Executive, KernelMode, FALSE, NULL);
    return finish(request);
}

static BOOLEAN string_is_good(const UNICODE_STRING *string)
{
    return string == NULL || string->Length == 0 || (string->Buffer != NULL && string->Length % 2 == 0);
}

/* Units before the first NUL: some drivers count it in. */
static SIZE_T units_of(const UNICODE_STRING *string)
{
    SIZE_T units = 0;

    while (string != NULL && units < string->Length / sizeof(WCHAR) && string->Buffer[units] != 0)
        units++;
    return units;
}

static SIZE_T text_bytes(const UNICODE_STRING *string)
{
    return string != NULL ? rtl_utf16_to_utf8(NULL, 0, string->Buffer, units_of(string)).needed + 1 : 0;
}

/* R-GAI-09, R-GNI-10; no thread impersonates here, so R-GAI-08 never applies. */
static BOOLEAN owner_is_good(PEPROCESS process, PETHREAD thread)
{
    return process != NULL || thread == NULL;
}

#define AI_KNOWN                                                                                             \
    (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV | AI_DNS_ONLY | AI_FORCE_CLEAR_TEXT |       \
     AI_BYPASS_DNS_CACHE | AI_RETURN_TTL | AI_ALL | AI_ADDRCONFIG | AI_V4MAPPED | AI_NON_AUTHORITATIVE |     \
     AI_SECURE | AI_RETURN_PREFERRED_NAMES | AI_FQDN | AI_FILESERVER | AI_DISABLE_IDN_ENCODING |             \
     AI_SECURE_WITH_FALLBACK | AI_EXCLUSIVE_CUSTOM_SERVERS | AI_RETURN_RESPONSE_FLAGS | AI_REQUIRE_SECURE |  \
     AI_RESOLUTION_HANDLE | AI_EXTENDED)

static BOOLEAN hints_are_good(const ADDRINFOEXW *hints, BOOLEAN host)
{
    if (hints == NULL)
        return TRUE;
    if (hints->ai_addrlen != 0 || hints->ai_canonname != NULL || hints->ai_addr != NULL ||
        hints->ai_blob != NULL || hints->ai_bloblen != 0 || hints->ai_provider != NULL ||
        hints->ai_next != NULL)
        return FALSE;
    if ((ULONG)hints->ai_flags & ~(ULONG)AI_KNOWN)
        return FALSE;
    if ((hints->ai_flags & AI_CANONNAME) && (hints->ai_flags & AI_FQDN))
        return FALSE; /* either name */
    if ((hints->ai_flags & (AI_CANONNAME | AI_FQDN)) && !host)
        return FALSE; /* of what? */
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET && hints->ai_family != AF_INET6)
        return FALSE;
    switch (hints->ai_socktype) {
    case 0:
    case SOCK_RAW:
        return TRUE;
    case SOCK_STREAM:
        return hints->ai_protocol == 0 || hints->ai_protocol == IPPROTO_TCP;
    case SOCK_DGRAM:
        return hints->ai_protocol == 0 || hints->ai_protocol == IPPROTO_UDP;
    default:
        return FALSE;
    }
}

/* "80": TRUE. */
static BOOLEAN read_port(const char *text, USHORT *port)
{
    ULONG value = 0;

    if (*text == 0)
        return FALSE;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (ULONG)(*text - '0');
        if (value > 0xffff)
            return FALSE;
    }
    *port = (USHORT)value;
    return *text == 0;
}

/* STATUS_PENDING: the transport has to be asked. */
static NTSTATUS ask_addresses(struct wsk_resolve *request, const char *service)
{
    struct transport_address numeric;
    struct transport_resolve *ask = &request->ask;
    const char *host = request->host;
    BOOLEAN host_is_name = host != NULL && !read_host(host, &numeric);

    request->service_is_name = service != NULL && *service != 0 && !read_port(service, &request->port);
    if ((request->service_is_name && (request->flags & AI_NUMERICSERV)) ||
        (host_is_name && (request->flags & AI_NUMERICHOST)))
        return STATUS_NO_MATCH;
    if (!host_is_name && !request->service_is_name)
        return take_addresses(request, host, ask);
    ask->host = host_is_name ? host : NULL;
    ask->service = request->service_is_name ? service : NULL;
    /* Mapped addresses are made here, of IPv4 ones. */
    ask->family = request->family == AF_INET6 && (request->flags & AI_V4MAPPED) ? 0 : request->family;
    if (request->flags & (AI_CANONNAME | AI_FQDN))
        ask->flags |= TRANSPORT_RESOLVE_CANONICAL;
    if (request->flags & AI_ADDRCONFIG)
        ask->flags |= TRANSPORT_RESOLVE_CONFIGURED;
    if (request->flags & AI_DISABLE_IDN_ENCODING)
        ask->flags |= TRANSPORT_RESOLVE_AS_IS;
    return STATUS_PENDING;
}

/* Copies a string as UTF-8 to *text and moves it on. */
static const char *copy_string(const UNICODE_STRING *string, char **text)
{
    char *at = *text;
    SIZE_T bytes = text_bytes(string);

    if (string == NULL)
        return NULL;
    rtl_utf16_to_utf8(at, bytes, string->Buffer, units_of(string));
    *text = at + bytes; /* zeroed memory: it ends */
    return at;
}

/* WskGetAddressInfo (nc-wsk-pfn_wsk_get_address_info): the addresses of a host and the port of a service.
 * NodeName, ServiceName: UTF-16, either may be NULL; an empty NodeName is this host.  NameSpace: NS_ALL or NS_DNS.
 * Provider: not looked at.  Hints: copied.  *Result: the list, the client's until WskFreeAddressInfo; must stay
 * valid until the IRP is completed.  PASSIVE_LEVEL.  STATUS_PENDING, STATUS_SUCCESS, STATUS_NO_MATCH,
 * STATUS_INVALID_PARAMETER, STATUS_INVALID_HANDLE, STATUS_INSUFFICIENT_RESOURCES, STATUS_CANCELLED. */
NTSTATUS WSKAPI wsk_get_address_info(PWSK_CLIENT Client, PUNICODE_STRING NodeName,
                                     PUNICODE_STRING ServiceName, ULONG NameSpace, GUID *Provider,
                                     PADDRINFOEXW Hints, PADDRINFOEXW *Result, PEPROCESS OwningProcess,
                                     PETHREAD OwningThread, PIRP Irp)
{
    /* A string without a buffer is none. */
    PUNICODE_STRING node = NodeName != NULL && NodeName->Buffer != NULL ? NodeName : NULL;
    PUNICODE_STRING service = ServiceName != NULL && ServiceName->Buffer != NULL ? ServiceName : NULL;
    struct wsk_client *client = Client;
    struct wsk_resolve *request = NULL;
    NTSTATUS status = STATUS_SUCCESS;
    const char *service_text;
    char *text;

    UNREFERENCED_PARAMETER(Provider);
    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER; /* W-04 */
    wsk_op_begin(Irp, WSK_OP_ADDRESS_INFO, NULL);
    if (!wsk_client_enter(client))
        return refuse(Irp, STATUS_INVALID_HANDLE);
    if (Result == NULL || !string_is_good(NodeName) || !string_is_good(ServiceName) ||
        (units_of(node) == 0 && units_of(service) == 0) || /* H-12 */
        !hints_are_good(Hints, node != NULL) || !owner_is_good(OwningProcess, OwningThread))
        status = STATUS_INVALID_PARAMETER;
    else if (NameSpace != NS_ALL && NameSpace != NS_DNS)
        status = STATUS_NO_MATCH; /* nobody here answers for it (R-GAI-03) */
    else
        request = ex_allocate_pool(POOL_FLAG_NON_PAGED,
                                   sizeof *request + text_bytes(node) + text_bytes(service), WSK_TAG_RESOLVE);
    if (Result != NULL)
        *Result = NULL;
    if (request == NULL) {
        refuse(Irp, status == STATUS_SUCCESS ? (status = STATUS_INSUFFICIENT_RESOURCES) : status);
        wsk_client_leave(client);
        return status;
    }
    request->client = client;
    request->caller = __builtin_return_address(0);
    request->result = Result;
    if (Hints != NULL) {
        request->flags = (ULONG)Hints->ai_flags;
        request->family = (ADDRESS_FAMILY)Hints->ai_family;
        request->type = Hints->ai_socktype;
        request->protocol = Hints->ai_protocol;
    }
    request->ask.kind = TRANSPORT_RESOLVE_ADDRESSES;
    text = request->text;
    request->host = copy_string(node, &text);
    service_text = copy_string(service, &text);
    return start(request, Irp, ask_addresses(request, service_text));
}

#define NI_KNOWN (NI_NOFQDN | NI_NUMERICHOST | NI_NAMEREQD | NI_NUMERICSERV | NI_DGRAM)

/* The caller's address, exactly its family's SOCKADDR. */
static BOOLEAN take_sockaddr(const SOCKADDR *address, ULONG length, struct transport_address *out)
{
    ADDRESS_FAMILY family;

    RtlZeroMemory(out, sizeof *out);
    if (address == NULL || length > sizeof(SOCKADDR_STORAGE) || length < sizeof(ADDRESS_FAMILY))
        return FALSE;
    family = wsk_address_family(address);
    if (family == AF_INET && length >= sizeof(SOCKADDR_IN))
        out->length = sizeof(SOCKADDR_IN);
    else if (family == AF_INET6 && length >= sizeof(SOCKADDR_IN6))
        out->length = sizeof(SOCKADDR_IN6);
    memcpy(out->bytes, address, out->length);
    return out->length != 0;
}

/* WskGetNameInfo (nc-wsk-pfn_wsk_get_name_info): host and service names of an address.  SockAddr: copied.
 * NodeName, ServiceName: buffers for the text with its end, either may be NULL = not wanted; they must stay valid
 * until the IRP is completed.  Flags: NI_xxx.  PASSIVE_LEVEL.  STATUS_PENDING, STATUS_SUCCESS, STATUS_NO_MATCH
 * (NI_NAMEREQD), STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_INVALID_HANDLE,
 * STATUS_INSUFFICIENT_RESOURCES, STATUS_CANCELLED. */
NTSTATUS WSKAPI wsk_get_name_info(PWSK_CLIENT Client, PSOCKADDR SockAddr, ULONG SockAddrLength,
                                  PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName, ULONG Flags,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp)
{
    struct wsk_client *client = Client;
    struct wsk_resolve *request = NULL;
    struct transport_address address;
    NTSTATUS status = STATUS_SUCCESS;

    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER; /* W-04 */
    wsk_op_begin(Irp, WSK_OP_NAME_INFO, NULL);
    if (!wsk_client_enter(client))
        return refuse(Irp, STATUS_INVALID_HANDLE);
    if ((NodeName == NULL && ServiceName == NULL) || !take_sockaddr(SockAddr, SockAddrLength, &address) ||
        (Flags & ~(ULONG)NI_KNOWN) || ((Flags & NI_NUMERICHOST) && (Flags & NI_NAMEREQD)) ||
        !owner_is_good(OwningProcess, OwningThread))
        status = STATUS_INVALID_PARAMETER;
    else
        request = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *request, WSK_TAG_RESOLVE);
    if (request == NULL) {
        refuse(Irp, status == STATUS_SUCCESS ? (status = STATUS_INSUFFICIENT_RESOURCES) : status);
        wsk_client_leave(client);
        return status;
    }
    request->client = client;
    request->node = NodeName;
    request->service = ServiceName;
    request->name_flags = Flags;
    request->ask.kind = TRANSPORT_RESOLVE_NAMES;
    request->ask.address = address;
    if (NodeName != NULL && !(Flags & NI_NUMERICHOST))
        request->ask.flags |= TRANSPORT_RESOLVE_HOST;
    if (ServiceName != NULL && !(Flags & NI_NUMERICSERV))
        request->ask.flags |= TRANSPORT_RESOLVE_SERVICE;
    if (request->ask.flags == 0)
        return start(request, Irp, take_names(request));
    if (Flags & NI_DGRAM)
        request->ask.flags |= TRANSPORT_RESOLVE_DATAGRAM;
    if (Flags & NI_NOFQDN)
        request->ask.flags |= TRANSPORT_RESOLVE_SHORT;
    return start(request, Irp, STATUS_PENDING);
}
