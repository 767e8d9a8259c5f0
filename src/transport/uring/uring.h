/*
 * uring.h - whether the io_uring transport (transport_uring) can be used here.
 */
#ifndef UWSK_TRANSPORT_URING_H
#define UWSK_TRANSPORT_URING_H

#include <stddef.h>

/* Non-zero when everything that the io_uring transport builds on works here: tried out, never concluded from
 * a version.  If not, `reason` (may be NULL) says in one line what is missing. */
int uring_probe(char *reason, size_t size);

/* What is used where it works and done without where it does not. */
enum {
    URING_DEFERRED = 1,   /* SINGLE_ISSUER and DEFER_TASKRUN */
    URING_POLL_FIRST = 2, /* do not try again what has just been tried */
    URING_BUFFERS = 4     /* a ring of buffers from which the kernel takes one when data is there */
};
/* For tests: what is done without although it may work.  To be set before attach(). */
extern unsigned uring_without;

#endif
