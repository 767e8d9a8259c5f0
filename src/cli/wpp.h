/* wpp.h: the .tmh files of WPP (T-07). */
#ifndef UWSK_CLI_WPP_H
#define UWSK_CLI_WPP_H

#include <stdbool.h>

#include "util.h"

/* What to look for, and where. */
struct wpp_job {
    const struct cc_list *text;      /* the -I options of the source */
    const struct cc_list *functions; /* --wpp-func: "Name{...}(LEVEL,MSG,...)", as in a config block */
};

/* True if the source, or a header of its own that it includes, includes some "name.tmh" for WPP to make. */
bool wpp_wanted(const char *source, const struct wpp_job *job);

/* Writes the .tmh files that `source` includes into `folder`, which exists: macros for its trace functions.
 * The names of the files go to `made`, for the caller to remove. False: *error says why; free it. */
bool wpp_generate(const char *source, const char *folder, const struct wpp_job *job, struct cc_list *made,
                  char **error);

/* Takes the words that start with `folder`/ out of a dependency file: what lies there will not be there next
 * time. False with errno set. */
bool wpp_clean_dependencies(const char *file, const char *folder);

#endif
