/*
 * abi_base.c - the base headers in C: the compiler checks abi_base.h; the tests
 * check what inline functions and macros do.
 */
#include "abi_base.h"
#include "abi_doubles.h"
#include "uwsk_test.h"

/* ---- lists -------------------------------------------------------------------------------------------- */

TEST(lists_keep_their_entries_in_order, "K-LIST-01")
{
    LIST_ENTRY head, a, b, c;

    InitializeListHead(&head);
    EXPECT(IsListEmpty(&head));
    EXPECT(RemoveHeadList(&head) == &head);
    EXPECT(RemoveTailList(&head) == &head);
    InsertTailList(&head, &b);
    InsertTailList(&head, &c);
    InsertHeadList(&head, &a);
    EXPECT(head.Flink == &a && a.Flink == &b && b.Flink == &c && c.Flink == &head);
    EXPECT(head.Blink == &c && c.Blink == &b && b.Blink == &a && a.Blink == &head);
    EXPECT(!RemoveEntryList(&b));
    EXPECT(RemoveTailList(&head) == &c);
    EXPECT(RemoveEntryList(&a));
    EXPECT(IsListEmpty(&head));
}

TEST(lists_are_joined_at_the_end, "K-LIST-01")
{
    LIST_ENTRY head, a, b, c;

    InitializeListHead(&head);
    InsertTailList(&head, &a);
    InitializeListHead(&b); /* a ring of two without a head */
    InsertTailList(&b, &c);
    AppendTailList(&head, &b);
    EXPECT(RemoveHeadList(&head) == &a);
    EXPECT(RemoveHeadList(&head) == &b);
    EXPECT(RemoveHeadList(&head) == &c);
    EXPECT(IsListEmpty(&head));
}

struct broken {
    LIST_ENTRY head, entry, other, stranger;
};

static void broken_ring(struct broken *b)
{
    InitializeListHead(&b->head);
    InsertTailList(&b->head, &b->entry);
    InsertTailList(&b->head, &b->other);
    b->stranger.Flink = b->stranger.Blink = &b->stranger;
    abi_seen.bug_check = 0;
    abi_seen.bug_check_parameter = 0;
}

static void remove_entry(void *b)
{
    (void)RemoveEntryList(&((struct broken *)b)->entry);
}
static void remove_head(void *b)
{
    (void)RemoveHeadList(&((struct broken *)b)->head);
}
static void remove_tail(void *b)
{
    (void)RemoveTailList(&((struct broken *)b)->head);
}
static void insert_head(void *b)
{
    InsertHeadList(&((struct broken *)b)->head, &((struct broken *)b)->stranger);
}
static void insert_tail(void *b)
{
    InsertTailList(&((struct broken *)b)->head, &((struct broken *)b)->stranger);
}

/* Every operation on every broken link of its neighbourhood. */
TEST(lists_with_a_broken_link_are_a_bug_check, "K-LIST-06 K-LIST-07")
{
    static void (*const operations[])(void *) = {remove_entry, remove_head, remove_tail, insert_head,
                                                 insert_tail};
    static const struct {
        int operation, link;
    } broken_by[] = {
        {0, 0}, {0, 1}, /* entry: what points to it from the front, from behind */
        {1, 1}, {1, 2}, /* first entry: its Blink, the Blink of the one behind */
        {2, 3}, {2, 4}, /* last entry: its Flink, the Flink of the one before */
        {3, 1}, {3, 3}, {4, 1}, {4, 3},
    };
    struct broken b;
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(operations); i++) {
        broken_ring(&b);
        EXPECT(!abi_bug_checks(operations[i], &b));
    }
    for (i = 0; i < RTL_NUMBER_OF(broken_by); i++) {
        broken_ring(&b);
        switch (broken_by[i].link) {
        case 0:
            b.head.Flink = &b.stranger;
            break;
        case 1:
            if (broken_by[i].operation == 0)
                b.other.Blink = &b.stranger;
            else
                b.entry.Blink = &b.stranger;
            break;
        case 2:
            b.other.Blink = &b.stranger;
            break;
        case 3:
            b.other.Flink = &b.stranger;
            break;
        case 4:
            b.entry.Flink = &b.stranger;
            break;
        }
        EXPECT(abi_bug_checks(operations[broken_by[i].operation], &b));
        EXPECT_EQ(abi_seen.bug_check, 0x139);
        EXPECT_EQ(abi_seen.bug_check_parameter, 3);
    }
}

