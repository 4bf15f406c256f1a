/*
 * A preloaded library that takes the power away from a program: LD_PRELOAD=powerloss.so PROGRAM.
 *
 *   POWERLOSS_DIR    only files below this folder are watched (required)
 *   POWERLOSS_AT     the power fails at the n-th fsync or fdatasync of a watched file, before it takes effect;
 *                    0 or absent: never
 *   POWERLOSS_MODE   what becomes of bytes written since the last sync of their file:
 *                    drop    none of them arrived
 *                    keep    all of them arrived (the sync itself did not return)
 *                    torn    each sector of 512 bytes arrived or did not, by chance
 *                    garble  as torn, and sectors that did not arrive hold noise instead of what was there
 *   POWERLOSS_SEED   for the chance
 *   POWERLOSS_COUNT  a file that gets the number of syncs seen, when the program ends by itself
 *
 * How: every write first saves what it replaces (an undo record). A sync of a file forgets that file's records. When the power fails,
 * the records are undone, newest first, and the process kills itself with SIGKILL. Names of files (creation, rename, unlink) are
 * taken as durable at once. Only for programs whose writes come from one thread at a time.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512 };

struct undo {
    struct undo *older;
    dev_t device;
    ino_t inode;
    int fd;          /* a duplicate, for writing the old bytes back */
    off_t old_size;
    off_t offset;
    size_t size;     /* bytes replaced, or beyond old_size */
    size_t old_bytes; /* how many of them were there before */
    uint8_t data[];
};

enum mode { MODE_DROP, MODE_KEEP, MODE_TORN, MODE_GARBLE };

static struct {
    bool ready, undoing;
    char folder[PATH_MAX];
    size_t folder_size;
    long fail_at, syncs;
    enum mode mode;
    uint64_t random;
    const char *count_file;
    struct undo *newest;
    pthread_mutex_t lock;
} power = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

static uint64_t chance(void)
{
    power.random ^= power.random << 13;
    power.random ^= power.random >> 7;
    power.random ^= power.random << 17;
    return power.random;
}

static void write_count(void)
{
    FILE *file = power.count_file ? fopen(power.count_file, "w") : NULL;
    if (file) {
        fprintf(file, "%ld\n", power.syncs);
        fclose(file);
    }
}

static void start(void)
{
    if (power.ready)
        return;
    power.ready = true;
    const char *folder = getenv("POWERLOSS_DIR"), *at = getenv("POWERLOSS_AT"), *mode = getenv("POWERLOSS_MODE");
    const char *seed = getenv("POWERLOSS_SEED");
    if (folder && !realpath(folder, power.folder))
        power.folder[0] = 0;
    power.folder_size = strlen(power.folder);
    power.fail_at = at ? atol(at) : 0;
    power.mode = !mode || !strcmp(mode, "drop") ? MODE_DROP
                 : !strcmp(mode, "keep")        ? MODE_KEEP
                 : !strcmp(mode, "torn")        ? MODE_TORN
                                                : MODE_GARBLE;
    power.random = 0x9e3779b97f4a7c15u ^ (seed ? strtoull(seed, NULL, 10) * 0x2545f4914f6cdd1du : 0);
    power.count_file = getenv("POWERLOSS_COUNT");
    atexit(write_count);
}

/* True, with the file's identity, if fd is a regular file below the folder. */
static bool watched(int fd, struct stat *about)
{
    start();
    if (!power.folder_size || power.undoing || fstat(fd, about) != 0 || !S_ISREG(about->st_mode))
        return false;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    /* SQLite's shared-memory index is not meant to survive, and is never synced. */
    if (size < 0 || (size > 4 && memcmp(path + size - 4, "-shm", 4) == 0))
        return false;
    return (size_t)size > power.folder_size && memcmp(path, power.folder, power.folder_size) == 0 &&
           path[power.folder_size] == '/';
}

static void save(int fd, off_t offset, size_t size)
{
    struct stat about;
    if (!size || !watched(fd, &about))
        return;
    size_t old_bytes = about.st_size > offset ? (size_t)(about.st_size - offset) : 0;
    if (old_bytes > size)
        old_bytes = size;
    struct undo *undo = malloc(sizeof *undo + old_bytes);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = REAL(open)(link, O_RDWR | O_CLOEXEC);
    if (!undo || again < 0)
        abort();
    *undo = (struct undo){power.newest, about.st_dev, about.st_ino, again, about.st_size, offset, size, old_bytes};
    for (size_t done = 0; done < old_bytes;) {
        ssize_t got = pread(again, undo->data + done, old_bytes - done, offset + (off_t)done);
        if (got <= 0)
            abort();
        done += (size_t)got;
    }
    power.newest = undo;
}

