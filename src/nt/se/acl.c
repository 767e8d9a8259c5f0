/*
 * acl.c - access control lists: a head, then entries one behind the other.
 */
#include "nt/se/se.h"
#include "nt/rtl/rtl.h"

/* Its bytes before the SID. */
#define ACE_HEAD FIELD_OFFSET(ACCESS_ALLOWED_ACE, SidStart)

static BOOLEAN ace_has_sid(const ACE_HEADER *ace)
{
    return ace->AceType <= SYSTEM_ALARM_ACE_TYPE || ace->AceType == SYSTEM_MANDATORY_LABEL_ACE_TYPE;
}

/* So many bytes are left behind `ace`: TRUE when it is whole. */
static BOOLEAN ace_fits(const ACE_HEADER *ace, SIZE_T left)
{
    if (left < sizeof *ace || ace->AceSize < sizeof *ace || (ace->AceSize & 3) != 0 || ace->AceSize > left)
        return FALSE;
    return !ace_has_sid(ace) ||
           (ace->AceSize >= ACE_HEAD && se_valid_sid((const UCHAR *)ace + ACE_HEAD, se_next_ace(ace)));
}

/* Where the next entry would go, in a list of so many bytes; NULL: an entry is no good. */
static UCHAR *walk(const ACL *acl)
{
    const ACE_HEADER *ace = se_first_ace(acl);
    const UCHAR *end = (const UCHAR *)acl + acl->AclSize;
    USHORT i;

    for (i = 0; i < acl->AceCount; i++) {
        if (!ace_fits(ace, (SIZE_T)(end - (const UCHAR *)ace)))
            return NULL;
        ace = se_next_ace(ace);
    }
    return (UCHAR *)ace;
}

static BOOLEAN revision_is_known(ULONG revision)
{
    return revision >= MIN_ACL_REVISION && revision <= MAX_ACL_REVISION;
}

BOOLEAN se_valid_acl(const void *memory, const void *end)
{
    const ACL *acl = memory;
    SIZE_T room;

    if (memory == NULL || ((ULONG_PTR)memory & 3) != 0)
        return FALSE;
    if (end == NULL) {
        if (rtl_is_bad_memory(acl, sizeof *acl, FALSE) || rtl_is_bad_memory(acl, acl->AclSize, FALSE))
            return FALSE;
        room = acl->AclSize;
    } else if ((const UCHAR *)end < (const UCHAR *)memory) {
        return FALSE;
    } else {
        room = (SIZE_T)((const UCHAR *)end - (const UCHAR *)memory);
    }
    return room >= sizeof *acl && revision_is_known(acl->AclRevision) && acl->AclSize >= sizeof *acl &&
           acl->AclSize <= room && walk(acl) != NULL;
}

