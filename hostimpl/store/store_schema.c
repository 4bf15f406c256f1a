/*
 * A new database.
 *
 * It is made in memory, written to golem.db.new, synced, and then named golem.db: so there is a whole one or none, and
 * it costs two syncs (the file, the directory) where SQLite, with its rollback journal and then its WAL, takes seven.
 * An empty golem.db counts as none. A WAL without its database belongs to a database that somebody has deleted, and
 * would be taken for a part of the new one: it goes first.
 *
 * Workers' directories are made when the database is durable. So where there is one and no database, that was lost, and
 * with it what workers have done: nothing is made then.
 */
#define _GNU_SOURCE
#include "store_schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ga_assert.h"

/*
 * oplog.place orders the chunks of a worker and tells workers apart (store_sqlite.c). It is the rowid, because SQLite compares
 * keys of any other kind by reading whole rows, and a chunk may have megabytes.
 *
 * Large pages halve the cost of writing long chunks, and cost short commits nothing against their sync. */
static const char SCHEMA[] =
    "PRAGMA page_size = 16384; PRAGMA application_id = %d; PRAGMA user_version = %d;"
    "CREATE TABLE worker(number INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,"
    " component_id TEXT NOT NULL, component_hash TEXT NOT NULL, created_at INTEGER NOT NULL);"
    "CREATE TABLE oplog(place INTEGER PRIMARY KEY, worker INTEGER NOT NULL, first_idx INTEGER NOT NULL,"
    " count INTEGER NOT NULL, epoch INTEGER NOT NULL, hash INTEGER NOT NULL, size INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE invocation(worker INTEGER NOT NULL, key TEXT NOT NULL, invoked_idx INTEGER NOT NULL,"
    " completed_idx INTEGER NOT NULL, PRIMARY KEY(worker, key)) WITHOUT ROWID;"
    "CREATE TABLE promise(component_id TEXT NOT NULL, worker TEXT NOT NULL, idx INTEGER NOT NULL,"
    " complete INTEGER NOT NULL, data BLOB, by_worker INTEGER, by_idx INTEGER,"
    " PRIMARY KEY(component_id, worker, idx)) WITHOUT ROWID;";

/* The header's "file format write version" and "read version", 2 for WAL (sqlite.org, Database File Format, 1.3.3). */
enum { WRITE_VERSION_OFFSET = 18, READ_VERSION_OFFSET = 19, VERSION_WAL = 2 };

/* The bytes of the new database; to be freed with sqlite3_free. NULL: out of memory. */
static unsigned char *make_image(sqlite3_int64 *size_out)
{
    sqlite3 *database = NULL;
    unsigned char *image = NULL;
    char *sql = sqlite3_mprintf(SCHEMA, STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
    if (sql && sqlite3_open(":memory:", &database) == SQLITE_OK) {
        int code = sqlite3_exec(database, sql, NULL, NULL, NULL);
        GA_ASSERT(code == SQLITE_OK || code == SQLITE_NOMEM);
        image = code == SQLITE_OK ? sqlite3_serialize(database, "main", size_out, 0) : NULL;
    }
    sqlite3_close(database);
    sqlite3_free(sql);
    if (image)
        image[WRITE_VERSION_OFFSET] = image[READ_VERSION_OFFSET] = VERSION_WAL;
    return image;
}

static bool write_whole(int fd, const unsigned char *data, sqlite3_int64 size)
{
    for (sqlite3_int64 done = 0; done < size;) {
        ssize_t written = write(fd, data + done, (size_t)(size - done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        done += written;
    }
    return true;
}

static bool remove_if_there(int directory_fd, const char *name)
{
    return unlinkat(directory_fd, name, 0) == 0 || errno == ENOENT;
}

/* False with errno. */
static bool write_database(int directory_fd, const unsigned char *image, sqlite3_int64 size)
{
    int fd = openat(directory_fd, "golem.db.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool good = write_whole(fd, image, size) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return good && remove_if_there(directory_fd, "golem.db-wal") && remove_if_there(directory_fd, "golem.db-journal") &&
           renameat(directory_fd, "golem.db.new", directory_fd, "golem.db") == 0 && fsync(directory_fd) == 0;
}

/* name_out: empty if no worker has a directory. An errno, or 0. */
static int find_worker_directory(int directory_fd, char name_out[static NAME_MAX + 1])
{
    *name_out = 0;
    int fd = openat(directory_fd, "workers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        int error = errno;
        close(fd);
        return error;
    }
    for (struct dirent *entry; !*name_out && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            snprintf(name_out, NAME_MAX + 1, "%s", entry->d_name);
    closedir(directory);
    return 0;
}

static enum ga_status refuse_lost_database(const char *directory, int directory_fd, struct ga_report *report)
{
    char name[NAME_MAX + 1];
    int error = find_worker_directory(directory_fd, name);
    if (error)
        return ga_report_errno(report, error, "%s/workers: cannot read the directory", directory);
    if (!*name)
        return GA_OK;
    return ga_report_set(report, GA_CORRUPT,
                         "%s: golem.db is missing or empty, but there is workers/%s: the database was lost (restore it, or "
                         "remove the directory \"workers\" to begin anew)",
                         directory, name);
}

enum ga_status store_schema_create(const char *directory, int directory_fd, struct ga_report *report)
{
    struct stat about;
    sqlite3_int64 size = 0;
    bool missing = fstatat(directory_fd, "golem.db", &about, 0) != 0;
    if (missing && errno != ENOENT)
        return ga_report_errno(report, errno, "%s: cannot open golem.db", directory);
    if (!missing && about.st_size > 0)
        return GA_OK;
    enum ga_status status = refuse_lost_database(directory, directory_fd, report);
    if (status != GA_OK)
        return status;
    unsigned char *image = make_image(&size);
    if (!image)
        return ga_report_set(report, GA_NO_MEMORY, "out of memory");
    bool good = write_database(directory_fd, image, size);
    int error = errno;
    sqlite3_free(image);
    return good ? GA_OK : ga_report_errno(report, error, "%s: cannot create golem.db", directory);
}
