/*
 * test_se.c - SIDs, access control lists, security descriptors, tokens, the access check, and bytes that only look like
 * descriptors.
 */
#include <ntifs.h>
#include "nt/se/se.h"
#include "uwsk_test.h"

static PSID sid_of(UCHAR authority, UCHAR count, ULONG first, ULONG second, void *out)
{
    SID_IDENTIFIER_AUTHORITY id = {{0, 0, 0, 0, 0, authority}};

    EXPECT_STATUS(RtlInitializeSid(out, &id, count), STATUS_SUCCESS);
    if (count > 0)
        *RtlSubAuthoritySid(out, 0) = first;
    if (count > 1)
        *RtlSubAuthoritySid(out, 1) = second;
    return out;
}

TEST(sids_are_made_compared_and_copied, "")
{
    SID_IDENTIFIER_AUTHORITY nt = {SECURITY_NT_AUTHORITY};
    ULONG memory[20], other[20];
    PSID sid = sid_of(5, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_ADMINS, memory);

    EXPECT_EQ(RtlLengthRequiredSid(2), 16);
    EXPECT_EQ(RtlLengthSid(sid), 16);
    EXPECT_EQ(*RtlSubAuthorityCountSid(sid), 2);
    EXPECT(RtlValidSid(sid));
    EXPECT(RtlEqualSid(sid, SeExports->SeAliasAdminsSid));
    EXPECT(!RtlEqualSid(sid, SeExports->SeAliasUsersSid));
    EXPECT(!RtlEqualSid(sid, SeExports->SeLocalSystemSid));
    EXPECT(RtlEqualSid(sid_of(5, 1, 18, 0, other), SeExports->SeLocalSystemSid));
    EXPECT_EQ(RtlLengthSid(SeExports->SeNtAuthoritySid), 8);
    EXPECT_STATUS(RtlCopySid(15, other, sid), STATUS_BUFFER_TOO_SMALL);
    EXPECT(!RtlEqualSid(other, sid));
    EXPECT_STATUS(RtlCopySid(16, other, sid), STATUS_SUCCESS);
    EXPECT(RtlEqualSid(other, sid));
    EXPECT_STATUS(RtlInitializeSid(other, &nt, 16), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlInitializeSid(other, &nt, 15), STATUS_SUCCESS);
    EXPECT_EQ(RtlLengthSid(other), SECURITY_MAX_SID_SIZE);
    ((PISID)other)->Revision = 2;
    EXPECT(!RtlValidSid(other));
    ((PISID)other)->Revision = SID_REVISION;
    ((PISID)other)->SubAuthorityCount = 16;
    EXPECT(!RtlValidSid(other));
    EXPECT(!RtlValidSid(NULL));
    EXPECT(!RtlValidSid((PSID)8)); /* nothing can be read there */
}

