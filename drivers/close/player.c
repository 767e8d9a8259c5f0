/*
 * player.c - see player.h.
 */
#include "player.h"
#include "../common/wskclient.h"

static IO_COMPLETION_ROUTINE OperationComplete;
static NTSTATUS WSKAPI PlayerReceiveEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                          _In_opt_ PWSK_DATA_INDICATION DataIndication,
                                          _In_ SIZE_T BytesIndicated, _Inout_ SIZE_T *BytesAccepted);
static NTSTATUS WSKAPI PlayerDisconnectEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags);
static NTSTATUS WSKAPI PlayerAcceptEvent(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);

CONST WSK_CLIENT_CONNECTION_DISPATCH PlayerConnectionDispatch = {PlayerReceiveEvent, PlayerDisconnectEvent,
                                                                 NULL};
CONST WSK_CLIENT_LISTEN_DISPATCH PlayerListenDispatch = {PlayerAcceptEvent, NULL, NULL};
KEVENT PlayerStop;

/* How long a case waits for its client. */
#define PLAYER_PATIENCE_SECONDS 5

static PCSTR StatusName(_In_ NTSTATUS Status)
{
    switch (Status) {
    case STATUS_SUCCESS:
        return "STATUS_SUCCESS";
    case STATUS_PENDING:
        return "STATUS_PENDING";
    case STATUS_CANCELLED:
        return "STATUS_CANCELLED";
    case STATUS_CONNECTION_RESET:
        return "STATUS_CONNECTION_RESET";
    case STATUS_CONNECTION_ABORTED:
        return "STATUS_CONNECTION_ABORTED";
    case STATUS_CONNECTION_REFUSED:
        return "STATUS_CONNECTION_REFUSED";
    case STATUS_INSUFFICIENT_RESOURCES:
        return "STATUS_INSUFFICIENT_RESOURCES";
    default:
        return "another status";
    }
}

PPLAYER PlayerCreate(VOID)
{
    PPLAYER Player = (PPLAYER)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(PLAYER), PLAYER_TAG);

    if (Player != NULL) {
        KeInitializeEvent(&Player->Context.Closed, NotificationEvent, FALSE);
        KeInitializeEvent(&Player->Event, NotificationEvent, FALSE);
        Player->CloseReturned = STATUS_PENDING;
    }
    return Player;
}

VOID PlayerForget(PPLAYER Player)
{
    ULONG Index;

    for (Index = 0; Index < Player->Count; Index++) {
        POPERATION Operation = &Player->Operations[Index];

        if (Operation->Mdl != NULL) {
            IoFreeMdl(Operation->Mdl);
        }
        if (Operation->Buffer != NULL) {
            ExFreePoolWithTag(Operation->Buffer, PLAYER_TAG);
        }
        IoFreeIrp(Operation->Irp);
    }
    Player->Count = 0;
    Player->Context.Ended = 0;
}

VOID PlayerFree(PPLAYER Player)
{
    PlayerForget(Player);
    ExFreePoolWithTag(Player, PLAYER_TAG);
}

/* ---- requests ----------------------------------------------------------------------------------------- */

/* A request with an IRP and Length bytes of locked buffer, counted as pending; NULL when memory lacks. */
_IRQL_requires_(PASSIVE_LEVEL) static POPERATION
    OperationCreate(_In_ PPLAYER Player, _In_ PCSTR Name, _In_ SIZE_T Length)
{
    POPERATION Operation;

    if (Player->Count == MAX_OPERATIONS) {
        return NULL;
    }
    Operation = &Player->Operations[Player->Count];
    RtlZeroMemory(Operation, sizeof(*Operation));
    Operation->Player = Player;
    Operation->Name = Name;
    KeInitializeEvent(&Operation->Done, NotificationEvent, FALSE);
    Operation->Irp = IoAllocateIrp(1, FALSE);
    if (Operation->Irp == NULL) {
        return NULL;
    }
    if (Length != 0) {
        Operation->Buffer = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, Length, PLAYER_TAG);
        if (Operation->Buffer != NULL) {
            Operation->Mdl = IoAllocateMdl(Operation->Buffer, (ULONG)Length, FALSE, FALSE, NULL);
        }
        if (Operation->Mdl == NULL) {
            if (Operation->Buffer != NULL) {
                ExFreePoolWithTag(Operation->Buffer, PLAYER_TAG);
            }
            IoFreeIrp(Operation->Irp);
            return NULL;
        }
        MmBuildMdlForNonPagedPool(Operation->Mdl);
        Operation->WskBuf.Mdl = Operation->Mdl;
        Operation->WskBuf.Length = Length;
    }
    Operation->Number = ++Player->Count;
    IoSetCompletionRoutine(Operation->Irp, OperationComplete, Operation, TRUE, TRUE, TRUE);
    InterlockedIncrement(&Player->Context.Pending);
    return Operation;
}