TEST(an_entry_removed_twice_is_a_bug_check, "K-LIST-06 K-LIST-07")
{
    struct broken b;

    broken_ring(&b);
    EXPECT(!abi_bug_checks(remove_entry, &b));
    EXPECT(abi_bug_checks(remove_entry, &b));
    EXPECT_EQ(abi_seen.bug_check, 0x139);
    EXPECT_EQ(abi_seen.bug_check_parameter, 3);
}

TEST(singly_linked_lists_are_stacks, "")
{
    SINGLE_LIST_ENTRY head = {NULL}, a, b;

    EXPECT(PopEntryList(&head) == NULL);
    PushEntryList(&head, &a);
    PushEntryList(&head, &b);
    EXPECT(PopEntryList(&head) == &b);
    EXPECT(PopEntryList(&head) == &a);
    EXPECT(PopEntryList(&head) == NULL);
}

/* ---- interlocked operations --------------------------------------------------------------------------- */

TEST(interlocked_operations_return_what_windows_returns, "T-03 T-06")
{
    volatile LONG v = 5;
    volatile LONG64 w = 1;
    LONG64 big = 1LL << 40;
    SHORT s = -1;
    UCHAR bits;

    EXPECT_EQ(InterlockedIncrement(&v), 6);
    EXPECT_EQ(InterlockedDecrementAcquire(&v), 5);
    EXPECT_EQ(InterlockedAdd(&v, 10), 15);
    EXPECT_EQ(InterlockedExchangeAdd(&v, -5), 15);
    EXPECT_EQ(InterlockedExchange(&v, 0x0f), 10);
    EXPECT_EQ(InterlockedAnd(&v, 0x3c), 0x0f);
    EXPECT_EQ(InterlockedOr(&v, 0x81), 0x0c);
    EXPECT_EQ(InterlockedXor(&v, 0x80), 0x8d);
    EXPECT_EQ(InterlockedCompareExchange(&v, 1, 2), 0x0d);
    EXPECT_EQ(v, 0x0d);
    EXPECT_EQ(InterlockedCompareExchangeNoFence(&v, 1, 0x0d), 0x0d);
    EXPECT_EQ(v, 1);
    EXPECT_EQ(InterlockedAdd64(&w, big), big + 1);
    EXPECT_EQ(InterlockedCompareExchange64(&w, 7, big + 1), big + 1);
    EXPECT_EQ(InterlockedIncrement64(&w), 8);
    EXPECT_EQ(InterlockedIncrement16(&s), 0);
    bits = InterlockedBitTestAndSet(&v, 4);
    EXPECT_EQ(bits, 0);
    EXPECT_EQ(v, 0x11);
    EXPECT_EQ(InterlockedBitTestAndReset(&v, 4), 1);
    EXPECT_EQ(v, 1);
    EXPECT_EQ(ReadAcquire(&v), 1);
    WriteRelease(&v, 3);
    EXPECT_EQ(ReadNoFence(&v), 3);
}

/* T-03: 32 bits however the driver spells it; a plain long compiles, 64 bits wide. */
TEST(interlocked_operations_take_every_integer_type, "T-03")
{
    long plain = -1;
    unsigned long unsigned_plain = 0;
    ULONG u = 0xffffffff;
    int i = 41;

    EXPECT_EQ(InterlockedIncrement(&plain), 0);
    EXPECT_EQ(InterlockedDecrement(&unsigned_plain), (unsigned long)-1);
    EXPECT_EQ(InterlockedIncrement(&u), 0);
    EXPECT_EQ(InterlockedIncrement((LONG *)&i), 42);
}

