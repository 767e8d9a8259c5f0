/*
 * affinity.c - threads that run on some processors only.
 *
 * A thread's mask restricts which processors it takes when it raises to DISPATCH_LEVEL (processor.c); below that level
 * no processor is owned, and the number that it is told is one of its mask.  A change at DISPATCH_LEVEL holds from the
 * next time on.  Only the thread itself changes its mask.  All bits set: no system affinity, which is reported as zero.
 */
#include "nt/ke/internal.h"

#define ANY (~(KAFFINITY)0)

/* Only processors that there are, and at least one of them. */
static int is_good(KAFFINITY mask)
{
    unsigned count = ke_query_active_processor_count();

    return mask && (count == 64 || mask >> count == 0);
}

static KAFFINITY current(void)
{
    KAFFINITY mask = ke_current_thread()->affinity;

    return mask == ANY ? 0 : mask;
}

/* What cannot be is not done; 0: any. */
static void set(KAFFINITY mask)
{
    if (mask == 0)
        ke_current_thread()->affinity = ANY;
    else if (is_good(mask))
        ke_current_thread()->affinity = mask;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* From now on the calling thread runs on these processors: at once below DISPATCH_LEVEL, else when it has lowered.
 * Returns the former system affinity, 0 = there was none.  A mask with processors that are not there changes nothing.
 * IRQL <= DISPATCH_LEVEL.  (wdm KeSetSystemAffinityThreadEx) */
KAFFINITY KeSetSystemAffinityThreadEx(KAFFINITY Affinity)
{
    KAFFINITY former = current();

    if (is_good(Affinity))
        set(Affinity);
    return former;
}

/* Back to what KeSetSystemAffinityThreadEx has returned; 0 = to any processor.  (wdm KeRevertToUserAffinityThreadEx) */
VOID KeRevertToUserAffinityThreadEx(KAFFINITY Affinity)
{
    set(Affinity);
}

/* The same without the former value.  (ntddk KeSetSystemAffinityThread, KeRevertToUserAffinityThread) */
VOID KeSetSystemAffinityThread(KAFFINITY Affinity)
{
    KeSetSystemAffinityThreadEx(Affinity);
}

VOID KeRevertToUserAffinityThread(VOID)
{
    set(0);
}

/* The same with a group, of which there is one; *PreviousAffinity is zeroed when nothing is changed, or there was no
 * system affinity.  IRQL <= DISPATCH_LEVEL.  (wdm KeSetSystemGroupAffinityThread) */
VOID KeSetSystemGroupAffinityThread(PGROUP_AFFINITY Affinity, PGROUP_AFFINITY PreviousAffinity)
{
    int good = Affinity->Group == 0 && !Affinity->Reserved[0] && !Affinity->Reserved[1] &&
               !Affinity->Reserved[2] && is_good(Affinity->Mask);

    if (PreviousAffinity)
        *PreviousAffinity = (GROUP_AFFINITY){.Mask = good ? current() : 0};
    if (good)
        set(Affinity->Mask);
}

/* Back to what KeSetSystemGroupAffinityThread has returned.  (wdm KeRevertToUserGroupAffinityThread) */
VOID KeRevertToUserGroupAffinityThread(PGROUP_AFFINITY PreviousAffinity)
{
    if (PreviousAffinity->Group == 0)
        set(PreviousAffinity->Mask);
}
