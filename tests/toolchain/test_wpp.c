/* test_wpp.c: drivers with WPP messages: the .tmh is made, messages are trace lines (T-07). */
#include "tool.h"

#include <string.h>

TEST_FIXTURE(tool_begin, tool_end);
TEST_MATRIX(TOOL_MODES);

static void expect_lines(void)
{
    EXPECT_SAYS("WPP EchoTrace/TRACE_SOCKET WARNING wpp.c:34: hello 1\n");
    EXPECT_SAYS("WPP EchoTrace/TRACE_SOCKET WARNING wpp.c:35: comma\n");
    EXPECT_SAYS("WPP EchoTrace/TRACE_SOCKET WARNING wpp.c:36: comma 2\n");
    EXPECT_SAYS("WPP DataTrace/TRACE_DATA INFORMATION wpp.c:37: two\n");
    EXPECT_SAYS(" lines\n");
    EXPECT_SAYS("WPP EchoTrace/TRACE_DRIVER ERROR wpp.c:38: DriverEntry failed: "
                "0xc000000d(STATUS_INVALID_PARAMETER)\n");
    EXPECT_SAYS("wpp.c:40: DriverEntry failed: plain\n");
    EXPECT(!tool_says("never") && !tool_says("not this"));
    EXPECT_SAYS("WPP EchoTrace/TRACE_SOCKET ERROR wpp.c:44: this 2\n");
    EXPECT_SAYS("WPP EchoTrace VERBOSE wpp.c:45: leaves with 0xc0000120(STATUS_CANCELLED)\n");
    EXPECT_SAYS("WPP EchoTrace VERBOSE wpp.c:46: old style\n");
    EXPECT_SAYS("WPP DataTrace/TRACE_DATA wpp.c:21: text=42 {12345678-9abc-def0-0102-030405060708} wide\n");
    EXPECT_SAYS("127.0.0.1:80 fe80:0:0:0:0:0:0:1 100%!\n");
    EXPECT_SAYS("TRUE FALSE PASSIVE_LEVEL 5 0x80004005\n");
    EXPECT_SAYS("1~1:1:1 1970-01-01 00:00:00.000\n");
    EXPECT_SAYS("Green 7 One|Four -1\n");
    EXPECT_SAYS("wpp.c Types TRACE_DATA DataTrace |\n");
    EXPECT_SAYS("WPP EchoTrace/TRACE_DRIVER INFORMATION wpp.c:11: bye\n");
}

