/* test_cc.c: the command itself: lines, files, links, warnings (T-01, T-08, T-09). */
#include "tool.h"

#include <string.h>

TEST_FIXTURE(tool_begin, tool_end);
TEST_MATRIX(TOOL_MODES);

static const char entry[] = "#include <ntddk.h>\n"
                            "static VOID unload(PDRIVER_OBJECT d) { (void)d; }\n"
                            "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n"
                            "{ (void)r; d->DriverUnload = unload; return STATUS_SUCCESS; }\n";

/* Each option of the rule, in the line that --show prints. */
TEST(cc_shows_the_compile_line, "T-09 T-04", TEST_MODES("gcc/O2 clang/O2"))
{
    static const char *const options[] = {"-std=gnu17",
                                          "-g",
                                          "-O2",
                                          "-fno-omit-frame-pointer",
                                          "-fno-strict-aliasing",
                                          "-fwrapv",
                                          "-fshort-wchar",
                                          "-fms-extensions",
                                          "-mms-bitfields",
                                          "-fPIC",
                                          "-fvisibility=hidden",
                                          "-nostdinc",
                                          "-D_KERNEL_MODE",
                                          "-D_WIN32",
                                          "-D_WIN64",
                                          "-D_AMD64_",
                                          "-D_M_AMD64=100",
                                          "-D_M_X64=100",
                                          "-D_WIN32_WINNT=0x0A00",
                                          "-DNTDDI_VERSION=",
                                          "-DDBG=1",
                                          "-Wno-multichar",
                                          "-Wno-unknown-pragmas",
                                          "-Wno-error=incompatible-pointer-types",
                                          "-Wno-error=int-conversion"};
    tool_write("d.c", entry);
    tool_write("e.cpp", "int unused;\n");
    EXPECT_EXIT(tool_cc("--show -DMINE='a b' -o d.so d.c e.cpp"), 0);
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        EXPECT_SAYS(options[i]);
    EXPECT_SAYS("-std=gnu++17");
    EXPECT_SAYS("'-DMINE=a b'");
    EXPECT(test_sanitizer() || (tool_says("-nostdlib") && tool_says("-Wl,-z,defs")));
    if (test_mode_has("clang")) {
        EXPECT_SAYS("clang++ ");
        EXPECT_SAYS("-fms-compatibility");
        EXPECT_SAYS("-Wno-pragma-pack");
        EXPECT_SAYS("-Wno-incompatible-function-pointer-types");
    } else {
        EXPECT_SAYS("g++ ");
    }
    EXPECT_EXIT(tool_run("test -e d.so"), 1);
}

TEST(cc_compiles_and_links, "T-01", TEST_TIMEOUT(60))
{
    tool_write("main.c", entry);
    tool_write("more.c", "#include \"more.h\"\nint more(void) { return MORE; }\n");
    tool_write("more.h", "#define MORE 1\n");
    tool_write("plus.cpp", "extern \"C\" int plus() { return 2; }\n");
    EXPECT_EXIT(tool_cc("-MD -MF more.dep -c -o more.o more.c"), 0);
    EXPECT_EXIT(tool_run("grep -q '^more.o:.*more.c' more.dep && grep -q more.h more.dep"), 0);
    EXPECT_EXIT(tool_cc("-MMD -c more.c"), 0);
    EXPECT_EXIT(tool_run("grep -q more.h more.d && ! grep -q stddef.h more.d"), 0);
    EXPECT_EXIT(tool_cc("-o all.so main.c more.o plus.cpp"), 0);
    tool_run_driver("./all.so");
    EXPECT_EXIT(tool_run("nm -D --defined-only all.so | grep -c ."), 0);
    EXPECT(test_sanitizer() || strcmp(tool_output(), "1\n") == 0);
    EXPECT_EXIT(tool_run("readelf -d all.so | grep NEEDED"), 0);
    EXPECT_SAYS("libuwsk.so");
    EXPECT(test_sanitizer() || !tool_says("libc.so"));
    EXPECT_EXIT(tool_run("readelf -n all.so | grep -q 'Build ID'"), 0);
    EXPECT_EXIT(tool_cc("-E more.c"), 0);
    EXPECT_SAYS("return 1;");
    EXPECT_EXIT(tool_cc("-MM more.c"), 0);
    EXPECT_SAYS("more.o: more.c");
    EXPECT_EXIT(tool_cc("-S more.c && grep -q more: more.s"), 0);
    EXPECT_EXIT(tool_run("mkdir temporary"), 0);
    EXPECT_EXIT(tool_run("TMPDIR=$PWD/temporary %s cc -o again.so main.c more.c plus.cpp", TOOLCHAIN_UWSK),
                0);
    EXPECT_EXIT(tool_run("ls temporary"), 0);
    EXPECT_STR(tool_output(), ""); /* nothing is left of what came between */
}

