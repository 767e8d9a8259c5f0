/*
 * pool.c - blocks: size classes, the caches in front of them, and every check at free (K-POOL-01..14).
 *
 * docs/pool.md draws the picture.  Locks, no two of which are ever held together:
 *   struct pool_cache.lock   one of eight, picked by thread; holds freed blocks back and hands the oldest out
 * again struct pool_class.lock   chunks of one class that have free blocks large_lock               freed
 * large blocks that wait to be reused pool_chunk_lock          registry and list of all chunks (chunk.c) No
 * lock is held while the fill pattern is written or checked, or while observers run.
 */
#include "nt/ex/pool.h"
#include "host/host.h"
#include "nt/observe.h"
#include <string.h>

enum {
    FILL_NEW = 0xBA,   /* content of a block that was not asked for zeroed (K-POOL-02) */
    FILL_FREED = 0xDE, /* content of a freed block; what an IRP's Type becomes is not IO_TYPE_IRP */
    FILL_SLACK = 0xFA, /* bytes between the end of the request and the end of the block; bit 0 clear */
    SLACK_CHECKED = 64,
    FREED_CHECKED = 256,
    FILL_LIMIT = 0x10000,
    CACHES = 8,
    CACHE_BLOCKS = 32, /* freed blocks that one cache holds back per class */
    CACHE_BATCH = 8,
    LARGE_CACHED = 16,
    LARGE_CACHED_BYTES = 8 << 20,
    CLASSES = 22
};

/* Block sizes, so that a page holds a whole number of them (K-POOL-01: none straddles a page). */
static const USHORT class_bytes[CLASSES] = {16,  32,  48,  64,  80,  96,  112, 128,  160,  192,  224,
                                            256, 320, 384, 448, 512, 672, 816, 1024, 1360, 2048, PAGE_SIZE};

struct pool_class {
    struct ke_lock lock;
    struct pool_chunk *partial; /* chunks with free blocks */
    ULONG empty;                /* of these, without any used block */
};

struct pool_ring {
    void *blocks[CACHE_BLOCKS]; /* first in, first out: reuse is put off as long as possible */
    ULONG first;
    ULONG count;
};

struct pool_cache {
    struct ke_lock lock;
    struct pool_ring rings[POOL_ARENAS][CLASSES];
} __attribute__((aligned(64)));

static struct pool_class classes[POOL_ARENAS][CLASSES];
static struct pool_cache caches[CACHES];

static struct ke_lock large_lock;
static struct pool_chunk *large_first, *large_last; /* oldest first, linked by next */
static ULONG large_count;
static SIZE_T large_bytes;

/* ---- helpers ------------------------------------------------------------------------------------------ */

static UCHAR arena_of(POOL_FLAGS flags)
{
    return (flags & POOL_FLAG_NON_PAGED_EXECUTE) != 0;
}

/* The smallest class that holds 16 * i bytes. */
static const UCHAR class_by_16[PAGE_SIZE / 16 + 1] = {
    [0 ... 1] = 0,     [2] = 1,           [3] = 2,          [4] = 3,          [5] = 4,
    [6] = 5,           [7] = 6,           [8] = 7,          [9 ... 10] = 8,   [11 ... 12] = 9,
    [13 ... 14] = 10,  [15 ... 16] = 11,  [17 ... 20] = 12, [21 ... 24] = 13, [25 ... 28] = 14,
    [29 ... 32] = 15,  [33 ... 42] = 16,  [43 ... 51] = 17, [52 ... 64] = 18, [65 ... 85] = 19,
    [86 ... 128] = 20, [129 ... 256] = 21};

static ULONG class_of(SIZE_T bytes, BOOLEAN cache_aligned)
{
    ULONG index = class_by_16[(bytes + 15) / 16];

    KE_ASSERT(class_bytes[index] >= bytes && (index == 0 || class_bytes[index - 1] < bytes));
    while (cache_aligned && class_bytes[index] % 64)
        index++;
    return index;
}

