/* wpp.c: makes the "name.tmh" that a driver with WPP messages includes (T-07).
 *
 * Windows' tracewpp reads the sources for FUNC lines in `begin_wpp config` comments and for the calls of those
 * functions. Here every function becomes one variadic macro that hands its words over to uwsk_wpp_message
 * (include/uwsk/wpp.h), so the calls need no reading; flags and controls come out of WPP_CONTROL_GUIDS, which
 * the preprocessor unfolds itself. */
#include "wpp.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const struct wpp_job *job;
    struct cc_list files;  /* read already */
    struct cc_list tmh;    /* names as in #include */
    struct cc_list macros; /* WPP_..._PRE and _POST that the driver defines */
    struct cc_text types;  /* |name=A,B,C */
    struct function *function;
    size_t functions;
    struct affix *affix;
    size_t affixes;
};

struct function {
    char *name;
    struct cc_list fixed;  /* LEVEL=value ...: name, value, name, value */
    struct cc_list params; /* as written; the last may be "..." */
    bool doubled;          /* Name((MSG, ...)) */
};

struct affix {
    bool suffix;
    char *name, *format, *arguments;
};

/* ---- words -------------------------------------------------------------------------------------------- */

static bool listed(const struct cc_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->item[i], word) == 0)
            return true;
    return false;
}

