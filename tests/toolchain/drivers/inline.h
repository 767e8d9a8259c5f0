/* inline.h: inline functions as headers of drivers hold them, shared by inline_a.c and inline_b.c. */
#ifndef TOOLCHAIN_INLINE_H
#define TOOLCHAIN_INLINE_H

#include "check.h"

typedef LONG STEP(LONG);

FORCEINLINE LONG Twice(LONG x)
{
    return 2 * x;
}

__inline LONG Thrice(LONG x)
{
    return 3 * x;
}

inline LONG Factorial(LONG x)
{
    return x < 2 ? 1 : x * Factorial(x - 1);
}

/* gcc will not inline these two by force: one calls itself, one takes `...`. */
FORCEINLINE LONG ForcedFactorial(LONG x)
{
    return x < 2 ? 1 : x * ForcedFactorial(x - 1);
}

__forceinline LONG ForcedSum(LONG count, ...)
{
    LONG sum = 0;
    va_list values;
    va_start(values, count);
    while (count-- > 0)
        sum += va_arg(values, LONG);
    va_end(values);
    return sum;
}

extern __inline LONG Outside(LONG x)
{
    return x + 1;
}

__inline extern LONG OutsideToo(LONG x)
{
    return x + 2;
}

static FORCEINLINE LONG EachHasItsOwn(LONG x)
{
    return x + 3;
}

/* Declared in front, with a variable that both sources must share. */
LONG Count(LONG by);
__inline LONG Count(LONG by)
{
    static LONG count;
    return count += by;
}

__forceinline STEP *Pick(BOOLEAN twice)
{
    return twice ? Twice : Thrice;
}

__inline LONG (*PickPlainly(BOOLEAN twice))(LONG)
{
    return twice ? Twice : Thrice;
}

__inline struct _LIST_ENTRY *Next(struct _LIST_ENTRY *entry)
{
    return entry->Flink;
}

__inline LONG Guarded(volatile LONG *value)
{
    __try {
        if (!value)
            ExRaiseStatus(STATUS_ACCESS_VIOLATION);
        return *value;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return -1;
    }
}

/* A driver's own inline function may use ours, static or not. */
__inline BOOLEAN Empty(PLIST_ENTRY head)
{
    return IsListEmpty(head);
}

#define STEPS                                                                                                \
    {                                                                                                        \
        Twice, Thrice, Factorial, ForcedFactorial, Outside, OutsideToo, Count                                \
    }
#define STEP_COUNT 7

STEP *StepOfB(ULONG index);
LONG CountInB(void);

#endif
