/*
 * ke.h - the heart of the executive, as the other rooms see it: threads and IRQL, processors, locks,
 * dispatcher objects and waits, timers, DPCs, time, bug checks.
 *
 * An internal function is the snake_case form of the WDK function with the same meaning; the WDK entries at
 * the end of each file are thin.  docs/executive.md tells how the pieces fit and which lock may be taken
 * under which.
 */
#ifndef UWSK_NT_KE_H
#define UWSK_NT_KE_H

#include <wdm.h>

#include "host/host.h"
#include "nt/observe.h"

/* ---- the thread object -------------------------------------------------------------------------------- */

struct rtl_frame; /* rtl/call.h */
struct ke_wait;   /* wait.c: what a thread waits for */
struct ob_object; /* ob/ob.h */

#define KE_NO_PROCESSOR    (-1)
#define KE_THREAD_LOCKS    8  /* this many spin locks held at once are remembered by address */
#define KE_THREAD_ROUTINES 16 /* this many nested driver routines are shown to other threads */

/* A driver routine that runs, for whoever looks from another thread (ke_each_thread): `since` is 0, or the
 * other fields are valid.  Written by the thread itself: it stores the fields, then `since`, and 0 before it
 * stores them anew, each store with release; a reader that loads `since`, the fields and `since` again, each
 * with acquire, and finds it unchanged and not 0, has fields that belong together: had a field been newer, the
 * second look would have seen the 0 that was stored before it. */
struct ke_routine {
    uint64_t since;  /* host_ticks(): grows from one use of the entry to the next */
    uint64_t thread; /* host_thread.id */
    const void *subject;
    const char *name;
    void *function;
    int call; /* enum observe_call */
};

/* PKTHREAD and PETHREAD point to this.  Only the thread itself writes to it, but for what the dispatcher lock
 * guards. The object has an ob header in front of it: ob_reference_object and the handle table work on it. */
struct ke_thread {
    DISPATCHER_HEADER header; /* ThreadObject: signalled once the thread has ended (K-THREAD-03) */
    struct host_thread *host; /* NULL once it has ended */
    uint64_t id;              /* small logical number, counted from 1, never reused */
    char name[32];
    struct ke_thread *next_all; /* list of all threads: ke_each_thread */
    struct ke_thread *previous_all;

    KIRQL irql;
    int processor;           /* the processor it owns, at DISPATCH_LEVEL and above; else KE_NO_PROCESSOR */
    unsigned last_processor; /* the one it owned last: tried first */
    int apc_disable;         /* > 0 inside critical regions */
    int special_apc_disable; /* > 0 inside guarded regions */
    int dpc_depth;           /* > 0 while a DPC routine runs on it */
    int mutexes_held;        /* KMUTEX */
    int internal_locks;      /* struct ke_lock held: no raise to DISPATCH_LEVEL under one */
    int is_system;           /* made by ps_create_system_thread */
    int is_processor;        /* a processor's own thread */
    int ended;               /* it has begun to end: exit_status is valid */
    NTSTATUS exit_status;
    LONG priority;
    LONG base_priority;
    KAFFINITY affinity;

    void *seh_head;           /* innermost active __try of this thread: owned by seh.c */
    struct rtl_frame *frames; /* driver routines that are running on this thread, innermost first */
    unsigned depth;           /* how many those are */
    struct ke_routine routines[KE_THREAD_ROUTINES]; /* the outermost of them, outermost first */

    unsigned locks_held;                         /* spin locks, of every kind */
    const volatile void *locks[KE_THREAD_LOCKS]; /* the first so many of them */

    /* waiting: guarded by the dispatcher lock, except for wait_word */
    uint32_t wait_word; /* parking: 0 = waiting, 1 = let go */
    uint32_t
        parks_among; /* it parks on its group's word, as this one of it; 0 = on wait_word (dispatcher.c) */
    struct ke_wait *wait; /* NULL when it does not wait */
    struct ke_thread *ready_next;
    struct ke_thread *to_wake; /* let go while this one owned the only processor: ke_tell_waiting */
    NTSTATUS wait_status;
    const volatile void *waits_for; /* for reports: the (first) object */
    uint64_t waits_since;           /* for reports: host_now() */

