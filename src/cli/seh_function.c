/* seh_function.c: finds the functions that contain __try, and what must be known of each. */
#include "seh_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- functions ---------------------------------------------------------------------------------------- */

static bool encloses(const struct seh_region *outer, const struct seh_region *inner)
{
    while (inner && inner != outer)
        inner = inner->parent;
    return inner == outer;
}

/* Every goto of the function, now that all labels are known. */
static void resolve_gotos(struct seh_rewrite *p, struct seh_function *fn)
{
    for (size_t g = 0; g < fn->jump_count; g++) {
        struct seh_jump *jump = &fn->jump[g];
        size_t l = 0;
        while (l < fn->label_count && !seh_same_word(p, fn->label[l].name, jump->name))
            l++;
        if (l == fn->label_count)
            continue; /* the compiler says it */
        struct seh_region *to = fn->label[l].region;
        while (to && !encloses(to, jump->region)) {
            if (to->kind >= REGION_TRY) {
                seh_fail(p, jump->token, "goto into a __try statement (label %.*s, line %u)",
                         (int)p->src->tok[jump->name].len, p->src->text + p->src->tok[jump->name].at,
                         p->src->tok[fn->label[l].token].line);
                break;
            }
            to = to->parent;
        }
        if (to && encloses(to, jump->region))
            seh_leave_to(p, fn, jump->token, jump->region, to, EXIT_GOTO, jump->name);
    }
}

/* An inline function that will not be inlined (nor does MSVC inline one with __try): in C it gets a
 * definition of its own, one of several equal ones. */
static void drop_inlining(struct seh_rewrite *p, const struct seh_function *fn)
{
    static const char *const attributes[] = {"always_inline", "__always_inline__", "gnu_inline",
                                             "__gnu_inline__", NULL};
    static const char *const words[] = {"inline", "__inline", "__inline__", NULL};
    bool is_static = false;
    for (size_t i = fn->decl; i < fn->body; i++)
        is_static = is_static || seh_is(p, i, "static");
    for (size_t i = fn->decl; i < fn->body; i++) {
        if (seh_is_any(p, i, attributes))
            seh_replace(p, i, cc_strdup(""));
        else if (seh_is_any(p, i, words) && !p->src->cplusplus)
            seh_replace(p, i, cc_strdup(is_static ? "__attribute__((unused))" : "__attribute__((weak))"));
    }
}

/* The attribute that keeps the compiler from optimising this function. */
static void keep_locals_in_memory(struct seh_rewrite *p, const struct seh_function *fn)
{
    const char *attribute =
        p->clang ? "__attribute__((noinline, optnone))" : "__attribute__((optimize(\"O0\")))";
    if (fn->decl != SEH_NOWHERE) {
        seh_insert_before(p, fn->decl, cc_printf("%s ", attribute));
        drop_inlining(p, fn);
    } else if (fn->params != SEH_NOWHERE) {
        seh_insert_after(p, p->src->tok[fn->params].match, cc_printf(" %s", attribute));
    } else {
        seh_fail(p, fn->body, "__try in a lambda without a parameter list: write [...]() { }");
    }
}

/* The result type as text, without what cannot stand in a variable of it. */
static char *result_type(const struct seh_rewrite *p, const struct seh_function *fn)
{
    static const char *const drop[] = {"const", "volatile", NULL};
    size_t star = fn->result_from;
    for (size_t i = fn->result_from; i < fn->result_to; i++) {
        if (seh_is(p, i, "*"))
            star = i + 1;
        if (seh_is(p, i, "&") || seh_is(p, i, "auto"))
            return NULL;
    }
    struct cc_text text = {0};
    for (size_t i = fn->result_from; i < fn->result_to; i++) {
        static const char *const words[] = {
            "static",   "extern",   "inline",    "__inline",   "__inline__", "_Noreturn",     "constexpr",
            "virtual",  "explicit", "friend",    "register",   "_inline",    "__forceinline", "__extension__",
            "typename", "__cdecl",  "__stdcall", "__fastcall", NULL};
        static const char *const groups[] = {"__attribute__", "__attribute", "__declspec", "alignas", NULL};
        if (seh_is_any(p, i, groups) && seh_is(p, i + 1, "(")) {
            i = p->src->tok[i + 1].match;
            continue;
        }
        if (seh_is(p, i, "[") && seh_is(p, i + 1, "[")) {
            i = p->src->tok[i].match;
            continue;
        }
        if ((seh_is_any(p, i, words) && !seh_is(p, i, "typename")) || (i >= star && seh_is_any(p, i, drop)))
            continue;
        cc_text_add(&text, p->src->text + p->src->tok[i].at, p->src->tok[i].len);
        cc_text_puts(&text, " ");
    }
    return text.data;
}

