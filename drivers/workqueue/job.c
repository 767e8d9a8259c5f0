/*
 * job.c - see job.h.
 *
 * Posting is one push onto an interlocked list, without a lock. The thread takes the whole list at once, turns it
 * round, and does what is on it.
 */
#include "job.h"
#include "../common/wskclient.h"

static KSTART_ROUTINE JobThread;

VOID JobPost(PJOB_QUEUE Queue, PJOB Job, JOB_ROUTINE *Routine)
{
    Job->Routine = Routine;
    /* Only the first one has to wake the thread: it takes all that came after it, too. */
    if (InterlockedPushEntrySList(&Queue->Posted, &Job->Entry) == NULL) {
        KeSetEvent(&Queue->Wake, IO_NO_INCREMENT, FALSE);
    }
}

/* Everything that was posted, oldest first, or NULL. */
static PSLIST_ENTRY JobTakeAll(_Inout_ PJOB_QUEUE Queue)
{
    PSLIST_ENTRY Newest = InterlockedFlushSList(&Queue->Posted);
    PSLIST_ENTRY Oldest = NULL;

    while (Newest != NULL) {
        PSLIST_ENTRY Older = Newest->Next;

        Newest->Next = Oldest;
        Oldest = Newest;
        Newest = Older;
    }
    return Oldest;
}

static VOID JobThread(PVOID Context)
{
    PJOB_QUEUE Queue = (PJOB_QUEUE)Context;

    for (;;) {
        /* Read first: whatever was posted before Stop was set is in the list that is taken afterwards. */
        LONG Stop = ReadAcquire(&Queue->Stop);
        PSLIST_ENTRY Entry = JobTakeAll(Queue);

        if (Entry == NULL) {
            if (Stop) {
                return;
            }
            KeWaitForSingleObject(&Queue->Wake, Executive, KernelMode, FALSE, NULL);
        }
        while (Entry != NULL) {
            PJOB Job = CONTAINING_RECORD(Entry, JOB, Entry);

            Entry = Entry->Next; /* before the call: the routine may free the job or post it again */
            Job->Routine(Job);
        }
    }
}

NTSTATUS JobQueueStart(PJOB_QUEUE Queue)
{
    InitializeSListHead(&Queue->Posted);
    KeInitializeEvent(&Queue->Wake, SynchronizationEvent, FALSE);
    Queue->Stop = FALSE;
    return ClientThreadStart(JobThread, Queue, &Queue->Thread);
}

VOID JobQueueStop(PJOB_QUEUE Queue)
{
    InterlockedExchange(&Queue->Stop, TRUE);
    KeSetEvent(&Queue->Wake, IO_NO_INCREMENT, FALSE);
    ClientThreadWait(Queue->Thread);
}
