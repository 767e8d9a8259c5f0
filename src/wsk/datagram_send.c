/*
 * datagram_send.c - WskSendTo and WskSendMessages (areas SENDTO, SENDMSGS).
 *
 * A send is tried at once; what the transport cannot take yet stands in `irps`, the first of them inside the
 * transport, the others behind it, each with a copy of where it goes (D-11, D-06).  It is over when the network
 * stack has every byte: what a driver does afterwards, closing included, cannot take it back (R-SENDTO-07;
 * docs/divergences.md).
 */
#include "wsk/datagram.h"

/* ---- what the transport asks for ---------------------------------------------------------------------- */

static struct wsk_socket *socket_of(struct transport_datagram_op *op)
{
    return (struct wsk_socket *)op->owner;
}

struct one { /* a datagram of an IRP */
    PMDL mdl;
    ULONG offset;
    SIZE_T length;
};

/* The transport may look ahead and come back for the bytes: mostly it goes on from where it was. */
static struct one one_of(struct wsk_socket *socket, size_t index)
{
    struct wsk_datagram *datagram = socket->datagram;
    const union wsk_arguments *arguments = wsk_arguments_of(datagram->send.current);
    const WSK_BUF *buffer;

    if (arguments->to.list == NULL)
        return (struct one){arguments->to.mdl, arguments->to.offset, arguments->to.length};
    if (index < datagram->send.index) {
        datagram->send.at = arguments->to.list;
        datagram->send.index = 0;
    }
    for (; datagram->send.index < index; datagram->send.index++)
        datagram->send.at = datagram->send.at->Next;
    buffer = &datagram->send.at->Buffer;
    return (struct one){buffer->Mdl, buffer->Offset, buffer->Length};
}

static size_t send_length(struct transport_datagram_op *op, size_t index)
{
    return one_of(socket_of(op), index).length;
}

static size_t send_parts(struct transport_datagram_op *op, size_t index, size_t offset,
                         struct transport_segment *out, size_t count)
{
    struct one one = one_of(socket_of(op), index);

    if (one.mdl == NULL)
        return 0;
    return mm_mdl_segments(one.mdl, one.offset, offset, one.length - offset, (struct mm_segment *)out, count);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

/* lock held: hands the datagrams of one IRP over, from the first. */
static NTSTATUS hand_over(struct wsk_socket *socket, PIRP irp, const struct transport_datagram *about)
{
    struct wsk_datagram *datagram = socket->datagram;
    const union wsk_arguments *arguments = wsk_arguments_of(irp);
    NTSTATUS status;

    datagram->send.current = irp;
    datagram->send.at = arguments->to.list;
    datagram->send.index = 0;
    datagram->send.op.count = arguments->to.list != NULL ? arguments->to.length : 1;
    datagram->send.op.about = *about;
    status = WSK_TRANSPORT_OPS->send_to(socket->transport, &datagram->send.op);
    if (status == STATUS_PENDING) {
        datagram->send.held = TRUE;
        wsk_gate_hold(socket, 1);
        wsk_op_of(irp)->stage = WSK_STAGE_HELD;
    }
    return status;
}

static ULONG_PTR sent_bytes(const struct wsk_socket *socket, NTSTATUS status)
{
    return status == STATUS_SUCCESS ? socket->datagram->send.op.op.bytes : 0;
}

/* lock held. */
static void send_pump(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;

    while (!datagram->send.held && !IsListEmpty(&datagram->send.irps) && !wsk_closing(socket)) {
        PIRP irp = wsk_irp_of_link(datagram->send.irps.Flink);
        NTSTATUS status = hand_over(socket, irp, wsk_op_of(irp)->extra);

        if (status == STATUS_PENDING)
            return;
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        wsk_datagram_done(socket, irp, status, sent_bytes(socket, status));
    }
}

static void send_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = socket_of(CONTAINING_RECORD(op, struct transport_datagram_op, op));
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->datagram->send.held = FALSE;
    wsk_datagram_ended(socket, &socket->datagram->send.irps, status, sent_bytes(socket, status));
    send_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket); /* the operation inside the transport */
}

void wsk_datagram_send_initialize(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;

    InitializeListHead(&datagram->send.irps);
    datagram->send.op.op.kind = TRANSPORT_SEND_TO;
    datagram->send.op.op.complete = send_complete;
    datagram->send.op.owner = socket;
    datagram->send.op.length = send_length;
    datagram->send.op.parts = send_parts;
}

/* lock held: takes the first send out of the transport.  FALSE: send_complete ends it. */
static BOOLEAN send_take_back(struct wsk_socket *socket)
{
    if (!wsk_datagram_take_back(socket, &socket->datagram->send.op))
        return FALSE;
    socket->datagram->send.held = FALSE;
    return TRUE;
}

void wsk_datagram_send_cancel(struct wsk_socket *socket, PIRP Irp)
{
    if (socket->datagram->send.held && socket->datagram->send.current == Irp && !send_take_back(socket))
        return;
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    wsk_datagram_done(socket, Irp, STATUS_CANCELLED, 0);
    send_pump(socket);
}

void wsk_datagram_send_close(struct wsk_socket *socket)
{
    if (socket->datagram->send.held && !send_take_back(socket))
        wsk_op_of(socket->datagram->send.current)->flags |= WSK_OP_BY_CLOSE;
    else
        wsk_datagram_end_by_close(socket, &socket->datagram->send.irps);
}

/* ---- WskSendTo, WskSendMessages ----------------------------------------------------------------------- */

