/*
 * backtrace.c - stacks by frame pointer (cheap, everything is compiled with them) and names for addresses
 * (libdw).
 */
#include "linux.h"

#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- walking ------------------------------------------------------------------------------------------ */

static int inside(uintptr_t address, const void *low, uintptr_t high)
{
    return address >= (uintptr_t)low && address + 2 * sizeof(void *) <= high && (address & 7) == 0;
}

/*
 * Every step must lead upwards on one stack; a signal handler's chain leaves the alternate stack for the
 * thread's own once.  A library without frame pointers in between ends the walk early, never wildly.
 */
HOST_UNSANITIZED size_t linux_walk(const struct linux_thread *thread, const void *frame_pointer,
                                   void **frames, size_t count)
{
    const uintptr_t high = (uintptr_t)thread->public.stack_high;
    const uintptr_t alternate_high = (uintptr_t)thread->altstack + LINUX_ALTSTACK_BYTES;
    uintptr_t frame = (uintptr_t)frame_pointer;
    uintptr_t last = 0;
    int on_alternate = thread->altstack && inside(frame, thread->altstack, alternate_high);
    size_t found = 0;

    while (found < count) {
        if (on_alternate && !inside(frame, thread->altstack, alternate_high)) {
            on_alternate = 0;
            last = 0;
        }
        if (!on_alternate && !inside(frame, thread->public.stack_low, high))
            break;
        if (frame <= last)
            break;
        uintptr_t caller = ((const uintptr_t *)frame)[1];

        if (caller < 4096)
            break;
        frames[found++] = (void *)(caller - 1);
        last = frame;
        frame = *(const uintptr_t *)frame;
    }
    return found;
}

__attribute__((noinline)) size_t host_backtrace(void **frames, size_t count, size_t skip)
{
    const struct linux_thread *thread = (const struct linux_thread *)host_self();
    void *all[LINUX_FRAMES];
    size_t want = count + skip < LINUX_FRAMES ? count + skip : LINUX_FRAMES;
    size_t found = linux_walk(thread, __builtin_frame_address(0), all, want);

    if (found <= skip)
        return 0;
    memcpy(frames, all + skip, (found - skip) * sizeof *frames);
    return found - skip;
}

/* ---- names -------------------------------------------------------------------------------------------- */

/*
 * Who is looking names up: a process, 0 = nobody. The report of a bug check names its addresses in a forked child,
 * whose parent may have been inside libdw at that moment, on any thread, and may even have died there. Its lock is
 * nobody's in the child, and what it had in hand is not to be touched.
 */
static uint32_t names_holder HOST_KEPT; /* parking word; | NAMES_AWAITED */
static Dwfl *names HOST_KEPT;
static pid_t names_of HOST_KEPT;
static _Atomic int stale HOST_KEPT = 1;

#define NAMES_AWAITED 0x80000000u

