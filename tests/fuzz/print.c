/*
 * print.c - the printf engine: any flags, width, precision, size and conversion, with an argument that fits, into any
 * room; and any text as a string to be printed.
 */
#include "fuzz.h"

#include <ntstrsafe.h>
#include <stdio.h>

enum { ROOM = 300 };

/* One conversion out of the input; its argument's class. */
static int conversion(struct fuzz *fuzz, CHAR *at)
{
    static const CHAR *const sizes[] = {"", "h", "hh", "l", "ll", "I64", "I32", "I", "w", "z"};
    static const CHAR kinds[] = "diouxXcsSpCZ%";
    static const CHAR flags[] = "-+ #0";
    UCHAR how = fuzz_u8(fuzz);
    const CHAR *size = sizes[fuzz_below(fuzz, ARRAYSIZE(sizes))];
    CHAR kind = kinds[fuzz_below(fuzz, sizeof kinds - 1)];

    *at++ = '%';
    for (int i = 0; i < 5; i++) {
        if (how & 1 << i)
            *at++ = flags[i];
    }
    if (how & 32)
        at += _snprintf(at, 4, "%u", fuzz_u8(fuzz));
    if (how & 64) {
        *at++ = '.';
        at += _snprintf(at, 4, "%u", fuzz_u8(fuzz));
    }
    if (kind != '%')
        while (*size)
            *at++ = *size++;
    *at++ = kind;
    *at = 0;
    return kind;
}

static int print(CHAR *out, SIZE_T room, const CHAR *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = _vsnprintf(out, room, format, list);
    va_end(list);
    return length;
}

void fuzz_one(struct fuzz *fuzz)
{
    CHAR format[64];
    int kind = conversion(fuzz, format);
    SIZE_T room = fuzz_u16(fuzz) % ROOM;
    CHAR *out;
    int length;

    out = ExAllocatePool2(POOL_FLAG_NON_PAGED, room != 0 ? room : 1, 'zzuF');
    EXPECT(out != NULL);
    if (kind == 's' || kind == 'S' || kind == 'Z') {
        /* Which width a string has depends on the size; text whose every second byte is 0 is both. */
        SIZE_T count = fuzz->left < 64 ? fuzz->left : 64;
        WCHAR *text = ExAllocatePool2(POOL_FLAG_NON_PAGED, (count + 2) * sizeof(WCHAR), 'zzuF');
        UNICODE_STRING counted = {(USHORT)(count * 2), (USHORT)(count * 2), text};

        EXPECT(text != NULL);
        for (SIZE_T i = 0; i < count; i++)
            text[i] = fuzz_u8(fuzz);
        length = kind == 'Z' ? print(out, room, format, &counted) : print(out, room, format, text);
        ExFreePoolWithTag(text, 'zzuF');
    } else {
        ULONG low = fuzz_u32(fuzz);

        length = print(out, room, format, (ULONG64)low << 32 | fuzz_u32(fuzz));
    }
    EXPECT(length <= (int)room); /* what is said to be written has been: -1 when it did not fit */
    if (length >= 0 && (SIZE_T)length < room)
        EXPECT_EQ(out[length], 0);
    if (room != 0 && NT_SUCCESS(RtlStringCbPrintfA(out, room, "%s", format)))
        EXPECT(strlen(out) < room);
    ExFreePoolWithTag(out, 'zzuF');
}
