#include "cabi_types.h"

#define PRIMITIVE(name, kind_, bytes, flat_kind, plain_) \
    const struct cabi_type cabi_##name = {               \
        .kind = kind_,                                   \
        .align = bytes,                                  \
        .native_align = bytes,                           \
        .flat_count = 1,                                 \
        .plain = plain_,                                 \
        .size = bytes,                                   \
        .native_size = bytes,                            \
        .flat = (const uint8_t[]){flat_kind},            \
    }

PRIMITIVE(bool, CABI_BOOL, 1, CABI_FLAT_I32, false);
PRIMITIVE(s8, CABI_S8, 1, CABI_FLAT_I32, true);
PRIMITIVE(u8, CABI_U8, 1, CABI_FLAT_I32, true);
PRIMITIVE(s16, CABI_S16, 2, CABI_FLAT_I32, true);
PRIMITIVE(u16, CABI_U16, 2, CABI_FLAT_I32, true);
PRIMITIVE(s32, CABI_S32, 4, CABI_FLAT_I32, true);
PRIMITIVE(u32, CABI_U32, 4, CABI_FLAT_I32, true);
PRIMITIVE(s64, CABI_S64, 8, CABI_FLAT_I64, true);
PRIMITIVE(u64, CABI_U64, 8, CABI_FLAT_I64, true);
PRIMITIVE(f32, CABI_F32, 4, CABI_FLAT_F32, true);
PRIMITIVE(f64, CABI_F64, 8, CABI_FLAT_F64, true);
PRIMITIVE(char, CABI_CHAR, 4, CABI_FLAT_I32, false);

const struct cabi_type cabi_string = {
    .kind = CABI_STRING,
    .align = 4,
    .native_align = _Alignof(struct cabi_string),
    .flat_count = 2,
    .size = 8,
    .native_size = sizeof(struct cabi_string),
    .flat = (const uint8_t[]){CABI_FLAT_I32, CABI_FLAT_I32},
};
