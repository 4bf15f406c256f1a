#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_limits.h"
#include "wit_lex.h"

/*
 * Recursive descent over WIT.md's grammar. The first error is kept in the document's report; from then on every
 * function returns at once (`failed`), so that the code reads like the grammar.
 */
struct wit_parser {
    struct wit_lexer lexer;
    struct wit_document *document;
    struct ga_arena *arena;
    bool failed;
    uint32_t depth;
};

enum ga_status wit_error(struct wit_document *document, struct wit_pos pos, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ga_report_set(document->report, GA_INVALID, "%s:%u:%u: %s", pos.file, pos.line, pos.column, text);
}

bool wit_slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool wit_slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

/* --- expectations --- */

static void fail_expected(struct wit_parser *parser, const char *wanted)
{
    const struct wit_token *token = &parser->lexer.token;
    if (parser->failed)
        return;
    parser->failed = true;
    if (token->kind == WIT_TOKEN_END)
        (void)wit_error(parser->document, token->pos, "%s expected, the file ends here", wanted);
    else if (token->kind == WIT_TOKEN_BAD && wit_slice_is(token->text, "/*"))
        (void)wit_error(parser->document, token->pos, "comment without an end");
    else
        (void)wit_error(parser->document, token->pos, "%s expected, here is '%.*s'", wanted, (int)token->text.size,
                        token->text.data);
}

__attribute__((format(printf, 3, 4))) static void fail_at(struct wit_parser *parser, struct wit_pos pos,
                                                          const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!parser->failed)
        (void)wit_error(parser->document, pos, "%s", text);
    parser->failed = true;
}

static bool accept(struct wit_parser *parser, const char *punctuation)
{
    if (parser->failed || !wit_lex_is(&parser->lexer, punctuation))
        return false;
    wit_lex_next(&parser->lexer);
    return true;
}

static void expect(struct wit_parser *parser, const char *punctuation)
{
    char wanted[8];
    snprintf(wanted, sizeof wanted, "'%s'", punctuation);
    if (!accept(parser, punctuation))
        fail_expected(parser, wanted);
}

static bool accept_keyword(struct wit_parser *parser, const char *keyword)
{
    if (parser->failed || !wit_lex_is_keyword(&parser->lexer, keyword))
        return false;
    wit_lex_next(&parser->lexer);
    return true;
}

/* Words that only stand for themselves when escaped with %. */
static const char *const keywords[] = {
    "use",    "type",   "resource", "func",        "record",  "flags",  "variant", "static", "interface",     "world",
    "import", "export", "package",  "constructor", "include", "async",  "own",     "borrow", "enum",          "option",
    "result", "list",   "tuple",    "u8",          "u16",     "u32",    "u64",     "s8",     "s16",           "s32",
    "s64",    "f32",    "f64",      "bool",        "char",    "string", "stream",  "future", "error-context", "map",
};

static bool is_reserved(const struct wit_token *token)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords && !token->escaped; i++)
        if (wit_slice_is(token->text, keywords[i]))
            return true;
    return false;
}

static struct slice parse_name(struct wit_parser *parser)
{
    struct wit_token token = parser->lexer.token;
    if (parser->failed)
        return (struct slice){0};
    if (token.kind != WIT_TOKEN_NAME)
        fail_expected(parser, "a name");
    else if (is_reserved(&token))
        fail_at(parser, token.pos, "'%.*s' is a keyword: write %%%.*s", (int)token.text.size, token.text.data,
                (int)token.text.size, token.text.data);
    else
        wit_lex_next(&parser->lexer);
    return parser->failed ? (struct slice){0} : token.text;
}

/* In names of packages keywords are allowed ("wasi:io"). */
static struct slice parse_package_word(struct wit_parser *parser)
{
    struct slice text = parser->lexer.token.text;
    if (parser->failed || parser->lexer.token.kind != WIT_TOKEN_NAME) {
        fail_expected(parser, "a name");
        return (struct slice){0};
    }
    wit_lex_next(&parser->lexer);
    return text;
}

