#ifndef SERVE_POOL_H
#define SERVE_POOL_H

#include "io_http_server.h"

/*
 * The processes that run the handler, and the requests that they answer or that wait for one. Each process answers one request
 * at a time; more are forked while requests wait, up to a limit; those that nobody needs are let go.
 */
struct serve_pool;

struct serve_pool_config {
    struct io_loop *loop;
    unsigned processes_max;
    unsigned request_ms; /* so long a handler may leave everybody waiting for it */
    const int *fds; /* that processes inherit, besides the standard streams */
    unsigned fd_count;
    int (*run)(int socket); /* in a new process: serves until the socket ends; the result is the exit code */
    void (*remark)(const char *text);
    void (*tick_every)(unsigned interval_ms); /* serve_pool_tick is wanted so often, from now on */
    void (*started)(void); /* the first process is ready */
    void (*failed)(void);  /* the first process has ended before it was ready: none ever will be */
};

struct serve_pool *serve_pool_new(const struct serve_pool_config *config); /* config stays the caller's, and there */
void serve_pool_tick(struct serve_pool *pool);
/* Ends all processes; what they have not answered is cut. */
void serve_pool_end(struct serve_pool *pool);

/* The functions of struct io_http_server_config; the context of begin is the pool. */
void *serve_pool_begin(void *context, struct io_http_exchange *exchange, const struct io_http_head *head);
void serve_pool_body(void *user, const void *data, size_t size);
void serve_pool_body_end(void *user, const struct io_http_field *trailers, unsigned count);
void serve_pool_drained(void *user);
void serve_pool_lost(void *user);

#endif
