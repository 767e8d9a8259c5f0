/*
 * runtime.c - the order in which everything starts and ends.
 *
 *     start   log and account, bug checks, transport, processors (with the transport as their poller), WSK
 *     end     WSK, workers, processors, transport, the rest
 */
#include "runner.h"

#include "nt/dbg/dbg.h"
#include "nt/ex/ex.h"
#include "transport/transport.h"
#include "host/sim/sim.h"
#include "transport/sim/net.h"
#include "transport/uring/uring.h"
#include "wsk/wskp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

static struct {
    struct uwsk_options options;
    const struct transport_ops *ops;
    struct transport *transport;
    struct ke_poller poller;
    int running;
} runtime;

const struct uwsk_options *runner_options(void)
{
    return &runtime.options;
}

/* ---- the transport as the processors' poller ---------------------------------------------------------- */

static void poll_wait(void *context, unsigned processor, uint64_t deadline)
{
    runtime.ops->wait(context, processor, deadline);
}

static int poll_dispatch(void *context, unsigned processor)
{
    return runtime.ops->dispatch(context, processor);
}

static void poll_wake(void *context, unsigned processor)
{
    runtime.ops->wake(context, processor);
}

/* ---- options ------------------------------------------------------------------------------------------ */

static int32_t check_options(const struct uwsk_options *options, struct uwsk_problem *problem)
{
    int32_t status = STATUS_INVALID_PARAMETER;

    if (options->size != sizeof *options)
        runner_problem(problem, status, "struct uwsk_options is of another version of the runtime");
    else if (runtime.running)
        runner_problem(problem, status, "the runtime has been started already");
    else if (options->processors > KE_MAX_PROCESSORS)
        runner_problem(problem, status, "%u processors are too many: at most %u", options->processors,
                       KE_MAX_PROCESSORS);
    else if (options->completion < UWSK_COMPLETION_NATURAL ||
             options->completion > UWSK_COMPLETION_INLINE_WHEN_POSSIBLE ||
             options->deliver < UWSK_DELIVER_DISPATCH || options->deliver > UWSK_DELIVER_MIXED ||
             options->send_complete < UWSK_SEND_COMPLETE_SENT ||
             options->send_complete > UWSK_SEND_COMPLETE_COPIED ||
             options->provider_delay_ns > UWSK_PROVIDER_NS_MAX ||
             options->provider_leave_ns > UWSK_PROVIDER_NS_MAX)
        runner_problem(problem, status, "an option has a value that does not exist");
    else
        return STATUS_SUCCESS;
    return status;
}

int uwsk_uring_usable(char *reason, unsigned long size)
{
    return uring_probe(reason, size);
}

/* The best one that works here: found out by trying, and said in one line where it is not the first choice. */
static const struct transport_ops *choose_transport(void)
{
    char reason[160], line[240];

    if (uring_probe(reason, sizeof reason))
        return &transport_uring;
    snprintf(line, sizeof line, "uwsk: io_uring cannot be used here (%s): the transport is epoll", reason);
    host_log(HOST_LOG_INFO, line);
    return &transport_epoll;
}

/* NULL with STATUS_SUCCESS: no network.  Without a name UWSK_TRANSPORT decides. */
static int32_t find_transport(const char *name, const struct transport_ops **ops,
                              struct uwsk_problem *problem)
{
    char reason[160];

    *ops = NULL;
    if (!name)
        name = getenv("UWSK_TRANSPORT");
    if (name && strcmp(name, "none") == 0)
        return STATUS_SUCCESS;
    if (!name || !*name) {
        *ops = choose_transport();
        return STATUS_SUCCESS;
    }
    if (strcmp(name, transport_epoll.name) == 0)
        *ops = &transport_epoll;
    else if (strcmp(name, transport_sim.name) == 0 && sim_running())
        *ops = &transport_sim; /* of a simulated run only: nobody else gets to see it */
    else if (strcmp(name, transport_uring.name) != 0 && strcmp(name, transport_uring_all.name) != 0)
        runner_problem(problem, STATUS_NOT_SUPPORTED,
                       "there is no transport \"%s\": this version has %s, %s and %s", name,
                       transport_uring.name, transport_uring_all.name, transport_epoll.name);
    else if (!uring_probe(reason, sizeof reason))
        runner_problem(problem, STATUS_NOT_SUPPORTED, "the transport %s cannot be used here: %s", name,
                       reason);
    else
        *ops = strcmp(name, transport_uring.name) == 0 ? &transport_uring : &transport_uring_all;
    return *ops ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
}

