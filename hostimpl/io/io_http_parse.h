#ifndef IO_HTTP_PARSE_H
#define IO_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Requests of HTTP/1 as bytes (RFC 9112; fields and their values: RFC 9110). Strict where two readers could understand a
 * message differently: what is not exactly of the grammar is refused, never repaired.
 *
 * refused                                                      with
 *   a line that does not end in CR LF, CR or LF elsewhere      400
 *   obsolete line folding; blanks around a field's name        400
 *   a control character in a value, a byte above 0x7e in the target  400
 *   Content-Length twice, with a sign, with a list             400
 *   Transfer-Encoding with Content-Length, or in HTTP/1.0      400
 *   Transfer-Encoding other than "chunked"; CONNECT            501
 *   Host missing (HTTP/1.1), twice, or no host                 400
 *   an expectation other than 100-continue                     417
 *   HTTP/2 and others                                          505
 *   sizes above the limits                                     414 (target), 431 (fields, or names in Connection)
 */
struct io_http_slice {
    const char *data;
    size_t size;
};

struct io_http_field {
    struct io_http_slice name, value;
};

enum {
    IO_HTTP_FIELDS_MAX = 200,
    IO_HTTP_OPTIONS_MAX = 32 /* that Connection names: each field is compared with each of them */
};
#define IO_HTTP_SIZE_UNKNOWN UINT64_MAX /* of a body */

struct io_http_limits {
    size_t target_bytes; /* of the request's target */
    size_t head_bytes;   /* of the request line and all fields; also of trailers */
    uint64_t body_bytes;
};

struct io_http_head {
    struct io_http_slice method, target;
    struct io_http_slice authority;      /* of the target, else of Host; empty if neither has one */
    struct io_http_slice path_and_query; /* of the target; "/" if it has none; "*" */
    unsigned minor;                      /* HTTP/1.minor, 0 or 1 */
    bool chunked, has_length, keep_alive, expects_continue, is_https;
    uint64_t length; /* Content-Length */
    unsigned option_count; /* of Connection */
    unsigned field_count;
    struct io_http_field fields[IO_HTTP_FIELDS_MAX];
};

/* Why something was refused: a status, and a few words for people. */
struct io_http_refusal {
    unsigned status; /* 0: it was not */
    const char *reason;
};

enum io_http_progress { IO_HTTP_MORE, IO_HTTP_DONE, IO_HTTP_REFUSED };

/* Reads a request's head from the start of data. MORE: it does not end there; *scanned (0 before the first time)
 * remembers how far was looked. DONE: *size_out bytes are the head, and head_out points into data. */
enum io_http_progress io_http_parse_head(const char *data, size_t size, const struct io_http_limits *limits,
                                         size_t *scanned, struct io_http_head *head_out, size_t *size_out,
                                         struct io_http_refusal *refusal_out);

/* --- bodies --- */

struct io_http_body {
    uint8_t state;    /* private */
    bool chunked;
    uint64_t left;    /* bytes of the body, or of the chunk */
    uint64_t total;   /* bytes given so far */
    uint64_t limit;
    size_t line_used; /* digits of a chunk's size, or bytes of its extension */
    size_t scanned;
};

/* The body that follows a head. */
struct io_http_body io_http_body_of(const struct io_http_head *head, const struct io_http_limits *limits);

/*
 * Takes the next piece from data: *used_out bytes are done with, and *piece_out (may be empty) is body. MORE: call
 * again, with more data if nothing was used. DONE: the message ends behind them; trailers_out (IO_HTTP_FIELDS_MAX) has
 * *trailer_count_out fields that point into data.
 */
enum io_http_progress io_http_body_next(struct io_http_body *body, const char *data, size_t size,
                                        const struct io_http_limits *limits, size_t *used_out,
                                        struct io_http_slice *piece_out, struct io_http_field *trailers_out,
                                        unsigned *trailer_count_out, struct io_http_refusal *refusal_out);

/* --- words --- */

/* Equal without regard to the case of ASCII letters. */
bool io_http_is(struct io_http_slice slice, const char *word);

/* The comma-separated list has the word (RFC 9110, 5.6.1). */
bool io_http_list_has(struct io_http_slice list, const char *word);

/* Fields that belong to a connection, not to a message, or that a server makes itself (RFC 9110, 7.6.1): Connection,
 * Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade, and those which Connection names. Host too: it is the
 * authority. */
bool io_http_is_hop_field(const struct io_http_field *fields, unsigned count, struct io_http_slice name);

/* "Not Found"; "" for a status without a name. */
const char *io_http_status_text(unsigned status);

bool io_http_is_token(struct io_http_slice slice);       /* RFC 9110, 5.6.2 */
bool io_http_is_field_value(struct io_http_slice slice); /* no control characters but HTAB, no blanks around it */

#endif
