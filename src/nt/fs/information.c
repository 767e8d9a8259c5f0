/*
 * information.c - what is told of a file and what may be changed: one row a class.
 */
#include "nt/fs/fs.h"
#include "nt/ke/ke.h"
#include "nt/ob/ob.h"
#include "nt/rtl/rtl.h"

#include <string.h>

/* ---- what is told ------------------------------------------------------------------------------------- */

ULONG fs_attributes(const struct host_file_about *about)
{
    ULONG attributes =
        (about->folder ? FILE_ATTRIBUTE_DIRECTORY : 0) | (about->read_only ? FILE_ATTRIBUTE_READONLY : 0);

    return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

void fs_tell_network(const struct host_file_about *about, PFILE_NETWORK_OPEN_INFORMATION out)
{
    *out = (FILE_NETWORK_OPEN_INFORMATION){.FileAttributes = fs_attributes(about)};
    out->CreationTime.QuadPart = (LONGLONG)about->created;
    out->LastAccessTime.QuadPart = (LONGLONG)about->accessed;
    out->LastWriteTime.QuadPart = (LONGLONG)about->written;
    out->ChangeTime.QuadPart = (LONGLONG)about->changed;
    out->AllocationSize.QuadPart = about->folder ? 0 : (LONGLONG)about->allocated;
    out->EndOfFile.QuadPart = about->folder ? 0 : (LONGLONG)about->size;
}

/* A buffer of the caller; what is written to it counts. */
struct out {
    UCHAR *to;
    ULONG room, used;
};

static NTSTATUS tell_basic(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    FILE_NETWORK_OPEN_INFORMATION network;

    (void)file;
    fs_tell_network(about, &network);
    *(PFILE_BASIC_INFORMATION)out->to =
        (FILE_BASIC_INFORMATION){network.CreationTime, network.LastAccessTime, network.LastWriteTime,
                                 network.ChangeTime, network.FileAttributes};
    return STATUS_SUCCESS;
}

static NTSTATUS tell_standard(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    FILE_NETWORK_OPEN_INFORMATION network;

    fs_tell_network(about, &network);
    fs_lock();
    *(PFILE_STANDARD_INFORMATION)out->to =
        (FILE_STANDARD_INFORMATION){network.AllocationSize, network.EndOfFile, about->links,
                                    file->node->delete_pending, (BOOLEAN)about->folder};
    fs_unlock();
    return STATUS_SUCCESS;
}

static NTSTATUS tell_internal(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)file;
    ((PFILE_INTERNAL_INFORMATION)out->to)->IndexNumber.QuadPart = (LONGLONG)about->number;
    return STATUS_SUCCESS;
}

static NTSTATUS tell_ea(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)file, (void)about;
    ((PFILE_EA_INFORMATION)out->to)->EaSize = 0;
    return STATUS_SUCCESS;
}

static NTSTATUS tell_access(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)about;
    ((PFILE_ACCESS_INFORMATION)out->to)->AccessFlags = file->access;
    return STATUS_SUCCESS;
}

static NTSTATUS tell_position(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)about;
    ((PFILE_POSITION_INFORMATION)out->to)->CurrentByteOffset.QuadPart = file->position;
    return STATUS_SUCCESS;
}

static NTSTATUS tell_mode(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)about;
    ((PFILE_MODE_INFORMATION)out->to)->Mode =
        file->options & (FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_NO_INTERMEDIATE_BUFFERING |
                         FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT | FILE_DELETE_ON_CLOSE);
    return STATUS_SUCCESS;
}

static NTSTATUS tell_alignment(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)file, (void)about;
    ((PFILE_ALIGNMENT_INFORMATION)out->to)->AlignmentRequirement = 0; /* bytes */
    return STATUS_SUCCESS;
}

