/*
 * completion.c - the way back up: every completion routine once, from the completing driver to the top.
 *
 * The IRP belongs to whoever is being called: after a routine has answered STATUS_MORE_PROCESSING_REQUIRED
 * nothing here touches it again (K-COMPL-10, D-09).
 *
 *   CurrentLocation   meaning
 *   1..StackCount     a driver has it; it may complete it
 *   StackCount+1      nobody below its owner has it
 *   StackCount+2      unwound to the end without a routine of its owner
 * Completing it in either of the last two cases is a second completion, or the completion of an own IRP that
 * was never passed down: bug check 0x44 (K-COMPL-21, K-COMPL-23).  Only an IRP of the I/O manager may be
 * completed at StackCount+1, by the driver that built it and whose routine had stopped it there.
 */
#include "nt/io/io.h"
#include "nt/io/file.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/rtl/call.h"
#include "host/host.h"
#include <limits.h>
#include <string.h>

#define COMPLETION_TAG 0x706D6F43u /* "Comp" */

/* Do the invoke flags ask for this outcome?  (K-COMPL-03, 04, KA11) */
static BOOLEAN wants_outcome(UCHAR control, const IRP *irp)
{
    if (control & SL_INVOKE_ON_CANCEL && __atomic_load_n(&irp->Cancel, __ATOMIC_ACQUIRE))
        return TRUE;
    return (control & (NT_SUCCESS(irp->IoStatus.Status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR)) != 0;
}

static BOOLEAN wants_routine(const IO_STACK_LOCATION *location, const IRP *irp)
{
    if (!location->CompletionRoutine)
        return FALSE;
    return wants_outcome(location->Control, irp);
}

/* `own`: the routine of the IRP's maker, above which there is nobody: on Windows the end of a request of the I/O
 * manager would follow, of an IRP without a thread, which it crashes in (C-IRP-07, C-CLOSE-32). The routine may have
 * freed the IRP: it is not looked at. */
static inline __attribute__((always_inline)) NTSTATUS
call_routine(PIO_COMPLETION_ROUTINE routine, PDEVICE_OBJECT device, PIRP irp, PVOID context, BOOLEAN own)
{
    struct rtl_frame frame;
    NTSTATUS status;

    OBSERVE(irp, OBSERVE_IRP_ROUTINE, irp, irp->IoStatus.Status);
    rtl_frame_enter(&frame, OBSERVE_ROUTINE, irp, "completion routine", (void *)routine);
    status = routine(device, irp, context);
    frame.status = status;
    if (__builtin_expect(own && status != STATUS_MORE_PROCESSING_REQUIRED, 0))
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IO_BAD_OWN_IRP_GOES_ON, (ULONG_PTR)irp,
                          (ULONG_PTR)status, (ULONG_PTR)routine, __builtin_return_address(0));
    rtl_frame_leave(&frame);
    return status;
}

static NTSTATUS NTAPI held_completion_routine(PDEVICE_OBJECT device, PIRP irp, PVOID context);

/* From the current location to the top; TRUE when a routine has stopped it on the way. */
static BOOLEAN climb(PIRP irp, CHAR own, BOOLEAN managed)
{
    for (;;) {
        PIO_STACK_LOCATION left = irp->Tail.Overlay.CurrentStackLocation;
        PIO_COMPLETION_ROUTINE routine = left->CompletionRoutine;
        PVOID context = left->Context;
        BOOLEAN call = wants_routine(left, irp);
        BOOLEAN top;

        irp->PendingReturned = (left->Control & SL_PENDING_RETURNED) != 0; /* K-COMPL-07 */
        memset(left, 0, sizeof(*left));                                    /* K-COMPL-06 */
        top = ++irp->CurrentLocation == own;
        irp->Tail.Overlay.CurrentStackLocation++;
        if (call) {
            PDEVICE_OBJECT device = top ? NULL : irp->Tail.Overlay.CurrentStackLocation->DeviceObject;

            if (call_routine(routine, device, irp, context,
                             top && !managed && routine != held_completion_routine) ==
                STATUS_MORE_PROCESSING_REQUIRED)
                return TRUE; /* K-COMPL-09, 10, 12 */
            if (top && managed)
                irp->CurrentLocation++;
        } else if (top) {
            irp->CurrentLocation++;
        } else if (irp->PendingReturned) {
            irp->Tail.Overlay.CurrentStackLocation->Control |= SL_PENDING_RETURNED; /* K-COMPL-08 */
        }
        if (top)
            return FALSE;
    }
}

