/*
 * print.inc.h - the printf family, once for each kind of character.
 *
 * The including file defines UNIT (char or wchar_t), FORMAT (the formatter) and the names of the family.
 */

/* Microsoft's rule: an exact fit has no terminator, and a cut text returns -1. */
CRT_API int PRINT_VSN(UNIT *target, size_t units, const UNIT *format, va_list arguments)
{
    int length = FORMAT(target, units, format, arguments);

    if (length < 0 || (size_t)length > units)
        return target || units ? -1 : length;
    if ((size_t)length < units)
        target[length] = 0;
    return length;
}

CRT_API int PRINT_SN(UNIT *target, size_t units, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = PRINT_VSN(target, units, format, arguments);
    va_end(arguments);
    return length;
}

CRT_API int PRINT_VS(UNIT *target, const UNIT *format, va_list arguments)
{
    return PRINT_VSN(target, INT_MAX, format, arguments);
}

CRT_API int PRINT_S(UNIT *target, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = PRINT_VS(target, format, arguments);
    va_end(arguments);
    return length;
}

CRT_API int PRINT_VSC(const UNIT *format, va_list arguments)
{
    return FORMAT(NULL, 0, format, arguments);
}

CRT_API int PRINT_SC(const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = PRINT_VSC(format, arguments);
    va_end(arguments);
    return length;
}

CRT_API int PRINT_VS_S(UNIT *target, size_t units, const UNIT *format, va_list arguments)
{
    if (!target || !units)
        return -1;
    int length = format ? FORMAT(target, units, format, arguments) : -1;
    if (length < 0 || (size_t)length >= units) {
        target[0] = 0;
        return -1;
    }
    target[length] = 0;
    return length;
}

CRT_API int PRINT_S_S(UNIT *target, size_t units, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = PRINT_VS_S(target, units, format, arguments);
    va_end(arguments);
    return length;
}

/* At most count units; a text cut by count (or by units, with _TRUNCATE) is kept, a text that does not fit is
 * not. */
CRT_API int PRINT_VSN_S(UNIT *target, size_t units, size_t count, const UNIT *format, va_list arguments)
{
    if (!target || !units)
        return -1;
    int keep_cut = count == _TRUNCATE || count < units;
    size_t room = count < units ? count : units - 1;
    int length = format ? FORMAT(target, room, format, arguments) : -1;
    if (length >= 0 && (size_t)length <= room) {
        target[length] = 0;
        return length;
    }
    target[keep_cut && format ? room : 0] = 0;
    return -1;
}

CRT_API int PRINT_SN_S(UNIT *target, size_t units, size_t count, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = PRINT_VSN_S(target, units, count, format, arguments);
    va_end(arguments);
    return length;
}
