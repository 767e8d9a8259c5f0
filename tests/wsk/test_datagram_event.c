/*
 * test_datagram_event.c - WskReceiveFromEvent: lists, what is kept and given back one by one, refusal, WskReceiveFrom
 * beside it, disabling and closing.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_CALM_FIXTURE;

enum { ROOM = 4096 };

/* A bound socket whose event callbacks are recorded. */
struct inbox {
    PWSK_SOCKET socket;
    int port, peer, peer_port;
    volatile LONG running, calls, datagrams;
    ULONG last_flags;
    UCHAR first[ROOM]; /* first byte of each datagram, in order */
    NTSTATUS (*decide)(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list);
    PWSK_DATAGRAM_INDICATION kept[ROOM];
    volatile LONG kept_count;
};

static void look_at(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    for (; list != NULL; list = list->Next) {
        PUCHAR bytes = MmGetSystemAddressForMdlSafe(list->Buffer.Mdl, NormalPagePriority);

        EXPECT(list->RemoteAddress != NULL && list->RemoteAddress->sa_family == AF_INET); /* R-IND-05 */
        EXPECT_EQ(wt_port(list->RemoteAddress), inbox->peer_port);
        EXPECT(list->Buffer.Mdl->Next == NULL);
        EXPECT((list->ControlInfo == NULL) == (list->ControlInfoLength == 0)); /* R-IND-04 */
        inbox->first[inbox->datagrams % ROOM] = list->Buffer.Length != 0 ? bytes[list->Buffer.Offset] : 0;
        InterlockedIncrement(&inbox->datagrams);
    }
}

static NTSTATUS WSKAPI receive_from_event(PVOID context, ULONG flags, PWSK_DATAGRAM_INDICATION list)
{
    struct inbox *inbox = context;
    NTSTATUS status = STATUS_SUCCESS;

    EXPECT_EQ(InterlockedIncrement(&inbox->running), 1); /* D-12 */
    EXPECT_EQ((flags & WSK_FLAG_AT_DISPATCH_LEVEL) != 0, KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT(list != NULL);
    inbox->last_flags = flags & ~(ULONG)WSK_FLAG_AT_DISPATCH_LEVEL;
    InterlockedIncrement(&inbox->calls);
    if (inbox->decide != NULL)
        status = inbox->decide(inbox, list);
    else
        look_at(inbox, list);
    InterlockedDecrement(&inbox->running);
    return status;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH dispatch = {receive_from_event};
static struct inbox box;

static void box_open(ULONG events)
{
    RtlZeroMemory(&box, sizeof box);
    box.peer = peer_datagram(PEER_INET, &box.peer_port);
    box.socket = wt_datagrams(AF_INET, &box, &dispatch, &box.port);
    if (events != 0)
        EXPECT_STATUS(wt_events(box.socket, events, NULL), STATUS_SUCCESS);
}

static void box_close(void)
{
    LONG calls;

    wt_close_now(box.socket);
    calls = box.calls;
    EXPECT_EQ(line_read(&box.running), 0);
    peer_close(box.peer);
    EXPECT_EQ(line_read(&box.calls), calls);
}

static void send_numbered(unsigned from, unsigned count)
{
    UCHAR bytes[40] = {0};
    unsigned i;

    for (i = 0; i < count; i++) {
        bytes[0] = (UCHAR)(from + i);
        peer_datagram_send(box.peer, box.port, bytes, sizeof bytes);
    }
}

/* So many callbacks have come, and WSK has heard what the last one answered: whoever enables the event before that has it
 * turned off by a refusal that comes after. */
static void expect_refused(LONG calls)
{
    struct wsk_socket *socket = wsk_socket_of(box.socket);

    EXPECT_SOON(line_read(&box.calls) >= calls && line_read(&box.running) == 0 &&
                !((wsk_enabled(socket) | wsk_running(socket)) & WSK_CALLBACK_RECEIVE_FROM));
    EXPECT_EQ(line_read(&box.calls), calls);
}

TEST(every_datagram_is_indicated_in_order,
     "C-DATA-15 R-RFEV-02 R-RFEV-04 R-RFEV-06 R-IND-03 R-IND-04 R-IND-05 C-EVT-13 "
     "C-EVT-14 D-12")
{
    unsigned i;

    box_open(WSK_EVENT_RECEIVE_FROM);
    send_numbered(0, 200);
    EXPECT_SOON(line_read(&box.datagrams) == 200);
    for (i = 0; i < 200; i++)
        EXPECT_EQ(box.first[i], i);
    EXPECT_EQ(box.last_flags, 0); /* neither broadcast nor multicast */
    box_close();
}

TEST(only_a_bound_socket_has_events, "C-EVT-13 C-EVT-14 R-SOCK-14")
{
    PWSK_SOCKET unbound = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, &box, &dispatch);
    PWSK_SOCKET plain;
    int port;

    EXPECT_STATUS(wt_events(unbound, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(wt_events(unbound, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_PARAMETER);
    wt_close_now(unbound);
    plain = wt_datagrams(AF_INET, NULL, NULL, &port);
    EXPECT_STATUS(wt_events(plain, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_INVALID_PARAMETER); /* no function */
    wt_close_now(plain);
}

/* ---- kept --------------------------------------------------------------------------------------------- */

static NTSTATUS keep(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    look_at(inbox, list);
    while (list != NULL) { /* unlinked: Next is the driver's now (D-14) */
        PWSK_DATAGRAM_INDICATION next = list->Next;

        list->Next = NULL;
        inbox->kept[inbox->kept_count] = list;
        InterlockedIncrement(&inbox->kept_count);
        list = next;
    }
    return STATUS_PENDING;
}

TEST(kept_datagrams_are_given_back_one_by_one, "R-RFEV-06 R-REL-05 C-DATA-11 D-14")
{
    LONG i;

    box_open(0);
    box.decide = keep;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    send_numbered(0, 60);
    EXPECT_SOON(line_read(&box.kept_count) == 60);
    for (i = 0; i < 60; i++) { /* they are all still there, and each by itself */
        PUCHAR bytes = MmGetSystemAddressForMdlSafe(box.kept[i]->Buffer.Mdl, NormalPagePriority);

        EXPECT_EQ(bytes[box.kept[i]->Buffer.Offset], i);
    }
    EXPECT_SOON(line_read(&box.running) == 0);
    for (i = 59; i >= 0; i--)
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[i]), STATUS_SUCCESS);
    EXPECT_STATUS(wt_release_datagrams(box.socket, NULL), STATUS_INVALID_PARAMETER);
    box_close();
}

static NTSTATUS keep_the_list(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    look_at(inbox, list);
    inbox->kept[inbox->kept_count] = list;
    InterlockedIncrement(&inbox->kept_count);
    return STATUS_PENDING;
}

TEST(a_kept_list_is_given_back_by_its_head, "R-RFEV-06 R-RFEV-07 R-REL-05")
{
    LONG i;

    box_open(0);
    send_numbered(0, 20);
    box.decide = keep_the_list;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&box.datagrams) == 20 && line_read(&box.running) == 0);
    for (i = 0; i < box.kept_count; i++) {
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[i]), STATUS_SUCCESS);
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[i]), STATUS_INVALID_PARAMETER);
    }
    box_close();
}