static uint32_t parse_number(struct wit_parser *parser)
{
    struct wit_token token = parser->lexer.token;
    uint64_t value = 0;
    if (parser->failed || token.kind != WIT_TOKEN_NUMBER) {
        fail_expected(parser, "a number");
        return 0;
    }
    for (uint32_t i = 0; i < token.text.size && value <= UINT32_MAX; i++)
        value = value * 10 + (uint64_t)(token.text.data[i] - '0');
    if (value > UINT32_MAX)
        fail_at(parser, token.pos, "number too large");
    wit_lex_next(&parser->lexer);
    return (uint32_t)value;
}

static struct wit_version parse_version(struct wit_parser *parser)
{
    struct wit_version version = {0};
    if (!accept(parser, "@"))
        return version;
    version.present = true;
    version.major = parse_number(parser);
    expect(parser, ".");
    version.minor = parse_number(parser);
    expect(parser, ".");
    version.patch = parse_number(parser);
    if (wit_lex_is(&parser->lexer, "-") || wit_lex_is(&parser->lexer, "+"))
        fail_at(parser, parser->lexer.token.pos, "a host offers released versions only");
    return version;
}

/* --- types --- */

static const struct {
    const char *name;
    enum val_kind kind;
} primitives[] = {
    {"bool", VAL_BOOL}, {"s8", VAL_S8},     {"u8", VAL_U8},         {"s16", VAL_S16}, {"u16", VAL_U16},
    {"s32", VAL_S32},   {"u32", VAL_U32},   {"s64", VAL_S64},       {"u64", VAL_U64}, {"f32", VAL_F32},
    {"f64", VAL_F64},   {"char", VAL_CHAR}, {"string", VAL_STRING},
};

static const struct wit_expr *parse_type(struct wit_parser *parser);

static void parse_own_or_borrow(struct wit_parser *parser, struct wit_expr *expr)
{
    expect(parser, "<");
    expr->name = parse_name(parser);
    expect(parser, ">");
}

static void parse_element(struct wit_parser *parser, struct wit_expr *expr)
{
    expect(parser, "<");
    expr->first = parse_type(parser);
    if (wit_lex_is(&parser->lexer, ","))
        fail_at(parser, parser->lexer.token.pos, "lists of fixed length are not offered by a host");
    expect(parser, ">");
}

static void parse_result(struct wit_parser *parser, struct wit_expr *expr)
{
    if (!accept(parser, "<"))
        return;
    if (!accept(parser, "_"))
        expr->first = parse_type(parser);
    if (accept(parser, ","))
        expr->second = parse_type(parser);
    expect(parser, ">");
}

static void parse_tuple(struct wit_parser *parser, struct wit_expr *expr)
{
    expect(parser, "<");
    do {
        if (wit_lex_is(&parser->lexer, ">"))
            break;
        const struct wit_expr *item = parse_type(parser);
        *GA_PUSH(parser->arena, &expr->items) = item;
    } while (accept(parser, ","));
    expect(parser, ">");
    if (!parser->failed && expr->items.count == 0)
        fail_at(parser, expr->pos, "tuple without elements");
}

static const struct {
    const char *name;
    enum val_kind kind;
    void (*parse)(struct wit_parser *parser, struct wit_expr *expr);
} constructors[] = {
    {"list", VAL_LIST, parse_element},     {"option", VAL_OPTION, parse_element},
    {"result", VAL_RESULT, parse_result},  {"tuple", VAL_TUPLE, parse_tuple},
    {"own", VAL_OWN, parse_own_or_borrow}, {"borrow", VAL_BORROW, parse_own_or_borrow},
};

static bool parse_primitive(struct wit_parser *parser, struct wit_expr *expr)
{
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        if (accept_keyword(parser, primitives[i].name)) {
            expr->kind = primitives[i].kind;
            return true;
        }
    }
    return false;
}

static bool parse_constructed(struct wit_parser *parser, struct wit_expr *expr)
{
    for (size_t i = 0; i < sizeof constructors / sizeof *constructors; i++) {
        if (accept_keyword(parser, constructors[i].name)) {
            expr->kind = constructors[i].kind;
            constructors[i].parse(parser, expr);
            return true;
        }
    }
    return false;
}

