/*
 * Interlocked operations, ordered reads and writes, barriers.
 *
 * Each is a macro over a few type-generic primitives: LONG, ULONG, LONGLONG
 * and also a plain long compile (T-03), drivers may test a name with #ifndef
 * (T-06), and "::InterlockedIncrement(&x)" works in C++. Every operation is a
 * scheduling point first. All are full barriers, whatever suffix they carry:
 * an Acquire, Release or NoFence form may be stronger than asked.
 *
 * Any IRQL. A pointer argument is evaluated once.
 */
#ifndef UWSK_WDK_INTERLOCKED_H
#define UWSK_WDK_INTERLOCKED_H

#include <ntdef.h>
#include "uwsk/point.h"

/*
 * The target of an operation on a Type. In C a void pointer converts to a pointer to it, as MSVC does at the
 * call of a function; any other pointer stays what it is. C++ knows no such conversion.
 */
#ifdef __cplusplus
#define UWSK_AT(Type, p)       (p)
#define UWSK_AT_CONST(Type, p) (p)
#else
#define UWSK_AT(Type, p)                                                                                     \
    _Generic((p), void * : (Type volatile *)(p), void volatile * : (Type volatile *)(p), default : (p))
#define UWSK_AT_CONST(Type, p)                                                                               \
    _Generic((p), void * : (Type const volatile *)(p), void volatile * : (Type const volatile *)(p),         \
             void const * : (Type const volatile *)(p),                                                      \
             void const volatile * : (Type const volatile *)(p), default : (p))
#endif

#ifdef __cplusplus
extern "C++" {
template <typename T, typename V> UWSK_INLINE T uwsk_fetch_add(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_fetch_and_add(p, (T)v);
}
template <typename T, typename V> UWSK_INLINE T uwsk_fetch_and(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_fetch_and_and(p, (T)v);
}
template <typename T, typename V> UWSK_INLINE T uwsk_fetch_or(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_fetch_and_or(p, (T)v);
}
template <typename T, typename V> UWSK_INLINE T uwsk_fetch_xor(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_fetch_and_xor(p, (T)v);
}
template <typename T, typename V> UWSK_INLINE T uwsk_add_fetch(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_add_and_fetch(p, (T)v);
}
template <typename T, typename V> UWSK_INLINE T uwsk_exchange(volatile T *p, V v)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __atomic_exchange_n(p, (T)v, __ATOMIC_SEQ_CST);
}
template <typename T, typename V, typename C>
UWSK_INLINE T uwsk_compare_exchange(volatile T *p, V v, C comparand)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, p);
    return __sync_val_compare_and_swap(p, (T)comparand, (T)v);
}
template <typename T> UWSK_INLINE T uwsk_read(const volatile T *p, int order)
{
    UWSK_POINT(UWSK_POINT_READ, p);
    return order ? __atomic_load_n(p, __ATOMIC_ACQUIRE) : __atomic_load_n(p, __ATOMIC_RELAXED);
}
template <typename T, typename V> UWSK_INLINE void uwsk_write(volatile T *p, V v, int order)
{
    UWSK_POINT(UWSK_POINT_WRITE, p);
    if (order)
        __atomic_store_n(p, (T)v, __ATOMIC_RELEASE);
    else
        __atomic_store_n(p, (T)v, __ATOMIC_RELAXED);
}
}
#else
#define UWSK_ATOMIC(p, kind, operation)                                                                      \
    __extension__({                                                                                          \
        __typeof__(&*(p)) uwsk_p = (p);                                                                      \
        UWSK_POINT((kind), uwsk_p);                                                                          \
        (operation);                                                                                         \
    })
#define UWSK_ATOMIC_V(p, v, operation)                                                                       \
    __extension__({                                                                                          \
        __typeof__(&*(p)) uwsk_p = (p);                                                                      \
        __typeof__(0 + *(p)) uwsk_v = (v);                                                                   \
        UWSK_POINT(UWSK_POINT_ATOMIC, uwsk_p);                                                               \
        (operation);                                                                                         \
    })
