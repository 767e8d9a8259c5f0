/*
 * exception.c - a processor exception in driver or runtime code: a __try of the running driver routine gets
 * it, or it becomes the bug check that Windows makes of it.
 *
 * In a sanitizer build the sanitizer reports the faults that no __try takes: its report says more.
 */
#include "runner.h"

#include "nt/ke/seh.h"

#include <bugcodes.h>
#include <signal.h>

#define DOUBLE_FAULT 8 /* number of the processor's trap */

static EXCEPTION_RECORD record; /* of the one that is reported */

static NTSTATUS code_of(const struct host_exception *exception)
{
    switch (exception->signal) {
    case SIGFPE:
        return STATUS_INTEGER_DIVIDE_BY_ZERO;
    case SIGILL:
        return STATUS_ILLEGAL_INSTRUCTION;
    case SIGTRAP:
        return STATUS_BREAKPOINT;
    case SIGBUS:
        return STATUS_IN_PAGE_ERROR;
    default:
        return STATUS_ACCESS_VIOLATION;
    }
}

static void bug_check(const struct host_exception *exception, NTSTATUS code)
{
    const struct ke_thread *thread = ke_current_thread();
    int memory = exception->signal == SIGSEGV || exception->signal == SIGBUS;

    runner_bugcheck_exception(exception);
    if (exception->stack_overflow)
        ke_bug_check_from(UNEXPECTED_KERNEL_MODE_TRAP, DOUBLE_FAULT, (ULONG_PTR)exception->sp,
                          (ULONG_PTR)exception->address, (ULONG_PTR)exception->ip, exception->ip);
    if (memory && thread->irql >= DISPATCH_LEVEL)
        ke_bug_check_from(DRIVER_IRQL_NOT_LESS_OR_EQUAL, (ULONG_PTR)exception->address, thread->irql,
                          (ULONG_PTR)exception->write, (ULONG_PTR)exception->ip, exception->ip);
    record.ExceptionCode = code;
    record.ExceptionAddress = exception->ip;
    if (memory) {
        record.NumberParameters = 2;
        record.ExceptionInformation[0] = (ULONG_PTR)exception->write;
        record.ExceptionInformation[1] = (ULONG_PTR)exception->address;
    }
    if (thread->irql >= DISPATCH_LEVEL) /* no thread of anybody's: a DPC, a callback */
        ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)code, (ULONG_PTR)exception->ip,
                          record.ExceptionInformation[0], record.ExceptionInformation[1], exception->ip);
    ke_bug_check_from(SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)code,
                      (ULONG_PTR)exception->ip, (ULONG_PTR)&record, 0, exception->ip);
}

/* Those that sanitizers report; they leave the others to us. */
static int sanitizer_reports(const struct host_exception *exception)
{
    return host_sanitizer() && exception->signal != SIGILL && exception->signal != SIGTRAP;
}

static void on_exception(const struct host_exception *exception)
{
    NTSTATUS code = code_of(exception);

    if (!exception->stack_overflow)
        ke_seh_dispatch_fault(code, exception->address, exception->write, exception->ip);
    if (!sanitizer_reports(exception))
        bug_check(exception, code);
}

void runner_exception_start(void)
{
    host_set_exception_handler(on_exception);
}

void runner_exception_stop(void)
{
    host_set_exception_handler(NULL);
}
