/*
 * test_rules_provider.c - what the provider owes at a close, rule by rule, where test_states.c,
 * the tests of closing in callbacks, in routines and in races do not show it already.
 */
#include "close_test.h"

static volatile LONG sockets_alive;

static void observe_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes,
                         void *caller)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(tag);
    UNREFERENCED_PARAMETER(bytes);
    UNREFERENCED_PARAMETER(caller);
    if (kind == OBSERVE_SOCKET)
        InterlockedIncrement(&sockets_alive);
}

static void observe_dead(void *context, int kind, const void *object)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(object);
    if (kind == OBSERVE_SOCKET)
        InterlockedDecrement(&sockets_alive);
}

static volatile LONG told[8]; /* by enum observe_socket_step */

static void observe_socket(void *context, int step, const void *socket, const void *irp, const char *name)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(name);
    InterlockedIncrement(&told[step]);
}

static void setup(void)
{
    static const struct observe_hooks hooks = {
        .born = observe_born, .dead = observe_dead, .socket = observe_socket};

    observe_install(&hooks); /* before the first thread looks */
    wt_setup();
}

TEST_FIXTURE(setup, wt_teardown);
TEST_MATRIX(WT_MODES);

/* ---- C-CLOSE-04, R-CLOSE-01: where the function stands ------------------------------------------------ */

TEST(close_stands_at_the_basic_position, "C-CLOSE-04 R-CLOSE-01 C-CLOSE-26")
{
    static const ULONG flags[] = {WSK_FLAG_BASIC_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
                                  WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_STREAM_SOCKET};
    NTSTATUS(WSKAPI * close)(PWSK_SOCKET, PIRP);
    PWSK_SOCKET socket;
    unsigned i;
    int peer;

    for (i = 0; i < RTL_NUMBER_OF(flags); i++) {
        socket = wt_open(AF_INET, flags[i], NULL, NULL);
        close = ((const WSK_PROVIDER_BASIC_DISPATCH *)socket->Dispatch)->WskCloseSocket;
        EXPECT(close != NULL);
        if (flags[i] == WSK_FLAG_LISTEN_SOCKET)
            EXPECT(wt_listen(socket)->WskCloseSocket == close);
        if (flags[i] == WSK_FLAG_CONNECTION_SOCKET)
            EXPECT(wt_connection(socket)->WskCloseSocket == close);
        if (flags[i] == WSK_FLAG_DATAGRAM_SOCKET)
            EXPECT(wt_datagram(socket)->WskCloseSocket == close);
        if (flags[i] == WSK_FLAG_STREAM_SOCKET)
            EXPECT(wt_stream(socket)->WskCloseSocket == close);
        wt_close_now(socket);
    }
    socket = wt_accepted(AF_INET, NULL, NULL, &peer); /* accepted ones included */
    EXPECT(wt_connection(socket)->WskCloseSocket == wt_basic(socket)->WskCloseSocket);
    wt_close_now(socket);
    peer_close(peer);
}

/* ---- C-CLOSE-08, 09, 10: how the client counts is its own business ------------------------------------ */

struct counted {
    PWSK_SOCKET socket;
    volatile LONG word; /* calls in progress; the high bit: closing */
    volatile LONG refused;
    struct test_barrier *barrier;
};

#define CLOSING 0x40000000

/* The recipe of the page: one atomic test-and-increment before each call, one decrement after it. */
static BOOLEAN counted_enter(struct counted *counted)
{
    LONG old = ReadAcquire(&counted->word);

    for (;;) {
        LONG seen;

        if (old & CLOSING)
            return FALSE;
        seen = InterlockedCompareExchange(&counted->word, old + 1, old);
        if (seen == old)
            return TRUE;
        old = seen;
    }
}

static void counted_leave(struct counted *counted)
{
    InterlockedDecrement(&counted->word);
}

