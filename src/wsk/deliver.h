/*
 * deliver.h - where completions and callbacks run: lanes (deliver.c), and which callback is due (events.c).
 */
#ifndef UWSK_WSK_DELIVER_H
#define UWSK_WSK_DELIVER_H

#include "wsk/gate.h"

/* Who runs, to a lane: the thread, and how deep in DPCs. A thread that goes below DISPATCH_LEVEL with a lane in its hands,
 * to call a routine, runs its processor's DPCs first, and what those begin must not pass what is about to be completed. */
static inline void *wsk_here(void)
{
    struct ke_thread *thread = ke_current_thread();

    return (char *)thread + thread->dpc_depth;
}

void wsk_lane_initialize(struct wsk_socket *socket, enum wsk_lane_id id);
static inline KIRQL wsk_lock(struct wsk_socket *socket)
{
    return ke_quick_acquire(&socket->lock);
}
/* socket->lock held: something is ready or due on the lane; wsk_unlock sees to it. */
static inline void wsk_lane_kick(struct wsk_socket *socket, enum wsk_lane_id id)
{
    socket->wanted |= (UCHAR)(1u << id);
}
/* lock held: schedules the lanes that were kicked, but those that somebody runs or will run. */
void wsk_lanes_schedule(struct wsk_socket *socket);
/* Drops socket->lock and schedules the lanes that were kicked: their deliveries run elsewhere. */
static inline void wsk_unlock(struct wsk_socket *socket, KIRQL irql)
{
    if (socket->wanted != 0)
        wsk_lanes_schedule(socket);
    ke_quick_release(&socket->lock, irql);
}
/* The same at the end of a transport completion, which holds the gate: delivers here and now when this run
 * delivers at DISPATCH_LEVEL. */
void wsk_unlock_deliver(struct wsk_socket *socket, KIRQL irql);
/* Would that deliver: is this a loop that delivers at DISPATCH_LEVEL, without a routine of the driver that runs on it? */
BOOLEAN wsk_delivers_here(void);
/* wsk_unlock_deliver for the accepts of a listener, and after it for what was begun on the connections meanwhile. */
void wsk_unlock_deliver_accepts(struct wsk_socket *listener, KIRQL irql);
/* A connection, referenced, that WskAcceptEvent is about to be shown: inside the above this thread owns its lanes from here
 * on, else FALSE.  No lock is needed: nobody has its address before the callback has, it stands only in the client's list,
 * whose readers do not look at owners.  Where operations complete inline on any thread, the lanes are left to them. */
BOOLEAN wsk_lanes_keep(struct wsk_socket *socket);
/* lock held, after that: the thread owns them no more.  FALSE: something has come up, which it delivers later, as the owner
 * until then; the reference is its own from here on. */
BOOLEAN wsk_lanes_let_go(struct wsk_socket *socket);
/* No lock held: delivers everything ready on both lanes on this thread (close in mode inline). */
void wsk_lane_drain(struct wsk_socket *socket);
/* May this thread run one more driver routine inside a call (bounded recursion)? */
BOOLEAN wsk_may_nest(void);

/* ---- events.c --------------------------------------------------------------------------------------------------- */

/* socket->lock held: is a callback due on this socket? 0 or the kind to run next. */
enum wsk_callback wsk_event_look(struct wsk_socket *socket);
/* The same, without a call for a connection that is in the midst of its stream and has no data at hand. */
static inline enum wsk_callback wsk_event_due(struct wsk_socket *socket)
{
    if (socket->category == WSK_CONNECTION && IsListEmpty(&socket->receive.data) && !socket->backlog_due &&
        !(socket->latches & (WSK_LATCH_RESET | WSK_LATCH_PEER_FIN)))
        return 0;
    return wsk_event_look(socket);
}
/* Lock held, receive lane owned, socket referenced: runs it, without the lock, which is held again after. */
void wsk_event_run(struct wsk_socket *socket, enum wsk_callback kind, PKIRQL irql);
NTSTATUS wsk_event_control(struct wsk_socket *socket, const WSK_EVENT_CALLBACK_CONTROL *control, PIRP Irp);
ULONG wsk_event_kinds(ULONG event_mask);
/* lock held: opens the gate for these kinds and lets their events come. */
void wsk_event_enable(struct wsk_socket *socket, ULONG kinds);
/* lock held: no callback of these kinds begins any more; returns those that run. */
ULONG wsk_event_disable(struct wsk_socket *socket, ULONG kinds);
/* Which of the kinds the client's table has a function for. */
ULONG wsk_event_with_function(UCHAR category, const VOID *dispatch, ULONG kinds);

/* lock held, after a callback has ended: the disables that waited for it. */
void wsk_event_disables_end(struct wsk_socket *socket);

#endif
