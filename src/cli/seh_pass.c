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
#include "seh_pass.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define NOWHERE ((size_t)-1)

struct edit {
    size_t at, drop; /* replaces `drop` characters at `at` */
    size_t order;
    char *text;
};

enum region_kind {
    REGION_FUNCTION,
    REGION_LOOP,
    REGION_SWITCH,
    REGION_TRY,     /* the body of a __try */
    REGION_FILTER,  /* the expression of an __except */
    REGION_HANDLER, /* the block of an __except */
    REGION_FINALLY, /* the block of a __finally */
};

struct try_stmt;

struct region {
    enum region_kind kind;
    struct region *parent;
    struct try_stmt *stmt; /* of the four last kinds */
};

enum exit_kind { EXIT_RETURN, EXIT_BREAK, EXIT_CONTINUE, EXIT_GOTO };

struct exit_way {
    enum exit_kind kind;
    size_t target; /* EXIT_GOTO: the token of the label's name */
    char *code;    /* what leaves from behind the __finally block */
};

struct try_stmt {
    struct try_stmt *next;
    int id;
    bool finally;
    bool leave_used;
    bool never_ends;   /* the body's last statement is an exit */
    bool block_leaves; /* the last one of the __finally block is */
    size_t body_close, handler_close;
    struct exit_way *way;
    size_t way_count;
};

struct jump {
    size_t token; /* the goto, or the label */
    size_t name;
    struct region *region;
};

struct function {
    struct function *outer; /* of a lambda */
    size_t decl, params, body;
    size_t result_from, result_to; /* tokens of the result type, or NOWHERE */
    bool result_void;
    bool value_used;
    struct region *root;
    struct jump *label, *jump;
    size_t label_count, jump_count;
    struct try_stmt *tries;
};

struct pass {
    struct lex_source *src;
    bool clang, failed;
    int next_id;
    struct cc_text errors;
    struct edit *edit;
    size_t edit_count;
    size_t *tries_before; /* [i]: __try tokens before token i */
    bool *rewritten;      /* [i]: the __try at token i is */
    struct region **regions;
    size_t region_count;
    struct try_stmt *tries;
};

/* ---- helpers ---- */

static bool is(const struct pass *p, size_t i, const char *spelling)
{
    return lex_is(p->src, i, spelling);
}

static bool is_any(const struct pass *p, size_t i, const char *const *words)
{
    for (; *words; words++)
        if (is(p, i, *words))
            return true;
    return false;
}

static bool is_ident(const struct pass *p, size_t i)
{
    return i < p->src->count && p->src->tok[i].kind == LEX_IDENT;
}

static bool same_word(const struct pass *p, size_t a, size_t b)
{
    const struct lex_token *x = &p->src->tok[a], *y = &p->src->tok[b];
    return x->len == y->len && memcmp(p->src->text + x->at, p->src->text + y->at, x->len) == 0;
}

__attribute__((format(printf, 3, 4))) static void fail(struct pass *p, size_t token, const char *format, ...)
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

static void add_edit(struct pass *p, size_t at, size_t drop, char *text)
{
    p->edit = cc_realloc(p->edit, (p->edit_count + 1) * sizeof *p->edit);
    p->edit[p->edit_count] = (struct edit){.at = at, .drop = drop, .order = p->edit_count, .text = text};
    p->edit_count++;
}

static void replace(struct pass *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at, p->src->tok[token].len, text);
}

static void insert_before(struct pass *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at, 0, text);
}

static void insert_after(struct pass *p, size_t token, char *text)
{
    add_edit(p, p->src->tok[token].at + p->src->tok[token].len, 0, text);
}

static struct region *new_region(struct pass *p, enum region_kind kind, struct region *parent,
                                 struct try_stmt *stmt)
{
    struct region *r = cc_realloc(NULL, sizeof *r);
    *r = (struct region){.kind = kind, .parent = parent, .stmt = stmt};
    p->regions = cc_realloc(p->regions, (p->region_count + 1) * sizeof(struct region *));
    p->regions[p->region_count++] = r;
    return r;
}

/* ---- the words of SEH ---- */

static bool is_try(const struct pass *p, size_t i)
{
    static const char *const words[] = {"__try", "_try", NULL};
    if (is_any(p, i, words))
        return true;
    return !p->src->cplusplus && is(p, i, "try") && is(p, i + 1, "{");
}

static bool is_except(const struct pass *p, size_t i)
{
    static const char *const words[] = {"__except", "_except", NULL};
    return is_any(p, i, words) || (!p->src->cplusplus && is(p, i, "except"));
}

static bool is_finally(const struct pass *p, size_t i)
{
    static const char *const words[] = {"__finally", "_finally", NULL};
    return is_any(p, i, words) || (!p->src->cplusplus && is(p, i, "finally"));
}

