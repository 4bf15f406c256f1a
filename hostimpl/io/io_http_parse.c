#include "io_http_parse.h"

#include <string.h>
#include <strings.h>

/* --- characters --- */

static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool io_http_is_token(struct io_http_slice slice)
{
    for (size_t i = 0; i < slice.size; i++)
        if (!is_token_char((unsigned char)slice.data[i]))
            return false;
    return slice.size > 0;
}

/* RFC 9110, 5.5: visible characters, blanks, and bytes above 0x7f (obs-text). */
static bool is_text(struct io_http_slice slice)
{
    for (size_t i = 0; i < slice.size; i++) {
        unsigned char c = (unsigned char)slice.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool io_http_is_field_value(struct io_http_slice slice)
{
    return is_text(slice) && (!slice.size || (!is_blank(slice.data[0]) && !is_blank(slice.data[slice.size - 1])));
}

static struct io_http_slice trim(struct io_http_slice slice)
{
    while (slice.size && is_blank(slice.data[0]))
        slice.data++, slice.size--;
    while (slice.size && is_blank(slice.data[slice.size - 1]))
        slice.size--;
    return slice;
}

bool io_http_is(struct io_http_slice slice, const char *word)
{
    return slice.size == strlen(word) && strncasecmp(slice.data, word, slice.size) == 0;
}

static bool same_name(struct io_http_slice a, struct io_http_slice b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* Takes the first element off a comma-separated list; false at its end. */
static bool next_element(struct io_http_slice *list, struct io_http_slice *element_out)
{
    if (!list->data)
        return false;
    const char *comma = memchr(list->data, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->data) : list->size;
    *element_out = trim((struct io_http_slice){list->data, size});
    *list = comma ? (struct io_http_slice){comma + 1, list->size - size - 1} : (struct io_http_slice){0};
    return true;
}

bool io_http_list_has(struct io_http_slice list, const char *word)
{
    struct io_http_slice element;
    while (next_element(&list, &element))
        if (io_http_is(element, word))
            return true;
    return false;
}

bool io_http_is_hop_field(const struct io_http_field *fields, unsigned count, struct io_http_slice name)
{
    static const char *const NAMES[] = {"connection", "keep-alive", "proxy-connection", "te",
                                        "transfer-encoding", "upgrade", "host"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (io_http_is(name, NAMES[i]))
            return true;
    for (unsigned i = 0; i < count; i++) {
        struct io_http_slice list = fields[i].value, element;
        while (io_http_is(fields[i].name, "connection") && next_element(&list, &element))
            if (same_name(element, name))
                return true;
    }
    return false;
}

const char *io_http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } TEXTS[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        if (TEXTS[i].status == status)
            return TEXTS[i].text;
    return "";
}

/* --- refusing --- */

static enum io_http_progress refuse(struct io_http_refusal *out, unsigned status, const char *reason)
{
    *out = (struct io_http_refusal){status, reason};
    return IO_HTTP_REFUSED;
}

/* --- lines --- */

/*
 * Looks on for the empty line that ends a head or trailers, from *scanned on. DONE: *end_out is behind it. A CR without
 * LF or LF without CR is refused as soon as it is seen.
 */
static enum io_http_progress find_end(const char *data, size_t size, size_t *scanned, size_t *end_out,
                                      struct io_http_refusal *refusal)
{
    for (size_t i = *scanned; i < size; i++) {
        const char *found = memchr(data + i, '\n', size - i);
        const char *stop = found ? found : data + size;
        const char *cr = memchr(data + i, '\r', (size_t)(stop - (data + i)));
        if (cr && cr + 1 != stop)
            return refuse(refusal, 400, "CR without LF");
        if (!found) {
            *scanned = cr ? (size_t)(cr - data) : size;
            return IO_HTTP_MORE;
        }
        if (!cr)
            return refuse(refusal, 400, "LF without CR");
        i = (size_t)(found - data);
        if (i == 1 || (i >= 3 && data[i - 2] == '\n')) {
            *end_out = i + 1;
            return IO_HTTP_DONE;
        }
        *scanned = i + 1;
    }
    return IO_HTTP_MORE;
}

/* The line at *at, without its CR LF, which is there. */
static struct io_http_slice take_line(const char **at, const char *end)
{
    const char *start = *at, *lf = memchr(start, '\n', (size_t)(end - start));
    *at = lf + 1;
    return (struct io_http_slice){start, (size_t)(lf - 1 - start)};
}

static enum io_http_progress parse_field(struct io_http_slice line, struct io_http_field *out,
                                         struct io_http_refusal *refusal)
{
    if (is_blank(line.data[0]))
        return refuse(refusal, 400, "a folded field line");
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon)
        return refuse(refusal, 400, "a field line without a colon");
    out->name = (struct io_http_slice){line.data, (size_t)(colon - line.data)};
    out->value = trim((struct io_http_slice){colon + 1, line.size - out->name.size - 1});
    if (!io_http_is_token(out->name))
        return refuse(refusal, 400, "a malformed field name");
    if (!is_text(out->value))
        return refuse(refusal, 400, "a control character in a field");
    return IO_HTTP_DONE;
}

/* Field lines up to the empty one, which ends at `end`. */
static enum io_http_progress parse_fields(const char *at, const char *end, struct io_http_field *fields,
                                          unsigned *count_out, struct io_http_refusal *refusal)
{
    *count_out = 0;
    for (struct io_http_slice line = take_line(&at, end); line.size; line = take_line(&at, end)) {
        if (*count_out == IO_HTTP_FIELDS_MAX)
            return refuse(refusal, 431, "too many fields");
        if (parse_field(line, &fields[*count_out], refusal) == IO_HTTP_REFUSED)
            return IO_HTTP_REFUSED;
        ++*count_out;
    }
    return IO_HTTP_DONE;
}

/* --- the request line --- */

static enum io_http_progress parse_version(struct io_http_slice version, struct io_http_head *head,
                                           struct io_http_refusal *refusal)
{
    const char *text = version.data;
    if (version.size != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
        text[7] < '0' || text[7] > '9')
        return refuse(refusal, 400, "a malformed request line");
    if (text[5] != '1')
        return refuse(refusal, 505, "only HTTP/1.0 and HTTP/1.1 are served");
    head->minor = text[7] > '0'; /* RFC 9110, 2.5: a higher minor version is treated as the highest one known */
    return IO_HTTP_DONE;
}

/* A host with or without a port (RFC 3986, 3.2): no user, nothing that begins another part of a URI. */
static bool is_authority(struct io_http_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("/?#@\\,\"<>^`{|}", c))
            return false;
    }
    return true;
}

