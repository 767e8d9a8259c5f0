/* dialect_pass.h: what MSVC takes and gcc and clang do not. */
#ifndef UWSK_CLI_DIALECT_PASS_H
#define UWSK_CLI_DIALECT_PASS_H

#include <stdbool.h>
#include <stddef.h>

#include "lex.h"
#include "util.h"

/* Rewrites what gcc and clang take differently in the inline functions of a preprocessed text; its brackets
 * are matched.
 *   - In C, a non-static inline function gets a definition of its own in each object: `extern` is put in
 * front. The linker is to choose one: `weak` gets the names, for elf_weaken.
 *   - A forced inline function that calls itself, or takes `...`, loses the force: it cannot be inlined.
 *   - `sizeof Type` gets the brackets that the standard wants.
 *   - Numbers with the suffixes i8 to i64 and ui8 to ui64 get the standard ones, or a cast.
 * No line moves. False: nothing to rewrite, *out is NULL; else *out is the caller's to free. `weak` may be
 * filled in both cases. */
bool dialect_pass(const struct lex_source *source, char **out, size_t *out_len, struct cc_list *weak);

#endif