TEST(interlocked_pointer_operations_take_every_pointer, "T-06")
{
    int a = 1, b = 2;
    int *p = &a;
    PVOID q = NULL;

    EXPECT(InterlockedExchangePointer((PVOID volatile *)&p, &b) == &a);
    EXPECT(InterlockedCompareExchangePointer(&q, &a, NULL) == NULL);
    EXPECT(InterlockedCompareExchangePointerRelease(&q, NULL, &b) == &a);
    EXPECT(q == &a);
    WritePointerRelease(&q, &b);
    EXPECT(ReadPointerAcquire(&q) == &b);
#if !defined(InterlockedExchangePointerRelease) || !defined(InterlockedIncrement) ||                         \
    !defined(InterlockedCompareExchangePointer) || !defined(InterlockedOr64)
#error T-06: drivers test these names with the preprocessor
#endif
}

#define POINTS_OF(operation, expected_kind, where)                                                           \
    do {                                                                                                     \
        int before = abi_seen.points;                                                                        \
        operation;                                                                                           \
        EXPECT_EQ(abi_seen.points, before + 1);                                                              \
        EXPECT_EQ(abi_seen.point_kind, expected_kind);                                                       \
        EXPECT(abi_seen.object == (where));                                                                  \
    } while (0)

TEST(interlocked_operations_are_scheduling_points, "")
{
    volatile LONG v = 0;
    PVOID p = NULL;
    IRP irp;

    InterlockedIncrement(&v);
    KeMemoryBarrier();
    EXPECT_EQ(abi_seen.points, 0); /* only while a simulator listens */
    uwsk_points_enabled = 1;
    POINTS_OF(InterlockedIncrement(&v), UWSK_POINT_ATOMIC, &v);
    POINTS_OF(InterlockedCompareExchange(&v, 1, 0), UWSK_POINT_ATOMIC, &v);
    POINTS_OF(InterlockedExchange(&v, 1), UWSK_POINT_ATOMIC, &v);
    POINTS_OF(InterlockedOr(&v, 1), UWSK_POINT_ATOMIC, &v);
    POINTS_OF(InterlockedBitTestAndSet(&v, 1), UWSK_POINT_ATOMIC, &v);
    POINTS_OF(InterlockedExchangePointer(&p, NULL), UWSK_POINT_ATOMIC, &p);
    POINTS_OF(InterlockedCompareExchangePointer(&p, NULL, NULL), UWSK_POINT_ATOMIC, &p);
    POINTS_OF(IoSetCancelRoutine(&irp, NULL), UWSK_POINT_ATOMIC, &irp.CancelRoutine);
    POINTS_OF((void)ReadAcquire(&v), UWSK_POINT_READ, &v);
    POINTS_OF((void)ReadPointerNoFence(&p), UWSK_POINT_READ, &p);
    POINTS_OF(WriteRelease(&v, 1), UWSK_POINT_WRITE, &v);
    POINTS_OF(WritePointerNoFence(&p, NULL), UWSK_POINT_WRITE, &p);
    POINTS_OF(KeMemoryBarrier(), UWSK_POINT_BARRIER, NULL);
    POINTS_OF(YieldProcessor(), UWSK_POINT_YIELD, NULL);
    uwsk_points_enabled = 0;
}

TEST(an_interlocked_operand_is_evaluated_once, "T-03")
{
    LONG cells[3] = {0, 0, 0};
    LONG *next = cells;

    InterlockedIncrement(next++);
    InterlockedExchange(next++, 7);
    InterlockedCompareExchange(next++, 9, 0);
    EXPECT(next == cells + 3);
    EXPECT(cells[0] == 1 && cells[1] == 7 && cells[2] == 9);
    InterlockedExchange(&cells[0], InterlockedIncrement(&cells[1])); /* nested */
    EXPECT_EQ(cells[0], 8);
}

/* ---- IRPs --------------------------------------------------------------------------------------------- */

static NTSTATUS NTAPI completion(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    (void)DeviceObject;
    (void)Irp;
    (void)Context;
    return STATUS_SUCCESS;
}

static VOID NTAPI cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    (void)DeviceObject;
    (void)Irp;
}

