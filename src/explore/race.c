/*
 * race.c - what threads of drivers do to the same memory without anything that puts them in order, and what they do
 * to memory that was given back.
 *
 * Works for drivers that `uwsk cc --explore` has compiled: each of their accesses comes here (host/sim/memory.c).
 *
 * Order.  Each thread has a clock of what it knows of every thread.  To release an object is to add that to the
 * object's clock, to acquire it is to learn what the clock holds: locks, waits, DPCs, work items, timers, threads and
 * interlocked operations tell of themselves (observe.h: order, lock; host_point), IRPs, sockets and routines are
 * taken from the hooks that are there for the invariants.  Two accesses that neither clock puts in order race: if
 * one of them writes plainly, that is a violation, whatever came of it in this run.  Interlocked and volatile accesses
 * order what they touch (MSVC for x64 gives volatile that meaning), so among themselves they do not race.
 *
 * Memory.  Per granule of 8 bytes the last few accesses that are not implied by later ones, as (thread, its clock,
 * bytes, kind).  When more threads than there is room for read the same bytes, the oldest is forgotten: a race may be
 * missed, none is made up.  So it is when more pages are touched than MAX_PAGES: the first ones are forgotten.
 *
 * Blocks of the pool, with IRPs, MDLs and work items: memory that is given back must not be touched, and to give it
 * back is to write all of it.
 *
 * All of it is memory of libc, and nothing here decides by addresses: a run with it is as repeatable as without.  What
 * a report wants to know in addition, stacks of earlier accesses, is collected only in the run that is told in detail.
 */
#include "explore/race.h"

#include "host/host.h"
#include "runner/runner.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort(); /* no run could be believed */
    return memory;
}

static size_t hash_of(uintptr_t value)
{
    return (size_t)(value * 0x9E3779B97F4A7C15ull >> 52); /* 4096 */
}

/* ---- clocks ------------------------------------------------------------------------------------------- */

static void clock_fit(struct clock *clock, uint32_t count)
{
    if (count > clock->room) {
        uint32_t room = count + 16;

        clock->at = must(realloc(clock->at, room * sizeof *clock->at));
        clock->room = room;
    }
    if (count > clock->count) {
        memset(clock->at + clock->count, 0, (count - clock->count) * sizeof *clock->at);
        clock->count = count;
    }
}

static void clock_join(struct clock *clock, const struct clock *other)
{
    clock_fit(clock, other->count);
    for (uint32_t i = 0; i < other->count; i++)
        if (other->at[i] > clock->at[i])
            clock->at[i] = other->at[i];
}

static void forget_stack_of_fiber(struct races *all);

static struct thread *this_thread(struct races *all, uint32_t *number)
{
    struct thread *thread;

    *number = sim_fiber();
    if (*number >= MAX_THREADS)
        *number = MAX_THREADS; /* the rest shares one clock: what they do among themselves is in order */
    if (*number >= all->threads) {
        all->thread = must(realloc(all->thread, (*number + 16) * sizeof *all->thread));
        memset(all->thread + all->threads, 0, (*number + 16 - all->threads) * sizeof *all->thread);
        all->threads = *number + 16;
    }
    thread = &all->thread[*number];
    if (!thread->known) {
        thread->known = 1;
        clock_fit(&thread->clock, *number + 1);
        thread->clock.at[*number] = 1;
        if (*number)
            forget_stack_of_fiber(all);
    }
    return thread;
}

static struct object *find_object(struct races *all, const volatile void *address, int make)
{
    struct object **bucket = &all->object[hash_of((uintptr_t)address >> 2)], *object = *bucket;

    while (object && object->address != address)
        object = object->next;
    if (object || !make)
        return object;
    object = all->spare_objects;
    if (object)
        all->spare_objects = object->next;
    else
        object = must(calloc(1, sizeof *object));
    object->address = address;
    object->clock.count = 0;
    object->next = *bucket;
    *bucket = object;
    return object;
}

static void order(struct races *all, const volatile void *address, int how)
{
    uint32_t number;
    struct thread *thread = this_thread(all, &number);
    struct object *object = find_object(all, address, how & SIM_RELEASE);

    if (!object)
        return;
    if (how & SIM_ACQUIRE)
        clock_join(&thread->clock, &object->clock);
    if (how & SIM_RELEASE) {
        clock_join(&object->clock, &thread->clock);
        thread->clock.at[number]++;
    }
}

