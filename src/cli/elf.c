/* elf.c: what `uwsk cc` reads and changes in objects and drivers. */
#include "elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A 64-bit ELF file in memory whose section headers lie inside it. */
struct image {
    char *data;
    size_t len;
    Elf64_Shdr *section;
    size_t sections;
};

static bool inside(const struct image *f, Elf64_Off at, Elf64_Xword len)
{
    return at <= f->len && len <= f->len - at;
}

static bool open_image(struct image *f, const char *path)
{
    *f = (struct image){0};
    f->data = cc_read_file(path, &f->len);
    Elf64_Ehdr *head = (Elf64_Ehdr *)f->data;
    if (!head)
        return false;
    errno = ENOEXEC;
    if (f->len < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof(Elf64_Shdr) ||
        !inside(f, head->e_shoff, sizeof(Elf64_Shdr))) {
        free(f->data);
        return false;
    }
    f->section = (Elf64_Shdr *)(f->data + head->e_shoff);
    /* More sections than fit the field: the first header has the number. */
    f->sections = head->e_shnum ? head->e_shnum : f->section[0].sh_size;
    if (!inside(f, head->e_shoff, f->sections * sizeof(Elf64_Shdr)))
        f->sections = 0;
    return true;
}

static bool listed(const struct cc_list *names, const char *name, size_t room)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->item[i]) < room && strcmp(names->item[i], name) == 0)
            return true;
    return false;
}

static void weaken_table(const struct image *f, const Elf64_Shdr *table, const struct cc_list *names)
{
    if (table->sh_link >= f->sections || !inside(f, table->sh_offset, table->sh_size))
        return;
    const Elf64_Shdr *strings = &f->section[table->sh_link];
    if (!inside(f, strings->sh_offset, strings->sh_size))
        return;
    Elf64_Sym *symbol = (Elf64_Sym *)(f->data + table->sh_offset);
    for (size_t i = 0; i < table->sh_size / sizeof *symbol; i++)
        if (ELF64_ST_BIND(symbol[i].st_info) == STB_GLOBAL && symbol[i].st_shndx != SHN_UNDEF &&
            symbol[i].st_name < strings->sh_size &&
            listed(names, f->data + strings->sh_offset + symbol[i].st_name,
                   strings->sh_size - symbol[i].st_name))
            symbol[i].st_info = ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(symbol[i].st_info));
}

bool elf_weaken(const char *object, const struct cc_list *names, char **error)
{
    struct image f;
    bool done = open_image(&f, object);
    if (done) {
        for (size_t i = 0; i < f.sections; i++)
            if (f.section[i].sh_type == SHT_SYMTAB)
                weaken_table(&f, &f.section[i], names);
        done = cc_write_file(object, f.data, f.len);
        free(f.data);
    }
    if (!done)
        *error = cc_printf("%s: %s", object, strerror(errno));
    return done;
}

bool elf_has_constructors(const char *path)
{
    struct image f;
    bool found = false;
    if (!open_image(&f, path))
        return false;
    for (size_t i = 0; i < f.sections; i++)
        found = found || (f.section[i].sh_type == SHT_INIT_ARRAY && f.section[i].sh_size > 0);
    free(f.data);
    return found;
}
