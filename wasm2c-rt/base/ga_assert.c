#include "ga_assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ga_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "golem-aot: internal error: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* then it is not said */
}

void ga_out_of_memory(const char *what)
{
    say("golem-aot: out of memory for ");
    say(what);
    say("\n");
    _exit(1);
}
