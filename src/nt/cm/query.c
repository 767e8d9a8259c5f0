/*
 * query.c - RtlQueryRegistryValues: a table of values, each handed to a routine or stored where it is wanted.
 */
#include "nt/cm/cm.h"
#include "nt/ke/ke.h"
#include "nt/ex/ex.h"
#include "nt/rtl/rtl.h"

#include <string.h>

#define QUERY_TAG 0x72677251u /* "Qrgr" */
#define TYPE_MASK 0x00FFFFFFu /* of DefaultType; above it stands the type of RTL_QUERY_REGISTRY_TYPECHECK */

/* A value's copy, with two ends behind the data, so that text is terminated. */
struct copy {
    WCHAR *name;
    ULONG type, length;
    UCHAR *data;
    size_t room; /* of data and name together */
};

static BOOLEAN is_text(ULONG type)
{
    return type == REG_SZ || type == REG_EXPAND_SZ || type == REG_LINK || type == REG_MULTI_SZ;
}

static NTSTATUS copy_value(struct cm_key *key, PCUNICODE_STRING name, ULONG index, struct copy *copy)
{
    NTSTATUS status = STATUS_SUCCESS;
    const struct cm_value *value;
    size_t room;
    UCHAR *block;

    cm_lock();
    value = name ? cm_find_value(key, name) : cm_value_at(key, index);
    if (key->deleted)
        status = STATUS_KEY_DELETED;
    else if (!value)
        status = name ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_NO_MORE_ENTRIES;
    room = value ? ((size_t)value->length + 7) / 8 * 8 + 8 + value->name.Length + sizeof(WCHAR) : 0;
    block = NT_SUCCESS(status) ? ke_allocate(room) : NULL;
    if (block) {
        copy->type = value->type;
        copy->length = value->length;
        copy->data = block;
        copy->room = room;
        copy->name = (WCHAR *)(block + room - value->name.Length - sizeof(WCHAR));
        if (value->length)
            memcpy(block, value->data, value->length);
        if (value->name.Length)
            memcpy(copy->name, value->name.Buffer, value->name.Length);
    }
    cm_unlock();
    return !NT_SUCCESS(status) ? status : block ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static void free_copy(struct copy *copy)
{
    ke_free(copy->data, copy->room);
}

/* ---- one value ---------------------------------------------------------------------------------------- */

/* Text goes into a UNICODE_STRING, whose buffer is made when there is none. */
static NTSTATUS store_text(const void *data, ULONG length, PUNICODE_STRING target)
{
    const WCHAR *units = data;
    ULONG bytes = length & ~1u;

    if (bytes && !units[bytes / sizeof(WCHAR) - 1])
        bytes -= (ULONG)sizeof(WCHAR);
    if (bytes > 65532)
        return STATUS_BUFFER_TOO_SMALL;
    if (!target->Buffer) {
        target->Buffer = ex_allocate_pool(POOL_FLAG_PAGED, bytes + sizeof(WCHAR), QUERY_TAG);
        if (!target->Buffer)
            return STATUS_INSUFFICIENT_RESOURCES;
        target->MaximumLength = (USHORT)(bytes + sizeof(WCHAR));
    } else if (target->MaximumLength < bytes + sizeof(WCHAR)) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    if (bytes)
        memcpy(target->Buffer, data, bytes);
    target->Buffer[bytes / sizeof(WCHAR)] = 0;
    target->Length = (USHORT)bytes;
    return STATUS_SUCCESS;
}

/* What is no text: up to four bytes as they are; more into a buffer that begins with its own size, negative
 * for the bare data, else with length and type in front. */
static NTSTATUS store_bytes(ULONG type, const void *data, ULONG length, UCHAR *target)
{
    LONG size;
    ULONG head[2] = {length, type};

    if (length <= sizeof(ULONG)) {
        if (length)
            memcpy(target, data, length);
        return STATUS_SUCCESS;
    }
    memcpy(&size, target, sizeof size);
    if (size < 0) {
        if (0u - (ULONG)size < length)
            return STATUS_BUFFER_TOO_SMALL;
        memcpy(target, data, length);
        return STATUS_SUCCESS;
    }
    if ((ULONG)size < sizeof head || (ULONG)size - sizeof head < length)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(target, head, sizeof head);
    memcpy(target + sizeof head, data, length);
    return STATUS_SUCCESS;
}

static NTSTATUS store(const RTL_QUERY_REGISTRY_TABLE *entry, ULONG type, const void *data, ULONG length)
{
    if ((entry->Flags & RTL_QUERY_REGISTRY_TYPECHECK) &&
        entry->DefaultType >> RTL_QUERY_REGISTRY_TYPECHECK_SHIFT != type)
        return STATUS_OBJECT_TYPE_MISMATCH;
    return is_text(type) ? store_text(data, length, entry->EntryContext)
                         : store_bytes(type, data, length, entry->EntryContext);
}

/* Hands a value over.  A REG_MULTI_SZ comes as its strings, unless RTL_QUERY_REGISTRY_NOEXPAND is set. */
static NTSTATUS hand_over(const RTL_QUERY_REGISTRY_TABLE *entry, PWSTR name, ULONG type, void *data,
                          ULONG length, PVOID context)
{
    BOOLEAN expand = !(entry->Flags & RTL_QUERY_REGISTRY_NOEXPAND);
    NTSTATUS status = STATUS_SUCCESS;

    if (entry->Flags & RTL_QUERY_REGISTRY_DIRECT)
        return store(entry, type, data, length);
    if (!expand || type != REG_MULTI_SZ)
        return entry->QueryRoutine(name, expand && type == REG_EXPAND_SZ ? REG_SZ : type, data, length,
                                   context, entry->EntryContext);
    for (WCHAR *at = data, *end = at + length / sizeof(WCHAR); at < end && *at && NT_SUCCESS(status);) {
        WCHAR *stop = at;

        while (stop < end && *stop)
            stop++;
        stop += stop < end;
        status = entry->QueryRoutine(name, REG_SZ, at, (ULONG)((stop - at) * (LONG_PTR)sizeof(WCHAR)),
                                     context, entry->EntryContext);
        at = stop;
    }
    return status;
}

/* ---- one entry ---------------------------------------------------------------------------------------- */

static ULONG default_length(ULONG type, const void *data)
{
    const WCHAR *units = data;
    ULONG count = 0;

    if (!is_text(type) || !data)
        return 0;
    if (type == REG_MULTI_SZ)
        while (units[count])
            while (units[count++])
                ;
    else
        while (units[count])
            count++;
    return (count + 1) * (ULONG)sizeof(WCHAR);
}

static NTSTATUS query_missing(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    ULONG type = entry->DefaultType & TYPE_MASK;

    if (entry->Flags & RTL_QUERY_REGISTRY_REQUIRED)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (type == REG_NONE)
        return STATUS_SUCCESS;
    return hand_over(entry, entry->Name, type, entry->DefaultData,
                     entry->DefaultLength ? entry->DefaultLength : default_length(type, entry->DefaultData),
                     context);
}

static NTSTATUS query_one(struct cm_key *key, const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;
    UNICODE_STRING name;
    struct copy copy;

    rtl_init_unicode_string(&name, entry->Name);
    if (key)
        status = copy_value(key, &name, 0, &copy);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return query_missing(entry, context);
    if (!NT_SUCCESS(status))
        return status;
    status = hand_over(entry, entry->Name, copy.type, copy.data, copy.length, context);
    free_copy(&copy);
    if (NT_SUCCESS(status) && (entry->Flags & RTL_QUERY_REGISTRY_DELETE))
        cm_delete_value(key, &name);
    return status;
}

static NTSTATUS query_all(struct cm_key *key, const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG found = 0;

    for (ULONG index = 0; key && NT_SUCCESS(status);) {
        UNICODE_STRING name;
        struct copy copy;

        status = copy_value(key, NULL, index, &copy);
        if (!NT_SUCCESS(status))
            break;
        found++;
        status = hand_over(entry, copy.name, copy.type, copy.data, copy.length, context);
        rtl_init_unicode_string(&name, copy.name);
        if (!NT_SUCCESS(status) || !(entry->Flags & RTL_QUERY_REGISTRY_DELETE) ||
            !NT_SUCCESS(cm_delete_value(key, &name)))
            index++;
        free_copy(&copy);
    }
    if (status == STATUS_NO_MORE_ENTRIES)
        status = STATUS_SUCCESS;
    if (NT_SUCCESS(status) && !found && (entry->Flags & RTL_QUERY_REGISTRY_REQUIRED))
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    return status;
}

static BOOLEAN is_sound(const RTL_QUERY_REGISTRY_TABLE *entry)
{
    if ((entry->Flags & RTL_QUERY_REGISTRY_TYPECHECK) && !(entry->Flags & RTL_QUERY_REGISTRY_DIRECT))
        return FALSE;
    if (entry->Flags & RTL_QUERY_REGISTRY_SUBKEY)
        return entry->Name && !(entry->Flags & RTL_QUERY_REGISTRY_DIRECT);
    if (entry->Flags & RTL_QUERY_REGISTRY_DIRECT)
        return entry->Name && entry->EntryContext;
    return TRUE;
}

/* The current key after a SUBKEY entry; NULL when it is not there. */
static NTSTATUS enter(struct cm_key *top, const RTL_QUERY_REGISTRY_TABLE *entry, struct cm_key **current)
{
    UNICODE_STRING name;
    NTSTATUS status;
    int fresh;

    rtl_init_unicode_string(&name, entry->Name);
    status = top ? cm_find_key(top, &name, 0, current, &fresh) : STATUS_OBJECT_NAME_NOT_FOUND;
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && !(entry->Flags & RTL_QUERY_REGISTRY_REQUIRED))
        status = STATUS_SUCCESS;
    return status;
}

