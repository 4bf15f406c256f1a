#ifndef AOT_BUILD_ELF_H
#define AOT_BUILD_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The section of that name in a 64-bit ELF file of this machine's byte order; false if it is not such a file, is damaged,
 * or has none. */
bool build_elf_section(const uint8_t *file, size_t size, const char *name, const uint8_t **data_out, size_t *size_out);

#endif
