/*
 * How an exchange goes through libcurl's multi interface:
 *
 *   socket, timer callbacks   tell which fds and when: an epoll fd that also holds a timerfd (of curl's timeout and of our own
 *                             deadlines) is all that the outside has to poll
 *   read callback             gives what waits of the request's body; nothing there: pauses, until io_http_write
 *   header callback           status lines, fields, empty lines: 1xx are forgotten, after the final header come trailers
 *   write callback            fills the response's buffer; no room: pauses, until io_http_read
 *
 * Our own reasons to stop (a limit, a deadline, a body that was cut off) are noted in the exchange before curl is told to,
 * so that they are what is reported.
 */
#define _GNU_SOURCE

#include "io_http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "ga_arena.h"
#include "ga_assert.h"
#include "ga_buf.h"
#include "ga_limits.h"

/* --- libcurl, loaded when it is needed: it costs milliseconds at the start of a process --- */

#define CURL_FUNCTIONS(X)       \
    X(curl_global_init)         \
    X(curl_easy_init)           \
    X(curl_easy_setopt)         \
    X(curl_easy_getinfo)        \
    X(curl_easy_pause)          \
    X(curl_easy_cleanup)        \
    X(curl_easy_strerror)       \
    X(curl_multi_init)          \
    X(curl_multi_setopt)        \
    X(curl_multi_add_handle)    \
    X(curl_multi_remove_handle) \
    X(curl_multi_socket_action) \
    X(curl_multi_info_read)     \
    X(curl_slist_append)        \
    X(curl_slist_free_all)

static struct {
#define X(name) __typeof__(&name) name;
    CURL_FUNCTIONS(X)
#undef X
} lib;

/* curl.h has checking macros of these names, which want the functions themselves. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

static bool load_library(const char **error_out)
{
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    bool complete = handle != NULL;
#define X(name) complete = complete && (lib.name = (__typeof__(&name))dlsym(handle, #name)) != NULL;
    CURL_FUNCTIONS(X)
#undef X
    if (!complete)
        *error_out = dlerror();
    return complete;
}

/* --- the client --- */

static const uint64_t never = UINT64_MAX;

static struct {
    bool tried;
    const char *error; /* why there is no client */
    CURLM *multi;
    int epoll, timer;
    uint64_t curl_deadline_ns, armed_ns; /* CLOCK_MONOTONIC; what the timerfd is set to */
    struct io_http_exchange *exchanges;
} client;

enum stage {
    STAGE_HEADER, /* of a 1xx or the final response */
    STAGE_BODY,   /* and then trailers */
    STAGE_OVER
};

struct fields {
    GA_VEC(struct io_http_field) list;
    size_t bytes;
};

struct io_http_exchange {
    struct io_http_exchange *next, **link;
    CURL *easy; /* NULL when it is over */
    struct ga_arena arena;
    struct curl_slist *header_lines;
    enum stage stage;
    struct io_http_failure failure;
    char error_text[CURL_ERROR_SIZE];
    bool repeatable, sent; /* it may be sent twice; it was begun to be sent */

    struct ga_buf upload; /* upload.data[upload_at..] waits to be sent */
    size_t upload_at;
    bool upload_wanted, upload_finished, upload_aborted, upload_paused;
    struct io_http_field *request_trailers;
    size_t request_trailer_count;

    unsigned status, answered; /* of the section under way; of the final response */
    struct fields fields, trailers;
    struct ga_buf body; /* body.data[body_at..] waits to be read */
    size_t body_at;
    bool body_paused;

