/*
 * deliver.c - where completions and callbacks run.
 *
 * Each socket has two lanes, one a direction.  Whatever ends (wsk_op_done) is put on its lane in order; one
 * thread at a time owns a lane and delivers from it, so completions of one direction are serial and in data
 * order (D-06), and event callbacks, which ride on the receive lane, are serial, too (D-12, R-RECVEV-18).  A
 * lane is run
 *   - by the transport's loop at DISPATCH_LEVEL, at the end of the completion that fed it, or by a DPC
 *     (deliver = dispatch);
 *   - by a worker thread at PASSIVE_LEVEL (deliver = passive);
 *   - by the one or the other in turn (deliver = mixed).
 * Never under a lock of ours (D-05), never by recursion: a completion that comes up while a routine runs
 * waits on the lane until that routine has returned, but for inline completions, which nest at most four deep
 * (wsk_may_nest).
 *
 * A turn (wsk_turn) is the short way of what happens most: a loop delivers the one receive that its completion has
 * ended, or the receive event, and after it the send that was begun and done inside, without queue and lane between
 * them and with one step on the gate for all of it.  Whatever is not exactly that goes the ways above, and a turn
 * ends by looking whether there is something.
 *
 * What WskAcceptEvent begins on the connection that it is shown would need a DPC for each lane, since a routine of the
 * driver runs.  A loop that delivers accepts owns these lanes instead (wsk_lanes_keep), and runs them when it has shown
 * all connections that there are: later than it could, for then the first have got an answer to what they have sent.
 *
 * No lost wake-up: `wanted` is set and looked at only under socket->lock.  Who unlocks the socket schedules a
 * wanted lane unless it has an owner or is scheduled already; the owner looks again, under the lock, before
 * it lets go. A scheduled or running lane references the socket's memory, not its gate: it never delays a
 * close.
 */
#include "wsk/turn.h"

#define WSK_LANE_BUDGET 32 /* deliveries before others get their turn */
#define WSK_NEST_LIMIT  4

/* Completion routines and callbacks that are running on this thread, one inside the other. */
static unsigned nesting(void)
{
    const struct rtl_frame *frame;
    unsigned depth = 0;

    for (frame = ke_current_thread()->frames; frame != NULL; frame = frame->previous)
        if (frame->call == OBSERVE_ROUTINE || frame->call == OBSERVE_CALLBACK)
            depth++;
    return depth;
}

BOOLEAN wsk_may_nest(void)
{
    return nesting() < WSK_NEST_LIMIT;
}

static struct wsk_socket *socket_of(const struct wsk_lane *lane)
{
    return CONTAINING_RECORD(lane - lane->id, struct wsk_socket, lanes[0]);
}

static BOOLEAN lane_wanted(const struct wsk_lane *lane)
{
    return (socket_of(lane)->wanted & (1u << lane->id)) != 0;
}

static void lane_seen_to(struct wsk_lane *lane)
{
    socket_of(lane)->wanted &= (UCHAR) ~(1u << lane->id);
}

/* lock held: the next IRP may be delivered. */
static BOOLEAN lane_ready(const struct wsk_lane *lane)
{
    return !IsListEmpty(&lane->ready) &&
           !(wsk_op_of(wsk_irp_of_link(lane->ready.Flink))->flags & WSK_OP_AWAITED);
}

/* lock held, lane owned by this thread: delivers one thing, without the lock.  FALSE: nothing is ready or due. */
static BOOLEAN lane_deliver_one(struct wsk_lane *lane, PKIRQL irql)
{
    struct wsk_socket *socket = socket_of(lane);
    enum wsk_callback kind;

    lane_seen_to(lane);
    if (lane_ready(lane))
        wsk_op_deliver(socket, wsk_irp_of_link(RemoveHeadList(&lane->ready)), irql);
    else if (IsListEmpty(&lane->ready) && lane->id == WSK_LANE_RECEIVE && (kind = wsk_event_due(socket)) != 0)
        wsk_event_run(socket, kind, irql);
    else
        return FALSE;
    return TRUE;
}

/* lock held: a loop that delivers one direction at DISPATCH_LEVEL takes what came up in the other one along,
 * in turn: a DPC could not run before it ends, so a callback that sends would wait for its sends' ends in
 * vain. */