#define uwsk_fetch_add(p, v) UWSK_ATOMIC_V(p, v, __sync_fetch_and_add(uwsk_p, uwsk_v))
#define uwsk_fetch_and(p, v) UWSK_ATOMIC_V(p, v, __sync_fetch_and_and(uwsk_p, uwsk_v))
#define uwsk_fetch_or(p, v)  UWSK_ATOMIC_V(p, v, __sync_fetch_and_or(uwsk_p, uwsk_v))
#define uwsk_fetch_xor(p, v) UWSK_ATOMIC_V(p, v, __sync_fetch_and_xor(uwsk_p, uwsk_v))
#define uwsk_add_fetch(p, v) UWSK_ATOMIC_V(p, v, __sync_add_and_fetch(uwsk_p, uwsk_v))
#define uwsk_exchange(p, v)  UWSK_ATOMIC_V(p, v, __atomic_exchange_n(uwsk_p, uwsk_v, __ATOMIC_SEQ_CST))
#define uwsk_compare_exchange(p, v, c)                                                                       \
    __extension__({                                                                                          \
        __typeof__(&*(p)) uwsk_p = (p);                                                                      \
        __typeof__(0 + *(p)) uwsk_v = (v);                                                                   \
        __typeof__(0 + *(p)) uwsk_c = (c);                                                                   \
        UWSK_POINT(UWSK_POINT_ATOMIC, uwsk_p);                                                               \
        __sync_val_compare_and_swap(uwsk_p, uwsk_c, uwsk_v);                                                 \
    })
#define uwsk_read(p, order)                                                                                  \
    UWSK_ATOMIC(p, UWSK_POINT_READ,                                                                          \
                (order) ? __atomic_load_n(uwsk_p, __ATOMIC_ACQUIRE)                                          \
                        : __atomic_load_n(uwsk_p, __ATOMIC_RELAXED))
#define uwsk_write(p, v, order)                                                                              \
    __extension__({                                                                                          \
        __typeof__(&*(p)) uwsk_p = (p);                                                                      \
        __typeof__(0 + *(p)) uwsk_v = (v);                                                                   \
        UWSK_POINT(UWSK_POINT_WRITE, uwsk_p);                                                                \
        if (order)                                                                                           \
            __atomic_store_n(uwsk_p, uwsk_v, __ATOMIC_RELEASE);                                              \
        else                                                                                                 \
            __atomic_store_n(uwsk_p, uwsk_v, __ATOMIC_RELAXED);                                              \
    })
#endif

/* Sixteen bytes. Not a builtin, which would be a call of libatomic; ThreadSanitizer has to be told of it. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UWSK_SEES_WIDE 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UWSK_SEES_WIDE 1
#endif
#ifdef UWSK_SEES_WIDE
__extension__ typedef unsigned __int128 uwsk_wide;
UWSK_BEGIN_C
uwsk_wide __tsan_atomic128_compare_exchange_val(volatile uwsk_wide *, uwsk_wide, uwsk_wide, int, int);
UWSK_END_C
#endif
UWSK_INLINE UCHAR uwsk_compare_exchange_128(volatile LONG64 *target, LONG64 high, LONG64 low,
                                            LONG64 *comparand)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, target);
#ifdef UWSK_SEES_WIDE
    uwsk_wide before = (uwsk_wide)(ULONG64)comparand[1] << 64 | (ULONG64)comparand[0];
    uwsk_wide after = (uwsk_wide)(ULONG64)high << 64 | (ULONG64)low;
    uwsk_wide found = __tsan_atomic128_compare_exchange_val((volatile uwsk_wide *)target, before, after,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    comparand[0] = (LONG64)(ULONG64)found;
    comparand[1] = (LONG64)(ULONG64)(found >> 64);
    return found == before;
#else
    UCHAR done;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(LONG64(*)[2])target), "+a"(comparand[0]), "+d"(comparand[1])
                     : "b"(low), "c"(high)
                     : "memory");
    return done;
#endif
}

/* Pointers: the target may be a pointer to any pointer type. */
UWSK_INLINE PVOID uwsk_exchange_pointer(volatile void *target, const volatile void *value)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, target);
    return __atomic_exchange_n((PVOID volatile *)target, (PVOID)value, __ATOMIC_SEQ_CST);
}

UWSK_INLINE PVOID uwsk_compare_exchange_pointer(volatile void *target, const volatile void *value,
                                                const volatile void *comparand)
{
    UWSK_POINT(UWSK_POINT_ATOMIC, target);
    return __sync_val_compare_and_swap((PVOID volatile *)target, (PVOID)comparand, (PVOID)value);
}

UWSK_INLINE PVOID uwsk_read_pointer(const volatile void *source)
{
    UWSK_POINT(UWSK_POINT_READ, source);
    return __atomic_load_n((PVOID const volatile *)source, __ATOMIC_ACQUIRE);
}

