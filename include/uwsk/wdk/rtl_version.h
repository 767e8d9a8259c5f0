/*
 * Rtl: the version of the system, and one-time initialisation.
 */
#ifndef UWSK_WDK_RTL_VERSION_H
#define UWSK_WDK_RTL_VERSION_H

#include "uwsk/wdk/rtl.h"

UWSK_BEGIN_C

/* ---- Version ------------------------------------------------------------------------------------------ */

typedef struct _OSVERSIONINFOW {
    ULONG dwOSVersionInfoSize;
    ULONG dwMajorVersion;
    ULONG dwMinorVersion;
    ULONG dwBuildNumber;
    ULONG dwPlatformId;
    WCHAR szCSDVersion[128];
} OSVERSIONINFOW, *POSVERSIONINFOW, *LPOSVERSIONINFOW, RTL_OSVERSIONINFOW, *PRTL_OSVERSIONINFOW;

typedef struct _OSVERSIONINFOEXW {
    ULONG dwOSVersionInfoSize;
    ULONG dwMajorVersion;
    ULONG dwMinorVersion;
    ULONG dwBuildNumber;
    ULONG dwPlatformId;
    WCHAR szCSDVersion[128];
    USHORT wServicePackMajor;
    USHORT wServicePackMinor;
    USHORT wSuiteMask;
    UCHAR wProductType;
    UCHAR wReserved;
} OSVERSIONINFOEXW, *POSVERSIONINFOEXW, *LPOSVERSIONINFOEXW, RTL_OSVERSIONINFOEXW, *PRTL_OSVERSIONINFOEXW;

#define VER_PLATFORM_WIN32_NT    2
#define VER_NT_WORKSTATION       0x0000001
#define VER_NT_DOMAIN_CONTROLLER 0x0000002
#define VER_NT_SERVER            0x0000003
#define VER_SUITE_TERMINAL       0x00000010
#define VER_SUITE_SINGLEUSERTS   0x00000100

/* Fills in the plain or, by its size member, the extended structure. STATUS_SUCCESS. PASSIVE_LEVEL. */
NTSYSAPI NTSTATUS NTAPI RtlGetVersion(_Inout_ PRTL_OSVERSIONINFOW lpVersionInformation);
/* TRUE if the system is this NTDDI_ version or a later one. Any IRQL. */
NTSYSAPI BOOLEAN NTAPI RtlIsNtDdiVersionAvailable(_In_ ULONG Version);

/* ---- Run once ----------------------------------------------------------------------------------------- */

typedef union _RTL_RUN_ONCE {
    PVOID Ptr;
    ULONG_PTR Value;
    __extension__ struct {
        ULONG_PTR State : 2;
    };
} RTL_RUN_ONCE, *PRTL_RUN_ONCE;

#define RTL_RUN_ONCE_INIT                                                                                    \
    {                                                                                                        \
        0                                                                                                    \
    }
#define RTL_RUN_ONCE_CHECK_ONLY        0x00000001UL
#define RTL_RUN_ONCE_ASYNC             0x00000002UL
#define RTL_RUN_ONCE_INIT_FAILED       0x00000004UL
#define RTL_RUN_ONCE_CTX_RESERVED_BITS 2

/* The initialisation: non-zero = done; *Context has its lowest two bits clear. */
typedef ULONG NTAPI RTL_RUN_ONCE_INIT_FN(_Inout_ PRTL_RUN_ONCE RunOnce, _Inout_opt_ PVOID Parameter,
                                         _Inout_opt_ PVOID *Context);
typedef RTL_RUN_ONCE_INIT_FN *PRTL_RUN_ONCE_INIT_FN;

NTSYSAPI VOID NTAPI RtlRunOnceInitialize(_Out_ PRTL_RUN_ONCE RunOnce);
/* Runs InitFn unless it has succeeded before; others wait meanwhile. IRQL <= APC_LEVEL. */
NTSYSAPI NTSTATUS NTAPI RtlRunOnceExecuteOnce(_Inout_ PRTL_RUN_ONCE RunOnce,
                                              _In_ PRTL_RUN_ONCE_INIT_FN InitFn, _Inout_opt_ PVOID Parameter,
                                              _Outptr_opt_ PVOID *Context);
/* STATUS_PENDING: the caller initialises and then completes; STATUS_SUCCESS: it is done. */
NTSYSAPI NTSTATUS NTAPI RtlRunOnceBeginInitialize(_Inout_ PRTL_RUN_ONCE RunOnce, _In_ ULONG Flags,
                                                  _Outptr_opt_ PVOID *Context);
NTSYSAPI NTSTATUS NTAPI RtlRunOnceComplete(_Inout_ PRTL_RUN_ONCE RunOnce, _In_ ULONG Flags,
                                           _In_opt_ PVOID Context);

UWSK_END_C

#endif
