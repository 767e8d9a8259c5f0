/*
 * Bug:  a client that is accepted while the driver is being unloaded is dropped on the floor: nobody closes it.
 * Rule: C-CLOSE-02
 * Cure: an accept that won against its cancellation brings a socket, and that is closed, too.
 * Found: unload-hangs
 */
#include "defect.h"

static PVOID Server;

static VOID AcceptAll(PVOID Context)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Listen =
        (CONST WSK_PROVIDER_LISTEN_DISPATCH *)DefectListener->Dispatch;
    CLIENT_REQUEST Request;
    PVOID Objects[2] = {&Request.Done, &DefectStopping};

    UNREFERENCED_PARAMETER(Context);
    if (!NT_SUCCESS(ClientRequestCreate(&Request))) {
        return;
    }
    for (;;) {
        Listen->WskAccept(DefectListener, 0, NULL, NULL, NULL, NULL, ClientRequestStart(&Request));
        if (KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) !=
            STATUS_WAIT_0) {
            IoCancelIrp(Request.Irp);
#ifndef FIXED
            ClientRequestWait(&Request);
            break;
#endif
        }
        if (!NT_SUCCESS(ClientRequestWait(&Request))) {
            break;
        }
        ClientClose((PWSK_SOCKET)Request.Irp->IoStatus.Information);
    }
    ClientRequestFree(&Request);
}

NTSTATUS DefectStart(VOID)
{
    NTSTATUS Status = DefectListen(NULL, NULL);

    if (NT_SUCCESS(Status)) {
        Server = DefectThread(AcceptAll, NULL);
    }
    return Status;
}

VOID DefectStop(VOID)
{
    DefectJoin(Server);
    ClientClose(DefectListener);
}
