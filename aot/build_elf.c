#include "build_elf.h"

#include <elf.h>
#include <string.h>

static bool fits(size_t size, uint64_t offset, uint64_t count)
{
    return offset <= size && count <= size - offset;
}

static bool read_section(const uint8_t *file, size_t size, const Elf64_Ehdr *header, uint64_t index, Elf64_Shdr *out)
{
    uint64_t offset;
    if (header->e_shentsize != sizeof *out || index >= header->e_shnum ||
        __builtin_add_overflow(header->e_shoff, index * sizeof *out, &offset) || !fits(size, offset, sizeof *out))
        return false;
    memcpy(out, file + offset, sizeof *out);
    return out->sh_type == SHT_NOBITS || fits(size, out->sh_offset, out->sh_size);
}

bool build_elf_section(const uint8_t *file, size_t size, const char *name, const uint8_t **data_out, size_t *size_out)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    if (size < sizeof header)
        return false;
    memcpy(&header, file, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        !read_section(file, size, &header, header.e_shstrndx, &names))
        return false;
    size_t name_size = strlen(name) + 1;
    for (uint64_t i = 0; i < header.e_shnum; i++) {
        if (!read_section(file, size, &header, i, &section))
            return false;
        if (section.sh_type == SHT_PROGBITS && fits(names.sh_size, section.sh_name, name_size) &&
            memcmp(file + names.sh_offset + section.sh_name, name, name_size) == 0) {
            *data_out = file + section.sh_offset;
            *size_out = section.sh_size;
            return true;
        }
    }
    return false;
}