static bool is_word(int c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* If the word `word` stands at `at`: what follows; else NULL. */
static const char *take(const char *at, const char *word)
{
    size_t length = strlen(word);
    return strncmp(at, word, length) == 0 && !is_word(at[length]) ? at + length : NULL;
}

static char *take_name(const char **at)
{
    const char *from = blanks(*at), *to = from;
    while (is_word(*to))
        to++;
    *at = to;
    return cc_strndup(from, (size_t)(to - from));
}

/* The text up to the bracket that closes the one at `at`; *at goes behind it. NULL without one. */
static char *take_bracket(const char **at)
{
    const char *from = *at + 1, *to = *at;
    int depth = 0;
    bool quoted = false;
    for (; *to; to++) {
        if (quoted) {
            if (*to == '\\' && to[1])
                to++;
            else if (*to == '"')
                quoted = false;
        } else if (*to == '"') {
            quoted = true;
        } else if (strchr("({[", *to)) {
            depth++;
        } else if (strchr(")}]", *to) && --depth == 0) {
            *at = to + 1;
            return cc_strndup(from, (size_t)(to - from));
        }
    }
    return NULL;
}

/* The parts between the commas, without blanks around them. */
static void split(const char *text, struct cc_list *parts)
{
    bool quoted = false;
    int depth = 0;
    const char *from = text;
    for (const char *at = text;; at++) {
        if (*at == '"' && (at == text || at[-1] != '\\'))
            quoted = !quoted;
        depth += !quoted && (*at == '(' || *at == '{') ? 1 : !quoted && (*at == ')' || *at == '}') ? -1 : 0;
        if (*at && (quoted || depth > 0 || *at != ','))
            continue;
        const char *first = blanks(from), *last = at;
        while (last > first && isspace((unsigned char)last[-1]))
            last--;
        char *part = cc_strndup(first, (size_t)(last - first));
        if (*part || *at)
            cc_list_add(parts, part);
        free(part);
        if (!*at)
            return;
        from = at + 1;
    }
}

/* ---- config blocks ------------------------------------------------------------------------------------ */

/* Name{LEVEL=x}(FLAGS, MSG, ...) */
static void config_function(struct scan *scan, const char *at)
{
    struct function fresh = {.name = take_name(&at)};
    at = blanks(at);
    if (*at == '{') {
        char *inside = take_bracket(&at);
        struct cc_list pairs = {0};
        if (inside)
            split(inside, &pairs);
        for (size_t i = 0; i < pairs.count; i++) {
            const char *pair = pairs.item[i], *value = strchr(pair, '=');
            char *name = take_name(&pair);
            cc_list_add(&fresh.fixed, name);
            cc_list_add(&fresh.fixed, value ? blanks(value + 1) : "");
            free(name);
        }
        cc_list_free(&pairs);
        free(inside);
        at = blanks(at);
    }
    char *inside = *at == '(' ? take_bracket(&at) : NULL;
    if (inside) {
        const char *inner = blanks(inside);
        char *second = *inner == '(' ? take_bracket(&inner) : NULL;
        fresh.doubled = second != NULL;
        split(second ? second : inside, &fresh.params);
        free(second);
    }
    bool fine = *fresh.name && inside;
    for (size_t i = 0; i < scan->functions; i++)
        fine = fine && strcmp(scan->function[i].name, fresh.name) != 0;
    free(inside);
    if (!fine) {
        free(fresh.name);
        cc_list_free(&fresh.fixed);
        cc_list_free(&fresh.params);
        return;
    }
    scan->function = cc_realloc(scan->function, (scan->functions + 1) * sizeof *scan->function);
    scan->function[scan->functions++] = fresh;
}

/* (Name, "text", argument ...) */
static void config_affix(struct scan *scan, const char *at, bool suffix)
{
    at = blanks(at);
    char *inside = *at == '(' ? take_bracket(&at) : NULL;
    struct cc_list parts = {0};
    if (inside)
        split(inside, &parts);
    if (parts.count >= 2) {
        struct cc_text arguments = {0};
        for (size_t i = 2; i < parts.count; i++) {
            cc_text_puts(&arguments, ", ");
            cc_text_puts(&arguments, parts.item[i]);
        }
        scan->affix = cc_realloc(scan->affix, (scan->affixes + 1) * sizeof *scan->affix);
        scan->affix[scan->affixes++] =
            (struct affix){.suffix = suffix,
                           .name = cc_strdup(parts.item[0]),
                           .format = cc_strdup(parts.item[1]),
                           .arguments = arguments.data ? arguments.data : cc_strdup("")};
    }
    cc_list_free(&parts);
    free(inside);
}

/* (name, ItemListLong(A, B, C)) and ItemSetLong(BIT0, BIT1) */
static void config_type(struct scan *scan, const char *at)
{
    at = blanks(at);
    char *inside = *at == '(' ? take_bracket(&at) : NULL;
    struct cc_list parts = {0};
    if (inside)
        split(inside, &parts);
    const char *items = parts.count == 2 ? strchr(parts.item[1], '(') : NULL;
    bool set = items && strncmp(parts.item[1], "ItemSet", 7) == 0;
    char *names = items && (set || strncmp(parts.item[1], "ItemList", 8) == 0) ? take_bracket(&items) : NULL;
    if (names) {
        struct cc_list each = {0};
        split(names, &each);
        cc_text_puts(&scan->types, "|");
        cc_text_puts(&scan->types, parts.item[0]);
        cc_text_puts(&scan->types, set ? "#" : "=");
        for (size_t i = 0; i < each.count; i++) {
            size_t length = strcspn(each.item[i], "=\"\\ ");
            cc_text_puts(&scan->types, i ? "," : "");
            cc_text_add(&scan->types, each.item[i], length);
        }
        cc_list_free(&each);
    }
    free(names);
    cc_list_free(&parts);
    free(inside);
}

/* One line of a config block, its comment signs gone. */
static void config_line(struct scan *scan, const char *line)
{
    const char *rest;
    if ((rest = take(line, "FUNC")) != NULL)
        config_function(scan, rest);
    else if ((rest = take(line, "USEPREFIX")) != NULL)
        config_affix(scan, rest, false);
    else if ((rest = take(line, "USESUFFIX")) != NULL)
        config_affix(scan, rest, true);
    else if ((rest = take(line, "CUSTOM_TYPE")) != NULL)
        config_type(scan, rest);
}

/* ---- sources ------------------------------------------------------------------------------------------ */

static void scan_file(struct scan *scan, const char *path);

/* A header in quotes: beside the file, else in the folders of -I. Others are no part of the driver. */
static void scan_header(struct scan *scan, const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');
    char *path = cc_printf("%.*s%s", slash ? (int)(slash + 1 - from) : 0, from, name);
    const struct cc_list *text = scan->job->text;
    for (size_t i = 0; text && i < text->count && !cc_exists(path); i++) {
        const char *folder = NULL;
        if (strncmp(text->item[i], "-I", 2) == 0)
            folder = text->item[i][2] ? text->item[i] + 2 : i + 1 < text->count ? text->item[i + 1] : NULL;
        if (folder) {
            free(path);
            path = cc_printf("%s/%s", folder, name);
        }
    }
    if (cc_exists(path))
        scan_file(scan, path);
    free(path);
}

static void scan_directive(struct scan *scan, const char *path, const char *at)
{
    const char *rest = take(at, "include");
    if (rest) {
        rest = blanks(rest);
        const char *end = strchr(rest + (*rest != 0), *rest == '<' ? '>' : '"');
        if ((*rest != '"' && *rest != '<') || !end)
            return;
        char *name = cc_strndup(rest + 1, (size_t)(end - rest - 1));
        size_t length = strlen(name);
        if (length > 4 && strcmp(name + length - 4, ".tmh") == 0) {
            if (!strpbrk(name, "/\\") && !listed(&scan->tmh, name))
                cc_list_add(&scan->tmh, name);
        } else if (*rest == '"') {
            scan_header(scan, path, name);
        }
        free(name);
    } else if ((rest = take(at, "define")) != NULL) {
        char *name = take_name(&rest);
        if (strncmp(name, "WPP_", 4) == 0 && !listed(&scan->macros, name))
            cc_list_add(&scan->macros, name);
        free(name);
    }
}

/* Every line: directives, and what stands between begin_wpp config and end_wpp, in comments of any kind. */
static void scan_file(struct scan *scan, const char *path)
{
    if (listed(&scan->files, path))
        return;
    cc_list_add(&scan->files, path);
    size_t length;
    char *text = cc_read_file(path, &length);
    bool config = false;
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, "\n");
        char *line = cc_strndup(at, n);
        const char *word = line + strspn(line, " \t");
        if (*word == '#') {
            scan_directive(scan, path, blanks(word + 1));
        } else {
            word += strspn(word, "/* \t");
            const char *kind = take(word, "begin_wpp");
            if (kind)
                config = take(blanks(kind), "config") != NULL;
            else if (take(word, "end_wpp"))
                config = false;
            else if (config)
                config_line(scan, word);
        }
        free(line);
        at += n + (at[n] == '\n');
    }
    free(text);
}

