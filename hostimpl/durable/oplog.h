#ifndef DURABLE_OPLOG_H
#define DURABLE_OPLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_buf.h"
#include "ga_report.h"

/*
 * Oplog entries: kinds, encoding, printing. The format, the checksum and the hash chain are described in oplog.c.
 * Kinds and order are Golem's (oplog entry JSON "type"s); numbers are ours and never change.
 */
#define OPLOG_KIND_MAP(X)                                                                                    \
    X(1, CREATE, "Create", 0)                                                                                \
    X(2, IMPORTED_FUNCTION_INVOKED, "ImportedFunctionInvoked", 0)                                            \
    X(3, EXPORTED_FUNCTION_INVOKED, "ExportedFunctionInvoked", 0)                                            \
    X(4, EXPORTED_FUNCTION_COMPLETED, "ExportedFunctionCompleted", 0)                                        \
    X(5, SUSPEND, "Suspend", OPLOG_HINT)                                                                     \
    X(6, ERROR, "Error", OPLOG_HINT)                                                                         \
    X(7, NO_OP, "NoOp", 0)                                                                                   \
    X(8, JUMP, "Jump", 0)                                                                                    \
    X(9, INTERRUPTED, "Interrupted", OPLOG_HINT)                                                             \
    X(10, EXITED, "Exited", OPLOG_HINT)                                                                      \
    X(11, CHANGE_RETRY_POLICY, "ChangeRetryPolicy", 0)                                                       \
    X(12, BEGIN_ATOMIC_REGION, "BeginAtomicRegion", 0)                                                       \
    X(13, END_ATOMIC_REGION, "EndAtomicRegion", 0)                                                           \
    X(14, BEGIN_REMOTE_WRITE, "BeginRemoteWrite", 0)                                                         \
    X(15, END_REMOTE_WRITE, "EndRemoteWrite", 0)                                                             \
    X(16, PENDING_WORKER_INVOCATION, "PendingWorkerInvocation", OPLOG_HINT)                                  \
    X(17, PENDING_UPDATE, "PendingUpdate", OPLOG_HINT)                                                       \
    X(18, SUCCESSFUL_UPDATE, "SuccessfulUpdate", OPLOG_HINT)                                                 \
    X(19, FAILED_UPDATE, "FailedUpdate", OPLOG_HINT)                                                         \
    X(20, GROW_MEMORY, "GrowMemory", OPLOG_HINT)                                                             \
    X(21, CREATE_RESOURCE, "CreateResource", OPLOG_HINT)                                                     \
    X(22, DROP_RESOURCE, "DropResource", OPLOG_HINT)                                                         \
    X(23, DESCRIBE_RESOURCE, "DescribeResource", OPLOG_HINT)                                                 \
    X(24, LOG, "Log", OPLOG_HINT)                                                                            \
    X(25, RESTART, "Restart", OPLOG_HINT)                                                                    \
    X(26, ACTIVATE_PLUGIN, "ActivatePlugin", OPLOG_HINT)                                                     \
    X(27, DEACTIVATE_PLUGIN, "DeactivatePlugin", OPLOG_HINT)                                                 \
    X(28, REVERT, "Revert", OPLOG_HINT)                                                                      \
    X(29, CANCEL_PENDING_INVOCATION, "CancelInvocation", OPLOG_HINT)                                         \
    X(30, START_SPAN, "StartSpan", 0)                                                                        \
    X(31, FINISH_SPAN, "FinishSpan", 0)                                                                      \
    X(32, SET_SPAN_ATTRIBUTE, "SetSpanAttribute", 0)                                                         \
    X(33, CHANGE_PERSISTENCE_LEVEL, "ChangePersistenceLevel", 0)

#define OPLOG_HINT 1 /* replay passes over it */

enum oplog_kind {
#define X(number, name, text, flags) OPLOG_##name = (number),
    OPLOG_KIND_MAP(X)
#undef X
};

#endif
