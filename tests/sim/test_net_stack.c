/*
 * test_net_stack.c - the runtime's stack on the simulated network, with its loops on fibers: an echo server that takes
 * and ends connections as wsk does, callers that check every byte, in every weather; nothing may be left.
 */
#include "net_test.h"

static const struct transport_ops *const stack = &transport_sim;
static struct transport *transport;
static int stopping, live, accepted;
static uint32_t changed; /* counts what happens to `live` */
static uint32_t loops_left;

static void tell(void)
{
    changed++;
    host_unpark(&changed, 1);
}

/* ---- the server -------------------------------------------------------------------------------------------- */

struct server {
    struct transport_socket *socket;
    struct transport_op transfer; /* receive, then send, then receive ... */
    struct transport_op watch;    /* for the reset */
    char memory[700];
    int inside; /* ops */
};

static size_t segments(struct transport_op *op, size_t offset, struct transport_segment *out, size_t count)
{
    struct server *server = (struct server *)((char *)op - offsetof(struct server, transfer));
    size_t used = 0;
    for (; used < count && offset < op->length; used++) { /* in pieces of 100 bytes */
        size_t length = 100 - offset % 100;
        out[used].base = server->memory + offset;
        out[used].length = length < op->length - offset ? length : op->length - offset;
        offset += out[used].length;
    }
    return used;
}

static void leave(struct server *server)
{
    if (--server->inside > 0)
        return;
    if (net_seed() % 3 == 0)
        stack->abort(server->socket);
    stack->close(server->socket);
    free(server);
    live--;
    tell();
}

static void finish(struct server *server)
{
    stack->shutdown(server->socket);
    if (stack->cancel(server->socket, &server->watch))
        leave(server);
    leave(server);
}

static void transfer_over(struct transport_op *op, int32_t status, size_t bytes);

/* Goes on as long as ops end inline. */
static void go_on(struct server *server, int32_t status)
{
    struct transport_op *op = &server->transfer;
    while (status != STATUS_PENDING) {
        if (status != STATUS_SUCCESS || (op->kind == TRANSPORT_RECEIVE && op->bytes == 0)) {
            finish(server);
            return;
        }
        size_t bytes = op->bytes;
        EXPECT(op->kind == TRANSPORT_RECEIVE || bytes == op->length);
        bool send = op->kind == TRANSPORT_RECEIVE;
        *op = (struct transport_op){.complete = transfer_over,
                                    .kind = send ? TRANSPORT_SEND : TRANSPORT_RECEIVE,
                                    .flags = net_seed() % 2 ? TRANSPORT_NO_INLINE : 0,
                                    .length = send ? bytes : sizeof(server->memory),
                                    .segments = segments};
        if (net_seed() % 5 == 1)
            op->flags |= TRANSPORT_NODELAY;
        status = (send ? stack->send : stack->receive)(server->socket, op);
    }
}

static void transfer_over(struct transport_op *op, int32_t status, size_t bytes)
{
    EXPECT_STATUS(op->status, status);
    EXPECT_EQ(op->bytes, bytes);
    go_on((struct server *)((char *)op - offsetof(struct server, transfer)), status);
}

static void watch_over(struct transport_op *op, int32_t status, size_t bytes)
{
    struct server *server = (struct server *)((char *)op - offsetof(struct server, watch));
    EXPECT(status != STATUS_SUCCESS && status != STATUS_PENDING && bytes == 0);
    net_say((uint64_t)status);
    leave(server);
}