/* ---- pages -------------------------------------------------------------------------------------------- */

static void unlink_page(struct races *all, struct page *page)
{
    struct page **link = &all->page[hash_of(page->number)];

    while (*link != page)
        link = &(*link)->next;
    *link = page->next;
    page->next = all->spare;
    all->spare = page;
    all->last = NULL;
}

static struct page *find_page(struct races *all, uintptr_t number, int make)
{
    struct page **bucket, *page = all->last;

    if (page && page->number == number)
        return page;
    bucket = &all->page[hash_of(number)];
    for (page = *bucket; page && page->number != number; page = page->next)
        ;
    if (!page && make) {
        if (all->page_count == MAX_PAGES) {
            unlink_page(all, all->pages[all->oldest]);
        }
        page = all->spare;
        if (page)
            all->spare = page->next;
        else
            page = must(calloc(1, sizeof *page));
        memset(page->freed, 0, sizeof page->freed);
        if (page->granule)
            memset(page->granule, 0, GRANULES * sizeof *page->granule);
        page->number = number;
        page->next = *bucket;
        *bucket = page;
        if (all->page_count < MAX_PAGES) {
            all->pages[all->page_count++] = page;
        } else {
            all->pages[all->oldest] = page;
            all->oldest = (all->oldest + 1) % MAX_PAGES;
        }
    }
    if (page)
        all->last = page;
    return page;
}

/* What was known of the accesses to [from, to), which begin and end with granules. */
static void forget_accesses(struct races *all, uintptr_t from, uintptr_t to)
{
    while (from < to) {
        struct page *page = find_page(all, from >> FRAME_SHIFT, 0);
        uintptr_t end = ((from >> FRAME_SHIFT) + 1) << FRAME_SHIFT;

        end = end < to ? end : to;
        if (page && page->granule)
            memset(page->granule[from >> GRANULE_SHIFT & (GRANULES - 1)], 0,
                   ((end - from) >> GRANULE_SHIFT) * sizeof *page->granule);
        from = end;
    }
}

/* A stack is used again by another fiber. */
static void forget_stack_of_fiber(struct races *all)
{
    const struct host_thread *self = host_self();
    uintptr_t low = (uintptr_t)self->stack_low, high = (uintptr_t)self->stack_high;

    for (size_t i = 0; i < all->page_count; i++) {
        struct page *page = all->pages[i];

        if (page->number >= low >> FRAME_SHIFT && page->number < high >> FRAME_SHIFT && page->granule)
            memset(page->granule, 0, GRANULES * sizeof *page->granule);
    }
}

/* ---- what is found ------------------------------------------------------------------------------------ */

static struct stack *take_stack(struct races *all)
{
    struct stack *stack = must(malloc(sizeof *stack));

    stack->step = sim_step();
    memset(stack->frames, 0, sizeof stack->frames);
    stack->count = host_backtrace(stack->frames, FRAMES, 1);
    /* From the driver's own code on. */
    for (size_t i = 0; i < stack->count; i++)
        if (runner_driver_at(stack->frames[i])) {
            memmove(stack->frames, stack->frames + i, (stack->count - i) * sizeof stack->frames[0]);
            stack->count -= i;
            break;
        }
    if (all->stacks == all->stack_room) {
        all->stack_room = all->stack_room ? 2 * all->stack_room : 1024;
        all->stack = must(realloc(all->stack, all->stack_room * sizeof *all->stack));
    }
    all->stack[all->stacks++] = stack;
    return stack;
}

/* The innermost code of a driver on this stack, or of anybody. */
static void *culprit(void)
{
    void *frames[FRAMES];
    size_t count = host_backtrace(frames, FRAMES, 2);

    for (size_t i = 0; i < count; i++)
        if (runner_driver_at(frames[i]))
            return frames[i];
    return count ? frames[0] : NULL;
}

/* Ends the run; names are looked up afterwards, on a stack that has room for that. */
static void found(struct races *all, uintptr_t at, int how, void *caller, const struct access *before,
                  int frees)
{
    const struct host_thread *self = host_self();

    if (!world_violation_begin(all->world, before ? "data-race" : "use-after-free"))
        return;
    all->found =
        (struct found_race){.at = at, .how = how, .caller = caller, .frees = frees, .fiber = sim_fiber()};
    all->found.on_stack = at >= (uintptr_t)self->stack_low && at < (uintptr_t)self->stack_high;
    if (before)
        all->found.before = *before;
    world_violation_end(all->world);
}

