/*
 * test_wsk.c - clients of WSK that attach through the Network Module Registrar.
 *
 * Strategy: NMR style clients beside the WskRegister style one that the fixture holds.  Coming and going of
 * the subsystem is played with its own switch (wsk_leaves and wsk_npi_provider_start).  What has to wait is called
 * on a thread of its own and looked at for a while.
 */
#include "line.h"

#include "nmr/nmr.h"
#include "wsk/wskp.h"

static void teardown(void)
{
    ULONG modules, bindings;

    nmr_count(&modules, &bindings);
    EXPECT_EQ(modules, 1); /* WSK itself */
    EXPECT_EQ(bindings, 0);
    wt_teardown();
    nmr_count(&modules, &bindings);
    EXPECT_EQ(modules, 0);
}

TEST_FIXTURE(wt_setup, teardown);
TEST_MATRIX(WT_TWO_MODES);

static void wsk_leaves(void)
{
    wsk_npi_provider_stop();
    wsk_npi_provider_wait();
}

/* No event is defined, so nothing may ever call this, least of all a client that detaches. */
static NTSTATUS WSKAPI client_event(PVOID context, ULONG type, PVOID information, SIZE_T length)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(information);
    UNREFERENCED_PARAMETER(length);
    uwsk_test_fail(__FILE__, __LINE__, "WskClientEvent %u", type);
}

static const WSK_CLIENT_DISPATCH version_1_0 = {MAKE_WSK_VERSION(1, 0), 0, client_event};
static const WSK_CLIENT_DISPATCH version_9_3 = {MAKE_WSK_VERSION(9, 3), 0, NULL};
static const NPI_MODULEID module_id = {
    sizeof(NPI_MODULEID), MIT_GUID, {{1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}}}};

/* One client with at most one binding at a time. */
struct client {
    HANDLE handle, binding;
    WSK_PROVIDER_NPI npi;
    const WSK_CLIENT_DISPATCH *dispatches[3]; /* tried in this order, to the first NULL */
    NTSTATUS statuses[3];
    NTSTATUS detach_answer;
    WSK_PROVIDER_CHARACTERISTICS versions;
    volatile LONG offers, attached, detaches, cleanups;
    volatile LONG order_detach, order_cleanup, order_over; /* wt_mark() */
    volatile LONG over;
    struct test_thread *thread;
};

static NTSTATUS NTAPI client_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    struct client *client = context;
    NTSTATUS status = STATUS_NOINTERFACE;
    int i;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(RtlEqualMemory(instance->NpiId, &NPI_WSK_INTERFACE_ID, sizeof(NPIID)));
    EXPECT(instance->ModuleId != NULL && instance->NpiSpecificCharacteristics != NULL);
    client->versions = *(const WSK_PROVIDER_CHARACTERISTICS *)instance->NpiSpecificCharacteristics;
    InterlockedIncrement(&client->offers);
    for (i = 0; i < 3 && client->dispatches[i] != NULL && status != STATUS_SUCCESS; i++) {
        status = NmrClientAttachProvider(binding, client, client->dispatches[i], (PVOID *)&client->npi.Client,
                                         (const VOID **)&client->npi.Dispatch);
        client->statuses[i] = status;
    }
    if (status == STATUS_SUCCESS) {
        client->binding = binding;
        InterlockedIncrement(&client->attached);
    }
    return status;
}

static NTSTATUS NTAPI client_detach(PVOID context)
{
    struct client *client = context;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    client->order_detach = wt_mark();
    InterlockedIncrement(&client->detaches);
    return client->detach_answer;
}

static VOID NTAPI client_cleanup(PVOID context)
{
    struct client *client = context;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    client->order_cleanup = wt_mark();
    InterlockedIncrement(&client->cleanups);
}

static const NPI_CLIENT_CHARACTERISTICS characteristics = {
    0,
    sizeof characteristics,
    client_attach,
    client_detach,
    client_cleanup,
    {0, sizeof(NPI_REGISTRATION_INSTANCE), &NPI_WSK_INTERFACE_ID, &module_id, 0, NULL}};

static void client_register(struct client *client)
{
    RtlZeroMemory(client, sizeof *client);
    client->dispatches[0] = &version_1_0;
    EXPECT_STATUS(NmrRegisterClient(&characteristics, client, &client->handle), STATUS_SUCCESS);
}

static void client_leave(struct client *client)
{
    EXPECT_STATUS(NmrDeregisterClient(client->handle), STATUS_PENDING);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client->handle), STATUS_SUCCESS);
}