/* lock held: where to, when the driver does not say (R-SENDTO-03, 04). */
static NTSTATUS fixed_destination(const struct wsk_socket *socket, struct transport_datagram *about)
{
    const struct wsk_datagram *datagram = socket->datagram;

    about->remote = datagram->fixed_remote.length != 0 ? datagram->fixed_remote : datagram->send_to;
    return about->remote.length != 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* lock held: behind others, or after the transport said to wait. */
static NTSTATUS send_wait(struct wsk_socket *socket, PIRP irp, const struct transport_datagram *about,
                          KIRQL irql)
{
    if (wsk_op_of(irp)->stage != WSK_STAGE_HELD) {
        struct transport_datagram *copy =
            ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, sizeof *copy, WSK_TAG_DATAGRAM);

        if (copy == NULL) {
            ke_release_spin_lock(&socket->lock, irql);
            return wsk_op_fail(irp, STATUS_INSUFFICIENT_RESOURCES);
        }
        *copy = *about;
        wsk_op_of(irp)->extra = copy;
    }
    wsk_op_pend(socket, irp, &socket->datagram->send.irps);
    send_pump(socket);
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}

/* The arguments stand in the IRP. */
static NTSTATUS send_all(struct wsk_socket *socket, PIRP irp, ULONG flags, const SOCKADDR *remote,
                         ULONG control_length, const CMSGHDR *control)
{
    struct transport_datagram about;
    NTSTATUS status;
    KIRQL irql;

    if (flags != 0 || (remote != NULL && !wsk_address_in(socket, remote, &about.remote)))
        return wsk_op_fail(irp, STATUS_INVALID_PARAMETER); /* R-SENDTO-02 */
    status = wsk_control_in(socket, control, control_length, &about);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(irp, status);
    status = wsk_op_lock(socket, irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->category != WSK_DATAGRAM || socket->state != WSK_STATE_BOUND)
        status = STATUS_INVALID_DEVICE_STATE; /* C-DATA-04 */
    else if (remote == NULL)
        status = fixed_destination(socket, &about);
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(irp, status);
    }
    if (wsk_is_cancelled(irp) || socket->datagram->send.held || !IsListEmpty(&socket->datagram->send.irps))
        return send_wait(socket, irp, &about, irql);
    status = hand_over(socket, irp, &about);
    if (status == STATUS_PENDING)
        return send_wait(socket, irp, &about, irql);
    return wsk_op_finish(socket, irp, status, sent_bytes(socket, status), FALSE, irql);
}

/* WskSendTo (nc-wsk-pfn_wsk_send_to): one datagram.  Buffer and ControlInfo stay the driver's until completion;
 * RemoteAddress is copied, NULL = the fixed one.  <= DISPATCH_LEVEL.  STATUS_PENDING (normally), STATUS_SUCCESS,
 * STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_STATE (not bound), STATUS_NOT_SUPPORTED (control object),
 * STATUS_INVALID_BUFFER_SIZE (too long), STATUS_FILE_FORCED_CLOSED, or what the network says. */
NTSTATUS WSKAPI wsk_send_to(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PSOCKADDR RemoteAddress,
                            ULONG ControlInfoLength, PCMSGHDR ControlInfo, PIRP Irp)
{
    union wsk_arguments *arguments;
    struct wsk_socket *socket;
    NTSTATUS status;

    status = wsk_op_enter(Socket, Irp, WSK_OP_SEND_TO, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    status = wsk_buffer_check(Buffer, FALSE);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    arguments = wsk_arguments_of(Irp);
    arguments->to.mdl = Buffer->Mdl;
    arguments->to.offset = Buffer->Offset;
    arguments->to.length = Buffer->Length;
    arguments->to.list = NULL;
    return send_all(socket, Irp, Flags, RemoteAddress, ControlInfoLength, ControlInfo);
}

/* Every element is a good buffer, and the list has an end. */
static NTSTATUS list_check(const WSK_BUF_LIST *list, PSIZE_T count)
{
    const WSK_BUF_LIST *mark = list;
    NTSTATUS status;

    for (*count = 0; list != NULL; list = list->Next) {
        status = wsk_buffer_check(&list->Buffer, FALSE);
        if (status != STATUS_SUCCESS)
            return status;
        if (list->Next == mark)
            return STATUS_INVALID_PARAMETER; /* a circle */
        ++*count;
        if ((*count & (*count - 1)) == 0)
            mark = list; /* if it is in the circle by now, it is met before there are twice as many */
    }
    return *count != 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* WskSendMessages (nc-wsk-pfn_wsk_send_messages): a datagram for each element of the list, in order, all to one
 * address with the same control information; the list stays the driver's until completion.  As WskSendTo. */
NTSTATUS WSKAPI wsk_send_messages(PWSK_SOCKET Socket, PWSK_BUF_LIST BufferList, ULONG Flags,
                                  PSOCKADDR RemoteAddress, ULONG ControlInfoLength, PCMSGHDR ControlInfo,
                                  PIRP Irp)
{
    union wsk_arguments *arguments;
    struct wsk_socket *socket;
    NTSTATUS status;
    SIZE_T count;

    status = wsk_op_enter(Socket, Irp, WSK_OP_SEND_MESSAGES, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    status = list_check(BufferList, &count);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    arguments = wsk_arguments_of(Irp);
    arguments->to.mdl = NULL;
    arguments->to.list = BufferList;
    arguments->to.length = count;
    return send_all(socket, Irp, Flags, RemoteAddress, ControlInfoLength, ControlInfo);
}
