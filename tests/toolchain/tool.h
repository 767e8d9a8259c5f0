/* tool.h: what the tests of the tool chain share: a folder per test, sources, commands. */
#ifndef TOOLCHAIN_TOOL_H
#define TOOLCHAIN_TOOL_H

#include "uwsk_test.h"

#define TOOL_DRIVERS TOOLCHAIN_SOURCE_DIR "/drivers"
/* Every compiler and level that a driver may meet; test_mode() is one of them: "gcc/O2". */
#define TOOL_MODES "gcc/O0 gcc/O2 clang/O0 clang/O2"

/* The fixture: an empty folder, made the current one; removed at the end. */
void tool_begin(void);
void tool_end(void);

/* Writes text into a file of the test's folder. */
void tool_write(const char *name, const char *text);
/* Runs a shell line in which %s stands as in printf; what it prints goes to tool_output(), its exit status
 * back. */
int tool_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `uwsk cc` with the compiler and level of the mode, warnings on. */
int tool_cc(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `uwsk run` of a driver whose DriverEntry does everything: ends the test unless it succeeds and leaves
 * nothing. */
void tool_run_driver(const char *path);
const char *tool_output(void);
int tool_says(const char *words);
/* The command's output as part of a failure's message. */
#define EXPECT_SAYS(words)                                                                                   \
    do {                                                                                                     \
        if (!tool_says(words))                                                                               \
            uwsk_test_fail(__FILE__, __LINE__, "\"%s\" is not in: %s", (words), tool_output());              \
    } while (0)
#define EXPECT_QUIET()                                                                                       \
    do {                                                                                                     \
        if (tool_output()[0])                                                                                \
            uwsk_test_fail(__FILE__, __LINE__, "unexpected: %s", tool_output());                             \
    } while (0)
#define EXPECT_EXIT(status, expected)                                                                        \
    do {                                                                                                     \
        int status_ = (status);                                                                              \
        if (status_ != (expected))                                                                           \
            uwsk_test_fail(__FILE__, __LINE__, "%s: exit status %d, not %d: %s", #status, status_,           \
                           (expected), tool_output());                                                       \
    } while (0)

#endif
