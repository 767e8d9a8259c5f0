/*
 * A program that loads a driver and uses its device through include/uwsk/device.h; the driver is gate.c.
 *
 * C-IRP-09..14: some requests go on to WSK as the IRPs that they are.
 */
#include <stdio.h>
#include <string.h>

#include <ntstatus.h>
#include <uwsk/device.h>
#include <uwsk/runtime.h>

#include "gate.h"
#include "peer.h"
#include "sim_world.h"
#include "uwsk_test.h"

static struct uwsk_driver *driver;
static struct uwsk_device *device;

static void line(void *context, const char *text)
{
    (void)context;
    TEST_NOTE("%s", text);
}

static void setup(void)
{
    struct uwsk_options options = UWSK_OPTIONS_INITIALIZER;
    struct uwsk_problem problem;

    options.processors = 2;
    if (test_mode_has("sim"))
        options.transport = "sim";
    if (test_mode_has("always-pend"))
        options.completion = UWSK_COMPLETION_ALWAYS_PEND;
    if (test_mode_has("inline"))
        options.completion = UWSK_COMPLETION_INLINE_WHEN_POSSIBLE;
    if (test_mode_has("passive"))
        options.deliver = UWSK_DELIVER_PASSIVE;
    if (uwsk_runtime_start(&options, &problem) < 0 ||
        uwsk_driver_load(GATE_DRIVER, NULL, &driver, &problem) < 0)
        uwsk_test_fail(__FILE__, __LINE__, "%s", problem.text);
    EXPECT_STATUS(uwsk_device_open("\\\\.\\UwskGate", &device), STATUS_SUCCESS);
}

static void teardown(void)
{
    if (device)
        EXPECT_STATUS(uwsk_device_close(device, 5000), STATUS_SUCCESS);
    EXPECT_EQ(uwsk_driver_unload(driver, 5000), UWSK_UNLOADED);
    EXPECT_EQ(uwsk_account_report(driver, line, NULL), 0);
    uwsk_driver_forget(driver);
    EXPECT_EQ(uwsk_runtime_stop(), 0);
}

TEST_FIXTURE(setup, teardown);
__attribute__((constructor)) static void say_which_driver(void)
{
    sim_world_driver = GATE_DRIVER;
}

#define LINUX_MODES                                                                                          \
    "natural/dispatch natural/passive always-pend/dispatch always-pend/passive inline/dispatch"
#ifdef __SANITIZE_THREAD__ /* sees nothing between fibers */
TEST_MATRIX(LINUX_MODES);
#define RACE_MODES "natural/dispatch"
#else
TEST_MATRIX(LINUX_MODES " natural/dispatch/sim natural/passive/sim always-pend/dispatch/sim "
                        "always-pend/passive/sim inline/dispatch/sim");
#define RACE_MODES "natural/dispatch natural/dispatch/sim/races"
#endif

static struct gate_counts counts(void)
{
    struct gate_counts now;
    size_t got;

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_COUNTS, NULL, 0, &now, sizeof now, &got, 5000),
                  STATUS_SUCCESS);
    EXPECT_EQ(got, sizeof now);
    return now;
}

static void let_go(void)
{
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_LET_GO, NULL, 0, NULL, 0, NULL, 5000), STATUS_SUCCESS);
}

/* ---- names and files ---------------------------------------------------------------------------------- */