static void scan_begin(struct scan *scan, const char *source, const struct wpp_job *job)
{
    memset(scan, 0, sizeof *scan);
    scan->job = job;
    for (size_t i = 0; job->functions && i < job->functions->count; i++)
        config_function(scan, job->functions->item[i]);
    scan_file(scan, source);
    config_function(scan,
                    "DoTraceMessage(FLAGS, MSG, ...)"); /* every driver has it, unless it says otherwise */
}

static void scan_end(struct scan *scan)
{
    for (size_t i = 0; i < scan->functions; i++) {
        free(scan->function[i].name);
        cc_list_free(&scan->function[i].fixed);
        cc_list_free(&scan->function[i].params);
    }
    for (size_t i = 0; i < scan->affixes; i++) {
        free(scan->affix[i].name);
        free(scan->affix[i].format);
        free(scan->affix[i].arguments);
    }
    free(scan->function);
    free(scan->affix);
    free(scan->types.data);
    cc_list_free(&scan->files);
    cc_list_free(&scan->tmh);
    cc_list_free(&scan->macros);
}

/* ---- the .tmh ----------------------------------------------------------------------------------------- */

static bool is_level(const char *name)
{
    return strcmp(name, "LEVEL") == 0 || strcmp(name, "LVL") == 0;
}

static bool is_flags(const char *name)
{
    return strcmp(name, "FLAGS") == 0 || strcmp(name, "FLAG") == 0;
}

/* The words that a message gets for its level or its flags: the name of the parameter, or a fixed value. */
static const char *find(const struct function *f, bool (*is)(const char *name), bool *fixed)
{
    for (size_t i = 0; i + 1 < f->fixed.count; i += 2)
        if (is(f->fixed.item[i])) {
            *fixed = true;
            return f->fixed.item[i + 1];
        }
    *fixed = false;
    for (size_t i = 0; i < f->params.count; i++)
        if (is(f->params.item[i]))
            return f->params.item[i];
    return NULL;
}