static void serve(struct transport_socket *socket)
{
    struct server *server = calloc(1, sizeof(*server));
    server->socket = socket;
    server->inside = 2;
    live++;
    accepted++;
    /* So that one that the weather cut off comes to its end, too. */
    stack->set_option(socket, TRANSPORT_OPTION_KEEPIDLE, 20);
    stack->set_option(socket, TRANSPORT_OPTION_KEEPALIVE, 1);
    stack->set_option(socket, TRANSPORT_OPTION_KEEPCNT, 1);
    server->watch = (struct transport_op){.complete = watch_over, .kind = TRANSPORT_WATCH_RESET};
    if (stack->watch(socket, &server->watch) != STATUS_PENDING)
        server->inside--;
    server->transfer = (struct transport_op){.kind = TRANSPORT_SEND}; /* nothing was sent, receive next */
    go_on(server, STATUS_SUCCESS);
}

static struct transport_socket *listener;
static struct transport_connection_op accept_op;

static void accept_on(int32_t status);

static void accept_over(struct transport_op *op, int32_t status, size_t bytes)
{
    (void)op;
    (void)bytes;
    accept_on(status);
}

static void accept_on(int32_t status)
{
    while (status != STATUS_PENDING) {
        if (status == STATUS_CONNECTION_ABORTED) { /* the listener ends */
            stack->close(listener);
            live--;
            tell();
            return;
        }
        if (status == STATUS_SUCCESS && accept_op.accepted) {
            struct transport_socket *socket = accept_op.accepted;
            accept_op.accepted = NULL;
            serve(socket);
        }
        accept_op = (struct transport_connection_op){.op.complete = accept_over, .op.kind = TRANSPORT_ACCEPT};
        status = stack->accept(listener, &accept_op);
    }
}

static void loop(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    while (!stopping) {
        stack->wait(transport, number, HOST_FOREVER);
        while (stack->dispatch(transport, number))
            ;
    }
    loops_left--;
    tell();
}

/* ---- the callers ------------------------------------------------------------------------------------------- */

static struct transport_address at;
static int well;

static void call(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    char out[5000], in[5000];
    size_t length = 1 + (number * 997 + net_seed() * 31) % sizeof(out), done = 0;
    struct net_socket *socket;
    net_pattern(out, number, length);
    if (net_connect(1, &at, 200 * S, &socket) != NET_OK)
        return;
    long got = net_send(socket, out, length, 100 * S);
    if (got == (long)length && net_shutdown(socket) == NET_OK) {
        while ((got = net_receive(socket, in + done, sizeof(in) - done, 100 * S)) > 0)
            done += (size_t)got;
        EXPECT(memcmp(in, out, done) == 0);
        well += got == 0 && done == length;
    }
    net_say((uint64_t)got);
    if (number % 4 == 3)
        net_reset(socket);
    net_close(socket);
}

static int calls = 12;
static void (*caller)(void *argument) = call;
static int (*refuse)(void *context, int kind); /* once the server stands */

static void echo(void)
{
    struct transport_config config = {.loops = 2, .one_byte = net_seed() % 16 == 7};
    struct transport_address any = net_at("0.0.0.0", 0);
    stopping = live = accepted = well = 0;
    changed = 0;
    loops_left = 2;
    EXPECT_EQ(net_host_add("10.0.0.2"), 1);
    EXPECT_STATUS(stack->attach(&config, &transport), STATUS_SUCCESS);
    EXPECT_EQ(host_thread_start(loop, (void *)0, "loop 0", 0), 0);
    EXPECT_EQ(host_thread_start(loop, (void *)1, "loop 1", 0), 0);
    EXPECT_STATUS(stack->open(transport, 0, TRANSPORT_AF_INET, TRANSPORT_STREAM, 6, &listener),
                  STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(listener, &any), STATUS_SUCCESS);
    EXPECT_STATUS(stack->listen(listener, 8), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(listener, 0, &any), STATUS_SUCCESS);
    at = net_at("10.0.0.1", any.bytes[2] << 8 | any.bytes[3]);
    live = 1;
    accept_op = (struct transport_connection_op){.op.complete = accept_over, .op.kind = TRANSPORT_ACCEPT};
    accept_on(stack->accept(listener, &accept_op));
    if (refuse)
        host_set_fault_plan(refuse, NULL);
    for (int i = 0; i < calls; i++)
        net_fiber(caller, (void *)(uintptr_t)i);
    net_join();
    host_set_fault_plan(NULL, NULL);
    EXPECT_STATUS(stack->abort(listener), STATUS_SUCCESS);
    for (uint32_t seen; seen = changed, live;)
        host_park(&changed, seen, HOST_FOREVER);
    stopping = 1;
    stack->wake(transport, 0);
    stack->wake(transport, 1);
    for (uint32_t seen; seen = changed, loops_left;)
        host_park(&changed, seen, HOST_FOREVER);
    stack->detach(transport);
    net_say(host_now());
    net_say((uint64_t)well);
}

