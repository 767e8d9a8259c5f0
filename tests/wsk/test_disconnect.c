/*
 * test_disconnect.c - WskDisconnect: graceful with and without a final buffer, abortive, what it leaves
 * usable.
 */
#include "line.h"

WT_DATA_FIXTURE;

static void big(struct wt_buffer *buffer, struct wt_op *op, PWSK_SOCKET socket)
{
    wt_buffer_init(buffer, 16 * 1024 * 1024);
    wt_op_init(op);
    EXPECT_STATUS(wt_send(socket, op, &buffer->buf, 0), STATUS_PENDING);
}

TEST(graceful_without_a_buffer,
     "C-DISC-01 C-DISC-03 C-DISC-06 R-DISC-05 R-DISC-06 R-DISC-10 R-DISC-11 C-DISC-07 W-01")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket;
        struct wt_op op;
        NTSTATUS status;
        char text[4];
        int peer;

        socket = i == 0 ? wt_connected(families[i], NULL, NULL, &peer)
                        : wt_accepted(families[i], NULL, NULL, &peer);
        wt_op_init(&op);
        status = wt_disconnect(socket, &op, NULL, 0);
        if (status != STATUS_PENDING) { /* D-04 */
            EXPECT_STATUS(status, STATUS_SUCCESS);
            EXPECT(test_mode_has("inline")); /* W-01: the FIN was acknowledged before the call could ask */
        }
        peer_expect_fin(peer);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 0);
        peer_send(peer, "still", 4); /* receiving goes on until the peer has finished */
        EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
        wt_again(&op); /* once is enough */
        EXPECT_STATUS(wt_disconnect(socket, &op, NULL, 0), STATUS_INVALID_DEVICE_STATE);
        peer_close(peer);
        EXPECT_EQ(wt_receive_now(socket, text, 4, 0), 0);
        wt_op_free(&op);
        wt_close_now(socket); /* a separate step */
    }
}

