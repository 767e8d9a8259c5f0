/*
 * file.c - file objects: open, cleanup, close.
 *
 * A file object is a counted object.  Its opener holds one reference, which also stands for the file's own
 * requests: it goes when the file has been closed and the last of them has ended.  IRP_MJ_CLOSE is sent when
 * no reference is left, at PASSIVE_LEVEL.
 */
#include "nt/io/file.h"
#include "nt/io/device.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/ob/ob.h"
#include <limits.h>
#include <string.h>

struct io_file {
    FILE_OBJECT object;
    struct ex_work work; /* its end, when that is asked for at raised IRQL */
    struct ke_lock lock; /* guards what follows */
    struct io_file_entry *entries;
    uint32_t changes; /* parking word: counts the requests that have ended */
    BOOLEAN given_up; /* io_close_file has not waited for the rest: the last one drops its reference */
    BOOLEAN opened;   /* IRP_MJ_CREATE has succeeded, so IRP_MJ_CLOSE is due */
    WCHAR name[];
};

static void destroy_file(void *object);
static int defer_file(void *object);

static uint64_t device_of(const void *object)
{
    return (uint64_t)(ULONG_PTR)((const FILE_OBJECT *)object)->DeviceObject;
}

static const struct ob_type file_type = {.name = "File",
                                         .destroy = destroy_file,
                                         .defer = defer_file,
                                         .observe_references = OBSERVE_FILE_OBJECT,
                                         .observe_tag = device_of};

/* ---- the end ------------------------------------------------------------------------------------------ */

/* Drivers must hear of it: memory comes back. */
static void send_surely(PFILE_OBJECT file, UCHAR major)
{
    LARGE_INTEGER moment = {.QuadPart = -100000};

    while (io_send_simple(file, major, KernelMode, NULL) == STATUS_INSUFFICIENT_RESOURCES)
        ke_delay_execution_thread(KernelMode, FALSE, &moment);
}

static void destroy_file(void *object)
{
    struct io_file *file = object;

    if (file->opened)
        send_surely(&file->object, IRP_MJ_CLOSE);
    io_end_open(file->object.DeviceObject);
}

static void finish_file(void *context)
{
    ob_destroy_object(context);
}

/* The dispatch routine for IRP_MJ_CLOSE may block. */
static int defer_file(void *object)
{
    struct io_file *file = object;

    if (ke_current_irql() == PASSIVE_LEVEL && !ke_on_processor_thread())
        return 0;
    ex_queue_worker(&file->work, finish_file, file);
    return 1;
}

/* ---- open and close ----------------------------------------------------------------------------------- */

static struct io_file *make_file(PDEVICE_OBJECT device, const WCHAR *rest, USHORT rest_bytes)
{
    struct io_file *file = ob_create_object(&file_type, sizeof(*file) + rest_bytes + sizeof(WCHAR));

    if (!file)
        return NULL;
    file->object.Type = IO_TYPE_FILE;
    file->object.Size = sizeof(file->object);
    file->object.DeviceObject = device;
    file->object.ReadAccess = file->object.WriteAccess = TRUE;
    file->object.SharedRead = file->object.SharedWrite = TRUE;
    ke_initialize_event(&file->object.Lock, SynchronizationEvent, FALSE);
    ke_initialize_event(&file->object.Event, NotificationEvent, FALSE);
    file->object.IrpList.Flink = file->object.IrpList.Blink = &file->object.IrpList;
    memcpy(file->name, rest, rest_bytes);
    file->object.FileName.Buffer = rest_bytes ? file->name : NULL;
    file->object.FileName.Length = rest_bytes;
    file->object.FileName.MaximumLength = rest_bytes;
    return file;
}

