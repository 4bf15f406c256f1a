#ifndef WASI_IO_H
#define WASI_IO_H

#include "host_functions.h"

/*
 * Errors, pollables and streams as the other interfaces make them. Each is a host resource whose record names its
 * operations by address: addresses in the executable are the same in every process of a build, so a record in a
 * checkpoint stays right, and only the operations of interfaces that a component imports are linked.
 */

/* --- wasi:io/error --- */

/* Whose codes an error has; kinds are told apart by address. */
struct wasi_error_kind {
    const char *name;                  /* "errno" */
    const char *(*print)(int32_t code); /* to-debug-string; any code may come. The text is copied */
};

extern const struct wasi_error_kind wasi_error_errno; /* positive errnos; what filesystem-error-code answers for */

struct wasi_error {
    const struct wasi_error_kind *kind;
    int32_t code;
};

/* Returns the rep of a new error. */
uint32_t wasi_error_new(struct worker *worker, const struct wasi_error_kind *kind, int32_t code);

/* --- wasi:io/poll --- */

struct wasi_pollable;

struct wasi_pollable_ops {
    /* Also true if the live part of what is waited for is gone: the guest then gets its error from what it does next. */
    bool (*ready)(struct worker *worker, const struct wasi_pollable *pollable);
    /* Asked when it is not ready: what to wait for besides the deadline, an fd and poll(2)'s events. -1: it is ready
     * after all. NULL: nothing. */
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

/* Returns when the pollable is ready. Not recorded: for what is run inside of a recorded call, and only live. */
void wasi_pollable_wait(struct worker *worker, const struct wasi_pollable *pollable);

extern const struct wasi_pollable_ops wasi_pollable_always; /* ready at any time */
extern const struct wasi_pollable_ops wasi_pollable_timer;  /* ready at its deadline */

/* --- wasi:io/streams --- */

enum wasi_stream_state { WASI_STREAM_OK, WASI_STREAM_CLOSED, WASI_STREAM_FAILED };

/* Bytes that one read gives at most, and that check-write permits unless the stream says otherwise. */
enum { WASI_STREAM_BYTES = 65536 };

enum wasi_stream_call {
    WASI_STREAM_READ,
    WASI_STREAM_BLOCKING_READ,
    WASI_STREAM_SKIP,
    WASI_STREAM_BLOCKING_SKIP,
    WASI_STREAM_CHECK_WRITE,
    WASI_STREAM_WRITE,
    WASI_STREAM_BLOCKING_WRITE_AND_FLUSH,
    WASI_STREAM_FLUSH,
    WASI_STREAM_BLOCKING_FLUSH,
    WASI_STREAM_WRITE_ZEROES,
    WASI_STREAM_BLOCKING_WRITE_ZEROES_AND_FLUSH,
    WASI_STREAM_CALL_COUNT
};

/*
 * A stream whose other end is not the worker's own cannot be read again in replay: what its calls gave is recorded (bytes,
 * count, permit, end, code of an error; golem-aot:recorded), and in replay given back without asking the operations. So these
 * must leave alone what is in the region: what they keep belongs to a live part. When the worker becomes live and that part
 * is not there, the operations give an error. A call of a stream that has ended is not recorded, and a splice is
 * recorded as its check-write, read and write.
 */
struct wasi_stream_recording {
    const char *names[WASI_STREAM_CALL_COUNT]; /* WASI_STREAM_NAMES */
    bool commit_before; /* what is written is seen by others at once: all entries before it are durable first */
    /* Begin index of the batch that calls belong to (durable_batch_value); subject: the stream's source or sink. NULL: no batch,
     * each is recorded by itself, buffered: a read of something remote, or a write. */
    uint64_t (*batch)(struct worker *worker, uint32_t subject);
    /* The stream has ended (not OK), told once, behind the entry that says so; in replay too. May be NULL. */
    void (*ended)(struct worker *worker, uint32_t subject, enum wasi_stream_state state);
};

/* Record names as Golem has them for "http::types::incoming_body_stream". */
#define WASI_STREAM_NAMES(prefix)                                                                            \
    {                                                                                                       \
        prefix "::read", prefix "::blocking_read", prefix "::skip", prefix "::blocking_skip",               \
            prefix "::check_write", prefix "::write", prefix "::blocking_write_and_flush", prefix "::flush", \
            prefix "::blocking_flush", prefix "::write_zeroes", prefix "::blocking_write_zeroes_and_flush"  \
    }

/*
 * FAILED: *error_out is a code of error_kind. A stream that is not recorded must give the same in replay as live, its permits
 * included.
 */
struct wasi_input_stream;
struct wasi_input_ops {
    const struct wasi_pollable_ops *pollable;
    /* What is there now, up to size (> 0); *count_out may be 0 if it would block. */
    enum wasi_stream_state (*read)(struct worker *worker, struct wasi_input_stream *stream, void *buffer, size_t size,
                                   size_t *count_out, int *error_out);
    /* Returns when read would give something, or an error. NULL: when the pollable is ready. */
    void (*wait)(struct worker *worker, struct wasi_input_stream *stream);
    void (*drop)(struct worker *worker, struct wasi_input_stream *stream); /* may be NULL */
    const struct wasi_error_kind *error_kind;                               /* NULL: wasi_error_errno */
    const struct wasi_stream_recording *recording;                          /* NULL: not recorded */
};

struct wasi_input_stream {
    const struct wasi_input_ops *ops;
    uint32_t source; /* rep of what is read from; 0 if there is none */
    bool closed;
    uint64_t offset; /* of files */
};

struct wasi_output_stream;
struct wasi_output_ops {
    const struct wasi_pollable_ops *pollable; /* ready: permit is not 0, or gives an error, or a flush has ended */
    /* Takes all of it. size: what permit gave last, at most. */
    enum wasi_stream_state (*write)(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                    size_t size, int *error_out);
    void (*drop)(struct worker *worker, struct wasi_output_stream *stream); /* may be NULL */
    /* How many bytes write would take now; 0: wait. NULL: any number, and WASI_STREAM_BYTES for check-write. */
    enum wasi_stream_state (*permit)(struct worker *worker, struct wasi_output_stream *stream, uint64_t *permit_out,
                                     int *error_out);
    /* Begins to send what was written, with block returns when it is sent. NULL: it is, when write returns. */
    enum wasi_stream_state (*flush)(struct worker *worker, struct wasi_output_stream *stream, bool block,
                                    int *error_out);
    const struct wasi_error_kind *error_kind;      /* NULL: wasi_error_errno */
    const struct wasi_stream_recording *recording; /* NULL: not recorded */
    bool unasked; /* the guest may write without check-write, and more than it said: write takes any size */
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
