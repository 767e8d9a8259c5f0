/*
 * test_control_ioctls.c - the ioctls of WskControlSocket: who may ask for what, and the list of local addresses and its
 * changes.
 */
#include "wsk_test.h"

#include <mstcpip.h>

/* Addresses are to come and go. */
static void setup(void)
{
    peer_own_network();
    wt_setup();
}

TEST_FIXTURE(setup, wt_teardown);
TEST_MATRIX(WT_CALM_MODES);

#define B 1 /* categories */
#define L 2
#define C 4
#define D 8

static const struct {
    ULONG flags;
    ULONG bit;
} categories[] = {{WSK_FLAG_BASIC_SOCKET, B},
                  {WSK_FLAG_LISTEN_SOCKET, L},
                  {WSK_FLAG_CONNECTION_SOCKET, C},
                  {WSK_FLAG_STREAM_SOCKET, L | C},
                  {WSK_FLAG_DATAGRAM_SOCKET, D}};

/* ---- who may ask for what ----------------------------------------------------------------------------- */

enum irp { EITHER, NEEDED, WRONG };

static const struct row {
    ULONG code;
    ULONG categories;
    SIZE_T input, output;
    int irp;
    BOOLEAN connected; /* needs a connection */
    BOOLEAN any_size;  /* of the buffer that it has: the ioctl says the same whatever it is */
    NTSTATUS wrong_size;
    NTSTATUS status; /* when everything is right */
} rows[] = {
    {SIO_ADDRESS_LIST_SORT, B | L | C | D, 0, 0, EITHER, FALSE, TRUE, 0, STATUS_NOT_SUPPORTED},
    {SIO_LOOPBACK_FAST_PATH, L | C, 4, 0, NEEDED, FALSE, FALSE, STATUS_INVALID_BUFFER_SIZE,
     STATUS_NOT_SUPPORTED},
    {SIO_QUERY_RSS_SCALABILITY_INFO, B | L | C | D, 0, sizeof(RSS_SCALABILITY_INFO), EITHER, FALSE, FALSE,
     STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
    {SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT, C, 0, 16, NEEDED, TRUE, TRUE, 0, STATUS_NOT_FOUND},
    {SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, C, 0, 16, NEEDED, TRUE, TRUE, 0, STATUS_NOT_FOUND},
    {SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, C, 16, 0, NEEDED, FALSE, TRUE, 0, STATUS_ACCESS_DENIED},
    {SIO_WSK_QUERY_RECEIVE_BACKLOG, C, 0, sizeof(SIZE_T), EITHER, TRUE, FALSE, STATUS_INVALID_PARAMETER,
     STATUS_SUCCESS},
    {SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, C, 0, sizeof(SIZE_T), NEEDED, TRUE, FALSE, STATUS_INVALID_PARAMETER,
     STATUS_SUCCESS},
};

static const struct row silent = {
    SIO_WSK_SET_TCP_SILENT_MODE, C, 0, 0, NEEDED, TRUE, FALSE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

static struct wt_op op;
static ULONG64 in[4], out[4];

static NTSTATUS ask(PWSK_SOCKET socket, BOOLEAN irp, const struct row *row, SIZE_T input, SIZE_T output)
{
    PVOID from = input != 0 ? in : NULL, to = output != 0 ? out : NULL;
    NTSTATUS status;

    if (!irp)
        return wt_control(socket, NULL, WskIoctl, row->code, 0x1234, input, from, output, to);
    wt_again(&op);
    wt_control(socket, &op, WskIoctl, row->code, 0, input, from, output, to);
    status = wt_wait(&op);
    EXPECT_EQ(op.information, status == STATUS_SUCCESS ? row->output : 0); /* R-CTLS-09 */
    return status;
}

static void try_sizes(PWSK_SOCKET socket, const struct row *row, BOOLEAN irp)
{
    if (row->output != 0 || row->input != 0) {
        NTSTATUS none = ask(socket, irp, row, 0, 0);

        EXPECT_STATUS(none, row->any_size ? row->status : row->wrong_size);
    }
    if (row->output > 1)
        EXPECT_STATUS(ask(socket, irp, row, 0, row->output - 1),
                      row->any_size ? row->status : row->wrong_size);
    if (!row->any_size) { /* a buffer where there is none */
        EXPECT_STATUS(ask(socket, irp, row, row->input != 0 ? 3 : 4, row->output), row->wrong_size);
        if (row->output == 0)
            EXPECT_STATUS(ask(socket, irp, row, row->input, 4), row->wrong_size);
    }
}

static void try_row(PWSK_SOCKET socket, const struct row *row)
{
    BOOLEAN irp = row->irp == NEEDED;

    EXPECT_STATUS(ask(socket, irp, row, row->input, row->output), row->status);
    EXPECT_STATUS(ask(socket, TRUE, row, row->input, row->output), row->status);
    EXPECT_STATUS(ask(socket, FALSE, row, row->input, row->output),
                  row->irp == NEEDED ? STATUS_INVALID_PARAMETER : row->status);
    try_sizes(socket, row, irp);
}

/* Sockets of all categories; `row` asks for what they are. */
static void try_categories(const struct row *row)
{
    unsigned j;

    for (j = 0; j < RTL_NUMBER_OF(categories); j++) {
        PWSK_SOCKET socket = wt_open(AF_INET, categories[j].flags, NULL, NULL);

        if (!(row->categories & categories[j].bit))
            EXPECT_STATUS(ask(socket, TRUE, row, row->input, row->output), STATUS_NOT_SUPPORTED);
        else if (row->connected)
            EXPECT_STATUS(ask(socket, TRUE, row, row->input, row->output), STATUS_INVALID_DEVICE_STATE);
        else
            try_row(socket, row);
        wt_close_now(socket);
    }
}

TEST(every_ioctl, "R-CTLS-04 R-CTLS-08 R-CTLS-09 C-IOCTL-08 C-IOCTL-09 C-IOCTL-11 C-IOCTL-12 C-IOCTL-14 "
                  "C-IOCTL-16 C-IOCTL-18 C-IOCTL-24 D-01 D-19")
{
    unsigned i;
    int peer;

    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        try_categories(&rows[i]);
        if (rows[i].connected) {
            PWSK_SOCKET socket = wt_connected(AF_INET, NULL, NULL, &peer);

            try_row(socket, &rows[i]);
            wt_close_now(socket);
            peer_close(peer);
        }
    }
    wt_op_free(&op);
}

TEST(no_silence_with_a_send_or_a_disconnect_under_way, "C-IOCTL-36")
{
    struct wt_op send, disconnect;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer;

    wt_op_init(&op);
    wt_op_init(&send);
    wt_op_init(&disconnect);
    wt_buffer_init(&buffer, 16 << 20); /* more than anybody takes who does not read */
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    EXPECT_STATUS(wt_send(socket, &send, &buffer.buf, 0), STATUS_PENDING);
    EXPECT_STATUS(ask(socket, TRUE, &silent, 0, 0), STATUS_INVALID_DEVICE_STATE);
    wt_close_now(socket);
    EXPECT_STATUS(wt_wait(&send), STATUS_CANCELLED);
    peer_close(peer);

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_disconnect(socket, &disconnect, NULL, 0);
    EXPECT_STATUS(ask(socket, TRUE, &silent, 0, 0), STATUS_INVALID_DEVICE_STATE);
    wt_close_now(socket);
    wt_wait(&disconnect);
    peer_close(peer);
    wt_buffer_free(&buffer);
    wt_op_free(&disconnect);
    wt_op_free(&send);
    wt_op_free(&op);
}

/* May this process make connections silent?  Everybody may in the simulator. */
static BOOLEAN may_be_silent(void)
{
    PWSK_SOCKET socket;
    NTSTATUS status;
    int peer;

    try_categories(&silent);
    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    EXPECT_STATUS(ask(socket, FALSE, &silent, 0, 0), STATUS_INVALID_PARAMETER);
    try_sizes(socket, &silent, TRUE);
    status = ask(socket, TRUE, &silent, 0, 0);
    if (status == STATUS_ACCESS_DENIED && !test_mode_has("sim")) {
        TEST_NOTE("no connection may be made silent here: shown in the simulator only");
        wt_send_now(socket, "x", 1); /* it goes on */
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
    }
    wt_close_now(socket);
    peer_close(peer);
    return status == STATUS_SUCCESS;
}

static void expect_silence(int peer)
{
    UCHAR byte;

    EXPECT_EQ(peer_receive(peer, &byte, 1, test_mode_has("sim") ? 5000 : 5), -2);
}

TEST(silence, "C-IOCTL-36 C-IOCTL-38 C-IOCTL-40 D-01")
{
    struct wt_op receive, other;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    unsigned round;
    ULONG on = 1;
    UCHAR byte;
    int peer;

    wt_op_init(&op);
    wt_op_init(&receive);
    wt_op_init(&other);
    wt_buffer_init(&buffer, 16);
    for (round = may_be_silent() ? 0 : 2; round < 2; round++) {
        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        wt_again(&receive);
        EXPECT_STATUS(wt_receive(socket, &receive, &buffer.buf, 0), STATUS_PENDING);
        wt_send_now(socket, "x", 1);
        EXPECT_STATUS(ask(socket, TRUE, &silent, 0, 0),
                      STATUS_SUCCESS); /* waits until the byte is acknowledged */
        peer_receive_all(peer, &byte, 1);
        wt_again(&other);
        wt_send(socket, &other, &buffer.buf, 0);
        EXPECT_STATUS(wt_wait(&other), STATUS_INVALID_DEVICE_STATE);
        wt_again(&other);
        wt_disconnect(socket, &other, NULL, 0);
        EXPECT_STATUS(wt_wait(&other), STATUS_INVALID_DEVICE_STATE);
        wt_again(&other);
        wt_disconnect(socket, &other, NULL, WSK_FLAG_ABORTIVE);
        EXPECT_STATUS(wt_wait(&other), STATUS_INVALID_DEVICE_STATE);
        wt_again(&other);
        wt_control(socket, &other, WskSetOption, SO_KEEPALIVE, SOL_SOCKET, sizeof on, &on, 0, NULL);
        EXPECT_STATUS(wt_wait(&other), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(ask(socket, TRUE, &silent, 0, 0), STATUS_INVALID_DEVICE_STATE);
        if (round == 1)
            peer_send(peer, "y", 1); /* dropped */
        expect_silence(peer);
        EXPECT(!wt_is_done(&receive));
        wt_close_now(socket);
        EXPECT_STATUS(wt_wait(&receive), STATUS_CANCELLED);
        if (round == 0) /* else the peer repeats itself, and Linux no longer knows who that is */
            expect_silence(peer);
        peer_close(peer);
    }
    wt_buffer_free(&buffer);
    wt_op_free(&other);
    wt_op_free(&receive);
    wt_op_free(&op);
}

TEST(a_wait_for_silence_ends, "C-IOCTL-36 C-CLOSE-13 K-CANCEL-06 D-26")
{
    enum { CANCEL, CANCELLED_BEFORE, ABORT, CLOSE, WAYS };
    struct wt_op wait, other;
    struct wt_buffer buffer;
    PWSK_SOCKET socket;
    int peer, way;

    wt_op_init(&op);
    wt_op_init(&wait);
    wt_op_init(&other);
    wt_buffer_init(&buffer, 16);
    for (way = may_be_silent() ? 0 : WAYS; way < WAYS; way++) {
        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        peer_drop_incoming(peer);
        wt_send_now(socket, "x", 1); /* never acknowledged */
        wt_again(&wait);
        wt_again(&other);
        if (way == CANCELLED_BEFORE)
            IoCancelIrp(wait.irp);
        EXPECT_STATUS(wt_control(socket, &wait, WskIoctl, SIO_WSK_SET_TCP_SILENT_MODE, 0, 0, NULL, 0, NULL),
                      STATUS_PENDING);
        if (way == CANCEL)
            EXPECT(IoCancelIrp(wait.irp));
        if (way == ABORT) {
            wt_disconnect(socket, &other, NULL, WSK_FLAG_ABORTIVE);
            EXPECT_STATUS(wt_wait(&other), STATUS_SUCCESS);
            EXPECT(!NT_SUCCESS(wt_wait(&wait)));
        }
        if (way == CANCEL || way == CANCELLED_BEFORE) {
            EXPECT_STATUS(wt_wait(&wait), STATUS_CANCELLED);
            wt_send(socket, &other, &buffer.buf, WSK_FLAG_NODELAY);
            EXPECT_STATUS(wt_wait(&other), STATUS_SUCCESS); /* it goes on */
        }
        wt_close_now(socket);
        if (way == CLOSE)
            EXPECT_STATUS(wt_wait(&wait), STATUS_CANCELLED);
        EXPECT_EQ(wait.information, 0);
        peer_close(peer);
    }
    wt_buffer_free(&buffer);
    wt_op_free(&other);
    wt_op_free(&wait);
    wt_op_free(&op);
}

/* ---- the list of addresses ---------------------------------------------------------------------------- */

static NTSTATUS query(PWSK_SOCKET socket, PVOID list, SIZE_T size, SIZE_T *needed)
{
    *needed = 0xdead;
    return wt_basic(socket)->WskControlSocket(socket, WskIoctl, SIO_ADDRESS_LIST_QUERY, 0, 0, NULL, size,
                                              list, needed, NULL);
}

/* The list of the family, allocated; *has: the address of peer_address_change() is in it. */
static PSOCKET_ADDRESS_LIST list_of(PWSK_SOCKET socket, ADDRESS_FAMILY family, BOOLEAN *has)
{
    UCHAR wanted[16] = {[0] = 0xfd, [15] = 0x77};
    SIZE_T each = family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6), needed, again;
    SIZE_T at = family == AF_INET ? 4 : 8, bytes = family == AF_INET ? 4 : 16;
    PSOCKET_ADDRESS_LIST list;
    INT i;

    if (family == AF_INET)
        RtlCopyMemory(wanted, test_mode_has("sim") ? "\x0a\0\0\x4d" : "\x7f\0\0\x4d", 4);
    EXPECT_STATUS(query(socket, NULL, 0, &needed), STATUS_BUFFER_OVERFLOW);
    list = ExAllocatePool2(POOL_FLAG_NON_PAGED, needed + 1, 'tsil');
    EXPECT(list != NULL);
    EXPECT_STATUS(query(socket, list, needed - 1, &again), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(again, needed);
    EXPECT_STATUS(query(socket, list, needed, &again), STATUS_SUCCESS);
    EXPECT_EQ(again, needed);
    EXPECT_EQ(needed,
              SIZEOF_SOCKET_ADDRESS_LIST((SIZE_T)list->iAddressCount) + (SIZE_T)list->iAddressCount * each);
    *has = FALSE;
    for (i = 0; i < list->iAddressCount; i++) {
        const UCHAR *address = (const UCHAR *)list->Address[i].lpSockaddr;

        EXPECT_EQ(list->Address[i].iSockaddrLength, each);
        EXPECT(address >= (UCHAR *)list && address + each <= (UCHAR *)list + needed);
        EXPECT_EQ(list->Address[i].lpSockaddr->sa_family, family);
        if (RtlEqualMemory(address + at, wanted, bytes))
            *has = TRUE;
    }
    return list;
}

TEST(the_local_addresses, "C-IOCTL-05 C-IOCTL-07 R-CTLS-04 R-CTLS-09")
{
    ULONG loopback = RtlUlongByteSwap(0x7f000001);
    UCHAR room[512];
    unsigned j;
    int six;

    wt_op_init(&op);
    for (j = 0; j < RTL_NUMBER_OF(categories); j++) {
        for (six = 0; six < 2; six++) {
            ADDRESS_FAMILY family = six ? AF_INET6 : AF_INET;
            PWSK_SOCKET socket = wt_open(family, categories[j].flags, NULL, NULL);
            PSOCKET_ADDRESS_LIST list;
            BOOLEAN has, found = FALSE;
            INT i;

            list = list_of(socket, family, &has);
            EXPECT(!has);
            for (i = 0; !six && i < list->iAddressCount; i++)
                found |= RtlEqualMemory((UCHAR *)list->Address[i].lpSockaddr + 4, &loopback, 4);
            EXPECT(six || found);
            ExFreePoolWithTag(list, 'tsil');
            wt_again(&op); /* no IRP, and no input */
            EXPECT_STATUS(
                wt_control(socket, &op, WskIoctl, SIO_ADDRESS_LIST_QUERY, 0, 0, NULL, sizeof room, room),
                STATUS_INVALID_PARAMETER);
            EXPECT_STATUS(
                wt_control(socket, NULL, WskIoctl, SIO_ADDRESS_LIST_QUERY, 0, 4, room, sizeof room, room),
                STATUS_INVALID_PARAMETER);
            wt_close_now(socket);
        }
    }
    wt_op_free(&op);
}

/* ---- its changes -------------------------------------------------------------------------------------- */

static NTSTATUS watch(PWSK_SOCKET socket, struct wt_op *change)
{
    return wt_control(socket, change, WskIoctl, SIO_ADDRESS_LIST_CHANGE, 0, 0, NULL, 0, NULL);
}

TEST(changes_of_the_addresses, "C-IOCTL-02 C-IOCTL-04 R-CTLS-09 D-03")
{
    ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    PSOCKET_ADDRESS_LIST list;
    PWSK_SOCKET socket[2];
    struct wt_op change[2];
    unsigned i, j, round;
    BOOLEAN has;

    if (!peer_address_change(PEER_INET, 1)) {
        TEST_NOTE("no address may be added here: shown in the simulator only");
        return;
    }
    for (j = 0; j < RTL_NUMBER_OF(categories); j++) {
        for (i = 0; i < 2; i++) {
            socket[i] = wt_open(families[i], categories[j].flags, NULL, NULL);
            wt_op_init(&change[i]);
            EXPECT_STATUS(watch(socket[i], &change[i]), STATUS_PENDING);
        }
        for (round = 0; round < 2; round++) { /* it goes, and comes again */
            list = list_of(socket[0], AF_INET, &has);
            EXPECT_EQ(has, round == 0);
            ExFreePoolWithTag(list, 'tsil');
            EXPECT(!wt_is_done(&change[0]));
            EXPECT(peer_address_change(PEER_INET, (int)round));
            EXPECT_STATUS(wt_wait(&change[0]), STATUS_SUCCESS);
            EXPECT_EQ(change[0].information, 0);
            EXPECT(!wt_is_done(&change[1])); /* the other family's */
            list = list_of(socket[0], AF_INET, &has);
            EXPECT_EQ(has, round == 1);
            ExFreePoolWithTag(list, 'tsil');
            wt_again(&change[0]); /* once for each that waits */
            EXPECT_STATUS(watch(socket[0], &change[0]), STATUS_PENDING);
        }
        if (peer_address_change(PEER_INET6, 1)) {
            EXPECT_STATUS(wt_wait(&change[1]), STATUS_SUCCESS);
            EXPECT(!wt_is_done(&change[0]));
            wt_again(&change[1]);
            EXPECT_STATUS(watch(socket[1], &change[1]), STATUS_PENDING);
            EXPECT(peer_address_change(PEER_INET6, 0));
            EXPECT_STATUS(wt_wait(&change[1]), STATUS_SUCCESS);
            wt_again(&change[1]);
            EXPECT_STATUS(watch(socket[1], &change[1]), STATUS_PENDING);
        }
        for (i = 0; i < 2; i++) {
            wt_close_now(socket[i]);
            EXPECT_STATUS(wt_wait(&change[i]), STATUS_CANCELLED);
            wt_op_free(&change[i]);
        }
    }
    peer_address_change(PEER_INET, 0);
}

/* It takes its addresses along, though Linux does not tell so of those of IPv4. */
TEST(an_interface_that_goes_down, "C-IOCTL-02 C-IOCTL-04")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    struct wt_op change;
    int up;

    wt_op_init(&change);
    for (up = 0; up < 2; up++) {
        PSOCKET_ADDRESS_LIST list;
        BOOLEAN has;

        EXPECT_STATUS(watch(socket, &change), STATUS_PENDING);
        if (!peer_interface(up)) {
            TEST_NOTE("no interface may go down here");
            break;
        }
        EXPECT_STATUS(wt_wait(&change), STATUS_SUCCESS);
        list = list_of(socket, AF_INET, &has);
        EXPECT_EQ(list->iAddressCount, up ? 1 : 0);
        ExFreePoolWithTag(list, 'tsil');
        wt_again(&change);
    }
    wt_close_now(socket);
    if (up < 2)
        EXPECT_STATUS(wt_wait(&change), STATUS_CANCELLED);
    wt_op_free(&change);
}

TEST(a_wait_for_changes_ends, "C-IOCTL-02 C-CLOSE-11 C-CLOSE-13 K-CANCEL-06 H-07 D-26")
{
    struct wt_op first, second, third;
    unsigned j;

    wt_op_init(&first);
    wt_op_init(&second);
    wt_op_init(&third);
    for (j = 0; j < RTL_NUMBER_OF(categories); j++) {
        PWSK_SOCKET socket = wt_open(AF_INET, categories[j].flags, NULL, NULL);
        ULONG value = 0;

        EXPECT_STATUS(watch(socket, NULL), STATUS_REQUEST_NOT_ACCEPTED);
        wt_again(&first);
        EXPECT_STATUS(wt_control(socket, &first, WskIoctl, SIO_ADDRESS_LIST_CHANGE, 0, 4, &value, 0, NULL),
                      STATUS_INVALID_PARAMETER);
        wt_again(&first);
        EXPECT_STATUS(wt_control(socket, &first, WskIoctl, SIO_ADDRESS_LIST_CHANGE, 0, 0, NULL, 4, &value),
                      STATUS_INVALID_PARAMETER);
        wt_again(&first);
        wt_again(&second);
        wt_again(&third);
        EXPECT_STATUS(watch(socket, &first), STATUS_PENDING);
        EXPECT_STATUS(watch(socket, &second), STATUS_PENDING);
        EXPECT(IoCancelIrp(first.irp));
        EXPECT_STATUS(wt_wait(&first), STATUS_CANCELLED);
        EXPECT(!wt_is_done(&second));
        IoCancelIrp(third.irp); /* before it comes */
        EXPECT_STATUS(watch(socket, &third), STATUS_PENDING);
        EXPECT_STATUS(wt_wait(&third), STATUS_CANCELLED);
        wt_close_now(socket);
        EXPECT_STATUS(wt_wait(&second), STATUS_CANCELLED);
        EXPECT(second.cancel);
        EXPECT_EQ(second.information, 0);
    }
    wt_op_free(&first);
    wt_op_free(&second);
    wt_op_free(&third);
}
