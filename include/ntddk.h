/* What non-WDM drivers include: wdm.h; the additions of ntddk.h are part of it here. */
#ifndef _NTDDK_
#define _NTDDK_
#include <wdm.h>
#endif
