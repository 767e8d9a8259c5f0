/*
 * text.inc.h - the string functions, once for each kind of character.
 *
 * The including file defines UNIT, UNSIGNED (UNIT without sign), CHARACTER (how a single character is
 * passed), FOLD(unit) (lower case) and RAISE(unit) (upper case), and STR(name) and _STR(name), which make the
 * names: STR(cpy) is strcpy or wcscpy, _STR(icmp) is _stricmp or _wcsicmp.
 */

CRT_API size_t STR(nlen)(const UNIT *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        length++;
    return length;
}

CRT_API size_t STR(nlen_s)(const UNIT *text, size_t limit)
{
    return text ? STR(nlen)(text, limit) : 0;
}

CRT_API UNIT *STR(cpy)(UNIT *target, const UNIT *source)
{
    for (size_t i = 0; (target[i] = source[i]) != 0; i++)
        ;
    return target;
}

CRT_API UNIT *STR(ncpy)(UNIT *target, const UNIT *source, size_t count)
{
    size_t i = 0;

    for (; i < count && source[i]; i++)
        target[i] = source[i];
    for (; i < count; i++)
        target[i] = 0;
    return target;
}

CRT_API UNIT *STR(cat)(UNIT *target, const UNIT *source)
{
    STR(cpy)(target + STR(len)(target), source);
    return target;
}

CRT_API UNIT *STR(ncat)(UNIT *target, const UNIT *source, size_t count)
{
    UNIT *end = target + STR(len)(target);

    for (; count && *source; count--)
        *end++ = *source++;
    *end = 0;
    return target;
}

/* -1, 0 or 1: units compare without sign. */
CRT_API int STR(ncmp)(const UNIT *left, const UNIT *right, size_t count)
{
    for (; count; count--, left++, right++) {
        UNSIGNED a = (UNSIGNED)*left, b = (UNSIGNED)*right;
        if (a != b)
            return a < b ? -1 : 1;
        if (!a)
            break;
    }
    return 0;
}

CRT_API int STR(cmp)(const UNIT *left, const UNIT *right)
{
    return STR(ncmp)(left, right, SIZE_MAX);
}

CRT_API int _STR(nicmp)(const UNIT *left, const UNIT *right, size_t count)
{
    for (; count; count--, left++, right++) {
        UNSIGNED a = (UNSIGNED)FOLD(*left), b = (UNSIGNED)FOLD(*right);
        if (a != b)
            return a < b ? -1 : 1;
        if (!a)
            break;
    }
    return 0;
}

CRT_API int _STR(icmp)(const UNIT *left, const UNIT *right)
{
    return _STR(nicmp)(left, right, SIZE_MAX);
}

CRT_API UNIT *STR(chr)(const UNIT *text, CHARACTER character)
{
    for (;; text++) {
        if (*text == (UNIT)character)
            return (UNIT *)text;
        if (!*text)
            return NULL;
    }
}

CRT_API UNIT *STR(rchr)(const UNIT *text, CHARACTER character)
{
    const UNIT *last = NULL;

    for (;; text++) {
        if (*text == (UNIT)character)
            last = text;
        if (!*text)
            return (UNIT *)last;
    }
}

CRT_API UNIT *STR(str)(const UNIT *text, const UNIT *part)
{
    for (;; text++) {
        size_t i = 0;
        while (part[i] && text[i] == part[i])
            i++;
        if (!part[i])
            return (UNIT *)text;
        if (!*text)
            return NULL;
    }
}

static int is_in(UNIT unit, const UNIT *set)
{
    for (; *set; set++)
        if (*set == unit)
            return 1;
    return 0;
}

CRT_API size_t STR(spn)(const UNIT *text, const UNIT *set)
{
    size_t length = 0;

    while (text[length] && is_in(text[length], set))
        length++;
    return length;
}

CRT_API size_t STR(cspn)(const UNIT *text, const UNIT *set)
{
    size_t length = 0;

    while (text[length] && !is_in(text[length], set))
        length++;
    return length;
}

