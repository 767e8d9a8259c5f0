/* What the kernel refuses, once or for good: the system calls of datagram sockets fail here as a test wants it. */
#include "datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline"));

enum { SENDMSG, SENDMMSG, RECVMSG, RECVMMSG, CALLS };

static struct {
    int error, times; /* of the next calls */
    unsigned most;    /* messages of one call, 0 = as many as are given */
    int refuse_merged, merged;
    int calls;
} plan[CALLS];

static int fails(int call)
{
    plan[call].calls++;
    if (plan[call].times == 0)
        return 0;
    plan[call].times--;
    errno = plan[call].error;
    return 1;
}

static int is_merged(const struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        if (c->cmsg_level == IPPROTO_UDP)
            return 1;
    }
    return 0;
}

/* In front of the C library's, for this program. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (is_merged(message)) {
        plan[SENDMSG].merged++;
        if (plan[SENDMSG].refuse_merged) {
            errno = plan[SENDMSG].refuse_merged;
            return -1;
        }
    }
    return fails(SENDMSG) ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (plan[SENDMMSG].most && count > plan[SENDMMSG].most)
        count = plan[SENDMMSG].most;
    return fails(SENDMMSG) ? -1 : (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return fails(RECVMSG) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    return fails(RECVMMSG) ? -1 : (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
}

static void fail(int call, int error, int times)
{
    plan[call].error = error;
    plan[call].times = times;
}

struct pair {
    struct transport_socket *a, *b;
    struct transport_address here, there;
};

static struct pair two(void)
{
    struct pair pair;
    pair.a = net_udp(PEER_INET, &pair.here);
    pair.b = net_udp(PEER_INET, &pair.there);
    net_set(pair.b, TRANSPORT_OPTION_RECEIVE_BUFFER, 4 << 20);
    return pair;
}

static void close_both(struct pair *pair)
{
    net->close(pair->a);
    net->close(pair->b);
}

/* Datagrams of lengths that cannot be merged; with `same` those that can. */
static void list_of(struct datagram *list, size_t count, int same)
{
    static char memory[1000];
    for (size_t i = 0; i < count; i++)
        list[i] = (struct datagram){.length = same ? 100 : 100 + i, .memory = memory};
}

static int32_t send_list(struct pair *pair, size_t count, int same)
{
    struct datagram list[100];
    struct dio io;
    list_of(list, count, same);
    dio_to(&io, list, count, pair->there);
    dio_start(pair->a, &io);
    int32_t status = dio_finish(&io);
    EXPECT_EQ(io.op.done, status == STATUS_SUCCESS ? count : 0);
    return status;
}

static void take_list(struct pair *pair, size_t count, int same)
{
    struct dio io;
    char memory[1000];
    for (size_t i = 0; i < count; i++) {
        dio_receive_one(pair->b, &io, memory, sizeof(memory));
        EXPECT_EQ(io.op.op.bytes, same ? 100 : 100 + i);
    }
}

TEST(what_became_of_an_earlier_datagram_does_not_matter, "")
{
    static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH};
    for (int i = 0; i < 3; i++) {
        struct pair pair = two();
        struct datagram came[4];
        struct dio io;
        char memory[200];
        fail(SENDMSG, errors[i], 1);
        EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_SUCCESS);
        fail(SENDMMSG, errors[i], 1);
        EXPECT_STATUS(send_list(&pair, 3, 0), STATUS_SUCCESS);
        fail(RECVMSG, errors[i], 1);
        take_list(&pair, 1, 0);
        fail(RECVMSG, errors[i], 7); /* one after the other */
        dio_receive_one(pair.b, &io, memory, sizeof(memory));
        EXPECT_EQ(io.op.op.bytes, 100);
        fail(RECVMMSG, errors[i], 7);
        dio_batch(&io, came, 4);
        dio_start(pair.b, &io);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 2);
        for (size_t k = 0; k < 2; k++) {
            EXPECT_EQ(came[k].length, 101 + k);
            free(came[k].memory);
        }
        EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_SUCCESS);
        close_both(&pair);
    }
}

TEST(an_error_that_stays_is_the_result, "")
{
    struct pair pair = two();
    struct dio io;
    char memory[4];
    fail(SENDMSG, ENETUNREACH, 2);
    EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_NETWORK_UNREACHABLE);
    fail(SENDMSG, EPERM, 1);
    EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_SUCCESS); /* no error ends the socket */
    fail(RECVMSG, ENOMEM, 1);
    dio_into(&io, memory, sizeof(memory));
    dio_start(pair.b, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_INSUFFICIENT_RESOURCES);
    fail(RECVMMSG, ENOMEM, 1);
    dio_batch(&io, NULL, 4);
    dio_start(pair.b, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_INSUFFICIENT_RESOURCES);
    take_list(&pair, 1, 0);
    close_both(&pair);
}

