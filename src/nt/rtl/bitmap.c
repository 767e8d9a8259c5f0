/*
 * bitmap.c - bitmaps in the driver's memory.
 *
 * A bitmap's size need not be a multiple of 32: bits of the last word behind it are never looked at.  Positions are
 * counted in 64 bits, so that none wraps around at the end of the largest bitmap.  Nothing here locks: the driver
 * serialises its calls.
 */
#include <wdm.h>

#include <string.h>

#define BITS      32u
#define NOT_FOUND 0xFFFFFFFFu

static size_t words(const RTL_BITMAP *map)
{
    return ((size_t)map->SizeOfBitMap + BITS - 1) / BITS;
}

/* The first bit of that value from `at` on; end when there is none before it. */
static ULONGLONG next(const RTL_BITMAP *map, ULONGLONG at, ULONGLONG end, BOOLEAN set)
{
    while (at < end) {
        ULONG word = map->Buffer[at / BITS];
        ULONG left = (set ? word : ~word) >> (at % BITS);

        if (left) {
            at += (ULONG)__builtin_ctz(left);
            return at < end ? at : end;
        }
        at += BITS - at % BITS;
    }
    return end;
}

static void fill(const RTL_BITMAP *map, ULONGLONG at, ULONGLONG count, BOOLEAN set)
{
    while (count > 0) {
        ULONG from = (ULONG)(at % BITS);
        ULONG bits = count < BITS - from ? (ULONG)count : BITS - from;
        ULONG mask = (bits == BITS ? ~0u : (1u << bits) - 1) << from;

        if (set)
            map->Buffer[at / BITS] |= mask;
        else
            map->Buffer[at / BITS] &= ~mask;
        at += bits;
        count -= bits;
    }
}

static BOOLEAN all_are(const RTL_BITMAP *map, ULONG start, ULONG count, BOOLEAN set)
{
    ULONGLONG end = (ULONGLONG)start + count;

    return count > 0 && end <= map->SizeOfBitMap && next(map, start, end, !set) == end;
}

/* Where `count` bits of that value begin, all of them in [at, end). */
static ULONG find_between(const RTL_BITMAP *map, ULONGLONG at, ULONGLONG end, ULONG count, BOOLEAN set)
{
    for (;;) {
        ULONGLONG start = next(map, at, end, set);

        if (end - start < count)
            return NOT_FOUND;
        at = next(map, start, start + count, !set);
        if (at == start + count)
            return (ULONG)start;
    }
}

/* First those that begin at the hint or behind it, then those that begin before.  A hint outside the bitmap is none;
 * no bits are found at the hint. */
static ULONG find(const RTL_BITMAP *map, ULONG count, ULONG hint, BOOLEAN set)
{
    ULONGLONG size = map->SizeOfBitMap, end;
    ULONG found;

    if (count > size)
        return NOT_FOUND;
    if (hint >= size)
        hint = 0;
    if (count == 0)
        return hint;
    found = find_between(map, hint, size, count, set);
    if (found != NOT_FOUND)
        return found;
    end = (ULONGLONG)hint + count - 1;
    return find_between(map, 0, end < size ? end : size, count, set);
}

static ULONG find_and_turn(const RTL_BITMAP *map, ULONG count, ULONG hint, BOOLEAN set)
{
    ULONG found = find(map, count, hint, set);

    if (found != NOT_FOUND)
        fill(map, found, count, !set);
    return found;
}

/* The compiler's own would be a call of its library. */
static ULONG set_in(ULONG word)
{
    ULONG count = 0;

    for (; word; word &= word - 1)
        count++;
    return count;
}

static ULONG number_of_set_bits(const RTL_BITMAP *map)
{
    ULONG behind = map->SizeOfBitMap % BITS, count = 0;

    for (size_t i = 0; i < map->SizeOfBitMap / BITS; i++)
        count += set_in(map->Buffer[i]);
    if (behind)
        count += set_in(map->Buffer[map->SizeOfBitMap / BITS] & ((1u << behind) - 1));
    return count;
}

/* ---- what drivers call: any IRQL on resident memory, else up to APC_LEVEL ----------------------------- */

/* Describes BitMapBuffer, whole ULONGs that stay the driver's and keep their values, as a bitmap of SizeOfBitMap
 * bits.  Page: RtlInitializeBitMap (wdm). */