/* At the start of a statement. */
static bool is_leave(const struct pass *p, size_t i)
{
    static const char *const words[] = {"__leave", "_leave", NULL};
    return is(p, i + 1, ";") && (is_any(p, i, words) || (!p->src->cplusplus && is(p, i, "leave")));
}

static bool has_try(const struct pass *p, size_t from, size_t to)
{
    return p->tries_before[to] > p->tries_before[from];
}

/* ---- exits ---- */

/* The __finally bodies between `from` (within) and `to` (outside), innermost first. */
static size_t crossed(struct region *from, const struct region *to, struct try_stmt **list, size_t room)
{
    size_t n = 0;
    for (struct region *r = from; r && r != to; r = r->parent)
        if (r->kind == REGION_TRY && r->stmt->finally && n < room)
            list[n++] = r->stmt;
    return n;
}

static char *native_exit(struct pass *p, const struct function *fn, enum exit_kind kind, size_t target)
{
    switch (kind) {
    case EXIT_RETURN:
        return cc_strdup(fn->value_used ? "return __uwsk_seh_value;" : "return;");
    case EXIT_BREAK:
        return cc_strdup("break;");
    case EXIT_CONTINUE:
        return cc_strdup("continue;");
    case EXIT_GOTO:
        break;
    }
    const struct lex_token *t = &p->src->tok[target];
    return cc_printf("goto %.*s;", (int)t->len, p->src->text + t->at);
}

/* The code that leaves through list[0..n), running the block of each. */
static char *exit_through(struct pass *p, const struct function *fn, struct try_stmt **list, size_t n,
                          enum exit_kind kind, size_t target)
{
    if (n == 0)
        return native_exit(p, fn, kind, target);
    struct try_stmt *t = list[0];
    size_t k = 0;
    while (k < t->way_count &&
           !(t->way[k].kind == kind && (kind != EXIT_GOTO || same_word(p, t->way[k].target, target))))
        k++;
    if (k == t->way_count) {
        char *code = exit_through(p, fn, list + 1, n - 1, kind, target);
        t->way = cc_realloc(t->way, (k + 1) * sizeof *t->way);
        t->way[t->way_count++] = (struct exit_way){.kind = kind, .target = target, .code = code};
    }
    return cc_printf("__uwsk_seh_x%d = %zu; goto __uwsk_seh_fin%d;", t->id, k + 1, t->id);
}

#define MAX_NESTING 256

/* break, continue or goto at `token`, out to the region `to`. */
static void leave_to(struct pass *p, struct function *fn, size_t token, struct region *from,
                     const struct region *to, enum exit_kind kind, size_t target)
{
    struct try_stmt *list[MAX_NESTING];
    size_t n = crossed(from, to, list, MAX_NESTING);
    if (n == 0)
        return;
    char *code = exit_through(p, fn, list, n, kind, target);
    size_t last = kind == EXIT_GOTO ? token + 2 : token + 1;
    replace(p, token, cc_printf("{ %s", code));
    if (kind == EXIT_GOTO)
        replace(p, token + 1, cc_strdup(""));
    replace(p, last, cc_strdup(" }"));
    free(code);
}

/* ---- expressions ---- */

static size_t parse_statement(struct pass *p, struct function *fn, size_t i, struct region *region);
static size_t parse_block(struct pass *p, struct function *fn, size_t open, struct region *region);
static void scan_scope(struct pass *p, size_t from, size_t to, bool class_scope);
static void function_body(struct pass *p, struct function *fn);

/* GetExceptionCode() and its like become calls that name the frame. */
static void intrinsic(struct pass *p, size_t i, struct region *region)
{
    static const char *const code[] = {"GetExceptionCode", "exception_code", "_exception_code",
                                       "__exception_code", NULL};
    static const char *const info[] = {"GetExceptionInformation", "exception_info", "_exception_info",
                                       "__exception_info", NULL};
    static const char *const abnormal[] = {"AbnormalTermination", "abnormal_termination",
                                           "_abnormal_termination", "__abnormal_termination", NULL};
    bool is_code = is_any(p, i, code), is_info = is_any(p, i, info), is_abnormal = is_any(p, i, abnormal);
    if (!(is_code || is_info || is_abnormal) || !is(p, i + 1, "(") || !is(p, i + 2, ")"))
        return;
    if (i > 0 && (is(p, i - 1, ".") || is(p, i - 1, "->") || is(p, i - 1, "::")))
        return; /* somebody's member */
    struct region *r = region;
    for (; r; r = r->parent)
        if (is_abnormal ? r->kind == REGION_FINALLY
                        : r->kind == REGION_FILTER || (is_code && r->kind == REGION_HANDLER))
            break;
    if (!r) {
        fail(p, i, "%.*s() is allowed only in %s", (int)p->src->tok[i].len, p->src->text + p->src->tok[i].at,
             is_abnormal ? "a __finally block"
             : is_info   ? "an __except filter"
                         : "an __except filter or its handler");
        return;
    }
    int id = r->stmt->id;
    if (is_abnormal) {
        replace(p, i, cc_printf("(__uwsk_seh_x%d != 0", id));
        replace(p, i + 1, cc_strdup(""));
    } else {
        replace(p, i,
                cc_strdup(is_info ? "((struct _EXCEPTION_POINTERS *)uwsk_seh_information" : "uwsk_seh_code"));
        insert_after(p, i + 1, cc_printf("&__uwsk_seh_f%d", id));
        if (is_info)
            insert_after(p, i + 2, cc_strdup(")"));
    }
}

