/*
 * Verify: everything is replayed, from the beginning, and compared. The newest checkpoint is restored in a process of
 * its own, which tells the digest of what it has restored and at which host call that was; the replay takes the same
 * digest when it comes to that call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker_parts.h"

/* Verify has come to where the newest checkpoint was taken? Host calls are counted, idle moments told apart by the
 * oplog. */
void worker_compare_digest(struct worker *worker)
{
    bool here = worker->digest_at.in_invocation ? REGION->depth == 1 : REGION->depth == 0;
    if (worker->digest_seen || !here || STATE->call_count != worker->digest_call_count)
        return;
    if (!worker->digest_at.in_invocation && worker->replay.position != worker->digest_at.oplog_index)
        return;
    worker->digest_replayed = worker_digest(worker);
    worker->digest_seen = true;
}

/* What a restored image is like, found out in a process of its own. */
struct restored_image {
    bool found;
    uint64_t beyond; /* checkpoint_beyond */
    struct ckpt_info info;
    uint64_t call_count, digest;
};

static void restore_in_child(struct worker *worker, const struct worker_config *config, struct restored_image *out)
{
    struct ga_report report = {0};
    bool created;
    worker_init(worker, config);
    worker->looking = true;
    if (worker_open_store(worker, true, false, &created, &report) != GA_OK ||
        worker_make_region(worker, &report) != GA_OK)
        return;
    enum ga_status status = ckpt_restore(worker->ckpt, worker_accept_checkpoint, worker, &out->info, &report);
    out->beyond = worker->checkpoint_beyond;
    if (status != GA_OK)
        return;
    out->found = true;
    out->call_count = STATE->call_count;
    out->digest = worker_digest(worker);
    worker_close_files(worker);
}

static enum ga_status look_at_image(struct worker *worker, const struct worker_config *config,
                                    struct restored_image *out, struct ga_report *report)
{
    int ends[2], wait_status;
    memset(out, 0, sizeof *out);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ga_report_errno(report, errno, "cannot make a pipe");
    pid_t child = fork();
    if (child < 0)
        return ga_report_errno(report, errno, "cannot make a process");
    if (child == 0) {
        restore_in_child(worker, config, out);
        _exit(write(ends[1], out, sizeof *out) == (ssize_t)sizeof *out ? 0 : 1);
    }
    close(ends[1]);
    ssize_t size = read(ends[0], out, sizeof *out);
    close(ends[0]);
    if (waitpid(child, &wait_status, 0) < 0 || wait_status != 0 || size != (ssize_t)sizeof *out)
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\": restoring its newest checkpoint crashed", config->name);
    return GA_OK;
}

static enum ga_status compare_digests(struct worker *worker, struct ga_report *report)
{
    if (!worker->digest_wanted)
        return GA_OK;
    const struct ckpt_info *at = &worker->digest_at;
    if (!worker->digest_seen)
        return ga_report_set(report, GA_DIVERGED,
                             "worker \"%s\", entry %" PRIu64 ": the replay never came to host call %" PRIu64
                             ", where checkpoint %" PRIu64 " was taken",
                             worker->config->name, at->oplog_index, worker->digest_call_count, at->sequence);
    if (worker->digest_restored != worker->digest_replayed)
        return ga_report_set(report, GA_DIVERGED,
                             "worker \"%s\", entry %" PRIu64 ": checkpoint %" PRIu64
                             " restores memory and files with digest %016" PRIx64 ", the replay made %016" PRIx64,
                             worker->config->name, at->oplog_index, at->sequence, worker->digest_restored,
                             worker->digest_replayed);
    return GA_OK;
}

enum ga_status worker_verify(struct worker *worker, const struct worker_config *config, struct ga_report *report)
{
    struct restored_image image;
    enum ga_status status = look_at_image(worker, config, &image, report);
    if (status != GA_OK)
        return status;
    worker_init(worker, config);
    worker->leaving = true;
    worker->digest_wanted = image.found;
    worker->digest_at = image.info;
    worker->digest_call_count = image.call_count;
    worker->digest_restored = image.digest;
    status = worker_start_durable(worker, true, report);
    if (status == GA_OK && image.beyond > worker->identity.last_index)
        return worker_missing_at_end(worker, image.beyond, "a checkpoint was taken there", worker->identity.last_index,
                                     report);
    return status == GA_OK ? compare_digests(worker, report) : status;
}
