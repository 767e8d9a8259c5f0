/*
 * listen.c - a listening socket with everything that decides who comes in: WskAccept and its cancels, WskAcceptEvent,
 * conditional accept with decisions at once, later and too late, peers that give up, the close in the middle.  Each
 * request has one end: handed over, told as aborted, or neither because it was rejected or the listener closed.
 */
#include "fuzz.h"

enum { PEERS = 12, BEHAVIOURS = 8, SOCKETS = 64, CLOSERS = 16, ACCEPTS = 12 };

static PWSK_SOCKET listener;
static int port;
static ADDRESS_FAMILY family;
static volatile LONG closed; /* the close IRP has been completed */

static int peers[PEERS];

static KSPIN_LOCK lock; /* of what follows */
static UCHAR behaviour[BEHAVIOURS];
static ULONG called;
static LONG running; /* callbacks: one at a time (D-12) */
static struct request {
    WSK_INSPECT_ID id;
    WSK_INSPECT_ACTION answer;
    BOOLEAN decided, rejected, aborted, handed_over;
} requests[SOCKETS];
static ULONG request_count;
static PWSK_SOCKET accepted[SOCKETS]; /* the driver's, to be closed by it */
static ULONG accepted_count;
static struct wt_op closers[CLOSERS];
static volatile LONG closer_count;

/* Not from fuzz_op(): each of these may bring a socket. */
static struct wt_op accepts[ACCEPTS];
static BOOLEAN accepting[ACCEPTS];

static BOOLEAN same(const WSK_INSPECT_ID *a, const WSK_INSPECT_ID *b)
{
    return a->Key == b->Key && a->SerialNumber == b->SerialNumber;
}

/* lock held. */
static struct request *request_of(const WSK_INSPECT_ID *id)
{
    for (ULONG i = 0; i < request_count; i++) {
        if (same(&requests[i].id, id))
            return &requests[i];
    }
    return NULL;
}

/* It is the client's: of a listener in conditional mode it was asked about and accepted, and nobody was told that it is
 * gone. */
static void handed_over(PWSK_SOCKET socket)
{
    WSK_INSPECT_ID id;
    SIZE_T size;
    NTSTATUS status = wt_basic(socket)->WskControlSocket(socket, WskIoctl, SIO_WSK_QUERY_INSPECT_ID, 0, 0,
                                                         NULL, sizeof id, &id, &size, NULL);
    struct request *request;
    KIRQL irql;

    if (status == STATUS_INVALID_DEVICE_REQUEST) /* not in conditional mode */
        return;
    EXPECT_STATUS(status, STATUS_SUCCESS);
    KeAcquireSpinLock(&lock, &irql);
    request = request_of(&id);
    EXPECT(request != NULL && !request->aborted && !request->handed_over);
    EXPECT(request->answer != WskInspectReject && !request->rejected);
    request->handed_over = TRUE;
    KeReleaseSpinLock(&lock, irql);
}

/* ---- callbacks ---------------------------------------------------------------------------------------- */

static UCHAR callback_begins(KIRQL *irql)
{
    KeAcquireSpinLock(&lock, irql);
    EXPECT(!closed);
    EXPECT_EQ(running++, 0);
    return behaviour[called++ % BEHAVIOURS];
}

static void callback_ends(void)
{
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    running--;
    KeReleaseSpinLock(&lock, irql);
}

static WSK_INSPECT_ACTION WSKAPI on_inspect(PVOID SocketContext, PSOCKADDR LocalAddress,
                                            PSOCKADDR RemoteAddress, PWSK_INSPECT_ID InspectID)
{
    static const WSK_INSPECT_ACTION actions[] = {WskInspectAccept, WskInspectAccept, WskInspectPend,
                                                 WskInspectReject};
    WSK_INSPECT_ACTION action;
    KIRQL irql;

    UNREFERENCED_PARAMETER(SocketContext);
    action = actions[callback_begins(&irql) & 3];
    EXPECT(InspectID != NULL);
    EXPECT_EQ(wt_port(LocalAddress), port);
    EXPECT(wt_port(RemoteAddress) != 0);
    EXPECT(request_of(InspectID) == NULL); /* C-INSPECT-10 */
    EXPECT(request_count < SOCKETS);
    requests[request_count++] = (struct request){.id = *InspectID, .answer = action};
    KeReleaseSpinLock(&lock, irql);
    callback_ends();
    return action;
}