/* "http://host/path": what stands behind the colon and slashes. */
static enum io_http_progress parse_absolute(struct io_http_slice rest, struct io_http_head *head,
                                            struct io_http_refusal *refusal)
{
    size_t size = 0;
    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?')
        size++;
    head->authority = (struct io_http_slice){rest.data, size};
    head->path_and_query = (struct io_http_slice){rest.data + size, rest.size - size};
    if (!size || !is_authority(head->authority))
        return refuse(refusal, 400, "a malformed target");
    if (!head->path_and_query.size)
        head->path_and_query = (struct io_http_slice){"/", 1};
    return head->path_and_query.data[0] == '/' ? IO_HTTP_DONE : refuse(refusal, 400, "a target without a path");
}

static enum io_http_progress parse_target(struct io_http_head *head, struct io_http_refusal *refusal)
{
    struct io_http_slice target = head->target;
    for (size_t i = 0; i < target.size; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return refuse(refusal, 400, "a malformed target");
    }
    head->path_and_query = target;
    if (target.size && target.data[0] == '/')
        return IO_HTTP_DONE;
    if (target.size == 1 && target.data[0] == '*' && io_http_is(head->method, "OPTIONS"))
        return IO_HTTP_DONE;
    if (target.size > 7 && strncasecmp(target.data, "http://", 7) == 0)
        return parse_absolute((struct io_http_slice){target.data + 7, target.size - 7}, head, refusal);
    head->is_https = target.size > 8 && strncasecmp(target.data, "https://", 8) == 0;
    if (head->is_https)
        return parse_absolute((struct io_http_slice){target.data + 8, target.size - 8}, head, refusal);
    return refuse(refusal, 400, "a malformed target");
}

enum { METHOD_BYTES = 64 };

