/* strsafe.h - the heart of the safe-string functions, which differ only in where the text comes from. */
#ifndef UWSK_CRT_STRSAFE_H
#define UWSK_CRT_STRSAFE_H

#include <ntstrsafe.h>

/* Where the text comes from: units of a string, or a format with arguments. */
#define STRSAFE_ALL ((size_t)-1) /* no bound on the source: up to its terminator */

/* All flags that describe what a failure does to the target. */
#define STRSAFE_FAILURE_FLAGS (STRSAFE_NO_TRUNCATION | STRSAFE_FILL_ON_FAILURE | STRSAFE_NULL_ON_FAILURE)

#endif
