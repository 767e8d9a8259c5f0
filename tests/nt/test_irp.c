/*
 * IRPs: layout, the way down, the way up.  The provider side (io_prepare_lower, io_complete_request) stands
 * for WSK; a stack of drivers stands for IRPs that came from above.
 */
#include "bugcheck.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include <ntifs.h>
#include <string.h>

struct seen {
    LONG calls;
    LONG order;
    PDEVICE_OBJECT device;
    PIRP irp;
    NTSTATUS status;
    ULONG_PTR information;
    BOOLEAN pending;
    KIRQL irql;
    UCHAR lower_control; /* of the location that was left */
    NTSTATUS answer;
    BOOLEAN propagate;
    BOOLEAN free;
};

static LONG order;

static NTSTATUS NTAPI routine(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct seen *seen = context;
    NTSTATUS answer = seen->answer;

    seen->calls++;
    seen->order = ++order;
    seen->device = device;
    seen->irp = irp;
    seen->status = irp->IoStatus.Status;
    seen->information = irp->IoStatus.Information;
    seen->pending = irp->PendingReturned;
    seen->irql = KeGetCurrentIrql();
    seen->lower_control = IoGetNextIrpStackLocation(irp)->Control;
    if (seen->propagate && irp->PendingReturned)
        IoMarkIrpPending(irp);
    if (seen->free)
        IoFreeIrp(irp);
    return answer;
}

static const struct seen stops = {.answer = STATUS_MORE_PROCESSING_REQUIRED};

static BOOLEAN all_zero(const void *memory, SIZE_T bytes)
{
    const UCHAR *at = memory;

    while (bytes--)
        if (*at++)
            return FALSE;
    return TRUE;
}

TEST(fresh_irp_is_zeroed_and_above_its_locations, "K-IRP-01 K-IRP-03 K-IRP-04")
{
    KIRQL irql;
    PIRP irp;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    irp = IoAllocateIrp(3, FALSE);
    KeLowerIrql(irql);
    EXPECT(irp != NULL);
    EXPECT_EQ(irp->Type, IO_TYPE_IRP);
    EXPECT_EQ(irp->Size, IoSizeOfIrp(3));
    EXPECT_EQ(irp->StackCount, 3);
    EXPECT_EQ(irp->CurrentLocation, 4);
    EXPECT(IoGetCurrentIrpStackLocation(irp) == (PIO_STACK_LOCATION)(irp + 1) + 3);
    EXPECT(IoGetNextIrpStackLocation(irp) == (PIO_STACK_LOCATION)(irp + 1) + 2);
    EXPECT(all_zero(irp + 1, 3 * sizeof(IO_STACK_LOCATION)));
    EXPECT(irp->MdlAddress == NULL && irp->CancelRoutine == NULL && !irp->Cancel && !irp->PendingReturned);
    IoFreeIrp(irp);
    EXPECT(IoAllocateIrp(127, FALSE) == NULL);
    EXPECT(IoAllocateIrp(-1, FALSE) == NULL);
}

TEST(irp_belongs_to_no_thread, "K-IRP-02 K-IRP-09 K-IRP-10")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    LIST_ENTRY queue;

    EXPECT(irp->Tail.Overlay.Thread == NULL);
    EXPECT(IoGetRequestorProcess(irp) == NULL && IoGetRequestorProcessId(irp) == 0);
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    EXPECT(IoGetRequestorProcess(irp) == PsGetCurrentProcess());
    EXPECT_EQ(IoGetRequestorProcessId(irp), (ULONG)(ULONG_PTR)PsGetCurrentProcessId());
    irp->Tail.Overlay.Thread = NULL;
    EXPECT(IsListEmpty(&irp->ThreadListEntry));
    InitializeListHead(&queue); /* the fields that its owner may use */
    InsertTailList(&queue, &irp->Tail.Overlay.ListEntry);
    for (ULONG i = 0; i < 4; i++)
        irp->Tail.Overlay.DriverContext[i] = &queue;
    irp->AssociatedIrp.SystemBuffer = &queue;
    irp->UserBuffer = &queue;
    EXPECT(RemoveHeadList(&queue) == &irp->Tail.Overlay.ListEntry);
    IoFreeIrp(irp);
}

