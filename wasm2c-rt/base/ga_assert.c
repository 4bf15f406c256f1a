#include "ga_assert.h"

#include <stdio.h>
#include <stdlib.h>

void ga_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "golem-aot: internal error: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
