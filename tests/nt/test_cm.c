/*
 * test_cm.c - the registry: keys, values, the layouts and sizes of what is told of them.
 */
#include <ntifs.h>

#include "nt/ob/ob.h"
#include "uwsk_test.h"

static UNICODE_STRING text_of(PCWSTR text)
{
    UNICODE_STRING string;

    RtlInitUnicodeString(&string, text);
    return string;
}

static NTSTATUS open_key(HANDLE root, PCWSTR path, HANDLE *key)
{
    UNICODE_STRING name = text_of(path);
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root, NULL);
    return ZwOpenKey(key, KEY_READ, &attributes);
}

static NTSTATUS create_key(HANDLE root, PCWSTR path, PCWSTR class, HANDLE *key, ULONG *disposition)
{
    UNICODE_STRING name = text_of(path), class_name = text_of(class);
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root, NULL);
    return ZwCreateKey(key, KEY_ALL_ACCESS, &attributes, 0, class ? &class_name : NULL, 0, disposition);
}

#define SERVICES L"\\Registry\\Machine\\System\\CurrentControlSet\\Services"

TEST(cm_keys_are_opened_and_made, "")
{
    HANDLE services, key, again;
    ULONG disposition = 0;

    EXPECT_STATUS(open_key(NULL, SERVICES, &services), STATUS_SUCCESS);
    EXPECT_STATUS(open_key(NULL, L"\\REGISTRY\\machine\\SYSTEM\\currentcontrolset\\services", &again),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(again), STATUS_SUCCESS);
    EXPECT_STATUS(open_key(services, L"Echo", &key), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(create_key(services, L"Echo\\Parameters", NULL, &key, NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(create_key(services, L"Echo", NULL, &key, &disposition), STATUS_SUCCESS);
    EXPECT_EQ(disposition, REG_CREATED_NEW_KEY);
    EXPECT_STATUS(create_key(NULL, SERVICES L"\\ECHO", NULL, &again, &disposition), STATUS_SUCCESS);
    EXPECT_EQ(disposition, REG_OPENED_EXISTING_KEY);
    EXPECT_STATUS(open_key(NULL, L"Registry\\Machine", &again), STATUS_OBJECT_PATH_SYNTAX_BAD);
    EXPECT_STATUS(open_key(NULL, L"\\Device\\Null", &again), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(open_key(services, L"\\Echo", &again), STATUS_OBJECT_PATH_SYNTAX_BAD);
    EXPECT_STATUS(open_key((HANDLE)(ULONG_PTR)0x1234, L"Echo", &again), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(open_key(NtCurrentThread(), L"Echo", &again), STATUS_OBJECT_TYPE_MISMATCH);
}

TEST(cm_deleted_keys_stay_deleted, "")
{
    UNICODE_STRING name = text_of(L"v");
    HANDLE services, key, child, again;
    ULONG number = 1;

    EXPECT_STATUS(open_key(NULL, SERVICES, &services), STATUS_SUCCESS);
    EXPECT_STATUS(create_key(services, L"Gone", NULL, &key, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(create_key(key, L"Child", NULL, &child, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteKey(key), STATUS_CANNOT_DELETE);
    EXPECT_STATUS(ZwDeleteKey(child), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteKey(child), STATUS_KEY_DELETED);
    EXPECT_STATUS(ZwSetValueKey(child, &name, 0, REG_DWORD, &number, sizeof number), STATUS_KEY_DELETED);
    EXPECT_STATUS(ZwQueryKey(child, KeyBasicInformation, NULL, 0, &number), STATUS_KEY_DELETED);
    EXPECT_STATUS(open_key(child, L"", &again), STATUS_KEY_DELETED);
    EXPECT_STATUS(open_key(key, L"Child", &again), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(ZwClose(child), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteKey(key), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(key), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(key), STATUS_INVALID_HANDLE);
}

/* Every size from nothing to enough, for every class. */
TEST(cm_values_tell_their_sizes, "")
{
    static const struct {
        KEY_VALUE_INFORMATION_CLASS class;
        ULONG fixed, whole;
    } classes[] = {{KeyValueBasicInformation, 12, 12 + 6},
                   {KeyValueFullInformation, 20, 28 + 5},
                   {KeyValuePartialInformation, 12, 12 + 5},
                   {KeyValueFullInformationAlign64, 20, 32 + 5},
                   {KeyValuePartialInformationAlign64, 8, 8 + 5}};
    static const UCHAR data[5] = {1, 2, 3, 4, 5};
    UNICODE_STRING name = text_of(L"abc"), other = text_of(L"ABC"), missing = text_of(L"ab");
    UCHAR buffer[64];
    HANDLE key;
    ULONG needed;

    EXPECT_STATUS(create_key(NULL, SERVICES L"\\Sizes", NULL, &key, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwSetValueKey(key, &name, 0, REG_BINARY, (PVOID)data, sizeof data), STATUS_SUCCESS);
    for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++) {
        for (ULONG length = 0; length <= classes[i].whole; length++) {
            NTSTATUS expected = length < classes[i].fixed   ? STATUS_BUFFER_TOO_SMALL
                                : length < classes[i].whole ? STATUS_BUFFER_OVERFLOW
                                                            : STATUS_SUCCESS;

            memset(buffer, 0xcc, sizeof buffer);
            needed = 0;
            EXPECT_STATUS(ZwQueryValueKey(key, &other, classes[i].class, buffer, length, &needed), expected);
            EXPECT_EQ(needed, classes[i].whole);
            EXPECT_EQ(buffer[length], 0xcc);
            if (length < classes[i].fixed)
                EXPECT_EQ(buffer[0], 0xcc);
        }
        EXPECT_STATUS(ZwEnumerateValueKey(key, 1, classes[i].class, buffer, sizeof buffer, &needed),
                      STATUS_NO_MORE_ENTRIES);
        EXPECT_STATUS(ZwQueryValueKey(key, &missing, classes[i].class, buffer, sizeof buffer, &needed),
                      STATUS_OBJECT_NAME_NOT_FOUND);
    }
    EXPECT_STATUS(ZwEnumerateValueKey(key, 0, KeyValueFullInformation, buffer, sizeof buffer, &needed),
                  STATUS_SUCCESS);
    EXPECT_EQ(((PKEY_VALUE_FULL_INFORMATION)buffer)->Type, REG_BINARY);
    EXPECT_EQ(((PKEY_VALUE_FULL_INFORMATION)buffer)->DataOffset, 28u);
    EXPECT_EQ(((PKEY_VALUE_FULL_INFORMATION)buffer)->NameLength, 6u);
    EXPECT_EQ(memcmp(((PKEY_VALUE_FULL_INFORMATION)buffer)->Name, L"abc", 6), 0);
    EXPECT_EQ(memcmp(buffer + 28, data, 5), 0);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, MaxKeyValueInfoClass, buffer, sizeof buffer, &needed),
                  STATUS_INVALID_PARAMETER);
}

TEST(cm_values_are_replaced_and_deleted, "")
{
    UNICODE_STRING name = text_of(L"Value"), unnamed = {0, 0, NULL};
    union {
        KEY_VALUE_PARTIAL_INFORMATION information;
        UCHAR room[64];
    } out;
    ULONG number = 7, needed;
    HANDLE key;

    EXPECT_STATUS(create_key(NULL, SERVICES L"\\Values", NULL, &key, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwSetValueKey(key, &name, 0, REG_SZ, (PVOID)L"text", 10), STATUS_SUCCESS);
    EXPECT_STATUS(ZwSetValueKey(key, &name, 0, REG_DWORD, &number, sizeof number), STATUS_SUCCESS);
    EXPECT_STATUS(ZwSetValueKey(key, &unnamed, 0, REG_NONE, NULL, 0), STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &out, sizeof out, &needed),
                  STATUS_SUCCESS);
    EXPECT_EQ(out.information.Type, REG_DWORD);
    EXPECT_EQ(out.information.DataLength, 4u);
    EXPECT_EQ(out.information.Data[0], 7);
    EXPECT_STATUS(ZwQueryValueKey(key, &unnamed, KeyValuePartialInformation, &out, sizeof out, &needed),
                  STATUS_SUCCESS);
    EXPECT_EQ(out.information.DataLength, 0u);
    EXPECT_STATUS(ZwDeleteValueKey(key, &name), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteValueKey(key, &name), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(ZwFlushKey(key), STATUS_SUCCESS);
}

TEST(cm_keys_tell_of_themselves, "")
{
    union {
        KEY_BASIC_INFORMATION basic;
        KEY_NODE_INFORMATION node;
        KEY_FULL_INFORMATION full;
        KEY_NAME_INFORMATION name;
        UCHAR room[256];
    } out;
    UNICODE_STRING value = text_of(L"long name");
    static const WCHAR path[] = SERVICES L"\\Told";
    HANDLE key, child;
    ULONG needed, number = 3;

    EXPECT_STATUS(create_key(NULL, path, L"cls", &key, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(create_key(key, L"b", NULL, &child, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(create_key(key, L"Ab", L"sub", &child, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwSetValueKey(key, &value, 0, REG_DWORD, &number, sizeof number), STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryKey(key, KeyFullInformation, &out, sizeof out, &needed), STATUS_SUCCESS);
    EXPECT_EQ(needed, 44u + 6);
    EXPECT_EQ(out.full.ClassOffset, 44u);
    EXPECT_EQ(out.full.SubKeys, 2u);
    EXPECT_EQ(out.full.MaxNameLen, 4u);
    EXPECT_EQ(out.full.MaxClassLen, 6u);
    EXPECT_EQ(out.full.Values, 1u);
    EXPECT_EQ(out.full.MaxValueNameLen, 18u);
    EXPECT_EQ(out.full.MaxValueDataLen, 4u);
    EXPECT(out.full.LastWriteTime.QuadPart > 0);
    EXPECT_STATUS(ZwQueryKey(key, KeyNameInformation, &out, sizeof out, &needed), STATUS_SUCCESS);
    EXPECT_EQ(out.name.NameLength, sizeof path - sizeof(WCHAR));
    EXPECT_EQ(RtlCompareMemory(out.name.Name + 1, path + 1, 8 * sizeof(WCHAR)), 8 * sizeof(WCHAR));
    EXPECT_EQ(memcmp(out.name.Name + out.name.NameLength / 2 - 5, L"\\Told", 10), 0);
    EXPECT_STATUS(ZwEnumerateKey(key, 0, KeyNodeInformation, &out, sizeof out, &needed), STATUS_SUCCESS);
    EXPECT_EQ(out.node.NameLength, 4u);
    EXPECT_EQ(out.node.Name[0], 'A');
    EXPECT_EQ(out.node.ClassOffset, 28u);
    EXPECT_EQ(needed, 34u);
    EXPECT_STATUS(ZwEnumerateKey(key, 1, KeyBasicInformation, &out, 15, &needed), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(ZwEnumerateKey(key, 1, KeyBasicInformation, &out, 16, &needed), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(needed, 18u);
    EXPECT_STATUS(ZwEnumerateKey(key, 1, KeyBasicInformation, &out, 18, &needed), STATUS_SUCCESS);
    EXPECT_EQ(out.basic.Name[0], 'b');
    EXPECT_STATUS(ZwEnumerateKey(key, 2, KeyBasicInformation, &out, 18, &needed), STATUS_NO_MORE_ENTRIES);
    EXPECT_STATUS(ZwEnumerateKey(key, 0, KeyNameInformation, &out, sizeof out, &needed),
                  STATUS_INVALID_PARAMETER);
}

TEST(cm_paths_without_handles, "")
{
    union {
        KEY_VALUE_PARTIAL_INFORMATION information;
        UCHAR room[64];
    } out;
    UNICODE_STRING name = text_of(L"number");
    ULONG number = 9, needed;
    HANDLE key;

    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, (PWSTR)L"Rtl"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(RtlCreateRegistryKey(RTL_REGISTRY_SERVICES, (PWSTR)L"Rtl"), STATUS_SUCCESS);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, (PWSTR)SERVICES L"\\rtl"), STATUS_SUCCESS);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_MAXIMUM, (PWSTR)L"Rtl"), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, (PWSTR)L""), STATUS_SUCCESS);
    EXPECT_STATUS(RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"Rtl\\New", L"Number", REG_DWORD, &number,
                                        sizeof number),
                  STATUS_SUCCESS);
    EXPECT_STATUS(open_key(NULL, SERVICES L"\\Rtl\\New", &key), STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &out, sizeof out, &needed),
                  STATUS_SUCCESS);
    EXPECT_EQ(out.information.Data[0], 9);
    EXPECT_STATUS(RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"Rtl\\New", L"Number"), STATUS_SUCCESS);
    EXPECT_STATUS(RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"Rtl\\New", L"Number"),
                  STATUS_OBJECT_NAME_NOT_FOUND);
}

struct seen {
    unsigned calls;
    ULONG types, lengths;
    WCHAR last[16];
};

static NTSTATUS NTAPI see(PWSTR name, ULONG type, PVOID data, ULONG length, PVOID context, PVOID entry)
{
    struct seen *seen = context;

    (void)name, (void)entry;
    seen->calls++;
    seen->types = seen->types * 16 + type;
    seen->lengths += length;
    if (data && length <= sizeof seen->last)
        memcpy(seen->last, data, length);
    return STATUS_SUCCESS;
}

static NTSTATUS query(PCWSTR path, ULONG flags, PCWSTR name, PVOID where, ULONG type, struct seen *seen)
{
    RTL_QUERY_REGISTRY_TABLE table[2] = {{seen ? see : NULL, flags, (PWSTR)name, where, type, NULL, 0}};

    return RtlQueryRegistryValues(RTL_REGISTRY_SERVICES, path, table, seen, NULL);
}

TEST(cm_tables_are_looked_up, "")
{
    ULONG number = 5, found = 0;
    ULONGLONG large = 6, large_found[3] = {(ULONGLONG)(ULONG)-8, 0, 0};
    UNICODE_STRING made = {0, 0, NULL};
    WCHAR room[4];
    UNICODE_STRING small = {0, sizeof room, room};
    struct seen seen = {0};
    RTL_QUERY_REGISTRY_TABLE table[4] = {
        {NULL, RTL_QUERY_REGISTRY_SUBKEY, (PWSTR)L"Sub", NULL, 0, NULL, 0},
        {NULL, RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED, (PWSTR)L"n", &found, 0, NULL, 0},
        {NULL, RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TOPKEY, (PWSTR)L"none", &made, REG_SZ,
         (PVOID)L"default", 0},
    };

    EXPECT_STATUS(query(L"Table", 0, NULL, NULL, 0, &seen), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(RtlQueryRegistryValues(RTL_REGISTRY_SERVICES | RTL_REGISTRY_OPTIONAL, L"Table", &table[2],
                                         NULL, NULL),
                  STATUS_SUCCESS);
    EXPECT_EQ(made.Length, 14);
    RtlFreeUnicodeString(&made);
    made = (UNICODE_STRING){0, 0, NULL};
    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"Table", L"s", REG_SZ, (PVOID)L"text", 10);
    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"Table", L"m", REG_MULTI_SZ, (PVOID)L"a\0bc\0", 12);
    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"Table", L"q", REG_QWORD, &large, sizeof large);
    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"Table\\Sub", L"n", REG_DWORD, &number, sizeof number);
    EXPECT_STATUS(RtlQueryRegistryValues(RTL_REGISTRY_SERVICES, L"Table", table, NULL, NULL), STATUS_SUCCESS);
    EXPECT_EQ(found, 5u);
    EXPECT_EQ(memcmp(made.Buffer, L"default", 16), 0);
    RtlFreeUnicodeString(&made);

    EXPECT_STATUS(query(L"Table", 0, NULL, NULL, 0, &seen), STATUS_SUCCESS); /* s, the two of m, q */
    EXPECT_EQ(seen.calls, 4u);
    EXPECT_EQ(seen.types, 0x111Bu);
    EXPECT_EQ(seen.lengths, 10u + 4 + 6 + 8);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_NOEXPAND, L"m", NULL, 0, &seen), STATUS_SUCCESS);
    EXPECT_EQ(seen.lengths, 28u + 12);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT, L"s", &small, 0, NULL), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT, L"q", large_found, 0, NULL), STATUS_SUCCESS);
    EXPECT_EQ(large_found[0], 6u);
    large_found[0] = 16;
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT, L"q", large_found, 0, NULL), STATUS_SUCCESS);
    EXPECT_EQ(large_found[0], 8u | (ULONGLONG)REG_QWORD << 32);
    EXPECT_EQ(large_found[1], 6u);
    large_found[0] = 15;
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT, L"q", large_found, 0, NULL),
                  STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK, L"q", &found,
                        REG_DWORD << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT, NULL),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_REQUIRED, L"no", NULL, 0, &seen),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(query(L"Table", 0, L"no", NULL, 0, &seen), STATUS_SUCCESS);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DIRECT, NULL, &found, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_DELETE, L"s", NULL, 0, &seen), STATUS_SUCCESS);
    EXPECT_STATUS(query(L"Table", RTL_QUERY_REGISTRY_REQUIRED, L"s", NULL, 0, &seen),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(seen.calls, 6u);
}

