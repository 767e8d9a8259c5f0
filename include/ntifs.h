/* What file system drivers include; here for drivers that use it in place of ntddk.h. */
#ifndef _NTIFS_
#define _NTIFS_
#define _NTIFS_INCLUDED_
#include <ntddk.h>
#include "uwsk/wdk/ifs.h"
#include "uwsk/wdk/se_ifs.h"

/* Bits of a mask that are set in a variable, whether any of them is, and setting and clearing them; many drivers
 * bring their own. */
#ifndef FlagOn
#define FlagOn(f, mask) ((f) & (mask))
#endif
#ifndef BooleanFlagOn
#define BooleanFlagOn(f, mask) ((BOOLEAN)(((f) & (mask)) != 0))
#endif
#ifndef SetFlag
#define SetFlag(f, mask) ((f) |= (mask))
#endif
#ifndef ClearFlag
#define ClearFlag(f, mask) ((f) &= ~(mask))
#endif
#endif
