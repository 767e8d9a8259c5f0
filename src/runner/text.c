/*
 * text.c - reports are lines of text; these make them.
 */
#include "runner.h"

#include <stdarg.h>
#include <stdio.h>

void runner_line(const struct runner_out *out, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out->line(out->context, text);
}

void runner_stack(const struct runner_out *out, const char *indent, void *const *frames, size_t count)
{
    char name[400];

    for (size_t i = 0; i < count; i++) {
        host_symbolize(frames[i], name, sizeof name);
        runner_line(out, "%s%s", indent, name);
    }
}

const char *runner_duration(uint64_t nanoseconds, char text[24])
{
    if (nanoseconds >= 1000000000u)
        snprintf(text, 24, "%llu.%llu s", (unsigned long long)(nanoseconds / 1000000000u),
                 (unsigned long long)(nanoseconds / 100000000u % 10));
    else
        snprintf(text, 24, "%llu ms", (unsigned long long)(nanoseconds / 1000000u));
    return text;
}

const char *runner_irql_name(unsigned irql, char text[16])
{
    static const char *const names[] = {"PASSIVE", "APC", "DISPATCH"};

    if (irql < sizeof names / sizeof names[0])
        return names[irql];
    snprintf(text, 16, "IRQL %u", irql);
    return text;
}

const char *runner_tag_text(uint64_t tag, char text[16])
{
    char c[4] = {(char)tag, (char)(tag >> 8), (char)(tag >> 16), (char)(tag >> 24)};

    for (int i = 0; i < 4; i++) {
        if (c[i] >= ' ' && c[i] <= '~')
            continue;
        snprintf(text, 16, "0x%08x", (unsigned)tag);
        return text;
    }
    snprintf(text, 16, "'%.4s'", c);
    return text;
}
