/*
 * ke_test.h - helpers of the executive's tests: threads, a running executive, expected bug checks.
 */
#ifndef UWSK_TESTS_KE_TEST_H
#define UWSK_TESTS_KE_TEST_H

#include "nt/ke/ke.h"
#include "nt/ob/ob.h"
#include "nt/ps/ps.h"

#include "uwsk_test.h"

#define MS(n) ((LONGLONG)(n)*10000)    /* milliseconds in 100 ns units */
#define NS(n) ((uint64_t)(n)*1000000u) /* milliseconds in nanoseconds */

static inline LARGE_INTEGER after(LONGLONG units)
{
    return (LARGE_INTEGER){.QuadPart = -units};
}

static inline void start_processors(unsigned count)
{
    struct ke_config config = {.processors = count};

    EXPECT_STATUS(ke_start(&config), STATUS_SUCCESS);
}

static inline struct ke_thread *start_thread(PKSTART_ROUTINE routine, void *context)
{
    struct ke_thread *thread;

    EXPECT_STATUS(ps_create_runtime_thread("test", routine, context, &thread), STATUS_SUCCESS);
    return thread;
}

static inline void join_thread(struct ke_thread *thread)
{
    EXPECT_STATUS(ke_wait_for_single_object(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ob_dereference_object(thread);
}

static inline void sleep_ms(int ms)
{
    LARGE_INTEGER interval = after(MS(ms));

    ke_delay_execution_thread(KernelMode, FALSE, &interval);
}

/* ---- expected bug checks: the culprit runs on a thread of its own, which ends up parked --------------- */

static struct {
    uint32_t raised;
    ULONG code;
    ULONG_PTR p[4];
} bug;

static inline void record_bug(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4,
                              void *caller)
{
    static uint32_t never;

    EXPECT(caller != NULL);
    bug.code = code;
    bug.p[0] = p1;
    bug.p[1] = p2;
    bug.p[2] = p3;
    bug.p[3] = p4;
    __atomic_store_n(&bug.raised, 1, __ATOMIC_RELEASE);
    for (;;)
        host_park(&never, 0, HOST_FOREVER);
}

static inline void expect_bug(PKSTART_ROUTINE culprit, ULONG code)
{
    uint64_t end = host_now() + NS(10000);

    ke_set_bugcheck_handler(record_bug);
    (void)start_thread(culprit, NULL);
    while (!__atomic_load_n(&bug.raised, __ATOMIC_ACQUIRE) && host_now() < end)
        sleep_ms(1);
    EXPECT(bug.raised);
    EXPECT_EQ(bug.code, code);
}

/* The body must raise the bug check; it sees `unused`. */
#define BUG_TEST(name, rules, code, p1)                                                                      \
    static VOID name##_culprit(PVOID unused);                                                                \
    TEST(name, rules)                                                                                        \
    {                                                                                                        \
        expect_bug(name##_culprit, (code));                                                                  \
        EXPECT_EQ(bug.p[0], (ULONG_PTR)(p1));                                                                \
    }                                                                                                        \
    static VOID name##_culprit(__attribute__((unused)) PVOID unused)

#endif
