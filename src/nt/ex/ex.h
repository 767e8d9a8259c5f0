/*
 * ex.h - pool, work items and lookaside lists as the rooms see them.
 */
#ifndef UWSK_NT_EX_H
#define UWSK_NT_EX_H

#include <wdm.h>
#include <stdint.h>

/* ---- pool (docs/pool.md) ------------------------------------------------------------------------------ */

/* What a block is: freeing it as something else is a bug check (K-FREE-04). */
enum ex_pool_kind {
    EX_POOL_PLAIN = 1,
    EX_POOL_IRP,
    EX_POOL_MDL,
    EX_POOL_WORK_ITEM,
    EX_POOL_DEVICE,
    EX_POOL_KIND_MAX
};

/* Among the flags, none of POOL_FLAG_*: the content is the caller's business, neither zeroed nor filled. */
#define EX_POOL_RAW ((POOL_FLAGS)1 << 30)

/* For the runtime itself: POOL_FLAG_* flags, zeroed unless POOL_FLAG_UNINITIALIZED.  The block is not charged
 * to a driver. NULL when exhausted.  IRQL <= DISPATCH_LEVEL. */
void *ex_allocate_pool(POOL_FLAGS flags, SIZE_T bytes, ULONG tag);
/* The same for a block that a driver will have to free: `caller` is the address that the account names. */
void *ex_allocate_pool_for(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, enum ex_pool_kind kind, void *caller);
/* Frees a plain block, whoever allocated it; NULL is a bug check as anything else that is no block. */
void ex_free_pool(void *block);
/* tag 0 = do not compare. */
void ex_free_pool_kind(void *block, ULONG tag, enum ex_pool_kind kind);
/* The same, with the address that a bug check is to name. */
void ex_free_pool_from(void *block, ULONG tag, enum ex_pool_kind kind, void *caller);

struct ex_pool_block {
    void *address;
    SIZE_T bytes; /* as requested */
    ULONG tag;
    enum ex_pool_kind kind;
    POOL_FLAGS flags; /* POOL_FLAG_NON_PAGED, _NON_PAGED_EXECUTE or _PAGED */
    void *caller;     /* NULL: the runtime's own */
    uint64_t when;    /* observe_hooks->block: its stamp */
    uint32_t site;
};

/* Fill all of a block instead of its edges, the runtime's own included (docs/pool.md): so in a sanitizer build
 * from the beginning.  Before any driver code runs. */
void ex_pool_fill_all(BOOLEAN all);

/* What observers call a block of this kind: OBSERVE_...; 0 = no kind. */
int ex_pool_observed_as(enum ex_pool_kind kind);
/* Every live block; `fn` returns FALSE to stop.  It must not allocate or free.  IRQL <= DISPATCH_LEVEL. */
void ex_pool_walk(BOOLEAN (*fn)(void *context, const struct ex_pool_block *block), void *context);
/* Is it the start of a live block of this kind?  Cheaper than to ask for all that is known. */
BOOLEAN ex_pool_is_block(const volatile void *address, enum ex_pool_kind kind);
/* Its record then, for ex_free_pool_found, which does not look for it a second time; else NULL. */
struct pool_record *ex_pool_find(const volatile void *address, enum ex_pool_kind kind);
void ex_free_pool_found(void *block, struct pool_record *record, enum ex_pool_kind kind, void *caller);
/* Tells about the live block that contains `address`; FALSE when there is none. */
BOOLEAN ex_pool_query(const volatile void *address, struct ex_pool_block *block);

struct ex_pool_tag {
    ULONG tag;
    BOOLEAN runtime; /* the runtime's own blocks, else a driver's */
    SIZE_T blocks;
    SIZE_T bytes;
};

/* Live blocks summed by tag and owner, the largest sum first; returns how many entries there are (may exceed
 * `count`). */
size_t ex_pool_tags(struct ex_pool_tag *out, size_t count);
/* Blocks and bytes that drivers hold now. */
void ex_pool_driver_usage(SIZE_T *blocks, SIZE_T *bytes);

/* ---- worker threads ----------------------------------------------------------------------------------- */

/* A piece of work for a worker thread at PASSIVE_LEVEL: the caller's memory, zeroed before its first use,
 * untouched once fn has been called, so that fn may free it or queue it again (K-WORK-03).  Laid out like
 * WORK_QUEUE_ITEM. */
struct ex_work {
    struct ex_work *next; /* not NULL = queued */
    void *owner;          /* not NULL = a driver's: fn is called through the gate */
    void (*fn)(void *context);
    void *context;
};

/* Runs fn(context) on a worker thread at PASSIVE_LEVEL, where it may block: others are not held up by it.
 * Never fails, allocates nothing.  A node that is queued already is bug check 0xE4.  IRQL <= DISPATCH_LEVEL.
 */
void ex_queue_worker(struct ex_work *work, void (*fn)(void *context), void *context);

/* For the work items of drivers: fn counts as outstanding until it has returned.  The caller address is for
 * bug checks. */
void ex_queue_driver_work(struct ex_work *work, void (*fn)(void *context), void *context, void *caller);
static inline BOOLEAN ex_work_is_queued(const struct ex_work *work)
{
    return __atomic_load_n(&work->next, __ATOMIC_ACQUIRE) != NULL;
}

/* Driver work items queued or running now (IoQueueWorkItem, ExQueueWorkItem). */
LONG ex_work_outstanding(void);
/* Waits until the work that is queued has run, then ends all worker threads and waits for them.  Work that is
 * queued later starts them again.  PASSIVE_LEVEL, not from a worker. */
void ex_workers_shutdown(void);

/* ---- lists -------------------------------------------------------------------------------------------- */

/* InterlockedPopEntrySList. */
PSLIST_ENTRY ex_pop_entry_slist(PSLIST_HEADER head);

/* ---- lookaside lists: live ones, for the account ------------------------------------------------------ */

LONG ex_lookaside_outstanding(void);

#endif
