/*
 * data.c - reading and writing.
 *
 * A synchronous file (FILE_SYNCHRONOUS_IO_...) has a position and does one request at a time; of any other each request
 * names its offset.  Nothing is ever pending: the event of a request is set before the call returns.
 */
#include "nt/fs/fs.h"
#include "nt/ke/ke.h"
#include "nt/ke/shared.h"
#include "nt/ob/ob.h"

#define LONGEST 0x7FFFFFFFFFFFFFFFll

struct transfer {
    struct fs_file *file;
    PVOID buffer;
    ULONG length;
    LONGLONG offset;
    BOOLEAN to_end; /* a write, wherever the end is */
};

/* Where it begins: the file's position, or what ByteOffset says. */
static NTSTATUS find_offset(struct transfer *transfer, const LARGE_INTEGER *at, BOOLEAN write)
{
    const struct fs_file *file = transfer->file;

    if (write && (file->access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == FILE_APPEND_DATA) {
        transfer->to_end = TRUE;
        return STATUS_SUCCESS;
    }
    if (!at || (at->HighPart == -1 && at->LowPart == FILE_USE_FILE_POINTER_POSITION)) {
        if (!file->synchronous)
            return STATUS_INVALID_PARAMETER;
        transfer->offset = file->position;
    } else if (write && at->HighPart == -1 && at->LowPart == FILE_WRITE_TO_END_OF_FILE) {
        transfer->to_end = TRUE;
    } else {
        transfer->offset = at->QuadPart;
    }
    return transfer->offset < 0 || transfer->offset > LONGEST - transfer->length ? STATUS_INVALID_PARAMETER
                                                                                 : STATUS_SUCCESS;
}

static int64_t write_at_end(struct transfer *transfer)
{
    struct fs_node *node = transfer->file->node;
    struct host_file_about about;
    int64_t moved;

    ke_shared_acquire_alone(&node->append, KE_SHARED_PARK);
    moved = host_file_about(transfer->file->host, &about);
    if (!moved) {
        transfer->offset = (LONGLONG)about.size;
        moved = host_file_write(transfer->file->host, transfer->buffer, transfer->length, about.size);
    }
    ke_shared_release_alone(&node->append);
    return moved;
}

static int64_t move(struct transfer *transfer, BOOLEAN write)
{
    int host = transfer->file->host;

    if (transfer->to_end)
        return write_at_end(transfer);
    if (write)
        return host_file_write(host, transfer->buffer, transfer->length, (uint64_t)transfer->offset);
    return host_file_read(host, transfer->buffer, transfer->length, (uint64_t)transfer->offset);
}

/* A read or a write, opened for one of `access`.  *moved: bytes. */
static NTSTATUS do_transfer(struct transfer *transfer, const LARGE_INTEGER *at, ACCESS_MASK access,
                            int64_t *moved)
{
    BOOLEAN write = !(access & FILE_READ_DATA);
    NTSTATUS status;

    *moved = 0;
    if (!(transfer->file->access & access))
        return STATUS_ACCESS_DENIED;
    if (transfer->file->folder)
        return STATUS_INVALID_DEVICE_REQUEST;
    status = find_offset(transfer, at, write);
    if (!NT_SUCCESS(status) || transfer->length == 0)
        return status;
    *moved = move(transfer, write);
    if (*moved < 0) {
        status = fs_status(*moved);
        *moved = 0;
        return status;
    }
    if (transfer->file->synchronous)
        transfer->file->position = transfer->offset + *moved;
    if (write)
        return *moved < transfer->length ? STATUS_DISK_FULL : STATUS_SUCCESS;
    return *moved == 0 ? STATUS_END_OF_FILE : STATUS_SUCCESS;
}

static NTSTATUS request(HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc, PIO_STATUS_BLOCK out, PVOID buffer,
                        ULONG length, const LARGE_INTEGER *at, ACCESS_MASK access)
{
    struct transfer transfer = {.buffer = buffer, .length = length};
    struct fs_request begun;
    int64_t moved;
    NTSTATUS status = fs_begin(&begun, handle, event, apc, FALSE);

    if (!NT_SUCCESS(status))
        return status;
    transfer.file = begun.file;
    status = do_transfer(&transfer, at, access, &moved);
    return fs_end(&begun, out, status, (ULONG_PTR)moved);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Reads at most Length bytes, as many as there are.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_END_OF_FILE (there are
 * none), STATUS_ACCESS_DENIED (not opened for it), STATUS_INVALID_PARAMETER (offset, or none for a file that has no
 * position), STATUS_INVALID_DEVICE_REQUEST (a folder), STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH,
 * STATUS_ACCESS_VIOLATION, STATUS_IO_DEVICE_ERROR.  (wdm ZwReadFile) */
NTSTATUS NTAPI ZwReadFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                          PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                          PLARGE_INTEGER ByteOffset, PULONG Key)
{
    FS_PASSIVE(ZwReadFile);
    (void)ApcContext, (void)Key;
    return request(FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length, ByteOffset, FILE_READ_DATA);
}

/* Writes Length bytes, at the end of the file when it was opened for that alone or the offset says so.
 * PASSIVE_LEVEL.  As ZwReadFile without STATUS_END_OF_FILE, and STATUS_DISK_FULL.  (wdm ZwWriteFile) */
NTSTATUS NTAPI ZwWriteFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                           PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                           PLARGE_INTEGER ByteOffset, PULONG Key)
{
    FS_PASSIVE(ZwWriteFile);
    (void)ApcContext, (void)Key;
    return request(FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length, ByteOffset,
                   FILE_WRITE_DATA | FILE_APPEND_DATA);
}

/* Returns when everything written is on the disk.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_ACCESS_DENIED (not opened
 * for writing), STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_IO_DEVICE_ERROR.  (ntifs
 * ZwFlushBuffersFile) */
NTSTATUS NTAPI ZwFlushBuffersFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock)
{
    struct fs_request begun;
    NTSTATUS status;

    FS_PASSIVE(ZwFlushBuffersFile);
    status = fs_begin(&begun, FileHandle, NULL, NULL, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    status = begun.file->access & (FILE_WRITE_DATA | FILE_APPEND_DATA)
                 ? fs_status(host_file_flush(begun.file->host))
                 : STATUS_ACCESS_DENIED;
    return fs_end(&begun, IoStatusBlock, status, 0);
}
