/*
 * test_extension.c - SIO_WSK_REGISTER_EXTENSION, and the one interface there is: a socket's counters and the callback
 * at a connection's end (include/uwsk/statistics.h).
 */
#include <uwsk/statistics.h>

#include "line.h"

#include "nt/observe.h"

static volatile LONG refused;

static void on_socket(void *context, int step, const void *object, const void *irp, const char *name)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(irp);
    if (step == OBSERVE_SOCKET_REFUSED && strncmp(name, "Uwsk", 4) == 0)
        InterlockedIncrement(&refused);
}

static void setup(void)
{
    static const struct observe_hooks hooks = {.socket = on_socket};

    observe_install(&hooks); /* before the first thread looks */
    wt_setup();
}

TEST_FIXTURE(setup, wt_teardown);
#ifdef __SANITIZE_THREAD__
TEST_MATRIX("natural/dispatch natural/passive always-pend/mixed inline/dispatch");
#else
TEST_MATRIX("natural/dispatch natural/passive always-pend/mixed inline/dispatch natural/dispatch/uring "
            "inline/passive/uring natural/dispatch/sim always-pend/passive/sim inline/mixed/sim");
#endif

/* A registration. */
struct extension {
    const UWSK_STATISTICS_PROVIDER_DISPATCH *dispatch;
    PVOID context;
    volatile LONG ends, order;
    NTSTATUS status;
};

static VOID WSKAPI ended(PVOID context, ULONG flags, NTSTATUS status)
{
    struct extension *extension = context;

    EXPECT_EQ(flags, KeGetCurrentIrql() == DISPATCH_LEVEL ? WSK_FLAG_AT_DISPATCH_LEVEL : 0);
    extension->status = status;
    extension->order = wt_mark();
    InterlockedIncrement(&extension->ends);
}

static const UWSK_STATISTICS_CLIENT_DISPATCH client = {ended};

static NTSTATUS ask(PWSK_SOCKET socket, struct wt_op *op, PNPIID id, struct extension *extension,
                    WSK_EXTENSION_CONTROL_OUT *out)
{
    WSK_EXTENSION_CONTROL_IN in = {id, extension, &client};

    return wt_control(socket, op, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in, sizeof *out, out);
}

static void extend(PWSK_SOCKET socket, struct extension *extension)
{
    WSK_EXTENSION_CONTROL_OUT out = {NULL, NULL};

    RtlZeroMemory(extension, sizeof *extension);
    EXPECT_STATUS(ask(socket, NULL, &NPI_UWSK_STATISTICS_ID, extension, &out), STATUS_SUCCESS);
    EXPECT(out.ProviderContext != NULL && out.ProviderDispatch != NULL);
    extension->dispatch = out.ProviderDispatch;
    extension->context = out.ProviderContext;
}

static UWSK_STATISTICS query(const struct extension *extension)
{
    UWSK_STATISTICS now;

    RtlFillMemory(&now, sizeof now, 0xa5);
    EXPECT_STATUS(extension->dispatch->UwskQueryStatistics(extension->context, &now), STATUS_SUCCESS);
    return now;
}

static void expect_nothing(const UWSK_STATISTICS *now)
{
    static const UWSK_STATISTICS nothing;

    EXPECT(RtlEqualMemory(now, &nothing, sizeof nothing));
}

/* ---- registration ------------------------------------------------------------------------------------- */

static const ULONG categories[] = {WSK_FLAG_BASIC_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
                                   WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_STREAM_SOCKET};