static void counted_caller(void *argument)
{
    struct counted *counted = argument;
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    test_barrier_wait(counted->barrier);
    while (counted_enter(counted)) {
        wt_returned(
            &op,
            wt_connection(counted->socket)->WskGetLocalAddress(counted->socket, (PSOCKADDR)&address, op.irp));
        counted_leave(counted); /* when the call returns, not when its IRP completes */
        if (wt_wait(&op) == STATUS_FILE_FORCED_CLOSED)
            InterlockedIncrement(&counted->refused);
        wt_again(&op);
    }
    wt_op_free(&op);
}

TEST(a_counter_of_the_clients_own, "C-CLOSE-08 C-CLOSE-09 C-CLOSE-05 R-CLOSE-02", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(500);

    for (i = 0; i < rounds; i++) {
        struct counted counted = {.word = 0, .refused = 0, .barrier = test_barrier_create(3)};
        struct test_thread *threads[2];
        struct wt_op close;
        int peer;

        counted.socket = wt_connected(AF_INET, NULL, NULL, &peer);
        threads[0] = test_thread_start(counted_caller, &counted);
        threads[1] = test_thread_start(counted_caller, &counted);
        test_barrier_wait(counted.barrier);
        test_sleep_ms((int)(i % 3));
        InterlockedOr(&counted.word, CLOSING);
        while (ReadAcquire(&counted.word) != CLOSING)
            YieldProcessor();
        ct_close(counted.socket, &close);
        test_thread_join(threads[0]);
        test_thread_join(threads[1]);
        EXPECT_EQ(counted.refused, 0); /* keeping the rule never trips the provider */
        wt_op_free(&close);
        test_barrier_free(counted.barrier);
        peer_close(peer);
    }
}

TEST(one_thread_and_no_counter, "C-CLOSE-08 C-CLOSE-10 C-CLOSE-12")
{
    int i, peer;

    for (i = 0; i < 20; i++) {
        struct wt_op receive, send, close;
        struct wt_buffer buffer;
        PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

        wt_buffer_init(&buffer, 10);
        wt_op_init(&receive);
        wt_op_init(&send);
        wt_receive(socket, &receive, &buffer.buf, 0);
        wt_send(socket, &send, &buffer.buf, 0);
        ct_close(socket, &close); /* nothing announces it */
        EXPECT(receive.order < close.order && send.order < close.order);
        wt_op_free(&receive);
        wt_op_free(&send);
        wt_op_free(&close);
        wt_buffer_free(&buffer);
        peer_close(peer);
    }
}

/* ---- C-CLOSE-11: every kind of operation -------------------------------------------------------------- */

/* Of a connection; datagram sockets: test_datagrams.c, SIO_ADDRESS_LIST_CHANGE: test_control_ioctls.c. */
TEST(every_kind_of_pending_operation_ends, "C-CLOSE-11")
{
    WSK_BUF empty = {NULL, 0, 0};
    struct wt_op ops[7], close;
    struct wt_buffer in, out;
    int i, peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&in, 100);
    wt_buffer_init(&out, 32u << 20); /* more than the socket buffers take */
    for (i = 0; i < 7; i++)
        wt_op_init(&ops[i]);
    peer_drop_incoming(peer);
    EXPECT_STATUS(wt_receive(socket, &ops[0], &in.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &ops[1], &in.buf, WSK_FLAG_WAITALL), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &ops[2], &empty, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &ops[3], &empty, WSK_FLAG_DRAIN), STATUS_PENDING);
    EXPECT_STATUS(wt_send(socket, &ops[4], &out.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_send(socket, &ops[5], &out.buf, WSK_FLAG_NODELAY), STATUS_PENDING);
    EXPECT_STATUS(wt_disconnect(socket, &ops[6], &in.buf, 0), STATUS_PENDING);
    ct_close(socket, &close);
    for (i = 0; i < 7; i++) {
        ct_expect_cancelled(&ops[i], &close);
        wt_op_free(&ops[i]);
    }
    wt_op_free(&close);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    peer_close(peer);
}

/* ---- C-CLOSE-13: who won the race keeps its result ---------------------------------------------------- */

