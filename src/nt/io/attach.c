/*
 * attach.c - device stacks: a filter's device above another's.
 *
 * The upper device refers to the lower one, so that a lower device that is deleted stays until the detach.
 */
#include "nt/io/device.h"

/* Called with the lock held. */
static PDEVICE_OBJECT top_of(PDEVICE_OBJECT device)
{
    while (device->AttachedDevice)
        device = device->AttachedDevice;
    return device;
}

PDEVICE_OBJECT io_top_of_stack(PDEVICE_OBJECT device)
{
    ke_lock_acquire(&io_device_lock);
    device = top_of(device);
    ke_lock_release(&io_device_lock);
    return device;
}

/* What was the top, or NULL. */
static PDEVICE_OBJECT attach(PDEVICE_OBJECT source, PDEVICE_OBJECT target)
{
    PDEVICE_OBJECT top;

    ke_lock_acquire(&io_device_lock);
    top = top_of(target);
    if (top->Flags & DO_DEVICE_INITIALIZING || ((struct io_device *)top)->deleted || top->StackSize >= 126 ||
        top == source) {
        top = NULL;
    } else {
        top->AttachedDevice = source;
        top->ReferenceCount++;
        source->StackSize = (CCHAR)(top->StackSize + 1);
        source->AlignmentRequirement = top->AlignmentRequirement;
        source->SectorSize = top->SectorSize;
    }
    ke_lock_release(&io_device_lock);
    return top;
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IoAttachDeviceToDeviceStack - puts SourceDevice on top of the stack that TargetDevice is in, its StackSize
 * one more than that of the device below, which is returned: the one to pass IRPs to.  NULL when that device
 * is being initialised or deleted.  IRQL <= DISPATCH_LEVEL.  Page: wdm IoAttachDeviceToDeviceStack.
 */
PDEVICE_OBJECT NTAPI IoAttachDeviceToDeviceStack(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice)
{
    return attach(SourceDevice, TargetDevice);
}

/*
 * IoAttachDevice - the same for a device by name; *AttachedDevice gets the device below.  STATUS_SUCCESS,
 * STATUS_NO_SUCH_DEVICE, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_INVALID.  PASSIVE_LEVEL.  Page: wdm
 * IoAttachDevice.
 */
NTSTATUS NTAPI IoAttachDevice(PDEVICE_OBJECT SourceDevice, PUNICODE_STRING TargetDevice,
                              PDEVICE_OBJECT *AttachedDevice)
{
    PDEVICE_OBJECT target;
    NTSTATUS status = io_find_device(TargetDevice, FALSE, &target, NULL, NULL);

    *AttachedDevice = NULL;
    if (!NT_SUCCESS(status))
        return status;
    *AttachedDevice = attach(SourceDevice, target);
    io_dereference_device(target);
    return *AttachedDevice ? STATUS_SUCCESS : STATUS_NO_SUCH_DEVICE;
}

/* IoDetachDevice - takes away what is attached to TargetDevice, which IoAttachDevice... had returned.  IRQL
 * PASSIVE_LEVEL.  Page: wdm IoDetachDevice. */
VOID NTAPI IoDetachDevice(PDEVICE_OBJECT TargetDevice)
{
    BOOLEAN attached;

    ke_lock_acquire(&io_device_lock);
    attached = TargetDevice->AttachedDevice != NULL;
    TargetDevice->AttachedDevice = NULL;
    ke_lock_release(&io_device_lock);
    if (attached)
        io_dereference_device(TargetDevice);
}

/* IoGetAttachedDevice - the top of the stack.  IRQL <= DISPATCH_LEVEL.  Page: ntifs IoGetAttachedDevice. */
PDEVICE_OBJECT NTAPI IoGetAttachedDevice(PDEVICE_OBJECT DeviceObject)
{
    return io_top_of_stack(DeviceObject);
}
