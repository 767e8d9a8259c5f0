/*
 * linux.h - private to src/host/linux: what its files share.
 */
#ifndef UWSK_HOST_LINUX_H
#define UWSK_HOST_LINUX_H

#include "host/host.h"
#include "host/sanitizer.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/types.h>

enum {
    LINUX_GUARD_BYTES = 64 * 1024,     /* below every stack of ours */
    LINUX_ALTSTACK_BYTES = 256 * 1024, /* a bug check is reported on it, with libdw */
    LINUX_FRAMES = 64
};

struct linux_thread {
    struct host_thread public; /* first: host_self() hands out its address */
    pid_t tid;
    struct linux_thread *next; /* registry, under its lock */
    struct linux_thread *previous;
    void *altstack;
    stack_t previous_altstack;    /* a sanitizer's own, given back at the end */
    void (*main)(void *argument); /* NULL: adopted */
    void *argument;
    jmp_buf *exit; /* host_thread_exit of a thread that we started jumps here */
};

/* thread.c: the calling thread if it is known already, else NULL.  Safe in a signal handler. */
struct linux_thread *linux_self_if_known(void);

/* thread.c: the hook of host_set_thread_exit_hook, if there is one and the thread is nt's. */
void linux_run_exit_hook(struct host_thread *thread);

/* pages.c: bytes that were allocated and not freed yet. */
size_t linux_pages_held(void);

/* fault.c: installs the handlers, once per process. */
void linux_faults_install(void);

/* backtrace.c: frames of a stopped or own stack; all addresses but the first lie inside the call instruction.
 */
size_t linux_walk(const struct linux_thread *thread, const void *frame_pointer, void **frames, size_t count);
/* backtrace.c: modules have come or gone. */
void linux_modules_changed(void);

#endif
