/*
 * snapshot.c - the writable memory of the runtime and of the drivers, remembered once and brought back between runs.
 *
 * After the snapshot the pages are write-protected; the first write to one comes here by way of the fault handler,
 * which notes the page and lets the write happen.  A page stays writable from then on and is copied back by every
 * sim_restore: the set of pages that runs write is found in the first few of them, and later runs pay for nothing
 * but the copies.  Under a sanitizer nothing is protected and everything is compared.
 *
 * What carries HOST_KEPT is left alone: the books of the host itself.
 */
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGE = 4096, SEGMENTS_MAX = 2 * SIM_MODULES_MAX + 8 };

struct segment {
    char *base;
    size_t pages;
    char *copy;
    uint8_t *written; /* per page */
};

static struct {
    struct segment segments[SEGMENTS_MAX];
    unsigned count;
    void *executive; /* of the OS thread */
    int taken;
} snapshot HOST_KEPT;

/* The linker's names for the ends of HOST_KEPT. */
extern char __start_uwsk_kept[] __attribute__((visibility("hidden")));
extern char __stop_uwsk_kept[] __attribute__((visibility("hidden")));

/* ---- modules ------------------------------------------------------------------------------------------ */

static const char *full_path(const char *path, char *full)
{
    return realpath(path, full) ? full : path;
}

void *sim_module_find(const char *path)
{
    char full[PATH_MAX];

    path = full_path(path, full);
    for (unsigned i = 0; i < sim->module_count; i++)
        if (strcmp(sim->modules[i].path, path) == 0)
            return sim->modules[i].handle;
    return NULL;
}

static void *complain(char *error, size_t error_bytes, const char *text)
{
    if (error && error_bytes)
        snprintf(error, error_bytes, "%s", text);
    return NULL;
}

void *sim_module_load(const char *path, char *error, size_t error_bytes)
{
    char full[PATH_MAX];
    void *module;

    if (sim_prepare() != 0)
        return complain(error, error_bytes, "no memory");
    module = sim_module_find(path);
    if (module)
        return module;
    if (host_backend)
        return complain(error, error_bytes, "a run is on");
    if (sim->module_count == SIM_MODULES_MAX)
        return complain(error, error_bytes, "too many modules");
    module = host_module_load(full_path(path, full), error, error_bytes);
    if (!module)
        return NULL;
    struct sim_module *made = &sim->modules[sim->module_count];

    made->path =
        sim_map(strlen(full_path(path, full)) + 1); /* the one pointer to it is where no leak check looks */
    if (!made->path) {
        host_module_unload(module);
        return complain(error, error_bytes, "no memory");
    }
    strcpy(made->path, full_path(path, full));
    made->handle = module;
    sim->module_count++;
    return module;
}

/* ---- finding the memory ------------------------------------------------------------------------------- */

static int contains(const struct dl_phdr_info *object, const void *address)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t low = object->dlpi_addr + part->p_vaddr;

        if (part->p_type == PT_LOAD && (uintptr_t)address >= low && (uintptr_t)address < low + part->p_memsz)
            return 1;
    }
    return 0;
}

/* The runtime is the object that these lines are part of. */
static int is_ours(const struct dl_phdr_info *object)
{
    if (contains(object, &snapshot))
        return 1;
    for (unsigned i = 0; i < sim->module_count; i++) {
        struct link_map *map = NULL;

        if (dlinfo(sim->modules[i].handle, RTLD_DI_LINKMAP, &map) == 0 && contains(object, map->l_ld))
            return 1;
    }
    return 0;
}

static int add_segment(uintptr_t low, uintptr_t high)
{
    struct segment *segment = &snapshot.segments[snapshot.count];

    if (low >= high)
        return 0;
    if (snapshot.count == SEGMENTS_MAX)
        return -1;
    segment->base = (char *)low;
    segment->pages = (high - low) / PAGE;
    segment->copy = sim_map(high - low);
    segment->written = sim_map(segment->pages);
    if (!segment->copy || !segment->written)
        return -1;
    snapshot.count++;
    return 0;
}

/* What is read-only after relocation (RELRO) is cut off: the loader protects its whole pages. */
static int visit(struct dl_phdr_info *object, size_t bytes, void *context)
{
    uintptr_t relro_low = 0, relro_high = 0;

    (void)bytes;
    (void)context;
    if (!is_ours(object))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];

        if (part->p_type == PT_GNU_RELRO) {
            relro_low = (object->dlpi_addr + part->p_vaddr) & ~(uintptr_t)(PAGE - 1);
            relro_high = (object->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(uintptr_t)(PAGE - 1);
        }
    }
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t low = (object->dlpi_addr + part->p_vaddr) & ~(uintptr_t)(PAGE - 1);
        uintptr_t high =
            (object->dlpi_addr + part->p_vaddr + part->p_memsz + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_W))
            continue;
        if (relro_low < relro_high && relro_low < high && relro_high > low) {
            if (add_segment(low, relro_low) != 0)
                return -1;
            low = relro_high;
        }
        if (add_segment(low, high) != 0)
            return -1;
    }
    return 0;
}

