/*
 * closesocket.c - how a WSK client closes a socket, after the listing of the documentation page "Closing a
 * Socket": the same functions with the same names, doing the same things in the same order. README.md says
 * what is different from the page and why.
 */
#include "closesocket.h"

/* Runs when the close is over: at any IRQL up to DISPATCH_LEVEL, maybe before WskCloseSocket returns. */
static IO_COMPLETION_ROUTINE CloseSocketComplete;

NTSTATUS CloseSocket(PWSK_SOCKET Socket, PWSK_APP_SOCKET_CONTEXT SocketContext)
{
    CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch;
    PIRP Irp;

    /* Each category's table begins with the basic functions, so this closes any socket. */
    Dispatch = (CONST WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;

    /* One stack location, for WSK. */
    Irp = IoAllocateIrp(1, FALSE);
    if (Irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }

    /* Called on success, error and cancellation alike: the IRP is ours to free in each case. */
    IoSetCompletionRoutine(Irp, CloseSocketComplete, SocketContext, TRUE, TRUE, TRUE);

    /* The last touch of Irp and Socket. From here on only the completion routine knows how things stand. */
    return Dispatch->WskCloseSocket(Socket, Irp);
}

static NTSTATUS CloseSocketComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PWSK_APP_SOCKET_CONTEXT SocketContext;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(DeviceObject);

    SocketContext = (PWSK_APP_SOCKET_CONTEXT)Context;
    Status = Irp->IoStatus.Status;

    /* The IRP first: the context may go away as soon as somebody learns that the socket is closed. */
    IoFreeIrp(Irp);

    SocketContext->CloseStatus = Status;
    if (Status == STATUS_SUCCESS) {
        /* The socket does not exist any more. This has to be the last that we hear of it. */
        SocketContext->ClosePending = ReadAcquire(&SocketContext->Pending);
        SocketContext->CloseInside = ReadAcquire(&SocketContext->Inside);
        SocketContext->Socket = NULL;
    }
    SocketContext->ClosePlace = InterlockedIncrement(&SocketContext->Ended);

    /* Whoever waits for this frees the context. */
    KeSetEvent(&SocketContext->Closed, IO_NETWORK_INCREMENT, FALSE);

    /* The IRP is not the I/O manager's business any more. */
    return STATUS_MORE_PROCESSING_REQUIRED;
}
