/*
 * test_backlog.c - the ideal send backlog: SIO_WSK_QUERY_IDEAL_SEND_BACKLOG and WskSendBacklogEvent.
 */
#include "wsk_test.h"

WT_CALM_FIXTURE;

struct flow {
    PWSK_SOCKET socket;
    int peer;
    KEVENT told;
    volatile LONG calls, running;
    volatile SIZE_T last;
};

static struct wt_op op;

static NTSTATUS WSKAPI backlog(PVOID SocketContext, SIZE_T IdealBacklogSize)
{
    struct flow *flow = SocketContext;

    EXPECT_EQ(InterlockedIncrement(&flow->running), 1);
    EXPECT(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    EXPECT(IdealBacklogSize != 0);
    flow->last = IdealBacklogSize;
    InterlockedIncrement(&flow->calls);
    EXPECT_EQ(InterlockedDecrement(&flow->running), 0);
    KeSetEvent(&flow->told, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH dispatch = {.WskSendBacklogEvent = backlog};

static void flow_open(struct flow *flow, BOOLEAN events)
{
    RtlZeroMemory(flow, sizeof *flow);
    KeInitializeEvent(&flow->told, SynchronizationEvent, FALSE);
    flow->socket = wt_connected(AF_INET, flow, &dispatch, &flow->peer);
    if (events)
        EXPECT_STATUS(wt_events(flow->socket, WSK_EVENT_SEND_BACKLOG, NULL), STATUS_SUCCESS);
}

static void flow_close(struct flow *flow)
{
    LONG calls;

    wt_close_now(flow->socket);
    calls = flow->calls;
    EXPECT_EQ(flow->running, 0); /* C-CLOSE-17 */
    peer_close(flow->peer);
    EXPECT_EQ(flow->calls, calls);
}

static SIZE_T query(PWSK_SOCKET socket)
{
    SIZE_T ideal = 0;

    wt_again(&op);
    wt_control(socket, &op, WskIoctl, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, 0, 0, NULL, sizeof ideal, &ideal);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, sizeof ideal);
    EXPECT(ideal != 0);
    return ideal;
}

static void send_buffer(PWSK_SOCKET socket, ULONG bytes)
{
    wt_again(&op);
    wt_control(socket, &op, WskSetOption, SO_SNDBUF, SOL_SOCKET, sizeof bytes, &bytes, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
}

/* Sends and has it read. */
static void some(struct flow *flow)
{
    UCHAR bytes[100] = {0};

    wt_send_now(flow->socket, bytes, sizeof bytes);
    peer_receive_all(flow->peer, bytes, sizeof bytes);
}

static void wait_told(struct flow *flow)
{
    LARGE_INTEGER due = {.QuadPart = -10 * 10000000LL};

    EXPECT_STATUS(KeWaitForSingleObject(&flow->told, Executive, KernelMode, FALSE, &due), STATUS_SUCCESS);
}

TEST(the_ideal_backlog_follows_the_send_buffer, "C-IOCTL-18 R-SBLEV-03")
{
    struct flow flow;
    SIZE_T small, large;

    wt_op_init(&op);
    flow_open(&flow, FALSE);
    send_buffer(flow.socket, 4096);
    small = query(flow.socket);
    send_buffer(flow.socket, 200000);
    large = query(flow.socket);
    EXPECT(small < large && large <= 200000);
    some(&flow);
    EXPECT_EQ(flow.calls, 0); /* not enabled */
    flow_close(&flow);
    EXPECT_EQ(flow.calls, 0);
    wt_op_free(&op);
}

TEST(the_event_tells_when_it_has_changed, "R-SBLEV-01 R-SBLEV-02 R-SBLEV-03 C-IOCTL-18 C-IOCTL-20 D-12")
{
    struct flow flow;
    SIZE_T first, last;
    unsigned round;

    wt_op_init(&op);
    flow_open(&flow, TRUE);
    send_buffer(flow.socket, 200000);
    some(&flow);
    last = first = query(flow.socket); /* that is where changes are counted from */
    for (round = 0; round < 4; round++) {
        LONG calls = flow.calls;

        send_buffer(flow.socket, round % 2 == 0 ? 4096 : 200000);
        EXPECT_EQ(query(flow.socket), last); /* nothing was told yet */
        some(&flow);
        wait_told(&flow);
        EXPECT_EQ(flow.calls, calls + 1);
        EXPECT(round % 2 == 0 ? flow.last < last : flow.last > last);
        last = flow.last;
        EXPECT_EQ(query(flow.socket), last);
    }
    flow_close(&flow);
    wt_op_free(&op);
}

TEST(small_changes_are_not_told, "R-SBLEV-02")
{
    struct flow flow;
    SIZE_T ideal;

    wt_op_init(&op);
    flow_open(&flow, TRUE);
    send_buffer(flow.socket, 100000);
    some(&flow);
    ideal = query(flow.socket);
    send_buffer(flow.socket, 90000);
    some(&flow);
    EXPECT_EQ(query(flow.socket), ideal);
    flow_close(&flow);
    EXPECT_EQ(flow.calls, 0);
    wt_op_free(&op);
}

TEST(the_event_can_be_disabled, "R-SBLEV-02 C-EVT-05")
{
    struct flow flow;
    struct wt_op disable;

    wt_op_init(&op);
    wt_op_init(&disable);
    flow_open(&flow, TRUE);
    send_buffer(flow.socket, 200000);
    some(&flow);
    wt_events(flow.socket, WSK_EVENT_SEND_BACKLOG | WSK_EVENT_DISABLE, &disable);
    EXPECT_STATUS(wt_wait(&disable), STATUS_SUCCESS);
    send_buffer(flow.socket, 4096);
    some(&flow);
    flow_close(&flow);
    EXPECT_EQ(flow.calls, 0);
    wt_op_free(&disable);
    wt_op_free(&op);
}

/* ---- news that the client has asked for itself -------------------------------------------------------- */

static struct wt_op late_send, late_query;
static struct wt_buffer late_bytes;
static SIZE_T late_ideal;

/* The send finds that the estimate has moved.  Before that can be told, which has to wait for us, the client disables
 * the event, asks, and enables it again: then it knows. */
static NTSTATUS WSKAPI asks_itself(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct flow *flow = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (DataIndication == NULL)
        return STATUS_SUCCESS;
    wt_send(flow->socket, &late_send, &late_bytes.buf, 0);
    EXPECT_STATUS(wt_events(flow->socket, WSK_EVENT_SEND_BACKLOG | WSK_EVENT_DISABLE, NULL), STATUS_SUCCESS);
    wt_control(flow->socket, &late_query, WskIoctl, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, 0, 0, NULL,
               sizeof late_ideal, &late_ideal);
    EXPECT_STATUS(wt_events(flow->socket, WSK_EVENT_SEND_BACKLOG, NULL), STATUS_SUCCESS);
    KeSetEvent(&flow->told, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

TEST(what_the_client_has_asked_for_is_not_told, "R-SBLEV-02 C-IOCTL-18 C-IOCTL-20 C-EVT-05")
{
    static const WSK_CLIENT_CONNECTION_DISPATCH both = {.WskReceiveEvent = asks_itself,
                                                        .WskSendBacklogEvent = backlog};
    struct flow flow;
    SIZE_T first;

    wt_op_init(&op);
    wt_op_init(&late_send);
    wt_op_init(&late_query);
    wt_buffer_init(&late_bytes, 100);
    RtlZeroMemory(&flow, sizeof flow);
    KeInitializeEvent(&flow.told, SynchronizationEvent, FALSE);
    flow.socket = wt_connected(AF_INET, &flow, &both, &flow.peer);
    EXPECT_STATUS(wt_events(flow.socket, WSK_EVENT_RECEIVE | WSK_EVENT_SEND_BACKLOG, NULL), STATUS_SUCCESS);
    send_buffer(flow.socket, 200000);
    some(&flow);
    first = query(flow.socket);
    send_buffer(flow.socket, 4096);
    peer_send(flow.peer, "x", 1);
    wait_told(&flow);
    EXPECT_STATUS(wt_wait(&late_send), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&late_query), STATUS_SUCCESS);
    EXPECT(late_ideal < first);
    EXPECT_EQ(query(flow.socket), late_ideal);
    flow_close(&flow);
    EXPECT_EQ(flow.calls, 0);
    wt_buffer_free(&late_bytes);
    wt_op_free(&late_query);
    wt_op_free(&late_send);
    wt_op_free(&op);
}