/* `{` opens the body of a lambda: ] {, ] (...) {, ] (...) mutable noexcept -> T {.
 * Then *params is its `(`, or NOWHERE. */
static bool is_lambda_body(const struct pass *p, size_t open, size_t start, size_t *params)
{
    *params = NOWHERE;
    if (!p->src->cplusplus || open == 0)
        return false;
    size_t i = open;
    while (i > start) {
        i--;
        if (is(p, i, "]"))
            return p->src->tok[i].match < i;
        if (is(p, i, ")")) {
            size_t o = p->src->tok[i].match;
            if (o > 0 && is(p, o - 1, "]")) {
                *params = o;
                return true;
            }
            i = o; /* noexcept(...) or an attribute */
            continue;
        }
        if (is_ident(p, i) || is(p, i, "->") || is(p, i, "::") || is(p, i, "*") || is(p, i, "&") ||
            is(p, i, "<") || is(p, i, ">"))
            continue;
        return false;
    }
    return false;
}

static void lambda(struct pass *p, struct function *outer, size_t params, size_t open)
{
    struct function fn = {.outer = outer,
                          .decl = NOWHERE,
                          .params = params,
                          .body = open,
                          .result_from = NOWHERE,
                          .result_to = NOWHERE};
    for (size_t i = params == NOWHERE ? open : p->src->tok[params].match; i < open; i++)
        if (is(p, i, "->")) {
            fn.result_from = i + 1;
            fn.result_to = open;
            fn.result_void = is(p, i + 1, "void") && i + 2 == open;
        }
    function_body(p, &fn);
}

/* Tokens from..to of an expression or declaration. */
static void parse_range(struct pass *p, struct function *fn, size_t from, size_t to, struct region *region)
{
    static const char *const class_words[] = {"struct", "class", "union", NULL};
    bool initialised = false;
    for (size_t i = from; i < to; i++) {
        size_t params;
        initialised = initialised || is(p, i, "=");
        if (is_try(p, i)) {
            fail(p, i, "__try inside an expression");
        } else if (is(p, i, "{")) {
            size_t close = p->src->tok[i].match;
            bool statement = i > 0 && is(p, i - 1, "(") && is(p, close + 1, ")");
            if (statement) {
                parse_block(p, fn, i, region);
                i = close;
            } else if (is_lambda_body(p, i, from, &params)) {
                if (has_try(p, i, close))
                    lambda(p, fn, params, i);
                i = close;
            } else if (p->src->cplusplus && !initialised && has_try(p, i, close) &&
                       is_any(p, from, class_words)) {
                scan_scope(p, i + 1, close, true);
                i = close;
            } /* else an initialiser: look inside */
        } else if (is_ident(p, i)) {
            intrinsic(p, i, region);
        }
    }
}

/* The `;` that ends the statement at i. */
static size_t statement_end(struct pass *p, size_t i)
{
    static const char *const not_a_function[] = {
        "sizeof", "__typeof__", "typeof", "__typeof", "return", "if", "decltype", "__attribute__", NULL};
    size_t start = i;
    while (i < p->src->count && !is(p, i, ";")) {
        if (is(p, i, "}")) {
            fail(p, start, "this statement, in a function with __try, has no end");
            return i - 1;
        }
        if (!p->src->cplusplus && is(p, i, "{") && i > start + 2 && is(p, i - 1, ")")) {
            size_t o = p->src->tok[i - 1].match;
            if (o > start + 1 && is_ident(p, o - 1) && !is_any(p, o - 1, not_a_function) &&
                (is_ident(p, o - 2) || is(p, o - 2, "*"))) {
                fail(p, o - 1, "a nested function in a function with __try");
                return p->src->tok[i].match;
            }
        }
        i = is(p, i, "(") || is(p, i, "[") || is(p, i, "{") ? p->src->tok[i].match + 1 : i + 1;
    }
    return i;
}

/* ---- statements ---- */