static void function_body(struct seh_rewrite *p, struct seh_function *fn)
{
    fn->root = seh_new_region(p, REGION_FUNCTION, NULL, NULL);
    keep_locals_in_memory(p, fn);
    seh_block(p, fn, fn->body, fn->root);
    resolve_gotos(p, fn);
    while (fn->tries) {
        struct seh_try *t = fn->tries;
        fn->tries = t->next;
        seh_close_try(p, t);
        t->next = p->tries;
        p->tries = t;
    }
    if (fn->value_used) {
        char *type = result_type(p, fn);
        if (type)
            seh_insert_after(p, fn->body, cc_printf(" __typeof__(%s) __uwsk_seh_value;", type));
        else
            seh_fail(p, fn->body,
                     "return out of a __try with __finally in a function that returns a reference or "
                     "`auto`: leave with __leave");
        free(type);
    }
    free(fn->label);
    free(fn->jump);
}

void seh_lambda(struct seh_rewrite *p, struct seh_function *outer, size_t params, size_t open)
{
    struct seh_function fn = {.outer = outer,
                              .decl = SEH_NOWHERE,
                              .params = params,
                              .body = open,
                              .result_from = SEH_NOWHERE,
                              .result_to = SEH_NOWHERE};
    for (size_t i = params == SEH_NOWHERE ? open : p->src->tok[params].match; i < open; i++)
        if (seh_is(p, i, "->")) {
            fn.result_from = i + 1;
            fn.result_to = open;
            fn.result_void = seh_is(p, i + 1, "void") && i + 2 == open;
        }
    function_body(p, &fn);
}

/* ---- declarations ------------------------------------------------------------------------------------- */

/* A declaration at file, namespace or class scope. */
struct declaration {
    size_t start;  /* first token that an attribute may precede */
    size_t params; /* the `(` of the parameters, or SEH_NOWHERE */
    size_t name;   /* first token of the declarator's name, or SEH_NOWHERE */
    bool aggregate, initialised, ctor_colon;
};

static void describe_result(const struct seh_rewrite *p, struct seh_function *fn, const struct declaration *d)
{
    fn->result_from = fn->result_to = SEH_NOWHERE;
    if (d->name == SEH_NOWHERE)
        return;
    for (size_t i = p->src->tok[d->params].match; i < fn->body; i++)
        if (seh_is(p, i, "->")) {
            fn->result_from = i + 1;
            fn->result_to = fn->body;
        }
    if (fn->result_from == SEH_NOWHERE) {
        fn->result_from = d->start;
        fn->result_to = d->name;
    }
    for (size_t i = fn->result_from; i < fn->result_to; i++)
        if (seh_is(p, i, "{")) {
            fn->result_from = fn->result_to = SEH_NOWHERE;
            return;
        }
    char *type = result_type(p, fn);
    fn->result_void = type && strcmp(type, "void ") == 0;
    if (!type || !type[0]) /* a constructor, a conversion, implicit int */
        fn->result_from = fn->result_to = SEH_NOWHERE;
    free(type);
}

/* `(` at i behind a declarator: remembers the name, `A::B::name`, `~A` or `operator+`. */
static void note_params(const struct seh_rewrite *p, struct declaration *d, size_t i)
{
    d->params = i;
    d->name = SEH_NOWHERE;
    size_t n = i - 1;
    for (size_t k = i; k-- > d->start;)
        if (seh_is(p, k, "operator")) {
            n = k;
            break;
        }
    if (n < d->start || !seh_is_ident(p, n))
        return;
    while (n >= d->start + 2 && seh_is(p, n - 1, "::") && seh_is_ident(p, n - 2))
        n -= 2;
    if (n > d->start && seh_is(p, n - 1, "~"))
        n--;
    d->name = n;
}

static size_t skip_angles(const struct seh_rewrite *p, size_t i)
{
    size_t depth = 0;
    for (; i < p->src->count; i++) {
        if (seh_is(p, i, "<"))
            depth++;
        else if (seh_is(p, i, ">") && --depth == 0)
            return i + 1;
        else if (seh_is(p, i, "(") || seh_is(p, i, "["))
            i = p->src->tok[i].match;
        else if (seh_is(p, i, ";") || seh_is(p, i, "{"))
            break;
    }
    return i;
}

