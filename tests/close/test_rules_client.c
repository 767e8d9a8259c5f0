/*
 * test_rules_client.c - the client's side of closing: for each rule a driver that keeps it, and one that
 * breaks it and is contained: refused with a status, or named.  What ends in a bug check: test_bugchecks.c.
 * What the command says at the end of a run (exit statuses 4 and 5): tests/cli.
 */
#include "close_test.h"

#include <uwsk/statistics.h>

WT_FIXTURE;

/* ---- C-CLOSE-01, 02, 44: every socket is closed, else somebody says which is not ---------------------- */

struct account {
    const struct wsk_socket *wanted;
    volatile LONG seen, closing;
    ULONG created_frames;
};

static void find_socket(void *context, struct wsk_client *client, struct wsk_socket *socket)
{
    struct account *account = context;

    UNREFERENCED_PARAMETER(client);
    if (socket != account->wanted)
        return;
    account->seen++;
    account->closing = wsk_closing(socket);
    account->created_frames = socket->created_frames;
}

static struct account look_for(PWSK_SOCKET socket)
{
    struct account account = {.wanted = wsk_socket_of(socket)};

    wsk_each_socket(find_socket, &account);
    return account;
}

TEST(a_socket_left_open_is_on_the_account, "C-CLOSE-01 C-CLOSE-02 C-CLOSE-44")
{
    struct wt_op accept;
    PWSK_SOCKET listener, accepted;
    int port, peer;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&accept);
    wt_accept(listener, &accept, NULL, NULL, NULL, NULL);
    EXPECT((peer = peer_connect(PEER_INET, port, 5000)) >= 0);
    EXPECT_STATUS(wt_wait(&accept), STATUS_SUCCESS);
    accepted = (PWSK_SOCKET)accept.information;
    wt_close_now(listener); /* does not close what came from it: C-CLOSE-44 */
    EXPECT_SOON(look_for(listener).seen == 0);
    EXPECT_EQ(look_for(accepted).seen, 1);
    EXPECT(look_for(accepted).created_frames > 0); /* and where it was made */
    wt_close_now(accepted);
    EXPECT_SOON(look_for(accepted).seen == 0);
    peer_expect_reset(peer);
    peer_close(peer);
    wt_op_free(&accept);
}

/* ---- C-CLOSE-05, 06: a close while another thread is inside a function -------------------------------- */

struct careless {
    PWSK_SOCKET socket;
    WSK_EXTENSION_CONTROL_OUT extension;
    volatile LONG stop, calls, refused, refused_by_extension, other;
};

static void careless_caller(void *argument)
{
    struct careless *careless = argument;
    const UWSK_STATISTICS_PROVIDER_DISPATCH *statistics = careless->extension.ProviderDispatch;
    SOCKADDR_STORAGE address;
    UWSK_STATISTICS now;
    struct wt_op op;

    wt_op_init(&op);
    while (!ReadAcquire(&careless->stop)) {
        NTSTATUS status =
            wt_returned(&op, wt_connection(careless->socket)
                                 ->WskGetRemoteAddress(careless->socket, (PSOCKADDR)&address, op.irp));

        status = wt_wait(&op);
        InterlockedIncrement(&careless->calls);
        if (status == STATUS_FILE_FORCED_CLOSED)
            InterlockedIncrement(&careless->refused);
        else if (status != STATUS_SUCCESS)
            InterlockedIncrement(&careless->other);
        wt_again(&op);
        (void)wt_events(careless->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL);
        status = statistics->UwskQueryStatistics(careless->extension.ProviderContext, &now);
        if (status == STATUS_FILE_FORCED_CLOSED)
            InterlockedIncrement(&careless->refused_by_extension);
        else if (status != STATUS_SUCCESS)
            InterlockedIncrement(&careless->other);
    }
    wt_op_free(&op);
}

