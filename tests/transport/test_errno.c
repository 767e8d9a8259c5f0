/* The table from errno to NTSTATUS: the results that rules name, and no errno left without one. */
#include "uwsk_test.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <ntstatus.h>

TEST(errno_table, "")
{
    EXPECT_STATUS(transport_errno_status(0), STATUS_SUCCESS);
    EXPECT_STATUS(transport_errno_status(ECONNREFUSED), STATUS_CONNECTION_REFUSED);
    EXPECT_STATUS(transport_errno_status(ECONNRESET), STATUS_CONNECTION_RESET);
    EXPECT_STATUS(transport_errno_status(ECONNABORTED), STATUS_CONNECTION_ABORTED);
    EXPECT_STATUS(transport_errno_status(ETIMEDOUT), STATUS_IO_TIMEOUT);
    EXPECT_STATUS(transport_errno_status(EADDRINUSE), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(transport_errno_status(EADDRNOTAVAIL), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(transport_errno_status(ENETUNREACH), STATUS_NETWORK_UNREACHABLE);
    EXPECT_STATUS(transport_errno_status(EHOSTUNREACH), STATUS_HOST_UNREACHABLE);
    EXPECT_STATUS(transport_errno_status(EACCES), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(transport_errno_status(EPERM), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(transport_errno_status(ENOBUFS), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(transport_errno_status(ENOMEM), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(transport_errno_status(EMFILE), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(transport_errno_status(99999), STATUS_UNSUCCESSFUL);
    for (int error = 1; error < 200; error++) {
        /* No failure may look like success or like pending to the caller. */
        EXPECT(transport_errno_status(error) < 0);
        if (transport_errno_is_fatal(error))
            EXPECT(transport_errno_status(error) != STATUS_UNSUCCESSFUL);
    }
    EXPECT(transport_errno_is_fatal(ECONNRESET));
    EXPECT(!transport_errno_is_fatal(ENOBUFS));
    EXPECT(!transport_errno_is_fatal(EFAULT));
    EXPECT(!transport_errno_is_fatal(EINVAL));
}
