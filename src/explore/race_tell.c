/* race_tell.c - what race.c has found, in words. */
#include "explore/race.h"

#include "host/host.h"
#include "runner/runner.h"

#include <stdio.h>

static void tell_stack(struct text *text, const char *what, const struct stack *stack)
{
    if (!stack)
        return;
    text_add(text, "%s, at step %llu:\n", what, (unsigned long long)stack->step);
    for (size_t i = 0; i < stack->count; i++) {
        char name[300];

        host_symbolize(stack->frames[i], name, sizeof name);
        text_add(text, "  %s\n", name);
    }
}

static const char *kind_name(int kind)
{
    switch (kind) {
    case RECEIVED_BYTES:
        return "received bytes";
    case OBSERVE_IRP:
        return "an IRP";
    case OBSERVE_MDL:
        return "an MDL";
    case OBSERVE_WORK_ITEM:
        return "a work item";
    default:
        return "a block";
    }
}

/* "byte 8 of a block of 96 bytes, allocated in Foo (a.c:3)" */
static void tell_block(char *out, size_t room, uintptr_t at, const struct block *block)
{
    char where[300];

    if (!block->born_at) { /* of the network, or of the runtime for itself */
        snprintf(out, room, "byte %zu of %s", (size_t)(at - block->from),
                 block->kind == RECEIVED_BYTES ? kind_name(block->kind) : "what WSK has given to a driver");
        return;
    }
    host_symbolize(block->born_at, where, sizeof where);
    snprintf(out, room, "byte %zu of %s of %zu bytes, allocated in %s", (size_t)(at - block->from),
             kind_name(block->kind), block->bytes, where);
}

static const struct block *live_block_at(const struct races *all, uintptr_t at)
{
    for (size_t i = 0; i < BLOCK_BUCKETS; i++)
        for (const struct block *block = all->block[i]; block; block = block->next)
            if (at >= block->from && at < block->from + block->bytes)
                return block;
    return NULL;
}

static const char *verb(int how)
{
    if (how & SIM_ACCESS_PLAIN)
        return how & SIM_ACCESS_WRITE ? "writes" : "reads";
    return how & SIM_ACCESS_WRITE ? "changes (interlocked or volatile)" : "reads (interlocked or volatile)";
}

static const char *verb_before(int how)
{
    if (how & SIM_ACCESS_PLAIN)
        return how & SIM_ACCESS_WRITE ? "wrote" : "read";
    return how & SIM_ACCESS_WRITE ? "changed (interlocked or volatile)" : "read (interlocked or volatile)";
}

static void tell_memory(const struct races *all, char *out, size_t room)
{
    const struct found_race *found = &all->found;
    const struct block *block = live_block_at(all, found->at);

    if (block)
        tell_block(out, room, found->at, block);
    else if (found->on_stack)
        snprintf(out, room, "on the stack of T%u", found->fiber);
    else if (runner_driver_at((const void *)found->at))
        host_symbolize((void *)found->at, out, room);
    else
        snprintf(out, room, "in memory that is no block of the pool");
}

static void tell_race(struct races *all, struct text *text)
{
    const struct found_race *found = &all->found;
    const struct access *before = &found->before;
    char here[300], there[300], memory[700], what[60];
    int how_before = (int)(before->word >> 8 & 0xFF);
    unsigned who = (unsigned)(before->word >> 48) - 1;

    host_symbolize(found->caller, here, sizeof here);
    host_symbolize(races_in_detail(all) ? before->where.stack->frames[0] : before->where.caller, there,
                   sizeof there);
    tell_memory(all, memory, sizeof memory);
    text_add(text, "T%u %s in %s what T%u %s in %s before, and nothing puts the two in order: %s\n",
             found->fiber, found->frees ? "frees" : verb(found->how), here, who, verb_before(how_before),
             there, memory);
    if (races_in_detail(all)) {
        snprintf(what, sizeof what, "T%u %s", who, verb_before(how_before));
        tell_stack(text, what, before->where.stack);
    }
}

static void tell_freed(struct races *all, struct text *text)
{
    const struct found_race *found = &all->found;
    const struct block *block = NULL;
    char here[300], there[300] = "?", memory[700] = "what was a block of the pool";

    for (size_t i = 0; i < all->gone_count && i < GONE_KEPT && !block; i++) { /* the last one first */
        const struct block *one = &all->gone[(all->gone_count - 1 - i) % GONE_KEPT];

        if (found->at >= one->from && found->at < one->from + ((one->bytes + 7) & ~(size_t)7))
            block = one;
    }
    host_symbolize(found->caller, here, sizeof here);
    if (block) {
        tell_block(memory, sizeof memory, found->at, block);
        host_symbolize(block->dead_at, there, sizeof there);
    }
    text_add(text, "T%u %s in %s what T%u has freed in %s: %s\n", found->fiber, verb(found->how), here,
             block ? block->freed_by : 0, there, memory);
    if (block && races_in_detail(all)) {
        tell_stack(text, "it was freed", block->dead);
        tell_stack(text, "it was allocated", block->born);
    }
}

void races_tell(struct uwsk_world *world)
{
    struct races *all = world->races;

    if (!all->found.at)
        return;
    if (all->found.before.word)
        tell_race(all, &world->violation.text);
    else
        tell_freed(all, &world->violation.text);
    all->found.at = 0;
}