NTSTATUS io_open_file(PCUNICODE_STRING name, ACCESS_MASK access, KPROCESSOR_MODE mode, PFILE_OBJECT *out)
{
    IO_SECURITY_CONTEXT security = {.DesiredAccess = access};
    WCHAR rest[IO_NAME_UNITS];
    USHORT rest_bytes;
    PDEVICE_OBJECT device;
    struct io_file *file;
    NTSTATUS status;

    *out = NULL;
    status = io_find_device(name, TRUE, &device, rest, &rest_bytes);
    if (!NT_SUCCESS(status))
        return status;
    file = make_file(device, rest, rest_bytes);
    if (!file) {
        io_end_open(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = io_send_simple(&file->object, IRP_MJ_CREATE, mode, &security);
    if (!NT_SUCCESS(status)) {
        ob_dereference_object(file);
        return status;
    }
    file->opened = TRUE;
    *out = &file->object;
    return STATUS_SUCCESS;
}

/* The next one to cancel, with a reference to it, or NULL. */
static struct io_file_entry *next_to_cancel(struct io_file *file)
{
    struct io_file_entry *entry;

    ke_lock_acquire(&file->lock);
    for (entry = file->entries; entry && entry->cancelled; entry = entry->next)
        ;
    if (entry) {
        entry->cancelled = TRUE;
        io_hold_entry(entry);
    }
    ke_lock_release(&file->lock);
    return entry;
}

/* TRUE: nothing is pending.  Else the last to end drops the reference, if we give up. */
static BOOLEAN is_idle(struct io_file *file, BOOLEAN give_up, uint32_t *changes)
{
    BOOLEAN idle;

    ke_lock_acquire(&file->lock);
    idle = !file->entries;
    file->given_up = !idle && give_up;
    *changes = file->changes;
    ke_lock_release(&file->lock);
    return idle;
}

static BOOLEAN wait_until_idle(struct io_file *file, ULONG timeout_ms)
{
    uint64_t until = host_now() + timeout_ms * 1000000ull;
    BOOLEAN late = FALSE;
    uint32_t changes;

    while (!is_idle(file, late, &changes)) {
        if (late)
            return FALSE;
        late = host_park(&file->changes, changes, until) == HOST_TIMEOUT;
    }
    return TRUE;
}

NTSTATUS io_close_file(PFILE_OBJECT object, ULONG timeout_ms)
{
    struct io_file *file = (struct io_file *)object;
    struct io_file_entry *entry;

    send_surely(object, IRP_MJ_CLEANUP);
    object->Flags |= FO_CLEANUP_COMPLETE;
    while ((entry = next_to_cancel(file)) != NULL)
        io_cancel_entry(entry);
    if (!wait_until_idle(file, timeout_ms))
        return STATUS_TIMEOUT;
    ob_dereference_object(file);
    return STATUS_SUCCESS;
}

/* ---- a file's own requests ---------------------------------------------------------------------------- */

void io_file_add(struct io_file *file, struct io_file_entry *entry)
{
    ke_lock_acquire(&file->lock);
    entry->previous = NULL;
    entry->next = file->entries;
    if (file->entries)
        file->entries->previous = entry;
    file->entries = entry;
    ke_lock_release(&file->lock);
}

void io_file_remove(struct io_file *file, struct io_file_entry *entry)
{
    BOOLEAN last;

    ke_lock_acquire(&file->lock);
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        file->entries = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    file->changes++;
    last = file->given_up && !file->entries;
    ke_lock_release(&file->lock); /* the closer may be gone, and the file with him */
    host_unpark(&file->changes, INT_MAX);
    if (last)
        ob_dereference_object(file);
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IoGetDeviceObjectPointer - opens the named device for the driver: *FileObject with a reference that the
 * driver gives back with ObDereferenceObject, *DeviceObject the top of the device's stack.  The device sees
 * IRP_MJ_CREATE and IRP_MJ_CLEANUP now, IRP_MJ_CLOSE at the end of that reference.  Statuses as
 * io_open_file.  PASSIVE_LEVEL.  Page: wdm IoGetDeviceObjectPointer.
 */
NTSTATUS NTAPI IoGetDeviceObjectPointer(PUNICODE_STRING ObjectName, ACCESS_MASK DesiredAccess,
                                        PFILE_OBJECT *FileObject, PDEVICE_OBJECT *DeviceObject)
{
    NTSTATUS status = io_open_file(ObjectName, DesiredAccess, KernelMode, FileObject);

    if (!NT_SUCCESS(status)) {
        *DeviceObject = NULL;
        return status;
    }
    ob_reference_given(*FileObject, __builtin_return_address(0));
    send_surely(*FileObject, IRP_MJ_CLEANUP);
    (*FileObject)->Flags |= FO_CLEANUP_COMPLETE;
    *DeviceObject = io_top_of_stack((*FileObject)->DeviceObject);
    return STATUS_SUCCESS;
}

/* IoGetRelatedDeviceObject - the top of the stack that a file's requests go to.  IRQL <= DISPATCH_LEVEL. */
PDEVICE_OBJECT NTAPI IoGetRelatedDeviceObject(PFILE_OBJECT FileObject)
{
    return io_top_of_stack(FileObject->DeviceObject);
}
