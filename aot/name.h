#ifndef AOT_NAME_H
#define AOT_NAME_H

#include <stdbool.h>

#include "component.h"

/* Names of imports, exports and labels (Explainer.md, "Import and Export Definitions"). */
enum name_kind {
    NAME_LABEL,
    NAME_CONSTRUCTOR,
    NAME_METHOD,
    NAME_STATIC,
    NAME_INTERFACE,
    NAME_SOURCE /* of imports: where they are found */
};

struct name {
    enum name_kind kind;
    struct slice resource;  /* constructor, method, static */
    struct slice label;     /* label, method, static */
    struct slice package;   /* interface: "wasi:io" */
    struct slice interface; /* "streams" */
    struct slice version;   /* "0.2.3"; size 0: none */
};

/* Kebab case: words and acronyms joined by hyphens. */
bool name_is_label(struct slice text);

/* A semantic version (semver.org): 1.2.3-pre.1+build. */
bool name_is_version(struct slice text);

/*
 * NULL, or what is wrong with it, as part of a sentence. Interface versions are whole ones, or, if
 * `version_suffix` is given (not NULL data), canonical ones ("0.2") that together with it make a whole one.
 */
const char *name_parse(struct slice text, struct slice version_suffix, struct name *out);

/* The form in which strongly-unique names differ ("Name Uniqueness"), in the arena. Any text may be given. */
struct slice name_canonical(struct ga_arena *arena, struct slice text);

bool name_equal(struct slice a, struct slice b);

#endif
