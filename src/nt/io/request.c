/*
 * request.c - the I/O manager's IRPs: made here for a file or for a driver that asks, ended here.
 *
 * An IRP and its request live until the request's last reference has gone, not until the IRP has ended: so
 * whoever holds the request can cancel it at any time (K-CANCEL-07).
 */
#include "nt/io/file.h"
#include "nt/io/device.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include <string.h>

#define REQUEST_TAG 0x71657249u /* "Ireq" */

struct io_request {
    struct io_file_entry entry; /* first: of the file's own requests */
    LONG references;            /* the IRP's until it has ended, the caller's */
    BOOLEAN ended;
    PIRP irp;
    struct io_file *file; /* whose own it is, or NULL */
    ULONG room;           /* bytes of the caller's buffer that data is copied to */
    KEVENT event;         /* it has ended */
    uint64_t pending_since;
    IO_STATUS_BLOCK result;
    void (*released)(void *context);
    void *context;
};

/* ---- birth and death ---------------------------------------------------------------------------------- */

/* With one reference, which is the IRP's. */
static struct io_request *make_request(CCHAR stack_size, KPROCESSOR_MODE mode, void *caller)
{
    struct io_request *request = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof(*request), REQUEST_TAG);

    if (!request)
        return NULL;
    request->irp = io_allocate_irp(stack_size, FALSE, caller);
    if (!request->irp) {
        ex_free_pool(request);
        return NULL;
    }
    request->references = 1;
    ke_initialize_event(&request->event, NotificationEvent, FALSE);
    request->irp->AllocationFlags |= IO_IRP_OF_MANAGER;
    request->irp->RequestorMode = mode;
    request->irp->Tail.Overlay.Thread = (PETHREAD)ke_current_thread();
    request->irp->Tail.Overlay.IrpExtension = request;
    return request;
}

static void hold(struct io_request *request)
{
    __atomic_add_fetch(&request->references, 1, __ATOMIC_RELAXED);
}

