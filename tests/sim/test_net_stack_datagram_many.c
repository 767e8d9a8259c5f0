/*
 * test_net_stack_datagram_many.c - many datagrams at a time on the simulated network: batches, sends that wait, buffers
 * that are full, what is cut and joined, and closes in the midst of it.
 */
#include "mail.h"

/* ---- many at a time ------------------------------------------------------------------------------------------ */

static size_t arrived, batches;

static void look_at_batch(struct mail *mail)
{
    size_t sum = 0;
    EXPECT(mail->op.done >= 1 && mail->op.done <= mail->op.count);
    for (size_t i = 0; i < mail->op.done; i++) {
        const struct transport_received *received = &mail->op.received[i];
        size_t number = received->bytes ? *(unsigned char *)received->data : 0;
        EXPECT_EQ(received->bytes, number * 20);
        for (size_t at = 0; at < received->bytes; at++)
            EXPECT_EQ(((unsigned char *)received->data)[at], number);
        EXPECT(mail_same_ip(&received->about.remote, "10.0.0.2") && received->about.interface == 2);
        EXPECT_EQ(received->about.flags, 0);
        net_say(number);
        sum += received->bytes;
    }
    EXPECT_EQ(mail->op.op.bytes, sum);
    mail->taken += mail->op.done;
    arrived += mail->op.done;
    batches++;
}

static void batch(void)
{
    struct transport_address at, target;
    struct transport_socket *socket = mail_socket_at("0.0.0.0", 0, &at);
    struct net_datagram *peer = mail_peer_at(1, "10.0.0.2", 700, NULL);
    struct mail mail = {.op.count = 1 + net_seed() % 9, .look = look_at_batch};
    unsigned char data[64 * 20];
    target = net_at("10.0.0.1", mail_port_of(&at));
    for (int i = 0; i < 60; i++) {
        memset(data, i, sizeof(data));
        EXPECT_EQ(net_datagram_send_to(peer, data, (size_t)i * 20, &target), NET_OK);
        if (i == 40)
            net_pause(10 * MS); /* some wait already */
    }
    do { /* never inline, however much is there */
        EXPECT_STATUS(mail_start(socket, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
        EXPECT_EQ(mail.over, 0);
    } while (mail_until(&mail, 1 * S));
    EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
    net_say(mail.taken);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_batches, "", TEST_TIMEOUT(120))
{
    struct net_weather weather = net_calm;
    arrived = batches = 0;
    mail_run_seeds(&weather, batch);
    EXPECT_EQ(arrived, 2 * SEEDS * 60); /* all that was sent */
    EXPECT(batches < arrived);
    weather = net_rough;
    weather.receive_buffer = 0;
    arrived = 0;
    mail_run_seeds(&weather, batch);
    EXPECT(arrived > 2 * SEEDS * 60 / 2 && arrived < 2 * SEEDS * 60 * 11 / 10);
}

/* A send of many in order, each whole, held while the buffer is full. */
static unsigned held_sends, cancelled_sends;

static void burst(void)
{
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = mail_peer_at(1, "0.0.0.0", 700, NULL);
    static unsigned char data[MAIL_MOST * 640];
    struct mail mail = {.op = {.count = MAIL_MOST, .about.remote = target}, .data = data};
    unsigned char in[1000], *fill = data;
    bool cancel = net_seed() % 3 == 0;
    for (unsigned i = 0; i < MAIL_MOST; i++) {
        mail.lengths[i] = i * 10;
        memset(fill, (int)i, i * 10);
        fill += i * 10;
    }
    net_datagram_set_receive_buffer(peer, 1 << 20);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 1000), STATUS_SUCCESS);
    EXPECT_STATUS(mail_start(socket, &mail, TRANSPORT_SEND_TO, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0),
                  STATUS_PENDING);
    EXPECT(mail.op.done < MAIL_MOST);
    held_sends++;
    if (cancel) {
        mail_until(&mail, (net_seed() % 40) * 10 * US);
        cancel = stack->cancel(socket, &mail.op.op) == 1;
        cancelled_sends += cancel && mail.op.done;
    }
    if (!cancel) {
        EXPECT_STATUS(mail_finish(&mail), STATUS_SUCCESS);
        EXPECT_EQ(mail.op.done, MAIL_MOST);
        EXPECT_EQ(mail.op.op.bytes, MAIL_MOST * (MAIL_MOST - 1) / 2 * 10);
    } else {
        size_t sum = 0; /* bytes and done say what it had handed over */
        for (size_t i = 0; i < mail.op.done; i++)
            sum += mail.lengths[i];
        EXPECT_EQ(mail.op.op.bytes, sum);
    }
    unsigned count = 0; /* in their order: this weather does not reorder */
    long got;
    while ((got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 1 * S)) >= 0) {
        EXPECT_EQ(got, (long)count * 10);
        EXPECT(got == 0 || in[got - 1] == count);
        count++;
    }
    EXPECT_EQ(count, mail.op.done);
    EXPECT_EQ(stack->query(socket, TRANSPORT_UNSENT), 0);
    net_say(count);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_sends_that_wait, "", TEST_TIMEOUT(120))
{
    held_sends = cancelled_sends = 0;
    mail_run_seeds(&net_calm, burst);
    EXPECT(held_sends == 2 * SEEDS && cancelled_sends > SEEDS / 8);
}

