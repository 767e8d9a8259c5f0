/*
 * test_events.c - SO_WSK_EVENT_CALLBACK: what may be enabled where and when, disabling while a callback runs,
 * static callbacks.
 */
#include "line.h"

WT_FIXTURE;

/* ---- what, where, when -------------------------------------------------------------------------------- */

static const WSK_CLIENT_LISTEN_DISPATCH no_accept;

TEST(masks_that_fit_no_category,
     "C-EVT-03 C-EVT-04 C-EVT-06 C-EVT-13 C-EVT-23 C-OPT-26 R-CTLS-17 R-CTLS-18 D-01")
{
    static const ULONG for_connections[] = {0, WSK_EVENT_ACCEPT, WSK_EVENT_RECEIVE_FROM, 1,
                                            WSK_EVENT_RECEIVE | WSK_EVENT_ACCEPT};
    static const ULONG for_listeners[] = {0, WSK_EVENT_RECEIVE_FROM, 2,
                                          WSK_EVENT_RECEIVE | WSK_EVENT_RECEIVE_FROM};
    PWSK_SOCKET basic = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL), listener;
    struct line line;
    struct wt_op op;
    unsigned i;
    int port;

    line_open(&line, AF_INET, 0);
    listener = wt_listener(AF_INET, NULL, &no_accept, &port);
    for (i = 0; i < RTL_NUMBER_OF(for_connections); i++)
        EXPECT_STATUS(wt_events(line.socket, for_connections[i], NULL), STATUS_INVALID_PARAMETER);
    for (i = 0; i < RTL_NUMBER_OF(for_listeners); i++)
        EXPECT_STATUS(wt_events(listener, for_listeners[i], NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_events(basic, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_INVALID_PARAMETER); /* no function */
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_SEND_BACKLOG, NULL), STATUS_INVALID_PARAMETER);
    wt_op_init(&op); /* enabling takes no IRP */
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, &op), STATUS_INVALID_PARAMETER);
    wt_again(&op); /* disabling only one at a time */
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_DISABLE, &op),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISABLE, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS); /* once more */
    wt_op_free(&op);
    wt_close_now(basic);
    wt_close_now(listener);
    line_close(&line);
}

