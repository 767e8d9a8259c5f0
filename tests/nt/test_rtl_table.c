/*
 * test_rtl_table.c - AVL and splay tables, splay trees, version, one-time initialisation.
 *
 * Strategy: random insertions and deletions beside a plain array that knows what must be there; after each step the
 * order, for AVL tables also the balance of every node, is looked at.
 */
#include "ke_test.h"

#define KEYS 512

struct element {
    ULONG key;
    ULONG copy;
};

static BOOLEAN there[KEYS];
static ULONG present, allocated, lookups;
static BOOLEAN no_memory;

static ULONG random_key(void)
{
    static ULONG state = 12345;

    state = state * 1664525u + 1013904223u;
    return (state >> 8) % KEYS;
}

static RTL_GENERIC_COMPARE_RESULTS order(PVOID first, PVOID second)
{
    ULONG a = ((struct element *)first)->key, b = ((struct element *)second)->key;

    return a < b ? GenericLessThan : a > b ? GenericGreaterThan : GenericEqual;
}

static PVOID allocate(CLONG bytes)
{
    PVOID memory = no_memory ? NULL : ExAllocatePoolUninitialized(NonPagedPoolNx, bytes, 'lbaT');

    allocated += memory != NULL;
    return memory;
}

static void release(PVOID memory)
{
    allocated--;
    ExFreePoolWithTag(memory, 'lbaT');
}

/* ---- AVL ---------------------------------------------------------------------------------------------- */

static RTL_GENERIC_COMPARE_RESULTS NTAPI compare_avl(PRTL_AVL_TABLE table, PVOID first, PVOID second)
{
    EXPECT(table->TableContext == &present);
    lookups++;
    return order(first, second);
}

static PVOID NTAPI allocate_avl(PRTL_AVL_TABLE table, CLONG bytes)
{
    EXPECT(table->TableContext == &present);
    EXPECT_EQ(bytes, sizeof(RTL_BALANCED_LINKS) + sizeof(struct element));
    return allocate(bytes);
}

static VOID NTAPI free_avl(PRTL_AVL_TABLE table, PVOID buffer)
{
    (void)table;
    release(buffer);
}

/* Depth of the subtree; every node must be balanced and say how. */
static int check_depth(PRTL_BALANCED_LINKS node, PRTL_BALANCED_LINKS parent)
{
    int left, right;

    if (!node)
        return 0;
    EXPECT(node->Parent == parent);
    left = check_depth(node->LeftChild, node);
    right = check_depth(node->RightChild, node);
    EXPECT_EQ(node->Balance, right - left);
    EXPECT(right - left >= -1 && right - left <= 1);
    return 1 + (left > right ? left : right);
}

static void check_avl(PRTL_AVL_TABLE table)
{
    struct element *element;
    PVOID key = NULL;
    ULONG next = 0;

    EXPECT_EQ(check_depth(table->BalancedRoot.RightChild, &table->BalancedRoot), table->DepthOfTree);
    EXPECT_EQ(RtlNumberGenericTableElementsAvl(table), present);
    EXPECT_EQ(RtlIsGenericTableEmptyAvl(table), present == 0);
    EXPECT_EQ(allocated, present);
    while ((element = RtlEnumerateGenericTableWithoutSplayingAvl(table, &key)) != NULL) {
        while (next < KEYS && !there[next])
            next++;
        EXPECT_EQ(element->key, next);
        EXPECT_EQ(element->copy, ~next);
        next++;
    }
    while (next < KEYS)
        EXPECT(!there[next++]);
}

static void insert_avl(PRTL_AVL_TABLE table, ULONG key)
{
    struct element element = {key, ~key}, *in_table;
    BOOLEAN is_new = 2;

    in_table = RtlInsertElementGenericTableAvl(table, &element, sizeof element, &is_new);
    EXPECT(in_table != NULL && in_table != &element);
    EXPECT_EQ(in_table->key, key);
    EXPECT_EQ(is_new, !there[key]);
    present += is_new;
    there[key] = TRUE;
}