static PWSK_SOCKET client_socket(struct client *client, PVOID context, const VOID *dispatch)
{
    PWSK_SOCKET socket;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, client->npi.Dispatch->WskSocket(client->npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                     WSK_FLAG_CONNECTION_SOCKET, context, dispatch, NULL,
                                                     NULL, NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_op_free(&op);
    return socket;
}

static void connect_to(PWSK_SOCKET socket, int *peer)
{
    SOCKADDR_STORAGE local, remote;
    struct wt_op op;
    int port = 0, listener = peer_listen(PEER_INET, &port);

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&local, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&remote, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    *peer = peer_accept(listener);
    peer_close(listener);
}

/* ---- on threads of their own ------------------------------------------------------------------------ */

static void wait_main(void *argument)
{
    struct client *client = argument;

    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client->handle), STATUS_SUCCESS);
    client->order_over = wt_mark();
    InterlockedExchange(&client->over, 1);
}

static void stop_main(void *argument)
{
    struct client *client = argument;

    wsk_leaves();
    client->order_over = wt_mark();
    InterlockedExchange(&client->over, 1);
}

static void begin(struct client *client, void (*main)(void *))
{
    client->over = 0;
    client->thread = test_thread_start(main, client);
}

static void still_waits(struct client *client)
{
    test_sleep_ms(60);
    EXPECT_EQ(line_read(&client->over), 0);
    EXPECT_EQ(line_read(&client->cleanups), 0);
}

static void returns(struct client *client)
{
    EXPECT_SOON(line_read(&client->over));
    test_thread_join(client->thread);
    EXPECT_EQ(client->detaches, 1);
    EXPECT_EQ(client->cleanups, 1);
    EXPECT(client->order_detach < client->order_cleanup && client->order_cleanup < client->order_over);
}

/* ---- attaching -------------------------------------------------------------------------------------- */

TEST(nmr_style_client_is_attached_at_once,
     "C-REG-23 C-REG-26 C-REG-27 C-REG-28 R-REG-13 C-DEREG-12 C-DEREG-22")
{
    struct client client;
    PWSK_SOCKET socket;
    int peer;

    client_register(&client);
    EXPECT_EQ(client.attached, 1); /* inside the call */
    EXPECT_EQ(client.versions.LowestVersion, MAKE_WSK_VERSION(1, 0));
    EXPECT_EQ(client.versions.HighestVersion, MAKE_WSK_VERSION(1, 0));
    EXPECT(client.npi.Client != NULL && client.npi.Client != wt_npi.Client);
    EXPECT(client.npi.Dispatch == wt_npi.Dispatch); /* the same table as by capture */
    socket = client_socket(&client, NULL, NULL);
    connect_to(socket, &peer);
    wt_talk(socket, peer);
    wt_close_now(socket);
    peer_close(peer);
    client_leave(&client);
    EXPECT_EQ(client.detaches, 1);
    EXPECT_EQ(client.cleanups, 1);
}

TEST(nmr_style_client_that_was_there_before_wsk, "C-REG-27 C-DEREG-13 C-NMR-03")
{
    struct client client;

    wsk_leaves();
    client_register(&client);
    EXPECT_EQ(client.offers, 0);
    EXPECT_STATUS(wsk_npi_provider_start(), STATUS_SUCCESS);
    EXPECT_EQ(client.attached, 1);
    wsk_leaves(); /* goes, and comes again */
    EXPECT_EQ(client.detaches, 1);
    EXPECT_EQ(client.cleanups, 1);
    EXPECT_STATUS(wsk_npi_provider_start(), STATUS_SUCCESS);
    EXPECT_EQ(client.attached, 2);
    wt_close_now(client_socket(&client, NULL, NULL));
    client_leave(&client);
    EXPECT_EQ(client.detaches, 2);
}

TEST(both_styles_side_by_side, "C-REG-23 R-REG-13 C-DEREG-17")
{
    WSK_CLIENT_NPI register_npi = {NULL, &version_1_0};
    WSK_REGISTRATION registration;
    struct client first, second;
    WSK_PROVIDER_NPI captured;
    PWSK_SOCKET one, two, three;
    struct wt_op op;

    client_register(&first);
    EXPECT_STATUS(WskRegister(&register_npi, &registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &captured), STATUS_SUCCESS);
    client_register(&second);
    EXPECT(first.npi.Client != second.npi.Client && first.npi.Client != captured.Client);
    one = client_socket(&first, NULL, NULL);
    two = client_socket(&second, NULL, NULL);
    three = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL); /* the fixture's client's */
    wt_close_now(one);
    client_leave(&first); /* waits for nobody else's socket or capture */
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration); /* nor does this */
    wt_close_now(two);
    client_leave(&second);
    /* Who has gone is refused, whatever style. */
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, first.npi.Dispatch->WskSocket(first.npi.Client, AF_INET, SOCK_STREAM,
                                                                 IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET,
                                                                 NULL, NULL, NULL, NULL, NULL, op.irp)),
                  STATUS_INVALID_HANDLE);
    wt_op_free(&op);
    wt_close_now(three);
}

