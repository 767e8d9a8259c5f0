/*
 * starved.c - sockets for whose next accept or event receive there was no descriptor or no memory.
 *
 * Each tries again when a descriptor of ours is given back, and after a while in any case: another process may have
 * given one back, or memory.  Whoever finds nothing again stands here anew.  The timer is queued while somebody does.
 */
#include "wsk/wskp.h"

static KSPIN_LOCK starved_lock;
static LIST_ENTRY starved = {&starved, &starved};
static volatile LONG starved_count; /* how many: looked at without the lock, too */
static KTIMER starved_timer;
static KDPC starved_dpc;

/* starved_lock held: the first has come. */
static void timer_set(void)
{
    LARGE_INTEGER due;

    due.QuadPart = -10000ll * wsk_settings.starved_retry_ms;
    if (due.QuadPart != 0)
        ke_set_own_timer(&starved_timer, due, &starved_dpc);
}

void wsk_starve(struct wsk_socket *socket)
{
    KIRQL irql;

    if (socket->latches & WSK_LATCH_STARVED)
        return;
    irql = ke_acquire_spin_lock(&starved_lock);
    socket->latches |= WSK_LATCH_STARVED | WSK_LATCH_ONCE_MORE;
    wsk_socket_reference(socket);
    if (IsListEmpty(&starved))
        timer_set();
    InsertTailList(&starved, &socket->starved_link);
    __atomic_add_fetch(&starved_count, 1, __ATOMIC_SEQ_CST);
    ke_release_spin_lock(&starved_lock, irql);
}

void wsk_unstarve(struct wsk_socket *socket)
{
    BOOLEAN linked;
    KIRQL irql;

    if (!(socket->latches & WSK_LATCH_STARVED))
        return;
    irql = ke_acquire_spin_lock(&starved_lock);
    linked = !IsListEmpty(&socket->starved_link);
    if (linked) { /* else wsk_starved_retry has it in hand, and clears the latch itself */
        RemoveEntryList(&socket->starved_link);
        InitializeListHead(&socket->starved_link);
        socket->latches &= ~(ULONG)(WSK_LATCH_STARVED | WSK_LATCH_ONCE_MORE);
        __atomic_sub_fetch(&starved_count, 1, __ATOMIC_SEQ_CST);
        if (IsListEmpty(&starved))
            ke_cancel_timer(&starved_timer);
    }
    ke_release_spin_lock(&starved_lock, irql);
    if (linked)
        wsk_socket_dereference(socket); /* not the last: the caller is inside the gate */
}

void wsk_starved_retry(void)
{
    LIST_ENTRY woken;
    KIRQL irql;

    if (__atomic_load_n(&starved_count, __ATOMIC_SEQ_CST) == 0)
        return;
    /* Each has one try: who finds nothing again stands in `starved` anew and waits for the next. */
    InitializeListHead(&woken);
    irql = ke_acquire_spin_lock(&starved_lock);
    while (!IsListEmpty(&starved))
        InsertTailList(&woken, RemoveHeadList(&starved));
    ke_cancel_timer(&starved_timer);
    while (!IsListEmpty(&woken)) {
        struct wsk_socket *socket =
            CONTAINING_RECORD(RemoveHeadList(&woken), struct wsk_socket, starved_link);

        InitializeListHead(&socket->starved_link);
        __atomic_sub_fetch(&starved_count, 1, __ATOMIC_SEQ_CST);
        ke_release_spin_lock(&starved_lock, irql);
        irql = wsk_lock(socket);
        socket->latches &= ~(ULONG)WSK_LATCH_STARVED;
        if (wsk_gate_enter(socket)) {
            wsk_listen_pump(socket);
            wsk_datagram_pump(socket);
            wsk_unlock(socket, irql);
            wsk_gate_leave(socket);
        } else {
            ke_release_spin_lock(&socket->lock, irql);
        }
        wsk_socket_dereference(socket);
        irql = ke_acquire_spin_lock(&starved_lock);
    }
    ke_release_spin_lock(&starved_lock, irql);
}

static VOID NTAPI starved_due(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    wsk_starved_retry();
}

void wsk_starved_start(void)
{
    ke_initialize_timer(&starved_timer);
    ke_initialize_dpc(&starved_dpc, starved_due, NULL);
}

void wsk_starved_stop(void)
{
    ke_cancel_timer(&starved_timer);
}
