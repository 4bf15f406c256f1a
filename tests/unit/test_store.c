#define _GNU_SOURCE
#include "store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];
static struct ga_report report;
static const struct store_worker WANTED = {.component_id = "id", .component_hash = "hash", .created_at_ns = 7};

static void setup(void)
{
    strcpy(directory, "/tmp/golem-store-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store, .init = setup, .fini = teardown);

static struct store *open_store(void)
{
    struct store *store;
    report = (struct ga_report){0};
    cr_assert_eq(store_sqlite_open(directory, false, &store, &report), GA_OK, "%s", report.text);
    return store;
}

static struct store_worker open_worker(struct store *store, const char *name)
{
    struct store_worker worker;
    bool created;
    cr_assert_eq(store->ops->worker_open(store, name, &WANTED, &worker, &created, &report), GA_OK, "%s", report.text);
    return worker;
}

static enum ga_status append(struct store *store, const struct store_worker *worker, uint64_t first, uint32_t count,
                             const char *data)
{
    struct store_chunk chunk = {.first_index = first,
                                .count = count,
                                .epoch = worker->epoch,
                                .hash = first * 100,
                                .data = data,
                                .size = strlen(data)};
    return store->ops->commit(store, worker->id, &(struct store_commit){.chunk = &chunk}, &report);
}

static void execute(const char *sql)
{
    char path[128];
    snprintf(path, sizeof path, "%s/golem.db", directory);
    sqlite3 *database;
    cr_assert_eq(sqlite3_open(path, &database), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(database));
    sqlite3_close(database);
}

Test(store, chunks_come_back_in_order_after_reopening)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    cr_assert_eq(worker.epoch, 1);
    cr_assert_eq(append(store, &worker, 1, 2, "one"), GA_OK);
    cr_assert_eq(append(store, &worker, 3, 5, "three"), GA_OK);
    store->ops->close(store);
    store = open_store();
    struct store_worker again = open_worker(store, "a");
    cr_assert_eq(again.id, worker.id);
    cr_assert_eq(again.epoch, 2);
    cr_assert_eq(again.last_index, 7);
    cr_assert_eq(again.last_hash, 300);
    cr_assert_str_eq(again.component_hash, "hash");
    struct store_chunk chunk;
    cr_assert_eq(store->ops->read_start(store, again.id, 2, &report), GA_OK);
    cr_assert_eq(store->ops->read_next(store, &chunk, &report), GA_OK);
    cr_assert(chunk.first_index == 1 && chunk.count == 2 && chunk.size == 3 && !memcmp(chunk.data, "one", 3));
    cr_assert_eq(store->ops->read_next(store, &chunk, &report), GA_OK);
    cr_assert(chunk.first_index == 3 && chunk.hash == 300 && chunk.written_size == 5);
    cr_assert_eq(store->ops->read_next(store, &chunk, &report), GA_NOT_FOUND);
    uint64_t hash;
    cr_assert_eq(store->ops->hash_at(store, again.id, 2, &hash, &report), GA_OK);
    cr_assert_eq(hash, 100);
    cr_assert_eq(store->ops->hash_at(store, again.id, 4, &hash, &report), GA_NOT_FOUND);
    cr_assert_eq(store->ops->hash_at(store, again.id, 8, &hash, &report), GA_NOT_FOUND);
    store->ops->close(store);
}

Test(store, a_worker_exists_from_its_first_commit_on)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a"), found;
    cr_assert_eq(store->ops->worker_find(store, "a", &found, &report), GA_NOT_FOUND);
    cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK);
    cr_assert_eq(store->ops->worker_find(store, "a", &found, &report), GA_OK);
    cr_assert_eq(found.id, worker.id);
    store->ops->close(store);
}

Test(store, a_second_process_is_refused_until_the_owner_dies)
{
    struct store *store = open_store();
    struct store_worker worker;
    bool created;
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *own = open_store();
        open_worker(own, "a");
        (void)!write(ready[1], "x", 1);
        pause();
    }
    char byte;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(store->ops->worker_open(store, "a", &WANTED, &worker, &created, &report), GA_CONFLICT);
    char expected[64];
    snprintf(expected, sizeof expected, "worker \"a\" is live in another process (%d)", (int)child);
    cr_assert_not_null(strstr(report.text, expected), "%s", report.text);
    open_worker(store, "b");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    report = (struct ga_report){0};
    open_worker(store, "a");
    store->ops->close(store);
}