/* ---- accesses ----------------------------------------------------------------------------------------- */

static int before_now(const struct clock *clock, uint64_t word)
{
    uint32_t thread = (uint32_t)(word >> 48) - 1;

    return thread < clock->count && (uint32_t)(word >> 16) <= clock->at[thread];
}

#define PLAIN_WRITE (SIM_ACCESS_PLAIN | SIM_ACCESS_WRITE)

static void access_granule(struct races *all, struct access *slot, uintptr_t at, unsigned bytes, int how,
                           void *caller, const struct thread *thread, uint32_t number, struct stack **stack)
{
    uint64_t word =
        (uint64_t)(number + 1) << 48 | (uint64_t)thread->clock.at[number] << 16 | (uint64_t)how << 8 | bytes;
    struct access *room = NULL;

    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t old = slot[i].word;
        int old_how = (int)(old >> 8 & 0xFF), implied;

        if (old == word) /* seen before, and nothing has happened since */
            return;
        if (old >> 16 == word >> 16 && old_how == PLAIN_WRITE && !(bytes & ~old))
            return; /* what it has just written */
        if (!old) {
            room = room ? room : &slot[i];
            continue;
        }
        if (!(old & 0xFF & bytes))
            continue;
        /* Who conflicts with the old one conflicts with the new one, too. */
        implied = !(old & 0xFF & ~bytes) && (how == old_how || how == PLAIN_WRITE);
        if (old >> 48 == number + 1u || before_now(&thread->clock, old)) {
            if (implied) {
                slot[i].word = 0;
                room = &slot[i];
            }
            continue;
        }
        if (how == PLAIN_WRITE || old_how == PLAIN_WRITE)
            found(all, at, how, caller, &slot[i], 0);
    }
    if (!room) {
        room = &slot[sim_step() % SLOTS];
    }
    room->word = word;
    if (!races_in_detail(all)) {
        room->where.caller = caller;
        return;
    }
    if (!*stack)
        *stack = take_stack(all);
    room->where.stack = *stack;
}

static void on_access(void *context, const volatile void *address, size_t bytes, int how, void *caller)
{
    struct races *all = context;
    uintptr_t at = (uintptr_t)address, end = at + bytes;
    struct stack *stack = NULL;
    uint32_t number;
    struct thread *thread = this_thread(all, &number);

    if (!caller)
        caller = culprit();
    while (at < end) {
        struct page *page = find_page(all, at >> FRAME_SHIFT, 1);
        unsigned granule = at >> GRANULE_SHIFT & (GRANULES - 1), first = at & 7;
        unsigned count = end - at < 8 - first ? (unsigned)(end - at) : 8 - first;

        if (page->freed[granule / 64] >> granule % 64 & 1)
            found(all, at, how, caller, NULL, 0);
        if (!page->granule)
            page->granule = must(calloc(GRANULES, sizeof *page->granule));
        access_granule(all, page->granule[granule], at, (0xFFu >> (8 - count)) << first, how, caller, thread,
                       number, &stack);
        at += count;
    }
}

static void on_memory_order(void *context, const volatile void *object, int how)
{
    order(context, object, how);
}

/* ---- blocks ------------------------------------------------------------------------------------------- */

static int is_memory(int kind)
{
    return kind == OBSERVE_POOL || kind == OBSERVE_IRP || kind == OBSERVE_MDL || kind == OBSERVE_WORK_ITEM;
}

static void mark_freed(struct races *all, uintptr_t from, uintptr_t to, int freed)
{
    for (; from < to; from += 1 << GRANULE_SHIFT) {
        struct page *page = find_page(all, from >> FRAME_SHIFT, freed);
        unsigned granule = from >> GRANULE_SHIFT & (GRANULES - 1);

        if (!page) {
            from |= (1 << FRAME_SHIFT) - (1 << GRANULE_SHIFT); /* on to the next page */
            continue;
        }
        if (freed)
            page->freed[granule / 64] |= 1ull << granule % 64;
        else
            page->freed[granule / 64] &= ~(1ull << granule % 64);
    }
}

/* A block of the pool is in use again: what was known of it before is over. */
static void begin_anew(struct races *all, const void *object, uint64_t bytes)
{
    uintptr_t from = (uintptr_t)object, to = (from + bytes + 7) & ~(uintptr_t)7;

    mark_freed(all, from, to, 0);
    forget_accesses(all, from, to);
}

