/*
 * MDLs: what they describe, how they are locked and mapped, and a chain as one stream.
 */
#include "bugcheck.h"
#include "host/host.h"
#include "nt/ex/ex.h"
#include "nt/ke/seh.h"
#include "nt/io/io.h"
#include "nt/mm/mm.h"
#include "uwsk/seh.h"
#include <string.h>

static UCHAR buffer[5 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

TEST(mdl_describes_its_buffer, "K-MDL-01 K-MDL-02 K-MDL-03")
{
    PMDL mdl = IoAllocateMdl(buffer + 100, PAGE_SIZE + 50, FALSE, FALSE, NULL);

    EXPECT(mdl != NULL);
    EXPECT_EQ(MmGetMdlByteCount(mdl), PAGE_SIZE + 50);
    EXPECT_EQ(MmGetMdlByteOffset(mdl), 100);
    EXPECT(MmGetMdlVirtualAddress(mdl) == buffer + 100);
    EXPECT(mdl->Next == NULL);
    EXPECT_EQ(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA), 0);
    EXPECT_EQ(mdl->Size, sizeof(MDL) + 2 * sizeof(PFN_NUMBER));
    EXPECT_EQ(MmSizeOfMdl(buffer + 100, PAGE_SIZE + 50), mdl->Size);
    EXPECT_EQ(MmSizeOfMdl(buffer + PAGE_SIZE - 1, 2), sizeof(MDL) + 2 * sizeof(PFN_NUMBER));
    EXPECT_EQ(MmSizeOfMdl(buffer, 0), sizeof(MDL));
    MmBuildMdlForNonPagedPool(mdl);
    EXPECT_EQ(MmGetMdlPfnArray(mdl)[1], MmGetMdlPfnArray(mdl)[0] + 1);
    IoFreeMdl(mdl);
}

TEST(mdl_hangs_on_its_irp, "K-MDL-02 K-MDL-13 K-MDL-14")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    PMDL first = IoAllocateMdl(buffer, 10, FALSE, FALSE, irp);
    PMDL second = IoAllocateMdl(buffer + 10, 10, TRUE, FALSE, irp);
    PMDL third = IoAllocateMdl(buffer + 20, 10, TRUE, FALSE, irp);
    SIZE_T blocks, bytes;

    EXPECT(irp->MdlAddress == first && first->Next == second && second->Next == third && third->Next == NULL);
    IoFreeMdl(first); /* one only */
    EXPECT_EQ(MmGetMdlByteCount(second), 10);
    IoFreeMdl(second);
    IoFreeMdl(third);
    IoFreeIrp(irp);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

TEST(non_paged_mdl_is_mapped_where_it_is, "K-MDL-04 K-MDL-05")
{
    PMDL mdl = IoAllocateMdl(buffer + 7, 20, FALSE, FALSE, NULL);
    KIRQL irql;

    MmBuildMdlForNonPagedPool(mdl);
    EXPECT(mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == buffer + 7);
    EXPECT(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority | MdlMappingNoExecute) == buffer + 7);
    KeLowerIrql(irql);
    IoFreeMdl(mdl);
}

static int fail_mdl(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_MDL;
}

TEST(locked_pages_until_unlocked, "D-24 K-MDL-05")
{
    PMDL mdl = IoAllocateMdl(buffer + 7, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    PVOID address;

    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    EXPECT(mdl->MdlFlags & MDL_PAGES_LOCKED);
    EXPECT(mdl->MdlFlags & MDL_WRITE_OPERATION);
    host_set_fault_plan(fail_mdl, NULL);
    EXPECT(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == NULL);
    host_set_fault_plan(NULL, NULL);
    address = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    EXPECT(address == buffer + 7);
    EXPECT(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA);
    EXPECT(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == address);
    MmUnlockPages(mdl);
    EXPECT_EQ(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA), 0);
    MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
    EXPECT_EQ(mdl->MdlFlags & MDL_WRITE_OPERATION, 0);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
}

TEST(no_memory_no_mdl, "K-MDL-02")
{
    host_set_fault_plan(fail_mdl, NULL);
    EXPECT(IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL) == NULL);
}

