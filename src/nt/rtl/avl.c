/*
 * avl.c - tables of the driver's elements in an AVL tree.
 *
 * BalancedRoot of the table stands above the root, which is its right child; so every node has a parent.  Balance
 * is the depth of the right subtree minus that of the left one.  A node is followed by the element, which the
 * driver sees.  Nothing here locks: the driver serialises its calls.  Its routines run inside its own call and are
 * called without the gate.
 */
#include <wdm.h>

#include <string.h>

#define LEFT  (-1)
#define RIGHT 1

typedef RTL_BALANCED_LINKS node_t;

static PVOID element_of(node_t *node)
{
    return node ? node + 1 : NULL;
}

static int side_of(const node_t *node)
{
    return node->Parent->LeftChild == node ? LEFT : RIGHT;
}

static node_t *child(const node_t *node, int side)
{
    return side == LEFT ? node->LeftChild : node->RightChild;
}

static void set_child(node_t *node, int side, node_t *to)
{
    if (side == LEFT)
        node->LeftChild = to;
    else
        node->RightChild = to;
    if (to)
        to->Parent = node;
}

/* The outermost node on that side of the subtree. */
static node_t *outermost(node_t *node, int side)
{
    while (node && child(node, side))
        node = child(node, side);
    return node;
}

/* The next node in order towards that side; NULL at the end. */
static node_t *neighbour(const RTL_AVL_TABLE *table, node_t *node, int side)
{
    if (child(node, side))
        return outermost(child(node, side), -side);
    while (node->Parent != &table->BalancedRoot) {
        int came_from = side_of(node);

        node = node->Parent;
        if (came_from != side)
            return node;
    }
    return NULL;
}

/* ---- balance ------------------------------------------------------------------------------------------ */

/* The node takes the place of its parent, which becomes its child. */
static void rotate_up(node_t *node)
{
    node_t *parent = node->Parent, *above = parent->Parent;
    int side = side_of(node), parents_side = side_of(parent);

    set_child(parent, side, child(node, -side));
    set_child(node, -side, parent);
    set_child(above, parents_side, node);
}

/* `node` is two levels deeper on `side`.  Returns what stands in its place; *shrank = the subtree is less deep. */
static node_t *balance(node_t *node, int side, int *shrank)
{
    node_t *heavy = child(node, side), *middle;

    *shrank = heavy->Balance != 0;
    if (heavy->Balance != -side) {
        rotate_up(heavy);
        node->Balance = heavy->Balance ? 0 : (CHAR)side;
        heavy->Balance = heavy->Balance ? 0 : (CHAR)-side;
        return heavy;
    }
    middle = child(heavy, -side);
    rotate_up(middle);
    rotate_up(middle);
    node->Balance = middle->Balance == side ? (CHAR)-side : 0;
    heavy->Balance = middle->Balance == -side ? (CHAR)side : 0;
    middle->Balance = 0;
    return middle;
}

/* A leaf has been added. */
static void has_grown(PRTL_AVL_TABLE table, node_t *node)
{
    for (; node->Parent != &table->BalancedRoot; node = node->Parent) {
        node_t *parent = node->Parent;
        int side = side_of(node), shrank;

        if (parent->Balance == -side) {
            parent->Balance = 0;
            return;
        }
        if (parent->Balance == side) {
            (void)balance(parent, side, &shrank);
            return;
        }
        parent->Balance = (CHAR)side;
    }
    table->DepthOfTree++;
}

/* The subtree on `side` of `node` is one level less deep. */
static void has_shrunk(PRTL_AVL_TABLE table, node_t *node, int side)
{
    while (node != &table->BalancedRoot) {
        int shrank = 1;

        if (node->Balance == 0) {
            node->Balance = (CHAR)-side;
            return;
        }
        if (node->Balance == side)
            node->Balance = 0;
        else
            node = balance(node, -side, &shrank);
        if (!shrank)
            return;
        side = side_of(node);
        node = node->Parent;
    }
    table->DepthOfTree--;
}

static void unlink_node(PRTL_AVL_TABLE table, node_t *node)
{
    node_t *instead, *from;
    int side;

    if (!node->LeftChild || !node->RightChild) {
        from = node->Parent;
        side = side_of(node);
        set_child(from, side, node->LeftChild ? node->LeftChild : node->RightChild);
        has_shrunk(table, from, side);
        return;
    }
    instead = outermost(node->RightChild, LEFT); /* takes over place, children and balance */
    side = side_of(instead);
    from = instead->Parent == node ? instead : instead->Parent;
    set_child(instead->Parent, side, instead->RightChild);
    set_child(instead, LEFT, node->LeftChild);
    set_child(instead, RIGHT, node->RightChild);
    instead->Balance = node->Balance;
    set_child(node->Parent, side_of(node), instead);
    has_shrunk(table, from, side);
}

/* ---- lookups ------------------------------------------------------------------------------------------ */

