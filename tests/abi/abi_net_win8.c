/* abi_net_win8.c - what wsk.h shows a driver that targets NTDDI_VERSION 0x06020000. */
#undef NTDDI_VERSION
#define NTDDI_VERSION 0x06020000
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include "abi_net_version.h"

TEST(wsk_tables_of_win8_end_where_that_version_ends, "R-STRUCT-31")
{
    EXPECT_EQ(NTDDI_VERSION, 0x06020000);
    EXPECT_EQ(sizeof(WSK_PROVIDER_DATAGRAM_DISPATCH), 64);
}
