/*
 * driver_entry.h - included first in every source that `uwsk cc` compiles: of a driver's functions only
 * DriverEntry is visible outside (T-01).
 */
#ifndef UWSK_DRIVER_ENTRY_H
#define UWSK_DRIVER_ENTRY_H

#ifdef UWSK_EXPLORE
#include "uwsk/watched.h"
#endif

struct _DRIVER_OBJECT;
struct _UNICODE_STRING;

#ifdef __cplusplus
extern "C"
#endif
    __attribute__((__visibility__("default"))) int
    DriverEntry(struct _DRIVER_OBJECT *, struct _UNICODE_STRING *);

#endif
