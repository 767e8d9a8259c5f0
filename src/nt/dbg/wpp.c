/*
 * wpp.c - WPP messages as trace lines (T-07).
 *
 * On Windows the build collects the formats and a viewer puts the text together later; here the driver's
 * messages arrive with their formats (include/uwsk/wpp.h) and are printed at once.  DbgPrint's conversions go
 * to its formatter, %!NAME! is done here.
 */
#include <uwsk/wpp.h>

#include "nt/dbg/dbg.h"
#include "nt/dbg/trace.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/rtl/rtl.h"
#include <string.h>

#define WPP_TAG 0x20707057u /* "Wpp " */

enum { FORMAT_ON_STACK = 512, NAME_MAX_LENGTH = 40 };

struct message {
    const struct uwsk_wpp_file *about;
    const char *flags, *level_text, *file, *function;
    int level, line;
    struct trace_text text;
    va_list arguments;
};

static const char *const level_names[] = {"NONE", "CRITICAL", "ERROR", "WARNING", "INFORMATION", "VERBOSE"};

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static int same_word(const char *left, const char *right)
{
    while (*left && upper(*left) == upper(*right))
        left++, right++;
    return !*left && !*right;
}

static const char *file_name(const char *path)
{
    const char *name = path;

    for (; *path; path++)
        if (*path == '/' || *path == '\\')
            name = path + 1;
    return name;
}

/* ---- flags and levels --------------------------------------------------------------------------------- */

/* The control that a flag belongs to, from "(Control)FLAG,FLAG,(Other)FLAG,"; the first one for a flag that
 * is nowhere, and for a message without flags. */
static const char *control_of(const char *controls, const char *flag, size_t *length)
{
    const char *control = controls + (*controls == '('), *found = NULL, *at = controls;
    size_t flag_length = strlen(flag);

    while (*at && !found) {
        size_t word;

        if (*at == '(') {
            control = at + 1;
            while (*at && *at++ != ')')
                ;
            continue;
        }
        for (word = 0; at[word] && at[word] != ','; word++)
            ;
        if (flag_length && word == flag_length && memcmp(at, flag, word) == 0)
            found = control;
        at += word + (at[word] == ',');
    }
    if (!found)
        found = controls + (*controls == '(');
    for (*length = 0; found[*length] && found[*length] != ')'; ++*length)
        ;
    return found;
}

/* "ERROR" for TRACE_LEVEL_ERROR, and for a 2 that stands for it. */
static const char *level_name(const struct message *message)
{
    static const char prefix[] = "TRACE_LEVEL_";
    const char *text = message->level_text;

    if (strncmp(text, prefix, sizeof prefix - 1) == 0)
        return text + sizeof prefix - 1;
    if ((*text >= '0' && *text <= '9') || *text == '(')
        return message->level >= 0 && message->level < (int)(sizeof level_names / sizeof *level_names)
                   ? level_names[message->level]
                   : text;
    return text;
}

static void add_head(struct message *message)
{
    size_t length;
    const char *control = control_of(message->about->controls, message->flags, &length);
    const char *level = level_name(message);

    trace_add(&message->text, "WPP %.*s%s%s%s%s %s:%d: ", (int)length, control,
              length && *message->flags ? "/" : "", message->flags,
              (length || *message->flags) && *level ? " " : "", level, file_name(message->file),
              message->line);
}

/* ---- %!NAME! ------------------------------------------------------------------------------------------ */

/* The item with this number in "A,B,C". */
static size_t item_at(const char **list, unsigned index)
{
    size_t length = 0;

    while (index > 0 && **list && **list != '|')
        index -= *(*list)++ == ',';
    while ((*list)[length] && (*list)[length] != ',' && (*list)[length] != '|')
        length++;
    return length;
}

/* A CUSTOM_TYPE of the driver's own: "|name=A,B,C" numbers items, "|name#A,B" their bits. */
static int add_custom(struct message *message, const char *name)
{
    size_t name_length = strlen(name);
    const char *at = message->about->types;

    for (; (at = strchr(at, '|')) != NULL; at++) {
        const char *list = at + 1 + name_length;
        ULONG value;

        if (strncmp(at + 1, name, name_length) != 0 || (*list != '=' && *list != '#'))
            continue;
        value = va_arg(message->arguments, ULONG);
        if (*list == '=') {
            const char *item = list + 1;
            size_t length = item_at(&item, value);

            trace_add(&message->text, length ? "%.*s" : "%.*s%d", (int)length, item, (int)value);
        } else {
            int some = 0;

            for (unsigned bit = 0; bit < 32; bit++) {
                const char *item = list + 1;
                size_t length = item_at(&item, bit);

                if (value >> bit & 1 && length)
                    trace_add(&message->text, "%s%.*s", some++ ? "|" : "", (int)length, item);
                else if (value >> bit & 1)
                    trace_add(&message->text, "%s0x%x", some++ ? "|" : "", 1u << bit);
            }
            if (!some)
                trace_add(&message->text, "0");
        }
        return 1;
    }
    return 0;
}

