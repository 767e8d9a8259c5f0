/*
 * invariants.c - what must hold in every run, whatever the driver is: seen through nt/observe.h, in front of the
 * account's hooks.
 *
 *   orders of a close      C-CLOSE-12 to 20: each IRP of a socket completes once, and before the close IRP; no
 *                          callback is let in after the close was, and none runs when the close IRP completes
 *   calls after the close  C-CLOSE-05, 35, 36, 37: refused by the runtime, wrong in the driver
 *   IRPs in flight         neither freed nor reused before they complete
 *   locks                  a routine comes back with the spin locks it was called with
 *   unload                 when DriverUnload has returned, no thread, DPC or callback of the driver runs
 *
 * Nothing here is a scheduling point: a hook runs between two steps of the simulation, so what it sees is
 * consistent.  Tables are in the memory of libc, emptied between runs.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "runner/runner.h"
#include "wsk/report.h"

#include "nt/rtl/call.h"
#include "nt/rtl/rtl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

enum { BUCKETS = 512, CLOSE_TEXT = 160 };

enum irp_state { IRP_PENDING = 1, IRP_COMPLETING, IRP_COMPLETED };

struct watched_socket {
    struct watched_socket *next;
    const void *object;
    uint64_t number;
    const char *category;
    struct watched_irp *irps; /* not completed, newest first */
    int closing;              /* WskCloseSocket was let in */
    int close_completing;
    int let_in;  /* a callback that has not begun */
    int running; /* callbacks */
    int dead;
};

struct watched_irp {
    struct watched_irp *next;
    struct watched_irp *of_socket; /* the next one of its socket */
    const void *irp;
    uint64_t number;
    uint64_t generation; /* a later call with the same memory is another one */
    struct watched_socket *socket;
    const char *name;
    int state; /* enum irp_state */
    int is_close;
};

/* Something that has begun on a fiber and not ended: a routine of a driver, or a completion. */
struct begun {
    int call; /* enum observe_call; 0 = a completion */
    const void *subject;
    const void *function;
    const char *name;
    unsigned locks;
    struct watched_socket *socket; /* event callbacks */
    struct watched_irp *irp;       /* completions: */
    uint64_t generation;
};

struct fiber {
    struct begun *begun;
    size_t count, room;
};

struct close_seen {
    char text[CLOSE_TEXT];
};

struct invariants {
    struct observe_hooks hooks;
    const struct observe_hooks *below;
    struct uwsk_world *world;
    struct watched_socket *socket[BUCKETS];
    struct watched_irp *irp[BUCKETS];
    struct watched_socket *free_sockets;
    struct watched_irp *free_irps;
    uint64_t irps, sockets;
    struct fiber *fiber;
    size_t fibers;
    struct close_seen *close;
    size_t closes, close_room;
};

/* ---- tables ------------------------------------------------------------------------------------------- */

static size_t bucket_of(const void *object)
{
    return (size_t)(((uint64_t)(uintptr_t)object >> 4) * 0x9E3779B97F4A7C15ull >> 55);
}

static struct watched_socket *find_socket(const struct invariants *all, const void *object)
{
    struct watched_socket *socket = all->socket[bucket_of(object)];

    while (socket && socket->object != object)
        socket = socket->next;
    return socket;
}

static struct watched_irp *find_irp(const struct invariants *all, const void *object)
{
    struct watched_irp *irp = all->irp[bucket_of(object)];

    while (irp && irp->irp != object)
        irp = irp->next;
    return irp;
}

/* The newest one with that address comes first. */
static struct watched_socket *add_socket(struct invariants *all, const void *object)
{
    struct watched_socket **bucket = &all->socket[bucket_of(object)], *socket = all->free_sockets;

    if (socket)
        all->free_sockets = socket->next;
    else
        socket = malloc(sizeof *socket);
    if (!socket)
        abort(); /* no run could be believed */
    memset(socket, 0, sizeof *socket);
    socket->object = object;
    socket->number = ++all->sockets;
    socket->next = *bucket;
    *bucket = socket;
    return socket;
}

static struct watched_irp *add_irp(struct invariants *all, const void *object)
{
    struct watched_irp **bucket = &all->irp[bucket_of(object)], *irp = find_irp(all, object);

