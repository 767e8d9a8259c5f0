/*
 * workitem.c - IO_WORKITEM: work that keeps its device until its routine has returned.
 */
#include "nt/io/io.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include <string.h>

#define WORK_TAG 0x6B726F57u /* "Work" */

struct _IO_WORKITEM {
    struct ex_work work;
    PVOID object; /* device or driver object */
    union {
        PIO_WORKITEM_ROUTINE plain;
        PIO_WORKITEM_ROUTINE_EX ex;
    } routine;
    PVOID context;
    BOOLEAN extended; /* which of the two */
};

/* Driver objects outlive their work items by the rule of K-UNLOAD-01; devices are counted. */
static PDEVICE_OBJECT device_of(PVOID object)
{
    PDEVICE_OBJECT device = object;

    return device && device->Type == IO_TYPE_DEVICE ? device : NULL;
}

/* On a worker; the routine may free the item or queue it again, so everything is read before (K-WORK-03). */
static void run_item(void *context)
{
    PIO_WORKITEM item = context;
    struct _IO_WORKITEM now = *item;
    PDEVICE_OBJECT device = device_of(now.object);

    if (now.extended)
        now.routine.ex(now.object, now.context, item);
    else
        now.routine.plain(now.object, now.context);
    if (device)
        io_dereference_device(device);
}

static void queue_item(PIO_WORKITEM item, void *caller)
{
    PDEVICE_OBJECT device = device_of(item->object);

    if (device)
        io_reference_device(device);
    ex_queue_driver_work(&item->work, run_item, item, caller);
}

static void refuse_queued(PIO_WORKITEM item, void *caller)
{
    if (ex_work_is_queued(&item->work)) /* K-WORK-04: before anything of the queued item is overwritten */
        ke_bug_check_from(WORKER_INVALID, 1, (ULONG_PTR)item, DelayedWorkQueue, 0, caller);
}

static void refuse_free(PIO_WORKITEM item, void *caller)
{
    if (ex_work_is_queued(&item->work)) /* K-WORK-05 */
        ke_bug_check_from(WORKER_INVALID, 2, (ULONG_PTR)item, (ULONG_PTR)item->routine.plain, 0, caller);
}

/*
 * IoAllocateWorkItem - a work item for this device (or driver) object, the caller's until IoFreeWorkItem;
 * NULL when out of memory (K-WORK-01).  IRQL <= DISPATCH_LEVEL.  Page: wdm IoAllocateWorkItem.
 */
PIO_WORKITEM NTAPI IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    PIO_WORKITEM item = ex_allocate_pool_for(POOL_FLAG_NON_PAGED, sizeof(*item), WORK_TAG, EX_POOL_WORK_ITEM,
                                             __builtin_return_address(0));

    if (item)
        item->object = DeviceObject;
    return item;
}

/* IoFreeWorkItem - frees it, from its own routine, too; a queued one is bug check 0xE4 (K-WORK-05). */
VOID NTAPI IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
    void *caller = __builtin_return_address(0);

    refuse_free(IoWorkItem, caller);
    ex_free_pool_from(IoWorkItem, 0, EX_POOL_WORK_ITEM, caller);
}

/* IoSizeofWorkItem - bytes that IoInitializeWorkItem needs. */
ULONG NTAPI IoSizeofWorkItem(VOID)
{
    return sizeof(struct _IO_WORKITEM);
}

/* IoInitializeWorkItem - a work item in the caller's own memory; IoObject is a device or driver object. */
VOID NTAPI IoInitializeWorkItem(PVOID IoObject, PIO_WORKITEM IoWorkItem)
{
    memset(IoWorkItem, 0, sizeof(*IoWorkItem));
    IoWorkItem->object = IoObject;
}

/* IoUninitializeWorkItem - the end of such an item; a queued one is bug check 0xE4 (K-WORK-05). */
VOID NTAPI IoUninitializeWorkItem(PIO_WORKITEM IoWorkItem)
{
    refuse_free(IoWorkItem, __builtin_return_address(0));
}

/*
 * IoQueueWorkItem - WorkerRoutine(device, Context) runs once on a worker at PASSIVE_LEVEL, where it may block
 * (K-WORK-02); the device object stays until it has returned.  A queued item is bug check 0xE4 (K-WORK-04).
 * QueueType does not matter here.  IRQL <= DISPATCH_LEVEL.  Page: wdm IoQueueWorkItem.
 */
VOID NTAPI IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine,
                           WORK_QUEUE_TYPE QueueType, PVOID Context)
{
    void *caller = __builtin_return_address(0);

    UNREFERENCED_PARAMETER(QueueType);
    refuse_queued(IoWorkItem, caller);
    IoWorkItem->routine.plain = WorkerRoutine;
    IoWorkItem->context = Context;
    IoWorkItem->extended = FALSE;
    queue_item(IoWorkItem, caller);
}

/* IoQueueWorkItemEx - the same for WorkerRoutine(object, Context, item).  Page: wdm IoQueueWorkItemEx. */
VOID NTAPI IoQueueWorkItemEx(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE_EX WorkerRoutine,
                             WORK_QUEUE_TYPE QueueType, PVOID Context)
{
    void *caller = __builtin_return_address(0);

    UNREFERENCED_PARAMETER(QueueType);
    refuse_queued(IoWorkItem, caller);
    IoWorkItem->routine.ex = WorkerRoutine;
    IoWorkItem->context = Context;
    IoWorkItem->extended = TRUE;
    queue_item(IoWorkItem, caller);
}