TEST(lists_take_what_fits, "")
{
    union {
        ACL acl;
        UCHAR bytes[8 + 20 + 24 + 4];
    } list;
    ULONG bad[4] = {0x0102, 0, 0, 0};
    ACCESS_ALLOWED_ACE *ace;

    EXPECT_STATUS(RtlCreateAcl(&list.acl, 7, ACL_REVISION), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(RtlCreateAcl(&list.acl, 0x10000, ACL_REVISION), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlCreateAcl(&list.acl, sizeof list, 1), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlCreateAcl(&list.acl, sizeof list, 5), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlCreateAcl(&list.acl, sizeof list - 1, ACL_REVISION), STATUS_SUCCESS);
    EXPECT_EQ(list.acl.AclSize, sizeof list - 4);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, 1, bad), STATUS_INVALID_SID);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&list.acl, 5, 1, SeExports->SeWorldSid), STATUS_REVISION_MISMATCH);
    EXPECT_STATUS(RtlAddAccessAllowedAceEx(&list.acl, ACL_REVISION, 0x40, 1, SeExports->SeWorldSid),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlGetAce(&list.acl, 0, (PVOID *)&ace), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlAddAccessDeniedAce(&list.acl, ACL_REVISION, 0x11, SeExports->SeWorldSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessAllowedAceEx(&list.acl, ACL_REVISION_DS, CONTAINER_INHERIT_ACE, 0x22,
                                           SeExports->SeAliasAdminsSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, 1, SeExports->SeWorldSid),
                  STATUS_ALLOTTED_SPACE_EXCEEDED);
    EXPECT_EQ(list.acl.AceCount, 2);
    EXPECT_EQ(list.acl.AclRevision, ACL_REVISION_DS);
    EXPECT_STATUS(RtlGetAce(&list.acl, 0, (PVOID *)&ace), STATUS_SUCCESS);
    EXPECT_EQ(ace->Header.AceType, ACCESS_DENIED_ACE_TYPE);
    EXPECT_EQ(ace->Mask, 0x11);
    EXPECT_EQ(ace->Header.AceSize, 20);
    EXPECT(RtlEqualSid(&ace->SidStart, SeExports->SeWorldSid));
    EXPECT_STATUS(RtlGetAce(&list.acl, 1, (PVOID *)&ace), STATUS_SUCCESS);
    EXPECT_EQ(ace->Header.AceFlags, CONTAINER_INHERIT_ACE);
    EXPECT(RtlEqualSid(&ace->SidStart, SeExports->SeAliasAdminsSid));
    EXPECT_STATUS(RtlGetAce(&list.acl, 2, (PVOID *)&ace), STATUS_INVALID_PARAMETER);
    ace->Header.AceSize = 0; /* would go round for ever */
    list.acl.AceCount = 3;
    EXPECT_STATUS(RtlGetAce(&list.acl, 2, (PVOID *)&ace), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, 1, SeExports->SeWorldSid),
                  STATUS_INVALID_ACL);
}

/* An absolute descriptor with a list of its own. */
struct whole {
    SECURITY_DESCRIPTOR descriptor;
    union {
        ACL acl;
        UCHAR bytes[200];
    };
};

static void whole_init(struct whole *whole)
{
    EXPECT_STATUS(RtlCreateSecurityDescriptor(&whole->descriptor, SECURITY_DESCRIPTOR_REVISION),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlCreateAcl(&whole->acl, sizeof whole->bytes, ACL_REVISION), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&whole->descriptor, TRUE, &whole->acl, FALSE), STATUS_SUCCESS);
}