static NTSTATUS OperationComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    POPERATION Operation = (POPERATION)Context;
    PPLAYER Player = Operation->Player;

    UNREFERENCED_PARAMETER(DeviceObject);
    InterlockedIncrement(&Player->Context.Inside);
    Operation->Status = Irp->IoStatus.Status;
    Operation->Information = Irp->IoStatus.Information;
    Operation->Cancel = Irp->Cancel;
    Operation->Place = InterlockedIncrement(&Player->Context.Ended);
    InterlockedDecrement(&Player->Context.Pending);
    if (Operation->Meets) {
        /* The close cannot complete before this routine has returned, so Player is still there afterwards. */
        PlayerMeet(Player, "inside a completion routine");
    }
    KeSetEvent(&Operation->Done, IO_NETWORK_INCREMENT, FALSE);
    InterlockedDecrement(&Player->Context.Inside);
    return STATUS_MORE_PROCESSING_REQUIRED; /* PlayerFree frees the IRP */
}

POPERATION PlayerAccept(PPLAYER Player, PPLAYER Connection)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    POPERATION Operation = OperationCreate(Player, "WskAccept", 0);

    if (Operation != NULL) {
        ((CONST WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch)
            ->WskAccept(Socket, 0, Connection, Connection == NULL ? NULL : &PlayerConnectionDispatch, NULL,
                        NULL, Operation->Irp);
    }
    return Operation;
}

POPERATION PlayerConnect(PPLAYER Player, USHORT Port)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    POPERATION Operation = OperationCreate(Player, "WskConnect", 0);
    SOCKADDR_STORAGE Address;

    if (Operation != NULL) {
        ClientLoopback(AF_INET, Port, &Address);
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)
            ->WskConnect(Socket, (PSOCKADDR)&Address, 0, Operation->Irp);
    }
    return Operation;
}

POPERATION PlayerReceive(PPLAYER Player, SIZE_T Length, BOOLEAN Meets)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    POPERATION Operation = OperationCreate(Player, "WskReceive", Length);

    if (Operation != NULL) {
        Operation->Meets = Meets;
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)
            ->WskReceive(Socket, &Operation->WskBuf, 0, Operation->Irp);
    }
    return Operation;
}

POPERATION PlayerSend(PPLAYER Player, PCSTR Data, SIZE_T Length)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    POPERATION Operation = OperationCreate(Player, "WskSend", Length);

    if (Operation != NULL) {
        if (Data != NULL) {
            RtlCopyMemory(Operation->Buffer, Data, Length);
        }
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)
            ->WskSend(Socket, &Operation->WskBuf, 0, Operation->Irp);
    }
    return Operation;
}

POPERATION PlayerDisconnect(PPLAYER Player)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    POPERATION Operation = OperationCreate(Player, "WskDisconnect", 0);

    if (Operation != NULL) {
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)
            ->WskDisconnect(Socket, NULL, 0, Operation->Irp);
    }
    return Operation;
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

BOOLEAN PlayerWaitEvent(PKEVENT Event)
{
    PVOID Objects[2];
    LARGE_INTEGER Patience;

    Objects[0] = Event;
    Objects[1] = &PlayerStop;
    Patience.QuadPart = -10LL * 1000 * 1000 * PLAYER_PATIENCE_SECONDS;
    return KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, &Patience, NULL) ==
           STATUS_WAIT_0;
}

BOOLEAN PlayerWait(POPERATION Operation)
{
    return Operation != NULL && PlayerWaitEvent(&Operation->Done);
}

/* ---- event callbacks ---------------------------------------------------------------------------------- */

/* What both connection callbacks have in common: close the socket if that is the case being played. */
static VOID EventMeets(_In_ PPLAYER Player, _In_ PCSTR Where)
{
    if (Player->MeetInEvent) {
        Player->MeetInEvent = FALSE;
        /* The close cannot complete before this callback has returned: Player stays until then. */
        PlayerMeet(Player, Where);
    }
    KeSetEvent(&Player->Event, IO_NETWORK_INCREMENT, FALSE);
}

static NTSTATUS WSKAPI PlayerReceiveEvent(PVOID SocketContext, ULONG Flags,
                                          PWSK_DATA_INDICATION DataIndication, SIZE_T BytesIndicated,
                                          SIZE_T *BytesAccepted)
{
    PPLAYER Player = (PPLAYER)SocketContext;
    BOOLEAN Retain = Player->RetainInEvent && DataIndication != NULL;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    InterlockedIncrement(&Player->Context.Inside);
    if (Retain) {
        Player->RetainInEvent = FALSE;
        Player->Retained = DataIndication;
    }
    EventMeets(Player, "inside WskReceiveEvent");
    InterlockedDecrement(&Player->Context.Inside);
    return Retain ? STATUS_PENDING : STATUS_SUCCESS;
}

