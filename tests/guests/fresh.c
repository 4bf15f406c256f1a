/* Answers when it was instantiated, and how often it was asked since. */
#include "http_server.h"

static uint64_t started;
static unsigned requests;

__attribute__((constructor)) static void start(void)
{
    started = clock_now();
}

GUEST_EXPORT("wasi:http/incoming-handler@0.2.12#handle") void handle(uint32_t request, uint32_t outparam)
{
    struct http_reply reply = {0};
    struct guest_string text = guest_format("%llu %u\n", (unsigned long long)started, ++requests);
    (void)request;
    http_reply_begin(&reply, outparam, 200);
    http_reply_write(&reply, text.ptr, text.len);
    http_reply_end(&reply, 0);
}
