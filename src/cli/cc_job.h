/* cc_job.h: one call of `uwsk cc`, and the steps that cc*.c share. Exit statuses: 0, 1 after a message, 2 for wrong
 * usage, or the compiler's own. */
#ifndef UWSK_CLI_CC_JOB_H
#define UWSK_CLI_CC_JOB_H

#include <sys/types.h>

#include "cc.h"

enum cc_stage { CC_STAGE_LINK, CC_STAGE_OBJECT, CC_STAGE_ASSEMBLY, CC_STAGE_TEXT };

struct cc_input {
    char *path;
    enum { CC_INPUT_C, CC_INPUT_CPLUSPLUS, CC_INPUT_ASSEMBLER, CC_INPUT_LINK } kind;
};

struct cc_job {
    bool show, check_long, sanitized, wants_info;
    bool explore;           /* every access of the driver's code calls the runtime (--explore) */
    bool dependencies_only; /* -M, -MM */
    enum cc_stage stage;
    const char *output, *wanted_compiler, *language;
    const char *depend; /* -MD or -MMD */
    const char *depend_file;
    struct cc_list depend_options; /* -MT ..., -MP, -MG */
    bool depend_target;
    struct cc_list text; /* options for the preprocessor */
    struct cc_list wpp;  /* trace functions of --wpp-func */
    struct cc_list code; /* for the compiler; the linker gets them, too */
    struct cc_list link; /* for the linker, with the libraries in their order */
    struct cc_input *input;
    size_t inputs;
    struct cc_compiler compiler;
    struct cc_layout layout;
    char *scratch; /* folder of the texts in between */
    size_t scratch_files;
};

/* ---- cc_options.c: the words of the line ---- */

bool cc_starts(const char *text, const char *with);
/* Says what is wrong; `format` takes `what`. Always 2. */
int cc_usage(const char *format, const char *what);
/* 0, or the exit status of a wrong line; -1: done (--help). */
int cc_parse(struct cc_job *job, int argc, char **argv);
/* Whether the inputs and options fit each other, and the inputs are there. */
int cc_check_job(const struct cc_job *job);
void cc_free_job(struct cc_job *job);

/* ---- cc_run.c: lines that are run or shown, and files in between ---- */

/* As the shell wants it. */
void cc_print_word(const char *word);
/* Runs a line, or shows it. The line's exit status. */
int cc_run(const struct cc_job *job, struct cc_list *line);
/* The exit status of a child that runs a line; 1 if it was killed. */
int cc_wait(pid_t child);
/* The file's name without folder and suffix; free it. */
char *cc_stem(const char *path);
/* A new name in the folder of cc_make_scratch; free it. */
char *cc_scratch_file(struct cc_job *job, const char *source, const char *suffix);
/* False after a message. */
bool cc_make_scratch(struct cc_job *job);

/* ---- cc_source.c: from one source to one object ---- */

/* The compiler and its options, for a text that is or is not yet preprocessed. */
void cc_begin_line(struct cc_list *line, const struct cc_job *job, bool cplusplus, bool preprocess);
void cc_add_source(struct cc_list *line, const struct cc_input *in, const char *language);
/* One source to one object (or assembly text). */
int cc_compile(struct cc_job *job, const struct cc_input *in, const char *output);
/* `uwsk cc --pass gcc|clang IN.i|IN.ii OUT` */
int cc_pass_alone(int argc, char **argv);

/* ---- cc_link.c ---- */

/* Links the driver; of WDK names that the linker does not find says why they are not here. Exit status. */
int cc_link_driver(struct cc_job *job, const struct cc_list *objects);

/* ---- cc_tmh.c ---- */

/* The .tmh files that a source includes (wpp.c), in a folder that lasts as long as the compilation. */
struct cc_tmh {
    char *folder; /* NULL: the source includes none */
    struct cc_list made;
};

/* Makes them, and adds the -I for them behind the driver's own; takes `folder`. False after a message; cc_tmh_end in
 * any case. */
bool cc_tmh_begin(struct cc_job *job, const struct cc_input *in, char *folder, struct cc_tmh *tmh);
void cc_tmh_end(struct cc_job *job, struct cc_tmh *tmh);
/* The dependencies that -M and -MM print name no .tmh: it will not be there. `file` NULL: standard output. */
int cc_tmh_clean_dependencies(const struct cc_tmh *tmh, const char *printed, const char *file);
/* `uwsk cc --tmh SOURCE FOLDER [option ...]` */
int cc_tmh_alone(int argc, char **argv);

/* ---- cc_weaken.c ---- */

/* The linker keeps one of several definitions of the inline functions named in `weak`. */
int cc_weaken(const struct cc_job *job, const char *output, const struct cc_list *weak);
/* `uwsk cc --weaken OBJECT NAME ...` */
int cc_weaken_alone(int argc, char **argv);

#endif