struct irp_of_two {
    IRP irp;
    IO_STACK_LOCATION location[2];
};

/* As K-IRP-03 says: the current location of a fresh IRP lies one above the topmost. */
static void irp_fresh(struct irp_of_two *two)
{
    RtlZeroMemory(two, sizeof *two);
    two->irp.StackCount = 2;
    two->irp.CurrentLocation = 3;
    two->irp.Tail.Overlay.CurrentStackLocation = two->location + 2;
}

TEST(stack_locations_lie_behind_the_irp, "K-IRP-03 K-IRP-04 K-IRP-05")
{
    struct irp_of_two two;

    EXPECT_EQ(IoSizeOfIrp(2), sizeof two);
    EXPECT_EQ(IoSizeOfIrp(1), 0x118); /* as published dumps of one-location IRPs show */
    irp_fresh(&two);
    EXPECT(IoGetNextIrpStackLocation(&two.irp) == two.location + 1);
    IoSetNextIrpStackLocation(&two.irp);
    EXPECT(IoGetCurrentIrpStackLocation(&two.irp) == two.location + 1);
    EXPECT(IoGetNextIrpStackLocation(&two.irp) == two.location);
    EXPECT_EQ(two.irp.CurrentLocation, 2);
}

TEST(completion_routines_go_to_the_next_location, "K-COMPL-01")
{
    struct irp_of_two two;
    int context;

    irp_fresh(&two);
    two.location[1].Control = SL_PENDING_RETURNED;
    IoSetCompletionRoutine(&two.irp, completion, &context, TRUE, FALSE, TRUE);
    EXPECT(two.location[1].CompletionRoutine == completion);
    EXPECT(two.location[1].Context == &context);
    EXPECT_EQ(two.location[1].Control, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_CANCEL);
    IoSetCompletionRoutine(&two.irp, completion, &context, FALSE, TRUE, FALSE);
    EXPECT_EQ(two.location[1].Control, SL_INVOKE_ON_ERROR);
    EXPECT(two.location[0].CompletionRoutine == NULL);
}

TEST(skip_and_copy_prepare_the_location_below, "K-IRP-11")
{
    struct irp_of_two two;

    irp_fresh(&two);
    IoSetNextIrpStackLocation(&two.irp);
    two.location[1].MajorFunction = IRP_MJ_DEVICE_CONTROL;
    two.location[1].Control = SL_PENDING_RETURNED;
    two.location[1].Parameters.Others.Argument4 = &two;
    two.location[1].FileObject = (PFILE_OBJECT)&two;
    two.location[1].CompletionRoutine = completion;
    IoCopyCurrentIrpStackLocationToNext(&two.irp);
    EXPECT_EQ(two.location[0].MajorFunction, IRP_MJ_DEVICE_CONTROL);
    EXPECT(two.location[0].Parameters.Others.Argument4 == &two);
    EXPECT(two.location[0].FileObject == (PFILE_OBJECT)&two);
    EXPECT(two.location[0].CompletionRoutine == NULL);
    EXPECT_EQ(two.location[0].Control, 0);
    IoSkipCurrentIrpStackLocation(&two.irp);
    EXPECT(IoGetNextIrpStackLocation(&two.irp) == two.location + 1);
    EXPECT_EQ(two.irp.CurrentLocation, 3);
}

TEST(the_pending_mark_is_in_the_current_location, "K-PEND-01")
{
    struct irp_of_two two;

    irp_fresh(&two);
    IoSetNextIrpStackLocation(&two.irp);
    two.location[1].Control = SL_INVOKE_ON_SUCCESS;
    IoMarkIrpPending(&two.irp);
    EXPECT_EQ(two.location[1].Control, SL_INVOKE_ON_SUCCESS | SL_PENDING_RETURNED);
    EXPECT_EQ(two.location[0].Control, 0);
}

