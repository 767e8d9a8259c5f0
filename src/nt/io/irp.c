/*
 * irp.c - IRPs from birth to the lower driver: allocation, layout, reuse, passing down.
 *
 * completion.c has the way back up, cancel.c the cancellation.
 */
#include "nt/io/io.h"
#include "nt/io/file.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/ps/ps.h"
#include "nt/rtl/call.h"
#include <string.h>
#include <ntifs.h>

#define IRP_TAG 0x20707249u /* "Irp " */

/* Marks in Irp->AllocationFlags.  FROM_RUNTIME: made by IoAllocateIrp, so that IoFreeIrp may have it and one
 * spare location follows the last (see io_allocate_irp). */
enum { IRP_FROM_RUNTIME = 0x04 };

/* What follows the last location of an IRP of ours: see io_allocate_irp. */
static PIO_STACK_LOCATION spare_of(PIRP irp)
{
    return (PIO_STACK_LOCATION)((UCHAR *)irp + irp->Size);
}

/* Since when it is pending, host_ticks(); 0 = not marked so.  In a member that is the I/O manager's, between others
 * that every request touches: a line of its own would be a miss each time. */
static uint64_t *pending_since(PIRP irp)
{
    if (irp->AllocationFlags & IO_IRP_OF_MANAGER)
        return io_request_pending_since(irp);
    return (uint64_t *)&irp->Tail.Overlay.IrpExtension;
}

static USHORT size_of_irp(CCHAR stack_size)
{
    return (USHORT)(sizeof(IRP) + (SIZE_T)(UCHAR)stack_size * sizeof(IO_STACK_LOCATION));
}

/* `bytes` are zeroed: the packet, and what belongs to it behind that. */
static inline void initialize_irp(PIRP irp, SIZE_T bytes, USHORT packet_size, CCHAR stack_size)
{
    memset(irp, 0, bytes);
    irp->Type = IO_TYPE_IRP;
    irp->Size = packet_size;
    irp->StackCount = (CHAR)stack_size;
    irp->CurrentLocation = (CHAR)(stack_size + 1); /* K-IRP-03 */
    irp->ThreadListEntry.Flink = irp->ThreadListEntry.Blink = &irp->ThreadListEntry;
    irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(irp + 1) + stack_size;
}

void io_initialize_irp(PIRP irp, USHORT packet_size, CCHAR stack_size)
{
    initialize_irp(irp, packet_size, packet_size, stack_size);
}

PIRP io_allocate_irp(CCHAR stack_size, BOOLEAN charge_quota, void *caller)
{
    /* One location more than asked for: many drivers call IoMarkIrpPending in the routine of an own IRP,
     * which writes to the location above the topmost (K-PEND-05).  Windows forgives it as long as its pooled
     * IRPs are larger than needed; here the verifier tells, and nothing else is overwritten. */
    USHORT size = size_of_irp(stack_size);
    PIRP irp;

    UNREFERENCED_PARAMETER(charge_quota);
    if (stack_size < 0 || stack_size > 126)
        return NULL;
    irp = ex_allocate_pool_for(POOL_FLAG_NON_PAGED | EX_POOL_RAW, size + sizeof(IO_STACK_LOCATION), IRP_TAG,
                               EX_POOL_IRP, caller);
    if (!irp)
        return NULL;
    initialize_irp(irp, size + sizeof(IO_STACK_LOCATION), size, stack_size); /* the spare location, too */
    irp->AllocationFlags = IRP_FROM_RUNTIME;
    return irp;
}

static void reuse_irp(PIRP irp, NTSTATUS status, void *caller)
{
    UCHAR origin = irp->AllocationFlags;
    USHORT size = irp->Size;

    if (__builtin_expect((origin & IO_IRP_OF_MANAGER) && ex_pool_is_block(irp, EX_POOL_IRP),
                         0)) /* K-REUSE-02 */
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x311, (ULONG_PTR)irp, 0, 0, caller);
    if (__builtin_expect(io_is_cancelable(irp), 0)) /* K-REUSE-03 */
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x310, (ULONG_PTR)irp,
                          (ULONG_PTR)irp->CancelRoutine, 0, caller);
    OBSERVE(irp, OBSERVE_IRP_REUSED, irp, status);
    io_initialize_irp(irp, size, irp->StackCount);
    irp->AllocationFlags = origin;
    irp->IoStatus.Status = status;
    if (origin & IRP_FROM_RUNTIME) /* the spare location belongs to it */
        spare_of(irp)->Control = 0;
}

void io_reuse_irp(PIRP irp, NTSTATUS status)
{
    reuse_irp(irp, status, __builtin_return_address(0));
}

/* K-FREE-03, C-IRP-12: it is tied to a thread. */
static inline void check_not_managers(PIRP irp, void *caller)
{
    if (__builtin_expect(irp->AllocationFlags & IO_IRP_OF_MANAGER, 0))
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x02, (ULONG_PTR)irp, 0, 0, caller);
}

static __attribute__((noinline, cold)) void free_what_is_no_irp(PIRP irp, void *caller)
{
    struct ex_pool_block block;

    if (ex_pool_query(irp, &block)) {
        if (block.kind != EX_POOL_IRP) /* K-FREE-03: never an IRP of IoAllocateIrp */
            ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x01, (ULONG_PTR)irp, 0, 0, caller);
        check_not_managers(irp, caller); /* an address inside one */
    }
    ex_free_pool_from(irp, 0, EX_POOL_IRP, caller);
}

