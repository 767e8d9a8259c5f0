/*
 * resource.c - ERESOURCE: recursive, shared by many threads or owned by one.
 *
 * The books - who owns it how often, who waits - are guarded by a struct ke_lock in the SpinLock field.  A
 * release hands the resource over: it enters the waiters that may have it as owners, unlocks, and only then lets
 * them go, each through a word on its own stack (D-09).  When the exclusive owner leaves, all who wait for a
 * share get it; when the last share leaves, the first who waits for all of it.
 *
 * Owners beyond the first are kept in a table that grows; its entry 0 holds its size.  When there is no memory
 * for a larger one, a thread that would need an entry waits like one that finds the resource taken.
 */
#include "nt/ke/internal.h"

#define FIRST_TABLE 4u

struct resource_wait {
    struct resource_wait *next;
    ERESOURCE_THREAD thread;
    uint32_t granted; /* parking word */
};

/* How a shared acquisition stands to those who wait exclusively. */
enum share_order { SHARE_BEHIND_WAITERS, SHARE_BEFORE_WAITERS, SHARE_BEHIND_WAITERS_ALWAYS };

static struct ke_lock *lock_of(PERESOURCE resource)
{
    return (struct ke_lock *)&resource->SpinLock;
}

static ERESOURCE_THREAD self(void)
{
    return (ERESOURCE_THREAD)ke_current_thread();
}

static int owned_alone(const ERESOURCE *resource)
{
    return (resource->Flag & ResourceOwnedExclusive) != 0;
}

/* ---- under the lock: owners --------------------------------------------------------------------------- */

static ULONG table_size(const ERESOURCE *resource)
{
    return resource->OwnerTable ? resource->OwnerTable[0].TableSize : 0;
}

static POWNER_ENTRY find(PERESOURCE resource, ERESOURCE_THREAD thread)
{
    if (resource->OwnerEntry.OwnerThread == thread)
        return &resource->OwnerEntry;
    for (ULONG i = 1; i < table_size(resource); i++) {
        if (resource->OwnerTable[i].OwnerThread == thread)
            return &resource->OwnerTable[i];
    }
    return NULL;
}

static void free_table(PERESOURCE resource)
{
    if (resource->OwnerTable)
        ke_free(resource->OwnerTable, table_size(resource) * sizeof(OWNER_ENTRY));
    resource->OwnerTable = NULL;
}

/* A vacant entry, NULL when there is no memory for more. */
static POWNER_ENTRY vacant(PERESOURCE resource)
{
    POWNER_ENTRY entry = find(resource, 0), table;
    ULONG old = table_size(resource), size = old ? old * 2 : FIRST_TABLE;

    if (entry)
        return entry;
    table = ke_allocate(size * sizeof(OWNER_ENTRY));
    if (!table)
        return NULL;
    for (ULONG i = 1; i < old; i++)
        table[i] = resource->OwnerTable[i];
    free_table(resource);
    table[0].TableSize = size;
    resource->OwnerTable = table;
    return &table[old ? old : 1];
}

/* One acquisition more for a thread that may share it; 0 = no memory. */
static int enter(PERESOURCE resource, ERESOURCE_THREAD thread)
{
    POWNER_ENTRY entry = find(resource, thread);

    if (!entry) {
        entry = vacant(resource);
        if (!entry)
            return 0;
        entry->TableSize = 0;
        entry->OwnerThread = thread;
        resource->ActiveCount++;
        resource->ActiveEntries++;
    }
    entry->OwnerCount++;
    return 1;
}

static void enter_alone(PERESOURCE resource, ERESOURCE_THREAD thread)
{
    resource->OwnerEntry.TableSize = 0;
    resource->OwnerEntry.OwnerThread = thread;
    resource->OwnerEntry.OwnerCount = 1;
    resource->ActiveCount = 1;
    resource->ActiveEntries = 1;
    resource->Flag |= ResourceOwnedExclusive;
}

