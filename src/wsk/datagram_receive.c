/*
 * datagram_receive.c - WskReceiveFrom, and what the transport's receive of a datagram socket works for (area
 * RECVFROM).
 *
 * Datagrams come from two places, always in order: the queue, what nobody has accepted yet
 * (datagram_indicate.c), and then the transport.  At most one receive is inside the transport; it works either
 * for the first IRP, straight into its MDL chain, or for the event, a batch at a time.  WskReceiveFrom goes
 * before the event (R-RECVFROM-12): when an IRP comes while the event's receive is inside, that is taken back;
 * if it cannot be, what it brings lands in the queue and the IRP is served from there.
 */
#include "wsk/datagram.h"

enum receive_step { STEP_DONE, STEP_HELD };

static struct wsk_socket *socket_of(struct transport_op *op)
{
    return (struct wsk_socket *)CONTAINING_RECORD(op, struct transport_datagram_op, op)->owner;
}

static size_t receive_segments(struct transport_op *op, size_t offset, struct transport_segment *out,
                               size_t count)
{
    const union wsk_arguments *arguments = wsk_arguments_of(socket_of(op)->datagram->receive.current);

    if (arguments->from.mdl == NULL)
        return 0;
    return mm_mdl_segments(arguments->from.mdl, arguments->from.offset, offset, op->length - offset,
                           (struct mm_segment *)out, count);
}

/* ---- one IRP ------------------------------------------------------------------------------------------ */

/* lock held: what a datagram for the IRP tells besides its bytes (R-RECVFROM-04..09). */
static void tell(PIRP irp, const struct transport_address *remote, ULONG kind, BOOLEAN truncated,
                 const void *control, ULONG control_size)
{
    const struct wsk_control_wanted *wanted = wsk_op_of(irp)->extra;
    ULONG flags = kind | (truncated ? MSG_TRUNC : 0);

    if (wsk_arguments_of(irp)->from.remote != NULL)
        wsk_address_out(remote, wsk_arguments_of(irp)->from.remote);
    if (wanted == NULL)
        return;
    if (wanted->length != NULL) {
        ULONG room = wanted->capacity;

        if (control_size > room)
            flags |= MSG_CTRUNC;
        if (control_size != 0 && room != 0)
            RtlCopyMemory(wanted->info, control, min(room, control_size));
        *wanted->length = min(room, control_size);
    }
    if (wanted->flags != NULL)
        *wanted->flags = flags;
}

/* lock held: serves an IRP with the first of the queue; returns the bytes it got. */
static SIZE_T receive_from_queue(PIRP irp, struct wsk_datagram_indication *first)
{
    const union wsk_arguments *arguments = wsk_arguments_of(irp);
    struct transport_address remote;
    SIZE_T bytes = min(arguments->from.length, first->public.Buffer.Length);

    remote.length = first->remote.sin6_family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
    RtlCopyMemory(remote.bytes, &first->remote, remote.length);
    if (bytes != 0)
        mm_mdl_copy_to(arguments->from.mdl, arguments->from.offset, 0, mm_mdl_address(&first->mdl), bytes);
    tell(irp, &remote, first->kind, first->public.Buffer.Length > bytes, first->public.ControlInfo,
         first->public.ControlInfoLength);
    wsk_datagram_drop(first);
    return bytes;
}

/* lock held: the transport's receive has taken a datagram for the IRP.  FALSE: it is not wanted. */
static BOOLEAN receive_got(struct wsk_socket *socket, PIRP irp)
{
    const struct transport_datagram *about = &socket->datagram->receive.op.about;
    UCHAR control[WSK_CONTROL_MOST];
    ULONG size;

    if (!wsk_datagram_is_wanted(socket, about->remote.bytes))
        return FALSE;
    size = wsk_control_out(socket, about, control);
    tell(irp, &about->remote, wsk_datagram_kind(about), (about->flags & TRANSPORT_TRUNCATED) != 0, control,
         size);
    return TRUE;
}

/* lock held: nothing is inside the transport any more.  FALSE: receive_complete ends it. */
static BOOLEAN receive_take_back(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;

    if (datagram->receive.held != DATAGRAM_HELD_NONE &&
        !wsk_datagram_take_back(socket, &datagram->receive.op))
        return FALSE;
    datagram->receive.held = DATAGRAM_HELD_NONE;
    return TRUE;
}

/* lock held: brings the first IRP as far as it goes.  STEP_DONE: it ends with *status and *bytes. */
static enum receive_step receive_step(struct wsk_socket *socket, PIRP irp, NTSTATUS *status, SIZE_T *bytes)
{
    struct wsk_datagram *datagram = socket->datagram;
    struct transport_op *op = &datagram->receive.op.op;
    unsigned flags = 0;