static enum io_http_progress parse_request_line(struct io_http_slice line, struct io_http_head *head,
                                                struct io_http_refusal *refusal)
{
    const char *end = line.data + line.size;
    const char *first = memchr(line.data, ' ', line.size);
    const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return refuse(refusal, 400, "a malformed request line");
    head->method = (struct io_http_slice){line.data, (size_t)(first - line.data)};
    head->target = (struct io_http_slice){first + 1, (size_t)(second - first - 1)};
    if (!io_http_is_token(head->method))
        return refuse(refusal, 400, "a malformed method");
    if (head->method.size > METHOD_BYTES)
        return refuse(refusal, 501, "a method that is too long");
    if (parse_version((struct io_http_slice){second + 1, (size_t)(end - second - 1)}, head, refusal) == IO_HTTP_REFUSED)
        return IO_HTTP_REFUSED;
    if (head->method.size == 7 && memcmp(head->method.data, "CONNECT", 7) == 0)
        return refuse(refusal, 501, "there are no tunnels here");
    return parse_target(head, refusal);
}

/* --- what the fields mean for the message --- */

static enum io_http_progress note_length(struct io_http_head *head, struct io_http_slice value,
                                         struct io_http_refusal *refusal)
{
    uint64_t length = 0;
    if (head->has_length)
        return refuse(refusal, 400, "Content-Length twice");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(refusal, 400, "a malformed Content-Length");
        if (length > (INT64_MAX - 9) / 10)
            return refuse(refusal, 413, "a body that is too large");
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (!value.size)
        return refuse(refusal, 400, "a malformed Content-Length");
    head->has_length = true;
    head->length = length;
    return IO_HTTP_DONE;
}

static enum io_http_progress note_coding(struct io_http_head *head, struct io_http_slice value,
                                         struct io_http_refusal *refusal)
{
    if (head->chunked)
        return refuse(refusal, 400, "Transfer-Encoding twice");
    if (head->minor == 0)
        return refuse(refusal, 400, "Transfer-Encoding in HTTP/1.0");
    if (!io_http_is(value, "chunked"))
        return refuse(refusal, 501, "a Transfer-Encoding other than chunked");
    head->chunked = true;
    return IO_HTTP_DONE;
}

static enum io_http_progress note_expectation(struct io_http_head *head, struct io_http_slice value,
                                              struct io_http_refusal *refusal)
{
    if (!io_http_is(value, "100-continue"))
        return refuse(refusal, 417, "an unknown expectation");
    head->expects_continue = head->minor > 0; /* RFC 9110, 10.1.1: of HTTP/1.0 it is ignored */
    return IO_HTTP_DONE;
}

static enum io_http_progress note_connection(struct io_http_head *head, struct io_http_slice value,
                                             struct io_http_refusal *refusal)
{
    struct io_http_slice list = value, option;
    while (next_element(&list, &option))
        if (++head->option_count > IO_HTTP_OPTIONS_MAX)
            return refuse(refusal, 431, "too many connection options");
    if (io_http_list_has(value, "close"))
        head->keep_alive = false;
    else if (head->minor == 0 && io_http_list_has(value, "keep-alive"))
        head->keep_alive = true;
    return IO_HTTP_DONE;
}

static enum io_http_progress note_host(struct io_http_head *head, struct io_http_slice value,
                                       struct io_http_refusal *refusal)
{
    if (!is_authority(value))
        return refuse(refusal, 400, "a malformed Host");
    if (!head->authority.size) /* RFC 9112, 3.2.2: the target's comes first */
        head->authority = value;
    return IO_HTTP_DONE;
}

static const struct {
    const char *name;
    enum io_http_progress (*note)(struct io_http_head *head, struct io_http_slice value, struct io_http_refusal *refusal);
} MEANINGS[] = {
    {"content-length", note_length}, {"transfer-encoding", note_coding}, {"expect", note_expectation},
    {"connection", note_connection}, {"host", note_host},
};

static enum io_http_progress note_fields(struct io_http_head *head, struct io_http_refusal *refusal)
{
    unsigned hosts = 0;
    head->keep_alive = head->minor > 0;
    for (unsigned i = 0; i < head->field_count; i++) {
        hosts += io_http_is(head->fields[i].name, "host");
        for (size_t m = 0; m < sizeof MEANINGS / sizeof *MEANINGS; m++)
            if (io_http_is(head->fields[i].name, MEANINGS[m].name) &&
                MEANINGS[m].note(head, head->fields[i].value, refusal) == IO_HTTP_REFUSED)
                return IO_HTTP_REFUSED;
    }
    if (hosts > 1 || (head->minor > 0 && hosts == 0))
        return refuse(refusal, 400, hosts ? "Host twice" : "Host is missing");
    if (head->chunked && head->has_length)
        return refuse(refusal, 400, "Transfer-Encoding and Content-Length");
    return IO_HTTP_DONE;
}

