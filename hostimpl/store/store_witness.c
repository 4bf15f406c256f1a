#include "store_witness.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "ga_hash.h"

/* The file's bytes; the numbers in the machine's own order. */
struct image {
    char magic[8];
    struct store_witness witness;
    uint64_t check; /* ga_hash64 of all before it */
};

static const char MAGIC[8] = {'W', 'I', 'T', 'N', 'E', 'S', 'S', '1'};

static uint64_t check_of(const struct image *image)
{
    return ga_hash64(image, offsetof(struct image, check), 0);
}

bool store_witness_read(int fd, struct store_witness *out)
{
    struct image image;
    if (pread(fd, &image, sizeof image, 0) != (ssize_t)sizeof image ||
        memcmp(image.magic, MAGIC, sizeof MAGIC) != 0 || image.check != check_of(&image))
        return false;
    *out = image.witness;
    return true;
}

void store_witness_write(int fd, const struct store_witness *witness)
{
    struct image image = {.witness = *witness};
    memcpy(image.magic, MAGIC, sizeof MAGIC);
    image.check = check_of(&image);
    if (pwrite(fd, &image, sizeof image, 0) != (ssize_t)sizeof image)
        return; /* the disk is full: the next one may fit */
}

bool store_witness_clear(int fd)
{
    return ftruncate(fd, 0) == 0;
}
