/*
 * loop.c - attach and detach, the loops, provided buffers, and the table of the simulated transport.
 */
#include "transport/sim/stack.h"

#include <ntstatus.h>

/* ---- attach and detach ------------------------------------------------------------------------------------- */

static size_t bytes_of(unsigned loops)
{
    return sizeof(struct transport) + loops * sizeof(struct stack_loop);
}

int32_t stack_attach(const struct transport_config *config, struct transport **out)
{
    unsigned loops = config->loops ? config->loops : 1;
    if (!net_world.up)
        return STATUS_NOT_SUPPORTED;
    net_enter(config);
    struct transport *transport = net_allocate(bytes_of(loops));
    if (!transport)
        return STATUS_INSUFFICIENT_RESOURCES;
    transport->config = *config;
    transport->loop_count = loops;
    for (unsigned i = 0; i < loops; i++) {
        net_waiter_init(&transport->loops[i].waiter);
        link_init(&transport->loops[i].run);
        link_init(&transport->loops[i].resolved);
    }
    link_init(&transport->resolves);
    *out = transport;
    return STATUS_SUCCESS;
}

/* ---- waking ------------------------------------------------------------------------------------------------ */

void stack_wake(struct transport *transport, unsigned index)
{
    assert(index < transport->loop_count);
    struct stack_loop *loop = &transport->loops[index];
    net_enter(loop);
    loop->notified = true;
    net_wake(&loop->waiter);
    net_leave();
}

void stack_queue(struct transport_socket *socket, unsigned events)
{
    if (socket->pending == 0) {
        link_append(&socket->loop->run, &socket->run);
        net_wake(&socket->loop->waiter);
    }
    socket->pending |= events;
}

/* ---- this host's addresses --------------------------------------------------------------------------------- */