TEST(set_next_gives_the_allocator_a_location, "K-IRP-05 K-COMPL-12")
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    DEVICE_OBJECT device;
    struct seen seen = stops;

    IoSetNextIrpStackLocation(irp);
    EXPECT_EQ(irp->CurrentLocation, 2);
    IoGetCurrentIrpStackLocation(irp)->DeviceObject = &device;
    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT(seen.device == &device);
    IoFreeIrp(irp);
}

TEST(no_location_left_is_fatal, "K-IRP-07")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    io_prepare_lower(irp);
    EXPECT_BUGCHECK(NO_MORE_IRP_STACK_LOCATIONS, io_prepare_lower(irp));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
}

TEST(passing_down_without_location_is_fatal, "K-IRP-07")
{
    PDRIVER_OBJECT driver = io_driver_create("none", "");
    PDEVICE_OBJECT device;
    PIRP irp = IoAllocateIrp(0, FALSE);

    EXPECT_STATUS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device), STATUS_SUCCESS);
    EXPECT_BUGCHECK(NO_MORE_IRP_STACK_LOCATIONS, IoCallDriver(device, irp));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
}

TEST(provider_gets_a_clean_location, "C-IRP-17 K-COMPL-01")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp), own;
    struct seen seen = stops;

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, FALSE, TRUE);
    EXPECT(next->CompletionRoutine == routine && next->Context == &seen);
    EXPECT_EQ(next->Control, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_CANCEL);
    next->MajorFunction = 7;
    next->Parameters.Others.Argument1 = irp;
    next->Control |= SL_PENDING_RETURNED; /* left over from somewhere: not ours */
    own = io_prepare_lower(irp);
    EXPECT(own == next && IoGetCurrentIrpStackLocation(irp) == own);
    EXPECT_EQ(irp->CurrentLocation, 1);
    EXPECT_EQ(own->MajorFunction, 0);
    EXPECT(own->Parameters.Others.Argument1 == NULL);
    EXPECT_EQ(own->Control, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_CANCEL);
    io_complete_request(irp, STATUS_SUCCESS, 5);
    EXPECT_EQ(seen.calls, 1);
    EXPECT_EQ(seen.information, 5);
    EXPECT(!seen.pending);
    IoFreeIrp(irp);
}

TEST(irp_in_driver_memory, "K-IRP-13 D-10")
{
    struct {
        ULONG before;
        union {
            IRP irp;
            UCHAR memory[sizeof(IRP) + 2 * sizeof(IO_STACK_LOCATION)];
        };
        ULONG after;
    } embedded;
    struct seen seen = stops;

    EXPECT_EQ(IoSizeOfIrp(2), sizeof(embedded.memory));
    memset(&embedded, 0xEE, sizeof(embedded));
    IoInitializeIrp(&embedded.irp, IoSizeOfIrp(2), 2);
    EXPECT_EQ(embedded.before, 0xEEEEEEEE);
    EXPECT_EQ(embedded.after, 0xEEEEEEEE);
    EXPECT_EQ(embedded.irp.Type, IO_TYPE_IRP);
    EXPECT_EQ(embedded.irp.CurrentLocation, 3);
    EXPECT(all_zero(&embedded.irp + 1, 2 * sizeof(IO_STACK_LOCATION)));
    IoSetCompletionRoutine(&embedded.irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(&embedded.irp);
    io_complete_request(&embedded.irp, STATUS_CANCELLED, 1);
    EXPECT_STATUS(seen.status, STATUS_CANCELLED);
    IoReuseIrp(&embedded.irp, STATUS_TIMEOUT);
    EXPECT_STATUS(embedded.irp.IoStatus.Status, STATUS_TIMEOUT);
    EXPECT_EQ(embedded.irp.CurrentLocation, 3);
    EXPECT_EQ(embedded.after, 0xEEEEEEEE);
}

/* ---- a stack of drivers: each passes the IRP to the next device --------------------------------------- */

struct layer {
    PDEVICE_OBJECT lower; /* NULL: the lowest, which hands it to the provider */
    struct seen seen;
    BOOLEAN set_routine;
    BOOLEAN on_success, on_error, on_cancel;
    BOOLEAN skip;
    UCHAR saw_major;
    ULONG_PTR saw_argument;
};
static PIRP provider_irp;

static NTSTATUS NTAPI layer_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    struct layer *layer = device->DeviceExtension;
    PIO_STACK_LOCATION own = IoGetCurrentIrpStackLocation(irp);

    layer->saw_major = own->MajorFunction;
    layer->saw_argument = (ULONG_PTR)own->Parameters.Others.Argument1;
    if (layer->skip) {
        IoSkipCurrentIrpStackLocation(irp);
    } else {
        IoCopyCurrentIrpStackLocationToNext(irp);
        if (layer->set_routine)
            IoSetCompletionRoutine(irp, routine, &layer->seen, layer->on_success, layer->on_error,
                                   layer->on_cancel);
    }
    if (layer->lower)
        return IoCallDriver(layer->lower, irp);
    io_prepare_lower(irp);
    io_mark_irp_pending(irp);
    provider_irp = irp;
    return STATUS_PENDING;
}

