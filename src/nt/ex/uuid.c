/*
 * uuid.c - new identifiers: random ones (version 4).
 */
#include "nt/ke/ke.h"

/* Fills *Uuid with an identifier that nobody else has.  STATUS_SUCCESS.  IRQL <= APC_LEVEL.  (ntddk ExUuidCreate) */
NTSTATUS NTAPI ExUuidCreate(UUID *Uuid)
{
    host_entropy(Uuid, sizeof *Uuid);
    Uuid->Data3 = (USHORT)((Uuid->Data3 & 0x0FFF) | 0x4000);
    Uuid->Data4[0] = (UCHAR)((Uuid->Data4[0] & 0x3F) | 0x80);
    return STATUS_SUCCESS;
}
