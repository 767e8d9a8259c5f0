/*
 * account.c - everything that lives: a table of the objects that drivers have made, filled through
 * nt/observe.h.
 *
 * Cheap enough to be always on: one short lock and one walk up the stack per birth, one short lock per death.
 * The table is split, so that processors rarely meet.  Objects of the runtime itself (no caller) are passed
 * over at birth; who made the others is found out only when somebody asks.  Entries come from pages of the
 * host: a hook runs inside the pool and must not use it.
 *
 * Which driver an object belongs to: the innermost address of its stack that lies in a driver's code, or else
 * its caller.
 */
#include "runner.h"

#include "host/sim/sim.h"

#include "nt/rtl/call.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, WALK = 20, SHORT_WALK = UWSK_LEFT_FRAMES + 2 };

struct shard {
    struct ke_lock lock;
    struct runner_object *free;
    struct slab *slabs;
    struct runner_object *bucket[BUCKETS];
} __attribute__((aligned(64)));

struct slab {
    struct slab *next;
    struct runner_object object[];
};

static struct shard *shards;
static unsigned shard_count;
static size_t slab_bytes;
static struct runner_image own;
static uint64_t sequence;
static uint64_t lost; /* births for which there was no memory */

/* ---- the table ---------------------------------------------------------------------------------------- */

static uint64_t hash_of(const void *object)
{
    return ((uint64_t)(uintptr_t)object >> 4) * 0x9E3779B97F4A7C15ull;
}

static struct shard *shard_of(uint64_t hash)
{
    return &shards[(hash >> 58) & (shard_count - 1)];
}

static struct runner_object **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->bucket[hash >> 48 & (BUCKETS - 1)];
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

static void forget(int kind, const void *object)
{
    uint64_t hash = hash_of(object);
    struct shard *shard = shard_of(hash);
    struct runner_object **link, *entry;

    ke_lock_acquire(&shard->lock);
    link = find(bucket_of(shard, hash), kind, object);
    entry = *link;
    if (entry) {
        *link = entry->next;
        entry->next = shard->free;
        shard->free = entry;
    }
    ke_lock_release(&shard->lock);
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

/* The runtime's own frames in front say nothing; keep what follows. */
static uint8_t stack_of(void **stack)
{
    void *frames[WALK];
    size_t count, skip = 0, kept;

    /* Mostly a few frames of ours stand in front, and the walk need not go on. */
    count = host_backtrace(frames, SHORT_WALK, 2);
    while (skip < count && runner_image_holds(&own, frames[skip]))
        skip++;
    if (count == SHORT_WALK && count - skip < UWSK_LEFT_FRAMES)
        count = host_backtrace(frames, WALK, 2);
    while (skip < count && runner_image_holds(&own, frames[skip]))
        skip++;
    kept = count - skip < UWSK_LEFT_FRAMES ? count - skip : UWSK_LEFT_FRAMES;
    memcpy(stack, frames + skip, kept * sizeof *stack);
    return (uint8_t)kept;
}

static void on_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    void *stack[UWSK_LEFT_FRAMES];
    struct runner_object *entry;
    struct shard *shard;
    uint64_t hash;
    uint8_t frames;

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
        entry->sequence = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
        entry->since = 0;
        entry->tag = tag;
        entry->bytes = bytes;
        entry->caller = caller;
        entry->kind = (uint8_t)kind;
        entry->frames = frames;
        memcpy(entry->stack, stack, frames * sizeof *stack);
        put(shard, hash, entry);
    }
    ke_lock_release(&shard->lock);
}

static void on_dead(void *context, int kind, const void *object)
{
    (void)context;
    forget(kind, object);
}

static void on_irp(void *context, int step, const void *irp, int32_t status)
{
    uint64_t hash;
    struct shard *shard;
    struct runner_object *entry;

    (void)context, (void)status;
    if (step != OBSERVE_IRP_MARKED)
        return;
    hash = hash_of(irp);
    shard = shard_of(hash);
    ke_lock_acquire(&shard->lock);
    entry = *find(bucket_of(shard, hash), OBSERVE_IRP, irp);
    if (entry)
        entry->since = host_now();
    ke_lock_release(&shard->lock);
}

