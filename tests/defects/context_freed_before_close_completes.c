/*
 * Bug:  the close is started and not waited for; the context that its completion routine uses is freed at once.
 * Rule: C-CLOSE-30
 * Cure: the completion routine of the close, the last to come, frees the context.
 * Found: use-after-free|data-race
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    PKEVENT NoneClosing;
} PEER, *PPEER;

static volatile LONG Closing = 1; /* closes under way, and one for the driver until it goes */
static KEVENT NoneClosing;

static NTSTATUS CloseComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPEER Peer = (PPEER)Context;
    PKEVENT Event = Peer->NoneClosing;

    UNREFERENCED_PARAMETER(DeviceObject);
    IoFreeIrp(Irp);
#ifdef FIXED
    DefectFree(Peer);
#endif
    if (InterlockedDecrement(&Closing) == 0) {
        KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PPEER Peer = (PPEER)DefectAllocate(sizeof(*Peer));
    PIRP Irp = Peer != NULL ? DefectIrp(CloseComplete, Peer) : NULL;

    if (Irp == NULL) {
        DefectFree(Peer);
        ClientClose(Socket);
        return;
    }
    Peer->Socket = Socket;
    Peer->NoneClosing = &NoneClosing;
    InterlockedIncrement(&Closing);
    CONNECTION(Socket)->Basic.WskCloseSocket(Socket, Irp);
#ifndef FIXED
    DefectFree(Peer);
#endif
}

NTSTATUS DefectStart(VOID)
{
    KeInitializeEvent(&NoneClosing, NotificationEvent, FALSE);
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
    if (InterlockedDecrement(&Closing) != 0) {
        KeWaitForSingleObject(&NoneClosing, Executive, KernelMode, FALSE, NULL);
    }
}