static PDEVICE_OBJECT new_layer(PDRIVER_OBJECT driver, PDEVICE_OBJECT lower)
{
    PDEVICE_OBJECT device = NULL;
    struct layer *layer;

    EXPECT_STATUS(IoCreateDevice(driver, sizeof(struct layer), NULL, FILE_DEVICE_NETWORK, 0, FALSE, &device),
                  STATUS_SUCCESS);
    layer = device->DeviceExtension;
    layer->lower = lower;
    layer->set_routine = layer->on_success = layer->on_error = layer->on_cancel = TRUE;
    layer->seen.answer = STATUS_CONTINUE_COMPLETION;
    layer->seen.propagate = TRUE;
    return device;
}

static PDRIVER_OBJECT new_driver(void)
{
    PDRIVER_OBJECT driver = io_driver_create("stack", "\\Registry\\Machine\\stack");

    EXPECT(driver != NULL);
    driver->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = layer_dispatch;
    return driver;
}

static PIRP send_from_above(PDEVICE_OBJECT device, CCHAR locations, struct seen *top)
{
    PIRP irp = IoAllocateIrp(locations, FALSE);
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);

    next->MajorFunction = IRP_MJ_INTERNAL_DEVICE_CONTROL;
    next->Parameters.Others.Argument1 = (PVOID)0x1234;
    IoSetCompletionRoutine(irp, routine, top, TRUE, TRUE, TRUE);
    EXPECT_STATUS(IoCallDriver(device, irp), STATUS_PENDING);
    EXPECT(provider_irp == irp);
    return irp;
}

static struct layer *layer_of(PDEVICE_OBJECT device)
{
    return device->DeviceExtension;
}