/* In a weather that holds something up a send may wait although its buffer is large. */
static unsigned waited;

static void one_after_the_other(void)
{
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    for (int i = 0; i < 10; i++) {
        struct mail mail = mail_one("x", 1, target);
        waited += mail_start(socket, &mail, TRANSPORT_SEND_TO, 0) == STATUS_PENDING;
        if (mail.over == 0) /* it waits for those that were handed over before */
            EXPECT(stack->query(socket, TRANSPORT_UNSENT) > 0);
        EXPECT_STATUS(mail_finish(&mail), STATUS_SUCCESS);
    }
    stack->close(socket);
}

TEST(net_stack_datagram_sends_that_are_held_up, "", TEST_TIMEOUT(120))
{
    struct net_weather weather = net_calm;
    waited = 0;
    mail_run_seeds(&weather, one_after_the_other);
    EXPECT_EQ(waited, 0);
    weather.coalesce_percent = 30;
    mail_run_seeds(&weather, one_after_the_other);
    EXPECT(waited > SEEDS * 2 && waited < SEEDS * 10);
}

static void stops_at_an_error(void)
{
    struct transport_address at;
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    struct mail mail = mail_one(mail_big, 10, at);
    mail.op.count = 3;
    mail.lengths[1] = LONGEST + 1;
    mail.lengths[2] = 10;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(mail.op.done, 1);
    EXPECT_EQ(mail.op.op.bytes, 10);
    EXPECT_EQ(mail_receive_one(socket, mail_big, 20, NULL, 1 * S), 10);
    EXPECT_EQ(mail_receive_one(socket, mail_big, 20, NULL, 1 * S), -1);
    stack->close(socket);
}

TEST(net_stack_datagram_batch_stops_at_an_error, "")
{
    mail_run(&net_calm, 1, stops_at_an_error);
}

/* What does not fit into the receiver's buffer is lost; one always fits; those without bytes count, too. */
static void overflow(void)
{
    struct transport_address at;
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    unsigned count = 0;
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_BUFFER, 8000), STATUS_SUCCESS);
    for (int i = 0; i < 20; i++)
        EXPECT_STATUS(mail_send_one(socket, mail_big, 1000, at), STATUS_SUCCESS);
    net_pause(1 * S);
    while (mail_receive_one(socket, mail_big, 2000, NULL, 1 * MS) == 1000)
        count++;
    EXPECT_EQ(count, 8);
    EXPECT_STATUS(mail_send_one(socket, mail_big, 20000, at), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, mail_big, 1, at), STATUS_SUCCESS);
    net_pause(1 * S);
    long first = mail_receive_one(socket, mail_big, 30000, NULL, 1 * MS);
    EXPECT(first == 20000 || first == 1);
    EXPECT_EQ(mail_receive_one(socket, mail_big, 30000, NULL, 1 * MS), -1);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_BUFFER, 5), STATUS_SUCCESS);
    for (int i = 0; i < 9; i++)
        EXPECT_STATUS(mail_send_one(socket, mail_big, 0, at), STATUS_SUCCESS);
    net_pause(1 * S);
    for (count = 0; mail_receive_one(socket, mail_big, 0, NULL, 1 * MS) == 0;)
        count++;
    EXPECT_EQ(count, 5);
    stack->close(socket);
}

