/* cc_line.c: where things lie, which compiler, and the lines that it gets. */
#include "cc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UWSK_DEFAULT_CC
#define UWSK_DEFAULT_CC  "gcc"
#define UWSK_DEFAULT_CXX "g++"
#endif
#ifndef UWSK_LIBDIR
#define UWSK_LIBDIR "lib"
#endif

static bool has(const char *folder, const char *file)
{
    char *path = cc_printf("%s/%s", folder, file);
    bool there = cc_exists(path);
    free(path);
    return there;
}

bool cc_layout(struct cc_layout *layout, char **error)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        *error = cc_strdup("cannot tell where this command lies (/proc/self/exe)");
        return false;
    }
    self[n] = 0;
    *strrchr(self, '/') = 0;
    if (has(self, "include/wdm.h") && has(self, "CMakeCache.txt")) {
        layout->include = cc_printf("%s/include", self);
        layout->library = cc_strdup(self);
        return true;
    }
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    layout->include = cc_printf("%s/include/uwsk/wdk", self);
    if (!has(layout->include, "wdm.h")) {
        *error = cc_printf("the driver headers are not in %s", layout->include);
        return false;
    }
    static const char *const folders[] = {UWSK_LIBDIR, "lib", "lib64", "lib/x86_64-linux-gnu"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        layout->library = cc_printf("%s/%s", self, folders[i]);
        if (has(layout->library, "libuwskcrt.a"))
            return true;
        free(layout->library);
    }
    *error = cc_printf("libuwskcrt.a is not in %s/%s", self, UWSK_LIBDIR);
    return false;
}

static bool is_clang(const char *command)
{
    const char *name = strrchr(command, '/');
    return strstr(name ? name : command, "clang") != NULL;
}

/* gcc-12 -> g++-12, /opt/bin/clang-14 -> /opt/bin/clang++-14, cc -> c++ */
static char *cplusplus_of(const char *command)
{
    const char *name = strrchr(command, '/');
    name = name ? name + 1 : command;
    if (strstr(name, "++"))
        return cc_strdup(command);
    const char *clang = strstr(name, "clang"), *gcc = strstr(name, "gcc"), *cc = strstr(name, "cc");
    if (clang)
        return cc_printf("%.*s++%s", (int)(clang + 5 - command), command, clang + 5);
    if (gcc)
        return cc_printf("%.*s++%s", (int)(gcc + 1 - command), command, gcc + 3);
    if (cc)
        return cc_printf("%.*s++%s", (int)(cc + 1 - command), command, cc + 2);
    return cc_strdup(command);
}

void cc_choose_compiler(struct cc_compiler *compiler, const char *wanted)
{
    const char *c = getenv("UWSK_CC"), *cplusplus = getenv("UWSK_CXX");
    if (wanted) {
        compiler->c = cc_strdup(wanted);
        compiler->cplusplus = cplusplus_of(wanted);
    } else if (c && *c) {
        compiler->c = cc_strdup(c);
        compiler->cplusplus = cplusplus && *cplusplus ? cc_strdup(cplusplus) : cplusplus_of(c);
    } else {
        compiler->c = cc_strdup(UWSK_DEFAULT_CC);
        compiler->cplusplus = cc_strdup(cplusplus && *cplusplus ? cplusplus : UWSK_DEFAULT_CXX);
    }
    compiler->clang = is_clang(compiler->c);
    compiler->clang_cplusplus = is_clang(compiler->cplusplus);
}

static void add_all(struct cc_list *line, const char *const *words)
{
    for (; *words; words++)
        cc_list_add(line, *words);
}

/* Each option has a reason:
 *
 * -fno-strict-aliasing, -fwrapv, -fno-delete-null-pointer-checks: what MSVC does not assume, drivers may break;
 * -fshort-wchar, -fms-extensions, -mms-bitfields: Windows' types and layout;
 * -fvisibility=hidden: a driver's connect() must not become libc's (T-01);
 * -fno-omit-frame-pointer, -g: stacks in reports;
 * -fno-stack-protector: its support functions are libc's;
 * -fno-optimize-sibling-calls: a call that ends a function stays a call, so that its return address is the driver's, by
 * which the account knows whose a registration or a block is;
 * -Wno-narrowing: CTL_CODE of a vendor's device type in a `case`, an NTSTATUS in a ULONG member: warnings to MSVC;
 * -nostdinc: a driver sees Windows' headers only (T-02). */
