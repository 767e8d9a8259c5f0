/* Se, for ntifs.h: SIDs, entries of access control lists, the parts of descriptors, tokens, well-known SIDs. */
#ifndef UWSK_WDK_SE_IFS_H
#define UWSK_WDK_SE_IFS_H

#include "uwsk/wdk/se.h"

UWSK_BEGIN_C

/* ---- SIDs ----------------------------------------------------------------------------------------------- */

#define SID_REVISION            1
#define SID_MAX_SUB_AUTHORITIES 15

typedef struct _SID_IDENTIFIER_AUTHORITY {
    UCHAR Value[6];
} SID_IDENTIFIER_AUTHORITY, *PSID_IDENTIFIER_AUTHORITY;

typedef struct _SID {
    UCHAR Revision;
    UCHAR SubAuthorityCount;
    SID_IDENTIFIER_AUTHORITY IdentifierAuthority;
    ULONG SubAuthority[ANYSIZE_ARRAY];
} SID, *PISID;

#define SECURITY_MAX_SID_SIZE (sizeof(SID) - sizeof(ULONG) + SID_MAX_SUB_AUTHORITIES * sizeof(ULONG))

#define SECURITY_NULL_SID_AUTHORITY                                                                          \
    {                                                                                                        \
        0, 0, 0, 0, 0, 0                                                                                     \
    }
#define SECURITY_WORLD_SID_AUTHORITY                                                                         \
    {                                                                                                        \
        0, 0, 0, 0, 0, 1                                                                                     \
    }
#define SECURITY_LOCAL_SID_AUTHORITY                                                                         \
    {                                                                                                        \
        0, 0, 0, 0, 0, 2                                                                                     \
    }
#define SECURITY_CREATOR_SID_AUTHORITY                                                                       \
    {                                                                                                        \
        0, 0, 0, 0, 0, 3                                                                                     \
    }
#define SECURITY_NT_AUTHORITY                                                                                \
    {                                                                                                        \
        0, 0, 0, 0, 0, 5                                                                                     \
    }
#define SECURITY_MANDATORY_LABEL_AUTHORITY                                                                   \
    {                                                                                                        \
        0, 0, 0, 0, 0, 16                                                                                    \
    }

#define SECURITY_NULL_RID                 0
#define SECURITY_WORLD_RID                0
#define SECURITY_LOCAL_RID                0
#define SECURITY_CREATOR_OWNER_RID        0
#define SECURITY_CREATOR_GROUP_RID        1
#define SECURITY_CREATOR_OWNER_RIGHTS_RID 4
#define SECURITY_ANONYMOUS_LOGON_RID      7
#define SECURITY_AUTHENTICATED_USER_RID   11
#define SECURITY_LOCAL_SYSTEM_RID         18
#define SECURITY_LOCAL_SERVICE_RID        19
#define SECURITY_NETWORK_SERVICE_RID      20
#define SECURITY_BUILTIN_DOMAIN_RID       32
#define DOMAIN_ALIAS_RID_ADMINS           0x220
#define DOMAIN_ALIAS_RID_USERS            0x221
#define DOMAIN_ALIAS_RID_GUESTS           0x222

/* Bytes of a SID with so many sub-authorities. */
NTSYSAPI ULONG NTAPI RtlLengthRequiredSid(_In_ ULONG SubAuthorityCount);
/* Head of a SID; the sub-authorities are the caller's to fill in. STATUS_INVALID_PARAMETER: too many of them. */
NTSYSAPI NTSTATUS NTAPI RtlInitializeSid(_Out_ PSID Sid, _In_ PSID_IDENTIFIER_AUTHORITY IdentifierAuthority,
                                         _In_ UCHAR SubAuthorityCount);
