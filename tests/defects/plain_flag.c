/*
 * Bug:  a plain flag tells one thread that the other has finished with the buffer, which it then frees: no
 *       order, and with memory watched a data race.
 * Rule: none of WSK: the memory model
 * Cure: an event, which orders what came before it.
 * Found: data-race
 */
#include "defect.h"

typedef struct _JOB {
    PDEFECT_BUFFER Buffer;
    ULONG Sum;
    BOOLEAN Finished;
    KEVENT Done;
} JOB, *PJOB;

static VOID Adder(PVOID Context)
{
    PJOB Job = (PJOB)Context;

#ifndef FIXED
    Job->Finished = TRUE; /* a little early */
#endif
    for (ULONG Index = 0; Index < sizeof(Job->Buffer->Data); Index += 32) {
        Job->Sum += Job->Buffer->Data[Index];
    }
    KeSetEvent(&Job->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PJOB Job = (PJOB)DefectAllocate(sizeof(*Job));
    PVOID Thread = NULL;

    if (Job != NULL && (Job->Buffer = DefectBuffer()) != NULL) {
        KeInitializeEvent(&Job->Done, NotificationEvent, FALSE);
        Thread = DefectThread(Adder, Job);
        if (Thread != NULL) {
#ifdef FIXED
            KeWaitForSingleObject(&Job->Done, Executive, KernelMode, FALSE, NULL);
#else
            while (!*(volatile BOOLEAN *)&Job->Finished) {
                YieldProcessor();
            }
            RtlFillMemory(Job->Buffer->Data, sizeof(Job->Buffer->Data), 0xFF);
            Job->Sum = 0;
#endif
        }
        DefectJoin(Thread);
        DefectBufferFree(Job->Buffer);
    }
    DefectFree(Job);
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
