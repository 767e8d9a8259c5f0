/*
 * test_lessons.c - what other implementations of this interface get wrong, each as a test
 * (docs/rules/constants.md). The first three lessons - FIN instead of RST, nobody waits for open sockets at
 * deregistration, closing a listener kills the last accepted connection - have their tests in test_states.c
 * (connected_and_idle), test_deregister.c (waits_for_an_open_socket) and test_rules_provider.c
 * (accepted_sockets_outlive_their_listener).
 */
#include "close_test.h"

WT_FIXTURE;

/* ---- two pended accepts return the same connection ---------------------------------------------------- */

TEST(pended_accepts_get_connections_of_their_own, "C-LISTEN-02 R-ACC-08 D-06")
{
    struct wt_op accepts[4];
    int port, i, n, peers[4];
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);

    for (i = 0; i < 4; i++) {
        wt_op_init(&accepts[i]);
        EXPECT_STATUS(wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL), STATUS_PENDING);
    }
    for (i = 0; i < 4; i++)
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
    for (i = 0; i < 4; i++) {
        char text = (char)('0' + i), got;

        EXPECT_STATUS(wt_wait(&accepts[i]), STATUS_SUCCESS);
        for (n = 0; n < i; n++)
            EXPECT(accepts[n].information != accepts[i].information);
        peer_send(peers[i], &text, 1); /* first to first */
        EXPECT_EQ(wt_receive_now((PWSK_SOCKET)accepts[i].information, &got, 1, 0), 1);
        EXPECT_EQ(got, text);
    }
    for (i = 0; i < 4; i++) {
        wt_close_now((PWSK_SOCKET)accepts[i].information);
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
        wt_op_free(&accepts[i]);
    }
    wt_close_now(listener);
}

/* ---- close from a completion routine deadlocks, or frees what is in use when the receive completed inline ---- */

struct loop {
    PWSK_SOCKET socket;
    struct wt_buffer buffer;
    struct wt_op close;
    volatile LONG received;
    LONG close_at;
    const struct loop *until; /* goes on as long as that one has received nothing */
    volatile LONG deepest, ended;
    PIRP irp;
};

static NTSTATUS NTAPI loop_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context);