TEST(read_only_data_is_locked_for_reading, "D-24")
{
    static const UCHAR constant[PAGE_SIZE] = {1};
    PMDL mdl = IoAllocateMdl((PVOID)constant, sizeof(constant), FALSE, FALSE, NULL);

    EXPECT_STATUS(mm_probe_and_lock_pages(mdl, IoWriteAccess), STATUS_ACCESS_VIOLATION);
    EXPECT_EQ(mdl->MdlFlags & MDL_PAGES_LOCKED, 0);
    EXPECT_STATUS(mm_probe_and_lock_pages(mdl, IoModifyAccess), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(mm_probe_and_lock_pages(mdl, IoReadAccess), STATUS_SUCCESS);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
}

TEST(probe_writes_nothing, "D-24")
{
    PMDL mdl = IoAllocateMdl(buffer, sizeof(buffer), FALSE, FALSE, NULL);

    for (ULONG i = 0; i < sizeof(buffer); i++)
        buffer[i] = (UCHAR)(i * 7);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    for (ULONG i = 0; i < sizeof(buffer); i++)
        EXPECT_EQ(buffer[i], (UCHAR)(i * 7));
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
}

TEST(bad_range_raises, "D-24")
{
    PMDL mdl = IoAllocateMdl((PVOID)0x10000, 100, FALSE, FALSE, NULL);

    EXPECT_STATUS(mm_probe_and_lock_pages(mdl, IoReadAccess), STATUS_ACCESS_VIOLATION);
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, MmProbeAndLockPages(mdl, KernelMode, IoReadAccess));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_ACCESS_VIOLATION);
}

TEST(partial_mdl_shares_the_mapping, "K-MDL-11")
{
    PMDL source = IoAllocateMdl(buffer + 10, 3 * PAGE_SIZE, FALSE, FALSE, NULL);
    PMDL partial = IoAllocateMdl(buffer + 10, 3 * PAGE_SIZE, FALSE, FALSE, NULL);

    MmBuildMdlForNonPagedPool(source);
    IoBuildPartialMdl(source, partial, buffer + 10 + PAGE_SIZE, 100);
    EXPECT_EQ(MmGetMdlByteCount(partial), 100);
    EXPECT(MmGetMdlVirtualAddress(partial) == buffer + 10 + PAGE_SIZE);
    EXPECT(partial->MdlFlags & MDL_PARTIAL);
    EXPECT(MmGetSystemAddressForMdlSafe(partial, NormalPagePriority) == buffer + 10 + PAGE_SIZE);
    MmPrepareMdlForReuse(partial);
    IoBuildPartialMdl(source, partial, buffer + 20, 0); /* to its end */
    EXPECT_EQ(MmGetMdlByteCount(partial), 3 * PAGE_SIZE - 10);
    IoFreeMdl(partial);
    IoFreeMdl(source);
}

TEST(partial_mdl_of_locked_pages_has_its_own_mapping, "K-MDL-11 K-MDL-12 K-MDL-13")
{
    PMDL source = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    PMDL partial = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);

    MmProbeAndLockPages(source, KernelMode, IoReadAccess);
    IoBuildPartialMdl(source, partial, buffer + 5, 5);
    EXPECT_EQ(partial->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED, 0);
    EXPECT(MmGetSystemAddressForMdlSafe(partial, NormalPagePriority) == buffer + 5);
    EXPECT(partial->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED);
    EXPECT_EQ(source->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA, 0);
    MmPrepareMdlForReuse(partial);
    EXPECT_EQ(partial->MdlFlags & (MDL_PARTIAL_HAS_BEEN_MAPPED | MDL_MAPPED_TO_SYSTEM_VA), 0);
    IoBuildPartialMdl(source, partial, buffer + 6, 5);
    EXPECT(MmGetSystemAddressForMdlSafe(partial, NormalPagePriority) == buffer + 6);
    IoFreeMdl(partial); /* mapped as it is */
    MmUnlockPages(source);
    IoFreeMdl(source);
}

