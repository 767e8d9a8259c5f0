/*
 * dpc.c - deferred procedure calls.
 *
 * A queue per processor, run by whoever owns that processor, at DISPATCH_LEVEL: its own thread, or another one that is
 * about to give it back.  A DPC is off the queue before
 * its routine is called, and not touched afterwards: the routine may queue it again or free it (K-DPC-02).
 */
#include "nt/ke/internal.h"

#define DPCS_A_TURN  64u
#define DPC_TARGETED 0x500u /* KDPC.Number: this plus the processor; less = wherever it is queued */

struct dpc_queue {
    struct ke_lock lock;
    uint32_t count;
    SINGLE_LIST_ENTRY *first;
    SINGLE_LIST_ENTRY **last; /* where the next one's address goes; NULL = &first */
} __attribute__((aligned(64)));

static struct dpc_queue queues[KE_MAX_PROCESSORS];

static struct dpc_queue *queue_of(PKDPC dpc)
{
    return (struct dpc_queue *)__atomic_load_n(&dpc->DpcData, __ATOMIC_ACQUIRE);
}

/* Under the queue's lock. */
static void link_dpc(struct dpc_queue *queue, PKDPC dpc)
{
    if (!queue->first)
        queue->last = &queue->first;
    if (dpc->Importance == HighImportance) {
        dpc->DpcListEntry.Next = queue->first;
        if (!queue->first)
            queue->last = &dpc->DpcListEntry.Next;
        queue->first = &dpc->DpcListEntry;
    } else {
        dpc->DpcListEntry.Next = NULL;
        *queue->last = &dpc->DpcListEntry;
        queue->last = &dpc->DpcListEntry.Next;
    }
    __atomic_store_n(&queue->count, queue->count + 1, __ATOMIC_RELAXED);
}

/* Under the queue's lock; the DPC is in it.  Its last touch is the store to DpcData. */
static void unlink_dpc(struct dpc_queue *queue, PKDPC dpc)
{
    SINGLE_LIST_ENTRY **link = &queue->first;

    while (*link != &dpc->DpcListEntry)
        link = &(*link)->Next;
    *link = dpc->DpcListEntry.Next;
    if (!*link)
        queue->last = link;
    __atomic_store_n(&queue->count, queue->count - 1, __ATOMIC_RELAXED);
    OBSERVE(dead, OBSERVE_DPC, dpc);
    OBSERVE(order, dpc, OBSERVE_ACQUIRE);
    __atomic_store_n(&dpc->DpcData, NULL, __ATOMIC_RELEASE);
}

