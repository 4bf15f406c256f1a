#ifndef WASI_HTTP_H
#define WASI_HTTP_H

#include "wasi_io.h"

/*
 * HTTP messages as the interfaces that send or receive them share them. A transport (the client behind outgoing-handler, the
 * server before an incoming-handler) plugs in at two places:
 *
 *   source   where the body of a received message comes from: an input stream's operations, and what comes behind its end
 *            (struct wasi_http_source_ops). It hangs on the incoming-request or incoming-response, goes to the
 *            incoming-body with `consume`, and to the future-trailers with `finish`; whoever has it last drops it.
 *   sink     where a message that the guest makes goes to (struct wasi_http_sink_ops). What the guest writes before the
 *            message is handed over (`handle`, `response-outparam.set`) waits in the region; then the sink is bound, gets what
 *            waited, and all that follows.
 *
 * Both are named by a table of operations and a rep, which may be of any host resource of the transport's (or a number that
 * only it understands). Records here are in the region, so whatever is put into them must be the same live and in
 * replay; what a transport knows only while it is live stays in its live parts.
 */

/* --- fields (wasi_http_fields.c) --- */

/* A list of names and values in the region, in order, names as they were given. Shared by those who keep it. */
struct wasi_http_field {
    char *data; /* the name, and behind it the value */
    uint32_t name_size, value_size;
};

struct wasi_http_fields {
    uint32_t references, count, capacity;
    uint32_t size_bytes; /* as GA_MAX_HTTP_FIELDS_BYTES counts */
    struct wasi_http_field *items;
};

struct wasi_http_fields *wasi_http_fields_new(struct worker *worker); /* with one reference */
struct wasi_http_fields *wasi_http_fields_keep(struct wasi_http_fields *fields);
void wasi_http_fields_release(struct worker *worker, struct wasi_http_fields *fields); /* may be NULL */

struct cabi_string wasi_http_field_name(const struct wasi_http_field *field);
struct cabi_list wasi_http_field_value(const struct wasi_http_field *field); /* list<u8> */
/* The first of that name at or behind index *at (advanced to it), in any case; NULL if there is none. */
const struct wasi_http_field *wasi_http_fields_find(const struct wasi_http_fields *fields, const char *name,
                                                    uint32_t *at);

/* list<tuple<field-name, field-value>>: in scratch memory, but for the texts, which are the list's. */
struct cabi_list wasi_http_fields_entries(struct worker *worker, const struct wasi_http_fields *fields);

/* RFC 9110, 5.1 and 5.5; and names that only a transport may use (connection, transfer-encoding, host, ...). */
enum wasi_http_field_check { WASI_HTTP_FIELD_FINE, WASI_HTTP_FIELD_INVALID, WASI_HTTP_FIELD_FORBIDDEN };
enum wasi_http_field_check wasi_http_field_check(struct cabi_string name, struct cabi_list value);
bool wasi_http_is_token(struct cabi_string text);

/* Adds one that was checked. Traps when the list becomes too large: the guest made it. */
void wasi_http_fields_append(struct worker *worker, struct wasi_http_fields *fields, struct cabi_string name,
                             struct cabi_list value);

/* Adds one that was received: its name in lower case (as HTTP/2 has them), unless it is forbidden. */
enum wasi_http_received { WASI_HTTP_RECEIVED, WASI_HTTP_RECEIVED_INVALID, WASI_HTTP_RECEIVED_TOO_LARGE };
enum wasi_http_received wasi_http_fields_receive(struct worker *worker, struct wasi_http_fields *fields,
                                                 struct cabi_string name, struct cabi_list value);

/* A `fields` resource that shares the list and cannot be changed. */
uint32_t wasi_http_fields_resource(struct worker *worker, struct wasi_http_fields *fields);
/* Takes a `fields` resource from the guest: drops it and returns its list, with a reference for the caller. */
struct wasi_http_fields *wasi_http_fields_take(struct worker *worker, uint32_t rep);