NTSYSAPI PULONG NTAPI RtlSubAuthoritySid(_In_ PSID Sid, _In_ ULONG SubAuthority);
NTSYSAPI PUCHAR NTAPI RtlSubAuthorityCountSid(_In_ PSID Sid);
NTSYSAPI ULONG NTAPI RtlLengthSid(_In_ PSID Sid);
NTSYSAPI BOOLEAN NTAPI RtlValidSid(_In_ PSID Sid);
NTSYSAPI BOOLEAN NTAPI RtlEqualSid(_In_ PSID Sid1, _In_ PSID Sid2);
/* STATUS_BUFFER_TOO_SMALL. */
NTSYSAPI NTSTATUS NTAPI RtlCopySid(_In_ ULONG DestinationSidLength, _Out_ PSID DestinationSid,
                                   _In_ PSID SourceSid);

/* ---- access control lists ------------------------------------------------------------------------------- */

typedef struct _ACE_HEADER {
    UCHAR AceType;
    UCHAR AceFlags;
    USHORT AceSize;
} ACE_HEADER, *PACE_HEADER;

#define ACCESS_ALLOWED_ACE_TYPE         0x00
#define ACCESS_DENIED_ACE_TYPE          0x01
#define SYSTEM_AUDIT_ACE_TYPE           0x02
#define SYSTEM_ALARM_ACE_TYPE           0x03
#define ACCESS_ALLOWED_OBJECT_ACE_TYPE  0x05
#define ACCESS_DENIED_OBJECT_ACE_TYPE   0x06
#define SYSTEM_MANDATORY_LABEL_ACE_TYPE 0x11

#define OBJECT_INHERIT_ACE       0x01
#define CONTAINER_INHERIT_ACE    0x02
#define NO_PROPAGATE_INHERIT_ACE 0x04
#define INHERIT_ONLY_ACE         0x08
#define INHERITED_ACE            0x10
#define VALID_INHERIT_FLAGS      0x1F

typedef struct _ACCESS_ALLOWED_ACE {
    ACE_HEADER Header;
    ACCESS_MASK Mask;
    ULONG SidStart; /* the SID begins here */
} ACCESS_ALLOWED_ACE, *PACCESS_ALLOWED_ACE;

typedef struct _ACCESS_DENIED_ACE {
    ACE_HEADER Header;
    ACCESS_MASK Mask;
    ULONG SidStart;
} ACCESS_DENIED_ACE, *PACCESS_DENIED_ACE;

/* An empty list of so many bytes. STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER. */
NTSYSAPI NTSTATUS NTAPI RtlCreateAcl(_Out_ PACL Acl, _In_ ULONG AclLength, _In_ ULONG AclRevision);
/*
 * One entry more at the end. STATUS_INVALID_SID, STATUS_REVISION_MISMATCH,
 * STATUS_INVALID_ACL, STATUS_ALLOTTED_SPACE_EXCEEDED, with flags
 * STATUS_INVALID_PARAMETER.
 */
