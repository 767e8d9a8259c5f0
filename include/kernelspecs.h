/*
 * Kernel annotations (_IRQL_requires_max_, _Kernel_*, ...): sal.h has them.
 * This header adds the IRQL numbers that the annotations name.
 */
#ifndef KERNELSPECS_H
#define KERNELSPECS_H
#include <sal.h>

#define PASSIVE_LEVEL  0
#define LOW_LEVEL      0
#define APC_LEVEL      1
#define DISPATCH_LEVEL 2
#define CMCI_LEVEL     5
#define CLOCK_LEVEL    13
#define IPI_LEVEL      14
#define DRS_LEVEL      14
#define POWER_LEVEL    14
#define PROFILE_LEVEL  15
#define HIGH_LEVEL     15

#endif
