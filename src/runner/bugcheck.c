/*
 * bugcheck.c - the report of a bug check, and the end of the process.
 *
 * Everything may be broken: the report formats into buffers on the stack, takes no lock of the executive, and
 * names addresses in a forked child, so that neither a broken heap nor a lock that is held for ever can stop
 * it.
 */
#include "runner.h"

#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAMES = 40, ROUTINES = 8, EXIT_BUG_CHECK = 3, NAMES_PATIENCE_MS = 10000 };

static struct {
    int core;
    void (*line)(void *context, const char *text);
    void *context;
    struct host_exception exception; /* what the bug check is made of, if happened */
    int happened;
} settings;

static void to_stderr(void *context, const char *text)
{
    char line[1100];
    int length = snprintf(line, sizeof line, "%s\n", text);

    (void)context;
    if (length > 0 &&
        write(STDERR_FILENO, line, (size_t)length < sizeof line ? (size_t)length : sizeof line) < 0)
        return; /* nobody is left to tell */
}

void runner_bugcheck_exception(const struct host_exception *exception)
{
    settings.exception = *exception;
    settings.happened = 1;
}

/* ---- names of addresses ------------------------------------------------------------------------------- */

struct names {
    void *address[FRAMES + ROUTINES];
    char text[FRAMES + ROUTINES][256];
    size_t count;
};

static void name_in_child(const struct names *names, int out)
{
    char text[256];

    for (size_t i = 0; i < names->count; i++) {
        memset(text, 0, sizeof text);
        host_symbolize(names->address[i], text, sizeof text);
        if (write(out, text, sizeof text) != sizeof text)
            break;
    }
    _exit(0);
}

static void plain_name(const void *address, char *text, size_t bytes)
{
    const struct uwsk_driver *driver = runner_driver_at(address);

    if (driver)
        snprintf(text, bytes, "%s+0x%lx", driver->name,
                 (unsigned long)((uintptr_t)address - driver->image.low));
    else
        snprintf(text, bytes, "%p", address);
}

/* Reads whole records until the end, an error, or the patience is over; returns how many. */
static size_t read_names(struct names *names, int in)
{
    uint64_t until = host_now() + NAMES_PATIENCE_MS * 1000000ull;
    size_t bytes = 0, wanted = names->count * sizeof names->text[0];

    while (bytes < wanted) {
        struct pollfd ready = {.fd = in, .events = POLLIN};
        uint64_t now = host_now();
        ssize_t got;

        if (now >= until || poll(&ready, 1, (int)((until - now) / 1000000u) + 1) == 0)
            break;
        got = read(in, (char *)names->text + bytes, wanted - bytes);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        if (got > 0)
            bytes += (size_t)got;
    }
    return bytes / sizeof names->text[0];
}

