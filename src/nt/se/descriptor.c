/*
 * descriptor.c - security descriptors in both forms: with pointers (absolute), and in one piece with offsets
 * (self-relative).
 */
#include "nt/se/se.h"
#include "nt/rtl/rtl.h"

/* A list and a SID cannot be longer; so no offset leads further. */
#define SE_LONGEST (2 * 0x10000 + 2 * SECURITY_MAX_SID_SIZE + sizeof(SECURITY_DESCRIPTOR_RELATIVE))

static ULONG rounded(ULONG bytes)
{
    return (bytes + 3) & ~3u;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* An offset as a pointer, NULL for none; FALSE when it leads outside. */
static BOOLEAN at(const void *descriptor, ULONG offset, SIZE_T length, const void **out)
{
    *out = offset != 0 ? (const UCHAR *)descriptor + offset : NULL;
    return offset == 0 ||
           (offset >= sizeof(SECURITY_DESCRIPTOR_RELATIVE) && (offset & 3) == 0 && offset < length);
}

static BOOLEAN find_relative(const SECURITY_DESCRIPTOR_RELATIVE *from, SIZE_T length, struct se_parts *out)
{
    SIZE_T most = length != 0 ? length : SE_LONGEST;

    return at(from, from->Owner, most, (const void **)&out->owner) &&
           at(from, from->Group, most, (const void **)&out->group) &&
           at(from, out->control & SE_SACL_PRESENT ? from->Sacl : 0, most, (const void **)&out->sacl) &&
           at(from, out->control & SE_DACL_PRESENT ? from->Dacl : 0, most, (const void **)&out->dacl);
}

static BOOLEAN find_absolute(const SECURITY_DESCRIPTOR *from, struct se_parts *out)
{
    if (((ULONG_PTR)from & 7) != 0 || rtl_is_bad_memory(from, sizeof *from, FALSE))
        return FALSE;
    out->owner = from->Owner;
    out->group = from->Group;
    out->sacl = out->control & SE_SACL_PRESENT ? from->Sacl : NULL;
    out->dacl = out->control & SE_DACL_PRESENT ? from->Dacl : NULL;
    return TRUE;
}

BOOLEAN se_read(const void *descriptor, SIZE_T length, struct se_parts *out)
{
    const SECURITY_DESCRIPTOR_RELATIVE *head = descriptor;
    const void *end = length != 0 ? (const UCHAR *)descriptor + length : NULL;

    RtlZeroMemory(out, sizeof *out);
    if (descriptor == NULL || ((ULONG_PTR)descriptor & 3) != 0 || (length != 0 && length < sizeof *head) ||
        (length == 0 && rtl_is_bad_memory(head, sizeof *head, FALSE)) ||
        head->Revision != SECURITY_DESCRIPTOR_REVISION)
        return FALSE;
    out->control = head->Control;
    if (out->control & SE_SELF_RELATIVE ? !find_relative(head, length, out)
                                        : length != 0 || !find_absolute(descriptor, out))
        return FALSE;
    return (out->owner == NULL || se_valid_sid(out->owner, end)) &&
           (out->group == NULL || se_valid_sid(out->group, end)) &&
           (out->sacl == NULL || se_valid_acl(out->sacl, end)) &&
           (out->dacl == NULL || se_valid_acl(out->dacl, end));
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static ULONG parts_length(const struct se_parts *parts)
{
    return (parts->owner != NULL ? rounded(se_sid_length(parts->owner)) : 0) +
           (parts->group != NULL ? rounded(se_sid_length(parts->group)) : 0) +
           (parts->sacl != NULL ? rounded(parts->sacl->AclSize) : 0) +
           (parts->dacl != NULL ? rounded(parts->dacl->AclSize) : 0);
}

ULONG se_flat_length(const struct se_parts *parts)
{
    return (ULONG)sizeof(SECURITY_DESCRIPTOR_RELATIVE) + parts_length(parts);
}

/* Puts a part at *used and moves that on, cut where the room ends; answers its offset.  Not inlined: `bytes` is read from
 * the driver's memory, and read once. */
static __attribute__((__noinline__)) ULONG put(void *out, ULONG *used, ULONG room, const void *part,
                                               ULONG bytes)
{
    ULONG offset = *used;

    if (part == NULL)
        return 0;
    if (bytes > room - offset)
        bytes = room - offset;
    RtlCopyMemory((UCHAR *)out + offset, part, bytes);
    *used = offset + rounded(bytes) < room ? offset + rounded(bytes) : room;
    RtlZeroMemory((UCHAR *)out + offset + bytes, *used - offset - bytes);
    return offset;
}

void se_flatten(const struct se_parts *parts, void *out, ULONG room)
{
    SECURITY_DESCRIPTOR_RELATIVE *head = out;
    ULONG used = sizeof *head;

    RtlZeroMemory(head, sizeof *head);
    head->Revision = SECURITY_DESCRIPTOR_REVISION;
    head->Control = parts->control | SE_SELF_RELATIVE;
    head->Sacl = put(out, &used, room, parts->sacl, parts->sacl != NULL ? parts->sacl->AclSize : 0);
    head->Dacl = put(out, &used, room, parts->dacl, parts->dacl != NULL ? parts->dacl->AclSize : 0);
    head->Owner = put(out, &used, room, parts->owner, parts->owner != NULL ? se_sid_length(parts->owner) : 0);
    head->Group = put(out, &used, room, parts->group, parts->group != NULL ? se_sid_length(parts->group) : 0);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes an absolute descriptor without any part.  STATUS_SUCCESS, STATUS_UNKNOWN_REVISION.  Any IRQL.  (wdm
 * RtlCreateSecurityDescriptor) */
NTSTATUS NTAPI RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, ULONG Revision)
{
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

    if (Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    RtlZeroMemory(descriptor, sizeof *descriptor);
    descriptor->Revision = SECURITY_DESCRIPTOR_REVISION;
    return STATUS_SUCCESS;
}

static NTSTATUS may_change(const SECURITY_DESCRIPTOR *descriptor)
{
    if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    return descriptor->Control & SE_SELF_RELATIVE ? STATUS_INVALID_SECURITY_DESCR : STATUS_SUCCESS;
}

static void set_bit(PISECURITY_DESCRIPTOR descriptor, USHORT bit, BOOLEAN on)
{
    descriptor->Control = (USHORT)((descriptor->Control & ~bit) | (on ? bit : 0));
}

/* Gives an absolute descriptor a discretionary list, which is not copied; NULL: everybody may do everything.
 * DaclPresent FALSE takes it away.  STATUS_SUCCESS, STATUS_UNKNOWN_REVISION, STATUS_INVALID_SECURITY_DESCR (it is
 * self-relative).  Any IRQL.  (wdm RtlSetDaclSecurityDescriptor) */
NTSTATUS NTAPI RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, BOOLEAN DaclPresent,
                                            PACL Dacl, BOOLEAN DaclDefaulted)
{
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
    NTSTATUS status = may_change(descriptor);

    if (status != STATUS_SUCCESS)
        return status;
    set_bit(descriptor, SE_DACL_PRESENT, DaclPresent);
    if (DaclPresent) {
        descriptor->Dacl = Dacl;
        set_bit(descriptor, SE_DACL_DEFAULTED, DaclDefaulted);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS set_sid(PISECURITY_DESCRIPTOR descriptor, PSID *field, PSID sid, USHORT bit,
                        BOOLEAN defaulted)
{
    NTSTATUS status = may_change(descriptor);

    if (status != STATUS_SUCCESS)
        return status;
    *field = sid;
    set_bit(descriptor, bit, defaulted);
    return STATUS_SUCCESS;
}

/* The same for the owner; NULL: none.  (ntifs RtlSetOwnerSecurityDescriptor) */
NTSTATUS NTAPI RtlSetOwnerSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Owner,
                                             BOOLEAN OwnerDefaulted)
{
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

    return set_sid(descriptor, &descriptor->Owner, Owner, SE_OWNER_DEFAULTED, OwnerDefaulted);
}

/* The same for the group.  (ntifs RtlSetGroupSecurityDescriptor) */
NTSTATUS NTAPI RtlSetGroupSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Group,
                                             BOOLEAN GroupDefaulted)
{
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;

    return set_sid(descriptor, &descriptor->Group, Group, SE_GROUP_DEFAULTED, GroupDefaulted);
}

/* Where the parts are, in either form; the descriptor is believed.  STATUS_UNKNOWN_REVISION. */
static NTSTATUS look_up(PSECURITY_DESCRIPTOR descriptor, struct se_parts *out)
{
    const SECURITY_DESCRIPTOR_RELATIVE *head = descriptor;

    if (head->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    RtlZeroMemory(out, sizeof *out);
    out->control = head->Control;
    if (!(head->Control & SE_SELF_RELATIVE))
        return find_absolute(descriptor, out) ? STATUS_SUCCESS : STATUS_INVALID_SECURITY_DESCR;
    return find_relative(head, 0, out) ? STATUS_SUCCESS : STATUS_INVALID_SECURITY_DESCR;
}

/* Whether there is a discretionary list, where, and whether by default; without one only DaclPresent is written.
 * STATUS_SUCCESS, STATUS_UNKNOWN_REVISION, STATUS_INVALID_SECURITY_DESCR (an offset leads outside).  (ntifs
 * RtlGetDaclSecurityDescriptor) */
NTSTATUS NTAPI RtlGetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PBOOLEAN DaclPresent,
                                            PACL *Dacl, PBOOLEAN DaclDefaulted)
{
    struct se_parts parts;
    NTSTATUS status = look_up(SecurityDescriptor, &parts);

    if (status != STATUS_SUCCESS)
        return status;
    *DaclPresent = (parts.control & SE_DACL_PRESENT) != 0;
    if (*DaclPresent) {
        *Dacl = (PACL)parts.dacl;
        *DaclDefaulted = (parts.control & SE_DACL_DEFAULTED) != 0;
    }
    return STATUS_SUCCESS;
}

/* The owner, NULL = none; statuses as before.  (ntifs RtlGetOwnerSecurityDescriptor) */
NTSTATUS NTAPI RtlGetOwnerSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID *Owner,
                                             PBOOLEAN OwnerDefaulted)
{
    struct se_parts parts;
    NTSTATUS status = look_up(SecurityDescriptor, &parts);

    if (status != STATUS_SUCCESS)
        return status;
    *Owner = (PSID)parts.owner;
    *OwnerDefaulted = (parts.control & SE_OWNER_DEFAULTED) != 0;
    return STATUS_SUCCESS;
}

/* The group.  (ntifs RtlGetGroupSecurityDescriptor) */
NTSTATUS NTAPI RtlGetGroupSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID *Group,
                                             PBOOLEAN GroupDefaulted)
{
    struct se_parts parts;
    NTSTATUS status = look_up(SecurityDescriptor, &parts);

    if (status != STATUS_SUCCESS)
        return status;
    *Group = (PSID)parts.group;
    *GroupDefaulted = (parts.control & SE_GROUP_DEFAULTED) != 0;
    return STATUS_SUCCESS;
}

