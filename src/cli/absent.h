/* absent.h: names of the WDK that this runtime does not have, and why (tools/imports.tsv). */
#ifndef UWSK_CLI_ABSENT_H
#define UWSK_CLI_ABSENT_H

#include <stdbool.h>

struct absent_name {
    const char *name;
    bool planned; /* else it will never be here */
    const char *why;
};

/* NULL: not a name that tools/imports.tsv knows, or one that is here. */
const struct absent_name *absent_find(const char *name);

#endif
