/*
 * format.h - the formatter behind the printf families, the safe-string functions and DbgPrint (T-03).
 *
 * Both functions write at most `units` units and never a terminator.  They return the length of the whole
 * text in units, which is larger than `units` when it was cut; -1 when that length does not fit an int.
 * buffer may be NULL when units is 0.
 *
 * A conversion is %[flags][width][.precision][size]type with Windows meanings:
 *   flags      - + space # 0; 0 also pads text with zeros
 *   width, precision   numbers or *; a negative * width means -, a negative * precision means none
 *   size       hh 8 bits, h 16, l I32 32, ll I64 j 64, I z t pointer size; none 32 bits.
 *              For text: h narrow, l and w wide (16-bit units)
 *   d i u o x X    integers
 *   p          16 upper-case hexadecimal digits
 *   c s        character and string of the format's own kind; C S of the other kind; a null string prints
 * (null) Z          counted string: PANSI_STRING, with w or l PUNICODE_STRING e f g a    printed as they
 * stand, argument skipped: the kernel formats no floating point n          stores nothing, argument skipped
 *   any other  the character itself
 * A precision on text bounds the units read, so that unterminated text may be printed.  Narrow text is UTF-8.
 */
#ifndef UWSK_CRT_FORMAT_H
#define UWSK_CRT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

__attribute__((visibility("hidden"))) int uwskcrt_format(char *buffer, size_t units, const char *format,
                                                         va_list arguments);
__attribute__((visibility("hidden"))) int uwskcrt_format_wide(wchar_t *buffer, size_t units,
                                                              const wchar_t *format, va_list arguments);

#endif
