/*
 * memory.c - every plain access of a driver that was compiled with `uwsk cc --explore`.
 *
 * Such a driver is instrumented by the compiler's -fsanitize=thread and not linked with that sanitizer: the functions
 * which its code calls are these.  Outside a simulated run each costs one predicted branch.  In a run an access is a
 * scheduling point, and whoever watches memory (sim_watch_memory) is told of it right before it happens, so that
 * nothing comes in between.
 *
 * A fiber's accesses to its own stack are neither, as long as nobody else has touched that part of it: see own_stack.
 */
#include "internal.h"

#include <string.h>

#if !HOST_TSAN /* there the sanitizer's own functions have these names */

static const struct sim_memory *watcher HOST_KEPT = NULL;

void sim_watch_memory(const struct sim_memory *memory)
{
    watcher = memory;
}

void sim_memory_point(int kind, const volatile void *object)
{
    sim->pointed_at = object;
    sim->pointed_step = sim->steps;
    if (!watcher || sim->between)
        return;
    switch (kind) {
    case HOST_POINT_ATOMIC:
        watcher->order(watcher->context, object, SIM_ACQUIRE | SIM_RELEASE);
        break;
    case HOST_POINT_BARRIER: /* one object for all barriers */
        watcher->order(watcher->context, &watcher, SIM_ACQUIRE | SIM_RELEASE);
        break;
    case HOST_POINT_READ:
        watcher->order(watcher->context, object, SIM_ACQUIRE);
        break;
    case HOST_POINT_WRITE:
        watcher->order(watcher->context, object, SIM_RELEASE);
        break;
    default:
        break;
    }
}

void sim_memory_lend(void *address, size_t bytes, int lent)
{
    if (watcher)
        watcher->lend(watcher->context, address, bytes, lent);
}

/* ---- stacks ------------------------------------------------------------------------------------------- */

static int holds(const struct sim_stack *stack, const volatile void *address)
{
    return (const volatile char *)address >= stack->low && (const volatile char *)address < stack->high;
}

/* Somebody else's stack: from now on its owner's accesses there count, too. */
static void note_shared(const volatile void *address, size_t bytes)
{
    uintptr_t from = (uintptr_t)address & ~(uintptr_t)7,
              to = ((uintptr_t)address + bytes + 7) & ~(uintptr_t)7;

    for (size_t i = 0; i < sim->live_count; i++) {
        struct sim_fiber *fiber = sim->live[i];

        if (!holds(fiber->stack, address))
            continue;
        if (fiber->shared_high == 0 || from < fiber->shared_low)
            fiber->shared_low = from;
        if (to > fiber->shared_high)
            fiber->shared_high = to;
        return;
    }
}

/* An access to the running fiber's own stack that nobody can see: no other fiber has touched anything between the
 * lowest and the highest address that others did touch.  What is left out so are accesses of the owner before the
 * first one of another fiber: races with them are missed, none is invented. */
static inline int own_stack(const volatile void *address, size_t bytes)
{
    const struct sim_fiber *self = sim->current;
    uintptr_t at = (uintptr_t)address;

    return holds(self->stack, address) && (at >= self->shared_high || at + bytes <= self->shared_low);
}

/* ---- an access ---------------------------------------------------------------------------------------- */

enum { PLAIN_READ, PLAIN_WRITE, ORDERED_READ, ORDERED_WRITE, ORDERED_UPDATE };

static __attribute__((noinline)) void watch(const volatile void *address, size_t bytes, int kind,
                                            void *caller)
{
    static const struct {
        int point, order, how;
    } of[] = {
        [PLAIN_READ] = {HOST_POINT_READ, 0, SIM_ACCESS_PLAIN},
        [PLAIN_WRITE] = {HOST_POINT_WRITE, 0, SIM_ACCESS_PLAIN | SIM_ACCESS_WRITE},
        [ORDERED_READ] = {HOST_POINT_READ, SIM_ACQUIRE, 0},
        [ORDERED_WRITE] = {HOST_POINT_WRITE, SIM_RELEASE, SIM_ACCESS_WRITE},
        [ORDERED_UPDATE] = {HOST_POINT_ATOMIC, SIM_ACQUIRE | SIM_RELEASE, SIM_ACCESS_WRITE},
    };

    if (!sim || !sim->running || sim->between || bytes == 0 || own_stack(address, bytes))
        return;
    if (!holds(sim->current->stack, address))
        note_shared(address, bytes);
    /* An interlocked operation of the headers has told of itself already. */
    if (kind < ORDERED_READ || sim->pointed_step != sim->steps || sim->pointed_at != address)
        sim_point(of[kind].point, address);
    if (!watcher)
        return;
    /* The access belongs to what its release tells of. */
    if (of[kind].order & SIM_ACQUIRE)
        watcher->order(watcher->context, address, SIM_ACQUIRE);
    watcher->access(watcher->context, address, bytes, of[kind].how, caller ? (char *)caller - 1 : NULL);
    if (of[kind].order & SIM_RELEASE)
        watcher->order(watcher->context, address, SIM_RELEASE);
}

