/*
 * test_provider.c - WSK's provider comes late, goes while clients are there, and comes back: what clients that have
 * registered with WskRegister see of it.
 *
 * Strategy: the provider is told to go and come by its own switches (wsk_registration_*), or by the settings that
 * `uwsk run --provider-delay` makes (settings.provider_delay).  The fixture's capture is given back before, and taken
 * again after.  What has to wait runs on a thread of its own and is looked at for a while.
 */
#include "line.h"

#include "wsk/wskp.h"

static void setup(void)
{
    wt_setup();
    WskReleaseProviderNPI(&wt_registration);
}

static void teardown(void)
{
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, WSK_INFINITE_WAIT, &wt_npi), STATUS_SUCCESS);
    wt_teardown();
}

TEST_FIXTURE(setup, teardown);
TEST_MATRIX(WT_TWO_MODES);

static const WSK_CLIENT_DISPATCH version_1_0 = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static const WSK_CLIENT_DISPATCH version_1_1 = {MAKE_WSK_VERSION(1, 1), 0, NULL};

struct client {
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
};

static void client_begin(struct client *client, const WSK_CLIENT_DISPATCH *dispatch)
{
    WSK_CLIENT_NPI npi = {client, dispatch};

    EXPECT_STATUS(WskRegister(&npi, &client->registration), STATUS_SUCCESS);
}

static NTSTATUS capture(struct client *client, ULONG timeout)
{
    return WskCaptureProviderNPI(&client->registration, timeout, &client->npi);
}

static NTSTATUS query(struct client *client)
{
    WSK_PROVIDER_CHARACTERISTICS range;

    return WskQueryProviderCharacteristics(&client->registration, &range);
}

static PWSK_SOCKET client_socket(struct client *client)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, client->npi.Dispatch->WskSocket(client->npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                     WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                                     op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return (PWSK_SOCKET)op.information;
}

/* ---- on a thread of its own --------------------------------------------------------------------------- */

struct leaving {
    volatile LONG over;
    struct test_thread *thread;
};

static void leave_main(void *argument)
{
    struct leaving *leaving = argument;

    wsk_registration_wait();
    InterlockedExchange(&leaving->over, 1);
}

/* The provider goes: whoever captures from here on is not served. */
static void leave(struct leaving *leaving)
{
    leaving->over = 0;
    wsk_registration_stop();
    leaving->thread = test_thread_start(leave_main, leaving);
}

static void still_there(struct leaving *leaving)
{
    test_sleep_ms(40);
    EXPECT_EQ(line_read(&leaving->over), 0);
}

static void gone(struct leaving *leaving)
{
    EXPECT_SOON(line_read(&leaving->over));
    test_thread_join(leaving->thread);
}

struct capturing {
    struct client *client;
    ULONG timeout;
    WSK_PROVIDER_NPI npi;
    NTSTATUS status;
    volatile LONG over;
    struct test_thread *thread;
};

static void capturing_main(void *argument)
{
    struct capturing *capturing = argument;

    capturing->status =
        WskCaptureProviderNPI(&capturing->client->registration, capturing->timeout, &capturing->npi);
    InterlockedExchange(&capturing->over, 1);
}

static LONG waiting(struct client *client)
{
    struct wsk_client *inside = client->registration.ReservedRegistrationContext;
    LONG count;
    KIRQL irql;

    KeAcquireSpinLock(&inside->lock, &irql);
    count = inside->waiting;
    KeReleaseSpinLock(&inside->lock, irql);
    return count;
}

static void capture_elsewhere(struct capturing *capturing, struct client *client, ULONG timeout)
{
    LONG before = waiting(client);

    RtlZeroMemory(capturing, sizeof *capturing);
    capturing->client = client;
    capturing->timeout = timeout;
    capturing->thread = test_thread_start(capturing_main, capturing);
    EXPECT_SOON(waiting(client) == before + 1);
}

static NTSTATUS captured(struct capturing *capturing)
{
    EXPECT_SOON(line_read(&capturing->over));
    test_thread_join(capturing->thread);
    return capturing->status;
}

/* ---- going and coming --------------------------------------------------------------------------------- */

