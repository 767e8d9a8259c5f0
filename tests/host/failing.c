/* Tests that fail on purpose: test_harness.c runs this program and looks at what it says.  Not known to
 * ctest. */
#include "peer.h"
#include "uwsk_test.h"

#include <signal.h>
#include <unistd.h>

static void setup(void)
{
}

static int break_teardown;

static void teardown(void)
{
    EXPECT_EQ(break_teardown, 0);
}

TEST_FIXTURE(setup, teardown);
TEST_MATRIX("quick/red slow/blue +only/full");

TEST(fails_equal, "", TEST_ONCE)
{
    int value = 2;

    TEST_NOTE("this note explains it");
    EXPECT_EQ(value + 1, 4);
}

TEST(fails_status, "", TEST_ONCE)
{
    int status = (int)0xc0000001;

    EXPECT_STATUS(status, 0);
}

TEST(fails_condition, "", TEST_ONCE)
{
    int value = 2;

    EXPECT(value == 3);
}

static void fail_here(void *context)
{
    (void)context;
    EXPECT_EQ(1, 2);
}

TEST(fails_on_another_thread, "", TEST_ONCE)
{
    test_thread_join(test_thread_start(fail_here, NULL));
}

TEST(fails_by_signal, "", TEST_ONCE)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

TEST(fails_by_exit, "", TEST_ONCE)
{
    _exit(3);
}

TEST(fails_in_teardown, "", TEST_ONCE)
{
    break_teardown = 1;
}

TEST(hangs, "", TEST_TIMEOUT(2), TEST_MODES("quick/red"))
{
    for (;;)
        pause();
}

TEST(passes_in_modes, "C-CLOSE-01 R-CLOSE-02")
{
    EXPECT(test_mode_has("quick") + test_mode_has("slow") + test_mode_has("full") == 1);
    EXPECT(test_mode_has("blue") == test_mode_has("slow"));
    EXPECT(!test_mode_has("qui") && !test_mode_has("quick/red"));
}

TEST_PARTIAL(passes_once, "K-IRP-01", "what is not covered", TEST_ONCE)
{
    EXPECT_STR(test_mode(), "quick/red");
}
