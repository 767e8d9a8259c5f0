/* seh_expression.c: what an expression may hold: intrinsics, statement expressions, lambdas, local classes.
 */
#include "seh_internal.h"

/* GetExceptionCode() and its like become calls that name the frame. */
static void intrinsic(struct seh_rewrite *p, size_t i, struct seh_region *region)
{
    static const char *const code[] = {"GetExceptionCode", "exception_code", "_exception_code",
                                       "__exception_code", NULL};
    static const char *const info[] = {"GetExceptionInformation", "exception_info", "_exception_info",
                                       "__exception_info", NULL};
    static const char *const abnormal[] = {"AbnormalTermination", "abnormal_termination",
                                           "_abnormal_termination", "__abnormal_termination", NULL};
    bool is_code = seh_is_any(p, i, code), is_info = seh_is_any(p, i, info),
         is_abnormal = seh_is_any(p, i, abnormal);
    if (!(is_code || is_info || is_abnormal) || !seh_is(p, i + 1, "(") || !seh_is(p, i + 2, ")"))
        return;
    if (i > 0 && (seh_is(p, i - 1, ".") || seh_is(p, i - 1, "->") || seh_is(p, i - 1, "::")))
        return; /* somebody's member */
    struct seh_region *r = region;
    for (; r; r = r->parent)
        if (is_abnormal ? r->kind == REGION_FINALLY
                        : r->kind == REGION_FILTER || (is_code && r->kind == REGION_HANDLER))
            break;
    if (!r) {
        seh_fail(p, i, "%.*s() is allowed only in %s", (int)p->src->tok[i].len,
                 p->src->text + p->src->tok[i].at,
                 is_abnormal ? "a __finally block"
                 : is_info   ? "an __except filter"
                             : "an __except filter or its handler");
        return;
    }
    int id = r->stmt->id;
    if (is_abnormal) {
        seh_replace(p, i, cc_printf("(__uwsk_seh_x%d != 0", id));
        seh_replace(p, i + 1, cc_strdup(""));
    } else {
        seh_replace(
            p, i,
            cc_strdup(is_info ? "((struct _EXCEPTION_POINTERS *)uwsk_seh_information" : "uwsk_seh_code"));
        seh_insert_after(p, i + 1, cc_printf("&__uwsk_seh_f%d", id));
        if (is_info)
            seh_insert_after(p, i + 2, cc_strdup(")"));
    }
}

/* `{` opens the body of a lambda: ] {, ] (...) {, ] (...) mutable noexcept -> T {.
 * Then *params is its `(`, or SEH_NOWHERE. */
bool seh_is_lambda_body(const struct seh_rewrite *p, size_t open, size_t start, size_t *params)
{
    *params = SEH_NOWHERE;
    if (!p->src->cplusplus || open == 0)
        return false;
    size_t i = open;
    while (i > start) {
        i--;
        if (seh_is(p, i, "]"))
            return p->src->tok[i].match < i;
        if (seh_is(p, i, ")")) {
            size_t o = p->src->tok[i].match;
            if (o > 0 && seh_is(p, o - 1, "]")) {
                *params = o;
                return true;
            }
            i = o; /* noexcept(...) or an attribute */
            continue;
        }
        if (seh_is_ident(p, i) || seh_is(p, i, "->") || seh_is(p, i, "::") || seh_is(p, i, "*") ||
            seh_is(p, i, "&") || seh_is(p, i, "<") || seh_is(p, i, ">"))
            continue;
        return false;
    }
    return false;
}

/* Tokens from..to of an expression or declaration. */
void seh_expression(struct seh_rewrite *p, struct seh_function *fn, size_t from, size_t to,
                    struct seh_region *region)
{
    static const char *const class_words[] = {"struct", "class", "union", NULL};
    bool initialised = false;
    for (size_t i = from; i < to; i++) {
        size_t params;
        initialised = initialised || seh_is(p, i, "=");
        if (seh_is_try(p, i)) {
            seh_fail(p, i, "__try inside an expression");
        } else if (seh_is(p, i, "{")) {
            size_t close = p->src->tok[i].match;
            bool statement = i > 0 && seh_is(p, i - 1, "(") && seh_is(p, close + 1, ")");
            if (statement) {
                seh_block(p, fn, i, region);
                i = close;
            } else if (seh_is_lambda_body(p, i, from, &params)) {
                if (seh_has_try(p, i, close))
                    seh_lambda(p, fn, params, i);
                i = close;
            } else if (p->src->cplusplus && !initialised && seh_has_try(p, i, close) &&
                       seh_is_any(p, from, class_words)) {
                seh_scope(p, i + 1, close, true);
                i = close;
            } /* else an initialiser: look inside */
        } else if (seh_is_ident(p, i)) {
            intrinsic(p, i, region);
        }
    }
}

/* The `;` that ends the statement at i. */
size_t seh_statement_end(struct seh_rewrite *p, size_t i)
{
    static const char *const not_a_function[] = {
        "sizeof", "__typeof__", "typeof", "__typeof", "return", "if", "decltype", "__attribute__", NULL};
    size_t start = i;
    while (i < p->src->count && !seh_is(p, i, ";")) {
        if (seh_is(p, i, "}")) {
            seh_fail(p, start, "this statement, in a function with __try, has no end");
            return i - 1;
        }
        if (!p->src->cplusplus && seh_is(p, i, "{") && i > start + 2 && seh_is(p, i - 1, ")")) {
            size_t o = p->src->tok[i - 1].match;
            if (o > start + 1 && seh_is_ident(p, o - 1) && !seh_is_any(p, o - 1, not_a_function) &&
                (seh_is_ident(p, o - 2) || seh_is(p, o - 2, "*"))) {
                seh_fail(p, o - 1, "a nested function in a function with __try");
                return p->src->tok[i].match;
            }
        }
        i = seh_is(p, i, "(") || seh_is(p, i, "[") || seh_is(p, i, "{") ? p->src->tok[i].match + 1 : i + 1;
    }
    return i;
}
