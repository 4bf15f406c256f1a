#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ga_assert.h"
#include "io_stdio.h"

/* A buffer that a large response has made larger than this is given back after the commit. */
enum { KEEP_BYTES = 1 << 24 };

void journal_start(struct journal *journal, struct store *store, uint64_t worker_id, uint64_t epoch,
                   uint64_t last_index, uint64_t last_hash)
{
    *journal = (struct journal){.store = store, .worker_id = worker_id, .epoch = epoch};
    journal->tail.first_index = last_index + 1;
    journal->tail.chain = last_hash;
}

uint64_t journal_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t journal_append(struct journal *journal, enum oplog_kind kind, const struct oplog_value *values)
{
    uint64_t now_us = journal_now_us();
    if (!journal->waiting_since_us)
        journal->waiting_since_us = now_us;
    oplog_append(&journal->tail, kind, now_us, values);
    return journal_last_index(journal);
}

static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 8;
    items = realloc(items, *capacity * size);
    if (!items)
        ga_out_of_memory("the oplog");
    return items;
}

void journal_add_invocation(struct journal *journal, const char *key, uint64_t invoked_index, uint64_t completed_index)
{
    for (uint32_t i = 0; i < journal->invocation_count; i++)
        if (journal->invocations[i].invoked_index == invoked_index) {
            journal->invocations[i].completed_index = completed_index;
            return;
        }
    journal->invocations = grow(journal->invocations, journal->invocation_count, &journal->invocation_capacity,
                                sizeof *journal->invocations);
    char *copy = strdup(key);
    if (!copy)
        ga_out_of_memory("the oplog");
    journal->invocations[journal->invocation_count++] = (struct store_invocation){copy, invoked_index, completed_index};
}

void journal_add_promise(struct journal *journal, uint64_t oplog_index)
{
    journal->promises =
        grow(journal->promises, journal->promise_count, &journal->promise_capacity, sizeof *journal->promises);
    journal->promises[journal->promise_count++] = oplog_index;
}

bool journal_has_promise(const struct journal *journal, uint64_t oplog_index)
{
    for (uint32_t i = 0; i < journal->promise_count; i++)
        if (journal->promises[i] == oplog_index)
            return true;
    return false;
}

void journal_echo(struct journal *journal, int fd, const void *data, size_t size)
{
    ga_buf_append(&journal->echo[fd - 1], data, size);
}

static void flush_echo(struct journal *journal)
{
    for (int fd = 1; fd <= 2; fd++) {
        struct ga_buf *echo = &journal->echo[fd - 1];
        io_stdio_write(fd, echo->data, echo->size);
        echo->size = 0;
    }
}

static void forget_committed(struct journal *journal)
{
    struct oplog_tail *tail = &journal->tail;
    tail->first_index += tail->count;
    tail->count = 0;
    tail->buf.size = 0;
    if (tail->buf.capacity > KEEP_BYTES)
        ga_buf_free(&tail->buf);
    for (uint32_t i = 0; i < journal->invocation_count; i++)
        free((char *)journal->invocations[i].key);
    journal->invocation_count = journal->promise_count = 0;
    journal->waiting_since_us = 0;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static enum ga_status write_commit(struct journal *journal, struct ga_report *report)
{
    const struct oplog_tail *tail = &journal->tail;
    struct store_chunk chunk = {.first_index = tail->first_index,
                                .count = tail->count,
                                .epoch = journal->epoch,
                                .hash = tail->chain,
                                .data = tail->buf.data,
                                .size = tail->buf.size};
    struct store_commit commit = {.chunk = tail->count ? &chunk : NULL,
                                  .invocations = journal->invocations,
                                  .invocation_count = journal->invocation_count,
                                  .promises = journal->promises,
                                  .promise_count = journal->promise_count};
    uint64_t start_ns = monotonic_ns();
    enum ga_status status = journal->store->ops->commit(journal->store, journal->worker_id, &commit, report);
    journal->commit_cost_ns = monotonic_ns() - start_ns;
    journal->commit_count++;
    return status;
}

enum ga_status journal_commit(struct journal *journal, struct ga_report *report)
{
    if (journal->store && !journal_is_committed(journal)) {
        enum ga_status status = write_commit(journal, report);
        if (status != GA_OK)
            return status;
    }
    forget_committed(journal);
    flush_echo(journal);
    return GA_OK;
}

void journal_free(struct journal *journal)
{
    forget_committed(journal);
    free(journal->invocations);
    free(journal->promises);
    ga_buf_free(&journal->tail.buf);
    ga_buf_free(&journal->echo[0]);
    ga_buf_free(&journal->echo[1]);
    *journal = (struct journal){0};
}
