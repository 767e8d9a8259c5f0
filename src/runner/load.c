/*
 * load.c - from a file to a module with a DriverEntry, and one clear line for everything that can be wrong.
 *
 * The file is looked at before the loader gets it: the loader runs its constructors, and says less.
 */
#include "runner.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ntstatus.h>

void runner_problem(struct uwsk_problem *problem, int32_t status, const char *format, ...)
{
    va_list arguments;

    if (!problem)
        return;
    problem->status = status;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}

/* ---- the file ----------------------------------------------------------------------------------------- */

struct file {
    const char *path;
    const uint8_t *data;
    size_t bytes;
    const Elf64_Sym *symbols; /* .dynsym */
    size_t symbol_count;
    const char *strings; /* .dynstr */
    size_t string_bytes;
};

static int open_file(struct file *file, struct uwsk_problem *problem)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0) {
        runner_problem(problem, STATUS_OBJECT_NAME_NOT_FOUND,
                       errno == ENOENT ? "%s: there is no such file" : "%s: cannot be read: %s", file->path,
                       strerror(errno));
    } else if (S_ISDIR(about.st_mode)) {
        runner_problem(problem, STATUS_INVALID_IMAGE_FORMAT, "%s: is a folder, not a driver", file->path);
    } else if (about.st_size == 0) {
        runner_problem(problem, STATUS_INVALID_IMAGE_FORMAT, "%s: is empty, not a driver", file->path);
    } else {
        file->bytes = (size_t)about.st_size;
        file->data = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file->data == MAP_FAILED) {
            file->data = NULL;
            runner_problem(problem, STATUS_OBJECT_NAME_NOT_FOUND, "%s: cannot be read: %s", file->path,
                           strerror(errno));
        }
    }
    if (fd >= 0)
        close(fd);
    return file->data ? 0 : -1;
}

static const void *at(const struct file *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->bytes && bytes <= file->bytes - offset ? file->data + offset : NULL;
}

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_AARCH64:
        return "64-bit ARM";
    case EM_ARM:
        return "32-bit ARM";
    case EM_386:
        return "32-bit x86";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "PowerPC";
    default:
        return "another processor";
    }
}

/* What is wrong with the file's head; NULL: nothing. */
static const char *check_head(const struct file *file, char *text, size_t bytes)
{
    const Elf64_Ehdr *head = at(file, 0, sizeof *head);

    if (file->bytes >= 2 && memcmp(file->data, "MZ", 2) == 0)
        return "is a Windows driver; uwsk runs a driver that was compiled from its source with `uwsk cc`";
    if (file->bytes < EI_NIDENT || memcmp(file->data, ELFMAG, SELFMAG) != 0)
        return "is not a driver: no ELF file (`uwsk cc -o DRIVER.so FILE.c` makes one from source)";
    if (file->data[EI_CLASS] != ELFCLASS64 || file->data[EI_DATA] != ELFDATA2LSB || !head ||
        head->e_machine != EM_X86_64) {
        unsigned machine = file->bytes >= 20 ? file->data[18] | (unsigned)file->data[19] << 8 : 0;

        snprintf(text, bytes, "is made for %s, this is 64-bit x86",
                 machine == EM_X86_64 ? "x32" : machine_name(machine));
        return text;
    }
    switch (head->e_type) {
    case ET_DYN:
        return NULL;
    case ET_REL:
        return "is an object file, not a driver: link it with `uwsk cc -o DRIVER.so`";
    case ET_EXEC:
        return "is a program, not a driver";
    default:
        return "is not a driver: no shared object";
    }
}

/* Finds the dynamic symbols through the section headers.  0, or -1: it has none. */
static int find_symbols(struct file *file)
{
    const Elf64_Ehdr *head = at(file, 0, sizeof *head);
    const Elf64_Shdr *sections = at(file, head->e_shoff, (uint64_t)head->e_shnum * sizeof *sections);

    if (!sections || head->e_shoff == 0 || head->e_shentsize != sizeof *sections)
        return -1;
    for (unsigned i = 0; i < head->e_shnum; i++) {
        const Elf64_Shdr *strings;

        if (sections[i].sh_type != SHT_DYNSYM || sections[i].sh_link >= head->e_shnum)
            continue;
        strings = &sections[sections[i].sh_link];
        file->symbols = at(file, sections[i].sh_offset, sections[i].sh_size);
        file->symbol_count = sections[i].sh_size / sizeof *file->symbols;
        file->strings = at(file, strings->sh_offset, strings->sh_size);
        file->string_bytes = strings->sh_size;
        return file->symbols && file->strings && file->string_bytes &&
                       file->strings[file->string_bytes - 1] == 0
                   ? 0
                   : -1;
    }
    return -1;
}

static const char *symbol_name(const struct file *file, const Elf64_Sym *symbol)
{
    return symbol->st_name < file->string_bytes ? file->strings + symbol->st_name : "";
}

