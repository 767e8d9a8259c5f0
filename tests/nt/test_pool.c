/*
 * Pool: what a block looks like when it is handed out, what is noticed when it comes back, and who holds
 * what.
 */
#include "bugcheck.h"
#include "host/host.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include "nt/ke/ke.h"
#include "nt/observe.h"
#include <string.h>

#define TAG 'looP'

static BOOLEAN all_are(const UCHAR *at, UCHAR byte, SIZE_T bytes)
{
    while (bytes--)
        if (*at++ != byte)
            return FALSE;
    return TRUE;
}

TEST(blocks_are_aligned_and_do_not_straddle_pages, "K-POOL-01")
{
    static PUCHAR blocks[3000];

    for (SIZE_T bytes = 1; bytes <= 3 * PAGE_SIZE; bytes += bytes < 600 ? 7 : 193) {
        ULONG count = bytes < 600 ? 60 : 9;

        for (ULONG i = 0; i < count; i++) {
            ULONG_PTR first, last;

            blocks[i] = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, TAG);
            first = (ULONG_PTR)blocks[i];
            last = first + bytes - 1;
            EXPECT(blocks[i] != NULL);
            EXPECT_EQ(first % (bytes >= PAGE_SIZE ? PAGE_SIZE : 16), 0);
            if (bytes <= PAGE_SIZE)
                EXPECT_EQ(first / PAGE_SIZE, last / PAGE_SIZE);
            memset(blocks[i], (int)i, bytes);
        }
        for (ULONG i = 0; i < count; i++) {
            EXPECT(all_are(blocks[i], (UCHAR)i, bytes)); /* nobody else has it */
            ExFreePoolWithTag(blocks[i], TAG);
        }
    }
}

TEST(pool2_zeroes_used_memory_too, "K-POOL-02")
{
    for (SIZE_T bytes = 1; bytes <= 40 * PAGE_SIZE; bytes = bytes * 2 + 3)
        for (ULONG round = 0; round < 100; round++) {
            PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG);

            EXPECT(block != NULL && all_are(block, 0, bytes));
            memset(block, 0xFF, bytes);
            ExFreePool(block);
        }
}

TEST(uninitialised_memory_is_filled_not_zero, "K-POOL-02")
{
    PUCHAR block = ExAllocatePoolWithTag(NonPagedPoolNx, 100, TAG);
    PUCHAR same = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, 100, TAG);

    EXPECT(block[0] != 0 && all_are(block, block[0], 100));
    EXPECT(all_are(same, block[0], 100));
    ExFreePool(block);
    ExFreePool(same);
    block = ExAllocatePoolZero(NonPagedPoolNx, 100, TAG);
    EXPECT(all_are(block, 0, 100));
    ExFreePool(block);
}

TEST(pool2_refuses_bad_flags_and_tag_zero, "K-POOL-03 K-POOL-04")
{
    PVOID block;

    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, 0) == NULL);
    EXPECT(ExAllocatePool2(0, 16, TAG) == NULL);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, 16, TAG) == NULL);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED | 0x40000000, 16, TAG) == NULL);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_SPECIAL_POOL | 0x4000000000000000ull, 16, TAG);
    EXPECT(block != NULL);
    ExFreePool(block);
    EXPECT_EQ(POOL_FLAG_USE_QUOTA | POOL_FLAG_UNINITIALIZED | POOL_FLAG_CACHE_ALIGNED |
                  POOL_FLAG_RAISE_ON_FAILURE,
              0x2B);
    EXPECT_EQ(POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED, 0x1C0);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED, 100, TAG);
    EXPECT_EQ((ULONG_PTR)block % 64, 0);
    ExFreePool(block);
    block = ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_USE_QUOTA, 100, TAG);
    EXPECT(block != NULL);
    ExFreePool(block);
}

static void *volatile fault_address;
static void *fault_jump[5];

static void on_fault(const struct host_exception *exception)
{
    fault_address = exception->ip;
    __builtin_longjmp(fault_jump, 1);
}

