/*
 * zw.c - handles of keys, and what is told of keys and values: information classes, their layouts and sizes.
 */
#include "nt/cm/cm.h"
#include "nt/io/io.h"
#include "nt/ob/ob.h"
#include "nt/observe.h"
#include "nt/rtl/rtl.h"

#include <string.h>

#define NO_CLASS 0xFFFFFFFFu /* ClassOffset of a key without one */

struct key_object {
    struct key_object *next; /* all that are open; under the lock of the tree */
    struct cm_key *key;
};

static struct key_object *open_keys;

static void destroy_key_object(void *object)
{
    struct key_object *key = object, **link = &open_keys;

    cm_lock();
    while (*link && *link != key)
        link = &(*link)->next;
    if (*link)
        *link = key->next;
    cm_unlock();
    if (key->key)
        cm_release_key(key->key);
}

static const struct ob_type key_type = {
    .name = "Key", .observe_kind = OBSERVE_KEY, .destroy = destroy_key_object};

/* ---- handles ------------------------------------------------------------------------------------------ */

/* Takes the reference to the key over. */
static NTSTATUS open_handle(struct cm_key *key, PHANDLE handle)
{
    struct key_object *object = ob_create_object(&key_type, sizeof *object);
    NTSTATUS status;

    if (!object) {
        cm_release_key(key);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    cm_lock();
    object->key = key;
    object->next = open_keys;
    open_keys = object;
    cm_unlock();
    status = ob_open_handle(object, handle);
    ob_dereference_object(object);
    return status;
}

static NTSTATUS key_of(HANDLE handle, struct key_object **object)
{
    PVOID found;
    NTSTATUS status = ob_reference_object_by_handle(handle, 0, &key_type, KernelMode, &found);

    *object = found;
    return status;
}

/* fn with the key behind the handle. */
static NTSTATUS with_key(HANDLE handle, NTSTATUS (*fn)(struct cm_key *key, const void *context),
                         const void *context)
{
    struct key_object *object;
    NTSTATUS status = key_of(handle, &object);

    if (!NT_SUCCESS(status))
        return status;
    status = fn(object->key, context);
    ob_dereference_object(object);
    return status;
}

static NTSTATUS open_or_create(PHANDLE handle, POBJECT_ATTRIBUTES attributes, int create, int *fresh,
                               PUNICODE_STRING class_name)
{
    struct key_object *parent = NULL;
    UNICODE_STRING path = {0, 0, NULL}, class_copy = {0, 0, NULL};
    struct cm_key *key;
    NTSTATUS status;

    if (!attributes || attributes->Length != sizeof *attributes)
        return STATUS_INVALID_PARAMETER;
    if (attributes->ObjectName)
        path = *attributes->ObjectName;
    if (class_name)
        class_copy = *class_name;
    if (attributes->RootDirectory) {
        status = key_of(attributes->RootDirectory, &parent);
        if (!NT_SUCCESS(status))
            return status;
    }
    status = cm_find_key(parent ? parent->key : NULL, &path, create, &key, fresh);
    if (parent)
        ob_dereference_object(parent);
    if (NT_SUCCESS(status) && *fresh && class_name)
        status = cm_set_class(key, &class_copy);
    if (!NT_SUCCESS(status)) {
        if (key)
            cm_release_key(key);
        return status;
    }
    return open_handle(key, handle);
}

/* Opens a key.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_ACCESS_VIOLATION (here and in what follows: memory of the
 * caller's is not there), STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND,
 * STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_NAME_INVALID, STATUS_INVALID_HANDLE, STATUS_KEY_DELETED,
 * STATUS_INVALID_PARAMETER.  (wdm ZwOpenKey) */
NTSTATUS NTAPI ZwOpenKey(PHANDLE KeyHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes)
{
    int fresh;

    (void)DesiredAccess; /* D-23: the kernel is not refused */
    return open_or_create(KeyHandle, ObjectAttributes, 0, &fresh, NULL);
}

/* Opens a key, or makes it below one that exists.  As ZwOpenKey.  (wdm ZwCreateKey) */
NTSTATUS NTAPI ZwCreateKey(PHANDLE KeyHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                           ULONG TitleIndex, PUNICODE_STRING Class, ULONG CreateOptions, PULONG Disposition)
{
    NTSTATUS status;
    int fresh;

    (void)DesiredAccess, (void)TitleIndex, (void)CreateOptions; /* every key ends with the process */
    status = open_or_create(KeyHandle, ObjectAttributes, 1, &fresh, Class);
    if (NT_SUCCESS(status) && Disposition)
        *Disposition = fresh ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY;
    return status;
}

/* Opens, and makes if need be, the Parameters key of the driver.  PASSIVE_LEVEL.  (wdm IoOpenDriverRegistryKey) */
NTSTATUS NTAPI IoOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE RegKeyType,
                                       ACCESS_MASK DesiredAccess, ULONG Flags, PHANDLE DriverRegKey)
{
    static const UNICODE_STRING parameters = RTL_CONSTANT_STRING(L"Parameters");
    struct cm_key *service, *key;
    NTSTATUS status;
    int fresh;

    (void)DesiredAccess;
    if (RegKeyType != DriverRegKeyParameters || Flags)
        return STATUS_INVALID_PARAMETER;
    status = cm_find_key(NULL, io_driver_registry_path(DriverObject), 2, &service, &fresh);
    if (!NT_SUCCESS(status))
        return status;
    status = cm_find_key(service, &parameters, 1, &key, &fresh);
    cm_release_key(service);
    return NT_SUCCESS(status) ? open_handle(key, DriverRegKey) : status;
}

