#ifndef DURABLE_RECORD_H
#define DURABLE_RECORD_H

#include "worker.h"

/* A call that is recorded: what was asked, in both modes. */
struct record_call {
    const char *name;
    enum durability durability;
    struct oplog_batch batch; /* of DURABLE_WRITE_BATCHED */
    const struct cabi_type *request_type; /* NULL: no arguments */
    const void *request;
    const struct cabi_type *result_type; /* NULL: no result */
};

/* Live from here on, as if nothing had been recorded behind entry `begin`: appends the Jump that hides it, and commits. */
void record_jump(struct worker *worker, uint64_t begin);

/* Encodes the request into worker->request. */
void record_begin(struct worker *worker, const struct record_call *call);

/* Live: appends the call with its result. */
void record_append(struct worker *worker, const struct record_call *call, const void *result);

/* In replay: takes the next entry, which must be this call, and gives its result, in the scratch. A difference
 * abandons the guest. */
void record_take(struct worker *worker, const struct record_call *call, void *result_out);

/* A call that a host function records itself: live what make gives, in replay what was recorded. */
void record_value(struct worker *worker, struct record_call *call, void *result,
                  void (*make)(void *context, void *result), void *context);

/* An entry that a host function appends itself, and its index. In replay the next entry must be of that kind and, if it has
 * fields, have the number values[0] first. */
uint64_t record_mark(struct worker *worker, enum oplog_kind kind, const struct oplog_value *values);

/*
 * Around a call of a class that others see the effect of, while a batch is open: it is a batch too. So its begin is
 * durable with all that the effect waits for, and a process that dies between the effect and its record does not forget
 * what the open batch gave. begin: 0 if there is none.
 */
uint64_t record_seen_begin(struct worker *worker, enum durability durability);
void record_seen_end(struct worker *worker, uint64_t begin);

/* Something that cannot be recorded is about to happen: verify stops here, a start image is given up. */
void record_refuse_when_leaving(struct worker *worker, const char *what);

/* Something is about to be appended, live: the same, and the replay, if there was one, is over. */
void record_go_live(struct worker *worker, const char *what);

#endif
