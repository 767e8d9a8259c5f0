/*
 * harness.c - runs the tests of one program, each in a process of its own (Check's fork mode).
 *
 *   program [--list] [--only PATTERN]… [--modes "m m"] [--mode m] [--shard I/N] [--verbose]
 *
 * UWSK_TEST_PART=sim: of all tests only the modes that have this part, also of tests with modes of their own.
 * UWSK_TEST_SKIP=sim: of all tests only the modes that do not have it; tests without modes run.
 * --shard 2/3: of all runs (a test in a mode) the second of three shares, so that ctest can run a long program beside itself.
 *
 * What a test prints is kept back and shown when it fails.  Near its time limit a hanging test's stacks are
 * taken with gdb, so that the report says where it hangs.  Results are appended to the file UWSK_TEST_RESULTS
 * as test<TAB>mode<TAB>pass|fail<TAB>runs<TAB>back end: a simulated test makes one run for each of its seeds.
 */
#include "uwsk_test.h"
#include "harness.h"
#include "peer_backend.h"

#include "host/sanitizer.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT = 30, MAX_PATTERNS = 32, MAX_MODES = 64, MODE_LENGTH = 48 };

static struct uwsk_test *first_test;
static struct uwsk_test **last_test = &first_test;

static const char *patterns[MAX_PATTERNS];
static int pattern_count;
static const char *modes_override;
static int verbose;
static unsigned shard, shards = 1; /* this process's of how many */
static unsigned runs_seen;

/* The test that runs now: inherited by its process. */
static const struct uwsk_test *current_test;
static const char *current_mode = "";
static int current_limit;
static int output_fd = -1;
/* Shared with its process: what it ran on. */
static char *back_end;
enum { BACK_END_SIZE = 16 };

struct mode_count {
    char name[MODE_LENGTH];
    int passed;
    int failed;
};
static struct mode_count counts[MAX_MODES];
static int mode_count;

/* ---- what tests call ---------------------------------------------------------------------------------- */

void uwsk_test_register(struct uwsk_test *test)
{
    *last_test = test;
    last_test = &test->next;
}

void uwsk_test_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ck_abort_msg("%s:%d: %s", file, line, text);
    abort();
}

void uwsk_test_note(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "%s:%d: %s\n", file, line, text);
}

void uwsk_test_equal(const char *file, int line, const char *actual_text, long long actual,
                     const char *expected_text, long long expected)
{
    if (actual != expected)
        uwsk_test_fail(file, line, "%s is %lld (0x%llx), expected %s = %lld (0x%llx)", actual_text, actual,
                       (unsigned long long)actual, expected_text, expected, (unsigned long long)expected);
}

void uwsk_test_not_equal(const char *file, int line, const char *actual_text, long long actual,
                         const char *other_text, long long other)
{
    if (actual == other)
        uwsk_test_fail(file, line, "%s is %lld (0x%llx), expected anything but %s", actual_text, actual,
                       (unsigned long long)actual, other_text);
}

void uwsk_test_equal_status(const char *file, int line, const char *actual_text, int actual,
                            const char *expected_text, int expected)
{
    if (actual != expected)
        uwsk_test_fail(file, line, "%s is 0x%08x, expected %s (0x%08x)", actual_text, (unsigned)actual,
                       expected_text, (unsigned)expected);
}

void uwsk_test_equal_string(const char *file, int line, const char *actual_text, const char *actual,
                            const char *expected)
{
    if (!actual || !expected || strcmp(actual, expected) != 0)
        uwsk_test_fail(file, line, "%s is \"%s\", expected \"%s\"", actual_text, actual ? actual : "(null)",
                       expected ? expected : "(null)");
}

const char *test_mode(void)
{
    return current_mode;
}

void test_runs_on(const char *name)
{
    if (back_end)
        snprintf(back_end, BACK_END_SIZE, "%s", name);
}

static int has_part(const char *mode, const char *part)
{
    size_t length = strlen(part);
    const char *at = mode;

    while (*at) {
        size_t piece = strcspn(at, "/");

        if (piece == length && memcmp(at, part, length) == 0)
            return 1;
        at += piece;
        if (*at)
            at++;
    }
    return 0;
}

void test_mode_from_environment(void)
{
    const char *mode = getenv("UWSK_TEST_MODES");

    current_mode = mode ? mode : "";
}

int test_mode_has(const char *part)
{
    return has_part(current_mode, part);
}

int uwsk_test_full(void)
{
    const char *full = getenv("UWSK_TEST_FULL"); /* 1: all rounds, 2: half of them ... */

    return full ? atoi(full) : 0;
}

