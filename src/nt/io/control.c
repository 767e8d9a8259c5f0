/*
 * control.c - the four buffer methods of a control code, and the three of a device's reads and writes.
 *
 *   METHOD_BUFFERED, DO_BUFFERED_IO   one system buffer: input copied in, Information bytes copied out
 *   METHOD_IN_DIRECT, _OUT_DIRECT     the input in a system buffer, the output buffer as an MDL
 *   DO_DIRECT_IO                      the buffer as an MDL
 *   METHOD_NEITHER, no flag           the caller's addresses as they are
 */
#include "nt/io/file.h"
#include "nt/ex/ex.h"
#include "nt/mm/mm.h"
#include <string.h>

#define BUFFER_TAG 0x66756249u /* "Ibuf" */

/* One buffer for both directions, filled with the input. */
static NTSTATUS attach_system_buffer(PIRP irp, PVOID input, ULONG input_length, ULONG bytes)
{
    PVOID buffer = ex_allocate_pool(POOL_FLAG_NON_PAGED, bytes, BUFFER_TAG);

    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (input && input_length)
        memcpy(buffer, input, input_length);
    irp->AssociatedIrp.SystemBuffer = buffer;
    irp->Flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER;
    return STATUS_SUCCESS;
}

static NTSTATUS attach_mdl(PIRP irp, PVOID buffer, ULONG length, LOCK_OPERATION operation)
{
    PMDL mdl = mm_allocate_mdl(buffer, length, FALSE, irp, NULL);

    return mdl ? mm_probe_and_lock_pages(mdl, operation) : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS attach_control(PIRP irp, const struct io_operation *operation)
{
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);
    ULONG method = METHOD_FROM_CTL_CODE(operation->code);
    ULONG in = operation->input_length, out = operation->output_length;
    NTSTATUS status = STATUS_SUCCESS;

    next->Parameters.DeviceIoControl.IoControlCode = operation->code;
    next->Parameters.DeviceIoControl.InputBufferLength = in;
    next->Parameters.DeviceIoControl.OutputBufferLength = out;
    if (method == METHOD_NEITHER) {
        next->Parameters.DeviceIoControl.Type3InputBuffer = operation->input;
        irp->UserBuffer = operation->output;
        return STATUS_SUCCESS;
    }
    if (method == METHOD_BUFFERED) {
        if (!in && !out)
            return STATUS_SUCCESS;
        irp->UserBuffer = operation->output;
        if (operation->output)
            irp->Flags |= IRP_INPUT_OPERATION;
        return attach_system_buffer(irp, operation->input, in, in > out ? in : out);
    }
    if (operation->input && in)
        status = attach_system_buffer(irp, operation->input, in, in);
    if (status == STATUS_SUCCESS && operation->output && out)
        status = attach_mdl(irp, operation->output, out,
                            method == METHOD_IN_DIRECT ? IoReadAccess : IoModifyAccess);
    return status;
}

static NTSTATUS attach_transfer(PIRP irp, PDEVICE_OBJECT device, const struct io_operation *operation)
{
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);
    BOOLEAN read = operation->major == IRP_MJ_READ;
    PVOID buffer = read ? operation->output : operation->input;
    ULONG length = read ? operation->output_length : operation->input_length;

    next->Parameters.Read.Length = length; /* Parameters.Write is laid out alike */
    next->Parameters.Read.ByteOffset.QuadPart = operation->offset;
    irp->Flags |= read ? IRP_READ_OPERATION : IRP_WRITE_OPERATION;
    if (device->Flags & DO_BUFFERED_IO) {
        if (!length)
            return STATUS_SUCCESS;
        irp->UserBuffer = buffer;
        if (read)
            irp->Flags |= IRP_INPUT_OPERATION;
        return attach_system_buffer(irp, read ? NULL : buffer, length, length);
    }
    if (device->Flags & DO_DIRECT_IO)
        return length ? attach_mdl(irp, buffer, length, read ? IoWriteAccess : IoReadAccess) : STATUS_SUCCESS;
    irp->UserBuffer = buffer;
    return STATUS_SUCCESS;
}

NTSTATUS io_attach_buffers(PIRP irp, PDEVICE_OBJECT device, const struct io_operation *operation)
{
    NTSTATUS status = STATUS_SUCCESS;

    IoGetNextIrpStackLocation(irp)->MajorFunction = operation->major;
    if (operation->major == IRP_MJ_DEVICE_CONTROL || operation->major == IRP_MJ_INTERNAL_DEVICE_CONTROL)
        status = attach_control(irp, operation);
    else if (operation->major == IRP_MJ_READ || operation->major == IRP_MJ_WRITE)
        status = attach_transfer(irp, device, operation);
    if (status != STATUS_SUCCESS) {
        irp->Flags &= ~(ULONG)IRP_INPUT_OPERATION;
        io_return_buffers(irp, 0);
    }
    return status;
}

void io_return_buffers(PIRP irp, ULONG room)
{
    PVOID system = irp->AssociatedIrp.SystemBuffer;
    ULONG_PTR bytes = irp->IoStatus.Information;
    PMDL mdl;

    if (irp->Flags & IRP_INPUT_OPERATION && system && !NT_ERROR(irp->IoStatus.Status)) /* warnings, too */
        memcpy(irp->UserBuffer, system, bytes < room ? bytes : room);
    if (irp->Flags & IRP_DEALLOCATE_BUFFER && system) {
        ex_free_pool(system);
        irp->AssociatedIrp.SystemBuffer = NULL;
    }
    while ((mdl = irp->MdlAddress) !=
           NULL) { /* K-FREE: all of the chain go, whoever hung them there (KA06) */
        irp->MdlAddress = mdl->Next;
        if (mdl->MdlFlags & MDL_PAGES_LOCKED)
            mm_unlock_pages(mdl);
        mm_free_mdl(mdl);
    }
}