UWSK_INLINE void uwsk_write_pointer(volatile void *target, const volatile void *value)
{
    UWSK_POINT(UWSK_POINT_WRITE, target);
    __atomic_store_n((PVOID volatile *)target, (PVOID)value, __ATOMIC_RELEASE);
}

/* Bits: the number counts from bit 0 of *base and may lie beyond its first word. */
UWSK_INLINE UCHAR uwsk_bit_set(volatile void *base, LONGLONG bit)
{
    volatile UINT32 *word = (volatile UINT32 *)base + (bit >> 5);

    UWSK_POINT(UWSK_POINT_ATOMIC, word);
    return (UCHAR)((__sync_fetch_and_or(word, 1u << (bit & 31)) >> (bit & 31)) & 1);
}

UWSK_INLINE UCHAR uwsk_bit_reset(volatile void *base, LONGLONG bit)
{
    volatile UINT32 *word = (volatile UINT32 *)base + (bit >> 5);

    UWSK_POINT(UWSK_POINT_ATOMIC, word);
    return (UCHAR)((__sync_fetch_and_and(word, ~(1u << (bit & 31))) >> (bit & 31)) & 1);
}

UWSK_INLINE UCHAR uwsk_bit_complement(volatile void *base, LONGLONG bit)
{
    volatile UINT32 *word = (volatile UINT32 *)base + (bit >> 5);

    UWSK_POINT(UWSK_POINT_ATOMIC, word);
    return (UCHAR)((__sync_fetch_and_xor(word, 1u << (bit & 31)) >> (bit & 31)) & 1);
}

/* InterlockedIncrement. Returns: the new value. */
#define InterlockedIncrement(p)          uwsk_add_fetch(UWSK_AT(LONG, p), 1)
#define InterlockedIncrementAcquire(p)   uwsk_add_fetch(UWSK_AT(LONG, p), 1)
#define InterlockedIncrementRelease(p)   uwsk_add_fetch(UWSK_AT(LONG, p), 1)
#define InterlockedIncrementNoFence(p)   uwsk_add_fetch(UWSK_AT(LONG, p), 1)
#define _InterlockedIncrement(p)         uwsk_add_fetch(UWSK_AT(LONG, p), 1)
#define InterlockedIncrement64(p)        uwsk_add_fetch(UWSK_AT(LONG64, p), 1)
#define InterlockedIncrement64Acquire(p) uwsk_add_fetch(UWSK_AT(LONG64, p), 1)
#define InterlockedIncrement64Release(p) uwsk_add_fetch(UWSK_AT(LONG64, p), 1)
#define InterlockedIncrement64NoFence(p) uwsk_add_fetch(UWSK_AT(LONG64, p), 1)
#define _InterlockedIncrement64(p)       uwsk_add_fetch(UWSK_AT(LONG64, p), 1)
#define InterlockedIncrement16(p)        uwsk_add_fetch(UWSK_AT(SHORT, p), 1)
#define _InterlockedIncrement16(p)       uwsk_add_fetch(UWSK_AT(SHORT, p), 1)

/* InterlockedDecrement. Returns: the new value. */
#define InterlockedDecrement(p)          uwsk_add_fetch(UWSK_AT(LONG, p), -1)
#define InterlockedDecrementAcquire(p)   uwsk_add_fetch(UWSK_AT(LONG, p), -1)
#define InterlockedDecrementRelease(p)   uwsk_add_fetch(UWSK_AT(LONG, p), -1)
#define InterlockedDecrementNoFence(p)   uwsk_add_fetch(UWSK_AT(LONG, p), -1)
#define _InterlockedDecrement(p)         uwsk_add_fetch(UWSK_AT(LONG, p), -1)
#define InterlockedDecrement64(p)        uwsk_add_fetch(UWSK_AT(LONG64, p), -1)
#define InterlockedDecrement64Acquire(p) uwsk_add_fetch(UWSK_AT(LONG64, p), -1)
#define InterlockedDecrement64Release(p) uwsk_add_fetch(UWSK_AT(LONG64, p), -1)
#define InterlockedDecrement64NoFence(p) uwsk_add_fetch(UWSK_AT(LONG64, p), -1)
#define _InterlockedDecrement64(p)       uwsk_add_fetch(UWSK_AT(LONG64, p), -1)
#define InterlockedDecrement16(p)        uwsk_add_fetch(UWSK_AT(SHORT, p), -1)
#define _InterlockedDecrement16(p)       uwsk_add_fetch(UWSK_AT(SHORT, p), -1)