#define WATCH(address, bytes, kind)                                                                          \
    do {                                                                                                     \
        if (__builtin_expect(uwsk_points_enabled, 0))                                                        \
            watch((address), (bytes), (kind), __builtin_return_address(0));                                  \
    } while (0)

/* Without a driver that is watched nothing changes: a step more would make another run of the same seed. */
void sim_memory_access(const volatile void *address, size_t bytes, int write)
{
    if (watcher)
        watch(address, bytes, write ? PLAIN_WRITE : PLAIN_READ, NULL);
}

/* ---- what instrumented code calls --------------------------------------------------------------------- */

#ifndef __clang__ /* in a build for another sanitizer gcc has its own idea of their types */
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#endif

#define EXPORT __attribute__((visibility("default")))

#define PLAIN(name, bytes, kind)                                                                             \
    EXPORT void __tsan_##name(void *address);                                                                \
    EXPORT void __tsan_##name(void *address)                                                                 \
    {                                                                                                        \
        WATCH(address, bytes, kind);                                                                         \
    }
#define SIZED(bytes)                                                                                         \
    PLAIN(read##bytes, bytes, PLAIN_READ)                                                                    \
    PLAIN(write##bytes, bytes, PLAIN_WRITE)                                                                  \
    PLAIN(read_write##bytes, bytes, PLAIN_WRITE)                                                             \
    PLAIN(unaligned_read##bytes, bytes, PLAIN_READ)                                                          \
    PLAIN(unaligned_write##bytes, bytes, PLAIN_WRITE)                                                        \
    PLAIN(unaligned_read_write##bytes, bytes, PLAIN_WRITE)                                                   \
    /* MSVC for x64 gives volatile reads and writes acquire and release order. */                            \
    PLAIN(volatile_read##bytes, bytes, ORDERED_READ)                                                         \
    PLAIN(volatile_write##bytes, bytes, ORDERED_WRITE)                                                       \
    PLAIN(unaligned_volatile_read##bytes, bytes, ORDERED_READ)                                               \
    PLAIN(unaligned_volatile_write##bytes, bytes, ORDERED_WRITE)
SIZED(1)
SIZED(2)
SIZED(4)
SIZED(8)
SIZED(16)

EXPORT void __tsan_read_range(void *address, long bytes);
EXPORT void __tsan_read_range(void *address, long bytes)
{
    WATCH(address, (size_t)bytes, PLAIN_READ);
}

EXPORT void __tsan_write_range(void *address, long bytes);
EXPORT void __tsan_write_range(void *address, long bytes)
{
    WATCH(address, (size_t)bytes, PLAIN_WRITE);
}

/* The pointer to an object's virtual functions. */
EXPORT void __tsan_vptr_read(void **address);
EXPORT void __tsan_vptr_read(void **address)
{
    WATCH(address, sizeof *address, PLAIN_READ);
}

/* What a destructor stores is most often what is there. */
EXPORT void __tsan_vptr_update(void **address, void *value);
EXPORT void __tsan_vptr_update(void **address, void *value)
{
    if (__builtin_expect(uwsk_points_enabled, 0) && *address != value)
        watch(address, sizeof *address, PLAIN_WRITE, __builtin_return_address(0));
}

EXPORT void __tsan_init(void);
EXPORT void __tsan_init(void)
{
}

EXPORT void __tsan_func_entry(void *caller);
EXPORT void __tsan_func_entry(void *caller)
{
    (void)caller;
}

EXPORT void __tsan_func_exit(void);
EXPORT void __tsan_func_exit(void)
{
}

EXPORT void *__tsan_memcpy(void *target, const void *source, unsigned long bytes);
EXPORT void *__tsan_memcpy(void *target, const void *source, unsigned long bytes)
{
    WATCH(source, bytes, PLAIN_READ);
    WATCH(target, bytes, PLAIN_WRITE);
    return memcpy(target, source, bytes);
}

EXPORT void *__tsan_memmove(void *target, const void *source, unsigned long bytes);
EXPORT void *__tsan_memmove(void *target, const void *source, unsigned long bytes)
{
    WATCH(source, bytes, PLAIN_READ);
    WATCH(target, bytes, PLAIN_WRITE);
    return memmove(target, source, bytes);
}

EXPORT void *__tsan_memset(void *target, int value, unsigned long bytes);
EXPORT void *__tsan_memset(void *target, int value, unsigned long bytes)
{
    WATCH(target, bytes, PLAIN_WRITE);
    return memset(target, value, bytes);
}

/* ---- atomic operations -------------------------------------------------------------------------------- */

/* As the compiler would have made them: an order that a store does not ask for it does not get. */
#define ATOMIC(bits, type)                                                                                   \
    EXPORT type __tsan_atomic##bits##_load(const volatile type *address, int order);                         \
    EXPORT type __tsan_atomic##bits##_load(const volatile type *address, int order)                          \
    {                                                                                                        \
        (void)order;                                                                                         \
        WATCH(address, bits / 8, ORDERED_READ);                                                              \
        return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                                   \
    }                                                                                                        \
    EXPORT void __tsan_atomic##bits##_store(volatile type *address, type value, int order);                  \
    EXPORT void __tsan_atomic##bits##_store(volatile type *address, type value, int order)                   \
    {                                                                                                        \
        WATCH(address, bits / 8, ORDERED_WRITE);                                                             \
        if (order == __ATOMIC_SEQ_CST)                                                                       \
            __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                              \
        else                                                                                                 \
            __atomic_store_n(address, value, __ATOMIC_RELEASE);                                              \
    }                                                                                                        \
    EXPORT int __tsan_atomic##bits##_compare_exchange_strong(volatile type *address, type *expected,         \
                                                             type value, int order, int failure);            \
    EXPORT int __tsan_atomic##bits##_compare_exchange_strong(volatile type *address, type *expected,         \
                                                             type value, int order, int failure)             \
    {                                                                                                        \
        (void)order, (void)failure;                                                                          \
        WATCH(address, bits / 8, ORDERED_UPDATE);                                                            \
        return __atomic_compare_exchange_n(address, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }                                                                                                        \
    EXPORT int __tsan_atomic##bits##_compare_exchange_weak(volatile type *address, type *expected,           \
                                                           type value, int order, int failure);              \
    EXPORT int __tsan_atomic##bits##_compare_exchange_weak(volatile type *address, type *expected,           \
                                                           type value, int order, int failure)               \
    {                                                                                                        \
        (void)order, (void)failure;                                                                          \
        WATCH(address, bits / 8, ORDERED_UPDATE);                                                            \
        return __atomic_compare_exchange_n(address, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }                                                                                                        \
    EXPORT type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,            \
                                                           type value, int order, int failure);              \
    EXPORT type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,            \
                                                           type value, int order, int failure)               \
    {                                                                                                        \
        (void)order, (void)failure;                                                                          \
        WATCH(address, bits / 8, ORDERED_UPDATE);                                                            \
        __atomic_compare_exchange_n(address, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);       \
        return expected;                                                                                     \
    }                                                                                                        \
    UPDATE(bits, type, exchange, __atomic_exchange_n)                                                        \
    UPDATE(bits, type, fetch_add, __atomic_fetch_add)                                                        \
    UPDATE(bits, type, fetch_sub, __atomic_fetch_sub)                                                        \
    UPDATE(bits, type, fetch_and, __atomic_fetch_and)                                                        \
    UPDATE(bits, type, fetch_or, __atomic_fetch_or)                                                          \
    UPDATE(bits, type, fetch_xor, __atomic_fetch_xor)                                                        \
    UPDATE(bits, type, fetch_nand, __atomic_fetch_nand)
#define UPDATE(bits, type, name, operation)                                                                  \
    EXPORT type __tsan_atomic##bits##_##name(volatile type *address, type value, int order);                 \
    EXPORT type __tsan_atomic##bits##_##name(volatile type *address, type value, int order)                  \
    {                                                                                                        \
        (void)order;                                                                                         \
        WATCH(address, bits / 8, ORDERED_UPDATE);                                                            \
        return operation(address, value, __ATOMIC_SEQ_CST);                                                  \
    }
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* 16 bytes: all of them are compare-and-exchange.  Not builtins: gcc's call libatomic. */
typedef unsigned __int128 wide;

static wide exchange_wide(volatile wide *address, wide expected, wide value)
{
    uint64_t low = (uint64_t)expected, high = (uint64_t)(expected >> 64);

    __asm__ volatile("lock cmpxchg16b %0"
                     : "+m"(*address), "+a"(low), "+d"(high)
                     : "b"((uint64_t)value), "c"((uint64_t)(value >> 64))
                     : "memory", "cc");
    return (wide)high << 64 | low;
}

static wide load_wide(const volatile wide *address)
{
    return exchange_wide((volatile wide *)(uintptr_t)address, 0, 0); /* stores what is there, or 0 over 0 */
}

EXPORT wide __tsan_atomic128_load(const volatile wide *address, int order);
EXPORT wide __tsan_atomic128_load(const volatile wide *address, int order)
{
    (void)order;
    WATCH(address, 16, ORDERED_READ);
    return load_wide(address);
}

EXPORT int __tsan_atomic128_compare_exchange_strong(volatile wide *address, wide *expected, wide value,
                                                    int order, int failure);
EXPORT int __tsan_atomic128_compare_exchange_strong(volatile wide *address, wide *expected, wide value,
                                                    int order, int failure)
{
    wide found;

    (void)order, (void)failure;
    WATCH(address, 16, ORDERED_UPDATE);
    found = exchange_wide(address, *expected, value);
    if (found == *expected)
        return 1;
    *expected = found;
    return 0;
}

EXPORT int __tsan_atomic128_compare_exchange_weak(volatile wide *address, wide *expected, wide value,
                                                  int order, int failure)
    __attribute__((alias("__tsan_atomic128_compare_exchange_strong")));

EXPORT wide __tsan_atomic128_compare_exchange_val(volatile wide *address, wide expected, wide value,
                                                  int order, int failure);
EXPORT wide __tsan_atomic128_compare_exchange_val(volatile wide *address, wide expected, wide value,
                                                  int order, int failure)
{
    (void)order, (void)failure;
    WATCH(address, 16, ORDERED_UPDATE);
    return exchange_wide(address, expected, value);
}

#define UPDATE_WIDE(name, result)                                                                            \
    EXPORT wide __tsan_atomic128_##name(volatile wide *address, wide value, int order);                      \
    EXPORT wide __tsan_atomic128_##name(volatile wide *address, wide value, int order)                       \
    {                                                                                                        \
        wide before, found;                                                                                  \
                                                                                                             \
        (void)order;                                                                                         \
        WATCH(address, 16, ORDERED_UPDATE);                                                                  \
        for (before = load_wide(address); (found = exchange_wide(address, before, (result))) != before;      \
             before = found)                                                                                 \
            ;                                                                                                \
        return before;                                                                                       \
    }
UPDATE_WIDE(exchange, value)
UPDATE_WIDE(fetch_add, before + value)
UPDATE_WIDE(fetch_sub, before - value)
UPDATE_WIDE(fetch_and, before &value)
UPDATE_WIDE(fetch_or, before | value)
UPDATE_WIDE(fetch_xor, before ^ value)
UPDATE_WIDE(fetch_nand, ~(before &value))

EXPORT void __tsan_atomic128_store(volatile wide *address, wide value, int order);
EXPORT void __tsan_atomic128_store(volatile wide *address, wide value, int order)
{
    (void)__tsan_atomic128_exchange(address, value, order);
}

EXPORT void __tsan_atomic_thread_fence(int order);
EXPORT void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    host_point(HOST_POINT_BARRIER, NULL);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

EXPORT void __tsan_atomic_signal_fence(int order);
EXPORT void __tsan_atomic_signal_fence(int order)
{
    (void)order;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#else

void sim_watch_memory(const struct sim_memory *memory)
{
    (void)memory;
}

void sim_memory_point(int kind, const volatile void *object)
{
    (void)kind, (void)object;
}

void sim_memory_access(const volatile void *address, size_t bytes, int write)
{
    (void)address, (void)bytes, (void)write;
}

void sim_memory_lend(void *address, size_t bytes, int lent)
{
    (void)address, (void)bytes, (void)lent;
}

#endif
