/*
 * test_basics.c - a connection from its beginning to its end, in every mode.
 */
#include "wsk_test.h"

WT_FIXTURE;

TEST(echo_both_ways_over_a_connection_we_opened,
     "C-DATA-01 C-DATA-02 C-DATA-07 C-IRP-18 R-SCON-04 R-SCON-06 R-SCON-07")
{
    PWSK_SOCKET socket;
    char text[16];
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_send_now(socket, "hello", 5);
    peer_receive_all(peer, text, 5);
    EXPECT(RtlEqualMemory(text, "hello", 5));
    peer_send(peer, "world", 5);
    EXPECT_EQ(wt_receive_now(socket, text, sizeof text, 0), 5);
    EXPECT(RtlEqualMemory(text, "world", 5));
    wt_close_now(socket);
    peer_expect_reset(peer); /* C-CLOSE-38 */
    peer_close(peer);
}

TEST(echo_both_ways_over_a_connection_we_accepted, "C-LISTEN-01 C-LISTEN-02 R-BIND-04")
{
    PWSK_SOCKET socket;
    char text[16];
    int peer;

    socket = wt_accepted(AF_INET6, NULL, NULL, &peer);
    peer_send(peer, "ping", 4);
    EXPECT_EQ(wt_receive_now(socket, text, sizeof text, 0), 4);
    wt_send_now(socket, text, 4);
    peer_receive_all(peer, text, 4);
    EXPECT(RtlEqualMemory(text, "ping", 4));
    wt_close_now(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(close_completes_a_pending_receive_first, "C-CLOSE-07 C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 D-26")
{
    struct wt_buffer buffer;
    struct wt_op receive, close;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 100);
    wt_op_init(&receive);
    wt_op_init(&close);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    EXPECT_EQ(receive.information, 0);
    EXPECT(receive.cancel);
    EXPECT(receive.order < close.order);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
}
