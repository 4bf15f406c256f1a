#include "io_http_server.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ga_assert.h"
#include "io_stream.h"

/*
 * A connection is in one of three states:
 *
 *   HEAD       waits for a request, or for the rest of its head
 *   EXCHANGE   a request is answered; its body comes at the same time. What follows the body stays in the input
 *   LINGER     nothing more is answered; what is written goes out, what comes is thrown away. A connection that is
 *              closed with input unread is reset, and the client may lose the response it was sent (RFC 9112, 9.6)
 *
 *   HEAD -> EXCHANGE by a head; EXCHANGE -> HEAD by respond_end with body and response complete and keep-alive; every
 *   other end is LINGER, or closed at once where there is nothing to say.
 */
enum state { STATE_HEAD, STATE_EXCHANGE, STATE_LINGER };

enum {
    LINGER_MS = 2000,
    PIPELINE_BYTES = 64 << 10, /* of requests that wait for the one before */
    REFUSED_CONNECTIONS = 64   /* above connections_max, that are told so; others are just closed */
};

struct io_http_exchange {
    struct io_stream stream; /* first: it is what the stream's functions get */
    struct io_http_server *server;
    struct io_http_exchange *previous, *next;
    enum state state;
    bool peer_ended; /* the client sends no more */
    uint64_t since_ms;         /* of the state's time limit, see tick */
    uint64_t written_since_ms; /* the client has taken something */
    uint64_t taken;            /* bytes, then */

    /* HEAD */
    size_t scanned;
    bool begun; /* a part of a head is there */
    bool held;  /* no request is taken until the client has taken the responses that it has */

    /* EXCHANGE */
    void *user;
    struct io_http_body body;
    bool body_done, body_wanted, keep_alive;
    bool is_head_method;
    unsigned minor;
    /* the response */
    bool answered, chunked, without_body, has_size;
    uint64_t body_left;
};

struct io_http_server {
    uv_tcp_t listener;
    struct io_loop *loop;
    const struct io_http_server_config *config;
    struct io_http_exchange *connections;
    unsigned connection_count;
    bool stopping;
    char address[80];
    char date[40];
    time_t date_s;
};

/* --- connections --- */

static uint64_t now_ms(const struct io_http_exchange *connection)
{
    return io_loop_now_ms(connection->server->loop);
}

static void write_text(struct io_http_exchange *connection, const char *text)
{
    io_stream_write(&connection->stream, text, strlen(text));
}

static void note_stopped(struct io_http_server *server)
{
    if (server->stopping && server->connection_count == 0 && uv_is_closing((uv_handle_t *)&server->listener))
        server->config->stopped(server->config->context);
}

