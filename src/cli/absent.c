/* absent.c: see absent.h. */
#include "absent.h"

#include <stddef.h>
#include <string.h>

static const struct absent_name names[] = {
#include "absent.inc" /* made of tools/imports.tsv by cmake/absent.awk */
};

const struct absent_name *absent_find(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}
