/* cc_source.c: one source of a driver, from its text to an object.
 *
 * It goes through the preprocessor first. When the text holds what the compiler would take differently from MSVC,
 * an inline function (dialect_pass.c) or a __try (seh_pass.c), it is rewritten and the result is compiled; else the
 * source is compiled as it is. */
#include "cc_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialect_pass.h"
#include "seh_pass.h"
#include "wpp.h"

static const char *command_of(const struct cc_job *job, bool cplusplus)
{
    return cplusplus ? job->compiler.cplusplus : job->compiler.c;
}

void cc_begin_line(struct cc_list *line, const struct cc_job *job, bool cplusplus, bool preprocess)
{
    cc_list_add(line, command_of(job, cplusplus));
    cc_compile_line(line, &job->compiler, &job->layout, cplusplus, preprocess);
    if (preprocess)
        cc_list_add_all(line, &job->text);
    cc_list_add_all(line, &job->code);
    if (job->explore)
        cc_explore_line(line, cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang);
    cc_warning_line(line);
    if (job->sanitized && (cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang))
        cc_list_add(line, "-fno-sanitize=function"); /* it needs RTTI, and callbacks do mismatch (T-08) */
}

void cc_add_source(struct cc_list *line, const struct cc_input *in, const char *language)
{
    if (language && strcmp(language, "none") != 0) {
        cc_list_add(line, "-x");
        cc_list_add(line, language);
    }
    cc_list_add(line, in->path);
}

/* -MF and -MT as the compiler would choose them, had it done everything in one step. The file's name, or NULL;
 * free it. */
static char *add_depend(struct cc_list *line, const struct cc_job *job, const struct cc_input *in)
{
    if (!job->depend)
        return NULL;
    char *name = cc_stem(in->path);
    char *object =
        job->stage != CC_STAGE_LINK && job->output ? cc_strdup(job->output) : cc_printf("%s.o", name);
    char *object_stem = cc_stem(object);
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
static enum seh_result rewrite(const struct cc_job *job, bool cplusplus, struct lex_source *source,
                               char **out, size_t *out_len, struct cc_list *weak)
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
static int pass(const struct cc_job *job, const struct cc_input *in, const char *from, const char *to,
                bool *rewritten, struct cc_list *weak)
{
    bool cplusplus = in->kind == CC_INPUT_CPLUSPLUS;
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

static void preprocess_line(struct cc_list *line, const struct cc_job *job, const struct cc_input *in)
{
    cc_begin_line(line, job, in->kind == CC_INPUT_CPLUSPLUS, true);
    cc_list_add(line, "-E");
}

/* --show compiles nothing, yet must know which steps there would be: the preprocessor alone runs, unseen.
 * What it cannot read needs no pass: the compiler will say so. */
static void look(const struct cc_job *job, const struct cc_input *in, bool *rewritten, struct cc_list *weak)
{
    const char *tmp = getenv("TMPDIR");
    char *text = cc_printf("%s/uwsk-cc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct cc_list line = {0};
    struct cc_job quiet = *job;
    struct cc_tmh tmh = {0};
    quiet.show = quiet.check_long = false;
    quiet.text = (struct cc_list){0};
    cc_list_add_all(&quiet.text, &job->text);
    *rewritten = false;
    int file = mkstemp(text);
    if (file >= 0) {
        close(file);
        cc_tmh_begin(&quiet, in, cc_printf("%s.wpp", text), &tmh);
        preprocess_line(&line, &quiet, in);
        cc_list_add(&line, "-w");
        cc_list_add(&line, "-o");
        cc_list_add(&line, text);
        cc_add_source(&line, in, job->language);
        if (cc_run(&quiet, &line) == 0)
            pass(&quiet, in, text, NULL, rewritten, weak);
        cc_tmh_end(&quiet, &tmh);
        unlink(text);
    }
    cc_list_free(&quiet.text);
    cc_list_free(&line);
    free(text);
}

/* Preprocesses and rewrites. `text` gets the preprocessed, `plain` the rewritten text. */
static int preprocess(struct cc_job *job, const struct cc_input *in, const struct cc_tmh *tmh,
                      const char *text, const char *plain, bool *rewritten, struct cc_list *weak)
{
    struct cc_list line = {0};
    preprocess_line(&line, job, in);
    char *depend_file = add_depend(&line, job, in);
    cc_list_add(&line, "-o");
    cc_list_add(&line, text);
    cc_add_source(&line, in, job->language);
    int status = 0;
    if (!job->show) {
        status = cc_run(job, &line);
        if (status == 0 && depend_file && tmh->folder && !wpp_clean_dependencies(depend_file, tmh->folder)) {
            fprintf(stderr, "uwsk cc: %s: %s\n", depend_file, strerror(errno));
            status = 1;
        }
        if (status == 0)
            status = pass(job, in, text, plain, rewritten, weak);
    } else {
        look(job, in, rewritten, weak);
        if (*rewritten || job->depend)
            cc_run(job, &line);
        if (*rewritten) {
            bool cplusplus = in->kind == CC_INPUT_CPLUSPLUS;
            bool clang = cplusplus ? job->compiler.clang_cplusplus : job->compiler.clang;
            printf("uwsk cc --pass %s ", clang ? "clang" : "gcc");
            cc_print_word(text);
            putchar(' ');
            cc_print_word(plain);
            putchar('\n');
        }
    }
    cc_list_free(&line);
    free(depend_file);
    return status;
}

/* `uwsk cc --pass gcc|clang IN.i|IN.ii OUT`: the pass alone, so that the lines of --show can be run by hand.
 */
int cc_pass_alone(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[2], "gcc") != 0 && strcmp(argv[2], "clang") != 0))
        return cc_usage("%s gcc|clang IN.i|IN.ii OUT", "--pass");
    size_t n = strlen(argv[3]);
    bool clang = strcmp(argv[2], "clang") == 0, rewritten;
    struct cc_job job = {.compiler = {.clang = clang, .clang_cplusplus = clang}};
    struct cc_input in = {.path = argv[3],
                          .kind =
                              n > 3 && strcmp(argv[3] + n - 3, ".ii") == 0 ? CC_INPUT_CPLUSPLUS : CC_INPUT_C};
    struct cc_list weak = {0};
    int status = pass(&job, &in, argv[3], argv[4], &rewritten, &weak);
    cc_list_free(&weak);
    if (status == 0 && !rewritten)
        return cc_usage("%s holds nothing to rewrite", argv[3]);
    return status;
}

