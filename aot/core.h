#ifndef AOT_CORE_H
#define AOT_CORE_H

#include "component.h"
#include "ga_buf.h"

/*
 * Core modules: as much reading as linking needs, and the pre-pass before wasm2c.
 */
struct core_import {
    struct slice module, name;
    struct core_extern_type type;
};

struct core_export {
    struct slice name;
    struct core_extern_type type;
};

struct core_module {
    uint32_t import_count, export_count;
    struct core_import *imports;
    struct core_export *exports;
    bool has_start, uses_simd, uses_exceptions, uses_tail_calls, uses_threads, uses_gc, uses_memory64, uses_multi_memory;
    bool mutates_tables;      /* table.set, grow, copy, init, fill; elem.drop */
    uint64_t code_bytes;      /* of the code section */
};

/* Reads and checks sections, types, imports and exports; bodies are walked for the flags above. */
enum ga_status core_read(struct ga_arena *arena, struct slice bytes, struct core_module **module_out,
                         struct ga_report *report) GA_MUST_USE;

/*
 * The pre-pass (reference: wasm2c.md, section 2). Writes a module for wasm2c in which import i is named
 * ("<prefix>i<i>", "f") and export e "e<e>", custom sections are gone, `return_call f` is `call f; return` where the module
 * does not otherwise need tail calls, and active data segments are taken out into `data` (their contents, concatenated) with `segments`
 * telling where each goes - if they are large enough to be worth it.
 * prefix = "m" and 16 hex digits of the SHA-256 of the bytes wasm2c will see, so objects can be shared between components.
 */
struct core_segment {
    uint32_t memory;
    bool offset_is_global;   /* offset is the value of an imported global, by import index */
    uint32_t offset;
    uint32_t size;
    uint64_t data_offset;
};

struct core_prepared {
    char prefix[24];
    struct ga_buf wasm;
    struct ga_buf data;
    struct core_segment *segments;
    uint32_t segment_count;
};

enum ga_status core_prepare(struct ga_arena *arena, struct slice bytes, const struct core_module *module,
                            struct core_prepared *prepared_out, struct ga_report *report) GA_MUST_USE;

#endif
