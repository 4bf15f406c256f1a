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
    if (text.size > 0 && memchr(text.data, ':', text.size) != NULL)
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

bool name_same_label(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (uint32_t i = 0; i < a.size; i++) {
        char x = a.data[i], y = b.data[i];
        if ((is_upper(x) ? x - 'A' + 'a' : x) != (is_upper(y) ? y - 'A' + 'a' : y))
            return false;
    }
    return true;
}

bool name_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
