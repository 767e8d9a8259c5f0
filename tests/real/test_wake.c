/*
 * Waking a loop (fact 26, without its figures): an eventfd ends epoll_wait, several writes before it are one
 * wake-up.
 */
#include "peer.h"
#include "uwsk_test.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int event;

static void wake_three_times(void *context)
{
    uint64_t one = 1;

    (void)context;
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(write(event, &one, sizeof one), sizeof one);
}

TEST(fact_26_eventfd_wakes_a_loop_once_for_many_writes, "")
{
    struct epoll_event entry = {.events = EPOLLIN};
    uint64_t count = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &entry), 0);
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 0), 0);
    test_thread_join(test_thread_start(wake_three_times, NULL));
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 5000), 1);
    EXPECT_EQ(read(event, &count, sizeof count), sizeof count);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 0), 0);
}

TEST(fact_26_a_waiting_loop_wakes, "")
{
    struct epoll_event entry = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &entry), 0);
    struct test_thread *thread = test_thread_start(wake_three_times, NULL);

    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 5000), 1);
    test_thread_join(thread);
}

TEST(a_descriptor_closed_elsewhere_leaves_the_epoll_set, "")
{
    struct epoll_event entry = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int first = eventfd(1, EFD_CLOEXEC);

    EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, first, &entry), 0);
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 0), 1);
    close(first);
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 0), 0);
    int second = eventfd(1, EFD_CLOEXEC);

    EXPECT_EQ(second, first); /* the number comes back at once: events must carry a generation */
    EXPECT_EQ(epoll_wait(epoll, &entry, 1, 0), 0);
}
