/*
 * rtl.h - strings, numbers, times and status values, as the other rooms see them.
 *
 * An internal function is the snake_case form of the WDK function with the same meaning.
 */
#ifndef UWSK_NT_RTL_H
#define UWSK_NT_RTL_H

#include <wdm.h>

/* Points target at text without copying; overlong text is cut at 32766 characters (K-STR-02).  Any IRQL. */
void rtl_init_unicode_string(PUNICODE_STRING target, PCWSTR text);
/* Copies what fits; terminates when there is room.  source NULL: empty.  Any IRQL on resident memory. */
void rtl_copy_unicode_string(PUNICODE_STRING target, PCUNICODE_STRING source);
/* < 0, 0, > 0 as left sorts before, with or behind right. */
LONG rtl_compare_unicode_string(PCUNICODE_STRING left, PCUNICODE_STRING right, BOOLEAN ignore_case);
WCHAR rtl_upcase_unicode_char(WCHAR unit);
BOOLEAN rtl_equal_unicode_string(PCUNICODE_STRING left, PCUNICODE_STRING right, BOOLEAN ignore_case);
/* STATUS_SUCCESS, or STATUS_BUFFER_TOO_SMALL with target unchanged. */
NTSTATUS rtl_append_units(PUNICODE_STRING target, const WCHAR *units, size_t bytes);
/* K-STR-03: even lengths, Length within MaximumLength, a buffer unless empty. */
BOOLEAN rtl_valid_unicode_string(PCUNICODE_STRING string);

/* Can so much not be read, or written, there?  Asked before a lock is taken or a reference held: an exception under
 * it, which a driver's __try may catch, would leave it held.  PASSIVE_LEVEL. */
BOOLEAN rtl_is_bad_memory(const void *memory, size_t bytes, BOOLEAN write);

/* What became of a conversion, in units of the target. */
struct rtl_conversion {
    size_t needed;    /* for the whole source */
    size_t written;   /* what fitted, never a part of a character */
    BOOLEAN replaced; /* something in the source was no character and became U+FFFD */
};

/* Narrow text is UTF-8 (src/crt/utf.h).  Nothing is terminated; a target of no size may be NULL. */
struct rtl_conversion rtl_utf16_to_utf8(char *target, size_t bytes, const WCHAR *source, size_t units);
struct rtl_conversion rtl_utf8_to_utf16(WCHAR *target, size_t units, const char *source, size_t bytes);

/* Numeric addresses, 4 and 16 bytes; an IPv4 address in any form that inet_addr takes.  FALSE: the text is none, or
 * more than that. */
BOOLEAN rtl_read_ipv4(const char *text, UCHAR *address);
BOOLEAN rtl_read_ipv6(const char *text, UCHAR *address, PULONG scope);
#define RTL_ADDRESS_TEXT 65 /* chars that any address takes, with its end */
void rtl_write_ipv4(char text[RTL_ADDRESS_TEXT], const UCHAR *address);
void rtl_write_ipv6(char text[RTL_ADDRESS_TEXT], const UCHAR *address, ULONG scope);

/* 100 ns since 1601 as a date. */
void rtl_time_to_time_fields(const LARGE_INTEGER *time, PTIME_FIELDS fields);

/* "STATUS_CANCELLED"; NULL for a value that ntstatus.h does not name. */
const char *rtl_status_name(NTSTATUS status);
/* What the value says in a few words, or its severity when nothing is known of it.  Never NULL, static. */
const char *rtl_status_text(NTSTATUS status);

#endif
