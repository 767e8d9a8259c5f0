/*
 * turn.h - the turn of a loop: the short way of what happens most (deliver.c says when, docs/closing.md why its order is
 * safe).
 *
 *   wsk_turn_begin      under the lock: this thread owns the lanes
 *   wsk_turn_deliver    the routine of what the transport has ended, or wsk_receive_indicate
 *   wsk_turn_takes      inside that, by op.c: a send that is done already
 *   wsk_turn_gives      inside that: what begins takes over the hold of what has ended
 *   wsk_turn_posted     the routine of that send
 *   wsk_turn_end        one step on the gate for all of it
 */
#ifndef UWSK_WSK_TURN_H
#define UWSK_WSK_TURN_H

#include "wsk/wskp.h"

/* ke_thread.room of this room: the turn that runs; the sockets whose lanes it has kept. */
enum { WSK_ROOM_TURN = 0, WSK_ROOM_KEPT = 3 };

/* A turn: a loop delivers what the end of one receive brings, the WskReceive or its event, and then at once the sends
 * that were begun and done inside that routine.  It owns the lanes meanwhile, so nothing overtakes anything (D-06),
 * and pays with one step on the gate for all that has ended.  thread->room[WSK_ROOM_TURN] is the one that runs on this thread;
 * docs/closing.md says why its order is safe. */
struct wsk_turn {
    struct wsk_socket *socket;
    struct ke_thread *thread;
    BOOLEAN sends; /* the send lane is owned, too */
    PIRP posted;   /* a send that is done, before everything on its lane; this thread's only */
    ULONG64 leave; /* what goes off the gate word at the end: holds, the callback's bit */
    ULONG64 keeps; /* so many of these stay the turn's: 0 while a callback's bit holds the gate, else 1 */
};

/* socket->lock held, by an operation that the transport has ended: its hold goes with the turn.  FALSE: this
 * thread does not deliver here and now, or others deliver already. */
BOOLEAN wsk_turn_begin(struct wsk_turn *turn, struct wsk_socket *socket);
/* No lock held: the routine of an IRP in stage DONE that is in no queue; its hold goes with the turn. */
void wsk_turn_deliver(struct wsk_turn *turn, PIRP Irp);
/* No lock held, after a routine or a callback: delivers what it has posted. */
void wsk_turn_posted(struct wsk_turn *turn);
/* lock held: lets go of the lanes, delivers what else has come up, leaves the gate and drops the lock.  The socket may
 * be gone then. */
void wsk_turn_end(struct wsk_turn *turn, KIRQL irql);
/* The turn of this thread has a hold to spare, of something that has ended: what begins now takes it over, instead of one
 * step on the gate for each (docs/closing.md).  The gate is left once for it, by whoever ends it. */
static inline BOOLEAN wsk_turn_gives(const struct wsk_socket *socket)
{
    struct wsk_turn *turn = ke_current_thread()->room[WSK_ROOM_TURN];

    if (turn == NULL || turn->socket != socket || turn->leave <= turn->keeps)
        return FALSE;
    turn->leave--;
    return TRUE;
}
/* lock held: a send is done that was never in a queue.  TRUE: this thread's turn delivers it. */
BOOLEAN wsk_turn_takes(struct wsk_socket *socket, PIRP Irp);

#endif