TEST(avl_table_keeps_order_and_balance, "")
{
    RTL_AVL_TABLE table;
    struct element element = {0, 0};
    long rounds = test_scale(3000);

    RtlInitializeGenericTableAvl(&table, compare_avl, allocate_avl, free_avl, &present);
    check_avl(&table);
    for (ULONG key = 0; key < KEYS; key += 3) /* rising keys: the worst case of a plain tree */
        insert_avl(&table, key);
    check_avl(&table);
    lookups = 0;
    element.key = KEYS - 2;
    EXPECT(RtlLookupElementGenericTableAvl(&table, &element) == NULL || there[element.key]);
    EXPECT(lookups <= 12); /* 171 elements, 1.44 * log2 */
    for (long i = 0; i < rounds; i++) {
        ULONG key = random_key();

        if (i % 5 < (i / 1000) % 2 + 2) {
            insert_avl(&table, key);
        } else {
            element.key = key;
            EXPECT_EQ(RtlDeleteElementGenericTableAvl(&table, &element), there[key]);
            present -= there[key];
            there[key] = FALSE;
        }
        if (i % 7 == 0)
            check_avl(&table);
    }
    check_avl(&table);
    while (present > 0) {
        struct element *first = RtlGetElementGenericTableAvl(&table, 0);

        element = *first;
        EXPECT(RtlDeleteElementGenericTableAvl(&table, &element));
        there[element.key] = FALSE;
        present--;
    }
    check_avl(&table);
    EXPECT_EQ(table.DepthOfTree, 0);
}

TEST(avl_table_full_lookups_and_enumerations, "")
{
    RTL_AVL_TABLE table;
    struct element element = {7, ~7u}, *found;
    TABLE_SEARCH_RESULT result;
    PVOID place, key;
    BOOLEAN is_new;
    ULONG count = 0;

    RtlInitializeGenericTableAvl(&table, compare_avl, allocate_avl, free_avl, &present);
    EXPECT(RtlEnumerateGenericTableAvl(&table, TRUE) == NULL);
    EXPECT(RtlLookupElementGenericTableFullAvl(&table, &element, &place, &result) == NULL);
    EXPECT_EQ(result, TableEmptyTree);
    no_memory = TRUE;
    EXPECT(RtlInsertElementGenericTableFullAvl(&table, &element, sizeof element, &is_new, place, result) ==
           NULL);
    EXPECT(!is_new);
    no_memory = FALSE;
    EXPECT(RtlInsertElementGenericTableFullAvl(&table, &element, sizeof element, &is_new, place, result) !=
           NULL);
    EXPECT(is_new);
    present = 1;
    there[7] = TRUE;
    for (ULONG k = 0; k < 20; k++) {
        element.key = k;
        element.copy = ~k;
        found = RtlLookupElementGenericTableFullAvl(&table, &element, &place, &result);
        EXPECT_EQ(found != NULL, there[k]);
        EXPECT_EQ(result == TableFoundNode, there[k]);
        found = RtlInsertElementGenericTableFullAvl(&table, &element, sizeof element, &is_new, place, result);
        EXPECT_EQ(found->key, k);
        EXPECT_EQ(is_new, !there[k]);
        present += is_new;
        there[k] = TRUE;
    }
    check_avl(&table);
    for (ULONG k = 0; k < 20; k++)
        EXPECT_EQ(((struct element *)RtlGetElementGenericTableAvl(&table, k))->key, k);
    EXPECT_EQ(((struct element *)RtlGetElementGenericTableAvl(&table, 3))->key, 3); /* and back */
    EXPECT(RtlGetElementGenericTableAvl(&table, 20) == NULL);
    /* Deleting what an enumeration has just returned does not end it. */
    for (found = RtlEnumerateGenericTableAvl(&table, TRUE); found;
         found = RtlEnumerateGenericTableAvl(&table, FALSE)) {
        EXPECT_EQ(found->key, count);
        element.key = count++;
        (void)RtlLookupElementGenericTableFullAvl(&table, &element, &place, &result);
        if (element.key % 2 == 0) {
            RtlDeleteElementGenericTableAvlEx(&table, place);
            present--;
            there[element.key] = FALSE;
        }
    }
    EXPECT_EQ(count, 20);
    check_avl(&table);
    element.key = 5;
    EXPECT_EQ(((struct element *)RtlLookupFirstMatchingElementGenericTableAvl(&table, &element, &key))->key,
              5);
    EXPECT_EQ(((struct element *)RtlEnumerateGenericTableWithoutSplayingAvl(&table, &key))->key, 7);
    element.key = 4;
    EXPECT(RtlLookupFirstMatchingElementGenericTableAvl(&table, &element, &key) == NULL);
}

static NTSTATUS NTAPI match_even(PRTL_AVL_TABLE table, PVOID element, PVOID last)
{
    ULONG key = ((struct element *)element)->key;

    (void)table;
    if (key > *(ULONG *)last)
        return STATUS_NO_MORE_MATCHES;
    return key % 2 ? STATUS_NO_MATCH : STATUS_SUCCESS;
}

