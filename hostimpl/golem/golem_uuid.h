#ifndef GOLEM_UUID_H
#define GOLEM_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UUIDs as golem's interfaces have them: two halves, and as text. */
struct golem_uuid {
    uint64_t high_bits, low_bits;
};

enum { GOLEM_UUID_TEXT_SIZE = 37 }; /* with the NUL */

void golem_uuid_print(struct golem_uuid uuid, char text_out[GOLEM_UUID_TEXT_SIZE]);

/* With or without hyphens, in braces, or as urn:uuid:... False if it is none of these. */
bool golem_uuid_parse(const char *text, size_t size, struct golem_uuid *out);

#endif
