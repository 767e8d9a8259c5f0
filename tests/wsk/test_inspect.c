/*
 * test_inspect.c - conditional accept: every decision, at once and later, requests that are dropped, closing.
 */
#include <uwsk/statistics.h>

#include "line.h"

#include "wsk/wskp.h"

WT_CALM_FIXTURE;

enum { MOST = 64 };

static struct {
    PWSK_SOCKET listener;
    int port;
    WSK_INSPECT_ACTION action; /* what the callback answers */
    volatile LONG running, inspects, aborts, accepts;
    WSK_INSPECT_ID ids[MOST], aborted[MOST];
    PWSK_SOCKET accepted[MOST];
    ADDRESS_FAMILY family;
    void (*inside)(void);              /* runs in the callback */
    void (*shown)(PWSK_SOCKET socket); /* runs in WskAcceptEvent */
} gate;

static WSK_INSPECT_ACTION WSKAPI inspect_event(PVOID context, PSOCKADDR local, PSOCKADDR remote,
                                               PWSK_INSPECT_ID id)
{
    WSK_INSPECT_ACTION action = gate.action; /* the test may change it when nothing runs */

    EXPECT_EQ(InterlockedIncrement(&gate.running), 1);
    EXPECT(context == &gate);
    EXPECT(id != NULL);
    EXPECT_EQ(local->sa_family, gate.family);
    EXPECT_EQ(wt_port(local), gate.port);
    EXPECT_EQ(remote->sa_family, gate.family);
    EXPECT(wt_port(remote) != 0);
    gate.ids[gate.inspects] = *id;
    if (gate.inside != NULL)
        gate.inside();
    InterlockedIncrement(&gate.inspects);
    InterlockedDecrement(&gate.running);
    return action;
}

static NTSTATUS WSKAPI abort_event(PVOID context, PWSK_INSPECT_ID id)
{
    EXPECT_EQ(InterlockedIncrement(&gate.running), 1);
    EXPECT(context == &gate);
    gate.aborted[gate.aborts] = *id;
    InterlockedIncrement(&gate.aborts);
    InterlockedDecrement(&gate.running);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI accept_event(PVOID context, ULONG flags, PSOCKADDR local, PSOCKADDR remote,
                                    PWSK_SOCKET socket, PVOID *socket_context,
                                    const WSK_CLIENT_CONNECTION_DISPATCH **dispatch)
{
    UNREFERENCED_PARAMETER(flags);
    UNREFERENCED_PARAMETER(local);
    UNREFERENCED_PARAMETER(remote);
    EXPECT_EQ(InterlockedIncrement(&gate.running), 1);
    EXPECT(context == &gate && socket != NULL);
    *socket_context = NULL;
    *dispatch = NULL;
    gate.accepted[gate.accepts] = socket;
    if (gate.shown != NULL)
        gate.shown(socket);
    InterlockedIncrement(&gate.accepts);
    InterlockedDecrement(&gate.running);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH dispatch = {accept_event, inspect_event, abort_event};

static void set_option(PWSK_SOCKET socket, ULONG value, NTSTATUS expected)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_control(socket, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof value, &value, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), expected);
    wt_op_free(&op);
}

