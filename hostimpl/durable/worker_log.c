/*
 * What the guest prints: Log entries. They are hints, which the replay passes over; one that stands in the oplog already
 * is not written again, and not shown again.
 */
#include <string.h>

#include "io_stdio.h"
#include "record.h"

static int stream_of(const struct worker *worker, enum worker_stream stream)
{
    return worker->config->command && stream == WORKER_STDOUT ? 1 : 2;
}

/* True if the entry is there already: in replay always, and behind the last call for as long as Log entries
 * follow. */
static bool log_is_recorded(struct worker *worker)
{
    struct oplog_entry entry;
    struct ga_report report = {0};
    bool found = false;
    if (!worker->replay.reading)
        return false;
    if (replay_take_log(&worker->replay, &entry, &found, &report) != GA_OK)
        worker_abandon(worker, &report);
    if (found || worker->replaying)
        return true;
    worker_go_live(worker);
    return false;
}

enum { LEVEL_STDOUT, LEVEL_STDERR, LEVEL_TRACE, LEVEL_INFO = 4, LEVEL_CRITICAL = 7 };

static void append_log(struct worker *worker, unsigned level, struct oplog_value context, struct oplog_value message)
{
    journal_append(&worker->journal, OPLOG_LOG, (struct oplog_value[]){oplog_number(level), context, message});
}

void worker_log(struct worker *worker, enum worker_stream stream, const void *data, size_t size)
{
    int fd = stream_of(worker, stream);
    if (!worker->recording) {
        io_stdio_write(fd, data, size);
        return;
    }
    if (log_is_recorded(worker))
        return;
    record_refuse_when_leaving(worker, "its standard streams");
    append_log(worker, stream == WORKER_STDOUT ? LEVEL_STDOUT : LEVEL_STDERR,
               oplog_text(stream == WORKER_STDOUT ? "stdout" : "stderr"), oplog_bytes(data, size));
    journal_echo(&worker->journal, fd, data, size);
}

static unsigned level_of(const char *level)
{
    static const char *const LEVELS[] = {"trace", "debug", "info", "warn", "error", "critical"};
    for (unsigned i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
        if (strcmp(level, LEVELS[i]) == 0)
            return LEVEL_TRACE + i;
    return LEVEL_INFO;
}

void worker_log_message(struct worker *worker, const char *level, struct cabi_string context, struct cabi_string message)
{
    if (worker->recording && log_is_recorded(worker))
        return;
    record_refuse_when_leaving(worker, "logging");
    struct ga_buf line = {0};
    ga_buf_printf(&line, "[%s] ", level);
    ga_buf_append(&line, context.data, context.size);
    ga_buf_text(&line, ": ");
    ga_buf_append(&line, message.data, message.size);
    ga_buf_u8(&line, '\n');
    if (worker->recording) {
        append_log(worker, level_of(level), oplog_bytes(context.data, context.size),
                   oplog_bytes(message.data, message.size));
        journal_echo(&worker->journal, 2, line.data, line.size);
    } else {
        io_stdio_write(2, line.data, line.size);
    }
    ga_buf_free(&line);
}
