/*
 * stream.c - the two ends of a connection, both ours: sends and receives in pieces, callbacks that take all, a part,
 * nothing, or keep it, disconnects, cancels, closes in the middle.  Each byte says what must come next (D-06, C-DATA-14):
 * none is lost, none comes twice, and what is kept does not change.
 */
#include "fuzz.h"

enum { PLACES = 64, KEPT = 16, BEHAVIOURS = 8 };

struct kept {
    PWSK_DATA_INDICATION list;
    SIZE_T bytes;
    ULONG64 at;
};

struct side {
    PWSK_SOCKET socket;
    ULONG64 sent;    /* bytes handed over; only the driver's thread looks */
    KSPIN_LOCK lock; /* of what follows */
    ULONG64 come;    /* bytes that the other side has sent and that came */
    LONG reading;    /* WskReceive was called, its routine has not run */
    ULONG called;    /* callbacks so far */
    UCHAR behaviour[BEHAVIOURS];
    struct kept kept[KEPT];
    ULONG kept_count;
    ULONG releasing; /* calls of WskRelease that have not returned */
    BOOLEAN ending;  /* keep nothing more */
    BOOLEAN closed;  /* the close IRP has been completed: C-CLOSE-18 */
    BOOLEAN unsure;  /* what comes may have a hole: a send was cancelled, or a drain threw bytes away */
};

static struct side sides[2];
static BOOLEAN disturbed; /* by a close, an abort or a cancel: not all that was sent need come */
static BOOLEAN disconnected;

static struct place { /* where an op reads and writes: lasts until all are done */
    struct wt_buffer buffer;
    SOCKADDR_STORAGE address;
    struct side *side;
} places[PLACES];
static ULONG place_count, pauses;

static void disturb(void)
{
    __atomic_store_n(&disturbed, TRUE, __ATOMIC_RELAXED);
}

static BOOLEAN is_disturbed(void)
{
    return __atomic_load_n(&disturbed, __ATOMIC_RELAXED);
}

static struct side *other_of(const struct side *side)
{
    return &sides[side == sides];
}

static UCHAR expected(ULONG64 at)
{
    return (UCHAR)(at * 131 + (at >> 8) * 17 + (at >> 16));
}

static void check(const UCHAR *bytes, SIZE_T length, ULONG64 at)
{
    for (SIZE_T i = 0; i < length; i++) {
        if (bytes[i] != expected(at + i))
            uwsk_test_fail(__FILE__, __LINE__, "byte %llu of the stream is wrong",
                           (unsigned long long)(at + i));
    }
}

static void check_list(const WSK_DATA_INDICATION *list, SIZE_T bytes, ULONG64 at)
{
    SIZE_T sum = 0;

    for (; list != NULL; list = list->Next) {
        const UCHAR *memory = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);

        EXPECT(memory != NULL && list->Buffer.Mdl->Next == NULL); /* D-12 */
        check(memory + list->Buffer.Offset, list->Buffer.Length, at + sum);
        sum += list->Buffer.Length;
    }
    EXPECT_EQ(sum, bytes); /* R-RECVEV-08 */
}

/* ---- callbacks ---------------------------------------------------------------------------------------- */

static void release_one(struct side *side, ULONG which)
{
    struct kept kept = {NULL, 0, 0};
    BOOLEAN sure;
    KIRQL irql;

    KeAcquireSpinLock(&side->lock, &irql);
    if (side->kept_count != 0) {
        which %= side->kept_count;
        kept = side->kept[which];
        side->kept[which] = side->kept[--side->kept_count];
        side->releasing++;
    }
    sure = !side->unsure;
    KeReleaseSpinLock(&side->lock, irql);
    if (kept.list == NULL)
        return;
    if (sure)
        check_list(kept.list, kept.bytes, kept.at);
    EXPECT_STATUS(wt_release(side->socket, kept.list), STATUS_SUCCESS);
    KeAcquireSpinLock(&side->lock, &irql);
    side->releasing--;
    KeReleaseSpinLock(&side->lock, irql);
}

