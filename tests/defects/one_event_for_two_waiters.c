/*
 * Bug:  two threads wait for the same synchronization event, which is set once: one of them sleeps for ever.
 * Rule: K-EVENT-03
 * Cure: a notification event.
 * Found: unload-hangs
 */
#include "defect.h"

static VOID Waiter(PVOID Context)
{
    KeWaitForSingleObject((PKEVENT)Context, Executive, KernelMode, FALSE, NULL);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    KEVENT Go;
    PVOID Thread;

#ifdef FIXED
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
#else
    KeInitializeEvent(&Go, SynchronizationEvent, FALSE);
#endif
    Thread = DefectThread(Waiter, &Go);
    KeSetEvent(&Go, IO_NO_INCREMENT, FALSE);
    if (Thread != NULL && KeReadStateEvent(&Go)) {
        KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL); /* the thread has not come by yet */
    }
    DefectJoin(Thread);
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
