/*
 * memory.c - the pool that everything of the network lives in, and byte queues.
 *
 * Pages come from the host (in a run: from its arena) and go back all at once in net_stop(); a run that was
 * stopped in the middle leaves them to the arena.
 */
#include "transport/sim/internal.h"

#include <string.h>

/* The last class is for the longest datagrams: each has a chunk of its own. */
enum { CHUNK = 64 * 1024, CLASSES = 9, LONGEST = 17 * 4096 - 64 };
static const size_t sizes[CLASSES] = {64, 128, 256, 512, 1024, 2048, 4096, 16384 + 64, LONGEST};

struct net_chunk {
    struct net_chunk *next;
    size_t bytes;
    char pad[48];
};
_Static_assert(sizeof(struct net_chunk) == 64, "what follows it is aligned to 64");
_Static_assert(CLASSES == sizeof(net_world.freed) / sizeof(net_world.freed[0]), "a list for each class");

static unsigned class_of(size_t bytes)
{
    unsigned class = 0;
    while (class < CLASSES && sizes[class] < bytes)
        class ++;
    return class;
}

static void *chunk(size_t bytes)
{
    struct net_chunk *chunk = host_pages_allocate(bytes, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    if (!chunk)
        return NULL;
    chunk->bytes = bytes;
    chunk->next = net_world.chunks;
    net_world.chunks = chunk;
    return chunk + 1;
}

static void *fresh(size_t bytes)
{
    struct net_world *world = &net_world;
    if (world->fresh_bytes < bytes) { /* the rest of the last chunk stays unused */
        char *memory = chunk(CHUNK);
        if (!memory)
            return NULL;
        world->fresh = memory;
        world->fresh_bytes = CHUNK - sizeof(struct net_chunk);
    }
    void *memory = world->fresh;
    world->fresh += bytes;
    world->fresh_bytes -= bytes;
    return memory;
}

void *net_allocate(size_t bytes)
{
    unsigned class = class_of(bytes);
    if (class == CLASSES) /* a table: rare, and never given back before net_stop() */
        return chunk((bytes + sizeof(struct net_chunk) + 4095) & ~(size_t)4095);
    void *memory = net_world.freed[class];
    if (!memory) /* pages come zeroed */
        return class == CLASSES - 1 ? chunk(LONGEST + sizeof(struct net_chunk)) : fresh(sizes[class]);
    host_memory_unpoison(memory, sizes[class]);
    net_world.freed[class] = *(void **)memory;
    memset(memory, 0, bytes);
    return memory;
}

void net_free(void *memory, size_t bytes)
{
    unsigned class = class_of(bytes);
    if (!memory || class == CLASSES)
        return;
    *(void **)memory = net_world.freed[class];
    net_world.freed[class] = memory;
    host_memory_poison(memory, sizes[class]);
}

void net_pool_close(void)
{
    struct net_chunk *chunk = net_world.chunks;
    net_world.chunks = NULL;
    net_world.fresh_bytes = 0;
    memset(net_world.freed, 0, sizeof(net_world.freed));
    while (chunk) {
        struct net_chunk *next = chunk->next;
        host_memory_unpoison(chunk, chunk->bytes);
        host_pages_free(chunk, chunk->bytes);
        chunk = next;
    }
}

/* ---- byte queues ------------------------------------------------------------------------------------------- */

enum { BLOCK = 2048, BLOCK_DATA = BLOCK - sizeof(void *) };
struct net_block {
    struct net_block *next;
    char data[BLOCK_DATA];
};

int net_flow_write(struct net_flow *flow, const void *data, size_t bytes)
{
    const char *from = data;
    uint64_t end = flow->written + bytes;
    while (flow->written < end) {
        size_t used = (size_t)(flow->written - flow->base) % BLOCK_DATA;
        if (used == 0 || !flow->tail) {
            struct net_block *block = net_allocate(sizeof(*block));
            if (!block)
                return -1;
            if (flow->tail)
                flow->tail->next = block;
            else {
                flow->head = block;
                flow->base = flow->written;
                used = 0;
            }
            flow->tail = block;
        }
        size_t piece = BLOCK_DATA - used;
        if (piece > end - flow->written)
            piece = (size_t)(end - flow->written);
        memcpy(flow->tail->data + used, from, piece);
        from += piece;
        flow->written += piece;
    }
    return 0;
}

void net_flow_read(struct net_flow *flow, void *data, size_t bytes)
{
    char *to = data;
    assert(bytes <= flow->delivered - flow->consumed);
    while (bytes) {
        size_t at = (size_t)(flow->consumed - flow->base);
        size_t piece = BLOCK_DATA - at;
        if (piece > bytes)
            piece = bytes;
        if (to) {
            memcpy(to, flow->head->data + at, piece);
            to += piece;
        }
        flow->consumed += piece;
        bytes -= piece;
        if (at + piece == BLOCK_DATA) {
            struct net_block *empty = flow->head;
            flow->head = empty->next;
            flow->base += BLOCK_DATA;
            if (!flow->head)
                flow->tail = NULL;
            net_free(empty, sizeof(*empty));
        }
    }
}

void net_flow_close(struct net_flow *flow)
{
    while (flow->head) {
        struct net_block *block = flow->head;
        flow->head = block->next;
        net_free(block, sizeof(*block));
    }
    flow->tail = NULL;
}
