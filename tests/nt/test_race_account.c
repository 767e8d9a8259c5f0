/*
 * test_race_account.c - the leak account while the drivers' threads run: what it copies without their locks
 * has to belong together.
 *
 * Two things are read while others write them: the stacks of blocks, each kept once in a table that is filled
 * without holding readers up, and the routines that run on each thread.  Several threads make both as fast as
 * they can, with values that tell whether they belong together; another thread copies and compares.
 */
#include "ke_test.h"

#include "nt/ex/ex.h"
#include "nt/rtl/call.h"
#include "runner/runner.h"

void free(void *);

#define TAG 'tccA'
enum { WRITERS = 3, DEPTH = 3, PATHS = 64 };

static ULONG writing;
static volatile LONG enough; /* has been compared: the writers may end */
static ULONG compared;

/* Nothing compared within a minute: the writers end all the same, and the test fails. */
static BOOLEAN still_writing(uint64_t began)
{
    if (compared > 0 || host_now() - began > NS(60000))
        InterlockedExchange(&enough, 1);
    return __atomic_load_n(&writing, __ATOMIC_ACQUIRE) != 0;
}

/* Allocates at one of PATHS stacks, each of which fits into what is kept; the size tells which one. */
static __attribute__((noinline)) PVOID allocate_at(ULONG path, ULONG depth);

/* The barrier keeps a call from becoming a jump: the frame has to be there. */
#define WAY(name)                                                                                            \
    static __attribute__((noinline)) PVOID name(ULONG path, ULONG depth)                                     \
    {                                                                                                        \
        PVOID block = allocate_at(path, depth);                                                              \
                                                                                                             \
        __asm__ volatile("" ::: "memory");                                                                   \
        return block;                                                                                        \
    }

WAY(north)
WAY(east)
WAY(south)
WAY(west)

static __attribute__((noinline)) PVOID allocate_at(ULONG path, ULONG depth)
{
    static PVOID (*const ways[])(ULONG path, ULONG depth) = {north, east, south, west};
    PVOID block = depth ? ways[path >> 2 * (depth - 1) & 3](path, depth - 1)
                        : ExAllocatePoolWithTag(NonPagedPoolNx, 1000 + path, TAG);

    __asm__ volatile("" ::: "memory");
    return block;
}

static void allocate_and_free(void *context)
{
    ULONG state = (ULONG)(ULONG_PTR)context;
    PVOID kept[16] = {NULL};

    for (long rounds = test_scale(60000); rounds > 0 || !ReadAcquire(&enough); rounds--) {
        PVOID *slot = &kept[state % RTL_NUMBER_OF(kept)];

        state = state * 1664525 + 1013904223;
        if (*slot)
            ExFreePoolWithTag(*slot, TAG);
        *slot = allocate_at(state >> 16 & (PATHS - 1), DEPTH);
        EXPECT(*slot != NULL);
    }
    for (ULONG i = 0; i < RTL_NUMBER_OF(kept); i++)
        if (kept[i])
            ExFreePoolWithTag(kept[i], TAG);
    __atomic_sub_fetch(&writing, 1, __ATOMIC_RELEASE);
}

/* The same path has the same stack, another path another one. */
static void check_stacks(void *const (*known)[UWSK_LEFT_FRAMES], const struct runner_object *object)
{
    void **stack = (void **)known[object->bytes - 1000];

    EXPECT(object->frames > 2 && object->frames <= UWSK_LEFT_FRAMES);
    EXPECT(object->stack[0] == (PUCHAR)object->caller - 1);
    if (stack[0])
        compared++;
    else
        for (ULONG i = 0; i < object->frames; i++)
            stack[i] = object->stack[i];
    for (ULONG i = 0; i < object->frames; i++)
        EXPECT(stack[i] == object->stack[i]);
}

TEST(stacks_of_blocks_are_told_whole, "K-DV-04", TEST_TIMEOUT(120))
{
    static void *known[PATHS][UWSK_LEFT_FRAMES];
    uint64_t began = host_now();
    ULONG seen = 0;

    EXPECT_EQ(runner_account_start(), 0);
    writing = WRITERS;
    for (ULONG_PTR i = 1; i <= WRITERS; i++)
        EXPECT_EQ(host_thread_start(allocate_and_free, (void *)(i * 7919), "writer", 0), 0);
    do {
        size_t count;
        struct runner_object *objects = runner_account_copy(&count);

        for (size_t i = 0; i < count; i++)
            if (objects[i].kind == OBSERVE_POOL && objects[i].tag == TAG)
                check_stacks((void *const(*)[UWSK_LEFT_FRAMES])known, &objects[i]);
        free(objects);
    } while (still_writing(began));
    EXPECT(compared > 0);
    for (ULONG i = 0; i < PATHS; i++) {
        seen += known[i][0] != NULL;
        for (ULONG k = 0; k < i; k++)
            if (known[i][0] && known[k][0])
                EXPECT(RtlCompareMemory(known[i], known[k], sizeof known[i]) != sizeof known[i]);
    }
    TEST_NOTE("%u of %u stacks seen, %u comparisons", seen, (unsigned)PATHS, compared);
    runner_account_stop();
}

