/*
 * line.c - see line.h.
 */
#include "line.h"

#define LINE_TAG 'eniL'

static void entered(struct line *line, ULONG flags)
{
    EXPECT_EQ(InterlockedIncrement(&line->running), 1); /* D-12, R-RECVEV-18 */
    EXPECT(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    EXPECT_EQ((flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    InterlockedIncrement(KeGetCurrentIrql() == DISPATCH_LEVEL ? &line->dispatched : &line->passive);
}

static void left(struct line *line)
{
    EXPECT_EQ(InterlockedDecrement(&line->running), 0);
}

SIZE_T line_length(PWSK_DATA_INDICATION list)
{
    SIZE_T sum = 0;

    for (; list != NULL; list = list->Next)
        sum += list->Buffer.Length;
    return sum;
}

void line_keep(struct line *line, PWSK_DATA_INDICATION list, SIZE_T bytes)
{
    LONG at = line->bytes;

    EXPECT(at + bytes <= LINE_ROOM);
    for (; bytes != 0; list = list->Next) {
        SIZE_T part = min(bytes, list->Buffer.Length);
        const UCHAR *from = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);

        RtlCopyMemory(line->data + at, from + list->Buffer.Offset, part);
        at += (LONG)part;
        bytes -= part;
    }
    __atomic_store_n(&line->bytes, at, __ATOMIC_RELEASE);
}

static NTSTATUS WSKAPI line_receive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                    SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    struct line *line = SocketContext;
    NTSTATUS status = STATUS_SUCCESS;
    PWSK_DATA_INDICATION at;

    entered(line, Flags);
    EXPECT_EQ(Flags & ~(ULONG)(WSK_FLAG_RELEASE_ASAP | WSK_FLAG_ENTIRE_MESSAGE | WSK_FLAG_AT_DISPATCH_LEVEL),
              0);
    EXPECT_EQ(*BytesAccepted, BytesIndicated);
    EXPECT_EQ(line_length(DataIndication), BytesIndicated);
    for (at = DataIndication; at != NULL; at = at->Next) {
        EXPECT(at->Buffer.Length != 0);
        EXPECT(at->Buffer.Mdl != NULL && at->Buffer.Mdl->Next == NULL);
        EXPECT(at->Buffer.Offset + at->Buffer.Length <= MmGetMdlByteCount(at->Buffer.Mdl));
        EXPECT(MmGetSystemAddressForMdlSafe(at->Buffer.Mdl, NormalPagePriority) != NULL);
    }
    line->order_receive = wt_mark();
    if (DataIndication == NULL) {
        EXPECT_EQ(BytesIndicated, 0);
        InterlockedIncrement(&line->deaths);
    } else {
        if (line->on_receive != NULL)
            status = line->on_receive(line, DataIndication, BytesIndicated, BytesAccepted);
        else
            line_keep(line, DataIndication, BytesIndicated);
        InterlockedIncrement(&line->receives);
    }
    left(line);
    return status;
}

static NTSTATUS WSKAPI line_disconnect(PVOID SocketContext, ULONG Flags)
{
    struct line *line = SocketContext;

    entered(line, Flags);
    EXPECT_EQ(Flags & ~(ULONG)(WSK_FLAG_ABORTIVE | WSK_FLAG_AT_DISPATCH_LEVEL), 0);
    line->order_disconnect = wt_mark();
    if (line->on_disconnect != NULL)
        line->on_disconnect(line, Flags);
    InterlockedIncrement((Flags & WSK_FLAG_ABORTIVE) ? &line->aborts : &line->gracefuls);
    left(line);
    return STATUS_SUCCESS;
}

const WSK_CLIENT_CONNECTION_DISPATCH line_dispatch = {.WskReceiveEvent = line_receive,
                                                      .WskDisconnectEvent = line_disconnect};

void line_init(struct line *line)
{
    RtlZeroMemory(line, sizeof *line);
    line->peer = -1;
    line->data = ExAllocatePool2(POOL_FLAG_NON_PAGED, LINE_ROOM, LINE_TAG);
    EXPECT(line->data != NULL);
}

void line_free(struct line *line)
{
    ExFreePoolWithTag(line->data, LINE_TAG);
}

void line_open(struct line *line, ADDRESS_FAMILY family, ULONG events)
{
    line_init(line);
    line->socket = wt_connected(family, line, &line_dispatch, &line->peer);
    if (events != 0)
        EXPECT_STATUS(wt_events(line->socket, events, NULL), STATUS_SUCCESS);
}

void line_disable(PWSK_SOCKET socket, ULONG event)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_events(socket, event | WSK_EVENT_DISABLE, &op);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

void line_close(struct line *line)
{
    LONG calls;

    wt_close_now(line->socket);
    calls = line->receives + line->deaths + line->gracefuls + line->aborts;
    EXPECT_EQ(line->running, 0); /* C-CLOSE-17 */
    if (line->peer >= 0)
        peer_close(line->peer);
    EXPECT_EQ(line->receives + line->deaths + line->gracefuls + line->aborts, calls);
    line_free(line);
}
