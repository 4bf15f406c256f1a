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
};

#endif
