/* cc.h: `uwsk cc`, the compiler driver. */
#ifndef UWSK_CLI_CC_H
#define UWSK_CLI_CC_H

#include <stdbool.h>

#include "lex.h"
#include "util.h"

/* The subcommand; argv[0] is "cc". Returns the exit status: 2 for wrong usage, else the compiler's own. */
int cli_cc(int argc, char **argv);

/* Where the headers and libraries that belong to this very command are: beside it in a build tree (include/,
 * libuwsk.so, libuwskcrt.a), else under ../include/uwsk/wdk and ../lib. */
struct cc_layout {
    char *include;
    char *library; /* folder */
};
/* False: *error says what was looked for; free it. */
bool cc_layout(struct cc_layout *layout, char **error);

/* Which compiler, and the lines it gets (cc_line.c). */
struct cc_compiler {
    char *c, *cplusplus; /* commands */
    bool clang, clang_cplusplus;
};
void cc_choose_compiler(struct cc_compiler *compiler, const char *wanted);
/* Options that every driver is compiled with (T-09); preprocess: those for a text that is not yet
 * preprocessed, too. */
void cc_compile_line(struct cc_list *line, const struct cc_compiler *compiler, const struct cc_layout *layout,
                     bool cplusplus, bool preprocess);
/* Options that stand behind the driver's own: its -Wall would turn these warnings on again. */
void cc_explore_line(struct cc_list *line, bool clang);
void cc_warning_line(struct cc_list *line);
/* The end of the link line (T-01). */
void cc_link_line(struct cc_list *line, const struct cc_layout *layout, bool sanitized);

/* T-09: plain `long` has 64 bits here. Warns on standard error where the driver's own text has one in a
 * structure or hands one to a 32-bit Interlocked function. `source` is the preprocessed text. */
void cc_check_long(const struct lex_source *source);

#endif
