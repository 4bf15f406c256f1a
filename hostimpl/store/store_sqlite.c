/*
 * The embedded store: one SQLite database in the data directory.
 *
 *   DIR/golem.db              tables of store_schema.c; WAL, synchronous=FULL: a COMMIT that returned survives power loss
 *   DIR/workers/NAME-HASH/    one for each worker: `lock`, `witness`, checkpoints, files. NAME is the worker's name with
 *                             everything but [A-Za-z0-9._-] replaced, at most 40 bytes; HASH tells apart what that
 *                             makes equal
 *
 * Ownership. A worker is live in at most one process: the owner holds an open-file-description lock on
 * DIR/workers/.../lock, which the kernel releases when the owner is gone, however it went. Behind it stands the
 * epoch: the owner's first commit raises worker.epoch above all before it, and a commit of an older epoch is refused,
 * so that not even an owner that lost its lock (a network file system) writes a second history.
 *
 * Invariants
 *  1. A worker's row exists if and only if its first chunk does: both are written by the first commit.
 *  2. A worker's chunks, in order of first_idx, have no gaps and no overlaps, from entry 1 on. Their places are the worker's
 *     number and first_idx in one integer.
 *  3. oplog.hash is the chain hash after the chunk's last entry (durable/oplog.c says how it is made).
 *  4. invocation holds nothing that the oplog does not say; it is there so that a key is found without reading.
 */
#define _GNU_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ga_assert.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "store_schema.h"
#include "store_witness.h"

enum { BUSY_TIMEOUT_MS = 10000, DIRECTORY_NAME_BYTES = 64 };

/*
 * The WAL file stays, emptied, when the last process leaves (a size limit of any kind makes SQLite empty it): making it
 * again would cost the next process a sync of the directory.
 */
static const char *const SETTINGS =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";

