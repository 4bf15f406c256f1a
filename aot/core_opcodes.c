#include "core_parts.h"

/*
 * The instructions of core WebAssembly (3.0, with legacy exceptions, threads, relaxed SIMD and wide arithmetic): what follows the
 * opcode, and what an instruction takes from the stack and leaves there. One table for each prefix byte.
 */
#define OP(sig) {IMM_NONE, 0, sig}
#define OWN(imm) {IMM_##imm, 0, 0}
#define MEM(align, sig) {IMM_MEMARG, align, sig}

static const struct core_opcode plain[256] = {
    [0x00] = OWN(NONE), /* unreachable */
    [0x01] = OP(">"),   /* nop */
    [0x02 ... 0x04] = OWN(BLOCK),
    [0x05] = OWN(NONE),  /* else */
    [0x06] = OWN(BLOCK), /* try */
    [0x07] = OWN(TAG),   /* catch */
    [0x08] = OWN(TAG),   /* throw */
    [0x09] = OWN(LABEL), /* rethrow */
    [0x0a] = OWN(NONE),  /* throw_ref */
    [0x0b] = OWN(NONE),  /* end */
    [0x0c ... 0x0d] = OWN(LABEL),
    [0x0e] = OWN(LABEL_TABLE),
    [0x0f] = OWN(NONE), /* return */
    [0x10] = OWN(FUNC),
    [0x11] = OWN(TYPE_TABLE),
    [0x12] = OWN(FUNC),
    [0x13] = OWN(TYPE_TABLE),
    [0x14 ... 0x15] = OWN(TYPE), /* call_ref, return_call_ref */
    [0x18] = OWN(LABEL),         /* delegate */
    [0x19] = OWN(NONE),          /* catch_all */
    [0x1a ... 0x1b] = OWN(NONE), /* drop, select */
    [0x1c] = OWN(SELECT),
    [0x1f] = OWN(TRY_TABLE),
    [0x20 ... 0x22] = OWN(LOCAL),
    [0x23 ... 0x24] = OWN(GLOBAL),
    [0x25 ... 0x26] = OWN(TABLE),
    [0x28] = MEM(2, "a>i"),
    [0x29] = MEM(3, "a>j"),
    [0x2a] = MEM(2, "a>f"),
    [0x2b] = MEM(3, "a>d"),
    [0x2c ... 0x2d] = MEM(0, "a>i"),
    [0x2e ... 0x2f] = MEM(1, "a>i"),
    [0x30 ... 0x31] = MEM(0, "a>j"),
    [0x32 ... 0x33] = MEM(1, "a>j"),
    [0x34 ... 0x35] = MEM(2, "a>j"),
    [0x36] = MEM(2, "ai>"),
    [0x37] = MEM(3, "aj>"),
    [0x38] = MEM(2, "af>"),
    [0x39] = MEM(3, "ad>"),
    [0x3a] = MEM(0, "ai>"),
    [0x3b] = MEM(1, "ai>"),
    [0x3c] = MEM(0, "aj>"),
    [0x3d] = MEM(1, "aj>"),
    [0x3e] = MEM(2, "aj>"),
    [0x3f] = {IMM_MEMORY, 0, ">a"},
    [0x40] = {IMM_MEMORY, 0, "a>a"},
    [0x41] = {IMM_I32, 0, ">i"},
    [0x42] = {IMM_I64, 0, ">j"},
    [0x43] = {IMM_F32, 0, ">f"},
    [0x44] = {IMM_F64, 0, ">d"},
    [0x45] = OP("i>i"),
    [0x46 ... 0x4f] = OP("ii>i"),
    [0x50] = OP("j>i"),
    [0x51 ... 0x5a] = OP("jj>i"),
    [0x5b ... 0x60] = OP("ff>i"),
    [0x61 ... 0x66] = OP("dd>i"),
    [0x67 ... 0x69] = OP("i>i"),
    [0x6a ... 0x78] = OP("ii>i"),
    [0x79 ... 0x7b] = OP("j>j"),
    [0x7c ... 0x8a] = OP("jj>j"),
    [0x8b ... 0x91] = OP("f>f"),
    [0x92 ... 0x98] = OP("ff>f"),
    [0x99 ... 0x9f] = OP("d>d"),
    [0xa0 ... 0xa6] = OP("dd>d"),
    [0xa7] = OP("j>i"),
    [0xa8 ... 0xa9] = OP("f>i"),
    [0xaa ... 0xab] = OP("d>i"),
    [0xac ... 0xad] = OP("i>j"),
    [0xae ... 0xaf] = OP("f>j"),
    [0xb0 ... 0xb1] = OP("d>j"),
    [0xb2 ... 0xb3] = OP("i>f"),
    [0xb4 ... 0xb5] = OP("j>f"),
    [0xb6] = OP("d>f"),
    [0xb7 ... 0xb8] = OP("i>d"),
    [0xb9 ... 0xba] = OP("j>d"),
    [0xbb] = OP("f>d"),
    [0xbc] = OP("f>i"),
    [0xbd] = OP("d>j"),
    [0xbe] = OP("i>f"),
    [0xbf] = OP("j>d"),
    [0xc0 ... 0xc1] = OP("i>i"),
    [0xc2 ... 0xc4] = OP("j>j"),
    [0xd0] = OWN(HEAP_TYPE),      /* ref.null */
    [0xd1] = OWN(NONE),           /* ref.is_null */
    [0xd2] = OWN(FUNC),           /* ref.func */
    [0xd3 ... 0xd4] = OWN(NONE),  /* ref.eq, ref.as_non_null */
    [0xd5 ... 0xd6] = OWN(LABEL), /* br_on_null, br_on_non_null */
    [0xfb ... 0xfe] = OWN(PREFIX),
};

