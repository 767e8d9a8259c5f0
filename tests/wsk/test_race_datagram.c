/*
 * test_race_datagram.c - datagrams that arrive and leave while requests come, are cancelled, and while the event is
 * switched, refuses and gives back (close_race.h).
 */
#include "datagram_box.h"

WT_RACE_FIXTURE;

static struct box box;

static void peer_sends_two(void *context)
{
    box_peer_sends(context, 2);
}

static void peer_sends_four(void *context)
{
    box_peer_sends(context, 4);
}

/* Each number once, in order, from `first` on. */
static void expect_in_order(const struct box *own, unsigned first, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++)
        EXPECT_EQ(own->numbers[i], first + i);
}

/* ---- IoCancelIrp -------------------------------------------------------------------------------------- */

static void before_two_receives(void *context)
{
    struct box *own = context;

    box_open(own, STATUS_SUCCESS, FALSE);
    box_receive(own, &own->receive, &own->in);
    box_receive(own, &own->second, &own->more);
}

static void step_cancel_first(void *context)
{
    IoCancelIrp(((struct box *)context)->receive.irp);
}

static void step_cancel_second(void *context)
{
    IoCancelIrp(((struct box *)context)->second.irp);
}

static void after_cancel(void *context)
{
    struct box *own = context;
    int first = box_received(&own->receive, &own->in), second = box_received(&own->second, &own->more);
    int next = first < 0 || second < 0 ? 1 : 2;

    EXPECT(own->receive.order < own->second.order || first < 0 || second < 0); /* D-06 */
    EXPECT(first < 0 || first == 0);
    EXPECT(second < 0 || second == (first < 0 ? 0 : 1));
    EXPECT(first >= 0 || second >= 0); /* only one was cancelled */
    for (; next < 2; next++) {         /* what the cancelled one did not take is the next one's */
        wt_again(&own->receive);
        box_receive(own, &own->receive, &own->in);
        EXPECT_EQ(box_received(&own->receive, &own->in), next);
    }
    box_close(own);
    box_end(own);
}

TEST(race_cancel_the_held_receive, "K-CANCEL-06 D-06 R-RECVFROM-10", TEST_TIMEOUT(120))
{
    race(before_two_receives, step_cancel_first, peer_sends_two, after_cancel, &box);
}

TEST(race_cancel_the_queued_receive, "K-CANCEL-06 D-06 R-RECVFROM-10", TEST_TIMEOUT(120))
{
    race(before_two_receives, step_cancel_second, peer_sends_two, after_cancel, &box);
}

static void before_two_sends(void *context)
{
    struct box *own = context;

    box_open(own, STATUS_SUCCESS, FALSE);
    wt_send_to(own->socket, &own->send, &own->out.buf, (PSOCKADDR)&own->to_peer, 0, NULL);
    wt_send_to(own->socket, &own->second, &own->out.buf, (PSOCKADDR)&own->to_peer, 0, NULL);
}

static void step_cancel_send(void *context)
{
    IoCancelIrp(((struct box *)context)->send.irp);
}

static void step_send_another(void *context)
{
    struct box *own = context;

    wt_send_to(own->socket, &own->receive, &own->out.buf, (PSOCKADDR)&own->to_peer, 0, NULL);
}

static unsigned sent(struct wt_op *op)
{
    if (wt_wait(op) == STATUS_CANCELLED) {
        EXPECT_EQ(op->information, 0);
        return 0;
    }
    EXPECT_STATUS(op->status, STATUS_SUCCESS);
    EXPECT_EQ(op->information, BOX_BYTES);
    return 1;
}

static void after_sends(void *context)
{
    struct box *own = context;
    unsigned count = sent(&own->send) + sent(&own->second) + sent(&own->receive), got = 0;

    EXPECT(count >= 2);
    EXPECT(own->send.order < own->second.order || own->send.status == STATUS_CANCELLED ||
           own->second.status == STATUS_CANCELLED);
    while (got < count) { /* what was cancelled was not sent */
        UCHAR bytes[BOX_BYTES];

        EXPECT_EQ(peer_datagram_receive(own->peer, bytes, sizeof bytes, NULL, 5000), BOX_BYTES);
        got++;
    }
    EXPECT_EQ(box_peer_received(own), 0);
    box_close(own);
    box_end(own);
}

TEST(race_cancel_the_held_send, "K-CANCEL-06 D-06 R-SENDTO-06", TEST_TIMEOUT(120))
{
    box_slow_sends();
    race(before_two_sends, step_cancel_send, step_send_another, after_sends, &box);
}

TEST(race_cancel_the_queued_send, "K-CANCEL-06 D-06 R-SENDTO-06", TEST_TIMEOUT(120))
{
    box_slow_sends();
    race(before_two_sends, step_cancel_second, step_send_another, after_sends, &box);
}

