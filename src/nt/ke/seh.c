/*
 * seh.c - structured exceptions: the frames of the running __try statements, and how an exception finds one
 * (T-04).
 *
 * One pass: the innermost frame gets control, its filter runs on the frame's own stack, and an exception that
 * it does not want is raised again one frame further out. On Windows all filters run first and the __finally
 * blocks after them; here each runs when the exception comes by. What Windows would not do at all is not done
 * here either: when no
 * __except is around, nothing is unwound and the bug check shows the place of the exception.
 */
#include "nt/ke/seh.h"

#include <bugcodes.h>
#include <ntstatus.h>

#include "uwsk/seh.h"

_Static_assert(sizeof(struct uwsk_seh_record) == sizeof(EXCEPTION_RECORD), "EXCEPTION_RECORD");
_Static_assert(offsetof(struct uwsk_seh_record, information) ==
                   offsetof(EXCEPTION_RECORD, ExceptionInformation),
               "EXCEPTION_RECORD");
_Static_assert(sizeof(struct uwsk_seh_pointers) == sizeof(EXCEPTION_POINTERS), "EXCEPTION_POINTERS");
_Static_assert(offsetof(struct uwsk_seh_frame, registers) == 0, "seh_amd64.S");

/* seh_amd64.S: makes uwsk_seh_save return a second time, with 1. */
void ke_seh_jump(struct uwsk_seh_frame *frame) __attribute__((noreturn));
#ifdef UWSK_SEH_TSAN
void longjmp(struct uwsk_seh_frame *frame, int value) __attribute__((noreturn)); /* the sanitizer's */
#define ke_seh_jump(frame) longjmp((frame), 1)
#endif

/* Frames that a jump of another kind (a thread that ended inside, a longjmp) has left behind lie below the
 * stack. */
static void drop_stale(struct ke_thread *thread, const void *stack)
{
    struct uwsk_seh_frame *frame = thread->seh_head;

    while (frame && frame->stack < stack)
        frame = frame->outer;
    thread->seh_head = frame;
}

void uwsk_seh_enter(struct uwsk_seh_frame *frame, int finally)
{
    struct ke_thread *thread = ke_current_thread();

    frame->stack = (char *)__builtin_frame_address(0) + 2 * sizeof(void *);
    drop_stale(thread, frame->stack);
    frame->outer = thread->seh_head;
    frame->gate = thread->frames;
    frame->finally = finally;
    frame->armed = 1;
    thread->seh_head = frame;
}

void uwsk_seh_leave(struct uwsk_seh_frame *frame)
{
    if (!frame->armed)
        return;
    frame->armed = 0;
    ke_current_thread()->seh_head = frame->outer;
}

/* An __except around the running code, not further out than the driver routine that the runtime called last:
 * past that, the runtime's own frames would be lost. */
static int is_guarded(const struct ke_thread *thread)
{
    const struct uwsk_seh_frame *frame = thread->seh_head;

    while (frame && frame->gate == thread->frames) {
        if (!frame->finally)
            return 1;
        frame = frame->outer;
    }
    return 0;
}

static void unwind(struct ke_thread *thread, const struct uwsk_seh_record *record) __attribute__((noreturn));
static void unwind(struct ke_thread *thread, const struct uwsk_seh_record *record)
{
    struct uwsk_seh_frame *frame = thread->seh_head;

    thread->seh_head = frame->outer;
    frame->armed = 0;
    frame->record = *record;
    frame->pointers.record = &frame->record;
    frame->pointers.context = NULL;
    ke_seh_jump(frame);
}

static void raise(const struct uwsk_seh_record *record) __attribute__((noreturn));
static void raise(const struct uwsk_seh_record *record)
{
    struct ke_thread *thread = ke_current_thread();

    if (!is_guarded(thread))
        ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)record->code,
                          (ULONG_PTR)record->address, record->information[0], record->information[1],
                          record->address);
    unwind(thread, record);
}

void ke_raise_status_from(NTSTATUS status, void *address)
{
    struct uwsk_seh_record record = {
        .code = status, .flags = EXCEPTION_NONCONTINUABLE, .address = address, .parameters = 0};

    raise(&record);
}

int ke_seh_dispatch_fault(NTSTATUS code, const void *address, int write, const void *ip)
{
    struct ke_thread *thread = host_self()->executive;

    if (!thread || thread->internal_locks > 0 || !is_guarded(thread))
        return 0;
    /* As on Windows a bad access at DISPATCH_LEVEL is a bug check, whatever is around it: nothing could be paged in.
     * So no handler ever takes over while a lock of the runtime is held. */
    if (thread->irql >= DISPATCH_LEVEL && (code == STATUS_ACCESS_VIOLATION || code == STATUS_IN_PAGE_ERROR))
        return 0;
    struct uwsk_seh_record record = {.code = code, .address = (void *)ip};
    if (code == STATUS_ACCESS_VIOLATION || code == STATUS_IN_PAGE_ERROR) {
        record.parameters = 2;
        record.information[0] = (ULONG_PTR)write;
        record.information[1] = (ULONG_PTR)address;
    }
    unwind(thread, &record);
}

void uwsk_seh_filter(struct uwsk_seh_frame *frame, int disposition)
{
    if (disposition > EXCEPTION_CONTINUE_SEARCH)
        return;
    if (disposition == EXCEPTION_CONTINUE_SEARCH)
        raise(&frame->record);
    ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)STATUS_NONCONTINUABLE_EXCEPTION,
                      (ULONG_PTR)frame->record.address, (ULONG_PTR)(LONG_PTR)frame->record.code, 0,
                      __builtin_return_address(0));
}

void uwsk_seh_resume(struct uwsk_seh_frame *frame)
{
    raise(&frame->record);
}

int uwsk_seh_code(const struct uwsk_seh_frame *frame)
{
    return frame->record.code;
}

void *uwsk_seh_information(struct uwsk_seh_frame *frame)
{
    return &frame->pointers;
}

/* ---- WDK entries -------------------------------------------------------------------------------------- */

/* Raises Status as an exception in the calling thread; never returns. Any IRQL. (nf-ntddk-exraisestatus) */
DECLSPEC_NORETURN VOID ExRaiseStatus(NTSTATUS Status)
{
    ke_raise_status(Status);
}

/* As ExRaiseStatus(STATUS_ACCESS_VIOLATION). Any IRQL. (nf-ntddk-exraiseaccessviolation) */
DECLSPEC_NORETURN VOID ExRaiseAccessViolation(VOID)
{
    ke_raise_status(STATUS_ACCESS_VIOLATION);
}

/* As ExRaiseStatus(STATUS_DATATYPE_MISALIGNMENT). Any IRQL. (nf-ntddk-exraisedatatypemisalignment) */
DECLSPEC_NORETURN VOID ExRaiseDatatypeMisalignment(VOID)
{
    ke_raise_status(STATUS_DATATYPE_MISALIGNMENT);
}
