/*
 * job.h - a work queue with a thread of its own.
 *
 * A job is posted at any IRQL up to DISPATCH_LEVEL, from callbacks and completion routines above all, and done at
 * PASSIVE_LEVEL by the queue's thread: one after the other, in the order of posting. So what only the jobs of one
 * queue touch needs no lock.
 */
#ifndef JOB_H
#define JOB_H

#include <ntddk.h>

struct _JOB;
typedef VOID JOB_ROUTINE(_Inout_ struct _JOB *Job);

/* Part of whatever the job is about. Belongs to the queue from JobPost until Routine is called. */
typedef struct _JOB {
    SLIST_ENTRY Entry;
    JOB_ROUTINE *Routine;
} JOB, *PJOB;

typedef struct _JOB_QUEUE {
    SLIST_HEADER Posted; /* last in, first out */
    KEVENT Wake;         /* something was posted to an empty queue, or Stop was set */
    volatile LONG Stop;
    PVOID Thread;
} JOB_QUEUE, *PJOB_QUEUE;

/* Starts the thread. On failure the queue is not used. */
_IRQL_requires_(PASSIVE_LEVEL) _Must_inspect_result_ NTSTATUS JobQueueStart(_Out_ PJOB_QUEUE Queue);

/* Returns when everything that was posted is done and the thread has ended; nothing is posted any more. */
_IRQL_requires_(PASSIVE_LEVEL) VOID JobQueueStop(_Inout_ PJOB_QUEUE Queue);

/* Has Routine called with this job, once. */
_IRQL_requires_max_(DISPATCH_LEVEL) VOID
    JobPost(_Inout_ PJOB_QUEUE Queue, _Inout_ PJOB Job, _In_ JOB_ROUTINE *Routine);

#endif
