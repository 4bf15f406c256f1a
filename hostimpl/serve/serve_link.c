#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ga_assert.h"
#include "io_loop.h"
#include "serve_worker.h"

/*
 * The messages of the server, as they come. Reading blocks only in serve_link_next_request and _skip_body, and where the guest
 * waits by poll. The socket is blocking; what must not wait says MSG_DONTWAIT.
 */
enum { READ_BYTES = 64 << 10, SEND_AT_BYTES = 16 << 10, ROOM_BYTES = 32 << 10 };

static struct {
    int fd;
    struct ga_buf in, out;
    size_t at;        /* in.data[at..size) is not looked at yet */
    size_t piece;     /* bytes of a BODY at `at` */
    size_t trailers;  /* size of the BODY_END's payload, at `at`, until the next request */
    enum serve_body_state state; /* COMPLETE and ABORTED stay until the next request */
    bool gone;                   /* the server is */
    size_t sent;                 /* bytes since there was surely room for ROOM_BYTES */
} link_;

void serve_link_open(int socket)
{
    link_.fd = socket;
    link_.state = SERVE_BODY_COMPLETE;
}

int serve_link_fd(void)
{
    return link_.fd;
}

/* --- reading --- */

/* False: nothing has come. */
static bool receive(bool wait)
{
    if (link_.gone)
        return false;
    if (link_.at == link_.in.size) {
        link_.at = link_.in.size = 0;
    } else if (link_.at >= READ_BYTES) {
        memmove(link_.in.data, link_.in.data + link_.at, link_.in.size - link_.at);
        link_.in.size -= link_.at;
        link_.at = 0;
    }
    ga_buf_reserve(&link_.in, READ_BYTES);
    ssize_t got;
    do
        got = recv(link_.fd, link_.in.data + link_.in.size, READ_BYTES, wait ? 0 : MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        link_.in.size += (size_t)got;
    link_.gone = got == 0 || (got < 0 && errno != EAGAIN);
    return got > 0;
}

/* The message at `at`; false: it is not all there. */
static bool peek(bool wait, uint8_t *kind_out, size_t *size_out)
{
    do {
        size_t there = link_.in.size - link_.at;
        uint32_t size;
        if (there < IO_CHANNEL_HEADER_BYTES)
            continue;
        memcpy(&size, link_.in.data + link_.at, sizeof size);
        *kind_out = link_.in.data[link_.at + 4];
        *size_out = size;
        if (there - IO_CHANNEL_HEADER_BYTES >= size)
            return true;
    } while (receive(wait));
    return false;
}

bool serve_link_next_request(struct ga_reader *message_out)
{
    uint8_t kind;
    size_t size;
    serve_link_skip_body();
    if (link_.trailers) {
        link_.at += link_.trailers;
        link_.trailers = 0;
    }
    for (;;) {
        if (!peek(true, &kind, &size))
            return false;
        link_.at += IO_CHANNEL_HEADER_BYTES;
        if (kind == SERVE_REQUEST)
            break;
        GA_ASSERT(kind == SERVE_ABORT); /* of the request before, which it did not reach in time */
        link_.at += size;
    }
    const uint8_t *payload = link_.in.data + link_.at;
    *message_out = (struct ga_reader){payload, payload, payload + size, false};
    link_.at += size;
    link_.state = SERVE_BODY_WAITS;
    link_.sent = 0; /* the server has read what was sent before it sends a request */
    return true;
}

static enum serve_body_state next_body(bool wait)
{
    uint8_t kind;
    size_t size;
    if (link_.state != SERVE_BODY_WAITS || link_.piece)
        return link_.piece ? SERVE_BODY_PIECE : link_.state;
    do {
        if (!peek(wait, &kind, &size))
            return link_.gone ? (link_.state = SERVE_BODY_ABORTED) : SERVE_BODY_WAITS;
        link_.at += IO_CHANNEL_HEADER_BYTES;
    } while (kind == SERVE_BODY && size == 0);
    GA_ASSERT(kind == SERVE_BODY || kind == SERVE_BODY_END || kind == SERVE_ABORT);
    if (kind == SERVE_BODY) {
        link_.piece = size;
        return SERVE_BODY_PIECE;
    }
    if (kind == SERVE_BODY_END)
        link_.trailers = size;
    link_.state = kind == SERVE_BODY_END ? SERVE_BODY_COMPLETE : SERVE_BODY_ABORTED;
    return link_.state;
}

enum serve_body_state serve_link_body(const uint8_t **data_out, size_t *size_out)
{
    enum serve_body_state state = next_body(false);
    *data_out = link_.in.data + link_.at;
    *size_out = link_.piece;
    return state;
}

void serve_link_take(size_t size)
{
    GA_ASSERT(size <= link_.piece);
    link_.piece -= size;
    link_.at += size;
}

struct ga_reader serve_link_trailers(void)
{
    GA_ASSERT(link_.state == SERVE_BODY_COMPLETE);
    const uint8_t *payload = link_.in.data + link_.at;
    return (struct ga_reader){payload, payload, payload + link_.trailers, false};
}

/* Behind the whole body the only message that can come is ABORT, and it stays where it is. */
bool serve_link_is_aborted(void)
{
    uint8_t byte;
    if (next_body(false) == SERVE_BODY_COMPLETE)
        return link_.gone || link_.in.size > link_.at + link_.trailers ||
               recv(link_.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
    return link_.state == SERVE_BODY_ABORTED;
}

void serve_link_skip_body(void)
{
    while (next_body(true) == SERVE_BODY_PIECE)
        serve_link_take(link_.piece);
}

/* --- writing --- */

void serve_link_flush(void)
{
    for (size_t at = 0; at < link_.out.size && !link_.gone;) {
        ssize_t sent = send(link_.fd, link_.out.data + at, link_.out.size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            link_.gone = true;
        else
            at += (size_t)sent;
    }
    link_.sent += link_.out.size;
    link_.out.size = 0;
}

void serve_link_put(enum serve_frame kind, const void *payload, size_t size)
{
    ga_buf_le(&link_.out, size, 4);
    ga_buf_le(&link_.out, (uint64_t)kind, 4);
    ga_buf_append(&link_.out, payload, size);
    if (link_.out.size >= SEND_AT_BYTES)
        serve_link_flush();
}

bool serve_link_has_room(void)
{
    struct pollfd fd = {.fd = link_.fd, .events = POLLOUT};
    if (link_.gone || link_.sent < ROOM_BYTES)
        return true;
    if (poll(&fd, 1, 0) <= 0)
        return false;
    link_.sent = 0; /* the kernel says so when three quarters of its buffer are free */
    return true;
}
