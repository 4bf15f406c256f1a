#ifndef GA_REPORT_H
#define GA_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_status.h"

/*
 * Where an error's text for people is collected. The first one wins: whoever sees
 * the cause describes it, the callers above only pass the status on.
 * Zero-initialise before use; holds no resources.
 */
struct ga_report {
    enum ga_status status; /* GA_OK while nothing was reported */
    bool has_offset;
    uint64_t offset;       /* byte offset in the file the report is about */
    char text[1024];
};

/* Records status and text unless something was recorded before. Returns the status that is now recorded. */
__attribute__((format(printf, 3, 4))) enum ga_status ga_report_set(struct ga_report *report,
                                                                   enum ga_status status, const char *format,
                                                                   ...);

/* The same, with the byte offset of the place in the input. */
__attribute__((format(printf, 4, 5))) enum ga_status ga_report_at(struct ga_report *report,
                                                                  enum ga_status status, uint64_t offset,
                                                                  const char *format, ...);

/* ga_report_set with ": " and the text of errno (saved by the caller as error) appended; ENOSPC and EDQUOT
 * give GA_NO_SPACE, ENOENT GA_NOT_FOUND, ENOMEM GA_NO_MEMORY, all others GA_IO. */
__attribute__((format(printf, 3, 4))) enum ga_status ga_report_errno(struct ga_report *report, int error,
                                                                     const char *format, ...);

/* Writes "FILE:0xOFFSET: TEXT\n", or "FILE: TEXT\n", to stderr; file may be NULL. */
void ga_report_print(const struct ga_report *report, const char *file);

#endif