    uint64_t first_byte_timeout_ns, between_bytes_timeout_ns;
    uint64_t deadline_ns; /* of the next byte */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    GA_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t deadline_after(uint64_t ns)
{
    uint64_t deadline;
    return __builtin_add_overflow(now_ns(), ns, &deadline) ? never : deadline;
}

/* --- sockets and the timer --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    (void)easy;
    (void)context;
    (void)socket_context;
    struct epoll_event event = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
                                .data.fd = fd};
    if (what == CURL_POLL_REMOVE)
        (void)epoll_ctl(client.epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
    else if (epoll_ctl(client.epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        GA_ASSERT(epoll_ctl(client.epoll, EPOLL_CTL_ADD, fd, &event) == 0 || errno == ENOMEM || errno == ENOSPC);
    return 0;
}

static void arm_timer(void)
{
    uint64_t deadline = client.curl_deadline_ns;
    for (struct io_http_exchange *exchange = client.exchanges; exchange; exchange = exchange->next)
        if (exchange->deadline_ns < deadline)
            deadline = exchange->deadline_ns;
    if (deadline == client.armed_ns)
        return;
    client.armed_ns = deadline;
    struct itimerspec time = {0};
    if (deadline != never)
        time.it_value = (struct timespec){(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    GA_ASSERT(timerfd_settime(client.timer, TFD_TIMER_ABSTIME, &time, NULL) == 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    (void)context;
    client.curl_deadline_ns = timeout_ms < 0 ? never : deadline_after((uint64_t)timeout_ms * 1000000u);
    return 0;
}

static bool client_start(void)
{
    if (client.tried)
        return client.multi != NULL;
    client.tried = true;
    client.curl_deadline_ns = client.armed_ns = never;
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = client.timer};
    if (client.epoll < 0 || client.timer < 0 || epoll_ctl(client.epoll, EPOLL_CTL_ADD, client.timer, &event) != 0)
        client.error = strerror(errno);
    if (client.error != NULL || !load_library(&client.error))
        return false;
    if (lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        client.multi = lib.curl_multi_init();
    if (client.multi == NULL) {
        client.error = "libcurl cannot be initialised";
        return false;
    }
    lib.curl_multi_setopt(client.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    lib.curl_multi_setopt(client.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    return true;
}

/* --- ends of an exchange --- */

#if LIBCURL_VERSION_NUM < 0x080600
#    define CURLE_TOO_LARGE ((CURLcode)100) /* newer libraries give it */
#endif

/* The first reason counts. text: a literal, or in the exchange's arena. */
static void fail(struct io_http_exchange *exchange, enum io_http_error error, const char *text)
{
    if (exchange->failure.error == IO_HTTP_OK)
        exchange->failure = (struct io_http_failure){error, 0, text};
}

static void finish_transfer(struct io_http_exchange *exchange)
{
    if (exchange->easy != NULL) {
        (void)lib.curl_multi_remove_handle(client.multi, exchange->easy);
        lib.curl_easy_cleanup(exchange->easy);
    }
    exchange->easy = NULL;
    exchange->stage = STAGE_OVER;
    exchange->deadline_ns = never;
    lib.curl_slist_free_all(exchange->header_lines);
    exchange->header_lines = NULL;
    ga_buf_free(&exchange->upload);
    exchange->upload_at = 0;
}

/* "error:0A000410:SSL routines::sslv3 alert handshake failure": reasons above 1000 are alerts of the peer. */
static unsigned find_alert(const char *text)
{
    const char *code = strstr(text, "error:");
    unsigned long number = code != NULL ? strtoul(code + 6, NULL, 16) & 0x7fffff : 0;
    return number > 1000 && number <= 1255 ? (unsigned)number - 1000 : 0;
}

static enum io_http_error connect_error(CURL *easy)
{
    long error = 0;
    (void)lib.curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
    switch (error) {
    case ECONNREFUSED: return IO_HTTP_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH: return IO_HTTP_UNROUTABLE;
    case ETIMEDOUT: return IO_HTTP_CONNECT_TIMEOUT;
    case ECONNRESET: return IO_HTTP_TERMINATED;
    default: return IO_HTTP_UNAVAILABLE;
    }
}

static const struct {
    CURLcode code;
    enum io_http_error error;
} curl_errors[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, IO_HTTP_PROTOCOL}, /* a response of HTTP/0.9, too */
    {CURLE_URL_MALFORMAT, IO_HTTP_URI_INVALID},
    {CURLE_COULDNT_RESOLVE_HOST, IO_HTTP_DNS_ERROR},
    {CURLE_WEIRD_SERVER_REPLY, IO_HTTP_PROTOCOL},
    {CURLE_HTTP2, IO_HTTP_PROTOCOL},
    {CURLE_PARTIAL_FILE, IO_HTTP_RESPONSE_INCOMPLETE},
    {CURLE_OPERATION_TIMEDOUT, IO_HTTP_CONNECT_TIMEOUT}, /* the only time limit that curl has been told of */
    {CURLE_SSL_CONNECT_ERROR, IO_HTTP_TLS_PROTOCOL},
    {CURLE_ABORTED_BY_CALLBACK, IO_HTTP_TERMINATED},
    {CURLE_GOT_NOTHING, IO_HTTP_TERMINATED},
    {CURLE_SEND_ERROR, IO_HTTP_TERMINATED},
    {CURLE_RECV_ERROR, IO_HTTP_TERMINATED},
    {CURLE_SSL_CERTPROBLEM, IO_HTTP_CONFIGURATION},
    {CURLE_PEER_FAILED_VERIFICATION, IO_HTTP_TLS_CERTIFICATE},
    {CURLE_BAD_CONTENT_ENCODING, IO_HTTP_TRANSFER_CODING},
    {CURLE_SEND_FAIL_REWIND, IO_HTTP_TERMINATED},
    {CURLE_SSL_CACERT_BADFILE, IO_HTTP_CONFIGURATION},
    {CURLE_SSL_ISSUER_ERROR, IO_HTTP_TLS_CERTIFICATE},
    {CURLE_HTTP2_STREAM, IO_HTTP_PROTOCOL},
    {CURLE_SSL_INVALIDCERTSTATUS, IO_HTTP_TLS_CERTIFICATE},
};

