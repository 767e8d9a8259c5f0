/*
 * tree.c - the tree of keys and their values.
 */
#include "nt/cm/cm.h"
#include "nt/ke/internal.h"
#include "nt/rtl/rtl.h"

#include <string.h>

static struct ke_lock lock;
static struct cm_key root = {.references = 1}; /* what lies above \Registry */
static BOOLEAN planted;                        /* all of plant() is there; under the lock */

void cm_lock(void)
{
    ke_lock_acquire(&lock);
}

void cm_unlock(void)
{
    ke_lock_release(&lock);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

static int copy_name(PUNICODE_STRING target, PCUNICODE_STRING source)
{
    *target = (UNICODE_STRING){0};
    if (!source || source->Length == 0)
        return 1;
    target->Buffer = ke_allocate(source->Length);
    if (!target->Buffer)
        return 0;
    memcpy(target->Buffer, source->Buffer, source->Length);
    target->Length = target->MaximumLength = source->Length;
    return 1;
}

static void free_name(PUNICODE_STRING name)
{
    if (name->Buffer)
        ke_free(name->Buffer, name->Length);
    *name = (UNICODE_STRING){0};
}

static void free_value(struct cm_value *value)
{
    free_name(&value->name);
    if (value->data)
        ke_free(value->data, value->length);
    ke_free(value, sizeof *value);
}

/* Under the lock. */
static void dereference(struct cm_key *key)
{
    if (--key->references > 0)
        return;
    while (key->values) {
        struct cm_value *value = key->values;

        key->values = value->next;
        free_value(value);
    }
    free_name(&key->name);
    free_name(&key->class_name);
    ke_free(key, sizeof *key);
}

void cm_release_key(struct cm_key *key)
{
    cm_lock();
    dereference(key);
    cm_unlock();
}

static void touch(struct cm_key *key)
{
    key->written.QuadPart = (LONGLONG)host_wall();
}

/* ---- keys --------------------------------------------------------------------------------------------- */

static struct cm_key *child_of(struct cm_key *key, PCUNICODE_STRING name)
{
    struct cm_key *child = key->children;

    while (child && !rtl_equal_unicode_string(&child->name, name, TRUE))
        child = child->next;
    return child;
}

/* Keys keep the order of their names, as an enumeration on Windows has it. */
static struct cm_key *add_child(struct cm_key *key, PCUNICODE_STRING name)
{
    struct cm_key *child = ke_allocate(sizeof *child), **link = &key->children;

    if (!child)
        return NULL;
    if (!copy_name(&child->name, name)) {
        ke_free(child, sizeof *child);
        return NULL;
    }
    while (*link && rtl_compare_unicode_string(&(*link)->name, name, TRUE) < 0)
        link = &(*link)->next;
    child->next = *link;
    *link = child;
    child->parent = key;
    child->references = 1;
    touch(child);
    touch(key);
    return child;
}

/* The first part of a path; `path` becomes the rest.  FALSE: an empty part. */
static BOOLEAN take_part(PUNICODE_STRING path, PUNICODE_STRING part)
{
    USHORT units = 0;

    while (units < path->Length / sizeof(WCHAR) && path->Buffer[units] != '\\')
        units++;
    part->Buffer = path->Buffer;
    part->Length = part->MaximumLength = (USHORT)(units * sizeof(WCHAR));
    path->Buffer += units;
    path->Length = (USHORT)(path->Length - part->Length);
    if (path->Length) { /* the separator */
        path->Buffer++;
        path->Length = (USHORT)(path->Length - sizeof(WCHAR));
    }
    return part->Length > 0;
}

/* Under the lock. */
static NTSTATUS walk(struct cm_key *from, UNICODE_STRING path, int create, struct cm_key **key, int *fresh)
{
    UNICODE_STRING part;

    while (path.Length) {
        struct cm_key *next;

        if (!take_part(&path, &part))
            return STATUS_OBJECT_PATH_SYNTAX_BAD;
        next = child_of(from, &part);
        if (!next) {
            if (!create || (create == 1 && path.Length))
                return STATUS_OBJECT_NAME_NOT_FOUND;
            next = add_child(from, &part);
            if (!next)
                return STATUS_INSUFFICIENT_RESOURCES;
            *fresh = 1;
        }
        from = next;
    }
    from->references++;
    *key = from;
    return STATUS_SUCCESS;
}

/* The keys that every machine has; what could not be made is made by the next attempt.  Under the lock. */
static NTSTATUS plant(void)
{
    static const WCHAR *const paths[] = {
        L"Registry\\Machine\\System\\CurrentControlSet\\Services",
        L"Registry\\Machine\\System\\CurrentControlSet\\Control",
        L"Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion",
        L"Registry\\Machine\\Hardware\\DeviceMap",
        L"Registry\\User\\.Default",
    };
    NTSTATUS status = STATUS_SUCCESS;

    for (size_t i = 0; i < sizeof paths / sizeof *paths && NT_SUCCESS(status); i++) {
        UNICODE_STRING path;
        struct cm_key *key;
        int fresh;

        rtl_init_unicode_string(&path, paths[i]);
        status = walk(&root, path, 2, &key, &fresh);
        if (NT_SUCCESS(status))
            dereference(key);
    }
    planted = NT_SUCCESS(status);
    return status;
}

NTSTATUS cm_find_key(struct cm_key *from, PCUNICODE_STRING path, int create, struct cm_key **key, int *fresh)
{
    static const UNICODE_STRING registry = RTL_CONSTANT_STRING(L"Registry");
    UNICODE_STRING rest = *path, first;
    NTSTATUS status = STATUS_SUCCESS;

    *fresh = 0;
    *key = NULL;
    if (!rtl_valid_unicode_string(path))
        return STATUS_OBJECT_NAME_INVALID;
    if (rtl_is_bad_memory(rest.Buffer, rest.Length, FALSE))
        return STATUS_ACCESS_VIOLATION;
    if (!from) {
        if (rest.Length < sizeof(WCHAR) || rest.Buffer[0] != '\\')
            return STATUS_OBJECT_PATH_SYNTAX_BAD;
        rest.Buffer++;
        rest.Length = (USHORT)(rest.Length - sizeof(WCHAR));
        first = rest;
        if (!take_part(&(UNICODE_STRING){rest.Length, rest.Length, rest.Buffer}, &first) ||
            !rtl_equal_unicode_string(&first, &registry, TRUE))
            return STATUS_OBJECT_PATH_NOT_FOUND;
    } else if (rest.Length && rest.Buffer[0] == '\\') {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    cm_lock();
    if (!planted)
        status = plant();
    if (NT_SUCCESS(status) && from && from->deleted)
        status = STATUS_KEY_DELETED;
    if (NT_SUCCESS(status))
        status = walk(from ? from : &root, rest, create, key, fresh);
    cm_unlock();
    return status;
}

NTSTATUS cm_delete_key(struct cm_key *key)
{
    NTSTATUS status = STATUS_SUCCESS;

    cm_lock();
    if (key->deleted) {
        status = STATUS_KEY_DELETED;
    } else if (key->children || key->parent == &root) {
        status = STATUS_CANNOT_DELETE;
    } else {
        struct cm_key **link = &key->parent->children;

        while (*link != key)
            link = &(*link)->next;
        *link = key->next;
        touch(key->parent);
        key->deleted = 1;
        key->parent = NULL;
        dereference(key);
    }
    cm_unlock();
    return status;
}

NTSTATUS cm_set_class(struct cm_key *key, PCUNICODE_STRING class_name)
{
    UNICODE_STRING copy;

    if (class_name && rtl_is_bad_memory(class_name->Buffer, class_name->Length, FALSE))
        return STATUS_ACCESS_VIOLATION;
    if (!copy_name(&copy, class_name))
        return STATUS_INSUFFICIENT_RESOURCES;
    cm_lock();
    free_name(&key->class_name);
    key->class_name = copy;
    cm_unlock();
    return STATUS_SUCCESS;
}

/* ---- values ------------------------------------------------------------------------------------------- */

static struct cm_value **link_of(struct cm_key *key, PCUNICODE_STRING name)
{
    struct cm_value **link = &key->values;

    while (*link && !rtl_equal_unicode_string(&(*link)->name, name, TRUE))
        link = &(*link)->next;
    return link;
}

struct cm_value *cm_find_value(struct cm_key *key, PCUNICODE_STRING name)
{
    return *link_of(key, name);
}

struct cm_value *cm_value_at(struct cm_key *key, ULONG index)
{
    struct cm_value *value = key->values;

    while (value && index-- > 0)
        value = value->next;
    return value;
}

NTSTATUS cm_set_value(struct cm_key *key, PCUNICODE_STRING name, ULONG type, const void *data, ULONG length)
{
    struct cm_value *value, **link, *old = NULL;
    NTSTATUS status = STATUS_SUCCESS;

    if (rtl_is_bad_memory(name->Buffer, name->Length, FALSE) || rtl_is_bad_memory(data, length, FALSE))
        return STATUS_ACCESS_VIOLATION;
    value = ke_allocate(sizeof *value);
    if (!value)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!copy_name(&value->name, name) || (length && !(value->data = ke_allocate(length)))) {
        free_value(value);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    value->type = type;
    value->length = length;
    if (length)
        memcpy(value->data, data, length);
    cm_lock();
    if (key->deleted) {
        status = STATUS_KEY_DELETED;
        old = value;
    } else {
        link = link_of(key, &value->name);
        old = *link;
        value->next = old ? old->next : NULL;
        *link = value;
        touch(key);
    }
    cm_unlock();
    if (old)
        free_value(old);
    return status;
}

NTSTATUS cm_delete_value(struct cm_key *key, PCUNICODE_STRING name)
{
    struct cm_value **link, *gone = NULL;
    NTSTATUS status = STATUS_SUCCESS;

    if (rtl_is_bad_memory(name->Buffer, name->Length, FALSE))
        return STATUS_ACCESS_VIOLATION;
    cm_lock();
    if (key->deleted) {
        status = STATUS_KEY_DELETED;
    } else {
        link = link_of(key, name);
        gone = *link;
        if (gone) {
            *link = gone->next;
            touch(key);
        } else {
            status = STATUS_OBJECT_NAME_NOT_FOUND;
        }
    }
    cm_unlock();
    if (gone)
        free_value(gone);
    return status;
}
