/*
 * peer.c - see peer.h.
 *
 * Who may do what.  Callbacks and completion routines, which may run at DISPATCH_LEVEL, only post jobs. The jobs of
 * one connection are done by one thread: so its state is plain data, without a lock. Nothing there waits.
 *
 * Run-down protection.  Whatever still wants to call a function of the socket holds a reference of Calls: a parcel
 * from its arrival until it is released, a request until its routine has run, a job until it is done. The last job
 * of all, on a thread that may wait, runs the protection down - nobody gets a new reference, and all that were given
 * out have come back - and then closes: no call is in progress, none comes, nothing is retained.
 */
#include "peer.h"
#include "../common/wskclient.h"

#define PEER_TAG 'reeP'

/* What WskReceiveEvent was given at one time, and the request that sends it back. */
typedef enum _PARCEL_STATE {
    ParcelArrived, /* posted by WskReceiveEvent */
    ParcelWaits,   /* in the peer's line */
    ParcelIsSent   /* at the head of the line, an indication of it is with WskSend */
} PARCEL_STATE;

typedef struct _PARCEL {
    JOB Job;
    struct _PEER *Peer;
    PARCEL_STATE State;
    LIST_ENTRY Link;           /* in Peer->Line */
    PWSK_DATA_INDICATION List; /* as it came: WskRelease wants its head */
    PWSK_DATA_INDICATION Next; /* what is to be sent now; NULL: all is sent */
    PIRP Irp;
} PARCEL, *PPARCEL;

typedef struct _PEER {
    JOB BeginJob;
    JOB FinishJob; /* the client has sent its last byte; then: our FIN is on its way */
    JOB LoseJob;   /* the connection is dead */
    JOB CloseJob;  /* on the queue Closer */
    PWSK_SOCKET Socket;
    PJOB_QUEUE Queue, Closer;
    EX_RUNDOWN_REF Calls;
    volatile LONG LosePosted;
    PIRP DisconnectIrp, AbortIrp, CloseIrp;

    LIST_ENTRY Link;     /* in Peers, until the close has completed */
    BOOLEAN AbortCalled; /* under PeersLock */

    /* Of the queue's thread. */
    LIST_ENTRY Line; /* parcels, oldest first */
    BOOLEAN Finished, Disconnected, Lost, Retired;
} PEER, *PPEER;

static KSPIN_LOCK PeersLock;
static LIST_ENTRY Peers;
static BOOLEAN PeersRefused; /* under PeersLock: the driver unloads */
static NPAGED_LOOKASIDE_LIST Parcels;
static volatile LONG PeersServed, ParcelsServed;

static JOB_ROUTINE PeerBeginJob, ParcelJob, PeerFinishJob, PeerDisconnectedJob, PeerLoseJob, PeerCloseJob;
static IO_COMPLETION_ROUTINE ParcelSendComplete, PeerDisconnectComplete, PeerAbortComplete, PeerCloseComplete;

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *PeerFunctions(_In_ PPEER Peer)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Peer->Socket->Dispatch;
}

/* ---- the state machine: by the queue's thread, whose job holds a reference ------------------------------ */

/* Nothing more is to be done than to close. May come again. */
static VOID PeerRetire(_Inout_ PPEER Peer)
{
    if (!Peer->Retired) {
        Peer->Retired = TRUE;
        JobPost(Peer->Closer, &Peer->CloseJob, PeerCloseJob);
    }
}

/* Sends the next indication of the parcel at the head of the line. */
static VOID ParcelSend(_Inout_ PPARCEL Parcel)
{
    PPEER Peer = Parcel->Peer;

    Parcel->State = ParcelIsSent;
    IoReuseIrp(Parcel->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Parcel->Irp, ParcelSendComplete, Parcel, TRUE, TRUE, TRUE);
    /* An answer of one small segment must not wait for the acknowledgement of the last: WSK_FLAG_NODELAY. */
    PeerFunctions(Peer)->WskSend(Peer->Socket, &Parcel->Next->Buffer, WSK_FLAG_NODELAY, Parcel->Irp);
}