/* The path on the volume, cut to what there is room for. */
static NTSTATUS tell_name(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    ULONG head = FIELD_OFFSET(FILE_NAME_INFORMATION, FileName), room = out->room - head;
    PFILE_NAME_INFORMATION name = (PFILE_NAME_INFORMATION)out->to;
    WCHAR units[FS_PATH_BYTES + 1] = {'\\'};
    size_t count;

    (void)about;
    fs_lock();
    count =
        1 + rtl_utf8_to_utf16(units + 1, FS_PATH_BYTES, file->node->path, file->node->path_bytes - 1).written;
    fs_unlock();
    for (size_t i = 0; i < count; i++)
        if (units[i] == '/')
            units[i] = '\\';
    name->FileNameLength = (ULONG)(count * sizeof(WCHAR));
    out->used = room < name->FileNameLength ? room & ~1u : name->FileNameLength;
    memcpy(name->FileName, units, out->used);
    out->used += head;
    return room < name->FileNameLength ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS tell_all(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    PFILE_ALL_INFORMATION all = (PFILE_ALL_INFORMATION)out->to;
    ULONG name_at = FIELD_OFFSET(FILE_ALL_INFORMATION, NameInformation);
    struct out name = {(UCHAR *)&all->NameInformation, out->room - name_at, 0};
    NTSTATUS status;

    tell_basic(file, about, &(struct out){.to = (UCHAR *)&all->BasicInformation});
    tell_standard(file, about, &(struct out){.to = (UCHAR *)&all->StandardInformation});
    tell_internal(file, about, &(struct out){.to = (UCHAR *)&all->InternalInformation});
    tell_ea(file, about, &(struct out){.to = (UCHAR *)&all->EaInformation});
    tell_access(file, about, &(struct out){.to = (UCHAR *)&all->AccessInformation});
    tell_position(file, about, &(struct out){.to = (UCHAR *)&all->PositionInformation});
    tell_mode(file, about, &(struct out){.to = (UCHAR *)&all->ModeInformation});
    tell_alignment(file, about, &(struct out){.to = (UCHAR *)&all->AlignmentInformation});
    status = tell_name(file, about, &name);
    out->used = name_at + name.used;
    return status;
}

static NTSTATUS tell_network(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)file;
    fs_tell_network(about, (PFILE_NETWORK_OPEN_INFORMATION)out->to);
    return STATUS_SUCCESS;
}

static NTSTATUS tell_tag(struct fs_file *file, const struct host_file_about *about, struct out *out)
{
    (void)file;
    *(PFILE_ATTRIBUTE_TAG_INFORMATION)out->to = (FILE_ATTRIBUTE_TAG_INFORMATION){fs_attributes(about), 0};
    return STATUS_SUCCESS;
}

/* ---- what is changed ---------------------------------------------------------------------------------- */

NTSTATUS fs_set_disposition(struct fs_file *file, BOOLEAN remove)
{
    struct host_file_about about;
    NTSTATUS status = STATUS_SUCCESS;
    int entries;

    if (!(file->access & DELETE) || file->link)
        return STATUS_ACCESS_DENIED;
    fs_lock();
    if (remove) {
        status = fs_status(host_file_about(file->host, &about));
        if (NT_SUCCESS(status) && (about.read_only || !*file->node->path))
            status = STATUS_CANNOT_DELETE;
        if (NT_SUCCESS(status) && file->folder) {
            entries = fs_has_entries(file->node->path);
            status = entries > 0 ? STATUS_DIRECTORY_NOT_EMPTY : fs_status(entries);
        }
    }
    if (NT_SUCCESS(status))
        file->node->delete_pending = remove;
    fs_unlock();
    return status;
}

static int is_current(LONGLONG time)
{
    return time <= 0; /* 0, -1, -2: leave it, do not or do keep it up: here all the same */
}

static NTSTATUS set_basic(struct fs_file *file, const void *from, ULONG length)
{
    const FILE_BASIC_INFORMATION *basic = from;
    LONGLONG accessed = basic->LastAccessTime.QuadPart, written = basic->LastWriteTime.QuadPart;
    struct host_file_about about;
    NTSTATUS status = fs_status(host_file_about(file->host, &about));
    int locked = (basic->FileAttributes & FILE_ATTRIBUTE_READONLY) != 0;

    (void)length;
    if (NT_SUCCESS(status) && basic->FileAttributes & FILE_ATTRIBUTE_DIRECTORY && !file->folder)
        status = STATUS_INVALID_PARAMETER;
    if (NT_SUCCESS(status) && (!is_current(accessed) || !is_current(written)))
        status = fs_status(host_file_set_times(file->host, is_current(accessed) ? 0 : (uint64_t)accessed,
                                               is_current(written) ? 0 : (uint64_t)written));
    if (NT_SUCCESS(status) && basic->FileAttributes && !file->folder && locked != about.read_only)
        status = fs_status(host_file_set_read_only(file->host, locked));
    return status;
}

