/*
 * chain.c - an MDL chain as one stream of bytes (K-MDL-15).
 */
#include "nt/mm/mm.h"
#include <string.h>

BOOLEAN mm_mdl_chain_reaches(const MDL *mdl, ULONG offset, SIZE_T length)
{
    const MDL *mark =
        mdl; /* moves on whenever twice as many have been passed: whoever meets it goes in a circle */
    SIZE_T passed = 0;

    for (; mdl; mdl = mdl->Next) {
        if (mdl->ByteCount - offset >= length)
            return TRUE;
        if (mdl->Next == mark)
            return FALSE;
        length -= mdl->ByteCount - offset;
        offset = 0;
        passed++;
        if ((passed & (passed - 1)) == 0)
            mark = mdl;
    }
    return FALSE;
}

/* A place in a chain: `at` bytes into mdl.  MDLs that end before it are passed over, those of no bytes among
 * them. */
struct place {
    PMDL mdl;
    SIZE_T at;
};

static BOOLEAN settle(struct place *place)
{
    while (place->mdl && place->at >= place->mdl->ByteCount) {
        place->at -= place->mdl->ByteCount;
        place->mdl = place->mdl->Next;
    }
    return place->mdl != NULL;
}

/* The next contiguous piece of at most `length` bytes; 0 at the end of the chain. */
static SIZE_T next_piece(struct place *place, SIZE_T length, UCHAR **base)
{
    SIZE_T piece;

    if (!length || !settle(place))
        return 0;
    piece = place->mdl->ByteCount - place->at;
    if (piece > length)
        piece = length;
    *base = (UCHAR *)mm_mdl_address(place->mdl) + place->at;
    place->at += piece;
    return piece;
}

size_t mm_mdl_segments(PMDL mdl, ULONG offset, SIZE_T skip, SIZE_T length, struct mm_segment *out,
                       size_t count)
{
    struct place place = {mdl, (SIZE_T)offset + skip};
    size_t filled = 0;
    UCHAR *base;
    SIZE_T piece;

    /* What nearly every chain is: one MDL that holds all of it. */
    if (count && length && mdl && place.at < mdl->ByteCount && length <= mdl->ByteCount - place.at) {
        out->base = (UCHAR *)mm_mdl_address(mdl) + place.at;
        out->length = length;
        return 1;
    }
    while (filled < count && (piece = next_piece(&place, length, &base)) != 0) {
        out[filled].base = base;
        out[filled].length = piece;
        filled++;
        length -= piece;
    }
    return filled;
}

SIZE_T mm_mdl_copy_to(PMDL mdl, ULONG offset, SIZE_T skip, const void *from, SIZE_T length)
{
    struct place place = {mdl, (SIZE_T)offset + skip};
    SIZE_T done = 0, piece;
    UCHAR *base;

    for (; (piece = next_piece(&place, length - done, &base)) != 0; done += piece)
        memcpy(base, (const UCHAR *)from + done, piece);
    return done;
}

SIZE_T mm_mdl_copy_from(PMDL mdl, ULONG offset, SIZE_T skip, void *to, SIZE_T length)
{
    struct place place = {mdl, (SIZE_T)offset + skip};
    SIZE_T done = 0, piece;
    UCHAR *base;

    for (; (piece = next_piece(&place, length - done, &base)) != 0; done += piece)
        memcpy((UCHAR *)to + done, base, piece);
    return done;
}
