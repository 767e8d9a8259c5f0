/* abi_net_vista.c - what wsk.h shows a driver that targets NTDDI_VERSION 0x06000000. */
#undef NTDDI_VERSION
#define NTDDI_VERSION 0x06000000
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0600
#include "abi_net_version.h"

TEST(wsk_tables_of_vista_end_where_that_version_ends, "R-STRUCT-31")
{
    EXPECT_EQ(NTDDI_VERSION, 0x06000000);
    EXPECT_EQ(sizeof(WSK_PROVIDER_DATAGRAM_DISPATCH), 56);
}
