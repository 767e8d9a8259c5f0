/*
 * abi_own_names.c - a driver may define the names of libc and of sockets itself,
 * with other meanings, after including every header (T-02).
 */
#include <ntddk.h>
#include <wsk.h>
#include <ntstrsafe.h>
#include <ntintsafe.h>
#include <intrin.h>
#include "uwsk_test.h"

typedef LONG_PTR ssize_t;
typedef int socklen_t;
typedef signed char int8_t;
typedef unsigned char u8, uint8_t;
typedef int pid_t, time_t, off_t, mode_t;
struct timeval {
    LONG tv_sec, tv_usec;
};
struct iovec {
    void *iov_base;
    SIZE_T iov_len;
};

static USHORT htons(USHORT x)
{
    return RtlUshortByteSwap(x);
}
static ULONG htonl(ULONG x)
{
    return RtlUlongByteSwap(x);
}
static int connect(int x)
{
    return x + 1;
}
static int send(int x)
{
    return x + 2;
}
static int close(int x)
{
    return x + 3;
}

TEST(drivers_may_define_libc_names, "T-02")
{
    socklen_t length = sizeof(struct iovec);
    ssize_t size = -1;
    int8_t small = -1;

    EXPECT_EQ(length, 16);
    EXPECT(size < 0 && small < 0);
    EXPECT_EQ(sizeof(struct timeval), 8);
    EXPECT_EQ(htons(0x1234), 0x3412);
    EXPECT_EQ(htonl(0x12345678), 0x78563412);
    EXPECT_EQ(connect(0) + send(0) + close(0), 6);
}