TEST(every_name_of_a_device_opens_it, "", TEST_ONCE)
{
    static const char *const names[] = {
        "\\Device\\UwskGate", "\\DosDevices\\UwskGate", "\\??\\UwskGate",         "\\\\.\\UwskGate",
        "\\\\?\\UwskGate",    "\\GLOBAL??\\uwskgate",   "\\??\\Global\\UwskGate", "UWSKGATE"};
    struct uwsk_device *other;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        TEST_NOTE("%s", names[i]);
        EXPECT_STATUS(uwsk_device_open(names[i], &other), STATUS_SUCCESS);
        EXPECT_STATUS(uwsk_device_close(other, 5000), STATUS_SUCCESS);
    }
    EXPECT_STATUS(uwsk_device_open("UwskGat", &other), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(uwsk_device_open("UwskGates", &other), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(uwsk_device_open("", &other), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(uwsk_device_open("Uwsk\xFF", &other), STATUS_OBJECT_NAME_INVALID);
    EXPECT(other == NULL);
}

TEST(the_rest_of_the_name_is_the_files_name, "", TEST_ONCE)
{
    static const uint16_t expected[] = {'\\', 's', 'u', 'b', '\\', 0xE4};
    struct uwsk_device *other;
    uint16_t name[16];
    size_t got;

    EXPECT_STATUS(uwsk_device_open("UwskGate\\sub\\\xC3\xA4", &other), STATUS_SUCCESS);
    EXPECT_STATUS(uwsk_device_ioctl(other, GATE_TELL, NULL, 0, name, sizeof name, &got, 5000),
                  STATUS_SUCCESS);
    EXPECT_EQ(got, sizeof expected);
    EXPECT(memcmp(name, expected, got) == 0);
    EXPECT_STATUS(uwsk_device_close(other, 5000), STATUS_SUCCESS);
}

TEST(a_refused_create_is_neither_cleaned_up_nor_closed, "", TEST_ONCE)
{
    struct uwsk_device *other;
    struct gate_counts now;

    EXPECT_STATUS(uwsk_device_open("UwskGate\\forbidden", &other), STATUS_ACCESS_DENIED);
    EXPECT(other == NULL);
    now = counts();
    EXPECT_EQ(now.creates, 1);
    EXPECT_EQ(now.cleanups, 0);
    EXPECT_EQ(now.closes, 0);
}

TEST(an_open_device_keeps_its_driver, "", TEST_ONCE)
{
    struct uwsk_device *other;

    EXPECT_EQ(uwsk_driver_unload(driver, 5000), UWSK_UNLOAD_OPEN);
    EXPECT_STATUS(uwsk_device_open("UwskGate", &other), STATUS_SUCCESS);
    EXPECT_STATUS(uwsk_device_close(other, 5000), STATUS_SUCCESS);
    EXPECT_EQ(counts().closes, 1);
}

/* ---- buffers ------------------------------------------------------------------------------------------ */

TEST(each_method_moves_the_data, "", TEST_ONCE)
{
    char data[8] = "12345678", in[3] = "abc";
    size_t got = 99;

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_REVERSE, in, 3, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 3);
    EXPECT(memcmp(data, "cba45678", 8) == 0); /* no more than Information bytes */
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_DIRECT_OUT, "x", 1, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 8);
    EXPECT(memcmp(data, "xxxxxxxx", 8) == 0);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_NEITHER, in, 3, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 3);
    EXPECT(memcmp(data, "bcdxxxxx", 8) == 0);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_DIRECT_IN, in, 3, data, 5, &got, 5000), STATUS_SUCCESS);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_REMEMBERED, NULL, 0, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 8);
    EXPECT(memcmp(data, "abcbcdxx", 8) == 0);
}

TEST(a_warning_brings_data_and_an_error_none, "", TEST_ONCE)
{
    char data[4] = "....";
    size_t got;

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_OVERFLOW, NULL, 0, data, 4, &got, 5000),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(got, 2);
    EXPECT(memcmp(data, "ov..", 4) == 0);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_REFUSE, NULL, 0, data, 4, &got, 5000), STATUS_ACCESS_DENIED);
    EXPECT_EQ(got, 2);
    EXPECT(memcmp(data, "ov..", 4) == 0);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_CODE(0xFFF, 0), NULL, 0, data, 4, &got, 5000),
                  STATUS_INVALID_DEVICE_REQUEST);
}