TEST(every_category_registers, "R-CTLS-20 C-IOCTL-26 C-EXT-01 C-EXT-02 C-EXT-04")
{
    unsigned i;

    EXPECT_EQ(wt_npi.Dispatch->Version, MAKE_WSK_VERSION(1, 0)); /* which offers this one interface */
    for (i = 0; i < RTL_NUMBER_OF(categories); i++) {
        PWSK_SOCKET socket = wt_open(AF_INET, categories[i], NULL, NULL);
        struct extension extension, again;
        WSK_EXTENSION_CONTROL_OUT out = {&extension, NULL};
        UWSK_STATISTICS now;
        KIRQL irql;

        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        extend(socket, &extension);
        now = query(&extension);
        expect_nothing(&now);
        KeLowerIrql(irql);
        EXPECT_STATUS(ask(socket, NULL, &NPI_UWSK_STATISTICS_ID, &again, &out), STATUS_ALREADY_REGISTERED);
        EXPECT(out.ProviderContext == &extension); /* nothing was written */
        EXPECT_STATUS(extension.dispatch->UwskQueryStatistics(NULL, &now), STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(extension.dispatch->UwskQueryStatistics(extension.context, NULL),
                      STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(extension.dispatch->UwskResetStatistics(NULL), STATUS_INVALID_PARAMETER);
        wt_close_now(socket);
        EXPECT_EQ(extension.ends, 0); /* a close is no end that is told of */
    }
}

TEST(registrations_that_are_refused, "C-EXT-03 C-EXT-06 C-IOCTL-26 D-01")
{
    static const NPIID unknown = {0x11111111, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    WSK_EXTENSION_CONTROL_IN in = {&NPI_UWSK_STATISTICS_ID, NULL, NULL};
    WSK_EXTENSION_CONTROL_OUT out = {&in, &in};
    WSK_EVENT_CALLBACK_CONTROL event = {&NPI_UWSK_STATISTICS_ID, WSK_EVENT_RECEIVE};
    unsigned i, size;

    for (i = 0; i < RTL_NUMBER_OF(categories); i++) {
        PWSK_SOCKET socket = wt_open(AF_INET, categories[i], NULL, NULL);
        struct wt_op op;

        EXPECT_STATUS(ask(socket, NULL, &unknown, NULL, &out), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(ask(socket, NULL, &NPI_WSK_INTERFACE_ID, NULL, &out), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(ask(socket, NULL, NULL, NULL, &out), STATUS_INVALID_PARAMETER);
        for (size = 0; size < 2 * sizeof in; size++)
            if (size != sizeof in)
                EXPECT_STATUS(wt_control(socket, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, size,
                                         size != 0 ? &in : NULL, sizeof out, &out),
                              STATUS_INVALID_PARAMETER);
        for (size = 0; size < sizeof out; size++)
            EXPECT_STATUS(wt_control(socket, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in,
                                     size, size != 0 ? &out : NULL),
                          STATUS_INVALID_PARAMETER);
        wt_op_init(&op);
        EXPECT_STATUS(ask(socket, &op, &NPI_UWSK_STATISTICS_ID, NULL, &out), STATUS_INVALID_PARAMETER);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
        EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof event,
                                 &event, 0, NULL),
                      STATUS_NOT_SUPPORTED); /* its callback is on from the registration */
        EXPECT(out.ProviderContext == &in && out.ProviderDispatch == &in);
        wt_close_now(socket);
    }
}

/* ---- counters ----------------------------------------------------------------------------------------- */

/* Inside the routine its own request has been counted already. */
static void query_inside(struct wt_op *op)
{
    *(UWSK_STATISTICS *)op->context = query(op->irp->UserBuffer);
}

TEST(counters_of_a_connection, "C-EXT-04")
{
    struct extension extension;
    struct wt_op op, receive;
    struct wt_buffer buffer;
    UWSK_STATISTICS now;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    extend(socket, &extension);
    wt_buffer_init(&buffer, 100);
    wt_send_now(socket, buffer.bytes, 100);
    wt_send_now(socket, buffer.bytes, 23);
    peer_receive_all(peer, buffer.bytes, 100);
    peer_send(peer, buffer.bytes, 60);
    EXPECT_EQ(wt_receive_now(socket, buffer.bytes, 60, WSK_FLAG_WAITALL), 60);
    wt_op_init(&op);
    EXPECT_STATUS(wt_send(socket, &op, &buffer.buf, WSK_FLAG_OOB), STATUS_NOT_SUPPORTED);
    now = query(&extension);
    EXPECT_EQ(now.BytesSent, 123);
    EXPECT_EQ(now.BytesReceived, 60);
    EXPECT_EQ(now.Sends, 3);
    EXPECT_EQ(now.Receives, 1);
    EXPECT_EQ(now.Requests, 4);
    EXPECT_EQ(now.Errors, 1);
    EXPECT_EQ(now.Pending, 0);
    EXPECT_EQ(now.Callbacks + now.DatagramsSent + now.DatagramsReceived, 0);

    wt_op_init(&receive);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_EQ(query(&extension).Pending, 1);
    EXPECT_STATUS(extension.dispatch->UwskResetStatistics(extension.context), STATUS_SUCCESS);
    now = query(&extension);
    EXPECT_EQ(now.Pending, 1); /* what is there stays */
    now.Pending = 0;
    expect_nothing(&now);
    receive.hook = query_inside;
    receive.context = &now;
    receive.irp->UserBuffer = &extension;
    peer_send(peer, "7 bytes", 7); /* not what the receive writes to */
    EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(now.BytesReceived, 7);
    EXPECT_EQ(now.Receives, 1);
    EXPECT_EQ(now.Pending, 0);

    receive.hook = NULL;
    wt_again(&receive);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    IoCancelIrp(receive.irp);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    now = query(&extension);
    EXPECT_EQ(now.Receives, 2);
    EXPECT_EQ(now.Errors, 1);
    wt_op_free(&receive);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
    EXPECT_EQ(extension.ends, 0);
}

/* Takes the first half, refuses the rest. */
static NTSTATUS take_half(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    UNREFERENCED_PARAMETER(line);
    UNREFERENCED_PARAMETER(list);
    *accepted = bytes / 2;
    return STATUS_SUCCESS;
}

static NTSTATUS keep_all(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    UNREFERENCED_PARAMETER(bytes);
    UNREFERENCED_PARAMETER(accepted);
    line->extra = list;
    return STATUS_PENDING;
}

static NTSTATUS refuse_all(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes, SIZE_T *accepted)
{
    UNREFERENCED_PARAMETER(line);
    UNREFERENCED_PARAMETER(list);
    UNREFERENCED_PARAMETER(bytes);
    UNREFERENCED_PARAMETER(accepted);
    return STATUS_DATA_NOT_ACCEPTED;
}

/* A byte counts once, whichever way the client takes it. */
TEST(bytes_in_callbacks_count_when_they_are_taken, "C-EXT-04")
{
    static NTSTATUS (*const decisions[])(struct line *, PWSK_DATA_INDICATION, SIZE_T,
                                         SIZE_T *) = {take_half, refuse_all, NULL, keep_all};
    UCHAR bytes[40] = {0};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(decisions); i++) {
        struct extension extension;
        UWSK_STATISTICS now;
        struct line line;

        line_open(&line, AF_INET, 0);
        extend(line.socket, &extension);
        line.on_receive = decisions[i];
        EXPECT_STATUS(wt_events(line.socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
        peer_send(line.peer, bytes, sizeof bytes);
        if (i >= 2) {
            EXPECT_SOON(query(&extension).BytesReceived == sizeof bytes);
            if (line.extra != NULL)
                EXPECT_STATUS(wt_release(line.socket, line.extra), STATUS_SUCCESS);
        } else {
            SIZE_T first = i == 0 ? sizeof bytes / 2 : 0;

            EXPECT_SOON(line_read(&line.receives) == 1);
            EXPECT_EQ(wt_receive_now(line.socket, bytes, sizeof bytes - first, WSK_FLAG_WAITALL),
                      sizeof bytes - first);
        }
        now = query(&extension);
        EXPECT_EQ(now.BytesReceived, sizeof bytes);
        EXPECT_EQ(now.Receives, i < 2 ? 1 : 0);
        EXPECT(now.Callbacks >= 1);
        line_close(&line);
    }
}

/* ---- datagrams ---------------------------------------------------------------------------------------- */

static volatile LONG shown;
static PWSK_DATAGRAM_INDICATION kept;

/* Keeps the first list, takes the others. */
static NTSTATUS WSKAPI receive_from_event(PVOID context, ULONG flags, PWSK_DATAGRAM_INDICATION list)
{
    NTSTATUS status = kept == NULL ? STATUS_PENDING : STATUS_SUCCESS;
    PWSK_DATAGRAM_INDICATION at;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(flags);
    if (kept == NULL)
        kept = list;
    for (at = list; at != NULL; at = at->Next)
        InterlockedIncrement(&shown);
    return status;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH datagrams = {receive_from_event};

TEST(counters_of_a_datagram_socket, "C-EXT-04")
{
    struct wt_buffer buffer;
    WSK_BUF_LIST list[3];
    struct extension extension;
    SOCKADDR_STORAGE to;
    UWSK_STATISTICS now;
    PWSK_SOCKET socket;
    struct wt_op op;
    int port, peer, peer_port = 0;
    unsigned i;

    peer = peer_datagram(PEER_INET, &peer_port);
    socket = wt_datagrams(AF_INET, NULL, &datagrams, &port);
    extend(socket, &extension);
    wt_loopback(&to, AF_INET, peer_port);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&op);
    wt_send_to(socket, &op, &buffer.buf, (PSOCKADDR)&to, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    for (i = 0; i < 3; i++) {
        list[i].Next = i < 2 ? &list[i + 1] : NULL;
        list[i].Buffer = buffer.buf;
        list[i].Buffer.Length = 2 + i;
    }
    wt_again(&op);
    wt_send_messages(socket, &op, list, (PSOCKADDR)&to);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 9);
    wt_again(&op);
    wt_receive_from(socket, &op, &buffer.buf, NULL, NULL, NULL, NULL);
    peer_datagram_send(peer, port, "five!", 5);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    now = query(&extension);
    EXPECT_EQ(now.BytesSent, 19);
    EXPECT_EQ(now.DatagramsSent, 4);
    EXPECT_EQ(now.Sends, 2);
    EXPECT_EQ(now.BytesReceived, 5);
    EXPECT_EQ(now.DatagramsReceived, 1);
    EXPECT_EQ(now.Receives, 1);
    EXPECT_EQ(now.Requests, 3);
    EXPECT_EQ(now.Errors, 0);

    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    for (i = 1; i <= 3; i++) {
        peer_datagram_send(peer, port, "abc", 3);
        EXPECT_SOON(line_read(&shown) == (LONG)i);
        EXPECT_SOON(query(&extension).DatagramsReceived == 1 + i);
    }
    EXPECT_STATUS(wt_release_datagrams(socket, kept), STATUS_SUCCESS);
    now = query(&extension);
    EXPECT_EQ(now.DatagramsReceived, 4);
    EXPECT_EQ(now.BytesReceived, 14);
    EXPECT_EQ(now.Callbacks, 3);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    wt_close_now(socket);
    peer_close(peer);
}

/* ---- the end of a connection -------------------------------------------------------------------------- */

TEST(the_end_of_a_connection_is_told_once, "R-CTLS-21 C-EVT-24 D-12")
{
    enum { RESET, ABORTED, BOTH_DISCONNECT, WAYS };
    unsigned way, late;

    for (way = 0; way < 2 * WAYS; way++) {
        struct extension extension = {.ends = 0};
        struct wt_op disconnect;
        struct line line;

        late = way >= WAYS; /* the connection is over before the registration */
        line_open(&line, AF_INET, WSK_EVENT_DISCONNECT);
        if (!late)
            extend(line.socket, &extension);
        wt_op_init(&disconnect);
        switch (way % WAYS) {
        case RESET:
            peer_reset(line.peer);
            line.peer = -1;
            EXPECT_SOON(line_read(&line.aborts) == 1);
            break;
        case ABORTED:
            wt_disconnect(line.socket, &disconnect, NULL, WSK_FLAG_ABORTIVE);
            EXPECT_STATUS(wt_wait(&disconnect), STATUS_SUCCESS);
            break;
        default:
            peer_shutdown(line.peer);
            EXPECT_SOON(line_read(&line.gracefuls) == 1);
            EXPECT_EQ(line_read(&extension.ends), 0); /* our half is not over */
            wt_disconnect(line.socket, &disconnect, NULL, 0);
            EXPECT_STATUS(wt_wait(&disconnect), STATUS_SUCCESS);
        }
        if (late)
            extend(line.socket, &extension);
        EXPECT_SOON(line_read(&extension.ends) == 1);
        EXPECT_STATUS(extension.status, way % WAYS == RESET     ? STATUS_CONNECTION_RESET
                                        : way % WAYS == ABORTED ? STATUS_CONNECTION_ABORTED
                                                                : STATUS_SUCCESS);
        EXPECT(extension.order > line.order_disconnect);
        wt_op_free(&disconnect);
        line_close(&line);
        EXPECT_EQ(extension.ends, 1);
    }
}

TEST(a_stream_socket_keeps_its_registration_in_its_role, "R-CTLS-21 C-EXT-01")
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_STREAM_SOCKET, NULL, NULL);
    struct extension extension;
    SOCKADDR_STORAGE address;
    struct wt_op op;

    extend(socket, &extension);
    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    EXPECT_EQ(query(&extension).Requests, 2);
    peer_reset(peer);
    EXPECT_SOON(line_read(&extension.ends) == 1);
    EXPECT_STATUS(extension.status, STATUS_CONNECTION_RESET);
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(listener);
}

/* ---- the close rule ----------------------------------------------------------------------------------- */

static volatile LONG inside;

/* Runs while its socket is being closed, and waits for nothing. */
static void query_while_closing(struct wt_op *op)
{
    const struct extension *extension = op->context;
    UWSK_STATISTICS now;

    EXPECT_STATUS(extension->dispatch->UwskQueryStatistics(extension->context, &now),
                  STATUS_FILE_FORCED_CLOSED);
    InterlockedIncrement(&inside);
}

TEST(no_function_of_an_extension_once_the_close_has_begun, "C-CLOSE-06 C-CLOSE-35 C-CLOSE-36")
{
    struct extension extension;
    struct wt_op receive;
    struct wt_buffer buffer;
    UWSK_STATISTICS now;
    PWSK_SOCKET socket;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    extend(socket, &extension);
    wt_buffer_init(&buffer, 10);
    wt_op_init(&receive);
    EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
    receive.hook = query_while_closing;
    receive.context = &extension;
    EXPECT_EQ(refused, 0);
    wt_close_now(socket);
    EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
    EXPECT_EQ(inside, 1);
    EXPECT_EQ(refused, 1);
    RtlFillMemory(&now, sizeof now, 0xa5);
    EXPECT_STATUS(extension.dispatch->UwskQueryStatistics(extension.context, &now),
                  STATUS_FILE_FORCED_CLOSED);
    EXPECT_EQ(now.Requests, 0xa5a5a5a5a5a5a5a5);
    EXPECT_STATUS(extension.dispatch->UwskResetStatistics(extension.context), STATUS_FILE_FORCED_CLOSED);
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(extension.ends, 0);
    wt_op_free(&receive);
    wt_buffer_free(&buffer);
    peer_close(peer);
}
