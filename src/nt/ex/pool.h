/*
 * pool.h - what the files of the pool share: pages in chunks below (chunk.c), blocks in classes above
 * (pool.c).
 */
#ifndef UWSK_NT_EX_POOL_H
#define UWSK_NT_EX_POOL_H

#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/observe.h"

enum {
    POOL_ARENAS = 2, /* 0 = not executable, 1 = executable (K-POOL-05) */
    POOL_CHUNK_BYTES = 0x10000,
    POOL_CHUNK_PAGES = POOL_CHUNK_BYTES / PAGE_SIZE
};

/* States of a block.  The step from live to free is one compare-and-swap: of two threads that free the same
 * block one wins and the other is reported. */
enum pool_state {
    POOL_UNUSED = 0,
    POOL_LIVE,
    POOL_FREE,  /* freed as it was */
    POOL_FILLED /* freed, and its edges carry the pattern */
};

/* What is known of one block; kept beside the blocks, so that an overrun cannot reach it.  Written by whoever
 * holds the block, read by ex_pool_walk meanwhile, field by field: with release and acquire, which are plain
 * moves. */
struct pool_record {
    void *caller;
    struct observe_stamp stamp; /* the observer's, see observe.h */
    ULONG tag;
    ULONG bytes; /* as requested; unused in a large chunk */
    USHORT next; /* next free record of the chunk + 1 */
    UCHAR state; /* enum pool_state */
    UCHAR kind;  /* enum ex_pool_kind in the lower 3 bits, the page type above them (pool_kind_byte) */
};

#define POOL_SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)
#define POOL_GET(field)        __atomic_load_n(&(field), __ATOMIC_ACQUIRE)

/* POOL_FLAG_NON_PAGED, _NON_PAGED_EXECUTE and _PAGED are bits 6 to 8: they fit above a kind. */
static inline UCHAR pool_kind_byte(enum ex_pool_kind kind, POOL_FLAGS pages)
{
    return (UCHAR)((unsigned)kind | (unsigned)(pages >> 6) << 3);
}

static inline enum ex_pool_kind pool_kind_of(UCHAR byte)
{
    return (enum ex_pool_kind)(byte & 7);
}

static inline POOL_FLAGS pool_pages_of(UCHAR byte)
{
    return (POOL_FLAGS)(byte >> 3) << 6;
}

/* A run of pages that begins on a 64 KiB boundary: this header and the records first, then whole pages of
 * blocks of one class; or the header page and one large block. */
struct pool_chunk {
    struct pool_chunk *all_next, *all_prev; /* every chunk, in order of creation: pool_chunk_lock */
    struct pool_chunk *next, *prev;         /* chunks of the class with free blocks, or cached large chunks */
    SIZE_T mapped;                          /* bytes of the whole run */
    SIZE_T large_bytes;                     /* requested size of the large block; 0 in a chunk of a class */
    UCHAR *data;                            /* first block */
    ULONG block_bytes;
    ULONG blocks;
    ULONG per_page;
    ULONG inverse; /* 2^32 / block_bytes, rounded up: a division less at each look-up */
    ULONG used;    /* blocks that are not on the free list */
    USHORT free_head;
    UCHAR arena;
    UCHAR class_index;
    struct pool_record records[];
};

extern struct ke_lock pool_chunk_lock;
extern struct pool_chunk *pool_chunks; /* first of all_next */

/* Maps `mapped` bytes, registers them and links the chunk; the header is zeroed but for mapped and arena.
 * NULL when exhausted. */
struct pool_chunk *pool_chunk_map(SIZE_T mapped, UCHAR arena);
void pool_chunk_unmap(struct pool_chunk *chunk);

/* The registry (chunk.c): for each 64 KiB of the address space a bit that says that a chunk begins there, and two
 * about its being covered. */
enum { POOL_LEAF_SLOTS = 1 << 15, POOL_ROOT_SLOTS = 1 << 16, POOL_WORD_BITS = 64 };

struct pool_leaf {
    ULONGLONG head[POOL_LEAF_SLOTS / POOL_WORD_BITS];
    ULONGLONG cover[POOL_LEAF_SLOTS * 2 / POOL_WORD_BITS];
};

extern struct pool_leaf *pool_root[POOL_ROOT_SLOTS];

static inline struct pool_leaf *pool_leaf_of(ULONG_PTR unit)
{
    ULONG_PTR index = unit / POOL_LEAF_SLOTS;

    return index < POOL_ROOT_SLOTS ? __atomic_load_n(&pool_root[index], __ATOMIC_ACQUIRE) : NULL;
}

static inline BOOLEAN pool_test_bit(const ULONGLONG *words, ULONG_PTR slot)
{
    return __atomic_load_n(&words[slot / POOL_WORD_BITS], __ATOMIC_ACQUIRE) >> (slot % POOL_WORD_BITS) & 1;
}

/* The chunk whose first 64 KiB contain address, or NULL; no memory outside the registry is touched to find
 * out. */
static inline struct pool_chunk *pool_chunk_of(const volatile void *address)
{
    ULONG_PTR unit = (ULONG_PTR)address / POOL_CHUNK_BYTES;
    struct pool_leaf *leaf = pool_leaf_of(unit);

    if (!leaf || !pool_test_bit(leaf->head, unit % POOL_LEAF_SLOTS))
        return NULL;
    return (struct pool_chunk *)(unit * POOL_CHUNK_BYTES);
}

/* The same for any address inside a large chunk, too.  *in_part: it covers only a part of the 64 KiB around
 * address, which may be somebody else's: ask again and look into the chunk under pool_chunk_lock. */
struct pool_chunk *pool_chunk_covering(const volatile void *address, BOOLEAN *in_part);
/* The record of the block that contains address; *block gets its start.  NULL for the header and unused
 * space. */
struct pool_record *pool_chunk_record(struct pool_chunk *chunk, const volatile void *address, UCHAR **block);

/* What the POOL_TYPE functions have in common; `also` adds POOL_FLAG_USE_QUOTA or 0.  Tag 0 is a bug check.
 */
void *pool_allocate_typed(POOL_TYPE type, POOL_FLAGS also, SIZE_T bytes, ULONG tag, void *caller);

#endif
