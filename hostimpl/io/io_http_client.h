#ifndef IO_HTTP_CLIENT_H
#define IO_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An HTTP client: exchanges (a request and its response) under way at the same time, over libcurl, which is loaded when the first
 * one begins. Nothing happens in the background but the kernel's buffers: whoever waits polls io_http_fd, and io_http_run does
 * what there is to do. One thread only.
 *
 * HTTP/1.1, and HTTP/2 where a TLS server chooses it. Connections are kept and used again; a request that others may
 * notice twice is never sent a second time by itself. No redirects, cookies, credentials, caches, decompression, and no
 * proxies: http_proxy and the like are not looked at. Certificates are checked against the system's authorities, or those of
 * the process's SSL_CERT_FILE, else CURL_CA_BUNDLE (a file), and SSL_CERT_DIR.
 */

/* Why an exchange failed. */
enum io_http_error {
    IO_HTTP_OK,
    IO_HTTP_DNS_ERROR,
    IO_HTTP_UNAVAILABLE, /* no connection, for reasons that no other value has */
    IO_HTTP_UNROUTABLE,
    IO_HTTP_REFUSED,
    IO_HTTP_TERMINATED, /* the connection, before the response was there */
    IO_HTTP_CONNECT_TIMEOUT,
    IO_HTTP_READ_TIMEOUT, /* to the first byte, or between two */
    IO_HTTP_TLS_PROTOCOL,
    IO_HTTP_TLS_CERTIFICATE,
    IO_HTTP_TLS_ALERT,
    IO_HTTP_URI_INVALID,
    IO_HTTP_RESPONSE_INCOMPLETE,
    IO_HTTP_HEADERS_TOO_LARGE,
    IO_HTTP_TRAILERS_TOO_LARGE,
    IO_HTTP_TRANSFER_CODING, /* of the response: none that is known */
    IO_HTTP_PROTOCOL,
    IO_HTTP_CONFIGURATION,
    IO_HTTP_INTERNAL
};

struct io_http_failure {
    enum io_http_error error;
    uint8_t tls_alert; /* of IO_HTTP_TLS_ALERT */
    const char *text;  /* for people; lives as long as the exchange */
};

/* A field of a header or trailer section; neither text is NUL terminated. */
struct io_http_field {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Methods, targets and fields are sent as they are: the caller has checked their syntax. */
struct io_http_request {
    const char *method;                 /* "GET" */
    const char *scheme;                 /* "http" or "https" */
    const char *authority;              /* "example.org:8080" */
    const char *target;                 /* "/path?query", "*" */
    const struct io_http_field *fields; /* without content-length, host and those of a connection */
    size_t field_count;
    bool body;
    int64_t body_size; /* -1: not known */
    uint64_t connect_timeout_ns, first_byte_timeout_ns, between_bytes_timeout_ns;
};

struct io_http_exchange;

/* Begins; everything of the request is copied. Always gives an exchange, which may have failed. */
struct io_http_exchange *io_http_start(const struct io_http_request *request);

/* Ends it, wherever it is: a request that was not answered is cancelled. */
void io_http_free(struct io_http_exchange *exchange);

/* Readable (POLLIN) when io_http_run has something to do. Valid from the first io_http_start on. */
int io_http_fd(void);
void io_http_run(void);  /* does not wait */
void io_http_wait(void); /* waits for something to do, and does it; interruptions return too */

/* --- the request's body; ignored where the request has none, or was answered or cut off --- */

/* Bytes that wait to be sent. */
size_t io_http_unsent(const struct io_http_exchange *exchange);
/* Takes all of it, however much it is. */
void io_http_write(struct io_http_exchange *exchange, const void *data, size_t size);
/* The body is complete. Trailers are sent with HTTP/1.1 and without a known size; libcurl has none for HTTP/2. */
void io_http_finish(struct io_http_exchange *exchange, const struct io_http_field *trailers, size_t count);
/* The body stays incomplete: the exchange fails, unless it was answered already. */
void io_http_abort(struct io_http_exchange *exchange);
/* Nobody takes more of the body: all was sent, or the exchange is over. */
bool io_http_upload_over(const struct io_http_exchange *exchange);

/* --- the response; of its body at most IO_HTTP_BUFFER_BYTES are kept, the rest stays with the server --- */

enum { IO_HTTP_BUFFER_BYTES = 1 << 18 };

/* 0 until its headers are there. Then the fields, in order, names in lower case as HTTP/2 has them;
 * valid as long as the exchange. */
unsigned io_http_status(const struct io_http_exchange *exchange);
const struct io_http_field *io_http_fields(const struct io_http_exchange *exchange, size_t *count_out);

/* What is there of the body, up to size. */
size_t io_http_read(struct io_http_exchange *exchange, void *buffer, size_t size);
/* Bytes that io_http_read would give. */
size_t io_http_readable(const struct io_http_exchange *exchange);
/* The transfer is over, well or not; bytes may still be readable. */
bool io_http_over(const struct io_http_exchange *exchange);
/* error is IO_HTTP_OK while nothing has gone wrong. */
struct io_http_failure io_http_failure(const struct io_http_exchange *exchange);
/* Complete when io_http_over. */
const struct io_http_field *io_http_trailers(const struct io_http_exchange *exchange, size_t *count_out);

#endif