    if (datagram->receive.held == DATAGRAM_HELD_IRP || datagram->receive.indicating)
        return STEP_HELD; /* a callback that looks at earlier ones may not want them: they go first */
    for (;;) {
        struct wsk_datagram_indication *first = wsk_datagram_first(socket);

        *status = STATUS_SUCCESS;
        if (first != NULL) {
            *bytes = receive_from_queue(irp, first);
            return STEP_DONE;
        }
        if (!receive_take_back(socket))
            return STEP_HELD;
        datagram->receive.current = irp; /* not before: until it is out, the op is the event's */
        op->flags = flags;
        op->length = wsk_arguments_of(irp)->from.length;
        *status = WSK_TRANSPORT_OPS->receive_from(socket->transport, &datagram->receive.op);
        if (*status == STATUS_PENDING) {
            datagram->receive.held = DATAGRAM_HELD_IRP;
            wsk_gate_hold(socket, 1);
            wsk_op_of(irp)->stage = WSK_STAGE_HELD;
            return STEP_HELD;
        }
        *bytes = *status == STATUS_SUCCESS ? op->bytes : 0;
        if (*status != STATUS_SUCCESS || receive_got(socket, irp))
            return STEP_DONE;
        flags = TRANSPORT_NO_INLINE; /* whoever floods us with unwanted ones does not keep us here */
    }
}

/* ---- the pump ----------------------------------------------------------------------------------------- */

static BOOLEAN event_wants(struct wsk_socket *socket)
{
    return (wsk_enabled(socket) & WSK_CALLBACK_RECEIVE_FROM) &&
           IsListEmpty(&socket->datagram->receive.irps) && IsListEmpty(&socket->datagram->receive.queue) &&
           wsk_datagram_has_room(socket);
}

static void event_arm(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;
    NTSTATUS status;

    if (!event_wants(socket)) {
        receive_take_back(socket);
        return;
    }
    while (datagram->receive.held == DATAGRAM_HELD_NONE && !wsk_starving(socket)) {
        socket->latches &= ~(ULONG)WSK_LATCH_ONCE_MORE;
        datagram->receive.op.op.flags = TRANSPORT_PROVIDE;
        datagram->receive.op.count = WSK_DATAGRAM_BATCH;
        status = WSK_TRANSPORT_OPS->receive_from(socket->transport, &datagram->receive.op);
        if (status == STATUS_PENDING) {
            datagram->receive.held = DATAGRAM_HELD_EVENT;
            wsk_gate_hold(socket, 1);
        } else {
            wsk_starve(socket); /* never ends inline but for a lack of memory */
        }
    }
}

void wsk_datagram_pump(struct wsk_socket *socket)
{
    NTSTATUS status;
    SIZE_T bytes;

    if (socket->category != WSK_DATAGRAM || socket->state != WSK_STATE_BOUND || wsk_closing(socket))
        return;
    while (!IsListEmpty(&socket->datagram->receive.irps)) {
        PIRP irp = wsk_irp_of_link(socket->datagram->receive.irps.Flink);

        if (receive_step(socket, irp, &status, &bytes) == STEP_HELD)
            return;
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        wsk_datagram_done(socket, irp, status, bytes);
    }
    event_arm(socket);
    if (wsk_event_due(socket))
        wsk_lane_kick(socket, WSK_LANE_RECEIVE);
}

/* ---- completions of the transport --------------------------------------------------------------------- */

static void event_got(struct wsk_socket *socket)
{
    const struct transport_datagram_op *op = &socket->datagram->receive.op;
    size_t i;

    for (i = 0; i < op->done; i++)
        if (wsk_datagram_is_wanted(socket, op->received[i].about.remote.bytes))
            wsk_datagram_keep(socket, &op->received[i]);
}

/* lock held: the transport has ended what it did for the first IRP. */
static void irp_got(struct wsk_socket *socket, NTSTATUS status, SIZE_T bytes)
{
    PIRP irp = socket->datagram->receive.current;

    wsk_op_of(irp)->stage = WSK_STAGE_QUEUED;
    if (status == STATUS_SUCCESS && !receive_got(socket, irp)) {
        if (!(wsk_op_of(irp)->flags & (WSK_OP_BY_CLOSE | WSK_OP_CANCELLED)))
            return; /* a stranger's: the pump goes on */
        status = STATUS_CANCELLED;
    }
    wsk_datagram_ended(socket, &socket->datagram->receive.irps, status, bytes);
}

static void receive_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = socket_of(op);
    KIRQL irql = wsk_lock(socket);
    UCHAR held = socket->datagram->receive.held;

    socket->datagram->receive.held = DATAGRAM_HELD_NONE;
    if (held == DATAGRAM_HELD_IRP)
        irp_got(socket, status, bytes);
    else if (status == STATUS_SUCCESS && !wsk_closing(socket)) {
        wsk_unstarve(socket); /* there was memory */
        event_got(socket);
    } else if (status == STATUS_INSUFFICIENT_RESOURCES && !wsk_closing(socket))
        wsk_starve(socket); /* else it would be at it again and again */
    wsk_datagram_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket); /* the operation inside the transport */
}

