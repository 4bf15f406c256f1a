#include "name.h"

#include <string.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice slice_from(struct slice text, uint32_t start)
{
    return (struct slice){text.data + start, text.size - start};
}

/* The part before the first `separator`, and in *rest what follows it; whole and absent (NULL) if there is none. */
static struct slice split(struct slice text, char separator, struct slice *rest)
{
    const char *at = text.size > 0 ? memchr(text.data, separator, text.size) : NULL;
    if (at == NULL) {
        *rest = (struct slice){NULL, 0};
        return text;
    }
    uint32_t size = (uint32_t)(at - text.data);
    *rest = slice_from(text, size + 1);
    return (struct slice){text.data, size};
}

static bool strip_prefix(struct slice *text, const char *prefix)
{
    uint32_t size = (uint32_t)strlen(prefix);
    if (text->size < size || memcmp(text->data, prefix, size) != 0)
        return false;
    *text = slice_from(*text, size);
    return true;
}

/* word, acronym; the first of a name begins with a letter. */
static bool is_fragment(struct slice text, bool first, bool acronyms)
{
    bool lower = false, upper = false;
    if (text.size == 0 || (first && is_digit(text.data[0])))
        return false;
    for (uint32_t i = 0; i < text.size; i++) {
        lower |= is_lower(text.data[i]);
        upper |= is_upper(text.data[i]);
        if (!is_lower(text.data[i]) && !is_upper(text.data[i]) && !is_digit(text.data[i]))
            return false;
    }
    return !upper || (acronyms && !lower);
}

static bool is_fragments(struct slice text, bool acronyms)
{
    struct slice rest = text;
    for (bool first = true; first || rest.data != NULL; first = false) {
        struct slice fragment = split(rest, '-', &rest);
        if (!is_fragment(fragment, first, acronyms))
            return false;
    }
    return true;
}

bool name_is_label(struct slice text)
{
    return is_fragments(text, true);
}

/* --- versions --- */

static bool is_number(struct slice text)
{
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (uint32_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]))
            return false;
    }
    return text.size < 20 || memcmp(text.data, "18446744073709551615", 20) <= 0;
}

/* Dot-separated identifiers; numeric ones of a pre-release have no leading zeros. */
static bool is_identifiers(struct slice text, bool build)
{
    struct slice rest = text;
    do {
        struct slice one = split(rest, '.', &rest);
        bool digits = one.size > 0;
        for (uint32_t i = 0; i < one.size; i++) {
            char c = one.data[i];
            if (!is_digit(c) && !is_lower(c) && !is_upper(c) && c != '-')
                return false;
            digits &= is_digit(c);
        }
        if (one.size == 0 || (digits && !build && one.size > 1 && one.data[0] == '0'))
            return false;
    } while (rest.data != NULL);
    return true;
}

bool name_is_version(struct slice text)
{
    struct slice build, pre, rest;
    text = split(text, '+', &build);
    text = split(text, '-', &pre);
    struct slice major = split(text, '.', &rest);
    struct slice minor = split(rest, '.', &rest);
    return is_number(major) && is_number(minor) && is_number(rest) &&
           (pre.data == NULL || is_identifiers(pre, false)) && (build.data == NULL || is_identifiers(build, true));
}

/* canonversion: up to and including the first part that is not 0. */
static bool is_canonical_version(struct slice text)
{
    struct slice rest = text;
    for (unsigned parts = 1; parts <= 3; parts++) {
        struct slice part = split(rest, '.', &rest);
        if (!is_number(part))
            return false;
        if (rest.data == NULL)
            return part.data[0] != '0' || parts == 3;
        if (part.data[0] != '0')
            return false;
    }
    return false;
}

static bool is_version_with_suffix(struct slice canonical, struct slice suffix)
{
    char text[256];
    if (!is_canonical_version(canonical) || canonical.size + suffix.size > sizeof text)
        return false;
    memcpy(text, canonical.data, canonical.size);
    memcpy(text + canonical.size, suffix.data, suffix.size);
    return name_is_version((struct slice){text, canonical.size + suffix.size});
}

