/*
 * crtdefs.h - base types of the kernel's C run time, shared by the headers beside it.
 *
 * Hermetic: includes nothing, so that drivers compile with -nostdinc (T-02).  wchar_t has 16 bits (K-STR-05).
 */
#ifndef UWSK_CRTDEFS_H
#define UWSK_CRTDEFS_H

#if defined(__cplusplus)
#define UWSK_CRT_BEGIN extern "C" {
#define UWSK_CRT_END   }
#else
#define UWSK_CRT_BEGIN
#define UWSK_CRT_END
#endif

#ifndef __cdecl
#define __cdecl
#endif
#ifndef _CRTIMP
#define _CRTIMP
#endif

#if !defined(__cplusplus) && !defined(_WCHAR_T_DEFINED)
#define _WCHAR_T_DEFINED
typedef __WCHAR_TYPE__ wchar_t;
#endif

typedef __SIZE_TYPE__ size_t;
typedef __SIZE_TYPE__ rsize_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __PTRDIFF_TYPE__ intptr_t;
typedef __SIZE_TYPE__ uintptr_t;
typedef int errno_t;
typedef __WINT_TYPE__ wint_t;
typedef unsigned short wctype_t;

#ifndef NULL
#ifdef __cplusplus
#define NULL 0
#else
#define NULL ((void *)0)
#endif
#endif

/* Count argument of the *_s functions: store what fits and terminate. */
#define _TRUNCATE ((size_t)-1)

#ifndef _countof
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
