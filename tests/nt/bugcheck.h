/*
 * bugcheck.h - a test that ends in a bug check: EXPECT_BUGCHECK runs a statement and wants it to stop there.
 *
 * The statement's thread is left as it stood at the bug check (IRQL, locks): the test ends soon after, as its
 * process does.
 */
#ifndef UWSK_TESTS_NT_BUGCHECK_H
#define UWSK_TESTS_NT_BUGCHECK_H

#include "nt/ke/ke.h"
#include "uwsk_test.h"

struct test_bugcheck {
    int active;
    ULONG code;
    ULONG_PTR parameters[4];
    void *jump[5];
};
static struct test_bugcheck test_bugcheck;

static inline void test_bugcheck_handler(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4,
                                         void *caller)
{
    (void)caller;
    if (!test_bugcheck.active)
        uwsk_test_fail(__FILE__, __LINE__, "bug check 0x%x (0x%llx, 0x%llx, 0x%llx, 0x%llx)", code,
                       (unsigned long long)p1, (unsigned long long)p2, (unsigned long long)p3,
                       (unsigned long long)p4);
    test_bugcheck.active = 0;
    test_bugcheck.code = code;
    test_bugcheck.parameters[0] = p1;
    test_bugcheck.parameters[1] = p2;
    test_bugcheck.parameters[2] = p3;
    test_bugcheck.parameters[3] = p4;
    __builtin_longjmp(test_bugcheck.jump, 1);
}

/* Once per test.  Parameters: test_bugcheck.parameters. */
#define EXPECT_BUGCHECK(expected_code, ...)                                                                  \
    do {                                                                                                     \
        ke_set_bugcheck_handler(test_bugcheck_handler);                                                      \
        test_bugcheck.active = 1;                                                                            \
        if (!__builtin_setjmp(test_bugcheck.jump)) {                                                         \
            __VA_ARGS__;                                                                                     \
            uwsk_test_fail(__FILE__, __LINE__, "no bug check: %s", #__VA_ARGS__);                            \
        }                                                                                                    \
        EXPECT_EQ(test_bugcheck.code, (expected_code));                                                      \
    } while (0)
#define EXPECT_BUGCHECK_PARAMETER(number, expected)                                                          \
    EXPECT_EQ(test_bugcheck.parameters[(number)-1], (ULONG_PTR)(expected))

#endif
