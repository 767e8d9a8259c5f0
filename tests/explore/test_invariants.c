/*
 * test_invariants.c - each kind of violation that src/explore/invariants.c knows is told when it happens.
 *
 * The runtime keeps the orders of a close, so no driver can show that a breach of them would be seen.  Here a director
 * tells the hooks (nt/observe.h) of steps that break one rule, about a socket and IRPs that are nothing but memory;
 * and of the same steps in an order that is right, of which nothing may be reported.  With that, what
 * explore_clean_drivers finds nothing of (tests/explore/listing.tsv) is really looked for.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

#include "uwsk_test.h"

static struct uwsk_world *world;
static struct uwsk_problem problem;

/* Nothing but memory: a socket of the runtime is smaller, and begins on a cache line. */
static _Alignas(64) uint64_t the_socket[8192], other_socket[8192];
static IRP irp[3], close_irp;

/* ---- steps -------------------------------------------------------------------------------------------- */

static void call(const void *socket, const IRP *object, const char *name)
{
    OBSERVE(socket, OBSERVE_SOCKET_CALL, socket, object, name);
}

static void closing(const void *socket, const IRP *object)
{
    OBSERVE(socket, OBSERVE_SOCKET_CLOSING, socket, object, "WskCloseSocket");
}

static void refused(const void *socket, const char *name)
{
    OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, NULL, name);
}

static void let_in(const void *socket)
{
    OBSERVE(socket, OBSERVE_SOCKET_CALLBACK, socket, NULL, "WskReceiveEvent");
}

static void completing(const IRP *object, int32_t status)
{
    OBSERVE(irp, OBSERVE_IRP_COMPLETING, object, status);
}

static void completed(const IRP *object, int32_t status)
{
    completing(object, status);
    OBSERVE(irp, OBSERVE_IRP_COMPLETED, object, status);
}

/* A routine of the driver's. */
static void *routine(void)
{
    void *module = dlopen(world->driver[0].path, RTLD_NOW | RTLD_NOLOAD);
    void *entry = module ? dlsym(module, "DriverEntry") : NULL;

    EXPECT(entry != NULL);
    return entry;
}

static void callback_begins(struct rtl_frame *frame, const void *socket)
{
    rtl_frame_enter(frame, OBSERVE_CALLBACK, socket, "WskReceiveEvent", routine());
}

/* ---- what breaks a rule ------------------------------------------------------------------------------- */

static void irp_used_twice(void)
{
    call(the_socket, &irp[0], "WskSend");
    call(other_socket, &irp[0], "WskReceive");
}

static void irp_freed(void)
{
    call(the_socket, &irp[0], "WskSend");
    OBSERVE(dead, OBSERVE_IRP, &irp[0]);
}

static void irp_reused(void)
{
    call(the_socket, &irp[0], "WskSend");
    OBSERVE(irp, OBSERVE_IRP_REUSED, &irp[0], STATUS_SUCCESS);
}

static void irp_never_completes(void)
{
    call(the_socket, &irp[1], "WskSend");
    call(the_socket, &irp[0], "WskReceive");
    completed(&irp[1], STATUS_SUCCESS);
}

static void called_after_close(void)
{
    closing(the_socket, &close_irp);
    refused(the_socket, "WskSend");
}

static void closed_twice(void)
{
    closing(the_socket, &close_irp);
    refused(the_socket, "WskCloseSocket");
}

static void released_after_close(void)
{
    closing(the_socket, &close_irp);
    refused(the_socket, "WskRelease");
}

static void released_twice(void)
{
    OBSERVE(socket, OBSERVE_SOCKET_UNKNOWN, the_socket, NULL, "WskRelease");
}

static void close_before_an_irp(void)
{
    call(the_socket, &irp[0], "WskSend");
    closing(the_socket, &close_irp);
    completing(&close_irp, STATUS_SUCCESS);
}

static void close_before_a_completion_routine_ends(void)
{
    call(the_socket, &irp[0], "WskSend");
    closing(the_socket, &close_irp);
    completing(&irp[0], STATUS_CANCELLED); /* and its routine is running */
    completing(&close_irp, STATUS_SUCCESS);
}

static void close_before_a_callback_ends(void)
{
    struct rtl_frame frame;

    let_in(the_socket);
    callback_begins(&frame, the_socket);
    closing(the_socket, &close_irp);
    completing(&close_irp, STATUS_SUCCESS);
}

