/*
 * se.h - SIDs, access control lists, security descriptors, tokens and the access check, as the other rooms see them.
 *
 * A descriptor comes from a driver: nothing in it is believed.  se_read() looks at all of it once, and what it finds
 * good (struct se_parts) is what everybody else works with.
 */
#ifndef UWSK_NT_SE_H
#define UWSK_NT_SE_H

#include <ntifs.h>

/* What a descriptor of either form consists of; NULL = it has none.  Control has SE_DACL_PRESENT and dacl is NULL:
 * everybody may do everything. */
struct se_parts {
    SECURITY_DESCRIPTOR_CONTROL control;
    const SID *owner, *group;
    const ACL *sacl, *dacl;
};

/* Looks at a descriptor of either form; FALSE when any part of it is no good.  length: bytes that a self-relative one
 * has; 0 = unknown: then each part is asked for whether its memory can be read.  Any IRQL. */
BOOLEAN se_read(const void *descriptor, SIZE_T length, struct se_parts *out);
/* The same parts as a self-relative descriptor: its bytes, and its writing into so many, at least the head's.  Where
 * the parts may have been written to since they were read, se_read of what was written says so: it may be cut. */
ULONG se_flat_length(const struct se_parts *parts);
void se_flatten(const struct se_parts *parts, void *out, ULONG room);

static inline ULONG se_sid_length(const SID *sid)
{
    return FIELD_OFFSET(SID, SubAuthority) + sid->SubAuthorityCount * sizeof(ULONG);
}

/* Those that everybody knows. */
extern SE_EXPORTS se_exports;
BOOLEAN se_equal_sid(const SID *one, const SID *other);
/* Whole, and readable up to `end` (NULL: the memory is asked). */
BOOLEAN se_valid_sid(const void *sid, const void *end);
BOOLEAN se_valid_acl(const void *acl, const void *end);
/* The entry of a valid list, and the one behind it. */
static inline const ACE_HEADER *se_first_ace(const ACL *acl)
{
    return (const ACE_HEADER *)(acl + 1);
}
static inline const ACE_HEADER *se_next_ace(const ACE_HEADER *ace)
{
    return (const ACE_HEADER *)((const UCHAR *)ace + ace->AceSize);
}
/* One entry more, of a type that has a mask and a SID; statuses of RtlAddAccessAllowedAceEx. */
NTSTATUS se_add_ace(PACL acl, ULONG revision, UCHAR type, ULONG flags, ACCESS_MASK mask, const SID *sid);
/* Only entries with a mask and a SID decide anything here. */
static inline BOOLEAN se_ace_decides(const ACE_HEADER *ace)
{
    return ace->AceType == ACCESS_ALLOWED_ACE_TYPE || ace->AceType == ACCESS_DENIED_ACE_TYPE;
}

/* ---- tokens ------------------------------------------------------------------------------------------- */

#define SE_TOKEN_GROUPS 3

struct se_token {
    const SID *user;
    const SID *groups[SE_TOKEN_GROUPS];
    const SID *owner, *group; /* of what it creates */
    union {
        ACL dacl;        /* the same */
        UCHAR bytes[52]; /* two entries */
    };
};

/* The token of the one process: NT AUTHORITY\SYSTEM with the administrators.  Not referenced. */
struct se_token *se_system_token(void);
BOOLEAN se_token_has(const struct se_token *token, const SID *sid);

extern const GENERIC_MAPPING se_file_mapping;

void se_map_generic(PACCESS_MASK mask, const GENERIC_MAPPING *mapping);
/* The access check (wdm SeAccessCheck) for a token.  parts NULL: nobody has any access.  Any IRQL. */
BOOLEAN se_access_check(const struct se_parts *parts, const struct se_token *token, ACCESS_MASK desired,
                        ACCESS_MASK previously, const GENERIC_MAPPING *mapping, KPROCESSOR_MODE mode,
                        PACCESS_MASK granted, PNTSTATUS status);

#endif
