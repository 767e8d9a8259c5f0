/*
 * seh_cases.h: every way into and out of __try, as one body of code for C and C++, each compiler and -O level
 * (T-04).
 *
 * A trace of letters tells in which order things ran.
 */
#include "check.h"

struct trace {
    char text[64];
    int length;
};

static void note(struct trace *t, char letter)
{
    if (t->length < 63)
        t->text[t->length++] = letter;
    t->text[t->length] = 0;
}

static int traced(const struct trace *t, const char *expected)
{
    int i;
    for (i = 0; expected[i]; i++)
        if (t->text[i] != expected[i])
            return 0;
    if (t->length == i)
        return 1;
    DbgPrint("trace is %s, expected %s\n", t->text, expected);
    return 0;
}

static __declspec(noinline) void raise_deep(int depth, NTSTATUS status)
{
    volatile char room[64];
    room[0] = (char)depth;
    if (depth > 0)
        raise_deep(depth - 1, status);
    else if (status)
        ExRaiseStatus(status);
    room[1] = room[0];
}

/* ---- __except ----------------------------------------------------------------------------------------- */

static void except_basics(void)
{
    struct trace t = {{0}, 0};
    NTSTATUS code = 0;

    __try {
        note(&t, 'b');
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        note(&t, 'h');
    }
    __try {
        note(&t, 'b');
        ExRaiseStatus(STATUS_ACCESS_DENIED);
        note(&t, 'x');
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
        note(&t, 'h');
    }
    CHECK(code == STATUS_ACCESS_DENIED);
    __try {
        raise_deep(20, STATUS_CANCELLED);
    } __except (GetExceptionCode() == STATUS_CANCELLED ? EXCEPTION_EXECUTE_HANDLER
                                                       : EXCEPTION_CONTINUE_SEARCH) {
        note(&t, 'd');
    }
    CHECK(traced(&t, "bbhd"));
}

static void locals_are_seen(void)
{
    int a = 1, i;
    long long sum = 0;
    char text[4] = "abc";
    double d = 0.5;

    __try {
        a = 2;
        text[1] = 'z';
        d = 2.5;
        for (i = 0; i < 10; i++)
            sum += i;
        a = 3;
        ExRaiseStatus(STATUS_UNSUCCESSFUL);
    } __except (a == 3 ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
        CHECK(a == 3);
        CHECK(sum == 45);
        CHECK(text[1] == 'z');
        CHECK(d == 2.5);
        CHECK(i == 10);
        a = 4;
    }
    CHECK(a == 4);
}

static void locals_in_finally(void)
{
    int in_body = 0, seen = 0;

    __try {
        __try {
            in_body = 7;
            raise_deep(2, STATUS_UNSUCCESSFUL);
        } __finally {
            seen = in_body;
            in_body = 8;
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        CHECK(in_body == 8);
    }
    CHECK(seen == 7);
}

static int filter_looks(PEXCEPTION_POINTERS pointers, NTSTATUS expected)
{
    CHECK(pointers->ExceptionRecord->ExceptionCode == expected);
    CHECK(pointers->ExceptionRecord->ExceptionAddress != NULL);
    return EXCEPTION_EXECUTE_HANDLER;
}

static void nested_and_search(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            __try {
                ExRaiseStatus(STATUS_INVALID_PARAMETER);
            } __except ((note(&t, '1'), EXCEPTION_CONTINUE_SEARCH)) {
                note(&t, 'x');
            }
            note(&t, 'x');
        } __except ((note(&t, '2'), GetExceptionCode() == STATUS_CANCELLED)) {
            note(&t, 'x');
        }
        note(&t, 'x');
    } __except (note(&t, '3'), filter_looks(GetExceptionInformation(), STATUS_INVALID_PARAMETER)) {
        note(&t, 'h');
        CHECK(GetExceptionCode() == STATUS_INVALID_PARAMETER);
    }
    CHECK(traced(&t, "123h"));
}

