/* cc_options.c: the words after `uwsk cc`: what they ask for, and which step of the compiler gets them. */
#include "cc_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: uwsk cc [option ...] -o DRIVER.so FILE ...\n"
    "\n"
    "Compiles and links a WSK driver: .c is C, .cc .cpp .cxx .C is C++, .o .a .so are linked.\n"
    "Takes the compiler's own options (-c -S -E -o -g -O -D -U -I -include -std -W -f -m -M* -x -l -L -Wl,)\n"
    "and\n"
    "  --compiler CMD   gcc, clang, clang-16, /path/to/gcc ...; else $UWSK_CC and $UWSK_CXX, else the\n"
    "                   compiler that uwsk was built with. $CC is left alone: it may well be `uwsk cc`.\n"
    "  --show           print the lines, run none\n"
    "  --no-check-long  do not look for plain `long` where its size matters\n"
    "  --wpp-func FUNC  a trace function as in `begin_wpp config`: "
    "'Trace{LEVEL=TRACE_LEVEL_ERROR}(MSG,...)'\n"
    "  --explore        every access to memory is a scheduling point of `uwsk explore`, which then finds "
    "data\n"
    "                   races and uses of freed memory, too; `uwsk run` takes such a driver as well\n"
    "  --help\n"
    "\n"
    "__try, __except, __finally, __leave and what else only MSVC takes are rewritten before the compiler\n"
    "sees them (docs/dialect.md).\n"
    "A source that includes \"name.tmh\" gets one made: its WPP messages are trace lines of `uwsk run`.\n"
    "-fsanitize=... is passed on; the driver is then linked with libc, as sanitizers need.\n"
    "Exit status: the compiler's, 2 for wrong usage.\n";

int cc_usage(const char *format, const char *what)
{
    fputs("uwsk cc: ", stderr);
    fprintf(stderr, format, what);
    fputs(" (uwsk cc --help)\n", stderr);
    return 2;
}

