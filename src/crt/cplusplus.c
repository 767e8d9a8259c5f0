/* cplusplus.c - what a C++ compiler takes for granted: the body of a function that has none.  Operators new and
 * delete are the driver's own, as with the WDK. */
#include "crt.h"

#include <wdm.h>

int _purecall(void);
void __cxa_pure_virtual(void);
void __cxa_deleted_virtual(void);

/* A pure virtual function was called, through a constructor or a destroyed object.  A driver may bring its own; this
 * one raises STATUS_NOT_IMPLEMENTED, which is a bug check when nothing catches it. */
CRT_API int _purecall(void)
{
    ExRaiseStatus(STATUS_NOT_IMPLEMENTED);
}

/* The same under the name that gcc and clang call. */
CRT_API void __cxa_pure_virtual(void)
{
    _purecall();
}

CRT_API void __cxa_deleted_virtual(void)
{
    _purecall();
}
