/* A library of one function that does things to files, through libc. */
#include <time.h>

#include "file_steps.h"
#include "guest.h"

#define API "demo:files/api@1.0.0"

static struct guest_string result;

static char *line_of(struct guest_string text)
{
    char *line = malloc(text.len + 1);
    if (line == NULL)
        abort();
    memcpy(line, text.ptr, text.len);
    line[text.len] = '\0';
    guest_string_free(text);
    return line;
}

static struct guest_string do_step(struct guest_string text)
{
    char *line = line_of(text);
    struct guest_string said = guest_format("%s", file_step(line));
    free(line);
    return said;
}

GUEST_EXPORT(API "#step") struct guest_string *step(char *line, size_t line_len)
{
    result = do_step(guest_string(line, line_len));
    return &result;
}

GUEST_POST(API "#step") void step_post(struct guest_string *said)
{
    guest_string_free(*said);
}

static struct {
    struct guest_string *items;
    size_t count;
} results;

GUEST_EXPORT(API "#steps") void *steps_export(struct guest_string *lines, size_t count, uint32_t calls)
{
    for (size_t i = 0; i < count; i++) {
        struct timespec now;
        lines[i] = do_step(lines[i]);
        for (uint32_t j = 0; j < calls; j++)
            clock_gettime(CLOCK_REALTIME, &now);
    }
    results.items = lines;
    results.count = count;
    return &results;
}

GUEST_POST(API "#steps") void steps_post(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < results.count; i++)
        guest_string_free(results.items[i]);
    if (results.count > 0)
        free(results.items);
}
