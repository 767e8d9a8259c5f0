/*
 * call.h - the one gate through which pointers received from drivers are called.
 *
 * Every call of a driver's routine - callback, completion routine, DPC, work routine, cancel routine,
 * DriverEntry, Unload - stands between rtl_frame_enter and rtl_frame_leave.  The gate tells the observers,
 * keeps the list of running routines for reports, and checks that the routine came back at the IRQL it was
 * called at (K-IRQL-06, K-IRQL-08), and holds no spin lock more than its caller did.
 */
#ifndef UWSK_NT_RTL_CALL_H
#define UWSK_NT_RTL_CALL_H

#include "nt/ke/ke.h"

struct rtl_frame {
    struct rtl_frame *previous;
    int call;            /* enum observe_call */
    const void *subject; /* the IRP, socket, DPC, work item, driver object ... it is about */
    const char *name;    /* for reports: "WskReceiveEvent" */
    void *function;      /* the driver's routine */
    /* With what it must come back; enter takes both from the thread.  A cancel routine, which drops the cancel lock, has
     * them changed after that. */
    KIRQL irql;
    unsigned locks; /* spin locks held: at DISPATCH_LEVEL the level does not tell of one more */
    int32_t status; /* set before leave when the routine has one: only the observers see it */
    struct ke_thread *thread;
};

void rtl_frame_bad_irql(const struct rtl_frame *frame) __attribute__((noreturn));
void rtl_frame_holds_lock(const struct rtl_frame *frame) __attribute__((noreturn));

/* What other threads see of it; the order of the stores is explained at struct ke_routine. */
static inline void rtl_routine_begins(struct ke_thread *thread, int call, const void *subject,
                                      const char *name, void *function)
{
    unsigned depth = thread->depth++;
    struct ke_routine *routine;

    if (__builtin_expect(depth >= KE_THREAD_ROUTINES, 0))
        return;
    routine = &thread->routines[depth];
    __atomic_store_n(&routine->thread, host_known_self->id, __ATOMIC_RELEASE);
    __atomic_store_n(&routine->subject, subject, __ATOMIC_RELEASE);
    __atomic_store_n(&routine->name, name, __ATOMIC_RELEASE);
    __atomic_store_n(&routine->function, function, __ATOMIC_RELEASE);
    __atomic_store_n(&routine->call, call, __ATOMIC_RELEASE);
    __atomic_store_n(&routine->since, host_ticks(), __ATOMIC_RELEASE);
}

static inline void rtl_routine_ends(struct ke_thread *thread)
{
    if (__builtin_expect(--thread->depth < KE_THREAD_ROUTINES, 1))
        __atomic_store_n(&thread->routines[thread->depth].since, 0, __ATOMIC_RELEASE);
}

/* frame lives on the caller's stack until rtl_frame_leave on the same thread. */
static inline void rtl_frame_enter(struct rtl_frame *frame, int call, const void *subject, const char *name,
                                   void *function)
{
    struct ke_thread *thread = ke_current_thread();

    frame->previous = thread->frames;
    frame->call = call;
    frame->subject = subject;
    frame->name = name;
    frame->function = function;
    frame->irql = thread->irql;
    frame->locks = thread->locks_held;
    frame->status = 0;
    frame->thread = thread;
    thread->frames = frame;
    rtl_routine_begins(thread, call, subject, name, function);
    host_point(HOST_POINT_CALL, subject);
    OBSERVE(enter, call, subject, name);
}

/* Touches the frame only: what the routine was about may be gone (D-09). */
static inline void rtl_frame_leave(struct rtl_frame *frame)
{
    OBSERVE(leave, frame->call, frame->subject, frame->status);
    if (__builtin_expect(frame->thread->irql != frame->irql, 0))
        rtl_frame_bad_irql(frame);
    if (__builtin_expect(frame->thread->locks_held > frame->locks, 0))
        rtl_frame_holds_lock(frame);
    frame->thread->frames = frame->previous;
    rtl_routine_ends(frame->thread);
    host_point(HOST_POINT_CALL, frame->subject);
}

/* RTL_CALL(OBSERVE_CALLBACK, socket, "WskReceiveEvent", function, status = function(a, b)); */
#define RTL_CALL(call, subject, name, function, ...)                                                         \
    do {                                                                                                     \
        struct rtl_frame rtl_call_frame;                                                                     \
        rtl_frame_enter(&rtl_call_frame, (call), (subject), (name), (void *)(function));                     \
        __VA_ARGS__;                                                                                         \
        rtl_frame_leave(&rtl_call_frame);                                                                    \
    } while (0)

#endif
