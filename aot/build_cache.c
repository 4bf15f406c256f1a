#define _GNU_SOURCE
#include "build_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "build_files.h"
#include "ga_assert.h"
#include "ga_hash.h"

/* --- keys --- */

void build_key_start(struct build_key *key)
{
    SHA256Init(&key->hash);
}

void build_key_raw(struct build_key *key, const void *data, size_t size)
{
    SHA256Update(&key->hash, data, size);
}

void build_key_bytes(struct build_key *key, const void *data, size_t size)
{
    uint64_t size64 = size;
    build_key_raw(key, &size64, sizeof size64);
    build_key_raw(key, data, size);
}

void build_key_text(struct build_key *key, const char *text)
{
    build_key_bytes(key, text, strlen(text));
}

void build_key_number(struct build_key *key, uint64_t number)
{
    build_key_bytes(key, &number, sizeof number);
}

const char *build_key_end(struct build_key *key, struct ga_arena *arena)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Final(digest, &key->hash);
    char *text = ga_arena_alloc(arena, 2 * sizeof digest + 1);
    for (size_t i = 0; i < sizeof digest; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
    return text;
}

/* --- opening and closing --- */

const char *build_cache_root(struct ga_arena *arena)
{
    const char *home = getenv("XDG_CACHE_HOME");
    if (home && home[0] == '/')
        return ga_arena_printf(arena, "%s/golem-aot", home);
    home = getenv("HOME");
    return home && home[0] == '/' ? ga_arena_printf(arena, "%s/.cache/golem-aot", home) : NULL;
}

/* Makes the temporary directory below `parent` and takes its lock. */
static bool make_temporary(struct ga_arena *arena, struct build_cache *cache, const char *parent)
{
    char *path = ga_arena_printf(arena, "%s/golem-aot-XXXXXX", parent);
    if (!mkdtemp(path))
        return false;
    cache->temporary = path;
    char *lock = ga_arena_printf(arena, "%s/lock", path);
    cache->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (cache->lock_fd >= 0)
        flock(cache->lock_fd, LOCK_SH);
    return true;
}

static void remove_if_left_over(const char *parent, const char *name)
{
    char path[4096], lock[4200];
    snprintf(path, sizeof path, "%s/%s", parent, name);
    snprintf(lock, sizeof lock, "%s/lock", path);
    struct stat info;
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    if (fd < 0) { /* just being made, or half removed: the second only if it is old */
        if (stat(path, &info) == 0 && time(NULL) - info.st_mtime > 3600)
            build_tree_remove(path);
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        build_tree_remove(path);
    close(fd);
}

static void remove_left_overs(const char *parent)
{
    DIR *directory = opendir(parent);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strncmp(entry->d_name, "golem-aot-", 10) == 0)
            remove_if_left_over(parent, entry->d_name);
    closedir(directory);
}

static bool open_kept(struct ga_arena *arena, struct build_cache *cache)
{
    static const char *const folders[] = {"objects", "executables", "known", "tmp"};
    struct ga_report unused = {0}; /* a cache that cannot be made is none, not an error */
    cache->root = build_cache_root(arena);
    if (!cache->root)
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (build_directory_make(ga_arena_printf(arena, "%s/%s", cache->root, folders[i]), &unused) != GA_OK)
            return false;
    const char *parent = ga_arena_printf(arena, "%s/tmp", cache->root);
    remove_left_overs(parent);
    return make_temporary(arena, cache, parent);
}

enum ga_status build_cache_open(struct ga_arena *arena, struct build_cache *cache, struct ga_report *report)
{
    *cache = (struct build_cache){.lock_fd = -1};
    cache->keeps = open_kept(arena, cache);
    if (cache->keeps)
        return GA_OK;
    const char *parent = getenv("TMPDIR");
    if (!parent || parent[0] != '/')
        parent = "/tmp";
    if (!make_temporary(arena, cache, parent))
        return ga_report_errno(report, errno, "cannot make a temporary directory in %s", parent);
    cache->root = cache->temporary;
    return GA_OK;
}

const char *build_cache_temporary(struct build_cache *cache, struct ga_arena *arena, const char *suffix)
{
    return ga_arena_printf(arena, "%s/%u%s", cache->temporary, cache->serial++, suffix);
}

/* --- entries --- */

