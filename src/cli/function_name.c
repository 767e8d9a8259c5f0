/* function_name.c: see function_name.h. From the brace that opens the body back to the name before the parameters. */
#include "function_name.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* The token before `at` that is not what may stand between parameters and body: `const`, `noexcept(...)`, an attribute. */
static size_t behind_parameters(const struct lex_source *s, size_t at)
{
    static const char *const words[] = {"const", "volatile", "noexcept", "override", "final",
                                        "&",     "&&",       "try",      "mutable",  NULL};
    static const char *const calls[] = {"__attribute__", "noexcept", "__asm__", "throw", NULL};
    while (at > 1) {
        size_t open = lex_is(s, at - 1, ")") ? s->tok[at - 1].match : 0;
        if (lex_is_any(s, at - 1, words))
            at--;
        else if (open > 0 && lex_is_any(s, open - 1, calls))
            at = open - 1;
        else
            break;
    }
    return at - 1;
}

/* `-> Type` before `at`: the token before it, else `at` - 1. */
static size_t before_result(const struct lex_source *s, size_t at)
{
    static const char *const ends[] = {";", "}", "{", NULL};
    for (size_t i = at, n = 0; i > 1 && n < 16 && !lex_is_any(s, i - 1, ends); i--, n++) {
        if (lex_is(s, i - 1, "->"))
            return behind_parameters(s, i - 1);
        if (lex_is(s, i - 1, ")"))
            i = s->tok[i - 1].match + 1;
    }
    return behind_parameters(s, at);
}

/* The name that ends before the `(` of parameters: its first token; 0: none, as in `if (...)`. */
static size_t name_before(const struct lex_source *s, size_t open)
{
    static const char *const none[] = {"if",       "for",        "while",  "switch",        "catch",
                                       "__except", "__except__", "return", "__attribute__", "sizeof",
                                       "alignas",  NULL};
    for (size_t i = open, n = 0; s->cplusplus && i > 0 && n < 4; i--, n++) /* operator==(, operator new( */
        if (lex_is(s, i - 1, "operator"))
            return i - 1;
    if (open == 0 || s->tok[open - 1].kind != LEX_IDENT || lex_is_any(s, open - 1, none))
        return 0;
    return open > 1 && lex_is(s, open - 2, "~") ? open - 2 : open - 1;
}

/* `int (*name(parameters))(...)`: the inner ones are the function's. */
static size_t inner_parameters(const struct lex_source *s, size_t open)
{
    size_t i = open > 0 && lex_is(s, open - 1, ")") ? s->tok[open - 1].match + 1 : 0;
    if (i == 0 || !lex_is(s, i, "*"))
        return open;
    while (lex_is(s, i, "*") || lex_is(s, i, "const"))
        i++;
    return s->tok[i].kind == LEX_IDENT && lex_is(s, i + 1, "(") ? i + 1 : open;
}

/* The parameters of the function whose body the brace at `body` opens; 0: it opens something else. */
static size_t parameters_of(const struct lex_source *s, size_t body)
{
    static const char *const access[] = {"public", "private", "protected", NULL};
    size_t last = body ? (s->cplusplus ? before_result(s, body) : behind_parameters(s, body)) : 0;
    for (;;) { /* back through `: member(a), other{b}` */
        if (last == 0 || !(lex_is(s, last, ")") || (s->cplusplus && lex_is(s, last, "}"))))
            return 0;
        size_t open = s->tok[last].match, name = open;
        while (name > 1 && (s->tok[name - 1].kind == LEX_IDENT || lex_is(s, name - 1, "::")))
            name--;
        if (s->cplusplus && name > 1 && name < open && lex_is(s, name - 1, ","))
            last = name - 2;
        else if (s->cplusplus && name > 1 && name < open && lex_is(s, name - 1, ":") &&
                 !lex_is_any(s, name - 2, access))
            last = behind_parameters(s, name - 1);
        else
            return lex_is(s, last, ")") ? inner_parameters(s, open) : 0;
    }
}

static void add_token(struct cc_text *text, const struct lex_source *s, size_t i)
{
    cc_text_add(text, s->text + s->tok[i].at, s->tok[i].len);
}

/* `Outer::Inner::` of the classes and namespaces around; `at` is the brace that opens one of them, or none. */
static void add_scope(struct cc_text *text, const struct lex_source *s, size_t at)
{
    static const char *const keys[] = {"class", "struct", "union", "namespace", NULL};
    static const char *const ends[] = {";", "}", "{", NULL};
    for (size_t i = at; i > 0 && !lex_is_any(s, i - 1, ends); i--) {
        size_t open = lex_is(s, i - 1, ")") ? s->tok[i - 1].match : 0;
        if (open > 0 && lex_is(s, open - 1, "__attribute__"))
            i = open;
        else if (lex_is(s, i - 1, ")"))
            return; /* a function, or a statement */
        if (!lex_is_any(s, i - 1, keys) || (i > 1 && (lex_is(s, i - 2, "<") || lex_is(s, i - 2, ","))))
            continue; /* template <class T> */
        size_t name = i, before = text->len;
        while (lex_is(s, name, "__attribute__"))
            name = s->tok[name + 1].match + 1;
        for (; name < at && (s->tok[name].kind == LEX_IDENT || lex_is(s, name, "::")); name++)
            if (!lex_is(s, name, "final"))
                add_token(text, s, name);
        if (name == i && lex_is(s, i - 1, "namespace"))
            cc_text_puts(text, "`anonymous-namespace'");
        if (text->len > before)
            cc_text_puts(text, "::");
        return;
    }
}

char *function_name(const struct lex_source *s, size_t i)
{
    size_t depth = 0, room = 0, *open = NULL;
    for (size_t k = 0; k < i && k < s->count; k++) {
        if (!lex_is(s, k, "{"))
            continue;
        if (s->tok[k].match < i) {
            k = s->tok[k].match;
            continue;
        }
        if (depth == room) {
            room = room ? 2 * room : 16;
            open = cc_realloc(open, room * sizeof *open);
        }
        open[depth++] = k;
    }
    struct cc_text text = {0};
    while (depth > 0 && !text.len) {
        size_t params = parameters_of(s, open[--depth]), name = params ? name_before(s, params) : 0;
        if (!name)
            continue;
        for (size_t k = 0; s->cplusplus && k < depth; k++)
            add_scope(&text, s, open[k]);
        size_t first = name;
        while (first > 1 && lex_is(s, first - 1, "::") && s->tok[first - 2].kind == LEX_IDENT)
            first -= 2;
        for (; first < params; first++)
            add_token(&text, s, first);
    }
    free(open);
    return text.data;
}