static void free_irp(PIRP irp, void *caller)
{
    struct pool_record *record = ex_pool_find(irp, EX_POOL_IRP);

    if (__builtin_expect(!record, 0)) {
        free_what_is_no_irp(irp, caller);
        return;
    }
    check_not_managers(irp, caller);
    if (__builtin_expect(io_is_cancelable(irp), 0)) /* K-FREE-03: somebody else has it */
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x20B, (ULONG_PTR)irp,
                          (ULONG_PTR)irp->CancelRoutine, 0, caller);
    ex_free_pool_found(irp, record, EX_POOL_IRP, caller);
}

void io_free_irp(PIRP irp)
{
    free_irp(irp, __builtin_return_address(0));
}

/* The step down that IoCallDriver and WSK have in common. */
static PIO_STACK_LOCATION step_down(PIRP irp, void *caller)
{
    irp->CurrentLocation--;
    if (irp->CurrentLocation <= 0) /* K-IRP-07 */
        ke_bug_check_from(NO_MORE_IRP_STACK_LOCATIONS, (ULONG_PTR)irp, 0, 0, 0, caller);
    return --irp->Tail.Overlay.CurrentStackLocation;
}

PIO_STACK_LOCATION io_prepare_lower(PIRP irp)
{
    PIO_STACK_LOCATION location = step_down(irp, __builtin_return_address(0));

    /* All but the routine, its context and when it is to be called (C-IRP-17). */
    location->MajorFunction = location->MinorFunction = location->Flags = 0;
    location->Control &= SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
    memset(&location->Parameters, 0, sizeof location->Parameters);
    location->DeviceObject = NULL;
    location->FileObject = NULL;
    host_point(HOST_POINT_IRP, irp);
    OBSERVE(irp, OBSERVE_IRP_PASSED, irp, STATUS_PENDING);
    return location;
}

NTSTATUS io_call_driver(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION location = step_down(irp, __builtin_return_address(0));
    PDRIVER_DISPATCH dispatch = device->DriverObject->MajorFunction[location->MajorFunction];
    struct rtl_frame frame;
    NTSTATUS status;

    location->DeviceObject = device;
    host_point(HOST_POINT_IRP, irp);
    OBSERVE(irp, OBSERVE_IRP_PASSED, irp, STATUS_PENDING);
    rtl_frame_enter(&frame, OBSERVE_CALLBACK, irp, "dispatch routine", (void *)dispatch);
    status = dispatch(device, irp);
    frame.status = status;
    rtl_frame_leave(&frame);
    return status;
}

void io_mark_irp_pending(PIRP irp)
{
    KE_ASSERT(irp->CurrentLocation <= irp->StackCount); /* K-PEND-05: there is a location to mark */
    irp->Tail.Overlay.CurrentStackLocation->Control |= SL_PENDING_RETURNED;
    if (irp->AllocationFlags & IRP_FROM_RUNTIME)
        __atomic_store_n(pending_since(irp), host_ticks(), __ATOMIC_RELAXED);
    OBSERVE(irp, OBSERVE_IRP_MARKED, irp, STATUS_PENDING);
}

uint64_t io_irp_pending_since(const IRP *irp)
{
    if (!(irp->AllocationFlags & IRP_FROM_RUNTIME))
        return 0;
    return __atomic_load_n(pending_since((PIRP)irp), __ATOMIC_RELAXED);
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IoAllocateIrp - an initialised IRP with StackSize zeroed locations, the caller's until IoFreeIrp; NULL when
 * out of memory or StackSize is not 0..126 (K-IRP-01).  It belongs to no thread (K-IRP-02).  ChargeQuota has
 * no effect. IRQL <= DISPATCH_LEVEL.  Page: wdm IoAllocateIrp.
 */
PIRP NTAPI IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    return io_allocate_irp(StackSize, ChargeQuota, __builtin_return_address(0));
}

/*
 * IoInitializeIrp - makes an IRP of the caller's own memory of PacketSize bytes, at least
 * IoSizeOfIrp(StackSize) (K-IRP-13, D-10).  Any IRQL that the memory allows.  Page: wdm IoInitializeIrp.
 */
VOID NTAPI IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
    io_initialize_irp(Irp, PacketSize, StackSize);
}

/*
 * IoReuseIrp - the IRP as freshly allocated, with IoStatus.Status = Iostatus (K-REUSE-01); also for IRPs in
 * the caller's own memory (KA05), but not for the I/O manager's (K-REUSE-02: bug check 0xC9).
 * IRQL <= DISPATCH_LEVEL.  Page: wdm IoReuseIrp.
 */
VOID NTAPI IoReuseIrp(PIRP Irp, NTSTATUS Iostatus)
{
    reuse_irp(Irp, Iostatus, __builtin_return_address(0));
}

/*
 * IoFreeIrp - frees an IRP of IoAllocateIrp, from within its completion routine, too; MDLs attached to it
 * stay (K-FREE-01, KA06).  IRQL <= DISPATCH_LEVEL.  Page: wdm IoFreeIrp.
 */
VOID NTAPI IoFreeIrp(PIRP Irp)
{
    free_irp(Irp, __builtin_return_address(0));
}

/* IofCallDriver - IoCallDriver: gives the IRP to the device's driver, whose status it returns (K-IRP-07). */
NTSTATUS FASTCALL IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return io_call_driver(DeviceObject, Irp);
}

/* IoGetRequestorProcess - process of the thread that began the request, not referenced; NULL: the request belongs to no
 * thread, as one of IoAllocateIrp.  There is one process.  Any IRQL. */
PEPROCESS NTAPI IoGetRequestorProcess(PIRP Irp)
{
    return Irp->Tail.Overlay.Thread ? ps_system_process() : NULL;
}

/* IoGetRequestorProcessId - its id; 0: the request belongs to no thread.  Any IRQL. */
ULONG NTAPI IoGetRequestorProcessId(PIRP Irp)
{
    return Irp->Tail.Overlay.Thread ? PS_SYSTEM_PROCESS_ID : 0;
}