/* Bytes of a valid descriptor and its parts.  (wdm RtlLengthSecurityDescriptor) */
ULONG NTAPI RtlLengthSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    struct se_parts parts;

    if (!se_read(SecurityDescriptor, 0, &parts))
        return sizeof(SECURITY_DESCRIPTOR_RELATIVE);
    return parts_length(&parts) + (ULONG)(parts.control & SE_SELF_RELATIVE
                                              ? sizeof(SECURITY_DESCRIPTOR_RELATIVE)
                                              : sizeof(SECURITY_DESCRIPTOR));
}

/* TRUE: revision and parts of a descriptor of either form are right.  (wdm RtlValidSecurityDescriptor) */
BOOLEAN NTAPI RtlValidSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    struct se_parts parts;

    return se_read(SecurityDescriptor, 0, &parts);
}

/* TRUE: a self-relative one is whole within so many bytes and has what is required.  (wdm
 * RtlValidRelativeSecurityDescriptor) */
BOOLEAN NTAPI RtlValidRelativeSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptorInput,
                                                 ULONG SecurityDescriptorLength,
                                                 SECURITY_INFORMATION RequiredInformation)
{
    struct se_parts parts;

    if (SecurityDescriptorLength == 0 || !se_read(SecurityDescriptorInput, SecurityDescriptorLength, &parts))
        return FALSE;
    return (!(RequiredInformation & OWNER_SECURITY_INFORMATION) || parts.owner != NULL) &&
           (!(RequiredInformation & GROUP_SECURITY_INFORMATION) || parts.group != NULL) &&
           (!(RequiredInformation & DACL_SECURITY_INFORMATION) || (parts.control & SE_DACL_PRESENT)) &&
           (!(RequiredInformation & SACL_SECURITY_INFORMATION) || (parts.control & SE_SACL_PRESENT));
}

