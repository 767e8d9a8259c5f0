/*
 * line.h - a connection whose event callbacks are recorded and checked.
 *
 * Every indication is held to what the rules promise of all of them: one callback at a time (D-12), a
 * truthful WSK_FLAG_AT_DISPATCH_LEVEL (R-RECVEV-04), a list that ends (R-IND-03), whose lengths add up
 * (R-RECVEV-08), of one mapped MDL each (D-12), and *BytesAccepted preset (C-DATA-13).  What arrived is kept
 * in `data`.
 */
#ifndef WSK_LINE_H
#define WSK_LINE_H

#include "wsk_test.h"

#define LINE_ROOM (1024 * 1024)

struct line {
    PWSK_SOCKET socket;
    int peer;
    volatile LONG running; /* callbacks inside: never more than one */
    volatile LONG receives, deaths, gracefuls, aborts;
    volatile LONG order_receive, order_disconnect; /* wt_mark() of the last one */
    volatile LONG dispatched, passive;             /* callbacks at either level */
    UCHAR *data;                                   /* what was indicated and accepted */
    volatile LONG bytes;
    /* Decides instead of the default (accept all); the data is kept only by line_keep. */
    NTSTATUS (*on_receive)(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted);
    void (*on_disconnect)(struct line *line, ULONG flags);
    volatile LONG step; /* for the two */
    PVOID extra;
};

extern const WSK_CLIENT_CONNECTION_DISPATCH line_dispatch;

void line_init(struct line *line);
void line_free(struct line *line);
/* A connection that WSK opened; these events enabled. */
void line_open(struct line *line, ADDRESS_FAMILY family, ULONG events);
/* Disables an event, waiting for a callback that may still be on its way out. */
void line_disable(PWSK_SOCKET socket, ULONG event);
/* Closes, checks that nothing comes any more, frees. */
void line_close(struct line *line);
/* Takes `bytes` bytes of a list into data. */
void line_keep(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes);
SIZE_T line_length(PWSK_DATA_INDICATION list);

/* Bytes that differ at every offset in view: byte i of the stream `seed`. */
static inline UCHAR line_pattern(ULONG seed, SIZE_T i)
{
    return (UCHAR)((i * 167 + (i >> 8) * 13 + (i >> 16) * 7 + seed * 31) & 0xff);
}
static inline void line_fill(UCHAR *bytes, SIZE_T length, ULONG seed, SIZE_T from)
{
    SIZE_T i;

    for (i = 0; i < length; i++)
        bytes[i] = line_pattern(seed, from + i);
}
static inline void line_expect(const UCHAR *bytes, SIZE_T length, ULONG seed, SIZE_T from)
{
    SIZE_T i;

    for (i = 0; i < length; i++)
        if (bytes[i] != line_pattern(seed, from + i))
            uwsk_test_fail(__FILE__, __LINE__, "byte %llu is %02x, not %02x", (unsigned long long)(from + i),
                           bytes[i], line_pattern(seed, from + i));
}

/* A number read while callbacks change it. */
static inline LONG line_read(const volatile LONG *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

#endif
