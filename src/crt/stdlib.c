/* stdlib.c - absolute values, sorting, searching and pseudo-random numbers. */
#include "crt.h"

#include <stdlib.h>

CRT_API int abs(int value)
{
    return value < 0 ? -value : value;
}

CRT_API long labs(long value)
{
    return value < 0 ? -value : value;
}

CRT_API long long llabs(long long value)
{
    return value < 0 ? -value : value;
}

CRT_API long long _abs64(long long value)
{
    return value < 0 ? -value : value;
}

static void swap(char *left, char *right, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char byte = left[i];
        left[i] = right[i];
        right[i] = byte;
    }
}

/* Restores the heap below `root` in base[0..count). */
static void sift(char *base, size_t root, size_t count, size_t bytes,
                 int (*compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(base + child * bytes, base + (child + 1) * bytes) < 0)
            child++;
        if (compare(base + root * bytes, base + child * bytes) >= 0)
            return;
        swap(base + root * bytes, base + child * bytes, bytes);
    }
}

/* Heap sort: no recursion (kernel stacks are small), no memory, never quadratic.  Not stable. */
CRT_API void qsort(void *base, size_t count, size_t bytes, int (*compare)(const void *, const void *))
{
    for (size_t root = count / 2; root-- > 0;)
        sift(base, root, count, bytes, compare);
    for (size_t last = count; last-- > 1;) {
        swap(base, (char *)base + last * bytes, bytes);
        sift(base, 0, last, bytes, compare);
    }
}

CRT_API void *bsearch(const void *key, const void *base, size_t count, size_t bytes,
                      int (*compare)(const void *, const void *))
{
    const char *low = base;

    while (count) {
        const char *middle = low + count / 2 * bytes;
        int order = compare(key, middle);
        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            low = middle + bytes;
            count = count - count / 2 - 1;
        } else {
            count /= 2;
        }
    }
    return NULL;
}

/* The generator of Microsoft's run time, so that a seed gives the numbers it gives there. */
static unsigned random_state = 1;

CRT_API void srand(unsigned int seed)
{
    __atomic_store_n(&random_state, seed, __ATOMIC_RELAXED);
}

CRT_API int rand(void)
{
    unsigned before = __atomic_load_n(&random_state, __ATOMIC_RELAXED), after;

    do
        after = before * 214013u + 2531011u;
    while (
        !__atomic_compare_exchange_n(&random_state, &before, after, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return (int)(after >> 16 & RAND_MAX);
}
