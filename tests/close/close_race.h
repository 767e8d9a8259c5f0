/*
 * close_race.h - close against everything that can happen at the same moment: what the tests of these races share.
 *
 * Strategy: each test is one race, run many times (300 in make check-full, a fiftieth in make check, in each of the
 * nine modes).  The threads of a round meet at a barrier and then do their one step with a small, varying delay, so
 * that over the rounds the steps meet in every order.  In the simulator a run is one round, and the seeds (1,000 and
 * 50) say in which order the steps meet, scheduling point by scheduling point.  Whatever the order, the contract
 * holds at the end of each round: every IRP was completed exactly once (the fixture checks that), with its own
 * result or STATUS_CANCELLED and 0 (C-CLOSE-13), before the close IRP (C-CLOSE-14), and no callback began after the
 * close IRP was completed (C-CLOSE-18).
 */
#ifndef CLOSE_RACE_H
#define CLOSE_RACE_H

#include "wsk_test.h"

#define ROUNDS (test_mode_has("sim") ? 1 : test_scale(300))

/* ---- two threads that meet ---------------------------------------------------------------------------- */

struct racer {
    void (*step)(void *context);
    void *context;
    struct test_barrier *barrier;
    volatile LONG *stop;
    LONG round;
    LONG shift; /* how the delay of this racer changes from round to round */
};

static inline void spin(LONG n)
{
    volatile LONG i;

    for (i = 0; i < n; i++)
        YieldProcessor();
}

static inline void racer_main(void *argument)
{
    struct racer *racer = argument;

    for (;;) {
        test_barrier_wait(racer->barrier);
        if (*racer->stop)
            return;
        spin((racer->round++ * racer->shift) % 97 * 8);
        racer->step(racer->context);
        test_barrier_wait(racer->barrier);
    }
}

/* Runs `rounds` rounds: before(context), then both steps at the same time, then after(context). */
static inline void race(void (*before)(void *), void (*step1)(void *), void (*step2)(void *),
                        void (*after)(void *), void *context)
{
    struct test_barrier *barrier = test_barrier_create(2);
    volatile LONG stop = 0;
    struct racer second = {step2, context, barrier, &stop, 0, 7};
    struct test_thread *thread = test_thread_start(racer_main, &second);
    LONG round, rounds = (LONG)ROUNDS;

    for (round = 0; round < rounds; round++) {
        before(context);
        test_barrier_wait(barrier);
        spin((round * 13) % 89 * 8);
        step1(context);
        test_barrier_wait(barrier);
        after(context);
    }
    stop = 1;
    test_barrier_wait(barrier);
    test_thread_join(thread);
    test_barrier_free(barrier);
}

/* ---- one connection with everything on it ------------------------------------------------------------- */

struct line {
    PWSK_SOCKET socket;
    int peer;
    struct wt_buffer in, out;
    struct wt_op receive, send, close, extra;
    volatile LONG closed; /* the close IRP's routine has run */
    volatile LONG late;   /* callbacks that began after it */
    volatile LONG callbacks;
    LONG kind;
};

static inline void line_closed(struct wt_op *op)
{
    InterlockedExchange(&((struct line *)op->context)->closed, 1);
}

static inline NTSTATUS WSKAPI on_receive(PVOID SocketContext, ULONG Flags,
                                         PWSK_DATA_INDICATION DataIndication, SIZE_T BytesIndicated,
                                         SIZE_T *BytesAccepted)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (line->closed)
        InterlockedIncrement(&line->late);
    InterlockedIncrement(&line->callbacks);
    spin(200);
    if (line->closed)
        InterlockedIncrement(&line->late); /* the close completed while we were in it: C-CLOSE-17 */
    return STATUS_SUCCESS;
}

static inline NTSTATUS WSKAPI on_disconnect(PVOID SocketContext, ULONG Flags)
{
    struct line *line = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    if (line->closed)
        InterlockedIncrement(&line->late);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH events = {on_receive, on_disconnect, NULL};

static inline void line_open(struct line *line, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch)
{
    line->closed = line->late = line->callbacks = 0;
    line->socket = wt_connected(AF_INET, line, dispatch, &line->peer);
    wt_buffer_init(&line->in, 64);
    wt_buffer_init(&line->out, 64);
    wt_op_init(&line->receive);
    wt_op_init(&line->send);
    wt_op_init(&line->extra);
    wt_op_init(&line->close);
    line->close.hook = line_closed;
    line->close.context = line;
}

static inline void line_end(struct line *line)
{
    EXPECT_STATUS(wt_wait(&line->close), STATUS_SUCCESS);
    EXPECT_EQ(line->late, 0); /* C-CLOSE-17, 18 */
    if (line->peer >= 0)      /* the peer may have reset the connection */
        peer_close(line->peer);
    wt_op_free(&line->receive);
    wt_op_free(&line->send);
    wt_op_free(&line->extra);
    wt_op_free(&line->close);
    wt_buffer_free(&line->in);
    wt_buffer_free(&line->out);
}

static inline void before_nothing(void *context)
{
    line_open(context, NULL);
    RtlFillMemory(((struct line *)context)->out.bytes, 64, 'x');
}

static inline void step_close(void *context)
{
    struct line *line = context;

    wt_close(line->socket, &line->close);
}

static inline void step_peer_sends(void *context)
{
    peer_send_some(((struct line *)context)->peer, "data", 4);
}

static inline void step_peer_shuts_down(void *context)
{
    peer_shutdown(((struct line *)context)->peer);
}

/* Either its own bytes or STATUS_CANCELLED and 0 (C-CLOSE-13), and before the close (C-CLOSE-14). */
static inline void check_ended(struct wt_op *op, struct wt_op *close, ULONG_PTR full)
{
    NTSTATUS status = wt_wait(op);

    if (status == STATUS_CANCELLED) {
        EXPECT_EQ(op->information, 0);
        EXPECT(op->cancel); /* D-26 */
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQ(op->information, full);
    }
    EXPECT(op->order < close->order);
}

#endif
