#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "io_http_parse.h"

static const struct io_http_limits LIMITS = {.target_bytes = 64, .head_bytes = 512, .body_bytes = 100};

static struct io_http_head head;
static struct io_http_refusal refusal;

/* 200 if it is complete, 0 if more is needed, else the status it is refused with. */
static unsigned parse(const char *text, size_t size)
{
    size_t scanned = 0, used;
    switch (io_http_parse_head(text, size, &LIMITS, &scanned, &head, &used, &refusal)) {
    case IO_HTTP_MORE: return 0;
    case IO_HTTP_REFUSED: return refusal.status;
    case IO_HTTP_DONE: return 200;
    }
    return 999;
}

/* Byte by byte, as a slow client sends it. The same answer must come, at the same byte or before. */
static unsigned parse_slowly(const char *text, size_t size)
{
    size_t scanned = 0, used;
    for (size_t i = 1; i <= size; i++) {
        enum io_http_progress progress = io_http_parse_head(text, i, &LIMITS, &scanned, &head, &used, &refusal);
        if (progress != IO_HTTP_MORE)
            return progress == IO_HTTP_DONE ? 200 : refusal.status;
    }
    return 0;
}

#define H "Host: a\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define COMMAS31 ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
#define X512 X64 X64 X64 X64 X64 X64 X64 X64

