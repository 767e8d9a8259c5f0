/*
 * call.c - what the gate does with a driver routine that came back at another IRQL, or with a spin lock.
 */
#include "nt/rtl/call.h"
#include "nt/ke/internal.h"

void rtl_frame_bad_irql(const struct rtl_frame *frame)
{
    KIRQL now = frame->thread->irql;
    ULONG_PTR three_in_one = (ULONG_PTR)now << 16 | (ULONG_PTR)frame->irql << 8 | (ULONG_PTR)frame->call;

    switch (frame->call) {
    case OBSERVE_ROUTINE: /* K-IRQL-06: P2 routine, P3 before, P4 after */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xFA, (ULONG_PTR)frame->function, frame->irql,
                          now, frame->function);
    case OBSERVE_WORK_ROUTINE: /* K-WORK-08 */
        ke_bug_check_from(WORKER_THREAD_RETURNED_AT_BAD_IRQL, (ULONG_PTR)frame->function, now,
                          (ULONG_PTR)frame->subject, (ULONG_PTR)frame->subject, frame->function);
    case OBSERVE_CANCEL_ROUTINE: /* like a dispatch routine: P2 routine, P3 expected, P4 now */
    case OBSERVE_DRIVER_ENTRY:
    case OBSERVE_DRIVER_UNLOAD:
        ke_bug_check_from(DRIVER_VERIFIER_IOMANAGER_VIOLATION, 5, (ULONG_PTR)frame->function, frame->irql,
                          now, frame->function);
    default: /* K-IRQL-08 */
        ke_bug_check_from(IRQL_UNEXPECTED_VALUE, three_in_one, (ULONG_PTR)frame->function,
                          (ULONG_PTR)frame->subject, 0, frame->function);
    }
}

void rtl_frame_holds_lock(const struct rtl_frame *frame)
{
    unsigned last = frame->thread->locks_held - 1;
    const volatile void *lock = last < KE_THREAD_LOCKS ? frame->thread->locks[last] : NULL;

    ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40009, (ULONG_PTR)lock,
                      (ULONG_PTR)frame->function, 0, frame->function);
}
