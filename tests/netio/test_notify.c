/*
 * test_notify.c - being told of changes.
 *
 * Strategy: a network of the test's own is changed by netlink; the callback counts what names the thing that was
 * changed, and the test waits until it has been told.
 */
#include <netioapi.h>

#include "net_host.h"
#include "nt/ex/ex.h"
#include "nt/ke/internal.h"
#include "nt/ke/ke.h"
#include "uwsk_test.h"

static BOOLEAN skipped;
static ULONG one;

static struct seen {
    volatile LONG initial, added, deleted, changed, running, late;
    BOOLEAN cancel, block;
    NTSTATUS cancelled;
    HANDLE handle;
    KEVENT inside, leave;
    volatile LONG over;
} seen;

static void setup(void)
{
    struct ke_config ke = {.processors = 1};

    skipped = net_own() != 0 || net_pair("one", "two") != 0;
    if (skipped)
        TEST_NOTE("skipped: no network of its own, or no veth, is allowed here");
    one = net_index("one");
    EXPECT_STATUS(ke_start(&ke), STATUS_SUCCESS);
    ke_initialize_event(&seen.inside, NotificationEvent, FALSE);
    ke_initialize_event(&seen.leave, NotificationEvent, FALSE);
    seen.cancelled = STATUS_PENDING;
}

static void teardown(void)
{
    SIZE_T blocks, bytes;

    ex_workers_shutdown();
    ke_stop();
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

TEST_FIXTURE(setup, teardown);

static BOOLEAN is(const SOCKADDR_INET *address, const char *text)
{
    UCHAR bytes[16];

    return net_bytes(text, bytes) == 4 && address->si_family == AF_INET &&
           RtlEqualMemory(&address->Ipv4.sin_addr, bytes, 4);
}

static void note(struct seen *to, BOOLEAN mine, MIB_NOTIFICATION_TYPE type)
{
    EXPECT_EQ(InterlockedIncrement(&to->running), 1);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    if (ReadAcquire(&to->over))
        InterlockedIncrement(&to->late);
    if (type == MibInitialNotification)
        InterlockedIncrement(&to->initial);
    else if (mine)
        InterlockedIncrement(type == MibAddInstance      ? &to->added
                             : type == MibDeleteInstance ? &to->deleted
                                                         : &to->changed);
    if (mine && to->block) {
        KeSetEvent(&to->inside, 0, FALSE);
        KeWaitForSingleObject(&to->leave, Executive, KernelMode, FALSE, NULL);
    }
    if (mine && to->cancel)
        to->cancelled = CancelMibChangeNotify2(to->handle);
    InterlockedDecrement(&to->running);
    if (mine && to->cancel)
        KeSetEvent(&to->inside, 0, FALSE);
}

static VOID NTAPI on_address(PVOID context, PMIB_UNICASTIPADDRESS_ROW row, MIB_NOTIFICATION_TYPE type)
{
    EXPECT_EQ(row == NULL, type == MibInitialNotification);
    note(context, row != NULL && is(&row->Address, "10.1.0.1"), type);
}

static VOID NTAPI on_route(PVOID context, PMIB_IPFORWARD_ROW2 row, MIB_NOTIFICATION_TYPE type)
{
    EXPECT_EQ(row == NULL, type == MibInitialNotification);
    note(context, row != NULL && is(&row->DestinationPrefix.Prefix, "10.77.0.0"), type);
}

static VOID NTAPI on_interface(PVOID context, PMIB_IPINTERFACE_ROW row, MIB_NOTIFICATION_TYPE type)
{
    EXPECT_EQ(row == NULL, type == MibInitialNotification);
    note(context, row != NULL && row->InterfaceIndex == one, type);
}

TEST(addresses_that_come_and_go_are_told, "")
{
    static struct seen other;

    if (skipped)
        return;
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_INET, on_address, &seen, TRUE, &seen.handle),
                  STATUS_SUCCESS);
    EXPECT_SOON(ReadAcquire(&seen.initial) == 1);
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_SOON(ReadAcquire(&seen.added) == 1);
    EXPECT_EQ(net_address(0, one, "10.1.0.1", 24), 0);
    EXPECT_SOON(ReadAcquire(&seen.deleted) == 1);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
    InterlockedExchange(&seen.over, 1);
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_INET, on_address, &other, FALSE, &other.handle),
                  STATUS_SUCCESS);
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_SOON(ReadAcquire(&other.added) == 1); /* so it has been told, but not to the first */
    EXPECT_EQ(ReadAcquire(&seen.initial), 1);
    EXPECT_EQ(ReadAcquire(&seen.added), 1);
    EXPECT_EQ(ReadAcquire(&seen.changed), 0);
    EXPECT_EQ(ReadAcquire(&seen.late), 0);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CancelMibChangeNotify2(other.handle), STATUS_SUCCESS);
}

TEST(routes_that_come_and_go_are_told, "")
{
    if (skipped)
        return;
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_STATUS(NotifyRouteChange2(AF_UNSPEC, on_route, &seen, FALSE, &seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(net_route(1, one, "10.77.0.0", 16, "10.1.0.2", 7), 0);
    EXPECT_SOON(ReadAcquire(&seen.added) == 1);
    EXPECT_EQ(net_route(0, one, "10.77.0.0", 16, "10.1.0.2", 7), 0);
    EXPECT_SOON(ReadAcquire(&seen.deleted) == 1);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&seen.initial), 0);
}

