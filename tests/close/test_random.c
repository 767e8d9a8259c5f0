/*
 * test_random.c - connections on which everything happens in random order, from two sides and several
 * threads, until a close ends it.  Whatever happened, the contract holds: each IRP completed once (the
 * fixture), with a status that its operation may have, before the close IRP (C-CLOSE-14); no callback after
 * it (C-CLOSE-18); nothing left (the fixture).  A failing round names its seed.
 */
#include "close_test.h"

WT_FIXTURE;

#define OPS 24

struct chaos {
    PWSK_SOCKET socket;
    int peer;
    ULONG seed, peer_seed, callback_seed;
    struct wt_op ops[OPS], close;
    UCHAR kinds[OPS];
    struct wt_buffer small, big;
    volatile LONG used, closing, closed, late, running, releases;
    PWSK_DATA_INDICATION volatile retained[64];
    volatile LONG retained_count;
    BOOLEAN close_in_callback;
};

enum { KIND_RECEIVE = 1, KIND_SEND, KIND_DISCONNECT, KIND_DISABLE };

static ULONG roll(ULONG *seed, ULONG sides)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % sides;
}

static void chaos_closed(struct wt_op *op)
{
    struct chaos *chaos = op->context;

    if (ReadAcquire(&chaos->running))
        InterlockedIncrement(&chaos->late); /* C-CLOSE-17 */
    InterlockedExchange(&chaos->closed, 1);
}

static void chaos_close(struct chaos *chaos)
{
    if (InterlockedExchange(&chaos->closing, 1) == 0)
        wt_close(chaos->socket, &chaos->close);
}

static void callback_begin(struct chaos *chaos)
{
    if (ReadAcquire(&chaos->closed))
        InterlockedIncrement(&chaos->late); /* C-CLOSE-18 */
    if (InterlockedIncrement(&chaos->running) != 1)
        InterlockedIncrement(&chaos->late); /* D-12: one at a time */
    if (chaos->close_in_callback && roll(&chaos->callback_seed, 4) == 0)
        chaos_close(chaos);
}

static NTSTATUS WSKAPI chaos_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                     SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct chaos *chaos = SocketContext;
    NTSTATUS answer = STATUS_SUCCESS;

    UNREFERENCED_PARAMETER(Flags);
    callback_begin(chaos);
    if (DataIndication != NULL) {
        switch (roll(&chaos->callback_seed, 5)) {
        case 0:
            *BytesAccepted = roll(&chaos->callback_seed, (ULONG)BytesIndicated + 1);
            break;
        case 1:
            answer = STATUS_DATA_NOT_ACCEPTED;
            break;
        case 2:
            if (chaos->retained_count < 64) {
                chaos->retained[chaos->retained_count] = DataIndication;
                InterlockedIncrement(&chaos->retained_count);
                answer = STATUS_PENDING;
            }
            break;
        default:
            break;
        }
    }
    InterlockedDecrement(&chaos->running);
    return answer;
}

