/*
 * test_state_table.c - every function in every state of every category, on real sockets; the transition function by
 * itself is walked in ../wsk/test_table.c.
 *
 * A row is a place: a socket brought to a state, again for each function, called there once.  Its cell says what comes
 * of it: the status, or PENDS.  What was refused leaves the state as it was; what succeeded moves it as the
 * transition function says.  Also functions of another category's table are called: a driver that mixes up its sockets
 * is refused (W-03, W-04), it does not take the runtime with it.
 */
#include "close_test.h"

WT_FIXTURE;

#define OK     STATUS_SUCCESS
#define STATE  STATUS_INVALID_DEVICE_STATE
#define CLOSED STATUS_FILE_FORCED_CLOSED
#define RST    STATUS_CONNECTION_RESET
#define ABRT   STATUS_CONNECTION_ABORTED
#define NO     STATUS_NOT_SUPPORTED
#define BAD    STATUS_INVALID_PARAMETER
#define REQ    STATUS_INVALID_DEVICE_REQUEST
#define PENDS  STATUS_PENDING
#define ALL_CLOSED                                                                                           \
    {                                                                                                        \
        CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED,      \
            CLOSED, CLOSED, CLOSED, CLOSED, CLOSED                                                           \
    }

enum function {
    BIND,
    CONNECT,
    ACCEPT,
    LISTEN,     /* WskListen */
    CONNECT_EX, /* without a buffer */
    LOCAL,      /* WskGetLocalAddress */
    REMOTE,     /* WskGetRemoteAddress */
    SEND,
    RECEIVE,
    FIN,    /* WskDisconnect, graceful */
    RESET,  /* WskDisconnect, abortive */
    GET,    /* an option that may be read at any time: SO_RCVBUF */
    SET,    /* an option that must come before the bind: SO_REUSEADDR */
    QUERY,  /* SIO_WSK_QUERY_RECEIVE_BACKLOG */
    ENABLE, /* WskReceiveEvent: on a listener for sockets to come */
    DISABLE,
    CLOSE,
    FUNCTIONS
};

/* ---- places ------------------------------------------------------------------------------------------- */

struct place {
    PWSK_SOCKET socket;
    int peer, port;
    struct wt_op pending, close;
    BOOLEAN is_pending, is_closing, is_closed;
    struct ct_gate gate;
};

static void receive_expects(struct place *place, NTSTATUS status)
{
    struct wt_buffer buffer;
    struct wt_op op;

    wt_buffer_init(&buffer, 8);
    wt_op_init(&op);
    wt_receive(place->socket, &op, &buffer.buf, 0);
    EXPECT_STATUS(wt_wait(&op), status);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

static void disconnect_now(struct place *place, ULONG flags)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_disconnect(place->socket, &op, NULL, flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static void basic(struct place *place)
{
    place->socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
}

static void listen_open(struct place *place)
{
    place->socket = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
}

static void listening(struct place *place)
{
    place->socket = wt_listener(AF_INET, NULL, NULL, &place->port);
}

static struct transport_ops faulty;
static const struct transport_ops *sound;
static volatile LONG accept_fails;

static int32_t failing_accept(struct transport_socket *socket, struct transport_connection_op *op)
{
    return ReadAcquire(&accept_fails) ? STATUS_NETWORK_UNREACHABLE : sound->accept(socket, op);
}

/* No network kills a listener: the transport is made to say so. */
static void watch_accepts(void)
{
    if (sound != NULL)
        return;
    sound = wsk_settings.ops;
    faulty = *sound;
    faulty.accept = failing_accept;
    wsk_settings.ops = &faulty;
}

static void accept_finds_it_dead(struct place *place)
{
    struct wt_op op;

    InterlockedExchange(&accept_fails, 1);
    wt_op_init(&op);
    wt_accept(place->socket, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_FILE_FORCED_CLOSED);
    wt_op_free(&op);
    InterlockedExchange(&accept_fails, 0);
}

static void listen_dead(struct place *place)
{
    watch_accepts();
    listening(place);
    accept_finds_it_dead(place);
}

static void open(struct place *place)
{
    place->socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, &place->gate, &ct_stander);
}

static void bound(struct place *place)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    open(place);
    wt_op_init(&op);
    wt_bind(place->socket, &op, wt_loopback(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static void connecting(struct place *place)
{
    SOCKADDR_STORAGE address;

    bound(place);
    wt_op_init(&place->pending);
    EXPECT_STATUS(wt_connect(place->socket, &place->pending,
                             wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET))),
                  STATUS_PENDING);
    place->is_pending = TRUE;
}

/* A connect that was refused: bound again. */
static void refused(struct place *place)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    bound(place);
    wt_op_init(&op);
    wt_connect(place->socket, &op, wt_loopback(&address, AF_INET, peer_closed_port(PEER_INET)));
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
    wt_op_free(&op);
}