void wsk_datagram_receive_initialize(struct wsk_socket *socket)
{
    struct wsk_datagram *datagram = socket->datagram;
    unsigned i;

    InitializeListHead(&datagram->receive.irps);
    InitializeListHead(&datagram->receive.queue);
    InitializeListHead(&datagram->receive.shown);
    InitializeListHead(&datagram->receive.retained);
    for (i = 0; i < WSK_DATAGRAM_BUCKETS; i++)
        InitializeListHead(&datagram->receive.buckets[i]);
    datagram->receive.op.op.kind = TRANSPORT_RECEIVE_FROM;
    datagram->receive.op.op.complete = receive_complete;
    datagram->receive.op.op.segments = receive_segments;
    datagram->receive.op.owner = socket;
}

/* ---- cancel and close --------------------------------------------------------------------------------- */

void wsk_datagram_receive_cancel(struct wsk_socket *socket, PIRP Irp)
{
    struct wsk_datagram *datagram = socket->datagram;

    if (datagram->receive.held == DATAGRAM_HELD_IRP && datagram->receive.current == Irp &&
        !receive_take_back(socket))
        return;
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    wsk_datagram_done(socket, Irp, STATUS_CANCELLED, 0);
    wsk_datagram_pump(socket);
}

void wsk_datagram_receive_close(struct wsk_socket *socket)
{
    if (!receive_take_back(socket) && socket->datagram->receive.held == DATAGRAM_HELD_IRP)
        wsk_op_of(socket->datagram->receive.current)->flags |=
            WSK_OP_BY_CLOSE; /* then those behind it (D-06) */
    else
        wsk_datagram_end_by_close(socket, &socket->datagram->receive.irps);
}

/* ---- WskReceiveFrom ----------------------------------------------------------------------------------- */

/* Where the results go that only some drivers want. */
static NTSTATUS keep_wanted(PIRP irp, const struct wsk_control_wanted *from)
{
    struct wsk_control_wanted *wanted;

    if (from->length == NULL && from->flags == NULL)
        return STATUS_SUCCESS;
    wanted =
        ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, sizeof *wanted, WSK_TAG_DATAGRAM);
    if (wanted == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    *wanted = *from;
    wsk_op_of(irp)->extra = wanted;
    return STATUS_SUCCESS;
}

/* WskReceiveFrom (nc-wsk-pfn_wsk_receive_from): one datagram.  Everything given stays the driver's until
 * completion; RemoteAddress (or NULL) has room for the family's SOCKADDR.  <= DISPATCH_LEVEL.  STATUS_PENDING,
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_STATE (not bound), STATUS_CANCELLED,
 * STATUS_INSUFFICIENT_RESOURCES, STATUS_FILE_FORCED_CLOSED. */
NTSTATUS WSKAPI wsk_receive_from(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PSOCKADDR RemoteAddress,
                                 PULONG ControlLength, PCMSGHDR ControlInfo, PULONG ControlFlags, PIRP Irp)
{
    struct wsk_control_wanted wanted = {ControlLength, ControlInfo, 0, ControlFlags};
    union wsk_arguments *arguments;
    struct wsk_socket *socket;
    SIZE_T bytes = 0;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_RECEIVE_FROM, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    status = Flags != 0 ? STATUS_INVALID_PARAMETER : wsk_buffer_check(Buffer, FALSE); /* R-RECVFROM-02 */
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    if (ControlLength != NULL && ControlInfo != NULL)
        wanted.capacity = *ControlLength;
    arguments = wsk_arguments_of(Irp);
    arguments->from.mdl = Buffer->Mdl;
    arguments->from.offset = Buffer->Offset;
    arguments->from.length = Buffer->Length;
    arguments->from.remote = RemoteAddress;
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    status = socket->category == WSK_DATAGRAM && socket->state == WSK_STATE_BOUND
                 ? keep_wanted(Irp, &wanted)
                 : STATUS_INVALID_DEVICE_STATE;
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    if (!wsk_is_cancelled(Irp) && IsListEmpty(&socket->datagram->receive.irps) &&
        receive_step(socket, Irp, &status, &bytes) == STEP_DONE) {
        wsk_datagram_free_extra(Irp);
        wsk_datagram_pump(socket); /* the event's receive may have been taken back */
        return wsk_op_finish(socket, Irp, status, bytes, TRUE, irql);
    }
    wsk_op_pend(socket, Irp, &socket->datagram->receive.irps);
    wsk_datagram_pump(socket);
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}
