#ifndef AOT_BIN_READER_H
#define AOT_BIN_READER_H

#include "component.h"
#include "ga_limits.h"

/*
 * The reader's cursor; internal to bin_. The error is sticky: after the first one every read gives zero values,
 * and `at` stands at `end`, so that loops end. Every error says where in the file, in which entry of which
 * section, and where the specification has the rule.
 */
struct bin_reader {
    struct ga_arena *arena;
    struct ga_report *report;
    const uint8_t *start, *at, *end; /* of the file; of the section that is being read */
    const char *section, *spec;      /* "type section", "Type Definitions" */
    bool in_entry;
    uint32_t entry;
    uint32_t depth; /* of components and of component and instance types */
    uint32_t items; /* of all sections and types so far, against GA_MAX_COMPONENT_ITEMS */
    core_type_refs *core_refs; /* takes the type indexes in the core types that are read; NULL: nobody */
    bool failed;
};

uint64_t bin_offset(const struct bin_reader *reader);

__attribute__((format(printf, 4, 5))) void bin_fail_at(struct bin_reader *reader, enum ga_status status,
                                                       const uint8_t *at, const char *format, ...);
/* GA_INVALID at the byte before `at`, which has just been read: "0x5 is not a declarator". */
void bin_fail_byte(struct bin_reader *reader, uint8_t byte, const char *not_a);

uint8_t bin_u8(struct bin_reader *reader);
uint8_t bin_peek(const struct bin_reader *reader); /* 0 at the end */
uint32_t bin_u32(struct bin_reader *reader);
uint64_t bin_u64(struct bin_reader *reader);
bool bin_bool(struct bin_reader *reader, const char *what);
struct slice bin_bytes(struct bin_reader *reader, uint32_t size);
struct slice bin_name(struct bin_reader *reader); /* valid UTF-8, at most GA_MAX_NAME_BYTES */

/* A vector's length: against the bytes left (an element has at least one) and the limit for the whole file. */
uint32_t bin_count(struct bin_reader *reader);

/* Enters a nested construct; false, with the error set, beyond GA_MAX_COMPONENT_DEPTH. Always paired with bin_leave. */
bool bin_enter(struct bin_reader *reader);
void bin_leave(struct bin_reader *reader);

/* A sort; component-level ones have a prefix byte for the core sorts. */
enum sort bin_core_sort(struct bin_reader *reader);
enum sort bin_sort(struct bin_reader *reader);

/* A new definition, at this offset. */
struct def *bin_def(struct bin_reader *reader, struct component *component, enum def_kind kind, const uint8_t *at);

/* --- bin_type.c --- */
void bin_type_section_entry(struct bin_reader *reader, struct component *component);
void bin_core_type_section_entry(struct bin_reader *reader, struct component *component);
struct val_ref bin_val_ref(struct bin_reader *reader);
struct val_ref bin_result_list(struct bin_reader *reader);
uint8_t bin_core_val(struct bin_reader *reader); /* enum core_type_kind */
void bin_extern_desc(struct bin_reader *reader, struct extern_desc *desc);

/* --- bin_defs.c --- */
void bin_alias_entry(struct bin_reader *reader, struct component *component);
void bin_import_entry(struct bin_reader *reader, struct component *component);
void bin_export_declarator(struct bin_reader *reader, struct component *component);
void bin_export_entry(struct bin_reader *reader, struct component *component);
void bin_core_instance_entry(struct bin_reader *reader, struct component *component);
void bin_instance_entry(struct bin_reader *reader, struct component *component);
void bin_canon_entry(struct bin_reader *reader, struct component *component);
void bin_start(struct bin_reader *reader, struct component *component);
void bin_value_entry(struct bin_reader *reader, struct component *component);

#endif
