/*
 * bugcheck.c - the end of the world: KeBugCheck and KeBugCheckEx.
 *
 * Nothing is formatted here: the runner's handler knows the codes and writes the report.
 */
#include "nt/ke/internal.h"

static ke_bugcheck_handler bugcheck_handler;
static struct host_thread *bugcheck_thread; /* the first thread that came here */

void ke_set_bugcheck_handler(ke_bugcheck_handler handler)
{
    __atomic_store_n(&bugcheck_handler, handler, __ATOMIC_RELEASE);
}

static char *append_text(char *out, const char *text)
{
    while (*text)
        *out++ = *text++;
    return out;
}

static char *append_hex(char *out, ULONG_PTR value)
{
    int shift = 60;

    out = append_text(out, "0x");
    while (shift > 0 && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *out++ = "0123456789ABCDEF"[(value >> shift) & 15];
    return out;
}

/* Without a handler: "bug check 0xC4 (0x31, 0x0, 0x2, 0x0) from 0x7f..." */
static void default_report(ULONG code, const ULONG_PTR *parameters, void *caller)
{
    char line[192];
    char *out = append_text(line, "bug check ");

    out = append_hex(out, code);
    for (int i = 0; i < 4; i++) {
        out = append_text(out, i ? ", " : " (");
        out = append_hex(out, parameters[i]);
    }
    out = append_text(out, ") from ");
    out = append_hex(out, (ULONG_PTR)caller);
    *out = 0;
    host_log(HOST_LOG_ERROR, line);
}

void ke_bug_check_from(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
{
    struct host_thread *self = host_self(), *first = NULL;
    ke_bugcheck_handler handler = __atomic_load_n(&bugcheck_handler, __ATOMIC_ACQUIRE);
    const ULONG_PTR parameters[4] = {p1, p2, p3, p4};
    uint32_t never = 0;

    if (!__atomic_compare_exchange_n(&bugcheck_thread, &first, self, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (first == self)
            host_abort(); /* the report itself went wrong */
        for (;;)
            host_park(&never, 0, HOST_FOREVER); /* the first one reports and ends the process */
    }
    if (handler)
        handler(code, p1, p2, p3, p4, caller);
    else
        default_report(code, parameters, caller);
    host_abort();
}

void ke_assert_failed(const char *condition, const char *file, int line)
{
    char text[512], digits[12];
    char *out = text, *end = text + sizeof text - 64;
    int count = 0;

    out = append_text(out, "runtime assertion failed: ");
    while (*condition && out < end)
        *out++ = *condition++;
    out = append_text(out, " at ");
    while (*file && out < end)
        *out++ = *file++;
    *out++ = ':';
    do {
        digits[count++] = (char)('0' + line % 10);
        line /= 10;
    } while (line);
    while (count)
        *out++ = digits[--count];
    *out = 0;
    host_log(HOST_LOG_ERROR, text);
    host_abort();
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Stops everything with a code and four parameters.  Any IRQL, does not return.  (wdm KeBugCheckEx) */
VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)
{
    ke_bug_check_from(BugCheckCode, BugCheckParameter1, BugCheckParameter2, BugCheckParameter3,
                      BugCheckParameter4, __builtin_return_address(0));
}

/* The same without parameters.  (ntddk KeBugCheck) */
VOID KeBugCheck(ULONG BugCheckCode)
{
    ke_bug_check_from(BugCheckCode, 0, 0, 0, 0, __builtin_return_address(0));
}
