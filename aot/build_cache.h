#ifndef AOT_BUILD_CACHE_H
#define AOT_BUILD_CACHE_H

#include <sha2.h>
#include <stdbool.h>

#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_report.h"

/*
 * The cache: files by content key. An entry is two files in one of the cache's folders,
 *
 *   <key>        the contents
 *   <key>.sum    "<size> <XXH3 of the contents, 16 hex digits>\n"
 *
 * and is valid if and only if both are there and agree; anything else is as good as absent, and is overwritten.
 * Both are made elsewhere in the cache and renamed into place, the contents first, so that readers and writers of several
 * builds at once see whole files, and a writer that dies leaves at most an entry that is absent.
 *
 * The cache also has the builds' temporary directories (tmp/...): renaming needs one file system. A build holds a lock on its
 * own; those that nobody holds are leftovers, removed by whoever comes next.
 */
struct build_cache {
    const char *root;      /* ${XDG_CACHE_HOME:-$HOME/.cache}/golem-aot, or the temporary directory alone */
    const char *temporary; /* this build's own directory */
    bool keeps;            /* false: there is no cache directory that can be written */
    bool grew;               /* something was put into it */
    int lock_fd;
    unsigned serial;
};

/* A SHA-256 under construction: of parts, each with its size, so that "ab","c" and "a","bc" differ. */
struct build_key {
    SHA2_CTX hash;
};
void build_key_start(struct build_key *key);
void build_key_bytes(struct build_key *key, const void *data, size_t size);
void build_key_raw(struct build_key *key, const void *data, size_t size); /* without the size: a plain SHA-256 */
void build_key_text(struct build_key *key, const char *text);
void build_key_number(struct build_key *key, uint64_t number);
const char *build_key_end(struct build_key *key, struct ga_arena *arena); /* 64 hex digits */

/* Where the cache is to lie: ${XDG_CACHE_HOME:-$HOME/.cache}/golem-aot; NULL if neither is set. */
const char *build_cache_root(struct ga_arena *arena);

enum ga_status build_cache_open(struct ga_arena *arena, struct build_cache *cache, struct ga_report *report) GA_MUST_USE;

/* Path of a new file in the temporary directory. */
const char *build_cache_temporary(struct build_cache *cache, struct ga_arena *arena, const char *suffix);

/* The entry's path if it is valid, else NULL. Reads all of it; marks it as used. */
const char *build_cache_get(struct build_cache *cache, struct ga_arena *arena, const char *folder, const char *key);

/* Moves a file of the temporary directory into the cache. Returns its path there, or, when that fails (a full disk must not
 * fail a build), the path it had. */
const char *build_cache_put(struct build_cache *cache, struct ga_arena *arena, const char *folder, const char *key,
                            const char *path);

/* Removes the temporary directory and, if the cache grew, the oldest entries beyond the size limit. */
void build_cache_close(struct build_cache *cache);

#define BUILD_CACHE_MAX_BYTES (2ull << 30)

/* Removes entries of a folder, oldest first, until it has at most limit bytes; for build_cache_close and tests. */
void build_cache_evict(const char *root, const char *folder, uint64_t limit_bytes);

#endif
