/*
 * Memory functions of a driver that `uwsk cc --explore` compiles: calls, which the simulator sees, where the
 * compiler would have made moves of them that it does not. Included by driver_entry.h.
 */
#ifndef UWSK_WATCHED_H
#define UWSK_WATCHED_H

#ifdef __cplusplus
extern "C" {
#endif

#define UWSK_WATCHED __attribute__((__visibility__("default")))
UWSK_WATCHED void *uwsk_memcpy(void *target, const void *source, __SIZE_TYPE__ bytes);
UWSK_WATCHED void *uwsk_memmove(void *target, const void *source, __SIZE_TYPE__ bytes);
UWSK_WATCHED void *uwsk_memset(void *target, int value, __SIZE_TYPE__ bytes);
UWSK_WATCHED int uwsk_memcmp(const void *left, const void *right, __SIZE_TYPE__ bytes);
#undef UWSK_WATCHED

#ifdef __cplusplus
}
#endif

#define __builtin_memcpy  uwsk_memcpy
#define __builtin_memmove uwsk_memmove
#define __builtin_memset  uwsk_memset
#define __builtin_memcmp  uwsk_memcmp

#endif
