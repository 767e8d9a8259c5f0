/*
 * strsafe.inc.h - the RtlString functions of ntstrsafe.h, once for each kind of character.
 *
 * The including file defines UNIT, FORMAT (the formatter), CCH(name) and CB(name), which make the names.
 */

/* A target on its way through one of the functions. */
struct target {
    UNIT *text;
    size_t units; /* room, with the terminator */
    size_t spare; /* bytes beyond the last whole unit, for the Cb functions */
    size_t kept;  /* units that it held before: where a Cat begins */
    ULONG flags;
};

/* Counts units before the terminator, at most limit. */
static size_t length_of(const UNIT *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        length++;
    return length;
}

static int target_valid(const struct target *target)
{
    if (target->flags & ~(ULONG)STRSAFE_VALID_FLAGS || target->units > NTSTRSAFE_MAX_CCH)
        return 0;
    if (target->flags & STRSAFE_IGNORE_NULLS)
        return target->text || !target->units;
    return target->text && target->units;
}

/* Appends bounded units of source behind what is kept. */
static NTSTATUS put_units(struct target *target, size_t *length, const UNIT *source, size_t limit)
{
    size_t room = target->units - target->kept; /* with the terminator */
    size_t count = length_of(source, limit < room ? limit : room);
    NTSTATUS status = STATUS_SUCCESS;

    if (count == room) {
        status = STATUS_BUFFER_OVERFLOW;
        count--;
    }
    for (size_t i = 0; i < count; i++)
        target->text[target->kept + i] = source[i];
    *length = target->kept + count;
    target->text[*length] = 0;
    return status;
}

static NTSTATUS put_format(struct target *target, size_t *length, const UNIT *format, va_list arguments)
{
    int wanted = FORMAT(target->text, target->units - 1, format, arguments);
    int cut = wanted < 0 || (size_t)wanted > target->units - 1;

    *length = cut ? target->units - 1 : (size_t)wanted;
    target->text[*length] = 0;
    return cut ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static void fill(void *memory, ULONG flags, size_t bytes)
{
    memset(memory, (int)(flags & 0xff), bytes);
}

/* Does what the flags ask for and reports the end and the rest; length is where the terminator stands. */
static NTSTATUS finish(struct target *target, NTSTATUS status, size_t length, UNIT **end, size_t *remaining,
                       size_t unit_bytes)
{
    size_t bytes = target->units * sizeof(UNIT) + target->spare;

    if (status == STATUS_SUCCESS) {
        if (target->flags & STRSAFE_FILL_BEHIND_NULL && target->units)
            fill(target->text + length + 1, target->flags, bytes - (length + 1) * sizeof(UNIT));
    } else if (target->text && target->units) {
        if (target->flags & STRSAFE_NO_TRUNCATION) {
            length = target->kept;
            target->text[length] = 0;
        }
        if (target->flags & STRSAFE_FILL_ON_FAILURE) {
            fill(target->text, target->flags, bytes);
            length = target->flags & 0xff ? target->units - 1 : 0;
            target->text[length] = 0;
        }
        if (target->flags & STRSAFE_NULL_ON_FAILURE) {
            length = 0;
            target->text[0] = 0;
        }
    }
    if (status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW) {
        if (end)
            *end = target->text ? target->text + length : NULL;
        if (remaining)
            *remaining = unit_bytes ? bytes - length * sizeof(UNIT) : target->units - length;
    }
    return status;
}

/* The body of every Copy and Cat; unit_bytes says that *remaining is in bytes. */
static NTSTATUS place(struct target *target, int append, const UNIT *source, size_t limit, UNIT **end,
                      size_t *remaining, size_t unit_bytes)
{
    static const UNIT empty[1];
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    size_t length = 0;

    if (!target_valid(target))
        return status;
    if (append && target->units) {
        target->kept = length_of(target->text, target->units);
        if (target->kept == target->units)
            return status; /* no terminator: nothing to append to */
        length = target->kept;
    }
    if (!source && target->flags & STRSAFE_IGNORE_NULLS)
        source = empty;
    if (source && (limit == STRSAFE_ALL || limit <= NTSTRSAFE_MAX_CCH)) {
        if (target->units)
            status = put_units(target, &length, source, limit);
        else if (!limit || !*source)
            status = STATUS_SUCCESS;
        else
            status = target->text ? STATUS_BUFFER_OVERFLOW : STATUS_INVALID_PARAMETER;
    } else if (target->units && !append) {
        target->text[0] = 0;
    }
    return finish(target, status, length, end, remaining, unit_bytes);
}

static NTSTATUS place_format(struct target *target, const UNIT *format, va_list arguments, UNIT **end,
                             size_t *remaining, size_t unit_bytes)
{
    static const UNIT empty[1];
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    size_t length = 0;

    if (!target_valid(target))
        return status;
    if (!format && target->flags & STRSAFE_IGNORE_NULLS)
        format = empty;
    if (format) {
        if (target->units)
            status = put_format(target, &length, format, arguments);
        else if (!*format)
            status = STATUS_SUCCESS;
        else
            status = target->text ? STATUS_BUFFER_OVERFLOW : STATUS_INVALID_PARAMETER;
    } else if (target->units) {
        target->text[0] = 0;
    }
    return finish(target, status, length, end, remaining, unit_bytes);
}

#define TARGET_CCH(text, units, flags)                                                                       \
    {                                                                                                        \
        text, units, 0, 0, flags                                                                             \
    }
#define TARGET_CB(text, bytes, flags)                                                                        \
    {                                                                                                        \
        text, (bytes) / sizeof(UNIT), (bytes) % sizeof(UNIT), 0, flags                                       \
    }

CRT_API NTSTATUS CCH(Copy)(UNIT *text, size_t units, const UNIT *source)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place(&target, 0, source, STRSAFE_ALL, NULL, NULL, 0);
}

