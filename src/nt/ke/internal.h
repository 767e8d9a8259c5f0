/*
 * internal.h - what the files of ke/ share among themselves.
 */
#ifndef UWSK_NT_KE_INTERNAL_H
#define UWSK_NT_KE_INTERNAL_H

#include "nt/ke/quick.h"
#include "nt/rtl/call.h"

/* Tries before a thread parks: the lock's owner may be off its processor.  Where this process has one processor
 * of the machine only, it is for certain: then one try. */
#define KE_SPINS_MAX 200
#define KE_SPINS     __atomic_load_n(&ke_spins, __ATOMIC_RELAXED)
extern int ke_spins;

/* ---- lock.c: struct ke_lock without the thread's bookkeeping, for what the bookkeeping itself needs ---- */

void ke_raw_acquire(struct ke_lock *lock);
void ke_raw_release(struct ke_lock *lock);

/* ---- dispatcher.c ------------------------------------------------------------------------------------- */

struct ke_wait_block {
    LIST_ENTRY entry; /* in the object's WaitListHead */
    struct ke_wait *wait;
    DISPATCHER_HEADER *object;
};

struct ke_wait {
    struct ke_thread *thread;
    WAIT_TYPE type;
    unsigned count;
    struct ke_wait_block *blocks;
};

/* The dispatcher lock guards the state and the wait list of every dispatcher object, thread->wait, and every
 * timer. */
void ke_lock_dispatcher(void);
/* Unlocks, then lets the threads of the list go.  Touches no dispatcher object any more (D-09). */
void ke_unlock_dispatcher(struct ke_thread *ready);
/* Under the lock: could this thread take the object now?  And: it takes it. */
int ke_is_signalled(const DISPATCHER_HEADER *object, const struct ke_thread *thread);
void ke_consume(DISPATCHER_HEADER *object, struct ke_thread *thread);
/* Under the lock, after the state has become signalled: frees the waiters that it can, puts them on *ready.
 */
void ke_test_waiters(DISPATCHER_HEADER *object, struct ke_thread **ready);
void ke_unlink_wait(struct ke_wait *wait);
/* As what of its group the thread will park; 0 = alone. */
uint32_t ke_park_set(const struct ke_thread *thread);
/* Parks until the thread, the calling one, is let go or the deadline has passed; may return sooner. */
void ke_park_in_wait(struct ke_thread *thread, uint64_t deadline_ns);
void ke_initialize_header(DISPATCHER_HEADER *object, UCHAR type, size_t bytes, LONG state);

/* ---- wait.c ------------------------------------------------------------------------------------------- */

/* When a wait ends: an absolute time of day follows the clock, anything else is monotonic. */
struct ke_deadline {
    int absolute;
    uint64_t wall;      /* 100 ns since 1601 */
    uint64_t monotonic; /* host_now() */
};

#define KE_CLOCK_SLICE 250000000u /* ns: a change of the system clock is noticed within this time */

/* timeout NULL = never.  100 ns units, negative = relative. */
void ke_make_deadline(struct ke_deadline *deadline, const LARGE_INTEGER *timeout);
int ke_deadline_passed(const struct ke_deadline *deadline);
uint64_t ke_deadline_park(const struct ke_deadline *deadline); /* host_park no longer than until then */
/* Bug check when the calling thread must not block: above APC_LEVEL, or in a DPC. */
void ke_check_may_wait(PVOID object, PLARGE_INTEGER timeout);
/* For waits that are no dispatcher waits (run-down): parks while *word == expected, visible in reports. */
void ke_park(const volatile void *object, const volatile uint32_t *word, uint32_t expected);

/* ---- processor.c, timer.c, dpc.c ---------------------------------------------------------------------- */

void ke_take_processor(struct ke_thread *thread);
void ke_give_processor(struct ke_thread *thread);

/* One processor on one CPU: a thread that its owner wakes would take the CPU from it at once, only to wait for the
 * processor.  So the thread is told when the owner gives it back: as on Windows with one processor, where nobody else
 * runs while somebody is at DISPATCH_LEVEL. */
extern int ke_wakes_wait;
/* Tells those that were let go meanwhile. */
void ke_tell_waiting(struct ke_thread *thread);

/* The processor on which the calling thread's timers and DPCs are queued. */
unsigned ke_home_processor(void);

/* Runs what is queued, a bounded amount; returns 1 when more is there.  On the processor, at DISPATCH_LEVEL.
 */
int ke_run_dpcs(unsigned processor);
/* What is queued on the processor that the thread is about to give back. */
void ke_run_own_dpcs(struct ke_thread *thread);
void ke_drop_dpcs(unsigned processor);
BOOLEAN ke_queue_dpc(PKDPC dpc, PVOID argument1, PVOID argument2, void *caller);
/* Expires what is due at host_now(); answers when it wants to be called again (host_now() units). */
uint64_t ke_run_timers(unsigned processor);

/* ---- spinlock.c --------------------------------------------------------------------------------------- */

void ke_note_locked(struct ke_thread *thread, const volatile void *lock);
void ke_note_unlocked(struct ke_thread *thread, const volatile void *lock);
int ke_thread_holds(const struct ke_thread *thread, const volatile void *lock);

#define KE_SPIN_QUEUED 2u /* the word is the tail of a queue of KSPIN_LOCK_QUEUE */

#endif