TEST(calls_in_progress_on_another_thread, "C-CLOSE-05 C-CLOSE-06 C-CLOSE-35 R-CLOSE-02 R-CLOSE-07",
     TEST_TIMEOUT(60))
{
    WSK_EXTENSION_CONTROL_IN in = {&NPI_UWSK_STATISTICS_ID, NULL, NULL};
    long i, rounds = test_scale(500);
    LONG refused = 0;

    for (i = 0; i < rounds; i++) {
        struct careless careless = {.stop = 0, .calls = 0, .refused = 0, .other = 0};
        struct test_thread *thread;
        struct wt_op close;
        int peer;

        careless.socket = wt_connected(AF_INET, NULL, NULL, &peer);
        EXPECT_STATUS(wt_control(careless.socket, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in,
                                 &in, sizeof careless.extension, &careless.extension),
                      STATUS_SUCCESS);
        thread = test_thread_start(careless_caller, &careless);
        EXPECT_SOON(ReadAcquire(&careless.calls) > 0);
        ct_close(careless.socket, &close);
        EXPECT_SOON(ReadAcquire(&careless.refused) > 0 && ReadAcquire(&careless.refused_by_extension) > 0);
        InterlockedExchange(&careless.stop, 1);
        test_thread_join(thread);
        EXPECT_EQ(careless.other, 0);
        refused += careless.refused;
        wt_op_free(&close);
        peer_close(peer);
    }
    EXPECT(refused >= rounds);
}

/* The same with calls that pend: they end with the close, or are refused; none is lost (the harness's IRPs
 * are completed exactly once). */
