/*
 * dispatcher.c - the one lock of all dispatcher objects, and how waiters are let go.
 *
 * D-09.  An event may lie on a stack that dies the instant its waiter runs on.  So
 *   - the setter does all it has to do with objects and wait lists under the dispatcher lock, and collects
 * the threads that are let go in a list that runs through their thread objects;
 *   - only after it has unlocked does it tell these threads (thread->wait_word), and touches nothing but
 * them; on a single processor (ke_wakes_wait) only when it gives that back;
 *   - nobody learns of a state change without the dispatcher lock: a thread that takes an object without
 * waiting, the KeReadState functions, a wait that times out. A thread that has been told may leave at once,
 * without the lock.
 *
 * Groups.  Where those that are let go are told when the processor is given back, many may have to be told at once.
 * A call of the host for each would cost more than that: each of them takes the CPU from the one that tells, which must get
 * it back to tell the next.  So there 32 threads each park on one word that counts, and a call lets any of them go.  A
 * waiter reads the count, then its wait_word, then parks on the count; who tells sets wait_word, counts, then unparks:
 * either the waiter sees that it was let go, or the count has changed, or it is parked and is unparked.  Threads whose
 * numbers are 2,048 apart share a bit: the one that was not meant looks at its wait_word and parks again.
 */
#include "nt/ke/internal.h"

#define GROUPS        64u
#define GROUP_THREADS 32u

static struct ke_lock dispatcher_lock;

static uint32_t groups[GROUPS]; /* counts of tellings: parking words */

/* A counted lock, though nobody waits or raises under it: objects are the driver's memory, and a fault in
 * them must not be caught by a __try that would leave the lock held (seh.c). */
void ke_lock_dispatcher(void)
{
    ke_lock_acquire(&dispatcher_lock);
}

static unsigned group_of(const struct ke_thread *thread)
{
    return (unsigned)(thread->id / GROUP_THREADS % GROUPS);
}

uint32_t ke_park_set(const struct ke_thread *thread)
{
    return __atomic_load_n(&ke_wakes_wait, __ATOMIC_RELAXED) ? 1u << thread->id % GROUP_THREADS : 0;
}

void ke_park_in_wait(struct ke_thread *thread, uint64_t deadline_ns)
{
    uint32_t *group = &groups[group_of(thread)];
    uint32_t count;

    if (!thread->parks_among) {
        host_park(&thread->wait_word, 0, deadline_ns);
        return;
    }
    count = __atomic_load_n(group, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&thread->wait_word, __ATOMIC_SEQ_CST))
        host_park_set(group, count, deadline_ns, thread->parks_among);
}

static void tell(struct ke_thread *ready)
{
    uint32_t sets[GROUPS]; /* whom, of the groups in this mask */
    uint64_t touched = 0;

    while (ready) {
        struct ke_thread *thread = ready;
        unsigned group = group_of(thread);
        uint32_t set = thread->parks_among;

        ready = thread->ready_next; /* the thread may be gone after the store */
        host_point(HOST_POINT_WAKE, thread);
        __atomic_store_n(&thread->wait_word, 1, __ATOMIC_SEQ_CST);
        if (!set) {
            host_unpark(&thread->wait_word, 1);
            continue;
        }
        sets[group] = touched >> group & 1 ? sets[group] | set : set;
        touched |= 1ull << group;
    }
    for (; touched; touched &= touched - 1) {
        unsigned group = (unsigned)__builtin_ctzll(touched);

        __atomic_fetch_add(&groups[group], 1, __ATOMIC_SEQ_CST);
        host_unpark_set(&groups[group], sets[group]);
    }
}

void ke_unlock_dispatcher(struct ke_thread *ready)
{
    struct ke_thread *self;

    ke_lock_release(&dispatcher_lock);
    if (!ready)
        return;
    self = ke_current_thread();
    if (!__atomic_load_n(&ke_wakes_wait, __ATOMIC_RELAXED) || self->processor == KE_NO_PROCESSOR) {
        tell(ready);
        return;
    }
    while (ready) {
        struct ke_thread *thread = ready;

        ready = thread->ready_next;
        thread->ready_next = self->to_wake;
        self->to_wake = thread;
    }
}