static void puts_word(struct cc_text *out, const char *word, bool fixed)
{
    if (!word)
        cc_text_puts(out, "\"\"");
    else {
        cc_text_puts(out, fixed ? "\"" : "#");
        cc_text_puts(out, word);
        cc_text_puts(out, fixed ? "\"" : "");
    }
}

/* WPP_A_B_PRE(a, b) where the driver defines one; A and B are all parameters but the message and its own. */
static void puts_around(struct cc_text *out, const struct scan *scan, const struct function *f,
                        const char *end)
{
    struct cc_text name = {0}, arguments = {0};
    cc_text_puts(&name, "WPP");
    cc_text_puts(&arguments, "(");
    for (size_t i = 0; i + 1 < f->fixed.count; i += 2) {
        cc_text_puts(&name, "_");
        cc_text_puts(&name, f->fixed.item[i]);
        cc_text_puts(&arguments, arguments.len > 1 ? ", " : "");
        cc_text_puts(&arguments, f->fixed.item[i + 1]);
    }
    for (size_t i = 0; i < f->params.count; i++) {
        if (strcmp(f->params.item[i], "MSG") == 0 || strcmp(f->params.item[i], "...") == 0)
            continue;
        cc_text_puts(&name, "_");
        cc_text_puts(&name, f->params.item[i]);
        cc_text_puts(&arguments, arguments.len > 1 ? ", " : "");
        cc_text_puts(&arguments, f->params.item[i]);
    }
    cc_text_puts(&name, end);
    if (listed(&scan->macros, name.data)) {
        cc_text_puts(out, " ");
        cc_text_puts(out, name.data);
        cc_text_puts(out, arguments.data);
        cc_text_puts(out, ")");
    }
    free(name.data);
    free(arguments.data);
}

/* The format with its prefix and suffix, and the arguments in their order. */
static void puts_format(struct cc_text *out, const struct scan *scan, const struct function *f)
{
    bool message = listed(&f->params, "MSG"), rest = listed(&f->params, "...");
    cc_text_puts(out, "\"\"");
    for (int step = 0; step < 5; step++) { /* prefix, message, suffix; their arguments likewise */
        if (step == 1 && message)
            cc_text_puts(out, " MSG");
        for (size_t i = 0; i < scan->affixes && step != 1; i++) {
            const struct affix *a = &scan->affix[i];
            if (strcmp(a->name, f->name) != 0 || a->suffix != (step == 2 || step == 4))
                continue;
            cc_text_puts(out, step < 3 ? " " : "");
            cc_text_puts(out, step < 3 ? a->format : a->arguments);
        }
        if (step == 3 && rest)
            cc_text_puts(out, ", ##__VA_ARGS__");
    }
}

static void puts_function(struct cc_text *out, const struct scan *scan, const struct function *f)
{
    bool level_fixed, flags_fixed;
    const char *level = find(f, is_level, &level_fixed), *flags = find(f, is_flags, &flags_fixed);
    char *begin = cc_printf("#undef %s\n", f->name);
    cc_text_puts(out, begin);
    free(begin);
    if (f->doubled) {
        begin = cc_printf("#define %s(Arguments) UWSK_WPP_%s Arguments\n#undef UWSK_WPP_%s\n", f->name,
                          f->name, f->name);
        cc_text_puts(out, begin);
        free(begin);
    }
    begin = cc_printf("#define %s%s(", f->doubled ? "UWSK_WPP_" : "", f->name);
    cc_text_puts(out, begin);
    free(begin);
    for (size_t i = 0; i < f->params.count; i++) {
        cc_text_puts(out, i ? ", " : "");
        cc_text_puts(out, f->params.item[i]);
    }
    cc_text_puts(out, ") \\\n   ");
    puts_around(out, scan, f, "_PRE");
    cc_text_puts(out, " uwsk_wpp_message(&uwsk_wpp_file, ");
    puts_word(out, flags, flags_fixed);
    cc_text_puts(out, ", ");
    puts_word(out, level, level_fixed);
    cc_text_puts(out, ", (int)(");
    cc_text_puts(out, level ? level : "0");
    cc_text_puts(out, "), __FILE__, __LINE__, __func__, \\\n        ");
    puts_format(out, scan, f);
    cc_text_puts(out, ")");
    puts_around(out, scan, f, "_POST");
    cc_text_puts(out, "\n");
}

