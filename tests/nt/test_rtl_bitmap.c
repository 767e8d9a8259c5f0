/*
 * test_rtl_bitmap.c - bitmaps of the driver.
 *
 * Strategy: each function by itself at the edges of words and of the bitmap; then random calls beside an array of
 * one byte a bit, on bitmaps of every size up to a little over three words, whose last word has other bits behind.
 */
#include <wdm.h>

#include "uwsk_test.h"

#define WORDS     4
#define BITS      100
#define NOT_FOUND 0xFFFFFFFFu

static ULONG words[WORDS];
static RTL_BITMAP map;

static ULONG random_below(ULONG limit)
{
    static ULONG state = 12345;

    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

/* All bits clear in the bitmap, set behind it. */
static void begin(ULONG size)
{
    RtlInitializeBitMap(&map, words, size);
    for (ULONG i = 0; i < WORDS; i++)
        words[i] = ~0u;
    RtlClearBits(&map, 0, size);
}

TEST(a_bitmap_describes_the_drivers_words, "")
{
    words[0] = 0x80000001;
    words[1] = 2;
    RtlInitializeBitMap(&map, words, 40);
    EXPECT_EQ(sizeof(RTL_BITMAP), 16);
    EXPECT(map.Buffer == words && map.SizeOfBitMap == 40);
    EXPECT_EQ(words[0], 0x80000001); /* values stay */
    EXPECT(RtlTestBit(&map, 0) == TRUE && RtlTestBit(&map, 1) == FALSE && RtlTestBit(&map, 31) == TRUE);
    EXPECT(RtlCheckBit(&map, 33) == 1 && RtlCheckBit(&map, 32) == 0 && RtlCheckBit(&map, 31) == 1);
    RtlSetBit(&map, 32);
    RtlClearBit(&map, 31);
    EXPECT(words[0] == 1 && words[1] == 3);
    EXPECT(RtlNumberOfSetBits(&map) == 3 && RtlNumberOfClearBits(&map) == 37);
}

TEST(all_bits_are_set_and_cleared_but_no_other_word, "")
{
    RtlInitializeBitMap(&map, words, 40);
    words[2] = 0x55555555;
    RtlSetAllBits(&map);
    EXPECT_EQ(RtlNumberOfSetBits(&map), 40);
    EXPECT_EQ(RtlNumberOfClearBits(&map), 0);
    EXPECT(words[0] == ~0u && words[2] == 0x55555555);
    RtlClearAllBits(&map);
    EXPECT(words[0] == 0 && words[1] == 0 && words[2] == 0x55555555);
    EXPECT_EQ(RtlNumberOfSetBits(&map), 0);
}

TEST(ranges_cross_words, "")
{
    begin(96);
    RtlSetBits(&map, 31, 34);
    EXPECT(words[0] == 0x80000000 && words[1] == ~0u && words[2] == 1);
    RtlClearBits(&map, 32, 32);
    EXPECT(words[0] == 0x80000000 && words[1] == 0 && words[2] == 1);
    RtlSetBits(&map, 50, 0);
    RtlClearBits(&map, 31, 0);
    EXPECT(words[0] == 0x80000000 && words[1] == 0 && words[2] == 1);
}

TEST(ranges_outside_the_bitmap_and_empty_ones_are_neither_clear_nor_set, "")
{
    begin(40);
    EXPECT(RtlAreBitsClear(&map, 0, 40) && !RtlAreBitsSet(&map, 0, 1));
    EXPECT(!RtlAreBitsClear(&map, 0, 0) && !RtlAreBitsSet(&map, 0, 0));
    EXPECT(!RtlAreBitsClear(&map, 1, 40) && !RtlAreBitsClear(&map, 40, 1));
    EXPECT(!RtlAreBitsClear(&map, 0xFFFFFFFF, 2) && !RtlAreBitsClear(&map, 2, 0xFFFFFFFF));
    EXPECT(!RtlAreBitsSet(&map, 40, 1) && !RtlAreBitsSet(&map, 39, 2)); /* those behind are set */
    RtlSetBit(&map, 39);
    EXPECT(RtlAreBitsSet(&map, 39, 1) && !RtlAreBitsClear(&map, 0, 40) && RtlAreBitsClear(&map, 0, 39));
}

TEST(a_search_begins_at_the_hint_and_wraps, "")
{
    begin(64);
    EXPECT_EQ(RtlFindClearBits(&map, 64, 0), 0);
    EXPECT_EQ(RtlFindClearBits(&map, 65, 0), NOT_FOUND);
    EXPECT_EQ(RtlFindClearBits(&map, 3, 37), 37);
    EXPECT_EQ(RtlFindClearBits(&map, 3, 62), 0);  /* does not fit behind the hint */
    EXPECT_EQ(RtlFindClearBits(&map, 3, 64), 0);  /* a hint outside is none */
    EXPECT_EQ(RtlFindClearBits(&map, 64, 20), 0); /* across the hint */
    EXPECT_EQ(RtlFindSetBits(&map, 1, 0), NOT_FOUND);
    RtlSetBits(&map, 10, 50);
    EXPECT_EQ(RtlFindClearBits(&map, 4, 20), 60);
    EXPECT_EQ(RtlFindClearBits(&map, 5, 20), 0);
    EXPECT_EQ(RtlFindClearBits(&map, 11, 20), NOT_FOUND);
    EXPECT_EQ(RtlFindSetBits(&map, 50, 0), 10);
    EXPECT_EQ(RtlFindSetBits(&map, 50, 11), 10);
    EXPECT_EQ(RtlFindSetBits(&map, 51, 0), NOT_FOUND);
}

TEST(what_is_found_is_taken, "")
{
    begin(40);
    EXPECT_EQ(RtlFindClearBitsAndSet(&map, 20, 10), 10);
    EXPECT_EQ(RtlFindClearBitsAndSet(&map, 20, 0), NOT_FOUND);
    EXPECT_EQ(RtlNumberOfSetBits(&map), 20); /* a failure takes nothing */
    EXPECT_EQ(RtlFindClearBitsAndSet(&map, 10, 25), 30);
    EXPECT_EQ(RtlFindClearBitsAndSet(&map, 10, 25), 0);
    EXPECT_EQ(RtlFindClearBitsAndSet(&map, 1, 0), NOT_FOUND);
    EXPECT_EQ(RtlFindSetBitsAndClear(&map, 2, 39), 0);
    EXPECT_EQ(RtlFindSetBitsAndClear(&map, 39, 0), NOT_FOUND);
    EXPECT_EQ(RtlFindSetBitsAndClear(&map, 38, 0), 2);
    EXPECT_EQ(RtlNumberOfClearBits(&map), 40);
}

/* ---- beside a plain array ----------------------------------------------------------------------------- */

static UCHAR plain[BITS];

static BOOLEAN plain_are(ULONG size, ULONG start, ULONG count, UCHAR value)
{
    if (count == 0 || start + count > size)
        return FALSE;
    for (ULONG i = start; i < start + count; i++)
        if (plain[i] != value)
            return FALSE;
    return TRUE;
}

static ULONG plain_find(ULONG size, ULONG count, ULONG hint, UCHAR value)
{
    for (ULONG i = 0; i < size; i++) {
        ULONG start = (hint + i) % size;

        if (plain_are(size, start, count, value))
            return start;
    }
    return NOT_FOUND;
}

static void step(ULONG size)
{
    ULONG start = random_below(size), count = 1 + random_below(size - start), set = 0, found;
    ULONG hint = random_below(size), wanted = 1 + random_below(size < 12 ? size : 12);
    UCHAR value = (UCHAR)random_below(2);

    if (random_below(2)) {
        (value ? RtlSetBits : RtlClearBits)(&map, start, count);
        for (ULONG i = start; i < start + count; i++)
            plain[i] = value;
    } else {
        found = plain_find(size, wanted, hint, value);
        EXPECT_EQ((value ? RtlFindSetBits : RtlFindClearBits)(&map, wanted, hint), found);
        EXPECT_EQ((value ? RtlFindSetBitsAndClear : RtlFindClearBitsAndSet)(&map, wanted, hint), found);
        for (ULONG i = 0; found != NOT_FOUND && i < wanted; i++)
            plain[found + i] = !value;
    }
    start = random_below(size);
    (value ? RtlSetBit : RtlClearBit)(&map, start);
    plain[start] = value;
    for (ULONG i = 0; i < size; i++) {
        EXPECT_EQ(RtlTestBit(&map, i), plain[i]);
        set += plain[i];
    }
    EXPECT_EQ(RtlNumberOfSetBits(&map), set);
    EXPECT_EQ(RtlNumberOfClearBits(&map), size - set);
    EXPECT_EQ((value ? RtlAreBitsSet : RtlAreBitsClear)(&map, hint, wanted),
              plain_are(size, hint, wanted, value));
}

TEST(bitmaps_do_what_a_plain_array_does, "")
{
    for (ULONG size = 1; size <= BITS; size++) {
        begin(size);
        memset(plain, 0, sizeof plain);
        for (int i = 0; i < 200; i++)
            step(size);
        for (ULONG i = size; i < WORDS * 32; i++) /* not touched */
            EXPECT(words[i / 32] >> i % 32 & 1);
    }
}
