/*
 * format.c - the formatter; format.h says what it understands.
 *
 * One engine serves narrow and wide formats: it reads the format and writes the text unit by unit through
 * `wide`.
 */
#include "format.h"
#include "utf.h"

#include <limits.h>
#include <stdint.h>

/* Where the text goes: length counts every unit, stored or not. */
struct sink {
    void *buffer;
    size_t capacity;
    uint64_t length;
    int wide;
};

/* Layout of ANSI_STRING and UNICODE_STRING: lengths in bytes. */
struct counted_string {
    uint16_t length;
    uint16_t maximum_length;
    const void *buffer;
};

enum size { SIZE_NONE, SIZE_8, SIZE_16, SIZE_32, SIZE_64, SIZE_WIDE };

struct conversion {
    int left, plus, blank, alternate, zero;
    int width;     /* 0 = none */
    int precision; /* -1 = none */
    enum size size;
    unsigned type;
};

/* A piece of text to print: `units` units of text, which is 16-bit when wide. */
struct text {
    const void *units;
    size_t count;
    int wide;
};

static void sink_unit(struct sink *sink, unsigned unit)
{
    if (sink->length < sink->capacity) {
        if (sink->wide)
            ((wchar_t *)sink->buffer)[sink->length] = (wchar_t)unit;
        else
            ((char *)sink->buffer)[sink->length] = (char)unit;
    }
    sink->length++;
}

/* Huge widths cost no time: what does not fit is only counted. */
static void sink_fill(struct sink *sink, unsigned unit, uint64_t count)
{
    uint64_t stored = sink->length < sink->capacity ? sink->capacity - sink->length : 0;

    if (stored > count)
        stored = count;
    for (uint64_t i = 0; i < stored; i++)
        sink_unit(sink, unit);
    sink->length += count - stored;
}

static void sink_code(struct sink *sink, uint32_t code)
{
    char narrow[4];
    wchar_t wide[2];
    size_t count = sink->wide ? utf16_write(wide, code) : utf8_write(narrow, code);

    for (size_t i = 0; i < count; i++)
        sink_unit(sink, sink->wide ? wide[i] : (unsigned char)narrow[i]);
}

/* Prints text, converting it when its kind is not the sink's. */
static void sink_text(struct sink *sink, const struct text *text)
{
    const wchar_t *wide = text->units;
    const char *narrow = text->units;
    uint32_t code;

    for (size_t at = 0; at < text->count;) {
        if (text->wide == sink->wide) {
            sink_unit(sink, text->wide ? wide[at] : (unsigned char)narrow[at]);
            at++;
        } else {
            at += text->wide ? utf16_read(wide + at, text->count - at, &code)
                             : utf8_read(narrow + at, text->count - at, &code);
            sink_code(sink, code);
        }
    }
}

static void print_text(struct sink *sink, const struct conversion *conversion, const struct text *text)
{
    struct sink measure = {NULL, 0, 0, sink->wide};
    uint64_t width = (uint64_t)conversion->width;

    sink_text(&measure, text);
    uint64_t fill = measure.length < width ? width - measure.length : 0;
    if (!conversion->left)
        sink_fill(sink, conversion->zero ? '0' : ' ', fill);
    sink_text(sink, text);
    if (conversion->left)
        sink_fill(sink, ' ', fill);
}

static void print_string(struct sink *sink, const struct conversion *conversion, const void *string, int wide)
{
    struct text text = {string, 0, wide};
    size_t limit = conversion->precision < 0 ? SIZE_MAX : (size_t)conversion->precision;

    if (!string) {
        text.units = "(null)";
        text.wide = wide = 0;
    }
    if (wide)
        while (text.count < limit && ((const wchar_t *)text.units)[text.count])
            text.count++;
    else
        while (text.count < limit && ((const char *)text.units)[text.count])
            text.count++;
    print_text(sink, conversion, &text);
}

static void print_counted(struct sink *sink, const struct conversion *conversion,
                          const struct counted_string *string, int wide)
{
    if (!string || !string->buffer) {
        print_string(sink, conversion, NULL, 0);
        return;
    }
    struct text text = {string->buffer, string->length / (wide ? sizeof(wchar_t) : 1), wide};
    if (conversion->precision >= 0 && text.count > (size_t)conversion->precision)
        text.count = (size_t)conversion->precision;
    print_text(sink, conversion, &text);
}

static void print_character(struct sink *sink, const struct conversion *conversion, int argument, int wide)
{
    char narrow = (char)argument;
    wchar_t unit = (wchar_t)argument;
    struct text text = {wide ? (const void *)&unit : &narrow, 1, wide};

    print_text(sink, conversion, &text);
}