void ke_tell_waiting(struct ke_thread *thread)
{
    struct ke_thread *ready = thread->to_wake;

    thread->to_wake = NULL;
    tell(ready);
}

void ke_initialize_header(DISPATCHER_HEADER *object, UCHAR type, size_t bytes, LONG state)
{
    object->Type = type;
    object->Size = (UCHAR)(bytes / sizeof(LONG));
    object->SignalState = state;
    object->WaitListHead.Flink = object->WaitListHead.Blink = &object->WaitListHead;
}

int ke_is_signalled(const DISPATCHER_HEADER *object, const struct ke_thread *thread)
{
    if (object->SignalState > 0)
        return 1;
    return object->Type == MutantObject && ((const KMUTANT *)object)->OwnerThread == (PKTHREAD)thread;
}

void ke_consume(DISPATCHER_HEADER *object, struct ke_thread *thread)
{
    switch (object->Type) {
    case EventSynchronizationObject:
    case TimerSynchronizationObject:
        object->SignalState = 0;
        break;
    case SemaphoreObject:
        object->SignalState--;
        break;
    case MutantObject: {
        KMUTANT *mutex = (KMUTANT *)object;

        if (--object->SignalState == 0) { /* the first of possibly many (K-MUTEX-03) */
            mutex->OwnerThread = (PKTHREAD)thread;
            thread->mutexes_held++;
            thread->apc_disable += mutex->ApcDisable;
        }
        break;
    }
    default: /* notification objects stay as they are */
        break;
    }
}

void ke_unlink_wait(struct ke_wait *wait)
{
    for (unsigned i = 0; i < wait->count; i++) {
        LIST_ENTRY *entry = &wait->blocks[i].entry;

        entry->Blink->Flink = entry->Flink;
        entry->Flink->Blink = entry->Blink;
    }
    wait->thread->wait = NULL;
}

static int all_signalled(const struct ke_wait *wait)
{
    for (unsigned i = 0; i < wait->count; i++) {
        if (!ke_is_signalled(wait->blocks[i].object, wait->thread))
            return 0;
    }
    return 1;
}

void ke_test_waiters(DISPATCHER_HEADER *object, struct ke_thread **ready)
{
    LIST_ENTRY *entry = object->WaitListHead.Flink;

    while (entry != &object->WaitListHead) {
        struct ke_wait_block *block = (struct ke_wait_block *)entry;
        struct ke_wait *wait = block->wait;
        struct ke_thread *thread = wait->thread;

        if (!ke_is_signalled(object, thread))
            break; /* taken by an earlier waiter, or never free for this one */
        if (wait->type == WaitAll && !all_signalled(wait)) {
            entry = entry->Flink;
            continue;
        }
        for (unsigned i = 0; wait->type == WaitAll && i < wait->count; i++)
            OBSERVE(order, wait->blocks[i].object, OBSERVE_ACQUIRE);
        OBSERVE(order, object, OBSERVE_ACQUIRE);
        OBSERVE(order, &thread->wait_word, OBSERVE_RELEASE); /* on to the waiter */
        if (wait->type == WaitAll) { /* takes all of them together, or none (K-WAIT-05) */
            for (unsigned i = 0; i < wait->count; i++)
                ke_consume(wait->blocks[i].object, thread);
            thread->wait_status = STATUS_SUCCESS;
        } else {
            ke_consume(object, thread);
            thread->wait_status = STATUS_WAIT_0 + (NTSTATUS)(block - wait->blocks);
        }
        ke_unlink_wait(wait);
        thread->ready_next = *ready;
        *ready = thread;
        entry = object->WaitListHead.Flink; /* several blocks of the list may be gone */
    }
}
