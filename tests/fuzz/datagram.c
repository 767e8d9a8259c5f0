/*
 * datagram.c - datagrams from one of our sockets to another: sent alone and in lists, received by WskReceiveFrom and by
 * callbacks that take them, keep them, take them apart (D-14) or want none, given back in any order, with cancels and a
 * close in the middle.  Each carries a number and bytes that follow from it: none comes twice or before an earlier one,
 * none is another's, and what is kept does not change.
 */
#include "fuzz.h"

enum { PLACES = 96, KEPT = 64, BEHAVIOURS = 8, LIST = 8, LONGEST = 2000 };

static PWSK_SOCKET receiver, sender;
static int port;
static ULONG next_number; /* of the datagram that is sent next; 0 is none */
static volatile LONG closed;

static KSPIN_LOCK lock; /* of what follows */
static UCHAR behaviour[BEHAVIOURS];
static ULONG called;
static LONG running, reading;
static ULONG last_number;
static BOOLEAN ending;
static ULONG releasing;
static struct kept {
    PWSK_DATAGRAM_INDICATION one;
    ULONG number;
} kept[KEPT];
static ULONG kept_count;

static struct place { /* where an op reads and writes: lasts until all are done */
    struct wt_buffer buffers[LIST];
    WSK_BUF_LIST list[LIST];
    ULONG count;
    SOCKADDR_STORAGE address;
    ULONG flags;
} places[PLACES];
static ULONG place_count;

static void fill(struct wt_buffer *buffer, ULONG number)
{
    for (SIZE_T i = 0; i < buffer->size; i++)
        buffer->bytes[i] = i < 4 ? (UCHAR)(number >> 8 * i) : (UCHAR)(number * 7 + i);
}

/* Its number; 0: too short to have one. */
static ULONG check(const UCHAR *bytes, SIZE_T length)
{
    ULONG number = 0;

    if (length < 4)
        return 0;
    RtlCopyMemory(&number, bytes, 4);
    EXPECT(number != 0 && number < next_number);
    for (SIZE_T i = 4; i < length; i++) {
        if (bytes[i] != (UCHAR)(number * 7 + i))
            uwsk_test_fail(__FILE__, __LINE__, "byte %llu of datagram %u is wrong", (unsigned long long)i,
                           number);
    }
    return number;
}

/* lock held. */
static void in_order(ULONG number)
{
    if (number == 0)
        return;
    EXPECT(number > last_number);
    last_number = number;
}

static ULONG check_one(const WSK_DATAGRAM_INDICATION *one)
{
    const UCHAR *memory = MmGetSystemAddressForMdlSafe(one->Buffer.Mdl, NormalPagePriority);

    EXPECT(memory != NULL && one->Buffer.Mdl->Next == NULL); /* D-12 */
    return check(memory + one->Buffer.Offset, one->Buffer.Length);
}

/* ---- the callback ------------------------------------------------------------------------------------- */

static void release_one(ULONG which)
{
    struct kept found = {NULL, 0};
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    if (kept_count != 0) {
        which %= kept_count;
        found = kept[which];
        kept[which] = kept[--kept_count];
        releasing++;
    }
    KeReleaseSpinLock(&lock, irql);
    if (found.one == NULL)
        return;
    EXPECT_EQ(check_one(found.one), found.number);
    EXPECT(found.one->Next == NULL);
    EXPECT_STATUS(wt_release_datagrams(receiver, found.one), STATUS_SUCCESS);
    KeAcquireSpinLock(&lock, &irql);
    releasing--;
    KeReleaseSpinLock(&lock, irql);
}

