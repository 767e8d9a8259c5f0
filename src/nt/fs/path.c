/*
 * path.c - from a name of Windows to a path below the root.
 *
 * The root stands for the volume C:, so \??\C:\Windows\x and \SystemRoot\x are the same file.  Names are looked up
 * one by one: first as they are spelled, then among the names of the folder without regard to case.  "." and ".." are
 * no names here, as on Windows; that no symbolic link leads out of the root is the host's promise.
 */
#include "nt/fs/fs.h"
#include "nt/ke/shared.h"
#include "nt/rtl/rtl.h"

#include <string.h>

static struct {
    uint32_t lock;
    int root;
    uint32_t told; /* that there is no root */
} names = {.root = -1};

void fs_lock(void)
{
    ke_shared_acquire_alone(&names.lock, KE_SHARED_PARK);
}

void fs_unlock(void)
{
    ke_shared_release_alone(&names.lock);
}

int fs_root(void)
{
    return names.root;
}

void fs_set_root(int root)
{
    fs_lock();
    if (names.root >= 0)
        host_file_close(names.root);
    names.root = root;
    fs_unlock();
}

NTSTATUS fs_status(int64_t result)
{
    if (result >= 0)
        return STATUS_SUCCESS;
    switch (result) {
    case HOST_FILE_MISSING:
        return STATUS_OBJECT_NAME_NOT_FOUND;
    case HOST_FILE_NO_FOLDER:
        return STATUS_OBJECT_PATH_NOT_FOUND;
    case HOST_FILE_EXISTS:
        return STATUS_OBJECT_NAME_COLLISION;
    case HOST_FILE_DENIED:
    case HOST_FILE_OUTSIDE:
        return STATUS_ACCESS_DENIED;
    case HOST_FILE_IS_FOLDER:
        return STATUS_FILE_IS_A_DIRECTORY;
    case HOST_FILE_NOT_EMPTY:
        return STATUS_DIRECTORY_NOT_EMPTY;
    case HOST_FILE_FULL:
        return STATUS_DISK_FULL;
    case HOST_FILE_PROTECTED:
        return STATUS_MEDIA_WRITE_PROTECTED;
    case HOST_FILE_BAD_NAME:
        return STATUS_OBJECT_NAME_INVALID;
    case HOST_FILE_NO_MEMORY:
        return STATUS_INSUFFICIENT_RESOURCES;
    case HOST_FILE_BAD_BUFFER:
        return STATUS_ACCESS_VIOLATION;
    case HOST_FILE_TOO_LARGE:
        return STATUS_FILE_TOO_LARGE;
    default:
        return STATUS_IO_DEVICE_ERROR;
    }
}

/* ---- pieces of a path --------------------------------------------------------------------------------- */

BOOLEAN fs_append(struct fs_path *path, const char *name, size_t bytes)
{
    size_t slash = path->length ? 1 : 0;

    if (path->length + slash + bytes >= sizeof path->text)
        return FALSE;
    if (slash)
        path->text[path->length++] = '/';
    memcpy(path->text + path->length, name, bytes);
    path->length += bytes;
    path->text[path->length] = 0;
    return TRUE;
}

BOOLEAN fs_append_wide(struct fs_path *path, const WCHAR *name, size_t units)
{
    char text[3 * FS_NAME_UNITS];
    struct rtl_conversion result = rtl_utf16_to_utf8(text, sizeof text, name, units);

    return !result.replaced && result.needed <= sizeof text && fs_append(path, text, result.written);
}

static BOOLEAN good_name(PCUNICODE_STRING name)
{
    size_t units = name->Length / sizeof(WCHAR);

    if (units == 0 || units > FS_NAME_UNITS)
        return FALSE;
    if (name->Buffer[0] == '.' && (units == 1 || (units == 2 && name->Buffer[1] == '.')))
        return FALSE;
    for (size_t i = 0; i < units; i++) {
        WCHAR unit = name->Buffer[i];

        if (unit < ' ' || unit == '"' || unit == '*' || unit == '/' || unit == ':' || unit == '<' ||
            unit == '>' || unit == '?' || unit == '|')
            return FALSE;
    }
    return TRUE;
}

/* The first name of the rest, which is cut off. */
static void take_name(PUNICODE_STRING rest, PUNICODE_STRING name)
{
    USHORT units = 0;

    while (units < rest->Length / sizeof(WCHAR) && rest->Buffer[units] != '\\')
        units++;
    *name = (UNICODE_STRING){(USHORT)(units * sizeof(WCHAR)), (USHORT)(units * sizeof(WCHAR)), rest->Buffer};
    rest->Buffer += units;
    rest->Length = (USHORT)(rest->Length - name->Length);
}

/* ---- lookup ------------------------------------------------------------------------------------------- */

struct like {
    PCUNICODE_STRING name;
    struct fs_path *path;
};

enum { LIKE_FOUND = 1 };

static int is_like(void *context, const char *text)
{
    const struct like *like = context;
    WCHAR units[FS_NAME_UNITS];
    size_t bytes = strlen(text);
    struct rtl_conversion result = rtl_utf8_to_utf16(units, FS_NAME_UNITS, text, bytes);
    UNICODE_STRING other = {(USHORT)(result.written * sizeof(WCHAR)), sizeof units, units};

    if (result.replaced || result.needed > FS_NAME_UNITS ||
        !rtl_equal_unicode_string(&other, like->name, TRUE))
        return 0;
    return fs_append(like->path, text, bytes) ? LIKE_FOUND : HOST_FILE_BAD_NAME;
}

