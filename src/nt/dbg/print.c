/*
 * print.c - DbgPrint and its relatives.
 *
 * A message becomes one line per newline in it, handed out at once: a message without newline at its end is a
 * line of its own, so that nothing is held back when the driver dies after it.  Windows cuts a message at 512
 * bytes; here it is whole.  Every component and level is printed.
 */
#include "nt/dbg/dbg.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "crt/format.h"
#include "host/host.h"
#include <string.h>

#define PRINT_TAG 0x20676244u /* "Dbg " */

enum { ON_STACK = 512, LONGEST = 1 << 20, LINE_HEAD = 64 };

static void (*line_sink)(void *context, const struct dbg_line *line);
static void *line_sink_context;

void dbg_set_sink(void (*sink)(void *context, const struct dbg_line *line), void *context)
{
    line_sink_context = context;
    __atomic_store_n(&line_sink, sink, __ATOMIC_RELEASE);
}

static int format_text(char *buffer, size_t units, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = uwskcrt_format(buffer, units, format, arguments);
    va_end(arguments);
    return length;
}

/* Memory for a text of `bytes`, on top of a buffer on the stack; NULL when there is none. */
static char *room_for(char *on_stack, size_t on_stack_bytes, size_t bytes)
{
    return bytes <= on_stack_bytes
               ? on_stack
               : ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, bytes, PRINT_TAG);
}

/* "[   12.345678] T3 D2 text": seconds, thread, and the IRQL when it is not PASSIVE_LEVEL. */
static void log_line(const struct dbg_line *line)
{
    char on_stack[ON_STACK];
    size_t bytes = line->length + LINE_HEAD;
    char *text = room_for(on_stack, sizeof(on_stack), bytes);
    int length;

    if (!text) {
        host_log(HOST_LOG_DRIVER, line->text); /* without its head rather than not at all */
        return;
    }
    length = format_text(text, bytes - 1,
                         line->irql ? "[%5I64u.%06u] T%I64u I%u %s" : "[%5I64u.%06u] T%I64u %.0u%s",
                         line->time / 1000000000u, (ULONG)(line->time / 1000u % 1000000u), line->thread,
                         (ULONG)line->irql, line->text);
    text[length < 0 ? 0 : (size_t)length < bytes - 1 ? (size_t)length : bytes - 1] = 0;
    host_log(HOST_LOG_DRIVER, text);
    if (text != on_stack)
        ex_free_pool(text);
}

/* Hands the lines of text[0..length) out; text is changed: newlines become ends. */
static void hand_out(char *text, size_t length, ULONG component, ULONG level)
{
    void (*sink)(void *, const struct dbg_line *) = __atomic_load_n(&line_sink, __ATOMIC_ACQUIRE);
    struct dbg_line line = {.component = component,
                            .level = level,
                            .time = host_now(),
                            .thread = host_self()->id,
                            .irql = ke_current_irql()};
    char *at = text, *end = text + length;

    while (at < end) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        char *next = stop ? stop + 1 : end;

        if (!stop)
            stop = end;
        while (stop > at && stop[-1] == '\r')
            stop--;
        *stop = 0;
        line.text = at;
        line.length = (size_t)(stop - at);
        if (sink)
            sink(line_sink_context, &line);
        else
            log_line(&line);
        at = next;
    }
}

ULONG dbg_vprint(const char *prefix, ULONG component, ULONG level, const char *format, va_list arguments)
{
    char on_stack[ON_STACK];
    size_t prefix_length = prefix ? strlen(prefix) : 0;
    size_t room = sizeof(on_stack) - 1;
    char *text = on_stack;
    va_list again;
    int length;

    if (prefix_length > room / 2)
        prefix_length = room / 2;
    if (prefix_length)
        memcpy(text, prefix, prefix_length);
    va_copy(again, arguments);
    length = uwskcrt_format(text + prefix_length, room - prefix_length, format, arguments);
    if (length > 0 && (size_t)length > room - prefix_length) {
        size_t needed = prefix_length + ((size_t)length < LONGEST ? (size_t)length : LONGEST);
        char *whole = room_for(on_stack, sizeof(on_stack), needed + 1);

        if (whole) {
            memcpy(whole, on_stack, prefix_length);
            uwskcrt_format(whole + prefix_length, needed - prefix_length, format, again);
            text = whole;
            room = needed;
        }
        length = (int)(room - prefix_length);
    }
    va_end(again);
    if (length >= 0)
        hand_out(text, prefix_length + (size_t)length, component, level);
    if (text != on_stack)
        ex_free_pool(text);
    return length < 0 ? (ULONG)STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

void dbg_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    dbg_vprint(NULL, ~0u, DPFLTR_ERROR_LEVEL, format, arguments);
    va_end(arguments);
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/* DbgPrint - prints a message with the conversions of the kernel (T-03).  STATUS_SUCCESS.  Any IRQL. */
ULONG __cdecl DbgPrint(PCSTR Format, ...)
{
    va_list arguments;
    ULONG status;

    va_start(arguments, Format);
    status = dbg_vprint(NULL, ~0u, DPFLTR_INFO_LEVEL, Format, arguments);
    va_end(arguments);
    return status;
}

/* DbgPrintEx - the same with component and level, which do not filter here. */
ULONG __cdecl DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    va_list arguments;
    ULONG status;

    va_start(arguments, Format);
    status = dbg_vprint(NULL, ComponentId, Level, Format, arguments);
    va_end(arguments);
    return status;
}

/* vDbgPrintEx - DbgPrintEx with an argument list. */
ULONG NTAPI vDbgPrintEx(ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist)
{
    return dbg_vprint(NULL, ComponentId, Level, Format, arglist);
}

/* vDbgPrintExWithPrefix - vDbgPrintEx with a text in front of the message. */
ULONG NTAPI vDbgPrintExWithPrefix(PCCH Prefix, ULONG ComponentId, ULONG Level, PCCH Format, va_list arglist)
{
    return dbg_vprint(Prefix, ComponentId, Level, Format, arglist);
}
