#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ga_status.h"

/* An event loop, for a process that serves several sides at once. Errors are negative errnos. */
struct io_loop;

struct io_loop *io_loop_new(void); /* NULL: the system has no more */
void io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop); /* io_loop_run returns when the callback under way has */

uint64_t io_loop_now_ms(const struct io_loop *loop); /* when the callback under way began; any origin */

/* Calls tick every so often. Each loop has one. */
void io_loop_every(struct io_loop *loop, unsigned interval_ms, void (*tick)(void *context), void *context);

/* Calls handle when the signal comes. At most 4 signals. */
int io_loop_on_signal(struct io_loop *loop, int number, void (*handle)(void *context), void *context) GA_MUST_USE;

/* --- channels --- */

/*
 * A socket to another process, in both directions, for messages: 4 bytes size of the payload, little endian, 1 byte kind,
 * 3 of zero, the payload. What is sent leaves when the callback under way has returned, all of it together.
 */
struct io_channel;

enum { IO_CHANNEL_HEADER_BYTES = 8, IO_CHANNEL_PAYLOAD_MAX = 1 << 20 };

struct io_channel_ops {
    /* payload is good during the call. */
    void (*message)(void *context, uint8_t kind, const void *payload, size_t size);
    void (*drained)(void *context); /* what was sent has left, after it had been too much */
    /* The other side is gone, or sends what is no message. The channel is to be closed. */
    void (*ended)(void *context);
};

/* Takes fd over. */
struct io_channel *io_channel_open(struct io_loop *loop, int fd, const struct io_channel_ops *ops, void *context);
/* head and body are the payload together. False: it is too much for now, and there will be `drained`. */
bool io_channel_send(struct io_channel *channel, uint8_t kind, const void *head, size_t head_size, const void *body,
                     size_t body_size);
void io_channel_read(struct io_channel *channel, bool wanted); /* messages may come, or not (they may at first) */
void io_channel_close(struct io_channel *channel); /* no callback comes from now on; frees it */

#endif