static void irp_after_close(void)
{
    closing(the_socket, &close_irp);
    completed(&close_irp, STATUS_SUCCESS);
    call(the_socket, &irp[0], "WskSend");
    completing(&irp[0], STATUS_CANCELLED);
}

static void cancelled_with_bytes(void)
{
    call(the_socket, &irp[0], "WskSend");
    closing(the_socket, &close_irp);
    irp[0].IoStatus.Information = 5;
    completing(&irp[0], STATUS_CANCELLED);
}

static void callback_let_in_after_close(void)
{
    closing(the_socket, &close_irp);
    let_in(the_socket);
}

static void callback_begins_after_close(void)
{
    struct rtl_frame frame;

    closing(the_socket, &close_irp);
    callback_begins(&frame, the_socket);
}

static void callback_begins_after_close_completes(void)
{
    struct rtl_frame frame;

    let_in(the_socket);
    closing(the_socket, &close_irp);
    completed(&close_irp, STATUS_SUCCESS);
    callback_begins(&frame, the_socket);
}

static void keeps_a_lock(void)
{
    struct rtl_frame frame;

    rtl_frame_enter(&frame, OBSERVE_DPC_ROUTINE, NULL, "DPC routine", routine());
    ke_current_thread()->locks_held++;
    rtl_frame_leave(&frame);
}

static void gives_a_lock_too_many_back(void)
{
    struct rtl_frame frame;

    ke_current_thread()->locks_held++;
    rtl_frame_enter(&frame, OBSERVE_WORK_ROUTINE, NULL, "work routine", routine());
    ke_current_thread()->locks_held--;
    rtl_frame_leave(&frame);
}

static void thread_keeps_a_mutex(void)
{
    struct rtl_frame frame;

    rtl_frame_enter(&frame, OBSERVE_THREAD_ROUTINE, NULL, "system thread", routine());
    ke_current_thread()->mutexes_held++;
    rtl_frame_leave(&frame);
}

static void thread_keeps_its_level(void)
{
    struct rtl_frame frame;

    rtl_frame_enter(&frame, OBSERVE_THREAD_ROUTINE, NULL, "system thread", routine());
    ke_current_thread()->irql = DISPATCH_LEVEL;
    rtl_frame_leave(&frame);
}

/* On a fiber of its own: a thread of the driver that does not end. */
static void runs_on(struct uwsk_peer *peer, void *context)
{
    struct rtl_frame frame;

    (void)context;
    rtl_frame_enter(&frame, OBSERVE_THREAD_ROUTINE, NULL, "system thread", routine());
    uwsk_peer_wait(peer, 1000000000);
    rtl_frame_leave(&frame);
}

static void unload_returns_before_a_thread(void)
{
    struct rtl_frame frame;

    uwsk_world_start_peers(world);
    uwsk_world_wait(world, 1000000);
    rtl_frame_enter(&frame, OBSERVE_DRIVER_UNLOAD, NULL, "DriverUnload", routine());
    rtl_frame_leave(&frame);
}

static const struct broken {
    void (*steps)(void);
    const char *kind, *text;
} all[] = {
    {irp_used_twice, "irp-used-twice", "is called with the IRP of a WskSend that has not completed"},
    {irp_freed, "irp-freed-while-pending", "is freed before it has completed"},
    {irp_reused, "irp-reused-while-pending", "is reused before it has completed"},
    {irp_never_completes, "irp-not-completed", "WskReceive on "},
    {called_after_close, "call-after-close", "C-CLOSE-35"},
    {closed_twice, "closed-twice", "C-CLOSE-36"},
    {released_after_close, "release-after-close", "C-CLOSE-37"},
    {released_twice, "released-twice", "C-DATA-11"},
    {close_before_an_irp, "close-completes-early", "before WskSend has completed (C-CLOSE-14)"},
    {close_before_a_completion_routine_ends, "close-completes-early",
     "before WskSend has left its completion routine (C-CLOSE-14)"},
    {close_before_a_callback_ends, "close-completes-early", "while a callback of it runs (C-CLOSE-17)"},
    {irp_after_close, "completes-after-close", "completes after the close IRP (C-CLOSE-14)"},
    {cancelled_with_bytes, "cancelled-with-bytes", "with Information 5 (C-CLOSE-13)"},
    {callback_let_in_after_close, "callback-after-close",
     "begins after WskCloseSocket was entered (C-CLOSE-18)"},
    {callback_begins_after_close, "callback-after-close",
     "begins after WskCloseSocket was entered (C-CLOSE-18)"},
    {callback_begins_after_close_completes, "callback-after-close",
     "begins after the close IRP has completed (C-CLOSE-18)"},
    {keeps_a_lock, "lock-held", "DPC routine returns with 1 spin locks held, it was called with 0"},
    {gives_a_lock_too_many_back, "lock-held",
     "work routine returns with 0 spin locks held, it was called with 1"},
    {thread_keeps_a_mutex, "lock-held", "a system thread ends with 1 mutexes held"},
    {thread_keeps_its_level, "irql-not-restored", "a system thread ends at IRQL 2"},
    {unload_returns_before_a_thread, "runs-after-unload", "has returned while its system thread runs"},
};

