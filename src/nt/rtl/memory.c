/*
 * memory.c - comparing memory, and the C library's memory functions under names of our own.
 *
 * A driver's memcpy (src/crt/mem.c) forwards here: drivers see no libc (T-01), but get its speed.
 */
#include "nt/rtl/rtl.h"

#include "host/host.h"

#include <string.h>

void *uwsk_memcpy(void *target, const void *source, size_t bytes);
void *uwsk_memmove(void *target, const void *source, size_t bytes);
void *uwsk_memset(void *target, int value, size_t bytes);
int uwsk_memcmp(const void *left, const void *right, size_t bytes);
void *uwsk_memchr(const void *memory, int value, size_t bytes);
size_t uwsk_strlen(const char *text);

BOOLEAN rtl_is_bad_memory(const void *memory, size_t bytes, BOOLEAN write)
{
    return bytes > 0 && host_memory_probe(memory, bytes, write) != 0;
}

void *uwsk_memcpy(void *target, const void *source, size_t bytes)
{
    host_access(source, bytes, 0);
    host_access(target, bytes, 1);
    return memcpy(target, source, bytes);
}

void *uwsk_memmove(void *target, const void *source, size_t bytes)
{
    host_access(source, bytes, 0);
    host_access(target, bytes, 1);
    return memmove(target, source, bytes);
}

void *uwsk_memset(void *target, int value, size_t bytes)
{
    host_access(target, bytes, 1);
    return memset(target, value, bytes);
}

int uwsk_memcmp(const void *left, const void *right, size_t bytes)
{
    host_access(left, bytes, 0);
    host_access(right, bytes, 0);
    return memcmp(left, right, bytes);
}

void *uwsk_memchr(const void *memory, int value, size_t bytes)
{
    return memchr(memory, value, bytes);
}

size_t uwsk_strlen(const char *text)
{
    return strlen(text);
}

/* Bytes that agree, counted from the start.  Any IRQL.  Page: RtlCompareMemory (wdm). */
SIZE_T NTAPI RtlCompareMemory(const VOID *Source1, const VOID *Source2, SIZE_T Length)
{
    const UCHAR *left = Source1, *right = Source2;
    SIZE_T same = 0;

    while (same < Length && left[same] == right[same])
        same++;
    return same;
}