static void careless_receiver(void *argument)
{
    struct careless *careless = argument;
    struct wt_buffer buffer;
    struct wt_op op;
    NTSTATUS status;

    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    for (;;) {
        InterlockedIncrement(&careless->calls);
        wt_receive(careless->socket, &op, &buffer.buf, 0);
        status = wt_wait(&op);
        if (status != STATUS_SUCCESS)
            break;
        wt_again(&op);
    }
    EXPECT(status == STATUS_CANCELLED || status == STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

TEST(a_receive_called_during_the_close, "C-CLOSE-05 C-CLOSE-13 C-CLOSE-35", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(1000);

    for (i = 0; i < rounds; i++) {
        struct careless careless = {.stop = 0, .calls = 0, .refused = 0, .other = 0};
        struct test_thread *thread;
        struct wt_op close;
        int peer, n;

        careless.socket = wt_connected(AF_INET, NULL, NULL, &peer);
        for (n = 0; n < 20; n++)
            peer_send(peer, "0123456789", 10);
        thread = test_thread_start(careless_receiver, &careless);
        while (ReadAcquire(&careless.calls) < 1 + i % 20)
            YieldProcessor();
        ct_close(careless.socket, &close);
        test_thread_join(thread);
        wt_op_free(&close);
        peer_close(peer);
    }
}

/* ---- C-CLOSE-16: memory of pending IRPs --------------------------------------------------------------- */

static void free_the_buffer(struct wt_op *op)
{
    wt_buffer_free(op->context);
}

/* The driver frees each buffer in the routine of its IRP: that is allowed, for the provider is done with it.
 */
TEST(buffers_may_go_with_their_completion, "C-CLOSE-16 C-CLOSE-33", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(500);

    for (i = 0; i < rounds; i++) {
        struct wt_buffer in, out;
        struct wt_op receive, send, close;
        int peer;
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        wt_buffer_init(&in, 1 << 16);
        wt_buffer_chain(&out, 8u << 20, 1 << 18);
        wt_op_init(&receive);
        wt_op_init(&send);
        receive.hook = send.hook = free_the_buffer;
        receive.context = &in;
        send.context = &out;
        wt_receive(socket, &receive, &in.buf, WSK_FLAG_WAITALL);
        wt_send(socket, &send, &out.buf, 0);
        peer_send(peer, "some of it", 10);
        ct_close(socket, &close);
        wt_wait(&receive);
        wt_wait(&send);
        EXPECT(receive.order < close.order && send.order < close.order);
        wt_op_free(&receive);
        wt_op_free(&send);
        wt_op_free(&close);
        peer_drain_to_reset(peer);
        peer_close(peer);
    }
}

/* ---- C-CLOSE-21: waiting for the close where it waits for us ------------------------------------------ */

struct waiter {
    PWSK_SOCKET socket;
    struct wt_op close;
    volatile LONG done;
    NTSTATUS waited;
};

static NTSTATUS WSKAPI wait_in_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                       SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct waiter *waiter = SocketContext;
    LARGE_INTEGER due;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    wt_close(waiter->socket, &waiter->close);
    due.QuadPart = -20 * 10000;
    waiter->waited = KeWaitForSingleObject(&waiter->close.done, Executive, KernelMode, FALSE, &due);
    InterlockedExchange(&waiter->done, 1);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH waiting = {wait_in_receive, NULL, NULL};

#ifdef __SANITIZE_THREAD__
#define PASSIVE_MODES "natural/passive always-pend/passive inline/passive"
#else
#define PASSIVE_MODES                                                                                        \
    "natural/passive always-pend/passive inline/passive natural/passive/sim always-pend/passive/sim "        \
    "inline/passive/sim"
#endif

/* At PASSIVE_LEVEL it only gets what it asked for: nothing, until its patience is over.  Whoever looks sees
 * which callback the close waits for.  (At DISPATCH_LEVEL: a bug check.) */
TEST(waiting_in_a_callback_for_the_close, "C-CLOSE-21 C-CLOSE-17", TEST_MODES(PASSIVE_MODES))
{
    struct waiter waiter = {.done = 0, .waited = -1};
    int peer;

    wt_op_init(&waiter.close);
    waiter.socket = wt_connected(AF_INET, &waiter, &waiting, &peer);
    EXPECT_STATUS(wt_events(waiter.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    EXPECT_SOON(look_for(waiter.socket).closing);
    EXPECT(ReadAcquire(&waiter.done) || wsk_running(wsk_socket_of(waiter.socket)) == WSK_CALLBACK_RECEIVE);
    EXPECT_STATUS(wt_wait(&waiter.close), STATUS_SUCCESS);
    EXPECT_STATUS(waiter.waited, STATUS_TIMEOUT);
    peer_close(peer);
    wt_op_free(&waiter.close);
}

/* ---- C-CLOSE-24: no completion routine ---------------------------------------------------------------- */

/* A driver that sets none leaks its IRP: nobody frees it, it stays on the account until the driver does. */
TEST(without_a_completion_routine, "C-CLOSE-24")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_basic(socket)->WskCloseSocket(socket, irp);
    peer_expect_reset(peer);
    EXPECT_SOON(look_for(socket).seen == 0);
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_SUCCESS);
    IoFreeIrp(irp); /* else the teardown would name it */
    peer_close(peer);
}

/* ---- C-CLOSE-25, 30: nothing was closed, the socket is still its own ---------------------------------- */

static int fail_irps(void *context, int kind)
{
    UNREFERENCED_PARAMETER(context);
    return kind == HOST_FAULT_IRP;
}

TEST(no_irp_to_close_with, "C-CLOSE-25 C-CLOSE-30")
{
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    host_set_fault_plan(fail_irps, NULL);
    EXPECT(IoAllocateIrp(1, FALSE) == NULL);
    host_set_fault_plan(NULL, NULL);
    wt_send_now(socket, "still mine", 10); /* the later attempt: */
    wt_close_now(socket);
    EXPECT_EQ(peer_drain_to_reset(peer), 10);
    peer_close(peer);
}

struct torn {
    volatile LONG torn_down;
};

static void tear_down_on_success(struct wt_op *op)
{
    if (op->status == STATUS_SUCCESS)
        InterlockedIncrement(&((struct torn *)op->context)->torn_down);
}

TEST(a_close_that_failed_tears_nothing_down, "C-CLOSE-30 C-CLOSE-26 R-CLOSE-13")
{
    struct torn torn = {0};
    struct wt_op close;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_op_init(&close);
    close.hook = tear_down_on_success;
    close.context = &torn;
    wt_returned(&close, wt_basic(socket)->WskCloseSocket(NULL, close.irp));
    EXPECT_STATUS(wt_wait(&close), STATUS_INVALID_HANDLE);
    EXPECT_EQ(torn.torn_down, 0);
    wt_again(&close);
    close.hook = tear_down_on_success;
    close.context = &torn;
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_EQ(torn.torn_down, 1);
    wt_op_free(&close);
    peer_close(peer);
}

/* ---- C-CLOSE-28, 32: the routine may be quicker than the call ----------------------------------------- */

static NTSTATUS NTAPI free_irp(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    IoFreeIrp(Irp);
    InterlockedIncrement((volatile LONG *)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The routine that brought the connection may have returned, and its end be still on its way: then that has the last
 * hold, and not the close.  What stays is what watches the connection. */
static BOOLEAN nothing_under_way(PWSK_SOCKET socket)
{
    struct wsk_socket *inside = wsk_socket_of(socket);
    KIRQL irql = wsk_lock(inside);
    ULONG64 watches = (ULONG64)inside->receive.peer_fin_armed + inside->receive.reset_armed;
    ULONG64 holds = __atomic_load_n(&inside->gate, __ATOMIC_RELAXED) & WSK_GATE_HOLDS;

    wsk_unlock(inside, irql);
    return holds == watches;
}

TEST(the_irp_is_gone_when_the_call_returns, "C-CLOSE-28 C-CLOSE-32 C-CLOSE-33")
{
    volatile LONG done = 0;
    int i, early = 0, peer;

    for (i = 1; i <= 30; i++) {
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);
        PIRP irp = IoAllocateIrp(1, FALSE);

        IoSetCompletionRoutine(irp, free_irp, (PVOID)&done, TRUE, TRUE, TRUE);
        EXPECT_SOON(nothing_under_way(socket));
        wt_basic(socket)->WskCloseSocket(socket, irp);
        early += ReadAcquire(&done) == i; /* neither irp nor socket is touched here */
        EXPECT_SOON(ReadAcquire(&done) == i);
        peer_close(peer);
    }
    if (test_mode_has("inline"))
        EXPECT_EQ(early, 30);
}

/* ---- C-CLOSE-35, 36: no function any more ------------------------------------------------------------- */

/* Every function of a connection, on a socket that was closed: refused, the IRP completed, nothing touched.
 */
static void refused_everywhere(PWSK_SOCKET socket, NTSTATUS expected)
{
    SOCKADDR_STORAGE address;
    struct wt_buffer buffer;
    struct wt_op op;
    ULONG value = 1;

    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    EXPECT_STATUS(wt_close(socket, &op), expected); /* a second close */
    wt_again(&op);
    EXPECT_STATUS(wt_bind(socket, &op, wt_any(&address, AF_INET, 0)), expected);
    wt_again(&op);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET, 9)), expected);
    wt_again(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, 0), expected);
    wt_again(&op);
    EXPECT_STATUS(wt_receive(socket, &op, &buffer.buf, 0), expected);
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(socket, &op, NULL, 0), expected);
    wt_again(&op);
    EXPECT_STATUS(wt_disconnect(socket, &op, NULL, WSK_FLAG_ABORTIVE), expected);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp)),
        expected);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&address, op.irp)),
        expected);
    wt_again(&op);
    EXPECT_STATUS(
        wt_control(socket, &op, WskSetOption, SO_KEEPALIVE, SOL_SOCKET, sizeof value, &value, 0, NULL),
        expected);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), expected);
    EXPECT_STATUS(wt_release(socket, (PWSK_DATA_INDICATION)buffer.bytes), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

TEST(every_function_is_refused_after_the_close, "C-CLOSE-35 C-CLOSE-36 R-CLOSE-07 R-CTLS-13 R-REL-05")
{
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_close_now(socket);
    refused_everywhere(socket, STATUS_FILE_FORCED_CLOSED);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(an_accept_after_the_close_is_refused, "C-CLOSE-35 C-CLOSE-36 R-ACC-09")
{
    struct wt_op op;
    int port;
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);

    wt_close_now(listener);
    wt_op_init(&op);
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL), STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
}

