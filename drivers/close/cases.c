/*
 * cases.c - the ways to close a socket that this driver plays, one function each.
 *
 * A case that needs something from its client says so: it sends the line "send" or "fin", and the client
 * sends some bytes, or shuts its direction down.
 */
#include "cases.h"
#include "../common/wskclient.h"

static CASE_ROUTINE CaseIdle, CaseReceives, CaseSend, CaseReceiveEvent, CaseDisconnectEvent, CaseRoutine,
    CaseDisconnected, CaseLocalHalf, CasePeerHalf, CaseDisconnectPending, CaseDispatch, CaseThread,
    CaseRetained, CaseListener, CaseUnaccepted, CaseAcceptEvent, CaseConnecting, CaseUnconnected;

CONST CASE Cases[] = {
    {"idle", "nothing is pending", CaseIdle},
    {"receives", "four receives are pending", CaseReceives},
    {"send", "a send that the peer's closed window holds up is pending", CaseSend},
    {"receive-event", "WskReceiveEvent is running", CaseReceiveEvent},
    {"disconnect-event", "WskDisconnectEvent is running", CaseDisconnectEvent},
    {"routine", "a completion routine is running, another receive is pending", CaseRoutine},
    {"disconnected", "both directions have been disconnected gracefully", CaseDisconnected},
    {"local-half", "only our direction has been disconnected", CaseLocalHalf},
    {"peer-half", "only the peer's direction has been disconnected", CasePeerHalf},
    {"disconnect-pending", "a graceful disconnect waits behind a send", CaseDisconnectPending},
    {"dispatch", "two receives are pending; DISPATCH_LEVEL, under a spin lock", CaseDispatch},
    {"thread", "two receives are pending; another thread closes", CaseThread},
    {"retained", "data was retained, and released just before", CaseRetained},
    {"listener", "three accepts are pending on a listening socket", CaseListener},
    {"unaccepted", "a listening socket has a connection that nobody accepted", CaseUnaccepted},
    {"accept-event", "WskAcceptEvent of the listening socket is running", CaseAcceptEvent},
    {"connecting", "a connect to a port that never answers is pending", CaseConnecting},
    {"unconnected", "a basic, an unbound and a bound socket", CaseUnconnected},
};
CONST ULONG CaseCount = RTL_NUMBER_OF(Cases);

/*
 * More than all buffers between us and the client take: while the client does not read, the request stays pending,
 * however much of it has left by now.
 */
#define BIG_SEND (8 * 1024 * 1024)

/* Closes and reports; the end of most cases. */
static BOOLEAN CloseAndReport(_In_ PPLAYER Player, _In_ PCSTR What)
{
    PlayerClose(Player, "by its own thread");
    return PlayerReport(Player, What);
}

/* The end of a case that could not be played: the socket has to be closed all the same. */
static BOOLEAN GiveUp(_In_ PPLAYER Player, _In_ PCSTR Why)
{
    DbgPrint("  WRONG: %s\n", Why);
    CloseAndReport(Player, "connection");
    return FALSE;
}

/* Asks the client for something: "send\n" or "fin\n". */
static BOOLEAN Ask(_In_ PPLAYER Player, _In_ PCSTR Line)
{
    return PlayerWait(PlayerSend(Player, Line, strlen(Line)));
}

/* ---- connections -------------------------------------------------------------------------------------- */

