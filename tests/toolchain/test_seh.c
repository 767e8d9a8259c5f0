/* test_seh.c: structured exceptions, compiled by both compilers at both levels, and what cannot be compiled
 * (T-04). */
#include "tool.h"

#include <string.h>

TEST_FIXTURE(tool_begin, tool_end);
TEST_MATRIX(TOOL_MODES);

TEST(seh_works_in_c, "T-04 D-24", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-Werror -o seh.so %s/seh_c.c", TOOL_DRIVERS), 0);
    tool_run_driver("./seh.so");
}

TEST(seh_works_in_cplusplus, "T-04", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-Werror -o seh.so %s/seh_cpp.cpp", TOOL_DRIVERS), 0);
    tool_run_driver("./seh.so");
}

/* The compiler's own messages and the debug info name the lines that the driver's author wrote. */
TEST(seh_keeps_lines, "T-04")
{
    tool_write("lines.c", "#include <ntddk.h>\n"                                        /* 1 */
                          "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n" /* 2 */
                          "{\n"                                                         /* 3 */
                          "    (void)d; (void)r;\n"                                     /* 4 */
                          "    __try {\n"                                               /* 5 */
                          "        ExRaiseStatus(1);\n"                                 /* 6 */
                          "    } __except (EXCEPTION_EXECUTE_HANDLER) {\n"              /* 7 */
                          "        int unused_here;\n"                                  /* 8 */
                          "    }\n"                                                     /* 9 */
                          "    __try {\n"                                               /* 10 */
                          "        return 0;\n"                                         /* 11 */
                          "    } __finally {\n"                                         /* 12 */
                          "        undeclared = 1;\n"                                   /* 13 */
                          "    }\n"
                          "}\n");
    EXPECT(tool_cc("-c -o lines.o lines.c") != 0);
    EXPECT_SAYS("lines.c:8:");
    EXPECT_SAYS("unused_here");
    EXPECT_SAYS("lines.c:13:");
    EXPECT_SAYS("undeclared");
    EXPECT_EXIT(tool_cc("-Dundeclared=r -Wno-int-conversion -c -o lines.o lines.c"), 0);
    EXPECT_EXIT(tool_run("readelf --debug-dump=decodedline lines.o"), 0);
    EXPECT_SAYS("lines.c");
    EXPECT(!tool_says("1-lines") && !tool_says("2-lines"));
    EXPECT_EXIT(tool_run("readelf --debug-dump=decodedline lines.o | awk '$2 == 13' | grep -q ."), 0);
    EXPECT_EXIT(
        tool_run("readelf --debug-dump=decodedline lines.o | awk '$2 > 15' | grep -c lines.c || true"), 0);
    EXPECT_STR(tool_output(), "0\n");
}

/* A source that cannot be rewritten says so, with its line; nothing is skipped silently. */
struct refusal {
    const char *name;
    const char *body;
    const char *says;
};

static void refused(const char *suffix, const char *head, const struct refusal *r)
{
    char source[2048] = "", file[32] = "bad";
    strcat(source, head);
    strcat(source, r->body);
    strcat(file, suffix);
    tool_write(file, source);
    TEST_NOTE("%s", r->name);
    EXPECT_EXIT(tool_cc("-c -o bad.o %s", file), 1);
    EXPECT_SAYS(r->says);
    EXPECT_SAYS(file);
    EXPECT(tool_says("error:"));
    EXPECT_EXIT(tool_run("test -e bad.o"), 1);
}