Test(store, an_append_of_an_older_epoch_is_refused)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK);
    execute("UPDATE worker SET epoch = 9");
    cr_assert_eq(append(store, &worker, 2, 1, "y"), GA_CONFLICT);
    cr_assert_not_null(strstr(report.text, "worker \"a\" has a newer owner"), "%s", report.text);
    struct store_worker found;
    cr_assert_eq(store->ops->worker_find(store, "a", &found, &report), GA_OK);
    cr_assert_eq(found.last_index, 1);
    store->ops->close(store);
}

Test(store, one_index_is_written_once)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK);
    cr_assert_eq(append(store, &worker, 1, 1, "y"), GA_CONFLICT);
    cr_assert_not_null(strstr(report.text, "append entries 1 to 1 of worker \"a\""), "%s", report.text);
    report = (struct ga_report){0};
    cr_assert_eq(append(store, &worker, 2, 1, "y"), GA_OK, "%s", report.text);
    store->ops->close(store);
}

Test(store, names_that_look_alike_on_disk_are_different_workers)
{
    struct store *store = open_store();
    struct store_worker a = open_worker(store, "a/b"), b = open_worker(store, "a:b"), c = open_worker(store, "..");
    cr_assert(a.id != b.id && b.id != c.id);
    static char long_name[600];
    memset(long_name, 'n', sizeof long_name - 1);
    struct store_worker worker;
    bool created;
    cr_assert_eq(store->ops->worker_open(store, long_name, &WANTED, &worker, &created, &report), GA_INVALID);
    report = (struct ga_report){0};
    cr_assert_eq(store->ops->worker_open(store, "", &WANTED, &worker, &created, &report), GA_INVALID);
    store->ops->close(store);
}

Test(store, keys_are_found_and_completed)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    struct store_invocation invocation = {"k", 2, 0}, found;
    struct store_chunk chunk = {.first_index = 1, .count = 2, .data = "ab", .size = 2};
    struct store_commit commit = {.chunk = &chunk, .invocations = &invocation, .invocation_count = 1};
    cr_assert_eq(store->ops->commit(store, worker.id, &commit, &report), GA_OK);
    cr_assert_eq(store->ops->invocation_find(store, worker.id, "k", &found, &report), GA_OK);
    cr_assert(found.invoked_index == 2 && found.completed_index == 0);
    chunk.first_index = 3;
    invocation.completed_index = 4;
    cr_assert_eq(store->ops->commit(store, worker.id, &commit, &report), GA_OK);
    cr_assert_eq(store->ops->invocation_find(store, worker.id, "k", &found, &report), GA_OK);
    cr_assert_eq(found.completed_index, 4);
    cr_assert_eq(store->ops->invocation_find(store, worker.id, "other", &found, &report), GA_NOT_FOUND);
    /* A cut behind entry 3 opens it again; one behind entry 1 takes it away. */
    struct store_chunk shorter = {.first_index = 3, .count = 1, .data = "c", .size = 1};
    cr_assert_eq(store->ops->cut(store, worker.id, 3, &shorter, &report), GA_OK);
    cr_assert_eq(store->ops->invocation_find(store, worker.id, "k", &found, &report), GA_OK);
    cr_assert_eq(found.completed_index, 0);
    shorter.first_index = 1;
    cr_assert_eq(store->ops->cut(store, worker.id, 1, &shorter, &report), GA_OK);
    cr_assert_eq(store->ops->invocation_find(store, worker.id, "k", &found, &report), GA_NOT_FOUND);
    store->ops->close(store);
}

static bool complete(struct store *store, uint64_t index, const char *data, struct store_completer by)
{
    bool done;
    cr_assert_eq(store->ops->promise_complete(store, "id", "a", index, data, strlen(data), by, &done, &report), GA_OK,
                 "%s", report.text);
    return done;
}