static int defines(const struct file *file, const char *name)
{
    for (size_t i = 0; i < file->symbol_count; i++)
        if (file->symbols[i].st_shndx != SHN_UNDEF && strcmp(symbol_name(file, &file->symbols[i]), name) == 0)
            return 1;
    return 0;
}

/* A program that is made like a shared object says so in its dynamic section. */
static int is_program(const struct file *file)
{
    const Elf64_Ehdr *head = at(file, 0, sizeof *head);
    const Elf64_Phdr *segments = at(file, head->e_phoff, (uint64_t)head->e_phnum * sizeof *segments);

    for (unsigned i = 0; segments && i < head->e_phnum; i++)
        if (segments[i].p_type == PT_INTERP)
            return 1;
    return 0;
}

/* ---- functions that are not here ---------------------------------------------------------------------- */

struct names {
    char text[1200];
    size_t length;
    unsigned count, left_out;
};

static void add_name(struct names *names, const char *name)
{
    size_t length = strlen(name);

    if (names->length + length + 3 > sizeof names->text) {
        names->left_out++;
    } else {
        names->length += (size_t)snprintf(names->text + names->length, sizeof names->text - names->length,
                                          "%s%s", names->count ? ", " : "", name);
    }
    names->count++;
}

/* WDK functions are named like KeSetEvent, those of C like strlen. */
static int is_wdk_name(const char *name)
{
    return isupper((unsigned char)name[0]) || (name[0] == '_' && isupper((unsigned char)name[1]));
}

static void collect_missing(const struct file *file, struct names *wdk, struct names *others)
{
    for (size_t i = 0; i < file->symbol_count; i++) {
        const Elf64_Sym *symbol = &file->symbols[i];
        const char *name = symbol_name(file, symbol);

        if (symbol->st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) == STB_WEAK || !*name ||
            host_module_symbol(NULL, name) != NULL)
            continue;
        add_name(is_wdk_name(name) ? wdk : others, name);
    }
}

static void tell_missing(const struct file *file, const char *reason, struct uwsk_problem *problem)
{
    struct names wdk = {0}, others = {0};
    const struct names *names = &wdk;
    char more[40] = "";

    collect_missing(file, &wdk, &others);
    if (!wdk.count)
        names = &others;
    if (!names->count) {
        runner_problem(problem, STATUS_INVALID_IMAGE_FORMAT, "%s: cannot be loaded: %s", file->path, reason);
        return;
    }
    if (names->left_out)
        snprintf(more, sizeof more, " and %u more", names->left_out);
    runner_problem(problem, STATUS_PROCEDURE_NOT_FOUND,
                   "%s: this driver needs the %sfunction%s %s%s, which uwsk does not have", file->path,
                   names == &wdk ? "WDK " : "", names->count > 1 ? "s" : "", names->text, more);
}

/* ---- the module --------------------------------------------------------------------------------------- */

static int is_loaded(void *module)
{
    for (const struct uwsk_driver *driver = runner_drivers(); driver; driver = driver->next)
        if (driver->module == module)
            return 1;
    return 0;
}

static void *load(struct file *file, PDRIVER_INITIALIZE *entry, struct uwsk_problem *problem)
{
    char text[200], reason[600] = "";
    const char *wrong = check_head(file, text, sizeof text);
    void *module;

    if (!wrong && is_program(file))
        wrong = "is a program, not a driver";
    if (!wrong && find_symbols(file) != 0)
        wrong = "is not a driver: it has no table of symbols";
    if (wrong) {
        runner_problem(problem, STATUS_INVALID_IMAGE_FORMAT, "%s: %s", file->path, wrong);
        return NULL;
    }
    if (!defines(file, "DriverEntry")) {
        runner_problem(
            problem, STATUS_ENTRYPOINT_NOT_FOUND,
            "%s: has no DriverEntry (a function of that name, visible outside, as `uwsk cc` makes it)",
            file->path);
        return NULL;
    }
    module = host_module_load(file->path, reason, sizeof reason);
    if (!module) {
        tell_missing(file, reason, problem);
        return NULL;
    }
    if (is_loaded(module)) {
        host_module_unload(module); /* the loader has only counted it once more */
        runner_problem(problem, STATUS_IMAGE_ALREADY_LOADED, "%s: is loaded already", file->path);
        return NULL;
    }
    *entry = (PDRIVER_INITIALIZE)host_module_symbol(module, "DriverEntry");
    return module;
}

void *runner_load(const char *path, PDRIVER_INITIALIZE *entry, struct uwsk_problem *problem)
{
    struct file file = {.path = path};
    void *module;

    if (open_file(&file, problem) != 0)
        return NULL;
    module = load(&file, entry, problem);
    munmap((void *)file.data, file.bytes);
    return module;
}
