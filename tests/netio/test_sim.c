/*
 * test_sim.c - in the simulator there is no host to ask, and every function says so.
 */
#include <netioapi.h>

#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "uwsk_test.h"

static void setup(void)
{
    struct ke_config ke = {.processors = 1};

    EXPECT_STATUS(ke_start(&ke), STATUS_SUCCESS);
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
#ifdef __SANITIZE_THREAD__ /* there are no fibers under it */
TEST_MATRIX("threads");
#else
TEST_MATRIX("sim");
#endif

static VOID NTAPI on_route(PVOID context, PMIB_IPFORWARD_ROW2 row, MIB_NOTIFICATION_TYPE type)
{
    (void)context, (void)row, (void)type;
    EXPECT(!"told of a change");
}

TEST(nobody_is_asked_in_the_simulator, "")
{
    MIB_IPFORWARD_ROW2 route;
    SOCKADDR_INET to, from;
    MIB_IF_ROW2 row;
    PVOID table;
    HANDLE handle;

    if (!test_mode_has("sim"))
        return;
    RtlZeroMemory(&row, sizeof row);
    RtlZeroMemory(&to, sizeof to);
    row.InterfaceIndex = 1;
    to.si_family = AF_INET;
    EXPECT_STATUS(GetIfEntry2(&row), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(GetIfTable2((PVOID)&table), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(GetIpInterfaceTable(AF_UNSPEC, (PVOID)&table), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(GetUnicastIpAddressTable(AF_UNSPEC, (PVOID)&table), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(GetIpForwardTable2(AF_UNSPEC, (PVOID)&table), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(GetBestRoute2(NULL, 0, NULL, &to, 0, &route, &from), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(NotifyRouteChange2(AF_UNSPEC, on_route, NULL, TRUE, &handle), STATUS_NOT_SUPPORTED);
}
