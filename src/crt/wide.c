/* wide.c - strings of 16-bit characters (text.inc.h): the C library's wcs functions count 32-bit ones
 * (K-STR-05). */
#include "crt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

CRT_API size_t wcslen(const wchar_t *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

#define UNIT        wchar_t
#define UNSIGNED    wchar_t
#define CHARACTER   wchar_t
#define FOLD(unit)  uwskcrt_downcase(unit)
#define RAISE(unit) uwskcrt_upcase(unit)
#define STR(name)   wcs##name
#define _STR(name)  _wcs##name
#include "text.inc.h"
