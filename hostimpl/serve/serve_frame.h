#ifndef SERVE_FRAME_H
#define SERVE_FRAME_H

#include "ga_buf.h"
#include "io_http_parse.h"

/*
 * What the server and a process that runs the handler say to each other, as messages of a channel (io_loop.h). The process
 * answers one request after the other:
 *
 *   server                                       process
 *                                                READY                   once, when it has started
 *   REQUEST, BODY..., then BODY_END or ABORT     HEAD, DATA..., then END; or FAILED at any time
 *                                                DONE or LAST            the handler has returned, and is as new
 *
 * ABORT says that nobody wants the response any more, or that the rest of the body is not there; it may also come when the
 * process is done already. LAST: the process ends. Texts are a size in 4 bytes, little endian, and so many bytes.
 */
enum serve_frame {
    SERVE_REQUEST = 1, /* byte: https; method, authority, path and query; fields */
    SERVE_BODY,
    SERVE_BODY_END, /* fields: trailers */
    SERVE_ABORT,
    SERVE_READY,
    SERVE_HEAD,   /* 2 bytes: status; 8 bytes: size of the body, IO_HTTP_SIZE_UNKNOWN; fields */
    SERVE_DATA,
    SERVE_END,    /* fields: trailers */
    SERVE_FAILED, /* there is no response, or no more of it */
    SERVE_DONE,
    SERVE_LAST
};

enum { SERVE_PIECE_BYTES = 64 << 10 /* of a body, at most, in a message */ };

void serve_put_text(struct ga_buf *out, const char *data, size_t size);
struct io_http_slice serve_read_text(struct ga_reader *reader); /* points into the message */

/* A count in 4 bytes, and so many names and values. */
void serve_put_field_count(struct ga_buf *out, uint32_t count);
/* Fields beyond IO_HTTP_FIELDS_MAX are malformed: reader->failed. */
uint32_t serve_read_fields(struct ga_reader *reader, struct io_http_field fields[IO_HTTP_FIELDS_MAX]);

#endif