static NTSTATUS delete_key(struct cm_key *key, const void *context)
{
    (void)context;
    return cm_delete_key(key);
}

/* Removes a key without subkeys; open handles then find it deleted.  PASSIVE_LEVEL.  STATUS_SUCCESS,
 * STATUS_CANNOT_DELETE, STATUS_KEY_DELETED, STATUS_INVALID_HANDLE.  (wdm ZwDeleteKey) */
NTSTATUS NTAPI ZwDeleteKey(HANDLE KeyHandle)
{
    return with_key(KeyHandle, delete_key, NULL);
}

static NTSTATUS flush_key(struct cm_key *key, const void *context)
{
    (void)key, (void)context;
    return STATUS_SUCCESS;
}

/* There is no disk behind the tree: what is written is there.  (wdm ZwFlushKey) */
NTSTATUS NTAPI ZwFlushKey(HANDLE KeyHandle)
{
    return with_key(KeyHandle, flush_key, NULL);
}

/* ---- what goes into a caller's buffer ----------------------------------------------------------------- */

struct out {
    UCHAR *to;
    ULONG room, needed;
};

/* `length` bytes at `at`, as far as they fit. */
static void put(struct out *out, ULONG at, const void *data, ULONG length)
{
    if (out->needed < at + length)
        out->needed = at + length;
    if (at < out->room && length)
        memcpy(out->to + at, data, length < out->room - at ? length : out->room - at);
}

/* The fixed part, which must fit: else nothing is written, and `needed` is still counted. */
static NTSTATUS begin(struct out *out, const void *fixed, ULONG bytes)
{
    NTSTATUS status = out->room < bytes ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;

    if (!NT_SUCCESS(status))
        out->room = 0;
    put(out, 0, fixed, bytes);
    return status;
}

/* What is asked of a key: about itself, a subkey or a value, and where the answer goes. */
struct query {
    NTSTATUS(*tell)
    (const struct cm_key *key, const struct query *query, struct out *out); /* under the lock */
    int class;
    ULONG index;
    UNICODE_STRING name;
    struct out out;
    PULONG needed;
};

static NTSTATUS answer(struct cm_key *key, const void *context)
{
    const struct query *query = context;
    struct out out = query->out;
    NTSTATUS status = STATUS_KEY_DELETED;

    if (rtl_is_bad_memory(query->name.Buffer, query->name.Length, FALSE) ||
        rtl_is_bad_memory(out.to, out.room, TRUE) ||
        (query->needed && rtl_is_bad_memory(query->needed, sizeof *query->needed, TRUE)))
        return STATUS_ACCESS_VIOLATION;
    cm_lock();
    if (!key->deleted)
        status = query->tell(key, query, &out);
    cm_unlock();
    if (NT_SUCCESS(status) && out.needed > out.room)
        status = STATUS_BUFFER_OVERFLOW;
    if (query->needed && out.needed)
        *query->needed = out.needed;
    return status;
}

