/*
 * heap.c - memory of the executive's own objects: threads, counted objects, tables.
 *
 * Apart from the pool, because the pool is the drivers' account and may be told to fail.  Powers of two up to
 * 4 KiB on free lists, whole pages above.  Small and rarely used: one lock.
 */
#include "nt/ke/internal.h"

#include <string.h>

#define HEAP_SMALLEST 64u
#define HEAP_CLASSES  7u /* 64 ... 4096 */
#define HEAP_CHUNK    65536u
#define HEAP_PAGE     4096u

struct heap_free {
    struct heap_free *next;
};

static struct ke_lock heap_lock;
static struct heap_free *heap_free[HEAP_CLASSES];

static unsigned heap_class(size_t bytes)
{
    unsigned class = 0;

    while (((size_t)HEAP_SMALLEST << class) < bytes)
        class ++;
    return class;
}

static size_t heap_pages(size_t bytes)
{
    return (bytes + HEAP_PAGE - 1) & ~(size_t)(HEAP_PAGE - 1);
}

/* Cuts a chunk into blocks of the class, under the lock. */
static void heap_refill(unsigned class)
{
    size_t size = (size_t)HEAP_SMALLEST << class;
    char *chunk = host_pages_allocate(HEAP_CHUNK, HEAP_PAGE, HOST_PAGE_READ | HOST_PAGE_WRITE);

    for (size_t offset = 0; chunk && offset < HEAP_CHUNK; offset += size) {
        struct heap_free *block = (struct heap_free *)(chunk + offset);

        block->next = heap_free[class];
        heap_free[class] = block;
        host_memory_poison(block + 1, size - sizeof *block); /* a sanitizer then sees late users */
    }
}

void *ke_allocate(size_t bytes)
{
    unsigned class = heap_class(bytes);
    struct heap_free *block;

    if (class >= HEAP_CLASSES)
        return host_pages_allocate(heap_pages(bytes), HEAP_PAGE, HOST_PAGE_READ | HOST_PAGE_WRITE);
    ke_raw_acquire(&heap_lock);
    if (!heap_free[class])
        heap_refill(class);
    block = heap_free[class];
    if (block)
        heap_free[class] = block->next;
    ke_raw_release(&heap_lock);
    if (block) {
        host_memory_unpoison(block, (size_t)HEAP_SMALLEST << class);
        memset(block, 0, bytes);
    }
    return block;
}

void ke_free(void *memory, size_t bytes)
{
    unsigned class = heap_class(bytes);
    struct heap_free *block = memory;

    if (class >= HEAP_CLASSES) {
        host_pages_free(memory, heap_pages(bytes));
        return;
    }
    host_memory_poison(block + 1, ((size_t)HEAP_SMALLEST << class) - sizeof *block);
    ke_raw_acquire(&heap_lock);
    block->next = heap_free[class];
    heap_free[class] = block;
    ke_raw_release(&heap_lock);
}
