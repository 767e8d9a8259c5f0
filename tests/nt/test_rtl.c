/*
 * test_rtl.c - counted strings, conversions, numbers, GUIDs, times, addresses as text, names of status
 * values.
 */
#include "uwsk_test.h"

#include <ntddk.h>

#include <ip2string.h>
#include <string.h>
#include <wchar.h>

#include "host/host.h"
#include "nt/rtl/rtl.h"

static int holds(PCUNICODE_STRING string, const wchar_t *text)
{
    return string->Length == wcslen(text) * sizeof(WCHAR) &&
           memcmp(string->Buffer, text, string->Length) == 0;
}

TEST(unicode_string_counts_bytes, "K-STR-01 K-STR-02 K-STR-05")
{
    static WCHAR longest[40000];
    static const WCHAR text[] = L"abc";
    UNICODE_STRING string;
    ANSI_STRING narrow;

    EXPECT_EQ(sizeof(WCHAR), 2);
    RtlInitUnicodeString(&string, text);
    EXPECT(string.Length == 6 && string.MaximumLength == 8 && string.Buffer == text); /* no copy */
    RtlInitUnicodeString(&string, NULL);
    EXPECT(string.Length == 0 && string.MaximumLength == 0 && string.Buffer == NULL);
    RtlInitUnicodeString(&string, L"");
    EXPECT(string.Length == 0 && string.MaximumLength == 2);
    wmemset(longest, 'a', 39999);
    RtlInitUnicodeString(&string, longest); /* clamped to an even limit */
    EXPECT(string.Length == 65532 && string.MaximumLength == 65534);
    EXPECT_STATUS(RtlInitUnicodeStringEx(&string, longest), STATUS_NAME_TOO_LONG);
    longest[32766] = 0;
    EXPECT_STATUS(RtlInitUnicodeStringEx(&string, longest), STATUS_SUCCESS);
    EXPECT(string.Length == 65532 && string.MaximumLength == 65534);
    longest[32766] = 'a';
    longest[32767] = 0;
    EXPECT_STATUS(RtlInitUnicodeStringEx(&string, longest), STATUS_NAME_TOO_LONG);
    RtlInitAnsiString(&narrow, "abc");
    EXPECT(narrow.Length == 3 && narrow.MaximumLength == 4);
    char lengthy[65600];
    memset(lengthy, 'a', sizeof lengthy);
    lengthy[sizeof lengthy - 1] = 0;
    EXPECT_STATUS(RtlInitAnsiStringEx(&narrow, lengthy), STATUS_NAME_TOO_LONG);
    EXPECT(narrow.Length == 0 && narrow.MaximumLength == 0 && narrow.Buffer == NULL);
    lengthy[65534] = 0;
    EXPECT_STATUS(RtlInitStringEx(&narrow, lengthy), STATUS_SUCCESS);
    EXPECT(narrow.Length == 65534 && narrow.MaximumLength == 65535 && narrow.Buffer == lengthy);
    EXPECT_STATUS(RtlInitAnsiStringEx(&narrow, NULL), STATUS_SUCCESS);
    EXPECT(narrow.Length == 0 && narrow.Buffer == NULL);
    RtlInitAnsiString(&narrow, NULL);
    EXPECT(narrow.Length == 0 && narrow.MaximumLength == 0 && narrow.Buffer == NULL);

    static const UNICODE_STRING good = RTL_CONSTANT_STRING(L"ab");
    UNICODE_STRING odd = {3, 4, (PWSTR)text}, long_length = {6, 4, (PWSTR)text};
    EXPECT(good.Length == 4 && good.MaximumLength == 6);
    EXPECT(rtl_valid_unicode_string(&good));
    EXPECT(!rtl_valid_unicode_string(&odd) && !rtl_valid_unicode_string(&long_length)); /* K-STR-03 */
}