static void stand_in_routine(struct wt_op *op)
{
    ct_stand(op->context);
}

/* A receive has its bytes, its routine runs; the close comes; a second receive waits behind. */
TEST(a_result_that_is_there_stays, "C-CLOSE-13 C-CLOSE-14 C-CLOSE-19 D-06", TEST_MODES(WT_CALM_MODES))
{
    struct wt_op first, second, third, close;
    struct ct_gate gate = {0, 0};
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 4);
    wt_op_init(&first);
    wt_op_init(&second);
    wt_op_init(&third);
    wt_op_init(&close);
    first.hook = stand_in_routine;
    first.context = &gate;
    EXPECT_STATUS(wt_receive(socket, &first, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &second, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(wt_receive(socket, &third, &buffer.buf, 0), STATUS_PENDING);
    peer_send(peer, "oneone", 6);
    ct_await(&gate);
    EXPECT_STATUS(wt_close(socket, &close), STATUS_PENDING); /* a routine of the socket still runs */
    test_sleep_ms(10);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&first), STATUS_SUCCESS);
    EXPECT_EQ(first.information, 4);
    if (wt_wait(&second) == STATUS_SUCCESS) /* the two bytes came before the close, or they did not */
        EXPECT_EQ(second.information, 2);
    else
        ct_expect_cancelled(&second, &close);
    ct_expect_cancelled(&third, &close);
    EXPECT(first.order < second.order && second.order < third.order && third.order < close.order);
    wt_op_free(&first);
    wt_op_free(&second);
    wt_op_free(&third);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- C-CLOSE-12, 29: the routines that run, and what they are given ----------------------------------- */

static NTSTATUS NTAPI note(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT(Irp != NULL);
    InterlockedIncrement((volatile LONG *)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A routine registered for cancellation only runs because Irp->Cancel was set. */
TEST(routines_for_cancellation_only, "C-CLOSE-12 D-26 C-CLOSE-29")
{
    volatile LONG on_cancel = 0, on_success = 0;
    PIRP receive = IoAllocateIrp(1, FALSE), close = IoAllocateIrp(1, FALSE);
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 10);
    IoSetCompletionRoutine(receive, note, (PVOID)&on_cancel, FALSE, FALSE, TRUE);
    IoSetCompletionRoutine(close, note, (PVOID)&on_success, TRUE, FALSE, FALSE);
    EXPECT_STATUS(wt_connection(socket)->WskReceive(socket, &buffer.buf, 0, receive), STATUS_PENDING);
    wt_basic(socket)->WskCloseSocket(socket, close);
    EXPECT_SOON(ReadAcquire(&on_success));
    EXPECT_EQ(on_cancel, 1);
    EXPECT_STATUS(receive->IoStatus.Status, STATUS_CANCELLED);
    EXPECT_EQ(receive->IoStatus.Information, 0);
    IoFreeIrp(receive);
    IoFreeIrp(close);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- C-CLOSE-26, 27, R-CLOSE-13: exactly one completion on every path --------------------------------- */

TEST(one_completion_on_every_path, "C-CLOSE-26 C-CLOSE-27 R-CLOSE-13 W-01 W-04")
{
    struct wt_op op;
    NTSTATUS status;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);
    PFN_WSK_CLOSE_SOCKET close = wt_basic(socket)->WskCloseSocket;

    EXPECT_STATUS(close(socket, NULL), STATUS_INVALID_PARAMETER); /* nothing was closed: */
    wt_send_now(socket, "alive", 5);
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, close(NULL, op.irp)), STATUS_INVALID_HANDLE);
    EXPECT_EQ(op.completions, 1);
    wt_again(&op);
    status = wt_close(socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(status == STATUS_PENDING || (status == STATUS_SUCCESS && test_mode_has("inline"))); /* W-01 */
    test_sleep_ms(5);
    EXPECT_EQ(op.completions, 1);
    wt_op_free(&op);
    peer_close(peer);
}

