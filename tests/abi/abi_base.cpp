/*
 * abi_base.cpp - the base headers in C++: the compiler checks abi_base.h again, and
 * the forms that only C++ has work.
 */
extern "C" { /* as drivers do */
#include "abi_base.h"
}
#include "abi_doubles.h"
#include "uwsk_test.h"

enum colour { red = 1, green = 2 };
DEFINE_ENUM_FLAG_OPERATORS(colour)

static_assert((red | green) == 3, "enumerators combine");

namespace
{

UNICODE_STRING constant = RTL_CONSTANT_STRING(L"\\Device\\Uwsk");
DECLARE_CONST_UNICODE_STRING(declared, L"ab");

/* A driver's own names, qualified names and const correctness. */
struct counter {
    volatile LONG value = 0;
    LONG up()
    {
        return ::InterlockedIncrement(&value);
    }
};

} // namespace

TEST(interlocked_operations_work_in_cpp, "T-03 T-06")
{
    counter c;
    ULONG u = 1;
    long plain = 1;
    LONG64 w = 1;
    int target = 0;
    int *p = nullptr;

    EXPECT_EQ(c.up(), 1);
    EXPECT_EQ(InterlockedCompareExchange(&c.value, 5, 1), 1);
    EXPECT_EQ(InterlockedExchangeAdd(&u, 2), 1);
    EXPECT_EQ(InterlockedIncrement(&plain), 2);
    EXPECT_EQ(InterlockedAdd64(&w, 1), 2);
    EXPECT(InterlockedExchangePointer(reinterpret_cast<PVOID *>(&p), &target) == nullptr);
    EXPECT(p == &target);
    EXPECT_EQ(ReadAcquire(&c.value), 5);
    WriteRelease(&c.value, 6);
    EXPECT_EQ(c.value, 6);
}

TEST(constant_strings_work_in_cpp, "K-STR-01")
{
    EXPECT_EQ(constant.Length, 24);
    EXPECT_EQ(constant.MaximumLength, 26);
    EXPECT_EQ(declared.Length, 4);
}

TEST(lists_work_in_cpp, "K-LIST-01 K-LIST-07")
{
    LIST_ENTRY head, entry;

    InitializeListHead(&head);
    InsertTailList(&head, &entry);
    EXPECT(RemoveHeadList(&head) == &entry);
    EXPECT(IsListEmpty(&head));
    head.Flink = &entry;
    EXPECT(abi_bug_checks([](void *list) { (void)RemoveHeadList(static_cast<PLIST_ENTRY>(list)); }, &head));
    EXPECT_EQ(abi_seen.bug_check, 0x139);
}

TEST(guids_compare_in_cpp, "")
{
    GUID a = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    GUID b = a;

    EXPECT(a == b);
    b.Data4[7]++;
    EXPECT(a != b);
    EXPECT(!IsEqualGUID(a, b));
}