/* InterlockedExchange. Returns: the old value. */
#define InterlockedExchange(p, v)               uwsk_exchange(UWSK_AT(LONG, p), v)
#define InterlockedExchangeAcquire(p, v)        uwsk_exchange(UWSK_AT(LONG, p), v)
#define InterlockedExchangeRelease(p, v)        uwsk_exchange(UWSK_AT(LONG, p), v)
#define InterlockedExchangeNoFence(p, v)        uwsk_exchange(UWSK_AT(LONG, p), v)
#define _InterlockedExchange(p, v)              uwsk_exchange(UWSK_AT(LONG, p), v)
#define InterlockedExchange64(p, v)             uwsk_exchange(UWSK_AT(LONG64, p), v)
#define InterlockedExchange64Acquire(p, v)      uwsk_exchange(UWSK_AT(LONG64, p), v)
#define InterlockedExchange64Release(p, v)      uwsk_exchange(UWSK_AT(LONG64, p), v)
#define InterlockedExchange64NoFence(p, v)      uwsk_exchange(UWSK_AT(LONG64, p), v)
#define _InterlockedExchange64(p, v)            uwsk_exchange(UWSK_AT(LONG64, p), v)
#define InterlockedExchange16(p, v)             uwsk_exchange(UWSK_AT(SHORT, p), v)
#define _InterlockedExchange16(p, v)            uwsk_exchange(UWSK_AT(SHORT, p), v)
#define InterlockedExchange8(p, v)              uwsk_exchange(UWSK_AT(CHAR, p), v)
#define _InterlockedExchange8(p, v)             uwsk_exchange(UWSK_AT(CHAR, p), v)
#define InterlockedExchangePointer(p, v)        uwsk_exchange_pointer(p, v)
#define InterlockedExchangePointerAcquire(p, v) uwsk_exchange_pointer(p, v)
#define InterlockedExchangePointerRelease(p, v) uwsk_exchange_pointer(p, v)
#define InterlockedExchangePointerNoFence(p, v) uwsk_exchange_pointer(p, v)
#define _InterlockedExchangePointer(p, v)       uwsk_exchange_pointer(p, v)

/* InterlockedExchangeAdd. Returns: the old value. */
#define InterlockedExchangeAdd(p, v)          uwsk_fetch_add(UWSK_AT(LONG, p), v)
#define InterlockedExchangeAddAcquire(p, v)   uwsk_fetch_add(UWSK_AT(LONG, p), v)
#define InterlockedExchangeAddRelease(p, v)   uwsk_fetch_add(UWSK_AT(LONG, p), v)
#define InterlockedExchangeAddNoFence(p, v)   uwsk_fetch_add(UWSK_AT(LONG, p), v)
#define _InterlockedExchangeAdd(p, v)         uwsk_fetch_add(UWSK_AT(LONG, p), v)
#define InterlockedExchangeAdd64(p, v)        uwsk_fetch_add(UWSK_AT(LONG64, p), v)
#define InterlockedExchangeAdd64Acquire(p, v) uwsk_fetch_add(UWSK_AT(LONG64, p), v)
#define InterlockedExchangeAdd64Release(p, v) uwsk_fetch_add(UWSK_AT(LONG64, p), v)
#define InterlockedExchangeAdd64NoFence(p, v) uwsk_fetch_add(UWSK_AT(LONG64, p), v)
#define _InterlockedExchangeAdd64(p, v)       uwsk_fetch_add(UWSK_AT(LONG64, p), v)
#define InterlockedExchangeAdd8(p, v)         uwsk_fetch_add(UWSK_AT(CHAR, p), v)
#define _InterlockedExchangeAdd8(p, v)        uwsk_fetch_add(UWSK_AT(CHAR, p), v)

/*
 * InterlockedCompareExchange128. The target, aligned to 16 bytes, and the comparand are two LONG64, low half first.
 * Returns: 1 when they were equal and the target was exchanged, else 0; the comparand becomes the old value.
 */
#define InterlockedCompareExchange128(p, high, low, comparand)                                               \
    uwsk_compare_exchange_128(p, high, low, comparand)
#define _InterlockedCompareExchange128(p, high, low, comparand)                                              \
    uwsk_compare_exchange_128(p, high, low, comparand)

