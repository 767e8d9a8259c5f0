/*
 * pool.c - blocks: size classes, the caches in front of them, and every check at free (K-POOL-01..14).
 *
 * docs/pool.md draws the picture.  Locks, no two of which are ever held together:
 *   struct pool_cache.lock   one of eight, picked by thread; holds freed blocks back, hands the oldest out again
 *   struct pool_class.lock   chunks of one class that have free blocks
 *   large_lock               freed large blocks that wait to be reused
 *   pool_chunk_lock          registry and list of all chunks (chunk.c)
 * No lock is held while the fill pattern is written or checked, or while observers run.  A thread at
 * DISPATCH_LEVEL takes none of them as a rule: see struct pool_processor.
 */
#include "nt/ex/pool.h"
#include "nt/ex/pool_pattern.h"
#include "host/host.h"
#include "host/sanitizer.h"
#include <string.h>

#if HOST_ASAN || HOST_TSAN
#define POOL_POISON(call) call
#else
#define POOL_POISON(call) ((void)0)
#endif

enum {
    CACHES = 8,
    CACHE_BLOCKS = 32, /* freed blocks that one cache holds back per class */
    OWN_BLOCKS =
        128, /* the same of a processor's own: so many IRPs a few dozen connections turn over at once */
    CACHE_BATCH = 8,
    LARGE_CACHED = 16,
    LARGE_CACHED_BYTES = 8 << 20,
    LARGE_OWN_BYTES = 2 << 20,
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
    ULONG first, end;               /* both only grow: those from first to end, modulo the room, are in it */
    pool_entry slots[CACHE_BLOCKS]; /* first in, first out: reuse is put off as long as possible */
};

struct pool_own_ring { /* as pool_ring */
    ULONG first, end;
    ULONG room; /* how many it holds back, at most OWN_BLOCKS */
    pool_entry slots[OWN_BLOCKS];
};

/* Freed large blocks, by their chunks: oldest first, linked by next. */
struct pool_large {
    struct pool_chunk *first, *last;
    ULONG count;
    SIZE_T bytes;
};

struct pool_cache {
    struct ke_lock lock;
    struct pool_ring rings[POOL_ARENAS][CLASSES];
} __attribute__((aligned(64)));

static struct pool_class classes[POOL_ARENAS][CLASSES];
static struct pool_cache caches[CACHES];

/*
 * The rings of each processor, without a lock.  Why that suffices: a thread touches only the rings of the
 * processor that it owns (thread->processor), and at any moment at most one thread owns a processor.  The
 * owner word passes from thread to thread by a store and a compare-and-swap, both sequentially consistent
 * (processor.c), so the next owner sees what the last one did here.  A thread cannot lose its processor in
 * between: it gives it back itself, by lowering its level, which nothing in here does; and nothing in here is
 * entered again on the same thread, for no signal handler and no hook allocates.
 */
struct pool_processor {
    struct pool_own_ring rings[POOL_ARENAS * CLASSES]; /* RING_OF */
    struct pool_large large;
};
#define RING_OF(arena, index) ((arena)*CLASSES + (index))

/* Of each processor; made by its first owner who needs it.  [-1] is of those who own none, and stays NULL. */
static struct pool_processor *own_or_none[1 + KE_MAX_PROCESSORS];
#define own (own_or_none + 1)
C_ASSERT(KE_NO_PROCESSOR == -1);

static BOOLEAN fill_everything = HOST_ASAN || HOST_TSAN;

static struct ke_lock large_lock;
static struct pool_large large; /* under large_lock */

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

    while (cache_aligned && class_bytes[index] % 64)
        index++;
    return index;
}

static struct pool_cache *my_cache(void)
{
    return &caches[host_self()->id % CACHES];
}

static __attribute__((noinline)) struct pool_processor *make_own(int processor)
{
    struct pool_processor *mine;

    if (processor == KE_NO_PROCESSOR)
        return NULL;
    mine = host_pages_allocate((sizeof(*mine) + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1), PAGE_SIZE,
                               HOST_PAGE_READ | HOST_PAGE_WRITE);
    for (ULONG i = 0; mine && i < RTL_NUMBER_OF(mine->rings); i++)
        mine->rings[i].room = i % CLASSES < CLASSES - 3 ? OWN_BLOCKS : CACHE_BLOCKS;
    own[processor] = mine;
    return mine;
}

