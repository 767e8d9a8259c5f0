/*
 * buffer.c - provided buffers: two sizes, taken when data is there, cached per loop up to a limit: those that the
 * loop's own thread gives back without a lock.
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

static struct buffer *pop(struct buffers *unused)
{
    struct buffer *buffer = unused->first;
    if (buffer) {
        unused->first = buffer->next;
        unused->count--;
    }
    return buffer;
}

/* False: it keeps enough of them. */
static bool push(struct buffers *unused, struct buffer *buffer)
{
    if (unused->count >= (buffer->large ? PROVIDED_LARGE_CACHE : PROVIDED_SMALL_CACHE))
        return false;
    buffer->next = unused->first;
    unused->first = buffer;
    unused->count++;
    return true;
}

static struct buffer *pop_shared(struct loop *loop, bool large)
{
    lock_take(&loop->buffer_lock);
    struct buffer *buffer = pop(&loop->buffers[large]);
    lock_release(&loop->buffer_lock);
    return buffer;
}

static bool push_shared(struct loop *loop, struct buffer *buffer)
{
    lock_take(&loop->buffer_lock);
    bool keep = push(&loop->buffers[buffer->large], buffer);
    lock_release(&loop->buffer_lock);
    return keep;
}

static void count_out(struct loop *loop, bool mine, long change)
{
    if (mine) /* nobody else writes it */
        atomic_store_explicit(&loop->own_buffers_out,
                              atomic_load_explicit(&loop->own_buffers_out, memory_order_relaxed) + change,
                              memory_order_relaxed);
    else
        atomic_fetch_add(&loop->transport->buffers_out, change);
}

void *buffer_get(struct loop *loop, bool large)
{
    bool mine = loop_is_mine(loop);
    struct buffer *buffer = mine ? pop(&loop->own_buffers[large]) : NULL;
    if (!buffer)
        buffer = pop_shared(loop, large);
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
    count_out(loop, mine, 1);
    return buffer + 1;
}

void buffer_unget(void *provided)
{
    struct buffer *buffer = buffer_of(provided);
    struct loop *loop = buffer->home;
    bool mine = loop_is_mine(loop);
    buffer->out = false;
    count_out(loop, mine, -1);
    /* A late reader is a bug of the owner: let ASan name it. */
    host_memory_poison(buffer + 1, buffer_size(buffer->large));
    if (!(mine && push(&loop->own_buffers[buffer->large], buffer)) && !push_shared(loop, buffer))
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
        for (struct buffer *buffer; (buffer = pop(&loop->own_buffers[large])) != NULL;)
            buffer_free(buffer);
        for (struct buffer *buffer; (buffer = pop(&loop->buffers[large])) != NULL;)
            buffer_free(buffer);
    }
}