TEST(the_cancel_routine_is_exchanged, "K-CANCEL-03")
{
    struct irp_of_two two;

    irp_fresh(&two);
    EXPECT(IoSetCancelRoutine(&two.irp, cancel) == NULL);
    EXPECT(two.irp.CancelRoutine == cancel);
    EXPECT(IoSetCancelRoutine(&two.irp, NULL) == cancel);
    EXPECT(IoSetCancelRoutine(&two.irp, NULL) == NULL);
}

/* ---- MDLs, pool, lookaside ---------------------------------------------------------------------------- */

TEST(mdl_macros_give_back_what_was_described, "K-MDL-03 D-10")
{
    struct {
        MDL mdl;
        PFN_NUMBER pages[3];
    } m;
    PUCHAR buffer = (PUCHAR)(ULONG_PTR)0x10000ff0;

    MmInitializeMdl(&m.mdl, buffer, 4096 + 0x20);
    EXPECT_EQ(MmGetMdlByteCount(&m.mdl), 4096 + 0x20);
    EXPECT_EQ(MmGetMdlByteOffset(&m.mdl), 0xff0);
    EXPECT(MmGetMdlVirtualAddress(&m.mdl) == buffer);
    EXPECT(MmGetMdlPfnArray(&m.mdl) == m.pages);
    EXPECT(m.mdl.Next == NULL);
    EXPECT_EQ(ADDRESS_AND_SIZE_TO_SPAN_PAGES(buffer, 4096 + 0x20), 3);
    EXPECT_EQ(m.mdl.Size, sizeof m);
    EXPECT_EQ(ADDRESS_AND_SIZE_TO_SPAN_PAGES(buffer, 0x10), 1);
    EXPECT_EQ(ADDRESS_AND_SIZE_TO_SPAN_PAGES(buffer, 0x11), 2);
    EXPECT_EQ(BYTES_TO_PAGES(4097), 2);
    EXPECT_EQ(ROUND_TO_PAGES(4097), 8192);
}

TEST(a_mapped_mdl_is_not_mapped_again, "K-MDL-05")
{
    MDL mdl;
    int buffer;

    MmInitializeMdl(&mdl, &buffer, sizeof buffer);
    mdl.MappedSystemVa = &buffer;
    mdl.MdlFlags = MDL_SOURCE_IS_NONPAGED_POOL;
    EXPECT(MmGetSystemAddressForMdlSafe(&mdl, NormalPagePriority) == &buffer);
    mdl.MdlFlags = MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED;
    EXPECT(MmGetSystemAddressForMdlSafe(&mdl, NormalPagePriority) == &buffer);
    EXPECT_EQ(abi_seen.maps, 0);
    mdl.MdlFlags = MDL_PAGES_LOCKED;
    EXPECT(MmGetSystemAddressForMdlSafe(&mdl, NormalPagePriority | MdlMappingNoExecute) == NULL);
    EXPECT_EQ(abi_seen.maps, 1);
    EXPECT_EQ(abi_seen.bug_check_on_failure, FALSE);
    EXPECT(MmGetSystemAddressForMdl(&mdl) == NULL);
    EXPECT_EQ(abi_seen.bug_check_on_failure, TRUE);
}

TEST(pool_wrappers_ask_for_zeroed_memory, "")
{
    (void)ExAllocatePoolZero(NonPagedPoolNx, 10, 'tset');
    EXPECT_EQ(abi_seen.pool_type, (POOL_TYPE)(NonPagedPoolNx | POOL_ZERO_ALLOCATION));
    (void)ExAllocatePoolUninitialized(PagedPool, 10, 'tset');
    EXPECT_EQ(abi_seen.pool_type, PagedPool);
}

static union {
    SLIST_ENTRY entry;
    UCHAR bytes[64];
} from_allocator;
static PLOOKASIDE_LIST_EX allocator_saw;
static int freed;

static PVOID NTAPI allocate(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag, PLOOKASIDE_LIST_EX Lookaside)
{
    EXPECT_EQ(PoolType, PagedPool);
    EXPECT_EQ(NumberOfBytes, 64);
    EXPECT_EQ(Tag, 'tset');
    allocator_saw = Lookaside;
    return &from_allocator;
}

