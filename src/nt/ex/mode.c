/* mode.c - the processor mode that a thread came from. */
#include <wdm.h>

/*
 * Mode of the caller of the running thread. Every thread here is a kernel thread: KernelMode. Any IRQL.
 * Page: ExGetPreviousMode.
 */
KPROCESSOR_MODE NTAPI ExGetPreviousMode(VOID)
{
    return KernelMode;
}
