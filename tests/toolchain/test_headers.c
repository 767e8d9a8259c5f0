/* test_headers.c: what real drivers' sources expect of headers and run time (T-02, T-03, T-04, T-05, T-06).
 */
#include "tool.h"

TEST_FIXTURE(tool_begin, tool_end);
TEST_MATRIX(TOOL_MODES);

/* The C run time of the kernel, no libc header, names of libc for the driver's own use, 16-bit characters. */
TEST(headers_are_the_kernels, "T-02", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-Werror -o runtime.so %s/runtime.c", TOOL_DRIVERS), 0);
    tool_run_driver("./runtime.so");
}

TEST(headers_use_no_file_of_libc, "T-02")
{
    EXPECT_EXIT(tool_cc("-M %s/runtime.c", TOOL_DRIVERS), 0);
    EXPECT(!tool_says("/usr/include") && !tool_says("/usr/lib"));
}

TEST(types_are_windows, "T-03 T-06", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-Werror -o types.so %s/types.c", TOOL_DRIVERS), 0);
    tool_run_driver("./types.so");
    EXPECT_SAYS(
        "printed: 4294967295 -2 123456789012 18446744073709551615 -5 counted counted wide wide wide narrow");
}

/* Packing, limits, flags, words that MSVC or a header of the WDK knows. */
TEST(headers_are_complete, "", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-Werror -o headers.so %s/headers.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    tool_run_driver("./headers.so");
    EXPECT_EXIT(tool_cc("-Werror -x c++ -o headers.so %s/headers.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
    tool_run_driver("./headers.so");
    EXPECT_EXIT(tool_cc("-Werror -x c++ -DNOMINMAX -c %s/headers.c", TOOL_DRIVERS), 0);
    EXPECT_QUIET();
}

/* Multi-character tags, pragmas, __declspec, DbgPrint with a trailing comma. */
TEST(dialect_compiles, "T-04", TEST_TIMEOUT(60))
{
    EXPECT_EXIT(tool_cc("-o dialect.so %s/dialect.c", TOOL_DRIVERS), 0);
    tool_run_driver("./dialect.so");
    EXPECT_EXIT(tool_cc("-x c++ -o dialect.so %s/dialect.c", TOOL_DRIVERS), 0);
    tool_run_driver("./dialect.so");
}

TEST(tables_are_reached_both_ways, "T-05", TEST_TIMEOUT(60))
{
    static const char source[] =
        "#include <ntddk.h>\n"
        "#include <wsk.h>\n"
        "#ifdef __cplusplus\n"
        "#define BASIC Basic.\n"
        "#else\n"
        "#define BASIC\n"
        "#endif\n"
        "NTSTATUS f(PWSK_SOCKET s, PIRP irp);\n"
        "NTSTATUS f(PWSK_SOCKET s, PIRP irp)\n"
        "{\n"
        "    const WSK_PROVIDER_CONNECTION_DISPATCH *c =\n"
        "        (const WSK_PROVIDER_CONNECTION_DISPATCH *)s->Dispatch;\n"
        "    const WSK_PROVIDER_LISTEN_DISPATCH *l =\n"
        "        (const WSK_PROVIDER_LISTEN_DISPATCH *)s->Dispatch;\n"
        "    const WSK_PROVIDER_DATAGRAM_DISPATCH *d =\n"
        "        (const WSK_PROVIDER_DATAGRAM_DISPATCH *)s->Dispatch;\n"
        "    c->BASIC WskControlSocket(s, WskSetOption, 0, 0, 0, NULL, 0, NULL, NULL, irp);\n"
        "    l->BASIC WskCloseSocket(s, irp);\n"
        "    return d->BASIC WskCloseSocket(s, irp);\n"
        "}\n";
    tool_write("tables.c", source);
    EXPECT_EXIT(tool_cc("-Werror -c tables.c"), 0);
    EXPECT_QUIET();
    EXPECT_EXIT(tool_cc("-Werror -x c++ -c tables.c"), 0);
    EXPECT_QUIET();
}
