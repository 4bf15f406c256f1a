#ifndef AOT_CORE_PARTS_H
#define AOT_CORE_PARTS_H

#include "core.h"

/*
 * What core_read leaves behind for core_prepare, and what its own files share. Seen by core_*.c only.
 */
enum core_section_id {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_COUNT
};

/* data: NULL if the section is absent; after its id and size. */
struct core_section {
    const uint8_t *data;
    uint32_t size;
};

/* A value type. `kind` is all that matters outside of GC and typed references, where two of CORE_OTHER may differ. */
struct core_type_entry {
    bool is_func;
    struct core_func_type func;
};

struct core_data_segment {
    bool active;
    uint32_t memory;
    const uint8_t *offset_at; /* the offset expression */
    uint32_t offset_size;
    struct slice bytes;
};

struct core_body {
    const uint8_t *data; /* after its size: local declarations, then instructions */
    uint32_t size;
};

/* return_call, return_call_indirect */
struct core_tail_call {
    uint32_t body;
    uint32_t opcode;
    uint32_t at, end; /* offsets in the body, of the opcode and behind its immediates */
};

/* An imported function in an element segment that is not declarative: where its index stands. */
struct core_element_import {
    const uint8_t *at, *end;
    uint32_t func;
};

struct core_parts {
    const uint8_t *start, *end; /* the module's bytes */
    struct core_section sections[SECTION_COUNT];
    GA_VEC(struct core_type_entry) types;
    GA_VEC(uint32_t) funcs; /* type indexes; imported ones first, as in all of these */
    GA_VEC(struct core_extern_type) tables, memories, globals, tags;
    uint32_t imported_funcs, imported_globals;
    GA_VEC(uint32_t) imported_tags; /* import indexes */
    GA_VEC(struct slice) import_descs; /* kind and type of each import, as written */
    GA_VEC(uint32_t) export_indexes;   /* in the index space of the export's kind */
    GA_VEC(uint8_t) elements;          /* the segments' element types */
    GA_VEC(struct core_element_import) element_imports;
    GA_VEC(struct core_data_segment) data;
    uint32_t data_count; /* of the data count section */
    uint32_t start_func;
    GA_VEC(struct core_body) bodies;
    GA_VEC(struct core_tail_call) tail_calls;
    bool *declared;          /* functions that ref.func may name */
    bool uses_data_segments; /* memory.init, data.drop */
    bool untyped;            /* GC, typed references: bodies are walked, but their types not checked */
};

/* The state of reading one module. The first error sets in.failed and fills the report. */
struct core_reader {
    struct ga_reader in;
    struct ga_arena *arena;
    struct ga_arena *scratch; /* for one body; reset at the beginning of the next */
    struct core_module *module;
    struct core_parts *parts;
    struct ga_report *report;
};

__attribute__((format(printf, 3, 4))) void core_fail(struct core_reader *reader, const uint8_t *at, const char *format,
                                                     ...);
uint32_t core_read_u32(struct core_reader *reader, const char *what);
uint8_t core_read_value_type(struct core_reader *reader); /* enum core_type_kind */
uint8_t core_read_heap_type(struct core_reader *reader);  /* the kind of a nullable reference to it */
uint32_t core_read_index(struct core_reader *reader, uint32_t count, const char *what);

/* One function body; in spans it. */
void core_read_body(struct core_reader *reader, uint32_t body_index, const struct core_func_type *type);

/* A constant expression up to its `end`, of the type given (enum core_type_kind). */
void core_read_constant(struct core_reader *reader, uint8_t type);

/* --- instructions --- */

enum core_immediate {
    IMM_UNKNOWN, /* no such opcode */
    IMM_NONE,
    IMM_BLOCK,
    IMM_LABEL,
    IMM_LABEL_TABLE,
    IMM_FUNC,
    IMM_TYPE_TABLE,
    IMM_TYPE,
    IMM_LOCAL,
    IMM_GLOBAL,
    IMM_TABLE,
    IMM_TABLE_TABLE,
    IMM_MEMORY,
    IMM_MEMORY_MEMORY,
    IMM_MEMARG,
    IMM_MEMARG_LANE,
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_V128,
    IMM_LANE,
    IMM_LANES,
    IMM_SELECT,
    IMM_HEAP_TYPE,
    IMM_TAG,
    IMM_TRY_TABLE,
    IMM_DATA,
    IMM_ELEMENT,
    IMM_DATA_MEMORY,
    IMM_ELEMENT_TABLE,
    IMM_ZERO,
    IMM_TYPE_U32,
    IMM_TYPE_TYPE,
    IMM_TYPE_DATA,
    IMM_TYPE_ELEMENT,
    IMM_BR_CAST,
    IMM_PREFIX
};

struct core_opcode {
    uint8_t immediate;
    uint8_t align_log2;    /* natural alignment, of what has a memarg; lane count of what has a lane */
    const char *signature; /* "ii>i": i32 i, i64 j, f32 f, f64 d, v128 v, address a; NULL: has a rule of its own */
};

/* prefix 0 (none), 0xfb, 0xfc, 0xfd, 0xfe; NULL if there is no such instruction */
const struct core_opcode *core_opcode_find(uint8_t prefix, uint32_t code);

#endif