bool cc_starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool among(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static void add_input(struct cc_job *job, const char *path)
{
    static const char *const cplusplus[] = {"cc", "cpp", "cxx", "C", "c++", "CPP", NULL};
    static const char *const assembler[] = {"s", "S", "asm", NULL};
    struct cc_input in = {.path = cc_strdup(path), .kind = CC_INPUT_LINK};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    const char *suffix = dot && (!slash || dot > slash) ? dot + 1 : "";
    if (job->language && strcmp(job->language, "none") != 0)
        in.kind = strcmp(job->language, "c++") == 0 ? CC_INPUT_CPLUSPLUS
                  : strcmp(job->language, "c") == 0 ? CC_INPUT_C
                                                    : CC_INPUT_ASSEMBLER;
    else if (strcmp(suffix, "c") == 0)
        in.kind = CC_INPUT_C;
    else if (among(suffix, cplusplus))
        in.kind = CC_INPUT_CPLUSPLUS;
    else if (among(suffix, assembler))
        in.kind = CC_INPUT_ASSEMBLER;
    job->input = cc_realloc(job->input, (job->inputs + 1) * sizeof *job->input);
    job->input[job->inputs++] = in;
}

/* `-Ifoo` or `-I foo`: adds both words; false when the second is missing. */
static bool with_value(struct cc_list *list, int argc, char **argv, int *i, const char *const *separate)
{
    cc_list_add(list, argv[*i]);
    if (!among(argv[*i], separate))
        return true;
    if (*i + 1 >= argc)
        return false;
    cc_list_add(list, argv[++*i]);
    return true;
}

/* -M*: dependencies come out of the preprocessing step, under the names that the whole compilation would use.
 */
static bool depend_option(struct cc_job *job, int argc, char **argv, int *i)
{
    const char *a = argv[*i];
    if (strcmp(a, "-MD") == 0 || strcmp(a, "-MMD") == 0) {
        job->depend = a;
    } else if (strcmp(a, "-M") == 0 || strcmp(a, "-MM") == 0) {
        job->dependencies_only = true;
        cc_list_add(&job->depend_options, a);
    } else if (cc_starts(a, "-MF")) {
        if (!a[3] && *i + 1 >= argc)
            return false;
        job->depend_file = a[3] ? a + 3 : argv[++*i];
    } else if (cc_starts(a, "-MT") || cc_starts(a, "-MQ")) {
        static const char *const separate[] = {"-MT", "-MQ", NULL};
        job->depend_target = true;
        return with_value(&job->depend_options, argc, argv, i, separate);
    } else {
        cc_list_add(&job->depend_options, a);
    }
    return true;
}

static bool is_text_option(const char *a)
{
    static const char *const prefixes[] = {
        "-I",         "-D",   "-U",        "-include",       "-imacros",  "-isystem", "-iquote",
        "-idirafter", "-Wp,", "-isysroot", "-Xpreprocessor", "-nostdinc", NULL};
    for (const char *const *p = prefixes; *p; p++)
        if (cc_starts(a, *p))
            return true;
    return false;
}

static bool is_link_option(const char *a)
{
    static const char *const prefixes[] = {"-l", "-L", "-Wl,", "-Xlinker", "-T", "-fuse-ld=", NULL};
    static const char *const words[] = {"-u", "-z", "-shared", "-nostdlib", "-rdynamic", "-s", NULL};
    for (const char *const *p = prefixes; *p; p++)
        if (cc_starts(a, *p))
            return true;
    return among(a, words);
}

static bool is_question(const char *a)
{
    return strcmp(a, "--version") == 0 || strcmp(a, "-v") == 0 || cc_starts(a, "-dump") ||
           cc_starts(a, "-print-");
}

/* One word that is none of our own options. False: its value is missing. */
static bool compiler_option(struct cc_job *job, int argc, char **argv, int *i)
{
    static const char *const text_separate[] = {
        "-I",      "-D",         "-U",        "-include",       "-imacros", "-isystem",
        "-iquote", "-idirafter", "-isysroot", "-Xpreprocessor", NULL};
    static const char *const link_separate[] = {"-l", "-L", "-Xlinker", "-T", "-u", "-z", NULL};
    static const char *const code_separate[] = {"-Xclang",   "-mllvm",      "--param", "-target",
                                                "-aux-info", "-Xassembler", NULL};
    const char *a = argv[*i];
    if (cc_starts(a, "-M"))
        return depend_option(job, argc, argv, i);
    if (is_text_option(a))
        return with_value(&job->text, argc, argv, i, text_separate);
    if (is_link_option(a))
        return with_value(&job->link, argc, argv, i, link_separate);
    if (is_question(a))
        job->wants_info = true;
    if (cc_starts(a, "-fsanitize="))
        job->sanitized = true;
    if (strcmp(a, "-fno-sanitize=all") == 0)
        job->sanitized = false;
    return with_value(&job->code, argc, argv, i, code_separate);
}

/* 0, or the exit status of a wrong line; -1: done (--help). */
int cc_parse(struct cc_job *job, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *wpp = NULL;
        const char **value = NULL;
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            fputs(help, stdout);
            return -1;
        } else if (strcmp(a, "--show") == 0) {
            job->show = true;
        } else if (strcmp(a, "--no-check-long") == 0) {
            job->check_long = false;
        } else if (cc_starts(a, "--compiler=")) {
            job->wanted_compiler = a + strlen("--compiler=");
        } else if (strcmp(a, "--compiler") == 0) {
            value = &job->wanted_compiler;
        } else if (cc_starts(a, "--wpp-func=")) {
            cc_list_add(&job->wpp, a + strlen("--wpp-func="));
        } else if (strcmp(a, "--wpp-func") == 0) {
            value = &wpp;
        } else if (strcmp(a, "--explore") == 0) {
            job->explore = true;
        } else if (strcmp(a, "-c") == 0) {
            job->stage = CC_STAGE_OBJECT;
        } else if (strcmp(a, "-S") == 0) {
            job->stage = CC_STAGE_ASSEMBLY;
        } else if (strcmp(a, "-E") == 0) {
            job->stage = CC_STAGE_TEXT;
        } else if (strcmp(a, "-o") == 0) {
            value = &job->output;
        } else if (cc_starts(a, "-o")) {
            job->output = a + 2;
        } else if (strcmp(a, "-x") == 0) {
            value = &job->language;
        } else if (cc_starts(a, "-x")) {
            job->language = a + 2;
        } else if (a[0] != '-' || !a[1]) {
            if (!a[1] && a[0] == '-')
                return cc_usage("%s (standard input) is no source of a driver", a);
            add_input(job, a);
        } else if (!compiler_option(job, argc, argv, &i)) {
            return cc_usage("%s needs a value", a);
        }
        if (value) {
            if (i + 1 >= argc)
                return cc_usage("%s needs a value", a);
            *value = argv[++i];
        }
        if (wpp)
            cc_list_add(&job->wpp, wpp);
        if (job->language && strcmp(job->language, "c") != 0 && strcmp(job->language, "c++") != 0 &&
            strcmp(job->language, "none") != 0 && !cc_starts(job->language, "assembler"))
            return cc_usage("-x %s: a driver is c or c++", job->language);
    }
    return 0;
}

int cc_check_job(const struct cc_job *job)
{
    if (job->wanted_compiler && !*job->wanted_compiler)
        return cc_usage("--compiler needs a command%s", "");
    if (job->inputs == 0)
        return cc_usage("no input files%s", "");
    size_t sources = 0;
    for (size_t i = 0; i < job->inputs; i++)
        sources += job->input[i].kind != CC_INPUT_LINK;
    if (job->stage != CC_STAGE_LINK && job->output && sources > 1)
        return cc_usage("-o %s with -c, -S or -E takes one source", job->output);
    if (job->depend_file && sources > 1)
        return cc_usage("-MF %s takes one source", job->depend_file);
    for (size_t i = 0; i < job->inputs; i++)
        if (!cc_exists(job->input[i].path)) {
            fprintf(stderr, "uwsk cc: %s: %s\n", job->input[i].path, strerror(errno));
            return 1;
        }
    return 0;
}

void cc_free_job(struct cc_job *job)
{
    cc_list_free(&job->text);
    cc_list_free(&job->wpp);
    cc_list_free(&job->code);
    cc_list_free(&job->link);
    cc_list_free(&job->depend_options);
    for (size_t i = 0; i < job->inputs; i++)
        free(job->input[i].path);
    free(job->input);
    free(job->compiler.c);
    free(job->compiler.cplusplus);
    free(job->layout.include);
    free(job->layout.library);
    free(job->scratch);
}
