/*
 * file.h - devices from above: files that a program or another driver has open, and the requests on them.
 *
 * These IRPs are the I/O manager's: it makes them, the driver's IoCompleteRequest ends them at the top, where
 * io_finish_irp gives the data to the caller, wakes him and takes the IRP back.  No driver may free them.
 */
#ifndef UWSK_NT_IO_FILE_H
#define UWSK_NT_IO_FILE_H

#include "nt/io/io.h"

/* What is asked of a device: the buffers are the caller's until the request has ended. */
struct io_operation {
    UCHAR major; /* IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, ... */
    ULONG code;  /* control code */
    PVOID input; /* control: the input buffer; write: the data */
    ULONG input_length;
    PVOID output; /* control: the output buffer; read: where the data goes */
    ULONG output_length;
    LONGLONG offset; /* read and write */
};

struct io_request;

/* ---- files (file.c) ----------------------------------------------------------------------------------- */

/* Opens the device of that name, with IRP_MJ_CREATE to the top of its stack.  The caller's reference to *file
 * ends with io_close_file.  What io_find_device answers, STATUS_INSUFFICIENT_RESOURCES, or the driver's
 * refusal.  PASSIVE_LEVEL. */
NTSTATUS io_open_file(PCUNICODE_STRING name, ACCESS_MASK access, KPROCESSOR_MODE mode, PFILE_OBJECT *file);

/* Sends IRP_MJ_CLEANUP, cancels what the driver leaves pending on the file and waits until that has ended, at
 * most timeout_ms.  IRP_MJ_CLOSE follows when nothing refers to the file any more; in the usual case before
 * the return.  STATUS_SUCCESS, or STATUS_TIMEOUT: something is still pending.  PASSIVE_LEVEL. */
NTSTATUS io_close_file(PFILE_OBJECT file, ULONG timeout_ms);

/* Files on the driver's devices that are not closed. */
LONG io_driver_opens(PDRIVER_OBJECT driver);
/* From now on nobody can open them (DRVO_UNLOAD_INVOKED); FALSE, and nothing changes, while files are open. */
BOOLEAN io_driver_begin_unload(PDRIVER_OBJECT driver);

/* ---- requests (request.c) ----------------------------------------------------------------------------- */

/* Passes a request down.  STATUS_SUCCESS: *request is the caller's, until io_release_request; how it went,
 * also when it has ended already, is told by io_wait_request.  Else the request was not made.
 * released(context), if not NULL, is called when neither caller nor driver has the request any more: then the
 * buffers are free.  PASSIVE_LEVEL. */
NTSTATUS io_start_request(PFILE_OBJECT file, const struct io_operation *operation, KPROCESSOR_MODE mode,
                          void (*released)(void *context), void *context, struct io_request **request);
/* STATUS_SUCCESS: it has ended, *result tells how; STATUS_TIMEOUT.  timeout NULL: for ever.  PASSIVE_LEVEL. */
NTSTATUS io_wait_request(struct io_request *request, PLARGE_INTEGER timeout, PIO_STATUS_BLOCK result);
/* IoCancelIrp, unless it has ended.  IRQL <= DISPATCH_LEVEL. */
void io_cancel_request(struct io_request *request);
void io_release_request(struct io_request *request);

/* A file's own requests: counted from before they are passed down until after they have ended. */
struct io_file;
struct io_file_entry {
    struct io_file_entry *next, *previous;
    BOOLEAN cancelled; /* by io_close_file */
};
void io_file_add(struct io_file *file, struct io_file_entry *entry);
void io_file_remove(struct io_file *file, struct io_file_entry *entry);
void io_cancel_entry(struct io_file_entry *entry); /* request.c: with a reference, which it drops */
void io_hold_entry(struct io_file_entry *entry);

/* Sends a request without buffers and waits for its end: IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE.  Not
 * one of the file's own.  `security` for IRP_MJ_CREATE. */
NTSTATUS io_send_simple(PFILE_OBJECT file, UCHAR major, KPROCESSOR_MODE mode, PIO_SECURITY_CONTEXT security);

/* The last step of an IRP of the I/O manager, at its top: not to be touched afterwards.  IRQL <=
 * DISPATCH_LEVEL. */
void io_finish_irp(PIRP irp);
/* Of such an IRP: what io_irp_pending_since answers. */
uint64_t *io_request_pending_since(PIRP irp);

/* ---- buffers (control.c) ------------------------------------------------------------------------------ */

/* Fills the IRP's next location and hangs the buffers to the IRP as the operation's method (for reads and
 * writes: the device's flags) has it.  On failure nothing is left hanging.  STATUS_SUCCESS,
 * STATUS_INSUFFICIENT_RESOURCES, STATUS_ACCESS_VIOLATION. */
NTSTATUS io_attach_buffers(PIRP irp, PDEVICE_OBJECT device, const struct io_operation *operation);
/* Copies what a successful buffered request has read, at most `room` bytes, and frees system buffer and MDLs. */
void io_return_buffers(PIRP irp, ULONG room);

#endif
