/*
 * notify.c - NotifyRouteChange2, NotifyUnicastIpAddressChange, NotifyIpInterfaceChange, CancelMibChangeNotify2.
 *
 * A registration is a thread of its own with a watch of the host's network and the table as it was told last. When
 * something may have changed the table is read anew, and what differs is told: so nothing is missed when the host
 * loses messages, and what comes and goes between two looks is not told at all. The watch is opened before the first
 * table is read, and both before the registration returns: what happens after that is told.
 *
 * A registration is freed by whoever cancels it, when the thread has ended; cancelled by its own callback, by the
 * thread itself. Taken off the list under the lock, it is cancelled once.
 */
#include "netio.h"
#include "nt/ke/ke.h"
#include "nt/ob/ob.h"
#include "nt/ps/ps.h"
#include "nt/rtl/call.h"

#define NETIO_TAG_NOTIFY 'NbiM'

/* The three tables. */
struct subject {
    const char *name;
    ULONG row_bytes;
    NTSTATUS (*read)(struct netio_table *table, ADDRESS_FAMILY family);
    int (*compare)(const void *a, const void *b); /* 0: rows of the same thing */
    BOOLEAN (*changed)(const void *a, const void *b);
};

typedef VOID NTAPI change_callback(PVOID context, PVOID row, MIB_NOTIFICATION_TYPE type);

struct registration {
    LIST_ENTRY link;
    HANDLE handle; /* NULL until it has everything */
    const struct subject *subject;
    change_callback *callback;
    PVOID context;
    struct netio_table told;
    struct host_net_watch *watch;
    struct ke_thread *thread; /* a reference */
    KEVENT go;                /* whoever registers is done with it */
    ADDRESS_FAMILY family;
    BOOLEAN initial;
    uint32_t cancelled; /* atomic: no callback any more */
    BOOLEAN own;        /* cancelled by its callback, so by its thread */
};

static struct ke_lock lock;
static LIST_ENTRY registrations = {&registrations, &registrations};
static ULONG64 last_handle; /* atomic */

/* ---- what has changed ------------------------------------------------------------------------------------ */

/* What runs down by itself, or is reckoned anew at each look, is no change. */
static BOOLEAN address_changed(const void *a, const void *b)
{
    const MIB_UNICASTIPADDRESS_ROW *one = a, *two = b;

    return one->OnLinkPrefixLength != two->OnLinkPrefixLength || one->DadState != two->DadState ||
           one->PrefixOrigin != two->PrefixOrigin || one->SuffixOrigin != two->SuffixOrigin ||
           (one->ValidLifetime == 0xFFFFFFFF) != (two->ValidLifetime == 0xFFFFFFFF);
}

static BOOLEAN route_changed(const void *a, const void *b)
{
    const MIB_IPFORWARD_ROW2 *one = a, *two = b;

    return one->Protocol != two->Protocol || one->Immortal != two->Immortal || one->Loopback != two->Loopback;
}

/* Linux draws the reachable time of IPv6 anew every few minutes. */
static BOOLEAN interface_changed(const void *a, const void *b)
{
    MIB_IPINTERFACE_ROW one, two;

    RtlCopyMemory(&one, a, sizeof one);
    RtlCopyMemory(&two, b, sizeof two);
    one.BaseReachableTime = two.BaseReachableTime = 0;
    one.ReachableTime = two.ReachableTime = 0;
    return memcmp(&one, &two, sizeof one) != 0; /* they were zeroed: no byte is undefined */
}

static const struct subject routes = {"NotifyRouteChange2 callback", sizeof(MIB_IPFORWARD_ROW2),
                                      netio_read_routes, netio_compare_routes, route_changed};
static const struct subject addresses = {"NotifyUnicastIpAddressChange callback",
                                         sizeof(MIB_UNICASTIPADDRESS_ROW), netio_read_addresses,
                                         netio_compare_addresses, address_changed};
static const struct subject interfaces = {"NotifyIpInterfaceChange callback", sizeof(MIB_IPINTERFACE_ROW),
                                          netio_read_ip_interfaces, netio_compare_ip_interfaces,
                                          interface_changed};

static void tell(struct registration *registration, PVOID row, MIB_NOTIFICATION_TYPE type)
{
    if (__atomic_load_n(&registration->cancelled, __ATOMIC_ACQUIRE))
        return;
    RTL_CALL(OBSERVE_CALLBACK, registration->handle, registration->subject->name, registration->callback,
             registration->callback(registration->context, row, type));
}

/* Both tables are in order: one walk through both. */
static void tell_differences(struct registration *registration, const struct netio_table *now)
{
    const struct subject *subject = registration->subject;
    const struct netio_table *then = &registration->told;

    for (ULONG i = 0, k = 0; i < then->count || k < now->count;) {
        void *old = i < then->count ? netio_table_row(then, i) : NULL;
        void *new = k < now->count ? netio_table_row(now, k) : NULL;
        int order = !old ? 1 : !new ? -1 : subject->compare(old, new);

        if (order < 0)
            tell(registration, old, MibDeleteInstance);
        else if (order > 0)
            tell(registration, new, MibAddInstance);
        else if (subject->changed(old, new))
            tell(registration, new, MibParameterNotification);
        i += order <= 0;
        k += order >= 0;
    }
}