Test(store, a_promise_is_completed_once_but_by_the_same_completer_again)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    struct store_chunk chunk = {.first_index = 1, .count = 1, .data = "a", .size = 1};
    uint64_t promise = 1;
    struct store_commit commit = {.chunk = &chunk, .promises = &promise, .promise_count = 1};
    cr_assert_eq(store->ops->commit(store, worker.id, &commit, &report), GA_OK);
    struct ga_arena arena = {0};
    struct store_promise got;
    cr_assert_eq(store->ops->promise_get(store, "id", "a", 1, &arena, &got, &report), GA_OK);
    cr_assert_not(got.complete);
    cr_assert(complete(store, 1, "data", (struct store_completer){5, 9}));
    cr_assert(complete(store, 1, "data", (struct store_completer){5, 9}));
    cr_assert_not(complete(store, 1, "other", (struct store_completer){5, 10}));
    cr_assert_not(complete(store, 1, "other", (struct store_completer){0, 0}));
    cr_assert_eq(store->ops->promise_get(store, "id", "a", 1, &arena, &got, &report), GA_OK);
    cr_assert(got.complete && got.size == 4 && !memcmp(got.data, "data", 4));
    cr_assert_eq(store->ops->promise_get(store, "id", "a", 2, &arena, &got, &report), GA_NOT_FOUND);
    bool done;
    cr_assert_eq(store->ops->promise_complete(store, "id", "a", 2, "", 0, (struct store_completer){0, 0}, &done, &report),
                 GA_NOT_FOUND);
    ga_arena_free(&arena);
    store->ops->close(store);
}

Test(store, a_deleted_promise_keeps_its_data_and_takes_no_other)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    struct store_chunk chunk = {.first_index = 1, .count = 1, .data = "a", .size = 1};
    uint64_t promises[] = {1, 2};
    struct store_commit commit = {.chunk = &chunk, .promises = promises, .promise_count = 2};
    cr_assert_eq(store->ops->commit(store, worker.id, &commit, &report), GA_OK);
    struct ga_arena arena = {0};
    struct store_promise got;
    bool done;
    cr_assert(complete(store, 1, "data", (struct store_completer){5, 9}));
    for (uint64_t index = 1; index <= 2; index++) {
        cr_assert_eq(store->ops->promise_delete(store, "id", "a", index, &report), GA_OK);
        cr_assert_eq(store->ops->promise_delete(store, "id", "a", index, &report), GA_OK);
        cr_assert_eq(store->ops->promise_complete(store, "id", "a", index, "other", 5, (struct store_completer){0, 0},
                                                  &done, &report),
                     GA_NOT_FOUND);
        cr_assert_eq(store->ops->promise_get(store, "id", "a", index, &arena, &got, &report), GA_OK);
        cr_assert(got.deleted && got.complete == (index == 1));
        cr_assert(index == 2 || (got.size == 4 && !memcmp(got.data, "data", 4)));
    }
    cr_assert(complete(store, 1, "data", (struct store_completer){5, 9}), "who completed it has still done so");
    cr_assert_eq(store->ops->promise_delete(store, "id", "a", 3, &report), GA_NOT_FOUND);
    ga_arena_free(&arena);
    store->ops->close(store);
}

Test(store, other_databases_and_newer_schemas_are_refused)
{
    struct store *store = open_store();
    store->ops->close(store);
    execute("PRAGMA user_version = 99");
    cr_assert_eq(store_sqlite_open(directory, false, &store, &report), GA_UNSUPPORTED);
    cr_assert_not_null(strstr(report.text, "schema version 99"), "%s", report.text);
    execute("PRAGMA application_id = 5");
    report = (struct ga_report){0};
    cr_assert_eq(store_sqlite_open(directory, false, &store, &report), GA_CORRUPT);
    char path[128];
    snprintf(path, sizeof path, "%s/golem.db", directory);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("not a database ", file);
    fclose(file);
    report = (struct ga_report){0};
    cr_assert_eq(store_sqlite_open(directory, false, &store, &report), GA_CORRUPT);
}

Test(store, an_empty_or_missing_database_beside_workers_is_refused_and_left_alone)
{
    char path[128], wal[128];
    snprintf(path, sizeof path, "%s/golem.db", directory);
    snprintf(wal, sizeof wal, "%s/golem.db-wal", directory);
    struct store *store = open_store();
    cr_assert_eq(truncate(path, 0), 0);
    store->ops->close(store);
    store = open_store(); /* no worker was there: as good as new */
    struct store_worker worker = open_worker(store, "a/b");
    cr_assert_eq(append(store, &worker, 1, 2, "one"), GA_OK);
    store->ops->close(store);
    for (int missing = 0; missing < 2; missing++) {
        cr_assert_eq(missing ? unlink(path) : truncate(path, 0), 0);
        report = (struct ga_report){0};
        cr_assert_eq(store_sqlite_open(directory, false, &store, &report), GA_CORRUPT);
        cr_assert_not_null(strstr(report.text, "workers/a_b-"), "%s", report.text);
        cr_assert_eq(access(path, F_OK), missing ? -1 : 0);
        cr_assert_eq(access(wal, F_OK), 0);
    }
}