long test_scale(long full)
{
    long divisor = test_mode_has("sim") ? 250 : uwsk_test_full() ? uwsk_test_full() : 50;

    return full >= divisor ? full / divisor : 1;
}

int test_sanitizer(void)
{
    return HOST_TSAN ? 2 : HOST_ASAN ? 1 : 0;
}

long long test_now_ms(void)
{
    if (peer_backend)
        return peer_backend->now_ms();
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void test_sleep_ms(int milliseconds)
{
    if (peer_backend) {
        peer_backend->sleep_ms(milliseconds);
        return;
    }
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* ---- one test in its process -------------------------------------------------------------------------- */

/* Sleeps beside the test; near the limit it prints the stacks of all the test's threads. */
static pid_t start_watchdog(void)
{
    pid_t test = getpid();
    pid_t watchdog = fork();

    if (watchdog != 0) {
        prctl(PR_SET_PTRACER, watchdog, 0, 0, 0);
        return watchdog;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != test)
        _exit(0);
    test_sleep_ms(current_limit * 800);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)test);
    dprintf(STDERR_FILENO, "-- %s still runs after %d s; its threads:\n", current_test->name,
            current_limit * 8 / 10);
    execlp("gdb", "gdb", "-p", pid, "-batch", "-nx", "-ex", "set width 0", "-ex",
           "thread apply all backtrace 16", (char *)NULL);
    _exit(0);
}

static void (*test_world)(void (*body)(void));
static long (*test_runs)(void);

void uwsk_test_set_world(void (*world)(void (*body)(void)), long (*runs)(void))
{
    test_world = world;
    test_runs = runs;
}

const char *uwsk_test_name(void)
{
    return current_test->name;
}

static void run_body(void)
{
    if (current_test->fixture && current_test->fixture->setup)
        current_test->fixture->setup();
    current_test->run();
    if (current_test->fixture && current_test->fixture->teardown)
        current_test->fixture->teardown();
}

static void run_current(int index)
{
    (void)index;
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    pid_t watchdog = start_watchdog();

    if (test_world)
        test_world(run_body);
    else
        run_body();
    if (watchdog > 0) {
        kill(watchdog, SIGKILL);
        waitpid(watchdog, NULL, 0);
    }
    fflush(NULL);
}

/* ---- the run ------------------------------------------------------------------------------------------ */

static void record(const struct uwsk_test *test, const char *mode, int passed)
{
    const char *path = getenv("UWSK_TEST_RESULTS");
    char line[256];
    int i;

    for (i = 0; i < mode_count && strcmp(counts[i].name, mode) != 0; i++)
        ;
    if (i < MAX_MODES) {
        if (i == mode_count) {
            snprintf(counts[i].name, MODE_LENGTH, "%s", mode);
            mode_count++;
        }
        *(passed ? &counts[i].passed : &counts[i].failed) += 1;
    }
    if (!path || !*path)
        return;
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%s\n", test->name, mode,
                          passed ? "pass" : "fail", test_runs ? test_runs() : 1, back_end);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0 || write(fd, line, (size_t)length) != length) {
        fprintf(stderr, "harness: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    close(fd);
}

static void show_output(void)
{
    char buffer[4096];
    ssize_t got;
    off_t at = 0;

    while ((got = pread(output_fd, buffer, sizeof buffer, at)) > 0) {
        fwrite(buffer, 1, (size_t)got, stdout);
        at += got;
    }
}

/* 1 when the test passed. */
static int run_one(const struct uwsk_test *test, const char *mode)
{
    int limit = test->timeout_seconds ? test->timeout_seconds : DEFAULT_TIMEOUT;
    const char *slow = getenv("UWSK_TEST_SLOW"); /* factor for valgrind and the like */

    if (test_sanitizer())
        limit *= 3;
    if (uwsk_test_full())
        limit *= 10;
    if (slow && atoi(slow) > 0)
        limit *= atoi(slow);
    current_test = test;
    current_mode = mode;
    current_limit = limit;
    output_fd = memfd_create("output", MFD_CLOEXEC);
    *back_end = 0;

    static const TTest body = {"test", run_current, __FILE__, __LINE__};
    Suite *suite = suite_create("uwsk");
    TCase *tcase = tcase_create(test->name);
    SRunner *runner;

    tcase_set_timeout(tcase, limit);
    tcase_add_test(tcase, &body);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);

    long long start = test_now_ms();
    srunner_run_all(runner, CK_SILENT);
    long long took = test_now_ms() - start;
    int passed = srunner_ntests_failed(runner) == 0;

    if (!passed) {
        TestResult **failures = srunner_failures(runner);

        show_output();
        printf("FAIL %s%s%s%s: %s\n", test->name, *mode ? " [" : "", mode, *mode ? "]" : "",
               tr_msg(failures[0]));
        free(failures);
    } else if (verbose) {
        show_output();
        printf("pass %s%s%s%s (%lld ms)\n", test->name, *mode ? " [" : "", mode, *mode ? "]" : "", took);
    } else if (took > 5000) {
        printf("slow %s%s%s%s (%lld ms)\n", test->name, *mode ? " [" : "", mode, *mode ? "]" : "", took);
    }
    fflush(stdout);
    srunner_free(runner);
    close(output_fd);
    record(test, mode, passed);
    return passed;
}

