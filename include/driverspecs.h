/* Driver annotations (__drv_*, _IRQL_*, ...): all of them live in sal.h. */
#ifndef _DRIVERSPECS_H_
#define _DRIVERSPECS_H_
#include <sal.h>
#include <kernelspecs.h>
#endif
