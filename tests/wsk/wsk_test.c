/*
 * wsk_test.c - see wsk_test.h.
 */
#include "wsk_test.h"

#include "host/host.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "transport/sim/net.h"
#include "transport/transport.h"
#include "wsk/wskp.h"

#define WT_TAG 'tseT'

WSK_PROVIDER_NPI wt_npi;
WSK_REGISTRATION wt_registration;
volatile LONG wt_order;

static const struct transport_ops *ops; /* the mode part "uring" or "sim", else epoll */
static struct transport *transport;
static const WSK_CLIENT_DISPATCH client_dispatch = {.Version = MAKE_WSK_VERSION(1, 0)};

/* ---- the runtime -------------------------------------------------------------------------------------- */

static void poll_wait(void *context, unsigned processor, uint64_t deadline)
{
    ops->wait(context, processor, deadline);
}

static int poll_dispatch(void *context, unsigned processor)
{
    return ops->dispatch(context, processor);
}

static void poll_wake(void *context, unsigned processor)
{
    ops->wake(context, processor);
}

static struct ke_poller poller = {NULL, poll_wait, poll_dispatch, poll_wake};

void wt_setup(void)
{
    struct transport_config config = {
        .loops = 2, .one_byte = test_mode_has("onebyte"), .addresses_changed = wsk_addresses_changed};
    struct wsk_settings settings = {.processors = 2, .starved_retry_ms = WSK_STARVED_RETRY_MS};
    struct ke_config ke = {.processors = 2, .poller = &poller};
    WSK_CLIENT_NPI npi = {NULL, &client_dispatch};
    NTSTATUS status;

    wsk_receive_configure(&config);
    settings.completion = test_mode_has("always-pend") ? WSK_COMPLETE_ALWAYS_PEND
                          : test_mode_has("inline")    ? WSK_COMPLETE_INLINE
                                                       : WSK_COMPLETE_NATURAL;
    settings.delivery = test_mode_has("passive") ? WSK_DELIVER_PASSIVE
                        : test_mode_has("mixed") ? WSK_DELIVER_MIXED
                                                 : WSK_DELIVER_DISPATCH;
    settings.send_complete = test_mode_has("acked")    ? WSK_SEND_ACKED
                             : test_mode_has("copied") ? WSK_SEND_COPIED
                                                       : WSK_SEND_SENT;
    ops = test_mode_has("sim")         ? &transport_sim
          : test_mode_has("uring")     ? &transport_uring
          : test_mode_has("uring-all") ? &transport_uring_all
                                       : &transport_epoll;
    status = ops->attach(&config, &transport);
    if (status == STATUS_NOT_SUPPORTED && ops != &transport_epoll) {
        TEST_NOTE("io_uring cannot be used here: on epoll instead");
        ops = &transport_epoll;
        status = ops->attach(&config, &transport);
    }
    EXPECT_STATUS(status, STATUS_SUCCESS);
    if (ops != &transport_sim)
        test_runs_on(ops != &transport_epoll ? "io_uring" : "epoll");
    settings.ops = ops;
    settings.transport = transport;
    poller.context = transport;
    EXPECT_STATUS(ke_start(&ke), STATUS_SUCCESS);
    EXPECT_STATUS(wsk_start(&settings), STATUS_SUCCESS);
    EXPECT_STATUS(WskRegister(&npi, &wt_registration), STATUS_SUCCESS);
    EXPECT_STATUS(WskCaptureProviderNPI(&wt_registration, WSK_NO_WAIT, &wt_npi), STATUS_SUCCESS);
}

static BOOLEAN name_block(void *context, const struct ex_pool_block *block)
{
    UNREFERENCED_PARAMETER(context);
    if (block->caller != NULL)
        TEST_NOTE("left: %llu bytes, tag %.4s, allocated at %p", (unsigned long long)block->bytes,
                  (const char *)&block->tag, block->caller);
    return TRUE;
}

/* What WSK has allocated for itself: all of its tags end alike. */
static BOOLEAN count_own(void *context, const struct ex_pool_block *block)
{
    if (block->caller == NULL && (block->tag & 0xffffff) == 'ksW') {
        TEST_NOTE("left by WSK: %llu bytes, tag %.4s", (unsigned long long)block->bytes,
                  (const char *)&block->tag);
        ++*(SIZE_T *)context;
    }
    return TRUE;
}

