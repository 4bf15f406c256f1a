#include <string.h>

#include "abi.h"
#include "link_scope.h"

/*
 * Functions of the host that the component exports as they are. An export needs a core function to call, and memory for
 * what does not fit flat values; so each such function is lowered into a small core module made here, and lifted out of
 * it again:
 *
 *   (import "" "f" (func $f ...))                lowered
 *   (memory N) (global $next (mut i32) BASE)     the result's area at AREA, then what realloc hands out
 *   (func $realloc ...)                          hands out from $next upward
 *   (func $call ...)                             calls $f, with the area if the result needs one
 *   (func $post ...)                             $next is BASE again
 */
enum {
    AREA = 16,
    PAGE_BYTES = 65536,
    FUNC_IMPORT = 0, /* function indexes; types in the same order */
    FUNC_REALLOC = 1,
    FUNC_CALL = 2,
    FUNC_POST = 3
};

static const struct core_func_type realloc_type = {
    4, 1, (const uint8_t[]){CORE_I32, CORE_I32, CORE_I32, CORE_I32}, (const uint8_t[]){CORE_I32}};

static void put_bytes(struct ga_buf *out, const void *bytes, size_t size)
{
    ga_buf_append(out, bytes, size);
}
#define PUT(out, ...) put_bytes(out, (const uint8_t[]){__VA_ARGS__}, sizeof (const uint8_t[]){__VA_ARGS__})

/* A size in bytes, then the contents, which are emptied. */
static void put_sized(struct ga_buf *out, struct ga_buf *contents)
{
    ga_buf_leb_u(out, contents->size);
    put_bytes(out, contents->data, contents->size);
    ga_buf_free(contents);
}

static void put_section(struct ga_buf *out, uint8_t id, struct ga_buf *contents)
{
    ga_buf_u8(out, id);
    put_sized(out, contents);
}

static void put_value_types(struct ga_buf *out, uint32_t count, const uint8_t *kinds)
{
    static const uint8_t codes[] = {[CORE_I32] = 0x7f, [CORE_I64] = 0x7e, [CORE_F32] = 0x7d, [CORE_F64] = 0x7c};
    ga_buf_leb_u(out, count);
    for (uint32_t i = 0; i < count; i++)
        ga_buf_u8(out, codes[kinds[i]]);
}

static void put_type(struct ga_buf *out, const struct core_func_type *type)
{
    ga_buf_u8(out, 0x60);
    put_value_types(out, type->param_count, type->params);
    put_value_types(out, type->result_count, type->results);
}

static void put_name(struct ga_buf *out, const char *name)
{
    ga_buf_leb_u(out, strlen(name));
    ga_buf_text(out, name);
}

static void put_export(struct ga_buf *out, const char *name, uint8_t kind, uint32_t index)
{
    put_name(out, name);
    ga_buf_u8(out, kind);
    ga_buf_leb_u(out, index);
}

static void put_const(struct ga_buf *out, uint32_t value)
{
    ga_buf_u8(out, 0x41); /* i32.const */
    ga_buf_leb_s(out, (int32_t)value);
}

/* realloc(old, old_size, align, new_size); local 4 is the new block. */
static void put_realloc(struct ga_buf *out)
{
    PUT(out, 1, 1, 0x7f);                                             /* one local of i32 */
    PUT(out, 0x23, 0, 0x20, 2, 0x6a, 0x41, 1, 0x6b);                  /* $next + align - 1 */
    PUT(out, 0x41, 0, 0x20, 2, 0x6b, 0x71, 0x21, 4);                  /* & -align: the block */
    PUT(out, 0x20, 4, 0x20, 3, 0x6a, 0x24, 0);                        /* $next = block + new_size */
    PUT(out, 0x23, 0, 0x20, 4, 0x49, 0x04, 0x40, 0x00, 0x0b);         /* wrapped round: unreachable */
    PUT(out, 0x23, 0, 0x3f, 0, 0x41, 16, 0x74, 0x4b, 0x04, 0x40);     /* if $next > memory.size << 16 */
    PUT(out, 0x23, 0, 0x3f, 0, 0x41, 16, 0x74, 0x6b);                 /*   $next - (memory.size << 16) */
    PUT(out, 0x41, 0xff, 0xff, 3, 0x6a, 0x41, 16, 0x76, 0x40, 0);     /*   + 65535 >> 16, memory.grow */
    PUT(out, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x00, 0x0b, 0x0b);         /*   == -1: unreachable */
    PUT(out, 0x20, 4, 0x20, 0, 0x20, 1, 0x20, 3, 0x20, 1, 0x20, 3);   /* block, old, the smaller of the sizes */
    PUT(out, 0x49, 0x1b, 0xfc, 10, 0, 0, 0x20, 4, 0x0b);              /* memory.copy; the block */
}

static void put_call(struct ga_buf *out, const struct core_func_type *lifted, bool has_area)
{
    ga_buf_u8(out, 0); /* no locals */
    for (uint32_t i = 0; i < lifted->param_count; i++) {
        ga_buf_u8(out, 0x20);
        ga_buf_leb_u(out, i);
    }
    if (has_area)
        put_const(out, AREA);
    PUT(out, 0x10, FUNC_IMPORT);
    if (has_area)
        put_const(out, AREA);
    ga_buf_u8(out, 0x0b);
}

