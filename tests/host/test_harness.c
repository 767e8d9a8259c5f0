/*
 * The harness itself: a failing test is reported as failed, with its reason, whichever way it fails.  The
 * tests that fail are in a program of their own (failing.c) which is run here.
 */
#include "uwsk_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static char output[65536];

/* `environment` sets variables for the program; those of this run never reach it. */
static int run_with(const char *environment, const char *arguments)
{
    char command[512];

    snprintf(command, sizeof command, "UWSK_TEST_RESULTS= UWSK_TEST_FULL= UWSK_TEST_MODES= %s %s %s 2>&1",
             environment, FAILING_PROGRAM, arguments);
    FILE *pipe = popen(command, "r");

    EXPECT(pipe != NULL);
    size_t length = fread(output, 1, sizeof output - 1, pipe);

    output[length] = 0;
    int status = pclose(pipe);

    EXPECT(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_failing(const char *arguments)
{
    return run_with("", arguments);
}

static void expect_output(const char *text)
{
    if (!strstr(output, text))
        uwsk_test_fail(__FILE__, __LINE__, "\"%s\" is not in the output:\n%.800s", text, output);
}

TEST(harness_reports_every_kind_of_failure, "", TEST_TIMEOUT(60))
{
    EXPECT_EQ(run_failing("--only 'fails_*'"), 1);
    expect_output("value + 1 is 3 (0x3), expected 4 = 4 (0x4)");
    expect_output("status is 0xc0000001, expected 0 (0x00000000)");
    expect_output("not true: value == 3");
    expect_output("FAIL fails_on_another_thread");
    expect_output("FAIL fails_by_signal");
    expect_output("FAIL fails_by_exit");
    expect_output("FAIL fails_in_teardown");
    expect_output("this note explains it");
    expect_output("0 passed, 7 failed");
}

TEST(harness_stops_a_hanging_test, "", TEST_TIMEOUT(60))
{
    EXPECT_EQ(run_failing("--only hangs"), 1);
    expect_output("FAIL hangs");
    expect_output("0 passed, 1 failed");
}

TEST(harness_runs_every_mode, "")
{
    EXPECT_EQ(run_failing("--only 'passes_*'"), 0);
    expect_output("2 passed, 0 failed\n"); /* one in both modes */
    expect_output("3 passed, 0 failed\n"); /* and one once */
    EXPECT_EQ(run_with("UWSK_TEST_FULL=1", "--only 'passes_*'"), 0);
    expect_output("4 passed, 0 failed\n");
    EXPECT_EQ(run_failing("--only passes_in_modes --mode slow/blue --verbose"), 0);
    expect_output("pass passes_in_modes [slow/blue]");
    expect_output("1 passed, 0 failed");
}

TEST(harness_lists_rules, "")
{
    EXPECT_EQ(run_failing("--list"), 0);
    expect_output("passes_in_modes\tC-CLOSE-01 R-CLOSE-02\t\n");
    expect_output("passes_once\tK-IRP-01\twhat is not covered\n");
    EXPECT_EQ(run_failing("--only no_such_test"), 2);
    EXPECT_EQ(run_failing("--nonsense"), 2);
}