void wt_teardown(void)
{
    SIZE_T blocks, bytes, own = 0;

    WskReleaseProviderNPI(&wt_registration);
    WskDeregister(&wt_registration);
    wsk_stop();
    ex_workers_shutdown();
    ke_stop();
    ops->detach(transport);
    ex_pool_driver_usage(&blocks, &bytes);
    if (blocks != 0)
        ex_pool_walk(name_block, NULL);
    EXPECT_EQ(blocks, 0);
    ex_pool_walk(count_own, &own);
    EXPECT_EQ(own, 0);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

/* ---- calls -------------------------------------------------------------------------------------------- */

LONG wt_mark(void)
{
    return InterlockedIncrement(&wt_order);
}

static NTSTATUS NTAPI routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    struct wt_op *op = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    EXPECT(Irp == op->irp);
    EXPECT_EQ(InterlockedIncrement(&op->completions), 1); /* D-01 */
    EXPECT(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    op->status = Irp->IoStatus.Status;
    op->information = Irp->IoStatus.Information;
    op->pending_returned = Irp->PendingReturned;
    op->cancel = __atomic_load_n(&Irp->Cancel, __ATOMIC_RELAXED); /* IoCancelIrp may be running */
    op->irql = KeGetCurrentIrql();
    op->thread = KeGetCurrentThread();
    op->order = wt_mark();
    if (op->hook != NULL)
        op->hook(op);
    KeSetEvent(&op->done, IO_NO_INCREMENT, FALSE); /* the op may be gone from here on (D-09) */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

void wt_op_init(struct wt_op *op)
{
    RtlZeroMemory(op, sizeof *op);
    KeInitializeEvent(&op->done, NotificationEvent, FALSE);
    op->irp = IoAllocateIrp(1, FALSE);
    EXPECT(op->irp != NULL);
    IoSetCompletionRoutine(op->irp, routine, op, TRUE, TRUE, TRUE);
}

void wt_again(struct wt_op *op)
{
    PIRP irp = op->irp;

    IoReuseIrp(irp, STATUS_UNSUCCESSFUL);
    RtlZeroMemory(op, sizeof *op);
    op->irp = irp;
    KeInitializeEvent(&op->done, NotificationEvent, FALSE);
    IoSetCompletionRoutine(irp, routine, op, TRUE, TRUE, TRUE);
}

void wt_op_free(struct wt_op *op)
{
    IoFreeIrp(op->irp);
    op->irp = NULL;
}

NTSTATUS wt_wait(struct wt_op *op)
{
    LARGE_INTEGER due;

    due.QuadPart = -10 * 10000000LL;
    if (KeWaitForSingleObject(&op->done, Executive, KernelMode, FALSE, &due) != STATUS_SUCCESS)
        uwsk_test_fail(__FILE__, __LINE__, "an IRP was not completed within 10 s (returned 0x%08x)",
                       op->returned);
    EXPECT_EQ(op->completions, 1);
    return op->status;
}

BOOLEAN wt_is_done(struct wt_op *op)
{
    return KeReadStateEvent(&op->done) != 0;
}

NTSTATUS wt_returned(struct wt_op *op, NTSTATUS status)
{
    op->returned = status;
    if (status != STATUS_PENDING) { /* D-02 */
        EXPECT(wt_is_done(op));
        EXPECT_STATUS(op->status, status);
        EXPECT(!op->pending_returned); /* D-03 */
    } else if (wt_is_done(op)) {
        EXPECT(op->pending_returned);
    }
    return status;
}

NTSTATUS wt_socket(struct wt_op *op, ADDRESS_FAMILY family, ULONG flags, PVOID context, const VOID *dispatch)
{
    BOOLEAN datagram = flags == WSK_FLAG_DATAGRAM_SOCKET;

    return wt_returned(op,
                       wt_npi.Dispatch->WskSocket(wt_npi.Client, family, datagram ? SOCK_DGRAM : SOCK_STREAM,
                                                  datagram ? IPPROTO_UDP : IPPROTO_TCP, flags, context,
                                                  dispatch, NULL, NULL, NULL, op->irp));
}

static BOOLEAN is_stream(PWSK_SOCKET socket)
{
    return socket->Dispatch == &wsk_stream_dispatch;
}

/* The function of the socket's own table: those of stream sockets stand elsewhere. */
#define SLOT(socket, name) (is_stream(socket) ? wt_stream(socket)->name : wt_connection(socket)->name)

NTSTATUS wt_bind(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address)
{
    return wt_returned(op, wt_connection(socket)->WskBind(socket, address, 0, op->irp));
}

NTSTATUS wt_connect(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address)
{
    return wt_returned(op, SLOT(socket, WskConnect)(socket, address, 0, op->irp));
}

NTSTATUS wt_connect_ex(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address, PWSK_BUF buffer)
{
    return wt_returned(op, SLOT(socket, WskConnectEx)(socket, address, buffer, 0, op->irp));
}

NTSTATUS wt_local_address(PWSK_SOCKET socket, struct wt_op *op, PSOCKADDR address)
{
    return wt_returned(op, SLOT(socket, WskGetLocalAddress)(socket, address, op->irp));
}

NTSTATUS wt_accept(PWSK_SOCKET socket, struct wt_op *op, PVOID context,
                   const WSK_CLIENT_CONNECTION_DISPATCH *dispatch, PSOCKADDR local, PSOCKADDR remote)
{
    return wt_returned(op, (is_stream(socket) ? wt_stream(socket)->WskAccept : wt_listen(socket)->WskAccept)(
                               socket, 0, context, dispatch, local, remote, op->irp));
}

NTSTATUS wt_send(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags)
{
    return wt_returned(op, SLOT(socket, WskSend)(socket, buffer, flags, op->irp));
}

NTSTATUS wt_receive(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags)
{
    return wt_returned(op, SLOT(socket, WskReceive)(socket, buffer, flags, op->irp));
}

NTSTATUS wt_disconnect(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, ULONG flags)
{
    return wt_returned(op, SLOT(socket, WskDisconnect)(socket, buffer, flags, op->irp));
}

NTSTATUS wt_send_to(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, PSOCKADDR remote,
                    ULONG control_length, PCMSGHDR control)
{
    return wt_returned(
        op, wt_datagram(socket)->WskSendTo(socket, buffer, 0, remote, control_length, control, op->irp));
}

NTSTATUS wt_send_messages(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF_LIST list, PSOCKADDR remote)
{
    return wt_returned(op, wt_datagram(socket)->WskSendMessages(socket, list, 0, remote, 0, NULL, op->irp));
}

NTSTATUS wt_receive_from(PWSK_SOCKET socket, struct wt_op *op, PWSK_BUF buffer, PSOCKADDR remote,
                         PULONG control_length, PCMSGHDR control, PULONG flags)
{
    return wt_returned(op, wt_datagram(socket)->WskReceiveFrom(socket, buffer, 0, remote, control_length,
                                                               control, flags, op->irp));
}

NTSTATUS wt_release_datagrams(PWSK_SOCKET socket, PWSK_DATAGRAM_INDICATION list)
{
    return wt_datagram(socket)->WskRelease(socket, list);
}

NTSTATUS wt_close(PWSK_SOCKET socket, struct wt_op *op)
{
    return wt_returned(op, wt_basic(socket)->WskCloseSocket(socket, op->irp));
}

NTSTATUS wt_control(PWSK_SOCKET socket, struct wt_op *op, WSK_CONTROL_SOCKET_TYPE type, ULONG code,
                    ULONG level, SIZE_T in_size, PVOID in, SIZE_T out_size, PVOID out)
{
    NTSTATUS status = wt_basic(socket)->WskControlSocket(socket, type, code, level, in_size, in, out_size,
                                                         out, NULL, op != NULL ? op->irp : NULL);

    return op != NULL ? wt_returned(op, status) : status;
}

NTSTATUS wt_events(PWSK_SOCKET socket, ULONG mask, struct wt_op *op)
{
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, mask};

    return wt_control(socket, op, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof control, &control,
                      0, NULL);
}

NTSTATUS wt_release(PWSK_SOCKET socket, PWSK_DATA_INDICATION list)
{
    return SLOT(socket, WskRelease)(socket, list);
}

/* ---- in one go ---------------------------------------------------------------------------------------- */

PWSK_SOCKET wt_open(ADDRESS_FAMILY family, ULONG flags, PVOID context, const VOID *dispatch)
{
    PWSK_SOCKET socket;
    struct wt_op op;

    wt_op_init(&op);
    wt_socket(&op, family, flags, context, dispatch);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    EXPECT(socket != NULL);
    wt_op_free(&op);
    return socket;
}

PWSK_SOCKET wt_datagrams(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_DATAGRAM_DISPATCH *dispatch,
                         int *port)
{
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_DATAGRAM_SOCKET, context, dispatch);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    *port = wt_port(&address);
    wt_op_free(&op);
    return socket;
}

