/*
 * pages.c - whole pages, what a sanitizer may know of them, and random bytes.
 */
#include "host/backend.h"
#include "linux.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>

#if HOST_ASAN
void __asan_poison_memory_region(void const volatile *address, size_t bytes);
void __asan_unpoison_memory_region(void const volatile *address, size_t bytes);
#endif

enum { PAGE = 4096 };

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static int protection_bits(int protection)
{
    return (protection & HOST_PAGE_READ ? PROT_READ : 0) | (protection & HOST_PAGE_WRITE ? PROT_WRITE : 0) |
           (protection & HOST_PAGE_EXECUTE ? PROT_EXEC : 0);
}

static _Atomic size_t held HOST_KEPT; /* bytes */

size_t linux_pages_held(void)
{
    return atomic_load(&held);
}

void *host_pages_allocate(size_t bytes, size_t alignment, int protection)
{
    size_t size = whole_pages(bytes);
    size_t slack = alignment > PAGE ? alignment - PAGE : 0;

    if (__builtin_expect(host_backend != NULL, 0))
        return host_backend->pages_allocate(bytes, alignment, protection);
    if (size == 0 || size < bytes || size + slack < size)
        return NULL;
    char *pages = mmap(NULL, size + slack, protection_bits(protection), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    if (slack) {
        char *aligned = (char *)(((uintptr_t)pages + slack) & ~(uintptr_t)(alignment - 1));
        size_t before = (size_t)(aligned - pages);

        if (before)
            munmap(pages, before);
        if (slack - before)
            munmap(aligned + size, slack - before);
        pages = aligned;
    }
    atomic_fetch_add_explicit(&held, size, memory_order_relaxed);
    return pages;
}

void host_pages_free(void *pages, size_t bytes)
{
    if (__builtin_expect(host_backend != NULL, 0) && host_backend->pages_free(pages, bytes) == 0)
        return;
    host_memory_unpoison(pages, whole_pages(bytes)); /* the next mapping there is somebody else's */
    munmap(pages, whole_pages(bytes));
    atomic_fetch_sub_explicit(&held, whole_pages(bytes), memory_order_relaxed);
}

int host_pages_protect(void *pages, size_t bytes, int protection)
{
    int answer =
        __builtin_expect(host_backend != NULL, 0) ? host_backend->pages_protect(pages, bytes, protection) : 1;

    if (answer <= 0)
        return answer;
    return mprotect(pages, whole_pages(bytes), protection_bits(protection));
}

void host_memory_poison(const volatile void *address, size_t bytes)
{
#if HOST_ASAN
    __asan_poison_memory_region(address, bytes);
#else
    (void)address;
    (void)bytes;
#endif
}

void host_memory_unpoison(const volatile void *address, size_t bytes)
{
#if HOST_ASAN
    __asan_unpoison_memory_region(address, bytes);
#else
    (void)address;
    (void)bytes;
#endif
}

void host_entropy(void *buffer, size_t bytes)
{
    char *at = buffer;

    if (__builtin_expect(host_backend != NULL, 0)) {
        host_backend->entropy(buffer, bytes);
        return;
    }
    while (bytes) {
        ssize_t got = getrandom(at, bytes, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            host_abort(); /* no randomness at all: nothing sensible can be handed out */
        }
        at += got;
        bytes -= (size_t)got;
    }
}