TEST(copy_and_append, "K-STR-01")
{
    WCHAR buffer[6] = L"zzzzz";
    UNICODE_STRING target = {0, 8, buffer}, source = RTL_CONSTANT_STRING(L"abc"),
                   longer = RTL_CONSTANT_STRING(L"hello");

    RtlCopyUnicodeString(&target, &source);
    EXPECT(holds(&target, L"abc") && buffer[3] == 0); /* terminated, as there was room */
    RtlCopyUnicodeString(&target, &longer);
    EXPECT(holds(&target, L"hell") && buffer[4] == 'z'); /* cut, not terminated */
    RtlCopyUnicodeString(&target, NULL);
    EXPECT_EQ(target.Length, 0);
    EXPECT_STATUS(RtlAppendUnicodeToString(&target, L"ab"), STATUS_SUCCESS);
    EXPECT(holds(&target, L"ab") && buffer[2] == 0);
    EXPECT_STATUS(RtlAppendUnicodeStringToString(&target, &source), STATUS_BUFFER_TOO_SMALL);
    EXPECT(holds(&target, L"ab"));
    EXPECT_STATUS(RtlAppendUnicodeToString(&target, L"cd"), STATUS_SUCCESS); /* exact */
    EXPECT(holds(&target, L"abcd") && buffer[4] == 'z');
    EXPECT_STATUS(RtlAppendUnicodeToString(&target, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(RtlAppendUnicodeToString(&target, L"e"), STATUS_BUFFER_TOO_SMALL);
}

TEST(compare_and_case, "K-STR-01 K-STR-05")
{
    UNICODE_STRING abc = RTL_CONSTANT_STRING(L"abc"), upper = RTL_CONSTANT_STRING(L"ABC"),
                   abcd = RTL_CONSTANT_STRING(L"abcd"), abd = RTL_CONSTANT_STRING(L"abd"),
                   empty = {0, 0, NULL};
    UNICODE_STRING greek = RTL_CONSTANT_STRING(L"\x03b1\x03c9"),
                   greek_upper = RTL_CONSTANT_STRING(L"\x0391\x03a9");
    ANSI_STRING left = RTL_CONSTANT_STRING("one"), right = RTL_CONSTANT_STRING("ONE1");

    EXPECT(RtlCompareUnicodeString(&abc, &abc, FALSE) == 0 && RtlCompareUnicodeString(&abc, &abd, FALSE) < 0);
    EXPECT(RtlCompareUnicodeString(&abc, &upper, FALSE) > 0 &&
           RtlCompareUnicodeString(&abc, &upper, TRUE) == 0);
    EXPECT(RtlCompareUnicodeString(&abc, &abcd, FALSE) < 0 &&
           RtlCompareUnicodeString(&abc, &empty, TRUE) > 0);
    EXPECT(RtlEqualUnicodeString(&abc, &upper, TRUE) && !RtlEqualUnicodeString(&abc, &upper, FALSE));
    EXPECT(RtlEqualUnicodeString(&greek, &greek_upper, TRUE) && !RtlEqualUnicodeString(&abc, &abcd, TRUE));
    EXPECT(RtlPrefixUnicodeString(&abc, &abcd, FALSE) && !RtlPrefixUnicodeString(&abcd, &abc, FALSE));
    EXPECT(RtlPrefixUnicodeString(&upper, &abcd, TRUE) && RtlPrefixUnicodeString(&empty, &abc, FALSE));
    EXPECT(RtlCompareString(&left, &right, TRUE) < 0 && !RtlEqualString(&left, &right, TRUE));
    EXPECT(RtlPrefixString(&left, &right, TRUE) && !RtlPrefixString(&left, &right, FALSE));
    EXPECT_EQ(RtlUpcaseUnicodeChar(0xe4), 0xc4);
    EXPECT_EQ(RtlDowncaseUnicodeChar(0xc4), 0xe4);
    EXPECT_EQ(RtlUpperChar('q'), 'Q');
    EXPECT_EQ(RtlCompareMemory("abcdef", "abcxef", 6), 3);
    EXPECT_EQ(RtlCompareMemory("abc", "abc", 3), 3);

    WCHAR buffer[4];
    UNICODE_STRING target = {0, sizeof(buffer), buffer};
    EXPECT_STATUS(RtlUpcaseUnicodeString(&target, &abcd, FALSE), STATUS_SUCCESS);
    EXPECT(holds(&target, L"ABCD"));
    EXPECT_STATUS(RtlDowncaseUnicodeString(&target, &upper, FALSE), STATUS_SUCCESS);
    EXPECT(holds(&target, L"abc"));
    target.MaximumLength = 4;
    EXPECT_STATUS(RtlUpcaseUnicodeString(&target, &abc, FALSE), STATUS_BUFFER_OVERFLOW);
    EXPECT_STATUS(RtlUpcaseUnicodeString(&target, &abc, TRUE), STATUS_SUCCESS);
    EXPECT(target.Buffer != buffer && holds(&target, L"ABC"));
    RtlFreeUnicodeString(&target);
    EXPECT(target.Buffer == NULL && target.Length == 0);
    RtlFreeUnicodeString(&target); /* an empty string is left alone */

    ULONG hash, other;
    EXPECT_STATUS(RtlHashUnicodeString(&abc, TRUE, HASH_STRING_ALGORITHM_DEFAULT, &hash), STATUS_SUCCESS);
    EXPECT_STATUS(RtlHashUnicodeString(&upper, TRUE, HASH_STRING_ALGORITHM_X65599, &other), STATUS_SUCCESS);
    EXPECT_EQ(hash, other);
    EXPECT_EQ(hash, (('A' * 65599u) + 'B') * 65599u + 'C');
    EXPECT_STATUS(RtlHashUnicodeString(&abc, TRUE, 2, &hash), STATUS_INVALID_PARAMETER);
}

TEST(narrow_and_wide, "K-STR-01 K-STR-05")
{
    ANSI_STRING narrow = RTL_CONSTANT_STRING("a\xc3\xa4\xf0\x9f\x98\x80"), back = {0, 0, NULL};
    UNICODE_STRING wide;
    WCHAR buffer[5];
    char small[5];
    ULONG bytes;

    EXPECT_EQ(RtlAnsiStringToUnicodeSize(&narrow), 10);
    EXPECT_STATUS(RtlAnsiStringToUnicodeString(&wide, &narrow, TRUE), STATUS_SUCCESS);
    EXPECT(holds(&wide, L"a\x00e4\xd83d\xde00"));
    EXPECT(wide.MaximumLength == 10 && wide.Buffer[4] == 0);
    EXPECT_EQ(RtlUnicodeStringToAnsiSize(&wide), 8);
    EXPECT_STATUS(RtlUnicodeStringToAnsiString(&back, &wide, TRUE), STATUS_SUCCESS);
    EXPECT(back.Length == 7 && back.MaximumLength == 8 && strcmp(back.Buffer, narrow.Buffer) == 0);
    RtlFreeAnsiString(&back);
    back = (ANSI_STRING){0, sizeof(small), small};
    EXPECT_STATUS(RtlUnicodeStringToAnsiString(&back, &wide, FALSE), STATUS_BUFFER_OVERFLOW);
    EXPECT(back.Length == 3); /* whole characters only */
    EXPECT_STR(small, "a\xc3\xa4");
    RtlFreeUnicodeString(&wide);
    wide = (UNICODE_STRING){0, 8, buffer};
    EXPECT_STATUS(RtlAnsiStringToUnicodeString(&wide, &narrow, FALSE), STATUS_BUFFER_OVERFLOW);
    wide.MaximumLength = 10;
    EXPECT_STATUS(RtlAnsiStringToUnicodeString(&wide, &narrow, FALSE), STATUS_SUCCESS);

    EXPECT_STATUS(RtlUnicodeToUTF8N(NULL, 0, &bytes, buffer, 8), STATUS_SUCCESS);
    EXPECT_EQ(bytes, 7);
    EXPECT_STATUS(RtlUnicodeToUTF8N(small, 5, &bytes, buffer, 8), STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(bytes, 3);
    EXPECT_STATUS(RtlUnicodeToUTF8N(small, 5, &bytes, L"\xd800", 2), STATUS_SOME_NOT_MAPPED);
    EXPECT_EQ(bytes, 3);
    EXPECT_STATUS(RtlUTF8ToUnicodeN(buffer, sizeof(buffer), &bytes, "x\xff", 2), STATUS_SOME_NOT_MAPPED);
    EXPECT(bytes == 4 && buffer[0] == 'x' && buffer[1] == 0xfffd);
    EXPECT_STATUS(RtlUTF8ToUnicodeN(buffer, 4, &bytes, "xyz", 3), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(RtlUTF8ToUnicodeN(buffer, 4, NULL, NULL, 3), STATUS_INVALID_PARAMETER_4);
}

static int no_pool(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_POOL;
}

TEST(strings_without_memory, "K-STR-01")
{
    static const GUID guid = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    ANSI_STRING narrow = RTL_CONSTANT_STRING("abc"), back;
    UNICODE_STRING wide = RTL_CONSTANT_STRING(L"abc"), target;

    host_set_fault_plan(no_pool, NULL);
    EXPECT_STATUS(RtlAnsiStringToUnicodeString(&target, &narrow, TRUE), STATUS_NO_MEMORY);
    EXPECT_STATUS(RtlUnicodeStringToAnsiString(&back, &wide, TRUE), STATUS_NO_MEMORY);
    EXPECT_STATUS(RtlUpcaseUnicodeString(&target, &wide, TRUE), STATUS_NO_MEMORY);
    EXPECT_STATUS(RtlStringFromGUID(&guid, &target), STATUS_NO_MEMORY);
}

TEST(integers_as_text, "K-STR-01")
{
    WCHAR buffer[12];
    UNICODE_STRING string = {0, sizeof(buffer), buffer};
    ULONG value;

    EXPECT_STATUS(RtlIntegerToUnicodeString(4294967295u, 10, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"4294967295") && buffer[10] == 0);
    EXPECT_STATUS(RtlIntegerToUnicodeString(0xbeef, 16, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"BEEF"));
    EXPECT_STATUS(RtlIntegerToUnicodeString(0, 0, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"0"));
    EXPECT_STATUS(RtlIntegerToUnicodeString(10, 2, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"1010"));
    EXPECT_STATUS(RtlIntegerToUnicodeString(1, 7, &string), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlInt64ToUnicodeString(0x123456789abull, 16, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"123456789AB"));
    EXPECT_STATUS(RtlInt64ToUnicodeString(~0ull, 10, &string), STATUS_BUFFER_OVERFLOW);

    static const struct {
        const WCHAR *text;
        ULONG base, value;
    } cases[] = {{L"42", 10, 42},
                 {L"  -42", 10, (ULONG)-42},
                 {L"+7x", 0, 7},
                 {L"0x1f", 0, 31},
                 {L"1F", 16, 31},
                 {L"0o17", 0, 15},
                 {L"0b101", 0, 5},
                 {L"017", 0, 17},
                 {L"", 10, 0},
                 {L"nonsense", 10, 0},
                 {L"0x1f", 16, 0},
                 {L"4294967296", 10, 0},
                 {L"4294967295", 10, ~0u}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        RtlInitUnicodeString(&string, cases[i].text);
        value = 99;
        EXPECT_STATUS(RtlUnicodeStringToInteger(&string, cases[i].base, &value), STATUS_SUCCESS);
        EXPECT_EQ(value, cases[i].value);
    }
    EXPECT_STATUS(RtlUnicodeStringToInteger(&string, 5, &value), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlCharToInteger("0x10", 0, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 16);
    string = (UNICODE_STRING){4, 4, (PWSTR)L"1234"}; /* counted: what lies behind is not read */
    EXPECT_STATUS(RtlUnicodeStringToInteger(&string, 10, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 12);

    ULONG seed = 5, again = 5;
    for (int i = 0; i < 1000; i++) {
        ULONG number = RtlRandomEx(&seed);
        EXPECT(number < 0x7fffffff);
        EXPECT_EQ(RtlRandomEx(&again), number);
    }
}

TEST(guids_as_text, "K-STR-01")
{
    static const GUID guid = {0x01234567, 0x89ab, 0xcdef, {0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff}};
    UNICODE_STRING string;
    GUID read;

    EXPECT_STATUS(RtlStringFromGUID(&guid, &string), STATUS_SUCCESS);
    EXPECT(holds(&string, L"{01234567-89AB-CDEF-0001-0203FCFDFEFF}") && string.MaximumLength == 78);
    EXPECT_STATUS(RtlGUIDFromString(&string, &read), STATUS_SUCCESS);
    EXPECT(memcmp(&read, &guid, sizeof(guid)) == 0);
    RtlFreeUnicodeString(&string);
    RtlInitUnicodeString(&string, L"{01234567-89ab-cdef-0001-0203fcfdfeff}");
    EXPECT_STATUS(RtlGUIDFromString(&string, &read), STATUS_SUCCESS);
    EXPECT(memcmp(&read, &guid, sizeof(guid)) == 0);
    static const WCHAR *const bad[] = {
        L"01234567-89ab-cdef-0001-0203fcfdfeff", L"{01234567-89ab-cdef-0001-0203fcfdfef}",
        L"{01234567-89ab-cdef-0001-0203fcfdfefg}", L"{01234567+89ab-cdef-0001-0203fcfdfeff}", L""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        RtlInitUnicodeString(&string, bad[i]);
        EXPECT_STATUS(RtlGUIDFromString(&string, &read), STATUS_INVALID_PARAMETER);
    }
}

TEST(calendar, "")
{
    static const struct {
        LONGLONG time;
        TIME_FIELDS fields;
    } cases[] = {
        {0, {1601, 1, 1, 0, 0, 0, 0, 1}},                                /* a Monday */
        {116444736000000000, {1970, 1, 1, 0, 0, 0, 0, 4}},               /* a Thursday */
        {125963424000000000 - 10000, {2000, 2, 29, 23, 59, 59, 999, 2}}, /* the last moment of a leap day */
        {133536846967890000, {2024, 2, 29, 12, 51, 36, 789, 4}},
        {13359859199 * 10000000, {2024, 5, 10, 23, 59, 59, 0, 5}}};
    LARGE_INTEGER time;
    TIME_FIELDS fields;
    ULONG seconds;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        time.QuadPart = cases[i].time;
        RtlTimeToTimeFields(&time, &fields);
        EXPECT_EQ(fields.Year, cases[i].fields.Year);
        EXPECT_EQ(fields.Month, cases[i].fields.Month);
        EXPECT_EQ(fields.Day, cases[i].fields.Day);
        EXPECT_EQ(fields.Hour, cases[i].fields.Hour);
        EXPECT_EQ(fields.Minute, cases[i].fields.Minute);
        EXPECT_EQ(fields.Second, cases[i].fields.Second);
        EXPECT_EQ(fields.Milliseconds, cases[i].fields.Milliseconds);
        EXPECT_EQ(fields.Weekday, cases[i].fields.Weekday);
        EXPECT(RtlTimeFieldsToTime(&fields, &time));
        EXPECT_EQ(time.QuadPart, cases[i].time);
    }
    /* every day of 800 years is the day after the one before */
    TIME_FIELDS before = {1600, 12, 31, 0, 0, 0, 0, 0};
    for (LONGLONG day = 0; day < 292194; day++, before = fields) {
        time.QuadPart = day * 864000000000;
        RtlTimeToTimeFields(&time, &fields);
        EXPECT_EQ(fields.Weekday, (before.Weekday + 1) % 7);
        if (fields.Day == 1)
            EXPECT(fields.Month == 1 ? before.Month == 12 && fields.Year == before.Year + 1
                                     : fields.Month == before.Month + 1);
        else
            EXPECT(fields.Day == before.Day + 1 && fields.Month == before.Month &&
                   fields.Year == before.Year);
        EXPECT(RtlTimeFieldsToTime(&fields, &time));
        EXPECT_EQ(time.QuadPart, day * 864000000000);
    }
    EXPECT(fields.Year == 2400 && fields.Month == 12 && fields.Day == 31);
    fields = (TIME_FIELDS){2023, 2, 29, 0, 0, 0, 0, 0};
    EXPECT(!RtlTimeFieldsToTime(&fields, &time));
    fields = (TIME_FIELDS){2024, 13, 1, 0, 0, 0, 0, 0};
    EXPECT(!RtlTimeFieldsToTime(&fields, &time));
    fields = (TIME_FIELDS){2024, 1, 1, 24, 0, 0, 0, 0};
    EXPECT(!RtlTimeFieldsToTime(&fields, &time));
    RtlSecondsSince1970ToTime(1, &time);
    EXPECT_EQ(time.QuadPart, 116444736010000000);
    EXPECT(RtlTimeToSecondsSince1970(&time, &seconds));
    EXPECT_EQ(seconds, 1);
    EXPECT(!RtlTimeToSecondsSince1980(&time, &seconds));
    RtlSecondsSince1980ToTime(0, &time);
    RtlTimeToTimeFields(&time, &fields);
    EXPECT(fields.Year == 1980 && fields.Month == 1 && fields.Day == 1);
}

TEST(ipv4_as_text, "K-STR-05")
{
    static const struct {
        const char *text;
        BOOLEAN strict;
        NTSTATUS status;
        ULONG address; /* as written */
        size_t end;
    } cases[] = {{"1.2.3.4", TRUE, STATUS_SUCCESS, 0x01020304, 7},
                 {"255.255.255.255x", TRUE, STATUS_SUCCESS, 0xffffffff, 15},
                 {"1.2.3", TRUE, STATUS_INVALID_PARAMETER, 0, 5},
                 {"1.2.3.256", TRUE, STATUS_INVALID_PARAMETER, 0, 8},
                 {"1.2.3.04", TRUE, STATUS_INVALID_PARAMETER, 0, 6},
                 {"0x7f.1", FALSE, STATUS_SUCCESS, 0x7f000001, 6},
                 {"1.2.65535", FALSE, STATUS_SUCCESS, 0x0102ffff, 9},
                 {"1.2.65536", FALSE, STATUS_INVALID_PARAMETER, 0, 9},
                 {"0177.0.0.1", FALSE, STATUS_SUCCESS, 0x7f000001, 10},
                 {"2130706433/8", FALSE, STATUS_SUCCESS, 0x7f000001, 10},
                 {"4294967296", FALSE, STATUS_INVALID_PARAMETER, 0, 9},
                 {"0x", FALSE, STATUS_INVALID_PARAMETER, 0, 2},
                 {"", FALSE, STATUS_INVALID_PARAMETER, 0, 0}};
    IN_ADDR address;
    PCSTR end;
    PCWSTR wide_end;
    char text[32];
    WCHAR wide[32];
    ULONG length;
    USHORT port;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_STATUS(RtlIpv4StringToAddressA(cases[i].text, cases[i].strict, &end, &address),
                      cases[i].status);
        EXPECT_EQ(end - cases[i].text, cases[i].end);
        if (cases[i].status == STATUS_SUCCESS)
            EXPECT_EQ(RtlUlongByteSwap(address.S_un.S_addr), cases[i].address);
        for (size_t at = 0; at <= strlen(cases[i].text); at++)
            wide[at] = (UCHAR)cases[i].text[at];
        EXPECT_STATUS(RtlIpv4StringToAddressW(wide, cases[i].strict, &wide_end, &address), cases[i].status);
        EXPECT_EQ(wide_end - wide, cases[i].end);
    }
    address.S_un.S_addr = RtlUlongByteSwap(0xc0000201);
    EXPECT(RtlIpv4AddressToStringA(&address, text) == text + 9);
    EXPECT_STR(text, "192.0.2.1");
    EXPECT(RtlIpv4AddressToStringW(&address, wide) == wide + 9);
    EXPECT(wcscmp(wide, L"192.0.2.1") == 0);
    length = 12;
    EXPECT_STATUS(RtlIpv4AddressToStringExA(&address, 0x5000, text, &length), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(length, 13);
    EXPECT_STATUS(RtlIpv4AddressToStringExA(&address, 0x5000, text, &length), STATUS_SUCCESS);
    EXPECT_STR(text, "192.0.2.1:80");
    length = 32;
    EXPECT_STATUS(RtlIpv4AddressToStringExW(&address, 0, wide, &length), STATUS_SUCCESS);
    EXPECT_EQ(length, 10);
    EXPECT_STATUS(RtlIpv4StringToAddressExA("10.0.0.1:8080", TRUE, &address, &port), STATUS_SUCCESS);
    EXPECT_EQ(port, RtlUshortByteSwap(8080));
    EXPECT_STATUS(RtlIpv4StringToAddressExW(L"10.0.0.1", TRUE, &address, &port), STATUS_SUCCESS);
    EXPECT_EQ(port, 0);
    EXPECT_STATUS(RtlIpv4StringToAddressExA("10.0.0.1:", TRUE, &address, &port), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlIpv4StringToAddressExA("10.0.0.1:65536", TRUE, &address, &port),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlIpv4StringToAddressExA("10.0.0.1 ", TRUE, &address, &port), STATUS_INVALID_PARAMETER);
}

TEST(ipv6_as_text, "K-STR-05")
{
    /* what is read, what is written for it, and where reading stops */
    static const struct {
        const char *text, *written;
        size_t end;
    } good[] = {{"::", "::", 2},
                {"::1", "::1", 3},
                {"1::", "1::", 3},
                {"fe80::1%3", "fe80::1", 7},
                {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 20},
                {"1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0", 15},
                {"1:0:0:2:0:0:0:3/64", "1:0:0:2::3", 15},
                {"0001:0002:0003:0004:0005:0006:0007:0008", "1:2:3:4:5:6:7:8", 39},
                {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 15},
                {"::ffff:192.0.2.1", "::ffff:192.0.2.1", 16},
                {"::ffff:c000:201", "::ffff:192.0.2.1", 15},
                {"::192.0.2.1", "::192.0.2.1", 11},
                {"::ffff:0:192.0.2.1", "::ffff:0:192.0.2.1", 18},
                {"64:ff9b::192.0.2.1", "64:ff9b::c000:201", 18},
                {"fe80::5efe:192.0.2.1", "fe80::5efe:192.0.2.1", 20},
                {"fe80::200:5efe:192.0.2.1]", "fe80::200:5efe:192.0.2.1", 24},
                {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a", 20},
                {"1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:1", 15}};
    static const char *const bad[] = {"",
                                      ":",
                                      "1",
                                      "1:2:3:4:5:6:7",
                                      ":1::2",
                                      "12345::",
                                      "::1:2:3:4:5:6:7:8",
                                      "::1.2.3",
                                      "::1.2.3.256",

                                      "g::",
                                      "::ffff:1.2.3.04"};
    IN6_ADDR address;
    PCSTR end;
    PCWSTR wide_end;
    char text[80];
    WCHAR wide[80];
    ULONG length, scope;
    USHORT port;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT_STATUS(RtlIpv6StringToAddressA(good[i].text, &end, &address), STATUS_SUCCESS);
        EXPECT_EQ(end - good[i].text, good[i].end);
        EXPECT(RtlIpv6AddressToStringA(&address, text) == text + strlen(good[i].written));
        EXPECT_STR(text, good[i].written);
        for (size_t at = 0; at <= strlen(good[i].text); at++)
            wide[at] = (UCHAR)good[i].text[at];
        IN6_ADDR again;
        EXPECT_STATUS(RtlIpv6StringToAddressW(wide, &wide_end, &again), STATUS_SUCCESS);
        EXPECT_EQ(wide_end - wide, good[i].end);
        EXPECT(memcmp(&again, &address, sizeof(address)) == 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (RtlIpv6StringToAddressA(bad[i], &end, &address) != STATUS_INVALID_PARAMETER)
            uwsk_test_fail(__FILE__, __LINE__, "\"%s\" is taken for an address", bad[i]);
    }
    EXPECT_STATUS(RtlIpv6StringToAddressExA("[fe80::1%12]:443", &address, &scope, &port), STATUS_SUCCESS);
    EXPECT_EQ(scope, 12);
    EXPECT_EQ(port, RtlUshortByteSwap(443));
    length = 16;
    EXPECT_STATUS(RtlIpv6AddressToStringExA(&address, scope, port, text, &length), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(length, 17);
    EXPECT_STATUS(RtlIpv6AddressToStringExA(&address, scope, port, text, &length), STATUS_SUCCESS);
    EXPECT_STR(text, "[fe80::1%12]:443");
    length = 80;
    EXPECT_STATUS(RtlIpv6AddressToStringExW(&address, 0, 0, wide, &length), STATUS_SUCCESS);
    EXPECT(wcscmp(wide, L"fe80::1") == 0 && length == 8);
    EXPECT_STATUS(RtlIpv6StringToAddressExW(L"fe80::1%12", &address, &scope, &port), STATUS_SUCCESS);
    EXPECT(scope == 12 && port == 0);
    EXPECT_STATUS(RtlIpv6StringToAddressExA("[::1]", &address, &scope, &port), STATUS_SUCCESS);
    EXPECT_STATUS(RtlIpv6StringToAddressExA("[::1", &address, &scope, &port), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlIpv6StringToAddressExA("::1]", &address, &scope, &port), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlIpv6StringToAddressExA("::1 ", &address, &scope, &port), STATUS_INVALID_PARAMETER);
    memset(&address, 0xff, sizeof(address));
    length = 80;
    EXPECT_STATUS(RtlIpv6AddressToStringExA(&address, ~0u, 0xffff, text, &length), STATUS_SUCCESS);
    EXPECT_STR(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

TEST(status_names, "K-STR-07")
{
    EXPECT_STR(rtl_status_name(STATUS_SUCCESS), "STATUS_SUCCESS");
    EXPECT_STR(rtl_status_name(STATUS_CANCELLED), "STATUS_CANCELLED");
    EXPECT_STR(rtl_status_name(STATUS_BUFFER_OVERFLOW), "STATUS_BUFFER_OVERFLOW");
    EXPECT(rtl_status_name((NTSTATUS)0xcffffffe) == NULL);
    EXPECT(strstr(rtl_status_text(STATUS_CANCELLED), "cancelled") != NULL);
    EXPECT_STR(rtl_status_text(STATUS_DEVICE_CONFIGURATION_ERROR), "device configuration error");
    EXPECT_STR(rtl_status_text((NTSTATUS)0xcffffffe), "an error without a name");
    EXPECT_STR(rtl_status_text(0x3ffffffe), "a success without a name");
}

TEST(status_ranges, "K-STR-06 K-STR-07")
{
    static const struct {
        ULONG status;
        int success, information, warning, error;
    } cases[] = {{0, 1, 0, 0, 0},          {0x3fffffff, 1, 0, 0, 0}, {0x40000000, 1, 1, 0, 0},
                 {0x7fffffff, 1, 1, 0, 0}, {0x80000000, 0, 0, 1, 0}, {0xbfffffff, 0, 0, 1, 0},
                 {0xc0000000, 0, 0, 0, 1}, {0xffffffff, 0, 0, 0, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        NTSTATUS status = (NTSTATUS)cases[i].status;
        EXPECT_EQ(NT_SUCCESS(status), cases[i].success);
        EXPECT_EQ(NT_INFORMATION(status), cases[i].information);
        EXPECT_EQ(NT_WARNING(status), cases[i].warning);
        EXPECT_EQ(NT_ERROR(status), cases[i].error);
    }
    EXPECT(NT_SUCCESS(STATUS_PENDING)); /* why drivers must not compare with STATUS_SUCCESS */
}
