/*
 * trace.c - trace lines: texts put together from pieces, printed at once.
 */
#include "nt/dbg/trace.h"
#include "nt/dbg/dbg.h"
#include "nt/ex/ex.h"
#include "crt/format.h"
#include <string.h>

#define TRACE_TAG 0x63617254u /* "Trac" */

enum { LONGEST = 1 << 20 };

static void print_text(unsigned level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    dbg_vprint(NULL, ~0u, level, format, arguments);
    va_end(arguments);
}

void trace_begin(struct trace_text *text)
{
    text->data = text->on_stack;
    text->length = 0;
    text->room = sizeof text->on_stack;
}

/* Room for `more` beyond the length; 0 without memory. */
static int grow(struct trace_text *text, size_t more)
{
    size_t room = text->room;
    char *data;

    if (more > LONGEST - text->length)
        return 0;
    while (room < text->length + more)
        room *= 2;
    data = ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, room, TRACE_TAG);
    if (!data)
        return 0;
    memcpy(data, text->data, text->length);
    if (text->data != text->on_stack)
        ex_free_pool(text->data);
    text->data = data;
    text->room = room;
    return 1;
}

/* The formatter takes its arguments out of the caller's list itself: on this machine a va_list is an array,
 * and what is passed is its address.  Only a list that it had to read twice is copied. */
_Static_assert(sizeof(va_list) > sizeof(void *), "a va_list is an array here");

void trace_add_list(struct trace_text *text, const char *format, va_list *arguments)
{
    size_t left = text->room - text->length;
    va_list again;
    int length;

    va_copy(again, *arguments);
    length = uwskcrt_format(text->data + text->length, left, format, *arguments);
    if (length > 0 && (size_t)length > left) {
        if (grow(text, (size_t)length))
            uwskcrt_format(text->data + text->length, (size_t)length, format, again);
        else
            length = (int)left;
    }
    va_end(again);
    if (length > 0)
        text->length += (size_t)length;
}

void trace_add(struct trace_text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    trace_add_list(text, format, &arguments);
    va_end(arguments);
}

void trace_end(struct trace_text *text, unsigned level)
{
    while (text->length > 0 && (text->data[text->length - 1] == '\n' || text->data[text->length - 1] == '\r'))
        text->length--;
    print_text(level, "%.*s", (int)text->length, text->data);
    trace_drop(text);
}

void trace_drop(struct trace_text *text)
{
    if (text->data != text->on_stack)
        ex_free_pool(text->data);
}
