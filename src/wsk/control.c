/*
 * control.c - WskControlSocket: one table row per option (areas CTLS, OPT).
 *
 * A row says who may ask for what: name, level, sizes, categories, whether it may be set and read, whether it
 * must come before the bind, whether an IRP is required, and what the transport calls it.  Numbers and sizes
 * are Windows' own (D-19).
 */
#include "wsk/wskp.h"

#define ON(category)  (1u << (category))
#define OF_STREAMS    (ON(WSK_LISTEN) | ON(WSK_CONNECTION) | ON(WSK_STREAM))
#define ALL_BUT_BASIC (OF_STREAMS | ON(WSK_DATAGRAM))

enum option_flags {
    OPTION_SET = 1,
    OPTION_GET = 2,
    OPTION_BEFORE_BIND = 4, /* setting it later: STATUS_INVALID_DEVICE_STATE */
    OPTION_IRP = 8,         /* an IRP is required */
    OPTION_FLAG = 16,       /* a Boolean: 0 or 1 */
    OPTION_V6 = 32          /* AF_INET6 only */
};

struct option_row {
    ULONG level;
    ULONG name;
    ULONG size;
    ULONG categories;
    ULONG flags;
    int transport; /* enum transport_option, 0 = kept here */
    size_t shadow; /* offset of the ULONG in struct wsk_socket that keeps the value as set; 0 = none */
    const char *text;
};

#define SHADOW(member) offsetof(struct wsk_socket, option.member)
#define BOTH           (OPTION_SET | OPTION_GET)

static const struct option_row option_rows[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 4, OF_STREAMS, BOTH | OPTION_IRP | OPTION_FLAG, TRANSPORT_OPTION_KEEPALIVE,
     SHADOW(keepalive), "SO_KEEPALIVE"},
    {SOL_SOCKET, SO_RCVBUF, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP, TRANSPORT_OPTION_RECEIVE_BUFFER,
     SHADOW(receive_buffer), "SO_RCVBUF"},
    {SOL_SOCKET, SO_SNDBUF, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP, TRANSPORT_OPTION_SEND_BUFFER,
     SHADOW(send_buffer), "SO_SNDBUF"},
    {SOL_SOCKET, SO_REUSEADDR, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND, 0,
     SHADOW(reuse), "SO_REUSEADDR"},
    {SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND,
     0, SHADOW(exclusive), "SO_EXCLUSIVEADDRUSE"},
    {SOL_SOCKET, SO_ERROR, 4, ON(WSK_CONNECTION) | ON(WSK_STREAM), OPTION_GET, TRANSPORT_OPTION_ERROR, 0,
     "SO_ERROR"},
    {IPPROTO_TCP, TCP_NODELAY, 4, OF_STREAMS, BOTH | OPTION_FLAG, TRANSPORT_OPTION_NODELAY, 0, "TCP_NODELAY"},
    {IPPROTO_TCP, TCP_KEEPIDLE, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPIDLE, 0, "TCP_KEEPIDLE"},
    {IPPROTO_TCP, TCP_KEEPINTVL, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPINTVL, 0, "TCP_KEEPINTVL"},
    {IPPROTO_TCP, TCP_KEEPCNT, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPCNT, 0, "TCP_KEEPCNT"},
    {IPPROTO_IP, IP_TTL, 4, ALL_BUT_BASIC, BOTH, TRANSPORT_OPTION_TTL, 0, "IP_TTL"},
    {IPPROTO_IP, IP_TOS, 4, ALL_BUT_BASIC, BOTH, TRANSPORT_OPTION_TOS, 0, "IP_TOS"},
    {IPPROTO_IP, IP_DONTFRAGMENT, 4, ALL_BUT_BASIC, BOTH | OPTION_FLAG, TRANSPORT_OPTION_DONTFRAGMENT, 0,
     "IP_DONTFRAGMENT"},
    {IPPROTO_IPV6, IPV6_V6ONLY, 4, ALL_BUT_BASIC, BOTH | OPTION_FLAG | OPTION_BEFORE_BIND | OPTION_V6,
     TRANSPORT_OPTION_V6ONLY, 0, "IPV6_V6ONLY"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_HOPLIMIT, 0,
     "IPV6_UNICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_TCLASS, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_TCLASS, 0,
     "IPV6_TCLASS"},
    {IPPROTO_IPV6, IPV6_UNICAST_IF, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_INTERFACE, 0,
     "IPV6_UNICAST_IF"},
    {SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 4, ON(WSK_LISTEN),
     BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND, 0, SHADOW(conditional), "SO_CONDITIONAL_ACCEPT"},
    {SOL_SOCKET, SO_BROADCAST, 4, ON(WSK_DATAGRAM), BOTH | OPTION_IRP | OPTION_FLAG,
     TRANSPORT_OPTION_BROADCAST, SHADOW(broadcast), "SO_BROADCAST"},
    {IPPROTO_IP, IP_PKTINFO, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, 0, SHADOW(packet_info), "IP_PKTINFO"},
    {IPPROTO_IPV6, IPV6_PKTINFO, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6, 0, SHADOW(packet_info6),
     "IPV6_PKTINFO"},
    {IPPROTO_IP, IP_HOPLIMIT, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_HOPS,
     SHADOW(receive_hops), "IP_HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_HOPS, SHADOW(receive_hops), "IPV6_HOPLIMIT"},
    {IPPROTO_IP, IP_RECVTOS, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_CLASS,
     SHADOW(receive_class), "IP_RECVTOS"},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_CLASS, SHADOW(receive_class), "IPV6_RECVTCLASS"},
    {IPPROTO_IP, IP_RECVECN, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_CLASS,
     SHADOW(receive_ecn), "IP_RECVECN"},
    {IPPROTO_IPV6, IPV6_RECVECN, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_CLASS, SHADOW(receive_ecn), "IPV6_RECVECN"},
    {IPPROTO_UDP, UDP_SEND_MSG_SIZE, 4, ON(WSK_DATAGRAM), BOTH, TRANSPORT_OPTION_SEND_SEGMENT, 0,
     "UDP_SEND_MSG_SIZE"},
    {IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, 4, ON(WSK_DATAGRAM), BOTH, TRANSPORT_OPTION_RECEIVE_COALESCED,
     SHADOW(receive_coalesced), "UDP_RECV_MAX_COALESCED_SIZE"},
};

