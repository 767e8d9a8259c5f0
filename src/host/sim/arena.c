/*
 * arena.c - the pages of a run: one reservation, handed out in the same order in every run, so that the same plan
 * sees the same addresses.
 *
 * Pages are zeroed when they are handed out again, never before: what a run did not take costs nothing.  Free
 * extents are kept apart by size; small ones are found at once, big ones by looking through the list.
 */
#include "internal.h"

#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, BINS = 65, EXTENTS_MAX = 65536 };

#define ARENA_BYTES     ((size_t)4 << 30)
#define ARENA_BYTES_MIN ((size_t)256 << 20)
#if HOST_TSAN
#define ARENA_ADDRESS ((void *)0) /* the sanitizer knows its own places only */
#else
#define ARENA_ADDRESS ((void *)0x200000000000)
#endif
#define ZERO_BY_HAND ((size_t)2 << 20) /* more than that, and new pages from the system are cheaper */

struct extent {
    uint32_t page, pages;
    uint32_t next; /* index + 1 */
};

static struct arena {
    char *base;
    uint32_t pages;      /* all of them */
    uint32_t top;        /* never handed out in this run: everything from here on */
    uint32_t dirty;      /* never handed out in any run: everything from here on */
    uint32_t bins[BINS]; /* of so many pages, 0: bigger; index + 1 of the first */
    uint32_t spare;      /* unused records */
    uint32_t records;
    struct extent extents[EXTENTS_MAX];
    uint8_t odd[]; /* per page: not simply readable and writable */
} * arena HOST_KEPT;

static void *reserve(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = MAP_FAILED;

    if (ARENA_ADDRESS)
        memory = mmap(ARENA_ADDRESS, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED)
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int sim_arena_prepare(void)
{
    if (arena)
        return 0;
    for (size_t bytes = ARENA_BYTES; bytes >= ARENA_BYTES_MIN; bytes /= 2) {
        char *base = reserve(bytes);

        if (!base)
            continue;
        madvise(base, bytes, MADV_NOHUGEPAGE); /* a run is to dirty what it uses, no more */
        arena = sim_map(sizeof *arena + bytes / PAGE);
        if (!arena)
            return -1;
        arena->base = base;
        arena->pages = (uint32_t)(bytes / PAGE);
        return 0;
    }
    return -1;
}

/* ---- records of free extents -------------------------------------------------------------------------- */

static uint32_t *bin_of(uint32_t pages)
{
    return &arena->bins[pages < BINS ? pages : 0];
}

/* Without a record left, the extent is lost for this run. */
static void keep(uint32_t page, uint32_t pages)
{
    uint32_t index = arena->spare;

    if (pages == 0)
        return;
    if (index)
        arena->spare = arena->extents[index - 1].next;
    else if (arena->records < EXTENTS_MAX)
        index = ++arena->records;
    else
        return;
    uint32_t *bin = bin_of(pages);

    arena->extents[index - 1] = (struct extent){page, pages, *bin};
    *bin = index;
}

/* The first extent of the bin that holds `pages` aligned to `align` pages; 0 = none, else page + 1. */
static uint32_t take_from(uint32_t *bin, uint32_t pages, uint32_t align)
{
    for (uint32_t *link = bin, index; (index = *link) != 0; link = &arena->extents[index - 1].next) {
        struct extent found = arena->extents[index - 1];
        uint32_t start = (found.page + align - 1) / align * align;

        if (start + pages > found.page + found.pages)
            continue;
        *link = found.next;
        arena->extents[index - 1].next = arena->spare;
        arena->spare = index;
        keep(found.page, start - found.page);
        keep(start + pages, found.page + found.pages - start - pages);
        return start + 1;
    }
    return 0;
}

/* ---- pages -------------------------------------------------------------------------------------------- */

static void zero(uint32_t page, uint32_t pages)
{
    uint32_t dirty = page < arena->dirty ? arena->dirty - page : 0;
    char *memory = arena->base + (size_t)page * PAGE;
    size_t bytes = (size_t)(dirty < pages ? dirty : pages) * PAGE;

    if (bytes > ZERO_BY_HAND && madvise(memory, bytes, MADV_DONTNEED) == 0)
        return;
    memset(memory, 0, bytes);
}

static int protect(uint32_t page, uint32_t pages, int protection)
{
    int bits = (protection & HOST_PAGE_READ ? PROT_READ : 0) |
               (protection & HOST_PAGE_WRITE ? PROT_WRITE : 0) |
               (protection & HOST_PAGE_EXECUTE ? PROT_EXEC : 0);
    int odd = bits != (PROT_READ | PROT_WRITE), change = odd;

    for (uint32_t i = page; i < page + pages && !change; i++)
        change = arena->odd[i];
    if (!change)
        return 0;
    if (mprotect(arena->base + (size_t)page * PAGE, (size_t)pages * PAGE, bits) != 0)
        return -1;
    memset(arena->odd + page, odd, pages);
    return 0;
}

static uint32_t pages_in(size_t bytes)
{
    return bytes <= (size_t)arena->pages * PAGE ? (uint32_t)((bytes + PAGE - 1) / PAGE) : 0;
}

void *sim_arena_allocate(size_t bytes, size_t alignment, int protection)
{
    uint32_t pages = pages_in(bytes), align = alignment > PAGE ? (uint32_t)(alignment / PAGE) : 1;
    /* Addresses, not page numbers, are to be aligned: the base is aligned to what anybody asks for here. */
    uint32_t found = pages ? take_from(bin_of(pages), pages, align) : 0;
    uint32_t start = (arena->top + align - 1) / align * align;

    if (pages == 0 || ((uintptr_t)arena->base & (alignment - 1)))
        return NULL;
    if (!found)
        found = take_from(&arena->bins[0], pages, align);
    if (found) {
        start = found - 1;
    } else {
        if (start + pages > arena->pages || start + pages < start)
            return NULL;
        keep(arena->top, start - arena->top);
        arena->top = start + pages;
    }
    if (protect(start, pages, HOST_PAGE_READ | HOST_PAGE_WRITE) != 0)
        return NULL;
    host_memory_unpoison(arena->base + (size_t)start * PAGE, (size_t)pages * PAGE);
    zero(start, pages);
    if (start + pages > arena->dirty)
        arena->dirty = start + pages;
    if (protect(start, pages, protection) != 0) {
        keep(start, pages);
        return NULL;
    }
    return arena->base + (size_t)start * PAGE;
}

static int holds(const void *pages)
{
    uintptr_t at = (uintptr_t)pages, base = arena ? (uintptr_t)arena->base : 0;

    return arena && at >= base && at < base + (size_t)arena->pages * PAGE;
}

int sim_arena_free(void *pages, size_t bytes)
{
    if (!holds(pages))
        return -1;
    host_memory_unpoison(pages, bytes);
    keep((uint32_t)((size_t)((char *)pages - arena->base) / PAGE), pages_in(bytes));
    return 0;
}

int sim_arena_protect(void *pages, size_t bytes, int protection)
{
    return holds(pages) ? protect((uint32_t)((size_t)((char *)pages - arena->base) / PAGE), pages_in(bytes),
                                  protection)
                        : 1;
}

void sim_arena_reset(void)
{
    arena->top = 0;
    arena->spare = 0;
    arena->records = 0;
    memset(arena->bins, 0, sizeof arena->bins);
}