TEST(signals_do_not_disturb, "")
{
    struct pair pair = two();
    for (int call = 0; call < CALLS; call++)
        fail(call, EINTR, 3);
    EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_SUCCESS);
    EXPECT_STATUS(send_list(&pair, 3, 0), STATUS_SUCCESS);
    take_list(&pair, 1, 0);
    struct datagram came[4];
    struct dio io;
    dio_batch(&io, came, 4);
    dio_start(pair.b, &io);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    EXPECT_EQ(io.op.done, 3);
    for (size_t k = 0; k < 3; k++)
        free(came[k].memory);
    close_both(&pair);
}

TEST(memory_that_lacks_is_waited_for, "")
{
    struct pair pair = two();
    struct datagram list[50];
    struct dio io;
    fail(SENDMSG, ENOBUFS, 4);
    fail(SENDMMSG, ENOBUFS, 4);
    plan[SENDMMSG].most = 7; /* and the kernel takes a few at a time */
    list_of(list, 50, 0);
    dio_to(&io, list, 50, pair.there);
    EXPECT_STATUS(dio_start(pair.a, &io), STATUS_PENDING);
    EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
    EXPECT_EQ(io.op.done, 50);
    EXPECT_EQ(plan[SENDMSG].times + plan[SENDMMSG].times, 0);
    take_list(&pair, 50, 0);
    EXPECT_EQ(net->query(pair.b, TRANSPORT_READABLE), 0);
    close_both(&pair);
}

/* The event that says so comes with the watch: there is room. */
TEST(room_is_waited_for, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    struct pair pair = two();
    struct datagram list[50];
    struct dio io;
    for (int round = 0; round < 3; round++) {
        fail(SENDMMSG, EAGAIN, 1);
        list_of(list, 50, 0);
        dio_to(&io, list, 50, pair.there);
        EXPECT_STATUS(dio_start(pair.a, &io), STATUS_PENDING);
        EXPECT_STATUS(dio_finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 50);
        take_list(&pair, 50, 0);
        net_pump(2); /* nobody waits for room any more: the next round has an event of its own */
    }
    close_both(&pair);
}

TEST(where_the_kernel_does_not_cut_each_goes_alone, "")
{
    static const int errors[] = {EINVAL, EIO, EMSGSIZE};
    for (int i = 0; i < 3; i++) {
        struct pair pair = two();
        int before = plan[SENDMSG].merged;
        EXPECT_STATUS(send_list(&pair, 10, 1), STATUS_SUCCESS);
        EXPECT_EQ(plan[SENDMSG].merged, before + 1);
        take_list(&pair, 10, 1);
        plan[SENDMSG].refuse_merged = errors[i];
        EXPECT_STATUS(send_list(&pair, 10, 1), STATUS_SUCCESS);
        EXPECT_EQ(plan[SENDMSG].merged, before + 2);
        take_list(&pair, 10, 1);
        EXPECT_STATUS(send_list(&pair, 10, 1), STATUS_SUCCESS); /* it is not asked again */
        EXPECT_EQ(plan[SENDMSG].merged, before + 2);
        take_list(&pair, 10, 1);
        plan[SENDMSG].refuse_merged = 0;
        close_both(&pair);
    }
}

struct rearm {
    struct transport_socket *socket;
    struct datagram came[8];
    _Atomic int batches;
};

static void again(struct dio *io)
{
    struct rearm *rearm = io->context;
    for (size_t i = 0; i < io->op.done; i++)
        free(rearm->came[i].memory);
    atomic_fetch_add(&rearm->batches, 1);
    atomic_store(&io->completions, 0);
    EXPECT_STATUS(net->receive_from(rearm->socket, &io->op), STATUS_PENDING);
}

/* A batch that took all there was is followed by no call that finds nothing. */
TEST(no_call_is_made_in_vain, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    struct pair pair = two();
    struct rearm rearm = {.socket = pair.b};
    struct dio io;
    dio_batch(&io, rearm.came, 8);
    io.then = again;
    io.context = &rearm;
    EXPECT_STATUS(dio_start(pair.b, &io), STATUS_PENDING);
    net_pump(5); /* the first look is in vain */
    for (int i = 1; i <= 5; i++) {
        int before = plan[RECVMMSG].calls;
        EXPECT_STATUS(send_list(&pair, 1, 0), STATUS_SUCCESS);
        EXPECT_PUMPED(atomic_load(&rearm.batches) == i);
        net_pump(1);
        EXPECT_EQ(plan[RECVMMSG].calls, before + 1);
    }
    EXPECT_EQ(net->cancel(pair.b, &io.op.op), 1);
    close_both(&pair);
}