/* From the moment of the call on, not from its completion: here a callback holds the close up. */
TEST(every_function_is_refused_while_the_close_pends, "C-CLOSE-35 C-CLOSE-36 R-CLOSE-07 H-09")
{
    struct ct_gate gate = {0, 0};
    struct wt_op close, receive;
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, &gate, &ct_stander, &peer);

    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    wt_op_init(&close);
    wt_op_init(&receive);
    wt_buffer_init(&buffer, 1);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_close(socket, &close), STATUS_PENDING);
    refused_everywhere(socket, STATUS_FILE_FORCED_CLOSED);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    wt_buffer_free(&buffer);
    wt_op_free(&receive);
    wt_op_free(&close);
    peer_close(peer);
}

struct again {
    PWSK_SOCKET socket;
    struct wt_op next;
    struct wt_buffer buffer;
    NTSTATUS refused, refused_close;
};

static void receive_again(struct wt_op *op)
{
    struct again *again = op->context;
    struct wt_op second;

    again->refused = wt_receive(again->socket, &again->next, &again->buffer.buf, 0);
    wt_op_init(&second);
    again->refused_close = wt_close(again->socket, &second);
    wt_op_free(&second);
}

/* The classic: the receive loop goes on in the routine without a look at the status. */
TEST(a_receive_loop_that_does_not_look, "C-CLOSE-36 C-CLOSE-35 C-CLOSE-14")
{
    struct wt_op receive, close;
    struct again again;
    int peer;

    again.socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&again.buffer, 10);
    wt_op_init(&again.next);
    wt_op_init(&receive);
    receive.hook = receive_again;
    receive.context = &again;
    EXPECT_STATUS(wt_receive(again.socket, &receive, &again.buffer.buf, 0), STATUS_PENDING);
    ct_close(again.socket, &close);
    ct_expect_cancelled(&receive, &close);
    EXPECT_STATUS(again.refused, STATUS_FILE_FORCED_CLOSED);
    EXPECT_STATUS(again.refused_close, STATUS_FILE_FORCED_CLOSED);
    EXPECT(again.next.order < receive.order + 2 && again.next.order < close.order);
    peer_close(peer);
    wt_op_free(&receive);
    wt_op_free(&again.next);
    wt_op_free(&close);
    wt_buffer_free(&again.buffer);
}

