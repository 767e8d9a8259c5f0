/*
 * close.c - a driver that closes its sockets in every way.
 *
 * It listens on a loopback port. A client connects and sends a line "case N"; the driver brings its sockets
 * into the state of that case (cases.c), closes them, and prints what was pending, what ended when and with
 * which status, and whether that was right. One client is served after the other. README.md has the details.
 */
#include "cases.h"
#include "../common/wskclient.h"

#ifndef CLOSE_PORT
#define CLOSE_PORT 5010
#endif

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD CloseUnload;
static KSTART_ROUTINE CloseThread;

static PPLAYER CloseListener;
static PVOID CloseThreadObject;
static ULONG CloseRight, CloseWrong;

/* Reads a decimal number and moves on behind it; 0 when there is none. */
static ULONG ReadNumber(_Inout_ PCSTR *Text)
{
    ULONG Number = 0;

    while (**Text == ' ') {
        ++*Text;
    }
    while (**Text >= '0' && **Text <= '9' && Number < 100000) {
        Number = Number * 10 + (ULONG)(*(*Text)++ - '0');
    }
    return Number;
}

/* Receives the client's line. FALSE: none came in time, and a receive may still be pending. */
static BOOLEAN ReceiveLine(_In_ PPLAYER Player, _Out_writes_z_(Size) PCHAR Line, _In_ SIZE_T Size)
{
    SIZE_T Length = 0;

    do {
        POPERATION Receive = PlayerReceive(Player, Size - 1 - Length, FALSE);

        Line[Length] = '\0';
        if (!PlayerWait(Receive) || Receive->Status != STATUS_SUCCESS || Receive->Information == 0) {
            return FALSE;
        }
        RtlCopyMemory(Line + Length, Receive->Buffer, Receive->Information);
        Length += Receive->Information;
        PlayerForget(Player);
    } while (Line[Length - 1] != '\n' && Length < Size - 1);
    Line[Length] = '\0';
    return TRUE;
}

/* Serves one client from its first line to the end of its connection. */
static VOID ServeClient(_In_ PPLAYER Player)
{
    CHAR Line[32];
    PCSTR Text = Line;
    ULONG Number = 0;
    BOOLEAN Right;

    if (ReceiveLine(Player, Line, sizeof(Line)) && strncmp(Line, "case ", 5) == 0) {
        Text += 5;
        Number = ReadNumber(&Text);
    }
    if (Number == 0 || Number > CaseCount) {
        DbgPrint("no case: the client sent no line \"case 1\" to \"case %u\"\n", CaseCount);
        PlayerClose(Player, "by its own thread");
        PlayerReport(Player, "connection");
        return;
    }
    DbgPrint("case %u, %s: %s\n", Number, Cases[Number - 1].Name, Cases[Number - 1].What);
    Right = Cases[Number - 1].Routine(Player, ReadNumber(&Text));
    DbgPrint("case %u, %s: %s\n", Number, Cases[Number - 1].Name, Right ? "right" : "WRONG");
    if (Right) {
        CloseRight++;
    } else {
        CloseWrong++;
    }
}

/* Accepts client after client until the driver is unloaded. */
static VOID CloseThread(PVOID Context)
{
    PPLAYER Listener = (PPLAYER)Context;

    for (;;) {
        PPLAYER Player = PlayerCreate();
        POPERATION Accept;
        PVOID Objects[2];

        if (Player == NULL) {
            break;
        }
        /* The listener's player has room for a few requests only: each accept takes the place of the last. */
        Accept = PlayerAccept(Listener, Player);
        if (Accept == NULL) {
            PlayerFree(Player);
            break;
        }
        Objects[0] = &Accept->Done;
        Objects[1] = &PlayerStop;
        KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        if (!KeReadStateEvent(&Accept->Done)) {
            /* No client, and none wanted any more: the close ends the accept. */
            DbgPrint("unload: one accept is pending on the listening socket\n");
            PlayerClose(Listener, "by the unloading driver");
            if (!PlayerReport(Listener, "listening socket")) {
                CloseWrong++;
            }
            if (Accept->Status == STATUS_SUCCESS) { /* it won the race against the close */
                Player->Context.Socket = (PWSK_SOCKET)Accept->Information;
                PlayerClose(Player, "by the unloading driver");
                PlayerReport(Player, "connection");
            }
            PlayerFree(Player);
            return;
        }
        if (Accept->Status == STATUS_SUCCESS) {
            Player->Context.Socket = (PWSK_SOCKET)Accept->Information;
            ServeClient(Player);
        }
        PlayerFree(Player);
        PlayerForget(Listener);
    }
    DbgPrint("no memory for another client\n");
    PlayerClose(Listener, "for lack of memory");
    PlayerReport(Listener, "listening socket");
}

static VOID CloseUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeSetEvent(&PlayerStop, IO_NO_INCREMENT, FALSE);
    ClientThreadWait(CloseThreadObject);
    PlayerFree(CloseListener);
    ClientDetach(); /* returns when no socket is left */
    DbgPrint("%u cases right, %u wrong\n", CloseRight, CloseWrong);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeEvent(&PlayerStop, NotificationEvent, FALSE);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    CloseListener = PlayerCreate();
    if (CloseListener == NULL) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
        goto Detach;
    }
    Status = ClientListen(AF_INET, CLOSE_PORT, CloseListener, &PlayerListenDispatch,
                          &CloseListener->Context.Socket);
    if (!NT_SUCCESS(Status)) {
        goto FreeListener;
    }
    Status = ClientThreadStart(CloseThread, CloseListener, &CloseThreadObject);
    if (!NT_SUCCESS(Status)) {
        ClientClose(CloseListener->Context.Socket);
        goto FreeListener;
    }
    DriverObject->DriverUnload = CloseUnload;
    DbgPrint("listening on 127.0.0.1 port %u, %u cases\n", CLOSE_PORT, CaseCount);
    return STATUS_SUCCESS;

FreeListener:
    PlayerFree(CloseListener);
Detach:
    ClientDetach();
    return Status;
}