TEST(nx_memory_is_not_executable, "K-POOL-05")
{
    PUCHAR nx = ExAllocatePoolWithTag(NonPagedPoolNx, 32, TAG);
    PUCHAR executable = ExAllocatePoolWithTag(NonPagedPoolExecute, 32, TAG);

    if (test_sanitizer() == 2) /* the jump out of the handler looks like a return to it */
        return;
    *nx = *executable = 0xC3; /* ret */
    ((void (*)(void))executable)();
    host_set_exception_handler(on_fault);
    if (!__builtin_setjmp(fault_jump)) {
        ((void (*)(void))nx)();
        EXPECT(!"NX pool was executed");
    }
    EXPECT(fault_address == nx);
}

static int fail_all(void *context, int kind)
{
    ++*(int *)context;
    return kind == HOST_FAULT_POOL;
}

TEST(exhaustion_is_null, "K-POOL-06")
{
    int asked = 0;

    host_set_fault_plan(fail_all, &asked);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, TAG) == NULL);
    EXPECT(ExAllocatePoolWithTag(NonPagedPoolNx, 5000, TAG) == NULL);
    EXPECT(ExAllocatePool(NonPagedPoolNx, 16) == NULL);
    EXPECT_EQ(asked, 3);
    host_set_fault_plan(NULL, NULL);
    EXPECT(ExAllocatePoolWithTag(NonPagedPoolNx, ~(SIZE_T)0 - 5, TAG) == NULL);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, (SIZE_T)1 << 46, TAG) == NULL);
}

TEST(exhaustion_raises_when_asked, "K-POOL-06")
{
    int asked = 0;

    host_set_fault_plan(fail_all, &asked);
    /* nobody catches it here: the exception becomes bug check 0x1E with its status */
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED,
                    ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_RAISE_ON_FAILURE, 16, TAG));
    EXPECT_EQ((NTSTATUS)test_bugcheck.parameters[0], STATUS_INSUFFICIENT_RESOURCES);
}

TEST(nothing_gets_an_address_of_its_own, "K-POOL-07")
{
    PVOID a = ExAllocatePoolWithTag(NonPagedPoolNx, 0, TAG), b = ExAllocatePool2(POOL_FLAG_NON_PAGED, 0, TAG);

    EXPECT(a && b && a != b);
    ExFreePool(a);
    ExFreePool(b);
}

TEST(tag_zero_is_fatal_for_the_older_functions, "K-POOL-08")
{
    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExAllocatePoolWithTag(NonPagedPoolNx, 24, 0));
    EXPECT_BUGCHECK_PARAMETER(1, 0x9B);
    EXPECT_BUGCHECK_PARAMETER(2, NonPagedPoolNx);
    EXPECT_BUGCHECK_PARAMETER(3, 24);
}

TEST(wrong_tag_is_fatal, "K-POOL-10")
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 24, TAG);

    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePoolWithTag(block, 'rehO'));
    EXPECT_BUGCHECK_PARAMETER(1, 0x0A);
    EXPECT_BUGCHECK_PARAMETER(2, block);
    EXPECT_BUGCHECK_PARAMETER(3, TAG);
    EXPECT_BUGCHECK_PARAMETER(4, 'rehO');
}

TEST(double_free_is_fatal, "K-POOL-11")
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 24, TAG);

    ExFreePoolWithTag(block, TAG);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePoolWithTag(block, TAG));
    EXPECT_BUGCHECK_PARAMETER(1, 7);
    EXPECT_BUGCHECK_PARAMETER(3, TAG);
    EXPECT_BUGCHECK_PARAMETER(4, block);
}

TEST(double_free_of_a_large_block_is_fatal, "K-POOL-11")
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 9 * PAGE_SIZE, TAG);

    ExFreePool(block);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePool(block));
    EXPECT_BUGCHECK_PARAMETER(1, 7);
    EXPECT_BUGCHECK_PARAMETER(4, block);
}