/* ---- keys --------------------------------------------------------------------------------------------- */

static ULONG larger(ULONG left, ULONG right)
{
    return left > right ? left : right;
}

static NTSTATUS tell_full(const struct cm_key *key, struct out *out)
{
    KEY_FULL_INFORMATION full = {
        .LastWriteTime = key->written,
        .ClassOffset = key->class_name.Length ? (ULONG)FIELD_OFFSET(KEY_FULL_INFORMATION, Class) : NO_CLASS,
        .ClassLength = key->class_name.Length};
    NTSTATUS status;

    for (const struct cm_key *child = key->children; child; child = child->next) {
        full.SubKeys++;
        full.MaxNameLen = larger(full.MaxNameLen, child->name.Length);
        full.MaxClassLen = larger(full.MaxClassLen, child->class_name.Length);
    }
    for (const struct cm_value *value = key->values; value; value = value->next) {
        full.Values++;
        full.MaxValueNameLen = larger(full.MaxValueNameLen, value->name.Length);
        full.MaxValueDataLen = larger(full.MaxValueDataLen, value->length);
    }
    status = begin(out, &full, FIELD_OFFSET(KEY_FULL_INFORMATION, Class));
    put(out, FIELD_OFFSET(KEY_FULL_INFORMATION, Class), key->class_name.Buffer, key->class_name.Length);
    return status;
}

static NTSTATUS tell_node(const struct cm_key *key, struct out *out)
{
    ULONG name = FIELD_OFFSET(KEY_NODE_INFORMATION, Name);
    ULONG class_at = (name + key->name.Length + 3) & ~3u;
    KEY_NODE_INFORMATION node = {.LastWriteTime = key->written,
                                 .ClassOffset = key->class_name.Length ? class_at : NO_CLASS,
                                 .ClassLength = key->class_name.Length,
                                 .NameLength = key->name.Length};
    NTSTATUS status = begin(out, &node, name);

    put(out, name, key->name.Buffer, key->name.Length);
    if (key->class_name.Length)
        put(out, class_at, key->class_name.Buffer, key->class_name.Length);
    return status;
}

static NTSTATUS tell_basic(const struct cm_key *key, struct out *out)
{
    ULONG name = FIELD_OFFSET(KEY_BASIC_INFORMATION, Name);
    KEY_BASIC_INFORMATION basic = {.LastWriteTime = key->written, .NameLength = key->name.Length};
    NTSTATUS status = begin(out, &basic, name);

    put(out, name, key->name.Buffer, key->name.Length);
    return status;
}

/* "\Registry\Machine\...", written from its end. */
static NTSTATUS tell_name(const struct cm_key *key, struct out *out)
{
    ULONG at = FIELD_OFFSET(KEY_NAME_INFORMATION, Name);
    KEY_NAME_INFORMATION name = {0};
    NTSTATUS status;

    for (const struct cm_key *k = key; k->parent; k = k->parent)
        name.NameLength += (ULONG)sizeof(WCHAR) + k->name.Length;
    status = begin(out, &name, at);
    at += name.NameLength;
    for (const struct cm_key *k = key; k->parent; k = k->parent) {
        at -= k->name.Length;
        put(out, at, k->name.Buffer, k->name.Length);
        at -= (ULONG)sizeof(WCHAR);
        put(out, at, L"\\", sizeof(WCHAR));
    }
    return status;
}

/* Under the lock. */
static NTSTATUS tell_key(const struct cm_key *key, KEY_INFORMATION_CLASS class, struct out *out)
{
    switch (class) {
    case KeyBasicInformation:
        return tell_basic(key, out);
    case KeyNodeInformation:
        return tell_node(key, out);
    case KeyFullInformation:
        return tell_full(key, out);
    case KeyNameInformation:
        return tell_name(key, out);
    default:
        return STATUS_INVALID_PARAMETER;
    }
}

static NTSTATUS tell_itself(const struct cm_key *key, const struct query *query, struct out *out)
{
    return tell_key(key, (KEY_INFORMATION_CLASS)query->class, out);
}