/* IoCancelIrp on the close itself: it runs its course. */
TEST(a_close_cannot_be_cancelled, "C-CLOSE-27 K-CANCEL-01")
{
    struct ct_gate gate = {0, 0};
    struct wt_op receive, close;
    struct wt_buffer buffer;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 4);
    wt_op_init(&receive);
    wt_op_init(&close);
    receive.hook = stand_in_routine;
    receive.context = &gate;
    wt_receive(socket, &receive, &buffer.buf, 0);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    EXPECT_STATUS(wt_close(socket, &close), STATUS_PENDING);
    EXPECT(!IoCancelIrp(close.irp));
    test_sleep_ms(5);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* ---- C-CLOSE-31: the context is never used again ------------------------------------------------------ */

struct short_lived {
    volatile LONG calls;
};

static NTSTATUS WSKAPI count_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                     SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct short_lived *context = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    InterlockedIncrement(&context->calls); /* ASan, and the fill of freed pool, know when it is gone */
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH counting = {count_receive, NULL, NULL};

static void free_context(struct wt_op *op)
{
    ExFreePoolWithTag(op->context, 'txtC');
}

TEST(the_context_dies_with_the_close, "C-CLOSE-18 C-CLOSE-31 R-CLOSE-08", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(1000);

    for (i = 0; i < rounds; i++) {
        struct short_lived *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *context, 'txtC');
        struct wt_op close;
        int peer;
        PWSK_SOCKET socket = wt_connected(AF_INET, context, &counting, &peer);

        EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(peer, "data", 4);
        wt_op_init(&close);
        close.hook = free_context;
        close.context = context;
        wt_close(socket, &close);
        peer_send_some(peer, "more", 4);
        EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
        wt_op_free(&close);
        peer_close(peer);
    }
}

/* ---- C-CLOSE-43: the listener's connections are their own --------------------------------------------- */

/* Requests that wait for their inspection do not: test_inspect.c. */
TEST(accepted_sockets_outlive_their_listener, "C-CLOSE-43")
{
    struct wt_op accepts[3], close;
    PWSK_SOCKET listener, sockets[3];
    int port, i, peers[3];
    char text[5];

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    for (i = 0; i < 3; i++) {
        wt_op_init(&accepts[i]);
        wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL);
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
        EXPECT_STATUS(wt_wait(&accepts[i]), STATUS_SUCCESS);
        sockets[i] = (PWSK_SOCKET)accepts[i].information;
        wt_op_free(&accepts[i]);
    }
    ct_close(listener, &close);
    for (i = 2; i >= 0; i--) { /* the last accepted one first: others kill it */
        peer_send(peers[i], "still", 5);
        EXPECT_EQ(wt_receive_now(sockets[i], text, 5, WSK_FLAG_WAITALL), 5);
        wt_send_now(sockets[i], text, 5);
        peer_receive_all(peers[i], text, 5);
        EXPECT(RtlEqualMemory(text, "still", 5));
        wt_close_now(sockets[i]);
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
    wt_op_free(&close);
}

/* ---- C-CLOSE-45, R-CLOSE-09: everything is given back ------------------------------------------------- */

TEST(everything_is_given_back, "C-CLOSE-45 R-CLOSE-09 C-CLOSE-38")
{
    int fds, i, peer;
    LONG closes;

    ct_count_calls();
    wt_close_now(wt_connected(AF_INET, NULL, NULL, &peer)); /* what is made once is made now */
    peer_close(peer);
    fds = peer_count_fds();
    closes = ct_closes;
    for (i = 0; i < 30; i++) {
        PWSK_SOCKET socket =
            i & 1 ? wt_accepted(AF_INET, NULL, NULL, &peer) : wt_connected(AF_INET6, NULL, NULL, &peer);

        wt_close_now(socket);
        peer_close(peer);
    }
    EXPECT_EQ(peer_count_fds(), fds);
    EXPECT_EQ(ct_closes - closes, 30 + 15); /* 15 of them had a listener */
    EXPECT_SOON(ReadAcquire(&sockets_alive) == 0);
}