/* Skips what no attribute of ours may precede. */
static size_t declaration_start(const struct seh_rewrite *p, size_t i)
{
    for (;;) {
        if (seh_is(p, i, "template") && seh_is(p, i + 1, "<"))
            i = skip_angles(p, i + 1);
        else if (seh_is(p, i, "extern") && p->src->tok[i + 1].kind == LEX_STRING)
            i += 2;
        else if (seh_is(p, i, "[") && seh_is(p, i + 1, "["))
            i = p->src->tok[i].match + 1;
        else if (seh_is(p, i, "__extension__"))
            i++;
        else
            return i;
    }
}

/* A `{` at i that belongs to the declaration. True: it was a body, the declaration ends. */
static bool declaration_brace(struct seh_rewrite *p, struct declaration *d, size_t i)
{
    size_t close = p->src->tok[i].match;
    if (d->ctor_colon && !seh_is(p, i - 1, ")") && !seh_is(p, i - 1, "}"))
        return false; /* a member's initialiser */
    if (d->initialised || (d->aggregate && d->params == SEH_NOWHERE)) {
        if (seh_has_try(p, i, close)) {
            size_t params;
            if (!d->initialised)
                seh_scope(p, i + 1, close, true);
            else if (seh_is_lambda_body(p, i, d->start, &params))
                seh_lambda(p, NULL, params, i);
            else
                seh_fail(p, i, "__try inside an initialiser");
        }
        return false;
    }
    if (seh_has_try(p, i, close)) {
        struct seh_function fn = {.decl = d->start, .params = d->params, .body = i};
        describe_result(p, &fn, d);
        function_body(p, &fn);
    }
    return true;
}

static size_t scan_declaration(struct seh_rewrite *p, size_t i, size_t to)
{
    static const char *const not_params[] = {
        "__attribute__", "__attribute", "__declspec", "alignas", "_Alignas", "__typeof__", "typeof",
        "decltype",      "noexcept",    "asm",        "__asm__", "__asm",    "_Pragma",    NULL};
    static const char *const aggregates[] = {"struct", "union", "class", "enum", NULL};
    struct declaration d = {.start = declaration_start(p, i), .params = SEH_NOWHERE, .name = SEH_NOWHERE};
    for (i = d.start; i < to; i++) {
        if (seh_is(p, i, ";"))
            return i + 1;
        if (seh_is(p, i, "{")) {
            bool body = declaration_brace(p, &d, i);
            i = p->src->tok[i].match;
            if (body)
                return i + 1;
        } else if (seh_is(p, i, "(")) {
            if (d.params == SEH_NOWHERE && i > d.start && !seh_is_any(p, i - 1, not_params))
                note_params(p, &d, i);
            i = p->src->tok[i].match;
        } else if (seh_is(p, i, "[")) {
            i = p->src->tok[i].match;
        } else if (seh_is(p, i, "operator") && seh_is(p, i + 1, "(") && seh_is(p, i + 2, ")")) {
            i += 2;
        } else if (seh_is(p, i, "=") && d.params == SEH_NOWHERE && !(i > 0 && seh_is(p, i - 1, "operator"))) {
            d.initialised = true;
        } else if (seh_is(p, i, ":") && d.params != SEH_NOWHERE && p->src->cplusplus) {
            d.ctor_colon = true;
        } else if (seh_is_any(p, i, aggregates)) {
            d.aggregate = true;
        }
    }
    return to;
}

void seh_scope(struct seh_rewrite *p, size_t from, size_t to, bool class_scope)
{
    static const char *const access[] = {"public", "private", "protected", NULL};
    for (size_t i = from; i < to;) {
        bool linkage =
            seh_is(p, i, "extern") && p->src->tok[i + 1].kind == LEX_STRING && seh_is(p, i + 2, "{");
        if (seh_is(p, i, ";")) {
            i++;
        } else if (class_scope && seh_is_any(p, i, access) && seh_is(p, i + 1, ":")) {
            i += 2;
        } else if (linkage || seh_is(p, i, "namespace") ||
                   (seh_is(p, i, "inline") && seh_is(p, i + 1, "namespace"))) {
            while (i < to && !seh_is(p, i, "{") && !seh_is(p, i, ";"))
                i++;
            if (seh_is(p, i, "{")) {
                seh_scope(p, i + 1, p->src->tok[i].match, false);
                i = p->src->tok[i].match;
            }
            i++;
        } else {
            i = scan_declaration(p, i, to);
        }
    }
}