static const struct option_row *option_find(ULONG level, ULONG name)
{
    size_t i;

    for (i = 0; i < RTL_NUMBER_OF(option_rows); i++)
        if (option_rows[i].level == level && option_rows[i].name == name)
            return &option_rows[i];
    return NULL;
}

static ULONG *option_shadow(struct wsk_socket *socket, const struct option_row *row)
{
    return row->shadow != 0 ? (ULONG *)((UCHAR *)socket + row->shadow) : NULL;
}

/* Conditional accept needs both callbacks. */
static BOOLEAN can_inspect(const struct wsk_socket *socket)
{
    const WSK_CLIENT_LISTEN_DISPATCH *table = socket->client_dispatch;

    return table != NULL && table->WskInspectEvent != NULL && table->WskAbortEvent != NULL;
}

/* What the transport has to do; two of the client's options ask for one of it. */
static uint64_t transport_value(const struct wsk_socket *socket, const struct option_row *row, ULONG value)
{
    if (row->transport != TRANSPORT_OPTION_RECEIVE_CLASS)
        return value;
    return value ||
           (row->shadow == SHADOW(receive_ecn) ? socket->option.receive_class : socket->option.receive_ecn);
}

/* lock held. */
static NTSTATUS option_set(struct wsk_socket *socket, const struct option_row *row, ULONG value)
{
    ULONG *shadow = option_shadow(socket, row);
    NTSTATUS status = STATUS_SUCCESS;

    if (!(row->flags & OPTION_SET))
        return STATUS_INVALID_PARAMETER;
    if ((row->flags & OPTION_FLAG) && value > 1)
        return STATUS_INVALID_PARAMETER;
    if ((row->flags & OPTION_BEFORE_BIND) && socket->state != WSK_STATE_OPEN)
        return STATUS_INVALID_DEVICE_STATE; /* C-OPT-11, 14 */
    if (row->shadow == SHADOW(conditional) && value != 0 && !can_inspect(socket))
        return STATUS_INVALID_PARAMETER; /* C-EVT-22 */
    if (row->transport != 0)
        status = socket->transport != NULL
                     ? WSK_TRANSPORT_OPS->set_option(socket->transport, row->transport,
                                                     transport_value(socket, row, value))
                     : STATUS_NOT_SUPPORTED;
    if (status == STATUS_SUCCESS && shadow != NULL)
        *shadow = value;
    if (status == STATUS_SUCCESS && row->transport == TRANSPORT_OPTION_RECEIVE_BUFFER)
        socket->receive.buffer_limit = value;
    return status;
}

