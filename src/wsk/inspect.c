/*
 * inspect.c - conditional accept: WskInspectEvent, WskInspectComplete, WskAbortEvent (areas INSPECT, INSP, ABRT).
 *
 * Linux finishes the handshake before anybody sees the request (docs/divergences.md).  So a request is a connection
 * that was taken out of the transport and not yet promised to anyone: `fresh` until WskInspectEvent has been asked,
 * then in `waiting` with those that need no inspection, or in `pended` until WskInspectComplete.  A rejected one is
 * reset.  While it stands here its end is watched: one that its peer drops goes to `gone`, for WskAbortEvent.
 *
 * The lists and `stage` are the listener's (its lock); `listener` is the connection's.  The listener's lock comes
 * first: whoever finds the end of a connection, under that one's lock, lets go of it and looks again.
 */
#include "wsk/wskp.h"

#define WSK_INSPECT_MOST 1024 /* requests that are taken out of the transport at a time */

enum stage { STAGE_NONE, STAGE_FRESH, STAGE_ASKED, STAGE_PENDED, STAGE_WAITING, STAGE_GONE };

struct wsk_inspect { /* of each connection that came from a listener in conditional mode */
    WSK_INSPECT_ID id;
    struct wsk_socket *listener; /* referenced; NULL once the connection is the client's or is closed */
    enum stage stage;
    /* STAGE_ASKED, what has come meanwhile: */
    BOOLEAN dropped; /* its peer has gone */
    WSK_INSPECT_ACTION
    early; /* WskInspectComplete, before the callback has returned; WskInspectPend = none */
};

static volatile LONG serial_numbers;

/* ---- the lists ---------------------------------------------------------------------------------------- */

void wsk_inspect_initialize(struct wsk_socket *listener)
{
    InitializeListHead(&listener->listen.fresh);
    InitializeListHead(&listener->listen.pended);
    InitializeListHead(&listener->listen.gone);
}

static struct wsk_socket *socket_of_link(PLIST_ENTRY link)
{
    return CONTAINING_RECORD(link, struct wsk_socket, accept_link);
}

/* Listener's lock held. */
static void stand_in(struct wsk_socket *accepted, PLIST_ENTRY list, enum stage stage)
{
    accepted->inspect->stage = stage;
    InsertTailList(list, &accepted->accept_link);
}

/* Listener's lock held: it waits for WskAccept or WskAcceptEvent like any other. */
static void admit(struct wsk_socket *listener, struct wsk_socket *accepted)
{
    stand_in(accepted, &listener->listen.waiting, STAGE_WAITING);
    listener->listen.waiting_count++;
}

BOOLEAN wsk_inspect_room(const struct wsk_socket *listener)
{
    return listener->listen.inspected < WSK_INSPECT_MOST;
}

void wsk_inspect_taken(struct wsk_socket *listener, struct wsk_socket *accepted)
{
    if (accepted->inspect == NULL)
        return;
    accepted->inspect->stage = STAGE_NONE;
    listener->listen.inspected--;
}

void wsk_inspect_forget(struct wsk_socket *accepted)
{
    struct wsk_socket *listener;

    if (accepted->inspect == NULL || accepted->inspect->listener == NULL)
        return;
    listener = accepted->inspect->listener;
    accepted->inspect->listener = NULL;
    wsk_socket_dereference(listener);
}

/* ---- arrival and end of a request --------------------------------------------------------------------- */

struct wsk_inspect *wsk_inspect_new(void)
{
    return ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof(struct wsk_inspect), WSK_TAG_SOCKET);
}

