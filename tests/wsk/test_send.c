/*
 * test_send.c - WskSend: what it sends, when it completes, what it refuses.
 *
 * Strategy: patterns whose every byte tells its place in the stream go through MDL chains of odd pieces; the
 * peer is a plain socket that reads slowly, not at all, or resets.
 */
#include "line.h"

WT_DATA_FIXTURE;

#define CHUNK (64 * 1024)

static void peer_expects(int peer, SIZE_T length, ULONG seed)
{
    static UCHAR bytes[CHUNK];
    SIZE_T at, part;

    for (at = 0; at < length; at += part) {
        part = min(length - at, sizeof bytes);
        peer_receive_all(peer, bytes, part);
        line_expect(bytes, part, seed, at);
    }
}

/* Fills the connection until nothing more goes: then a send is pending with certainty. */
static void block(PWSK_SOCKET socket, struct wt_op *op, struct wt_buffer *buffer)
{
    wt_buffer_init(buffer, 16 * 1024 * 1024);
    line_fill(buffer->bytes, buffer->size, 1, 0);
    wt_op_init(op);
    EXPECT_STATUS(wt_send(socket, op, &buffer->buf, 0), STATUS_PENDING);
}

static PWSK_SOCKET connected(int *peer)
{
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, peer);

    peer_set_rcvbuf(*peer, 8192);
    return socket;
}

TEST(send_reports_its_bytes, "R-SEND-05 R-SEND-06 C-DATA-01 C-DATA-02 C-IRP-18 C-IRP-20 R-BUF-06 D-04 W-01")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    static const SIZE_T sizes[] = {1, 2, 3, 1000, 65537};
    unsigned i, j;

    for (i = 0; i < 2; i++) {
        int peer;
        PWSK_SOCKET socket = i == 0 ? wt_connected(families[i], NULL, NULL, &peer)
                                    : wt_accepted(families[i], NULL, NULL, &peer);

        for (j = 0; j < RTL_NUMBER_OF(sizes); j++) {
            struct wt_buffer buffer;
            struct wt_op op;

            wt_buffer_init(&buffer, sizes[j]);
            line_fill(buffer.bytes, buffer.size, j, 0);
            wt_op_init(&op);
            if (wt_send(socket, &op, &buffer.buf, 0) != STATUS_PENDING)
                EXPECT(test_mode_has("inline")); /* D-04: pends even when it could finish at once */
            peer_expects(peer, sizes[j], j);
            EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
            EXPECT_EQ(op.information, sizes[j]);
            wt_op_free(&op);
            wt_buffer_free(&buffer);
        }
        wt_close_now(socket);
        peer_close(peer);
    }
}

TEST(chains_of_odd_pieces_are_sent_whole, "R-BUF-03 R-BUF-06 H-02 D-11 C-IRP-23")
{
    static const SIZE_T pieces[] = {1, 3, 7, 4093};
    PWSK_SOCKET socket;
    unsigned i;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    for (i = 0; i < RTL_NUMBER_OF(pieces) - (test_mode_has("onebyte") ? 1 : 0); i++) {
        SIZE_T size = pieces[i] * 300 + 1, offset = pieces[i] - 1; /* the offset lies in the first MDL */
        struct wt_buffer buffer;
        PMDL empty, second;
        struct wt_op op;

        wt_buffer_chain(&buffer, size, pieces[i]);
        line_fill(buffer.bytes + offset, size - offset, i, 0);
        /* An MDL of no bytes in the middle of the chain. */
        empty = IoAllocateMdl(buffer.bytes, 0, FALSE, FALSE, NULL);
        EXPECT(empty != NULL);
        MmBuildMdlForNonPagedPool(empty);
        second = buffer.mdl->Next;
        empty->Next = second;
        buffer.mdl->Next = empty;
        {
            WSK_BUF buf = {buffer.mdl, (ULONG)offset, size - offset};

            wt_op_init(&op);
            wt_send(socket, &op, &buf, 0);
            RtlFillMemory(&buf, sizeof buf, 0xee); /* copied: D-11 */
        }
        peer_expects(peer, size - offset, i);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, size - offset);
        wt_op_free(&op);
        wt_buffer_free(&buffer);
    }
    wt_close_now(socket);
    peer_close(peer);
}

