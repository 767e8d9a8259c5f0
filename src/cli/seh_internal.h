/* seh_internal.h: what the files of the source pass share (seh_pass.c says what it does). */
#ifndef UWSK_CLI_SEH_INTERNAL_H
#define UWSK_CLI_SEH_INTERNAL_H

#include "seh_pass.h"
#include "util.h"

#define SEH_NOWHERE ((size_t)-1)

struct seh_edit {
    size_t at, drop; /* replaces `drop` characters at `at` */
    size_t order;
    char *text;
};

enum seh_region_kind {
    REGION_FUNCTION,
    REGION_LOOP,
    REGION_SWITCH,
    REGION_TRY,     /* the body of a __try */
    REGION_FILTER,  /* the expression of an __except */
    REGION_HANDLER, /* the block of an __except */
    REGION_FINALLY, /* the block of a __finally */
};

struct seh_try;

struct seh_region {
    enum seh_region_kind kind;
    struct seh_region *parent;
    struct seh_try *stmt; /* of the four last kinds */
};

enum seh_exit_kind { EXIT_RETURN, EXIT_BREAK, EXIT_CONTINUE, EXIT_GOTO };

struct seh_exit {
    enum seh_exit_kind kind;
    size_t target; /* EXIT_GOTO: the token of the label's name */
    char *code;    /* what leaves from behind the __finally block */
};

struct seh_try {
    struct seh_try *next;
    int id;
    bool finally;
    bool leave_used;
    bool never_ends;   /* the body's last statement is an exit */
    bool block_leaves; /* the last one of the __finally block is */
    size_t body_close, handler_close;
    struct seh_exit *way;
    size_t way_count;
};

struct seh_jump {
    size_t token; /* the goto, or the label */
    size_t name;
    struct seh_region *region;
};

struct seh_function {
    struct seh_function *outer; /* of a lambda */
    size_t decl, params, body;
    size_t result_from, result_to; /* tokens of the result type, or SEH_NOWHERE */
    bool result_void;
    bool value_used;
    struct seh_region *root;
    struct seh_jump *label, *jump;
    size_t label_count, jump_count;
    struct seh_try *tries;
};

struct seh_rewrite {
    struct lex_source *src;
    bool clang, failed;
    int next_id;
    struct cc_text errors;
    struct seh_edit *edit;
    size_t edit_count;
    size_t *tries_before; /* [i]: __try tokens before token i */
    bool *rewritten;      /* [i]: the __try at token i is */
    struct seh_region **regions;
    size_t region_count;
    struct seh_try *tries;
};

#define SEH_MAX_NESTING 256

/* ---- seh_pass.c: tokens, messages, edits -------------------------------------------------------------- */

bool seh_is(const struct seh_rewrite *p, size_t i, const char *spelling);
bool seh_is_any(const struct seh_rewrite *p, size_t i, const char *const *words);
bool seh_is_ident(const struct seh_rewrite *p, size_t i);
bool seh_same_word(const struct seh_rewrite *p, size_t a, size_t b);
/* Token i is __try (or _try, or in C `try` in front of a block). */
bool seh_is_try(const struct seh_rewrite *p, size_t i);
bool seh_has_try(const struct seh_rewrite *p, size_t from, size_t to);
/* An error at a token: the whole text is then not compiled. */
void seh_fail(struct seh_rewrite *p, size_t token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Edits take their text over. */
void seh_replace(struct seh_rewrite *p, size_t token, char *text);
void seh_insert_before(struct seh_rewrite *p, size_t token, char *text);
void seh_insert_after(struct seh_rewrite *p, size_t token, char *text);
/* Lives as long as the pass. */
struct seh_region *seh_new_region(struct seh_rewrite *p, enum seh_region_kind kind, struct seh_region *parent,
                                  struct seh_try *stmt);

/* ---- seh_expression.c --------------------------------------------------------------------------------- */

/* Tokens from..to of an expression or declaration: intrinsics, and the blocks that may hide in it. */
void seh_expression(struct seh_rewrite *p, struct seh_function *fn, size_t from, size_t to,
                    struct seh_region *region);
/* The `;` that ends the statement at i. */
size_t seh_statement_end(struct seh_rewrite *p, size_t i);
/* `{` opens the body of a lambda: ] {, ] (...) {, ] (...) mutable noexcept -> T {.
 * Then *params is its `(`, or SEH_NOWHERE. */
bool seh_is_lambda_body(const struct seh_rewrite *p, size_t open, size_t start, size_t *params);

/* ---- seh_statement.c ---------------------------------------------------------------------------------- */

/* The block that opens at token `open`; returns the token behind it. */
size_t seh_block(struct seh_rewrite *p, struct seh_function *fn, size_t open, struct seh_region *region);
/* break, continue or goto at `token`, out to the region `to`: through the __finally blocks between. */
void seh_leave_to(struct seh_rewrite *p, struct seh_function *fn, size_t token, struct seh_region *from,
                  const struct seh_region *to, enum seh_exit_kind kind, size_t target);
/* Texts behind the body and behind the block; known once the whole function is. */
void seh_close_try(struct seh_rewrite *p, const struct seh_try *t);

/* ---- seh_function.c ----------------------------------------------------------------------------------- */

/* The declarations from..to at file, namespace or class scope, and the functions among them. */
void seh_scope(struct seh_rewrite *p, size_t from, size_t to, bool class_scope);
void seh_lambda(struct seh_rewrite *p, struct seh_function *outer, size_t params, size_t open);

#endif
