/* README.md of this folder, in C with wasi-libc; HTTP by the imports of wasi:http. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../guest.h"
#include "../http_client.h"

static const char *authority;

static uint32_t digest(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout); /* a line is a line also when this process ends here */
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void write_file(const char *path, const char *mode, const char *text)
{
    FILE *file = fopen(path, mode);
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        fail(path);
}

static char *read_file(const char *path, size_t *size_out)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path);
    *size_out = fread(text, 1, sizeof text - 1, file);
    text[*size_out] = '\0';
    fclose(file);
    return text;
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void do_clocks(void)
{
    uint64_t before = nanoseconds(CLOCK_MONOTONIC), wall = nanoseconds(CLOCK_REALTIME), after = nanoseconds(CLOCK_MONOTONIC);
    say("clock %s", after >= before && wall > 1704067200u * UINT64_C(1000000000) ? "steady" : "odd");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void do_files(void)
{
    char *names[16];
    size_t count = 0, size;
    struct stat about;
    if (mkdir("/errand", 0777) != 0)
        fail("/errand");
    write_file("/errand/a.txt", "w", "one");
    write_file("/errand/b.txt", "w", "b");
    write_file("/errand/a.txt", "a", "two");
    if (rename("/errand/b.txt", "/errand/c.txt") != 0)
        fail("/errand/b.txt");
    DIR *folder = opendir("/errand");
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL && count < 16;)
        if (entry->d_name[0] != '.')
            names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    printf("files");
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    say("");
    say("contents %s", read_file("/errand/a.txt", &size));
    bool gone = access("/errand/b.txt", F_OK) != 0;
    say("size %s", stat("/errand/a.txt", &about) == 0 && about.st_size == 6 && gone ? "6" : "odd");
}

/* The number behind "name": in JSON. */
static unsigned long number_of(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    return at ? strtoul(at + strlen(name) + 2, NULL, 10) : 0;
}

static void do_round(unsigned round)
{
    static uint8_t body[1000];
    char id[16];
    struct timespec pause = {0, 5000000};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i % 251);
    nanosleep(&pause, NULL);
    snprintf(id, sizeof id, "%u", round);
    struct http_exchange exchange = {.method = HTTP_POST, .authority = authority, .path = "/echo", .id = id, .body = body, .body_size = sizeof body};
    http_fetch(&exchange);
    if (exchange.error) {
        say("round %u error %s", round, exchange.error);
        return;
    }
    const char *json = (const char *)exchange.answer;
    char *line;
    if (asprintf(&line, "%lu %lu\n", number_of(json, "size"), number_of(json, "digest")) < 0)
        fail("asprintf");
    write_file("/errand/log", "a", line);
    line[strlen(line) - 1] = '\0';
    say("round %u %s", round, line);
    free(line);
    free(exchange.answer);
}

static void do_other_requests(void)
{
    struct http_exchange large = {.authority = authority, .path = "/bytes/1000000"};
    http_fetch(&large);
    if (large.error)
        say("large error %s", large.error);
    else
        say("large %zu %u", large.answer_size, digest(large.answer, large.answer_size));
    struct http_exchange missing = {.authority = authority, .path = "/nothing"};
    http_fetch(&missing);
    say("missing %u", missing.status);
    struct http_exchange refused = {.authority = "localhost:9", .path = "/"};
    http_fetch(&refused);
    say("refused%s", refused.error ? "" : " odd");
}

/* wasm-ld calls the constructors in every export of a command, also in cabi_realloc, where no host function may be called, unless
 * the program calls them. */
void __wasm_call_ctors(void);

int main(int argc, char **argv)
{
    size_t size = 0;
    __wasm_call_ctors();
    if (argc != 3) {
        fprintf(stderr, "usage: errand AUTHORITY ROUNDS\n");
        return 2;
    }
    authority = argv[1];
    say("greeting %s", getenv("GREETING") ? getenv("GREETING") : "");
    do_clocks();
    do_files();
    unsigned rounds = (unsigned)strtoul(argv[2], NULL, 10);
    for (unsigned i = 0; i < rounds; i++)
        do_round(i);
    do_other_requests();
    char *log = rounds ? read_file("/errand/log", &size) : "";
    say("log %zu %u", size, digest((uint8_t *)log, size));
    return 0;
}
