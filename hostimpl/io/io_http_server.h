#ifndef IO_HTTP_SERVER_H
#define IO_HTTP_SERVER_H

#include "ga_report.h"
#include "io_http_parse.h"
#include "io_loop.h"

/*
 * A server of HTTP/1.0 and HTTP/1.1: connections, keep-alive, pipelining, chunks, 100-continue, limits and time limits. What
 * answers the requests is its caller's business, and may take its time: bodies go by in pieces, both ways at once, and
 * either side can be told to wait.
 *
 *   limit                                           answer
 *   connections                                     503, and the connection is closed
 *   target, fields, Content-Length, body so far     414, 431, 413
 *   header_ms: from a request's first byte to the end of its head     408
 *   idle_ms: between requests                       the connection is closed
 *   body_ms: without a byte of a body that is wanted                  408
 *   write_ms: without the client taking anything    the connection is cut
 *
 * An answer that comes when a response has begun already can only be that the connection is cut, which the client sees: the
 * response is incomplete.
 */
struct io_http_exchange; /* a request and its response */

struct io_http_server_config {
    const char *listen; /* "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT"; port 0: any */
    struct io_http_limits limits;
    unsigned connections_max;
    unsigned header_ms, idle_ms, body_ms, write_ms;

    /* A request has come. head is good during the call. Returns what the functions below get; NULL: it is answered already. */
    void *(*begin)(void *context, struct io_http_exchange *exchange, const struct io_http_head *head);
    void (*body)(void *user, const void *data, size_t size);
    void (*body_end)(void *user, const struct io_http_field *trailers, unsigned count);
    void (*drained)(void *user); /* the client has taken what was too much */
    /* The client is gone, or its body was refused: no function may be called for the exchange any more. */
    void (*lost)(void *user);
    void (*stopped)(void *context); /* after io_http_server_stop: the last connection is closed */
    void *context;
};

struct io_http_server;

/* config stays the caller's, and there. */
enum ga_status io_http_server_start(struct io_loop *loop, const struct io_http_server_config *config,
                                    struct io_http_server **server_out, struct ga_report *report) GA_MUST_USE;
const char *io_http_server_address(const struct io_http_server *server); /* "127.0.0.1:8080" */
/* Call at least every 250 ms: time limits. */
void io_http_server_tick(struct io_http_server *server);
/* Takes no more connections and requests; those under way are finished. */
void io_http_server_stop(struct io_http_server *server);

/* --- responses --- */

/* In this order: respond, respond_body any number of times, respond_end. fields that belong to the connection are left
 * out, Date is added. body_size: if it is known; Content-Length of the fields says so too. */
void io_http_respond(struct io_http_exchange *exchange, unsigned status, const struct io_http_field *fields,
                     unsigned count, uint64_t body_size);
/* False: it is too much for now, and there will be `drained`. */
bool io_http_respond_body(struct io_http_exchange *exchange, const void *data, size_t size);
void io_http_respond_end(struct io_http_exchange *exchange, const struct io_http_field *trailers, unsigned count);

/* At any time, instead: a short text under that status, or the connection is cut if a response has begun. */
void io_http_fail(struct io_http_exchange *exchange, unsigned status, const char *reason);

bool io_http_is_answered(const struct io_http_exchange *exchange); /* a response has begun */
bool io_http_has_body_left(const struct io_http_exchange *exchange); /* body_end has not come */

/* The request's body may come, or not (it may at first). */
void io_http_read_body(struct io_http_exchange *exchange, bool wanted);

#endif