CRT_API NTSTATUS CB(Copy)(UNIT *text, size_t bytes, const UNIT *source)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place(&target, 0, source, STRSAFE_ALL, NULL, NULL, 0);
}

CRT_API NTSTATUS CCH(CopyEx)(UNIT *text, size_t units, const UNIT *source, UNIT **end, size_t *remaining,
                             ULONG flags)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place(&target, 0, source, STRSAFE_ALL, end, remaining, 0);
}

CRT_API NTSTATUS CB(CopyEx)(UNIT *text, size_t bytes, const UNIT *source, UNIT **end, size_t *remaining,
                            ULONG flags)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place(&target, 0, source, STRSAFE_ALL, end, remaining, 1);
}

/* A bound that a caller passes: STRSAFE_ALL is no valid one. */
#define BOUND(limit) ((limit) == STRSAFE_ALL ? STRSAFE_ALL - 1 : (limit))

CRT_API NTSTATUS CCH(CopyN)(UNIT *text, size_t units, const UNIT *source, size_t limit)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place(&target, 0, source, BOUND(limit), NULL, NULL, 0);
}

CRT_API NTSTATUS CB(CopyN)(UNIT *text, size_t bytes, const UNIT *source, size_t limit)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place(&target, 0, source, BOUND(limit / sizeof(UNIT)), NULL, NULL, 0);
}

CRT_API NTSTATUS CCH(CopyNEx)(UNIT *text, size_t units, const UNIT *source, size_t limit, UNIT **end,
                              size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place(&target, 0, source, BOUND(limit), end, remaining, 0);
}

CRT_API NTSTATUS CB(CopyNEx)(UNIT *text, size_t bytes, const UNIT *source, size_t limit, UNIT **end,
                             size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place(&target, 0, source, BOUND(limit / sizeof(UNIT)), end, remaining, 1);
}

CRT_API NTSTATUS CCH(Cat)(UNIT *text, size_t units, const UNIT *source)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place(&target, 1, source, STRSAFE_ALL, NULL, NULL, 0);
}

CRT_API NTSTATUS CB(Cat)(UNIT *text, size_t bytes, const UNIT *source)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place(&target, 1, source, STRSAFE_ALL, NULL, NULL, 0);
}

