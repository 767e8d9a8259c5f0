/*
 * test_crt_names.c - a driver may define libc's names itself (T-01, T-02): this file includes the driver
 * headers and then does what drivers in the field do.  That it compiles and links is the test.
 */
#include <ntddk.h>
#include <ntstrsafe.h>
#include <ntintsafe.h>
#include <wsk.h>

#include "uwsk_test.h"

typedef long long ssize_t;
typedef int socklen_t;
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef struct FILE FILE;

static uint32_t htonl(uint32_t value)
{
    return RtlUlongByteSwap(value);
}

static int connect(int socket)
{
    return socket + 1;
}

static ssize_t send(int socket, const void *buffer, size_t bytes, int flags)
{
    return socket + flags + (buffer ? (ssize_t)bytes : 0);
}

/* Hidden and weak in the archive: the driver's own wins. */
wchar_t *_wcsrev(wchar_t *text)
{
    return text + 1;
}

TEST(drivers_define_libc_names, "T-01 T-02")
{
    socklen_t length = 3;
    int8_t small = -1;
    uint8_t byte = 255;
    int32_t word = -1;
    uint64_t large = 0x100000000ull;
    FILE *file = NULL;
    wchar_t text[] = L"ab";

    EXPECT_EQ(htonl(1), 0x01000000);
    EXPECT_EQ(connect(length), 4);
    EXPECT_EQ(send(1, &length, 4, 0), 5);
    EXPECT_EQ(small + byte + word + (large >> 32), 254);
    EXPECT(file == NULL);
    EXPECT(_wcsrev(text) == text + 1);
}
