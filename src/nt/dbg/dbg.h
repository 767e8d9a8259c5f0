/*
 * dbg.h - DbgPrint and its relatives: lines of text with their time, thread and IRQL.
 */
#ifndef UWSK_NT_DBG_H
#define UWSK_NT_DBG_H

#include <wdm.h>

struct dbg_line {
    ULONG component; /* DPFLTR_*_ID; ~0 = DbgPrint */
    ULONG level;     /* DPFLTR_*_LEVEL */
    ULONGLONG time;  /* host_now(), nanoseconds */
    ULONGLONG thread;
    KIRQL irql;
    const char *text; /* one line, NUL-terminated, without its newline; UTF-8 */
    size_t length;
};

/* Where finished lines go.  NULL restores the default: host_log(HOST_LOG_DRIVER) with time, thread and IRQL
 * in front.  The sink runs on the printing thread at any IRQL and must not print. */
void dbg_set_sink(void (*sink)(void *context, const struct dbg_line *line), void *context);

/* A message of the runtime itself, formatted like DbgPrint.  Any IRQL. */
void dbg_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
ULONG dbg_vprint(const char *prefix, ULONG component, ULONG level, const char *format, va_list arguments);

/* The provider of events that EtwRegister has made (an object of the account); FALSE when it is none. */
BOOLEAN dbg_provider_guid(const void *object, GUID *id);

#endif