static struct pool_cache *my_cache(void)
{
    return &caches[host_self()->id % CACHES];
}

static void fill(void *address, UCHAR byte, SIZE_T bytes)
{
    memset(address, byte, bytes < FILL_LIMIT ? bytes : FILL_LIMIT);
}

/* The first byte in [bytes, bytes+length) that is not `byte`, or NULL.  Each byte equals the one before: that
 * is one fast comparison for the usual case. */
static UCHAR *find_other(UCHAR *bytes, UCHAR byte, SIZE_T length)
{
    if (!length || (bytes[0] == byte && !memcmp(bytes, bytes + 1, length - 1)))
        return NULL;
    while (*bytes == byte)
        bytes++;
    return bytes;
}

static int fault_of(enum ex_pool_kind kind)
{
    static const UCHAR faults[EX_POOL_KIND_MAX] = {[EX_POOL_PLAIN] = HOST_FAULT_POOL,
                                                   [EX_POOL_IRP] = HOST_FAULT_IRP,
                                                   [EX_POOL_MDL] = HOST_FAULT_MDL,
                                                   [EX_POOL_WORK_ITEM] = HOST_FAULT_WORK_ITEM,
                                                   [EX_POOL_DEVICE] = HOST_FAULT_POOL};

    return faults[kind];
}

static int observed_as(enum ex_pool_kind kind)
{
    static const UCHAR objects[EX_POOL_KIND_MAX] = {[EX_POOL_PLAIN] = OBSERVE_POOL,
                                                    [EX_POOL_IRP] = OBSERVE_IRP,
                                                    [EX_POOL_MDL] = OBSERVE_MDL,
                                                    [EX_POOL_WORK_ITEM] = OBSERVE_WORK_ITEM,
                                                    [EX_POOL_DEVICE] = OBSERVE_DEVICE};

    return objects[kind];
}

/* ---- chunks of a class -------------------------------------------------------------------------------- */

static void link_partial(struct pool_class *class, struct pool_chunk *chunk)
{
    chunk->prev = NULL;
    chunk->next = class->partial;
    if (chunk->next)
        chunk->next->prev = chunk;
    class->partial = chunk;
}

static void unlink_partial(struct pool_class *class, struct pool_chunk *chunk)
{
    if (chunk->prev)
        chunk->prev->next = chunk->next;
    else
        class->partial = chunk->next;
    if (chunk->next)
        chunk->next->prev = chunk->prev;
}

/* Splits a new chunk: as many data pages at its end as leave room for their records at its beginning. */
static struct pool_chunk *new_class_chunk(UCHAR arena, ULONG index)
{
    struct pool_chunk *chunk = pool_chunk_map(POOL_CHUNK_BYTES, arena);
    ULONG data_pages = POOL_CHUNK_PAGES - 1;

    if (!chunk)
        return NULL;
    chunk->class_index = (UCHAR)index;
    chunk->block_bytes = class_bytes[index];
    chunk->per_page = PAGE_SIZE / class_bytes[index];
    chunk->inverse = (ULONG)((0x100000000ull + class_bytes[index] - 1) / class_bytes[index]);
    while (sizeof(*chunk) + (SIZE_T)data_pages * chunk->per_page * sizeof(struct pool_record) >
           (SIZE_T)(POOL_CHUNK_PAGES - data_pages) * PAGE_SIZE)
        data_pages--;
    chunk->data = (UCHAR *)chunk + (SIZE_T)(POOL_CHUNK_PAGES - data_pages) * PAGE_SIZE;
    for (ULONG i = 0; i < data_pages * chunk->per_page; i++)
        chunk->records[i].next = (USHORT)(i + 2);
    chunk->records[data_pages * chunk->per_page - 1].next = 0;
    chunk->free_head = 1;
    /* Last, and seen by whoever looks a stray address up: before, no address is a block. */
    __atomic_store_n(&chunk->blocks, data_pages * chunk->per_page, __ATOMIC_RELEASE);
    host_memory_poison(chunk->data, (SIZE_T)data_pages * PAGE_SIZE);
    return chunk;
}