/* TRUE: a self-relative one of Length bytes is whole.  (wdm SeValidSecurityDescriptor) */
BOOLEAN NTAPI SeValidSecurityDescriptor(ULONG Length, PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    return RtlValidRelativeSecurityDescriptor(SecurityDescriptor, Length, 0);
}

/* The same in one piece.  *BufferLength: room, becomes what is needed.  STATUS_SUCCESS, STATUS_BUFFER_TOO_SMALL,
 * STATUS_BAD_DESCRIPTOR_FORMAT (it is in one piece), STATUS_INVALID_SECURITY_DESCR.  (ntifs
 * RtlAbsoluteToSelfRelativeSD) */
NTSTATUS NTAPI RtlAbsoluteToSelfRelativeSD(PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
                                           PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor,
                                           PULONG BufferLength)
{
    ULONG room = *BufferLength;
    struct se_parts parts;

    if (!se_read(AbsoluteSecurityDescriptor, 0, &parts))
        return STATUS_INVALID_SECURITY_DESCR;
    if (parts.control & SE_SELF_RELATIVE)
        return STATUS_BAD_DESCRIPTOR_FORMAT;
    *BufferLength = se_flat_length(&parts);
    if (SelfRelativeSecurityDescriptor == NULL || room < *BufferLength)
        return STATUS_BUFFER_TOO_SMALL;
    se_flatten(&parts, SelfRelativeSecurityDescriptor, *BufferLength);
    return STATUS_SUCCESS;
}