/* What the calling thread has to itself, or NULL. */
static inline struct pool_processor *my_own(void)
{
    const struct ke_thread *thread = ke_current_thread();
    struct pool_processor *mine = own[thread->processor];

    return __builtin_expect(mine != NULL, 1) ? mine : make_own(thread->processor);
}

void ex_pool_fill_all(BOOLEAN all)
{
    fill_everything = all;
}

static __attribute__((noinline)) int is_to_fail(enum ex_pool_kind kind)
{
    static const UCHAR faults[EX_POOL_KIND_MAX] = {[EX_POOL_PLAIN] = HOST_FAULT_POOL,
                                                   [EX_POOL_IRP] = HOST_FAULT_IRP,
                                                   [EX_POOL_MDL] = HOST_FAULT_MDL,
                                                   [EX_POOL_WORK_ITEM] = HOST_FAULT_WORK_ITEM,
                                                   [EX_POOL_DEVICE] = HOST_FAULT_POOL};

    return host_fault(faults[kind]);
}

int ex_pool_observed_as(enum ex_pool_kind kind)
{
    static const UCHAR objects[EX_POOL_KIND_MAX] = {[EX_POOL_PLAIN] = OBSERVE_POOL,
                                                    [EX_POOL_IRP] = OBSERVE_IRP,
                                                    [EX_POOL_MDL] = OBSERVE_MDL,
                                                    [EX_POOL_WORK_ITEM] = OBSERVE_WORK_ITEM,
                                                    [EX_POOL_DEVICE] = OBSERVE_DEVICE};

    return kind < EX_POOL_KIND_MAX ? objects[kind] : 0;
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
    chunk->ring = (UCHAR)RING_OF(arena, index);
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
static ULONG take_from_class(UCHAR arena, ULONG index, pool_entry *out, ULONG count)
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
        out[taken++] = pool_entry_of(chunk->data + (SIZE_T)(at / chunk->per_page) * PAGE_SIZE +
                                         (SIZE_T)(at % chunk->per_page) * chunk->block_bytes,
                                     &chunk->records[at]);
    }
    ke_lock_release(&class->lock);
    return taken;
}

