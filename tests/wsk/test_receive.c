/*
 * test_receive.c - WskReceive: what it takes, when it completes (WSK_FLAG_WAITALL, WSK_FLAG_DRAIN, no bytes),
 * in which order, and what it refuses.
 */
#include "line.h"

WT_DATA_FIXTURE;

static void peer_sends(int peer, SIZE_T from, SIZE_T length, ULONG seed)
{
    static UCHAR bytes[64 * 1024];

    while (length != 0) {
        SIZE_T part = min(length, sizeof bytes);

        line_fill(bytes, part, seed, from);
        peer_send(peer, bytes, part);
        from += part;
        length -= part;
    }
}

TEST(receive_takes_what_is_there, "R-RECV-03 C-DATA-07 C-IRP-18 C-IRP-20 D-02 R-BUF-06 W-01")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct wt_buffer buffer;
        PWSK_SOCKET socket;
        struct wt_op op;
        int peer;

        socket = i == 0 ? wt_connected(families[i], NULL, NULL, &peer)
                        : wt_accepted(families[i], NULL, NULL, &peer);
        wt_buffer_init(&buffer, 100);
        wt_op_init(&op);
        EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, 0), STATUS_PENDING); /* nothing there */
        peer_send(peer, "hello", 5);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT(op.information >= 1 && op.information <= 5);
        while (op.information < 5) { /* it may come in pieces */
            SIZE_T more = wt_receive_now(socket, buffer.bytes + op.information, 5 - op.information, 0);

            op.information += more;
        }
        EXPECT(RtlEqualMemory(buffer.bytes, "hello", 5));
        peer_send(peer, "abcdef", 6);
        while (TRUE) { /* until the kernel has it: then a receive finds it there */
            SIZE_T there = 0;

            wt_control(socket, NULL, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL, sizeof there,
                       &there);
            if (there == 6)
                break;
            test_sleep_ms(1);
        }
        buffer.buf.Length = 3; /* at most this */
        wt_again(&op);
        if (wt_receive(socket, &op, &buffer.buf, WSK_FLAG_WAITALL) == STATUS_SUCCESS) /* inline, if it can */
            EXPECT(!test_mode_has("always-pend"));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 3);
        EXPECT(RtlEqualMemory(buffer.bytes, "abclo", 5));
        wt_op_free(&op);
        wt_buffer_free(&buffer);
        wt_close_now(socket);
        peer_close(peer);
    }
}