/* Takes up to `count` free blocks; returns how many. */
static ULONG take_from_class(UCHAR arena, ULONG index, void **out, ULONG count)
{
    struct pool_class *class = &classes[arena][index];
    struct pool_chunk *fresh = NULL;
    ULONG taken = 0;

    ke_lock_acquire(&class->lock);
    if (!class->partial) {
        ke_lock_release(&class->lock);
        fresh = new_class_chunk(arena, index);
        ke_lock_acquire(&class->lock);
        if (fresh) {
            link_partial(class, fresh);
            class->empty++;
        }
    }
    while (taken < count && class->partial) {
        struct pool_chunk *chunk = class->partial;
        ULONG at = chunk->free_head - 1u;

        class->empty -= chunk->used++ == 0;
        chunk->free_head = chunk->records[at].next;
        if (!chunk->free_head)
            unlink_partial(class, chunk);
        out[taken++] = chunk->data + (SIZE_T)(at / chunk->per_page) * PAGE_SIZE +
                       (SIZE_T)(at % chunk->per_page) * chunk->block_bytes;
    }
    ke_lock_release(&class->lock);
    return taken;
}

/* Gives blocks back; a class keeps two empty chunks and returns further ones to the host. */
static void give_to_class(UCHAR arena, ULONG index, void **blocks, ULONG count)
{
    struct pool_class *class = &classes[arena][index];
    struct pool_chunk *unused = NULL;

    ke_lock_acquire(&class->lock);
    for (ULONG i = 0; i < count; i++) {
        struct pool_chunk *chunk = pool_chunk_of(blocks[i]);
        UCHAR *start;
        struct pool_record *record = pool_chunk_record(chunk, blocks[i], &start);

        if (!chunk->free_head)
            link_partial(class, chunk);
        record->next = chunk->free_head;
        chunk->free_head = (USHORT)(record - chunk->records + 1);
        if (--chunk->used)
            continue;
        if (class->empty < 2) {
            class->empty++;
        } else {
            unlink_partial(class, chunk);
            chunk->next = unused;
            unused = chunk;
        }
    }
    ke_lock_release(&class->lock);
    while (unused) {
        struct pool_chunk *chunk = unused;

        unused = chunk->next;
        pool_chunk_unmap(chunk);
    }
}

/* ---- caches ------------------------------------------------------------------------------------------- */

static void *ring_pop(struct pool_ring *ring)
{
    void *block = ring->blocks[ring->first];

    ring->first = (ring->first + 1) % CACHE_BLOCKS;
    ring->count--;
    return block;
}

static void ring_push(struct pool_ring *ring, void *block)
{
    ring->blocks[(ring->first + ring->count++) % CACHE_BLOCKS] = block;
}

static void *take_small(UCHAR arena, ULONG index)
{
    struct pool_cache *cache = my_cache();
    struct pool_ring *ring = &cache->rings[arena][index];
    void *batch[CACHE_BATCH];
    void *block = NULL;
    ULONG count;

    ke_lock_acquire(&cache->lock);
    if (ring->count)
        block = ring_pop(ring);
    ke_lock_release(&cache->lock);
    if (block)
        return block;
    count = take_from_class(arena, index, batch, index < CLASSES - 3 ? CACHE_BATCH : 1);
    if (!count)
        return NULL;
    block = batch[--count];
    ke_lock_acquire(&cache->lock);
    while (count && ring->count < CACHE_BLOCKS)
        ring_push(ring, batch[--count]);
    ke_lock_release(&cache->lock);
    if (count)
        give_to_class(arena, index, batch, count);
    return block;
}

static void give_small(UCHAR arena, ULONG index, void *block)
{
    struct pool_cache *cache = my_cache();
    struct pool_ring *ring = &cache->rings[arena][index];
    void *batch[CACHE_BATCH];
    ULONG count = 0;

    ke_lock_acquire(&cache->lock);
    if (ring->count == CACHE_BLOCKS)
        while (count < CACHE_BATCH)
            batch[count++] = ring_pop(ring);
    ring_push(ring, block);
    ke_lock_release(&cache->lock);
    if (count)
        give_to_class(arena, index, batch, count);
}

