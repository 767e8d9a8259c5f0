/*
 * api.c - no driver: a program that runs clean.so and leak_pool.so through include/uwsk/runtime.h, twice, and
 * ends with 0 when all answers are right.
 */
#include <stdio.h>
#include <string.h>

#include <uwsk/runtime.h>

static int lines, failures;

static void expect(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "not so: %s\n", what);
    failures++;
}

static void count_line(void *context, const char *text)
{
    (void)context, (void)text;
    lines++;
}

static void check_left(void *context, const struct uwsk_left *left)
{
    int *found = context;

    expect(left->kind == UWSK_LEFT_POOL && left->bytes == 100 && left->object != NULL,
           "three blocks of pool");
    expect(left->driver != NULL && strcmp(left->driver, "leak_pool") == 0, "of leak_pool");
    expect(left->made_by != NULL && left->frames > 0, "with the stack that made it");
    (*found)++;
}

static void once(void)
{
    struct uwsk_options options = UWSK_OPTIONS_INITIALIZER;
    struct uwsk_problem problem;
    struct uwsk_driver *driver;

    options.processors = 2;
    expect(uwsk_runtime_start(&options, &problem) == 0, "the runtime starts");
    expect(uwsk_runtime_start(&options, &problem) < 0 && problem.text[0], "once only");
    expect(uwsk_driver_load("clean.so", "another", &driver, &problem) == 0, "clean.so loads");
    expect(strcmp(uwsk_driver_name(driver), "another") == 0, "under the name it was given");
    expect(uwsk_account(driver, NULL, NULL) > 0, "it has a socket now");
    uwsk_waits_report(NULL, count_line, NULL);
    expect(lines > 0, "the socket is told about");
    expect(uwsk_runtime_stop() == 1, "the runtime does not stop under a driver");
    expect(uwsk_driver_unload(driver, 10000) == UWSK_UNLOADED, "it unloads");
    expect(uwsk_account(driver, NULL, NULL) == 0, "nothing is left");
    uwsk_driver_forget(driver);
    expect(uwsk_runtime_stop() == 0, "the runtime stops");
}

int main(void)
{
    struct uwsk_options options = UWSK_OPTIONS_INITIALIZER;
    struct uwsk_problem problem;
    struct uwsk_driver *driver;
    int found = 0;

    options.transport = "pigeon";
    expect(uwsk_runtime_start(&options, &problem) < 0 && strstr(problem.text, "pigeon"), "no such transport");
    options.transport = NULL;
    options.processors = 65;
    expect(uwsk_runtime_start(&options, &problem) < 0, "too many processors");
    once();
    once();
    options.processors = 0;
    expect(uwsk_runtime_start(&options, &problem) == 0, "the runtime starts");
    expect(uwsk_driver_load("leak_pool.so", NULL, &driver, NULL) == 0, "leak_pool.so loads");
    expect(uwsk_driver_unload(driver, 10000) == UWSK_UNLOADED, "it unloads");
    expect(uwsk_account(driver, check_left, &found) == 3 && found == 3, "three are left");
    expect(uwsk_account(NULL, NULL, NULL) == 0, "none of them is nobody's");
    expect(uwsk_account_report(driver, count_line, NULL) == 3, "three are told about");
    uwsk_driver_forget(driver);
    expect(uwsk_runtime_stop() == 1, "the runtime does not stop over what is left");
    return failures != 0;
}