    if (irp)
        return irp;
    irp = all->free_irps;
    if (irp)
        all->free_irps = irp->next;
    else
        irp = malloc(sizeof *irp);
    if (!irp)
        abort();
    memset(irp, 0, sizeof *irp);
    irp->irp = object;
    irp->next = *bucket;
    *bucket = irp;
    return irp;
}

void invariants_reset(struct invariants *all)
{
    for (int i = 0; i < BUCKETS; i++) {
        while (all->socket[i]) {
            struct watched_socket *socket = all->socket[i];

            all->socket[i] = socket->next;
            socket->next = all->free_sockets;
            all->free_sockets = socket;
        }
        while (all->irp[i]) {
            struct watched_irp *irp = all->irp[i];

            all->irp[i] = irp->next;
            irp->next = all->free_irps;
            all->free_irps = irp;
        }
    }
    for (size_t i = 0; i < all->fibers; i++)
        all->fiber[i].count = 0;
    all->irps = all->sockets = 0;
    all->closes = 0;
}

struct invariants *invariants_create(void)
{
    return calloc(1, sizeof(struct invariants));
}

void invariants_destroy(struct invariants *all)
{
    if (!all)
        return;
    invariants_reset(all);
    while (all->free_sockets) {
        struct watched_socket *next = all->free_sockets->next;

        free(all->free_sockets);
        all->free_sockets = next;
    }
    while (all->free_irps) {
        struct watched_irp *next = all->free_irps->next;

        free(all->free_irps);
        all->free_irps = next;
    }
    for (size_t i = 0; i < all->fibers; i++)
        free(all->fiber[i].begun);
    free(all->fiber);
    free(all->close);
    free(all);
}

/* ---- what has begun on a fiber ------------------------------------------------------------------------ */

static struct fiber *this_fiber(struct invariants *all)
{
    uint32_t number = sim_fiber();

    if (number >= all->fibers) {
        struct fiber *bigger = realloc(all->fiber, (number + 16) * sizeof *bigger);

        if (!bigger)
            abort();
        memset(bigger + all->fibers, 0, (number + 16 - all->fibers) * sizeof *bigger);
        all->fiber = bigger;
        all->fibers = number + 16;
    }
    return &all->fiber[number];
}

static struct begun *begin(struct invariants *all, int call, const void *subject)
{
    struct fiber *fiber = this_fiber(all);
    struct begun *begun;

    if (fiber->count == fiber->room) {
        size_t room = fiber->room ? 2 * fiber->room : 8;
        struct begun *bigger = realloc(fiber->begun, room * sizeof *bigger);

        if (!bigger)
            abort();
        fiber->begun = bigger;
        fiber->room = room;
    }
    begun = &fiber->begun[fiber->count++];
    memset(begun, 0, sizeof *begun);
    begun->call = call;
    begun->subject = subject;
    return begun;
}