/* lock held. */
static NTSTATUS option_get(struct wsk_socket *socket, const struct option_row *row, ULONG *value)
{
    ULONG *shadow = option_shadow(socket, row);
    uint64_t found = 0;
    NTSTATUS status;

    if (!(row->flags & OPTION_GET))
        return STATUS_INVALID_PARAMETER;
    if (shadow != NULL && (*shadow != 0 || row->transport == 0)) {
        *value = *shadow; /* C-OPT-23: what was set, whatever Linux made of it */
        return STATUS_SUCCESS;
    }
    if (socket->transport == NULL)
        return STATUS_NOT_SUPPORTED;
    status = WSK_TRANSPORT_OPS->get_option(socket->transport, row->transport, &found);
    *value = (ULONG)found;
    return status;
}

struct control {
    WSK_CONTROL_SOCKET_TYPE type;
    ULONG code;
    ULONG level;
    SIZE_T input_size;
    PVOID input;
    SIZE_T output_size;
    PVOID output;
    BOOLEAN have_irp;
};

/* lock held: does a set or get; *size = bytes written to the output. */
static NTSTATUS option_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    const struct option_row *row = option_find(control->level, control->code);
    NTSTATUS status;
    ULONG value;

    if (row == NULL || (row->flags & OPTION_V6 && socket->family != AF_INET6))
        return STATUS_NOT_SUPPORTED;
    if (!(row->categories & ON(socket->created)))
        return STATUS_NOT_SUPPORTED; /* C-OPT-36 */
    if ((row->flags & OPTION_IRP) && !control->have_irp)
        return STATUS_INVALID_PARAMETER; /* C-OPT-12, 15, 17, 21 */
    if (control->type == WskSetOption) {
        if (control->input == NULL || control->input_size != row->size || control->output != NULL ||
            control->output_size != 0)
            return STATUS_INVALID_PARAMETER; /* C-OPT-35 */
        RtlCopyMemory(&value, control->input, sizeof value);
        return option_set(socket, row, value);
    }
    if (control->output == NULL || control->output_size < row->size || control->input != NULL ||
        control->input_size != 0)
        return STATUS_INVALID_PARAMETER;
    status = option_get(socket, row, &value);
    if (status == STATUS_SUCCESS) {
        RtlCopyMemory(control->output, &value, sizeof value);
        *size = row->size;
    }
    return status;
}

/* lock held: SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS (C-IOCTL-28..35). */
static NTSTATUS fix_address(struct wsk_socket *socket, const struct control *control)
{
    struct transport_address address = {.length = 0};

    if (socket->category != WSK_DATAGRAM)
        return STATUS_NOT_SUPPORTED;
    if (socket->state != WSK_STATE_BOUND)
        return STATUS_INVALID_DEVICE_STATE;
    if (!control->have_irp || control->output != NULL)
        return STATUS_INVALID_PARAMETER;
    if (control->input != NULL &&
        (control->input_size < sizeof(ADDRESS_FAMILY) || !wsk_address_in(socket, control->input, &address) ||
         control->input_size < address.length))
        return STATUS_INVALID_PARAMETER;
    wsk_datagram_fix(socket, control->code == SIO_WSK_SET_REMOTE_ADDRESS, &address);
    return STATUS_SUCCESS;
}