TEST(cm_bad_memory_leaves_nothing_held, "")
{
    UNICODE_STRING name = text_of(L"v"), bad = {8, 8, (PWSTR)0x10};
    PVOID nowhere = (PVOID)0x10;
    OBJECT_ATTRIBUTES attributes;
    ULONG number = 3, needed;
    UCHAR out[64];
    HANDLE key, again;

    EXPECT_STATUS(create_key(NULL, SERVICES L"\\Bad", NULL, &key, NULL), STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, &bad, OBJ_KERNEL_HANDLE, key, NULL);
    EXPECT_STATUS(ZwOpenKey(&again, KEY_READ, &attributes), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwSetValueKey(key, &bad, 0, REG_DWORD, &number, sizeof number), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwSetValueKey(key, &name, 0, REG_DWORD, nowhere, 4), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwSetValueKey(key, &name, 0, REG_DWORD, &number, sizeof number), STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryValueKey(key, &bad, KeyValueFullInformation, out, sizeof out, &needed),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, KeyValueFullInformation, nowhere, 64, &needed),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, KeyValueFullInformation, out, sizeof out, nowhere),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwEnumerateValueKey(key, 0, KeyValueFullInformation, nowhere, 64, &needed),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryKey(key, KeyFullInformation, nowhere, 64, &needed), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwDeleteValueKey(key, &bad), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(open_key(NULL, SERVICES L"\\Bad", nowhere), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryValueKey(key, &name, KeyValueFullInformation, out, sizeof out, &needed),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(key), STATUS_SUCCESS);
    EXPECT_EQ(ob_handle_count(), 0);
}