TEST(free_inside_a_block_is_fatal, "K-POOL-11")
{
    PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);

    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePool(block + 16));
    EXPECT_BUGCHECK_PARAMETER(1, 0x99);
    EXPECT_BUGCHECK_PARAMETER(2, block + 16);
}

TEST(free_inside_a_large_block_is_fatal, "K-POOL-11")
{
    PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100 * PAGE_SIZE, TAG);

    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePool(block + 0x10000 - PAGE_SIZE));
    EXPECT_BUGCHECK_PARAMETER(1, 0x99);
}

TEST(free_of_no_block_is_fatal, "K-POOL-11")
{
    UCHAR local;

    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePool(&local));
    EXPECT_BUGCHECK_PARAMETER(1, 0x99);
    EXPECT_BUGCHECK_PARAMETER(2, &local);
}

TEST(free_of_null_is_fatal, "K-POOL-11")
{
    EXPECT_BUGCHECK(BAD_POOL_CALLER, ExFreePool(NULL));
    EXPECT_BUGCHECK_PARAMETER(1, 0x99);
}

TEST(overrun_is_seen_at_free, "K-POOL-12")
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);

    if (test_sanitizer()) /* the sanitizer reports the write itself */
        return;
    block[100] = 0;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, ExFreePool((PVOID)block));
    EXPECT_BUGCHECK_PARAMETER(1, 0x51);
    EXPECT_BUGCHECK_PARAMETER(2, block);
    EXPECT_BUGCHECK_PARAMETER(3, block + 100);
    EXPECT_BUGCHECK_PARAMETER(4, 100);
}

TEST(write_after_free_is_seen, "K-POOL-13")
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);

    if (test_sanitizer())
        return;
    ExFreePool((PVOID)block);
    block[50] = 1;
    EXPECT_BUGCHECK(DRIVER_CAUGHT_MODIFYING_FREED_POOL,
                    for (;;) ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG));
    EXPECT_BUGCHECK_PARAMETER(1, block + 50);
    EXPECT_BUGCHECK_PARAMETER(2, 1);
}

/* Of a large block both ends are watched. */
TEST(write_after_free_at_the_end_is_seen, "K-POOL-13")
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2000, TAG);

    if (test_sanitizer())
        return;
    ExFreePool((PVOID)block);
    block[1999] = 1;
    EXPECT_BUGCHECK(DRIVER_CAUGHT_MODIFYING_FREED_POOL,
                    for (;;) ExAllocatePool2(POOL_FLAG_NON_PAGED, 2000, TAG));
    EXPECT_BUGCHECK_PARAMETER(1, block + 1999);
}

TEST(write_after_free_of_a_large_block_is_seen, "K-POOL-13")
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 65536, TAG);

    if (test_sanitizer())
        return;
    ExFreePool((PVOID)block);
    block[65535] = 1;
    EXPECT_BUGCHECK(DRIVER_CAUGHT_MODIFYING_FREED_POOL,
                    for (;;) ExAllocatePool2(POOL_FLAG_NON_PAGED, 65536, TAG));
    EXPECT_BUGCHECK_PARAMETER(1, block + 65535);
}

TEST(overrun_of_every_length_of_slack_is_seen, "K-POOL-12")
{
    if (test_sanitizer())
        return;
    for (SIZE_T bytes = 1; bytes <= PAGE_SIZE; bytes += bytes < 300 ? 1 : 97) {
        PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, bytes, TAG);
        PUCHAR end = (PUCHAR)(((ULONG_PTR)block + bytes + 15) & ~(ULONG_PTR)15);

        EXPECT(all_are(block + bytes, 0xFA, (SIZE_T)(end - block) - bytes));
        ExFreePool(block);
        block = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG);
        EXPECT(all_are(block, 0, bytes)); /* the pattern begins behind it */
        memset(block, 0xFF, bytes);
        ExFreePool(block);
    }
}

