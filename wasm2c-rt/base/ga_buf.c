#include "ga_buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ga_assert.h"

void ga_buf_reserve(struct ga_buf *buf, size_t more)
{
    if (buf->capacity - buf->size >= more)
        return;
    size_t capacity = buf->capacity ? buf->capacity * 2 : 256;
    if (capacity < buf->size + more)
        capacity = buf->size + more;
    buf->data = realloc(buf->data, capacity);
    if (!buf->data)
        ga_out_of_memory("a buffer");
    buf->capacity = capacity;
}

void ga_buf_append(struct ga_buf *buf, const void *data, size_t size)
{
    if (!size)
        return;
    ga_buf_reserve(buf, size);
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
}

void ga_buf_text(struct ga_buf *buf, const char *text)
{
    ga_buf_append(buf, text, strlen(text));
}

void ga_buf_printf(struct ga_buf *buf, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    GA_ASSERT(size >= 0);
    ga_buf_reserve(buf, (size_t)size + 1);
    vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, again);
    buf->size += (size_t)size;
    va_end(again);
    va_end(arguments);
}

void ga_buf_u8(struct ga_buf *buf, uint8_t value)
{
    ga_buf_append(buf, &value, 1);
}

void ga_buf_leb_u(struct ga_buf *buf, uint64_t value)
{
    ga_buf_reserve(buf, 10);
    while (value >= 0x80) {
        buf->data[buf->size++] = (uint8_t)value | 0x80;
        value >>= 7;
    }
    buf->data[buf->size++] = (uint8_t)value;
}

void ga_buf_leb_s(struct ga_buf *buf, int64_t value)
{
    for (;;) {
        uint8_t byte = value & 0x7f;
        value >>= 7;
        if ((value == 0 && !(byte & 0x40)) || (value == -1 && (byte & 0x40))) {
            ga_buf_u8(buf, byte);
            return;
        }
        ga_buf_u8(buf, byte | 0x80);
    }
}

void ga_buf_le(struct ga_buf *buf, uint64_t value, unsigned size_bytes)
{
    ga_buf_reserve(buf, 8);
    for (unsigned i = 0; i < size_bytes; i++)
        buf->data[buf->size++] = (uint8_t)(value >> (8 * i));
}

const char *ga_buf_cstr(struct ga_buf *buf)
{
    ga_buf_reserve(buf, 1);
    buf->data[buf->size] = 0;
    return (const char *)buf->data;
}

void ga_buf_free(struct ga_buf *buf)
{
    free(buf->data);
    *buf = (struct ga_buf){0};
}

uint8_t ga_read_u8(struct ga_reader *reader)
{
    if (reader->failed || reader->at == reader->end) {
        reader->failed = true;
        return 0;
    }
    return *reader->at++;
}

uint64_t ga_read_leb_u(struct ga_reader *reader, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = ga_read_u8(reader);
        unsigned left = bits - shift;
        if (left < 7 && (byte & 0x7f) >> left)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return reader->failed ? 0 : value;
    }
    reader->failed = true;
    return 0;
}

int64_t ga_read_leb_s(struct ga_reader *reader, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = ga_read_u8(reader);
        unsigned left = bits - shift;
        if (left < 7) { /* the unused bits repeat the sign */
            int8_t rest = (int8_t)(byte << 1) >> left; /* bit `left - 1` and up of the 7 */
            if (rest != 0 && rest != -1)
                break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (shift + 7 < 64 && (byte & 0x40))
                value |= ~(uint64_t)0 << (shift + 7);
            return reader->failed ? 0 : (int64_t)value;
        }
    }
    reader->failed = true;
    return 0;
}

uint64_t ga_read_le(struct ga_reader *reader, unsigned size_bytes)
{
    const uint8_t *bytes = ga_read_bytes(reader, size_bytes);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < size_bytes; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

const uint8_t *ga_read_bytes(struct ga_reader *reader, size_t size)
{
    if (reader->failed || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}
