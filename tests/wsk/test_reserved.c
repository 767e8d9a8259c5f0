/*
 * test_reserved.c - WskSendEx and WskReceiveEx, which drivers must not call: those that do are served, and told to who
 * watches.
 */
#include "line.h"

#include "nt/observe.h"
#include "wsk/wskp.h"

static volatile LONG reserved, calls, names;

static void on_socket(void *context, int step, const void *socket, const void *irp, const char *name)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(socket);
    if (step == OBSERVE_SOCKET_RESERVED) {
        EXPECT(irp != NULL);
        InterlockedIncrement(&reserved);
    }
    if (step != OBSERVE_SOCKET_RESERVED && step != OBSERVE_SOCKET_CALL)
        return;
    if (strcmp(name, "WskSendEx") == 0 || strcmp(name, "WskReceiveEx") == 0)
        InterlockedIncrement(&names);
    InterlockedIncrement(&calls);
}

static void setup(void)
{
    static const struct observe_hooks hooks = {.socket = on_socket};

    observe_install(&hooks); /* before the first thread looks */
    wt_setup();
}

TEST_FIXTURE(setup, wt_teardown);
TEST_MATRIX(WT_MODES);

static PFN_WSK_SEND_EX send_ex;
static PFN_WSK_RECEIVE_EX receive_ex;

/* Once by each category's table. */
static PWSK_SOCKET open(int stream, int *peer)
{
    int port = 0, listener;
    SOCKADDR_STORAGE address;
    PWSK_SOCKET socket;
    struct wt_op op;

    if (!stream) {
        socket = wt_connected(AF_INET, NULL, NULL, peer);
        send_ex = wt_connection(socket)->WskSendEx;
        receive_ex = wt_connection(socket)->WskReceiveEx;
        return socket;
    }
    listener = peer_listen(PEER_INET, &port);
    socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    *peer = peer_accept(listener);
    peer_close(listener);
    send_ex = wt_stream(socket)->WskSendEx;
    receive_ex = wt_stream(socket)->WskReceiveEx;
    return socket;
}

TEST(reserved_slots_do_their_work_and_are_told, "R-STRUCT-11 R-STRUCT-12 R-STRUCT-14 D-01")
{
    int stream;

    for (stream = 0; stream < 2; stream++) {
        _Alignas(8) UCHAR control[32];
        LONG told = line_read(&reserved), named = line_read(&names);
        ULONG room = sizeof control, flags = 77;
        struct wt_buffer buffer;
        struct wt_op op;
        int peer;
        PWSK_SOCKET socket = open(stream, &peer);
        char text[8];

        RtlFillMemory(control, sizeof control, 0xee);
        wt_buffer_init(&buffer, 8);
        RtlCopyMemory(buffer.bytes, "reserved", 8);
        wt_op_init(&op);
        wt_returned(
            &op, send_ex(socket, &buffer.buf, WSK_FLAG_NODELAY, sizeof control, (PCMSGHDR)control, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 8);
        peer_receive_all(peer, text, 8);
        EXPECT(RtlEqualMemory(text, "reserved", 8));

        wt_again(&op); /* what is asked for comes back empty */
        wt_returned(
            &op, receive_ex(socket, &buffer.buf, WSK_FLAG_WAITALL, &room, (PCMSGHDR)control, &flags, op.irp));
        peer_send(peer, "slots ok", 8);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 8);
        EXPECT(RtlEqualMemory(buffer.bytes, "slots ok", 8));
        EXPECT_EQ(room, 0);
        EXPECT_EQ(flags, 0);
        EXPECT_EQ(control[0], 0xee);

        wt_again(&op); /* and nothing has to be asked for */
        wt_returned(&op, send_ex(socket, &buffer.buf, 0, 0, NULL, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        peer_receive_all(peer, text, 8);
        wt_again(&op);
        wt_returned(&op, receive_ex(socket, &buffer.buf, 0, NULL, NULL, NULL, op.irp));
        peer_shutdown(peer);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 0);
        EXPECT_EQ(reserved, told + 4);
        EXPECT_EQ(names, named + 8); /* each by its name, as a call and as a reserved one */
        wt_op_free(&op);
        wt_buffer_free(&buffer);
        wt_close_now(socket);
        peer_close(peer);
    }
}

TEST(reserved_slots_refuse_like_the_others,
     "R-STRUCT-14 R-SEND-04 R-SEND-07 R-RECV-08 R-RECV-09 D-01 W-04 C-CLOSE-35")
{
    _Alignas(8) UCHAR control[32];
    ULONG room = sizeof control, flags = 77;
    struct wt_buffer buffer;
    struct wt_op op;
    int peer;
    PWSK_SOCKET socket = open(0, &peer);

    wt_buffer_init(&buffer, 8);
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(socket, &buffer.buf, 0x100, 0, NULL, op.irp)),
                  STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(socket, NULL, 0, 0, NULL, op.irp)), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(socket, &buffer.buf, 0, 32, NULL, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(socket, &buffer.buf, 0, 0, (PCMSGHDR)control, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, receive_ex(socket, &buffer.buf, 0, &room, NULL, &flags, op.irp)),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, receive_ex(socket, &buffer.buf, 0, NULL, (PCMSGHDR)control, &flags, op.irp)),
        STATUS_INVALID_PARAMETER);
    EXPECT(room == sizeof control && flags == 77);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, receive_ex(socket, &buffer.buf, 0x100, NULL, NULL, NULL, op.irp)),
                  STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(send_ex(socket, &buffer.buf, 0, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(receive_ex(socket, &buffer.buf, 0, NULL, NULL, NULL, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(NULL, &buffer.buf, 0, 0, NULL, op.irp)), STATUS_INVALID_HANDLE);
    wt_close_now(socket);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, send_ex(socket, &buffer.buf, 0, 0, NULL, op.irp)),
                  STATUS_FILE_FORCED_CLOSED);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, receive_ex(socket, &buffer.buf, 0, NULL, NULL, NULL, op.irp)),
                  STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

TEST(reserved_slots_are_cancelled_and_closed_like_the_others,
     "R-STRUCT-14 C-IRP-22 C-CLOSE-11 C-CLOSE-13 C-CLOSE-14")
{
    struct wt_op send, receive, close;
    struct wt_buffer in, out;
    int peer;
    PWSK_SOCKET socket = open(0, &peer);

    peer_set_rcvbuf(peer, 4096);
    wt_buffer_init(&in, 8);
    wt_buffer_init(&out, 16 * 1024 * 1024);
    wt_op_init(&send);
    wt_op_init(&receive);
    wt_op_init(&close);
    EXPECT_STATUS(wt_returned(&receive, receive_ex(socket, &in.buf, 0, NULL, NULL, NULL, receive.irp)),
                  STATUS_PENDING);
    EXPECT(IoCancelIrp(receive.irp));
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    wt_again(&receive);
    EXPECT_STATUS(wt_returned(&receive, receive_ex(socket, &in.buf, 0, NULL, NULL, NULL, receive.irp)),
                  STATUS_PENDING);
    EXPECT_STATUS(wt_returned(&send, send_ex(socket, &out.buf, 0, 0, NULL, send.irp)), STATUS_PENDING);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&send), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    EXPECT(send.order < close.order && receive.order < close.order);
    EXPECT_EQ(send.information + receive.information, 0);
    wt_op_free(&send);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    peer_close(peer);
}