static NTSTATUS tell_child(const struct cm_key *key, const struct query *query, struct out *out)
{
    const struct cm_key *child = key->children;

    for (ULONG index = query->index; child && index > 0; index--)
        child = child->next;
    if (query->class == KeyNameInformation)
        return STATUS_INVALID_PARAMETER;
    return child ? tell_key(child, (KEY_INFORMATION_CLASS)query->class, out) : STATUS_NO_MORE_ENTRIES;
}

/* Tells of a key.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_BUFFER_TOO_SMALL, STATUS_BUFFER_OVERFLOW,
 * STATUS_INVALID_PARAMETER (class), STATUS_INVALID_HANDLE, STATUS_KEY_DELETED.  (wdm ZwQueryKey) */
NTSTATUS NTAPI ZwQueryKey(HANDLE KeyHandle, KEY_INFORMATION_CLASS KeyInformationClass, PVOID KeyInformation,
                          ULONG Length, PULONG ResultLength)
{
    const struct query query = {.tell = tell_itself,
                                .class = KeyInformationClass,
                                .out = {KeyInformation, Length, 0},
                                .needed = ResultLength};

    return with_key(KeyHandle, answer, &query);
}

/* Tells of the subkey with this number, in the order of their names.  As ZwQueryKey, and
 * STATUS_NO_MORE_ENTRIES.  (wdm ZwEnumerateKey) */
NTSTATUS NTAPI ZwEnumerateKey(HANDLE KeyHandle, ULONG Index, KEY_INFORMATION_CLASS KeyInformationClass,
                              PVOID KeyInformation, ULONG Length, PULONG ResultLength)
{
    const struct query query = {.tell = tell_child,
                                .class = KeyInformationClass,
                                .index = Index,
                                .out = {KeyInformation, Length, 0},
                                .needed = ResultLength};

    return with_key(KeyHandle, answer, &query);
}

/* The path of a key that is open, "\Registry\Machine\...". */
BOOLEAN cm_key_name(const void *object, char *text, size_t bytes)
{
    WCHAR name[256 + 2]; /* behind the length */
    struct out out = {(UCHAR *)name, sizeof name, 0};
    const struct key_object *key;
    size_t units = 0, written;

    cm_lock();
    for (key = open_keys; key && key != object; key = key->next)
        ;
    if (key) {
        tell_name(key->key, &out);
        units = (out.needed < out.room ? out.needed : out.room) / sizeof(WCHAR) - 2;
    }
    cm_unlock();
    if (!units || !bytes)
        return FALSE;
    written = rtl_utf16_to_utf8(text, bytes - 1, name + 2, units).written;
    text[written] = 0;
    return TRUE;
}

/* ---- values ------------------------------------------------------------------------------------------- */

static NTSTATUS tell_full_value(const struct cm_value *value, ULONG alignment, struct out *out)
{
    ULONG name = FIELD_OFFSET(KEY_VALUE_FULL_INFORMATION, Name);
    ULONG data = (name + value->name.Length + alignment - 1) & ~(alignment - 1);
    KEY_VALUE_FULL_INFORMATION full = {.Type = value->type,
                                       .DataOffset = data,
                                       .DataLength = value->length,
                                       .NameLength = value->name.Length};
    NTSTATUS status = begin(out, &full, name);

    put(out, name, value->name.Buffer, value->name.Length);
    put(out, data, value->data, value->length);
    return status;
}

static NTSTATUS tell_value(const struct cm_value *value, KEY_VALUE_INFORMATION_CLASS class, struct out *out)
{
    KEY_VALUE_BASIC_INFORMATION basic = {.Type = value->type, .NameLength = value->name.Length};
    KEY_VALUE_PARTIAL_INFORMATION partial = {.Type = value->type, .DataLength = value->length};
    KEY_VALUE_PARTIAL_INFORMATION_ALIGN64 aligned = {.Type = value->type, .DataLength = value->length};
    NTSTATUS status;
    ULONG fixed;

    switch (class) {
    case KeyValueBasicInformation:
        fixed = FIELD_OFFSET(KEY_VALUE_BASIC_INFORMATION, Name);
        status = begin(out, &basic, fixed);
        put(out, fixed, value->name.Buffer, value->name.Length);
        return status;
    case KeyValueFullInformation:
        return tell_full_value(value, 4, out);
    case KeyValueFullInformationAlign64:
        return tell_full_value(value, 8, out);
    case KeyValuePartialInformation:
        fixed = FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION, Data);
        status = begin(out, &partial, fixed);
        put(out, fixed, value->data, value->length);
        return status;
    case KeyValuePartialInformationAlign64:
        fixed = FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION_ALIGN64, Data);
        status = begin(out, &aligned, fixed);
        put(out, fixed, value->data, value->length);
        return status;
    default:
        return STATUS_INVALID_PARAMETER;
    }
}