static enum io_http_error translate(const struct io_http_exchange *exchange, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT)
        return connect_error(exchange->easy);
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_TOO_LARGE) /* curl's own limit, of a single field */
        return exchange->answered == 0 ? IO_HTTP_HEADERS_TOO_LARGE : IO_HTTP_TRAILERS_TOO_LARGE;
    for (size_t i = 0; i < sizeof curl_errors / sizeof *curl_errors; i++)
        if (curl_errors[i].code == code)
            return curl_errors[i].error;
    return IO_HTTP_INTERNAL;
}

static void fail_by_curl(struct io_http_exchange *exchange, CURLcode code)
{
    const char *text = exchange->error_text[0] != '\0' ? exchange->error_text : lib.curl_easy_strerror(code);
    enum io_http_error error = translate(exchange, code);
    unsigned alert = error == IO_HTTP_TLS_PROTOCOL || error == IO_HTTP_TERMINATED ? find_alert(exchange->error_text) : 0;
    /* The peer closed in the middle of the handshake: that is no fault of the protocol. */
    if (error == IO_HTTP_TLS_PROTOCOL && strstr(exchange->error_text, "SSL_ERROR_SYSCALL") != NULL)
        error = IO_HTTP_TERMINATED;
    if (error == IO_HTTP_TERMINATED && exchange->answered != 0)
        error = IO_HTTP_RESPONSE_INCOMPLETE;
    fail(exchange, alert != 0 ? IO_HTTP_TLS_ALERT : error, text);
    if (exchange->failure.error == IO_HTTP_TLS_ALERT)
        exchange->failure.tls_alert = (uint8_t)alert;
}

/* --- what curl asks for and tells: the request --- */