/* ---- under the lock: waiters -------------------------------------------------------------------------- */

static void append(PVOID *head, struct resource_wait *wait)
{
    struct resource_wait **link = (struct resource_wait **)head;

    while (*link)
        link = &(*link)->next;
    wait->next = NULL;
    *link = wait;
}

static struct resource_wait *take_first(PVOID *head)
{
    struct resource_wait *wait = *head;

    *head = wait->next;
    return wait;
}

/* Enters those who may have it now; returns them. */
static struct resource_wait *grant(PERESOURCE resource, int shared_first)
{
    struct resource_wait *ready = NULL, *wait;

    if (shared_first || !resource->ExclusiveWaiters) {
        while ((wait = resource->SharedWaiters) != NULL && enter(resource, wait->thread)) {
            (void)take_first(&resource->SharedWaiters);
            resource->NumberOfSharedWaiters--;
            wait->next = ready;
            ready = wait;
        }
    }
    if (resource->ActiveCount == 0 && resource->ExclusiveWaiters) {
        wait = take_first(&resource->ExclusiveWaiters);
        resource->NumberOfExclusiveWaiters--;
        enter_alone(resource, wait->thread);
        wait->next = NULL;
        ready = wait;
    }
    return ready;
}

/* ---- without the lock --------------------------------------------------------------------------------- */

static void let_go(struct resource_wait *ready)
{
    while (ready) {
        struct resource_wait *wait = ready;

        ready = wait->next;
        __atomic_store_n(&wait->granted, 1, __ATOMIC_RELEASE); /* last touch: its stack may go */
        host_unpark(&wait->granted, 1);
    }
}

/* Called with the lock, returns without it, as an owner. */
static void wait_in(PERESOURCE resource, PVOID *queue, ULONG *count)
{
    struct resource_wait wait = {NULL, self(), 0};

    append(queue, &wait);
    ++*count;
    resource->ContentionCount++;
    ke_lock_release(lock_of(resource));
    while (!__atomic_load_n(&wait.granted, __ATOMIC_ACQUIRE))
        ke_park(resource, &wait.granted, 0);
    OBSERVE(order, resource, OBSERVE_ACQUIRE);
}

static BOOLEAN acquire_alone(PERESOURCE resource, BOOLEAN wait)
{
    if (wait)
        ke_check_may_wait(resource, NULL);
    host_point(HOST_POINT_LOCK, resource);
    ke_lock_acquire(lock_of(resource));
    if (resource->ActiveCount == 0) {
        enter_alone(resource, self());
    } else if (owned_alone(resource) && resource->OwnerEntry.OwnerThread == self()) {
        resource->OwnerEntry.OwnerCount++;
    } else if (wait) {
        wait_in(resource, &resource->ExclusiveWaiters, &resource->NumberOfExclusiveWaiters);
        return TRUE;
    } else {
        ke_lock_release(lock_of(resource));
        return FALSE;
    }
    OBSERVE(order, resource, OBSERVE_ACQUIRE);
    ke_lock_release(lock_of(resource));
    return TRUE;
}

/* Under the lock. */
static int may_share(PERESOURCE resource, enum share_order order)
{
    int owner = find(resource, self()) != NULL;

    if (owned_alone(resource))
        return owner;
    if (!resource->ExclusiveWaiters || order == SHARE_BEFORE_WAITERS)
        return 1;
    return owner && order == SHARE_BEHIND_WAITERS; /* it would wait for itself otherwise */
}

static BOOLEAN acquire_shared(PERESOURCE resource, BOOLEAN wait, enum share_order order)
{
    if (wait)
        ke_check_may_wait(resource, NULL);
    host_point(HOST_POINT_LOCK, resource);
    ke_lock_acquire(lock_of(resource));
    if (may_share(resource, order) && enter(resource, self())) {
        OBSERVE(order, resource, OBSERVE_ACQUIRE);
        ke_lock_release(lock_of(resource));
        return TRUE;
    }
    if (wait) {
        wait_in(resource, &resource->SharedWaiters, &resource->NumberOfSharedWaiters);
        return TRUE;
    }
    ke_lock_release(lock_of(resource));
    return FALSE;
}

