#include "serve_frame.h"

void serve_put_text(struct ga_buf *out, const char *data, size_t size)
{
    ga_buf_le(out, size, 4);
    ga_buf_append(out, data, size);
}

struct io_http_slice serve_read_text(struct ga_reader *reader)
{
    size_t size = ga_read_le(reader, 4);
    const uint8_t *data = ga_read_bytes(reader, size);
    return data ? (struct io_http_slice){(const char *)data, size} : (struct io_http_slice){0};
}

void serve_put_field_count(struct ga_buf *out, uint32_t count)
{
    ga_buf_le(out, count, 4);
}

uint32_t serve_read_fields(struct ga_reader *reader, struct io_http_field fields[IO_HTTP_FIELDS_MAX])
{
    uint64_t count = ga_read_le(reader, 4);
    if (count > IO_HTTP_FIELDS_MAX)
        reader->failed = true;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        fields[i].name = serve_read_text(reader);
        fields[i].value = serve_read_text(reader);
    }
    return reader->failed ? 0 : (uint32_t)count;
}
