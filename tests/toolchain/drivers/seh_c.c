/* seh_c.c: structured exceptions in C, with the lower-case words, too. */
#include "seh_cases.h"

/* `try` and the others are plain names elsewhere. */
struct attempt {
    int try, leave, except;
};

static int lower_case(struct attempt *a)
{
    int leave = 1;

    try {
        a->try = leave;
        if (a->try == 1)
            leave;
        a->except = 1;
    } finally {
        a->leave = 2;
    }
    try {
        ExRaiseStatus(STATUS_CANCELLED);
    }
    except(EXCEPTION_EXECUTE_HANDLER)
    {
        return a->leave + leave;
    }
    return 0;
}

/* A statement expression, a designated initialiser and a function pointer around a __try. */
static int odd_places(int (*call)(struct attempt *))
{
    struct attempt a = {.try = 0, .leave = ({
                                      int v;
                                      __try {
                                          raise_deep(1, STATUS_CANCELLED);
                                          v = 1;
                                      } __except (EXCEPTION_EXECUTE_HANDLER) {
                                          v = 5;
                                      }
                                      v;
                                  })};
    CHECK(a.leave == 5);
    return call(&a);
}

FORCEINLINE int forced_inline(int n)
{
    __try {
        if (n > 3)
            return n;
        raise_deep(1, STATUS_CANCELLED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return -n;
    }
    return 0;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    all_cases();
    CHECK(odd_places(lower_case) == 3);
    CHECK(forced_inline(4) == 4);
    CHECK(forced_inline(2) == -2);
    return CHECK_RESULT();
}