#define STATEMENT_MAP(X)                                                                                              \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                       \
    X(COMMIT, "COMMIT")                                                                                               \
    X(ROLLBACK, "ROLLBACK")                                                                                           \
    X(WORKER_FIND, "SELECT id, epoch, component_id, component_hash, created_at FROM worker WHERE name = ?1")          \
    X(WORKER_NUMBER, "SELECT number FROM worker WHERE id = ?1")                                                       \
    X(WORKER_INSERT, "INSERT INTO worker VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)")                                       \
    X(WORKER_CLAIM, "UPDATE worker SET epoch = ?2 WHERE id = ?1 AND epoch < ?2")                                      \
    X(WORKER_EPOCH, "SELECT epoch FROM worker WHERE id = ?1")                                                         \
    X(CHUNK_AT, "SELECT first_idx, count, hash FROM oplog WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1") \
    X(CHUNK_INSERT, "INSERT INTO oplog VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                       \
    X(CHUNK_CUT, "DELETE FROM oplog WHERE place BETWEEN ?1 AND ?2")                                                   \
    X(CHUNK_READ, "SELECT first_idx, count, epoch, hash, size, data FROM oplog WHERE place BETWEEN ?1 AND ?2"         \
                  " ORDER BY place")                                                                                  \
    X(INVOCATION_PUT, "INSERT INTO invocation VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"                       \
                      " completed_idx = excluded.completed_idx")                                                      \
    X(INVOCATION_FIND, "SELECT invoked_idx, completed_idx FROM invocation WHERE worker = ?1 AND key = ?2")            \
    X(INVOCATION_SUMMARY, "SELECT count(nullif(completed_idx, 0)), max(max(invoked_idx, completed_idx))"              \
                          " FROM invocation WHERE worker = ?1")                                                       \
    X(INVOCATION_CUT, "DELETE FROM invocation WHERE worker = ?1 AND invoked_idx > ?2")                                \
    X(INVOCATION_REOPEN, "UPDATE invocation SET completed_idx = 0 WHERE worker = ?1 AND completed_idx > ?2")          \
    X(PROMISE_INSERT, "INSERT OR IGNORE INTO promise SELECT component_id, name, ?2, 0, NULL, NULL, NULL FROM worker"  \
                      " WHERE id = ?1")                                                                               \
    X(PROMISE_GET, "SELECT complete, data, by_worker, by_idx FROM promise WHERE component_id = ?1 AND worker = ?2"    \
                   " AND idx = ?3")                                                                                   \
    X(PROMISE_COMPLETE, "UPDATE promise SET complete = 1, data = ?4, by_worker = ?5, by_idx = ?6"                     \
                        " WHERE component_id = ?1 AND worker = ?2 AND idx = ?3 AND complete = 0")                     \
    X(PROMISE_DELETE, "UPDATE promise SET complete = complete | 2 WHERE component_id = ?1 AND worker = ?2 AND idx = ?3")

enum statement {
#define X(name, sql) STATEMENT_##name,
    STATEMENT_MAP(X)
#undef X
        STATEMENT_COUNT
};

static const char *const STATEMENT_SQL[STATEMENT_COUNT] = {
#define X(name, sql) sql,
    STATEMENT_MAP(X)
#undef X
};

/* A worker that this process owns. */
struct open_worker {
    struct open_worker *next;
    struct store_worker worker;
    bool claimed; /* this process's epoch stands in the database */
    bool exists;  /* the worker's row does */
    int lock_fd, directory_fd, witness_fd;
    char name[GA_MAX_WORKER_NAME_BYTES + 1];
};

struct store_sqlite {
    struct store store;
    sqlite3 *database;
    int directory_fd;
    uint64_t known_id, known_number; /* of the worker that was asked for last */
    struct open_worker *workers;
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
    char directory[];
};

static struct store_sqlite *self(struct store *store)
{
    return (struct store_sqlite *)store;
}

/* --- SQLite, with our errors --- */

static enum ga_status status_of(struct store_sqlite *store, int code)
{
    int primary = code & 0xff;
    int error = sqlite3_system_errno(store->database);
    if (primary == SQLITE_FULL || (primary == SQLITE_IOERR && (error == ENOSPC || error == EDQUOT)))
        return GA_NO_SPACE;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return GA_CORRUPT;
    if (primary == SQLITE_BUSY || primary == SQLITE_CONSTRAINT)
        return GA_CONFLICT;
    if (primary == SQLITE_NOMEM)
        return GA_NO_MEMORY;
    return GA_IO;
}

/* what: what was being done, "append entries 5 to 9 of worker "a"". */
__attribute__((format(printf, 4, 5))) static enum ga_status fail(struct store_sqlite *store, struct ga_report *report,
                                                                 int code, const char *what, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    return ga_report_set(report, status_of(store, code), "%s: cannot %s: %s", store->directory, text,
                         sqlite3_errmsg(store->database));
}

/* The statement, ready to bind; NULL if SQLite cannot prepare it (run and row then see SQLite's own error). */
static sqlite3_stmt *statement(struct store_sqlite *store, enum statement which)
{
    sqlite3_stmt **slot = &store->statements[which];
    if (!*slot)
        sqlite3_prepare_v3(store->database, STATEMENT_SQL[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
    return *slot;
}

static void bind_u64(sqlite3_stmt *stmt, int position, uint64_t value)
{
    sqlite3_bind_int64(stmt, position, (sqlite3_int64)value);
}

static void bind_text(sqlite3_stmt *stmt, int position, const char *text)
{
    sqlite3_bind_text(stmt, position, text, -1, SQLITE_STATIC);
}

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

/* Runs a statement that gives no rows. */
static int run(struct store_sqlite *store, sqlite3_stmt *stmt)
{
    if (!stmt)
        return sqlite3_extended_errcode(store->database);
    int code = sqlite3_step(stmt);
    /* reset repeats the error, and thereby keeps its text for fail(). */
    int again = sqlite3_reset(stmt);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : again;
}

/* Steps to the one row; SQLITE_ROW: there is one, and the caller resets. SQLITE_DONE: none, reset. */
static int row(struct store_sqlite *store, sqlite3_stmt *stmt)
{
    if (!stmt)
        return sqlite3_extended_errcode(store->database);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return code;
    int again = sqlite3_reset(stmt);
    return code == SQLITE_DONE ? code : again;
}

static int begin(struct store_sqlite *store)
{
    return run(store, statement(store, STATEMENT_BEGIN));
}

/* SQLite has rolled back by itself after some errors; then this one has nothing to do. */
static void rollback(struct store_sqlite *store)
{
    store->known_id = 0; /* it may have come into being just now */
    if (!sqlite3_get_autocommit(store->database))
        (void)run(store, statement(store, STATEMENT_ROLLBACK));
}

/* --- places of chunks --- */

enum { INDEX_BITS = 40 };
#define MAX_INDEX ((1ull << INDEX_BITS) - 1)
#define MAX_NUMBER ((1ull << (63 - INDEX_BITS)) - 1)

/* 0 if there is no such worker; *code_out says if SQLite cannot tell. */
static uint64_t number_of(struct store_sqlite *store, uint64_t worker_id, int *code_out)
{
    *code_out = SQLITE_OK;
    if (store->known_id == worker_id)
        return store->known_number;
    sqlite3_stmt *stmt = statement(store, STATEMENT_WORKER_NUMBER);
    bind_u64(stmt, 1, worker_id);
    int code = row(store, stmt);
    if (code != SQLITE_ROW) {
        *code_out = code == SQLITE_DONE ? SQLITE_OK : code;
        return 0;
    }
    store->known_id = worker_id;
    store->known_number = column_u64(stmt, 0);
    sqlite3_reset(stmt);
    return store->known_number;
}

/* ?1 and ?2: the places of entries first to last of the worker. */
static int bind_places(struct store_sqlite *store, sqlite3_stmt *stmt, uint64_t worker_id, uint64_t first,
                       uint64_t last)
{
    int code;
    uint64_t number = number_of(store, worker_id, &code);
    bind_u64(stmt, 1, number << INDEX_BITS | (first < MAX_INDEX ? first : MAX_INDEX));
    bind_u64(stmt, 2, number << INDEX_BITS | (last < MAX_INDEX ? last : MAX_INDEX));
    return code;
}

/* --- workers --- */

static struct open_worker *open_worker(struct store_sqlite *store, uint64_t worker_id)
{
    struct open_worker *worker = store->workers;
    while (worker && worker->worker.id != worker_id)
        worker = worker->next;
    GA_ASSERT(worker);
    return worker;
}

/* "entries of worker "NAME"" for messages; a worker that is not open here is named by its id. */
static const char *worker_label(struct store_sqlite *store, uint64_t worker_id, char buffer[static 600])
{
    for (struct open_worker *worker = store->workers; worker; worker = worker->next)
        if (worker->worker.id == worker_id) {
            snprintf(buffer, 600, "worker \"%s\"", worker->name);
            return buffer;
        }
    snprintf(buffer, 600, "worker %016" PRIx64, worker_id);
    return buffer;
}

static void copy_text(char *out, size_t size, sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

static enum ga_status read_last(struct store_sqlite *store, const char *name, struct store_worker *out,
                                struct ga_report *report)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_AT);
    int code = bind_places(store, stmt, out->id, 1, MAX_INDEX);
    if (code == SQLITE_OK)
        code = row(store, stmt);
    if (code == SQLITE_DONE)
        return ga_report_set(report, GA_CORRUPT, "%s: worker \"%s\", entry 1: its oplog is gone", store->directory,
                             name);
    if (code != SQLITE_ROW)
        return fail(store, report, code, "read the last oplog entry of worker \"%s\"", name);
    out->last_index = column_u64(stmt, 0) + column_u64(stmt, 1) - 1;
    out->last_hash = column_u64(stmt, 2);
    sqlite3_reset(stmt);
    return GA_OK;
}

static void directory_name(const char *name, char out[static DIRECTORY_NAME_BYTES])
{
    static const char SAFE[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char prefix[41];
    size_t size = 0;
    for (; name[size] && size < sizeof prefix - 1; size++)
        prefix[size] = strchr(SAFE, name[size]) ? name[size] : '_';
    prefix[size] = 0;
    snprintf(out, DIRECTORY_NAME_BYTES, "%s-%016" PRIx64, prefix, ga_hash64(name, strlen(name), 0));
}

static enum ga_status read_worker(struct store_sqlite *store, const char *name, struct store_worker *out,
                                  struct ga_report *report)
{
    *out = (struct store_worker){0};
    sqlite3_stmt *stmt = statement(store, STATEMENT_WORKER_FIND);
    bind_text(stmt, 1, name);
    int code = row(store, stmt);
    if (code == SQLITE_DONE)
        return GA_NOT_FOUND;
    if (code != SQLITE_ROW)
        return fail(store, report, code, "look up worker \"%s\"", name);
    out->id = column_u64(stmt, 0);
    out->epoch = column_u64(stmt, 1);
    copy_text(out->component_id, sizeof out->component_id, stmt, 2);
    copy_text(out->component_hash, sizeof out->component_hash, stmt, 3);
    out->created_at_ns = column_u64(stmt, 4);
    sqlite3_reset(stmt);
    return read_last(store, name, out, report);
}

static void worker_path(const char *name, const char *file, char out[static DIRECTORY_NAME_BYTES + 32])
{
    char directory[DIRECTORY_NAME_BYTES];
    directory_name(name, directory);
    snprintf(out, DIRECTORY_NAME_BYTES + 32, "workers/%s%s%s", directory, *file ? "/" : "", file);
}

static bool read_witness(struct store_sqlite *store, const char *name, struct store_witness *out)
{
    char path[DIRECTORY_NAME_BYTES + 32];
    worker_path(name, "witness", path);
    int fd = openat(store->directory_fd, path, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && store_witness_read(fd, out);
    if (fd >= 0)
        close(fd);
    return whole;
}

/* What the worker's last commit wrote, and the database does not have, is lost. The witness is heard first: its owner may
 * write meanwhile. */
static enum ga_status worker_find(struct store *base, const char *name, struct store_worker *out,
                                  struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    struct store_witness witness;
    bool heard = read_witness(store, name, &witness);
    enum ga_status status = read_worker(store, name, out, report);
    if ((status != GA_OK && status != GA_NOT_FOUND) || !heard || witness.last_index <= out->last_index ||
        (status == GA_OK && witness.worker_id != out->id))
        return status;
    return ga_report_set(report, GA_CORRUPT,
                         "worker \"%s\", entry %" PRIu64 ": missing: the last commit wrote it, but the oplog ends with "
                         "entry %" PRIu64,
                         name, witness.last_index, out->last_index);
}

static enum ga_status open_worker_directory(struct store_sqlite *store, const char *name, int *fd_out,
                                            struct ga_report *report)
{
    char path[DIRECTORY_NAME_BYTES + 32];
    worker_path(name, "", path);
    if (mkdirat(store->directory_fd, path, 0700) != 0 && errno != EEXIST)
        return ga_report_errno(report, errno, "%s/%s: cannot make the directory", store->directory, path);
    *fd_out = openat(store->directory_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd_out < 0)
        return ga_report_errno(report, errno, "%s/%s: cannot open the directory", store->directory, path);
    return GA_OK;
}

static enum ga_status lock_worker(struct store_sqlite *store, struct open_worker *worker, struct ga_report *report)
{
    GA_ASSERT(worker->directory_fd >= 0);
    worker->lock_fd = openat(worker->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (worker->lock_fd < 0)
        return ga_report_errno(report, errno, "%s: cannot open the lock of worker \"%s\"", store->directory,
                               worker->name);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char owner[32] = "";
    if (fcntl(worker->lock_fd, F_OFD_SETLK, &lock) == 0) {
        /* Only for the message below. */
        int size = snprintf(owner, sizeof owner, "%d\n", (int)getpid());
        if (pwrite(worker->lock_fd, owner, (size_t)size, 0) < 0 || ftruncate(worker->lock_fd, size) != 0)
            return ga_report_errno(report, errno, "%s: cannot write the lock of worker \"%s\"", store->directory,
                                   worker->name);
        return GA_OK;
    }
    if (errno != EAGAIN && errno != EACCES)
        return ga_report_errno(report, errno, "%s: cannot lock worker \"%s\"", store->directory, worker->name);
    ssize_t size = pread(worker->lock_fd, owner, sizeof owner - 1, 0);
    owner[size > 0 ? size : 0] = 0;
    owner[strcspn(owner, "\n")] = 0;
    return ga_report_set(report, GA_CONFLICT, "%s: worker \"%s\" is live in another process (%s)", store->directory,
                         worker->name, owner);
}

static enum ga_status find_or_name_worker(struct store_sqlite *store, struct open_worker *worker,
                                          const struct store_worker *wanted, struct ga_report *report)
{
    enum ga_status status = worker_find(&store->store, worker->name, &worker->worker, report);
    worker->exists = status == GA_OK;
    if (status == GA_OK)
        worker->worker.epoch++;
    if (status != GA_NOT_FOUND)
        return status;
    worker->worker = *wanted;
    worker->worker.epoch = 1;
    worker->worker.last_index = worker->worker.last_hash = 0;
    do {
        if (getrandom(&worker->worker.id, sizeof worker->worker.id, 0) != (ssize_t)sizeof worker->worker.id)
            return ga_report_errno(report, errno, "cannot get random bytes");
        worker->worker.id >>= 1; /* SQLite's integers are signed */
    } while (!worker->worker.id);
    return GA_OK;
}

static enum ga_status open_witness(struct store_sqlite *store, struct open_worker *worker, struct ga_report *report)
{
    worker->witness_fd = openat(worker->directory_fd, "witness", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return worker->witness_fd >= 0 ? GA_OK
                                   : ga_report_errno(report, errno, "%s: cannot open the witness of worker \"%s\"",
                                                     store->directory, worker->name);
}

static void free_worker(struct open_worker *worker)
{
    if (worker->witness_fd >= 0)
        close(worker->witness_fd);
    if (worker->lock_fd >= 0)
        close(worker->lock_fd); /* releases the lock */
    if (worker->directory_fd >= 0)
        close(worker->directory_fd);
    free(worker);
}

static enum ga_status worker_open(struct store *base, const char *name, const struct store_worker *wanted,
                                  struct store_worker *worker_out, bool *created_out, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    if (!*name || strlen(name) > GA_MAX_WORKER_NAME_BYTES)
        return ga_report_set(report, GA_INVALID, "a worker's name has 1 to %d bytes", GA_MAX_WORKER_NAME_BYTES);
    struct open_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return ga_report_set(report, GA_NO_MEMORY, "out of memory");
    worker->lock_fd = worker->directory_fd = worker->witness_fd = -1;
    memcpy(worker->name, name, strlen(name) + 1);
    /* The lock comes first: what is read after it, nobody else changes. */
    enum ga_status status = open_worker_directory(store, name, &worker->directory_fd, report);
    if (status == GA_OK)
        status = lock_worker(store, worker, report);
    if (status == GA_OK)
        status = find_or_name_worker(store, worker, wanted, report);
    if (status == GA_OK)
        status = open_witness(store, worker, report);
    if (status != GA_OK) {
        free_worker(worker);
        return status;
    }
    worker->next = store->workers;
    store->workers = worker;
    *worker_out = worker->worker;
    *created_out = !worker->exists;
    return GA_OK;
}

static void worker_close(struct store *base, uint64_t worker_id)
{
    struct store_sqlite *store = self(base);
    struct open_worker *worker = open_worker(store, worker_id), **link = &store->workers;
    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
    free_worker(worker);
}

static enum ga_status worker_directory(struct store *base, const char *name, int *fd_out, struct ga_report *report)
{
    return open_worker_directory(self(base), name, fd_out, report);
}

/* --- commits --- */

static int insert_worker(struct store_sqlite *store, const struct open_worker *worker)
{
    store->known_id = 0;
    sqlite3_stmt *stmt = statement(store, STATEMENT_WORKER_INSERT);
    bind_u64(stmt, 1, worker->worker.id);
    bind_text(stmt, 2, worker->name);
    bind_u64(stmt, 3, worker->worker.epoch);
    bind_text(stmt, 4, worker->worker.component_id);
    bind_text(stmt, 5, worker->worker.component_hash);
    bind_u64(stmt, 6, worker->worker.created_at_ns);
    return run(store, stmt);
}

/* Puts this owner's epoch into the database, or sees that it still stands there. */
static enum ga_status hold_epoch(struct store_sqlite *store, struct open_worker *worker, struct ga_report *report)
{
    int code;
    if (!worker->exists) {
        code = insert_worker(store, worker);
        if (code != SQLITE_OK)
            return fail(store, report, code, "create worker \"%s\"", worker->name);
        if ((uint64_t)sqlite3_last_insert_rowid(store->database) > MAX_NUMBER)
            return ga_report_set(report, GA_LIMIT, "%s: too many workers (limit is %llu)", store->directory, MAX_NUMBER);
        return GA_OK;
    }
    sqlite3_stmt *stmt = statement(store, worker->claimed ? STATEMENT_WORKER_EPOCH : STATEMENT_WORKER_CLAIM);
    bind_u64(stmt, 1, worker->worker.id);
    bool holds;
    if (worker->claimed) {
        code = row(store, stmt);
        holds = code == SQLITE_ROW && column_u64(stmt, 0) == worker->worker.epoch;
        sqlite3_reset(stmt);
        code = code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
    } else {
        bind_u64(stmt, 2, worker->worker.epoch);
        code = run(store, stmt);
        holds = sqlite3_changes(store->database) == 1;
    }
    if (code != SQLITE_OK)
        return fail(store, report, code, "claim worker \"%s\"", worker->name);
    if (!holds)
        return ga_report_set(report, GA_CONFLICT, "%s: worker \"%s\" has a newer owner than this process",
                             store->directory, worker->name);
    return GA_OK;
}

static int insert_chunk(struct store_sqlite *store, uint64_t worker_id, const struct store_chunk *chunk)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_INSERT);
    int code = bind_places(store, stmt, worker_id, chunk->first_index, 0);
    bind_u64(stmt, 2, worker_id);
    bind_u64(stmt, 3, chunk->first_index);
    bind_u64(stmt, 4, chunk->count);
    bind_u64(stmt, 5, chunk->epoch);
    bind_u64(stmt, 6, chunk->hash);
    bind_u64(stmt, 7, chunk->size);
    sqlite3_bind_blob64(stmt, 8, chunk->data, chunk->size, SQLITE_STATIC);
    return code == SQLITE_OK ? run(store, stmt) : code;
}

static int put_invocation(struct store_sqlite *store, uint64_t worker_id, const struct store_invocation *invocation)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_INVOCATION_PUT);
    bind_u64(stmt, 1, worker_id);
    bind_text(stmt, 2, invocation->key);
    bind_u64(stmt, 3, invocation->invoked_index);
    bind_u64(stmt, 4, invocation->completed_index);
    return run(store, stmt);
}

static int insert_promise(struct store_sqlite *store, uint64_t worker_id, uint64_t index)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_PROMISE_INSERT);
    bind_u64(stmt, 1, worker_id);
    bind_u64(stmt, 2, index);
    return run(store, stmt);
}

