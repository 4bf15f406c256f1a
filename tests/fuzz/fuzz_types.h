#ifndef TESTS_FUZZ_TYPES_H
#define TESTS_FUZZ_TYPES_H

#include "cabi_types_made.h"

/* A table of types; the first byte of an input chooses one. Made once. */
enum { FUZZ_TYPES = 48 };

static const struct cabi_type *fuzz_type(uint8_t choice)
{
    static const struct cabi_type *types[FUZZ_TYPES];
    static uint32_t count;
    if (count == 0) {
        static const struct cabi_type *const plain[] = {&cabi_bool, &cabi_s8,   &cabi_u8,    &cabi_s16, &cabi_u16,
                                                        &cabi_s32,  &cabi_u32,  &cabi_s64,   &cabi_u64, &cabi_f32,
                                                        &cabi_f64,  &cabi_char, &cabi_string};
        struct made_random random = {0x9e3779b97f4a7c15};
        for (; count < sizeof plain / sizeof *plain; count++)
            types[count] = plain[count];
        types[count++] = made_flags(32);
        types[count++] = made_enum(300);
        types[count++] = made_list(&cabi_u8);
        types[count++] = made_list(&cabi_string);
        types[count++] = made_option(made_option(made_option(&cabi_bool)));
        types[count++] = made_result(NULL, NULL);
        while (count < FUZZ_TYPES)
            types[count++] = made_random_type(&random, 4);
    }
    return types[choice % FUZZ_TYPES];
}

#endif
