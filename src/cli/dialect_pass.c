/* dialect_pass.c: what MSVC takes and gcc and clang do not (T-04): inline functions, `sizeof Type`, 1ui64, an alignment
 * before `struct`, __FUNCTION__ beside a string.
 *
 * MSVC emits a non-static inline function in every object that uses it and lets the linker keep one. C99
 * emits none, so that a call which was not inlined, or an address taken, would not link. */
#include "dialect_pass.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "function_name.h"

struct edit {
    size_t at, drop;
    char *text;
};

struct dialect {
    const struct lex_source *src;
    struct edit *edit;
    size_t edits;
};

static bool opens(const struct lex_source *s, size_t i)
{
    static const char *const brackets[] = {"(", "[", "{", NULL};
    return lex_is_any(s, i, brackets);
}

static bool same(const struct lex_source *s, size_t a, size_t b)
{
    const struct lex_token *x = &s->tok[a], *y = &s->tok[b];
    return x->len == y->len && memcmp(s->text + x->at, s->text + y->at, x->len) == 0;
}

/* Puts `text` in place of `drop` characters at `at`. */
static void replace(struct dialect *t, size_t at, size_t drop, const char *text)
{
    t->edit = cc_realloc(t->edit, (t->edits + 1) * sizeof *t->edit);
    t->edit[t->edits++] = (struct edit){.at = at, .drop = drop, .text = cc_strdup(text)};
}

static void insert_before(struct dialect *t, size_t i, const char *text)
{
    replace(t, t->src->tok[i].at, 0, text);
}

static void insert_behind(struct dialect *t, size_t i, const char *text)
{
    replace(t, t->src->tok[i].at + t->src->tok[i].len, 0, text);
}

static void drop(struct dialect *t, size_t i)
{
    replace(t, t->src->tok[i].at, t->src->tok[i].len, "");
}

/* `(` opens what belongs to an attribute or to the type, not the parameters. */
static bool not_parameters(const struct lex_source *s, size_t open)
{
    static const char *const words[] = {"__attribute__", "__attribute", "__declspec", "alignas", "_Alignas",
                                        "__typeof__",    "typeof",      "__typeof",   "asm",     "__asm__",
                                        "__asm",         "decltype",    "_Atomic",    NULL};
    return open == 0 || s->tok[open - 1].kind != LEX_IDENT || lex_is_any(s, open - 1, words);
}

struct head {
    size_t name, params; /* 0: not found */
    size_t word;         /* the first `inline`, 0: none */
    bool is_static, is_extern, gnu_inline;
};

static void read_attributes(const struct lex_source *s, size_t open, struct head *h)
{
    for (size_t i = open; i < s->tok[open].match; i++)
        h->gnu_inline = h->gnu_inline || lex_is(s, i, "__gnu_inline__") || lex_is(s, i, "gnu_inline");
}

static const char *const inline_words[] = {"inline", "__inline", "__inline__", NULL};

/* One declaration at file scope, up to its `{` or `;`. */
static void read_head(const struct lex_source *s, size_t from, size_t to, struct head *h)
{
    *h = (struct head){0};
    for (size_t i = from; i < to; i++) {
        if (lex_is_any(s, i, inline_words)) {
            if (!h->word)
                h->word = i + 1; /* never 0 */
        } else if (lex_is(s, i, "static")) {
            h->is_static = true;
        } else if (lex_is(s, i, "extern")) {
            h->is_extern = true;
        } else if (opens(s, i)) {
            bool result_is_pointer_to_function = lex_is(s, i, "(") && !h->params && lex_is(s, i + 1, "*");
            if (result_is_pointer_to_function)
                continue; /* int (*name(...))(...): the name is inside */
            if (lex_is(s, i, "(") && !h->params && !not_parameters(s, i)) {
                h->name = i - 1;
                h->params = i;
            } else {
                read_attributes(s, i, h);
            }
            i = s->tok[i].match;
        }
    }
}

static void remember(struct cc_list *names, const struct lex_source *s, size_t i)
{
    char *name = cc_strndup(s->text + s->tok[i].at, s->tok[i].len);
    cc_list_add_once(names, name);
    free(name);
}

/* A call of `name`, or a `...` among its parameters: gcc refuses to inline that by force. */
static bool never_inlined(const struct lex_source *s, size_t name, size_t params, size_t body)
{
    for (size_t i = params; i < s->tok[params].match; i++)
        if (lex_is(s, i, ".") && lex_is(s, i + 1, "."))
            return true;
    for (size_t i = body; i < s->tok[body].match; i++)
        if (s->tok[i].kind == LEX_IDENT && same(s, i, name) && lex_is(s, i + 1, "(") &&
            !lex_is(s, i - 1, ".") && !lex_is(s, i - 1, "->"))
            return true;
    return false;
}

