/*
 * test_race_provider.c - WSK's provider comes or goes at the moment at which a client captures it, gives it back,
 * closes its last socket, waits for changes or leaves: nobody waits for ever, nothing is counted twice, and whoever
 * has captured is waited for.
 */
#include "close_race.h"
#include "close_test.h"

#include "nmr/nmr.h"
#include "wsk/wskp.h"

/* What is delivered where makes no difference here. */
#ifdef __SANITIZE_THREAD__
#define MODES "natural/dispatch"
#else
#define MODES "natural/dispatch natural/dispatch/sim/races"
#endif

static void setup(void)
{
    wt_setup();
    WskReleaseProviderNPI(&wt_registration);
}

static void teardown(void)
{
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, WSK_NO_WAIT, &wt_npi), STATUS_SUCCESS);
    wt_teardown();
}

TEST_FIXTURE(setup, teardown);
TEST_MATRIX(MODES);

static const WSK_CLIENT_DISPATCH table = {.Version = MAKE_WSK_VERSION(1, 0)};

struct client {
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    NTSTATUS status;
    PWSK_SOCKET socket;
    struct wt_op op;
};

static void client_register(void *context)
{
    struct client *client = context;
    WSK_CLIENT_NPI npi = {NULL, &table};

    EXPECT_STATUS(WskRegister(&npi, &client->registration), STATUS_SUCCESS);
    wt_op_init(&client->op);
}

static void client_capture(void *context)
{
    struct client *client = context;

    client_register(client);
    EXPECT_STATUS(WskCaptureProviderNPI(&client->registration, WSK_NO_WAIT, &client->npi), STATUS_SUCCESS);
}

static void client_end(void *context)
{
    struct client *client = context;

    WskDeregister(&client->registration);
    wt_op_free(&client->op);
}

static void step_go(void *context)
{
    UNREFERENCED_PARAMETER(context);
    wsk_registration_stop();
    wsk_registration_wait();
}

static void step_come(void *context)
{
    UNREFERENCED_PARAMETER(context);
    wsk_registration_start();
}

static void step_go_and_come(void *context)
{
    step_go(context);
    step_come(context);
}

/* The provider is back, and counts as one that nobody holds. */
static void after_all(void *context)
{
    struct client *client = context;

    step_come(context);
    EXPECT_STATUS(WskCaptureProviderNPI(&client->registration, WSK_NO_WAIT, &client->npi), STATUS_SUCCESS);
    WskReleaseProviderNPI(&client->registration);
    step_go_and_come(context);
    client_end(client);
}

/* ---- captures ----------------------------------------------------------------------------------------- */

static void step_capture_now(void *context)
{
    struct client *client = context;

    client->status = WskCaptureProviderNPI(&client->registration, WSK_NO_WAIT, &client->npi);
    if (client->status == STATUS_SUCCESS)
        WskReleaseProviderNPI(&client->registration);
    else
        EXPECT_STATUS(client->status, STATUS_DEVICE_NOT_READY);
}

static void step_capture_some_day(void *context)
{
    struct client *client = context;

    EXPECT_STATUS(WskCaptureProviderNPI(&client->registration, WSK_INFINITE_WAIT, &client->npi),
                  STATUS_SUCCESS);
    WskReleaseProviderNPI(&client->registration);
}

TEST(race_capture_with_a_going_provider, "R-CAPT-02 C-DEREG-17", TEST_TIMEOUT(120))
{
    struct client client;

    race(client_register, step_capture_now, step_go, after_all, &client);
}

TEST(race_capture_with_a_coming_provider, "R-CAPT-03 C-REG-11", TEST_TIMEOUT(120))
{
    struct client client;

    race(client_register, step_capture_some_day, step_go_and_come, after_all, &client);
}

static void before_it_comes(void *context)
{
    step_go(context);
    client_register(context);
}

static void step_capture_or_leave(void *context)
{
    struct client *client = context;

    client->status = WskCaptureProviderNPI(&client->registration, WSK_INFINITE_WAIT, &client->npi);
    if (client->status == STATUS_SUCCESS)
        WskReleaseProviderNPI(&client->registration);
    else
        EXPECT_STATUS(client->status, STATUS_DEVICE_NOT_READY);
}

/* The provider comes while the client that waits for it deregisters: woken by either (R-CAPT-08). */
static void step_come_and_deregister(void *context)
{
    struct client *client = context;

    step_come(context);
    WskDeregister(&client->registration);
}

static void after_it_has_left(void *context)
{
    wt_op_free(&((struct client *)context)->op);
}

TEST(race_capture_with_provider_and_deregister, "R-CAPT-07 R-CAPT-08 C-REG-15 C-DEREG-03", TEST_TIMEOUT(120))
{
    struct client client;

    race(before_it_comes, step_capture_or_leave, step_come_and_deregister, after_it_has_left, &client);
}

/* ---- what the provider waits for ---------------------------------------------------------------------- */

static void step_release(void *context)
{
    WskReleaseProviderNPI(&((struct client *)context)->registration);
}

TEST(race_release_with_a_going_provider, "C-DEREG-17 C-REG-20", TEST_TIMEOUT(120))
{
    struct client client;

    race(client_capture, step_release, step_go, after_all, &client);
}