static void block_born(struct races *all, int kind, const void *object, uint64_t bytes, void *caller)
{
    struct block **bucket = &all->block[hash_of((uintptr_t)object >> 4)], *block = all->spare_blocks;

    if (block)
        all->spare_blocks = block->next;
    else
        block = must(malloc(sizeof *block));
    *block = (struct block){
        .next = *bucket, .from = (uintptr_t)object, .bytes = bytes, .kind = kind, .born_at = caller};
    if (races_in_detail(all))
        block->born = take_stack(all);
    *bucket = block;
    begin_anew(all, object, bytes);
}

/* To give memory back is to write it: nobody's access may be out of order with that. */
static void check_free(struct races *all, uintptr_t from, uintptr_t to, void *caller)
{
    uint32_t number;
    const struct thread *thread = this_thread(all, &number);

    for (; from < to; from += 1 << GRANULE_SHIFT) {
        struct page *page = find_page(all, from >> FRAME_SHIFT, 0);

        if (!page || !page->granule) {
            from |= (1 << FRAME_SHIFT) - (1 << GRANULE_SHIFT);
            continue;
        }
        for (unsigned i = 0; i < SLOTS; i++) {
            const struct access *slot = &page->granule[from >> GRANULE_SHIFT & (GRANULES - 1)][i];

            if (slot->word && slot->word >> 48 != number + 1u && !before_now(&thread->clock, slot->word))
                found(all, from, PLAIN_WRITE, caller, slot, 1);
        }
    }
}

static void block_dead(struct races *all, const void *object)
{
    struct block **link = &all->block[hash_of((uintptr_t)object >> 4)], *block, *gone;
    uintptr_t from = (uintptr_t)object, to;
    void *caller;

    while (*link && (*link)->from != from)
        link = &(*link)->next;
    block = *link;
    if (!block)
        return;
    to = (from + block->bytes + 7) & ~(uintptr_t)7;
    caller = culprit();
    check_free(all, from, to, caller);
    mark_freed(all, from, to, 1);
    *link = block->next;
    gone = &all->gone[all->gone_count++ % GONE_KEPT];
    *gone = *block;
    gone->freed_by = sim_fiber();
    gone->dead_at = caller;
    if (races_in_detail(all))
        gone->dead = take_stack(all);
    block->next = all->spare_blocks;
    all->spare_blocks = block;
}

static void on_lend(void *context, void *address, size_t bytes, int lent)
{
    if (lent)
        block_born(context, RECEIVED_BYTES, address, bytes, NULL);
    else
        block_dead(context, address);
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

static void on_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    struct races *all = context;

    if (is_memory(kind))
        block_born(all, kind, object, bytes, caller);
    else if (kind == OBSERVE_DEVICE)
        begin_anew(all, object, bytes);
    if (all->below->born)
        all->below->born(all->below->context, kind, object, tag, bytes, caller);
}

static void on_dead(void *context, int kind, const void *object)
{
    struct races *all = context;

    if (is_memory(kind))
        block_dead(all, object);
    else if (kind == OBSERVE_REGISTRATION) /* WskDeregister waits for every routine of the client's */
        order(all, &all->routines, SIM_ACQUIRE);
    if (all->below->dead)
        all->below->dead(all->below->context, kind, object);
}

static void on_let_go(void *context, int kind, const void *object, void *caller)
{
    struct races *all = context;

    if (all->below->let_go)
        all->below->let_go(all->below->context, kind, object, caller);
}

static void on_irp(void *context, int step, const void *irp, int32_t status)
{
    struct races *all = context;

    if (step == OBSERVE_IRP_PASSED || step == OBSERVE_IRP_MARKED)
        order(all, irp, SIM_RELEASE);
    else if (step == OBSERVE_IRP_COMPLETING)
        order(all, irp, SIM_ACQUIRE | SIM_RELEASE);
    else if (step == OBSERVE_IRP_ROUTINE)
        order(all, irp, SIM_ACQUIRE);
    if (all->below->irp)
        all->below->irp(all->below->context, step, irp, status);
}

static void on_enter(void *context, int call, const void *subject, const char *name)
{
    struct races *all = context;

    order(all, &all->entry, SIM_ACQUIRE);
    if (call == OBSERVE_DRIVER_UNLOAD) /* which waits for what the runtime counts: work items, open files */
        order(all, &all->routines, SIM_ACQUIRE);
    else if (call == OBSERVE_CALLBACK)
        order(all, subject, SIM_ACQUIRE);
    if (all->below->enter)
        all->below->enter(all->below->context, call, subject, name);
}