size_t stack_addresses(struct transport *transport, int family, struct transport_local *out, size_t count)
{
    struct net_where where = {.ip = {[15] = 1}}; /* ::1 */
    const struct net_host *own = &net_world.hosts[0];
    size_t found = 0;
    net_enter(transport);
    if (family == TRANSPORT_AF_INET)
        where = (struct net_where){.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    for (int i = -1; i < own->count; i++) {
        const struct net_where *at = i < 0 ? &where : &own->addresses[i];
        if (net_where_is_v4(at) != (family == TRANSPORT_AF_INET))
            continue;
        if (found < count) {
            net_where_out(at, family, &out[found].address);
            out[found].interface = i < 0 ? NET_LOOPBACK : NET_WIRE;
        }
        found++;
    }
    return found;
}

static void address_event(void *owner, int family)
{
    struct transport *transport = owner;
    *(family == TRANSPORT_AF_INET ? &transport->changed4 : &transport->changed6) = true;
    net_wake(&transport->loops[0].waiter);
}

int32_t stack_watch_addresses(struct transport *transport)
{
    net_enter(transport);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return STATUS_INSUFFICIENT_RESOURCES;
    net_world.address_owner = transport;
    net_world.address_event = address_event;
    return STATUS_SUCCESS;
}

static void tell_changes(struct transport *transport)
{
    bool four = transport->changed4, six = transport->changed6;
    transport->changed4 = transport->changed6 = false;
    if (four && transport->config.addresses_changed)
        transport->config.addresses_changed(TRANSPORT_AF_INET);
    if (six && transport->config.addresses_changed)
        transport->config.addresses_changed(TRANSPORT_AF_INET6);
}

/* ---- wait and dispatch ------------------------------------------------------------------------------------- */

void stack_wait(struct transport *transport, unsigned index, uint64_t deadline_ns)
{
    assert(index < transport->loop_count);
    struct stack_loop *loop = &transport->loops[index];
    net_enter(loop);
    while (!loop->notified && link_empty(&loop->run) && link_empty(&loop->resolved) &&
           !(index == 0 && (transport->changed4 || transport->changed6))) {
        if (deadline_ns <= net_world.now || !net_sleep(&loop->waiter, deadline_ns))
            break;
    }
    loop->notified = false; /* a wake until here was for this wait */
}

int stack_dispatch(struct transport *transport, unsigned index)
{
    assert(index < transport->loop_count);
    struct stack_loop *loop = &transport->loops[index];
    net_enter(loop);
    if (index == 0)
        tell_changes(transport);
    for (int steps = 0; steps < STACK_STEPS; steps++) {
        if (!link_empty(&loop->resolved))
            stack_resolve_step(loop);
        if (link_empty(&loop->run))
            return !link_empty(&loop->resolved);
        struct transport_socket *socket = LINK_OWNER(loop->run.next, struct transport_socket, run);
        link_remove(&socket->run);
        unsigned events = socket->pending;
        socket->pending = 0;
        stack_step(socket, events);
    }
    return !link_empty(&loop->run) || !link_empty(&loop->resolved);
}

/* ---- provided buffers -------------------------------------------------------------------------------------- */

#define BUFFER_MAGIC 0x62755675u

/* In front of what the owner sees; one cache line, so that the data is aligned to 64. */
struct stack_buffer {
    struct stack_buffer *next;
    uint32_t magic;
    bool out;
    char pad[64 - sizeof(void *) - sizeof(uint32_t) - sizeof(bool) - 3];
};
_Static_assert(sizeof(struct stack_buffer) == 64, "the data behind the header is aligned to 64");

static struct stack_buffer *buffer_of(void *provided)
{
    struct stack_buffer *buffer = (struct stack_buffer *)((char *)provided - sizeof(struct stack_buffer));
    assert(buffer->magic == BUFFER_MAGIC && buffer->out);
    return buffer;
}

void *stack_buffer_get(struct transport *transport)
{
    struct stack_buffer *buffer = transport->buffers;
    if (transport->buffers_out == STACK_PROVIDED_MOST)
        return NULL;
    if (buffer)
        transport->buffers = buffer->next;
    else {
        buffer = net_allocate(sizeof(struct stack_buffer) + STACK_PROVIDED_SIZE);
        if (!buffer)
            return NULL;
        buffer->magic = BUFFER_MAGIC;
    }
    buffer->next = NULL;
    buffer->out = true;
    host_memory_unpoison(buffer + 1, STACK_PROVIDED_SIZE);
    sim_memory_lend(buffer + 1, STACK_PROVIDED_SIZE, 1);
    transport->buffers_out++;
    return buffer + 1;
}

void stack_buffer_unget(struct transport *transport, void *provided)
{
    struct stack_buffer *buffer = buffer_of(provided);
    buffer->out = false;
    transport->buffers_out--;
    sim_memory_lend(buffer + 1, STACK_PROVIDED_SIZE, 0); /* a late reader is a bug of the owner */
    host_memory_poison(buffer + 1, STACK_PROVIDED_SIZE);
    buffer->next = transport->buffers;
    transport->buffers = buffer;
}

void stack_recycle(struct transport *transport, void *provided)
{
    net_enter(provided);
    stack_buffer_unget(transport, provided);
}

size_t stack_provided_size(struct transport *transport)
{
    (void)transport;
    return STACK_PROVIDED_SIZE;
}

long net_transport_buffers_out(struct transport *transport)
{
    return transport->buffers_out;
}

void stack_detach(struct transport *transport)
{
    net_enter(transport);
    assert(transport->sockets == 0 && "detach: every socket was closed");
    assert(transport->buffers_out == 0 && "detach: every provided buffer was given back");
    assert(link_empty(&transport->resolves) && "detach: every request is over");
    while (transport->buffers) {
        struct stack_buffer *buffer = transport->buffers;
        transport->buffers = buffer->next;
        host_memory_unpoison(buffer + 1, STACK_PROVIDED_SIZE);
        net_free(buffer, sizeof(*buffer) + STACK_PROVIDED_SIZE);
    }
    if (net_world.address_owner == transport)
        net_world.address_event = NULL;
    for (unsigned i = 0; i < transport->loop_count; i++) {
        assert(link_empty(&transport->loops[i].run) && link_empty(&transport->loops[i].resolved));
        net_waiter_close(&transport->loops[i].waiter);
    }
    net_free(transport, bytes_of(transport->loop_count));
}

/* ---- the table --------------------------------------------------------------------------------------------- */

const struct transport_ops transport_sim = {
    .version = TRANSPORT_VERSION,
    .name = "sim",
    .attach = stack_attach,
    .detach = stack_detach,
    .wait = stack_wait,
    .dispatch = stack_dispatch,
    .wake = stack_wake,
    .open = stack_open,
    .bind = stack_bind,
    .listen = stack_listen,
    .accept = stack_accept,
    .connect = stack_connect,
    .send = stack_send,
    .receive = stack_receive,
    .watch = stack_watch,
    .send_to = stack_send_to,
    .receive_from = stack_receive_from,
    .group = stack_group,
    .cancel = stack_cancel,
    .recycle = stack_recycle,
    .provided_size = stack_provided_size,
    .shutdown = stack_shutdown,
    .abort = stack_abort,
    .silence = stack_silence,
    .close = stack_close,
    .address = stack_address,
    .set_option = stack_set_option,
    .get_option = stack_get_option,
    .query = stack_query,
    .loop_of = stack_loop_of,
    .ahead = stack_ahead,
    .addresses = stack_addresses,
    .watch_addresses = stack_watch_addresses,
    .resolve = stack_resolve,
    .resolve_cancel = stack_resolve_cancel,
};