static void raise_in_handler(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            ExRaiseStatus(STATUS_INVALID_PARAMETER);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            CHECK(GetExceptionCode() == STATUS_INVALID_PARAMETER);
            __try {
                ExRaiseStatus(STATUS_TIMEOUT);
            } __except (EXCEPTION_EXECUTE_HANDLER) {
                CHECK(GetExceptionCode() == STATUS_TIMEOUT);
                note(&t, 'i');
            }
            CHECK(GetExceptionCode() == STATUS_INVALID_PARAMETER);
            ExRaiseStatus(STATUS_CANCELLED);
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        CHECK(GetExceptionCode() == STATUS_CANCELLED);
        note(&t, 'o');
    }
    CHECK(traced(&t, "io"));
}

static int raising_filter(void)
{
    ExRaiseStatus(STATUS_NO_MEMORY);
    return EXCEPTION_EXECUTE_HANDLER;
}

static int trying_filter(struct trace *t)
{
    __try {
        ExRaiseStatus(STATUS_CANCELLED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        note(t, 'f');
    }
    return EXCEPTION_EXECUTE_HANDLER;
}

static void filters_that_raise(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            ExRaiseStatus(STATUS_CANCELLED);
        } __except (raising_filter()) {
            note(&t, 'x');
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        CHECK(GetExceptionCode() == STATUS_NO_MEMORY);
        note(&t, 'o');
    }
    __try {
        ExRaiseStatus(STATUS_TIMEOUT);
    } __except (trying_filter(&t)) {
        CHECK(GetExceptionCode() == STATUS_TIMEOUT);
        note(&t, 'h');
    }
    CHECK(traced(&t, "ofh"));
}

static int return_out_of_except(int what)
{
    int i;
    for (i = 0; i < 100; i++) {
        __try {
            if (what == 1 && i == 10)
                return i;
            if (what == 2 && i == 20)
                break;
            if (what == 3 && i < 30)
                continue;
            if (what == 3)
                goto out;
            if (what == 4)
                raise_deep(1, STATUS_CANCELLED);
            if (what == 5)
                __leave;
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            if (i == 40)
                return -i;
            continue;
        }
    }
    return 1000 + i;
out:
    return 2000 + i;
}

/* A frame that stays behind would catch what is raised later. */
static void exits_pop_frames(void)
{
    int caught = 0;

    __try {
        CHECK(return_out_of_except(1) == 10);
        CHECK(return_out_of_except(2) == 1020);
        CHECK(return_out_of_except(3) == 2030);
        CHECK(return_out_of_except(4) == -40);
        CHECK(return_out_of_except(5) == 1100);
        ExRaiseStatus(STATUS_CANCELLED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        caught = 1;
    }
    CHECK(caught == 1);
}

static void many_rounds(void)
{
    int i, raised = 0;

    __try {
        for (i = 0; i < 10000; i++) {
            __try {
                if (i % 3 == 0)
                    ExRaiseStatus(STATUS_CANCELLED);
                if (i % 3 == 1)
                    continue;
            } __except (EXCEPTION_EXECUTE_HANDLER) {
                raised++;
            }
        }
        raise_deep(3, STATUS_TIMEOUT);
    } __except (GetExceptionCode() == STATUS_TIMEOUT) {
        raised += 10000;
    }
    CHECK(raised == 13334);
}

/* clang-format off: the point is that they stand on one line */
static void one_line(void)
{
    int a = 0;
    __try {
        ExRaiseStatus(STATUS_CANCELLED);
    } __except (1) {
        a = 1;
    }
    if (a == 1)
        __try {
            a = 2;
        } __finally {
            a = 3;
        }
    else
        a = 4;
    CHECK(a == 3);
    if (a == 1)
        __try {
            a = 2;
        } __except (1) {
            a = 5;
        }
    else
        a = 6;
    CHECK(a == 6);
}
/* clang-format on */

/* ---- __finally ---------------------------------------------------------------------------------------- */

static void finally_on_normal_end(void)
{
    struct trace t = {{0}, 0};

    __try {
        note(&t, 'b');
    } __finally {
        CHECK(!AbnormalTermination());
        note(&t, 'f');
    }
    __try {
        note(&t, 'b');
        if (t.length > 0)
            __leave;
        note(&t, 'x');
    } __finally {
        CHECK(!AbnormalTermination());
        note(&t, 'f');
    }
    CHECK(traced(&t, "bfbf"));
}

static void finally_on_exception(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            __try {
                raise_deep(4, STATUS_CANCELLED);
            } __finally {
                CHECK(AbnormalTermination());
                note(&t, '1');
            }
            note(&t, 'x');
        } __finally {
            CHECK(AbnormalTermination());
            note(&t, '2');
        }
        note(&t, 'x');
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        CHECK(GetExceptionCode() == STATUS_CANCELLED);
        note(&t, 'h');
    }
    CHECK(traced(&t, "12h"));
}