static VOID NTAPI release(PVOID Buffer, PLOOKASIDE_LIST_EX Lookaside)
{
    EXPECT(Buffer == &from_allocator);
    EXPECT(Lookaside == allocator_saw);
    freed++;
}

TEST(lookaside_lists_use_the_drivers_allocator, "K-LOOK-01 K-LOOK-04 D-21")
{
    static LOOKASIDE_LIST_EX list;
    PUCHAR entry;

    list.L.Depth = 1;
    list.L.Type = PagedPool;
    list.L.Size = 64;
    list.L.Tag = 'tset';
    list.L.AllocateEx = allocate;
    list.L.FreeEx = release;
    entry = (PUCHAR)ExAllocateFromLookasideListEx(&list);
    EXPECT(entry == from_allocator.bytes);
    EXPECT(allocator_saw == &list);
    entry[20] = 0x5a;
    ExFreeToLookasideListEx(&list, entry); /* kept: the depth is 1 */
    EXPECT_EQ(freed, 0);
    allocator_saw = NULL;
    EXPECT(ExAllocateFromLookasideListEx(&list) == entry);
    EXPECT(allocator_saw == NULL);
    EXPECT_EQ(entry[20], 0x5a); /* not zeroed in between */
    list.L.Depth = 0;
    allocator_saw = &list;
    ExFreeToLookasideListEx(&list, entry);
    EXPECT_EQ(freed, 1);
    EXPECT_EQ(list.L.TotalAllocates, 2);
    EXPECT_EQ(list.L.AllocateMisses, 1);
}

/* ---- status values, strings, assertions --------------------------------------------------------------- */

TEST(severities_are_told_by_the_upper_bits, "K-STR-06 K-STR-07 K-COMPL-04")
{
    EXPECT(NT_SUCCESS(STATUS_SUCCESS) && NT_SUCCESS(STATUS_PENDING));
    EXPECT(NT_SUCCESS(0x3fffffff) && NT_SUCCESS(0x7fffffff));
    EXPECT(NT_SUCCESS(STATUS_EVENT_PENDING) && NT_INFORMATION(STATUS_EVENT_PENDING));
    EXPECT(!NT_SUCCESS(STATUS_BUFFER_OVERFLOW) && NT_WARNING(STATUS_BUFFER_OVERFLOW));
    EXPECT(!NT_SUCCESS(STATUS_CANCELLED) && NT_ERROR(STATUS_CANCELLED));
    EXPECT(!NT_ERROR(STATUS_BUFFER_OVERFLOW) && !NT_INFORMATION(STATUS_SUCCESS));
}

static UNICODE_STRING constant = RTL_CONSTANT_STRING(L"\\Device\\Uwsk");
static ANSI_STRING ansi = RTL_CONSTANT_STRING("uwsk");
DECLARE_CONST_UNICODE_STRING(declared, L"ab");

TEST(constant_strings_count_bytes, "K-STR-01 K-STR-05")
{
    UNICODE_STRING empty;
    WCHAR room[8];

    EXPECT_EQ(constant.Length, 24);
    EXPECT_EQ(constant.MaximumLength, 26);
    EXPECT_EQ(constant.Buffer[1], 'D');
    EXPECT_EQ(ansi.Length, 4);
    EXPECT_EQ(ansi.MaximumLength, 5);
    EXPECT_EQ(declared.Length, 4);
    EXPECT_EQ(declared.MaximumLength, 6);
    EXPECT_EQ(declared.Buffer[1], L'b');
    RtlInitEmptyUnicodeString(&empty, room, sizeof room);
    EXPECT_EQ(empty.Length, 0);
    EXPECT_EQ(empty.MaximumLength, 16);
    EXPECT(empty.Buffer == room);
}

TEST(paged_code_is_checked_against_the_irql, "K-IRQL-05")
{
    abi_seen.irql = APC_LEVEL;
    PAGED_CODE();
    EXPECT_EQ(abi_seen.assertions, 0);
    abi_seen.irql = DISPATCH_LEVEL;
    PAGED_CODE();
    EXPECT_EQ(abi_seen.assertions, 1);
}