/* ---- large blocks ------------------------------------------------------------------------------------- */

/* Takes the oldest cached chunk when the cache holds too much; called with the lock held. */
static struct pool_chunk *large_surplus(void)
{
    struct pool_chunk *chunk = large_first;

    if (!chunk || (large_count <= LARGE_CACHED && large_bytes <= LARGE_CACHED_BYTES))
        return NULL;
    large_first = chunk->next;
    if (!large_first)
        large_last = NULL;
    large_count--;
    large_bytes -= chunk->mapped;
    return chunk;
}

static void give_large(struct pool_chunk *chunk)
{
    struct pool_chunk *surplus;

    ke_lock_acquire(&large_lock);
    chunk->next = NULL;
    if (large_last)
        large_last->next = chunk;
    else
        large_first = chunk;
    large_last = chunk;
    large_count++;
    large_bytes += chunk->mapped;
    while ((surplus = large_surplus()) != NULL) {
        ke_lock_release(&large_lock);
        pool_chunk_unmap(surplus);
        ke_lock_acquire(&large_lock);
    }
    ke_lock_release(&large_lock);
}

/* A chunk for one block of `bytes`; *used tells that it has been used before, so that it is not zeroed. */
static struct pool_chunk *take_large(UCHAR arena, SIZE_T bytes, BOOLEAN *used)
{
    SIZE_T mapped = PAGE_SIZE + ((bytes + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1));
    struct pool_chunk *chunk, *previous = NULL;

    ke_lock_acquire(&large_lock);
    for (chunk = large_first; chunk; previous = chunk, chunk = chunk->next)
        if (chunk->mapped == mapped && chunk->arena == arena)
            break;
    if (chunk) {
        if (previous)
            previous->next = chunk->next;
        else
            large_first = chunk->next;
        if (large_last == chunk)
            large_last = previous;
        large_count--;
        large_bytes -= mapped;
    }
    ke_lock_release(&large_lock);
    *used = chunk != NULL;
    if (!chunk) {
        chunk = pool_chunk_map(mapped, arena);
        if (!chunk)
            return NULL;
        chunk->data = (UCHAR *)chunk + PAGE_SIZE;
        chunk->per_page = 1;
        chunk->block_bytes = PAGE_SIZE;
    }
    __atomic_store_n(&chunk->large_bytes, bytes, __ATOMIC_RELEASE);
    /* Last, as in new_class_chunk: whoever looks a stray address up divides by the sizes above. */
    __atomic_store_n(&chunk->blocks, 1, __ATOMIC_RELEASE);
    return chunk;
}

/* ---- allocate ----------------------------------------------------------------------------------------- */

/* A block that was free for a while has to look as it was left (K-POOL-13). */
static void check_still_free(const struct pool_record *record, UCHAR *block, SIZE_T bytes)
{
    UCHAR *changed;

    if (__atomic_load_n(&record->state, __ATOMIC_RELAXED) != POOL_FREE)
        return; /* never used before */
    changed = find_other(block, FILL_FREED, bytes < FREED_CHECKED ? bytes : FREED_CHECKED);
    if (changed)
        ke_bug_check_ex(DRIVER_CAUGHT_MODIFYING_FREED_POOL, changed, 1, 0, record->tag);
}

