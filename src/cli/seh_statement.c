/* seh_statement.c: statements, the ways out of them, and __try itself. */
#include "seh_internal.h"

#include <stdlib.h>

/* ---- exits -------------------------------------------------------------------------------------------- */

/* The __finally bodies between `from` (within) and `to` (outside), innermost first. */
static size_t crossed(struct seh_region *from, const struct seh_region *to, struct seh_try **list,
                      size_t room)
{
    size_t n = 0;
    for (struct seh_region *r = from; r && r != to; r = r->parent)
        if (r->kind == REGION_TRY && r->stmt->finally && n < room)
            list[n++] = r->stmt;
    return n;
}

static char *native_exit(struct seh_rewrite *p, const struct seh_function *fn, enum seh_exit_kind kind,
                         size_t target)
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
static char *exit_through(struct seh_rewrite *p, const struct seh_function *fn, struct seh_try **list,
                          size_t n, enum seh_exit_kind kind, size_t target)
{
    if (n == 0)
        return native_exit(p, fn, kind, target);
    struct seh_try *t = list[0];
    size_t k = 0;
    while (k < t->way_count &&
           !(t->way[k].kind == kind && (kind != EXIT_GOTO || seh_same_word(p, t->way[k].target, target))))
        k++;
    if (k == t->way_count) {
        char *code = exit_through(p, fn, list + 1, n - 1, kind, target);
        t->way = cc_realloc(t->way, (k + 1) * sizeof *t->way);
        t->way[t->way_count++] = (struct seh_exit){.kind = kind, .target = target, .code = code};
    }
    return cc_printf("__uwsk_seh_x%d = %zu; goto __uwsk_seh_fin%d;", t->id, k + 1, t->id);
}

/* break, continue or goto at `token`, out to the region `to`. */
void seh_leave_to(struct seh_rewrite *p, struct seh_function *fn, size_t token, struct seh_region *from,
                  const struct seh_region *to, enum seh_exit_kind kind, size_t target)
{
    struct seh_try *list[SEH_MAX_NESTING];
    size_t n = crossed(from, to, list, SEH_MAX_NESTING);
    if (n == 0)
        return;
    char *code = exit_through(p, fn, list, n, kind, target);
    size_t last = kind == EXIT_GOTO ? token + 2 : token + 1;
    seh_replace(p, token, cc_printf("{ %s", code));
    if (kind == EXIT_GOTO)
        seh_replace(p, token + 1, cc_strdup(""));
    seh_replace(p, last, cc_strdup(" }"));
    free(code);
}

/* ---- the words of SEH --------------------------------------------------------------------------------- */

static bool is_except(const struct seh_rewrite *p, size_t i)
{
    static const char *const words[] = {"__except", "_except", NULL};
    return seh_is_any(p, i, words) || (!p->src->cplusplus && seh_is(p, i, "except"));
}

static bool is_finally(const struct seh_rewrite *p, size_t i)
{
    static const char *const words[] = {"__finally", "_finally", NULL};
    return seh_is_any(p, i, words) || (!p->src->cplusplus && seh_is(p, i, "finally"));
}

/* At the start of a statement. */
static bool is_leave(const struct seh_rewrite *p, size_t i)
{
    static const char *const words[] = {"__leave", "_leave", NULL};
    return seh_is(p, i + 1, ";") &&
           (seh_is_any(p, i, words) || (!p->src->cplusplus && seh_is(p, i, "leave")));
}

/* ---- statements --------------------------------------------------------------------------------------- */

static size_t parse_statement(struct seh_rewrite *p, struct seh_function *fn, size_t i,
                              struct seh_region *region);