TEST(mdl_in_driver_memory, "D-10")
{
    UCHAR memory[sizeof(MDL) + 2 * sizeof(PFN_NUMBER)] __attribute__((aligned(16)));
    PMDL mdl = (PMDL)memory;

    MmInitializeMdl(mdl, buffer + PAGE_SIZE - 10, 20);
    MmBuildMdlForNonPagedPool(mdl);
    EXPECT(mm_mdl_address(mdl) == buffer + PAGE_SIZE - 10);
    EXPECT(mm_mdl_chain_reaches(mdl, 0, 20));
    EXPECT(!mm_mdl_chain_reaches(mdl, 0, 21));
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

TEST(non_paged_mdl_is_not_unlocked, "K-MDL-07")
{
    PMDL mdl = IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL);

    MmBuildMdlForNonPagedPool(mdl);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, MmUnlockPages(mdl));
    EXPECT_BUGCHECK_PARAMETER(1, 0x7D);
    EXPECT_BUGCHECK_PARAMETER(2, mdl);
    EXPECT_BUGCHECK_PARAMETER(3, MDL_SOURCE_IS_NONPAGED_POOL);
}

TEST(non_paged_mdl_is_not_locked, "K-MDL-07")
{
    PMDL mdl = IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL);

    MmBuildMdlForNonPagedPool(mdl);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, MmProbeAndLockPages(mdl, KernelMode, IoReadAccess));
    EXPECT_BUGCHECK_PARAMETER(1, 0xB0);
}

TEST(unlocked_mdl_is_not_unlocked, "K-MDL-09")
{
    PMDL mdl = IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL);

    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, MmUnlockPages(mdl));
    EXPECT_BUGCHECK_PARAMETER(1, 0x7C);
}

TEST(partial_mdl_is_not_unlocked, "K-MDL-12")
{
    PMDL source = IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL),
         partial = IoAllocateMdl(buffer, 10, FALSE, FALSE, NULL);

    MmProbeAndLockPages(source, KernelMode, IoReadAccess);
    IoBuildPartialMdl(source, partial, buffer, 5);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, MmUnlockPages(partial));
    EXPECT_BUGCHECK_PARAMETER(1, 0xB4);
}

/* ---- chains ------------------------------------------------------------------------------------------- */

static PMDL chain_of(const ULONG *lengths, ULONG count, ULONG *at)
{
    PMDL first = NULL, *end = &first;

    for (ULONG i = 0; i < count; i++) {
        PMDL mdl = IoAllocateMdl(buffer + *at, lengths[i], FALSE, FALSE, NULL);

        MmBuildMdlForNonPagedPool(mdl);
        *at += lengths[i] + 3; /* gaps, so that no two are contiguous */
        *end = mdl;
        end = &mdl->Next;
    }
    return first;
}

TEST(chain_is_one_stream, "K-MDL-15")
{
    static const ULONG lengths[] = {0, 10, 0, 0, 5, 1, 0, 20, 0};
    ULONG at = 0;
    PMDL chain = chain_of(lengths, RTL_NUMBER_OF(lengths), &at);
    UCHAR stream[64];

    EXPECT(mm_mdl_chain_reaches(chain, 0, 36));
    EXPECT(!mm_mdl_chain_reaches(chain, 0, 37));
    EXPECT(mm_mdl_chain_reaches(chain->Next, 9, 27));
    EXPECT(!mm_mdl_chain_reaches(chain->Next, 9, 28));
    EXPECT(!mm_mdl_chain_reaches(chain->Next, 9, ~(SIZE_T)0));
    EXPECT(!mm_mdl_chain_reaches(NULL, 0, 0));
    for (ULONG i = 0; i < sizeof(buffer); i++)
        buffer[i] = 0xEE;
    for (ULONG i = 0; i < 36; i++)
        stream[i] = (UCHAR)i;
    EXPECT_EQ(mm_mdl_copy_to(chain, 0, 0, stream, 36), 36);
    for (SIZE_T offset = 0; offset <= 10; offset++)
        for (SIZE_T skip = 0; skip + offset <= 40; skip++)
            for (SIZE_T length = 0; length <= 40; length++) {
                SIZE_T start = offset + skip;
                SIZE_T rest = start < 36 ? 36 - start : 0, expected = length < rest ? length : rest, sum = 0;
                struct mm_segment segments[12];
                size_t count = mm_mdl_segments(chain, (ULONG)offset, skip, length, segments, 12);

                for (size_t i = 0; i < count; i++) {
                    EXPECT_NE(segments[i].length, 0);
                    for (SIZE_T j = 0; j < segments[i].length; j++)
                        EXPECT_EQ(((PUCHAR)segments[i].base)[j], start + sum++);
                }
                EXPECT_EQ(sum, expected);
                memset(stream, 0xAA, sizeof(stream));
                EXPECT_EQ(mm_mdl_copy_from(chain, (ULONG)offset, skip, stream, length), expected);
                for (SIZE_T i = 0; i < expected; i++)
                    EXPECT_EQ(stream[i], start + i);
                EXPECT_EQ(stream[expected], 0xAA);
            }
    EXPECT_EQ(mm_mdl_segments(chain, 0, 0, 36, (struct mm_segment[2]){{0}}, 2),
              2); /* as many as there is room for */
    while (chain) {
        PMDL next = chain->Next;

        IoFreeMdl(chain);
        chain = next;
    }
}

