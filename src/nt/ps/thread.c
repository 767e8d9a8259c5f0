/*
 * thread.c - system threads.
 *
 * The thread object has a reference of its own while the thread lives and one for each handle.  It is
 * signalled when the thread has left the driver's code for good (K-THREAD-03): then that code may be
 * unloaded.
 */
#include "nt/ps/ps.h"
#include "nt/ob/ob.h"
#include "nt/ke/internal.h"

static POBJECT_TYPE thread_type = (POBJECT_TYPE)&ob_thread_type;
POBJECT_TYPE *PsThreadType = &thread_type;

static HANDLE thread_id(const struct ke_thread *thread)
{
    return (HANDLE)(ULONG_PTR)(thread->id * 4);
}

/* Tells the observers that the routines still on the thread's stack are over: nothing returns into them.  The
 * thread has died before: who finds none of a driver's routines running finds none of its threads, either. */
static void leave_frames(struct ke_thread *thread)
{
    for (struct rtl_frame *frame = thread->frames; frame; frame = frame->previous) {
        OBSERVE(leave, frame->call, frame->subject, frame->status);
        rtl_routine_ends(thread);
    }
    thread->frames = NULL;
}

static void end_now(struct ke_thread *thread, NTSTATUS status) __attribute__((noreturn));
static void end_now(struct ke_thread *thread, NTSTATUS status)
{
    OBSERVE(dead, OBSERVE_THREAD, thread);
    leave_frames(thread);
    if (thread->apc_disable > 0)
        thread->apc_disable--; /* the one it was started with */
    thread->exit_status = status;
    host_thread_exit(); /* its hook ends the thread object */
}

static void system_thread_main(void *argument)
{
    struct ke_thread *thread = argument;
    struct rtl_frame frame;

    ke_bind_thread(thread, host_self());
    OBSERVE(order, thread, OBSERVE_ACQUIRE);
    thread->apc_disable = 1; /* K-THREAD-01 */
    rtl_frame_enter(&frame, OBSERVE_THREAD_ROUTINE, thread, "KSTART_ROUTINE", (void *)thread->start_routine);
    thread->start_routine(thread->start_context);
    if (thread->irql != frame.irql)
        rtl_frame_bad_irql(&frame);
    end_now(thread, STATUS_SUCCESS); /* D-23: returning is as good as PsTerminateSystemThread */
}

static void runtime_thread_main(void *argument)
{
    struct ke_thread *thread = argument;

    ke_bind_thread(thread, host_self());
    OBSERVE(order, thread, OBSERVE_ACQUIRE);
    thread->start_routine(thread->start_context);
}

/* A thread object with one reference for the caller beside the thread's own; it does not run yet. */
static struct ke_thread *prepare(const char *name, PKSTART_ROUTINE routine, PVOID context)
{
    struct ke_thread *thread = host_fault(HOST_FAULT_THREAD) ? NULL : ke_create_thread(name);

    if (thread) {
        thread->start_routine = routine;
        thread->start_context = context;
        OBSERVE(order, thread, OBSERVE_RELEASE);
        ob_reference_object(thread);
    }
    return thread;
}