static void lane_run_beside(struct wsk_lane *lane, PKIRQL irql, unsigned *budget)
{
    struct wsk_lane *other = &socket_of(lane)->lanes[1 - lane->id];

    if (!lane_wanted(other) || other->owner != NULL || !ke_on_processor_thread())
        return;
    other->owner = lane->owner;
    while (*budget > 1 && lane_deliver_one(other, irql))
        --*budget;
    other->owner = NULL;
    if (*budget <= 1)
        wsk_lane_kick(socket_of(lane),
                      (enum wsk_lane_id)other->id); /* the budget ended it, not the lack of work */
}

/* The lock is held, before and after, and the lane has no owner; the caller references the socket. */
static void lane_run(struct wsk_lane *lane, PKIRQL irql)
{
    unsigned budget = WSK_LANE_BUDGET;

    lane->owner = wsk_here();
    while (lane_deliver_one(lane, irql)) {
        lane_run_beside(lane, irql, &budget);
        if (--budget == 0) {
            wsk_lane_kick(socket_of(lane),
                          (enum wsk_lane_id)lane->id); /* one busy connection must not starve the others */
            break;
        }
    }
    lane->owner = NULL;
}

static void lane_scheduled(struct wsk_lane *lane)
{
    struct wsk_socket *socket = socket_of(lane);
    KIRQL irql = wsk_lock(socket);

    lane->scheduled = FALSE;
    if (lane->owner == NULL)
        lane_run(lane, &irql);
    else
        wsk_lane_kick(socket, (enum wsk_lane_id)lane->id); /* the owner sees to it when it lets go */
    wsk_unlock(socket, irql);
    wsk_socket_dereference(socket);
}

static VOID NTAPI lane_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    lane_scheduled(Context);
}

static void lane_work(void *context)
{
    lane_scheduled(context);
}

void wsk_lane_initialize(struct wsk_socket *socket, enum wsk_lane_id id)
{
    struct wsk_lane *lane = &socket->lanes[id];

    InitializeListHead(&lane->ready);
    lane->id = (UCHAR)id;
}

/* lock held: what takes the lane elsewhere. */
static struct wsk_carrier *carrier_of(struct wsk_lane *lane)
{
    struct wsk_socket *socket = socket_of(lane);
    struct wsk_carrier *carrier = &socket->carriers[lane->id];

    if (lane->carried)
        return carrier;
    RtlZeroMemory(&carrier->work, sizeof carrier->work);
    ke_initialize_dpc(&carrier->dpc, lane_dpc, lane);
    ke_set_target_processor_dpc(&carrier->dpc, (CCHAR)socket->processor);
    lane->carried = TRUE;
    return carrier;
}

static BOOLEAN at_dispatch(struct wsk_lane *lane)
{
    switch (wsk_settings.delivery) {
    case WSK_DELIVER_DISPATCH:
        return TRUE;
    case WSK_DELIVER_PASSIVE:
        return FALSE;
    default:
        return (lane->toggle ^= 1) != 0;
    }
}

/* lock held: does a loop that runs the socket's other lane on this very thread look at this one, too?
 * (lane_run_beside; only at DISPATCH_LEVEL, where a routine cannot wait for what it holds up.) */
static BOOLEAN runs_beside(const struct wsk_lane *lane)
{
    const struct wsk_lane *other = &socket_of(lane)->lanes[1 - lane->id];

    return other->owner != NULL && other->owner == wsk_here() && ke_on_processor_thread();
}

void wsk_lanes_schedule(struct wsk_socket *socket)
{
    unsigned i;

    if (socket->lanes[WSK_LANE_RECEIVE].owner != NULL && socket->lanes[WSK_LANE_SEND].owner != NULL)
        return;
    for (i = 0; i < WSK_LANES; i++) {
        struct wsk_lane *lane = &socket->lanes[i];

        if (!lane_wanted(lane) || lane->scheduled || lane->owner != NULL || runs_beside(lane))
            continue;
        lane_seen_to(lane);
        lane->scheduled = TRUE;
        wsk_socket_reference(socket);
        if (at_dispatch(lane))
            ke_insert_queue_dpc(&carrier_of(lane)->dpc, NULL, NULL);
        else
            ex_queue_worker(&carrier_of(lane)->work, lane_work, lane);
    }
}