void wsk_inspect_arrived(struct wsk_socket *listener, struct wsk_socket *accepted)
{
    KIRQL irql;

    accepted->inspect->id.Key = (ULONG_PTR)accepted->number; /* R-INSP-11 */
    accepted->inspect->id.SerialNumber = (ULONG)__atomic_add_fetch(&serial_numbers, 1, __ATOMIC_RELAXED);
    accepted->inspect->listener = listener;
    accepted->inspect->early = WskInspectPend;
    wsk_socket_reference(listener);
    stand_in(accepted, &listener->listen.fresh, STAGE_FRESH);
    listener->listen.inspected++;
    irql = wsk_lock(accepted);
    wsk_receive_start(accepted); /* watches; no callback and no receive before it is the client's */
    wsk_unlock(accepted, irql);
}

/* Connection's lock held: its peer has dropped the request.  A FIN with nothing before it is what a peer that gives up
 * sends when the handshake is over. */
static BOOLEAN is_dropped(struct wsk_socket *accepted)
{
    if (accepted->latches & WSK_LATCH_RESET)
        return TRUE;
    return (accepted->latches & WSK_LATCH_PEER_FIN) && accepted->transport != NULL &&
           WSK_TRANSPORT_OPS->query(accepted->transport, TRANSPORT_READABLE) == 0;
}

/* Listener's lock held.  TRUE: nobody was asked about it; the caller discards it without the lock. */
static BOOLEAN drop(struct wsk_socket *listener, struct wsk_socket *accepted)
{
    switch (accepted->inspect->stage) {
    case STAGE_FRESH:
        RemoveEntryList(&accepted->accept_link);
        wsk_inspect_taken(listener, accepted);
        return TRUE;
    case STAGE_ASKED:
        accepted->inspect->dropped = TRUE;
        return FALSE;
    case STAGE_WAITING:
        listener->listen.waiting_count--;
        /* fall through */
    case STAGE_PENDED:
        RemoveEntryList(&accepted->accept_link);
        stand_in(accepted, &listener->listen.gone, STAGE_GONE);
        return FALSE;
    default:
        return FALSE; /* the client's by now, or told of already */
    }
}

void wsk_inspect_look(struct wsk_socket *accepted)
{
    struct wsk_socket *listener = NULL;
    BOOLEAN discard;
    KIRQL irql;

    if (accepted->inspect == NULL)
        return;
    irql = wsk_lock(accepted);
    if (accepted->inspect->listener != NULL && is_dropped(accepted)) {
        listener = accepted->inspect->listener;
        wsk_socket_reference(listener);
    }
    ke_release_spin_lock(&accepted->lock, irql);
    if (listener == NULL)
        return;
    if (wsk_gate_enter(listener)) { /* else its close ends all of them */
        irql = wsk_lock(listener);
        discard = drop(listener, accepted);
        wsk_listen_pump(listener);
        wsk_unlock(listener, irql);
        if (discard)
            wsk_socket_discard(accepted);
        wsk_gate_leave(listener);
    }
    wsk_socket_dereference(listener);
}

/* ---- callbacks ---------------------------------------------------------------------------------------- */

enum wsk_callback wsk_inspect_due(const struct wsk_socket *listener)
{
    if (!listener->option.conditional)
        return 0;
    if (listener->latches & WSK_LATCH_RESET)
        return (listener->latches & WSK_LATCH_TOLD_INSPECT) ? 0 : WSK_CALLBACK_INSPECT;
    if (!IsListEmpty(&listener->listen.gone))
        return WSK_CALLBACK_ABORT;
    return IsListEmpty(&listener->listen.fresh) ? 0 : WSK_CALLBACK_INSPECT;
}

/* Listener's lock held: what its client says of a request. */
static BOOLEAN decide(struct wsk_socket *listener, struct wsk_socket *accepted, WSK_INSPECT_ACTION action)
{
    BOOLEAN dropped;

    listener->listen.asked = NULL;
    if (action == WskInspectPend)
        action = accepted->inspect->early;
    if (wsk_closing(listener) || (action != WskInspectAccept && action != WskInspectPend)) {
        wsk_inspect_taken(listener, accepted);
        return FALSE; /* R-INSP-08 */
    }
    ke_acquire_spin_lock_at_dpc_level(&accepted->lock);
    dropped = accepted->inspect->dropped || is_dropped(accepted);
    ke_release_spin_lock_from_dpc_level(&accepted->lock);
    if (dropped)
        stand_in(accepted, &listener->listen.gone, STAGE_GONE);
    else if (action == WskInspectPend)
        stand_in(accepted, &listener->listen.pended, STAGE_PENDED);
    else
        admit(listener, accepted);
    return TRUE;
}

