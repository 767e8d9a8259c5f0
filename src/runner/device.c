/*
 * device.c - a program's way into drivers' devices.
 *
 * The driver works on copies of the program's buffers, which live as long as the I/O manager or the program
 * has the request: a driver that keeps an IRP for ever then has no memory of the program in its hands.
 */
#include "runner.h"

#include <uwsk/device.h>

#include "nt/io/file.h"
#include "nt/rtl/rtl.h"

#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

#define GRACE_MS 5000 /* how long a driver may take to end what was cancelled */

struct uwsk_device {
    PFILE_OBJECT file;
};

/* The buffers belong to the I/O manager's request: freed with it. */
struct buffers {
    uint8_t *in, *out;
    size_t out_bytes;
    int back; /* the driver may write to out */
};

struct uwsk_request {
    struct io_request *io;
    struct buffers *buffers;
};

const char *uwsk_status_name(int32_t status)
{
    return rtl_status_name(status);
}

/* ---- names -------------------------------------------------------------------------------------------- */

#define NAME_UNITS 1024

/* One character of UTF-8; 0 at the end, or when it is none (*bad). */
static uint32_t next_character(const uint8_t **at, int *bad)
{
    uint32_t lead = **at, rest = 0, value;

    if (lead == 0)
        return 0;
    ++*at;
    if (lead < 0x80)
        return lead;
    rest = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    *bad |= lead < 0xC2 || lead > 0xF4;
    value = lead & (0x3Fu >> rest);
    while (rest-- > 0) {
        if ((**at & 0xC0) != 0x80) {
            *bad = 1;
            return 0;
        }
        value = value << 6 | (*(*at)++ & 0x3F);
    }
    return value;
}

/* "X" means "\\.\X".  0 when it is no name. */
static int wide_name(const char *name, WCHAR units[NAME_UNITS], UNICODE_STRING *out)
{
    const uint8_t *at = (const uint8_t *)name;
    size_t count = 0;
    uint32_t character;
    int bad = name[0] == 0;

    for (const char *prefix = name[0] == '\\' ? "" : "\\\\.\\"; *prefix; prefix++)
        units[count++] = (WCHAR)*prefix;
    while (count < NAME_UNITS - 2 && (character = next_character(&at, &bad)) != 0) {
        if (character >= 0x10000) {
            units[count++] = (WCHAR)(0xD800 + ((character - 0x10000) >> 10));
            character = 0xDC00 + ((character - 0x10000) & 0x3FF);
        }
        units[count++] = (WCHAR)character;
    }
    out->Buffer = units;
    out->Length = out->MaximumLength = (USHORT)(count * sizeof(WCHAR));
    return !bad && *at == 0;
}

int32_t uwsk_device_open(const char *name, struct uwsk_device **out)
{
    struct uwsk_device *device = malloc(sizeof *device);
    int32_t status = STATUS_INSUFFICIENT_RESOURCES;
    WCHAR units[NAME_UNITS];
    UNICODE_STRING wide;

    *out = NULL;
    if (!device)
        return status;
    status = wide_name(name, units, &wide)
                 ? io_open_file(&wide, FILE_READ_DATA | FILE_WRITE_DATA, UserMode, &device->file)
                 : STATUS_OBJECT_NAME_INVALID;
    if (!NT_SUCCESS(status)) {
        free(device);
        return status;
    }
    *out = device;
    return status;
}

int32_t uwsk_device_close(struct uwsk_device *device, unsigned timeout_ms)
{
    int32_t status = io_close_file(device->file, timeout_ms);

    free(device);
    return status;
}

/* ---- requests ----------------------------------------------------------------------------------------- */

static void free_buffers(void *context)
{
    struct buffers *buffers = context;

    free(buffers->in);
    free(buffers->out);
    free(buffers);
}

static uint8_t *copy_of(const void *data, size_t bytes)
{
    uint8_t *copy = calloc(1, bytes ? bytes : 1);

    if (copy && data && bytes)
        memcpy(copy, data, bytes);
    return copy;
}

/* Fills in the operation's buffers: `in` of in_bytes, `out` of out_bytes (bytes 0: no buffer). */
static struct buffers *make_buffers(struct io_operation *operation, const void *in, size_t in_bytes,
                                    const void *out, size_t out_bytes)
{
    struct buffers *buffers = calloc(1, sizeof *buffers);

    if (!buffers)
        return NULL;
    buffers->in = copy_of(in, in_bytes);
    buffers->out = copy_of(out, out_bytes);
    buffers->out_bytes = out_bytes;
    buffers->back = operation->major != IRP_MJ_DEVICE_CONTROL ||
                    METHOD_FROM_CTL_CODE(operation->code) != METHOD_IN_DIRECT;
    if (!buffers->in || !buffers->out) {
        free_buffers(buffers);
        return NULL;
    }
    operation->input = in_bytes ? buffers->in : NULL;
    operation->input_length = (ULONG)in_bytes;
    operation->output = out_bytes ? buffers->out : NULL;
    operation->output_length = (ULONG)out_bytes;
    return buffers;
}

