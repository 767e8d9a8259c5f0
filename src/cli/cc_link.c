/* cc_link.c: the driver's link, and what is said of names that the linker does not find. */
#include "absent.h"
#include "cc_job.h"
#include "elf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- names that are not found ------------------------------------------------------------------------- */

/* The name of "undefined reference to `NAME'" (ld) or "undefined symbol: NAME" (lld); NULL: another line. */
static char *missing_name(const char *line)
{
    static const char *const says[] = {"undefined reference to `", "undefined reference to '",
                                       "undefined symbol: "};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        const char *at = strstr(line, says[i]);
        if (!at)
            continue;
        at += strlen(says[i]);
        return cc_strndup(at, strcspn(at, "'\n"));
    }
    return NULL;
}

static void keep_missing(struct cc_list *missing, const char *line)
{
    char *name = missing_name(line);
    if (name)
        cc_list_add_once(missing, name);
    free(name);
}

static void explain(const struct cc_list *missing)
{
    struct cc_text unknown = {0};
    for (size_t i = 0; i < missing->count; i++) {
        const struct absent_name *absent = absent_find(missing->item[i]);
        if (absent) {
            fprintf(stderr, "uwsk cc: %s is not in this runtime%s: %s\n", absent->name,
                    absent->planned ? " yet" : " and will not be", absent->why);
            continue;
        }
        if (unknown.len)
            cc_text_puts(&unknown, ", ");
        cc_text_puts(&unknown, missing->item[i]);
    }
    if (unknown.len)
        fprintf(
            stderr,
            "uwsk cc: in none of the inputs, nor in this runtime (docs/imports.md lists what it has of the "
            "WDK): %s\n",
            unknown.data);
    free(unknown.data);
}

/* ---- the linker --------------------------------------------------------------------------------------- */

/* What it says in English, for missing_name(). */
static pid_t start_linker(struct cc_list *line, int ends[2])
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        unsetenv("LC_ALL");
        setenv("LC_MESSAGES", "C", 1);
        setenv("LANGUAGE", "C", 1);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(line->item[0], line->item);
        fprintf(stderr, "uwsk cc: cannot run the compiler %s: %s\n", line->item[0], strerror(errno));
        _exit(127);
    }
    return child;
}

/* Passes on what the linker says. Its exit status. */
static int run_linker(struct cc_list *line, struct cc_list *missing)
{
    int ends[2];
    if (pipe(ends) != 0) {
        fprintf(stderr, "uwsk cc: cannot start the linker: %s\n", strerror(errno));
        return 1;
    }
    pid_t child = start_linker(line, ends);
    int error = errno;
    close(ends[1]);
    FILE *says = child > 0 ? fdopen(ends[0], "r") : NULL;
    char *text = NULL;
    size_t room = 0;
    while (says && getline(&text, &room, says) > 0) {
        fputs(text, stderr);
        keep_missing(missing, text);
    }
    free(text);
    if (says)
        fclose(says);
    else
        close(ends[0]);
    if (child < 0) {
        fprintf(stderr, "uwsk cc: cannot start the linker: %s\n", strerror(error));
        return 1;
    }
    return cc_wait(child);
}

int cc_link_driver(struct cc_job *job, const struct cc_list *objects)
{
    struct cc_list line = {0};
    cc_list_add(&line, job->compiler.c);
    cc_list_add(&line, "-shared");
    cc_list_add_all(&line, &job->code);
    cc_list_add(&line, "-o");
    char *name = cc_stem(job->input[0].path);
    char *output = job->output ? cc_strdup(job->output) : cc_printf("%s.so", name);
    cc_list_add(&line, output);
    cc_list_add_all(&line, objects);
    cc_list_add_all(&line, &job->link);
    cc_link_line(&line, &job->layout, job->sanitized);
    struct cc_list missing = {0};
    int status = job->show ? cc_run(job, &line) : run_linker(&line, &missing);
    explain(&missing);
    cc_list_free(&missing);
    if (status == 0 && !job->show && !job->sanitized && !job->explore && elf_has_constructors(output))
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