/* The innermost of that kind and subject; what is inside of it has been left by a jump. */
static int end(struct invariants *all, int call, const void *subject, struct begun *out)
{
    struct fiber *fiber = this_fiber(all);

    for (size_t i = fiber->count; i-- > 0;) {
        if (fiber->begun[i].call != call || fiber->begun[i].subject != subject)
            continue;
        *out = fiber->begun[i];
        fiber->count = i;
        return 1;
    }
    return 0;
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

static void remove_of_socket(struct watched_irp *irp)
{
    struct watched_irp **link = &irp->socket->irps;

    while (*link && *link != irp)
        link = &(*link)->of_socket;
    if (*link)
        *link = irp->of_socket;
}

static void on_call(struct invariants *all, struct watched_socket *socket, const void *object,
                    const char *name, int is_close)
{
    struct watched_irp *irp = add_irp(all, object);

    if (irp->state == IRP_PENDING) {
        world_violation(all->world, "irp-used-twice",
                        "%s on %s socket %llu is called with the IRP of a %s that has not completed", name,
                        socket->category, (unsigned long long)socket->number, irp->name);
        remove_of_socket(irp);
    } else if (irp->state == IRP_COMPLETING) {
        remove_of_socket(irp); /* its routine starts the next operation */
    }
    irp->number = ++all->irps;
    irp->generation++;
    irp->socket = socket;
    irp->name = name;
    irp->state = IRP_PENDING;
    irp->is_close = is_close;
    irp->of_socket = socket->irps;
    socket->irps = irp;
    events_add(all->world, "%s on socket %llu, IRP %llu", name, (unsigned long long)socket->number,
               (unsigned long long)irp->number);
}

/* "connection, connected: WskReceive x2, WskSend; a callback runs" */
static void note_close(struct invariants *all, const struct watched_socket *socket,
                       const struct wsk_report_brief *look)
{
    const char *name[8];
    unsigned times[8], names = 0;
    struct close_seen *seen;
    int length;

    if (all->closes == all->close_room) {
        size_t room = all->close_room ? 2 * all->close_room : 16;
        void *bigger = realloc(all->close, room * sizeof *all->close);

        if (!bigger)
            return;
        all->close = bigger;
        all->close_room = room;
    }
    for (const struct watched_irp *irp = socket->irps; irp; irp = irp->of_socket) {
        unsigned i = 0;

        while (i < names && strcmp(name[i], irp->name) != 0)
            i++;
        if (i == names && names < 8) {
            name[names] = irp->name;
            times[names++] = 0;
        }
        if (i < 8)
            times[i]++;
    }
    for (unsigned i = 1; i < names; i++)
        for (unsigned k = i; k > 0 && strcmp(name[k - 1], name[k]) > 0; k--) {
            const char *other = name[k];
            unsigned count = times[k];

            name[k] = name[k - 1], times[k] = times[k - 1];
            name[k - 1] = other, times[k - 1] = count;
        }
    seen = &all->close[all->closes++];
    length = snprintf(seen->text, CLOSE_TEXT, "%s, %s:", look->category, look->state);
    for (unsigned i = 0; i < names && length < CLOSE_TEXT; i++)
        length += snprintf(seen->text + length, CLOSE_TEXT - (size_t)length, "%s %s%s", i ? "," : "", name[i],
                           times[i] > 1 ? " (several)" : "");
    if (length < CLOSE_TEXT)
        snprintf(seen->text + length, CLOSE_TEXT - (size_t)length, "%s%s", names ? "" : " nothing pending",
                 socket->running  ? "; a callback runs"
                 : socket->let_in ? "; a callback begins"
                                  : "");
}

static void on_closing(struct invariants *all, struct watched_socket *socket, const void *irp)
{
    struct wsk_report_brief look;

    socket->closing = 1;
    if (!irp) {
        events_add(all->world, "the runtime closes socket %llu by itself",
                   (unsigned long long)socket->number);
        return;
    }
    wsk_report_look(socket->object, &look);
    note_close(all, socket, &look);
    on_call(all, socket, irp, "WskCloseSocket", 1);
    events_add(all->world, "close of socket %llu: %s", (unsigned long long)socket->number,
               all->closes ? all->close[all->closes - 1].text : "");
}

static void on_refused(struct invariants *all, const struct watched_socket *socket, const char *name)
{
    char which[80];

    if (socket)
        snprintf(which, sizeof which, "%s socket %llu", socket->category, (unsigned long long)socket->number);
    else
        snprintf(which, sizeof which, "what is no socket any more");
    events_add(all->world, "%s on %s is refused", name, which);
    if (strcmp(name, "WskRelease") == 0)
        world_violation(all->world, "release-after-close",
                        "%s of data of %s, whose WskCloseSocket was called before (C-CLOSE-37)", name, which);
    else if (strcmp(name, "WskCloseSocket") == 0)
        world_violation(all->world, "closed-twice", "%s on %s, which was closed before (C-CLOSE-36)", name,
                        which);
    else
        world_violation(all->world, "call-after-close",
                        "%s on %s is in progress or begins although WskCloseSocket was called (C-CLOSE-05, "
                        "C-CLOSE-35)",
                        name, which);
}

static void on_socket(void *context, int step, const void *object, const void *irp, const char *name)
{
    struct invariants *all = context;
    struct watched_socket *socket = find_socket(all, object);

    all->world->progress++;
    if (step == OBSERVE_SOCKET_REFUSED) {
        on_refused(all, socket, name);
        return;
    }
    if (!socket)
        socket = add_socket(all, object);
    if (!socket->category || !*socket->category) {
        struct wsk_report_brief look;

        wsk_report_look(object, &look);
        socket->category = look.category;
        socket->number = look.number ? look.number : socket->number;
    }
    if (step == OBSERVE_SOCKET_UNKNOWN) {
        world_violation(
            all->world, "released-twice",
            "WskRelease on socket %llu of data that is not retained: released before, or never kept "
            "(C-DATA-11)",
            (unsigned long long)socket->number);
    } else if (step == OBSERVE_SOCKET_CALL) {
        on_call(all, socket, irp, name, 0);
    } else if (step == OBSERVE_SOCKET_CLOSING) {
        on_closing(all, socket, irp);
    } else if (step == OBSERVE_SOCKET_CALLBACK) {
        if (socket->closing)
            world_violation(all->world, "callback-after-close",
                            "an event callback of socket %llu begins after WskCloseSocket was entered "
                            "(C-CLOSE-18)",
                            (unsigned long long)socket->number);
        socket->let_in = 1;
    }
    if (all->below && all->below->socket)
        all->below->socket(all->below->context, step, object, irp, name);
}

/* ---- births and deaths -------------------------------------------------------------------------------- */

static void on_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    struct invariants *all = context;

    all->world->progress++;
    if (kind == OBSERVE_SOCKET)
        add_socket(all, object)->category = "";
    if (all->below && all->below->born)
        all->below->born(all->below->context, kind, object, tag, bytes, caller);
}

