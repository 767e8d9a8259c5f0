/*
 * descriptor.c - security descriptors in one piece, of any bytes or a good one with some bytes changed: what is called
 * valid can be taken apart, copied and used for an access check.
 */
#include <ntifs.h>

#include "fuzz.h"

enum { ROOM = 256, PARTS = 4 };

static GENERIC_MAPPING mapping = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                                  FILE_ALL_ACCESS};

/* A good one: owner, group and a list of entries for the well-known SIDs. */
static ULONG make(struct fuzz *fuzz, PUCHAR piece)
{
    SECURITY_DESCRIPTOR whole;
    UCHAR list[128];
    PACL acl = (PACL)list;
    ULONG length = ROOM, entries = fuzz_u8(fuzz) & 3;
    PSID sids[] = {SeExports->SeLocalSystemSid, SeExports->SeAliasAdminsSid, SeExports->SeWorldSid};

    EXPECT_STATUS(RtlCreateSecurityDescriptor(&whole, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    EXPECT_STATUS(RtlCreateAcl(acl, sizeof list, ACL_REVISION), STATUS_SUCCESS);
    for (ULONG i = 0; i < entries; i++)
        EXPECT_STATUS(RtlAddAccessAllowedAce(acl, ACL_REVISION, fuzz_u32(fuzz), sids[fuzz_below(fuzz, 3)]),
                      STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetDaclSecurityDescriptor(&whole, TRUE, acl, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetOwnerSecurityDescriptor(&whole, sids[fuzz_below(fuzz, 3)], FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(RtlSetGroupSecurityDescriptor(&whole, sids[fuzz_below(fuzz, 3)], FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole, piece, &length), STATUS_SUCCESS);
    return length;
}

static void use(PSECURITY_DESCRIPTOR piece)
{
    SECURITY_SUBJECT_CONTEXT subject;
    BOOLEAN present, defaulted;
    ACCESS_MASK granted;
    NTSTATUS status;
    PSID sid;
    PACL acl;
    PVOID ace;

    EXPECT(RtlValidSecurityDescriptor(piece));
    EXPECT_STATUS(RtlGetOwnerSecurityDescriptor(piece, &sid, &defaulted), STATUS_SUCCESS);
    EXPECT(sid == NULL || RtlValidSid(sid));
    EXPECT_STATUS(RtlGetDaclSecurityDescriptor(piece, &present, &acl, &defaulted), STATUS_SUCCESS);
    if (present && acl != NULL) {
        for (ULONG i = 0; i < acl->AceCount; i++)
            EXPECT_STATUS(RtlGetAce(acl, i, &ace), STATUS_SUCCESS);
    }
    SeCaptureSubjectContext(&subject);
    if (!SeAccessCheck(piece, &subject, FALSE, FILE_READ_DATA, 0, NULL, &mapping, KernelMode, &granted,
                       &status))
        EXPECT(!NT_SUCCESS(status));
    SeAccessCheck(piece, &subject, FALSE, FILE_READ_DATA, 0, NULL, &mapping, UserMode, &granted, &status);
    SeReleaseSubjectContext(&subject);
}

/* The same descriptor in parts, and in one piece again. */
static void copy(PSECURITY_DESCRIPTOR piece)
{
    SECURITY_DESCRIPTOR whole;
    ULONG sizes[PARTS] = {0}, size = sizeof whole, again = 0;
    PVOID parts[PARTS], out;
    NTSTATUS status;

    RtlSelfRelativeToAbsoluteSD(piece, NULL, &size, NULL, &sizes[0], NULL, &sizes[1], NULL, &sizes[2], NULL,
                                &sizes[3]);
    for (int i = 0; i < PARTS; i++)
        parts[i] = fuzz_block(&(struct fuzz){NULL, 0}, sizes[i]);
    size = sizeof whole;
    status = RtlSelfRelativeToAbsoluteSD(piece, &whole, &size, parts[0], &sizes[0], parts[1], &sizes[1],
                                         parts[2], &sizes[2], parts[3], &sizes[3]);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    RtlAbsoluteToSelfRelativeSD(&whole, NULL, &again);
    out = fuzz_block(&(struct fuzz){NULL, 0}, again);
    EXPECT_STATUS(RtlAbsoluteToSelfRelativeSD(&whole, out, &again), STATUS_SUCCESS);
    EXPECT(SeValidSecurityDescriptor(again, out));
    fuzz_free(out);
    for (int i = 0; i < PARTS; i++)
        fuzz_free(parts[i]);
}

void fuzz_one(struct fuzz *fuzz)
{
    UCHAR good[ROOM];
    PUCHAR piece;
    ULONG length;

    if (fuzz_u8(fuzz) & 1) {
        length = make(fuzz, good);
        for (ULONG i = 0; i < 4 && fuzz->left > 1; i++) {
            UCHAR at = fuzz_u8(fuzz);

            good[at % length] = fuzz_u8(fuzz);
        }
        piece = fuzz_block(&(struct fuzz){good, length}, length);
    } else {
        length = (ULONG)min(fuzz->left, ROOM);
        piece = fuzz_block(fuzz, length);
    }
    if (piece == NULL)
        return;
    RtlValidRelativeSecurityDescriptor(piece, length, DACL_SECURITY_INFORMATION);
    if (SeValidSecurityDescriptor(length, piece)) {
        use(piece);
        copy(piece);
    }
    fuzz_free(piece);
}
