/*
 * What reports are made of: stacks of this and of other threads, names for addresses, lines, planned
 * failures.
 */
#include "host/host.h"
#include "host/sanitizer.h"
#include "peer.h"
#include "uwsk_test.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void linux_modules_changed(void); /* linux.h */

static void *frames[32];
static size_t frame_count;

__attribute__((noinline)) static void innermost_function(void)
{
    frame_count = host_backtrace(frames, 32, 0);
    __asm__ volatile("");
}

enum { LINE_OF_CALL = __LINE__ + 3 };
__attribute__((noinline)) static void function_around_it(void)
{
    innermost_function();
    __asm__ volatile("");
}

TEST(backtrace_names_the_callers, "")
{
    char text[256], expected[64];

    function_around_it();
    EXPECT(frame_count >= 3);
    host_symbolize(frames[0], text, sizeof text);
    EXPECT(strncmp(text, "innermost_function+0x", 21) == 0);
    host_symbolize(frames[1], text, sizeof text);
    EXPECT(strncmp(text, "function_around_it+0x", 21) == 0);
    snprintf(expected, sizeof expected, "(test_report.c:%d)", LINE_OF_CALL);
    if (!strstr(text, expected))
        uwsk_test_fail(__FILE__, __LINE__, "%s does not name %s", text, expected);
    host_symbolize(frames[2], text, sizeof text);
    EXPECT(strncmp(text, "test_backtrace_names_the_callers+0x", 35) == 0);
}

TEST(backtrace_skips_and_counts, "")
{
    void *some[2];

    function_around_it();
    EXPECT_EQ(host_backtrace(some, 1, 0), 1);
    EXPECT_EQ(host_backtrace(some, 2, 60), 0);
    EXPECT_EQ(host_backtrace(some, 0, 0), 0);
}

static void symbolize_for_ever(void *stop)
{
    char text[256];

    while (!atomic_load((atomic_int *)stop)) {
        host_symbolize((void *)(uintptr_t)symbolize_for_ever, text, sizeof text);
        linux_modules_changed(); /* the longest way: everything is read anew */
    }
}

/* A bug check on one thread while another one names addresses: the child of its report has no such thread. */
TEST(symbolize_in_the_child_of_a_process_that_symbolizes, "", TEST_TIMEOUT(120))
{
    static atomic_int stop;

#if HOST_TSAN || (HOST_ASAN && defined(__clang__) && __clang_major__ <= 14)
    /* Neither takes its locks before a fork: a child's malloc() waits for ever for a thread that it does not have.
     * The report of a bug check gives its child ten seconds and names nothing then. */
    TEST_NOTE("skipped: the sanitizer's allocator may be locked in a child");
    return;
#endif
    EXPECT_EQ(host_thread_start(symbolize_for_ever, &stop, "names", 0), 0);
    for (int i = 0; i < 20; i++) {
        char text[256];
        int status;
        pid_t child = fork();

        if (child == 0) {
            host_symbolize((void *)(uintptr_t)symbolize_for_ever, text, sizeof text);
            _exit(strncmp(text, "symbolize_for_ever+0x", 21) == 0 ? 0 : 1);
        }
        EXPECT(child > 0);
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    atomic_store(&stop, 1);
}

void in_class(void) __asm__("_ZN6Client4StopEPFvPvEi");
void call_operator(void) __asm__("_ZNK12_GLOBAL__N_14CallclEv");
void no_cplusplus(void) __asm__("_Zebra");

void in_class(void)
{
}
void call_operator(void)
{
}
void no_cplusplus(void)
{
}

/* As WinDbg names them: without parameters. */
TEST(symbolize_knows_names_of_cplusplus, "")
{
    char text[256];

    host_symbolize((void *)(uintptr_t)in_class, text, sizeof text);
    EXPECT(strncmp(text, "Client::Stop+0x0 (test_report.c:", 32) == 0);
    host_symbolize((void *)(uintptr_t)call_operator, text, sizeof text);
    EXPECT(strncmp(text, "(anonymous namespace)::Call::operator()+0x0 (", 45) == 0);
    host_symbolize((void *)(uintptr_t)no_cplusplus, text, sizeof text);
    EXPECT(strncmp(text, "_Zebra+0x0 (", 12) == 0);
}

TEST(symbolize_always_terminates, "")
{
    char text[8];

    host_symbolize((void *)16, text, sizeof text);
    EXPECT_STR(text, "0x10");
    memset(text, 'x', sizeof text);
    host_symbolize((void *)(uintptr_t)host_symbolize, text, 4);
    EXPECT_EQ(strlen(text), 3);
    EXPECT_EQ(text[4], 'x');
}

static _Atomic uint32_t hold = 0;
static _Atomic int ready;

__attribute__((noinline)) static void wait_in_named_function(void *context)
{
    (void)context;
    host_self();
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&hold) == 0)
        host_park((const volatile uint32_t *)&hold, 0, HOST_FOREVER);
}

