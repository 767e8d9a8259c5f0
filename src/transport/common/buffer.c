/*
 * buffer.c - provided buffers: two sizes, taken when data is there, cached per loop up to a limit.
 *
 * A small one holds what messages and requests are made of; a socket that fills one gets a large one next, and a
 * small one again when a large one was too large: a stream costs a quarter of the calls, and what an owner keeps
 * for long is at most once four times as large as it need be.
 */
#include "transport/common/internal.h"
#include "host/host.h"

#include <stdlib.h>

#define BUFFER_MAGIC 0x62755675u

/* In front of what the owner sees; one cache line, so that the data is aligned to 64. */
struct buffer {
    struct buffer *next;
    struct loop *home;
    uint32_t magic;
    bool out;
    bool large;
    char pad[64 - 2 * sizeof(void *) - sizeof(uint32_t) - 2 * sizeof(bool) - 2];
};
_Static_assert(sizeof(struct buffer) == 64, "the data behind the header is aligned to 64");

static struct buffer *buffer_of(void *provided)
{
    struct buffer *buffer = (struct buffer *)((char *)provided - sizeof(struct buffer));
    assert(buffer->magic == BUFFER_MAGIC && buffer->out);
    return buffer;
}

static void buffer_free(struct buffer *buffer)
{
    host_memory_unpoison(buffer + 1, buffer_size(buffer->large));
    buffer->magic = 0;
    free(buffer);
}

void *buffer_get(struct loop *loop, bool large)
{
    struct buffers *unused = &loop->buffers[large];
    lock_take(&loop->buffer_lock);
    struct buffer *buffer = unused->first;
    if (buffer) {
        unused->first = buffer->next;
        unused->count--;
    }
    lock_release(&loop->buffer_lock);
    if (!buffer) {
        buffer = aligned_alloc(64, sizeof(struct buffer) + buffer_size(large));
        if (!buffer)
            return NULL;
        buffer->home = loop;
        buffer->large = large;
        buffer->magic = BUFFER_MAGIC;
    }
    buffer->next = NULL;
    buffer->out = true;
    host_memory_unpoison(buffer + 1, buffer_size(large));
    atomic_fetch_add(&loop->transport->buffers_out, 1);
    return buffer + 1;
}

void buffer_unget(void *provided)
{
    struct buffer *buffer = buffer_of(provided);
    struct loop *loop = buffer->home;
    struct buffers *unused = &loop->buffers[buffer->large];
    buffer->out = false;
    atomic_fetch_sub(&loop->transport->buffers_out, 1);
    /* A late reader is a bug of the owner: let ASan name it. */
    host_memory_poison(buffer + 1, buffer_size(buffer->large));
    lock_take(&loop->buffer_lock);
    bool keep = unused->count < (buffer->large ? PROVIDED_LARGE_CACHE : PROVIDED_SMALL_CACHE);
    if (keep) {
        buffer->next = unused->first;
        unused->first = buffer;
        unused->count++;
    }
    lock_release(&loop->buffer_lock);
    if (!keep)
        buffer_free(buffer);
}

void common_recycle(struct transport *transport, void *provided)
{
    assert(buffer_of(provided)->home->transport == transport);
    (void)transport;
    buffer_unget(provided);
}

size_t common_provided_size(struct transport *transport)
{
    (void)transport;
    return PROVIDED_LARGE;
}

void buffer_drain(struct loop *loop)
{
    for (int large = 0; large < 2; large++) {
        while (loop->buffers[large].first) {
            struct buffer *buffer = loop->buffers[large].first;
            loop->buffers[large].first = buffer->next;
            buffer_free(buffer);
        }
        loop->buffers[large].count = 0;
    }
}