TEST(unwinds_upwards_each_routine_once, "K-COMPL-05 K-COMPL-06 K-COMPL-12 K-COMPL-13 K-COMPL-09 C-IRP-10")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT low = new_layer(driver, NULL), middle = new_layer(driver, low),
                   high = new_layer(driver, middle);
    struct seen top = stops;
    PIRP irp = send_from_above(high, 4, &top);
    KIRQL irql;

    EXPECT_EQ(layer_of(low)->saw_argument, 0x1234);
    layer_of(middle)->seen.answer = STATUS_UNSUCCESSFUL; /* means nothing: completion goes on (K-COMPL-09) */
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    io_complete_request(irp, STATUS_SUCCESS, 77);
    KeLowerIrql(irql);
    EXPECT_EQ(layer_of(low)->seen.order, 1);
    EXPECT_EQ(layer_of(middle)->seen.order, 2);
    EXPECT_EQ(layer_of(high)->seen.order, 3);
    EXPECT_EQ(top.order, 4);
    EXPECT_EQ(
        layer_of(low)->seen.calls + layer_of(middle)->seen.calls + layer_of(high)->seen.calls + top.calls, 4);
    EXPECT(layer_of(low)->seen.device == low);
    EXPECT(layer_of(middle)->seen.device == middle);
    EXPECT(layer_of(high)->seen.device == high);
    EXPECT(top.device == NULL);
    EXPECT_EQ(layer_of(low)->seen.lower_control, 0); /* zeroed before the routine: K-COMPL-06 */
    EXPECT_EQ(top.information, 77);
    EXPECT_EQ(top.irql, DISPATCH_LEVEL);
    EXPECT(all_zero(irp + 1, 4 * sizeof(IO_STACK_LOCATION)));
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(pending_travels_with_the_routines, "K-COMPL-07 K-PEND-01 D-03 C-IRP-13")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT low = new_layer(driver, NULL), high = new_layer(driver, low);
    struct seen top = stops;
    PIRP irp = send_from_above(high, 3, &top);

    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT(layer_of(low)->seen.pending && layer_of(high)->seen.pending && top.pending);
    IoReuseIrp(irp, STATUS_SUCCESS);

    layer_of(low)->seen.propagate = FALSE; /* forgets it: the level above must not see it */
    IoFreeIrp(irp);
    irp = send_from_above(high, 3, &top);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT(layer_of(low)->seen.pending);
    EXPECT(!layer_of(high)->seen.pending && !top.pending);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(pending_is_carried_over_levels_without_routine, "K-COMPL-08 C-IRP-09")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT low = new_layer(driver, NULL), high = new_layer(driver, low);
    struct seen top = stops;
    PIRP irp;

    layer_of(low)->set_routine = FALSE;
    layer_of(high)->on_success = FALSE;
    irp = send_from_above(high, 3, &top);
    io_complete_request(irp, STATUS_SUCCESS, 9);
    EXPECT_EQ(layer_of(low)->seen.calls, 0);
    EXPECT_EQ(layer_of(high)->seen.calls, 0);
    EXPECT(top.pending);
    EXPECT_EQ(top.information, 9);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(not_pending_when_nobody_marked, "D-03 K-COMPL-07")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    struct seen seen = stops;

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_mark_irp_pending(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT(seen.pending);
    IoReuseIrp(irp, STATUS_SUCCESS);
    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT(!seen.pending);
    IoFreeIrp(irp);
}

TEST(skip_shows_the_caller_s_location_again, "K-IRP-11")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT low = new_layer(driver, NULL), high = new_layer(driver, low);
    struct seen top = stops;
    PIRP irp;

    layer_of(high)->skip = TRUE;
    irp = send_from_above(high, 2, &top); /* one location less is enough */
    EXPECT_EQ(layer_of(low)->saw_major, IRP_MJ_INTERNAL_DEVICE_CONTROL);
    EXPECT_EQ(layer_of(low)->saw_argument, 0x1234);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT_EQ(layer_of(low)->seen.calls, 1);
    EXPECT_EQ(layer_of(high)->seen.calls, 0);
    EXPECT_EQ(top.calls, 1);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(copy_leaves_the_routine_out, "K-IRP-11")
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    PIO_STACK_LOCATION current, next;
    struct seen seen = stops;

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    current = IoGetCurrentIrpStackLocation(irp);
    next = IoGetNextIrpStackLocation(irp);
    current->MajorFunction = 3;
    current->Parameters.Others.Argument4 = irp;
    IoCopyCurrentIrpStackLocationToNext(irp);
    EXPECT_EQ(next->MajorFunction, 3);
    EXPECT(next->Parameters.Others.Argument4 == irp);
    EXPECT(next->CompletionRoutine == NULL && next->Context == NULL && next->Control == 0);
    IoFreeIrp(irp);
}

/* Is the routine called for this outcome with these flags? */
static BOOLEAN invoked(BOOLEAN success, BOOLEAN error, BOOLEAN cancel, NTSTATUS status, BOOLEAN cancelled)
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    struct seen seen = stops, top = stops;

    IoSetCompletionRoutine(irp, routine, &top, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    IoSetCompletionRoutine(irp, routine, &seen, success, error, cancel);
    io_prepare_lower(irp);
    if (cancelled)
        IoCancelIrp(irp);
    io_complete_request(irp, status, 0);
    EXPECT_EQ(seen.calls + top.calls, 1); /* the one stops, or else the one above is reached */
    IoFreeIrp(irp);
    return seen.calls == 1;
}