NTSTATUS se_add_ace(PACL acl, ULONG revision, UCHAR type, ULONG flags, ACCESS_MASK mask, const SID *sid)
{
    ACCESS_ALLOWED_ACE *ace;
    ULONG bytes;

    if (!se_valid_sid(sid, NULL))
        return STATUS_INVALID_SID;
    if (!revision_is_known(acl->AclRevision) || !revision_is_known(revision))
        return STATUS_REVISION_MISMATCH;
    if (flags & ~(ULONG)VALID_INHERIT_FLAGS)
        return STATUS_INVALID_PARAMETER;
    ace = acl->AclSize >= sizeof *acl ? (ACCESS_ALLOWED_ACE *)walk(acl) : NULL;
    if (ace == NULL)
        return STATUS_INVALID_ACL;
    bytes = ACE_HEAD + se_sid_length(sid);
    if (bytes > (SIZE_T)((UCHAR *)acl + acl->AclSize - (UCHAR *)ace) || acl->AceCount == MAXUSHORT)
        return STATUS_ALLOTTED_SPACE_EXCEEDED;
    ace->Header.AceType = type;
    ace->Header.AceFlags = (UCHAR)flags;
    ace->Header.AceSize = (USHORT)bytes;
    ace->Mask = mask;
    RtlCopyMemory(&ace->SidStart, sid, se_sid_length(sid));
    acl->AceCount++;
    if (revision > acl->AclRevision)
        acl->AclRevision = (UCHAR)revision;
    return STATUS_SUCCESS;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* An empty list in AclLength bytes (whole ULONGs of them are used).  STATUS_SUCCESS, STATUS_BUFFER_TOO_SMALL (no room
 * for its head), STATUS_INVALID_PARAMETER (unknown revision, or longer than a list can be).  Any IRQL.  (ntifs
 * RtlCreateAcl) */
NTSTATUS NTAPI RtlCreateAcl(PACL Acl, ULONG AclLength, ULONG AclRevision)
{
    if (AclLength < sizeof *Acl)
        return STATUS_BUFFER_TOO_SMALL;
    if (!revision_is_known(AclRevision) || AclLength > MAXUSHORT)
        return STATUS_INVALID_PARAMETER;
    RtlZeroMemory(Acl, sizeof *Acl);
    Acl->AclRevision = (UCHAR)AclRevision;
    Acl->AclSize = (USHORT)(AclLength & ~3u);
    return STATUS_SUCCESS;
}

/* Adds an entry that allows AccessMask to Sid.  STATUS_SUCCESS, STATUS_INVALID_SID, STATUS_REVISION_MISMATCH,
 * STATUS_INVALID_ACL, STATUS_ALLOTTED_SPACE_EXCEEDED.  (ntifs RtlAddAccessAllowedAce) */
NTSTATUS NTAPI RtlAddAccessAllowedAce(PACL Acl, ULONG AceRevision, ACCESS_MASK AccessMask, PSID Sid)
{
    return se_add_ace(Acl, AceRevision, ACCESS_ALLOWED_ACE_TYPE, 0, AccessMask, Sid);
}

/* The same with flags of inheritance; also STATUS_INVALID_PARAMETER (unknown flags).  (ntifs
 * RtlAddAccessAllowedAceEx) */
NTSTATUS NTAPI RtlAddAccessAllowedAceEx(PACL Acl, ULONG AceRevision, ULONG AceFlags, ACCESS_MASK AccessMask,
                                        PSID Sid)
{
    return se_add_ace(Acl, AceRevision, ACCESS_ALLOWED_ACE_TYPE, AceFlags, AccessMask, Sid);
}

/* Adds an entry that denies it.  (ntifs RtlAddAccessDeniedAce) */
NTSTATUS NTAPI RtlAddAccessDeniedAce(PACL Acl, ULONG AceRevision, ACCESS_MASK AccessMask, PSID Sid)
{
    return se_add_ace(Acl, AceRevision, ACCESS_DENIED_ACE_TYPE, 0, AccessMask, Sid);
}

/* (ntifs RtlAddAccessDeniedAceEx) */
NTSTATUS NTAPI RtlAddAccessDeniedAceEx(PACL Acl, ULONG AceRevision, ULONG AceFlags, ACCESS_MASK AccessMask,
                                       PSID Sid)
{
    return se_add_ace(Acl, AceRevision, ACCESS_DENIED_ACE_TYPE, AceFlags, AccessMask, Sid);
}

/* Where entry AceIndex is, counted from 0.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER (no such entry, or the list is
 * none).  Any IRQL.  (ntifs RtlGetAce) */
NTSTATUS NTAPI RtlGetAce(PACL Acl, ULONG AceIndex, PVOID *Ace)
{
    const ACE_HEADER *ace;

    if (!revision_is_known(Acl->AclRevision) || AceIndex >= Acl->AceCount || Acl->AclSize < sizeof *Acl ||
        walk(Acl) == NULL)
        return STATUS_INVALID_PARAMETER;
    for (ace = se_first_ace(Acl); AceIndex > 0; AceIndex--)
        ace = se_next_ace(ace);
    *Ace = (PVOID)ace;
    return STATUS_SUCCESS;
}