/* The next name below found->path, which becomes its path.  STATUS_OBJECT_NAME_NOT_FOUND: the path is what the
 * name would be. */
static NTSTATUS step(struct fs_found *found, PCUNICODE_STRING name)
{
    struct fs_path *path = &found->path;
    size_t before = path->length;
    struct like like = {name, path};
    int error;

    if (!good_name(name) || !fs_append_wide(path, name->Buffer, name->Length / sizeof(WCHAR)))
        return STATUS_OBJECT_NAME_INVALID;
    error = host_file_about_path(names.root, path->text, &found->about);
    if (error != HOST_FILE_MISSING)
        return fs_status(error);
    path->length = before;
    path->text[before] = 0;
    error = host_file_list(names.root, path->text, is_like, &like);
    if (error == LIKE_FOUND)
        return fs_status(host_file_about_path(names.root, path->text, &found->about));
    if (!error) {
        fs_append_wide(path, name->Buffer, name->Length / sizeof(WCHAR)); /* it did fit */
        error = HOST_FILE_MISSING;
    }
    return fs_status(error);
}

/* All names of `rest`, which begins behind a backslash. */
static NTSTATUS walk(struct fs_found *found, UNICODE_STRING rest)
{
    NTSTATUS status = fs_status(host_file_about_path(names.root, found->path.text, &found->about));
    UNICODE_STRING name;

    found->exists = TRUE;
    found->as_folder = !rest.Length;
    while (NT_SUCCESS(status) && rest.Length) {
        if (!found->exists || !found->about.folder)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        take_name(&rest, &name);
        status = step(found, &name);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
            found->exists = FALSE;
            status = STATUS_SUCCESS;
        }
        if (rest.Length) { /* the backslash */
            rest.Buffer++;
            rest.Length = (USHORT)(rest.Length - sizeof(WCHAR));
            found->as_folder = !rest.Length;
        }
    }
    return status;
}

/* ---- volumes ------------------------------------------------------------------------------------------ */

static void tell_no_root(PCUNICODE_STRING name)
{
    static const char head[] = "uwsk: the driver opens ";
    static const char tail[] = ", but no directory stands for the system's files: run it with --files DIR";
    char line[sizeof head + sizeof tail + 512];
    size_t used = sizeof head - 1;

    if (__atomic_exchange_n(&names.told, 1, __ATOMIC_RELAXED))
        return;
    memcpy(line, head, used);
    used += rtl_utf16_to_utf8(line + used, 512, name->Buffer, name->Length / sizeof(WCHAR)).written;
    memcpy(line + used, tail, sizeof tail);
    host_log(HOST_LOG_WARNING, line);
}

/* Where the name begins: *rest is what follows the volume's name and a backslash. */
static NTSTATUS enter_volume(PCUNICODE_STRING name, struct fs_found *found, PUNICODE_STRING rest)
{
    static const struct {
        UNICODE_STRING name;
        BOOLEAN windows; /* the folder Windows, else the volume */
    } volumes[] = {{RTL_CONSTANT_STRING(L"\\SystemRoot"), TRUE},
                   {RTL_CONSTANT_STRING(L"\\??\\C:"), FALSE},
                   {RTL_CONSTANT_STRING(L"\\DosDevices\\C:"), FALSE},
                   {RTL_CONSTANT_STRING(L"\\GLOBAL??\\C:"), FALSE},
                   {RTL_CONSTANT_STRING(L"\\Device\\HarddiskVolume1"), FALSE}};
    static const UNICODE_STRING windows = RTL_CONSTANT_STRING(L"Windows");

    for (size_t i = 0; i < ARRAYSIZE(volumes); i++) {
        UNICODE_STRING start = {volumes[i].name.Length, volumes[i].name.Length, name->Buffer};

        if (name->Length < start.Length || !rtl_equal_unicode_string(&start, &volumes[i].name, TRUE))
            continue;
        rest->Buffer = name->Buffer + start.Length / sizeof(WCHAR);
        rest->Length = rest->MaximumLength = (USHORT)(name->Length - start.Length);
        if (rest->Length && rest->Buffer[0] != '\\')
            continue;
        if (names.root < 0) {
            tell_no_root(name);
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
        if (!rest->Length && !volumes[i].windows)
            return STATUS_ACCESS_DENIED; /* the volume itself is no file */
        if (rest->Length) {
            rest->Buffer++;
            rest->Length = (USHORT)(rest->Length - sizeof(WCHAR));
        }
        if (volumes[i].windows && step(found, &windows) != STATUS_SUCCESS)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        return STATUS_SUCCESS;
    }
    return STATUS_OBJECT_PATH_NOT_FOUND; /* another volume, or no file at all */
}

NTSTATUS fs_find(const struct fs_file *folder, PCUNICODE_STRING name, struct fs_found *found)
{
    UNICODE_STRING rest;
    NTSTATUS status = STATUS_SUCCESS;

    found->path.length = 0;
    found->path.text[0] = 0;
    if (!rtl_valid_unicode_string(name))
        return STATUS_OBJECT_NAME_INVALID;
    rest = *name;
    if (folder) {
        if (rest.Length && rest.Buffer[0] == '\\')
            return STATUS_OBJECT_NAME_INVALID;
        if (!folder->folder)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (!fs_append(&found->path, folder->node->path, strlen(folder->node->path)))
            return STATUS_OBJECT_NAME_INVALID;
    } else if (!rest.Length || rest.Buffer[0] != '\\') {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    } else {
        status = enter_volume(name, found, &rest);
    }
    return NT_SUCCESS(status) ? walk(found, rest) : status;
}
