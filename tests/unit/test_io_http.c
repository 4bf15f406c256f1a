#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ga_buf.h"
#include "io_http_client.h"

/* The client against a server that answers byte for byte what a test says, so that sanitizers see what bad answers do. */

static struct {
    int listener;
    char authority[32];
    const char *answer;
    size_t answer_size, repeats; /* the answer's last 1,000 bytes are sent again so often */
    bool stays;                  /* the connection is not closed */
    struct ga_buf request;       /* what the last one sent, until its headers or the whole of the connection ended */
    bool reads_all;
} server;

static void send_all(int fd, const char *data, size_t size)
{
    for (ssize_t sent; size > 0; data += sent, size -= (size_t)sent)
        if ((sent = send(fd, data, size, MSG_NOSIGNAL)) <= 0)
            return;
}

static void serve(int fd)
{
    char bytes[4096];
    const char *end = server.reads_all ? "\r\n0\r\n" : "\r\n\r\n";
    server.request.size = 0;
    while (strstr(ga_buf_cstr(&server.request), end) == NULL) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size <= 0)
            return;
        ga_buf_append(&server.request, bytes, (size_t)size);
    }
    send_all(fd, server.answer, server.answer_size);
    for (size_t i = 0; i < server.repeats; i++)
        send_all(fd, server.answer + server.answer_size - 1000, 1000);
    if (server.stays)
        (void)recv(fd, bytes, sizeof bytes, 0);
}

static void *accept_all(void *unused)
{
    for (;;) {
        int fd = accept(server.listener, NULL, NULL);
        if (fd < 0)
            return unused;
        serve(fd);
        close(fd);
    }
}

static void answer_with(const char *answer)
{
    server.answer = answer;
    server.answer_size = strlen(answer);
}

static void start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(server.listener, (struct sockaddr *)&address, size) == 0 && listen(server.listener, 8) == 0);
    cr_assert_eq(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    snprintf(server.authority, sizeof server.authority, "127.0.0.1:%u", ntohs(address.sin_port));
    cr_assert_eq(pthread_create(&thread, NULL, accept_all, NULL), 0);
    pthread_detach(thread);
}

TestSuite(io_http, .init = start_server, .timeout = 60);

static struct io_http_request get(void)
{
    const uint64_t timeout_ns = 30 * 1000000000ull;
    return (struct io_http_request){.method = "GET",
                                    .scheme = "http",
                                    .authority = server.authority,
                                    .target = "/path",
                                    .connect_timeout_ns = timeout_ns,
                                    .first_byte_timeout_ns = timeout_ns,
                                    .between_bytes_timeout_ns = timeout_ns};
}

/* Waits for the end, reads up to size - 1 bytes of the body, and leaves the rest. */
static void run(struct io_http_exchange *exchange, char *body, size_t size)
{
    size_t count = 0;
    while (!io_http_over(exchange) && count < size - 1) {
        count += io_http_read(exchange, body + count, size - 1 - count);
        if (!io_http_over(exchange) && count < size - 1 && io_http_readable(exchange) == 0)
            io_http_wait();
    }
    count += io_http_read(exchange, body + count, size - 1 - count);
    body[count] = '\0';
}

static const struct {
    const char *answer;
    unsigned status;
    const char *body;
    enum io_http_error error;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, "ab", IO_HTTP_OK},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", IO_HTTP_OK},
    {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 Yes\r\nContent-Length: 0\r\n\r\n", 201, "", IO_HTTP_OK},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", 200, "abc", IO_HTTP_OK},
    {"HTTP/1.1 204 No\r\n\r\nignored", 204, "", IO_HTTP_OK},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 200, "ab", IO_HTTP_RESPONSE_INCOMPLETE},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 200, "ab", IO_HTTP_RESPONSE_INCOMPLETE},
    {"HTTP/1.1 200 OK\r\nContent-Le", 0, "", IO_HTTP_TERMINATED},
    {"HTTP/1.1 103 Early\r\n\r\n", 0, "", IO_HTTP_TERMINATED},
    {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nx", 0, "", IO_HTTP_PROTOCOL},
    {"", 0, "", IO_HTTP_TERMINATED},
    {"220 ready\r\n", 0, "", IO_HTTP_PROTOCOL},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, "", IO_HTTP_PROTOCOL},
    {"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", 0, "", IO_HTTP_PROTOCOL},
    {"HTTP/1.1 200 OK\r\n: empty\r\nContent-Length: 0\r\n\r\n", 200, "",
     IO_HTTP_OK}, /* whoever looks at names refuses it */
};

