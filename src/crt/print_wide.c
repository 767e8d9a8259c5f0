/* print_wide.c - the wide printf family (print.inc.h) and the standard's swprintf. */
#include "crt.h"
#include "format.h"

#include <limits.h>
#include <stdio.h>

#define UNIT        wchar_t
#define FORMAT      uwskcrt_format_wide
#define PRINT_VSN   _vsnwprintf
#define PRINT_SN    _snwprintf
#define PRINT_VS    _vswprintf
#define PRINT_S     _swprintf
#define PRINT_VSC   _vscwprintf
#define PRINT_SC    _scwprintf
#define PRINT_VS_S  vswprintf_s
#define PRINT_S_S   swprintf_s
#define PRINT_VSN_S _vsnwprintf_s
#define PRINT_SN_S  _snwprintf_s
#include "print.inc.h"

/* The standard's swprintf with a size: always terminated; -1 when the text was cut. */
CRT_API int _vswprintf_c(wchar_t *target, size_t units, const wchar_t *format, va_list arguments)
{
    int length = uwskcrt_format_wide(target, units, format, arguments);

    if (length >= 0 && (size_t)length < units) {
        target[length] = 0;
        return length;
    }
    if (units)
        target[units - 1] = 0;
    return -1;
}

CRT_API int _swprintf_c(wchar_t *target, size_t units, const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = _vswprintf_c(target, units, format, arguments);
    va_end(arguments);
    return length;
}
