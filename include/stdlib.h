/*
 * stdlib.h - numbers from and to text, sorting, searching and pseudo-random numbers.
 *
 * strtol, strtoul, atol and their wide twins stop at the limits of LONG and ULONG (32 bits, limits.h), as on
 * Windows.
 */
#ifndef UWSK_STDLIB_H
#define UWSK_STDLIB_H

#include <crtdefs.h>

#define RAND_MAX 0x7fff

#ifndef __min
#define __max(a, b) (((a) > (b)) ? (a) : (b))
#define __min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef __cplusplus
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif

UWSK_CRT_BEGIN
int abs(int value);
long labs(long value);
long long llabs(long long value);
long long _abs64(long long value);

int atoi(const char *text);
long atol(const char *text);
long long atoll(const char *text);
long long _atoi64(const char *text);
long strtol(const char *text, char **end, int base);
unsigned long strtoul(const char *text, char **end, int base);
long long strtoll(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
long long _strtoi64(const char *text, char **end, int base);
unsigned long long _strtoui64(const char *text, char **end, int base);

int _wtoi(const wchar_t *text);
long _wtol(const wchar_t *text);
long long _wtoi64(const wchar_t *text);
long wcstol(const wchar_t *text, wchar_t **end, int base);
unsigned long wcstoul(const wchar_t *text, wchar_t **end, int base);
long long wcstoll(const wchar_t *text, wchar_t **end, int base);
unsigned long long wcstoull(const wchar_t *text, wchar_t **end, int base);
long long _wcstoi64(const wchar_t *text, wchar_t **end, int base);
unsigned long long _wcstoui64(const wchar_t *text, wchar_t **end, int base);

/* The caller's buffer holds the digits of the largest value in that base, a sign and a terminator. */
char *_itoa(int value, char *target, int base);
char *_ltoa(long value, char *target, int base);
char *_ultoa(unsigned long value, char *target, int base);
char *_i64toa(long long value, char *target, int base);
char *_ui64toa(unsigned long long value, char *target, int base);
wchar_t *_itow(int value, wchar_t *target, int base);
wchar_t *_ltow(long value, wchar_t *target, int base);
wchar_t *_ultow(unsigned long value, wchar_t *target, int base);
wchar_t *_i64tow(long long value, wchar_t *target, int base);
wchar_t *_ui64tow(unsigned long long value, wchar_t *target, int base);
errno_t _itoa_s(int value, char *target, size_t units, int base);
errno_t _ltoa_s(long value, char *target, size_t units, int base);
errno_t _ultoa_s(unsigned long value, char *target, size_t units, int base);
errno_t _i64toa_s(long long value, char *target, size_t units, int base);
errno_t _ui64toa_s(unsigned long long value, char *target, size_t units, int base);
errno_t _itow_s(int value, wchar_t *target, size_t units, int base);
errno_t _ltow_s(long value, wchar_t *target, size_t units, int base);
errno_t _ultow_s(unsigned long value, wchar_t *target, size_t units, int base);
errno_t _i64tow_s(long long value, wchar_t *target, size_t units, int base);
errno_t _ui64tow_s(unsigned long long value, wchar_t *target, size_t units, int base);

void qsort(void *base, size_t count, size_t bytes, int (*compare)(const void *, const void *));
void *bsearch(const void *key, const void *base, size_t count, size_t bytes,
              int (*compare)(const void *, const void *));

int rand(void);
void srand(unsigned int seed);
UWSK_CRT_END

/* intrin.h has them, too. */
#ifndef _byteswap_ushort
#define _byteswap_ushort(value) __builtin_bswap16((unsigned short)(value))
#define _byteswap_ulong(value)  __builtin_bswap32((unsigned int)(value))
#define _byteswap_uint64(value) __builtin_bswap64((unsigned long long)(value))
#endif

#endif
