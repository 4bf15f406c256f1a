#ifndef IO_LOOKUP_H
#define IO_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The addresses of a name, by the system's resolver, in a thread for each lookup: nothing here waits. */
struct io_lookup;

enum { IO_LOOKUP_ADDRESSES = 64, /* of one name; more are left out */ IO_LOOKUP_THREADS = 64 /* at once */ };

struct io_lookup_address {
    bool ipv6;
    uint8_t bytes[16]; /* in network order; of IPv4, the first four */
};

/*
 * name: a domain name (UTF-8, sent as IDNA says) or the text of an address, an IPv6 one also in brackets.
 * Returns 0, or -EINVAL for what can be neither, or -ENOMEM, -EMFILE.
 */
int io_lookup_start(const char *name, size_t name_size, struct io_lookup **lookup_out);

/* Readable when it is over. */
int io_lookup_fd(const struct io_lookup *lookup);
bool io_lookup_is_over(const struct io_lookup *lookup);

/* Once it is over: 0, or one of EAI_* (netdb.h), EAI_AGAIN also if too many are under way. No IPv4 address is given as IPv6. */
int io_lookup_result(const struct io_lookup *lookup, const struct io_lookup_address **addresses_out, uint32_t *count_out);

/* Also while it is under way. */
void io_lookup_free(struct io_lookup *lookup);

#endif
