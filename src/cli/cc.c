/* cc.c: `uwsk cc`, which compiles and links a driver as mpicc does a program.
 *
 * A source goes through the preprocessor first. When the text holds what the compiler would take differently
 * from MSVC, an inline function (dialect_pass.c) or a __try (seh_pass.c), it is rewritten and the result is
 * compiled; else the source is compiled as it is. */
#include "cc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf.h"
#include "dialect_pass.h"
#include "seh_pass.h"
#include "wpp.h"

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
    "  --help\n"
    "\n"
    "__try, __except, __finally, __leave and what else only MSVC takes are rewritten before the compiler\n"
    "sees them (docs/dialect.md).\n"
    "A source that includes \"name.tmh\" gets one made: its WPP messages are trace lines of `uwsk run`.\n"
    "-fsanitize=... is passed on; the driver is then linked with libc, as sanitizers need.\n"
    "Exit status: the compiler's, 2 for wrong usage.\n";

enum stage { STAGE_LINK, STAGE_OBJECT, STAGE_ASSEMBLY, STAGE_TEXT };

struct input {
    char *path;
    enum { INPUT_C, INPUT_CPLUSPLUS, INPUT_ASSEMBLER, INPUT_LINK } kind;
};

struct job {
    bool show, check_long, sanitized, wants_info;
    bool dependencies_only; /* -M, -MM */
    enum stage stage;
    const char *output, *wanted_compiler, *language;
    const char *depend; /* -MD or -MMD */
    const char *depend_file;
    struct cc_list depend_options; /* -MT ..., -MP, -MG */
    bool depend_target;
    struct cc_list text; /* options for the preprocessor */
    struct cc_list wpp;  /* trace functions of --wpp-func */
    struct cc_list code; /* for the compiler; the linker gets them, too */
    struct cc_list link; /* for the linker, with the libraries in their order */
    struct input *input;
    size_t inputs;
    struct cc_compiler compiler;
    struct cc_layout layout;
    char *scratch; /* folder of the texts in between */
    size_t scratch_files;
};

static int usage(const char *format, const char *what)
{
    fputs("uwsk cc: ", stderr);
    fprintf(stderr, format, what);
    fputs(" (uwsk cc --help)\n", stderr);
    return 2;
}

/* ---- options ------------------------------------------------------------------------------------------ */

static bool starts(const char *text, const char *with)
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