/* ---- WskReceiveFrom beside the event ------------------------------------------------------------------ */

/* Whoever hands an operation to the transport leaves it alone until it has it back. */
static unsigned flags_inside;
static volatile LONG touched;

static int32_t watched_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    __atomic_store_n(&flags_inside, op->op.flags, __ATOMIC_RELAXED);
    return box_below->receive_from(socket, op);
}

static int watched_cancel(struct transport_socket *socket, struct transport_op *op)
{
    if (op->kind == TRANSPORT_RECEIVE_FROM && op->flags != __atomic_load_n(&flags_inside, __ATOMIC_RELAXED))
        InterlockedIncrement(&touched);
    return box_below->cancel(socket, op);
}

TEST(a_receive_leaves_the_events_operation_alone, "R-RECVFROM-12")
{
    box_slow_sends();
    box_ops.receive_from = watched_receive_from;
    box_ops.cancel = watched_cancel;
    box_open(&box, STATUS_SUCCESS, TRUE); /* the event's receive is inside */
    box_receive(&box, &box.receive, &box.in);
    EXPECT_EQ(touched, 0);
    box_peer_sends(&box, 1);
    EXPECT_EQ(box_received(&box.receive, &box.in), 0);
    box_close(&box);
    box_end(&box);
}

/* The event's receive stays here, as if the datagram came the moment after it was begun. */
static struct transport_op *volatile kept_here;

static int32_t keeping_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    if (kept_here != NULL || !(op->op.flags & TRANSPORT_PROVIDE))
        return box_below->receive_from(socket, op);
    kept_here = &op->op;
    return STATUS_PENDING;
}

static int keeping_cancel(struct transport_socket *socket, struct transport_op *op)
{
    static volatile LONG back;

    if (kept_here == op && InterlockedExchange(&back, 1) == 0)
        return 1;
    return box_below->cancel(socket, op);
}

TEST(a_receive_at_once_lets_the_event_go_on, "R-RECVFROM-12 R-RFEV-02")
{
    box_slow_sends();
    box_ops.receive_from = keeping_receive_from;
    box_ops.cancel = keeping_cancel;
    box_open(&box, STATUS_SUCCESS, TRUE);
    EXPECT(kept_here != NULL);
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_below->query(wsk_socket_of(box.socket)->transport, TRANSPORT_READABLE) == BOX_BYTES);
    box_receive(&box, &box.receive, &box.in);
    EXPECT_EQ(box.receive.returned, test_mode_has("always-pend") ? STATUS_PENDING : STATUS_SUCCESS);
    EXPECT_EQ(box_received(&box.receive, &box.in), 0);
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_read(&box.datagrams) == 1);
    EXPECT_EQ(box.numbers[0], 1);
    box_close(&box);
    box_end(&box);
}

static void before_event(void *context)
{
    box_open(context, STATUS_SUCCESS, TRUE);
}

static void step_receive(void *context)
{
    struct box *own = context;

    box_receive(own, &own->receive, &own->in);
}

static void after_receive_beside_the_event(void *context)
{
    struct box *own = context;
    ULONG64 seen = 0;
    LONG i;

    /* The event may have had all of them before the request came: then it waits for the next. */
    EXPECT_SOON(wt_is_done(&own->receive) || box_read(&own->datagrams) == (LONG)own->sent);
    if (!wt_is_done(&own->receive))
        box_peer_sends(own, 1);
    seen |= 1ull << box_received(&own->receive, &own->in);
    EXPECT_SOON(box_read(&own->datagrams) == (LONG)own->sent - 1);
    for (i = 0; i < own->datagrams; i++) {
        EXPECT(!(seen & 1ull << own->numbers[i]));
        EXPECT(i == 0 || own->numbers[i] > own->numbers[i - 1]);
        seen |= 1ull << own->numbers[i];
    }
    EXPECT_EQ(seen, (1ull << own->sent) - 1); /* each once */
    box_close(own);
    box_end(own);
}

TEST(race_receive_with_the_event, "R-RECVFROM-12 R-RECVFROM-13 R-RFEV-02", TEST_TIMEOUT(120))
{
    race(before_event, step_receive, peer_sends_two, after_receive_beside_the_event, &box);
}

/* ---- kept and given back ------------------------------------------------------------------------------ */

static void release_kept(struct box *own, LONG from, LONG to)
{
    for (; from < to; from++)
        EXPECT_STATUS(wt_release_datagrams(own->socket, own->kept[from]), STATUS_SUCCESS);
}

static void before_keeping(void *context)
{
    struct box *own = context;

    box_open(own, STATUS_PENDING, TRUE);
    box_peer_sends(own, 4);
    EXPECT_SOON(box_read(&own->kept_count) == 4 && box_read(&own->running) == 0);
}

