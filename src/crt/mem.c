/*
 * mem.c - the memory functions of a driver: they forward to libuwsk.so, which has the C library's fast ones.
 *
 * libuwsk.so itself links the archive without this file.
 */
#include "crt.h"

#include <string.h>

void *uwsk_memcpy(void *target, const void *source, size_t bytes);
void *uwsk_memmove(void *target, const void *source, size_t bytes);
void *uwsk_memset(void *target, int value, size_t bytes);
int uwsk_memcmp(const void *left, const void *right, size_t bytes);
void *uwsk_memchr(const void *memory, int value, size_t bytes);
size_t uwsk_strlen(const char *text);

/* Nobody declares these, but clang makes calls of them: bcmp of a memcmp whose sign does not matter, stpcpy
 * of a strcpy or sprintf whose end is wanted. */
int bcmp(const void *left, const void *right, size_t bytes);
char *stpcpy(char *target, const char *source);

CRT_API void *memcpy(void *target, const void *source, size_t bytes)
{
    return uwsk_memcpy(target, source, bytes);
}

CRT_API void *memmove(void *target, const void *source, size_t bytes)
{
    return uwsk_memmove(target, source, bytes);
}

CRT_API void *memset(void *target, int value, size_t bytes)
{
    return uwsk_memset(target, value, bytes);
}

CRT_API int memcmp(const void *left, const void *right, size_t bytes)
{
    return uwsk_memcmp(left, right, bytes);
}

CRT_API void *memchr(const void *memory, int value, size_t bytes)
{
    return uwsk_memchr(memory, value, bytes);
}

CRT_API size_t strlen(const char *text)
{
    return uwsk_strlen(text);
}

CRT_API int bcmp(const void *left, const void *right, size_t bytes)
{
    return uwsk_memcmp(left, right, bytes);
}

CRT_API char *stpcpy(char *target, const char *source)
{
    size_t length = uwsk_strlen(source);

    uwsk_memcpy(target, source, length + 1);
    return target + length;
}
