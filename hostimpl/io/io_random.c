#include "io_random.h"

#include <errno.h>
#include <sys/random.h>

#include "ga_assert.h"

void io_random_bytes(void *out, size_t size)
{
    for (char *at = out; size > 0;) {
        ssize_t got = getrandom(at, size, 0);
        GA_ASSERT(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}
