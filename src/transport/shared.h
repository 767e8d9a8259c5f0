/*
 * shared.h - what every back end needs, on Linux and in the simulator: lists, and an op's next segments.
 */
#ifndef UWSK_TRANSPORT_SHARED_H
#define UWSK_TRANSPORT_SHARED_H

#include "transport/transport.h"

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next;
    struct link *prev;
};

static inline void link_init(struct link *link)
{
    link->next = link->prev = link;
}

static inline bool link_empty(const struct link *link)
{
    return link->next == link;
}

static inline void link_append(struct link *head, struct link *item)
{
    item->next = head;
    item->prev = head->prev;
    head->prev->next = item;
    head->prev = item;
}

static inline void link_remove(struct link *item) /* harmless when not in a list */
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    link_init(item);
}

/* An accept or connect is always one of these. */
static inline struct transport_connection_op *transport_connection_op_of(struct transport_op *op)
{
    return (struct transport_connection_op *)op;
}

#define LINK_OWNER(link_, type, member) ((type *)((char *)(link_)-offsetof(type, member)))

/* The next segments of the owner's memory from op->bytes on, at most `count`, cut to `limit` bytes.  Returns their
 * number, 0 when there are none; their sum in *total. */
static inline size_t transport_segments(struct transport_op *op, struct transport_segment *out, size_t count,
                                        size_t limit, size_t *total)
{
    size_t sum = 0;

    count = op->segments(op, op->bytes, out, limit == 1 ? 1 : count);
    for (size_t i = 0; i < count; i++) {
        if (out[i].length >= limit - sum) {
            out[i].length = limit - sum;
            *total = limit;
            return i + 1;
        }
        sum += out[i].length;
    }
    *total = sum;
    return sum ? count : 0;
}

#endif
