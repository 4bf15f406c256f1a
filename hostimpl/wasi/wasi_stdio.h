#ifndef WASI_STDIO_H
#define WASI_STDIO_H

#include "host_functions.h"

/*
 * Standard streams. An unrecorded command (`run`) has the process's own. What others print becomes Log entries; they
 * have no input and no terminals, because these would not be there again when they are replayed.
 */
bool wasi_stdio_is_own(struct worker *worker);

/* A new output stream. */
uint32_t wasi_stdio_output(struct worker *worker, enum worker_stream stream);

/* For get-terminal-*: a terminal for file descriptor fd, if it is one. */
void wasi_stdio_terminal(struct worker *worker, const struct host_resource_type *type, int fd,
                         struct option_handle *result_out);

#endif