static NTSTATUS tell_named(const struct cm_key *key, const struct query *query, struct out *out)
{
    const struct cm_value *value = cm_find_value((struct cm_key *)key, &query->name);

    return value ? tell_value(value, (KEY_VALUE_INFORMATION_CLASS)query->class, out)
                 : STATUS_OBJECT_NAME_NOT_FOUND;
}

static NTSTATUS tell_numbered(const struct cm_key *key, const struct query *query, struct out *out)
{
    const struct cm_value *value = cm_value_at((struct cm_key *)key, query->index);

    return value ? tell_value(value, (KEY_VALUE_INFORMATION_CLASS)query->class, out) : STATUS_NO_MORE_ENTRIES;
}

/* Tells of a value; an empty name is the key's default value.  PASSIVE_LEVEL.  STATUS_SUCCESS,
 * STATUS_OBJECT_NAME_NOT_FOUND, STATUS_BUFFER_TOO_SMALL, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER,
 * STATUS_INVALID_HANDLE, STATUS_KEY_DELETED.  (wdm ZwQueryValueKey) */
NTSTATUS NTAPI ZwQueryValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName,
                               KEY_VALUE_INFORMATION_CLASS KeyValueInformationClass,
                               PVOID KeyValueInformation, ULONG Length, PULONG ResultLength)
{
    const struct query query = {.tell = tell_named,
                                .class = KeyValueInformationClass,
                                .name = *ValueName,
                                .out = {KeyValueInformation, Length, 0},
                                .needed = ResultLength};

    return with_key(KeyHandle, answer, &query);
}

/* Tells of the value with this number.  As ZwQueryValueKey, with STATUS_NO_MORE_ENTRIES.  (wdm
 * ZwEnumerateValueKey) */
NTSTATUS NTAPI ZwEnumerateValueKey(HANDLE KeyHandle, ULONG Index,
                                   KEY_VALUE_INFORMATION_CLASS KeyValueInformationClass,
                                   PVOID KeyValueInformation, ULONG Length, PULONG ResultLength)
{
    const struct query query = {.tell = tell_numbered,
                                .class = KeyValueInformationClass,
                                .index = Index,
                                .out = {KeyValueInformation, Length, 0},
                                .needed = ResultLength};

    return with_key(KeyHandle, answer, &query);
}

struct new_value {
    UNICODE_STRING name;
    ULONG type;
    const void *data;
    ULONG length;
};

static NTSTATUS set_value(struct cm_key *key, const void *context)
{
    const struct new_value *value = context;

    return cm_set_value(key, &value->name, value->type, value->data, value->length);
}

/* Writes a value, of any type; `Data` is copied.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_HANDLE,
 * STATUS_KEY_DELETED, STATUS_INSUFFICIENT_RESOURCES.  (wdm ZwSetValueKey) */
NTSTATUS NTAPI ZwSetValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName, ULONG TitleIndex, ULONG Type,
                             PVOID Data, ULONG DataSize)
{
    const struct new_value value = {*ValueName, Type, Data, DataSize};

    (void)TitleIndex;
    return with_key(KeyHandle, set_value, &value);
}

static NTSTATUS delete_value(struct cm_key *key, const void *name)
{
    return cm_delete_value(key, name);
}

/* Removes a value.  As ZwSetValueKey, with STATUS_OBJECT_NAME_NOT_FOUND.  (wdm ZwDeleteValueKey) */
NTSTATUS NTAPI ZwDeleteValueKey(HANDLE KeyHandle, PUNICODE_STRING ValueName)
{
    const UNICODE_STRING name = *ValueName;

    return with_key(KeyHandle, delete_value, &name);
}
