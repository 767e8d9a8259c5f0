/*
 * thread.c - threads, adopted and our own, and the registry that host_each_thread walks.
 *
 * A thread's record hangs off one thread-local pointer; a pthread key runs the exit hook and frees the record
 * when the thread ends, whoever started it.  Threads of ours block every signal but faults and the stack
 * request, so that SIGINT and the like reach the embedding program's threads.
 */
#include "host/backend.h"
#include "linux.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define DEFAULT_STACK_BYTES ((size_t)(HOST_ASAN || HOST_TSAN ? 4 : 1) << 20)
#define MINIMUM_STACK_BYTES ((size_t)128 << 10)

__thread struct host_thread *host_known_self;

static pthread_mutex_t registry_lock HOST_KEPT = PTHREAD_MUTEX_INITIALIZER;
static struct linux_thread *registry HOST_KEPT; /* every known thread, newest first */
static _Atomic uint64_t last_id HOST_KEPT;

static pthread_once_t once HOST_KEPT = PTHREAD_ONCE_INIT;
static pthread_key_t end_key HOST_KEPT;
static _Atomic(void (*)(struct host_thread *)) exit_hook;

const struct host_backend *host_backend HOST_KEPT;

static int stack_signal(void)
{
    return SIGRTMIN + 6;
}

/* ---- stack requests ----------------------------------------------------------------------------------- */

enum { REQUEST_IDLE, REQUEST_ASKED, REQUEST_ANSWERING, REQUEST_DONE };

/* One request at a time, under registry_lock; the asked thread's handler moves ASKED -> ANSWERING -> DONE. */
static struct {
    _Atomic uint32_t state;
    _Atomic(const struct linux_thread *) thread;
    void *frames[LINUX_FRAMES];
    size_t count;
} request HOST_KEPT;

static void answer_stack_request(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *machine = context;
    const struct linux_thread *self = linux_self_if_known();
    uint32_t asked = REQUEST_ASKED;
    int saved_errno = errno;

    (void)signal;
    (void)info;
    if (!self || atomic_load(&request.thread) != self ||
        !atomic_compare_exchange_strong(&request.state, &asked, REQUEST_ANSWERING))
        return; /* asked too long ago */
    request.frames[0] = (void *)machine->uc_mcontext.gregs[REG_RIP];
    request.count = 1 + linux_walk(self, (const void *)machine->uc_mcontext.gregs[REG_RBP],
                                   request.frames + 1, LINUX_FRAMES - 1);
    atomic_store(&request.state, REQUEST_DONE);
    syscall(SYS_futex, &request.state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

/* Asks one thread and waits 200 ms at most; 0 frames when it does not answer (it blocks the signal, say). */
static size_t ask_for_stack(const struct linux_thread *thread)
{
    uint64_t until = host_now() + 200 * 1000000ull;
    uint32_t state;

    atomic_store(&request.thread, thread);
    atomic_store(&request.state, REQUEST_ASKED);
    if (syscall(SYS_tgkill, getpid(), thread->tid, stack_signal()) != 0) {
        atomic_store(&request.state, REQUEST_IDLE);
        return 0;
    }
    while ((state = atomic_load(&request.state)) != REQUEST_DONE) {
        if (state == REQUEST_ASKED && host_now() >= until) {
            if (atomic_compare_exchange_strong(&request.state, &state, REQUEST_IDLE))
                return 0;
            continue; /* it has just begun to answer: that is bounded */
        }
        host_park((const volatile uint32_t *)&request.state, state, until);
    }
    atomic_store(&request.state, REQUEST_IDLE);
    return request.count;
}

void host_each_thread(void (*fn)(void *context, struct host_thread *thread, void *const *frames,
                                 size_t count),
                      void *context)
{
    struct host_thread *self = host_self();

    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->each_thread(fn, context);
        return;
    }
    pthread_mutex_lock(&registry_lock);
    for (struct linux_thread *thread = registry; thread; thread = thread->next) {
        if (&thread->public != self)
            fn(context, &thread->public, request.frames, ask_for_stack(thread));
    }
    pthread_mutex_unlock(&registry_lock);
}

/* ---- birth and end ------------------------------------------------------------------------------------ */

static void find_stack(struct linux_thread *thread)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t bytes = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    pthread_attr_getstack(&attributes, &low, &bytes);
    pthread_attr_destroy(&attributes);
    thread->public.stack_low = low;
    thread->public.stack_high = (char *)low + bytes;
}