/* Does a routine of the driver run on this thread, be it a DPC?  It may close another socket, say: then
 * delivering here would be a recursion, and under whatever lock the routine holds (D-05). */
static BOOLEAN inside_driver(void)
{
    const struct rtl_frame *frame;

    for (frame = ke_current_thread()->frames; frame != NULL; frame = frame->previous)
        if (frame->function != (void *)lane_dpc)
            return TRUE;
    return FALSE;
}

/* lock held, and the gate or a reference. */
static void lanes_run(struct wsk_socket *socket, PKIRQL irql)
{
    unsigned i;

    for (i = 0; i < WSK_LANES; i++) {
        struct wsk_lane *lane = &socket->lanes[i];

        if (lane_wanted(lane) && !lane->scheduled && lane->owner == NULL)
            lane_run(lane, irql);
    }
}

BOOLEAN wsk_delivers_here(void)
{
    return wsk_settings.delivery == WSK_DELIVER_DISPATCH && ke_on_processor_thread() && !inside_driver();
}

void wsk_unlock_deliver(struct wsk_socket *socket, KIRQL irql)
{
    if (socket->wanted != 0 && wsk_delivers_here())
        lanes_run(socket, &irql);
    wsk_unlock(socket, irql);
}

/* ---- lanes of a socket that was just accepted ----------------------------------------------------------- */

static BOOLEAN lane_is_free(const struct wsk_lane *lane)
{
    return lane->owner == NULL && !lane->scheduled && IsListEmpty(&lane->ready);
}

/* The list of a thread that is delivering a listener's accepts. */
static PLIST_ENTRY kept_of(const struct ke_thread *thread)
{
    return thread->room[WSK_ROOM_KEPT];
}

BOOLEAN wsk_lanes_keep(struct wsk_socket *socket)
{
    struct ke_thread *thread = ke_current_thread();

    if (kept_of(thread) == NULL || wsk_settings.completion == WSK_COMPLETE_INLINE ||
        socket->processor != (unsigned)thread->processor /* its own shall have the work */ ||
        !lane_is_free(&socket->lanes[WSK_LANE_RECEIVE]) || !lane_is_free(&socket->lanes[WSK_LANE_SEND]))
        return FALSE;
    socket->lanes[WSK_LANE_RECEIVE].owner = socket->lanes[WSK_LANE_SEND].owner = wsk_here();
    return TRUE;
}

static void let_go(struct wsk_socket *socket)
{
    socket->lanes[WSK_LANE_RECEIVE].owner = socket->lanes[WSK_LANE_SEND].owner = NULL;
}

BOOLEAN wsk_lanes_let_go(struct wsk_socket *socket)
{
    if (socket->wanted != 0) {
        InsertTailList(kept_of(ke_current_thread()), &socket->accept_link);
        return FALSE;
    }
    let_go(socket);
    return TRUE;
}

void wsk_unlock_deliver_accepts(struct wsk_socket *listener, KIRQL irql)
{
    struct ke_thread *thread = ke_current_thread();
    LIST_ENTRY kept;

    InitializeListHead(&kept);
    thread->room[WSK_ROOM_KEPT] = &kept;
    wsk_unlock_deliver(listener, irql);
    thread->room[WSK_ROOM_KEPT] = NULL;
    while (!IsListEmpty(&kept)) {
        struct wsk_socket *socket = CONTAINING_RECORD(RemoveHeadList(&kept), struct wsk_socket, accept_link);

        irql = wsk_lock(socket);
        let_go(socket);
        lanes_run(socket, &irql);
        wsk_unlock(socket, irql);
        wsk_socket_dereference(socket);
    }
}

/* ---- turns -------------------------------------------------------------------------------------------- */

