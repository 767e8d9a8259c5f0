/*
 * control.c - the control socket of a program that runs drivers: others open devices through it.
 *
 * One thread accepts.  Each connection is one IOCTL and has two threads: one that performs it, and one that
 * waits for the other end to hang up, which cancels it.
 */
#include "runner.h"
#include "control.h"

#include <uwsk/device.h>

#include "nt/ob/ob.h"
#include "nt/ps/ps.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ntstatus.h>

#define MOST_CONNECTIONS 64
#define SLICE_MS         200  /* how often a waiting connection looks whether it is to give up */
#define GRACE_MS         5000 /* how long a driver may take to end what was cancelled */

struct connection {
    struct connection *next;
    int channel;
    uint32_t cancelled; /* the other end has hung up */
    struct control_request request;
    struct control_answer answer;
    struct uwsk_request *pending;
    uint8_t *in, *out;
    char name[CONTROL_NAME_BYTES];
};

static struct {
    int listener;
    char path[128];
    struct ke_thread *thread;
    struct ke_lock lock; /* guards what follows */
    struct connection *connections;
    uint32_t count;
    uint32_t changes; /* parking word: counts connections that have ended */
} control = {.listener = -1};

/* ---- one connection ----------------------------------------------------------------------------------- */

static int read_request(struct connection *connection)
{
    struct control_request *request = &connection->request;

    if (host_channel_read(connection->channel, request, sizeof *request) != 0 ||
        request->magic != CONTROL_MAGIC || request->name_bytes >= sizeof connection->name ||
        request->in_bytes > UWSK_DEVICE_BYTES || request->out_bytes > UWSK_DEVICE_BYTES ||
        request->direct_bytes > request->out_bytes)
        return -1;
    connection->in = malloc(request->in_bytes + 1u);
    connection->out = calloc(1, request->out_bytes + 1u);
    if (!connection->in || !connection->out)
        return -1;
    return host_channel_read(connection->channel, connection->name, request->name_bytes) ||
           host_channel_read(connection->channel, connection->in, request->in_bytes) ||
           host_channel_read(connection->channel, connection->out, request->direct_bytes);
}

/* Until the other end hangs up, or we do. */
static void watch(void *context)
{
    struct connection *connection = context;
    char nothing;

    while (host_channel_read(connection->channel, &nothing, 1) == 0)
        ;
    __atomic_store_n(&connection->cancelled, 1, __ATOMIC_RELEASE);
    uwsk_request_cancel(connection->pending);
}

/* STATUS_IO_TIMEOUT, STATUS_DEVICE_BUSY: as uwsk_device_ioctl has them. */
static int32_t wait_for_end(struct connection *connection, size_t *returned)
{
    uint64_t now = host_now(), until = HOST_FOREVER, give_up = HOST_FOREVER;
    int late = 0;
    int32_t status;

    if (connection->request.timeout_ms != UWSK_WAIT_FOREVER)
        until = now + connection->request.timeout_ms * 1000000ull;
    for (;;) {
        uint64_t next = until < give_up ? until : give_up;
        uint64_t left = now >= next ? 0 : (next - now + 999999) / 1000000;

        status = uwsk_request_wait(connection->pending, connection->out, returned,
                                   left < SLICE_MS ? (unsigned)left : SLICE_MS);
        if (status != STATUS_TIMEOUT)
            return late && status == STATUS_CANCELLED ? STATUS_IO_TIMEOUT : status;
        now = host_now();
        if (now >= give_up)
            return STATUS_DEVICE_BUSY;
        if (now >= until) {
            late = 1;
            until = HOST_FOREVER;
            uwsk_request_cancel(connection->pending);
        }
        if (give_up == HOST_FOREVER && (late || __atomic_load_n(&connection->cancelled, __ATOMIC_ACQUIRE)))
            give_up = now + GRACE_MS * 1000000ull;
    }
}

