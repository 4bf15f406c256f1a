#ifndef WITGEN_WIT_TABLE_H
#define WITGEN_WIT_TABLE_H

#include "wit.h"

/*
 * wit/durability.txt: a line for each function,
 *
 *   wasi:clocks/wall-clock  now  read-local  wall_clock::now
 *
 * that is interface (of every offered version that has the function), function, class, and the name under which Golem
 * records it (the rest of the line; nothing for classes that are never recorded). '#' begins a comment.
 */
struct wit_row {
    struct wit_pos pos;
    struct slice interface, func;
    const char *class_constant; /* "DURABLE_READ_LOCAL" */
    struct slice record_name;   /* empty: none */
    bool used;
};

struct wit_table {
    struct ga_map rows; /* "interface func" -> struct wit_row */
};

enum ga_status wit_table_parse(struct wit_document *document, const char *file, const char *text, size_t size,
                               struct wit_table *table) GA_MUST_USE;

/* The function's row, marked as used; NULL, and an error that names the function, if there is none. */
const struct wit_row *wit_table_row(struct wit_document *document, struct wit_table *table,
                                    const struct wit_interface *interface, const struct wit_func *func);

/* Error for the first row that no function uses. */
enum ga_status wit_table_check_used(struct wit_document *document, const struct wit_table *table) GA_MUST_USE;

#endif
