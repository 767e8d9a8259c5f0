/*
 * test_table.c - the one transition function, every (category, state, event).
 *
 * What is legal is written down once more here, as a list; everything else must be refused.
 */
#include "line.h"

#include "wsk/wskp.h"

TEST_FIXTURE(wt_setup, wt_teardown);
TEST_MATRIX(WT_TWO_MODES);

static const struct {
    int category; /* -1 = every one */
    int from, event, to;
} legal[] = {
    {WSK_CONNECTION, WSK_STATE_OPEN, WSK_EV_BIND, WSK_STATE_BOUND},
    {WSK_DATAGRAM, WSK_STATE_OPEN, WSK_EV_BIND, WSK_STATE_BOUND},
    {WSK_STREAM, WSK_STATE_OPEN, WSK_EV_BIND, WSK_STATE_BOUND},
    {WSK_LISTEN, WSK_STATE_OPEN, WSK_EV_LISTEN, WSK_STATE_LISTENING},
    {WSK_STREAM, WSK_STATE_BOUND, WSK_EV_LISTEN, WSK_STATE_LISTENING}, /* R-LISTEN-02 */
    {WSK_STREAM, WSK_STATE_BOUND, WSK_EV_CONNECT, WSK_STATE_CONNECTING},
    {WSK_CONNECTION, WSK_STATE_BOUND, WSK_EV_CONNECT, WSK_STATE_CONNECTING},
    {WSK_CONNECTION, WSK_STATE_OPEN, WSK_EV_ACCEPTED, WSK_STATE_CONNECTED},
    {-1, WSK_STATE_CONNECTING, WSK_EV_CONNECT_OK, WSK_STATE_CONNECTED},
    {-1, WSK_STATE_CONNECTING, WSK_EV_CONNECT_FAILED, WSK_STATE_BOUND},
    {-1, WSK_STATE_CONNECTED, WSK_EV_DIED, WSK_STATE_DEAD},
    {-1, WSK_STATE_LISTENING, WSK_EV_DIED, WSK_STATE_DEAD},
    {-1, WSK_STATE_OPEN, WSK_EV_CLOSED, WSK_STATE_CLOSED}, /* C-CLOSE-07: in every state */
    {-1, WSK_STATE_BOUND, WSK_EV_CLOSED, WSK_STATE_CLOSED},
    {-1, WSK_STATE_LISTENING, WSK_EV_CLOSED, WSK_STATE_CLOSED},
    {-1, WSK_STATE_CONNECTING, WSK_EV_CLOSED, WSK_STATE_CLOSED},
    {-1, WSK_STATE_CONNECTED, WSK_EV_CLOSED, WSK_STATE_CLOSED},
    {-1, WSK_STATE_DEAD, WSK_EV_CLOSED, WSK_STATE_CLOSED},
};

TEST(every_state_and_event, "C-CLOSE-07 C-SOCK-08 C-SOCK-11 R-BIND-08 R-LISTEN-02 W-03")
{
    int category, state, event;
    unsigned i, found = 0;

    for (category = WSK_BASIC; category <= WSK_STREAM; category++) {
        for (state = WSK_STATE_OPEN; state <= WSK_STATE_CLOSED; state++) {
            for (event = WSK_EV_BIND; event <= WSK_EV_CLOSED; event++) {
                int expected = 0;

                for (i = 0; i < RTL_NUMBER_OF(legal); i++)
                    if ((legal[i].category == -1 || legal[i].category == category) &&
                        legal[i].from == state && legal[i].event == event)
                        expected = legal[i].to;
                EXPECT_EQ(wsk_transition((UCHAR)category, (UCHAR)state, (enum wsk_event)event), expected);
                found += expected != 0;
            }
        }
    }
    EXPECT_EQ(found, 8 + 10 * 5);
    EXPECT_EQ(wsk_transition(WSK_CONNECTION, WSK_STATE_OPEN, (enum wsk_event)0), 0);
    EXPECT_EQ(wsk_transition(WSK_CONNECTION, WSK_STATE_OPEN, (enum wsk_event)99), 0);
}

/* ---- every function in every state that it is not for ------------------------------------------------- */

