#include "wit_table.h"

#include <string.h>

static const struct {
    const char *name, *constant;
    bool recorded;
} classes[] = {
    {"pure", "DURABLE_PURE", false},
    {"observe", "DURABLE_OBSERVE", false},
    {"read-local", "DURABLE_READ_LOCAL", true},
    {"write-local", "DURABLE_WRITE_LOCAL", true},
    {"read-remote", "DURABLE_READ_REMOTE", true},
    {"write-remote", "DURABLE_WRITE_REMOTE", true},
    {"write-derived", "DURABLE_WRITE_DERIVED", true},
    {"custom", "DURABLE_CUSTOM", false},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of *rest, which is advanced behind it. */
static struct slice take_word(struct slice *rest)
{
    while (rest->size > 0 && is_blank(*rest->data)) {
        rest->data++;
        rest->size--;
    }
    struct slice word = {rest->data, 0};
    while (rest->size > 0 && !is_blank(*rest->data)) {
        rest->data++;
        rest->size--;
        word.size++;
    }
    return word;
}

static struct slice trim(struct slice text)
{
    while (text.size > 0 && is_blank(*text.data)) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static enum ga_status set_class(struct wit_document *document, struct wit_row *row, struct slice word)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (!wit_slice_is(word, classes[i].name))
            continue;
        row->class_constant = classes[i].constant;
        bool custom = strcmp(classes[i].name, "custom") == 0;
        if (classes[i].recorded && row->record_name.size == 0)
            return wit_error(document, row->pos, "class '%s' needs the name it is recorded under", classes[i].name);
        if (!classes[i].recorded && !custom && row->record_name.size > 0)
            return wit_error(document, row->pos, "class '%s' is never recorded, but has a name", classes[i].name);
        return GA_OK;
    }
    return wit_error(document, row->pos, "unknown class '%.*s'", (int)word.size, word.data);
}

static const char *row_key(struct wit_document *document, struct slice interface, struct slice func)
{
    return ga_arena_printf(document->arena, "%.*s %.*s", (int)interface.size, interface.data, (int)func.size, func.data);
}

static enum ga_status parse_row(struct wit_document *document, struct wit_table *table, struct slice line,
                                struct wit_pos pos)
{
    struct wit_row *row = GA_NEW(document->arena, struct wit_row);
    row->pos = pos;
    row->interface = take_word(&line);
    row->func = take_word(&line);
    struct slice class_word = take_word(&line);
    row->record_name = trim(line);
    if (class_word.size == 0)
        return wit_error(document, pos, "interface, function and class expected");
    if (set_class(document, row, class_word) != GA_OK)
        return document->report->status;
    const char *key = row_key(document, row->interface, row->func);
    if (!ga_map_add(&table->rows, key, strlen(key), row))
        return wit_error(document, pos, "'%s' is there twice", key);
    return GA_OK;
}

enum ga_status wit_table_parse(struct wit_document *document, const char *file, const char *text, size_t size,
                               struct wit_table *table)
{
    struct wit_pos pos = {file, 1, 1};
    table->rows.arena = document->arena;
    for (const char *end = text + size; text < end; pos.line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        const char *comment = memchr(text, '#', (size_t)(line_end - text));
        struct slice line = trim((struct slice){text, (uint32_t)((comment != NULL ? comment : line_end) - text)});
        if (line.size > 0 && parse_row(document, table, line, pos) != GA_OK)
            return document->report->status;
        text = line_end + 1;
    }
    return GA_OK;
}

const struct wit_row *wit_table_row(struct wit_document *document, struct wit_table *table,
                                    const struct wit_interface *interface, const struct wit_func *func)
{
    const struct wit_package *package = interface->package;
    const char *name =
        ga_arena_printf(document->arena, "%.*s:%.*s/%.*s", (int)package->ns.size, package->ns.data,
                        (int)package->name.size, package->name.data, (int)interface->name.size, interface->name.data);
    const char *key = row_key(document, (struct slice){name, (uint32_t)strlen(name)}, func->full_name);
    struct wit_row *row = ga_map_get(&table->rows, key, strlen(key));
    if (row == NULL)
        (void)wit_error(document, func->pos, "the durability table has no row for '%s'", key);
    else
        row->used = true;
    return row;
}

enum ga_status wit_table_check_used(struct wit_document *document, const struct wit_table *table)
{
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const struct wit_row *row = table->rows.entries[i].value;
        if (!row->used)
            return wit_error(document, row->pos, "there is no function '%.*s'", (int)table->rows.entries[i].key_size,
                             table->rows.entries[i].key);
    }
    return GA_OK;
}
