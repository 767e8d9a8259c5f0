/* function_name.h: what MSVC's __FUNCTION__ is at a place of the text. */
#ifndef UWSK_CLI_FUNCTION_NAME_H
#define UWSK_CLI_FUNCTION_NAME_H

#include "lex.h"

/* The function whose body token i is in, as `Class::Method` in C++; what is in a lambda belongs to the function around
 * it. Needs matched brackets. Free it; NULL: in none. */
char *function_name(const struct lex_source *source, size_t i);

#endif
