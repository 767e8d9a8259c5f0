/*
 * test_register.c - WskRegister, WskDeregister, WskCaptureProviderNPI, WskReleaseProviderNPI and
 * WskQueryProviderCharacteristics.
 *
 * Strategy: registrations of the test's own, beside the one that the fixture holds.  What has to wait is
 * called on a thread of its own; that it still waits is looked at for a while, that it ends is awaited.  The
 * provider is made unavailable by its own switch (wsk_registration_stop).
 */
#include "line.h"

#include "nt/ke/internal.h"
#include "wsk/wskp.h"

TEST_FIXTURE(wt_setup, wt_teardown);
TEST_MATRIX(WT_TWO_MODES);

static const WSK_CLIENT_DISPATCH version_1_0 = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static const WSK_CLIENT_DISPATCH version_9_3 = {MAKE_WSK_VERSION(9, 3), 0, NULL};
static const WSK_CLIENT_DISPATCH version_0_9 = {MAKE_WSK_VERSION(0, 9), 0, NULL};

/* ---- calls on a thread of their own ------------------------------------------------------------------- */

struct caller {
    PWSK_REGISTRATION registration;
    ULONG timeout;
    WSK_PROVIDER_NPI npi;
    NTSTATUS status;
    volatile LONG over;
    volatile LONG order;
    struct test_thread *thread;
    struct ke_thread *self; /* once it runs */
};

static void deregister_main(void *argument)
{
    struct caller *caller = argument;

    __atomic_store_n(&caller->self, ke_current_thread(), __ATOMIC_RELEASE);
    WskDeregister(caller->registration);
    caller->order = wt_mark();
    InterlockedExchange(&caller->over, 1);
}

static void capture_main(void *argument)
{
    struct caller *caller = argument;

    __atomic_store_n(&caller->self, ke_current_thread(), __ATOMIC_RELEASE);
    caller->status = WskCaptureProviderNPI(caller->registration, caller->timeout, &caller->npi);
    InterlockedExchange(&caller->over, 1);
}

static void call(struct caller *caller, PWSK_REGISTRATION registration, ULONG timeout, void (*main)(void *))
{
    RtlZeroMemory(caller, sizeof *caller);
    caller->registration = registration;
    caller->timeout = timeout;
    caller->thread = test_thread_start(main, caller);
}

static BOOLEAN has_begun(struct caller *caller)
{
    struct ke_thread *thread = __atomic_load_n(&caller->self, __ATOMIC_ACQUIRE);
    BOOLEAN waits;

    if (thread == NULL)
        return FALSE;
    ke_lock_dispatcher();
    waits = thread->wait != NULL;
    ke_unlock_dispatcher(NULL);
    return waits || __atomic_load_n(&thread->waits_for, __ATOMIC_RELAXED) != NULL;
}

/* It has begun to wait, and goes on. */
static void still_waits(struct caller *caller)
{
    EXPECT_SOON(has_begun(caller));
    test_sleep_ms(60);
    EXPECT_EQ(line_read(&caller->over), 0);
}

static void returns(struct caller *caller)
{
    EXPECT_SOON(line_read(&caller->over));
    test_thread_join(caller->thread);
}

static NTSTATUS register_as(PWSK_REGISTRATION registration, const WSK_CLIENT_DISPATCH *dispatch,
                            PVOID context)
{
    WSK_CLIENT_NPI npi = {context, dispatch}; /* on this stack only (C-REG-05) */
    NTSTATUS status = WskRegister(&npi, registration);

    RtlFillMemory(&npi, sizeof npi, 0x5a);
    return status;
}

/* ---- registering -------------------------------------------------------------------------------------- */

TEST(register_ignores_what_the_block_held,
     "C-REG-02 C-REG-03 C-REG-04 C-REG-05 C-REG-06 C-REG-17 R-REG-01 R-REG-02 R-CAPT-04 D-11")
{
    WSK_REGISTRATION registration;
    WSK_PROVIDER_CHARACTERISTICS range = {0, 0};
    WSK_PROVIDER_NPI npi = {NULL, NULL};
    int round;

    RtlFillMemory(&registration, sizeof registration, 0xa5);
    for (round = 0; round < 3; round++) { /* the second finds what the first left behind */
        EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
        EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_SUCCESS);
        EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &npi), STATUS_SUCCESS);
        EXPECT(npi.Client != NULL && npi.Dispatch != NULL);
        WskReleaseProviderNPI(&registration);
        WskDeregister(&registration);
    }
    /* The copy of a live block is no live block. */
    registration = wt_registration;
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    WskDeregister(&registration);
}

