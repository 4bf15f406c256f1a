#include "ga_assert.h"
#include "host_functions.h"

static const char *const level_names[] = {
    [WASI_LOGGING_LOGGING_LEVEL_TRACE] = "trace", [WASI_LOGGING_LOGGING_LEVEL_DEBUG] = "debug",
    [WASI_LOGGING_LOGGING_LEVEL_INFO] = "info",   [WASI_LOGGING_LOGGING_LEVEL_WARN] = "warn",
    [WASI_LOGGING_LOGGING_LEVEL_ERROR] = "error", [WASI_LOGGING_LOGGING_LEVEL_CRITICAL] = "critical",
};

void wasi_logging_logging_log(struct worker *worker, uint32_t level, struct cabi_string context,
                              struct cabi_string message)
{
    GA_ASSERT(level < sizeof level_names / sizeof *level_names);
    worker_log_message(worker, level_names[level], context, message);
}
