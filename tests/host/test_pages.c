/*
 * Pages and probes: zeroed, aligned, protected; a probe tells what can be touched and changes nothing.
 */
#include "host/host.h"
#include "peer.h"
#include "uwsk_test.h"

#include <stdint.h>
#include <string.h>

enum { READ_WRITE = HOST_PAGE_READ | HOST_PAGE_WRITE };

TEST(pages_are_zeroed_and_aligned, "")
{
    for (size_t alignment = 4096; alignment <= (1 << 21); alignment *= 2) {
        unsigned char *pages = host_pages_allocate(10000, alignment, READ_WRITE);

        EXPECT(pages != NULL);
        EXPECT_EQ((uintptr_t)pages % alignment, 0);
        for (size_t i = 0; i < 12288; i++) /* three whole pages */
            EXPECT_EQ(pages[i], 0);
        memset(pages, 0xee, 12288);
        EXPECT_EQ(host_memory_probe(pages + 12288 - 1, 1, 1), 0);
        host_pages_free(pages, 10000);
        EXPECT_EQ(host_memory_probe(pages, 1, 0), -1);
    }
}

TEST(pages_that_nobody_has_are_refused, "")
{
    EXPECT(host_pages_allocate(0, 4096, READ_WRITE) == NULL);
    EXPECT(host_pages_allocate(SIZE_MAX, 4096, READ_WRITE) == NULL);
    EXPECT(host_pages_allocate((size_t)1 << 60, 4096, READ_WRITE) == NULL);
}

TEST(probe_sees_protection, "")
{
    unsigned char *pages = host_pages_allocate(3 * 4096, 4096, READ_WRITE);

    EXPECT(pages != NULL);
    memset(pages, 0x5a, 3 * 4096);
    EXPECT_EQ(host_memory_probe(pages, 3 * 4096, 1), 0);
    for (size_t i = 0; i < 3 * 4096; i++)
        EXPECT_EQ(pages[i], 0x5a); /* a write probe writes what was there */
    EXPECT_EQ(host_pages_protect(pages + 4096, 4096, HOST_PAGE_READ), 0);
    EXPECT_EQ(host_memory_probe(pages, 3 * 4096, 0), 0);
    EXPECT_EQ(host_memory_probe(pages, 3 * 4096, 1), -1);
    EXPECT_EQ(host_memory_probe(pages, 4096, 1), 0);
    EXPECT_EQ(host_memory_probe(pages + 4095, 2, 1), -1); /* the second byte alone is on the read-only page */
    EXPECT_EQ(host_memory_probe(pages + 4095, 1, 1), 0);
    EXPECT_EQ(host_pages_protect(pages + 4096, 4096, HOST_PAGE_NONE), 0);
    EXPECT_EQ(host_memory_probe(pages + 4096, 1, 0), -1);
    EXPECT_EQ(host_memory_probe(pages, 8192, 0), -1);
    EXPECT_EQ(host_memory_probe(pages + 8192, 4096, 0), 0);
    host_pages_free(pages, 3 * 4096);
}

TEST(probe_of_odd_ranges, "")
{
    char byte = 'x';

    EXPECT_EQ(host_memory_probe(&byte, 0, 1), 0);
    EXPECT_EQ(host_memory_probe(NULL, 0, 1), 0);
    EXPECT_EQ(host_memory_probe(NULL, 1, 0), -1);
    EXPECT_EQ(host_memory_probe(&byte, SIZE_MAX, 0), -1);              /* wraps around */
    EXPECT_EQ(host_memory_probe((void *)0x800000000000ull, 1, 0), -1); /* not canonical */
    EXPECT_EQ(host_memory_probe((void *)UINTPTR_MAX, 1, 0), -1);
    EXPECT_EQ(byte, 'x');
}

static void probe_often(void *context)
{
    char *bad = context;
    char good = 1;

    for (int i = 0; i < 2000; i++) {
        EXPECT_EQ(host_memory_probe(bad, 1, i & 1), -1);
        EXPECT_EQ(host_memory_probe(&good, 1, i & 1), 0);
    }
}

TEST(probes_of_many_threads_do_not_mix, "")
{
    char *bad = host_pages_allocate(4096, 4096, HOST_PAGE_NONE);
    struct test_thread *threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = test_thread_start(probe_often, bad);
    for (int i = 0; i < 4; i++)
        test_thread_join(threads[i]);
    host_pages_free(bad, 4096);
}

TEST(entropy_fills_the_buffer, "")
{
    unsigned char first[1000] = {0}, second[1000] = {0};

    host_entropy(first, sizeof first);
    host_entropy(second, sizeof second);
    EXPECT(memcmp(first, second, sizeof first) != 0);
    EXPECT(memchr(first + 900, 0, 100) == NULL || first[999] != 0 || first[998] != 0 || first[997] != 0);
    host_entropy(NULL, 0);
}

TEST(poisoned_pages_come_back_clean, "")
{
    unsigned char *pages = host_pages_allocate(4096, 4096, READ_WRITE);

    host_memory_poison(pages, 4096);
    host_memory_unpoison(pages, 64);
    pages[63] = 1;
    host_pages_free(pages, 4096); /* what is mapped there next is not poisoned */
    unsigned char *again = host_pages_allocate(4096, 4096, READ_WRITE);

    again[100] = 1;
    EXPECT_EQ(again[100], 1);
    host_pages_free(again, 4096);
}
