/*
 * string.h - memory and string functions of the kernel's C run time, narrow and wide.
 *
 * The *_s functions return 0, EINVAL, ERANGE or STRUNCATE (errno.h); on failure the target is made empty.
 */
#ifndef UWSK_STRING_H
#define UWSK_STRING_H

#include <crtdefs.h>

UWSK_CRT_BEGIN
void *memcpy(void *target, const void *source, size_t bytes);
void *memmove(void *target, const void *source, size_t bytes);
void *memset(void *target, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
void *memchr(const void *memory, int value, size_t bytes);
errno_t memcpy_s(void *target, rsize_t target_bytes, const void *source, rsize_t bytes);
errno_t memmove_s(void *target, rsize_t target_bytes, const void *source, rsize_t bytes);
int _memicmp(const void *left, const void *right, size_t bytes);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
char *strcpy(char *target, const char *source);
char *strncpy(char *target, const char *source, size_t count);
char *strcat(char *target, const char *source);
char *strncat(char *target, const char *source, size_t count);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t count);
int _stricmp(const char *left, const char *right);
int _strnicmp(const char *left, const char *right, size_t count);
char *strchr(const char *text, int character);
char *strrchr(const char *text, int character);
char *strstr(const char *text, const char *part);
char *strpbrk(const char *text, const char *set);
size_t strspn(const char *text, const char *set);
size_t strcspn(const char *text, const char *set);
char *strtok_s(char *text, const char *delimiters, char **context);
char *_strupr(char *text);
char *_strlwr(char *text);
char *_strrev(char *text);
char *_strset(char *text, int character);
char *_strnset(char *text, int character, size_t count);
errno_t strcpy_s(char *target, rsize_t target_units, const char *source);
errno_t strncpy_s(char *target, rsize_t target_units, const char *source, rsize_t count);
errno_t strcat_s(char *target, rsize_t target_units, const char *source);
errno_t strncat_s(char *target, rsize_t target_units, const char *source, rsize_t count);
errno_t _strupr_s(char *text, rsize_t units);
errno_t _strlwr_s(char *text, rsize_t units);
size_t strnlen_s(const char *text, size_t limit);

size_t wcslen(const wchar_t *text);
size_t wcsnlen(const wchar_t *text, size_t limit);
wchar_t *wcscpy(wchar_t *target, const wchar_t *source);
wchar_t *wcsncpy(wchar_t *target, const wchar_t *source, size_t count);
wchar_t *wcscat(wchar_t *target, const wchar_t *source);
wchar_t *wcsncat(wchar_t *target, const wchar_t *source, size_t count);
int wcscmp(const wchar_t *left, const wchar_t *right);
int wcsncmp(const wchar_t *left, const wchar_t *right, size_t count);
int _wcsicmp(const wchar_t *left, const wchar_t *right);
int _wcsnicmp(const wchar_t *left, const wchar_t *right, size_t count);
wchar_t *wcschr(const wchar_t *text, wchar_t character);
wchar_t *wcsrchr(const wchar_t *text, wchar_t character);
wchar_t *wcsstr(const wchar_t *text, const wchar_t *part);
wchar_t *wcspbrk(const wchar_t *text, const wchar_t *set);
size_t wcsspn(const wchar_t *text, const wchar_t *set);
size_t wcscspn(const wchar_t *text, const wchar_t *set);
wchar_t *wcstok_s(wchar_t *text, const wchar_t *delimiters, wchar_t **context);
wchar_t *_wcsupr(wchar_t *text);
wchar_t *_wcslwr(wchar_t *text);
wchar_t *_wcsrev(wchar_t *text);
wchar_t *_wcsset(wchar_t *text, wchar_t character);
wchar_t *_wcsnset(wchar_t *text, wchar_t character, size_t count);
errno_t wcscpy_s(wchar_t *target, rsize_t target_units, const wchar_t *source);
errno_t wcsncpy_s(wchar_t *target, rsize_t target_units, const wchar_t *source, rsize_t count);
errno_t wcscat_s(wchar_t *target, rsize_t target_units, const wchar_t *source);
errno_t wcsncat_s(wchar_t *target, rsize_t target_units, const wchar_t *source, rsize_t count);
errno_t _wcsupr_s(wchar_t *text, rsize_t units);
errno_t _wcslwr_s(wchar_t *text, rsize_t units);
size_t wcsnlen_s(const wchar_t *text, size_t limit);
UWSK_CRT_END

#ifdef __cplusplus
/* The *_s functions know the size of an array. */
extern "C++" {
template <size_t N> inline errno_t strcpy_s(char (&target)[N], const char *source)
{
    return strcpy_s(target, N, source);
}
template <size_t N> inline errno_t strncpy_s(char (&target)[N], const char *source, rsize_t count)
{
    return strncpy_s(target, N, source, count);
}
template <size_t N> inline errno_t strcat_s(char (&target)[N], const char *source)
{
    return strcat_s(target, N, source);
}
template <size_t N> inline errno_t strncat_s(char (&target)[N], const char *source, rsize_t count)
{
    return strncat_s(target, N, source, count);
}
template <size_t N> inline errno_t wcscpy_s(wchar_t (&target)[N], const wchar_t *source)
{
    return wcscpy_s(target, N, source);
}
template <size_t N> inline errno_t wcsncpy_s(wchar_t (&target)[N], const wchar_t *source, rsize_t count)
{
    return wcsncpy_s(target, N, source, count);
}
template <size_t N> inline errno_t wcscat_s(wchar_t (&target)[N], const wchar_t *source)
{
    return wcscat_s(target, N, source);
}
template <size_t N> inline errno_t wcsncat_s(wchar_t (&target)[N], const wchar_t *source, rsize_t count)
{
    return wcsncat_s(target, N, source, count);
}
}
#endif

#endif