TEST(descriptors_in_both_forms, "")
{
    struct whole whole;
    SECURITY_DESCRIPTOR back;
    ULONG piece[100], dacl[60], owner[20], group[20], length = 0, sizes[5] = {0};
    BOOLEAN present = FALSE, defaulted = TRUE;
    PACL list = NULL;
    PSID sid;

    EXPECT_STATUS(RtlCreateSecurityDescriptor(&back, 2), STATUS_UNKNOWN_REVISION);
    whole_init(&whole);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, GENERIC_ALL, SeExports->SeLocalSystemSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&whole.descriptor, SeExports->SeAliasAdminsSid, FALSE),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetGroupSecurityDescriptor(&whole.descriptor, SeExports->SeLocalSystemSid, TRUE),
                  STATUS_SUCCESS);
    EXPECT(RtlValidSecurityDescriptor(&whole.descriptor));
    EXPECT_EQ(RtlLengthSecurityDescriptor(&whole.descriptor), 40 + 200 + 16 + 12);

    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole.descriptor, NULL, &length), STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(length, 20 + 200 + 16 + 12);
    length--;
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole.descriptor, piece, &length), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole.descriptor, piece, &length), STATUS_SUCCESS);
    EXPECT_EQ(RtlLengthSecurityDescriptor(piece), length);
    EXPECT(RtlValidSecurityDescriptor(piece));
    EXPECT(RtlValidRelativeSecurityDescriptor(
        piece, length, OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION));
    EXPECT(!RtlValidRelativeSecurityDescriptor(piece, length, SACL_SECURITY_INFORMATION));
    EXPECT(SeValidSecurityDescriptor(length, piece));
    EXPECT(!SeValidSecurityDescriptor(length - 1, piece));
    EXPECT(!SeValidSecurityDescriptor(length, &whole.descriptor)); /* not in one piece */
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(piece, NULL, &length), STATUS_BAD_DESCRIPTOR_FORMAT);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(piece, TRUE, NULL, FALSE), STATUS_INVALID_SECURITY_DESCR);

    EXPECT_STATUS(RtlGetDaclSecurityDescriptor(piece, &present, &list, &defaulted), STATUS_SUCCESS);
    EXPECT(present && !defaulted);
    EXPECT_EQ(list->AceCount, 1);
    EXPECT_STATUS(RtlGetOwnerSecurityDescriptor(piece, &sid, &defaulted), STATUS_SUCCESS);
    EXPECT(!defaulted && RtlEqualSid(sid, SeExports->SeAliasAdminsSid));
    EXPECT_STATUS(RtlGetGroupSecurityDescriptor(piece, &sid, &defaulted), STATUS_SUCCESS);
    EXPECT(defaulted && RtlEqualSid(sid, SeExports->SeLocalSystemSid));

    EXPECT_STATUS(RtlSelfRelativeToAbsoluteSD(piece, NULL, &sizes[0], NULL, &sizes[1], NULL, &sizes[2], NULL,
                                              &sizes[3], NULL, &sizes[4]),
                  STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(sizes[0], sizeof back);
    EXPECT_EQ(sizes[1], 200);
    EXPECT_EQ(sizes[2], 0);
    EXPECT_EQ(sizes[3], 16);
    EXPECT_EQ(sizes[4], 12);
    EXPECT_STATUS(RtlSelfRelativeToAbsoluteSD(piece, &back, &sizes[0], (PACL)dacl, &sizes[1], NULL, &sizes[2],
                                              owner, &sizes[3], group, &sizes[4]),
                  STATUS_SUCCESS);
    EXPECT(RtlValidSecurityDescriptor(&back));
    EXPECT(back.Dacl == (PACL)dacl && back.Sacl == NULL && back.Owner == owner);
    EXPECT(RtlEqualMemory(dacl, &whole.acl, 200));
    EXPECT_STATUS(RtlSelfRelativeToAbsoluteSD(&back, &back, &sizes[0], NULL, &sizes[1], NULL, &sizes[2], NULL,
                                              &sizes[3], NULL, &sizes[4]),
                  STATUS_BAD_DESCRIPTOR_FORMAT);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&back, FALSE, NULL, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(RtlGetDaclSecurityDescriptor(&back, &present, &list, &defaulted), STATUS_SUCCESS);
    EXPECT(!present);
}

/* As when the driver's memory has grown since it was measured. */
TEST(a_copy_is_cut_where_the_room_ends, "")
{
    struct se_parts parts, copy;
    struct whole whole;
    ULONG piece[64], length, room;

    whole_init(&whole);
    whole.descriptor.Owner = SeExports->SeAliasAdminsSid;
    whole.descriptor.Group = SeExports->SeLocalSystemSid;
    EXPECT(se_read(&whole.descriptor, 0, &parts));
    length = se_flat_length(&parts);
    EXPECT(length < sizeof piece);
    for (room = sizeof(SECURITY_DESCRIPTOR_RELATIVE); room <= length; room++) {
        RtlFillMemory(piece, sizeof piece, 0xa5);
        se_flatten(&parts, piece, room);
        EXPECT_EQ(se_read(piece, room, &copy), room == length);
        EXPECT_EQ(((UCHAR *)piece)[room], 0xa5);
    }
    EXPECT(copy.dacl > (const ACL *)piece && RtlEqualMemory(copy.dacl, parts.dacl, parts.dacl->AclSize));
    EXPECT(RtlEqualSid((PSID)copy.owner, (PSID)parts.owner) &&
           RtlEqualSid((PSID)copy.group, (PSID)parts.group));
}

/* ---- the access check --------------------------------------------------------------------------------- */