/* The equal node, or the one below which it would be inserted. */
static TABLE_SEARCH_RESULT search(PRTL_AVL_TABLE table, PVOID buffer, node_t **found)
{
    node_t *node = table->BalancedRoot.RightChild;

    *found = &table->BalancedRoot;
    if (!node)
        return TableEmptyTree;
    for (;;) {
        RTL_GENERIC_COMPARE_RESULTS order = table->CompareRoutine(table, buffer, element_of(node));
        int side = order == GenericLessThan ? LEFT : RIGHT;

        *found = node;
        if (order == GenericEqual)
            return TableFoundNode;
        if (!child(node, side))
            return side == LEFT ? TableInsertAsLeft : TableInsertAsRight;
        node = child(node, side);
    }
}

/* The cached position of RtlGetElementGenericTableAvl holds for an unchanged table only. */
static void forget_position(PRTL_AVL_TABLE table)
{
    table->OrderedPointer = NULL;
    table->WhichOrderedElement = 0;
}

static PVOID insert(PRTL_AVL_TABLE table, PVOID buffer, CLONG bytes, PBOOLEAN is_new, node_t *at,
                    TABLE_SEARCH_RESULT result)
{
    node_t *node = at;

    if (is_new)
        *is_new = FALSE;
    if (result != TableFoundNode) {
        node = table->AllocateRoutine(table, (CLONG)sizeof(node_t) + bytes);
        if (!node)
            return NULL;
        memset(node, 0, sizeof *node);
        memcpy(element_of(node), buffer, bytes);
        if (result == TableEmptyTree)
            at = &table->BalancedRoot;
        set_child(at, result == TableInsertAsLeft ? LEFT : RIGHT, node);
        table->NumberGenericTableElements++;
        has_grown(table, node);
        forget_position(table);
        if (is_new)
            *is_new = TRUE;
    }
    return element_of(node);
}

static void delete_node(PRTL_AVL_TABLE table, node_t *node)
{
    if (table->RestartKey == node) /* an enumeration goes on behind it */
        table->RestartKey = neighbour(table, node, LEFT);
    table->DeleteCount++;
    unlink_node(table, node);
    table->NumberGenericTableElements--;
    forget_position(table);
    table->FreeRoutine(table, node);
}

static PVOID enumerate(PRTL_AVL_TABLE table, node_t **key)
{
    node_t *node = *key ? neighbour(table, *key, RIGHT) : outermost(table->BalancedRoot.RightChild, LEFT);

    if (node)
        *key = node;
    return element_of(node);
}

/* ---- WDK: the driver serialises; IRQL <= DISPATCH_LEVEL, as its routines and memory allow ------------- */

/* An empty table over the driver's routines.  (ntddk RtlInitializeGenericTableAvl) */
VOID NTAPI RtlInitializeGenericTableAvl(PRTL_AVL_TABLE Table, PRTL_AVL_COMPARE_ROUTINE CompareRoutine,
                                        PRTL_AVL_ALLOCATE_ROUTINE AllocateRoutine,
                                        PRTL_AVL_FREE_ROUTINE FreeRoutine, PVOID TableContext)
{
    memset(Table, 0, sizeof *Table);
    Table->BalancedRoot.Parent = &Table->BalancedRoot;
    Table->CompareRoutine = CompareRoutine;
    Table->AllocateRoutine = AllocateRoutine;
    Table->FreeRoutine = FreeRoutine;
    Table->TableContext = TableContext;
}

/* Copies the element into the table unless an equal one is there; returns the one in the table, *NewElement tells
 * which case it was; NULL = no memory.  (ntddk RtlInsertElementGenericTableAvl) */
PVOID NTAPI RtlInsertElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                            PBOOLEAN NewElement)
{
    node_t *at;
    TABLE_SEARCH_RESULT result = search(Table, Buffer, &at);

    return insert(Table, Buffer, BufferSize, NewElement, at, result);
}

/* The same where a full lookup, of an unchanged table, has pointed to.  (ntddk RtlInsertElementGenericTableFullAvl)
 */
PVOID NTAPI RtlInsertElementGenericTableFullAvl(PRTL_AVL_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                                PBOOLEAN NewElement, PVOID NodeOrParent,
                                                TABLE_SEARCH_RESULT SearchResult)
{
    return insert(Table, Buffer, BufferSize, NewElement, NodeOrParent, SearchResult);
}

/* TRUE = an equal element was there; it has been freed.  (ntddk RtlDeleteElementGenericTableAvl) */
BOOLEAN NTAPI RtlDeleteElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer)
{
    node_t *node;

    if (search(Table, Buffer, &node) != TableFoundNode)
        return FALSE;
    delete_node(Table, node);
    return TRUE;
}

/* Deletes the node that a full lookup has found.  (ntddk RtlDeleteElementGenericTableAvlEx) */
VOID NTAPI RtlDeleteElementGenericTableAvlEx(PRTL_AVL_TABLE Table, PVOID NodeOrParent)
{
    delete_node(Table, NodeOrParent);
}

/* The equal element, NULL = there is none.  (ntddk RtlLookupElementGenericTableAvl) */
PVOID NTAPI RtlLookupElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer)
{
    node_t *node;

    return search(Table, Buffer, &node) == TableFoundNode ? element_of(node) : NULL;
}

