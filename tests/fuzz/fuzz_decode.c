/* The reader of recorded values: a type of the table (first byte), then bytes. What it takes can be printed, and is written as
 * bytes that give the same value again. */
#include "cabi.h"
#include "fuzz.h"
#include "fuzz_types.h"

static void check_again(const struct cabi_type *type, const void *native, struct ga_arena *arena)
{
    struct ga_buf bytes = {0}, bytes_again = {0}, text = {0};
    void *again = ga_arena_alloc(arena, type->native_size);
    cabi_encode(type, native, &bytes);
    struct ga_reader in = {.at = bytes.data, .end = bytes.data + bytes.size};
    GA_ASSERT(cabi_decode(type, &in, arena, again) && in.at == in.end);
    cabi_encode(type, again, &bytes_again);
    GA_ASSERT(bytes.size == bytes_again.size &&
              (bytes.size == 0 || memcmp(bytes.data, bytes_again.data, bytes.size) == 0));
    cabi_wave_print(type, native, NULL, &text);
    ga_buf_free(&bytes);
    ga_buf_free(&bytes_again);
    ga_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct cabi_type *type = fuzz_type(data[0]);
    struct ga_arena arena = {0};
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    void *native = ga_arena_alloc(&arena, type->native_size);
    struct ga_reader in = {.at = copy, .end = copy + size - 1};
    if (cabi_decode(type, &in, &arena, native))
        check_again(type, native, &arena);
    ga_arena_free(&arena);
    free(copy);
    return 0;
}