/* The device is open: starts the request, and the thread that may cancel it. */
static int32_t perform(struct connection *connection, struct uwsk_device *device)
{
    const struct control_request *request = &connection->request;
    struct ke_thread *watcher;
    size_t returned = 0;
    int32_t status = uwsk_device_start(device, request->code, connection->in, request->in_bytes,
                                       connection->out, request->out_bytes, &connection->pending);

    if (status != STATUS_PENDING)
        return status;
    if (NT_SUCCESS(ps_create_runtime_thread("control watch", watch, connection, &watcher))) {
        status = wait_for_end(connection, &returned);
        host_channel_shut(connection->channel, HOST_CHANNEL_READ);
        ke_wait_for_single_object(watcher, Executive, KernelMode, FALSE, NULL);
        ob_dereference_object(watcher);
    } else {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    uwsk_request_free(connection->pending);
    connection->answer.information = returned;
    if (!NT_ERROR(status) && METHOD_FROM_CTL_CODE(request->code) != METHOD_IN_DIRECT)
        connection->answer.out_bytes = returned < request->out_bytes ? returned : request->out_bytes;
    return status;
}

static void answer(struct connection *connection)
{
    struct control_answer *reply = &connection->answer;
    struct uwsk_device *device;

    reply->magic = CONTROL_MAGIC;
    reply->status = uwsk_device_open(connection->name, &device);
    if (NT_SUCCESS(reply->status)) {
        reply->opened = 1;
        reply->status = perform(connection, device);
        uwsk_device_close(device, reply->status == STATUS_DEVICE_BUSY ? 0 : GRACE_MS);
    }
    if (host_channel_write(connection->channel, reply, sizeof *reply) == 0)
        (void)host_channel_write(connection->channel, connection->out, (size_t)reply->out_bytes);
}

static void end_connection(struct connection *connection)
{
    struct connection **link = &control.connections;

    ke_lock_acquire(&control.lock);
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    control.count--;
    host_channel_close(connection->channel); /* under the lock: nobody shuts the next one of this number */
    ke_lock_release(&control.lock);
    free(connection->in);
    free(connection->out);
    free(connection);
    __atomic_add_fetch(&control.changes, 1, __ATOMIC_RELEASE);
    host_unpark(&control.changes, INT_MAX);
}

static void serve(void *context)
{
    struct connection *connection = context;

    if (read_request(connection) == 0)
        answer(connection);
    end_connection(connection);
}

/* ---- all of them -------------------------------------------------------------------------------------- */

static void begin_connection(int channel)
{
    struct connection *connection = calloc(1, sizeof *connection);
    int refused = !connection;

    if (connection) {
        connection->channel = channel;
        ke_lock_acquire(&control.lock);
        refused = control.count >= MOST_CONNECTIONS;
        connection->next = control.connections;
        control.connections = connection;
        control.count++;
        ke_lock_release(&control.lock);
        if (refused || !NT_SUCCESS(ps_create_runtime_thread("control", serve, connection, NULL)))
            end_connection(connection);
    } else {
        host_channel_close(channel);
    }
}

static void accept_all(void *context)
{
    LARGE_INTEGER moment = {.QuadPart = -100000};
    int channel;

    (void)context;
    while ((channel = host_channel_accept(control.listener)) != -EINVAL) {
        if (channel >= 0)
            begin_connection(channel);
        else /* out of descriptors: some come back */
            ke_delay_execution_thread(KernelMode, FALSE, &moment);
    }
}

int32_t uwsk_control_start(const char *path, struct uwsk_problem *problem)
{
    int32_t status = STATUS_CANNOT_MAKE;

    if (control.listener >= 0 || strlen(path) >= sizeof control.path) {
        runner_problem(problem, status, "%s: %s", path,
                       control.listener >= 0 ? "there is a control socket already" : "File name too long");
        return status;
    }
    control.listener = host_channel_listen(path);
    if (control.listener < 0) {
        runner_problem(problem, status, "%s: no control socket there: %s", path, strerror(-control.listener));
        return status;
    }
    strcpy(control.path, path);
    status = ps_create_runtime_thread("control accept", accept_all, NULL, &control.thread);
    if (status != STATUS_SUCCESS) {
        runner_problem(problem, status, "%s: no thread for the control socket", path);
        unlink(path);
        host_channel_close(control.listener);
        control.listener = -1;
    }
    return status;
}

static void shut_all(int directions)
{
    ke_lock_acquire(&control.lock);
    for (struct connection *connection = control.connections; connection; connection = connection->next)
        host_channel_shut(connection->channel, directions);
    ke_lock_release(&control.lock);
}

/* 0: all have ended. */
static uint32_t wait_for_all(uint64_t until)
{
    for (;;) {
        uint32_t changes = __atomic_load_n(&control.changes, __ATOMIC_ACQUIRE), count;

        ke_lock_acquire(&control.lock);
        count = control.count;
        ke_lock_release(&control.lock);
        if (!count || host_park(&control.changes, changes, until) == HOST_TIMEOUT)
            return count;
    }
}

void uwsk_control_stop(void)
{
    if (control.listener < 0)
        return;
    unlink(control.path);
    host_channel_shut(control.listener, HOST_CHANNEL_READ | HOST_CHANNEL_WRITE);
    ke_wait_for_single_object(control.thread, Executive, KernelMode, FALSE, NULL);
    ob_dereference_object(control.thread);
    host_channel_close(control.listener);
    control.listener = -1;
    shut_all(HOST_CHANNEL_READ); /* cancels */
    if (wait_for_all(host_now() + 2 * GRACE_MS * 1000000ull) != 0) {
        shut_all(HOST_CHANNEL_READ | HOST_CHANNEL_WRITE); /* somebody does not take his answer */
        wait_for_all(HOST_FOREVER);
    }
}
