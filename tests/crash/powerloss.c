/*
 * A preloaded library that takes the power away from a program: LD_PRELOAD=powerloss.so PROGRAM.
 *
 *   POWERLOSS_DIR    only files below this folder are watched (required)
 *   POWERLOSS_AT     the power fails at the n-th fsync or fdatasync of a watched file, before it takes effect;
 *                    0 or absent: never
 *   POWERLOSS_CALL   SIGKILL before the n-th call that changes or syncs something below the folder: no power is lost then,
 *                    all that was done before is there
 *   POWERLOSS_NAMES  a part of paths: new and removed names of such files and folders need a sync of their folder, or they are
 *                    lost (but for mode keep); absent: names are durable at once
 *   POWERLOSS_EXCEPT a part of paths: such files are not watched, like those that nobody uses after a crash
 *   POWERLOSS_MODE   what becomes of bytes written since the last sync of their file:
 *                    drop    none of them arrived
 *                    keep    all of them arrived (the sync itself did not return)
 *                    torn    each sector of 512 bytes arrived or did not, by chance
 *                    garble  as torn, and sectors that did not arrive hold noise instead of what was there
 *   POWERLOSS_SEED   for the chance
 *   POWERLOSS_COUNT  a file that gets the number of syncs seen, and of calls, when the program ends by itself
 *
 * How: every write first saves what it replaces (an undo record). A sync of a file forgets that file's records. When the power fails,
 * the records are undone, newest first, and the process kills itself with SIGKILL. What loses its name by that, or by being
 * removed, is kept beside the folder (FOLDER.lost). Renames are durable at once. Only for programs whose writes come from one thread at a time.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512 };

enum undo_kind { UNDO_BYTES, UNDO_MAKE, UNDO_REMOVE };

struct undo {
    enum undo_kind kind;
    struct undo *older;
    dev_t device;
    ino_t inode;
    int fd;          /* a duplicate, for writing the old bytes back */
    off_t old_size;
    off_t offset;
    size_t size;     /* bytes replaced, or beyond old_size */
    size_t old_bytes; /* how many of them were there before */
    /* Of names: device, inode and fd are the folder's; data the name; offset the number of what was removed. */
    uint8_t data[];
};

enum mode { MODE_DROP, MODE_KEEP, MODE_TORN, MODE_GARBLE };

static struct {
    bool ready, undoing;
    char folder[PATH_MAX];
    size_t folder_size;
    const char *names, *except;
    long fail_at, syncs, kill_at, calls, lost;
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
        fprintf(file, "%ld %ld\n", power.syncs, power.calls);
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
    power.kill_at = getenv("POWERLOSS_CALL") ? atol(getenv("POWERLOSS_CALL")) : 0;
    power.names = getenv("POWERLOSS_NAMES");
    power.except = getenv("POWERLOSS_EXCEPT");
    power.mode = !mode || !strcmp(mode, "drop") ? MODE_DROP
                 : !strcmp(mode, "keep")        ? MODE_KEEP
                 : !strcmp(mode, "torn")        ? MODE_TORN
                                                : MODE_GARBLE;
    power.random = 0x9e3779b97f4a7c15u ^ (seed ? strtoull(seed, NULL, 10) * 0x2545f4914f6cdd1du : 0);
    power.count_file = getenv("POWERLOSS_COUNT");
    atexit(write_count);
}

/* Where the fd leads, if that is below the folder, or the folder itself. */
static bool path_below(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0)
        return false;
    path[size] = 0;
    return memcmp(path, power.folder, power.folder_size) == 0 &&
           (path[power.folder_size] == '/' || !path[power.folder_size]) && !(power.except && strstr(path, power.except));
}

/* True, with the file's identity, if fd is a regular file below the folder. */
static bool watched(int fd, struct stat *about)
{
    char path[PATH_MAX];
    start();
    if (!power.folder_size || power.undoing || fstat(fd, about) != 0 || !S_ISREG(about->st_mode) || !path_below(fd, path))
        return false;
    /* SQLite's shared-memory index is not meant to survive, and is never synced. */
    size_t size = strlen(path);
    return size < 4 || memcmp(path + size - 4, "-shm", 4) != 0;
}