static int write_commit(struct store_sqlite *store, uint64_t worker_id, const struct store_commit *commit)
{
    int code = SQLITE_OK;
    if (commit->chunk)
        code = insert_chunk(store, worker_id, commit->chunk);
    for (uint32_t i = 0; code == SQLITE_OK && i < commit->invocation_count; i++)
        code = put_invocation(store, worker_id, &commit->invocations[i]);
    for (uint32_t i = 0; code == SQLITE_OK && i < commit->promise_count; i++)
        code = insert_promise(store, worker_id, commit->promises[i]);
    if (code == SQLITE_OK)
        code = run(store, statement(store, STATEMENT_COMMIT));
    return code;
}

static enum ga_status commit(struct store *base, uint64_t worker_id, const struct store_commit *commit,
                             struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    struct open_worker *worker = open_worker(store, worker_id);
    GA_ASSERT(worker->exists || (commit->chunk && commit->chunk->first_index == 1));
    GA_ASSERT(!commit->chunk || commit->chunk->first_index <= MAX_INDEX);
    uint64_t first = commit->chunk ? commit->chunk->first_index : 0;
    uint64_t last = commit->chunk ? first + commit->chunk->count - 1 : 0;
    int code = begin(store);
    if (code != SQLITE_OK)
        return fail(store, report, code, "start writing for worker \"%s\"", worker->name);
    enum ga_status status = hold_epoch(store, worker, report);
    if (status == GA_OK) {
        code = write_commit(store, worker_id, commit);
        if (code != SQLITE_OK)
            status = fail(store, report, code, "append entries %" PRIu64 " to %" PRIu64 " of worker \"%s\"", first,
                          last, worker->name);
    }
    if (status != GA_OK) {
        rollback(store);
        return status;
    }
    worker->exists = worker->claimed = true;
    if (commit->chunk)
        store_witness_write(worker->witness_fd, &(struct store_witness){worker_id, last});
    return GA_OK;
}