static int on_request_begins(void *context, char *ip, char *local_ip, int port, int local_port)
{
    struct io_http_exchange *exchange = context;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    /* A second time: the connection, an old one, was dead. Whether the request has arrived nobody knows. */
    if (exchange->sent && !exchange->repeatable) {
        fail(exchange, IO_HTTP_TERMINATED, "the connection was closed before the response");
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->sent = true;
    exchange->deadline_ns = deadline_after(exchange->first_byte_timeout_ns);
    return CURL_PREREQFUNC_OK;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *context)
{
    struct io_http_exchange *exchange = context;
    size_t there = exchange->upload.size - exchange->upload_at;
    size_t give = there < size * count ? there : size * count;
    if (exchange->upload_aborted) {
        fail(exchange, IO_HTTP_PROTOCOL, "the request's body was not completed");
        return CURL_READFUNC_ABORT;
    }
    if (there == 0 && !exchange->upload_finished) {
        exchange->upload_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (give > 0)
        memcpy(buffer, exchange->upload.data + exchange->upload_at, give);
    exchange->upload_at += give;
    if (exchange->upload_at == exchange->upload.size)
        exchange->upload_at = exchange->upload.size = 0;
    if (exchange->answered == 0)
        exchange->deadline_ns = deadline_after(exchange->first_byte_timeout_ns);
    return give;
}

static struct curl_slist *add_line(struct io_http_exchange *exchange, struct curl_slist *list,
                                   const struct io_http_field *field)
{
    /* curl's way to write a field without a value is "Name;". */
    const char *line = ga_arena_printf(&exchange->arena, "%.*s%s%.*s", (int)field->name_size, field->name,
                                       field->value_size > 0 ? ": " : ";", (int)field->value_size, field->value);
    struct curl_slist *longer = lib.curl_slist_append(list, line);
    GA_ASSERT(longer != NULL);
    return longer;
}

static int on_trailers(struct curl_slist **list, void *context)
{
    struct io_http_exchange *exchange = context;
    for (size_t i = 0; i < exchange->request_trailer_count; i++)
        *list = add_line(exchange, *list, &exchange->request_trailers[i]);
    return CURL_TRAILERFUNC_OK;
}

/* --- what curl asks for and tells: the response --- */

enum { FIELD_OVERHEAD = 32 /* as GA_MAX_HTTP_FIELDS_BYTES counts */ };

/* line is the exchange's copy. */
static void add_field(struct io_http_exchange *exchange, struct fields *fields, char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    for (char *at = line; at < colon; at++)
        *at = (char)tolower((unsigned char)*at);
    const char *end = line + size, *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *GA_PUSH(&exchange->arena, &fields->list) =
        (struct io_http_field){line, value, (size_t)(colon - line), (size_t)(end - value)};
}

static bool take_line(struct io_http_exchange *exchange, const char *line, size_t size)
{
    bool header = exchange->stage == STAGE_HEADER;
    struct fields *fields = header ? &exchange->fields : &exchange->trailers;
    fields->bytes += size + FIELD_OVERHEAD;
    if (fields->bytes > GA_MAX_HTTP_FIELDS_BYTES) {
        fail(exchange, header ? IO_HTTP_HEADERS_TOO_LARGE : IO_HTTP_TRAILERS_TOO_LARGE, "too many bytes of fields");
        return false;
    }
    /* A line that goes on with the field before it (obs-fold) is refused, as nobody has sent one for long. */
    if (*line == ' ' || *line == '\t' || memchr(line, ':', size) == NULL) {
        fail(exchange, IO_HTTP_PROTOCOL, "a line of the header section is no field");
        return false;
    }
    add_field(exchange, fields, ga_arena_strndup(&exchange->arena, line, size), size);
    return true;
}

/* The end of a header section: of the final response, or of one that only announces it. */
static void end_section(struct io_http_exchange *exchange)
{
    if (exchange->stage != STAGE_HEADER)
        return;
    if (exchange->status < 200) {
        exchange->fields.list.count = 0; /* bytes stay counted: there is an end to these, too */
        return;
    }
    exchange->answered = exchange->status;
    exchange->stage = STAGE_BODY;
    exchange->deadline_ns = deadline_after(exchange->between_bytes_timeout_ns);
}

static size_t on_header(char *data, size_t unit, size_t count, void *context)
{
    struct io_http_exchange *exchange = context;
    size_t given = unit * count, size = given;
    while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
        size--;
    if (size == 0) {
        end_section(exchange);
        return given;
    }
    if (exchange->stage == STAGE_HEADER && size >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        long status = 0;
        (void)lib.curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
        exchange->status = (unsigned)status;
        exchange->fields.bytes += size;
        return given;
    }
    return take_line(exchange, data, size) ? given : 0;
}

static size_t on_write(char *data, size_t unit, size_t count, void *context)
{
    struct io_http_exchange *exchange = context;
    size_t size = unit * count, there = exchange->body.size - exchange->body_at;
    if (exchange->stage == STAGE_HEADER) {
        fail(exchange, IO_HTTP_PROTOCOL, "a body before the final response");
        return 0;
    }
    if (there > 0 && there + size > IO_HTTP_BUFFER_BYTES) {
        exchange->body_paused = true;
        exchange->deadline_ns = never;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (exchange->body_at > 0) {
        memmove(exchange->body.data, exchange->body.data + exchange->body_at, there);
        exchange->body.size = there;
        exchange->body_at = 0;
    }
    ga_buf_append(&exchange->body, data, size);
    exchange->deadline_ns = deadline_after(exchange->between_bytes_timeout_ns);
    return size;
}

static void go_on(struct io_http_exchange *exchange)
{
    int paused = (exchange->upload_paused ? CURLPAUSE_SEND : 0) | (exchange->body_paused ? CURLPAUSE_RECV : 0);
    if (exchange->easy != NULL)
        (void)lib.curl_easy_pause(exchange->easy, paused);
}

/* --- start --- */

static void set_url(struct io_http_exchange *exchange, const struct io_http_request *request)
{
    CURL *easy = exchange->easy;
    lib.curl_easy_setopt(easy, CURLOPT_URL,
                         ga_arena_printf(&exchange->arena, "%s://%s/", request->scheme, request->authority));
    lib.curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, request->target); /* as it is: no "..", no # */
    lib.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib.curl_easy_setopt(easy, CURLOPT_PROXY, "");
    lib.curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
}

static void set_authorities(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    if (file == NULL)
        file = getenv("CURL_CA_BUNDLE");
    if (file == NULL && folder == NULL)
        return;
    lib.curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    lib.curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

/* A request without a body, or with one that may be empty: POST and the like say so (RFC 9110, 8.6). */
static void set_method(struct io_http_exchange *exchange, const struct io_http_request *request)
{
    static const char *const with_length[] = {"POST", "PUT", "PATCH"};
    CURL *easy = exchange->easy;
    bool upload = request->body;
    for (size_t i = 0; i < sizeof with_length / sizeof *with_length; i++)
        upload = upload || strcmp(request->method, with_length[i]) == 0;
    exchange->upload_wanted = upload;
    exchange->upload_finished = !request->body;
    if (strcmp(request->method, "HEAD") == 0)
        lib.curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (upload)
        lib.curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    if (upload)
        lib.curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(request->body ? request->body_size : 0));
    lib.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static bool names(const struct io_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (request->fields[i].name_size == strlen(name) && strncasecmp(request->fields[i].name, name, strlen(name)) == 0)
            return true;
    return false;
}

/* The guest's fields and no others: those that curl would add are taken away by a name without a value. */
static void set_fields(struct io_http_exchange *exchange, const struct io_http_request *request)
{
    static const char *const own[] = {"Accept", "Expect"};
    struct curl_slist *lines = NULL;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (names(request, own[i]))
            continue;
        lines = lib.curl_slist_append(lines, ga_arena_printf(&exchange->arena, "%s:", own[i]));
        GA_ASSERT(lines != NULL);
    }
    for (size_t i = 0; i < request->field_count; i++)
        lines = add_line(exchange, lines, &request->fields[i]);
    exchange->header_lines = lines;
    lib.curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, lines);
}

static void set_callbacks(struct io_http_exchange *exchange)
{
    CURL *easy = exchange->easy;
    lib.curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error_text);
    lib.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    lib.curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request_begins);
    lib.curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    lib.curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_TRAILERFUNCTION, on_trailers);
    lib.curl_easy_setopt(easy, CURLOPT_TRAILERDATA, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    lib.curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    lib.curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
}