static struct wt_buffer buffer;

/* Calls function `n` of the connection table; the IRP's status, or -1 behind the last. */
static NTSTATUS call_connection(PWSK_SOCKET socket, int n, struct wt_op *op)
{
    const WSK_PROVIDER_CONNECTION_DISPATCH *table = wt_connection(socket);
    SOCKADDR_STORAGE address;

    switch (n) {
    case 0:
        wt_connect(socket, op, wt_loopback(&address, AF_INET, 9));
        break;
    case 1:
        wt_returned(op, table->WskGetLocalAddress(socket, (PSOCKADDR)&address, op->irp));
        break;
    case 2:
        wt_returned(op, table->WskGetRemoteAddress(socket, (PSOCKADDR)&address, op->irp));
        break;
    case 3:
        wt_send(socket, op, &buffer.buf, 0);
        break;
    case 4:
        wt_receive(socket, op, &buffer.buf, 0);
        break;
    case 5:
        wt_disconnect(socket, op, NULL, 0);
        break;
    case 6:
        wt_disconnect(socket, op, NULL, WSK_FLAG_ABORTIVE);
        break;
    case 7:
        wt_control(socket, op, WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0, NULL, 4, buffer.bytes);
        break;
    case 8:
        wt_bind(socket, op, wt_any(&address, AF_INET, 0));
        break;
    default:
        return -1;
    }
    return wt_wait(op);
}

TEST(functions_of_a_connection_before_it_is_one, "R-SEND-02 R-RECV-02 R-DISC-02 R-CONN-02 C-SOCK-14 D-01",
     TEST_MODES(WT_MODES))
{
    static const NTSTATUS unbound[] = {STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_INVALID_DEVICE_STATE,
                                       STATUS_SUCCESS,
                                       STATUS_SUCCESS};
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    unsigned n;

    wt_buffer_init(&buffer, 8);
    for (n = 0; n < RTL_NUMBER_OF(unbound); n++) {
        struct wt_op op;

        wt_op_init(&op);
        EXPECT_STATUS(call_connection(socket, n, &op), unbound[n]);
        wt_op_free(&op);
    }
    for (n = 2; n < 7; n++) { /* bound now */
        struct wt_op op;

        wt_op_init(&op);
        EXPECT_STATUS(call_connection(socket, n, &op), STATUS_INVALID_DEVICE_STATE);
        wt_op_free(&op);
    }
    wt_close_now(socket);
    wt_buffer_free(&buffer);
}

TEST(every_function_of_a_closed_socket,
     "R-BIND-03 R-CONN-04 R-SEND-07 R-RECV-09 R-DISC-10 R-LADDR-08 R-RADDR-06 R-CTLS-13 R-ACC-09 R-REL-05 "
     "C-CLOSE-35 "
     "C-CLOSE-36 D-01",
     TEST_MODES(WT_MODES))
{
    WSK_DATA_INDICATION list = {NULL, {NULL, 0, 0}};
    PWSK_SOCKET socket, listener;
    struct wt_op op;
    int n, peer, port;

    wt_buffer_init(&buffer, 8);
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_close_now(socket);
    wt_close_now(listener);
    for (n = 0; n < 9; n++) {
        wt_op_init(&op);
        EXPECT_STATUS(call_connection(socket, n, &op), STATUS_FILE_FORCED_CLOSED);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
    }
    wt_op_init(&op);
    EXPECT_STATUS(wt_accept(listener, &op, NULL, NULL, NULL, NULL), STATUS_FILE_FORCED_CLOSED);
    wt_again(&op);
    EXPECT_STATUS(wt_close(socket, &op), STATUS_FILE_FORCED_CLOSED);
    wt_again(&op);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &op), STATUS_FILE_FORCED_CLOSED);
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE, NULL), STATUS_FILE_FORCED_CLOSED);
    EXPECT_STATUS(wt_release(socket, &list), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    peer_close(peer);
}

