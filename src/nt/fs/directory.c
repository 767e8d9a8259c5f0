/*
 * directory.c - ZwQueryDirectoryFile: the entries of a folder, as many as fit into the caller's buffer.
 *
 * The names are read at the first call (and at each restart), sorted without regard to case as NTFS has them, and
 * looked at one by one when they are told: what is gone by then is left out.
 */
#include "nt/fs/fs.h"
#include "nt/ke/ke.h"
#include "nt/rtl/rtl.h"

#include <string.h>

/* ---- the list ----------------------------------------------------------------------------------------- */

static int count_entry(void *context, const char *name)
{
    (void)context, (void)name;
    return 1;
}

int fs_has_entries(const char *path)
{
    return host_file_list(fs_root(), path, count_entry, NULL);
}

static BOOLEAN add_entry(struct fs_file *file, const WCHAR *name, size_t units)
{
    struct fs_entry *entry;

    if (!fs_matches(file->pattern, file->pattern_units, name, units))
        return TRUE;
    entry = ke_allocate(sizeof *entry + units * sizeof(WCHAR));
    if (!entry)
        return FALSE;
    entry->units = (USHORT)units;
    memcpy(entry->name, name, units * sizeof(WCHAR));
    entry->next = file->entries;
    file->entries = entry;
    return TRUE;
}

static int list_entry(void *context, const char *text)
{
    WCHAR units[FS_NAME_UNITS];
    struct rtl_conversion result = rtl_utf8_to_utf16(units, FS_NAME_UNITS, text, strlen(text));

    if (result.replaced || result.needed > FS_NAME_UNITS)
        return 0; /* nobody could open it */
    return add_entry(context, units, result.written) ? 0 : HOST_FILE_NO_MEMORY;
}

static BOOLEAN comes_first(const struct fs_entry *a, const struct fs_entry *b)
{
    UNICODE_STRING left = {(USHORT)(a->units * sizeof(WCHAR)), 0, (PWSTR)a->name};
    UNICODE_STRING right = {(USHORT)(b->units * sizeof(WCHAR)), 0, (PWSTR)b->name};
    LONG order = rtl_compare_unicode_string(&left, &right, TRUE);

    return order ? order < 0 : rtl_compare_unicode_string(&left, &right, FALSE) < 0;
}

/* The first `count` entries, sorted; *rest gets what follows them. */
static struct fs_entry *sort(struct fs_entry *list, size_t count, struct fs_entry **rest)
{
    struct fs_entry *left, *right, *result = NULL, **end = &result;
    size_t lefts = count / 2, rights = count - lefts;

    if (count == 1) {
        *rest = list->next;
        list->next = NULL;
        return list;
    }
    left = sort(list, lefts, &right);
    right = sort(right, rights, rest);
    while (left && right) {
        struct fs_entry **from = comes_first(right, left) ? &right : &left;

        *end = *from;
        end = &(*from)->next;
        *from = *end;
    }
    *end = left ? left : right;
    return result;
}

