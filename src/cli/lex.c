/* lex.c: cuts C and C++ text into tokens. */
#include "lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct lexer {
    struct lex_source *out;
    const char *p, *end;
    unsigned line, file;
    size_t room;
};

static unsigned file_index(struct lexer *lx, const char *name, size_t len, bool system)
{
    struct lex_source *out = lx->out;
    for (size_t i = 0; i < out->file_count; i++)
        if (strlen(out->files[i].name) == len && memcmp(out->files[i].name, name, len) == 0 &&
            out->files[i].system == system)
            return (unsigned)i;
    out->files = cc_realloc(out->files, (out->file_count + 1) * sizeof *out->files);
    out->files[out->file_count].name = cc_strndup(name, len);
    out->files[out->file_count].system = system;
    return (unsigned)out->file_count++;
}

static void add(struct lexer *lx, enum lex_kind kind, const char *from, unsigned line)
{
    struct lex_source *out = lx->out;
    if (out->count + 1 >= lx->room) {
        lx->room = lx->room ? lx->room * 2 : 1024;
        out->tok = cc_realloc(out->tok, lx->room * sizeof *out->tok);
    }
    out->tok[out->count] = (struct lex_token){
        .kind = kind,
        .at = (size_t)(from - out->text),
        .len = (size_t)(lx->p - from),
        .line = line,
        .file = lx->file,
    };
    if (kind != LEX_END)
        out->count++;
}

/* `# 12 "file.c" 1 3` or `#line 12 "file.c"`; anything else (a pragma) is skipped. */
static void directive(struct lexer *lx)
{
    const char *p = lx->p + 1;
    while (p < lx->end && (*p == ' ' || *p == '\t'))
        p++;
    bool hash_line = lx->end - p > 4 && memcmp(p, "line", 4) == 0 && isspace((unsigned char)p[4]);
    if (hash_line)
        p += 4;
    while (p < lx->end && (*p == ' ' || *p == '\t'))
        p++;
    bool marker = p < lx->end && isdigit((unsigned char)*p);
    unsigned number = 0;
    for (; marker && p < lx->end && isdigit((unsigned char)*p); p++)
        number = number * 10 + (unsigned)(*p - '0');
    while (p < lx->end && (*p == ' ' || *p == '\t'))
        p++;
    const char *name = NULL, *name_end = NULL;
    if (marker && p < lx->end && *p == '"') {
        name = ++p;
        while (p < lx->end && *p != '"' && *p != '\n')
            p += *p == '\\' && p + 1 < lx->end ? 2 : 1;
        name_end = p < lx->end ? p : lx->end;
        if (p < lx->end && *p == '"')
            p++;
    }
    bool system = false;
    while (p < lx->end && *p != '\n') {
        if (marker && *p == '3' && !isdigit((unsigned char)p[-1]))
            system = true;
        if (*p == '\\' && p + 1 < lx->end && p[1] == '\n') {
            lx->line++;
            p++;
        }
        p++;
    }
    lx->p = p;
    if (marker) {
        lx->line = number - 1; /* the end of this line counts */
        if (name)
            lx->file = file_index(lx, name, (size_t)(name_end - name),
                                  system || (hash_line && lx->out->files[lx->file].system));
    }
}

static void quoted(struct lexer *lx, char quote)
{
    lx->p++;
    while (lx->p < lx->end && *lx->p != quote && *lx->p != '\n') {
        if (*lx->p == '\\' && lx->p + 1 < lx->end) {
            lx->p++;
            if (*lx->p == '\n')
                lx->line++;
        }
        lx->p++;
    }
    if (lx->p < lx->end && *lx->p == quote)
        lx->p++;
}

/* R"mark( ... )mark" */
static void raw_string(struct lexer *lx)
{
    const char *mark = ++lx->p;
    while (lx->p < lx->end && *lx->p != '(')
        lx->p++;
    size_t mark_len = (size_t)(lx->p - mark);
    while (lx->p < lx->end) {
        if (*lx->p == '\n')
            lx->line++;
        if (*lx->p == ')' && (size_t)(lx->end - lx->p) > mark_len + 1 &&
            memcmp(lx->p + 1, mark, mark_len) == 0 && lx->p[1 + mark_len] == '"') {
            lx->p += mark_len + 2;
            return;
        }
        lx->p++;
    }
}

static bool one_of(const char *from, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && memcmp(*words, from, len) == 0)
            return true;
    return false;
}

static void word(struct lexer *lx)
{
    static const char *const prefixes[] = {"L", "u", "U", "u8", NULL};
    static const char *const raw_prefixes[] = {"R", "LR", "uR", "UR", "u8R", NULL};
    const char *from = lx->p;
    unsigned line = lx->line;
    while (lx->p < lx->end &&
           (isalnum((unsigned char)*lx->p) || *lx->p == '_' || *lx->p == '$' || (*lx->p & 0x80)))
        lx->p++;
    size_t len = (size_t)(lx->p - from);
    enum lex_kind kind = LEX_IDENT;
    if (lx->p < lx->end && *lx->p == '"' && lx->out->cplusplus && one_of(from, len, raw_prefixes)) {
        raw_string(lx);
        kind = LEX_STRING;
    } else if (lx->p < lx->end && (*lx->p == '"' || *lx->p == '\'') && one_of(from, len, prefixes)) {
        kind = *lx->p == '"' ? LEX_STRING : LEX_CHAR;
        quoted(lx, *lx->p);
    }
    add(lx, kind, from, line);
}