/* ---- pages -------------------------------------------------------------------------------------------- */

static int is_sanitized(void)
{
    return HOST_ASAN || HOST_TSAN;
}

/* Not by way of libc: its entry in our table of functions may lie on a page that is protected. */
static void protect(char *base, size_t bytes, long protection)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)SYS_mprotect), "D"(base), "S"(bytes), "d"(protection)
                     : "rcx", "r11", "memory");
    (void)result;
}

static int on_write(void *address)
{
    for (unsigned i = 0; i < snapshot.count; i++) {
        struct segment *segment = &snapshot.segments[i];
        size_t page = ((uintptr_t)address - (uintptr_t)segment->base) / PAGE;

        if ((uintptr_t)address < (uintptr_t)segment->base || page >= segment->pages)
            continue;
        segment->written[page] = 1;
        protect(segment->base + page * PAGE, PAGE, PROT_READ | PROT_WRITE);
        return 1;
    }
    return 0;
}

/* Everything but HOST_KEPT, which may begin and end within the page. */
HOST_UNSANITIZED static void copy_words(char *to, const char *from, char *low, char *high)
{
    for (size_t i = 0; i < PAGE; i += sizeof(uint64_t)) {
        volatile uint64_t *word = (volatile uint64_t *)(to + i);
        uint64_t value = *(const volatile uint64_t *)(from + i);

        if (to + i + sizeof(uint64_t) > low && to + i < high)
            continue;
        if (*word != value)
            *word = value;
    }
}

static void restore_page(const struct segment *segment, size_t page)
{
    char *to = segment->base + page * PAGE;
    const char *from = segment->copy + page * PAGE;

    if (is_sanitized() || (to < __stop_uwsk_kept && to + PAGE > __start_uwsk_kept))
        copy_words(to, from, __start_uwsk_kept, __stop_uwsk_kept);
    else
        memcpy(to, from, PAGE);
}

/* Pages with HOST_KEPT count as written: the host is not to meet a fault in its own books, nor the kernel. */
static void remember(struct segment *segment)
{
    for (size_t page = 0; page < segment->pages; page++) {
        char *at = segment->base + page * PAGE;

        copy_words(segment->copy + page * PAGE, at, NULL, NULL);
        segment->written[page] = is_sanitized() || (at < __stop_uwsk_kept && at + PAGE > __start_uwsk_kept);
    }
    for (size_t page = 0, first; page < segment->pages; page++) {
        if (segment->written[page])
            continue;
        for (first = page; page < segment->pages && !segment->written[page];)
            page++;
        protect(segment->base + first * PAGE, (page - first) * PAGE, PROT_READ);
    }
}

static void forget(void)
{
    host_write_hook = NULL;
    for (unsigned i = 0; i < snapshot.count; i++) {
        struct segment *segment = &snapshot.segments[i];

        protect(segment->base, segment->pages * PAGE, PROT_READ | PROT_WRITE);
        munmap(segment->copy, segment->pages * PAGE);
        munmap(segment->written, segment->pages);
    }
    snapshot.count = 0;
    snapshot.taken = 0;
}

int sim_snapshot(void)
{
    if (sim_prepare() != 0 || host_backend)
        return -1;
    if (linux_pages_held()) {
        host_log(HOST_LOG_ERROR, "simulator: the runtime has run before the snapshot, and holds memory");
        return -1;
    }
    forget();
    if (dl_iterate_phdr(visit, NULL) != 0) {
        forget();
        return -1;
    }
    snapshot.executive = host_self()->executive;
    snapshot.taken = 1;
    host_write_hook = on_write;
    for (unsigned i = 0; i < snapshot.count; i++)
        remember(&snapshot.segments[i]);
    return 0;
}

void sim_restore(void)
{
    if (!sim || host_backend)
        return;
    sim_arena_reset();
    if (!snapshot.taken)
        return;
    for (unsigned i = 0; i < snapshot.count; i++) {
        const struct segment *segment = &snapshot.segments[i];

        for (size_t page = 0; page < segment->pages; page++)
            if (segment->written[page])
                restore_page(segment, page);
    }
    host_self()->executive = snapshot.executive;
}
