#include "abi.h"

#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "ga_map.h"

/*
 * Type tables. A table's name is made from a number; two types whose tables would read the same share one. That is
 * decided on the text itself, with the names of the parts' tables in it, so equal types meet at every depth.
 */
struct abi_emitter {
    struct ga_arena *arena;
    struct ga_buf *out;
    const char *prefix;
    const char *(*resource_ref)(void *context, const struct type_resource *resource);
    void *context;
    struct ga_map by_type; /* address of a type_val or type_func -> its expression */
    struct ga_map by_text; /* body of a table -> its expression */
    uint32_t type_count, func_count;
};

static const struct {
    const char *constant;  /* enum cabi_kind */
    const char *primitive; /* the runtime's descriptor */
} kind_names[] = {
    [VAL_BOOL] = {"CABI_BOOL", "&cabi_bool"},
    [VAL_S8] = {"CABI_S8", "&cabi_s8"},
    [VAL_U8] = {"CABI_U8", "&cabi_u8"},
    [VAL_S16] = {"CABI_S16", "&cabi_s16"},
    [VAL_U16] = {"CABI_U16", "&cabi_u16"},
    [VAL_S32] = {"CABI_S32", "&cabi_s32"},
    [VAL_U32] = {"CABI_U32", "&cabi_u32"},
    [VAL_S64] = {"CABI_S64", "&cabi_s64"},
    [VAL_U64] = {"CABI_U64", "&cabi_u64"},
    [VAL_F32] = {"CABI_F32", "&cabi_f32"},
    [VAL_F64] = {"CABI_F64", "&cabi_f64"},
    [VAL_CHAR] = {"CABI_CHAR", "&cabi_char"},
    [VAL_STRING] = {"CABI_STRING", "&cabi_string"},
    [VAL_LIST] = {"CABI_LIST", NULL},
    [VAL_RECORD] = {"CABI_RECORD", NULL},
    [VAL_TUPLE] = {"CABI_TUPLE", NULL},
    [VAL_VARIANT] = {"CABI_VARIANT", NULL},
    [VAL_ENUM] = {"CABI_ENUM", NULL},
    [VAL_OPTION] = {"CABI_OPTION", NULL},
    [VAL_RESULT] = {"CABI_RESULT", NULL},
    [VAL_FLAGS] = {"CABI_FLAGS", NULL},
    [VAL_OWN] = {"CABI_OWN", NULL},
    [VAL_BORROW] = {"CABI_BORROW", NULL},
};

static const char *const flat_names[] = {"CABI_FLAT_I32", "CABI_FLAT_I64", "CABI_FLAT_F32", "CABI_FLAT_F64"};

struct abi_emitter *abi_emitter_new(struct ga_arena *arena, struct ga_buf *out, const char *prefix,
                                    const char *(*resource_ref)(void *context, const struct type_resource *resource),
                                    void *context)
{
    struct abi_emitter *emitter = GA_NEW(arena, struct abi_emitter);
    emitter->arena = arena;
    emitter->out = out;
    emitter->prefix = prefix;
    emitter->resource_ref = resource_ref;
    emitter->context = context;
    emitter->by_type.arena = emitter->by_text.arena = arena;
    return emitter;
}

void abi_put_string(struct ga_buf *out, const char *text, size_t size)
{
    ga_buf_u8(out, '"');
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte == '"' || byte == '\\' || byte == '?')
            ga_buf_printf(out, "\\%c", byte);
        else if (byte == '\n')
            ga_buf_text(out, "\\n");
        else if (byte < 0x20 || byte >= 0x7f)
            ga_buf_printf(out, "\\%03o", byte);
        else
            ga_buf_u8(out, byte);
    }
    ga_buf_u8(out, '"');
}

void abi_put_comment(struct ga_buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        bool ends_comment = byte == '/' && i > 0 && text[i - 1] == '*';
        bool starts_comment = byte == '*' && i > 0 && text[i - 1] == '/';
        ga_buf_u8(out, byte < 0x20 || byte == 0x7f || byte == '\\' || ends_comment || starts_comment ? '_' : byte);
    }
}

static struct slice slice_of(const char *text)
{
    return (struct slice){text, (uint32_t)strlen(text)};
}

static void put_member(struct ga_buf *out, struct slice name, const char *type_ref, uint32_t offset,
                       uint32_t native_offset)
{
    ga_buf_text(out, "    {");
    if (name.size > 0)
        abi_put_string(out, name.data, name.size);
    else
        ga_buf_text(out, "NULL");
    ga_buf_printf(out, ", %s, %u, %u},\n", type_ref, offset, native_offset);
}