/*
 * --- names of where an import is found: by package, address or content ---
 * The specification dropped them in 2026, tools still write and accept them:
 *     unlocked-dep=<PACKAGE[@*|@{>=V}|@{<V}|@{>=V <V}]>   locked-dep=<PACKAGE[@V]>[,HASHES]
 *     url=<TEXT>[,HASHES]                                 HASHES: integrity=<ALGORITHM-BASE64[?OPTIONS] ...>
 */

static bool strip_suffix(struct slice *text, char suffix)
{
    if (text->size == 0 || text->data[text->size - 1] != suffix)
        return false;
    text->size--;
    return true;
}

static bool is_package(struct slice text)
{
    struct slice rest, projection;
    struct slice namespace = split(text, ':', &rest);
    struct slice package = split(rest, '/', &projection);
    return is_fragments(namespace, false) && is_fragments(package, false) &&
           (projection.data == NULL || name_is_label(projection));
}

static bool is_range(struct slice text)
{
    struct slice upper;
    if (name_equal(text, (struct slice){"*", 1}))
        return true;
    if (!strip_prefix(&text, "{") || !strip_suffix(&text, '}'))
        return false;
    if (strip_prefix(&text, "<"))
        return name_is_version(text);
    struct slice lower = split(text, ' ', &upper);
    return strip_prefix(&lower, ">=") && name_is_version(lower) &&
           (upper.data == NULL || (strip_prefix(&upper, "<") && name_is_version(upper)));
}

static bool is_base64(struct slice text)
{
    for (unsigned padding = 0; padding < 2 && strip_suffix(&text, '='); padding++) {
    }
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!is_lower(c) && !is_upper(c) && !is_digit(c) && c != '+' && c != '/')
            return false;
    }
    return text.size > 0;
}

static bool is_hash(struct slice text)
{
    struct slice options;
    if (!strip_prefix(&text, "sha256-") && !strip_prefix(&text, "sha384-") && !strip_prefix(&text, "sha512-"))
        return false;
    return is_base64(split(text, '?', &options));
}

/* integrity=<...> */
static const char *hashes_fault(struct slice rest)
{
    bool any = false;
    if (!strip_prefix(&rest, "integrity=<") || !strip_suffix(&rest, '>'))
        return "it does not end in integrity=<...>";
    while (rest.data != NULL) {
        struct slice hash = split(rest, ' ', &rest);
        any |= hash.size > 0;
        if (hash.size > 0 && !is_hash(hash))
            return "its integrity is not the hash of an algorithm, sha256, sha384 or sha512, in base64";
    }
    return any ? NULL : "its integrity is empty";
}

/* What stands before the first >; after it there may be hashes. */
static const char *with_hashes(struct slice *text)
{
    struct slice rest;
    *text = split(*text, '>', &rest);
    if (rest.data == NULL)
        return "there is no > after the <";
    return rest.size == 0 ? NULL : strip_prefix(&rest, ",") ? hashes_fault(rest) : "something follows the >";
}

static const char *unlocked_fault(struct slice text)
{
    struct slice range;
    if (!strip_suffix(&text, '>'))
        return "there is no > at its end";
    struct slice package = split(text, '@', &range);
    if (!is_package(package))
        return "it does not name a package";
    return range.data == NULL || is_range(range) ? NULL : "its range of versions is not one";
}

static const char *locked_fault(struct slice text)
{
    struct slice version;
    const char *fault = with_hashes(&text);
    struct slice package = split(text, '@', &version);
    if (fault == NULL && !is_package(package))
        return "it does not name a package";
    if (fault == NULL && version.data != NULL && !name_is_version(version))
        return "its version is not a semantic version";
    return fault;
}

static const char *url_fault(struct slice text)
{
    const char *fault = with_hashes(&text);
    return fault == NULL && text.size > 0 && memchr(text.data, '<', text.size) != NULL ? "there is a < in its address"
                                                                                       : fault;
}

