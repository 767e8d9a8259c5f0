/* seh_pass.c: structured exception handling as a rewrite of the source text (T-04).
 *
 * Every change is an insertion or replacement at one token, none adds or takes a
 * line. With F a frame, X the number of the way out and R the value to return:
 *
 *   __try {B} __except (E) {H}
 *       { frame F; enter(F); if (save(F) == 0) { {B} } else { filter(F, (E)); {H} } }
 *
 *   __try {B} __finally {H}
 *       { frame F; int X = 0; enter(F); if (save(F) == 0) { {B} } else { X = -1; }
 *         fin: leave(F); {H} if (X == -1) resume(F); if (X == 1) return R; ... }
 *
 * Leaving the scope of F pops it (cleanup attribute), which serves every exit out
 * of an __except body. An exit out of a __finally body becomes `X = n; goto fin;`
 * and happens after H, in the body around it, where the same rule may apply again:
 * so inner blocks run before outer ones. */
#include "seh_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers ---- */

bool seh_is(const struct seh_rewrite *p, size_t i, const char *spelling)
{
    return lex_is(p->src, i, spelling);
}

bool seh_is_any(const struct seh_rewrite *p, size_t i, const char *const *words)
{
    for (; *words; words++)
        if (seh_is(p, i, *words))
            return true;
    return false;
}

bool seh_is_ident(const struct seh_rewrite *p, size_t i)
{
    return i < p->src->count && p->src->tok[i].kind == LEX_IDENT;
}

bool seh_same_word(const struct seh_rewrite *p, size_t a, size_t b)
{
    const struct lex_token *x = &p->src->tok[a], *y = &p->src->tok[b];
    return x->len == y->len && memcmp(p->src->text + x->at, p->src->text + y->at, x->len) == 0;
}

void seh_fail(struct seh_rewrite *p, size_t token, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const struct lex_token *t = &p->src->tok[token];
    char *line = cc_printf("%s:%u: error: %s\n", p->src->files[t->file].name, t->line, message);
    cc_text_puts(&p->errors, line);
    free(line);
    p->failed = true;
}

static void add_edit(struct seh_rewrite *p, size_t at, size_t drop, char *text)
{
    p->edit = cc_realloc(p->edit, (p->edit_count + 1) * sizeof *p->edit);
    p->edit[p->edit_count] = (struct seh_edit){.at = at, .drop = drop, .order = p->edit_count, .text = text};
    p->edit_count++;
}

void seh_replace(struct seh_rewrite *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at, p->src->tok[token].len, text);
}

void seh_insert_before(struct seh_rewrite *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at, 0, text);
}

void seh_insert_after(struct seh_rewrite *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at + p->src->tok[token].len, 0, text);
}

struct seh_region *seh_new_region(struct seh_rewrite *p, enum seh_region_kind kind, struct seh_region *parent,
                                  struct seh_try *stmt)
{
    struct seh_region *r = cc_realloc(NULL, sizeof *r);
    *r = (struct seh_region){.kind = kind, .parent = parent, .stmt = stmt};
    p->regions = cc_realloc(p->regions, (p->region_count + 1) * sizeof(struct seh_region *));
    p->regions[p->region_count++] = r;
    return r;
}

bool seh_is_try(const struct seh_rewrite *p, size_t i)
{
    static const char *const words[] = {"__try", "_try", NULL};
    if (seh_is_any(p, i, words))
        return true;
    return !p->src->cplusplus && seh_is(p, i, "try") && seh_is(p, i + 1, "{");
}

bool seh_has_try(const struct seh_rewrite *p, size_t from, size_t to)
{
    return p->tries_before[to] > p->tries_before[from];
}

/* ---- the text ----------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct seh_edit *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static char *apply(struct seh_rewrite *p, size_t *len)
{
    qsort(p->edit, p->edit_count, sizeof *p->edit, by_place);
    struct cc_text text = {0};
    size_t at = 0;
    for (size_t i = 0; i < p->edit_count; i++) {
        cc_text_add(&text, p->src->text + at, p->edit[i].at - at);
        cc_text_puts(&text, p->edit[i].text);
        at = p->edit[i].at + p->edit[i].drop;
    }
    cc_text_add(&text, p->src->text + at, p->src->len - at);
    *len = text.len;
    return text.data;
}

static void free_pass(struct seh_rewrite *p)
{
    for (size_t i = 0; i < p->edit_count; i++)
        free(p->edit[i].text);
    free(p->edit);
    for (size_t i = 0; i < p->region_count; i++)
        free(p->regions[i]);
    free(p->regions);
    while (p->tries) {
        struct seh_try *t = p->tries;
        p->tries = t->next;
        for (size_t k = 0; k < t->way_count; k++)
            free(t->way[k].code);
        free(t->way);
        free(t);
    }
    free(p->tries_before);
    free(p->rewritten);
}

/* DbgPrint("text", ): what is left of an empty __VA_ARGS__; MSVC's preprocessor drops the comma. */
static void drop_trailing_commas(struct seh_rewrite *p)
{
    for (size_t i = 0; i + 1 < p->src->count; i++)
        if (seh_is(p, i, ",") && seh_is(p, i + 1, ")"))
            seh_replace(p, i, cc_strdup(""));
}

enum seh_result seh_pass(struct lex_source *source, bool clang, char **out, size_t *out_len)
{
    struct seh_rewrite p = {.src = source, .clang = clang};
    *out = NULL;
    p.tries_before = cc_realloc(NULL, (source->count + 2) * sizeof *p.tries_before);
    p.tries_before[0] = 0;
    p.rewritten = cc_realloc(NULL, source->count + 1);
    memset(p.rewritten, 0, source->count + 1);
    for (size_t i = 0; i <= source->count; i++)
        p.tries_before[i + 1] = p.tries_before[i] + (i < source->count && seh_is_try(&p, i));
    drop_trailing_commas(&p);
    size_t total = p.tries_before[source->count], bad;
    if (total == 0 && p.edit_count == 0) {
        free(p.tries_before);
        free(p.rewritten);
        return SEH_NONE;
    }
    if (total > 0 && !lex_match_brackets(source, &bad)) {
        seh_fail(&p, bad, "a bracket without its partner, in a source with __try");
    } else if (total > 0) {
        seh_scope(&p, 0, source->count, false);
        for (size_t i = 0; i < source->count && !p.failed; i++)
            if (seh_is_try(&p, i) && !p.rewritten[i])
                seh_fail(&p, i, "__try stands where `uwsk cc` cannot rewrite it");
    }
    if (p.failed) {
        *out = p.errors.data;
        *out_len = p.errors.len;
    } else {
        *out = apply(&p, out_len);
    }
    bool failed = p.failed;
    free_pass(&p);
    return failed ? SEH_ERROR : SEH_REWRITTEN;
}
