/*
 * abi_exports.h - src/nt/exports.def and the headers say the same: an entry whose
 * prototype differs from the header's does not compile.
 */
#include <ntifs.h>
#include <wdmsec.h>
#include <wsk.h>
#include <netioapi.h>
#include <ip2string.h>

UWSK_BEGIN_C
#define X(room, Name, ReturnType, parameters) extern ReturnType NTAPI Name parameters;
#define D(room, Name, Type)                   extern Type Name;
#include "nt/exports.def"
#undef X
#undef D
UWSK_END_C