/* Whatever the call returned, the routine is called, and posts: this is how an inline completion does not recurse. */
static NTSTATUS ParcelSendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPARCEL Parcel = (PPARCEL)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    JobPost(Parcel->Peer->Queue, &Parcel->Job, ParcelJob);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The head of the line goes back to WSK. Its reference stays with the caller. */
static VOID ParcelRelease(_Inout_ PPARCEL Parcel)
{
    PPEER Peer = Parcel->Peer;
    NTSTATUS Status;

    RemoveEntryList(&Parcel->Link);
    Status = PeerFunctions(Peer)->WskRelease(Peer->Socket, Parcel->List);
    NT_ASSERT(Status == STATUS_SUCCESS);
    UNREFERENCED_PARAMETER(Status);
    IoFreeIrp(Parcel->Irp);
    ExFreeToNPagedLookasideList(&Parcels, Parcel);
}

/* Sends our FIN, behind everything that was sent. */
static VOID PeerDisconnect(_Inout_ PPEER Peer)
{
    Peer->Disconnected = TRUE;
    if (ExAcquireRundownProtection(&Peer->Calls)) {
        IoSetCompletionRoutine(Peer->DisconnectIrp, PeerDisconnectComplete, Peer, TRUE, TRUE, TRUE);
        PeerFunctions(Peer)->WskDisconnect(Peer->Socket, NULL, 0, Peer->DisconnectIrp);
    }
}

static NTSTATUS PeerDisconnectComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPEER Peer = (PPEER)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    JobPost(Peer->Queue, &Peer->FinishJob, PeerDisconnectedJob); /* takes the reference over */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/*
 * Does what can be done now. Gives back the references of parcels that are done, and Done more, those of the job
 * that calls: the connection may be gone afterwards.
 */
static VOID PeerAdvance(_Inout_ PPEER Peer, _In_ ULONG Done)
{

    while (!IsListEmpty(&Peer->Line)) {
        PPARCEL Head = CONTAINING_RECORD(Peer->Line.Flink, PARCEL, Link);

        if (Head->State == ParcelIsSent) {
            break; /* its job goes on from here */
        }
        if (Head->Next != NULL && !Peer->Lost) {
            ParcelSend(Head);
            break;
        }
        ParcelRelease(Head);
        Done++;
    }
    if (IsListEmpty(&Peer->Line)) {
        if (Peer->Lost) {
            PeerRetire(Peer);
        } else if (Peer->Finished && !Peer->Disconnected) {
            PeerDisconnect(Peer);
        }
    }
    if (Done != 0) {
        ExReleaseRundownProtectionEx(&Peer->Calls, Done);
    }
}

/*
 * Switches the callbacks on, maybe even before WskAcceptEvent has returned; what came meanwhile has waited for
 * that.
 */
static VOID PeerBeginJob(PJOB Job)
{
    PPEER Peer = CONTAINING_RECORD(Job, PEER, BeginJob);

    if (!NT_SUCCESS(ClientEnableEvents(Peer->Socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT))) {
        Peer->Lost = TRUE;
    }
    PeerAdvance(Peer, 1);
}

/* A parcel has arrived, or an indication of it was sent. */
static VOID ParcelJob(PJOB Job)
{
    PPARCEL Parcel = CONTAINING_RECORD(Job, PARCEL, Job);
    PPEER Peer = Parcel->Peer;

    if (Parcel->State == ParcelArrived) {
        InsertTailList(&Peer->Line, &Parcel->Link);
        InterlockedIncrement(&ParcelsServed);
    } else {
        Parcel->Next = Parcel->Next->Next;
        if (!NT_SUCCESS(Parcel->Irp->IoStatus.Status)) {
            Peer->Lost = TRUE; /* an echo with a hole would be worse */
        }
    }
    Parcel->State = ParcelWaits;
    PeerAdvance(Peer, 0); /* the reference is the parcel's */
}

static VOID PeerFinishJob(PJOB Job)
{
    PPEER Peer = CONTAINING_RECORD(Job, PEER, FinishJob);

    Peer->Finished = TRUE;
    PeerAdvance(Peer, 1);
}