static void add_input(struct job *job, const char *path)
{
    static const char *const cplusplus[] = {"cc", "cpp", "cxx", "C", "c++", "CPP", NULL};
    static const char *const assembler[] = {"s", "S", "asm", NULL};
    struct input in = {.path = cc_strdup(path), .kind = INPUT_LINK};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    const char *suffix = dot && (!slash || dot > slash) ? dot + 1 : "";
    if (job->language && strcmp(job->language, "none") != 0)
        in.kind = strcmp(job->language, "c++") == 0 ? INPUT_CPLUSPLUS
                  : strcmp(job->language, "c") == 0 ? INPUT_C
                                                    : INPUT_ASSEMBLER;
    else if (strcmp(suffix, "c") == 0)
        in.kind = INPUT_C;
    else if (among(suffix, cplusplus))
        in.kind = INPUT_CPLUSPLUS;
    else if (among(suffix, assembler))
        in.kind = INPUT_ASSEMBLER;
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
static bool depend_option(struct job *job, int argc, char **argv, int *i)
{
    const char *a = argv[*i];
    if (strcmp(a, "-MD") == 0 || strcmp(a, "-MMD") == 0) {
        job->depend = a;
    } else if (strcmp(a, "-M") == 0 || strcmp(a, "-MM") == 0) {
        job->dependencies_only = true;
        cc_list_add(&job->depend_options, a);
    } else if (starts(a, "-MF")) {
        if (!a[3] && *i + 1 >= argc)
            return false;
        job->depend_file = a[3] ? a + 3 : argv[++*i];
    } else if (starts(a, "-MT") || starts(a, "-MQ")) {
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
        if (starts(a, *p))
            return true;
    return false;
}

static bool is_link_option(const char *a)
{
    static const char *const prefixes[] = {"-l", "-L", "-Wl,", "-Xlinker", "-T", "-fuse-ld=", NULL};
    static const char *const words[] = {"-u", "-z", "-shared", "-nostdlib", "-rdynamic", "-s", NULL};
    for (const char *const *p = prefixes; *p; p++)
        if (starts(a, *p))
            return true;
    return among(a, words);
}

static bool is_question(const char *a)
{
    return strcmp(a, "--version") == 0 || strcmp(a, "-v") == 0 || starts(a, "-dump") || starts(a, "-print-");
}

/* One word that is none of our own options. False: its value is missing. */
static bool compiler_option(struct job *job, int argc, char **argv, int *i)
{
    static const char *const text_separate[] = {
        "-I",      "-D",         "-U",        "-include",       "-imacros", "-isystem",
        "-iquote", "-idirafter", "-isysroot", "-Xpreprocessor", NULL};
    static const char *const link_separate[] = {"-l", "-L", "-Xlinker", "-T", "-u", "-z", NULL};
    static const char *const code_separate[] = {"-Xclang",   "-mllvm",      "--param", "-target",
                                                "-aux-info", "-Xassembler", NULL};
    const char *a = argv[*i];
    if (starts(a, "-M"))
        return depend_option(job, argc, argv, i);
    if (is_text_option(a))
        return with_value(&job->text, argc, argv, i, text_separate);
    if (is_link_option(a))
        return with_value(&job->link, argc, argv, i, link_separate);
    if (is_question(a))
        job->wants_info = true;
    if (starts(a, "-fsanitize="))
        job->sanitized = true;
    if (strcmp(a, "-fno-sanitize=all") == 0)
        job->sanitized = false;
    return with_value(&job->code, argc, argv, i, code_separate);
}

/* 0, or the exit status of a wrong line; -1: done (--help). */
static int parse(struct job *job, int argc, char **argv)
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
        } else if (starts(a, "--compiler=")) {
            job->wanted_compiler = a + strlen("--compiler=");
        } else if (strcmp(a, "--compiler") == 0) {
            value = &job->wanted_compiler;
        } else if (starts(a, "--wpp-func=")) {
            cc_list_add(&job->wpp, a + strlen("--wpp-func="));
        } else if (strcmp(a, "--wpp-func") == 0) {
            value = &wpp;
        } else if (strcmp(a, "--explore") == 0) {
            return usage("unknown option %s", a);
        } else if (strcmp(a, "-c") == 0) {
            job->stage = STAGE_OBJECT;
        } else if (strcmp(a, "-S") == 0) {
            job->stage = STAGE_ASSEMBLY;
        } else if (strcmp(a, "-E") == 0) {
            job->stage = STAGE_TEXT;
        } else if (strcmp(a, "-o") == 0) {
            value = &job->output;
        } else if (starts(a, "-o")) {
            job->output = a + 2;
        } else if (strcmp(a, "-x") == 0) {
            value = &job->language;
        } else if (starts(a, "-x")) {
            job->language = a + 2;
        } else if (a[0] != '-' || !a[1]) {
            if (!a[1] && a[0] == '-')
                return usage("%s (standard input) is no source of a driver", a);
            add_input(job, a);
        } else if (!compiler_option(job, argc, argv, &i)) {
            return usage("%s needs a value", a);
        }
        if (value) {
            if (i + 1 >= argc)
                return usage("%s needs a value", a);
            *value = argv[++i];
        }
        if (wpp)
            cc_list_add(&job->wpp, wpp);
        if (job->language && strcmp(job->language, "c") != 0 && strcmp(job->language, "c++") != 0 &&
            strcmp(job->language, "none") != 0 && !starts(job->language, "assembler"))
            return usage("-x %s: a driver is c or c++", job->language);
    }
    return 0;
}