static void install_altstack(struct linux_thread *thread)
{
    void *memory = mmap(NULL, LINUX_ALTSTACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    stack_t stack = {.ss_sp = memory, .ss_size = LINUX_ALTSTACK_BYTES};

    if (memory == MAP_FAILED)
        return; /* a stack overflow of this thread will go unreported, nothing worse */
    if (sigaltstack(&stack, &thread->previous_altstack) != 0) {
        munmap(memory, LINUX_ALTSTACK_BYTES);
        return;
    }
    thread->altstack = memory;
}

static void remove_altstack(struct linux_thread *thread)
{
    if (!thread->altstack)
        return;
    if (sigaltstack(&thread->previous_altstack, NULL) != 0) {
        stack_t off = {.ss_flags = SS_DISABLE};

        sigaltstack(&off, NULL);
    }
    munmap(thread->altstack, LINUX_ALTSTACK_BYTES);
}

/* The calling thread becomes known. */
static void enter(struct linux_thread *thread, const char *name)
{
    thread->tid = (pid_t)syscall(SYS_gettid);
    thread->public.id = atomic_fetch_add(&last_id, 1) + 1;
    snprintf(thread->public.name, sizeof thread->public.name, "%s", name);
    find_stack(thread);
    install_altstack(thread);
    host_known_self = &thread->public;
    pthread_setspecific(end_key, thread);
    pthread_mutex_lock(&registry_lock);
    thread->next = registry;
    if (registry)
        registry->previous = thread;
    registry = thread;
    pthread_mutex_unlock(&registry_lock);
}

void linux_run_exit_hook(struct host_thread *thread)
{
    void (*hook)(struct host_thread *) = atomic_load(&exit_hook);

    if (hook && thread->executive)
        hook(thread);
}

/* The key's destructor: the thread's last act. */
static void leave(void *context)
{
    struct linux_thread *thread = context;

    linux_run_exit_hook(&thread->public);
    pthread_mutex_lock(&registry_lock);
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        registry = thread->next;
    if (thread->next)
        thread->next->previous = thread->previous;
    pthread_mutex_unlock(&registry_lock);
    remove_altstack(thread);
    host_known_self = NULL;
    free(thread);
}

/* Only the forking thread exists in a child; the records of the others are gone with their threads. */
static void before_fork(void)
{
    pthread_mutex_lock(&registry_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&registry_lock);
}

static void after_fork_in_child(void)
{
    struct linux_thread *self = pthread_getspecific(end_key); /* also on a fiber: the system's thread */
    struct linux_thread *thread = registry;

    while (thread) {
        struct linux_thread *next = thread->next;

        if (thread != self)
            free(thread);
        thread = next;
    }
    registry = self;
    if (self) {
        self->next = self->previous = NULL;
        self->tid = (pid_t)syscall(SYS_gettid);
    }
    pthread_mutex_unlock(&registry_lock);
}

static void start_once(void)
{
    struct sigaction action = {.sa_sigaction = answer_stack_request,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (pthread_key_create(&end_key, leave) != 0)
        host_abort();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    sigaction(stack_signal(), &action, NULL);
    linux_faults_install();
}

struct linux_thread *linux_self_if_known(void)
{
    return (struct linux_thread *)host_known_self; /* public stands first */
}

void host_linux_become(struct host_thread *thread)
{
    struct linux_thread *own = pthread_getspecific(end_key);

    host_known_self = thread ? thread : own ? &own->public : NULL;
}

static struct linux_thread *new_thread(void)
{
    struct linux_thread *thread = calloc(1, sizeof *thread);

    pthread_once(&once, start_once);
    return thread;
}

struct host_thread *host_adopt_self(void)
{
    struct linux_thread *thread;
    char name[16] = "";
    int saved_errno = errno;

    thread = new_thread();
    if (!thread)
        host_abort(); /* "never NULL": nothing can run on a thread that has no record */
    pthread_getname_np(pthread_self(), name, sizeof name);
    enter(thread, *name ? name : "thread");
    errno = saved_errno;
    return &thread->public;
}

static void *thread_main(void *context)
{
    struct linux_thread *thread = context;
    jmp_buf exit;
    char name[32];

    memcpy(name, thread->public.name, sizeof name);
    enter(thread, name);
    name[15] = 0;
    pthread_setname_np(pthread_self(), name);
    thread->exit = &exit;
    if (_setjmp(exit) == 0)
        thread->main(thread->argument);
    return NULL;
}

int host_thread_start(void (*main)(void *argument), void *argument, const char *name, size_t stack_bytes)
{
    struct linux_thread *thread;
    pthread_attr_t attributes;
    sigset_t block, before;
    pthread_t handle;
    int error;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->thread_start(main, argument, name, stack_bytes);
    thread = new_thread();
    if (!thread)
        return -1;
    thread->main = main;
    thread->argument = argument;
    snprintf(thread->public.name, sizeof thread->public.name, "%s", name ? name : "thread");
    if (stack_bytes == 0)
        stack_bytes = DEFAULT_STACK_BYTES;
    if (stack_bytes < MINIMUM_STACK_BYTES)
        stack_bytes = MINIMUM_STACK_BYTES;
    stack_bytes = (stack_bytes + 4095) & ~(size_t)4095;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setguardsize(&attributes, LINUX_GUARD_BYTES);
    pthread_attr_setstacksize(&attributes, stack_bytes + LINUX_GUARD_BYTES);
    sigfillset(&block);
    for (const int *signal =
             (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, stack_signal(), 0};
         *signal; signal++)
        sigdelset(&block, *signal);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    error = pthread_create(&handle, &attributes, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        free(thread);
        return -1;
    }
    return 0;
}

void host_thread_exit(void)
{
    struct linux_thread *thread = linux_self_if_known();

    if (__builtin_expect(host_backend != NULL, 0))
        host_backend->thread_exit();
    if (thread && thread->exit)
        _longjmp(*thread->exit, 1);
    pthread_exit(NULL);
}

void host_set_thread_exit_hook(void (*hook)(struct host_thread *thread))
{
    atomic_store(&exit_hook, hook);
}

void host_yield(void)
{
    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->yield();
        return;
    }
    sched_yield();
}

void host_cpu_relax(void)
{
    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->cpu_relax();
        return;
    }
    __builtin_ia32_pause();
}

unsigned host_processor_count(void)
{
    cpu_set_t set;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->processor_count();
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    return 1;
}
