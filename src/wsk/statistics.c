/*
 * statistics.c - extension interfaces (area EXT), of which there is one, our own: a socket's counters
 * (include/uwsk/statistics.h).
 *
 * The counters stand in a block that a socket gets with its registration and keeps as long as its memory, the
 * quarantine included, so a function that is called too late is refused like any other of the socket.  Sockets
 * without one pay a look at socket->send.counted.  What ends is counted without the lock, where it is.
 */
#include "wsk/control.h"

#include <uwsk/statistics.h>

#define STATISTICS_MAGIC 0x74617453u /* "Stat" */

struct wsk_statistics {
    struct wsk_socket *socket;
    PFN_UWSK_CONNECTION_ENDED_EVENT ended; /* NULL = the client does not want to know */
    PVOID context;
    ULONG magic;
    UWSK_STATISTICS counters; /* all but Pending, which is looked up */
};

/* ---- counting ----------------------------------------------------------------------------------------- */

static void add(ULONG64 *counter, ULONG64 n)
{
    __atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

static void count_send(UWSK_STATISTICS *counters, PIRP irp, NTSTATUS status, ULONG_PTR bytes)
{
    const struct wsk_op *op = wsk_op_of(irp);

    add(&counters->Sends, 1);
    add(&counters->BytesSent, bytes);
    if (status == STATUS_SUCCESS && op->kind == WSK_OP_SEND_TO)
        add(&counters->DatagramsSent, 1);
    else if (status == STATUS_SUCCESS && op->kind == WSK_OP_SEND_MESSAGES)
        add(&counters->DatagramsSent, wsk_arguments_of(irp)->to.length);
}

void wsk_statistics_ended(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information)
{
    UWSK_STATISTICS *counters = &socket->statistics->counters;

    switch (wsk_op_of(Irp)->kind) {
    case WSK_OP_CLOSE:
        return; /* nobody may ask any more */
    case WSK_OP_SEND:
    case WSK_OP_SEND_TO:
    case WSK_OP_SEND_MESSAGES:
        count_send(counters, Irp, status, information);
        break;
    case WSK_OP_CONNECT_EX:
        add(&counters->BytesSent, information);
        break;
    case WSK_OP_RECEIVE_FROM:
        if (!NT_ERROR(status))
            add(&counters->DatagramsReceived, 1);
        __attribute__((__fallthrough__));
    case WSK_OP_RECEIVE:
        add(&counters->Receives, 1);
        add(&counters->BytesReceived, information);
        break;
    default:
        break;
    }
    add(&counters->Requests, 1);
    if (NT_ERROR(status))
        add(&counters->Errors, 1);
}

void wsk_statistics_taken(struct wsk_socket *socket, SIZE_T bytes, ULONG datagrams)
{
    UWSK_STATISTICS *counters = &socket->statistics->counters;

    add(&counters->BytesReceived, bytes);
    add(&counters->DatagramsReceived, datagrams);
}

void wsk_statistics_callback(struct wsk_socket *socket)
{
    add(&socket->statistics->counters.Callbacks, 1);
}

/* ---- the provider's functions ------------------------------------------------------------------------- */

/* Enters the socket of a registration like any function of it, and takes its lock. */
static NTSTATUS statistics_enter(PVOID context, const char *name, struct wsk_statistics **out, PKIRQL irql)
{
    struct wsk_statistics *statistics = context;
    struct wsk_socket *socket;

    if (statistics == NULL || ((ULONG_PTR)statistics & (sizeof(PVOID) - 1)) != 0 ||
        statistics->magic != STATISTICS_MAGIC)
        return STATUS_INVALID_PARAMETER;
    socket = statistics->socket;
    if (!wsk_gate_enter(socket)) { /* C-CLOSE-06, 35 */
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, name);
        return STATUS_FILE_FORCED_CLOSED;
    }
    *irql = wsk_lock(socket);
    if (wsk_closing(socket)) { /* C-CLOSE-05: closed while this call was in progress */
        wsk_unlock(socket, *irql);
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, name);
        wsk_gate_leave(socket);
        return STATUS_FILE_FORCED_CLOSED;
    }
    *out = statistics;
    return STATUS_SUCCESS;
}

static void statistics_leave(struct wsk_statistics *statistics, KIRQL irql)
{
    struct wsk_socket *socket = statistics->socket;

    wsk_unlock(socket, irql);
    wsk_gate_leave(socket);
}