static const struct wit_expr *parse_type(struct wit_parser *parser)
{
    struct wit_expr *expr = GA_NEW(parser->arena, struct wit_expr);
    expr->pos = parser->lexer.token.pos;
    if (++parser->depth > GA_MAX_TYPE_DEPTH)
        fail_at(parser, expr->pos, "types too deep (limit is %u)", (unsigned)GA_MAX_TYPE_DEPTH);
    else if (!parse_primitive(parser, expr) && !parse_constructed(parser, expr))
        expr->name = parse_name(parser);
    parser->depth--;
    return expr;
}

/* --- interface items --- */

/* A member list of any kind: name [":" type | "(" type ")"] separated by commas, the last one optional. */
enum member_form { MEMBER_TYPED, MEMBER_PAYLOAD, MEMBER_BARE };

static void check_duplicate(struct wit_parser *parser, const wit_members *members, struct slice name, struct wit_pos pos)
{
    for (uint32_t i = 0; i < members->count && !parser->failed; i++)
        if (wit_slice_equal(members->items[i].name, name))
            fail_at(parser, pos, "'%.*s' is there twice", (int)name.size, name.data);
}

static void parse_member(struct wit_parser *parser, enum member_form form, wit_members *members)
{
    struct wit_pos pos = parser->lexer.token.pos;
    struct wit_member member = {.name = parse_name(parser)};
    check_duplicate(parser, members, member.name, pos);
    if (form == MEMBER_TYPED) {
        expect(parser, ":");
        member.type = parse_type(parser);
    } else if (form == MEMBER_PAYLOAD && accept(parser, "(")) {
        member.type = parse_type(parser);
        expect(parser, ")");
    }
    *GA_PUSH(parser->arena, members) = member;
}

static void parse_members(struct wit_parser *parser, const char *close, enum member_form form, wit_members *members)
{
    while (!parser->failed && !wit_lex_is(&parser->lexer, close)) {
        parse_member(parser, form, members);
        if (!accept(parser, ","))
            break;
    }
    expect(parser, close);
}

/* @since(...), @unstable(...), @deprecated(...). */
static void skip_gates(struct wit_parser *parser)
{
    while (accept(parser, "@")) {
        (void)parse_package_word(parser);
        expect(parser, "(");
        while (!parser->failed && !wit_lex_is(&parser->lexer, ")")) {
            if (parser->lexer.token.kind == WIT_TOKEN_END || parser->lexer.token.kind == WIT_TOKEN_BAD)
                fail_expected(parser, "')'");
            wit_lex_next(&parser->lexer);
        }
        expect(parser, ")");
    }
}

static struct wit_item *add_item(struct wit_parser *parser, struct wit_interface *interface, enum wit_item_kind kind,
                                 struct slice name, struct wit_pos pos)
{
    struct wit_item *item = GA_NEW(parser->arena, struct wit_item);
    item->kind = kind;
    item->name = name;
    item->pos = pos;
    if (!parser->failed && (ga_map_get(&interface->func_names, name.data, name.size) != NULL ||
                            !ga_map_add(&interface->items, name.data, name.size, item)))
        fail_at(parser, pos, "'%.*s' is there twice", (int)name.size, name.data);
    return item;
}

static struct slice func_full_name(struct wit_parser *parser, const struct wit_func *func)
{
    static const char *const labels[] = {[WIT_METHOD] = "[method]", [WIT_STATIC] = "[static]"};
    struct slice resource = func->resource != NULL ? func->resource->name : (struct slice){"", 0};
    if (func->kind == WIT_FREE)
        return func->name;
    const char *text = func->kind == WIT_CONSTRUCTOR
                           ? ga_arena_printf(parser->arena, "[constructor]%.*s", (int)resource.size, resource.data)
                           : ga_arena_printf(parser->arena, "%s%.*s.%.*s", labels[func->kind], (int)resource.size,
                                             resource.data, (int)func->name.size, func->name.data);
    return (struct slice){text, (uint32_t)strlen(text)};
}

static void add_func(struct wit_parser *parser, struct wit_interface *interface, struct wit_func *func)
{
    if (parser->failed)
        return;
    func->full_name = func_full_name(parser, func);
    if (ga_map_get(&interface->items, func->full_name.data, func->full_name.size) != NULL ||
        !ga_map_add(&interface->func_names, func->full_name.data, func->full_name.size, func))
        fail_at(parser, func->pos, "'%.*s' is there twice", (int)func->full_name.size, func->full_name.data);
    *GA_PUSH(parser->arena, &interface->funcs) = func;
}