static NTSTATUS WSKAPI on_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                  SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct side *side = SocketContext;
    NTSTATUS status = STATUS_SUCCESS;
    BOOLEAN release = FALSE;
    UCHAR behaviour;
    SIZE_T take = BytesIndicated;
    KIRQL irql;

    EXPECT_EQ((Flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT_EQ(*BytesAccepted, BytesIndicated);
    EXPECT_EQ(DataIndication == NULL, BytesIndicated == 0);
    KeAcquireSpinLock(&side->lock, &irql);
    EXPECT(!side->closed);
    behaviour = side->behaviour[side->called++ % BEHAVIOURS];
    if (DataIndication == NULL) {
        EXPECT(is_disturbed());
    } else if (side->reading != 0) { /* R-RECV-13: which bytes these are, its routine says */
        status = STATUS_DATA_NOT_ACCEPTED;
    } else {
        if (!side->unsure)
            check_list(DataIndication, BytesIndicated, side->come);
        switch (side->ending ? 0 : behaviour & 7) {
        case 1:
        case 2:
        case 3:
            if (side->kept_count == KEPT)
                break;
            side->kept[side->kept_count++] = (struct kept){DataIndication, BytesIndicated, side->come};
            status = STATUS_PENDING;
            release = (behaviour & 7) == 3;
            break;
        case 4:
            take = behaviour % BytesIndicated;
            *BytesAccepted = take;
            break;
        case 5:
            status = STATUS_DATA_NOT_ACCEPTED;
            *BytesAccepted = behaviour;
            take = 0;
            break;
        default:
            break;
        }
        side->come += take;
    }
    KeReleaseSpinLock(&side->lock, irql);
    if (release)
        release_one(side, behaviour >> 3); /* this one, or one that was kept before */
    return status;
}

static NTSTATUS WSKAPI on_disconnect(PVOID SocketContext, ULONG Flags)
{
    struct side *side = SocketContext;

    EXPECT_EQ((Flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT(!side->closed);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI on_backlog(PVOID SocketContext, SIZE_T IdealBacklogSize)
{
    struct side *side = SocketContext;

    EXPECT(!side->closed && IdealBacklogSize != 0);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH dispatch = {on_receive, on_disconnect, on_backlog};

/* ---- calls -------------------------------------------------------------------------------------------- */

static struct place *new_place(struct side *side, SIZE_T size, SIZE_T piece)
{
    struct place *place;

    if (place_count == PLACES)
        return NULL;
    place = &places[place_count++];
    wt_buffer_chain(&place->buffer, size, piece);
    place->side = side;
    return place;
}

static SIZE_T some_bytes(struct fuzz *fuzz)
{
    UCHAR size = fuzz_u8(fuzz);

    return size < 192 ? size : (SIZE_T)(size - 191) * 1024; /* 64 KB at most */
}

static SIZE_T some_piece(struct fuzz *fuzz, SIZE_T size)
{
    return max(size / 24, 1u + fuzz_u8(fuzz));
}

static struct wt_op *fill(struct side *side, struct place *place)
{
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;

    if (op == NULL)
        return NULL;
    for (SIZE_T i = 0; i < place->buffer.size; i++)
        place->buffer.bytes[i] = expected(side->sent + i);
    side->sent += place->buffer.size;
    return op;
}

/* Called: what was refused at once was not sent. */
static void sent(struct side *side, struct wt_op *op, SIZE_T size)
{
    if (!wt_is_done(op) || NT_SUCCESS(op->status))
        return;
    EXPECT(is_disturbed() || disconnected);
    side->sent -= size;
}

static void send_ended(struct wt_op *op)
{
    EXPECT(NT_SUCCESS(op->status) || is_disturbed() || disconnected);
}

static void send(struct fuzz *fuzz, struct side *side)
{
    SIZE_T size = some_bytes(fuzz);
    struct place *place = new_place(side, size, some_piece(fuzz, size));
    ULONG flags = fuzz_u8(fuzz) & 1 ? WSK_FLAG_NODELAY : 0;
    struct wt_op *op = fill(side, place);

    if (op == NULL)
        return;
    op->hook = send_ended;
    wt_send(side->socket, op, &place->buffer.buf, flags);
    sent(side, op, size);
}

static void received(struct wt_op *op)
{
    struct place *place = op->context;
    struct side *side = place->side;
    KIRQL irql;

    KeAcquireSpinLock(&side->lock, &irql);
    EXPECT(op->information <= place->buffer.size);
    if (!side->unsure)
        check(place->buffer.bytes, op->information, side->come);
    side->come += op->information;
    side->reading--;
    KeReleaseSpinLock(&side->lock, irql);
}

static void receive(struct side *side, SIZE_T size, SIZE_T piece, ULONG flags)
{
    struct place *place = new_place(side, flags & WSK_FLAG_DRAIN ? 0 : size, piece);
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;
    KIRQL irql;

    if (op == NULL)
        return;
    op->hook = received;
    op->context = place;
    KeAcquireSpinLock(&side->lock, &irql);
    side->reading++;
    if (flags & WSK_FLAG_DRAIN)
        side->unsure = TRUE;
    KeReleaseSpinLock(&side->lock, irql);
    wt_receive(side->socket, op, &place->buffer.buf, flags);
}

static void disconnect(struct fuzz *fuzz, struct side *side)
{
    UCHAR how = fuzz_u8(fuzz);
    BOOLEAN abort = (how & 2) != 0;
    SIZE_T size = how & 1 && !abort ? some_bytes(fuzz) : 0;
    struct place *place = new_place(side, size, some_piece(fuzz, size));
    struct wt_op *op = fill(side, place);

    if (op == NULL)
        return;
    disconnected = TRUE;
    if (abort)
        disturb();
    wt_disconnect(side->socket, op, size != 0 ? &place->buffer.buf : NULL, abort ? WSK_FLAG_ABORTIVE : 0);
    sent(side, op, size);
}

static void cancel(struct fuzz *fuzz)
{
    struct wt_op *op = fuzz_pending(fuzz_below(fuzz, FUZZ_OPS));

    if (op == NULL || wt_is_done(op))
        return;
    if (op->hook != received) { /* a send that ends in its middle; a receive loses nothing (D-16) */
        disturb();
        for (int i = 0; i < 2; i++) {
            KIRQL irql;

            KeAcquireSpinLock(&sides[i].lock, &irql);
            sides[i].unsure = TRUE;
            KeReleaseSpinLock(&sides[i].lock, irql);
        }
    }
    IoCancelIrp(op->irp);
}

static void events(struct fuzz *fuzz, struct side *side)
{
    static const ULONG bits[] = {WSK_EVENT_RECEIVE, WSK_EVENT_DISCONNECT, WSK_EVENT_SEND_BACKLOG,
                                 WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT};
    UCHAR how = fuzz_u8(fuzz);
    ULONG mask = bits[how & 3];
    struct wt_op *op;

    if (how < 128) { /* C-EVT-06: without an IRP */
        wt_events(side->socket, mask, NULL);
        return;
    }
    op = how & 4 ? fuzz_op() : NULL;
    wt_events(side->socket, mask | WSK_EVENT_DISABLE, op);
}

/* What is under way gets a moment to arrive. */
static void pause(struct fuzz *fuzz)
{
    UCHAR which = fuzz_u8(fuzz);
    struct wt_op *op = fuzz_pending(which % FUZZ_OPS);
    LARGE_INTEGER due;

    if (pauses++ == 8)
        return;
    due.QuadPart = -10LL * (which & 0x80 ? 1000 : 100);
    if (op != NULL)
        KeWaitForSingleObject(&op->done, Executive, KernelMode, FALSE, &due);
    else
        KeDelayExecutionThread(KernelMode, FALSE, &due);
}

static void closed(struct wt_op *op)
{
    struct side *side = op->context;

    __atomic_store_n(&side->closed, TRUE, __ATOMIC_RELAXED);
}

/* From here on each callback takes all, and no call of WskRelease is in progress (H-09). */
static void keep_nothing(struct side *side)
{
    BOOLEAN done;
    KIRQL irql;

    do {
        release_one(side, 0);
        KeAcquireSpinLock(&side->lock, &irql);
        side->ending = TRUE;
        done = side->kept_count == 0 && side->releasing == 0;
        KeReleaseSpinLock(&side->lock, irql);
    } while (!done);
}

static void close(struct side *side)
{
    struct wt_op op;

    disturb();
    keep_nothing(side); /* R-REL-06 */
    wt_op_init(&op);
    op.hook = closed;
    op.context = side;
    wt_close(side->socket, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    side->socket = NULL;
}

static void query(struct fuzz *fuzz, struct side *side)
{
    static const ULONG codes[] = {SIO_WSK_QUERY_RECEIVE_BACKLOG, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG};
    struct place *place = new_place(side, 0, 1);
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;
    UCHAR what = fuzz_u8(fuzz);

    if (op == NULL)
        return;
    if (what & 4)
        wt_returned(op, wt_connection(side->socket)
                            ->WskGetRemoteAddress(side->socket, (PSOCKADDR)&place->address, op->irp));
    else
        wt_control(side->socket, op, WskIoctl, codes[what & 1], 0, 0, NULL, sizeof(SIZE_T), &place->address);
}

static void one_call(struct fuzz *fuzz)
{
    UCHAR what = fuzz_u8(fuzz);
    struct side *side = &sides[what & 1];
    SIZE_T size;
    UCHAR how;

    if (side->socket == NULL)
        return;
    switch (what >> 1 & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
        send(fuzz, side);
        return;
    case 4:
    case 5:
    case 6:
        size = some_bytes(fuzz);
        how = fuzz_u8(fuzz);
        receive(side, size, some_piece(fuzz, size),
                how < 128   ? 0
                : how < 240 ? WSK_FLAG_WAITALL
                : how < 250 ? 0
                            : WSK_FLAG_DRAIN);
        return;
    case 7:
    case 8:
        events(fuzz, side);
        return;
    case 9:
        release_one(side, fuzz_u8(fuzz));
        return;
    case 10:
        cancel(fuzz);
        return;
    case 11:
        if (what >> 5 == 7)
            disconnect(fuzz, side);
        return;
    case 12:
        if (what >> 5 == 7)
            close(side);
        return;
    case 13:
        query(fuzz, side);
        return;
    default:
        pause(fuzz);
    }
}

/* ---- begin and end ------------------------------------------------------------------------------------ */

static void set_buffer(PWSK_SOCKET socket, ULONG option)
{
    struct wt_op *op = fuzz_op();
    ULONG bytes = 4096;

    wt_control(socket, op, WskSetOption, option, SOL_SOCKET, sizeof bytes, &bytes, 0, NULL);
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
}

static void connect(UCHAR how)
{
    SOCKADDR_STORAGE address;
    struct wt_op *accept = fuzz_op(), *op = fuzz_op();
    PWSK_SOCKET listener, socket;
    int port;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    wt_accept(listener, accept, &sides[1], &dispatch, NULL, NULL);
    socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, &sides[0], &dispatch);
    if (how & 1) /* sends wait */
        set_buffer(socket, SO_SNDBUF);
    wt_bind(socket, op, wt_any(&address, AF_INET, 0));
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
    op = fuzz_op();
    EXPECT(op != accept);
    wt_connect(socket, op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(accept), STATUS_SUCCESS);
    sides[0].socket = socket;
    sides[1].socket = (PWSK_SOCKET)accept->information;
    fuzz_wait(op);
    fuzz_wait(accept);
    if (how & 2)
        set_buffer(sides[1].socket, SO_SNDBUF);
    wt_close_now(listener);
    for (int i = 0; i < 2; i++) {
        if (how & 4 << i)
            EXPECT_STATUS(wt_events(sides[i].socket, WSK_EVENT_RECEIVE, NULL), STATUS_SUCCESS);
    }
}

/* All that was sent comes, whatever was kept, refused or cancelled on the way. */
static void finish(struct side *side)
{
    struct wt_buffer buffer;
    struct place place;
    struct wt_op off;

    keep_nothing(side);
    wt_op_init(&off); /* from here on WskReceive alone takes them */
    wt_events(side->socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE, &off);
    wt_wait(&off);
    wt_op_free(&off);
    for (ULONG i = 0; i < FUZZ_OPS; i++) { /* D-16: what they hold, they say */
        struct wt_op *op = fuzz_pending(i);

        if (op != NULL && op->hook == received && ((struct place *)op->context)->side == side) {
            IoCancelIrp(op->irp);
            fuzz_wait(op);
        }
    }
    wt_buffer_init(&buffer, 4096);
    place.buffer = buffer;
    place.side = side;
    while (!is_disturbed() && !side->unsure && side->come < other_of(side)->sent) {
        struct wt_op receive;

        wt_op_init(&receive);
        receive.hook = received;
        receive.context = &place;
        InterlockedIncrement(&side->reading);
        wt_receive(side->socket, &receive, &buffer.buf, 0);
        EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
        EXPECT(receive.information != 0);
        wt_op_free(&receive);
    }
    if (!is_disturbed() && !side->unsure)
        EXPECT_EQ(side->come, other_of(side)->sent);
    wt_buffer_free(&buffer);
}

void fuzz_one(struct fuzz *fuzz)
{
    RtlZeroMemory(sides, sizeof sides);
    disturbed = disconnected = FALSE;
    pauses = 0;
    KeInitializeSpinLock(&sides[0].lock);
    KeInitializeSpinLock(&sides[1].lock);
    connect(fuzz_u8(fuzz));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < BEHAVIOURS; j++)
            sides[i].behaviour[j] = fuzz_u8(fuzz);
    }
    while (fuzz->left != 0 && place_count != PLACES)
        one_call(fuzz);
    for (int i = 0; i < 2; i++) {
        if (sides[0].socket != NULL && sides[1].socket != NULL)
            finish(&sides[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (sides[i].socket != NULL)
            close(&sides[i]);
    }
    fuzz_drain();
    while (place_count != 0)
        wt_buffer_free(&places[--place_count].buffer);
}