static void set_timeouts(struct io_http_exchange *exchange, const struct io_http_request *request)
{
    uint64_t connect_ms = request->connect_timeout_ns / 1000000;
    exchange->first_byte_timeout_ns = request->first_byte_timeout_ns;
    exchange->between_bytes_timeout_ns = request->between_bytes_timeout_ns;
    if (connect_ms == 0)
        connect_ms = 1; /* 0 means curl's default */
    if (connect_ms > INT32_MAX)
        connect_ms = INT32_MAX;
    lib.curl_easy_setopt(exchange->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
}

static bool is_repeatable(const struct io_http_request *request)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strcmp(request->method, safe[i]) == 0)
            return !request->body;
    return false;
}

struct io_http_exchange *io_http_start(const struct io_http_request *request)
{
    struct io_http_exchange *exchange = calloc(1, sizeof *exchange);
    GA_ASSERT(exchange != NULL);
    exchange->deadline_ns = never;
    exchange->repeatable = is_repeatable(request);
    exchange->link = &client.exchanges;
    exchange->next = client.exchanges;
    if (exchange->next != NULL)
        exchange->next->link = &exchange->next;
    client.exchanges = exchange;
    exchange->easy = client_start() ? lib.curl_easy_init() : NULL;
    if (exchange->easy == NULL) {
        fail(exchange, IO_HTTP_CONFIGURATION, client.error != NULL ? client.error : "libcurl has no memory");
        exchange->stage = STAGE_OVER;
        return exchange;
    }
    set_callbacks(exchange);
    set_url(exchange, request);
    set_authorities(exchange->easy);
    set_method(exchange, request);
    set_fields(exchange, request);
    set_timeouts(exchange, request);
    GA_ASSERT(lib.curl_multi_add_handle(client.multi, exchange->easy) == CURLM_OK);
    io_http_run();
    return exchange;
}