/* Both directions are over, or the connection died meanwhile. */
static VOID PeerDisconnectedJob(PJOB Job)
{
    PPEER Peer = CONTAINING_RECORD(Job, PEER, FinishJob);

    Peer->Lost = TRUE;
    PeerAdvance(Peer, 1);
}

static VOID PeerLoseJob(PJOB Job)
{
    PPEER Peer = CONTAINING_RECORD(Job, PEER, LoseJob);

    Peer->Lost = TRUE;
    PeerAdvance(Peer, 1);
}

/* ---- the end ------------------------------------------------------------------------------------------- */

/* On the closer's thread, which may wait. */
static VOID PeerCloseJob(PJOB Job)
{
    PPEER Peer = CONTAINING_RECORD(Job, PEER, CloseJob);

    /* What is still out comes back on its own: requests on a dead connection end, and jobs get their turn. */
    ExWaitForRundownProtectionRelease(&Peer->Calls);
    IoSetCompletionRoutine(Peer->CloseIrp, PeerCloseComplete, Peer, TRUE, TRUE, TRUE);
    PeerFunctions(Peer)->Basic.WskCloseSocket(Peer->Socket, Peer->CloseIrp);
}

static VOID PeerFree(_In_ __drv_freesMem(Mem) PPEER Peer)
{
    PIRP Irps[] = {Peer->DisconnectIrp, Peer->AbortIrp, Peer->CloseIrp};
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(Irps); Index++) {
        if (Irps[Index] != NULL) {
            IoFreeIrp(Irps[Index]);
        }
    }
    ExFreePoolWithTag(Peer, PEER_TAG);
}

static NTSTATUS PeerCloseComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPEER Peer = (PPEER)Context;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeAcquireSpinLock(&PeersLock, &Irql);
    RemoveEntryList(&Peer->Link);
    KeReleaseSpinLock(&PeersLock, Irql);
    PeerFree(Peer); /* Irp included: nothing of this socket comes after its close */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The connection is dead. Takes over a reference of the caller. */
static VOID PeerLose(_Inout_ PPEER Peer)
{
    if (!InterlockedExchange(&Peer->LosePosted, TRUE)) {
        JobPost(Peer->Queue, &Peer->LoseJob, PeerLoseJob);
    } else {
        ExReleaseRundownProtection(&Peer->Calls);
    }
}

static NTSTATUS PeerAbortComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    PeerLose((PPEER)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* ---- what WSK calls, at up to DISPATCH_LEVEL ------------------------------------------------------------ */

PVOID PeerAccept(PWSK_SOCKET Socket, PJOB_QUEUE Queue, PJOB_QUEUE Closer)
{
    PPEER Peer = (PPEER)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Peer), PEER_TAG);
    BOOLEAN Refused;
    KIRQL Irql;

    if (Peer == NULL) {
        return NULL;
    }
    Peer->Socket = Socket;
    Peer->Queue = Queue;
    Peer->Closer = Closer;
    ExInitializeRundownProtection(&Peer->Calls);
    InitializeListHead(&Peer->Line);
    /* Everything that the end needs, so that ending cannot fail. */
    Peer->DisconnectIrp = IoAllocateIrp(1, FALSE);
    Peer->AbortIrp = IoAllocateIrp(1, FALSE);
    Peer->CloseIrp = IoAllocateIrp(1, FALSE);
    if (Peer->DisconnectIrp == NULL || Peer->AbortIrp == NULL || Peer->CloseIrp == NULL) {
        PeerFree(Peer);
        return NULL;
    }
    KeAcquireSpinLock(&PeersLock, &Irql);
    Refused = PeersRefused;
    if (!Refused) {
        InsertTailList(&Peers, &Peer->Link); /* from here on PeersAbort may see it */
        ExAcquireRundownProtection(&Peer->Calls);
    }
    KeReleaseSpinLock(&PeersLock, Irql);
    if (Refused) {
        PeerFree(Peer);
        return NULL;
    }
    InterlockedIncrement(&PeersServed);
    JobPost(Queue, &Peer->BeginJob, PeerBeginJob);
    return Peer; /* a name only: the connection may be over already */
}