static size_t parse_return(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    size_t end = statement_end(p, i);
    parse_range(p, fn, i + 1, end, region);
    struct try_stmt *list[MAX_NESTING];
    size_t n = crossed(region, NULL, list, MAX_NESTING);
    if (n == 0)
        return end + 1;
    bool value = end > i + 1 && !fn->result_void;
    if (value && fn->result_from == NOWHERE) {
        fail(p, i,
             "return out of a __try with __finally: the result type of this function cannot be told from "
             "its text; give it a name with typedef, or leave with __leave");
        return end + 1;
    }
    if (value)
        fn->value_used = true;
    char *code = exit_through(p, fn, list, n, EXIT_RETURN, 0);
    if (value) {
        bool braces = is(p, i + 1, "{");
        replace(p, i, cc_strdup(braces ? "{ __uwsk_seh_value =" : "{ __uwsk_seh_value = ("));
        replace(p, end, cc_printf("%s %s }", braces ? ";" : ");", code));
    } else {
        replace(p, i, cc_strdup("{"));
        insert_after(p, end, cc_printf(" %s }", code));
    }
    free(code);
    return end + 1;
}

static size_t parse_break(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    bool loop_only = is(p, i, "continue");
    struct region *r = region;
    while (r && r->kind != REGION_LOOP && (loop_only || r->kind != REGION_SWITCH))
        r = r->parent;
    if (r && is(p, i + 1, ";")) /* else the compiler says it */
        leave_to(p, fn, i, region, r, loop_only ? EXIT_CONTINUE : EXIT_BREAK, 0);
    return statement_end(p, i) + 1;
}

static size_t parse_goto(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    if (!is_ident(p, i + 1)) {
        for (struct region *r = region; r; r = r->parent)
            if (r->kind == REGION_TRY) {
                fail(p, i, "a computed goto inside __try");
                break;
            }
        return statement_end(p, i) + 1;
    }
    fn->jump = cc_realloc(fn->jump, (fn->jump_count + 1) * sizeof *fn->jump);
    fn->jump[fn->jump_count++] = (struct jump){.token = i, .name = i + 1, .region = region};
    return statement_end(p, i) + 1;
}

static size_t parse_leave(struct pass *p, size_t i, struct region *region)
{
    struct region *r = region;
    while (r && r->kind != REGION_TRY)
        r = r->parent;
    if (!r) {
        fail(p, i, "__leave outside of a __try body");
    } else {
        r->stmt->leave_used = true;
        replace(p, i, cc_printf("goto __uwsk_seh_leave%d", r->stmt->id));
    }
    return i + 2;
}

static size_t parse_case(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    for (struct region *r = region; r && r->kind != REGION_SWITCH; r = r->parent)
        if (r->kind >= REGION_TRY) {
            fail(p, i, "a case label inside __try whose switch is outside");
            break;
        }
    size_t questions = 0, start = i;
    for (; i < p->src->count && !(questions == 0 && is(p, i, ":")); i++) {
        if (is(p, i, "?"))
            questions++;
        else if (is(p, i, ":"))
            questions--;
        else if (is(p, i, "(") || is(p, i, "{") || is(p, i, "["))
            i = p->src->tok[i].match;
    }
    parse_range(p, fn, start, i, region);
    return i + 1;
}

static void open_try(struct pass *p, const struct try_stmt *t, size_t keyword)
{
    char *way = t->finally ? cc_printf("int __uwsk_seh_x%d = 0; ", t->id) : cc_strdup("");
    replace(p, keyword,
            cc_printf("{ struct uwsk_seh_frame __uwsk_seh_f%d __attribute__((__cleanup__(uwsk_seh_leave))); "
                      "%suwsk_seh_enter(&__uwsk_seh_f%d, %d); if (uwsk_seh_save(&__uwsk_seh_f%d) == 0) {",
                      t->id, way, t->id, t->finally, t->id));
    free(way);
}

/* Texts behind the body and behind the block; known once the whole function is. */
static void close_try(struct pass *p, const struct try_stmt *t)
{
    struct cc_text text = {0};
    if (t->leave_used) {
        char *label = cc_printf(" __uwsk_seh_leave%d: ;", t->id);
        cc_text_puts(&text, label);
        free(label);
    }
    if (!t->finally) {
        cc_text_puts(&text, " } else {");
        insert_after(p, t->body_close, text.data);
        insert_after(p, t->handler_close, cc_strdup(" } }"));
        return;
    }
    char *middle = cc_printf(" } else { __uwsk_seh_x%d = -1; }", t->id);
    cc_text_puts(&text, middle);
    free(middle);
    if (t->way_count > 0) {
        middle = cc_printf(" __uwsk_seh_fin%d:", t->id);
        cc_text_puts(&text, middle);
        free(middle);
    }
    middle = cc_printf(" uwsk_seh_leave(&__uwsk_seh_f%d);", t->id);
    cc_text_puts(&text, middle);
    free(middle);
    insert_after(p, t->body_close, text.data);

    struct cc_text ways = {0};
    char *piece = cc_printf(" if (__uwsk_seh_x%d == -1) uwsk_seh_resume(&__uwsk_seh_f%d);", t->id, t->id);
    cc_text_puts(&ways, piece);
    free(piece);
    for (size_t k = 0; k < t->way_count; k++) {
        piece = cc_printf(" if (__uwsk_seh_x%d == %zu) { %s }", t->id, k + 1, t->way[k].code);
        cc_text_puts(&ways, piece);
        free(piece);
    }
    if (t->block_leaves || (t->never_ends && !t->leave_used))
        cc_text_puts(&ways, " __builtin_unreachable();");
    cc_text_puts(&ways, " }");
    insert_after(p, t->handler_close, ways.data);
}