TEST(interfaces_that_define_no_callbacks, "C-EVT-12 R-CTLS-19")
{
    static const NPIID other = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    static const NPIID same = {0x2227e803, 0x8d8b, 0x11d4, {0xab, 0xad, 0x00, 0x90, 0x27, 0x71, 0x9e, 0x09}};
    WSK_EVENT_CALLBACK_CONTROL control = {(PNPIID)&other, WSK_EVENT_RECEIVE};
    struct line line;

    line_open(&line, AF_INET, 0);
    EXPECT_STATUS(wt_control(line.socket, NULL, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                             sizeof control, &control, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    control.NpiId = NULL;
    EXPECT_STATUS(wt_control(line.socket, NULL, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                             sizeof control, &control, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    control.NpiId = (PNPIID)&same; /* the value counts, not the address */
    EXPECT_STATUS(wt_control(line.socket, NULL, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                             sizeof control, &control, 0, NULL),
                  STATUS_SUCCESS);
    line_close(&line);
}

TEST(events_too_early, "C-EVT-14 C-EVT-15 D-01")
{
    PWSK_SOCKET listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    PWSK_SOCKET connection = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, &line_dispatch);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    EXPECT_STATUS(wt_events(listener, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(wt_events(connection, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_STATE);
    wt_op_init(&op);
    wt_bind(connection, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_events(connection, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_events(connection, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &op),
                  STATUS_INVALID_DEVICE_STATE);
    wt_op_free(&op);
    wt_close_now(connection);
    wt_close_now(listener);
}

/* ---- disabling ---------------------------------------------------------------------------------------- */

TEST(disabling_while_nothing_runs, "C-EVT-07 C-EVT-08 C-EVT-11 R-CTLS-10")
{
    struct line line;
    struct wt_op op;
    char text[8];

    line_open(&line, AF_INET, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
    wt_op_init(&op);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL),
                  STATUS_SUCCESS); /* again */
    peer_send(line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(line.socket, text, 4, WSK_FLAG_WAITALL), 4); /* not one byte went astray */
    EXPECT(RtlEqualMemory(text, "data", 4));
    EXPECT_EQ(line.receives, 0);
    peer_shutdown(line.peer); /* the other is still on */
    EXPECT_SOON(line_read(&line.gracefuls) == 1);
    wt_op_free(&op);
    line_close(&line);
}

struct gate {
    volatile LONG inside, go;
    struct wt_op op;
    NTSTATUS inner;
};

static NTSTATUS stay(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    struct gate *gate = line->extra;
    long long until = test_now_ms() + 10000;

    UNREFERENCED_PARAMETER(accepted);
    line_keep(line, list, bytes);
    InterlockedExchange(&gate->inside, 1);
    while (!line_read(&gate->go) && test_now_ms() < until)
        YieldProcessor();
    return STATUS_SUCCESS;
}

TEST(disabling_while_a_callback_runs, "C-EVT-09 C-EVT-10 C-EVT-11 R-CTLS-10 R-CTLS-11 R-CTLS-12 D-03")
{
    int with_irp;

    for (with_irp = 0; with_irp < 2; with_irp++) {
        struct gate gate = {.inside = 0};
        struct wt_op other;
        struct line line;
        char text[4];

        line_open(&line, AF_INET, 0);
        line.extra = &gate;
        line.on_receive = stay;
        wt_op_init(&gate.op);
        wt_op_init(&other);
        EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT, NULL), STATUS_SUCCESS);
        peer_send(line.peer, "1", 1);
        EXPECT_SOON(line_read(&gate.inside));
        if (with_irp)
            EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &gate.op),
                          STATUS_PENDING);
        else
            EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL),
                          STATUS_EVENT_PENDING);
        /* Another kind does not run. */
        EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT | WSK_EVENT_DISABLE, &other),
                      STATUS_SUCCESS);
        test_sleep_ms(10);
        if (with_irp)
            EXPECT(!wt_is_done(&gate.op));
        InterlockedExchange(&gate.go, 1);
        if (with_irp) {
            EXPECT_STATUS(wt_wait(&gate.op), STATUS_SUCCESS);
            EXPECT(gate.op.pending_returned);
            EXPECT_EQ(line_read(&line.running), 0); /* after the last one has returned */
        }
        EXPECT_SOON(line_read(&line.receives) == 1);
        peer_send(line.peer, "2", 1);
        EXPECT_EQ(wt_receive_now(line.socket, text, 1, 0), 1);
        EXPECT_EQ(line.receives, 1);
        wt_op_free(&gate.op);
        wt_op_free(&other);
        line_close(&line);
    }
}

static NTSTATUS disable_inside(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    struct gate *gate = line->extra;

    UNREFERENCED_PARAMETER(accepted);
    line_keep(line, list, bytes);
    gate->inner =
        wt_events(line->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, line->step ? &gate->op : NULL);
    if (line->step)
        EXPECT(!wt_is_done(&gate->op));
    return STATUS_SUCCESS;
}

TEST(disabling_inside_the_callback_itself, "C-EVT-09 C-EVT-10 C-EVT-11 C-EVT-27 R-CTLS-10 R-CTLS-12 D-05")
{
    int with_irp;

    for (with_irp = 0; with_irp < 2; with_irp++) {
        struct gate gate = {.inside = 0};
        struct line line;
        char text[4];

        line_open(&line, AF_INET, 0);
        line.extra = &gate;
        line.step = with_irp;
        line.on_receive = disable_inside;
        wt_op_init(&gate.op);
        EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(line.peer, "1", 1);
        EXPECT_SOON(line_read(&line.receives) == 1);
        EXPECT_STATUS(gate.inner, with_irp ? STATUS_PENDING : STATUS_EVENT_PENDING);
        if (with_irp)
            EXPECT_STATUS(wt_wait(&gate.op), STATUS_SUCCESS);
        peer_send(line.peer, "2", 1);
        EXPECT_EQ(wt_receive_now(line.socket, text, 1, 0), 1);
        EXPECT_EQ(line.receives, 1);
        line.on_receive = NULL;
        EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(line.peer, "3", 1);
        EXPECT_SOON(line_read(&line.receives) == 2);
        wt_op_free(&gate.op);
        line_close(&line);
    }
}