static void loop_issue(struct loop *loop)
{
    IoReuseIrp(loop->irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(loop->irp, loop_routine, loop, TRUE, TRUE, TRUE);
    wt_connection(loop->socket)->WskReceive(loop->socket, &loop->buffer.buf, 0, loop->irp);
}

static NTSTATUS NTAPI loop_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct loop *loop = Context;
    const struct rtl_frame *frame;
    LONG depth = 0;

    UNREFERENCED_PARAMETER(DeviceObject);
    for (frame = ke_current_thread()->frames; frame != NULL; frame = frame->previous)
        depth += frame->call == OBSERVE_ROUTINE;
    loop->deepest = max(loop->deepest, depth);
    if (Irp->IoStatus.Status != STATUS_SUCCESS || Irp->IoStatus.Information == 0) {
        InterlockedExchange(&loop->ended, 1);
        return STATUS_MORE_PROCESSING_REQUIRED;
    }
    InterlockedIncrement(&loop->received);
    if (loop->close_at != 0 && loop->received == loop->close_at) {
        wt_close(loop->socket, &loop->close);
        InterlockedExchange(&loop->ended, 1);
    } else if (loop->until != NULL && ReadAcquire(&loop->until->received)) {
        InterlockedExchange(&loop->ended, 1);
    } else {
        loop_issue(loop);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static void loop_begin(struct loop *loop, PWSK_SOCKET socket, LONG close_at)
{
    RtlZeroMemory(loop, sizeof *loop);
    loop->socket = socket;
    loop->close_at = close_at;
    wt_buffer_init(&loop->buffer, 1);
    wt_op_init(&loop->close);
    loop->irp = IoAllocateIrp(1, FALSE);
}

static void loop_end(struct loop *loop)
{
    EXPECT_SOON(ReadAcquire(&loop->ended));
    if (loop->close_at != 0)
        EXPECT_STATUS(wt_wait(&loop->close), STATUS_SUCCESS);
    else
        wt_close_now(loop->socket);
    wt_op_free(&loop->close);
    wt_buffer_free(&loop->buffer);
    IoFreeIrp(loop->irp);
}

TEST(a_close_in_a_routine_that_ran_inline, "C-CLOSE-07 C-CLOSE-14 C-CLOSE-33 D-05 D-08")
{
    struct loop loop;
    LONG at;
    int peer;

    for (at = 1; at <= 40; at++) {
        loop_begin(&loop, wt_connected(AF_INET, NULL, NULL, &peer), at);
        peer_send(peer, "0123456789012345678901234567890123456789", 40); /* all of it is there */
        loop_issue(&loop);
        loop_end(&loop);
        EXPECT_EQ(loop.received, at);
        peer_expect_reset(peer);
        peer_close(peer);
    }
}

/* ---- re-issuing from completion routines recurses, or starves the other connections ------------------- */

TEST(a_receive_loop_neither_recurses, "D-05 C-IRP-14")
{
    static UCHAR bytes[20000];
    struct loop loop;
    int peer;

    loop_begin(&loop, wt_connected(AF_INET, NULL, NULL, &peer), 20000);
    peer_send(peer, bytes, sizeof bytes);
    loop_issue(&loop);
    loop_end(&loop);
    EXPECT_EQ(loop.received, 20000);
    EXPECT(loop.deepest <= 8);
    peer_close(peer);
}

struct feeder {
    int peer;
    volatile LONG stop;
};

static void feed(void *argument)
{
    struct feeder *feeder = argument;
    static const UCHAR bytes[4096];

    while (!ReadAcquire(&feeder->stop))
        if (peer_send_some(feeder->peer, bytes, sizeof bytes) <= 0)
            test_sleep_ms(1);
}

TEST(nor_starves_the_others, "D-05 D-06")
{
    struct loop hot, cold;
    struct feeder feeder = {-1, 0};
    struct test_thread *thread;
    PWSK_SOCKET first;
    int cold_peer = -1, spare[16], n = 0;
    PWSK_SOCKET extra[16];

    first = wt_connected(AF_INET, NULL, NULL, &feeder.peer);
    for (;;) { /* one on the same processor */
        extra[n] = wt_connected(AF_INET, NULL, NULL, &spare[n]);
        if (wsk_socket_of(extra[n])->processor == wsk_socket_of(first)->processor)
            break;
        EXPECT(++n < 16);
    }
    cold_peer = spare[n];
    loop_begin(&hot, first, 0);
    loop_begin(&cold, extra[n], 1);
    hot.until = &cold; /* it does not stop before the other has had its byte */
    thread = test_thread_start(feed, &feeder);
    loop_issue(&hot);
    EXPECT_SOON(ReadAcquire(&hot.received) > 100);
    loop_issue(&cold);
    peer_send(cold_peer, "x", 1);
    EXPECT_SOON(ReadAcquire(&cold.received) == 1);
    loop_end(&cold);
    EXPECT_SOON(ReadAcquire(&hot.ended));
    InterlockedExchange(&feeder.stop, 1);
    test_thread_join(thread);
    loop_end(&hot);
    peer_close(feeder.peer);
    peer_close(cold_peer);
    while (n-- > 0) {
        wt_close_now(extra[n]);
        peer_close(spare[n]);
    }
}

/* ---- pended IRPs die with the thread that issued them ------------------------------------------------- */

struct issuer {
    PWSK_SOCKET socket, listener;
    struct wt_buffer in;
    struct wt_op receive, accept;
};

static void issue_and_end(void *argument)
{
    struct issuer *issuer = argument;

    EXPECT_STATUS(wt_receive(issuer->socket, &issuer->receive, &issuer->in.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_accept(issuer->listener, &issuer->accept, NULL, NULL, NULL, NULL), STATUS_PENDING);
}

TEST(pended_irps_outlive_their_thread, "C-CLOSE-11 C-IRP-14 D-08")
{
    struct issuer issuer;
    int peer, port, caller;

    issuer.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    issuer.listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_buffer_init(&issuer.in, 10);
    wt_op_init(&issuer.receive);
    wt_op_init(&issuer.accept);
    test_thread_join(test_thread_start(issue_and_end, &issuer));
    test_sleep_ms(5);
    EXPECT(!wt_is_done(&issuer.receive) && !wt_is_done(&issuer.accept));
    peer_send(peer, "later", 5);
    EXPECT((caller = peer_connect(PEER_INET, port, 5000)) >= 0);
    EXPECT_STATUS(wt_wait(&issuer.receive), STATUS_SUCCESS);
    EXPECT_EQ(issuer.receive.information, 5);
    EXPECT_STATUS(wt_wait(&issuer.accept), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)issuer.accept.information);
    wt_close_now(issuer.listener);
    wt_close_now(issuer.socket);
    wt_op_free(&issuer.receive);
    wt_op_free(&issuer.accept);
    wt_buffer_free(&issuer.in);
    peer_close(peer);
    peer_close(caller);
}

/* ---- IoCancelIrp has no effect ------------------------------------------------------------------------ */

TEST(io_cancel_irp_works, "K-CANCEL-01 D-16 C-CLOSE-07")
{
    struct wt_op receive, accept, connect, send, second, disconnect;
    SOCKADDR_STORAGE address;
    struct wt_buffer in, out;
    int peer, port;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);
    PWSK_SOCKET dialing = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);

    wt_buffer_init(&in, 10);
    wt_buffer_init(&out, 32u << 20);
    wt_op_init(&receive);
    wt_op_init(&accept);
    wt_op_init(&connect);
    wt_op_init(&send);
    wt_op_init(&second);
    wt_op_init(&disconnect);
    wt_receive(socket, &receive, &in.buf, 0);
    wt_accept(listener, &accept, NULL, NULL, NULL, NULL);
    wt_bind(dialing, &connect, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&connect), STATUS_SUCCESS);
    wt_again(&connect);
    wt_connect(dialing, &connect, wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET)));
    wt_send(socket, &send, &out.buf, 0);
    wt_send(socket, &second, &out.buf, 0);
    wt_disconnect(socket, &disconnect, NULL, 0);
    EXPECT(IoCancelIrp(receive.irp));
    EXPECT(IoCancelIrp(accept.irp));
    EXPECT(IoCancelIrp(connect.irp));
    EXPECT(IoCancelIrp(disconnect.irp));
    EXPECT(IoCancelIrp(second.irp));
    EXPECT(IoCancelIrp(send.irp));
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&accept), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&connect), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&disconnect), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&second), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&send), STATUS_CANCELLED);
    wt_close_now(socket);
    wt_close_now(listener);
    wt_close_now(dialing);
    peer_drain_to_reset(peer);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&accept);
    wt_op_free(&connect);
    wt_op_free(&send);
    wt_op_free(&second);
    wt_op_free(&disconnect);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
}