static size_t parse_return(struct seh_rewrite *p, struct seh_function *fn, size_t i,
                           struct seh_region *region)
{
    size_t end = seh_statement_end(p, i);
    seh_expression(p, fn, i + 1, end, region);
    struct seh_try *list[SEH_MAX_NESTING];
    size_t n = crossed(region, NULL, list, SEH_MAX_NESTING);
    if (n == 0)
        return end + 1;
    bool value = end > i + 1 && !fn->result_void;
    if (value && fn->result_from == SEH_NOWHERE) {
        seh_fail(p, i,
                 "return out of a __try with __finally: the result type of this function cannot be told from "
                 "its text; give it a name with typedef, or leave with __leave");
        return end + 1;
    }
    if (value)
        fn->value_used = true;
    char *code = exit_through(p, fn, list, n, EXIT_RETURN, 0);
    if (value) {
        bool braces = seh_is(p, i + 1, "{");
        seh_replace(p, i, cc_strdup(braces ? "{ __uwsk_seh_value =" : "{ __uwsk_seh_value = ("));
        seh_replace(p, end, cc_printf("%s %s }", braces ? ";" : ");", code));
    } else {
        seh_replace(p, i, cc_strdup("{"));
        seh_insert_after(p, end, cc_printf(" %s }", code));
    }
    free(code);
    return end + 1;
}

static size_t parse_break(struct seh_rewrite *p, struct seh_function *fn, size_t i, struct seh_region *region)
{
    bool loop_only = seh_is(p, i, "continue");
    struct seh_region *r = region;
    while (r && r->kind != REGION_LOOP && (loop_only || r->kind != REGION_SWITCH))
        r = r->parent;
    if (r && seh_is(p, i + 1, ";")) /* else the compiler says it */
        seh_leave_to(p, fn, i, region, r, loop_only ? EXIT_CONTINUE : EXIT_BREAK, 0);
    return seh_statement_end(p, i) + 1;
}

static size_t parse_goto(struct seh_rewrite *p, struct seh_function *fn, size_t i, struct seh_region *region)
{
    if (!seh_is_ident(p, i + 1)) {
        for (struct seh_region *r = region; r; r = r->parent)
            if (r->kind == REGION_TRY) {
                seh_fail(p, i, "a computed goto inside __try");
                break;
            }
        return seh_statement_end(p, i) + 1;
    }
    fn->jump = cc_realloc(fn->jump, (fn->jump_count + 1) * sizeof *fn->jump);
    fn->jump[fn->jump_count++] = (struct seh_jump){.token = i, .name = i + 1, .region = region};
    return seh_statement_end(p, i) + 1;
}

static size_t parse_leave(struct seh_rewrite *p, size_t i, struct seh_region *region)
{
    struct seh_region *r = region;
    while (r && r->kind != REGION_TRY)
        r = r->parent;
    if (!r) {
        seh_fail(p, i, "__leave outside of a __try body");
    } else {
        r->stmt->leave_used = true;
        seh_replace(p, i, cc_printf("goto __uwsk_seh_leave%d", r->stmt->id));
    }
    return i + 2;
}

static size_t parse_case(struct seh_rewrite *p, struct seh_function *fn, size_t i, struct seh_region *region)
{
    for (struct seh_region *r = region; r && r->kind != REGION_SWITCH; r = r->parent)
        if (r->kind >= REGION_TRY) {
            seh_fail(p, i, "a case label inside __try whose switch is outside");
            break;
        }
    size_t questions = 0, start = i;
    for (; i < p->src->count && !(questions == 0 && seh_is(p, i, ":")); i++) {
        if (seh_is(p, i, "?"))
            questions++;
        else if (seh_is(p, i, ":"))
            questions--;
        else if (seh_is(p, i, "(") || seh_is(p, i, "{") || seh_is(p, i, "["))
            i = p->src->tok[i].match;
    }
    seh_expression(p, fn, start, i, region);
    return i + 1;
}

