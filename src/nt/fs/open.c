/*
 * open.c - ZwCreateFile and what follows from it: open files from their handle to their end.
 *
 * Everything is done in the calling thread before the return, so no request on a file is ever pending.
 */
#include "nt/fs/fs.h"
#include "nt/ke/ke.h"
#include "nt/ke/shared.h"
#include "nt/ob/ob.h"
#include "nt/observe.h"
#include "nt/rtl/rtl.h"

#include <string.h>

static struct fs_file *files; /* all that are open; under the lock of names */

static void destroy_file(void *object);
static int defer_file(void *object);

static const struct ob_type file_type = {
    .name = "File", .observe_kind = OBSERVE_FILE, .destroy = destroy_file, .defer = defer_file};

enum { WRITES = FILE_WRITE_DATA | FILE_APPEND_DATA };

void fs_check_level(const void *function, void *caller)
{
    KIRQL irql = ke_current_irql();

    if (irql != PASSIVE_LEVEL) /* as if the code were paged out: 8 = executed */
        ke_bug_check_from(IRQL_NOT_LESS_OR_EQUAL, (ULONG_PTR)function, irql, 8, (ULONG_PTR)caller, caller);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

void fs_free_entries(struct fs_file *file)
{
    while (file->entries) {
        struct fs_entry *next = file->entries->next;

        ke_free(file->entries, sizeof *next + file->entries->units * sizeof(WCHAR));
        file->entries = next;
    }
    file->at = NULL;
    file->listed = FALSE;
}

static void destroy_file(void *object)
{
    struct fs_file *file = object, **link = &files;

    if (!file->node)
        return; /* it was never opened */
    fs_free_entries(file);
    host_file_close(file->host);
    fs_lock();
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    fs_share(file->node, file->access, file->share, -1);
    if (file->options & FILE_DELETE_ON_CLOSE)
        file->node->delete_pending = TRUE;
    fs_close_node(file->node);
    fs_unlock();
}

static void finish_file(void *context)
{
    ob_destroy_object(context);
}

/* The last reference may be given back at raised IRQL, but the host may block. */
static int defer_file(void *object)
{
    struct fs_file *file = object;

    if (ke_current_irql() == PASSIVE_LEVEL && !ke_on_processor_thread())
        return 0;
    ex_queue_worker(&file->work, finish_file, file);
    return 1;
}

/* "C:\Windows\x"; what does not fit is cut. */
BOOLEAN fs_file_name(const void *object, char *text, size_t bytes)
{
    struct fs_file *file;
    size_t used = 0;

    fs_lock();
    for (file = files; file && file != object; file = file->next)
        ;
    if (file && bytes > 4) {
        memcpy(text, "C:\\", 3);
        used = 3;
        for (const char *from = file->node->path; *from && used + 1 < bytes; from++)
            text[used++] = *from == '/' ? '\\' : *from;
    }
    fs_unlock();
    if (used)
        text[used] = 0;
    return used > 0;
}

/* ---- what is asked for -------------------------------------------------------------------------------- */

struct wanted {
    ACCESS_MASK access;
    ULONG share, disposition, options, attributes;
};

static void map_access(ACCESS_MASK *access)
{
    static const struct {
        ACCESS_MASK generic, specific;
    } map[] = {{GENERIC_READ, FILE_GENERIC_READ},
               {GENERIC_WRITE, FILE_GENERIC_WRITE},
               {GENERIC_EXECUTE, FILE_GENERIC_EXECUTE},
               {GENERIC_ALL, FILE_ALL_ACCESS},
               {MAXIMUM_ALLOWED, FILE_ALL_ACCESS}};

    for (size_t i = 0; i < ARRAYSIZE(map); i++)
        if (*access & map[i].generic)
            *access = (*access & ~map[i].generic) | map[i].specific;
}

static BOOLEAN replaces(ULONG disposition)
{
    return disposition == FILE_SUPERSEDE || disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF;
}

/* Options that contradict each other. */
static NTSTATUS check_wanted(const struct wanted *what)
{
    const ULONG synchronous = what->options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT);

    if (what->disposition > FILE_MAXIMUM_DISPOSITION || what->options & ~(ULONG)FILE_VALID_OPTION_FLAGS ||
        what->share & ~(ULONG)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE))
        return STATUS_INVALID_PARAMETER;
    if (synchronous == (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) ||
        (synchronous && !(what->access & SYNCHRONIZE)))
        return STATUS_INVALID_PARAMETER;
    if (what->options & FILE_DELETE_ON_CLOSE && !(what->access & DELETE))
        return STATUS_INVALID_PARAMETER;
    if (what->options & FILE_NO_INTERMEDIATE_BUFFERING && what->access & FILE_APPEND_DATA &&
        !(what->access & FILE_WRITE_DATA))
        return STATUS_INVALID_PARAMETER;
    if (what->options & FILE_DIRECTORY_FILE &&
        (what->options & FILE_NON_DIRECTORY_FILE ||
         (what->disposition != FILE_CREATE && what->disposition != FILE_OPEN &&
          what->disposition != FILE_OPEN_IF)))
        return STATUS_INVALID_PARAMETER;
    return what->options & FILE_OPEN_BY_FILE_ID ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
}