/* InterlockedCompareExchange. Returns: the old value; *p becomes v only if it was c. */
#define InterlockedCompareExchange(p, v, c)               uwsk_compare_exchange(UWSK_AT(LONG, p), v, c)
#define InterlockedCompareExchangeAcquire(p, v, c)        uwsk_compare_exchange(UWSK_AT(LONG, p), v, c)
#define InterlockedCompareExchangeRelease(p, v, c)        uwsk_compare_exchange(UWSK_AT(LONG, p), v, c)
#define InterlockedCompareExchangeNoFence(p, v, c)        uwsk_compare_exchange(UWSK_AT(LONG, p), v, c)
#define _InterlockedCompareExchange(p, v, c)              uwsk_compare_exchange(UWSK_AT(LONG, p), v, c)
#define InterlockedCompareExchange64(p, v, c)             uwsk_compare_exchange(UWSK_AT(LONG64, p), v, c)
#define InterlockedCompareExchange64Acquire(p, v, c)      uwsk_compare_exchange(UWSK_AT(LONG64, p), v, c)
#define InterlockedCompareExchange64Release(p, v, c)      uwsk_compare_exchange(UWSK_AT(LONG64, p), v, c)
#define InterlockedCompareExchange64NoFence(p, v, c)      uwsk_compare_exchange(UWSK_AT(LONG64, p), v, c)
#define _InterlockedCompareExchange64(p, v, c)            uwsk_compare_exchange(UWSK_AT(LONG64, p), v, c)
#define InterlockedCompareExchange16(p, v, c)             uwsk_compare_exchange(UWSK_AT(SHORT, p), v, c)
#define _InterlockedCompareExchange16(p, v, c)            uwsk_compare_exchange(UWSK_AT(SHORT, p), v, c)
#define InterlockedCompareExchangePointer(p, v, c)        uwsk_compare_exchange_pointer(p, v, c)
#define InterlockedCompareExchangePointerAcquire(p, v, c) uwsk_compare_exchange_pointer(p, v, c)
#define InterlockedCompareExchangePointerRelease(p, v, c) uwsk_compare_exchange_pointer(p, v, c)
#define InterlockedCompareExchangePointerNoFence(p, v, c) uwsk_compare_exchange_pointer(p, v, c)
#define _InterlockedCompareExchangePointer(p, v, c)       uwsk_compare_exchange_pointer(p, v, c)

/* InterlockedAnd. Returns: the old value. */
#define InterlockedAnd(p, v)          uwsk_fetch_and(UWSK_AT(LONG, p), v)
#define InterlockedAndAcquire(p, v)   uwsk_fetch_and(UWSK_AT(LONG, p), v)
#define InterlockedAndRelease(p, v)   uwsk_fetch_and(UWSK_AT(LONG, p), v)
#define InterlockedAndNoFence(p, v)   uwsk_fetch_and(UWSK_AT(LONG, p), v)
#define _InterlockedAnd(p, v)         uwsk_fetch_and(UWSK_AT(LONG, p), v)
#define InterlockedAnd64(p, v)        uwsk_fetch_and(UWSK_AT(LONG64, p), v)
#define InterlockedAnd64Acquire(p, v) uwsk_fetch_and(UWSK_AT(LONG64, p), v)
#define InterlockedAnd64Release(p, v) uwsk_fetch_and(UWSK_AT(LONG64, p), v)
#define InterlockedAnd64NoFence(p, v) uwsk_fetch_and(UWSK_AT(LONG64, p), v)
#define _InterlockedAnd64(p, v)       uwsk_fetch_and(UWSK_AT(LONG64, p), v)
#define InterlockedAnd16(p, v)        uwsk_fetch_and(UWSK_AT(SHORT, p), v)
#define _InterlockedAnd16(p, v)       uwsk_fetch_and(UWSK_AT(SHORT, p), v)
#define InterlockedAnd8(p, v)         uwsk_fetch_and(UWSK_AT(CHAR, p), v)
#define _InterlockedAnd8(p, v)        uwsk_fetch_and(UWSK_AT(CHAR, p), v)

