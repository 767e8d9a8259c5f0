/*
 * Bug:  the accept callback makes its connection visible to the unloading thread's list only after it has given
 *       the socket to a worker; at unload the worker is not waited for.
 * Rule: C-DEREG-01
 * Cure: the worker is counted before it starts, and the unload waits for the count.
 */
#include "defect.h"

static volatile LONG Workers = 1;
static KEVENT NoWorkers;

static VOID Gone(VOID)
{
    if (InterlockedDecrement(&Workers) == 0) {
        KeSetEvent(&NoWorkers, IO_NO_INCREMENT, FALSE);
    }
}

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
    Gone();
}

static VOID Serve(PWSK_SOCKET Socket)
{
    HANDLE Thread;

#ifdef FIXED
    InterlockedIncrement(&Workers);
#endif
    if (NT_SUCCESS(PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Worker, Socket))) {
        ZwClose(Thread);
        return;
    }
#ifdef FIXED
    Gone();
#endif
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    KeInitializeEvent(&NoWorkers, NotificationEvent, FALSE);
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    PVOID Memory = DefectAllocate(16); /* what the workers may use until they are gone */

    DefectServeEnd();
    Gone();
    KeWaitForSingleObject(&NoWorkers, Executive, KernelMode, FALSE, NULL);
    DefectFree(Memory);
}
