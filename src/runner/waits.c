/*
 * waits.c - who waits for what: for an unload that does not come to its end.
 */
#include "runner.h"
#include "nmr/report.h"
#include "wsk/report.h"

#include "host/sanitizer.h"
#include "nt/ob/ob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 24 };

struct stand { /* where a thread stands */
    struct stand *next;
    uint64_t id;
    char name[32];
    int is_system;
    int is_processor;
    unsigned irql;
    const void *waits_for;
    uint64_t waits_since;
    int in_wait; /* a dispatcher wait */
    void *frames[FRAMES];
    size_t count;
};

/* A look at another thread's state while it runs on: what is read may be old, never wrong memory, because no
 * thread ends meanwhile. */
HOST_UNORDERED static void look(void *context, struct host_thread *host, void *const *frames, size_t count)
{
    struct stand **list = context, *stand = calloc(1, sizeof *stand);
    const struct ke_thread *thread = host->executive;

    if (!stand)
        return;
    stand->id = host->id;
    snprintf(stand->name, sizeof stand->name, "%s", host->name);
    stand->count = count < FRAMES ? count : FRAMES;
    memcpy(stand->frames, frames, stand->count * sizeof stand->frames[0]);
    if (thread) {
        stand->is_system = thread->is_system;
        stand->is_processor = thread->is_processor;
        stand->irql = thread->irql;
        stand->waits_for = (const void *)thread->waits_for;
        stand->waits_since = thread->waits_since;
        stand->in_wait = *(struct ke_wait *const volatile *)&thread->wait != NULL;
    }
    stand->next = *list;
    *list = stand;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

/* Does driver code stand on the thread's stack, or did the runtime call a routine of a driver on it (a thread
 * that blocks signals tells no stack)?  driver NULL: any driver's. */
static int runs_code_of(const struct stand *stand, const struct uwsk_driver *driver,
                        const struct runner_object *objects, size_t count)
{
    for (size_t i = 0; i < stand->count; i++) {
        const struct uwsk_driver *owner = runner_driver_at(stand->frames[i]);

        if (owner && (!driver || owner == driver))
            return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct uwsk_driver *owner;

        if (objects[i].kind != RUNNER_ROUTINE || objects[i].routine.thread != stand->id)
            continue;
        owner = runner_driver_at(objects[i].caller);
        if (owner && (!driver || owner == driver))
            return 1;
    }
    return 0;
}

static const char *dispatcher_name(const void *object)
{
    if (host_memory_probe(object, sizeof(DISPATCHER_HEADER), 0) != 0)
        return "an object whose memory is gone";
    switch (((const DISPATCHER_HEADER *)object)->Type & 0x7f) {
    case EventNotificationObject:
    case EventSynchronizationObject:
        return "event";
    case MutantObject:
        return "mutex";
    case SemaphoreObject:
        return "semaphore";
    case ThreadObject:
        return "the end of thread";
    case TimerNotificationObject:
    case TimerSynchronizationObject:
        return "timer";
    default:
        return "object";
    }
}

/* What WskDeregister waits for, when that is the object. */
static int deregister_text(const struct runner_sockets *sockets, const void *object, char *text, size_t bytes)
{
    for (size_t i = 0; sockets && i < sockets->clients; i++) {
        const struct wsk_report_client *client = &sockets->client[i];

        if (client->quiet != object)
            continue;
        snprintf(text, bytes,
                 "WskDeregister waits for: %ld open socket%s, %ld provider NPI%s not released, %ld call%s or "
                 "IRP%s of the client",
                 client->open, client->open == 1 ? "" : "s", client->captures,
                 client->captures == 1 ? "" : "s", client->calls, client->calls == 1 ? "" : "s",
                 client->calls == 1 ? "" : "s");
        return 1;
    }
    return 0;
}

struct list {
    char *text;
    size_t bytes, used;
};

/* ", 2 that ..." */
static void add_count(struct list *list, unsigned count, const char *what)
{
    if (count && list->used < list->bytes)
        list->used +=
            (size_t)snprintf(list->text + list->used, list->bytes - list->used, "; %u %s", count, what);
}

/* What NmrWaitFor...DeregisterComplete waits for, when that is the object. */
static int module_text(const struct runner_sockets *sockets, const void *object, char *text, size_t bytes)
{
    for (size_t i = 0; sockets && i < sockets->modules; i++) {
        const struct nmr_report_module *module = &sockets->module[i];
        int provider = module->is_provider;
        struct list list = {text, bytes, 0};

        if (module->gone != object)
            continue;
        list.used = (size_t)snprintf(text, bytes, "NmrWaitFor%sDeregisterComplete waits for %u attachment%s",
                                     provider ? "Provider" : "Client", module->attachments,
                                     module->attachments == 1 ? "" : "s");
        add_count(&list, module->attaching, "that is still being made");
        add_count(&list, provider ? module->other_runs : module->own_runs,
                  "whose ClientDetachProvider has not returned");
        add_count(&list, provider ? module->other_pending : module->own_pending,
                  "whose client has not called NmrClientDetachProviderComplete");
        add_count(&list, provider ? module->own_runs : module->other_runs,
                  "whose ProviderDetachClient has not returned");
        add_count(&list, provider ? module->own_pending : module->other_pending,
                  "whose provider has not called NmrProviderDetachClientComplete");
        return 1;
    }
    return 0;
}

static void thread_line(const struct runner_out *out, const struct stand *stand,
                        const struct runner_sockets *sockets)
{
    char duration[24], irql[16], what[500];

    if (!stand->waits_for)
        snprintf(what, sizeof what, "does not wait: it runs");
    else if (deregister_text(sockets, stand->waits_for, what, sizeof what) ||
             module_text(sockets, stand->waits_for, what, sizeof what))
        ;
    else if (stand->in_wait)
        snprintf(what, sizeof what, "waits for %s %p", dispatcher_name(stand->waits_for), stand->waits_for);
    else
        snprintf(what, sizeof what, "waits for run-down protection or a lock at %p", stand->waits_for);
    if (stand->waits_for && stand->waits_since)
        runner_line(out, "  thread %llu (%s, %s) %s, for %s", (unsigned long long)stand->id, stand->name,
                    runner_irql_name(stand->irql, irql), what,
                    runner_duration(host_now() - stand->waits_since, duration));
    else
        runner_line(out, "  thread %llu (%s, %s) %s", (unsigned long long)stand->id, stand->name,
                    runner_irql_name(stand->irql, irql), what);
    if (!stand->count)
        runner_line(out, "      its stack is not known: it does not answer");
    runner_stack(out, "      ", stand->frames, stand->count);
}

static void threads(const struct runner_out *out, const struct uwsk_driver *driver, struct stand *list,
                    const struct runner_sockets *sockets, const struct runner_object *objects, size_t count)
{
    for (; list; list = list->next)
        if (runs_code_of(list, driver, objects, count))
            thread_line(out, list, sockets);
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

/* A driver's own: made by its code, or accepted for a client that its code registered. */
static int is_socket_of(const struct wsk_report_socket *socket, const struct uwsk_driver *driver)
{
    const struct uwsk_driver *owner = NULL;

    if (!driver)
        return 1;
    for (size_t i = 0; i < socket->created_frames && !owner; i++)
        owner = runner_driver_at(socket->created_by[i]);
    if (!owner)
        owner = runner_driver_at(socket->client_caller);
    return owner == driver;
}

static void irp_line(const struct runner_out *out, const struct wsk_report_irp *irp)
{
    char duration[24];

    if (irp->since)
        runner_line(out, "      pending: %s, IRP %p, %s, for %s", irp->operation, irp->irp, irp->stage,
                    runner_duration(host_now() - host_ticks_time(irp->since), duration));
    else
        runner_line(out, "      pending: %s, IRP %p, %s", irp->operation, irp->irp, irp->stage);
}

/* A callback of this socket, or a completion routine of one of its IRPs, that runs now. */
static void routine_lines(const struct runner_out *out, const struct wsk_report_socket *socket,
                          const struct runner_object *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct runner_object *object = &objects[i];
        char name[300], duration[24];

        if (object->kind != RUNNER_ROUTINE || object->routine.subject != socket->object)
            continue;
        host_symbolize(object->caller, name, sizeof name);
        runner_line(out, "      running: %s on thread %llu, for %s, %s", object->routine.name,
                    (unsigned long long)object->routine.thread,
                    runner_duration(host_now() - object->since, duration), name);
    }
}

static void socket_lines(const struct runner_out *out, const struct wsk_report_socket *socket,
                         const struct runner_object *objects, size_t count)
{
    size_t known = socket->irp_count < WSK_REPORT_IRPS ? socket->irp_count : WSK_REPORT_IRPS;
    char text[320];

    runner_socket_text(socket, text, sizeof text);
    runner_line(out, "  %s (%p)%s", text, socket->socket,
                socket->closing ? "" : ": WskCloseSocket was not called");
    for (size_t i = 0; i < known; i++)
        irp_line(out, &socket->irps[i]);
    if (socket->irp_count > known)
        runner_line(out, "      pending: %zu more", socket->irp_count - known);
    routine_lines(out, socket, objects, count);
    if (socket->retained_bytes)
        runner_line(out, "      retained by the driver: %llu bytes of data indications",
                    (unsigned long long)socket->retained_bytes);
    if (socket->created_frames && !socket->accepted) {
        runner_line(out, "      created at");
        runner_stack(out, "          ", socket->created_by, socket->created_frames);
    }
}

static void sockets_of(const struct runner_out *out, const struct uwsk_driver *driver,
                       const struct runner_sockets *sockets, const struct runner_object *objects,
                       size_t count)
{
    enum { SHOWN = 20 };
    size_t found = 0;

    for (size_t i = 0; i < sockets->sockets; i++)
        if (is_socket_of(&sockets->socket[i], driver) && ++found <= SHOWN)
            socket_lines(out, &sockets->socket[i], objects, count);
    if (found > SHOWN)
        runner_line(out, "  ... and %zu more sockets", found - SHOWN);
}

/* ---- routines that run and are no callback of a socket that was told above ---------------------------- */

static void routines(const struct runner_out *out, const struct uwsk_driver *driver,
                     const struct runner_sockets *sockets, const struct runner_object *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct runner_object *object = &objects[i];
        const struct uwsk_driver *owner;
        char name[300], duration[24];

        if (object->kind != RUNNER_ROUTINE || runner_socket_find(sockets, object->routine.subject))
            continue;
        owner = runner_driver_at(object->caller);
        if (!owner || (driver && owner != driver) || object->tag == OBSERVE_DRIVER_UNLOAD)
            continue;
        host_symbolize(object->caller, name, sizeof name);
        runner_line(out, "  running: %s %p on thread %llu, for %s, %s", object->routine.name,
                    object->routine.subject, (unsigned long long)object->routine.thread,
                    runner_duration(host_now() - object->since, duration), name);
    }
}

void uwsk_waits_report(const struct uwsk_driver *driver, void (*line)(void *context, const char *text),
                       void *context)
{
    struct runner_out out = {line, context};
    struct stand *stands = NULL;
    struct runner_sockets *sockets;
    struct runner_object *objects;
    size_t count;

    host_each_thread(look, &stands);
    sockets = runner_sockets_get();
    objects = runner_account_copy(&count);
    threads(&out, driver, stands, sockets, objects, count);
    if (sockets)
        sockets_of(&out, driver, sockets, objects, count);
    routines(&out, driver, sockets, objects, count);
    if (!sockets || !sockets->complete)
        runner_line(&out, "  sockets: not known, because no processor became free: driver code holds all of "
                          "them at DISPATCH_LEVEL");
    runner_sockets_free(sockets);
    free(objects);
    while (stands) {
        struct stand *next = stands->next;

        free(stands);
        stands = next;
    }
}
