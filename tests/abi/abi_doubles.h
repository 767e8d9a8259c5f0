/*
 * abi_doubles.h - what abi_doubles.c recorded. The tests of this folder look at
 * the headers alone, so the few functions that inline code calls are doubles.
 */
#ifndef UWSK_TESTS_ABI_DOUBLES_H
#define UWSK_TESTS_ABI_DOUBLES_H

#include <wdm.h>

UWSK_BEGIN_C

struct abi_seen {
    int points;                    /* calls of uwsk_point */
    int point_kind;                /* of the last one */
    const volatile void *object;   /* of the last one */
    ULONG bug_check;               /* code of the last bug check */
    ULONG_PTR bug_check_parameter; /* its first parameter */
    int assertions;                /* calls of RtlAssert */
    int maps;                      /* calls of MmMapLockedPagesSpecifyCache */
    ULONG bug_check_on_failure;    /* argument of the last one */
    int allocations;               /* calls of the pool */
    POOL_TYPE pool_type;           /* of the last one */
    KIRQL irql;                    /* what KeGetCurrentIrql answers */
};
extern struct abi_seen abi_seen;

/* Runs f(argument); TRUE if it ended in a bug check. */
BOOLEAN abi_bug_checks(void (*f)(void *), void *argument);

UWSK_END_C

#endif
