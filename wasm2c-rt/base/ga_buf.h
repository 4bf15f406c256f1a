#ifndef GA_BUF_H
#define GA_BUF_H

#include <stddef.h>
#include <stdint.h>

/* A growable byte buffer on the heap, for text and binary output. Zero-initialise; ga_buf_free at the end.
 * Out of memory ends the process with a message (status 70). */
struct ga_buf {
    uint8_t *data;
    size_t size, capacity;
};

void ga_buf_reserve(struct ga_buf *buf, size_t more); /* room for `more` bytes behind size */
void ga_buf_append(struct ga_buf *buf, const void *data, size_t size);
void ga_buf_text(struct ga_buf *buf, const char *text);
__attribute__((format(printf, 2, 3))) void ga_buf_printf(struct ga_buf *buf, const char *format, ...);
void ga_buf_u8(struct ga_buf *buf, uint8_t value);
void ga_buf_leb_u(struct ga_buf *buf, uint64_t value); /* unsigned LEB128 */
void ga_buf_leb_s(struct ga_buf *buf, int64_t value);  /* signed LEB128 */
void ga_buf_le(struct ga_buf *buf, uint64_t value, unsigned size_bytes); /* little endian, 1 to 8 bytes */
const char *ga_buf_cstr(struct ga_buf *buf); /* the contents with a NUL behind; valid until the next change */
void ga_buf_free(struct ga_buf *buf);

/* Reading with a sticky error: after a failure every read gives 0 and `failed` stays set. */
struct ga_reader {
    const uint8_t *start, *at, *end;
    _Bool failed;
};

uint8_t ga_read_u8(struct ga_reader *reader);
uint64_t ga_read_leb_u(struct ga_reader *reader, unsigned bits); /* fails on overlong or too large */
int64_t ga_read_leb_s(struct ga_reader *reader, unsigned bits);
uint64_t ga_read_le(struct ga_reader *reader, unsigned size_bytes);
const uint8_t *ga_read_bytes(struct ga_reader *reader, size_t size); /* NULL on failure */

#endif
