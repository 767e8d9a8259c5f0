/*
 * splay.c - splay trees of the driver's own links, and tables of its elements in one.
 *
 * The root is its own parent.  A node of a table is its links, its place in the order of insertion, and the element.
 * Nothing here locks: the driver serialises its calls.  Its routines run inside its own call and are called without
 * the gate.
 */
#include <wdm.h>

#include <string.h>

typedef RTL_SPLAY_LINKS links_t;

struct entry {
    links_t links;
    LIST_ENTRY inserted; /* in InsertOrderList */
    LONGLONG element[];
};

/* ---- trees -------------------------------------------------------------------------------------------- */

/* What leads to the node from above, NULL for the root. */
static links_t **link_to(links_t *node)
{
    links_t *parent = node->Parent;

    if (parent == node)
        return NULL;
    return parent->LeftChild == node ? &parent->LeftChild : &parent->RightChild;
}

/* `node` (may be NULL) stands where `old` stood. */
static void stand_in(links_t *old, links_t *node)
{
    links_t **link = link_to(old);

    if (node)
        node->Parent = link ? old->Parent : node;
    if (link)
        *link = node;
}

static void rotate_up(links_t *node)
{
    links_t *parent = node->Parent;
    links_t **inner, **outer;

    if (parent->LeftChild == node) {
        inner = &node->RightChild;
        outer = &parent->LeftChild;
    } else {
        inner = &node->LeftChild;
        outer = &parent->RightChild;
    }
    stand_in(parent, node);
    *outer = *inner;
    if (*outer)
        (*outer)->Parent = parent;
    *inner = parent;
    parent->Parent = node;
}

static links_t *splay(links_t *node)
{
    while (node->Parent != node) {
        links_t *parent = node->Parent, *above = parent->Parent;

        if (above != parent) {
            int same_side = (above->LeftChild == parent) == (parent->LeftChild == node);

            rotate_up(same_side ? parent : node);
        }
        rotate_up(node);
    }
    return node;
}

static links_t *leftmost(links_t *node)
{
    while (node && node->LeftChild)
        node = node->LeftChild;
    return node;
}

static links_t *rightmost(links_t *node)
{
    while (node && node->RightChild)
        node = node->RightChild;
    return node;
}

static links_t *successor(links_t *node)
{
    if (node->RightChild)
        return leftmost(node->RightChild);
    while (node->Parent != node && node->Parent->RightChild == node)
        node = node->Parent;
    return node->Parent != node ? node->Parent : NULL;
}

static links_t *predecessor(links_t *node)
{
    if (node->LeftChild)
        return rightmost(node->LeftChild);
    while (node->Parent != node && node->Parent->LeftChild == node)
        node = node->Parent;
    return node->Parent != node ? node->Parent : NULL;
}