NTSTATUS cm_query_table(struct cm_key *top, const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    struct cm_key *current = top, *below = NULL; /* below: the subkey that is entered, with its reference */
    NTSTATUS status = STATUS_SUCCESS;

    for (; NT_SUCCESS(status) &&
           (entry->QueryRoutine || (entry->Flags & (RTL_QUERY_REGISTRY_SUBKEY | RTL_QUERY_REGISTRY_DIRECT)));
         entry++) {
        if (!is_sound(entry)) {
            status = STATUS_INVALID_PARAMETER;
            break;
        }
        if (entry->Flags & (RTL_QUERY_REGISTRY_SUBKEY | RTL_QUERY_REGISTRY_TOPKEY)) {
            if (below)
                cm_release_key(below);
            below = NULL;
            current = top;
        }
        if (entry->Flags & RTL_QUERY_REGISTRY_SUBKEY) {
            status = enter(top, entry, &below);
            current = below;
            if (NT_SUCCESS(status) && entry->QueryRoutine)
                status = query_all(current, entry, context);
        } else if (entry->Flags & RTL_QUERY_REGISTRY_NOVALUE) {
            status = entry->QueryRoutine(NULL, REG_NONE, NULL, 0, context, entry->EntryContext);
        } else if (entry->Name) {
            status = query_one(current, entry, context);
        } else {
            status = query_all(current, entry, context);
        }
    }
    if (below)
        cm_release_key(below);
    return status;
}
