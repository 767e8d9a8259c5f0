/*
 * test_scale.c - many sockets: nothing is left behind, and a close costs what is pending and no more.
 *
 * No clock is looked at.  Cost is counted: takings of locks and calls of the transport.
 */
#include "close_test.h"

static volatile LONG64 locks; /* taken since the start */
static int fds_before, threads_before;

static void observe_lock(void *context, const void *lock, int acquired)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(lock);
    if (acquired)
        InterlockedIncrement64(&locks);
}

static void setup(void)
{
    static const struct observe_hooks hooks = {.lock = observe_lock};

    fds_before = peer_count_fds();
    threads_before = peer_thread_count();
    observe_install(&hooks); /* before the first thread looks */
    wt_setup();
}

static void teardown(void)
{
    wt_teardown(); /* no IRP, no pool byte */
    EXPECT_EQ(peer_count_fds(), fds_before);
    EXPECT_SOON(peer_thread_count() <=
                threads_before + (test_sanitizer() == 2)); /* which has one of its own */
}

TEST_FIXTURE(setup, teardown);
TEST_MATRIX(WT_MODES);

/* ---- a close with n IRPs ------------------------------------------------------------------------------ */

struct cost {
    LONG64 locks;
    LONG cancels;
};

static struct cost close_with_receives(LONG n)
{
    struct wt_op *receives = ExAllocatePool2(POOL_FLAG_NON_PAGED, n * sizeof *receives, 'lacS');
    struct wt_buffer buffer;
    struct wt_op close;
    struct cost cost;
    LONG i;
    int peer;
    PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

    wt_buffer_init(&buffer, 1);
    for (i = 0; i < n; i++) {
        wt_op_init(&receives[i]);
        EXPECT_STATUS(wt_receive(socket, &receives[i], &buffer.buf, 0), STATUS_PENDING);
    }
    wt_op_init(&close);
    cost.cancels = ct_cancels;
    cost.locks = InterlockedExchangeAdd64(&locks, 0);
    wt_close(socket, &close);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    cost.locks = InterlockedExchangeAdd64(&locks, 0) - cost.locks;
    cost.cancels = ct_cancels - cost.cancels;
    for (i = 0; i < n; i++) {
        ct_expect_cancelled(&receives[i], &close);
        EXPECT(i == 0 || receives[i - 1].order < receives[i].order);
        wt_op_free(&receives[i]);
    }
    wt_op_free(&close);
    wt_buffer_free(&buffer);
    ExFreePoolWithTag(receives, 'lacS');
    peer_close(peer);
    return cost;
}

TEST(a_close_costs_what_is_pending, "C-CLOSE-11 C-CLOSE-14", TEST_TIMEOUT(120))
{
    struct cost few, many;

    ct_count_calls();
    few = close_with_receives(500);
    many = close_with_receives(5000); /* ten times as many */
    EXPECT(many.locks <= 15 * few.locks);
    EXPECT(many.locks >= 5000); /* the counter does count */
    EXPECT(few.cancels <= 6 &&
           many.cancels <= 6); /* the transport holds one receive, however many are queued */
}

static LONG64 close_with_accepts(LONG n)
{
    struct wt_op *accepts = ExAllocatePool2(POOL_FLAG_NON_PAGED, n * sizeof *accepts, 'lacS');
    struct wt_op close;
    LONG64 cost;
    LONG i;
    int port;
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);

    for (i = 0; i < n; i++) {
        wt_op_init(&accepts[i]);
        EXPECT_STATUS(wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL), STATUS_PENDING);
    }
    cost = InterlockedExchangeAdd64(&locks, 0);
    ct_close(listener, &close);
    cost = InterlockedExchangeAdd64(&locks, 0) - cost;
    for (i = 0; i < n; i++) {
        ct_expect_cancelled(&accepts[i], &close);
        wt_op_free(&accepts[i]);
    }
    wt_op_free(&close);
    ExFreePoolWithTag(accepts, 'lacS');
    return cost;
}

TEST(so_does_the_close_of_a_listener, "C-CLOSE-11 C-CLOSE-43", TEST_TIMEOUT(120))
{
    LONG64 few = close_with_accepts(500), many = close_with_accepts(5000);

    EXPECT(many <= 15 * few);
}