static void on_print(void *context, const struct dbg_line *line)
{
    struct uwsk_line out = {line->time, line->thread, line->irql, line->text};

    (void)context;
    runtime.options.print(runtime.options.context, &out);
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static unsigned processor_count(const struct uwsk_options *options)
{
    unsigned count = options->processors ? options->processors : host_processor_count();

    return count < KE_MAX_PROCESSORS ? count : KE_MAX_PROCESSORS;
}

static int32_t start_processors(unsigned processors, struct uwsk_problem *problem)
{
    struct ke_config config = {.processors = processors, .poller = runtime.ops ? &runtime.poller : NULL};
    int32_t status = ke_start(&config);

    if (status != STATUS_SUCCESS)
        runner_problem(problem, status, "the system gives no %u threads for the processors", processors);
    return status;
}

static int32_t start_network(unsigned processors, struct uwsk_problem *problem)
{
    struct transport_config config = {.loops = processors, .addresses_changed = wsk_addresses_changed};
    int32_t status;

    if (!runtime.ops)
        return STATUS_SUCCESS;
    wsk_receive_configure(&config);
    status = runtime.ops->attach(&config, &runtime.transport);
    if (status != STATUS_SUCCESS)
        runner_problem(problem, status, "the transport %s does not start (status 0x%08X)", runtime.ops->name,
                       (unsigned)status);
    runtime.poller = (struct ke_poller){runtime.transport, poll_wait, poll_dispatch, poll_wake};
    return status;
}

static int32_t start_wsk(const struct uwsk_options *options, unsigned processors,
                         struct uwsk_problem *problem)
{
    static const enum wsk_completion completions[] = {WSK_COMPLETE_NATURAL, WSK_COMPLETE_ALWAYS_PEND,
                                                      WSK_COMPLETE_INLINE};
    static const enum wsk_delivery deliveries[] = {WSK_DELIVER_DISPATCH, WSK_DELIVER_PASSIVE,
                                                   WSK_DELIVER_MIXED};
    static const enum wsk_send_mode sends[] = {WSK_SEND_SENT, WSK_SEND_ACKED, WSK_SEND_COPIED};
    const struct wsk_settings settings = {
        .completion = completions[options->completion],
        .delivery = deliveries[options->deliver],
        .send_complete = sends[options->send_complete],
        .processors = processors,
        .starved_retry_ms = WSK_STARVED_RETRY_MS,
        .ops = runtime.ops,
        .transport = runtime.transport,
        .provider_delay = (options->provider_delay_ns + 99) / 100,
        .provider_leave = (options->provider_leave_ns + 99) / 100,
        .provider_tells = options->provider,
        .context = options->context,
    };
    int32_t status = runtime.ops ? wsk_start(&settings) : STATUS_SUCCESS;

    if (status != STATUS_SUCCESS)
        runner_problem(problem, status, "WSK does not start (status 0x%08X)", (unsigned)status);
    return status;
}

int32_t uwsk_runtime_start(const struct uwsk_options *options, struct uwsk_problem *problem)
{
    unsigned processors;
    const char *fill;
    int32_t status = check_options(options, problem);

    if (status != STATUS_SUCCESS)
        return status;
    processors = processor_count(options);
    memset(&runtime, 0, sizeof runtime);
    runtime.options = *options;
    fill = getenv("UWSK_POOL_FILL");
    if (fill && *fill && strcmp(fill, "all") != 0) {
        runner_problem(problem, STATUS_INVALID_PARAMETER,
                       "UWSK_POOL_FILL is \"%s\": it may be \"all\", or not be set", fill);
        return STATUS_INVALID_PARAMETER;
    }
    if (fill && *fill)
        ex_pool_fill_all(TRUE);
    status = find_transport(options->transport, &runtime.ops, problem);
    if (status != STATUS_SUCCESS)
        return status;
    if (runner_account_start() != 0) {
        runner_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "no memory for the account of live objects");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = start_network(processors, problem);
    if (status != STATUS_SUCCESS)
        goto no_network;
    status = start_processors(processors, problem);
    if (status != STATUS_SUCCESS)
        goto no_processors;
    status = start_wsk(options, processors, problem);
    if (status != STATUS_SUCCESS)
        goto no_wsk;
    if (options->print)
        dbg_set_sink(on_print, NULL);
    runner_bugcheck_start(options->core, options->report, options->context);
    runner_exception_start();
    runtime.running = 1;
    return STATUS_SUCCESS;
no_wsk:
    ke_stop();
no_processors:
    if (runtime.ops)
        runtime.ops->detach(runtime.transport);
no_network:
    runner_account_stop();
    return status;
}

/* Is there a driver, an object that is not the runtime's own, or a routine of the program that runs?  (The
 * runtime's own DPCs and work routines come to their end by themselves.) */
static int anything_left(void)
{
    const struct runner_image own = runner_own_image();
    int left = runner_drivers() != NULL;
    struct runner_object *objects;
    const void *made_by;
    size_t count;

    objects = runner_account_copy(&count);
    for (size_t i = 0; i < count && !left; i++)
        left = objects[i].kind == RUNNER_ROUTINE ? !runner_image_holds(&own, objects[i].caller)
                                                 : runner_object_is_of(&objects[i], NULL, &made_by);
    free(objects);
    return left;
}

int uwsk_runtime_stop(void)
{
    if (!runtime.running)
        return 0;
    if (anything_left())
        return 1;
    if (runtime.ops)
        wsk_stop();
    ex_workers_shutdown();
    ke_stop();
    if (runtime.ops)
        runtime.ops->detach(runtime.transport);
    runner_exception_stop();
    runner_bugcheck_stop();
    dbg_set_sink(NULL, NULL);
    runner_account_stop();
    runtime.running = 0;
    return 0;
}