TEST(registrations_of_one_npi_are_independent, "R-REG-06 C-REG-19 C-REG-20 D-11")
{
    WSK_CLIENT_NPI client = {(PVOID)1, &version_1_0};
    WSK_REGISTRATION first, second;
    WSK_PROVIDER_NPI npi1, npi2, again;

    EXPECT_STATUS(WskRegister(&client, &first), STATUS_SUCCESS);
    EXPECT_STATUS(WskRegister(&client, &second), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&first, WSK_NO_WAIT, &npi1), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&first, WSK_NO_WAIT, &again), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&second, WSK_NO_WAIT, &npi2), STATUS_SUCCESS);
    EXPECT(npi1.Client != npi2.Client);
    EXPECT(npi1.Client == again.Client);
    EXPECT(npi1.Dispatch == npi2.Dispatch);
    WskReleaseProviderNPI(&first);
    WskReleaseProviderNPI(&first);
    WskDeregister(&first); /* does not wait for the other's capture */
    EXPECT_STATUS(WskCaptureProviderNPI(&second, WSK_NO_WAIT, &npi1), STATUS_SUCCESS);
    WskReleaseProviderNPI(&second);
    WskReleaseProviderNPI(&second);
    WskDeregister(&second);
}

TEST(register_refuses_what_is_wrong, "R-REG-02 R-REG-05 R-REG-14")
{
    static const WSK_CLIENT_DISPATCH reserved = {MAKE_WSK_VERSION(1, 0), 1, NULL};
    WSK_CLIENT_NPI npi = {NULL, &version_1_0};
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI provider;

    EXPECT_STATUS(WskRegister(NULL, &registration), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(WskRegister(&npi, NULL), STATUS_INVALID_PARAMETER);
    npi.Dispatch = NULL;
    EXPECT_STATUS(WskRegister(&npi, &registration), STATUS_INVALID_PARAMETER);
    npi.Dispatch = &reserved;
    EXPECT_STATUS(WskRegister(&npi, &registration), STATUS_INVALID_PARAMETER);
    npi.Dispatch = &version_1_0;
    EXPECT_STATUS(WskRegister(&npi, &wt_registration), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, WSK_NO_WAIT, &provider), STATUS_SUCCESS);
    WskReleaseProviderNPI(&wt_registration);
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, WSK_NO_WAIT, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(WskCaptureProviderNPI(NULL, WSK_NO_WAIT, &provider), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&wt_registration, NULL), STATUS_INVALID_PARAMETER);
}

TEST(version_that_is_not_offered, "C-REG-14 C-REG-16 R-CAPT-05 R-CAPT-13 R-CAPT-14 R-REG-15 H-11")
{
    WSK_PROVIDER_CHARACTERISTICS range = {0, 0};
    WSK_CLIENT_DISPATCH supported = {0, 0, NULL};
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;

    EXPECT_STATUS(register_as(&registration, &version_0_9, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &npi), STATUS_NOINTERFACE);
    WskDeregister(&registration); /* a failed capture is not to be released */
    EXPECT_STATUS(register_as(&registration, &version_9_3, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_NOINTERFACE);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_SUCCESS);
    WskDeregister(&registration);
    EXPECT(range.LowestVersion <= range.HighestVersion);
    EXPECT_EQ(WSK_MAJOR_VERSION(range.HighestVersion), 1);
    EXPECT_EQ(WSK_MAJOR_VERSION(MAKE_WSK_VERSION(9, 3)), 9);
    EXPECT_EQ(WSK_MINOR_VERSION(MAKE_WSK_VERSION(9, 3)), 3);
    supported.Version = range.HighestVersion;
    EXPECT_STATUS(register_as(&registration, &supported, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_SUCCESS);
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
}

TEST(the_provider_table_is_whole, "R-CAPT-04 R-CAPT-15 R-CAPT-16 R-STRUCT-05")
{
    const WSK_PROVIDER_DISPATCH *table = wt_npi.Dispatch;

    EXPECT_EQ(WSK_MAJOR_VERSION(table->Version), 1);
    EXPECT_EQ(table->Reserved, 0);
    EXPECT(table->WskSocket != NULL && table->WskSocketConnect != NULL && table->WskControlClient != NULL);
    EXPECT(table->WskGetAddressInfo != NULL && table->WskFreeAddressInfo != NULL &&
           table->WskGetNameInfo != NULL);
}

TEST(capture_release_and_query_at_dispatch_level, "R-CAPT-02 R-CAPT-10 R-CAPT-11 C-REG-10")
{
    WSK_PROVIDER_CHARACTERISTICS range;
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    KIRQL irql;

    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_SUCCESS);
    WskReleaseProviderNPI(&registration);
    KeLowerIrql(irql);
    WskDeregister(&registration);
}