static int write_cut(struct store_sqlite *store, uint64_t worker_id, uint64_t first_index,
                     const struct store_chunk *shorter)
{
    uint64_t last_index = shorter ? shorter->first_index + shorter->count - 1 : first_index - 1;
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_CUT);
    int code = bind_places(store, stmt, worker_id, first_index, MAX_INDEX);
    if (code == SQLITE_OK)
        code = run(store, stmt);
    if (code == SQLITE_OK && shorter)
        code = insert_chunk(store, worker_id, shorter);
    static const enum statement FOLLOWING[] = {STATEMENT_INVOCATION_CUT, STATEMENT_INVOCATION_REOPEN};
    for (size_t i = 0; code == SQLITE_OK && i < sizeof FOLLOWING / sizeof *FOLLOWING; i++) {
        stmt = statement(store, FOLLOWING[i]);
        bind_u64(stmt, 1, worker_id);
        bind_u64(stmt, 2, last_index);
        code = run(store, stmt);
    }
    return code == SQLITE_OK ? run(store, statement(store, STATEMENT_COMMIT)) : code;
}

static enum ga_status cut(struct store *base, uint64_t worker_id, uint64_t first_index,
                          const struct store_chunk *shorter, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    char label[600];
    if (!store_witness_clear(open_worker(store, worker_id)->witness_fd))
        return ga_report_errno(report, errno, "%s: cannot clear a witness", store->directory);
    int code = begin(store);
    if (code == SQLITE_OK)
        code = write_cut(store, worker_id, first_index, shorter);
    if (code == SQLITE_OK)
        return GA_OK;
    enum ga_status status = fail(store, report, code, "cut the torn tail of %s", worker_label(store, worker_id, label));
    rollback(store);
    return status;
}

