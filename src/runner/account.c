/*
 * account.c - everything that lives: a table of the objects that drivers have made, filled through
 * nt/observe.h.
 *
 * Cheap enough to be always on.  What is a block of the pool - most of what a driver makes - is known to the
 * pool already: at its birth only the number of its stack and the time are noted in the pool's record (on_block),
 * at its death nothing.  Routines that run stand in the threads' own lists (struct ke_routine).  The rest is in a
 * table here: one short lock and one walk up the stack per birth, one short lock per death; the table is split,
 * so that processors rarely meet.  Objects of the runtime itself (no caller) are passed over; who made the
 * others is found out only when somebody asks.  Memory comes from pages of the host: a hook runs inside the pool
 * and must not use it.
 *
 * Which driver an object belongs to: the innermost address of its stack that lies in a driver's code, or else
 * its caller.
 */
#include "runner.h"

#include "host/sanitizer.h"
#include "host/sim/sim.h"

#include "nt/ex/ex.h"
#include "nt/rtl/call.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS = 64, BUCKETS = 1024, NEAR = 64, WALK = 20 };

struct shard {
    struct ke_lock lock;
    struct runner_object *free;
    struct slab *slabs;
    struct runner_object *bucket[BUCKETS];
} __attribute__((aligned(64)));

struct slab {
    struct slab *next;
    struct runner_object object[] __attribute__((aligned(64))); /* what is without a stack touches one line */
};

static struct shard *shards;
static unsigned shard_count;
static size_t slab_bytes;
static struct runner_image own;
static uint64_t started; /* host_ticks() */
static uint64_t lost;    /* births for which there was no memory, of any driver */
static uint32_t dpcs;    /* in the table; those of the runtime itself, the most by far, never come there */

/* ---- the table ---------------------------------------------------------------------------------------- */

/* What lies within 64 KiB is in one shard and in buckets side by side, one for each KiB: closed sockets come back late
 * (wsk/socket.c), so each birth is at another address, and to meet a cold bucket and a cold entry each time cost more
 * than all else here. */
static uint64_t hash_of(const void *object)
{
    uint64_t hash = ((uint64_t)(uintptr_t)object >> 16) * 0x9E3779B97F4A7C15ull;

    return (hash & ~(uint64_t)(NEAR - 1)) | ((uintptr_t)object >> 10 & (NEAR - 1));
}

static struct shard *shard_of(uint64_t hash)
{
    return &shards[(hash >> 58) & (shard_count - 1)];
}

static struct runner_object **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->bucket[(hash >> 48 & (BUCKETS / NEAR - 1)) * NEAR + (hash & (NEAR - 1))];
}

/* lock held. */
static struct runner_object *take_entry(struct shard *shard)
{
    struct runner_object *entry = shard->free;