Test(store, a_missing_data_directory_is_not_made_for_readers)
{
    struct store *store;
    char path[128];
    snprintf(path, sizeof path, "%s/x/y", directory);
    cr_assert_eq(store_sqlite_open(path, true, &store, &report), GA_NOT_FOUND);
    cr_assert_neq(access(path, F_OK), 0);
    report = (struct ga_report){0};
    cr_assert_eq(store_sqlite_open(path, false, &store, &report), GA_OK, "%s", report.text);
    store->ops->close(store);
}

/* SQLite reports a file size limit as a full disk does: a write that fails. */
Test(store, a_write_that_fails_leaves_the_store_as_it_was)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK);
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {200000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    enum ga_status status = append(store, &worker, 2, 1, large);
    cr_assert(status == GA_IO || status == GA_NO_SPACE, "%s: %s", ga_status_name(status), report.text);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    report = (struct ga_report){0};
    cr_assert_eq(append(store, &worker, 2, 1, large), GA_OK, "%s", report.text);
    store->ops->close(store);
}

/* The child tells by a pipe what was acknowledged; SIGKILL comes at any instant. */
static void append_for_ever(int acknowledged)
{
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    for (uint64_t index = worker.last_index + 1;; index += 3) {
        if (append(store, &worker, index, 3, "three entries") != GA_OK)
            _exit(1);
        (void)!write(acknowledged, &index, sizeof index);
    }
}

Test(store, nothing_acknowledged_is_lost_by_sigkill, .timeout = 60)
{
    uint64_t last = 0;
    srand(1);
    for (int round = 0; round < 20; round++) {
        int acknowledged[2];
        cr_assert_eq(pipe2(acknowledged, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0)
            append_for_ever(acknowledged[1]);
        close(acknowledged[1]);
        usleep(10000 + (useconds_t)(rand() % 30000));
        kill(child, SIGKILL);
        for (uint64_t index; read(acknowledged[0], &index, sizeof index) == (ssize_t)sizeof index;)
            last = index + 2;
        close(acknowledged[0]);
        waitpid(child, NULL, 0);
        struct store *store = open_store();
        struct store_worker worker;
        enum ga_status status = store->ops->worker_find(store, "a", &worker, &report);
        cr_assert(status == GA_OK || last == 0);
        if (status == GA_OK) {
            cr_assert(worker.last_index == last || worker.last_index == last + 3);
            last = worker.last_index;
        }
        store->ops->close(store);
    }
    cr_assert_gt(last, 0);
}

/* Whatever a process leaves that dies while it makes the database. */
Test(store, a_database_that_was_half_made_is_made_again)
{
    static const char *const LEFT[] = {"golem.db.new", "golem.db", "golem.db-wal"};
    for (size_t i = 0; i < sizeof LEFT / sizeof *LEFT; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", directory, LEFT[i]);
        FILE *file = fopen(path, "w");
        if (i != 1)
            fputs("half of it", file);
        fclose(file);
        struct store *store = open_store();
        struct store_worker worker = open_worker(store, "a");
        cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK, "%s: %s", LEFT[i], report.text);
        store->ops->close(store);
        store = open_store();
        cr_assert_eq(open_worker(store, "a").last_index, 1, "%s", LEFT[i]);
        store->ops->close(store);
        snprintf(path, sizeof path, "rm -rf %s/*", directory);
        cr_assert_eq(system(path), 0);
    }
}

Test(store, a_wal_without_its_database_is_no_part_of_a_new_one)
{
    char command[256];
    struct store *store = open_store();
    struct store_worker worker = open_worker(store, "a");
    cr_assert_eq(append(store, &worker, 1, 1, "x"), GA_OK);
    snprintf(command, sizeof command, "cp %s/golem.db-wal %s/kept", directory, directory);
    cr_assert_eq(system(command), 0);
    store->ops->close(store);
    snprintf(command, sizeof command, "cd %s && rm -r golem.db workers && mv kept golem.db-wal", directory);
    cr_assert_eq(system(command), 0);
    store = open_store();
    cr_assert_eq(store->ops->worker_find(store, "a", &worker, &report), GA_NOT_FOUND);
    store->ops->close(store);
}