/* --- the head --- */

/* What of the head is there so far is too much already? */
static enum io_http_progress check_sizes(const char *data, size_t size, const struct io_http_limits *limits,
                                         struct io_http_refusal *refusal)
{
    const char *line_end = memchr(data, '\r', size);
    size_t line_size = line_end ? (size_t)(line_end - data) : size;
    if (line_size > limits->target_bytes) {
        const char *space = memchr(data, ' ', line_size < METHOD_BYTES ? line_size : METHOD_BYTES);
        if (!space)
            return refuse(refusal, 501, "a method that is too long");
        const char *rest = space + 1, *end = data + line_size;
        const char *second = memchr(rest, ' ', (size_t)(end - rest));
        if ((size_t)((second ? second : end) - rest) > limits->target_bytes)
            return refuse(refusal, 414, "a target that is too long");
    }
    return size > limits->head_bytes ? refuse(refusal, 431, "fields that are too large") : IO_HTTP_DONE;
}

enum io_http_progress io_http_parse_head(const char *data, size_t size, const struct io_http_limits *limits,
                                         size_t *scanned, struct io_http_head *head_out, size_t *size_out,
                                         struct io_http_refusal *refusal_out)
{
    size_t start = 0, end;
    *refusal_out = (struct io_http_refusal){0};
    if (size >= 2 && data[0] == '\r' && data[1] == '\n') /* RFC 9112, 2.2: one empty line may come before a request */
        start = 2;
    if (*scanned < start)
        *scanned = start;
    if (size <= start)
        return IO_HTTP_MORE;
    size_t local = *scanned - start;
    enum io_http_progress progress = find_end(data + start, size - start, &local, &end, refusal_out);
    *scanned = start + local;
    if (progress == IO_HTTP_REFUSED)
        return progress;
    size_t seen = progress == IO_HTTP_DONE ? end : size - start;
    if (check_sizes(data + start, seen, limits, refusal_out) == IO_HTTP_REFUSED)
        return IO_HTTP_REFUSED;
    if (progress == IO_HTTP_MORE)
        return progress;
    *head_out = (struct io_http_head){0};
    const char *at = data + start, *stop = data + start + end;
    if (parse_request_line(take_line(&at, stop), head_out, refusal_out) == IO_HTTP_REFUSED ||
        parse_fields(at, stop, head_out->fields, &head_out->field_count, refusal_out) == IO_HTTP_REFUSED)
        return IO_HTTP_REFUSED;
    *size_out = start + end;
    return note_fields(head_out, refusal_out);
}

/* --- bodies --- */

enum body_state { BODY_PLAIN, BODY_CHUNK_SIZE, BODY_CHUNK_EXTENSION, BODY_CHUNK_DATA, BODY_CHUNK_END, BODY_TRAILERS };

enum { EXTENSION_BYTES = 1024 };