static void irp_gone(struct invariants *all, const void *object, const char *kind, const char *what)
{
    struct watched_irp *irp = find_irp(all, object);

    if (!irp || irp->state != IRP_PENDING)
        return;
    events_add(all->world, "IRP %llu %s", (unsigned long long)irp->number, what);
    world_violation(all->world, kind, "the IRP of %s on %s socket %llu %s before it has completed", irp->name,
                    irp->socket->category, (unsigned long long)irp->socket->number, what);
}

static void on_dead(void *context, int kind, const void *object)
{
    struct invariants *all = context;
    struct watched_socket *socket;

    if (kind == OBSERVE_IRP)
        irp_gone(all, object, "irp-freed-while-pending", "is freed");
    if (kind == OBSERVE_SOCKET && (socket = find_socket(all, object)) != NULL) {
        socket->dead = 1;
        events_add(all->world, "socket %llu is gone", (unsigned long long)socket->number);
    }
    if (all->below && all->below->dead)
        all->below->dead(all->below->context, kind, object);
}

static void on_let_go(void *context, int kind, const void *object, void *caller)
{
    struct invariants *all = context;

    all->world->progress++;
    if (all->below && all->below->let_go)
        all->below->let_go(all->below->context, kind, object, caller);
}

/* ---- IRPs --------------------------------------------------------------------------------------------- */

static void close_completes(struct invariants *all, struct watched_irp *close)
{
    struct watched_socket *socket = close->socket;

    socket->close_completing = 1;
    for (const struct watched_irp *irp = socket->irps; irp; irp = irp->of_socket)
        if (irp != close)
            world_violation(all->world, "close-completes-early",
                            "the close IRP of socket %llu completes before %s %s (C-CLOSE-14)",
                            (unsigned long long)socket->number, irp->name,
                            irp->state == IRP_COMPLETING ? "has left its completion routine"
                                                         : "has completed");
    if (socket->running)
        world_violation(all->world, "close-completes-early",
                        "the close IRP of socket %llu completes while a callback of it runs (C-CLOSE-17)",
                        (unsigned long long)socket->number);
}