static int selected(const struct uwsk_test *test)
{
    for (int i = 0; i < pattern_count; i++)
        if (fnmatch(patterns[i], test->name, 0) == 0)
            return 1;
    return pattern_count == 0;
}

/* The modes of a test, as one list: its own, else the given ones, else the file's; "" = runs once, nameless.
 */
static const char *modes_of(const struct uwsk_test *test)
{
    const char *file_modes = test->file_modes ? *test->file_modes : NULL;

    if (test->modes)
        return test->modes;
    if (!file_modes)
        return "";
    return modes_override ? modes_override : file_modes;
}

/* Is the next run one of this shard's?  Scattered, for most tests have the same modes, of which some take long. */
static int in_shard(void)
{
    return (runs_seen++ * 2654435761u >> 16) % shards == shard;
}

static int run_in_modes(const struct uwsk_test *test)
{
    char mode[MODE_LENGTH];
    const char *at = modes_of(test);
    const char *part = getenv("UWSK_TEST_PART");
    const char *skip = getenv("UWSK_TEST_SKIP");
    int failed = 0;

    if (!*at)
        return (part && *part) || !in_shard() ? 0 : !run_one(test, "");
    for (;;) {
        at += strspn(at, " ,");
        size_t length = strcspn(at, " ,");

        if (length == 0)
            return failed;
        snprintf(mode, sizeof mode, "%.*s", (int)length, at);
        at += length;
        if (*mode == '+' && !uwsk_test_full())
            continue;
        if (part && *part && !has_part(mode + (*mode == '+'), part))
            continue;
        if (skip && *skip && has_part(mode + (*mode == '+'), skip))
            continue;
        if (in_shard())
            failed += !run_one(test, *mode == '+' ? mode + 1 : mode);
        if (test->once)
            return failed;
    }
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--list] [--only PATTERN]... [--modes \"MODE MODE\"] [--mode MODE] [--shard I/N]\n"
            "       [--verbose]\n",
            program);
    return 2;
}

int uwsk_test_main(int argc, char **argv)
{
    const char *environment_modes = getenv("UWSK_TEST_MODES");
    int list = 0;
    int ran = 0;

    if (environment_modes && *environment_modes)
        modes_override = environment_modes;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list = 1;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = 1;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc && pattern_count < MAX_PATTERNS) {
            patterns[pattern_count++] = argv[++i];
        } else if ((strcmp(argv[i], "--modes") == 0 || strcmp(argv[i], "--mode") == 0) && i + 1 < argc) {
            modes_override = argv[++i];
        } else if (strcmp(argv[i], "--shard") == 0 && i + 1 < argc &&
                   sscanf(argv[i + 1], "%u/%u", &shard, &shards) == 2 && shard >= 1 && shard <= shards) {
            shard--;
            i++;
        } else {
            return usage(argv[0]);
        }
    }
    back_end = mmap(NULL, BACK_END_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (back_end == MAP_FAILED) {
        perror("harness: mmap");
        return 2;
    }
    for (const struct uwsk_test *test = first_test; test; test = test->next) {
        if (!selected(test))
            continue;
        ran++;
        if (list)
            printf("%s\t%s\t%s\n", test->name, test->rules, test->partial ? test->partial : "");
        else
            run_in_modes(test);
    }
    if (list)
        return 0;
    if (ran == 0) {
        fprintf(stderr, "%s: no such test\n", argv[0]);
        return 2;
    }

    int passed = 0;
    int failed = 0;
    for (int i = 0; i < mode_count; i++) {
        passed += counts[i].passed;
        failed += counts[i].failed;
        if (mode_count > 1)
            printf("%-32s %d passed, %d failed\n", *counts[i].name ? counts[i].name : "(no mode)",
                   counts[i].passed, counts[i].failed);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
