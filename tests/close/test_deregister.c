/*
 * test_deregister.c - WskDeregister waits for everything that a close has not finished, and for nothing else
 * (C-DEREG, D-25).
 *
 * Each test registers a client of its own beside the fixture's, and deregisters it on a thread.
 */
#include "close_test.h"

WT_FIXTURE;

static const WSK_CLIENT_DISPATCH dispatch = {.Version = MAKE_WSK_VERSION(1, 0)};

struct client {
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    struct test_thread *thread;
    volatile LONG left; /* order number of the return of WskDeregister */
};

static void client_begin(struct client *client)
{
    WSK_CLIENT_NPI npi = {NULL, &dispatch};

    client->left = 0;
    EXPECT_STATUS(WskRegister(&npi, &client->registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&client->registration, WSK_INFINITE_WAIT, &client->npi),
                  STATUS_SUCCESS);
}

static void deregister(void *argument)
{
    struct client *client = argument;

    WskDeregister(&client->registration);
    InterlockedExchange(&client->left, wt_mark());
}

static ULONG_PTR registration_state(struct client *client)
{
    ULONG_PTR state;
    KIRQL irql;

    KeAcquireSpinLock(&client->registration.ReservedRegistrationLock, &irql);
    state = (ULONG_PTR)client->registration.ReservedRegistrationState;
    KeReleaseSpinLock(&client->registration.ReservedRegistrationLock, irql);
    return state;
}

static LONG waiting(struct client *client)
{
    struct wsk_client *inside = (struct wsk_client *)client->npi.Client;
    LONG count;
    KIRQL irql;

    KeAcquireSpinLock(&inside->lock, &irql);
    count = inside->waiting;
    KeReleaseSpinLock(&inside->lock, irql);
    return count;
}

static void client_leaves(struct client *client)
{
    ULONG_PTR registered = registration_state(client);

    client->thread = test_thread_start(deregister, client);
    EXPECT_SOON(registration_state(client) != registered); /* it is inside, or has returned already */
}

static void expect_waiting(struct client *client)
{
    test_sleep_ms(20);
    EXPECT_EQ(client->left, 0);
}

static void client_gone(struct client *client)
{
    test_thread_join(client->thread);
    EXPECT(client->left > 0);
}