/* The same, and what a following insertion or deletion may start from.  (ntddk RtlLookupElementGenericTableFullAvl)
 */
PVOID NTAPI RtlLookupElementGenericTableFullAvl(PRTL_AVL_TABLE Table, PVOID Buffer, PVOID *NodeOrParent,
                                                TABLE_SEARCH_RESULT *SearchResult)
{
    node_t *node;

    *SearchResult = search(Table, Buffer, &node);
    *NodeOrParent = node;
    return *SearchResult == TableFoundNode ? element_of(node) : NULL;
}

/* Restart TRUE: the first element; FALSE: the one behind the last one returned; NULL = end.
 * (ntddk RtlEnumerateGenericTableAvl) */
PVOID NTAPI RtlEnumerateGenericTableAvl(PRTL_AVL_TABLE Table, BOOLEAN Restart)
{
    if (Restart)
        Table->RestartKey = NULL;
    return enumerate(Table, &Table->RestartKey);
}

/* The same with the position in *RestartKey, NULL to begin with.  (ntddk RtlEnumerateGenericTableWithoutSplayingAvl)
 */
PVOID NTAPI RtlEnumerateGenericTableWithoutSplayingAvl(PRTL_AVL_TABLE Table, PVOID *RestartKey)
{
    return enumerate(Table, (node_t **)RestartKey);
}

/* Where an enumeration goes on: at *RestartKey while nothing was deleted since, else at the element that Buffer tells of,
 * or behind where it was. */
static node_t *resume(PRTL_AVL_TABLE table, node_t *key, ULONG deletions, PVOID buffer, ULONG next)
{
    node_t *node = key;

    if (!key || deletions != table->DeleteCount) {
        switch (search(table, buffer, &node)) {
        case TableEmptyTree:
            return NULL;
        case TableInsertAsLeft: /* the next one in order */
            return node;
        case TableInsertAsRight:
            return neighbour(table, node, RIGHT);
        default:
            break;
        }
    }
    return next ? neighbour(table, node, RIGHT) : node;
}

/* The first element from there on that MatchFunction takes; NULL = end.  *RestartKey (NULL to begin with) and
 * *DeleteCount keep the place; Buffer tells of the element at which to begin, or of the last one returned when others
 * were deleted.  NextFlag: behind it.  (ntddk RtlEnumerateGenericTableLikeADirectory) */
PVOID NTAPI RtlEnumerateGenericTableLikeADirectory(PRTL_AVL_TABLE Table,
                                                   PRTL_AVL_MATCH_FUNCTION MatchFunction, PVOID MatchData,
                                                   ULONG NextFlag, PVOID *RestartKey, PULONG DeleteCount,
                                                   PVOID Buffer)
{
    node_t *node = resume(Table, *RestartKey, *DeleteCount, Buffer, NextFlag);
    NTSTATUS status = STATUS_NO_MATCH;

    for (; node; node = neighbour(Table, node, RIGHT)) {
        status = MatchFunction ? MatchFunction(Table, element_of(node), MatchData) : STATUS_SUCCESS;
        *RestartKey = node;
        if (status != STATUS_NO_MATCH)
            break;
    }
    *DeleteCount = Table->DeleteCount;
    return node && status == STATUS_SUCCESS ? element_of(node) : NULL;
}

/* The first of several elements that the comparison calls equal to Buffer; *RestartKey leads to the next ones.
 * (ntddk RtlLookupFirstMatchingElementGenericTableAvl) */
PVOID NTAPI RtlLookupFirstMatchingElementGenericTableAvl(PRTL_AVL_TABLE Table, PVOID Buffer,
                                                         PVOID *RestartKey)
{
    node_t *node, *before;

    if (search(Table, Buffer, &node) != TableFoundNode)
        return NULL;
    while ((before = neighbour(Table, node, LEFT)) != NULL &&
           Table->CompareRoutine(Table, Buffer, element_of(before)) == GenericEqual)
        node = before;
    *RestartKey = node;
    return element_of(node);
}

/* Element number I in order, counted from 0; NULL = there are fewer.  (ntddk RtlGetElementGenericTableAvl) */
PVOID NTAPI RtlGetElementGenericTableAvl(PRTL_AVL_TABLE Table, ULONG I)
{
    node_t *node = Table->OrderedPointer;
    ULONG at = Table->WhichOrderedElement;

    if (I >= Table->NumberGenericTableElements)
        return NULL;
    if (!node || at > I) {
        node = outermost(Table->BalancedRoot.RightChild, LEFT);
        at = 0;
    }
    for (; at < I; at++)
        node = neighbour(Table, node, RIGHT);
    Table->OrderedPointer = node;
    Table->WhichOrderedElement = at;
    return element_of(node);
}

/* (ntddk RtlNumberGenericTableElementsAvl, RtlIsGenericTableEmptyAvl) */
ULONG NTAPI RtlNumberGenericTableElementsAvl(PRTL_AVL_TABLE Table)
{
    return Table->NumberGenericTableElements;
}

BOOLEAN NTAPI RtlIsGenericTableEmptyAvl(PRTL_AVL_TABLE Table)
{
    return Table->NumberGenericTableElements == 0;
}