/* Two threads close the same socket: one does, the other is refused. */
struct twice {
    PWSK_SOCKET socket;
    struct wt_op close[2];
    struct test_barrier *barrier;
};

static void close_second(void *argument)
{
    struct twice *twice = argument;

    test_barrier_wait(twice->barrier);
    wt_close(twice->socket, &twice->close[1]);
}

TEST(two_closes_at_once, "C-CLOSE-36 C-CLOSE-27 R-CLOSE-07", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(1000);

    for (i = 0; i < rounds; i++) {
        struct twice twice;
        struct test_thread *thread;
        int n, peer, good = 0;

        twice.socket = wt_connected(AF_INET, NULL, NULL, &peer);
        twice.barrier = test_barrier_create(2);
        wt_op_init(&twice.close[0]);
        wt_op_init(&twice.close[1]);
        thread = test_thread_start(close_second, &twice);
        test_barrier_wait(twice.barrier);
        wt_close(twice.socket, &twice.close[0]);
        test_thread_join(thread);
        for (n = 0; n < 2; n++) {
            if (wt_wait(&twice.close[n]) == STATUS_SUCCESS)
                good++;
            else
                EXPECT_STATUS(twice.close[n].status, STATUS_FILE_FORCED_CLOSED);
            wt_op_free(&twice.close[n]);
        }
        EXPECT_EQ(good, 1);
        test_barrier_free(twice.barrier);
        peer_expect_reset(peer);
        peer_close(peer);
    }
}

/* ---- R-CLOSE-10: what a close does not release -------------------------------------------------------- */
