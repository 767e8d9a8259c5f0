/*
 * trace.h - a trace line that is put together from pieces.
 */
#ifndef UWSK_NT_DBG_TRACE_H
#define UWSK_NT_DBG_TRACE_H

#include <stdarg.h>
#include <stddef.h>

enum { TRACE_ON_STACK = 512 };

struct trace_text {
    char *data; /* on_stack, or pool; not terminated */
    size_t length, room;
    char on_stack[TRACE_ON_STACK];
};

void trace_begin(struct trace_text *text);
/* Appends what DbgPrint would print; what finds no memory is cut. */
void trace_add(struct trace_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with a list of arguments, which is left behind the last one that the format took. */
void trace_add_list(struct trace_text *text, const char *format, va_list *arguments);
/* Hands the line out through DbgPrint's machinery and frees the text. */
void trace_end(struct trace_text *text, unsigned level);

/* Frees the text without printing it. */
void trace_drop(struct trace_text *text);

#endif
