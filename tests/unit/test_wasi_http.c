#include "worker_double.h"

#include "ga_limits.h"
#include "wasi_http.h"

/* wasi:http/types, on the worker double, with a transport that this test is. */

static struct worker *const worker = &double_worker;

static struct cabi_string text(const char *data)
{
    return (struct cabi_string){data, strlen(data)};
}

static struct cabi_list bytes(const char *data)
{
    return (struct cabi_list){(void *)(uintptr_t)data, strlen(data)};
}

/* --- fields --- */

static uint32_t append(uint32_t fields, const char *name, const char *value)
{
    struct result_void_wasi_http_types_header_error result = {0};
    wasi_http_types_fields_append(worker, fields, text(name), bytes(value), &result);
    return result.tag == 0 ? UINT32_MAX : result.value.err.tag;
}

/* "name=value name=value " */
static const char *entries(uint32_t fields)
{
    static char joined[512];
    struct cabi_list list = {0};
    wasi_http_types_fields_entries(worker, fields, &list);
    const struct tuple_string_list *entry = list.items;
    joined[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%.*s=%.*s ", (int)entry[i].f0.size,
                 entry[i].f0.data, (int)entry[i].f1.count, (const char *)entry[i].f1.items);
    return joined;
}

static size_t values(uint32_t fields, const char *name)
{
    struct cabi_list list = {0};
    wasi_http_types_fields_get(worker, fields, text(name), &list);
    return list.count;
}

static void drop(const struct host_resource_type *type, uint32_t rep)
{
    host_resource_drop(worker, type, rep);
}

static void drop_fields(uint32_t rep)
{
    drop(&wasi_http_types_fields_type, rep);
}

/* Everything that a test made is gone. */
static void assert_nothing_left(void)
{
    cr_assert_eq(double_resource_count(), 0, "%u resources", double_resource_count());
    cr_assert_eq(double_region_blocks, 0, "%u blocks in the region", double_region_blocks);
}

Test(wasi_http_fields, keep_order_and_case_and_are_found_in_any_case)
{
    uint32_t fields = wasi_http_types_fields_new(worker);
    cr_assert_eq(append(fields, "X-One", "1"), UINT32_MAX);
    cr_assert_eq(append(fields, "x-two", ""), UINT32_MAX);
    cr_assert_eq(append(fields, "x-ONE", "3"), UINT32_MAX);
    cr_assert_str_eq(entries(fields), "X-One=1 x-two= x-ONE=3 ");
    cr_assert_eq(values(fields, "X-oNe"), 2);
    cr_assert_eq(values(fields, "x-two"), 1);
    cr_assert_eq(values(fields, "x-on"), 0);
    cr_assert_eq(values(fields, "not a name"), 0);
    cr_assert(wasi_http_types_fields_has(worker, fields, text("X-TWO")));
    drop_fields(fields);
    assert_nothing_left();
}

Test(wasi_http_fields, are_set_and_deleted_as_a_whole)
{
    struct result_void_wasi_http_types_header_error result = {0};
    struct cabi_list both[] = {bytes("a"), bytes("b")}, bad[] = {bytes("a"), bytes("b\n")};
    uint32_t fields = wasi_http_types_fields_new(worker);
    append(fields, "x", "1");
    append(fields, "y", "2");
    wasi_http_types_fields_set(worker, fields, text("X"), (struct cabi_list){both, 2}, &result);
    cr_assert_eq(result.tag, 0);
    cr_assert_str_eq(entries(fields), "y=2 X=a X=b ");
    wasi_http_types_fields_set(worker, fields, text("x"), (struct cabi_list){bad, 2}, &result);
    cr_assert_eq(result.tag, 1);
    cr_assert_str_eq(entries(fields), "y=2 X=a X=b ");
    wasi_http_types_fields_delete(worker, fields, text("x"), &result);
    cr_assert_eq(result.tag, 0);
    cr_assert_str_eq(entries(fields), "y=2 ");
    drop_fields(fields);
    assert_nothing_left();
}

