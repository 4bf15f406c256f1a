#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_http_server.h"

/* The server and one client in one process: what the client does, it does between two rounds of the loop. */

enum { PIECE_BYTES = 32 << 10 };

static struct {
    struct io_loop *loop;
    struct io_http_server *server;
    struct io_http_exchange *exchange; /* that waits for its answer */
    int fd;                            /* the client's */
    char *sends;                       /* what it sends, again and again */
    size_t size, sent, limit;          /* of it; of all */
    unsigned begun, ticks, idle_ticks;
    size_t body_bytes;
    bool at_once, body_ended, reads;
    size_t received;
} side;

static char filler[PIECE_BYTES];

static void answer(struct io_http_exchange *exchange)
{
    struct io_http_field field = {{"x", 1}, {filler, sizeof filler}};
    io_http_respond(exchange, 200, &field, 1, 0);
    io_http_respond_end(exchange, NULL, 0);
}

static void *on_begin(void *context, struct io_http_exchange *exchange, const struct io_http_head *head)
{
    (void)context, (void)head;
    side.begun++;
    side.exchange = exchange;
    if (!side.at_once)
        return &side;
    answer(exchange);
    return NULL;
}

static void on_body(void *user, const void *data, size_t size)
{
    (void)user, (void)data;
    side.body_bytes += size;
}

static void on_body_end(void *user, const struct io_http_field *trailers, unsigned count)
{
    (void)user, (void)trailers, (void)count;
    side.body_ended = true;
}

static void on_drained(void *user)
{
    (void)user;
}

static void on_lost(void *user)
{
    (void)user;
    side.exchange = NULL;
}

static void on_stopped(void *context)
{
    (void)context;
}

static const struct io_http_server_config CONFIG = {
    .listen = "127.0.0.1:0",
    .limits = {.target_bytes = 1000, .head_bytes = 10000, .body_bytes = 1 << 20},
    .connections_max = 8, .header_ms = 60000, .idle_ms = 60000, .body_ms = 60000, .write_ms = 60000,
    .begin = on_begin, .body = on_body, .body_end = on_body_end, .drained = on_drained, .lost = on_lost, .stopped = on_stopped};

/* True if something went through. */
static bool send_more(void)
{
    bool any = false;
    for (ssize_t count; side.sent < side.limit; side.sent += (size_t)count, any = true) {
        size_t at = side.sent % side.size, left = side.limit - side.sent;
        count = send(side.fd, side.sends + at, side.size - at < left ? side.size - at : left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0)
            break;
    }
    return any;
}

static bool receive_more(void)
{
    static char bytes[1 << 16];
    bool any = false;
    for (ssize_t count; side.reads && (count = recv(side.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0; any = true)
        side.received += (size_t)count;
    return any;
}

static void connect_client(void)
{
    const char *port = strrchr(io_http_server_address(side.server), ':') + 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int room = 1 << 16;
    side.fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(side.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    cr_assert_eq(connect(side.fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void start(const struct io_http_server_config *config)
{
    struct ga_report report = {0};
    memset(filler, 'f', sizeof filler);
    side.loop = io_loop_new();
    cr_assert_eq(io_http_server_start(side.loop, config, &side.server, &report), GA_OK, "%s", report.text);
    connect_client();
}

/* The client goes on until nothing happens for a while. */
static void until_nothing_happens(void *context)
{
    static size_t seen;
    (void)context;
    bool any = send_more();
    any |= receive_more();
    size_t now = side.begun + side.body_bytes;
    side.idle_ticks = any || now != seen ? 0 : side.idle_ticks + 1;
    seen = now;
    if (side.idle_ticks == 100)
        io_loop_stop(side.loop);
}

static void run_client(const char *text, size_t size, size_t limit)
{
    side.sends = (char *)text;
    side.size = size;
    side.sent = side.idle_ticks = 0;
    side.limit = limit;
    io_loop_every(side.loop, 2, until_nothing_happens, NULL);
    io_loop_run(side.loop);
}

TestSuite(io_http_server, .timeout = 60);

Test(io_http_server, who_sends_requests_and_reads_no_responses_is_made_to_wait)
{
    static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    enum { REQUESTS = 4000 }; /* responses of 128 MiB */
    side.at_once = true;
    start(&CONFIG);
    run_client(REQUEST, sizeof REQUEST - 1, REQUESTS * (sizeof REQUEST - 1));
    cr_assert_lt(side.begun, REQUESTS / 4, "%u requests were answered", side.begun);
    /* the rest comes when it reads */
    side.reads = true;
    run_client(REQUEST, sizeof REQUEST - 1, REQUESTS * (sizeof REQUEST - 1) - side.sent);
    cr_assert_geq(side.begun, REQUESTS / 2, "%u", side.begun);
    cr_assert_gt(side.received, side.begun * (size_t)PIECE_BYTES);
}

static void answer_once(void *context)
{
    if (side.begun == 1 && ++side.ticks == 50)
        answer(side.exchange);
    until_nothing_happens(context);
}

/* What waits behind a request is not read on for ever; when it is a body's turn, it is. */
Test(io_http_server, a_body_behind_another_request_comes_whole)
{
    static char text[500000 + 200];
    int head = sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n");
    memset(text + head, 'b', 500000);
    start(&CONFIG);
    side.sends = text;
    side.size = side.limit = (size_t)head + 500000;
    io_loop_every(side.loop, 2, answer_once, NULL);
    io_loop_run(side.loop);
    cr_assert_eq(side.begun, 2);
    cr_assert_eq(side.body_bytes, 500000, "%zu bytes came", side.body_bytes);
    cr_assert(side.body_ended);
}

static void read_late(void *context)
{
    if (side.begun == 1 && ++side.ticks == 20) {
        io_http_read_body(side.exchange, true);
        struct linger reset = {1, 0};
        setsockopt(side.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(side.fd);
    }
    if (side.ticks > 20 && (!side.exchange || ++side.ticks == 300))
        io_loop_stop(side.loop);
    else if (!side.begun)
        until_nothing_happens(context);
}

static void *begin_without_body(void *context, struct io_http_exchange *exchange, const struct io_http_head *head)
{
    io_http_read_body(exchange, false);
    return on_begin(context, exchange, head);
}

Test(io_http_server, a_client_that_is_gone_is_noticed_also_when_its_body_was_read_late)
{
    static char text[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    struct io_http_server_config config = CONFIG;
    config.begin = begin_without_body;
    start(&config);
    side.sends = text;
    side.size = side.limit = sizeof text - 1;
    io_loop_every(side.loop, 2, read_late, NULL);
    io_loop_run(side.loop);
    cr_assert_eq(side.body_bytes, 3);
    cr_assert_null(side.exchange, "nobody noticed");
}