TEST(seh_refuses_clearly, "T-04", TEST_TIMEOUT(60))
{
    static const struct refusal in_c[] = {
        {"no handler", "int f(void) {\n __try { return 1; }\n return 0; }", "bad.c:2: error: __try without"},
        {"leave", "int f(void) {\n __leave;\n __try { } __except (1) { } return 0; }",
         "bad.c:2: error: __leave outside"},
        {"goto in", "int f(int a) {\n if (a) goto in;\n __try { in: a = 1; } __finally { } return a; }",
         "bad.c:2: error: goto into"},
        {"goto handler",
         "int f(int a) {\n if (a) goto in;\n __try { } __except (1) { in: a = 1; } return a; }",
         "bad.c:2: error: goto into"},
        {"case",
         "int f(int a) { switch (a) {\n case 1: __try {\n case 2: a = 1; } __finally { } } return a; }",
         "bad.c:3: error: a case label inside __try"},
        {"computed goto",
         "int f(int a) { void *p = &&out; __try {\n goto *p; } __finally { a = 2; } out: return a; }",
         "bad.c:2: error: a computed goto"},
        {"code in body", "int f(void) { __try {\n return GetExceptionCode(); } __except (1) { } return 0; }",
         "bad.c:2: error: GetExceptionCode() is allowed only in"},
        {"info in handler",
         "int f(void) { __try { } __except (1) {\n return !GetExceptionInformation(); } return 0; }",
         "bad.c:2: error: GetExceptionInformation() is allowed only in"},
        {"abnormal", "int f(void) { __try { } __finally { }\n return AbnormalTermination(); }",
         "bad.c:2: error: AbnormalTermination() is allowed only in"},
        {"nested function",
         "int f(void) { int\n g(int a) { return a; } __try { return g(1); } __finally { } }",
         "bad.c:2: error: a nested function"},
        {"function pointer result", "int (*f(int a))(void) { __try {\n return 0; } __finally { a = 1; } }",
         "bad.c:2: error: return out of a __try with __finally"},
        {"bracket", "int f(void) { __try { } __except (1) { }\n", "error: a bracket without its partner"},
    };
    static const struct refusal in_cplusplus[] = {
        {"lambda",
         "int f() { auto g = []\n { __try { return 1; } __except (1) { return 2; } }; return g(); }",
         "bad.cpp:2: error: __try in a lambda without a parameter list"},
        {"reference", "int &f(int &a)\n{ __try { return a; } __finally { a = 1; } }",
         "bad.cpp:2: error: return out of a __try with __finally"},
    };
    for (size_t i = 0; i < sizeof in_c / sizeof *in_c; i++)
        refused(".c", "", &in_c[i]);
    for (size_t i = 0; i < sizeof in_cplusplus / sizeof *in_cplusplus; i++)
        refused(".cpp", "", &in_cplusplus[i]);
}

/* A source compiled without `uwsk cc` is told what is missing. */
TEST(seh_by_hand_names_the_command, "T-04")
{
    tool_write(
        "hand.c",
        "#include <ntddk.h>\nint f(void);\nint f(void) { __try { return 1; } __except (1) { return 2; } }\n");
    EXPECT(tool_run("%s -std=gnu17 -fshort-wchar -fms-extensions -nostdinc -D_KERNEL_MODE -D_WIN64 -D_AMD64_ "
                    "-I %s -c -o hand.o hand.c",
                    test_mode_has("clang") ? "clang" : "gcc", TOOLCHAIN_INCLUDE) != 0);
    EXPECT_SAYS("`uwsk cc`");
}

/* An exception that nobody catches is a bug check, also past a __finally, and in a called-back routine. */
TEST(seh_unhandled_is_a_bug_check, "D-24")
{
    static const char source[] = "#include <ntddk.h>\n"
                                 "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n"
                                 "{\n"
                                 "    (void)d; (void)r;\n"
                                 "    __try { RAISE; } __finally { DbgPrint(\"unwound\\n\"); }\n"
                                 "    return STATUS_SUCCESS;\n"
                                 "}\n";
    tool_write("unhandled.c", source);
    EXPECT_EXIT(tool_cc("'-DRAISE=ExRaiseStatus(STATUS_NO_MEMORY)' -o unhandled.so unhandled.c"), 0);
    EXPECT_EXIT(tool_run("%s run --for 0 ./unhandled.so", TOOLCHAIN_UWSK), 3);
    EXPECT(!tool_says("unwound"));
    EXPECT_EXIT(tool_cc("'-DRAISE=*(volatile int *)8 = 1' -o unhandled.so unhandled.c"), 0);
    if (test_sanitizer()) /* its own report comes first */
        EXPECT(tool_run("%s run --for 0 ./unhandled.so", TOOLCHAIN_UWSK) != 0);
    else
        EXPECT_EXIT(tool_run("%s run --for 0 ./unhandled.so", TOOLCHAIN_UWSK), 3);
    EXPECT_EXIT(tool_cc("'-DRAISE=__try { ExRaiseStatus(1); } __except (EXCEPTION_CONTINUE_EXECUTION) { }' "
                        "-o unhandled.so unhandled.c"),
                0);
    EXPECT_EXIT(tool_run("%s run --for 0 ./unhandled.so", TOOLCHAIN_UWSK), 3);
}