/* The force at token i is in vain: the function behind it is one of those. */
static bool in_vain(const struct lex_source *s, size_t i)
{
    while (i < s->count && lex_is(s, i + 1, ")"))
        i++; /* out of the attribute's brackets, or to the next attribute of the list */
    size_t name = 0, params = 0;
    for (i++; i < s->count && !lex_is(s, i, ";") && !lex_is(s, i, "}") && !lex_is(s, i, ")"); i++) {
        if (lex_is(s, i, "{"))
            return params && never_inlined(s, name, params, i);
        if (lex_is(s, i, "(") && !params && !not_parameters(s, i)) {
            name = i - 1;
            params = i;
        }
        if (opens(s, i))
            i = s->tok[i].match;
    }
    return false;
}

static const char *const force_words[] = {"__always_inline__", "always_inline", NULL};

static void drop_force(struct dialect *t, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (lex_is_any(t->src, i, force_words) && in_vain(t->src, i))
            drop(t, i);
}

/* A variable that lasts: all objects must call one copy. */
static bool has_state(const struct lex_source *s, size_t body)
{
    for (size_t i = body; i < s->tok[body].match; i++)
        if (lex_is(s, i, "static") && !lex_is(s, i + 1, "const"))
            return true;
    return false;
}

/* No inlining of what must stay one function: the compiler sees only `weak`. */
static void drop_inline(struct dialect *t, size_t from, size_t to, bool is_extern)
{
    insert_before(t, from, is_extern ? "__attribute__((__weak__)) " : "extern __attribute__((__weak__)) ");
    for (size_t i = from; i < to; i++)
        if (lex_is_any(t->src, i, inline_words) || lex_is_any(t->src, i, force_words))
            drop(t, i);
}

/* One declaration at file scope of C; `body` is its `{`, or its `;`. */
static void declaration(struct dialect *t, size_t from, size_t body, struct cc_list *weak)
{
    struct head h;
    read_head(t->src, from, body, &h);
    bool shared = h.word && h.params && !h.is_static && !h.gnu_inline;
    bool defined = lex_is(t->src, body, "{");
    if (shared && defined)
        remember(weak, t->src, h.name);
    if (shared && defined && has_state(t->src, body)) {
        drop_inline(t, from, body, h.is_extern);
    } else {
        if (shared && !h.is_extern)
            insert_before(t, h.word - 1, "extern ");
        drop_force(t, from, body);
    }
}

static void file_scope(struct dialect *t, struct cc_list *weak)
{
    static const char *const aggregates[] = {"struct", "union", "enum", NULL};
    const struct lex_source *s = t->src;
    size_t from = 0;
    for (size_t i = 0; i < s->count; i++) {
        bool block = lex_is(s, i, "{");
        bool members = false;
        for (size_t k = i; block && k > from && !lex_is(s, k - 1, ")") && !lex_is(s, k - 1, "="); k--)
            members = members || lex_is_any(s, k - 1, aggregates);
        bool value = block && i > from && lex_is(s, i - 1, "=");
        if ((block && !members && !value) || lex_is(s, i, ";")) {
            declaration(t, from, i, weak);
            if (block)
                i = s->tok[i].match;
            from = i + 1;
        } else if (opens(s, i)) {
            i = s->tok[i].match;
        }
    }
}

/* `sizeof Type` and `sizeof struct Name`: with brackets right for a variable, too. */
static void sizes(struct dialect *t)
{
    static const char *const tags[] = {"struct", "union", "enum", NULL};
    static const char *const ends[] = {",", ")", ";", "]", "}", "*",  "/",  "%",  "+",  "-",  "<",  ">",
                                       "&", "|", "^", "?", ":", "==", "!=", "<=", ">=", "&&", "||", NULL};
    const struct lex_source *s = t->src;
    for (size_t i = 0; i + 2 < s->count; i++) {
        if (!lex_is(s, i, "sizeof"))
            continue;
        size_t last = i + 1 + lex_is_any(s, i + 1, tags);
        if (s->tok[last].kind == LEX_IDENT && lex_is_any(s, last + 1, ends)) {
            insert_before(t, i + 1, "(");
            insert_behind(t, last, ")");
        }
    }
}

/* 1ui64, 0xFFUI8: MSVC's suffixes say the width. */
static void suffixes(struct dialect *t)
{
    static const struct {
        const char *suffix, *before, *behind;
    } forms[] = {
        {"ui64", "", "ULL"},
        {"ui32", "", "U"},
        {"ui16", "((unsigned short)", ")"},
        {"ui8", "((unsigned char)", ")"},
        {"i64", "", "LL"},
        {"i32", "", ""},
        {"i16", "((short)", ")"},
        {"i8", "((signed char)", ")"},
    };
    const struct lex_source *s = t->src;
    for (size_t i = 0; i < s->count; i++) {
        const struct lex_token *n = &s->tok[i];
        if (n->kind != LEX_NUMBER || n->len < 3 || !isdigit((unsigned char)s->text[n->at]))
            continue;
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
            size_t len = strlen(forms[k].suffix);
            if (n->len <= len || strncasecmp(s->text + n->at + n->len - len, forms[k].suffix, len) != 0)
                continue;
            replace(t, n->at, 0, forms[k].before);
            replace(t, n->at + n->len - len, len, forms[k].behind);
            break;
        }
    }
}

