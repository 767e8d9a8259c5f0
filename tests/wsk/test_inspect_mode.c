/*
 * test_inspect_mode.c - what conditional accept depends on: the option alone; and a listener that has died.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_CALM_FIXTURE;

static volatile LONG inspects, deaths;

static WSK_INSPECT_ACTION WSKAPI inspect_event(PVOID context, PSOCKADDR local, PSOCKADDR remote,
                                               PWSK_INSPECT_ID id)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(local);
    UNREFERENCED_PARAMETER(remote);
    InterlockedIncrement(id != NULL ? &inspects : &deaths);
    return WskInspectReject;
}

static NTSTATUS WSKAPI abort_event(PVOID context, PWSK_INSPECT_ID id)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(id);
    uwsk_test_fail(__FILE__, __LINE__, "nothing was accepted");
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI accept_event(PVOID context, ULONG flags, PSOCKADDR local, PSOCKADDR remote,
                                    PWSK_SOCKET socket, PVOID *socket_context,
                                    const WSK_CLIENT_CONNECTION_DISPATCH **table)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(flags);
    UNREFERENCED_PARAMETER(local);
    UNREFERENCED_PARAMETER(remote);
    UNREFERENCED_PARAMETER(socket_context);
    UNREFERENCED_PARAMETER(table);
    EXPECT(socket == NULL); /* all are rejected; a dead listener is told here, too */
    return STATUS_REQUEST_NOT_ACCEPTED;
}

static const WSK_CLIENT_LISTEN_DISPATCH dispatch = {accept_event, inspect_event, abort_event};

static PWSK_SOCKET open_conditional(int *port)
{
    PWSK_SOCKET listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, &dispatch);
    SOCKADDR_STORAGE address;
    ULONG on = 1;
    struct wt_op op;

    wt_op_init(&op);
    wt_control(listener, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof on, &on, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_bind(listener, &op, wt_loopback(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_listen(listener)->WskGetLocalAddress(listener, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    *port = wt_port(&address);
    wt_op_free(&op);
    return listener;
}

static void knock(int port)
{
    LONG before = line_read(&inspects);
    int peer = peer_connect(PEER_INET, port, 5000);

    EXPECT_SOON(line_read(&inspects) == before + 1);
    if (peer >= 0) /* else the reset was there before connect() had returned */
        peer_close(peer);
}

TEST(the_mode_cannot_be_switched_like_an_event, "C-EVT-19 C-OPT-07")
{
    PWSK_SOCKET listener;
    ULONG off = 0;
    struct wt_op op;
    int port;

    listener = open_conditional(&port);
    knock(port); /* no event was enabled */
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    knock(port);
    line_disable(listener, WSK_EVENT_ACCEPT);
    knock(port); /* nor does it go with the others */
    wt_op_init(&op);
    wt_control(listener, &op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof off, &off, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_INVALID_DEVICE_STATE);
    wt_op_free(&op);
    knock(port);
    EXPECT_EQ(deaths, 0);
    wt_close_now(listener);
}

static struct transport_ops faulty;
static const struct transport_ops *sound;

static int32_t failing_accept(struct transport_socket *socket, struct transport_connection_op *op)
{
    UNREFERENCED_PARAMETER(socket);
    UNREFERENCED_PARAMETER(op);
    return STATUS_NETWORK_UNREACHABLE;
}

TEST(the_inspection_tells_of_a_dead_listener, "C-INSPECT-09 R-INSP-20 C-LISTEN-08")
{
    WSK_INSPECT_ID id = {1, 1};
    PWSK_SOCKET listener;
    struct wt_op op;
    int port;

    sound = wsk_settings.ops; /* nothing in Linux kills a listener: the transport is made to say so */
    faulty = *sound;
    faulty.accept = failing_accept;
    wsk_settings.ops = &faulty;
    listener = open_conditional(&port);
    EXPECT_SOON(line_read(&deaths) == 1);
    wt_op_init(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_listen(listener)->WskInspectComplete(listener, &id, WskInspectAccept, op.irp)),
        STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    test_sleep_ms(5);
    EXPECT_EQ(line_read(&deaths), 1); /* once */
    wt_close_now(listener);
}
