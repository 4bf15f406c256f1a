#include "golem_uuid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void golem_uuid_print(struct golem_uuid uuid, char text_out[GOLEM_UUID_TEXT_SIZE])
{
    snprintf(text_out, GOLEM_UUID_TEXT_SIZE, "%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)(uuid.high_bits >> 32),
             (unsigned)(uuid.high_bits >> 16 & 0xffff), (unsigned)(uuid.high_bits & 0xffff),
             (unsigned)(uuid.low_bits >> 48), uuid.low_bits & 0xffffffffffffu);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, with hyphens at the usual places or nowhere. */
static bool parse_digits(const char *text, size_t size, struct golem_uuid *out)
{
    uint64_t halves[2] = {0};
    unsigned count = 0;
    if (size != 32 && size != 36)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool hyphen = size == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        int value = digit_value(text[i]);
        if (hyphen ? text[i] != '-' : value < 0)
            return false;
        if (!hyphen) {
            halves[count / 16] = halves[count / 16] << 4 | (uint64_t)value;
            count++;
        }
    }
    *out = (struct golem_uuid){halves[0], halves[1]};
    return true;
}

bool golem_uuid_parse(const char *text, size_t size, struct golem_uuid *out)
{
    static const char urn[] = "urn:uuid:";
    if (size > sizeof urn - 1 && memcmp(text, urn, sizeof urn - 1) == 0)
        return size == sizeof urn - 1 + 36 && parse_digits(text + sizeof urn - 1, 36, out);
    if (size == 38 && text[0] == '{' && text[37] == '}')
        return parse_digits(text + 1, 36, out);
    return parse_digits(text, size, out);
}