struct io_http_body io_http_body_of(const struct io_http_head *head, const struct io_http_limits *limits)
{
    return (struct io_http_body){.state = head->chunked ? BODY_CHUNK_SIZE : BODY_PLAIN,
                                 .chunked = head->chunked,
                                 .left = head->chunked ? 0 : head->length,
                                 .limit = limits->body_bytes};
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "1a2b", then ";extension" or the end of the line (RFC 9112, 7.1). Blanks are not taken. */
static enum io_http_progress next_size(struct io_http_body *body, const char *data, size_t size, size_t *used,
                                       struct io_http_refusal *refusal)
{
    while (*used < size && hex_digit(data[*used]) >= 0) {
        if (++body->line_used > 15)
            return refuse(refusal, 413, "a body that is too large");
        body->left = body->left * 16 + (uint64_t)hex_digit(data[*used]);
        ++*used;
    }
    if (*used == size)
        return IO_HTTP_MORE;
    if (!body->line_used || (data[*used] != ';' && data[*used] != '\r'))
        return refuse(refusal, 400, "a malformed chunk");
    body->state = BODY_CHUNK_EXTENSION;
    body->line_used = 0;
    return IO_HTTP_MORE;
}

/* Extensions mean nothing to us. */
static enum io_http_progress next_extension(struct io_http_body *body, const char *data, size_t size, size_t *used,
                                            struct io_http_refusal *refusal)
{
    while (*used < size && data[*used] != '\r') {
        if (!is_text((struct io_http_slice){data + *used, 1}) || ++body->line_used > EXTENSION_BYTES)
            return refuse(refusal, 400, "a malformed chunk");
        ++*used;
    }
    if (size - *used < 2)
        return IO_HTTP_MORE;
    if (data[*used + 1] != '\n')
        return refuse(refusal, 400, "CR without LF");
    *used += 2;
    body->line_used = 0;
    body->state = body->left ? BODY_CHUNK_DATA : BODY_TRAILERS;
    if (body->left > body->limit - body->total)
        return refuse(refusal, 413, "a body that is too large");
    return IO_HTTP_MORE;
}

static void next_piece(struct io_http_body *body, const char *data, size_t size, size_t *used, struct io_http_slice *piece)
{
    size_t count = size - *used;
    if (count > body->left)
        count = (size_t)body->left;
    *piece = (struct io_http_slice){data + *used, count};
    *used += count;
    body->left -= count;
    body->total += count;
    if (body->chunked && !body->left)
        body->state = BODY_CHUNK_END;
}

static enum io_http_progress next_chunk_end(struct io_http_body *body, const char *data, size_t size, size_t *used,
                                            struct io_http_refusal *refusal)
{
    if (size - *used < 2)
        return IO_HTTP_MORE;
    if (data[*used] != '\r' || data[*used + 1] != '\n')
        return refuse(refusal, 400, "a chunk that is longer than its size");
    *used += 2;
    body->state = BODY_CHUNK_SIZE;
    return IO_HTTP_MORE;
}

/* RFC 9110, 6.5.1: fields that say how to read the message cannot come behind it. */
static bool is_forbidden_trailer(struct io_http_slice name)
{
    return io_http_is(name, "content-length") || io_http_is_hop_field(NULL, 0, name);
}

static enum io_http_progress next_trailers(struct io_http_body *body, const char *data, size_t size,
                                           const struct io_http_limits *limits, size_t *used,
                                           struct io_http_field *trailers, unsigned *count_out,
                                           struct io_http_refusal *refusal)
{
    size_t end;
    const char *start = data + *used;
    enum io_http_progress progress = find_end(start, size - *used, &body->scanned, &end, refusal);
    if (progress == IO_HTTP_REFUSED)
        return progress;
    if ((progress == IO_HTTP_DONE ? end : size - *used) > limits->head_bytes)
        return refuse(refusal, 431, "trailers that are too large");
    if (progress == IO_HTTP_MORE)
        return progress;
    if (parse_fields(start, start + end, trailers, count_out, refusal) == IO_HTTP_REFUSED)
        return IO_HTTP_REFUSED;
    for (unsigned i = 0; i < *count_out; i++)
        if (is_forbidden_trailer(trailers[i].name))
            return refuse(refusal, 400, "a field that cannot be a trailer");
    *used += end;
    return IO_HTTP_DONE;
}

enum io_http_progress io_http_body_next(struct io_http_body *body, const char *data, size_t size,
                                        const struct io_http_limits *limits, size_t *used_out,
                                        struct io_http_slice *piece_out, struct io_http_field *trailers_out,
                                        unsigned *trailer_count_out, struct io_http_refusal *refusal_out)
{
    enum io_http_progress progress = IO_HTTP_MORE;
    size_t used = 0;
    bool moved;
    *piece_out = (struct io_http_slice){0};
    *trailer_count_out = 0;
    do {
        uint8_t state = body->state;
        size_t before = used;
        switch (state) {
        case BODY_PLAIN:
        case BODY_CHUNK_DATA: next_piece(body, data, size, &used, piece_out); break;
        case BODY_CHUNK_SIZE: progress = next_size(body, data, size, &used, refusal_out); break;
        case BODY_CHUNK_EXTENSION: progress = next_extension(body, data, size, &used, refusal_out); break;
        case BODY_CHUNK_END: progress = next_chunk_end(body, data, size, &used, refusal_out); break;
        case BODY_TRAILERS:
            progress = next_trailers(body, data, size, limits, &used, trailers_out, trailer_count_out, refusal_out);
            break;
        }
        moved = used != before || body->state != state;
    } while (progress == IO_HTTP_MORE && !piece_out->size && moved);
    *used_out = used;
    if (!body->chunked && !body->left && progress == IO_HTTP_MORE)
        progress = IO_HTTP_DONE;
    return progress;
}