    PKSTART_ROUTINE start_routine; /* system threads */
    PVOID start_context;
    void *room[4]; /* [0] wsk, [1] io, [2] verifier, [3] wsk: whatever they hang there */
};

/* Makes the thread object of a thread that the executive has not seen before.  Never NULL. */
struct ke_thread *ke_adopt_thread(struct host_thread *host);

/* The calling thread's object.  Any IRQL. */
static inline struct ke_thread *ke_current_thread(void)
{
    struct host_thread *host = host_self();

    if (__builtin_expect(host->executive != NULL, 1))
        return (struct ke_thread *)host->executive;
    return ke_adopt_thread(host);
}

/* Calls fn for every thread, under the lock of the list: fn may only look. */
void ke_each_thread(void (*fn)(void *context, const struct ke_thread *thread), void *context);
/* The entry of another thread's routines, copied; 0 when nothing runs there. */
int ke_read_routine(const struct ke_routine *routine, struct ke_routine *copy);
/* ps: a thread object, then bound to the host thread it runs on (the one that calls); and its end. */
struct ke_thread *ke_create_thread(const char *name);
void ke_bind_thread(struct ke_thread *thread, struct host_thread *host);
void ke_end_thread(struct ke_thread *thread);
void ke_destroy_thread(void *object); /* ob destroy routine of thread objects */

/* ---- memory of the executive's own objects (not in any driver's account) ------------------------------ */

/* Zeroed, 16-byte aligned; NULL when the host has no more.  Up to DISPATCH_LEVEL. */
void *ke_allocate(size_t bytes);
void ke_free(void *memory, size_t bytes);

/* ---- bug checks --------------------------------------------------------------------------------------- */

typedef void (*ke_bugcheck_handler)(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4,
                                    void *caller);

/* The handler reports and ends the process; when it returns, or there is none, the host aborts. */
void ke_set_bugcheck_handler(ke_bugcheck_handler handler);
/* Any IRQL.  A second bug check on another thread parks that thread for ever; on the same thread it aborts.
 */
