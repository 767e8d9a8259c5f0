/*
 * device.h - opens the devices of loaded drivers: I/O control codes, reads and writes, from a program.
 *
 * What a program on Windows does with CreateFile, DeviceIoControl, ReadFile, WriteFile, CancelIoEx and
 * CloseHandle, for one that has loaded drivers through runtime.h, or that talks to a running `uwsk run`.
 * Readable beside libc and beside the WDK headers.  All functions are called at PASSIVE_LEVEL from threads
 * that run no driver code; several threads may use one device.  Status values are NTSTATUS; sizes are bytes,
 * at most UWSK_DEVICE_BYTES in one call; times are milliseconds.
 *
 *     struct uwsk_device *device;
 *     size_t got;
 *
 *     if (uwsk_device_open("\\\\.\\Echo", &device) >= 0) {
 *         int32_t status = uwsk_device_ioctl(device, IOCTL_ECHO_COUNT, NULL, 0, &count, sizeof count, &got, 1000);
 *         ...
 *         uwsk_device_close(device, 1000);
 *     }
 */
#ifndef UWSK_DEVICE_H
#define UWSK_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <uwsk/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uwsk_device;
struct uwsk_request;

#define UWSK_DEVICE_BYTES (64u << 20)
#define UWSK_WAIT_FOREVER 0xFFFFFFFFu

/* ---- open and close ----------------------------------------------------------------------------------- */

/* Opens a device: IRP_MJ_CREATE.  name is UTF-8: "\Device\X", "\DosDevices\X", "\??\X", "\\.\X", or plain "X",
 * which means "\\.\X"; what follows the device's name comes to the driver as the file's name.  Returns what
 * the driver answers, or STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_NO_SUCH_DEVICE (its
 * driver is starting or ending), STATUS_ACCESS_DENIED (exclusive, and somebody has it open),
 * STATUS_INSUFFICIENT_RESOURCES. */
int32_t uwsk_device_open(const char *name, struct uwsk_device **device);

/* Closes it: IRP_MJ_CLEANUP, then everything still pending is cancelled, then, when that has ended,
 * IRP_MJ_CLOSE.  STATUS_SUCCESS, or STATUS_TIMEOUT: the driver still has a request; IRP_MJ_CLOSE follows when
 * it has ended.  The device is gone in either case; requests that were started are still to be freed. */
int32_t uwsk_device_close(struct uwsk_device *device, unsigned timeout_ms);

/* ---- one request, waited for -------------------------------------------------------------------------- */

/* IRP_MJ_DEVICE_CONTROL with the buffer method that is part of the code; with METHOD_IN_DIRECT `out` is a
 * second input and not written to.  *returned (may be NULL) gets
 * IoStatus.Information.  Returns IoStatus.Status; or STATUS_INSUFFICIENT_RESOURCES,
 * STATUS_INVALID_BUFFER_SIZE; or, when timeout_ms passed and the request was cancelled for it:
 * STATUS_IO_TIMEOUT, or STATUS_DEVICE_BUSY when the driver has not ended it even five seconds later.  A
 * driver that never does keeps copies of the buffers, not the caller's. */
int32_t uwsk_device_ioctl(struct uwsk_device *device, uint32_t code, const void *in, size_t in_bytes,
                          void *out, size_t out_bytes, size_t *returned, unsigned timeout_ms);
/* IRP_MJ_READ and IRP_MJ_WRITE. */
int32_t uwsk_device_read(struct uwsk_device *device, uint64_t offset, void *buffer, size_t bytes,
                         size_t *returned, unsigned timeout_ms);
int32_t uwsk_device_write(struct uwsk_device *device, uint64_t offset, const void *data, size_t bytes,
                          size_t *returned, unsigned timeout_ms);

/* ---- one request, started, waited for later or cancelled ---------------------------------------------- */

/* Starts IRP_MJ_DEVICE_CONTROL.  in is copied; the first `out_bytes` of `out` are, too (NULL: zeroes), as a
 * direct or neither method shows them to the driver.  STATUS_PENDING: *request is the caller's, to be freed
 * with uwsk_request_free; how it went is what uwsk_request_wait tells, also when it has ended already. */
int32_t uwsk_device_start(struct uwsk_device *device, uint32_t code, const void *in, size_t in_bytes,
                          const void *out, size_t out_bytes, struct uwsk_request **request);
/* Waits for its end.  Returns IoStatus.Status, having copied the output buffer to out (as many bytes as were
 * asked for at the start; NULL: not) and set *returned; or STATUS_TIMEOUT: it is still pending. */
int32_t uwsk_request_wait(struct uwsk_request *request, void *out, size_t *returned, unsigned timeout_ms);
/* IoCancelIrp.  Says nothing about the end, which uwsk_request_wait tells.  From any thread. */
void uwsk_request_cancel(struct uwsk_request *request);
/* Cancels it if it has not ended. */
void uwsk_request_free(struct uwsk_request *request);

/* "STATUS_CANCELLED", or NULL for a value without a name. */
const char *uwsk_status_name(int32_t status);

/* ---- devices of another program: the control socket --------------------------------------------------- */

/* Makes the devices of this program's drivers known to other programs of the same user: a Unix socket at
 * `path`, mode 0600.  At most one at a time.  STATUS_SUCCESS, or STATUS_CANNOT_MAKE and others with the reason
 * in *problem (may be NULL). */
int32_t uwsk_control_start(const char *path, struct uwsk_problem *problem);
/* Removes it; cancels what came that way and waits for its end.  Nothing happens when there is none.  To be
 * called before drivers are unloaded. */
void uwsk_control_stop(void);

struct uwsk_control;

/* Connects to the socket of a running program; a connection is for one IOCTL.  STATUS_SUCCESS, or an error
 * with the reason in *problem. */
int32_t uwsk_control_connect(const char *path, struct uwsk_control **control, struct uwsk_problem *problem);
/* Opens the device there, does what uwsk_device_ioctl does, closes it.  `out` starts as zeroes for the driver, with
 * METHOD_IN_DIRECT as it is; only as many bytes as it has returned are written, none with METHOD_IN_DIRECT.
 * problem->text is empty, or says why the IOCTL did not come to a driver: STATUS_CONNECTION_DISCONNECTED, or what
 * uwsk_device_open returns. */
int32_t uwsk_control_ioctl(struct uwsk_control *control, const char *device, uint32_t code, const void *in,
                           size_t in_bytes, void *out, size_t out_bytes, size_t *returned,
                           unsigned timeout_ms, struct uwsk_problem *problem);
/* Cancels the IOCTL that is under way, which then returns.  May be called by a signal handler. */
void uwsk_control_cancel(struct uwsk_control *control);
void uwsk_control_close(struct uwsk_control *control);

#ifdef __cplusplus
}
#endif
#endif
