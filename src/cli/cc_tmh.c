/* cc_tmh.c: the .tmh files of a source while it is compiled; wpp.c makes them. */
#include "cc_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wpp.h"

void cc_tmh_end(struct cc_job *job, struct cc_tmh *tmh)
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

/* Makes them, and adds the -I for them behind the driver's own. False after a message; cc_tmh_end in any case. */
bool cc_tmh_begin(struct cc_job *job, const struct cc_input *in, char *folder, struct cc_tmh *tmh)
{
    struct wpp_job wpp = {.text = &job->text, .functions = &job->wpp};
    char *error = NULL;
    *tmh = (struct cc_tmh){0};
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
        cc_print_word(in->path);
        putchar(' ');
        cc_print_word(folder);
        for (size_t i = 0; i < job->text.count; i++) {
            putchar(' ');
            cc_print_word(job->text.item[i]);
        }
        for (size_t i = 0; i < job->wpp.count; i++) {
            fputs(" --wpp-func ", stdout);
            cc_print_word(job->wpp.item[i]);
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

/* The dependencies that -M and -MM print name no .tmh: it will not be there. `file` NULL: standard output. */
int cc_tmh_clean_dependencies(const struct cc_tmh *tmh, const char *printed, const char *file)
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

/* `uwsk cc --tmh SOURCE FOLDER [option ...]`: makes the source's .tmh files in a folder, made if need be. */
int cc_tmh_alone(int argc, char **argv)
{
    struct cc_job job = {0};
    struct cc_list made = {0};
    char *error = NULL;
    if (argc < 4)
        return cc_usage("%s SOURCE FOLDER [option ...]", "--tmh");
    int status = cc_parse(&job, argc - 3, argv + 3);
    struct wpp_job wpp = {.text = &job.text, .functions = &job.wpp};
    if (status == 0 && mkdir(argv[3], 0777) != 0 && errno != EEXIST)
        error = cc_printf("%s: %s", argv[3], strerror(errno));
    else if (status == 0)
        wpp_generate(argv[2], argv[3], &wpp, &made, &error);
    if (error)
        fprintf(stderr, "uwsk cc: %s\n", error);
    cc_list_free(&made);
    cc_free_job(&job);
    free(error);
    return status ? status : error != NULL;
}