static const struct {
    const char *name, *value;
    uint32_t error;
} refused[] = {
    {"", "x", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"a b", "x", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"a:", "x", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"a\r\nb", "x", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"\xc3\xa9", "x", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"a", "x\r\nb: c", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"a", "\x7f", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"content-length", "-1", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"content-length", "18446744073709551616", WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
    {"Host", "x", WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
    {"Transfer-Encoding", "chunked", WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
    {"connection", "close", WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
};

Test(wasi_http_fields, refuse_what_would_forge_a_message)
{
    uint32_t fields = wasi_http_types_fields_new(worker);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_assert_eq(append(fields, refused[i].name, refused[i].value), refused[i].error, "%s: %s", refused[i].name,
                     refused[i].value);
    cr_assert_eq(append(fields, "content-length", "18446744073709551615"), UINT32_MAX);
    cr_assert_eq(append(fields, "a", "\xe9\t x"), UINT32_MAX);
    cr_assert_str_eq(entries(fields), "content-length=18446744073709551615 a=\xe9\t x ");
}

Test(wasi_http_fields, of_a_message_cannot_be_changed_but_their_copies_can)
{
    uint32_t fields = wasi_http_types_fields_new(worker);
    append(fields, "a", "1");
    uint32_t request = wasi_http_types_outgoing_request_new(worker, fields);
    uint32_t headers = wasi_http_types_outgoing_request_headers(worker, request);
    cr_assert_eq(append(headers, "b", "2"), WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);
    uint32_t copy = wasi_http_types_fields_clone(worker, headers);
    drop(&wasi_http_types_outgoing_request_type, request);
    cr_assert_eq(append(copy, "b", "2"), UINT32_MAX);
    cr_assert_str_eq(entries(copy), "a=1 b=2 ");
    cr_assert_str_eq(entries(headers), "a=1 ");
    drop_fields(headers);
    drop_fields(copy);
    assert_nothing_left();
}

Test(wasi_http_fields, have_a_limit)
{
    static char large[GA_MAX_HTTP_FIELDS_BYTES];
    memset(large, 'v', sizeof large - 1);
    uint32_t fields = wasi_http_types_fields_new(worker);
    large[sizeof large - 1 - 32] = '\0';
    DOUBLE_ASSERT_TRAP("", append(fields, "a", large));
    DOUBLE_ASSERT_TRAP("trap: too many bytes of HTTP fields (limit is 131072)", append(fields, "b", ""));
}

Test(wasi_http_fields, that_are_received_get_lower_names_and_lose_those_of_the_connection)
{
    struct wasi_http_fields *fields = wasi_http_fields_new(worker);
    cr_assert_eq(wasi_http_fields_receive(worker, fields, text("X-Name"), bytes("V")), WASI_HTTP_RECEIVED);
    cr_assert_eq(wasi_http_fields_receive(worker, fields, text("Connection"), bytes("close")), WASI_HTTP_RECEIVED);
    cr_assert_eq(wasi_http_fields_receive(worker, fields, text("a b"), bytes("")), WASI_HTTP_RECEIVED_INVALID);
    static char large[GA_MAX_HTTP_FIELDS_BYTES];
    memset(large, 'v', sizeof large - 1);
    cr_assert_eq(wasi_http_fields_receive(worker, fields, text("a"), bytes(large)), WASI_HTTP_RECEIVED_TOO_LARGE);
    uint32_t rep = wasi_http_fields_resource(worker, fields);
    cr_assert_str_eq(entries(rep), "x-name=V ");
    wasi_http_fields_release(worker, fields);
    drop_fields(rep);
    assert_nothing_left();
}

/* --- a transport: notes what it is told --- */

static char told[512];

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(told + strlen(told), sizeof told - strlen(told), format, args);
    va_end(args);
}

static void on_respond(struct worker *unused, uint32_t sink, uint16_t status, const struct wasi_http_fields *headers,
                       bool sized, uint64_t size)
{
    (void)unused;
    tell("respond %u %u fields %u ", sink, status, headers->count);
    if (sized)
        tell("size %llu ", (unsigned long long)size);
}

static void on_refuse(struct worker *unused, uint32_t sink, const struct wasi_http_types_error_code *error)
{
    (void)unused;
    tell("refuse %u error %u ", sink, error->tag);
}

static enum wasi_stream_state on_write(struct worker *unused, uint32_t sink, const void *data, size_t size)
{
    (void)unused;
    tell("write %u %.*s ", sink, (int)size, (const char *)data);
    return WASI_STREAM_OK;
}

static void on_finish(struct worker *unused, uint32_t sink, const struct wasi_http_fields *trailers)
{
    (void)unused;
    tell("finish %u %u ", sink, trailers != NULL ? trailers->count : 0);
}

static void on_abort(struct worker *unused, uint32_t sink)
{
    (void)unused;
    tell("abort %u ", sink);
}

static void on_drop(struct worker *unused, uint32_t sink)
{
    (void)unused;
    tell("drop %u", sink);
}

static const struct wasi_http_sink_ops sink = {
    .respond = on_respond,
    .refuse = on_refuse,
    .write = on_write,
    .finish = on_finish,
    .abort = on_abort,
    .drop = on_drop,
};

/* --- bodies that the guest makes --- */

static uint32_t response_new(const char *length)
{
    uint32_t fields = wasi_http_types_fields_new(worker);
    if (length != NULL)
        append(fields, "content-length", length);
    return wasi_http_types_outgoing_response_new(worker, fields);
}

static uint32_t body_of(uint32_t response)
{
    struct result_handle_void result = {0};
    wasi_http_types_outgoing_response_body(worker, response, &result);
    cr_assert_eq(result.tag, 0);
    return result.value.ok;
}

static uint32_t stream_of(uint32_t body)
{
    struct result_handle_void result = {0};
    wasi_http_types_outgoing_body_write(worker, body, &result);
    cr_assert_eq(result.tag, 0);
    return result.value.ok;
}

/* The rep of the error; 0 if there is none. */
static uint32_t write_text(uint32_t stream, const char *data)
{
    struct result_void_wasi_io_streams_stream_error result = {0};
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, bytes(data), &result);
    return result.tag == 0 ? 0 : result.value.err.value.last_operation_failed;
}

static void drop_stream(uint32_t stream)
{
    drop(&wasi_io_streams_output_stream_type, stream);
}

static struct result_void_wasi_http_types_error_code finish(uint32_t body, struct option_handle trailers)
{
    struct result_void_wasi_http_types_error_code result = {0};
    wasi_http_types_outgoing_body_finish(worker, body, &trailers, &result);
    return result;
}

static void set(uint32_t response)
{
    uint32_t outparam = wasi_http_response_outparam_new(worker, &sink, 7);
    struct result_handle_wasi_http_types_error_code ok = {0, {response}};
    wasi_http_types_response_outparam_set(worker, outparam, &ok);
}

Test(wasi_http_outgoing, what_is_written_early_waits_for_the_transport)
{
    uint32_t response = response_new(NULL), body = body_of(response), stream = stream_of(body);
    cr_assert_eq(write_text(stream, "early"), 0);
    cr_assert_str_eq(told, "");
    set(response);
    cr_assert_eq(write_text(stream, "late"), 0);
    drop_stream(stream);
    uint32_t trailers = wasi_http_types_fields_new(worker);
    append(trailers, "a", "b");
    cr_assert_eq(finish(body, (struct option_handle){1, {trailers}}).tag, 0);
    cr_assert_str_eq(told, "respond 7 200 fields 0 write 7 early write 7 late finish 7 1 drop 7");
    assert_nothing_left();
}

Test(wasi_http_outgoing, a_body_that_was_finished_early_has_a_size)
{
    uint32_t response = response_new(NULL), body = body_of(response), stream = stream_of(body);
    write_text(stream, "all");
    drop_stream(stream);
    finish(body, (struct option_handle){0});
    set(response);
    cr_assert_str_eq(told, "respond 7 200 fields 0 size 3 write 7 all finish 7 0 drop 7");
    assert_nothing_left();
}

Test(wasi_http_outgoing, a_body_that_is_dropped_is_incomplete)
{
    uint32_t response = response_new(NULL), body = body_of(response);
    set(response);
    drop(&wasi_http_types_outgoing_body_type, body);
    cr_assert_str_eq(told, "respond 7 200 fields 0 abort 7 drop 7");
    assert_nothing_left();
}

Test(wasi_http_outgoing, a_message_without_a_body_is_finished_at_once)
{
    set(response_new(NULL));
    cr_assert_str_eq(told, "respond 7 200 fields 0 size 0 finish 7 0 drop 7");
    assert_nothing_left();
}

Test(wasi_http_outgoing, a_body_is_as_long_as_its_content_length)
{
    uint32_t response = response_new("5"), body = body_of(response), stream = stream_of(body);
    set(response);
    cr_assert_eq(write_text(stream, "123"), 0);
    uint32_t error = write_text(stream, "456");
    cr_assert_neq(error, 0);
    struct option_wasi_http_types_error_code code = {0};
    wasi_http_types_http_error_code(worker, error, &code);
    cr_assert_eq(code.tag, 1);
    cr_assert_eq(code.value.some.tag, WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE);
    drop_stream(stream);
    struct result_void_wasi_http_types_error_code result = finish(body, (struct option_handle){0});
    cr_assert_eq(result.tag, 1);
    cr_assert_eq(result.value.err.value.http_response_body_size.value.some, 6);
    cr_assert_str_eq(told, "respond 7 200 fields 1 size 5 write 7 123 abort 7 drop 7", "what is too much is not sent");
    drop(&wasi_io_error_error_type, error);
    assert_nothing_left();
}

Test(wasi_http_outgoing, body_and_stream_are_given_once)
{
    struct result_handle_void result = {0};
    uint32_t response = response_new(NULL), body = body_of(response), stream = stream_of(body);
    wasi_http_types_outgoing_response_body(worker, response, &result);
    cr_assert_eq(result.tag, 1);
    wasi_http_types_outgoing_body_write(worker, body, &result);
    cr_assert_eq(result.tag, 1);
    DOUBLE_ASSERT_TRAP("trap: a wasi:http/types.outgoing-body is dropped before what was made of it",
                       finish(body, (struct option_handle){0}));
    (void)stream;
}

Test(wasi_http_outgoing, two_content_lengths_are_no_length)
{
    struct result_handle_void result = {0};
    uint32_t fields = wasi_http_types_fields_new(worker);
    append(fields, "content-length", "1");
    append(fields, "Content-Length", "1");
    uint32_t request = wasi_http_types_outgoing_request_new(worker, fields);
    wasi_http_types_outgoing_request_body(worker, request, &result);
    cr_assert_eq(result.tag, 1);
}

Test(wasi_http_outgoing, a_message_that_is_never_sent_leaves_nothing)
{
    uint32_t response = response_new(NULL), body = body_of(response), stream = stream_of(body);
    write_text(stream, "early");
    drop(&wasi_http_types_outgoing_response_type, response);
    cr_assert_eq(write_text(stream, "late"), 0);
    drop_stream(stream);
    cr_assert_eq(finish(body, (struct option_handle){0}).tag, 0);
    assert_nothing_left();
}

Test(wasi_http_outgoing, a_body_takes_what_is_written_without_asking)
{
    struct result_void_wasi_io_streams_stream_error result = {0};
    uint32_t stream = stream_of(body_of(response_new(NULL)));
    DOUBLE_ASSERT_TRAP("", wasi_io_streams_output_stream_write(worker, stream, bytes("unasked"), &result));
    cr_assert_eq(result.tag, 0);
}

Test(wasi_http_outgoing, what_waits_has_a_limit)
{
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    uint32_t stream = stream_of(body_of(response_new(NULL)));
    for (int i = 0; i < 16; i++)
        DOUBLE_ASSERT_TRAP("", write_text(stream, large));
    DOUBLE_ASSERT_TRAP("trap: too many bytes of an HTTP body before its message is sent (limit is 16777216)",
                       write_text(stream, large));
}

Test(wasi_http_outgoing, an_outparam_answers_in_any_case)
{
    drop(&wasi_http_types_response_outparam_type, wasi_http_response_outparam_new(worker, &sink, 1));
    cr_assert_str_eq(told, "refuse 1 error 38 drop 1");
    told[0] = '\0';
    struct result_handle_wasi_http_types_error_code error = {.tag = 1};
    error.value.err = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED);
    wasi_http_types_response_outparam_set(worker, wasi_http_response_outparam_new(worker, &sink, 2), &error);
    cr_assert_str_eq(told, "refuse 2 error 36 drop 2");
    assert_nothing_left();
}

Test(wasi_http_outgoing, status_codes_are_final_ones)
{
    struct result_void_void result = {0};
    uint32_t response = response_new(NULL);
    for (uint16_t status = 0; status < 1100; status++) {
        wasi_http_types_outgoing_response_set_status_code(worker, response, status, &result);
        cr_assert_eq(result.tag == 0, status >= 200 && status <= 999, "%u", status);
    }
    cr_assert_eq(wasi_http_types_outgoing_response_status_code(worker, response), 999);
}

/* --- bodies that are received --- */

static enum wasi_stream_state on_read(struct worker *unused, struct wasi_input_stream *stream, void *buffer,
                                      size_t size, size_t *count_out, int *error_out)
{
    (void)unused;
    (void)error_out;
    *count_out = stream->offset == 0 ? 3 : 0;
    cr_assert(size >= 3);
    memcpy(buffer, "abc", *count_out);
    return stream->offset++ == 0 ? WASI_STREAM_OK : WASI_STREAM_CLOSED;
}

static const struct wasi_input_ops stream_ops = {.pollable = &wasi_pollable_always,
                                                 .read = on_read,
                                                 .error_kind = &wasi_http_error_kind};

static unsigned trailers_asked;

static bool on_trailers(struct worker *unused, uint32_t source, struct wasi_http_trailers *trailers_out)
{
    (void)unused;
    tell("trailers %u ", source);
    *trailers_out = (struct wasi_http_trailers){0};
    if (trailers_asked++ == 0)
        return false;
    trailers_out->fields = wasi_http_fields_new(worker);
    return true;
}

static const struct wasi_http_source_ops source = {.stream = &stream_ops,
                                                   .trailers = on_trailers,
                                                   .trailers_pollable = &wasi_pollable_always,
                                                   .drop = on_drop};

static uint32_t request_new(void)
{
    struct wasi_http_head head = {.headers = wasi_http_fields_new(worker)};
    struct option_string authority = {1, {text("a")}};
    wasi_http_text_set(worker, &head.authority, &authority);
    return wasi_http_incoming_request_new(worker, &head, &source, 5);
}

static uint32_t consume(uint32_t request)
{
    struct result_handle_void result = {0};
    wasi_http_types_incoming_request_consume(worker, request, &result);
    return result.tag == 0 ? result.value.ok : 0;
}

Test(wasi_http_incoming, a_body_is_read_then_its_trailers)
{
    struct result_handle_void stream = {0};
    struct result_list_wasi_io_streams_stream_error read = {0};
    struct option_result_result_option_handle_wasi_http_types_error_code_void trailers = {0};
    uint32_t request = request_new(), body = consume(request);
    cr_assert_eq(consume(request), 0, "only once");
    drop(&wasi_http_types_incoming_request_type, request);
    wasi_http_types_incoming_body_stream(worker, body, &stream);
    wasi_io_streams_input_stream_read(worker, stream.value.ok, 100, &read);
    cr_assert_eq(read.value.ok.count, 3);
    DOUBLE_ASSERT_TRAP("trap: a wasi:http/types.incoming-body is dropped before what was made of it",
                       wasi_http_types_incoming_body_finish(worker, body));
    told[0] = '\0';
    request = request_new();
    body = consume(request);
    uint32_t future = wasi_http_types_incoming_body_finish(worker, body);
    wasi_http_types_future_trailers_get(worker, future, &trailers);
    cr_assert_eq(trailers.tag, 0, "not there yet");
    wasi_http_types_future_trailers_get(worker, future, &trailers);
    cr_assert(trailers.tag == 1 && trailers.value.some.tag == 0 && trailers.value.some.value.ok.value.ok.tag == 1);
    drop_fields(trailers.value.some.value.ok.value.ok.value.some);
    wasi_http_types_future_trailers_get(worker, future, &trailers);
    cr_assert(trailers.tag == 1 && trailers.value.some.tag == 1, "only once");
    cr_assert_str_eq(told, "trailers 5 trailers 5 drop 5");
}

Test(wasi_http_incoming, the_source_is_dropped_once_by_whoever_has_it)
{
    uint32_t request = request_new();
    drop(&wasi_http_types_incoming_request_type, request);
    cr_assert_str_eq(told, "drop 5");
    assert_nothing_left();
    told[0] = '\0';
    request = request_new();
    uint32_t body = consume(request);
    drop(&wasi_http_types_incoming_request_type, request);
    cr_assert_str_eq(told, "");
    drop(&wasi_http_types_incoming_body_type, body);
    cr_assert_str_eq(told, "drop 5");
    assert_nothing_left();
}

/* --- syntax --- */

Test(wasi_http_head, authorities)
{
    static const char *const fine[] = {"a", "a.b-c:80", "127.0.0.1:65535", "[::1]", "[fe80::1]:8080", "%41"};
    static const char *const bad[] = {"",   ":80",  "a:", "a:65536", "a:1x",    "u@a", "a/b",      "a b",  "a?",
                                      "a#", "[::1", "[]", "[x]",     "[::1]80", "a\n", "\xc3\xa9", "a\\b", "[::1]:"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        cr_assert(wasi_http_is_authority(text(fine[i])), "%s", fine[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(wasi_http_is_authority(text(bad[i])), "%s", bad[i]);
}

Test(wasi_http_head, paths)
{
    static const char *const fine[] = {"", "/", "/a/../b?c=d&e", "?q", "*", "/%20"};
    static const char *const bad[] = {"a", "/a b", "/a#b", "/a\r\n", "/\x7f", "/\xc3\xa9", "**", "http://a/"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        cr_assert(wasi_http_is_path(text(fine[i])), "%s", fine[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(wasi_http_is_path(text(bad[i])), "%s", bad[i]);
}