TEST(the_end_of_the_stream, "R-RECV-03 R-DISC-06 R-DISCEV-04 C-DISC-07")
{
    PWSK_SOCKET socket;
    char text[8];
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_send(peer, "end", 3);
    peer_shutdown(peer);
    EXPECT_EQ(wt_receive_now(socket, text, 3, WSK_FLAG_WAITALL), 3); /* the data first */
    EXPECT_EQ(wt_receive_now(socket, text, 8, 0), 0);
    EXPECT_EQ(wt_receive_now(socket, text, 8, WSK_FLAG_WAITALL), 0); /* and again */
    EXPECT_EQ(wt_receive_now(socket, text, 8, 0), 0);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(chains_of_odd_pieces_are_filled, "R-BUF-03 R-BUF-06 H-02 D-11 R-RECV-04 C-IRP-23")
{
    static const SIZE_T pieces[] = {1, 3, 7, 4093};
    PWSK_SOCKET socket;
    unsigned i;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    for (i = 0; i < RTL_NUMBER_OF(pieces) - (test_mode_has("onebyte") ? 1 : 0); i++) {
        SIZE_T size = pieces[i] * 300 + 1, offset = pieces[i] - 1;
        struct wt_buffer buffer;
        struct wt_op op;
        PMDL empty;

        wt_buffer_chain(&buffer, size + 1, pieces[i]);
        buffer.bytes[size] = 0x77; /* behind the end of what is asked for */
        empty = IoAllocateMdl(buffer.bytes, 0, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(empty);
        empty->Next = buffer.mdl->Next;
        buffer.mdl->Next = empty;
        {
            WSK_BUF buf = {buffer.mdl, (ULONG)offset, size - offset};

            wt_op_init(&op);
            wt_receive(socket, &op, &buf, WSK_FLAG_WAITALL);
            RtlFillMemory(&buf, sizeof buf, 0xee);
        }
        peer_sends(peer, 0, size - offset, i);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, size - offset);
        line_expect(buffer.bytes + offset, size - offset, i, 0);
        EXPECT_EQ(buffer.bytes[size], 0x77);
        wt_op_free(&op);
        wt_buffer_free(&buffer);
    }
    wt_close_now(socket);
    peer_close(peer);
}

TEST(several_receives_are_filled_in_order, "D-06 C-IRP-22 C-DATA-18")
{
    enum { COUNT = 40 };
    struct wt_buffer buffers[COUNT];
    struct wt_op ops[COUNT];
    SIZE_T total = 0, i;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    for (i = 0; i < COUNT; i++) {
        wt_buffer_chain(&buffers[i], 1 + i * 97 % 500, 1 + i * 7 % 50);
        wt_op_init(&ops[i]);
        wt_receive(socket, &ops[i], &buffers[i].buf, WSK_FLAG_WAITALL);
        total += buffers[i].size;
    }
    peer_sends(peer, 0, total, 5);
    for (i = 0, total = 0; i < COUNT; i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
        EXPECT_EQ(ops[i].information, buffers[i].size);
        line_expect(buffers[i].bytes, buffers[i].size, 5, total);
        total += buffers[i].size;
        if (i != 0)
            EXPECT(ops[i].order > ops[i - 1].order);
        wt_op_free(&ops[i]);
        wt_buffer_free(&buffers[i]);
    }
    wt_close_now(socket);
    peer_close(peer);
}

TEST(large_transfers_keep_their_bytes_in, "R-RECV-04 R-BUF-03 C-IRP-23", TEST_TIMEOUT(60))
{
    SIZE_T size = test_mode_has("onebyte") ? 64 * 1024 : 8 * 1024 * 1024;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&buffer, size, 65521);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_sends(peer, 0, size, 6);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, size);
    line_expect(buffer.bytes, size, 6, 0);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

/* ---- WSK_FLAG_WAITALL --------------------------------------------------------------------------------- */

struct wait {
    PWSK_SOCKET socket;
    int peer;
    struct wt_buffer buffer;
    struct wt_op op;
};

/* Until the kernel has this many bytes that nobody has taken. */
static void arrived(PWSK_SOCKET socket, SIZE_T bytes)
{
    SIZE_T there = 0;

    EXPECT_SOON(wt_control(socket, NULL, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL, sizeof there,
                           &there) == STATUS_SUCCESS &&
                there == bytes);
}

/* Ten bytes are wanted, four have come. */
static void wait_open(struct wait *wait)
{
    wait->socket = wt_connected(AF_INET, NULL, NULL, &wait->peer);
    wt_buffer_chain(&wait->buffer, 10, 3);
    wt_op_init(&wait->op);
    peer_send(wait->peer, "0123", 4);
    arrived(wait->socket, 4);
    EXPECT_STATUS(wt_receive(wait->socket, &wait->op, &wait->buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    arrived(wait->socket, 0);
    EXPECT(!wt_is_done(&wait->op));
}

static void wait_close(struct wait *wait)
{
    EXPECT(RtlEqualMemory(wait->buffer.bytes, "0123", 4));
    wt_op_free(&wait->op);
    wt_buffer_free(&wait->buffer);
    wt_close_now(wait->socket);
    peer_close(wait->peer);
}

TEST(waitall_ends_full, "R-RECV-04")
{
    struct wait wait;

    wait_open(&wait);
    peer_send(wait.peer, "456789X", 7);
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_SUCCESS);
    EXPECT_EQ(wait.op.information, 10);
    EXPECT(RtlEqualMemory(wait.buffer.bytes, "0123456789", 10));
    wait_close(&wait);
}

TEST(waitall_ends_with_the_peers_fin, "R-RECV-04 D-16")
{
    struct wait wait;

    wait_open(&wait);
    peer_shutdown(wait.peer);
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_SUCCESS);
    EXPECT_EQ(wait.op.information, 4);
    wait_close(&wait);
}