static NTSTATUS read(const struct registration *registration, struct netio_table *table)
{
    NTSTATUS status;

    RtlZeroMemory(table, sizeof *table);
    table->row_bytes = registration->subject->row_bytes;
    status = registration->subject->read(table, registration->family);
    if (NT_SUCCESS(status))
        netio_table_sort(table, registration->subject->compare);
    else
        netio_table_free(table);
    return status;
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void free_registration(struct registration *registration)
{
    if (registration->handle)
        OBSERVE(dead, OBSERVE_REGISTRATION, registration->handle);
    if (registration->thread)
        ob_dereference_object(registration->thread);
    host_net_watch_close(registration->watch);
    netio_table_free(&registration->told);
    ex_free_pool(registration);
}

static VOID NTAPI watch(PVOID context)
{
    struct registration *registration = context;

    ke_wait_for_single_object(&registration->go, Executive, KernelMode, FALSE, NULL);
    if (registration->initial)
        tell(registration, NULL, MibInitialNotification);
    while (!registration->own && host_net_watch_wait(registration->watch) == 0) {
        struct netio_table now;

        /* With no memory for a look the next change is the next try. */
        if (!NT_SUCCESS(read(registration, &now)))
            continue;
        tell_differences(registration, &now);
        netio_table_free(&registration->told);
        registration->told = now;
    }
    if (registration->own)
        free_registration(registration);
}

/* ---- registering and cancelling -------------------------------------------------------------------------- */

static NTSTATUS notify(const struct subject *subject, ADDRESS_FAMILY family, PVOID callback, PVOID context,
                       BOOLEAN initial, HANDLE *handle, void *caller)
{
    struct registration *registration;
    NTSTATUS status;
    int error;

    if (handle == NULL || callback == NULL || !netio_is_family(family))
        return STATUS_INVALID_PARAMETER;
    *handle = NULL;
    registration = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *registration, NETIO_TAG_NOTIFY);
    if (registration == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    registration->subject = subject;
    registration->callback = (change_callback *)callback;
    registration->context = context;
    registration->family = family;
    registration->initial = initial;
    ke_initialize_event(&registration->go, NotificationEvent, FALSE);
    registration->watch = host_net_watch_open(&error);
    if (registration->watch == NULL) {
        ex_free_pool(registration);
        return netio_status(error);
    }
    status = read(registration, &registration->told);
    if (NT_SUCCESS(status))
        status = ps_create_runtime_thread("network changes", watch, registration, &registration->thread);
    if (!NT_SUCCESS(status)) {
        free_registration(registration);
        return status;
    }
    registration->handle = (HANDLE)(ULONG_PTR)(__atomic_add_fetch(&last_handle, 1, __ATOMIC_RELAXED) * 8);
    OBSERVE(born, OBSERVE_REGISTRATION, registration->handle, NETIO_TAG_NOTIFY, sizeof *registration, caller);
    *handle = registration->handle; /* before the first callback, which may cancel */
    ke_lock_acquire(&lock);
    InsertTailList(&registrations, &registration->link);
    ke_lock_release(&lock);
    ke_set_event(&registration->go, IO_NO_INCREMENT, FALSE); /* from here on it may be cancelled and gone */
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI NotifyRouteChange2(ADDRESS_FAMILY AddressFamily, PIPFORWARD_CHANGE_CALLBACK Callback,
                                  PVOID CallerContext, BOOLEAN InitialNotification,
                                  HANDLE *NotificationHandle)
{
    return notify(&routes, AddressFamily, (PVOID)Callback, CallerContext, InitialNotification,
                  NotificationHandle, __builtin_return_address(0));
}

NTSTATUS NTAPI NotifyUnicastIpAddressChange(ADDRESS_FAMILY Family,
                                            PUNICAST_IPADDRESS_CHANGE_CALLBACK Callback, PVOID CallerContext,
                                            BOOLEAN InitialNotification, HANDLE *NotificationHandle)
{
    return notify(&addresses, Family, (PVOID)Callback, CallerContext, InitialNotification, NotificationHandle,
                  __builtin_return_address(0));
}

NTSTATUS NTAPI NotifyIpInterfaceChange(ADDRESS_FAMILY Family, PIPINTERFACE_CHANGE_CALLBACK Callback,
                                       PVOID CallerContext, BOOLEAN InitialNotification,
                                       HANDLE *NotificationHandle)
{
    return notify(&interfaces, Family, (PVOID)Callback, CallerContext, InitialNotification,
                  NotificationHandle, __builtin_return_address(0));
}

/* Takes the registration off the list; NULL: no such handle, or somebody else has cancelled it. */
static struct registration *take(HANDLE handle)
{
    struct registration *found = NULL;

    ke_lock_acquire(&lock);
    for (PLIST_ENTRY link = registrations.Flink; link != &registrations && !found; link = link->Flink) {
        struct registration *registration = CONTAINING_RECORD(link, struct registration, link);

        if (registration->handle == handle)
            found = registration;
    }
    if (found)
        RemoveEntryList(&found->link);
    ke_lock_release(&lock);
    return found;
}

NTSTATUS NTAPI CancelMibChangeNotify2(HANDLE NotificationHandle)
{
    struct registration *registration = take(NotificationHandle);

    if (registration == NULL)
        return STATUS_INVALID_PARAMETER;
    __atomic_store_n(&registration->cancelled, 1, __ATOMIC_RELEASE);
    if (registration->thread == ke_current_thread()) {
        registration->own = TRUE;
        return STATUS_SUCCESS;
    }
    host_net_watch_shut(registration->watch);
    ke_wait_for_single_object(registration->thread, Executive, KernelMode, FALSE, NULL);
    free_registration(registration);
    return STATUS_SUCCESS;
}