static NTSTATUS set_disposition(struct fs_file *file, const void *from, ULONG length)
{
    (void)length;
    return fs_set_disposition(file, ((const FILE_DISPOSITION_INFORMATION *)from)->DeleteFile);
}

static NTSTATUS set_position(struct fs_file *file, const void *from, ULONG length)
{
    LONGLONG position = ((const FILE_POSITION_INFORMATION *)from)->CurrentByteOffset.QuadPart;

    (void)length;
    if (position < 0)
        return STATUS_INVALID_PARAMETER;
    file->position = position;
    return STATUS_SUCCESS;
}

static NTSTATUS set_end(struct fs_file *file, const void *from, ULONG length)
{
    LONGLONG size = ((const FILE_END_OF_FILE_INFORMATION *)from)->EndOfFile.QuadPart;

    (void)length;
    if (size < 0 || file->folder)
        return STATUS_INVALID_PARAMETER;
    return fs_status(host_file_resize(file->host, (uint64_t)size));
}

/* Room beyond the end is a hint; less room than there is data cuts the file. */
static NTSTATUS set_allocation(struct fs_file *file, const void *from, ULONG length)
{
    struct host_file_about about;
    NTSTATUS status = fs_status(host_file_about(file->host, &about));
    LONGLONG room = ((const FILE_ALLOCATION_INFORMATION *)from)->AllocationSize.QuadPart;

    if (!NT_SUCCESS(status) || room >= (LONGLONG)about.size)
        return status;
    return set_end(file, from, length);
}

/* Under the lock: may the new name be taken? */
static NTSTATUS check_target(struct fs_file *file, const struct fs_found *to, BOOLEAN may_replace)
{
    if (!to->exists || (to->about.number == file->node->number && to->about.device == file->node->device))
        return STATUS_SUCCESS;
    if (!may_replace)
        return STATUS_OBJECT_NAME_COLLISION;
    if (to->about.folder || to->about.read_only || file->folder || fs_node_of(&to->about, &to->path))
        return STATUS_ACCESS_DENIED;
    return STATUS_SUCCESS;
}

/* Under the lock: what the name in the information means.  `folder`: what it is relative to, if it is. */
static NTSTATUS find_target(struct fs_file *file, const FILE_RENAME_INFORMATION *rename,
                            const struct fs_file *folder, struct fs_found *to)
{
    UNICODE_STRING name = {(USHORT)rename->FileNameLength, (USHORT)rename->FileNameLength,
                           (PWSTR)rename->FileName};
    const char *path = file->node->path;
    size_t units = name.Length / sizeof(WCHAR), last = units, parent = file->node->path_bytes - 1;
    NTSTATUS status;

    if (!folder && (!units || name.Buffer[0] != '\\')) { /* a name in the file's own folder */
        struct fs_node node = {.path_bytes = 1};
        struct fs_file own = {.node = &node, .folder = TRUE};
        char text[FS_PATH_BYTES];

        while (parent > 0 && path[parent - 1] != '/')
            parent--;
        memcpy(text, path, parent);
        text[parent ? parent - 1 : 0] = 0;
        node.path = text;
        for (size_t i = 0; i < units; i++)
            if (name.Buffer[i] == '\\')
                return STATUS_OBJECT_NAME_INVALID;
        status = fs_find(&own, &name, to);
    } else {
        status = fs_find(folder, &name, to);
    }
    if (!NT_SUCCESS(status))
        return status;
    if (to->as_folder && !file->folder)
        return STATUS_OBJECT_NAME_INVALID;
    if (!to->exists)
        return STATUS_SUCCESS;
    /* The caller's spelling of the last name, which may differ in case. */
    while (units > 0 && name.Buffer[units - 1] == '\\')
        units--;
    for (last = units; last > 0 && name.Buffer[last - 1] != '\\';)
        last--;
    if (to->about.number != file->node->number || to->about.device != file->node->device || last == units)
        return STATUS_SUCCESS;
    while (to->path.length > 0 && to->path.text[to->path.length - 1] != '/')
        to->path.length--;
    if (to->path.length > 0)
        to->path.length--;
    to->path.text[to->path.length] = 0;
    return fs_append_wide(&to->path, name.Buffer + last, units - last) ? STATUS_SUCCESS
                                                                       : STATUS_OBJECT_NAME_INVALID;
}