/* A chain that comes back to any of its MDLs, with bytes or without, is looked at once. */
TEST(chain_without_an_end, "")
{
    static const ULONG some[] = {0, 10, 0, 5, 0, 1, 20}, none[RTL_NUMBER_OF(some)];
    const ULONG *lengths[] = {some, none};

    for (unsigned k = 0; k < RTL_NUMBER_OF(lengths); k++) {
        ULONG at = 0;
        PMDL chain = chain_of(lengths[k], RTL_NUMBER_OF(some), &at), last = chain, mdl, next;

        while (last->Next != NULL)
            last = last->Next;
        for (mdl = chain; mdl != NULL; mdl = mdl != last ? mdl->Next : NULL) {
            last->Next = mdl;
            EXPECT(mm_mdl_chain_reaches(chain, 0, k == 0 ? 36 : 0));
            EXPECT(!mm_mdl_chain_reaches(chain, 0, ~(SIZE_T)0));
        }
        last->Next = NULL;
        for (mdl = chain; mdl != NULL; mdl = next) {
            next = mdl->Next;
            IoFreeMdl(mdl);
        }
    }
}

TEST(large_mdl, "K-MDL-02")
{
    SIZE_T bytes = 64 << 20;
    PUCHAR memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, 'graL');
    PMDL mdl = IoAllocateMdl(memory, (ULONG)bytes, FALSE, FALSE, NULL);
    PMDL partial = IoAllocateMdl(memory, (ULONG)bytes, FALSE, FALSE, NULL);

    MmBuildMdlForNonPagedPool(mdl);
    EXPECT_EQ(MmGetMdlByteCount(mdl), bytes);
    IoBuildPartialMdl(mdl, partial, memory + 1, 0);
    EXPECT_EQ(MmGetMdlByteCount(partial), bytes - 1);
    IoFreeMdl(partial);
    IoFreeMdl(mdl);
    ExFreePool(memory);
}

TEST(probes_of_user_ranges, "")
{
    ProbeForRead(NULL, 0, 1);
    ProbeForRead(buffer, sizeof(buffer), 8);
    ProbeForWrite(buffer, sizeof(buffer), 1);
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, ProbeForRead(buffer + 1, 8, 4));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_DATATYPE_MISALIGNMENT);
}

TEST(valid_addresses_can_be_read, "")
{
    static const UCHAR constant[16] = {1};
    KIRQL irql;

    EXPECT(MmIsAddressValid(buffer) && MmIsAddressValid((PVOID)constant));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT(MmIsAddressValid(&irql) && MmIsAddressValid((PVOID)(ULONG_PTR)MmIsAddressValid));
    EXPECT(!MmIsAddressValid(NULL) && !MmIsAddressValid((PVOID)16) && !MmIsAddressValid((PVOID)-1));
    EXPECT(!MmIsAddressValid((PVOID)0xFFFF800000000000) && !MmIsAddressValid((PVOID)0x1234567890ABCDEF));
    KeLowerIrql(irql);
}

TEST(probe_for_write_sees_read_only_pages, "")
{
    static const UCHAR constant[16] = {1};

    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, ProbeForWrite((PVOID)constant, 1, 1));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_ACCESS_VIOLATION);
}
