/*
 * backtrace.c - where a driver was called from.
 */
#include "host/host.h"

#include <ntifs.h>

#define MOST 64u

/* Stores at most FramesToCapture return addresses of the calling thread in BackTrace, innermost first, after leaving out
 * FramesToSkip; 0 begins with the one inside the caller.  Frames of functions that keep no frame pointer are missing,
 * and so are those deeper than 64.  *BackTraceHash (may be NULL) is the same for equal traces.  Returns how many are
 * stored, 0 when none is left.  Any IRQL.  Page: RtlCaptureStackBackTrace (ntifs). */
USHORT NTAPI RtlCaptureStackBackTrace(ULONG FramesToSkip, ULONG FramesToCapture, PVOID *BackTrace,
                                      PULONG BackTraceHash)
{
    void *frames[MOST];
    size_t count = 0;
    ULONG hash = 0;

    if (FramesToSkip < MOST)
        count =
            host_backtrace(frames, FramesToCapture < MOST ? FramesToCapture : MOST, (size_t)FramesToSkip + 1);
    for (size_t i = 0; i < count; i++) {
        BackTrace[i] = (PUCHAR)frames[i] + 1; /* behind the call, as on the stack */
        hash += (ULONG)(ULONG_PTR)BackTrace[i];
    }
    if (BackTraceHash)
        *BackTraceHash = hash;
    return (USHORT)count;
}