/* What the message knows of itself: takes no argument. */
static int add_own(struct message *message, const char *name)
{
    size_t length;
    const char *control;

    if (same_word(name, "FUNC"))
        trace_add(&message->text, "%s", message->function);
    else if (same_word(name, "FILE"))
        trace_add(&message->text, "%s", file_name(message->file));
    else if (same_word(name, "LINE"))
        trace_add(&message->text, "%d", message->line);
    else if (same_word(name, "LEVEL"))
        trace_add(&message->text, "%s", level_name(message));
    else if (same_word(name, "FLAGS"))
        trace_add(&message->text, "%s", message->flags);
    else if (same_word(name, "COMPNAME") || same_word(name, "MOD")) {
        control = control_of(message->about->controls, message->flags, &length);
        trace_add(&message->text, "%.*s", (int)length, control);
    } else
        return same_word(name, "STDPREFIX"); /* time and thread stand in front of the line already */
    return 1;
}

static void add_guid(struct trace_text *text, const GUID *guid)
{
    if (!guid) {
        trace_add(text, "<NULL>");
        return;
    }
    trace_add(text, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", guid->Data1, guid->Data2,
              guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3], guid->Data4[4],
              guid->Data4[5], guid->Data4[6], guid->Data4[7]);
}

static void add_ipv6(struct trace_text *text, const UCHAR *address)
{
    if (!address) {
        trace_add(text, "<NULL>");
        return;
    }
    for (int i = 0; i < 16; i += 2)
        trace_add(text, "%s%x", i ? ":" : "", (unsigned)address[i] << 8 | address[i + 1]);
}

static void add_irql(struct trace_text *text, int level)
{
    static const char *const names[] = {"PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL"};

    if (level >= 0 && level < 3)
        trace_add(text, "%s", names[level]);
    else
        trace_add(text, "%d", level);
}

/* A system time, 100 ns since 1601, and a span of milliseconds. */
static void add_time(struct trace_text *text, LONGLONG value)
{
    LARGE_INTEGER time = {.QuadPart = value};
    TIME_FIELDS fields;

    rtl_time_to_time_fields(&time, &fields);
    trace_add(text, "%04d-%02d-%02d %02d:%02d:%02d.%03d", fields.Year, fields.Month, fields.Day, fields.Hour,
              fields.Minute, fields.Second, fields.Milliseconds);
}

static void add_span(struct trace_text *text, LONGLONG milliseconds)
{
    LONGLONG seconds = milliseconds / 1000;

    trace_add(text, "%d~%d:%d:%d", (int)(seconds / 86400), (int)(seconds / 3600 % 24),
              (int)(seconds / 60 % 60), (int)(seconds % 60));
}

