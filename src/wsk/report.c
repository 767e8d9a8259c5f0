/*
 * report.c - what WSK tells about its clients and sockets when the runner accounts for them (report.h).
 */
#include "wsk/report.h"
#include "wsk/wskp.h"

C_ASSERT(WSK_REPORT_FRAMES == RTL_NUMBER_OF(((struct wsk_socket *)0)->created_by));

static const char *category_name(UCHAR category)
{
    static const char *const names[] = {"basic", "listening", "connection", "datagram", "stream"};

    return category < RTL_NUMBER_OF(names) ? names[category] : "?";
}

static const char *state_name(const struct wsk_socket *socket)
{
    if (socket->latches & WSK_LATCH_ABORTED)
        return "aborted";
    if (socket->latches & WSK_LATCH_RESET)
        return socket->category == WSK_LISTEN ? "failed" : "reset";
    switch (socket->state) {
    case WSK_STATE_OPEN:
        return "unbound";
    case WSK_STATE_BOUND:
        return "bound";
    case WSK_STATE_LISTENING:
        return "listening";
    case WSK_STATE_CONNECTING:
        return "connecting";
    case WSK_STATE_CONNECTED:
        break;
    case WSK_STATE_DEAD:
        return "dead";
    default:
        return "closed";
    }
    if ((socket->latches & WSK_LATCH_LOCAL_DONE) && (socket->latches & WSK_LATCH_PEER_FIN))
        return "disconnected";
    if (socket->latches & WSK_LATCH_LOCAL_PENDING)
        return socket->latches & WSK_LATCH_LOCAL_DONE ? "half closed by us" : "disconnecting";
    return socket->latches & WSK_LATCH_PEER_FIN ? "half closed by the peer" : "connected";
}

static const char *stage_name(UCHAR stage)
{
    switch (stage) {
    case WSK_STAGE_QUEUED:
        return "queued";
    case WSK_STAGE_HELD:
        return "in progress";
    case WSK_STAGE_SENT_WAIT:
        return "handed over, not yet sent or acknowledged";
    case WSK_STAGE_DONE:
        return "over, its completion is to be delivered";
    default:
        return "starting";
    }
}

/* lock held: what stands in the socket does not end meanwhile.  When this is read, it may have. */
static void add_irp(struct wsk_report_socket *report, PIRP irp)
{
    const struct wsk_op *op = wsk_op_of(irp);

    if (report->irp_count < WSK_REPORT_IRPS) {
        struct wsk_report_irp *entry = &report->irps[report->irp_count];

        entry->irp = irp;
        entry->operation = wsk_op_name((enum wsk_op_kind)op->kind);
        entry->stage = stage_name(op->stage);
        entry->since = io_irp_pending_since(irp);
    }
    report->irp_count++;
}

static void add_queue(struct wsk_report_socket *report, const LIST_ENTRY *queue)
{
    const LIST_ENTRY *link;

    for (link = queue->Flink; link != queue; link = link->Flink)
        add_irp(report, wsk_irp_of_link((PLIST_ENTRY)link));
}

static void add_waiting(void *context, PIRP irp)
{
    add_irp(context, irp);
}

/* lock held: every IRP that stands in a queue of the socket. */
static void add_irps(struct wsk_report_socket *report, const struct wsk_socket *socket)
{
    unsigned lane;

    if (socket->close_irp != NULL) {
        add_irp(report, socket->close_irp);
        report->irps[report->irp_count - 1].stage = "waits for the others";
    }
    if (!socket->send.accepted) {
        add_queue(report, &socket->listen.irps);
        add_queue(report, &socket->connect.irps);
    }
    add_queue(report, &socket->receive.irps);
    add_queue(report, &socket->send.irps);
    add_queue(report, &socket->send.wait);
    if (socket->send.disconnect != NULL)
        add_irp(report, socket->send.disconnect);
    if (socket->datagram != NULL)
        report->retained_bytes += wsk_datagram_report(socket, add_waiting, report);
    add_queue(report, &socket->disables);
    add_queue(report, &socket->address_changes);
    add_queue(report, &socket->silences);
    for (lane = 0; lane < WSK_LANES; lane++)
        add_queue(report, &socket->lanes[lane].ready);
}

SIZE_T wsk_report_pending(const struct wsk_socket *socket)
{
    struct wsk_report_socket report;

    report.irp_count = 0;
    report.retained_bytes = 0;
    add_irps(&report, socket);
    return report.irp_count;
}

