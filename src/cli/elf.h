/* elf.h: what `uwsk cc` reads and changes in objects and drivers. */
#ifndef UWSK_CLI_ELF_H
#define UWSK_CLI_ELF_H

#include <stdbool.h>

#include "util.h"

/* Makes the global definitions of these names in an object weak, so that the linker keeps one of several. The
 * compiler is not told: to it the function is the one that will run, and may be inlined. False: *error says
 * why; free it. */
bool elf_weaken(const char *object, const struct cc_list *names, char **error);

/* True if the shared object has functions that the loader runs before anything else: C++ constructors of
 * static objects. */
bool elf_has_constructors(const char *path);

#endif
