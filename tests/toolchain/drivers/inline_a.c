/* inline_a.c: called, inlined or not, and by address; one function however many sources hold it. */
#include "inline.h"

static STEP *const steps[STEP_COUNT] = STEPS;
/* Ours, by address (C_ASSERT takes no address, a table does). */
static VOID (*const insert)(PLIST_ENTRY, PLIST_ENTRY) = InsertTailList;
static BOOLEAN (*const is_empty)(const LIST_ENTRY *) = IsListEmpty;

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    static const LONG expected[] = {8, 12, 24, 24, 5, 6};
    LIST_ENTRY head, entry;
    volatile LONG value = 5;

    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    InitializeListHead(&head);
    CHECK(is_empty(&head) && Empty(&head));
    insert(&head, &entry);
    CHECK(!Empty(&head) && Next(&head) == &entry);

    for (ULONG i = 0; i < STEP_COUNT; i++)
        CHECK(steps[i] == StepOfB(i));
    for (ULONG i = 0; i < RTL_NUMBER_OF(expected); i++)
        CHECK(steps[i](4) == expected[i]);
    CHECK(Twice(3) == 6 && Thrice(3) == 9 && EachHasItsOwn(1) == 4);
    CHECK(Factorial(5) == 120 && ForcedFactorial(5) == 120);
    CHECK(ForcedSum(3, 1, 2, 3) == 6);
    CHECK(Pick(TRUE) == Twice && PickPlainly(FALSE) == StepOfB(1));
    CHECK(Guarded(&value) == 5 && Guarded(NULL) == -1);
    CHECK(Count(1) == 1);
    CHECK(CountInB() == 11);
    CHECK(Count(1) == 12);
    return CHECK_RESULT();
}
