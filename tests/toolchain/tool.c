/* tool.c: folders, sources and commands for the tests of the tool chain. */
#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char output[65536];

void tool_begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/uwsk-toolchain-XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    EXPECT(chdir(folder) == 0);
}

void tool_end(void)
{
    EXPECT(chdir("/") == 0);
    EXPECT_EQ(tool_run("rm -rf %s", folder), 0);
}

void tool_write(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    EXPECT(f != NULL);
    EXPECT(fputs(text, f) >= 0);
    EXPECT(fclose(f) == 0);
}

static int run_line(const char *line)
{
    FILE *f = popen(line, "r");
    EXPECT(f != NULL);
    size_t n = fread(output, 1, sizeof output - 1, f);
    output[n] = 0;
    char rest[4096];
    while (fread(rest, 1, sizeof rest, f) > 0)
        ;
    int status = pclose(f);
    TEST_NOTE("$ %s\n%.600s", line, output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tool_run(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    EXPECT(n > 0 && (size_t)n + 8 < sizeof line);
    strcat(line, " 2>&1");
    return run_line(line);
}

int tool_cc(const char *format, ...)
{
    char rest[3072];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    const char *compiler = test_mode_has("clang") ? "clang" : "gcc";
    return tool_run("%s cc --compiler %s %s -Wall -Wextra %s", TOOLCHAIN_UWSK, compiler,
                    test_mode_has("O0") ? "-O0" : "-O2", rest);
}

void tool_run_driver(const char *path)
{
    int status = tool_run("%s run --for 0 %s", TOOLCHAIN_UWSK, path);
    if (status != 0)
        uwsk_test_fail(__FILE__, __LINE__, "%s: exit status %d: %s", path, status, output);
}

const char *tool_output(void)
{
    return output;
}

int tool_says(const char *words)
{
    return strstr(output, words) != NULL;
}
