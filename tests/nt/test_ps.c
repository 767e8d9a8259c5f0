/*
 * test_ps.c - system threads, counted objects, handles.
 */
#include "ke_test.h"

#include <ntifs.h>
#include <string.h>

static KEVENT go;
static struct ke_thread *seen;
static uint32_t count;

static VOID look_around(PVOID context)
{
    EXPECT(context == &count);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(KeAreApcsDisabled()); /* inside a critical region */
    seen = ke_current_thread();
    EXPECT((PVOID)PsGetCurrentThread() == (PVOID)KeGetCurrentThread());
    EXPECT_STATUS(KeWaitForSingleObject(&go, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    PsTerminateSystemThread(STATUS_UNSUCCESSFUL);
    uwsk_test_fail(__FILE__, __LINE__, "PsTerminateSystemThread returned");
}

TEST(system_thread, "K-THREAD-01 K-THREAD-02 K-THREAD-03 D-23")
{
    LARGE_INTEGER soon = after(MS(20));
    CLIENT_ID id;
    HANDLE handle;
    PVOID object;

    KeInitializeEvent(&go, NotificationEvent, FALSE);
    EXPECT_STATUS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, &id, look_around, &count),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &object, NULL),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(handle), STATUS_INVALID_HANDLE);
    EXPECT(PsGetThreadId(object) == id.UniqueThread);
    EXPECT(PsGetThreadId(object) != PsGetCurrentThreadId());
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &soon), STATUS_TIMEOUT);
    KeSetEvent(&go, 0, FALSE);
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    EXPECT((PVOID)seen == object);
    EXPECT_STATUS(((struct ke_thread *)object)->exit_status, STATUS_UNSUCCESSFUL);
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL),
                  STATUS_SUCCESS);            /* stays */
    EXPECT(ObDereferenceObject(object) <= 1); /* the thread's own reference goes after the signal */
    EXPECT_EQ(ob_handle_count(), 0);
}

static VOID just_return(PVOID context)
{
    __atomic_fetch_add((uint32_t *)context, 1, __ATOMIC_RELAXED);
}

static ULONG_PTR __attribute__((noinline)) deeper(void)
{
    char room[16384];
    ULONG_PTR left;

    __asm__ volatile("" : : "r"(room) : "memory"); /* else it is not there */
    left = IoGetRemainingStackSize();
    __asm__ volatile("" : : "r"(room) : "memory");
    return left;
}

static VOID look_at_stack(PVOID context)
{
    ULONG_PTR low, high, here = (ULONG_PTR)__builtin_frame_address(0), left = IoGetRemainingStackSize();

    IoGetStackLimits(&low, &high);
    EXPECT(low < here && here < high);
    EXPECT(left < here - low && left + 4096 > here - low);
    EXPECT(deeper() + 16384 <= left);
    *(BOOLEAN *)context = TRUE;
}

static USHORT __attribute__((noinline)) capture(ULONG skip, ULONG most, PVOID *trace, ULONG *hash)
{
    USHORT count = RtlCaptureStackBackTrace(skip, most, trace, hash);

    __asm__ volatile("" : : : "memory"); /* no tail call */
    return count;
}

TEST(a_trace_begins_with_the_caller, "")
{
    PVOID trace[8], again[8];
    ULONG hash[3];
    USHORT count = 0;
    volatile int twice = 2;

    for (int i = 0; i < twice; i++) /* from one place */
        count = capture(0, RTL_NUMBER_OF(trace), i ? again : trace, &hash[i]);
    EXPECT(count >= 2 && count <= RTL_NUMBER_OF(trace));
    EXPECT(!memcmp(trace, again, count * sizeof *trace) && hash[0] == hash[1]);
    EXPECT((ULONG_PTR)trace[0] > (ULONG_PTR)capture && (ULONG_PTR)trace[0] < (ULONG_PTR)capture + 256);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(capture(i, 1, &again[i], &hash[2]), 1);
    EXPECT(again[0] == trace[0] && again[1] != trace[0] && hash[2] != hash[0]);
    EXPECT_EQ(capture(1000, 8, again, NULL), 0);
    EXPECT_EQ(capture(0, 0, again, NULL), 0);
}

TEST(stack_limits, "")
{
    BOOLEAN looked = FALSE;
    HANDLE handle;
    PVOID object;

    EXPECT_STATUS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, look_at_stack, &looked),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &object, NULL),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ObDereferenceObject(object);
    EXPECT(looked);
}

TEST(threads_are_waitable_together, "D-23 K-THREAD-03")
{
    PVOID objects[8];
    KWAIT_BLOCK blocks[8];
    HANDLE handles[8];

    for (int i = 0; i < 8; i++) {
        EXPECT_STATUS(PsCreateSystemThread(&handles[i], 0, NULL, NULL, NULL, just_return, &count),
                      STATUS_SUCCESS);
        EXPECT_STATUS(
            ObReferenceObjectByHandle(handles[i], SYNCHRONIZE, *PsThreadType, KernelMode, &objects[i], NULL),
            STATUS_SUCCESS);
    }
    EXPECT_STATUS(KeWaitForMultipleObjects(8, objects, WaitAll, Executive, KernelMode, FALSE, NULL, blocks),
                  STATUS_SUCCESS);
    EXPECT_EQ(count, 8);
    for (int i = 0; i < 8; i++) {
        EXPECT_STATUS(ZwWaitForSingleObject(handles[i], FALSE, NULL), STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(handles[i]), STATUS_SUCCESS);
        ObDereferenceObject(objects[i]);
    }
}