/* The last statement of the block is a plain exit. */
static bool ends_in_exit(const struct pass *p, size_t open)
{
    static const char *const before[] = {";", "{", "}", ":", NULL};
    static const char *const exits[] = {"return", "goto", "break", "continue", NULL};
    size_t i = p->src->tok[open].match;
    if (!is(p, i - 1, ";"))
        return false;
    for (i = i - 2; i > open; i--) {
        if (is(p, i, ")") || is(p, i, "}") || is(p, i, "]")) {
            i = p->src->tok[i].match;
            continue;
        }
        if (is(p, i, ";") || is(p, i, "{"))
            return false;
        if (is_any(p, i, exits))
            return is_any(p, i - 1, before);
    }
    return false;
}

static size_t parse_try(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    size_t body = i + 1;
    if (!is(p, body, "{")) {
        fail(p, i, "__try needs a block");
        return i + 1;
    }
    size_t keyword = p->src->tok[body].match + 1;
    bool finally = is_finally(p, keyword) && is(p, keyword + 1, "{");
    size_t filter = keyword + 1, block = keyword + 1;
    if (!finally && is_except(p, keyword) && is(p, filter, "("))
        block = p->src->tok[filter].match + 1;
    if ((!finally && !is_except(p, keyword)) || !is(p, block, "{")) {
        fail(p, i, "__try without __except (filter) { } or __finally { }");
        return keyword;
    }
    struct try_stmt *t = cc_realloc(NULL, sizeof *t);
    *t = (struct try_stmt){.next = fn->tries, .id = ++p->next_id, .finally = finally};
    fn->tries = t;
    p->rewritten[i] = true;
    t->body_close = keyword - 1;
    t->handler_close = p->src->tok[block].match;
    t->never_ends = ends_in_exit(p, body);
    t->block_leaves = ends_in_exit(p, block);

    size_t depth = 0;
    for (struct region *r = region; r; r = r->parent)
        depth++;
    if (depth >= MAX_NESTING) {
        fail(p, i, "__try nested too deeply (more than %d levels)", MAX_NESTING);
        return t->handler_close + 1;
    }
    open_try(p, t, i);
    parse_block(p, fn, body, new_region(p, REGION_TRY, region, t));
    if (finally) {
        replace(p, keyword, cc_strdup(""));
    } else {
        replace(p, keyword, cc_printf("uwsk_seh_filter(&__uwsk_seh_f%d, ", t->id));
        parse_range(p, fn, filter + 1, block - 1, new_region(p, REGION_FILTER, region, t));
        insert_after(p, block - 1, cc_strdup(");"));
    }
    parse_block(p, fn, block, new_region(p, finally ? REGION_FINALLY : REGION_HANDLER, region, t));
    return t->handler_close + 1;
}

/* if, while, for, switch: `(`...`)` and a statement in `inner`. */
static size_t parse_headed(struct pass *p, struct function *fn, size_t i, struct region *region,
                           struct region *inner)
{
    i++;
    if (is(p, i, "constexpr"))
        i++;
    if (!is(p, i, "("))
        return statement_end(p, i) + 1; /* the compiler says it */
    parse_range(p, fn, i + 1, p->src->tok[i].match, region);
    return parse_statement(p, fn, p->src->tok[i].match + 1, inner);
}

static size_t parse_do(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    i = parse_statement(p, fn, i + 1, new_region(p, REGION_LOOP, region, NULL));
    size_t end = statement_end(p, i);
    parse_range(p, fn, i, end, region);
    return end + 1;
}

static size_t parse_block(struct pass *p, struct function *fn, size_t open, struct region *region)
{
    size_t close = p->src->tok[open].match;
    for (size_t i = open + 1; i < close;)
        i = parse_statement(p, fn, i, region);
    return close + 1;
}

