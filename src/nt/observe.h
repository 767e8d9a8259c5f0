/*
 * observe.h - the one table of hooks through which others watch the executive and the rooms above it.
 *
 * The leak account, the trace, the verifier and the simulator's invariants install themselves here.  Null by
 * default: a site costs one test of memory and one predicted branch.  Installed before any driver code runs and never
 * changed while it runs.  A hook runs in the middle of the observed step: it must not call back into nt or
 * wsk.
 */
#ifndef UWSK_NT_OBSERVE_H
#define UWSK_NT_OBSERVE_H

#include "host/host.h"

#include <stddef.h>
#include <stdint.h>

/* Kinds of objects that are born and die. */
enum observe_object {
    OBSERVE_POOL = 1, /* detail: tag, bytes */
    OBSERVE_IRP,
    OBSERVE_MDL,
    OBSERVE_WORK_ITEM,
    OBSERVE_THREAD,
    OBSERVE_TIMER, /* queued, not merely initialised */
    OBSERVE_DPC,   /* queued */
    OBSERVE_LOOKASIDE,
    OBSERVE_DEVICE,
    OBSERVE_REGISTRATION,
    OBSERVE_CAPTURE,
    OBSERVE_SOCKET,
    OBSERVE_INDICATION, /* retained indication list */
    OBSERVE_BINDING,
    OBSERVE_KEY,              /* open registry key */
    OBSERVE_FILE,             /* open file */
    OBSERVE_PROVIDER,         /* of events: EtwRegister, TraceLoggingRegister */
    OBSERVE_LINK,             /* symbolic link */
    OBSERVE_EX_TIMER,         /* of ExAllocateTimer, set or not; its KTIMER is not told */
    OBSERVE_FILE_OBJECT,      /* a driver's reference to a device's FILE_OBJECT: born once for each */
    OBSERVE_RESOURCE,         /* ERESOURCE */
    OBSERVE_THREAD_HANDLE,    /* open; known by its thread, which has one */
    OBSERVE_THREAD_REFERENCE, /* a driver's to a thread object: born once for each */
    OBSERVE_OBJECT_MAX
};

enum observe_irp_step {
    OBSERVE_IRP_PASSED = 1, /* given to a dispatch function or to WSK */
    OBSERVE_IRP_MARKED,     /* IoMarkIrpPending */
    OBSERVE_IRP_COMPLETING,
    OBSERVE_IRP_ROUTINE,   /* about to call a completion routine */
    OBSERVE_IRP_COMPLETED, /* all routines have returned, or one stopped it */
    OBSERVE_IRP_CANCELLED, /* Irp->Cancel was set */
    OBSERVE_IRP_REUSED
};

enum observe_call {
    OBSERVE_OPERATION = 1, /* a driver's call into WSK (name in detail) */
    OBSERVE_CALLBACK,      /* an event callback */
    OBSERVE_ROUTINE,       /* a completion routine */
    OBSERVE_DPC_ROUTINE,
    OBSERVE_WORK_ROUTINE,
    OBSERVE_CANCEL_ROUTINE,
    OBSERVE_DRIVER_ENTRY,
    OBSERVE_DRIVER_UNLOAD,
    OBSERVE_THREAD_ROUTINE /* the start routine of a system thread */
};

/* What happens at a socket's gate.  Told between the step on the gate word and the next scheduling point, so in
 * the order of the steps themselves. */
enum observe_socket_step {
    OBSERVE_SOCKET_CALL = 1, /* an IRP of a call on the socket was let in (name: the function) */
    OBSERVE_SOCKET_REFUSED, /* a call was not: the socket is closing or closed, or there is none (NULL, too) */
    OBSERVE_SOCKET_CLOSING,  /* WskCloseSocket was let in; irp NULL: the runtime closes it for itself */
    OBSERVE_SOCKET_UNKNOWN,  /* WskRelease, on an open socket, of what is no retained list (NULL, too) */
    OBSERVE_SOCKET_CALLBACK, /* an event callback was let in: its routine will be called */
    OBSERVE_SOCKET_RESERVED  /* after OBSERVE_SOCKET_CALL: it was a reserved slot's function (R-STRUCT-14) */
};

/* What the WDK puts in order: whatever a thread did before it released an object has happened for everybody who
 * acquires it later. */
enum observe_order { OBSERVE_ACQUIRE = 1, OBSERVE_RELEASE = 2, OBSERVE_BOTH = 3 };

/* What the pool keeps in its record of a block, for whoever observes births of blocks: it lives and dies with the block
 * and is told by ex_pool_walk, which takes a block whose `when` has changed meanwhile for another one. */
struct observe_stamp {
    uint64_t when; /* host_ticks() */
    uint32_t site; /* what the observer likes */
};

struct observe_hooks {
    void *context;
    void (*born)(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller);
    void (*dead)(void *context, int kind, const void *object);
    /* Instead of dead, of one of the references to an object that are born once for each: `caller` gives one back. */
    void (*let_go)(void *context, int kind, const void *object, void *caller);
    /* Instead of born and dead for whatever is a block of the pool (OBSERVE_POOL, _IRP, _MDL, _WORK_ITEM,
     * _DEVICE) and has a caller: returns its stamp, and may ask ex_pool_walk who lives.  `frame` is the frame (rbp) of a
     * function that was called, through some of the runtime's, by the one that returns to the caller. */
    struct observe_stamp (*block)(void *context, void *caller, const void *frame);
    void (*irp)(void *context, int step, const void *irp, int32_t status);
    void (*enter)(void *context, int call, const void *subject, const char *name);
    void (*leave)(void *context, int call, const void *subject, int32_t status);
    void (*irql)(void *context, int before, int after);
    void (*lock)(void *context, const void *lock, int acquired);
    /* Told next to the step itself, with no scheduling point between them.  Locks are told by lock(), interlocked
     * operations of all kinds by host_point(HOST_POINT_ATOMIC). */
    void (*order)(void *context, const volatile void *object, int how);
    void (*socket)(void *context, int step, const void *socket, const void *irp, const char *name);
};

extern const struct observe_hooks *observe_hooks; /* NULL = nobody watches */

/* Sets it.  `uwsk run` watches births and deaths only: for all other hooks a bit of host_watched says whether one is
 * set, so that nothing else is looked at where none is; a second one for births and deaths of blocks that are told by born
 * and dead. */
void observe_install(const struct observe_hooks *hooks);

#define OBSERVE_born   1
#define OBSERVE_dead   1
#define OBSERVE_let_go 1
#define OBSERVE_block  1
#define OBSERVE_irp    (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_enter  (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_leave  (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_irql   (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_lock   (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_order  (host_watched & HOST_WATCH_STEPS)
#define OBSERVE_socket (host_watched & HOST_WATCH_STEPS)

#define OBSERVE(hook, ...)                                                                                   \
    do {                                                                                                     \
        const struct observe_hooks *observe_now;                                                             \
        if (__builtin_expect(OBSERVE_##hook, 0) &&                                                           \
            (observe_now = __atomic_load_n(&observe_hooks, __ATOMIC_RELAXED)) != NULL && observe_now->hook)  \
            observe_now->hook(observe_now->context, __VA_ARGS__);                                            \
    } while (0)

#endif
