/*
 * Processor exceptions: the handler learns what happened, may jump out as often as it likes, and when it
 * returns the process ends as it would have without us.
 */
#include "host/host.h"
#include "peer.h"
#include "uwsk_test.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread sigjmp_buf *recovery;
static __thread struct host_exception last;

static void jump_out(const struct host_exception *exception)
{
    last = *exception;
    if (recovery)
        siglongjmp(*recovery, 1);
}

/* Runs action(argument), which must fault: what the handler saw is in `last`. */
static void expect_exception(void (*action)(void *argument), void *argument)
{
    sigjmp_buf here;

    memset(&last, 0, sizeof last);
    recovery = &here;
    if (sigsetjmp(here, 0) == 0) {
        action(argument);
        uwsk_test_fail(__FILE__, __LINE__, "no exception");
    }
    recovery = NULL;
}

static void read_byte(void *address)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}

static void write_byte(void *address)
{
    __asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory");
}

static void call(void *address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory", "rax", "rcx", "rdx");
}

static void divide_by_zero(void *argument)
{
    (void)argument;
    __asm__ volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\tidivl %%ecx" : : : "eax", "ecx", "edx");
}

static void illegal_instruction(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

static void breakpoint(void *argument)
{
    (void)argument;
    __asm__ volatile("int3");
}

TEST(handler_learns_what_was_touched_and_how, "")
{
    char *page = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

    host_set_exception_handler(jump_out);
    expect_exception(read_byte, (void *)16);
    EXPECT_EQ(last.signal, SIGSEGV);
    EXPECT_EQ(last.write, 0);
    EXPECT_EQ((uintptr_t)last.address, 16);
    EXPECT(last.ip >= (void *)read_byte && (char *)last.ip < (char *)read_byte + 256);
    EXPECT(last.sp >= host_self()->stack_low && last.sp < host_self()->stack_high);
    EXPECT_EQ(last.stack_overflow, 0);

    host_pages_protect(page, 4096, HOST_PAGE_READ);
    read_byte(page);
    expect_exception(write_byte, page + 5);
    EXPECT_EQ(last.write, 1);
    EXPECT(last.address == page + 5);
    expect_exception(call, page + 8);
    EXPECT_EQ(last.write, 8);
    EXPECT(last.address == page + 8);
    expect_exception(read_byte, (void *)0xdead000000000000ull);
    EXPECT_EQ((uintptr_t)last.address, -1);
    EXPECT_EQ(last.write, 0);
}

TEST(other_exceptions_arrive, "")
{
    host_set_exception_handler(jump_out);
    expect_exception(divide_by_zero, NULL);
    EXPECT_EQ(last.signal, SIGFPE);
    expect_exception(illegal_instruction, NULL);
    EXPECT_EQ(last.signal, SIGILL);
    expect_exception(breakpoint, NULL);
    EXPECT_EQ(last.signal, SIGTRAP);
}

static void fault_often(void *argument)
{
    for (int i = 0; i < 1000; i++)
        expect_exception(read_byte, argument);
}

TEST(jumping_out_works_again_and_again_on_every_thread, "")
{
    struct test_thread *threads[3];

    host_set_exception_handler(jump_out);
    for (int i = 0; i < 3; i++) /* threads that the host has never seen */
        threads[i] = test_thread_start(fault_often, (void *)(uintptr_t)(64 * (i + 1)));
    fault_often((void *)8);
    for (int i = 0; i < 3; i++)
        test_thread_join(threads[i]);
}

/* A probe inside a handler, that is: a fault while a fault is handled. */
static int probed = 1;

static void probe_inside(const struct host_exception *exception)
{
    probed = host_memory_probe(exception->address, 1, 0);
    siglongjmp(*recovery, 1);
}

TEST(a_probe_works_inside_the_handler, "")
{
    host_set_exception_handler(probe_inside);
    expect_exception(read_byte, (void *)24);
    EXPECT_EQ(probed, -1);
}

static int (*volatile again)(int depth, volatile char *above);

__attribute__((noinline)) static int recurse(int depth, volatile char *above)
{
    volatile char frame[1024];

    frame[0] = above ? above[0] : 0;
    return again(depth + 1, frame) + frame[0];
}

static void overflow(void *argument)
{
    (void)argument;
    again = recurse;
    recurse(0, NULL);
}

static void overflow_on_thread(void *context)
{
    host_self();
    expect_exception(overflow, NULL);
    *(struct host_exception *)context = last;
}

static struct host_exception of_started;
static volatile int of_started_done;

static void overflow_on_started(void *context)
{
    overflow_on_thread(context);
    __atomic_store_n(&of_started_done, 1, __ATOMIC_RELEASE);
}

TEST(stack_overflow_is_recognised, "")
{
    struct host_exception of_foreign;

    host_set_exception_handler(jump_out);
    expect_exception(overflow, NULL); /* the main thread */
    EXPECT_EQ(last.signal, SIGSEGV);
    EXPECT_EQ(last.stack_overflow, 1);
    test_thread_join(test_thread_start(overflow_on_thread, &of_foreign));
    EXPECT_EQ(of_foreign.stack_overflow, 1);
    EXPECT_EQ(host_thread_start(overflow_on_started, &of_started, "deep", 128 * 1024), 0);
    EXPECT_SOON(__atomic_load_n(&of_started_done, __ATOMIC_ACQUIRE));
    EXPECT_EQ(of_started.stack_overflow, 1);
    EXPECT_EQ(of_started.signal, SIGSEGV);
}

static void give_up(const struct host_exception *exception)
{
    (void)exception; /* returns: the default action follows */
}

/* How a child process ends in which action(argument) faults. */
static int end_of_child(void (*action)(void *argument), void *argument)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        host_set_exception_handler(give_up);
        dup2(memfd_create("quiet", 0), STDERR_FILENO);
        action(argument);
        _exit(77);
    }
    EXPECT(child > 0);
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void send_itself_segv(void *argument)
{
    (void)argument;
    raise(SIGSEGV);
}

TEST(default_action_follows_when_the_handler_returns, "")
{
    static const struct {
        void (*action)(void *argument);
        int signal;
    } ends[] = {{read_byte, SIGSEGV},
                {divide_by_zero, SIGFPE},
                {illegal_instruction, SIGILL},
                {breakpoint, SIGTRAP},
                {send_itself_segv, SIGSEGV}};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        int status = end_of_child(ends[i].action, (void *)8);

        if (host_sanitizer() && WIFEXITED(status)) /* the sanitizer's handler has won: it reports and exits */
            EXPECT(WEXITSTATUS(status) != 77 && WEXITSTATUS(status) != 0);
        else
            EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == ends[i].signal);
    }
}

TEST(a_signal_that_was_sent_is_no_exception, "")
{
    /* jump_out would survive it if it were told; instead the process ends. */
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        sigjmp_buf here;

        host_set_exception_handler(jump_out);
        dup2(memfd_create("quiet", 0), STDERR_FILENO);
        recovery = &here;
        if (sigsetjmp(here, 0) == 0)
            raise(SIGFPE);
        _exit(77);
    }
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT(!(WIFEXITED(status) && WEXITSTATUS(status) == 77));
}
