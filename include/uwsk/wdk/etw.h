/* Etw: event providers. There is one session and it has everything on: every event is a trace line. */
#ifndef UWSK_WDK_ETW_H
#define UWSK_WDK_ETW_H

#include "uwsk/wdk/base.h"
#include <evntprov.h>

UWSK_BEGIN_C

/* Told when a session starts or stops to listen; here with EVENT_CONTROL_CODE_ENABLE_PROVIDER, from
 * EtwRegister. */
typedef VOID NTAPI ETWENABLECALLBACK(_In_ LPCGUID SourceId, _In_ ULONG ControlCode, _In_ UCHAR Level,
                                     _In_ ULONGLONG MatchAnyKeyword, _In_ ULONGLONG MatchAllKeyword,
                                     _In_opt_ PEVENT_FILTER_DESCRIPTOR FilterData,
                                     _Inout_opt_ PVOID CallbackContext);
typedef ETWENABLECALLBACK *PETWENABLECALLBACK;

/* PASSIVE_LEVEL. STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY. */
NTKERNELAPI NTSTATUS NTAPI EtwRegister(_In_ LPCGUID ProviderId, _In_opt_ PETWENABLECALLBACK EnableCallback,
                                       _In_opt_ PVOID CallbackContext, _Out_ PREGHANDLE RegHandle);
/* PASSIVE_LEVEL. STATUS_INVALID_HANDLE. */
NTKERNELAPI NTSTATUS NTAPI EtwUnregister(_In_ REGHANDLE RegHandle);
/* TRUE for a registered provider. Any IRQL. */
NTKERNELAPI BOOLEAN NTAPI EtwEventEnabled(_In_ REGHANDLE RegHandle, _In_ PCEVENT_DESCRIPTOR EventDescriptor);
NTKERNELAPI BOOLEAN NTAPI EtwProviderEnabled(_In_ REGHANDLE RegHandle, _In_ UCHAR Level,
                                             _In_ ULONGLONG Keyword);
/* An event with its data, a message, an event that follows from another. Any IRQL. STATUS_INVALID_HANDLE,
 * STATUS_INVALID_PARAMETER. */
NTKERNELAPI NTSTATUS NTAPI EtwWrite(_In_ REGHANDLE RegHandle, _In_ PCEVENT_DESCRIPTOR EventDescriptor,
                                    _In_opt_ LPCGUID ActivityId, _In_ ULONG UserDataCount,
                                    _In_opt_ PEVENT_DATA_DESCRIPTOR UserData);
NTKERNELAPI NTSTATUS NTAPI EtwWriteTransfer(_In_ REGHANDLE RegHandle, _In_ PCEVENT_DESCRIPTOR EventDescriptor,
                                            _In_opt_ LPCGUID ActivityId, _In_opt_ LPCGUID RelatedActivityId,
                                            _In_ ULONG UserDataCount,
                                            _In_opt_ PEVENT_DATA_DESCRIPTOR UserData);
NTKERNELAPI NTSTATUS NTAPI EtwWriteString(_In_ REGHANDLE RegHandle, _In_ UCHAR Level, _In_ ULONGLONG Keyword,
                                          _In_opt_ LPCGUID ActivityId, _In_ PCWSTR String);

UWSK_END_C

#endif