/* Functions with the names of libc's stay the driver's; libc's own are not to be had. */
TEST(cc_keeps_libc_and_driver_apart, "T-01", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o names.so %s/names.c", TOOL_DRIVERS), 0);
    EXPECT_EXIT(tool_run("nm -D --defined-only names.so"), 0);
    EXPECT_SAYS("DriverEntry");
    EXPECT(!tool_says("connect") && !tool_says("recv") && !tool_says("getaddrinfo"));
    tool_run_driver("./names.so");
    tool_write("libc.c", "int getpid(void);\nint f(void);\nint f(void) { return getpid(); }\n");
    EXPECT(tool_cc("-fno-sanitize=all -o libc.so libc.c") != 0);
    EXPECT_SAYS("getpid");
    EXPECT_EXIT(tool_cc("-fsanitize=undefined -o libc.so libc.c"), 0);
}

/* A name of the WDK that is not here is told with its reason, whatever language the linker speaks; others by name. */
TEST(cc_says_why_a_name_is_not_there, "", TEST_TIMEOUT(60))
{
    tool_write(
        "absent.cpp",
        "extern \"C\" {\n#include <ntddk.h>\n"
        "VOID FltRegisterFilter(VOID);\nVOID IoRegisterShutdownNotification(VOID);\nVOID ExFreePool2(VOID);\n"
        "}\nvoid mine(int);\n"
        "extern \"C\" NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING)\n"
        "{\n    FltRegisterFilter();\n    FltRegisterFilter();\n    IoRegisterShutdownNotification();\n"
        "    mine(1);\n    ExFreePool2();\n    return STATUS_SUCCESS;\n}\n");
    EXPECT_EXIT(tool_cc("-c absent.cpp"), 0);
    EXPECT_EXIT(
        tool_run("LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 %s cc -fno-sanitize=all absent.o", TOOLCHAIN_UWSK), 1);
    EXPECT_SAYS("undefined reference"); /* what the linker says is passed on */
    EXPECT_SAYS("uwsk cc: FltRegisterFilter is not in this runtime and will not be: there are no file "
                "systems to filter\n");
    EXPECT_SAYS("uwsk cc: IoRegisterShutdownNotification is not in this runtime yet: ");
    EXPECT_SAYS("lists what it has of the WDK): mine(int), ExFreePool2\n");
    EXPECT_EXIT(
        tool_run("%s cc -fno-sanitize=all absent.o 2>&1 | grep -c FltRegisterFilter.is", TOOLCHAIN_UWSK), 0);
    EXPECT_STR(tool_output(), "1\n");
    EXPECT_EXIT(tool_run("%s cc -fno-sanitize=all absent.o -Wl,--no-such-option 2>&1 | grep -c '^uwsk cc'",
                         TOOLCHAIN_UWSK),
                1);
}

TEST(cc_bears_callbacks_that_mismatch, "T-08", TEST_TIMEOUT(60))
{
    tool_write("mismatch.c", "#include <ntddk.h>\n"
                             "static NTSTATUS done(PDEVICE_OBJECT d, PIRP i, PKEVENT e)\n"
                             "{ (void)d; (void)i; (void)e; return STATUS_MORE_PROCESSING_REQUIRED; }\n"
                             "void f(PIRP irp, PKEVENT e, const char *text);\n"
                             "void f(PIRP irp, PKEVENT e, const char *text)\n"
                             "{\n"
                             "    PIO_COMPLETION_ROUTINE r = done;\n"
                             "    int *p = text;\n"
                             "    (void)p;\n"
                             "    (void)r; (void)irp; (void)e;\n"
                             "}\n");
    EXPECT_EXIT(tool_cc("-Werror=incompatible-pointer-types -c mismatch.c"), 1);
    EXPECT_EXIT(tool_cc("-c mismatch.c"), 0);
    EXPECT_SAYS("mismatch.c:8:");
    EXPECT_SAYS("warning");
    EXPECT(tool_cc("-x c++ -c mismatch.c") != 0);
}

