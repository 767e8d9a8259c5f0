/*
 * test_datagram_kinds.c - what a driver is told of broadcasts and multicasts.  The transport is made to say of a
 * datagram, by its first byte, which of them it is; how it finds out is tested with the transports.
 */
#include "datagram_box.h"

TEST_FIXTURE(wt_setup, wt_teardown);
TEST_MATRIX(WT_CALM_MODES);

static struct box box;
static void (*completed)(struct transport_op *op, int32_t status, size_t bytes);
static volatile LONG lists;
static ULONG flags_of[BOX_MOST];
static LONG counts[BOX_MOST];

static unsigned kind_of(UCHAR byte)
{
    return byte == 'b' ? TRANSPORT_BROADCAST : byte == 'm' ? TRANSPORT_MULTICAST : 0;
}

static void tell(struct transport_op *op, int32_t status)
{
    struct transport_datagram_op *receive = CONTAINING_RECORD(op, struct transport_datagram_op, op);
    size_t i;

    if (status != STATUS_SUCCESS)
        return;
    if (!(op->flags & TRANSPORT_PROVIDE))
        receive->about.flags |= kind_of(box.in.bytes[0]);
    for (i = 0; (op->flags & TRANSPORT_PROVIDE) && i < receive->done; i++)
        receive->received[i].about.flags |= kind_of(*(UCHAR *)receive->received[i].data);
}

static void telling_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    tell(op, status);
    completed(op, status, bytes);
}

static int32_t telling_receive_from(struct transport_socket *socket, struct transport_datagram_op *op)
{
    int32_t status;

    if (op->op.complete != telling_complete) {
        completed = op->op.complete;
        op->op.complete = telling_complete;
    }
    status = box_below->receive_from(socket, op);
    tell(&op->op, status);
    return status;
}

static void tell_kinds(void)
{
    box_slow_sends();
    box_ops.receive_from = telling_receive_from;
}

static void send(const char *kinds)
{
    for (; *kinds != 0; kinds++)
        peer_datagram_send(box.peer, box.port, kinds, 1);
}

TEST(a_receive_tells_the_kind, "R-RECVFROM-07 R-RECVFROM-08")
{
    static const struct {
        const char *kind;
        ULONG flag;
    } rows[] = {{"u", 0}, {"b", MSG_BCAST}, {"m", MSG_MCAST}, {"u", 0}};
    unsigned i, when;

    tell_kinds();
    for (when = 0; when < 2; when++) { /* the request is there first, or the datagram */
        box_open(&box, STATUS_SUCCESS, FALSE);
        for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
            if (when == 0)
                send(rows[i].kind);
            box_receive(&box, &box.receive, &box.in);
            if (when == 1)
                send(rows[i].kind);
            EXPECT_STATUS(wt_wait(&box.receive), STATUS_SUCCESS);
            EXPECT_EQ(box.control_flags, rows[i].flag);
            wt_again(&box.receive);
        }
        box_close(&box);
        box_end(&box);
    }
}

static NTSTATUS WSKAPI kinds_event(PVOID context, ULONG flags, PWSK_DATAGRAM_INDICATION list)
{
    LONG at = lists;

    UNREFERENCED_PARAMETER(context);
    EXPECT_EQ((flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    flags_of[at] = flags & ~(ULONG)WSK_FLAG_AT_DISPATCH_LEVEL;
    for (; list != NULL; list = list->Next) {
        PUCHAR bytes = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);
        unsigned kind = kind_of(bytes[list->Buffer.Offset]);

        EXPECT_EQ(flags_of[at], kind == TRANSPORT_BROADCAST   ? MSG_BCAST
                                : kind == TRANSPORT_MULTICAST ? MSG_MCAST
                                                              : 0u);
        counts[at]++;
    }
    InterlockedIncrement(&lists);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH kinds_dispatch = {kinds_event};

static LONG told(void)
{
    LONG i, sum = 0;

    for (i = 0; i < box_read(&lists); i++)
        sum += counts[i];
    return sum;
}

TEST(a_list_is_of_one_kind, "R-RFEV-03 H-06")
{
    PWSK_SOCKET socket;

    tell_kinds();
    box.peer = peer_datagram(PEER_INET, &box.peer_port);
    socket = wt_datagrams(AF_INET, NULL, &kinds_dispatch, &box.port);
    send("uubbbmmub");
    EXPECT_STATUS(wt_events(socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(told() == 9);
    EXPECT(lists >= 5); /* whatever came together */
    EXPECT_EQ(flags_of[0], 0);
    EXPECT_EQ(flags_of[lists - 1], MSG_BCAST);
    wt_close_now(socket);
    peer_close(box.peer);
}

static PWSK_SOCKET bound_to(PSOCKADDR_IN address)
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, (PSOCKADDR)address);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return socket;
}

/* One byte from the one to the other, which is told from where. */
static void pass(PWSK_SOCKET from, PWSK_SOCKET to, PSOCKADDR_IN where, const SOCKADDR_IN *sender)
{
    struct wt_buffer buffer;
    SOCKADDR_IN told_sender;
    struct wt_op op;

    wt_buffer_init(&buffer, 1);
    wt_op_init(&op);
    wt_send_to(from, &op, &buffer.buf, (PSOCKADDR)where, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_receive_from(to, &op, &buffer.buf, (PSOCKADDR)&told_sender, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 1);
    EXPECT_EQ(told_sender.sin_addr.s_addr, sender->sin_addr.s_addr);
    EXPECT_EQ(told_sender.sin_port, sender->sin_port);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
}

/* Each address of this host reaches it; it answers from the address that routing picks for the way back. */
TEST(a_socket_bound_to_all_addresses, "R-BIND-05 C-DATA-04")
{
    ULONG addresses[] = {0x7f000001, test_mode_has("sim") ? 0x0a000001 : 0x7f000002};
    ULONG answers[] = {0x7f000001, test_mode_has("sim") ? 0x0a000001 : 0x7f000001};
    SOCKADDR_IN all = {.sin_family = AF_INET};
    PWSK_SOCKET everywhere = bound_to(&all);
    unsigned i;

    EXPECT_EQ(all.sin_addr.s_addr, 0);
    for (i = 0; i < RTL_NUMBER_OF(addresses); i++) {
        SOCKADDR_IN own = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(addresses[i])};
        PWSK_SOCKET one = bound_to(&own);
        SOCKADDR_IN there = own;

        there.sin_port = all.sin_port;
        pass(one, everywhere, &there, &own);
        there.sin_addr.s_addr = RtlUlongByteSwap(answers[i]);
        pass(everywhere, one, &own, &there);
        wt_close_now(one);
    }
    wt_close_now(everywhere);
}
