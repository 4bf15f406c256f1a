#include "serve_worker.h"

#include <inttypes.h>
#include <stdio.h>

#include "invocation.h"

/* Why there is no instance, for the server's log. */
static int fail(const struct worker_config *config, enum ga_status status, const char *text)
{
    char line[1200];
    snprintf(line, sizeof line, status == GA_TRAP ? "trap: %s" : "%s", text);
    config->remark(line);
    return 1;
}

static void serve(struct worker *worker, const struct rt_export *handle, struct serve_request *request)
{
    struct ga_report report = {0};
    char line[1200];
    if (invocation_run(worker, handle, serve_message_make, request, &report) == GA_OK) {
        serve_message_end(NULL);
        return;
    }
    snprintf(line, sizeof line, report.status == GA_TRAP ? "trap: %s" : "%s", report.text);
    serve_message_end(line);
}

static void flush(struct worker *worker)
{
    (void)worker;
    serve_link_flush();
}

int serve_worker_run(int socket, const struct worker_config *config, const struct rt_export *handle)
{
    struct ga_report report = {0};
    struct worker *worker = &worker_this;
    struct serve_request request;
    bool again = true;
    enum ga_status status = worker_start(worker, config, &report);
    if (status != GA_OK)
        return fail(config, status, report.text);
    if (worker->stillborn)
        return fail(config, worker->failed ? GA_TRAP : GA_EXITED,
                    worker->failed ? worker->failure : "the guest called exit while it was instantiated");
    worker->before_waiting = flush;
    serve_link_open(socket);
    serve_link_put(SERVE_READY, NULL, 0);
    serve_link_flush();
    while (again && serve_link_next_request(&request.message)) {
        serve(worker, handle, &request);
        serve_link_flush();
        serve_link_skip_body();
        again = worker_reset(worker);
        serve_link_put(again ? SERVE_DONE : SERVE_LAST, NULL, 0);
        serve_link_flush();
    }
    return worker_stop(worker, &report) == GA_OK ? 0 : 1;
}