TEST(a_pended_disable_is_cancelled, "K-CANCEL-01 C-IRP-01 C-EVT-09")
{
    struct gate gate = {.inside = 0};
    struct line line;

    line_open(&line, AF_INET, 0);
    line.extra = &gate;
    line.on_receive = stay;
    wt_op_init(&gate.op);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(line.peer, "1", 1);
    EXPECT_SOON(line_read(&gate.inside));
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &gate.op), STATUS_PENDING);
    EXPECT(IoCancelIrp(gate.op.irp));
    InterlockedExchange(&gate.go,
                        1); /* at DISPATCH_LEVEL the callback may hold the processor that completes */
    EXPECT_STATUS(wt_wait(&gate.op), STATUS_CANCELLED);
    EXPECT_SOON(line_read(&line.receives) == 1);
    wt_op_free(&gate.op);
    line_close(&line);
}

/* ---- static callbacks --------------------------------------------------------------------------------- */

static NTSTATUS set_static(ULONG mask)
{
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, mask};

    return wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS, sizeof control,
                                             &control, 0, NULL, NULL, NULL);
}

static struct line *accepted_line;

static NTSTATUS WSKAPI accept_static(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                     PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                     PVOID *AcceptSocketContext,
                                     CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    EXPECT(SocketContext == accepted_line);
    accepted_line->socket = AcceptSocket;
    *AcceptSocketContext = accepted_line;
    *AcceptSocketDispatch = &line_dispatch;
    return STATUS_SUCCESS;
}
static const WSK_CLIENT_LISTEN_DISPATCH static_listen = {.WskAcceptEvent = accept_static};

TEST(static_callbacks_are_on_from_the_beginning,
     "C-EVT-20 C-EVT-21 C-CTLC-12 C-CTLC-14 R-CTLC-07 R-SOCK-20 R-SCON-11")
{
    struct line line, second;
    PWSK_SOCKET listener;
    struct wt_op op;
    int port;

    EXPECT_STATUS(
        set_static(WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_RECEIVE_FROM),
        STATUS_SUCCESS);
    line_init(&line);
    line.socket = wt_connected(AF_INET, &line, &line_dispatch, &line.peer);
    peer_send(line.peer, "data", 4);
    EXPECT_SOON(line_read(&line.bytes) == 4); /* nobody has enabled anything */
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    wt_op_init(&op);
    EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_DISCONNECT | WSK_EVENT_DISABLE, &op),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(set_static(WSK_EVENT_SEND_BACKLOG), STATUS_INVALID_DEVICE_STATE); /* too late */

    accepted_line = &second; /* accept event and the accepted socket's, too */
    line_init(&second);
    listener = wt_listener(AF_INET, &second, &static_listen, &port);
    second.peer = peer_connect(PEER_INET, port, 5000);
    peer_send(second.peer, "more", 4);
    EXPECT_SOON(line_read(&second.bytes) == 4);
    peer_shutdown(second.peer);
    EXPECT_SOON(line_read(&second.gracefuls) == 1);
    wt_op_free(&op);
    wt_close_now(listener);
    line_close(&second);
    line_close(&line);
}

TEST(static_callbacks_without_a_function_stay_off, "C-EVT-20 R-SOCK-14")
{
    PWSK_SOCKET socket;
    char text[4];
    int peer;

    EXPECT_STATUS(set_static(WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT), STATUS_SUCCESS);
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    peer_send(peer, "data", 4);
    EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
    wt_close_now(socket);
    peer_close(peer);
}

TEST(static_requests_that_are_wrong, "C-CTLC-12 R-CTLC-10 R-CTLC-13")
{
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, WSK_EVENT_RECEIVE};
    struct wt_op op;

    EXPECT_STATUS(set_static(0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_static(WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set_static(1), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                    sizeof control - 1, &control, 0, NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS, 0, NULL, 0,
                                                    NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_op_init(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                           sizeof control, &control, 0, NULL, NULL, op.irp)),
        STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
}