static void before_the_last_close(void *context)
{
    struct client *client = context;

    client_capture(client);
    wt_returned(&client->op, client->npi.Dispatch->WskSocket(client->npi.Client, AF_INET, SOCK_STREAM,
                                                             IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, NULL,
                                                             NULL, NULL, NULL, NULL, client->op.irp));
    EXPECT_STATUS(wt_wait(&client->op), STATUS_SUCCESS);
    client->socket = (PWSK_SOCKET)client->op.information;
    WskReleaseProviderNPI(&client->registration);
    wt_again(&client->op);
}

static void step_last_close(void *context)
{
    struct client *client = context;

    wt_close(client->socket, &client->op);
}

static void after_the_last_close(void *context)
{
    EXPECT_STATUS(wt_wait(&((struct client *)context)->op), STATUS_SUCCESS);
    after_all(context);
}

TEST(race_the_last_close_with_a_going_provider, "C-DEREG-17 C-CLOSE-03", TEST_TIMEOUT(120))
{
    struct client client;

    race(before_the_last_close, step_last_close, step_go, after_the_last_close, &client);
}

static void step_wait_for_changes(void *context)
{
    struct client *client = context;

    wt_returned(&client->op,
                client->npi.Dispatch->WskControlClient(client->npi.Client, WSK_TRANSPORT_LIST_CHANGE, 0, NULL,
                                                       0, NULL, NULL, client->op.irp));
    WskReleaseProviderNPI(&client->registration);
}

static void after_the_wait(void *context)
{
    EXPECT_STATUS(wt_wait(&((struct client *)context)->op), STATUS_CANCELLED);
    after_all(context);
}

TEST(race_a_wait_for_changes_with_a_going_provider, "C-DEREG-06 C-DEREG-17 C-CTLC-05", TEST_TIMEOUT(120))
{
    struct client client;

    race(client_capture, step_wait_for_changes, step_go, after_the_wait, &client);
}

static void step_deregister(void *context)
{
    WskDeregister(&((struct client *)context)->registration);
}

static void step_release_and_deregister(void *context)
{
    step_release(context);
    step_deregister(context);
}

static void after_deregister(void *context)
{
    step_come(context);
    after_it_has_left(context);
}

TEST(race_deregister_with_a_going_provider, "C-DEREG-03 C-DEREG-09 C-DEREG-17", TEST_TIMEOUT(120))
{
    struct client client;

    race(client_capture, step_release_and_deregister, step_go, after_deregister, &client);
}

/* ---- clients of the Network Module Registrar ---------------------------------------------------------- */

struct module {
    HANDLE handle, binding;
    WSK_PROVIDER_NPI npi;
    volatile LONG attached, cleaned;
};

static NTSTATUS NTAPI module_attach(HANDLE binding, PVOID context, PNPI_REGISTRATION_INSTANCE instance)
{
    struct module *module = context;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(instance);
    status = NmrClientAttachProvider(binding, module, &table, (PVOID *)&module->npi.Client,
                                     (const VOID **)&module->npi.Dispatch);
    if (status == STATUS_SUCCESS) {
        module->binding = binding;
        InterlockedIncrement(&module->attached);
    } else {
        EXPECT_STATUS(status, STATUS_NOINTERFACE); /* one of the two leaves already */
    }
    return status;
}

static NTSTATUS NTAPI module_detach(PVOID context)
{
    struct module *module = context;
    struct wt_op op;

    wt_op_init(&op); /* what is captured serves until the client has answered */
    wt_returned(&op, module->npi.Dispatch->WskSocket(module->npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                                     WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                                     op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    return STATUS_SUCCESS;
}

static VOID NTAPI module_cleanup(PVOID context)
{
    InterlockedIncrement(&((struct module *)context)->cleaned);
}

static const NPI_MODULEID module_id = {
    sizeof(NPI_MODULEID), MIT_GUID, {{7, 7, 7, {4, 5, 6, 7, 8, 9, 10, 11}}}};
static const NPI_CLIENT_CHARACTERISTICS characteristics = {
    0,
    sizeof characteristics,
    module_attach,
    module_detach,
    module_cleanup,
    {0, sizeof(NPI_REGISTRATION_INSTANCE), &NPI_WSK_INTERFACE_ID, &module_id, 0, NULL}};

static void module_begin(void *context)
{
    RtlZeroMemory(context, sizeof(struct module));
}

static void step_module_comes_and_leaves(void *context)
{
    struct module *module = context;

    EXPECT_STATUS(NmrRegisterClient(&characteristics, module, &module->handle), STATUS_SUCCESS);
    EXPECT_STATUS(NmrDeregisterClient(module->handle), STATUS_PENDING);
    EXPECT_STATUS(NmrWaitForClientDeregisterComplete(module->handle), STATUS_SUCCESS);
}

static void step_wsk_goes_and_comes(void *context)
{
    UNREFERENCED_PARAMETER(context);
    wsk_npi_provider_stop();
    wsk_npi_provider_wait();
    EXPECT_STATUS(wsk_npi_provider_start(), STATUS_SUCCESS);
}

static void module_end(void *context)
{
    struct module *module = context;

    EXPECT_EQ(module->attached, module->cleaned);
    EXPECT(module->attached <= 2); /* to the one that goes, to the one that comes, or to neither */
}

TEST(race_module_with_a_provider_that_goes_and_comes, "C-REG-27 C-DEREG-13 C-DEREG-17 C-NMR-18 C-NMR-22",
     TEST_TIMEOUT(120))
{
    struct module module;

    race(module_begin, step_module_comes_and_leaves, step_wsk_goes_and_comes, module_end, &module);
}
