#ifndef SERVE_WORKER_H
#define SERVE_WORKER_H

#include "serve_frame.h"
#include "wasi_http.h"
#include "worker.h"

/*
 * The process that runs the handler. serve_worker.c: request after request; serve_link.c: its end of the socket;
 * serve_message.c: the request's body and the response as wasi:http sees them.
 */

/* Serves requests from the socket until it ends. config: of the worker. Returns the process's exit code. */
int serve_worker_run(int socket, const struct worker_config *config, const struct rt_export *handle);

/* --- serve_link.c: there is one link in a process --- */

void serve_link_open(int socket);

/* Waits for the next message that is a request; false: the server is gone. message_out is good until the next call. */
bool serve_link_next_request(struct ga_reader *message_out);

/* What is there of the request's body. */
enum serve_body_state { SERVE_BODY_WAITS, SERVE_BODY_PIECE, SERVE_BODY_COMPLETE, SERVE_BODY_ABORTED };
/* PIECE: *size_out bytes at *data_out, good until the next call of serve_link. */
enum serve_body_state serve_link_body(const uint8_t **data_out, size_t *size_out);
void serve_link_take(size_t size);                       /* so much of the piece is done with */
struct ga_reader serve_link_trailers(void);              /* COMPLETE: the message */
bool serve_link_is_aborted(void);                        /* looks, without waiting */
int serve_link_fd(void);                                 /* has something to read when serve_link_body says WAITS */
void serve_link_skip_body(void);                         /* waits for its end */

/* Messages to the server wait until serve_link_flush, or until there are many. */
void serve_link_put(enum serve_frame kind, const void *payload, size_t size);
void serve_link_flush(void);
bool serve_link_has_room(void); /* a piece of a body can be sent without waiting */

/* --- serve_message.c --- */

/* Makes the two parameters of the handler of a SERVE_REQUEST. */
struct serve_handle_params {
    uint32_t request, response_out;
};
struct serve_request {
    struct serve_handle_params params; /* first: what the handler gets */
    struct ga_reader message;
};
void serve_message_make(struct worker *worker, void *request);

/* What the handler has not said, once it has returned or failed (why; NULL: it has returned). */
void serve_message_end(const char *why);

#endif
