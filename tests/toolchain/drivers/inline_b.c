/* inline_b.c: the other source. */
#include "inline.h"

static STEP *const steps[] = STEPS;

STEP *StepOfB(ULONG index)
{
    return steps[index];
}

LONG CountInB(void)
{
    return Count(10) + 0 * (EachHasItsOwn(1) + ForcedSum(1, 2) + Guarded(NULL));
}
