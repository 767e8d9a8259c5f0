/*
 * Bug:  the unload does not wait for a work item that a connection's end has queued; the item uses what the
 *       unload has freed.
 * Rule: K-WORK-05
 * Cure: work items are counted, and the unload waits for the last.
 * Found: data-race|use-after-free|bug-check:SYSTEM_THREAD_EXCEPTION_NOT_HANDLED
 */
#include "defect.h"

typedef struct _WORK {
    WORK_QUEUE_ITEM Item;
} WORK, *PWORK;

static PULONG volatile Totals;
static volatile LONG Items = 1;
static KEVENT NoItems;

static VOID ItemGone(VOID)
{
    if (InterlockedDecrement(&Items) == 0) {
        KeSetEvent(&NoItems, IO_NO_INCREMENT, FALSE);
    }
}

static VOID Account(PVOID Context)
{
    InterlockedIncrement((volatile LONG *)Totals);
    DefectFree(Context);
    ItemGone();
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PWORK Work = (PWORK)DefectAllocate(sizeof(*Work));

    ClientClose(Socket);
    if (Work != NULL) {
        InterlockedIncrement(&Items);
        ExInitializeWorkItem(&Work->Item, Account, Work);
        ExQueueWorkItem(&Work->Item, DelayedWorkQueue);
    }
}

NTSTATUS DefectStart(VOID)
{
    NTSTATUS Status;

    KeInitializeEvent(&NoItems, NotificationEvent, FALSE);
    Totals = (PULONG)DefectAllocate(sizeof(ULONG));
    if (Totals == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = DefectServe(Serve, 1);
    if (!NT_SUCCESS(Status)) {
        DefectFree(Totals);
    }
    return Status;
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
#ifdef FIXED
    ItemGone();
    KeWaitForSingleObject(&NoItems, Executive, KernelMode, FALSE, NULL);
#endif
    DefectFree(Totals);
    Totals = NULL;
}
