/*
 * DbgPrint: lines, whole and at once; assertions and break points.
 */
#include "bugcheck.h"
#include "host/host.h"
#include "nt/dbg/dbg.h"
#include <string.h>

enum { LINES = 8, LONGEST = 3000 };
static char lines[LINES][LONGEST];
static struct dbg_line seen[LINES];
static ULONG count;

static void sink(void *context, const struct dbg_line *line)
{
    EXPECT(context == &count);
    EXPECT(count < LINES);
    EXPECT_EQ(strlen(line->text), line->length);
    EXPECT(line->length < LONGEST);
    strcpy(lines[count], line->text);
    seen[count++] = *line;
}

static void begin(void)
{
    dbg_set_sink(sink, &count);
}
TEST_FIXTURE(begin, NULL);

TEST(a_message_is_a_line, "T-03")
{
    WCHAR wide[] = L"wide";
    UNICODE_STRING string = {8, 10, wide};

    EXPECT_STATUS(DbgPrint("%wZ %ws %I64x %lu\n", &string, wide, 0x123456789abcdefll, 4000000000u),
                  STATUS_SUCCESS);
    EXPECT_EQ(count, 1);
    EXPECT_STR(lines[0], "wide wide 123456789abcdef 4000000000");
    EXPECT_EQ(seen[0].irql, PASSIVE_LEVEL);
    EXPECT_EQ(seen[0].thread, host_self()->id);
    EXPECT(seen[0].time != 0 && seen[0].time <= host_now());
}

TEST(newlines_split_and_nothing_is_held_back, "")
{
    DbgPrint("one\r\ntwo\n\nno newline");
    EXPECT_EQ(count, 4);
    EXPECT_STR(lines[0], "one");
    EXPECT_STR(lines[1], "two");
    EXPECT_STR(lines[2], "");
    EXPECT_STR(lines[3], "no newline");
    DbgPrint("%s", "");
    EXPECT_EQ(count, 4);
}

TEST(long_messages_are_whole, "")
{
    static char text[2500];

    for (ULONG length = 505; length < sizeof(text); length += length < 520 ? 1 : 991) {
        count = 0;
        memset(text, 'x', length);
        text[length] = 0;
        DbgPrint("%s!\n", text);
        EXPECT_EQ(count, 1);
        EXPECT_EQ(seen[0].length, length + 1);
        EXPECT_EQ(lines[0][length], '!');
    }
}

static ULONG print_list(PCSTR prefix, PCSTR format, ...)
{
    va_list arguments;
    ULONG status;

    va_start(arguments, format);
    status = prefix
                 ? vDbgPrintExWithPrefix(prefix, DPFLTR_IHVNETWORK_ID, DPFLTR_TRACE_LEVEL, format, arguments)
                 : vDbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_WARNING_LEVEL, format, arguments);
    va_end(arguments);
    return status;
}

TEST(component_level_and_prefix, "")
{
    static char text[2000];

    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "a %d\n", 1);
    EXPECT_EQ(seen[0].component, DPFLTR_IHVDRIVER_ID);
    EXPECT_EQ(seen[0].level, DPFLTR_INFO_LEVEL);
    EXPECT_STATUS(print_list("pre: ", "%s", "b"), STATUS_SUCCESS);
    EXPECT_STR(lines[1], "pre: b");
    EXPECT_EQ(seen[1].component, DPFLTR_IHVNETWORK_ID);
    print_list(NULL, "c");
    EXPECT_EQ(seen[2].level, DPFLTR_WARNING_LEVEL);
    KdPrint(("kd %d\n", 4));
    EXPECT_STR(lines[3], "kd 4");
    memset(text, 'y', sizeof(text) - 1);
    print_list("pre: ", "%s", text);
    EXPECT_EQ(seen[4].length, 5 + sizeof(text) - 1);
    EXPECT(!memcmp(lines[4], "pre: yyy", 8));
}

TEST(any_irql, "")
{
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    DbgPrint("high\n");
    KeLowerIrql(irql);
    EXPECT_EQ(seen[0].irql, DISPATCH_LEVEL);
}

static char logged[LONGEST];
static int logged_level;

static void log_sink(void *context, int level, const char *text)
{
    (void)context;
    logged_level = level;
    EXPECT(strlen(text) < sizeof(logged));
    strcpy(logged, text);
}

TEST(default_sink_tells_time_thread_and_irql, "")
{
    static char text[1500];
    KIRQL irql;

    dbg_set_sink(NULL, NULL);
    host_set_log_sink(log_sink, NULL);
    DbgPrint("hello\n");
    EXPECT_EQ(logged_level, HOST_LOG_DRIVER);
    EXPECT_EQ(logged[0], '[');
    EXPECT(strstr(logged, "] T") != NULL);
    EXPECT_STR(strchr(logged, 'h'), "hello");
    EXPECT(strstr(logged, " I2 ") == NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    DbgPrint("hello\n");
    KeLowerIrql(irql);
    EXPECT(strstr(logged, " I2 hello") != NULL);
    memset(text, 'z', sizeof(text) - 1);
    DbgPrint("%s", text);
    EXPECT_EQ(strlen(strchr(logged, 'z')), sizeof(text) - 1);
    dbg_print("runtime %d", 5);
    EXPECT_STR(strchr(logged, 'r'), "runtime 5");
}

TEST(assertion_tells_where_and_ends, "")
{
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, ASSERT(count == 77));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_BREAKPOINT);
    EXPECT_EQ(count, 1);
    EXPECT(strstr(lines[0], "count == 77") != NULL);
    EXPECT(strstr(lines[0], "test_dbg.c:") != NULL);
}

TEST(assertion_that_holds_is_silent, "")
{
    ASSERT(count == 0);
    ASSERTMSG("message", count == 0);
    NT_ASSERT(count == 0);
    EXPECT_EQ(count, 0);
    EXPECT(!KD_DEBUGGER_ENABLED && KD_DEBUGGER_NOT_PRESENT);
}

TEST(break_point_without_debugger, "")
{
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, DbgBreakPointWithStatus(9));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_BREAKPOINT);
    EXPECT_BUGCHECK_PARAMETER(3, 9);
}
