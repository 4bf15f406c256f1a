#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "ga_hash.h"
#include "worker.h"

/*
 * Which build this executable is. Code addresses are part of a checkpoint, so two builds must never have the same
 * number. The linker's build id (--build-id), a hash of everything that it wrote, is just that; without one, the code
 * itself is hashed.
 */

static uint64_t id_of_notes(const char *at, const char *end)
{
    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const char *name = at + sizeof note;
        const char *description = name + ((note.n_namesz + 3u) & ~3u);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
            return ga_hash64(description, note.n_descsz, 1);
        at = description + ((note.n_descsz + 3u) & ~3u);
    }
    return 0;
}

static uint64_t find_id(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR); /* non-PIE: addresses are as linked */
    unsigned long count = getauxval(AT_PHNUM);
    uint64_t code = 0;
    for (unsigned long i = 0; i < count; i++) {
        const char *start = (const char *)headers[i].p_vaddr;
        uint64_t id = headers[i].p_type == PT_NOTE ? id_of_notes(start, start + headers[i].p_memsz) : 0;
        if (id)
            return id;
    }
    for (unsigned long i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && !(headers[i].p_flags & PF_W))
            code = ga_hash64((const char *)headers[i].p_vaddr, headers[i].p_filesz, code);
    return code;
}

uint64_t worker_build_id(void)
{
    static uint64_t id;
    if (!id)
        id = find_id();
    return id;
}
