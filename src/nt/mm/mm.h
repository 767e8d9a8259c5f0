/*
 * mm.h - memory descriptor lists as the rooms see them.
 *
 * There is one address space and nothing is paged out, so that an MDL's system address is the buffer's own
 * address.  The structure is public (D-10): it may lie in driver memory, made by MmInitializeMdl.
 */
#ifndef UWSK_NT_MM_H
#define UWSK_NT_MM_H

#include <wdm.h>

/* An MDL for [address, address+length), or NULL.  `caller` NULL marks one of the runtime's own.  With an IRP:
 * becomes its MdlAddress or, if `secondary`, the end of its chain.  IRQL <= DISPATCH_LEVEL. */
PMDL mm_allocate_mdl(PVOID address, ULONG length, BOOLEAN secondary, PIRP irp, void *caller);
void mm_free_mdl(PMDL mdl);
/* mm_allocate_mdl and mm_build_mdl_for_non_paged_pool in one step: what an indication needs. */
PMDL mm_allocate_mdl_non_paged(PVOID address, ULONG length, void *caller);
void mm_build_mdl_for_non_paged_pool(PMDL mdl);
void mm_build_partial_mdl(PMDL source, PMDL target, PVOID address, ULONG length);
/* STATUS_ACCESS_VIOLATION instead of an exception when the range is bad. */
NTSTATUS mm_probe_and_lock_pages(PMDL mdl, LOCK_OPERATION operation);
void mm_unlock_pages(PMDL mdl);

/* The address of the first byte that one MDL describes; NULL only for a NULL or empty MDL without a buffer.
 */
PVOID mm_mdl_address(PMDL mdl);

/* Same layout as struct iovec and struct transport_segment. */
struct mm_segment {
    void *base;
    size_t length;
};

/* Are there `length` bytes from `offset` on, which is inside the first MDL?  Looks no further than it must; a chain that
 * comes back to itself before is too short. */
BOOLEAN mm_mdl_chain_reaches(const MDL *mdl, ULONG offset, SIZE_T length);

/* The byte stream of a chain (K-MDL-15): begins `offset` bytes into the first MDL, leaves out `skip` more
 * bytes and covers at most `length` bytes.  Fills at most `count` segments, none of them empty (MDLs of no
 * bytes are passed over), and returns how many.  When the chain ends early, the segments sum to less than
 * `length`. */
size_t mm_mdl_segments(PMDL mdl, ULONG offset, SIZE_T skip, SIZE_T length, struct mm_segment *out,
                       size_t count);

/* The same, without a call for what nearly every chain is: one MDL that holds all of it. */
static inline size_t mm_mdl_segments_inline(PMDL mdl, ULONG offset, SIZE_T skip, SIZE_T length,
                                            struct mm_segment *out, size_t count)
{
    SIZE_T at = (SIZE_T)offset + skip;

    if (__builtin_expect(count != 0 && length != 0 && mdl != NULL && at < mdl->ByteCount &&
                             length <= mdl->ByteCount - at &&
                             (mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)),
                         1)) {
        out->base = (UCHAR *)mdl->MappedSystemVa + at;
        out->length = length;
        return 1;
    }
    return mm_mdl_segments(mdl, offset, skip, length, out, count);
}

/* Copies between a chain and plain memory; return the bytes copied, fewer when the chain ends early. */
SIZE_T mm_mdl_copy_to(PMDL mdl, ULONG offset, SIZE_T skip, const void *from, SIZE_T length);
SIZE_T mm_mdl_copy_from(PMDL mdl, ULONG offset, SIZE_T skip, void *to, SIZE_T length);

#endif