static size_t parse_statement(struct pass *p, struct function *fn, size_t i, struct region *region)
{
    if (is(p, i, "{"))
        return parse_block(p, fn, i, region);
    if (is(p, i, ";"))
        return i + 1;
    if (is(p, i, "}"))
        return i; /* behind a label: the end of the block */
    if (is_try(p, i))
        return parse_try(p, fn, i, region);
    if (is_leave(p, i))
        return parse_leave(p, i, region);
    if (is(p, i, "if")) {
        i = parse_headed(p, fn, i, region, region);
        return is(p, i, "else") ? parse_statement(p, fn, i + 1, region) : i;
    }
    if (is(p, i, "while") || is(p, i, "for"))
        return parse_headed(p, fn, i, region, new_region(p, REGION_LOOP, region, NULL));
    if (is(p, i, "switch"))
        return parse_headed(p, fn, i, region, new_region(p, REGION_SWITCH, region, NULL));
    if (is(p, i, "do"))
        return parse_do(p, fn, i, region);
    if (is(p, i, "return"))
        return parse_return(p, fn, i, region);
    if (is(p, i, "break") || is(p, i, "continue"))
        return parse_break(p, fn, i, region);
    if (is(p, i, "goto"))
        return parse_goto(p, fn, i, region);
    if (is(p, i, "case") || (is(p, i, "default") && is(p, i + 1, ":")))
        return parse_statement(p, fn, parse_case(p, fn, i, region), region);
    if (p->src->cplusplus && is(p, i, "try")) {
        for (i = parse_block(p, fn, i + 1, region); is(p, i, "catch");)
            i = parse_block(p, fn, p->src->tok[i + 1].match + 1, region);
        return i;
    }
    if (is_ident(p, i) && is(p, i + 1, ":")) {
        fn->label = cc_realloc(fn->label, (fn->label_count + 1) * sizeof *fn->label);
        fn->label[fn->label_count++] = (struct jump){.token = i, .name = i, .region = region};
        return parse_statement(p, fn, i + 2, region);
    }
    size_t end = statement_end(p, i);
    parse_range(p, fn, i, end, region);
    return end + 1;
}

/* ---- functions ---- */

static bool encloses(const struct region *outer, const struct region *inner)
{
    while (inner && inner != outer)
        inner = inner->parent;
    return inner == outer;
}

/* Every goto of the function, now that all labels are known. */
static void resolve_gotos(struct pass *p, struct function *fn)
{
    for (size_t g = 0; g < fn->jump_count; g++) {
        struct jump *jump = &fn->jump[g];
        size_t l = 0;
        while (l < fn->label_count && !same_word(p, fn->label[l].name, jump->name))
            l++;
        if (l == fn->label_count)
            continue; /* the compiler says it */
        struct region *to = fn->label[l].region;
        while (to && !encloses(to, jump->region)) {
            if (to->kind >= REGION_TRY) {
                fail(p, jump->token, "goto into a __try statement (label %.*s, line %u)",
                     (int)p->src->tok[jump->name].len, p->src->text + p->src->tok[jump->name].at,
                     p->src->tok[fn->label[l].token].line);
                break;
            }
            to = to->parent;
        }
        if (to && encloses(to, jump->region))
            leave_to(p, fn, jump->token, jump->region, to, EXIT_GOTO, jump->name);
    }
}

/* An inline function that will not be inlined (nor does MSVC inline one with __try): in C it gets a
 * definition of its own, one of several equal ones. */
static void drop_inlining(struct pass *p, const struct function *fn)
{
    static const char *const attributes[] = {"always_inline", "__always_inline__", "gnu_inline",
                                             "__gnu_inline__", NULL};
    static const char *const words[] = {"inline", "__inline", "__inline__", NULL};
    bool is_static = false;
    for (size_t i = fn->decl; i < fn->body; i++)
        is_static = is_static || is(p, i, "static");
    for (size_t i = fn->decl; i < fn->body; i++) {
        if (is_any(p, i, attributes))
            replace(p, i, cc_strdup(""));
        else if (is_any(p, i, words) && !p->src->cplusplus)
            replace(p, i, cc_strdup(is_static ? "__attribute__((unused))" : "__attribute__((weak))"));
    }
}

/* The attribute that keeps the compiler from optimising this function. */
static void keep_locals_in_memory(struct pass *p, const struct function *fn)
{
    const char *attribute =
        p->clang ? "__attribute__((noinline, optnone))" : "__attribute__((optimize(\"O0\")))";
    if (fn->decl != NOWHERE) {
        insert_before(p, fn->decl, cc_printf("%s ", attribute));
        drop_inlining(p, fn);
    } else if (fn->params != NOWHERE) {
        insert_after(p, p->src->tok[fn->params].match, cc_printf(" %s", attribute));
    } else {
        fail(p, fn->body, "__try in a lambda without a parameter list: write [...]() { }");
    }
}

/* The result type as text, without what cannot stand in a variable of it. */
static char *result_type(const struct pass *p, const struct function *fn)
{
    static const char *const drop[] = {"const", "volatile", NULL};
    size_t star = fn->result_from;
    for (size_t i = fn->result_from; i < fn->result_to; i++) {
        if (is(p, i, "*"))
            star = i + 1;
        if (is(p, i, "&") || is(p, i, "auto"))
            return NULL;
    }
    struct cc_text text = {0};
    for (size_t i = fn->result_from; i < fn->result_to; i++) {
        static const char *const words[] = {
            "static",   "extern",   "inline",    "__inline",   "__inline__", "_Noreturn",     "constexpr",
            "virtual",  "explicit", "friend",    "register",   "_inline",    "__forceinline", "__extension__",
            "typename", "__cdecl",  "__stdcall", "__fastcall", NULL};
        static const char *const groups[] = {"__attribute__", "__attribute", "__declspec", "alignas", NULL};
        if (is_any(p, i, groups) && is(p, i + 1, "(")) {
            i = p->src->tok[i + 1].match;
            continue;
        }
        if (is(p, i, "[") && is(p, i + 1, "[")) {
            i = p->src->tok[i].match;
            continue;
        }
        if ((is_any(p, i, words) && !is(p, i, "typename")) || (i >= star && is_any(p, i, drop)))
            continue;
        cc_text_add(&text, p->src->text + p->src->tok[i].at, p->src->tok[i].len);
        cc_text_puts(&text, " ");
    }
    return text.data;
}

