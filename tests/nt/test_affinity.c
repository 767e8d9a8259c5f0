/*
 * test_affinity.c - threads bound to processors: what they are told, which processor they get, and that nobody is
 * forgotten when bound and unbound threads wait for processors together.
 */
#include "ke_test.h"

#include <bcrypt.h>

static ULONG number_at_dispatch(void)
{
    KIRQL old = KeRaiseIrqlToDpcLevel();
    ULONG number = KeGetCurrentProcessorNumberEx(NULL);

    KeLowerIrql(old);
    return number;
}

TEST(affinity_names_the_processor, "D-22")
{
    start_processors(4);
    for (ULONG n = 0; n < 4; n++) {
        EXPECT_EQ(KeSetSystemAffinityThreadEx((KAFFINITY)1 << n), n ? (KAFFINITY)1 << (n - 1) : 0);
        EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), n);
        for (int i = 0; i < 20; i++)
            EXPECT_EQ(number_at_dispatch(), n);
    }
    KeRevertToUserAffinityThreadEx(0);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(6), 0);
    for (int i = 0; i < 20; i++)
        EXPECT(6 >> number_at_dispatch() & 1);
    KeRevertToUserAffinityThread();
    KeSetSystemAffinityThread(8);
    EXPECT_EQ(number_at_dispatch(), 3);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(1), 8);
    KeRevertToUserAffinityThreadEx(8);
    EXPECT_EQ(number_at_dispatch(), 3);
    KeRevertToUserAffinityThread();
    EXPECT_EQ(KeSetSystemAffinityThreadEx(1), 0);
    ke_stop();
}

/* Processors that are not there, or none. */
TEST(affinity_that_cannot_be_changes_nothing, "")
{
    GROUP_AFFINITY group = {.Mask = 2}, former = {.Mask = 99, .Group = 7};

    start_processors(2);
    KeSetSystemAffinityThreadEx(2);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(0), 2);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(4), 2);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(7), 2);
    KeRevertToUserAffinityThreadEx(5);
    EXPECT_EQ(number_at_dispatch(), 1);
    KeRevertToUserAffinityThreadEx(0);
    KeSetSystemGroupAffinityThread(&group, &former);
    EXPECT_EQ(former.Mask, 0);
    EXPECT_EQ(former.Group, 0);
    EXPECT_EQ(number_at_dispatch(), 1);
    group.Mask = 1;
    KeSetSystemGroupAffinityThread(&group, &former);
    EXPECT_EQ(former.Mask, 2);
    EXPECT_EQ(number_at_dispatch(), 0);
    group.Group = 1;
    KeSetSystemGroupAffinityThread(&group, &former);
    EXPECT_EQ(former.Mask, 0);
    EXPECT_EQ(number_at_dispatch(), 0);
    group = (GROUP_AFFINITY){.Mask = 2, .Reserved = {0, 1, 0}};
    KeSetSystemGroupAffinityThread(&group, NULL);
    EXPECT_EQ(number_at_dispatch(), 0);
    former = (GROUP_AFFINITY){.Mask = 2};
    KeRevertToUserGroupAffinityThread(&former);
    EXPECT_EQ(number_at_dispatch(), 1);
    former.Mask = 0;
    KeRevertToUserGroupAffinityThread(&former);
    EXPECT_EQ(KeSetSystemAffinityThreadEx(1), 0);
    ke_stop();
}

/* At DISPATCH_LEVEL the processor stays the one it is until the level is lowered. */
TEST(affinity_changes_when_lowered, "D-22")
{
    ULONG now;
    KIRQL old;

    start_processors(2);
    KeSetSystemAffinityThreadEx(1);
    old = KeRaiseIrqlToDpcLevel();
    now = KeGetCurrentProcessorNumberEx(NULL);
    EXPECT_EQ(now, 0);
    KeSetSystemAffinityThreadEx(2);
    EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), 0);
    KeLowerIrql(old);
    EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), 1);
    EXPECT_EQ(number_at_dispatch(), 1);
    ke_stop();
}

static uint32_t inside[2]; /* bound threads on each processor now */

static VOID raise_often(PVOID context)
{
    KAFFINITY mask = (KAFFINITY)(ULONG_PTR)context;

    if (mask)
        KeSetSystemAffinityThreadEx(mask);
    for (long i = test_scale(20000); i > 0; i--) {
        KIRQL old = KeRaiseIrqlToDpcLevel();
        ULONG number = KeGetCurrentProcessorNumberEx(NULL);

        EXPECT_EQ(__atomic_fetch_add(&inside[number], 1, __ATOMIC_RELAXED), 0);
        EXPECT(!mask || mask >> number & 1);
        if (i % 16 == 0)
            host_yield(); /* its holder is off the machine's processor */
        __atomic_fetch_sub(&inside[number], 1, __ATOMIC_RELAXED);
        KeLowerIrql(old);
    }
}

/* A processor that comes back is for somebody who may take it: each thread gets through. */
TEST(affinity_in_a_crowd, "D-22 K-IRQL-07", TEST_TIMEOUT(120))
{
    static const KAFFINITY masks[] = {1, 2, 0, 1, 2, 0, 3, 0};
    struct ke_thread *thread[ARRAYSIZE(masks)];

    start_processors(2);
    for (unsigned i = 0; i < ARRAYSIZE(masks); i++)
        thread[i] = start_thread(raise_often, (PVOID)masks[i]);
    for (unsigned i = 0; i < ARRAYSIZE(masks); i++)
        join_thread(thread[i]);
    ke_stop();
}

static uint32_t held; /* 1: processor 0 is taken; 2: give it back */