static void on_completing(struct invariants *all, struct watched_irp *irp, int32_t status)
{
    struct watched_socket *socket = irp->socket;
    uint64_t information = ((const IRP *)irp->irp)->IoStatus.Information;
    const char *text = all->world->options.trace ? rtl_status_name(status) : NULL;

    irp->state = IRP_COMPLETING;
    if (all->world->options.trace && information < 1u << 30)
        events_add(all->world, "IRP %llu of %s on socket %llu completes: %s, %llu",
                   (unsigned long long)irp->number, irp->name, (unsigned long long)socket->number,
                   text ? text : "?", (unsigned long long)information);
    else /* a socket: its address says nothing */
        events_add(all->world, "IRP %llu of %s on socket %llu completes: %s", (unsigned long long)irp->number,
                   irp->name, (unsigned long long)socket->number, text ? text : "?");
    if (irp->is_close) {
        close_completes(all, irp);
        return;
    }
    if (socket->close_completing)
        world_violation(all->world, "completes-after-close",
                        "%s on socket %llu completes after the close IRP (C-CLOSE-14)", irp->name,
                        (unsigned long long)socket->number);
    if (socket->closing && status == STATUS_CANCELLED && information != 0)
        world_violation(all->world, "cancelled-with-bytes",
                        "%s on socket %llu is cancelled by the close with Information %llu (C-CLOSE-13)",
                        irp->name, (unsigned long long)socket->number, (unsigned long long)information);
}

static void on_irp(void *context, int step, const void *object, int32_t status)
{
    struct invariants *all = context;
    struct watched_irp *irp;
    struct begun *begun, ended;

    all->world->progress++;
    switch (step) {
    case OBSERVE_IRP_COMPLETING:
        irp = find_irp(all, object);
        if (irp && irp->state != IRP_PENDING)
            irp = NULL; /* a driver's own use of it */
        begun = begin(all, 0, object);
        begun->irp = irp;
        begun->generation = irp ? irp->generation : 0;
        if (irp)
            on_completing(all, irp, status);
        break;
    case OBSERVE_IRP_COMPLETED:
        if (!end(all, 0, object, &ended) || !ended.irp || ended.irp->generation != ended.generation)
            break;
        if (ended.irp->state == IRP_COMPLETING) {
            remove_of_socket(ended.irp);
            ended.irp->state = IRP_COMPLETED;
        }
        break;
    case OBSERVE_IRP_REUSED:
        irp_gone(all, object, "irp-reused-while-pending", "is reused");
        break;
    case OBSERVE_IRP_CANCELLED:
        irp = all->world->options.trace ? find_irp(all, object) : NULL;
        if (irp && irp->state == IRP_PENDING)
            events_add(all->world, "IRP %llu is cancelled", (unsigned long long)irp->number);
        break;
    default:
        break;
    }
    if (all->below && all->below->irp)
        all->below->irp(all->below->context, step, object, status);
}

/* ---- routines ----------------------------------------------------------------------------------------- */

static void callback_begins(struct invariants *all, struct begun *begun)
{
    struct watched_socket *socket = begun->socket;

    socket->running++;
    if (socket->closing && !socket->let_in)
        world_violation(all->world, "callback-after-close",
                        "%s of socket %llu begins after WskCloseSocket was entered (C-CLOSE-18)", begun->name,
                        (unsigned long long)socket->number);
    socket->let_in = 0;
    if (socket->close_completing)
        world_violation(all->world, "callback-after-close",
                        "%s of socket %llu begins after the close IRP has completed (C-CLOSE-18)",
                        begun->name, (unsigned long long)socket->number);
}

static int is_driver_code(const void *function)
{
    return runner_driver_at(function) != NULL;
}

static void on_enter(void *context, int call, const void *subject, const char *name)
{
    struct invariants *all = context;
    const struct ke_thread *thread = ke_current_thread();
    struct begun *begun = begin(all, call, subject);
    struct watched_socket *socket;

    all->world->progress++;
    begun->name = name;
    begun->function = thread->frames ? thread->frames->function : NULL;
    begun->locks = thread->locks_held;
    if (all->world->options.trace && is_driver_code(begun->function)) {
        events_add(all->world, "%s begins", name);
        events_where(all->world, begun->function);
    }
    if (call == OBSERVE_CALLBACK && (socket = find_socket(all, subject)) != NULL && !socket->dead) {
        begun->socket = socket;
        callback_begins(all, begun);
    }
    if (all->below && all->below->enter)
        all->below->enter(all->below->context, call, subject, name);
}