PWSK_SOCKET wt_listener(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_LISTEN_DISPATCH *dispatch,
                        int *port)
{
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_LISTEN_SOCKET, context, dispatch);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_listen(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    *port = wt_port(&address);
    wt_op_free(&op);
    return socket;
}

PWSK_SOCKET wt_connected(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch,
                         int *peer)
{
    SOCKADDR_STORAGE local, remote;
    PWSK_SOCKET socket;
    struct wt_op op;
    int port = 0, listener;

    listener = peer_listen(family, &port);
    wt_op_init(&op);
    wt_returned(&op, wt_npi.Dispatch->WskSocketConnect(
                         wt_npi.Client, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, family, 0),
                         wt_loopback(&remote, family, port), 0, context, dispatch, NULL, NULL, NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_op_free(&op);
    *peer = peer_accept(listener);
    peer_close(listener);
    return socket;
}

PWSK_SOCKET wt_accepted(ADDRESS_FAMILY family, PVOID context, const WSK_CLIENT_CONNECTION_DISPATCH *dispatch,
                        int *peer)
{
    PWSK_SOCKET listener, socket;
    struct wt_op op;
    int port;

    listener = wt_listener(family, NULL, NULL, &port);
    *peer = peer_connect(family, port, 5000);
    EXPECT(*peer >= 0);
    wt_op_init(&op);
    wt_accept(listener, &op, context, dispatch, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_op_free(&op);
    wt_close_now(listener);
    return socket;
}

void wt_close_now(PWSK_SOCKET socket)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_close(socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
}

void wt_send_now(PWSK_SOCKET socket, const void *data, SIZE_T length)
{
    struct wt_buffer buffer;
    struct wt_op op;

    wt_buffer_init(&buffer, length);
    RtlCopyMemory(buffer.bytes, data, length);
    wt_op_init(&op);
    wt_send(socket, &op, &buffer.buf, 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, length);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

SIZE_T wt_receive_now(PWSK_SOCKET socket, void *data, SIZE_T length, ULONG flags)
{
    struct wt_buffer buffer;
    struct wt_op op;
    SIZE_T got;

    wt_buffer_init(&buffer, length);
    wt_op_init(&op);
    wt_receive(socket, &op, &buffer.buf, flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    got = op.information;
    EXPECT(got <= length);
    RtlCopyMemory(data, buffer.bytes, got);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    return got;
}

void wt_talk(PWSK_SOCKET socket, int peer)
{
    char text[4];

    wt_send_now(socket, "ping", 4);
    peer_receive_all(peer, text, 4);
    EXPECT(RtlEqualMemory(text, "ping", 4));
    peer_send(peer, "pong", 4);
    EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
    EXPECT(RtlEqualMemory(text, "pong", 4));
}

/* ---- buffers and addresses ---------------------------------------------------------------------------- */

void wt_buffer_init(struct wt_buffer *buffer, SIZE_T size)
{
    wt_buffer_chain(buffer, size, size);
}

void wt_buffer_chain(struct wt_buffer *buffer, SIZE_T size, SIZE_T piece)
{
    PMDL *link = &buffer->mdl;
    SIZE_T at;

    buffer->size = size;
    buffer->mdl = NULL;
    buffer->bytes = ExAllocatePool2(POOL_FLAG_NON_PAGED, size != 0 ? size : 1, WT_TAG);
    EXPECT(buffer->bytes != NULL);
    for (at = 0; at < size; at += piece) {
        *link = IoAllocateMdl(buffer->bytes + at, (ULONG)min(piece, size - at), FALSE, FALSE, NULL);
        EXPECT(*link != NULL);
        MmBuildMdlForNonPagedPool(*link);
        link = &(*link)->Next;
    }
    buffer->buf.Mdl = buffer->mdl;
    buffer->buf.Offset = 0;
    buffer->buf.Length = size;
}

void wt_buffer_free(struct wt_buffer *buffer)
{
    while (buffer->mdl != NULL) {
        PMDL next = buffer->mdl->Next;

        IoFreeMdl(buffer->mdl);
        buffer->mdl = next;
    }
    ExFreePoolWithTag(buffer->bytes, WT_TAG);
}

static PSOCKADDR address_of(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int port, BOOLEAN any)
{
    USHORT wire = (USHORT)(((port & 0xff) << 8) | ((port >> 8) & 0xff));

    RtlZeroMemory(storage, sizeof *storage);
    if (family == AF_INET) {
        SOCKADDR_IN *in = (SOCKADDR_IN *)storage;

        in->sin_family = AF_INET;
        in->sin_port = wire;
        in->sin_addr.S_un.S_addr = any ? 0 : 0x0100007f;
    } else {
        SOCKADDR_IN6 *in6 = (SOCKADDR_IN6 *)storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = wire;
        in6->sin6_addr.u.Byte[15] = any ? 0 : 1;
    }
    return (PSOCKADDR)storage;
}

PSOCKADDR wt_loopback(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int port)
{
    return address_of(storage, family, port, FALSE);
}

PSOCKADDR wt_any(SOCKADDR_STORAGE *storage, ADDRESS_FAMILY family, int port)
{
    return address_of(storage, family, port, TRUE);
}

int wt_port(const void *address)
{
    USHORT wire = ((const SOCKADDR_IN *)address)->sin_port; /* the same place in both families */

    return ((wire & 0xff) << 8) | (wire >> 8);
}