TEST(invoke_flags_are_exact, "K-COMPL-03 K-COMPL-04 C-IRP-14")
{
    EXPECT(invoked(TRUE, FALSE, FALSE, STATUS_SUCCESS, FALSE));
    EXPECT(invoked(TRUE, FALSE, FALSE, STATUS_EVENT_PENDING, FALSE));    /* informational is success */
    EXPECT(!invoked(TRUE, FALSE, FALSE, STATUS_BUFFER_OVERFLOW, FALSE)); /* a warning is not */
    EXPECT(!invoked(TRUE, FALSE, FALSE, STATUS_CONNECTION_RESET, FALSE));
    EXPECT(invoked(FALSE, TRUE, FALSE, STATUS_BUFFER_OVERFLOW, FALSE));
    EXPECT(invoked(FALSE, TRUE, FALSE, STATUS_CONNECTION_RESET, FALSE));
    EXPECT(!invoked(FALSE, TRUE, FALSE, STATUS_SUCCESS, FALSE));
    EXPECT(invoked(FALSE, FALSE, TRUE, STATUS_SUCCESS, TRUE));
    EXPECT(invoked(FALSE, FALSE, TRUE, STATUS_CONNECTION_RESET, TRUE));
    EXPECT(
        !invoked(FALSE, FALSE, TRUE, STATUS_CANCELLED, FALSE)); /* KA11: the flag decides, not the status */
    EXPECT(invoked(FALSE, TRUE, FALSE, STATUS_CANCELLED, FALSE));
    EXPECT(!invoked(FALSE, FALSE, FALSE, STATUS_SUCCESS, TRUE));
}

TEST(second_complete_resumes_above_the_one_that_stopped, "K-COMPL-10 K-COMPL-11 C-IRP-11")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT low = new_layer(driver, NULL), high = new_layer(driver, low);
    struct seen top = stops;
    PIRP irp = send_from_above(high, 3, &top);

    layer_of(low)->seen.answer = STATUS_MORE_PROCESSING_REQUIRED;
    io_complete_request(irp, STATUS_SUCCESS, 1);
    EXPECT_EQ(layer_of(high)->seen.calls + top.calls, 0);
    EXPECT(IoGetCurrentIrpStackLocation(irp)->DeviceObject == low); /* as the routine left it */
    IoMarkIrpPending(irp);
    irp->IoStatus.Status = STATUS_DATA_NOT_ACCEPTED;
    irp->IoStatus.Information = 2;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    EXPECT_EQ(layer_of(low)->seen.calls, 1);
    EXPECT_EQ(layer_of(high)->seen.calls, 1);
    EXPECT(layer_of(high)->seen.pending);
    EXPECT_STATUS(top.status, STATUS_DATA_NOT_ACCEPTED);
    EXPECT_EQ(top.information, 2);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(irp_freed_by_its_routine_is_not_touched, "K-COMPL-10 K-FREE-01 D-09")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    struct seen seen = stops;
    SIZE_T blocks, bytes;

    seen.free = TRUE;
    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT_EQ(seen.calls, 1);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
    /* A write to it after the free would change the fill: allocating every freed block again checks that. */
    for (ULONG i = 0; i < 200; i++)
        EXPECT(IoAllocateIrp(1, FALSE) != NULL);
}

TEST(freed_irp_is_not_touched_even_when_completion_goes_on, "K-COMPL-25")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    struct seen seen = {.answer = STATUS_SUCCESS, .free = TRUE};

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, io_complete_request(irp, STATUS_SUCCESS, 0));
    EXPECT_BUGCHECK_PARAMETER(1, IO_BAD_OWN_IRP_GOES_ON);
    EXPECT_BUGCHECK_PARAMETER(2, irp);
    EXPECT_BUGCHECK_PARAMETER(3, STATUS_SUCCESS);
    EXPECT_BUGCHECK_PARAMETER(4, routine);
    EXPECT_EQ(seen.calls, 1);
    for (ULONG i = 0; i < 200; i++)
        EXPECT(IoAllocateIrp(1, FALSE) != NULL);
}