/* What content-length says. False: it is none, or there are several that differ (*valid_out). */
bool wasi_http_content_length(const struct wasi_http_fields *fields, uint64_t *size_out, bool *valid_out);

/* --- errors (wasi_http_error.c) --- */

/* Codes are case numbers of error-code: what http-error-code answers for. */
extern const struct wasi_error_kind wasi_http_error_kind;

/* The error-code of that case number with an empty payload. */
struct wasi_http_types_error_code wasi_http_error(uint32_t number);

/* --- the head of a request (wasi_http_head.c) --- */

/* In region memory; data NULL: there is none. */
struct wasi_http_text {
    char *data;
    size_t size;
};

void wasi_http_text_set(struct worker *worker, struct wasi_http_text *text, const struct option_string *value);
struct option_string wasi_http_text_option(const struct wasi_http_text *text);

struct wasi_http_head {
    uint32_t method, scheme;                        /* case numbers; of the scheme: plus 1, 0 if there is none */
    struct wasi_http_text method_text, scheme_text; /* of case `other` */
    struct wasi_http_text authority, path;
    struct wasi_http_fields *headers;
};

/* As on the wire; what is none of the cases is `other`, and points to the text. */
struct wasi_http_types_method wasi_http_method(struct cabi_string text);
void wasi_http_head_set_method(struct worker *worker, struct wasi_http_head *head,
                               const struct wasi_http_types_method *method);
void wasi_http_head_set_scheme(struct worker *worker, struct wasi_http_head *head,
                               const struct option_wasi_http_types_scheme *scheme);
struct wasi_http_types_method wasi_http_head_method(const struct wasi_http_head *head);
struct option_wasi_http_types_scheme wasi_http_head_scheme(const struct wasi_http_head *head);
/* As on the wire: "GET", "https"; a scheme that is none is https. */
struct cabi_string wasi_http_head_method_text(const struct wasi_http_head *head);
struct cabi_string wasi_http_head_scheme_text(const struct wasi_http_head *head);
void wasi_http_head_free(struct worker *worker, struct wasi_http_head *head);

/* RFC 9110, 4.2; RFC 3986. An authority has no user information, a path no fragment. */
bool wasi_http_is_scheme(struct cabi_string text);
bool wasi_http_is_authority(struct cabi_string text);
bool wasi_http_is_path(struct cabi_string text);

/* --- received messages (wasi_http_incoming.c) --- */

/* What future-trailers.get gives; no error and no fields: there are no trailers. */
struct wasi_http_trailers {
    bool failed;
    struct wasi_http_types_error_code error;
    struct wasi_http_fields *fields; /* a reference for the caller */
};

struct wasi_http_source_ops {
    /* The body's stream; its `source` is the source's rep, its errors are of wasi_http_error_kind. The stream is
     * dropped before the body is. At the body's end it says CLOSED. */
    const struct wasi_input_ops *stream;
    /* What comes behind the body; what was not read of it is skipped. False: not there yet. Asked until it is true. */
    bool (*trailers)(struct worker *worker, uint32_t source, struct wasi_http_trailers *trailers_out);
    const struct wasi_pollable_ops *trailers_pollable; /* its subject is a future-trailers: wasi_http_trailers_source */
    void (*finished)(struct worker *worker, uint32_t source); /* `finish`: the trailers have it now. May be NULL */
    void (*drop)(struct worker *worker, uint32_t source);     /* nobody will ask for it again. May be NULL */
};

/* A body that is empty, without trailers. */
extern const struct wasi_http_source_ops wasi_http_source_empty;

/* The source behind a future-trailers; 0 when its trailers were given. */
uint32_t wasi_http_trailers_source(struct worker *worker, uint32_t future_trailers);

/* head is copied; its headers become the request's (a reference is taken over). Returns the rep. */
uint32_t wasi_http_incoming_request_new(struct worker *worker, const struct wasi_http_head *head,
                                        const struct wasi_http_source_ops *ops, uint32_t source);
