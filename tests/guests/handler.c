/* An HTTP handler for tests; what it does is the first part of the path, with a number behind '?':
 *
 *   /hello            200 with a short text
 *   /request          the request as text: method, scheme, authority, path, fields
 *   /echo             the body, as it comes, and its trailers
 *   /count            how often this instance was asked
 *   /status?N         that status, with a field and no body
 *   /sized?N          N bytes with content-length; /short?N one byte less than that
 *   /big?N            N bytes
 *   /trickle?MS       five lines, so long apart
 *   /delay?MS         an answer after so long
 *   /late?MS          an answer, and work for so long after it
 *   /grind?N          N dots, each after some computing and a look at the clock, then the body
 *   /trailers         a body with trailers
 *   /ignore           an answer before the body is read
 *   /log              a line to stdout and one to stderr
 *   /flood            bytes without end, until nobody takes them
 *   /none /error /incomplete /trap /trap-late /loop /loop-late /exit     what goes wrong */
#include "http_server.h"

static struct guest_string text_at(const struct http_area *area, size_t at)
{
    return guest_string((char *)http_word(area, at), http_word(area, at + 4));
}

static void answer(uint32_t outparam, uint32_t status, const char *text)
{
    struct http_reply reply = {0};
    http_reply_field(&reply, "content-type", "text/plain");
    http_reply_begin(&reply, outparam, status);
    http_reply_write(&reply, text, strlen(text));
    http_reply_end(&reply, 0);
}

static void hello(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)number;
    answer(outparam, 200, "hello\n");
}

static struct guest_string method_text(uint32_t request)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    struct http_area area;
    http_request_method(request, &area);
    return area.bytes[0] < 9 ? guest_format("%s", names[area.bytes[0]]) : text_at(&area, 4);
}

static struct guest_string describe(uint32_t request)
{
    struct http_area scheme, authority, path, fields;
    struct guest_string method = method_text(request);
    http_request_scheme(request, &scheme);
    http_request_authority(request, &authority);
    http_request_path(request, &path);
    struct guest_string text = guest_format(
        "%.*s\n%s\n%.*s\n%.*s\n", (int)method.len, method.ptr, scheme.bytes[4] == 0 ? "http" : scheme.bytes[4] == 1 ? "https" : "?",
        authority.bytes[0] ? (int)http_word(&authority, 8) : 1, authority.bytes[0] ? (char *)http_word(&authority, 4) : "-",
        path.bytes[0] ? (int)http_word(&path, 8) : 1, path.bytes[0] ? (char *)http_word(&path, 4) : "-");
    uint32_t headers = http_request_headers(request);
    http_fields_entries(headers, &fields);
    http_fields_drop(headers);
    const struct http_entry *entries = (void *)http_word(&fields, 0);
    for (size_t i = 0; i < http_word(&fields, 4); i++) {
        struct guest_string longer =
            guest_format("%.*s%.*s: %.*s\n", (int)text.len, text.ptr, (int)entries[i].name_size, entries[i].name,
                         (int)entries[i].value_size, entries[i].value);
        guest_string_free(text);
        text = longer;
    }
    return text;
}

static void show_request(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)number;
    answer(outparam, 200, describe(request).ptr);
}

/* The trailers behind a body, 0 if there are none. */
static uint32_t trailers_of(uint32_t body)
{
    struct http_area result;
    uint32_t future = http_incoming_body_finish(body), pollable = http_trailers_subscribe(future);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
    http_trailers_get(future, &result);
    http_trailers_drop(future);
    return !result.bytes[16] && result.bytes[24] ? http_word(&result, 28) : 0;
}

/* False: the body failed. */
static bool copy_body(uint32_t stream, const struct http_reply *reply)
{
    struct http_area result;
    bool written = true;
    while (written) {
        io_blocking_read(stream, 65536, &result);
        if (result.bytes[0])
            break;
        void *bytes = (void *)http_word(&result, 4);
        written = http_reply_write(reply, bytes, http_word(&result, 8));
        free(bytes);
    }
    return !result.bytes[0] || result.bytes[4] == 1;
}

static void echo(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_area result;
    struct http_reply reply = {0};
    (void)number;
    http_request_consume(request, &result);
    uint32_t body = http_word(&result, 4);
    http_incoming_body_stream(body, &result);
    uint32_t stream = http_word(&result, 4);
    http_reply_begin(&reply, outparam, 200);
    if (!copy_body(stream, &reply)) { /* the body failed: so does the response */
        fprintf(stderr, "handler: the body is incomplete\n");
        io_output_drop(reply.stream);
        http_outgoing_body_drop(reply.body);
        return;
    }
    io_input_drop(stream);
    http_reply_end(&reply, trailers_of(body));
}

static uint32_t requests;

static void count(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)number;
    answer(outparam, 200, guest_format("%u", (unsigned)requests).ptr);
}

static void status(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_reply reply = {0};
    (void)request;
    http_reply_field(&reply, "x-status", "given");
    http_reply_begin(&reply, outparam, number);
    http_reply_end(&reply, 0);
}

static void write_bytes(const struct http_reply *reply, uint32_t left)
{
    static char bytes[65536];
    memset(bytes, 'b', sizeof bytes);
    while (left) {
        uint32_t piece = left < sizeof bytes ? left : (uint32_t)sizeof bytes;
        if (!http_reply_write(reply, bytes, piece))
            return;
        left -= piece;
    }
}