static int return_value(struct trace *t, int what)
{
    int value = 5;

    __try {
        __try {
            if (what == 0)
                return (void)value, value * 10; /* a comma expression */
            if (what == 1)
                return value + 1;
            note(t, 'b');
        } __finally {
            CHECK(AbnormalTermination() == (what < 2));
            note(t, '1');
            value = 99; /* comes too late for the value to return */
        }
        if (what == 2)
            return value;
        note(t, 'c');
    } __finally {
        note(t, '2');
    }
    return -1;
}

static void finally_on_return(void)
{
    struct trace t = {{0}, 0};

    CHECK(return_value(&t, 0) == 50);
    CHECK(traced(&t, "12"));
    t.length = 0;
    CHECK(return_value(&t, 1) == 6);
    CHECK(traced(&t, "12"));
    t.length = 0;
    CHECK(return_value(&t, 2) == 99);
    CHECK(traced(&t, "b12"));
    t.length = 0;
    CHECK(return_value(&t, 3) == -1);
    CHECK(traced(&t, "b1c2"));
}

static const char *const volatile_text = "text";

static const char *return_pointer(int null, int *finals)
{
    __try {
        if (null)
            return 0;
        return volatile_text;
    } __finally {
        ++*finals;
    }
}

struct big {
    long long field[9];
};

static struct big return_struct(struct trace *t)
{
    struct big b = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
    __try {
        return b;
    } __finally {
        b.field[8] = 0;
        note(t, 'f');
    }
}

static void return_void(struct trace *t, int early)
{
    __try {
        if (early)
            return;
        note(t, 'b');
    } __finally {
        note(t, 'f');
    }
    note(t, 'e');
}

static void finally_on_other_returns(void)
{
    struct trace t = {{0}, 0};
    int finals = 0;

    CHECK(return_pointer(1, &finals) == NULL);
    CHECK(return_pointer(0, &finals) == volatile_text);
    CHECK(finals == 2);
    CHECK(return_struct(&t).field[8] == 9);
    return_void(&t, 1);
    return_void(&t, 0);
    CHECK(traced(&t, "ffbfe"));
}

static void finally_on_jumps(void)
{
    struct trace t = {{0}, 0};
    int i, j;

    for (i = 0; i < 5; i++) {
        __try {
            if (i == 1)
                continue;
            if (i == 3)
                break;
            for (j = 0; j < 3; j++) {
                if (j == 1)
                    break; /* stays within: no __finally yet */
            }
            switch (i) {
            case 0:
                note(&t, 'a');
                break;
            default:
                note(&t, 'd');
            }
        } __finally {
            note(&t, (char)('0' + i));
            CHECK(AbnormalTermination() == (i == 1 || i == 3));
        }
    }
    CHECK(i == 3);
    CHECK(traced(&t, "a01d23"));
}

