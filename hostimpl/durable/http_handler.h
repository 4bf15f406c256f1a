#ifndef DURABLE_HTTP_HANDLER_H
#define DURABLE_HTTP_HANDLER_H

#include "worker.h"

/*
 * What a component that exports wasi:http/incoming-handler is more than others: golem_component.http_handler, NULL for those.
 * hostimpl/serve has it.
 */
struct exe_options;

struct rt_http_handler {
    int (*serve)(struct exe_options *options, int count, char **words); /* the verb */
    const struct rt_export *(*handle)(void);                            /* wasi:http/incoming-handler's */

    /* Golem's virtual export golem:http/incoming-handler.{handle}: type and names; `call` is NULL. Invoking it is this: */
    const struct rt_export *(*virtual_export)(void);
    /* of a value of its parameter, before it is recorded: GA_INVALID if it is no request */
    enum ga_status (*check)(const void *request, struct ga_report *report);
    /* the parameters of handle, and what collects its response; runs gated */
    void (*make)(struct worker *worker, const void *request, uint32_t params[2], uint32_t *response_out);
    /* its response as a value, in the arena, when handle has returned; false: there is none (trap_note) */
    bool (*take)(struct worker *worker, uint32_t response, struct ga_arena *arena, void *value);
};

#endif