Test(io_http, answers_are_what_they_are)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        char body[256];
        struct io_http_request request = get();
        answer_with(answers[i].answer);
        struct io_http_exchange *exchange = io_http_start(&request);
        run(exchange, body, sizeof body);
        cr_assert_eq(io_http_status(exchange), answers[i].status, "%zu: status %u", i, io_http_status(exchange));
        cr_assert_str_eq(body, answers[i].body, "%zu: '%s'", i, body);
        struct io_http_failure failure = io_http_failure(exchange);
        cr_assert_eq(failure.error, answers[i].error, "%zu: %d %s", i, failure.error, failure.text);
        io_http_free(exchange);
    }
}

Test(io_http, fields_and_trailers_are_trimmed_and_in_order)
{
    char body[16];
    size_t count;
    struct io_http_request request = get();
    answer_with(
        "HTTP/1.1 200 OK\r\nX-A:  1 \t\r\nx-a:2\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-End: 3\r\n\r\n");
    struct io_http_exchange *exchange = io_http_start(&request);
    run(exchange, body, sizeof body);
    const struct io_http_field *fields = io_http_fields(exchange, &count);
    cr_assert_eq(count, 4);
    static const char *const wanted[] = {"x-a=1", "x-a=2", "x-empty=", "transfer-encoding=chunked"};
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%.*s=%.*s", (int)fields[i].name_size, fields[i].name, (int)fields[i].value_size,
                 fields[i].value);
        cr_assert_str_eq(text, wanted[i]);
    }
    const struct io_http_field *trailers = io_http_trailers(exchange, &count);
    cr_assert(count == 1 && trailers[0].name_size == 5 && memcmp(trailers[0].name, "x-end", 5) == 0);
    io_http_free(exchange);
}

/* Of the answer's last 1,000 bytes there is no end: of header fields, of bodies, of trailers. */
static struct io_http_failure run_endless(const char *begins, const char *repeated, char *body, size_t size)
{
    static char answer[4096];
    struct io_http_request request = get();
    size_t begin = (size_t)snprintf(answer, sizeof answer, "%s", begins);
    for (size_t i = 0; i < 1000; i++)
        answer[begin + i] = repeated[i % strlen(repeated)];
    server.answer = answer;
    server.answer_size = begin + 1000;
    server.repeats = 20000;
    struct io_http_exchange *exchange = io_http_start(&request);
    run(exchange, body, size);
    struct io_http_failure failure = io_http_failure(exchange);
    io_http_free(exchange);
    return failure;
}

Test(io_http, endless_sections_are_cut_off)
{
    char body[100];
    cr_assert_eq(run_endless("HTTP/1.1 200 OK\r\n", "x-a: 6\r\n", body, 100).error, IO_HTTP_HEADERS_TOO_LARGE);
    cr_assert_eq(run_endless("HTTP/1.1 200 OK\r\nx: ", "12345678", body, 100).error, IO_HTTP_HEADERS_TOO_LARGE);
    cr_assert_eq(run_endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "x-a: 6\r\n", body, 100).error,
                 IO_HTTP_TRAILERS_TOO_LARGE);
}