static void overrun(SIZE_T bytes, SIZE_T at)
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG);

    if (test_sanitizer())
        return;
    block[at] = 1;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, ExFreePool((PVOID)block));
    EXPECT_BUGCHECK_PARAMETER(3, block + at);
}

/* Blocks of 112 bytes: slack of a word and a part, of less than a word, of one byte. */
TEST(overrun_into_the_first_word_of_slack_is_seen, "K-POOL-12")
{
    overrun(97, 104);
}

TEST(overrun_into_the_end_of_slack_is_seen, "K-POOL-12")
{
    overrun(97, 111);
}

TEST(overrun_into_a_part_of_a_word_is_seen, "K-POOL-12")
{
    overrun(107, 107);
}

TEST(overrun_into_the_one_byte_of_slack_is_seen, "K-POOL-12")
{
    overrun(111, 111);
}

/* By default the ends of a block are filled, and nothing of the runtime's own; on demand all of both. */
TEST(what_is_filled, "K-POOL-02 K-POOL-13")
{
    PUCHAR ours, runtime;

    if (test_sanitizer()) /* everything, and it must not be looked at */
        return;
    ours = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2000, TAG);
    runtime = ex_allocate_pool(POOL_FLAG_NON_PAGED, 2000, TAG);
    memset(ours, 0x11, 2000);
    memset(runtime, 0x11, 2000);
    ExFreePool(ours);
    ex_free_pool(runtime);
    EXPECT(all_are(ours, 0xDE, 128) && all_are(ours + 2048 - 128, 0xDE, 128));
    EXPECT(all_are(ours + 128, 0x11, 1000));
    EXPECT(all_are(runtime, 0x11, 2000));
    ex_pool_fill_all(TRUE);
    for (int i = 0; i < 100; i++) { /* what was left is taken over */
        ours = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, 2000, TAG);
        EXPECT(all_are(ours, 0xBA, 2000));
        runtime = ex_allocate_pool(POOL_FLAG_NON_PAGED, 2000, TAG);
        EXPECT(all_are(runtime, 0, 2000));
        memset(runtime, 0x11, 2000);
        ExFreePool(ours);
        ex_free_pool(runtime);
        EXPECT(all_are(ours, 0xDE, 2048) && all_are(runtime, 0xDE, 2048));
    }
}

TEST(freed_memory_is_not_handed_out_at_once, "")
{
    PVOID blocks[40], first;

    for (ULONG i = 0; i < 40; i++)
        blocks[i] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 48, TAG);
    first = blocks[0];
    for (ULONG i = 0; i < 20; i++)
        ExFreePool(blocks[i]);
    for (ULONG i = 0; i < 5; i++)
        ExFreePool(blocks[20 + i]);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, 48, TAG) != blocks[24]); /* oldest first */
    (void)first;
}

/* A processor holds 16 of them back for itself; the others are anybody's. */
TEST(large_blocks_at_dispatch_level_come_back_oldest_first, "")
{
    PVOID blocks[24], huge;
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    for (ULONG i = 0; i < 24; i++)
        blocks[i] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 0x10000, TAG);
    huge = ExAllocatePool2(POOL_FLAG_NON_PAGED, 3 << 20, TAG);
    for (ULONG i = 0; i < 24; i++)
        ExFreePool(blocks[i]);
    ExFreePool(huge); /* too much for a processor: those before it stay */
    for (ULONG i = 0; i < 24; i++)
        EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, 0x10000, TAG) == blocks[(i + 8) % 24]);
    EXPECT(ExAllocatePool2(POOL_FLAG_NON_PAGED, 3 << 20, TAG) == huge);
    for (ULONG i = 0; i < 24; i++)
        ExFreePool(blocks[i]);
    ExFreePool(huge);
    KeLowerIrql(irql);
}

/* ---- the account -------------------------------------------------------------------------------------- */

struct found {
    PVOID wanted;
    struct ex_pool_block block;
    ULONG count;
};

static BOOLEAN find(void *context, const struct ex_pool_block *block)
{
    struct found *found = context;

    if (block->address == found->wanted) {
        found->block = *block;
        found->count++;
    }
    return TRUE;
}

