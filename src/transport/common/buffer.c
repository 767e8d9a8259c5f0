/*
 * buffer.c - provided buffers: one size, taken when data is there, cached per loop up to a limit.
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
    char pad[64 - 2 * sizeof(void *) - sizeof(uint32_t) - sizeof(bool) - 3];
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
    host_memory_unpoison(buffer + 1, PROVIDED_SIZE);
    buffer->magic = 0;
    free(buffer);
}

void *buffer_get(struct loop *loop)
{
    pthread_mutex_lock(&loop->buffer_lock);
    struct buffer *buffer = loop->buffers;
    if (buffer) {
        loop->buffers = buffer->next;
        loop->buffer_count--;
    }
    pthread_mutex_unlock(&loop->buffer_lock);
    if (!buffer) {
        buffer = aligned_alloc(64, sizeof(struct buffer) + PROVIDED_SIZE);
        if (!buffer)
            return NULL;
        buffer->home = loop;
        buffer->magic = BUFFER_MAGIC;
    }
    buffer->next = NULL;
    buffer->out = true;
    host_memory_unpoison(buffer + 1, PROVIDED_SIZE);
    atomic_fetch_add(&loop->transport->buffers_out, 1);
    return buffer + 1;
}

void buffer_unget(void *provided)
{
    struct buffer *buffer = buffer_of(provided);
    struct loop *loop = buffer->home;
    buffer->out = false;
    atomic_fetch_sub(&loop->transport->buffers_out, 1);
    host_memory_poison(buffer + 1, PROVIDED_SIZE); /* a late reader is a bug of the owner: let ASan name it */
    pthread_mutex_lock(&loop->buffer_lock);
    bool keep = loop->buffer_count < PROVIDED_CACHE;
    if (keep) {
        buffer->next = loop->buffers;
        loop->buffers = buffer;
        loop->buffer_count++;
    }
    pthread_mutex_unlock(&loop->buffer_lock);
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
    return PROVIDED_SIZE;
}

void buffer_drain(struct loop *loop)
{
    while (loop->buffers) {
        struct buffer *buffer = loop->buffers;
        loop->buffers = buffer->next;
        buffer_free(buffer);
    }
    loop->buffer_count = 0;
}
