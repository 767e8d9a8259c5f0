/*
 * backend.h - who answers the calls of host.h: the system, or the simulator in its place.
 *
 * linux/ answers unless a backend stands here: one load and one predicted branch at the head of each function
 * below.  The backend is set by the one thread that runs the simulation, before anything above host runs on it,
 * and taken away afterwards; nothing else of the process may be inside the rooms above meanwhile.
 * Only host/linux and host/sim include this.
 */
#ifndef UWSK_HOST_BACKEND_H
#define UWSK_HOST_BACKEND_H

#include "host/host.h"

struct host_backend {
    int (*thread_start)(void (*main)(void *argument), void *argument, const char *name, size_t stack_bytes);
    void (*thread_exit)(void) __attribute__((noreturn));
    void (*each_thread)(void (*fn)(void *context, struct host_thread *thread, void *const *frames,
                                   size_t count),
                        void *context);
    void (*yield)(void);
    void (*cpu_relax)(void);
    unsigned (*processor_count)(void);
    void (*point)(int kind, const volatile void *object);
    void (*access)(const volatile void *address, size_t bytes, int write);
    int (*park)(const volatile uint32_t *word, uint32_t expected, uint64_t deadline_ns);
    void (*unpark)(const volatile uint32_t *word, int count);
    uint64_t (*now)(void);
    uint64_t (*wall)(void);
    void *(*pages_allocate)(size_t bytes, size_t alignment, int protection);
    int (*pages_free)(void *pages, size_t bytes);                    /* -1: not of the backend's */
    int (*pages_protect)(void *pages, size_t bytes, int protection); /* 0, -1, 1: not of the backend's */
    void (*entropy)(void *buffer, size_t bytes);
    void *(*module_load)(const char *path, char *error, size_t error_bytes);
    void (*module_unload)(void *module);
    void (*exit)(int status) __attribute__((noreturn));
    void (*abort)(void) __attribute__((noreturn));
    void (*crash)(
        const struct host_exception *exception); /* that nobody took; returns when it is not its own */
};

extern const struct host_backend *host_backend; /* NULL: the system */

/* Asked first when a write to `address` faults: 1 = it may be tried again. */
extern int (*host_write_hook)(void *address);

/* linux/thread.c: makes `thread` the one that host_self() answers on this OS thread (a fiber was switched to);
 * NULL: the OS thread's own again. */
void host_linux_become(struct host_thread *thread) __attribute__((visibility("hidden")));

#endif
