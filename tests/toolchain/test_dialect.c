/* test_dialect.c: sources as drivers have them, for MSVC, and what the compilers here would take differently.
 */
#include "tool.h"

#include <string.h>

TEST_FIXTURE(tool_begin, tool_end);
TEST_MATRIX(TOOL_MODES);

/* Several sources hold the same inline functions: called, not inlined, by address, with state, with __try. */
TEST(inline_functions_are_one, "T-04", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o inline.so %s/inline_a.c %s/inline_b.c", TOOL_DRIVERS, TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    tool_run_driver("./inline.so");
    /* Compiled apart, one of them at another level, and by way of assembly text. */
    EXPECT_EXIT(tool_cc("-O1 -c %s/inline_b.c", TOOL_DRIVERS), 0);
    EXPECT_EXIT(tool_run("nm inline_b.o | grep -c -w -e 'W Twice' -e 'W Count' -e 'W Guarded'"), 0);
    EXPECT_STR(tool_output(), "3\n");
    EXPECT_EXIT(tool_cc("-g0 -S %s/inline_a.c", TOOL_DRIVERS), 0);
    EXPECT_EXIT(tool_cc("-o apart.so inline_a.s inline_b.o"), 0);
    tool_run_driver("./apart.so");
    /* What is no inline function must still be there once. */
    tool_write("once.c", "int StepOfB(int i);\nint StepOfB(int i) { return i; }\n");
    EXPECT(tool_cc("-o twice.so once.c inline_b.o") != 0);
    EXPECT_SAYS("StepOfB");
}

/* Being one function does not make it slow: nothing of it is called. */
TEST(inline_functions_are_inlined, "T-04", TEST_MODES("gcc/O2 clang/O2"))
{
    tool_write("hot.c", "#include \"inline.h\"\n"
                        "LONG Sum(LONG n, PLIST_ENTRY head);\n"
                        "LONG Sum(LONG n, PLIST_ENTRY head)\n"
                        "{\n"
                        "    LONG sum = 0;\n"
                        "    for (LONG i = 0; i < n && !Empty(head); i++)\n"
                        "        sum += Twice(i) + Thrice(i) + Outside(i) + EachHasItsOwn(i);\n"
                        "    return sum;\n"
                        "}\n");
    EXPECT_EXIT(tool_cc("-fno-sanitize=all -I%s -c hot.c", TOOL_DRIVERS), 0);
    EXPECT_EXIT(tool_run("objdump -d --disassemble=Sum hot.o"), 0);
    EXPECT_SAYS("<Sum>:");
    EXPECT(!tool_says("call") && !tool_says("jmp    0"));
}

/* The lines of --show, typed by hand, give the same. */
TEST(inline_steps_are_shown, "T-04", TEST_MODES("gcc/O2 clang/O0"))
{
    EXPECT_EXIT(tool_cc("--show -o shown.so %s/inline_a.c %s/inline_b.c > lines", TOOL_DRIVERS, TOOL_DRIVERS),
                0);
    EXPECT_EXIT(tool_run("grep -c -e ' --weaken ' -e ' --pass ' lines"), 0);
    EXPECT_STR(tool_output(), "4\n");
    EXPECT_EXIT(tool_run("test -e shown.so"), 1);
    EXPECT_EXIT(
        tool_run("sed -i 's,/tmp/uwsk-cc-XXXXXX,.,g; s,^uwsk,%s,' lines && sh -e lines", TOOLCHAIN_UWSK), 0);
    tool_run_driver("./shown.so");
    EXPECT_EXIT(tool_run("%s cc --weaken", TOOLCHAIN_UWSK), 2);
    tool_write("no.o", "no object");
    EXPECT_EXIT(tool_run("%s cc --weaken no.o f", TOOLCHAIN_UWSK), 1);
    EXPECT_SAYS("no.o");
}

TEST(extensions_of_msvc_compile, "T-03 T-04", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o msvc.so %s/msvc.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    tool_run_driver("./msvc.so");
    EXPECT_EXIT(tool_cc("-x c++ -o msvc.so %s/msvc.c", TOOL_DRIVERS), 0);
    tool_run_driver("./msvc.so");
    /* MSVC does not convert a void pointer in C++ either. */
    tool_write("void.cpp", "#include <ntddk.h>\nLONG f(PVOID p) { return InterlockedIncrement(p); }\n");
    EXPECT(tool_cc("-c void.cpp") != 0);
}

/* Lines stay where they are in what was rewritten. */
TEST(rewritten_lines_keep_their_numbers, "T-04")
{
    tool_write("line.c", "#include <ntddk.h>\n"
                         "__inline ULONG64 f(void)\n"
                         "{\n"
                         "    return 1ui64 + sizeof ULONG;\n"
                         "}\n"
                         "int g(void) { return missing; }\n");
    EXPECT_EXIT(tool_cc("-c line.c"), 1);
    EXPECT_SAYS("line.c:6:");
    EXPECT(!tool_says("line.c:2:") && !tool_says("line.c:4:"));
}

TEST(drivers_in_cplusplus, "T-04", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o plus.so %s/cplusplus.cpp", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    tool_run_driver("./plus.so");
    EXPECT_EXIT(tool_run("readelf -d plus.so | grep -q SYMBOLIC"), 0);
    EXPECT_EXIT(tool_cc("-DPURE_CALL -o pure.so %s/cplusplus.cpp", TOOL_DRIVERS), 0);
    tool_run_driver("./pure.so");
    EXPECT_EXIT(tool_cc("-DPURE_CALL -DOWN_PURE_CALL -o own.so %s/cplusplus.cpp", TOOL_DRIVERS), 0);
    tool_run_driver("./own.so");
    EXPECT_SAYS("the driver's own");
}

/* Windows runs no static constructors of a driver, so one that needs them is no driver: said, not hidden. A
 * static destructor does not even link. */
TEST(static_constructors_are_told, "T-04", TEST_TIMEOUT(60))
{
    tool_write("global.cpp", "#include <ntddk.h>\n"
                             "struct G {\n"
                             "    G() { DbgPrint(\"constructed\\n\"); }\n"
                             "#ifdef DESTRUCTOR\n"
                             "    ~G() { DbgPrint(\"destroyed\\n\"); }\n"
                             "#endif\n"
                             "};\n"
                             "static G global;\n"
                             "static VOID unload(PDRIVER_OBJECT) {}\n"
                             "extern \"C\" NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING)\n"
                             "{ d->DriverUnload = unload; return STATUS_SUCCESS; }\n");
    EXPECT_EXIT(tool_cc("-fno-sanitize=all -o global.so global.cpp"), 0);
    EXPECT_SAYS("global.so: static objects with constructors");
    EXPECT(tool_cc("-fno-sanitize=all -DDESTRUCTOR -o static.so global.cpp") != 0);
    EXPECT_SAYS("__dso_handle");
}