/* Thousands of them: no thread object, handle or list entry is left behind. */
static void count_threads(void *context, const struct ke_thread *thread)
{
    (void)thread;
    ++*(int *)context;
}

TEST(threads_leave_nothing_behind, "K-THREAD-03 D-23")
{
    int before = 0, later;

    (void)ke_current_thread();
    ke_each_thread(count_threads, &before);
    for (long i = 0; i < test_scale(5000); i++) {
        HANDLE handle;

        EXPECT_STATUS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, just_return, &count),
                      STATUS_SUCCESS);
        EXPECT_STATUS(ZwWaitForSingleObject(handle, FALSE, NULL), STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
    }
    EXPECT_SOON((later = 0, ke_each_thread(count_threads, &later), later == before));
    EXPECT_EQ(ob_handle_count(), 0);
}

TEST(handles, "D-23")
{
    HANDLE handles[200];
    PVOID event = ob_create_object(&ob_event_type, sizeof(KEVENT)), object;

    KeInitializeEvent(event, NotificationEvent, FALSE);
    for (int i = 0; i < 200; i++) { /* the table grows */
        EXPECT_STATUS(ob_open_handle(event, &handles[i]), STATUS_SUCCESS);
        for (int j = 0; j < i; j++)
            EXPECT(handles[j] != handles[i]);
    }
    EXPECT_EQ(ob_reference_count(event), 201);
    EXPECT_STATUS(ObReferenceObjectByHandle(handles[7], 0, *PsThreadType, KernelMode, &object, NULL),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT(object == NULL);
    EXPECT_STATUS(ObReferenceObjectByHandle(NULL, 0, NULL, KernelMode, &object, NULL), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(ObReferenceObjectByHandle((HANDLE)(LONG_PTR)3, 0, NULL, KernelMode, &object, NULL),
                  STATUS_INVALID_HANDLE);
    EXPECT_STATUS(ObReferenceObjectByHandle(NtCurrentThread(), 0, *PsThreadType, KernelMode, &object, NULL),
                  STATUS_SUCCESS);
    EXPECT(object == (PVOID)PsGetCurrentThread());
    ObDereferenceObject(object);
    EXPECT_STATUS(ObReferenceObjectByPointer(event, 0, *PsThreadType, KernelMode),
                  STATUS_OBJECT_TYPE_MISMATCH);
    for (int i = 0; i < 200; i++)
        EXPECT_STATUS(ZwClose(handles[i]), STATUS_SUCCESS);
    EXPECT_EQ(ObDereferenceObject(event), 0);
    EXPECT((PVOID)PsGetCurrentProcess() != NULL);
    EXPECT_EQ((ULONG_PTR)PsGetCurrentProcessId(), 4);
}

static int refuse_threads(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_THREAD;
}

TEST(thread_creation_may_fail, "K-THREAD-01")
{
    HANDLE handle;

    host_set_fault_plan(refuse_threads, NULL);
    EXPECT_STATUS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, just_return, &count),
                  STATUS_INSUFFICIENT_RESOURCES);
    host_set_fault_plan(NULL, NULL);
    EXPECT_EQ(ob_handle_count(), 0);
    EXPECT_STATUS(PsTerminateSystemThread(STATUS_SUCCESS),
                  STATUS_INVALID_PARAMETER); /* this is no system thread */
}

TEST(priority_is_remembered, "K-THREAD-01")
{
    EXPECT_EQ(KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY), 8);
    EXPECT_EQ(KeQueryPriorityThread(KeGetCurrentThread()), LOW_REALTIME_PRIORITY);
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

static KSPIN_LOCK lock;

static VOID end_raised(PVOID context)
{
    (void)context;
    (void)KeRaiseIrqlToDpcLevel();
}

BUG_TEST(thread_ends_raised, "K-THREAD-05 K-IRQL-08", IRQL_UNEXPECTED_VALUE,
         DISPATCH_LEVEL << 16 | PASSIVE_LEVEL << 8 | OBSERVE_THREAD_ROUTINE)
{
    HANDLE handle;

    EXPECT_STATUS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, end_raised, NULL), STATUS_SUCCESS);
}

static VOID end_with_lock(PVOID context)
{
    KIRQL old;

    (void)context;
    KeAcquireSpinLock(&lock, &old);
    KeLowerIrql(old);
}

BUG_TEST(thread_ends_with_a_lock, "K-SPIN-10", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x100A)
{
    HANDLE handle;

    EXPECT_STATUS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, end_with_lock, NULL), STATUS_SUCCESS);
}

BUG_TEST(reference_to_what_is_no_object, "", REFERENCE_BY_POINTER, 0)
{
    static ULONGLONG nothing[16];

    ObReferenceObject(&nothing[8]);
}
