/*
 * test_crt.c - the C run time that drivers link (src/crt): what a format means, and strings of 16-bit
 * characters.
 *
 * Strategy: every expected text is written by hand from the Windows meaning, none is computed by another
 * formatter.
 */
#include "uwsk_test.h"

#include <wdm.h>

#include <ctype.h>
#include <errno.h>
#include <intrin.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Formats into a guarded buffer and compares; the bytes behind the text must stay. */
static void check_format(int line, const char *expected, const char *format, ...)
{
    char buffer[512];
    va_list arguments;

    memset(buffer, 0x5a, sizeof(buffer));
    va_start(arguments, format);
    int length = _vsnprintf(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    uwsk_test_equal_string(__FILE__, line, format, buffer, expected);
    uwsk_test_equal(__FILE__, line, "length", length, expected, (long long)strlen(expected));
    EXPECT_EQ(buffer[length + 1], 0x5a);
}

static void check_wide(int line, const wchar_t *expected, const wchar_t *format, ...)
{
    wchar_t buffer[512];
    char narrow[1024];
    va_list arguments;

    va_start(arguments, format);
    int length = _vsnwprintf(buffer, 512, format, arguments);
    va_end(arguments);
    _snprintf(narrow, sizeof(narrow), "%ls", buffer);
    if (wcscmp(buffer, expected) != 0)
        uwsk_test_fail(__FILE__, line, "wide text is \"%s\"", narrow);
    uwsk_test_equal(__FILE__, line, "length", length, "wcslen(expected)", (long long)wcslen(expected));
}

#define FORMAT(expected, ...) check_format(__LINE__, expected, __VA_ARGS__)
#define WIDE(expected, ...)   check_wide(__LINE__, expected, __VA_ARGS__)

TEST(format_integers, "T-03")
{
    FORMAT("0 1 -1 2147483647 -2147483648", "%d %d %d %d %i", 0, 1, -1, INT_MAX, INT_MIN);
    FORMAT("4294967295 ffffffff FFFFFFFF 37777777777", "%u %x %X %o", -1, -1, -1, -1);
    /* l is 32 bits: the upper half of a 64-bit argument is not looked at */
    FORMAT("4294967295 -1 ffffffff", "%lu %ld %lx", 0xffffffffffffffffull, 0xffffffffffffffffull,
           0xffffffffffffffffull);
    FORMAT("705032704", "%lu", 5000000000ull);
    FORMAT("5000000000 5000000000 5000000000", "%I64d %lld %I64u", 5000000000ll, 5000000000ll, 5000000000ll);
    FORMAT("18446744073709551615 ffffffffffffffff", "%llu %I64x", ~0ull, ~0ull);
    FORMAT("-9223372036854775808", "%I64d", LLONG_MIN);
    FORMAT("1777777777777777777777", "%I64o", ~0ull);
    FORMAT("7 8 9 10", "%Iu %Id %zu %I32u", (size_t)7, (size_t)8, (size_t)9, 10u);
    FORMAT("123456789abcdef0 -1", "%Ix %td", (size_t)0x123456789abcdef0, (ptrdiff_t)-1);
    FORMAT("-1 255 -128 65535 1", "%hhd %hhu %hhd %hu %hd", 255, 511, 128, 0x1ffff, 0x10001);
    FORMAT("-1 5", "%jd %I32d", (intmax_t)-1, 0x100000005ll);
}

TEST(format_flags_width_precision, "T-03")
{
    FORMAT("[   42][42   ][00042][+42][ 42][-0042]", "[%5d][%-5d][%05d][%+d][% d][%05d]", 42, 42, 42, 42, 42,
           -42);
    FORMAT("[  007][007  ][  +07]", "[%5.3d][%-5.3d][%+5.2d]", 7, 7, 7);
    FORMAT("[  007]", "[%05.3d]", 7); /* a precision switches 0 off */
    FORMAT("[][+][   ]", "[%.0d][%+.0d][%3.0d]", 0, 0, 0);
    FORMAT("0x2a 0X2A 052 0 0 0", "%#x %#X %#o %#x %#o %#.0o", 42, 42, 42, 0, 0, 0);
    FORMAT("[0x002a][  0x2a][0x2a  ]", "[%#06x][%#6x][%-#6x]", 42, 42, 42);
    FORMAT("[   42][42   ][42]", "[%*d][%*d][%.*d]", 5, 42, -5, 42, -1, 42);
    FORMAT("[ 0042]", "[%*.*d]", 5, 4, 42);
    FORMAT("100% %", "%d%% %%", 100);
    FORMAT("[000ab][   ab][ab   ]", "[%05s][%5s][%-5s]", "ab", "ab", "ab");
    FORMAT("[abc][  ab][]", "[%.3s][%4.2s][%.0s]", "abcdef", "abcdef", "abcdef");
    FORMAT("y", "%y");
    FORMAT("end", "end%");
    FORMAT("end", "end%-5.3");
}

TEST(format_pointers, "T-03")
{
    FORMAT("0000000000000000 00007FFF12345678 FFFFFFFFFFFFFFFF", "%p %p %p", NULL, (void *)0x7fff12345678,
           (void *)~0ull);
    FORMAT("[    000000000000ABCD]", "[%20p]", (void *)0xabcd);
    FORMAT("[000000000000ABCD    ]", "[%-20p]", (void *)0xabcd);
}

TEST(format_text, "T-03 K-STR-01 K-STR-05")
{
    WCHAR letters[] = {'a', 'b', 'c', 'd'}; /* not terminated */
    UNICODE_STRING counted = {6, 8, letters};
    UNICODE_STRING empty = {0, 0, NULL};
    ANSI_STRING narrow = {3, 4, (PCHAR) "xyz?"};

    FORMAT("narrow wide wide wide", "%s %ls %ws %S", "narrow", L"wide", L"wide", L"wide");
    FORMAT("narrow narrow", "%hs %hS", "narrow", "narrow");
    FORMAT("A B C D E", "%c %C %lc %wc %hc", 'A', L'B', L'C', L'D', 'E');
    FORMAT("abc [  ab] [ab  ]", "%wZ [%4.2wZ] [%-4.2lZ]", &counted, &counted, &counted);
    FORMAT("xyz xyz", "%Z %hZ", &narrow, &narrow);
    FORMAT("(null) (null) (null) (null) (null)", "%s %ls %wZ %wZ %Z", NULL, NULL, NULL, &empty, NULL);
    FORMAT("abc", "%.3ls", letters);
    FORMAT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "%ls", L"\x00e4\x20ac\xd83d\xde00");
    FORMAT("\xef\xbf\xbd", "%ls", L"\xd83d"); /* half a pair */
    FORMAT("[  \xc3\xa4]", "[%4C]", 0xe4);    /* width counts what is written */
    EXPECT_EQ(_snprintf(NULL, 0, "%c%c", 0, 'x'), 2);

    WIDE(L"wide wide narrow narrow", L"%s %ls %hs %S", L"wide", L"wide", "narrow", "narrow");
    WIDE(L"A B C", L"%c %C %hc", L'A', 'B', 'C');
    WIDE(L"abc xyz", L"%wZ %Z", &counted, &narrow);
    WIDE(L"(null) (null)", L"%s %hs", NULL, NULL);
    WIDE(L"\x00e4\x20ac\xd83d\xde00", L"%hs", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    WIDE(L"\xfffd(\xfffd", L"%hs", "\xff(\xc3"); /* no characters */
    WIDE(L"\xfffd\xfffd", L"%hs", "\xc0\x80");   /* an overlong form is none either */
    WIDE(L"0000000000000ABC 7fffffff 18446744073709551615", L"%p %lx %I64u", (void *)0xabc, 0x7fffffff,
         ~0ull);
    WIDE(L"[   42][0042][x    ]", L"[%5d][%04d][%-5s]", 42, 42, L"x");
}

TEST(format_without_floating_point, "T-03")
{
    FORMAT("%f 7 %.2e 8 %-8G 9", "%f %d %.2e %d %-8G %d", 1.5, 7, 2.5, 8, 3.5, 9);
    FORMAT("%Lf 7", "%Lf %d", 1.5L, 7);
    int stored = 5;
    FORMAT("a b7", "a%n b%d", &stored, 7);
    EXPECT_EQ(stored, 5);
}

TEST(format_is_bounded, "T-03 K-STR-04")
{
    char buffer[8];

    memset(buffer, 'z', sizeof(buffer));
    EXPECT_EQ(_snprintf(buffer, 4, "%d", 123456), -1);
    EXPECT(memcmp(buffer, "1234zzzz", 8) == 0); /* no terminator, nothing behind */
    EXPECT_EQ(_snprintf(buffer, 4, "%s", "abcd"), 4);
    EXPECT(memcmp(buffer, "abcdzzzz", 8) == 0); /* an exact fit has none either */
    EXPECT_EQ(_snprintf(buffer, 4, "%s", "abc"), 3);
    EXPECT(memcmp(buffer, "abc\0zzzz", 8) == 0);
    EXPECT_EQ(snprintf(buffer, 4, "%s", "abcdef"), 6);
    EXPECT(memcmp(buffer, "abc\0zzzz", 8) == 0);
    EXPECT_EQ(snprintf(NULL, 0, "%s", "abcdef"), 6);
    EXPECT_EQ(sprintf_s(buffer, 4, "%s", "abcdef"), -1);
    EXPECT_EQ(buffer[0], 0);
    EXPECT_EQ(_snprintf_s(buffer, 8, _TRUNCATE, "%s", "0123456789"), -1);
    EXPECT_STR(buffer, "0123456");
    EXPECT_EQ(_snprintf_s(buffer, 8, 3, "%s", "0123456789"), -1);
    EXPECT_STR(buffer, "012");
    EXPECT_EQ(_snprintf_s(buffer, 4, 8, "%s", "0123456789"), -1);
    EXPECT_STR(buffer, "");
    EXPECT_EQ(_snprintf_s(buffer, 8, 7, "%s", "abc"), 3);
    EXPECT_STR(buffer, "abc");
    EXPECT_EQ(_scprintf("%100d", 1), 100);
    /* widths beyond any buffer cost no time and cannot be told in an int */
    EXPECT_EQ(_snprintf(buffer, 4, "%2147483647d%2147483647d", 1, 2), -1);
    EXPECT_EQ(_snprintf(buffer, 4, "%99999999999d", 1), -1);
    EXPECT_EQ(_scprintf("%2147483647d", 1), 2147483647);

    wchar_t wide[8];
    memset(wide, 'z', sizeof(wide));
    EXPECT_EQ(_snwprintf(wide, 4, L"%d", 123456), -1);
    EXPECT(wide[3] == '4' && wide[4] == 0x7a7a);
    EXPECT_EQ(swprintf(wide, (size_t)8, L"%d", 42), 2); /* both forms of swprintf */
    EXPECT(wcscmp(wide, L"42") == 0);
    EXPECT_EQ(swprintf(wide, L"%d!", 43), 3);
    EXPECT(wcscmp(wide, L"43!") == 0);
    EXPECT_EQ(swprintf(wide, (size_t)4, L"%s", L"long text"), -1);
    EXPECT(wcscmp(wide, L"lon") == 0);
    EXPECT_EQ(swprintf_s(wide, 4, L"%s", L"long text"), -1);
    EXPECT_EQ(wide[0], 0);
    EXPECT_EQ(sprintf(buffer, "%d", 7), 1);
    EXPECT_STR(buffer, "7");
}

/* Every pair of value, base letter and width is checked against digits made here, one by one. */
TEST(format_agrees_with_long_division, "T-03")
{
    static const struct {
        unsigned base;
        const char *format, *digits;
    } kinds[] = {{10, "%*I64u", "0123456789"},
                 {16, "%*I64x", "0123456789abcdef"},
                 {16, "%*I64X", "0123456789ABCDEF"},
                 {8, "%*I64o", "01234567"}};
    unsigned long long value = 1;

    for (long round = 0; round < 2000;
         round++, value = value * 6364136223846793005ull + 1442695040888963407ull) {
        unsigned long long number = value >> (round % 64);
        for (size_t i = 0; i < _countof(kinds); i++) {
            char expected[128], actual[128];
            int width = (int)(round % 30);
            size_t at = sizeof(expected);
            unsigned long long rest = number;
            expected[--at] = 0;
            do
                expected[--at] = kinds[i].digits[rest % kinds[i].base];
            while (rest /= kinds[i].base);
            while (sizeof(expected) - 1 - at < (size_t)width)
                expected[--at] = ' ';
            _snprintf(actual, sizeof(actual), kinds[i].format, width, number);
            EXPECT_STR(actual, expected + at);
        }
    }
}

TEST(strings_narrow, "T-02")
{
    char buffer[16];

    EXPECT_EQ(strlen("abc"), 3);
    EXPECT_EQ(strnlen("abc", 2), 2);
    EXPECT_EQ(strnlen("abc", 9), 3);
    EXPECT_STR(strcpy(buffer, "abc"), "abc");
    EXPECT_STR(strcat(buffer, "de"), "abcde");
    EXPECT_STR(strncat(buffer, "fgh", 2), "abcdefg");
    memset(buffer, 'z', sizeof(buffer));
    strncpy(buffer, "ab", 4);
    EXPECT(memcmp(buffer, "ab\0\0z", 5) == 0);
    strncpy(buffer, "abcdef", 3);
    EXPECT(memcmp(buffer, "abc\0z", 5) == 0);
    EXPECT(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("a", "a") == 0 && strcmp("a", "ab") < 0);
    EXPECT(strcmp("\x7f", "\x80") < 0); /* without sign */
    EXPECT(strncmp("abc", "abd", 2) == 0 && strncmp("abc", "abd", 3) < 0);
    EXPECT(_stricmp("HeLLo", "hEllO") == 0 && _stricmp("a", "B") < 0 && _strnicmp("ABx", "aby", 2) == 0);
    const char *text = "abcabc";
    EXPECT(strchr(text, 'c') == text + 2 && strrchr(text, 'c') == text + 5 && strchr(text, 'x') == NULL);
    EXPECT(strchr(text, 0) == text + 6 && strrchr(text, 0) == text + 6);
    EXPECT(strstr(text, "ca") == text + 2 && strstr(text, "") == text && strstr(text, "cab_") == NULL);
    EXPECT(strspn("aabc", "ab") == 3 && strcspn("aabc", "c") == 3 && strpbrk(text, "zb") == text + 1);
    char tokens[] = ",,one,two,";
    char *context;
    EXPECT_STR(strtok_s(tokens, ",", &context), "one");
    EXPECT_STR(strtok_s(NULL, ",", &context), "two");
    EXPECT(strtok_s(NULL, ",", &context) == NULL);
    char word[] = "MiXed1";
    EXPECT_STR(_strupr(word), "MIXED1");
    EXPECT_STR(_strlwr(word), "mixed1");
    EXPECT_STR(_strrev(word), "1dexim");
    EXPECT_STR(_strnset(word, 'x', 2), "xxexim");
    EXPECT(memchr("abc", 'c', 3) != NULL && memchr("abc", 'c', 2) == NULL);
    EXPECT(_memicmp("ABC", "abd", 2) == 0 && _memicmp("ABC", "abd", 3) < 0);
    EXPECT_STR((char *)memmove(strcpy(buffer, "abcdef") + 1, buffer, 5), "abcde");
}

TEST(strings_that_know_their_room, "T-02 K-STR-04")
{
    char buffer[6];

    EXPECT_EQ(strcpy_s(buffer, 6, "abcde"), 0);
    EXPECT_STR(buffer, "abcde");
    EXPECT_EQ(strcpy_s(buffer, 5, "abcde"), ERANGE);
    EXPECT_STR(buffer, "");
    EXPECT_EQ(strcpy_s(buffer, 6, NULL), EINVAL);
    EXPECT_EQ(strcpy_s(NULL, 6, "a"), EINVAL);
    EXPECT_EQ(strcpy_s(buffer, 0, "a"), EINVAL);
    EXPECT_EQ(strncpy_s(buffer, 6, "abcdefgh", 3), 0);
    EXPECT_STR(buffer, "abc");
    EXPECT_EQ(strcat_s(buffer, 6, "de"), 0);
    EXPECT_STR(buffer, "abcde");
    EXPECT_EQ(strcat_s(buffer, 6, "f"), ERANGE);
    EXPECT_STR(buffer, "");
    EXPECT_EQ(strncpy_s(buffer, 6, "abcdefgh", _TRUNCATE), STRUNCATE);
    EXPECT_STR(buffer, "abcde");
    EXPECT_EQ(strncat_s(buffer, 6, "x", _TRUNCATE), STRUNCATE);
    EXPECT_STR(buffer, "abcde");
    memset(buffer, 'x', sizeof(buffer));
    EXPECT_EQ(strcat_s(buffer, 6, "y"), EINVAL); /* no terminator to append to */
    wchar_t wide[4];
    EXPECT_EQ(wcscpy_s(wide, 4, L"abc"), 0);
    EXPECT_EQ(wcscat_s(wide, 4, L"d"), ERANGE);
    EXPECT_EQ(wide[0], 0);
    EXPECT_EQ(memcpy_s(buffer, 2, "abc", 3), ERANGE);
    EXPECT(buffer[0] == 0 && buffer[1] == 0 && buffer[2] == 'x');
    EXPECT_EQ(memcpy_s(buffer, 6, "abc", 3), 0);
    EXPECT_EQ(memmove_s(buffer, 1, "abc", 3), ERANGE);
}

TEST(strings_wide, "T-02 K-STR-05")
{
    wchar_t buffer[16];

    EXPECT_EQ(sizeof(wchar_t), 2);
    EXPECT_EQ(sizeof(L"abc"), 8);
    EXPECT_EQ(wcslen(L"abc"), 3);
    EXPECT_EQ(wcsnlen(L"abc", 2), 2);
    EXPECT(wcscmp(wcscat(wcscpy(buffer, L"ab"), L"cd"), L"abcd") == 0);
    EXPECT(wcscmp(wcsncat(buffer, L"efg", 2), L"abcdef") == 0);
    wcsncpy(buffer, L"x", 3);
    EXPECT(buffer[0] == 'x' && buffer[1] == 0 && buffer[2] == 0 && buffer[3] == 'd');
    EXPECT(wcscmp(L"a", L"b") < 0 && wcscmp(L"\xfffe", L"\x0001") > 0);
    EXPECT(wcsncmp(L"abc", L"abd", 2) == 0);
    EXPECT(_wcsicmp(L"\x00c4rGER", L"\x00e4Rger") == 0 && _wcsnicmp(L"ABx", L"aby", 2) == 0);
    EXPECT(_wcsicmp(L"a", L"B") < 0);
    const wchar_t *text = L"abcabc";
    EXPECT(wcschr(text, L'c') == text + 2 && wcsrchr(text, L'c') == text + 5 &&
           wcsstr(text, L"ca") == text + 2);
    EXPECT(wcsspn(L"aabc", L"ab") == 3 && wcscspn(L"aabc", L"c") == 3 && wcspbrk(text, L"zb") == text + 1);
    wchar_t tokens[] = L"a b";
    wchar_t *context;
    EXPECT(wcscmp(wcstok_s(tokens, L" ", &context), L"a") == 0);
    EXPECT(wcscmp(wcstok_s(NULL, L" ", &context), L"b") == 0);
    wchar_t word[] = L"Mi\x00dfX\x00c4";
    EXPECT(wcscmp(_wcslwr(word), L"mi\x00dfx\x00e4") == 0);
    EXPECT(wcscmp(_wcsupr(word), L"MI\x00dfX\x00c4") == 0); /* sharp s has no upper case of its own */
    EXPECT(wmemset(buffer, L'q', 2)[1] == L'q');
}

TEST(characters, "T-02 K-STR-05")
{
    for (int c = 0; c < 128; c++) {
        int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
        EXPECT_EQ(isalpha(c) != 0, letter);
        EXPECT_EQ(isdigit(c) != 0, digit);
        EXPECT_EQ(isalnum(c) != 0, letter || digit);
        EXPECT_EQ(isspace(c) != 0, c == ' ' || (c >= 9 && c <= 13));
        EXPECT_EQ(isprint(c) != 0, c >= 32 && c < 127);
        EXPECT_EQ(iscntrl(c) != 0, c < 32 || c == 127);
        EXPECT_EQ(ispunct(c) != 0, c > 32 && c < 127 && !letter && !digit);
        EXPECT_EQ(iswalpha((wint_t)c) != 0, letter);
    }
    EXPECT(isxdigit('f') && isxdigit('A') && !isxdigit('g'));
    EXPECT_EQ(toupper('a'), 'A');
    EXPECT_EQ(tolower('['), '[');
    EXPECT_EQ(towupper(0x44f), 0x42f); /* Cyrillic */
    EXPECT_EQ(towlower(0x3a9), 0x3c9); /* Greek */
    EXPECT_EQ(towupper(0xff), 0x178);
    EXPECT_EQ(towlower(0x178), 0xff);
    EXPECT_EQ(towupper(0x131), 0x131); /* dotless i: its upper case has another lower case */
    EXPECT_EQ(towupper(0x17f), 0x17f); /* long s likewise */
    unsigned pairs = 0;
    for (unsigned c = 0; c < 0x10000; c++) {
        wint_t upper = towupper(c);
        if (upper != c) {
            pairs++;
            EXPECT_EQ(towlower(upper), c);
            EXPECT_EQ(towupper(upper), upper);
        }
        wint_t lower = towlower(c);
        if (lower != c)
            EXPECT_EQ(towupper(lower), c);
    }
    EXPECT(pairs > 1000);
}

TEST(numbers_from_text, "T-02 T-03")
{
    char *end;
    wchar_t *wide_end;
    const char *text = "  -42xyz";

    EXPECT_EQ(strtol(text, &end, 10), -42);
    EXPECT(end == text + 5);
    EXPECT_EQ(strtol("0x1F", NULL, 0), 31);
    EXPECT_EQ(strtol("0x1F", NULL, 16), 31);
    EXPECT_EQ(strtol("017", NULL, 0), 15);
    EXPECT_EQ(strtol("zz", NULL, 36), 35 * 36 + 35);
    text = "0xg";
    EXPECT_EQ(strtol(text, &end, 16), 0);
    EXPECT(end == text + 1); /* the 0 is a number, the x is not */
    text = "nothing";
    EXPECT_EQ(strtol(text, &end, 10), 0);
    EXPECT(end == text);
    /* the limits of LONG and ULONG, not of this compiler's long */
    EXPECT_EQ(strtol("2147483648", NULL, 10), 2147483647);
    EXPECT_EQ(strtol("-2147483649", NULL, 10), -2147483647 - 1);
    EXPECT_EQ(strtoul("4294967296", NULL, 10), 4294967295u);
    EXPECT_EQ(strtoul("-1", NULL, 10), 4294967295u);
    EXPECT_EQ(wcstoul(L"4294967295", &wide_end, 10), 4294967295u);
    EXPECT_EQ(*wide_end, 0);
    EXPECT_EQ(LONG_MAX, MAXLONG);
    EXPECT_EQ(ULONG_MAX, MAXULONG);
    EXPECT_EQ(_strtoi64("-9223372036854775808", NULL, 10), LLONG_MIN);
    EXPECT_EQ(_strtoi64("9223372036854775808", NULL, 10), LLONG_MAX);
    EXPECT(_strtoui64("18446744073709551615", NULL, 10) == ULLONG_MAX);
    EXPECT(_strtoui64("99999999999999999999", NULL, 10) == ULLONG_MAX);
    EXPECT(_wcstoui64(L"ffffffffffffffff", NULL, 16) == ULLONG_MAX);
    EXPECT_EQ(atoi(" 12abc"), 12);
    EXPECT_EQ(_wtoi(L"-12"), -12);
    EXPECT_EQ(_atoi64("5000000000"), 5000000000ll);
    EXPECT_EQ(_wtoi64(L"5000000000"), 5000000000ll);
}

TEST(numbers_to_text, "T-02 T-03")
{
    char buffer[70];
    wchar_t wide[70];

    EXPECT_STR(_itoa(-42, buffer, 10), "-42");
    EXPECT_STR(_itoa(-1, buffer, 16), "ffffffff");
    EXPECT_STR(_ultoa(4294967295u, buffer, 10), "4294967295");
    EXPECT_STR(_i64toa(LLONG_MIN, buffer, 10), "-9223372036854775808");
    EXPECT_STR(_ui64toa(ULLONG_MAX, buffer, 2),
               "1111111111111111111111111111111111111111111111111111111111111111");
    EXPECT(wcscmp(_itow(255, wide, 16), L"ff") == 0);
    EXPECT_EQ(_itoa_s(12345, buffer, 5, 10), ERANGE);
    EXPECT_STR(buffer, "");
    EXPECT_EQ(_itoa_s(12345, buffer, 6, 10), 0);
    EXPECT_STR(buffer, "12345");
    EXPECT_EQ(_itoa_s(1, buffer, 6, 1), EINVAL);
    EXPECT_EQ(abs(-5), 5);
    EXPECT_EQ(_abs64(-5000000000ll), 5000000000ll);
}

static int compare_ints(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

TEST(sorting_and_searching, "T-02")
{
    int numbers[257];

    for (int count = 0; count <= 257; count += count < 8 ? 1 : 83) {
        long long sum = 0;
        srand((unsigned)count);
        for (int i = 0; i < count; i++)
            sum += numbers[i] = rand() % 100;
        qsort(numbers, (size_t)count, sizeof(int), compare_ints);
        for (int i = 0; i < count; i++) {
            sum -= numbers[i];
            EXPECT(i == 0 || numbers[i - 1] <= numbers[i]);
        }
        EXPECT_EQ(sum, 0);
    }
    for (int i = 0; i < 100; i++)
        numbers[i] = 2 * i;
    for (int key = -1; key < 201; key++) {
        int *found = bsearch(&key, numbers, 100, sizeof(int), compare_ints);
        if (key < 0 || key > 198 || key % 2)
            EXPECT(found == NULL);
        else
            EXPECT(found == &numbers[key / 2]);
    }
    srand(1); /* the sequence of Microsoft's run time */
    EXPECT_EQ(rand(), 41);
    EXPECT_EQ(rand(), 18467);
    EXPECT_EQ(rand(), 6334);
}

TEST(integers_of_exact_width, "T-02 T-03")
{
    EXPECT_EQ(sizeof(int32_t), 4);
    EXPECT_EQ(sizeof(int64_t), 8);
    EXPECT_EQ(sizeof(uintptr_t), sizeof(void *));
    EXPECT(_Generic((int64_t)0, LONGLONG : 1, default : 0));
    EXPECT(_Generic((uintptr_t)0, ULONG_PTR : 1, default : 0));
    EXPECT(_Generic((size_t)0, SIZE_T : 1, default : 0));
    EXPECT(_Generic((uint32_t)0, ULONG : 1, default : 0));
    EXPECT_EQ(INT64_MIN, LLONG_MIN);
    EXPECT(UINT64_MAX == ULLONG_MAX);
    EXPECT_EQ(_byteswap_ushort(0x1234), 0x3412);
    EXPECT_EQ(_byteswap_ulong(0x12345678u), 0x78563412);
    EXPECT_EQ(_byteswap_uint64(0x0102030405060708ull), 0x0807060504030201ll);
}