TEST(waitall_ends_with_a_reset, "R-RECV-04 R-RECV-09 D-16")
{
    struct wait wait;

    wait_open(&wait);
    peer_reset(wait.peer);
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_CONNECTION_RESET);
    EXPECT_EQ(wait.op.information, 4);
    wt_again(&wait.op); /* and every later one */
    wt_receive(wait.socket, &wait.op, &wait.buffer.buf, 0);
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_CONNECTION_RESET);
    wt_op_free(&wait.op);
    wt_buffer_free(&wait.buffer);
    wt_close_now(wait.socket);
}

TEST(waitall_ends_with_our_abort, "R-RECV-04 R-DISC-07")
{
    struct wait wait;
    struct wt_op op;

    wait_open(&wait);
    wt_op_init(&op);
    wt_disconnect(wait.socket, &op, NULL, WSK_FLAG_ABORTIVE);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(!NT_SUCCESS(wt_wait(&wait.op)));
    EXPECT_EQ(wait.op.information, 4);
    wt_op_free(&op);
    wait_close(&wait);
}

TEST(waitall_ends_by_cancellation_and_the_stream_goes_on, "R-RECV-04 D-16 K-CANCEL-01")
{
    struct wait wait;
    char text[4];

    wait_open(&wait);
    EXPECT(IoCancelIrp(wait.op.irp));
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_CANCELLED);
    EXPECT_EQ(wait.op.information, 4);
    peer_send(wait.peer, "4567", 4);
    EXPECT_EQ(wt_receive_now(wait.socket, text, 4, WSK_FLAG_WAITALL), 4);
    EXPECT(RtlEqualMemory(text, "4567", 4));
    wait_close(&wait);
}

TEST(waitall_ends_by_close_with_nothing, "D-16 C-CLOSE-13")
{
    struct wait wait;

    wait_open(&wait);
    wt_close_now(wait.socket);
    EXPECT_STATUS(wt_wait(&wait.op), STATUS_CANCELLED);
    EXPECT_EQ(wait.op.information, 0);
    wt_op_free(&wait.op);
    wt_buffer_free(&wait.buffer);
    peer_close(wait.peer);
}

/* ---- WSK_FLAG_DRAIN ----------------------------------------------------------------------------------- */

TEST(drain_throws_away_until_the_fin, "R-RECV-05 R-RECV-06 R-RECV-08")
{
    WSK_BUF nothing = {NULL, 0, 0};
    PWSK_SOCKET socket;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &nothing, WSK_FLAG_DRAIN), STATUS_PENDING);
    peer_sends(peer, 0, test_mode_has("onebyte") ? 5000 : 1024 * 1024, 1);
    test_sleep_ms(10);
    EXPECT(!wt_is_done(&op));
    peer_shutdown(peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(drain_ends_with_a_reset_an_abort_or_a_cancel, "R-RECV-05 R-RECV-09 K-CANCEL-01")
{
    WSK_BUF nothing = {NULL, 0, 0};
    int i;

    for (i = 0; i < 3; i++) {
        PWSK_SOCKET socket;
        struct wt_op op, other;
        int peer;

        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        wt_op_init(&op);
        wt_op_init(&other);
        EXPECT_STATUS(wt_receive(socket, &op, &nothing, WSK_FLAG_DRAIN), STATUS_PENDING);
        peer_send(peer, "some data", 9);
        if (i == 0) {
            peer_reset(peer);
            EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_RESET);
        } else if (i == 1) {
            wt_disconnect(socket, &other, NULL, WSK_FLAG_ABORTIVE);
            EXPECT_STATUS(wt_wait(&other), STATUS_SUCCESS);
            EXPECT(!NT_SUCCESS(wt_wait(&op)));
            peer_close(peer);
        } else {
            EXPECT(IoCancelIrp(op.irp));
            EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
            peer_close(peer);
        }
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
        wt_op_free(&other);
        wt_close_now(socket);
    }
}