/* lock held. */
static NTSTATUS ioctl_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    WSK_INSPECT_ID id;
    NTSTATUS status;
    int64_t bytes;
    SIZE_T waiting;

    switch (control->code) {
    case SIO_WSK_QUERY_RECEIVE_BACKLOG: /* C-IOCTL-24 */
        if (socket->category != WSK_CONNECTION && socket->category != WSK_STREAM)
            return STATUS_NOT_SUPPORTED;
        if (socket->state < WSK_STATE_CONNECTED)
            return STATUS_INVALID_DEVICE_STATE;
        if (control->output == NULL || control->output_size < sizeof(SIZE_T))
            return STATUS_INVALID_PARAMETER;
        bytes = WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_READABLE);
        waiting = (bytes > 0 ? (SIZE_T)bytes : 0) + socket->receive.data_bytes;
        RtlCopyMemory(control->output, &waiting, sizeof waiting);
        *size = sizeof waiting;
        return STATUS_SUCCESS;
    case SIO_WSK_SET_REMOTE_ADDRESS:
    case SIO_WSK_SET_SENDTO_ADDRESS:
        return fix_address(socket, control);
    case SIO_WSK_QUERY_INSPECT_ID:
        if (control->output == NULL || control->output_size < sizeof id || control->have_irp)
            return STATUS_INVALID_PARAMETER; /* C-IOCTL-21, 23 */
        status = wsk_inspect_query(socket, &id);
        if (status == STATUS_SUCCESS) {
            RtlCopyMemory(control->output, &id, sizeof id);
            *size = sizeof id;
        }
        return status;
    case SIO_WSK_REGISTER_EXTENSION: /* C-EXT-03: no extension is defined */
        return STATUS_NOT_SUPPORTED;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

/* Begins a control call: with an IRP like any operation, without one it just enters the gate. */
static NTSTATUS control_enter(PWSK_SOCKET Socket, PIRP Irp, struct wsk_socket **out)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;

    if (Irp != NULL)
        return wsk_op_enter(Socket, Irp, WSK_OP_CONTROL, out);
    if (socket == NULL || !wsk_socket_valid(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskControlSocket");
        return STATUS_INVALID_HANDLE;
    }
    if (!wsk_gate_enter(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, "WskControlSocket");
        return STATUS_FILE_FORCED_CLOSED;
    }
    *out = socket;
    return STATUS_SUCCESS;
}

/* Ends it with an error found at once. */
static NTSTATUS control_fail(struct wsk_socket *socket, PIRP Irp, NTSTATUS status)
{
    if (Irp != NULL)
        return wsk_op_fail(Irp, status);
    wsk_gate_leave(socket);
    return status;
}

/* WskControlSocket (nc-wsk-pfn_wsk_control_socket).  Buffers stay valid until the IRP completes;
 * OutputSizeReturned is for calls without an IRP (H-07).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_control_socket(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                   ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                   PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    struct control control = {RequestType, ControlCode, Level,        InputSize,
                              InputBuffer, OutputSize,  OutputBuffer, Irp != NULL};
    struct wsk_socket *socket;
    SIZE_T size = 0;
    NTSTATUS status;
    KIRQL irql;

    status = control_enter(Socket, Irp, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if ((unsigned)RequestType >= WskControlMax || (InputBuffer == NULL) != (InputSize == 0) ||
        (OutputBuffer == NULL) != (OutputSize == 0)) /* R-CTLS-02, 06 */
        return control_fail(socket, Irp, STATUS_INVALID_PARAMETER);
    if (RequestType == WskSetOption && Level == SOL_SOCKET && ControlCode == SO_WSK_EVENT_CALLBACK) {
        if (InputBuffer == NULL || InputSize != sizeof(WSK_EVENT_CALLBACK_CONTROL) || OutputBuffer != NULL)
            return control_fail(socket, Irp, STATUS_INVALID_PARAMETER); /* C-OPT-25 */
        return wsk_event_control(socket, InputBuffer, Irp);
    }
    irql = wsk_lock(socket);
    if (wsk_closing(socket))
        status = STATUS_FILE_FORCED_CLOSED;
    else if (RequestType == WskIoctl)
        status = ioctl_do(socket, &control, &size);
    else
        status = option_do(socket, &control, &size);
    if (Irp != NULL && status == STATUS_SUCCESS)
        return wsk_op_finish(socket, Irp, status, size, TRUE, irql);
    ke_release_spin_lock(&socket->lock, irql);
    if (Irp == NULL && status == STATUS_SUCCESS && OutputSizeReturned != NULL)
        *OutputSizeReturned = size;
    return control_fail(socket, Irp, status);
}