static int check(const struct job *job)
{
    if (job->wanted_compiler && !*job->wanted_compiler)
        return usage("--compiler needs a command%s", "");
    if (job->inputs == 0)
        return usage("no input files%s", "");
    size_t sources = 0;
    for (size_t i = 0; i < job->inputs; i++)
        sources += job->input[i].kind != INPUT_LINK;
    if (job->stage != STAGE_LINK && job->output && sources > 1)
        return usage("-o %s with -c, -S or -E takes one source", job->output);
    if (job->depend_file && sources > 1)
        return usage("-MF %s takes one source", job->depend_file);
    for (size_t i = 0; i < job->inputs; i++)
        if (!cc_exists(job->input[i].path)) {
            fprintf(stderr, "uwsk cc: %s: %s\n", job->input[i].path, strerror(errno));
            return 1;
        }
    return 0;
}

static void free_job(struct job *job)
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

/* ---- running ------------------------------------------------------------------------------------------ */

static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

/* Runs a line, or shows it. The line's exit status. */
static int run(const struct job *job, struct cc_list *line)
{
    if (job->show) {
        for (size_t i = 0; i < line->count; i++) {
            if (i > 0)
                putchar(' ');
            print_word(line->item[i]);
        }
        putchar('\n');
        return 0;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execvp(line->item[0], line->item);
        fprintf(stderr, "uwsk cc: cannot run the compiler %s: %s\n", line->item[0], strerror(errno));
        _exit(127);
    }
    int status;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (child < 0) {
        fprintf(stderr, "uwsk cc: cannot start the compiler: %s\n", strerror(errno));
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static char *stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return cc_strndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

static char *scratch_file(struct job *job, const char *source, const char *suffix)
{
    char *name = stem(source);
    char *path = cc_printf("%s/%zu-%s%s", job->scratch, ++job->scratch_files, name, suffix);
    free(name);
    return path;
}

static bool make_scratch(struct job *job)
{
    const char *tmp = getenv("TMPDIR");
    job->scratch = cc_printf("%s/uwsk-cc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (job->show || mkdtemp(job->scratch))
        return true;
    fprintf(stderr, "uwsk cc: cannot make a folder for temporary files, %s: %s\n", job->scratch,
            strerror(errno));
    return false;
}

/* ---- one source --------------------------------------------------------------------------------------- */

static const char *command_of(const struct job *job, bool cplusplus)
{
    return cplusplus ? job->compiler.cplusplus : job->compiler.c;
}

static void begin_line(struct cc_list *line, const struct job *job, bool cplusplus, bool preprocess)
{
    cc_list_add(line, command_of(job, cplusplus));
    cc_compile_line(line, &job->compiler, &job->layout, cplusplus, preprocess);
    if (preprocess)
        cc_list_add_all(line, &job->text);
    cc_list_add_all(line, &job->code);
    cc_warning_line(line);
    if (job->sanitized && (cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang))
        cc_list_add(line, "-fno-sanitize=function"); /* it needs RTTI, and callbacks do mismatch (T-08) */
}

static void add_source(struct cc_list *line, const struct input *in, const char *language)
{
    if (language && strcmp(language, "none") != 0) {
        cc_list_add(line, "-x");
        cc_list_add(line, language);
    }
    cc_list_add(line, in->path);
}

/* The .tmh files that a source includes (wpp.c), in a folder that lasts as long as the compilation. */
struct tmh {
    char *folder; /* NULL: the source includes none */
    struct cc_list made;
};

static void tmh_end(struct job *job, struct tmh *tmh)
{
    if (!tmh->folder)
        return;
    for (size_t i = 0; i < tmh->made.count; i++)
        unlink(tmh->made.item[i]);
    cc_list_drop(&job->text, 2);
    rmdir(tmh->folder);
    cc_list_free(&tmh->made);
    free(tmh->folder);
    tmh->folder = NULL;
}

/* Makes them, and adds the -I for them behind the driver's own. False after a message; tmh_end in any case. */
static bool tmh_begin(struct job *job, const struct input *in, char *folder, struct tmh *tmh)
{
    struct wpp_job wpp = {.text = &job->text, .functions = &job->wpp};
    char *error = NULL;
    *tmh = (struct tmh){0};
    if (!wpp_wanted(in->path, &wpp)) {
        free(folder);
        return true;
    }
    if (!job->show && mkdir(folder, 0700) != 0 && errno != EEXIST)
        error = cc_printf("%s: %s", folder, strerror(errno));
    else if (!job->show)
        wpp_generate(in->path, folder, &wpp, &tmh->made, &error);
    if (job->show) {
        fputs("uwsk cc --tmh ", stdout);
        print_word(in->path);
        putchar(' ');
        print_word(folder);
        for (size_t i = 0; i < job->text.count; i++) {
            putchar(' ');
            print_word(job->text.item[i]);
        }
        for (size_t i = 0; i < job->wpp.count; i++) {
            fputs(" --wpp-func ", stdout);
            print_word(job->wpp.item[i]);
        }
        putchar('\n');
    }
    tmh->folder = folder;
    cc_list_add(&job->text, "-I");
    cc_list_add(&job->text, folder);
    if (!error)
        return true;
    fprintf(stderr, "uwsk cc: %s\n", error);
    free(error);
    return false;
}

/* -MF and -MT as the compiler would choose them, had it done everything in one step. The file's name, or NULL;
 * free it. */
static char *add_depend(struct cc_list *line, const struct job *job, const struct input *in)
{
    if (!job->depend)
        return NULL;
    char *name = stem(in->path);
    char *object = job->stage != STAGE_LINK && job->output ? cc_strdup(job->output) : cc_printf("%s.o", name);
    char *object_stem = stem(object);
    size_t folder = strrchr(object, '/') ? (size_t)(strrchr(object, '/') + 1 - object) : 0;
    char *file = job->depend_file ? cc_strdup(job->depend_file)
                                  : cc_printf("%.*s%s.d", (int)folder, object, object_stem);
    cc_list_add(line, job->depend);
    cc_list_add(line, "-MF");
    cc_list_add(line, file);
    if (!job->depend_target) {
        cc_list_add(line, "-MT");
        cc_list_add(line, object);
    }
    cc_list_add_all(line, &job->depend_options);
    free(name);
    free(object);
    free(object_stem);
    return file;
}

/* The rewrites of a preprocessed text: inline functions, then __try. SEH_REWRITTEN: *out is the text to
 * compile. */
static enum seh_result rewrite(const struct job *job, bool cplusplus, struct lex_source *source, char **out,
                               size_t *out_len, struct cc_list *weak)
{
    size_t bad, inline_len;
    char *inlined = NULL;
    bool clang = cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang;
    bool matched = lex_match_brackets(source, &bad);
    if (matched && job->check_long)
        cc_check_long(source);
    if (!matched || !dialect_pass(source, &inlined, &inline_len, weak))
        return seh_pass(source, clang, out, out_len);
    struct lex_source again;
    lex_text(&again, inlined, inline_len, source->files[0].name, cplusplus);
    enum seh_result result = seh_pass(&again, clang, out, out_len);
    lex_free(&again);
    if (result == SEH_NONE) {
        *out = inlined;
        *out_len = inline_len;
        return SEH_REWRITTEN;
    }
    free(inlined);
    return result;
}

/* The checks and the passes over a preprocessed text; *rewritten: compile `to`. `weak` gets the names of the
 * inline functions that other objects may define, too. */
static int pass(const struct job *job, const struct input *in, const char *from, const char *to,
                bool *rewritten, struct cc_list *weak)
{
    bool cplusplus = in->kind == INPUT_CPLUSPLUS;
    size_t len, out_len;
    char *text = cc_read_file(from, &len), *out = NULL;
    int status = 0;
    if (!text) {
        fprintf(stderr, "uwsk cc: %s: %s\n", from, strerror(errno));
        return 1;
    }
    struct lex_source source;
    lex_text(&source, text, len, in->path, cplusplus);
    enum seh_result result = rewrite(job, cplusplus, &source, &out, &out_len, weak);
    *rewritten = result == SEH_REWRITTEN;
    if (result == SEH_ERROR) {
        fwrite(out, 1, out_len, stderr);
        status = 1;
    } else if (*rewritten && to && !cc_write_file(to, out, out_len)) {
        fprintf(stderr, "uwsk cc: %s: %s\n", to, strerror(errno));
        status = 1;
    }
    free(out);
    lex_free(&source);
    free(text);
    return status;
}

static void preprocess_line(struct cc_list *line, const struct job *job, const struct input *in)
{
    begin_line(line, job, in->kind == INPUT_CPLUSPLUS, true);
    cc_list_add(line, "-E");
}

/* --show compiles nothing, yet must know which steps there would be: the preprocessor alone runs, unseen.
 * What it cannot read needs no pass: the compiler will say so. */
static void look(const struct job *job, const struct input *in, bool *rewritten, struct cc_list *weak)
{
    const char *tmp = getenv("TMPDIR");
    char *text = cc_printf("%s/uwsk-cc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct cc_list line = {0};
    struct job quiet = *job;
    struct tmh tmh = {0};
    quiet.show = quiet.check_long = false;
    quiet.text = (struct cc_list){0};
    cc_list_add_all(&quiet.text, &job->text);
    *rewritten = false;
    int file = mkstemp(text);
    if (file >= 0) {
        close(file);
        tmh_begin(&quiet, in, cc_printf("%s.wpp", text), &tmh);
        preprocess_line(&line, &quiet, in);
        cc_list_add(&line, "-w");
        cc_list_add(&line, "-o");
        cc_list_add(&line, text);
        add_source(&line, in, job->language);
        if (run(&quiet, &line) == 0)
            pass(&quiet, in, text, NULL, rewritten, weak);
        tmh_end(&quiet, &tmh);
        unlink(text);
    }
    cc_list_free(&quiet.text);
    cc_list_free(&line);
    free(text);
}

/* Preprocesses and rewrites. `text` gets the preprocessed, `plain` the rewritten text. */
static int preprocess(struct job *job, const struct input *in, const struct tmh *tmh, const char *text,
                      const char *plain, bool *rewritten, struct cc_list *weak)
{
    struct cc_list line = {0};
    preprocess_line(&line, job, in);
    char *depend_file = add_depend(&line, job, in);
    cc_list_add(&line, "-o");
    cc_list_add(&line, text);
    add_source(&line, in, job->language);
    int status = 0;
    if (!job->show) {
        status = run(job, &line);
        if (status == 0 && depend_file && tmh->folder && !wpp_clean_dependencies(depend_file, tmh->folder)) {
            fprintf(stderr, "uwsk cc: %s: %s\n", depend_file, strerror(errno));
            status = 1;
        }
        if (status == 0)
            status = pass(job, in, text, plain, rewritten, weak);
    } else {
        look(job, in, rewritten, weak);
        if (*rewritten || job->depend)
            run(job, &line);
        if (*rewritten) {
            bool cplusplus = in->kind == INPUT_CPLUSPLUS;
            bool clang = cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang;
            printf("uwsk cc --pass %s ", clang ? "clang" : "gcc");
            print_word(text);
            putchar(' ');
            print_word(plain);
            putchar('\n');
        }
    }
    cc_list_free(&line);
    free(depend_file);
    return status;
}

/* `.globl name` becomes `.weak name`. */
static void weaken_assembly(const char *text, const struct cc_list *weak, struct cc_text *out)
{
    static const char directive[] = "\t.globl\t";
    while (*text) {
        size_t len = strcspn(text, "\n") + 1;
        const char *name = starts(text, directive) ? text + strlen(directive) : NULL;
        bool listed = false;
        for (size_t i = 0; name && i < weak->count; i++) {
            size_t n = strlen(weak->item[i]);
            listed = listed || (strncmp(name, weak->item[i], n) == 0 && strchr(" \t\n", name[n]));
        }
        if (listed) {
            cc_text_puts(out, "\t.weak\t");
            len -= strlen(directive);
            text = name;
        }
        if (!text[len - 1])
            len--; /* the last line has no end */
        cc_text_add(out, text, len);
        text += len;
    }
}

/* The linker keeps one of several definitions of an inline function. */
static int weaken(const struct job *job, const char *output, const struct cc_list *weak)
{
    if (weak->count == 0)
        return 0;
    char *error = NULL;
    if (job->show) {
        fputs("uwsk cc --weaken ", stdout);
        print_word(output);
        for (size_t i = 0; i < weak->count; i++)
            printf(" %s", weak->item[i]);
        putchar('\n');
    } else if (job->stage == STAGE_ASSEMBLY) {
        size_t len;
        char *text = cc_read_file(output, &len);
        struct cc_text out = {0};
        if (text)
            weaken_assembly(text, weak, &out);
        if (!text || !cc_write_file(output, out.data, out.len))
            error = cc_printf("%s: %s", output, strerror(errno));
        free(out.data);
        free(text);
    } else {
        elf_weaken(output, weak, &error);
    }
    if (!error)
        return 0;
    fprintf(stderr, "uwsk cc: %s\n", error);
    free(error);
    return 1;
}

/* `uwsk cc --weaken OBJECT NAME ...`: that step alone. */
static int weaken_alone(int argc, char **argv)
{
    if (argc < 4)
        return usage("%s OBJECT NAME ...", "--weaken");
    struct job job = {.stage = STAGE_OBJECT};
    struct cc_list names = {0};
    for (int i = 3; i < argc; i++)
        cc_list_add(&names, argv[i]);
    int status = weaken(&job, argv[2], &names);
    cc_list_free(&names);
    return status;
}

/* `uwsk cc --pass gcc|clang IN.i|IN.ii OUT`: the pass alone, so that the lines of --show can be run by hand.
 */
static int pass_alone(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[2], "gcc") != 0 && strcmp(argv[2], "clang") != 0))
        return usage("%s gcc|clang IN.i|IN.ii OUT", "--pass");
    size_t n = strlen(argv[3]);
    bool clang = strcmp(argv[2], "clang") == 0, rewritten;
    struct job job = {.compiler = {.clang = clang, .clang_cplusplus = clang}};
    struct input in = {.path = argv[3],
                       .kind = n > 3 && strcmp(argv[3] + n - 3, ".ii") == 0 ? INPUT_CPLUSPLUS : INPUT_C};
    struct cc_list weak = {0};
    int status = pass(&job, &in, argv[3], argv[4], &rewritten, &weak);
    cc_list_free(&weak);
    if (status == 0 && !rewritten)
        return usage("%s holds nothing to rewrite", argv[3]);
    return status;
}

/* `uwsk cc --tmh SOURCE FOLDER [option ...]`: makes the source's .tmh files in a folder, made if need be. */
static int tmh_alone(int argc, char **argv)
{
    struct job job = {0};
    struct cc_list made = {0};
    char *error = NULL;
    if (argc < 4)
        return usage("%s SOURCE FOLDER [option ...]", "--tmh");
    int status = parse(&job, argc - 3, argv + 3);
    struct wpp_job wpp = {.text = &job.text, .functions = &job.wpp};
    if (status == 0 && mkdir(argv[3], 0777) != 0 && errno != EEXIST)
        error = cc_printf("%s: %s", argv[3], strerror(errno));
    else if (status == 0)
        wpp_generate(argv[2], argv[3], &wpp, &made, &error);
    if (error)
        fprintf(stderr, "uwsk cc: %s\n", error);
    cc_list_free(&made);
    free_job(&job);
    free(error);
    return status ? status : error != NULL;
}

/* One source to one object (or assembly text). */
static int compile(struct job *job, const struct input *in, const char *output)
{
    bool cplusplus = in->kind == INPUT_CPLUSPLUS, rewritten = false;
    char *text = scratch_file(job, in->path, cplusplus ? ".ii" : ".i");
    char *plain = scratch_file(job, in->path, cplusplus ? ".ii" : ".i");
    int status = 0;
    struct cc_list line = {0}, weak = {0};
    struct tmh tmh = {0};
    if (in->kind == INPUT_ASSEMBLER) {
        cc_list_add(&line, job->compiler.c);
        cc_list_add_all(&line, &job->text);
        cc_list_add_all(&line, &job->code);
    } else {
        status = tmh_begin(job, in, scratch_file(job, in->path, ".wpp"), &tmh) ? 0 : 1;
        if (status == 0)
            status = preprocess(job, in, &tmh, text, plain, &rewritten, &weak);
        begin_line(&line, job, cplusplus, !rewritten);
        if (weak.count > 0 && !job->compiler.clang) {
            /* The copy that is kept may be another object's: its use of registers and stack is not this
             * one's. */
            cc_list_add(&line, "-fno-ipa-ra");
            cc_list_add(&line, "-fno-ipa-stack-alignment");
        }
    }
    cc_list_add(&line, job->stage == STAGE_ASSEMBLY ? "-S" : "-c");
    cc_list_add(&line, "-o");
    cc_list_add(&line, output);
    struct input rewritten_input = {.path = plain, .kind = in->kind};
    if (rewritten)
        add_source(&line, &rewritten_input, cplusplus ? "c++-cpp-output" : "cpp-output");
    else
        add_source(&line, in, job->language);
    if (status == 0)
        status = run(job, &line);
    if (status == 0)
        status = weaken(job, output, &weak);
    if (!job->show) {
        unlink(text);
        unlink(plain);
    }
    tmh_end(job, &tmh);
    cc_list_free(&line);
    cc_list_free(&weak);
    free(text);
    free(plain);
    return status;
}

/* The dependencies that -M and -MM print name no .tmh: it will not be there. `file` NULL: standard output. */
static int clean_dependencies(const struct tmh *tmh, const char *printed, const char *file)
{
    size_t length;
    char *text = NULL;
    bool fine = wpp_clean_dependencies(file ? file : printed, tmh->folder);
    if (fine && !file) {
        text = cc_read_file(printed, &length);
        fine = text && fwrite(text, 1, length, stdout) == length;
    }
    if (!fine)
        fprintf(stderr, "uwsk cc: %s: %s\n", file ? file : printed, strerror(errno));
    free(text);
    return fine ? 0 : 1;
}

/* -E, -M, -MM, and questions such as --version: the compiler's own business. */
static int pass_through(struct job *job)
{
    int status = 0;
    if (job->inputs > 0 && !make_scratch(job))
        return 1;
    for (size_t i = 0; i < (job->inputs ? job->inputs : 1) && status == 0; i++) {
        struct cc_list line = {0};
        const struct input *in = job->inputs ? &job->input[i] : NULL;
        if (in && in->kind != INPUT_C && in->kind != INPUT_CPLUSPLUS)
            continue;
        struct tmh tmh = {0};
        char *printed = NULL;
        if (in && !tmh_begin(job, in, scratch_file(job, in->path, ".wpp"), &tmh))
            status = 1;
        if (in)
            begin_line(&line, job, in->kind == INPUT_CPLUSPLUS, true);
        else
            cc_list_add(&line, job->compiler.c);
        if (!in)
            cc_list_add_all(&line, &job->code);
        if (job->stage == STAGE_TEXT && !job->dependencies_only)
            cc_list_add(&line, "-E");
        if (job->dependencies_only || job->depend)
            cc_list_add_all(&line, &job->depend_options);
        if (job->depend)
            cc_list_add(&line, job->depend);
        if (job->depend_file) {
            cc_list_add(&line, "-MF");
            cc_list_add(&line, job->depend_file);
        }
        if (job->output) {
            cc_list_add(&line, "-o");
            cc_list_add(&line, job->output);
        } else if (tmh.folder && job->dependencies_only && !job->depend_file && !job->show) {
            printed = scratch_file(job, in->path, ".d");
            cc_list_add(&line, "-o");
            cc_list_add(&line, printed);
        }
        if (in)
            add_source(&line, in, job->language);
        const char *file = job->depend_file ? job->depend_file : job->dependencies_only ? job->output : NULL;
        if (status == 0)
            status = run(job, &line);
        if (status == 0 && tmh.folder && !job->show && (file || printed))
            status = clean_dependencies(&tmh, printed, file);
        if (printed)
            unlink(printed);
        tmh_end(job, &tmh);
        free(printed);
        cc_list_free(&line);
    }
    if (job->inputs > 0 && !job->show)
        rmdir(job->scratch);
    return status;
}

/* ---- linking ------------------------------------------------------------------------------------------ */

static int link_driver(struct job *job, const struct cc_list *objects)
{
    struct cc_list line = {0};
    cc_list_add(&line, job->compiler.c);
    cc_list_add(&line, "-shared");
    cc_list_add_all(&line, &job->code);
    cc_list_add(&line, "-o");
    char *name = stem(job->input[0].path);
    char *output = job->output ? cc_strdup(job->output) : cc_printf("%s.so", name);
    cc_list_add(&line, output);
    cc_list_add_all(&line, objects);
    cc_list_add_all(&line, &job->link);
    cc_link_line(&line, &job->layout, job->sanitized);
    int status = run(job, &line);
    if (status == 0 && !job->show && !job->sanitized && elf_has_constructors(output))
        fprintf(stderr,
                "uwsk cc: warning: %s: static objects with constructors: they run when the driver is loaded, "
                "before "
                "DriverEntry; on Windows nobody runs them\n",
                output);
    free(name);
    free(output);
    cc_list_free(&line);
    return status;
}

static int build(struct job *job)
{
    if (!make_scratch(job))
        return 1;
    struct cc_list objects = {0}, temporary = {0};
    int status = 0;
    for (size_t i = 0; i < job->inputs && status == 0; i++) {
        const struct input *in = &job->input[i];
        if (in->kind == INPUT_LINK) {
            cc_list_add(&objects, in->path);
            continue;
        }
        char *name = stem(in->path);
        char *output = job->stage == STAGE_LINK ? scratch_file(job, in->path, ".o")
                       : job->output            ? cc_strdup(job->output)
                                     : cc_printf("%s%s", name, job->stage == STAGE_OBJECT ? ".o" : ".s");
        status = compile(job, in, output);
        cc_list_add(&objects, output);
        if (job->stage == STAGE_LINK)
            cc_list_add(&temporary, output);
        free(name);
        free(output);
    }
    if (status == 0 && job->stage == STAGE_LINK)
        status = link_driver(job, &objects);
    if (!job->show) {
        for (size_t i = 0; i < temporary.count; i++)
            unlink(temporary.item[i]);
        rmdir(job->scratch);
    }
    cc_list_free(&objects);
    cc_list_free(&temporary);
    return status;
}

int cli_cc(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--pass") == 0)
        return pass_alone(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--weaken") == 0)
        return weaken_alone(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--tmh") == 0)
        return tmh_alone(argc, argv);
    struct job job = {.check_long = true};
    int status = parse(&job, argc, argv);
    char *error = NULL;
    if (status == 0) {
        cc_choose_compiler(&job.compiler, job.wanted_compiler);
        if (!job.wants_info || job.inputs > 0)
            status = check(&job);
    }
    if (status == 0 && !cc_layout(&job.layout, &error)) {
        fprintf(stderr, "uwsk cc: %s\n", error);
        free(error);
        status = 1;
    }
#ifdef UWSK_SANITIZE
    /* This runtime is sanitized: so are its drivers, else their part of a race or overrun stays unseen. */
    bool said = false;
    for (size_t i = 0; i < job.code.count; i++)
        said = said || starts(job.code.item[i], "-fsanitize=") || starts(job.code.item[i], "-fno-sanitize=");
    if (status == 0 && UWSK_SANITIZE[0] && !said) {
        cc_list_add(&job.code, "-fsanitize=" UWSK_SANITIZE);
        cc_list_add(&job.code, "-fno-sanitize-recover=all");
        job.sanitized = true;
    }
#endif
    if (status == 0) {
        bool through =
            job.stage == STAGE_TEXT || job.dependencies_only || (job.wants_info && job.inputs == 0);
        status = through ? pass_through(&job) : build(&job);
    }
    free_job(&job);
    return status < 0 ? 0 : status;
}