TEST(graceful_with_a_final_buffer, "C-DISC-02 R-DISC-04 R-DISC-05 D-11")
{
    static UCHAR text[300000];
    SIZE_T size = test_mode_has("onebyte") ? 3000 : 300000, at;
    struct wt_buffer first, last;
    struct wt_op send, op;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&first, size / 2, 997);
    wt_buffer_chain(&last, size / 2, 1009);
    line_fill(first.bytes, size / 2, 1, 0);
    line_fill(last.bytes, size / 2, 1, size / 2);
    wt_op_init(&send);
    wt_op_init(&op);
    wt_send(socket, &send, &first.buf, 0);
    {
        WSK_BUF buf = last.buf;

        EXPECT_STATUS(wt_disconnect(socket, &op, &buf, 0), STATUS_PENDING);
        RtlFillMemory(&buf, sizeof buf, 0xee);
    }
    for (at = 0; at < size; at += size / 2)
        peer_receive_all(peer, text + at, size / 2);
    line_expect(text, size, 1, 0);
    peer_expect_fin(peer); /* after every byte, and no byte more */
    EXPECT_STATUS(wt_wait(&send), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(send.order < op.order);
    wt_op_free(&send);
    wt_op_free(&op);
    wt_buffer_free(&first);
    wt_buffer_free(&last);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(graceful_with_an_empty_buffer, "C-DISC-02 R-BUF-05")
{
    WSK_BUF nothing = {NULL, 3, 0};
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&op);
    wt_disconnect(socket, &op, &nothing, 0);
    peer_expect_fin(peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(abortive_resets_at_once, "C-DISC-01 R-DISC-08 R-DISC-09 R-DISC-10 C-DISC-06")
{
    struct wt_buffer buffer, in;
    struct wt_op send, receive, op;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&in, 4);
    wt_op_init(&receive);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &receive, &in.buf, 0), STATUS_PENDING);
    big(&buffer, &send, socket);
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&send), STATUS_CANCELLED);
    EXPECT_EQ(send.information, 0);
    EXPECT(!NT_SUCCESS(wt_wait(&receive)));
    EXPECT_EQ(receive.information, 0);
    peer_drain_to_reset(peer);
    wt_again(&op); /* the socket is still open, but dead */
    wt_send(socket, &op, &in.buf, 0);
    EXPECT(!NT_SUCCESS(wt_wait(&op)));
    wt_again(&op);
    wt_receive(socket, &op, &in.buf, 0);
    EXPECT(!NT_SUCCESS(wt_wait(&op)));
    wt_again(&op);
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    wt_op_free(&send);
    wt_op_free(&receive);
    wt_buffer_free(&buffer);
    wt_buffer_free(&in);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(abortive_forces_a_graceful_one_to_its_end, "R-DISC-05 R-DISC-07 R-DISC-10")
{
    struct wt_op send, graceful, op;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    big(&buffer, &send, socket);
    wt_op_init(&graceful);
    wt_op_init(&op);
    EXPECT_STATUS(wt_disconnect(socket, &graceful, NULL, 0), STATUS_PENDING);
    test_sleep_ms(20);
    EXPECT(!wt_is_done(&graceful)); /* it waits for the data: for ever, if the peer does not read */
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(!NT_SUCCESS(wt_wait(&graceful)));
    EXPECT(!NT_SUCCESS(wt_wait(&send)));
    peer_drain_to_reset(peer);
    wt_op_free(&op);
    wt_op_free(&send);
    wt_op_free(&graceful);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(graceful_waits_for_the_acknowledgement, "R-DISC-05 R-DISC-07")
{
    struct wt_op graceful, op;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_drop_incoming(peer);
    wt_op_init(&graceful);
    wt_op_init(&op);
    EXPECT_STATUS(wt_disconnect(socket, &graceful, NULL, 0), STATUS_PENDING);
    test_sleep_ms(50);
    EXPECT(!wt_is_done(&graceful));
    wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(!NT_SUCCESS(wt_wait(&graceful)));
    wt_op_free(&op);
    wt_op_free(&graceful);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(a_graceful_disconnect_is_cancelled, "K-CANCEL-01 C-IRP-01")
{
    struct wt_op send, graceful;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    big(&buffer, &send, socket);
    wt_op_init(&graceful);
    EXPECT_STATUS(wt_disconnect(socket, &graceful, NULL, 0), STATUS_PENDING);
    EXPECT(IoCancelIrp(graceful.irp));
    EXPECT_STATUS(wt_wait(&graceful), STATUS_CANCELLED);
    EXPECT(!wt_is_done(&send));
    wt_again(&graceful); /* it had not begun: as if it had never been asked for */
    EXPECT_STATUS(wt_disconnect(socket, &graceful, NULL, 0), STATUS_PENDING);
    wt_close_now(socket);
    EXPECT_STATUS(wt_wait(&graceful), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&send), STATUS_CANCELLED);
    peer_drain_to_reset(peer);
    wt_op_free(&send);
    wt_op_free(&graceful);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

TEST(a_reset_ends_a_graceful_disconnect, "R-DISC-05 R-DISC-10")
{
    struct wt_op send, graceful;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    big(&buffer, &send, socket);
    wt_op_init(&graceful);
    EXPECT_STATUS(wt_disconnect(socket, &graceful, NULL, 0), STATUS_PENDING);
    peer_reset(peer);
    EXPECT_STATUS(wt_wait(&send), STATUS_CONNECTION_RESET);
    EXPECT_STATUS(wt_wait(&graceful), STATUS_CONNECTION_RESET);
    wt_op_free(&send);
    wt_op_free(&graceful);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
}

TEST(closing_without_a_disconnect_aborts, "C-DISC-05 C-CLOSE-38")
{
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET6, NULL, NULL, &peer);
    wt_close_now(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(disconnect_refuses_what_is_wrong, "R-DISC-02 R-DISC-03 R-DISC-10 C-DISC-04 W-04 W-09 D-01")
{
    PWSK_SOCKET socket, unconnected = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct wt_buffer buffer;
    struct wt_op op;
    WSK_BUF buf;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 4);
    wt_op_init(&op);
    EXPECT_STATUS(wt_disconnect(socket, &op, &buffer.buf, WSK_FLAG_ABORTIVE), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(socket, &op, NULL, 2), STATUS_INVALID_PARAMETER);
    buf = buffer.buf;
    buf.Length = 5;
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(socket)->WskDisconnect(socket, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(unconnected, &op, NULL, 0), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(unconnected, &op, NULL, WSK_FLAG_ABORTIVE), STATUS_INVALID_DEVICE_STATE);
    peer_expect_silence(peer, 10); /* nothing of this reached the wire */
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(unconnected);
    wt_close_now(socket);
    peer_close(peer);
}