BOOLEAN ke_queue_dpc(PKDPC dpc, PVOID argument1, PVOID argument2, void *caller)
{
    unsigned home = ke_home_processor(), count = ke_query_active_processor_count();
    unsigned processor = dpc->Number >= DPC_TARGETED ? (dpc->Number - DPC_TARGETED) % count : home;
    struct dpc_queue *queue = &queues[processor];
    struct ke_thread *thread = ke_current_thread();
    PVOID nowhere = NULL;

    ke_lock_acquire(&queue->lock);
    OBSERVE(order, dpc, OBSERVE_RELEASE); /* also when it is queued already: it will run after this */
    if (!__atomic_compare_exchange_n(&dpc->DpcData, &nowhere, queue, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        ke_lock_release(&queue->lock); /* K-DPC-01 */
        return FALSE;
    }
    dpc->SystemArgument1 = argument1;
    dpc->SystemArgument2 = argument2;
    OBSERVE(born, OBSERVE_DPC, dpc, (uint64_t)(ULONG_PTR)dpc->DeferredRoutine, 0, caller);
    link_dpc(queue, dpc);
    ke_lock_release(&queue->lock);
    /* The processor's own thread looks at the queue before it sleeps, and a thread that owns the processor for a
     * while before it gives it back (ke_run_own_dpcs).  In the simulator others shall be able to come first. */
    if ((int)processor != thread->processor || (!thread->is_processor && uwsk_points_enabled))
        ke_wake_processor(processor);
    return TRUE;
}

BOOLEAN ke_insert_queue_dpc(PRKDPC dpc, PVOID argument1, PVOID argument2)
{
    return ke_queue_dpc(dpc, argument1, argument2, __builtin_return_address(0));
}

BOOLEAN ke_remove_queue_dpc(PRKDPC dpc)
{
    struct dpc_queue *queue;

    while ((queue = queue_of(dpc)) != NULL) {
        ke_lock_acquire(&queue->lock);
        if (queue_of(dpc) == queue) { /* still in this one: it will not run (K-DPC-04) */
            unlink_dpc(queue, dpc);
            ke_lock_release(&queue->lock);
            return TRUE;
        }
        ke_lock_release(&queue->lock);
    }
    return FALSE;
}

/* Takes the first one off and runs it. */
static int run_one(struct dpc_queue *queue)
{
    struct ke_thread *thread = ke_current_thread();
    PKDEFERRED_ROUTINE routine;
    PVOID context, argument1, argument2;
    int apcs = thread->apc_disable, special = thread->special_apc_disable;
    PKDPC dpc;

    ke_lock_acquire(&queue->lock);
    if (!queue->first) {
        ke_lock_release(&queue->lock);
        return 0;
    }
    dpc = CONTAINING_RECORD(queue->first, KDPC, DpcListEntry);
    routine = dpc->DeferredRoutine;
    context = dpc->DeferredContext;
    argument1 = dpc->SystemArgument1;
    argument2 = dpc->SystemArgument2;
    unlink_dpc(queue, dpc);
    ke_lock_release(&queue->lock);

    thread->dpc_depth++;
    RTL_CALL(OBSERVE_DPC_ROUTINE, dpc, "KDEFERRED_ROUTINE", routine,
             routine(dpc, context, argument1, argument2));
    thread->dpc_depth--;
    if (thread->apc_disable != apcs) /* K-DPC-07 */
        ke_bug_check_ex(TIMER_OR_DPC_INVALID, 4, routine, thread->apc_disable, apcs);
    if (thread->special_apc_disable != special)
        ke_bug_check_ex(TIMER_OR_DPC_INVALID, 5, routine, thread->special_apc_disable, special);
    return 1;
}

int ke_run_dpcs(unsigned processor)
{
    struct dpc_queue *queue = &queues[processor];

    for (unsigned i = 0; i < DPCS_A_TURN; i++) {
        if (!__atomic_load_n(&queue->count, __ATOMIC_RELAXED) || !run_one(queue))
            return 0;
    }
    return __atomic_load_n(&queue->count, __ATOMIC_RELAXED) != 0;
}

/* The thread, no processor's own, is about to go below DISPATCH_LEVEL: what is queued on the processor that it owns
 * runs first, as in the interrupt that Windows has then (K-DPC-03), and no other thread need be woken for it. */
void ke_run_own_dpcs(struct ke_thread *thread)
{
    unsigned processor = (unsigned)thread->processor;

    if (__atomic_load_n(&queues[processor].count, __ATOMIC_RELAXED) && !thread->is_processor &&
        !uwsk_points_enabled && ke_running() && ke_run_dpcs(processor))
        ke_wake_processor(processor);
}

/* ---- flush -------------------------------------------------------------------------------------------- */

struct flush {
    uint32_t left; /* processors that have not come to our DPC yet: parking word */
    KDPC dpc[KE_MAX_PROCESSORS];
};

static VOID flush_routine(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct flush *flush = context;

    (void)dpc, (void)argument1, (void)argument2;
    OBSERVE(order, flush, OBSERVE_RELEASE); /* everything that this processor has run */
    if (__atomic_sub_fetch(&flush->left, 1, __ATOMIC_ACQ_REL) == 0)
        host_unpark(&flush->left, 1); /* names the address only: the waiter's stack may be gone */
}

/* Those of others will not run. Ours count as run: a thread waits for them. */
void ke_drop_dpcs(unsigned processor)
{
    struct dpc_queue *queue = &queues[processor];

    ke_lock_acquire(&queue->lock);
    while (queue->first) {
        PKDPC dpc = CONTAINING_RECORD(queue->first, KDPC, DpcListEntry);
        PKDEFERRED_ROUTINE routine = dpc->DeferredRoutine;
        PVOID context = dpc->DeferredContext;

        unlink_dpc(queue, dpc);
        if (routine == flush_routine)
            flush_routine(NULL, context, NULL, NULL);
    }
    ke_lock_release(&queue->lock);
}

/* One DPC of our own behind all others on every processor: when it runs, they have run to their end, because
 * a processor runs them one after the other (K-DPC-05). */
void ke_flush_queued_dpcs(void)
{
    unsigned count = ke_query_active_processor_count();
    struct flush flush;
    uint32_t left;

    if (!ke_running())
        return;
    ke_check_may_wait(NULL, NULL);
    flush.left = count;
    for (unsigned i = 0; i < count; i++) {
        ke_initialize_dpc(&flush.dpc[i], flush_routine, &flush);
        ke_set_target_processor_dpc(&flush.dpc[i], (CCHAR)i);
        ke_queue_dpc(&flush.dpc[i], NULL, NULL, (void *)flush_routine);
    }
    /* ke_stop says that nothing runs any more, then drops what is queued: what came too late for that is still
     * there now. */
    for (unsigned i = 0; i < count && !ke_running(); i++)
        if (ke_remove_queue_dpc(&flush.dpc[i]))
            flush_routine(NULL, &flush, NULL, NULL);
    while ((left = __atomic_load_n(&flush.left, __ATOMIC_ACQUIRE)) != 0)
        ke_park(&flush, &flush.left, left);
    OBSERVE(order, &flush, OBSERVE_ACQUIRE);
}

/* ---- settings ----------------------------------------------------------------------------------------- */

void ke_initialize_dpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context)
{
    dpc->Type = DpcObject;
    dpc->Importance = MediumImportance;
    dpc->Number = 0;
    dpc->DpcListEntry.Next = NULL;
    dpc->ProcessorHistory = 0;
    dpc->DeferredRoutine = routine;
    dpc->DeferredContext = context;
    dpc->SystemArgument1 = NULL;
    dpc->SystemArgument2 = NULL;
    __atomic_store_n(&dpc->DpcData, NULL, __ATOMIC_RELEASE);
}

