/* wchar.h - wide (16-bit) strings: the wcs* half of string.h, character classes and formatted output. */
#ifndef UWSK_WCHAR_H
#define UWSK_WCHAR_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WCHAR_MIN
#define WCHAR_MIN 0
#define WCHAR_MAX 0xffff
#endif

static inline wchar_t *wmemcpy(wchar_t *target, const wchar_t *source, size_t count)
{
    return (wchar_t *)memcpy(target, source, count * sizeof(wchar_t));
}

static inline wchar_t *wmemmove(wchar_t *target, const wchar_t *source, size_t count)
{
    return (wchar_t *)memmove(target, source, count * sizeof(wchar_t));
}

static inline wchar_t *wmemset(wchar_t *target, wchar_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        target[i] = value;
    return target;
}

#endif