static void gate_open(ADDRESS_FAMILY family, WSK_INSPECT_ACTION action, ULONG events)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    RtlZeroMemory(&gate, sizeof gate);
    gate.family = family;
    gate.action = action;
    gate.listener = wt_open(family, WSK_FLAG_LISTEN_SOCKET, &gate, &dispatch);
    set_option(gate.listener, 1, STATUS_SUCCESS);
    wt_op_init(&op);
    wt_bind(gate.listener, &op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op,
                wt_listen(gate.listener)->WskGetLocalAddress(gate.listener, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    gate.port = wt_port(&address);
    wt_op_free(&op);
    if (events != 0)
        EXPECT_STATUS(wt_events(gate.listener, events, NULL), STATUS_SUCCESS);
}

static void gate_close(void)
{
    LONG inspects, aborts;

    wt_close_now(gate.listener);
    inspects = gate.inspects;
    aborts = gate.aborts;
    EXPECT_EQ(line_read(&gate.running), 0);
    test_sleep_ms(2);
    EXPECT_EQ(line_read(&gate.inspects), inspects); /* C-CLOSE-18 */
    EXPECT_EQ(line_read(&gate.aborts), aborts);
}

static int knock(void)
{
    int peer = peer_connect(gate.family == AF_INET ? PEER_INET : PEER_INET6, gate.port, 5000);

    EXPECT(peer >= 0);
    return peer;
}

static NTSTATUS complete(const WSK_INSPECT_ID *id, WSK_INSPECT_ACTION action)
{
    WSK_INSPECT_ID copy = *id;
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_listen(gate.listener)->WskInspectComplete(gate.listener, &copy, action, op.irp));
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

static BOOLEAN same(const WSK_INSPECT_ID *a, const WSK_INSPECT_ID *b)
{
    return a->Key == b->Key && a->SerialNumber == b->SerialNumber;
}

/* Drops the request that was pended last: no abort has come before this one, for none of the others. */
static void expect_only_abort(int peer)
{
    peer_reset(peer);
    EXPECT_SOON(line_read(&gate.aborts) == 1 && line_read(&gate.running) == 0);
    EXPECT(same(&gate.aborted[0], &gate.ids[gate.inspects - 1]));
}

/* ---- decided at once ---------------------------------------------------------------------------------- */

TEST(accepted_requests_go_to_the_event,
     "C-INSPECT-02 C-INSPECT-03 C-INSPECT-10 R-INSP-02 R-INSP-06 R-INSP-11 "
     "C-OPT-06 C-IOCTL-21")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        int first, second;
        WSK_INSPECT_ID id;
        SIZE_T size = 0;

        gate_open(families[i], WskInspectAccept, WSK_EVENT_ACCEPT);
        first = knock();
        second = knock();
        EXPECT_SOON(line_read(&gate.accepts) == 2);
        EXPECT_EQ(gate.inspects, 2);
        EXPECT(!same(&gate.ids[0], &gate.ids[1]));
        EXPECT_STATUS(wt_basic(gate.accepted[0])
                          ->WskControlSocket(gate.accepted[0], WskIoctl, SIO_WSK_QUERY_INSPECT_ID, 0, 0, NULL,
                                             sizeof id, &id, &size, NULL),
                      STATUS_SUCCESS);
        EXPECT_EQ(size, sizeof id);
        EXPECT(same(&id, &gate.ids[0]) || same(&id, &gate.ids[1]));
        wt_close_now(gate.accepted[0]);
        wt_close_now(gate.accepted[1]);
        peer_close(first);
        peer_close(second);
        EXPECT_EQ(gate.aborts, 0);
        gate_close();
    }
}

TEST(accepted_requests_go_to_wsk_accept, "C-INSPECT-03 R-INSP-06")
{
    struct wt_op op;
    int peer;

    gate_open(AF_INET, WskInspectAccept, 0);
    wt_op_init(&op);
    EXPECT_STATUS(wt_accept(gate.listener, &op, NULL, NULL, NULL, NULL), STATUS_PENDING);
    peer = knock();
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(line_read(&gate.inspects), 1);
    peer_send(peer, "hello", 5);
    {
        char text[5];

        EXPECT_EQ(wt_receive_now((PWSK_SOCKET)op.information, text, 5, WSK_FLAG_WAITALL), 5);
        EXPECT(RtlEqualMemory(text, "hello", 5));
    }
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    peer_close(peer);
    gate_close();
}