/* ---- an IRP that somebody else has -------------------------------------------------------------------- */

static VOID NTAPI never_cancelled(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
}

static struct seen nobody;

static PIRP pending_irp(void)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    nobody = stops;
    IoSetCompletionRoutine(irp, routine, &nobody, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    IoMarkIrpPending(irp);
    EXPECT(IoSetCancelRoutine(irp, never_cancelled) == NULL);
    return irp;
}

TEST(a_pending_irp_is_not_freed, "K-FREE-03")
{
    PIRP irp = pending_irp();

    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoFreeIrp(irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0x20B);
    EXPECT_BUGCHECK_PARAMETER(2, irp);
    EXPECT_BUGCHECK_PARAMETER(3, never_cancelled);
}

TEST(a_pending_irp_is_not_reused, "")
{
    PIRP irp = pending_irp();

    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoReuseIrp(irp, STATUS_SUCCESS));
    EXPECT_BUGCHECK_PARAMETER(1, 0x310);
    EXPECT_BUGCHECK_PARAMETER(2, irp);
    EXPECT_BUGCHECK_PARAMETER(3, never_cancelled);
}

TEST(an_irp_with_a_cancel_routine_is_not_completed, "")
{
    PIRP irp = pending_irp();

    irp->IoStatus.Status = STATUS_CANCELLED;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoCompleteRequest(irp, IO_NO_INCREMENT));
    EXPECT_BUGCHECK_PARAMETER(1, 0x07);
    EXPECT_BUGCHECK_PARAMETER(2, never_cancelled);
    EXPECT_BUGCHECK_PARAMETER(3, irp);
    EXPECT_EQ(nobody.calls, 0);
}

TEST(an_irp_is_not_completed_as_pending, "")
{
    PIRP irp = pending_irp();

    IoSetCancelRoutine(irp, NULL);
    irp->IoStatus.Status = STATUS_PENDING;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoCompleteRequest(irp, IO_NO_INCREMENT));
    EXPECT_BUGCHECK_PARAMETER(1, 0x06);
    EXPECT_BUGCHECK_PARAMETER(2, STATUS_PENDING);
    EXPECT_BUGCHECK_PARAMETER(3, irp);
    EXPECT_EQ(nobody.calls, 0);
}

TEST(stack_irp_may_die_with_its_waiter, "D-09 D-10")
{
    struct seen seen = stops;
    UCHAR memory[sizeof(IRP) + sizeof(IO_STACK_LOCATION)] __attribute__((aligned(16)));
    PIRP irp = (PIRP)memory;

    for (ULONG i = 0; i < 3; i++) {
        IoInitializeIrp(irp, sizeof(memory), 1);
        IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
        io_prepare_lower(irp);
        io_complete_request(irp, STATUS_SUCCESS, i);
        memset(memory, 0x55, sizeof(memory));
        EXPECT_EQ(seen.information, i);
    }
}

TEST(second_completion_is_fatal, "K-COMPL-21")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    io_prepare_lower(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT_BUGCHECK(MULTIPLE_IRP_COMPLETE_REQUESTS, io_complete_request(irp, STATUS_SUCCESS, 0));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
}

TEST(second_completion_after_a_stop_is_fatal, "K-COMPL-21")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    struct seen seen = stops;

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT_BUGCHECK(MULTIPLE_IRP_COMPLETE_REQUESTS, io_complete_request(irp, STATUS_SUCCESS, 0));
}

TEST(completing_an_own_irp_that_nobody_got_is_fatal, "K-COMPL-23")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT_BUGCHECK(MULTIPLE_IRP_COMPLETE_REQUESTS, IoCompleteRequest(irp, IO_NO_INCREMENT));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
}