void ke_bug_check_from(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
    __attribute__((noreturn));
#define ke_bug_check_ex(code, p1, p2, p3, p4)                                                                \
    ke_bug_check_from((code), (ULONG_PTR)(p1), (ULONG_PTR)(p2), (ULONG_PTR)(p3), (ULONG_PTR)(p4),            \
                      __builtin_return_address(0))
/* "Cannot happen" inside the runtime: one log line, then abort. */
void ke_assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn));
#define KE_ASSERT(condition)                                                                                 \
    (__builtin_expect(!!(condition), 1) ? (void)0 : ke_assert_failed(#condition, __FILE__, __LINE__))

/* ---- IRQL --------------------------------------------------------------------------------------------- */

static inline KIRQL ke_current_irql(void)
{
    return ke_current_thread()->irql;
}
/* Raises and returns the former level.  From DISPATCH_LEVEL on the thread owns a processor (K-IRQL-07, D-22);
 * parks until one is free.  Lower than now: bug check 0xC4/0x30 (K-IRQL-02).  Not under a struct ke_lock. */
KIRQL ke_raise_irql(KIRQL new_irql);
/* Higher than now: bug check 0xC4/0x31 (K-IRQL-03). */
void ke_lower_irql(KIRQL old_irql);

/* ---- processors --------------------------------------------------------------------------------------- */

#define KE_MAX_PROCESSORS 64

/* What a processor's thread does besides DPCs and timers: the transport's loop. */
struct ke_poller {
    void *context;
    /* Blocks until there is something to dispatch, until wake(processor), or until host_now() >= deadline_ns.
     * Called at PASSIVE_LEVEL without owning the processor. */
    void (*wait)(void *context, unsigned processor, uint64_t deadline_ns);
    /* Hands out what is ready, a bounded amount; returns 1 when more is ready.  At DISPATCH_LEVEL, on the
     * processor. */
    int (*dispatch)(void *context, unsigned processor);
    /* Ends the current or the next wait.  Any thread, any IRQL. */
    void (*wake)(void *context, unsigned processor);
};

struct ke_config {
    unsigned processors;      /* 0 = as many as the host has; at most KE_MAX_PROCESSORS */
    struct ke_poller *poller; /* NULL = none; must outlive ke_stop */
};

/* Starts one thread per processor.  DPCs and timers run only between ke_start and ke_stop.  PASSIVE_LEVEL.
 * STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES (nothing is left running), STATUS_INVALID_PARAMETER. */
NTSTATUS ke_start(const struct ke_config *config);
/* Ends and joins them; DPCs still queued are dropped, timers stay queued but no longer expire.  Once it has
 * returned nobody is inside the poller's functions or calls them.  PASSIVE_LEVEL. */
void ke_stop(void);
int ke_running(void);
/* Makes the processor's thread go round its loop once more. */
void ke_wake_processor(unsigned processor);
unsigned ke_query_active_processor_count(void);
/* At DISPATCH_LEVEL the one owned; below, the one owned last. */
unsigned ke_get_current_processor_number(void);
/* Non-zero on a processor's own thread (the transport's loop, DPCs): such a thread must never block. */
static inline int ke_on_processor_thread(void)
{
    return ke_current_thread()->is_processor;
}

/* ---- locks -------------------------------------------------------------------------------------------- */

/* The rooms' own lock: no IRQL, spins about 200 tries, then parks.  Zero = free.  Usable at any IRQL; nothing
 * that raises to DISPATCH_LEVEL, waits or calls a driver may be done under it.  The release is its last
 * touch. */
struct ke_lock {
    uint32_t word; /* 0 free, 1 held, 2 held and somebody may be parked */
};
#define KE_LOCK_INITIALIZER                                                                                  \
    {                                                                                                        \
        0                                                                                                    \
    }
void ke_lock_acquire(struct ke_lock *lock);
int ke_lock_try(struct ke_lock *lock);
void ke_lock_release(struct ke_lock *lock);

/* KSPIN_LOCK: the word is 0, the owner, or the end of the queue; misuse is a bug check (K-SPIN-02..05, 07,
 * 09). */
void ke_initialize_spin_lock(PKSPIN_LOCK lock);
KIRQL ke_acquire_spin_lock(PKSPIN_LOCK lock);
void ke_release_spin_lock(PKSPIN_LOCK lock, KIRQL old_irql);
void ke_acquire_spin_lock_at_dpc_level(PKSPIN_LOCK lock);
void ke_release_spin_lock_from_dpc_level(PKSPIN_LOCK lock);
BOOLEAN ke_try_to_acquire_spin_lock_at_dpc_level(PKSPIN_LOCK lock);
BOOLEAN ke_test_spin_lock(PKSPIN_LOCK lock);
KIRQL ke_acquire_spin_lock_for_dpc(PKSPIN_LOCK lock);
void ke_release_spin_lock_for_dpc(PKSPIN_LOCK lock, KIRQL old_irql);
void ke_acquire_in_stack_queued_spin_lock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void ke_release_in_stack_queued_spin_lock(PKLOCK_QUEUE_HANDLE handle);
void ke_acquire_in_stack_queued_spin_lock_at_dpc_level(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void ke_release_in_stack_queued_spin_lock_from_dpc_level(PKLOCK_QUEUE_HANDLE handle);
/* Does the calling thread hold this spin lock?  (Exact for the first KE_THREAD_LOCKS.) */
int ke_holds_spin_lock(const volatile void *lock);

void ex_initialize_fast_mutex(PFAST_MUTEX mutex);
void ex_acquire_fast_mutex(PFAST_MUTEX mutex); /* the holder runs at APC_LEVEL */
void ex_release_fast_mutex(PFAST_MUTEX mutex);
BOOLEAN ex_try_to_acquire_fast_mutex(PFAST_MUTEX mutex);
void ex_acquire_fast_mutex_unsafe(PFAST_MUTEX mutex); /* IRQL is the caller's */
void ex_release_fast_mutex_unsafe(PFAST_MUTEX mutex);
void ke_enter_critical_region(void);
void ke_leave_critical_region(void);
void ke_enter_guarded_region(void);
void ke_leave_guarded_region(void);
BOOLEAN ke_are_apcs_disabled(void);
BOOLEAN ke_are_all_apcs_disabled(void);

/* Run-down protection (rundown.c, K-RUND). */
void ex_initialize_rundown_protection(PEX_RUNDOWN_REF ref);
void ex_re_initialize_rundown_protection(PEX_RUNDOWN_REF ref);
BOOLEAN ex_acquire_rundown_protection(PEX_RUNDOWN_REF ref);
BOOLEAN ex_acquire_rundown_protection_ex(PEX_RUNDOWN_REF ref, ULONG count);
void ex_release_rundown_protection(PEX_RUNDOWN_REF ref);
void ex_release_rundown_protection_ex(PEX_RUNDOWN_REF ref, ULONG count);
void ex_wait_for_rundown_protection_release(PEX_RUNDOWN_REF ref);
void ex_rundown_completed(PEX_RUNDOWN_REF ref);

/* ---- dispatcher objects and waits --------------------------------------------------------------------- */

void ke_initialize_event(PRKEVENT event, EVENT_TYPE type, BOOLEAN state);
/* Touches nothing of the event after the step that lets a waiter go (D-09).  IRQL <= DISPATCH_LEVEL. */
LONG ke_set_event(PRKEVENT event, KPRIORITY increment, BOOLEAN wait);
LONG ke_reset_event(PRKEVENT event);
void ke_clear_event(PRKEVENT event);
LONG ke_read_state_event(PRKEVENT event);

void ke_initialize_semaphore(PRKSEMAPHORE semaphore, LONG count, LONG limit);
LONG ke_release_semaphore(PRKSEMAPHORE semaphore, KPRIORITY increment, LONG adjustment, BOOLEAN wait);
LONG ke_read_state_semaphore(PRKSEMAPHORE semaphore);

void ke_initialize_mutex(PRKMUTEX mutex, ULONG level);
LONG ke_release_mutex(PRKMUTEX mutex, BOOLEAN wait);
LONG ke_read_state_mutex(PRKMUTEX mutex);

/* IRQL <= APC_LEVEL, or DISPATCH_LEVEL with a timeout of zero; else a bug check (K-WAIT-07, K-WAIT-09). */
NTSTATUS ke_wait_for_single_object(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                                   PLARGE_INTEGER timeout);
NTSTATUS ke_wait_for_multiple_objects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                      KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                      PKWAIT_BLOCK wait_blocks);
NTSTATUS ke_delay_execution_thread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval);

/* ---- timers and DPCs ---------------------------------------------------------------------------------- */

void ke_initialize_timer(PKTIMER timer);
void ke_initialize_timer_ex(PKTIMER timer, TIMER_TYPE type);
BOOLEAN ke_set_timer(PKTIMER timer, LARGE_INTEGER due_time, PKDPC dpc);
/* The same for the runtime itself: no driver's account has it. */
BOOLEAN ke_set_own_timer(PKTIMER timer, LARGE_INTEGER due_time, PKDPC dpc);
BOOLEAN ke_set_own_timer_ex(PKTIMER timer, LARGE_INTEGER due_time, LONG period, PKDPC dpc);
BOOLEAN ke_set_timer_ex(PKTIMER timer, LARGE_INTEGER due_time, LONG period, PKDPC dpc);
BOOLEAN ke_set_coalescable_timer(PKTIMER timer, LARGE_INTEGER due_time, ULONG period, ULONG tolerable_delay,
                                 PKDPC dpc);
BOOLEAN ke_cancel_timer(PKTIMER timer);
BOOLEAN ke_read_state_timer(PKTIMER timer);

void ke_initialize_dpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context);
void ke_initialize_threaded_dpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context);
BOOLEAN ke_insert_queue_dpc(PRKDPC dpc, PVOID argument1, PVOID argument2);
BOOLEAN ke_remove_queue_dpc(PRKDPC dpc);
void ke_flush_queued_dpcs(void);
void ke_set_importance_dpc(PRKDPC dpc, KDPC_IMPORTANCE importance);
void ke_set_target_processor_dpc(PRKDPC dpc, CCHAR number);

/* ---- time --------------------------------------------------------------------------------------------- */

uint64_t ke_query_system_time(void);    /* 100 ns units since 1601-01-01, UTC */
uint64_t ke_query_interrupt_time(void); /* 100 ns units since the runtime started */
#define KE_TIME_INCREMENT 156250u       /* one tick, in 100 ns units */

/* ---- priority ----------------------------------------------------------------------------------------- */

KPRIORITY ke_set_priority_thread(PKTHREAD thread, KPRIORITY priority);
KPRIORITY ke_query_priority_thread(PKTHREAD thread);

#endif
