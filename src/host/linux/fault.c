/*
 * fault.c - processor exceptions, guarded probes and the fault plan.
 *
 * One handler serves SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP, on the thread's alternate stack and with
 * the signal unblocked, so that the executive may leave it by an unwinding jump.  When nobody does, whoever
 * was there before us has its turn: a sanitizer's handler, or the default action (core).
 */
#include "host/backend.h"
#include "linux.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* probe.S */
int linux_probe_read(const volatile void *byte);
int linux_probe_write(const volatile void *byte);
extern const char linux_probe_read_at[], linux_probe_write_at[], linux_probe_failed[];

enum { TRAP_PAGE_FAULT = 14, FAULT_WRITE = 2, FAULT_EXECUTE = 16, PAGE = 4096 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct sigaction previous[SIGNALS] HOST_KEPT;
static _Atomic(void (*)(const struct host_exception *)) exception_handler;
int (*host_write_hook)(void *address) HOST_KEPT;

void host_set_exception_handler(void (*handler)(const struct host_exception *exception))
{
    host_self(); /* installs the signal handlers */
    atomic_store(&exception_handler, handler);
}

int host_sanitizer(void)
{
    return HOST_TSAN ? HOST_SANITIZER_THREAD : HOST_ASAN ? HOST_SANITIZER_ADDRESS : HOST_SANITIZER_NONE;
}

/* The touched address lies in the guard below the stack (or not far below it, where a big frame reached). */
static int is_stack_overflow(const struct linux_thread *thread, uintptr_t address, uintptr_t sp)
{
    uintptr_t low = thread ? (uintptr_t)thread->public.stack_low : 0;

    return low > (1u << 20) && address >= low - (1u << 20) && address < low + PAGE &&
           sp < low + LINUX_GUARD_BYTES;
}

static struct host_exception describe(int signal, const siginfo_t *info, const ucontext_t *machine)
{
    const greg_t *registers = machine->uc_mcontext.gregs;
    struct host_exception exception = {
        .signal = signal,
        .address = info->si_addr,
        .ip = (void *)registers[REG_RIP],
        .sp = (void *)registers[REG_RSP],
        .fp = (void *)registers[REG_RBP],
    };

    if (signal != SIGSEGV && signal != SIGBUS)
        return exception;
    if (info->si_code == SI_KERNEL)
        exception.address = (void *)UINTPTR_MAX; /* not canonical: the processor does not say which address */
    if (registers[REG_TRAPNO] == TRAP_PAGE_FAULT) {
        if (registers[REG_ERR] & FAULT_EXECUTE)
            exception.write = 8;
        else if (registers[REG_ERR] & FAULT_WRITE)
            exception.write = 1;
    }
    exception.stack_overflow =
        is_stack_overflow(linux_self_if_known(), (uintptr_t)exception.address, (uintptr_t)exception.sp);
    return exception;
}

/* What would have happened without us. */
static void chain(int signal, siginfo_t *info, void *context)
{
    struct sigaction *before = NULL;

    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == signal)
            before = &previous[i];
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signal, info, context);
        return;
    }
    if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signal);
        return;
    }
    struct sigaction standard = {.sa_handler = SIG_DFL};

    sigaction(signal, &standard, NULL);
    /* A fault comes again when we return; a trap or a signal that somebody sent does not. */
    if (signal == SIGTRAP || info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    greg_t *ip = &machine->uc_mcontext.gregs[REG_RIP];
    void (*handler)(const struct host_exception *) = atomic_load(&exception_handler);
    int saved_errno = errno;

    if (signal == SIGSEGV && info->si_code > 0 && host_write_hook &&
        machine->uc_mcontext.gregs[REG_TRAPNO] == TRAP_PAGE_FAULT &&
        (machine->uc_mcontext.gregs[REG_ERR] & FAULT_WRITE) && host_write_hook(info->si_addr))
        return;
    if (*ip == (greg_t)linux_probe_read_at || *ip == (greg_t)linux_probe_write_at) {
        *ip = (greg_t)linux_probe_failed;
        return;
    }
    /* ThreadSanitizer runs handlers with everything blocked: a jump out of here must leave the mask as it
     * was. */
    pthread_sigmask(SIG_SETMASK, &machine->uc_sigmask, NULL);
    if ((handler || host_backend) && info->si_code > 0) { /* not one that was sent with kill */
        struct host_exception exception = describe(signal, info, machine);

        if (handler)
            handler(&exception);
        if (host_backend)
            host_backend->crash(&exception);
    }
    errno = saved_errno;
    chain(signal, info, context);
}

void linux_faults_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &previous[i]);
}

int host_memory_probe(const volatile void *address, size_t bytes, int write)
{
    int (*touch)(const volatile void *) = write ? linux_probe_write : linux_probe_read;
    uintptr_t at = (uintptr_t)address;
    uintptr_t end = at + bytes;

    if (bytes == 0)
        return 0;
    if (end < at)
        return -1;
    host_self();
    for (; at < end; at = (at | (PAGE - 1)) + 1) {
        if (touch((const volatile void *)at) != 0)
            return -1;
        if ((at | (PAGE - 1)) == UINTPTR_MAX)
            break;
    }
    return 0;
}

/* ---- planned failures --------------------------------------------------------------------------------- */

static _Atomic(int (*)(void *, int)) fault_plan HOST_KEPT;
static void *_Atomic fault_context HOST_KEPT;
int host_faults_planned HOST_KEPT;

int host_fault_planned(int kind)
{
    int (*plan)(void *, int) = atomic_load_explicit(&fault_plan, memory_order_acquire);

    return __builtin_expect(plan != NULL, 0) ? plan(fault_context, kind) : 0;
}

void host_set_fault_plan(int (*plan)(void *context, int kind), void *context)
{
    atomic_store(&fault_plan, NULL);
    fault_context = context;
    atomic_store_explicit(&fault_plan, plan, memory_order_release);
    __atomic_store_n(&host_faults_planned, plan != NULL, __ATOMIC_RELEASE);
}
