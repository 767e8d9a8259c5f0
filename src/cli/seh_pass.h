/* seh_pass.h: turns structured exception handling into plain C and C++. */
#ifndef UWSK_CLI_SEH_PASS_H
#define UWSK_CLI_SEH_PASS_H

#include <stdbool.h>
#include <stddef.h>

#include "lex.h"

enum seh_result {
    SEH_NONE,      /* nothing to do: compile the source as it is */
    SEH_REWRITTEN, /* *out holds the text to compile */
    SEH_ERROR,     /* *out holds `file:line: error: ...` lines */
};

/* Rewrites every __try statement of the tokens of a preprocessed text into calls
 * of <uwsk/seh.h>. Line markers and lines stay where they are, so that what the
 * compiler and the debugger say still names the driver's own lines. The functions
 * that contain one get the attribute that keeps this compiler from optimising them
 * (T-04: a local changed in the body is seen changed in the handler). A comma in front of a `)` is dropped,
 * as MSVC's preprocessor does. The brackets of `source` are matched here. *out is the caller's to free. */
enum seh_result seh_pass(struct lex_source *source, bool clang, char **out, size_t *out_len);

#endif