TEST(what_came_before_the_decision_is_not_lost, "C-INSPECT-03 R-INSP-17")
{
    struct wt_op op;
    char text[8];
    int peer;

    gate_open(AF_INET, WskInspectPend, 0);
    peer = knock();
    peer_send(peer, "early", 5);
    peer_shutdown(peer);
    EXPECT_SOON(line_read(&gate.inspects) == 1 && line_read(&gate.running) == 0);
    wt_op_init(&op);
    wt_accept(gate.listener, &op, NULL, NULL, NULL, NULL);
    EXPECT(!wt_is_done(&op));
    EXPECT_STATUS(complete(&gate.ids[0], WskInspectAccept), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(wt_receive_now((PWSK_SOCKET)op.information, text, 5, WSK_FLAG_WAITALL), 5);
    EXPECT_EQ(wt_receive_now((PWSK_SOCKET)op.information, text, 5, 0), 0); /* its FIN */
    EXPECT_EQ(gate.aborts, 0);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    peer_close(peer);
    gate_close();
}

TEST(rejected_requests_are_reset, "C-INSPECT-04 R-INSP-08 R-ABRT-03")
{
    int peer;

    gate_open(AF_INET, WskInspectReject, WSK_EVENT_ACCEPT);
    peer = peer_connect(PEER_INET, gate.port, 5000);
    if (peer >= 0) { /* else the reset was there before connect() had returned */
        peer_expect_reset(peer);
        peer_close(peer);
    }
    EXPECT_SOON(line_read(&gate.inspects) == 1 && line_read(&gate.running) == 0);
    gate.action = WskInspectPend;
    peer = knock();
    EXPECT_SOON(line_read(&gate.inspects) == 2 && line_read(&gate.running) == 0);
    expect_only_abort(peer);
    EXPECT_EQ(line_read(&gate.accepts), 0);
    gate_close();
}

TEST(without_the_option_nobody_is_asked, "R-INSP-02 C-OPT-06 C-OPT-07 C-IOCTL-22")
{
    SOCKADDR_STORAGE address;
    WSK_INSPECT_ID id;
    struct wt_op op;
    SIZE_T size;
    int peer;

    gate_open(AF_INET, WskInspectReject, 0);
    set_option(gate.listener, 0, STATUS_INVALID_DEVICE_STATE); /* bound by now */
    wt_close_now(gate.listener);
    gate.listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, &gate, &dispatch);
    wt_op_init(&op);
    wt_bind(gate.listener, &op, wt_loopback(&address, AF_INET, gate.port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_accept(gate.listener, &op, NULL, NULL, NULL, NULL);
    peer = knock();
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(gate.inspects, 0);
    EXPECT_STATUS(wt_basic((PWSK_SOCKET)op.information)
                      ->WskControlSocket((PWSK_SOCKET)op.information, WskIoctl, SIO_WSK_QUERY_INSPECT_ID, 0,
                                         0, NULL, sizeof id, &id, &size, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(complete(&id, WskInspectAccept), STATUS_INVALID_DEVICE_STATE);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
    peer_close(peer);
    gate_close();
}

TEST(the_mode_needs_its_callbacks, "C-EVT-22 C-OPT-36")
{
    static const WSK_CLIENT_LISTEN_DISPATCH half = {accept_event, inspect_event, NULL};
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, &gate, &half);

    set_option(socket, 1, STATUS_INVALID_PARAMETER);
    wt_close_now(socket);
    socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    set_option(socket, 1, STATUS_NOT_SUPPORTED);
    wt_close_now(socket);
}

/* ---- decided later ------------------------------------------------------------------------------------ */

TEST(pended_requests_are_decided_later, "C-INSPECT-05 R-INSP-09 R-INSP-14 R-INSP-17 R-INSP-20")
{
    WSK_INSPECT_ID unknown;
    int peers[5];
    unsigned i;

    gate_open(AF_INET, WskInspectPend, WSK_EVENT_ACCEPT);
    for (i = 0; i < 5; i++) {
        peers[i] = knock();
        EXPECT_SOON(line_read(&gate.inspects) == (LONG)i + 1);
    }
    EXPECT_SOON(line_read(&gate.running) == 0);
    EXPECT_EQ(line_read(&gate.accepts), 0);
    unknown = gate.ids[0];
    unknown.SerialNumber += 1000;
    EXPECT_STATUS(complete(&unknown, WskInspectAccept), STATUS_NOT_FOUND);
    EXPECT_STATUS(complete(&gate.ids[0], WskInspectPend), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(complete(&gate.ids[2], WskInspectReject), STATUS_SUCCESS); /* in any order */
    peer_expect_reset(peers[2]);
    EXPECT_STATUS(complete(&gate.ids[0], WskInspectAccept), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&gate.accepts) == 1);
    EXPECT_STATUS(complete(&gate.ids[3], WskInspectAccept), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&gate.accepts) == 2);
    EXPECT_STATUS(complete(&gate.ids[3], WskInspectAccept), STATUS_NOT_FOUND); /* twice */
    wt_close_now(gate.accepted[0]);
    wt_close_now(gate.accepted[1]);
    expect_only_abort(peers[4]);
    gate_close(); /* one is still undecided */
    peer_expect_reset(peers[1]);
    for (i = 0; i < 4; i++)
        peer_close(peers[i]);
}

static KEVENT go_on;
static volatile LONG asked;

static void wait_inside(void)
{
    InterlockedIncrement(&asked);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT_STATUS(KeWaitForSingleObject(&go_on, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
}

TEST(decided_before_the_callback_has_returned, "C-INSPECT-05 R-INSP-16 R-INSP-17")
{
    static const WSK_INSPECT_ACTION actions[] = {WskInspectAccept, WskInspectReject};
    unsigned i;

    if (!test_mode_has("passive")) /* else the callback may not wait */
        return;
    for (i = 0; i < 2; i++) {
        int peer;

        KeInitializeEvent(&go_on, NotificationEvent, FALSE);
        asked = 0;
        gate_open(AF_INET, WskInspectPend, WSK_EVENT_ACCEPT);
        gate.inside = wait_inside; /* before anybody knocks */
        peer = knock();
        EXPECT_SOON(line_read(&asked) == 1);
        EXPECT_STATUS(complete(&gate.ids[0], actions[i]), STATUS_SUCCESS);
        EXPECT_STATUS(complete(&gate.ids[0], actions[i]), STATUS_NOT_FOUND);
        KeSetEvent(&go_on, 0, FALSE);
        if (actions[i] == WskInspectAccept) {
            EXPECT_SOON(line_read(&gate.accepts) == 1);
            wt_close_now(gate.accepted[0]);
        } else {
            peer_expect_reset(peer);
            EXPECT_EQ(line_read(&gate.accepts), 0);
        }
        peer_close(peer);
        gate_close();
    }
}

/* ---- dropped ------------------------------------------------------------------------------------------ */

TEST(dropped_requests_are_aborted,
     "C-INSPECT-07 C-INSPECT-08 R-INSP-07 R-INSP-18 R-INSP-19 R-ABRT-02 R-ABRT-04")
{
    int first, second;

    gate_open(AF_INET, WskInspectPend, WSK_EVENT_ACCEPT);
    first = knock();
    second = knock();
    EXPECT_SOON(line_read(&gate.inspects) == 2 && line_read(&gate.running) == 0);
    peer_reset(first);
    EXPECT_SOON(line_read(&gate.aborts) == 1);
    EXPECT(same(&gate.aborted[0], &gate.ids[0]));
    EXPECT_STATUS(complete(&gate.ids[0], WskInspectAccept), STATUS_NOT_FOUND); /* too late */
    peer_close(second); /* without a byte: it has given up, too */
    EXPECT_SOON(line_read(&gate.aborts) == 2);
    EXPECT(same(&gate.aborted[1], &gate.ids[1]));
    EXPECT_EQ(line_read(&gate.accepts), 0);
    gate_close();
}

TEST(accepted_and_dropped_before_the_hand_over, "R-INSP-07 R-ABRT-02")
{
    int peer;

    gate_open(AF_INET, WskInspectAccept, 0); /* nobody takes it */
    peer = knock();
    EXPECT_SOON(line_read(&gate.inspects) == 1 && line_read(&gate.running) == 0);
    peer_reset(peer);
    EXPECT_SOON(line_read(&gate.aborts) == 1);
    EXPECT(same(&gate.aborted[0], &gate.ids[0]));
    gate_close();
}

TEST(dropped_while_it_is_asked, "R-INSP-07 R-ABRT-02")
{
    int peer;

    if (!test_mode_has("passive")) /* else the callback may not wait */
        return;
    KeInitializeEvent(&go_on, NotificationEvent, FALSE);
    asked = 0;
    gate_open(AF_INET, WskInspectPend, WSK_EVENT_ACCEPT);
    gate.inside = wait_inside; /* before anybody knocks */
    peer = knock();
    EXPECT_SOON(line_read(&asked) == 1); /* dropped before that, nobody would ever hear of it */
    peer_reset(peer);
    KeSetEvent(&go_on, 0, FALSE);
    EXPECT_SOON(line_read(&gate.aborts) == 1);
    EXPECT_EQ(line_read(&gate.inspects), 1);
    gate_close();
}

static volatile LONG ends;

static VOID WSKAPI on_end(PVOID context, ULONG flags, NTSTATUS status)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(flags);
    EXPECT_STATUS(status, STATUS_CONNECTION_RESET);
    InterlockedIncrement(&ends);
}

static void extend_and_wait(PWSK_SOCKET socket)
{
    static const UWSK_STATISTICS_CLIENT_DISPATCH client = {on_end};
    WSK_EXTENSION_CONTROL_IN in = {&NPI_UWSK_STATISTICS_ID, NULL, &client};
    WSK_EXTENSION_CONTROL_OUT out;

    EXPECT_STATUS(
        wt_control(socket, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in, sizeof out, &out),
        STATUS_SUCCESS);
    wait_inside();
}

/* It is dead, and its lane has found nothing to do about it. */
static BOOLEAN has_died_unseen(PWSK_SOCKET handle)
{
    struct wsk_socket *socket = wsk_socket_of(handle);
    KIRQL irql = wsk_lock(socket);
    BOOLEAN answer = (socket->latches & WSK_LATCH_RESET) && socket->wanted == 0 &&
                     !socket->lanes[WSK_LANE_RECEIVE].scheduled &&
                     socket->lanes[WSK_LANE_RECEIVE].owner == NULL;

    ke_release_spin_lock(&socket->lock, irql);
    return answer;
}

TEST(reset_while_it_is_handed_over, "D-15 R-CTLS-21")
{
    int peer;

    if (!test_mode_has("passive")) /* else the callback may not wait */
        return;
    KeInitializeEvent(&go_on, NotificationEvent, FALSE);
    asked = ends = 0;
    gate_open(AF_INET, WskInspectAccept, WSK_EVENT_ACCEPT);
    gate.shown = extend_and_wait;
    peer = knock();
    EXPECT_SOON(line_read(&asked) == 1);
    peer_reset(peer);
    EXPECT_SOON(has_died_unseen(gate.accepted[0]));
    KeSetEvent(&go_on, 0, FALSE);
    EXPECT_SOON(line_read(&ends) == 1);
    EXPECT_SOON(line_read(&gate.accepts) == 1);
    wt_close_now(gate.accepted[0]);
    gate_close();
    EXPECT_EQ(line_read(&ends), 1);
}

/* ---- closed ------------------------------------------------------------------------------------------- */

static unsigned length_of(const LIST_ENTRY *list)
{
    struct wsk_socket *listener = wsk_socket_of(gate.listener);
    KIRQL irql = wsk_lock(listener);
    const LIST_ENTRY *link;
    unsigned length = 0;

    for (link = list->Flink; link != list; link = link->Flink)
        length++;
    ke_release_spin_lock(&listener->lock, irql);
    return length;
}

/* Pended, accepted, dropped after either, about to be asked about: while the callback is asked about one. */
TEST(close_with_requests_in_every_place, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-43 C-CLOSE-45")
{
    BOOLEAN stands = test_mode_has("passive"); /* else the callback may not wait, and dropped ones are told */
    unsigned i, count = stands ? 6 : 2;
    struct wsk_socket *listener;
    struct wt_op close;
    int peers[6];

    gate_open(AF_INET, WskInspectPend, 0);
    listener = wsk_socket_of(gate.listener);
    KeInitializeEvent(&go_on, NotificationEvent, FALSE);
    asked = 0;
    for (i = 0; i < count; i++) {
        if (i == 4)
            gate.inside = wait_inside;
        peers[i] = knock();
        EXPECT_SOON(i < 4 ? line_read(&gate.inspects) == (LONG)i + 1 && line_read(&gate.running) == 0
                          : line_read(&asked) == 1);
        if (i == 1 || i == 3)
            EXPECT_STATUS(complete(&gate.ids[i], WskInspectAccept), STATUS_SUCCESS); /* nobody takes it */
    }
    if (stands) {
        EXPECT_SOON(length_of(&listener->listen.fresh) == 1);
        peer_reset(peers[2]);
        peer_reset(peers[3]);
        EXPECT_SOON(length_of(&listener->listen.gone) == 2);
    }
    EXPECT_EQ(length_of(&listener->listen.pended), 1);
    EXPECT_EQ(length_of(&listener->listen.waiting), 1);
    wt_op_init(&close);
    wt_close(gate.listener, &close);
    EXPECT(!stands || !wt_is_done(&close));
    KeSetEvent(&go_on, 0, FALSE);
    EXPECT_STATUS(wt_wait(&close), STATUS_SUCCESS);
    wt_op_free(&close);
    EXPECT_EQ(gate.inspects, stands ? 5 : 2);
    EXPECT_EQ(gate.aborts,
              0); /* two were due, and one more came after the callback that close has waited for */
    for (i = 0; i < count; i++) {
        if (i == 2 || i == 3)
            continue;
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
}