void cc_compile_line(struct cc_list *line, const struct cc_compiler *compiler, const struct cc_layout *layout,
                     bool cplusplus, bool preprocess)
{
    static const char *const c_only[] = {"-std=gnu17", "-Wno-error=incompatible-pointer-types",
                                         "-Wno-error=int-conversion", NULL};
    static const char *const cplusplus_only[] = {
        "-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-Wno-narrowing", NULL};
    static const char *const all[] = {"-O2",
                                      "-g",
                                      "-fno-omit-frame-pointer",
                                      "-fno-strict-aliasing",
                                      "-fwrapv",
                                      "-fno-delete-null-pointer-checks",
                                      "-fshort-wchar",
                                      "-fms-extensions",
                                      "-mms-bitfields",
                                      "-fPIC",
                                      "-fvisibility=hidden",
                                      "-fno-stack-protector",
                                      "-fno-optimize-sibling-calls",
                                      NULL};
    static const char *const clang[] = {"-fms-compatibility", "-Wno-microsoft", "-Wno-c++11-narrowing", NULL};
    static const char *const definitions[] = {"-nostdinc",
                                              "-D_KERNEL_MODE",
                                              "-D_WIN32",
                                              "-D_WIN64",
                                              "-D_AMD64_",
                                              "-D_M_AMD64=100",
                                              "-D_M_X64=100",
                                              "-D_WIN32_WINNT=0x0A00",
                                              "-DNTDDI_VERSION=0x0A000010",
                                              "-DDBG=1",
                                              "-DUWSK_CC=1",
                                              NULL};
    add_all(line, cplusplus ? cplusplus_only : c_only);
    add_all(line, all);
    if (cplusplus ? compiler->clang_cplusplus : compiler->clang) {
        add_all(line, clang);
        cc_list_add(line, "-Wno-pragma-pack"); /* pshpack1.h leaves it changed: that is what it is for */
        if (!cplusplus)
            cc_list_add(line, "-Wno-incompatible-function-pointer-types");
    }
    if (!preprocess)
        return;
    add_all(line, definitions);
    if (cplusplus)
        cc_list_add(line, "-nostdinc++");
    cc_list_add(line, "-isystem");
    cc_list_add(line, layout->include);
    cc_list_add(line, "-include");
    cc_list_add(line, "uwsk/driver_entry.h");
}

/* The compiler's instrumentation for its ThreadSanitizer, whose functions are the runtime's here (host/sim/memory.c).
 * Calls and returns need not be told: stacks are walked. */
void cc_explore_line(struct cc_list *line, bool clang)
{
    static const char *const of_gcc[] = {"-fsanitize=thread",
                                         "--param",
                                         "tsan-distinguish-volatile=1",
                                         "--param",
                                         "tsan-instrument-func-entry-exit=0",
                                         "-fno-builtin-memcpy",
                                         "-fno-builtin-memmove",
                                         "-fno-builtin-memset",
                                         "-fno-builtin-memcmp",
                                         NULL};
    static const char *const of_clang[] = {"-fsanitize=thread",
                                           "-mllvm",
                                           "-tsan-distinguish-volatile=1",
                                           "-mllvm",
                                           "-tsan-instrument-func-entry-exit=0",
                                           NULL};

    cc_list_add(line,
                "-DUWSK_EXPLORE=1"); /* memory functions are calls, which the runtime sees: uwsk/watched.h */
    add_all(line, clang ? of_clang : of_gcc);
}

void cc_warning_line(struct cc_list *line)
{
    cc_list_add(line, "-Wno-multichar");
    cc_list_add(line, "-Wno-unknown-pragmas");
}

void cc_link_line(struct cc_list *line, const struct cc_layout *layout, bool sanitized)
{
    if (!sanitized) /* the sanitizers' own libraries need libc, and leave symbols to the command */
        cc_list_add(line, "-nostdlib");
    char *crt = cc_printf("%s/libuwskcrt.a", layout->library);
    char *uwsk = cc_printf("%s/libuwsk.so", layout->library);
    /* The compilers refer to it weakly, which would not fetch it out of the archive. */
    cc_list_add(line, "-Wl,-u,__cxa_pure_virtual");
    cc_list_add(line, crt);
    cc_list_add(line, "-Wl,--no-as-needed");
    cc_list_add(line, uwsk);
    free(crt);
    free(uwsk);
    cc_list_add(line, "-lgcc");
    if (!sanitized)
        cc_list_add(line, "-Wl,-z,defs");
    /* Operators new and delete are visible whatever -fvisibility says; the driver's own are meant all the same. */
    cc_list_add(line, "-Wl,-Bsymbolic");
    cc_list_add(line, "-Wl,--build-id");
}
