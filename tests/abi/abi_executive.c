/*
 * abi_executive.c - locks, queues, tables and timers of the executive have the Windows x64 layout, in C and in
 * C++ (abi_executive.cpp).  The values come from the same sources as those of abi_base.h.
 */
#include "abi_base.h"

/* ---- locks (K-SPIN-13, K-MUTEX-02) -------------------------------------------------------------------- */
BASE_SIZE(EX_SPIN_LOCK, 4);
BASE_SIZE(EX_PUSH_LOCK, 8);
BASE_SIZE(KGUARDED_MUTEX, 0x38);
BASE_SIZE(OWNER_ENTRY, 0x10);
BASE_AT(OWNER_ENTRY, TableSize, 0x08);
BASE_SIZE(ERESOURCE, 0x68);
BASE_AT(ERESOURCE, OwnerTable, 0x10);
BASE_AT(ERESOURCE, ActiveCount, 0x18);
BASE_AT(ERESOURCE, Flag, 0x1A);
BASE_AT(ERESOURCE, SharedWaiters, 0x20);
BASE_AT(ERESOURCE, ExclusiveWaiters, 0x28);
BASE_AT(ERESOURCE, OwnerEntry, 0x30);
BASE_AT(ERESOURCE, ActiveEntries, 0x40);
BASE_AT(ERESOURCE, ContentionCount, 0x44);
BASE_AT(ERESOURCE, NumberOfSharedWaiters, 0x48);
BASE_AT(ERESOURCE, NumberOfExclusiveWaiters, 0x4C);
BASE_AT(ERESOURCE, Reserved2, 0x50);
BASE_AT(ERESOURCE, Address, 0x58);
BASE_AT(ERESOURCE, SpinLock, 0x60);

/* ---- remove locks and cancel-safe queues (K-RMLK, K-CANCEL-17) ---------------------------------------- */
BASE_SIZE(IO_REMOVE_LOCK_COMMON_BLOCK, 0x20);
BASE_AT(IO_REMOVE_LOCK_COMMON_BLOCK, IoCount, 0x04);
BASE_AT(IO_REMOVE_LOCK_COMMON_BLOCK, RemoveEvent, 0x08);
BASE_SIZE(IO_REMOVE_LOCK_DBG_BLOCK, 0x58);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, MaxLockedTicks, 0x08);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, AllocateTag, 0x10);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, LockList, 0x18);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, Spin, 0x28);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, Reserved1, 0x34);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, Reserved2, 0x48);
BASE_AT(IO_REMOVE_LOCK_DBG_BLOCK, Blocks, 0x50);
BASE_SIZE(IO_REMOVE_LOCK, 0x78); /* a debug build's */
BASE_SIZE(IO_CSQ, 0x40);
BASE_AT(IO_CSQ, CsqInsertIrp, 0x08);
BASE_AT(IO_CSQ, CsqCompleteCanceledIrp, 0x30);
BASE_AT(IO_CSQ, ReservePointer, 0x38);
BASE_SIZE(IO_CSQ_IRP_CONTEXT, 0x18);
BASE_AT(IO_CSQ_IRP_CONTEXT, Irp, 0x08);
BASE_AT(IO_CSQ_IRP_CONTEXT, Csq, 0x10);
BASE_VALUE(IO_TYPE_CSQ_IRP_CONTEXT, 1);
BASE_VALUE(IO_TYPE_CSQ, 2);
BASE_VALUE(IO_TYPE_CSQ_EX, 3);

/* ---- tables, version, run once ------------------------------------------------------------------------ */
BASE_SIZE(RTL_SPLAY_LINKS, 0x18);
BASE_SIZE(RTL_BALANCED_LINKS, 0x20);
BASE_AT(RTL_BALANCED_LINKS, Balance, 0x18);
BASE_SIZE(RTL_AVL_TABLE, 0x68);
BASE_AT(RTL_AVL_TABLE, OrderedPointer, 0x20);
BASE_AT(RTL_AVL_TABLE, NumberGenericTableElements, 0x2C);
BASE_AT(RTL_AVL_TABLE, RestartKey, 0x38);
BASE_AT(RTL_AVL_TABLE, CompareRoutine, 0x48);
BASE_AT(RTL_AVL_TABLE, TableContext, 0x60);
BASE_SIZE(RTL_GENERIC_TABLE, 0x48);
BASE_AT(RTL_GENERIC_TABLE, InsertOrderList, 0x08);
BASE_AT(RTL_GENERIC_TABLE, OrderedPointer, 0x18);
BASE_AT(RTL_GENERIC_TABLE, NumberGenericTableElements, 0x24);
BASE_AT(RTL_GENERIC_TABLE, CompareRoutine, 0x28);
BASE_AT(RTL_GENERIC_TABLE, TableContext, 0x40);
BASE_VALUE(GenericEqual, 2);
BASE_VALUE(TableInsertAsRight, 3);
BASE_SIZE(RTL_OSVERSIONINFOW, 276);
BASE_SIZE(RTL_OSVERSIONINFOEXW, 284);
BASE_AT(RTL_OSVERSIONINFOEXW, szCSDVersion, 20);
BASE_AT(RTL_OSVERSIONINFOEXW, wServicePackMajor, 276);
BASE_AT(RTL_OSVERSIONINFOEXW, wProductType, 282);
BASE_SIZE(RTL_RUN_ONCE, 8);

/* ---- timers with callbacks, extended state (K-TIMER-10) ----------------------------------------------- */
BASE_SIZE(EXT_SET_PARAMETERS, 0x10);
BASE_AT(EXT_SET_PARAMETERS, NoWakeTolerance, 0x08);
BASE_SIZE(EXT_DELETE_PARAMETERS, 0x18);
BASE_AT(EXT_DELETE_PARAMETERS, DeleteCallback, 0x08);
BASE_AT(EXT_DELETE_PARAMETERS, DeleteContext, 0x10);
BASE_VALUE(EX_TIMER_NOTIFICATION, 0x80000000u);
BASE_SIZE(XSTATE_CONTEXT, 0x20);
BASE_SIZE(XSTATE_SAVE, 0x38);
BASE_AT(XSTATE_SAVE, XStateContext, 0x18);
BASE_SIZE(UUID, 16);