CRT_API NTSTATUS CCH(CatEx)(UNIT *text, size_t units, const UNIT *source, UNIT **end, size_t *remaining,
                            ULONG flags)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place(&target, 1, source, STRSAFE_ALL, end, remaining, 0);
}

CRT_API NTSTATUS CB(CatEx)(UNIT *text, size_t bytes, const UNIT *source, UNIT **end, size_t *remaining,
                           ULONG flags)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place(&target, 1, source, STRSAFE_ALL, end, remaining, 1);
}

CRT_API NTSTATUS CCH(CatN)(UNIT *text, size_t units, const UNIT *source, size_t limit)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place(&target, 1, source, BOUND(limit), NULL, NULL, 0);
}

CRT_API NTSTATUS CB(CatN)(UNIT *text, size_t bytes, const UNIT *source, size_t limit)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place(&target, 1, source, BOUND(limit / sizeof(UNIT)), NULL, NULL, 0);
}

CRT_API NTSTATUS CCH(CatNEx)(UNIT *text, size_t units, const UNIT *source, size_t limit, UNIT **end,
                             size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place(&target, 1, source, BOUND(limit), end, remaining, 0);
}

CRT_API NTSTATUS CB(CatNEx)(UNIT *text, size_t bytes, const UNIT *source, size_t limit, UNIT **end,
                            size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place(&target, 1, source, BOUND(limit / sizeof(UNIT)), end, remaining, 1);
}

CRT_API NTSTATUS CCH(VPrintf)(UNIT *text, size_t units, const UNIT *format, va_list arguments)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place_format(&target, format, arguments, NULL, NULL, 0);
}

CRT_API NTSTATUS CB(VPrintf)(UNIT *text, size_t bytes, const UNIT *format, va_list arguments)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place_format(&target, format, arguments, NULL, NULL, 0);
}

CRT_API NTSTATUS CCH(VPrintfEx)(UNIT *text, size_t units, UNIT **end, size_t *remaining, ULONG flags,
                                const UNIT *format, va_list arguments)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place_format(&target, format, arguments, end, remaining, 0);
}

CRT_API NTSTATUS CB(VPrintfEx)(UNIT *text, size_t bytes, UNIT **end, size_t *remaining, ULONG flags,
                               const UNIT *format, va_list arguments)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place_format(&target, format, arguments, end, remaining, 1);
}

CRT_API NTSTATUS CCH(Printf)(UNIT *text, size_t units, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = CCH(VPrintf)(text, units, format, arguments);
    va_end(arguments);
    return status;
}

CRT_API NTSTATUS CB(Printf)(UNIT *text, size_t bytes, const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = CB(VPrintf)(text, bytes, format, arguments);
    va_end(arguments);
    return status;
}

CRT_API NTSTATUS CCH(PrintfEx)(UNIT *text, size_t units, UNIT **end, size_t *remaining, ULONG flags,
                               const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = CCH(VPrintfEx)(text, units, end, remaining, flags, format, arguments);
    va_end(arguments);
    return status;
}

CRT_API NTSTATUS CB(PrintfEx)(UNIT *text, size_t bytes, UNIT **end, size_t *remaining, ULONG flags,
                              const UNIT *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = CB(VPrintfEx)(text, bytes, end, remaining, flags, format, arguments);
    va_end(arguments);
    return status;
}

CRT_API NTSTATUS CCH(Length)(const UNIT *text, size_t most, size_t *length)
{
    size_t count = text && most <= NTSTRSAFE_MAX_CCH ? length_of(text, most) : most;
    int found = text && most <= NTSTRSAFE_MAX_CCH && count < most;

    if (length)
        *length = found ? count : 0;
    return found ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

CRT_API NTSTATUS CB(Length)(const UNIT *text, size_t most, size_t *length)
{
    NTSTATUS status = CCH(Length)(text, most / sizeof(UNIT), length);

    if (length)
        *length *= sizeof(UNIT);
    return status;
}
