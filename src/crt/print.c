/* print.c - the narrow printf family (print.inc.h) and the standard's snprintf. */
#include "crt.h"
#include "format.h"

#include <limits.h>
#include <stdio.h>

#define UNIT        char
#define FORMAT      uwskcrt_format
#define PRINT_VSN   _vsnprintf
#define PRINT_SN    _snprintf
#define PRINT_VS    vsprintf
#define PRINT_S     sprintf
#define PRINT_VSC   _vscprintf
#define PRINT_SC    _scprintf
#define PRINT_VS_S  vsprintf_s
#define PRINT_S_S   sprintf_s
#define PRINT_VSN_S _vsnprintf_s
#define PRINT_SN_S  _snprintf_s
#include "print.inc.h"

/* The standard's rule: always terminated, and the length of the whole text. */
CRT_API int vsnprintf(char *target, size_t units, const char *format, va_list arguments)
{
    int length = uwskcrt_format(target, units, format, arguments);

    if (units)
        target[length < 0 || (size_t)length >= units ? units - 1 : (size_t)length] = 0;
    return length;
}

CRT_API int snprintf(char *target, size_t units, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(target, units, format, arguments);
    va_end(arguments);
    return length;
}
