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
    const struct core_import *import; /* a tag that is imported; NULL: the module's own, or no tag */
};

struct core_parts; /* core_'s own: sections, types and index spaces (core_parts.h) */

struct core_module {
    uint32_t import_count, export_count;
    struct core_import *imports;
    struct core_export *exports;
    struct core_parts *parts;
    bool has_start, uses_simd, uses_exceptions, uses_tail_calls, uses_threads, uses_gc, uses_memory64, uses_multi_memory;
    bool mutates_tables;         /* table.set, grow, copy, init, fill; elem.drop */
    bool defines_tags, has_tags; /* has: defines or imports */
    uint64_t code_bytes;         /* of the code section */
    uint32_t variant; /* link_'s: makes another prefix, so that instances which must not share code do not; 0: none */
};

/* Reads and validates a whole module, bodies included. GA_INVALID or GA_LIMIT with an offset that counts from bytes.data: who
 * knows where the module lies in its file adds that to report->offset. The module keeps pointers into bytes. */
enum ga_status core_read(struct ga_arena *arena, struct slice bytes, struct core_module **module_out,
                         struct ga_report *report) GA_MUST_USE;

/*
 * What link_shim.c has to know of modules that call through a table, and of modules that fill it.
 * core_is_shim: the module has one table, its own, without elements of its own, and does nothing with it but call.
 * core_forwards: the exported function does nothing but call_indirect of its own type with its parameters and a constant slot of
 * table 0.
 * core_fills: all element segments put functions into the table that this import is, at constant offsets, nothing else changes
 * it, and it is not exported again. slots_out (zeros) gets for each slot 1 + the number of the imported function that it
 * holds.
 */
bool core_is_shim(const struct core_module *module);
bool core_forwards(const struct core_module *module, const struct core_export *export, uint32_t *slot_out);
bool core_fills(struct ga_arena *arena, const struct core_module *module, uint32_t table_import, uint32_t slot_count,
                uint32_t *slots_out);

/*
 * The pre-pass. Writes a module for wasm2c in which import i is named ("<prefix>i<i>", "f") and export e "e<e>", custom
 * sections are gone, tail calls are calls that return at once (the C compiler makes jumps of them: core_prepare.c), and active
 * data segments are taken out into `data` (their contents, concatenated) with `segments` telling where each goes, unless an
 * offset is something else than a constant or an imported global. Then:
 *   - the glue copies them right after wasm2c_<prefix>_instantiate(), in order, each checked against the memory's size
 *     (trap "out of bounds memory access"; earlier segments stay written),
 *   - memory m that a segment goes to is exported as "m<m>", an imported global g (by import index) that an offset names as
 *     "g<g>" (accessors w2c_<prefix>_m0(instance), w2c_<prefix>_g3(instance): pointers),
 *   - a start function is no start function any more, but exported as "s", for the glue to call after the copies,
 *   - the bytes are a C symbol `extern const unsigned char <data_symbol>[]`, defined by an object that build_ makes; equal
 *     contents have equal names.
 * prefix = "m" and 16 hex digits of a SHA-256 of what the module's C header depends on (types, imports, exports, types of
 * functions...), but not of its code and data: the C text of a function stays what it is when other functions or the data
 * change, and the object made of it is found in the cache again. Modules of one component that differ in their data only have one
 * prefix and one code; others of equal headers get different prefixes (core_prepare's `earlier`).
 * A variant above 0 is in a custom section, thus in the code. Imported tags are not exported again: link_ looks through such
 * exports.
 */
struct core_segment {
    uint32_t memory;
    bool offset_is_global; /* offset is the value of an imported global, by import index, plus addend */
    uint32_t offset;
    uint32_t addend; /* modulo 2^32; 0 unless offset_is_global */
    uint32_t size;
    uint64_t data_offset;
};

struct core_prepared {
    char prefix[24];
    uint8_t code_hash[32]; /* SHA-256 of all that wasm2c will see but the prefix */
    char data_symbol[24];  /* "d" and 16 hex digits; "" when no data was taken out */
    bool tail_calls;       /* compile with sibling calls optimised */
    bool start_exported;   /* as "s": call w2c_<prefix>_s(instance) last */
    struct ga_buf wasm;
    struct ga_buf data;
    struct core_segment *segments;
    uint32_t segment_count;
};

/* earlier: the component's modules that are prepared already. */
enum ga_status core_prepare(struct ga_arena *arena, struct slice bytes, const struct core_module *module,
                            const struct core_prepared *earlier, uint32_t earlier_count,
                            struct core_prepared *prepared_out, struct ga_report *report) GA_MUST_USE;

/* Whether two have one code, thus one prefix. */
bool core_prepared_same_code(const struct core_prepared *a, const struct core_prepared *b);

#endif