static NTSTATUS WSKAPI PeerReceiveEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                        _In_opt_ PWSK_DATA_INDICATION DataIndication,
                                        _In_ SIZE_T BytesIndicated, _Inout_ SIZE_T *BytesAccepted)
{
    PPEER Peer = (PPEER)SocketContext;
    PPARCEL Parcel;
    PIRP Irp;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (!ExAcquireRundownProtection(&Peer->Calls)) {
        return STATUS_SUCCESS; /* about to be closed: nobody wants it */
    }
    if (DataIndication == NULL) {
        PeerLose(Peer);
        return STATUS_SUCCESS;
    }
    Parcel = (PPARCEL)ExAllocateFromNPagedLookasideList(&Parcels);
    Irp = IoAllocateIrp(1, FALSE);
    if (Parcel == NULL || Irp == NULL) {
        if (Parcel != NULL) {
            ExFreeToNPagedLookasideList(&Parcels, Parcel);
        }
        if (Irp != NULL) {
            IoFreeIrp(Irp);
        }
        PeerLose(Peer);
        return STATUS_SUCCESS;
    }
    Parcel->Peer = Peer;
    Parcel->State = ParcelArrived;
    Parcel->List = Parcel->Next = DataIndication;
    Parcel->Irp = Irp;
    JobPost(Peer->Queue, &Parcel->Job, ParcelJob);
    return STATUS_PENDING; /* the queue's thread may have released it already */
}

static NTSTATUS WSKAPI PeerDisconnectEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags)
{
    PPEER Peer = (PPEER)SocketContext;

    if (ExAcquireRundownProtection(&Peer->Calls)) {
        if (Flags & WSK_FLAG_ABORTIVE) {
            PeerLose(Peer);
        } else {
            /* Behind the jobs of everything that was received, and there is one graceful end only. */
            JobPost(Peer->Queue, &Peer->FinishJob, PeerFinishJob);
        }
    }
    return STATUS_SUCCESS;
}

CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {PeerReceiveEvent, PeerDisconnectEvent, NULL};

/* ---- all of them --------------------------------------------------------------------------------------- */

VOID PeersStart(VOID)
{
    KeInitializeSpinLock(&PeersLock);
    InitializeListHead(&Peers);
    ExInitializeNPagedLookasideList(&Parcels, NULL, NULL, POOL_NX_ALLOCATION, sizeof(PARCEL), PEER_TAG, 0);
}

VOID PeersStop(VOID)
{
    NT_ASSERT(IsListEmpty(&Peers));
    ExDeleteNPagedLookasideList(&Parcels);
    DbgPrint("%d connections served, %d parcels sent back\n", PeersServed, ParcelsServed);
}

VOID PeersAbort(VOID)
{
    PLIST_ENTRY Link;
    ULONG Aborted = 0;
    KIRQL Irql;

    KeAcquireSpinLock(&PeersLock, &Irql);
    PeersRefused = TRUE;
    for (Link = Peers.Flink; Link != &Peers;) {
        PPEER Peer = CONTAINING_RECORD(Link, PEER, Link);

        /* One reference for the request, one for being inside the call. Those that give none are on their way
         * out. */
        if (Peer->AbortCalled || !ExAcquireRundownProtectionEx(&Peer->Calls, 2)) {
            Link = Link->Flink;
            continue;
        }
        Peer->AbortCalled = TRUE;
        KeReleaseSpinLock(&PeersLock, Irql);
        IoSetCompletionRoutine(Peer->AbortIrp, PeerAbortComplete, Peer, TRUE, TRUE, TRUE);
        PeerFunctions(Peer)->WskDisconnect(Peer->Socket, NULL, WSK_FLAG_ABORTIVE, Peer->AbortIrp);
        ExReleaseRundownProtection(&Peer->Calls);
        Aborted++;
        KeAcquireSpinLock(&PeersLock, &Irql);
        Link = Peers.Flink; /* others have left meanwhile */
    }
    KeReleaseSpinLock(&PeersLock, Irql);
    if (Aborted != 0) {
        DbgPrint("%u connections were still open\n", Aborted);
    }
}