/* Gives blocks back; a class keeps two empty chunks and returns further ones to the host. */
static void give_to_class(UCHAR arena, ULONG index, const pool_entry *entries, ULONG count)
{
    struct pool_class *class = &classes[arena][index];
    struct pool_chunk *unused = NULL;

    ke_lock_acquire(&class->lock);
    for (ULONG i = 0; i < count; i++) {
        struct pool_record *record = pool_entry_record(entries[i]);
        struct pool_chunk *chunk = pool_chunk_around(record);

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

/* The compiler takes it as it is: it would work out the address anew for each member. */
#define KEEP(pointer) __asm__("" : "+r"(pointer))

#define RING_COUNT(ring)       ((ring)->end - (ring)->first)
#define RING_POP(ring)         ((ring)->slots[(ring)->first++ % RTL_NUMBER_OF((ring)->slots)])
#define RING_PUSH(ring, entry) ((void)((ring)->slots[(ring)->end++ % RTL_NUMBER_OF((ring)->slots)] = (entry)))

static ULONG batch_of(ULONG index)
{
    return index < CLASSES - 3 ? CACHE_BATCH : 1;
}

/* From the rings of a cache, under its lock: below DISPATCH_LEVEL.  0: there is no memory. */
static __attribute__((noinline)) pool_entry take_shared(UCHAR arena, ULONG index)
{
    struct pool_cache *cache = my_cache();
    struct pool_ring *ring = &cache->rings[arena][index];
    pool_entry batch[CACHE_BATCH];
    pool_entry entry = 0;
    ULONG count;

    ke_lock_acquire(&cache->lock);
    if (RING_COUNT(ring))
        entry = RING_POP(ring);
    ke_lock_release(&cache->lock);
    if (entry)
        return entry;
    count = take_from_class(arena, index, batch, batch_of(index));
    if (!count)
        return 0;
    entry = batch[--count];
    ke_lock_acquire(&cache->lock);
    while (count && RING_COUNT(ring) < CACHE_BLOCKS)
        RING_PUSH(ring, batch[--count]);
    ke_lock_release(&cache->lock);
    if (count)
        give_to_class(arena, index, batch, count);
    return entry;
}

static __attribute__((noinline)) void give_shared(UCHAR arena, ULONG index, pool_entry entry)
{
    struct pool_cache *cache = my_cache();
    struct pool_ring *ring = &cache->rings[arena][index];
    pool_entry batch[CACHE_BATCH];
    ULONG count = 0;

    ke_lock_acquire(&cache->lock);
    if (RING_COUNT(ring) == CACHE_BLOCKS)
        while (count < CACHE_BATCH)
            batch[count++] = RING_POP(ring);
    RING_PUSH(ring, entry);
    ke_lock_release(&cache->lock);
    if (count)
        give_to_class(arena, index, batch, count);
}

/* The ring is the caller's own and empty. */
static __attribute__((noinline)) pool_entry take_and_refill(struct pool_own_ring *ring, UCHAR arena,
                                                            ULONG index)
{
    pool_entry batch[CACHE_BATCH];
    ULONG count = take_from_class(arena, index, batch, batch_of(index));

    while (count > 1)
        RING_PUSH(ring, batch[--count]);
    return count ? batch[0] : 0;
}

/* The ring is the caller's own and full. */
static __attribute__((noinline)) void make_room(struct pool_own_ring *ring, UCHAR arena, ULONG index)
{
    pool_entry batch[CACHE_BATCH];
    ULONG count = 0;

    while (count < CACHE_BATCH)
        batch[count++] = RING_POP(ring);
    give_to_class(arena, index, batch, count);
}

static inline pool_entry take_small(UCHAR arena, ULONG index)
{
    struct pool_processor *mine = my_own();
    struct pool_own_ring *ring;

    if (!mine)
        return take_shared(arena, index);
    ring = &mine->rings[RING_OF(arena, index)];
    KEEP(ring);
    return __builtin_expect(RING_COUNT(ring) != 0, 1) ? RING_POP(ring) : take_and_refill(ring, arena, index);
}

static inline void give_small(const struct pool_chunk *chunk, pool_entry entry)
{
    struct pool_processor *mine = my_own();
    struct pool_own_ring *ring;

    if (!mine) {
        give_shared(chunk->arena, chunk->class_index, entry);
        return;
    }
    ring = &mine->rings[chunk->ring];
    KEEP(ring);
    if (__builtin_expect(RING_COUNT(ring) == ring->room, 0))
        make_room(ring, chunk->arena, chunk->class_index);
    RING_PUSH(ring, entry);
}

/* ---- large blocks ------------------------------------------------------------------------------------- */

static struct pool_chunk *large_take_first(struct pool_large *list)
{
    struct pool_chunk *chunk = list->first;

    list->first = chunk->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    list->bytes -= chunk->mapped;
    return chunk;
}

/* The oldest one of this size. */
static struct pool_chunk *large_take(struct pool_large *list, UCHAR arena, SIZE_T mapped)
{
    struct pool_chunk *chunk = list->first, *previous = NULL;

    if (__builtin_expect(chunk && chunk->mapped == mapped && chunk->arena == arena, 1))
        return large_take_first(list);
    for (; chunk; previous = chunk, chunk = chunk->next)
        if (chunk->mapped == mapped && chunk->arena == arena)
            break;
    if (chunk) { /* not the first one */
        previous->next = chunk->next;
        if (list->last == chunk)
            list->last = previous;
        list->count--;
        list->bytes -= mapped;
    }
    return chunk;
}

static void large_append(struct pool_large *list, struct pool_chunk *chunk)
{
    chunk->next = NULL;
    if (list->last)
        list->last->next = chunk;
    else
        list->first = chunk;
    list->last = chunk;
    list->count++;
    list->bytes += chunk->mapped;
}

static BOOLEAN large_too_much(const struct pool_large *list, SIZE_T limit)
{
    return list->first && (list->count > LARGE_CACHED || list->bytes > limit);
}

/* The calling thread's own, as own[]; NULL also in the simulator, whose schedules go by the steps of the lock. */
static struct pool_large *my_large(void)
{
    struct pool_processor *mine = host_watched & HOST_WATCH_POINTS ? NULL : my_own();

    return mine ? &mine->large : NULL;
}

static __attribute__((noinline)) void give_large_shared(struct pool_chunk *chunk)
{
    ke_lock_acquire(&large_lock);
    large_append(&large, chunk);
    while (large_too_much(&large, LARGE_CACHED_BYTES)) {
        struct pool_chunk *surplus = large_take_first(&large);

        ke_lock_release(&large_lock);
        pool_chunk_unmap(surplus);
        ke_lock_acquire(&large_lock);
    }
    ke_lock_release(&large_lock);
}

static void give_large(struct pool_chunk *chunk)
{
    struct pool_large *mine = chunk->mapped > LARGE_OWN_BYTES ? NULL : my_large();

    if (!mine) {
        give_large_shared(chunk);
        return;
    }
    large_append(mine, chunk);
    while (large_too_much(mine, LARGE_OWN_BYTES))
        give_large_shared(large_take_first(mine));
}

static __attribute__((noinline)) struct pool_chunk *new_large(UCHAR arena, SIZE_T mapped)
{
    struct pool_chunk *chunk = pool_chunk_map(mapped, arena);

    if (chunk) {
        chunk->data = (UCHAR *)chunk + PAGE_SIZE;
        chunk->per_page = 1;
        chunk->block_bytes = PAGE_SIZE;
    }
    return chunk;
}

/* A chunk for one block of `bytes`; *used tells that it has been used before, so that it is not zeroed. */
static struct pool_chunk *take_large(UCHAR arena, SIZE_T bytes, BOOLEAN *used)
{
    SIZE_T mapped = PAGE_SIZE + ((bytes + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1));
    struct pool_large *mine = my_large();
    struct pool_chunk *chunk = mine ? large_take(mine, arena, mapped) : NULL;

    if (!chunk) {
        ke_lock_acquire(&large_lock);
        chunk = large_take(&large, arena, mapped);
        ke_lock_release(&large_lock);
    }
    *used = chunk != NULL;
    if (!chunk && (chunk = new_large(arena, mapped)) == NULL)
        return NULL;
    __atomic_store_n(&chunk->large_bytes, bytes, __ATOMIC_RELEASE);
    /* Last, as in new_class_chunk: whoever looks a stray address up divides by the sizes above. */
    __atomic_store_n(&chunk->blocks, 1, __ATOMIC_RELEASE);
    return chunk;
}

/* ---- observers who are told of each block, instead of one who stamps those of drivers (observe.h) --------- */

static __attribute__((noinline, cold)) void tell_born(const struct pool_record *record, const void *block,
                                                      SIZE_T bytes)
{
    const struct observe_hooks *hooks = __atomic_load_n(&observe_hooks, __ATOMIC_RELAXED);

    if (hooks && hooks->born && !hooks->block)
        hooks->born(hooks->context, ex_pool_observed_as(pool_kind_of(record->kind)), block, record->tag,
                    bytes, record->caller);
}

static __attribute__((noinline, cold)) void tell_dead(enum ex_pool_kind kind, const void *block)
{
    const struct observe_hooks *hooks = __atomic_load_n(&observe_hooks, __ATOMIC_RELAXED);

    if (hooks && hooks->dead && !hooks->block)
        hooks->dead(hooks->context, ex_pool_observed_as(kind), block);
}

/* ---- allocate ----------------------------------------------------------------------------------------- */

/* A block that was free for a while has to look as it was left (K-POOL-13). */
static __attribute__((noinline, cold)) void freed_block_changed(const struct pool_record *record,
                                                                UCHAR *block, SIZE_T room)
{
    UCHAR *changed = find_other(block, FILL_FREED);

    /* In a larger block's middle anything may stand. */
    if (changed >= block + EDGE && changed < block + room - EDGE)
        changed = find_other(block + room - EDGE, FILL_FREED);
    ke_bug_check_ex(DRIVER_CAUGHT_MODIFYING_FREED_POOL, changed, 1, 0, record->tag);
}

static inline void check_still_free(const struct pool_record *record, UCHAR *block, SIZE_T room)
{
    if (POOL_GET(record->state) != POOL_FILLED)
        return; /* never used before, or the runtime's own */
    if (__builtin_expect(!is_filled(block, FILL_FREED, room), 0))
        freed_block_changed(record, block, room);
}

void *ex_allocate_pool_for(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, enum ex_pool_kind kind, void *caller)
{
    POOL_FLAGS pages = flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED);
    UCHAR arena = arena_of(flags);
    SIZE_T room;
    BOOLEAN used = TRUE;
    struct observe_stamp stamp = {0, 0};
    struct pool_record *record;
    UCHAR *block;

    host_point(HOST_POINT_POOL, NULL);
    if (__builtin_expect(host_any_fault(), 0) && is_to_fail(kind))
        return NULL;
    if (__builtin_expect(bytes <= PAGE_SIZE, 1)) { /* nothing, too: it gets an address of its own (KA10) */
        ULONG index = class_of(bytes, (flags & POOL_FLAG_CACHE_ALIGNED) != 0);
        pool_entry entry = take_small(arena, index);

        if (!entry)
            return NULL;
        room = class_bytes[index];
        block = pool_entry_block(entry);
        record = pool_entry_record(entry);
    } else {
        struct pool_chunk *chunk = bytes < ((SIZE_T)1 << 46) ? take_large(arena, bytes, &used) : NULL;

        if (!chunk)
            return NULL;
        room = chunk->mapped - PAGE_SIZE;
        block = chunk->data;
        record = &chunk->records[0];
    }
    POOL_POISON(host_memory_unpoison(block, room));
    if (used)
        check_still_free(record, block, room);

    POOL_SET(record->caller, caller);
    POOL_SET(record->tag, tag);
    POOL_SET(record->bytes, (ULONG)bytes);
    POOL_SET(record->kind, pool_kind_byte(kind, pages));
    if (!(flags & (POOL_FLAG_UNINITIALIZED | EX_POOL_RAW))) {
        if (used)
            memset(block, 0, bytes);
    } else if (!(flags & EX_POOL_RAW) && (caller || fill_everything)) {
        fill(block, FILL_NEW, bytes <= 2 * EDGE ? (bytes + 15) & ~(SIZE_T)15 : bytes, fill_everything);
    }
    if (caller) { /* the runtime's own blocks are not watched */
        const struct observe_hooks *hooks = __atomic_load_n(&observe_hooks, __ATOMIC_RELAXED);

        fill_slack(block + bytes, slack_of(bytes, room));
        POOL_POISON(host_memory_poison(block + bytes, room - bytes));
        if (hooks && hooks->block)
            stamp = hooks->block(hooks->context, caller, __builtin_frame_address(0));
    }
    POOL_SET(record->when, stamp.when);
    POOL_SET(record->site, stamp.site);
    __atomic_store_n(&record->state, POOL_LIVE, __ATOMIC_RELEASE);
    if (__builtin_expect(host_watched & HOST_WATCH_BLOCKS, 0))
        tell_born(record, block, bytes);
    return block;
}

void *ex_allocate_pool(POOL_FLAGS flags, SIZE_T bytes, ULONG tag)
{
    return ex_allocate_pool_for(flags, bytes, tag, EX_POOL_PLAIN, NULL);
}

/* ---- free --------------------------------------------------------------------------------------------- */

static void no_block(void *address, void *caller) __attribute__((noreturn, cold));
static void no_block(void *address, void *caller)
{
    ke_bug_check_from(BAD_POOL_CALLER, 0x99, (ULONG_PTR)address, 0, 0, caller); /* K-POOL-11 */
}

/* The record of the block that starts exactly here, or NULL: pool_chunk_record with less to compute.  A large block is
 * the only one of its chunk.  Before the first block there is an offset that is beyond all of them. */
static inline struct pool_record *record_at(struct pool_chunk *chunk, const volatile void *address)
{
    ULONG blocks = __atomic_load_n(&chunk->blocks, __ATOMIC_ACQUIRE); /* before the rest of the header */
    ULONG_PTR offset = (ULONG_PTR)address - (ULONG_PTR)chunk->data;
    ULONG slot = (ULONG)((offset % PAGE_SIZE) * chunk->inverse >> 32);
    ULONG_PTR at = offset / PAGE_SIZE * chunk->per_page + slot;

    if (__builtin_expect(
            at >= blocks || slot >= chunk->per_page || slot * chunk->block_bytes != offset % PAGE_SIZE, 0))
        return NULL;
    return &chunk->records[at];
}

/* The same of whatever is given. */
static inline struct pool_record *find_record(const volatile void *address)
{
    return pool_chunk_begins(address) ? record_at(pool_chunk_around(address), address) : NULL;
}

struct pool_record *ex_pool_find(const volatile void *address, enum ex_pool_kind kind)
{
    struct pool_record *record = find_record(address);

    if (!record || POOL_GET(record->state) != POOL_LIVE || pool_kind_of(POOL_GET(record->kind)) != kind)
        return NULL;
    return record;
}

BOOLEAN ex_pool_is_block(const volatile void *address, enum ex_pool_kind kind)
{
    return ex_pool_find(address, kind) != NULL;
}

/* Not a live block of this kind and tag. */
static void check_owner(const struct pool_record *record, UCHAR state, void *block, ULONG tag,
                        enum ex_pool_kind kind, void *caller)
{
    enum ex_pool_kind found = pool_kind_of(record->kind);

    if (state == POOL_UNUSED)
        no_block(block, caller);
    if (state != POOL_LIVE)
        ke_bug_check_from(BAD_POOL_CALLER, 0x07, 0, record->tag, (ULONG_PTR)block, caller); /* K-POOL-11 */
    if (found != kind) {
        if (found == EX_POOL_IRP) /* K-FREE-04 */
            ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x105, (ULONG_PTR)block, 0, 0, caller);
        ke_bug_check_from(BAD_POOL_CALLER, 0x99, (ULONG_PTR)block, found, kind, caller);
    }
    if (tag && tag != record->tag) /* K-POOL-10 */
        ke_bug_check_from(BAD_POOL_CALLER, 0x0A, (ULONG_PTR)block, record->tag, tag, caller);
}