static void unwind(PIRP irp, void *caller)
{
    CHAR own = (CHAR)(irp->StackCount + 1);
    BOOLEAN managed = (irp->AllocationFlags & IO_IRP_OF_MANAGER) != 0;
    BOOLEAN stopped = FALSE;

    if (irp->Type != IO_TYPE_IRP || irp->CurrentLocation > irp->StackCount + managed)
        ke_bug_check_from(MULTIPLE_IRP_COMPLETE_REQUESTS, (ULONG_PTR)irp, (ULONG_PTR)caller, 0, 0, caller);
    host_point(HOST_POINT_IRP, irp);
    OBSERVE(irp, OBSERVE_IRP_COMPLETING, irp, irp->IoStatus.Status);
    if (irp->CurrentLocation == own)
        irp->CurrentLocation++;
    else
        stopped = climb(irp, own, managed);
    OBSERVE(irp, OBSERVE_IRP_COMPLETED, irp, 0);
    if (managed && !stopped)
        io_finish_irp(irp);
}

void io_unwind_request(PIRP irp)
{
    unwind(irp, __builtin_return_address(0));
}

void io_complete_request(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    KE_ASSERT(status != STATUS_PENDING); /* K-COMPL-16 */
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    unwind(irp, __builtin_return_address(0));
}

void io_set_completion_routine(PIRP irp, PIO_COMPLETION_ROUTINE routine, PVOID context, BOOLEAN on_success,
                               BOOLEAN on_error, BOOLEAN on_cancel)
{
    PIO_STACK_LOCATION next = irp->Tail.Overlay.CurrentStackLocation - 1;

    next->CompletionRoutine = routine;
    next->Context = context;
    next->Control = (UCHAR)((on_success ? SL_INVOKE_ON_SUCCESS : 0) | (on_error ? SL_INVOKE_ON_ERROR : 0) |
                            (on_cancel ? SL_INVOKE_ON_CANCEL : 0));
}

/* ---- IoSetCompletionRoutineEx: the routine keeps its driver loaded (K-COMPL-26) ----------------------- */

struct held_completion {
    struct held_completion *next, *previous;
    PDEVICE_OBJECT device;
    PDRIVER_OBJECT driver;
    PIO_COMPLETION_ROUTINE routine;
    PVOID context;
    UCHAR control; /* the outcomes that the driver asked for */
};

static struct ke_lock held_lock;
static struct held_completion *held;
static uint32_t held_changes; /* parking word: counts the ends */

static void link_held(struct held_completion *completion)
{
    ke_lock_acquire(&held_lock);
    completion->previous = NULL;
    completion->next = held;
    if (held)
        held->previous = completion;
    held = completion;
    ke_lock_release(&held_lock);
}

/* `with` takes the place of `completion`, whose memory may then go while the completion still counts. */
static void replace_held(struct held_completion *completion, struct held_completion *with)
{
    ke_lock_acquire(&held_lock);
    *with = *completion;
    if (with->previous)
        with->previous->next = with;
    else
        held = with;
    if (with->next)
        with->next->previous = with;
    ke_lock_release(&held_lock);
}

static void unlink_held(struct held_completion *completion)
{
    ke_lock_acquire(&held_lock);
    if (completion->previous)
        completion->previous->next = completion->next;
    else
        held = completion->next;
    if (completion->next)
        completion->next->previous = completion->previous;
    ke_lock_release(&held_lock);
    __atomic_add_fetch(&held_changes, 1, __ATOMIC_RELEASE);
    host_unpark(&held_changes, INT_MAX);
}

/* Stands in the stack location instead of the driver's routine, for every outcome: so the hold is dropped,
 * too, when the driver's routine is not to be called. */