/* Takes the node out.  Returns the one above the gap, or the new root when the gap is at the top; NULL = empty. */
static links_t *take_out(links_t *node)
{
    links_t *instead, *above;

    if (!node->LeftChild || !node->RightChild) {
        instead = node->LeftChild ? node->LeftChild : node->RightChild;
        above = node->Parent != node ? node->Parent : instead;
        stand_in(node, instead);
        return above;
    }
    instead = rightmost(node->LeftChild);
    above = instead->Parent != node ? instead->Parent : instead;
    stand_in(instead, instead->LeftChild);
    instead->LeftChild = node->LeftChild;
    if (instead->LeftChild)
        instead->LeftChild->Parent = instead;
    instead->RightChild = node->RightChild;
    instead->RightChild->Parent = instead;
    stand_in(node, instead);
    return above;
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static struct entry *entry_of(links_t *links)
{
    return CONTAINING_RECORD(links, struct entry, links);
}

static PVOID element_of(links_t *links)
{
    return links ? entry_of(links)->element : NULL;
}

static TABLE_SEARCH_RESULT search(PRTL_GENERIC_TABLE table, PVOID buffer, links_t **found)
{
    links_t *node = table->TableRoot;

    *found = NULL;
    if (!node)
        return TableEmptyTree;
    for (;;) {
        RTL_GENERIC_COMPARE_RESULTS order = table->CompareRoutine(table, buffer, element_of(node));
        links_t *next = order == GenericLessThan ? node->LeftChild : node->RightChild;

        *found = node;
        if (order == GenericEqual)
            return TableFoundNode;
        if (!next)
            return order == GenericLessThan ? TableInsertAsLeft : TableInsertAsRight;
        node = next;
    }
}

static void forget_position(PRTL_GENERIC_TABLE table)
{
    table->OrderedPointer = &table->InsertOrderList;
    table->WhichOrderedElement = 0; /* one more than the index of the element there; 0 = none */
}

static PVOID insert(PRTL_GENERIC_TABLE table, PVOID buffer, CLONG bytes, PBOOLEAN is_new, links_t *at,
                    TABLE_SEARCH_RESULT result)
{
    struct entry *entry;

    if (is_new)
        *is_new = FALSE;
    if (result == TableFoundNode) {
        table->TableRoot = splay(at);
        return element_of(at);
    }
    entry = table->AllocateRoutine(table, (CLONG)sizeof *entry + bytes);
    if (!entry)
        return NULL;
    uwsk_initialize_splay_links(&entry->links);
    memcpy(entry->element, buffer, bytes);
    InsertTailList(&table->InsertOrderList, &entry->inserted);
    table->NumberGenericTableElements++;
    if (result != TableEmptyTree)
        uwsk_insert_splay_child(at, &entry->links, result == TableInsertAsLeft);
    table->TableRoot = splay(&entry->links);
    if (is_new)
        *is_new = TRUE;
    return entry->element;
}

static PVOID look_up(PRTL_GENERIC_TABLE table, links_t *node, TABLE_SEARCH_RESULT result)
{
    if (result != TableFoundNode)
        return NULL;
    table->TableRoot = splay(node);
    return element_of(node);
}

/* ---- WDK: the driver serialises; IRQL <= DISPATCH_LEVEL, as its routines and memory allow ------------- */

/* Makes the node the root; returns it.  (ntddk RtlSplay) */
PRTL_SPLAY_LINKS NTAPI RtlSplay(PRTL_SPLAY_LINKS Links)
{
    return splay(Links);
}

/* Takes the node out and splays where it was; returns the root, NULL = the tree is empty.  (ntddk RtlDelete) */
PRTL_SPLAY_LINKS NTAPI RtlDelete(PRTL_SPLAY_LINKS Links)
{
    links_t *above = take_out(Links);

    return above ? splay(above) : NULL;
}

/* Takes the node out and leaves the others as they are; *Root follows.  (ntddk RtlDeleteNoSplay) */
VOID NTAPI RtlDeleteNoSplay(PRTL_SPLAY_LINKS Links, PRTL_SPLAY_LINKS *Root)
{
    links_t *root = take_out(Links);

    while (root && root->Parent != root)
        root = root->Parent;
    *Root = root;
}

/* The next or previous node in order within the node's own subtree; NULL = none there.
 * (ntddk RtlSubtreeSuccessor, RtlSubtreePredecessor) */
PRTL_SPLAY_LINKS NTAPI RtlSubtreeSuccessor(PRTL_SPLAY_LINKS Links)
{
    return leftmost(Links->RightChild);
}

PRTL_SPLAY_LINKS NTAPI RtlSubtreePredecessor(PRTL_SPLAY_LINKS Links)
{
    return rightmost(Links->LeftChild);
}

/* The same in the whole tree.  (ntddk RtlRealSuccessor, RtlRealPredecessor) */
PRTL_SPLAY_LINKS NTAPI RtlRealSuccessor(PRTL_SPLAY_LINKS Links)
{
    return successor(Links);
}

PRTL_SPLAY_LINKS NTAPI RtlRealPredecessor(PRTL_SPLAY_LINKS Links)
{
    return predecessor(Links);
}

/* An empty table over the driver's routines.  (ntddk RtlInitializeGenericTable) */
VOID NTAPI RtlInitializeGenericTable(PRTL_GENERIC_TABLE Table, PRTL_GENERIC_COMPARE_ROUTINE CompareRoutine,
                                     PRTL_GENERIC_ALLOCATE_ROUTINE AllocateRoutine,
                                     PRTL_GENERIC_FREE_ROUTINE FreeRoutine, PVOID TableContext)
{
    memset(Table, 0, sizeof *Table);
    InitializeListHead(&Table->InsertOrderList);
    forget_position(Table);
    Table->CompareRoutine = CompareRoutine;
    Table->AllocateRoutine = AllocateRoutine;
    Table->FreeRoutine = FreeRoutine;
    Table->TableContext = TableContext;
}

/* Copies the element into the table unless an equal one is there; returns the one in the table, *NewElement tells
 * which case it was; NULL = no memory.  (ntddk RtlInsertElementGenericTable) */
PVOID NTAPI RtlInsertElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                         PBOOLEAN NewElement)
{
    links_t *at;
    TABLE_SEARCH_RESULT result = search(Table, Buffer, &at);

    return insert(Table, Buffer, BufferSize, NewElement, at, result);
}

