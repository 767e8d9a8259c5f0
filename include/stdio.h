/*
 * stdio.h - formatted output into memory (the kernel has no files).
 *
 * Formats have Windows meanings: %l is 32 bits, %I64, %I32, %I (pointer size), %ll, %z, %h; %s/%S,
 * %ws/%ls/%hs, %c/%C, %Z and %wZ (counted strings), %p (16 upper-case digits).  Floating-point conversions
 * are printed as they stand.
 *
 * When the text does not fit:
 *   _snprintf family  stores `units` units without terminator and returns -1; exactly `units` units: no
 * terminator snprintf          truncates, terminates and returns the length that the whole text would have
 *   *_s               makes the target empty (or truncates and terminates, with _TRUNCATE) and returns -1
 */
#ifndef UWSK_STDIO_H
#define UWSK_STDIO_H

#include <crtdefs.h>
#include <stdarg.h>

#ifndef EOF
#define EOF (-1)
#endif
#ifndef WEOF
#define WEOF ((wint_t)0xffff)
#endif

UWSK_CRT_BEGIN
int sprintf(char *target, const char *format, ...);
int vsprintf(char *target, const char *format, va_list arguments);
int snprintf(char *target, size_t units, const char *format, ...);
int vsnprintf(char *target, size_t units, const char *format, va_list arguments);
int _snprintf(char *target, size_t units, const char *format, ...);
int _vsnprintf(char *target, size_t units, const char *format, va_list arguments);
int _scprintf(const char *format, ...);
int _vscprintf(const char *format, va_list arguments);
int sprintf_s(char *target, size_t units, const char *format, ...);
int vsprintf_s(char *target, size_t units, const char *format, va_list arguments);
int _snprintf_s(char *target, size_t units, size_t count, const char *format, ...);
int _vsnprintf_s(char *target, size_t units, size_t count, const char *format, va_list arguments);

int _swprintf(wchar_t *target, const wchar_t *format, ...);
int _vswprintf(wchar_t *target, const wchar_t *format, va_list arguments);
int _swprintf_c(wchar_t *target, size_t units, const wchar_t *format, ...);
int _vswprintf_c(wchar_t *target, size_t units, const wchar_t *format, va_list arguments);
int _snwprintf(wchar_t *target, size_t units, const wchar_t *format, ...);
int _vsnwprintf(wchar_t *target, size_t units, const wchar_t *format, va_list arguments);
int _scwprintf(const wchar_t *format, ...);
int _vscwprintf(const wchar_t *format, va_list arguments);
int swprintf_s(wchar_t *target, size_t units, const wchar_t *format, ...);
int vswprintf_s(wchar_t *target, size_t units, const wchar_t *format, va_list arguments);
int _snwprintf_s(wchar_t *target, size_t units, size_t count, const wchar_t *format, ...);
int _vsnwprintf_s(wchar_t *target, size_t units, size_t count, const wchar_t *format, va_list arguments);
UWSK_CRT_END

/* swprintf comes in two forms, with a size (the standard) and without (older drivers): the second argument
 * tells. */
#ifdef __cplusplus
extern "C++" {
inline int swprintf(wchar_t *target, const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = _vswprintf(target, format, arguments);
    va_end(arguments);
    return length;
}
inline int swprintf(wchar_t *target, size_t units, const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = _vswprintf_c(target, units, format, arguments);
    va_end(arguments);
    return length;
}
inline int vswprintf(wchar_t *target, const wchar_t *format, va_list arguments)
{
    return _vswprintf(target, format, arguments);
}
inline int vswprintf(wchar_t *target, size_t units, const wchar_t *format, va_list arguments)
{
    return _vswprintf_c(target, units, format, arguments);
}
template <size_t N> inline int sprintf_s(char (&target)[N], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsprintf_s(target, N, format, arguments);
    va_end(arguments);
    return length;
}
template <size_t N> inline int swprintf_s(wchar_t (&target)[N], const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vswprintf_s(target, N, format, arguments);
    va_end(arguments);
    return length;
}
}
#else
#define UWSK_CRT_BY_SECOND(second, plain, counted)                                                           \
    _Generic((second), wchar_t * : plain, const wchar_t * : plain, default : counted)
#define swprintf(target, second, ...)                                                                        \
    UWSK_CRT_BY_SECOND(second, _swprintf, _swprintf_c)(target, second, ##__VA_ARGS__)
#define vswprintf(target, second, ...)                                                                       \
    UWSK_CRT_BY_SECOND(second, _vswprintf, _vswprintf_c)(target, second, ##__VA_ARGS__)
#endif

#endif