static void connected(struct place *place)
{
    place->socket = wt_connected(AF_INET, &place->gate, &ct_stander, &place->peer);
}

static void accepted(struct place *place)
{
    place->socket = wt_accepted(AF_INET, &place->gate, &ct_stander, &place->peer);
}

static void peer_done(struct place *place)
{
    connected(place);
    peer_shutdown(place->peer);
    receive_expects(place, STATUS_SUCCESS);
}

static void self_done(struct place *place)
{
    connected(place);
    disconnect_now(place, 0);
    peer_expect_fin(place->peer);
}

static void both_done(struct place *place)
{
    self_done(place);
    peer_shutdown(place->peer);
    receive_expects(place, STATUS_SUCCESS);
}

static void was_reset(struct place *place)
{
    connected(place);
    peer_reset(place->peer);
    place->peer = -1;
    receive_expects(place, STATUS_CONNECTION_RESET);
}

static void aborted(struct place *place)
{
    connected(place);
    disconnect_now(place, WSK_FLAG_ABORTIVE);
}

/* Its close waits for a callback that stands still. */
static void closing(struct place *place)
{
    connected(place);
    InterlockedExchange(&place->gate.open, 0);
    EXPECT_STATUS(wt_events(place->socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    peer_send(place->peer, "x", 1);
    ct_await(&place->gate);
    wt_op_init(&place->close);
    EXPECT_STATUS(wt_close(place->socket, &place->close), STATUS_PENDING);
    place->is_closing = TRUE;
}

static void closed(struct place *place)
{
    connected(place);
    wt_close_now(place->socket);
    place->is_closed = TRUE;
}

static void listen_closed(struct place *place)
{
    listening(place);
    wt_close_now(place->socket);
    place->is_closed = TRUE;
}

static void basic_closed(struct place *place)
{
    basic(place);
    wt_close_now(place->socket);
    place->is_closed = TRUE;
}

/* ---- a stream socket in either role ---------------------------------------------------------------------- */

static const WSK_CLIENT_STREAM_DISPATCH stream_tables = {NULL, &ct_stander};

static void stream(struct place *place)
{
    place->socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, &place->gate, &stream_tables);
}

static void stream_bound(struct place *place)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    stream(place);
    wt_op_init(&op);
    wt_bind(place->socket, &op, wt_loopback(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static void stream_refused(struct place *place)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    stream_bound(place);
    wt_op_init(&op);
    wt_connect(place->socket, &op, wt_loopback(&address, AF_INET, peer_closed_port(PEER_INET)));
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
    wt_op_free(&op);
}

static void stream_connecting(struct place *place)
{
    SOCKADDR_STORAGE address;

    stream_bound(place);
    wt_op_init(&place->pending);
    EXPECT_STATUS(wt_connect(place->socket, &place->pending,
                             wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET))),
                  STATUS_PENDING);
    place->is_pending = TRUE;
}

static void stream_connected(struct place *place)
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    stream_bound(place);
    wt_op_init(&op);
    wt_connect(place->socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    place->peer = peer_accept(listener);
    peer_close(listener);
}

static void stream_reset(struct place *place)
{
    stream_connected(place);
    peer_reset(place->peer);
    place->peer = -1;
    receive_expects(place, STATUS_CONNECTION_RESET);
}

