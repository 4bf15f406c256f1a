/* GET /AUTHORITY/PATH: fetches http://AUTHORITY/PATH and answers with its status and body; 502 with the error if there is none. */
#define _GNU_SOURCE
#include "guest.h"
#include "http_client.h"

HTTP_TYPES("[method]incoming-request.path-with-query") void http_asked_path(uint32_t request, void *result);
HTTP_TYPES("[resource-drop]incoming-request") void http_asked_drop(uint32_t request);
HTTP_TYPES("[constructor]outgoing-response") uint32_t http_answer_new(uint32_t headers);
HTTP_TYPES("[method]outgoing-response.set-status-code") uint32_t http_answer_set_status(uint32_t response, uint32_t status);
HTTP_TYPES("[method]outgoing-response.body") void http_answer_body(uint32_t response, void *result);
HTTP_TYPES("[static]response-outparam.set")
void http_outparam_set(uint32_t outparam, uint32_t tag, uint32_t value, uint32_t p1, uint64_t p2, uint32_t p3, uint32_t p4,
                       uint32_t p5, uint32_t p6);

static void answer(uint32_t outparam, uint32_t status, const void *bytes, size_t size)
{
    struct http_area result;
    uint32_t response = http_answer_new(http_fields_new());
    http_answer_set_status(response, status);
    http_answer_body(response, &result);
    uint32_t body = http_word(&result, 4);
    http_outparam_set(outparam, 0, response, 0, 0, 0, 0, 0, 0);
    http_send_body(body, bytes, size);
}

GUEST_EXPORT("wasi:http/incoming-handler@0.2.12#handle") void handle(uint32_t request, uint32_t outparam)
{
    struct http_area path;
    http_asked_path(request, &path);
    http_asked_drop(request);
    char *text = strndup((char *)http_word(&path, 4), http_word(&path, 8)), *rest = strchr(text + 1, '/');
    char *authority = strndup(text + 1, rest ? (size_t)(rest - text - 1) : strlen(text + 1));
    struct http_exchange exchange = {.method = HTTP_GET, .authority = authority, .path = rest ? rest : "/"};
    http_fetch(&exchange);
    if (exchange.error)
        answer(outparam, 502, exchange.error, strlen(exchange.error));
    else
        answer(outparam, exchange.status, exchange.answer, exchange.answer_size);
}