/* Prints prefix and digits of a number whose sign is already in prefix. */
static void print_digits(struct sink *sink, const struct conversion *conversion, uint64_t value,
                         unsigned base, const char *symbols, const char *prefix)
{
    char digits[24]; /* 22 octal digits */
    size_t count = 0, prefix_count = 0;
    uint64_t zeros = 0;

    for (; value; value /= base)
        digits[count++] = symbols[value % base];
    while (prefix[prefix_count])
        prefix_count++;

    uint64_t least = conversion->precision < 0 ? 1 : (uint64_t)conversion->precision;
    if (count < least)
        zeros = least - count;
    if (base == 8 && conversion->alternate && zeros == 0)
        zeros = 1;

    uint64_t total = prefix_count + zeros + count;
    uint64_t fill = total < (uint64_t)conversion->width ? (uint64_t)conversion->width - total : 0;
    if (!conversion->left && conversion->zero && conversion->precision < 0) {
        zeros += fill;
        fill = 0;
    }
    if (!conversion->left)
        sink_fill(sink, ' ', fill);
    for (size_t i = 0; i < prefix_count; i++)
        sink_unit(sink, (unsigned char)prefix[i]);
    sink_fill(sink, '0', zeros);
    while (count)
        sink_unit(sink, (unsigned char)digits[--count]);
    if (conversion->left)
        sink_fill(sink, ' ', fill);
}

static void print_signed(struct sink *sink, const struct conversion *conversion, uint64_t argument)
{
    int64_t value = (int64_t)argument;

    switch (conversion->size) {
    case SIZE_8:
        value = (int8_t)argument;
        break;
    case SIZE_16:
        value = (int16_t)argument;
        break;
    case SIZE_64:
        break;
    default:
        value = (int32_t)argument;
        break;
    }
    const char *prefix = value < 0 ? "-" : conversion->plus ? "+" : conversion->blank ? " " : "";
    print_digits(sink, conversion, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, "0123456789",
                 prefix);
}

static void print_unsigned(struct sink *sink, const struct conversion *conversion, uint64_t value)
{
    int upper = conversion->type == 'X';
    int hexadecimal = upper || conversion->type == 'x';
    unsigned base = hexadecimal ? 16 : conversion->type == 'o' ? 8 : 10;

    switch (conversion->size) {
    case SIZE_8:
        value = (uint8_t)value;
        break;
    case SIZE_16:
        value = (uint16_t)value;
        break;
    case SIZE_64:
        break;
    default:
        value = (uint32_t)value;
        break;
    }
    const char *prefix = !hexadecimal || !conversion->alternate || value == 0 ? "" : upper ? "0X" : "0x";
    print_digits(sink, conversion, value, base, upper ? "0123456789ABCDEF" : "0123456789abcdef", prefix);
}

static void print_pointer(struct sink *sink, struct conversion *conversion, uint64_t value)
{
    conversion->precision = 2 * (int)sizeof(void *);
    conversion->size = SIZE_64;
    conversion->type = 'X';
    print_unsigned(sink, conversion, value);
}

static unsigned unit_at(const void *format, int wide, size_t at)
{
    return wide ? ((const wchar_t *)format)[at] : ((const unsigned char *)format)[at];
}

/* Reads digits at *at; stops growing at INT_MAX. */
static int read_number(const void *format, int wide, size_t *at)
{
    int64_t number = 0;

    for (unsigned unit; (unit = unit_at(format, wide, *at)) >= '0' && unit <= '9'; (*at)++) {
        number = number * 10 + (unit - '0');
        if (number > INT_MAX)
            number = INT_MAX;
    }
    return (int)number;
}

static void read_flags(struct conversion *conversion, const void *format, int wide, size_t *at)
{
    for (;; (*at)++) {
        switch (unit_at(format, wide, *at)) {
        case '-':
            conversion->left = 1;
            break;
        case '+':
            conversion->plus = 1;
            break;
        case ' ':
            conversion->blank = 1;
            break;
        case '#':
            conversion->alternate = 1;
            break;
        case '0':
            conversion->zero = 1;
            break;
        default:
            return;
        }
    }
}

/* Reads the size prefix; *long_double says that the argument of a floating-point conversion is a long double.
 */