static void release(PERESOURCE resource, ERESOURCE_THREAD thread, void *caller)
{
    struct resource_wait *ready = NULL;
    POWNER_ENTRY entry;

    ke_lock_acquire(lock_of(resource));
    entry = thread ? find(resource, thread) : NULL;
    if (!entry) {
        ke_lock_release(lock_of(resource));
        ke_bug_check_from(RESOURCE_NOT_OWNED, (ULONG_PTR)resource, thread, (ULONG_PTR)resource->OwnerTable, 0,
                          caller);
    }
    OBSERVE(order, resource, OBSERVE_RELEASE);
    if (--entry->OwnerCount == 0) {
        int alone = owned_alone(resource);

        entry->OwnerThread = 0;
        entry->TableSize = 0;
        resource->ActiveCount--;
        resource->ActiveEntries--;
        resource->Flag &= (USHORT)~ResourceOwnedExclusive;
        ready = grant(resource, alone);
    }
    ke_lock_release(lock_of(resource));
    let_go(ready);
    host_point(HOST_POINT_UNLOCK, resource);
}

static void make_new(PERESOURCE resource)
{
    __builtin_memset(resource, 0, sizeof *resource);
    resource->SystemResourcesList.Flink = resource->SystemResourcesList.Blink =
        &resource->SystemResourcesList;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A resource that nobody owns.  STATUS_SUCCESS.  IRQL <= DISPATCH_LEVEL.  (wdm ExInitializeResourceLite) */
NTSTATUS ExInitializeResourceLite(PERESOURCE Resource)
{
    make_new(Resource);
    OBSERVE(born, OBSERVE_RESOURCE, Resource, 0, sizeof *Resource, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

/* Makes an initialised resource, which nobody uses, as good as new.  (wdm ExReinitializeResourceLite) */
NTSTATUS ExReinitializeResourceLite(PERESOURCE Resource)
{
    free_table(Resource);
    make_new(Resource);
    return STATUS_SUCCESS;
}

/* Frees what belongs to it; nobody may own it or wait for it.  IRQL <= DISPATCH_LEVEL.
 * (wdm ExDeleteResourceLite) */
NTSTATUS ExDeleteResourceLite(PERESOURCE Resource)
{
    OBSERVE(dead, OBSERVE_RESOURCE, Resource);
    ke_lock_acquire(lock_of(Resource));
    free_table(Resource);
    ke_lock_release(lock_of(Resource));
    return STATUS_SUCCESS;
}

/* TRUE = the caller owns it alone, once more if it did already; FALSE = it would have to wait and Wait is FALSE.
 * In a critical region, IRQL <= APC_LEVEL.  (wdm ExAcquireResourceExclusiveLite) */
BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE Resource, BOOLEAN Wait)
{
    return acquire_alone(Resource, Wait);
}

/* TRUE = the caller has a share, or one acquisition more of what it owns.  Who has none waits behind those who
 * want it exclusively.  (wdm ExAcquireResourceSharedLite) */
BOOLEAN ExAcquireResourceSharedLite(PERESOURCE Resource, BOOLEAN Wait)
{
    return acquire_shared(Resource, Wait, SHARE_BEHIND_WAITERS);
}

/* The same without regard to those who wait exclusively.  (wdm ExAcquireSharedStarveExclusive) */
BOOLEAN ExAcquireSharedStarveExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
    return acquire_shared(Resource, Wait, SHARE_BEFORE_WAITERS);
}

/* The same behind all who wait exclusively, even for a thread that has a share.
 * (wdm ExAcquireSharedWaitForExclusive) */
BOOLEAN ExAcquireSharedWaitForExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
    return acquire_shared(Resource, Wait, SHARE_BEHIND_WAITERS_ALWAYS);
}

