/*
 * wait.c - waiting for dispatcher objects, and for time to pass.
 */
#include "nt/ke/internal.h"

/* ---- deadlines ---------------------------------------------------------------------------------------- */

void ke_make_deadline(struct ke_deadline *deadline, const LARGE_INTEGER *timeout)
{
    deadline->absolute = 0;
    deadline->wall = 0;
    deadline->monotonic = HOST_FOREVER;
    if (!timeout)
        return;
    if (timeout->QuadPart > 0) { /* K-WAIT-01: since 1601 */
        deadline->absolute = 1;
        deadline->wall = (uint64_t)timeout->QuadPart;
    } else { /* relative; times beyond 500 years never come */
        uint64_t units = 0 - (uint64_t)timeout->QuadPart;
        uint64_t now = host_now();

        if (units < (HOST_FOREVER - now) / 100)
            deadline->monotonic = now + units * 100;
    }
}

int ke_deadline_passed(const struct ke_deadline *deadline)
{
    if (deadline->absolute)
        return host_wall() >= deadline->wall;
    return deadline->monotonic != HOST_FOREVER && host_now() >= deadline->monotonic;
}

uint64_t ke_deadline_park(const struct ke_deadline *deadline)
{
    uint64_t wall, left;

    if (!deadline->absolute)
        return deadline->monotonic;
    /* K-WAIT-02: the clock may be set meanwhile, so look again soon. */
    wall = host_wall();
    left = wall < deadline->wall ? deadline->wall - wall : 0;
    return host_now() + (left < KE_CLOCK_SLICE / 100 ? left * 100 : KE_CLOCK_SLICE);
}

/* ---- parking ------------------------------------------------------------------------------------------ */

void ke_check_may_wait(PVOID object, PLARGE_INTEGER timeout)
{
    struct ke_thread *thread = ke_current_thread();
    KIRQL irql = thread->irql;

    if (__builtin_expect(irql < DISPATCH_LEVEL, 1)) {
        KE_ASSERT(thread->internal_locks == 0 && !thread->is_processor);
        return;
    }
    if (thread->dpc_depth) /* K-WAIT-09: there is no thread to switch to that we could name */
        ke_bug_check_ex(ATTEMPTED_SWITCH_FROM_DPC, thread, 0, __builtin_frame_address(0), 0);
    /* K-WAIT-07 */
    ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION,
                    irql > DISPATCH_LEVEL ? 0x120
                    : timeout             ? 0x122
                                          : 0x121,
                    &irql, object, timeout);
}

void ke_park(const volatile void *object, const volatile uint32_t *word, uint32_t expected)
{
    struct ke_thread *thread = ke_current_thread();

    __atomic_store_n(&thread->waits_since, host_now(), __ATOMIC_RELAXED);
    __atomic_store_n(&thread->waits_for, object, __ATOMIC_RELAXED);
    host_park(word, expected, HOST_FOREVER);
    __atomic_store_n(&thread->waits_for, NULL, __ATOMIC_RELAXED);
}

/* Sleeps until the dispatcher lets the thread go, or the deadline has passed and it did not. */
static NTSTATUS park_until_ready(struct ke_thread *thread, const struct ke_deadline *deadline)
{
    while (!__atomic_load_n(&thread->wait_word, __ATOMIC_ACQUIRE)) {
        ke_park_in_wait(thread, ke_deadline_park(deadline));
        if (__atomic_load_n(&thread->wait_word, __ATOMIC_ACQUIRE) || !ke_deadline_passed(deadline))
            continue;
        ke_lock_dispatcher();
        if (thread->wait) { /* nobody was faster */
            ke_unlink_wait(thread->wait);
            ke_unlock_dispatcher(NULL);
            return STATUS_TIMEOUT;
        }
        ke_unlock_dispatcher(NULL);
        /* Let go already, the word follows at once. */
        while (!__atomic_load_n(&thread->wait_word, __ATOMIC_ACQUIRE))
            ke_park_in_wait(thread, HOST_FOREVER);
    }
    OBSERVE(order, &thread->wait_word, OBSERVE_ACQUIRE);
    return thread->wait_status;
}

/* ---- waiting for objects ------------------------------------------------------------------------------ */

/* Under the lock: an object that was never initialised would take the whole dispatcher down with it
 * (K-WAIT-10). */
static void check_objects(ULONG count, PVOID objects[])
{
    for (ULONG i = 0; i < count; i++) {
        const DISPATCHER_HEADER *object = objects[i];

        if (object->Type > TimerSynchronizationObject || !object->WaitListHead.Flink ||
            !object->WaitListHead.Blink) {
            ke_unlock_dispatcher(NULL);
            ke_bug_check_ex(KERNEL_SECURITY_CHECK_FAILURE, FAST_FAIL_CORRUPT_LIST_ENTRY, object, 0, 0);
        }
    }
}

/* Takes what is wanted if it is there, under the lock. */
static int take_now(struct ke_thread *thread, ULONG count, PVOID objects[], WAIT_TYPE type, NTSTATUS *status)
{
    for (ULONG i = 0; i < count; i++) {
        int signalled = ke_is_signalled(objects[i], thread);

        if (type == WaitAny && signalled) {
            ke_consume(objects[i], thread);
            OBSERVE(order, objects[i], OBSERVE_ACQUIRE);
            *status = STATUS_WAIT_0 + (NTSTATUS)i;
            return 1;
        }
        if (type == WaitAll && !signalled)
            return 0;
    }
    if (type == WaitAny)
        return 0;
    for (ULONG i = 0; i < count; i++) {
        ke_consume(objects[i], thread);
        OBSERVE(order, objects[i], OBSERVE_ACQUIRE);
    }
    *status = STATUS_SUCCESS;
    return 1;
}