static void put_code(struct ga_buf *out, const struct core_func_type *lifted, bool has_area, uint32_t base)
{
    struct ga_buf body = {0};
    ga_buf_leb_u(out, 3);
    put_realloc(&body);
    put_sized(out, &body);
    put_call(&body, lifted, has_area);
    put_sized(out, &body);
    ga_buf_u8(&body, 0);
    put_const(&body, base);
    PUT(&body, 0x24, 0, 0x0b);
    put_sized(out, &body);
}

static struct slice make_module(struct ga_arena *arena, const struct type_func *type)
{
    struct core_func_type lowered, lifted;
    abi_flatten_func(arena, type, true, &lowered);
    abi_flatten_func(arena, type, false, &lifted);
    bool has_area = lowered.param_count > lifted.param_count;
    uint32_t base = AREA + (has_area ? (abi_layout(arena, type->result)->size + 15) / 16 * 16 : 0);
    const struct core_func_type post = {lifted.result_count, 0, lifted.results, NULL};

    struct ga_buf out = {0}, section = {0};
    PUT(&out, 0, 'a', 's', 'm', 1, 0, 0, 0);
    ga_buf_leb_u(&section, 4);
    put_type(&section, &lowered);
    put_type(&section, &realloc_type);
    put_type(&section, &lifted);
    put_type(&section, &post);
    put_section(&out, 1, &section);
    PUT(&section, 1, 0, 1, 'f', 0, FUNC_IMPORT);
    put_section(&out, 2, &section);
    PUT(&section, 3, FUNC_REALLOC, FUNC_CALL, FUNC_POST);
    put_section(&out, 3, &section);
    PUT(&section, 1, 0);
    ga_buf_leb_u(&section, base / PAGE_BYTES + 1);
    put_section(&out, 5, &section);
    PUT(&section, 1, 0x7f, 1);
    put_const(&section, base);
    ga_buf_u8(&section, 0x0b);
    put_section(&out, 6, &section);
    ga_buf_leb_u(&section, 4);
    put_export(&section, "memory", 2, 0);
    put_export(&section, "realloc", 0, FUNC_REALLOC);
    put_export(&section, "call", 0, FUNC_CALL);
    put_export(&section, "post", 0, FUNC_POST);
    put_section(&out, 7, &section);
    put_code(&section, &lifted, has_area, base);
    put_section(&out, 10, &section);

    struct slice bytes = {ga_arena_strndup(arena, (const char *)out.data, out.size), (uint32_t)out.size};
    ga_buf_free(&out);
    return bytes;
}

static struct core_item item_of(uint32_t core_instance, enum core_extern sort, const char *name)
{
    return (struct core_item){CORE_ITEM_EXPORT, sort, core_instance, 0, {name, (uint32_t)strlen(name)}};
}

static bool has_handles(struct ga_arena *arena, const struct type_func *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        if (abi_layout(arena, type->params[i].type)->has_handles)
            return true;
    return type->result != NULL && abi_layout(arena, type->result)->has_handles;
}

/* Handles of the host's resources have no text by which somebody outside could name them. */
static enum ga_status refuse(struct linker *linker, const struct plan_export *export)
{
    const struct plan_import *import = &linker->plan->imports.items[export->index];
    return ga_report_set(linker->report, GA_UNSUPPORTED,
                         "export \"%.*s\" function \"%.*s\" is the imported function \"%.*s\" \"%.*s\" itself: with "
                         "resources of the host in its type it cannot be exported again",
                         (int)export->interface.size, export->interface.data, (int)export->name.size, export->name.data,
                         (int)import->interface.size, import->interface.data, (int)import->name.size, import->name.data);
}

static enum ga_status forward(struct linker *linker, struct plan_export *export)
{
    struct plan *plan = linker->plan;
    uint32_t module, core_instance = plan->core_instances.count;
    if (has_handles(linker->arena, export->type))
        return refuse(linker, export);
    enum ga_status status = link_module(linker, make_module(linker->arena, export->type), &module);
    if (status != GA_OK)
        return status;
    struct core_item *import = GA_NEW(linker->arena, struct core_item);
    *import = (struct core_item){.kind = CORE_ITEM_LOWER, .sort = CORE_EXTERN_FUNC, .index = plan->lowers.count};
    *GA_PUSH(linker->arena, &plan->core_instances) = (struct plan_core_instance){module, 0, import};

    struct plan_options options = {.encoding = ENCODING_UTF8,
                                   .has_memory = true,
                                   .has_realloc = true,
                                   .memory = item_of(core_instance, CORE_EXTERN_MEMORY, "memory"),
                                   .realloc = item_of(core_instance, CORE_EXTERN_FUNC, "realloc")};
    *GA_PUSH(linker->arena, &plan->lowers) = (struct plan_lower){TARGET_HOST, export->index, export->type, options};
    options.has_post_return = true;
    options.post_return = item_of(core_instance, CORE_EXTERN_FUNC, "post");
    export->target = TARGET_LIFT;
    export->index = plan->lifts.count;
    *GA_PUSH(linker->arena, &plan->lifts) =
        (struct plan_lift){item_of(core_instance, CORE_EXTERN_FUNC, "call"), export->type, options};
    return GA_OK;
}

enum ga_status link_forwards(struct linker *linker)
{
    enum ga_status status = GA_OK;
    for (uint32_t i = 0; i < linker->plan->exports.count && status == GA_OK; i++)
        if (linker->plan->exports.items[i].target == TARGET_HOST)
            status = forward(linker, &linker->plan->exports.items[i]);
    return status;
}
