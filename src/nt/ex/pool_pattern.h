/*
 * pool_pattern.h - what unused bytes of a block look like, and whether they still do (K-POOL-02, K-POOL-12, K-POOL-13).
 *
 * 16 bytes at a time, for every block is a multiple of them.  Inline: each allocation and each free comes by.
 */
#ifndef UWSK_NT_EX_POOL_PATTERN_H
#define UWSK_NT_EX_POOL_PATTERN_H

#include <string.h>
#include <wdm.h>

enum {
    FILL_NEW = 0xBA,   /* content of a block that was not asked for zeroed (K-POOL-02) */
    FILL_FREED = 0xDE, /* content of a freed block; what an IRP's Type becomes is not IO_TYPE_IRP */
    FILL_SLACK = 0xFA, /* bytes between the end of the request and the end of the block; bit 0 clear */
    SLACK_CHECKED = 64,
    EDGE = 128, /* bytes at either end of a block that are filled and checked */
    FILL_LIMIT = 0x10000
};

typedef ULONGLONG fill_words __attribute__((vector_size(16), aligned(1), may_alias));
typedef ULONGLONG fill_word __attribute__((aligned(1), may_alias));

#define WORD_OF(byte) ((byte)*0x0101010101010101ull)

static inline void fill_16(UCHAR *at, UCHAR byte, SIZE_T bytes)
{
    fill_words words = {WORD_OF(byte), WORD_OF(byte)};

#pragma GCC unroll 8
    for (SIZE_T i = 0; i < bytes; i += 16)
        *(fill_words *)(at + i) = words;
}

static inline BOOLEAN is_filled_16(const UCHAR *at, UCHAR byte, SIZE_T bytes)
{
    fill_words words = {WORD_OF(byte), WORD_OF(byte)}, other = {0, 0};

#pragma GCC unroll 8
    for (SIZE_T i = 0; i < bytes; i += 16)
        other |= *(const fill_words *)(at + i) ^ words;
    return (other[0] | other[1]) == 0;
}

/* Both ends of a block, or all of it when it is small or everything is wanted.  `bytes` is a multiple of 16 or
 * above twice the edge. */
static inline void fill(UCHAR *block, UCHAR byte, SIZE_T bytes, BOOLEAN everything)
{
    if (bytes <= 2 * EDGE) {
        fill_16(block, byte, bytes);
        return;
    }
    if (__builtin_expect(everything, 0))
        memset(block, byte, bytes < FILL_LIMIT ? bytes : FILL_LIMIT);
    fill_16(block, byte, EDGE);
    fill_16(block + bytes - EDGE, byte, EDGE);
}

/* The first byte in [bytes, bytes+length) that is not `byte`; there is one. */
static inline UCHAR *find_other(UCHAR *bytes, UCHAR byte)
{
    while (*bytes == byte)
        bytes++;
    return bytes;
}

/* ---- behind the end of the request ---------------------------------------------------------------------- */

/* The first bytes behind the end of the request, up to SLACK_CHECKED. */
static inline SIZE_T slack_of(SIZE_T bytes, SIZE_T room)
{
    return room - bytes < SLACK_CHECKED ? room - bytes : SLACK_CHECKED;
}

/* Word by word; the last word overlaps the one before, or, when there is none, what was asked for, which stays
 * as it is: a block has at least 16 bytes. */
static inline ULONGLONG slack_mask(SIZE_T slack)
{
    return slack < 8 ? ~0ull << 8 * (8 - slack) : ~0ull;
}

static inline void fill_slack(UCHAR *at, SIZE_T slack)
{
    fill_word *last = (fill_word *)(at + slack - 8);

    for (SIZE_T i = 8; i <= slack; i += 8)
        *(fill_word *)(at + i - 8) = WORD_OF(FILL_SLACK);
    if (slack % 8)
        *last = (*last & ~slack_mask(slack)) | (WORD_OF(FILL_SLACK) & slack_mask(slack));
}

static inline BOOLEAN is_slack(const UCHAR *at, SIZE_T slack)
{
    ULONGLONG other = 0;

    for (SIZE_T i = 8; i <= slack; i += 8)
        other |= *(const fill_word *)(at + i - 8) ^ WORD_OF(FILL_SLACK);
    if (slack % 8)
        other |= (*(const fill_word *)(at + slack - 8) ^ WORD_OF(FILL_SLACK)) & slack_mask(slack);
    return other == 0;
}

#endif
