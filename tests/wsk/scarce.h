/*
 * scarce.h - a transport that finds no descriptor and no memory: the fault plan of the tests of starved sockets.
 */
#ifndef WSK_SCARCE_H
#define WSK_SCARCE_H

#include "wsk_test.h"

enum { SCARCE_EVER = -1 }; /* until it is set to something else */

static volatile LONG scarce;  /* so many tries to come find nothing */
static volatile LONG refused; /* tries that found nothing */

static int scarce_plan(void *context, int kind)
{
    LONG left;

    UNREFERENCED_PARAMETER(context);
    if (kind != HOST_FAULT_TRANSPORT)
        return 0;
    do {
        left = ReadAcquire(&scarce);
        if (left == 0)
            return 0;
    } while (left != SCARCE_EVER && InterlockedCompareExchange(&scarce, left - 1, left) != left);
    InterlockedIncrement(&refused);
    return 1;
}

__attribute__((constructor)) static void scarce_install(void)
{
    host_set_fault_plan(scarce_plan, NULL);
}

#endif