/* GC. Types are not checked here (core_parts.h, `untyped`). */
static const struct core_opcode gc[] = {
    [0 ... 1] = OWN(TYPE),        /* struct.new */
    [2 ... 5] = OWN(TYPE_U32),    /* struct.get, struct.set */
    [6 ... 7] = OWN(TYPE),        /* array.new */
    [8] = OWN(TYPE_U32),          /* array.new_fixed */
    [9] = OWN(TYPE_DATA),         /* array.new_data */
    [10] = OWN(TYPE_ELEMENT),     /* array.new_elem */
    [11 ... 14] = OWN(TYPE),      /* array.get, array.set */
    [15] = OWN(NONE),             /* array.len */
    [16] = OWN(TYPE),             /* array.fill */
    [17] = OWN(TYPE_TYPE),        /* array.copy */
    [18] = OWN(TYPE_DATA),        /* array.init_data */
    [19] = OWN(TYPE_ELEMENT),     /* array.init_elem */
    [20 ... 23] = OWN(HEAP_TYPE), /* ref.test, ref.cast */
    [24 ... 25] = OWN(BR_CAST),
    [26 ... 30] = OWN(NONE), /* conversions, i31 */
};

static const struct core_opcode misc[] = {
    [0 ... 1] = OP("f>i"),
    [2 ... 3] = OP("d>i"),
    [4 ... 5] = OP("f>j"),
    [6 ... 7] = OP("d>j"),
    [8] = {IMM_DATA_MEMORY, 0, "aii>"},
    [9] = {IMM_DATA, 0, ">"},
    [10] = OWN(MEMORY_MEMORY),
    [11] = {IMM_MEMORY, 0, "aia>"},
    [12] = {IMM_ELEMENT_TABLE, 0, "aii>"},
    [13] = {IMM_ELEMENT, 0, ">"},
    [14] = OWN(TABLE_TABLE),
    [15] = OWN(TABLE), /* table.grow */
    [16] = {IMM_TABLE, 0, ">a"},
    [17] = OWN(TABLE), /* table.fill */
    [19 ... 20] = OP("jjjj>jj"),
    [21 ... 22] = OP("jj>jj"),
};

#define LANE(lanes, sig) {IMM_LANE, lanes, sig}
#define MEMLANE(align, sig) {IMM_MEMARG_LANE, align, sig}