CRT_API UNIT *STR(pbrk)(const UNIT *text, const UNIT *set)
{
    text += STR(cspn)(text, set);
    return *text ? (UNIT *)text : NULL;
}

/* Cuts text into tokens; text is NULL after the first call, *context remembers where it stood. */
CRT_API UNIT *STR(tok_s)(UNIT *text, const UNIT *delimiters, UNIT **context)
{
    if (!text)
        text = *context;
    text += STR(spn)(text, delimiters);
    UNIT *end = text + STR(cspn)(text, delimiters);
    *context = *end ? end + 1 : end;
    if (end == text)
        return NULL;
    *end = 0;
    return text;
}

CRT_API UNIT *_STR(upr)(UNIT *text)
{
    for (UNIT *at = text; *at; at++)
        *at = (UNIT)RAISE(*at);
    return text;
}

CRT_API UNIT *_STR(lwr)(UNIT *text)
{
    for (UNIT *at = text; *at; at++)
        *at = (UNIT)FOLD(*at);
    return text;
}

CRT_API errno_t _STR(upr_s)(UNIT *text, rsize_t units)
{
    if (!text || !units)
        return EINVAL;
    if (STR(nlen)(text, units) == units) {
        text[0] = 0;
        return EINVAL;
    }
    _STR(upr)(text);
    return 0;
}

CRT_API errno_t _STR(lwr_s)(UNIT *text, rsize_t units)
{
    if (!text || !units)
        return EINVAL;
    if (STR(nlen)(text, units) == units) {
        text[0] = 0;
        return EINVAL;
    }
    _STR(lwr)(text);
    return 0;
}

CRT_API UNIT *_STR(rev)(UNIT *text)
{
    size_t length = STR(len)(text);

    for (size_t i = 0; i < length / 2; i++) {
        UNIT unit = text[i];
        text[i] = text[length - 1 - i];
        text[length - 1 - i] = unit;
    }
    return text;
}

CRT_API UNIT *_STR(nset)(UNIT *text, CHARACTER character, size_t count)
{
    for (size_t i = 0; i < count && text[i]; i++)
        text[i] = (UNIT)character;
    return text;
}

CRT_API UNIT *_STR(set)(UNIT *text, CHARACTER character)
{
    return _STR(nset)(text, character, SIZE_MAX);
}

/* Puts at most count units of source at target[at..units); the tail of the four copying functions. */
static errno_t put(UNIT *target, size_t units, size_t at, const UNIT *source, size_t count)
{
    size_t length = STR(nlen)(source, count == _TRUNCATE ? units - at : count);
    int cut = length >= units - at;

    if (cut && count != _TRUNCATE) {
        target[0] = 0;
        return ERANGE;
    }
    if (cut)
        length = units - at - 1;
    for (size_t i = 0; i < length; i++)
        target[at + i] = source[i];
    target[at + length] = 0;
    return cut ? STRUNCATE : 0;
}

CRT_API errno_t STR(ncpy_s)(UNIT *target, rsize_t units, const UNIT *source, rsize_t count)
{
    if (!target || !units)
        return EINVAL;
    if (!source) {
        target[0] = 0;
        return count ? EINVAL : 0;
    }
    return put(target, units, 0, source, count);
}

CRT_API errno_t STR(ncat_s)(UNIT *target, rsize_t units, const UNIT *source, rsize_t count)
{
    if (!target || !units)
        return EINVAL;
    size_t length = STR(nlen)(target, units);
    if (length == units || (!source && count)) {
        target[0] = 0;
        return EINVAL;
    }
    return source ? put(target, units, length, source, count) : 0;
}

/* No text is longer than this, so that nothing but the target's size bounds the copy. */
#define WHOLE (SIZE_MAX - 1)

CRT_API errno_t STR(cpy_s)(UNIT *target, rsize_t units, const UNIT *source)
{
    return STR(ncpy_s)(target, units, source, WHOLE);
}

CRT_API errno_t STR(cat_s)(UNIT *target, rsize_t units, const UNIT *source)
{
    return STR(ncat_s)(target, units, source, WHOLE);
}