static void number(struct lexer *lx)
{
    const char *from = lx->p;
    while (lx->p < lx->end) {
        char c = *lx->p;
        if (strchr("eEpP", c) && lx->p + 1 < lx->end && (lx->p[1] == '+' || lx->p[1] == '-'))
            lx->p += 2;
        else if (isalnum((unsigned char)c) || c == '_' || c == '.')
            lx->p++;
        else if (c == '\'' && lx->out->cplusplus && lx->p + 1 < lx->end && isalnum((unsigned char)lx->p[1]))
            lx->p += 2;
        else
            break;
    }
    add(lx, LEX_NUMBER, from, lx->line);
}

static void punctuator(struct lexer *lx)
{
    static const char *const pairs[] = {"::", "->", "&&", "||", "==", "!=", "<=", ">=", "++", "--",
                                        "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", NULL};
    const char *from = lx->p;
    lx->p += lx->end - lx->p >= 2 && one_of(lx->p, 2, pairs) ? 2 : 1;
    add(lx, LEX_PUNCT, from, lx->line);
}

/* White space and comments. True if it ate something. */
static bool blank(struct lexer *lx, bool *line_start)
{
    const char *p = lx->p;
    if (*p == '\n') {
        lx->line++;
        *line_start = true;
        lx->p++;
    } else if (isspace((unsigned char)*p)) {
        lx->p++;
    } else if (*p == '\\' && p + 1 < lx->end && p[1] == '\n') {
        lx->line++;
        lx->p += 2;
    } else if (*p == '/' && p + 1 < lx->end && p[1] == '/') {
        while (lx->p < lx->end && *lx->p != '\n')
            lx->p++;
    } else if (*p == '/' && p + 1 < lx->end && p[1] == '*') {
        for (lx->p += 2; lx->p < lx->end; lx->p++) {
            if (*lx->p == '\n')
                lx->line++;
            if (*lx->p == '*' && lx->p + 1 < lx->end && lx->p[1] == '/') {
                lx->p += 2;
                break;
            }
        }
    } else {
        return false;
    }
    return true;
}

void lex_text(struct lex_source *source, const char *text, size_t len, const char *name, bool cplusplus)
{
    *source = (struct lex_source){.text = text, .len = len, .cplusplus = cplusplus};
    struct lexer lx = {.out = source, .p = text, .end = text + len, .line = 1};
    lx.file = file_index(&lx, name, strlen(name), false);
    bool line_start = true;
    while (lx.p < lx.end) {
        if (blank(&lx, &line_start))
            continue;
        char c = *lx.p;
        if (line_start && c == '#') {
            directive(&lx);
        } else if (isalpha((unsigned char)c) || c == '_' || c == '$' || (c & 0x80)) {
            word(&lx);
        } else if (isdigit((unsigned char)c) ||
                   (c == '.' && lx.p + 1 < lx.end && isdigit((unsigned char)lx.p[1]))) {
            number(&lx);
        } else if (c == '"' || c == '\'') {
            const char *from = lx.p;
            unsigned line = lx.line;
            quoted(&lx, c);
            add(&lx, c == '"' ? LEX_STRING : LEX_CHAR, from, line);
        } else {
            punctuator(&lx);
        }
        line_start = false;
    }
    add(&lx, LEX_END, lx.p, lx.line);
}

void lex_free(struct lex_source *source)
{
    for (size_t i = 0; i < source->file_count; i++)
        free(source->files[i].name);
    free(source->files);
    free(source->tok);
    *source = (struct lex_source){0};
}

bool lex_is(const struct lex_source *source, size_t i, const char *spelling)
{
    const struct lex_token *t = &source->tok[i < source->count ? i : source->count];
    if (t->kind != LEX_IDENT && t->kind != LEX_PUNCT)
        return false;
    return strlen(spelling) == t->len && memcmp(source->text + t->at, spelling, t->len) == 0;
}

bool lex_is_any(const struct lex_source *source, size_t i, const char *const *spellings)
{
    for (; *spellings; spellings++)
        if (lex_is(source, i, *spellings))
            return true;
    return false;
}

bool lex_match_brackets(struct lex_source *source, size_t *bad)
{
    size_t *open = cc_realloc(NULL, (source->count + 1) * sizeof *open);
    size_t depth = 0;
    bool good = true;
    for (size_t i = 0; i < source->count && good; i++) {
        const struct lex_token *t = &source->tok[i];
        if (t->kind != LEX_PUNCT || t->len != 1)
            continue;
        char c = source->text[t->at];
        if (c == '(' || c == '[' || c == '{') {
            open[depth++] = i;
        } else if (c == ')' || c == ']' || c == '}') {
            char partner = c == ')' ? '(' : c == ']' ? '[' : '{';
            if (depth == 0 || source->text[source->tok[open[depth - 1]].at] != partner) {
                *bad = i;
                good = false;
            } else {
                source->tok[i].match = open[--depth];
                source->tok[open[depth]].match = i;
            }
        }
    }
    if (good && depth > 0) {
        *bad = open[depth - 1];
        good = false;
    }
    free(open);
    return good;
}
