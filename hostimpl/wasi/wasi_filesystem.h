#ifndef WASI_FILESYSTEM_H
#define WASI_FILESYSTEM_H

#include <sys/types.h>

#include "host_functions.h"

/* What the interfaces of wasi:filesystem share. */
struct wasi_descriptor {
    uint32_t file; /* rep of its wasi_file, one reference to which it holds */
};

/* Returns the rep of a new descriptor, which takes over the reference to the file. */
uint32_t wasi_descriptor_new(struct worker *worker, uint32_t file);

/* error-code of a (positive) errno. */
uint32_t wasi_error_code(int error);

/* status: of an operation on files, a negative errno or 0 and up. A recorded worker's operations are executed again in
 * replay, so what only the machine's state explains (a full disk) is not given to the guest: it does not return then. */
ssize_t wasi_file_status(struct worker *worker, ssize_t status);

#endif