void wsk_inspect_indicate(struct wsk_socket *listener, PKIRQL irql)
{
    const WSK_CLIENT_LISTEN_DISPATCH *table = listener->client_dispatch;
    struct wsk_socket *accepted = NULL;
    SOCKADDR_STORAGE local, remote;
    PVOID context = listener->context;
    WSK_INSPECT_ACTION action;
    WSK_INSPECT_ID id = {0};
    BOOLEAN kept = TRUE;

    RtlZeroMemory(&local, sizeof local);
    RtlZeroMemory(&remote, sizeof remote);
    if (listener->latches & WSK_LATCH_RESET) {
        listener->latches |= WSK_LATCH_TOLD_INSPECT; /* C-INSPECT-09 */
    } else {
        accepted = socket_of_link(RemoveHeadList(&listener->listen.fresh)); /* due since the lock was taken */
        accepted->inspect->stage = STAGE_ASKED;
        listener->listen.asked = accepted;
        wsk_socket_reference(accepted);
        wsk_address_out(&accepted->local, (PSOCKADDR)&local);
        wsk_address_out(&accepted->peer, (PSOCKADDR)&remote);
        id = accepted->inspect->id;
    }
    wsk_unlock(listener, *irql);
    RTL_CALL(OBSERVE_CALLBACK, listener, "WskInspectEvent", table->WskInspectEvent,
             rtl_call_frame.status = action = table->WskInspectEvent(
                 context, (PSOCKADDR)&local, (PSOCKADDR)&remote, accepted != NULL ? &id : NULL));
    RtlFillMemory(&id, sizeof id, 0xdd); /* who has kept the pointer finds nothing there (C-INSPECT-06) */
    *irql = wsk_lock(listener);
    if (accepted != NULL) {
        kept = decide(listener, accepted, action);
        wsk_listen_pump(listener);
    }
    if (!kept) {
        wsk_unlock(listener, *irql);
        wsk_socket_discard(accepted);
        *irql = wsk_lock(listener);
    }
    if (accepted != NULL)
        wsk_socket_dereference(accepted);
}

void wsk_inspect_abort(struct wsk_socket *listener, PKIRQL irql)
{
    const WSK_CLIENT_LISTEN_DISPATCH *table = listener->client_dispatch;
    struct wsk_socket *accepted = socket_of_link(RemoveHeadList(&listener->listen.gone));
    WSK_INSPECT_ID id = accepted->inspect->id; /* R-ABRT-04 */
    PVOID context = listener->context;

    wsk_inspect_taken(listener, accepted);
    wsk_unlock(listener, *irql);
    wsk_socket_discard(accepted);
    RTL_CALL(OBSERVE_CALLBACK, listener, "WskAbortEvent", table->WskAbortEvent,
             rtl_call_frame.status = table->WskAbortEvent(context, &id));
    RtlFillMemory(&id, sizeof id, 0xdd);
    *irql = wsk_lock(listener);
    wsk_listen_pump(listener);
}

/* ---- the listener's end ------------------------------------------------------------------------------- */

void wsk_inspect_close(struct wsk_socket *listener, PLIST_ENTRY dropped)
{
    PLIST_ENTRY lists[] = {&listener->listen.fresh, &listener->listen.pended, &listener->listen.gone};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(lists); i++) {
        while (!IsListEmpty(lists[i])) {
            PLIST_ENTRY link = RemoveHeadList(lists[i]);

            wsk_inspect_taken(listener, socket_of_link(link));
            InsertTailList(dropped, link);
        }
    }
}

