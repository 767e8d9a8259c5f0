/* cc_weaken.c: inline functions of a driver that other objects may define, too: weak symbols, as MSVC has them. */
#include "cc_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"

/* `.globl name` becomes `.weak name`. */
static void weaken_assembly(const char *text, const struct cc_list *weak, struct cc_text *out)
{
    static const char directive[] = "\t.globl\t";
    while (*text) {
        size_t len = strcspn(text, "\n") + 1;
        const char *name = cc_starts(text, directive) ? text + strlen(directive) : NULL;
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
int cc_weaken(const struct cc_job *job, const char *output, const struct cc_list *weak)
{
    if (weak->count == 0)
        return 0;
    char *error = NULL;
    if (job->show) {
        fputs("uwsk cc --weaken ", stdout);
        cc_print_word(output);
        for (size_t i = 0; i < weak->count; i++)
            printf(" %s", weak->item[i]);
        putchar('\n');
    } else if (job->stage == CC_STAGE_ASSEMBLY) {
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
int cc_weaken_alone(int argc, char **argv)
{
    if (argc < 4)
        return cc_usage("%s OBJECT NAME ...", "--weaken");
    struct cc_job job = {.stage = CC_STAGE_OBJECT};
    struct cc_list names = {0};
    for (int i = 3; i < argc; i++)
        cc_list_add(&names, argv[i]);
    int status = cc_weaken(&job, argv[2], &names);
    cc_list_free(&names);
    return status;
}