static void reply_bytes(uint32_t outparam, uint32_t announced, uint32_t size)
{
    struct http_reply reply = {0};
    if (announced)
        http_reply_field(&reply, "Content-Length", guest_format("%u", (unsigned)announced).ptr);
    http_reply_begin(&reply, outparam, 200);
    write_bytes(&reply, size);
    http_reply_end(&reply, 0);
}

static void sized(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request;
    reply_bytes(outparam, number, number);
}

static void too_short(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request;
    reply_bytes(outparam, number, number - 1);
}

static void big(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request;
    reply_bytes(outparam, 0, number);
}

static void trickle(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_reply reply = {0};
    (void)request;
    http_reply_begin(&reply, outparam, 200);
    for (unsigned i = 0; i < 5; i++) {
        sleep_ms(number);
        struct guest_string line = guest_format("line %u\n", i);
        http_reply_write(&reply, line.ptr, line.len);
    }
    http_reply_end(&reply, 0);
}

static void delay(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request;
    sleep_ms(number);
    answer(outparam, 200, "waited\n");
}

static void late(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request;
    answer(outparam, 200, "early\n");
    sleep_ms(number);
}

static void grind(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_area result;
    struct http_reply reply = {0};
    http_reply_begin(&reply, outparam, 200);
    for (uint32_t i = 0; i < number; i++) {
        for (volatile unsigned k = 0; k < 2000000; k++)
            ;
        clock_now();
        http_reply_write(&reply, ".", 1);
    }
    http_request_consume(request, &result);
    uint32_t body = http_word(&result, 4);
    http_incoming_body_stream(body, &result);
    copy_body(http_word(&result, 4), &reply);
    http_reply_end(&reply, 0);
}

static void send_trailers(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_area result;
    struct http_reply reply = {0};
    (void)request, (void)number;
    http_reply_begin(&reply, outparam, 200);
    http_reply_write(&reply, "body", 4);
    uint32_t trailers = http_fields_new();
    http_fields_append(trailers, "x-sum", 5, "42", 2, &result);
    http_reply_end(&reply, trailers);
}

static void log_lines(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)number;
    printf("a line on stdout\n");
    fflush(stdout);
    fprintf(stderr, "a line on stderr\n");
    answer(outparam, 200, "logged\n");
}

static void flood(uint32_t request, uint32_t outparam, uint32_t number)
{
    static char bytes[4096];
    struct http_reply reply = {0};
    (void)request, (void)number;
    http_reply_begin(&reply, outparam, 200);
    while (http_reply_write(&reply, bytes, sizeof bytes))
        ;
    fprintf(stderr, "handler: nobody reads\n");
}

static void none(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)outparam, (void)number;
}

static void error(uint32_t request, uint32_t outparam, uint32_t number)
{
    enum { REQUEST_DENIED = 15 };
    (void)request, (void)number;
    http_outparam_set(outparam, 1, REQUEST_DENIED, 0, 0, 0, 0, 0, 0);
}

static void incomplete(uint32_t request, uint32_t outparam, uint32_t number)
{
    struct http_reply reply = {0};
    (void)request, (void)number;
    http_reply_begin(&reply, outparam, 200);
    http_reply_write(&reply, "part", 4);
    io_output_drop(reply.stream);
    http_outgoing_body_drop(reply.body);
}

static void loop(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static void begin_part(uint32_t outparam)
{
    struct http_reply reply = {0};
    http_reply_begin(&reply, outparam, 200);
    http_reply_write(&reply, "part", 4);
}

static void trap_at_once(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)outparam, (void)number;
    __builtin_trap();
}

static void trap_late(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)number;
    begin_part(outparam);
    __builtin_trap();
}

static void loop_at_once(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)outparam, (void)number;
    loop();
}

static void loop_late(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)number;
    begin_part(outparam);
    loop();
}

static void end(uint32_t request, uint32_t outparam, uint32_t number)
{
    (void)request, (void)outparam;
    exit((int)number);
}

static const struct {
    const char *path;
    void (*run)(uint32_t request, uint32_t outparam, uint32_t number);
} routes[] = {
    {"/hello", hello},       {"/request", show_request}, {"/echo", echo},           {"/count", count},
    {"/status", status},     {"/sized", sized},          {"/short", too_short},     {"/big", big},
    {"/trickle", trickle},   {"/delay", delay},          {"/late", late},           {"/grind", grind},         {"/trailers", send_trailers},
    {"/ignore", hello},      {"/log", log_lines},        {"/flood", flood},         {"/none", none},
    {"/error", error},       {"/incomplete", incomplete}, {"/trap", trap_at_once},  {"/trap-late", trap_late},
    {"/loop", loop_at_once}, {"/loop-late", loop_late},  {"/exit", end},
};

static uint32_t number_at(struct guest_string text, size_t at)
{
    uint32_t number = 0;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        number = number * 10 + (uint32_t)(text.ptr[at] - '0');
    return number;
}

GUEST_EXPORT("wasi:http/incoming-handler@0.2.12#handle") void handle(uint32_t request, uint32_t outparam)
{
    struct http_area area;
    requests++;
    http_request_path(request, &area);
    struct guest_string path = area.bytes[0] ? text_at(&area, 4) : guest_string("", 0);
    size_t size = 0;
    while (size < path.len && path.ptr[size] != '?')
        size++;
    uint32_t number = number_at(path, size + 1);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strlen(routes[i].path) == size && memcmp(routes[i].path, path.ptr, size) == 0) {
            routes[i].run(request, outparam, number);
            return;
        }
    }
    answer(outparam, 404, "no such path\n");
}