TEST(cc_warns_of_plain_long, "T-09", TEST_TIMEOUT(60))
{
    tool_write("long.h", "struct from_header {\n    unsigned long flags;\n};\n");
    tool_write("long.c", "#include <ntddk.h>\n"                                            /* 1 */
                         "#include \"long.h\"\n"                                           /* 2 */
                         "typedef unsigned long counter_t;\n"                              /* 3 */
                         "struct s {\n"                                                    /* 4 */
                         "    long a;\n"                                                   /* 5 */
                         "    LONG b;\n"                                                   /* 6 */
                         "    long long c;\n"                                              /* 7 */
                         "    union { counter_t d; LONG_PTR e; } u;\n"                     /* 8 */
                         "    long (*call)(long);\n"                                       /* 9 */
                         "};\n"                                                            /* 10 */
                         "static long shared;\n"                                           /* 11 */
                         "static LONG fine;\n"                                             /* 12 */
                         "void f(struct s *s);\n"                                          /* 13 */
                         "void f(struct s *s)\n"                                           /* 14 */
                         "{\n"                                                             /* 15 */
                         "    long local = 0;\n"                                           /* 16 */
                         "    InterlockedIncrement(&shared);\n"                            /* 17 */
                         "    InterlockedIncrement(&fine);\n"                              /* 18 */
                         "    InterlockedExchange((long volatile *)&s->b, (LONG)local);\n" /* 19 */
                         "    InterlockedExchange64(&s->c, 1);\n"                          /* 20 */
                         "}\n");
    EXPECT_EXIT(tool_cc("-c long.c"), 0);
    EXPECT_SAYS("long.h:2: warning: plain `long` in a structure");
    EXPECT_SAYS("long.c:5: warning: plain `long` in a structure");
    EXPECT_SAYS("long.c:8: warning: plain `long` in a structure");
    EXPECT_SAYS("long.c:17: warning: plain `long` handed to");
    EXPECT_SAYS("long.c:19: warning: plain `long` handed to");
    EXPECT_EXIT(tool_cc("-c long.c 2>&1 | grep -c 'plain .long'"), 0);
    EXPECT_STR(tool_output(), "5\n");
    EXPECT_EXIT(tool_cc("--no-check-long -c long.c"), 0);
    EXPECT(!tool_says("plain `long`"));
}

TEST(cc_says_what_is_wrong, "", TEST_MODES("gcc/O2"))
{
    tool_write("d.c", entry);
    EXPECT_EXIT(tool_run("%s cc", TOOLCHAIN_UWSK), 2);
    EXPECT_SAYS("no input files");
    EXPECT_EXIT(tool_run("%s cc d.c -o", TOOLCHAIN_UWSK), 2);
    EXPECT_SAYS("-o needs a value");
    EXPECT_EXIT(tool_run("%s cc -x fortran d.c", TOOLCHAIN_UWSK), 2);
    EXPECT_EXIT(tool_run("%s cc -c -o x.o d.c d.c", TOOLCHAIN_UWSK), 2);
    EXPECT_EXIT(tool_run("%s cc -", TOOLCHAIN_UWSK), 2);
    EXPECT_EXIT(tool_run("%s cc missing.c", TOOLCHAIN_UWSK), 1);
    EXPECT_STR(tool_output(), "uwsk cc: missing.c: No such file or directory\n");
    EXPECT_EXIT(tool_run("%s cc --compiler no-such-gcc d.c", TOOLCHAIN_UWSK), 127);
    EXPECT_SAYS("cannot run the compiler no-such-gcc");
    EXPECT_EXIT(tool_run("%s cc --help", TOOLCHAIN_UWSK), 0);
    EXPECT_SAYS("usage: uwsk cc");
    EXPECT_EXIT(tool_run("UWSK_CC=clang %s cc --version", TOOLCHAIN_UWSK), 0);
    EXPECT_SAYS("clang");
    EXPECT_EXIT(tool_run("%s cc -c -o bad.o -Dentry='}' -DDriverEntry='{' d.c", TOOLCHAIN_UWSK), 1);
    EXPECT_EXIT(tool_run("%s cc d.c && test -e d.so", TOOLCHAIN_UWSK), 0);
}

/* The lines of --show do, typed by hand, what the command does. */
TEST(cc_show_lines_work, "T-04", TEST_MODES("gcc/O2 clang/O0"))
{
    tool_write("try.c", "#include <ntddk.h>\n"
                        "static VOID unload(PDRIVER_OBJECT d) { (void)d; }\n"
                        "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n"
                        "{\n"
                        "    (void)r; d->DriverUnload = unload;\n"
                        "    __try { ExRaiseStatus(STATUS_CANCELLED); }\n"
                        "    __except (1) { return STATUS_SUCCESS; }\n"
                        "    return STATUS_UNSUCCESSFUL;\n"
                        "}\n");
    EXPECT_EXIT(tool_cc("--show -o try.so try.c > lines"), 0);
    EXPECT_EXIT(tool_run("grep -q -- '--pass' lines && sed -i 's,/tmp/uwsk-cc-XXXXXX,.,g; s,^uwsk,%s,' lines "
                         "&& sh -e lines",
                         TOOLCHAIN_UWSK),
                0);
    tool_run_driver("./try.so");
}