static void function_body(struct pass *p, struct function *fn)
{
    fn->root = new_region(p, REGION_FUNCTION, NULL, NULL);
    keep_locals_in_memory(p, fn);
    parse_block(p, fn, fn->body, fn->root);
    resolve_gotos(p, fn);
    while (fn->tries) {
        struct try_stmt *t = fn->tries;
        fn->tries = t->next;
        close_try(p, t);
        t->next = p->tries;
        p->tries = t;
    }
    if (fn->value_used) {
        char *type = result_type(p, fn);
        if (type)
            insert_after(p, fn->body, cc_printf(" __typeof__(%s) __uwsk_seh_value;", type));
        else
            fail(p, fn->body,
                 "return out of a __try with __finally in a function that returns a reference or "
                 "`auto`: leave with __leave");
        free(type);
    }
    free(fn->label);
    free(fn->jump);
}

/* A declaration at file, namespace or class scope. */
struct declaration {
    size_t start;  /* first token that an attribute may precede */
    size_t params; /* the `(` of the parameters, or NOWHERE */
    size_t name;   /* first token of the declarator's name, or NOWHERE */
    bool aggregate, initialised, ctor_colon;
};

static void describe_result(const struct pass *p, struct function *fn, const struct declaration *d)
{
    fn->result_from = fn->result_to = NOWHERE;
    if (d->name == NOWHERE)
        return;
    for (size_t i = p->src->tok[d->params].match; i < fn->body; i++)
        if (is(p, i, "->")) {
            fn->result_from = i + 1;
            fn->result_to = fn->body;
        }
    if (fn->result_from == NOWHERE) {
        fn->result_from = d->start;
        fn->result_to = d->name;
    }
    for (size_t i = fn->result_from; i < fn->result_to; i++)
        if (is(p, i, "{")) {
            fn->result_from = fn->result_to = NOWHERE;
            return;
        }
    char *type = result_type(p, fn);
    fn->result_void = type && strcmp(type, "void ") == 0;
    if (!type || !type[0]) /* a constructor, a conversion, implicit int */
        fn->result_from = fn->result_to = NOWHERE;
    free(type);
}

/* `(` at i behind a declarator: remembers the name, `A::B::name`, `~A` or `operator+`. */
static void note_params(const struct pass *p, struct declaration *d, size_t i)
{
    d->params = i;
    d->name = NOWHERE;
    size_t n = i - 1;
    for (size_t k = i; k-- > d->start;)
        if (is(p, k, "operator")) {
            n = k;
            break;
        }
    if (n < d->start || !is_ident(p, n))
        return;
    while (n >= d->start + 2 && is(p, n - 1, "::") && is_ident(p, n - 2))
        n -= 2;
    if (n > d->start && is(p, n - 1, "~"))
        n--;
    d->name = n;
}

static size_t skip_angles(const struct pass *p, size_t i)
{
    size_t depth = 0;
    for (; i < p->src->count; i++) {
        if (is(p, i, "<"))
            depth++;
        else if (is(p, i, ">") && --depth == 0)
            return i + 1;
        else if (is(p, i, "(") || is(p, i, "["))
            i = p->src->tok[i].match;
        else if (is(p, i, ";") || is(p, i, "{"))
            break;
    }
    return i;
}

/* Skips what no attribute of ours may precede. */
static size_t declaration_start(const struct pass *p, size_t i)
{
    for (;;) {
        if (is(p, i, "template") && is(p, i + 1, "<"))
            i = skip_angles(p, i + 1);
        else if (is(p, i, "extern") && p->src->tok[i + 1].kind == LEX_STRING)
            i += 2;
        else if (is(p, i, "[") && is(p, i + 1, "["))
            i = p->src->tok[i].match + 1;
        else if (is(p, i, "__extension__"))
            i++;
        else
            return i;
    }
}

/* A `{` at i that belongs to the declaration. True: it was a body, the declaration ends. */
static bool declaration_brace(struct pass *p, struct declaration *d, size_t i)
{
    size_t close = p->src->tok[i].match;
    if (d->ctor_colon && !is(p, i - 1, ")") && !is(p, i - 1, "}"))
        return false; /* a member's initialiser */
    if (d->initialised || (d->aggregate && d->params == NOWHERE)) {
        if (has_try(p, i, close)) {
            size_t params;
            if (!d->initialised)
                scan_scope(p, i + 1, close, true);
            else if (is_lambda_body(p, i, d->start, &params))
                lambda(p, NULL, params, i);
            else
                fail(p, i, "__try inside an initialiser");
        }
        return false;
    }
    if (has_try(p, i, close)) {
        struct function fn = {.decl = d->start, .params = d->params, .body = i};
        describe_result(p, &fn, d);
        function_body(p, &fn);
    }
    return true;
}

