/*
 * Se: access rights, access control lists, who is asking, and the access check.  SIDs, entries of lists and the parts of
 * descriptors are in ntifs.h (uwsk/wdk/se_ifs.h).
 */
#ifndef UWSK_WDK_SE_H
#define UWSK_WDK_SE_H

#include "uwsk/wdk/base.h"
#include "uwsk/wdk/ex.h"

UWSK_BEGIN_C

#define DELETE                   0x00010000
#define READ_CONTROL             0x00020000
#define WRITE_DAC                0x00040000
#define WRITE_OWNER              0x00080000
#define SYNCHRONIZE              0x00100000
#define STANDARD_RIGHTS_REQUIRED 0x000F0000
#define STANDARD_RIGHTS_READ     READ_CONTROL
#define STANDARD_RIGHTS_WRITE    READ_CONTROL
#define STANDARD_RIGHTS_EXECUTE  READ_CONTROL
#define STANDARD_RIGHTS_ALL      0x001F0000
#define SPECIFIC_RIGHTS_ALL      0x0000FFFF
#define ACCESS_SYSTEM_SECURITY   0x01000000
#define MAXIMUM_ALLOWED          0x02000000
#define GENERIC_READ             0x80000000
#define GENERIC_WRITE            0x40000000
#define GENERIC_EXECUTE          0x20000000
#define GENERIC_ALL              0x10000000

#define SECURITY_DESCRIPTOR_REVISION  1
#define SECURITY_DESCRIPTOR_REVISION1 1

#define OWNER_SECURITY_INFORMATION 0x00000001
#define GROUP_SECURITY_INFORMATION 0x00000002
#define DACL_SECURITY_INFORMATION  0x00000004
#define SACL_SECURITY_INFORMATION  0x00000008
#define LABEL_SECURITY_INFORMATION 0x00000010

#define ACL_REVISION     2
#define ACL_REVISION_DS  4
#define ACL_REVISION1    1
#define ACL_REVISION2    2
#define ACL_REVISION3    3
#define ACL_REVISION4    4
#define MIN_ACL_REVISION ACL_REVISION2
#define MAX_ACL_REVISION ACL_REVISION4

/* Privileges: the LowPart of their LUIDs. */
#define SE_MIN_WELL_KNOWN_PRIVILEGE                    2
#define SE_CREATE_TOKEN_PRIVILEGE                      2
#define SE_ASSIGNPRIMARYTOKEN_PRIVILEGE                3
#define SE_LOCK_MEMORY_PRIVILEGE                       4
#define SE_INCREASE_QUOTA_PRIVILEGE                    5
#define SE_MACHINE_ACCOUNT_PRIVILEGE                   6
#define SE_TCB_PRIVILEGE                               7
#define SE_SECURITY_PRIVILEGE                          8
#define SE_TAKE_OWNERSHIP_PRIVILEGE                    9
#define SE_LOAD_DRIVER_PRIVILEGE                       10
#define SE_SYSTEM_PROFILE_PRIVILEGE                    11
#define SE_SYSTEMTIME_PRIVILEGE                        12
#define SE_PROF_SINGLE_PROCESS_PRIVILEGE               13
#define SE_INC_BASE_PRIORITY_PRIVILEGE                 14
#define SE_CREATE_PAGEFILE_PRIVILEGE                   15
#define SE_CREATE_PERMANENT_PRIVILEGE                  16
#define SE_BACKUP_PRIVILEGE                            17
#define SE_RESTORE_PRIVILEGE                           18
#define SE_SHUTDOWN_PRIVILEGE                          19
#define SE_DEBUG_PRIVILEGE                             20
#define SE_AUDIT_PRIVILEGE                             21
#define SE_SYSTEM_ENVIRONMENT_PRIVILEGE                22
#define SE_CHANGE_NOTIFY_PRIVILEGE                     23
#define SE_REMOTE_SHUTDOWN_PRIVILEGE                   24
#define SE_UNDOCK_PRIVILEGE                            25
#define SE_SYNC_AGENT_PRIVILEGE                        26
#define SE_ENABLE_DELEGATION_PRIVILEGE                 27
#define SE_MANAGE_VOLUME_PRIVILEGE                     28
#define SE_IMPERSONATE_PRIVILEGE                       29
#define SE_CREATE_GLOBAL_PRIVILEGE                     30
#define SE_TRUSTED_CREDMAN_ACCESS_PRIVILEGE            31
#define SE_RELABEL_PRIVILEGE                           32
#define SE_INC_WORKING_SET_PRIVILEGE                   33
#define SE_TIME_ZONE_PRIVILEGE                         34
#define SE_CREATE_SYMBOLIC_LINK_PRIVILEGE              35
#define SE_DELEGATE_SESSION_USER_IMPERSONATE_PRIVILEGE 36
#define SE_MAX_WELL_KNOWN_PRIVILEGE                    SE_DELEGATE_SESSION_USER_IMPERSONATE_PRIVILEGE