static bool hash_file(const char *path, uint64_t *size_out, uint64_t *hash_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat info;
    bool ok = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    void *data =
        ok && info.st_size ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : NULL;
    close(fd);
    if (!ok || data == MAP_FAILED)
        return false;
    *size_out = (uint64_t)info.st_size;
    *hash_out = ga_hash64(data, (size_t)info.st_size, 0);
    if (data)
        munmap(data, (size_t)info.st_size);
    return true;
}

static void print_sum(char *text, size_t size, uint64_t bytes, uint64_t hash)
{
    snprintf(text, size, "%" PRIu64 " %016" PRIx64 "\n", bytes, hash);
}

const char *build_cache_get(struct build_cache *cache, struct ga_arena *arena, const char *folder, const char *key)
{
    char *path = ga_arena_printf(arena, "%s/%s/%s", cache->root, folder, key);
    char *sum_path = ga_arena_printf(arena, "%s.sum", path);
    struct ga_report unused = {0};
    struct ga_buf sum = {0};
    char expected[64];
    uint64_t size, hash;
    bool valid = cache->keeps && build_file_read(sum_path, sizeof expected, &sum, &unused) == GA_OK &&
                 hash_file(path, &size, &hash);
    if (valid) {
        print_sum(expected, sizeof expected, size, hash);
        valid = strcmp(ga_buf_cstr(&sum), expected) == 0;
    }
    ga_buf_free(&sum);
    if (valid)
        utimensat(AT_FDCWD, path, NULL, 0); /* used just now: evicted last */
    return valid ? path : NULL;
}

const char *build_cache_put(struct build_cache *cache, struct ga_arena *arena, const char *folder, const char *key,
                            const char *path)
{
    char sum[64];
    uint64_t size, hash;
    struct ga_report unused = {0};
    if (!cache->keeps || !hash_file(path, &size, &hash))
        return path;
    print_sum(sum, sizeof sum, size, hash);
    const char *sum_temporary = build_cache_temporary(cache, arena, ".sum");
    const char *to = ga_arena_printf(arena, "%s/%s/%s", cache->root, folder, key);
    if (build_file_write(sum_temporary, sum, strlen(sum), &unused) != GA_OK || rename(path, to) != 0)
        return path;
    cache->grew = true;
    rename(sum_temporary, ga_arena_printf(arena, "%s.sum", to));
    return to;
}

/* --- eviction --- */

struct entry {
    char name[72];
    uint64_t size;
    struct timespec used;
};

static int compare_age(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used, *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static uint64_t list_entries(struct ga_arena *arena, DIR *directory, struct entry **entries_out, uint32_t *count_out)
{
    GA_VEC(struct entry) entries = {0};
    uint64_t total = 0;
    for (struct dirent *found; (found = readdir(directory));) {
        struct stat info;
        if (strlen(found->d_name) != 64 || fstatat(dirfd(directory), found->d_name, &info, 0) != 0)
            continue;
        struct entry *entry = GA_PUSH(arena, &entries);
        strcpy(entry->name, found->d_name);
        entry->size = (uint64_t)info.st_size;
        entry->used = info.st_mtim;
        total += entry->size;
    }
    *entries_out = entries.items;
    *count_out = entries.count;
    return total;
}

void build_cache_evict(const char *root, const char *folder, uint64_t limit_bytes)
{
    struct ga_arena arena = {0};
    struct entry *entries;
    uint32_t count;
    DIR *directory = opendir(ga_arena_printf(&arena, "%s/%s", root, folder));
    if (directory) {
        uint64_t total = list_entries(&arena, directory, &entries, &count);
        if (total > limit_bytes)
            qsort(entries, count, sizeof *entries, compare_age);
        for (uint32_t i = 0; i < count && total > limit_bytes; i++) {
            unlinkat(dirfd(directory), ga_arena_printf(&arena, "%s.sum", entries[i].name), 0);
            unlinkat(dirfd(directory), entries[i].name, 0);
            total -= entries[i].size;
        }
        closedir(directory);
    }
    ga_arena_free(&arena);
}

void build_cache_close(struct build_cache *cache)
{
    if (cache->grew) {
        build_cache_evict(cache->root, "objects", BUILD_CACHE_MAX_BYTES / 2);
        build_cache_evict(cache->root, "executables", BUILD_CACHE_MAX_BYTES / 2);
        build_cache_evict(cache->root, "known", BUILD_CACHE_MAX_BYTES >> 8);
    }
    build_tree_remove(cache->temporary);
    if (cache->lock_fd >= 0)
        close(cache->lock_fd);
}