static NTSTATUS release_some_inside(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    while (list != NULL) {
        PWSK_DATAGRAM_INDICATION next = list->Next;

        list->Next = NULL;
        if (InterlockedIncrement(&inbox->datagrams) % 2 != 0) {
            EXPECT_STATUS(wt_release_datagrams(inbox->socket, list), STATUS_SUCCESS);
        } else {
            inbox->kept[inbox->kept_count] = list;
            InterlockedIncrement(&inbox->kept_count);
        }
        list = next;
    }
    return STATUS_PENDING;
}

TEST(some_are_given_back_inside_the_callback, "D-14 R-REL-05")
{
    LONG i;

    box_open(0);
    box.decide = release_some_inside;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    send_numbered(0, 40);
    EXPECT_SOON(line_read(&box.datagrams) == 40 && line_read(&box.running) == 0);
    EXPECT_EQ(box.kept_count, 20);
    for (i = 0; i < 20; i++)
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[i]), STATUS_SUCCESS);
    box_close();
}

/* ---- not accepted ------------------------------------------------------------------------------------- */

static NTSTATUS refuse(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    UNREFERENCED_PARAMETER(inbox);
    UNREFERENCED_PARAMETER(list);
    return STATUS_DATA_NOT_ACCEPTED;
}

TEST(refused_datagrams_come_again_when_enabled_again, "R-RFEV-08 R-RFEV-09 H-05")
{
    unsigned i;

    box_open(0);
    box.decide = refuse;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    send_numbered(0, 5);
    expect_refused(1);
    send_numbered(5, 5);
    test_sleep_ms(20);
    EXPECT_EQ(line_read(&box.calls), 1); /* off until the client enables it */
    box.decide = NULL;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&box.datagrams) == 10);
    for (i = 0; i < 10; i++)
        EXPECT_EQ(box.first[i], i); /* those that were kept first */
    box_close();
}