/* ---- routines that run --------------------------------------------------------------------------------- */

static void run_routines(void *context)
{
    ULONG_PTR thread = (ULONG_PTR)context;

    for (long i = test_scale(200000); i > 0 || !ReadAcquire(&enough); i--) {
        ULONG_PTR mark = (ULONG_PTR)i << 8 | thread;
        struct rtl_frame frames[3];

        for (int k = 0; k < 3; k++)
            rtl_frame_enter(&frames[k], (int)(mark & 0x7fffffff), (void *)mark, (const char *)(mark + 1),
                            (void *)(mark + 2));
        for (int k = 2; k >= 0; k--)
            rtl_frame_leave(&frames[k]);
    }
    __atomic_sub_fetch(&writing, 1, __ATOMIC_RELEASE);
}

TEST(routines_of_other_threads_are_told_whole, "K-DV-04", TEST_TIMEOUT(120))
{
    uint64_t began = host_now();

    EXPECT_EQ(runner_account_start(), 0);
    writing = WRITERS;
    for (ULONG_PTR i = 1; i <= WRITERS; i++)
        EXPECT_EQ(host_thread_start(run_routines, (void *)i, "routines", 0), 0);
    do {
        size_t count;
        struct runner_object *objects = runner_account_copy(&count);

        for (size_t i = 0; i < count; i++) {
            const struct runner_object *object = &objects[i];
            ULONG_PTR mark = (ULONG_PTR)object->routine.subject;

            if (object->kind != RUNNER_ROUTINE)
                continue;
            compared++;
            EXPECT((ULONG_PTR)object->routine.name == mark + 1);
            EXPECT((ULONG_PTR)object->caller == mark + 2);
            EXPECT_EQ(object->tag, mark & 0x7fffffff);
            EXPECT(object->since <= host_now());
        }
        free(objects);
    } while (still_writing(began));
    EXPECT(compared > 0);
    TEST_NOTE("%u routines compared", compared);
    runner_account_stop();
}

TEST(more_routines_than_are_shown, "")
{
    struct rtl_frame frames[KE_THREAD_ROUTINES + 3];
    size_t count, routines = 0;
    struct runner_object *objects;

    EXPECT_EQ(runner_account_start(), 0);
    for (ULONG i = 0; i < RTL_NUMBER_OF(frames); i++)
        rtl_frame_enter(&frames[i], OBSERVE_CALLBACK, &frames[i], "routine", (void *)&frames[i]);
    objects = runner_account_copy(&count);
    for (size_t i = 0; i < count; i++)
        if (objects[i].kind == RUNNER_ROUTINE)
            EXPECT(objects[i].routine.subject == &frames[routines++]); /* outermost first */
    EXPECT_EQ(routines, KE_THREAD_ROUTINES);
    free(objects);
    for (ULONG i = RTL_NUMBER_OF(frames); i-- > 0;)
        rtl_frame_leave(&frames[i]);
    objects = runner_account_copy(&count);
    for (size_t i = 0; i < count; i++)
        EXPECT(objects[i].kind != RUNNER_ROUTINE);
    free(objects);
    runner_account_stop();
}

/* ---- since when an IRP is pending ----------------------------------------------------------------------- */

TEST(an_irp_knows_since_when_it_is_pending, "")
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    struct {
        IRP irp;
        IO_STACK_LOCATION location;
    } other;
    uint64_t before, since;

    IoSetNextIrpStackLocation(irp);
    EXPECT_EQ(io_irp_pending_since(irp), 0);
    before = host_now();
    sleep_ms(2);
    io_mark_irp_pending(irp);
    EXPECT(io_irp_pending_since(irp) != 0);
    since = host_ticks_time(io_irp_pending_since(irp));
    EXPECT(since > before && since <= host_now());
    IoReuseIrp(irp, STATUS_SUCCESS);
    EXPECT_EQ(io_irp_pending_since(irp), 0);
    IoFreeIrp(irp);
    IoInitializeIrp(&other.irp, sizeof other, 1); /* of the driver's own memory: nobody notes it */
    IoSetNextIrpStackLocation(&other.irp);
    io_mark_irp_pending(&other.irp);
    EXPECT_EQ(io_irp_pending_since(&other.irp), 0);
}