static void step_release(void *context)
{
    release_kept(context, 0, 4);
}

static void after_keeping(void *context)
{
    struct box *own = context;

    EXPECT_SOON(box_read(&own->kept_count) == 8 && box_read(&own->running) == 0);
    release_kept(own, 4, 8);
    expect_in_order(own, 0, 8);
    box_close(own);
    box_end(own);
}

TEST(race_release_with_arrivals, "R-REL-05 R-RFEV-06 D-14", TEST_TIMEOUT(120))
{
    race(before_keeping, step_release, peer_sends_four, after_keeping, &box);
}

/* Given back by another thread the moment the callback has let go of each, which mostly is before it returns. */
static void step_release_at_once(void *context)
{
    struct box *own = context;
    LONG next, looks;

    for (next = 0, looks = 0; next < 2 && looks < 2000000; looks++) {
        if (box_read(&own->kept_count) > next)
            release_kept(own, next, next + 1), next++;
        else
            test_sleep_ms(0);
    }
    EXPECT_EQ(next, 2);
}

static void before_releasing_at_once(void *context)
{
    box_open(context, STATUS_PENDING, TRUE);
}

static void after_releasing_at_once(void *context)
{
    struct box *own = context;

    EXPECT_SOON(box_read(&own->running) == 0);
    expect_in_order(own, 0, 2);
    EXPECT_EQ(own->kept_count, 2);
    box_close(own);
    box_end(own);
}

TEST(race_release_with_the_callbacks_return, "R-REL-05 R-RFEV-06 D-14", TEST_TIMEOUT(120))
{
    race(before_releasing_at_once, step_release_at_once, peer_sends_two, after_releasing_at_once, &box);
}

/* ---- refused, enabled, disabled ----------------------------------------------------------------------- */

static void before_refusing(void *context)
{
    box_open(context, STATUS_DATA_NOT_ACCEPTED, TRUE);
}

static void step_enable(void *context)
{
    struct box *own = context;

    WriteRelease((volatile LONG *)&own->answer, STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(own->socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
}

static void after_refusing(void *context)
{
    struct box *own = context;

    /* A refusal that was on its way may have switched it off behind the enabling. */
    while (box_read(&own->datagrams) < 4) {
        EXPECT_STATUS(wt_events(own->socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        test_sleep_ms(1);
    }
    EXPECT_SOON(box_read(&own->running) == 0);
    expect_in_order(own, 0, 4); /* R-RFEV-09: the refused ones first, none lost, none twice */
    box_close(own);
    box_end(own);
}

TEST(race_refusal_with_enabling, "R-RFEV-08 R-RFEV-09 H-05", TEST_TIMEOUT(120))
{
    race(before_refusing, step_enable, peer_sends_four, after_refusing, &box);
}

static void step_disable(void *context)
{
    struct box *own = context;

    wt_events(own->socket, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE, &own->second);
}

static void after_disabling(void *context)
{
    struct box *own = context;
    LONG calls;

    EXPECT_STATUS(wt_wait(&own->second), STATUS_SUCCESS);
    calls = box_read(&own->calls); /* C-EVT-11: none begins any more */
    EXPECT_EQ(box_read(&own->running), 0);
    box_peer_sends(own, 1);
    EXPECT_EQ(box_read(&own->calls), calls);
    EXPECT_STATUS(wt_events(own->socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(box_read(&own->datagrams) == 5);
    expect_in_order(own, 0, 5);
    box_close(own);
    box_end(own);
}

TEST(race_disable_with_arrivals, "C-EVT-08 C-EVT-09 C-EVT-11", TEST_TIMEOUT(120))
{
    race(before_event, step_disable, peer_sends_four, after_disabling, &box);
}

/* ---- enabled for good --------------------------------------------------------------------------------- */

TEST(static_events_go_on_after_a_refusal, "C-EVT-20 R-RFEV-10 R-RFEV-02", TEST_MODES(WT_MODES))
{
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, WSK_EVENT_RECEIVE_FROM};
    LONG calls;

    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                    sizeof control, &control, 0, NULL, NULL, NULL),
                  STATUS_SUCCESS);
    box_open(&box, STATUS_DATA_NOT_ACCEPTED, FALSE);
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_read(&box.calls) == 1 && box_read(&box.running) == 0);
    calls = box.calls;
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_read(&box.calls) > calls && box_read(&box.running) == 0);
    WriteRelease((volatile LONG *)&box.answer, STATUS_SUCCESS);
    box_peer_sends(&box, 1);
    EXPECT_SOON(box_read(&box.datagrams) == 1);
    EXPECT_EQ(box.numbers[0], 2); /* those that were not wanted are gone */
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    box_close(&box);
    box_end(&box);
}