void io_http_free(struct io_http_exchange *exchange)
{
    if (exchange->easy != NULL)
        finish_transfer(exchange);
    *exchange->link = exchange->next;
    if (exchange->next != NULL)
        exchange->next->link = exchange->link;
    ga_buf_free(&exchange->body);
    ga_arena_free(&exchange->arena);
    free(exchange);
}

/* --- the loop --- */

int io_http_fd(void)
{
    return client.epoll;
}

static void take_results(void)
{
    int left;
    for (CURLMsg *message; (message = lib.curl_multi_info_read(client.multi, &left)) != NULL;) {
        struct io_http_exchange *exchange;
        CURLcode code = message->data.result;
        (void)lib.curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        if (code != CURLE_OK)
            fail_by_curl(exchange, code);
        else if (exchange->answered == 0)
            fail(exchange, IO_HTTP_TERMINATED, "no final response");
        finish_transfer(exchange);
    }
}

static void take_deadlines(void)
{
    uint64_t now = now_ns();
    for (struct io_http_exchange *exchange = client.exchanges; exchange; exchange = exchange->next) {
        if (exchange->deadline_ns > now)
            continue;
        fail(exchange, IO_HTTP_READ_TIMEOUT, "nothing was received for too long");
        finish_transfer(exchange);
    }
}

