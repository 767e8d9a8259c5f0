/*
 * image.c - whose code is at an address: the ranges of loaded files.
 */
#include "runner.h"

#include <link.h>

struct search {
    uintptr_t address;
    struct runner_image found;
    int is_program;
};

static int look(struct dl_phdr_info *info, size_t size, void *context)
{
    struct search *search = context;
    uintptr_t low = UINTPTR_MAX, high = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type != PT_LOAD)
            continue;
        if (start < low)
            low = start;
        if (start + segment->p_memsz > high)
            high = start + segment->p_memsz;
    }
    if (search->address < low || search->address >= high)
        return 0;
    search->found = (struct runner_image){low, high};
    search->is_program = info->dlpi_name == NULL || info->dlpi_name[0] == 0;
    return 1;
}

struct runner_image runner_image_of(const void *address)
{
    struct search search = {.address = (uintptr_t)address};

    dl_iterate_phdr(look, &search);
    return search.found;
}

struct runner_image runner_own_image(void)
{
    struct search search = {.address = (uintptr_t)runner_own_image};

    dl_iterate_phdr(look, &search);
    return search.is_program ? (struct runner_image){0, 0} : search.found;
}
