/*
 * sid.c - SIDs, and those that everybody knows.
 */
#include "nt/se/se.h"
#include "nt/rtl/rtl.h"

/* [what, what + bytes) ends before `end`; NULL: it can be read. */
static BOOLEAN is_there(const void *what, SIZE_T bytes, const void *end)
{
    if (end == NULL)
        return !rtl_is_bad_memory(what, bytes, FALSE);
    return (const UCHAR *)what <= (const UCHAR *)end &&
           bytes <= (SIZE_T)((const UCHAR *)end - (const UCHAR *)what);
}

BOOLEAN se_valid_sid(const void *sid, const void *end)
{
    const SID *head = sid;

    return sid != NULL && ((ULONG_PTR)sid & 3) == 0 && is_there(sid, FIELD_OFFSET(SID, SubAuthority), end) &&
           head->Revision == SID_REVISION && head->SubAuthorityCount <= SID_MAX_SUB_AUTHORITIES &&
           is_there(sid, se_sid_length(head), end);
}

BOOLEAN se_equal_sid(const SID *one, const SID *other)
{
    return one->Revision == other->Revision && one->SubAuthorityCount == other->SubAuthorityCount &&
           RtlEqualMemory(one, other, se_sid_length(one));
}

/* ---- well-known ones ---------------------------------------------------------------------------------- */

#define AUTHORITY(number)                                                                                    \
    {                                                                                                        \
        {                                                                                                    \
            0, 0, 0, 0, 0, (number)                                                                          \
        }                                                                                                    \
    }
#define KNOWN(name, number, count, ...)                                                                      \
    static struct {                                                                                          \
        UCHAR revision, parts;                                                                               \
        SID_IDENTIFIER_AUTHORITY authority;                                                                  \
        ULONG part[(count) > 0 ? (count) : 1];                                                               \
    } name = {SID_REVISION, (count), AUTHORITY(number), {__VA_ARGS__}}

KNOWN(null_sid, 0, 1, SECURITY_NULL_RID);
KNOWN(world_sid, 1, 1, SECURITY_WORLD_RID);
KNOWN(local_sid, 2, 1, SECURITY_LOCAL_RID);
KNOWN(creator_owner_sid, 3, 1, SECURITY_CREATOR_OWNER_RID);
KNOWN(creator_group_sid, 3, 1, SECURITY_CREATOR_GROUP_RID);
KNOWN(owner_rights_sid, 3, 1, SECURITY_CREATOR_OWNER_RIGHTS_RID);
KNOWN(nt_authority_sid, 5, 0, 0);
KNOWN(dialup_sid, 5, 1, 1);
KNOWN(network_sid, 5, 1, 2);
KNOWN(batch_sid, 5, 1, 3);
KNOWN(interactive_sid, 5, 1, 4);
KNOWN(anonymous_sid, 5, 1, SECURITY_ANONYMOUS_LOGON_RID);
KNOWN(authenticated_sid, 5, 1, SECURITY_AUTHENTICATED_USER_RID);
KNOWN(restricted_sid, 5, 1, 12);
KNOWN(iuser_sid, 5, 1, 17);
KNOWN(system_sid, 5, 1, SECURITY_LOCAL_SYSTEM_RID);
KNOWN(local_service_sid, 5, 1, SECURITY_LOCAL_SERVICE_RID);
KNOWN(network_service_sid, 5, 1, SECURITY_NETWORK_SERVICE_RID);
KNOWN(admins_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_ADMINS);
KNOWN(users_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_USERS);
KNOWN(guests_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_GUESTS);
KNOWN(power_users_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, 547);
KNOWN(account_ops_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, 548);
KNOWN(system_ops_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, 549);
KNOWN(print_ops_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, 550);
KNOWN(backup_ops_sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, 551);
KNOWN(installer_sid, 5, 6, 80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464);
KNOWN(user_mode_drivers_sid, 5, 6, 84, 0, 0, 0, 0, 0);
KNOWN(packages_sid, 15, 2, 2, 1);
KNOWN(untrusted_sid, 16, 1, 0);
KNOWN(low_sid, 16, 1, 4096);
KNOWN(medium_sid, 16, 1, 8192);
KNOWN(high_sid, 16, 1, 12288);
KNOWN(system_label_sid, 16, 1, 16384);
KNOWN(trust_sid, 19, 2, 1024, 8192);

#define PRIVILEGE(number)                                                                                    \
    {                                                                                                        \
        (number), 0                                                                                          \
    }