static NTSTATUS WSKAPI on_abort(PVOID SocketContext, PWSK_INSPECT_ID InspectID)
{
    struct request *request;
    KIRQL irql;

    UNREFERENCED_PARAMETER(SocketContext);
    callback_begins(&irql);
    request = request_of(InspectID);
    EXPECT(request != NULL && !request->aborted && !request->handed_over);
    EXPECT(request->answer != WskInspectReject); /* H-04 */
    request->aborted = TRUE;
    KeReleaseSpinLock(&lock, irql);
    callback_ends();
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH nothing;

static NTSTATUS WSKAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    NTSTATUS status = STATUS_SUCCESS;
    LONG closer = CLOSERS;
    UCHAR how;
    KIRQL irql;

    UNREFERENCED_PARAMETER(SocketContext);
    EXPECT_EQ((Flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    how = callback_begins(&irql) >> 2 & 7;
    KeReleaseSpinLock(&lock, irql);
    EXPECT_EQ(wt_port(LocalAddress), port);
    EXPECT(wt_port(RemoteAddress) != 0 && AcceptSocket != NULL);
    if (how != 7)
        handed_over(AcceptSocket);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = how & 1 ? &nothing : NULL;
    if (how == 7)
        status = STATUS_REQUEST_NOT_ACCEPTED;
    else if (how == 6)
        closer = InterlockedIncrement(&closer_count) - 1;
    if (closer < CLOSERS) {
        wt_close(AcceptSocket, &closers[closer]); /* D-08 */
    } else if (how != 7) {
        KeAcquireSpinLock(&lock, &irql);
        EXPECT(accepted_count < SOCKETS);
        accepted[accepted_count++] = AcceptSocket;
        KeReleaseSpinLock(&lock, irql);
    }
    callback_ends();
    return status;
}

static const WSK_CLIENT_LISTEN_DISPATCH dispatch = {on_accept, on_inspect, on_abort};

/* ---- calls -------------------------------------------------------------------------------------------- */

static void settle_accept(ULONG i)
{
    PWSK_SOCKET socket;

    wt_wait(&accepts[i]);
    socket = (PWSK_SOCKET)accepts[i].information;
    EXPECT_EQ(NT_SUCCESS(accepts[i].status), socket != NULL);
    if (socket != NULL) {
        handed_over(socket);
        wt_close_now(socket);
    }
    wt_op_free(&accepts[i]);
    accepting[i] = FALSE;
}

static void accept(struct fuzz *fuzz)
{
    ULONG i = fuzz_below(fuzz, ACCEPTS);

    if (accepting[i] && !wt_is_done(&accepts[i]))
        return;
    if (accepting[i])
        settle_accept(i);
    wt_op_init(&accepts[i]);
    accepting[i] = TRUE;
    wt_accept(listener, &accepts[i], NULL, NULL, NULL, NULL);
}

static void knock(struct fuzz *fuzz)
{
    ULONG i = fuzz_below(fuzz, PEERS);

    if (peers[i] < 0 && request_count < SOCKETS / 2)
        peers[i] = peer_connect(family == AF_INET ? PEER_INET : PEER_INET6, port, 5000);
}

static void leave(struct fuzz *fuzz, BOOLEAN reset)
{
    ULONG i = fuzz_below(fuzz, PEERS);

    if (peers[i] < 0)
        return;
    if (reset)
        peer_reset(peers[i]);
    else
        peer_close(peers[i]);
    peers[i] = -1;
}

static void say(struct fuzz *fuzz)
{
    ULONG i = fuzz_below(fuzz, PEERS);

    if (peers[i] >= 0)
        peer_send_some(peers[i], "hello", 1 + fuzz_u8(fuzz) % 5);
}

static void decide(struct fuzz *fuzz)
{
    UCHAR how = fuzz_u8(fuzz);
    WSK_INSPECT_ACTION action = how & 1 ? WskInspectAccept : WskInspectReject;
    WSK_INSPECT_ID id = {how, how};
    struct request *request = NULL;
    struct wt_op op;
    NTSTATUS status;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    if (request_count != 0) {
        request = &requests[how % request_count];
        id = request->id;
    }
    KeReleaseSpinLock(&lock, irql);
    if (request != NULL && request->answer != WskInspectPend) /* R-INSP-16 */
        return;
    wt_op_init(&op);
    wt_returned(&op, wt_listen(listener)->WskInspectComplete(listener, &id, action, op.irp));
    status = wt_wait(&op);
    wt_op_free(&op);
    if (!NT_SUCCESS(status))
        return;
    EXPECT(request != NULL);
    KeAcquireSpinLock(&lock, &irql);
    EXPECT(!request->decided);
    request->decided = TRUE;
    request->rejected = action == WskInspectReject;
    EXPECT(!request->rejected || !request->handed_over);
    KeReleaseSpinLock(&lock, irql);
}

static void events(struct fuzz *fuzz)
{
    UCHAR how = fuzz_u8(fuzz);

    if (how & 1)
        wt_events(listener, WSK_EVENT_ACCEPT, NULL);
    else
        wt_events(listener, WSK_EVENT_ACCEPT | WSK_EVENT_DISABLE, how & 2 ? fuzz_op() : NULL);
}

static void close_one(struct fuzz *fuzz)
{
    PWSK_SOCKET socket = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    if (accepted_count != 0) {
        ULONG i = fuzz_u8(fuzz) % accepted_count;

        socket = accepted[i];
        accepted[i] = accepted[--accepted_count];
    }
    KeReleaseSpinLock(&lock, irql);
    if (socket != NULL)
        wt_close_now(socket);
}

static void cancel(struct fuzz *fuzz)
{
    ULONG i = fuzz_below(fuzz, ACCEPTS);

    if (accepting[i] && !wt_is_done(&accepts[i]))
        IoCancelIrp(accepts[i].irp);
}

static void pause(struct fuzz *fuzz)
{
    LARGE_INTEGER due;

    due.QuadPart = -10LL * (10 + fuzz_u8(fuzz));
    KeDelayExecutionThread(KernelMode, FALSE, &due);
}

static void on_closed(struct wt_op *op)
{
    UNREFERENCED_PARAMETER(op);
    InterlockedExchange(&closed, 1);
}

static void close_listener(void)
{
    struct wt_op op;

    if (listener == NULL)
        return;
    wt_op_init(&op);
    op.hook = on_closed;
    wt_close(listener, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    listener = NULL;
}

static void one_call(struct fuzz *fuzz)
{
    UCHAR what = fuzz_u8(fuzz);

    switch (what & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
        knock(fuzz);
        return;
    case 4:
    case 5:
        accept(fuzz);
        return;
    case 6:
        leave(fuzz, what & 16);
        return;
    case 7:
        say(fuzz);
        return;
    case 8:
    case 9:
        decide(fuzz);
        return;
    case 10:
        events(fuzz);
        return;
    case 11:
        close_one(fuzz);
        return;
    case 12:
        cancel(fuzz);
        return;
    case 13:
        if (what >> 4 == 15)
            close_listener();
        return;
    default:
        pause(fuzz);
    }
}

/* ---- begin and end ------------------------------------------------------------------------------------ */

static void open(UCHAR how)
{
    SOCKADDR_STORAGE address;
    struct wt_op *op = fuzz_op();

    family = how & 1 ? AF_INET6 : AF_INET;
    listener = wt_open(family, WSK_FLAG_LISTEN_SOCKET, NULL, &dispatch);
    if (how & 2) {
        ULONG on = 1;

        wt_control(listener, op, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof on, &on, 0, NULL);
        EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
        op = fuzz_op();
    }
    wt_bind(listener, op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
    op = fuzz_op();
    wt_returned(op, wt_listen(listener)->WskGetLocalAddress(listener, (PSOCKADDR)&address, op->irp));
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
    port = wt_port(&address);
    if (how & 4)
        EXPECT_STATUS(wt_events(listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
}

void fuzz_one(struct fuzz *fuzz)
{
    int descriptors = peer_count_fds();

    KeInitializeSpinLock(&lock);
    closed = closer_count = 0;
    called = request_count = accepted_count = 0;
    for (ULONG i = 0; i < PEERS; i++)
        peers[i] = -1;
    for (ULONG i = 0; i < CLOSERS; i++)
        wt_op_init(&closers[i]);
    open(fuzz_u8(fuzz));
    for (ULONG i = 0; i < BEHAVIOURS; i++)
        behaviour[i] = fuzz_u8(fuzz);
    while (fuzz->left != 0 && listener != NULL)
        one_call(fuzz);
    close_listener();
    for (ULONG i = 0; i < ACCEPTS; i++) {
        if (accepting[i])
            settle_accept(i);
    }
    fuzz_drain();
    while (accepted_count != 0)
        wt_close_now(accepted[--accepted_count]);
    for (LONG i = 0; i < CLOSERS; i++) {
        if (i < closer_count)
            EXPECT_STATUS(wt_wait(&closers[i]), STATUS_SUCCESS);
        wt_op_free(&closers[i]);
    }
    EXPECT_EQ(running, 0);
    for (ULONG i = 0; i < PEERS; i++) {
        if (peers[i] >= 0)
            peer_close(peers[i]);
    }
    EXPECT_SOON(peer_count_fds() == descriptors); /* those that nobody got, too */
}
