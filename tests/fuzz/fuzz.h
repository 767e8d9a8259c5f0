/*
 * fuzz.h - what the libFuzzer targets share (clang only; tests/fuzz/README.md).
 *
 * Kernel world: a target acts as a driver that keeps the rules of a client, but for the values that it hands over.
 * Those come from the input: fuzz_u8() and its like take bytes from its front, and zeros when it is used up.  What is
 * checked in every run: each IRP is completed once (wsk_test.h), and nothing is left when the input is done.
 */
#ifndef UWSK_FUZZ_H
#define UWSK_FUZZ_H

#include "wsk_test.h"

struct fuzz {
    const UCHAR *data;
    SIZE_T left;
};

UCHAR fuzz_u8(struct fuzz *fuzz);
USHORT fuzz_u16(struct fuzz *fuzz);
ULONG fuzz_u32(struct fuzz *fuzz);
/* Below `limit`. */
ULONG fuzz_below(struct fuzz *fuzz, ULONG limit);
/* A block of exactly `size` bytes of the input in a pool block of its own, so that AddressSanitizer sees who reads
 * behind it; NULL of 0 bytes.  fuzz_free() frees it. */
PVOID fuzz_block(struct fuzz *fuzz, SIZE_T size);
void fuzz_free(PVOID block);

/* Most operations that an input has pending at a time. */
#define FUZZ_OPS 24

/* An op that nobody uses, ready to be handed over; NULL when all are pending. */
struct wt_op *fuzz_op(void);
/* Before its call: what it brings is looked at after it is done, so fuzz_op() leaves it alone until fuzz_wait(). */
void fuzz_hold(struct wt_op *op);
/* The IRP of this one is completed soon: waits.  Answers the status. */
NTSTATUS fuzz_wait(struct wt_op *op);
/* Number of ops; the I-th, NULL when it is not in use. */
struct wt_op *fuzz_pending(ULONG index);
/* Waits for all ops and frees them.  Sockets must be closed: nothing else ends what is pending. */
void fuzz_drain(void);
/* What an op works on lasts until it is done: freed by fuzz_drain(). */
void fuzz_keep(PVOID block);

/* What each target has: one input. */
void fuzz_one(struct fuzz *fuzz);

#endif