#define COUNTERS (sizeof(UWSK_STATISTICS) / sizeof(ULONG64))

static NTSTATUS WSKAPI query_statistics(PVOID ProviderContext, PUWSK_STATISTICS Statistics)
{
    struct wsk_statistics *statistics;
    NTSTATUS status;
    KIRQL irql;
    size_t i;

    if (Statistics == NULL)
        return STATUS_INVALID_PARAMETER;
    status = statistics_enter(ProviderContext, "UwskQueryStatistics", &statistics, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    for (i = 0; i < COUNTERS; i++)
        ((ULONG64 *)Statistics)[i] =
            __atomic_load_n(&((ULONG64 *)&statistics->counters)[i], __ATOMIC_RELAXED);
    Statistics->Pending = wsk_report_pending(statistics->socket);
    statistics_leave(statistics, irql);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI reset_statistics(PVOID ProviderContext)
{
    struct wsk_statistics *statistics;
    NTSTATUS status;
    KIRQL irql;
    size_t i;

    status = statistics_enter(ProviderContext, "UwskResetStatistics", &statistics, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    for (i = 0; i < COUNTERS; i++)
        __atomic_store_n(&((ULONG64 *)&statistics->counters)[i], 0, __ATOMIC_RELAXED);
    statistics_leave(statistics, irql);
    return STATUS_SUCCESS;
}

static const UWSK_STATISTICS_PROVIDER_DISPATCH provider_dispatch = {query_statistics, reset_statistics};

/* ---- the client's callback ---------------------------------------------------------------------------- */

void wsk_statistics_indicate(struct wsk_socket *socket, PKIRQL irql)
{
    const struct wsk_statistics *statistics = socket->statistics;
    NTSTATUS status = (socket->latches & WSK_LATCH_RESET) ? socket->death : STATUS_SUCCESS;
    ULONG flags;

    socket->latches |= WSK_LATCH_TOLD_END;
    wsk_unlock(socket, *irql);
    flags = ke_current_irql() == DISPATCH_LEVEL ? WSK_FLAG_AT_DISPATCH_LEVEL : 0;
    RTL_CALL(OBSERVE_CALLBACK, socket, "UwskConnectionEndedEvent", statistics->ended,
             statistics->ended(statistics->context, flags, status)); /* R-CTLS-21 */
    *irql = wsk_lock(socket);
}

/* ---- registration ------------------------------------------------------------------------------------- */

static NTSTATUS statistics_register(struct wsk_socket *socket, const WSK_EXTENSION_CONTROL_IN *in,
                                    WSK_EXTENSION_CONTROL_OUT *out)
{
    const UWSK_STATISTICS_CLIENT_DISPATCH *client = in->ClientDispatch;
    struct wsk_statistics *statistics;

    if (socket->send.counted)
        return STATUS_ALREADY_REGISTERED;
    statistics = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *statistics, WSK_TAG_STATISTICS);
    if (statistics == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    statistics->socket = socket;
    statistics->magic = STATISTICS_MAGIC;
    statistics->context = in->ClientContext;
    statistics->ended = client != NULL ? client->UwskConnectionEndedEvent : NULL;
    socket->statistics = statistics;
    __atomic_store_n(&socket->send.counted, TRUE, __ATOMIC_RELEASE);
    if (statistics->ended != NULL)
        wsk_event_enable(socket, WSK_CALLBACK_ENDED);
    out->ProviderContext = statistics;
    out->ProviderDispatch = &provider_dispatch;
    return STATUS_SUCCESS;
}

NTSTATUS wsk_extension_register(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    WSK_EXTENSION_CONTROL_IN in; /* in and out: buffers of any alignment */
    WSK_EXTENSION_CONTROL_OUT out;
    NTSTATUS status;

    RtlCopyMemory(&in, control->input, sizeof in);
    if (in.NpiId == NULL)
        return STATUS_INVALID_PARAMETER;
    if (!RtlEqualMemory(in.NpiId, &NPI_UWSK_STATISTICS_ID, sizeof(NPIID)))
        return STATUS_NOT_SUPPORTED; /* C-EXT-03 */
    status = statistics_register(socket, &in, &out);
    if (status != STATUS_SUCCESS)
        return status;
    RtlCopyMemory(control->output, &out, sizeof out); /* C-EXT-04, R-CTLS-20 */
    *size = sizeof out;
    return STATUS_SUCCESS;
}