TEST(less_than_the_chain_is_sent, "R-BUF-06 R-BUF-03")
{
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&buffer, 100, 10);
    line_fill(buffer.bytes + 5, 50, 3, 0);
    buffer.buf.Offset = 5;
    buffer.buf.Length = 50;
    wt_op_init(&op);
    wt_send(socket, &op, &buffer.buf, WSK_FLAG_NODELAY);
    peer_expects(peer, 50, 3);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 50);
    peer_expect_silence(peer, 20);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(several_sends_go_out_in_order, "D-06 C-IRP-22 C-DATA-18 R-SEND-05")
{
    enum { COUNT = 24 };
    struct wt_buffer buffers[COUNT];
    struct wt_op ops[COUNT];
    SIZE_T total = 0, i;
    PWSK_SOCKET socket;
    int peer;

    socket = connected(&peer);
    for (i = 0; i < COUNT; i++) {
        wt_buffer_chain(&buffers[i], 1 + i * 997 % 5000, 1 + i * 31 % 700);
        line_fill(buffers[i].bytes, buffers[i].size, 9, total);
        total += buffers[i].size;
        wt_op_init(&ops[i]);
    }
    for (i = 0; i < COUNT; i++)
        wt_send(socket, &ops[i], &buffers[i].buf, i % 3 == 0 ? WSK_FLAG_NODELAY : 0);
    peer_expects(peer, total, 9);
    for (i = 0; i < COUNT; i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
        EXPECT_EQ(ops[i].information, buffers[i].size);
        if (i != 0)
            EXPECT(ops[i].order > ops[i - 1].order);
    }
    for (i = 0; i < COUNT; i++) {
        wt_op_free(&ops[i]);
        wt_buffer_free(&buffers[i]);
    }
    wt_close_now(socket);
    peer_close(peer);
}