/* The next element that matches; 0 = end. */
static ULONG next_like(PRTL_AVL_TABLE table, PRTL_AVL_MATCH_FUNCTION match, ULONG last, ULONG next,
                       PVOID *key, ULONG *deletions, ULONG at)
{
    struct element where = {at, at};
    struct element *found =
        RtlEnumerateGenericTableLikeADirectory(table, match, &last, next, key, deletions, &where);

    return found ? found->key : 0;
}

/* 10, 11 ... 19: in order, by a match, from a place that is gone, while elements come and go. */
TEST(avl_is_enumerated_like_a_directory, "")
{
    RTL_AVL_TABLE table;
    PVOID key = NULL;
    ULONG deletions = 0;
    struct element element;

    RtlInitializeGenericTableAvl(&table, compare_avl, allocate_avl, free_avl, &present);
    EXPECT_EQ(next_like(&table, NULL, 0, FALSE, &key, &deletions, 0), 0);
    for (ULONG i = 10; i < 20; i++) {
        element = (struct element){i, i};
        EXPECT(RtlInsertElementGenericTableAvl(&table, &element, sizeof element, NULL) != NULL);
    }
    key = NULL;
    EXPECT_EQ(next_like(&table, NULL, 0, FALSE, &key, &deletions, 12), 12);
    EXPECT_EQ(next_like(&table, NULL, 0, TRUE, &key, &deletions, 12), 13);
    EXPECT_EQ(next_like(&table, NULL, 0, FALSE, &key, &deletions, 0), 13);
    EXPECT_EQ(next_like(&table, match_even, 16, TRUE, &key, &deletions, 13), 14);
    EXPECT_EQ(next_like(&table, match_even, 16, TRUE, &key, &deletions, 14), 16);
    EXPECT_EQ(next_like(&table, match_even, 16, TRUE, &key, &deletions, 16), 0);
    /* Behind the last one; before the first; in between. */
    key = NULL;
    EXPECT_EQ(next_like(&table, NULL, 0, FALSE, &key, &deletions, 99), 0);
    key = NULL;
    EXPECT_EQ(next_like(&table, NULL, 0, TRUE, &key, &deletions, 3), 10);
    /* Where the enumeration stood is deleted: Buffer tells where to go on. */
    element = (struct element){10, 10};
    EXPECT(RtlDeleteElementGenericTableAvl(&table, &element));
    EXPECT_EQ(next_like(&table, NULL, 0, TRUE, &key, &deletions, 10), 11);
    element = (struct element){15, 15};
    EXPECT(RtlDeleteElementGenericTableAvl(&table, &element));
    EXPECT_EQ(next_like(&table, NULL, 0, TRUE, &key, &deletions, 11), 12);
    key = NULL;
    EXPECT_EQ(next_like(&table, NULL, 0, TRUE, &key, &deletions, 15), 16);
    for (ULONG i = 10; i < 20; i++) {
        element = (struct element){i, i};
        RtlDeleteElementGenericTableAvl(&table, &element);
    }
    EXPECT_EQ(allocated, 0);
}

/* ---- splay -------------------------------------------------------------------------------------------- */

static RTL_GENERIC_COMPARE_RESULTS NTAPI compare_splay(PRTL_GENERIC_TABLE table, PVOID first, PVOID second)
{
    EXPECT(table->TableContext == &present);
    return order(first, second);
}

static PVOID NTAPI allocate_splay(PRTL_GENERIC_TABLE table, CLONG bytes)
{
    EXPECT(table->TableContext == &present);
    EXPECT_EQ(bytes, sizeof(RTL_SPLAY_LINKS) + sizeof(LIST_ENTRY) + sizeof(struct element));
    return allocate(bytes);
}

static VOID NTAPI free_splay(PRTL_GENERIC_TABLE table, PVOID buffer)
{
    (void)table;
    release(buffer);
}

static void check_splay(PRTL_GENERIC_TABLE table)
{
    struct element *element;
    PVOID key = NULL;
    ULONG next = 0;

    EXPECT_EQ(RtlNumberGenericTableElements(table), present);
    EXPECT_EQ(RtlIsGenericTableEmpty(table), present == 0);
    EXPECT_EQ(allocated, present);
    EXPECT(!table->TableRoot || RtlIsRoot(table->TableRoot));
    while ((element = RtlEnumerateGenericTableWithoutSplaying(table, &key)) != NULL) {
        while (next < KEYS && !there[next])
            next++;
        EXPECT_EQ(element->key, next);
        EXPECT_EQ(element->copy, ~next);
        next++;
    }
    while (next < KEYS)
        EXPECT(!there[next++]);
}