/* --- reading --- */

static void read_end(struct store *base)
{
    sqlite3_reset(statement(self(base), STATEMENT_CHUNK_READ));
}

/* first_idx and count of the chunk that holds index. GA_NOT_FOUND if none does. */
static enum ga_status find_chunk(struct store_sqlite *store, uint64_t worker_id, uint64_t index,
                                 struct store_chunk *out, struct ga_report *report)
{
    char label[600];
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_AT);
    int code = bind_places(store, stmt, worker_id, 1, index);
    if (code == SQLITE_OK)
        code = row(store, stmt);
    if (code == SQLITE_DONE)
        return GA_NOT_FOUND;
    if (code != SQLITE_ROW)
        return fail(store, report, code, "find entry %" PRIu64 " of %s", index, worker_label(store, worker_id, label));
    *out = (struct store_chunk){.first_index = column_u64(stmt, 0),
                                .count = (uint32_t)column_u64(stmt, 1),
                                .hash = column_u64(stmt, 2)};
    sqlite3_reset(stmt);
    return index - out->first_index < out->count ? GA_OK : GA_NOT_FOUND;
}

static enum ga_status read_start(struct store *base, uint64_t worker_id, uint64_t from_index, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    struct store_chunk chunk = {0};
    enum ga_status status = find_chunk(store, worker_id, from_index, &chunk, report);
    if (status != GA_OK && status != GA_NOT_FOUND)
        return status;
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_READ);
    if (!stmt)
        return fail(store, report, SQLITE_ERROR, "read the oplog");
    sqlite3_reset(stmt);
    int code = bind_places(store, stmt, worker_id, status == GA_OK ? chunk.first_index : from_index, MAX_INDEX);
    return code == SQLITE_OK ? GA_OK : fail(store, report, code, "read the oplog");
}