VOID NTAPI RtlInitializeBitMap(PRTL_BITMAP BitMapHeader, PULONG BitMapBuffer, ULONG SizeOfBitMap)
{
    BitMapHeader->SizeOfBitMap = SizeOfBitMap;
    BitMapHeader->Buffer = BitMapBuffer;
}

/* Every bit, and those that fill up the last ULONG.  Page: RtlClearAllBits (wdm). */
VOID NTAPI RtlClearAllBits(PRTL_BITMAP BitMapHeader)
{
    memset(BitMapHeader->Buffer, 0, words(BitMapHeader) * sizeof(ULONG));
}

/* Page: RtlSetAllBits (wdm). */
VOID NTAPI RtlSetAllBits(PRTL_BITMAP BitMapHeader)
{
    memset(BitMapHeader->Buffer, 0xff, words(BitMapHeader) * sizeof(ULONG));
}

/* BitNumber is not checked.  Page: RtlClearBit (wdm). */
VOID NTAPI RtlClearBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
    fill(BitMapHeader, BitNumber, 1, FALSE);
}

/* BitNumber is not checked.  Page: RtlSetBit (wdm). */
VOID NTAPI RtlSetBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
    fill(BitMapHeader, BitNumber, 1, TRUE);
}

/* The bit, TRUE or FALSE; BitNumber is not checked.  Page: RtlTestBit (wdm). */
BOOLEAN NTAPI RtlTestBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber)
{
    return (BOOLEAN)RtlCheckBit(BitMapHeader, BitNumber);
}

/* NumberToClear bits from StartingIndex on, perhaps none; not checked.  Page: RtlClearBits (wdm). */
VOID NTAPI RtlClearBits(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG NumberToClear)
{
    fill(BitMapHeader, StartingIndex, NumberToClear, FALSE);
}

/* NumberToSet bits from StartingIndex on, perhaps none; not checked.  Page: RtlSetBits (wdm). */
VOID NTAPI RtlSetBits(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG NumberToSet)
{
    fill(BitMapHeader, StartingIndex, NumberToSet, TRUE);
}

/* Are Length bits from StartingIndex on clear?  FALSE, too, when Length is 0 or some lie outside the bitmap.
 * Page: RtlAreBitsClear (wdm). */
BOOLEAN NTAPI RtlAreBitsClear(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG Length)
{
    return all_are(BitMapHeader, StartingIndex, Length, FALSE);
}

/* Page: RtlAreBitsSet (wdm). */
BOOLEAN NTAPI RtlAreBitsSet(PRTL_BITMAP BitMapHeader, ULONG StartingIndex, ULONG Length)
{
    return all_are(BitMapHeader, StartingIndex, Length, TRUE);
}

/* The position where NumberToFind clear bits begin: the first at HintIndex or behind it, else the first before it.
 * 0xFFFFFFFF: there is none.  Page: RtlFindClearBits (wdm). */
ULONG NTAPI RtlFindClearBits(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
    return find(BitMapHeader, NumberToFind, HintIndex, FALSE);
}

/* Page: RtlFindSetBits (wdm). */
ULONG NTAPI RtlFindSetBits(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
    return find(BitMapHeader, NumberToFind, HintIndex, TRUE);
}

/* As RtlFindClearBits, and sets what it finds.  Page: RtlFindClearBitsAndSet (wdm). */
ULONG NTAPI RtlFindClearBitsAndSet(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
    return find_and_turn(BitMapHeader, NumberToFind, HintIndex, FALSE);
}

/* As RtlFindSetBits, and clears what it finds.  Page: RtlFindSetBitsAndClear (wdm). */
ULONG NTAPI RtlFindSetBitsAndClear(PRTL_BITMAP BitMapHeader, ULONG NumberToFind, ULONG HintIndex)
{
    return find_and_turn(BitMapHeader, NumberToFind, HintIndex, TRUE);
}

/* Page: RtlNumberOfClearBits (wdm). */
ULONG NTAPI RtlNumberOfClearBits(PRTL_BITMAP BitMapHeader)
{
    return BitMapHeader->SizeOfBitMap - number_of_set_bits(BitMapHeader);
}

/* Page: RtlNumberOfSetBits (wdm). */
ULONG NTAPI RtlNumberOfSetBits(PRTL_BITMAP BitMapHeader)
{
    return number_of_set_bits(BitMapHeader);
}
