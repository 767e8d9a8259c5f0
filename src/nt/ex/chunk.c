/*
 * chunk.c - pages for the pool, and the registry that tells whether an address belongs to it.
 *
 * The registry is a two-level table over the 47-bit address space in units of 64 KiB: one bit says that a
 * chunk begins there, two others whether a chunk covers it, wholly or in part.  Lookups take no lock: a caller
 * who passes a live block keeps its chunk alive, and in a unit that is wholly a chunk's there is nothing but
 * blocks.  Beside a chunk of a large block, in the unit that it does not fill, there may be anybody's memory,
 * whose owner keeps no chunk alive: pool_chunk_covering says so, and the lock has to be held.
 */
#include "nt/ex/pool.h"
#include "host/host.h"

enum cover { COVER_NOT = 0, COVER_WHOLE = 1, COVER_PART = 3 };

struct ke_lock pool_chunk_lock;
struct pool_chunk *pool_chunks;
static struct pool_chunk *pool_chunks_last;
struct pool_leaf *pool_root[POOL_ROOT_SLOTS];

static void change_bit(ULONGLONG *words, ULONG_PTR slot, BOOLEAN set)
{
    ULONGLONG bit = 1ull << (slot % POOL_WORD_BITS);

    if (set)
        __atomic_fetch_or(&words[slot / POOL_WORD_BITS], bit, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&words[slot / POOL_WORD_BITS], ~bit, __ATOMIC_RELEASE);
}

static enum cover cover_of(const struct pool_leaf *leaf, ULONG_PTR unit)
{
    ULONG_PTR bit = unit % POOL_LEAF_SLOTS * 2;

    return (enum cover)(
        __atomic_load_n(&leaf->cover[bit / POOL_WORD_BITS], __ATOMIC_ACQUIRE) >> (bit % POOL_WORD_BITS) & 3);
}

/* In one step, from not covered or back. */
static void change_cover(struct pool_leaf *leaf, ULONG_PTR unit, enum cover cover, BOOLEAN set)
{
    ULONG_PTR bit = unit % POOL_LEAF_SLOTS * 2;
    ULONGLONG bits = (ULONGLONG)cover << (bit % POOL_WORD_BITS);

    if (set)
        __atomic_fetch_or(&leaf->cover[bit / POOL_WORD_BITS], bits, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&leaf->cover[bit / POOL_WORD_BITS], ~bits, __ATOMIC_RELEASE);
}

/* Makes sure that every leaf for [first, last] exists; called with the lock held. */
static BOOLEAN ensure_leaves(ULONG_PTR first, ULONG_PTR last)
{
    for (ULONG_PTR index = first / POOL_LEAF_SLOTS; index <= last / POOL_LEAF_SLOTS; index++) {
        struct pool_leaf *leaf;

        if (index >= POOL_ROOT_SLOTS)
            return FALSE;
        if (pool_root[index])
            continue;
        leaf = host_pages_allocate(sizeof(*leaf), PAGE_SIZE, HOST_PAGE_READ | HOST_PAGE_WRITE);
        if (!leaf)
            return FALSE;
        __atomic_store_n(&pool_root[index], leaf, __ATOMIC_RELEASE);
    }
    return TRUE;
}

static void register_chunk(struct pool_chunk *chunk, BOOLEAN set)
{
    ULONG_PTR first = (ULONG_PTR)chunk / POOL_CHUNK_BYTES;
    ULONG_PTR last = ((ULONG_PTR)chunk + chunk->mapped - 1) / POOL_CHUNK_BYTES;

    for (ULONG_PTR unit = first; unit <= last; unit++)
        change_cover(pool_leaf_of(unit), unit,
                     unit == last && chunk->mapped % POOL_CHUNK_BYTES ? COVER_PART : COVER_WHOLE, set);
    change_bit(pool_leaf_of(first)->head, first % POOL_LEAF_SLOTS, set);
}

struct pool_chunk *pool_chunk_map(SIZE_T mapped, UCHAR arena)
{
    int protection = HOST_PAGE_READ | HOST_PAGE_WRITE;
    struct pool_chunk *chunk = NULL;
    BOOLEAN registered;