/* ---- a provider that is not there yet ----------------------------------------------------------------- */

TEST(capture_of_a_provider_that_is_not_there, "C-REG-10 C-REG-12 R-CAPT-02 R-CAPT-03 R-CAPT-13")
{
    WSK_PROVIDER_CHARACTERISTICS range;
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    long long before;
    KIRQL irql;

    wsk_registration_stop();
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_DEVICE_NOT_READY);
    KeLowerIrql(irql);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_DEVICE_NOT_READY);
    before = test_now_ms();
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, 120, &npi), STATUS_DEVICE_NOT_READY);
    EXPECT(test_now_ms() - before >= 119);
    EXPECT(test_now_ms() - before < 5000);
    wsk_registration_start();
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, 120, &npi), STATUS_SUCCESS);
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
}

TEST(captures_return_when_the_provider_comes, "C-REG-11 C-REG-12 R-CAPT-03")
{
    struct caller forever, long_time;
    WSK_REGISTRATION registration;

    wsk_registration_stop();
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    call(&forever, &registration, WSK_INFINITE_WAIT, capture_main);
    call(&long_time, &registration, 3600 * 1000, capture_main);
    still_waits(&forever);
    still_waits(&long_time);
    wsk_registration_start();
    returns(&forever);
    returns(&long_time);
    EXPECT_STATUS(forever.status, STATUS_SUCCESS);
    EXPECT_STATUS(long_time.status, STATUS_SUCCESS);
    EXPECT(forever.npi.Client != NULL && forever.npi.Client == long_time.npi.Client);
    WskReleaseProviderNPI(&registration);
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
}

TEST(deregister_wakes_captures, "C-REG-11 C-REG-15 R-CAPT-07 R-CAPT-08 R-CAPT-09")
{
    struct caller forever, long_time;
    WSK_REGISTRATION registration;
    WSK_PROVIDER_CHARACTERISTICS range;
    WSK_PROVIDER_NPI npi;

    wsk_registration_stop();
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    call(&forever, &registration, WSK_INFINITE_WAIT, capture_main);
    call(&long_time, &registration, 3600 * 1000, capture_main);
    still_waits(&forever);
    still_waits(&long_time);
    WskDeregister(&registration);
    returns(&forever);
    returns(&long_time);
    EXPECT_STATUS(forever.status, STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(long_time.status, STATUS_DEVICE_NOT_READY);
    wsk_registration_start();
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &npi), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&registration, &range), STATUS_DEVICE_NOT_READY);
}

/* ---- deregistering ------------------------------------------------------------------------------------ */

TEST(deregister_waits_for_every_capture, "C-DEREG-03 C-DEREG-08 R-REG-09 R-CAPT-06 R-CAPT-07")
{
    WSK_REGISTRATION registration;
    struct caller deregister;
    WSK_PROVIDER_NPI npi;
    int i;

    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    for (i = 0; i < 3; i++)
        EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    call(&deregister, &registration, 0, deregister_main);
    still_waits(&deregister);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_DEVICE_NOT_READY);
    WskReleaseProviderNPI(&registration);
    WskReleaseProviderNPI(&registration);
    still_waits(&deregister);
    WskReleaseProviderNPI(&registration);
    returns(&deregister);
}

