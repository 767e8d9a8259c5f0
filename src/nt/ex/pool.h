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
    uint64_t when; /* this and `site`: the observer's stamp, see observe.h */
    uint32_t site;
    ULONG tag;
    ULONG bytes; /* as requested; unused in a large chunk */
    USHORT next; /* next free record of the chunk + 1 */
    UCHAR state; /* enum pool_state */
    UCHAR kind;  /* enum ex_pool_kind in the lower 3 bits, the page type above them (pool_kind_byte) */
};
C_ASSERT(sizeof(struct pool_record) == 32); /* none across two cache lines */

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
 * blocks of one class; or the header page and one large block.  What each free asks is in the first cache line, what
 * changes as blocks come and go in the second, with the record of a large block. */
struct pool_chunk {
    UCHAR *data;        /* first block */
    SIZE_T mapped;      /* bytes of the whole run */
    SIZE_T large_bytes; /* requested size of the large block; 0 in a chunk of a class */
    ULONG block_bytes;
    ULONG blocks;
    ULONG per_page;
    ULONG inverse; /* 2^32 / block_bytes, rounded up: a division less at each look-up; 0 in a large chunk */
    UCHAR arena;
    UCHAR class_index;
    UCHAR ring;                             /* of a processor's own, pool.c */
    struct pool_chunk *all_next, *all_prev; /* every chunk, in order of creation: pool_chunk_lock */
    struct pool_chunk *next, *prev;         /* chunks of the class with free blocks, or cached large chunks */
    ULONG used;                             /* blocks that are not on the free list */
    USHORT free_head;
    struct pool_record records[] __attribute__((aligned(32)));
};
C_ASSERT(FIELD_OFFSET(struct pool_chunk, next) == 64 && FIELD_OFFSET(struct pool_chunk, records) == 96);

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

/* A block on its way through the rings: its address, and in the bits above any address where in the chunk its record is, so
 * that who takes it out needs neither the chunk's header nor a division. */
typedef ULONGLONG pool_entry;
#define POOL_ENTRY_BITS 16

static inline pool_entry pool_entry_of(const void *block, const struct pool_record *record)
{
    return (ULONG_PTR)block | (pool_entry)(ULONG_PTR)record << (64 - POOL_ENTRY_BITS);
}

static inline UCHAR *pool_entry_block(pool_entry entry)
{
    return (UCHAR *)(entry << POOL_ENTRY_BITS >> POOL_ENTRY_BITS);
}

/* The chunk in whose first 64 KiB this is: of a block of a class, of a record. */
static inline struct pool_chunk *pool_chunk_around(const volatile void *address)
{
    return (struct pool_chunk *)((ULONG_PTR)address & ~(ULONG_PTR)(POOL_CHUNK_BYTES - 1));
}

static inline struct pool_record *pool_entry_record(pool_entry entry)
{
    return (struct pool_record *)((ULONG_PTR)pool_chunk_around(pool_entry_block(entry)) +
                                  (entry >> (64 - POOL_ENTRY_BITS)));
}

/* Is there a chunk whose first 64 KiB contain address?  No memory outside the registry is touched to find out. */
static inline BOOLEAN pool_chunk_begins(const volatile void *address)
{
    ULONG_PTR unit = (ULONG_PTR)address / POOL_CHUNK_BYTES;
    struct pool_leaf *leaf = pool_leaf_of(unit);

    return __builtin_expect(leaf && pool_test_bit(leaf->head, unit % POOL_LEAF_SLOTS), 1);
}

/* The chunk that covers any address, or NULL.  *in_part: it covers only a part of the 64 KiB around
 * address, which may be somebody else's: ask again and look into the chunk under pool_chunk_lock. */
struct pool_chunk *pool_chunk_covering(const volatile void *address, BOOLEAN *in_part);
/* The record of the block that contains address; *block gets its start.  NULL for the header and unused
 * space. */
struct pool_record *pool_chunk_record(struct pool_chunk *chunk, const volatile void *address, UCHAR **block);

/* What the POOL_TYPE functions have in common; `also` adds POOL_FLAG_USE_QUOTA or 0.  Tag 0 is a bug check.
 */
void *pool_allocate_typed(POOL_TYPE type, POOL_FLAGS also, SIZE_T bytes, ULONG tag, void *caller);

#endif
