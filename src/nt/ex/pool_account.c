/*
 * pool_account.c - who holds how much: sums over the live blocks, by tag and owner.
 */
#include "nt/ex/pool.h"

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