/* ---- runs --------------------------------------------------------------------------------------------- */

static void create(int trace)
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    const char *folder = getenv("UWSK_EXPLORE_DRIVERS");
    char path[1000];

    options.trace = trace;
    EXPECT_STATUS(uwsk_world_create(&options, &world, &problem), 0);
    snprintf(path, sizeof path, "%s/explore_quiet.so", folder ? folder : ".");
    EXPECT_STATUS(uwsk_world_driver(world, path, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "runs on", 0, runs_on, NULL, &problem), 0);
}

static void directs(struct uwsk_world *directed, void *context)
{
    void (*const *steps)(void) = context;

    EXPECT_EQ(uwsk_world_load(directed), 0);
    (*steps)();
}

static struct uwsk_world_result run(void (*steps)(void))
{
    struct uwsk_world_result result;

    memset(the_socket, 0, sizeof the_socket);
    memset(other_socket, 0, sizeof other_socket);
    memset(irp, 0, sizeof irp);
    memset(&close_irp, 0, sizeof close_irp);
    EXPECT_STATUS(uwsk_world_run(world, directs, &steps, &result, &problem), 0);
    return result;
}

TEST(invariants_each_kind_is_told, "")
{
    for (int trace = 0; trace <= 1; trace++) {
        create(trace);
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            struct uwsk_world_result result = run(all[i].steps);

            if (!result.kind || strcmp(result.kind, all[i].kind) != 0 || !strstr(result.text, all[i].text))
                TEST_NOTE("%zu: expected %s (... %s): %s: %s", i, all[i].kind, all[i].text,
                          result.kind ? result.kind : "nothing", result.text);
            EXPECT_STR(result.kind ? result.kind : "nothing", all[i].kind);
            EXPECT(strstr(result.text, all[i].text) != NULL);
        }
        uwsk_world_destroy(world);
    }
}

static void in_order(void)
{
    struct rtl_frame callback, dpc;

    call(the_socket, &irp[0], "WskSend");
    call(the_socket, &irp[1], "WskReceive");
    completing(&irp[0], STATUS_SUCCESS);
    call(the_socket, &irp[0], "WskSend"); /* by its own routine, again */
    OBSERVE(irp, OBSERVE_IRP_COMPLETED, &irp[0], STATUS_SUCCESS);
    let_in(the_socket);
    closing(the_socket, &close_irp);
    callback_begins(&callback, the_socket); /* let in before */
    completed(&irp[0], STATUS_CANCELLED);
    rtl_frame_leave(&callback);
    irp[1].IoStatus.Information = 5; /* bytes were there before the close */
    completed(&irp[1], STATUS_SUCCESS);
    completed(&close_irp, STATUS_SUCCESS);
    OBSERVE(irp, OBSERVE_IRP_REUSED, &irp[0], STATUS_SUCCESS);
    OBSERVE(dead, OBSERVE_SOCKET, the_socket);
    rtl_frame_enter(&dpc, OBSERVE_DPC_ROUTINE, NULL, "DPC routine", routine());
    ke_current_thread()->locks_held++;
    ke_current_thread()->locks_held--;
    rtl_frame_leave(&dpc);
}

TEST(invariants_what_is_in_order_is_not_told, "")
{
    for (int trace = 0; trace <= 1; trace++) {
        struct uwsk_world_result result;

        create(trace);
        result = run(in_order);
        if (result.kind)
            TEST_NOTE("%s: %s", result.kind, result.text);
        EXPECT(result.kind == NULL);
        uwsk_world_destroy(world);
    }
}
