/*
 * test_addresses.c - WskGetLocalAddress and WskGetRemoteAddress: in which states, and how much they write.
 */
#include "line.h"

WT_FIXTURE;

/* Status of a query; what it wrote is in *out, the rest of which keeps its 0xcc. */
static NTSTATUS query(PWSK_SOCKET socket, int kind, SOCKADDR_STORAGE *out)
{
    NTSTATUS status;
    struct wt_op op;

    RtlFillMemory(out, sizeof *out, 0xcc);
    wt_op_init(&op);
    switch (kind) {
    case 0:
        wt_returned(&op, wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)out, op.irp));
        break;
    case 1:
        wt_returned(&op, wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)out, op.irp));
        break;
    default:
        wt_returned(&op, wt_listen(socket)->WskGetLocalAddress(socket, (PSOCKADDR)out, op.irp));
        break;
    }
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

static void exactly(const SOCKADDR_STORAGE *address, ADDRESS_FAMILY family)
{
    SIZE_T at;

    EXPECT_EQ(address->ss_family, family);
    for (at = family == AF_INET ? 16 : 28; at < sizeof *address; at++)
        EXPECT_EQ(((const UCHAR *)address)[at], 0xcc); /* D-20 */
}

TEST(addresses_in_every_state,
     "R-LADDR-03 R-LADDR-04 R-LADDR-07 R-LADDR-08 R-RADDR-03 R-RADDR-04 R-RADDR-06 D-20 "
     "R-SCON-07 D-02")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_open(families[i], WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        PWSK_SOCKET listener = wt_open(families[i], WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
        int port = 0, foreign = peer_listen(families[i], &port), peer;
        SOCKADDR_STORAGE address, local, remote;
        struct wt_op op;

        EXPECT_STATUS(query(socket, 0, &local), STATUS_INVALID_DEVICE_STATE); /* unbound */
        EXPECT_EQ(((UCHAR *)&local)[0], 0xcc);
        EXPECT_STATUS(query(socket, 1, &remote), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(query(listener, 2, &local), STATUS_INVALID_DEVICE_STATE);
        wt_op_init(&op);
        wt_bind(socket, &op, wt_loopback(&address, families[i], 0));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_again(&op);
        wt_bind(listener, &op, wt_any(&address, families[i], 0));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_STATUS(query(socket, 0, &local), STATUS_SUCCESS);
        exactly(&local, families[i]);
        EXPECT(wt_port(&local) != 0);
        EXPECT_STATUS(query(socket, 1, &remote), STATUS_INVALID_DEVICE_STATE); /* bound, not connected */
        EXPECT_STATUS(query(listener, 2, &address), STATUS_SUCCESS);
        exactly(&address, families[i]);
        EXPECT(wt_port(&address) != 0);
        wt_again(&op);
        wt_connect(socket, &op, wt_loopback(&address, families[i], port));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        peer = peer_accept(foreign);
        EXPECT_STATUS(query(socket, 0, &address), STATUS_SUCCESS);
        EXPECT_EQ(wt_port(&address), wt_port(&local)); /* the port is the one of the bind */
        EXPECT_STATUS(query(socket, 1, &remote), STATUS_SUCCESS);
        exactly(&remote, families[i]);
        EXPECT_EQ(wt_port(&remote), port);
        peer_reset(peer); /* a dead connection still knows both */
        EXPECT_EQ(wt_port(&remote), port);
        EXPECT_STATUS(query(socket, 1, &remote), STATUS_SUCCESS);
        EXPECT_STATUS(query(socket, 0, &local), STATUS_SUCCESS);
        EXPECT_EQ(wt_port(&local), wt_port(&address));
        wt_op_free(&op);
        wt_close_now(socket);
        wt_close_now(listener);
        peer_close(foreign);
    }
}

TEST(address_queries_that_are_wrong, "R-LADDR-08 R-RADDR-06 W-04 D-01")
{
    struct line line;
    struct wt_op op;
    SOCKADDR_STORAGE address;

    line_open(&line, AF_INET, 0);
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, wt_connection(line.socket)->WskGetLocalAddress(line.socket, NULL, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_connection(line.socket)->WskGetRemoteAddress(line.socket, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(line.socket)->WskGetLocalAddress(line.socket, (PSOCKADDR)&address, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(line.socket)->WskGetRemoteAddress(line.socket, (PSOCKADDR)&address, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    line_close(&line);
}
