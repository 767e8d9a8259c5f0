/* What only ntifs.h declares, beside security (se_ifs.h). */
#ifndef UWSK_WDK_IFS_H
#define UWSK_WDK_IFS_H

#include "uwsk/wdk/io.h"

UWSK_BEGIN_C

/* Process of the thread that began a request, and its id; NULL and 0: of no thread. Any IRQL. */
NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(_In_ PIRP Irp);
NTKERNELAPI ULONG NTAPI IoGetRequestorProcessId(_In_ PIRP Irp);

UWSK_END_C

#endif