TEST(wpp_messages_are_trace_lines, "T-07", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o wpp.so %s/wpp.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    EXPECT_EXIT(tool_run("%s run --for 0 wpp.so", TOOLCHAIN_UWSK), 0);
    expect_lines();
    EXPECT_EXIT(tool_cc("-x c++ -o wpp.so %s/wpp.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    EXPECT_EXIT(tool_run("%s run --for 0 wpp.so", TOOLCHAIN_UWSK), 0);
    expect_lines();
}

/* Nothing stays: not beside the source, not in the temporary folder, not in a dependency file. */
TEST(wpp_leaves_no_files, "T-07", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(
        tool_run("mkdir source temporary && cp %s/wpp.c %s/wpp_trace.h source", TOOL_DRIVERS, TOOL_DRIVERS),
        0);
    EXPECT_EXIT(tool_run("TMPDIR=$PWD/temporary %s cc -MD -MP -c -o wpp.o source/wpp.c", TOOLCHAIN_UWSK), 0);
    EXPECT_EXIT(tool_run("ls source temporary"), 0);
    EXPECT_STR(tool_output(), "source:\nwpp.c\nwpp_trace.h\n\ntemporary:\n");
    EXPECT_EXIT(tool_run("grep -e tmh -e temporary wpp.d"), 1);
    EXPECT_EXIT(tool_run("grep -c -e wpp_trace.h wpp.d"), 0);
    EXPECT_EXIT(tool_run("TMPDIR=$PWD/temporary %s cc -M source/wpp.c", TOOLCHAIN_UWSK), 0);
    EXPECT_SAYS("wpp_trace.h");
    EXPECT(!tool_says("tmh"));
    EXPECT_EXIT(
        tool_run("TMPDIR=$PWD/temporary %s cc -E -o wpp.i source/wpp.c && ls temporary", TOOLCHAIN_UWSK), 0);
    EXPECT_QUIET();
}

/* A .tmh that is there already is the driver's own. */
TEST(wpp_files_of_the_driver_win, "T-07")
{
    tool_write("own.c", "#include <ntddk.h>\n#include \"own.tmh\"\nint own = OWN;\n");
    EXPECT(tool_cc("-c own.c") != 0);
    EXPECT_SAYS("OWN");
    tool_write("own.tmh", "#define OWN 1\n");
    EXPECT_EXIT(tool_cc("-c own.c"), 0);
    EXPECT_EXIT(tool_run("mkdir made && mv own.tmh made"), 0);
    EXPECT_EXIT(tool_cc("-Imade -c own.c"), 0);
}

/* Functions that a project names on its command line, not in a config block. */
TEST(wpp_functions_of_the_command_line, "T-07")
{
    tool_write("line.c", "#include <ntddk.h>\n#include \"line.tmh\"\n"
                         "DRIVER_INITIALIZE DriverEntry;\n"
                         "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING p)\n"
                         "{\n"
                         "    UNREFERENCED_PARAMETER(d), UNREFERENCED_PARAMETER(p);\n"
                         "    Say(3, \"from %%!FUNC!\");\n"
                         "    return STATUS_UNSUCCESSFUL;\n"
                         "}\n");
    EXPECT_EXIT(tool_run("sed -i s/%%%%/%%/ line.c"), 0);
    EXPECT(tool_cc("-Werror -c line.c") != 0);
    EXPECT_SAYS("Say");
    EXPECT_EXIT(tool_cc("--wpp-func 'Say(LEVEL,MSG,...)' -o line.so line.c"), 0);
    EXPECT_EXIT(tool_run("%s run --for 0 line.so", TOOLCHAIN_UWSK), 1);
    EXPECT_SAYS("WPP WARNING line.c:7: from DriverEntry\n");
    EXPECT_EXIT(tool_run("%s cc --wpp-func", TOOLCHAIN_UWSK), 2);
    EXPECT_EXIT(tool_run("%s cc --tmh line.c", TOOLCHAIN_UWSK), 2);
}

/* The lines of --show, typed by hand, give the same. */
TEST(wpp_steps_are_shown, "T-07", TEST_MODES("gcc/O2 clang/O0"))
{
    EXPECT_EXIT(tool_cc("--show -o shown.so %s/wpp.c > lines", TOOL_DRIVERS), 0);
    EXPECT_EXIT(tool_run("grep -c -e ' --tmh ' lines"), 0);
    EXPECT_STR(tool_output(), "1\n");
    EXPECT_EXIT(
        tool_run("sed -i 's,/tmp/uwsk-cc-XXXXXX,.,g; s,^uwsk,%s,' lines && sh -e lines", TOOLCHAIN_UWSK), 0);
    EXPECT_EXIT(tool_run("%s run --for 0 shown.so", TOOLCHAIN_UWSK), 0);
    expect_lines();
}

static void expect_events(void)
{
    EXPECT(!tool_says("Never") && !tool_says("TooEarly"));
    EXPECT_SAYS("TraceLogging Echo.Driver.Bare level 5\n");
    EXPECT_SAYS("TraceLogging Echo.Driver.Start level 4 keyword 0x2 count=7 name=\"text\" "
                "status=0xc0000120(STATUS_CANCELLED) wide=\"wide\" yes=true\n");
    EXPECT_SAYS(
        "TraceLogging Echo.Driver.Values level 5 count=7 big=-5000000000 text=\"text\" wide=\"broad\" "
        "half=1.500 hex=0xffffffff\n");
    EXPECT_SAYS("TraceLogging Echo.Driver.More level 5 peer={ address=127.0.0.1 port=80 } "
                "Id={12345678-9abc-def0-0102-030405060708} data=[61 62 63] cut=\"ab\"\n");
    EXPECT_SAYS("enabled 12345678 code 1 level 255 any ffffffffffffffff all 0 1\n");
    EXPECT_SAYS(
        "ETW {12345678-9abc-def0-0102-030405060708} event 5 version 1 level 4 task 3 opcode 2 keyword "
        "0x10: [07 00 00 00] [74 65 78 74]\n");
    EXPECT_SAYS("keyword 0x10 activity {12345678-9abc-def0-0102-030405060708}:\n");
    EXPECT_SAYS("ETW {12345678-9abc-def0-0102-030405060708} level 4 keyword 0x10: message\n");
    EXPECT_SAYS("unregistered ");
}

TEST(events_are_trace_lines, "T-07", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o etw.so %s/etw.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    EXPECT_EXIT(tool_run("%s run --for 0 etw.so", TOOLCHAIN_UWSK), 0);
    expect_events();
    EXPECT_EXIT(tool_cc("-x c++ -o etw.so %s/etw.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    EXPECT_EXIT(tool_run("%s run --for 0 etw.so", TOOLCHAIN_UWSK), 0);
    expect_events();
}