/* DriverUnload returns: nothing of the driver's may run on any other fiber. */
static void unload_returns(struct invariants *all, const struct begun *unload)
{
    const struct uwsk_driver *driver = runner_driver_at(unload->function);

    for (size_t i = 0; i < all->fibers; i++)
        for (size_t k = 0; k < all->fiber[i].count; k++) {
            const struct begun *begun = &all->fiber[i].begun[k];

            if (begun->call != OBSERVE_THREAD_ROUTINE && begun->call != OBSERVE_DPC_ROUTINE &&
                begun->call != OBSERVE_CALLBACK)
                continue;
            if (driver && runner_driver_at(begun->function) == driver)
                world_violation(all->world, "runs-after-unload",
                                "DriverUnload of %s has returned while its %s runs on thread T%zu",
                                uwsk_driver_name(driver), begun->name, i);
        }
}

static void check_locks(struct invariants *all, const struct begun *begun)
{
    const struct ke_thread *thread = ke_current_thread();
    unsigned expected = begun->locks;

    if (begun->call == OBSERVE_CANCEL_ROUTINE && expected > 0)
        expected--; /* it drops the cancel lock */
    if (thread->locks_held != expected && is_driver_code(begun->function))
        world_violation(all->world, "lock-held", "%s returns with %u spin locks held, it was called with %u",
                        begun->name, thread->locks_held, expected);
    if (begun->call == OBSERVE_THREAD_ROUTINE && thread->irql != PASSIVE_LEVEL)
        world_violation(all->world, "irql-not-restored", "a system thread ends at IRQL %u", thread->irql);
    if (begun->call == OBSERVE_THREAD_ROUTINE && thread->mutexes_held != 0)
        world_violation(all->world, "lock-held", "a system thread ends with %d mutexes held",
                        thread->mutexes_held);
}

static void on_leave(void *context, int call, const void *subject, int32_t status)
{
    struct invariants *all = context;
    struct begun begun;

    all->world->progress++;
    if (end(all, call, subject, &begun)) {
        if (begun.socket)
            begun.socket->running--;
        if (all->world->options.trace && is_driver_code(begun.function))
            events_add(all->world, "%s ends", begun.name);
        check_locks(all, &begun);
        if (call == OBSERVE_DRIVER_UNLOAD)
            unload_returns(all, &begun);
    }
    if (all->below && all->below->leave)
        all->below->leave(all->below->context, call, subject, status);
}

static void on_irql(void *context, int before, int after)
{
    struct invariants *all = context;

    if (all->below->irql)
        all->below->irql(all->below->context, before, after);
}

static void on_lock(void *context, const void *lock, int acquired)
{
    struct invariants *all = context;

    if (all->below->lock)
        all->below->lock(all->below->context, lock, acquired);
}

/* ---- life --------------------------------------------------------------------------------------------- */

void invariants_install(struct uwsk_world *world)
{
    struct invariants *all = world->invariants;

    all->world = world;
    all->below = observe_hooks;
    all->hooks = (struct observe_hooks){.context = all,
                                        .born = on_born,
                                        .dead = on_dead,
                                        .let_go = on_let_go,
                                        .irp = on_irp,
                                        .enter = on_enter,
                                        .leave = on_leave,
                                        .socket = on_socket};
    if (all->below && all->below->irql)
        all->hooks.irql = on_irql;
    if (all->below && all->below->lock)
        all->hooks.lock = on_lock;
    observe_install(&all->hooks);
}

void invariants_at_end(struct uwsk_world *world)
{
    const struct invariants *all = world->invariants;
    const struct watched_irp *first = NULL;

    for (int i = 0; i < BUCKETS; i++)
        for (const struct watched_irp *irp = all->irp[i]; irp; irp = irp->next)
            if (irp->state == IRP_PENDING && (!first || irp->number < first->number))
                first = irp;
    if (first)
        world_violation(world, "irp-not-completed", "%s on %s socket %llu has never completed", first->name,
                        first->socket->category, (unsigned long long)first->socket->number);
}

void invariants_each_close(const struct invariants *all, void (*fn)(void *context, const char *text),
                           void *context)
{
    for (size_t i = 0; i < all->closes; i++)
        fn(context, all->close[i].text);
}