/* ---- retained indications ----------------------------------------------------------------------------- */

struct keeper {
    PWSK_SOCKET socket;
    PWSK_DATA_INDICATION lists[8];
    volatile LONG count;
    NTSTATUS answers[8];
    LONG pieces[8];
    BOOLEAN release_first;
    KIRQL level; /* of the call that released first */
    int peer;
};

static NTSTATUS WSKAPI keep(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                            SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct keeper *keeper = SocketContext;
    LONG n = keeper->count;
    NTSTATUS answer = keeper->answers[n];

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    keeper->lists[n] = DataIndication;
    for (; DataIndication != NULL; DataIndication = DataIndication->Next)
        keeper->pieces[n]++;
    if (n == 1 && keeper->release_first) {
        peer_send_some(keeper->peer, "third", 5); /* fetched at the release, while we are in here */
        EXPECT_STATUS(wt_release(keeper->socket, keeper->lists[0]), STATUS_SUCCESS);
        keeper->level = KeGetCurrentIrql();
    }
    InterlockedIncrement(&keeper->count);
    return answer;
}

static const WSK_CLIENT_CONNECTION_DISPATCH keeping = {keep, NULL, NULL};

TEST(retained_indications_outlive_their_socket, "C-CLOSE-37 R-CLOSE-12 C-DATA-11 R-REL-05",
     TEST_MODES(WT_CALM_MODES))
{
    struct keeper keeper;
    const UCHAR *bytes;
    int i;

    RtlZeroMemory(&keeper, sizeof keeper);
    for (i = 0; i < 8; i++)
        keeper.answers[i] = STATUS_PENDING;
    keeper.socket = wt_connected(AF_INET, &keeper, &keeping, &keeper.peer);
    EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(keeper.peer, "first", 5);
    EXPECT_SOON(ReadAcquire(&keeper.count) == 1);
    peer_send(keeper.peer, "second", 6);
    EXPECT_SOON(ReadAcquire(&keeper.count) == 2);
    wt_close_now(keeper.socket); /* a driver that breaks the rule; teardown says so and gives them back */
    EXPECT_STATUS(wt_release(keeper.socket, keeper.lists[0]), STATUS_INVALID_PARAMETER);
    bytes = MmGetSystemAddressForMdlSafe(keeper.lists[1]->Buffer.Mdl, NormalPagePriority);
    EXPECT_EQ(keeper.lists[1]->Buffer.Length, 6);
    EXPECT(RtlEqualMemory(bytes + keeper.lists[1]->Buffer.Offset, "second", 6)); /* still readable */
    peer_close(keeper.peer);
}

TEST(released_before_the_close, "C-CLOSE-37 R-CLOSE-12")
{
    struct keeper keeper;

    RtlZeroMemory(&keeper, sizeof keeper);
    keeper.answers[0] = STATUS_PENDING;
    keeper.socket = wt_connected(AF_INET, &keeper, &keeping, &keeper.peer);
    EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(keeper.peer, "first", 5);
    EXPECT_SOON(ReadAcquire(&keeper.count) >= 1);
    EXPECT_STATUS(wt_release(keeper.socket, keeper.lists[0]), STATUS_SUCCESS);
    EXPECT_STATUS(wt_release(keeper.socket, keeper.lists[0]), STATUS_INVALID_PARAMETER);
    wt_close_now(keeper.socket);
    peer_close(keeper.peer);
}

/* Data that came during a callback joins what the callback refused; refused as one list, it goes back as
 * single pieces, and the close frees each piece once.  (At DISPATCH_LEVEL the callback is on the thread that
 * would have to hear of the data, so it comes afterwards.) */