/* _Fork: without the handlers of fork, which take locks. */
static void find_names(struct names *names)
{
    size_t known = 0;
    int ends[2];
    pid_t child;

    if (pipe(ends) == 0) {
        child = _Fork();
        if (child == 0) {
            close(ends[0]);
            signal(SIGSEGV, SIG_DFL);
            signal(SIGABRT, SIG_DFL);
            name_in_child(names, ends[1]);
        }
        close(ends[1]);
        if (child > 0) {
            known = read_names(names, ends[0]);
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
        close(ends[0]);
    }
    for (; known < names->count; known++)
        plain_name(names->address[known], names->text[known], sizeof names->text[known]);
}

/* ---- what is told ------------------------------------------------------------------------------------- */

/* A stack for the report: the same frame many times in a row, as recursion makes it, stands once. */
struct stack {
    void *frame[FRAMES];
    unsigned times[FRAMES];
    size_t count;
};

/* 0: there is no room for it. */
static int add_frame(struct stack *stack, void *address)
{
    if (stack->count && stack->frame[stack->count - 1] == address) {
        stack->times[stack->count - 1]++;
        return 1;
    }
    if (stack->count == FRAMES)
        return 0;
    stack->frame[stack->count] = address;
    stack->times[stack->count++] = 1;
    return 1;
}

/* Does a call end right before this address? */
static int follows_call(uintptr_t address)
{
    const uint8_t *code = (const uint8_t *)address;

    if (code[-5] == 0xE8)
        return 1;
    for (int bytes = 2; bytes <= 7; bytes++) /* FF /2 with its addressing */
        if (code[-bytes] == 0xFF && (code[-bytes + 1] & 0x38) == 0x10)
            return 1;
    return 0;
}

static void walk(struct stack *stack, uintptr_t frame, uintptr_t low, uintptr_t high)
{
    uintptr_t last = 0;

    while (frame > last && frame >= low && frame + 16 <= high && (frame & 7) == 0) {
        uintptr_t caller = ((const uintptr_t *)frame)[1];

        if (caller < 4096 || !add_frame(stack, (void *)(caller - 1)))
            return;
        last = frame;
        frame = *(const uintptr_t *)frame;
    }
}

/* A function that calls none keeps no frame: then its caller stands on top of the stack. */
static void add_leaf_caller(struct stack *stack, uintptr_t sp, uintptr_t fp, uintptr_t low, uintptr_t high)
{
    uintptr_t caller, next = 0;

    if (sp < low || sp + 8 > high || (sp & 7) != 0)
        return;
    caller = *(const uintptr_t *)sp;
    if (fp >= low && fp + 16 <= high && (fp & 7) == 0)
        next = ((const uintptr_t *)fp)[1];
    if (caller != next && runner_driver_at((const void *)caller) && follows_call(caller))
        add_frame(stack, (void *)(caller - 1));
}

/* From the place of the bug check outwards: what is inside of it is ours. */
static void find_stack(struct stack *stack, const void *caller)
{
    const struct host_thread *thread = host_self();
    uintptr_t low = (uintptr_t)thread->stack_low, high = (uintptr_t)thread->stack_high;
    void *frames[FRAMES];
    size_t count, skip = 0;

    if (settings.happened) {
        const struct host_exception *exception = &settings.exception;

        add_frame(stack, exception->ip);
        add_leaf_caller(stack, (uintptr_t)exception->sp, (uintptr_t)exception->fp, low, high);
        walk(stack, (uintptr_t)exception->fp, low, high);
        return;
    }
    count = host_backtrace(frames, FRAMES, 0);
    while (skip < count && (uintptr_t)frames[skip] + 1 != (uintptr_t)caller && frames[skip] != caller)
        skip++;
    if (skip == count)
        skip = count > 3 ? 3 : 0;
    for (; skip < count; skip++)
        add_frame(stack, frames[skip]);
}

static const char *signal_text(const struct host_exception *exception)
{
    switch (exception->signal) {
    case SIGFPE:
        return "division by zero, or a result that does not fit";
    case SIGILL:
        return "illegal instruction";
    case SIGTRAP:
        return "break point";
    default:
        break;
    }
    if (exception->stack_overflow)
        return "the stack is full";
    return exception->write == 8 ? "execution of" : exception->write ? "write to" : "read of";
}

static void tell_exception(const struct runner_out *out)
{
    const struct host_exception *exception = &settings.exception;
    int memory = (exception->signal == SIGSEGV || exception->signal == SIGBUS) && !exception->stack_overflow;

    if (!settings.happened)
        return;
    if (memory && exception->address == (void *)UINTPTR_MAX)
        runner_line(out, "    %s an address that is not canonical", signal_text(exception));
    else if (memory)
        runner_line(out, "    %s %p", signal_text(exception), exception->address);
    else
        runner_line(out, "    %s", signal_text(exception));
}

static void tell_parameters(const struct runner_out *out, uint32_t code, const uint64_t *parameters)
{
    const char *meaning = runner_bugcheck_meaning(code, parameters[0]);

    if (meaning)
        runner_line(out, "    %s", meaning);
    for (int i = 0; i < 4; i++) {
        const char *what = runner_bugcheck_parameter(code, parameters[0], i);
        const char *status = NULL;

        if (!what)
            continue;
        if (strcmp(what, "exception code") == 0 || strcmp(what, "IoStatus.Status") == 0 ||
            strcmp(what, "what it returned") == 0)
            status = rtl_status_name((NTSTATUS)parameters[i]);
        runner_line(out, "    %d: 0x%016llX  %s%s%s", i + 1, (unsigned long long)parameters[i], what,
                    status ? ", " : "", status ? status : "");
    }
}

static const struct uwsk_driver *guilty(void *const *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct uwsk_driver *driver = runner_driver_at(frames[i]);

        if (driver)
            return driver;
    }
    return NULL;
}