/* Makes *size what is needed; TRUE when there is as much. */
static BOOLEAN room_for(const void *part, ULONG bytes, const void *out, PULONG size)
{
    ULONG room = *size;

    *size = part != NULL ? bytes : 0;
    return *size == 0 || (out != NULL && room >= *size);
}

static void *copy_part(void *out, const void *part, ULONG bytes)
{
    if (part == NULL)
        return NULL;
    RtlCopyMemory(out, part, bytes);
    return out;
}

/* The same in pieces, each in a buffer of its own.  Sizes: room, become what is needed.  STATUS_SUCCESS,
 * STATUS_BUFFER_TOO_SMALL, STATUS_BAD_DESCRIPTOR_FORMAT (it is in pieces), STATUS_INVALID_SECURITY_DESCR.  (ntifs
 * RtlSelfRelativeToAbsoluteSD) */
NTSTATUS NTAPI RtlSelfRelativeToAbsoluteSD(PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor,
                                           PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
                                           PULONG AbsoluteSecurityDescriptorSize, PACL Dacl, PULONG DaclSize,
                                           PACL Sacl, PULONG SaclSize, PSID Owner, PULONG OwnerSize,
                                           PSID PrimaryGroup, PULONG PrimaryGroupSize)
{
    PISECURITY_DESCRIPTOR out = AbsoluteSecurityDescriptor;
    struct se_parts parts;
    BOOLEAN room;

    if (!se_read(SelfRelativeSecurityDescriptor, 0, &parts))
        return STATUS_INVALID_SECURITY_DESCR;
    if (!(parts.control & SE_SELF_RELATIVE))
        return STATUS_BAD_DESCRIPTOR_FORMAT;
    room = room_for(&parts, sizeof *out, out, AbsoluteSecurityDescriptorSize);
    room &= room_for(parts.dacl, parts.dacl != NULL ? parts.dacl->AclSize : 0, Dacl, DaclSize);
    room &= room_for(parts.sacl, parts.sacl != NULL ? parts.sacl->AclSize : 0, Sacl, SaclSize);
    room &= room_for(parts.owner, parts.owner != NULL ? se_sid_length(parts.owner) : 0, Owner, OwnerSize);
    room &= room_for(parts.group, parts.group != NULL ? se_sid_length(parts.group) : 0, PrimaryGroup,
                     PrimaryGroupSize);
    if (!room)
        return STATUS_BUFFER_TOO_SMALL;
    RtlZeroMemory(out, sizeof *out);
    out->Revision = SECURITY_DESCRIPTOR_REVISION;
    out->Control = (USHORT)(parts.control & ~SE_SELF_RELATIVE);
    out->Dacl = copy_part(Dacl, parts.dacl, *DaclSize);
    out->Sacl = copy_part(Sacl, parts.sacl, *SaclSize);
    out->Owner = copy_part(Owner, parts.owner, *OwnerSize);
    out->Group = copy_part(PrimaryGroup, parts.group, *PrimaryGroupSize);
    return STATUS_SUCCESS;
}
