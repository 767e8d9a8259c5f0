/*
 * test_net_stack_datagram_traffic.c - questions and answers in every weather of the simulated network.
 */
#include "mail.h"

/* A server that sends back what comes, from a batch or one at a time; callers that ask again until they hear. */
static struct transport_address server_at;
static int callers_left;
static unsigned questions, answers, waited;

static void ask(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    static const char *const from[] = {"10.0.0.2", "10.0.0.3", "127.0.0.1"};
    struct net_datagram *peer =
        mail_peer_at(number % 3 == 2 ? 0 : 1 + (int)(number % 3), from[number % 3], 0, NULL);
    unsigned char out[3000], in[3000];
    struct transport_address to = number % 3 == 2 ? net_at("127.0.0.1", mail_port_of(&server_at)) : server_at;
    for (unsigned round = 0; round < 5; round++) {
        size_t length = 8 + (number * 997 + net_seed() * 31 + round * 77) % 2900;
        net_pattern(out, length, length);
        out[0] = (unsigned char)round;
        out[1] = (unsigned char)number;
        for (int tries = 0; tries < 100; tries++) {
            long got;
            questions++;
            EXPECT_EQ(net_datagram_send_to(peer, out, length, &to), NET_OK);
            do { /* an answer to an earlier question may come late */
                got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 100 * MS);
                EXPECT(got < 0 || in[1] == number);
            } while (got >= 0 && in[0] != round);
            if (got < 0)
                continue;
            EXPECT_EQ(got, (long)length);
            EXPECT(memcmp(in, out, length) == 0);
            answers++;
            break;
        }
    }
    net_datagram_close(peer);
    callers_left--;
    stack->wake(mail_transport, 0);
}

static void answer(struct transport_socket *socket, const void *data, size_t bytes,
                   const struct transport_datagram *about)
{
    struct mail mail = mail_one(data, bytes, about->remote);
    mail.op.about.known = TRANSPORT_KNOWS_LOCAL;
    mail.op.about.local = about->local;
    int32_t status = mail_start(socket, &mail, TRANSPORT_SEND_TO, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0);
    while (!mail.over) {
        stack->wait(mail_transport, 0, HOST_FOREVER);
        while (stack->dispatch(mail_transport, 0))
            ;
    }
    waited += status == STATUS_PENDING;
    EXPECT(mail.op.op.status == STATUS_SUCCESS || mail.op.op.status == STATUS_INSUFFICIENT_RESOURCES);
}

static struct { /* copied out of a batch */
    size_t bytes;
    struct transport_datagram about;
    unsigned char data[3000];
} kept[8];

static void keep(struct mail *mail)
{
    for (size_t i = 0; i < mail->op.done; i++) {
        const struct transport_received *received = &mail->op.received[i];
        EXPECT(received->bytes <= sizeof(kept[i].data));
        kept[i].bytes = received->bytes;
        kept[i].about = received->about;
        memcpy(kept[i].data, received->data, received->bytes);
    }
}

static int faults;
static struct sim_rng chance;

static int fail_some(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_TRANSPORT && sim_rng_below(&chance, 10) == 0;
}

static void traffic(void)
{
    struct transport_address at;
    struct transport_socket *socket = mail_socket_at("0.0.0.0", 0, &at);
    unsigned flags = net_seed() % 3 ? TRANSPORT_PROVIDE : 0;
    server_at = net_at("10.0.0.1", mail_port_of(&at));
    callers_left = 4;
    sim_rng_seed(&chance, net_seed(), 77);
    if (faults)
        host_set_fault_plan(fail_some, NULL);
    for (int i = 0; i < 4; i++)
        net_fiber(ask, (void *)(uintptr_t)i);
    while (callers_left) {
        struct mail mail = {.data = kept[0].data, .room = sizeof(kept[0].data), .op.count = 8};
        if (flags)
            mail.look = keep;
        if (mail_start(socket, &mail, TRANSPORT_RECEIVE_FROM, flags) == STATUS_INSUFFICIENT_RESOURCES)
            continue; /* refused: again */
        while (!mail.over && callers_left) {
            stack->wait(mail_transport, 0, HOST_FOREVER);
            while (stack->dispatch(mail_transport, 0))
                ;
        }
        if (!mail.over) {
            EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
            break;
        }
        EXPECT_STATUS(mail.op.op.status, STATUS_SUCCESS);
        if (!flags) {
            kept[0].bytes = mail.op.op.bytes;
            kept[0].about = mail.op.about;
        }
        for (size_t i = 0; i < mail.op.done; i++)
            answer(socket, kept[i].data, kept[i].bytes, &kept[i].about);
    }
    host_set_fault_plan(NULL, NULL);
    net_join();
    stack->close(socket);
}

static void try_traffic(const struct net_weather *weather)
{
    questions = answers = waited = 0;
    EXPECT(mail_run_seeds(weather, traffic) > SEEDS / 2);
    TEST_NOTE("%u questions, %u sends waited", questions, waited);
    EXPECT_EQ(answers, 2 * SEEDS * 4 * 5);
}

TEST(net_stack_datagram_traffic_in_calm, "", TEST_TIMEOUT(120))
{
    try_traffic(&net_calm);
    EXPECT_EQ(questions, answers);
}

TEST(net_stack_datagram_traffic_in_rough, "", TEST_TIMEOUT(120))
{
    try_traffic(&net_rough);
    EXPECT(questions > answers && waited > 0);
}

/* Every start may be refused: what was asked again is answered in the end. */
TEST(net_stack_datagram_traffic_with_faults, "", TEST_TIMEOUT(120))
{
    faults = 1;
    try_traffic(&net_calm);
    EXPECT(questions > answers);
}