static PWSK_SOCKET socket_of(WSK_PROVIDER_NPI *npi, PVOID context, const VOID *dispatch)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, npi->Dispatch->WskSocket(npi->Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                              WSK_FLAG_CONNECTION_SOCKET, context, dispatch, NULL, NULL, NULL,
                                              op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return (PWSK_SOCKET)op.information;
}

static void connect_to(PWSK_SOCKET socket, int *peer)
{
    SOCKADDR_STORAGE address;
    int port = 0, listener = peer_listen(PEER_INET, &port);
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    *peer = peer_accept(listener);
    peer_close(listener);
}

TEST(deregister_waits_for_every_socket, "C-DEREG-04 C-DEREG-09 C-REG-19 R-REG-11 C-CLOSE-03 D-25",
     TEST_MODES(WT_MODES))
{
    WSK_REGISTRATION registration;
    struct caller deregister;
    PWSK_SOCKET unbound;
    WSK_PROVIDER_NPI npi;
    struct line line;
    struct wt_op op;
    char text[8];

    line_init(&line);
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    line.socket = socket_of(&npi, &line, &line_dispatch);
    unbound = socket_of(&npi, NULL, NULL);
    WskReleaseProviderNPI(&registration);
    connect_to(line.socket, &line.peer); /* without a capture (C-REG-19) */
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    call(&deregister, &registration, 0, deregister_main);
    still_waits(&deregister);
    wt_send_now(line.socket, "still", 5); /* and while WskDeregister waits */
    peer_receive_all(line.peer, text, 5);
    wt_close_now(unbound);
    still_waits(&deregister);
    wt_op_init(&op);
    wt_close(line.socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    returns(&deregister);
    EXPECT(op.order < deregister.order);
    peer_close(line.peer); /* after it is back nothing comes any more */
    EXPECT_EQ(line.receives + line.deaths + line.aborts + line.gracefuls, 0);
    wt_op_free(&op);
    line_free(&line);
}

TEST(deregister_waits_for_client_level_irps, "C-DEREG-05 R-REG-10", TEST_MODES(WT_MODES))
{
    SOCKADDR_STORAGE local, remote;
    WSK_REGISTRATION registration;
    struct caller deregister;
    WSK_PROVIDER_NPI npi;
    struct wt_op op;

    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    wt_op_init(&op);
    EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskSocketConnect(
                                       npi.Client, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, AF_INET, 0),
                                       wt_loopback(&remote, AF_INET, peer_black_hole_port(PEER_INET)), 0,
                                       NULL, NULL, NULL, NULL, NULL, op.irp)),
                  STATUS_PENDING);
    WskReleaseProviderNPI(&registration);
    call(&deregister, &registration, 0, deregister_main);
    still_waits(&deregister);
    IoCancelIrp(op.irp);
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    returns(&deregister);
    EXPECT(op.order < deregister.order);
    wt_op_free(&op);
}

static void release_and_hold(struct wt_op *op)
{
    struct caller *deregister = op->context;

    /* Inside WskSocket: with the capture gone only the call itself keeps WskDeregister waiting. */
    WskReleaseProviderNPI(deregister->registration);
    call(deregister, deregister->registration, 0, deregister_main);
    still_waits(deregister);
}

TEST(deregister_waits_for_calls_that_are_inside, "R-REG-10")
{
    WSK_REGISTRATION registration;
    struct caller deregister = {.registration = &registration};
    WSK_PROVIDER_NPI npi;
    struct wt_op op;

    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    wt_op_init(&op);
    op.hook = release_and_hold;
    op.context = &deregister;
    EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskSocket(npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                           0x7fffffff, NULL, NULL, NULL, NULL, NULL, op.irp)),
                  STATUS_INVALID_PARAMETER);
    returns(&deregister);
    wt_op_free(&op);
}