void *ex_allocate_pool_for(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, enum ex_pool_kind kind, void *caller)
{
    POOL_FLAGS pages = flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED);
    UCHAR arena = arena_of(flags);
    SIZE_T wanted = bytes ? bytes : 1; /* KA10: a request for nothing gets an address of its own */
    SIZE_T room;
    BOOLEAN used = TRUE;
    struct pool_chunk *chunk;
    struct pool_record *record;
    UCHAR *block;

    host_point(HOST_POINT_POOL, NULL);
    if (host_fault(fault_of(kind)))
        return NULL;
    if (wanted <= PAGE_SIZE) {
        ULONG index = class_of(wanted, (flags & POOL_FLAG_CACHE_ALIGNED) != 0);

        room = class_bytes[index];
        block = take_small(arena, index);
        if (!block)
            return NULL;
        chunk = pool_chunk_of(block);
        record = pool_chunk_record(chunk, block, &block);
    } else {
        chunk = wanted < ((SIZE_T)1 << 46) ? take_large(arena, wanted, &used) : NULL;
        if (!chunk)
            return NULL;
        room = chunk->mapped - PAGE_SIZE;
        block = chunk->data;
        record = &chunk->records[0];
    }
    host_memory_unpoison(block, room);
    if (used)
        check_still_free(record, block, room);

    record->caller = caller;
    record->tag = tag;
    record->bytes = (ULONG)bytes;
    record->kind = (UCHAR)kind;
    record->page_type = (UCHAR)(pages >> 4);
    if (!(flags & POOL_FLAG_UNINITIALIZED)) {
        if (used)
            memset(block, 0, wanted);
    } else {
        fill(block, FILL_NEW, wanted);
    }
    if (room > bytes) {
        fill(block + bytes, FILL_SLACK, room - bytes);
        host_memory_poison(block + bytes, room - bytes);
    }
    __atomic_store_n(&record->state, POOL_LIVE, __ATOMIC_RELEASE);
    OBSERVE(born, observed_as(kind), block, tag, bytes, caller);
    return block;
}

void *ex_allocate_pool(POOL_FLAGS flags, SIZE_T bytes, ULONG tag)
{
    return ex_allocate_pool_for(flags, bytes, tag, EX_POOL_PLAIN, NULL);
}

/* ---- free --------------------------------------------------------------------------------------------- */

/* Finds the record of the block that starts exactly here, or does not return. */
static struct pool_chunk *block_of(void *address, struct pool_record **record, void *caller)
{
    struct pool_chunk *chunk = pool_chunk_of(address);
    UCHAR *start = NULL;

    *record = chunk ? pool_chunk_record(chunk, address, &start) : NULL;
    if (!*record || start != address || __atomic_load_n(&(*record)->state, __ATOMIC_ACQUIRE) == POOL_UNUSED)
        ke_bug_check_from(BAD_POOL_CALLER, 0x99, (ULONG_PTR)address, 0, 0, caller); /* K-POOL-11 */
    return chunk;
}

static void check_owner(const struct pool_record *record, void *block, ULONG tag, enum ex_pool_kind kind,
                        void *caller)
{
    if (__atomic_load_n(&record->state, __ATOMIC_ACQUIRE) == POOL_FREE)
        ke_bug_check_from(BAD_POOL_CALLER, 0x07, 0, record->tag, (ULONG_PTR)block, caller); /* K-POOL-11 */
    if (record->kind != kind) {
        if (record->kind == EX_POOL_IRP) /* K-FREE-04 */
            ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x105, (ULONG_PTR)block, 0, 0, caller);
        ke_bug_check_from(BAD_POOL_CALLER, 0x99, (ULONG_PTR)block, record->kind, kind, caller);
    }
    if (tag && tag != record->tag) /* K-POOL-10 */
        ke_bug_check_from(BAD_POOL_CALLER, 0x0A, (ULONG_PTR)block, record->tag, tag, caller);
}

/* Bytes behind the end of the request have to be as they were left (K-POOL-12). */
static void check_slack(UCHAR *block, SIZE_T bytes, SIZE_T room, void *caller)
{
    SIZE_T slack = room - bytes;
    UCHAR *changed;

    if (slack > SLACK_CHECKED)
        slack = SLACK_CHECKED;
    changed = find_other(block + bytes, FILL_SLACK, slack);
    if (changed)
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x51, (ULONG_PTR)block, (ULONG_PTR)changed,
                          bytes, caller);
}