static NTSTATUS check(PSECURITY_DESCRIPTOR descriptor, ACCESS_MASK desired, KPROCESSOR_MODE mode,
                      ACCESS_MASK *granted)
{
    PPRIVILEGE_SET privileges = (PPRIVILEGE_SET)1;
    SECURITY_SUBJECT_CONTEXT subject;
    NTSTATUS status = STATUS_UNSUCCESSFUL;
    BOOLEAN good;

    SeCaptureSubjectContext(&subject);
    EXPECT(SeQuerySubjectContextToken(&subject) == subject.PrimaryToken && subject.PrimaryToken != NULL);
    SeLockSubjectContext(&subject);
    *granted = 0xdead;
    good = SeAccessCheck(descriptor, &subject, TRUE, desired, 0, &privileges, IoGetFileObjectGenericMapping(),
                         mode, granted, &status);
    SeUnlockSubjectContext(&subject);
    SeReleaseSubjectContext(&subject);
    EXPECT_EQ(good, status == STATUS_SUCCESS);
    EXPECT(privileges == NULL);
    return status;
}

static NTSTATUS may(PSECURITY_DESCRIPTOR descriptor, ACCESS_MASK desired)
{
    ACCESS_MASK granted;
    NTSTATUS status = check(descriptor, desired, UserMode, &granted);

    EXPECT_EQ(granted, status == STATUS_SUCCESS ? desired : 0);
    return status;
}

TEST(the_access_check_reads_the_list_in_order, "")
{
    struct whole whole;
    ULONG stranger[20];
    ACCESS_MASK granted;

    sid_of(5, 2, 21, 4711, stranger);
    whole_init(&whole);
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA), STATUS_ACCESS_DENIED); /* an empty list */
    EXPECT_STATUS(may(NULL, FILE_READ_DATA), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, FILE_ALL_ACCESS, stranger),
                  STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(check(&whole.descriptor, FILE_READ_DATA, KernelMode, &granted), STATUS_SUCCESS);
    EXPECT_EQ(granted, FILE_READ_DATA);
    /* Inherit only: about others. */
    EXPECT_STATUS(RtlAddAccessAllowedAceEx(&whole.acl, ACL_REVISION, INHERIT_ONLY_ACE | OBJECT_INHERIT_ACE,
                                           FILE_ALL_ACCESS, SeExports->SeLocalSystemSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(RtlAddAccessDeniedAce(&whole.acl, ACL_REVISION, FILE_WRITE_DATA, SeExports->SeWorldSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, GENERIC_READ | GENERIC_WRITE,
                                         SeExports->SeAliasAdminsSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(
        RtlAddAccessDeniedAce(&whole.acl, ACL_REVISION, FILE_READ_DATA, SeExports->SeLocalSystemSid),
        STATUS_SUCCESS); /* too late */
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA), STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_GENERIC_READ), STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_WRITE_DATA), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA | FILE_WRITE_DATA), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(may(&whole.descriptor, WRITE_DAC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(may(&whole.descriptor, ACCESS_SYSTEM_SECURITY), STATUS_PRIVILEGE_NOT_HELD);
    EXPECT_STATUS(may(&whole.descriptor, 0), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(check(&whole.descriptor, GENERIC_READ, UserMode, &granted), STATUS_SUCCESS);
    EXPECT_EQ(granted, FILE_GENERIC_READ);
    EXPECT_STATUS(check(&whole.descriptor, MAXIMUM_ALLOWED, UserMode, &granted), STATUS_SUCCESS);
    EXPECT_EQ(granted, (FILE_GENERIC_READ | FILE_GENERIC_WRITE) & ~FILE_WRITE_DATA);
    /* An owner may always see to the list, unless that speaks of the owner's rights. */
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&whole.descriptor, SeExports->SeLocalSystemSid, FALSE),
                  STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, WRITE_DAC), STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, FILE_EXECUTE, SeExports->SeOwnerRightsSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, WRITE_DAC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(may(&whole.descriptor, FILE_EXECUTE), STATUS_SUCCESS);
    /* No list: everything. */
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&whole.descriptor, TRUE, NULL, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_ALL_ACCESS), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&whole.descriptor, FALSE, NULL, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(may(&whole.descriptor, FILE_ALL_ACCESS), STATUS_SUCCESS);
    whole.descriptor.Revision = 2;
    EXPECT_STATUS(may(&whole.descriptor, FILE_READ_DATA), STATUS_INVALID_SECURITY_DESCR);
}