/* Under the lock: puts the thread on the list of every object. */
static void enlist(struct ke_thread *thread, struct ke_wait *wait, PVOID objects[])
{
    for (unsigned i = 0; i < wait->count; i++) {
        struct ke_wait_block *block = &wait->blocks[i];
        LIST_ENTRY *head;

        block->wait = wait;
        block->object = objects[i];
        head = &block->object->WaitListHead;
        block->entry.Flink = head;
        block->entry.Blink = head->Blink;
        head->Blink->Flink = &block->entry;
        head->Blink = &block->entry;
    }
    thread->wait = wait;
    thread->parks_among = ke_park_set(thread);
    __atomic_store_n(&thread->wait_word, 0, __ATOMIC_RELAXED);
}

static NTSTATUS wait_for(ULONG count, PVOID objects[], WAIT_TYPE type, PLARGE_INTEGER timeout)
{
    struct ke_thread *thread = ke_current_thread();
    struct ke_wait_block blocks[count];
    struct ke_wait wait = {.thread = thread, .type = type, .count = count, .blocks = blocks};
    struct ke_deadline deadline;
    int poll = timeout && timeout->QuadPart == 0;
    NTSTATUS status = STATUS_TIMEOUT;

    if (!poll || thread->irql > DISPATCH_LEVEL) /* K-WAIT-08: polling is allowed at DISPATCH_LEVEL */
        ke_check_may_wait(objects[0], timeout);
    ke_make_deadline(&deadline, timeout);
    host_point(HOST_POINT_WAIT, objects[0]);
    ke_lock_dispatcher();
    check_objects(count, objects);
    if (take_now(thread, count, objects, type, &status) || poll) {
        ke_unlock_dispatcher(NULL);
        return status;
    }
    __atomic_store_n(&thread->waits_since, host_now(), __ATOMIC_RELAXED);
    __atomic_store_n(&thread->waits_for, objects[0], __ATOMIC_RELAXED);
    enlist(thread, &wait, objects);
    ke_unlock_dispatcher(NULL);
    status = park_until_ready(thread, &deadline);
    __atomic_store_n(&thread->waits_for, NULL, __ATOMIC_RELAXED);
    return status;
}

NTSTATUS ke_wait_for_single_object(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                                   PLARGE_INTEGER timeout)
{
    (void)reason, (void)mode, (void)alertable; /* no alerts, no user APCs: K-WAIT-12 */
    return wait_for(1, &object, WaitAny, timeout);
}

NTSTATUS ke_wait_for_multiple_objects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                      KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                      PKWAIT_BLOCK wait_blocks)
{
    (void)reason, (void)mode, (void)alertable;
    if (count > (wait_blocks ? MAXIMUM_WAIT_OBJECTS : THREAD_WAIT_OBJECTS)) /* K-WAIT-06 */
        ke_bug_check_ex(MAXIMUM_WAIT_OBJECTS_EXCEEDED, 0, 0, 0, 0);
    if (count == 0)
        return STATUS_INVALID_PARAMETER_1;
    return wait_for(count, objects, type, timeout);
}

NTSTATUS ke_delay_execution_thread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval)
{
    struct ke_thread *thread = ke_current_thread();
    struct ke_deadline deadline;
    uint32_t never = 0;

    (void)mode, (void)alertable;
    ke_check_may_wait(NULL, interval); /* K-WAIT-14 */
    ke_make_deadline(&deadline, interval);
    host_point(HOST_POINT_WAIT, NULL);
    if (ke_deadline_passed(&deadline))
        host_yield();
    __atomic_store_n(&thread->waits_since, host_now(), __ATOMIC_RELAXED);
    __atomic_store_n(&thread->waits_for, interval, __ATOMIC_RELAXED);
    while (!ke_deadline_passed(&deadline))
        host_park(&never, 0, ke_deadline_park(&deadline));
    __atomic_store_n(&thread->waits_for, NULL, __ATOMIC_RELAXED);
    return STATUS_SUCCESS;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Waits for one object.  Timeout in 100 ns units, negative = relative, NULL = for ever, zero = only look.
 * IRQL <= APC_LEVEL, with a zero timeout <= DISPATCH_LEVEL.  STATUS_SUCCESS, STATUS_TIMEOUT.
 * (wdm KeWaitForSingleObject) */
NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode,
                               BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    return ke_wait_for_single_object(Object, WaitReason, WaitMode, Alertable, Timeout);
}

/* Waits for any (STATUS_WAIT_0 + index) or all (STATUS_SUCCESS) of Count objects; up to 3 without
 * WaitBlockArray, 64 with it.  Otherwise like KeWaitForSingleObject.  (wdm KeWaitForMultipleObjects) */
NTSTATUS KeWaitForMultipleObjects(ULONG Count, PVOID Object[], WAIT_TYPE WaitType, KWAIT_REASON WaitReason,
                                  KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Timeout,
                                  PKWAIT_BLOCK WaitBlockArray)
{
    return ke_wait_for_multiple_objects(Count, Object, WaitType, WaitReason, WaitMode, Alertable, Timeout,
                                        WaitBlockArray);
}

/* Sleeps for (negative) or until (positive) Interval, in 100 ns units.  IRQL <= APC_LEVEL.
 * (wdm KeDelayExecutionThread) */
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    return ke_delay_execution_thread(WaitMode, Alertable, Interval);
}
