#ifndef STORE_WITNESS_H
#define STORE_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a worker's last commit was, in a file beside the database, DIR/workers/.../witness.
 *
 * SQLite ends its WAL at the first frame whose checksum does not fit, and a page whose header is damaged hides rows at
 * its end: both look like commits that never were. The witness tells of them. It is written behind each commit and
 * never synced: it costs one write to the page cache, survives the death of its process, and names only what was synced
 * before it. After a power loss it may be old or torn, and then says nothing.
 */
struct store_witness {
    uint64_t worker_id, last_index;
};

/* False if there is none, or none that is whole. */
bool store_witness_read(int fd, struct store_witness *out);

/* A failure leaves an older one, or none. */
void store_witness_write(int fd, const struct store_witness *witness);

/* For a history that is made shorter. False with errno: it must not be. */
bool store_witness_clear(int fd);

#endif