TEST(tokens_and_contexts_are_counted, "")
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsGetCurrentProcess());
    SECURITY_SUBJECT_CONTEXT subject;
    LONG_PTR count;

    EXPECT(token != NULL);
    count = ObReferenceObject(token);
    SeCaptureSubjectContext(&subject);
    EXPECT(subject.PrimaryToken == token && subject.ClientToken == NULL);
    EXPECT(subject.ProcessAuditId == PsGetCurrentProcessId());
    EXPECT_EQ(ObReferenceObject(token), count + 2);
    SeReleaseSubjectContext(&subject);
    EXPECT_EQ(ObDereferenceObject(token), count);
    EXPECT_EQ(ObDereferenceObject(token), count - 1);
    PsDereferencePrimaryToken(token);
}

/* ---- new objects -------------------------------------------------------------------------------------- */

static PSECURITY_DESCRIPTOR assign(PSECURITY_DESCRIPTOR parent, PSECURITY_DESCRIPTOR explicit,
                                   BOOLEAN directory)
{
    SECURITY_SUBJECT_CONTEXT subject;
    PSECURITY_DESCRIPTOR made = NULL;

    SeCaptureSubjectContext(&subject);
    EXPECT_STATUS(SeAssignSecurity(parent, explicit, &made, directory, &subject,
                                   IoGetFileObjectGenericMapping(), PagedPool),
                  STATUS_SUCCESS);
    SeReleaseSubjectContext(&subject);
    EXPECT(made != NULL && SeValidSecurityDescriptor(RtlLengthSecurityDescriptor(made), made));
    return made;
}

static ACCESS_ALLOWED_ACE *entry(PSECURITY_DESCRIPTOR descriptor, ULONG index)
{
    BOOLEAN present, defaulted;
    PVOID ace;
    PACL list;

    EXPECT_STATUS(RtlGetDaclSecurityDescriptor(descriptor, &present, &list, &defaulted), STATUS_SUCCESS);
    EXPECT(present);
    return RtlGetAce(list, index, &ace) == STATUS_SUCCESS ? ace : NULL;
}