static void read_size(struct conversion *conversion, const void *format, int wide, size_t *at,
                      int *long_double)
{
    for (;; (*at)++) {
        switch (unit_at(format, wide, *at)) {
        case 'h':
            conversion->size = conversion->size == SIZE_16 ? SIZE_8 : SIZE_16;
            break;
        case 'l':
            conversion->size = conversion->size == SIZE_32 ? SIZE_64 : SIZE_32;
            break;
        case 'w':
            conversion->size = SIZE_WIDE;
            break;
        case 'L':
            *long_double = 1;
            break;
        case 'j':
        case 'z':
        case 't':
            conversion->size = SIZE_64;
            break;
        case 'I':
            conversion->size = SIZE_64;
            if (unit_at(format, wide, *at + 1) == '6' && unit_at(format, wide, *at + 2) == '4') {
                *at += 2;
            } else if (unit_at(format, wide, *at + 1) == '3' && unit_at(format, wide, *at + 2) == '2') {
                conversion->size = SIZE_32;
                *at += 2;
            }
            break;
        default:
            return;
        }
    }
}

/* Kind of the text that a c, s, C, S or Z conversion prints. */
static int text_is_wide(const struct conversion *conversion, int format_wide)
{
    if (conversion->size == SIZE_16)
        return 0;
    if (conversion->size == SIZE_32 || conversion->size == SIZE_WIDE)
        return 1;
    if (conversion->type == 'Z')
        return 0;
    return conversion->type == 'C' || conversion->type == 'S' ? !format_wide : format_wide;
}

static int format_run(struct sink *sink, const void *format, va_list arguments)
{
    int wide = sink->wide;
    size_t at = 0;
    unsigned unit;

    while ((unit = unit_at(format, wide, at)) != 0) {
        if (unit != '%') {
            sink_unit(sink, unit);
            at++;
            continue;
        }
        struct conversion conversion = {.precision = -1};
        size_t begin = at++;
        int long_double = 0;

        read_flags(&conversion, format, wide, &at);
        if (unit_at(format, wide, at) == '*') {
            int64_t width = va_arg(arguments, int);
            at++;
            if (width < 0) {
                conversion.left = 1;
                width = -width;
            }
            conversion.width = width > INT_MAX ? INT_MAX : (int)width;
        } else {
            conversion.width = read_number(format, wide, &at);
        }
        if (unit_at(format, wide, at) == '.') {
            at++;
            if (unit_at(format, wide, at) == '*') {
                at++;
                conversion.precision = va_arg(arguments, int);
                if (conversion.precision < 0)
                    conversion.precision = -1;
            } else {
                conversion.precision = read_number(format, wide, &at);
            }
        }
        read_size(&conversion, format, wide, &at, &long_double);
        conversion.type = unit_at(format, wide, at);

        switch (conversion.type) {
        case 0:
            continue; /* the format ended inside a conversion */
        case 'd':
        case 'i':
            print_signed(sink, &conversion,
                         conversion.size == SIZE_64 ? va_arg(arguments, uint64_t)
                                                    : va_arg(arguments, uint32_t));
            break;
        case 'u':
        case 'o':
        case 'x':
        case 'X':
            print_unsigned(sink, &conversion,
                           conversion.size == SIZE_64 ? va_arg(arguments, uint64_t)
                                                      : va_arg(arguments, uint32_t));
            break;
        case 'p':
            print_pointer(sink, &conversion, (uintptr_t)va_arg(arguments, void *));
            break;
        case 'c':
        case 'C':
            print_character(sink, &conversion, va_arg(arguments, int), text_is_wide(&conversion, wide));
            break;
        case 's':
        case 'S':
            print_string(sink, &conversion, va_arg(arguments, const void *), text_is_wide(&conversion, wide));
            break;
        case 'Z':
            print_counted(sink, &conversion, va_arg(arguments, const struct counted_string *),
                          text_is_wide(&conversion, wide));
            break;
        case 'n':
            (void)va_arg(arguments, void *);
            break;
        case 'a':
        case 'A':
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
            if (long_double)
                (void)va_arg(arguments, long double);
            else
                (void)va_arg(arguments, double);
            for (size_t i = begin; i <= at; i++)
                sink_unit(sink, unit_at(format, wide, i));
            break;
        default:
            sink_unit(sink, conversion.type);
            break;
        }
        at++;
    }
    return sink->length > INT_MAX ? -1 : (int)sink->length;
}

int uwskcrt_format(char *buffer, size_t units, const char *format, va_list arguments)
{
    struct sink sink = {buffer, units, 0, 0};

    return format_run(&sink, format, arguments);
}

int uwskcrt_format_wide(wchar_t *buffer, size_t units, const wchar_t *format, va_list arguments)
{
    struct sink sink = {buffer, units, 0, 1};

    return format_run(&sink, format, arguments);
}
