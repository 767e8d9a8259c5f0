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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- names of addresses
 * ------------------------------------------------------------------------------------------------ */

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

/* ---- what is told
 * -------------------------------------------------------------------------------------------------------- */

static size_t add_frames(void **out, size_t room, uintptr_t frame, const struct host_thread *thread)
{
    uintptr_t low = (uintptr_t)thread->stack_low, high = (uintptr_t)thread->stack_high, last = 0;
    size_t count = 0;

    while (count < room && frame > last && frame >= low && frame + 16 <= high && (frame & 7) == 0) {
        uintptr_t caller = ((const uintptr_t *)frame)[1];

        if (caller < 4096)
            break;
        out[count++] = (void *)(caller - 1);
        last = frame;
        frame = *(const uintptr_t *)frame;
    }
    return count;
}

/* From the place of the bug check outwards: what is above it is ours. */
static size_t find_stack(void **out, const void *caller)
{
    size_t count, skip = 0;

    if (settings.happened) {
        out[0] = settings.exception.ip;
        return 1 + add_frames(out + 1, FRAMES - 1, (uintptr_t)settings.exception.fp, host_self());
    }
    count = host_backtrace(out, FRAMES, 0);
    while (skip < count && (uintptr_t)out[skip] + 1 != (uintptr_t)caller && out[skip] != caller)
        skip++;
    if (skip == count)
        skip = count > 3 ? 3 : 0;
    memmove(out, out + skip, (count - skip) * sizeof *out);
    return count - skip;
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

static void tell_parameters(const struct runner_out *out, uint32_t code, const ULONG_PTR *parameters)
{
    const char *meaning = runner_bugcheck_meaning(code, parameters[0]);

    if (meaning)
        runner_line(out, "    %s", meaning);
    for (int i = 0; i < 4; i++) {
        const char *what = runner_bugcheck_parameter(code, parameters[0], i);
        const char *status = NULL;

        if (!what)
            continue;
        if (strcmp(what, "exception code") == 0)
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

static void report(uint32_t code, const ULONG_PTR *parameters, const void *caller)
{
    const struct runner_out out = {settings.line ? settings.line : to_stderr, settings.context};
    const struct ke_thread *thread = ke_current_thread();
    const struct rtl_frame *routines[ROUTINES];
    static struct names names; /* not on a stack that may be full; only one thread ever comes here */
    const char *name = runner_bugcheck_name(code);
    size_t stack, running = 0;

    runner_line(&out, "%s", "");
    runner_line(&out, "*** STOP: 0x%08X (0x%016llX,0x%016llX,0x%016llX,0x%016llX) %s", code,
                (unsigned long long)parameters[0], (unsigned long long)parameters[1],
                (unsigned long long)parameters[2], (unsigned long long)parameters[3], name ? name : "");
    tell_parameters(&out, code, parameters);
    tell_exception(&out);
    stack = find_stack(names.address, caller);
    tell_place(&out, thread, guilty(names.address, stack));
    for (const struct rtl_frame *frame = thread->frames; frame && running < ROUTINES;
         frame = frame->previous) {
        routines[running] = frame;
        names.address[stack + running++] = frame->function;
    }
    names.count = stack + running;
    find_names(&names);
    for (size_t i = 0; i < running; i++)
        runner_line(&out, "    running: %s, %s", routines[i]->name, names.text[stack + i]);
    runner_line(&out, "    stack:");
    for (size_t i = 0; i < stack; i++)
        runner_line(&out, "      %s", names.text[i]);
}

static void on_bug_check(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
{
    const ULONG_PTR parameters[4] = {p1, p2, p3, p4};

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