static void tell_place(const struct runner_out *out, const struct ke_thread *thread,
                       const struct uwsk_driver *driver)
{
    char irql[16], processor[32] = "";

    if (thread->processor != KE_NO_PROCESSOR)
        snprintf(processor, sizeof processor, ", processor %d", thread->processor);
    runner_line(out, "    IRQL %u (%s), thread %llu (%s)%s%s%s", thread->irql,
                runner_irql_name(thread->irql, irql), (unsigned long long)host_self()->id, host_self()->name,
                processor, driver ? ", driver " : "", driver ? driver->name : "");
}

/* What can be told without names of addresses; fills in the stack. */
static void tell_head(const struct runner_out *out, uint32_t code, const uint64_t parameters[4],
                      const void *caller, struct stack *stack)
{
    const char *name = runner_bugcheck_name(code);

    runner_line(out, "%s", "");
    runner_line(out, "*** STOP: 0x%08X (0x%016llX,0x%016llX,0x%016llX,0x%016llX) %s", code,
                (unsigned long long)parameters[0], (unsigned long long)parameters[1],
                (unsigned long long)parameters[2], (unsigned long long)parameters[3], name ? name : "");
    tell_parameters(out, code, parameters);
    tell_exception(out);
    find_stack(stack, caller);
    tell_place(out, ke_current_thread(), guilty(stack->frame, stack->count));
}

size_t runner_bugcheck_brief(uint32_t code, const uint64_t parameters[4], const void *caller, void **frames,
                             size_t room)
{
    const struct runner_out out = {settings.line ? settings.line : to_stderr, settings.context};
    static struct stack stack; /* not on a stack that may be full; only one thread ever comes here */
    size_t count;

    tell_head(&out, code, parameters, caller, &stack);
    count = stack.count < room ? stack.count : room;
    memcpy(frames, stack.frame, count * sizeof *frames);
    return count;
}

static void report(uint32_t code, const uint64_t parameters[4], const void *caller)
{
    const struct runner_out out = {settings.line ? settings.line : to_stderr, settings.context};
    const struct ke_thread *thread = ke_current_thread();
    const struct rtl_frame *routines[ROUTINES];
    static struct names names; /* as above */
    static struct stack stack;
    size_t running = 0;

    tell_head(&out, code, parameters, caller, &stack);
    memcpy(names.address, stack.frame, sizeof stack.frame);
    for (const struct rtl_frame *frame = thread->frames; frame && running < ROUTINES;
         frame = frame->previous) {
        routines[running] = frame;
        names.address[stack.count + running++] = frame->function;
    }
    names.count = stack.count + running;
    find_names(&names);
    for (size_t i = 0; i < running; i++)
        runner_line(&out, "    running: %s, %s", routines[i]->name, names.text[stack.count + i]);
    runner_line(&out, "    stack:");
    for (size_t i = 0; i < stack.count; i++)
        if (stack.times[i] > 1)
            runner_line(&out, "      %s, %u times", names.text[i], stack.times[i]);
        else
            runner_line(&out, "      %s", names.text[i]);
}

static void on_bug_check(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
{
    const uint64_t parameters[4] = {p1, p2, p3, p4};

    report(code, parameters, caller);
    if (settings.core)
        host_abort();
    host_exit(EXIT_BUG_CHECK);
}

void runner_bugcheck_start(int core, void (*line)(void *context, const char *text), void *context)
{
    memset(&settings, 0, sizeof settings);
    settings.core = core;
    settings.line = line;
    settings.context = context;
    ke_set_bugcheck_handler(on_bug_check);
}

void runner_bugcheck_stop(void)
{
    ke_set_bugcheck_handler(NULL);
}