uint32_t wasi_http_incoming_response_new(struct worker *worker, uint16_t status, struct wasi_http_fields *headers,
                                         const struct wasi_http_source_ops *ops, uint32_t source);

/* What a future-incoming-response is made of; only outgoing-handler makes one. */
struct wasi_http_future_ops {
    /* The response, or why there is none; false: not there yet. Asked until it is true. */
    bool (*get)(struct worker *worker, uint32_t exchange, struct result_handle_wasi_http_types_error_code *result_out);
    const struct wasi_pollable_ops *pollable;               /* its subject is the future: wasi_http_future_exchange */
    void (*drop)(struct worker *worker, uint32_t exchange); /* only if no response came of it */
};
uint32_t wasi_http_future_new(struct worker *worker, const struct wasi_http_future_ops *ops, uint32_t exchange);
/* What was given to wasi_http_future_new; 0 when a response came of it. */
uint32_t wasi_http_future_exchange(struct worker *worker, uint32_t future);

/* --- messages that the guest makes (wasi_http_outgoing.c) --- */

/*
 * A sink sees, in this order: `respond` (or `refuse`, and nothing else), if it is an outparam's; `write`, any number of times;
 * `finish` or `abort`, once; `drop`. There is always an end: a body that the guest drops is aborted, a message
 * without a body is finished at once.
 */
struct wasi_http_sink_ops {
    /* Of a response-outparam; the client has none. sized: size is how long the body will be. */
    void (*respond)(struct worker *worker, uint32_t sink, uint16_t status, const struct wasi_http_fields *headers,
                    bool sized, uint64_t size);
    void (*refuse)(struct worker *worker, uint32_t sink, const struct wasi_http_types_error_code *error);
    /* Takes all of it, and waits for room if it must. CLOSED: nobody wants it any more. */
    enum wasi_stream_state (*write)(struct worker *worker, uint32_t sink, const void *data, size_t size);
    /* How many bytes write takes without waiting. It must be the same in replay as live: for a recorded worker a constant, not
     * 0. NULL: any number. */
    uint64_t (*permit)(struct worker *worker, uint32_t sink);
    /* For pollables (wasi_pollable_ops): whether permit is more than 0. NULL: always. */
    bool (*ready)(struct worker *worker, uint32_t sink);
    int (*wait)(struct worker *worker, uint32_t sink, short *events_out);
    void (*finish)(struct worker *worker, uint32_t sink, const struct wasi_http_fields *trailers); /* NULL: none */
    void (*abort)(struct worker *worker, uint32_t sink); /* the body stays incomplete */
    void (*drop)(struct worker *worker, uint32_t sink);  /* may be NULL */
};

/* The outparam of an incoming-handler. Dropped without `set`, it refuses with internal-error. Returns the rep. */
uint32_t wasi_http_response_outparam_new(struct worker *worker, const struct wasi_http_sink_ops *ops, uint32_t sink);

/* Takes an outgoing-request from the guest: drops the resource and gives its parts; *body_out: 0 if it has none. */
void wasi_http_outgoing_request_take(struct worker *worker, uint32_t rep, struct wasi_http_head *head_out,
                                     uint32_t *body_out);

/* A body that the guest makes, by the rep that wasi_http_outgoing_request_take gave. */
/* True: its size is known. It has a content-length, or was finished before it was bound and without trailers. */
bool wasi_http_body_size(struct worker *worker, uint32_t body, uint64_t *size_out);
/* Gives it the sink, and the reference back. */
void wasi_http_body_bind(struct worker *worker, uint32_t body, const struct wasi_http_sink_ops *ops, uint32_t sink);
/* Nobody will bind it: what is written goes nowhere. Gives the reference back. */
void wasi_http_body_discard(struct worker *worker, uint32_t body);

struct wasi_http_options {
    struct option_u64 connect_timeout, first_byte_timeout, between_bytes_timeout; /* nanoseconds */
};

/* A copy of a request-options. */
struct wasi_http_options wasi_http_options_get(struct worker *worker, uint32_t rep);

#endif