static VOID hold_the_first(PVOID context)
{
    KIRQL old;

    (void)context;
    KeSetSystemAffinityThreadEx(1);
    old = KeRaiseIrqlToDpcLevel();
    __atomic_store_n(&held, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&held, __ATOMIC_ACQUIRE) == 1)
        host_yield();
    KeLowerIrql(old);
}

static VOID want_the_first(PVOID context)
{
    (void)context;
    KeSetSystemAffinityThreadEx(1);
    EXPECT_EQ(number_at_dispatch(), 0);
}

/* Who starves for one processor bars nobody from the others: processor 0 comes back only after this thread has had
 * processor 1 many times, long after the thread that waits for it has begun to starve. */
TEST(affinity_starving_bars_its_own_processors, "D-22 K-IRQL-07")
{
    struct ke_thread *holder, *waiter;
    uint64_t until;

    start_processors(2);
    holder = start_thread(hold_the_first, NULL);
    while (__atomic_load_n(&held, __ATOMIC_ACQUIRE) == 0)
        host_yield();
    waiter = start_thread(want_the_first, NULL);
    for (until = host_now() + 50000000; host_now() < until;) {
        EXPECT_EQ(number_at_dispatch(), 1);
        host_yield();
    }
    __atomic_store_n(&held, 2, __ATOMIC_RELEASE);
    join_thread(holder);
    join_thread(waiter);
    ke_stop();
}

/* ---- what has no file of its own ------------------------------------------------------------------------ */

TEST(floating_point_needs_no_care, "")
{
    KFLOATING_SAVE save;

    EXPECT_STATUS(KeSaveFloatingPointState(&save), STATUS_SUCCESS);
    EXPECT_STATUS(KeRestoreFloatingPointState(&save), STATUS_SUCCESS);
}

TEST(random_bytes, "")
{
    UCHAR first[32] = {0}, second[32] = {0};
    ULONG zeros = 0;

    EXPECT_STATUS(BCryptGenRandom(NULL, first, sizeof first, BCRYPT_USE_SYSTEM_PREFERRED_RNG),
                  STATUS_SUCCESS);
    EXPECT_STATUS(BCryptGenRandom(BCRYPT_RNG_ALG_HANDLE, second, sizeof second, 0), STATUS_SUCCESS);
    EXPECT(memcmp(first, second, sizeof first) != 0);
    for (unsigned i = 0; i < sizeof first; i++)
        zeros += (first[i] == 0) + (second[i] == 0);
    EXPECT(zeros < 16);
    memset(first, 0xcc, sizeof first);
    EXPECT_STATUS(BCryptGenRandom(NULL, first, 0, BCRYPT_USE_SYSTEM_PREFERRED_RNG), STATUS_SUCCESS);
    EXPECT_EQ(first[0], 0xcc);
    EXPECT_STATUS(BCryptGenRandom(NULL, first, 1, 0), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(BCryptGenRandom((PVOID)1, first, 1, 0), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(BCryptGenRandom(BCRYPT_RNG_ALG_HANDLE, NULL, 1, 0), STATUS_INVALID_PARAMETER);
}

static struct ke_thread *ended_on;
static KEVENT ended;

static void destroy_probe(void *object)
{
    (void)object;
    ended_on = ke_current_thread();
    KeSetEvent(&ended, IO_NO_INCREMENT, FALSE);
}

static const struct ob_type probe_type = {.name = "Probe", .destroy = destroy_probe};

/* Not inside the call, and not before the last reference has gone. */
TEST(objects_may_end_later, "")
{
    PVOID object = ob_create_object(&probe_type, 64);
    KIRQL old;

    start_processors(1);
    KeInitializeEvent(&ended, SynchronizationEvent, FALSE);
    ObReferenceObject(object);
    ObDereferenceObjectDeferDelete(object);
    EXPECT_EQ(KeReadStateEvent(&ended), 0);
    old = KeRaiseIrqlToDpcLevel();
    ObDereferenceObjectDeferDeleteWithTag(object, 'tseT');
    KeLowerIrql(old);
    EXPECT_STATUS(KeWaitForSingleObject(&ended, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    EXPECT(ended_on != NULL && ended_on != ke_current_thread());
}

TEST(win32_errors_of_status_values, "")
{
    static const struct {
        NTSTATUS status;
        ULONG error;
    } rows[] = {{STATUS_SUCCESS, 0},
                {STATUS_PENDING, 997},
                {STATUS_CANCELLED, 995},
                {STATUS_INSUFFICIENT_RESOURCES, 1450},
                {STATUS_CONNECTION_REFUSED, 1225},
                {STATUS_CONNECTION_RESET, 64},
                {STATUS_NETWORK_UNREACHABLE, 1231},
                {STATUS_ADDRESS_ALREADY_EXISTS, 52},
                {STATUS_OBJECT_NAME_NOT_FOUND, 2},
                {STATUS_CONNECTION_ABORTED, 1236},
                {STATUS_END_OF_FILE, 38},
                {STATUS_NOINTERFACE, 317},
                {(NTSTATUS)0xC000FFFF, 317},
                {(NTSTATUS)0xD0000022, 5},  /* the same as 0xC0000022 */
                {(NTSTATUS)0x80070057, 87}, /* HRESULT of a Win32 error */
                {(NTSTATUS)0xC0010005, 5},
                {(NTSTATUS)0xE0001234, 0xE0001234}}; /* of an application */

    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        TEST_NOTE("%x", rows[i].status);
        EXPECT_EQ(RtlNtStatusToDosError(rows[i].status), rows[i].error);
        EXPECT_EQ(RtlNtStatusToDosErrorNoTeb(rows[i].status), rows[i].error);
    }
}
