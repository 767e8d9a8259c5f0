/*
 * match.c - names against patterns.
 *
 * All ways to match are followed at once: a set of places in the pattern, one step a unit of the name.  So no pattern
 * takes longer than its length times that of the name.
 */
#include "nt/fs/fs.h"
#include "nt/rtl/rtl.h"

#include <string.h>

enum { PLACES = FS_NAME_UNITS + 1 };

struct places {
    UCHAR in[PLACES];
};

static BOOLEAN has_dot(const WCHAR *name, size_t units)
{
    for (size_t i = 0; i < units; i++)
        if (name[i] == '.')
            return TRUE;
    return FALSE;
}

/* What matches nothing at all may be passed over: '*' and '<' anywhere, '>' before a dot, and it and '"' at the end. */
static void pass_over(struct places *places, const WCHAR *pattern, size_t count, BOOLEAN before_dot,
                      BOOLEAN at_end)
{
    for (size_t i = 0; i < count; i++) {
        WCHAR unit = pattern[i];

        if (places->in[i] && (unit == '*' || unit == '<' || (unit == '>' && (before_dot || at_end)) ||
                              (unit == '"' && at_end)))
            places->in[i + 1] = 1;
    }
}

static BOOLEAN same(WCHAR a, WCHAR b)
{
    return rtl_upcase_unicode_char(a) == rtl_upcase_unicode_char(b);
}

BOOLEAN fs_matches(const WCHAR *pattern, size_t count, const WCHAR *name, size_t units)
{
    struct places now = {{1}}, next;

    if (count > FS_NAME_UNITS)
        return FALSE;
    for (size_t i = 0; i < units; i++) {
        BOOLEAN more_dots = has_dot(name + i + 1, units - i - 1);

        memset(&next, 0, sizeof next);
        pass_over(&now, pattern, count, name[i] == '.', FALSE);
        for (size_t at = 0; at < count; at++) {
            if (!now.in[at])
                continue;
            switch (pattern[at]) {
            case '*':
                next.in[at] = 1;
                break;
            case '<': /* everything but the last dot */
                next.in[at] |= name[i] != '.' || more_dots;
                break;
            case '?':
                next.in[at + 1] = 1;
                break;
            case '>':
                next.in[at + 1] |= name[i] != '.';
                break;
            case '"':
                next.in[at + 1] |= name[i] == '.';
                break;
            default:
                next.in[at + 1] |= same(pattern[at], name[i]);
            }
        }
        now = next;
    }
    pass_over(&now, pattern, count, FALSE, TRUE);
    return now.in[count];
}