TEST(receives_behind_a_drain_wait_for_it, "R-RECV-05 D-06")
{
    WSK_BUF nothing = {NULL, 0, 0};
    struct wt_buffer buffer;
    struct wt_op drain, op;
    PWSK_SOCKET socket;
    char text[3];
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 3);
    wt_op_init(&drain);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &drain, &nothing, WSK_FLAG_DRAIN), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, 0), STATUS_PENDING);
    peer_send(peer, "lost", 4);
    test_sleep_ms(10);
    EXPECT(!wt_is_done(&op));
    EXPECT(IoCancelIrp(op.irp)); /* behind the head of the queue */
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    EXPECT(IoCancelIrp(drain.irp));
    EXPECT_STATUS(wt_wait(&drain), STATUS_CANCELLED);
    peer_send(peer, "got", 3);
    EXPECT_EQ(wt_receive_now(socket, text, 3, WSK_FLAG_WAITALL), 3);
    if (text[0] !=
        'g') { /* a slow machine: the drain has not seen all of it; none went to the one behind it */
        ULONG missing = text[0] == 'l' ? 4 : text[0] == 'o' ? 3 : text[0] == 's' ? 2 : 1;
        CHAR rest[4];

        EXPECT(RtlEqualMemory(text, &"lostgot"[4 - missing], 3));
        EXPECT_EQ(wt_receive_now(socket, rest, missing, WSK_FLAG_WAITALL), missing);
        EXPECT(RtlEqualMemory(rest, &"lostgot"[7 - missing], missing));
    } else {
        EXPECT(RtlEqualMemory(text, "got", 3));
    }
    wt_op_free(&drain);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

/* ---- no bytes ----------------------------------------------------------------------------------------- */

TEST(a_receive_of_nothing_waits_for_data_or_fin, "R-RECV-10 R-BUF-05 H-05")
{
    WSK_BUF nothing = {NULL, 0xdeadbeef, 0};
    PWSK_SOCKET socket;
    struct wt_op op;
    char text[4];
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &nothing, 0), STATUS_PENDING);
    test_sleep_ms(10);
    EXPECT(!wt_is_done(&op));
    peer_send(peer, "data", 4);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_again(&op);
    wt_receive(socket, &op, &nothing, 0); /* it is still there */
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
    EXPECT(RtlEqualMemory(text, "data", 4));
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &nothing, 0), STATUS_PENDING);
    EXPECT(IoCancelIrp(op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &nothing, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_shutdown(peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_again(&op);
    wt_receive(socket, &op, &nothing, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(a_receive_of_nothing_keeps_its_place, "R-RECV-10 D-06 H-05")
{
    WSK_BUF nothing = {NULL, 0, 0};
    struct wt_buffer buffer;
    struct wt_op first, empty, last;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 8);
    wt_op_init(&first);
    wt_op_init(&empty);
    wt_op_init(&last);
    buffer.buf.Length = 4;
    EXPECT_STATUS(wt_receive(socket, &first, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &empty, &nothing, 0), STATUS_PENDING);
    buffer.buf.Offset = 4;
    EXPECT_STATUS(wt_receive(socket, &last, &buffer.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    peer_send(peer, "1234", 4);
    EXPECT_STATUS(wt_wait(&first), STATUS_SUCCESS);
    test_sleep_ms(10);
    EXPECT(!wt_is_done(&empty));
    peer_send(peer, "5678", 4);
    EXPECT_STATUS(wt_wait(&empty), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&last), STATUS_SUCCESS);
    EXPECT(first.order < empty.order && empty.order < last.order);
    EXPECT(RtlEqualMemory(buffer.bytes, "12345678", 8));
    wt_op_free(&first);
    wt_op_free(&empty);
    wt_op_free(&last);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

/* ---- refused ------------------------------------------------------------------------------------------ */

TEST(receive_refuses_what_is_wrong,
     "R-RECV-06 R-RECV-07 R-RECV-08 R-RECV-09 R-BUF-05 R-BUF-07 H-02 W-04 W-09 D-01 C-SOCK-14")
{
    PWSK_SOCKET socket, unconnected = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct wt_buffer buffer;
    struct wt_op op;
    WSK_BUF buf;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_chain(&buffer, 20, 10);
    wt_op_init(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, 1), STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, WSK_FLAG_DRAIN), STATUS_INVALID_PARAMETER);
    buf = buffer.buf;
    buf.Length = 0;
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buf, WSK_FLAG_DRAIN | WSK_FLAG_WAITALL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, NULL, 0), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, NULL, WSK_FLAG_DRAIN), STATUS_INVALID_PARAMETER);
    buf.Length = 21;
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Length = 5;
    buf.Offset = 10;
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    buf.Mdl = NULL;
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buf, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(socket)->WskReceive(socket, &buffer.buf, 0, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(unconnected, &op, &buffer.buf, 0), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(unconnected);
    wt_close_now(socket);
    peer_close(peer);
}
