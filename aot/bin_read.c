/*
 * The reader of components (Binary.md): preamble, sections, and for each kind of section what reads an entry. One
 * pass, top down, 1:1 with the grammar; nothing is resolved. Work and memory are linear in the size of the input:
 * each entry consumes at least a byte, all counts together are limited, nesting is limited.
 */
#include <string.h>

#include "bin_reader.h"

static void component_sections(struct bin_reader *reader, struct component *component);

static const uint8_t module_preamble[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
static const uint8_t component_preamble[8] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};

/* What the eight bytes are, for the message, if they are not what is wanted. */
static const char *preamble_fault(struct slice bytes, const uint8_t *wanted)
{
    if (memcmp(bytes.data, wanted, sizeof module_preamble) == 0)
        return NULL;
    if (memcmp(bytes.data, wanted, 4) != 0)
        return "not WebAssembly: it does not begin with \\0asm";
    if (memcmp(bytes.data, module_preamble, sizeof module_preamble) == 0)
        return "a core module where a component is expected (wasm-tools component new makes one of it)";
    if (memcmp(bytes.data, component_preamble, sizeof component_preamble) == 0)
        return "a component where a core module is expected";
    if (wanted == component_preamble && memcmp(bytes.data + 6, component_preamble + 6, 2) == 0)
        return "a component in another version of the binary format than 0x0d: make it with other tools";
    return "unknown version of WebAssembly";
}

static void preamble(struct bin_reader *reader, const uint8_t *wanted)
{
    const uint8_t *at = reader->at;
    struct slice bytes = bin_bytes(reader, sizeof module_preamble);
    if (reader->failed)
        return;
    const char *fault = preamble_fault(bytes, wanted);
    if (fault != NULL)
        bin_fail_at(reader, GA_INVALID, at, "%s", fault);
}

/* --- sections --- */

static void custom_section(struct bin_reader *reader, struct component *component)
{
    (void)component;
    bin_name(reader);
    reader->at = reader->end;
}

static void core_module_section(struct bin_reader *reader, struct component *component)
{
    const uint8_t *at = reader->at;
    preamble(reader, module_preamble);
    struct def *def = bin_def(reader, component, DEF_CORE_MODULE, at);
    def->core_module = (struct slice){(const char *)at, (uint32_t)(reader->end - at)};
    reader->at = reader->end;
}

static void component_section(struct bin_reader *reader, struct component *component)
{
    const uint8_t *at = reader->at;
    struct component *nested = GA_NEW(reader->arena, struct component);
    if (bin_enter(reader))
        component_sections(reader, nested);
    bin_leave(reader);
    bin_def(reader, component, DEF_COMPONENT, at)->component = nested;
}

static const struct section {
    const char *name, *spec;
    void (*whole)(struct bin_reader *reader, struct component *component);
    void (*entry)(struct bin_reader *reader, struct component *component);
} sections[] = {
    {"custom section", "Component Definitions", custom_section, NULL},
    {"core module section", "Component Definitions", core_module_section, NULL},
    {"core instance section", "Instance Definitions", NULL, bin_core_instance_entry},
    {"core type section", "Type Definitions", NULL, bin_core_type_section_entry},
    {"component section", "Component Definitions", component_section, NULL},
    {"instance section", "Instance Definitions", NULL, bin_instance_entry},
    {"alias section", "Alias Definitions", NULL, bin_alias_entry},
    {"type section", "Type Definitions", NULL, bin_type_section_entry},
    {"canon section", "Canonical Definitions", NULL, bin_canon_entry},
    {"start section", "Start Definitions", bin_start, NULL},
    {"import section", "Import and Export Definitions", NULL, bin_import_entry},
    {"export section", "Import and Export Definitions", NULL, bin_export_entry},
    {"value section", "Value Definitions", NULL, bin_value_entry},
};

static void section_contents(struct bin_reader *reader, struct component *component, const struct section *section)
{
    if (section->whole != NULL) {
        section->whole(reader, component);
    } else {
        uint32_t count = bin_count(reader);
        reader->in_entry = true;
        for (uint32_t i = 0; i < count && !reader->failed; i++) {
            reader->entry = i;
            section->entry(reader, component);
        }
        reader->in_entry = false;
    }
    if (reader->at != reader->end)
        bin_fail_at(reader, GA_INVALID, reader->at, "%zu bytes too many", (size_t)(reader->end - reader->at));
}

static void section(struct bin_reader *reader, struct component *component)
{
    const char *outer_section = reader->section, *outer_spec = reader->spec;
    uint8_t id = bin_u8(reader);
    if (id >= sizeof sections / sizeof sections[0]) {
        bin_fail_byte(reader, id, "a section");
        return;
    }
    reader->section = sections[id].name;
    reader->spec = sections[id].spec;
    const uint8_t *at = reader->at, *end = reader->end;
    uint32_t size = bin_u32(reader);
    if (size > (size_t)(end - reader->at))
        bin_fail_at(reader, GA_INVALID, at, "size %u, but %zu bytes left", size, (size_t)(end - reader->at));
    if (reader->failed)
        return;
    reader->end = reader->at + size;
    section_contents(reader, component, &sections[id]);
    if (!reader->failed) {
        reader->end = end;
        reader->section = outer_section;
        reader->spec = outer_spec;
    }
}

static void component_sections(struct bin_reader *reader, struct component *component)
{
    component->offset = bin_offset(reader);
    preamble(reader, component_preamble);
    while (!reader->failed && reader->at < reader->end)
        section(reader, component);
}

enum ga_status bin_read(struct ga_arena *arena, const uint8_t *data, size_t size, struct component **component_out,
                        struct ga_report *report)
{
    if (size > GA_MAX_COMPONENT_BYTES)
        return ga_report_set(report, GA_LIMIT, "%zu bytes (limit is %u)", size, GA_MAX_COMPONENT_BYTES);
    struct bin_reader reader = {
        .arena = arena,
        .report = report,
        .start = data,
        .at = data,
        .end = data + size,
        .spec = "Component Definitions",
    };
    struct component *component = GA_NEW(arena, struct component);
    component_sections(&reader, component);
    if (reader.failed)
        return report->status;
    *component_out = component;
    return GA_OK;
}
