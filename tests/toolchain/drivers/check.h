/* check.h: how a driver of these tests says what went wrong. */
#ifndef TOOLCHAIN_CHECK_H
#define TOOLCHAIN_CHECK_H

#include <ntddk.h>

static volatile LONG check_failures;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            DbgPrint("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            InterlockedIncrement(&check_failures);                                                           \
        }                                                                                                    \
    } while (0)

#define CHECK_RESULT() (check_failures ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS)

#endif