/* One source to one object (or assembly text). */
int cc_compile(struct cc_job *job, const struct cc_input *in, const char *output)
{
    bool cplusplus = in->kind == CC_INPUT_CPLUSPLUS, rewritten = false;
    char *text = cc_scratch_file(job, in->path, cplusplus ? ".ii" : ".i");
    char *plain = cc_scratch_file(job, in->path, cplusplus ? ".ii" : ".i");
    int status = 0;
    struct cc_list line = {0}, weak = {0};
    struct cc_tmh tmh = {0};
    if (in->kind == CC_INPUT_ASSEMBLER) {
        cc_list_add(&line, job->compiler.c);
        cc_list_add_all(&line, &job->text);
        cc_list_add_all(&line, &job->code);
    } else {
        status = cc_tmh_begin(job, in, cc_scratch_file(job, in->path, ".wpp"), &tmh) ? 0 : 1;
        if (status == 0)
            status = preprocess(job, in, &tmh, text, plain, &rewritten, &weak);
        cc_begin_line(&line, job, cplusplus, !rewritten);
        if (weak.count > 0 && !job->compiler.clang) {
            /* The copy that is kept may be another object's: its use of registers and stack is not this
             * one's. */
            cc_list_add(&line, "-fno-ipa-ra");
            cc_list_add(&line, "-fno-ipa-stack-alignment");
        }
    }
    cc_list_add(&line, job->stage == CC_STAGE_ASSEMBLY ? "-S" : "-c");
    cc_list_add(&line, "-o");
    cc_list_add(&line, output);
    struct cc_input rewritten_input = {.path = plain, .kind = in->kind};
    if (rewritten)
        cc_add_source(&line, &rewritten_input, cplusplus ? "c++-cpp-output" : "cpp-output");
    else
        cc_add_source(&line, in, job->language);
    if (status == 0)
        status = cc_run(job, &line);
    if (status == 0)
        status = cc_weaken(job, output, &weak);
    if (!job->show) {
        unlink(text);
        unlink(plain);
    }
    cc_tmh_end(job, &tmh);
    cc_list_free(&line);
    cc_list_free(&weak);
    free(text);
    free(plain);
    return status;
}