/* ---- a cap of ten pended IRPs per socket -------------------------------------------------------------- */

#define MANY 200

TEST(any_number_of_irps_may_pend, "D-06 C-DATA-18")
{
    struct wt_op *receives = ExAllocatePool2(POOL_FLAG_NON_PAGED, MANY * sizeof *receives, 'ynaM');
    struct wt_buffer buffers[2];
    struct wt_op close;
    UCHAR bytes[MANY / 2];
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffers[0], MANY);
    for (i = 0; i < MANY; i++) {
        WSK_BUF one = {buffers[0].mdl, (ULONG)i, 1};

        wt_op_init(&receives[i]);
        EXPECT_STATUS(wt_receive(socket, &receives[i], &one, 0), STATUS_PENDING);
    }
    for (i = 0; i < MANY / 2; i++)
        bytes[i] = (UCHAR)i;
    peer_send(peer, bytes, sizeof bytes);
    for (i = 0; i < MANY / 2; i++) {
        EXPECT_STATUS(wt_wait(&receives[i]), STATUS_SUCCESS);
        EXPECT_EQ(buffers[0].bytes[i], (UCHAR)i);
        EXPECT(i == 0 || receives[i - 1].order < receives[i].order);
    }
    ct_close(socket, &close);
    for (; i < MANY; i++)
        ct_expect_cancelled(&receives[i], &close);
    for (i = 0; i < MANY; i++)
        wt_op_free(&receives[i]);
    wt_op_free(&close);
    wt_buffer_free(&buffers[0]);
    ExFreePoolWithTag(receives, 'ynaM');
    peer_close(peer);
}

