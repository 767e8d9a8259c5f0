/*
 * resolve.c - the name resolution slots of WSK_PROVIDER_DISPATCH.
 *
 * Name resolution is not built yet (docs/divergences.md): the slots answer STATUS_NOT_IMPLEMENTED and
 * complete their IRP, so that a driver that uses them sees a plain refusal.
 */
#include "wsk/wskp.h"

static NTSTATUS refuse(PIRP Irp)
{
    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER;
    wsk_op_begin(Irp, WSK_OP_CONTROL, NULL);
    return wsk_op_refuse(Irp, STATUS_NOT_IMPLEMENTED);
}

NTSTATUS WSKAPI wsk_get_address_info(PWSK_CLIENT Client, PUNICODE_STRING NodeName,
                                     PUNICODE_STRING ServiceName, ULONG NameSpace, GUID *Provider,
                                     PADDRINFOEXW Hints, PADDRINFOEXW *Result, PEPROCESS OwningProcess,
                                     PETHREAD OwningThread, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Client);
    UNREFERENCED_PARAMETER(NodeName);
    UNREFERENCED_PARAMETER(ServiceName);
    UNREFERENCED_PARAMETER(NameSpace);
    UNREFERENCED_PARAMETER(Provider);
    UNREFERENCED_PARAMETER(Hints);
    UNREFERENCED_PARAMETER(Result);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    return refuse(Irp);
}

VOID WSKAPI wsk_free_address_info(PWSK_CLIENT Client, PADDRINFOEXW AddrInfo)
{
    UNREFERENCED_PARAMETER(Client);
    if (AddrInfo == NULL)
        return;
    ke_bug_check_ex(MANUALLY_INITIATED_CRASH, (ULONG_PTR)AddrInfo, 0, 0,
                    0); /* no list can have come from us */
}

NTSTATUS WSKAPI wsk_get_name_info(PWSK_CLIENT Client, PSOCKADDR SockAddr, ULONG SockAddrLength,
                                  PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName, ULONG Flags,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Client);
    UNREFERENCED_PARAMETER(SockAddr);
    UNREFERENCED_PARAMETER(SockAddrLength);
    UNREFERENCED_PARAMETER(NodeName);
    UNREFERENCED_PARAMETER(ServiceName);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    return refuse(Irp);
}
