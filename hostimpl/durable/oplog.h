#ifndef DURABLE_OPLOG_H
#define DURABLE_OPLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ga_buf.h"
#include "ga_report.h"

/*
 * Oplog entries: kinds, encoding, printing. The format, the checksum and the hash chain are described in oplog.c.
 * Kinds and order are Golem's (oplog entry JSON "type"s); numbers are ours and never change.
 */
#define OPLOG_KIND_MAP(X)                                                   \
    X(1, CREATE, "Create", 0)                                               \
    X(2, IMPORTED_FUNCTION_INVOKED, "ImportedFunctionInvoked", 0)           \
    X(3, EXPORTED_FUNCTION_INVOKED, "ExportedFunctionInvoked", 0)           \
    X(4, EXPORTED_FUNCTION_COMPLETED, "ExportedFunctionCompleted", 0)       \
    X(5, SUSPEND, "Suspend", OPLOG_HINT)                                    \
    X(6, ERROR, "Error", OPLOG_HINT)                                        \
    X(7, NO_OP, "NoOp", 0)                                                  \
    X(8, JUMP, "Jump", 0)                                                   \
    X(9, INTERRUPTED, "Interrupted", OPLOG_HINT)                            \
    X(10, EXITED, "Exited", OPLOG_HINT)                                     \
    X(11, CHANGE_RETRY_POLICY, "ChangeRetryPolicy", 0)                      \
    X(12, BEGIN_ATOMIC_REGION, "BeginAtomicRegion", 0)                      \
    X(13, END_ATOMIC_REGION, "EndAtomicRegion", 0)                          \
    X(14, BEGIN_REMOTE_WRITE, "BeginRemoteWrite", 0)                        \
    X(15, END_REMOTE_WRITE, "EndRemoteWrite", 0)                            \
    X(16, PENDING_WORKER_INVOCATION, "PendingWorkerInvocation", OPLOG_HINT) \
    X(17, PENDING_UPDATE, "PendingUpdate", OPLOG_HINT)                      \
    X(18, SUCCESSFUL_UPDATE, "SuccessfulUpdate", OPLOG_HINT)                \
    X(19, FAILED_UPDATE, "FailedUpdate", OPLOG_HINT)                        \
    X(20, GROW_MEMORY, "GrowMemory", OPLOG_HINT)                            \
    X(21, CREATE_RESOURCE, "CreateResource", OPLOG_HINT)                    \
    X(22, DROP_RESOURCE, "DropResource", OPLOG_HINT)                        \
    X(23, DESCRIBE_RESOURCE, "DescribeResource", OPLOG_HINT)                \
    X(24, LOG, "Log", OPLOG_HINT)                                           \
    X(25, RESTART, "Restart", OPLOG_HINT)                                   \
    X(26, ACTIVATE_PLUGIN, "ActivatePlugin", OPLOG_HINT)                    \
    X(27, DEACTIVATE_PLUGIN, "DeactivatePlugin", OPLOG_HINT)                \
    X(28, REVERT, "Revert", OPLOG_HINT)                                     \
    X(29, CANCEL_PENDING_INVOCATION, "CancelInvocation", OPLOG_HINT)        \
    X(30, START_SPAN, "StartSpan", 0)                                       \
    X(31, FINISH_SPAN, "FinishSpan", 0)                                     \
    X(32, SET_SPAN_ATTRIBUTE, "SetSpanAttribute", 0)                        \
    X(33, CHANGE_PERSISTENCE_LEVEL, "ChangePersistenceLevel", 0)

#define OPLOG_HINT 1 /* replay passes over it */

enum oplog_kind {
#define X(number, name, text, flags) OPLOG_##name = (number),
    OPLOG_KIND_MAP(X)
#undef X
        OPLOG_KIND_END
};

/* How a field of a body is encoded and printed; see oplog.c. */
enum oplog_field_type {
    OPLOG_U64,
    OPLOG_INDEX,  /* of another entry; 0: none, and not printed */
    OPLOG_DIGEST, /* 64 bits, printed in hex */
    OPLOG_TEXT,
    OPLOG_TEXTS,
    OPLOG_CHOICE, /* one of `choices` */
    OPLOG_VALUE,  /* a component-model value (cabi_encode), printed by a hook */
    OPLOG_REQUEST /* the same, but only its size and a digest are kept when it is larger than OPLOG_REQUEST_BYTES */
};

enum {
    OPLOG_MIN_BYTES = 7, /* of an entry */
    OPLOG_REQUEST_BYTES = 256,
    OPLOG_MAX_FIELDS = 8,
    OPLOG_CALLEE_SLOT_BITS = 5
};

struct oplog_field {
    const char *name; /* as in Golem's JSON */
    enum oplog_field_type type;
    const char *const *choices; /* OPLOG_CHOICE: NULL-terminated */
};

/* A decoded field. Bytes point into the entry. */
struct oplog_value {
    uint64_t number;     /* U64, INDEX, DIGEST, CHOICE; TEXTS: how many; REQUEST: its digest if it is large, else 0 */
    const uint8_t *data; /* TEXT, VALUE, REQUEST (NULL if it is large); TEXTS: each a LEB128 size and bytes */
    size_t size;         /* REQUEST: also of a large one */
};

struct oplog_kind_info {
    const char *name; /* NULL: there is no such kind */
    uint32_t flags;
    uint32_t field_count;
    const struct oplog_field *fields;
};
const struct oplog_kind_info *oplog_kind_info(unsigned kind); /* never NULL */

