/*
 * test_ex_timer.c - timers with callbacks; and what drivers ask the system for: identifiers, addresses, references.
 */
#include "ke_test.h"

static PEX_TIMER timer;
static uint32_t calls, deletions, in_callback, leave_callback;

static void await(uint32_t *counter, uint32_t wanted)
{
    uint64_t end = host_now() + NS(20000);

    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < wanted) {
        EXPECT(host_now() < end);
        sleep_ms(1);
    }
}

static VOID NTAPI count_call(PEX_TIMER expired, PVOID context)
{
    EXPECT(expired == timer);
    EXPECT(context == &calls);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELEASE);
}

static VOID NTAPI count_deletion(PVOID context)
{
    EXPECT(context == &deletions);
    EXPECT(__atomic_load_n(&in_callback, __ATOMIC_ACQUIRE) == 0);
    __atomic_fetch_add(&deletions, 1, __ATOMIC_RELEASE);
}

static EXT_DELETE_PARAMETERS deletion(void)
{
    EXT_DELETE_PARAMETERS parameters;

    ExInitializeDeleteTimerParameters(&parameters);
    parameters.DeleteCallback = count_deletion;
    parameters.DeleteContext = &deletions;
    return parameters;
}

TEST(ex_timer_expires_and_can_be_cancelled, "K-TIMER-10")
{
    EXT_DELETE_PARAMETERS parameters = deletion();
    EXT_SET_PARAMETERS set;
    LARGE_INTEGER limit = after(MS(20000));

    start_processors(2);
    ExInitializeSetTimerParameters(&set);
    EXPECT(ExAllocateTimer(count_call, &calls, 1) == NULL);
    EXPECT(ExAllocateTimer(count_call, &calls, EX_TIMER_NO_WAKE | EX_TIMER_HIGH_RESOLUTION) == NULL);
    timer = ExAllocateTimer(count_call, &calls, EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NOTIFICATION);
    EXPECT(timer != NULL);
    EXPECT(!ExCancelTimer(timer, NULL)); /* not set yet */
    EXPECT(!ExSetTimer(timer, -MS(3600000), 0, &set));
    EXPECT(ExSetTimer(timer, -MS(1), 0, NULL)); /* it was set */
    EXPECT_STATUS(KeWaitForSingleObject(timer, Executive, KernelMode, FALSE, &limit), STATUS_SUCCESS);
    await(&calls, 1);
    EXPECT(!ExCancelTimer(timer, NULL)); /* over */
    EXPECT(!ExSetTimer(timer, -MS(1), MS(1), NULL));
    await(&calls, 4); /* again and again */
    EXPECT(ExCancelTimer(timer, NULL));
    EXPECT(!ExSetTimer(timer, -MS(3600000), 0, NULL));
    EXPECT(ExDeleteTimer(timer, TRUE, TRUE, &parameters));
    EXPECT_EQ(__atomic_load_n(&deletions, __ATOMIC_ACQUIRE), 1); /* before it returned */
    ke_stop();
}

static VOID NTAPI long_call(PEX_TIMER expired, PVOID context)
{
    (void)expired, (void)context;
    __atomic_store_n(&in_callback, 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&leave_callback, __ATOMIC_ACQUIRE))
        host_yield();
    __atomic_store_n(&in_callback, 0, __ATOMIC_RELEASE);
}

static VOID let_callback_go(PVOID context)
{
    (void)context;
    sleep_ms(20); /* lets the deletion begin to wait; without it the test only sees less */
    __atomic_store_n(&leave_callback, 1, __ATOMIC_RELEASE);
}

TEST(ex_timer_deletion_waits_for_the_callback, "K-TIMER-10")
{
    EXT_DELETE_PARAMETERS parameters = deletion();
    struct ke_thread *other;

    start_processors(2);
    timer = ExAllocateTimer(long_call, NULL, 0);
    EXPECT(!ExSetTimer(timer, -MS(1), 0, NULL));
    await(&calls, 1);
    other = start_thread(let_callback_go, NULL);
    EXPECT(!ExDeleteTimer(timer, TRUE, TRUE, &parameters));
    EXPECT_EQ(__atomic_load_n(&in_callback, __ATOMIC_ACQUIRE), 0);
    EXPECT_EQ(__atomic_load_n(&deletions, __ATOMIC_ACQUIRE), 1);
    join_thread(other);
    ke_stop();
}

static VOID NTAPI delete_myself(PEX_TIMER expired, PVOID context)
{
    EXT_DELETE_PARAMETERS parameters = deletion();

    __atomic_fetch_add((uint32_t *)context, 1, __ATOMIC_RELEASE);
    (void)ExDeleteTimer(expired, TRUE, FALSE, &parameters);
}

TEST(ex_timer_may_delete_itself, "K-TIMER-10")
{
    start_processors(2);
    for (uint32_t i = 1; i <= 20; i++) {
        timer = ExAllocateTimer(delete_myself, &calls, 0);
        EXPECT(!ExSetTimer(timer, -MS(1), i % 2 ? MS(1) : 0, NULL));
        await(&deletions, i);
        EXPECT_EQ(calls, i); /* not once more */
    }
    ke_stop();
}

