/*
 * test_of_others.c - what belongs to another socket of the same driver: its datagrams, its inspections.  Nobody else can
 * release or decide them, and they stay its own.
 */
#include "wsk_test.h"

#include "wsk/wskp.h"

TEST_FIXTURE(wt_setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX(WT_TWO_MODES);
#else
TEST_MATRIX(WT_TWO_MODES " natural/dispatch/uring");
#endif

static void succeeds(struct wt_op *op)
{
    EXPECT_STATUS(wt_wait(op), STATUS_SUCCESS);
    wt_again(op);
}

/* ---- datagrams ----------------------------------------------------------------------------------------- */

static struct keeper {
    PWSK_SOCKET socket;
    int port;
    PWSK_DATAGRAM_INDICATION kept[4];
    volatile LONG count;
} keepers[2];

static NTSTATUS WSKAPI keep_datagrams(PVOID context, ULONG flags, PWSK_DATAGRAM_INDICATION list)
{
    struct keeper *keeper = context;

    UNREFERENCED_PARAMETER(flags);
    while (list != NULL) {
        PWSK_DATAGRAM_INDICATION next = list->Next;

        list->Next = NULL;
        EXPECT(keeper->count < 4);
        keeper->kept[keeper->count] = list;
        InterlockedIncrement(&keeper->count);
        list = next;
    }
    return STATUS_PENDING;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH keeping = {keep_datagrams};

TEST(datagrams_of_another_socket, "R-REL-05 D-14")
{
    int peer, peer_port = 0, connected_peer, i;
    PWSK_SOCKET connection = wt_connected(AF_INET, NULL, NULL, &connected_peer), a, b;

    peer = peer_datagram(PEER_INET, &peer_port);
    for (i = 0; i < 2; i++) {
        RtlZeroMemory(&keepers[i], sizeof keepers[i]);
        keepers[i].socket = wt_datagrams(AF_INET, &keepers[i], &keeping, &keepers[i].port);
        EXPECT_STATUS(wt_events(keepers[i].socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        peer_datagram_send(peer, keepers[i].port, "one", 3);
        peer_datagram_send(peer, keepers[i].port, "two", 3);
        EXPECT_SOON(ReadAcquire(&keepers[i].count) == 2);
        wt_events(keepers[i].socket, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE, NULL);
    }
    a = keepers[0].socket;
    b = keepers[1].socket;
    EXPECT_STATUS(wt_release_datagrams(a, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_release_datagrams(a, keepers[1].kept[0]), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_release_datagrams(b, keepers[0].kept[1]), STATUS_INVALID_PARAMETER);
    /* Through another kind of socket, through the other kind of function. */
    EXPECT_STATUS(wsk_datagram_dispatch.WskRelease(connection, keepers[0].kept[0]), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wsk_connection_dispatch.WskRelease(a, (PWSK_DATA_INDICATION)keepers[0].kept[0]),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wsk_connection_dispatch.WskRelease(connection, (PWSK_DATA_INDICATION)keepers[0].kept[0]),
                  STATUS_INVALID_PARAMETER);
    /* A list goes as far as its datagrams are the socket's own. */
    keepers[0].kept[0]->Next = keepers[1].kept[0];
    EXPECT_STATUS(wt_release_datagrams(a, keepers[0].kept[0]), STATUS_SUCCESS);
    EXPECT_STATUS(wt_release_datagrams(a, keepers[0].kept[0]), STATUS_INVALID_PARAMETER); /* twice */
    EXPECT_STATUS(wt_release_datagrams(b, keepers[1].kept[0]), STATUS_SUCCESS);           /* b has it still */
    EXPECT_STATUS(wt_release_datagrams(b, keepers[1].kept[0]), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_release_datagrams(b, keepers[1].kept[1]), STATUS_SUCCESS);
    EXPECT_STATUS(wt_release_datagrams(a, keepers[0].kept[1]), STATUS_SUCCESS);
    wt_close_now(a);
    wt_close_now(b);
    wt_close_now(connection);
    peer_close(connected_peer);
    peer_close(peer);
}

/* ---- inspections -------------------------------------------------------------------------------------- */

static struct gate {
    PWSK_SOCKET listener;
    int port;
    WSK_INSPECT_ID ids[2];
    volatile LONG count;
} gates[2];

static WSK_INSPECT_ACTION WSKAPI pend(PVOID context, PSOCKADDR local, PSOCKADDR remote, PWSK_INSPECT_ID id)
{
    struct gate *gate = context;

    UNREFERENCED_PARAMETER(local);
    UNREFERENCED_PARAMETER(remote);
    EXPECT(gate->count < 2 && id != NULL);
    gate->ids[gate->count] = *id;
    InterlockedIncrement(&gate->count);
    return WskInspectPend;
}

static NTSTATUS WSKAPI aborted(PVOID context, PWSK_INSPECT_ID id)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(id);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH pending = {NULL, pend, aborted};

static void inspect_ends(struct gate *gate, WSK_INSPECT_ID id, WSK_INSPECT_ACTION action, NTSTATUS expected)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, wt_listen(gate->listener)->WskInspectComplete(gate->listener, &id, action, op.irp));
    EXPECT_STATUS(wt_wait(&op), expected);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
}

static void gate_open(struct gate *gate)
{
    SOCKADDR_STORAGE address;
    ULONG on = 1;
    struct wt_op op;

    RtlZeroMemory(gate, sizeof *gate);
    gate->listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, gate, &pending);
    wt_op_init(&op);
    wt_control(gate->listener, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof on, &on, 0, NULL);
    succeeds(&op);
    wt_bind(gate->listener, &op, wt_loopback(&address, AF_INET, 0));
    succeeds(&op);
    wt_returned(&op,
                wt_listen(gate->listener)->WskGetLocalAddress(gate->listener, (PSOCKADDR)&address, op.irp));
    succeeds(&op);
    gate->port = wt_port(&address);
    wt_op_free(&op);
}

TEST(requests_of_another_listener, "R-INSP-20 D-01")
{
    static const WSK_INSPECT_ACTION actions[] = {WskInspectAccept, WskInspectReject};
    WSK_INSPECT_ID mixed;
    PWSK_SOCKET accepted;
    struct wt_op op;
    int peers[2][2];
    char text[2];
    unsigned i, k;

    for (i = 0; i < 2; i++) {
        gate_open(&gates[i]);
        for (k = 0; k < 2; k++) {
            peers[i][k] = peer_connect(PEER_INET, gates[i].port, 5000);
            EXPECT(peers[i][k] >= 0);
            EXPECT_SOON(ReadAcquire(&gates[i].count) == (LONG)k + 1);
        }
    }
    for (i = 0; i < 2; i++) {
        for (k = 0; k < 2; k++) {
            inspect_ends(&gates[i], gates[!i].ids[k], actions[k], STATUS_NOT_FOUND);
            inspect_ends(&gates[i], gates[!i].ids[!k], actions[k], STATUS_NOT_FOUND);
        }
        mixed = gates[i].ids[0]; /* of two requests of this very listener */
        mixed.SerialNumber = gates[i].ids[1].SerialNumber;
        inspect_ends(&gates[i], mixed, WskInspectAccept, STATUS_NOT_FOUND);
        mixed.Key = gates[!i].ids[0].Key;
        inspect_ends(&gates[i], mixed, WskInspectReject, STATUS_NOT_FOUND);
    }
    /* Each is still its listener's to decide, and then over, accepted, closed or rejected. */
    for (i = 0; i < 2; i++) {
        inspect_ends(&gates[i], gates[i].ids[0], WskInspectAccept, STATUS_SUCCESS);
        inspect_ends(&gates[i], gates[i].ids[1], WskInspectReject, STATUS_SUCCESS);
        peer_expect_reset(peers[i][1]);
        wt_op_init(&op);
        wt_accept(gates[i].listener, &op, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        accepted = (PWSK_SOCKET)op.information;
        for (k = 0; k < 2; k++) {
            inspect_ends(&gates[i], gates[i].ids[0], actions[k], STATUS_NOT_FOUND);
            inspect_ends(&gates[i], gates[i].ids[1], actions[k], STATUS_NOT_FOUND);
        }
        wt_send_now(accepted, "in", 2); /* a decision that comes too late does it no harm */
        peer_receive_all(peers[i][0], text, 2);
        wt_close_now(accepted);
        for (k = 0; k < 2; k++)
            inspect_ends(&gates[i], gates[i].ids[0], actions[k], STATUS_NOT_FOUND);
        wt_op_free(&op);
    }
    for (i = 0; i < 2; i++) {
        wt_close_now(gates[i].listener);
        for (k = 0; k < 2; k++)
            peer_close(peers[i][k]);
    }
}