TEST(an_interface_that_goes_down_has_changed, "")
{
    if (skipped)
        return;
    EXPECT_STATUS(NotifyIpInterfaceChange(AF_INET, on_interface, &seen, FALSE, &seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(net_link_up(one, 0), 0);
    EXPECT_SOON(ReadAcquire(&seen.changed) + ReadAcquire(&seen.deleted) >= 1);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
}

static MIB_IPINTERFACE_ROW before; /* of `one` */
static ULONG three;
static volatile LONG same; /* told although nothing but the reachable time differs */

static VOID NTAPI on_times(PVOID context, PMIB_IPINTERFACE_ROW row, MIB_NOTIFICATION_TYPE type)
{
    if (row != NULL && row->InterfaceIndex == one) {
        MIB_IPINTERFACE_ROW now;

        RtlCopyMemory(&now, row, sizeof now);
        now.BaseReachableTime = before.BaseReachableTime;
        now.ReachableTime = before.ReachableTime;
        if (RtlEqualMemory(&now, &before, sizeof now))
            InterlockedIncrement(&same);
    }
    note(context, row != NULL && row->InterfaceIndex == three, type);
}

static BOOLEAN read_six(ULONG index, MIB_IPINTERFACE_ROW *row)
{
    RtlZeroMemory(row, sizeof *row);
    row->Family = AF_INET6;
    row->InterfaceIndex = index;
    return NT_SUCCESS(GetIpInterfaceEntry(row));
}

TEST(a_reachable_time_that_is_drawn_anew_is_no_change, "")
{
    MIB_IPINTERFACE_ROW after;

    if (skipped)
        return;
    EXPECT_EQ(net_pair("three", "four"), 0);
    three = net_index("three");
    EXPECT(three > one); /* it is told of in this order */
    if (!read_six(one, &before)) {
        TEST_NOTE("skipped: no IPv6 here");
        return;
    }
    EXPECT_SOON(read_six(three, &after) && after.Connected);
    EXPECT_SOON(read_six(one, &before) && before.Connected);
    EXPECT_STATUS(NotifyIpInterfaceChange(AF_INET6, on_times, &seen, FALSE, &seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(net_reachable(one, 600000), 0);
    EXPECT(read_six(one, &after));
    EXPECT(after.ReachableTime != before.ReachableTime);
    EXPECT_EQ(net_link_up(three, 0), 0);
    EXPECT_SOON(ReadAcquire(&seen.changed) + ReadAcquire(&seen.deleted) >= 1);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&same), 0);
}

static VOID NTAPI cancel_main(PVOID context)
{
    (void)context;
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&seen.running), 0);
    InterlockedExchange(&seen.over, 1);
}

TEST(cancelling_waits_for_the_callback, "")
{
    LARGE_INTEGER soon = {.QuadPart = -100 * 10000LL}; /* 100 ms */
    HANDLE thread;
    PVOID object;

    if (skipped)
        return;
    seen.block = TRUE;
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_INET, on_address, &seen, FALSE, &seen.handle),
                  STATUS_SUCCESS);
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_STATUS(KeWaitForSingleObject(&seen.inside, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, cancel_main, NULL),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ObReferenceObjectByHandle(thread, 0, *PsThreadType, KernelMode, &object, NULL),
                  STATUS_SUCCESS);
    EXPECT_EQ(net_address(0, one, "10.1.0.1", 24), 0);
    /* It waits as long as the callback is inside. */
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &soon), STATUS_TIMEOUT);
    EXPECT_EQ(ReadAcquire(&seen.over), 0);
    KeSetEvent(&seen.leave, 0, FALSE);
    EXPECT_STATUS(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&seen.over), 1);
    EXPECT_EQ(ReadAcquire(&seen.running), 0);
    EXPECT_EQ(ReadAcquire(&seen.late), 0);
    ObDereferenceObject(object);
    ZwClose(thread);
}

TEST(a_callback_may_cancel_itself, "")
{
    if (skipped)
        return;
    seen.cancel = TRUE;
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_INET, on_address, &seen, FALSE, &seen.handle),
                  STATUS_SUCCESS);
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_STATUS(KeWaitForSingleObject(&seen.inside, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(seen.cancelled, STATUS_SUCCESS);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(net_address(0, one, "10.1.0.1", 24), 0);
    EXPECT_EQ(ReadAcquire(&seen.added), 1);
    EXPECT_EQ(ReadAcquire(&seen.deleted), 0);
}

TEST(registrations_do_not_disturb_each_other, "")
{
    static struct seen other;

    if (skipped)
        return;
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_UNSPEC, on_address, &seen, FALSE, &seen.handle),
                  STATUS_SUCCESS);
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_INET, on_address, &other, FALSE, &other.handle),
                  STATUS_SUCCESS);
    EXPECT(seen.handle != other.handle);
    EXPECT_STATUS(CancelMibChangeNotify2(seen.handle), STATUS_SUCCESS);
    EXPECT_EQ(net_address(1, one, "10.1.0.1", 24), 0);
    EXPECT_SOON(ReadAcquire(&other.added) == 1);
    EXPECT_EQ(ReadAcquire(&seen.added), 0);
    EXPECT_STATUS(CancelMibChangeNotify2(other.handle), STATUS_SUCCESS);
}

TEST(bad_registrations_are_refused, "")
{
    HANDLE handle;

    EXPECT_STATUS(NotifyRouteChange2(AF_IPX, on_route, &seen, FALSE, &handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NotifyRouteChange2(AF_INET, NULL, &seen, FALSE, &handle), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NotifyRouteChange2(AF_INET, on_route, &seen, FALSE, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NotifyUnicastIpAddressChange(AF_IPX, on_address, &seen, FALSE, &handle),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NotifyIpInterfaceChange(AF_IPX, on_interface, &seen, FALSE, &handle),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CancelMibChangeNotify2(NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(CancelMibChangeNotify2((HANDLE)(ULONG_PTR)80), STATUS_INVALID_PARAMETER);
}
