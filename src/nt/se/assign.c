/*
 * assign.c - the descriptor of a new object: what its creator asks for, what its parent hands down, the defaults of the
 * creator's token, in this order.
 */
#include "nt/se/se.h"
#include "nt/ex/ex.h"

#define TAG 'dSeS'

/* ---- inheritance -------------------------------------------------------------------------------------- */

struct heir {
    const SID *owner, *group;
    BOOLEAN container;
};

/* Entries for a creator mean who creates now. */
static const SID *meant(const SID *sid, const struct heir *heir)
{
    if (se_equal_sid(sid, se_exports.SeCreatorOwnerSid))
        return heir->owner;
    return se_equal_sid(sid, se_exports.SeCreatorGroupSid) ? heir->group : sid;
}

/* Hands an entry of the parent down: what it says about the object itself, and what a container keeps for others. */
static NTSTATUS inherit_ace(PACL out, const ACE_HEADER *from, const struct heir *heir)
{
    const ACCESS_ALLOWED_ACE *ace = (const ACCESS_ALLOWED_ACE *)from;
    const SID *sid = (const SID *)&ace->SidStart;
    ULONG flags = from->AceFlags & (OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE);
    ULONG here = heir->container ? CONTAINER_INHERIT_ACE : OBJECT_INHERIT_ACE;
    NTSTATUS status = STATUS_SUCCESS;

    if (flags & here)
        status = se_add_ace(out, ACL_REVISION, from->AceType, 0, ace->Mask, meant(sid, heir));
    if (status == STATUS_SUCCESS && heir->container && flags != 0 &&
        !(from->AceFlags & NO_PROPAGATE_INHERIT_ACE))
        status = se_add_ace(out, ACL_REVISION, from->AceType, flags | INHERIT_ONLY_ACE, ace->Mask, sid);
    return status;
}

/* The list that the parent hands down, in memory of its own; NULL in *out: it hands nothing down. */
static NTSTATUS inherit(const ACL *parent, const struct heir *heir, PACL *out)
{
    const ACE_HEADER *ace = se_first_ace(parent);
    ULONG most = sizeof(ACL) + parent->AceCount * 2u * (8 + SECURITY_MAX_SID_SIZE);
    NTSTATUS status = STATUS_SUCCESS;
    USHORT i;

    *out = ex_allocate_pool(POOL_FLAG_PAGED, most < MAXUSHORT ? most : MAXUSHORT, TAG);
    if (*out == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    (*out)->AclRevision = ACL_REVISION;
    (*out)->AclSize = (USHORT)((most < MAXUSHORT ? most : MAXUSHORT) & ~3u);
    for (i = 0; i < parent->AceCount && status == STATUS_SUCCESS; i++, ace = se_next_ace(ace))
        if (se_ace_decides(ace))
            status = inherit_ace(*out, ace, heir);
    if (status == STATUS_SUCCESS && (*out)->AceCount > 0) {
        for (ace = se_first_ace(*out), i = 0; i < (*out)->AceCount; i++)
            ace = se_next_ace(ace);
        (*out)->AclSize = (USHORT)((const UCHAR *)ace - (const UCHAR *)*out);
        return STATUS_SUCCESS;
    }
    ex_free_pool(*out);
    *out = NULL;
    return status;
}

/* Generic rights in the entries about the object itself mean something now. */
static void settle(PACL acl, const GENERIC_MAPPING *mapping)
{
    const ACE_HEADER *ace = se_first_ace(acl);
    USHORT i;

    for (i = 0; i < acl->AceCount; i++, ace = se_next_ace(ace))
        if (se_ace_decides(ace) && !(ace->AceFlags & INHERIT_ONLY_ACE))
            se_map_generic(&((ACCESS_ALLOWED_ACE *)ace)->Mask, mapping);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

static NTSTATUS write(const struct se_parts *parts, const GENERIC_MAPPING *mapping, void *caller,
                      PSECURITY_DESCRIPTOR *out)
{
    ULONG length = se_flat_length(parts);
    void *flat = ex_allocate_pool_for(POOL_FLAG_NON_PAGED, length, TAG, EX_POOL_PLAIN, caller);
    struct se_parts copy;

    if (flat == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    se_flatten(parts, flat, length);
    if (!se_read(flat, length, &copy)) { /* the driver writes to it meanwhile */
        ex_free_pool(flat);
        return STATUS_INVALID_SECURITY_DESCR;
    }
    if (copy.dacl != NULL)
        settle((PACL)copy.dacl, mapping);
    *out = flat;
    return STATUS_SUCCESS;
}

/* A self-relative descriptor for a new object; SeDeassignSecurity frees it.  STATUS_SUCCESS,
 * STATUS_INVALID_SECURITY_DESCR, STATUS_INSUFFICIENT_RESOURCES.  PASSIVE_LEVEL.  (wdm SeAssignSecurity) */
NTSTATUS NTAPI SeAssignSecurity(PSECURITY_DESCRIPTOR ParentDescriptor,
                                PSECURITY_DESCRIPTOR ExplicitDescriptor, PSECURITY_DESCRIPTOR *NewDescriptor,
                                BOOLEAN IsDirectoryObject, PSECURITY_SUBJECT_CONTEXT SubjectContext,
                                PGENERIC_MAPPING GenericMapping, POOL_TYPE PoolType)
{
    const struct se_token *token = SeQuerySubjectContextToken(SubjectContext);
    struct se_parts parent = {0}, parts = {0};
    PACL inherited = NULL;
    NTSTATUS status = STATUS_SUCCESS;

    UNREFERENCED_PARAMETER(PoolType);
    *NewDescriptor = NULL;
    if ((ParentDescriptor != NULL && !se_read(ParentDescriptor, 0, &parent)) ||
        (ExplicitDescriptor != NULL && !se_read(ExplicitDescriptor, 0, &parts)))
        return STATUS_INVALID_SECURITY_DESCR;
    if (parts.owner == NULL)
        parts.owner = token->owner;
    if (parts.group == NULL)
        parts.group = token->group;
    if (!(parts.control & SE_DACL_PRESENT)) {
        struct heir heir = {parts.owner, parts.group, IsDirectoryObject};

        if (parent.dacl != NULL)
            status = inherit(parent.dacl, &heir, &inherited);
        parts.dacl = inherited != NULL ? inherited : &token->dacl;
        parts.control |= SE_DACL_PRESENT;
    }
    if (status == STATUS_SUCCESS)
        status = write(&parts, GenericMapping, __builtin_return_address(0), NewDescriptor);
    if (inherited != NULL)
        ex_free_pool(inherited);
    return status;
}

/* Frees what SeAssignSecurity has made and clears the pointer.  STATUS_SUCCESS.  PASSIVE_LEVEL.  (wdm
 * SeDeassignSecurity) */
NTSTATUS NTAPI SeDeassignSecurity(PSECURITY_DESCRIPTOR *SecurityDescriptor)
{
    if (*SecurityDescriptor != NULL)
        ex_free_pool_from(*SecurityDescriptor, TAG, EX_POOL_PLAIN, __builtin_return_address(0));
    *SecurityDescriptor = NULL;
    return STATUS_SUCCESS;
}
