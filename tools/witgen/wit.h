#ifndef WITGEN_WIT_H
#define WITGEN_WIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_map.h"
#include "ga_report.h"
#include "types.h"

/*
 * WIT packages (component-model: WIT.md), as far as a host needs them: interfaces with their types and functions. Worlds are
 * skipped, feature gates (@since, @unstable, @deprecated) ignored. A document is filled by wit_parse once for each file,
 * then wit_resolve gives every type and function its struct of aot/types.h. All memory is the arena's; names point
 * into the files' text, which the caller keeps.
 */
struct wit_pos {
    const char *file;
    uint32_t line, column; /* from 1; columns count bytes */
};

struct wit_version {
    bool present;
    uint32_t major, minor, patch;
};

/* A type as it is written. */
struct wit_expr {
    struct wit_pos pos;
    enum val_kind kind;     /* unless named */
    struct slice name;      /* of a type or resource; own, borrow: of the resource; else empty */
    const struct wit_expr *first, *second; /* list, option: first; result: ok, err, each may be NULL */
    GA_VEC(const struct wit_expr *) items; /* tuple */
};

struct wit_member {
    struct slice name;
    const struct wit_expr *type; /* NULL: no payload */
};
typedef GA_VEC(struct wit_member) wit_members;

/* "ns:package/interface@version", or an interface of the same package (ns empty). */
struct wit_path {
    struct slice ns, package, interface;
    struct wit_version version;
};

enum wit_item_kind { WIT_USE, WIT_ALIAS, WIT_DEFINED, WIT_RESOURCE };

/* A name in an interface that stands for a type or a resource. */
struct wit_item {
    enum wit_item_kind kind;
    struct slice name;
    struct wit_pos pos;
    struct wit_path path;        /* use */
    struct slice used_name;      /* use */
    const struct wit_expr *expr; /* alias */
    enum val_kind value;         /* defined: record, variant, enum, flags */
    wit_members members;
    /* resolved: one of the two */
    const struct type_val *type;
    const struct type_resource *resource;
    bool resolving;
};

enum wit_func_kind { WIT_FREE, WIT_METHOD, WIT_STATIC, WIT_CONSTRUCTOR };

struct wit_func {
    enum wit_func_kind kind;
    struct slice name;           /* as written; empty for a constructor */
    struct slice full_name;      /* "[method]input-stream.read" */
    struct wit_pos pos;
    struct wit_item *resource;   /* of methods, statics, constructors */
    wit_members params;          /* without self */
    const struct wit_expr *result;
    struct type_func type;       /* resolved; self is its first parameter */
};

struct wit_package;

struct wit_interface {
    struct wit_package *package;
    struct slice name;
    struct wit_pos pos;
    struct ga_map items;         /* name -> struct wit_item */
    GA_VEC(struct wit_func *) funcs;
    struct ga_map func_names;    /* full name -> struct wit_func */
};

struct wit_package {
    struct slice ns, name;
    struct wit_version version;
    GA_VEC(struct wit_interface *) interfaces;
};

/* A record, variant, enum or flags under its name: every type_val whose `name` is not empty is the first member of one. */
struct wit_named {
    struct type_val val;
    struct wit_interface *interface;
};

/* Every type_resource is the first member of one. */
struct wit_resource {
    struct type_resource resource;
    struct wit_interface *interface;
    struct slice name;
};

struct wit_document {
    struct ga_arena *arena;
    struct ga_report *report;
    GA_VEC(struct wit_package *) packages;
};

/* Adds one file's package. The report says file:line:column: and what is wrong. */
enum ga_status wit_parse(struct wit_document *document, const char *file, const char *text, size_t size) GA_MUST_USE;

/* Resolves all uses, types and functions. */
enum ga_status wit_resolve(struct wit_document *document) GA_MUST_USE;

/* "file:line:column: text" into the document's report. */
__attribute__((format(printf, 3, 4))) enum ga_status wit_error(struct wit_document *document, struct wit_pos pos,
                                                               const char *format, ...);

/* Same compatibility track: equal major, and equal minor below 1.0. No version is a track of its own. */
bool wit_same_track(struct wit_version a, struct wit_version b);

/* The newest package of that name which serves the path's version; NULL if there is none. */
struct wit_package *wit_find_package(const struct wit_document *document, struct slice ns, struct slice name,
                                     struct wit_version version);
struct wit_interface *wit_find_interface(const struct wit_package *package, struct slice name);

bool wit_slice_equal(struct slice a, struct slice b);
bool wit_slice_is(struct slice slice, const char *text);

#endif
