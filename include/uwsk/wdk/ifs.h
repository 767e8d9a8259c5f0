/* What only ntifs.h declares, beside security (se_ifs.h). */
#ifndef UWSK_WDK_IFS_H
#define UWSK_WDK_IFS_H

#include "uwsk/wdk/io.h"

UWSK_BEGIN_C

/* Process of the thread that began a request, and its id; NULL and 0: of no thread. Any IRQL. */
NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(_In_ PIRP Irp);
NTKERNELAPI ULONG NTAPI IoGetRequestorProcessId(_In_ PIRP Irp);

/* Return addresses on the caller's stack, its own first; how many. Any IRQL. */
NTSYSAPI USHORT NTAPI RtlCaptureStackBackTrace(_In_ ULONG FramesToSkip, _In_ ULONG FramesToCapture,
                                               _Out_ PVOID *BackTrace, _Out_opt_ PULONG BackTraceHash);

UWSK_END_C

#endif
