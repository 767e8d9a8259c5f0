/* lex.h: tokens of C and C++ text, for the source pass and the checks of `uwsk cc`. */
#ifndef UWSK_CLI_LEX_H
#define UWSK_CLI_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum lex_kind {
    LEX_IDENT,
    LEX_NUMBER,
    LEX_STRING,
    LEX_CHAR,
    LEX_PUNCT,
    LEX_END,
};

struct lex_token {
    enum lex_kind kind;
    size_t at;     /* offset of the first character in the text */
    size_t len;    /* characters */
    size_t match;  /* of ( [ { and their partners: index of the partner */
    unsigned line; /* as the line markers count */
    unsigned file; /* index into lex_source.files */
};

struct lex_file {
    char *name;
    bool system; /* the marker says: a system header, so none of the driver's own files */
};

struct lex_source {
    const char *text; /* not owned */
    size_t len;
    bool cplusplus;
    struct lex_token *tok; /* ends with one LEX_END */
    size_t count;          /* without the LEX_END */
    struct lex_file *files;
    size_t file_count;
};

/* Cuts text into tokens. Comments, directives and white space give none; line
 * markers set file and line. Text that never was preprocessed is fine too: its
 * directives are skipped, and `name` names the file. */
void lex_text(struct lex_source *source, const char *text, size_t len, const char *name, bool cplusplus);
void lex_free(struct lex_source *source);

/* True if token i is spelled exactly so. */
bool lex_is(const struct lex_source *source, size_t i, const char *spelling);

/* The same of one of several, ended by NULL. */
bool lex_is_any(const struct lex_source *source, size_t i, const char *const *spellings);

/* Finds the partner of every bracket. False: *bad is a bracket without one. */
bool lex_match_brackets(struct lex_source *source, size_t *bad);

#endif
