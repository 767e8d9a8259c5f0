/*
 * uwsk_test.h - how a test is written, in both worlds (no libc here: kernel-world tests include it, too).
 *
 *     TEST(close_cancels_the_receive, "C-CLOSE-12 R-CLOSE-05") { ... EXPECT_STATUS(s, STATUS_CANCELLED); }
 *
 * The harness (harness.c) runs every test in a process of its own with a time limit.  A failing EXPECT prints
 * file, line and both values and ends that process at once, from any thread.  The list of rules names what
 * the test covers; tools/rules.sh builds the coverage page from `--list`.
 *
 *     TEST_PARTIAL(name, "rules", "what is not covered yet") { ... }
 *
 * Attributes follow the rules: TEST_TIMEOUT(seconds), TEST_MODES("natural/dispatch natural/passive"),
 * TEST_ONCE.
 *
 *     TEST(many, "R-SEND-06", TEST_TIMEOUT(60), TEST_ONCE) { ... }
 *
 * Per file, before the first TEST (C only):
 *     TEST_FIXTURE(setup, teardown)  setup() runs in the test's process before the test, teardown() after it:
 * start the runtime there, check that nothing is left. TEST_MATRIX("mode mode …")     every test of the file
 * runs once for each mode; test_mode() says which.
 *                                    `--modes` or UWSK_TEST_MODES replace the list.  A mode written +mode
 * runs in make check-full only.
 */
#ifndef UWSK_TEST_H
#define UWSK_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

struct uwsk_test_fixture {
    void (*setup)(void);
    void (*teardown)(void);
};

struct uwsk_test {
    const char *name;
    const char *rules;   /* rule ids, space separated; "" = none */
    const char *partial; /* what is missing for full coverage; NULL = nothing */
    void (*run)(void);
    const char *file;
    int line;
    int timeout_seconds; /* 0 = 30 */
    const char *modes;   /* this test's own modes; NULL = the file's */
    int once;            /* outside the matrix: runs once, in the first mode */
    const struct uwsk_test_fixture *fixture;
    const char *const *file_modes;
    struct uwsk_test *next;
};

#define TEST_TIMEOUT(seconds) .timeout_seconds = (seconds)
#define TEST_MODES(list)      .modes = (list)
#define TEST_ONCE             .once = 1

#ifdef __cplusplus
/* In C a designated initializer silences this warning, in g++ it does not. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define UWSK_TEST_FIXTURE_POINTER ((const struct uwsk_test_fixture *)0)
#define UWSK_TEST_MODES_POINTER   ((const char *const *)0)
#else
static const struct uwsk_test_fixture uwsk_test_file_fixture __attribute__((unused));
static const char *const uwsk_test_file_modes __attribute__((unused));
#define UWSK_TEST_FIXTURE_POINTER (&uwsk_test_file_fixture)
#define UWSK_TEST_MODES_POINTER   (&uwsk_test_file_modes)
#define TEST_FIXTURE(setup, teardown)                                                                        \
    static const struct uwsk_test_fixture uwsk_test_file_fixture = {(setup), (teardown)}
#define TEST_MATRIX(list) static const char *const uwsk_test_file_modes = (list)
#endif

#define UWSK_TEST_DEFINE(name_, rules_, partial_, ...)                                                       \
    static void test_##name_(void);                                                                          \
    __attribute__((constructor)) static void test_register_##name_(void)                                     \
    {                                                                                                        \
        static struct uwsk_test test = {.name = #name_,                                                      \
                                        .rules = rules_,                                                     \
                                        .partial = partial_,                                                 \
                                        .run = test_##name_,                                                 \
                                        .file = __FILE__,                                                    \
                                        .line = __LINE__,                                                    \
                                        ##__VA_ARGS__};                                                      \
        test.fixture = UWSK_TEST_FIXTURE_POINTER;                                                            \
        test.file_modes = UWSK_TEST_MODES_POINTER;                                                           \
        uwsk_test_register(&test);                                                                           \
    }                                                                                                        \
    static void test_##name_(void)

#define TEST(name, rules, ...)                  UWSK_TEST_DEFINE(name, rules, (const char *)0, ##__VA_ARGS__)
#define TEST_PARTIAL(name, rules, missing, ...) UWSK_TEST_DEFINE(name, rules, missing, ##__VA_ARGS__)

/* Each ends the test when it does not hold; every argument is evaluated once. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            uwsk_test_fail(__FILE__, __LINE__, "not true: %s", #condition);                                  \
    } while (0)
#define EXPECT_EQ(actual, expected)                                                                          \
    uwsk_test_equal(__FILE__, __LINE__, #actual, (long long)(actual), #expected, (long long)(expected))
#define EXPECT_NE(actual, other)                                                                             \
    uwsk_test_not_equal(__FILE__, __LINE__, #actual, (long long)(actual), #other, (long long)(other))
#define EXPECT_STATUS(status, expected)                                                                      \
    uwsk_test_equal_status(__FILE__, __LINE__, #status, (int)(status), #expected, (int)(expected))
#define EXPECT_STR(actual, expected) uwsk_test_equal_string(__FILE__, __LINE__, #actual, (actual), (expected))
/* Waits until the condition holds, 10 s at most: for what another thread or the kernel does in its own time.
 */
#define EXPECT_SOON(condition)                                                                               \
    do {                                                                                                     \
        long long uwsk_until_ = test_now_ms() + 10000;                                                       \
        while (!(condition)) {                                                                               \
            if (test_now_ms() > uwsk_until_)                                                                 \
                uwsk_test_fail(__FILE__, __LINE__, "not true within 10 s: %s", #condition);                  \
            test_sleep_ms(1);                                                                                \
        }                                                                                                    \
    } while (0)
/* A line in the test's output (shown when it fails, or with --verbose). */
#define TEST_NOTE(...) uwsk_test_note(__FILE__, __LINE__, __VA_ARGS__)

/* The mode this run is in, "" outside a matrix; test_mode_has("passive") = one of its parts between slashes.
 */
const char *test_mode(void);
int test_mode_has(const char *part);
/* For a program that is no list of tests: UWSK_TEST_MODES is its one mode. */
void test_mode_from_environment(void);
/* Says what carries the test's network, for the count that tools/check.sh ends with: "epoll", "io_uring" or "sim". */
void test_runs_on(const char *back_end);
/* How often a loop runs: `full` times in make check-full, one of N rounds with tools/check.sh --full=N, a fiftieth (at
 * least once) in make check.  In the simulator seeds repeat a test: there a 250th in both. */
long test_scale(long full);
/* Non-zero under a sanitizer: 1 address, 2 thread. */
int test_sanitizer(void);
long long test_now_ms(void);
void test_sleep_ms(int milliseconds);

void uwsk_test_register(struct uwsk_test *test);
void uwsk_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void uwsk_test_note(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void uwsk_test_equal(const char *file, int line, const char *actual_text, long long actual,
                     const char *expected_text, long long expected);
void uwsk_test_not_equal(const char *file, int line, const char *actual_text, long long actual,
                         const char *other_text, long long other);
void uwsk_test_equal_status(const char *file, int line, const char *actual_text, int actual,
                            const char *expected_text, int expected);
void uwsk_test_equal_string(const char *file, int line, const char *actual_text, const char *actual,
                            const char *expected);

#ifdef __cplusplus
}
#endif
#endif