static void parse_signature(struct wit_parser *parser, struct wit_func *func)
{
    expect(parser, "(");
    parse_members(parser, ")", MEMBER_TYPED, &func->params);
    if (accept(parser, "->"))
        func->result = parse_type(parser);
    expect(parser, ";");
}

/* name ":" ["static"] "func" signature; a constructor has no name. */
static void parse_func(struct wit_parser *parser, struct wit_interface *interface, struct wit_item *resource)
{
    struct wit_func *func = GA_NEW(parser->arena, struct wit_func);
    func->pos = parser->lexer.token.pos;
    func->resource = resource;
    if (resource != NULL && accept_keyword(parser, "constructor")) {
        func->kind = WIT_CONSTRUCTOR;
    } else {
        func->name = parse_name(parser);
        expect(parser, ":");
        func->kind = resource == NULL ? WIT_FREE : accept_keyword(parser, "static") ? WIT_STATIC : WIT_METHOD;
        if (wit_lex_is_keyword(&parser->lexer, "async"))
            fail_at(parser, parser->lexer.token.pos, "async functions are not offered by a host");
        else if (!accept_keyword(parser, "func"))
            fail_expected(parser, "'func'");
    }
    parse_signature(parser, func);
    add_func(parser, interface, func);
}

static void parse_resource(struct wit_parser *parser, struct wit_interface *interface)
{
    struct wit_pos pos = parser->lexer.token.pos;
    struct wit_item *item = add_item(parser, interface, WIT_RESOURCE, parse_name(parser), pos);
    if (accept(parser, ";"))
        return;
    expect(parser, "{");
    while (!parser->failed && !accept(parser, "}")) {
        skip_gates(parser);
        parse_func(parser, interface, item);
    }
}

static const struct {
    const char *name;
    enum val_kind kind;
    enum member_form form;
} definitions[] = {
    {"record", VAL_RECORD, MEMBER_TYPED},
    {"variant", VAL_VARIANT, MEMBER_PAYLOAD},
    {"enum", VAL_ENUM, MEMBER_BARE},
    {"flags", VAL_FLAGS, MEMBER_BARE},
};

static bool parse_definition(struct wit_parser *parser, struct wit_interface *interface)
{
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++) {
        if (!accept_keyword(parser, definitions[i].name))
            continue;
        struct wit_pos pos = parser->lexer.token.pos;
        struct wit_item *item = add_item(parser, interface, WIT_DEFINED, parse_name(parser), pos);
        item->value = definitions[i].kind;
        expect(parser, "{");
        parse_members(parser, "}", definitions[i].form, &item->members);
        if (!parser->failed && item->members.count == 0)
            fail_at(parser, pos, "%s '%.*s' is empty", definitions[i].name, (int)item->name.size, item->name.data);
        if (!parser->failed && item->value == VAL_FLAGS && item->members.count > 32)
            fail_at(parser, pos, "flags '%.*s' have more than 32 members", (int)item->name.size, item->name.data);
        return true;
    }
    return false;
}

static void parse_alias(struct wit_parser *parser, struct wit_interface *interface)
{
    struct wit_pos pos = parser->lexer.token.pos;
    struct wit_item *item = add_item(parser, interface, WIT_ALIAS, parse_name(parser), pos);
    expect(parser, "=");
    item->expr = parse_type(parser);
    expect(parser, ";");
}

/* interface, or ns ":" package "/" interface ["@" version] */
static struct wit_path parse_path(struct wit_parser *parser)
{
    struct wit_path path = {0};
    struct slice first = parse_package_word(parser);
    if (!accept(parser, ":")) {
        path.interface = first;
        return path;
    }
    path.ns = first;
    path.package = parse_package_word(parser);
    expect(parser, "/");
    path.interface = parse_package_word(parser);
    path.version = parse_version(parser);
    return path;
}

