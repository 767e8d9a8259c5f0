/*
 * break.c - assertions and break points, without a kernel debugger: the latter are bug check 0x1E.
 */
#include "nt/dbg/dbg.h"
#include "nt/ke/ke.h"

static BOOLEAN debugger_enabled = FALSE;
static BOOLEAN debugger_not_present = TRUE;

/* What KD_DEBUGGER_ENABLED and KD_DEBUGGER_NOT_PRESENT read. */
PBOOLEAN KdDebuggerEnabled = &debugger_enabled;
PBOOLEAN KdDebuggerNotPresent = &debugger_not_present;

/* DbgBreakPoint - a break point that nobody handles: KMODE_EXCEPTION_NOT_HANDLED with STATUS_BREAKPOINT. */
VOID NTAPI DbgBreakPoint(VOID)
{
    void *caller = __builtin_return_address(0);

    ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)STATUS_BREAKPOINT, (ULONG_PTR)caller,
                      0, 0, caller);
}

/* DbgBreakPointWithStatus - the same; Status is parameter 3. */
VOID NTAPI DbgBreakPointWithStatus(ULONG Status)
{
    void *caller = __builtin_return_address(0);

    ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)STATUS_BREAKPOINT, (ULONG_PTR)caller,
                      Status, 0, caller);
}

/* RtlAssert - behind ASSERT: prints the assertion that failed and where, then breaks.  Any IRQL. */
VOID NTAPI RtlAssert(PVOID VoidFailedAssertion, PVOID VoidFileName, ULONG LineNumber, PSTR MutableMessage)
{
    void *caller = __builtin_return_address(0);

    dbg_print("Assertion failed: %s%s%s, %s:%u", MutableMessage ? MutableMessage : "",
              MutableMessage ? ": " : "", (const char *)VoidFailedAssertion, (const char *)VoidFileName,
              LineNumber);
    ke_bug_check_from(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)(LONG_PTR)STATUS_BREAKPOINT, (ULONG_PTR)caller,
                      0, 0, caller);
}