TEST(walk_tells_block_and_owner, "K-DV-04")
{
    static const SIZE_T sizes[] = {1, 16, 100, 4000, 4096, 4097, 70000, 1 << 20};

    for (ULONG i = 0; i < RTL_NUMBER_OF(sizes); i++) {
        PVOID ours = ExAllocatePool2(POOL_FLAG_PAGED, sizes[i], TAG);
        PVOID runtime = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizes[i], 'emiT');
        struct found found = {.wanted = ours};
        struct ex_pool_block block;

        ex_pool_walk(find, &found);
        EXPECT_EQ(found.count, 1);
        EXPECT_EQ(found.block.bytes, sizes[i]);
        EXPECT_EQ(found.block.tag, TAG);
        EXPECT_EQ(found.block.kind, EX_POOL_PLAIN);
        EXPECT_EQ(found.block.flags, POOL_FLAG_PAGED);
        EXPECT(found.block.caller != NULL);
        EXPECT(ex_pool_query((PUCHAR)ours + sizes[i] - 1, &block));
        EXPECT(block.address == ours);
        found = (struct found){.wanted = runtime};
        ex_pool_walk(find, &found);
        EXPECT_EQ(found.count, 1);
        EXPECT(found.block.caller == NULL);
        ExFreePool(ours);
        EXPECT(!ex_pool_query(ours, &block));
        found = (struct found){.wanted = ours};
        ex_pool_walk(find, &found);
        EXPECT_EQ(found.count, 0);
        ex_free_pool(runtime);
    }
    EXPECT(!ex_pool_query(&sizes, &(struct ex_pool_block){0}));
}

TEST(sums_by_tag, "K-DV-04")
{
    struct ex_pool_tag tags[16];
    PVOID blocks[5];
    SIZE_T driver_blocks, driver_bytes;
    size_t count;
    ULONG seen = 0;

    for (ULONG i = 0; i < 3; i++)
        blocks[i] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 1000, 'aaaa');
    blocks[3] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, 'bbbb');
    blocks[4] = ex_allocate_pool(POOL_FLAG_NON_PAGED, 10, 'aaaa');
    count = ex_pool_tags(tags, RTL_NUMBER_OF(tags));
    for (size_t i = 0; i < count; i++) {
        if (i)
            EXPECT(tags[i - 1].bytes >= tags[i].bytes);
        if (tags[i].tag == 'aaaa' && !tags[i].runtime) {
            EXPECT_EQ(tags[i].blocks, 3);
            EXPECT_EQ(tags[i].bytes, 3000);
            seen |= 1;
        } else if (tags[i].tag == 'aaaa') {
            EXPECT_EQ(tags[i].blocks, 1);
            EXPECT_EQ(tags[i].bytes, 10);
            seen |= 2;
        } else if (tags[i].tag == 'bbbb') {
            seen |= 4;
        }
    }
    EXPECT_EQ(seen, 7);
    EXPECT_EQ(ex_pool_tags(tags, 1), 2); /* "more than there is room for" */
    ex_pool_driver_usage(&driver_blocks, &driver_bytes);
    EXPECT_EQ(driver_blocks, 4);
    EXPECT_EQ(driver_bytes, 8000);
    for (ULONG i = 0; i < 4; i++)
        ExFreePool(blocks[i]);
    ex_free_pool(blocks[4]);
    ex_pool_driver_usage(&driver_blocks, &driver_bytes);
    EXPECT_EQ(driver_blocks, 0);
}

static LONG born, dead;
static uint64_t born_tag, born_bytes;
static int born_kind;

static void on_born(void *context, int kind, const void *object, uint64_t tag, uint64_t bytes, void *caller)
{
    (void)context;
    (void)object;
    (void)caller;
    born++;
    born_kind = kind;
    born_tag = tag;
    born_bytes = bytes;
}

static void on_dead(void *context, int kind, const void *object)
{
    (void)context;
    (void)object;
    EXPECT_EQ(kind, born_kind);
    dead++;
}