TEST(net_stack_datagram_receive_buffer, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, overflow);
}

/* ---- cut and joined ------------------------------------------------------------------------------------------ */

static unsigned joined_seen, single_seen;

static void segments(void)
{
    struct transport_address at;
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = mail_peer_at(1, "10.0.0.2", 700, NULL);
    struct transport_address target = net_at("10.0.0.2", 700), own = net_at("10.0.0.1", mail_port_of(&at));
    static unsigned char out[3050], in[3050];
    struct transport_datagram about;
    net_pattern(out, 0, sizeof(out));
    struct mail mail = mail_one(out, sizeof(out), target);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_SEGMENT, 1000), STATUS_SUCCESS);
    for (unsigned segment = 1000; segment; segment = segment == 1000 ? 500 : 0) {
        EXPECT_STATUS(mail_send(socket, &mail), STATUS_SUCCESS);
        EXPECT_EQ(mail.op.op.bytes, sizeof(out));
        size_t pieces = 0, sum = 0;
        long got;
        while ((got = net_datagram_receive(peer, in, sizeof(in), &about, 1 * S)) >= 0) {
            EXPECT(got == (long)segment || got == 50);
            EXPECT_EQ(about.known & TRANSPORT_KNOWS_SEGMENT, 0);
            sum += (size_t)got;
            pieces++;
        }
        EXPECT(pieces == 3000 / segment + 1 && sum == sizeof(out));
        mail.op.about.known = TRANSPORT_KNOWS_SEGMENT; /* goes before the option */
        mail.op.about.segment = 500;
    }
    EXPECT_STATUS(mail_send_one(socket, out, 0, target), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, in, sizeof(in), NULL, 1 * S), 0);

    /* Consecutive ones of one sender may come as one, each at its place. */
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_COALESCED, 2100), STATUS_SUCCESS);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(net_datagram_send_to(peer, out, 500, &own), NET_OK);
        if (i % 7 == 6)
            EXPECT_EQ(net_datagram_send_to(peer, out, 50, &own), NET_OK);
    }
    net_pause(1 * S);
    size_t sum = 0;
    long got;
    while ((got = mail_receive_one(socket, in, sizeof(in), &about, 1 * MS)) >= 0) {
        EXPECT_EQ(about.flags, 0);
        net_say((uint64_t)got);
        sum += (size_t)got;
        if (!(about.known & TRANSPORT_KNOWS_SEGMENT)) {
            EXPECT(got == 500 || got == 50);
            EXPECT_EQ(about.segment, 0);
            single_seen++;
            continue;
        }
        joined_seen++;
        EXPECT(got > (long)about.segment && got <= 2100 && (about.segment == 500 || about.segment == 50));
        for (size_t at_piece = 0; at_piece < (size_t)got; at_piece += about.segment) {
            size_t piece = (size_t)got - at_piece < about.segment ? (size_t)got - at_piece : about.segment;
            EXPECT_EQ(net_same(in + at_piece, 0, piece), piece);
        }
    }
    EXPECT_EQ(sum, 20 * 500 + 2 * 50);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_segments, "", TEST_TIMEOUT(120))
{
    joined_seen = single_seen = 0;
    EXPECT(mail_run_seeds(&net_calm, segments) > SEEDS / 2);
    EXPECT(joined_seen > SEEDS && single_seen > SEEDS);
}