TEST(new_objects_get_descriptors, "")
{
    PSECURITY_DESCRIPTOR made = assign(NULL, NULL, FALSE);
    struct whole parent, wish;
    BOOLEAN defaulted;
    ACCESS_MASK granted;
    PSID owner;

    /* The defaults of the system's token. */
    EXPECT_STATUS(RtlGetOwnerSecurityDescriptor(made, &owner, &defaulted), STATUS_SUCCESS);
    EXPECT(RtlEqualSid(owner, SeExports->SeAliasAdminsSid));
    EXPECT_EQ(entry(made, 0)->Mask, FILE_ALL_ACCESS);
    EXPECT(RtlEqualSid(&entry(made, 0)->SidStart, SeExports->SeLocalSystemSid));
    EXPECT_STATUS(check(made, GENERIC_ALL, UserMode, &granted), STATUS_SUCCESS);
    EXPECT_STATUS(SeDeassignSecurity(&made), STATUS_SUCCESS);
    EXPECT(made == NULL);
    EXPECT_STATUS(SeDeassignSecurity(&made), STATUS_SUCCESS);

    /* What the parent hands down. */
    whole_init(&parent);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&parent.acl, ACL_REVISION, FILE_READ_DATA, SeExports->SeWorldSid),
                  STATUS_SUCCESS);
    made = assign(&parent.descriptor, NULL, FALSE); /* nothing */
    EXPECT(RtlEqualSid(&entry(made, 0)->SidStart, SeExports->SeLocalSystemSid));
    SeDeassignSecurity(&made);
    EXPECT_STATUS(RtlAddAccessAllowedAceEx(&parent.acl, ACL_REVISION, OBJECT_INHERIT_ACE, GENERIC_READ,
                                           SeExports->SeCreatorOwnerSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessDeniedAceEx(&parent.acl, ACL_REVISION,
                                          CONTAINER_INHERIT_ACE | NO_PROPAGATE_INHERIT_ACE, FILE_EXECUTE,
                                          SeExports->SeWorldSid),
                  STATUS_SUCCESS);
    made = assign(&parent.descriptor, NULL, FALSE);
    EXPECT_EQ(entry(made, 0)->Mask, FILE_GENERIC_READ);
    EXPECT_EQ(entry(made, 0)->Header.AceFlags, 0);
    EXPECT(RtlEqualSid(&entry(made, 0)->SidStart, SeExports->SeAliasAdminsSid));
    EXPECT(entry(made, 1) == NULL);
    SeDeassignSecurity(&made);
    made = assign(&parent.descriptor, NULL, TRUE);
    EXPECT_EQ(entry(made, 0)->Header.AceFlags, OBJECT_INHERIT_ACE | INHERIT_ONLY_ACE);
    EXPECT_EQ(entry(made, 0)->Mask, GENERIC_READ);
    EXPECT(RtlEqualSid(&entry(made, 0)->SidStart, SeExports->SeCreatorOwnerSid));
    EXPECT_EQ(entry(made, 1)->Header.AceType, ACCESS_DENIED_ACE_TYPE);
    EXPECT_EQ(entry(made, 1)->Header.AceFlags, 0);
    EXPECT(entry(made, 2) == NULL);
    SeDeassignSecurity(&made);

    /* What was asked for comes first. */
    whole_init(&wish);
    EXPECT_STATUS(RtlAddAccessAllowedAce(&wish.acl, ACL_REVISION, GENERIC_EXECUTE, SeExports->SeWorldSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&wish.descriptor, SeExports->SeLocalServiceSid, FALSE),
                  STATUS_SUCCESS);
    made = assign(&parent.descriptor, &wish.descriptor, FALSE);
    EXPECT_EQ(entry(made, 0)->Mask, FILE_GENERIC_EXECUTE);
    EXPECT_STATUS(RtlGetOwnerSecurityDescriptor(made, &owner, &defaulted), STATUS_SUCCESS);
    EXPECT(RtlEqualSid(owner, SeExports->SeLocalServiceSid));
    SeDeassignSecurity(&made);
}

/* ---- bytes that only look like one -------------------------------------------------------------------- */

/* Everything that asks is asked; answers whether it passes for one of so many bytes. */
static BOOLEAN passes(UCHAR *bytes, ULONG length)
{
    BOOLEAN good = SeValidSecurityDescriptor(length, bytes);

    if (good) { /* then all of it can be used */
        ULONG sizes[5] = {0};
        ACCESS_MASK granted;

        EXPECT(RtlLengthSecurityDescriptor(bytes) > 0);
        check(bytes, FILE_READ_DATA, UserMode, &granted);
        RtlSelfRelativeToAbsoluteSD(bytes, NULL, &sizes[0], NULL, &sizes[1], NULL, &sizes[2], NULL, &sizes[3],
                                    NULL, &sizes[4]);
        EXPECT(sizes[1] <= length && sizes[2] <= length && sizes[3] <= length && sizes[4] <= length);
    }
    return good;
}