static void on_closed(struct io_stream *stream)
{
    struct io_http_exchange *connection = (struct io_http_exchange *)stream;
    struct io_http_server *server = connection->server;
    *(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    server->connection_count--;
    free(connection);
    note_stopped(server);
}

/* The exchange is over, and not by its user. */
static void lose(struct io_http_exchange *connection)
{
    void *user = connection->user;
    connection->user = NULL;
    if (user)
        connection->server->config->lost(user);
}

static void cut(struct io_http_exchange *connection)
{
    io_stream_close(&connection->stream);
    lose(connection);
}

/* Lets what is written go out, then closes. */
static void linger(struct io_http_exchange *connection)
{
    connection->state = STATE_LINGER;
    connection->since_ms = now_ms(connection);
    io_stream_finish(&connection->stream);
    io_stream_read(&connection->stream, !connection->peer_ended);
}

/* The client must not take for complete what it has of the response. */
static void break_off(struct io_http_exchange *exchange)
{
    if (exchange->chunked || (exchange->has_size && exchange->body_left))
        linger(exchange); /* the end of the connection comes before the end of the body */
    else
        io_stream_reset(&exchange->stream); /* ... or is the end of the body */
}

static void on_finished(struct io_stream *stream)
{
    struct io_http_exchange *connection = (struct io_http_exchange *)stream;
    if (connection->peer_ended)
        io_stream_close(stream);
}

static void take_requests(struct io_http_exchange *connection);

static void on_drained(struct io_stream *stream)
{
    struct io_http_exchange *connection = (struct io_http_exchange *)stream;
    bool held = connection->held;
    connection->held = false;
    if (held)
        take_requests(connection);
    else if (connection->user)
        connection->server->config->drained(connection->user);
}

static void on_ended(struct io_stream *stream, int error)
{
    struct io_http_exchange *connection = (struct io_http_exchange *)stream;
    connection->peer_ended = true;
    if (error || (connection->state == STATE_EXCHANGE && !connection->body_done))
        cut(connection);
    else if (connection->state == STATE_HEAD)
        linger(connection);
    else if (connection->state == STATE_LINGER && io_stream_waiting(stream) == 0)
        io_stream_close(stream);
}

/* --- responses --- */

/* IMF-fixdate (RFC 9110, 5.6.7). */
static const char *date(struct io_http_server *server)
{
    time_t now = time(NULL);
    if (now != server->date_s) {
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        server->date_s = now;
    }
    return server->date;
}

static void put_slice(struct ga_buf *out, struct io_http_slice slice)
{
    ga_buf_append(out, slice.data, slice.size);
}

static void put_field(struct ga_buf *out, const struct io_http_field *field)
{
    put_slice(out, field->name);
    ga_buf_text(out, ": ");
    put_slice(out, field->value);
    ga_buf_text(out, "\r\n");
}

/* Decimal digits alone; false otherwise. */
static bool read_size(struct io_http_slice text, uint64_t *size_out)
{
    uint64_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || size > (UINT64_MAX - 9) / 10)
            return false;
        size = size * 10 + (uint64_t)(text.data[i] - '0');
    }
    *size_out = size;
    return text.size > 0;
}

/* The fields that are the user's; false if they cannot be sent. Content-Length becomes *size. */
static bool put_fields(struct io_http_exchange *exchange, struct ga_buf *out, const struct io_http_field *fields,
                       unsigned count, uint64_t *size)
{
    bool dated = false, sized = false;
    for (unsigned i = 0; i < count; i++) {
        const struct io_http_field *field = &fields[i];
        if (!io_http_is_token(field->name) || !io_http_is_field_value(field->value))
            return false;
        if (io_http_is(field->name, "content-length")) {
            if (sized || !read_size(field->value, size))
                return false;
            sized = true;
        } else if (!io_http_is_hop_field(fields, count, field->name)) {
            dated |= io_http_is(field->name, "date");
            put_field(out, field);
        }
    }
    if (!dated)
        ga_buf_printf(out, "Date: %s\r\n", date(exchange->server));
    return true;
}

/* How the body's end is told (RFC 9112, 6.3). */
static void put_framing(struct io_http_exchange *exchange, struct ga_buf *out, unsigned status, uint64_t size)
{
    exchange->without_body = exchange->is_head_method || status == 204 || status == 304;
    exchange->has_size = size != IO_HTTP_SIZE_UNKNOWN;
    exchange->body_left = size;
    exchange->chunked = !exchange->has_size && !exchange->without_body && exchange->minor > 0;
    if (exchange->has_size && status != 204)
        ga_buf_printf(out, "Content-Length: %" PRIu64 "\r\n", size);
    else if (exchange->chunked)
        ga_buf_text(out, "Transfer-Encoding: chunked\r\n");
    else if (!exchange->without_body)
        exchange->keep_alive = false;
    if (!exchange->keep_alive)
        ga_buf_text(out, "Connection: close\r\n");
    else if (exchange->minor == 0)
        ga_buf_text(out, "Connection: keep-alive\r\n");
}

