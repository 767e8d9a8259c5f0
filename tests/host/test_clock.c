/*
 * Clocks: host_now starts above zero and never goes back, host_wall counts 100 ns units from 1601.
 */
#include "host/host.h"
#include "uwsk_test.h"

#include <stdint.h>
#include <time.h>

TEST(now_is_monotonic_and_never_zero, "")
{
    uint64_t before = host_now();

    EXPECT(before > 0);
    EXPECT(before < 1000000000ull); /* it counts from the runtime's start, not from boot */
    for (int i = 0; i < 10000; i++) {
        uint64_t now = host_now();

        EXPECT(now >= before);
        before = now;
    }
}

TEST(now_counts_nanoseconds, "")
{
    uint64_t before = host_now();

    test_sleep_ms(20);
    EXPECT(host_now() - before >= 20 * 1000000ull);
    EXPECT(host_now() - before < 5000 * 1000000ull);
}

TEST(wall_counts_from_1601, "")
{
    /* 1970-01-01 is 11,644,473,600 s after 1601-01-01: 369 years with 89 leap days. */
    const uint64_t seconds = (369ull * 365 + 89) * 86400;
    uint64_t before = ((uint64_t)time(NULL) - 1 + seconds) * 10000000;
    uint64_t wall = host_wall();
    uint64_t after = ((uint64_t)time(NULL) + 2 + seconds) * 10000000;

    EXPECT_EQ(seconds, 11644473600ll);
    EXPECT(wall > before && wall < after);
}
