/*
 * access.c - may they?  A descriptor's list against a token.
 */
#include "nt/se/se.h"

/* What the generic rights mean for files, devices and, as their addresses are guarded like files, sockets. */
const GENERIC_MAPPING se_file_mapping = {
    .GenericRead = FILE_GENERIC_READ,
    .GenericWrite = FILE_GENERIC_WRITE,
    .GenericExecute = FILE_GENERIC_EXECUTE,
    .GenericAll = FILE_ALL_ACCESS,
};

void se_map_generic(PACCESS_MASK mask, const GENERIC_MAPPING *mapping)
{
    ACCESS_MASK in = *mask,
                out = in & ~(ACCESS_MASK)(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);

    if (in & GENERIC_READ)
        out |= mapping->GenericRead;
    if (in & GENERIC_WRITE)
        out |= mapping->GenericWrite;
    if (in & GENERIC_EXECUTE)
        out |= mapping->GenericExecute;
    if (in & GENERIC_ALL)
        out |= mapping->GenericAll;
    *mask = out;
}

/* An entry that is about this object, and whom it names. */
static const SID *named_by(const ACE_HEADER *ace)
{
    if (!se_ace_decides(ace) || (ace->AceFlags & INHERIT_ONLY_ACE))
        return NULL;
    return (const SID *)&((const ACCESS_ALLOWED_ACE *)ace)->SidStart;
}

/* What an owner may do without being named, unless the list speaks of the owner's rights itself. */
static ACCESS_MASK owners_rights(const struct se_parts *parts, const struct se_token *token)
{
    const ACE_HEADER *ace;
    const SID *sid;
    USHORT i;

    if (parts->owner == NULL || !se_token_has(token, parts->owner))
        return 0;
    ace = se_first_ace(parts->dacl);
    for (i = 0; i < parts->dacl->AceCount; i++, ace = se_next_ace(ace)) {
        sid = named_by(ace);
        if (sid != NULL && se_equal_sid(sid, se_exports.SeOwnerRightsSid))
            return 0;
    }
    return READ_CONTROL | WRITE_DAC;
}

static BOOLEAN is_about(const SID *sid, const struct se_parts *parts, const struct se_token *token)
{
    return se_token_has(token, sid) || (se_equal_sid(sid, se_exports.SeOwnerRightsSid) &&
                                        parts->owner != NULL && se_token_has(token, parts->owner));
}

/* All that the list gives the token: who comes first in it, decides on a right. */
static ACCESS_MASK allowed(const struct se_parts *parts, const struct se_token *token,
                           const GENERIC_MAPPING *mapping)
{
    ACCESS_MASK granted = owners_rights(parts, token), denied = 0, mask;
    const ACE_HEADER *ace = se_first_ace(parts->dacl);
    const SID *sid;
    USHORT i;

    for (i = 0; i < parts->dacl->AceCount; i++, ace = se_next_ace(ace)) {
        sid = named_by(ace);
        if (sid == NULL || !is_about(sid, parts, token))
            continue;
        mask = ((const ACCESS_ALLOWED_ACE *)ace)->Mask;
        se_map_generic(&mask, mapping);
        if (ace->AceType == ACCESS_ALLOWED_ACE_TYPE)
            granted |= mask & ~denied;
        else
            denied |= mask & ~granted;
    }
    return granted;
}

static BOOLEAN answer(NTSTATUS result, ACCESS_MASK access, PACCESS_MASK granted, PNTSTATUS status)
{
    *granted = result == STATUS_SUCCESS ? access : 0;
    *status = result;
    return result == STATUS_SUCCESS;
}

BOOLEAN se_access_check(const struct se_parts *parts, const struct se_token *token, ACCESS_MASK desired,
                        ACCESS_MASK previously, const GENERIC_MAPPING *mapping, KPROCESSOR_MODE mode,
                        PACCESS_MASK granted, PNTSTATUS status)
{
    ACCESS_MASK most;
    BOOLEAN maximum = (desired & MAXIMUM_ALLOWED) != 0;

    desired &= ~(ACCESS_MASK)MAXIMUM_ALLOWED;
    se_map_generic(&desired, mapping);
    if (mode == KernelMode)
        return answer(STATUS_SUCCESS, desired | previously | (maximum ? mapping->GenericAll : 0), granted,
                      status);
    if (parts == NULL)
        return answer(STATUS_ACCESS_DENIED, 0, granted, status);
    if (desired & ~previously & ACCESS_SYSTEM_SECURITY) /* the token has the privilege, not enabled */
        return answer(STATUS_PRIVILEGE_NOT_HELD, 0, granted, status);
    most = parts->dacl != NULL ? allowed(parts, token, mapping) : mapping->GenericAll | desired;
    if ((desired & ~(most | previously)) != 0)
        return answer(STATUS_ACCESS_DENIED, 0, granted, status);
    desired |= previously | (maximum ? most : 0);
    return answer(desired != 0 ? STATUS_SUCCESS : STATUS_ACCESS_DENIED, desired, granted, status);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Replaces the generic rights of a mask by what they mean.  Any IRQL.  (wdm RtlMapGenericMask) */
VOID NTAPI RtlMapGenericMask(PACCESS_MASK AccessMask, const GENERIC_MAPPING *GenericMapping)
{
    se_map_generic(AccessMask, GenericMapping);
}

/* (wdm IoGetFileObjectGenericMapping) */
PGENERIC_MAPPING NTAPI IoGetFileObjectGenericMapping(VOID)
{
    return (PGENERIC_MAPPING)&se_file_mapping;
}

/* TRUE: the subject has the access, which is in *GrantedAccess; FALSE: *AccessStatus says why not (STATUS_ACCESS_DENIED,
 * STATUS_PRIVILEGE_NOT_HELD, STATUS_INVALID_SECURITY_DESCR).  A descriptor without a list allows everything, no
 * descriptor nothing, KernelMode always everything.  PASSIVE_LEVEL.  (wdm SeAccessCheck) */
BOOLEAN NTAPI SeAccessCheck(PSECURITY_DESCRIPTOR SecurityDescriptor,
                            PSECURITY_SUBJECT_CONTEXT SubjectSecurityContext, BOOLEAN SubjectContextLocked,
                            ACCESS_MASK DesiredAccess, ACCESS_MASK PreviouslyGrantedAccess,
                            PPRIVILEGE_SET *Privileges, PGENERIC_MAPPING GenericMapping,
                            KPROCESSOR_MODE AccessMode, PACCESS_MASK GrantedAccess, PNTSTATUS AccessStatus)
{
    const struct se_token *token = SeQuerySubjectContextToken(SubjectSecurityContext);
    struct se_parts parts;

    UNREFERENCED_PARAMETER(SubjectContextLocked);
    if (Privileges != NULL)
        *Privileges = NULL;
    if (AccessMode != KernelMode && SecurityDescriptor != NULL && !se_read(SecurityDescriptor, 0, &parts))
        return answer(STATUS_INVALID_SECURITY_DESCR, 0, GrantedAccess, AccessStatus);
    return se_access_check(AccessMode != KernelMode && SecurityDescriptor != NULL ? &parts : NULL, token,
                           DesiredAccess, PreviouslyGrantedAccess, GenericMapping, AccessMode, GrantedAccess,
                           AccessStatus);
}
