/*
 * utf.h - code points out of and into 8- and 16-bit units.
 *
 * The ANSI code page of this runtime is UTF-8, which Windows knows as code page 65001.  A unit that begins no
 * valid character reads as U+FFFD and counts as one unit.
 */
#ifndef UWSK_CRT_UTF_H
#define UWSK_CRT_UTF_H

#include <stddef.h>
#include <stdint.h>

#define UTF_REPLACEMENT 0xfffdu

/* Reads one code point from text[0..units), units > 0; returns the number of units it took. */
static inline size_t utf8_read(const char *text, size_t units, uint32_t *code)
{
    unsigned char lead = (unsigned char)text[0];
    size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : (lead & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t value = length == 1 ? lead : lead & (0xffu >> (length + 1));

    *code = UTF_REPLACEMENT;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || length > units)
        return 1;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if ((length == 3 && value < 0x800) || (length == 4 && (value < 0x10000 || value > 0x10ffff)) ||
        (value >= 0xd800 && value < 0xe000))
        return 1;
    *code = value;
    return length;
}

static inline size_t utf16_read(const wchar_t *text, size_t units, uint32_t *code)
{
    uint32_t first = text[0];

    *code = first;
    if (first < 0xd800 || first >= 0xe000)
        return 1;
    if (first < 0xdc00 && units > 1 && text[1] >= 0xdc00 && text[1] < 0xe000) {
        *code = 0x10000 + ((first - 0xd800) << 10) + (text[1] - 0xdc00u);
        return 2;
    }
    *code = UTF_REPLACEMENT;
    return 1;
}

/* Writes code, a valid code point; returns the number of units, at most 4 and 2. */
static inline size_t utf8_write(char *text, uint32_t code)
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)((0xff00u >> length) | code);
    return length;
}

static inline size_t utf16_write(wchar_t *text, uint32_t code)
{
    if (code < 0x10000) {
        text[0] = (wchar_t)code;
        return 1;
    }
    text[0] = (wchar_t)(0xd800 + ((code - 0x10000) >> 10));
    text[1] = (wchar_t)(0xdc00 + ((code - 0x10000) & 0x3ff));
    return 2;
}

#endif