/* ---- idle connections --------------------------------------------------------------------------------- */

struct idle {
    PWSK_SOCKET socket;
    int peer;
    struct wt_op close;
};

static LONG64 close_idle(LONG n)
{
    struct idle *idle = ExAllocatePool2(POOL_FLAG_NON_PAGED, n * sizeof *idle, 'lacS');
    int port, fds = peer_count_fds();
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);
    struct wt_op op;
    LONG64 cost;
    LONG i;

    wt_op_init(&op);
    for (i = 0; i < n; i++) {
        EXPECT((idle[i].peer = peer_connect(PEER_INET, port, 5000)) >= 0);
        wt_accept(listener, &op, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        idle[i].socket = (PWSK_SOCKET)op.information;
        wt_op_init(&idle[i].close);
        wt_again(&op);
    }
    cost = InterlockedExchangeAdd64(&locks, 0);
    for (i = 0; i < n; i++)
        wt_close(idle[i].socket, &idle[i].close);
    for (i = 0; i < n; i++)
        EXPECT_STATUS(wt_wait(&idle[i].close), STATUS_SUCCESS);
    cost = InterlockedExchangeAdd64(&locks, 0) - cost;
    for (i = 0; i < n; i++) {
        peer_expect_reset(idle[i].peer);
        peer_close(idle[i].peer);
        wt_op_free(&idle[i].close);
    }
    wt_op_free(&op);
    wt_close_now(listener);
    ExFreePoolWithTag(idle, 'lacS');
    EXPECT_EQ(peer_count_fds(), fds);
    return cost;
}

TEST(closing_idle_connections_is_linear, "C-CLOSE-07 C-CLOSE-38 C-CLOSE-45", TEST_TIMEOUT(300))
{
    LONG many = (LONG)test_scale(9000); /* with their peers 18,000 descriptors */
    LONG64 few = close_idle(many / 9), all;

    all = close_idle(many);
    EXPECT(all <= 14 * few); /* nine times as many, and what else runs */
}

/* ---- ten thousand connections in mixed ways ----------------------------------------------------------- */

struct mixed {
    PWSK_SOCKET socket;
    int peer;
    struct wt_buffer buffer, big;
    struct wt_op receive, send, close, other;
    volatile LONG callbacks;
};

static NTSTATUS WSKAPI count_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                     SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct mixed *mixed = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    InterlockedIncrement(&mixed->callbacks);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI count_disconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    InterlockedIncrement(&((struct mixed *)SocketContext)->callbacks);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH counting = {count_receive, count_disconnect, NULL};

static void close_there(struct wt_op *op)
{
    struct mixed *mixed = op->context;

    wt_close(mixed->socket, &mixed->close);
}

#define WAYS 12

static void open_one(struct mixed *mixed, long i, PWSK_SOCKET listener, int port)
{
    if (i & 1) {
        mixed->socket = wt_connected(i & 2 ? AF_INET : AF_INET6, mixed, &counting, &mixed->peer);
        return;
    }
    EXPECT((mixed->peer = peer_connect(PEER_INET, port, 5000)) >= 0);
    wt_accept(listener, &mixed->other, mixed, &counting, NULL, NULL);
    EXPECT_STATUS(wt_wait(&mixed->other), STATUS_SUCCESS);
    mixed->socket = (PWSK_SOCKET)mixed->other.information;
    wt_again(&mixed->other);
}