/* One that is longer than any datagram, cut as the send buffer has room; taken back in the middle of it. */
static void long_and_cut(void)
{
    enum { LENGTH = 200000, SEGMENT = 1400 };
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = mail_socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = mail_peer_at(1, "0.0.0.0", 700, NULL);
    static unsigned char out[LENGTH], in[SEGMENT];
    struct mail mail = mail_one(out, LENGTH, target);
    bool cancel = net_seed() % 2;
    net_pattern(out, 0, LENGTH);
    net_datagram_set_receive_buffer(peer, 1 << 20);
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_SEGMENT, SEGMENT), STATUS_SUCCESS);
    EXPECT_STATUS(mail_start(socket, &mail, TRANSPORT_SEND_TO, 0), STATUS_PENDING);
    if (cancel) {
        EXPECT(!mail_until(&mail, 100 * US));
        EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
        EXPECT(mail.op.done == 0 && mail.op.op.bytes == 0);
    } else {
        EXPECT_STATUS(mail_finish(&mail), STATUS_SUCCESS);
        EXPECT(mail.op.done == 1 && mail.op.op.bytes == LENGTH);
    }
    size_t done = 0;
    long got;
    while ((got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 1 * S)) >= 0) {
        EXPECT_EQ(got, LENGTH - done < SEGMENT ? (long)(LENGTH - done) : SEGMENT);
        EXPECT_EQ(net_same(in, done, (size_t)got), (size_t)got);
        done += (size_t)got;
    }
    EXPECT(cancel ? done > 0 && done < LENGTH : done == LENGTH);
    net_say(done);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_long_and_cut, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, long_and_cut);
}

/* What a batch has brought stays until complete() returns, whatever complete() does to the socket. */
static struct transport_socket *busy;
static struct mail next;

static void close_and_look(struct mail *mail)
{
    bool last = net_seed() % 2;
    if (last) {
        stack->close(busy);
    } else {
        next = (struct mail){.op.count = 8};
        EXPECT_STATUS(mail_start(busy, &next, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
    }
    net_pause(1 * MS); /* others go on */
    for (size_t i = 0; i < mail->op.done; i++) {
        EXPECT_EQ(mail->op.received[i].bytes, 700);
        EXPECT_EQ(net_same(mail->op.received[i].data, 0, 700), 700);
    }
    if (!last) {
        EXPECT_EQ(stack->cancel(busy, &next.op.op), 1);
        stack->close(busy);
    }
}

static void close_in_complete(void)
{
    struct transport_address at;
    struct mail mail = {.op.count = 0, .look = close_and_look};
    unsigned char out[700];
    busy = mail_socket_at("10.0.0.1", 0, &at);
    EXPECT_STATUS(mail_start(busy, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE),
                  STATUS_INVALID_PARAMETER);
    mail.op.count = 8;
    net_pattern(out, 0, sizeof(out));
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(mail_send_one(busy, out, sizeof(out), at), STATUS_SUCCESS);
    net_pause(net_seed() % 3 * 50 * US);
    EXPECT_STATUS(mail_start(busy, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
    EXPECT(mail_until(&mail, 1 * S));
}

TEST(net_stack_datagram_closed_in_complete, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, close_in_complete);
}

/* Nothing of a network that was stopped goes on in the next one. */
static struct net_weather slow;

static void left_behind(void)
{
    struct transport_address target = net_at("10.0.0.2", 700);
    for (int round = 0; round < 2; round++) {
        EXPECT_EQ(net_host_add("10.0.0.2"), 1);
        mail_peer_at(1, "0.0.0.0", 700, NULL);
        struct net_datagram *socket = mail_peer_at(0, "0.0.0.0", 0, NULL);
        for (int i = 0; i < 20; i++)
            EXPECT_EQ(net_datagram_send_to(socket, mail_big, 1000, &target), NET_OK);
        EXPECT_EQ(net_datagram_send_to(socket, mail_big, LONGEST + 1, &target), NET_TOO_LONG);
        net_pause(net_seed() * US);
        EXPECT_EQ(net_is_quiet(), 0);
        net_stop();
        EXPECT_EQ(net_start(&slow, net_seed()), 0);
        net_pause(1 * S);
        EXPECT_EQ(net_is_quiet(), 1);
    }
}

TEST(net_datagrams_of_a_network_that_was_stopped, "")
{
    slow = net_calm;
    slow.latency_min_ns = 300 * US;
    slow.latency_max_ns = 400 * US;
    net_run_seeds(&slow, left_behind);
}
