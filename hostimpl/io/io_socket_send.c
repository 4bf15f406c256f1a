/*
 * Sending in the background. A stream socket whose bytes the kernel did not take all at once is in the list `unfinished`; a
 * thread, begun with the first of them, waits for all in the list and sends. The caller sends as well, whenever it asks
 * for room, so the thread only matters while the caller is elsewhere; if it could not be begun, bytes wait for the caller.
 *
 * Invariant: a socket is in the list if and only if it has unsent bytes and no error. All of it is under `lock`.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io_clock.h"
#include "io_socket_parts.h"

static const uint64_t patience_ns = 5u * 1000000000ull; /* at the process's end, with peers that read nothing */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct io_socket *unfinished;
static uint64_t sent_bytes; /* of sockets in the list: whether their peers read */
static int wake_fd = -1;    /* eventfd: the list has grown */

/* --- one socket --- */

/* The bytes that the kernel took; 0 also after an error, which is noted. */
static size_t send_some(struct io_socket *socket, const uint8_t *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t sent = send(socket->fd, data + done, size - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            socket->send_error = errno;
        if (sent < 0)
            break;
        done += (size_t)sent;
    }
    return done;
}

static void unlist(struct io_socket *socket)
{
    struct io_socket **at = &unfinished;
    while (*at != socket)
        at = &(*at)->next;
    *at = socket->next;
    socket->listed = false;
    socket->unsent_start = socket->unsent_end = 0;
}

/* Frees the socket if it was to be closed. */
static void finish(struct io_socket *socket)
{
    unlist(socket);
    if (socket->ends)
        (void)shutdown(socket->fd, SHUT_WR);
    if (socket->closing)
        io_socket_free(socket);
}

static void send_unsent(struct io_socket *socket)
{
    size_t sent = send_some(socket, socket->unsent + socket->unsent_start, socket->unsent_end - socket->unsent_start);
    socket->unsent_start += sent;
    sent_bytes += sent;
    if (socket->unsent_start == socket->unsent_end || socket->send_error != 0)
        finish(socket);
}

/* --- the thread --- */

/* Sends for all in the list. */
static void send_all(void)
{
    for (struct io_socket *socket = unfinished, *next; socket != NULL; socket = next) {
        next = socket->next;
        send_unsent(socket);
    }
}

static nfds_t list_fds(struct pollfd **fds, size_t *capacity)
{
    nfds_t count = 1;
    for (struct io_socket *socket = unfinished; socket != NULL; socket = socket->next)
        count++;
    if (count > *capacity) {
        struct pollfd *more = realloc(*fds, 2 * count * sizeof **fds);
        if (more == NULL)
            return 0;
        *fds = more;
        *capacity = 2 * count;
    }
    count = 0;
    (*fds)[count++] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    for (struct io_socket *socket = unfinished; socket != NULL; socket = socket->next)
        (*fds)[count++] = (struct pollfd){.fd = socket->fd, .events = POLLOUT};
    return count;
}

static void *send_for_ever(void *unused)
{
    struct pollfd *fds = NULL;
    size_t capacity = 0;
    for (;;) {
        eventfd_t woken;
        pthread_mutex_lock(&lock);
        nfds_t count = list_fds(&fds, &capacity);
        pthread_mutex_unlock(&lock);
        (void)poll(fds, count, count == 0 ? 100 : -1); /* 0: no memory; later, then */
        (void)eventfd_read(wake_fd, &woken);
        pthread_mutex_lock(&lock);
        send_all();
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

/* Runs at exit: what was taken is sent, unless nobody reads it. */
static void send_rest(void)
{
    uint64_t before = 0, deadline_ns = 0;
    for (;;) {
        pthread_mutex_lock(&lock);
        send_all();
        bool done = unfinished == NULL, moved = sent_bytes != before;
        before = sent_bytes;
        pthread_mutex_unlock(&lock);
        uint64_t now = io_clock_monotonic_ns();
        if (moved || deadline_ns == 0)
            deadline_ns = now + patience_ns;
        if (done || now >= deadline_ns)
            return;
        (void)poll(NULL, 0, 5);
    }
}

static void begin_thread(void)
{
    pthread_t thread;
    sigset_t all, before;
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)atexit(send_rest);
    sigfillset(&all); /* signals are the guest's thread's business */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (wake_fd >= 0 && pthread_create(&thread, NULL, send_for_ever, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- the caller's side --- */

static int keep(struct io_socket *socket, const uint8_t *data, size_t size)
{
    static bool begun;
    if (socket->unsent == NULL && (socket->unsent = malloc(IO_SOCKET_BUFFER_BYTES)) == NULL) {
        socket->send_error = ENOMEM;
        return -ENOMEM;
    }
    memcpy(socket->unsent, data, size);
    socket->unsent_start = 0;
    socket->unsent_end = size;
    socket->next = unfinished;
    socket->listed = true;
    unfinished = socket;
    if (!begun)
        begin_thread();
    begun = true;
    (void)eventfd_write(wake_fd, 1);
    return 0;
}

ssize_t io_socket_room(struct io_socket *socket)
{
    pthread_mutex_lock(&lock);
    if (socket->listed)
        send_unsent(socket);
    ssize_t room = socket->send_error != 0 ? -socket->send_error : socket->listed ? 0 : IO_SOCKET_BUFFER_BYTES;
    pthread_mutex_unlock(&lock);
    return room > 0 && !io_socket_has(socket, POLLOUT) ? 0 : room;
}

int io_socket_write(struct io_socket *socket, const void *data, size_t size)
{
    int status = 0;
    pthread_mutex_lock(&lock);
    size_t sent = socket->listed || socket->send_error != 0 ? 0 : send_some(socket, data, size);
    if (socket->send_error != 0)
        status = -socket->send_error;
    else if (socket->listed || size - sent > IO_SOCKET_BUFFER_BYTES)
        status = -ENOBUFS; /* more than there was room for */
    else if (sent < size)
        status = keep(socket, (const uint8_t *)data + sent, size - sent);
    pthread_mutex_unlock(&lock);
    return status;
}

int io_socket_unsent(struct io_socket *socket)
{
    pthread_mutex_lock(&lock);
    if (socket->listed)
        send_unsent(socket);
    int status = socket->send_error != 0 ? -socket->send_error : socket->listed;
    pthread_mutex_unlock(&lock);
    return status;
}

void io_socket_shutdown(struct io_socket *socket, bool receive, bool send)
{
    if (receive)
        (void)shutdown(socket->fd, SHUT_RD);
    pthread_mutex_lock(&lock);
    if (send && socket->listed)
        socket->ends = true;
    else if (send)
        (void)shutdown(socket->fd, SHUT_WR);
    pthread_mutex_unlock(&lock);
}

void io_socket_close(struct io_socket *socket)
{
    pthread_mutex_lock(&lock);
    if (socket->listed)
        socket->closing = true;
    else
        io_socket_free(socket);
    pthread_mutex_unlock(&lock);
}