static void forget(struct stat *about)
{
    for (struct undo **at = &power.newest; *at;) {
        struct undo *undo = *at;
        if (undo->device != about->st_dev || undo->inode != about->st_ino) {
            at = &undo->older;
            continue;
        }
        *at = undo->older;
        close(undo->fd);
        free(undo);
    }
}

/* One write that did not arrive, or not whole. */
static void undo_one(const struct undo *undo)
{
    for (size_t at = 0; at < undo->size;) {
        size_t in_sector = SECTOR_BYTES - (size_t)((undo->offset + (off_t)at) % SECTOR_BYTES);
        size_t piece = undo->size - at < in_sector ? undo->size - at : in_sector;
        bool arrived = power.mode != MODE_DROP && chance() % 2;
        uint8_t bytes[SECTOR_BYTES] = {0};
        if (at < undo->old_bytes)
            memcpy(bytes, undo->data + at, undo->old_bytes - at < piece ? undo->old_bytes - at : piece);
        if (power.mode == MODE_GARBLE)
            for (size_t i = 0; i < piece; i++)
                bytes[i] = (uint8_t)chance();
        if (!arrived && REAL(pwrite)(undo->fd, bytes, piece, undo->offset + (off_t)at) < 0)
            abort();
        at += piece;
    }
    if (power.mode == MODE_DROP && REAL(ftruncate)(undo->fd, undo->old_size) != 0)
        abort();
}

static void fail(void)
{
    power.undoing = true;
    if (power.mode != MODE_KEEP)
        for (struct undo *undo = power.newest; undo; undo = undo->older)
            undo_one(undo);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int sync_file(int fd, int (*sync)(int))
{
    pthread_mutex_lock(&power.lock);
    struct stat about;
    if (watched(fd, &about)) {
        power.syncs++;
        if (power.syncs == power.fail_at)
            fail();
        forget(&about); /* the sync itself is left out: this machine does not lose its power */
        pthread_mutex_unlock(&power.lock);
        return 0;
    }
    pthread_mutex_unlock(&power.lock);
    return sync(fd);
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

static off_t position(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
}

static size_t total(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

#define GUARDED(fd, offset, size, call)                                                                      \
    do {                                                                                                     \
        pthread_mutex_lock(&power.lock);                                                                     \
        save(fd, offset, size);                                                                              \
        __typeof__(call) result = call;                                                                      \
        pthread_mutex_unlock(&power.lock);                                                                   \
        return result;                                                                                       \
    } while (0)

ssize_t write(int fd, const void *data, size_t size) { GUARDED(fd, position(fd), size, REAL(write)(fd, data, size)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { GUARDED(fd, at, size, REAL(pwrite)(fd, data, size, at)); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { GUARDED(fd, at, size, REAL(pwrite64)(fd, data, size, at)); }
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    GUARDED(fd, position(fd), total(parts, count), REAL(writev)(fd, parts, count));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    GUARDED(fd, at, total(parts, count), REAL(pwritev)(fd, parts, count, at));
}

/* Shrinking loses bytes, growing adds zeros: both are a write over the difference. */
static void save_resize(int fd, off_t size)
{
    struct stat about;
    if (!watched(fd, &about))
        return;
    off_t from = size < about.st_size ? size : about.st_size, to = size < about.st_size ? about.st_size : size;
    save(fd, from, (size_t)(to - from));
}

int ftruncate(int fd, off_t size)
{
    pthread_mutex_lock(&power.lock);
    /* A sparse file of terabytes is only ever grown; its zeros need no undoing beyond its size. */
    struct stat about;
    if (watched(fd, &about) && size - about.st_size < (off_t)1 << 24)
        save_resize(fd, size);
    int result = REAL(ftruncate)(fd, size);
    pthread_mutex_unlock(&power.lock);
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags)
{
    GUARDED(out, out_at ? *out_at : position(out), size, REAL(copy_file_range)(in, in_at, out, out_at, size, flags));
}