TEST(every_function_of_no_socket_at_all, "W-04 D-01 R-REL-05", TEST_MODES(WT_MODES))
{
    static _Alignas(64) UCHAR nothing[sizeof(struct wsk_socket)];
    PWSK_SOCKET real = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL), wrong[2];
    const WSK_PROVIDER_CONNECTION_DISPATCH *table = wt_connection(real);
    SOCKADDR_STORAGE address;
    unsigned i;

    wt_loopback(&address, AF_INET, 9);
    wt_buffer_init(&buffer, 8);
    wrong[0] = NULL;
    wrong[1] = (PWSK_SOCKET)nothing;
    wrong[1]->Dispatch = table;
    for (i = 0; i < 2; i++) {
        struct wt_op op;

#define REFUSED(call)                                                                                        \
    wt_op_init(&op);                                                                                         \
    EXPECT_STATUS(wt_returned(&op, call), STATUS_INVALID_HANDLE);                                            \
    EXPECT_EQ(op.information, 0);                                                                            \
    wt_op_free(&op)
        REFUSED(table->WskBind(wrong[i], (PSOCKADDR)&address, 0, op.irp));
        REFUSED(table->WskConnect(wrong[i], (PSOCKADDR)&address, 0, op.irp));
        REFUSED(table->WskGetLocalAddress(wrong[i], (PSOCKADDR)&address, op.irp));
        REFUSED(table->WskGetRemoteAddress(wrong[i], (PSOCKADDR)&address, op.irp));
        REFUSED(table->WskSend(wrong[i], &buffer.buf, 0, op.irp));
        REFUSED(table->WskReceive(wrong[i], &buffer.buf, 0, op.irp));
        REFUSED(table->WskDisconnect(wrong[i], NULL, 0, op.irp));
        REFUSED(table->WskCloseSocket(wrong[i], op.irp));
        REFUSED(table->WskControlSocket(wrong[i], WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0, NULL, 4,
                                        buffer.bytes, NULL, op.irp));
        EXPECT_STATUS(table->WskControlSocket(wrong[i], WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0, NULL, 4,
                                              buffer.bytes, NULL, NULL),
                      STATUS_INVALID_HANDLE);
        EXPECT_STATUS(table->WskRelease(wrong[i], (PWSK_DATA_INDICATION)nothing), STATUS_INVALID_PARAMETER);
    }
    wt_close_now(real);
    wt_buffer_free(&buffer);
}

/* ---- the same of datagram sockets and of a listener's inspections ------------------------------------- */

/* Calls function `n` of the datagram table; the IRP's status, or -1 behind the last. */
static NTSTATUS call_datagram(PWSK_SOCKET socket, int n, struct wt_op *op)
{
    const WSK_PROVIDER_DATAGRAM_DISPATCH *table = wt_datagram(socket);
    SOCKADDR_STORAGE address;
    WSK_BUF_LIST list = {NULL, buffer.buf};

    switch (n) {
    case 0:
        wt_send_to(socket, op, &buffer.buf, wt_loopback(&address, AF_INET, 9), 0, NULL);
        break;
    case 1:
        wt_send_messages(socket, op, &list, wt_loopback(&address, AF_INET, 9));
        break;
    case 2:
        wt_receive_from(socket, op, &buffer.buf, NULL, NULL, NULL, NULL);
        break;
    case 3:
        wt_returned(op, table->WskGetLocalAddress(socket, (PSOCKADDR)&address, op->irp));
        break;
    case 4:
        wt_control(socket, op, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, sizeof(SOCKADDR_IN),
                   wt_loopback(&address, AF_INET, 9), 0, NULL);
        break;
    case 5:
        wt_control(socket, op, WskIoctl, SIO_WSK_SET_SENDTO_ADDRESS, 0, sizeof(SOCKADDR_IN),
                   wt_loopback(&address, AF_INET, 9), 0, NULL);
        break;
    case 6:
        wt_events(socket, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE, op);
        break;
    case 7:
        wt_bind(socket, op, wt_any(&address, AF_INET, 0));
        break;
    default:
        return -1;
    }
    return wt_wait(op);
}

