/* Creation of a named device object with a security descriptor, and ready-made descriptors. */
#ifndef _WDMSEC_H_
#define _WDMSEC_H_

#include <wdm.h>

UWSK_BEGIN_C

/*
 * IoCreateDevice with a default security descriptor in SDDL and a class GUID.
 * The descriptor must be well formed; nobody opens devices here, so it is
 * kept and not enforced. PASSIVE_LEVEL.
 */
NTKERNELAPI NTSTATUS NTAPI WdmlibIoCreateDeviceSecure(
    _In_ PDRIVER_OBJECT DriverObject, _In_ ULONG DeviceExtensionSize, _In_opt_ PUNICODE_STRING DeviceName,
    _In_ DEVICE_TYPE DeviceType, _In_ ULONG DeviceCharacteristics, _In_ BOOLEAN Exclusive,
    _In_ PCUNICODE_STRING DefaultSDDLString, _In_opt_ LPCGUID DeviceClassGuid,
    _Out_ PDEVICE_OBJECT *DeviceObject);
#define IoCreateDeviceSecure WdmlibIoCreateDeviceSecure

/* Names tell who may open: SYS local system, ADM administrators, WRLD everyone, RES restricted. */
#define UWSK_SDDL(name, text)                                                                                \
    static const WCHAR name##_text[] = text;                                                                 \
    static const UNICODE_STRING name                                                                         \
        __attribute__((__unused__)) = {sizeof(text) - sizeof(WCHAR), sizeof(text), (PWCH)name##_text}
UWSK_SDDL(SDDL_DEVOBJ_KERNEL_ONLY, L"D:P");
UWSK_SDDL(SDDL_DEVOBJ_INF_SUPPLIED, L"D:P(A;;GA;;;SY)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL, L"D:P(A;;GA;;;SY)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_ALL, L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_RX, L"D:P(A;;GA;;;SY)(A;;GRGX;;;BA)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_R, L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GR;;;WD)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_R_RES_R,
          L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GR;;;WD)(A;;GR;;;RC)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_RW_RES_R,
          L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GRGW;;;WD)(A;;GR;;;RC)");
UWSK_SDDL(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_RWX_RES_RWX,
          L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GRGWGX;;;WD)(A;;GRGWGX;;;RC)");

UWSK_END_C

#endif