TEST(ex_routine_holds_driver_and_device, "K-COMPL-26")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT device = new_layer(driver, NULL);
    struct seen seen = stops;
    PIRP irp = IoAllocateIrp(1, FALSE);
    SIZE_T blocks, bytes;

    EXPECT_STATUS(IoSetCompletionRoutineEx(device, irp, routine, &seen, TRUE, TRUE, TRUE), STATUS_SUCCESS);
    EXPECT_EQ(io_completions_outstanding(driver), 1);
    io_prepare_lower(irp);
    IoDeleteDevice(device); /* the memory stays as long as the routine may run */
    EXPECT_EQ(device->Type, IO_TYPE_DEVICE);
    io_complete_request(irp, STATUS_SUCCESS, 3);
    EXPECT_EQ(seen.calls, 1);
    EXPECT_EQ(seen.information, 3);
    EXPECT_EQ(io_completions_outstanding(driver), 0);
    io_wait_completions(driver);
    IoFreeIrp(irp);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
    io_driver_delete(driver);
}

TEST(ex_routine_that_is_not_wanted_still_lets_go, "K-COMPL-26 K-COMPL-03 K-COMPL-08")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT device = new_layer(driver, NULL);
    struct seen seen = stops, top = stops;
    PIRP irp = IoAllocateIrp(2, FALSE);

    IoSetCompletionRoutine(irp, routine, &top, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    EXPECT_STATUS(IoSetCompletionRoutineEx(device, irp, routine, &seen, FALSE, TRUE, FALSE), STATUS_SUCCESS);
    io_prepare_lower(irp);
    io_mark_irp_pending(irp);
    io_complete_request(irp, STATUS_SUCCESS, 0);
    EXPECT_EQ(seen.calls, 0);
    EXPECT_EQ(top.calls, 1);
    EXPECT(top.pending);
    EXPECT_EQ(io_completions_outstanding(driver), 0);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

static int fail_pool(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_POOL || kind == HOST_FAULT_IRP;
}

TEST(no_memory_no_irp, "K-IRP-01 K-COMPL-26")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT device = new_layer(driver, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);
    struct seen seen = stops;

    host_set_fault_plan(fail_pool, NULL);
    EXPECT(IoAllocateIrp(1, FALSE) == NULL);
    EXPECT_STATUS(IoSetCompletionRoutineEx(device, irp, routine, &seen, TRUE, TRUE, TRUE),
                  STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(io_completions_outstanding(driver), 0);
    host_set_fault_plan(NULL, NULL);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

TEST(reuse_is_as_fresh, "K-REUSE-01")
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    struct seen seen = stops;
    UCHAR origin = irp->AllocationFlags;

    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    io_prepare_lower(irp);
    io_mark_irp_pending(irp);
    IoCancelIrp(irp);
    io_complete_request(irp, STATUS_CANCELLED, 4);
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_NOT_SUPPORTED);
    EXPECT_EQ(irp->IoStatus.Information, 0);
    EXPECT(!irp->Cancel && !irp->PendingReturned);
    EXPECT_EQ(irp->StackCount, 2);
    EXPECT_EQ(irp->CurrentLocation, 3);
    EXPECT_EQ(irp->Size, IoSizeOfIrp(2));
    EXPECT_EQ(irp->AllocationFlags, origin);
    EXPECT(all_zero(irp + 1, 2 * sizeof(IO_STACK_LOCATION)));
    IoFreeIrp(irp);
}

TEST(free_leaves_the_mdl, "K-FREE-01")
{
    static UCHAR buffer[100];
    PIRP irp = IoAllocateIrp(1, FALSE);
    PMDL mdl = IoAllocateMdl(buffer, sizeof(buffer), FALSE, FALSE, irp);

    EXPECT(irp->MdlAddress == mdl);
    IoFreeIrp(irp);
    EXPECT_EQ(MmGetMdlByteCount(mdl), 100);
    IoFreeMdl(mdl);
}