void io_http_respond(struct io_http_exchange *exchange, unsigned status, const struct io_http_field *fields,
                     unsigned count, uint64_t body_size)
{
    struct ga_buf head = {0};
    GA_ASSERT(!exchange->answered);
    ga_buf_printf(&head, "HTTP/1.1 %u %s\r\n", status, io_http_status_text(status));
    exchange->keep_alive &= !exchange->server->stopping;
    if (exchange->is_head_method || status == 304)
        body_size = IO_HTTP_SIZE_UNKNOWN; /* the body that there is not has another size than the one that there would be */
    if (status < 200 || status > 999 || !put_fields(exchange, &head, fields, count, &body_size)) {
        static const char TEXT[] = "the handler's response is malformed\n";
        head.size = 0;
        ga_buf_text(&head, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n");
        exchange->keep_alive = false;
        put_framing(exchange, &head, 500, sizeof TEXT - 1);
        ga_buf_printf(&head, "\r\n%s", exchange->without_body ? "" : TEXT);
        exchange->without_body = true; /* there comes nothing more */
        exchange->has_size = false;
    } else {
        put_framing(exchange, &head, status, body_size);
        ga_buf_text(&head, "\r\n");
    }
    exchange->answered = true;
    io_stream_write(&exchange->stream, head.data, head.size);
    ga_buf_free(&head);
}

bool io_http_respond_body(struct io_http_exchange *exchange, const void *data, size_t size)
{
    char line[24];
    GA_ASSERT(exchange->answered);
    if (exchange->has_size && size > exchange->body_left)
        size = (size_t)exchange->body_left; /* what is announced is all there can be */
    if (exchange->has_size)
        exchange->body_left -= size;
    if (!size || exchange->without_body)
        return true;
    if (exchange->chunked)
        io_stream_write(&exchange->stream, line, (size_t)snprintf(line, sizeof line, "%zx\r\n", size));
    io_stream_write(&exchange->stream, data, size);
    if (exchange->chunked)
        io_stream_write(&exchange->stream, "\r\n", 2);
    return !io_stream_is_full(&exchange->stream);
}

static void put_trailers(struct io_http_exchange *exchange, const struct io_http_field *trailers, unsigned count)
{
    struct ga_buf end = {0};
    ga_buf_text(&end, "0\r\n");
    for (unsigned i = 0; i < count; i++)
        if (io_http_is_token(trailers[i].name) && io_http_is_field_value(trailers[i].value) &&
            !io_http_is(trailers[i].name, "content-length") && !io_http_is_hop_field(trailers, count, trailers[i].name))
            put_field(&end, &trailers[i]);
    ga_buf_text(&end, "\r\n");
    io_stream_write(&exchange->stream, end.data, end.size);
    ga_buf_free(&end);
}

/* What has come already (pipelined; if we are called from there, the rest comes anyway), and what comes from now on. */
static void take_requests(struct io_http_exchange *connection)
{
    io_stream_read(&connection->stream, !connection->peer_ended);
    io_stream_again(&connection->stream);
    if (connection->state == STATE_HEAD && !connection->stream.busy && connection->peer_ended && !connection->held)
        linger(connection);
}

static void wait_for_request(struct io_http_exchange *connection)
{
    connection->state = STATE_HEAD;
    connection->begun = connection->held = false;
    connection->scanned = 0;
    connection->since_ms = now_ms(connection);
    take_requests(connection);
}

void io_http_respond_end(struct io_http_exchange *exchange, const struct io_http_field *trailers, unsigned count)
{
    GA_ASSERT(exchange->answered);
    exchange->user = NULL;
    if (exchange->stream.closing)
        return;
    if (exchange->has_size && exchange->body_left && !exchange->without_body) {
        break_off(exchange);
        return;
    }
    if (exchange->chunked)
        put_trailers(exchange, trailers, count);
    if (exchange->keep_alive && exchange->body_done)
        wait_for_request(exchange);
    else
        linger(exchange);
}

/* Before or instead of a response by the user. */
static void answer_text(struct io_http_exchange *exchange, unsigned status, const char *reason)
{
    struct ga_buf text = {0};
    struct io_http_field type = {{"Content-Type", 12}, {"text/plain", 10}};
    ga_buf_printf(&text, "%s\n", reason);
    exchange->keep_alive &= exchange->body_done;
    io_http_respond(exchange, status, &type, 1, text.size);
    io_http_respond_body(exchange, text.data, text.size);
    io_http_respond_end(exchange, NULL, 0);
    ga_buf_free(&text);
}

void io_http_fail(struct io_http_exchange *exchange, unsigned status, const char *reason)
{
    exchange->user = NULL;
    if (exchange->stream.closing)
        return;
    if (exchange->answered)
        break_off(exchange);
    else
        answer_text(exchange, status, reason);
}

bool io_http_is_answered(const struct io_http_exchange *exchange)
{
    return exchange->answered;
}

bool io_http_has_body_left(const struct io_http_exchange *exchange)
{
    return !exchange->body_done;
}

/* --- requests --- */

/* What the client has sent ends the exchange, or never began one. */
static void refuse(struct io_http_exchange *connection, const struct io_http_refusal *refusal)
{
    bool answered = connection->state == STATE_EXCHANGE && connection->answered;
    if (connection->state == STATE_HEAD) {
        connection->state = STATE_EXCHANGE;
        connection->answered = connection->is_head_method = false;
        connection->minor = 1;
    }
    connection->body_done = connection->keep_alive = false;
    lose(connection);
    if (answered)
        break_off(connection);
    else
        answer_text(connection, refusal->status, refusal->reason);
}

static void begin(struct io_http_exchange *connection, const struct io_http_head *head)
{
    const struct io_http_server_config *config = connection->server->config;
    struct io_http_refusal too_large = {413, "a body that is too large"};
    connection->state = STATE_EXCHANGE;
    connection->body = io_http_body_of(head, &config->limits);
    connection->body_done = !head->chunked && head->length == 0;
    connection->body_wanted = true;
    connection->keep_alive = head->keep_alive;
    connection->minor = head->minor;
    connection->is_head_method = head->method.size == 4 && memcmp(head->method.data, "HEAD", 4) == 0;
    connection->answered = false;
    connection->since_ms = now_ms(connection);
    if (head->length > config->limits.body_bytes) {
        refuse(connection, &too_large);
        return;
    }
    void *user = config->begin(config->context, connection, head);
    if (!user)
        return;
    connection->user = user;
    if (head->expects_continue && !connection->body_done && !connection->answered)
        write_text(connection, "HTTP/1.1 100 Continue\r\n\r\n");
    if (connection->body_done)
        config->body_end(user, NULL, 0);
}

/* Returns bytes used; 0 if more are needed, or there is a refusal. */
static size_t take_head(struct io_http_exchange *connection, const char *data, size_t size)
{
    struct io_http_head head;
    struct io_http_refusal refusal;
    size_t used;
    if (!connection->begun)
        connection->since_ms = now_ms(connection);
    connection->begun = true;
    switch (io_http_parse_head(data, size, &connection->server->config->limits, &connection->scanned, &head, &used,
                               &refusal)) {
    case IO_HTTP_MORE: return 0;
    case IO_HTTP_REFUSED: refuse(connection, &refusal); return 0;
    case IO_HTTP_DONE: break;
    }
    begin(connection, &head);
    return used;
}

static size_t take_body(struct io_http_exchange *connection, const char *data, size_t size)
{
    const struct io_http_server_config *config = connection->server->config;
    struct io_http_field trailers[IO_HTTP_FIELDS_MAX];
    struct io_http_refusal refusal;
    struct io_http_slice piece;
    unsigned count;
    size_t used;
    enum io_http_progress progress =
        io_http_body_next(&connection->body, data, size, &config->limits, &used, &piece, trailers, &count, &refusal);
    connection->since_ms = now_ms(connection);
    if (progress == IO_HTTP_REFUSED) {
        refuse(connection, &refusal);
        return used;
    }
    if (piece.size && connection->user)
        config->body(connection->user, piece.data, piece.size);
    if (progress == IO_HTTP_DONE && connection->state == STATE_EXCHANGE) {
        connection->body_done = true;
        if (connection->user)
            config->body_end(connection->user, trailers, count);
    }
    return used;
}

/* Who sends requests and does not read the responses is not answered any more. */
static bool hold(struct io_http_exchange *connection)
{
    connection->held = io_stream_is_full(&connection->stream);
    if (connection->held)
        io_stream_read(&connection->stream, false);
    return connection->held;
}

static size_t on_input(struct io_stream *stream, const uint8_t *bytes, size_t size)
{
    struct io_http_exchange *connection = (struct io_http_exchange *)stream;
    const char *data = (const char *)bytes;
    size_t used = 0, taken = 1;
    while (used < size && taken && !stream->closing) {
        if (connection->state == STATE_LINGER)
            return size;
        if (connection->state == STATE_HEAD)
            taken = hold(connection) ? 0 : take_head(connection, data + used, size - used);
        else if (connection->body_done || !connection->body_wanted)
            taken = 0;
        else
            taken = take_body(connection, data + used, size - used);
        used += taken;
    }
    if (connection->state == STATE_LINGER)
        return size;
    if (connection->state == STATE_EXCHANGE && connection->body_done && size - used > PIPELINE_BYTES)
        io_stream_read(stream, false);
    return used;
}

void io_http_read_body(struct io_http_exchange *exchange, bool wanted)
{
    if (exchange->body_wanted == wanted || exchange->body_done)
        return;
    exchange->body_wanted = wanted;
    exchange->since_ms = now_ms(exchange);
    io_stream_read(&exchange->stream, wanted && !exchange->peer_ended); /* first: what is there may be too much again */
    if (wanted)
        io_stream_again(&exchange->stream);
}

/* --- time --- */

static bool is_over(const struct io_http_exchange *connection, uint64_t since_ms, unsigned limit_ms)
{
    return now_ms(connection) - since_ms >= limit_ms;
}

/* The client takes nothing of what is to be written. */
static bool is_stuck(struct io_http_exchange *connection)
{
    size_t left = connection->stream.output.size + uv_stream_get_write_queue_size(&connection->stream.uv.stream);
    uint64_t taken = connection->stream.put - left;
    if (!left || taken != connection->taken) {
        connection->taken = taken;
        connection->written_since_ms = now_ms(connection);
    }
    return is_over(connection, connection->written_since_ms, connection->server->config->write_ms);
}

static void tick(struct io_http_exchange *connection)
{
    const struct io_http_server_config *config = connection->server->config;
    static const struct io_http_refusal LATE = {408, "the request took too long to come"};
    if (is_stuck(connection)) {
        cut(connection);
        return;
    }
    switch (connection->state) {
    case STATE_HEAD:
        if (connection->begun && is_over(connection, connection->since_ms, config->header_ms))
            refuse(connection, &LATE);
        else if (!connection->begun && !io_stream_waiting(&connection->stream) &&
                 (connection->server->stopping || is_over(connection, connection->since_ms, config->idle_ms)))
            io_stream_close(&connection->stream);
        break;
    case STATE_EXCHANGE:
        if (!connection->body_done && connection->body_wanted &&
            is_over(connection, connection->since_ms, config->body_ms))
            refuse(connection, &LATE);
        break;
    case STATE_LINGER:
        if (io_stream_waiting(&connection->stream))
            connection->since_ms = now_ms(connection);
        if (is_over(connection, connection->since_ms, LINGER_MS))
            io_stream_close(&connection->stream);
        break;
    }
}

void io_http_server_tick(struct io_http_server *server)
{
    for (struct io_http_exchange *connection = server->connections, *next; connection; connection = next) {
        next = connection->next;
        if (!connection->stream.closing)
            tick(connection);
    }
}

/* --- the server --- */

static const struct io_stream_ops stream_ops = {on_input, on_ended, on_drained, on_finished, on_closed};

static void refuse_connection(struct io_http_exchange *connection)
{
    static const struct io_http_refusal BUSY = {503, "too many connections"};
    refuse(connection, &BUSY);
}

static void on_connection(uv_stream_t *listener, int error)
{
    struct io_http_server *server = listener->data;
    if (error)
        return;
    struct io_http_exchange *connection = calloc(1, sizeof *connection);
    GA_ASSERT(connection);
    connection->server = server;
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    uv_tcp_init(&server->loop->uv, &connection->stream.uv.tcp);
    io_stream_init(&connection->stream, server->loop, &stream_ops);
    if (uv_accept(listener, &connection->stream.uv.stream) != 0 ||
        server->connection_count > server->config->connections_max + REFUSED_CONNECTIONS) {
        io_stream_close(&connection->stream);
        return;
    }
    uv_tcp_nodelay(&connection->stream.uv.tcp, 1);
    connection->since_ms = connection->written_since_ms = now_ms(connection);
    if (server->connection_count > server->config->connections_max)
        refuse_connection(connection);
    else
        io_stream_read(&connection->stream, true);
}

static bool is_port(const char *text)
{
    char *end;
    return *text >= '0' && *text <= '9' && strtoul(text, &end, 10) <= 65535 && !*end;
}

/* "HOST:PORT": an address, in brackets if it is IPv6's, or localhost, or nothing for all of IPv4. */
static enum ga_status resolve(const char *listen, struct sockaddr_storage *address_out, struct ga_report *report)
{
    char host[64];
    const char *colon = strrchr(listen, ':');
    size_t size = colon ? (size_t)(colon - listen) : 0;
    if (!colon || size >= sizeof host || !is_port(colon + 1))
        return ga_report_set(report, GA_INVALID, "\"%s\" is not HOST:PORT", listen);
    int port = atoi(colon + 1), error;
    snprintf(host, sizeof host, "%.*s", (int)size, listen);
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        error = uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *)address_out);
    } else {
        const char *name = !*host ? "0.0.0.0" : strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
        error = uv_ip4_addr(name, port, (struct sockaddr_in *)address_out);
    }
    return error ? ga_report_set(report, GA_INVALID, "\"%s\" does not begin with an IP address or localhost", listen) : GA_OK;
}