static void finally_on_goto(void)
{
    struct trace t = {{0}, 0};
    int round = 0;

again:
    __try {
        __try {
            round++;
            if (round == 1)
                goto again;
            if (round == 2)
                goto between;
            if (round == 3)
                goto done;
        inside:
            note(&t, 'i');
            if (round == 4) {
                round++;
                goto inside;
            }
        } __finally {
            note(&t, 'f');
            CHECK(AbnormalTermination() == (round < 4));
        }
        note(&t, 'x');
    between:
        note(&t, 'b');
    } __finally {
        note(&t, 'F');
    }
    if (round == 2)
        goto again;
done:
    note(&t, 'd');
    if (round == 3)
        goto again;
    CHECK(traced(&t, "fFfbFfFdiifxbFd"));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
static void finally_on_switch(int which, struct trace *t)
{
    switch (which) {
    case 1:
        __try {
            break;
        } __finally {
            note(t, 'f');
        }
        note(t, 'x');
    case 2:
        __try {
            if (which)
                break;
        } __finally {
            note(t, 'g');
        }
        note(t, 'x');
    default:
        note(t, 'd');
    }
}
#pragma GCC diagnostic pop

static int finally_overrides(struct trace *t)
{
    __try {
        note(t, 'b');
        ExRaiseStatus(STATUS_CANCELLED);
    } __finally {
        note(t, 'f');
        return 7; /* ends the exception, as on Windows */
    }
}

static void finally_oddities(void)
{
    struct trace t = {{0}, 0};

    finally_on_switch(1, &t);
    finally_on_switch(2, &t);
    finally_on_switch(3, &t);
    CHECK(traced(&t, "fgd"));
    t.length = 0;
    __try {
        CHECK(finally_overrides(&t) == 7);
        note(&t, 'o');
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        note(&t, 'x');
    }
    CHECK(traced(&t, "bfo"));
}

/* __leave of an inner block leaves the inner one only; in a handler it means the __try around. */
static void leaves(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            __leave;
            note(&t, 'x');
        } __finally {
            note(&t, '1');
        }
        __try {
            ExRaiseStatus(STATUS_CANCELLED);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            note(&t, '2');
            __leave;
        }
        note(&t, 'x');
    } __finally {
        note(&t, '3');
        CHECK(!AbnormalTermination());
    }
    CHECK(traced(&t, "123"));
}

