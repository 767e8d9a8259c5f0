/* crt.h - what the files of the C run time share. */
#ifndef UWSK_CRT_H
#define UWSK_CRT_H

#include <stddef.h>

/* Weak: a driver may bring its own strlen or qsort.  Hidden: nothing of this leaves the driver's module
 * (T-01). */
#define CRT_API __attribute__((weak, visibility("hidden")))
/* Shared between files of the archive only. */
#define CRT_INTERNAL __attribute__((visibility("hidden")))

/* Case of a 16-bit unit, one to one; units without a partner stay.  (casemap.c) */
CRT_INTERNAL wchar_t uwskcrt_upcase(wchar_t unit);
CRT_INTERNAL wchar_t uwskcrt_downcase(wchar_t unit);

#endif