TEST(observers_see_birth_and_death, "")
{
    static const struct observe_hooks hooks = {.born = on_born, .dead = on_dead};
    PVOID block;

    observe_install(&hooks);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 123, TAG);
    EXPECT_EQ(born, 1);
    EXPECT_EQ(born_kind, OBSERVE_POOL);
    EXPECT_EQ(born_tag, TAG);
    EXPECT_EQ(born_bytes, 123);
    EXPECT_EQ(dead, 0);
    ExFreePool(block);
    EXPECT_EQ(dead, 1);
    IoFreeIrp(IoAllocateIrp(1, FALSE));
    EXPECT_EQ(born_kind, OBSERVE_IRP);
    EXPECT_EQ(born, 2);
    EXPECT_EQ(dead, 2);
    observe_install(NULL);
}

static ULONG stamps;

static struct observe_stamp on_block(void *context, void *caller, const void *frame)
{
    EXPECT(context == &stamps);
    EXPECT(caller != NULL);
    EXPECT(frame > (const void *)&context); /* of a function that called this one */
    stamps++;
    return (struct observe_stamp){7000 + stamps, stamps};
}

TEST(an_observer_of_blocks_keeps_its_stamp_in_them, "")
{
    static const struct observe_hooks hooks = {
        .context = &stamps, .born = on_born, .dead = on_dead, .block = on_block};
    struct found found = {0};
    PVOID block;

    observe_install(&hooks);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 123, TAG);
    ex_free_pool(ex_allocate_pool(POOL_FLAG_NON_PAGED, 123, TAG)); /* the runtime's own: nobody is told */
    found.wanted = block;
    ex_pool_walk(find, &found);
    EXPECT_EQ(found.count, 1);
    EXPECT_EQ(found.block.when, 7001);
    EXPECT_EQ(found.block.site, 1);
    found = (struct found){.wanted = IoAllocateIrp(1, FALSE)};
    ex_pool_walk(find, &found);
    EXPECT_EQ(found.block.when, 7002);
    IoFreeIrp(found.wanted);
    ExFreePool(block);
    EXPECT_EQ(stamps, 2);
    EXPECT_EQ(born + dead, 0);
    observe_install(NULL);
}

/* ---- several threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, SLOTS = 64 };
static PUCHAR volatile slots[SLOTS];
static volatile LONG finished;

static ULONG next_random(ULONG *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Blocks wander between the threads: allocated by one, checked and freed by another. */
static void churn(void *context)
{
    ULONG state = (ULONG)(ULONG_PTR)context * 7919;
    BOOLEAN raises = (ULONG_PTR)context > THREADS;
    long rounds = test_scale(raises ? 200000 : 400000);
    KIRQL irql = PASSIVE_LEVEL;

    while (rounds--) {
        ULONG slot = next_random(&state) % SLOTS;
        ULONG bytes = 8 + next_random(&state) % (rounds % 50 ? 600 : 20000);
        PUCHAR block = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, TAG);
        PUCHAR old;

        if (raises &&
            rounds % 32 == 0) { /* now this processor's rings, now that one's, now the shared ones */
            if (irql == DISPATCH_LEVEL)
                KeLowerIrql(PASSIVE_LEVEL);
            else
                KeRaiseIrql(DISPATCH_LEVEL, &(KIRQL){0});
            irql = (KIRQL)(DISPATCH_LEVEL - irql);
        }
        EXPECT(block != NULL);
        *(ULONG *)block = bytes;
        memset(block + 4, (UCHAR)bytes, bytes - 4);
        old = InterlockedExchangePointer((PVOID volatile *)&slots[slot], block);
        if (old) {
            ULONG old_bytes = *(ULONG *)old;

            EXPECT(all_are(old + 4, (UCHAR)old_bytes, old_bytes - 4));
            ExFreePoolWithTag(old, TAG);
        }
    }
    if (irql == DISPATCH_LEVEL)
        KeLowerIrql(PASSIVE_LEVEL);
    InterlockedIncrement(&finished);
}

