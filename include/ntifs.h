/* What file system drivers include; here for drivers that use it in place of ntddk.h. */
#ifndef _NTIFS_
#define _NTIFS_
#define _NTIFS_INCLUDED_
#include <ntddk.h>
#include "uwsk/wdk/se_ifs.h"
#endif
