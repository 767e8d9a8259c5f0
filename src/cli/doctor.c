/* doctor.c: `uwsk doctor`: what this machine offers to drivers, to their compilation and to the tests. */
#include <ctype.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uwsk/runtime.h>

#include "args.h"
#include "cc.h"
#include "cli.h"

static const char help[] =
    "usage: uwsk doctor\n"
    "\n"
    "Says what this machine offers: kernel, ways to do network I/O, limits, compilers.\n"
    "Exit status: 0; 2 for wrong usage.\n";

/* ---- lines -------------------------------------------------------------------------------------------- */

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *name, const char *format, ...)
{
    va_list arguments;

    printf("%-22s ", name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* The first line of a file, "" when it cannot be read. */
static const char *first_line(const char *path, char *text, size_t bytes)
{
    FILE *file = fopen(path, "re");

    text[0] = 0;
    if (!file)
        return text;
    if (fgets(text, (int)bytes, file))
        text[strcspn(text, "\n")] = 0;
    fclose(file);
    return text;
}

static void file_row(const char *name, const char *path)
{
    char text[256];

    first_line(path, text, sizeof text);
    for (char *at = text; *at; at++)
        if (*at == '\t')
            *at = ' ';
    row(name, "%s", text[0] ? text : "not known");
}

/* ---- the system --------------------------------------------------------------------------------------- */

static void system_rows(void)
{
    struct utsname about;
    char text[256];
    cpu_set_t set;

    if (uname(&about) == 0)
        row("kernel", "%s %s %s", about.sysname, about.release, about.machine);
    first_line("/etc/debian_version", text, sizeof text);
    row("Debian", "%s", text[0] ? text : "no: another distribution");
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        row("processors", "%d", CPU_COUNT(&set));
    row("memory", "%lu MiB",
        (unsigned long)sysconf(_SC_PHYS_PAGES) / 1024 * ((unsigned long)sysconf(_SC_PAGESIZE) / 1024));
}

/* ---- network I/O -------------------------------------------------------------------------------------- */

static void epoll_row(void)
{
    long fd = syscall(SYS_epoll_create1, 0);

    if (fd < 0) {
        row("epoll", "no: %s; uwsk run needs it", strerror(errno));
        return;
    }
    close((int)fd);
    row("epoll", "yes");
}

static void uring_row(void)
{
    char reason[160];

    if (uwsk_uring_usable(reason, sizeof reason))
        row("io_uring", "yes (the transport of uwsk run)");
    else
        row("io_uring", "no: %s; uwsk run takes epoll", reason);
}

static void network_rows(void)
{
    epoll_row();
    uring_row();
    file_row("somaxconn", "/proc/sys/net/core/somaxconn");
    file_row("congestion control", "/proc/sys/net/ipv4/tcp_congestion_control");
    file_row("ephemeral ports", "/proc/sys/net/ipv4/ip_local_port_range");
    row("IPv6", "%s", access("/proc/net/if_inet6", R_OK) == 0 ? "yes" : "no");
}

/* Tried in a child: what it enters it leaves by ending. */
static void namespace_row(const char *name, int flags)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(unshare(flags) == 0 ? 0 : errno);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        row(name, "not known: no process for it");
        return;
    }
    if (WEXITSTATUS(status) == 0)
        row(name, "yes");
    else
        row(name, "no: %s", strerror(WEXITSTATUS(status)));
}

/* ---- limits ------------------------------------------------------------------------------------------- */

static const char *limit_text(rlim_t value, char *text, size_t bytes)
{
    if (value == RLIM_INFINITY)
        return "unlimited";
    snprintf(text, bytes, "%llu", (unsigned long long)value);
    return text;
}

static void limit_row(const char *name, int resource, unsigned long wanted, const char *advice)
{
    struct rlimit limit;
    char soft[32], hard[32];

    if (getrlimit(resource, &limit) != 0) {
        row(name, "not known: %s", strerror(errno));
        return;
    }
    row(name, "%s, at most %s%s", limit_text(limit.rlim_cur, soft, sizeof soft),
        limit_text(limit.rlim_max, hard, sizeof hard), limit.rlim_cur < wanted ? advice : "");
}