BOOLEAN wsk_turn_begin(struct wsk_turn *turn, struct wsk_socket *socket)
{
    struct ke_thread *thread = ke_current_thread();

    if (wsk_settings.delivery != WSK_DELIVER_DISPATCH || !thread->is_processor || thread->frames != NULL ||
        thread->room[WSK_ROOM_TURN] != NULL || !lane_is_free(&socket->lanes[WSK_LANE_RECEIVE]))
        return FALSE;
    turn->socket = socket;
    turn->thread = thread;
    /* Where sends complete inline on any thread, the lane is left to them. */
    turn->sends =
        wsk_settings.completion != WSK_COMPLETE_INLINE && lane_is_free(&socket->lanes[WSK_LANE_SEND]);
    turn->posted = NULL;
    turn->leave = 1;
    turn->keeps = 1;
    socket->lanes[WSK_LANE_RECEIVE].owner = wsk_here();
    if (turn->sends)
        socket->lanes[WSK_LANE_SEND].owner = wsk_here();
    thread->room[WSK_ROOM_TURN] = turn;
    return TRUE;
}

BOOLEAN wsk_turn_takes(struct wsk_socket *socket, PIRP Irp)
{
    struct wsk_turn *turn = ke_current_thread()->room[WSK_ROOM_TURN];

    if (turn == NULL || turn->socket != socket || !turn->sends || turn->posted != NULL ||
        wsk_op_of(Irp)->kind != WSK_OP_SEND || !IsListEmpty(&socket->lanes[WSK_LANE_SEND].ready))
        return FALSE;
    turn->posted = Irp;
    return TRUE;
}

void wsk_turn_deliver(struct wsk_turn *turn, PIRP Irp)
{
    struct wsk_op *op = wsk_op_of(Irp);

    KE_ASSERT(op->stage == WSK_STAGE_DONE);
    turn->leave++; /* only after the routine has returned, like that of each below (C-CLOSE-14) */
    wsk_count_end(turn->socket, Irp, op->status, op->information);
    io_complete_request(Irp, op->status, op->information);
}

void wsk_turn_posted(struct wsk_turn *turn)
{
    unsigned budget = WSK_LANE_BUDGET;
    PIRP irp;

    /* A routine may send again. */
    while ((irp = turn->posted) != NULL && budget-- != 0) {
        turn->posted = NULL;
        wsk_turn_deliver(turn, irp);
    }
}

void wsk_turn_end(struct wsk_turn *turn, KIRQL irql)
{
    struct wsk_socket *socket = turn->socket;

    if (turn->posted != NULL) { /* the others' turn: it stands before what came after it */
        InsertHeadList(&socket->lanes[WSK_LANE_SEND].ready, &turn->posted->Tail.Overlay.ListEntry);
        wsk_lane_kick(socket, WSK_LANE_SEND);
    }
    turn->thread->room[WSK_ROOM_TURN] = NULL;
    socket->lanes[WSK_LANE_RECEIVE].owner = NULL;
    if (turn->sends)
        socket->lanes[WSK_LANE_SEND].owner = NULL;
    if (socket->wanted != 0) {
        enum wsk_callback kind = (enum wsk_callback)(turn->leave >> WSK_GATE_RUNNING_SHIFT);

        if (kind != 0 && (turn->leave & WSK_GATE_HOLDS) == 0) { /* all given away */
            wsk_gate_hold(socket, 1);
            turn->leave++;
        }
        if (kind != 0) /* over for those that are due now; the turn's holds go after them */
            wsk_gate_end_callback(socket, kind, &irql);
        turn->leave &= WSK_GATE_HOLDS;
        lanes_run(socket, &irql);
    }
    wsk_gate_leave_unlock(socket, turn->leave, irql);
}

void wsk_lane_drain(struct wsk_socket *socket)
{
    unsigned i;

    for (i = 0; i < WSK_LANES; i++) {
        struct wsk_lane *lane = &socket->lanes[i];
        void *here = wsk_here();
        KIRQL irql = wsk_lock(socket);
        BOOLEAN outermost = lane->owner == NULL;

        if (outermost || lane->owner == here) {
            lane->owner = here;
            while (lane_ready(lane) && wsk_may_nest())
                wsk_op_deliver(socket, wsk_irp_of_link(RemoveHeadList(&lane->ready)), &irql);
            if (outermost)
                lane->owner = NULL;
            if (lane_ready(lane))
                wsk_lane_kick(socket, (enum wsk_lane_id)i);
        }
        wsk_unlock(socket, irql);
    }
}
