/* cc.c: `uwsk cc`, which compiles and links a driver as mpicc does a program.
 *
 * cc_options.c reads the line, cc_source.c compiles each source (with cc_tmh.c and cc_weaken.c), cc_line.c knows the
 * options of the compiler, cc_run.c runs its lines, cc_link.c links. Here: the order of it all. */
#include "cc_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -E, -M, -MM, and questions such as --version: the compiler's own business. */
static int pass_through(struct cc_job *job)
{
    int status = 0;
    if (job->inputs > 0 && !cc_make_scratch(job))
        return 1;
    for (size_t i = 0; i < (job->inputs ? job->inputs : 1) && status == 0; i++) {
        struct cc_list line = {0};
        const struct cc_input *in = job->inputs ? &job->input[i] : NULL;
        if (in && in->kind != CC_INPUT_C && in->kind != CC_INPUT_CPLUSPLUS)
            continue;
        struct cc_tmh tmh = {0};
        char *printed = NULL;
        if (in && !cc_tmh_begin(job, in, cc_scratch_file(job, in->path, ".wpp"), &tmh))
            status = 1;
        if (in)
            cc_begin_line(&line, job, in->kind == CC_INPUT_CPLUSPLUS, true);
        else
            cc_list_add(&line, job->compiler.c);
        if (!in)
            cc_list_add_all(&line, &job->code);
        if (job->stage == CC_STAGE_TEXT && !job->dependencies_only)
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
            printed = cc_scratch_file(job, in->path, ".d");
            cc_list_add(&line, "-o");
            cc_list_add(&line, printed);
        }
        if (in)
            cc_add_source(&line, in, job->language);
        const char *file = job->depend_file ? job->depend_file : job->dependencies_only ? job->output : NULL;
        if (status == 0)
            status = cc_run(job, &line);
        if (status == 0 && tmh.folder && !job->show && (file || printed))
            status = cc_tmh_clean_dependencies(&tmh, printed, file);
        if (printed)
            unlink(printed);
        cc_tmh_end(job, &tmh);
        free(printed);
        cc_list_free(&line);
    }
    if (job->inputs > 0 && !job->show)
        rmdir(job->scratch);
    return status;
}

/* ---- compiling and linking ------------------------------------------------------------------------------- */

static int build(struct cc_job *job)
{
    if (!cc_make_scratch(job))
        return 1;
    struct cc_list objects = {0}, temporary = {0};
    int status = 0;
    for (size_t i = 0; i < job->inputs && status == 0; i++) {
        const struct cc_input *in = &job->input[i];
        if (in->kind == CC_INPUT_LINK) {
            cc_list_add(&objects, in->path);
            continue;
        }
        char *name = cc_stem(in->path);
        char *output = job->stage == CC_STAGE_LINK ? cc_scratch_file(job, in->path, ".o")
                       : job->output               ? cc_strdup(job->output)
                                     : cc_printf("%s%s", name, job->stage == CC_STAGE_OBJECT ? ".o" : ".s");
        status = cc_compile(job, in, output);
        cc_list_add(&objects, output);
        if (job->stage == CC_STAGE_LINK)
            cc_list_add(&temporary, output);
        free(name);
        free(output);
    }
    if (status == 0 && job->stage == CC_STAGE_LINK)
        status = cc_link_driver(job, &objects);
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
        return cc_pass_alone(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--weaken") == 0)
        return cc_weaken_alone(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--tmh") == 0)
        return cc_tmh_alone(argc, argv);
    struct cc_job job = {.check_long = true};
    int status = cc_parse(&job, argc, argv);
    char *error = NULL;
    if (status == 0) {
        cc_choose_compiler(&job.compiler, job.wanted_compiler);
        if (!job.wants_info || job.inputs > 0)
            status = cc_check_job(&job);
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
        said = said || cc_starts(job.code.item[i], "-fsanitize=") ||
               cc_starts(job.code.item[i], "-fno-sanitize=");
    if (status == 0 && UWSK_SANITIZE[0] != '\0' && !said && !job.explore) {
        cc_list_add(&job.code, "-fsanitize=" UWSK_SANITIZE);
        cc_list_add(&job.code, "-fno-sanitize-recover=all");
        job.sanitized = true;
    }
#endif
    if (status == 0) {
        bool through =
            job.stage == CC_STAGE_TEXT || job.dependencies_only || (job.wants_info && job.inputs == 0);
        status = through ? pass_through(&job) : build(&job);
    }
    cc_free_job(&job);
    return status < 0 ? 0 : status;
}
