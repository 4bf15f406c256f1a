#ifndef AOT_VAL_PARTS_H
#define AOT_VAL_PARTS_H

#include "type_surface.h"
#include "val.h"

/* Internal to val_: each evaluates one definition and appends what it defines to the scope's index spaces. */
enum ga_status val_core_module(struct type_scope *scope, const struct def *def) GA_MUST_USE;
enum ga_status val_core_instance(struct type_scope *scope, const struct def *def) GA_MUST_USE;
enum ga_status val_core_alias(struct type_scope *scope, const struct def *def) GA_MUST_USE;
enum ga_status val_canon(struct type_scope *scope, const struct def *def) GA_MUST_USE;

/* The type of a core func; GA_INVALID if there is none of this index. */
enum ga_status val_core_func_at(const struct type_scope *scope, uint32_t index, uint64_t offset,
                                const struct core_func_type **out) GA_MUST_USE;

/* GA_INVALID unless it has exactly this type: letters as in struct bin_canon_builtin. `what` is the sentence. */
enum ga_status val_core_func_check(const struct type_scope *scope, uint32_t index, const char *params,
                                   const char *results, const char *what, uint64_t offset) GA_MUST_USE;
enum ga_status val_push_core_func(struct type_scope *scope, const struct core_func_type *type) GA_MUST_USE;
void val_core_func_type(struct ga_arena *arena, const char *params, const char *results, uint8_t v,
                        struct core_func_type *out);

__attribute__((format(printf, 3, 4))) enum ga_status val_fail(const struct type_scope *scope, uint64_t offset,
                                                              const char *format, ...);

#endif