TEST(deregister_ends_a_wait_for_a_change_of_transports, "C-DEREG-06 C-CTLC-05 C-CTLC-07")
{
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    struct wt_op op, cancelled;

    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    wt_op_init(&op);
    wt_op_init(&cancelled);
    EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskControlClient(npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0,
                                                                  NULL, 0, NULL, NULL, op.irp)),
                  STATUS_PENDING);
    EXPECT_STATUS(
        wt_returned(&cancelled, npi.Dispatch->WskControlClient(npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL,
                                                               0, NULL, NULL, cancelled.irp)),
        STATUS_PENDING);
    EXPECT(IoCancelIrp(cancelled.irp));
    EXPECT_STATUS(wt_wait(&cancelled), STATUS_CANCELLED);
    EXPECT(!wt_is_done(&op));
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
    EXPECT(wt_is_done(&op)); /* before it returned */
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    wt_op_free(&op);
    wt_op_free(&cancelled);
}

/* ---- clients ------------------------------------------------------------------------------------------ */

static volatile LONG client_events;

static NTSTATUS WSKAPI client_event(PVOID ClientContext, ULONG EventType, PVOID Information,
                                    SIZE_T InformationLength)
{
    UNREFERENCED_PARAMETER(ClientContext);
    UNREFERENCED_PARAMETER(EventType);
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(InformationLength);
    InterlockedIncrement(&client_events);
    return STATUS_NOT_IMPLEMENTED;
}

TEST(a_client_event_is_never_called, "C-EVT-25 R-REG-17")
{
    static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 0), 0, client_event};
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    PWSK_SOCKET socket;
    int peer;

    EXPECT_STATUS(register_as(&registration, &dispatch, &registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    socket = socket_of(&npi, NULL, NULL);
    connect_to(socket, &peer);
    peer_close(peer);
    wt_close_now(socket);
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
    EXPECT_EQ(client_events, 0);
}

TEST(a_client_object_that_is_not_captured_is_refused, "C-REG-21 R-SOCK-02 W-04 D-01")
{
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    UCHAR nothing[512];
    struct wt_op op;
    PWSK_CLIENT wrong[4];
    unsigned i;

    RtlZeroMemory(nothing, sizeof nothing);
    EXPECT_STATUS(register_as(&registration, &version_1_0, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    WskReleaseProviderNPI(&registration);
    wrong[0] = NULL;
    wrong[1] = (PWSK_CLIENT)nothing;
    wrong[2] = npi.Client; /* released */
    wrong[3] = npi.Client; /* and then deregistered: freed memory */
    for (i = 0; i < RTL_NUMBER_OF(wrong); i++) {
        SOCKADDR_STORAGE local, remote;
        SIZE_T size;

        if (i == 3)
            WskDeregister(&registration);
        wt_op_init(&op);
        EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskSocket(wrong[i], AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                               WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL,
                                                               NULL, NULL, op.irp)),
                      STATUS_INVALID_HANDLE);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
        EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskSocketConnect(wrong[i], SOCK_STREAM, IPPROTO_TCP,
                                                                      wt_any(&local, AF_INET, 0),
                                                                      wt_loopback(&remote, AF_INET, 9), 0,
                                                                      NULL, NULL, NULL, NULL, NULL, op.irp)),
                      STATUS_INVALID_HANDLE);
        wt_again(&op);
        EXPECT_STATUS(wt_returned(&op, npi.Dispatch->WskControlClient(wrong[i], WSK_TRANSPORT_LIST_CHANGE, 0,
                                                                      NULL, 0, NULL, NULL, op.irp)),
                      STATUS_INVALID_HANDLE);
        EXPECT_STATUS(
            npi.Dispatch->WskControlClient(wrong[i], WSK_TRANSPORT_LIST_QUERY, 0, NULL, 0, NULL, &size, NULL),
            STATUS_INVALID_HANDLE);
        wt_op_free(&op);
    }
}

static NTSTATUS set_tdi(ULONG code, SIZE_T size, PVOID in)
{
    return wt_npi.Dispatch->WskControlClient(wt_npi.Client, code, size, in, 0, NULL, NULL, NULL);
}