static void on_enter(void *context, int call, const void *subject, const char *name)
{
    const struct ke_thread *thread = ke_current_thread();
    uint64_t hash = hash_of(thread->frames); /* the gate has linked it already */
    struct shard *shard = shard_of(hash);
    uint64_t since = host_now();
    struct runner_object *entry;

    (void)context;
    ke_lock_acquire(&shard->lock);
    entry = take_entry(shard);
    if (entry) { /* in place: this is done for every routine that runs */
        entry->object = thread->frames;
        entry->sequence = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
        entry->since = since;
        entry->tag = (uint64_t)call;
        entry->bytes = 0;
        entry->caller = thread->frames->function;
        entry->kind = RUNNER_ROUTINE;
        entry->frames = 0;
        entry->routine.subject = subject;
        entry->routine.name = name;
        entry->routine.thread = thread->host ? thread->host->id : 0;
        put(shard, hash, entry);
    }
    ke_lock_release(&shard->lock);
}

static void on_leave(void *context, int call, const void *subject, int32_t status)
{
    const struct rtl_frame *frame = ke_current_thread()->frames;

    (void)context, (void)status;
    /* A thread that ends leaves all its frames, innermost first, while the innermost is still linked. */
    while (frame && (frame->call != call || frame->subject != subject))
        frame = frame->previous;
    if (frame)
        forget(RUNNER_ROUTINE, frame);
}

static const struct observe_hooks hooks = {
    .born = on_born, .dead = on_dead, .irp = on_irp, .enter = on_enter, .leave = on_leave};

int runner_account_start(void)
{
    own = runner_own_image();
    shard_count = sim_running() ? 1 : 64; /* fibers do not meet, and thousands of runs a second begin empty */
    slab_bytes = sim_running() ? 16 * 1024 : 64 * 1024;
    shards = host_pages_allocate(shard_count * sizeof *shards, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    if (!shards)
        return -1;
    sequence = lost = 0;
    observe_hooks = &hooks;
    return 0;
}

void runner_account_stop(void)
{
    observe_hooks = NULL;
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
    shards = NULL;
}

/* ---- questions ---------------------------------------------------------------------------------------- */

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct runner_object *)a)->sequence, y = ((const struct runner_object *)b)->sequence;

    return x < y ? -1 : x > y;
}

/* Copies at most `room`; returns how many there are. */
static size_t copy_shard(struct shard *shard, struct runner_object *out, size_t room)
{
    size_t count = 0;

    ke_lock_acquire(&shard->lock);
    for (int i = 0; i < BUCKETS; i++)
        for (const struct runner_object *entry = shard->bucket[i]; entry; entry = entry->next) {
            if (count < room)
                out[count] = *entry;
            count++;
        }
    ke_lock_release(&shard->lock);
    return count;
}

struct runner_object *runner_account_copy(size_t *count)
{
    struct runner_object *out = NULL;
    size_t used = 0, room = 0;

    *count = 0;
    for (int i = 0; shards && i < (int)shard_count;) {
        size_t found = copy_shard(&shards[i], out + used, room - used);

        if (found > room - used) { /* no memory is allocated under the lock */
            struct runner_object *bigger = realloc(out, (used + found + 256) * sizeof *out);

            if (!bigger)
                break;
            out = bigger;
            room = used + found + 256;
            continue;
        }
        used += found;
        i++;
    }
    if (used)
        qsort(out, used, sizeof *out, by_sequence);
    *count = used;
    return out;
}

uint64_t runner_irp_since(const void *irp)
{
    uint64_t hash = hash_of(irp), since = 0;
    struct runner_object *entry;
    struct shard *shard;

    if (!shards)
        return 0;
    shard = shard_of(hash);
    ke_lock_acquire(&shard->lock);
    entry = *find(bucket_of(shard, hash), OBSERVE_IRP, irp);
    if (entry)
        since = entry->since;
    ke_lock_release(&shard->lock);
    return since;
}

static int routine_runs(const struct uwsk_driver *driver)
{
    int found = 0;

    for (int i = 0; shards && i < (int)shard_count && !found; i++) {
        struct shard *shard = &shards[i];

        ke_lock_acquire(&shard->lock);
        for (int b = 0; b < BUCKETS && !found; b++)
            for (const struct runner_object *entry = shard->bucket[b]; entry; entry = entry->next)
                if (entry->kind == RUNNER_ROUTINE && runner_image_holds(&driver->image, entry->caller))
                    found = 1;
        ke_lock_release(&shard->lock);
    }
    return found;
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