/* ---- WskInspectComplete, SIO_WSK_QUERY_INSPECT_ID ----------------------------------------------------- */

NTSTATUS wsk_inspect_query(struct wsk_socket *socket, WSK_INSPECT_ID *id)
{
    if (socket->inspect == NULL)
        return STATUS_INVALID_DEVICE_REQUEST; /* C-IOCTL-22 */
    *id = socket->inspect->id;
    return STATUS_SUCCESS;
}

static BOOLEAN is_it(const struct wsk_socket *accepted, const WSK_INSPECT_ID *id)
{
    const WSK_INSPECT_ID *have = &accepted->inspect->id;

    return have->Key == id->Key && have->SerialNumber == id->SerialNumber;
}

/* Listener's lock held: the request of this id that waits for WskInspectComplete, or NULL.  A client that has handed
 * the id to another thread cannot know when its callback returns: so one that is being asked counts, too. */
static struct wsk_socket *find_undecided(struct wsk_socket *listener, const WSK_INSPECT_ID *id)
{
    struct wsk_socket *asked = listener->listen.asked;
    PLIST_ENTRY link;

    if (asked != NULL && is_it(asked, id))
        return asked->inspect->early == WskInspectPend && !asked->inspect->dropped ? asked : NULL;
    for (link = listener->listen.pended.Flink; link != &listener->listen.pended; link = link->Flink)
        if (is_it(socket_of_link(link), id))
            return socket_of_link(link);
    return NULL;
}

/* Listener's lock held: carries the decision out.  TRUE: the caller discards the request without the lock. */
static BOOLEAN complete(struct wsk_socket *listener, struct wsk_socket *accepted, WSK_INSPECT_ACTION action)
{
    if (accepted->inspect->stage == STAGE_ASKED) {
        accepted->inspect->early = action; /* decide() has it when the callback has returned */
        return FALSE;
    }
    RemoveEntryList(&accepted->accept_link);
    if (action == WskInspectReject) {
        wsk_inspect_taken(listener, accepted);
        return TRUE;
    }
    admit(listener, accepted);
    return FALSE;
}

/* WskInspectComplete (nc-wsk-pfn_wsk_inspect_complete): decides a request that WskInspectEvent has pended.  <=
 * DISPATCH_LEVEL.  STATUS_SUCCESS, STATUS_PENDING; STATUS_NOT_FOUND: no such request is pended, or it was aborted
 * (R-INSP-19); STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_STATE (not in conditional mode),
 * STATUS_FILE_FORCED_CLOSED. */
NTSTATUS WSKAPI wsk_inspect_complete(PWSK_SOCKET ListenSocket, PWSK_INSPECT_ID InspectID,
                                     WSK_INSPECT_ACTION Action, PIRP Irp)
{
    struct wsk_socket *listener, *accepted = NULL;
    BOOLEAN discard;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(ListenSocket, Irp, WSK_OP_INSPECT, &listener);
    if (status != STATUS_SUCCESS)
        return status;
    if (InspectID == NULL || (Action != WskInspectAccept && Action != WskInspectReject))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-INSP-14 */
    status = wsk_op_lock(listener, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (listener->category != WSK_LISTEN || !listener->option.conditional ||
        listener->state < WSK_STATE_LISTENING)
        status = STATUS_INVALID_DEVICE_STATE;
    else if (listener->latches & WSK_LATCH_RESET)
        status = STATUS_FILE_FORCED_CLOSED;
    else if ((accepted = find_undecided(listener, InspectID)) == NULL)
        status = STATUS_NOT_FOUND;
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&listener->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    discard = complete(listener, accepted, Action);
    wsk_listen_pump(listener);
    if (discard) { /* nobody else knows it any more */
        wsk_unlock(listener, irql);
        wsk_socket_discard(accepted);
        irql = wsk_lock(listener);
    }
    return wsk_op_finish(listener, Irp, STATUS_SUCCESS, 0, TRUE, irql);
}
