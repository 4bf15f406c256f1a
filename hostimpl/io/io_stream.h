#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <uv.h>

#include "ga_buf.h"
#include "io_loop.h"

/*
 * A socket in a loop with a buffer in each direction: what channels and HTTP connections have in common. Output is
 * gathered while a callback runs and written once before the loop waits.
 */
struct io_stream;

struct io_stream_ops {
    /* Takes bytes from the front of the input; what it leaves is kept, and comes again with more behind it. */
    size_t (*input)(struct io_stream *stream, const uint8_t *data, size_t size);
    void (*ended)(struct io_stream *stream, int error); /* no input comes any more; 0: the other side has ended it */
    void (*drained)(struct io_stream *stream);          /* all is written, after io_stream_is_full */
    void (*finished)(struct io_stream *stream);         /* after io_stream_finish: all is written */
    void (*closed)(struct io_stream *stream);           /* frees it */
};

enum { IO_STREAM_FULL = 256 << 10 }; /* so much may wait to be written, and a little more */

struct io_stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct io_loop *loop;
    const struct io_stream_ops *ops;
    struct ga_buf input, output;
    size_t in_flight; /* bytes that libuv has to write */
    uint64_t put;     /* bytes that were to be written, ever */
    bool reading, queued, was_full, closing, failed;
    bool busy; /* ops->input runs */
    bool finishing;
    uv_shutdown_t shutdown;
    struct io_stream *next_queued;
};

struct io_loop {
    uv_loop_t uv;
    uv_prepare_t before_waiting;
    uv_timer_t timer;
    void (*tick)(void *context);
    void *tick_context;
    struct io_stream *queued; /* has output to be written */
    unsigned signal_count;
    struct io_loop_signal {
        uv_signal_t uv;
        void (*handle)(void *context);
        void *context;
    } signals[4];
    char input[64 << 10]; /* what is read lands here first */
};

/* The caller has initialised stream->uv; reading begins with io_stream_read. */
void io_stream_init(struct io_stream *stream, struct io_loop *loop, const struct io_stream_ops *ops);
void io_stream_read(struct io_stream *stream, bool wanted);
void io_stream_again(struct io_stream *stream); /* gives the kept input to ops->input */
void io_stream_write(struct io_stream *stream, const void *data, size_t size);
bool io_stream_is_full(struct io_stream *stream);
size_t io_stream_waiting(const struct io_stream *stream); /* bytes not yet taken by the system */
void io_stream_finish(struct io_stream *stream);          /* no output comes any more; the other side sees that at its end */
void io_stream_reset(struct io_stream *stream);           /* the same, and the other side sees that something was missing (TCP) */
void io_stream_close(struct io_stream *stream);           /* at once; no callback but closed */

#endif
