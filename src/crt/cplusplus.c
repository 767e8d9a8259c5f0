/* cplusplus.c - what a C++ compiler takes for granted: the body of a function that has none.  Operators new
 * and delete are the driver's own, as with the WDK. */
#include "crt.h"

#include <wdm.h>

int _purecall(void);
DECLSPEC_NORETURN void __cxa_pure_virtual(void);
DECLSPEC_NORETURN void __cxa_deleted_virtual(void);

/* A pure virtual function was called, through a constructor or a destroyed object.  A driver may bring its
 * own; this one raises STATUS_NOT_IMPLEMENTED, which is a bug check when nothing catches it. */
CRT_API int _purecall(void)
{
    ExRaiseStatus(STATUS_NOT_IMPLEMENTED);
}

/* What gcc and clang call instead; they take it never to return. */
CRT_API void __cxa_pure_virtual(void)
{
    _purecall();
    ExRaiseStatus(STATUS_NOT_IMPLEMENTED);
}

CRT_API void __cxa_deleted_virtual(void)
{
    __cxa_pure_virtual();
}