#define SE_PRIVILEGE_ENABLED_BY_DEFAULT 0x00000001
#define SE_PRIVILEGE_ENABLED            0x00000002
#define PRIVILEGE_SET_ALL_NECESSARY     1

typedef PVOID PACCESS_TOKEN;

typedef enum _SECURITY_IMPERSONATION_LEVEL {
    SecurityAnonymous,
    SecurityIdentification,
    SecurityImpersonation,
    SecurityDelegation
} SECURITY_IMPERSONATION_LEVEL,
    *PSECURITY_IMPERSONATION_LEVEL;

typedef BOOLEAN SECURITY_CONTEXT_TRACKING_MODE, *PSECURITY_CONTEXT_TRACKING_MODE;

typedef struct _SECURITY_QUALITY_OF_SERVICE {
    ULONG Length;
    SECURITY_IMPERSONATION_LEVEL ImpersonationLevel;
    SECURITY_CONTEXT_TRACKING_MODE ContextTrackingMode;
    BOOLEAN EffectiveOnly;
} SECURITY_QUALITY_OF_SERVICE, *PSECURITY_QUALITY_OF_SERVICE;

typedef struct _GENERIC_MAPPING {
    ACCESS_MASK GenericRead;
    ACCESS_MASK GenericWrite;
    ACCESS_MASK GenericExecute;
    ACCESS_MASK GenericAll;
} GENERIC_MAPPING, *PGENERIC_MAPPING;

typedef struct _ACL {
    UCHAR AclRevision;
    UCHAR Sbz1;
    USHORT AclSize;
    USHORT AceCount;
    USHORT Sbz2;
} ACL, *PACL;

#pragma pack(push, 4)
typedef struct _LUID_AND_ATTRIBUTES {
    LUID Luid;
    ULONG Attributes;
} LUID_AND_ATTRIBUTES, *PLUID_AND_ATTRIBUTES;
#pragma pack(pop)

typedef struct _PRIVILEGE_SET {
    ULONG PrivilegeCount;
    ULONG Control;
    LUID_AND_ATTRIBUTES Privilege[ANYSIZE_ARRAY];
} PRIVILEGE_SET, *PPRIVILEGE_SET;

/* Who is asking: the thread's token when it impersonates somebody, and its process's. */
typedef struct _SECURITY_SUBJECT_CONTEXT {
    PACCESS_TOKEN ClientToken;
    SECURITY_IMPERSONATION_LEVEL ImpersonationLevel;
    PACCESS_TOKEN PrimaryToken;
    PVOID ProcessAuditId;
} SECURITY_SUBJECT_CONTEXT, *PSECURITY_SUBJECT_CONTEXT;

/*
 * The caller's security context, to be released; locked, it does not change.
 * Here nobody impersonates: it is that of the process. PASSIVE_LEVEL.
 */
NTKERNELAPI VOID NTAPI SeCaptureSubjectContext(_Out_ PSECURITY_SUBJECT_CONTEXT SubjectContext);
NTKERNELAPI VOID NTAPI SeLockSubjectContext(_In_ PSECURITY_SUBJECT_CONTEXT SubjectContext);
NTKERNELAPI VOID NTAPI SeUnlockSubjectContext(_In_ PSECURITY_SUBJECT_CONTEXT SubjectContext);
NTKERNELAPI VOID NTAPI SeReleaseSubjectContext(_Inout_ PSECURITY_SUBJECT_CONTEXT SubjectContext);