static enum ga_status read_next(struct store *base, struct store_chunk *chunk_out, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    sqlite3_stmt *stmt = statement(store, STATEMENT_CHUNK_READ);
    int code = row(store, stmt);
    if (code == SQLITE_DONE)
        return GA_NOT_FOUND;
    if (code != SQLITE_ROW)
        return fail(store, report, code, "read the oplog");
    chunk_out->first_index = column_u64(stmt, 0);
    chunk_out->count = (uint32_t)column_u64(stmt, 1);
    chunk_out->epoch = column_u64(stmt, 2);
    chunk_out->hash = column_u64(stmt, 3);
    chunk_out->written_size = (size_t)column_u64(stmt, 4);
    chunk_out->data = sqlite3_column_blob(stmt, 5);
    chunk_out->size = (size_t)sqlite3_column_bytes(stmt, 5);
    return GA_OK;
}

static enum ga_status hash_at(struct store *base, uint64_t worker_id, uint64_t index, uint64_t *hash_out,
                              struct ga_report *report)
{
    struct store_chunk chunk = {0};
    enum ga_status status = find_chunk(self(base), worker_id, index, &chunk, report);
    if (status != GA_OK)
        return status;
    *hash_out = chunk.hash;
    return chunk.first_index + chunk.count - 1 == index ? GA_OK : GA_NOT_FOUND;
}

static enum ga_status invocation_find(struct store *base, uint64_t worker_id, const char *key,
                                      struct store_invocation *out, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    char label[600];
    sqlite3_stmt *stmt = statement(store, STATEMENT_INVOCATION_FIND);
    bind_u64(stmt, 1, worker_id);
    bind_text(stmt, 2, key);
    int code = row(store, stmt);
    if (code == SQLITE_DONE)
        return GA_NOT_FOUND;
    if (code != SQLITE_ROW)
        return fail(store, report, code, "look up key \"%s\" of %s", key, worker_label(store, worker_id, label));
    *out = (struct store_invocation){key, column_u64(stmt, 0), column_u64(stmt, 1)};
    sqlite3_reset(stmt);
    return GA_OK;
}