TEST(splay_table_keeps_order, "")
{
    RTL_GENERIC_TABLE table;
    struct element element, *found;
    TABLE_SEARCH_RESULT result;
    long rounds = test_scale(3000);
    BOOLEAN is_new;
    PVOID place;
    ULONG count = 0;

    RtlInitializeGenericTable(&table, compare_splay, allocate_splay, free_splay, &present);
    check_splay(&table);
    EXPECT(RtlEnumerateGenericTable(&table, TRUE) == NULL);
    EXPECT(RtlGetElementGenericTable(&table, 0) == NULL);
    for (long i = 0; i < rounds; i++) {
        ULONG key = random_key();

        element = (struct element){key, ~key};
        switch (i % 4) {
        case 0:
            EXPECT_EQ(RtlDeleteElementGenericTable(&table, &element), there[key]);
            present -= there[key];
            there[key] = FALSE;
            break;
        case 1:
            found = RtlLookupElementGenericTable(&table, &element);
            EXPECT_EQ(found != NULL, there[key]);
            EXPECT(!found || found->key == key);
            break;
        case 2:
            found = RtlInsertElementGenericTable(&table, &element, sizeof element, &is_new);
            EXPECT_EQ(found->key, key);
            EXPECT_EQ(is_new, !there[key]);
            present += is_new;
            there[key] = TRUE;
            break;
        default:
            found = RtlLookupElementGenericTableFull(&table, &element, &place, &result);
            EXPECT_EQ(found != NULL, there[key]);
            found =
                RtlInsertElementGenericTableFull(&table, &element, sizeof element, &is_new, place, result);
            EXPECT_EQ(found->key, key);
            EXPECT_EQ(is_new, !there[key]);
            present += is_new;
            there[key] = TRUE;
        }
        if (i % 7 == 0)
            check_splay(&table);
    }
    check_splay(&table);
    for (found = RtlEnumerateGenericTable(&table, TRUE); found;
         found = RtlEnumerateGenericTable(&table, FALSE))
        count++;
    EXPECT_EQ(count, present);
    while (present > 0) {
        element = *(struct element *)RtlGetElementGenericTable(&table, present / 2);
        EXPECT(RtlDeleteElementGenericTable(&table, &element));
        there[element.key] = FALSE;
        present--;
    }
    check_splay(&table);
}

TEST(splay_table_knows_the_order_of_insertion, "")
{
    static const ULONG keys[] = {5, 1, 9, 3, 7};
    RTL_GENERIC_TABLE table;

    RtlInitializeGenericTable(&table, compare_splay, allocate_splay, free_splay, &present);
    for (ULONG i = 0; i < RTL_NUMBER_OF(keys); i++) {
        struct element element = {keys[i], ~keys[i]};

        EXPECT(RtlInsertElementGenericTable(&table, &element, sizeof element, NULL) != NULL);
        for (ULONG k = 0; k <= i; k++)
            EXPECT_EQ(((struct element *)RtlGetElementGenericTable(&table, k))->key, keys[k]);
    }
    EXPECT_EQ(((struct element *)RtlGetElementGenericTable(&table, 1))->key, 1);
    EXPECT(RtlGetElementGenericTable(&table, 5) == NULL);
}

TEST(splay_tree_of_own_links, "")
{
    RTL_SPLAY_LINKS nodes[15], *root = &nodes[0], *at;

    RtlInitializeSplayLinks(&nodes[0]);
    for (int i = 1; i < 15; i++) { /* a chain to the right */
        RtlInitializeSplayLinks(&nodes[i]);
        RtlInsertAsRightChild(&nodes[i - 1], &nodes[i]);
    }
    root = RtlSplay(&nodes[14]);
    EXPECT(root == &nodes[14] && RtlIsRoot(root));
    root = RtlSplay(&nodes[6]);
    EXPECT(RtlRealPredecessor(&nodes[0]) == NULL);
    EXPECT(RtlRealSuccessor(&nodes[14]) == NULL);
    at = &nodes[0];
    for (int i = 0; i < 15; i++, at = RtlRealSuccessor(at))
        EXPECT(at == &nodes[i]);
    EXPECT(RtlSubtreePredecessor(root) == &nodes[5]);
    EXPECT(RtlSubtreeSuccessor(root) == &nodes[7]);
    RtlDeleteNoSplay(&nodes[6], &root);
    EXPECT(RtlIsRoot(root));
    EXPECT(RtlRealSuccessor(&nodes[5]) == &nodes[7]);
    EXPECT(RtlRealPredecessor(&nodes[7]) == &nodes[5]);
    for (int i = 0; i < 15; i++) {
        if (i == 6)
            continue;
        root = RtlDelete(&nodes[i]);
        EXPECT_EQ(root == NULL, i == 14);
    }
}

