#ifndef WASI_HTTP_EXCHANGE_H
#define WASI_HTTP_EXCHANGE_H

#include "durable.h"
#include "io_http_client.h"
#include "wasi_http.h"

/*
 * An exchange of the client: a request that was handed over, and its response. A host resource of its own that no guest
 * names, counted by those who use it: the future, then the response with its body and trailers (as their source), and the
 * request's body (as its sink).
 *
 * It is a batch (durable.h), from `handle` on. The batch ends when its owner is dropped (reference: Golem 1.2): the future until it
 * gave a response, the response until it was consumed, the body, or its stream; a stream that comes to its end ends it, too.
 * What is under way in this process is the live part.
 */

/* Takes head (with its references); body: of the request, 0 if none is to be sent. Begins to send, or will when the worker is
 * live. Returns the rep, with one reference. */
uint32_t wasi_http_exchange_new(struct worker *worker, enum durable_batch batch, uint64_t begin,
                                const struct wasi_http_head *head, uint32_t body,
                                const struct wasi_http_options *options);
void wasi_http_exchange_release(struct worker *worker, uint32_t rep);

uint64_t wasi_http_exchange_begin(struct worker *worker, uint32_t rep);
const struct wasi_http_head *wasi_http_exchange_head(struct worker *worker, uint32_t rep);

/* Nobody owns it any more: ends the batch, and cancels what is under way. */
void wasi_http_exchange_end(struct worker *worker, uint32_t rep);

/* Fields that were received, as they are recorded: without those that guests do not see, in scratch memory; false if one is
 * malformed. And from what was recorded. */
bool wasi_http_exchange_fields(struct worker *worker, const struct io_http_field *fields, size_t count,
                               struct cabi_list *list_out);
struct wasi_http_fields *wasi_http_exchange_received(struct worker *worker, const struct cabi_list *list);

/* What is under way; begins it if it has waited until now. NULL: nothing of it is to be had (replay, a worker that was
 * recovered), and what is made of it is connection-terminated. Who does not find in it what it wants calls io_http_run. */
struct io_http_exchange *wasi_http_exchange_io(struct worker *worker, uint32_t rep);

/* What went wrong, as the guest sees it. text is copied into the scratch memory. */
struct wasi_http_types_error_code wasi_http_exchange_error(struct worker *worker, const struct io_http_failure *failure);

/* The source of the response's body; its rep is the exchange's, and it has a reference. */
extern const struct wasi_http_source_ops wasi_http_exchange_source;

#endif
