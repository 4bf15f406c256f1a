#include "abi.h"
#include "link_scope.h"

/*
 * What is valid and refused: asynchronous functions and built-ins, and types that nothing here can carry. One sentence
 * for each, with the construct's name as it is written in WIT or in Binary.md.
 */

static const char *const type_names[] = {
    [VAL_ERROR_CONTEXT] = "error-context", [VAL_FIXED_LIST] = "list of fixed length", [VAL_MAP] = "map",
    [VAL_STREAM] = "stream",               [VAL_FUTURE] = "future",
};

enum ga_status link_refuse_canon(struct linker *linker, const struct def *def)
{
    const struct canon *canon = &def->canon;
    if (canon->kind == CANON_ASYNC) {
        const struct bin_canon_builtin *builtin = bin_canon_find(canon->opcode);
        return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset,
                            "the asynchronous built-in `%s` is not supported",
                            builtin != NULL ? builtin->name : "unknown");
    }
    if (canon->async || canon->has_callback)
        return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset,
                            "`%s` with the option `%s` is not supported: only synchronous functions are",
                            canon->kind == CANON_LIFT    ? "canon lift"
                            : canon->kind == CANON_LOWER ? "canon lower"
                                                         : "resource.drop",
                            canon->async ? "async" : "callback");
    return GA_OK;
}

static const struct type_val *uncarried(struct linker *linker, const struct type_val *type)
{
    return type != NULL ? abi_layout(linker->arena, type)->uncarried : NULL;
}

/* As an import that nothing serves is named. */
static const char *func_name(struct linker *linker, struct slice interface, struct slice name)
{
    if (name.size == 0)
        return "a lifted or lowered function";
    if (interface.size == 0)
        return ga_arena_printf(linker->arena, "import \"%.*s\"", (int)name.size, name.data);
    return ga_arena_printf(linker->arena, "import \"%.*s\" function \"%.*s\"", (int)interface.size, interface.data,
                           (int)name.size, name.data);
}

enum ga_status link_refuse_func(struct linker *linker, const struct type_func *type, struct slice interface,
                                struct slice name, uint64_t offset)
{
    const struct type_val *refused = uncarried(linker, type->result);
    for (uint32_t i = 0; i < type->param_count && refused == NULL; i++)
        refused = uncarried(linker, type->params[i].type);

    const char *what = func_name(linker, interface, name);
    if (type->async)
        return ga_report_at(linker->report, GA_UNSUPPORTED, offset,
                            "%s: its type is `async func`, only synchronous functions are supported", what);
    if (refused != NULL)
        return ga_report_at(linker->report, GA_UNSUPPORTED, offset, "%s: the type `%s` is not supported", what,
                            type_names[refused->kind]);
    return GA_OK;
}