static void echo_calm(void)
{
    echo();
    EXPECT_EQ(well, calls);
    EXPECT_EQ(accepted, calls);
}

TEST(net_stack_echo_in_calm, "", TEST_TIMEOUT(120))
{
    EXPECT(net_run_seeds(&net_calm, echo_calm) > SEEDS / 2);
}

static unsigned all_well, all_calls;

static void echo_rough(void)
{
    echo();
    all_well += (unsigned)well;
    all_calls += (unsigned)calls;
}

TEST(net_stack_echo_in_rough, "", TEST_TIMEOUT(120))
{
    EXPECT(net_run_seeds(&net_rough, echo_rough) > SEEDS / 2);
    TEST_NOTE("%u of %u calls went well", all_well, all_calls);
    EXPECT(all_well > all_calls / 2 && all_well < all_calls);
}

static struct sim_rng chance;
static unsigned refused;

static int fail_some(void *context, int kind)
{
    int fail = kind == HOST_FAULT_TRANSPORT && sim_rng_below(&chance, 40) == 0;

    (void)context;
    refused += (unsigned)fail;
    return fail;
}

/* Every start may be refused: nothing hangs, nothing is left. */
static void echo_with_faults(void)
{
    sim_rng_seed(&chance, net_seed(), 77);
    echo_rough();
}

TEST(net_stack_starts_that_are_refused, "", TEST_TIMEOUT(120))
{
    refuse = fail_some;
    EXPECT(net_run_seeds(&net_calm, echo_with_faults) > SEEDS / 2);
    TEST_NOTE("%u starts were refused, %u of %u calls went well", refused, all_well, all_calls);
    EXPECT(refused > SEEDS / 2);
    EXPECT(all_well > all_calls / 2 && all_well < all_calls);
}

/* ---- many in a row ----------------------------------------------------------------------------------------- */

static long rounds;

static void call_again(void *argument)
{
    char memory[64] = "hello";
    (void)argument;
    for (long i = 0; i < rounds; i++) {
        struct net_socket *socket;
        EXPECT_EQ(net_connect(1, &at, 200 * S, &socket), NET_OK);
        EXPECT_EQ(net_send(socket, memory, sizeof(memory), 1 * S), (long)sizeof(memory));
        for (size_t done = 0; done < sizeof(memory);) {
            long got = net_receive(socket, memory, sizeof(memory) - done, 1 * S);
            EXPECT(got > 0);
            done += (size_t)got;
        }
        EXPECT_EQ(net_shutdown(socket), NET_OK);
        EXPECT_EQ(net_receive(socket, memory, 1, 1 * S), 0);
        net_close(socket);
        well++;
    }
}

static void many(void)
{
    caller = call_again;
    echo();
    EXPECT_EQ(well, calls * rounds);
}

TEST(net_stack_many_connections, "", TEST_TIMEOUT(120))
{
    rounds = 20 * test_scale(5000) / calls;
    long long before = test_now_ms();
    struct sim_result result = net_run(&net_calm, 2, many);
    long long took = test_now_ms() - before;
    TEST_NOTE("%ld connections in %lld ms, %llu steps", calls * rounds, took,
              (unsigned long long)result.steps);
}