static size_t scan_declaration(struct pass *p, size_t i, size_t to)
{
    static const char *const not_params[] = {
        "__attribute__", "__attribute", "__declspec", "alignas", "_Alignas", "__typeof__", "typeof",
        "decltype",      "noexcept",    "asm",        "__asm__", "__asm",    "_Pragma",    NULL};
    static const char *const aggregates[] = {"struct", "union", "class", "enum", NULL};
    struct declaration d = {.start = declaration_start(p, i), .params = NOWHERE, .name = NOWHERE};
    for (i = d.start; i < to; i++) {
        if (is(p, i, ";"))
            return i + 1;
        if (is(p, i, "{")) {
            bool body = declaration_brace(p, &d, i);
            i = p->src->tok[i].match;
            if (body)
                return i + 1;
        } else if (is(p, i, "(")) {
            if (d.params == NOWHERE && i > d.start && !is_any(p, i - 1, not_params))
                note_params(p, &d, i);
            i = p->src->tok[i].match;
        } else if (is(p, i, "[")) {
            i = p->src->tok[i].match;
        } else if (is(p, i, "operator") && is(p, i + 1, "(") && is(p, i + 2, ")")) {
            i += 2;
        } else if (is(p, i, "=") && d.params == NOWHERE && !(i > 0 && is(p, i - 1, "operator"))) {
            d.initialised = true;
        } else if (is(p, i, ":") && d.params != NOWHERE && p->src->cplusplus) {
            d.ctor_colon = true;
        } else if (is_any(p, i, aggregates)) {
            d.aggregate = true;
        }
    }
    return to;
}

static void scan_scope(struct pass *p, size_t from, size_t to, bool class_scope)
{
    static const char *const access[] = {"public", "private", "protected", NULL};
    for (size_t i = from; i < to;) {
        bool linkage = is(p, i, "extern") && p->src->tok[i + 1].kind == LEX_STRING && is(p, i + 2, "{");
        if (is(p, i, ";")) {
            i++;
        } else if (class_scope && is_any(p, i, access) && is(p, i + 1, ":")) {
            i += 2;
        } else if (linkage || is(p, i, "namespace") || (is(p, i, "inline") && is(p, i + 1, "namespace"))) {
            while (i < to && !is(p, i, "{") && !is(p, i, ";"))
                i++;
            if (is(p, i, "{")) {
                scan_scope(p, i + 1, p->src->tok[i].match, false);
                i = p->src->tok[i].match;
            }
            i++;
        } else {
            i = scan_declaration(p, i, to);
        }
    }
}

/* ---- the text ---- */

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static char *apply(struct pass *p, size_t *len)
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

static void free_pass(struct pass *p)
{
    for (size_t i = 0; i < p->edit_count; i++)
        free(p->edit[i].text);
    free(p->edit);
    for (size_t i = 0; i < p->region_count; i++)
        free(p->regions[i]);
    free(p->regions);
    while (p->tries) {
        struct try_stmt *t = p->tries;
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
static void drop_trailing_commas(struct pass *p)
{
    for (size_t i = 0; i + 1 < p->src->count; i++)
        if (is(p, i, ",") && is(p, i + 1, ")"))
            replace(p, i, cc_strdup(""));
}

enum seh_result seh_pass(struct lex_source *source, bool clang, char **out, size_t *out_len)
{
    struct pass p = {.src = source, .clang = clang};
    *out = NULL;
    p.tries_before = cc_realloc(NULL, (source->count + 2) * sizeof *p.tries_before);
    p.tries_before[0] = 0;
    p.rewritten = cc_realloc(NULL, source->count + 1);
    memset(p.rewritten, 0, source->count + 1);
    for (size_t i = 0; i <= source->count; i++)
        p.tries_before[i + 1] = p.tries_before[i] + (i < source->count && is_try(&p, i));
    drop_trailing_commas(&p);
    size_t total = p.tries_before[source->count], bad;
    if (total == 0 && p.edit_count == 0) {
        free(p.tries_before);
        free(p.rewritten);
        return SEH_NONE;
    }
    if (total > 0 && !lex_match_brackets(source, &bad)) {
        fail(&p, bad, "a bracket without its partner, in a source with __try");
    } else if (total > 0) {
        scan_scope(&p, 0, source->count, false);
        for (size_t i = 0; i < source->count && !p.failed; i++)
            if (is_try(&p, i) && !p.rewritten[i])
                fail(&p, i, "__try stands where `uwsk cc` cannot rewrite it");
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
