/*
 * wdm.h: what a driver sees of the executive. Each subject has a file of its
 * own in uwsk/wdk/, named after the room of src/nt that implements it.
 *
 *   compiler  what the Microsoft compiler knows by itself
 *   base      forward declarations, small types
 *   interlocked, lists
 *   ke ex io file mm ob ps rtl se dbg
 *
 * No libc header comes in from here: drivers define names such as ssize_t or
 * htonl themselves. string.h is the kernel's own C run time.
 */
#ifndef _WDMDDK_
#define _WDMDDK_
#ifndef _NTDDK_
#define _WDM_INCLUDED_
#define _DDK_DRIVER_
#endif

#include "uwsk/wdk/compiler.h"
#include <sdkddkver.h>
#include <excpt.h>
#include <ntdef.h>
#include <ntstatus.h>
#include <bugcodes.h>
#include <guiddef.h>
#include "uwsk/wdk/base.h"
#include "uwsk/wdk/interlocked.h"
#include <intrin.h>
#include "uwsk/wdk/lists.h"
#include "uwsk/wdk/dbg.h"
#include "uwsk/wdk/rtl.h"
#include "uwsk/wdk/rtl_bitmap.h"
#include "uwsk/wdk/rtl_table.h"
#include "uwsk/wdk/rtl_version.h"
#include "uwsk/wdk/ke.h"
#include "uwsk/wdk/ex.h"
#include "uwsk/wdk/ex_lock.h"
#include "uwsk/wdk/ex_timer.h"
#include "uwsk/wdk/se.h"
#include "uwsk/wdk/mm.h"
#include "uwsk/wdk/ob.h"
#include "uwsk/wdk/ps.h"
#include "uwsk/wdk/system.h"
#include "uwsk/wdk/io.h"
#include "uwsk/wdk/io_lock.h"
#include "uwsk/wdk/file.h"

#endif