static NTSTATUS WSKAPI chaos_disconnect(PVOID SocketContext, ULONG Flags)
{
    struct chaos *chaos = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    callback_begin(chaos);
    InterlockedDecrement(&chaos->running);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH chaos_events = {chaos_receive, chaos_disconnect, NULL};

static void chaos_peer(void *argument)
{
    static const UCHAR bytes[5000];
    static UCHAR room[100000];
    struct chaos *chaos = argument;
    int steps = 20 + (int)roll(&chaos->peer_seed, 20);

    while (steps-- > 0) {
        switch (roll(&chaos->peer_seed, 12)) {
        case 0:
        case 1:
        case 2:
        case 3:
            peer_send_some(chaos->peer, bytes, 1 + roll(&chaos->peer_seed, sizeof bytes));
            break;
        case 4:
        case 5:
        case 6:
            peer_receive(chaos->peer, room, sizeof room, 0);
            break;
        case 7:
            if (roll(&chaos->peer_seed, 6) == 0) {
                peer_reset(chaos->peer);
                chaos->peer = -1;
                return;
            }
            break;
        case 8:
            if (roll(&chaos->peer_seed, 6) == 0) {
                peer_close(chaos->peer); /* with data unread: a reset, too */
                chaos->peer = -1;
                return;
            }
            break;
        default:
            YieldProcessor();
            break;
        }
    }
}

static void chaos_step(struct chaos *chaos)
{
    ULONG n = (ULONG)chaos->used;
    struct wt_op *op = &chaos->ops[n];
    static const ULONG masks[] = {WSK_EVENT_RECEIVE, WSK_EVENT_DISCONNECT};
    WSK_BUF part = chaos->small.buf, empty = {NULL, 0, 0};

    part.Offset = roll(&chaos->seed, 100);
    part.Length = 1 + roll(&chaos->seed, 4000);
    switch (roll(&chaos->seed, 13)) {
    case 0:
    case 1:
        chaos->kinds[n] = KIND_RECEIVE;
        wt_receive(chaos->socket, op, &part, 0);
        break;
    case 2:
        chaos->kinds[n] = KIND_RECEIVE;
        wt_receive(chaos->socket, op, &part, WSK_FLAG_WAITALL);
        break;
    case 3:
        chaos->kinds[n] = KIND_RECEIVE;
        wt_receive(chaos->socket, op, &empty, roll(&chaos->seed, 8) == 0 ? WSK_FLAG_DRAIN : 0);
        break;
    case 4:
    case 5:
        chaos->kinds[n] = KIND_SEND;
        wt_send(chaos->socket, op, &part, roll(&chaos->seed, 2) ? WSK_FLAG_NODELAY : 0);
        break;
    case 6:
        chaos->kinds[n] = KIND_SEND;
        wt_send(chaos->socket, op, &chaos->big.buf, 0);
        break;
    case 7:
        if (roll(&chaos->seed, 4) != 0)
            return;
        chaos->kinds[n] = KIND_DISCONNECT;
        wt_disconnect(chaos->socket, op, roll(&chaos->seed, 2) ? &part : NULL, 0);
        break;
    case 8:
        if (roll(&chaos->seed, 8) != 0)
            return;
        chaos->kinds[n] = KIND_DISCONNECT;
        wt_disconnect(chaos->socket, op, NULL, WSK_FLAG_ABORTIVE);
        break;
    case 9:
        chaos->kinds[n] = KIND_DISABLE;
        wt_events(chaos->socket, masks[roll(&chaos->seed, 2)] | WSK_EVENT_DISABLE, op);
        break;
    case 10:
        (void)wt_events(chaos->socket, masks[roll(&chaos->seed, 2)], NULL);
        return;
    case 11:
        if (ReadAcquire(&chaos->retained_count) > chaos->releases) {
            LONG which = chaos->releases++;

            (void)wt_release(chaos->socket, chaos->retained[which]);
        }
        return;
    default:
        if (n > 0)
            IoCancelIrp(chaos->ops[roll(&chaos->seed, n)].irp);
        return;
    }
    chaos->used++;
}

static void chaos_check(struct chaos *chaos, ULONG seed)
{
    LONG i;

    for (i = 0; i < chaos->used; i++) {
        struct wt_op *op = &chaos->ops[i];
        NTSTATUS status = wt_wait(op);
        BOOLEAN partial = chaos->kinds[i] == KIND_RECEIVE;

        switch (status) {
        case STATUS_SUCCESS:
        case STATUS_CANCELLED:
        case STATUS_CONNECTION_RESET:
        case STATUS_CONNECTION_ABORTED:
        case STATUS_CONNECTION_DISCONNECTED:
        case STATUS_INVALID_DEVICE_STATE:
        case STATUS_FILE_FORCED_CLOSED:
            break;
        default:
            uwsk_test_fail(__FILE__, __LINE__, "seed %u: operation %d (kind %d) ended with 0x%08x", seed,
                           (int)i, chaos->kinds[i], (unsigned)status);
        }
        if (status != STATUS_SUCCESS && !partial && op->information != 0)
            uwsk_test_fail(__FILE__, __LINE__, "seed %u: a failed operation has bytes", seed);
        if (op->order > chaos->close.order &&
            status != STATUS_FILE_FORCED_CLOSED) /* refused: called after it */
            uwsk_test_fail(__FILE__, __LINE__, "seed %u: operation %d came after the close", seed, (int)i);
    }
    if (chaos->late != 0)
        uwsk_test_fail(__FILE__, __LINE__, "seed %u: %d callbacks too late or at once", seed,
                       (int)chaos->late);
}

TEST(anything_may_happen_before_a_close,
     "C-CLOSE-07 C-CLOSE-11 C-CLOSE-12 C-CLOSE-13 C-CLOSE-14 C-CLOSE-17 C-CLOSE-18", TEST_TIMEOUT(600))
{
    struct chaos *chaos = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *chaos, 'oahC');
    long round, rounds = test_scale(test_sanitizer() ? 1000 : 5000);
    int i;

    for (round = 0; round < rounds; round++) {
        struct test_thread *thread;
        ULONG seed = (ULONG)round * 2654435761u + 12345u;
        int steps;

        RtlZeroMemory(chaos, sizeof *chaos);
        chaos->seed = seed;
        chaos->peer_seed = seed ^ 0x5bd1e995u;
        chaos->callback_seed = seed ^ 0x1b873593u;
        chaos->close_in_callback = roll(&chaos->seed, 3) == 0;
        wt_buffer_chain(&chaos->small, 8192, 1000);
        wt_buffer_init(&chaos->big, 1 << 20);
        for (i = 0; i < OPS; i++)
            wt_op_init(&chaos->ops[i]);
        wt_op_init(&chaos->close);
        chaos->close.hook = chaos_closed;
        chaos->close.context = chaos;
        chaos->socket = round & 1 ? wt_connected(AF_INET, chaos, &chaos_events, &chaos->peer)
                                  : wt_accepted(AF_INET, chaos, &chaos_events, &chaos->peer);
        thread = test_thread_start(chaos_peer, chaos);
        steps = (int)roll(&chaos->seed, 40);
        while (steps-- > 0 && chaos->used < OPS)
            chaos_step(chaos);
        chaos_close(chaos);
        EXPECT_STATUS(wt_wait(&chaos->close), STATUS_SUCCESS);
        test_thread_join(thread);
        chaos_check(chaos, seed);
        if (chaos->peer >= 0)
            peer_close(chaos->peer);
        for (i = 0; i < OPS; i++)
            wt_op_free(&chaos->ops[i]);
        wt_op_free(&chaos->close);
        wt_buffer_free(&chaos->small);
        wt_buffer_free(&chaos->big);
    }
    ExFreePoolWithTag(chaos, 'oahC');
}