TEST(large_transfers_keep_their_bytes, "R-SEND-06 R-BUF-03 C-IRP-23", TEST_TIMEOUT(60))
{
    SIZE_T size = test_mode_has("onebyte") ? 64 * 1024 : 8 * 1024 * 1024;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&buffer, size, 65521);
    line_fill(buffer.bytes, size, 4, 0);
    wt_op_init(&op);
    wt_send(socket, &op, &buffer.buf, 0);
    peer_expects(peer, size, 4);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, size);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(a_send_of_nothing, "R-BUF-05 R-BUF-06 R-SEND-05")
{
    WSK_BUF nothing = {NULL, 0xdeadbeef, 0}; /* without an MDL the offset means nothing */
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&op);
    wt_send(socket, &op, &nothing, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_buffer_init(&buffer, 4);
    buffer.buf.Length = 0;
    wt_again(&op);
    wt_send(socket, &op, &buffer.buf, WSK_FLAG_NODELAY);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    peer_expect_silence(peer, 20);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(a_send_into_a_closed_window_waits, "R-SEND-06 C-IRP-22", TEST_TIMEOUT(60))
{
    struct wt_buffer buffer, small;
    struct wt_op op, behind;
    PWSK_SOCKET socket;
    int peer;

    if (test_mode_has("onebyte"))
        return; /* megabytes in one-byte segments are the other tests' matter */
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    block(socket, &op, &buffer);
    wt_buffer_init(&small, 10);
    line_fill(small.bytes, 10, 1, buffer.size);
    wt_op_init(&behind);
    EXPECT_STATUS(wt_send(socket, &behind, &small.buf, WSK_FLAG_NODELAY), STATUS_PENDING);
    test_sleep_ms(50);
    EXPECT(!wt_is_done(&op) && !wt_is_done(&behind));
    peer_expects(peer, buffer.size + 10, 1);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, buffer.size);
    EXPECT_STATUS(wt_wait(&behind), STATUS_SUCCESS);
    EXPECT_EQ(behind.information, 10);
    EXPECT(op.order < behind.order);
    wt_op_free(&op);
    wt_op_free(&behind);
    wt_buffer_free(&buffer);
    wt_buffer_free(&small);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(sends_are_cancelled, "D-16 K-CANCEL-01 C-IRP-01")
{
    struct wt_buffer buffer, small;
    struct wt_op op, behind;
    PWSK_SOCKET socket;
    int peer;

    socket = connected(&peer);
    block(socket, &op, &buffer);
    wt_buffer_init(&small, 10);
    wt_op_init(&behind);
    EXPECT_STATUS(wt_send(socket, &behind, &small.buf, 0), STATUS_PENDING);
    EXPECT(IoCancelIrp(behind.irp)); /* nothing of it was sent */
    EXPECT_STATUS(wt_wait(&behind), STATUS_CANCELLED);
    EXPECT_EQ(behind.information, 0);
    EXPECT(!wt_is_done(&op));
    EXPECT(IoCancelIrp(op.irp)); /* a part of it was */
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_op_free(&behind);
    wt_close_now(socket);
    peer_drain_to_reset(peer);
    peer_close(peer);
    wt_buffer_free(&buffer);
    wt_buffer_free(&small);
}

TEST(a_reset_ends_sends, "R-SEND-07 R-CLOSE-13 D-16")
{
    struct wt_buffer buffer, small;
    struct wt_op op, behind;
    PWSK_SOCKET socket;
    int peer;

    socket = connected(&peer);
    block(socket, &op, &buffer);
    wt_buffer_init(&small, 10);
    wt_op_init(&behind);
    EXPECT_STATUS(wt_send(socket, &behind, &small.buf, 0), STATUS_PENDING);
    peer_reset(peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
    EXPECT_EQ(op.information, 0);
    EXPECT_STATUS(wt_wait(&behind), STATUS_CONNECTION_RESET);
    EXPECT_EQ(behind.information, 0);
    wt_again(&op); /* and every later one */
    wt_send(socket, &op, &small.buf, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
    wt_op_free(&op);
    wt_op_free(&behind);
    wt_close_now(socket);
    wt_buffer_free(&buffer);
    wt_buffer_free(&small);
}

TEST(sending_goes_on_after_the_peers_fin, "R-DISCEV-04 C-DATA-01")
{
    PWSK_SOCKET socket;
    char text[5];
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, text, 5, 0), 0);
    wt_send_now(socket, "after", 5);
    peer_receive_all(peer, text, 5);
    EXPECT(RtlEqualMemory(text, "after", 5));
    wt_close_now(socket);
    peer_close(peer);
}

TEST(send_refuses_what_is_wrong,
     "R-SEND-04 R-SEND-07 R-SEND-09 R-BUF-05 R-BUF-07 H-02 W-04 W-09 D-01 C-SOCK-14")
{
    PWSK_SOCKET socket, unconnected = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct wt_buffer buffer;
    struct wt_op op;
    WSK_BUF buf;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&buffer, 20, 10);
    wt_op_init(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, WSK_FLAG_OOB), STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, 0x80000000), STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, NULL, 0), STATUS_INVALID_PARAMETER);
    buf = buffer.buf;
    buf.Length = 21; /* longer than the chain */
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Length = 20;
    buf.Offset = 1;
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Length = ~(SIZE_T)0;
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Length = 5;
    buf.Offset = 10; /* outside the first MDL */
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Mdl = NULL;
    buf.Offset = 0;
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(socket)->WskSend(socket, &buffer.buf, 0, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_send(unconnected, &op, &buffer.buf, 0), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(op.information, 0);
    wt_again(&op); /* after a disconnect of our own */
    wt_disconnect(socket, &op, NULL, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, 0), STATUS_INVALID_DEVICE_STATE);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(unconnected);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(nodelay_pushes_out_at_once, "R-SEND-03")
{
    PWSK_SOCKET socket;
    int peer, i;
    char byte;

    /* Small sends in a row: without the flag Nagle holds all but the first until its ACK; the peer's ACK may
     * be delayed by 40 ms.  With it each arrives by itself. */
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    for (i = 0; i < 20; i++) {
        struct wt_buffer first, second;
        struct wt_op op1, op2;

        wt_buffer_init(&first, 1);
        wt_buffer_init(&second, 1);
        first.bytes[0] = 'a';
        second.bytes[0] = 'b';
        wt_op_init(&op1);
        wt_op_init(&op2);
        wt_send(socket, &op1, &first.buf, 0);
        wt_send(socket, &op2, &second.buf, WSK_FLAG_NODELAY); /* this one and all before it */
        EXPECT_EQ(peer_receive(peer, &byte, 1, 5000), 1);
        EXPECT_EQ(byte, 'a');
        EXPECT_EQ(peer_receive(peer, &byte, 1, 5000), 1);
        EXPECT_EQ(byte, 'b');
        EXPECT_STATUS(wt_wait(&op1), STATUS_SUCCESS);
        EXPECT_STATUS(wt_wait(&op2), STATUS_SUCCESS);
        wt_op_free(&op1);
        wt_op_free(&op2);
        wt_buffer_free(&first);
        wt_buffer_free(&second);
    }
    wt_close_now(socket);
    peer_close(peer);
}