    if (!entry) {
        struct slab *slab = host_pages_allocate(slab_bytes, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

        if (!slab) {
            __atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
            return NULL;
        }
        slab->next = shard->slabs;
        shard->slabs = slab;
        for (size_t i = 0; i < (slab_bytes - sizeof *slab) / sizeof slab->object[0]; i++) {
            slab->object[i].next = shard->free;
            shard->free = &slab->object[i];
        }
        entry = shard->free;
    }
    shard->free = entry->next;
    return entry;
}

/* lock held. */
static void put(struct shard *shard, uint64_t hash, struct runner_object *entry)
{
    struct runner_object **bucket = bucket_of(shard, hash);

    entry->next = *bucket;
    *bucket = entry;
}

/* lock held; the newest one: captures of one registration are all known by its address. */
static struct runner_object **find(struct runner_object **link, int kind, const void *object)
{
    while (*link && ((*link)->object != object || (*link)->kind != kind))
        link = &(*link)->next;
    return link;
}

/* Preferably one that `image` has made, if that is not NULL.  Was it there? */
static BOOLEAN forget(int kind, const void *object, const struct runner_image *image)
{
    uint64_t hash = hash_of(object);
    struct shard *shard = shard_of(hash);
    struct runner_object **link, *entry;

    ke_lock_acquire(&shard->lock);
    link = find(bucket_of(shard, hash), kind, object);
    while (image && *link && !runner_image_holds(image, (*link)->caller))
        link = find(&(*link)->next, kind, object);
    if (!*link)
        link = find(bucket_of(shard, hash), kind, object);
    entry = *link;
    if (entry) {
        *link = entry->next;
        entry->next = shard->free;
        shard->free = entry;
    }
    ke_lock_release(&shard->lock);
    return entry != NULL;
}

/* ---- stacks ------------------------------------------------------------------------------------------- */

/*
 * The stacks at which blocks were allocated, each kept once: a driver allocates millions of blocks at a few
 * places.  Kept are the frames of the driver's code and the one that called it; what called that one is ours and
 * says nothing.  An entry is found by its key, a hash of the return addresses from the caller upwards; whoever finds
 * none makes it, under the lock, and stores the key last, so that readers need no lock: a key that is there has
 * its frames.  Entries are never changed or removed.  A block whose stack found no room has its caller only.
 */
enum { SITE_TRIES = 32, OWN_FRAMES = 8 };

struct site {
    uint64_t frames;
    void *stack[UWSK_LEFT_FRAMES];
};

static struct site *sites;
static uint32_t site_count; /* a power of two */
static struct ke_lock site_lock;

/* What each allocation asks, in one line. */
static struct {
    uintptr_t own_low, own_bytes; /* `own` */
    uint64_t *keys;               /* of the sites; 0 = free */
    uint64_t mask;                /* site_count - 1 */
} quick __attribute__((aligned(64)));

static inline int is_own(uintptr_t address)
{
    return address - quick.own_low < quick.own_bytes;
}

static inline uint64_t mix(uint64_t key, const void *address)
{
    return ((key << 5 | key >> 59) ^ (uint64_t)(uintptr_t)address) * 0x9E3779B97F4A7C15ull;
}

/* What a stack is found by.  The place is near for calls within one function, which follow one upon the other: so a
 * request's blocks have their keys side by side. */
struct site_key {
    uint64_t key, place;
};

static inline struct site_key site_key(uintptr_t caller, uint64_t above)
{
    return (struct site_key){mix(above, (void *)caller) | 1, (above >> 40) + (caller >> 4)};
}

/* Number + 1 of the stack with this key, or 0 when the table is full around its place. */
static uint32_t site_make(struct site_key key, void *const *stack, size_t frames)
{
    uint32_t found = 0;

    ke_lock_acquire(&site_lock);
    for (uint32_t i = 0; i < SITE_TRIES && !found; i++) {
        uint32_t at = (uint32_t)((key.place + i) & quick.mask);

        if (quick.keys[at] == 0) {
            sites[at].frames = frames;
            memcpy(sites[at].stack, stack, frames * sizeof *stack);
            __atomic_store_n(&quick.keys[at], key.key, __ATOMIC_RELEASE);
        }
        if (quick.keys[at] == key.key)
            found = at + 1;
    }
    ke_lock_release(&site_lock);
    return found;
}

static uint32_t site_of(struct site_key key, void *const *stack, size_t frames)
{
    for (uint32_t i = 0; i < SITE_TRIES; i++) {
        uint32_t at = (uint32_t)((key.place + i) & quick.mask);
        uint64_t there = __atomic_load_n(&quick.keys[at], __ATOMIC_ACQUIRE);

        if (there == key.key)
            return at + 1;
        if (there == 0)
            break;
    }
    return site_make(key, stack, frames);
}

/* As stack_of, on a stack that is not the thread's own. */
static __attribute__((noinline)) size_t stack_elsewhere(void **stack)
{
    void *frames[WALK];
    size_t count = host_backtrace(frames, WALK, 2), skip = 0, kept;

    while (skip < count && runner_image_holds(&own, frames[skip]))
        skip++;
    kept = count - skip < UWSK_LEFT_FRAMES ? count - skip : UWSK_LEFT_FRAMES;
    memcpy(stack, frames + skip, kept * sizeof *stack);
    return kept;
}

/* Frames of this thread's own stack: each step of a walk leads upwards and stays below `high`. */
struct walk {
    const uintptr_t *frame; /* its frame[1] is a return address, frame[0] the next */
    uintptr_t high;
};

HOST_UNSANITIZED static inline int walk_on(struct walk *walk)
{
    const uintptr_t *next = (const uintptr_t *)walk->frame[0];

    if (next <= walk->frame || (uintptr_t)next > walk->high)
        return 0;
    walk->frame = next;
    return 1;
}

/* 0 on another stack (a signal's). */
HOST_UNSANITIZED static inline int walk_begin(struct walk *walk, const uintptr_t *frame)
{
    const struct host_thread *self = host_self();

    walk->frame = frame;
    walk->high = (uintptr_t)self->stack_high - 2 * sizeof(void *);
    return (uintptr_t)frame >= (uintptr_t)self->stack_low && (uintptr_t)frame <= walk->high;
}

/* Finds the frame that returns to a driver, whose call this is: a few frames up.  0 also when code without frame
 * pointers is in between. */
HOST_UNSANITIZED static inline int walk_to(struct walk *walk, const void *caller, const uintptr_t *frame)
{
    if (!walk_begin(walk, frame))
        return 0;
    for (int i = 0; i < OWN_FRAMES; i++) {
        if (walk->frame[1] == (uintptr_t)caller)
            return 1;
        if (!walk_on(walk))
            return 0;
    }
    return 0;
}

/* Of the return addresses from there upwards as many as are kept: through the driver's code, up to the first
 * one of the runtime, which has called the driver. */
HOST_UNSANITIZED static inline struct site_key walk_key(struct walk walk)
{
    uintptr_t caller = walk.frame[1]; /* not ours */
    uint64_t above = 0;

    for (int left = UWSK_LEFT_FRAMES; --left && walk_on(&walk);) {
        above = mix(above, (void *)walk.frame[1]);
        if (is_own(walk.frame[1]))
            break;
    }
    return site_key(caller, above);
}

HOST_UNSANITIZED static size_t walk_copy(struct walk walk, void **stack)
{
    size_t count = 0;

    do {
        if (walk.frame[1] < 4096)
            break;
        stack[count++] = (void *)(walk.frame[1] - 1);
    } while (count < UWSK_LEFT_FRAMES && !runner_image_holds(&own, (void *)walk.frame[1]) && walk_on(&walk));
    return count;
}

/* The runtime's own frames in front say nothing; what follows is kept.  On a processor's thread that runs no routine of a
 * driver there is nothing but ours: so with most accepted sockets. */
HOST_UNSANITIZED static size_t stack_of(void **stack)
{
    const struct ke_thread *thread = ke_current_thread();
    struct walk walk;
    size_t count = 0;

    if (thread->is_processor && thread->frames == NULL)
        return 0;
    if (!walk_begin(&walk, __builtin_frame_address(0)))
        return stack_elsewhere(stack);
    for (int i = 0; i < WALK && count < UWSK_LEFT_FRAMES && walk.frame[1] >= 4096; i++) {
        void *address = (void *)(walk.frame[1] - 1);

        if (count || !runner_image_holds(&own, address))
            stack[count++] = address;
        if (!walk_on(&walk))
            break;
    }
    return count;
}

/* The stack with this key is not at the key's first place: it is new or beside that. */
static __attribute__((noinline)) struct observe_stamp stamp_beside(struct site_key key, struct walk walk)
{
    void *stack[UWSK_LEFT_FRAMES];
    size_t frames = walk_copy(walk, stack);

    return (struct observe_stamp){host_ticks(), site_of(key, stack, frames)};
}

/* Without a walk of our own. */
static __attribute__((noinline)) struct observe_stamp stamp_elsewhere(void)
{
    void *stack[UWSK_LEFT_FRAMES];
    size_t frames = stack_of(stack);
    uint64_t above = 0;

    for (size_t i = 1; i < frames; i++)
        above = mix(above, stack[i]);
    return (struct observe_stamp){host_ticks(),
                                  site_of(site_key(frames ? (uintptr_t)stack[0] : 0, above), stack, frames)};
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

static struct observe_stamp on_block(void *context, void *caller, const void *frame)
{
    struct walk walk;
    struct site_key key;
    uint64_t at;

    (void)context;
    if (__builtin_expect(is_own((uintptr_t)caller) || !walk_to(&walk, caller, frame), 0))
        return stamp_elsewhere();
    key = walk_key(walk);
    at = key.place & quick.mask;
    if (__builtin_expect(__atomic_load_n(&quick.keys[at], __ATOMIC_ACQUIRE) != key.key, 0))
        return stamp_beside(key, walk);
    return (struct observe_stamp){host_ticks(), (uint32_t)at + 1};
}

static void on_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    void *stack[UWSK_LEFT_FRAMES];
    struct runner_object *entry;
    struct shard *shard;
    uint64_t hash;
    size_t frames;

    (void)context;
    if (caller == NULL || kind <= 0 || kind >= OBSERVE_OBJECT_MAX)
        return; /* the runtime's own */
    if (kind == OBSERVE_DPC && runner_image_holds(&own, caller))
        return; /* queued by the runtime: it will run, whoever unloads */
    frames = stack_of(stack);
    hash = hash_of(object);
    shard = shard_of(hash);
    ke_lock_acquire(&shard->lock);
    entry = take_entry(shard);
    if (entry) {
        entry->object = object;
        entry->born = host_ticks();
        entry->since = 0;
        entry->tag = tag;
        entry->bytes = bytes;
        entry->caller = caller;
        entry->kind = (uint8_t)kind;
        entry->frames = (uint8_t)frames;
        if (frames) /* few sockets that are accepted have any */
            memcpy(entry->stack, stack, frames * sizeof *stack);
        put(shard, hash, entry);
        if (kind == OBSERVE_DPC)
            __atomic_add_fetch(&dpcs, 1, __ATOMIC_RELAXED);
    }
    ke_lock_release(&shard->lock);
}

static void on_dead(void *context, int kind, const void *object)
{
    (void)context;
    /* Both are told under the lock of the DPC's queue: who counted this one came before. */
    if (kind == OBSERVE_DPC && __atomic_load_n(&dpcs, __ATOMIC_RELAXED) == 0)
        return;
    if (forget(kind, object, NULL) && kind == OBSERVE_DPC)
        __atomic_sub_fetch(&dpcs, 1, __ATOMIC_RELAXED);
}

/* Two drivers may refer to one object: each gives back its own.  One may have handed its reference to another, which then
 * gives that back. */
static void on_let_go(void *context, int kind, const void *object, void *caller)
{
    struct runner_image image = runner_image_of(caller);

    (void)context;
    (void)forget(kind, object, &image);
}

/* No more than these: at a site whose hook is NULL nothing is called. */
static const struct observe_hooks hooks = {
    .born = on_born, .dead = on_dead, .let_go = on_let_go, .block = on_block};

/* Four for each processor: more of them are more pages that a birth may find cold.  In the simulator fibers do not meet,
 * and thousands of runs a second begin empty. */
static unsigned shards_wanted(void)
{
    unsigned count = 4;

    if (sim_running())
        return 1;
    while (count < SHARDS && count < 4 * host_processor_count())
        count *= 2;
    return count;
}

int runner_account_start(void)
{
    own = runner_own_image();
    shard_count = shards_wanted();
    slab_bytes = sim_running() ? 16 * 1024 : 64 * 1024;
    site_count = sim_running() ? 256 : 8192;
    started = host_ticks();
    lost = 0;
    dpcs = 0;
    shards = host_pages_allocate(shard_count * sizeof *shards, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    sites = host_pages_allocate(site_count * sizeof *sites, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    quick.keys = host_pages_allocate(site_count * sizeof *quick.keys, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    quick.mask = site_count - 1;
    quick.own_low = own.low;
    quick.own_bytes = own.high - own.low;
    if (!shards || !sites || !quick.keys) {
        runner_account_stop();
        return -1;
    }
    observe_install(&hooks);
    return 0;
}

void runner_account_stop(void)
{
    /* Threads that have just ended may still look whether anybody watches their end. */
    observe_install(NULL);
    for (int i = 0; shards && i < (int)shard_count; i++) {
        struct slab *slab = shards[i].slabs;

        while (slab) {
            struct slab *next = slab->next;

            host_pages_free(slab, slab_bytes);
            slab = next;
        }
    }
    if (shards)
        host_pages_free(shards, shard_count * sizeof *shards);
    if (sites)
        host_pages_free(sites, site_count * sizeof *sites);
    if (quick.keys)
        host_pages_free(quick.keys, site_count * sizeof *quick.keys);
    shards = NULL;
    sites = NULL;
    quick.keys = NULL;
}

/* ---- questions ---------------------------------------------------------------------------------------- */

static int by_birth(const void *a, const void *b)
{
    uint64_t x = ((const struct runner_object *)a)->born, y = ((const struct runner_object *)b)->born;

    return x < y ? -1 : x > y;
}

/* Room for copies: each source counts what it has, and is asked again when that was more than there was room
 * for, because no memory is allocated under a lock. */
struct copies {
    struct runner_object *out; /* NULL: only count */
    size_t used, room;
    size_t found; /* by this source */
};

static struct runner_object *next_copy(struct copies *copies)
{
    return copies->used + copies->found++ < copies->room ? &copies->out[copies->used + copies->found - 1]
                                                         : NULL;
}

static void copy_shards(struct copies *copies)
{
    for (int i = 0; i < (int)shard_count; i++) {
        struct shard *shard = &shards[i];

        ke_lock_acquire(&shard->lock);
        for (int b = 0; b < BUCKETS; b++)
            for (const struct runner_object *entry = shard->bucket[b]; entry; entry = entry->next) {
                struct runner_object *copy = next_copy(copies);

                if (copy)
                    *copy = *entry;
            }
        ke_lock_release(&shard->lock);
    }
}

static BOOLEAN copy_block(void *context, const struct ex_pool_block *block)
{
    struct runner_object *copy;
    const struct site *site;

    if (!block->caller || block->when < started) /* the runtime's own, or from before */
        return TRUE;
    copy = next_copy(context);
    if (!copy)
        return TRUE;
    memset(copy, 0, sizeof *copy);
    copy->object = block->address;
    copy->born = block->when;
    copy->tag = block->tag;
    copy->bytes = block->bytes;
    copy->caller = block->caller;
    copy->kind = (uint8_t)ex_pool_observed_as(block->kind);
    if (block->site) {
        site = &sites[block->site - 1];
        copy->frames = (uint8_t)site->frames;
        memcpy(copy->stack, site->stack, sizeof copy->stack);
    }
    return TRUE;
}

static void copy_blocks(struct copies *copies)
{
    ex_pool_walk(copy_block, copies);
}

static void copy_thread(void *context, const struct ke_thread *thread)
{
    for (int i = 0; i < KE_THREAD_ROUTINES; i++) {
        struct ke_routine routine;
        struct runner_object *copy;

        if (!ke_read_routine(&thread->routines[i], &routine))
            continue;
        copy = next_copy(context);
        if (!copy)
            continue;
        memset(copy, 0, sizeof *copy);
        copy->object = &thread->routines[i];
        copy->born = routine.since;
        copy->since = routine.since;
        copy->tag = (uint64_t)routine.call;
        copy->caller = routine.function;
        copy->kind = RUNNER_ROUTINE;
        copy->routine.subject = routine.subject;
        copy->routine.name = routine.name;
        copy->routine.thread = routine.thread;
    }
}

static void copy_threads(struct copies *copies)
{
    ke_each_thread(copy_thread, copies);
}

struct runner_object *runner_account_copy(size_t *count)
{
    static void (*const sources[])(struct copies * copies) = {copy_shards, copy_blocks, copy_threads};
    struct copies copies = {NULL, 0, 0, 0};

    *count = 0;
    for (size_t i = 0; shards && i < sizeof sources / sizeof sources[0];) {
        copies.found = 0;
        sources[i](&copies);
        if (copies.used + copies.found > copies.room) {
            size_t room = copies.used + copies.found + 256;
            struct runner_object *bigger = realloc(copies.out, room * sizeof *bigger);

            if (!bigger)
                break;
            copies.out = bigger;
            copies.room = room;
            continue;
        }
        copies.used += copies.found;
        i++;
    }
    if (copies.used)
        qsort(copies.out, copies.used, sizeof *copies.out, by_birth);
    for (size_t i = 0; i < copies.used; i++)
        if (copies.out[i].since)
            copies.out[i].since = host_ticks_time(copies.out[i].since);
    *count = copies.used;
    return copies.out;
}

uint64_t runner_account_lost(void)
{
    return __atomic_load_n(&lost, __ATOMIC_RELAXED);
}

struct running {
    const struct uwsk_driver *driver;
    int found;
};

static void find_running(void *context, const struct ke_thread *thread)
{
    struct running *running = context;

    for (int i = 0; i < KE_THREAD_ROUTINES; i++) {
        struct ke_routine routine;

        /* One that begins or ends while it is read is on its way: it is looked at again. */
        if (!ke_read_routine(&thread->routines[i], &routine) && routine.since == 0)
            continue;
        if (routine.since != __atomic_load_n(&thread->routines[i].since, __ATOMIC_ACQUIRE) ||
            runner_image_holds(&running->driver->image, routine.function))
            running->found = 1;
    }
}

static int routine_runs(const struct uwsk_driver *driver)
{
    struct running running = {driver, 0};

    ke_each_thread(find_running, &running);
    return running.found;
}

void runner_account_settle(const struct uwsk_driver *driver, unsigned milliseconds)
{
    uint64_t until = host_now() + milliseconds * 1000000ull;
    uint32_t never = 0;

    while (routine_runs(driver) && host_now() < until)
        host_park(&never, 0, host_now() + 2000000u);
}

int runner_object_is_of(const struct runner_object *object, const struct uwsk_driver *driver,
                        const void **made_by)
{
    *made_by = NULL;
    if (object->kind == RUNNER_ROUTINE)
        return 0;
    for (size_t i = 0; i <= object->frames; i++) {
        const void *address = i < object->frames ? object->stack[i] : object->caller;
        const struct uwsk_driver *owner = runner_driver_at(address);

        if (!owner)
            continue;
        *made_by = address;
        return owner == driver;
    }
    return driver == NULL && !runner_image_holds(&own, object->caller);
}