static const char *payload_ref(struct abi_emitter *emitter, const struct type_val *type)
{
    return type != NULL ? abi_type_ref(emitter, type) : "NULL";
}

/* Members as the descriptor wants them; returns how many. */
static uint32_t put_members(struct abi_emitter *emitter, struct ga_buf *out, const struct type_val *type,
                            const struct abi_layout *layout)
{
    if (type->kind == VAL_OPTION || type->kind == VAL_RESULT) {
        bool option = type->kind == VAL_OPTION;
        put_member(out, slice_of(option ? "none" : "ok"), payload_ref(emitter, option ? NULL : type->element), 0, 0);
        put_member(out, slice_of(option ? "some" : "err"), payload_ref(emitter, option ? type->element : type->err), 0, 0);
        return 2;
    }
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct type_member *member = &type->members[i];
        bool field = layout->offsets != NULL;
        put_member(out, type->kind == VAL_TUPLE ? (struct slice){0} : member->name, payload_ref(emitter, member->type),
                   field ? layout->offsets[i] : 0, field ? layout->native_offsets[i] : 0);
    }
    return type->member_count;
}

static void put_flat(struct ga_buf *out, const struct abi_layout *layout)
{
    for (uint32_t i = 0; i < layout->flat_count; i++)
        ga_buf_printf(out, "%s%s", i > 0 ? ", " : "", flat_names[layout->flat[i]]);
}

static void put_size_fields(struct ga_buf *out, const struct type_val *type, const struct abi_layout *layout)
{
    ga_buf_printf(out, "    .kind = %s,\n    .size = %u,\n    .align = %u,\n    .native_size = %u,\n    .native_align = %u,\n",
                  kind_names[type->kind].constant, layout->size, layout->align, layout->native_size, layout->native_align);
    if (layout->discriminant_size > 0)
        ga_buf_printf(out, "    .discriminant_size = %u,\n", layout->discriminant_size);
    if (layout->payload_offset > 0)
        ga_buf_printf(out, "    .payload_offset = %u,\n    .native_payload_offset = %u,\n", layout->payload_offset,
                      layout->native_payload_offset);
    if (layout->has_handles)
        ga_buf_text(out, "    .has_handles = true,\n");
    if (layout->plain)
        ga_buf_text(out, "    .plain = true,\n");
    ga_buf_printf(out, "    .flat_count = %u,\n", layout->flat_count);
}

/* A type's table in three pieces: members and flat values have arrays of their own. */
struct table_text {
    struct ga_buf members, flat, fields;
    uint32_t member_count;
};

static void table_write(struct abi_emitter *emitter, struct table_text *text, const struct type_val *type)
{
    const struct abi_layout *layout = abi_layout(emitter->arena, type);

    text->member_count = put_members(emitter, &text->members, type, layout);
    if (layout->flat_count <= GA_MAX_FLAT_PARAMS)
        put_flat(&text->flat, layout);
    put_size_fields(&text->fields, type, layout);
    if (type->kind == VAL_LIST)
        ga_buf_printf(&text->fields, "    .element = %s,\n", abi_type_ref(emitter, type->element));
    if (type->resource != NULL)
        ga_buf_printf(&text->fields, "    .resource = %s,\n", emitter->resource_ref(emitter->context, type->resource));
}

static void table_free(struct table_text *text)
{
    ga_buf_free(&text->members);
    ga_buf_free(&text->flat);
    ga_buf_free(&text->fields);
}

/* The whole text, name apart: what decides whether two tables are the same. */
static char *table_key(struct abi_emitter *emitter, struct table_text *text, size_t *size_out)
{
    *size_out = text->members.size + text->flat.size + text->fields.size + 2;
    return ga_arena_printf(emitter->arena, "%s|%s|%s", ga_buf_cstr(&text->members), ga_buf_cstr(&text->flat),
                           ga_buf_cstr(&text->fields));
}

static void table_print(struct abi_emitter *emitter, struct table_text *text, const char *name,
                        const struct type_val *type)
{
    struct ga_buf *out = emitter->out;
    if (type->name.size > 0) {
        ga_buf_text(out, "/* ");
        abi_put_comment(out, type->name.data, type->name.size);
        ga_buf_text(out, " */\n");
    }
    if (text->member_count > 0)
        ga_buf_printf(out, "static const struct cabi_member %s_members[] = {\n%s};\n", name, ga_buf_cstr(&text->members));
    if (text->flat.size > 0)
        ga_buf_printf(out, "static const uint8_t %s_flat[] = {%s};\n", name, ga_buf_cstr(&text->flat));
    ga_buf_printf(out, "static const struct cabi_type %s = {\n%s", name, ga_buf_cstr(&text->fields));
    if (text->member_count > 0)
        ga_buf_printf(out, "    .member_count = %u,\n    .members = %s_members,\n", text->member_count, name);
    if (text->flat.size > 0)
        ga_buf_printf(out, "    .flat = %s_flat,\n", name);
    ga_buf_text(out, "};\n\n");
}

