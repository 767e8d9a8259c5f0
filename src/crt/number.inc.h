/*
 * number.inc.h - numbers from text and to text, once for each kind of character.
 *
 * The including file defines UNIT and the names of the functions.
 */

static int is_space(UNIT unit)
{
    return unit == ' ' || (unit >= '\t' && unit <= '\r');
}

/* Value of a digit in any base, 255 for anything else. */
static unsigned digit(UNIT unit)
{
    if (unit >= '0' && unit <= '9')
        return (unsigned)unit - '0';
    if (unit >= 'a' && unit <= 'z')
        return (unsigned)unit - 'a' + 10;
    if (unit >= 'A' && unit <= 'Z')
        return (unsigned)unit - 'A' + 10;
    return 255;
}

/* Reads space, sign, prefix and digits.  The magnitude stops at UINT64_MAX, with *overflow set; *end stays at
 * text when there is no number. */
static uint64_t parse(const UNIT *text, UNIT **end, int base, int *negative, int *overflow)
{
    const UNIT *at = text;
    uint64_t value = 0;
    int any = 0;

    *negative = *overflow = 0;
    if (end)
        *end = (UNIT *)text;
    if (base < 0 || base == 1 || base > 36)
        return 0;
    while (is_space(*at))
        at++;
    if (*at == '+' || *at == '-')
        *negative = *at++ == '-';
    if ((base == 0 || base == 16) && at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && digit(at[2]) < 16) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    for (unsigned next; (next = digit(*at)) < (unsigned)base; at++, any = 1) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, next, &value))
            *overflow = 1;
        if (*overflow)
            value = UINT64_MAX;
    }
    if (any && end)
        *end = (UNIT *)at;
    return value;
}

/* Signed number between least and most. */
static int64_t parse_signed(const UNIT *text, UNIT **end, int base, int64_t least, int64_t most)
{
    int negative, overflow;
    uint64_t value = parse(text, end, base, &negative, &overflow);

    if (negative)
        return overflow || value > 0 - (uint64_t)least ? least : (int64_t)(0 - value);
    return overflow || value > (uint64_t)most ? most : (int64_t)value;
}

/* Unsigned number up to most; a minus sign negates what was read, within the width of the result. */
static uint64_t parse_unsigned(const UNIT *text, UNIT **end, int base, uint64_t most)
{
    int negative, overflow;
    uint64_t value = parse(text, end, base, &negative, &overflow);

    if (overflow || value > most)
        return most;
    return negative ? (0 - value) & most : value;
}

CRT_API long STRTOL(const UNIT *text, UNIT **end, int base)
{
    return parse_signed(text, end, base, LONG_MIN, LONG_MAX);
}

CRT_API unsigned long STRTOUL(const UNIT *text, UNIT **end, int base)
{
    return parse_unsigned(text, end, base, ULONG_MAX);
}

CRT_API long long STRTOLL(const UNIT *text, UNIT **end, int base)
{
    return parse_signed(text, end, base, LLONG_MIN, LLONG_MAX);
}

CRT_API unsigned long long STRTOULL(const UNIT *text, UNIT **end, int base)
{
    return parse_unsigned(text, end, base, ULLONG_MAX);
}

CRT_API long long STRTOI64(const UNIT *text, UNIT **end, int base)
{
    return parse_signed(text, end, base, LLONG_MIN, LLONG_MAX);
}

CRT_API unsigned long long STRTOUI64(const UNIT *text, UNIT **end, int base)
{
    return parse_unsigned(text, end, base, ULLONG_MAX);
}

CRT_API int ATOI(const UNIT *text)
{
    return (int)parse_signed(text, NULL, 10, INT_MIN, INT_MAX);
}

CRT_API long ATOL(const UNIT *text)
{
    return parse_signed(text, NULL, 10, LONG_MIN, LONG_MAX);
}

CRT_API long long ATOI64(const UNIT *text)
{
    return parse_signed(text, NULL, 10, LLONG_MIN, LLONG_MAX);
}

/* Writes value in base 2 to 36 with lower-case digits; ERANGE (and an empty target) when it does not fit. */
static errno_t print(uint64_t value, int negative, UNIT *target, size_t units, int base)
{
    UNIT digits[64];
    size_t count = 0, at = 0;

    if (!target || !units)
        return EINVAL;
    target[0] = 0;
    if (base < 2 || base > 36)
        return EINVAL;
    do
        digits[count++] = (UNIT) "0123456789abcdefghijklmnopqrstuvwxyz"[value % (unsigned)base];
    while (value /= (unsigned)base);
    if (count + (negative != 0) >= units)
        return ERANGE;
    if (negative)
        target[at++] = '-';
    while (count)
        target[at++] = digits[--count];
    target[at] = 0;
    return 0;
}

/* Only base 10 has negative numbers: other bases show the bits of a number of `bits` bits. */
static errno_t print_signed(int64_t value, unsigned bits, UNIT *target, size_t units, int base)
{
    if (base == 10 && value < 0)
        return print(0 - (uint64_t)value, 1, target, units, base);
    return print((uint64_t)value & (UINT64_MAX >> (64 - bits)), 0, target, units, base);
}

#define LONG_BITS 32
#define UNCHECKED 67 /* 64 binary digits, sign, terminator: what an unchecked function may need */

CRT_API errno_t ITOA_S(int value, UNIT *target, size_t units, int base)
{
    return print_signed(value, 32, target, units, base);
}

CRT_API errno_t LTOA_S(long value, UNIT *target, size_t units, int base)
{
    return print_signed((int)value, LONG_BITS, target, units, base);
}

CRT_API errno_t ULTOA_S(unsigned long value, UNIT *target, size_t units, int base)
{
    return print((unsigned)value, 0, target, units, base);
}

CRT_API errno_t I64TOA_S(long long value, UNIT *target, size_t units, int base)
{
    return print_signed(value, 64, target, units, base);
}

CRT_API errno_t UI64TOA_S(unsigned long long value, UNIT *target, size_t units, int base)
{
    return print(value, 0, target, units, base);
}

CRT_API UNIT *ITOA(int value, UNIT *target, int base)
{
    ITOA_S(value, target, UNCHECKED, base);
    return target;
}

CRT_API UNIT *LTOA(long value, UNIT *target, int base)
{
    LTOA_S(value, target, UNCHECKED, base);
    return target;
}

CRT_API UNIT *ULTOA(unsigned long value, UNIT *target, int base)
{
    ULTOA_S(value, target, UNCHECKED, base);
    return target;
}

CRT_API UNIT *I64TOA(long long value, UNIT *target, int base)
{
    I64TOA_S(value, target, UNCHECKED, base);
    return target;
}

CRT_API UNIT *UI64TOA(unsigned long long value, UNIT *target, int base)
{
    UI64TOA_S(value, target, UNCHECKED, base);
    return target;
}
