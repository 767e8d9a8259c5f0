/* cc_run.c: runs the lines of `uwsk cc`, or shows them; names the files in between. */
#include "cc_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void cc_print_word(const char *word)
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

int cc_wait(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Runs a line, or shows it. The line's exit status. */
int cc_run(const struct cc_job *job, struct cc_list *line)
{
    if (job->show) {
        for (size_t i = 0; i < line->count; i++) {
            if (i > 0)
                putchar(' ');
            cc_print_word(line->item[i]);
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
    if (child < 0) {
        fprintf(stderr, "uwsk cc: cannot start the compiler: %s\n", strerror(errno));
        return 1;
    }
    return cc_wait(child);
}

char *cc_stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return cc_strndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

char *cc_scratch_file(struct cc_job *job, const char *source, const char *suffix)
{
    char *name = cc_stem(source);
    char *path = cc_printf("%s/%zu-%s%s", job->scratch, ++job->scratch_files, name, suffix);
    free(name);
    return path;
}

bool cc_make_scratch(struct cc_job *job)
{
    const char *tmp = getenv("TMPDIR");
    job->scratch = cc_printf("%s/uwsk-cc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (job->show || mkdtemp(job->scratch))
        return true;
    fprintf(stderr, "uwsk cc: cannot make a folder for temporary files, %s: %s\n", job->scratch,
            strerror(errno));
    return false;
}