static void add_callbacks(struct wsk_report_socket *report, const struct wsk_socket *socket)
{
    static const struct {
        ULONG kind;
        const char *name;
    } kinds[] = {{WSK_CALLBACK_RECEIVE, "WskReceiveEvent"},
                 {WSK_CALLBACK_DISCONNECT, "WskDisconnectEvent"},
                 {WSK_CALLBACK_BACKLOG, "WskSendBacklogEvent"},
                 {WSK_CALLBACK_ACCEPT, "WskAcceptEvent"},
                 {WSK_CALLBACK_RECEIVE_FROM, "WskReceiveFromEvent"},
                 {WSK_CALLBACK_INSPECT, "WskInspectEvent"},
                 {WSK_CALLBACK_ABORT, "WskAbortEvent"},
                 {WSK_CALLBACK_ENDED, "UwskConnectionEndedEvent"}};
    ULONG running = wsk_running(socket);
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(kinds); i++)
        if (running & kinds[i].kind)
            report->callbacks[report->callback_count++] = kinds[i].name;
}

/* lock held. */
static void add_addresses(struct wsk_report_socket *report, const struct wsk_socket *socket)
{
    struct transport_address address;

    RtlZeroMemory(&address, sizeof address);
    if (socket->transport != NULL && socket->state != WSK_STATE_OPEN &&
        WSK_TRANSPORT_OPS->address(socket->transport, FALSE, &address) == STATUS_SUCCESS)
        memcpy(report->local, address.bytes, sizeof report->local);
    if (socket->peer.length != 0)
        memcpy(report->peer, socket->peer.bytes, sizeof report->peer);
}

struct each {
    void (*fn)(void *context, const struct wsk_report_socket *socket);
    void *context;
};

static void one_socket(void *context, struct wsk_client *client, struct wsk_socket *socket)
{
    const struct each *each = context;
    struct wsk_report_socket report;
    KIRQL irql = wsk_lock(socket);

    RtlZeroMemory(&report, sizeof report);
    report.object = socket;
    report.socket = &socket->public;
    report.number = socket->number;
    report.client = client;
    report.client_caller = client->caller;
    report.category = category_name(socket->created);
    report.state = state_name(socket);
    report.accepted = socket->send.accepted;
    report.closing = wsk_closing(socket);
    report.holds = (unsigned)(__atomic_load_n(&socket->gate, __ATOMIC_RELAXED) & WSK_GATE_HOLDS);
    report.retained_bytes = socket->receive.retained_bytes;
    memcpy(report.created_by, socket->created_by, sizeof report.created_by);
    report.created_frames = socket->created_frames;
    add_addresses(&report, socket);
    add_callbacks(&report, socket);
    add_irps(&report, socket);
    ke_release_spin_lock(&socket->lock, irql);
    each->fn(each->context, &report);
}

void wsk_report_sockets(void (*fn)(void *context, const struct wsk_report_socket *socket), void *context)
{
    struct each each = {fn, context};

    if (wsk_settings.ops != NULL)
        wsk_each_socket(one_socket, &each);
}

void wsk_report_look(const void *object, struct wsk_report_brief *out)
{
    const struct wsk_socket *socket = object;

    out->category = category_name(socket->created);
    out->state = state_name(socket);
    out->number = socket->number;
    out->running = wsk_running(socket);
}

void wsk_report_clients(void (*fn)(void *context, const struct wsk_report_client *client), void *context)
{
    PLIST_ENTRY link;
    KIRQL irql;

    if (wsk_settings.ops == NULL)
        return;
    irql = ke_acquire_spin_lock(&wsk_clients_lock);
    for (link = wsk_clients.Flink; link != &wsk_clients; link = link->Flink) {
        struct wsk_client *client = CONTAINING_RECORD(link, struct wsk_client, link);
        struct wsk_report_client report;

        RtlZeroMemory(&report, sizeof report);
        ke_acquire_spin_lock_at_dpc_level(&client->lock);
        report.client = client;
        report.registration = client->registration;
        report.caller = client->caller;
        report.quiet = &client->quiet;
        report.deregistering = client->deregistering;
        report.captures = client->captures;
        report.calls = client->calls;
        report.open = client->open;
        ke_release_spin_lock_from_dpc_level(&client->lock);
        fn(context, &report);
    }
    ke_release_spin_lock(&wsk_clients_lock, irql);
}
