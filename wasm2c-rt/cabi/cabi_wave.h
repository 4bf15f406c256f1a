#ifndef CABI_WAVE_H
#define CABI_WAVE_H

#include <stdbool.h>
#include <string.h>

/* What printing and parsing of WAVE share. */

/* Words that name a value or a case of option and result; a label that is one of them is written with a % in front. */
static inline bool wave_is_keyword(const char *text, size_t size)
{
    static const char *const words[] = {"true", "false", "inf", "nan", "some", "none", "ok", "err"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0)
            return true;
    return false;
}

/* Escapes of one letter. */
static const struct {
    char letter, meaning;
} wave_escapes[] = {{'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'\\', '\\'}, {'\'', '\''}, {'"', '"'}};

#endif