    if (arena)
        chunk = host_pages_allocate(mapped, POOL_CHUNK_BYTES, protection | HOST_PAGE_EXECUTE);
    if (!chunk) /* also where the system refuses memory that is both writable and executable */
        chunk = host_pages_allocate(mapped, POOL_CHUNK_BYTES, protection);
    if (!chunk)
        return NULL;
    chunk->mapped = mapped;
    chunk->arena = arena;

    ke_lock_acquire(&pool_chunk_lock);
    registered = ensure_leaves((ULONG_PTR)chunk / POOL_CHUNK_BYTES,
                               ((ULONG_PTR)chunk + mapped - 1) / POOL_CHUNK_BYTES);
    if (registered) {
        register_chunk(chunk, TRUE);
        chunk->all_prev = pool_chunks_last;
        if (pool_chunks_last)
            pool_chunks_last->all_next = chunk;
        else
            pool_chunks = chunk;
        pool_chunks_last = chunk;
    }
    ke_lock_release(&pool_chunk_lock);
    if (!registered) {
        host_pages_free(chunk, mapped);
        chunk = NULL;
    }
    return chunk;
}

void pool_chunk_unmap(struct pool_chunk *chunk)
{
    SIZE_T mapped = chunk->mapped;

    ke_lock_acquire(&pool_chunk_lock);
    register_chunk(chunk, FALSE);
    if (chunk->all_prev)
        chunk->all_prev->all_next = chunk->all_next;
    else
        pool_chunks = chunk->all_next;
    if (chunk->all_next)
        chunk->all_next->all_prev = chunk->all_prev;
    else
        pool_chunks_last = chunk->all_prev;
    ke_lock_release(&pool_chunk_lock);
    host_memory_unpoison(chunk, mapped);
    host_pages_free(chunk, mapped);
}

struct pool_chunk *pool_chunk_covering(const volatile void *address, BOOLEAN *in_part)
{
    ULONG_PTR unit = (ULONG_PTR)address / POOL_CHUNK_BYTES;

    for (*in_part = FALSE;; unit--) {
        struct pool_leaf *leaf = pool_leaf_of(unit);
        enum cover cover = leaf ? cover_of(leaf, unit) : COVER_NOT;

        if (cover == COVER_NOT)
            return NULL;
        if (cover == COVER_PART)
            *in_part = TRUE;
        if (pool_test_bit(leaf->head, unit % POOL_LEAF_SLOTS))
            return (struct pool_chunk *)(unit * POOL_CHUNK_BYTES);
    }
}

struct pool_record *pool_chunk_record(struct pool_chunk *chunk, const volatile void *address, UCHAR **block)
{
    ULONG blocks = __atomic_load_n(&chunk->blocks, __ATOMIC_ACQUIRE); /* before the rest of the header */
    ULONG_PTR offset;
    ULONG page, slot;

    if (!blocks || (ULONG_PTR)address < (ULONG_PTR)chunk->data)
        return NULL;
    offset = (ULONG_PTR)address - (ULONG_PTR)chunk->data;
    if (__atomic_load_n(&chunk->large_bytes, __ATOMIC_RELAXED)) {
        if ((ULONG_PTR)address - (ULONG_PTR)chunk >= chunk->mapped)
            return NULL; /* the last unit's rest: somebody else's mapping may be there */
        *block = chunk->data;
        return &chunk->records[0];
    }
    page = (ULONG)(offset / PAGE_SIZE);
    /* Exact: the offset times what the rounding added stays below 2^32 / PAGE_SIZE. */
    slot = (ULONG)((offset % PAGE_SIZE) * chunk->inverse >> 32);
    if (slot >= chunk->per_page || page * chunk->per_page + slot >= blocks)
        return NULL;
    *block = chunk->data + (SIZE_T)page * PAGE_SIZE + (SIZE_T)slot * chunk->block_bytes;
    return &chunk->records[page * chunk->per_page + slot];
}