static void open_try(struct seh_rewrite *p, const struct seh_try *t, size_t keyword)
{
    char *way = t->finally ? cc_printf("int __uwsk_seh_x%d = 0; ", t->id) : cc_strdup("");
    seh_replace(
        p, keyword,
        cc_printf("{ struct uwsk_seh_frame __uwsk_seh_f%d __attribute__((__cleanup__(uwsk_seh_leave))); "
                  "%suwsk_seh_enter(&__uwsk_seh_f%d, %d); if (uwsk_seh_save(&__uwsk_seh_f%d) == 0) {",
                  t->id, way, t->id, t->finally, t->id));
    free(way);
}

/* Texts behind the body and behind the block; known once the whole function is. */
void seh_close_try(struct seh_rewrite *p, const struct seh_try *t)
{
    struct cc_text text = {0};
    if (t->leave_used) {
        char *label = cc_printf(" __uwsk_seh_leave%d: ;", t->id);
        cc_text_puts(&text, label);
        free(label);
    }
    if (!t->finally) {
        cc_text_puts(&text, " } else {");
        seh_insert_after(p, t->body_close, text.data);
        seh_insert_after(p, t->handler_close, cc_strdup(" } }"));
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
    seh_insert_after(p, t->body_close, text.data);

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
    seh_insert_after(p, t->handler_close, ways.data);
}

/* The last statement of the block is a plain exit. */
static bool ends_in_exit(const struct seh_rewrite *p, size_t open)
{
    static const char *const before[] = {";", "{", "}", ":", NULL};
    static const char *const exits[] = {"return", "goto", "break", "continue", NULL};
    size_t i = p->src->tok[open].match;
    if (!seh_is(p, i - 1, ";"))
        return false;
    for (i = i - 2; i > open; i--) {
        if (seh_is(p, i, ")") || seh_is(p, i, "}") || seh_is(p, i, "]")) {
            i = p->src->tok[i].match;
            continue;
        }
        if (seh_is(p, i, ";") || seh_is(p, i, "{"))
            return false;
        if (seh_is_any(p, i, exits))
            return seh_is_any(p, i - 1, before);
    }
    return false;
}

static size_t parse_try(struct seh_rewrite *p, struct seh_function *fn, size_t i, struct seh_region *region)
{
    size_t body = i + 1;
    if (!seh_is(p, body, "{")) {
        seh_fail(p, i, "__try needs a block");
        return i + 1;
    }
    size_t keyword = p->src->tok[body].match + 1;
    bool finally = is_finally(p, keyword) && seh_is(p, keyword + 1, "{");
    size_t filter = keyword + 1, block = keyword + 1;
    if (!finally && is_except(p, keyword) && seh_is(p, filter, "("))
        block = p->src->tok[filter].match + 1;
    if ((!finally && !is_except(p, keyword)) || !seh_is(p, block, "{")) {
        seh_fail(p, i, "__try without __except (filter) { } or __finally { }");
        return keyword;
    }
    struct seh_try *t = cc_realloc(NULL, sizeof *t);
    *t = (struct seh_try){.next = fn->tries, .id = ++p->next_id, .finally = finally};
    fn->tries = t;
    p->rewritten[i] = true;
    t->body_close = keyword - 1;
    t->handler_close = p->src->tok[block].match;
    t->never_ends = ends_in_exit(p, body);
    t->block_leaves = ends_in_exit(p, block);

    size_t depth = 0;
    for (struct seh_region *r = region; r; r = r->parent)
        depth++;
    if (depth >= SEH_MAX_NESTING) {
        seh_fail(p, i, "__try nested too deeply (more than %d levels)", SEH_MAX_NESTING);
        return t->handler_close + 1;
    }
    open_try(p, t, i);
    seh_block(p, fn, body, seh_new_region(p, REGION_TRY, region, t));
    if (finally) {
        seh_replace(p, keyword, cc_strdup(""));
    } else {
        seh_replace(p, keyword, cc_printf("uwsk_seh_filter(&__uwsk_seh_f%d, ", t->id));
        seh_expression(p, fn, filter + 1, block - 1, seh_new_region(p, REGION_FILTER, region, t));
        seh_insert_after(p, block - 1, cc_strdup(");"));
    }
    seh_block(p, fn, block, seh_new_region(p, finally ? REGION_FINALLY : REGION_HANDLER, region, t));
    return t->handler_close + 1;
}

/* if, while, for, switch: `(`...`)` and a statement in `inner`. */
static size_t parse_headed(struct seh_rewrite *p, struct seh_function *fn, size_t i,
                           struct seh_region *region, struct seh_region *inner)
{
    i++;
    if (seh_is(p, i, "constexpr"))
        i++;
    if (!seh_is(p, i, "("))
        return seh_statement_end(p, i) + 1; /* the compiler says it */
    seh_expression(p, fn, i + 1, p->src->tok[i].match, region);
    return parse_statement(p, fn, p->src->tok[i].match + 1, inner);
}

static size_t parse_do(struct seh_rewrite *p, struct seh_function *fn, size_t i, struct seh_region *region)
{
    i = parse_statement(p, fn, i + 1, seh_new_region(p, REGION_LOOP, region, NULL));
    size_t end = seh_statement_end(p, i);
    seh_expression(p, fn, i, end, region);
    return end + 1;
}

size_t seh_block(struct seh_rewrite *p, struct seh_function *fn, size_t open, struct seh_region *region)
{
    size_t close = p->src->tok[open].match;
    for (size_t i = open + 1; i < close;)
        i = parse_statement(p, fn, i, region);
    return close + 1;
}

static size_t parse_statement(struct seh_rewrite *p, struct seh_function *fn, size_t i,
                              struct seh_region *region)
{
    if (seh_is(p, i, "{"))
        return seh_block(p, fn, i, region);
    if (seh_is(p, i, ";"))
        return i + 1;
    if (seh_is(p, i, "}"))
        return i; /* behind a label: the end of the block */
    if (seh_is_try(p, i))
        return parse_try(p, fn, i, region);
    if (is_leave(p, i))
        return parse_leave(p, i, region);
    if (seh_is(p, i, "if")) {
        i = parse_headed(p, fn, i, region, region);
        return seh_is(p, i, "else") ? parse_statement(p, fn, i + 1, region) : i;
    }
    if (seh_is(p, i, "while") || seh_is(p, i, "for"))
        return parse_headed(p, fn, i, region, seh_new_region(p, REGION_LOOP, region, NULL));
    if (seh_is(p, i, "switch"))
        return parse_headed(p, fn, i, region, seh_new_region(p, REGION_SWITCH, region, NULL));
    if (seh_is(p, i, "do"))
        return parse_do(p, fn, i, region);
    if (seh_is(p, i, "return"))
        return parse_return(p, fn, i, region);
    if (seh_is(p, i, "break") || seh_is(p, i, "continue"))
        return parse_break(p, fn, i, region);
    if (seh_is(p, i, "goto"))
        return parse_goto(p, fn, i, region);
    if (seh_is(p, i, "case") || (seh_is(p, i, "default") && seh_is(p, i + 1, ":")))
        return parse_statement(p, fn, parse_case(p, fn, i, region), region);
    if (p->src->cplusplus && seh_is(p, i, "try")) {
        for (i = seh_block(p, fn, i + 1, region); seh_is(p, i, "catch");)
            i = seh_block(p, fn, p->src->tok[i + 1].match + 1, region);
        return i;
    }
    if (seh_is_ident(p, i) && seh_is(p, i + 1, ":")) {
        fn->label = cc_realloc(fn->label, (fn->label_count + 1) * sizeof *fn->label);
        fn->label[fn->label_count++] = (struct seh_jump){.token = i, .name = i, .region = region};
        return parse_statement(p, fn, i + 2, region);
    }
    size_t end = seh_statement_end(p, i);
    seh_expression(p, fn, i, end, region);
    return end + 1;
}