TEST(assertions_report_only_what_fails, "")
{
    int evaluated = 0;

    ASSERT(evaluated == 0);
    NT_ASSERT(evaluated == 0);
    EXPECT_EQ(abi_seen.assertions, 0);
    ASSERT(evaluated == 1);
    ASSERTMSG("text", evaluated == 1);
    NT_ASSERT(evaluated == 1);
    EXPECT_EQ(abi_seen.assertions, 3);
    EXPECT(NT_VERIFY(++evaluated == 1));
    EXPECT_EQ(evaluated, 1);
    EXPECT_EQ(abi_seen.assertions, 3);
}

/* ---- what the Microsoft compiler knows by itself (T-04) ----------------------------------------------- */

struct __declspec(align(32)) aligned_by_declspec {
    char c;
};
BASE_SIZE(struct aligned_by_declspec, 32);
typedef struct DECLSPEC_CACHEALIGN _ALIGNED_BY_MACRO {
    char c;
} ALIGNED_BY_MACRO;
BASE_SIZE(ALIGNED_BY_MACRO, 64);
__declspec(selectany) int several_may_define_me = 5;
__declspec(dllexport) int visible(int x);
__declspec(noinline) int visible(int x)
{
    return x + several_may_define_me;
}
static __declspec(noreturn) void never(void)
{
    __assume(0);
}
#pragma alloc_text(PAGE, visible)
#pragma warning(disable : 4100 4201)
#pragma warning(push)
#pragma prefast(suppress : 28719, "text")
__pragma(warning(pop))

    typedef struct {
    int a;
} BASE_PART;
typedef struct {
    BASE_PART; /* as only -fms-extensions allows */
    int b;
} DERIVED;

struct bits {
    UCHAR a : 4;
    ULONG b : 4; /* starts a new unit with -mms-bitfields (T-09) */
};
BASE_SIZE(struct bits, 8);
BASE_VALUE('tseT', 0x74736554); /* a pool tag is a multi-character constant */

TEST(microsoft_keywords_compile, "T-04 T-09")
{
    DERIVED d = {.b = 2};
    unsigned __int64 wide = 1;
    __int32 __unaligned *p = &d.b;
    volatile int zero = 0;

    d.a = 1;
    if (zero)
        never();
    EXPECT_EQ(visible(d.a), 6);
    EXPECT_EQ(*p + (int)wide, 3);
    EXPECT(_ReturnAddress() != NULL);
    __noop("nothing", zero++);
    EXPECT_EQ(zero, 0);
    EXPECT_EQ(_byteswap_ulong(0x11223344), 0x44332211);
    EXPECT_EQ(_rotl(0x80000001, 1), 3);
    EXPECT_EQ(_rotr64(1, 1), 1ULL << 63);
}

TEST(bit_scans_report_the_index, "T-04")
{
    ULONG index = 77;
    unsigned long plain = 0;

    EXPECT(!_BitScanForward(&index, 0));
    EXPECT_EQ(index, 77);
    EXPECT(_BitScanForward(&index, 0x50));
    EXPECT_EQ(index, 4);
    EXPECT(_BitScanReverse(&index, 0x50));
    EXPECT_EQ(index, 6);
    EXPECT(_BitScanReverse64(&plain, 1ULL << 40));
    EXPECT_EQ(plain, 40);
}

/* GUIDs: declared here, defined by abi_guid.c, which includes initguid.h. */
DEFINE_GUID(abi_guid, 0x2227e803, 0x8d8b, 0x11d4, 0xab, 0xad, 0x00, 0x90, 0x27, 0x71, 0x9e, 0x09);

TEST(a_guid_is_defined_by_the_file_with_initguid, "")
{
    GUID copy = abi_guid;

    EXPECT_EQ(abi_guid.Data1, 0x2227e803);
    EXPECT_EQ(abi_guid.Data4[7], 0x09);
    EXPECT(IsEqualGUID(&copy, &abi_guid));
    copy.Data4[0]++;
    EXPECT(!IsEqualGUID(&copy, &abi_guid));
}
