#ifndef WASI_IO_H
#define WASI_IO_H

#include "host_functions.h"

/*
 * Errors, pollables and streams as the other interfaces make them. Each is a host resource whose record names its
 * operations by address: addresses in the executable are the same in every process of a build, so a record in a
 * checkpoint stays right, and only the operations of interfaces that a component imports are linked.
 */

/* --- wasi:io/error --- */

struct wasi_error {
    int error; /* errno */
};

/* Returns the rep of a new error. */
uint32_t wasi_error_new(struct worker *worker, int error);

/* --- wasi:io/poll --- */

struct wasi_pollable;

struct wasi_pollable_ops {
    bool (*ready)(struct worker *worker, const struct wasi_pollable *pollable);
    /* What to wait for besides the deadline: an fd and poll(2)'s events. NULL: nothing. */
    int (*wait)(struct worker *worker, const struct wasi_pollable *pollable, short *events_out);
    bool deterministic; /* ready() gives the same when the worker is replayed, without being recorded */
};

struct wasi_pollable {
    const struct wasi_pollable_ops *ops;
    uint32_t subject;     /* rep of what is waited for; 0: nothing but the deadline */
    uint64_t deadline_ns; /* io_clock_monotonic_ns; IO_CLOCK_NEVER: none */
};

/* Returns the rep of a new pollable, a child of its subject. */
uint32_t wasi_pollable_new(struct worker *worker, const struct wasi_pollable_ops *ops, uint32_t subject,
                           uint64_t deadline_ns);

extern const struct wasi_pollable_ops wasi_pollable_always; /* ready at any time */
extern const struct wasi_pollable_ops wasi_pollable_timer;  /* ready at its deadline */

/* --- wasi:io/streams --- */

enum wasi_stream_state { WASI_STREAM_OK, WASI_STREAM_CLOSED, WASI_STREAM_FAILED };

/* Bytes that one read gives at most, and that check-write permits. */
enum { WASI_STREAM_BYTES = 65536 };

struct wasi_input_stream;
struct wasi_input_ops {
    const struct wasi_pollable_ops *pollable;
    /* What is there now, up to size (> 0); *count_out may be 0 if it would block. FAILED: *error_out is an errno. */
    enum wasi_stream_state (*read)(struct worker *worker, struct wasi_input_stream *stream, void *buffer, size_t size,
                                   size_t *count_out, int *error_out);
    /* Returns when read would give something. NULL: it does at any time. */
    void (*wait)(struct worker *worker, struct wasi_input_stream *stream);
    void (*drop)(struct worker *worker, struct wasi_input_stream *stream); /* may be NULL */
};

struct wasi_input_stream {
    const struct wasi_input_ops *ops;
    uint32_t source; /* rep of what is read from; 0 if there is none */
    bool closed;
    uint64_t offset; /* of files */
};

struct wasi_output_stream;
struct wasi_output_ops {
    const struct wasi_pollable_ops *pollable;
    /* Writes all of it. FAILED: *error_out is an errno. */
    enum wasi_stream_state (*write)(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                    size_t size, int *error_out);
    void (*drop)(struct worker *worker, struct wasi_output_stream *stream); /* may be NULL */
};

struct wasi_output_stream {
    const struct wasi_output_ops *ops;
    uint32_t sink;
    bool closed;
    uint64_t offset; /* of files */
    uint64_t permit; /* bytes that may be written before the next check-write */
};

/* Return the rep of a new stream. */
uint32_t wasi_input_stream_new(struct worker *worker, const struct wasi_input_ops *ops, uint32_t source, uint64_t offset);
uint32_t wasi_output_stream_new(struct worker *worker, const struct wasi_output_ops *ops, uint32_t sink, uint64_t offset);

#endif