static void on_leave(void *context, int call, const void *subject, int32_t status)
{
    struct races *all = context;

    if (call == OBSERVE_DRIVER_ENTRY)
        order(all, &all->entry, SIM_RELEASE);
    else if (call == OBSERVE_CALLBACK) /* callbacks of one socket and kind come one after the other */
        order(all, subject, SIM_RELEASE);
    order(all, &all->routines, SIM_RELEASE);
    if (all->below->leave)
        all->below->leave(all->below->context, call, subject, status);
}

static void on_irql(void *context, int before, int after)
{
    const struct races *all = context;

    if (all->below->irql)
        all->below->irql(all->below->context, before, after);
}

static void on_lock(void *context, const void *lock, int acquired)
{
    struct races *all = context;

    order(all, lock, acquired ? SIM_ACQUIRE : SIM_RELEASE);
    if (all->below->lock)
        all->below->lock(all->below->context, lock, acquired);
}

static void on_order(void *context, const volatile void *object, int how)
{
    struct races *all = context;

    order(all, object, (how & OBSERVE_ACQUIRE ? SIM_ACQUIRE : 0) | (how & OBSERVE_RELEASE ? SIM_RELEASE : 0));
    if (all->below->order)
        all->below->order(all->below->context, object, how);
}

static void on_socket(void *context, int step, const void *socket, const void *irp, const char *name)
{
    struct races *all = context;

    if (all->below->socket)
        all->below->socket(all->below->context, step, socket, irp, name);
}

/* ---- life --------------------------------------------------------------------------------------------- */

struct races *races_create(void)
{
    return calloc(1, sizeof(struct races));
}

void races_reset(struct races *all)
{
    if (!all->world) /* nothing was watched in the last run */
        return;
    sim_watch_memory(NULL);
    all->world = NULL;
    for (size_t i = 0; i < PAGE_BUCKETS; i++)
        while (all->page[i])
            unlink_page(all, all->page[i]);
    for (size_t i = 0; i < OBJECT_BUCKETS; i++)
        while (all->object[i]) {
            struct object *object = all->object[i];

            all->object[i] = object->next;
            object->next = all->spare_objects;
            all->spare_objects = object;
        }
    for (size_t i = 0; i < BLOCK_BUCKETS; i++)
        while (all->block[i]) {
            struct block *block = all->block[i];

            all->block[i] = block->next;
            block->next = all->spare_blocks;
            all->spare_blocks = block;
        }
    for (uint32_t i = 0; i < all->threads; i++) {
        all->thread[i].known = 0;
        all->thread[i].clock.count = 0;
    }
    for (size_t i = 0; i < all->stacks; i++)
        free(all->stack[i]);
    all->found.at = 0;
    all->page_count = all->oldest = all->stacks = all->gone_count = 0;
}

void races_destroy(struct races *all)
{
    if (!all)
        return;
    races_reset(all);
    while (all->spare) {
        struct page *page = all->spare;

        all->spare = page->next;
        free(page->granule);
        free(page);
    }
    while (all->spare_objects) {
        struct object *object = all->spare_objects;

        all->spare_objects = object->next;
        free(object->clock.at);
        free(object);
    }
    while (all->spare_blocks) {
        struct block *block = all->spare_blocks;

        all->spare_blocks = block->next;
        free(block);
    }
    for (uint32_t i = 0; i < all->threads; i++)
        free(all->thread[i].clock.at);
    free(all->thread);
    free(all->stack);
    free(all);
}

void races_install(struct uwsk_world *world)
{
    struct races *all = world->races;

    all->world = world;
    all->below = observe_hooks; /* the invariants' */
    all->hooks = (struct observe_hooks){.context = all,
                                        .born = on_born,
                                        .dead = on_dead,
                                        .let_go = on_let_go,
                                        .irp = on_irp,
                                        .enter = on_enter,
                                        .leave = on_leave,
                                        .lock = on_lock,
                                        .order = on_order,
                                        .socket = on_socket};
    if (all->below->irql)
        all->hooks.irql = on_irql;
    observe_install(&all->hooks);
    all->memory = (struct sim_memory){all, on_access, on_memory_order, on_lend};
    sim_watch_memory(&all->memory);
}