void io_release_request(struct io_request *request)
{
    if (__atomic_sub_fetch(&request->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    request->irp->AllocationFlags &= (UCHAR)~IO_IRP_OF_MANAGER;
    io_free_irp(request->irp);
    if (request->released)
        request->released(request->context);
    ex_free_pool(request);
}

uint64_t *io_request_pending_since(PIRP irp)
{
    struct io_request *request = irp->Tail.Overlay.IrpExtension;

    return &request->pending_since;
}

void io_finish_irp(PIRP irp)
{
    struct io_request *request = irp->Tail.Overlay.IrpExtension;
    PKEVENT event = irp->UserEvent;

    io_return_buffers(irp, request->room);
    request->result = irp->IoStatus;
    /* A request that fails before the dispatch routine returns tells so by the returned status alone. */
    if (!NT_ERROR(irp->IoStatus.Status) || irp->PendingReturned) {
        if (irp->UserIosb)
            *irp->UserIosb = irp->IoStatus;
        if (event)
            ke_set_event(event, IO_NO_INCREMENT, FALSE);
    }
    __atomic_store_n(&request->ended, TRUE, __ATOMIC_RELEASE);
    ke_set_event(&request->event, IO_NO_INCREMENT, FALSE);
    if (request->file)
        io_file_remove(request->file, &request->entry);
    io_release_request(request);
}

/* ---- for files ---------------------------------------------------------------------------------------- */

NTSTATUS io_start_request(PFILE_OBJECT file, const struct io_operation *operation, KPROCESSOR_MODE mode,
                          void (*released)(void *context), void *context, struct io_request **out)
{
    PDEVICE_OBJECT device = io_top_of_stack(file->DeviceObject);
    struct io_request *request = make_request(device->StackSize, mode, NULL);
    NTSTATUS status;

    *out = NULL;
    if (!request)
        return STATUS_INSUFFICIENT_RESOURCES;
    request->room = operation->output_length;
    status = io_attach_buffers(request->irp, device, operation);
    if (status != STATUS_SUCCESS) {
        io_release_request(request);
        return status;
    }
    IoGetNextIrpStackLocation(request->irp)->FileObject = file;
    request->irp->Tail.Overlay.OriginalFileObject = file;
    request->released = released;
    request->context = context;
    request->file = (struct io_file *)file;
    io_file_add(request->file, &request->entry);
    hold(request);
    io_call_driver(device, request->irp);
    *out = request;
    return STATUS_SUCCESS;
}

NTSTATUS io_wait_request(struct io_request *request, PLARGE_INTEGER timeout, PIO_STATUS_BLOCK result)
{
    NTSTATUS status = ke_wait_for_single_object(&request->event, UserRequest, KernelMode, FALSE, timeout);

    if (status == STATUS_SUCCESS)
        *result = request->result;
    return status;
}

void io_cancel_request(struct io_request *request)
{
    if (!__atomic_load_n(&request->ended, __ATOMIC_ACQUIRE))
        io_cancel_irp(request->irp);
}

void io_hold_entry(struct io_file_entry *entry)
{
    hold((struct io_request *)entry);
}

void io_cancel_entry(struct io_file_entry *entry)
{
    io_cancel_request((struct io_request *)entry);
    io_release_request((struct io_request *)entry);
}

NTSTATUS io_send_simple(PFILE_OBJECT file, UCHAR major, KPROCESSOR_MODE mode, PIO_SECURITY_CONTEXT security)
{
    PDEVICE_OBJECT device = io_top_of_stack(file->DeviceObject);
    struct io_request *request = make_request(device->StackSize, mode, NULL);
    PIO_STACK_LOCATION next;
    NTSTATUS status;

    if (!request)
        return STATUS_INSUFFICIENT_RESOURCES;
    next = IoGetNextIrpStackLocation(request->irp);
    next->MajorFunction = major;
    next->FileObject = file;
    if (security) {
        next->Parameters.Create.SecurityContext = security;
        next->Parameters.Create.Options = (ULONG)FILE_OPEN << 24;
        next->Parameters.Create.ShareAccess = FILE_SHARE_READ | FILE_SHARE_WRITE;
    }
    request->irp->Flags = major == IRP_MJ_CREATE  ? IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API
                          : major == IRP_MJ_CLOSE ? IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API
                                                  : IRP_SYNCHRONOUS_API;
    request->irp->Tail.Overlay.OriginalFileObject = file;
    hold(request);
    io_call_driver(device, request->irp);
    ke_wait_for_single_object(&request->event, Executive, KernelMode, FALSE, NULL);
    status = request->result.Status;
    io_release_request(request);
    return status;
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

static PIRP build_irp(PDEVICE_OBJECT device, const struct io_operation *operation, PKEVENT event,
                      PIO_STATUS_BLOCK block, void *caller)
{
    struct io_request *request = make_request(device->StackSize, KernelMode, caller);

    if (!request)
        return NULL;
    request->room = operation->output_length;
    if (io_attach_buffers(request->irp, device, operation) != STATUS_SUCCESS) {
        io_release_request(request);
        return NULL;
    }
    request->irp->UserEvent = event;
    request->irp->UserIosb = block;
    return request->irp;
}

/*
 * IoBuildDeviceIoControlRequest - an IRP_MJ_DEVICE_CONTROL (or internal) IRP for DeviceObject, its buffers
 * attached as the control code's method has it; NULL when out of memory or the output buffer cannot be
 * locked.  To be passed down with IoCallDriver, never to be freed: the I/O manager does that when the IRP has
 * been completed, after it has written *IoStatusBlock and set Event.  PASSIVE_LEVEL.  Page: wdm
 * IoBuildDeviceIoControlRequest.
 */
PIRP NTAPI IoBuildDeviceIoControlRequest(ULONG IoControlCode, PDEVICE_OBJECT DeviceObject, PVOID InputBuffer,
                                         ULONG InputBufferLength, PVOID OutputBuffer,
                                         ULONG OutputBufferLength, BOOLEAN InternalDeviceIoControl,
                                         PKEVENT Event, PIO_STATUS_BLOCK IoStatusBlock)
{
    const struct io_operation operation = {
        .major = InternalDeviceIoControl ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL,
        .code = IoControlCode,
        .input = InputBuffer,
        .input_length = InputBufferLength,
        .output = OutputBuffer,
        .output_length = OutputBufferLength,
    };

    return build_irp(DeviceObject, &operation, Event, IoStatusBlock, __builtin_return_address(0));
}

/*
 * IoBuildSynchronousFsdRequest - the same for IRP_MJ_READ and IRP_MJ_WRITE, whose Buffer is attached as the
 * device's flags have it, and for IRP_MJ_FLUSH_BUFFERS, IRP_MJ_SHUTDOWN and IRP_MJ_PNP, which have none.
 * PASSIVE_LEVEL.  Page: wdm IoBuildSynchronousFsdRequest.
 */
PIRP NTAPI IoBuildSynchronousFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                                        ULONG Length, PLARGE_INTEGER StartingOffset, PKEVENT Event,
                                        PIO_STATUS_BLOCK IoStatusBlock)
{
    BOOLEAN read = MajorFunction == IRP_MJ_READ;
    const struct io_operation operation = {
        .major = (UCHAR)MajorFunction,
        .input = read ? NULL : Buffer,
        .input_length = read ? 0 : Length,
        .output = read ? Buffer : NULL,
        .output_length = read ? Length : 0,
        .offset = StartingOffset ? StartingOffset->QuadPart : 0,
    };
    PIRP irp = build_irp(DeviceObject, &operation, Event, IoStatusBlock, __builtin_return_address(0));

    if (irp)
        irp->Flags |= IRP_SYNCHRONOUS_API;
    return irp;
}