static void limit_rows(void)
{
    limit_row("RLIMIT_NOFILE", RLIMIT_NOFILE, 4096,
              " (each socket of a driver is a descriptor: ulimit -n raises it)");
    limit_row("RLIMIT_NPROC", RLIMIT_NPROC, 256, " (each thread of a driver counts: ulimit -u raises it)");
    limit_row("RLIMIT_STACK", RLIMIT_STACK, 0, "");
    limit_row("RLIMIT_MEMLOCK", RLIMIT_MEMLOCK, 0, "");
    limit_row("RLIMIT_CORE", RLIMIT_CORE, 1, " (uwsk run --core leaves no core file: ulimit -c raises it)");
    file_row("core_pattern", "/proc/sys/kernel/core_pattern");
}

/* ---- hardware ----------------------------------------------------------------------------------------- */

static void keys_row(void)
{
    int key = pkey_alloc(0, 0);

    if (key < 0) {
        row("protection keys", "no: %s", strerror(errno));
        return;
    }
    pkey_free(key);
    row("protection keys", "yes");
}

static void counters_row(void)
{
    struct perf_event_attr wanted = {.type = PERF_TYPE_HARDWARE,
                                     .size = sizeof wanted,
                                     .config = PERF_COUNT_HW_INSTRUCTIONS,
                                     .disabled = 1,
                                     .exclude_kernel = 1,
                                     .exclude_hv = 1};
    int fd = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0);

    if (fd < 0) {
        row("hardware counters", "no: %s", strerror(errno));
        return;
    }
    close(fd);
    row("hardware counters", "yes");
}

/* ---- compilers ---------------------------------------------------------------------------------------- */

/* What `compiler --version` says first; 0 when it cannot be run. */
static int compiler_version(const char *compiler, char *text, size_t bytes)
{
    char line[512];
    FILE *output;
    int found = 0;

    for (const char *at = compiler; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("/._+-", *at))
            return 0; /* nothing for a shell */
    snprintf(line, sizeof line, "%s --version 2>/dev/null", compiler);
    output = popen(line, "re");
    if (!output)
        return 0;
    if (fgets(text, (int)bytes, output)) {
        text[strcspn(text, "\n")] = 0;
        found = text[0] != 0;
    }
    return pclose(output) == 0 && found;
}

static void compiler_rows(void)
{
    static const char *const names[] = {"gcc", "g++", "clang", "clang++", "clang-14", NULL};
    struct cc_compiler chosen;
    struct cc_layout layout = {0};
    char text[256], *error = NULL;
    int found = 0;

    for (int i = 0; names[i]; i++) {
        if (!compiler_version(names[i], text, sizeof text))
            continue;
        row(names[i], "%s", text);
        found = 1;
    }
    if (!found)
        row("compilers", "none: uwsk cc needs gcc or clang (apt install gcc)");
    cc_choose_compiler(&chosen, NULL);
    row("uwsk cc uses", "%s and %s", chosen.c, chosen.cplusplus);
    if (cc_layout(&layout, &error))
        row("headers and library", "%s, %s", layout.include, layout.library);
    else
        row("headers and library", "not found: %s", error);
    free(error);
    free(layout.include);
    free(layout.library);
    free(chosen.c);
    free(chosen.cplusplus);
}

int cli_doctor(int argc, char **argv)
{
    static const char *const options[] = {"--help", NULL};
    struct cli_args args;
    const char *word;
    int kind;

    cli_args_start(&args, argc, argv);
    while ((kind = cli_args_next(&args, &word)) != 0) {
        if (kind == 'w')
            return cli_usage("doctor", "takes no argument, but got \"%s\"", word);
        if (strcmp(args.option, "--help") != 0 && strcmp(args.option, "-h") != 0)
            return cli_unknown_option(&args, options);
        fputs(help, stdout);
        return 0;
    }
    row("uwsk", "%s", UWSK_VERSION);
    system_rows();
    network_rows();
    fflush(stdout); /* before children are born that would write it again */
    namespace_row("user namespaces", CLONE_NEWUSER);
    fflush(stdout);
    namespace_row("network namespaces", CLONE_NEWUSER | CLONE_NEWNET);
    limit_rows();
    keys_row();
    counters_row();
    fflush(stdout);
    compiler_rows();
    return 0;
}