TEST(version_is_negotiated_inside_the_callback, "C-REG-28 C-REG-31")
{
    static const WSK_CLIENT_DISPATCH reserved = {MAKE_WSK_VERSION(1, 0), 1, NULL};
    struct client client;

    RtlZeroMemory(&client, sizeof client);
    client.dispatches[0] = &version_9_3;
    client.dispatches[1] = &version_1_0;
    EXPECT_STATUS(NmrRegisterClient(&characteristics, &client, &client.handle), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
    EXPECT_STATUS(client.statuses[0], STATUS_NOINTERFACE);
    EXPECT_STATUS(client.statuses[1], STATUS_SUCCESS);
    wt_close_now(client_socket(&client, NULL, NULL));
    client_leave(&client);

    RtlZeroMemory(&client, sizeof client); /* and one that gives up */
    client.dispatches[0] = &version_9_3;
    client.dispatches[1] = &reserved;
    EXPECT_STATUS(NmrRegisterClient(&characteristics, &client, &client.handle), STATUS_SUCCESS);
    EXPECT_STATUS(client.statuses[0], STATUS_NOINTERFACE);
    EXPECT_STATUS(client.statuses[1], STATUS_INVALID_PARAMETER);
    client_leave(&client);
    EXPECT_EQ(client.detaches + client.cleanups, 0);
}

static NTSTATUS NTAPI attach_with_nothing(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    const VOID *dispatch;
    PVOID other;

    UNREFERENCED_PARAMETER(instance);
    EXPECT_STATUS(NmrClientAttachProvider(binding, context, NULL, &other, &dispatch),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrClientAttachProvider(binding, context, &version_1_0, NULL, &dispatch),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(NmrClientAttachProvider(binding, context, &version_1_0, &other, NULL),
                  STATUS_INVALID_PARAMETER);
    return STATUS_NOINTERFACE;
}

TEST(wsk_refuses_what_is_missing, "C-NMR-10 R-NMR-22")
{
    NPI_CLIENT_CHARACTERISTICS own = characteristics;
    HANDLE handle;

    own.ClientAttachProvider = attach_with_nothing;
    EXPECT_STATUS(NmrRegisterClient(&own, NULL, &handle), STATUS_SUCCESS);
    EXPECT_STATUS(NmrDeregisterClient(handle), STATUS_PENDING);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(handle), STATUS_SUCCESS);
}

/* ---- detaching -------------------------------------------------------------------------------------- */

TEST(detachment_waits_for_the_sockets, "R-NMR-28 C-DEREG-12 C-DEREG-17 C-DEREG-19 C-NMR-22 C-NMR-24",
     TEST_MODES(WT_MODES))
{
    PWSK_SOCKET unbound;
    struct client client;
    struct line line;
    struct wt_op op;
    char text[8];

    line_init(&line);
    client_register(&client);
    line.socket = client_socket(&client, &line, &line_dispatch);
    unbound = client_socket(&client, NULL, NULL);
    connect_to(line.socket, &line.peer);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(NmrDeregisterClient(client.handle), STATUS_PENDING);
    EXPECT_EQ(client.detaches, 1); /* answered: no call is inside; but there are sockets */
    begin(&client, wait_main);
    still_waits(&client);
    wt_send_now(line.socket, "still", 5); /* their functions go on */
    peer_receive_all(line.peer, text, 5);
    peer_send(line.peer, "heard", 5);
    EXPECT_SOON(line_read(&line.bytes) == 5);
    wt_close_now(unbound);
    still_waits(&client);
    wt_op_init(&op);
    wt_close(line.socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    returns(&client);
    EXPECT(op.order < client.order_cleanup);
    wt_op_free(&op);
    peer_close(line.peer);
    line_free(&line);
}

TEST(detachment_waits_for_the_client, "C-DEREG-14 C-DEREG-17 C-DEREG-19 C-NMR-22")
{
    struct client client;
    PWSK_SOCKET socket;

    client_register(&client);
    client.detach_answer = STATUS_PENDING;
    socket = client_socket(&client, NULL, NULL);
    EXPECT_STATUS(NmrDeregisterClient(client.handle), STATUS_PENDING);
    begin(&client, wait_main);
    still_waits(&client);
    wt_close_now(client_socket(&client, NULL, NULL)); /* calls until it reports the last one */
    still_waits(&client);
    wt_close_now(socket);
    still_waits(&client);                             /* now only the client's word is missing */
    wt_close_now(client_socket(&client, NULL, NULL)); /* which was counted before it was told, say */
    still_waits(&client);
    NmrClientDetachProviderComplete(client.binding);
    returns(&client);
}

TEST(client_reports_before_its_sockets_are_closed, "C-DEREG-17 C-DEREG-19")
{
    struct client client;
    PWSK_SOCKET socket;
    KIRQL irql;

    client_register(&client);
    client.detach_answer = STATUS_PENDING;
    socket = client_socket(&client, NULL, NULL);
    EXPECT_STATUS(NmrDeregisterClient(client.handle), STATUS_PENDING);
    begin(&client, wait_main);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    NmrClientDetachProviderComplete(client.binding);
    KeLowerIrql(irql);
    still_waits(&client);
    wt_close_now(socket);
    returns(&client);
}

static void deregister_and_look(struct wt_op *op)
{
    struct client *client = op->context;

    EXPECT_STATUS(NmrDeregisterClient(client->handle), STATUS_PENDING);
    begin(client, wait_main);
    still_waits(client); /* the call that runs this routine is still inside */
}

TEST(detachment_waits_for_calls_that_are_inside, "C-DEREG-17 C-DEREG-12")
{
    struct client client;
    struct wt_op op;

    client_register(&client);
    wt_op_init(&op);
    op.hook = deregister_and_look;
    op.context = &client;
    EXPECT_STATUS(
        wt_returned(&op, client.npi.Dispatch->WskSocket(client.npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                        0x7fffffff, NULL, NULL, NULL, NULL, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    returns(&client);
    wt_op_free(&op);
}

TEST(detachment_ends_transport_list_changes, "C-DEREG-06 C-DEREG-12")
{
    struct client client;
    struct wt_op op;

    client_register(&client);
    wt_op_init(&op);
    EXPECT_STATUS(
        wt_returned(&op, client.npi.Dispatch->WskControlClient(client.npi.Client, WSK_TRANSPORT_LIST_CHANGE,
                                                               0, NULL, 0, NULL, NULL, op.irp)),
        STATUS_PENDING);
    client_leave(&client);
    EXPECT(wt_is_done(&op));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT(op.order < client.order_cleanup);
    wt_op_free(&op);
}

TEST(wsk_leaves_before_its_clients, "C-DEREG-13 C-DEREG-14 C-DEREG-17 C-DEREG-19")
{
    struct client client;
    PWSK_SOCKET socket;

    client_register(&client);
    socket = client_socket(&client, NULL, NULL);
    begin(&client, stop_main);
    EXPECT_SOON(line_read(&client.detaches) == 1);
    still_waits(&client);
    EXPECT_STATUS(NmrDeregisterClient(client.handle), STATUS_PENDING); /* as well: told once only */
    still_waits(&client);
    EXPECT_EQ(client.detaches, 1);
    wt_close_now(socket);
    returns(&client);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client.handle), STATUS_SUCCESS);
    EXPECT_STATUS(wsk_npi_provider_start(), STATUS_SUCCESS);
    EXPECT_EQ(client.offers, 1);
}

static void keep_socket(struct client *client)
{
    PWSK_SOCKET socket = client_socket(client, NULL, NULL);

    EXPECT_STATUS(NmrDeregisterClient(client->handle), STATUS_PENDING);
    wt_close_now(socket);
}

TEST(comes_and_goes, "C-DEREG-12 C-DEREG-17 C-DEREG-19 C-DEREG-22 C-REG-23", TEST_MODES(WT_MODES),
     TEST_TIMEOUT(120))
{
    long rounds = test_scale(1500), i;
    struct client client;

    for (i = 0; i < rounds; i++) {
        client_register(&client);
        if (i & 1)
            client.detach_answer = STATUS_PENDING;
        keep_socket(&client);
        if (i & 1)
            NmrClientDetachProviderComplete(client.binding);
        EXPECT_STATUS(NmrWaitForClientDeregisterComplete(client.handle), STATUS_SUCCESS);
        EXPECT_EQ(client.cleanups, 1);
    }
}