TEST(what_is_no_descriptor_is_refused, "")
{
    ULONG memory[100], good[100], length = sizeof good, i;
    SECURITY_DESCRIPTOR_RELATIVE *head = (SECURITY_DESCRIPTOR_RELATIVE *)memory;
    struct whole whole;
    ACL *acl;

    whole_init(&whole);
    whole.acl.AclSize = 28;
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, 1, SeExports->SeWorldSid), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&whole.descriptor, SeExports->SeAliasAdminsSid, FALSE),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole.descriptor, good, &length), STATUS_SUCCESS);
#define FRESH() (RtlCopyMemory(memory, good, sizeof memory), acl = (ACL *)((UCHAR *)memory + head->Dacl))
    FRESH();
    EXPECT(passes((UCHAR *)memory, length));
    for (i = 0; i < length; i++) /* short */
        EXPECT(!passes((UCHAR *)memory, i));
    EXPECT(!SeValidSecurityDescriptor(length, (UCHAR *)memory + 1));
    head->Revision = 0;
    EXPECT(!passes((UCHAR *)memory, length));
    for (i = 0; i < 4; i++) { /* offsets: into the head, crooked, at the end, far outside */
        static const ULONG offsets[] = {4, 22, 400, 0xFFFFFFFC};

        FRESH();
        head->Owner = offsets[i];
        EXPECT(!passes((UCHAR *)memory, sizeof memory));
        EXPECT(offsets[i] == 400 || !RtlValidSecurityDescriptor(memory)); /* who knows what is behind it */
        FRESH();
        head->Dacl = offsets[i];
        EXPECT(!passes((UCHAR *)memory, sizeof memory));
    }
    FRESH();
    acl->AclSize = 0xFFFC;
    EXPECT(!passes((UCHAR *)memory, sizeof memory));
    FRESH();
    acl->AclSize = 4;
    EXPECT(!passes((UCHAR *)memory, sizeof memory));
    FRESH();
    acl->AclRevision = 1;
    EXPECT(!passes((UCHAR *)memory, sizeof memory));
    FRESH();
    acl->AceCount = 0xFFFF;
    EXPECT(!passes((UCHAR *)memory, sizeof memory));
    for (i = 0; i < 5; i++) { /* entries without an end, crooked, too short for their SID, too long */
        static const USHORT sizes[] = {0, 18, 12, 24, 0xFFFC};

        FRESH();
        ((ACE_HEADER *)(acl + 1))->AceSize = sizes[i];
        EXPECT(!passes((UCHAR *)memory, sizeof memory));
    }
    FRESH();
    *((UCHAR *)(acl + 1) + 8 + 1) = 15; /* the entry's SID says that it is longer */
    EXPECT(!passes((UCHAR *)memory, sizeof memory));
}

/* Any byte may be anything: nothing crashes, and what passes can be used. */
TEST(broken_descriptors_do_no_harm, "")
{
    ULONG memory[64], good[64], length = sizeof good, passed = 0, round;
    ULONG64 state = 0x9e3779b97f4a7c15ull;
    struct whole whole;

    RtlZeroMemory(good, sizeof good);
    whole_init(&whole);
    whole.acl.AclSize = 80;
    EXPECT_STATUS(RtlAddAccessAllowedAce(&whole.acl, ACL_REVISION, 1, SeExports->SeWorldSid), STATUS_SUCCESS);
    EXPECT_STATUS(RtlAddAccessDeniedAce(&whole.acl, ACL_REVISION, 2, SeExports->SeAliasAdminsSid),
                  STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&whole.descriptor, SeExports->SeAliasAdminsSid, FALSE),
                  STATUS_SUCCESS);
    whole.descriptor.Control |= SE_SACL_PRESENT;
    whole.descriptor.Sacl = &whole.acl;
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole.descriptor, good, &length), STATUS_SUCCESS);
    for (round = 0; round < 20000; round++) {
        ULONG changes, room;

        RtlCopyMemory(memory, good, sizeof memory);
        for (changes = 0; changes <= round % 4; changes++) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            ((UCHAR *)memory)[(state >> 33) % length] = (UCHAR)(state >> 55);
        }
        room = (ULONG)(state >> 40) % 8 == 0 ? (ULONG)(state >> 43) % (length + 1) : length;
        passed += passes((UCHAR *)memory, room);
    }
    EXPECT(passed > 1000 && passed < 19000);
}