static void remember(struct abi_emitter *emitter, const void *type, const char *expression)
{
    const void **key = GA_NEW(emitter->arena, const void *);
    *key = type;
    ga_map_set(&emitter->by_type, (const char *)key, sizeof *key, (void *)expression);
}

const char *abi_type_ref(struct abi_emitter *emitter, const struct type_val *type)
{
    GA_ASSERT(type->kind <= VAL_BORROW); /* the rest has been refused by link_ */
    if (kind_names[type->kind].primitive != NULL)
        return kind_names[type->kind].primitive;

    const char *expression = ga_map_get(&emitter->by_type, (const char *)&type, sizeof type);
    if (expression != NULL)
        return expression;

    struct table_text text = {0};
    table_write(emitter, &text, type);
    size_t key_size;
    const char *key = table_key(emitter, &text, &key_size);
    expression = ga_map_get(&emitter->by_text, key, key_size);
    if (expression == NULL) {
        expression = ga_arena_printf(emitter->arena, "&%s%u", emitter->prefix, emitter->type_count++);
        table_print(emitter, &text, expression + 1, type);
        ga_map_add(&emitter->by_text, key, key_size, (void *)expression);
    }
    table_free(&text);
    remember(emitter, type, expression);
    return expression;
}

static void put_params(struct abi_emitter *emitter, struct ga_buf *out, const struct type_func *type,
                       const struct abi_layout *layout)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        put_member(out, type->params[i].name, abi_type_ref(emitter, type->params[i].type), layout->offsets[i],
                   layout->native_offsets[i]);
}

static void put_func_fields(struct abi_emitter *emitter, struct ga_buf *out, const struct type_func *type,
                            const struct type_val *tuple)
{
    const struct abi_layout *params = abi_layout(emitter->arena, tuple);
    ga_buf_printf(out, "    .params_tuple = %s,\n", abi_type_ref(emitter, tuple));
    if (params->flat_count > GA_MAX_FLAT_PARAMS)
        ga_buf_text(out, "    .params_spilled = true,\n");
    if (type->result == NULL)
        return;
    ga_buf_printf(out, "    .result = %s,\n", abi_type_ref(emitter, type->result));
    if (abi_layout(emitter->arena, type->result)->flat_count > GA_MAX_FLAT_RESULTS)
        ga_buf_text(out, "    .result_spilled = true,\n");
}

static void func_print(struct abi_emitter *emitter, const char *name, uint32_t param_count, struct ga_buf *params,
                       struct ga_buf *fields)
{
    if (param_count > 0)
        ga_buf_printf(emitter->out, "static const struct cabi_member %s_params[] = {\n%s};\n", name, ga_buf_cstr(params));
    ga_buf_printf(emitter->out, "static const struct cabi_func_type %s = {\n", name);
    if (param_count > 0)
        ga_buf_printf(emitter->out, "    .param_count = %u,\n    .params = %s_params,\n", param_count, name);
    ga_buf_printf(emitter->out, "%s};\n\n", ga_buf_cstr(fields));
}

const char *abi_func_type_ref(struct abi_emitter *emitter, const struct type_func *type)
{
    const char *expression = ga_map_get(&emitter->by_type, (const char *)&type, sizeof type);
    if (expression != NULL)
        return expression;

    const struct type_val *tuple = abi_params_tuple(emitter->arena, type);
    struct ga_buf params = {0}, fields = {0};
    put_params(emitter, &params, type, abi_layout(emitter->arena, tuple));
    put_func_fields(emitter, &fields, type, tuple);
    const char *key = ga_arena_printf(emitter->arena, "func|%s|%s", ga_buf_cstr(&params), ga_buf_cstr(&fields));
    expression = ga_map_get(&emitter->by_text, key, strlen(key));
    if (expression == NULL) {
        expression = ga_arena_printf(emitter->arena, "&%sf%u", emitter->prefix, emitter->func_count++);
        func_print(emitter, expression + 1, type->param_count, &params, &fields);
        ga_map_add(&emitter->by_text, key, strlen(key), (void *)expression);
    }
    ga_buf_free(&params);
    ga_buf_free(&fields);
    remember(emitter, type, expression);
    return expression;
}
