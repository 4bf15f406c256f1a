/* Types as text. */
#include <string.h>

#include "type_surface.h"

static const char *const kind_names[] = {
    [VAL_BOOL] = "bool",       [VAL_S8] = "s8",     [VAL_U8] = "u8",         [VAL_S16] = "s16",
    [VAL_U16] = "u16",         [VAL_S32] = "s32",   [VAL_U32] = "u32",       [VAL_S64] = "s64",
    [VAL_U64] = "u64",         [VAL_F32] = "f32",   [VAL_F64] = "f64",       [VAL_CHAR] = "char",
    [VAL_STRING] = "string",   [VAL_LIST] = "list", [VAL_RECORD] = "record", [VAL_TUPLE] = "tuple",
    [VAL_VARIANT] = "variant", [VAL_ENUM] = "enum", [VAL_OPTION] = "option", [VAL_RESULT] = "result",
    [VAL_FLAGS] = "flags",     [VAL_OWN] = "own",   [VAL_BORROW] = "borrow", [VAL_ERROR_CONTEXT] = "error-context",
    [VAL_FIXED_LIST] = "list", [VAL_MAP] = "map",   [VAL_STREAM] = "stream", [VAL_FUTURE] = "future",
};

/* How types inside are written: structurally (a signature), or by their names (WIT). */
struct style {
    bool names;
};

static void print(const struct type_val *type, struct style style, struct ga_buf *out);

static void print_slice(struct slice text, struct ga_buf *out)
{
    ga_buf_append(out, text.data, text.size);
}

/* record and variant: field: type, case(type) */
static void print_members(const struct type_val *type, struct style style, struct ga_buf *out)
{
    ga_buf_text(out, "{");
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct type_member *member = &type->members[i];
        ga_buf_text(out, i > 0 ? ", " : "");
        print_slice(member->name, out);
        if (member->type == NULL)
            continue;
        ga_buf_text(out, type->kind == VAL_RECORD ? ": " : "(");
        print(member->type, style, out);
        ga_buf_text(out, type->kind == VAL_RECORD ? "" : ")");
    }
    ga_buf_text(out, "}");
}

static void print_tuple(const struct type_val *type, struct style style, struct ga_buf *out)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        ga_buf_text(out, i > 0 ? ", " : "<");
        print(type->members[i].type, style, out);
    }
    ga_buf_text(out, ">");
}

static void print_elements(const struct type_val *type, struct style style, struct ga_buf *out)
{
    if (type->element == NULL && type->err == NULL)
        return;
    ga_buf_text(out, "<");
    if (type->kind == VAL_MAP) {
        print(type->err, style, out);
        ga_buf_text(out, ", ");
    }
    if (type->element == NULL)
        ga_buf_text(out, "_");
    else
        print(type->element, style, out);
    if (type->kind == VAL_RESULT && type->err != NULL) {
        ga_buf_text(out, ", ");
        print(type->err, style, out);
    }
    if (type->kind == VAL_FIXED_LIST)
        ga_buf_printf(out, ", %u", type->length);
    ga_buf_text(out, ">");
}

static void print_resource(const struct type_val *type, struct style style, struct ga_buf *out)
{
    struct slice label = type_resource_label(type->resource);
    bool bare = style.names && type->kind == VAL_OWN; /* in WIT, the name alone owns */
    ga_buf_text(out, bare ? "" : "<");
    print_slice(label, out);
    ga_buf_text(out, bare ? "" : ">");
}

static void print(const struct type_val *type, struct style style, struct ga_buf *out)
{
    if (style.names && type->name.size > 0) {
        print_slice(type->name, out);
        return;
    }
    if (!style.names || type->kind != VAL_OWN)
        ga_buf_text(out, kind_names[type->kind]);
    switch (type->kind) {
    case VAL_RECORD:
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_FLAGS: print_members(type, style, out); break;
    case VAL_TUPLE: print_tuple(type, style, out); break;
    case VAL_OWN:
    case VAL_BORROW: print_resource(type, style, out); break;
    default: print_elements(type, style, out);
    }
}

static void print_func(const struct type_func *type, struct style style, struct ga_buf *out)
{
    ga_buf_text(out, type->async ? "async func(" : "func(");
    for (uint32_t i = 0; i < type->param_count; i++) {
        ga_buf_text(out, i > 0 ? ", " : "");
        print_slice(type->params[i].name, out);
        ga_buf_text(out, ": ");
        print(type->params[i].type, style, out);
    }
    ga_buf_text(out, ")");
    if (type->result != NULL) {
        ga_buf_text(out, " -> ");
        print(type->result, style, out);
    }
}

void type_func_signature(const struct type_func *type, struct ga_buf *out)
{
    print_func(type, (struct style){.names = false}, out);
}

void type_val_signature(const struct type_val *type, struct ga_buf *out)
{
    print(type, (struct style){.names = false}, out);
}

void type_val_print(const struct type_val *type, struct ga_buf *out)
{
    print(type, (struct style){.names = true}, out);
}

void type_func_print(const struct type_func *type, struct ga_buf *out)
{
    print_func(type, (struct style){.names = true}, out);
}