static void puts_text(struct cc_text *out, const struct scan *scan)
{
    cc_text_puts(out, "/* Made by `uwsk cc`. */\n"
                      "#include <uwsk/wpp.h>\n"
                      "#ifndef UWSK_WPP_FILE\n"
                      "#define UWSK_WPP_FILE\n"
                      "#ifdef WPP_CONTROL_GUIDS\n"
                      "#define WPP_DEFINE_CONTROL_GUID(Name, Guid, Bits) WPP_CTL_##Name, Bits\n"
                      "#define WPP_DEFINE_BIT(Name) WPP_BIT_##Name,\n"
                      "enum { WPP_CONTROL_GUIDS UWSK_WPP_LAST_BIT };\n"
                      "#undef WPP_DEFINE_CONTROL_GUID\n"
                      "#undef WPP_DEFINE_BIT\n"
                      "#define WPP_DEFINE_CONTROL_GUID(Name, Guid, Bits) \"(\" #Name \")\" Bits\n"
                      "#define WPP_DEFINE_BIT(Name) #Name \",\"\n"
                      "#define UWSK_WPP_CONTROLS WPP_CONTROL_GUIDS\n"
                      "#else\n"
                      "#define UWSK_WPP_CONTROLS \"\"\n"
                      "#endif\n"
                      "static const struct uwsk_wpp_file uwsk_wpp_file __attribute__((unused)) = {\n"
                      "    UWSK_WPP_CONTROLS, \"");
    cc_text_puts(out, scan->types.data ? scan->types.data : "");
    cc_text_puts(out, "\"};\n"
                      "#undef WPP_DEFINE_CONTROL_GUID\n"
                      "#undef WPP_DEFINE_BIT\n"
                      "#endif\n");
    for (size_t i = 0; i < scan->functions; i++)
        puts_function(out, scan, &scan->function[i]);
}

bool wpp_wanted(const char *source, const struct wpp_job *job)
{
    struct scan scan;
    scan_begin(&scan, source, job);
    bool wanted = scan.tmh.count > 0;
    scan_end(&scan);
    return wanted;
}

bool wpp_generate(const char *source, const char *folder, const struct wpp_job *job, struct cc_list *made,
                  char **error)
{
    struct scan scan;
    struct cc_text out = {0};
    bool fine = true;
    scan_begin(&scan, source, job);
    puts_text(&out, &scan);
    for (size_t i = 0; i < scan.tmh.count && fine; i++) {
        char *path = cc_printf("%s/%s", folder, scan.tmh.item[i]);
        fine = cc_write_file(path, out.data, out.len);
        if (fine)
            cc_list_add(made, path);
        else
            *error = cc_printf("%s: %s", path, strerror(errno));
        free(path);
    }
    free(out.data);
    scan_end(&scan);
    return fine;
}

/* ---- dependency files --------------------------------------------------------------------------------- */

bool wpp_clean_dependencies(const char *file, const char *folder)
{
    size_t length, folder_length = strlen(folder);
    char *text = cc_read_file(file, &length);
    struct cc_text out = {0};
    if (!text)
        return false;
    bool skip_rule = false;
    for (const char *at = text; *at;) {
        size_t blank = strspn(at, " \t"), word = strcspn(at + blank, " \t\n");
        const char *name = at + blank;
        bool first = at == text || at[-1] == '\n'; /* -MP: "header:" rules */
        if (strncmp(name, folder, folder_length) == 0 && name[folder_length] == '/') {
            skip_rule = first && word > 0 && name[word - 1] == ':';
        } else {
            cc_text_add(&out, at, blank + word);
        }
        at += blank + word;
        if (*at == '\n') {
            if (!skip_rule)
                cc_text_add(&out, at, 1);
            skip_rule = false;
            at++;
        }
    }
    bool fine = cc_write_file(file, out.data ? out.data : "", out.len);
    free(out.data);
    free(text);
    return fine;
}