void ex_free_pool_from(void *block, ULONG tag, enum ex_pool_kind kind, void *caller)
{
    struct pool_record *record;
    struct pool_chunk *chunk = block_of(block, &record, caller);
    UCHAR live = POOL_LIVE;
    BOOLEAN large = chunk->large_bytes != 0;
    SIZE_T bytes = large ? chunk->large_bytes : record->bytes;
    SIZE_T room = large ? chunk->mapped - PAGE_SIZE : chunk->block_bytes;

    host_point(HOST_POINT_POOL, block);
    check_owner(record, block, tag, kind, caller);
    if (!__atomic_compare_exchange_n(&record->state, &live, POOL_FREE, FALSE, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        ke_bug_check_from(BAD_POOL_CALLER, 0x07, 0, record->tag, (ULONG_PTR)block, caller);
    OBSERVE(dead, observed_as(kind), block);
    host_memory_unpoison(block, room);
    check_slack(block, bytes, room, caller);
    fill(block, FILL_FREED, room);
    host_memory_poison(block, room);
    if (large)
        give_large(chunk);
    else
        give_small(chunk->arena, chunk->class_index, block);
}

void ex_free_pool_kind(void *block, ULONG tag, enum ex_pool_kind kind)
{
    ex_free_pool_from(block, tag, kind, __builtin_return_address(0));
}

void ex_free_pool(void *block)
{
    ex_free_pool_from(block, 0, EX_POOL_PLAIN, __builtin_return_address(0));
}

/* ---- looking at it ------------------------------------------------------------------------------------ */

static void describe(const struct pool_chunk *chunk, const struct pool_record *record, UCHAR *start,
                     struct ex_pool_block *block)
{
    block->address = start;
    block->bytes = chunk->large_bytes ? chunk->large_bytes : record->bytes;
    block->tag = record->tag;
    block->kind = (enum ex_pool_kind)record->kind;
    block->flags = (POOL_FLAGS)record->page_type << 4;
    block->caller = record->caller;
}

static BOOLEAN query_in(struct pool_chunk *chunk, const volatile void *address, struct ex_pool_block *block)
{
    UCHAR *start;
    struct pool_record *record = chunk ? pool_chunk_record(chunk, address, &start) : NULL;

    if (!record || __atomic_load_n(&record->state, __ATOMIC_ACQUIRE) != POOL_LIVE)
        return FALSE;
    describe(chunk, record, start, block);
    return TRUE;
}

BOOLEAN ex_pool_query(const volatile void *address, struct ex_pool_block *block)
{
    BOOLEAN in_part, found;
    struct pool_chunk *chunk = pool_chunk_covering(address, &in_part);

    if (!in_part)
        return query_in(chunk, address, block);
    ke_lock_acquire(&pool_chunk_lock);
    found = query_in(pool_chunk_covering(address, &in_part), address, block);
    ke_lock_release(&pool_chunk_lock);
    return found;
}

void ex_pool_walk(BOOLEAN (*fn)(void *context, const struct ex_pool_block *block), void *context)
{
    BOOLEAN more = TRUE;

    ke_lock_acquire(&pool_chunk_lock);
    for (struct pool_chunk *chunk = pool_chunks; chunk && more; chunk = chunk->all_next) {
        ULONG blocks = __atomic_load_n(&chunk->blocks, __ATOMIC_ACQUIRE);

        for (ULONG i = 0; i < blocks && more; i++) {
            struct pool_record *record = &chunk->records[i];
            struct ex_pool_block block;

            if (__atomic_load_n(&record->state, __ATOMIC_ACQUIRE) != POOL_LIVE)
                continue;
            describe(chunk, record,
                     chunk->data + (SIZE_T)(i / chunk->per_page) * PAGE_SIZE +
                         (SIZE_T)(i % chunk->per_page) * chunk->block_bytes,
                     &block);
            more = fn(context, &block);
        }
    }
    ke_lock_release(&pool_chunk_lock);
}