static const struct name_source {
    const char *prefix;
    const char *(*fault)(struct slice text);
    bool whole; /* the prefix is looked at again */
} name_sources[] = {
    {"unlocked-dep=<", unlocked_fault, false},
    {"locked-dep=<", locked_fault, false},
    {"url=<", url_fault, false},
    {"integrity=<", hashes_fault, true},
};

/* NULL: it is none of these. */
static const struct name_source *find_source(struct slice *text)
{
    for (uint32_t i = 0; i < sizeof name_sources / sizeof name_sources[0]; i++) {
        struct slice rest = *text;
        if (!strip_prefix(&rest, name_sources[i].prefix))
            continue;
        if (!name_sources[i].whole)
            *text = rest;
        return &name_sources[i];
    }
    return NULL;
}

/* --- import and export names --- */

static const char *parse_interface(struct slice text, struct slice version_suffix, struct name *out)
{
    struct slice rest, projection, version;
    out->kind = NAME_INTERFACE;
    struct slice namespace = split(text, ':', &rest);
    struct slice package = split(rest, '/', &projection);
    out->package = (struct slice){text.data, (uint32_t)(package.data + package.size - text.data)};
    out->interface = split(projection, '@', &version);
    out->version = version;
    if (!is_fragments(namespace, false))
        return "its namespace is not in lower-case kebab case";
    if (!is_fragments(package, false))
        return "its package is not in lower-case kebab case";
    if (projection.data == NULL)
        return "there is no / and interface after the package";
    if (!name_is_label(out->interface))
        return "its interface is not in kebab case";
    if (version_suffix.data != NULL)
        return version.data != NULL && is_version_with_suffix(version, version_suffix)
                   ? NULL
                   : "its version and version suffix do not make a semantic version";
    return version.data == NULL || name_is_version(version) ? NULL : "its version is not a semantic version";
}

const char *name_parse(struct slice text, struct slice version_suffix, struct name *out)
{
    *out = (struct name){0};
    const struct name_source *source = find_source(&text);
    if (source != NULL && version_suffix.data == NULL) {
        out->kind = NAME_SOURCE;
        return source->fault(text);
    }
    if (source == NULL && text.size > 0 && memchr(text.data, ':', text.size) != NULL)
        return parse_interface(text, version_suffix, out);
    if (version_suffix.data != NULL)
        return "only an interface name with a version can have a version suffix";
    if (strip_prefix(&text, "[constructor]")) {
        out->kind = NAME_CONSTRUCTOR;
        out->resource = text;
        return name_is_label(text) ? NULL : "the name of its resource is not in kebab case";
    }
    out->kind = strip_prefix(&text, "[method]")   ? NAME_METHOD
                : strip_prefix(&text, "[static]") ? NAME_STATIC
                                                  : NAME_LABEL;
    if (out->kind == NAME_LABEL) {
        out->label = text;
        return name_is_label(text) ? NULL : "it is not in kebab case";
    }
    out->resource = split(text, '.', &out->label);
    if (out->label.data == NULL)
        return "there is no . after its resource";
    return name_is_label(out->resource) && name_is_label(out->label) ? NULL : "it is not in kebab case";
}

struct slice name_canonical(struct ga_arena *arena, struct slice text)
{
    char *copy = ga_arena_strndup(arena, text.data, text.size);
    struct slice named = text;
    if (find_source(&named) != NULL)
        return text;
    for (uint32_t i = 0; i < text.size; i++) {
        if (is_upper(copy[i]))
            copy[i] = (char)(copy[i] - 'A' + 'a');
    }
    struct slice canonical = {copy, text.size}, label;
    if (!strip_prefix(&canonical, "[method]") && !strip_prefix(&canonical, "[static]"))
        return canonical;
    struct slice resource = split(canonical, '.', &label);
    return name_equal(resource, label) ? label : canonical;
}

bool name_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
