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

typedef ULONGLONG fill_words __attribute__((vector_size(16), may_alias));
typedef ULONGLONG fill_words_anywhere __attribute__((vector_size(16), aligned(1), may_alias));
typedef ULONGLONG fill_word __attribute__((aligned(1), may_alias));

#define WORD_OF(byte)  ((byte)*0x0101010101010101ull)
#define WORDS_OF(byte) ((fill_words){WORD_OF(byte), WORD_OF(byte)})

static inline void fill_16(UCHAR *at, UCHAR byte, SIZE_T bytes)
{
    fill_words words = WORDS_OF(byte);

#pragma GCC unroll 8
    for (SIZE_T i = 0; i < bytes; i += 16)
        *(fill_words_anywhere *)(at + i) = words;
}

/* All bytes are `byte` when that is both what they have in common and all that is in any of them: two instructions for
 * 16 of them.  `at` is aligned to 16. */
struct fill_seen {
    fill_words common, any;
};

static inline void look_16(struct fill_seen *seen, const UCHAR *at, SIZE_T bytes)
{
#pragma GCC unroll 8
    for (SIZE_T i = 0; i < bytes; i += 16) {
        seen->common &= *(const fill_words *)(at + i);
        seen->any |= *(const fill_words *)(at + i);
        __asm__(""
                : "+x"(seen->common), "+x"(seen->any)); /* no more chains than two: each begins with a copy */
    }
}

static inline BOOLEAN seen_only(const struct fill_seen *seen, UCHAR byte)
{
    fill_words other = (seen->common ^ WORDS_OF(byte)) | (seen->any ^ WORDS_OF(byte));

    return (other[0] | other[1]) == 0;
}

/* Both ends of a block, or all of it when it is small or everything is wanted.  `bytes` is a multiple of 16 or
 * above twice the edge; where both ends meet they are written twice instead of counted. */
static inline void fill(UCHAR *block, UCHAR byte, SIZE_T bytes, BOOLEAN everything)
{
    if (__builtin_expect(bytes < EDGE, 0)) {
        fill_16(block, byte, bytes);
        return;
    }
    if (__builtin_expect(everything, 0))
        memset(block, byte, bytes < FILL_LIMIT ? bytes : FILL_LIMIT);
    fill_16(block, byte, EDGE);
    fill_16(block + bytes - EDGE, byte, EDGE);
}

/* Is all of it as fill left it, as far as that is looked at: the ends?  `bytes` is the room of a block. */
static inline BOOLEAN is_filled(const UCHAR *block, UCHAR byte, SIZE_T bytes)
{
    struct fill_seen seen = {WORDS_OF(byte), WORDS_OF(byte)};

    if (__builtin_expect(bytes < EDGE, 0)) {
        look_16(&seen, block, bytes);
    } else {
        look_16(&seen, block, EDGE);
        look_16(&seen, block + bytes - EDGE, EDGE);
    }
    return seen_only(&seen, byte);
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

/* In pieces of 16 or 8 bytes from either end, which may overlap.  Of less than 8 bytes the word overlaps what was
 * asked for, which stays as it is: a block has at least 16 bytes. */
static inline ULONGLONG slack_mask(SIZE_T slack)
{
    return ~0ull << 8 * (8 - slack);
}

static inline void fill_slack(UCHAR *at, SIZE_T slack)
{
    UCHAR *end = at + slack;

    if (slack >= 16) {
        *(fill_words_anywhere *)at = WORDS_OF(FILL_SLACK);
        *(fill_words_anywhere *)(end - 16) = WORDS_OF(FILL_SLACK);
        if (slack > 32) {
            *(fill_words_anywhere *)(at + 16) = WORDS_OF(FILL_SLACK);
            *(fill_words_anywhere *)(end - 32) = WORDS_OF(FILL_SLACK);
        }
    } else if (slack >= 8) {
        *(fill_word *)at = WORD_OF(FILL_SLACK);
        *(fill_word *)(end - 8) = WORD_OF(FILL_SLACK);
    } else if (slack) {
        fill_word *last = (fill_word *)(end - 8);

        *last = (*last & ~slack_mask(slack)) | (WORD_OF(FILL_SLACK) & slack_mask(slack));
    }
}

static inline BOOLEAN is_slack(const UCHAR *at, SIZE_T slack)
{
    const UCHAR *end = at + slack;

    if (slack >= 16) {
        fill_words other = (*(const fill_words_anywhere *)at ^ WORDS_OF(FILL_SLACK)) |
                           (*(const fill_words_anywhere *)(end - 16) ^ WORDS_OF(FILL_SLACK));

        if (slack > 32)
            other |= (*(const fill_words_anywhere *)(at + 16) ^ WORDS_OF(FILL_SLACK)) |
                     (*(const fill_words_anywhere *)(end - 32) ^ WORDS_OF(FILL_SLACK));
        return (other[0] | other[1]) == 0;
    }
    if (slack >= 8)
        return (*(const fill_word *)at & *(const fill_word *)(end - 8)) == WORD_OF(FILL_SLACK) &&
               (*(const fill_word *)at | *(const fill_word *)(end - 8)) == WORD_OF(FILL_SLACK);
    return !slack || ((*(const fill_word *)(end - 8) ^ WORD_OF(FILL_SLACK)) & slack_mask(slack)) == 0;
}

#endif