static void note_address(struct io_http_server *server)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    char host[64] = "?";
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    bool six = address.ss_family == AF_INET6;
    const struct sockaddr_in *in = (struct sockaddr_in *)&address;
    const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    if (six)
        uv_ip6_name(in6, host, sizeof host);
    else
        uv_ip4_name(in, host, sizeof host);
    snprintf(server->address, sizeof server->address, six ? "[%s]:%d" : "%s:%d", host,
             ntohs(six ? in6->sin6_port : in->sin_port));
}

enum ga_status io_http_server_start(struct io_loop *loop, const struct io_http_server_config *config,
                                    struct io_http_server **server_out, struct ga_report *report)
{
    enum { BACKLOG = 1024 };
    struct sockaddr_storage address;
    enum ga_status status = resolve(config->listen, &address, report);
    if (status != GA_OK)
        return status;
    struct io_http_server *server = calloc(1, sizeof *server);
    GA_ASSERT(server);
    server->loop = loop;
    server->config = config;
    uv_tcp_init(&loop->uv, &server->listener);
    server->listener.data = server;
    int error = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (!error)
        error = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (error)
        return ga_report_errno(report, -error, "cannot listen on \"%s\"", config->listen);
    note_address(server);
    *server_out = server;
    return GA_OK;
}

const char *io_http_server_address(const struct io_http_server *server)
{
    return server->address;
}

static void on_listener_closed(uv_handle_t *listener)
{
    note_stopped(listener->data);
}

void io_http_server_stop(struct io_http_server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    io_http_server_tick(server); /* connections without a request */
}