static const struct {
    unsigned status;
    const char *text;
} REQUESTS[] = {
    {200, "GET / HTTP/1.1\r\n" H "\r\n"},
    {200, "\r\nGET / HTTP/1.1\r\n" H "\r\n"}, /* one empty line before */
    {400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"},
    {200, "GET / HTTP/1.0\r\n\r\n"},
    {200, "GET / HTTP/1.9\r\n" H "\r\n"},
    {200, "GET http://b.c:80/d?e HTTP/1.1\r\n" H "\r\n"},
    {200, "GET http://b.c HTTP/1.1\r\n" H "\r\n"},
    {200, "OPTIONS * HTTP/1.1\r\n" H "\r\n"},
    {200, "M-SEARCH /a HTTP/1.1\r\n" H "\r\n"},
    {200, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"},
    {200, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"},
    {200, "GET / HTTP/1.1\r\n" H "X: \t a b \t \r\nY:\r\nZ:\xff\r\n\r\n"},
    {200, "GET / HTTP/1.1\r\nHost:\r\n\r\n"}, /* RFC 9112, 3.2: empty is a host too */
    {0, "GET / HTTP/1.1\r\n" H},
    {0, "GET / HTTP/1.1\r\n" H "\r"},
    /* the request line */
    {400, "GET  / HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /\r\n" H "\r\n"},
    {400, " GET / HTTP/1.1\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1 \r\n" H "\r\n"},
    {400, "GET / HTTP/1.10\r\n" H "\r\n"},
    {400, "GET / http/1.1\r\n" H "\r\n"},
    {400, "G@T / HTTP/1.1\r\n" H "\r\n"},
    {400, "GET a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET * HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /a#b HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /a\x7f HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /a\tb HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http:///a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://u@h/a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://h?a HTTP/1.1\r\n" H "\r\n"},
    {505, "GET / HTTP/2.0\r\n" H "\r\n"},
    {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {400, "GET /\r\n\r\n"},
    {501, "CONNECT a:80 HTTP/1.1\r\n" H "\r\n"},
    {501, X64 "x / HTTP/1.1\r\n" H "\r\n"},
    {501, X64 X64},
    {414, "GET /" X64 " HTTP/1.1\r\n" H "\r\n"},
    {414, "GET /" X64 X64},
    /* lines */
    {400, "GET / HTTP/1.1\n" H "\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nX: a\rY: b\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X: a\r\n folded\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H ": a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X\xff: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X: a\x01z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "X: a\x7fz\r\n\r\n"},
    {431, "GET / HTTP/1.1\r\n" H "X: " X512 "\r\n\r\n"},
    {431, "GET / HTTP/1.1\r\n" H "X: " X512},
    /* host */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "host: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    /* how long the body is: requests that two readers could cut apart differently */
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"},
    {413, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b" "chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {417, "POST / HTTP/1.1\r\n" H "Expect: more\r\n\r\n"},
    /* each option of Connection is compared with each field */
    {200, "GET / HTTP/1.1\r\n" H "Connection: " COMMAS31 "\r\n\r\n"},
    {431, "GET / HTTP/1.1\r\n" H "Connection: " COMMAS31 ",\r\n\r\n"},
    {431, "GET / HTTP/1.1\r\n" H "Connection: " COMMAS31 "\r\nConnection: a\r\n\r\n"},
};

Test(io_http_parse, each_request_is_taken_or_refused_however_slowly_it_comes)
{
    for (size_t i = 0; i < sizeof REQUESTS / sizeof *REQUESTS; i++) {
        const char *text = REQUESTS[i].text;
        cr_expect_eq(parse(text, strlen(text)), REQUESTS[i].status, "%zu: %u: %s", i, parse(text, strlen(text)), text);
        cr_expect_eq(parse_slowly(text, strlen(text)), REQUESTS[i].status, "slowly, %zu: %s", i, text);
    }
}

Test(io_http_parse, a_nul_is_refused_wherever_it_stands)
{
    static const char TEXT[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    char text[sizeof TEXT];
    for (size_t i = 0; i < sizeof TEXT - 1; i++) {
        memcpy(text, TEXT, sizeof TEXT);
        text[i] = '\0';
        unsigned status = parse(text, sizeof TEXT - 1);
        cr_expect(status >= 400 || (status == 0 && i >= sizeof TEXT - 3), "%zu: %u", i, status);
    }
}

static unsigned parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static bool is(struct io_http_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

Test(io_http_parse, a_head_says_what_was_asked_for)
{
    static const char TEXT[] = "POST http://b.c:80/d?e=f HTTP/1.1\r\nHost: a\r\nX-Y:  z z \t\r\nExpect: 100-Continue\r\n"
                               "Connection: x-y, Close\r\ncontent-length: 0012\r\n\r\n";
    cr_assert_eq(parse_text(TEXT), 200);
    cr_expect(is(head.method, "POST") && is(head.authority, "b.c:80") && is(head.path_and_query, "/d?e=f"));
    cr_expect(head.minor == 1 && head.has_length && head.length == 12 && !head.chunked && !head.keep_alive);
    cr_expect(head.expects_continue && !head.is_https && head.field_count == 5);
    cr_expect(is(head.fields[1].name, "X-Y") && is(head.fields[1].value, "z z"));
    cr_expect(io_http_is_hop_field(head.fields, head.field_count, head.fields[1].name)); /* Connection names it */
    cr_expect(!io_http_is_hop_field(head.fields, head.field_count, head.fields[2].name));
    cr_assert_eq(parse_text("GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n"), 200);
    cr_expect(is(head.authority, "h") && is(head.path_and_query, "/") && head.keep_alive && head.minor == 0);
}

Test(io_http_parse, there_are_as_many_fields_as_there_may_be)
{
    static const struct io_http_limits WIDE = {.target_bytes = 64, .head_bytes = 100000, .body_bytes = 100};
    for (int more = 0; more < 2; more++) {
        static char text[8192];
        size_t size = (size_t)sprintf(text, "GET / HTTP/1.1\r\n"), scanned = 0, used;
        for (int i = 0; i < IO_HTTP_FIELDS_MAX + more; i++)
            size += (size_t)sprintf(text + size, i ? "X: y\r\n" : H);
        size += (size_t)sprintf(text + size, "\r\n");
        enum io_http_progress progress = io_http_parse_head(text, size, &WIDE, &scanned, &head, &used, &refusal);
        cr_expect_eq(progress, more ? IO_HTTP_REFUSED : IO_HTTP_DONE);
        cr_expect_eq(refusal.status, more ? 431u : 0u);
    }
}

/* --- bodies --- */

/* The body in out, trailers behind a '|'; 200, 0 for incomplete, or the status. step: bytes that come at a time. */
static unsigned parse_body(struct io_http_body body, const char *text, size_t step, char *out, size_t *left_out)
{
    struct io_http_field trailers[IO_HTTP_FIELDS_MAX];
    struct io_http_slice piece;
    size_t at = 0, end = 0, size = strlen(text), used;
    unsigned count;
    *out = '\0';
    for (;;) {
        enum io_http_progress progress =
            io_http_body_next(&body, text + at, end - at, &LIMITS, &used, &piece, trailers, &count, &refusal);
        at += used;
        strncat(out, piece.data ? piece.data : "", piece.size);
        *left_out = size - at;
        if (progress == IO_HTTP_REFUSED)
            return refusal.status;
        if (progress == IO_HTTP_DONE) {
            for (unsigned i = 0; i < count; i++)
                sprintf(out + strlen(out), "|%.*s=%.*s", (int)trailers[i].name.size, trailers[i].name.data,
                        (int)trailers[i].value.size, trailers[i].value.data);
            return 200;
        }
        if (used == 0 && end == size)
            return 0;
        if (used == 0)
            end = end + step < size ? end + step : size;
    }
}

static const struct {
    unsigned status;
    const char *text, *body;
    size_t left;
} CHUNKS[] = {
    {200, "0\r\n\r\n", "", 0},
    {200, "5\r\nhello\r\n0\r\n\r\nGET", "hello", 3},
    {200, "5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n", "hello", 0},
    {400, "5\r\nhello\r\n1 ;x\r\n", NULL, 0},
    {200, "a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789", 0},
    {200, "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x|A=b|C=d", 0},
    {0, "5\r\nhel", "hel", 0},
    {0, "5\r\nhello\r\n", "hello", 0},
    {0, "0\r\n", "", 0},
    {0, "0\r\nA: b\r\n", "", 6},
    {400, "\r\n", "", 2},
    {400, "g\r\n", "", 3},
    {400, "0x5\r\nhello\r\n", NULL, 0},
    {400, "-1\r\n", "", 4},
    {400, "+1\r\n", "", 4},
    {400, " 5\r\nhello\r\n", "", 11},
    {400, "5 \r\nhello\r\n", NULL, 0},
    {400, "5\nhello\r\n0\r\n\r\n", NULL, 0},
    {400, "5\r\nhelloX\r\n", NULL, 0},
    {400, "5\r\nhello\n0\r\n\r\n", NULL, 0},
    {400, "5\r\nhello0\r\n\r\n", NULL, 0},
    {400, "5;a\x01\r\nhello\r\n", NULL, 0},
    {400, "5\rxhello", NULL, 0},
    {400, "0\r\nA: b\r\n c\r\n\r\n", NULL, 0},
    {400, "0\r\nContent-Length: 5\r\n\r\n", NULL, 0},
    {400, "0\r\nTransfer-Encoding: chunked\r\n\r\n", NULL, 0},
    {400, "0\r\nHost: b\r\n\r\n", NULL, 0},
    {413, "65\r\n", NULL, 0},
    {413, "60\r\n" X64 X16 X16 "\r\n5\r\n", NULL, 0},
    {413, "ffffffffffffffff\r\n", NULL, 0},
    {413, "1ffffffffffffffff1\r\n", NULL, 0},
    {431, "0\r\nA: " X512 "\r\n\r\n", NULL, 0},
};

Test(io_http_parse, chunks_are_put_together_or_refused_however_they_come)
{
    char out[1024];
    size_t left;
    cr_assert_eq(parse_text("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 200);
    for (size_t i = 0; i < sizeof CHUNKS / sizeof *CHUNKS; i++) {
        for (size_t step = 1; step < 9; step++) {
            unsigned status = parse_body(io_http_body_of(&head, &LIMITS), CHUNKS[i].text, step, out, &left);
            cr_expect_eq(status, CHUNKS[i].status, "%zu by %zu: %u: %s", i, step, status, CHUNKS[i].text);
            if (status < 400)
                cr_expect(strcmp(out, CHUNKS[i].body) == 0 && left == CHUNKS[i].left, "%zu by %zu: %s, %zu left", i, step,
                          out, left);
        }
    }
}

Test(io_http_parse, a_body_of_known_length_ends_there)
{
    char out[64];
    size_t left;
    cr_assert_eq(parse_text("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 200);
    for (size_t step = 1; step < 9; step++) {
        cr_expect_eq(parse_body(io_http_body_of(&head, &LIMITS), "helloGET", step, out, &left), 200);
        cr_expect(strcmp(out, "hello") == 0 && left == 3);
        cr_expect_eq(parse_body(io_http_body_of(&head, &LIMITS), "hel", step, out, &left), 0);
    }
}
