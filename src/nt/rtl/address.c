/*
 * address.c - IPv4 and IPv6 addresses to text and back (ip2string.h).  Any IRQL on resident memory.
 *
 * Text is written as RFC 5952 asks, with a dotted quad at the end of mapped, translated, compatible and
 * ISATAP addresses; it is read as RFC 4291 allows.  A reader stops at the first character that cannot belong
 * to the address.
 */
#include "nt/rtl/rtl.h"

#include <ip2string.h>
#include <ntstrsafe.h>

#define IPV4_UNITS 22 /* 255.255.255.255:65535, with its terminator */
#define IPV6_UNITS 65 /* [ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535, likewise */

/* ---- writing: into narrow text, which is then copied -------------------------------------------------- */

static PSTR append_hex(PSTR at, ULONG value)
{
    int shift = 12;

    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

static PSTR append_decimal(PSTR at, ULONG value)
{
    char digits[10];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

static PSTR append_quad(PSTR at, const UCHAR *bytes)
{
    for (size_t i = 0; i < 4; i++) {
        if (i)
            *at++ = '.';
        at = append_decimal(at, bytes[i]);
    }
    return at;
}

static ULONG word_at(const IN6_ADDR *address, size_t i)
{
    return (ULONG)address->u.Byte[2 * i] << 8 | address->u.Byte[2 * i + 1];
}

/* Do the last four bytes show better as a dotted quad? */
static BOOLEAN ends_in_quad(const IN6_ADDR *address)
{
    ULONG word4 = word_at(address, 4), word5 = word_at(address, 5);

    if (word5 == 0x5efe && (word4 & ~0x200u) == 0)
        return TRUE; /* ISATAP, RFC 5214 */
    for (size_t i = 0; i < 4; i++)
        if (word_at(address, i))
            return FALSE;
    if (word4 == 0 && word5 == 0xffff)
        return TRUE; /* mapped */
    if (word4 == 0xffff && word5 == 0)
        return TRUE;                                        /* translated, RFC 2765 */
    return word4 == 0 && word5 == 0 && word_at(address, 6); /* compatible; not :: and ::1 */
}

static PSTR append_ipv6(PSTR at, const IN6_ADDR *address)
{
    size_t words = ends_in_quad(address) ? 6 : 8, gap = words,
           gap_length = 1; /* a single zero word is no gap */

    for (size_t i = 0, length; i < words; i += length + 1) {
        for (length = 0; i + length < words && !word_at(address, i + length);)
            length++;
        if (length > gap_length) {
            gap = i;
            gap_length = length;
        }
    }
    for (size_t i = 0; i < words; i++) {
        if (i == gap) {
            *at++ = ':';
            *at++ = ':';
            i += gap_length - 1;
            continue;
        }
        if (i && i != gap + gap_length)
            *at++ = ':';
        at = append_hex(at, word_at(address, i));
    }
    if (words == 6) {
        if (gap + gap_length != 6)
            *at++ = ':';
        at = append_quad(at, address->u.Byte + 12);
    }
    return at;
}

static ULONG host_port(USHORT port)
{
    return (ULONG)(UCHAR)port << 8 | port >> 8;
}

/* Both return the units with the terminator that they write. */
static ULONG write_ipv4(PSTR text, const IN_ADDR *address, USHORT port)
{
    PSTR at = append_quad(text, (const UCHAR *)address);

    if (port) {
        *at++ = ':';
        at = append_decimal(at, host_port(port));
    }
    *at++ = 0;
    return (ULONG)(at - text);
}

static ULONG write_ipv6(PSTR text, const IN6_ADDR *address, ULONG scope, USHORT port)
{
    PSTR at = text;

    if (port)
        *at++ = '[';
    at = append_ipv6(at, address);
    if (scope) {
        *at++ = '%';
        at = append_decimal(at, scope);
    }
    if (port) {
        *at++ = ']';
        *at++ = ':';
        at = append_decimal(at, host_port(port));
    }
    *at++ = 0;
    return (ULONG)(at - text);
}

static void copy_out(void *target, BOOLEAN wide, const char *text, ULONG units)
{
    for (ULONG i = 0; i < units; i++) {
        if (wide)
            ((PWSTR)target)[i] = (UCHAR)text[i];
        else
            ((PSTR)target)[i] = text[i];
    }
}

/* The end of the Ex functions: *room is what there is, then what the text takes. */
static NTSTATUS deliver(void *target, BOOLEAN wide, const char *text, ULONG units, PULONG room)
{
    BOOLEAN fits = target && units <= *room;

    *room = units;
    if (!fits)
        return STATUS_INVALID_PARAMETER;
    copy_out(target, wide, text, units);
    return STATUS_SUCCESS;
}

/* ---- reading: narrow or wide text, unit by unit ------------------------------------------------------- */

struct reader {
    const void *text;
    BOOLEAN wide;
    size_t at;
};

static WCHAR unit_at(const struct reader *reader, size_t ahead)
{
    return reader->wide ? ((PCWSTR)reader->text)[reader->at + ahead]
                        : ((const UCHAR *)reader->text)[reader->at + ahead];
}

static BOOLEAN skip(struct reader *reader, WCHAR unit)
{
    if (unit_at(reader, 0) != unit)
        return FALSE;
    reader->at++;
    return TRUE;
}

static ULONG digit_of(WCHAR unit)
{
    if (unit >= '0' && unit <= '9')
        return unit - '0';
    if ((unit | 0x20) >= 'a' && (unit | 0x20) <= 'f')
        return (unit | 0x20) - 'a' + 10u;
    return 99;
}

/* One digit or more of base, a number of at most `most`. */
static BOOLEAN read_number(struct reader *reader, ULONG base, ULONG most, ULONG *value)
{
    ULONGLONG number = 0;
    size_t begin = reader->at;

    for (ULONG digit; (digit = digit_of(unit_at(reader, 0))) < base; reader->at++) {
        number = number * base + digit;
        if (number > most)
            return FALSE;
    }
    *value = (ULONG)number;
    return reader->at != begin;
}

/* A number as C writes it: decimal, octal (0) or hexadecimal (0x). */
static BOOLEAN read_c_number(struct reader *reader, ULONG most, ULONG *value)
{
    ULONG base = 10;

    if (unit_at(reader, 0) == '0') {
        base = 8;
        if ((unit_at(reader, 1) | 0x20) == 'x') {
            base = 16;
            reader->at += 2;
        }
    }
    return read_number(reader, base, most, value);
}

/* Four decimal bytes with no zero in front. */
static BOOLEAN read_quad(struct reader *reader, UCHAR *bytes)
{
    for (size_t i = 0; i < 4; i++) {
        ULONG value;
        if (i && !skip(reader, '.'))
            return FALSE;
        if (unit_at(reader, 0) == '0' && digit_of(unit_at(reader, 1)) < 10)
            return FALSE;
        if (!read_number(reader, 10, 255, &value))
            return FALSE;
        bytes[i] = (UCHAR)value;
    }
    return TRUE;
}

/* One to four parts, each as C writes it; the last fills all bytes that are left. */
static BOOLEAN read_parts(struct reader *reader, UCHAR *bytes)
{
    ULONG parts[4];
    size_t count = 0;

    do {
        if (count == 4 || !read_c_number(reader, 0xffffffffu, &parts[count++]))
            return FALSE;
    } while (skip(reader, '.'));

    ULONG value = parts[count - 1];
    if (count > 1 && value >> 8 * (5 - count))
        return FALSE;
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return FALSE;
        value |= parts[i] << (24 - 8 * i);
    }
    for (size_t i = 0; i < 4; i++)
        bytes[i] = (UCHAR)(value >> (24 - 8 * i));
    return TRUE;
}

static BOOLEAN read_ipv4(struct reader *reader, BOOLEAN strict, IN_ADDR *address)
{
    UCHAR bytes[4];

    if (!(strict ? read_quad(reader, bytes) : read_parts(reader, bytes)))
        return FALSE;
    memcpy(address, bytes, sizeof(bytes));
    return TRUE;
}

/* Is the group at the reader the first part of a dotted quad? */
static BOOLEAN quad_follows(const struct reader *reader)
{
    size_t ahead = 0;

    while (ahead < 4 && digit_of(unit_at(reader, ahead)) < 10)
        ahead++;
    return ahead && unit_at(reader, ahead) == '.';
}

/* Reads groups into bytes[0..16); *gap is where :: stood (16: nowhere).  Returns the bytes read, -1 on
 * nonsense. */
static int read_groups(struct reader *reader, UCHAR *bytes, size_t *gap)
{
    size_t count = 0;

    *gap = 16;
    if (unit_at(reader, 0) == ':' && unit_at(reader, 1) != ':')
        return -1;
    while (count < 16) {
        if (*gap == 16 && unit_at(reader, 0) == ':' && unit_at(reader, 1) == ':') {
            *gap = count;
            reader->at += 2;
            if (digit_of(unit_at(reader, 0)) >= 16)
                break; /* the gap ends the address */
        } else if (count) {
            if (unit_at(reader, 0) != ':' || digit_of(unit_at(reader, 1)) >= 16)
                break;
            reader->at++;
        }
        if (count <= 12 && quad_follows(reader)) {
            if (!read_quad(reader, bytes + count))
                return -1;
            return (int)count + 4;
        }
        size_t begin = reader->at;
        ULONG value;
        if (!read_number(reader, 16, 0xffff, &value) || reader->at - begin > 4)
            return -1;
        bytes[count++] = (UCHAR)(value >> 8);
        bytes[count++] = (UCHAR)value;
    }
    return (int)count;
}

static BOOLEAN read_ipv6(struct reader *reader, IN6_ADDR *address)
{
    UCHAR bytes[20] = {0};
    size_t gap;
    int count = read_groups(reader, bytes, &gap);

    if (count < 0 || (gap == 16 ? count != 16 : count > 14))
        return FALSE;
    memset(address, 0, sizeof(*address));
    if (gap == 16)
        gap = (size_t)count;
    memcpy(address->u.Byte, bytes, gap);
    memcpy(address->u.Byte + 16 - ((size_t)count - gap), bytes + gap, (size_t)count - gap);
    return TRUE;
}

/* :port, in network byte order, when there is one. */
static BOOLEAN read_port(struct reader *reader, USHORT *port)
{
    ULONG value = 0;

    if (skip(reader, ':') && !read_c_number(reader, 0xffff, &value))
        return FALSE;
    *port = (USHORT)host_port((USHORT)value);
    return TRUE;
}

static NTSTATUS read_ipv4_whole(struct reader *reader, BOOLEAN strict, IN_ADDR *address, PUSHORT port)
{
    if (!reader->text || !address || !port || !read_ipv4(reader, strict, address) ||
        !read_port(reader, port) || unit_at(reader, 0))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static NTSTATUS read_ipv6_whole(struct reader *reader, IN6_ADDR *address, PULONG scope, PUSHORT port)
{
    if (!reader->text || !address || !scope || !port)
        return STATUS_INVALID_PARAMETER;

    BOOLEAN bracket = skip(reader, '[');
    *scope = 0;
    *port = 0;
    if (!read_ipv6(reader, address))
        return STATUS_INVALID_PARAMETER;
    if (skip(reader, '%') && !read_number(reader, 10, 0xffffffffu, scope))
        return STATUS_INVALID_PARAMETER;
    if (bracket && (!skip(reader, ']') || !read_port(reader, port)))
        return STATUS_INVALID_PARAMETER;
    return unit_at(reader, 0) ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

/* ---- for the rooms above (rtl.h) ---------------------------------------------------------------------- */

BOOLEAN rtl_read_ipv4(const char *text, UCHAR *address)
{
    struct reader reader = {text, FALSE, 0};
    IN_ADDR read;

    if (!read_ipv4(&reader, FALSE, &read) || unit_at(&reader, 0) != 0)
        return FALSE;
    memcpy(address, &read, sizeof read);
    return TRUE;
}

BOOLEAN rtl_read_ipv6(const char *text, UCHAR *address, PULONG scope)
{
    struct reader reader = {text, FALSE, 0};
    USHORT port;

    return text[0] != '[' && read_ipv6_whole(&reader, (IN6_ADDR *)address, scope, &port) == STATUS_SUCCESS;
}

void rtl_write_ipv4(char text[RTL_ADDRESS_TEXT], const UCHAR *address)
{
    write_ipv4(text, (const IN_ADDR *)address, 0);
}

void rtl_write_ipv6(char text[RTL_ADDRESS_TEXT], const UCHAR *address, ULONG scope)
{
    write_ipv6(text, (const IN6_ADDR *)address, scope, 0);
}

/* ---- what drivers call; ip2string.h tells what each does ---------------------------------------------- */

PSTR NTAPI RtlIpv4AddressToStringA(const IN_ADDR *Addr, PSTR S)
{
    return S + write_ipv4(S, Addr, 0) - 1;
}

PWSTR NTAPI RtlIpv4AddressToStringW(const IN_ADDR *Addr, PWSTR S)
{
    char text[IPV4_UNITS];
    ULONG units = write_ipv4(text, Addr, 0);

    copy_out(S, TRUE, text, units);
    return S + units - 1;
}

static NTSTATUS ipv4_to_string(const IN_ADDR *address, USHORT port, void *target, BOOLEAN wide, PULONG room)
{
    char text[IPV4_UNITS];

    if (!address || !room)
        return STATUS_INVALID_PARAMETER;
    return deliver(target, wide, text, write_ipv4(text, address, port), room);
}

NTSTATUS NTAPI RtlIpv4AddressToStringExA(const IN_ADDR *Address, USHORT Port, PSTR AddressString,
                                         PULONG AddressStringLength)
{
    return ipv4_to_string(Address, Port, AddressString, FALSE, AddressStringLength);
}

NTSTATUS NTAPI RtlIpv4AddressToStringExW(const IN_ADDR *Address, USHORT Port, PWSTR AddressString,
                                         PULONG AddressStringLength)
{
    return ipv4_to_string(Address, Port, AddressString, TRUE, AddressStringLength);
}

PSTR NTAPI RtlIpv6AddressToStringA(const IN6_ADDR *Addr, PSTR S)
{
    return S + write_ipv6(S, Addr, 0, 0) - 1;
}

PWSTR NTAPI RtlIpv6AddressToStringW(const IN6_ADDR *Addr, PWSTR S)
{
    char text[IPV6_UNITS];
    ULONG units = write_ipv6(text, Addr, 0, 0);

    copy_out(S, TRUE, text, units);
    return S + units - 1;
}

static NTSTATUS ipv6_to_string(const IN6_ADDR *address, ULONG scope, USHORT port, void *target, BOOLEAN wide,
                               PULONG room)
{
    char text[IPV6_UNITS];

    if (!address || !room)
        return STATUS_INVALID_PARAMETER;
    return deliver(target, wide, text, write_ipv6(text, address, scope, port), room);
}

NTSTATUS NTAPI RtlIpv6AddressToStringExA(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port,
                                         PSTR AddressString, PULONG AddressStringLength)
{
    return ipv6_to_string(Address, ScopeId, Port, AddressString, FALSE, AddressStringLength);
}

NTSTATUS NTAPI RtlIpv6AddressToStringExW(const IN6_ADDR *Address, ULONG ScopeId, USHORT Port,
                                         PWSTR AddressString, PULONG AddressStringLength)
{
    return ipv6_to_string(Address, ScopeId, Port, AddressString, TRUE, AddressStringLength);
}

NTSTATUS NTAPI RtlIpv4StringToAddressA(PCSTR S, BOOLEAN Strict, PCSTR *Terminator, IN_ADDR *Addr)
{
    struct reader reader = {S, FALSE, 0};
    BOOLEAN valid = read_ipv4(&reader, Strict, Addr);

    *Terminator = S + reader.at;
    return valid ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI RtlIpv4StringToAddressW(PCWSTR S, BOOLEAN Strict, PCWSTR *Terminator, IN_ADDR *Addr)
{
    struct reader reader = {S, TRUE, 0};
    BOOLEAN valid = read_ipv4(&reader, Strict, Addr);

    *Terminator = S + reader.at;
    return valid ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI RtlIpv4StringToAddressExA(PCSTR AddressString, BOOLEAN Strict, IN_ADDR *Address, PUSHORT Port)
{
    struct reader reader = {AddressString, FALSE, 0};

    return read_ipv4_whole(&reader, Strict, Address, Port);
}

NTSTATUS NTAPI RtlIpv4StringToAddressExW(PCWSTR AddressString, BOOLEAN Strict, IN_ADDR *Address, PUSHORT Port)
{
    struct reader reader = {AddressString, TRUE, 0};

    return read_ipv4_whole(&reader, Strict, Address, Port);
}

NTSTATUS NTAPI RtlIpv6StringToAddressA(PCSTR S, PCSTR *Terminator, IN6_ADDR *Addr)
{
    struct reader reader = {S, FALSE, 0};
    BOOLEAN valid = read_ipv6(&reader, Addr);

    *Terminator = S + reader.at;
    return valid ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI RtlIpv6StringToAddressW(PCWSTR S, PCWSTR *Terminator, IN6_ADDR *Addr)
{
    struct reader reader = {S, TRUE, 0};
    BOOLEAN valid = read_ipv6(&reader, Addr);

    *Terminator = S + reader.at;
    return valid ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI RtlIpv6StringToAddressExA(PCSTR AddressString, IN6_ADDR *Address, PULONG ScopeId, PUSHORT Port)
{
    struct reader reader = {AddressString, FALSE, 0};

    return read_ipv6_whole(&reader, Address, ScopeId, Port);
}

NTSTATUS NTAPI RtlIpv6StringToAddressExW(PCWSTR AddressString, IN6_ADDR *Address, PULONG ScopeId,
                                         PUSHORT Port)
{
    struct reader reader = {AddressString, TRUE, 0};

    return read_ipv6_whole(&reader, Address, ScopeId, Port);
}