NTSYSAPI NTSTATUS NTAPI RtlAddAccessAllowedAce(_Inout_ PACL Acl, _In_ ULONG AceRevision,
                                               _In_ ACCESS_MASK AccessMask, _In_ PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlAddAccessAllowedAceEx(_Inout_ PACL Acl, _In_ ULONG AceRevision,
                                                 _In_ ULONG AceFlags, _In_ ACCESS_MASK AccessMask,
                                                 _In_ PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlAddAccessDeniedAce(_Inout_ PACL Acl, _In_ ULONG AceRevision,
                                              _In_ ACCESS_MASK AccessMask, _In_ PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlAddAccessDeniedAceEx(_Inout_ PACL Acl, _In_ ULONG AceRevision, _In_ ULONG AceFlags,
                                                _In_ ACCESS_MASK AccessMask, _In_ PSID Sid);
/* Where an entry is. STATUS_INVALID_PARAMETER: there is none of that number, or it is no list. */
NTSYSAPI NTSTATUS NTAPI RtlGetAce(_In_ PACL Acl, _In_ ULONG AceIndex, _Out_ PVOID *Ace);

/* ---- descriptors ---------------------------------------------------------------------------------------- */

typedef USHORT SECURITY_DESCRIPTOR_CONTROL, *PSECURITY_DESCRIPTOR_CONTROL;

#define SE_OWNER_DEFAULTED       0x0001
#define SE_GROUP_DEFAULTED       0x0002
#define SE_DACL_PRESENT          0x0004
#define SE_DACL_DEFAULTED        0x0008
#define SE_SACL_PRESENT          0x0010
#define SE_SACL_DEFAULTED        0x0020
#define SE_DACL_AUTO_INHERIT_REQ 0x0100
#define SE_SACL_AUTO_INHERIT_REQ 0x0200
#define SE_DACL_AUTO_INHERITED   0x0400
#define SE_SACL_AUTO_INHERITED   0x0800
#define SE_DACL_PROTECTED        0x1000
#define SE_SACL_PROTECTED        0x2000
#define SE_RM_CONTROL_VALID      0x4000
#define SE_SELF_RELATIVE         0x8000

/* Its parts are offsets from its beginning; 0 = none. */
typedef struct _SECURITY_DESCRIPTOR_RELATIVE {
    UCHAR Revision;
    UCHAR Sbz1;
    SECURITY_DESCRIPTOR_CONTROL Control;
    ULONG Owner;
    ULONG Group;
    ULONG Sacl;
    ULONG Dacl;
} SECURITY_DESCRIPTOR_RELATIVE, *PISECURITY_DESCRIPTOR_RELATIVE;

typedef struct _SECURITY_DESCRIPTOR {
    UCHAR Revision;
    UCHAR Sbz1;
    SECURITY_DESCRIPTOR_CONTROL Control;
    PSID Owner;
    PSID Group;
    PACL Sacl;
    PACL Dacl;
} SECURITY_DESCRIPTOR, *PISECURITY_DESCRIPTOR;

#define SECURITY_DESCRIPTOR_MIN_LENGTH (sizeof(SECURITY_DESCRIPTOR))

/* As RtlSetDaclSecurityDescriptor, for the owner and the group. */
NTSYSAPI NTSTATUS NTAPI RtlSetOwnerSecurityDescriptor(_Inout_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                      _In_opt_ PSID Owner, _In_ BOOLEAN OwnerDefaulted);
NTSYSAPI NTSTATUS NTAPI RtlSetGroupSecurityDescriptor(_Inout_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                      _In_opt_ PSID Group, _In_ BOOLEAN GroupDefaulted);
/* What a descriptor of either form has; NULL = nothing. STATUS_UNKNOWN_REVISION. */
NTSYSAPI NTSTATUS NTAPI RtlGetOwnerSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                      _Out_ PSID *Owner, _Out_ PBOOLEAN OwnerDefaulted);
NTSYSAPI NTSTATUS NTAPI RtlGetGroupSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                      _Out_ PSID *Group, _Out_ PBOOLEAN GroupDefaulted);
NTSYSAPI NTSTATUS NTAPI RtlGetDaclSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                     _Out_ PBOOLEAN DaclPresent, _Out_ PACL *Dacl,
                                                     _Out_ PBOOLEAN DaclDefaulted);
/* STATUS_BAD_DESCRIPTOR_FORMAT: it has that form already. STATUS_BUFFER_TOO_SMALL: *BufferLength says how much. */
NTSYSAPI NTSTATUS NTAPI RtlAbsoluteToSelfRelativeSD(
    _In_ PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
    _Out_opt_ PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor, _Inout_ PULONG BufferLength);
NTSYSAPI NTSTATUS NTAPI RtlSelfRelativeToAbsoluteSD(_In_ PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor,
                                                    _Out_opt_ PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
                                                    _Inout_ PULONG AbsoluteSecurityDescriptorSize,
                                                    _Out_opt_ PACL Dacl, _Inout_ PULONG DaclSize,
                                                    _Out_opt_ PACL Sacl, _Inout_ PULONG SaclSize,
                                                    _Out_opt_ PSID Owner, _Inout_ PULONG OwnerSize,
                                                    _Out_opt_ PSID PrimaryGroup,
                                                    _Inout_ PULONG PrimaryGroupSize);

/* ---- tokens --------------------------------------------------------------------------------------------- */

/* The token of a process, referenced until PsDereferencePrimaryToken. PASSIVE_LEVEL. */
NTKERNELAPI PACCESS_TOKEN NTAPI PsReferencePrimaryToken(_Inout_ PEPROCESS Process);
NTKERNELAPI VOID NTAPI PsDereferencePrimaryToken(_In_ PACCESS_TOKEN PrimaryToken);

