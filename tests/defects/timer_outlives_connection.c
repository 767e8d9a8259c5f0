/*
 * Bug:  the idle timer of a connection is cancelled and its memory freed; a DPC that had been queued already
 *       still runs.
 * Rule: K-TIMER-06
 * Cure: when the cancel comes too late, the queued DPCs are flushed first.
 * Found: data-race|use-after-free|bug-check:DRIVER_IRQL_NOT_LESS_OR_EQUAL
 */
#include "defect.h"

typedef struct _PEER {
    KTIMER Timer;
    KDPC Dpc;
    volatile LONG Idle;
} PEER, *PPEER;

static VOID IdleDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    InterlockedIncrement(&((PPEER)Context)->Idle);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PPEER Peer = (PPEER)DefectAllocate(sizeof(*Peer));

    if (Peer != NULL) {
        LARGE_INTEGER Due;

        KeInitializeTimer(&Peer->Timer);
        KeInitializeDpc(&Peer->Dpc, IdleDpc, Peer);
        Due.QuadPart = -10 * 50;
        KeSetTimer(&Peer->Timer, Due, &Peer->Dpc);
        DefectPause(50);
#ifdef FIXED
        if (!KeCancelTimer(&Peer->Timer)) {
            KeFlushQueuedDpcs();
        }
#else
        KeCancelTimer(&Peer->Timer);
#endif
        DefectFree(Peer);
    }
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