static NTSTATUS NTAPI held_completion_routine(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct held_completion *completion = context, ending;
    NTSTATUS status = STATUS_CONTINUE_COMPLETION;
    BOOLEAN own = irp->CurrentLocation > irp->StackCount && !(irp->AllocationFlags & IO_IRP_OF_MANAGER);

    if (wants_outcome(completion->control, irp))
        status = call_routine(completion->routine, device, irp, completion->context, own);
    else if (irp->PendingReturned && irp->CurrentLocation <= irp->StackCount)
        io_mark_irp_pending(irp); /* K-COMPL-08: as if no routine stood here */
    /* Who finds none outstanding may draw up the account and unload: by then block and device must be gone.
     */
    replace_held(completion, &ending);
    ex_free_pool(completion);
    io_dereference_device(ending.device);
    unlink_held(&ending);
    return status;
}

LONG io_completions_outstanding(PDRIVER_OBJECT driver)
{
    LONG count = 0;

    ke_lock_acquire(&held_lock);
    for (struct held_completion *completion = held; completion; completion = completion->next)
        count += completion->driver == driver;
    ke_lock_release(&held_lock);
    return count;
}

void io_wait_completions(PDRIVER_OBJECT driver)
{
    for (;;) {
        uint32_t changes = __atomic_load_n(&held_changes, __ATOMIC_ACQUIRE);

        if (!io_completions_outstanding(driver))
            return;
        host_park(&held_changes, changes, HOST_FOREVER);
    }
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IofCompleteRequest - IoCompleteRequest: unwinds with the IoStatus that the driver has set.  PriorityBoost
 * has no meaning here.  On return the IRP may be gone.  IRQL <= DISPATCH_LEVEL.  Page: wdm IoCompleteRequest.
 */
VOID FASTCALL IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
    void *caller = __builtin_return_address(0);

    UNREFERENCED_PARAMETER(PriorityBoost);
    if (__builtin_expect(Irp->Type == IO_TYPE_IRP, 1)) { /* else unwind tells */
        NTSTATUS status = Irp->IoStatus.Status;

        if (status == STATUS_PENDING || status == -1) /* K-COMPL-16 */
            ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x06, (ULONG_PTR)status, (ULONG_PTR)Irp, 0,
                              caller);
        if (io_is_cancelable(
                Irp)) /* its own, or it has passed the IRP on and does not have it (K-COMPL-23) */
            ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x07, (ULONG_PTR)Irp->CancelRoutine,
                              (ULONG_PTR)Irp, 0, caller);
    }
    unwind(Irp, caller);
}

/*
 * IoSetCompletionRoutineEx - IoSetCompletionRoutine whose routine holds the device, and so the driver, until
 * it has returned.  STATUS_SUCCESS or STATUS_INSUFFICIENT_RESOURCES.  IRQL <= DISPATCH_LEVEL. Page: wdm
 * IoSetCompletionRoutineEx.
 */
NTSTATUS NTAPI IoSetCompletionRoutineEx(PDEVICE_OBJECT DeviceObject, PIRP Irp,
                                        PIO_COMPLETION_ROUTINE CompletionRoutine, PVOID Context,
                                        BOOLEAN InvokeOnSuccess, BOOLEAN InvokeOnError,
                                        BOOLEAN InvokeOnCancel)
{
    struct held_completion *completion = ex_allocate_pool_for(
        POOL_FLAG_NON_PAGED, sizeof(*completion), COMPLETION_TAG, EX_POOL_PLAIN,
        __builtin_return_address(0)); /* charged to the driver: lost with an unsent IRP (K-COMPL-27) */

    if (!completion)
        return STATUS_INSUFFICIENT_RESOURCES;
    completion->device = DeviceObject;
    completion->driver = DeviceObject->DriverObject;
    completion->routine = CompletionRoutine;
    completion->context = Context;
    io_reference_device(DeviceObject);
    link_held(completion);
    io_set_completion_routine(Irp, CompletionRoutine, completion, InvokeOnSuccess, InvokeOnError,
                              InvokeOnCancel);
    completion->control = (Irp->Tail.Overlay.CurrentStackLocation - 1)->Control;
    io_set_completion_routine(Irp, held_completion_routine, completion, TRUE, TRUE, TRUE);
    return STATUS_SUCCESS;
}