static int32_t start(struct uwsk_device *device, struct io_operation *operation, const void *in,
                     size_t in_bytes, const void *out, size_t out_bytes, struct uwsk_request *request)
{
    int32_t status;

    if (in_bytes > UWSK_DEVICE_BYTES || out_bytes > UWSK_DEVICE_BYTES)
        return STATUS_INVALID_BUFFER_SIZE;
    request->buffers = make_buffers(operation, in, in_bytes, out, out_bytes);
    if (!request->buffers)
        return STATUS_INSUFFICIENT_RESOURCES;
    status =
        io_start_request(device->file, operation, UserMode, free_buffers, request->buffers, &request->io);
    if (status != STATUS_SUCCESS)
        free_buffers(request->buffers);
    return status;
}

int32_t uwsk_request_wait(struct uwsk_request *request, void *out, size_t *returned, unsigned timeout_ms)
{
    LARGE_INTEGER due = {.QuadPart = -(LONGLONG)timeout_ms * 10000};
    IO_STATUS_BLOCK result;

    if (io_wait_request(request->io, timeout_ms == UWSK_WAIT_FOREVER ? NULL : &due, &result) !=
        STATUS_SUCCESS)
        return STATUS_TIMEOUT;
    if (out && request->buffers->back && request->buffers->out_bytes)
        memcpy(out, request->buffers->out, request->buffers->out_bytes);
    if (returned)
        *returned = result.Information;
    return result.Status;
}

void uwsk_request_cancel(struct uwsk_request *request)
{
    io_cancel_request(request->io);
}

void uwsk_request_free(struct uwsk_request *request)
{
    io_cancel_request(request->io);
    io_release_request(request->io);
    free(request);
}

int32_t uwsk_device_start(struct uwsk_device *device, uint32_t code, const void *in, size_t in_bytes,
                          const void *out, size_t out_bytes, struct uwsk_request **request)
{
    struct io_operation operation = {.major = IRP_MJ_DEVICE_CONTROL, .code = code};
    int32_t status = STATUS_INSUFFICIENT_RESOURCES;

    *request = malloc(sizeof **request);
    if (*request)
        status = start(device, &operation, in, in_bytes, out, out_bytes, *request);
    if (status == STATUS_SUCCESS)
        return STATUS_PENDING;
    free(*request);
    *request = NULL;
    return status;
}

/* ---- waited for --------------------------------------------------------------------------------------- */

static int32_t wait_at_most(struct uwsk_request *request, void *out, size_t *returned, unsigned timeout_ms)
{
    int32_t status = uwsk_request_wait(request, out, returned, timeout_ms);

    if (status != STATUS_TIMEOUT || timeout_ms == UWSK_WAIT_FOREVER)
        return status;
    io_cancel_request(request->io);
    status = uwsk_request_wait(request, out, returned, GRACE_MS);
    if (status == STATUS_TIMEOUT)
        return STATUS_DEVICE_BUSY;
    return status == STATUS_CANCELLED ? STATUS_IO_TIMEOUT : status; /* it may have won the race */
}

static int32_t perform(struct uwsk_device *device, struct io_operation *operation, const void *in,
                       size_t in_bytes, void *out, size_t out_bytes, size_t *returned, unsigned timeout_ms)
{
    struct uwsk_request request;
    int32_t status;

    if (returned)
        *returned = 0;
    status = start(device, operation, in, in_bytes, out, out_bytes, &request);
    if (status != STATUS_SUCCESS)
        return status;
    status = wait_at_most(&request, out, returned, timeout_ms);
    io_release_request(request.io);
    return status;
}

int32_t uwsk_device_ioctl(struct uwsk_device *device, uint32_t code, const void *in, size_t in_bytes,
                          void *out, size_t out_bytes, size_t *returned, unsigned timeout_ms)
{
    struct io_operation operation = {.major = IRP_MJ_DEVICE_CONTROL, .code = code};

    return perform(device, &operation, in, in_bytes, out, out_bytes, returned, timeout_ms);
}

int32_t uwsk_device_read(struct uwsk_device *device, uint64_t offset, void *buffer, size_t bytes,
                         size_t *returned, unsigned timeout_ms)
{
    struct io_operation operation = {.major = IRP_MJ_READ, .offset = (LONGLONG)offset};

    return perform(device, &operation, NULL, 0, buffer, bytes, returned, timeout_ms);
}

int32_t uwsk_device_write(struct uwsk_device *device, uint64_t offset, const void *data, size_t bytes,
                          size_t *returned, unsigned timeout_ms)
{
    struct io_operation operation = {.major = IRP_MJ_WRITE, .offset = (LONGLONG)offset};

    return perform(device, &operation, data, bytes, NULL, 0, returned, timeout_ms);
}