/* The same where a full lookup, of an unchanged table, has pointed to.  (ntddk RtlInsertElementGenericTableFull) */
PVOID NTAPI RtlInsertElementGenericTableFull(PRTL_GENERIC_TABLE Table, PVOID Buffer, CLONG BufferSize,
                                             PBOOLEAN NewElement, PVOID NodeOrParent,
                                             TABLE_SEARCH_RESULT SearchResult)
{
    return insert(Table, Buffer, BufferSize, NewElement, NodeOrParent, SearchResult);
}

/* TRUE = an equal element was there; it has been freed.  (ntddk RtlDeleteElementGenericTable) */
BOOLEAN NTAPI RtlDeleteElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer)
{
    links_t *node, *above;

    if (search(Table, Buffer, &node) != TableFoundNode)
        return FALSE;
    above = take_out(node);
    Table->TableRoot = above ? splay(above) : NULL;
    RemoveEntryList(&entry_of(node)->inserted);
    Table->NumberGenericTableElements--;
    forget_position(Table);
    Table->FreeRoutine(Table, entry_of(node));
    return TRUE;
}

/* The equal element, which becomes the root; NULL = there is none.  (ntddk RtlLookupElementGenericTable) */
PVOID NTAPI RtlLookupElementGenericTable(PRTL_GENERIC_TABLE Table, PVOID Buffer)
{
    links_t *node;
    TABLE_SEARCH_RESULT result = search(Table, Buffer, &node);

    return look_up(Table, node, result);
}

/* The same, and what a following insertion may start from.  (ntddk RtlLookupElementGenericTableFull) */
PVOID NTAPI RtlLookupElementGenericTableFull(PRTL_GENERIC_TABLE Table, PVOID Buffer, PVOID *NodeOrParent,
                                             TABLE_SEARCH_RESULT *SearchResult)
{
    links_t *node;

    *SearchResult = search(Table, Buffer, &node);
    *NodeOrParent = node;
    return look_up(Table, node, *SearchResult);
}

/* Restart TRUE: the first element in order; FALSE: the one behind the root, which is the last one returned.  It
 * becomes the root; NULL = end.  (ntddk RtlEnumerateGenericTable) */
PVOID NTAPI RtlEnumerateGenericTable(PRTL_GENERIC_TABLE Table, BOOLEAN Restart)
{
    links_t *node = NULL;

    if (Table->TableRoot)
        node = Restart ? leftmost(Table->TableRoot) : successor(Table->TableRoot);
    return look_up(Table, node, node ? TableFoundNode : TableEmptyTree);
}

/* The same with the position in *RestartKey, NULL to begin with, and a tree that stays as it is.
 * (ntddk RtlEnumerateGenericTableWithoutSplaying) */
PVOID NTAPI RtlEnumerateGenericTableWithoutSplaying(PRTL_GENERIC_TABLE Table, PVOID *RestartKey)
{
    links_t *node = *RestartKey ? successor(*RestartKey) : leftmost(Table->TableRoot);

    if (node)
        *RestartKey = node;
    return element_of(node);
}

/* Element number I by order of insertion, counted from 0; NULL = there are fewer.  (ntddk RtlGetElementGenericTable)
 */
PVOID NTAPI RtlGetElementGenericTable(PRTL_GENERIC_TABLE Table, ULONG I)
{
    if (I >= Table->NumberGenericTableElements)
        return NULL;
    if (Table->WhichOrderedElement > I + 1)
        forget_position(Table);
    for (; Table->WhichOrderedElement < I + 1; Table->WhichOrderedElement++)
        Table->OrderedPointer = Table->OrderedPointer->Flink;
    return CONTAINING_RECORD(Table->OrderedPointer, struct entry, inserted)->element;
}

/* (ntddk RtlNumberGenericTableElements, RtlIsGenericTableEmpty) */
ULONG NTAPI RtlNumberGenericTableElements(PRTL_GENERIC_TABLE Table)
{
    return Table->NumberGenericTableElements;
}

BOOLEAN NTAPI RtlIsGenericTableEmpty(PRTL_GENERIC_TABLE Table)
{
    return Table->TableRoot == NULL;
}