/* What is there, and may it be opened so? */
static NTSTATUS check_existing(const struct wanted *what, const struct fs_found *found)
{
    if (what->disposition == FILE_CREATE)
        return STATUS_OBJECT_NAME_COLLISION;
    if (found->about.folder) {
        if (what->options & FILE_NON_DIRECTORY_FILE)
            return STATUS_FILE_IS_A_DIRECTORY;
        return replaces(what->disposition) ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS;
    }
    if (what->options & FILE_DIRECTORY_FILE)
        return STATUS_NOT_A_DIRECTORY;
    if (found->as_folder)
        return STATUS_OBJECT_NAME_INVALID;
    if (found->about.read_only && (what->access & WRITES || replaces(what->disposition)))
        return STATUS_ACCESS_DENIED;
    if (!(what->options & FILE_DELETE_ON_CLOSE))
        return STATUS_SUCCESS;
    if (found->about.link)
        return STATUS_ACCESS_DENIED;
    return found->about.read_only ? STATUS_CANNOT_DELETE : STATUS_SUCCESS;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

/* Under the lock, the host's file open: node and sharing.  access: what is shared, which may be more than what
 * the handle has. */
static NTSTATUS enter(struct fs_file *file, const struct fs_found *found, ACCESS_MASK access)
{
    struct fs_node *node;

    node = fs_open_node(&found->about, &found->path);
    if (!node)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (node->delete_pending || !fs_may_share(node, access, file->share)) {
        NTSTATUS status = node->delete_pending ? STATUS_DELETE_PENDING : STATUS_SHARING_VIOLATION;

        fs_close_node(node);
        return status;
    }
    fs_share(node, file->access, file->share, 1);
    file->node = node;
    file->folder = (BOOLEAN)found->about.folder;
    file->link = (BOOLEAN)found->about.link;
    file->next = files;
    files = file;
    return STATUS_SUCCESS;
}

static int host_ways(const struct wanted *what, BOOLEAN folder)
{
    int how = what->options & FILE_WRITE_THROUGH ? HOST_FILE_THROUGH : 0;

    if (!folder && what->access & (FILE_READ_DATA | FILE_EXECUTE))
        how |= HOST_FILE_READ;
    if (!folder && (what->access & WRITES || replaces(what->disposition)))
        how |= HOST_FILE_WRITE;
    return how;
}

static NTSTATUS open_existing(const struct wanted *what, struct fs_found *found, struct fs_file *file,
                              ULONG_PTR *information)
{
    static const ULONG done[] = {FILE_SUPERSEDED, FILE_OPENED,      FILE_CREATED,
                                 FILE_OPENED,     FILE_OVERWRITTEN, FILE_OVERWRITTEN};
    BOOLEAN replace = replaces(what->disposition);
    ACCESS_MASK access =
        what->access | (replace ? FILE_WRITE_DATA : 0) | (what->disposition == FILE_SUPERSEDE ? DELETE : 0);
    NTSTATUS status = check_existing(what, found);

    *information = FILE_EXISTS;
    if (!NT_SUCCESS(status))
        return status;
    file->host = host_file_open(fs_root(), found->path.text, host_ways(what, (BOOLEAN)found->about.folder));
    if (file->host < 0)
        return fs_status(file->host);
    status = enter(file, found, access);
    if (!NT_SUCCESS(status)) {
        host_file_close(file->host);
        return status;
    }
    if (replace)
        status = fs_status(host_file_resize(file->host, 0));
    if (NT_SUCCESS(status) && replace && what->attributes & FILE_ATTRIBUTE_READONLY)
        status = fs_status(host_file_set_read_only(file->host, 1));
    if (NT_SUCCESS(status))
        *information = done[what->disposition];
    return status;
}

static NTSTATUS make(const struct wanted *what, struct fs_found *found, struct fs_file *file,
                     ULONG_PTR *information)
{
    BOOLEAN folder = (what->options & FILE_DIRECTORY_FILE) != 0;
    const char *path = found->path.text;
    NTSTATUS status;
    int error = 0;

    *information = FILE_DOES_NOT_EXIST;
    if (what->disposition == FILE_OPEN || what->disposition == FILE_OVERWRITE)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (found->as_folder && !folder)
        return STATUS_OBJECT_NAME_INVALID;
    if (what->attributes & FILE_ATTRIBUTE_READONLY && what->options & FILE_DELETE_ON_CLOSE)
        return STATUS_CANNOT_DELETE;
    if (folder)
        error = host_file_make_folder(fs_root(), path);
    if (!error)
        file->host = error =
            host_file_open(fs_root(), path,
                           host_ways(what, folder) | (folder ? 0 : HOST_FILE_CREATE) |
                               (what->attributes & FILE_ATTRIBUTE_READONLY ? HOST_FILE_LOCKED : 0));
    if (error < 0)
        return fs_status(error);
    status = fs_status(host_file_about(file->host, &found->about));
    if (NT_SUCCESS(status))
        status = enter(file, found, what->access);
    if (!NT_SUCCESS(status)) {
        host_file_close(file->host);
        host_file_remove(fs_root(), path, found->about.device, found->about.number);
        return status;
    }
    *information = FILE_CREATED;
    return STATUS_SUCCESS;
}

/* What was there before is not removed because it could not be opened. */
static void keep(struct fs_file *file)
{
    file->options &= ~(ULONG)FILE_DELETE_ON_CLOSE;
}

/* The file with a reference, which is the caller's. */
static NTSTATUS open_file(const struct wanted *what, POBJECT_ATTRIBUTES attributes, struct fs_file **out,
                          ULONG_PTR *information)
{
    struct fs_file *folder = NULL, *file;
    struct fs_found found = {0};
    NTSTATUS status;

    *information = 0;
    *out = NULL;
    if (!attributes || attributes->Length != sizeof *attributes || !attributes->ObjectName)
        return STATUS_INVALID_PARAMETER;
    if (rtl_is_bad_memory(attributes->ObjectName->Buffer, attributes->ObjectName->Length, FALSE))
        return STATUS_ACCESS_VIOLATION;
    if (attributes->RootDirectory) {
        status = fs_reference(attributes->RootDirectory, &folder);
        if (!NT_SUCCESS(status))
            return status;
    }
    file = ob_create_object(&file_type, sizeof *file);
    status = file ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    if (file) {
        file->access = what->access;
        file->share = what->share;
        file->options = what->options;
        file->synchronous = (what->options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) != 0;
        fs_lock();
        status = fs_find(folder, attributes->ObjectName, &found);
        if (NT_SUCCESS(status))
            status = found.exists ? open_existing(what, &found, file, information)
                                  : make(what, &found, file, information);
        fs_unlock();
    }
    if (folder)
        ob_dereference_object(folder);
    if (!NT_SUCCESS(status) && file) {
        keep(file);
        ob_dereference_object(file);
        file = NULL;
    }
    *out = file;
    return status;
}

/* ---- requests by handle ------------------------------------------------------------------------------- */

NTSTATUS fs_reference(HANDLE handle, struct fs_file **file)
{
    PVOID object;
    NTSTATUS status = ob_reference_object_by_handle(handle, 0, &file_type, KernelMode, &object);

    *file = object;
    return status;
}

NTSTATUS fs_begin(struct fs_request *request, HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc, BOOLEAN alone)
{
    PVOID object = NULL;
    NTSTATUS status = apc ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS; /* reserved for the system */

    if (NT_SUCCESS(status) && event)
        status = ob_reference_object_by_handle(event, 0, &ob_event_type, KernelMode, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = fs_reference(handle, &request->file);
    if (!NT_SUCCESS(status)) {
        if (object)
            ob_dereference_object(object);
        return status;
    }
    request->event = object;
    request->locked = alone || request->file->synchronous;
    if (request->event)
        ke_clear_event(request->event);
    if (request->locked)
        ke_shared_acquire_alone(&request->file->lock, KE_SHARED_PARK);
    return STATUS_SUCCESS;
}

NTSTATUS fs_end(struct fs_request *request, PIO_STATUS_BLOCK out, NTSTATUS status, ULONG_PTR information)
{
    if (request->locked)
        ke_shared_release_alone(&request->file->lock);
    ob_dereference_object(request->file);
    out->Status = status;
    out->Information = information;
    if (request->event) {
        ke_set_event(request->event, IO_NO_INCREMENT, FALSE);
        ob_dereference_object(request->event);
    }
    return status;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

static NTSTATUS create(PHANDLE handle, const struct wanted *asked, POBJECT_ATTRIBUTES attributes,
                       PIO_STATUS_BLOCK out)
{
    struct wanted what = *asked;
    struct fs_file *file;
    NTSTATUS status;

    map_access(&what.access);
    status = check_wanted(&what);
    out->Information = 0;
    if (NT_SUCCESS(status))
        status = open_file(&what, attributes, &file, &out->Information);
    if (NT_SUCCESS(status)) {
        status = ob_open_handle(file, handle);
        if (!NT_SUCCESS(status) && out->Information != FILE_CREATED)
            keep(file);
        ob_dereference_object(file);
    }
    out->Status = status;
    return status;
}

/* Opens or makes a file or folder below --files; IoStatusBlock->Information: FILE_OPENED, FILE_CREATED,
 * FILE_OVERWRITTEN, FILE_SUPERSEDED, or FILE_EXISTS, FILE_DOES_NOT_EXIST with a failure.  PASSIVE_LEVEL.
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_NOT_FOUND,
 * STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_SYNTAX_BAD,
 * STATUS_SHARING_VIOLATION, STATUS_DELETE_PENDING, STATUS_ACCESS_DENIED, STATUS_FILE_IS_A_DIRECTORY,
 * STATUS_NOT_A_DIRECTORY, STATUS_CANNOT_DELETE, STATUS_EAS_NOT_SUPPORTED, STATUS_NOT_SUPPORTED,
 * STATUS_INSUFFICIENT_RESOURCES, STATUS_DISK_FULL, STATUS_MEDIA_WRITE_PROTECTED.  (wdm ZwCreateFile) */
NTSTATUS NTAPI ZwCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                            POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                            PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess,
                            ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength)
{
    const struct wanted what = {DesiredAccess, ShareAccess, CreateDisposition, CreateOptions, FileAttributes};

    FS_PASSIVE(ZwCreateFile);
    (void)AllocationSize; /* a hint; the host finds room as it is written */
    if (EaBuffer && EaLength)
        return STATUS_EAS_NOT_SUPPORTED;
    return create(FileHandle, &what, ObjectAttributes, IoStatusBlock);
}

/* Opens what is there.  As ZwCreateFile with FILE_OPEN.  (wdm ZwOpenFile) */
NTSTATUS NTAPI ZwOpenFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                          PIO_STATUS_BLOCK IoStatusBlock, ULONG ShareAccess, ULONG OpenOptions)
{
    const struct wanted what = {DesiredAccess, ShareAccess, FILE_OPEN, OpenOptions, 0};

    FS_PASSIVE(ZwOpenFile);
    return create(FileHandle, &what, ObjectAttributes, IoStatusBlock);
}

/* What is there, for a moment, with everything shared. */
static NTSTATUS open_briefly(POBJECT_ATTRIBUTES attributes, ACCESS_MASK access, struct fs_file **file)
{
    const struct wanted what = {access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN, 0,
                                0};
    ULONG_PTR information;

    return open_file(&what, attributes, file, &information);
}

/* Removes a file or an empty folder; while others have it open it only is no longer to be opened.
 * PASSIVE_LEVEL.  As ZwOpenFile, and STATUS_DIRECTORY_NOT_EMPTY.  (ntifs ZwDeleteFile) */
NTSTATUS NTAPI ZwDeleteFile(POBJECT_ATTRIBUTES ObjectAttributes)
{
    struct fs_file *file;
    NTSTATUS status;

    FS_PASSIVE(ZwDeleteFile);
    status = open_briefly(ObjectAttributes, DELETE, &file);
    if (NT_SUCCESS(status)) {
        status = fs_set_disposition(file, TRUE);
        ob_dereference_object(file);
    }
    return status;
}

/* What a file is, without a handle.  PASSIVE_LEVEL.  STATUS_SUCCESS and the statuses of names of ZwOpenFile.
 * (wdm ZwQueryFullAttributesFile) */
NTSTATUS NTAPI ZwQueryFullAttributesFile(POBJECT_ATTRIBUTES ObjectAttributes,
                                         PFILE_NETWORK_OPEN_INFORMATION FileInformation)
{
    struct host_file_about about;
    struct fs_file *file;
    NTSTATUS status;

    FS_PASSIVE(ZwQueryFullAttributesFile);
    status = open_briefly(ObjectAttributes, FILE_READ_ATTRIBUTES, &file);
    if (NT_SUCCESS(status)) {
        status = fs_status(host_file_about(file->host, &about));
        if (NT_SUCCESS(status))
            fs_tell_network(&about, FileInformation);
        ob_dereference_object(file);
    }
    return status;
}