static PWSK_SOCKET open_of(struct client *client)
{
    PWSK_SOCKET socket;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, client->npi.Dispatch->WskSocket(client->npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                     WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                                     op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_op_free(&op);
    return socket;
}

static PWSK_SOCKET connected_of(struct client *client, PVOID context,
                                const WSK_CLIENT_CONNECTION_DISPATCH *events, int *peer)
{
    WSK_PROVIDER_NPI own = wt_npi;
    PWSK_SOCKET socket;

    wt_npi = client->npi; /* the helpers use it */
    socket = wt_connected(AF_INET, context, events, peer);
    wt_npi = own;
    return socket;
}

TEST(waits_for_a_capture, "C-DEREG-03 R-CAPT-08")
{
    struct client client;

    client_begin(&client);
    EXPECT_STATUS(WskCaptureProviderNPI(&client.registration, WSK_NO_WAIT, &client.npi), STATUS_SUCCESS);
    client_leaves(&client);
    WskReleaseProviderNPI(&client.registration);
    expect_waiting(&client); /* one is left */
    WskReleaseProviderNPI(&client.registration);
    client_gone(&client);
}

TEST(waits_for_an_open_socket, "C-DEREG-04 C-CLOSE-03 C-CLOSE-02")
{
    struct client client;
    PWSK_SOCKET one, two;

    client_begin(&client);
    one = open_of(&client);
    two = open_of(&client);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    expect_waiting(&client);
    wt_close_now(one); /* functions of open sockets stay callable: C-DEREG-18 */
    expect_waiting(&client);
    wt_close_now(two);
    client_gone(&client);
}

/* Open until the close has completed, not until it was called: here a callback holds it up. */
TEST(waits_for_a_close_that_pends, "C-CLOSE-03 C-DEREG-04 C-DEREG-09 C-DEREG-17 C-CLOSE-17")
{
    struct ct_gate gate = {0, 0};
    struct client client;
    struct wt_op close;
    PWSK_SOCKET socket;
    int peer;

    client_begin(&client);
    socket = connected_of(&client, &gate, &ct_stander, &peer);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(peer, "x", 1);
    ct_await(&gate);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    wt_op_init(&close);
    EXPECT_STATUS(wt_close(socket, &close), STATUS_PENDING);
    expect_waiting(&client);
    ct_let_go(&gate);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    client_gone(&client);
    EXPECT(close.order < client.left);
    wt_op_free(&close);
    peer_close(peer);
}

/* D-25: the close routine must have returned; drivers unload their code right after WskDeregister. */
struct routine {
    struct ct_gate gate;
    volatile LONG left;
};

static void stand_in_close_routine(struct wt_op *op)
{
    struct routine *routine = op->context;

    ct_stand(&routine->gate);
    routine->left = wt_mark();
}

static void close_in_thread(void *argument)
{
    struct wt_op *close = argument;

    wt_close((PWSK_SOCKET)close->information, close);
}

TEST(waits_for_the_close_routine_to_return, "D-25 C-CLOSE-03 C-DEREG-04 C-DEREG-09")
{
    struct routine routine = {{0, 0}, 0};
    struct test_thread *closer;
    struct client client;
    struct wt_op close;

    client_begin(&client);
    wt_op_init(&close);
    close.hook = stand_in_close_routine;
    close.context = &routine;
    close.information = (ULONG_PTR)open_of(&client);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    closer = test_thread_start(close_in_thread, &close); /* in mode inline the routine runs in the call */
    ct_await(&routine.gate);
    expect_waiting(&client);
    ct_let_go(&routine.gate);
    test_thread_join(closer);
    client_gone(&client);
    EXPECT(routine.left != 0 && routine.left < client.left);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    wt_op_free(&close);
}

/* The last socket is closed while a receive's routine runs: WskDeregister outwaits that, too. */
static void stand_in_routine(struct wt_op *op)
{
    ct_stand(op->context);
}

TEST(waits_for_routines_of_cancelled_operations, "C-DEREG-04 C-DEREG-09 C-CLOSE-03 C-CLOSE-14")
{
    struct ct_gate gate = {0, 0};
    struct wt_op receive, close;
    struct test_thread *closer;
    struct wt_buffer buffer;
    struct client client;
    PWSK_SOCKET socket;
    int peer;

    client_begin(&client);
    socket = connected_of(&client, NULL, NULL, &peer);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&receive);
    receive.hook = stand_in_routine;
    receive.context = &gate;
    wt_receive(socket, &receive, &buffer.buf, 0);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    wt_op_init(&close);
    close.information = (ULONG_PTR)socket;
    closer = test_thread_start(close_in_thread, &close);
    ct_await(&gate);
    expect_waiting(&client);
    EXPECT(!wt_is_done(&close));
    ct_let_go(&gate);
    test_thread_join(closer);
    client_gone(&client);
    EXPECT(receive.order < close.order && close.order < client.left);
    wt_wait(&close);
    wt_op_free(&receive);
    wt_op_free(&close);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

/* A connection that came through a listener counts as soon as WSK has it, and goes with the listener when
 * nobody took it. */
TEST(waits_for_sockets_that_came_from_a_listener, "C-DEREG-04 C-CLOSE-43 C-CLOSE-44")
{
    WSK_PROVIDER_NPI own = wt_npi;
    struct client client;
    PWSK_SOCKET listener;
    struct wt_op accept;
    int port, peers[2], i;

    client_begin(&client);
    wt_npi = client.npi;
    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_npi = own;
    wt_op_init(&accept);
    wt_accept(listener, &accept, NULL, NULL, NULL, NULL);
    for (i = 0; i < 2; i++)
        EXPECT((peers[i] = peer_connect(PEER_INET, port, 5000)) >= 0);
    EXPECT_STATUS(wt_wait(&accept), STATUS_SUCCESS);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    wt_close_now(listener);
    expect_waiting(&client);
    wt_close_now((PWSK_SOCKET)accept.information);
    client_gone(&client);
    for (i = 0; i < 2; i++) {
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
    wt_op_free(&accept);
}

TEST(ends_a_transport_list_change, "C-DEREG-05 C-DEREG-06 C-DEREG-09")
{
    struct client client;
    struct wt_op change;

    client_begin(&client);
    wt_op_init(&change);
    EXPECT_STATUS(wt_returned(&change, client.npi.Dispatch->WskControlClient(
                                           client.npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL, 0, NULL,
                                           NULL, change.irp)),
                  STATUS_PENDING);
    WskReleaseProviderNPI(&client.registration);
    client_leaves(&client);
    client_gone(&client);
    EXPECT_STATUS(wt_wait(&change), STATUS_CANCELLED);
    EXPECT(change.order < client.left);
    wt_op_free(&change);
}

/* IoCancelIrp and WskDeregister at once: one of them ends it. */
struct changing {
    struct client client;
    struct wt_op change;
    struct test_barrier *barrier;
};

static void cancel_change(void *argument)
{
    struct changing *changing = argument;

    test_barrier_wait(changing->barrier);
    IoCancelIrp(changing->change.irp);
}

TEST(ends_a_transport_list_change_that_is_cancelled, "C-DEREG-06 K-CANCEL-06", TEST_TIMEOUT(60))
{
    long i, rounds = test_scale(1000);

    for (i = 0; i < rounds; i++) {
        struct changing changing;
        struct test_thread *thread;

        client_begin(&changing.client);
        changing.barrier = test_barrier_create(2);
        wt_op_init(&changing.change);
        wt_returned(&changing.change, changing.client.npi.Dispatch->WskControlClient(
                                          changing.client.npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL, 0,
                                          NULL, NULL, changing.change.irp));
        WskReleaseProviderNPI(&changing.client.registration);
        thread = test_thread_start(cancel_change, &changing);
        test_barrier_wait(changing.barrier);
        deregister(&changing.client);
        EXPECT_STATUS(wt_wait(&changing.change), STATUS_CANCELLED);
        test_thread_join(thread);
        EXPECT(changing.change.order < changing.client.left);
        wt_op_free(&changing.change);
        test_barrier_free(changing.barrier);
    }
}

/* Nothing of another client holds it up. */
TEST(does_not_wait_for_others, "C-DEREG-04 C-DEREG-08")
{
    struct client client;
    int peer;
    PWSK_SOCKET others = wt_connected(AF_INET, NULL, NULL, &peer);

    client_begin(&client);
    wt_close_now(open_of(&client));
    WskReleaseProviderNPI(&client.registration);
    deregister(&client); /* on this thread: it must return */
    EXPECT(client.left > 0);
    wt_send_now(others, "alive", 5);
    wt_close_now(others);
    peer_close(peer);
}

/* Once it is back no callback and no completion follows: the driver's code may go. */
struct driver {
    volatile LONG unloaded, late;
};

static NTSTATUS WSKAPI look_in_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                       SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct driver *driver = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (ReadAcquire(&driver->unloaded))
        InterlockedIncrement(&driver->late);
    YieldProcessor();
    if (ReadAcquire(&driver->unloaded))
        InterlockedIncrement(&driver->late);
    return STATUS_SUCCESS;
}

static void look_in_routine(struct wt_op *op)
{
    struct driver *driver = op->context;

    if (ReadAcquire(&driver->unloaded))
        InterlockedIncrement(&driver->late);
}

TEST(nothing_comes_after_it, "C-DEREG-09 D-25 C-CLOSE-18", TEST_TIMEOUT(60))
{
    static const WSK_CLIENT_CONNECTION_DISPATCH looking = {look_in_receive, NULL, NULL};
    long i, rounds = test_scale(500);

    for (i = 0; i < rounds; i++) {
        struct driver driver = {0, 0};
        struct client client;
        struct wt_op send, close;
        struct wt_buffer buffer;
        PWSK_SOCKET socket;
        int peer;

        client_begin(&client);
        socket = connected_of(&client, &driver, &looking, &peer);
        EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        wt_buffer_init(&buffer, 100);
        wt_op_init(&send);
        wt_op_init(&close);
        send.hook = close.hook = look_in_routine;
        send.context = close.context = &driver;
        peer_send(peer, "data", 4);
        wt_send(socket, &send, &buffer.buf, 0);
        wt_close(socket, &close); /* not waited for: WskDeregister does that */
        peer_send_some(peer, "more", 4);
        WskReleaseProviderNPI(&client.registration);
        deregister(&client);
        InterlockedExchange(&driver.unloaded, 1);
        EXPECT(wt_is_done(&close) && wt_is_done(&send));
        peer_close(peer);
        wt_op_free(&send);
        wt_op_free(&close);
        wt_buffer_free(&buffer);
        EXPECT_EQ(driver.late, 0);
    }
}

/* C-DEREG-07, 18: the client object is dead to the client from the release on. */
TEST(client_functions_are_refused_after_the_release, "C-DEREG-07 C-DEREG-18")
{
    struct client client;
    PWSK_SOCKET socket;
    struct wt_op op;

    client_begin(&client);
    socket = open_of(&client);
    WskReleaseProviderNPI(&client.registration);
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, client.npi.Dispatch->WskSocket(client.npi.Client, AF_INET, SOCK_STREAM,
                                                                  IPPROTO_TCP, WSK_FLAG_BASIC_SOCKET, NULL,
                                                                  NULL, NULL, NULL, NULL, op.irp)),
                  STATUS_INVALID_HANDLE);
    wt_op_free(&op);
    client_leaves(&client);
    wt_close_now(socket);
    client_gone(&client);
    EXPECT_STATUS(WskCaptureProviderNPI(&client.registration, WSK_NO_WAIT, &client.npi),
                  STATUS_DEVICE_NOT_READY);
}

/* A capture that waits for the provider is woken.  The provider is made not ready as wsk_stop does it. */
struct capturing {
    struct client client;
    NTSTATUS status;
};

static void capture(void *argument)
{
    struct capturing *capturing = argument;
    WSK_PROVIDER_NPI npi;

    capturing->status = WskCaptureProviderNPI(&capturing->client.registration, WSK_INFINITE_WAIT, &npi);
}

TEST(wakes_a_capture_that_waits, "R-CAPT-08 C-DEREG-03")
{
    struct capturing capturing;
    struct test_thread *thread;

    client_begin(&capturing.client);
    WskReleaseProviderNPI(&capturing.client.registration);
    wsk_registration_stop(); /* not ready */
    thread = test_thread_start(capture, &capturing);
    EXPECT_SOON(waiting(&capturing.client) == 1);
    client_leaves(&capturing.client);
    client_gone(&capturing.client);
    test_thread_join(thread);
    EXPECT_STATUS(capturing.status, STATUS_DEVICE_NOT_READY);
}