static NTSTATUS WSKAPI on_receive(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    PWSK_DATAGRAM_INDICATION next, one;
    NTSTATUS status = STATUS_SUCCESS;
    BOOLEAN refuse;
    ULONG count = 0;
    UCHAR how;
    KIRQL irql;

    UNREFERENCED_PARAMETER(SocketContext);
    EXPECT_EQ((Flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT(DataIndication != NULL);
    KeAcquireSpinLock(&lock, &irql);
    EXPECT(!closed);
    EXPECT_EQ(running++, 0); /* D-12 */
    how = behaviour[called++ % BEHAVIOURS];
    refuse = reading != 0 || (!ending && (how & 7) == 7);
    for (one = DataIndication; one != NULL; one = one->Next) {
        ULONG number = check_one(one);

        count++;
        EXPECT_EQ(wt_port(one->RemoteAddress) != 0, TRUE);
        if (!refuse) /* what is refused comes again */
            in_order(number);
    }
    if (refuse) {
        status = STATUS_DATA_NOT_ACCEPTED;
    } else if (!ending && (how & 3) && kept_count + count <= KEPT) {
        for (one = DataIndication; one != NULL; one = next) {
            next = one->Next;
            one->Next = NULL; /* D-14 */
            kept[kept_count++] = (struct kept){one, check_one(one)};
        }
        status = STATUS_PENDING;
    }
    KeReleaseSpinLock(&lock, irql);
    for (ULONG i = 0; status == STATUS_PENDING && i < (how >> 6); i++)
        release_one(how >> 3); /* of these, too */
    KeAcquireSpinLock(&lock, &irql);
    running--;
    KeReleaseSpinLock(&lock, irql);
    return status;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH dispatch = {on_receive};

/* ---- calls -------------------------------------------------------------------------------------------- */

static struct place *new_place(void)
{
    if (place_count == PLACES)
        return NULL;
    places[place_count].count = 0;
    return &places[place_count++];
}

static struct wt_buffer *new_buffer(struct fuzz *fuzz, struct place *place)
{
    SIZE_T size = fuzz_u16(fuzz) % LONGEST;
    struct wt_buffer *buffer = &place->buffers[place->count++];

    wt_buffer_chain(buffer, size, max(size / 24, 1u + fuzz_u8(fuzz)));
    return buffer;
}

static void send(struct fuzz *fuzz, BOOLEAN many)
{
    struct place *place = new_place();
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;
    ULONG count = many ? 1 + fuzz_below(fuzz, LIST) : 1;
    PSOCKADDR to;

    if (op == NULL)
        return;
    to = wt_loopback(&place->address, AF_INET, port);
    for (ULONG i = 0; i < count; i++) {
        struct wt_buffer *buffer = new_buffer(fuzz, place);

        fill(buffer, next_number++);
        place->list[i].Buffer = buffer->buf;
        place->list[i].Next = i + 1 < count ? &place->list[i + 1] : NULL;
    }
    if (many)
        wt_send_messages(sender, op, place->list, to);
    else
        wt_send_to(sender, op, &place->list[0].Buffer, to, 0, NULL);
}

static void received(struct wt_op *op)
{
    struct place *place = op->context;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    EXPECT(op->information <= place->buffers[0].size);
    if (NT_SUCCESS(op->status) || op->information != 0)
        in_order(check(place->buffers[0].bytes, op->information));
    reading--;
    KeReleaseSpinLock(&lock, irql);
}

static void receive(struct fuzz *fuzz)
{
    struct place *place = new_place();
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;
    struct wt_buffer *buffer;
    KIRQL irql;

    if (op == NULL)
        return;
    buffer = new_buffer(fuzz, place);
    op->hook = received;
    op->context = place;
    KeAcquireSpinLock(&lock, &irql);
    reading++;
    KeReleaseSpinLock(&lock, irql);
    wt_receive_from(receiver, op, &buffer->buf, (PSOCKADDR)&place->address, NULL, NULL, &place->flags);
}

static void events(struct fuzz *fuzz)
{
    UCHAR how = fuzz_u8(fuzz);

    if (how & 3)
        wt_events(receiver, WSK_EVENT_RECEIVE_FROM, NULL);
    else
        wt_events(receiver, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE, how & 4 ? fuzz_op() : NULL);
}

static void cancel(struct fuzz *fuzz)
{
    struct wt_op *op = fuzz_pending(fuzz_below(fuzz, FUZZ_OPS));

    if (op != NULL && !wt_is_done(op))
        IoCancelIrp(op->irp);
}

/* Only from the sender, or only from elsewhere. */
static void fix_remote(struct fuzz *fuzz)
{
    struct place *place = new_place();
    struct wt_op *op = place != NULL ? fuzz_op() : NULL;
    UCHAR how = fuzz_u8(fuzz);

    if (op == NULL)
        return;
    if (how & 1)
        wt_loopback(&place->address, AF_INET, 1 + how);
    else
        wt_any(&place->address, AF_INET, 0);
    wt_control(receiver, op, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, sizeof(SOCKADDR_IN), &place->address, 0,
               NULL);
}

static void pause(struct fuzz *fuzz)
{
    LARGE_INTEGER due;

    due.QuadPart = -10LL * (10 + fuzz_u8(fuzz));
    KeDelayExecutionThread(KernelMode, FALSE, &due);
}

static BOOLEAN one_call(struct fuzz *fuzz)
{
    UCHAR what = fuzz_u8(fuzz);

    switch (what & 15) {
    case 0:
    case 1:
    case 2:
        send(fuzz, FALSE);
        break;
    case 3:
    case 4:
    case 5:
        send(fuzz, TRUE);
        break;
    case 6:
    case 7:
        receive(fuzz);
        break;
    case 8:
        events(fuzz);
        break;
    case 9:
    case 10:
        release_one(fuzz_u8(fuzz));
        break;
    case 11:
        cancel(fuzz);
        break;
    case 12:
        if (what >> 5 == 7)
            fix_remote(fuzz);
        break;
    case 13:
        return what >> 5 != 7; /* the close comes now */
    default:
        pause(fuzz);
    }
    return TRUE;
}

/* ---- begin and end ------------------------------------------------------------------------------------ */

static void on_closed(struct wt_op *op)
{
    UNREFERENCED_PARAMETER(op);
    InterlockedExchange(&closed, 1);
}

static void close_receiver(void)
{
    struct wt_op op;
    BOOLEAN done;
    KIRQL irql;

    do { /* R-REL-06, H-09 */
        release_one(0);
        KeAcquireSpinLock(&lock, &irql);
        ending = TRUE;
        done = kept_count == 0 && releasing == 0;
        KeReleaseSpinLock(&lock, irql);
    } while (!done);
    wt_op_init(&op);
    op.hook = on_closed;
    wt_close(receiver, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

/* Sends wait. */
static void small_buffer(PWSK_SOCKET socket)
{
    struct wt_op *op = fuzz_op();
    ULONG bytes = 4096;

    wt_control(socket, op, WskSetOption, SO_SNDBUF, SOL_SOCKET, sizeof bytes, &bytes, 0, NULL);
    EXPECT_STATUS(fuzz_wait(op), STATUS_SUCCESS);
}

void fuzz_one(struct fuzz *fuzz)
{
    UCHAR how = fuzz_u8(fuzz);
    int other;

    KeInitializeSpinLock(&lock);
    next_number = 1;
    closed = 0;
    called = last_number = 0;
    ending = FALSE;
    receiver = wt_datagrams(AF_INET, NULL, &dispatch, &port);
    sender = how & 1 ? receiver : wt_datagrams(AF_INET, NULL, NULL, &other);
    for (ULONG i = 0; i < BEHAVIOURS; i++)
        behaviour[i] = fuzz_u8(fuzz);
    if (how & 4)
        small_buffer(sender);
    if (how & 2)
        EXPECT_STATUS(wt_events(receiver, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    while (fuzz->left != 0 && place_count != PLACES && one_call(fuzz)) {
    }
    close_receiver();
    if (sender != receiver)
        wt_close_now(sender);
    fuzz_drain();
    EXPECT(running == 0 && reading == 0);
    while (place_count != 0) {
        struct place *place = &places[--place_count];

        while (place->count != 0)
            wt_buffer_free(&place->buffers[--place->count]);
    }
}