/* "use" path ".{" name ["as" name] ... "};" */
static void parse_use(struct wit_parser *parser, struct wit_interface *interface)
{
    struct wit_path path = parse_path(parser);
    expect(parser, ".");
    expect(parser, "{");
    while (!parser->failed && !wit_lex_is(&parser->lexer, "}")) {
        struct wit_pos pos = parser->lexer.token.pos;
        struct slice used = parse_name(parser);
        struct slice name = accept_keyword(parser, "as") ? parse_name(parser) : used;
        struct wit_item *item = add_item(parser, interface, WIT_USE, name, pos);
        item->path = path;
        item->used_name = used;
        if (!accept(parser, ","))
            break;
    }
    expect(parser, "}");
    expect(parser, ";");
}

static void parse_interface_item(struct wit_parser *parser, struct wit_interface *interface)
{
    skip_gates(parser);
    if (accept_keyword(parser, "use"))
        parse_use(parser, interface);
    else if (accept_keyword(parser, "type"))
        parse_alias(parser, interface);
    else if (accept_keyword(parser, "resource"))
        parse_resource(parser, interface);
    else if (!parse_definition(parser, interface))
        parse_func(parser, interface, NULL);
}

static void parse_interface(struct wit_parser *parser, struct wit_package *package)
{
    struct wit_interface *interface = GA_NEW(parser->arena, struct wit_interface);
    interface->package = package;
    interface->pos = parser->lexer.token.pos;
    interface->items.arena = interface->func_names.arena = parser->arena;
    interface->name = parse_name(parser);
    if (!parser->failed && wit_find_interface(package, interface->name) != NULL)
        fail_at(parser, interface->pos, "interface '%.*s' is there twice", (int)interface->name.size,
                interface->name.data);
    *GA_PUSH(parser->arena, &package->interfaces) = interface;
    expect(parser, "{");
    while (!parser->failed && !accept(parser, "}"))
        parse_interface_item(parser, interface);
}

/* A world is no interface: passed over, braces matched. */
static void skip_world(struct wit_parser *parser)
{
    uint32_t depth = 0;
    (void)parse_name(parser);
    do {
        if (wit_lex_is(&parser->lexer, "{"))
            depth++;
        else if (wit_lex_is(&parser->lexer, "}"))
            depth--;
        else if (depth == 0 || parser->lexer.token.kind == WIT_TOKEN_END || parser->lexer.token.kind == WIT_TOKEN_BAD)
            fail_expected(parser, depth == 0 ? "'{'" : "'}'");
        wit_lex_next(&parser->lexer);
    } while (depth > 0 && !parser->failed);
}

/* --- files --- */

static struct wit_package *parse_package(struct wit_parser *parser)
{
    struct wit_pos pos = parser->lexer.token.pos;
    if (!accept_keyword(parser, "package"))
        fail_expected(parser, "'package'");
    struct wit_package *package = GA_NEW(parser->arena, struct wit_package);
    package->ns = parse_package_word(parser);
    expect(parser, ":");
    package->name = parse_package_word(parser);
    package->version = parse_version(parser);
    expect(parser, ";");
    if (parser->failed)
        return package;
    for (uint32_t i = 0; i < parser->document->packages.count; i++) {
        const struct wit_package *other = parser->document->packages.items[i];
        if (wit_slice_equal(other->ns, package->ns) && wit_slice_equal(other->name, package->name) &&
            wit_same_track(other->version, package->version))
            fail_at(parser, pos, "another file has package %.*s:%.*s of a compatible version", (int)package->ns.size,
                    package->ns.data, (int)package->name.size, package->name.data);
    }
    *GA_PUSH(parser->arena, &parser->document->packages) = package;
    return package;
}

enum ga_status wit_parse(struct wit_document *document, const char *file, const char *text, size_t size)
{
    struct wit_parser parser = {.document = document, .arena = document->arena};
    wit_lex_start(&parser.lexer, document, file, text, size);
    struct wit_package *package = parse_package(&parser);
    while (!parser.failed && parser.lexer.token.kind != WIT_TOKEN_END) {
        skip_gates(&parser);
        if (accept_keyword(&parser, "interface"))
            parse_interface(&parser, package);
        else if (accept_keyword(&parser, "world"))
            skip_world(&parser);
        else
            fail_expected(&parser, "'interface' or 'world'");
    }
    return document->report->status;
}
