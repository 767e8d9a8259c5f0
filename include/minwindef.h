/* Short names that sources shared with user mode expect; the types are ntdef.h's. */
#ifndef _MINWINDEF_
#define _MINWINDEF_
#include <ntdef.h>
#ifndef WINAPI
#define WINAPI
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef APIENTRY
#define APIENTRY WINAPI
#endif
#ifndef PASCAL
#define PASCAL
#endif
#ifndef FAR
#define FAR
#endif
#ifndef NEAR
#define NEAR
#endif
#define MAX_PATH 260
/* In C++, too, where ntdef.h leaves them to the driver; NOMINMAX keeps them out there. */
#ifndef NOMINMAX
#include "uwsk/wdk/minmax.h"
#endif
#endif
