/* race.h - what race.c keeps of a run, for itself and for race_tell.c, which says what was found. */
#ifndef UWSK_EXPLORE_RACE_H
#define UWSK_EXPLORE_RACE_H

#include "explore/explore.h"
#include "explore/world.h"

enum {
    FRAME_SHIFT = 12,
    GRANULE_SHIFT = 3,
    GRANULES = 1 << (FRAME_SHIFT - GRANULE_SHIFT),
    SLOTS = 4,
    PAGE_BUCKETS = 4096,
    OBJECT_BUCKETS = 4096,
    BLOCK_BUCKETS = 4096,
    MAX_PAGES = 3072,
    MAX_THREADS = 4000,
    FRAMES = 16,
    GONE_KEPT = 4096
};

#define RECEIVED_BYTES (-1) /* kind of a block: the network's, lent to drivers with an indication */

struct clock {
    uint32_t *at; /* per thread */
    uint32_t count, room;
};

struct stack {
    uint64_t step;
    size_t count;
    void *frames[FRAMES];
};

/* thread + 1 << 48 | clock << 16 | how << 8 | bytes; 0 = empty */
struct access {
    uint64_t word;
    union {
        void *caller;
        struct stack *stack; /* in detail */
    } where;
};

struct page {
    struct page *next; /* of the bucket */
    uintptr_t number;
    uint64_t freed[GRANULES / 64];
    struct access (*granule)[SLOTS]; /* NULL: never accessed */
};

struct object {
    struct object *next;
    const volatile void *address;
    struct clock clock;
};

struct thread {
    int known;
    struct clock clock;
};

struct block {
    struct block *next;
    uintptr_t from;
    size_t bytes;
    int kind;
    uint32_t freed_by;
    void *born_at, *dead_at;
    struct stack *born, *dead;
};

/* What has ended the run. */
struct found_race {
    uintptr_t at; /* 0 = nothing */
    int how, frees, on_stack;
    void *caller;
    uint32_t fiber;
    struct access before; /* 0: the memory was free */
};

struct races {
    struct found_race found;
    struct observe_hooks hooks;
    const struct observe_hooks *below;
    struct sim_memory memory;
    struct uwsk_world *world;
    struct page *page[PAGE_BUCKETS];
    struct page *pages[MAX_PAGES]; /* in the order of their making, round and round */
    size_t page_count, oldest;
    struct page *last; /* found */
    struct page *spare;
    struct object *object[OBJECT_BUCKETS], *spare_objects;
    struct thread *thread; /* by the number of the fiber */
    uint32_t threads;
    struct block *block[BLOCK_BUCKETS], *spare_blocks;
    struct block gone[GONE_KEPT]; /* the last ones that were given back */
    size_t gone_count;
    struct stack **stack; /* of this run */
    size_t stacks, stack_room;
    char routines, entry; /* stand for: all routines that have returned, DriverEntry */
};

/* Of this run, too, what a report wants to know in addition. */
static inline int races_in_detail(const struct races *all)
{
    return all->world->options.detail;
}

#endif