/* ---- version ------------------------------------------------------------------------------------------ */

TEST(version_is_that_of_the_headers, "")
{
    RTL_OSVERSIONINFOEXW extended;
    RTL_OSVERSIONINFOW plain[2];

    memset(plain, 0xA5, sizeof plain);
    memset(&extended, 0xA5, sizeof extended);
    plain[0].dwOSVersionInfoSize = sizeof plain[0];
    extended.dwOSVersionInfoSize = sizeof extended;
    EXPECT_STATUS(RtlGetVersion(&plain[0]), STATUS_SUCCESS);
    EXPECT_EQ(plain[0].dwMajorVersion, 10);
    EXPECT_EQ(plain[0].dwMinorVersion, 0);
    EXPECT(plain[0].dwBuildNumber >= 26100);
    EXPECT_EQ(plain[0].dwPlatformId, VER_PLATFORM_WIN32_NT);
    EXPECT_EQ(plain[0].szCSDVersion[0], 0);
    EXPECT_EQ(plain[1].dwOSVersionInfoSize, 0xA5A5A5A5); /* nothing behind it */
    EXPECT_STATUS(RtlGetVersion((PRTL_OSVERSIONINFOW)&extended), STATUS_SUCCESS);
    EXPECT_EQ(extended.wServicePackMajor, 0);
    EXPECT_EQ(extended.wProductType, VER_NT_WORKSTATION);
    EXPECT(RtlIsNtDdiVersionAvailable(NTDDI_WIN7));
    EXPECT(RtlIsNtDdiVersionAvailable(NTDDI_VERSION));
    EXPECT(!RtlIsNtDdiVersionAvailable(0x0B000000));
}

/* ---- once --------------------------------------------------------------------------------------------- */

static RTL_RUN_ONCE once = RTL_RUN_ONCE_INIT;
static uint32_t initialised, failures_wanted;

static ULONG NTAPI initialise(PRTL_RUN_ONCE run_once, PVOID parameter, PVOID *context)
{
    EXPECT(run_once == &once);
    for (int i = 0; i < 100; i++)
        host_yield();
    __atomic_fetch_add(&initialised, 1, __ATOMIC_RELAXED);
    if (failures_wanted > 0) {
        failures_wanted--;
        return FALSE;
    }
    *context = parameter;
    return TRUE;
}

static VOID execute_once(PVOID context)
{
    PVOID result = NULL;

    EXPECT_STATUS(RtlRunOnceExecuteOnce(&once, initialise, context, &result), STATUS_SUCCESS);
    EXPECT(result == &once);
}

TEST(run_once_runs_once, "")
{
    struct ke_thread *threads[6];
    PVOID result = NULL;

    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, RTL_RUN_ONCE_CHECK_ONLY, &result), STATUS_UNSUCCESSFUL);
    failures_wanted = 1;
    EXPECT_STATUS(RtlRunOnceExecuteOnce(&once, initialise, NULL, &result), STATUS_UNSUCCESSFUL);
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(execute_once, &once);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    EXPECT_EQ(initialised, 2);
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, RTL_RUN_ONCE_CHECK_ONLY, &result), STATUS_SUCCESS);
    EXPECT(result == &once);
    EXPECT_STATUS(RtlRunOnceComplete(&once, 0, NULL), STATUS_UNSUCCESSFUL);
}

TEST(run_once_asynchronously, "")
{
    PVOID result = NULL;
    LONGLONG a, b;

    RtlRunOnceInitialize(&once);
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, RTL_RUN_ONCE_ASYNC, &result), STATUS_PENDING);
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, RTL_RUN_ONCE_ASYNC, &result),
                  STATUS_PENDING); /* both may try */
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, 0, &result), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, 0x100, &result), STATUS_INVALID_PARAMETER_2);
    EXPECT_STATUS(RtlRunOnceComplete(&once, RTL_RUN_ONCE_ASYNC, (PVOID)3), STATUS_INVALID_PARAMETER_3);
    EXPECT_STATUS(RtlRunOnceComplete(&once, RTL_RUN_ONCE_ASYNC, &a), STATUS_SUCCESS);
    EXPECT_STATUS(RtlRunOnceComplete(&once, RTL_RUN_ONCE_ASYNC, &b), STATUS_OBJECT_NAME_COLLISION);
    EXPECT_STATUS(RtlRunOnceBeginInitialize(&once, 0, &result), STATUS_SUCCESS);
    EXPECT(result == &a);
}
