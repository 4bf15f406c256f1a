#ifndef IO_CONTENT_H
#define IO_CONTENT_H

#include <stdint.h>

/* The contents of regular files, holes kept. All functions return 0 or a negative errno. */

/* Makes the bytes [begin, end) of `to` those of `from`. Where `from` has holes, `to` must have holes, zeros, or the same
 * bytes already. `end` may lie beyond the end of `from`. */
int io_content_copy(int from, int to, uint64_t begin, uint64_t end);

/* Makes `to`, an empty file, like `from`, which is size bytes long; shares the blocks where the file system can. */
int io_content_clone(int from, int to, uint64_t size);

/* A sum of the contents: the same for the same bytes, wherever there are holes. */
int io_content_sum(int fd, uint64_t *sum_out);

#endif