/* A type that every driver has. */
static int add_known(struct message *message, const char *name)
{
    struct trace_text *text = &message->text;

    if (same_word(name, "STATUS") || same_word(name, "NTSTATUS")) {
        NTSTATUS status = va_arg(message->arguments, NTSTATUS);
        const char *known = rtl_status_name(status);

        trace_add(text, known ? "0x%08x(%s)" : "0x%08x%s", (ULONG)status, known ? known : "");
    } else if (same_word(name, "WINERROR")) {
        trace_add(text, "%u", va_arg(message->arguments, ULONG));
    } else if (same_word(name, "HRESULT")) {
        trace_add(text, "0x%08x", va_arg(message->arguments, ULONG));
    } else if (same_word(name, "GUID") || same_word(name, "CLSID") || same_word(name, "LIBID") ||
               same_word(name, "IID")) {
        add_guid(text, va_arg(message->arguments, const GUID *));
    } else if (same_word(name, "BOOL") || same_word(name, "BOOLEAN") || same_word(name, "BOOL8")) {
        trace_add(text, "%s", va_arg(message->arguments, int) ? "TRUE" : "FALSE");
    } else if (same_word(name, "IRQL")) {
        add_irql(text, va_arg(message->arguments, int));
    } else if (same_word(name, "IPADDR")) {
        ULONG address = va_arg(message->arguments, ULONG);

        trace_add(text, "%u.%u.%u.%u", address & 255, address >> 8 & 255, address >> 16 & 255, address >> 24);
    } else if (same_word(name, "PORT")) {
        ULONG port = va_arg(message->arguments, ULONG);

        trace_add(text, "%u", (port & 255) << 8 | (port >> 8 & 255));
    } else if (same_word(name, "IPV6ADDR")) {
        add_ipv6(text, va_arg(message->arguments, const UCHAR *));
    } else if (same_word(name, "TIMESTAMP") || same_word(name, "TIME") || same_word(name, "DATETIME")) {
        add_time(text, va_arg(message->arguments, LONGLONG));
    } else if (same_word(name, "DELTA") || same_word(name, "WAITTIME") || same_word(name, "DUE")) {
        add_span(text, va_arg(message->arguments, LONGLONG));
    } else if (same_word(name, "ANSTR")) {
        trace_add_list(text, "%Z", &message->arguments);
    } else if (same_word(name, "USTR")) {
        trace_add_list(text, "%wZ", &message->arguments);
    } else {
        return 0;
    }
    return 1;
}

static void add_special(struct message *message, const char *name)
{
    if (add_own(message, name) || add_custom(message, name) || add_known(message, name))
        return;
    trace_add(&message->text, "%%!%s!=0x%llx", name, va_arg(message->arguments, ULONGLONG));
}

/* ---- a message ---------------------------------------------------------------------------------------- */

/* The next %!NAME! of a format; NULL when there is none.  *end is behind it. */
static char *find_special(char *format, char **end)
{
    for (; *format; format++) {
        size_t length = 2;

        if (*format != '%')
            continue;
        if (format[1] == '!') {
            while (format[length] && format[length] != '!' && format[length] != ' ' &&
                   length < NAME_MAX_LENGTH)
                length++;
            if (format[length] == '!' && length > 2) {
                *end = format + length + 1;
                return format;
            }
        }
        if (format[1])
            format++;
    }
    return NULL;
}

/* `format` is a copy: the places between are ended one by one. */
static void add_message(struct message *message, char *format)
{
    char *end, *special;

    while ((special = find_special(format, &end)) != NULL) {
        *special = 0;
        end[-1] = 0;
        trace_add_list(&message->text, format, &message->arguments);
        add_special(message, special + 2);
        format = end;
        if (same_word(special + 2, "STDPREFIX") && *format == ' ')
            format++;
    }
    trace_add_list(&message->text, format, &message->arguments);
}

void uwsk_wpp_message(const struct uwsk_wpp_file *about, const char *flags, const char *level_text, int level,
                      const char *file, int line, const char *function, const char *format, ...)
{
    static const unsigned levels[] = {DPFLTR_INFO_LEVEL,    DPFLTR_ERROR_LEVEL, DPFLTR_ERROR_LEVEL,
                                      DPFLTR_WARNING_LEVEL, DPFLTR_INFO_LEVEL,  DPFLTR_TRACE_LEVEL};
    struct message message = {.about = about,
                              .flags = flags,
                              .level_text = level_text,
                              .file = file,
                              .function = function,
                              .level = level,
                              .line = line};
    char on_stack[FORMAT_ON_STACK], *copy = on_stack;
    size_t bytes = strlen(format) + 1;

    if (bytes > sizeof on_stack)
        copy = ex_allocate_pool(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, bytes, WPP_TAG);
    trace_begin(&message.text);
    add_head(&message);
    if (copy) {
        memcpy(copy, format, bytes);
        va_start(message.arguments, format);
        add_message(&message, copy);
        va_end(message.arguments);
    }
    trace_end(&message.text, level >= 0 && level < 6 ? levels[level] : DPFLTR_INFO_LEVEL);
    if (copy && copy != on_stack)
        ex_free_pool(copy);
}

const struct uwsk_wpp_control uwsk_wpp_everything = {255, {~0u}};

/* The trace session that has everything on is always there: starting and stopping it changes nothing. */
void uwsk_wpp_start(int count, ...)
{
    (void)count;
}

void uwsk_wpp_stop(int count, ...)
{
    (void)count;
}