/* `__declspec(align(64)) struct S {...}`: to MSVC the alignment of S, to gcc and clang of what is declared with it, or of
 * nothing. Where the `{` of the type's definition opens, from the keyword on; 0: it is no definition. */
static size_t definition(const struct lex_source *s, size_t key)
{
    static const char *const ends[] = {";", ")", "=", "*", "&", "[", NULL};
    bool bases = false;
    for (size_t i = key + 1; i < s->count && !lex_is_any(s, i, ends); i++) {
        if (lex_is(s, i, "{"))
            return i;
        if (lex_is(s, i, "("))
            return 0;
        bases = bases || lex_is(s, i, ":");
        if (lex_is(s, i + 1, "(") && (bases || lex_is(s, i, "__attribute__") || lex_is(s, i, "alignas")))
            i = s->tok[i + 1].match;
    }
    return 0;
}

/* Token by token: line markers may stand between them, and lines stay where they are. */
static void move(struct dialect *t, size_t first, size_t last, size_t behind)
{
    struct cc_text text = {0};
    for (size_t i = first; i <= last; i++) {
        cc_text_puts(&text, " ");
        cc_text_add(&text, t->src->text + t->src->tok[i].at, t->src->tok[i].len);
        drop(t, i);
    }
    insert_behind(t, behind, text.data);
    free(text.data);
}

static void alignments(struct dialect *t)
{
    static const char *const keys[] = {"struct", "union", "class", NULL};
    static const char *const between[] = {"static", "extern", "const", "volatile", "typedef", NULL};
    static const char *const names[] = {"__aligned__", "aligned", NULL};
    const struct lex_source *s = t->src;
    for (size_t i = 0; i + 1 < s->count; i++) {
        if (!lex_is(s, i, "__attribute__") || !lex_is(s, i + 1, "(") || !lex_is_any(s, i + 3, names))
            continue;
        size_t end = s->tok[i + 1].match, key = end + 1;
        while (key < s->count && (lex_is(s, key, "__attribute__") || lex_is_any(s, key, between)))
            key = lex_is(s, key, "__attribute__") ? s->tok[key + 1].match + 1 : key + 1;
        if (lex_is_any(s, key, keys) && definition(s, key))
            move(t, i, end, key);
        i = end;
    }
}

/* To MSVC __FUNCTION__ is a string literal, which joins those beside it; to gcc and clang a variable, which will do
 * elsewhere. */
static void function_names(struct dialect *t)
{
    static const char *const wide[] = {"__FUNCTIONW__", "L__FUNCTION__", NULL};
    const struct lex_source *s = t->src;
    for (size_t i = 0; i < s->count; i++) {
        bool is_wide = lex_is_any(s, i, wide);
        if (!is_wide && !lex_is(s, i, "__FUNCTION__"))
            continue;
        bool beside = (i > 0 && s->tok[i - 1].kind == LEX_STRING) || s->tok[i + 1].kind == LEX_STRING;
        char *name = is_wide || beside ? function_name(s, i) : NULL;
        char *text = name ? cc_printf("%s\"%s\"", is_wide ? "L" : "", name) : NULL;
        if (text)
            replace(t, s->tok[i].at, s->tok[i].len, text);
        free(name);
        free(text);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->drop < y->drop ? -1 : x->drop > y->drop; /* what is put in front of a token that goes */
}

static void apply(struct dialect *t, struct cc_text *out)
{
    size_t copied = 0;
    qsort(t->edit, t->edits, sizeof *t->edit, by_place);
    for (size_t i = 0; i < t->edits; i++) {
        cc_text_add(out, t->src->text + copied, t->edit[i].at - copied);
        cc_text_puts(out, t->edit[i].text);
        copied = t->edit[i].at + t->edit[i].drop;
        free(t->edit[i].text);
    }
    cc_text_add(out, t->src->text + copied, t->src->len - copied);
    free(t->edit);
}

bool dialect_pass(const struct lex_source *source, char **out, size_t *out_len, struct cc_list *weak)
{
    struct dialect t = {.src = source};
    struct cc_text text = {0};
    if (source->cplusplus)
        drop_force(&t, 0, source->count);
    else
        file_scope(&t, weak);
    sizes(&t);
    suffixes(&t);
    alignments(&t);
    function_names(&t);
    *out = NULL;
    if (t.edits == 0)
        return false;
    apply(&t, &text);
    *out = text.data;
    *out_len = text.len;
    return true;
}