#define SeQuerySubjectContextToken(SubjectContext)                                                           \
    (((PSECURITY_SUBJECT_CONTEXT)(SubjectContext))->ClientToken != NULL                                      \
         ? ((PSECURITY_SUBJECT_CONTEXT)(SubjectContext))->ClientToken                                        \
         : ((PSECURITY_SUBJECT_CONTEXT)(SubjectContext))->PrimaryToken)

/* Privileges and SIDs that everybody knows. */
typedef struct _SE_EXPORTS {
    LUID SeCreateTokenPrivilege;
    LUID SeAssignPrimaryTokenPrivilege;
    LUID SeLockMemoryPrivilege;
    LUID SeIncreaseQuotaPrivilege;
    LUID SeUnsolicitedInputPrivilege;
    LUID SeTcbPrivilege;
    LUID SeSecurityPrivilege;
    LUID SeTakeOwnershipPrivilege;
    LUID SeLoadDriverPrivilege;
    LUID SeCreatePagefilePrivilege;
    LUID SeIncreaseBasePriorityPrivilege;
    LUID SeSystemProfilePrivilege;
    LUID SeSystemtimePrivilege;
    LUID SeProfileSingleProcessPrivilege;
    LUID SeCreatePermanentPrivilege;
    LUID SeBackupPrivilege;
    LUID SeRestorePrivilege;
    LUID SeShutdownPrivilege;
    LUID SeDebugPrivilege;
    LUID SeAuditPrivilege;
    LUID SeSystemEnvironmentPrivilege;
    LUID SeChangeNotifyPrivilege;
    LUID SeRemoteShutdownPrivilege;

    PSID SeNullSid;
    PSID SeWorldSid;
    PSID SeLocalSid;
    PSID SeCreatorOwnerSid;
    PSID SeCreatorGroupSid;

    PSID SeNtAuthoritySid;
    PSID SeDialupSid;
    PSID SeNetworkSid;
    PSID SeBatchSid;
    PSID SeInteractiveSid;
    PSID SeLocalSystemSid;
    PSID SeAliasAdminsSid;
    PSID SeAliasUsersSid;
    PSID SeAliasGuestsSid;
    PSID SeAliasPowerUsersSid;
    PSID SeAliasAccountOpsSid;
    PSID SeAliasSystemOpsSid;
    PSID SeAliasPrintOpsSid;
    PSID SeAliasBackupOpsSid;
    PSID SeAuthenticatedUsersSid;
    PSID SeRestrictedSid;
    PSID SeAnonymousLogonSid;

    LUID SeUndockPrivilege;
    LUID SeSyncAgentPrivilege;
    LUID SeEnableDelegationPrivilege;
    PSID SeLocalServiceSid;
    PSID SeNetworkServiceSid;
    LUID SeManageVolumePrivilege;
    LUID SeImpersonatePrivilege;
    LUID SeCreateGlobalPrivilege;
    LUID SeTrustedCredManAccessPrivilege;
    LUID SeRelabelPrivilege;
    LUID SeIncreaseWorkingSetPrivilege;
    LUID SeTimeZonePrivilege;
    LUID SeCreateSymbolicLinkPrivilege;

    PSID SeIUserSid;
    PSID SeUntrustedMandatorySid;
    PSID SeLowMandatorySid;
    PSID SeMediumMandatorySid;
    PSID SeHighMandatorySid;
    PSID SeSystemMandatorySid;
    PSID SeOwnerRightsSid;
    PSID SeAllAppPackagesSid;
    PSID SeUserModeDriversSid;
    PSID SeProcTrustWinTcbSid;
    PSID SeTrustedInstallerSid;
    LUID SeDelegateSessionUserImpersonatePrivilege;
} SE_EXPORTS, *PSE_EXPORTS;

#define SeEnableAccessToExports()
extern NTKERNELAPI PSE_EXPORTS SeExports;

UWSK_END_C

#endif
