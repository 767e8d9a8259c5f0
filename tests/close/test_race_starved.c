/*
 * test_race_starved.c - a listener for which there is no descriptor: it is offered each one that is given back, whoever
 * gives it back and whenever (C-LISTEN-04, C-CLOSE-45).  One that finds what it needs by itself waits no more.
 */
#include "close_test.h"
#include "datagram_box.h"
#include "scarce.h"

/* Nobody tries again but for a descriptor of ours. */
static void setup(void)
{
    wt_setup();
    wsk_settings.starved_retry_ms = 0;
}

TEST_FIXTURE(setup, wt_teardown);
TEST_MATRIX(WT_RACE_MODES);

/* ---- a listener --------------------------------------------------------------------------------------- */

struct house {
    PWSK_SOCKET listener, guests[2];
    volatile LONG accepts;
    int port, peers[2];
};

static NTSTATUS WSKAPI let_in(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                              PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                              const WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    struct house *house = SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = NULL;
    house->guests[ReadNoFence(&house->accepts)] = AcceptSocket;
    InterlockedIncrement(&house->accepts);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH open_door = {let_in, NULL, NULL};

/* Nobody is let in yet. */
static void house_build(struct house *house)
{
    RtlZeroMemory(house, sizeof *house);
    house->listener = wt_listener(AF_INET, house, &open_door, &house->port);
}

static void house_open(struct house *house)
{
    house_build(house);
    EXPECT_STATUS(wt_events(house->listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
}

/* The first caller finds the accept that is inside the transport; for the second there is no descriptor. */
static void house_starves(struct house *house)
{
    LONG before = ReadAcquire(&refused);

    EXPECT((house->peers[0] = peer_connect(PEER_INET, house->port, 5000)) >= 0);
    EXPECT_SOON(ReadAcquire(&house->accepts) == 1 &&
                ReadAcquire(&refused) >= before + 2); /* it tries twice */
    EXPECT((house->peers[1] = peer_connect(PEER_INET, house->port, 5000)) >= 0);
    test_sleep_ms(5);
    EXPECT_EQ(house->accepts, 1);
}

static void house_close(struct house *house)
{
    struct wsk_socket *listener = wsk_socket_of(house->listener);
    LONG i;

    wt_close_now(house->listener);
    EXPECT_SOON(ReadAcquire(&listener->references) == 0); /* nobody has it on a list any more (C-CLOSE-45) */
    for (i = 0; i < ReadAcquire(&house->accepts); i++)
        wt_close_now(house->guests[i]);
    for (i = 0; i < 2; i++)
        ct_gone(house->peers[i]);
}

TEST(a_descriptor_of_a_closed_socket_is_offered, "C-LISTEN-04 C-CLOSE-45")
{
    PWSK_SOCKET spare = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct house house;

    house_open(&house);
    InterlockedExchange(&scarce, SCARCE_EVER);
    house_starves(&house);
    InterlockedExchange(&scarce, 0);
    wt_close_now(spare);
    EXPECT_SOON(ReadAcquire(&house.accepts) == 2);
    house_close(&house);
}

TEST(a_descriptor_is_offered_to_each_listener, "C-LISTEN-04 C-CLOSE-45")
{
    PWSK_SOCKET spare = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct house houses[3];
    int i;

    for (i = 0; i < 3; i++)
        house_open(&houses[i]);
    InterlockedExchange(&scarce, SCARCE_EVER);
    for (i = 0; i < 3; i++)
        house_starves(&houses[i]);
    InterlockedExchange(&scarce, 0);
    wt_close_now(spare);
    for (i = 0; i < 3; i++)
        EXPECT_SOON(ReadAcquire(&houses[i].accepts) == 2);
    for (i = 0; i < 3; i++)
        house_close(&houses[i]);
}

/* It is given back while the listener finds that there is none: the offer is not lost. */
static void give_back(void *argument)
{
    InterlockedExchange(&scarce, 0);
    wt_close_now(argument);
}

TEST(a_descriptor_given_back_meanwhile_is_offered, "C-LISTEN-04 C-CLOSE-45")
{
    PWSK_SOCKET spare = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct house house;
    struct test_thread *thread;

    house_open(&house);
    InterlockedExchange(&scarce, SCARCE_EVER);
    thread = test_thread_start(give_back, spare);
    EXPECT((house.peers[0] = peer_connect(PEER_INET, house.port, 5000)) >= 0);
    EXPECT((house.peers[1] = peer_connect(PEER_INET, house.port, 5000)) >= 0);
    EXPECT_SOON(ReadAcquire(&house.accepts) == 2);
    test_thread_join(thread);
    house_close(&house);
}

/* The second try, at once, finds what the first did not. */
TEST(a_descriptor_found_at_once_is_not_the_last, "C-LISTEN-04")
{
    struct house house;
    unsigned i;

    house_build(&house);
    InterlockedExchange(&scarce, 1);
    EXPECT_STATUS(wt_events(house.listener, WSK_EVENT_ACCEPT, NULL), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&refused), 1);
    for (i = 0; i < 2; i++)
        EXPECT((house.peers[i] = peer_connect(PEER_INET, house.port, 5000)) >= 0);
    EXPECT_SOON(ReadAcquire(&house.accepts) == 2);
    house_close(&house);
}

TEST(memory_found_at_once_is_not_the_last, "R-RFEV-02")
{
    static struct box box;
    unsigned i;

    box_open(&box, STATUS_SUCCESS, FALSE);
    InterlockedExchange(&scarce, 1);
    EXPECT_STATUS(wt_events(box.socket, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    EXPECT_EQ(ReadAcquire(&refused), 1);
    for (i = 1; i <= 2; i++) {
        box_peer_sends(&box, 1);
        EXPECT_SOON(box_read(&box.datagrams) == (LONG)i);
    }
    box_close(&box);
    box_end(&box);
}

TEST(a_listener_that_waits_for_a_descriptor_is_closed, "C-CLOSE-07 C-CLOSE-43 C-CLOSE-45")
{
    PWSK_SOCKET spare = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    struct test_thread *thread;
    struct house house;

    house_open(&house);
    InterlockedExchange(&scarce, SCARCE_EVER);
    house_starves(&house);
    thread = test_thread_start(give_back, spare); /* while it is being closed */
    house_close(&house);
    test_thread_join(thread);
}
