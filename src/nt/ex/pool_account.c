/*
 * pool_account.c - what lives: one block by its address, all of them, and sums by tag and owner.
 */
#include "nt/ex/pool.h"

/* ---- blocks ------------------------------------------------------------------------------------------- */

static void describe(const struct pool_chunk *chunk, const struct pool_record *record, UCHAR *start,
                     struct ex_pool_block *block)
{
    block->address = start;
    block->bytes = chunk->large_bytes ? chunk->large_bytes : POOL_GET(record->bytes);
    block->tag = POOL_GET(record->tag);
    block->kind = pool_kind_of(POOL_GET(record->kind));
    block->flags = pool_pages_of(POOL_GET(record->kind));
    block->caller = POOL_GET(record->caller);
    block->when = POOL_GET(record->when);
    block->site = POOL_GET(record->site);
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
            uint64_t when = POOL_GET(record->when);

            if (POOL_GET(record->state) != POOL_LIVE)
                continue;
            describe(chunk, record,
                     chunk->data + (SIZE_T)(i / chunk->per_page) * PAGE_SIZE +
                         (SIZE_T)(i % chunk->per_page) * chunk->block_bytes,
                     &block);
            /* Has it changed hands?  Its state leaves "live" before, and is "live" again after, any field
             * changes. */
            if (POOL_GET(record->state) == POOL_LIVE && POOL_GET(record->when) == when)
                more = fn(context, &block);
        }
    }
    ke_lock_release(&pool_chunk_lock);
}

/* ---- sums --------------------------------------------------------------------------------------------- */

struct tag_sums {
    struct ex_pool_tag *out;
    size_t room;
    size_t count; /* distinct sums, those without room included only as "one more" */
};

static BOOLEAN add_to_tag(void *context, const struct ex_pool_block *block)
{
    struct tag_sums *sums = context;
    BOOLEAN runtime = block->caller == NULL;
    size_t at = 0;

    while (at < sums->count && at < sums->room &&
           (sums->out[at].tag != block->tag || sums->out[at].runtime != runtime))
        at++;
    if (at >= sums->room) {
        sums->count = sums->room + 1;
        return TRUE;
    }
    if (at == sums->count) {
        sums->out[at] = (struct ex_pool_tag){.tag = block->tag, .runtime = runtime};
        sums->count++;
    }
    sums->out[at].blocks++;
    sums->out[at].bytes += block->bytes;
    return TRUE;
}

size_t ex_pool_tags(struct ex_pool_tag *out, size_t count)
{
    struct tag_sums sums = {out, count, 0};
    size_t filled;

    ex_pool_walk(add_to_tag, &sums);
    filled = sums.count < count ? sums.count : count;
    for (size_t i = 1; i < filled; i++) {
        struct ex_pool_tag tag = out[i];
        size_t to = i;

        for (; to > 0 && out[to - 1].bytes < tag.bytes; to--)
            out[to] = out[to - 1];
        out[to] = tag;
    }
    return sums.count;
}

struct usage {
    SIZE_T blocks;
    SIZE_T bytes;
};

static BOOLEAN add_driver_block(void *context, const struct ex_pool_block *block)
{
    struct usage *usage = context;

    if (block->caller) {
        usage->blocks++;
        usage->bytes += block->bytes;
    }
    return TRUE;
}

void ex_pool_driver_usage(SIZE_T *blocks, SIZE_T *bytes)
{
    struct usage usage = {0, 0};

    ex_pool_walk(add_driver_block, &usage);
    *blocks = usage.blocks;
    *bytes = usage.bytes;
}