TEST(tdi_controls, "C-CTLC-15 C-CTLC-16 C-CTLC-17 C-CTLC-18 C-CTLC-19 R-CTLC-08 R-CTLC-09 R-CTLC-13 "
                   "R-CTLC-14")
{
    static const WCHAR name[] = {'\\', 'D', 'e', 'v', 'i', 'c', 'e', '\\', 'T', 'c', 'p', 0};
    WSK_TDI_MAP map[2] = {{SOCK_STREAM, AF_INET, IPPROTO_TCP, name},
                          {SOCK_DGRAM, AF_INET6, IPPROTO_UDP, name}};
    WSK_TDI_MAP_INFO info = {2, map}, nowhere = {2, NULL}, empty = {0, map};
    ULONG flags = WSK_TDI_BEHAVIOR_BYPASS_TDI, none = 0, unknown = 2;
    struct wt_op op;
    UCHAR out[8];

    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, sizeof flags, &flags), STATUS_SUCCESS);
    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, sizeof none, &none), STATUS_SUCCESS);
    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, sizeof unknown, &unknown), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, sizeof flags - 1, &flags), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, 0, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof info, &info), STATUS_SUCCESS);
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof info - 1, &info), STATUS_INVALID_PARAMETER);
    map[1].Protocol = 77; /* which no transport serves */
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof info, &info), STATUS_NOT_SUPPORTED);
    map[0].TdiDeviceName = NULL;
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof info, &info), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof nowhere, &nowhere), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof empty, &empty), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TDI_BEHAVIOR, sizeof flags, &flags,
                                                    sizeof out, out, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_op_init(&op); /* with an IRP: refused, and the IRP completed */
    EXPECT_STATUS(
        wt_returned(&op, wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TDI_BEHAVIOR, sizeof flags,
                                                           &flags, 0, NULL, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_close_now(wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL));
    EXPECT_STATUS(set_tdi(WSK_TDI_BEHAVIOR, sizeof flags, &flags), STATUS_INVALID_DEVICE_STATE);
    map[0].TdiDeviceName = name;
    map[1].Protocol = IPPROTO_UDP;
    EXPECT_STATUS(set_tdi(WSK_TDI_DEVICENAME_MAPPING, sizeof info, &info), STATUS_INVALID_DEVICE_STATE);
}

TEST(control_of_a_client, "C-CTLC-01 C-CTLC-02 C-CTLC-03 C-CTLC-04 C-CTLC-20 R-CTLC-12 R-CTLC-14 R-CTLC-16 "
                          "R-CTLC-04 R-SOCK-04 H-08")
{
    WSK_TRANSPORT rows[16];
    SIZE_T size = 0, i;
    struct wt_op op;

    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_QUERY, 0, NULL, 0, NULL,
                                                    &size, NULL),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT(size != 0 && size % sizeof(WSK_TRANSPORT) == 0 && size <= sizeof rows);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_QUERY, 0, NULL,
                                                    sizeof rows, rows, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_QUERY, 0, NULL,
                                                    sizeof rows, rows, &size, NULL),
                  STATUS_SUCCESS);
    for (i = 0; i < size / sizeof *rows; i++) {
        SIZE_T k;

        EXPECT(RtlEqualMemory(&rows[i].ProviderId, &rows[0].ProviderId, sizeof(GUID)));
        for (k = 0; k < i; k++) /* each combination once */
            EXPECT(rows[k].AddressFamily != rows[i].AddressFamily ||
                   rows[k].SocketType != rows[i].SocketType || rows[k].Protocol != rows[i].Protocol);
        wt_op_init(&op);
        wt_returned(&op, wt_npi.Dispatch->WskSocket(
                             wt_npi.Client, rows[i].AddressFamily, rows[i].SocketType, rows[i].Protocol,
                             rows[i].SocketType == SOCK_STREAM ? WSK_FLAG_CONNECTION_SOCKET
                                                               : WSK_FLAG_DATAGRAM_SOCKET,
                             NULL, NULL, NULL, NULL, NULL, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
    }
    wt_op_init(&op); /* with an IRP: refused, and the IRP completed */
    EXPECT_STATUS(
        wt_returned(&op, wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_QUERY, 0, NULL,
                                                           sizeof rows, rows, &size, op.irp)),
        STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL, 0,
                                                    NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, 0x1234, 0, NULL, 0, NULL, NULL, NULL),
                  STATUS_NOT_SUPPORTED);
}