/* Bytes behind the end of the request have to be as they were left (K-POOL-12). */
static inline void check_slack(UCHAR *block, SIZE_T bytes, SIZE_T room, void *caller)
{
    if (__builtin_expect(!is_slack(block + bytes, slack_of(bytes, room)), 0))
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x51, (ULONG_PTR)block,
                          (ULONG_PTR)find_other(block + bytes, FILL_SLACK), bytes, caller);
}

/* A block of this kind, as far as is known: somebody else may be about to free it, too. */
static inline __attribute__((always_inline)) void free_block(void *block, struct pool_record *record,
                                                             enum ex_pool_kind kind, void *caller)
{
    struct pool_chunk *chunk = pool_chunk_around(record);
    BOOLEAN large = __builtin_expect(chunk->large_bytes != 0, 0);
    SIZE_T bytes = large ? chunk->large_bytes : POOL_GET(record->bytes);
    SIZE_T room = large ? chunk->mapped - PAGE_SIZE : chunk->block_bytes;
    BOOLEAN watched = POOL_GET(record->caller) != NULL; /* the runtime's own block carries no pattern */
    BOOLEAN filled = watched || fill_everything;
    UCHAR state = POOL_LIVE;

    if (!__atomic_compare_exchange_n(&record->state, &state, filled ? POOL_FILLED : POOL_FREE, FALSE,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ke_bug_check_from(BAD_POOL_CALLER, 0x07, 0, record->tag, (ULONG_PTR)block, caller);
    if (__builtin_expect(host_watched & HOST_WATCH_BLOCKS, 0))
        tell_dead(kind, block);
    POOL_POISON(host_memory_unpoison(block, room));
    if (watched)
        check_slack(block, bytes, room, caller);
    if (filled)
        fill(block, FILL_FREED, room, fill_everything);
    POOL_POISON(host_memory_poison(block, room));
    if (large)
        give_large(chunk);
    else
        give_small(chunk, pool_entry_of(block, record));
}

void ex_free_pool_from(void *block, ULONG tag, enum ex_pool_kind kind, void *caller)
{
    struct pool_record *record = find_record(block);
    UCHAR state;

    if (__builtin_expect(!record, 0))
        no_block(block, caller);
    state = POOL_GET(record->state);
    host_point(HOST_POINT_POOL, block);
    if (__builtin_expect(
            state != POOL_LIVE || pool_kind_of(record->kind) != kind || (tag && tag != record->tag), 0))
        check_owner(record, state, block, tag, kind, caller);
    free_block(block, record, kind, caller);
}

void ex_free_pool_found(void *block, struct pool_record *record, enum ex_pool_kind kind, void *caller)
{
    host_point(HOST_POINT_POOL, block);
    free_block(block, record, kind, caller);
}

void ex_free_pool_kind(void *block, ULONG tag, enum ex_pool_kind kind)
{
    ex_free_pool_from(block, tag, kind, __builtin_return_address(0));
}

void ex_free_pool(void *block)
{
    ex_free_pool_from(block, 0, EX_POOL_PLAIN, __builtin_return_address(0));
}