static void stream_listening(struct place *place)
{
    struct wt_op op;

    stream_bound(place);
    wt_op_init(&op);
    wt_returned(&op, wt_stream(place->socket)->WskListen(place->socket, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static void stream_dead(struct place *place)
{
    watch_accepts();
    stream_listening(place);
    accept_finds_it_dead(place);
}

static void stream_closed(struct place *place)
{
    stream_connected(place);
    wt_close_now(place->socket);
    place->is_closed = TRUE;
}

static void stream_listen_closed(struct place *place)
{
    stream_listening(place);
    wt_close_now(place->socket);
    place->is_closed = TRUE;
}

static void leave(struct place *place)
{
    if (place->is_closing) {
        ct_let_go(&place->gate);
        EXPECT_STATUS(wt_wait(&place->close), STATUS_SUCCESS);
        wt_op_free(&place->close);
    } else if (!place->is_closed) {
        wt_close_now(place->socket);
    }
    if (place->is_pending) {
        wt_wait(&place->pending);
        wt_op_free(&place->pending);
    }
    if (place->peer >= 0)
        peer_close(place->peer);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    void (*go)(struct place *place);
    int state;
    NTSTATUS expected[FUNCTIONS];
} rows[] = {
    /* clang-format off */
    /*                                                              BIND    CONNECT ACCEPT  LISTEN  CONN_EX LOCAL   REMOTE  SEND    RECEIVE FIN     RESET   GET     SET     QUERY   ENABLE  DISABLE CLOSE */
    {"basic", basic, WSK_STATE_OPEN,                               {STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  NO,     NO,     NO,     BAD,    BAD,    OK}},
    {"basic, closed", basic_closed, WSK_STATE_CLOSED,              ALL_CLOSED},
    {"listener", listen_open, WSK_STATE_OPEN,                      {OK,     STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     NO,     STATE,  STATE,  OK}},
    {"listening", listening, WSK_STATE_LISTENING,                  {STATE,  STATE,  PENDS,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  NO,     OK,     REQ,    OK}},
    {"listener, dead", listen_dead, WSK_STATE_DEAD,                {STATE,  STATE,  CLOSED, STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  NO,     OK,     REQ,    OK}},
    {"listener, closed", listen_closed, WSK_STATE_CLOSED,          ALL_CLOSED},
    {"connection", open, WSK_STATE_OPEN,                           {OK,     STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     STATE,  STATE,  STATE,  OK}},
    {"bound", bound, WSK_STATE_BOUND,                              {STATE,  OK,     STATE,  STATE,  OK,     OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"refused", refused, WSK_STATE_BOUND,                          {STATE,  OK,     STATE,  STATE,  OK,     OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"connecting", connecting, WSK_STATE_CONNECTING,               {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"connected", connected, WSK_STATE_CONNECTED,                  {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     OK,     PENDS,  OK,     OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"accepted", accepted, WSK_STATE_CONNECTED,                    {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     OK,     PENDS,  OK,     OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"the peer has finished", peer_done, WSK_STATE_CONNECTED,      {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     OK,     OK,     OK,     OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"we have finished", self_done, WSK_STATE_CONNECTED,           {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     STATE,  PENDS,  STATE,  OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"both have finished", both_done, WSK_STATE_CONNECTED,         {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     STATE,  OK,     STATE,  OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"reset by the peer", was_reset, WSK_STATE_DEAD,               {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     RST,    RST,    RST,    OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"aborted by us", aborted, WSK_STATE_DEAD,                     {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     ABRT,   ABRT,   ABRT,   OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"closing", closing, WSK_STATE_DEAD,                           ALL_CLOSED},
    {"closed", closed, WSK_STATE_CLOSED,                           ALL_CLOSED},
    {"stream", stream, WSK_STATE_OPEN,                             {OK,     STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     STATE,  STATE,  STATE,  OK}},
    {"stream, bound", stream_bound, WSK_STATE_BOUND,               {STATE,  OK,     STATE,  OK,     OK,     OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"stream, refused", stream_refused, WSK_STATE_BOUND,           {STATE,  OK,     STATE,  OK,     OK,     OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"stream, connecting", stream_connecting, WSK_STATE_CONNECTING,{STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  OK}},
    {"stream, connected", stream_connected, WSK_STATE_CONNECTED,   {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     OK,     PENDS,  OK,     OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"stream, reset", stream_reset, WSK_STATE_DEAD,                {STATE,  STATE,  STATE,  STATE,  STATE,  OK,     OK,     RST,    RST,    RST,    OK,     OK,     STATE,  OK,     OK,     OK,     OK}},
    {"stream, listening", stream_listening, WSK_STATE_LISTENING,   {STATE,  STATE,  PENDS,  STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  NO,     OK,     REQ,    OK}},
    {"stream listener, dead", stream_dead, WSK_STATE_DEAD,         {STATE,  STATE,  CLOSED, STATE,  STATE,  OK,     STATE,  STATE,  STATE,  STATE,  STATE,  OK,     STATE,  NO,     OK,     REQ,    OK}},
    {"stream, closed", stream_closed, WSK_STATE_CLOSED,            ALL_CLOSED},
    {"stream listener, closed", stream_listen_closed, WSK_STATE_CLOSED, ALL_CLOSED},
    /* clang-format on */
};

static const char *const names[] = {
    "WskBind",
    "WskConnect",
    "WskAccept",
    "WskListen",
    "WskConnectEx",
    "WskGetLocalAddress",
    "WskGetRemoteAddress",
    "WskSend",
    "WskReceive",
    "WskDisconnect",
    "WskDisconnect (abortive)",
    "SO_RCVBUF",
    "SO_REUSEADDR",
    "SIO_WSK_QUERY_RECEIVE_BACKLOG",
    "enable",
    "disable",
    "WskCloseSocket",
};

static int state_of(PWSK_SOCKET socket)
{
    struct wsk_socket *inside = wsk_socket_of(socket);
    KIRQL irql = wsk_lock(inside);
    int state = inside->state;

    ke_release_spin_lock(&inside->lock, irql);
    return state;
}

/* What it behaves as before the call: a stream socket may take its role in it. */
static UCHAR category_of(PWSK_SOCKET socket)
{
    struct wsk_socket *inside = wsk_socket_of(socket);
    KIRQL irql = wsk_lock(inside);
    UCHAR category = inside->category;

    ke_release_spin_lock(&inside->lock, irql);
    return category;
}

/* Where a function that succeeded leads. */
static int state_after(UCHAR category, int state, int function)
{
    int next = 0;

    if (function == BIND)
        next = wsk_transition(category, state, category == WSK_LISTEN ? WSK_EV_LISTEN : WSK_EV_BIND);
    if (function == LISTEN)
        next = wsk_transition(category, state, WSK_EV_LISTEN);
    if (function == CONNECT || function == CONNECT_EX)
        next = wsk_transition(category, wsk_transition(category, state, WSK_EV_CONNECT), WSK_EV_CONNECT_OK);
    if (function == RESET)
        next = wsk_transition(category, state, WSK_EV_DIED);
    if (function == CLOSE)
        next = WSK_STATE_CLOSED;
    return next != 0 ? next : state;
}

static struct wt_buffer buffer;
static SOCKADDR_STORAGE address;

static NTSTATUS call(PWSK_SOCKET socket, int function, struct wt_op *op, int port)
{
    const WSK_PROVIDER_CONNECTION_DISPATCH *table = &wsk_connection_dispatch;
    ULONG one = 1;

    switch (function) {
    case BIND:
        return wt_returned(op, table->WskBind(socket, wt_loopback(&address, AF_INET, 0), 0, op->irp));
    case CONNECT:
        return wt_returned(op, table->WskConnect(socket, wt_loopback(&address, AF_INET, port), 0, op->irp));
    case ACCEPT:
        return wt_returned(op, wsk_listen_dispatch.WskAccept(socket, 0, NULL, NULL, NULL, NULL, op->irp));
    case LISTEN:
        return wt_returned(op, wsk_stream_dispatch.WskListen(socket, op->irp));
    case CONNECT_EX:
        return wt_returned(
            op, table->WskConnectEx(socket, wt_loopback(&address, AF_INET, port), NULL, 0, op->irp));
    case LOCAL:
        return wt_returned(op, table->WskGetLocalAddress(socket, (PSOCKADDR)&address, op->irp));
    case REMOTE:
        return wt_returned(op, table->WskGetRemoteAddress(socket, (PSOCKADDR)&address, op->irp));
    case SEND:
        return wt_returned(op, table->WskSend(socket, &buffer.buf, 0, op->irp));
    case RECEIVE:
        return wt_returned(op, table->WskReceive(socket, &buffer.buf, 0, op->irp));
    case FIN:
        return wt_returned(op, table->WskDisconnect(socket, NULL, 0, op->irp));
    case RESET:
        return wt_returned(op, table->WskDisconnect(socket, NULL, WSK_FLAG_ABORTIVE, op->irp));
    case GET:
        return wt_control(socket, op, WskGetOption, SO_RCVBUF, SOL_SOCKET, 0, NULL, 4, buffer.bytes);
    case SET:
        return wt_control(socket, op, WskSetOption, SO_REUSEADDR, SOL_SOCKET, sizeof one, &one, 0, NULL);
    case QUERY:
        return wt_control(socket, op, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL, 8, buffer.bytes);
    case ENABLE: /* without an IRP (C-EVT-06) */
        return wt_events(socket, WSK_EVENT_RECEIVE, NULL);
    case DISABLE:
        return wt_events(socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, op);
    default:
        return wt_close(socket, op);
    }
}

static void check_cell(const struct row *row, int function)
{
    struct place place = {.peer = -1, .gate = {0, 1}};
    NTSTATUS expected = row->expected[function], status;
    int state, after, port = 0, listener = peer_listen(PEER_INET, &port);
    UCHAR category;
    struct wt_op op;

    row->go(&place);
    state = state_of(place.socket);
    category = category_of(place.socket);
    if (!place.is_closing)
        EXPECT_EQ(state, row->state);
    wt_op_init(&op);
    status = call(place.socket, function, &op, port);
    if (expected == PENDS && !wt_is_done(&op)) {
        test_sleep_ms(2);
        EXPECT(!wt_is_done(&op));
        IoCancelIrp(op.irp);
        expected = STATUS_CANCELLED;
    }
    if (function != ENABLE)
        status = wt_wait(&op);
    if (status != expected)
        uwsk_test_fail(__FILE__, __LINE__, "%s: %s answers 0x%08x, not 0x%08x", row->name, names[function],
                       status, expected);
    if (status != STATUS_SUCCESS && function != ENABLE)
        EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    if (function == CLOSE && expected == OK)
        place.is_closed = TRUE;
    after = expected == OK ? state_after(category, state, function) : state;
    if (state_of(place.socket) != after)
        uwsk_test_fail(__FILE__, __LINE__, "%s: %s leads to state %d, not %d", row->name, names[function],
                       state_of(place.socket), after);
    leave(&place);
    peer_close(listener);
}

TEST(every_function_in_every_state,
     "C-CLOSE-07 C-CLOSE-35 C-CLOSE-36 W-03 R-BIND-03 R-CONN-02 R-CONN-04 R-SEND-02 R-SEND-07 R-SEND-09 "
     "R-RECV-02 "
     "R-RECV-09 R-DISC-02 R-DISC-10 R-LADDR-03 R-LADDR-08 R-RADDR-03 R-RADDR-06 R-ACC-02 R-ACC-09 R-CTLS-13 "
     "R-LISTEN-02 R-LISTEN-04 R-LISTEN-05 R-CONNX-02 R-CONNX-10 R-CONN-05 R-CONN-06 "
     "C-DISC-04 C-EVT-13 C-EVT-14 C-EVT-15 C-EVT-17 C-OPT-14 C-OPT-36 C-IOCTL-24 C-SOCK-14 D-01",
     TEST_TIMEOUT(120))
{
    unsigned i;
    int function;

    C_ASSERT(RTL_NUMBER_OF(names) == FUNCTIONS);
    wt_buffer_init(&buffer, 8);
    for (i = 0; i < RTL_NUMBER_OF(rows); i++)
        for (function = 0; function < FUNCTIONS; function++)
            check_cell(&rows[i], function);
    wt_buffer_free(&buffer);
}
