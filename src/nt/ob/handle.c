/*
 * handle.c - the handle table: numbers that hold a reference to an object.
 *
 * One table, as there is one process.  Handles are multiples of four with the high half set, like kernel
 * handles on Windows; a closed number is given out again as late as possible, so that a stale handle shows.
 */
#include "nt/ob/ob.h"
#include "nt/ps/ps.h"
#include "nt/ke/internal.h"
#include "nt/rtl/rtl.h"

#include <string.h>

#define HANDLE_BASE  0xFFFFFFFF80000000ull
#define HANDLE_FIRST 64u /* entries of a fresh table */

static struct {
    struct ke_lock lock;
    PVOID *objects; /* by index; index 0 is never used */
    unsigned size;
    unsigned next; /* where the search for a free entry starts */
    unsigned count;
} table;

static HANDLE handle_of(unsigned index)
{
    return (HANDLE)(ULONG_PTR)(HANDLE_BASE + index * 4ull);
}

/* Under the lock: the entry, or 0. */
static unsigned index_of(HANDLE handle)
{
    ULONG_PTR value = (ULONG_PTR)handle - HANDLE_BASE;

    if ((ULONG_PTR)handle < HANDLE_BASE || value % 4 || value / 4 >= table.size || !table.objects[value / 4])
        return 0;
    return (unsigned)(value / 4);
}

/* Under the lock. */
static int grow(void)
{
    unsigned size = table.size ? table.size * 2 : HANDLE_FIRST;
    PVOID *objects = ke_allocate(size * sizeof *objects);

    if (!objects)
        return 0;
    if (table.objects) {
        memcpy(objects, table.objects, table.size * sizeof *objects);
        ke_free(table.objects, table.size * sizeof *objects);
    }
    table.objects = objects;
    table.next = table.size ? table.size : 1;
    table.size = size;
    return 1;
}

NTSTATUS ob_open_handle(PVOID object, PHANDLE handle)
{
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    unsigned index = 0;

    if (rtl_is_bad_memory(handle, sizeof *handle, TRUE))
        return STATUS_ACCESS_VIOLATION;
    ob_reference_object(object);
    ke_raw_acquire(&table.lock);
    if (table.count + 1 < table.size || grow()) {
        for (index = table.next; index == 0 || table.objects[index];)
            index = (index + 1) % table.size;
        table.objects[index] = object;
        table.next = (index + 1) % table.size;
        table.count++;
        status = STATUS_SUCCESS;
    }
    ke_raw_release(&table.lock);
    if (NT_SUCCESS(status))
        *handle = handle_of(index);
    else
        ob_dereference_object(object);
    return status;
}

NTSTATUS ob_reference_object_by_handle(HANDLE handle, ACCESS_MASK access, const struct ob_type *type,
                                       KPROCESSOR_MODE mode, PVOID *object)
{
    PVOID found = NULL;

    (void)access, (void)mode;
    *object = NULL;
    if (handle == NtCurrentThread()) {
        found = ke_current_thread();
        ob_reference_object(found);
    } else if (handle == NtCurrentProcess()) {
        found = ps_system_process();
        ob_reference_object(found);
    } else {
        ke_raw_acquire(&table.lock);
        if (index_of(handle)) {
            found = table.objects[index_of(handle)];
            ob_reference_object(found);
        }
        ke_raw_release(&table.lock);
    }
    if (!found)
        return STATUS_INVALID_HANDLE;
    if (type && ob_object_type(found) != type) { /* D-23: no type, no question */
        ob_dereference_object(found);
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    *object = found;
    return STATUS_SUCCESS;
}

NTSTATUS ob_close_handle(HANDLE handle)
{
    PVOID object = NULL;
    unsigned index;

    if (handle == NtCurrentThread() || handle == NtCurrentProcess())
        return STATUS_SUCCESS;
    ke_raw_acquire(&table.lock);
    index = index_of(handle);
    if (index) {
        object = table.objects[index];
        table.objects[index] = NULL;
        table.count--;
    }
    ke_raw_release(&table.lock);
    if (!object)
        return STATUS_INVALID_HANDLE;
    if (ob_object_type(object)->observe_handles)
        OBSERVE(dead, ob_object_type(object)->observe_handles, object);
    ob_dereference_object(object);
    return STATUS_SUCCESS;
}

unsigned ob_handle_count(void)
{
    unsigned count;

    ke_raw_acquire(&table.lock);
    count = table.count;
    ke_raw_release(&table.lock);
    return count;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* The object behind a handle, with a reference that is the caller's; ObjectType NULL = any.
 * STATUS_SUCCESS, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH.  (wdm ObReferenceObjectByHandle) */
NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE AccessMode, PVOID *Object,
                                   POBJECT_HANDLE_INFORMATION HandleInformation)
{
    NTSTATUS status = ob_reference_object_by_handle(Handle, DesiredAccess, (const struct ob_type *)ObjectType,
                                                    AccessMode, Object);

    if (NT_SUCCESS(status))
        ob_reference_given(*Object, __builtin_return_address(0));
    if (HandleInformation && NT_SUCCESS(status)) {
        HandleInformation->HandleAttributes = 0;
        HandleInformation->GrantedAccess = DesiredAccess;
    }
    return status;
}

/* Gives the handle and its reference back.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_HANDLE.  (wdm
 * ZwClose) */
NTSTATUS ZwClose(HANDLE Handle)
{
    return ob_close_handle(Handle);
}

/* Waits for the thread, event or process behind the handle, like KeWaitForSingleObject.  PASSIVE_LEVEL.
 * Also STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH (nothing to wait for).  (ntifs
 * ZwWaitForSingleObject) */
NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    PVOID object;
    NTSTATUS status = ob_reference_object_by_handle(Handle, SYNCHRONIZE, NULL, KernelMode, &object);

    if (!NT_SUCCESS(status))
        return status;
    if (ob_object_type(object)->waitable)
        status = ke_wait_for_single_object(object, UserRequest, KernelMode, Alertable, Timeout);
    else
        status = STATUS_OBJECT_TYPE_MISMATCH;
    ob_dereference_object(object);
    return status;
}
