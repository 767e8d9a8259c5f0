/* cc_long.c: warns about plain `long` where its size matters (T-09). */
#include "cc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of the driver's own text, each once. */
struct names {
    struct cc_list list;
};

static bool known(const struct names *names, const char *text, size_t len)
{
    for (size_t i = 0; i < names->list.count; i++)
        if (strlen(names->list.item[i]) == len && memcmp(names->list.item[i], text, len) == 0)
            return true;
    return false;
}

static bool known_token(const struct names *names, const struct lex_source *s, size_t i)
{
    return s->tok[i].kind == LEX_IDENT && known(names, s->text + s->tok[i].at, s->tok[i].len);
}

static void remember(struct names *names, const struct lex_source *s, size_t i)
{
    if (known_token(names, s, i))
        return;
    char *name = cc_strndup(s->text + s->tok[i].at, s->tok[i].len);
    cc_list_add(&names->list, name);
    free(name);
}

static bool own(const struct lex_source *s, size_t i)
{
    const struct lex_file *file = &s->files[s->tok[i].file];
    return !file->system && file->name[0] != '<';
}

static const char *const specifiers[] = {"long",     "int",   "unsigned", "signed", "const",
                                         "volatile", "short", "double",   "char",   NULL};

/* Token i is the `long`, or the driver's own name for it, of a type that is neither long long nor long
 * double. *behind: the first token that is no part of the type. */
static bool plain_long(const struct lex_source *s, const struct names *types, size_t i, size_t *behind)
{
    if (known_token(types, s, i)) {
        *behind = i + 1;
        return true;
    }
    if (!lex_is(s, i, "long"))
        return false;
    size_t from = i, to = i + 1, longs = 0;
    while (from > 0 && lex_is_any(s, from - 1, specifiers))
        from--;
    while (lex_is_any(s, to, specifiers))
        to++;
    for (size_t k = from; k < to; k++) {
        if (lex_is(s, k, "double"))
            return false;
        longs += lex_is(s, k, "long");
    }
    *behind = to;
    return longs == 1;
}

/* The `{` of struct, union or class at i; 0 when it is only named. */
static size_t aggregate_brace(const struct lex_source *s, size_t i)
{
    static const char *const stop[] = {";", "(", ")", "*", "=", "[", "}", NULL};
    static const char *const attributes[] = {"__attribute__", "__declspec", "alignas", "_Alignas", NULL};
    bool bases = false;
    for (i++; i < s->count; i++) {
        if (lex_is(s, i, "{"))
            return i;
        if (lex_is_any(s, i, attributes) && lex_is(s, i + 1, "("))
            i = s->tok[i + 1].match;
        else if (lex_is(s, i, ":"))
            bases = true;
        else if (lex_is_any(s, i, stop) || (!bases && (lex_is(s, i, ",") || lex_is(s, i, ">"))))
            return 0;
    }
    return 0;
}

static void warn(const struct lex_source *s, size_t i, const char *what)
{
    fprintf(stderr, "%s:%u: warning: %s\n", s->files[s->tok[i].file].name, s->tok[i].line, what);
}

/* The members of one structure; nested ones are seen on their own. */
static void check_members(const struct lex_source *s, const struct names *types, size_t open)
{
    for (size_t i = open + 1; i < s->tok[open].match; i++) {
        if (lex_is(s, i, "(") || lex_is(s, i, "{") || lex_is(s, i, "[")) {
            i = s->tok[i].match;
            continue;
        }
        size_t behind;
        if (!own(s, i) || !plain_long(s, types, i, &behind))
            continue;
        size_t name = behind;
        while (lex_is(s, name, "*"))
            name++;
        bool pointer = name > behind;
        bool method = s->tok[name].kind == LEX_IDENT && lex_is(s, name + 1, "(");
        if (!method && !pointer && !lex_is(s, name, "("))
            warn(s, i, "plain `long` in a structure: 64 bits here, 32 on Windows; write LONG or ULONG");
        i = behind - 1;
    }
}

/* Own typedefs of long, and the names that are declared with it. */
static void collect(const struct lex_source *s, struct names *types, struct names *variables)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t k;
        if (!own(s, i) || !plain_long(s, types, i, &k))
            continue;
        size_t first = i;
        while (first > 0 && lex_is_any(s, first - 1, specifiers))
            first--;
        bool type = first > 0 && lex_is(s, first - 1, "typedef");
        for (;;) {
            while (lex_is(s, k, "*") || lex_is(s, k, "const") || lex_is(s, k, "volatile"))
                k++;
            if (s->tok[k].kind != LEX_IDENT || lex_is(s, k + 1, "("))
                break;
            if (!type)
                remember(variables, s, k);
            else if (lex_is(s, k + 1, ";"))
                remember(types, s, k);
            k++;
            while (lex_is(s, k, "["))
                k = s->tok[k].match + 1;
            if (!lex_is(s, k, ",") || lex_is_any(s, k + 1, specifiers))
                break;
            k++;
        }
    }
}

/* The 32-bit ones: their text, not what the macros made of it. */
static bool interlocked(const struct lex_source *s, size_t i)
{
    const struct lex_token *t = &s->tok[i];
    if (t->kind != LEX_IDENT || !lex_is(s, i + 1, "("))
        return false;
    char *name = cc_strndup(s->text + t->at, t->len);
    const char *n = name[0] == '_' ? name + 1 : name;
    bool is = strncmp(n, "Interlocked", 11) == 0 && !strstr(n, "64") && !strstr(n, "Pointer") &&
              !strstr(n, "List") && !strstr(n, "16") && !strstr(n, "128");
    free(name);
    return is;
}

static void check_calls(const struct lex_source *s, const struct names *types, const struct names *variables)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!interlocked(s, i))
            continue;
        size_t depth = 0, last = 0, behind;
        bool found = false;
        for (size_t k = i + 2; k < s->count; k++) {
            if (lex_is(s, k, "(") || lex_is(s, k, "["))
                depth++;
            else if (depth > 0 && (lex_is(s, k, ")") || lex_is(s, k, "]")))
                depth--;
            else if (depth == 0 && (lex_is(s, k, ",") || lex_is(s, k, ")")))
                break;
            if (lex_is(s, k - 1, "(") && depth > 0 && plain_long(s, types, k, &behind))
                found = true; /* a cast */
            if (s->tok[k].kind == LEX_IDENT && depth == 0)
                last = k;
        }
        if (found || (last && known_token(variables, s, last)))
            warn(s, i,
                 "plain `long` handed to a 32-bit Interlocked function: 64 bits here, 32 on Windows; "
                 "declare it LONG");
    }
}

void cc_check_long(const struct lex_source *source)
{
    static const char *const aggregates[] = {"struct", "union", "class", NULL};
    struct names types = {0}, variables = {0};
    collect(source, &types, &variables);
    for (size_t i = 0; i < source->count; i++) {
        size_t open = lex_is_any(source, i, aggregates) ? aggregate_brace(source, i) : 0;
        if (open)
            check_members(source, &types, open);
    }
    for (size_t f = 0; f < source->file_count; f++) {
        const struct lex_file *file = &source->files[f];
        size_t len;
        char *text = file->system || file->name[0] == '<' ? NULL : cc_read_file(file->name, &len);
        if (!text)
            continue;
        struct lex_source raw;
        lex_text(&raw, text, len, file->name, source->cplusplus);
        check_calls(&raw, &types, &variables);
        lex_free(&raw);
        free(text);
    }
    cc_list_free(&types.list);
    cc_list_free(&variables.list);
}
