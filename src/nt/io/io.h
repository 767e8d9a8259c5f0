/*
 * io.h - the I/O manager as the rooms see it: IRPs, cancellation, devices and driver objects.
 *
 * An IRP is a plain public structure (D-10): header, then one IO_STACK_LOCATION per driver, wherever it
 * lives. Nothing of ours stands in front of it.
 */
#ifndef UWSK_NT_IO_H
#define UWSK_NT_IO_H

#include <wdm.h>

#include "host/host.h"

#include <stdint.h>

/* ---- IRPs --------------------------------------------------------------------------------------------- */

/* A mark in Irp->AllocationFlags: an IRP of the I/O manager (file.h), which takes it back at its end. */
#define IO_IRP_OF_MANAGER 0x40

/* A zeroed IRP with `stack_size` locations, or NULL.  `caller` is the return address of the driver that
 * asked; NULL marks an IRP of the runtime itself, which the leak account does not charge to a driver.  IRQL
 * <= DISPATCH_LEVEL. */
PIRP io_allocate_irp(CCHAR stack_size, BOOLEAN charge_quota, void *caller);
void io_initialize_irp(PIRP irp, USHORT packet_size, CCHAR stack_size);
void io_reuse_irp(PIRP irp, NTSTATUS status);
void io_free_irp(PIRP irp);

NTSTATUS io_call_driver(PDEVICE_OBJECT device, PIRP irp);

/* Takes the next stack location as the caller's own, so that the caller is the lower driver of this IRP from
 * now on: what IoCallDriver does before it calls the dispatch routine.  Keeps the completion routine and its
 * flags, clears the rest (C-IRP-17) and a stale pending mark.  No location left: bug check 0x35 (K-IRP-07).
 * Returns the location. From here the caller has to end the IRP with io_complete_request, once. */
PIO_STACK_LOCATION io_prepare_lower(PIRP irp);

/* IoMarkIrpPending with its observation.  Call it before the IRP can be seen by whoever may complete it. */
void io_mark_irp_pending(PIRP irp);
/* When that was, in host_ticks(); 0 = it was not, or the IRP is none of IoAllocateIrp.  The caller sees to it that the
 * IRP does not end meanwhile. */
uint64_t io_irp_pending_since(const IRP *irp);

/* Sets IoStatus and unwinds the completion routines upwards from the current location (K-COMPL-03..13).  The
 * IRP must not be touched after the call: it may be gone (D-09).  Hold no lock.  IRQL <= DISPATCH_LEVEL. */
void io_complete_request(PIRP irp, NTSTATUS status, ULONG_PTR information);
/* The same with the IoStatus that the IRP carries already: IoCompleteRequest. */
void io_unwind_request(PIRP irp);

void io_set_completion_routine(PIRP irp, PIO_COMPLETION_ROUTINE routine, PVOID context, BOOLEAN on_success,
                               BOOLEAN on_error, BOOLEAN on_cancel);

/* Somebody holds the IRP and waits for its end: his cancel routine is set.  Not for each that is held: close and bind,
 * say, have none.  The simulator knows of all of them, and by name: there nobody is asked. */
static inline BOOLEAN io_is_cancelable(const IRP *irp)
{
    return __atomic_load_n(&irp->CancelRoutine, __ATOMIC_RELAXED) != NULL &&
           !(host_watched & HOST_WATCH_STEPS); /* IoCancelIrp may be at it */
}

/* Parameter 1 of bug check 0xC9 DRIVER_VERIFIER_IOMANAGER_VIOLATION, a number of our own: the completion routine of an
 * own IRP returned something else than STATUS_MORE_PROCESSING_REQUIRED; 2 = IRP, 3 = what, 4 = routine. */
#define IO_BAD_OWN_IRP_GOES_ON 0x10000

/* ---- cancellation ------------------------------------------------------------------------------------- */

/* K-CANCEL-01, 02. */
BOOLEAN io_cancel_irp(PIRP irp);
/* Atomic exchange; returns the previous routine (K-CANCEL-03). */
PDRIVER_CANCEL io_set_cancel_routine(PIRP irp, PDRIVER_CANCEL routine);
/* The one global cancel lock (K-CANCEL-15). */
void io_acquire_cancel_spin_lock(PKIRQL irql);
void io_release_cancel_spin_lock(KIRQL irql);
/* Sets Irp->Cancel under the cancel lock without calling anybody's cancel routine, which it takes away: for
 * an IRP that its holder ends with STATUS_CANCELLED (D-26).  Returns the routine that was set.  Call with no
 * lock held, or with locks that are never taken under the cancel lock. */
PDRIVER_CANCEL io_mark_irp_cancelled(PIRP irp);

/* ---- driver and device objects ------------------------------------------------------------------------ */

/* A driver object named \Driver\<name> whose registry path is <registry_path> (both narrow, copied).  Its
 * MajorFunction table answers STATUS_INVALID_DEVICE_REQUEST.  NULL when out of memory.  IRQL PASSIVE_LEVEL.
 */
PDRIVER_OBJECT io_driver_create(const char *name, const char *registry_path);
/* The registry path to hand to DriverEntry; lives as long as the driver object. */
PUNICODE_STRING io_driver_registry_path(PDRIVER_OBJECT driver);
/* DriverEntry has succeeded: its devices are open for requests (DO_DEVICE_INITIALIZING is cleared). */
void io_driver_started(PDRIVER_OBJECT driver);
/* Deletes the object; its devices must be gone (io_device_count), those left are deleted with it. */
void io_driver_delete(PDRIVER_OBJECT driver);

NTSTATUS io_create_device(PDRIVER_OBJECT driver, ULONG extension_bytes, PUNICODE_STRING name,
                          DEVICE_TYPE type, ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device,
                          void *caller);
void io_delete_device(PDEVICE_OBJECT device);
void io_reference_device(PDEVICE_OBJECT device);
void io_dereference_device(PDEVICE_OBJECT device);
NTSTATUS io_create_symbolic_link(PUNICODE_STRING link, PUNICODE_STRING target, void *caller);
NTSTATUS io_delete_symbolic_link(PUNICODE_STRING link);

size_t io_device_count(PDRIVER_OBJECT driver);
/* A deleted device of this driver is still there, because somebody has a reference: a work item whose routine has not
 * returned, or is just about to give it back. */
BOOLEAN io_devices_leave(PDRIVER_OBJECT driver);
/* Every device that has not been deleted (driver NULL: of all drivers).  fn must not create or delete
 * devices. */
void io_device_walk(PDRIVER_OBJECT driver,
                    void (*fn)(void *context, PDEVICE_OBJECT device, PCUNICODE_STRING name), void *context);
/* Every symbolic link that has not been deleted. */
void io_symbolic_link_walk(void (*fn)(void *context, PCUNICODE_STRING link, PCUNICODE_STRING target),
                           void *context);
/* The name of such a link, by the address that the observers know; what does not fit is cut.  FALSE: it has been
 * deleted. */
BOOLEAN io_symbolic_link_name(const void *link, char *text, size_t bytes);

/* Completion routines registered by IoSetCompletionRoutineEx that have not run yet, of this driver
 * (K-COMPL-26): the driver may be unloaded only at zero. */
LONG io_completions_outstanding(PDRIVER_OBJECT driver);
/* Waits (PASSIVE_LEVEL) until it is zero. */
void io_wait_completions(PDRIVER_OBJECT driver);

#endif
