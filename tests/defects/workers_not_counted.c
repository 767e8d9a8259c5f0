/*
 * Bug:  a worker counts itself when it begins; one that has not begun yet is not waited for at unload.
 * Rule: C-DEREG-01
 * Cure: the unload waits for the thread of each worker that was made (a count, given back by code that still runs,
 *       is not enough).
 * Found: runs-after-unload
 */
#include "defect.h"

#ifdef FIXED

typedef struct _WORKER {
    struct _WORKER *Next;
    PVOID Thread;
} WORKER, *PWORKER;

static PWORKER Workers;

#else

static volatile LONG Workers = 1;
static KEVENT NoWorkers;

static VOID Gone(VOID)
{
    if (InterlockedDecrement(&Workers) == 0) {
        KeSetEvent(&NoWorkers, IO_NO_INCREMENT, FALSE);
    }
}

#endif

static VOID Worker(PVOID Context)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();

#ifndef FIXED
    InterlockedIncrement(&Workers);
#endif
    if (Buffer != NULL) {
        DefectSend((PWSK_SOCKET)Context, Buffer);
        DefectBufferFree(Buffer);
    }
    ClientClose((PWSK_SOCKET)Context);
#ifndef FIXED
    Gone();
#endif
}

static VOID Serve(PWSK_SOCKET Socket)
{
#ifdef FIXED
    PWORKER New = (PWORKER)DefectAllocate(sizeof(*New));

    if (New != NULL && (New->Thread = DefectThread(Worker, Socket)) != NULL) {
        New->Next = Workers; /* one thread serves: nobody else comes here */
        Workers = New;
        return;
    }
    DefectFree(New);
#else
    HANDLE Thread;

    if (NT_SUCCESS(PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Worker, Socket))) {
        ZwClose(Thread);
        return;
    }
#endif
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
#ifndef FIXED
    KeInitializeEvent(&NoWorkers, NotificationEvent, FALSE);
#endif
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
#ifdef FIXED
    while (Workers != NULL) {
        PWORKER Next = Workers->Next;

        DefectJoin(Workers->Thread);
        DefectFree(Workers);
        Workers = Next;
    }
#else
    Gone();
    KeWaitForSingleObject(&NoWorkers, Executive, KernelMode, FALSE, NULL);
#endif
}
