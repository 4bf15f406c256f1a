/* Requests of HTTP/1. The first byte says into pieces of which size the input is cut: what comes in pieces is read as what comes at
 * once, and what is taken has nothing in it that another reader could understand differently. */
#include "fuzz.h"
#include "ga_buf.h"
#include "io_http_parse.h"

static const struct io_http_limits limits = {.target_bytes = 256, .head_bytes = 4096, .body_bytes = 1 << 20};

/* What a connection's bytes are taken for: requests one behind the other, up to a refusal. */
struct reading {
    struct ga_buf seen; /* heads, bodies and trailers, as text */
    unsigned refused;   /* 0, or the status */
    struct io_http_head head;
    struct io_http_body body;
    size_t scanned;
    bool in_body;
};

static void check_slice(struct io_http_slice slice, const char *data, size_t size)
{
    GA_ASSERT(slice.size == 0 || (slice.data >= data && slice.size <= size && slice.data <= data + size - slice.size));
    for (size_t i = 0; i < slice.size; i++)
        GA_ASSERT(slice.data[i] != '\r' && slice.data[i] != '\n' && slice.data[i] != '\0');
}

static void note_slice(struct reading *reading, struct io_http_slice slice)
{
    ga_buf_append(&reading->seen, slice.data, slice.size);
    ga_buf_text(&reading->seen, "\n");
}

static void note_fields(struct reading *reading, const struct io_http_field *fields, unsigned count, const char *data, size_t size)
{
    GA_ASSERT(count <= IO_HTTP_FIELDS_MAX);
    for (unsigned i = 0; i < count; i++) {
        check_slice(fields[i].name, data, size);
        check_slice(fields[i].value, data, size);
        GA_ASSERT(io_http_is_token(fields[i].name) && io_http_is_field_value(fields[i].value));
        note_slice(reading, fields[i].name);
        note_slice(reading, fields[i].value);
        ga_buf_u8(&reading->seen, io_http_is_hop_field(fields, count, fields[i].name));
    }
}

/* Bytes used; 0 if more are needed. */
static size_t read_head(struct reading *reading, const char *data, size_t size)
{
    struct io_http_refusal refusal;
    struct io_http_head *head = &reading->head;
    size_t used = 0;
    switch (io_http_parse_head(data, size, &limits, &reading->scanned, head, &used, &refusal)) {
    case IO_HTTP_MORE: GA_ASSERT(size <= limits.head_bytes + 2); return 0;
    case IO_HTTP_REFUSED: GA_ASSERT(refusal.status >= 400); reading->refused = refusal.status; return 0;
    case IO_HTTP_DONE: break;
    }
    GA_ASSERT(used > 0 && used <= size && head->target.size <= limits.target_bytes && head->minor <= 1);
    GA_ASSERT(!(head->chunked && head->has_length) && (head->minor == 1 || !head->chunked));
    check_slice(head->target, data, used);
    check_slice(head->authority, data, used);
    GA_ASSERT(io_http_is_token(head->method) && head->path_and_query.size > 0);
    note_slice(reading, head->method);
    note_slice(reading, head->authority);
    note_slice(reading, head->path_and_query);
    note_fields(reading, head->fields, head->field_count, data, used);
    reading->scanned = 0;
    reading->in_body = true;
    reading->body = io_http_body_of(head, &limits);
    if (head->length > limits.body_bytes)
        reading->refused = 413; /* as the server does */
    return used;
}

static size_t read_body(struct reading *reading, const char *data, size_t size)
{
    struct io_http_refusal refusal;
    struct io_http_field trailers[IO_HTTP_FIELDS_MAX];
    struct io_http_slice piece;
    unsigned count;
    size_t used;
    enum io_http_progress progress =
        io_http_body_next(&reading->body, data, size, &limits, &used, &piece, trailers, &count, &refusal);
    GA_ASSERT(used <= size && reading->body.total <= limits.body_bytes);
    GA_ASSERT(piece.size == 0 || (piece.data >= data && piece.data + piece.size <= data + used));
    if (progress == IO_HTTP_REFUSED)
        reading->refused = refusal.status;
    else
        ga_buf_append(&reading->seen, piece.data, piece.size);
    if (progress == IO_HTTP_DONE) {
        note_fields(reading, trailers, count, data, used);
        reading->in_body = false;
    }
    return used;
}

/* Returns how much was taken of it; there may be more behind. */
static size_t read_on(struct reading *reading, const uint8_t *data, size_t size)
{
    size_t used = 0;
    for (bool moved = true; moved && !reading->refused;) {
        bool in_body = reading->in_body;
        uint8_t *copy = fuzz_copy(data + used, size - used);
        size_t taken = (in_body ? read_body : read_head)(reading, (const char *)copy, size - used);
        free(copy);
        used += taken;
        moved = taken > 0 || reading->in_body != in_body;
    }
    return used;
}

static void read_in_pieces(struct reading *reading, const uint8_t *data, size_t size, size_t piece)
{
    size_t start = 0;
    for (size_t end = 0; end < size && !reading->refused;) {
        end = size - end < piece ? size : end + piece;
        start += read_on(reading, data + start, end - start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct reading whole = {0}, pieces = {0};
    read_on(&whole, data + 1, size - 1);
    read_in_pieces(&pieces, data + 1, size - 1, 1 + data[0] % 64);
    /* A status may differ where two limits are passed at once; whether it is refused may not. */
    GA_ASSERT((whole.refused != 0) == (pieces.refused != 0));
    size_t same = whole.seen.size < pieces.seen.size ? whole.seen.size : pieces.seen.size;
    GA_ASSERT(whole.refused || whole.seen.size == pieces.seen.size);
    GA_ASSERT(same == 0 || memcmp(whole.seen.data, pieces.seen.data, same) == 0);
    ga_buf_free(&whole.seen);
    ga_buf_free(&pieces.seen);
    return 0;
}