TEST(marking_an_own_irp_without_location_hurts_nobody, "K-PEND-05")
{
    PIRP irps[64];

    for (ULONG i = 0; i < 64; i++) {
        irps[i] = IoAllocateIrp((CCHAR)(i % 8), FALSE);
        IoMarkIrpPending(irps[i]);
    }
    for (ULONG i = 0; i < 64; i++) {
        EXPECT_EQ(irps[i]->Type, IO_TYPE_IRP);
        IoReuseIrp(irps[i], STATUS_SUCCESS);
        EXPECT_EQ(IoGetCurrentIrpStackLocation(irps[i])->Control, 0);
        IoFreeIrp(irps[i]);
    }
}

TEST(irp_is_not_freed_as_pool, "K-FREE-04")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, ExFreePool(irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0x105);
    EXPECT_BUGCHECK_PARAMETER(2, irp);
}

TEST(pool_is_not_freed_as_irp, "K-FREE-03")
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 400, 'tseT');

    EXPECT_BUGCHECK(DRIVER_VERIFIER_IOMANAGER_VIOLATION, IoFreeIrp(block));
    EXPECT_BUGCHECK_PARAMETER(1, 1);
    EXPECT_BUGCHECK_PARAMETER(2, block);
}

TEST(irp_is_freed_once, "K-FREE-03")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoFreeIrp(irp);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, IoFreeIrp(irp));
    EXPECT_BUGCHECK_PARAMETER(1, 7);
    EXPECT_BUGCHECK_PARAMETER(4, irp);
}

TEST(unknown_requests_are_refused, "")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT device = new_layer(driver, NULL);
    struct seen seen = stops;
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_CREATE;
    IoSetCompletionRoutine(irp, routine, &seen, TRUE, TRUE, TRUE);
    EXPECT_STATUS(IoCallDriver(device, irp), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(seen.status, STATUS_INVALID_DEVICE_REQUEST);
    IoFreeIrp(irp);
    io_driver_delete(driver);
}

static void count_names(void *context, PDEVICE_OBJECT device, PCUNICODE_STRING name)
{
    (void)device;
    if (name->Length)
        ++*(LONG *)context;
}

TEST(devices_and_links_have_names, "")
{
    PDRIVER_OBJECT driver = new_driver();
    PDEVICE_OBJECT device, second;
    UNICODE_STRING name = {24, 26, (PWCH)L"\\Device\\Name"}, same = {24, 26, (PWCH)L"\\DEVICE\\name"};
    UNICODE_STRING link = {24, 26, (PWCH)L"\\??\\AnyLinkX"}, bad = {6, 8, (PWCH)L"abc"};
    LONG named = 0;

    EXPECT_STATUS(IoCreateDevice(driver, 40, &name, FILE_DEVICE_NETWORK, 0, TRUE, &device), STATUS_SUCCESS);
    EXPECT(device->DriverObject == driver && driver->DeviceObject == device);
    EXPECT(all_zero(device->DeviceExtension, 40));
    EXPECT(device->Flags & DO_DEVICE_INITIALIZING);
    io_driver_started(driver);
    EXPECT(!(device->Flags & DO_DEVICE_INITIALIZING));
    EXPECT_STATUS(IoCreateDevice(driver, 0, &same, FILE_DEVICE_NETWORK, 0, FALSE, &second),
                  STATUS_OBJECT_NAME_COLLISION);
    EXPECT(second == NULL);
    EXPECT_STATUS(IoCreateDevice(driver, 0, &bad, FILE_DEVICE_NETWORK, 0, FALSE, &second),
                  STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(IoCreateSymbolicLink(&link, &name), STATUS_SUCCESS);
    EXPECT_STATUS(IoCreateSymbolicLink(&link, &name), STATUS_OBJECT_NAME_COLLISION);
    EXPECT_STATUS(IoDeleteSymbolicLink(&link), STATUS_SUCCESS);
    EXPECT_STATUS(IoDeleteSymbolicLink(&link), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &second), STATUS_SUCCESS);
    EXPECT_EQ(io_device_count(driver), 2);
    io_device_walk(driver, count_names, &named);
    EXPECT_EQ(named, 1);
    IoDeleteDevice(device);
    EXPECT(driver->DeviceObject == second);
    EXPECT_EQ(io_device_count(driver), 1);
    io_driver_delete(driver);
    EXPECT_EQ(io_device_count(NULL), 0);
}