static NTSTATUS WSKAPI PlayerDisconnectEvent(PVOID SocketContext, ULONG Flags)
{
    PPLAYER Player = (PPLAYER)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    InterlockedIncrement(&Player->Context.Inside);
    EventMeets(Player, "inside WskDisconnectEvent");
    InterlockedDecrement(&Player->Context.Inside);
    return STATUS_SUCCESS;
}

/* Only the listener of the case "accept-event" has this one enabled. */
static NTSTATUS WSKAPI PlayerAcceptEvent(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                         PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                         PVOID *AcceptSocketContext,
                                         CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    PPLAYER Listener = (PPLAYER)SocketContext;
    PPLAYER Accepted = Listener->CloseHanded;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL || Accepted == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    Listener->CloseHanded = NULL;
    Accepted->Context.Socket = AcceptSocket;
    *AcceptSocketContext = Accepted;
    *AcceptSocketDispatch = &PlayerConnectionDispatch;
    /* The callback is the listener's, not the accepted socket's: it does not delay this close. */
    PlayerClose(Accepted, "inside WskAcceptEvent of its listener");
    KeSetEvent(&Listener->Event, IO_NETWORK_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

/* ---- the close and its account ------------------------------------------------------------------------ */

VOID PlayerMeet(PPLAYER Player, PCSTR Where)
{
    if (InterlockedIncrement(&Player->Meeting) == 2) {
        PlayerClose(Player, Where);
    }
}

BOOLEAN PlayerTakeBack(PPLAYER Player)
{
    return InterlockedCompareExchange(&Player->Meeting, 2, 1) == 1;
}

VOID PlayerClose(PPLAYER Player, PCSTR Where)
{
    NTSTATUS Status;

    Player->CloseWhere = Where;
    /*
     * Short of memory nothing has happened, and the only thing to do is to try again. A driver that cannot
     * wait allocates the IRP of the close together with the socket, as drivers/echo does.
     */
    do {
        Status = CloseSocket(Player->Context.Socket, &Player->Context);
    } while (Status == STATUS_INSUFFICIENT_RESOURCES);
    /*
     * Ours to touch only because Player outlives the close: its thread waits for Closed, and where that could
     * come too early, this code runs in a callback or routine that the close waits for, or in a thread that
     * is waited for.
     */
    Player->CloseReturned = Status;
}

/* Is this what a request may end with? */
static PCSTR OperationWrong(_In_ PPLAYER Player, _In_ POPERATION Operation)
{
    if (Operation->Place == 0) {
        return "it never completed";
    }
    if (Operation->Place > Player->Context.ClosePlace) {
        return "it completed after the close";
    }
    if (Operation->MayEndEarly || NT_SUCCESS(Operation->Status)) {
        return NULL;
    }
    if (Operation->Status != STATUS_CANCELLED) {
        return "a request that the close ends has STATUS_CANCELLED";
    }
    if (Operation->Information != 0) {
        return "a request that the close ends has Information 0";
    }
    return Operation->Cancel ? NULL : "Irp->Cancel is not set";
}

BOOLEAN PlayerReport(PPLAYER Player, PCSTR What)
{
    BOOLEAN Right = TRUE;
    ULONG Index;
    LONG Place;

    KeWaitForSingleObject(&Player->Context.Closed, Executive, KernelMode, FALSE, NULL);
    for (Place = 1; Place <= Player->Context.ClosePlace; Place++) {
        for (Index = 0; Index < Player->Count; Index++) {
            POPERATION Operation = &Player->Operations[Index];

            if (Operation->Place == Place) {
                DbgPrint("  %d. %s #%u: %s, Information %Iu\n", Place, Operation->Name, Operation->Number,
                         StatusName(Operation->Status), Operation->Information);
            }
        }
    }
    DbgPrint("  %d. WskCloseSocket on the %s, called %s: %s\n", Player->Context.ClosePlace, What,
             Player->CloseWhere, StatusName(Player->Context.CloseStatus));
    for (Index = 0; Index < Player->Count; Index++) {
        PCSTR Wrong = OperationWrong(Player, &Player->Operations[Index]);

        if (Wrong != NULL) {
            DbgPrint("  WRONG: %s #%u: %s\n", Player->Operations[Index].Name,
                     Player->Operations[Index].Number, Wrong);
            Right = FALSE;
        }
    }
    if (Player->Context.CloseStatus != STATUS_SUCCESS || Player->Context.ClosePending != 0 ||
        Player->Context.CloseInside != 0) {
        DbgPrint("  WRONG: the close came with %d requests pending and %d routines or callbacks running\n",
                 Player->Context.ClosePending, Player->Context.CloseInside);
        Right = FALSE;
    }
    if (Player->CloseReturned != STATUS_PENDING && Player->CloseReturned != Player->Context.CloseStatus) {
        DbgPrint("  WRONG: WskCloseSocket returned 0x%08x\n", Player->CloseReturned);
        Right = FALSE;
    }
    return Right;
}