static NTSTATUS create(PHANDLE handle, PCLIENT_ID client_id, PKSTART_ROUTINE routine, PVOID context,
                       void *caller)
{
    struct ke_thread *thread;
    NTSTATUS status;

    *handle = NULL; /* an exception comes here, where nothing is held */
    if (client_id)
        *client_id = (CLIENT_ID){NULL, NULL};
    thread = prepare("system thread", routine, context);
    if (!thread)
        return STATUS_INSUFFICIENT_RESOURCES;
    thread->is_system = 1;
    status = ob_open_handle(thread, handle);
    if (NT_SUCCESS(status)) {
        if (client_id) {
            client_id->UniqueProcess = (HANDLE)(ULONG_PTR)PS_SYSTEM_PROCESS_ID;
            client_id->UniqueThread = thread_id(thread);
        }
        OBSERVE(born, OBSERVE_THREAD_HANDLE, thread, (uint64_t)(ULONG_PTR)routine, 0, caller);
        OBSERVE(born, OBSERVE_THREAD, thread, (uint64_t)(ULONG_PTR)routine, 0, caller);
        if (host_thread_start(system_thread_main, thread, thread->name, 0) == 0)
            goto out;
        OBSERVE(dead, OBSERVE_THREAD, thread);
        ob_close_handle(*handle);
        *handle = NULL;
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    ob_dereference_object(thread); /* the thread's own */
out:
    ob_dereference_object(thread);
    return status;
}

NTSTATUS ps_create_system_thread(PHANDLE handle, ULONG access, POBJECT_ATTRIBUTES attributes, HANDLE process,
                                 PCLIENT_ID client_id, PKSTART_ROUTINE routine, PVOID context)
{
    (void)access, (void)attributes, (void)process;
    return create(handle, client_id, routine, context, __builtin_return_address(0));
}

NTSTATUS ps_create_runtime_thread(const char *name, PKSTART_ROUTINE routine, PVOID context,
                                  struct ke_thread **out)
{
    struct ke_thread *thread = prepare(name, routine, context);

    if (!thread)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (host_thread_start(runtime_thread_main, thread, thread->name, 0) != 0) {
        ob_dereference_object(thread);
        ob_dereference_object(thread);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (out)
        *out = thread;
    else
        ob_dereference_object(thread);
    return STATUS_SUCCESS;
}

NTSTATUS ps_terminate_system_thread(NTSTATUS status)
{
    struct ke_thread *thread = ke_current_thread();

    if (!thread->is_system)
        return STATUS_INVALID_PARAMETER;
    end_now(thread, status); /* K-THREAD-02 */
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Starts StartRoutine(StartContext) on a new thread at PASSIVE_LEVEL inside a critical region.  *ThreadHandle
 * is the caller's, for ZwClose.  Attributes and process are not looked at.  PASSIVE_LEVEL. STATUS_SUCCESS,
 * STATUS_INSUFFICIENT_RESOURCES.  (wdm PsCreateSystemThread) */
NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                              HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext)
{
    (void)DesiredAccess, (void)ObjectAttributes, (void)ProcessHandle;
    return create(ThreadHandle, ClientId, StartRoutine, StartContext, __builtin_return_address(0));
}

/* Ends the calling system thread and does not return; STATUS_INVALID_PARAMETER on any other thread.
 * PASSIVE_LEVEL. (wdm PsTerminateSystemThread) */
NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
    return ps_terminate_system_thread(ExitStatus);
}

/* The calling thread's object, not referenced.  Any IRQL.  (wdm PsGetCurrentThread) */
PETHREAD PsGetCurrentThread(VOID)
{
    return (PETHREAD)ke_current_thread();
}

/* Its number, and a thread's number; multiples of four like on Windows.  Any IRQL.  (wdm
 * PsGetCurrentThreadId) */
HANDLE PsGetCurrentThreadId(VOID)
{
    return thread_id(ke_current_thread());
}

HANDLE PsGetThreadId(PETHREAD Thread)
{
    return thread_id((const struct ke_thread *)Thread);
}

/* The one process and its number, 4.  Any IRQL.  (wdm PsGetCurrentProcess) */
PEPROCESS PsGetCurrentProcess(VOID)
{
    return ps_system_process();
}

HANDLE PsGetCurrentProcessId(VOID)
{
    return (HANDLE)(ULONG_PTR)PS_SYSTEM_PROCESS_ID;
}

HANDLE PsGetProcessId(PEPROCESS Process)
{
    (void)Process;
    return (HANDLE)(ULONG_PTR)PS_SYSTEM_PROCESS_ID;
}

/* Lowest address of the calling thread's stack, and one past the highest: of the host's, which is larger than a kernel's.
 * Any IRQL.  (ntddk IoGetStackLimits) */
VOID IoGetStackLimits(PULONG_PTR LowLimit, PULONG_PTR HighLimit)
{
    const struct host_thread *self = host_self();

    *LowLimit = (ULONG_PTR)self->stack_low;
    *HighLimit = (ULONG_PTR)self->stack_high;
}

/* Bytes of it below the caller's frame.  Any IRQL.  (ntddk IoGetRemainingStackSize) */
ULONG_PTR IoGetRemainingStackSize(VOID)
{
    return (ULONG_PTR)__builtin_frame_address(0) - (ULONG_PTR)host_self()->stack_low;
}