void ke_initialize_threaded_dpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context)
{
    ke_initialize_dpc(dpc, routine,
                      context); /* may run as an ordinary one, as with the feature switched off */
    dpc->Type = ThreadedDpcObject;
}

void ke_set_importance_dpc(PRKDPC dpc, KDPC_IMPORTANCE importance)
{
    dpc->Importance = (UCHAR)importance;
}

void ke_set_target_processor_dpc(PRKDPC dpc, CCHAR number)
{
    dpc->Number = (USHORT)(DPC_TARGETED + (UCHAR)number);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes *Dpc ready to be queued: Routine(Dpc, Context, argument1, argument2) at DISPATCH_LEVEL.  Any IRQL.
 * (wdm KeInitializeDpc) */
VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    ke_initialize_dpc(Dpc, DeferredRoutine, DeferredContext);
}

/* The same; runs as an ordinary DPC.  (wdm KeInitializeThreadedDpc) */
VOID KeInitializeThreadedDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    ke_initialize_threaded_dpc(Dpc, DeferredRoutine, DeferredContext);
}

/* TRUE = queued; FALSE = was queued already, nothing changes.  Any IRQL.  (wdm KeInsertQueueDpc) */
BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    return ke_queue_dpc(Dpc, SystemArgument1, SystemArgument2, __builtin_return_address(0));
}

/* TRUE = it was queued and will not run.  Any IRQL.  (wdm KeRemoveQueueDpc) */
BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
    return ke_remove_queue_dpc(Dpc);
}

/* Returns when all DPCs queued before have run.  PASSIVE_LEVEL.  (wdm KeFlushQueuedDpcs) */
VOID KeFlushQueuedDpcs(VOID)
{
    ke_flush_queued_dpcs();
}

/* HighImportance goes to the front of the queue.  (wdm KeSetImportanceDpc) */
VOID KeSetImportanceDpc(PRKDPC Dpc, KDPC_IMPORTANCE Importance)
{
    ke_set_importance_dpc(Dpc, Importance);
}

/* The processor whose thread runs it, while it is not queued.  (wdm KeSetTargetProcessorDpc) */
VOID KeSetTargetProcessorDpc(PRKDPC Dpc, CCHAR Number)
{
    ke_set_target_processor_dpc(Dpc, Number);
}

/* The same by group and number; there is one group.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER.
 * (wdm KeSetTargetProcessorDpcEx) */
NTSTATUS KeSetTargetProcessorDpcEx(PKDPC Dpc, PPROCESSOR_NUMBER ProcNumber)
{
    if (ProcNumber->Group != 0 || ProcNumber->Number >= ke_query_active_processor_count() ||
        ProcNumber->Reserved != 0)
        return STATUS_INVALID_PARAMETER;
    ke_set_target_processor_dpc(Dpc, (CCHAR)ProcNumber->Number);
    return STATUS_SUCCESS;
}
