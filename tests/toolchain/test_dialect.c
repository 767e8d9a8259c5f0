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

/* An alignment before the keyword is the type's where that is defined, else the variable's. */
TEST(alignments_are_of_the_type, "T-04", TEST_TIMEOUT(60))
{
    static const char source[] =
        "#include <ntddk.h>\n"
        "DECLSPEC_ALIGN(64) struct A { LONG x; };\n"
        "typedef __declspec(align(32))\n    struct _B { LONG x; } B;\n"
        "__declspec(align(8)) typedef struct _D { CHAR x; } D;\n"
        "__declspec(align(16)) static union U { CHAR x; } u;\n"
        "__declspec(align(128)) static struct A *p;\n"
        "struct H { CHAR c; struct A a; __declspec(align(32)) struct { CHAR b; } i; CHAR last; };\n"
        "C_ASSERT(sizeof(struct A) == 64 && sizeof(B) == 32 && sizeof(D) == 8 && sizeof(union U) == 16);\n"
        "C_ASSERT(sizeof(p) == 8 && sizeof(u) == 16 && FIELD_OFFSET(struct H, a) == 64);\n"
        "C_ASSERT(FIELD_OFFSET(struct H, last) == 160);\n"
        "ULONG_PTR where(void);\nULONG_PTR where(void) { return (ULONG_PTR)&p % 128; }\n"
        "#ifdef __cplusplus\n"
        "class Base { int b; };\ntemplate <class T> DECLSPEC_ALIGN(128) struct E final : Base { T t; };\n"
        "C_ASSERT(sizeof(E<char>) == 128);\n#endif\n"
        "int line = missing;\n";
    tool_write("align.c", source);
    EXPECT_EXIT(tool_cc("-Dmissing=0 -c align.c"), 0);
    EXPECT_EXIT(tool_cc("-Dmissing=0 -x c++ -c align.c"), 0);
    EXPECT(tool_cc("-c align.c") != 0);
    EXPECT_SAYS("align.c:19:");
}

/* __FUNCTION__ is a literal beside others, with the class in C++. */
TEST(function_names_are_literals, "T-04", TEST_TIMEOUT(60))
{
    tool_write("name.c",
               "#include <ntddk.h>\n#define SAY(x) DbgPrint(__FUNCTION__ \": \" x \"\\n\")\n"
               "static void (*plain(int i))(void)\n{\n    if (i) { SAY(\"plain\"); }\n    return 0;\n}\n"
               "DRIVER_INITIALIZE DriverEntry;\n"
               "NTSTATUS DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING r)\n{\n"
               "    (void)d; (void)r; plain(1);\n    SAY(\"entry\");\n"
               "    DbgPrint(\"%s %ws\\n\", __FUNCTION__, __FUNCTIONW__);\n    return STATUS_SUCCESS;\n}\n");
    EXPECT_EXIT(tool_cc("-o name.so name.c"), 0);
    tool_run_driver("./name.so");
    EXPECT_SAYS("plain: plain\n");
    EXPECT_SAYS("DriverEntry: entry\n");
    EXPECT_SAYS("DriverEntry DriverEntry\n");
    tool_write(
        "name.cpp",
        "extern \"C\" {\n#include <ntddk.h>\n}\n#define SAY(x) DbgPrint(__FUNCTION__ \": \" x \"\\n\")\n"
        "namespace Net { class Base { public: Base(int) { SAY(\"base\"); } int v = 0; };\n"
        "struct DECLSPEC_ALIGN(16) Client final : Base {\n  public:\n"
        "    Client(int a) : Base(a), y{2}, x(a) { SAY(\"made\"); }\n    ~Client() { SAY(\"gone\"); }\n"
        "    bool operator==(const Client &o) const noexcept { SAY(\"equal\"); return x == o.x; }\n"
        "    template <class T> auto Get(T t) const -> decltype(t)\n    {\n        while (t) { SAY(\"get\"); "
        "break; }\n"
        "        auto inner = [&](int z) mutable { SAY(\"inner\"); return z; };\n        return inner(t);\n  "
        "  }\n"
        "    void Out() const;\n    int y, x;\n};\n"
        "void Client::Out() const { for (int i = 0; i < 1; i++) SAY(\"out\"); }\n}\n"
        "extern \"C\" NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING)\n{\n"
        "    Net::Client c(1);\n    c.Get(2);\n    c.Out();\n    return c == c ? STATUS_SUCCESS : "
        "STATUS_UNSUCCESSFUL;\n"
        "}\n");
    EXPECT_EXIT(tool_cc("-o name.so name.cpp"), 0);
    tool_run_driver("./name.so");
    EXPECT_SAYS("Net::Base::Base: base\n");
    EXPECT_SAYS("Net::Client::Client: made\n");
    EXPECT_SAYS("Net::Client::Get: get\n");
    EXPECT_SAYS("Net::Client::Get: inner\n");
    EXPECT_SAYS("Net::Client::Out: out\n");
    EXPECT_SAYS("Net::Client::operator==: equal\n");
    EXPECT_SAYS("Net::Client::~Client: gone\n");
}

/* What is narrowed is a warning to MSVC at most. */
TEST(narrowing_compiles, "T-04", TEST_TIMEOUT(60))
{
    tool_write("narrow.cpp", "extern \"C\" {\n#include <ntddk.h>\n}\nint f(ULONG code);\n"
                             "struct Answer { ULONG status; };\n"
                             "int f(ULONG code)\n{\n    Answer a{STATUS_UNSUCCESSFUL};\n    switch (code) {\n"
                             "    case CTL_CODE(0x8000, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS):\n"
                             "        return (int)a.status;\n    default:\n        return 0;\n    }\n}\n");
    EXPECT_EXIT(tool_cc("-c narrow.cpp"), 0);
    EXPECT_QUIET();
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