static const struct core_opcode simd[] = {
    [0x00] = MEM(4, "a>v"),
    [0x01 ... 0x06] = MEM(3, "a>v"),
    [0x07] = MEM(0, "a>v"),
    [0x08] = MEM(1, "a>v"),
    [0x09] = MEM(2, "a>v"),
    [0x0a] = MEM(3, "a>v"),
    [0x0b] = MEM(4, "av>"),
    [0x0c] = {IMM_V128, 0, ">v"},
    [0x0d] = {IMM_LANES, 32, "vv>v"},
    [0x0e] = OP("vv>v"),
    [0x0f ... 0x11] = OP("i>v"),
    [0x12] = OP("j>v"),
    [0x13] = OP("f>v"),
    [0x14] = OP("d>v"),
    [0x15 ... 0x16] = LANE(16, "v>i"),
    [0x17] = LANE(16, "vi>v"),
    [0x18 ... 0x19] = LANE(8, "v>i"),
    [0x1a] = LANE(8, "vi>v"),
    [0x1b] = LANE(4, "v>i"),
    [0x1c] = LANE(4, "vi>v"),
    [0x1d] = LANE(2, "v>j"),
    [0x1e] = LANE(2, "vj>v"),
    [0x1f] = LANE(4, "v>f"),
    [0x20] = LANE(4, "vf>v"),
    [0x21] = LANE(2, "v>d"),
    [0x22] = LANE(2, "vd>v"),
    [0x23 ... 0x4c] = OP("vv>v"),
    [0x4d] = OP("v>v"),
    [0x4e ... 0x51] = OP("vv>v"),
    [0x52] = OP("vvv>v"),
    [0x53] = OP("v>i"),
    [0x54] = MEMLANE(0, "av>v"),
    [0x55] = MEMLANE(1, "av>v"),
    [0x56] = MEMLANE(2, "av>v"),
    [0x57] = MEMLANE(3, "av>v"),
    [0x58] = MEMLANE(0, "av>"),
    [0x59] = MEMLANE(1, "av>"),
    [0x5a] = MEMLANE(2, "av>"),
    [0x5b] = MEMLANE(3, "av>"),
    [0x5c] = MEM(2, "a>v"),
    [0x5d] = MEM(3, "a>v"),
    [0x5e ... 0x62] = OP("v>v"),
    [0x63 ... 0x64] = OP("v>i"),
    [0x65 ... 0x66] = OP("vv>v"),
    [0x67 ... 0x6a] = OP("v>v"),
    [0x6b ... 0x6d] = OP("vi>v"),
    [0x6e ... 0x73] = OP("vv>v"),
    [0x74 ... 0x75] = OP("v>v"),
    [0x76 ... 0x79] = OP("vv>v"),
    [0x7a] = OP("v>v"),
    [0x7b] = OP("vv>v"),
    [0x7c ... 0x81] = OP("v>v"),
    [0x82] = OP("vv>v"),
    [0x83 ... 0x84] = OP("v>i"),
    [0x85 ... 0x86] = OP("vv>v"),
    [0x87 ... 0x8a] = OP("v>v"),
    [0x8b ... 0x8d] = OP("vi>v"),
    [0x8e ... 0x93] = OP("vv>v"),
    [0x94] = OP("v>v"),
    [0x95 ... 0x99] = OP("vv>v"),
    [0x9b ... 0x9f] = OP("vv>v"),
    [0xa0 ... 0xa1] = OP("v>v"),
    [0xa3 ... 0xa4] = OP("v>i"),
    [0xa7 ... 0xaa] = OP("v>v"),
    [0xab ... 0xad] = OP("vi>v"),
    [0xae] = OP("vv>v"),
    [0xb1] = OP("vv>v"),
    [0xb5 ... 0xba] = OP("vv>v"),
    [0xbc ... 0xbf] = OP("vv>v"),
    [0xc0 ... 0xc1] = OP("v>v"),
    [0xc3 ... 0xc4] = OP("v>i"),
    [0xc7 ... 0xca] = OP("v>v"),
    [0xcb ... 0xcd] = OP("vi>v"),
    [0xce] = OP("vv>v"),
    [0xd1] = OP("vv>v"),
    [0xd5 ... 0xdf] = OP("vv>v"),
    [0xe0 ... 0xe1] = OP("v>v"),
    [0xe3] = OP("v>v"),
    [0xe4 ... 0xeb] = OP("vv>v"),
    [0xec ... 0xed] = OP("v>v"),
    [0xef] = OP("v>v"),
    [0xf0 ... 0xf7] = OP("vv>v"),
    [0xf8 ... 0xff] = OP("v>v"),
    [0x100] = OP("vv>v"),
    [0x101 ... 0x104] = OP("v>v"),
    [0x105 ... 0x10c] = OP("vvv>v"),
    [0x10d ... 0x112] = OP("vv>v"),
    [0x113] = OP("vvv>v"),
};

/* i32, i64, and the narrow ones: i32 of 8 and 16 bits, i64 of 8, 16 and 32. */
#define RMW(at, i32_sig, i64_sig)                                                                               \
    [at] = MEM(2, i32_sig), [at + 1] = MEM(3, i64_sig), [at + 2] = MEM(0, i32_sig), [at + 3] = MEM(1, i32_sig), \
    [at + 4] = MEM(0, i64_sig), [at + 5] = MEM(1, i64_sig), [at + 6] = MEM(2, i64_sig)

static const struct core_opcode atomic[] = {
    [0x00] = MEM(2, "ai>i"),                                                           /* memory.atomic.notify */
    [0x01] = MEM(2, "aij>i"),  [0x02] = MEM(3, "ajj>i"),  [0x03] = {IMM_ZERO, 0, ">"}, /* atomic.fence */
    RMW(0x10, "a>i", "a>j"),   RMW(0x17, "ai>", "aj>"),   RMW(0x1e, "ai>i", "aj>j"),
    RMW(0x25, "ai>i", "aj>j"), RMW(0x2c, "ai>i", "aj>j"), RMW(0x33, "ai>i", "aj>j"),
    RMW(0x3a, "ai>i", "aj>j"), RMW(0x41, "ai>i", "aj>j"), RMW(0x48, "aii>i", "ajj>j"),
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

const struct core_opcode *core_opcode_find(uint8_t prefix, uint32_t code)
{
    static const struct {
        const struct core_opcode *table;
        uint32_t count;
    } prefixed[] = {{gc, COUNT(gc)}, {misc, COUNT(misc)}, {simd, COUNT(simd)}, {atomic, COUNT(atomic)}};

    const struct core_opcode *table = prefix ? prefixed[prefix - 0xfb].table : plain;
    uint32_t count = prefix ? prefixed[prefix - 0xfb].count : COUNT(plain);
    return code < count && table[code].immediate != IMM_UNKNOWN ? &table[code] : NULL;
}