TEST(ex_timer_deleted_without_cancel_expires_first, "K-TIMER-10")
{
    EXT_DELETE_PARAMETERS parameters = deletion();

    start_processors(2);
    timer = ExAllocateTimer(count_call, &calls, 0);
    EXPECT(!ExSetTimer(timer, -MS(30), 0, NULL));
    EXPECT(!ExDeleteTimer(timer, FALSE, FALSE, &parameters));
    await(&deletions, 1);
    EXPECT_EQ(calls, 1);
    timer = ExAllocateTimer(count_call, &calls, 0); /* never set: nothing to wait for */
    EXPECT(!ExDeleteTimer(timer, FALSE, FALSE, &parameters));
    await(&deletions, 2);
    EXPECT_EQ(calls, 1);
    ke_stop();
}

static VOID NTAPI call_or_not(PEX_TIMER expired, PVOID context)
{
    (void)expired;
    __atomic_fetch_add((uint32_t *)context, 1, __ATOMIC_RELEASE);
}

TEST(ex_timer_deletion_races_with_expiry, "K-TIMER-10", TEST_TIMEOUT(120))
{
    EXT_DELETE_PARAMETERS parameters = deletion();
    long rounds = test_scale(2000);

    start_processors(2);
    for (long i = 0; i < rounds; i++) {
        BOOLEAN wait = i % 3 == 0, cancel = wait || i % 3 == 1;
        uint32_t before;

        timer = ExAllocateTimer(call_or_not, &calls, 0);
        (void)ExSetTimer(timer, -(i % 1000), i % 4 == 3 ? MS(1) : 0, NULL);
        if (i % 5)
            host_yield();
        (void)ExDeleteTimer(timer, cancel, wait, &parameters);
        await(&deletions, (uint32_t)i + 1);
        before = __atomic_load_n(&calls, __ATOMIC_ACQUIRE);
        if (i % 50 == 0)
            sleep_ms(2);
        EXPECT_EQ(__atomic_load_n(&calls, __ATOMIC_ACQUIRE), before); /* none after the end */
    }
    EXPECT_EQ(__atomic_load_n(&deletions, __ATOMIC_ACQUIRE), rounds);
    ke_stop();
}

BUG_TEST(ex_timer_waited_for_without_cancel, "K-TIMER-10", TIMER_OR_DPC_INVALID, 0)
{
    timer = ExAllocateTimer(NULL, NULL, 0);
    (void)ExDeleteTimer(timer, FALSE, TRUE, NULL);
}

/* ---- the rest ----------------------------------------------------------------------------------------- */

TEST(uuids_are_random_and_well_formed, "")
{
    UUID uuids[16];

    for (int i = 0; i < 16; i++) {
        EXPECT_STATUS(ExUuidCreate(&uuids[i]), STATUS_SUCCESS);
        EXPECT_EQ(uuids[i].Data3 >> 12, 4);
        EXPECT_EQ(uuids[i].Data4[0] >> 6, 2);
        for (int k = 0; k < i; k++)
            EXPECT(memcmp(&uuids[i], &uuids[k], sizeof uuids[0]) != 0);
    }
}

static PVOID address_of(PCWSTR name)
{
    UNICODE_STRING string;

    RtlInitUnicodeString(&string, name);
    return MmGetSystemRoutineAddress(&string);
}

TEST(routines_are_found_by_name, "")
{
    EXPECT(address_of(L"KeSetEvent") == (PVOID)KeSetEvent);
    EXPECT(address_of(L"ExAllocatePool2") == (PVOID)ExAllocatePool2);
    EXPECT(address_of(L"MmGetSystemRoutineAddress") == (PVOID)MmGetSystemRoutineAddress);
    EXPECT(address_of(L"KeSetEven") == NULL);
    EXPECT(address_of(L"KeSetEvents") == NULL);
    EXPECT(address_of(L"kesetevent") == NULL);
    EXPECT(address_of(L"printf") == NULL); /* the library has it, the system has not */
    EXPECT(address_of(L"") == NULL);
}

TEST(references_under_a_tag_count_like_others, "")
{
    PVOID thread = KeGetCurrentThread(), found = NULL;
    LONG_PTR before = ob_reference_count(thread);

    EXPECT_EQ(ObReferenceObjectWithTag(thread, 'gaT1'), before + 1);
    EXPECT_STATUS(ObReferenceObjectByPointerWithTag(thread, 0, *PsThreadType, KernelMode, 'gaT1'),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ObReferenceObjectByPointerWithTag(thread, 0, (POBJECT_TYPE)(ULONG_PTR)&ob_event_type,
                                                    KernelMode, 'gaT1'),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_STATUS(ObReferenceObjectByHandleWithTag(NtCurrentThread(), SYNCHRONIZE, NULL, KernelMode, 'gaT1',
                                                   &found, NULL),
                  STATUS_SUCCESS);
    EXPECT(found == thread);
    EXPECT_EQ(ob_reference_count(thread), before + 3);
    ObDereferenceObjectWithTag(thread, 'gaT1');
    ObDereferenceObjectWithTag(thread, 'gaT1');
    EXPECT_EQ(ObDereferenceObjectWithTag(thread, 'gaT1'), before);
}

TEST(extended_state_belongs_to_the_thread, "")
{
    XSTATE_SAVE save;

    EXPECT_STATUS(KeSaveExtendedProcessorState(XSTATE_MASK_LEGACY, &save), STATUS_SUCCESS);
    EXPECT_EQ(save.XStateContext.Mask, 3);
    KeRestoreExtendedProcessorState(&save);
}
