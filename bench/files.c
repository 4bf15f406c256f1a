/* What files cost: the same calls by a native program and by a guest. Prints the nanoseconds of each piece of work: a block, or
 * a small file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[65536];

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void must(int good)
{
    if (good)
        return;
    perror("files");
    exit(1);
}

static void say(const char *name, double begun_ns, long count)
{
    printf("%s %.1f\n", name, (now_ns() - begun_ns) / (double)count);
}

static void sequential(const char *name, size_t size, long count)
{
    char label[32];
    int fd = open("sequential", O_CREAT | O_TRUNC | O_RDWR, 0644);
    must(fd >= 0);
    for (long i = 0; i < count; i++) /* so that the blocks are there: what is measured is no allocation of the disk's */
        must(write(fd, block, size) == (ssize_t)size);
    must(lseek(fd, 0, SEEK_SET) == 0);
    double begun = now_ns();
    for (long i = 0; i < count; i++)
        must(write(fd, block, size) == (ssize_t)size);
    snprintf(label, sizeof label, "write-%s", name);
    say(label, begun, count);
    must(lseek(fd, 0, SEEK_SET) == 0);
    begun = now_ns();
    for (long i = 0; i < count; i++)
        must(read(fd, block, size) == (ssize_t)size);
    snprintf(label, sizeof label, "read-%s", name);
    say(label, begun, count);
    must(close(fd) == 0 && unlink("sequential") == 0);
}

/* Each made, written, closed; looked at; opened and read; removed. */
static void small_files(long count)
{
    char name[32];
    struct stat stat_out;
    double begun = now_ns();
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "small-%ld", i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        must(fd >= 0 && write(fd, block, 300) == 300 && close(fd) == 0);
    }
    say("make-small", begun, count);
    begun = now_ns();
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "small-%ld", i);
        must(stat(name, &stat_out) == 0 && stat_out.st_size == 300);
        int fd = open(name, O_RDONLY);
        must(fd >= 0 && read(fd, block, sizeof block) == 300 && close(fd) == 0);
    }
    say("read-small", begun, count);
    begun = now_ns();
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "small-%ld", i);
        must(unlink(name) == 0);
    }
    say("remove-small", begun, count);
}

int main(int argc, char **argv)
{
    long scale = argc > 1 ? atol(argv[1]) : 1;
    memset(block, 'x', sizeof block);
    sequential("64k", 65536, 20 * scale);
    sequential("4k", 4096, 100 * scale);
    small_files(20 * scale);
    return 0;
}