TEST(reads_and_writes_reach_the_driver, "", TEST_ONCE)
{
    char data[8] = "........";
    size_t got;

    EXPECT_STATUS(uwsk_device_write(device, 0, "written", 7, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 7);
    EXPECT_STATUS(uwsk_device_read(device, 2, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 5);
    EXPECT(memcmp(data, "itten...", 8) == 0);
    EXPECT_STATUS(uwsk_device_read(device, 7, data, 8, &got, 5000), STATUS_END_OF_FILE);
    EXPECT_STATUS(uwsk_device_read(device, 0, data, 0, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 0);
}

/* ---- pending, cancelled ------------------------------------------------------------------------------- */

TEST(a_pending_request_is_cancelled, "K-CANCEL-01", TEST_ONCE)
{
    struct uwsk_request *request;

    EXPECT_STATUS(uwsk_device_start(device, GATE_HOLD, NULL, 0, NULL, 0, &request), STATUS_PENDING);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 20), STATUS_TIMEOUT);
    uwsk_request_cancel(request);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 5000), STATUS_CANCELLED);
    uwsk_request_cancel(request); /* too late: nothing */
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 0), STATUS_CANCELLED);
    uwsk_request_free(request);
    EXPECT_EQ(counts().cancels, 1);
}

TEST(a_timeout_cancels, "", TEST_ONCE)
{
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_HOLD, NULL, 0, NULL, 0, NULL, 20), STATUS_IO_TIMEOUT);
    EXPECT_EQ(counts().cancels, 1);
}

TEST(a_driver_that_keeps_a_cancelled_request_is_told_apart, "", TEST_ONCE)
{
    char data[16] = "mine";

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_STUBBORN, NULL, 0, data, sizeof data, NULL, 20),
                  STATUS_DEVICE_BUSY);
    let_go();
    EXPECT_STR(data, "mine");
}

TEST(close_cancels_what_is_pending, "", TEST_ONCE)
{
    struct uwsk_request *request[3];
    struct uwsk_device *other;

    EXPECT_STATUS(uwsk_device_open("UwskGate", &other), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(uwsk_device_start(other, GATE_HOLD, "in", 2, NULL, 4, &request[i]), STATUS_PENDING);
    EXPECT_STATUS(uwsk_device_close(other, 5000), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(uwsk_request_wait(request[i], NULL, NULL, 0), STATUS_CANCELLED);
        uwsk_request_free(request[i]);
    }
    EXPECT_EQ(counts().cancels, 3);
    EXPECT_EQ(counts().cleanups, 1);
    EXPECT_EQ(counts().closes, 1);
}

TEST(close_is_sent_after_the_last_request, "", TEST_ONCE)
{
    struct uwsk_request *request;
    struct uwsk_device *other;

    EXPECT_STATUS(uwsk_device_open("UwskGate", &other), STATUS_SUCCESS);
    EXPECT_STATUS(uwsk_device_start(other, GATE_STUBBORN, NULL, 0, NULL, 0, &request), STATUS_PENDING);
    EXPECT_STATUS(uwsk_device_close(other, 20), STATUS_TIMEOUT);
    EXPECT_EQ(counts().cleanups, 1);
    EXPECT_EQ(counts().closes, 0);
    let_go();
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 5000), STATUS_SUCCESS);
    uwsk_request_free(request);
    EXPECT_SOON(counts().closes == 1);
}

struct racer {
    struct uwsk_request *request;
    int cancel;
};

static void race(void *context)
{
    struct racer *racer = context;

    if (racer->cancel)
        uwsk_request_cancel(racer->request);
    else
        let_go();
}

TEST(cancel_races_with_completion, "K-CANCEL-02 K-CANCEL-03", TEST_MODES(RACE_MODES))
{
    for (long i = test_scale(5000); i > 0; i--) {
        struct racer racer[2] = {{NULL, 0}, {NULL, 1}};
        uint32_t code = i % 2 ? GATE_STUBBORN : GATE_HOLD;
        struct uwsk_request *request;
        struct test_thread *thread[2];
        int32_t status;

        EXPECT_STATUS(uwsk_device_start(device, code, NULL, 0, NULL, 8, &request), STATUS_PENDING);
        racer[0].request = racer[1].request = request;
        for (int k = 0; k < 2; k++)
            thread[k] = test_thread_start(race, &racer[k]);
        status = uwsk_request_wait(request, NULL, NULL, 5000);
        uwsk_request_cancel(request);
        for (int k = 0; k < 2; k++)
            test_thread_join(thread[k]);
        uwsk_request_free(request);
        EXPECT_STATUS(status, code == GATE_HOLD ? STATUS_CANCELLED : STATUS_SUCCESS);
    }
}

