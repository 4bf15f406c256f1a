/* The parser of HTTP requests: a head and the body behind it. However the bytes come, the same is taken and the same refused, and what
 * is given lies inside of them. */
#include "fuzz.h"
#include "io_http_parse.h"

static const struct io_http_limits LIMITS = {.target_bytes = 200, .head_bytes = 1000, .body_bytes = 300};

struct outcome {
    unsigned status; /* 0: more is needed; 200: complete */
    size_t used, body_size;
    uint64_t body_sum;
    unsigned trailer_count;
};

static void check_slice(struct io_http_slice slice, const char *data, size_t size)
{
    GA_ASSERT(slice.size == 0 || (slice.data >= data && slice.data + slice.size <= data + size));
}

static void check_head(const struct io_http_head *head, const char *data, size_t size)
{
    check_slice(head->method, data, size);
    check_slice(head->target, data, size);
    check_slice(head->authority, data, size);
    GA_ASSERT(io_http_is_token(head->method) && head->field_count <= IO_HTTP_FIELDS_MAX && !(head->chunked && head->has_length));
    for (unsigned i = 0; i < head->field_count; i++) {
        check_slice(head->fields[i].name, data, size);
        check_slice(head->fields[i].value, data, size);
        GA_ASSERT(io_http_is_token(head->fields[i].name) && io_http_is_field_value(head->fields[i].value));
    }
}

/* step: bytes that come at a time. */
static size_t read_head(const char *data, size_t size, size_t step, struct io_http_head *head, struct outcome *outcome)
{
    struct io_http_refusal refusal;
    size_t scanned = 0, used, there = 0;
    do {
        there = size - there < step ? size : there + step;
        switch (io_http_parse_head(data, there, &LIMITS, &scanned, head, &used, &refusal)) {
        case IO_HTTP_MORE: break;
        case IO_HTTP_REFUSED: outcome->status = refusal.status; return 0;
        case IO_HTTP_DONE: check_head(head, data, there); return used;
        }
    } while (there < size);
    return 0;
}

static void read_body(const char *data, size_t size, size_t step, const struct io_http_head *head, struct outcome *outcome)
{
    struct io_http_field trailers[IO_HTTP_FIELDS_MAX];
    struct io_http_body body = io_http_body_of(head, &LIMITS);
    struct io_http_refusal refusal = {0};
    struct io_http_slice piece;
    size_t at = 0, there = 0, used;
    for (;;) {
        enum io_http_progress progress = io_http_body_next(&body, data + at, there - at, &LIMITS, &used, &piece, trailers,
                                                           &outcome->trailer_count, &refusal);
        GA_ASSERT(used <= there - at);
        check_slice(piece, data + at, used);
        for (size_t i = 0; i < piece.size; i++)
            outcome->body_sum = outcome->body_sum * 31 + (uint8_t)piece.data[i];
        outcome->body_size += piece.size;
        at += used;
        outcome->used = at;
        outcome->status = progress == IO_HTTP_REFUSED ? refusal.status : progress == IO_HTTP_DONE ? 200 : 0;
        if (progress != IO_HTTP_MORE || (used == 0 && there == size))
            return;
        if (used == 0)
            there = size - there < step ? size : there + step;
    }
}

static struct outcome read_all(const char *data, size_t size, size_t step)
{
    static struct io_http_head head;
    struct outcome outcome = {0};
    size_t used = read_head(data, size, step, &head, &outcome);
    if (used > 0 && head.length <= LIMITS.body_bytes)
        read_body(data + used, size - used, step, &head, &outcome);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    char *data = (char *)fuzz_copy(bytes, size);
    struct outcome whole = read_all(data, size, size);
    for (size_t step = 1; step < 8; step += 3) {
        struct outcome pieces = read_all(data, size, step);
        /* refused sooner where it comes slowly, with the reason that is found first; taken or not, and as what, is the same */
        bool refused = whole.status >= 400 && pieces.status >= 400;
        GA_ASSERT(refused || (whole.status == pieces.status && whole.body_size == pieces.body_size &&
                              whole.body_sum == pieces.body_sum && whole.trailer_count == pieces.trailer_count));
        GA_ASSERT(refused || whole.status != 200 || whole.used == pieces.used);
    }
    free(data);
    return 0;
}