TEST(refused_datagrams_are_received, "R-RFEV-08 R-RECVFROM-12")
{
    struct wt_buffer buffer;
    struct wt_op op;
    unsigned i;

    box_open(0);
    box.decide = refuse;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    send_numbered(0, 3);
    expect_refused(1);
    wt_buffer_init(&buffer, 64);
    wt_op_init(&op);
    for (i = 0; i < 3; i++) {
        SOCKADDR_STORAGE from;

        wt_receive_from(box.socket, &op, &buffer.buf, (PSOCKADDR)&from, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 40);
        EXPECT_EQ(buffer.bytes[0], i);
        EXPECT_EQ(wt_port(&from), box.peer_port);
        wt_again(&op);
    }
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    box_close();
}

/* ---- a fixed remote address ---------------------------------------------------------------------------- */

static int stranger;
static SOCKADDR_STORAGE to_box;
static struct wt_op fix;

static void fix_the_peer(void)
{
    wt_control(box.socket, &fix, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, sizeof(SOCKADDR_IN),
               wt_loopback(&to_box, AF_INET, box.peer_port), 0, NULL);
}

static NTSTATUS fix_and_refuse(struct inbox *inbox, PWSK_DATAGRAM_INDICATION list)
{
    UNREFERENCED_PARAMETER(inbox);
    UNREFERENCED_PARAMETER(list);
    fix_the_peer();
    return STATUS_DATA_NOT_ACCEPTED;
}

/* Datagrams that wait inside WSK when the address is fixed: between two callbacks, or while one looks at them. */
TEST(strangers_that_wait_are_discarded, "R-RECVFROM-11 C-IOCTL-29 R-RFEV-08")
{
    int inside;

    for (inside = 0; inside < 2; inside++) {
        UCHAR bytes[40] = {99};
        int stranger_port = 0;

        box_open(0);
        stranger = peer_datagram(PEER_INET, &stranger_port);
        wt_op_init(&fix);
        peer_datagram_send(stranger, box.port, bytes, sizeof bytes);
        EXPECT_SOON(WSK_TRANSPORT_OPS->query(wsk_socket_of(box.socket)->transport, TRANSPORT_READABLE) ==
                    sizeof bytes);
        send_numbered(0, 1);
        box.decide = inside ? fix_and_refuse : refuse;
        EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        expect_refused(1);
        if (!inside)
            fix_the_peer();
        EXPECT_STATUS(wt_wait(&fix), STATUS_SUCCESS);
        box.decide = NULL; /* which insists on the peer's port */
        EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
        send_numbered(1, 1);
        EXPECT_SOON(line_read(&box.datagrams) == 2);
        EXPECT(box.first[0] == 0 && box.first[1] == 1);
        wt_op_free(&fix);
        peer_close(stranger);
        box_close();
    }
}

/* ---- beside WskReceiveFrom ----------------------------------------------------------------------------- */

TEST(a_pending_receive_goes_before_the_event, "R-RECVFROM-12 R-RFEV-02")
{
    struct wt_buffer buffer;
    struct wt_op op;

    box_open(WSK_EVENT_RECEIVE_FROM);
    wt_buffer_init(&buffer, 64);
    wt_op_init(&op);
    wt_receive_from(box.socket, &op, &buffer.buf, NULL, NULL, NULL, NULL);
    send_numbered(7, 1);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(buffer.bytes[0], 7);
    send_numbered(8, 1);
    EXPECT_SOON(line_read(&box.datagrams) == 1);
    EXPECT_EQ(box.first[0], 8);
    wt_op_free(&op);
    wt_buffer_free(&buffer);
    box_close();
}

TEST(disabled_it_is_silent_and_nothing_is_lost, "C-EVT-08 C-EVT-11")
{
    box_open(WSK_EVENT_RECEIVE_FROM);
    send_numbered(0, 3);
    EXPECT_SOON(line_read(&box.datagrams) == 3);
    line_disable(box.socket, WSK_EVENT_RECEIVE_FROM);
    send_numbered(3, 3);
    test_sleep_ms(10);
    EXPECT_EQ(line_read(&box.datagrams), 3);
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_SOON(line_read(&box.datagrams) == 6);
    EXPECT_EQ(box.first[5], 5);
    box_close();
}

/* ---- close -------------------------------------------------------------------------------------------- */

TEST(close_with_datagrams_in_every_place, "C-CLOSE-17 C-CLOSE-18 C-CLOSE-37")
{
    LONG calls;

    box_open(0);
    box.decide = keep;
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    send_numbered(0, 10);
    EXPECT_SOON(line_read(&box.kept_count) == 10 && line_read(&box.running) == 0);
    while (box.kept_count > 0)
        EXPECT_STATUS(wt_release_datagrams(box.socket, box.kept[--box.kept_count]), STATUS_SUCCESS);
    box.decide = refuse;
    calls = box.calls;
    send_numbered(10, 5); /* left in the queue */
    EXPECT_SOON(line_read(&box.calls) > calls && line_read(&box.running) == 0);
    send_numbered(15, 5); /* left in the network */
    box_close();
}