static void try_in_finally(void)
{
    struct trace t = {{0}, 0};

    __try {
        __try {
            ExRaiseStatus(STATUS_CANCELLED);
        } __finally {
            __try {
                ExRaiseStatus(STATUS_TIMEOUT);
            } __except (EXCEPTION_EXECUTE_HANDLER) {
                CHECK(GetExceptionCode() == STATUS_TIMEOUT);
                note(&t, 'i');
            }
            CHECK(AbnormalTermination());
            __try {
                note(&t, 'b');
            } __finally {
                CHECK(!AbnormalTermination());
                note(&t, 'f');
            }
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        CHECK(GetExceptionCode() == STATUS_CANCELLED);
        note(&t, 'h');
    }
    CHECK(traced(&t, "ibfh"));
}

/* ---- processor exceptions ----------------------------------------------------------------------------- */

static NTSTATUS record_code;
static ULONG_PTR record_kind, record_address;

static int keep_record(PEXCEPTION_POINTERS pointers)
{
    PEXCEPTION_RECORD r = pointers->ExceptionRecord;
    record_code = r->ExceptionCode;
    record_kind = r->NumberParameters >= 2 ? r->ExceptionInformation[0] : 99;
    record_address = r->NumberParameters >= 2 ? r->ExceptionInformation[1] : 0;
    return EXCEPTION_EXECUTE_HANDLER;
}

/* In machine code: a sanitizer would stop at `a / *b` itself. */
static __declspec(noinline) int divide(int a, volatile int *b)
{
    int high, quotient;
    __asm__ volatile("cltd\n\tidivl %3" : "=a"(quotient), "=&d"(high) : "0"(a), "m"(*b));
    return quotient;
}

static void faults(void)
{
    volatile int *bad = (volatile int *)0x1238;
    volatile int zero = 0;
    int before = 1, caught = 0;
    void (*nowhere)(void) = (void (*)(void))0x5670;

    __try {
        before = 2;
        *bad = 1;
        before = 3;
    } __except (keep_record(GetExceptionInformation())) {
        caught++;
        CHECK(GetExceptionCode() == STATUS_ACCESS_VIOLATION);
        CHECK(record_kind == 1 && record_address == 0x1238);
    }
    CHECK(before == 2);
    __try {
        before = *bad;
    } __except (keep_record(GetExceptionInformation())) {
        caught++;
        CHECK(record_code == STATUS_ACCESS_VIOLATION && record_kind == 0 && record_address == 0x1238);
    }
    __try {
        nowhere();
    } __except (keep_record(GetExceptionInformation())) {
        caught++;
        CHECK(record_code == STATUS_ACCESS_VIOLATION && record_kind == 8 && record_address == 0x5670);
    }
    __try {
        before = divide(7, &zero);
    } __except (keep_record(GetExceptionInformation())) {
        caught++;
        CHECK(record_code == STATUS_INTEGER_DIVIDE_BY_ZERO && record_kind == 99);
    }
    __try {
        __asm__ volatile("ud2");
    } __except (keep_record(GetExceptionInformation())) {
        caught++;
        CHECK(record_code == STATUS_ILLEGAL_INSTRUCTION);
    }
    CHECK(caught == 5);
}

/* Again and again: the signal must not stay blocked, nor the alternate stack fill up. */
static void many_faults(void)
{
    volatile int *bad = (volatile int *)16;
    int i, caught = 0;

    for (i = 0; i < 1000; i++) {
        __try {
            __try {
                *bad = i;
            } __finally {
                caught++;
            }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            caught++;
        }
    }
    CHECK(caught == 2000);
}

static void raises(void)
{
    int caught = 0;

    __try {
        ExRaiseAccessViolation();
    } __except (GetExceptionCode() == STATUS_ACCESS_VIOLATION) {
        caught++;
    }
    __try {
        ExRaiseDatatypeMisalignment();
    } __except (GetExceptionCode() == STATUS_DATATYPE_MISALIGNMENT) {
        caught++;
    }
    CHECK(caught == 2);
}

/* ---- two threads at once ------------------------------------------------------------------------------ */

static volatile LONG thread_rounds;

static VOID thread_body(PVOID context)
{
    ULONG_PTR self = (ULONG_PTR)context, i;
    NTSTATUS mine = (NTSTATUS)(0xE0000000u + (unsigned)self);

    for (i = 0; i < 2000; i++) {
        __try {
            __try {
                raise_deep((int)(i % 7), mine);
            } __finally {
                InterlockedIncrement(&thread_rounds);
            }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            CHECK(GetExceptionCode() == mine);
        }
    }
}

static void two_threads(void)
{
    HANDLE handle[2];
    PVOID thread[2];
    ULONG_PTR i;

    for (i = 0; i < 2; i++) {
        CHECK(NT_SUCCESS(PsCreateSystemThread(&handle[i], THREAD_ALL_ACCESS, NULL, NULL, NULL, thread_body,
                                              (PVOID)(i + 1))));
        CHECK(NT_SUCCESS(
            ObReferenceObjectByHandle(handle[i], THREAD_ALL_ACCESS, NULL, KernelMode, &thread[i], NULL)));
        ZwClose(handle[i]);
    }
    for (i = 0; i < 2; i++) {
        KeWaitForSingleObject(thread[i], Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(thread[i]);
    }
    CHECK(thread_rounds == 4000);
}

/* ---- what the executive raises ------------------------------------------------------------------------ */

static void bad_lock(void)
{
    PMDL mdl = IoAllocateMdl((PVOID)0x10000, 100, FALSE, FALSE, NULL);
    NTSTATUS code = 0;

    CHECK(mdl != NULL);
    if (!mdl)
        return;
    __try {
        MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    CHECK(code == STATUS_ACCESS_VIOLATION);
    IoFreeMdl(mdl);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

static void all_cases(void)
{
    except_basics();
    locals_are_seen();
    locals_in_finally();
    nested_and_search();
    raise_in_handler();
    filters_that_raise();
    exits_pop_frames();
    many_rounds();
    one_line();
    finally_on_normal_end();
    finally_on_exception();
    finally_on_return();
    finally_on_other_returns();
    finally_on_jumps();
    finally_on_goto();
    finally_oddities();
    leaves();
    try_in_finally();
    raises();
    faults();
    many_faults();
    two_threads();
    bad_lock();
}