static int visited, found_function;
static uint64_t visited_ids[8];

static void look(void *context, struct host_thread *thread, void *const *stack, size_t count)
{
    char text[256];

    EXPECT(context == &visited);
    visited_ids[visited++ % 8] = thread->id;
    for (size_t i = 0; i < count; i++) {
        host_symbolize(stack[i], text, sizeof text);
        if (strncmp(text, "wait_in_named_function+", 23) == 0) {
            found_function++;
            break;
        }
    }
}

TEST(each_thread_is_asked_for_its_stack, "")
{
    struct test_thread *foreign = test_thread_start(wait_in_named_function, NULL);

    host_self();
    EXPECT_EQ(host_thread_start(wait_in_named_function, NULL, "held", 0), 0);
    EXPECT_SOON(atomic_load(&ready) == 2);
    test_sleep_ms(10); /* they are about to park; either way the function is on their stacks */
    host_each_thread(look, &visited);
    EXPECT_EQ(visited, 2);
    EXPECT(visited_ids[0] != visited_ids[1] && visited_ids[0] != host_self()->id);
    if (test_sanitizer() != 2) /* tsan holds signals back until a call that it knows */
        EXPECT_EQ(found_function, 2);
    atomic_store(&hold, 1);
    host_unpark((const volatile uint32_t *)&hold, INT32_MAX);
    test_thread_join(foreign);
}

static int sink_level;
static char sink_text[64];

static void sink(void *context, int level, const char *text)
{
    *(int *)context += 1;
    sink_level = level;
    snprintf(sink_text, sizeof sink_text, "%s", text);
}

TEST(log_lines_reach_the_sink, "")
{
    int lines = 0;

    host_set_log_sink(sink, &lines);
    host_log(HOST_LOG_WARNING, "a line");
    EXPECT_EQ(lines, 1);
    EXPECT_EQ(sink_level, HOST_LOG_WARNING);
    EXPECT_STR(sink_text, "a line");
    host_set_log_sink(NULL, NULL);
    host_log(HOST_LOG_INFO, "to stderr again");
    EXPECT_EQ(lines, 1);
}

static int fail_third_irp(void *context, int kind)
{
    return kind == HOST_FAULT_IRP && ++*(int *)context == 3;
}

TEST(fault_plan_decides, "")
{
    int count = 0;

    EXPECT_EQ(host_fault(HOST_FAULT_IRP), 0);
    host_set_fault_plan(fail_third_irp, &count);
    EXPECT_EQ(host_fault(HOST_FAULT_POOL), 0);
    EXPECT_EQ(host_fault(HOST_FAULT_IRP), 0);
    EXPECT_EQ(host_fault(HOST_FAULT_IRP), 0);
    EXPECT_NE(host_fault(HOST_FAULT_IRP), 0);
    EXPECT_EQ(host_fault(HOST_FAULT_IRP), 0);
    host_set_fault_plan(NULL, NULL);
    EXPECT_EQ(host_fault(HOST_FAULT_IRP), 0);
    EXPECT_EQ(count, 4);
}