SE_EXPORTS se_exports = {
    .SeCreateTokenPrivilege = PRIVILEGE(SE_CREATE_TOKEN_PRIVILEGE),
    .SeAssignPrimaryTokenPrivilege = PRIVILEGE(SE_ASSIGNPRIMARYTOKEN_PRIVILEGE),
    .SeLockMemoryPrivilege = PRIVILEGE(SE_LOCK_MEMORY_PRIVILEGE),
    .SeIncreaseQuotaPrivilege = PRIVILEGE(SE_INCREASE_QUOTA_PRIVILEGE),
    .SeUnsolicitedInputPrivilege = PRIVILEGE(0), /* there is none any more */
    .SeTcbPrivilege = PRIVILEGE(SE_TCB_PRIVILEGE),
    .SeSecurityPrivilege = PRIVILEGE(SE_SECURITY_PRIVILEGE),
    .SeTakeOwnershipPrivilege = PRIVILEGE(SE_TAKE_OWNERSHIP_PRIVILEGE),
    .SeLoadDriverPrivilege = PRIVILEGE(SE_LOAD_DRIVER_PRIVILEGE),
    .SeCreatePagefilePrivilege = PRIVILEGE(SE_CREATE_PAGEFILE_PRIVILEGE),
    .SeIncreaseBasePriorityPrivilege = PRIVILEGE(SE_INC_BASE_PRIORITY_PRIVILEGE),
    .SeSystemProfilePrivilege = PRIVILEGE(SE_SYSTEM_PROFILE_PRIVILEGE),
    .SeSystemtimePrivilege = PRIVILEGE(SE_SYSTEMTIME_PRIVILEGE),
    .SeProfileSingleProcessPrivilege = PRIVILEGE(SE_PROF_SINGLE_PROCESS_PRIVILEGE),
    .SeCreatePermanentPrivilege = PRIVILEGE(SE_CREATE_PERMANENT_PRIVILEGE),
    .SeBackupPrivilege = PRIVILEGE(SE_BACKUP_PRIVILEGE),
    .SeRestorePrivilege = PRIVILEGE(SE_RESTORE_PRIVILEGE),
    .SeShutdownPrivilege = PRIVILEGE(SE_SHUTDOWN_PRIVILEGE),
    .SeDebugPrivilege = PRIVILEGE(SE_DEBUG_PRIVILEGE),
    .SeAuditPrivilege = PRIVILEGE(SE_AUDIT_PRIVILEGE),
    .SeSystemEnvironmentPrivilege = PRIVILEGE(SE_SYSTEM_ENVIRONMENT_PRIVILEGE),
    .SeChangeNotifyPrivilege = PRIVILEGE(SE_CHANGE_NOTIFY_PRIVILEGE),
    .SeRemoteShutdownPrivilege = PRIVILEGE(SE_REMOTE_SHUTDOWN_PRIVILEGE),
    .SeUndockPrivilege = PRIVILEGE(SE_UNDOCK_PRIVILEGE),
    .SeSyncAgentPrivilege = PRIVILEGE(SE_SYNC_AGENT_PRIVILEGE),
    .SeEnableDelegationPrivilege = PRIVILEGE(SE_ENABLE_DELEGATION_PRIVILEGE),
    .SeManageVolumePrivilege = PRIVILEGE(SE_MANAGE_VOLUME_PRIVILEGE),
    .SeImpersonatePrivilege = PRIVILEGE(SE_IMPERSONATE_PRIVILEGE),
    .SeCreateGlobalPrivilege = PRIVILEGE(SE_CREATE_GLOBAL_PRIVILEGE),
    .SeTrustedCredManAccessPrivilege = PRIVILEGE(SE_TRUSTED_CREDMAN_ACCESS_PRIVILEGE),
    .SeRelabelPrivilege = PRIVILEGE(SE_RELABEL_PRIVILEGE),
    .SeIncreaseWorkingSetPrivilege = PRIVILEGE(SE_INC_WORKING_SET_PRIVILEGE),
    .SeTimeZonePrivilege = PRIVILEGE(SE_TIME_ZONE_PRIVILEGE),
    .SeCreateSymbolicLinkPrivilege = PRIVILEGE(SE_CREATE_SYMBOLIC_LINK_PRIVILEGE),
    .SeDelegateSessionUserImpersonatePrivilege = PRIVILEGE(SE_DELEGATE_SESSION_USER_IMPERSONATE_PRIVILEGE),
    .SeNullSid = &null_sid,
    .SeWorldSid = &world_sid,
    .SeLocalSid = &local_sid,
    .SeCreatorOwnerSid = &creator_owner_sid,
    .SeCreatorGroupSid = &creator_group_sid,
    .SeNtAuthoritySid = &nt_authority_sid,
    .SeDialupSid = &dialup_sid,
    .SeNetworkSid = &network_sid,
    .SeBatchSid = &batch_sid,
    .SeInteractiveSid = &interactive_sid,
    .SeLocalSystemSid = &system_sid,
    .SeAliasAdminsSid = &admins_sid,
    .SeAliasUsersSid = &users_sid,
    .SeAliasGuestsSid = &guests_sid,
    .SeAliasPowerUsersSid = &power_users_sid,
    .SeAliasAccountOpsSid = &account_ops_sid,
    .SeAliasSystemOpsSid = &system_ops_sid,
    .SeAliasPrintOpsSid = &print_ops_sid,
    .SeAliasBackupOpsSid = &backup_ops_sid,
    .SeAuthenticatedUsersSid = &authenticated_sid,
    .SeRestrictedSid = &restricted_sid,
    .SeAnonymousLogonSid = &anonymous_sid,
    .SeLocalServiceSid = &local_service_sid,
    .SeNetworkServiceSid = &network_service_sid,
    .SeIUserSid = &iuser_sid,
    .SeUntrustedMandatorySid = &untrusted_sid,
    .SeLowMandatorySid = &low_sid,
    .SeMediumMandatorySid = &medium_sid,
    .SeHighMandatorySid = &high_sid,
    .SeSystemMandatorySid = &system_label_sid,
    .SeOwnerRightsSid = &owner_rights_sid,
    .SeAllAppPackagesSid = &packages_sid,
    .SeUserModeDriversSid = &user_mode_drivers_sid,
    .SeProcTrustWinTcbSid = &trust_sid,
    .SeTrustedInstallerSid = &installer_sid,
};