/* As the guest's lists count them, so that none is lost on the way to the guest. */
Test(io_http, small_fields_count_for_more_than_their_bytes)
{
    char body[100];
    struct ga_buf answer = {0};
    for (unsigned count = 3000; count <= 4000; count += 1000) {
        struct io_http_request request = get();
        answer.size = 0;
        ga_buf_text(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        for (unsigned i = 0; i < count; i++)
            ga_buf_text(&answer, "a:b\r\n");
        ga_buf_text(&answer, "\r\n");
        answer_with(ga_buf_cstr(&answer));
        struct io_http_exchange *exchange = io_http_start(&request);
        run(exchange, body, sizeof body);
        cr_assert_eq(io_http_failure(exchange).error, count == 3000 ? IO_HTTP_OK : IO_HTTP_HEADERS_TOO_LARGE);
        io_http_free(exchange);
    }
    ga_buf_free(&answer);
}

Test(io_http, of_an_endless_body_a_buffer_is_kept)
{
    static char body[2000000];
    server.repeats = 0;
    cr_assert_eq(run_endless("HTTP/1.1 200 OK\r\n\r\n", "12345678", body, sizeof body).error, IO_HTTP_OK);
    cr_assert_eq(strlen(body), sizeof body - 1);
    struct io_http_request request = get();
    struct io_http_exchange *exchange = io_http_start(&request);
    while (io_http_readable(exchange) < IO_HTTP_BUFFER_BYTES - 65536)
        io_http_wait();
    for (int i = 0; i < 100; i++)
        io_http_run();
    cr_assert_leq(io_http_readable(exchange), IO_HTTP_BUFFER_BYTES);
    io_http_free(exchange);
}

Test(io_http, silence_ends_after_the_timeouts)
{
    char body[16];
    static const char *const silent[] = {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"};
    server.stays = true;
    for (size_t i = 0; i < 2; i++) {
        struct io_http_request request = get();
        request.first_byte_timeout_ns = request.between_bytes_timeout_ns = 100 * 1000000ull;
        answer_with(silent[i]);
        struct io_http_exchange *exchange = io_http_start(&request);
        run(exchange, body, sizeof body);
        cr_assert_eq(io_http_failure(exchange).error, IO_HTTP_READ_TIMEOUT);
        io_http_free(exchange);
    }
}

static struct io_http_exchange *post(int64_t size)
{
    struct io_http_request request = get();
    request.method = "POST";
    request.body = true;
    request.body_size = size;
    answer_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    server.reads_all = size < 0;
    return io_http_start(&request);
}

Test(io_http, a_body_goes_piece_by_piece_with_trailers)
{
    char body[16];
    struct io_http_exchange *exchange = post(-1);
    struct io_http_field trailers[] = {{"x-end", "1", 5, 1}, {"x-none", "", 6, 0}};
    io_http_write(exchange, "one", 3);
    for (int i = 0; i < 50; i++)
        io_http_run();
    io_http_write(exchange, "two", 3);
    io_http_finish(exchange, trailers, 2);
    run(exchange, body, sizeof body);
    cr_assert_eq(io_http_status(exchange), 200);
    const char *request = ga_buf_cstr(&server.request);
    cr_assert(strstr(request, "one") != NULL && strstr(request, "two") != NULL);
    cr_assert(strncmp(request, "POST /path HTTP/1.1\r\nHost: 127.0.0.1:", 37) == 0, "%s", request);
    io_http_free(exchange);
}

Test(io_http, a_body_that_is_cut_off_is_a_failure)
{
    char body[16];
    struct io_http_exchange *exchange = post(-1);
    io_http_write(exchange, "one", 3);
    io_http_abort(exchange);
    run(exchange, body, sizeof body);
    cr_assert_eq(io_http_failure(exchange).error, IO_HTTP_PROTOCOL);
    io_http_free(exchange);
}

Test(io_http, many_at_a_time_and_freed_at_any_time)
{
    struct io_http_exchange *exchanges[40];
    answer_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    for (size_t i = 0; i < 40; i++) {
        struct io_http_request request = get();
        exchanges[i] = io_http_start(&request);
    }
    for (size_t i = 0; i < 40; i += 2) /* some before they are connected */
        io_http_free(exchanges[i]);
    for (size_t i = 1; i < 40; i += 2) {
        char body[16];
        run(exchanges[i], body, sizeof body);
        cr_assert_str_eq(body, "ab");
        io_http_free(exchanges[i]);
    }
}

Test(io_http, nobody_there)
{
    char body[16];
    struct io_http_request request = get();
    request.authority = "127.0.0.1:9";
    struct io_http_exchange *exchange = io_http_start(&request);
    run(exchange, body, sizeof body);
    cr_assert_eq(io_http_failure(exchange).error, IO_HTTP_REFUSED);
    io_http_free(exchange);
}