static enum ga_status invocation_summary(struct store *base, uint64_t worker_id, struct store_invocation_summary *out,
                                         struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    char label[600];
    sqlite3_stmt *stmt = statement(store, STATEMENT_INVOCATION_SUMMARY);
    bind_u64(stmt, 1, worker_id);
    int code = row(store, stmt);
    if (code != SQLITE_ROW)
        return fail(store, report, code, "count the invocations of %s", worker_label(store, worker_id, label));
    *out = (struct store_invocation_summary){column_u64(stmt, 0), column_u64(stmt, 1)};
    sqlite3_reset(stmt);
    return GA_OK;
}

/* --- promises --- */

/* In column `complete`. */
enum { PROMISE_COMPLETE_BIT = 1, PROMISE_DELETED_BIT = 2 };

static void bind_promise(sqlite3_stmt *stmt, const char *component_id, const char *worker, uint64_t index)
{
    bind_text(stmt, 1, component_id);
    bind_text(stmt, 2, worker);
    bind_u64(stmt, 3, index);
}

static enum ga_status promise_get(struct store *base, const char *component_id, const char *worker, uint64_t index,
                                  struct ga_arena *arena, struct store_promise *out, struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    sqlite3_stmt *stmt = statement(store, STATEMENT_PROMISE_GET);
    bind_promise(stmt, component_id, worker, index);
    int code = row(store, stmt);
    if (code == SQLITE_DONE)
        return GA_NOT_FOUND;
    if (code != SQLITE_ROW)
        return fail(store, report, code, "read promise %" PRIu64 " of worker \"%s\"", index, worker);
    const void *data = sqlite3_column_blob(stmt, 1);
    *out = (struct store_promise){.complete = (sqlite3_column_int(stmt, 0) & PROMISE_COMPLETE_BIT) != 0,
                                  .deleted = (sqlite3_column_int(stmt, 0) & PROMISE_DELETED_BIT) != 0,
                                  .size = (size_t)sqlite3_column_bytes(stmt, 1)};
    if (out->size)
        out->data = memcpy(ga_arena_alloc_raw(arena, out->size), data, out->size);
    sqlite3_reset(stmt);
    return GA_OK;
}

/* Inside a transaction: was the promise completed by that very call? SQLITE_DONE: it is not there, or deleted without
 * having been. */
static int promise_state(struct store_sqlite *store, const char *component_id, const char *worker, uint64_t index,
                         struct store_completer by, bool *same_out)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_PROMISE_GET);
    bind_promise(stmt, component_id, worker, index);
    int code = row(store, stmt);
    if (code != SQLITE_ROW)
        return code;
    int state = sqlite3_column_int(stmt, 0);
    *same_out = (state & PROMISE_COMPLETE_BIT) && by.worker_id && column_u64(stmt, 2) == by.worker_id &&
                column_u64(stmt, 3) == by.oplog_index;
    sqlite3_reset(stmt);
    return (state & PROMISE_DELETED_BIT) && !*same_out ? SQLITE_DONE : SQLITE_ROW;
}

static int write_completion(struct store_sqlite *store, const char *component_id, const char *worker, uint64_t index,
                            const void *data, size_t size, struct store_completer by)
{
    sqlite3_stmt *stmt = statement(store, STATEMENT_PROMISE_COMPLETE);
    bind_promise(stmt, component_id, worker, index);
    sqlite3_bind_blob64(stmt, 4, size ? data : "", size, SQLITE_STATIC);
    bind_u64(stmt, 5, by.worker_id);
    bind_u64(stmt, 6, by.oplog_index);
    return run(store, stmt);
}

static enum ga_status promise_complete(struct store *base, const char *component_id, const char *worker, uint64_t index,
                                       const void *data, size_t size, struct store_completer by, bool *done_out,
                                       struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    bool same = false;
    int code = begin(store);
    if (code == SQLITE_OK) {
        code = promise_state(store, component_id, worker, index, by, &same);
        if (code == SQLITE_DONE) {
            rollback(store);
            return ga_report_set(report, GA_NOT_FOUND, "%s: worker \"%s\" has no promise %" PRIu64, store->directory,
                                 worker, index);
        }
        if (code == SQLITE_ROW)
            code = write_completion(store, component_id, worker, index, data, size, by);
    }
    *done_out = same || (code == SQLITE_OK && sqlite3_changes(store->database) == 1);
    if (code == SQLITE_OK)
        code = run(store, statement(store, STATEMENT_COMMIT));
    if (code == SQLITE_OK)
        return GA_OK;
    enum ga_status status = fail(store, report, code, "complete promise %" PRIu64 " of worker \"%s\"", index, worker);
    rollback(store);
    return status;
}

static enum ga_status promise_delete(struct store *base, const char *component_id, const char *worker, uint64_t index,
                                     struct ga_report *report)
{
    struct store_sqlite *store = self(base);
    sqlite3_stmt *stmt = statement(store, STATEMENT_PROMISE_DELETE);
    bind_promise(stmt, component_id, worker, index);
    int code = run(store, stmt);
    if (code != SQLITE_OK)
        return fail(store, report, code, "delete promise %" PRIu64 " of worker \"%s\"", index, worker);
    return sqlite3_changes(store->database) == 1 ? GA_OK : GA_NOT_FOUND;
}

/* --- opening --- */