/* One entry, undecoded. */
struct oplog_entry {
    uint64_t index;
    uint64_t time_us; /* since 1970, UTC */
    enum oplog_kind kind;
    uint32_t body_size;
    const uint8_t *body;
    const uint8_t *chunk; /* the beginning of the chunk, which holds the callees of recorded calls; NULL: not at hand */
};

static inline bool oplog_is_hint(enum oplog_kind kind)
{
    return oplog_kind_info(kind)->flags & OPLOG_HINT;
}

/* --- writing --- */

/* Where the chunk that begins with entry `chunk` has a callee: in the entry at byte `place`. */
struct oplog_callee_slot {
    const char *name;
    uint64_t chunk, place;
    uint8_t durability;
};

/* A chunk in the making: entries that follow one another in a buffer, the first of which is number first_index. */
struct oplog_tail {
    struct ga_buf buf;
    uint64_t first_index; /* at least 1 */
    uint32_t count;
    uint64_t chain;   /* after the last entry */
    uint64_t time_us; /* of the last entry */
    struct oplog_callee_slot callees[1 << OPLOG_CALLEE_SLOT_BITS];
};

/* The chain hash before entry 1. */
uint64_t oplog_chain_start(uint64_t worker_id);

/* Writes a header; the caller appends the body to tail->buf and calls oplog_end with what begin gave. */
size_t oplog_begin(struct oplog_tail *tail, enum oplog_kind kind, uint64_t time_us);
void oplog_end(struct oplog_tail *tail, size_t begun);

/* A whole entry of any kind but a recorded call; values: one for each field of the kind. TEXTS are given encoded (oplog_texts). */
void oplog_append(struct oplog_tail *tail, enum oplog_kind kind, uint64_t time_us, const struct oplog_value *values);
struct oplog_value oplog_number(uint64_t number);
struct oplog_value oplog_text(const char *text);
struct oplog_value oplog_bytes(const void *data, size_t size);
/* Encodes `count` texts into out (kept by the caller until the append). */
struct oplog_value oplog_texts(const char *const *texts, uint32_t count, struct ga_buf *out);

/* What a call recorded as OPLOG_BATCHED belongs to. */
struct oplog_batch {
    uint64_t begin; /* its BeginRemoteWrite; 0: none */
    bool silent;    /* the response tells nothing of what the batch does (a poll that found it pending) */
};

enum { OPLOG_BATCHED = 6 /* DURABLE_WRITE_BATCHED */ };

/*
 * The one that counts: a recorded call, between begin and end. name lives and keeps its contents as long as the tail, which knows
 * it again by its address. batch: of one recorded as OPLOG_BATCHED, else {0}. The response is appended by the caller
 * directly behind (cabi_encode).
 */
void oplog_put_call(struct oplog_tail *tail, size_t begun, uint8_t durability, const char *name,
                    struct oplog_batch batch, const void *request, size_t request_size);

/* What is kept of a large request. */
uint64_t oplog_request_digest(const void *request, size_t size);

/* --- reading --- */

struct oplog_cursor {
    const uint8_t *chunk, *at, *end;
    uint64_t index;   /* of the next entry */
    uint64_t chain;   /* before it */
    uint64_t time_us; /* of the entry before it in the chunk */
};

/* To the first entry of a chunk; index and chain are the caller's. */
void oplog_enter(struct oplog_cursor *cursor, const void *chunk, size_t size);

enum oplog_next {
    OPLOG_NEXT_ENTRY,
    OPLOG_NEXT_END,
    OPLOG_NEXT_SHORT,  /* the bytes end within the entry, or are all zero from here on */
    OPLOG_NEXT_DAMAGED /* check, size or kind is wrong */
};

/* Takes the next entry; with verify, its check too (else chain is left alone). The cursor stays where it is on failure. */
enum oplog_next oplog_next(struct oplog_cursor *cursor, bool verify, struct oplog_entry *out);

/* How many bytes the entry at `at` says that it has, whether they are there or not. */
size_t oplog_claimed_size(const uint8_t *at, const uint8_t *end);

/* All fields of the entry; false if its body is malformed. */
bool oplog_decode(const struct oplog_entry *entry, struct oplog_value values[OPLOG_MAX_FIELDS]);

/* A recorded call, taken apart without going through the table. response: from *response_out to the body's end. */
struct oplog_call {
    const char *name;
    size_t name_size;
    uint8_t durability;
    struct oplog_batch batch;
    const uint8_t *request; /* NULL if it is large: then there is its digest */
    uint64_t request_size, request_digest;
    const uint8_t *response;
    size_t response_size;
};
bool oplog_decode_call(const struct oplog_entry *entry, struct oplog_call *out);

/* --- printing --- */

/* Component-model values need types, which only the executable knows. value appends WAVE text for field `field` of the entry
 * and returns true, or returns false: then the bytes are printed in hex. May be NULL. */
struct oplog_printer {
    bool json;
    bool (*value)(void *context, const struct oplog_entry *entry, const struct oplog_value *values, uint32_t field,
                  struct ga_buf *out);
    void *context;
};

/* One line, with a newline: "INDEX TIME KIND field=value ...", or one JSON object. */
void oplog_print(const struct oplog_printer *printer, const struct oplog_entry *entry, struct ga_buf *out);

/* Appends text as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD. */
void oplog_json_string(struct ga_buf *out, const void *text, size_t size);

#endif