static BOOLEAN CaseIdle(PPLAYER Player, ULONG Argument)
{
    UNREFERENCED_PARAMETER(Argument);
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CaseReceives(PPLAYER Player, ULONG Argument)
{
    ULONG Count;

    UNREFERENCED_PARAMETER(Argument);
    for (Count = 0; Count < 4; Count++) {
        PlayerReceive(Player, 512, FALSE);
    }
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CaseSend(PPLAYER Player, ULONG Argument)
{
    POPERATION Send = PlayerSend(Player, NULL, BIG_SEND);

    UNREFERENCED_PARAMETER(Argument);
    if (Send == NULL) {
        return GiveUp(Player, "no memory for the send");
    }
    if (KeReadStateEvent(&Send->Done)) {
        return GiveUp(Player, "the peer took everything: its window is not closed");
    }
    return CloseAndReport(Player, "connection");
}

/*
 * The end of a case in which a callback or a routine closes the socket as soon as the client answers: the
 * question is the last call that this thread makes.
 */
static BOOLEAN AskAndMeet(_In_ PPLAYER Player, _In_ PCSTR Line, _In_ PKEVENT Answered)
{
    POPERATION Send = PlayerSend(Player, Line, strlen(Line));

    PlayerMeet(Player, "by its own thread, which came second");
    if ((Send == NULL || !PlayerWaitEvent(Answered)) && PlayerTakeBack(Player)) {
        return GiveUp(Player, "the client did not answer");
    }
    return PlayerReport(Player, "connection");
}

static BOOLEAN CaseReceiveEvent(PPLAYER Player, ULONG Argument)
{
    UNREFERENCED_PARAMETER(Argument);
    Player->MeetInEvent = TRUE;
    if (!NT_SUCCESS(ClientEnableEvents(Player->Context.Socket, WSK_EVENT_RECEIVE))) {
        return GiveUp(Player, "WskReceiveEvent cannot be enabled");
    }
    return AskAndMeet(Player, "send\n", &Player->Event);
}

static BOOLEAN CaseDisconnectEvent(PPLAYER Player, ULONG Argument)
{
    UNREFERENCED_PARAMETER(Argument);
    Player->MeetInEvent = TRUE;
    if (!NT_SUCCESS(ClientEnableEvents(Player->Context.Socket, WSK_EVENT_DISCONNECT))) {
        return GiveUp(Player, "WskDisconnectEvent cannot be enabled");
    }
    return AskAndMeet(Player, "fin\n", &Player->Event);
}

static BOOLEAN CaseRoutine(PPLAYER Player, ULONG Argument)
{
    POPERATION First = PlayerReceive(Player, 512, TRUE);

    UNREFERENCED_PARAMETER(Argument);
    if (First == NULL) {
        return GiveUp(Player, "no memory for the receive");
    }
    PlayerReceive(Player, 512, FALSE);
    return AskAndMeet(Player, "send\n", &First->Done);
}

/* The client's end of data: a receive that succeeds with nothing. */
static BOOLEAN ReceiveEnd(_In_ PPLAYER Player)
{
    POPERATION Receive = PlayerReceive(Player, 512, FALSE);

    return PlayerWait(Receive) && Receive->Status == STATUS_SUCCESS && Receive->Information == 0;
}

static BOOLEAN CaseDisconnected(PPLAYER Player, ULONG Argument)
{
    POPERATION Disconnect;

    UNREFERENCED_PARAMETER(Argument);
    if (!Ask(Player, "fin\n") || !ReceiveEnd(Player)) {
        return GiveUp(Player, "the client did not disconnect");
    }
    Disconnect = PlayerDisconnect(Player);
    if (!PlayerWait(Disconnect) || Disconnect->Status != STATUS_SUCCESS) {
        return GiveUp(Player, "the graceful disconnect failed");
    }
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CaseLocalHalf(PPLAYER Player, ULONG Argument)
{
    POPERATION Disconnect = PlayerDisconnect(Player);

    UNREFERENCED_PARAMETER(Argument);
    if (!PlayerWait(Disconnect) || Disconnect->Status != STATUS_SUCCESS) {
        return GiveUp(Player, "the graceful disconnect failed");
    }
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CasePeerHalf(PPLAYER Player, ULONG Argument)
{
    UNREFERENCED_PARAMETER(Argument);
    if (!Ask(Player, "fin\n") || !ReceiveEnd(Player)) {
        return GiveUp(Player, "the client did not disconnect");
    }
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CaseDisconnectPending(PPLAYER Player, ULONG Argument)
{
    POPERATION Send = PlayerSend(Player, NULL, BIG_SEND);
    POPERATION Disconnect = PlayerDisconnect(Player);

    UNREFERENCED_PARAMETER(Argument);
    if (Send == NULL || Disconnect == NULL) {
        return GiveUp(Player, "no memory for the send");
    }
    if (KeReadStateEvent(&Disconnect->Done)) {
        return GiveUp(Player, "the disconnect is over already");
    }
    return CloseAndReport(Player, "connection");
}

static BOOLEAN CaseDispatch(PPLAYER Player, ULONG Argument)
{
    KSPIN_LOCK Lock;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Argument);
    KeInitializeSpinLock(&Lock);
    PlayerReceive(Player, 512, FALSE);
    PlayerReceive(Player, 512, FALSE);
    /* The receives may complete right here, under the lock: their routines must not take it, and do not. */
    KeAcquireSpinLock(&Lock, &Irql);
    PlayerClose(Player, "at DISPATCH_LEVEL, holding a spin lock");
    KeReleaseSpinLock(&Lock, Irql);
    return PlayerReport(Player, "connection");
}

static KSTART_ROUTINE CloserThread;

static VOID CloserThread(PVOID Context)
{
    PlayerClose((PPLAYER)Context, "by another thread");
}

static BOOLEAN CaseThread(PPLAYER Player, ULONG Argument)
{
    PVOID Thread;

    UNREFERENCED_PARAMETER(Argument);
    PlayerReceive(Player, 512, FALSE);
    PlayerReceive(Player, 512, FALSE);
    if (!NT_SUCCESS(ClientThreadStart(CloserThread, Player, &Thread))) {
        return GiveUp(Player, "no thread");
    }
    ClientThreadWait(Thread);
    return PlayerReport(Player, "connection");
}

static BOOLEAN CaseRetained(PPLAYER Player, ULONG Argument)
{
    PWSK_SOCKET Socket = Player->Context.Socket;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(Argument);
    Player->RetainInEvent = TRUE;
    if (!NT_SUCCESS(ClientEnableEvents(Socket, WSK_EVENT_RECEIVE))) {
        return GiveUp(Player, "WskReceiveEvent cannot be enabled");
    }
    if (!Ask(Player, "send\n") || !PlayerWaitEvent(&Player->Event)) {
        return GiveUp(Player, "the client sent nothing");
    }
    /*
     * The list is ours once the callback has returned, which it may still be about to do: disabling it waits
     * for that. WskRelease is a function of the socket, so it comes before the close.
     */
    ClientDisableEvent(Socket, WSK_EVENT_RECEIVE);
    Status =
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)->WskRelease(Socket, Player->Retained);
    if (Status != STATUS_SUCCESS) {
        return GiveUp(Player, "the retained data could not be released");
    }
    return CloseAndReport(Player, "connection");
}

/* ---- other sockets ------------------------------------------------------------------------------------ */

/* A player with a socket of its own: a listener on a loopback port, a connection or a basic socket. */
static PPLAYER NewPlayer(_In_ ULONG Category)
{
    PPLAYER Player = PlayerCreate();
    NTSTATUS Status;

    if (Player == NULL) {
        return NULL;
    }
    if (Category == WSK_FLAG_LISTEN_SOCKET) {
        Status = ClientListen(AF_INET, 0, Player, &PlayerListenDispatch, &Player->Context.Socket);
    } else if (Category == WSK_FLAG_CONNECTION_SOCKET) {
        Status = ClientSocket(AF_INET, Category, Player, &PlayerConnectionDispatch, &Player->Context.Socket);
    } else { /* basic: it has no callbacks, so it takes neither context nor table */
        Status = ClientSocket(AF_INET, Category, NULL, NULL, &Player->Context.Socket);
    }
    if (!NT_SUCCESS(Status)) {
        PlayerFree(Player);
        return NULL;
    }
    return Player;
}

static BOOLEAN Bind(_In_ PPLAYER Player)
{
    SOCKADDR_STORAGE Address;

    ClientLoopback(AF_INET, 0, &Address);
    return NT_SUCCESS(ClientBind(Player->Context.Socket, &Address));
}

/* Closes, reports and frees a socket that a case has made for itself. */
static BOOLEAN EndOf(_In_ PPLAYER Player, _In_ PCSTR What)
{
    BOOLEAN Right = CloseAndReport(Player, What);

    PlayerFree(Player);
    return Right;
}

static BOOLEAN CaseListener(PPLAYER Player, ULONG Argument)
{
    PPLAYER Listener = NewPlayer(WSK_FLAG_LISTEN_SOCKET);
    BOOLEAN Right = FALSE;
    ULONG Count;

    UNREFERENCED_PARAMETER(Argument);
    if (Listener != NULL) {
        for (Count = 0; Count < 3; Count++) {
            PlayerAccept(Listener, NULL);
        }
        Right = EndOf(Listener, "listening socket");
    }
    /* The connection was accepted by another listener, and is none of the closed one's business. */
    return CloseAndReport(Player, "connection") && Right;
}

/* Connects a new player to a listener; *Connect is the request, done or not. NULL: it could not be tried. */
static PPLAYER ConnectTo(_In_ PPLAYER Listener, _Outptr_ POPERATION *Connect)
{
    SOCKADDR_STORAGE Address;
    PPLAYER Player;

    *Connect = NULL;
    if (!NT_SUCCESS(ClientListenAddress(Listener->Context.Socket, &Address))) {
        return NULL;
    }
    Player = NewPlayer(WSK_FLAG_CONNECTION_SOCKET);
    if (Player == NULL) {
        return NULL;
    }
    if (Bind(Player)) {
        *Connect = PlayerConnect(Player, ClientPort(&Address));
    }
    if (*Connect == NULL) {
        EndOf(Player, "connecting socket");
        return NULL;
    }
    (*Connect)->MayEndEarly = TRUE;
    return Player;
}

static BOOLEAN IsReset(_In_ NTSTATUS Status)
{
    return Status == STATUS_CONNECTION_RESET || Status == STATUS_CONNECTION_ABORTED;
}

/*
 * Was the connection cut by the other end? Then a receive fails without any close of ours; or even the
 * connect did, when the reset was quick.
 */
static BOOLEAN WasReset(_In_ PPLAYER Player, _In_ POPERATION Connect)
{
    POPERATION Receive;

    if (!PlayerWait(Connect) || IsReset(Connect->Status)) {
        return IsReset(Connect->Status);
    }
    Receive = PlayerReceive(Player, 512, FALSE);
    if (!PlayerWait(Receive)) {
        return FALSE;
    }
    Receive->MayEndEarly = TRUE;
    return IsReset(Receive->Status);
}

static BOOLEAN CaseUnaccepted(PPLAYER Player, ULONG Argument)
{
    PPLAYER Listener = NewPlayer(WSK_FLAG_LISTEN_SOCKET);
    PPLAYER Connector;
    POPERATION Connect = NULL;
    BOOLEAN Right = FALSE;

    UNREFERENCED_PARAMETER(Argument);
    if (Listener != NULL) {
        Connector = ConnectTo(Listener, &Connect);
        Right = Connector != NULL && PlayerWait(Connect) && Connect->Status == STATUS_SUCCESS;
        Right &= EndOf(Listener, "listening socket");
        if (Connector != NULL) {
            if (Right && !WasReset(Connector, Connect)) {
                DbgPrint("  WRONG: the connection that nobody accepted lives on\n");
                Right = FALSE;
            }
            Right &= EndOf(Connector, "connecting socket");
        }
    }
    return CloseAndReport(Player, "connection") && Right;
}

static BOOLEAN CaseAcceptEvent(PPLAYER Player, ULONG Argument)
{
    PPLAYER Listener = NewPlayer(WSK_FLAG_LISTEN_SOCKET);
    PPLAYER Accepted = PlayerCreate();
    PPLAYER Connector = NULL;
    POPERATION Connect = NULL;
    BOOLEAN Right = FALSE;

    UNREFERENCED_PARAMETER(Argument);
    if (Listener != NULL && Accepted != NULL) {
        Listener->CloseHanded = Accepted;
        if (NT_SUCCESS(ClientEnableEvents(Listener->Context.Socket, WSK_EVENT_ACCEPT))) {
            Connector = ConnectTo(Listener, &Connect);
        }
        Right = Connector != NULL && PlayerWaitEvent(&Listener->Event);
    }
    if (Listener != NULL) {
        Right &= CloseAndReport(Listener, "listening socket");
        /* Its callback will not come any more. Has it closed the connection? */
        if (Accepted != NULL && Listener->CloseHanded == NULL) {
            Right &= PlayerReport(Accepted, "accepted socket");
        }
        PlayerFree(Listener);
    }
    if (Connector != NULL) {
        if (Right && !WasReset(Connector, Connect)) {
            DbgPrint("  WRONG: the accepted connection lives on\n");
            Right = FALSE;
        }
        Right &= EndOf(Connector, "connecting socket");
    }
    if (Accepted != NULL) {
        PlayerFree(Accepted);
    }
    return CloseAndReport(Player, "connection") && Right;
}

static BOOLEAN CaseConnecting(PPLAYER Player, ULONG Argument)
{
    PPLAYER Connector = NULL;
    POPERATION Connect = NULL;
    BOOLEAN Right = FALSE;

    if (Argument != 0 && Argument <= MAXUSHORT) {
        Connector = NewPlayer(WSK_FLAG_CONNECTION_SOCKET);
    }
    if (Connector != NULL) {
        if (Bind(Connector)) {
            Connect = PlayerConnect(Connector, (USHORT)Argument);
        }
        Right = Connect != NULL && !KeReadStateEvent(&Connect->Done);
        Right &= EndOf(Connector, "connecting socket");
    }
    if (!Right) {
        DbgPrint("  WRONG: the client has to name a port that never answers\n");
    }
    return CloseAndReport(Player, "connection") && Right;
}

static BOOLEAN CaseUnconnected(PPLAYER Player, ULONG Argument)
{
    PPLAYER Basic = NewPlayer(WSK_FLAG_BASIC_SOCKET);
    PPLAYER Unbound = NewPlayer(WSK_FLAG_CONNECTION_SOCKET);
    PPLAYER Bound = NewPlayer(WSK_FLAG_CONNECTION_SOCKET);
    BOOLEAN Right = Basic != NULL && Unbound != NULL && Bound != NULL;

    UNREFERENCED_PARAMETER(Argument);
    if (Basic != NULL) {
        Right &= EndOf(Basic, "basic socket");
    }
    if (Unbound != NULL) {
        Right &= EndOf(Unbound, "unbound socket");
    }
    if (Bound != NULL) {
        Right &= Bind(Bound);
        Right &= EndOf(Bound, "bound socket");
    }
    return CloseAndReport(Player, "connection") && Right;
}
