#ifndef WASI_FILESYSTEM_H
#define WASI_FILESYSTEM_H

#include "host_functions.h"

/* What the interfaces of wasi:filesystem share. */
struct wasi_descriptor {
    uint32_t file; /* rep of its wasi_file, one reference to which it holds */
};

/* Returns the rep of a new descriptor, which takes over the reference to the file. */
uint32_t wasi_descriptor_new(struct worker *worker, uint32_t file);

/* error-code of a (positive) errno. */
uint32_t wasi_error_code(int error);

#endif
