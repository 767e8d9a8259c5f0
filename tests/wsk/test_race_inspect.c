/*
 * test_race_inspect.c - connection requests in conditional mode: decided, dropped by their peers, taken and closed in
 * the same moment (close_race.h).  Nothing is left of any of them: the fixture's WskDeregister would wait for it.
 */
#include "../close/close_race.h"
#include "wsk/wskp.h"

WT_RACE_FIXTURE;

enum { REQUESTS = 4, PLACES = 16 };

static struct gate {
    PWSK_SOCKET listener;
    int port, peers[REQUESTS];
    WSK_INSPECT_ACTION action;
    volatile LONG running, inspects, aborts, closed, late, inside_close;
    WSK_INSPECT_ID ids[PLACES], aborted[PLACES];
    struct wt_op close, complete, accept;
} gate;

static LONG gate_read(const volatile LONG *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static void enter_callback(void)
{
    EXPECT_EQ(InterlockedIncrement(&gate.running), 1);
    if (gate_read(&gate.closed))
        InterlockedIncrement(&gate.late); /* C-CLOSE-18 */
    if (gate_read(&gate.inside_close) == 1) {
        gate.inside_close = 2;
        EXPECT_STATUS(wt_close(gate.listener, &gate.close), STATUS_PENDING); /* C-CLOSE-20 */
    }
    spin(100);
    if (gate_read(&gate.closed))
        InterlockedIncrement(&gate.late); /* C-CLOSE-17 */
}

static WSK_INSPECT_ACTION WSKAPI inspect_event(PVOID context, PSOCKADDR local, PSOCKADDR remote,
                                               PWSK_INSPECT_ID id)
{
    WSK_INSPECT_ACTION action = gate.action;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(local);
    UNREFERENCED_PARAMETER(remote);
    EXPECT(gate.inspects < PLACES);
    gate.ids[gate.inspects] = *id;
    enter_callback();
    InterlockedDecrement(&gate.running);
    InterlockedIncrement(&gate.inspects);
    return action;
}

static NTSTATUS WSKAPI abort_event(PVOID context, PWSK_INSPECT_ID id)
{
    UNREFERENCED_PARAMETER(context);
    EXPECT(gate.aborts < PLACES);
    gate.aborted[gate.aborts] = *id;
    enter_callback();
    InterlockedDecrement(&gate.running);
    InterlockedIncrement(&gate.aborts);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH dispatch = {NULL, inspect_event, abort_event};

static void listener_closed(struct wt_op *op)
{
    UNREFERENCED_PARAMETER(op);
    InterlockedExchange(&gate.closed, 1);
}

static void gate_open(WSK_INSPECT_ACTION action)
{
    SOCKADDR_STORAGE address;
    ULONG on = 1;
    struct wt_op op;

    RtlZeroMemory(&gate, sizeof gate);
    gate.action = action;
    wt_op_init(&gate.close);
    wt_op_init(&gate.complete);
    wt_op_init(&gate.accept);
    gate.close.hook = listener_closed;
    gate.listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, &gate, &dispatch);
    wt_op_init(&op);
    wt_control(gate.listener, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof on, &on, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_bind(gate.listener, &op, wt_loopback(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op,
                wt_listen(gate.listener)->WskGetLocalAddress(gate.listener, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    gate.port = wt_port(&address);
    wt_op_free(&op);
}

/* -1: reset before connect() has returned. */
static void knock(int i)
{
    gate.peers[i] = peer_connect(PEER_INET, gate.port, 5000);
}

static void drop(int i)
{
    if (gate.peers[i] >= 0)
        peer_reset(gate.peers[i]);
    gate.peers[i] = -1;
}

static void gate_end(void)
{
    int i;

    EXPECT_STATUS(wt_wait(&gate.close), STATUS_SUCCESS);
    EXPECT_EQ(gate_read(&gate.late), 0);
    EXPECT_EQ(gate_read(&gate.running), 0);
    for (i = 0; i < REQUESTS; i++)
        if (gate.peers[i] > 0)
            peer_close(gate.peers[i]);
    wt_op_free(&gate.close);
    wt_op_free(&gate.complete);
    wt_op_free(&gate.accept);
}

static void complete(WSK_INSPECT_ACTION action)
{
    WSK_INSPECT_ID copy = gate.ids[0];

    wt_returned(
        &gate.complete,
        wt_listen(gate.listener)->WskInspectComplete(gate.listener, &copy, action, gate.complete.irp));
}

static void step_close_listener(void *context)
{
    UNREFERENCED_PARAMETER(context);
    wt_close(gate.listener, &gate.close);
}

static void step_drop_all(void *context)
{
    int i;

    UNREFERENCED_PARAMETER(context);
    for (i = 0; i < REQUESTS; i++)
        drop(i);
}

static void step_drop_first(void *context)
{
    UNREFERENCED_PARAMETER(context);
    drop(0);
}

static void after_close(void *context)
{
    UNREFERENCED_PARAMETER(context);
    gate_end();
}

static void requests(WSK_INSPECT_ACTION action, int count)
{
    int i;

    gate_open(action);
    for (i = 0; i < count; i++)
        knock(i);
    EXPECT_SOON(gate_read(&gate.inspects) == count && gate_read(&gate.running) == 0);
}

/* ---- close -------------------------------------------------------------------------------------------- */

static void before_waiting(void *context)
{
    UNREFERENCED_PARAMETER(context);
    requests(WskInspectAccept, REQUESTS); /* accepted, and nobody takes them */
}

TEST(race_close_with_waiting_requests_dropped, "C-CLOSE-18 C-CLOSE-43 R-ABRT-02", TEST_TIMEOUT(120))
{
    race(before_waiting, step_close_listener, step_drop_all, after_close, NULL);
}

static void before_pended(void *context)
{
    UNREFERENCED_PARAMETER(context);
    requests(WskInspectPend, REQUESTS);
}

TEST(race_close_with_pended_requests_dropped, "C-CLOSE-18 C-CLOSE-43 R-INSP-18", TEST_TIMEOUT(120))
{
    race(before_pended, step_close_listener, step_drop_all, after_close, NULL);
}

static void before_nobody(void *context)
{
    UNREFERENCED_PARAMETER(context);
    gate_open(WskInspectPend);
}

static void step_knock(void *context)
{
    UNREFERENCED_PARAMETER(context);
    knock(0);
    knock(1);
    drop(0);
}

TEST(race_close_with_arriving_requests, "C-CLOSE-18 C-CLOSE-43", TEST_TIMEOUT(120))
{
    race(before_nobody, step_close_listener, step_knock, after_close, NULL);
}

static void step_complete_accept(void *context)
{
    UNREFERENCED_PARAMETER(context);
    complete(WskInspectAccept);
}

static void step_complete_reject(void *context)
{
    UNREFERENCED_PARAMETER(context);
    complete(WskInspectReject);
}

static void after_complete_and_close(void *context)
{
    NTSTATUS status = wt_wait(&gate.complete);

    UNREFERENCED_PARAMETER(context);
    EXPECT(status == STATUS_SUCCESS || status == STATUS_FILE_FORCED_CLOSED || status == STATUS_NOT_FOUND);
    gate_end();
    EXPECT(status != STATUS_SUCCESS || gate.complete.order < gate.close.order); /* C-CLOSE-14 */
}

TEST(race_close_with_accepting, "C-CLOSE-14 C-CLOSE-43 R-INSP-20", TEST_TIMEOUT(120))
{
    race(before_pended, step_close_listener, step_complete_accept, after_complete_and_close, NULL);
}

TEST(race_close_with_rejecting, "C-CLOSE-14 C-CLOSE-43 R-INSP-20", TEST_TIMEOUT(120))
{
    race(before_pended, step_close_listener, step_complete_reject, after_complete_and_close, NULL);
}

static void step_knock_others(void *context)
{
    UNREFERENCED_PARAMETER(context);
    knock(2);
    drop(2);
    knock(3);
}

static void before_closing_inside(void *context)
{
    UNREFERENCED_PARAMETER(context);
    gate_open(WskInspectPend);
    gate.inside_close = 1;
}

TEST(race_close_in_the_inspection_with_more_requests, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20", TEST_TIMEOUT(120))
{
    race(before_closing_inside, step_knock, step_knock_others, after_close, NULL);
}

static void before_closing_in_the_abort(void *context)
{
    UNREFERENCED_PARAMETER(context);
    requests(WskInspectPend, REQUESTS);
    InterlockedExchange(&gate.inside_close, 1);
}

static void step_drop_others(void *context)
{
    UNREFERENCED_PARAMETER(context);
    drop(2);
    drop(3);
}

static void step_drop_two(void *context)
{
    UNREFERENCED_PARAMETER(context);
    drop(0);
    drop(1);
}

TEST(race_close_in_the_abort_with_more_dropped, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-20", TEST_TIMEOUT(120))
{
    race(before_closing_in_the_abort, step_drop_two, step_drop_others, after_close, NULL);
}

/* ---- decided and dropped ------------------------------------------------------------------------------ */

static void before_one_pended(void *context)
{
    UNREFERENCED_PARAMETER(context);
    requests(WskInspectPend, 1);
}

static void expect_one_abort(void)
{
    EXPECT_SOON(gate_read(&gate.aborts) == 1);
    EXPECT(gate.aborted[0].Key == gate.ids[0].Key &&
           gate.aborted[0].SerialNumber == gate.ids[0].SerialNumber);
}

static void after_accepting_a_dropped_one(void *context)
{
    NTSTATUS status = wt_wait(&gate.complete);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_NOT_FOUND);
    expect_one_abort(); /* whoever was first: nobody has taken it */
    step_close_listener(context);
    gate_end();
    EXPECT_EQ(gate.aborts, 1);
}

TEST(race_accepting_with_the_drop, "R-INSP-07 R-INSP-17 R-INSP-18 R-INSP-19 R-ABRT-02 R-ABRT-04",
     TEST_TIMEOUT(120))
{
    race(before_one_pended, step_complete_accept, step_drop_first, after_accepting_a_dropped_one, NULL);
}

static void after_rejecting_a_dropped_one(void *context)
{
    NTSTATUS status = wt_wait(&gate.complete);

    if (status == STATUS_NOT_FOUND)
        expect_one_abort();
    else
        EXPECT_STATUS(status, STATUS_SUCCESS);
    step_close_listener(context);
    gate_end();
    EXPECT_EQ(gate.aborts, status == STATUS_NOT_FOUND); /* R-ABRT-03: none after a rejection */
}

TEST(race_rejecting_with_the_drop, "R-INSP-17 R-INSP-18 R-INSP-19 R-ABRT-03", TEST_TIMEOUT(120))
{
    race(before_one_pended, step_complete_reject, step_drop_first, after_rejecting_a_dropped_one, NULL);
}

static void before_one_waiting(void *context)
{
    UNREFERENCED_PARAMETER(context);
    requests(WskInspectAccept, 1);
}

static void step_accept(void *context)
{
    UNREFERENCED_PARAMETER(context);
    wt_accept(gate.listener, &gate.accept, NULL, NULL, NULL, NULL);
}

static void after_taking_a_dropped_one(void *context)
{
    BOOLEAN taken;

    EXPECT_SOON(wt_is_done(&gate.accept) || gate_read(&gate.aborts) == 1);
    taken = wt_is_done(&gate.accept);
    step_close_listener(context);
    if (wt_wait(&gate.accept) == STATUS_SUCCESS)
        wt_close_now((PWSK_SOCKET)gate.accept.information);
    else
        EXPECT(!taken);
    gate_end();
    EXPECT_EQ(gate.aborts, !taken); /* R-ABRT-03: handed over or aborted, never both */
}

TEST(race_taking_with_the_drop, "R-INSP-06 R-INSP-07 R-ABRT-03", TEST_TIMEOUT(120))
{
    race(before_one_waiting, step_accept, step_drop_first, after_taking_a_dropped_one, NULL);
}

/* Dropped in every moment of its inspection. */
static void step_knock_and_drop(void *context)
{
    UNREFERENCED_PARAMETER(context);
    knock(0);
    drop(0);
}

static void step_knock_another(void *context)
{
    UNREFERENCED_PARAMETER(context);
    knock(1);
}

static void after_inspections(void *context)
{
    EXPECT_SOON(gate_read(&gate.inspects) >= 1 && gate_read(&gate.running) == 0);
    drop(1);
    EXPECT_SOON(gate_read(&gate.aborts) == gate_read(&gate.inspects)); /* each that was asked about, once */
    step_close_listener(context);
    gate_end();
}

TEST(race_inspection_with_the_drop, "R-INSP-18 R-ABRT-02", TEST_TIMEOUT(120))
{
    race(before_nobody, step_knock_and_drop, step_knock_another, after_inspections, NULL);
}
