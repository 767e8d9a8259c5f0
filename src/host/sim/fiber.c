/*
 * fiber.c - fibers: their records, their stacks, and the way from one to another.
 *
 * Stacks and records are kept from run to run.  A stack is taken again in the order of first use and all of it is
 * zero again, so that a run does not meet an earlier one's leftovers, nor addresses that depend on it.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, STACKS_MAX = SIM_FIBERS_MAX, MOSTLY_USED = 4 * PAGE };

#if HOST_ASAN || HOST_TSAN
#define STACK_BYTES ((size_t)4 << 20)
#else
#define STACK_BYTES ((size_t)1 << 20)
#endif

#if HOST_TSAN
#define STACK_ADDRESS ((char *)0)
#else
#define STACK_ADDRESS ((char *)0x300000000000)
#endif

#if HOST_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);
void __asan_unpoison_memory_region(void const volatile *address, size_t bytes);
#endif
#if HOST_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
#endif

/* ---- stacks ------------------------------------------------------------------------------------------- */

static struct sim_stack *new_stack(size_t bytes)
{
    static char *next HOST_KEPT = STACK_ADDRESS;
    size_t mapped = bytes + LINUX_GUARD_BYTES;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *memory = MAP_FAILED;

    if (sim->stack_count == STACKS_MAX)
        return NULL;
    if (next) {
        memory = mmap(next, mapped, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        next += mapped;
    }
    if (memory == MAP_FAILED)
        memory = mmap(NULL, mapped, PROT_NONE, flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (mprotect(memory + LINUX_GUARD_BYTES, bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, mapped);
        return NULL;
    }
    struct sim_stack *stack = &sim->stacks[sim->stack_count++];

    stack->low = memory + LINUX_GUARD_BYTES;
    stack->high = memory + mapped;
    return stack;
}

/* All of it is zero again.  How deep it was used nobody knows: frames come and go between points.  What is mostly used
 * is cleared by hand, the rest given back, which costs little where there was nothing. */
static void clear(const struct sim_stack *stack)
{
    char *mostly_used = stack->high - MOSTLY_USED;

    if (madvise(stack->low, (size_t)(mostly_used - stack->low), MADV_DONTNEED) != 0)
        memset(stack->low, 0, (size_t)(mostly_used - stack->low));
    memset(mostly_used, 0, MOSTLY_USED);
}

static struct sim_stack *take_stack(size_t bytes)
{
    struct sim_stack *stack = NULL;

    bytes = bytes <= STACK_BYTES ? STACK_BYTES : (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    for (uint32_t i = 0; i < sim->stack_count && !stack; i++)
        if (!sim->stacks[i].taken && (size_t)(sim->stacks[i].high - sim->stacks[i].low) == bytes)
            stack = &sim->stacks[i];
    if (!stack)
        stack = new_stack(bytes);
    if (!stack)
        return NULL;
    stack->taken = 1;
#if HOST_ASAN
    __asan_unpoison_memory_region(stack->low, bytes);
#endif
    if (stack->used)
        clear(stack);
    stack->used = 1;
    return stack;
}

/* ---- birth and end ------------------------------------------------------------------------------------ */

struct sim_fiber *sim_fiber_create(void (*main)(void *argument), void *argument, const char *name,
                                   size_t stack_bytes)
{
    struct sim_fiber *fiber = sim->free_fibers;
    struct sim_stack *stack = sim->live_count < SIM_FIBERS_MAX ? take_stack(stack_bytes) : NULL;

    if (!stack)
        return NULL;
    if (fiber)
        sim->free_fibers = fiber->next_free;
    else
        fiber = &sim->fibers[sim->fibers_made++];
    memset(fiber, 0, sizeof *fiber);
    fiber->number = ++sim->last_number;
    fiber->stack = stack;
    fiber->in_birth = 1;
    fiber->thread.public.id = fiber->number;
    snprintf(fiber->thread.public.name, sizeof fiber->thread.public.name, "%s", name ? name : "thread");
    fiber->thread.public.stack_low = stack->low;
    fiber->thread.public.stack_high = stack->high;
    fiber->thread.tid = sim->os_thread->tid;
    fiber->thread.altstack = sim->os_thread->altstack;
    fiber->thread.main = main;
    fiber->thread.argument = argument;

    /* As sim_switch leaves a stack; the control words are the caller's. */
    void **top = (void **)stack->high;
    uint32_t words[2] = {__builtin_ia32_stmxcsr(), 0};
    uint16_t x87;

    __asm__ volatile("fnstcw %0" : "=m"(x87));
    words[1] = x87;
    top[-1] = (void *)sim_fiber_entry;
    fiber->sp = top - 8;
    memcpy(fiber->sp, words, sizeof words);
#if HOST_TSAN
    fiber->tsan = __tsan_create_fiber(0);
    __tsan_set_fiber_name(fiber->tsan, fiber->thread.public.name);
#endif
    sim->live[sim->live_count++] = fiber; /* numbers grow: it is the last */
    return fiber;
}

static void free_fiber(struct sim_fiber *fiber)
{
#if HOST_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
    fiber->stack->taken = 0;
    fiber->stack = NULL;
    fiber->next_free = sim->free_fibers;
    sim->free_fibers = fiber;
}

static void remove_live(const struct sim_fiber *fiber)
{
    size_t i = 0;

    while (sim->live[i] != fiber)
        i++;
    memmove(&sim->live[i], &sim->live[i + 1], (sim->live_count - i - 1) * sizeof *sim->live);
    sim->live_count--;
}

void sim_fiber_bury(void)
{
    if (sim->corpse)
        free_fiber(sim->corpse);
    sim->corpse = NULL;
}

void sim_fiber_bury_all(void)
{
    sim_fiber_bury();
    while (sim->live_count)
        free_fiber(sim->live[--sim->live_count]);
}

/* ---- from one to another ------------------------------------------------------------------------------ */

/* Under a sanitizer its idea of the stack goes along. */
static inline void leave_for(const struct sim_fiber *to, void **fake_stack)
{
#if HOST_ASAN
    if (to)
        __sanitizer_start_switch_fiber(fake_stack, to->stack->low,
                                       (size_t)(to->stack->high - to->stack->low));
    else
        __sanitizer_start_switch_fiber(fake_stack, sim->os_stack_low, sim->os_stack_bytes);
#else
    (void)fake_stack;
#endif
#if HOST_TSAN
    __tsan_switch_to_fiber(to ? to->tsan : sim->os_tsan, 0);
#else
    (void)to;
#endif
}

static inline void arrive(void *fake_stack)
{
#if HOST_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#else
    (void)fake_stack;
#endif
    if (__builtin_expect(sim->corpse != NULL, 0))
        sim_fiber_bury();
}

#if HOST_ASAN
#define FAKE_STACK(fiber) (&(fiber)->fake_stack)
#define FAKE_STACK_OF_OS  (&sim->os_fake_stack)
#else
#define FAKE_STACK(fiber) NULL
#define FAKE_STACK_OF_OS  NULL
#endif

void sim_fiber_enter(struct sim_fiber *fiber)
{
    struct sim_fiber *self = sim->current;
    void **fake_stack = self == sim->corpse ? NULL : FAKE_STACK(self); /* NULL: it does not come back */

    sim->current = fiber;
    host_linux_become(&fiber->thread.public);
    leave_for(fiber, fake_stack);
    sim_switch(&self->sp, fiber->sp);
    arrive(fake_stack ? *fake_stack : NULL);
}

void sim_fiber_home(void)
{
#if HOST_ASAN
    sim->os_stack_low = sim->os_thread->public.stack_low;
    sim->os_stack_bytes =
        (size_t)((char *)sim->os_thread->public.stack_high - (char *)sim->os_thread->public.stack_low);
#endif
#if HOST_TSAN
    sim->os_tsan = __tsan_get_current_fiber();
#endif
}

void sim_fiber_first(struct sim_fiber *fiber)
{
    void **fake_stack = FAKE_STACK_OF_OS;

    sim->current = fiber;
    host_linux_become(&fiber->thread.public);
    leave_for(fiber, fake_stack);
    sim_switch(&sim->os_sp, fiber->sp);
    host_linux_become(NULL);
    arrive(fake_stack ? *fake_stack : NULL);
}

void sim_fiber_back(void)
{
    struct sim_fiber *self = sim->current;

    leave_for(NULL, NULL);
    sim_switch(&self->sp, sim->os_sp);
    __builtin_unreachable();
}

void sim_fiber_main(void)
{
    struct sim_fiber *self = sim->current;

    arrive(NULL);
    self->in_birth = 0;
    self->thread.main(self->thread.argument);
    sim_fiber_exit();
}

void sim_fiber_exit(void)
{
    struct sim_fiber *self = sim->current;

    linux_run_exit_hook(&self->thread.public);
    if (self->number == 1)
        sim_end(SIM_DONE, 0);
    sim_make_unrunnable(self);
    remove_live(self);
    sim->corpse = self;
    sim_block(SIM_STEP_END, NULL);
    __builtin_unreachable();
}

size_t sim_fiber_frames(const struct sim_fiber *fiber, void **frames, size_t count)
{
    void *const *saved = fiber->sp;

    if (fiber->in_birth || count == 0)
        return 0;
    frames[0] = (char *)saved[7] - 1;
    return 1 + linux_walk(&fiber->thread, saved[6], frames + 1, count - 1);
}