TEST(provider_goes_and_comes_back, "C-REG-10 R-CAPT-02 R-CAPT-03 R-CAPT-13 C-DEREG-22")
{
    struct client before, during;
    struct leaving leaving;

    client_begin(&before, &version_1_0);
    leave(&leaving);
    gone(&leaving); /* nobody has anything of it */
    EXPECT_STATUS(capture(&before, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(capture(&before, 1), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(query(&before), STATUS_DEVICE_NOT_READY);
    client_begin(&during, &version_1_0);
    EXPECT_STATUS(capture(&during, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    wsk_registration_start();
    EXPECT_STATUS(capture(&before, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(capture(&during, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(query(&during), STATUS_SUCCESS);
    wt_close_now(client_socket(&before));
    wt_close_now(client_socket(&during));
    WskReleaseProviderNPI(&before.registration);
    WskReleaseProviderNPI(&during.registration);
    WskDeregister(&before.registration);
    WskDeregister(&during.registration);
}

TEST(provider_waits_for_every_capture, "C-DEREG-17 C-REG-20 R-CAPT-02 R-CAPT-03")
{
    struct client first, second;
    struct leaving leaving;
    PWSK_SOCKET socket;

    client_begin(&first, &version_1_0);
    client_begin(&second, &version_1_0);
    EXPECT_STATUS(capture(&first, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(capture(&first, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(capture(&second, WSK_NO_WAIT), STATUS_SUCCESS);
    leave(&leaving);
    still_there(&leaving);
    EXPECT_STATUS(capture(&first, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(capture(&second, 1), STATUS_DEVICE_NOT_READY);
    EXPECT_STATUS(query(&second), STATUS_DEVICE_NOT_READY);
    socket = client_socket(&first); /* what was captured serves on */
    WskReleaseProviderNPI(&second.registration);
    WskReleaseProviderNPI(&first.registration);
    still_there(&leaving);
    WskReleaseProviderNPI(&first.registration);
    still_there(&leaving);
    wt_close_now(socket);
    gone(&leaving);
    EXPECT_STATUS(capture(&first, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    wsk_registration_start();
    EXPECT_STATUS(capture(&first, WSK_NO_WAIT), STATUS_SUCCESS);
    WskReleaseProviderNPI(&first.registration);
    WskDeregister(&first.registration);
    WskDeregister(&second.registration);
}

TEST(sockets_go_on_without_their_provider, "C-REG-19 C-DEREG-17")
{
    struct client client;
    struct leaving leaving;
    SOCKADDR_STORAGE local, remote;
    PWSK_SOCKET socket;
    struct wt_op op;
    int port = 0, peer, listener = peer_listen(PEER_INET, &port);
    char text[8];

    client_begin(&client, &version_1_0);
    EXPECT_STATUS(capture(&client, WSK_NO_WAIT), STATUS_SUCCESS);
    socket = client_socket(&client);
    WskReleaseProviderNPI(&client.registration);
    leave(&leaving);
    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&local, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&remote, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    wt_send_now(socket, "still", 5);
    peer_receive_all(peer, text, 5);
    EXPECT(RtlEqualMemory(text, "still", 5));
    still_there(&leaving);
    wt_close_now(socket);
    gone(&leaving);
    wsk_registration_start();
    WskDeregister(&client.registration);
    wt_op_free(&op);
    peer_close(peer);
    peer_close(listener);
}

struct inside {
    struct client *client;
    struct leaving *leaving;
};

static void release_and_look(struct wt_op *op)
{
    struct inside *inside = op->context;

    leave(inside->leaving);
    WskReleaseProviderNPI(&inside->client->registration);
    still_there(inside->leaving); /* the call that runs this routine is still inside */
}

TEST(provider_waits_for_calls_that_are_inside, "C-DEREG-17")
{
    struct client client;
    struct leaving leaving;
    struct inside inside = {&client, &leaving};
    struct wt_op op;

    client_begin(&client, &version_1_0);
    EXPECT_STATUS(capture(&client, WSK_NO_WAIT), STATUS_SUCCESS);
    wt_op_init(&op);
    op.hook = release_and_look;
    op.context = &inside;
    EXPECT_STATUS(
        wt_returned(&op, client.npi.Dispatch->WskSocket(client.npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                        0x7fffffff, NULL, NULL, NULL, NULL, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    gone(&leaving);
    wsk_registration_start();
    WskDeregister(&client.registration);
    wt_op_free(&op);
}

static NTSTATUS wait_for_changes(struct client *client, struct wt_op *op)
{
    wt_op_init(op);
    return wt_returned(op,
                       client->npi.Dispatch->WskControlClient(client->npi.Client, WSK_TRANSPORT_LIST_CHANGE,
                                                              0, NULL, 0, NULL, NULL, op->irp));
}

TEST(waits_for_changes_end_when_the_provider_goes, "C-CTLC-05 C-DEREG-06 R-CTLC-15")
{
    struct wt_op op[2], other, late;
    struct client client, second;
    struct leaving leaving;

    client_begin(&client, &version_1_0);
    client_begin(&second, &version_1_0);
    EXPECT_STATUS(capture(&client, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(capture(&second, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_STATUS(wait_for_changes(&client, &op[0]), STATUS_PENDING);
    EXPECT_STATUS(wait_for_changes(&client, &op[1]), STATUS_PENDING);
    EXPECT_STATUS(wait_for_changes(&second, &other), STATUS_PENDING);
    WskReleaseProviderNPI(&second.registration);
    leave(&leaving);
    EXPECT(wt_is_done(&op[0]) && wt_is_done(&op[1]) && wt_is_done(&other));
    EXPECT_STATUS(wt_wait(&op[0]), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&op[1]), STATUS_CANCELLED);
    EXPECT_STATUS(wt_wait(&other), STATUS_CANCELLED);
    EXPECT_STATUS(wait_for_changes(&client, &late), STATUS_PENDING); /* while it is going */
    EXPECT_STATUS(wt_wait(&late), STATUS_CANCELLED);
    still_there(&leaving);
    WskReleaseProviderNPI(&client.registration);
    gone(&leaving);
    wsk_registration_start();
    WskDeregister(&client.registration);
    WskDeregister(&second.registration);
    wt_op_free(&op[0]);
    wt_op_free(&op[1]);
    wt_op_free(&other);
    wt_op_free(&late);
}

/* ---- versions ----------------------------------------------------------------------------------------- */

TEST(versions_are_looked_at_when_the_provider_is_there, "C-REG-14 C-REG-16 R-CAPT-05 R-CAPT-13 R-CAPT-14")
{
    static WSK_CLIENT_DISPATCH supported = {0, 0, NULL};
    WSK_PROVIDER_CHARACTERISTICS range;
    struct client newer, ours;
    struct capturing capturing;
    struct leaving leaving;

    leave(&leaving);
    gone(&leaving);
    client_begin(&newer, &version_1_1);
    EXPECT_STATUS(capture(&newer, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY); /* nobody knows yet */
    capture_elsewhere(&capturing, &newer, WSK_INFINITE_WAIT);
    wsk_registration_start();
    EXPECT_STATUS(captured(&capturing), STATUS_NOINTERFACE);
    EXPECT_STATUS(WskQueryProviderCharacteristics(&newer.registration, &range), STATUS_SUCCESS);
    EXPECT(range.LowestVersion <= range.HighestVersion && range.HighestVersion < version_1_1.Version);
    WskDeregister(&newer.registration); /* and nothing is to be released */
    supported.Version = range.HighestVersion;
    client_begin(&ours, &supported);
    EXPECT_STATUS(capture(&ours, WSK_NO_WAIT), STATUS_SUCCESS);
    EXPECT_EQ(WSK_MAJOR_VERSION(ours.npi.Dispatch->Version), WSK_MAJOR_VERSION(supported.Version));
    EXPECT(WSK_MINOR_VERSION(ours.npi.Dispatch->Version) >= WSK_MINOR_VERSION(supported.Version));
    WskReleaseProviderNPI(&ours.registration);
    WskDeregister(&ours.registration);
}

/* ---- WskDeregister meanwhile -------------------------------------------------------------------------- */

TEST(client_leaves_while_its_provider_goes, "C-DEREG-03 C-DEREG-09 R-CAPT-07 R-CAPT-08 R-REG-06")
{
    struct client client, other;
    struct capturing capturing;
    struct leaving leaving;
    PWSK_SOCKET socket;

    client_begin(&client, &version_1_0);
    client_begin(&other, &version_1_0);
    EXPECT_STATUS(capture(&client, WSK_NO_WAIT), STATUS_SUCCESS);
    socket = client_socket(&client);
    leave(&leaving);
    capture_elsewhere(&capturing, &other, WSK_INFINITE_WAIT);
    still_there(&leaving); /* for the first client, not for the one that waits */
    WskDeregister(&other.registration);
    EXPECT_STATUS(captured(&capturing), STATUS_DEVICE_NOT_READY);
    wt_close_now(socket);
    still_there(&leaving);
    WskReleaseProviderNPI(&client.registration);
    WskDeregister(&client.registration);
    gone(&leaving);
    wsk_registration_start();
}

TEST(capture_waits_through_a_going_provider, "C-REG-11 C-REG-12 R-CAPT-03")
{
    struct capturing forever, some;
    struct leaving leaving;
    struct client client;

    client_begin(&client, &version_1_0);
    EXPECT_STATUS(capture(&client, WSK_NO_WAIT), STATUS_SUCCESS);
    leave(&leaving);
    capture_elsewhere(&forever, &client, WSK_INFINITE_WAIT); /* not for what is there, for what will come */
    capture_elsewhere(&some, &client, 30);
    EXPECT_STATUS(captured(&some), STATUS_DEVICE_NOT_READY);
    WskReleaseProviderNPI(&client.registration);
    gone(&leaving);
    EXPECT_EQ(line_read(&forever.over), 0);
    wsk_registration_start();
    EXPECT_STATUS(captured(&forever), STATUS_SUCCESS);
    WskReleaseProviderNPI(&client.registration);
    WskDeregister(&client.registration);
}

/* ---- as the settings have it -------------------------------------------------------------------------- */

/* The fixture's subsystem once more, with these times; its client is registered and nothing is captured. */
static void restart(ULONG delay_ms, ULONG leave_ms)
{
    struct wsk_settings settings = wsk_settings;
    WSK_CLIENT_NPI npi = {NULL, &version_1_0};

    settings.provider_delay = delay_ms * 10000ull;
    settings.provider_leave = leave_ms * 10000ull;
    WskDeregister(&wt_registration);
    wsk_stop();
    EXPECT_STATUS(wsk_start(&settings), STATUS_SUCCESS);
    EXPECT_STATUS(WskRegister(&npi, &wt_registration), STATUS_SUCCESS);
}

TEST(provider_that_is_late, "C-REG-06 C-REG-11 C-REG-12 R-CAPT-02 R-CAPT-03 C-DEREG-22")
{
    long long before = test_now_ms();
    WSK_PROVIDER_NPI npi;

    restart(150, 0);
    /* An answer that came in time says "not ready"; the machine may have been slow. */
    EXPECT(WskCaptureProviderNPI(&wt_registration, WSK_NO_WAIT, &npi) == STATUS_DEVICE_NOT_READY ||
           test_now_ms() - before >= 149);
    while (WskCaptureProviderNPI(&wt_registration, 10, &npi) == STATUS_DEVICE_NOT_READY)
        EXPECT(test_now_ms() - before < 20000);
    EXPECT(test_now_ms() - before >= 149);
    WskReleaseProviderNPI(&wt_registration);
    restart(3600 * 1000, 1000); /* nobody waits for it to come */
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, 20, &npi), STATUS_DEVICE_NOT_READY);
    restart(0, 0);
}

TEST(provider_that_leaves, "C-DEREG-17 C-DEREG-22 R-CAPT-03")
{
    struct client client;
    PWSK_SOCKET socket;
    ULONG stay;

    for (stay = 100;; stay *= 2) { /* until it stays long enough for this machine */
        restart(1, stay);
        client_begin(&client, &version_1_0);
        if (capture(&client, 1000) == STATUS_SUCCESS)
            break;
        WskDeregister(&client.registration);
        EXPECT(stay < 5000);
    }
    socket = client_socket(&client);
    EXPECT_SOON(query(&client) == STATUS_DEVICE_NOT_READY);
    wt_close_now(client_socket(&client));
    EXPECT_STATUS(capture(&client, 5), STATUS_DEVICE_NOT_READY);
    WskReleaseProviderNPI(&client.registration);
    wt_close_now(socket);
    WskDeregister(&client.registration);
    restart(0, 3600 * 1000); /* nobody waits for it to leave */
    EXPECT_STATUS(WskQueryProviderCharacteristics(&wt_registration, &(WSK_PROVIDER_CHARACTERISTICS){0, 0}),
                  STATUS_SUCCESS);
    restart(0, 0);
}
