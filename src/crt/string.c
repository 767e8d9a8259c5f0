/* string.c - narrow strings (text.inc.h) and what the memory functions lack. */
#include "crt.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define UNIT        char
#define UNSIGNED    unsigned char
#define CHARACTER   int
#define FOLD(unit)  tolower((unsigned char)(unit))
#define RAISE(unit) toupper((unsigned char)(unit))
#define STR(name)   str##name
#define _STR(name)  _str##name
#include "text.inc.h"

CRT_API errno_t memcpy_s(void *target, rsize_t target_bytes, const void *source, rsize_t bytes)
{
    if (!bytes)
        return 0;
    if (!target)
        return EINVAL;
    if (!source || target_bytes < bytes) {
        memset(target, 0, target_bytes);
        return source ? ERANGE : EINVAL;
    }
    memcpy(target, source, bytes);
    return 0;
}

CRT_API errno_t memmove_s(void *target, rsize_t target_bytes, const void *source, rsize_t bytes)
{
    if (!bytes)
        return 0;
    if (!target || !source)
        return EINVAL;
    if (target_bytes < bytes)
        return ERANGE;
    memmove(target, source, bytes);
    return 0;
}

CRT_API int _memicmp(const void *left, const void *right, size_t bytes)
{
    const unsigned char *a = left, *b = right;

    for (; bytes; bytes--, a++, b++)
        if (tolower(*a) != tolower(*b))
            return tolower(*a) < tolower(*b) ? -1 : 1;
    return 0;
}