static void take_event(const struct epoll_event *event)
{
    int running, fd = event->data.fd;
    int mask = (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    uint64_t expirations;
    if (fd != client.timer)
        (void)lib.curl_multi_socket_action(client.multi, fd, mask, &running);
    else if (read(fd, &expirations, sizeof expirations) > 0)
        client.armed_ns = never;
}

/* Timeouts of curl's that are due; often one of them is due at once that was set by what was done before. */
static void take_timeouts(void)
{
    enum { ROUNDS = 8 }; /* others may have something to do, too */
    for (int i = 0, running; i < ROUNDS && client.curl_deadline_ns <= now_ns(); i++) {
        client.curl_deadline_ns = never; /* unless curl sets it anew */
        (void)lib.curl_multi_socket_action(client.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void io_http_run(void)
{
    struct epoll_event events[16];
    if (client.multi == NULL)
        return;
    int count = epoll_wait(client.epoll, events, 16, 0);
    for (int i = 0; i < count; i++)
        take_event(&events[i]);
    take_timeouts();
    take_results();
    take_deadlines();
    arm_timer();
}

void io_http_wait(void)
{
    struct pollfd fd = {.fd = client.epoll, .events = POLLIN};
    (void)poll(&fd, 1, -1);
    io_http_run();
}

/* --- the request's body --- */

bool io_http_upload_over(const struct io_http_exchange *exchange)
{
    return exchange->easy == NULL || !exchange->upload_wanted;
}

size_t io_http_unsent(const struct io_http_exchange *exchange)
{
    return exchange->upload.size - exchange->upload_at;
}

static void resume_upload(struct io_http_exchange *exchange)
{
    if (!exchange->upload_paused)
        return;
    exchange->upload_paused = false;
    go_on(exchange);
}

void io_http_write(struct io_http_exchange *exchange, const void *data, size_t size)
{
    if (io_http_upload_over(exchange))
        return;
    if (exchange->upload_at > 0) {
        size_t there = io_http_unsent(exchange);
        memmove(exchange->upload.data, exchange->upload.data + exchange->upload_at, there);
        exchange->upload.size = there;
        exchange->upload_at = 0;
    }
    ga_buf_append(&exchange->upload, data, size);
    resume_upload(exchange);
}

void io_http_finish(struct io_http_exchange *exchange, const struct io_http_field *trailers, size_t count)
{
    if (io_http_upload_over(exchange))
        return;
    exchange->request_trailers = ga_arena_array(&exchange->arena, count, sizeof *trailers);
    exchange->request_trailer_count = count;
    for (size_t i = 0; i < count; i++) {
        struct io_http_field field = trailers[i];
        field.name = ga_arena_strndup(&exchange->arena, field.name, field.name_size);
        field.value = ga_arena_strndup(&exchange->arena, field.value, field.value_size);
        exchange->request_trailers[i] = field;
    }
    exchange->upload_finished = true;
    resume_upload(exchange);
}

void io_http_abort(struct io_http_exchange *exchange)
{
    if (io_http_upload_over(exchange))
        return;
    exchange->upload_aborted = true;
    resume_upload(exchange);
}

/* --- the response --- */

unsigned io_http_status(const struct io_http_exchange *exchange)
{
    return exchange->answered;
}

const struct io_http_field *io_http_fields(const struct io_http_exchange *exchange, size_t *count_out)
{
    *count_out = exchange->fields.list.count;
    return exchange->fields.list.items;
}

const struct io_http_field *io_http_trailers(const struct io_http_exchange *exchange, size_t *count_out)
{
    *count_out = exchange->trailers.list.count;
    return exchange->trailers.list.items;
}

size_t io_http_readable(const struct io_http_exchange *exchange)
{
    return exchange->body.size - exchange->body_at;
}

size_t io_http_read(struct io_http_exchange *exchange, void *buffer, size_t size)
{
    size_t there = io_http_readable(exchange), give = there < size ? there : size;
    if (give > 0)
        memcpy(buffer, exchange->body.data + exchange->body_at, give);
    exchange->body_at += give;
    if (exchange->body_at == exchange->body.size)
        exchange->body_at = exchange->body.size = 0;
    if (exchange->body_paused && io_http_readable(exchange) <= IO_HTTP_BUFFER_BYTES / 2) {
        exchange->body_paused = false;
        exchange->deadline_ns = deadline_after(exchange->between_bytes_timeout_ns);
        go_on(exchange);
    }
    return give;
}

bool io_http_over(const struct io_http_exchange *exchange)
{
    return exchange->stage == STAGE_OVER;
}

struct io_http_failure io_http_failure(const struct io_http_exchange *exchange)
{
    return exchange->failure;
}
