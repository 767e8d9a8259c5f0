/*
 * Compiler intrinsics that drivers use: interlocked operations and barriers
 * (uwsk/wdk/interlocked.h), bit scans, byte swaps, rotations, string moves,
 * time stamp counter. All are macros over the host compiler's builtins.
 */
#ifndef UWSK_INTRIN_H
#define UWSK_INTRIN_H

#include "uwsk/wdk/compiler.h"
#include "uwsk/wdk/interlocked.h"

/* Index of the lowest or highest bit set; FALSE for a zero mask, then *index is unchanged. */
#define _BitScanForward(index, mask)   uwsk_bit_scan((index), sizeof *(index), (unsigned int)(mask), 0)
#define _BitScanForward64(index, mask) uwsk_bit_scan((index), sizeof *(index), (mask), 0)
#define _BitScanReverse(index, mask)   uwsk_bit_scan((index), sizeof *(index), (unsigned int)(mask), 1)
#define _BitScanReverse64(index, mask) uwsk_bit_scan((index), sizeof *(index), (mask), 1)
#define BitScanForward                 _BitScanForward
#define BitScanForward64               _BitScanForward64
#define BitScanReverse                 _BitScanReverse
#define BitScanReverse64               _BitScanReverse64

/* The index may be a ULONG or a plain long, so its size comes along. */
UWSK_INLINE UCHAR uwsk_bit_scan(void *index, SIZE_T size, ULONGLONG mask, int reverse)
{
    ULONG found;

    if (mask == 0)
        return 0;
    found = reverse ? 63u - (ULONG)__builtin_clzll(mask) : (ULONG)__builtin_ctzll(mask);
    if (size == sizeof(ULONGLONG))
        *(ULONGLONG *)index = found;
    else
        *(ULONG *)index = found;
    return 1;
}

/* One bit of an array of 32-bit words, not atomic. */
#define _bittest(base, bit)                                                                                  \
    ((UCHAR)((((const ULONG *)(const void *)(base))[(LONG)(bit) >> 5] >> ((bit)&31)) & 1))
#define _bittest64(base, bit)                                                                                \
    ((UCHAR)((((const ULONGLONG *)(const void *)(base))[(LONGLONG)(bit) >> 6] >> ((bit)&63)) & 1))
#define BitTest   _bittest
#define BitTest64 _bittest64

#undef _byteswap_ushort
#undef _byteswap_ulong
#undef _byteswap_uint64
#define _byteswap_ushort(x) __builtin_bswap16((USHORT)(x))
#define _byteswap_ulong(x)  __builtin_bswap32((ULONG)(x))
#define _byteswap_uint64(x) __builtin_bswap64((ULONGLONG)(x))

UWSK_INLINE ULONG uwsk_rotate_left(ULONG value, int by)
{
    return (value << (by & 31)) | (value >> (-by & 31));
}
UWSK_INLINE ULONGLONG uwsk_rotate_left64(ULONGLONG value, int by)
{
    return (value << (by & 63)) | (value >> (-by & 63));
}
#undef _rotl
#undef _rotr
#undef _rotl64
#undef _rotr64
#undef _lrotl
#undef _lrotr
#define _rotl(value, by)   uwsk_rotate_left((value), (by))
#define _rotr(value, by)   uwsk_rotate_left((value), -(by))
#define _rotl64(value, by) uwsk_rotate_left64((value), (by))
#define _rotr64(value, by) uwsk_rotate_left64((value), -(by))
#define _lrotl(value, by)  _rotl(value, by)
#define _lrotr(value, by)  _rotr(value, by)

#define __popcnt(x)   ((unsigned int)__builtin_popcount((unsigned int)(x)))
#define __popcnt16(x) ((USHORT)__builtin_popcount((USHORT)(x)))
#define __popcnt64(x) ((ULONGLONG)__builtin_popcountll((ULONGLONG)(x)))
#define __lzcnt(x)    ((ULONG)(x) ? (ULONG)__builtin_clz((ULONG)(x)) : 32u)
#define __lzcnt64(x)  ((ULONGLONG)(x) ? (ULONGLONG)__builtin_clzll((ULONGLONG)(x)) : 64ull)

/* Upper half, or both halves, of a 64 by 64 bit product. */
UWSK_INLINE ULONGLONG uwsk_umul128(ULONGLONG a, ULONGLONG b, ULONGLONG *high)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    *high = (ULONGLONG)(product >> 64);
    return (ULONGLONG)product;
}
#define _umul128(a, b, high)            uwsk_umul128((a), (b), (high))
#define UnsignedMultiply128(a, b, high) uwsk_umul128((a), (b), (high))
UWSK_INLINE ULONGLONG uwsk_umulh(ULONGLONG a, ULONGLONG b)
{
    ULONGLONG high;

    (void)uwsk_umul128(a, b, &high);
    return high;
}
#define __umulh(a, b)              uwsk_umulh((a), (b))
#define UnsignedMultiplyHigh(a, b) uwsk_umulh((a), (b))

/* String instructions. */
#define __movsb(to, from, count)  ((void)__builtin_memcpy((to), (from), (count)))
#define __stosb(to, value, count) ((void)__builtin_memset((to), (value), (count)))

#undef __rdtsc
#define __rdtsc()              __builtin_ia32_rdtsc()
#define ReadTimeStampCounter() __rdtsc()
#define __nop()                __asm__ __volatile__("nop")

#endif