/* Well-known SIDs and the LUIDs of privileges.  (ntifs SeExports) */
PSE_EXPORTS SeExports = &se_exports;

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Bytes of a SID with so many sub-authorities.  Any IRQL.  (ntifs RtlLengthRequiredSid) */
ULONG NTAPI RtlLengthRequiredSid(ULONG SubAuthorityCount)
{
    return FIELD_OFFSET(SID, SubAuthority) + SubAuthorityCount * (ULONG)sizeof(ULONG);
}

/* Writes all of a SID but its sub-authorities.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER (more than 15).  Any IRQL.
 * (ntifs RtlInitializeSid) */
NTSTATUS NTAPI RtlInitializeSid(PSID Sid, PSID_IDENTIFIER_AUTHORITY IdentifierAuthority,
                                UCHAR SubAuthorityCount)
{
    PISID sid = Sid;

    if (SubAuthorityCount > SID_MAX_SUB_AUTHORITIES)
        return STATUS_INVALID_PARAMETER;
    sid->Revision = SID_REVISION;
    sid->SubAuthorityCount = SubAuthorityCount;
    sid->IdentifierAuthority = *IdentifierAuthority;
    return STATUS_SUCCESS;
}

/* Where a sub-authority is; nothing is checked.  Any IRQL.  (ntifs RtlSubAuthoritySid) */
PULONG NTAPI RtlSubAuthoritySid(PSID Sid, ULONG SubAuthority)
{
    return (PULONG)((PUCHAR)Sid + FIELD_OFFSET(SID, SubAuthority)) + SubAuthority;
}

/* Where their number is.  (ntifs RtlSubAuthorityCountSid) */
PUCHAR NTAPI RtlSubAuthorityCountSid(PSID Sid)
{
    return &((PISID)Sid)->SubAuthorityCount;
}

/* Bytes of a valid SID.  Any IRQL.  (ntifs RtlLengthSid) */
ULONG NTAPI RtlLengthSid(PSID Sid)
{
    return se_sid_length(Sid);
}

/* TRUE: revision and number of sub-authorities are right, and all of it can be read.  (ntifs RtlValidSid) */
BOOLEAN NTAPI RtlValidSid(PSID Sid)
{
    return se_valid_sid(Sid, NULL);
}

/* TRUE: two valid SIDs are the same.  Any IRQL.  (ntifs RtlEqualSid) */
BOOLEAN NTAPI RtlEqualSid(PSID Sid1, PSID Sid2)
{
    return se_equal_sid(Sid1, Sid2);
}

/* Copies a valid SID.  STATUS_SUCCESS, STATUS_BUFFER_TOO_SMALL (nothing was written).  Any IRQL.  (ntifs RtlCopySid) */
NTSTATUS NTAPI RtlCopySid(ULONG DestinationSidLength, PSID DestinationSid, PSID SourceSid)
{
    ULONG length = se_sid_length(SourceSid);

    if (length > DestinationSidLength)
        return STATUS_BUFFER_TOO_SMALL;
    RtlMoveMemory(DestinationSid, SourceSid, length);
    return STATUS_SUCCESS;
}