/* Reads the names that match.  "." and ".." come first, but not in the root. */
static NTSTATUS list(struct fs_file *file)
{
    struct fs_entry *rest;
    size_t count = 0;
    NTSTATUS status;

    fs_free_entries(file);
    file->matched = FALSE;
    fs_lock();
    status = fs_status(host_file_list(fs_root(), file->node->path, list_entry, file));
    for (struct fs_entry *entry = file->entries; entry; entry = entry->next)
        count++;
    if (count)
        file->entries = sort(file->entries, count, &rest);
    if (NT_SUCCESS(status) && *file->node->path && (!add_entry(file, L"..", 2) || !add_entry(file, L".", 1)))
        status = STATUS_INSUFFICIENT_RESOURCES;
    fs_unlock();
    file->listed = NT_SUCCESS(status);
    file->at = file->entries;
    return status;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

static const struct layout {
    FILE_INFORMATION_CLASS class;
    ULONG name, length, id; /* offsets of name and its length; of the file's number, 0 = not told */
} layouts[] = {
#define LAYOUT(class, type, id)                                                                              \
    {                                                                                                        \
        class, FIELD_OFFSET(type, FileName), FIELD_OFFSET(type, FileNameLength), id                          \
    }
    LAYOUT(FileDirectoryInformation, FILE_DIRECTORY_INFORMATION, 0),
    LAYOUT(FileFullDirectoryInformation, FILE_FULL_DIR_INFORMATION, 0),
    LAYOUT(FileBothDirectoryInformation, FILE_BOTH_DIR_INFORMATION, 0),
    LAYOUT(FileNamesInformation, FILE_NAMES_INFORMATION, 0),
    LAYOUT(FileIdFullDirectoryInformation, FILE_ID_FULL_DIR_INFORMATION,
           FIELD_OFFSET(FILE_ID_FULL_DIR_INFORMATION, FileId)),
    LAYOUT(FileIdBothDirectoryInformation, FILE_ID_BOTH_DIR_INFORMATION,
           FIELD_OFFSET(FILE_ID_BOTH_DIR_INFORMATION, FileId)),
};

static const struct layout *find_layout(FILE_INFORMATION_CLASS class)
{
    for (size_t i = 0; i < ARRAYSIZE(layouts); i++)
        if (layouts[i].class == class)
            return &layouts[i];
    return NULL;
}

/* Under the lock of names. */
static int ask(const struct fs_file *file, const struct fs_entry *entry, struct host_file_about *about)
{
    struct fs_path path = {{0}, 0};
    BOOLEAN dots =
        entry->name[0] == '.' && (entry->units == 1 || (entry->units == 2 && entry->name[1] == '.'));

    if (!fs_append(&path, file->node->path, strlen(file->node->path)))
        return HOST_FILE_BAD_NAME;
    if (!dots && !fs_append_wide(&path, entry->name, entry->units))
        return HOST_FILE_BAD_NAME;
    if (dots && entry->units == 2) { /* the folder above */
        while (path.length > 0 && path.text[path.length - 1] != '/')
            path.length--;
        if (path.length > 0)
            path.length--;
        path.text[path.length] = 0;
    }
    return host_file_about_path(fs_root(), path.text, about);
}

/* One entry at `to`, its name cut to `room` bytes. */
static void put_entry(UCHAR *to, ULONG room, const struct layout *layout, const struct fs_entry *entry,
                      const struct host_file_about *about)
{
    ULONG bytes = (ULONG)(entry->units * sizeof(WCHAR));
    FILE_NETWORK_OPEN_INFORMATION network;

    memset(to, 0, layout->name);
    if (layout->class != FileNamesInformation) {
        PFILE_DIRECTORY_INFORMATION common = (PFILE_DIRECTORY_INFORMATION)to;

        fs_tell_network(about, &network);
        common->CreationTime = network.CreationTime;
        common->LastAccessTime = network.LastAccessTime;
        common->LastWriteTime = network.LastWriteTime;
        common->ChangeTime = network.ChangeTime;
        common->EndOfFile = network.EndOfFile;
        common->AllocationSize = network.AllocationSize;
        common->FileAttributes = network.FileAttributes;
    }
    *(ULONG *)(to + layout->length) = bytes;
    if (layout->id)
        *(uint64_t *)(to + layout->id) = about->number;
    room -= layout->name;
    memcpy(to + layout->name, entry->name, bytes < room ? bytes : room & ~1u);
}

/* As many as fit, or one.  *used: bytes. */
static NTSTATUS tell(struct fs_file *file, const struct layout *layout, UCHAR *to, ULONG room, BOOLEAN one,
                     ULONG *used)
{
    UCHAR *last = NULL;

    *used = 0;
    for (; file->at; file->at = file->at->next) {
        ULONG at = (*used + 7) & ~7u, needed = layout->name + (ULONG)(file->at->units * sizeof(WCHAR));
        struct host_file_about about;
        BOOLEAN fits = at <= room && needed <= room - at;

        if (ask(file, file->at, &about) != 0)
            continue;
        if (!fits && last)
            return STATUS_SUCCESS;
        put_entry(to + at, room - at, layout, file->at, &about);
        if (last)
            *(ULONG *)last = (ULONG)(to + at - last); /* NextEntryOffset */
        last = to + at;
        *used = fits ? at + needed : room;
        file->matched = TRUE;
        if (!fits)
            return STATUS_BUFFER_OVERFLOW; /* the same one once more, next time */
        if (one) {
            file->at = file->at->next;
            return STATUS_SUCCESS;
        }
    }
    if (last)
        return STATUS_SUCCESS;
    return file->matched ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE;
}

/* The pattern stays that of the first call. */
static NTSTATUS prepare(struct fs_file *file, PCUNICODE_STRING pattern, BOOLEAN restart)
{
    if (file->listed && !restart)
        return STATUS_SUCCESS;
    if (!file->pattern_units || (restart && pattern && pattern->Length)) {
        static const UNICODE_STRING everything = RTL_CONSTANT_STRING(L"*");

        if (!pattern || !pattern->Length)
            pattern = &everything;
        if (!rtl_valid_unicode_string(pattern) || pattern->Length > sizeof file->pattern)
            return STATUS_OBJECT_NAME_INVALID;
        file->pattern_units = (USHORT)(pattern->Length / sizeof(WCHAR));
        memcpy(file->pattern, pattern->Buffer, pattern->Length);
    }
    return list(file);
}

/* The next entries of a folder.  FileName, of the first call or with RestartScan: a name or a pattern.  The event
 * (of a file that is not synchronous) is set before the return.  PASSIVE_LEVEL.  STATUS_SUCCESS,
 * STATUS_NO_SUCH_FILE (none matches), STATUS_NO_MORE_FILES, STATUS_BUFFER_OVERFLOW (not even one name fits: it is cut
 * and comes again), STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER (no folder),
 * STATUS_ACCESS_DENIED, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH.  (ntifs ZwQueryDirectoryFile) */
NTSTATUS NTAPI ZwQueryDirectoryFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine,
                                    PVOID ApcContext, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation,
                                    ULONG Length, FILE_INFORMATION_CLASS FileInformationClass,
                                    BOOLEAN ReturnSingleEntry, PUNICODE_STRING FileName, BOOLEAN RestartScan)
{
    const struct layout *layout = find_layout(FileInformationClass);
    struct fs_request request;
    ULONG used = 0;
    NTSTATUS status;

    FS_PASSIVE(ZwQueryDirectoryFile);
    (void)ApcContext;
    if (!layout)
        return STATUS_INVALID_INFO_CLASS;
    if (Length < ((layout->name + (ULONG)sizeof(WCHAR) + 7) & ~7u))
        return STATUS_INFO_LENGTH_MISMATCH;
    if (rtl_is_bad_memory(FileInformation, Length, TRUE) ||
        (FileName && rtl_is_bad_memory(FileName->Buffer, FileName->Length, FALSE)))
        return STATUS_ACCESS_VIOLATION;
    status = fs_begin(&request, FileHandle, Event, ApcRoutine, TRUE);
    if (!NT_SUCCESS(status))
        return status;
    if (!request.file->folder)
        status = STATUS_INVALID_PARAMETER;
    else if (!(request.file->access & FILE_LIST_DIRECTORY))
        status = STATUS_ACCESS_DENIED;
    else
        status = prepare(request.file, FileName, RestartScan);
    if (NT_SUCCESS(status)) {
        fs_lock();
        status = tell(request.file, layout, FileInformation, Length, ReturnSingleEntry, &used);
        fs_unlock();
    }
    return fs_end(&request, IoStatusBlock, status, used);
}