/* InterlockedOr. Returns: the old value. */
#define InterlockedOr(p, v)          uwsk_fetch_or(UWSK_AT(LONG, p), v)
#define InterlockedOrAcquire(p, v)   uwsk_fetch_or(UWSK_AT(LONG, p), v)
#define InterlockedOrRelease(p, v)   uwsk_fetch_or(UWSK_AT(LONG, p), v)
#define InterlockedOrNoFence(p, v)   uwsk_fetch_or(UWSK_AT(LONG, p), v)
#define _InterlockedOr(p, v)         uwsk_fetch_or(UWSK_AT(LONG, p), v)
#define InterlockedOr64(p, v)        uwsk_fetch_or(UWSK_AT(LONG64, p), v)
#define InterlockedOr64Acquire(p, v) uwsk_fetch_or(UWSK_AT(LONG64, p), v)
#define InterlockedOr64Release(p, v) uwsk_fetch_or(UWSK_AT(LONG64, p), v)
#define InterlockedOr64NoFence(p, v) uwsk_fetch_or(UWSK_AT(LONG64, p), v)
#define _InterlockedOr64(p, v)       uwsk_fetch_or(UWSK_AT(LONG64, p), v)
#define InterlockedOr16(p, v)        uwsk_fetch_or(UWSK_AT(SHORT, p), v)
#define _InterlockedOr16(p, v)       uwsk_fetch_or(UWSK_AT(SHORT, p), v)
#define InterlockedOr8(p, v)         uwsk_fetch_or(UWSK_AT(CHAR, p), v)
#define _InterlockedOr8(p, v)        uwsk_fetch_or(UWSK_AT(CHAR, p), v)

/* InterlockedXor. Returns: the old value. */
#define InterlockedXor(p, v)          uwsk_fetch_xor(UWSK_AT(LONG, p), v)
#define InterlockedXorAcquire(p, v)   uwsk_fetch_xor(UWSK_AT(LONG, p), v)
#define InterlockedXorRelease(p, v)   uwsk_fetch_xor(UWSK_AT(LONG, p), v)
#define InterlockedXorNoFence(p, v)   uwsk_fetch_xor(UWSK_AT(LONG, p), v)
#define _InterlockedXor(p, v)         uwsk_fetch_xor(UWSK_AT(LONG, p), v)
#define InterlockedXor64(p, v)        uwsk_fetch_xor(UWSK_AT(LONG64, p), v)
#define InterlockedXor64Acquire(p, v) uwsk_fetch_xor(UWSK_AT(LONG64, p), v)
#define InterlockedXor64Release(p, v) uwsk_fetch_xor(UWSK_AT(LONG64, p), v)
#define InterlockedXor64NoFence(p, v) uwsk_fetch_xor(UWSK_AT(LONG64, p), v)
#define _InterlockedXor64(p, v)       uwsk_fetch_xor(UWSK_AT(LONG64, p), v)
#define InterlockedXor16(p, v)        uwsk_fetch_xor(UWSK_AT(SHORT, p), v)
#define _InterlockedXor16(p, v)       uwsk_fetch_xor(UWSK_AT(SHORT, p), v)
#define InterlockedXor8(p, v)         uwsk_fetch_xor(UWSK_AT(CHAR, p), v)
#define _InterlockedXor8(p, v)        uwsk_fetch_xor(UWSK_AT(CHAR, p), v)

/* InterlockedAdd. Returns: the new value. */
#define InterlockedAdd(p, v)          uwsk_add_fetch(UWSK_AT(LONG, p), v)
#define InterlockedAddAcquire(p, v)   uwsk_add_fetch(UWSK_AT(LONG, p), v)
#define InterlockedAddRelease(p, v)   uwsk_add_fetch(UWSK_AT(LONG, p), v)
#define InterlockedAddNoFence(p, v)   uwsk_add_fetch(UWSK_AT(LONG, p), v)
#define _InterlockedAdd(p, v)         uwsk_add_fetch(UWSK_AT(LONG, p), v)
#define InterlockedAdd64(p, v)        uwsk_add_fetch(UWSK_AT(LONG64, p), v)
#define InterlockedAdd64Acquire(p, v) uwsk_add_fetch(UWSK_AT(LONG64, p), v)
#define InterlockedAdd64Release(p, v) uwsk_add_fetch(UWSK_AT(LONG64, p), v)
#define InterlockedAdd64NoFence(p, v) uwsk_add_fetch(UWSK_AT(LONG64, p), v)
#define _InterlockedAdd64(p, v)       uwsk_add_fetch(UWSK_AT(LONG64, p), v)

/* Unsigned and size_t forms. */
#define InterlockedIncrementSizeT(p)             uwsk_add_fetch(UWSK_AT(SIZE_T, p), 1)
#define InterlockedDecrementSizeT(p)             uwsk_add_fetch(UWSK_AT(SIZE_T, p), -1)
#define InterlockedExchangeSizeT(p, v)           uwsk_exchange(UWSK_AT(SIZE_T, p), v)
#define InterlockedExchangeAddSizeT(p, v)        uwsk_fetch_add(UWSK_AT(SIZE_T, p), v)
#define InterlockedCompareExchangeSizeT(p, v, c) uwsk_compare_exchange(UWSK_AT(SIZE_T, p), v, c)
#define InterlockedExchangeSubtract(p, v)        uwsk_fetch_add(UWSK_AT(LONG, p), -(v))