TEST(functions_of_a_datagram_socket_before_it_is_bound_and_after_it_is_closed,
     "C-DATA-04 R-SENDTO-08 R-RECVFROM-14 R-SENDMSGS-07 R-REL-05 C-CLOSE-35 D-01", TEST_MODES(WT_CALM_MODES))
{
    static WSK_DATAGRAM_INDICATION unknown;
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    WSK_BUF_LIST list;
    struct wt_op op;
    int n;

    wt_buffer_init(&buffer, 8);
    wt_op_init(&op);
    for (n = 0; n < 7; n++) {
        EXPECT_STATUS(call_datagram(socket, n, &op), STATUS_INVALID_DEVICE_STATE);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
    }
    EXPECT_STATUS(call_datagram(socket, 7, &op), STATUS_SUCCESS);
    wt_again(&op);
    EXPECT_STATUS(wt_send_to(socket, &op, &buffer.buf, NULL, 0, NULL),
                  STATUS_INVALID_PARAMETER); /* R-SENDTO-03 */
    wt_again(&op);
    list.Next = NULL;
    list.Buffer = buffer.buf;
    EXPECT_STATUS(wt_send_messages(socket, &op, &list, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_send_messages(socket, &op, NULL, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_release_datagrams(socket, &unknown), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(call_datagram(socket, 7, &op), STATUS_INVALID_DEVICE_STATE); /* a second bind */
    wt_close_now(socket);
    for (n = 0; n < 8; n++) {
        wt_again(&op);
        EXPECT_STATUS(call_datagram(socket, n, &op), STATUS_FILE_FORCED_CLOSED);
        EXPECT_EQ(op.information, 0);
    }
    EXPECT_STATUS(wt_release_datagrams(socket, &unknown), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

TEST(functions_of_no_datagram_socket_at_all, "W-04 D-01 R-REL-05", TEST_MODES(WT_CALM_MODES))
{
    static _Alignas(64) UCHAR nothing[sizeof(struct wsk_socket)];
    PWSK_SOCKET real = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    PWSK_SOCKET wrong = (PWSK_SOCKET)nothing;
    static WSK_DATAGRAM_INDICATION unknown;
    struct wt_op op;
    int n;

    wrong->Dispatch = real->Dispatch;
    wt_buffer_init(&buffer, 8);
    wt_op_init(&op);
    for (n = 0; n < 8; n++) {
        EXPECT_STATUS(call_datagram(wrong, n, &op), STATUS_INVALID_HANDLE);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
    }
    EXPECT_STATUS(wt_release_datagrams(wrong, &unknown), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(real);
}

TEST(inspections_of_a_listener_that_does_not_inspect, "R-INSP-20 C-CLOSE-35 W-04 D-01", TEST_MODES(WT_MODES))
{
    static _Alignas(64) UCHAR nothing[sizeof(struct wsk_socket)];
    WSK_INSPECT_ID id = {0, 0};
    PWSK_SOCKET open = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL), bound;
    const WSK_PROVIDER_LISTEN_DISPATCH *table = wt_listen(open);
    struct wt_op op;
    int port;

    bound = wt_listener(AF_INET, NULL, NULL, &port);
    wt_op_init(&op);
#define INSPECTED(socket, id, action, status)                                                                \
    EXPECT_STATUS(wt_returned(&op, table->WskInspectComplete(socket, id, action, op.irp)), status);          \
    EXPECT_EQ(op.information, 0);                                                                            \
    wt_again(&op)
    INSPECTED(open, &id, WskInspectAccept, STATUS_INVALID_DEVICE_STATE);
    INSPECTED(bound, &id, WskInspectReject, STATUS_INVALID_DEVICE_STATE);
    INSPECTED(bound, NULL, WskInspectReject, STATUS_INVALID_PARAMETER);
    INSPECTED(bound, &id, WskInspectPend, STATUS_INVALID_PARAMETER);
    INSPECTED(bound, &id, (WSK_INSPECT_ACTION)77, STATUS_INVALID_PARAMETER);
    INSPECTED((PWSK_SOCKET)nothing, &id, WskInspectAccept, STATUS_INVALID_HANDLE);
    wt_close_now(bound);
    INSPECTED(bound, &id, WskInspectAccept, STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    wt_close_now(open);
}
