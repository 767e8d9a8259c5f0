/*
 * netiodef.h - the names that network modules and their interfaces go by:
 * NPIID (which network programming interface) and NPI_MODULEID (which module).
 */
#ifndef UWSK_INCLUDE_NETIODEF_H
#define UWSK_INCLUDE_NETIODEF_H

#define _NETIODEF_

#include <ntdef.h>
#include <guiddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Identifies a network programming interface. */
typedef GUID NPIID;
typedef CONST NPIID *PNPIID;

/* What the union of NPI_MODULEID holds. */
typedef enum { MIT_GUID = 1, MIT_IF_LUID } NPI_MODULEID_TYPE;

/* Identifies a network module; Length is the size of the structure in bytes. */
typedef struct _NPI_MODULEID {
    USHORT Length;
    NPI_MODULEID_TYPE Type;
    union {
        GUID Guid;
        LUID IfLuid;
    };
} NPI_MODULEID;
typedef CONST NPI_MODULEID *PNPI_MODULEID;

/*
 * TRUE if both identifiers name the same module: same type and, by that type,
 * the same GUID or interface LUID. Any IRQL.
 */
static __inline__ __attribute__((unused)) BOOLEAN NmrIsEqualNpiModuleId(PNPI_MODULEID ModuleId1,
                                                                        PNPI_MODULEID ModuleId2)
{
    if (ModuleId1->Type != ModuleId2->Type) {
        return FALSE;
    }
    if (ModuleId1->Type == MIT_GUID) {
        return (BOOLEAN)(__builtin_memcmp(&ModuleId1->Guid, &ModuleId2->Guid, sizeof(GUID)) == 0);
    }
    return (BOOLEAN)(__builtin_memcmp(&ModuleId1->IfLuid, &ModuleId2->IfLuid, sizeof(LUID)) == 0);
}

#ifdef __cplusplus
}
#endif

#endif