/* A call that matters comes. */
static void count_call(void)
{
    if (++power.calls != power.kill_at)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void save(int fd, off_t offset, size_t size)
{
    struct stat about;
    if (!size || !watched(fd, &about))
        return;
    count_call();
    size_t old_bytes = about.st_size > offset ? (size_t)(about.st_size - offset) : 0;
    if (old_bytes > size)
        old_bytes = size;
    struct undo *undo = malloc(sizeof *undo + old_bytes);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = REAL(open)(link, O_RDWR | O_CLOEXEC);
    if (!undo || again < 0)
        abort();
    *undo = (struct undo){UNDO_BYTES, power.newest, about.st_dev, about.st_ino, again, about.st_size, offset, size, old_bytes};
    for (size_t done = 0; done < old_bytes;) {
        ssize_t got = pread(again, undo->data + done, old_bytes - done, offset + (off_t)done);
        if (got <= 0)
            abort();
        done += (size_t)got;
    }
    power.newest = undo;
}

/* about: NULL for all. */
static void forget(const struct stat *about)
{
    for (struct undo **at = &power.newest; *at;) {
        struct undo *undo = *at;
        if (about && (undo->device != about->st_dev || undo->inode != about->st_ino)) {
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

/* Where things without a name are kept. */
static const char *lost_path(long number)
{
    static char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s.lost", power.folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s.lost/%d-%ld", power.folder, (int)getpid(), number);
    return path;
}

/* A name that did not arrive, or did not go. */
static void undo_name(const struct undo *undo)
{
    const char *name = (const char *)undo->data;
    if (power.mode != MODE_DROP && chance() % 2)
        return;
    if (undo->kind == UNDO_MAKE)
        renameat(undo->fd, name, AT_FDCWD, lost_path(++power.lost));
    else
        renameat(AT_FDCWD, lost_path(undo->offset), undo->fd, name);
}

static void fail(void)
{
    power.undoing = true;
    if (power.mode != MODE_KEEP)
        for (struct undo *undo = power.newest; undo; undo = undo->older)
            (undo->kind == UNDO_BYTES ? undo_one : undo_name)(undo);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool watched_folder(int fd, struct stat *about)
{
    char path[PATH_MAX];
    start();
    return power.folder_size && !power.undoing && power.names && fstat(fd, about) == 0 && S_ISDIR(about->st_mode) &&
           path_below(fd, path);
}

static int sync_file(int fd, bool all, int (*sync)(int))
{
    pthread_mutex_lock(&power.lock);
    struct stat about;
    if (watched(fd, &about) || watched_folder(fd, &about)) {
        count_call();
        power.syncs++;
        if (power.syncs == power.fail_at)
            fail();
        forget(all ? NULL : &about); /* the sync itself is left out: this machine does not lose its power */
        pthread_mutex_unlock(&power.lock);
        return 0;
    }
    pthread_mutex_unlock(&power.lock);
    return sync(fd);
}

int fsync(int fd) { return sync_file(fd, false, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, false, REAL(fdatasync)); }
int syncfs(int fd) { return sync_file(fd, true, REAL(syncfs)); }

/* --- names --- */

/* True if the name in that folder is one whose loss is played. */
static bool watched_name(int fd, const char *name, struct stat *folder)
{
    char path[PATH_MAX];
    if (!name || *name == '/' || !watched_folder(fd, folder) || !path_below(fd, path))
        return false;
    size_t size = strlen(path);
    snprintf(path + size, sizeof path - size, "/%s", name);
    return strstr(path, power.names) && !(power.except && strstr(path, power.except));
}

static void note_name(enum undo_kind kind, int fd, const char *name, const struct stat *folder, long number)
{
    struct undo *undo = malloc(sizeof *undo + strlen(name) + 1);
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (!undo || again < 0)
        abort();
    *undo = (struct undo){kind, power.newest, folder->st_dev, folder->st_ino, again, 0, number, 0, 0};
    strcpy((char *)undo->data, name);
    power.newest = undo;
}

int openat(int folder, const char *name, int flags, ...)
{
    struct stat about, file;
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t); /* whatever it is, if the flags do not ask for it */
    va_end(rest);
    pthread_mutex_lock(&power.lock);
    bool makes = flags & O_CREAT && watched_name(folder, name, &about) && fstatat(folder, name, &file, AT_SYMLINK_NOFOLLOW) != 0;
    if (makes)
        count_call();
    int fd = REAL(openat)(folder, name, flags, mode);
    if (makes && fd >= 0)
        note_name(UNDO_MAKE, folder, name, &about, 0);
    pthread_mutex_unlock(&power.lock);
    return fd;
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    struct stat about;
    pthread_mutex_lock(&power.lock);
    bool makes = watched_name(folder, name, &about);
    if (makes)
        count_call();
    int result = REAL(mkdirat)(folder, name, mode);
    if (makes && result == 0)
        note_name(UNDO_MAKE, folder, name, &about, 0);
    pthread_mutex_unlock(&power.lock);
    return result;
}

/* What is removed is only taken away. */
int unlinkat(int folder, const char *name, int flags)
{
    struct stat about;
    int result;
    pthread_mutex_lock(&power.lock);
    if (!watched_name(folder, name, &about)) {
        result = REAL(unlinkat)(folder, name, flags);
    } else {
        count_call();
        result = flags & AT_REMOVEDIR ? REAL(unlinkat)(folder, name, flags)
                                      : renameat(folder, name, AT_FDCWD, lost_path(++power.lost));
        if (result == 0 && !(flags & AT_REMOVEDIR))
            note_name(UNDO_REMOVE, folder, name, &about, power.lost);
    }
    pthread_mutex_unlock(&power.lock);
    return result;
}

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
    else if (watched(fd, &about))
        count_call();
    int result = REAL(ftruncate)(fd, size);
    pthread_mutex_unlock(&power.lock);
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags)
{
    GUARDED(out, out_at ? *out_at : position(out), size, REAL(copy_file_range)(in, in_at, out, out_at, size, flags));
}
