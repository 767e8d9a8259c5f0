/*
 * routine.c - addresses of the system's routines by name.
 *
 * Names that exports.def does not list are not ours to tell, although the library may have symbols of that name.
 */
#include "host/host.h"

#include <wdm.h>

static const char *const routines[] = {
#define X(room, Name, ...) #Name,
#define D(room, Name, ...)
#include "nt/exports.def"
#undef X
#undef D
};

static int is_name(PCUNICODE_STRING string, const char *name)
{
    USHORT units = string->Length / sizeof(WCHAR);

    for (USHORT i = 0; i < units; i++, name++) {
        if (!*name || string->Buffer[i] != (WCHAR)*name)
            return 0;
    }
    return !*name;
}

/* The routine of that name, case and all; NULL when this system has none.  PASSIVE_LEVEL.
 * (wdm MmGetSystemRoutineAddress) */
PVOID NTAPI MmGetSystemRoutineAddress(PUNICODE_STRING SystemRoutineName)
{
    for (size_t i = 0; i < RTL_NUMBER_OF(routines); i++) {
        if (is_name(SystemRoutineName, routines[i]))
            return host_module_symbol(NULL, routines[i]);
    }
    return NULL;
}