static void close_one(struct mixed *mixed, long way)
{
    char byte;

    switch (way) {
    case 0: /* idle */
        break;
    case 1: /* receives pending */
        wt_receive(mixed->socket, &mixed->receive, &mixed->buffer.buf, 0);
        wt_receive(mixed->socket, &mixed->other, &mixed->buffer.buf, WSK_FLAG_WAITALL);
        break;
    case 2: /* sends pending */
        wt_send(mixed->socket, &mixed->send, &mixed->big.buf, 0);
        wt_send(mixed->socket, &mixed->other, &mixed->big.buf, 0);
        break;
    case 3: /* the peer first, half */
        peer_shutdown(mixed->peer);
        break;
    case 4: /* both directions, ours first */
        ct_disconnect_now(mixed->socket);
        peer_shutdown(mixed->peer);
        EXPECT_EQ(wt_receive_now(mixed->socket, &byte, 1, 0), 0);
        break;
    case 5: /* both directions, the peer's first */
        peer_shutdown(mixed->peer);
        wt_disconnect(mixed->socket, &mixed->other, NULL, 0);
        wt_wait(&mixed->other);
        break;
    case 6: /* reset */
        wt_receive(mixed->socket, &mixed->receive, &mixed->buffer.buf, 0);
        peer_reset(mixed->peer);
        mixed->peer = -1;
        break;
    case 7: /* events */
        EXPECT_STATUS(wt_events(mixed->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL),
                      STATUS_SUCCESS);
        peer_send(mixed->peer, "data", 4);
        peer_shutdown(mixed->peer);
        break;
    case 8: /* inside the routine of a receive */
        mixed->receive.hook = close_there;
        mixed->receive.context = mixed;
        wt_receive(mixed->socket, &mixed->receive, &mixed->buffer.buf, 0);
        peer_send(mixed->peer, "x", 1);
        return;
    case 9: /* a disconnect on its way */
        wt_disconnect(mixed->socket, &mixed->other, &mixed->buffer.buf, 0);
        break;
    case 10: /* abortively */
        wt_disconnect(mixed->socket, &mixed->other, NULL, WSK_FLAG_ABORTIVE);
        break;
    default: /* unread data in all buffers */
        wt_send(mixed->socket, &mixed->send, &mixed->buffer.buf, 0);
        peer_send(mixed->peer, "unread", 6);
        break;
    }
    wt_close(mixed->socket, &mixed->close);
}

TEST(ten_thousand_connections, "C-CLOSE-01 C-CLOSE-07 C-CLOSE-12 C-CLOSE-14 C-CLOSE-27 C-CLOSE-45",
     TEST_TIMEOUT(600))
{
    long total = test_scale(10000), i;
    int port, n, batch = 24, fds;
    struct mixed *all = ExAllocatePool2(POOL_FLAG_NON_PAGED, batch * sizeof *all, 'lacS');
    PWSK_SOCKET listener = wt_listener(AF_INET, NULL, NULL, &port);

    fds = peer_count_fds();
    for (n = 0; n < batch; n++) {
        wt_buffer_init(&all[n].buffer, 64);
        wt_buffer_init(&all[n].big, 1 << 20);
        wt_op_init(&all[n].receive);
        wt_op_init(&all[n].send);
        wt_op_init(&all[n].close);
        wt_op_init(&all[n].other);
    }
    for (i = 0; i < total; i += batch) {
        for (n = 0; n < batch; n++)
            open_one(&all[n], i + n, listener, port);
        for (n = 0; n < batch; n++)
            close_one(&all[n], (i / batch + n) % WAYS);
        for (n = 0; n < batch; n++) {
            struct wt_op *ops[] = {&all[n].receive, &all[n].send, &all[n].other};
            unsigned k;

            EXPECT_STATUS(wt_wait(&all[n].close), STATUS_SUCCESS);
            for (k = 0; k < RTL_NUMBER_OF(ops); k++) {
                EXPECT(ops[k]->completions <= 1);
                EXPECT(ops[k]->completions == 0 || ops[k]->order < all[n].close.order ||
                       ops[k]->hook != NULL);
                if (ops[k]->completions != 0) {
                    wt_wait(ops[k]);
                    wt_again(ops[k]);
                }
            }
            wt_again(&all[n].close);
            if (all[n].peer >= 0)
                peer_close(all[n].peer);
        }
    }
    EXPECT_EQ(peer_count_fds(), fds);
    wt_close_now(listener);
    for (n = 0; n < batch; n++) {
        wt_buffer_free(&all[n].buffer);
        wt_buffer_free(&all[n].big);
        wt_op_free(&all[n].receive);
        wt_op_free(&all[n].send);
        wt_op_free(&all[n].close);
        wt_op_free(&all[n].other);
    }
    ExFreePoolWithTag(all, 'lacS');
}
