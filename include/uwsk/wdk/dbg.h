/*
 * Dbg: messages, assertions, break points. The formatter behind DbgPrint
 * gives every conversion its Windows meaning (T-03): %lu is 32 bits wide,
 * %I64d, %Iu, %wZ, %Z, %ws, %S work, wide characters have 16 bits.
 */
#ifndef UWSK_WDK_DBG_H
#define UWSK_WDK_DBG_H

#include "uwsk/wdk/base.h"
#include "uwsk/wdk/etw.h"

UWSK_BEGIN_C

/* Component ids and levels that DbgPrintEx filters by. */
#define DPFLTR_SYSTEM_ID       0
#define DPFLTR_SMSS_ID         1
#define DPFLTR_SETUP_ID        2
#define DPFLTR_NTFS_ID         3
#define DPFLTR_IHVDRIVER_ID    77
#define DPFLTR_IHVVIDEO_ID     78
#define DPFLTR_IHVAUDIO_ID     79
#define DPFLTR_IHVNETWORK_ID   80
#define DPFLTR_IHVSTREAMING_ID 81
#define DPFLTR_IHVBUS_ID       82
#define DPFLTR_DEFAULT_ID      101
#define DPFLTR_ERROR_LEVEL     0
#define DPFLTR_WARNING_LEVEL   1
#define DPFLTR_TRACE_LEVEL     2
#define DPFLTR_INFO_LEVEL      3
#define DPFLTR_MASK            0x80000000

/* Print a message to the log. Any IRQL, wide conversions at PASSIVE_LEVEL on Windows. */
NTSYSAPI ULONG __cdecl DbgPrint(_In_z_ _Printf_format_string_ PCSTR Format, ...);
NTSYSAPI ULONG __cdecl DbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level,
                                  _In_z_ _Printf_format_string_ PCSTR Format, ...);
NTSYSAPI ULONG NTAPI vDbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level, _In_z_ PCCH Format,
                                 _In_ va_list arglist);
NTSYSAPI ULONG NTAPI vDbgPrintExWithPrefix(_In_z_ PCCH Prefix, _In_ ULONG ComponentId, _In_ ULONG Level,
                                           _In_z_ PCCH Format, _In_ va_list arglist);
/* Reports a failed assertion; ends as the runtime is told to treat it. Any IRQL. */
NTSYSAPI VOID NTAPI RtlAssert(_In_ PVOID VoidFailedAssertion, _In_ PVOID VoidFileName, _In_ ULONG LineNumber,
                              _In_opt_ PSTR MutableMessage);
/* Break points: for a debugger; without one the runtime's break point bug check. */
NTSYSAPI VOID NTAPI DbgBreakPoint(VOID);
NTSYSAPI VOID NTAPI DbgBreakPointWithStatus(_In_ ULONG Status);

/* Whether a kernel debugger was enabled at the start, and is connected. */
extern NTKERNELAPI PBOOLEAN KdDebuggerEnabled;
extern NTKERNELAPI PBOOLEAN KdDebuggerNotPresent;
#define KD_DEBUGGER_ENABLED     (*KdDebuggerEnabled)
#define KD_DEBUGGER_NOT_PRESENT (*KdDebuggerNotPresent)

#if DBG
#define KdPrint(_x_)              DbgPrint _x_
#define KdPrintEx(_x_)            DbgPrintEx _x_
#define vKdPrintEx(_x_)           vDbgPrintEx _x_
#define vKdPrintExWithPrefix(_x_) vDbgPrintExWithPrefix _x_
#define KdBreakPoint()            DbgBreakPoint()
#define KdBreakPointWithStatus(s) DbgBreakPointWithStatus(s)
#define RTL_VERIFY(e)             ((e) ? TRUE : (RtlAssert((PVOID) #e, (PVOID)__FILE__, __LINE__, NULL), FALSE))
#define RTL_VERIFYMSG(m, e)                                                                                  \
    ((e) ? TRUE : (RtlAssert((PVOID) #e, (PVOID)__FILE__, __LINE__, (PSTR)(m)), FALSE))
#ifndef ASSERT
#define ASSERT(e) ((void)((e) || (RtlAssert((PVOID) #e, (PVOID)__FILE__, __LINE__, NULL), 0)))
#endif
#ifndef ASSERTMSG
#define ASSERTMSG(m, e) ((void)((e) || (RtlAssert((PVOID) #e, (PVOID)__FILE__, __LINE__, (PSTR)(m)), 0)))
#endif
#define RTL_SOFT_ASSERT(e)                                                                                   \
    ((void)((e) || (DbgPrint("%s(%d): soft assertion failed: %s\n", __FILE__, __LINE__, #e), 0)))
#define RTL_SOFT_VERIFY(e)                                                                                   \
    ((e) ? TRUE : (DbgPrint("%s(%d): soft assertion failed: %s\n", __FILE__, __LINE__, #e), FALSE))
#define NT_VERIFY(e) RTL_VERIFY(e)
#define NT_ASSERT(e) ((void)RTL_VERIFY(e))
#else
#define KdPrint(_x_)              ((void)0)
#define KdPrintEx(_x_)            ((void)0)
#define vKdPrintEx(_x_)           ((void)0)
#define vKdPrintExWithPrefix(_x_) ((void)0)
#define KdBreakPoint()            ((void)0)
#define KdBreakPointWithStatus(s) ((void)0)
#define RTL_VERIFY(e)             ((e) ? TRUE : FALSE)
#define RTL_VERIFYMSG(m, e)       ((e) ? TRUE : FALSE)
#ifndef ASSERT
#define ASSERT(e) ((void)0)
#endif
#ifndef ASSERTMSG
#define ASSERTMSG(m, e) ((void)0)
#endif
#define RTL_SOFT_ASSERT(e) ((void)0)
#define RTL_SOFT_VERIFY(e) ((e) ? TRUE : FALSE)
#define NT_VERIFY(e)       RTL_VERIFY(e)
#define NT_ASSERT(e)       ((void)0)
#endif
#define RTL_ASSERT(e)         ASSERT(e)
#define NT_ANALYSIS_ASSUME(e) ((void)0)
#define NT_ASSERTMSG(m, e)    NT_ASSERT(e)
#define NT_VERIFYMSG(m, e)    NT_VERIFY(e)
#define NT_ASSERT_ACTION(e)   NT_ASSERT(e)
#define NT_ASSUME(e)          NT_ASSERT(e)

UWSK_END_C

#endif
