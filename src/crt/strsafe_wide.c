/* strsafe_wide.c - the wide RtlString functions (strsafe.inc.h) and those that read a UNICODE_STRING. */
#include "crt.h"
#include "format.h"
#include "strsafe.h"

#define UNIT      wchar_t
#define FORMAT    uwskcrt_format_wide
#define CCH(name) RtlStringCch##name##W
#define CB(name)  RtlStringCb##name##W
#include "strsafe.inc.h"

static NTSTATUS place_string(struct target *target, PCUNICODE_STRING source, wchar_t **end, size_t *remaining,
                             size_t unit_bytes)
{
    NTSTATUS status = RtlUnicodeStringValidateEx(source, target->flags & STRSAFE_IGNORE_NULLS);

    if (!target_valid(target))
        return STATUS_INVALID_PARAMETER;
    if (status != STATUS_SUCCESS) {
        if (target->units)
            target->text[0] = 0;
        return finish(target, status, 0, end, remaining, unit_bytes);
    }
    if (!source || !source->Buffer)
        return place(target, 0, L"", STRSAFE_ALL, end, remaining, unit_bytes);
    return place(target, 0, source->Buffer, source->Length / sizeof(wchar_t), end, remaining, unit_bytes);
}

CRT_API NTSTATUS RtlStringCchCopyUnicodeString(wchar_t *text, size_t units, PCUNICODE_STRING source)
{
    struct target target = TARGET_CCH(text, units, 0);
    return place_string(&target, source, NULL, NULL, 0);
}

CRT_API NTSTATUS RtlStringCbCopyUnicodeString(wchar_t *text, size_t bytes, PCUNICODE_STRING source)
{
    struct target target = TARGET_CB(text, bytes, 0);
    return place_string(&target, source, NULL, NULL, 0);
}

CRT_API NTSTATUS RtlStringCchCopyUnicodeStringEx(wchar_t *text, size_t units, PCUNICODE_STRING source,
                                                 wchar_t **end, size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CCH(text, units, flags);
    return place_string(&target, source, end, remaining, 0);
}

CRT_API NTSTATUS RtlStringCbCopyUnicodeStringEx(wchar_t *text, size_t bytes, PCUNICODE_STRING source,
                                                wchar_t **end, size_t *remaining, ULONG flags)
{
    struct target target = TARGET_CB(text, bytes, flags);
    return place_string(&target, source, end, remaining, 1);
}