static int read_pragma(struct store_sqlite *store, const char *sql, int64_t *value_out)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(store->database, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        *value_out = sqlite3_column_int64(stmt, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return code;
}

static enum ga_status check_schema(struct store_sqlite *store, struct ga_report *report)
{
    int64_t application = 0, version = 0;
    int code = read_pragma(store, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = read_pragma(store, "PRAGMA user_version", &version);
    if (code != SQLITE_OK)
        return fail(store, report, code, "open golem.db");
    if (application != STORE_APPLICATION_ID)
        return ga_report_set(report, GA_CORRUPT, "%s: golem.db is not a golem-aot database", store->directory);
    if (version != STORE_SCHEMA_VERSION)
        return ga_report_set(report, GA_UNSUPPORTED,
                             "%s: golem.db has schema version %" PRId64 ", this program knows %d", store->directory,
                             version, STORE_SCHEMA_VERSION);
    return GA_OK;
}

static enum ga_status open_database(struct store_sqlite *store, struct ga_report *report)
{
    char *path = sqlite3_mprintf("%s/golem.db", store->directory);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = path ? sqlite3_open_v2(path, &store->database, flags, NULL) : SQLITE_NOMEM;
    sqlite3_free(path);
    if (code != SQLITE_OK)
        return fail(store, report, code, "open golem.db");
    sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS);
    code = sqlite3_exec(store->database, SETTINGS, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return fail(store, report, code, "open golem.db");
    int persist = 1;
    sqlite3_file_control(store->database, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist);
    return check_schema(store, report);
}

/* Two processes may come to the same new directory, and to a WAL that is to be recovered. */
static enum ga_status open_database_alone(struct store_sqlite *store, struct ga_report *report)
{
    while (flock(store->directory_fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return ga_report_errno(report, errno, "%s: cannot lock the data directory", store->directory);
    enum ga_status status = store_schema_create(store->directory, store->directory_fd, report);
    if (status == GA_OK)
        status = open_database(store, report);
    flock(store->directory_fd, LOCK_UN);
    return status;
}

/* Makes a directory, and its name durable: what is committed in it would be lost with the name. An errno, or 0. */
static int make_durable_directory(const char *path)
{
    if (mkdir(path, 0777) != 0)
        return errno == EEXIST ? 0 : errno;
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    free(parent);
    return error == EACCES ? 0 : error; /* a parent that we may not read, we cannot sync */
}

/* With all that lead to it. */
static enum ga_status make_directory(const char *path, struct ga_report *report)
{
    int error = 0;
    char *copy = strdup(path);
    if (!copy)
        return ga_report_set(report, GA_NO_MEMORY, "out of memory");
    size_t size = strlen(copy);
    while (size > 1 && copy[size - 1] == '/')
        copy[--size] = 0;
    for (char *slash = copy + 1; !error && (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        error = make_durable_directory(copy);
    }
    if (!error)
        error = make_durable_directory(copy);
    free(copy);
    return error ? ga_report_errno(report, error, "%s: cannot make the data directory", path) : GA_OK;
}

static int open_existing(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum ga_status open_directory(struct store_sqlite *store, bool must_exist, struct ga_report *report)
{
    store->directory_fd = open_existing(store->directory);
    if (store->directory_fd < 0 && errno == ENOENT && !must_exist) {
        enum ga_status status = make_directory(store->directory, report);
        if (status != GA_OK)
            return status;
        store->directory_fd = open_existing(store->directory);
    }
    if (store->directory_fd < 0)
        return ga_report_errno(report, errno, "%s: cannot open the data directory", store->directory);
    if (must_exist && faccessat(store->directory_fd, "golem.db", F_OK, 0) != 0)
        return ga_report_errno(report, errno, "%s: cannot open golem.db", store->directory);
    if (mkdirat(store->directory_fd, "workers", 0700) != 0 && errno != EEXIST)
        return ga_report_errno(report, errno, "%s/workers: cannot make the directory", store->directory);
    return GA_OK;
}

static void store_close(struct store *base)
{
    struct store_sqlite *store = self(base);
    while (store->workers)
        worker_close(base, store->workers->worker.id);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->database);
    if (store->directory_fd >= 0)
        close(store->directory_fd);
    free(store);
}

static const struct store_ops SQLITE_OPS = {
    .worker_find = worker_find,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .commit = commit,
    .cut = cut,
    .read_start = read_start,
    .read_next = read_next,
    .read_end = read_end,
    .hash_at = hash_at,
    .invocation_find = invocation_find,
    .invocation_summary = invocation_summary,
    .promise_get = promise_get,
    .promise_complete = promise_complete,
    .promise_delete = promise_delete,
    .worker_directory = worker_directory,
    .close = store_close,
};

enum ga_status store_sqlite_open(const char *directory, bool must_exist, struct store **store_out,
                                 struct ga_report *report)
{
    struct store_sqlite *store = calloc(1, sizeof *store + strlen(directory) + 1);
    if (!store)
        return ga_report_set(report, GA_NO_MEMORY, "out of memory");
    store->store.ops = &SQLITE_OPS;
    store->directory_fd = -1;
    memcpy(store->directory, directory, strlen(directory) + 1);
    enum ga_status status = open_directory(store, must_exist, report);
    if (status == GA_OK)
        status = open_database_alone(store, report);
    if (status != GA_OK) {
        store_close(&store->store);
        return status;
    }
    *store_out = &store->store;
    return GA_OK;
}