static NTSTATUS rename_to(struct fs_file *file, const FILE_RENAME_INFORMATION *rename,
                          const struct fs_file *folder)
{
    struct fs_found to = {0};
    char *path = NULL; /* made first: a rename that was done does not fail */
    NTSTATUS status;

    if (!*file->node->path || file->link || file->node->delete_pending)
        return STATUS_ACCESS_DENIED;
    status = find_target(file, rename, folder, &to);
    if (NT_SUCCESS(status))
        status = check_target(file, &to, rename->ReplaceIfExists);
    if (NT_SUCCESS(status) && file->folder && fs_open_below(file->node->path))
        status = STATUS_ACCESS_DENIED;
    if (NT_SUCCESS(status) && !(path = fs_copy_path(&to.path)))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (NT_SUCCESS(status))
        status = fs_status(host_file_rename(fs_root(), file->node->path, to.path.text, to.exists));
    if (NT_SUCCESS(status))
        fs_move_node(file->node, path);
    else if (path)
        fs_free_path(path);
    return status;
}

static NTSTATUS set_name(struct fs_file *file, const void *from, ULONG length)
{
    const FILE_RENAME_INFORMATION *rename = from;
    struct fs_file *folder = NULL;
    NTSTATUS status;

    if (rename->FileNameLength % sizeof(WCHAR) || rename->FileNameLength > 0xFFFE ||
        !rename->FileNameLength ||
        rename->FileNameLength > length - FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName))
        return STATUS_INVALID_PARAMETER;
    if (rename->RootDirectory) {
        status = fs_reference(rename->RootDirectory, &folder);
        if (!NT_SUCCESS(status))
            return status;
    }
    fs_lock();
    status = rename_to(file, rename, folder);
    fs_unlock();
    if (folder)
        ob_dereference_object(folder);
    return status;
}

/* ---- classes ------------------------------------------------------------------------------------------ */

static const struct class
{
    FILE_INFORMATION_CLASS class;
    ULONG bytes; /* at least */
    NTSTATUS (*tell)(struct fs_file *file, const struct host_file_about *about, struct out *out);
    ACCESS_MASK tell_access;
    NTSTATUS (*set)(struct fs_file *file, const void *from, ULONG length);
    ACCESS_MASK set_access; /* all of it */
} classes[] = {
    {FileBasicInformation, sizeof(FILE_BASIC_INFORMATION), tell_basic, FILE_READ_ATTRIBUTES, set_basic,
     FILE_WRITE_ATTRIBUTES},
    {FileStandardInformation, sizeof(FILE_STANDARD_INFORMATION), tell_standard, 0, NULL, 0},
    {FileInternalInformation, sizeof(FILE_INTERNAL_INFORMATION), tell_internal, 0, NULL, 0},
    {FileEaInformation, sizeof(FILE_EA_INFORMATION), tell_ea, 0, NULL, 0},
    {FileAccessInformation, sizeof(FILE_ACCESS_INFORMATION), tell_access, 0, NULL, 0},
    {FileNameInformation, sizeof(FILE_NAME_INFORMATION), tell_name, 0, NULL, 0},
    {FileRenameInformation, sizeof(FILE_RENAME_INFORMATION), NULL, 0, set_name, DELETE},
    {FileDispositionInformation, sizeof(FILE_DISPOSITION_INFORMATION), NULL, 0, set_disposition, DELETE},
    {FilePositionInformation, sizeof(FILE_POSITION_INFORMATION), tell_position, 0, set_position, 0},
    {FileModeInformation, sizeof(FILE_MODE_INFORMATION), tell_mode, 0, NULL, 0},
    {FileAlignmentInformation, sizeof(FILE_ALIGNMENT_INFORMATION), tell_alignment, 0, NULL, 0},
    {FileAllInformation, sizeof(FILE_ALL_INFORMATION), tell_all, FILE_READ_ATTRIBUTES, NULL, 0},
    {FileAllocationInformation, sizeof(FILE_ALLOCATION_INFORMATION), NULL, 0, set_allocation,
     FILE_WRITE_DATA},
    {FileEndOfFileInformation, sizeof(FILE_END_OF_FILE_INFORMATION), NULL, 0, set_end, FILE_WRITE_DATA},
    {FileNetworkOpenInformation, sizeof(FILE_NETWORK_OPEN_INFORMATION), tell_network, FILE_READ_ATTRIBUTES,
     NULL, 0},
    {FileAttributeTagInformation, sizeof(FILE_ATTRIBUTE_TAG_INFORMATION), tell_tag, FILE_READ_ATTRIBUTES,
     NULL, 0},
};