/* ---- stubs that never complete the IRP ---------------------------------------------------------------- */

/* Whatever is asked in whatever state: the IRP comes back (wt_wait ends the test else). */
TEST(every_call_completes_its_irp, "D-01 D-02 D-03 R-CLOSE-13")
{
    static const ULONG flags[] = {WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET};
    SOCKADDR_STORAGE address;
    struct wt_buffer buffer;
    WSK_BUF broken = {NULL, 5, 10};
    struct wt_op op;
    ULONG value = 0, f;

    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    for (f = 0; f < 7; f++) { /* sockets that cannot be */
        wt_socket(&op, AF_INET, 0x40u << f, NULL, NULL);
        EXPECT(wt_wait(&op) != STATUS_SUCCESS);
        wt_again(&op);
    }
    for (f = 0; f < 2; f++) {
        PWSK_SOCKET socket = wt_open(AF_INET, flags[f], NULL, NULL);

        if (flags[f] == WSK_FLAG_LISTEN_SOCKET) {
            wt_accept(socket, &op, NULL, NULL, NULL, NULL);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
            wt_again(&op);
        } else {
            wt_send(socket, &op, &buffer.buf, 0);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
            wt_again(&op);
            wt_receive(socket, &op, &buffer.buf, 0);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
            wt_again(&op);
            wt_receive(socket, &op, &broken, 0xff00);
            EXPECT(wt_wait(&op) != STATUS_SUCCESS);
            wt_again(&op);
            wt_send(socket, &op, NULL, 0);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_PARAMETER);
            wt_again(&op);
            wt_disconnect(socket, &op, &buffer.buf, WSK_FLAG_ABORTIVE);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_PARAMETER);
            wt_again(&op);
            wt_disconnect(socket, &op, NULL, 0);
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
            wt_again(&op);
            wt_connect(socket, &op, wt_loopback(&address, AF_INET, 9));
            EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE); /* W-03 */
            wt_again(&op);
        }
        wt_bind(socket, &op, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_PARAMETER);
        wt_again(&op);
        wt_control(socket, &op, WskGetOption, 0x7777, 0x7777, 0, NULL, sizeof value, &value);
        EXPECT(wt_wait(&op) != STATUS_SUCCESS);
        wt_again(&op);
        wt_control(socket, &op, WskControlMax, 0, 0, 0, NULL, 0, NULL);
        EXPECT(wt_wait(&op) != STATUS_SUCCESS);
        wt_again(&op);
        wt_close_now(socket);
    }
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

/* ---- MDL chains refused, WAITALL ignored -------------------------------------------------------------- */

TEST(mdl_chains_and_waitall, "D-12 R-SEND-05 C-DATA-01")
{
    struct wt_buffer in, out;
    struct wt_op receive, send;
    UCHAR bytes[1000];
    int peer, i;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_chain(&in, 1000, 7);
    wt_buffer_chain(&out, 1000, 13);
    for (i = 0; i < 1000; i++)
        out.bytes[i] = (UCHAR)(i * 7);
    in.buf.Offset = 3;
    in.buf.Length = 990;
    wt_op_init(&receive);
    wt_op_init(&send);
    EXPECT_STATUS(wt_receive(socket, &receive, &in.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    wt_send(socket, &send, &out.buf, 0);
    peer_receive_all(peer, bytes, 1000);
    EXPECT(RtlEqualMemory(bytes, out.bytes, 1000));
    for (i = 0; i < 990; i += 330) {
        test_sleep_ms(5);
        EXPECT(!wt_is_done(&receive));
        peer_send(peer, bytes + i, 330);
    }
    EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(receive.information, 990);
    EXPECT(RtlEqualMemory(in.bytes + 3, bytes, 990));
    EXPECT_STATUS(wt_wait(&send), STATUS_SUCCESS);
    wt_close_now(socket);
    wt_op_free(&receive);
    wt_op_free(&send);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    peer_close(peer);
}
