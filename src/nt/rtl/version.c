/*
 * version.c - the Windows that drivers find themselves on: the one that sdkddkver.h describes.
 */
#include <wdm.h>
#include <sdkddkver.h>

#define BUILD 26100u /* of the version below */

/* Fills *lpVersionInformation in as far as its size member says: Windows 11, version 24H2.  STATUS_SUCCESS.
 * PASSIVE_LEVEL.  (wdm RtlGetVersion) */
NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOW lpVersionInformation)
{
    lpVersionInformation->dwMajorVersion = 10;
    lpVersionInformation->dwMinorVersion = 0;
    lpVersionInformation->dwBuildNumber = BUILD;
    lpVersionInformation->dwPlatformId = VER_PLATFORM_WIN32_NT;
    lpVersionInformation->szCSDVersion[0] = 0;
    if (lpVersionInformation->dwOSVersionInfoSize == sizeof(RTL_OSVERSIONINFOEXW)) {
        PRTL_OSVERSIONINFOEXW extended = (PRTL_OSVERSIONINFOEXW)lpVersionInformation;

        extended->wServicePackMajor = 0;
        extended->wServicePackMinor = 0;
        extended->wSuiteMask = VER_SUITE_TERMINAL | VER_SUITE_SINGLEUSERTS;
        extended->wProductType = VER_NT_WORKSTATION;
        extended->wReserved = 0;
    }
    return STATUS_SUCCESS;
}

/* TRUE = the system is Version (NTDDI_...) or a later one.  Any IRQL.  (wdm RtlIsNtDdiVersionAvailable) */
BOOLEAN NTAPI RtlIsNtDdiVersionAvailable(ULONG Version)
{
    return Version <= NTDDI_VERSION;
}