/* The class, if it can be done (set: changed, else told) with so many bytes by this handle, and the request begun. */
static NTSTATUS begin(HANDLE handle, FILE_INFORMATION_CLASS wanted, const void *buffer, ULONG length,
                      BOOLEAN set, PIO_STATUS_BLOCK out, const struct class **class,
                      struct fs_request *request)
{
    ACCESS_MASK access;
    NTSTATUS status;

    *class = NULL;
    for (size_t i = 0; i < ARRAYSIZE(classes); i++)
        if (classes[i].class == wanted && (set ? classes[i].set != NULL : classes[i].tell != NULL))
            *class = &classes[i];
    if (!*class)
        return STATUS_INVALID_INFO_CLASS;
    if (length < (*class)->bytes)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (rtl_is_bad_memory(buffer, length, !set))
        return STATUS_ACCESS_VIOLATION;
    /* Any file's position is read and set under its lock, half of it is never seen. */
    status = fs_begin(request, handle, NULL, NULL,
                      wanted == FilePositionInformation || wanted == FileAllInformation);
    if (!NT_SUCCESS(status))
        return status;
    access = set ? (*class)->set_access : (*class)->tell_access;
    return (request->file->access & access) == access ? STATUS_SUCCESS
                                                      : fs_end(request, out, STATUS_ACCESS_DENIED, 0);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Tells of an open file; IoStatusBlock->Information: the bytes written.  PASSIVE_LEVEL.  STATUS_SUCCESS,
 * STATUS_BUFFER_OVERFLOW (a name that is cut), STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS,
 * STATUS_ACCESS_DENIED, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH.  (wdm ZwQueryInformationFile) */
NTSTATUS NTAPI ZwQueryInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock,
                                      PVOID FileInformation, ULONG Length,
                                      FILE_INFORMATION_CLASS FileInformationClass)
{
    struct out out = {FileInformation, Length, 0};
    struct host_file_about about;
    struct fs_request request;
    const struct class *class;
    NTSTATUS status;

    FS_PASSIVE(ZwQueryInformationFile);
    status = begin(FileHandle, FileInformationClass, FileInformation, Length, FALSE, IoStatusBlock, &class,
                   &request);
    if (!NT_SUCCESS(status))
        return status;
    status = fs_status(host_file_about(request.file->host, &about));
    if (NT_SUCCESS(status)) {
        out.used = class->bytes;
        status = class->tell(request.file, &about, &out);
    }
    return fs_end(&request, IoStatusBlock, status, out.used);
}

/* Changes an open file.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS,
 * STATUS_INVALID_PARAMETER, STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE, STATUS_DIRECTORY_NOT_EMPTY,
 * STATUS_DISK_FULL, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, and for a new name those of ZwCreateFile.
 * (wdm ZwSetInformationFile) */
NTSTATUS NTAPI ZwSetInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation,
                                    ULONG Length, FILE_INFORMATION_CLASS FileInformationClass)
{
    struct fs_request request;
    const struct class *class;
    NTSTATUS status;

    FS_PASSIVE(ZwSetInformationFile);
    status = begin(FileHandle, FileInformationClass, FileInformation, Length, TRUE, IoStatusBlock, &class,
                   &request);
    if (!NT_SUCCESS(status))
        return status;
    return fs_end(&request, IoStatusBlock, class->set(request.file, FileInformation, Length), 0);
}
