#ifndef IO_RANDOM_H
#define IO_RANDOM_H

#include <stddef.h>

/* From the kernel's generator. */
void io_random_bytes(void *out, size_t size);

#endif
