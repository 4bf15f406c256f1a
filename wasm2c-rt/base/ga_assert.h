#ifndef GA_ASSERT_H
#define GA_ASSERT_H

/* For our own bugs only; stays on in release builds. Prints where and what, then aborts. */
#define GA_ASSERT(condition)                                                                                 \
    (__builtin_expect(!!(condition), 1) ? (void)0 : ga_assert_failed(#condition, __FILE__, __LINE__))

#define GA_UNREACHABLE() ga_assert_failed("unreachable", __FILE__, __LINE__)

__attribute__((noreturn, cold)) void ga_assert_failed(const char *condition, const char *file, int line);

/* The system has no memory, for `what`: says so and ends the process with 1, as if it had been killed: nothing is
 * flushed. Needs little stack, and may run on the guest's. */
__attribute__((noreturn, cold)) void ga_out_of_memory(const char *what);

#endif