static void names_acquire(void)
{
    const uint32_t self = (uint32_t)getpid();
    uint32_t word = __atomic_load_n(&names_holder, __ATOMIC_RELAXED);

    for (;;) {
        if ((word & ~NAMES_AWAITED) != self) { /* free, or a former process's */
            if (__atomic_compare_exchange_n(&names_holder, &word, word == 0 ? self : self | NAMES_AWAITED, 0,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return;
        } else if ((word & NAMES_AWAITED) ||
                   __atomic_compare_exchange_n(&names_holder, &word, word | NAMES_AWAITED, 0,
                                               __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            host_park(&names_holder, self | NAMES_AWAITED, HOST_FOREVER);
            word = __atomic_load_n(&names_holder, __ATOMIC_RELAXED);
        }
    }
}

static void names_release(void)
{
    if (__atomic_exchange_n(&names_holder, 0, __ATOMIC_RELEASE) & NAMES_AWAITED)
        host_unpark(&names_holder, INT_MAX); /* all: the next holder does not know whether others wait */
}

void linux_modules_changed(void)
{
    atomic_store(&stale, 1);
}

/* Debug information is in the modules themselves; never ask a server for more. */
static int no_separate_debuginfo(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                                 const char *file, const char *link, GElf_Word crc, char **found)
{
    (void)module, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = no_separate_debuginfo,
};

/* Starts anew when modules have changed: libdw would keep what it knew of a file that is mapped again. */
static int refresh_names(void)
{
    int changed = atomic_exchange(&stale, 0);

    if (names && names_of == getpid() && !changed)
        return 0;
    if (names && names_of == getpid())
        dwfl_end(names);
    names = dwfl_begin(&callbacks);
    if (!names)
        return -1;
    names_of = getpid();
    int error = dwfl_linux_proc_report(names, names_of);

    return dwfl_report_end(names, NULL, NULL) != 0 || error ? -1 : 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* clang writes no table from addresses to compilation units, so that dwfl_module_getsrc finds nothing: look
 * into every unit.  Answers the file's name and the line, NULL when nothing is known. */
static const char *source_of(Dwfl_Module *module, Dwarf_Addr address, int *line)
{
    Dwfl_Line *found = dwfl_module_getsrc(module, address);
    Dwarf_Addr bias = 0;

    if (found)
        return dwfl_lineinfo(found, NULL, line, NULL, NULL, NULL);
    for (Dwarf_Die *unit = NULL; (unit = dwfl_module_nextcu(module, unit, &bias));) {
        if (dwarf_haspc(unit, address - bias) <= 0)
            continue;
        Dwarf_Line *entry = dwarf_getsrc_die(unit, address - bias);

        if (entry && dwarf_lineno(entry, line) == 0)
            return dwarf_linesrc(entry, NULL, NULL);
    }
    return NULL;
}

/* ---- names of C++ ------------------------------------------------------------------------------------- */

typedef char *demangle_fn(const char *name, char *buffer, size_t *bytes, int *status);

/*
 * libstdc++'s __cxa_demangle, NULL where there is none. Linking it would bring its operator new to every driver; it is
 * opened when a driver's name asks for it, for nobody else to see, and stays.
 */
static demangle_fn *find_demangle(void)
{
    static demangle_fn *found HOST_KEPT;
    static int tried HOST_KEPT;

    if (!tried) {
        void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);

        tried = 1;
        if (library)
            found = (demangle_fn *)(uintptr_t)dlsym(library, "__cxa_demangle");
    }
    return found;
}

/* Cuts off the parameters, as WinDbg does: `a::f(int (*)(char)) const` is `a::f`, `a::operator()()` is `a::operator()`. */
static void cut_parameters(char *name)
{
    char *at = strrchr(name, ')');
    int depth = 0;

    if (at && strchr(at, ':')) /* of something inside a function */
        return;
    for (; at && at > name; at--) {
        depth += *at == ')' ? 1 : *at == '(' ? -1 : 0;
        if (depth == 0)
            break;
    }
    if (at && at > name)
        *at = 0;
}

/* The name as the driver's source has it: `name` itself, or a copy, which the caller frees. */
static char *source_name(const char *name, char **copy)
{
    demangle_fn *demangle = name[0] == '_' && name[1] == 'Z' ? find_demangle() : NULL;

    *copy = demangle ? demangle(name, NULL, NULL, NULL) : NULL;
    if (*copy)
        cut_parameters(*copy);
    return *copy ? *copy : (char *)name;
}

static void symbolize_locked(uintptr_t address, char *buffer, size_t bytes)
{
    Dwfl_Module *module = refresh_names() == 0 ? dwfl_addrmodule(names, address) : NULL;
    GElf_Sym symbol;
    GElf_Off offset = 0;
    Dwarf_Addr start = 0;

    if (!module) {
        snprintf(buffer, bytes, "0x%lx", (unsigned long)address);
        return;
    }
    const char *file = dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
    const char *function = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);

    if (!function) {
        snprintf(buffer, bytes, "%s+0x%lx", base_name(file ? file : "?"), (unsigned long)(address - start));
        return;
    }
    int number = 0;
    const char *source = source_of(module, address, &number);
    char *copy;

    function = source_name(function, &copy);
    if (source)
        snprintf(buffer, bytes, "%s+0x%lx (%s:%d)", function, (unsigned long)offset, base_name(source),
                 number);
    else
        snprintf(buffer, bytes, "%s+0x%lx (%s)", function, (unsigned long)offset,
                 base_name(file ? file : "?"));
    free(copy);
}

void host_symbolize(void *address, char *buffer, size_t bytes)
{
    if (bytes == 0)
        return;
    names_acquire();
    symbolize_locked((uintptr_t)address, buffer, bytes);
    names_release();
}