TEST(refused_lists_of_several_pieces_are_freed_once, "C-CLOSE-45 C-DATA-14 R-RECVEV-13",
     TEST_MODES(WT_CALM_MODES))
{
    LONG most = 0, passive = 0;
    int i;

    for (i = 0; i < 10; i++) { /* the third piece is nearly always there in time */
        struct keeper keeper;
        char text[8];

        RtlZeroMemory(&keeper, sizeof keeper);
        keeper.answers[0] = STATUS_PENDING;
        keeper.answers[1] = STATUS_DATA_NOT_ACCEPTED;
        keeper.answers[2] = STATUS_DATA_NOT_ACCEPTED;
        keeper.release_first = TRUE;
        keeper.socket = wt_connected(AF_INET, &keeper, &keeping, &keeper.peer);
        EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(keeper.peer, "first", 5);
        EXPECT_SOON(ReadAcquire(&keeper.count) == 1);
        peer_send(keeper.peer, "second", 6);
        EXPECT_SOON(ReadAcquire(&keeper.count) == 2);
        EXPECT_EQ(wt_receive_now(keeper.socket, text, 1, 0), 1); /* H-05: indications resume */
        EXPECT(text[0] == 's');
        EXPECT_SOON(ReadAcquire(&keeper.count) == 3);
        most = max(most, keeper.pieces[2]);
        passive += keeper.level == PASSIVE_LEVEL;
        wt_close_now(keeper.socket);
        peer_close(keeper.peer);
    }
    EXPECT(most == 2 || passive == 0);
}

/* ---- reports while sockets come and go: no lock is taken the wrong way round -------------------------- */

static volatile LONG reports_stop, reports_seen;

static void count_report(void *context, struct wsk_client *client, struct wsk_socket *socket)
{
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(client);
    ke_release_spin_lock(&socket->lock, irql);
    InterlockedIncrement(&reports_seen);
}

static void reporter(void *argument)
{
    UNREFERENCED_PARAMETER(argument);
    while (!ReadAcquire(&reports_stop))
        wsk_each_socket(count_report, NULL);
}

TEST(reports_do_not_hinder_a_close, "C-CLOSE-19 C-CLOSE-45", TEST_TIMEOUT(60))
{
    struct test_thread *thread = test_thread_start(reporter, NULL);
    long i, rounds = test_scale(2000);

    for (i = 0; i < rounds; i++) {
        struct keeper keeper;

        RtlZeroMemory(&keeper, sizeof keeper);
        keeper.answers[0] = STATUS_PENDING;
        keeper.socket = wt_accepted(AF_INET, &keeper, &keeping, &keeper.peer);
        EXPECT_STATUS(wt_events(keeper.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(keeper.peer, "first", 5);
        EXPECT_SOON(ReadAcquire(&keeper.count) >= 1);
        wt_close_now(keeper.socket);
        peer_close(keeper.peer);
    }
    InterlockedExchange(&reports_stop, 1);
    test_thread_join(thread);
    EXPECT(reports_seen > 0);
}

/* ---- C-CLOSE-37, C-DATA-11: what observers are told of a release that is refused ------------------------------------ */

TEST(a_refused_release_is_told_for_what_it_is, "C-CLOSE-37 C-DATA-11 R-REL-05")
{
    const WSK_PROVIDER_CONNECTION_DISPATCH *table;
    WSK_DATA_INDICATION foreign;
    PWSK_SOCKET socket;
    int peer;

    RtlZeroMemory(&foreign, sizeof foreign);
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    table = wt_connection(socket);
    EXPECT_STATUS(table->WskRelease(socket, &foreign), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(told[OBSERVE_SOCKET_UNKNOWN], 1);
    EXPECT_STATUS(table->WskRelease(socket, NULL), STATUS_INVALID_PARAMETER); /* the socket is open */
    EXPECT_EQ(told[OBSERVE_SOCKET_UNKNOWN], 2);
    EXPECT_EQ(told[OBSERVE_SOCKET_REFUSED], 0);
    wt_close_now(socket);
    EXPECT_STATUS(table->WskRelease(socket, &foreign), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(table->WskRelease(socket, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(table->WskRelease(NULL, &foreign), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(told[OBSERVE_SOCKET_UNKNOWN], 2);
    EXPECT_EQ(told[OBSERVE_SOCKET_REFUSED], 3);
    peer_close(peer);
}
