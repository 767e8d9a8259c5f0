/*
 * rtl.c - the registry by path, without handles.
 */
#include "nt/cm/cm.h"
#include "nt/ke/ke.h"
#include "nt/ob/ob.h"
#include "nt/rtl/rtl.h"

#include <string.h>

enum { PATH_UNITS = 512 };

/* The whole path in `buffer`.  STATUS_INVALID_PARAMETER, STATUS_NAME_TOO_LONG. */
static NTSTATUS whole_path(ULONG relative_to, PCWSTR path, PUNICODE_STRING whole)
{
    static const WCHAR *const bases[RTL_REGISTRY_MAXIMUM] = {
        L"",
        L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\",
        L"\\Registry\\Machine\\System\\CurrentControlSet\\Control\\",
        L"\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion\\",
        L"\\Registry\\Machine\\Hardware\\DeviceMap\\",
        L"\\Registry\\User\\.Default\\",
    };
    UNICODE_STRING base, rest;
    NTSTATUS status;

    relative_to &= ~RTL_REGISTRY_OPTIONAL;
    if (relative_to >= RTL_REGISTRY_MAXIMUM || !path)
        return STATUS_INVALID_PARAMETER;
    rtl_init_unicode_string(&base, bases[relative_to]);
    rtl_init_unicode_string(&rest, path);
    if (relative_to != RTL_REGISTRY_ABSOLUTE && rest.Length && rest.Buffer[0] == '\\') {
        rest.Buffer++;
        rest.Length = (USHORT)(rest.Length - sizeof(WCHAR));
    }
    status = rtl_append_units(whole, base.Buffer, base.Length);
    if (NT_SUCCESS(status))
        status = rtl_append_units(whole, rest.Buffer, rest.Length);
    if (!NT_SUCCESS(status))
        return STATUS_NAME_TOO_LONG;
    if (!rest.Length && whole->Length)
        whole->Length = (USHORT)(whole->Length - sizeof(WCHAR)); /* the base itself */
    return STATUS_SUCCESS;
}

static NTSTATUS find_key(ULONG relative_to, PCWSTR path, int create, struct cm_key **key)
{
    WCHAR buffer[PATH_UNITS];
    UNICODE_STRING whole = {0, sizeof buffer, buffer};
    NTSTATUS status = whole_path(relative_to, path, &whole);
    int fresh;

    return NT_SUCCESS(status) ? cm_find_key(NULL, &whole, create, key, &fresh) : status;
}

/* Whether the key is there.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND,
 * STATUS_INVALID_PARAMETER.  (wdm RtlCheckRegistryKey) */
NTSTATUS NTAPI RtlCheckRegistryKey(ULONG RelativeTo, PWSTR Path)
{
    struct cm_key *key;
    NTSTATUS status = find_key(RelativeTo, Path, 0, &key);

    if (NT_SUCCESS(status))
        cm_release_key(key);
    return status;
}

/* Makes the key, if it is not there, below one that is.  PASSIVE_LEVEL.  (wdm RtlCreateRegistryKey) */
NTSTATUS NTAPI RtlCreateRegistryKey(ULONG RelativeTo, PWSTR Path)
{
    struct cm_key *key;
    NTSTATUS status = find_key(RelativeTo, Path, 1, &key);

    if (NT_SUCCESS(status))
        cm_release_key(key);
    return status;
}

/* Writes a value; the key is made if need be.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER, those
 * of ZwCreateKey.  (wdm RtlWriteRegistryValue) */
NTSTATUS NTAPI RtlWriteRegistryValue(ULONG RelativeTo, PCWSTR Path, PCWSTR ValueName, ULONG ValueType,
                                     PVOID ValueData, ULONG ValueLength)
{
    UNICODE_STRING name;
    struct cm_key *key;
    NTSTATUS status;

    rtl_init_unicode_string(&name, ValueName); /* first: an exception leaves nothing held */
    status = find_key(RelativeTo, Path, 1, &key);
    if (!NT_SUCCESS(status))
        return status;
    status = cm_set_value(key, &name, ValueType, ValueData, ValueLength);
    cm_release_key(key);
    return status;
}

/* Removes a value.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INVALID_PARAMETER.
 * (wdm RtlDeleteRegistryValue) */
NTSTATUS NTAPI RtlDeleteRegistryValue(ULONG RelativeTo, PCWSTR Path, PCWSTR ValueName)
{
    UNICODE_STRING name;
    struct cm_key *key;
    NTSTATUS status;

    rtl_init_unicode_string(&name, ValueName);
    status = find_key(RelativeTo, Path, 0, &key);
    if (!NT_SUCCESS(status))
        return status;
    status = cm_delete_value(key, &name);
    cm_release_key(key);
    return status;
}

/* Looks values up, one entry of the table after another: each goes to its routine, or is stored
 * (RTL_QUERY_REGISTRY_DIRECT).  There is no environment: REG_EXPAND_SZ comes as it is.  PASSIVE_LEVEL.
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND (the key, or a required value),
 * STATUS_OBJECT_TYPE_MISMATCH, STATUS_BUFFER_TOO_SMALL, what a routine returned.  (wdm
 * RtlQueryRegistryValues) */
NTSTATUS NTAPI RtlQueryRegistryValues(ULONG RelativeTo, PCWSTR Path, PRTL_QUERY_REGISTRY_TABLE QueryTable,
                                      PVOID Context, PVOID Environment)
{
    struct cm_key *key = NULL;
    NTSTATUS status = find_key(RelativeTo, Path, 0, &key);

    (void)Environment;
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && (RelativeTo & RTL_REGISTRY_OPTIONAL))
        status = STATUS_SUCCESS;
    if (NT_SUCCESS(status))
        status = cm_query_table(key, QueryTable, Context);
    if (key)
        cm_release_key(key);
    return status;
}