TEST(threads_share_the_pool, "K-POOL-01", TEST_TIMEOUT(120))
{
    SIZE_T blocks, bytes;

    for (ULONG_PTR i = 1; i <= THREADS; i++)
        EXPECT_EQ(host_thread_start(churn, (void *)i, "churn", 0), 0);
    while (ReadAcquire(&finished) < THREADS)
        test_sleep_ms(1);
    for (ULONG i = 0; i < SLOTS; i++)
        if (__atomic_load_n(&slots[i], __ATOMIC_ACQUIRE))
            ExFreePool(slots[i]);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

static volatile LONG asking_ends;
static PVOID large_block;

/* Past the end of a large block, in the unit of 64 KiB that it does not fill: anybody's memory may be there. */
static void ask_beside(void *context)
{
    struct ex_pool_block block;

    (void)context;
    while (!ReadAcquire(&asking_ends)) {
        PUCHAR large = __atomic_load_n(&large_block, __ATOMIC_ACQUIRE);

        if (large && ex_pool_query((PUCHAR)((ULONG_PTR)large | 0xfff0), &block))
            InterlockedExchange(&asking_ends, 2);
    }
    InterlockedIncrement(&finished);
}

/* More large blocks than are kept, so that their memory goes while somebody looks into it. */
TEST(query_beside_a_block_that_goes, "K-DV-04", TEST_TIMEOUT(120))
{
    static PVOID large[64];
    ULONG rounds = (ULONG)test_scale(2000);

    EXPECT_EQ(host_thread_start(ask_beside, NULL, "ask", 0), 0);
    for (ULONG i = 0; i < rounds; i++) {
        for (ULONG n = 0; n < RTL_NUMBER_OF(large); n++) {
            large[n] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2 * PAGE_SIZE, TAG);
            __atomic_store_n(&large_block, large[n], __ATOMIC_RELEASE);
        }
        for (ULONG n = 0; n < RTL_NUMBER_OF(large); n++) {
            __atomic_store_n(&large_block, large[n], __ATOMIC_RELEASE);
            ExFreePool(large[n]);
        }
    }
    EXPECT_EQ(InterlockedCompareExchange(&asking_ends, 1, 0), 0);
    EXPECT_SOON(ReadAcquire(&finished) == 1);
}

/* The rings without a lock: more threads than processors own them in turn. */
TEST(processors_share_the_pool, "K-POOL-01", TEST_TIMEOUT(120))
{
    struct ke_config config = {.processors = 3};
    SIZE_T blocks, bytes;

    EXPECT_STATUS(ke_start(&config), STATUS_SUCCESS);
    for (ULONG_PTR i = 1; i <= THREADS + 2; i++)
        EXPECT_EQ(host_thread_start(churn, (void *)(THREADS + i), "churn", 0), 0);
    while (ReadAcquire(&finished) < THREADS + 2)
        test_sleep_ms(1);
    ke_stop();
    for (ULONG i = 0; i < SLOTS; i++)
        if (__atomic_load_n(&slots[i], __ATOMIC_ACQUIRE))
            ExFreePool(slots[i]);
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
}

TEST(empty_memory_goes_back_to_the_host, "")
{
    static PVOID blocks[20000];
    struct ex_pool_block block;
    ULONG known = 0;

    for (ULONG i = 0; i < RTL_NUMBER_OF(blocks); i++)
        blocks[i] = ExAllocatePool2(POOL_FLAG_NON_PAGED, 1000, TAG);
    for (ULONG i = 0; i < RTL_NUMBER_OF(blocks); i++)
        ExFreePool(blocks[i]);
    for (ULONG i = 0; i < RTL_NUMBER_OF(blocks); i++)
        known += host_memory_probe(blocks[i], 1, 0) == 0;
    EXPECT(known < 500); /* two chunks, and what the caches hold back */
    EXPECT(!ex_pool_query(blocks[0], &block));
}