/* Bits of a LONG or LONG64 array. Returns: the bit as it was. */
#define InterlockedBitTestAndSet(p, bit)          uwsk_bit_set((p), (bit))
#define InterlockedBitTestAndSet64(p, bit)        uwsk_bit_set((p), (bit))
#define InterlockedBitTestAndReset(p, bit)        uwsk_bit_reset((p), (bit))
#define InterlockedBitTestAndReset64(p, bit)      uwsk_bit_reset((p), (bit))
#define InterlockedBitTestAndComplement(p, bit)   uwsk_bit_complement((p), (bit))
#define InterlockedBitTestAndComplement64(p, bit) uwsk_bit_complement((p), (bit))
#define _interlockedbittestandset(p, bit)         uwsk_bit_set((p), (bit))
#define _interlockedbittestandset64(p, bit)       uwsk_bit_set((p), (bit))
#define _interlockedbittestandreset(p, bit)       uwsk_bit_reset((p), (bit))
#define _interlockedbittestandreset64(p, bit)     uwsk_bit_reset((p), (bit))

/* Marked reads and writes: Acquire and Release order, the others do not. */
#define ReadAcquire(p)            uwsk_read(UWSK_AT_CONST(LONG, p), 1)
#define ReadNoFence(p)            uwsk_read(UWSK_AT_CONST(LONG, p), 0)
#define ReadRaw(p)                uwsk_read(UWSK_AT_CONST(LONG, p), 0)
#define WriteRelease(p, v)        uwsk_write(UWSK_AT(LONG, p), (v), 1)
#define WriteNoFence(p, v)        uwsk_write(UWSK_AT(LONG, p), (v), 0)
#define WriteRaw(p, v)            uwsk_write(UWSK_AT(LONG, p), (v), 0)
#define ReadAcquire64(p)          uwsk_read(UWSK_AT_CONST(LONG64, p), 1)
#define ReadNoFence64(p)          uwsk_read(UWSK_AT_CONST(LONG64, p), 0)
#define ReadRaw64(p)              uwsk_read(UWSK_AT_CONST(LONG64, p), 0)
#define WriteRelease64(p, v)      uwsk_write(UWSK_AT(LONG64, p), (v), 1)
#define WriteNoFence64(p, v)      uwsk_write(UWSK_AT(LONG64, p), (v), 0)
#define WriteRaw64(p, v)          uwsk_write(UWSK_AT(LONG64, p), (v), 0)
#define ReadAcquire8(p)           uwsk_read(UWSK_AT_CONST(CHAR, p), 1)
#define ReadNoFence8(p)           uwsk_read(UWSK_AT_CONST(CHAR, p), 0)
#define ReadRaw8(p)               uwsk_read(UWSK_AT_CONST(CHAR, p), 0)
#define WriteRelease8(p, v)       uwsk_write(UWSK_AT(CHAR, p), (v), 1)
#define WriteNoFence8(p, v)       uwsk_write(UWSK_AT(CHAR, p), (v), 0)
#define WriteRaw8(p, v)           uwsk_write(UWSK_AT(CHAR, p), (v), 0)
#define ReadAcquire16(p)          uwsk_read(UWSK_AT_CONST(SHORT, p), 1)
#define ReadNoFence16(p)          uwsk_read(UWSK_AT_CONST(SHORT, p), 0)
#define ReadRaw16(p)              uwsk_read(UWSK_AT_CONST(SHORT, p), 0)
#define WriteRelease16(p, v)      uwsk_write(UWSK_AT(SHORT, p), (v), 1)
#define WriteNoFence16(p, v)      uwsk_write(UWSK_AT(SHORT, p), (v), 0)
#define WriteRaw16(p, v)          uwsk_write(UWSK_AT(SHORT, p), (v), 0)
#define ReadUCharAcquire(p)       uwsk_read(UWSK_AT_CONST(UCHAR, p), 1)
#define ReadUCharNoFence(p)       uwsk_read(UWSK_AT_CONST(UCHAR, p), 0)
#define ReadUCharRaw(p)           uwsk_read(UWSK_AT_CONST(UCHAR, p), 0)
#define WriteUCharRelease(p, v)   uwsk_write(UWSK_AT(UCHAR, p), (v), 1)
#define WriteUCharNoFence(p, v)   uwsk_write(UWSK_AT(UCHAR, p), (v), 0)
#define WriteUCharRaw(p, v)       uwsk_write(UWSK_AT(UCHAR, p), (v), 0)
#define ReadUShortAcquire(p)      uwsk_read(UWSK_AT_CONST(USHORT, p), 1)
#define ReadUShortNoFence(p)      uwsk_read(UWSK_AT_CONST(USHORT, p), 0)
#define ReadUShortRaw(p)          uwsk_read(UWSK_AT_CONST(USHORT, p), 0)
#define WriteUShortRelease(p, v)  uwsk_write(UWSK_AT(USHORT, p), (v), 1)
#define WriteUShortNoFence(p, v)  uwsk_write(UWSK_AT(USHORT, p), (v), 0)
#define WriteUShortRaw(p, v)      uwsk_write(UWSK_AT(USHORT, p), (v), 0)
#define ReadULongAcquire(p)       uwsk_read(UWSK_AT_CONST(ULONG, p), 1)
#define ReadULongNoFence(p)       uwsk_read(UWSK_AT_CONST(ULONG, p), 0)
#define ReadULongRaw(p)           uwsk_read(UWSK_AT_CONST(ULONG, p), 0)
#define WriteULongRelease(p, v)   uwsk_write(UWSK_AT(ULONG, p), (v), 1)
#define WriteULongNoFence(p, v)   uwsk_write(UWSK_AT(ULONG, p), (v), 0)
#define WriteULongRaw(p, v)       uwsk_write(UWSK_AT(ULONG, p), (v), 0)
#define ReadULong64Acquire(p)     uwsk_read(UWSK_AT_CONST(ULONG64, p), 1)
#define ReadULong64NoFence(p)     uwsk_read(UWSK_AT_CONST(ULONG64, p), 0)
#define ReadULong64Raw(p)         uwsk_read(UWSK_AT_CONST(ULONG64, p), 0)
#define WriteULong64Release(p, v) uwsk_write(UWSK_AT(ULONG64, p), (v), 1)
#define WriteULong64NoFence(p, v) uwsk_write(UWSK_AT(ULONG64, p), (v), 0)
#define WriteULong64Raw(p, v)     uwsk_write(UWSK_AT(ULONG64, p), (v), 0)
#define ReadBooleanAcquire(p)     uwsk_read(UWSK_AT_CONST(BOOLEAN, p), 1)
#define ReadBooleanNoFence(p)     uwsk_read(UWSK_AT_CONST(BOOLEAN, p), 0)
#define ReadBooleanRaw(p)         uwsk_read(UWSK_AT_CONST(BOOLEAN, p), 0)
#define WriteBooleanRelease(p, v) uwsk_write(UWSK_AT(BOOLEAN, p), (v), 1)
#define WriteBooleanNoFence(p, v) uwsk_write(UWSK_AT(BOOLEAN, p), (v), 0)
#define WriteBooleanRaw(p, v)     uwsk_write(UWSK_AT(BOOLEAN, p), (v), 0)
#define ReadPointerAcquire(p)     uwsk_read_pointer(p)
#define ReadPointerNoFence(p)     uwsk_read_pointer(p)
#define ReadPointerRaw(p)         uwsk_read_pointer(p)
#define WritePointerRelease(p, v) uwsk_write_pointer((p), (v))
#define WritePointerNoFence(p, v) uwsk_write_pointer((p), (v))
#define WritePointerRaw(p, v)     uwsk_write_pointer((p), (v))

/* Barriers and the hint of a spinning thread. */
#define KeMemoryBarrierWithoutFence() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define _ReadWriteBarrier()           KeMemoryBarrierWithoutFence()
#define _ReadBarrier()                KeMemoryBarrierWithoutFence()
#define _WriteBarrier()               KeMemoryBarrierWithoutFence()
#define KeMemoryBarrier()             (UWSK_POINT(UWSK_POINT_BARRIER, NULL), __sync_synchronize())
#define MemoryBarrier()               KeMemoryBarrier()
#define FastFence()                   KeMemoryBarrier()
#define LoadFence()                   KeMemoryBarrier()
#define StoreFence()                  KeMemoryBarrier()
#define __faststorefence()            KeMemoryBarrier()
#define _mm_mfence()                  KeMemoryBarrier()
#define _mm_lfence()                  KeMemoryBarrier()
#define _mm_sfence()                  KeMemoryBarrier()
#define YieldProcessor()              (UWSK_POINT(UWSK_POINT_YIELD, NULL), __builtin_ia32_pause())
#define _mm_pause()                   YieldProcessor()

#endif