/*
 * TRUE: the subject has DesiredAccess to what the descriptor protects, as
 * GrantedAccess; else AccessStatus says why not (STATUS_ACCESS_DENIED,
 * STATUS_PRIVILEGE_NOT_HELD). With KernelMode everything is granted.
 * Privileges becomes NULL. PASSIVE_LEVEL.
 */
NTKERNELAPI BOOLEAN NTAPI SeAccessCheck(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                        _In_ PSECURITY_SUBJECT_CONTEXT SubjectSecurityContext,
                                        _In_ BOOLEAN SubjectContextLocked, _In_ ACCESS_MASK DesiredAccess,
                                        _In_ ACCESS_MASK PreviouslyGrantedAccess,
                                        _Out_opt_ PPRIVILEGE_SET *Privileges,
                                        _In_ PGENERIC_MAPPING GenericMapping, _In_ KPROCESSOR_MODE AccessMode,
                                        _Out_ PACCESS_MASK GrantedAccess, _Out_ PNTSTATUS AccessStatus);
/*
 * A self-relative descriptor for a new object, to be freed with
 * SeDeassignSecurity: what the creator asks for, then what the parent hands
 * down, then the defaults of the subject's token. PASSIVE_LEVEL.
 * STATUS_INVALID_SECURITY_DESCR, STATUS_INSUFFICIENT_RESOURCES.
 */
NTKERNELAPI NTSTATUS NTAPI SeAssignSecurity(_In_opt_ PSECURITY_DESCRIPTOR ParentDescriptor,
                                            _In_opt_ PSECURITY_DESCRIPTOR ExplicitDescriptor,
                                            _Out_ PSECURITY_DESCRIPTOR *NewDescriptor,
                                            _In_ BOOLEAN IsDirectoryObject,
                                            _In_ PSECURITY_SUBJECT_CONTEXT SubjectContext,
                                            _In_ PGENERIC_MAPPING GenericMapping, _In_ POOL_TYPE PoolType);
NTKERNELAPI NTSTATUS NTAPI SeDeassignSecurity(_Inout_ PSECURITY_DESCRIPTOR *SecurityDescriptor);
/* Whether a self-relative descriptor of Length bytes is whole. */
NTKERNELAPI BOOLEAN NTAPI SeValidSecurityDescriptor(_In_ ULONG Length,
                                                    _In_ PSECURITY_DESCRIPTOR SecurityDescriptor);
/* What the generic rights mean for a file. */
NTKERNELAPI PGENERIC_MAPPING NTAPI IoGetFileObjectGenericMapping(VOID);

/* An empty absolute descriptor. STATUS_UNKNOWN_REVISION. */
NTSYSAPI NTSTATUS NTAPI RtlCreateSecurityDescriptor(_Out_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                    _In_ ULONG Revision);
/*
 * Gives an absolute descriptor a list (NULL: everybody may do everything), or
 * takes it away. The list is not copied. STATUS_UNKNOWN_REVISION,
 * STATUS_INVALID_SECURITY_DESCR: it is self-relative.
 */
NTSYSAPI NTSTATUS NTAPI RtlSetDaclSecurityDescriptor(_Inout_ PSECURITY_DESCRIPTOR SecurityDescriptor,
                                                     _In_ BOOLEAN DaclPresent, _In_opt_ PACL Dacl,
                                                     _In_ BOOLEAN DaclDefaulted);
/* Bytes of a descriptor and all of its parts. */
NTSYSAPI ULONG NTAPI RtlLengthSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor);
NTSYSAPI BOOLEAN NTAPI RtlValidSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptor);
/* Whether a self-relative one is whole within so many bytes and has the parts (XXX_SECURITY_INFORMATION). */
NTSYSAPI BOOLEAN NTAPI RtlValidRelativeSecurityDescriptor(_In_ PSECURITY_DESCRIPTOR SecurityDescriptorInput,
                                                          _In_ ULONG SecurityDescriptorLength,
                                                          _In_ SECURITY_INFORMATION RequiredInformation);
/* Replaces the generic rights in a mask by what they mean. Any IRQL. */
NTSYSAPI VOID NTAPI RtlMapGenericMask(_Inout_ PACCESS_MASK AccessMask,
                                      _In_ const GENERIC_MAPPING *GenericMapping);

UWSK_END_C

#endif