/* ---- on to WSK ---------------------------------------------------------------------------------------- */

static int connect_gate(void)
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    uint16_t number = (uint16_t)port;

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_CONNECT, &number, sizeof number, NULL, 0, NULL, 5000),
                  STATUS_SUCCESS);
    peer = peer_accept(listener);
    peer_close(listener);
    return peer;
}

TEST(an_irp_from_above_goes_on_to_wsk, "C-IRP-09 C-IRP-10 C-IRP-13 C-IRP-14")
{
    int peer = connect_gate();
    struct uwsk_request *request;
    char data[8] = "........";
    size_t got = 0;

    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_SEND, NULL, 0, "greeting", 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 8);
    peer_receive_all(peer, data, 8);
    EXPECT(memcmp(data, "greeting", 8) == 0);

    peer_send(peer, "abc", 3); /* may be there already when WskReceive is called */
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_RECEIVE, NULL, 0, data, 8, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 3);
    EXPECT(memcmp(data, "abceting", 8) == 0);
    EXPECT_EQ(counts().routines, 1);

    EXPECT_STATUS(uwsk_device_start(device, GATE_RECEIVE, NULL, 0, NULL, 8, &request), STATUS_PENDING);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 20), STATUS_TIMEOUT);
    peer_send(peer, "later", 5);
    EXPECT_STATUS(uwsk_request_wait(request, data, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 5);
    EXPECT(memcmp(data, "later", 5) == 0);
    uwsk_request_free(request);
    EXPECT_EQ(counts().routines, 2);
    peer_close(peer);
}

TEST(a_routine_for_success_only_hears_of_nothing_else, "C-IRP-14")
{
    int peer = connect_gate();
    struct uwsk_request *request;
    char data[8];

    EXPECT_STATUS(uwsk_device_start(device, GATE_RECEIVE, NULL, 0, NULL, 8, &request), STATUS_PENDING);
    peer_reset(peer);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 5000), STATUS_CONNECTION_RESET);
    uwsk_request_free(request);
    EXPECT_EQ(counts().routines, 0);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_RECEIVE, NULL, 0, data, 8, NULL, 5000),
                  STATUS_CONNECTION_RESET);
    EXPECT_EQ(counts().routines, 0);
}

TEST(a_cancelled_ioctl_cancels_the_receive, "C-IRP-09 C-IRP-14")
{
    int peer = connect_gate();
    struct uwsk_request *request;
    char data[4];
    size_t got;

    EXPECT_STATUS(uwsk_device_start(device, GATE_RECEIVE, NULL, 0, NULL, 8, &request), STATUS_PENDING);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, NULL, 20), STATUS_TIMEOUT);
    uwsk_request_cancel(request);
    EXPECT_STATUS(uwsk_request_wait(request, NULL, &got, 5000), STATUS_CANCELLED);
    EXPECT_EQ(got, 0);
    uwsk_request_free(request);
    EXPECT_EQ(counts().routines, 0);
    peer_send(peer, "kept", 4); /* for the next one */
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_RECEIVE, NULL, 0, data, 4, &got, 5000), STATUS_SUCCESS);
    EXPECT_EQ(got, 4);
    EXPECT(memcmp(data, "kept", 4) == 0);
    peer_close(peer);
}

TEST(a_stopped_irp_ends_when_the_driver_completes_it, "C-IRP-11 K-COMPL-11")
{
    int peer = connect_gate();
    char data[4];
    size_t got;

    peer_send(peer, "stop", 4);
    EXPECT_STATUS(uwsk_device_ioctl(device, GATE_RECEIVE_LATER, NULL, 0, data, 4, &got, 5000),
                  STATUS_SUCCESS);
    EXPECT_EQ(got, 4);
    EXPECT(memcmp(data, "stop", 4) == 0);
    EXPECT_EQ(counts().routines, 1);
    peer_close(peer);
}
