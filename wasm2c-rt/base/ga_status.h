#ifndef GA_STATUS_H
#define GA_STATUS_H

/*
 * What went wrong, when the fault lies with the world or the user. Our own bugs
 * are GA_ASSERT (ga_assert.h); the guest's faults are traps (core/trap.h).
 * The text for people goes into a struct ga_report beside the status.
 */
#define GA_STATUS_MAP(X)                                                                                     \
    X(OK, "done")                                                                                            \
    X(INVALID, "the input is malformed or breaks a rule")                                                    \
    X(UNSUPPORTED, "the input is valid, but uses what this version does not offer")                          \
    X(LIMIT, "a limit is exceeded")                                                                          \
    X(NOT_FOUND, "there is nothing of that name")                                                            \
    X(CONFLICT, "somebody else holds it, or it exists already")                                              \
    X(CORRUPT, "stored data is damaged")                                                                     \
    X(DIVERGED, "the replay differs from what was recorded")                                                 \
    X(TRAP, "the guest trapped")                                                                             \
    X(EXITED, "the guest called exit")                                                                       \
    X(IO, "the operating system reported an error")                                                          \
    X(NO_SPACE, "the disk is full")                                                                          \
    X(NO_MEMORY, "out of memory")                                                                            \
    X(TOOL, "an external program failed")                                                                    \
    X(SUSPENDED, "the worker waits for something outside")

enum ga_status {
#define X(name, text) GA_##name,
    GA_STATUS_MAP(X)
#undef X
};

#define GA_MUST_USE __attribute__((warn_unused_result))

/* The code's name, "NOT_FOUND". */
const char *ga_status_name(enum ga_status status);

/* One line for people, without a full stop. */
const char *ga_status_text(enum ga_status status);

#endif