/* Gives one acquisition of the caller back; not an owner: bug check 0xE3.  IRQL <= DISPATCH_LEVEL.
 * (wdm ExReleaseResourceLite) */
VOID ExReleaseResourceLite(PERESOURCE Resource)
{
    release(Resource, self(), __builtin_return_address(0));
}

/* The same for the thread that ExGetCurrentResourceThread named.  (wdm ExReleaseResourceForThreadLite) */
VOID ExReleaseResourceForThreadLite(PERESOURCE Resource, ERESOURCE_THREAD ResourceThreadId)
{
    release(Resource, ResourceThreadId, __builtin_return_address(0));
}

/* The caller, which owns it alone, shares it from now on with all who wait for a share.
 * (wdm ExConvertExclusiveToSharedLite) */
VOID ExConvertExclusiveToSharedLite(PERESOURCE Resource)
{
    struct resource_wait *ready;

    ke_lock_acquire(lock_of(Resource));
    if (!owned_alone(Resource) || Resource->OwnerEntry.OwnerThread != self()) {
        ke_lock_release(lock_of(Resource));
        ke_bug_check_ex(RESOURCE_NOT_OWNED, Resource, self(), Resource->OwnerTable, 0);
    }
    Resource->Flag &= (USHORT)~ResourceOwnedExclusive;
    ready = grant(Resource, 1);
    ke_lock_release(lock_of(Resource));
    let_go(ready);
}

/* TRUE = the caller owns it alone.  (wdm ExIsResourceAcquiredExclusiveLite) */
BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE Resource)
{
    BOOLEAN owner;

    ke_lock_acquire(lock_of(Resource));
    owner = owned_alone(Resource) && Resource->OwnerEntry.OwnerThread == self();
    ke_lock_release(lock_of(Resource));
    return owner;
}

/* How often the caller has acquired it, in any way.  (wdm ExIsResourceAcquiredSharedLite) */
ULONG ExIsResourceAcquiredSharedLite(PERESOURCE Resource)
{
    POWNER_ENTRY entry;
    ULONG count;

    ke_lock_acquire(lock_of(Resource));
    entry = find(Resource, self());
    count = entry ? entry->OwnerCount : 0;
    ke_lock_release(lock_of(Resource));
    return count;
}

/* How many threads wait for it exclusively, and for a share.
 * (wdm ExGetExclusiveWaiterCount, ExGetSharedWaiterCount) */
ULONG ExGetExclusiveWaiterCount(PERESOURCE Resource)
{
    ULONG count;

    ke_lock_acquire(lock_of(Resource));
    count = Resource->NumberOfExclusiveWaiters;
    ke_lock_release(lock_of(Resource));
    return count;
}

ULONG ExGetSharedWaiterCount(PERESOURCE Resource)
{
    ULONG count;

    ke_lock_acquire(lock_of(Resource));
    count = Resource->NumberOfSharedWaiters;
    ke_lock_release(lock_of(Resource));
    return count;
}

/* Enters a critical region, then waits for the resource; what they return says nothing.
 * (ntddk ExEnterCriticalRegionAndAcquireResourceExclusive, ...Shared) */
PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource)
{
    ke_enter_critical_region();
    (void)acquire_alone(Resource, TRUE);
    return ke_current_thread();
}

PVOID ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource)
{
    ke_enter_critical_region();
    (void)acquire_shared(Resource, TRUE, SHARE_BEHIND_WAITERS);
    return ke_current_thread();
}

/* The way back.  (ntddk ExReleaseResourceAndLeaveCriticalRegion) */
VOID ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource)
{
    release(Resource, self(), __builtin_return_address(0));
    ke_leave_critical_region();
}
